/* SPDX-License-Identifier: MIT */
/* One run: which task starts next, what follows from its end, when the run ends. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/record.h"
#include "core/run.h"

enum {
    SAMPLE_EVERY = 16,         /* short tasks: one in so many is measured */
    HANDOFF_NS = 25000,        /* what waking a thread costs, about: a longer task pays for it alone */
    SHORT_NS = 3000,           /* tasks at least this long pay for it together */
    SNAPSHOT_BYTES = 64 * 1024 /* of the tail, at least, before a snapshot is written */
};

/* ---- the queue of tasks that may start ------------------------------------------------------------------------- */

static void heap_push(eyot_run *r, eyot_task *t)
{
    size_t i = r->n_ready++;
    for (; i > 0 && eyot__who_compare(&t->a.who, &r->heap[(i - 1) / 2]->a.who) < 0; i = (i - 1) / 2)
        r->heap[i] = r->heap[(i - 1) / 2];
    r->heap[i] = t;
}

static eyot_task *heap_pop(eyot_run *r)
{
    eyot_task *least = r->heap[0], *last = r->heap[--r->n_ready];
    size_t i = 0, n = r->n_ready;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && eyot__who_compare(&r->heap[child + 1]->a.who, &r->heap[child]->a.who) < 0) child++;
        if (eyot__who_compare(&last->a.who, &r->heap[child]->a.who) <= 0) break;
        r->heap[i] = r->heap[child];
    }
    r->heap[i] = last;
    return least;
}

static void push_ready(eyot_run *r, eyot_task *t)
{
    if (r->strategy != EYOT_SEQUENTIAL) {
        t->a.queue = NULL;
        if (r->ready_last)
            r->ready_last->queue = &t->a;
        else
            r->ready = &t->a;
        r->ready_last = &t->a;
        r->n_ready++;
        return;
    }
    if (r->n_ready == r->heap_cap) {
        size_t cap = r->heap_cap ? r->heap_cap * 2 : 16;
        eyot_task **heap = realloc(r->heap, cap * sizeof *heap);
        if (!heap) {
            eyot__run_fail(r, EYOT_ENOMEM, "out of memory");
            return;
        }
        r->heap = heap;
        r->heap_cap = cap;
    }
    heap_push(r, t);
}

static eyot_task *pop_ready(eyot_run *r)
{
    if (r->strategy == EYOT_SEQUENTIAL) return heap_pop(r);
    eyot__activation *a = r->ready;
    if (!(r->ready = a->queue)) r->ready_last = NULL;
    r->n_ready--;
    return (eyot_task *)(void *)a;
}

/* Fired tasks may start at once, or wait until the entries they follow from are stored. */
static void collect_fired(eyot_run *r)
{
    for (eyot__activation *a; (a = eyot__frontier_next(&r->frontier));) {
        eyot_task *t = (eyot_task *)(void *)a;
        eyot__task_init(t, r);
        t->after = r->seq;
        if (r->stored && r->acked + r->window < t->after && r->durability != EYOT_EXIT) {
            a->queue = NULL;
            if (r->held_last)
                r->held_last->queue = a;
            else
                r->held = a;
            r->held_last = a;
        } else {
            push_ready(r, t);
        }
    }
}

void eyot__run_begin(eyot_run *r)
{
    collect_fired(r);
    eyot__run_settle_end(r);
}

static void release_held(eyot_run *r)
{
    while (r->held && ((eyot_task *)(void *)r->held)->after <= r->acked + r->window) {
        eyot_task *t = (eyot_task *)(void *)r->held;
        if (!(r->held = t->a.queue)) r->held_last = NULL;
        push_ready(r, t);
    }
}

static bool stopped(const eyot_run *r)
{
    return r->failing || r->phase != EYOT__RUN_LIVE || atomic_load_explicit(&r->cancelled, memory_order_relaxed);
}

static bool may_start(const eyot_run *r)
{
    if (r->n_ready == 0 || stopped(r) || r->running >= r->max_parallel) return false;
    /* Whatever runs now will want to be written too. */
    return r->durability != EYOT_ASYNC || !r->stored || r->seq - r->acked + r->running < r->window;
}

static eyot_task *take_ready(eyot_run *r)
{
    if (!may_start(r)) return NULL;
    if (r->started >= r->max_steps) {
        eyot__run_fail(r, EYOT_ELIMIT, "the run has reached its limit of %llu steps (max_steps)",
                       (unsigned long long)r->max_steps);
        return NULL;
    }
    r->started++;
    r->running++;
    return pop_ready(r);
}

/* Would another thread pay? A wake costs more than a short task takes. */
static bool wants_help(const eyot_run *r)
{
    if (r->n_ready == 0 || r->strategy == EYOT_SEQUENTIAL) return false;
    uint64_t mean = atomic_load_explicit(&r->graph->nodes[r->ready->who.node].mean_ns, memory_order_relaxed);
    bool pays = mean == 0 || mean >= HANDOFF_NS || (mean >= SHORT_NS && mean * r->n_ready >= (uint64_t)4 * HANDOFF_NS);
    return (pays || r->strategy == EYOT_PARALLEL) && may_start(r);
}

/* ---- executing tasks ------------------------------------------------------------------------------------------- */

/* Calls the node, measuring it until its tasks are known to be short, and one in a few from then on. */
static eyot_status call_node(eyot_run *r, eyot_task *t)
{
    eyot__gnode *node = &r->graph->nodes[t->a.who.node];
    uint32_t mean = atomic_load_explicit(&node->mean_ns, memory_order_relaxed);
    uint32_t sample = atomic_load_explicit(&r->sample, memory_order_relaxed) + 1; /* lost counts do not matter */
    atomic_store_explicit(&r->sample, sample, memory_order_relaxed);
    if (mean != 0 && mean < HANDOFF_NS && sample % SAMPLE_EVERY != 0) return node->fn(t, node->user);
    uint64_t before = eyot__now_ns();
    eyot_status status = node->fn(t, node->user);
    uint64_t took = eyot__now_ns() - before + 1;
    if (took > 8 * HANDOFF_NS) took = 8 * HANDOFF_NS; /* one that was only interrupted is forgotten soon */
    uint64_t next = mean == 0 ? took : (3 * (uint64_t)mean + took) / 4 + 1;
    atomic_store_explicit(&node->mean_ns, (uint32_t)next, memory_order_relaxed);
    return status;
}

/* Counted by one thread at a time, read by any. */
static void count_step(eyot_run *r)
{
    uint64_t steps = atomic_load_explicit(&r->steps, memory_order_relaxed) + 1;
    atomic_store_explicit(&r->steps, steps, memory_order_relaxed);
}

/* The node's function has returned EYOT_PENDING. If the task was completed already, with what; otherwise it belongs to
 * whoever completes it from now on. */
static eyot_status keep_pending(eyot_run *r, eyot_task *t)
{
    int running = EYOT__TASK_RUNNING;
    if (!atomic_compare_exchange_strong(&t->phase, &running, EYOT__TASK_WAITING)) return (eyot_status)t->status;
    if (atomic_load(&r->cancelled)) {
        pthread_mutex_lock(&r->lock);
        eyot__run_abandon_pending(r);
        pthread_mutex_unlock(&r->lock);
    }
    return EYOT_PENDING;
}

/* What became of a task, before its run is told. */
typedef struct outcome {
    eyot_status status;
    eyot__taken few[EYOT__TAKEN_FEW], *taken; /* freed unless it is few */
    size_t n;
    eyot_error e;
} outcome;

static void settle(eyot_task *t, eyot_status status, outcome *o)
{
    uint32_t node = t->a.who.node;
    eyot__error_none(&o->e);
    if (status == EYOT_OK && !t->touched &&
        t->run->graph->nodes[node].plain) { /* nothing was given, nothing is chosen */
        o->status = EYOT_OK;
        o->taken = NULL;
        o->n = t->run->frontier.shape->nodes[node].n_out;
        return;
    }
    o->taken = o->few;
    o->n = 0;
    if (status > 0 || (status && strcmp(eyot_status_name(status), "unknown") == 0)) { /* also PENDING, when completed */
        if (!t->text) eyot_task_fail(t, "the node returned %d, which is no status of a finished task", (int)status);
        status = EYOT_EFAILED;
    }
    if (status)
        o->status = eyot_error_set(&o->e, status, "%s", t->text ? t->text : eyot_status_text(status));
    else
        o->status = eyot__task_settle(t, o->few, &o->taken, &o->n, &o->e);
}

/* The run has taken a step. Returns false when the frontier could not. */
static inline bool advance(eyot_run *r, eyot_task *t, outcome *o)
{
    void *update = t->update;
    t->update = NULL;
    eyot__task_clear(t);
    if (eyot__frontier_commit(&r->frontier, &t->a, update, o->taken, o->n, &o->e)) {
        eyot__run_fail(r, o->e.status, "%s", o->e.text);
        r->broken = true; /* it can only be resumed from the store */
        for (eyot__activation *a; (a = eyot__frontier_next(&r->frontier));) eyot__task_init((eyot_task *)(void *)a, r);
        return false;
    }
    return true;
}

static bool can_go_alone(const eyot_run *r)
{
    return !r->stored && !(r->flags & EYOT_RUN_CHECK_INPUTS) && r->running == 1 && !r->closing;
}

static void stop_alone(eyot_run *r)
{
    pthread_mutex_lock(&r->lock);
    r->alone = false;
    if (may_start(r)) eyot__run_wake(r); /* those who looked in vain meanwhile */
    pthread_mutex_unlock(&r->lock);
}

/* The next task for the thread that has all of the run; NULL: there is none, or others must see the run first. */
static eyot_task *next_alone(eyot_run *r)
{
    eyot__frontier *f = &r->frontier;
    if (f->fired && f->fired == f->fired_last && r->n_ready == 0 && r->started < r->max_steps && !stopped(r)) {
        eyot_task *t = (eyot_task *)(void *)eyot__frontier_next(f); /* a chain: past the queue */
        eyot__task_init(t, r);
        return t;
    }
    collect_fired(r);
    return r->n_ready > 0 && r->started < r->max_steps && !stopped(r) && !wants_help(r) ? pop_ready(r) : NULL;
}

/* One thread has all of a run that keeps nothing, and goes on without its lock for as long as nothing happens that others
 * must see: no failure, no end, no task that another thread should help with. Returns the task that was the last, with
 * what became of it; NULL when it was committed or is pending. */
static eyot_task *run_alone(eyot_run *r, eyot_task *t, outcome *o)
{
    for (;;) {
        eyot_status status = call_node(r, t);
        if (status == EYOT_PENDING) {
            stop_alone(r);
            status = keep_pending(r, t);
            if (status == EYOT_PENDING) return NULL;
            settle(t, status, o);
            return t;
        }
        settle(t, status, o);
        if (o->status || (o->n == 0 && r->frontier.n_live == 1)) break;
        count_step(r);
        bool good = advance(r, t, o);
        if (o->taken && o->taken != o->few) free(o->taken);
        t = good ? next_alone(r) : NULL;
        if (!t) break;
        r->started++;
    }
    if (!t) r->running--;
    stop_alone(r);
    return t;
}

/* The debug option: the node gets a copy of its own, which is compared with the state afterwards. */
static eyot_status copy_input(eyot_run *r, eyot_task *t)
{
    void *copy = NULL;
    if (r->graph->copier->copy(t->a.state->value, &copy, r->graph->copier_user)) return EYOT_ENOMEM;
    t->edit = eyot__state_new(copy, &r->frontier.history);
    t->touched = true;
    return t->edit ? EYOT_OK : EYOT_ENOMEM;
}

static bool conclude(eyot_run *r, eyot_task *t, outcome *o, eyot_buf *scratch, bool in_place);

static void execute(eyot_run *r, eyot_task *t, bool alone, eyot_buf *scratch)
{
    outcome o;
    if (alone) {
        t = run_alone(r, t, &o);
    } else {
        eyot_status status = r->flags & EYOT_RUN_CHECK_INPUTS ? copy_input(r, t) : EYOT_OK;
        if (!status) status = call_node(r, t);
        if (status == EYOT_PENDING && (status = keep_pending(r, t)) == EYOT_PENDING) return;
        settle(t, status, &o);
    }
    if (t) conclude(r, t, &o, scratch, true);
}

void eyot__run_help(eyot_run *r)
{
    eyot_engine *engine = r->engine;
    eyot_buf scratch = EYOT__BUF_INIT;
    eyot_task *t;
    bool flushed = false; /* since the last task: what is pending now, another thread is at */
    atomic_fetch_add_explicit(&engine->inside, 1, memory_order_relaxed);
    scratch.max = engine->max_body;
    r->helpers++;
    while (!r->alone) {
        if ((t = take_ready(r))) {
            bool help = wants_help(r);
            if (help) eyot__pool_offer(engine, r);
            bool alone = r->alone = !help && can_go_alone(r);
            pthread_mutex_unlock(&r->lock);
            execute(r, t, alone, &scratch);
            pthread_mutex_lock(&r->lock);
            flushed = false;
            continue;
        }
        eyot__run_settle_end(r);
        if (r->out.n == 0 || r->in_flight || r->lost || flushed) break;
        flushed = true;
        eyot__journal_submit(r);
        pthread_mutex_unlock(&r->lock);
        eyot__journal_flush(engine, r);
        pthread_mutex_lock(&r->lock);
    }
    r->helpers--;
    if (r->closing || r->phase == EYOT__RUN_ENDED) pthread_cond_broadcast(&r->changed);
    if (scratch.data) eyot__buf_clear(&scratch);
    atomic_fetch_sub_explicit(&engine->inside, 1, memory_order_release);
}

void eyot__run_flush_soon(eyot_run *r)
{
    eyot__journal_submit(r);
    eyot__pool_flush_soon(r->engine);
}

void eyot__run_wake_ready(eyot_run *r)
{
    if (may_start(r)) eyot__run_wake(r);
}

void eyot__run_wake(eyot_run *r)
{
    if (r->sleepers > 0)
        pthread_cond_broadcast(&r->changed);
    else if (r->engine)
        eyot__pool_offer(r->engine, r);
}

/* ---- the end of a task ----------------------------------------------------------------------------------------- */

void eyot__run_fail(eyot_run *r, eyot_status status, const char *fmt, ...)
{
    if (r->failing) return; /* a run keeps its first failure */
    char text[sizeof r->error.text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    eyot_error_set(&r->error, status, "%s", text);
    r->failing = true;
}

/* Encodes the entry of a finished task, without lock: key, then record. Returns the length of the key. */
static size_t encode_entry(eyot_run *r, eyot_task *t, eyot_status status, const eyot_error *e, const eyot__taken *taken,
                           size_t n, eyot_buf *out)
{
    eyot__buf_reset(out);
    eyot__key_print(out, r->graph, &t->a.who);
    size_t key_len = out->len;
    size_t at = eyot__record_begin(out, status ? EYOT_ENTRY_ATTEMPT : EYOT_ENTRY_TASK, r->graph->copier->name);
    if (status)
        eyot__entry_put_attempt(out, r->graph, &t->a.who, t->attempt, status, e->text, t->started_ms, t->took_us);
    else
        eyot__entry_put_task(out, r->graph, &t->a.who, t->attempt, t->update, taken, n, t->started_ms, t->took_us);
    eyot__record_end(out, at);
    return key_len;
}

static void maybe_snapshot(eyot_run *r)
{
    uint64_t limit = r->snapshot_bytes > SNAPSHOT_BYTES ? r->snapshot_bytes : SNAPSHOT_BYTES;
    if (r->tail_bytes <= limit || r->failing || r->frontier.n_live + r->frontier.n_waiting == 0) return;
    eyot_status status = eyot__run_append_snapshot(r);
    if (status == EYOT_ELIMIT) { /* the tail goes on growing, and nothing is lost */
        r->snapshot_bytes = 2 * r->tail_bytes;
        status = EYOT_OK;
    }
    if (status) eyot__run_fail(r, status, "a snapshot could not be written: %s", eyot_status_text(status));
}

/* Returns false, and nothing has happened, when there is no memory for its entry. */
static bool commit_task(eyot_run *r, eyot_task *t, outcome *o, const eyot_buf *entry, size_t key_len)
{
    bool logged = entry && r->durability != EYOT_EXIT;
    if (logged &&
        eyot__run_append(r, EYOT_ENTRY_TASK, entry->data, key_len, entry->data + key_len, entry->len - key_len)) {
        o->status = eyot_error_set(&o->e, EYOT_ENOMEM, "out of memory while writing an entry");
        return false;
    }
    count_step(r);
    if (!advance(r, t, o)) return true;
    collect_fired(r);
    if (logged) maybe_snapshot(r);
    return true;
}

static void fail_task(eyot_run *r, eyot_task *t, eyot_status status, const char *text, const eyot_buf *entry,
                      size_t key_len)
{
    if (entry && r->durability != EYOT_EXIT && status != EYOT_ECANCELED)
        (void)eyot__run_append(r, EYOT_ENTRY_ATTEMPT, entry->data, key_len, entry->data + key_len,
                               entry->len - key_len);
    if (!atomic_load(&r->cancelled)) { /* a task that was told to stop has not failed the run */
        const char *key = eyot_task_key(t);
        eyot__run_fail(r, status, "%s: %s", key ? key : eyot_task_node(t), text);
    }
    eyot__task_clear(t); /* the activation stays in the frontier: the task is not done */
}

static void drop_taken(eyot_run *r, outcome *o)
{
    eyot__taken_clear(&r->frontier.history, o->taken, o->n);
    o->n = 0;
}

/* The outcome reaches the run. Returns false when it was dropped. `in_place`: this thread may wait for the store, and goes
 * on with the run. */
static bool conclude(eyot_run *r, eyot_task *t, outcome *o, eyot_buf *scratch, bool in_place)
{
    size_t key_len = 0;
    if (r->stored && r->durability != EYOT_EXIT) {
        key_len = encode_entry(r, t, o->status, &o->e, o->taken, o->n, scratch);
        if (scratch->failed && !o->status)
            o->status = eyot_error_set(&o->e, scratch->failed, "the task's entry could not be written: %s",
                                       scratch->failed == EYOT_ELIMIT ? "it is larger than the store takes"
                                                                      : eyot_status_text(scratch->failed));
    }
    pthread_mutex_lock(&r->lock);
    const eyot_buf *entry = r->stored && !r->lost && !scratch->failed ? scratch : NULL;
    bool refused = r->lost || r->phase != EYOT__RUN_LIVE;
    r->running--;
    if (refused || o->status) {
        drop_taken(r, o);
        fail_task(r, t, o->status ? o->status : EYOT_ECANCELED, o->e.text, refused ? NULL : entry, key_len);
    } else if (!commit_task(r, t, o, entry, key_len)) {
        drop_taken(r, o);
        fail_task(r, t, o->status, o->e.text, NULL, 0);
    }
    eyot__run_settle_end(r);
    bool flush = r->out.n > 0 && r->durability != EYOT_ASYNC && in_place;
    if (o->taken && o->taken != o->few) free(o->taken);
    if (flush && eyot__journal_commit(r)) return !refused;
    if (r->out.n > 0 && flush) eyot__journal_submit(r);
    if (r->out.n > 0 && !flush) eyot__run_flush_soon(r);
    if (!in_place && may_start(r)) eyot__run_wake(r);
    pthread_mutex_unlock(&r->lock);
    if (flush) eyot__journal_flush(r->engine, r);
    return !refused;
}

void eyot__run_abandon_pending(eyot_run *r)
{
    if (r->alone) return; /* the thread that has the only task looks again when it is done with it */
    for (eyot__activation *a = r->frontier.live; a; a = a->next) {
        eyot_task *t = (eyot_task *)(void *)a;
        int waiting = EYOT__TASK_WAITING;
        if (!atomic_compare_exchange_strong(&t->phase, &waiting, EYOT__TASK_ABANDONED)) continue;
        r->running--;
        r->abandoned++;
    }
    eyot__run_settle_end(r);
    if (r->out.n > 0) eyot__run_flush_soon(r);
}

eyot_status eyot_task_complete(eyot_task *task, eyot_status status)
{
    eyot_run *r = task->run;
    task->status = status;
    int phase = EYOT__TASK_RUNNING;
    if (atomic_compare_exchange_strong(&task->phase, &phase, EYOT__TASK_COMPLETED)) return EYOT_OK;
    if (phase == EYOT__TASK_WAITING && atomic_compare_exchange_strong(&task->phase, &phase, EYOT__TASK_COMPLETED)) {
        eyot_buf scratch = EYOT__BUF_INIT;
        scratch.max = r->engine->max_body;
        eyot_engine *engine = r->engine;
        atomic_fetch_add(&engine->inside, 1);
        atomic_fetch_add(&r->pins, 1);
        outcome o;
        settle(task, status, &o);
        bool kept = conclude(r, task, &o, &scratch, false);
        eyot__buf_clear(&scratch);
        eyot__run_unpin(r);
        atomic_fetch_sub_explicit(&engine->inside, 1, memory_order_release);
        return kept ? EYOT_OK : EYOT_ECANCELED;
    }
    pthread_mutex_lock(&r->lock);
    eyot__task_clear(task);
    bool last = --r->abandoned == 0 && r->orphan;
    pthread_mutex_unlock(&r->lock);
    if (last) eyot__run_free_now(r);
    return EYOT_ECANCELED;
}

/* ---- the end of a run ------------------------------------------------------------------------------------------ */

static void ended(eyot_run *r)
{
    r->phase = EYOT__RUN_ENDED;
    if (r->listed && r->engine) eyot__pool_withdraw(r->engine, r);
    pthread_cond_broadcast(&r->changed);
}

static void final_state(eyot_run *r)
{
    eyot_error e;
    eyot__error_none(&e);
    if (eyot__frontier_result(&r->frontier, &r->result, &e))
        eyot__run_fail(r, e.status, "at the end of the run: %s", e.text);
}

/* The last entry: the status, after a snapshot when only the end is written. */
static void write_end(eyot_run *r)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_status status = EYOT_OK;
    size_t at = eyot__record_begin(&buf, EYOT_ENTRY_STATUS, r->graph->copier->name);
    eyot__entry_put_status(&buf, r->status, &r->error);
    eyot__record_end(&buf, at);
    if (!status) status = buf.failed ? buf.failed : eyot__run_append(r, EYOT_ENTRY_STATUS, NULL, 0, buf.data, buf.len);
    eyot__buf_clear(&buf);
    r->phase = EYOT__RUN_ENDING;
    if (status) { /* nothing is told to the store: it keeps what it has, and the run can be resumed from there */
        eyot__run_fail(r, status, "out of memory while writing the end of the run");
        r->status = EYOT_RUN_FAILED;
        r->lost = true;
        ended(r);
    }
}

void eyot__run_settle_end(eyot_run *r)
{
    bool cancelled = atomic_load(&r->cancelled);
    if (r->phase != EYOT__RUN_LIVE || r->running > 0) return;
    bool finished = r->frontier.n_live == 0 && r->frontier.n_waiting == 0;
    if (!finished && !cancelled && !r->failing) return;
    /* In exit mode the only entry before the status; written before the last join consumes the ends. */
    if (r->stored && r->durability == EYOT_EXIT && !r->lost && !r->broken) {
        eyot_status status = eyot__run_append_snapshot(r);
        if (status) eyot__run_fail(r, status, "the last snapshot could not be written: %s", eyot_status_text(status));
    }
    if (finished && !r->failing) final_state(r);
    r->status = r->failing ? EYOT_RUN_FAILED : finished ? EYOT_RUN_DONE : EYOT_RUN_CANCELLED;
    if (r->status == EYOT_RUN_CANCELLED) eyot_error_set(&r->error, EYOT_ECANCELED, "the run was cancelled");
    if (r->stored && !r->lost)
        write_end(r);
    else
        ended(r);
}

void eyot__run_acked(eyot_run *r, eyot_status status, uint64_t seq, const eyot_error *e, bool mine)
{
    r->in_flight = false;
    if (status == EYOT_OK || status == EYOT_EALREADY) {
        r->acked = seq;
        release_held(r);
        if (r->phase == EYOT__RUN_ENDING && r->acked == r->seq) ended(r);
    } else {
        /* What is in memory is ahead of the store now: nothing of it may go on. */
        r->failing = false;
        eyot__run_fail(r, status, "%s", e->text[0] ? e->text : eyot_status_text(status));
        r->lost = true;
        r->status = EYOT_RUN_FAILED;
        atomic_store(&r->cancelled, true);
        eyot__state_unref(r->result, &r->frontier.history);
        r->result = NULL;
        if (r->phase == EYOT__RUN_ENDING) ended(r);
        eyot__run_abandon_pending(r);
    }
    if (r->out.n > 0 && !r->lost) eyot__journal_submit(r);
    if (may_start(r) && !mine) eyot__run_wake(r);
    if (r->closing) pthread_cond_broadcast(&r->changed);
}

void eyot__run_unpin(eyot_run *r)
{
    pthread_mutex_lock(&r->lock);
    atomic_fetch_sub(&r->pins, 1);
    if (r->closing) pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}
