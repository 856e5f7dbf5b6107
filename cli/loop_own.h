/* SPDX-License-Identifier: MIT */
/* What loop.c, command.c and jq.c share.
 *
 * One lock. Under it: the list of live jobs, their stop_asked, the finishers' queue, what waits to be taken by the loop
 * thread. All else of a job belongs to the loop thread from job_link until job_retire, and then to the finisher that got it.
 * Sources and deadlines belong to the loop thread. */
#ifndef EYOT_CLI_LOOP_OWN_H
#define EYOT_CLI_LOOP_OWN_H

#include <pthread.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "cli/jq.h"
#include "cli/loop.h"
#include "cli/reaper.h"

/* ---- descriptors ----------------------------------------------------------------------------------------------- */

typedef struct source {
    int fd; /* -1: none, or closed */
    void (*ready)(struct source *s, uint32_t events);
    void *owner;
} source;

/* 0 or an errno. Any thread: events may come before it returns. */
int source_watch(loop *l, source *s, uint32_t events);
void source_change(loop *l, source *s, uint32_t events);
/* Events of this turn of the loop may still name it afterwards: its memory must live until the end of the turn. */
void source_close(loop *l, source *s);

int pidfd_open_of(pid_t pid);

/* ---- times ----------------------------------------------------------------------------------------------------- */

typedef struct deadline {
    struct deadline *prev, *next;
    uint64_t due_ns;
    bool set;
    void (*passed)(struct deadline *d);
    void *owner;
} deadline;

void deadline_set(loop *l, deadline *d, uint64_t ms);
void deadline_clear(loop *l, deadline *d);

/* ---- jobs: commands and jq calls ------------------------------------------------------------------------------- */

typedef struct job {
    struct job *prev, *next; /* loop->live */
    struct job *next_stop;   /* the loop thread's, within a turn */
    struct job *then;        /* the next one in whatever queue it is */
    loop *owner;
    bool linked, stop_asked;
    bool stop_seen, retired;                     /* the loop thread's */
    void (*stop)(struct job *j, bool now);       /* on the loop thread; again when `now` becomes true */
    void (*finish)(struct job *j, bool stopped); /* on a finisher: calls `done`, frees */
} job;

typedef struct job_queue {
    job *first, *last;
} job_queue;

void job_push(job_queue *q, job *j);
job *job_pop(job_queue *q);

/* One more that loop_stop waits for. ECANCELED: loop_stop has begun. */
eyot_status job_begin(job *j, loop *l);
/* With the lock held: from now on it can be stopped. `stop`: this happens at once. */
void job_link(job *j, bool stop);
/* For a job that no event can name: to the finishers. Any thread, without the lock. */
void job_finish(job *j);
/* The loop thread: to the finishers, at the end of this turn. */
void job_retire(job *j);
/* Any thread. */
void job_stop(job *j);

/* ---- jq helpers; the loop thread's, but `inbox`, which is under the lock ------------------------------------------ */

typedef struct helper helper;
typedef struct jq_pool {
    job_queue inbox, waiting;
    helper *helpers; /* those that can be given a call, or have one */
    helper *dead;    /* to be freed at the end of this turn */
    unsigned n, n_dying;
} jq_pool;

/* At the end of each turn: frees what has died, gives waiting calls to helpers. */
void jq_turn(loop *l);
/* No call is left: ends all helpers. */
void jq_end_helpers(loop *l);

/* ---- the loop -------------------------------------------------------------------------------------------------- */

struct loop {
    loop_options options;
    char *self;
    reaper *reaper;
    char token[REAPER_TOKEN];
    char **env; /* what commands get, but for their own: ours, and the token */
    size_t n_env;
    struct rlimit files; /* what commands get */
    bool files_raised;
    posix_spawnattr_t attr; /* a session of its own, default actions, no signal blocked */
    bool has_attr;
    int epoll;
    source wake;
    pthread_t thread, *finishers;
    unsigned n_finishers; /* that run */
    char *chunk;          /* the loop thread's, LOOP_CHUNK bytes */

    pthread_mutex_t lock;
    pthread_cond_t finishable, idle;
    job *live;
    size_t n_jobs; /* begun, and not finished yet */
    job_queue finished;
    bool woken, stops; /* a wake-up is on its way; somebody has asked for a stop */
    bool stopping, now, quit, leave;

    deadline *first, *last; /* sorted */
    job_queue retired;
    jq_pool jq;
};

enum { LOOP_CHUNK = 64 * 1024 };

/* With the lock held. */
void loop_wake(loop *l);

#endif
