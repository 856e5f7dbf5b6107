/* SPDX-License-Identifier: MIT */
/* One thread for all children: it starts commands and jq helpers, reads what they write, keeps their times, sees their
 * ends. Results are handed to a few finisher threads, which may block; the loop never does. */
#ifndef EYOT_CLI_LOOP_H
#define EYOT_CLI_LOOP_H

#include <eyot/eyot.h>

typedef struct loop loop;

typedef struct loop_options {
    const char *self;       /* path of this program, which is also the jq helper. NULL: /proc/self/exe */
    unsigned helpers;       /* jq helpers at most; 0: the number of processors */
    unsigned finishers;     /* 0: 2 */
    uint64_t jq_timeout_ms; /* of one evaluation when its own is 0; 0: 10,000 */
    uint64_t jq_memory;     /* bytes a helper may use; 0: 512 MiB. Not kept to in a build with sanitizers */
} loop_options;

/* Must be called before any other thread exists: it first starts the reaper process (reaper.h). Raises the limit of open
 * files as far as it may (commands get the old one) and gives SIGCHLD its default action. EIO, ENOMEM. */
eyot_status loop_start(loop **out, const loop_options *options, eyot_error *e);
/* Stops every command still running (TERM, then KILL after its grace; at once with `now`) and every jq call, waits for all of
 * them, delivers their results, ends helpers and reaper. Nothing new can be started meanwhile. Not on a finisher. */
void loop_stop(loop *l, bool now);

#endif
