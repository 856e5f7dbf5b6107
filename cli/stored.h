/* SPDX-License-Identifier: MIT */
/* The graph a stored run was last gone on with, made again from what the store keeps of it. */
#ifndef EYOT_CLI_STORED_H
#define EYOT_CLI_STORED_H

#include "cli/flow.h"
#include "cli/place.h"

typedef struct stored {
    char fingerprint[65];
    char *source;            /* the text that the store keeps */
    graphfile *file;         /* NULL: the run is a program's, not a graph file's */
    flow *flow;              /* of the file, to look at */
    eyot_graph *own;         /* else made of the program's graph; its nodes cannot run */
    const eyot_graph *graph; /* the one of these that there is */
} stored;

/* Reads the source and `file`, if it is a graph file's; `graph` stays NULL. Returns EXIT_DONE, or another code when
 * something has been said. stored_clear in any case. */
int stored_read(stored *out, place *p, const run_row *row);
/* stored_read, and then `graph`, to look at. */
int stored_open(stored *out, place *p, const run_row *row);
void stored_clear(stored *s);

/* A state or an update of the graph as a value, owned by the caller; of a type that has no JSON form, as text. NULL:
 * no memory, or none was given. */
eyot_value *stored_value(const eyot_graph *g, const void *state);

#endif
