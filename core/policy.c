/* SPDX-License-Identifier: MIT */
/* How long an attempt may take, who is told when its result is no longer wanted, and whether another one follows.
 *
 * An attempt's time and its result both want to end it: the first to set the verdict has it. A task that was told and does not
 * end within its grace is abandoned: another activation takes its place in the frontier, and the old task belongs to the
 * node function and whoever completes it; the last of them frees it. The thread that is stuck in it has then no part in
 * the run any more. */
#define _GNU_SOURCE /* eventfd */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/run.h"

/* ---- asides ---------------------------------------------------------------------------------------------------- */

eyot__aside *eyot__aside_of(eyot_task *t)
{
    if (t->aside || !eyot__timer_reserve(t->run->engine)) return t->aside;
    t->aside = calloc(1, sizeof *t->aside);
    if (!t->aside) {
        eyot__timer_release(t->run->engine);
        return NULL;
    }
    t->aside->cancel_fd = -1;
    t->aside->reserved = true;
    t->run->asides++;
    return t->aside;
}

void eyot__aside_retire(eyot_task *t)
{
    eyot__aside *a = t->aside;
    if (!a->reserved) return;
    eyot__timer_clear(t);
    eyot__timer_release(t->run->engine);
    a->reserved = false;
    t->run->asides--;
}

void eyot__aside_free(eyot_task *t)
{
    eyot__aside *a = t->aside;
    if (!a) return;
    eyot__aside_retire(t);
    eyot__task_unlisten(t);
    if (a->cancel_fd >= 0) close(a->cancel_fd);
    free(a->question);
    free(a->failure);
    free(a);
    t->aside = NULL;
}

/* ---- listeners ------------------------------------------------------------------------------------------------- */

static void listen(eyot_task *t)
{
    eyot__aside *a = t->aside;
    if (a->listening) return;
    a->listening = true;
    a->prev = NULL;
    a->next = t->run->listeners;
    if (a->next) a->next->aside->prev = t;
    t->run->listeners = t;
}

void eyot__task_unlisten(eyot_task *t)
{
    eyot__aside *a = t->aside;
    if (!a || !a->listening) return;
    a->listening = false;
    a->on_cancel = NULL;
    if (a->next) a->next->aside->prev = a->prev;
    if (a->prev)
        a->prev->aside->next = a->next;
    else
        t->run->listeners = a->next;
}

void eyot__task_tell(eyot_task *t)
{
    eyot__aside *a = t->aside;
    if (!a) return;
    void (*fn)(void *) = a->on_cancel;
    a->on_cancel = NULL; /* once */
    if (fn) fn(a->on_cancel_arg);
    if (a->cancel_fd >= 0) {
        uint64_t one = 1;
        (void)!write(a->cancel_fd, &one, sizeof one);
    }
}

eyot_status eyot_task_on_cancel(eyot_task *task, void (*fn)(void *arg), void *arg)
{
    eyot_run *r = task->run;
    eyot_status status = EYOT_OK;
    pthread_mutex_lock(&r->lock);
    if (!fn) {
        if (task->aside) task->aside->on_cancel = NULL;
    } else if (!task->aside && r->phase == EYOT__RUN_ENDED) {
        fn(arg); /* abandoned long ago */
    } else if (!eyot__aside_of(task)) {
        status = EYOT_ENOMEM;
    } else {
        task->aside->on_cancel = fn;
        task->aside->on_cancel_arg = arg;
        listen(task);
        if (eyot_task_cancelled(task)) eyot__task_tell(task);
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

int eyot_task_cancel_fd(eyot_task *task)
{
    eyot_run *r = task->run;
    int fd = -1;
    pthread_mutex_lock(&r->lock);
    if (task->aside || (r->phase != EYOT__RUN_ENDED && eyot__aside_of(task))) {
        if (task->aside->cancel_fd < 0)
            task->aside->cancel_fd = eventfd(eyot_task_cancelled(task) ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
        fd = task->aside->cancel_fd;
        listen(task);
    }
    pthread_mutex_unlock(&r->lock);
    return fd;
}

void eyot__policy_end(eyot_task *t)
{
    eyot__aside *a = t->aside;
    if (!a) return;
    eyot__timer_clear(t);
    eyot__task_unlisten(t);
    if (a->cancel_fd >= 0) close(a->cancel_fd);
    a->cancel_fd = -1;
    free(a->question);
    a->question = NULL;
    a->due_ms = 0;
}

/* ---- attempts -------------------------------------------------------------------------------------------------- */

static const eyot__policy *policy_of(const eyot_task *t)
{
    return t->run->graph->nodes[t->a.who.node].policy;
}

static uint64_t grace_ns(const eyot_task *t)
{
    const eyot__policy *p = policy_of(t);
    return (p ? p->grace_ms : EYOT__GRACE_MS) * 1000000u;
}

eyot_status eyot__policy_begin(eyot_task *t)
{
    const eyot__policy *p = policy_of(t);
    if (!eyot__aside_of(t)) return EYOT_ENOMEM;
    if (t->aside->tries == 0 && t->a.memo) t->aside->tries = t->a.memo->tried;
    t->aside->tries++;
    t->started_ns = eyot__now_ns(); /* here, since an alarm may read it while the node runs */
    if (p && p->timeout_ms > 0 && !t->aside->failure) eyot__timer_set(t, EYOT__ALARM_TIMEOUT, p->timeout_ms * 1000000u);
    return EYOT_OK;
}

bool eyot__policy_again(const eyot_task *t, eyot_status status, const char *text)
{
    const eyot__policy *p = policy_of(t);
    if (!p || t->aside->failure || t->aside->tries >= p->attempts) return false;
    return p->retryable(status, text, t->run->graph->nodes[t->a.who.node].user);
}

/* FNV-1a of the key and the attempt (G. Fowler, L. C. Noll, K.-P. Vo), mixed by the finaliser of splitmix64 (S. Vigna), as
 * a number from 0 to 1. */
static double drawn(const char *key, uint32_t attempt)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ attempt;
    for (; key && *key; key++) h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((h ^ h >> 31) >> 11) / 9007199254740992.0;
}

uint64_t eyot__policy_delay_ns(eyot_task *t)
{
    const eyot__policy *p = policy_of(t);
    double ms = (double)p->delay_ms;
    for (uint32_t i = 1; i < t->aside->tries && ms < (double)p->max_ms; i++) ms *= p->factor;
    if (ms > (double)p->max_ms) ms = (double)p->max_ms;
    if (p->jitter > 0) ms *= 1 - p->jitter * drawn(eyot_task_key(t), t->attempt);
    return (uint64_t)(ms * 1000000.0);
}

/* ---- the end of an attempt's time ------------------------------------------------------------------------------ */

/* The task is somebody else's from here on; what goes on in its place is returned, NULL without memory: then it stays where it
 * is, and its run must end. */
static eyot_task *detach(eyot_task *t)
{
    eyot_run *r = t->run;
    eyot_task *b = (eyot_task *)(void *)eyot__frontier_replace(&r->frontier, &t->a);
    if (!b) return NULL;
    eyot__task_init(b, r);
    t->aside->detached = true;
    b->started_ns = t->started_ns;
    if (!eyot__aside_of(b)) return NULL;
    b->aside->tries = t->aside->tries;
    return b;
}

static void abandon(eyot_task *t)
{
    eyot_run *r = t->run;
    int phase = EYOT__TASK_RUNNING;
    bool stuck = atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_LOST);
    if (phase == EYOT__TASK_EARLY) stuck = atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_LOST_TOO);
    phase = EYOT__TASK_WAITING;
    if (!stuck && !atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_ABANDONED)) return; /* it has ended */
    bool timed_out = atomic_load(&t->verdict) == EYOT__VERDICT_TIMEOUT;
    eyot_task *b = detach(t);
    r->running--;
    r->abandoned++;
    if (stuck) { /* its thread will come back to nobody */
        r->helpers--;
        atomic_fetch_sub(&r->pins, 1);
        atomic_fetch_sub(&r->engine->inside, 1);
        eyot__pool_replace(r->engine);
    }
    eyot__aside_retire(t);
    if (!b) eyot__run_fail(r, EYOT_ENOMEM, "out of memory");
    if (b && timed_out && !atomic_load(&r->cancelled)) eyot__run_timed_out(r, b);
    eyot__run_settle_end(r);
    if (r->out.n > 0) eyot__run_flush_soon(r);
    eyot__run_wake_ready(r);
    if (r->closing) pthread_cond_broadcast(&r->changed);
}

void eyot__task_alarm(eyot_task *t)
{
    eyot_run *r = t->run;
    unsigned char open = EYOT__VERDICT_OPEN;
    switch (t->aside->alarm) {
    case EYOT__ALARM_TIMEOUT:
        if (!atomic_compare_exchange_strong(&t->verdict, &open, EYOT__VERDICT_TIMEOUT)) return;
        eyot__task_tell(t);
        eyot__timer_set(t, EYOT__ALARM_GRACE, grace_ns(t));
        return;
    case EYOT__ALARM_GRACE: abandon(t); return;
    case EYOT__ALARM_RETRY:
    case EYOT__ALARM_SLEEP:
        r->sleeping--;
        eyot__task_again(t);
        eyot__run_enqueue(r, t);
        eyot__run_wake_ready(r);
        return;
    }
}

void eyot__policy_wind_up(eyot_task *t)
{
    eyot__aside *a = t->aside;
    if (atomic_load(&t->phase) != EYOT__TASK_WAITING || !a->reserved) return;
    if (!a->at || a->alarm != EYOT__ALARM_GRACE) eyot__timer_set(t, EYOT__ALARM_GRACE, grace_ns(t));
}

bool eyot__task_returns(eyot_task *t, eyot_status *status)
{
    int phase = EYOT__TASK_RUNNING;
    if (*status != EYOT_PENDING) {
        if (atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_COMPLETED)) return true;
        if (phase == EYOT__TASK_EARLY && atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_COMPLETED))
            return true;
        eyot__task_drop(t);
        return false;
    }
    if (atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_WAITING)) return true;
    if (phase == EYOT__TASK_EARLY && atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_COMPLETED)) {
        *status = (eyot_status)t->status;
        return true;
    }
    phase = EYOT__TASK_LOST;
    if (!atomic_compare_exchange_strong(&t->phase, &phase, EYOT__TASK_ABANDONED)) eyot__task_drop(t);
    return false;
}

void eyot__task_drop(eyot_task *t)
{
    eyot_run *r = t->run;
    pthread_mutex_lock(&r->lock);
    bool detached = t->aside && t->aside->detached;
    eyot__task_clear(t);
    eyot__aside_free(t);
    if (detached) eyot__frontier_discard(&r->frontier, &t->a);
    bool last = --r->abandoned == 0 && r->orphan;
    pthread_mutex_unlock(&r->lock);
    if (last) eyot__run_free_now(r);
}
