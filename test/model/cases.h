/* SPDX-License-Identifier: MIT */
/* Reads cases.txt, the runs of the reference model; README.md describes it. The code is in test/model_support.c. */
#ifndef EYOT_TEST_MODEL_CASES_H
#define EYOT_TEST_MODEL_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_CASES EYOT_TEST_DATA "/model/cases.txt"
#define MODEL_SHAPES EYOT_TEST_DATA "/model/shapes.txt"
#define MODEL_KEYS 3      /* r0, r1, r2 */
#define MODEL_ABSENT (-1) /* of a number that is not there */

typedef struct model_edge {
    uint32_t from, to;
    bool sends;
} model_edge;

typedef struct model_graph {
    uint32_t n_nodes, n_edges, n_starts;
    const model_edge *edges;
    const uint32_t *starts;
    const bool *each; /* [n_nodes] */
} model_graph;

typedef struct model_route {
    uint32_t to;
    bool plain;     /* takes the edge; else it sends */
    uint32_t items; /* this many items, at least one */
} model_route;

typedef struct model_task {
    const char *key;
    uint32_t node;
    bool log, own;
    int64_t sum; /* or MODEL_ABSENT, as the next */
    int64_t r[MODEL_KEYS];
    const model_route *route;
    uint32_t n_route; /* 0: the branch ends */
} model_task;

/* An entry of a history. */
typedef struct model_entry {
    uint32_t task; /* its number */
    bool is_item;  /* an item that it sent: */
    uint32_t to, item;
    const char *name; /* "2@1[0]", or of an item "2@1[0]>5[3]" */
} model_entry;

typedef struct model_conflict {
    uint32_t key; /* of r */
    model_entry first, second;
} model_conflict;

typedef struct model_case {
    uint64_t seed;
    model_graph graph;
    const model_task *tasks; /* in an order in which they can be committed */
    uint32_t n_tasks;
    const char *const *sorted_keys; /* [n_tasks], by strcmp */
    const model_entry *history;
    uint32_t n_history;
    const char *const *log; /* the final value of `log` */
    uint32_t n_log;
    int64_t sum; /* final values, or MODEL_ABSENT */
    int64_t r[MODEL_KEYS];
    const model_conflict *conflicts;
    uint32_t n_conflicts;
} model_case;

typedef struct model_reader model_reader;

/* Opens one of the two files; fails the test if it cannot be read. */
model_reader *model_open(const char *path);
/* The next case, valid until the next call; false after the last one. Fails the test if a line is malformed. */
bool model_next(model_reader *m, model_case *c);
void model_close(model_reader *m);

/* For shapes.txt: reads the graph that begins here, then its other lines one by one; each is split into words, which end
 * with a NULL and are valid until the next graph. false at the line "end", and for a graph at the end of the file. */
bool model_next_graph(model_reader *m, model_graph *g);
bool model_next_line(model_reader *m, char ***words);

/* The task with this key; NULL: none. */
const model_task *model_find(const model_case *c, const char *key);

#endif
