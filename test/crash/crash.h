/* SPDX-License-Identifier: MIT */
/* Runs in processes of their own, to be killed, stopped and starved; test/crash_support.c. A test program that uses this has a
 * test that calls crash_helper(): the program starts itself again with that test's name, as helper. */
#ifndef EYOT_TEST_CRASH_H
#define EYOT_TEST_CRASH_H

#include <spawn.h>
#include <sys/types.h>

#include "test/tally.h"

enum { CRASH_BRANCHES = 50, CRASH_ROUNDS = 2 };

/* What a helper is to do: go on with the run, or start it if the store does not have it, and wait for its end. */
typedef struct crash_job {
    const char *url, *run;
    const char *log; /* a file that tasks append to, see crash_line; NULL: none */
    unsigned life;   /* written into the log */
    eyot_durability durability;
    unsigned lease_ms, threads;
    unsigned pause_us;        /* what a task takes, about */
    unsigned pad;             /* bytes in every update */
    unsigned long file_limit; /* RLIMIT_FSIZE; 0: none */
    unsigned uid;             /* to become; 0: stay who we are */
    int gate;                 /* a descriptor; tasks wait until its other end is closed. 0: none */
    int report; /* a descriptor that gets lines: "resume STATUS MS TEXT", "task" at the first task, "end STATUS
                                  TEXT". 0: none */
} crash_job;

enum { CRASH_DONE = 0, CRASH_NOT_RESUMED = 10, CRASH_FAILED = 11, CRASH_BROKEN = 12 }; /* exit statuses of a helper */

/* Never returns when this process is a helper. Otherwise does a job without disturbance and checks what it says. */
void crash_helper(void);
/* Starts a helper. Nothing of the library is used in a forked child. */
pid_t crash_spawn(const crash_job *job);
/* Starts this program again, with the test `name` and "NAME=value" in its environment; what it prints is dropped. */
pid_t crash_start(const char *name, char *variable, posix_spawn_file_actions_t *actions);
/* Waits for its end: the exit status, or 1000 + the signal. */
int crash_reap(pid_t pid);

/* split → 50 × (a → b → (c →) d) → gather → split …, twice, then finish: 355 tasks. */
eyot_graph *crash_graph(const crash_job *job);
/* A hash of the final state of an undisturbed run, without a store. */
uint64_t crash_want(const crash_job *job);
uint64_t crash_hash(const void *state);

/* A line of the log: kind 'E' a task begins, 'D' its node is done, 'R' the run is done (`key` is then the hash in hex). */
typedef struct crash_line {
    char kind;
    unsigned life;
    unsigned long long ns; /* monotonic */
    char key[48];
} crash_line;

typedef struct crash_lines {
    crash_line *lines;
    size_t n, cap;
} crash_lines;

crash_lines crash_read_log(const char *path); /* freed by free(lines) */

#endif
