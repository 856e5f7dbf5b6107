/* SPDX-License-Identifier: MIT */
/* Reads the JSON form of a graph as eyot__graph_write makes it, and tells what differs between two. Pure. */
#ifndef EYOT_CORE_GRAPH_FORM_H
#define EYOT_CORE_GRAPH_FORM_H

#include <eyot/eyot.h>

typedef struct eyot__form_node {
    char *id, *version, *action; /* version, action NULL: none */
    bool each;
} eyot__form_node;

typedef struct eyot__form_edge {
    char *from, *to, *kind, *condition; /* kind "always" where none is written; condition NULL: none */
} eyot__form_edge;

typedef struct eyot__form {
    char *text;                           /* owned; the strings below are in it */
    char *name, *copier, *rules, *starts; /* rules NULL: none; starts are ids with ", " between them */
    eyot__form_node *nodes;
    eyot__form_edge *edges;
    size_t n_nodes, n_edges;
} eyot__form;

/* EPARSE: it is none, or its fingerprint (64 hex digits) is another. ENOMEM. *out is cleared in any case. */
eyot_status eyot__form_read(eyot__form *out, const char *text, size_t len, const char *fingerprint);
void eyot__form_clear(eyot__form *f);

/* ENOMEM, and what `tell` returns. */
eyot_status eyot__form_compare(const eyot__form *before, const eyot__form *now, eyot_change_fn tell, void *arg);

#endif
