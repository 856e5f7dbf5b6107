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

/* It may start at once, or waits until the entries it follows from are stored. */
static inline void enqueue(eyot_run *r, eyot_task *t)
{
    t->after = r->seq;
    if (r->stored && r->acked + r->window < t->after && r->durability != EYOT_EXIT) {
        t->a.queue = NULL;
        if (r->held_last)
            r->held_last->queue = &t->a;
        else
            r->held = &t->a;
        r->held_last = &t->a;
    } else {
        push_ready(r, t);
    }
}

void eyot__run_enqueue(eyot_run *r, eyot_task *t)
{
    enqueue(r, t);
}

/* Fired tasks begin their way. */
static void collect_fired(eyot_run *r)
{
    for (eyot__activation *a; (a = eyot__frontier_next(&r->frontier));) {
        eyot_task *t = (eyot_task *)(void *)a;
        eyot__task_init(t, r);
        if (!a->memo || !eyot__wait_park(t)) enqueue(r, t);
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
    if (r->failing || r->phase != EYOT__RUN_LIVE || atomic_load_explicit(&r->cancelled, memory_order_relaxed))
        return true;
    return atomic_load_explicit(&r->leaving, memory_order_relaxed);
}

/* Somebody else may have the run by now; the next sign of life tells, and wakes it if it is still ours. Asked only of a task
 * that is about to start: the clock costs more than all else that is looked at here. */
static bool lease_is_over(const eyot_run *r)
{
    return r->stored && eyot__boot_ns() >= r->lease_until_ns;
}

static bool may_start(const eyot_run *r)
{
    if (r->n_ready == 0 || stopped(r) || r->running >= r->max_parallel) return false;
    /* Whatever runs now will want to be written too. */
    return r->durability != EYOT_ASYNC || !r->stored || r->seq - r->acked + r->running < r->window;
}

static eyot_task *take_ready(eyot_run *r)
{
    if (!may_start(r) || lease_is_over(r)) return NULL;
    if (r->started >= r->max_steps) {
        eyot__run_fail(r, EYOT_ELIMIT, "the run has reached its limit of %llu steps (max_steps)",
                       (unsigned long long)r->max_steps);
        return NULL;
    }
    r->started++;
    if (++r->running > r->peak) r->peak = r->running;
    eyot_task *t = pop_ready(r);
    if ((t->aside || r->graph->nodes[t->a.who.node].policy) && eyot__policy_begin(t)) {
        eyot__run_fail(r, EYOT_ENOMEM, "out of memory");
        r->running--; /* the task is not done; it stays in the frontier */
        return NULL;
    }
    return t;
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

static eyot_status rescue(eyot_task *t, const eyot__gnode *node)
{
    eyot_status status = node->policy->rescue(t, t->aside->failure_status, t->aside->failure, node->user);
    if (status <= 0) return status;
    eyot_task_fail(t, "its rescue returned %d, which is no status of a finished task", (int)status);
    return EYOT_EINVAL;
}

/* Calls the node, measuring it until its tasks are known to be short, and one in a few from then on. */
static eyot_status call_node(eyot_run *r, eyot_task *t)
{
    eyot__gnode *node = &r->graph->nodes[t->a.who.node];
    if (!t->aside)
        t->started_ns = 0; /* otherwise its policy has begun */
    else if (t->aside->failure)
        return rescue(t, node);
    uint32_t mean = atomic_load_explicit(&node->mean_ns, memory_order_relaxed);
    uint32_t sample = atomic_load_explicit(&r->sample, memory_order_relaxed) + 1; /* lost counts do not matter */
    atomic_store_explicit(&r->sample, sample, memory_order_relaxed);
    if (mean != 0 && mean < HANDOFF_NS && sample % SAMPLE_EVERY != 0) return node->fn(t, node->user);
    if (!t->started_ns) t->started_ns = eyot__now_ns();
    uint64_t before = t->started_ns;
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

/* A task has become pending: nobody may have told it that the run is cancelled. */
static void look_at_pending(eyot_run *r)
{
    if (!atomic_load(&r->cancelled)) return;
    pthread_mutex_lock(&r->lock);
    eyot__run_abandon_pending(r);
    pthread_mutex_unlock(&r->lock);
}

/* What became of a task, before its run is told. */
typedef struct outcome {
    eyot_status status;
    eyot__taken few[EYOT__TAKEN_FEW], *taken; /* freed unless it is few */
    size_t n;
    eyot__state *before; /* the task's state without its update, for a rescue; owned, may be NULL */
    eyot_error e;
} outcome;

/* An attempt that was told that its time is over has no result. */
static bool in_time(eyot_task *t)
{
    unsigned char open = EYOT__VERDICT_OPEN;
    return !t->aside || atomic_compare_exchange_strong(&t->verdict, &open, EYOT__VERDICT_RESULT);
}

static eyot_status timed_out(const eyot_task *t, eyot_error *e)
{
    uint64_t ms = t->run->graph->nodes[t->a.who.node].policy->timeout_ms;
    if (ms % 1000) return eyot_error_set(e, EYOT_ETIMEDOUT, "timed out after %llu ms", (unsigned long long)ms);
    return eyot_error_set(e, EYOT_ETIMEDOUT, "timed out after %llu s", (unsigned long long)(ms / 1000));
}

static void settle(eyot_task *t, eyot_status status, outcome *o)
{
    uint32_t node = t->a.who.node;
    eyot__error_none(&o->e);
    o->before = NULL;
    if (status == EYOT_OK && !t->touched && !t->aside &&
        t->run->graph->nodes[node].plain) { /* nothing was given, nothing is chosen */
        o->status = EYOT_OK;
        o->taken = NULL;
        o->n = t->run->frontier.shape->nodes[node].n_out;
        return;
    }
    o->taken = o->few;
    o->n = 0;
    if (!in_time(t)) {
        o->status = timed_out(t, &o->e);
        return;
    }
    if (status == EYOT_SUSPENDED && !t->failed && eyot__wait_has(t)) {
        o->status = EYOT_SUSPENDED;
        return;
    }
    if (status > 0 || (status && strcmp(eyot_status_name(status), "unknown") == 0)) { /* also PENDING, when completed */
        if (!t->said || !t->said->text[0])
            eyot_task_fail(t, "the node returned %d, which is no status of a finished task", (int)status);
        status = EYOT_EFAILED;
    }
    if (status) {
        o->status =
            eyot_error_set(&o->e, status, "%s", t->said && t->said->text[0] ? t->said->text : eyot_status_text(status));
        return;
    }
    const eyot__policy *policy = t->run->graph->nodes[node].policy;
    /* In exit mode the last snapshot has the state that a task leaves which could not be committed. */
    bool may_go_back = (policy && policy->rescue) || (eyot__task_emits(t) && t->run->durability == EYOT_EXIT);
    if (t->run->stored && may_go_back) o->before = eyot__state_ref(t->a.state);
    o->status = eyot__task_settle(t, o->few, &o->taken, &o->n, &o->e);
}

/* The run has taken a step. Returns false when the frontier could not. */
static inline bool advance(eyot_run *r, eyot_task *t, outcome *o)
{
    void *update = t->update;
    t->update = NULL;
    eyot__task_clear(t);
    if (t->aside) eyot__aside_free(t);
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
    return !r->stored && !(r->flags & EYOT_RUN_CHECK_INPUTS) && r->running == 1 && !r->closing && r->asides == 0 &&
           r->abandoned == 0; /* one that comes back gives back what it had */
}

/* `idle`: without a task. */
static void stop_alone(eyot_run *r, bool idle)
{
    pthread_mutex_lock(&r->lock);
    r->alone = false;
    r->running -= idle;
    if (may_start(r)) eyot__run_wake(r); /* those who looked in vain meanwhile */
    pthread_mutex_unlock(&r->lock);
}

/* The next task for the thread that has all of the run; NULL: there is none, or others must see the run first. */
static eyot_task *next_alone(eyot_run *r)
{
    eyot__frontier *f = &r->frontier;
    if (r->graph->policies) { /* its alarms come under the lock */
        collect_fired(r);
        return NULL;
    }
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
            if (!t->started_ns) t->started_ns = eyot__now_ns();
            stop_alone(r, false);
            (void)eyot__task_returns(t, &status); /* nothing here has a timeout */
            if (status == EYOT_PENDING) {
                look_at_pending(r);
                return NULL;
            }
            settle(t, status, o);
            return t;
        }
        settle(t, status, o);
        if (o->status || t->aside || (o->n == 0 && r->frontier.n_live == 1)) break;
        count_step(r);
        bool good = advance(r, t, o);
        if (o->taken && o->taken != o->few) free(o->taken);
        t = good ? next_alone(r) : NULL;
        if (!t) break;
        r->started++;
    }
    stop_alone(r, !t);
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

/* False: the thread was abandoned with the task, and the run is nothing to it any more. */
static bool execute(eyot_run *r, eyot_task *t, bool alone, eyot_buf *scratch)
{
    outcome o;
    if (alone) {
        t = run_alone(r, t, &o);
    } else {
        eyot_status status = r->flags & EYOT_RUN_CHECK_INPUTS ? copy_input(r, t) : EYOT_OK;
        if (!status) status = call_node(r, t);
        if (status == EYOT_PENDING && !t->started_ns) t->started_ns = eyot__now_ns();
        if ((status == EYOT_PENDING || r->graph->timed) && !eyot__task_returns(t, &status)) return false;
        if (status == EYOT_PENDING) {
            look_at_pending(r);
            return true;
        }
        settle(t, status, &o);
    }
    if (t) conclude(r, t, &o, scratch, true);
    return true;
}

bool eyot__run_help(eyot_run *r, bool worker)
{
    if (!worker && r->graph->timed) { /* nobody who waits may be stuck in a task that is to be abandoned */
        if (r->alone) return true;    /* its thread looks for itself, without the lock */
        if (may_start(r)) eyot__pool_offer(r->engine, r);
        eyot__run_settle_end(r);
        if (r->out.n > 0) eyot__run_flush_soon(r);
        return true;
    }
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
            if (!execute(r, t, alone, &scratch)) { /* not counted any more, and the lock is not taken again */
                eyot__buf_clear(&scratch);
                return false;
            }
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
    return true;
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
    if (r->sleepers > 0 && !r->graph->timed)
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

/* 0: the attempt was not measured. */
static uint64_t took_ns(const eyot_task *t)
{
    return t->started_ns ? eyot__now_ns() - t->started_ns : 0;
}

/* Encodes the entry of a finished task, without lock: key, then record. Returns the length of the key. */
static size_t encode_entry(eyot_run *r, eyot_task *t, eyot_status status, const eyot_error *e, const eyot__taken *taken,
                           size_t n, uint64_t took_ns, eyot_buf *out)
{
    int64_t began_ms = eyot__wall_coarse_ms() - (int64_t)(took_ns / 1000000u);
    eyot__buf_reset(out);
    eyot__key_print(out, r->graph, &t->a.who);
    size_t key_len = out->len;
    size_t at = eyot__record_begin(out, status ? EYOT_ENTRY_ATTEMPT : EYOT_ENTRY_TASK, r->graph->copier->name);
    if (status)
        eyot__entry_put_attempt(out, r->graph, &t->a.who, t->attempt, status, e->text, began_ms, took_ns / 1000);
    else
        eyot__entry_put_task(out, r->graph, &t->a.who, t->attempt, t->update, taken, n, began_ms, took_ns / 1000,
                             t->said ? &t->said->told : NULL);
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
    size_t events = eyot__emit_count(r);
    eyot_status status = eyot__task_emits(t) ? eyot__emit_append(r, t) : EYOT_OK;
    if (!status && logged)
        status =
            eyot__run_append(r, EYOT_ENTRY_TASK, entry->data, key_len, entry->data + key_len, entry->len - key_len);
    if (status) {
        eyot__emit_rewind(r, events);
        o->status = eyot_error_set(&o->e, EYOT_ENOMEM, "out of memory while writing an entry");
        return false;
    }
    count_step(r);
    if (!advance(r, t, o)) return true;
    collect_fired(r);
    if (logged) maybe_snapshot(r);
    return true;
}

/* The rescue is what runs next in its place. ENOMEM. */
static eyot_status call_rescue(eyot_run *r, eyot_task *t, eyot_status status, const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    if (!copy) return EYOT_ENOMEM;
    memcpy(copy, text, len + 1);
    t->aside->failure = copy;
    t->aside->failure_status = status;
    eyot__task_again(t);
    t->attempt =
        t->a.memo ? t->a.memo->failed : t->attempt; /* it belongs to the last attempt, and is none of its own */
    enqueue(r, t);
    return EYOT_OK;
}

static void fail_for_good(eyot_run *r, eyot_task *t, eyot_status status, const char *text)
{
    const char *key = eyot_task_key(t);
    if (!r->failing && key) {
        free(r->failed_task);
        r->failed_task = t->key; /* kept with the run */
        t->key = NULL;
        r->failed_attempt = t->attempt;
    }
    eyot__run_fail(r, status, "%s: %s", key ? key : eyot_task_node(t), text);
}

static void retry(eyot_run *r, eyot_task *t)
{
    uint64_t delay = eyot__policy_delay_ns(t);
    if (delay == 0) { /* there is no time to wait for */
        eyot__task_again(t);
        enqueue(r, t);
        return;
    }
    r->sleeping++;
    eyot__timer_set(t, EYOT__ALARM_RETRY, delay);
}

/* An attempt has failed: another one follows, or the rescue, or the run fails. */
static void fail_task(eyot_run *r, eyot_task *t, eyot_status status, const char *text, bool again,
                      const eyot_buf *entry, size_t key_len)
{
    const eyot__policy *policy = r->graph->nodes[t->a.who.node].policy;
    /* One that was told to stop has not failed. */
    bool told = atomic_load(&r->cancelled) || r->lost || r->phase != EYOT__RUN_LIVE;
    r->started--; /* an attempt is no step */
    if (status != EYOT_ECANCELED || !told) {
        if (entry && r->durability != EYOT_EXIT)
            (void)eyot__run_append(r, EYOT_ENTRY_ATTEMPT, entry->data, key_len, entry->data + key_len,
                                   entry->len - key_len);
        r->n_failed++;
        eyot__memo *memo = policy || r->stored ? eyot__memo_of(&t->a) : t->a.memo;
        if (memo) memo->failed = t->attempt;
    }
    eyot__policy_end(t);
    if (atomic_load(&r->cancelled)) { /* a task that was told to stop has not failed the run */
        eyot__task_clear(t);
        return;
    }
    if (again) {
        r->n_retried++;
        retry(r, t);
    } else if (!policy || !policy->rescue || t->aside->failure || call_rescue(r, t, status, text)) {
        fail_for_good(r, t, status, text);
    }
    eyot__task_clear(t); /* the activation stays in the frontier: the task is not done */
}

void eyot__run_timed_out(eyot_run *r, eyot_task *t)
{
    eyot_error e;
    eyot_buf buf = EYOT__BUF_INIT;
    buf.max = r->engine->max_body;
    uint64_t took = took_ns(t);
    eyot_status status = timed_out(t, &e);
    bool stored = r->stored && !r->lost && r->phase == EYOT__RUN_LIVE;
    size_t key_len = stored ? encode_entry(r, t, status, &e, NULL, 0, took, &buf) : 0;
    r->task_ns += took;
    fail_task(r, t, status, e.text, eyot__policy_again(t, status, e.text), stored && !buf.failed ? &buf : NULL,
              key_len);
    eyot__buf_clear(&buf);
}

/* The task waits for an answer or a time. */
static void suspend_task(eyot_run *r, eyot_task *t)
{
    if (!eyot__aside_of(t)) {
        eyot__run_fail(r, EYOT_ENOMEM, "out of memory");
        return;
    }
    r->started--;
    if (t->aside->tries > 0) t->aside->tries--; /* the attempt goes on when it starts again */
    eyot_status status = eyot__wait_commit(t);
    eyot__policy_end(t);
    if (status)
        eyot__run_fail(r, status, "what the task waits for could not be written: %s", eyot_status_text(status));
    else if (!eyot__wait_park(t)) {
        eyot__task_again(t);
        enqueue(r, t);
        return;
    }
    eyot__task_clear(t);
}

/* Nothing of it reaches the run, nor what runs next in its place. */
static void drop_outcome(eyot_run *r, eyot_task *t, outcome *o)
{
    eyot__taken_clear(&r->frontier.history, o->taken, o->n);
    o->n = 0;
    if (!o->before) return;
    eyot__state_unref(t->a.state, &r->frontier.history);
    t->a.state = o->before;
    o->before = NULL;
}

/* The outcome reaches the run. Returns false when it was dropped. `in_place`: this thread may wait for the store, and goes
 * on with the run. */
static bool conclude(eyot_run *r, eyot_task *t, outcome *o, eyot_buf *scratch, bool in_place)
{
    size_t key_len = 0;
    uint64_t took = took_ns(t);
    bool again = o->status < 0 && t->aside && eyot__policy_again(t, o->status, o->e.text);
    if (r->stored && r->durability != EYOT_EXIT && o->status <= 0) {
        key_len = encode_entry(r, t, o->status, &o->e, o->taken, o->n, took, scratch);
        if (scratch->failed == EYOT_ELIMIT && !o->status)
            o->status = eyot_error_set(&o->e, EYOT_ELIMIT, "its entry is larger than the store takes (%llu bytes)",
                                       (unsigned long long)r->engine->max_body);
        else if (scratch->failed && !o->status)
            o->status = eyot_error_set(&o->e, scratch->failed, "the task's entry could not be written: %s",
                                       eyot_status_text(scratch->failed));
    }
    pthread_mutex_lock(&r->lock);
    const eyot_buf *entry = r->stored && !r->lost && !scratch->failed ? scratch : NULL;
    bool refused = r->lost || r->phase != EYOT__RUN_LIVE;
    r->running--;
    r->task_ns += took;
    if (refused || o->status < 0) {
        drop_outcome(r, t, o);
        fail_task(r, t, o->status < 0 ? o->status : EYOT_ECANCELED, o->e.text, again && !refused,
                  refused ? NULL : entry, key_len);
    } else if (o->status == EYOT_SUSPENDED) {
        suspend_task(r, t);
    } else if (!commit_task(r, t, o, entry, key_len)) {
        drop_outcome(r, t, o);
        fail_task(r, t, o->status, o->e.text, false, NULL, 0);
    }
    eyot__state_unref(o->before, &r->frontier.history);
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
    for (eyot_task *t = r->listeners, *next; t; t = next) {
        next = t->aside->next;
        eyot__task_tell(t);
    }
    if (r->alone) return; /* the thread that has the only task looks again when it is done with it */
    for (eyot__activation *a = r->frontier.live; a; a = a->next) {
        eyot_task *t = (eyot_task *)(void *)a;
        int waiting = EYOT__TASK_WAITING;
        if (t->aside && t->aside->listening) {
            eyot__policy_wind_up(t);
            continue;
        }
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
    if (atomic_compare_exchange_strong(&task->phase, &phase, EYOT__TASK_EARLY)) return EYOT_OK;
    if (phase == EYOT__TASK_LOST && atomic_compare_exchange_strong(&task->phase, &phase, EYOT__TASK_LOST_TOO))
        return EYOT_ECANCELED; /* the node function has it still */
    if (phase == EYOT__TASK_WAITING && atomic_compare_exchange_strong(&task->phase, &phase, EYOT__TASK_COMPLETED)) {
        if (r->replayed) return eyot__replay_completed(r);
        eyot_buf scratch = EYOT__BUF_INIT;
        scratch.max = r->engine->max_body;
        eyot_engine *engine = r->engine;
        atomic_fetch_add(&engine->inside, 1);
        atomic_fetch_add(&r->pins, 1);
        outcome o;
        settle(task, status, &o);
        bool late = atomic_load(&task->verdict) == EYOT__VERDICT_TIMEOUT;
        bool kept = conclude(r, task, &o, &scratch, false) && !late;
        eyot__buf_clear(&scratch);
        eyot__run_unpin(r);
        atomic_fetch_sub_explicit(&engine->inside, 1, memory_order_release);
        return kept ? EYOT_OK : EYOT_ECANCELED;
    }
    eyot__task_drop(task);
    return EYOT_ECANCELED;
}

/* ---- what the store says -------------------------------------------------------------------------------------- */

void eyot__run_acked(eyot_run *r, eyot_status status, uint64_t seq, const eyot_error *e, bool mine)
{
    r->in_flight = false;
    if (status == EYOT_OK || status == EYOT_EALREADY) {
        r->acked = seq;
        release_held(r);
        if (r->phase == EYOT__RUN_ENDING && r->acked == r->seq) eyot__run_ended(r);
    } else {
        /* What is in memory is ahead of the store now: nothing of it may go on. */
        r->failing = false;
        eyot__run_fail(r, status, "%s", e->text[0] ? e->text : eyot_status_text(status));
        r->lost = true;
        r->status = EYOT_RUN_FAILED;
        atomic_store(&r->cancelled, true);
        eyot__state_unref(r->result, &r->frontier.history);
        r->result = NULL;
        if (r->phase == EYOT__RUN_ENDING) eyot__run_ended(r);
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
