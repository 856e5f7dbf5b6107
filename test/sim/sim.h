/* SPDX-License-Identifier: MIT */
/* A simulator: several processes on one store, all in one thread of the test, by a virtual clock. Everything by chance is
 * drawn from a seed, so that a seed is the same story every time.
 *
 * What runs is the library itself: its threads are coroutines here, its locks and conditions, its clocks, its random bytes, its
 * memory and its looks at other processes are ours (system.c, by the linker's --wrap). Between what it does a process may be
 * killed, whose memory is then gone, or stand still; a call to the store may be lost before or after it took effect, come
 * late, or come twice (backend.c). The store is the real memory store. What must hold is checked against a record of our own of
 * what the store was asked and has answered (truth.c). */
#ifndef EYOT_TEST_SIM_SIM_H
#define EYOT_TEST_SIM_SIM_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <eyot/eyot.h>
#include <eyot/store.h>
#include <eyot/worker.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#endif

enum {
    SIM_RUNS = 3,
    SIM_KEYS = 40, /* tasks of a run */
    SIM_NODES = 6,
    SIM_WORKERS = 4,
    SIM_PROCESSES = 160,
    SIM_THREADS = 256,
    SIM_FAULTS = 64,
    SIM_KEY_BYTES = 48,
    SIM_LIVES = 3
};
#define SIM_MS UINT64_C(1000000) /* in nanoseconds */

typedef struct sim_process sim_process;

/* ---- memory (system.c): what a process has allocated, so that it can be taken from it ---------------------------- */

typedef struct sim_block {
    struct sim_block *prev, *next;
} sim_block;
typedef sim_block sim_heap; /* a ring */
void sim_heap_init(sim_heap *h);
bool sim_heap_empty(const sim_heap *h);
void sim_heap_clear(sim_heap *h);

/* ---- threads (threads.c) ------------------------------------------------------------------------------------------ */

typedef enum sim_thread_state {
    SIM_RUNNABLE,
    SIM_PREEMPTED, /* the same, in the middle of something */
    SIM_AT_LOCK,
    SIM_AT_CONDITION,
    SIM_AT_JOIN,
    SIM_ASLEEP,
    SIM_ENDED
} sim_thread_state;

typedef struct sim_thread {
    jmp_buf base, at; /* where it begins; where it goes on */
    char *stack;
    void *fake_stack; /* AddressSanitizer's */
    sim_process *process;
    void *(*fn)(void *arg);
    void *arg;
    sim_thread_state state;
    bool fresh, detached;
    bool timed, timed_out;
    bool sent;       /* a call to the store is on its way there … */
    bool ghost;      /* … and its process is dead */
    int creates;     /* it is one that makes run creates-1; 0: none */
    const void *on;  /* what it waits for */
    uint64_t until;  /* by its process's monotonic clock */
    unsigned number; /* within its process */
    size_t index;    /* on the list of those that are used */
    struct sim_thread *free;
} sim_thread;

void sim_threads_make(void); /* once, before the first one starts */
sim_thread *sim_self(void);  /* NULL: not in a process */
sim_thread *sim_thread_start(sim_process *p, void *(*fn)(void *), void *arg, bool detached);
void sim_thread_go(sim_thread *t); /* until it gives way or ends */
void sim_give_way(sim_thread_state state);
void sim_thread_drop(sim_thread *t);     /* it is never heard of again */
sim_thread **sim_thread_list(size_t *n); /* all that are used */
void sim_sleep_ns(uint64_t ns);          /* the calling thread */
_Noreturn void sim_thread_leave(void);   /* the calling thread ends */

/* ---- processes and the clock (world.c) ---------------------------------------------------------------------------- */

/* What a process knows of its claim of a run, and what its tasks have done under it. */
typedef struct sim_life {
    uint64_t number; /* of all; 0: none, or given back */
    uint8_t token[16];
    uint64_t lease_until_ns;      /* by its boot-time clock, as the store's answers say */
    unsigned char task[SIM_KEYS]; /* SIM_TASK_… */
} sim_life;
enum { SIM_TASK_IDLE, SIM_TASK_RUNS, SIM_TASK_DONE };

struct sim_process {
    unsigned number, pid, host;
    const char *name;
    bool alive, frozen, suspended, stopping;
    uint64_t thaw_ns, asleep_ns; /* when it goes on; how long its monotonic clock has stood still */
    unsigned n_threads, n_ever;  /* now; so far */
    unsigned helpers;            /* threads of its tasks */
    int64_t slot;                /* what it is for: the number of a worker, or a run */
    int status;                  /* of a command that has ended */
    void (*main)(sim_process *p);
    eyot_engine *engine;
    eyot_worker *worker;
    sim_life lives[SIM_RUNS][SIM_LIVES]; /* one that is over may not know it yet */
    sim_heap heap;
};

/* ---- what the store has answered (truth.c) ------------------------------------------------------------------------ */

typedef struct sim_entry {
    uint32_t kind;
    int key; /* of a task; -1: none */
    uint64_t body;
} sim_entry;
enum { SIM_LOG = 1024 };

typedef struct sim_run {
    char id[4];
    bool exists;
    bool held;
    uint64_t epoch, head;
    uint8_t token[16];
    uint32_t crc, status;
    int64_t due_ms, tombstone_ms;
    sim_process *holder;                      /* whose claim it was; may be dead */
    bool committed[SIM_KEYS], done[SIM_KEYS]; /* tasks that are stored; that were done by somebody */

    /* what is wanted of it */
    bool unwanted, doomed, again; /* to be cancelled; to be deleted; to be made again afterwards */
    bool deleted, reborn;
    bool cancel_told; /* somebody was told that it will be cancelled, or is */
    unsigned claims_by_hand;
    sim_process *command; /* at it */
    bool settled;
    sim_entry log[SIM_LOG];
} sim_run;

void sim_created(const eyot_run_row *row, const eyot_commit *first, eyot_status status, sim_process *by);
void sim_claimed(const eyot_claim *c, const eyot_run_row *got, eyot_status status, sim_process *by);
void sim_committed(const eyot_commit *c, sim_process *by);
void sim_deleted(eyot_bytes run, uint64_t epoch, eyot_status status);
/* What the answer tells the process. `asked_ns`: its boot-time clock before the call. */
void sim_told_claim(sim_process *p, int run, const uint8_t token[16], uint64_t asked_ns, uint64_t lease_ms);
void sim_told_commit(sim_process *p, const eyot_commit *c, uint64_t asked_ns);

typedef struct sim_mark { /* a task that has started */
    sim_life *life;
    uint64_t number; /* the life's: another one may come to lie there */
    int run, key;
} sim_mark;
sim_mark sim_task_starts(eyot_task *t, int key, bool may_be_abandoned);
void sim_task_ends(const sim_mark *m, eyot_task *t, bool done);

int sim_run_find(eyot_bytes id); /* -1: none */
void sim_check_run(int run);     /* what the store holds in the end */
void sim_check_state(int run, const void *state, const char *where);

/* ---- what the runs are (story.c) ---------------------------------------------------------------------------------- */

typedef struct sim_state {
    uint64_t n, order; /* updates so far, and a hash of them in their order */
    uint64_t tasks;    /* whose they are: a bit per key */
} sim_state;

typedef struct sim_node {
    uint8_t style, parents[2], back; /* of its out-edges; back edge to node back-1, 0: none */
    uint8_t fails, attempts;
    uint8_t limit; /* updates, after which no loop is taken */
    bool each, asks, sleeps, pending, rescued, emits;
    uint32_t work_ms, sleep_ms, timeout_ms;
    char id[4];
} sim_node;

void sim_story_draw(void);        /* a random graph, and what its nodes do */
eyot_graph *sim_graph_make(void); /* the calling process's own */
void *sim_state_new(void);
int sim_key_find(const char *key, size_t len); /* -1: none */
const char *sim_key_text(int key);
const char *sim_answer(int key, char out[24]);
void sim_reference_main(sim_process *p); /* an undisturbed run */

/* ---- what the processes do (actors.c) ----------------------------------------------------------------------------- */

void sim_worker_main(sim_process *p);
void sim_stop_worker(sim_process *p); /* from outside */
/* Commands; slot: the run. Their status is an eyot_status. */
void sim_submit_main(sim_process *p);
void sim_start_main(sim_process *p);
void sim_resume_main(sim_process *p);
void sim_cancel_main(sim_process *p);
void sim_delete_main(sim_process *p);

/* ---- the store (backend.c) ---------------------------------------------------------------------------------------- */

eyot_store *sim_store_new(sim_process *p); /* the process's own connection; NULL: no memory */
int64_t sim_store_ms(void);

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

typedef struct sim_world {
    uint64_t seed;
    uint64_t now_ns, steps;
    uint64_t chance, luck, bytes; /* draws: of schedules, of faults, of random bytes */
    uint64_t hash;                /* of the trace */
    bool tracing, calm, reference;
    char violation[400];

    /* drawn once */
    uint32_t n_workers, n_runs, lease_ms, threads, preempt, step_rate, call_rate, max_faults, max_runs;
    unsigned char mood[16]; /* weights of the faults */
    eyot_durability durability;
    eyot_strategy strategy;
    bool gentle_end;
    uint32_t state_bytes; /* of a state in the store: large ones make snapshots */

    uint32_t n_faults, n_done; /* that were drawn; that were not left out */
    uint64_t without;          /* faults that are left out, by number */
    int64_t store_skew_ms, host_skew_ms[2];
    bool store_jumped; /* forward */

    sim_heap *heap; /* whose memory is allocated */
    bool serving;   /* the store has the processor */
    sim_process processes[SIM_PROCESSES];
    unsigned n_processes, n_lives;
    sim_run runs[SIM_RUNS];
    eyot_store *memory; /* the real store */
    sim_heap memory_heap;

    unsigned n_nodes;
    sim_node nodes[SIM_NODES];
    unsigned n_keys;
    char keys[SIM_KEYS][SIM_KEY_BYTES];
    bool emits[SIM_KEYS];
    sim_state result;
    eyot_status reference_status;

    uint64_t started, again, killed; /* tasks, those that were done before, processes: counted over many seeds */
} sim_world;
extern sim_world sim;

uint64_t sim_draw(uint64_t *state, uint64_t n); /* 0 … n-1 */
uint64_t sim_mix(uint64_t a, uint64_t b);
/* One line of the trace: text with up to three numbers (%llu). */
void sim_trace(const char *text, uint64_t a, uint64_t b, uint64_t c);
/* A promise is broken: the seed ends here. The first one counts. In a thread of a process it does not return. */
void sim_violate(const char *fmt, ...) EYOT_PRINTF(1, 2);

sim_process *sim_spawn(const char *name, void (*main)(sim_process *p), int64_t slot);
void sim_kill(sim_process *p);
void sim_freeze(sim_process *p, uint64_t ms, bool suspended);
bool sim_can_freeze(const sim_process *p);
void sim_take_memory(sim_process *p); /* of one without threads */
uint64_t sim_mono_ns(const sim_process *p);
bool sim_fault(void); /* one is to happen: false, it is left out */
/* Lets some thread go on, or the clock; false: nothing will ever happen. Not beyond `limit_ns`. */
bool sim_step(uint64_t limit_ns);

/* driver.c */
typedef struct sim_outcome {
    uint64_t hash, steps, started, again, killed;
    uint32_t faults, faults_done;
    char violation[400];
} sim_outcome;
void sim_play(uint64_t seed, uint64_t without, bool tracing, sim_outcome *out);

#endif
