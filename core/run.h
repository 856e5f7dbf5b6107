/* SPDX-License-Identifier: MIT */
/* The inside of engines, runs and tasks, shared by run.c, task.c, journal.c, pool.c, engine.c, replay.c.
 *
 * Locks, in the order in which they may be taken: run → engine → journal. A run's lock guards all of the run but what is
 * said otherwise; node functions and stores are called without any lock, copiers without one for a task's own update and
 * under the run's lock for joins, items and snapshots. */
#ifndef EYOT_CORE_RUN_H
#define EYOT_CORE_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include <eyot/store.h>

#include "core/branch.h"
#include "core/clock.h"
#include "core/outbox.h"
#include "core/outside.h"
#include "core/store.h"

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

typedef enum eyot__task_phase {
    EYOT__TASK_RUNNING,   /* the node function has it */
    EYOT__TASK_EARLY,     /* eyot_task_complete was called while the node function still has it */
    EYOT__TASK_WAITING,   /* it returned EYOT_PENDING */
    EYOT__TASK_COMPLETED, /* the attempt has ended, and its thread does what follows */
    EYOT__TASK_ABANDONED, /* nobody wants the result any more; whoever completes it only frees it */
    EYOT__TASK_LOST,      /* the same while the node function still has it: whoever is last of both frees it … */
    EYOT__TASK_LOST_TOO   /* … and here eyot_task_complete has been called */
} eyot__task_phase;

/* The two that want to end an attempt, its time and its result: the first one has it. */
enum { EYOT__VERDICT_OPEN, EYOT__VERDICT_RESULT, EYOT__VERDICT_TIMEOUT };

typedef enum eyot__alarm { EYOT__ALARM_TIMEOUT, EYOT__ALARM_GRACE, EYOT__ALARM_RETRY, EYOT__ALARM_SLEEP } eyot__alarm;

/* What an attempt has said so far: the text of its error, and events, of which topic and payload have their length before them;
 * and what it was told. */
typedef struct eyot__said {
    eyot_buf events;
    uint32_t n_events;
    eyot__outside_list told;   /* for the first time */
    const eyot__outside *last; /* what it was told last, of this list or of those that were there before … */
    uint32_t n_told;           /* … and how much so far */
    uint64_t draws;            /* of random numbers */
    char text[sizeof(((eyot_error *)0)->text)]; /* "": none */
} eyot__said;

/* What most tasks never need: made for a policy, a wait or a listener. Run lock, but for what eyot_task_ask writes. */
typedef struct eyot__aside {
    uint64_t due_ns; /* of the alarm, monotonic */
    uint32_t at;     /* its place in the engine's heap, from 1; 0: not set */
    eyot__alarm alarm;
    uint32_t tries; /* attempts that its policy counts, while one runs including it */
    bool reserved;  /* has room in the engine's heap of alarms */
    bool asking;    /* its question is open: counted in the run's `asking` */
    bool listening; /* on the run's list */
    bool detached;  /* abandoned, and another activation has its place in the frontier */
    void (*on_cancel)(void *arg);
    void *on_cancel_arg;
    int cancel_fd;          /* -1: none */
    eyot_task *prev, *next; /* on the run's list of listeners */
    char *question;         /* what this attempt suspends for: a question, owned; NULL: */
    int64_t due_ms;         /* a sleep until then, wall clock */
    char *failure;          /* text of the last attempt's error: the next thing to run is the node's rescue. Owned */
    eyot_status failure_status;
} eyot__aside;

struct eyot_task {
    eyot__activation a; /* first: the frontier makes tasks */
    eyot_run *run;
    void *update;       /* given by the node; owned */
    eyot__state *edit;  /* eyot_task_edit: a private copy; with EYOT_RUN_CHECK_INPUTS: what the node was given */
    eyot__taken *sends; /* items by edge, in the order of the calls, and named edges with a NULL item; owned */
    char *key;          /* when somebody asked for it; owned */
    eyot__said *said;   /* owned; NULL: nothing */
    eyot__aside *aside; /* owned; NULL: not needed. Made under the run's lock, lives as long as the task */
    union {
        uint64_t after;      /* until it starts: may start once this entry is acknowledged */
        uint64_t started_ns; /* from then on: monotonic; 0: this attempt is not measured */
    };
    uint32_t n_sends, cap_sends;
    uint32_t attempt;
    uint32_t asked; /* eyot_task_ask and eyot_task_sleep have been called so often in this attempt */
    int status;     /* of eyot_task_complete */
    _Atomic int phase;
    _Atomic unsigned char verdict; /* EYOT__VERDICT_… */
    bool named : 1, ended : 1, edited : 1;
    bool suspends : 1; /* eyot_task_ask or eyot_task_sleep has returned EYOT_SUSPENDED: there the attempt is to end */
    bool touched : 1;  /* something below eyot__task_init is set: there is something to look at, and to clear */
    int failed;        /* a call inside the node that could not be done: the task cannot succeed */
};

eyot__said *eyot__said_of(eyot_task *t); /* made when missing; NULL: no memory */
static inline bool eyot__task_emits(const eyot_task *t)
{
    return t->said && t->said->n_events > 0;
}
void eyot__task_init(eyot_task *t, eyot_run *run); /* for one that was just fired */
void eyot__task_again(eyot_task *t);               /* for another attempt of one that was cleared */
void eyot__task_clear_all(eyot_task *t);
static inline void eyot__task_clear(eyot_task *t) /* frees what the attempt left; keeps the activation */
{
    if (t->touched) eyot__task_clear_all(t);
}
/* As the copier says, else by their bytes. What encoding them says. */
eyot_status eyot__same_value(const eyot_graph *g, const void *a, const void *b, bool *same);
enum { EYOT__TAKEN_FEW = 8 };
/* Turns what the node gave into an update applied to its state and a list of edges. Without lock. *taken is `few`, or NULL
 * for all out-edges plainly, or is freed by the caller with free; its items are the list's. */
eyot_status eyot__task_settle(eyot_task *t, eyot__taken few[EYOT__TAKEN_FEW], eyot__taken **taken, size_t *n_taken,
                              eyot_error *e);

/* core/policy.c: how long an attempt may take, and what follows from a failed one. Run lock held, but where said. */
eyot__aside *eyot__aside_of(eyot_task *t); /* made when missing; NULL: no memory */
void eyot__aside_retire(eyot_task *t);     /* no alarm any more; the engine may go */
void eyot__aside_free(eyot_task *t);
eyot_status eyot__policy_begin(eyot_task *t); /* the attempt begins now. ENOMEM */
/* Would another attempt follow? No lock. */
bool eyot__policy_again(const eyot_task *t, eyot_status status, const char *text);
uint64_t eyot__policy_delay_ns(eyot_task *t); /* before the next attempt */
void eyot__task_tell(eyot_task *t);           /* its result is no longer wanted */
void eyot__policy_wind_up(eyot_task *t);      /* it was told, and has its grace, if it is pending */
void eyot__task_unlisten(eyot_task *t);
void eyot__policy_end(eyot_task *t); /* the attempt is over, the task is not: what was made for the one is let go */
void eyot__task_alarm(eyot_task *t); /* the one that was set has come */
/* The node function has returned *status. If the task was pending and has been completed already, *status is with what; if it
 * is still PENDING, the task belongs to whoever completes it. False: it was abandoned meanwhile, and neither task nor run
 * may be touched. No lock. */
bool eyot__task_returns(eyot_task *t, eyot_status *status);
void eyot__task_drop(eyot_task *t); /* one that was abandoned has ended; it may be the run's last. Run lock NOT held */

/* core/wait.c: questions and sleeps */
bool eyot__wait_has(const eyot_task *t); /* the attempt has asked or slept, and may suspend. Its thread */
eyot_status
eyot__wait_commit(eyot_task *t);    /* what the attempt suspended for becomes an entry. Run lock held. ENOMEM */
bool eyot__wait_park(eyot_task *t); /* true: the task waits for an answer or a time, and is not to start */
eyot_status eyot__wait_answer(eyot_run *r, const char *task, const char *text, eyot_error *e); /* run lock held */
eyot_status eyot__wait_answers(eyot_run *r, const eyot_answer *answers, size_t n, eyot_error *e);

/* ---- runs ------------------------------------------------------------------------------------------------------ */

typedef enum eyot__run_phase { EYOT__RUN_LIVE, EYOT__RUN_ENDING, EYOT__RUN_ENDED } eyot__run_phase;

enum { EYOT__DONE_MAX = 4, EYOT__DONE_LEN = 40 };
typedef struct eyot__done { /* messages consumed with a commit */
    char text[EYOT__DONE_MAX][EYOT__DONE_LEN];
    eyot_bytes ids[EYOT__DONE_MAX];
    size_t n;
} eyot__done;

/* Entries that are to be committed together. */
typedef struct eyot__out {
    eyot_buf bytes;      /* keys and records, one after the other */
    eyot_entry *entries; /* key.p and body.p are offsets in bytes until the commit is made */
    size_t n, cap;
    uint64_t snapshot_seq;
    eyot__done *done;     /* owned; NULL: none so far */
    eyot__outbox *outbox; /* owned; NULL: none so far. Goes with entries only */
} eyot__out;

/* core/verify.c: the task that is done again was told this. */
typedef struct eyot__replayed {
    const eyot__outside_list *told; /* of its entry */
    bool live;                      /* but is to ask the world again */
    bool completed;                 /* it was pending, and has been completed. Run lock */
} eyot__replayed;
eyot_status eyot__replay_completed(eyot_run *r); /* a pending task of it has been completed */

enum { EYOT__RUN_INLINE_TASKS = 4, EYOT__SEED_BYTES = 16 };

struct eyot_run {
    eyot_engine *engine; /* NULL once the engine is freed */
    const eyot_graph *graph;
    eyot__chunks *chunks;
    pthread_mutex_t lock;
    pthread_cond_t changed;

    eyot__frontier frontier;
    eyot__activation *ready, *ready_last; /* may start, oldest first */
    eyot_task **heap;                     /* instead, for EYOT_SEQUENTIAL: the smallest key first */
    size_t heap_cap;
    eyot__activation *held, *held_last; /* wait for an acknowledgement */
    uint32_t n_ready;
    uint32_t running;   /* tasks started and not finished, pending ones included */
    uint32_t helpers;   /* threads inside eyot__run_help */
    uint32_t sleepers;  /* threads asleep in eyot_run_wait */
    uint32_t abandoned; /* tasks that are still to be completed by their owners, to no avail */
    uint32_t asides;    /* tasks with room in the engine's heap of alarms */
    uint32_t asking;    /* tasks whose question is open */
    uint32_t sleeping;  /* tasks that an alarm will start: retries, sleeps */
    eyot_task *listeners;
    eyot_strategy strategy;
    eyot_durability durability;
    uint32_t max_parallel, flags;
    _Atomic uint32_t sample; /* counts tasks, to measure one now and then */
    uint64_t max_steps, started, window;
    uint64_t began_ns, ended_ns, steps_before; /* of this life */
    uint64_t n_failed, n_retried, task_ns, peak;
    eyot__run_phase phase;
    eyot_run_status status;
    bool failing;  /* error is set; nothing new starts */
    bool broken;   /* the frontier failed half-way: it is only to be cleared */
    bool alone;    /* the one thread that has the only task uses the frontier without the lock */
    bool closing;  /* somebody waits in eyot_run_free */
    bool orphan;   /* freed by its owner; the last abandoned task frees it */
    bool listed;   /* in the engine's list of runs */
    bool launched; /* its tasks may start: the keeper renews its lease */
    _Atomic bool cancelled;
    _Atomic bool leaving; /* to be given back: nothing new starts */
    bool
        adopted; /* taken up because it was due: a cancel left for an earlier owner still counts. Set before launched */
    bool unwanted; /* a message has cancelled it: it is not given back */
    _Atomic uint64_t steps;
    eyot__state *result;

    /* the store's side */
    bool stored;
    bool lost;      /* the store refused: nothing more is written */
    bool journaled; /* in the journal's queue */
    bool in_flight; /* `flying` is being committed */
    uint64_t seq, acked;
    uint64_t logged_steps; /* tasks that the entries so far tell of */
    uint64_t epoch;
    uint8_t token[16];
    uint64_t lease_until_ns;   /* by eyot__boot_ns, counted from before the store was asked: nothing starts after it */
    int64_t due_in_ms;         /* after its end */
    void (*on_end)(void *arg); /* called once when it has ended, with its lock held; NULL: nobody listens */
    void *on_end_arg;
    uint64_t tail_bytes, snapshot_bytes;
    uint64_t max_events; /* bytes that the events of one task may have together; 0: the store keeps none */
    eyot__out out, flying;
    eyot_run *journal_next;

    /* the engine's lists; guarded by the engine's lock */
    bool offered;
    eyot_run *queue_prev, *queue_next, *list_prev, *list_next;
    _Atomic uint32_t pins; /* references that keep it from being freed */

    eyot_error error;
    eyot__replayed *replayed;       /* NULL: it is a run, and no replay of one */
    uint8_t seed[EYOT__SEED_BYTES]; /* of random numbers */
    bool seeded;                    /* a run without a store gets one when it is first asked for */
    char *failed_task;              /* key of the task that failed the run; owned */
    uint32_t failed_attempt;
    size_t id_len;
    char id[129]; /* empty until somebody asks, for a run without a store */
    _Alignas(16) char memory[EYOT__RUN_INLINE_TASKS * EYOT__SLAB_ALIGN(sizeof(eyot_task))];
};

/* core/engine.c: how runs come to be. */
eyot_status eyot__make_run_id(char out[129]); /* UUIDv7. EIO */
eyot_status eyot__run_options_check(eyot_run_options *o, const eyot_run_options *options, const eyot_engine *engine,
                                    const eyot_graph *g, eyot_error *e);
eyot_run *eyot__run_new(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o); /* NULL: no memory */
/* It exists in the store from now on, with a snapshot of its frontier. `submitted`: for whoever claims it; NULL: ours. */
struct eyot_submit_options;
eyot_status eyot__run_create(eyot_run *r, const struct eyot_submit_options *submitted, const char *origin,
                             eyot_error *e);
void eyot__run_launch(eyot_run *r, bool hand_out); /* its fired tasks may start; `hand_out`: also on other threads */
void eyot__run_free_unbegun(eyot_run *r);          /* one that was never launched */

/* For how long a run takes. A run without a store may take less than reading the better clock twice. */
static inline uint64_t eyot__run_clock_ns(const eyot_run *r)
{
    return r->stored ? eyot__now_ns() : eyot__coarse_ns();
}
/* The first or the rebuilt frontier's tasks may start. Run lock held. */
void eyot__run_begin(eyot_run *r);
/* Runs tasks of the run until none may start. Run lock held on entry and exit, not meanwhile. */
/* `worker`: by a thread of the pool. False: it was abandoned with a task of the run, and must not touch it any more. */
bool eyot__run_help(eyot_run *r, bool worker);
/* The attempt before `t`, which stands in for it, has run out of time. Run lock held. */
void eyot__run_timed_out(eyot_run *r, eyot_task *t);
/* A task may start, now or when the entries so far are stored. Run lock held. */
void eyot__run_enqueue(eyot_run *r, eyot_task *t);
/* Seals and appends the record in `buf`, begun at 0, as an entry of the task. Run lock held. */
eyot_status eyot__run_append_of(eyot_run *r, eyot_entry_kind kind, const eyot__who *who, const eyot_buf *buf);
/* Nobody waits for pending tasks of a cancelled run. Run lock held. */
void eyot__run_abandon_pending(eyot_run *r);
void eyot__run_fail(eyot_run *r, eyot_status status, const char *fmt, ...) EYOT_PRINTF(3, 4); /* run lock held */
/* core/run_end.c. Ends the run if nothing is left to do, nothing may be done, or only somebody else can go on. Run lock held. */
void eyot__run_settle_end(eyot_run *r);
void eyot__run_ended(eyot_run *r); /* its end is stored, or need not be. Run lock held */
/* Somebody must look at the run: wakes a thread that waits for it, or else offers it to the pool. Run lock held. */
void eyot__run_wake(eyot_run *r);
/* What the run has pending is committed by somebody else. Run lock held. */
void eyot__run_flush_soon(eyot_run *r);
void eyot__run_wake_ready(eyot_run *r); /* if a task of it may start */
/* The entries up to `seq` are stored (EYOT_OK) or the store refused. Run lock held; `mine`: the caller goes on with it. */
void eyot__run_acked(eyot_run *r, eyot_status status, uint64_t seq, const eyot_error *e, bool mine);
void eyot__run_unpin(eyot_run *r);
/* The store has granted a lease that was asked for at `asked_ns` (eyot__boot_ns). Run lock held, or nobody knows it yet. */
static inline void eyot__run_leased(eyot_run *r, uint64_t asked_ns, uint32_t lease_ms)
{
    r->lease_until_ns = asked_ns + (uint64_t)lease_ms * 1000000u;
}

/* What a claim has told of a run. */
typedef struct eyot__claimed {
    uint64_t epoch, head, steps, asked_ns;
    int64_t left_ms;   /* of the lease */
    int64_t due_in_ms; /* for who releases it again as it was: of a run that somebody holds, or held when he died, 0 */
    eyot_run_status status;
    uint32_t attempts;
    uint8_t token[16];
    char id[129], fingerprint[65], owner[160];
} eyot__claimed;
eyot_status eyot__see_claimed(void *arg, const eyot_run_row *row); /* an eyot_row_fn that fills one */
/* Goes on with a run that was just claimed by the engine, and launches it; `on_end` as above. When it fails, the run is still held. */
eyot_status eyot__run_adopt(eyot_run **out, eyot_engine *engine, const eyot_graph *g, const eyot__claimed *row,
                            const eyot_run_options *options, void (*on_end)(void *arg), void *arg, eyot_error *e);
/* The claimed run is given back, without an entry. */
eyot_status eyot__run_release(eyot_engine *engine, const eyot__claimed *row, eyot_run_status status, int64_t due_in_ms,
                              eyot_error *e);
/* core/manage.c: the claimed run becomes dead, with an entry that says why, and nobody holds it any more. */
eyot_status eyot__run_park(eyot_engine *engine, const eyot__claimed *row, const eyot_error *why, eyot_error *e);
void eyot__run_free_now(eyot_run *r);

/* Appends an entry to what is to be committed; the record is sealed here. Run lock held. ENOMEM. */
eyot_status eyot__run_append(eyot_run *r, eyot_entry_kind kind, const void *key, size_t key_len, const void *record,
                             size_t len);
eyot_status eyot__run_append_snapshot(eyot_run *r); /* ELIMIT: larger than the store takes; nothing has changed */

/* ---- engines --------------------------------------------------------------------------------------------------- */

typedef struct eyot__journal {
    pthread_mutex_t lock;
    eyot_run *first, *last;
    bool flushing;
    eyot_commit *commits; /* these belong to the thread that flushes */
    eyot_run **runs;
    size_t cap;
} eyot__journal;

enum { EYOT__OWNER_BYTES = 160 };

struct eyot_engine {
    eyot_store *store;
    uint32_t n_threads, cap_threads;
    pthread_t *threads;
    pthread_t keeper, left; /* `left`: the worker that was the last to leave */
    bool has_keeper, has_left;
    pthread_mutex_t lock;
    pthread_cond_t work, beat;
    eyot_run *queue, *queue_last; /* runs with tasks to hand out */
    eyot_run *runs;               /* all that have not ended */
    uint32_t idle;
    bool stopping, flush_wanted;
    uint32_t lease_ms;
    uint64_t max_body;
    unsigned forks; /* eyot__fork_count when it was made */
    char owner[EYOT__OWNER_BYTES];
    eyot__journal journal;
    _Atomic uint32_t inside; /* threads that look at the engine on behalf of a run, which may end meanwhile */
    eyot_task **alarms;      /* heap: the next one first. Room for all asides is made with them */
    uint32_t n_alarms, cap_alarms, n_asides;
    eyot_task *alarming;     /* whose alarm the keeper has taken out; NULL again when it is taken back meanwhile */
    uint32_t n_replacements; /* threads that were started for stuck ones, ever … */
    uint32_t stuck, surplus; /* … for those that are stuck now; those that may go */
    bool mail;               /* the store takes messages */
    bool outbox;             /* it keeps events */
    uint64_t number;         /* among the engines of this process */
    eyot_engine *next;       /* on owner.c's list of those that live */
    eyot__chunks *chunks;    /* for the runs */
};

/* core/pool.c */
eyot_status eyot__pool_start(eyot_engine *engine, eyot_error *e);
void eyot__pool_stop(eyot_engine *engine);
void eyot__pool_offer(eyot_engine *engine, eyot_run *r);    /* run lock held */
void eyot__pool_withdraw(eyot_engine *engine, eyot_run *r); /* from queue and list; run lock held */
void eyot__pool_list(eyot_engine *engine, eyot_run *r);
void eyot__pool_flush_soon(eyot_engine *engine);             /* lets a worker flush the journal */
bool eyot__pool_has(eyot_engine *engine, const eyot_run *r); /* another run with its id is on the list */
/* What other processes have left for the run; true: it is cancelled, and its pending tasks are to be told. Of a store that cannot be
 * read nothing is learnt. No lock held; blocks for the store. */
bool eyot__pool_read_inbox(eyot_run *r);

void eyot__pool_replace(eyot_engine *engine); /* one of its threads is stuck in a task */
/* The calling thread is one of its workers and waits in a node: another one works meanwhile. False: it is none, or no thread could
 * be started. */
bool eyot__pool_lend(eyot_engine *engine);
void eyot__pool_take_back(eyot_engine *engine); /* it waits no longer */

/* core/timer.c: alarms of tasks, kept by the keeper. Run lock held, engine lock not. */
bool eyot__timer_reserve(eyot_engine *engine); /* room for one more task's; false: no memory */
void eyot__timer_release(eyot_engine *engine);
void eyot__timer_set(eyot_task *t, eyot__alarm alarm, uint64_t in_ns); /* in place of the one that is set */
void eyot__timer_clear(eyot_task *t);
/* For the keeper, engine lock held: the next one's time, UINT64_MAX: none; and the ones that are due, one after the other. */
uint64_t eyot__timer_next(const eyot_engine *engine);
void eyot__timer_fire(eyot_engine *engine);

/* core/journal.c */
void eyot__journal_submit(eyot_run *r); /* run lock held */
/* Commits what the run has pending at once, if nothing else is pending and nobody else is at it; false: submit it. Run lock
 * held on entry, and on exit when false. Blocks for the store. */
bool eyot__journal_commit(eyot_run *r);
/* Commits what is pending, unless another thread is at it: it will take what came meanwhile. No lock held; blocks for the
 * store. `mine` (may be NULL) is the run that the caller goes on with. */
void eyot__journal_flush(eyot_engine *engine, eyot_run *mine);
void eyot__journal_make(eyot_run *r, uint32_t lease_ms,
                        eyot_commit *c); /* what is pending, as a commit; run lock held */
/* The commit is done with, or was made without the journal. Run lock held. */
void eyot__journal_unmake(eyot_run *r);
eyot_status eyot__journal_init(eyot__journal *j); /* ENOMEM; to be cleared all the same */
void eyot__journal_clear(eyot__journal *j);
void eyot__out_clear(eyot__out *out);

/* core/emit.c: events. Run lock held. */
/* Those of a task that is being committed: appended to what goes with the run's next entries. ENOMEM: nothing is. */
eyot_status eyot__emit_append(eyot_run *r, const eyot_task *t);
size_t eyot__emit_count(const eyot_run *r);        /* so many are pending … */
void eyot__emit_rewind(eyot_run *r, size_t count); /* … and only so many of them stay */

/* core/owner.c: who holds a run. boot id, pid namespace, pid, start time, engine. */
void eyot__owner_enter(eyot_engine *engine); /* fills its number and owner */
void eyot__owner_leave(eyot_engine *engine);
void eyot__owner_of_process(char out[EYOT__OWNER_BYTES]); /* for a claim without an engine; alive as long as it is */
typedef enum eyot__owner_state {
    EYOT__OWNER_UNKNOWN,
    EYOT__OWNER_ALIVE,
    EYOT__OWNER_DEAD,
    EYOT__OWNER_SELF
} eyot__owner_state;
/* SELF: this very engine. UNKNOWN: another machine or namespace, where only the lease tells. */
eyot__owner_state eyot__owner_look(const char *self, eyot_bytes owner);

eyot_status eyot__run_seed(eyot_run *r); /* core/recorded.c: makes one if there is none. EIO. Takes the lock */

/* core/entry.c: the payloads of records */
struct eyot__record;
/* The record of an entry, of the kind that the store says and of the graph's codec: ECORRUPT, EFORMAT, ECHANGED, told with
 * run and entry. */
eyot_status eyot__entry_open(struct eyot__record *out, const eyot_entry *entry, eyot_bytes run, const eyot_graph *g,
                             eyot_error *e);
/* Tells `why` with run and entry; returns the status. */
eyot_status eyot__entry_blame(eyot_error *e, eyot_status status, eyot_bytes run, uint64_t seq, const eyot_error *why);
typedef struct eyot__task_entry {
    eyot__who who;
    uint64_t attempt;
    void *update;
    eyot__taken *taken;
    size_t n_taken;
    int64_t started_ms;
    uint64_t took_us;
    eyot__outside_list told; /* since its last wait */
} eyot__task_entry;
/* `taken` has the items of one edge next to each other; NULL: the first out-edges, plainly. `told` may be NULL. Sticks in the buffer. */
void eyot__entry_put_task(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint64_t attempt,
                          const void *update, const eyot__taken *taken, size_t n_taken, int64_t started_ms,
                          uint64_t took_us, const eyot__outside_list *told);
/* `version` is the record's, here and below. */
eyot_status eyot__entry_get_task(eyot__task_entry *out, eyot__reader *in, uint32_t version, const eyot_graph *g,
                                 eyot_error *e);
void eyot__task_entry_clear(eyot__task_entry *t, const eyot_graph *g);
void eyot__entry_put_attempt(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint64_t attempt,
                             eyot_status status, const char *text, int64_t started_ms, uint64_t took_us);
/* The n-th wait of a task, from 0: a question (kind ASKED), its answer (ANSWERED), or a sleep until due_ms (TIMER); with what it
 * was told before it (may be NULL). */
void eyot__entry_put_asked(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint32_t n, const char *text,
                           const eyot__outside_list *told);
void eyot__entry_put_answered(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint32_t n, const char *text);
void eyot__entry_put_timer(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint32_t n, int64_t due_ms,
                           const eyot__outside_list *told);
/* An entry about a task that lives on. The text is borrowed from the record. */
typedef struct eyot__incident {
    eyot__who who;
    uint32_t n;         /* which attempt, from 1, or which wait */
    eyot_status status; /* ATTEMPT */
    const char *text;   /* ATTEMPT, ASKED, ANSWERED; not terminated */
    size_t text_len;
    int64_t due_ms;     /* TIMER */
    int64_t started_ms; /* ATTEMPT, as took_us */
    uint64_t took_us;
    eyot__outside_list told; /* ASKED, TIMER */
} eyot__incident;
void eyot__incident_clear(eyot__incident *in);
eyot_status eyot__entry_get_incident(eyot__incident *out, eyot__reader *in, uint32_t version, eyot_entry_kind kind,
                                     const eyot_graph *g, eyot_error *e);
void eyot__entry_put_status(eyot_buf *out, eyot_run_status status, const eyot_error *error);
eyot_status eyot__entry_get_status(eyot__reader *in, eyot_run_status *status, eyot_error *error, eyot_error *e);
typedef struct eyot__snapshot {
    uint64_t steps;
    uint8_t seed[EYOT__SEED_BYTES]; /* of the run's random numbers */
    bool seeded;                    /* read: version 2 has none */
} eyot__snapshot;
void eyot__entry_put_snapshot(eyot_buf *out, eyot__frontier *f, const eyot__snapshot *head);
eyot_status eyot__entry_get_snapshot(eyot__frontier *f, eyot__reader *in, uint32_t version, eyot__snapshot *head,
                                     eyot_error *e);

/* core/replay.c: what a store holds of a run, rebuilt */
typedef struct eyot__rebuilt {
    uint64_t seq, steps, tail_bytes, snapshot_bytes;
    uint8_t seed[EYOT__SEED_BYTES];
    eyot_run_status status;
    eyot_error error;
} eyot__rebuilt;
/* `f` was initialised and has no branches, not even its first one; all its live activations are in f->fired afterwards,
 * also when it fails. */
eyot_status eyot__rebuild(eyot__frontier *f, eyot__rebuilt *out, eyot_store *store, eyot_bytes run, eyot_error *e);
/* As of an entry; UINT64_MAX: the newest. */
eyot_status eyot__rebuild_at(eyot__frontier *f, eyot__rebuilt *out, eyot_store *store, eyot_bytes run, uint64_t seq,
                             eyot_error *e);
/* That nothing was missing at the end: the entry `seq` was there, which the run's row knows of. ECORRUPT. */
eyot_status eyot__rebuilt_reaches(const eyot__rebuilt *built, eyot_bytes run, uint64_t seq, eyot_error *e);

#endif
