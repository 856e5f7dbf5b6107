/* SPDX-License-Identifier: MIT */
/* Runs that wait in a store for whoever is free: submitting them, and workers that take them up. Any number of workers, in any
 * number of processes and on any number of machines, may share one store. A worker holds a run by a lease that its engine
 * renews; when it dies, the next one goes on with the run from its latest checkpoint. */
#ifndef EYOT_WORKER_H
#define EYOT_WORKER_H

#include <eyot/eyot.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- submitting ------------------------------------------------------------------------------------------------ */

#define EYOT_RUN_ID_BYTES 129 /* of a run id, with its NUL */

typedef struct eyot_submit_options {
    size_t size;        /* set by EYOT_SUBMIT_OPTIONS_INIT */
    const char *run_id; /* NULL: a new UUIDv7 */
    const char *queue;  /* [A-Za-z0-9][A-Za-z0-9._:-]{0,127}; NULL or "": the default queue */
    int32_t priority;   /* higher first, within a queue */
    uint32_t reserved;  /* 0 */
    uint64_t delay_ms;  /* not before so many milliseconds from now */
} eyot_submit_options;

/* Makes a run exist in the engine's store, ready to be taken up by a worker that knows the graph. `state_take` and the graph as of
 * eyot_run_start, but the graph is not used after the call. Writes the id if `id` is not NULL. Statuses of eyot_run_start;
 * EINVAL also: the engine has no store. `options` may be NULL. Blocks for the store. */
EYOT_API eyot_status eyot_run_submit(eyot_engine *engine, const eyot_graph *g, void *state_take,
                                     const eyot_submit_options *options, char id[EYOT_RUN_ID_BYTES], eyot_error *e);

/* Asks a run to stop where it is and go back to its store, ready at once for whoever claims it: nothing new starts, running and
 * pending tasks end as they do. Together with eyot_run_cancel they are told to end. The run then has ended for this process:
 * eyot_run_wait returns ESUSPENDED, its status is READY, unless it was done, failed or suspended before. Never blocks.
 * Any thread. */
EYOT_API void eyot_run_give_back(eyot_run *run);

/* ---- workers --------------------------------------------------------------------------------------------------- */

typedef struct eyot_worker eyot_worker;

typedef enum eyot_worker_news {
    EYOT_WORKER_TOOK = 1, /* a run was claimed and goes on */
    EYOT_WORKER_LEFT, /* it has ended here: done, failed, cancelled, suspended, given back, or lost to another worker */
    EYOT_WORKER_PARKED, /* a run cannot go on, and is dead until somebody resumes it by hand */
    EYOT_WORKER_TROUBLE /* the store could not be asked, or a run not be taken up; tried again later */
} eyot_worker_news;

/* Borrowed for the call. */
typedef struct eyot_worker_report {
    size_t size; /* sizeof(eyot_worker_report) of the library */
    eyot_worker_news news;
    eyot_run *run;      /* TOOK and LEFT: may be looked at, not freed; else NULL */
    const char *run_id; /* NULL: of no run */
    eyot_status error;  /* EYOT_OK: none */
    const char *text;   /* of the error, or "" */
    uint32_t attempt;   /* TOOK and PARKED: claims since its last commit, this one included */
} eyot_worker_report;

/* A graph for a run of a fingerprint that the worker was not given; NULL: `e` says why. Must live as long as the worker. One
 * of another fingerprint is taken only with EYOT_RUN_ACCEPT_CHANGES. `how`
 * are the worker's options for runs, to be changed for this one. */
typedef const eyot_graph *(*eyot_worker_find_fn)(void *arg, const char *run_id, const char *fingerprint,
                                                 eyot_run_options *how, eyot_error *e);

typedef enum eyot_worker_flag {
    EYOT_WORKER_UNTIL_IDLE = 1 /* eyot_worker_run returns when it has no run and finds none that is due */
} eyot_worker_flag;

typedef struct eyot_worker_options {
    size_t size;                 /* set by EYOT_WORKER_OPTIONS_INIT */
    const char *const *queues;   /* asked in turn. Copied */
    size_t n_queues;             /* 0: the default queue */
    uint32_t max_runs;           /* at once. 0: 16 */
    uint32_t poll_ms;            /* how often an empty queue is asked again. 0: 500; 10 … 3,600,000 */
    uint32_t max_attempts;       /* a run that so many claims in a row have lost without a commit is parked. 0: 5 */
    uint32_t flags;              /* eyot_worker_flag */
    const eyot_run_options *run; /* for its runs; run_id and answers are not used. Copied. NULL: defaults */
    void (*told)(void *arg,
                 const eyot_worker_report *report); /* by the thread in eyot_worker_run. NULL: nobody listens */
    eyot_worker_find_fn
        find;  /* NULL: only runs of the graphs that were added are claimed. Otherwise those of any graph: whoever
                                  can write to the store then says what this process runs */
    void *arg; /* of both */
} eyot_worker_options;

/* Makes a worker of an engine, which must have a store and outlive it. EINVAL, ENOMEM. `options` may be NULL. */
EYOT_API eyot_status eyot_worker_new(eyot_worker **out, eyot_engine *engine, const eyot_worker_options *options,
                                     eyot_error *e);
EYOT_API void eyot_worker_free(eyot_worker *worker); /* not while somebody is in eyot_worker_run */

/* Runs of this frozen graph are taken up. It is borrowed until the worker is freed. `how` for its runs (copied; NULL: as the
 * worker's). Before eyot_worker_run. EINVAL, ENOMEM. */
EYOT_API eyot_status eyot_worker_add(eyot_worker *worker, const eyot_graph *g, const eyot_run_options *how,
                                     eyot_error *e);

/* Claims runs and sees them to their end, until eyot_worker_stop; the calling thread does nothing else, tasks run on the
 * engine's threads. A run that two claims have lost without a commit is run alone, so that a task that kills its process takes
 * no other run along again. EINVAL: no graph was added and there is no `find`. EFORKED. A store that fails is asked again, ever more
 * slowly, up to every 30 seconds. */
EYOT_API eyot_status eyot_worker_run(eyot_worker *worker, eyot_error *e);

/* Lets eyot_worker_run return: nothing new is claimed, running tasks end, the runs are given back. `now`: the tasks are told to
 * end. Any thread, any number of times; never blocks. */
EYOT_API void eyot_worker_stop(eyot_worker *worker, bool now);

/* ---- option structs -------------------------------------------------------------------------------------------- */

#ifdef __cplusplus
}
inline eyot_submit_options eyot_submit_options_init()
{
    eyot_submit_options o = {};
    o.size = sizeof o;
    return o;
}
inline eyot_worker_options eyot_worker_options_init()
{
    eyot_worker_options o = {};
    o.size = sizeof o;
    return o;
}
#define EYOT_SUBMIT_OPTIONS_INIT eyot_submit_options_init()
#define EYOT_WORKER_OPTIONS_INIT eyot_worker_options_init()
#else
#define EYOT_SUBMIT_OPTIONS_INIT            \
    {                                       \
        .size = sizeof(eyot_submit_options) \
    }
#define EYOT_WORKER_OPTIONS_INIT            \
    {                                       \
        .size = sizeof(eyot_worker_options) \
    }
#endif

#endif
