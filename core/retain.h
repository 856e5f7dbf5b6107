/* SPDX-License-Identifier: MIT */
/* What of old runs is kept: retain.c (one run), gc.c (all of them). */
#ifndef EYOT_CORE_RETAIN_H
#define EYOT_CORE_RETAIN_H

#include <eyot/store.h>

/* From which steps of which runs others were forked: 16 bytes each, runs by a hash. Two runs of one hash share theirs: that
 * keeps a step too many. */
typedef struct eyot__fork {
    uint64_t run, step;
} eyot__fork;
typedef struct eyot__forks {
    eyot__fork *at;
    size_t n, cap;
} eyot__forks;
/* Reads the rows of all runs. ENOMEM, and what the store says; cleared in any case. */
eyot_status eyot__forks_collect(eyot__forks *f, eyot_store *store, eyot_error *e);
void eyot__forks_clear(eyot__forks *f);

/* eyot_store_prune with options that were read, and the forks. */
eyot_status eyot__prune(eyot_store *store, const char *run_id, const eyot_retain *rules, const eyot__forks *forks,
                        eyot_pruned *out, eyot_error *e);

#endif
