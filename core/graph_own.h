/* SPDX-License-Identifier: MIT */
/* What graph.c (building) and graph_freeze.c (checking) share. */
#ifndef EYOT_CORE_GRAPH_OWN_H
#define EYOT_CORE_GRAPH_OWN_H

#include "core/graph.h"

/* A name that was mentioned, as a node or as an end of an edge. */
typedef struct eyot__symbol {
    const char *name;
    uint32_t len, hash;
    uint32_t node; /* UINT32_MAX: not added so far */
} eyot__symbol;

typedef struct eyot__text_chunk {
    struct eyot__text_chunk *next;
    size_t used, size;
    char data[];
} eyot__text_chunk;

struct eyot__graph_private {
    eyot__text_chunk *texts; /* ids, versions, conditions, problems: freed together */
    eyot__symbol *symbols;
    uint32_t *slots;  /* symbol + 1 by hash, 0: empty */
    uint32_t *starts; /* symbols */
    char **problems;
    uint32_t n_symbols, symbols_cap, n_slots, n_starts, starts_cap, nodes_cap, edges_cap;
    size_t n_problems, problems_cap;
    size_t n_said;      /* problems of builder calls; the rest are of the last freeze */
    eyot_status failed; /* ENOMEM in a builder call */
    void *rules;
    char *given; /* the source given; NULL: none */
    size_t given_len;
    uint32_t *by_target; /* the out-edges of each node, sorted by target */
};

/* Keeps the text of e as a problem; false without memory. */
bool eyot__graph_keep_problem(struct eyot__graph_private *own, const eyot_error *e);
/* Well-formed UTF-8. */
bool eyot__graph_good_text(const char *text);

/* A name as it is shown in a problem: whole if it could be an id, else its beginning. */
typedef struct eyot__shown {
    char text[72];
} eyot__shown;

eyot__shown eyot__graph_show(const char *name);

#endif
