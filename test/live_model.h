/* SPDX-License-Identifier: MIT */
/* A case of the reference model that has lived on the engine: with conditions, retries, rescues, questions, sleeps, recorded values
 * and random numbers, in several lives that ended in any way; test/live_model_support.c. States are JSON. What does not
 * come out right fails the test. */
#ifndef EYOT_TEST_LIVE_MODEL_H
#define EYOT_TEST_LIVE_MODEL_H

#include <stdatomic.h>

#include <eyot/copiers.h>
#include <eyot/replay.h>

#include "test/model/cases.h"
#include "test/proxy.h"

enum { LIVE_TASKS = 128 };

/* What the nodes do with what they see. */
typedef enum live_mode {
    LIVE_NOTES,  /* keep it */
    LIVE_CHECKS, /* it must be what was kept: `wrong` counts */
    LIVE_IGNORES /* the states are other ones */
} live_mode;

typedef struct live {
    model_case c;
    eyot_graph *g;
    eyot_store *store; /* in memory, behind `p`. Its run is named `id` */
    proxy p;
    char id[24];
    uint64_t random;
    bool big;    /* has snapshots among its steps, if it has enough of them */
    bool sparse; /* some tasks give no update */
    bool exits;  /* some life wrote only its end: the log lacks steps */
    live_mode mode;
    struct {
        char *saw, *left; /* the state before and after the task, as text; owned */
    } notes[LIVE_TASKS];
    char *final; /* the last state, as text; owned */
    uint32_t n_updates;
    int64_t sum;
    uint32_t lives;             /* that it took */
    uint8_t styles[LIVE_TASKS]; /* of nodes */
    _Atomic uint32_t wrong;
    _Atomic uint32_t world; /* so often the world outside was asked */
    _Atomic uint32_t left;  /* tasks until the run is cancelled, commits until they fail; 0: never */
    _Atomic uint32_t commits;
    _Atomic bool dead;
    eyot_run *_Atomic run;
    bool after; /* the commit that fails is stored all the same */
} live;

/* Reads the next case and lives it to its end; false after the last one. What was there before is let go. */
bool live_next(live *m, model_reader *r);
void live_clear(live *m);

/* Goes on with a run of the case until it is done, answering; takes `run`, gives its last state, which is freed by eyot_free. */
char *live_finish(live *m, eyot_engine *engine, eyot_run *run);
eyot_engine *live_engine(live *m, eyot_store *store);
uint32_t live_choose(live *m, uint32_t n); /* 0 … n-1 */

uint32_t live_index(const live *m, const char *key);   /* of a task of the case */
bool live_updates(const live *m, const model_task *t); /* it gives an update */

#endif
