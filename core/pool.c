/* SPDX-License-Identifier: MIT */
/* Worker threads, the queue of runs that have tasks to hand out, and the keeper: alarms, leases, messages. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/run.h"

/* ---- lists; engine lock ---------------------------------------------------------------------------------------- */

static void queue_remove(eyot_engine *engine, eyot_run *r)
{
    if (!r->offered) return;
    r->offered = false;
    if (r->queue_prev)
        r->queue_prev->queue_next = r->queue_next;
    else
        engine->queue = r->queue_next;
    if (r->queue_next)
        r->queue_next->queue_prev = r->queue_prev;
    else
        engine->queue_last = r->queue_prev;
}

void eyot__pool_offer(eyot_engine *engine, eyot_run *r)
{
    pthread_mutex_lock(&engine->lock);
    if (!r->offered) {
        r->offered = true;
        r->queue_next = NULL;
        r->queue_prev = engine->queue_last;
        if (engine->queue_last)
            engine->queue_last->queue_next = r;
        else
            engine->queue = r;
        engine->queue_last = r;
        if (engine->idle > 0) pthread_cond_signal(&engine->work);
    }
    pthread_mutex_unlock(&engine->lock);
}

void eyot__pool_list(eyot_engine *engine, eyot_run *r)
{
    pthread_mutex_lock(&engine->lock);
    r->list_prev = NULL;
    r->list_next = engine->runs;
    if (engine->runs) engine->runs->list_prev = r;
    engine->runs = r;
    pthread_mutex_unlock(&engine->lock);
    r->listed = true;
}

void eyot__pool_withdraw(eyot_engine *engine, eyot_run *r)
{
    pthread_mutex_lock(&engine->lock);
    queue_remove(engine, r);
    if (r->list_prev)
        r->list_prev->list_next = r->list_next;
    else
        engine->runs = r->list_next;
    if (r->list_next) r->list_next->list_prev = r->list_prev;
    pthread_mutex_unlock(&engine->lock);
    r->listed = false;
}

bool eyot__pool_has(eyot_engine *engine, const eyot_run *r)
{
    pthread_mutex_lock(&engine->lock);
    eyot_run *other = engine->runs;
    while (other && (other == r || !other->stored || strcmp(other->id, r->id) != 0)) other = other->list_next;
    pthread_mutex_unlock(&engine->lock);
    return other != NULL;
}

/* By a worker, or by the keeper when all of them have something to do. */
void eyot__pool_flush_soon(eyot_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->flush_wanted = true;
    pthread_cond_signal(engine->idle > 0 ? &engine->work : &engine->beat);
    pthread_mutex_unlock(&engine->lock);
}

/* ---- workers --------------------------------------------------------------------------------------------------- */

static void help_one(eyot_engine *engine)
{
    eyot_run *r = engine->queue;
    queue_remove(engine, r);
    atomic_fetch_add(&r->pins, 1);
    pthread_mutex_unlock(&engine->lock);
    pthread_mutex_lock(&r->lock);
    bool abandoned = !eyot__run_help(r, true);
    if (!abandoned) {
        pthread_mutex_unlock(&r->lock);
        eyot__run_unpin(r);
    }
    pthread_mutex_lock(&engine->lock);
    if (abandoned && engine->stuck > 0) engine->surplus += engine->stuck-- > 0;
}

/* The calling thread's place among the workers; their number: it is none. Engine lock held. */
static uint32_t place_of_self(const eyot_engine *engine)
{
    uint32_t i = 0;
    while (i < engine->n_threads && !pthread_equal(engine->threads[i], pthread_self())) i++;
    return i;
}

/* The one that leaves is joined by the next one that does, or at the end. Engine lock held on entry, not on exit. */
static void leave(eyot_engine *engine)
{
    pthread_t before = engine->left;
    bool join = engine->has_left;
    uint32_t i = place_of_self(engine);
    engine->threads[i] = engine->threads[--engine->n_threads];
    engine->left = pthread_self();
    engine->has_left = true;
    pthread_mutex_unlock(&engine->lock);
    if (join) pthread_join(before, NULL);
}

static void *work(void *arg)
{
    eyot_engine *engine = arg;
    pthread_mutex_lock(&engine->lock);
    while (!engine->stopping) {
        if (engine->flush_wanted) {
            engine->flush_wanted = false;
            if (engine->queue && engine->idle > 0) pthread_cond_signal(&engine->work);
            pthread_mutex_unlock(&engine->lock);
            eyot__journal_flush(engine, NULL);
            pthread_mutex_lock(&engine->lock);
        } else if (engine->surplus > 0) { /* one that was stuck or waited has come back: there is a thread too many */
            engine->surplus--;
            if (engine->queue && engine->idle > 0) pthread_cond_signal(&engine->work);
            leave(engine);
            return NULL;
        } else if (engine->queue) {
            if (engine->queue != engine->queue_last && engine->idle > 0) pthread_cond_signal(&engine->work);
            help_one(engine);
        } else {
            engine->idle++;
            pthread_cond_wait(&engine->work, &engine->lock);
            engine->idle--;
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

/* ---- the keeper ------------------------------------------------------------------------------------------------ */

enum { INBOX_MS = 500, IDLE_NS = 1000000000 };

/* Every stored run of the engine, pinned; NULL without memory or runs. Engine lock held. */
static eyot_run **pin_runs(eyot_engine *engine, size_t *n)
{
    size_t most = 0;
    for (eyot_run *r = engine->runs; r; r = r->list_next) most += r->stored;
    eyot_run **runs = most ? malloc(most * sizeof(eyot_run *)) : NULL;
    *n = 0;
    for (eyot_run *r = engine->runs; runs && r; r = r->list_next) {
        if (!r->stored) continue;
        atomic_fetch_add(&r->pins, 1);
        runs[(*n)++] = r;
    }
    return runs;
}

/* Every stored run gets a sign of life. A run whose commits have renewed its lease anyway gets one too: it is one row in
 * a batch that is written once in a third of a lease. */
static void renew_leases(eyot_engine *engine)
{
    size_t n;
    eyot_run **runs = pin_runs(engine, &n);
    if (!runs) return; /* without memory, the next beat comes well within the lease */
    pthread_mutex_unlock(&engine->lock);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&runs[i]->lock);
        if (runs[i]->launched && runs[i]->phase == EYOT__RUN_LIVE) eyot__journal_submit(runs[i]);
        pthread_mutex_unlock(&runs[i]->lock);
        eyot__run_unpin(runs[i]);
    }
    free(runs);
    eyot__journal_flush(engine, NULL);
    pthread_mutex_lock(&engine->lock);
}

typedef struct mail {
    eyot_run *run;
    bool cancel;
} mail;

/* It goes with what is committed next. Without memory, or room, it is read again next time. Run lock held. */
static void consume(eyot_run *r, const char *id)
{
    eyot__out *out = &r->out, *flying = &r->flying;
    if (!out->done) out->done = calloc(1, sizeof *out->done);
    eyot__done *done = out->done;
    bool known = r->in_flight && flying->done && flying->done->n > 0; /* maybe this one is being consumed */
    for (size_t i = 0; done && i < done->n; i++) known |= strcmp(done->text[i], id) == 0;
    if (done && !known && done->n < EYOT__DONE_MAX) memcpy(done->text[done->n++], id, strlen(id) + 1);
}

/* A message that was meant for an earlier owner is consumed without effect, unless the run was only taken up because it was
 * due: then nobody has wanted it to go on since. How a run ends that does so already is decided: the message is left to
 * whoever comes next. */
static eyot_status read_message(void *arg, const eyot_entry *message)
{
    mail *m = arg;
    eyot_run *r = m->run;
    char id[EYOT__DONE_LEN], own[EYOT__DONE_LEN];
    if ((unsigned)message->kind != EYOT_MESSAGE_CANCEL || message->key.n >= sizeof id) return EYOT_OK;
    memcpy(id, message->key.p, message->key.n);
    id[message->key.n] = 0;
    snprintf(own, sizeof own, "cancel/%llu", (unsigned long long)r->epoch);
    pthread_mutex_lock(&r->lock);
    if (r->phase == EYOT__RUN_LIVE) {
        m->cancel |= r->adopted || strcmp(id, own) == 0;
        if (m->cancel) { /* with the message: an end that consumes it is no other one */
            r->unwanted = true;
            atomic_store(&r->cancelled, true);
        }
        consume(r, id);
    }
    pthread_mutex_unlock(&r->lock);
    return EYOT_OK;
}

bool eyot__pool_read_inbox(eyot_run *r)
{
    mail m = {.run = r};
    (void)eyot__store_inbox(r->engine->store, eyot__bytes(r->id, r->id_len), read_message, &m, NULL);
    return m.cancel;
}

/* What other processes have left for our runs. A store that cannot be read now is read again soon. */
static void read_inboxes(eyot_engine *engine)
{
    size_t n;
    eyot_run **runs = pin_runs(engine, &n);
    if (!runs) return;
    pthread_mutex_unlock(&engine->lock);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&runs[i]->lock);
        bool live = runs[i]->launched && runs[i]->phase == EYOT__RUN_LIVE;
        pthread_mutex_unlock(&runs[i]->lock);
        if (live && eyot__pool_read_inbox(runs[i])) eyot_run_cancel(runs[i]);
        eyot__run_unpin(runs[i]);
    }
    free(runs);
    pthread_mutex_lock(&engine->lock);
}

/* With more runs less often: reading is a query per run. */
static uint64_t inbox_interval_ns(const eyot_engine *engine)
{
    uint64_t n = 0;
    for (const eyot_run *r = engine->runs; r; r = r->list_next) n++;
    return (INBOX_MS + n) * 1000000u;
}

static void *keep(void *arg)
{
    eyot_engine *engine = arg;
    uint64_t beat_ns = (uint64_t)engine->lease_ms * 1000000u / 3, now = eyot__now_ns();
    uint64_t beat = engine->store ? now + beat_ns : UINT64_MAX, inbox = engine->mail ? now : UINT64_MAX;
    pthread_mutex_lock(&engine->lock);
    while (!engine->stopping) {
        now = eyot__now_ns();
        uint64_t alarm = eyot__timer_next(engine);
        if (engine->flush_wanted) {
            engine->flush_wanted = false;
            pthread_mutex_unlock(&engine->lock);
            eyot__journal_flush(engine, NULL);
            pthread_mutex_lock(&engine->lock);
        } else if (now >= alarm) {
            eyot__timer_fire(engine);
        } else if (now >= beat) {
            beat = now + beat_ns;
            renew_leases(engine);
        } else if (now >= inbox) {
            inbox = now + inbox_interval_ns(engine);
            read_inboxes(engine);
        } else {
            uint64_t next = alarm < beat ? alarm : beat;
            if (next > inbox) next = inbox;
            if (next > now + (uint64_t)3600 * IDLE_NS) next = now + (uint64_t)3600 * IDLE_NS;
            struct timespec until = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
            pthread_cond_timedwait(&engine->beat, &engine->lock, &until);
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return NULL;
}

/* ---- starting and stopping ------------------------------------------------------------------------------------- */

/* The host's signals are for the host's threads. */
static int start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

enum { REPLACED_MAX = 64 }; /* threads for those that are stuck, over the life of an engine */

/* Engine lock held. */
static bool add_worker(eyot_engine *engine)
{
    if (engine->stopping) return false;
    if (engine->n_threads == engine->cap_threads) {
        uint32_t cap = engine->cap_threads * 2;
        pthread_t *threads = realloc(engine->threads, cap * sizeof *threads);
        if (!threads) return false;
        engine->threads = threads;
        engine->cap_threads = cap;
    }
    if (start_thread(&engine->threads[engine->n_threads], work, engine)) return false;
    engine->n_threads++;
    return true;
}

void eyot__pool_replace(eyot_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    if (engine->n_replacements < REPLACED_MAX && add_worker(engine)) {
        engine->n_replacements++;
        engine->stuck++;
    }
    pthread_mutex_unlock(&engine->lock);
}

bool eyot__pool_lend(eyot_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    bool lent = place_of_self(engine) < engine->n_threads && add_worker(engine);
    pthread_mutex_unlock(&engine->lock);
    return lent;
}

void eyot__pool_take_back(eyot_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->surplus++;
    if (engine->idle > 0) pthread_cond_signal(&engine->work);
    pthread_mutex_unlock(&engine->lock);
}

eyot_status eyot__pool_start(eyot_engine *engine, eyot_error *e)
{
    uint32_t wanted = engine->n_threads;
    engine->n_threads = 0;
    engine->cap_threads = wanted;
    engine->threads = calloc(wanted, sizeof *engine->threads);
    if (!engine->threads) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    int failed = 0;
    for (; engine->n_threads < wanted && !failed; engine->n_threads += !failed)
        failed = start_thread(&engine->threads[engine->n_threads], work, engine);
    if (!failed) {
        failed = start_thread(&engine->keeper, keep, engine);
        engine->has_keeper = !failed;
    }
    if (!failed) return EYOT_OK;
    eyot__pool_stop(engine);
    eyot_error_set(e, EYOT_EIO, "no thread could be started: %s", strerror(failed));
    if (e) e->os_errno = failed;
    return EYOT_EIO;
}

void eyot__pool_stop(eyot_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    pthread_cond_broadcast(&engine->work);
    pthread_cond_broadcast(&engine->beat);
    pthread_mutex_unlock(&engine->lock);
    for (uint32_t i = 0; i < engine->n_threads; i++) pthread_join(engine->threads[i], NULL);
    if (engine->has_left) pthread_join(engine->left, NULL);
    if (engine->has_keeper) pthread_join(engine->keeper, NULL);
    free(engine->threads);
    engine->threads = NULL;
    engine->n_threads = 0;
}
