/* SPDX-License-Identifier: MIT */
/* Looking back at runs, and going on from where they once were: playback, verify, fork. Checkpoints and histories: store.h. */
#ifndef EYOT_REPLAY_H
#define EYOT_REPLAY_H

#include <eyot/store.h>
#include <eyot/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- playback -------------------------------------------------------------------------------------------------- */

/* A committed task, from the store alone. Everything is borrowed for the call that it is given to. */
typedef struct eyot_played_step {
    size_t size; /* sizeof(eyot_played_step) of the library */
    uint64_t seq, step;
    const char *task, *node; /* key and id */
    const void *update;      /* NULL: none */
    const void *state;       /* of the task's branch after it: with the update, before its branch goes on */
    bool ended;              /* the branch ended here */
} eyot_played_step;
typedef eyot_status (*eyot_played_fn)(void *arg, const eyot_played_step *step);

/* Plays the log of a run, as it is at the call, from the checkpoint after step `from` (0: the beginning): tells every step after
 * it, in order, with the state of its branch. No node runs. What branches have together after a step is told by
 * eyot_store_load_checkpoint. `fn` is called on this thread, may use the store, and ends the walk by returning
 * non-zero, which is then returned, with `e` untouched. Steps that a life in EYOT_EXIT did not write, or that were pruned, are
 * passed over. Statuses as for a checkpoint, but no ECONFLICT at the end. May block. */
EYOT_API eyot_status eyot_store_play(eyot_store *store, const eyot_graph *g, const char *run_id, uint64_t from,
                                     eyot_played_fn fn, void *arg, eyot_error *e);

/* ---- verify ---------------------------------------------------------------------------------------------------- */

typedef enum eyot_verdict {
    EYOT_SAME = 1,     /* the node has given the same update and the same route */
    EYOT_NOT_COMPARED, /* `got` says why */
    EYOT_OTHER_UPDATE, /* at `pointer` */
    EYOT_OTHER_ROUTE, /* other edges, or another item: `pointer` is then "/<node it goes to>/<which>" and where in it */
    EYOT_OTHER_END,   /* it fails, waits for something, or records something else: `got` says what */
    EYOT_MISSING_TASK, /* the task should have been committed before `seq`, and the log does not have it */
    EYOT_STRAY_TASK    /* the log has a task that nothing before it leads to */
} eyot_verdict;
EYOT_API const char *eyot_verdict_name(eyot_verdict verdict); /* "other update"; a constant */

/* What came of one task. Everything is borrowed for the call that it is given to. */
typedef struct eyot_verified_task {
    size_t size; /* sizeof(eyot_verified_task) of the library */
    uint64_t seq, step;
    const char *task, *node; /* key and id */
    eyot_verdict verdict;
    const char *pointer;        /* JSON pointer (RFC 6901) into update or item; "" without a copier that can tell */
    const char *expected, *got; /* what the log has, and what came now, as the copier prints it; "": nothing */
} eyot_verified_task;
/* Called after every task, on the thread of eyot_run_verify. Non-zero ends the verify, which then returns it. */
typedef eyot_status (*eyot_verified_fn)(void *arg, const eyot_verified_task *task);

typedef enum eyot_verify_flag {
    EYOT_VERIFY_LIVE =
        1, /* tasks ask the world outside again (eyot_task_record) instead of being told what they were told */
    EYOT_VERIFY_CHANGED =
        2 /* with a graph of another fingerprint, too: tasks of nodes of another version are not compared */
} eyot_verify_flag;

typedef struct eyot_verify_options {
    size_t size;         /* sizeof(eyot_verify_options) */
    uint64_t from;       /* the checkpoint after this step; 0: the beginning, or the first one there is */
    uint32_t flags;      /* eyot_verify_flag */
    uint32_t reserved;   /* 0 */
    eyot_verified_fn fn; /* NULL: nobody listens */
    void *arg;
} eyot_verify_options;

typedef struct eyot_verify_result {
    size_t size; /* sizeof(eyot_verify_result), set by the caller */
    uint64_t compared, not_compared;
} eyot_verify_result;

/* Runs the nodes of a stored run again, one after the other in the order of its log, on this thread: each task with the state, the
 * answers and the recorded values that it had, and compares its update and its route with the record; the first difference ends it.
 * Nothing is written, events are dropped, sleeps are over at once, timeouts and retries do not count: what is done again is the
 * attempt that was committed, under its number. What a node does outside without eyot_task_record, it does again. A run
 * may be verified while others work on it: up to the entry that is its newest at the call. Tasks that were running at its end are
 * not missing; of a run that is done every branch must have ended.
 * `options` and `result` may be NULL. EYOT_OK: no difference. EDIFFERS: there is one, told to `fn` and in `e`: "run a17, step 4,
 * draft@2: update at /words: 3 expected, got 4". ECORRUPT, EFORMAT: a record could not be read, told with run and entry; ECHANGED: another
 * graph or copier; ENOTFOUND; EINVAL: the engine has no store; ENOMEM; what `fn` and the store say. May block as long as nodes do. */
EYOT_API eyot_status eyot_run_verify(eyot_engine *engine, const eyot_graph *g, const char *run_id,
                                     const eyot_verify_options *options, eyot_verify_result *result, eyot_error *e);

/* ---- fork ------------------------------------------------------------------------------------------------------ */

typedef enum eyot_fork_flag {
    EYOT_FORK_HOLD = 1 /* only makes it: nobody claims it by queue, and it begins when it is resumed. *out is NULL */
} eyot_fork_flag;

typedef struct eyot_fork_options {
    size_t size;       /* set by EYOT_FORK_OPTIONS_INIT */
    uint32_t flags;    /* eyot_fork_flag */
    uint32_t reserved; /* 0 */
    void *update_take; /* changes the state of one branch before its next task. NULL: nothing is changed */
    const char *task;  /* that branch: the key of the task it is at. NULL: the only one that is live */
} eyot_fork_options;

/* Starts a new run from the checkpoint of another after `step` (EYOT_LATEST: its newest entry), in the same store, and goes on with
 * it as eyot_run_resume does; its steps count on. It has everything it needs: the other run is only read, and may be pruned or
 * deleted later. It has the same seed, so that its tasks draw the same random numbers; its origin is kept as "run@step". With another graph than
 * the run's the options' flags must have EYOT_RUN_ACCEPT_CHANGES, and the new run belongs to that graph. `options->run_id` is the new
 * id. `fork` and `options` may be NULL, `id` (EYOT_RUN_ID_BYTES; may be NULL) is told the new run's id.
 * ENOTFOUND: no such run or step; EEXIST: the new id is taken; EINVAL: no branch is at that task, or several are live and none is
 * named; ETYPE and what the copier says of the update; ECHANGED, ECORRUPT, EFORMAT, EFORKED, ENOMEM, EIO; what the store
 * says. Blocks for the store. */
EYOT_API eyot_status eyot_run_fork(eyot_run **out, eyot_engine *engine, const eyot_graph *g, const char *run_id,
                                   uint64_t step, const eyot_fork_options *fork, const eyot_run_options *options,
                                   char id[EYOT_RUN_ID_BYTES], eyot_error *e);

#ifdef __cplusplus
}
inline eyot_fork_options eyot_fork_options_init()
{
    eyot_fork_options o = {};
    o.size = sizeof o;
    return o;
}
inline eyot_verify_options eyot_verify_options_init()
{
    eyot_verify_options o = {};
    o.size = sizeof o;
    return o;
}
#define EYOT_FORK_OPTIONS_INIT eyot_fork_options_init()
#define EYOT_VERIFY_OPTIONS_INIT eyot_verify_options_init()
#else
#define EYOT_FORK_OPTIONS_INIT            \
    {                                     \
        .size = sizeof(eyot_fork_options) \
    }
#define EYOT_VERIFY_OPTIONS_INIT            \
    {                                       \
        .size = sizeof(eyot_verify_options) \
    }
#endif
#endif
