/* SPDX-License-Identifier: MIT */
/* The store that a verb works on, and the runs in it that people name. */
#ifndef EYOT_CLI_PLACE_H
#define EYOT_CLI_PLACE_H

#include <eyot/stores.h>

#include "cli/args.h"
#include "cli/config.h"

typedef struct place {
    config conf;
    eyot_store *store;
} place;

/* Opens the store that options and configuration name. Verbs that only look do not create one. Returns EXIT_DONE, or
 * another code when something has been said. place_close in any case. */
typedef enum place_mode { PLACE_LOOK, PLACE_CREATE } place_mode;
int place_open(place *p, const args *a, place_mode mode);
void place_close(place *p);

/* A row of the store, copied. */
typedef struct run_row {
    char id[129], graph[65], fingerprint[65], origin[192], queue[129], owner[160];
    eyot_run_status status;
    uint64_t steps;
    int64_t created_ms, updated_ms, now_ms, due_ms; /* due_ms: INT64_MAX: never */
    int32_t priority;
    uint32_t attempts; /* claims since its last step */
    bool held;         /* somebody works on it */
    bool lost;         /* it seems to be held, but its owner is dead */
    bool half;         /* it is being imported, or its import was cut short */
} run_row;
void run_row_copy(run_row *out, const eyot_run_row *row);
/* "running"; for people "interrupted" when nobody works on it any more, "importing" when it is not whole. */
const char *run_row_status(const run_row *row);

/* What stands for a run on the command line: RUN, RUN@STEP, RUN@LABEL, RUN/TASK. */
typedef struct run_word {
    char run[129];
    uint64_t step;    /* EYOT_LATEST: none was named */
    char label[65];   /* of a step that place_step finds; "": none */
    const char *task; /* borrowed from the word; NULL: none */
} run_word;
/* What may follow the run. */
typedef enum run_tail { RUN_ALONE, RUN_STEP, RUN_TASK } run_tail;

/* Takes the word apart; EXIT_USAGE when it is none and that has been said. */
int run_word_read(run_word *out, const char *word, run_tail tail);
/* The run that an id, the beginning of one, or `latest` means. Returns EXIT_DONE, or another code when something has
 * been said. */
int place_find(place *p, const char *run, run_row *out);
/* The step that the word's label names. Returns EXIT_DONE, also without a label, or another code when something has been said. */
int place_step(place *p, run_word *word, const run_row *row);
/* For verbs that look at one run, word 0 of their arguments: all of it, in PLACE_LOOK mode. place_close in any case. */
int place_open_run(place *p, const args *a, run_tail tail, run_word *word, run_row *row);

bool run_id_is_good(const char *id);
/* A new id: the graph's name, a dash and eight characters. False: the system gives no random bytes, which has been
 * said. */
bool run_id_new(char id[129], const char *graph);

#endif
