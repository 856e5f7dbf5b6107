/* SPDX-License-Identifier: MIT */
/* Runs with many snapshots, and what a store holds of them, for tests of what is kept; test/retained_support.c. What goes wrong fails
 * the test. */
#ifndef EYOT_TEST_RETAINED_H
#define EYOT_TEST_RETAINED_H

#include "test/tally.h"

enum {
    RETAINED_NODES = 60,
    RETAINED_STEPS = RETAINED_NODES + RETAINED_NODES / 10,
    RETAINED_SUM = RETAINED_NODES * (RETAINED_NODES + 1) / 2 + 2 + 12 + 22 + 32 + 42 + 52 /* of a run that is done */
};

/* n0 → … → n59; every tenth node also goes to a side branch that joins again five nodes later. Frozen. */
eyot_graph *retained_graph(void);
/* What the nodes of a run give comes from the seed. */
void retained_seed(uint64_t seed);
/* The run "r", which fails on its way, and is resumed to its end or not. */
void retained_live(eyot_store *store, const eyot_graph *g, uint64_t *random, bool end);
/* A failed run "r" of the entries 1 to `head`, every `every`-th a snapshot; the records say nothing. */
void retained_write(eyot_store *store, uint64_t head, uint64_t every);

typedef struct retained_log {
    tally_entry at[2000];
    size_t n;
} retained_log;
retained_log retained_read(eyot_store *store, const char *id);
bool retained_same(const retained_log *a, const retained_log *b);
/* The newest snapshot at or before this entry; 0: there is none. */
uint64_t retained_snapshot(const retained_log *l, uint64_t seq);
/* A hash of all that a checkpoint tells; 0: it was pruned, and that is what is said. */
uint64_t retained_checkpoint(eyot_store *store, const eyot_graph *g, const char *id, uint64_t step);

/* A store in memory with such a run "r"; at its end no state may be left. */
typedef struct retained_place {
    eyot_store *store;
    eyot_graph *g;
    uint64_t random;
} retained_place;
retained_place retained_begin(bool end);
void retained_end(retained_place *p);

/* The row of a run that says it was forked from this step. */
void retained_fork(eyot_store *store, const char *id, uint64_t step, const char *as);
/* A fresh prefix on the server; skips the test when there is none. */
const char *retained_server(const char *variable);

/* A table before a store's, which lets a test come in between. */
struct retained_hook {
    const eyot_store_ops *behind;
    eyot_store *store;
    int left; /* calls until something happens */
};
extern struct retained_hook retained_hook;
/* A store before this one, whose table `change` changes; to be closed before it. */
eyot_store *retained_hooked(eyot_store *store, eyot_store_ops *ops, void (*change)(eyot_store_ops *ops));

#endif
