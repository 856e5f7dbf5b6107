/* SPDX-License-Identifier: MIT */
/* eyot: durable graph workflows. This header is what applications call: errors, graphs, engines, runs, tasks.
 *
 * Reading a declaration:  new/free has one owner · ref/unref is shared · open/close is an outside resource ·
 * a `const T *` argument is borrowed for the call · a returned `const` pointer is borrowed until the event its comment
 * names · an argument named x_take is consumed always, also on failure · free functions accept NULL ·
 * a failed constructor sets *out to NULL and leaves nothing to free · an eyot_error argument may be NULL.
 *
 * Threads: a graph is built by one thread and may be shared by any number once frozen. Engines and runs may be used from
 * any thread at once. A task belongs to the thread that runs it, and after EYOT_PENDING to whoever completes it.
 * Nothing here may be used in a forked child (EYOT_EFORKED); fork followed by exec is fine, all descriptors are
 * close-on-exec. The library installs no signal handler, writes to no stream and changes no locale or directory. */
#ifndef EYOT_EYOT_H
#define EYOT_EYOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EYOT_VERSION_MAJOR 0
#define EYOT_VERSION_MINOR 1
#define EYOT_VERSION_PATCH 0

#if defined(__GNUC__)
#define EYOT_API __attribute__((visibility("default")))
#define EYOT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define EYOT_API
#define EYOT_PRINTF(fmt, args)
#endif

/* "0.1.0": the version of the library that is linked, which may be newer than this header. A constant. */
EYOT_API const char *eyot_version(void);

/* ---- statuses and errors --------------------------------------------------------------------------------------- */

#define EYOT_STATUS_MAP(X)                                             \
    X(OK, 0, "ok")                                                     \
    X(PENDING, 1, "the task will be completed later")                  \
    X(SUSPENDED, 2, "the task waits for an answer or a time")          \
    X(ENOMEM, -1, "out of memory")                                     \
    X(EINVAL, -2, "invalid argument")                                  \
    X(ENOTFOUND, -3, "not found")                                      \
    X(EEXIST, -4, "already exists")                                    \
    X(EBUSY, -5, "held by another worker")                             \
    X(ENOTSUP, -6, "not supported")                                    \
    X(ECONFLICT, -7, "two branches wrote the same key")                \
    X(ESTALE, -8, "the head of the run has moved")                     \
    X(ECORRUPT, -9, "stored data is corrupt")                          \
    X(EFENCED, -10, "another worker has taken the run over")           \
    X(EGONE, -11, "the run was deleted")                               \
    X(EALREADY, -12, "already done")                                   \
    X(ECANCELED, -13, "cancelled")                                     \
    X(ETIMEDOUT, -14, "timed out")                                     \
    X(EIO, -15, "input or output failed")                              \
    X(ELIMIT, -16, "a limit was reached")                              \
    X(EFAILED, -17, "a task failed")                                   \
    X(EGRAPH, -18, "the graph has mistakes")                           \
    X(ENOROUTE, -19, "no route")                                       \
    X(ETYPE, -20, "wrong type")                                        \
    X(EOVERFLOW, -21, "a number does not fit")                         \
    X(EPARSE, -22, "malformed text")                                   \
    X(EFORMAT, -23, "written by a newer version")                      \
    X(ECHANGED, -24, "the graph is not the one the run was made with") \
    X(EFORKED, -25, "used in a forked child")                          \
    X(ECLOSED, -26, "already closed")                                  \
    X(ESUSPENDED, -27, "the run waits for an answer")                  \
    X(EDIFFERS, -28, "the run does not do again what its log says")

typedef enum eyot_status {
#define EYOT_STATUS_ENUM(name, value, text) EYOT_##name = (value),
    EYOT_STATUS_MAP(EYOT_STATUS_ENUM)
#undef EYOT_STATUS_ENUM
} eyot_status;

/* The name ("ECONFLICT") and the text of a status; "unknown" for a number that is none. Constants. */
EYOT_API const char *eyot_status_name(eyot_status status);
EYOT_API const char *eyot_status_text(eyot_status status);

/* What went wrong: caller's memory, filled by a call that fails, untouched by one that succeeds. `text` is one line that
 * states the fact and names the thing: "run a17 has no step 4". `os_errno` is 0 when the system had no say. */
typedef struct eyot_error {
    eyot_status status;
    int os_errno;
    char text[248];
} eyot_error;

/* Fills `e` (may be NULL) and returns `status`, so that a callback can end with `return eyot_error_set(e, …)`.
 * Control bytes in the text are replaced; a text that is too long is cut at a character. */
EYOT_API eyot_status eyot_error_set(eyot_error *e, eyot_status status, const char *fmt, ...) EYOT_PRINTF(3, 4);

/* ---- names used throughout ------------------------------------------------------------------------------------- */

typedef struct eyot_graph eyot_graph;   /* nodes and edges */
typedef struct eyot_engine eyot_engine; /* threads, and the store */
typedef struct eyot_run eyot_run;       /* one execution of a graph */
typedef struct eyot_task eyot_task;     /* one execution of one node for one branch */
typedef struct eyot_store eyot_store;   /* where runs are kept: store.h, stores.h */
typedef struct eyot_copier eyot_copier; /* how states are handled: copier.h, copiers.h */

/* A growing array of bytes that a callback writes into. Its owner bounds its size: ELIMIT beyond that, ENOMEM. A buffer that
 * has failed stays failed, so a writer may check only its last call. */
typedef struct eyot_buf eyot_buf;
EYOT_API eyot_status eyot_buf_add(eyot_buf *buf, const void *bytes, size_t len);

/* ---- graphs ---------------------------------------------------------------------------------------------------- */

/* A node. Reads its state with eyot_task_state, gives an update and if it wants a route, and returns EYOT_OK, or an error
 * (eyot_task_fail makes one with a text), or EYOT_PENDING to be completed later by eyot_task_complete, or EYOT_SUSPENDED
 * when eyot_task_ask or eyot_task_sleep has returned that.
 * Runs on any thread of the engine, or on one that waits for the run; no lock is held; it may call anything here, also
 * start and wait for other runs on the same engine, but not wait for or free its own run, nor free its engine. */
typedef eyot_status (*eyot_node_fn)(eyot_task *task, void *user);

/* A condition of an edge: sets *taken from the branch's new state. Pure: the same state must always give the same
 * answer; it reads only. An error it returns fails the attempt. Runs where the node ran. */
typedef eyot_status (*eyot_condition_fn)(const void *state, bool *taken, void *user, eyot_error *e);

/* A new, empty graph. `name` ([A-Za-z0-9][A-Za-z0-9._-]{0,63}) is copied. `copier` handles the states and is borrowed
 * until the graph is freed. EINVAL (a bad name or copier table), ENOMEM. */
EYOT_API eyot_status eyot_graph_new(eyot_graph **out, const char *name, const eyot_copier *copier);

/* Frees a graph that no run uses any more. */
EYOT_API void eyot_graph_free(eyot_graph *g);

/* The builder calls below return nothing: what is wrong with them sticks and is reported by freeze, all of it at once.
 * To a frozen graph they do nothing.
 * Strings are copied; `user` is borrowed until the graph is freed, and shared by all runs and threads. */

typedef enum eyot_node_flag {
    EYOT_NODE_EACH = 1 /* runs once per arriving branch instead of joining them */
} eyot_node_flag;

/* Would another attempt help? `status` and `text` are the failed attempt's. Pure, and quick: it runs on any thread,
 * maybe with the run's lock held, so it must not call the library. */
typedef bool (*eyot_retryable_fn)(eyot_status status, const char *text, void *user);

/* The last resort of a node whose task has failed for good, with `status` and `text` of its last attempt. It may give
 * an update and a route as the node would, and returns EYOT_OK to have the task committed with them (without a route: as
 * the edges say), or an error, which fails the run. eyot_task_state is the state before the task; nothing of the failed
 * attempts is left. Runs as a node does, but may not return EYOT_PENDING or EYOT_SUSPENDED. */
typedef eyot_status (*eyot_rescue_fn)(eyot_task *task, eyot_status status, const char *text, void *user);

/* Only flags, version and action are part of the fingerprint: a run may go on with other policies. */
typedef struct eyot_node_options {
    size_t size;         /* set by EYOT_NODE_OPTIONS_INIT */
    uint32_t flags;      /* eyot_node_flag */
    const char *version; /* part of the fingerprint: raise it when the node's meaning changes. NULL: none */
    const char *action;  /* what the node does, as text, part of the fingerprint. NULL: not told */

    /* A timeout per attempt, on the monotonic clock. The task is then told (eyot_task_cancelled, eyot_task_on_cancel), and
     * its result is refused: the attempt has failed with ETIMEDOUT. One that has not ended grace_ms later is abandoned: the
     * run goes on without it; its thread is replaced, up to 64 such threads per engine. 0: no timeout. */
    uint64_t timeout_ms;
    uint64_t grace_ms; /* 0: 5,000 */

    /* A failed attempt is followed by another one, up to so many until the run ends as failed, cancelled or dead; whoever
     * resumes it then has them all again. 0 and 1: only the first. The first further one waits retry_delay_ms, every other
     * retry_factor times as long (0: 2), never longer than retry_max_ms (0: 60,000).
     * retry_jitter 0 … 1 is the part of a delay that is drawn from the task's key and attempt, the same in every life.
     * Waiting holds no thread. */
    uint32_t attempts;
    uint32_t reserved; /* 0 */
    uint64_t retry_delay_ms, retry_max_ms;
    double retry_factor, retry_jitter;
    eyot_retryable_fn retryable; /* NULL: everything but EINVAL, ENOROUTE, ENOTSUP and ECANCELED */
    eyot_rescue_fn rescue;       /* NULL: the run fails */
} eyot_node_options;

/* Adds a node with an id ([A-Za-z0-9_][A-Za-z0-9._-]{0,63}). The first node added is the start unless starts are named. */
EYOT_API void eyot_graph_node(eyot_graph *g, const char *id, eyot_node_fn fn, void *user);
EYOT_API void eyot_graph_node_with(eyot_graph *g, const char *id, eyot_node_fn fn, void *user,
                                   const eyot_node_options *options);

/* Names a start; may be called several times. The order is the order in which their branches join. */
EYOT_API void eyot_graph_start(eyot_graph *g, const char *id);

/* Adds an edge; nodes may be added later than the edges that name them; between two nodes there is at most one. */
EYOT_API void eyot_graph_edge(eyot_graph *g, const char *from, const char *to); /* taken always */
EYOT_API void eyot_graph_edge_if(eyot_graph *g, const char *from, const char *to, const char *condition,
                                 eyot_condition_fn fn, void *user); /* `condition` names fn in drawings, fingerprint */
EYOT_API void eyot_graph_edge_otherwise(eyot_graph *g, const char *from, const char *to); /* when no condition held */
EYOT_API void eyot_graph_edge_each(eyot_graph *g, const char *from, const char *to); /* one branch per eyot_task_send */
EYOT_API void eyot_graph_edge_routed(eyot_graph *g, const char *from, const char *to); /* only when a task names it */

/* How updates of a key come together, for copiers that have keys (json, msgpack). Part of the fingerprint. */
typedef enum eyot_reducer {
    EYOT_REPLACE = 0, /* the later one stands; two branches that both wrote it are a conflict */
    EYOT_APPEND,      /* joins arrays; a limit keeps the last so many */
    EYOT_ADD,         /* exact: an overflow fails the attempt */
    EYOT_MIN,
    EYOT_MAX,
    EYOT_FIRST,
    EYOT_LAST,
    EYOT_UNION, /* arrays as sets, in the order first seen */
    EYOT_MERGE, /* maps, recursively; leaves replace */
    EYOT_LOCAL  /* belongs to its branch: gone where branches meet */
} eyot_reducer;
EYOT_API void eyot_graph_reduce(eyot_graph *g, const char *key, eyot_reducer reducer);
EYOT_API void eyot_graph_reduce_with(eyot_graph *g, const char *key, eyot_reducer reducer, uint64_t limit);

/* The text the graph was made of, kept with its runs in place of the JSON form (eyot_graph_draw): a tool that finds only
 * the store can make the graph again. Part of the fingerprint as it stands. Copied. */
EYOT_API void eyot_graph_source(eyot_graph *g, const char *text, size_t len);

/* What differs between two graphs, when a run of the one is to go on with the other. */
typedef enum eyot_change_kind {
    EYOT_CHANGE_OTHER = 0, /* something that the fingerprint covers and nobody can tell more exactly */
    EYOT_CHANGE_NODE_ADDED,
    EYOT_CHANGE_NODE_REMOVED,
    EYOT_CHANGE_ACTION,  /* of a node: what it does */
    EYOT_CHANGE_VERSION, /* of a node */
    EYOT_CHANGE_EACH,    /* of a node: whether it is marked `each` */
    EYOT_CHANGE_EDGE_ADDED,
    EYOT_CHANGE_EDGE_REMOVED,
    EYOT_CHANGE_EDGE_KIND,
    EYOT_CHANGE_CONDITION, /* of an edge */
    EYOT_CHANGE_STARTS,
    EYOT_CHANGE_REDUCERS,
    EYOT_CHANGE_CODEC, /* the copier */
    EYOT_CHANGE_ORDER, /* in which nodes or edges were added */
    EYOT_CHANGE_NAME,  /* of the graph */
    EYOT_CHANGE_POLICY /* timeouts, retries, limits */
} eyot_change_kind;

typedef struct eyot_change {
    size_t size; /* sizeof(eyot_change) of whoever made it */
    eyot_change_kind kind;
    const char *node;         /* the node, or where the edge begins; NULL: neither */
    const char *to;           /* where the edge leads to; NULL: no edge */
    const char *what;         /* what differs: "version". NULL for what was added or removed as a whole */
    const char *before, *now; /* its texts; NULL: there is none, or it is not told */
    /* What the library adds: */
    uint64_t tasks; /* committed tasks of the node so far; EYOT_TASKS_UNKNOWN: the log does not tell any more */
    bool
        harmless; /* the run goes on as if nothing had changed: a name, a policy, or what a node without committed tasks
                         does, its version, or a condition behind it */
    const char *text; /* one line: node "count": version "1" became "2" (3 committed tasks) */
} eyot_change;
#define EYOT_TASKS_UNKNOWN UINT64_MAX

/* Is told one difference; all of it is borrowed for the call. */
typedef eyot_status (*eyot_change_fn)(void *arg, const eyot_change *change);
/* Tells each difference between two sources of graphs by tell(arg, …), and ends with what that returns if it is not EYOT_OK.
 * A source it cannot read is EPARSE: then nobody knows what differs. Texts are NUL-terminated. */
typedef eyot_status (*eyot_source_compare_fn)(const char *before, const char *now, void *user, eyot_change_fn tell,
                                              void *arg);
/* How sources like the one given are compared, where a run of one is to go on with the other. Without it a source that differs is
 * one difference, EYOT_CHANGE_OTHER. `fn` runs where the run is resumed or compared. */
EYOT_API void eyot_graph_compare_sources(eyot_graph *g, eyot_source_compare_fn fn, void *user);

/* Checks the graph and makes it unchangeable. EYOT_EGRAPH: mistakes, the first in `e`, all by eyot_graph_problem.
 * Freezing a frozen graph is EYOT_OK. */
EYOT_API eyot_status eyot_graph_freeze(eyot_graph *g, eyot_error *e);
EYOT_API size_t eyot_graph_problem_count(const eyot_graph *g);
/* The i-th mistake as one line; NULL beyond the last. Borrowed until the graph is freed. */
EYOT_API const char *eyot_graph_problem(const eyot_graph *g, size_t i);

EYOT_API const char *eyot_graph_name(const eyot_graph *g);
EYOT_API const eyot_copier *eyot_graph_copier(const eyot_graph *g);
EYOT_API size_t eyot_graph_node_count(const eyot_graph *g);
/* The id of node i in the order they were added; NULL beyond the last. Borrowed until the graph is freed. */
EYOT_API const char *eyot_graph_node_id(const eyot_graph *g, size_t i);

/* 64 hex digits over ids, edges, conditions, reducers, copier, actions and versions of a frozen graph, and its source if it
 * was given one: equal iff runs of the one may go on with the other. Borrowed until the graph is freed; NULL before freeze. */
EYOT_API const char *eyot_graph_fingerprint(const eyot_graph *g);

typedef enum eyot_graph_format { EYOT_GRAPH_JSON, EYOT_GRAPH_DOT, EYOT_GRAPH_MERMAID } eyot_graph_format;
/* Draws a frozen graph: *text is NUL-terminated and freed by eyot_free. EINVAL (not frozen, unknown format), ENOMEM. */
EYOT_API eyot_status eyot_graph_draw(const eyot_graph *g, eyot_graph_format format, char **text, eyot_error *e);

/* Fills order[0 … node_count) with node numbers so that every edge goes forward; of several the one added first comes
 * first. With `levels` (may be NULL), levels[i] is the longest way from a node without in-edges to node i.
 * EGRAPH: the graph has a cycle; the text names its path: "cycle: draft -> check -> draft". EINVAL: not frozen, or `order`
 * is NULL. ENOMEM. */
EYOT_API eyot_status eyot_graph_topological_order(const eyot_graph *g, uint32_t *order, uint32_t *levels,
                                                  eyot_error *e);

/* Frees text that a call has handed over. */
EYOT_API void eyot_free(void *memory);

/* ---- engines --------------------------------------------------------------------------------------------------- */

typedef struct eyot_engine_options {
    size_t size;       /* set by EYOT_ENGINE_OPTIONS_INIT */
    eyot_store *store; /* keeps every run; borrowed until the engine is freed. NULL: nothing is kept */
    uint32_t threads;  /* workers beside the threads that wait. 0: one less than the processors, at least 1 */
    uint32_t lease_ms; /* how long a run stays ours without a sign of life. 0: 30,000; at least 2,000 */
} eyot_engine_options;

/* Starts an engine. ENOMEM, EINVAL, EIO (no thread could be started), and what the store says, which is asked for its class
 * and limits: blocks for it. `options` may be NULL. The engine's threads block all signals. */
EYOT_API eyot_status eyot_engine_new(eyot_engine **out, const eyot_engine_options *options, eyot_error *e);

/* Cancels the runs that still run, waits for their running tasks, and frees the engine. Runs stay readable until they
 * are freed. May block as long as a task does. Not from a task of this engine. */
EYOT_API void eyot_engine_free(eyot_engine *engine);

/* ---- runs ------------------------------------------------------------------------------------------------------ */

typedef enum eyot_run_status {
    EYOT_RUN_READY = 1,
    EYOT_RUN_RUNNING,
    EYOT_RUN_SUSPENDED,
    EYOT_RUN_FAILED,
    EYOT_RUN_CANCELLED,
    EYOT_RUN_DEAD,
    EYOT_RUN_DONE
} eyot_run_status;
EYOT_API const char *eyot_run_status_name(eyot_run_status status); /* "running"; a constant */

typedef enum eyot_strategy {
    EYOT_ADAPTIVE = 0, /* hands tasks to other threads once they have proved long enough to pay for it */
    EYOT_SEQUENTIAL,   /* one at a time: the ready one with the smallest (node, loop stamp, path) */
    EYOT_PARALLEL      /* as many at once as max_parallel and the threads allow */
} eyot_strategy;       /* never changes a result, only its time */

typedef enum eyot_durability {
    EYOT_SYNC = 0, /* no task starts before the commits it follows from are acknowledged */
    EYOT_ASYNC,    /* commits leave in order, at most max_behind unacknowledged; done is reported after the last one */
    EYOT_EXIT      /* only the end of the run is written: done, failed, cancelled */
} eyot_durability;

/* To the question of a task: its key, or NULL for the only question that is open. */
typedef struct eyot_answer {
    const char *task, *text;
} eyot_answer;

typedef struct eyot_run_options {
    size_t size;                /* set by EYOT_RUN_OPTIONS_INIT */
    const char *run_id;         /* [A-Za-z0-9][A-Za-z0-9._:-]{0,127}, copied. NULL: a new UUIDv7 */
    eyot_strategy strategy;     /* 0: adaptive */
    uint32_t max_parallel;      /* tasks of this run at once. 0: no limit but the threads */
    uint64_t max_steps;         /* tasks in all; beyond it the run fails, resumably. 0: 1,000,000 */
    eyot_durability durability; /* 0: sync */
    uint32_t max_behind;        /* for EYOT_ASYNC. 0: 1,024 entries */
    uint32_t flags;             /* eyot_run_flag */
    const eyot_answer *answers; /* for eyot_run_resume: to questions that are open. Copied */
    size_t n_answers;
} eyot_run_options;

typedef enum eyot_run_flag {
    EYOT_RUN_CHECK_INPUTS = 1, /* debugging: copies every state eagerly and fails a task that changed its input */
    EYOT_RUN_NO_WAIT = 2, /* ends as suspended, too, when nothing is left but to wait for a time (sleeps, retries) */
    EYOT_RUN_ACCEPT_CHANGES = 4 /* for eyot_run_resume: whatever differs in the graph. Still ECHANGED when it has
                                   another copier, or lacks a node or edge that the log names */
} eyot_run_flag;

/* Starts a run of a frozen graph and returns at once; with a store, when the run exists in it, for which it blocks.
 * `state_take` is the first state, made for the graph's copier; NULL is refused with EINVAL; without a graph nobody knows
 * how to free it. The graph is borrowed until the run is freed and its pending tasks are completed; `options` may be NULL.
 * EEXIST: the store has a run with this id. ELIMIT: the first state is larger than the store takes. EFORKED, EINVAL,
 * ENOMEM, EIO, and what the store says. */
EYOT_API eyot_status eyot_run_start(eyot_run **out, eyot_engine *engine, const eyot_graph *g, void *state_take,
                                    const eyot_run_options *options, eyot_error *e);

/* Goes on with a stored run from its latest checkpoint; no committed task runs again. Blocks until that is read. run_id in
 * `options` is not used. A run that is done is only loaded. The graph may differ from the one it was last gone on with where that
 * is harmless (eyot_change), and is the run's graph from then on, for which the store needs notes: the row of the run keeps the
 * fingerprint it was made with. ENOTFOUND; EBUSY: a live process holds it; ECHANGED: the graph differs in something else, the
 * first such difference is in `e`, all by eyot_store_compare_graph; or it lacks what the log names; ECORRUPT; EFORMAT: written by a newer version; ECONFLICT: it has failed with a conflict,
 * which its log leads to again; EFORKED; EINVAL: the engine has no store, or an answer fits no open question, or two have
 * the same; ELIMIT: an answer is larger than the store takes; ENOMEM, EIO; and what the store says. */
EYOT_API eyot_status eyot_run_resume(eyot_run **out, eyot_engine *engine, const eyot_graph *g, const char *run_id,
                                     const eyot_run_options *options, eyot_error *e);

/* Waits for the end of the run; the calling thread runs its tasks meanwhile. Returns EYOT_OK when it is done, otherwise
 * the run's own error (also in `e`). May be called by any number of threads, any number of times, but not from a task of
 * the same run. */
EYOT_API eyot_status eyot_run_wait(eyot_run *run, eyot_error *e);

/* eyot_run_start and eyot_run_wait in one call, with the statuses of both. *out is set whenever the run could be started,
 * also when it failed. */
EYOT_API eyot_status eyot_run_sync(eyot_run **out, eyot_engine *engine, const eyot_graph *g, void *state_take,
                                   const eyot_run_options *options, eyot_error *e);

/* Asks the run to end: nothing new starts, running tasks are told. Pending ones are let go, those with an eyot_task_on_cancel
 * when their node's grace is over. Never blocks; may be called from a task. The run can be resumed. Another process
 * asks with eyot_store_cancel. */
EYOT_API void eyot_run_cancel(eyot_run *run);

/* Answers a question of a run that still goes on: task NULL is the only open one. The answer is committed, and the
 * task starts again. A run that is suspended is resumed with answers instead. ENOTFOUND: no such question is open; EINVAL:
 * several are, and none is named; ELIMIT: it is larger than the store takes; ECLOSED: the run has ended; ENOMEM. Never blocks for the
 * store. Any thread. */
EYOT_API eyot_status eyot_run_answer(eyot_run *run, const char *task, const char *text, eyot_error *e);

/* The open questions of a run, in no order: calls fn for each, with strings borrowed for the call, under the run's lock: it must
 * not call the library. Returns how many there are. */
typedef void (*eyot_question_fn)(void *arg, const char *task, const char *question);
EYOT_API size_t eyot_run_questions(const eyot_run *run, eyot_question_fn fn, void *arg);

/* What a run has done in this life. Times are measured, never assumed. */
typedef struct eyot_run_metrics {
    size_t size;             /* sizeof(eyot_run_metrics), set by the caller */
    uint64_t tasks;          /* committed */
    uint64_t failed;         /* attempts that failed */
    uint64_t retried;        /* of these, followed by another */
    uint64_t task_ns;        /* sum of the time of all attempts that were measured; short ones are sampled */
    uint64_t elapsed_ns;     /* since the start or resume, until the end; without a store to a few ms */
    uint64_t running, ready; /* tasks now; a run that goes on by itself without a store may seem to have one */
    uint64_t branches;       /* live ones now, waiting at joins included */
    uint64_t peak_parallel;  /* most tasks that ran at once */
} eyot_run_metrics;
EYOT_API eyot_status eyot_run_measure(const eyot_run *run, eyot_run_metrics *out);

/* Why a run has not ended well: its error (as eyot_run_wait returns it), the task whose attempt it was and its number.
 * `task` is NULL when no task failed. Borrowed until the run is freed. EYOT_OK: it is done, or still runs. */
EYOT_API eyot_status eyot_run_failure(const eyot_run *run, const char **text, const char **task, uint32_t *attempt);

EYOT_API const char *eyot_run_id(const eyot_run *run); /* borrowed until the run is freed */
EYOT_API eyot_run_status eyot_run_status_of(const eyot_run *run);
/* Tasks that have done well, in all lives of the run. The store may not have acknowledged the last ones yet. */
EYOT_API uint64_t eyot_run_steps(const eyot_run *run);

/* The state of a run that is done: the join of all its branch ends. NULL before that and for a run that did not end
 * well. Borrowed until the run is freed; shared, read only. */
EYOT_API const void *eyot_run_state(const eyot_run *run);

/* Frees a run. One that still runs is cancelled first, and the call waits for its running tasks and its last commit, for
 * pending tasks that listen (eyot_task_on_cancel) as long as their grace, for other pending ones not at all. Not from a task of this run. */
EYOT_API void eyot_run_free(eyot_run *run);

/* ---- tasks: what a node function calls ------------------------------------------------------------------------- */

/* The state of the task's branch: read only, maybe shared with other branches. Borrowed until the task ends; a copy that
 * outlives it is made by the copier. */
EYOT_API const void *eyot_task_state(const eyot_task *task);

/* Gives the task's update, of the state's own type. Once per attempt: EINVAL for a second one, for NULL, and after
 * eyot_task_edit. */
EYOT_API eyot_status eyot_task_update(eyot_task *task, void *update_take);
/* Takes back the update given so far, to be changed and given again; NULL when there is none. Caller owns it. */
EYOT_API void *eyot_task_update_withdraw(eyot_task *task);
/* A private copy of the state to change in place; the update is derived from it when the task ends. Borrowed until then.
 * NULL: the copier has no `diff`, an update was given, or no memory; the task fails with that error if it returns EYOT_OK
 * all the same. */
EYOT_API void *eyot_task_edit(eyot_task *task);

/* Names an out-edge to take; may be called for several. Conditions, plain edges and otherwise are then not consulted. The
 * edge is checked when the task ends: one that the graph does not declare, or that carries items, fails it with ENOROUTE.
 * ENOMEM. */
EYOT_API eyot_status eyot_task_route(eyot_task *task, const char *to);
/* Ends the branch here although the node has out-edges. Together with eyot_task_route or eyot_task_send it fails the task
 * with EINVAL when it ends. Returns EYOT_OK. */
EYOT_API eyot_status eyot_task_end(eyot_task *task);
/* Starts one branch at `to` over an edge made by eyot_graph_edge_each; the item, an update, is the branch's first one.
 * Branches are numbered per edge in the order of the calls. A wrong edge fails the task with ENOROUTE when it ends.
 * ENOMEM; EINVAL: no item. */
EYOT_API eyot_status eyot_task_send(eyot_task *task, const char *to, void *item_take);

/* True when this attempt has named an edge, sent an item or ended its branch. */
EYOT_API bool eyot_task_routed(const eyot_task *task);

/* Sets the text of the task's error and returns EYOT_EFAILED for the node to return, or ENOMEM. */
EYOT_API eyot_status eyot_task_fail(eyot_task *task, const char *fmt, ...) EYOT_PRINTF(2, 3);

/* True once the task's result is no longer wanted: its run is cancelled or its time is over. Any thread. Cheap: may be
 * asked in an inner loop. */
EYOT_API bool eyot_task_cancelled(const eyot_task *task);
/* Has fn(arg) called once when the result is no longer wanted; at once if it is so already. It is called on any thread with
 * the run's lock held: it must not call the library nor block; writing to a pipe is the thing to do. fn NULL takes it
 * back: after that it is not running and will not be called. Must be taken back before `arg` dies, and before a pending
 * task is completed. ENOMEM. */
EYOT_API eyot_status eyot_task_on_cancel(eyot_task *task, void (*fn)(void *arg), void *arg);
/* A descriptor that becomes readable when the result is no longer wanted; never read it. The task's, closed when it
 * ends. -1: none could be made. */
EYOT_API int eyot_task_cancel_fd(eyot_task *task);

/* Asks a question of the outside: suspends the branch until somebody has answered, in this process or a later one. The first
 * time returns EYOT_SUSPENDED, which the node must return; the question is then committed, and when the answer is, the task
 * starts again from its beginning and the same call gives EYOT_OK and *answer, borrowed until the task ends. Calls are
 * told apart by their order within the task, together with those of eyot_task_sleep; of an attempt that is to return
 * EYOT_SUSPENDED further ones only return that too. `question` is copied, text up to 64 KiB.
 * EINVAL, ELIMIT, ENOMEM. */
EYOT_API eyot_status eyot_task_ask(eyot_task *task, const char *question, const char **answer);
/* Suspends the branch for `ms` milliseconds from the first call on, also across processes (by the wall clock, then); the same
 * way: EYOT_SUSPENDED first, EYOT_OK once the time is over. Holds no thread. */
EYOT_API eyot_status eyot_task_sleep(eyot_task *task, uint64_t ms);

/* Emits an event: it is in the store's outbox once the task is committed, and never if it is not, so that nothing of a failed or
 * suspended attempt, or of a task that runs again after a crash, is ever told twice. Events of a task keep their order, and
 * their ids, "<run id>/<task key>/<n>" with n from 0, are always the same. Whoever passes events on reads and acknowledges
 * them: eyot_store_read_events. `topic` is text of 1 to 128 bytes without control characters, `payload` any bytes (NULL
 * only with len 0); both are copied. With EYOT_EXIT they are in memory until the end of the run.
 * EINVAL: no such topic; ELIMIT: the task's events together are larger than the store takes in one body; ENOTSUP: the engine
 * has no store, or one that keeps no events; ENOMEM. The reason becomes the text of the task's error, if it fails with it. */
EYOT_API eyot_status eyot_task_emit(eyot_task *task, const char *topic, const void *payload, size_t len);
enum { EYOT_TOPIC_MAX = 128 };
EYOT_API bool eyot_topic_is_valid(const char *topic);

/* Learns something of the world outside, once: calls fn, which appends bytes to `out` (a reply, a time, a measurement) or fails
 * with a text in `e`; what came of it is committed with the task, a failure that the node lives with included. Every later call in
 * the log's place gives the same without fn: when the task starts again after a question or a sleep that came behind it, and when
 * the run is replayed (eyot_run_verify). Nothing of a failed attempt is kept: the next one asks anew. Calls are told apart by their
 * order within the task; `name`, text of 1 to 128 bytes without control characters, is compared. fn runs on this thread, no lock
 * is held. *value, *len bytes and a NUL behind them, are borrowed until the task ends.
 * What fn failed with (its text becomes that of the task's error, if it fails with it); EINVAL: no such name, or another one
 * than before; ECHANGED: in a replay, the log has none or another; ENOMEM, ELIMIT. */
typedef eyot_status (*eyot_record_fn)(eyot_buf *out, void *arg, eyot_error *e);
EYOT_API eyot_status eyot_task_record(eyot_task *task, const char *name, eyot_record_fn fn, void *arg,
                                      const void **value, size_t *len);
/* The same in two halves, for what comes later to a task that returns EYOT_PENDING: recall gives what is recorded, or ENOTFOUND,
 * and then the value is fetched and kept. Bytes are copied. */
EYOT_API eyot_status eyot_task_recall(eyot_task *task, const char *name, const void **value, size_t *len);
EYOT_API eyot_status eyot_task_keep(eyot_task *task, const char *name, const void *value, size_t len);
/* The wall clock, milliseconds since 1970, recorded as "now". 0: no memory, or another value is recorded here; the task fails. */
EYOT_API int64_t eyot_task_now_ms(eyot_task *task);
/* Random bytes that nobody records: of the run's seed, the task's key and how many were drawn before, so that every attempt, later life,
 * replay and fork draws the same. Not for secrets: whoever reads the store knows them. ENOMEM, EIO. */
EYOT_API eyot_status eyot_task_random(eyot_task *task, void *out, size_t len);
EYOT_API eyot_status eyot_task_uuid(eyot_task *task, char out[37]); /* version 4, of such bytes; "" on failure */

/* *state becomes a new state of the copier, owned by the caller: the branch's as it will be with the update given so far. What
 * the copier's apply and copy return, in `e`. Not after eyot_task_edit (EINVAL). */
EYOT_API eyot_status eyot_task_preview(eyot_task *task, void **state, eyot_error *e);

/* Completes a task whose node returned, or is about to return, EYOT_PENDING: exactly once, from any thread, after the
 * update and route were given. `status` is what the node would have returned; EYOT_PENDING fails the task with EINVAL.
 * The task must not be touched afterwards. Its successors run on other threads. Never blocks for the store. Returns
 * ECANCELED when the result was no longer wanted and has been dropped. Needed also after the run was cancelled or freed. */
EYOT_API eyot_status eyot_task_complete(eyot_task *task, eyot_status status);

/* Who this is. Strings are borrowed until the task ends. The key is the same in every life of the run and for every
 * attempt: together with the run id it is an idempotency key for the outside world. NULL: no memory. */
EYOT_API const char *eyot_task_key(eyot_task *task);
EYOT_API const char *eyot_task_node(const eyot_task *task);
EYOT_API const char *eyot_task_run_id(const eyot_task *task);
EYOT_API uint32_t eyot_task_attempt(const eyot_task *task); /* from 1, over all lives of the run */
/* The fence: raised whenever another process takes the run over. Services that see it can refuse a lower one. 0: no store. */
EYOT_API uint64_t eyot_task_fence(const eyot_task *task);
EYOT_API eyot_engine *eyot_task_engine(const eyot_task *task);

/* ---- option structs -------------------------------------------------------------------------------------------- */
/* Options grow by `size`; zero is the default; a non-zero tail this library does not know is EYOT_EINVAL. */

#ifdef __cplusplus
}
inline eyot_node_options eyot_node_options_init()
{
    eyot_node_options o = {};
    o.size = sizeof o;
    return o;
}
inline eyot_engine_options eyot_engine_options_init()
{
    eyot_engine_options o = {};
    o.size = sizeof o;
    return o;
}
inline eyot_run_options eyot_run_options_init()
{
    eyot_run_options o = {};
    o.size = sizeof o;
    return o;
}
#define EYOT_NODE_OPTIONS_INIT eyot_node_options_init()
#define EYOT_ENGINE_OPTIONS_INIT eyot_engine_options_init()
#define EYOT_RUN_OPTIONS_INIT eyot_run_options_init()
#else
#define EYOT_NODE_OPTIONS_INIT            \
    {                                     \
        .size = sizeof(eyot_node_options) \
    }
#define EYOT_ENGINE_OPTIONS_INIT            \
    {                                       \
        .size = sizeof(eyot_engine_options) \
    }
#define EYOT_RUN_OPTIONS_INIT            \
    {                                    \
        .size = sizeof(eyot_run_options) \
    }
#endif

#endif
