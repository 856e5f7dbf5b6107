/* SPDX-License-Identifier: MIT */
/* Going on with another graph: what differs from the run's, whether that is harmless, and which graph the run has from
 * then on. The rule is here alone. */
#ifndef EYOT_CORE_CHANGES_H
#define EYOT_CORE_CHANGES_H

#include <eyot/store.h>

#include "core/buf.h"
#include "core/graph.h"

/* The graph a run was last gone on with. */
typedef struct eyot__run_graph {
    char fingerprint[65];
    bool noted; /* it is another one than the row's was, or was meanwhile */
    eyot_buf
        touched; /* nodes, each id with a newline, that were changed after tasks of theirs were committed: records of
                         several meanings */
    eyot_buf source; /* with a NUL */
} eyot__run_graph;

/* `row_fingerprint`: of the run's row. The row's source is not read if that graph is g (may be NULL). *out is cleared in any
 * case. ECORRUPT, ENOMEM, and what the store says. */
eyot_status eyot__run_graph_read(eyot__run_graph *out, eyot_store *store, const char *run_id,
                                 const char *row_fingerprint, const eyot_graph *g, eyot_error *e);
void eyot__run_graph_clear(eyot__run_graph *g);

/* A difference with its strings. */
typedef struct eyot__kept_change {
    eyot_change told;
    char *strings, *line;
} eyot__kept_change;

typedef struct eyot__changes {
    eyot__kept_change *list;
    size_t n, cap;
    size_t n_harmful;
} eyot__changes;
void eyot__changes_clear(eyot__changes *c);

/* Finds the differences between the run's graph and g; without any when they have one fingerprint. `c` is empty before, and
 * cleared on failure. ENOMEM, and what the store says. */
eyot_status eyot__changes_find(eyot__changes *c, const eyot__run_graph *was, eyot_store *store, const char *run_id,
                               const eyot_graph *g, eyot_error *e);

/* ECHANGED with a text that names the run, the first harmful difference, and how many more there are. */
eyot_status eyot__changes_refuse(const eyot__changes *c, const char *run_id, eyot_error *e);

/* From now on the run's graph is g. A store without notes is no failure: then it stays the row's. */
eyot_status eyot__run_graph_write(const eyot__run_graph *was, const eyot__changes *c, eyot_store *store,
                                  const char *run_id, const eyot_graph *g, eyot_error *e);

/* For whoever runs nodes of g again and compares with the records of a run: comparable[v] tells of each node of g, one place per
 * node, that its version is the one that its records were made with, all of them by one graph. Same statuses as
 * eyot_store_compare_graph. */
eyot_status eyot__changes_comparable(eyot_store *store, const char *run_id, const eyot_graph *g, bool *comparable,
                                     eyot_error *e);

#endif
