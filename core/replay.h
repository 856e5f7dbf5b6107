/* SPDX-License-Identifier: MIT */
/* The log of a run, done again entry by entry without its nodes: what rebuilding, playback and verify have in common. */
#ifndef EYOT_CORE_REPLAY_H
#define EYOT_CORE_REPLAY_H

#include "core/run.h"

typedef struct eyot__replay {
    eyot__frontier *f; /* initialised, without branches, not even its first one */
    eyot__rebuilt *out;
    eyot_bytes run;
    size_t activation_size;
    /* May be NULL. Before a recorded task is done again (`a` NULL: no live task is this one), when its state has its update
     * and its branch is about to go on, and when an attempt of a live task (`a` NULL again: of another one) has failed or it waits.
     * What is not EYOT_OK ends the replay. `a` may be changed, but must be as it was in the end. */
    eyot_status (*before)(void *arg, eyot__activation *a, const eyot__task_entry *t, eyot_error *e);
    eyot_status (*after)(void *arg, const eyot__activation *a, const eyot__task_entry *t, eyot_error *e);
    eyot_status (*befallen)(void *arg, eyot__activation *a, const eyot__incident *in, eyot_entry_kind kind,
                            eyot_error *e);
    void (*renewed)(void *arg); /* all activations are new ones */
    void *arg;
    /* its own: */
    eyot__who_table live; /* activations */
    eyot_error *e;        /* of the entry that is being read */
    eyot_error told;      /* with run and entry */
    bool begun;           /* the first snapshot has come */
    bool lasts;           /* goes on behind snapshots, also where entries before them are missing */
} eyot__replay;

/* One more entry, in order, beginning with a snapshot: an eyot_entry_fn. What is wrong is in `told`. */
eyot_status eyot__replay_entry(void *arg, const eyot_entry *entry);
/* All live activations are in f->fired from now on, as the frontier's owner wants them, also after a failure. ENOMEM. */
eyot_status eyot__replay_end(eyot__replay *b, eyot_error *e);
/* From the newest snapshot up to entry `seq` (UINT64_MAX: the newest); `b` may go on with the entries after it. */
eyot_status eyot__replay_load(eyot__replay *b, eyot_store *store, uint64_t seq, eyot_error *e);

/* The entries from seq `from` to `head` (UINT64_MAX: all there are), in order, handed to fn outside the store, with their bodies. What fn returns ends the walk
 * and is returned, with `e` untouched. ECORRUPT: entry `head` was not there. Memory: a page of about 1 MiB. */
eyot_status eyot__walk_entries(eyot_store *store, eyot_bytes run, uint64_t from, uint64_t head, eyot_entry_fn fn,
                               void *arg, eyot_error *e);

#endif
