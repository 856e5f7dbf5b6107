/* SPDX-License-Identifier: MIT */
/* Fleets: worker processes that share a store, are killed and stopped, and write down what they do; a checker joins that with
 * the store. test/fleet_support.c has the processes, fleet_check_support.c the checker, fleet_backend_support.c what is done to
 * a store behind its back. A program that uses this has a test that calls fleet_helper(). */
#ifndef EYOT_TEST_FLEET_H
#define EYOT_TEST_FLEET_H

#include <sys/types.h>

#include "test/tally.h"

enum { FLEET_MOST = 16, FLEET_STEPS = 20, FLEET_LEASE_MS = 2000, FLEET_WAIT = -1 };

/* ---- backends --------------------------------------------------------------------------------------------------- */

typedef struct fleet_backend {
    const char *name;
    const char *url; /* %s is a fresh directory; "$NAME": of a server in the environment, a fresh prefix= is added */
} fleet_backend;

/* FLEET_TESTS(address, sentence): address_BACKEND__sentence for each of them; static void address(const fleet_backend *). */
#define FLEET_TESTS(address, sentence)            \
    FLEET_TEST(address, sentence, sqlite, sqlite) \
    FLEET_TEST(address, sentence, mysql, mysql)   \
    FLEET_TEST(address, sentence, redis, redis)
#define FLEET_TEST(address, sentence, name, backend) \
    TEST(address##_##name##__##sentence)             \
    {                                                \
        address(&fleet_##backend);                   \
    }
extern const fleet_backend fleet_sqlite, fleet_mysql, fleet_redis, fleet_redis_cluster;

/* A URL for a store of this test's own. Skips the test where the backend or its server is not there. */
void fleet_url(const fleet_backend *b, char *out, size_t size);

/* What others may do to a store behind its back: the whole of it as it is now, as it was saved last, and the times at which held
 * runs are due. */
typedef enum fleet_deed { FLEET_SAVE, FLEET_RESTORE, FLEET_SHIFT } fleet_deed;
void fleet_do(const fleet_backend *b, const char *url, fleet_deed deed, int64_t ms);

/* A server of the test's own, to be killed and started again with what it had; test/crash/own_server.sh. */
typedef struct fleet_server {
    pid_t pid;
    char name[8], dir[4200], setting[32], value[32];
} fleet_server;
/* The URL of its store goes to `url`. `setting` and `value` are for the server's command line, or "". */
void fleet_server_open(fleet_server *s, const fleet_backend *b, const char *setting, const char *value, char *url,
                       size_t size);
void fleet_server_kill(fleet_server *s);
void fleet_server_start(fleet_server *s);

/* ---- worker processes ------------------------------------------------------------------------------------------- */

/* Where a worker process sends a signal to itself, until it gets SIGUSR1. */
typedef enum fleet_moment {
    FLEET_NEVER,
    FLEET_BEFORE_CLAIM,
    FLEET_AFTER_CLAIM,
    FLEET_BEFORE_COMMIT, /* of entries */
    FLEET_AFTER_COMMIT,  /* before anybody knows that it was acknowledged */
    FLEET_IN_TASK,
    FLEET_MOMENTS
} fleet_moment;

typedef struct fleet_job {
    const char *url, *log;
    unsigned threads, max_runs, poll_ms, max_attempts;
    unsigned task_us; /* what a task takes, about */
    fleet_moment moment;
    unsigned after; /* from the so-maniest such moment on, at each */
    int signo;
} fleet_job;

typedef struct fleet_worker {
    pid_t pid; /* 0: none */
    bool stopped;
} fleet_worker;

typedef struct fleet {
    const fleet_backend *backend;
    fleet_job job; /* of the worker that is started next */
    char url[4300], log_path[4300];
    eyot_store *store; /* the test's own handle */
    eyot_engine *engine;
    eyot_graph *graph;
    int log;
    fleet_worker workers[FLEET_MOST];
    unsigned n_workers;
    unsigned n_runs, n_done; /* those before n_done have been seen to be done */
    unsigned n_lost;         /* processes that died of a signal */
    uint64_t want;           /* a hash of the final state of an undisturbed run */
    uint64_t random;
} fleet;

/* Never returns in a worker process. Otherwise does a worker's job in this process. */
void fleet_helper(void);

/* Fails or skips the test when it cannot. `url` NULL: one of the backend. What an earlier test left alive is killed. */
void fleet_open(fleet *f, const fleet_backend *b, const char *url);
void fleet_close(fleet *f);
/* `n` more runs, "r0000" …, are ready for whoever claims them. */
void fleet_submit(fleet *f, unsigned n);
void fleet_submit_as(fleet *f, const char *id);
void fleet_run_id(char out[16], unsigned i);
/* Makes workers up to `n` of them, and waits until each is asking for runs. */
void fleet_start(fleet *f, unsigned n);
void fleet_start_one(fleet *f, unsigned i);
/* Signals a worker, and writes it down. A dead one is not waited for. */
void fleet_signal(fleet *f, unsigned i, int signo);
/* Takes note of workers that have died (their pid is then 0) or stopped. One that ended otherwise fails the test. */
void fleet_look(fleet *f);
bool fleet_done(fleet *f); /* every run; false also when the store cannot be asked */
/* Calls `each` every few ms until all runs are done; fails the test after so much time, times EYOT_TEST_PATIENCE. */
void fleet_await(fleet *f, unsigned seconds, void (*each)(fleet *f, void *arg), void *arg);
/* The workers give back what they have and end; or are killed. */
void fleet_dismiss(fleet *f);
void fleet_kill_all(fleet *f);
uint64_t fleet_patience(void);
uint64_t fleet_now_ns(void);
pid_t fleet_spawn(const fleet_job *job);
/* split → 3 × 6 tasks in a row → end: 20 steps. */
eyot_graph *fleet_graph(const fleet_job *job);

/* ---- what they wrote, and the checker ---------------------------------------------------------------------------- */

/* Q a claim is asked for, C it was granted, N not; E a task begins, D its node is done; S a commit is sent, s it has returned; A an entry was acknowledged, F a commit was refused, X it failed; R a run was released, P parked, L left, T trouble;
 * B a worker begins. By the test: K died of a signal, Z stopped, Y continued. */
typedef struct fleet_line {
    char kind, run[32], key[128];
    unsigned long long epoch, ns, hash, sent; /* `sent`: when the commit was */
    long long number;                         /* A: seq; C: attempts; F, X, L, T: status; K: the signal */
    int pid;
} fleet_line;

typedef struct fleet_lines {
    fleet_line *lines; /* in the order of their times */
    size_t n;
} fleet_lines;

void fleet_note(int log, fleet_line line); /* at this moment */
fleet_lines fleet_read(const fleet *f);    /* freed by free(lines) */
unsigned fleet_count(const fleet_lines *all, char kind, const char *run);
/* What a process has begun and not ended, as the lines before `n` tell. */
typedef struct fleet_doings {
    int commits, claims, tasks;
} fleet_doings;
fleet_doings fleet_doings_of(const fleet_lines *all, size_t n, pid_t pid);

typedef struct fleet_findings {
    unsigned executions, again, acknowledged, refused, takeovers, late_starts;
    unsigned killed[FLEET_MOMENTS]; /* what was going on in those that died; FLEET_NEVER: nothing */
} fleet_findings;

/* Checks I1 to I7, and fails the test naming what it found. */
typedef enum fleet_check_flag {
    FLEET_PUT_BACK = 1, /* the store was put back in time: acknowledged entries may be gone, and tasks begin again */
    FLEET_CLOCK_MOVED =
        2 /* who has lost a run may begin tasks until it is told so: its lease has not ended by its own clock */
} fleet_check_flag;
fleet_findings fleet_check(const fleet *f, uint32_t flags);
/* The run is done, contiguous, nothing is in it twice, and its final state is that of an undisturbed one. */
void fleet_check_run(const fleet *f, const char *id);
void fleet_print(const fleet *f, const fleet_findings *found);

#endif
