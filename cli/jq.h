/* SPDX-License-Identifier: MIT */
/* jq expressions, evaluated in helper processes: libjq ends the process on some programs, never ends on others, and reads
 * files. A helper keeps its programs compiled; one that hangs, dies or grows too big is killed and replaced. */
#ifndef EYOT_CLI_JQ_H
#define EYOT_CLI_JQ_H

#include <eyot/copiers.h>

#include "cli/loop.h"

typedef struct jq_call jq_call;

/* Of one program: a value, or what is wrong in one line. A program must give exactly one output. */
typedef struct jq_result {
    eyot_value *value; /* borrowed; NULL: failed */
    const char *error;
} jq_result;

/* On a finisher thread; may block, but not for another call. `failure` not NULL: one line that says why there are no
 * results (timed out, helper died, stopped, the input holds an integer beyond 2^53 …); `status` is of which kind:
 * ETIMEDOUT, ECANCELED, EFAILED, ENOMEM; results is NULL then. */
typedef void (*jq_done_fn)(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure);

/* Evaluates n programs, in order, all on the same input. Programs are texts that live as long as the loop (the helpers know
 * them by address). `input` is borrowed for the call. timeout_ms 0: the loop's. ENOMEM, ECANCELED (loop_stop has begun):
 * `done` will not be called. Not called jq_start: libjq has one. */
eyot_status jq_call_start(jq_call **out, loop *l, const char *const *programs, size_t n, const eyot_value *input,
                          uint64_t timeout_ms, jq_done_fn done, void *arg);
/* Its result is no longer wanted: ECANCELED. Any thread, never blocks; not after its `done` has begun to run. */
void jq_call_stop(jq_call *c);

/* Compiles programs in helpers and waits for them, so not on a finisher: errors[i] is NULL or one line, freed by the caller.
 * The programs are not remembered. On ENOMEM, ECANCELED all errors are NULL. */
eyot_status jq_check(loop *l, const char *const *programs, size_t n, char **errors);

/* The helper's side: `eyot` called with this argument serves on descriptor 3 until it is closed. */
#define JQ_HELPER_ARG "--jq-helper"
int jq_helper_main(void);

#endif
