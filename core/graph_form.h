/* SPDX-License-Identifier: MIT */
/* Reads the JSON form of a graph as eyot__graph_write makes it, and tells what differs between two. Pure. */
#ifndef EYOT_CORE_GRAPH_FORM_H
#define EYOT_CORE_GRAPH_FORM_H

#include <eyot/eyot.h>

typedef struct eyot__graph_form_node {
    char *id, *version, *action; /* version, action NULL: none */
    bool each;
} eyot__graph_form_node;

typedef struct eyot__graph_form_edge {
    char *from, *to, *kind, *condition; /* kind "always" where none is written; condition NULL: none */
} eyot__graph_form_edge;

typedef struct eyot__graph_form {
    char *text;                           /* owned; the strings below are in it */
    char *name, *copier, *rules, *starts; /* rules NULL: none; starts are ids with ", " between them */
    eyot__graph_form_node *nodes;
    eyot__graph_form_edge *edges;
    size_t n_nodes, n_edges;
} eyot__graph_form;

/* EPARSE: it is none, or its fingerprint (64 hex digits) is another. ENOMEM. *out is cleared in any case. */
eyot_status eyot__graph_form_read(eyot__graph_form *out, const char *text, size_t len, const char *fingerprint);
void eyot__graph_form_clear(eyot__graph_form *f);

/* ENOMEM, and what `tell` returns. */
eyot_status eyot__graph_form_compare(const eyot__graph_form *before, const eyot__graph_form *now, eyot_change_fn tell,
                                     void *arg);

#endif
