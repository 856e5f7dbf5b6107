/* SPDX-License-Identifier: MIT */
/* Workers: claim runs by queue, see them to their end, park those that kill their processes. One thread claims and waits; the
 * runs are the engine's. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/options.h"
#include "core/random.h"
#include "core/run.h"

#include <eyot/worker.h>

enum {
    MAX_RUNS = 16,
    POLL_MS = 500,
    MAX_ATTEMPTS = 5,
    LOST_MOST = 2, /* claims in a row without a commit, after which a run is run alone */
    BACKOFF_MOST_MS = 30000,
    DRAIN_LOOK_NS = 1000000000
};

typedef struct slot {
    eyot_worker *worker;
    eyot_run *run;  /* NULL: free */
    bool ended;     /* guarded by the worker's lock */
    uint64_t steps; /* when it was taken */
} slot;

struct eyot_worker {
    eyot_engine *engine;
    eyot_worker_options options;
    eyot_run_options run;
    char **queues;
    const eyot_graph **graphs;
    eyot_run_options *hows; /* for their runs */
    eyot_bytes *fingerprints;
    size_t n_graphs, next_queue;
    slot *slots;
    uint32_t n_running;
    eyot__claimed suspect; /* to be run alone once the others are gone; no id: none */
    slot *alone;           /* nothing is claimed beside it until it has made a step. NULL: none */
    uint32_t backoff_ms;   /* 0: the store answers */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a run has ended, or the worker is to stop */
    uint64_t news;          /* counts them */
    bool stopping, now;
};

/* ---- making ---------------------------------------------------------------------------------------------------- */

static char **copy_queues(const eyot_worker_options *o, eyot_error *e)
{
    size_t n = o->n_queues ? o->n_queues : 1;
    char **all = calloc(n, sizeof *all);
    for (size_t i = 0; all && i < n; i++) {
        const char *name = o->n_queues ? o->queues[i] : "";
        if (!name || (*name && !eyot__run_id_valid(eyot__bytes(name, strlen(name))))) {
            eyot_error_set(e, EYOT_EINVAL, "queue \"%.140s\" is not [A-Za-z0-9][A-Za-z0-9._:-]{0,127}",
                           name ? name : "(null)");
            goto failed;
        }
        if (!(all[i] = strdup(name))) {
            eyot_error_set(e, EYOT_ENOMEM, "out of memory");
            goto failed;
        }
    }
    if (!all) eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    return all;
failed:
    for (size_t i = 0; i < n; i++) free(all[i]);
    free(all);
    return NULL;
}

static eyot_status read_how(eyot_run_options *out, const eyot_run_options *how, const eyot_run_options *otherwise)
{
    if (eyot__options_read(out, sizeof *out, how ? how : otherwise)) return EYOT_EINVAL;
    out->run_id = NULL;
    out->answers = NULL;
    out->n_answers = 0;
    out->flags |= EYOT_RUN_NO_WAIT; /* a run that waits for a time is the store's until then */
    return EYOT_OK;
}

static eyot_status read_options(eyot_worker *w, const eyot_worker_options *options, eyot_error *e)
{
    eyot_worker_options *o = &w->options;
    if (eyot__options_read(o, sizeof *o, options))
        return eyot_error_set(e, EYOT_EINVAL, "worker options of another size");
    if (read_how(&w->run, o->run, NULL)) return eyot_error_set(e, EYOT_EINVAL, "run options of another size");
    if (o->flags & ~(uint32_t)EYOT_WORKER_UNTIL_IDLE)
        return eyot_error_set(e, EYOT_EINVAL, "a worker option has an unknown value");
    if (o->n_queues > 0 && !o->queues) return eyot_error_set(e, EYOT_EINVAL, "queues is NULL");
    if (o->poll_ms != 0 && (o->poll_ms < 10 || o->poll_ms > 3600000))
        return eyot_error_set(e, EYOT_EINVAL, "poll_ms is %u; 10 to 3,600,000", o->poll_ms);
    if (o->max_runs > 65536) return eyot_error_set(e, EYOT_EINVAL, "max_runs is %u; at most 65,536", o->max_runs);
    if (!o->max_runs) o->max_runs = MAX_RUNS;
    if (!o->poll_ms) o->poll_ms = POLL_MS;
    if (!o->max_attempts) o->max_attempts = MAX_ATTEMPTS;
    w->queues = copy_queues(o, e);
    if (!w->queues) return EYOT_EINVAL;
    if (!o->n_queues) o->n_queues = 1;
    w->slots = calloc(o->max_runs, sizeof *w->slots);
    return w->slots ? EYOT_OK : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

eyot_status eyot_worker_new(eyot_worker **out, eyot_engine *engine, const eyot_worker_options *options, eyot_error *e)
{
    *out = NULL;
    if (!engine || !engine->store) return eyot_error_set(e, EYOT_EINVAL, "a worker needs an engine with a store");
    eyot_worker *w = calloc(1, sizeof *w);
    if (!w) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    w->engine = engine;
    eyot_error own;
    if (read_options(w, options, &own)) {
        eyot_worker_free(w);
        return eyot_error_set(e, own.status, "%s", own.text);
    }
    *out = w;
    return EYOT_OK;
}

void eyot_worker_free(eyot_worker *w)
{
    if (!w) return;
    for (size_t i = 0; w->queues && i < w->options.n_queues; i++) free(w->queues[i]);
    free(w->queues);
    free(w->graphs);
    free(w->hows);
    free(w->fingerprints);
    free(w->slots);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    free(w);
}

eyot_status eyot_worker_add(eyot_worker *w, const eyot_graph *g, const eyot_run_options *how, eyot_error *e)
{
    eyot_run_options read;
    size_t n = w->n_graphs + 1;
    if (!g || !g->frozen) return eyot_error_set(e, EYOT_EINVAL, "a worker needs a frozen graph");
    if (read_how(&read, how, &w->run)) return eyot_error_set(e, EYOT_EINVAL, "run options of another size");
    const eyot_graph **graphs = realloc(w->graphs, n * sizeof *graphs);
    if (graphs) w->graphs = graphs;
    eyot_run_options *hows = realloc(w->hows, n * sizeof *hows);
    if (hows) w->hows = hows;
    eyot_bytes *fingerprints = realloc(w->fingerprints, n * sizeof *fingerprints);
    if (fingerprints) w->fingerprints = fingerprints;
    if (!graphs || !hows || !fingerprints) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    graphs[n - 1] = g;
    hows[n - 1] = read;
    fingerprints[n - 1] = eyot__bytes(g->fingerprint, 64);
    w->n_graphs = n;
    return EYOT_OK;
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

static void tell(const eyot_worker *w, eyot_worker_news news, eyot_run *run, const char *run_id, const eyot_error *e,
                 uint32_t attempt)
{
    eyot_worker_report report = {.size = sizeof report,
                                 .news = news,
                                 .run = run,
                                 .run_id = run_id,
                                 .error = e ? e->status : EYOT_OK,
                                 .text = e ? e->text : "",
                                 .attempt = attempt};
    if (w->options.told) w->options.told(w->options.arg, &report);
}

/* ---- runs that are ours ---------------------------------------------------------------------------------------- */

/* By whatever thread, with the run's lock held. */
static void on_end(void *arg)
{
    slot *s = arg;
    eyot_worker *w = s->worker;
    pthread_mutex_lock(&w->lock);
    s->ended = true;
    w->news++;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static void let_go(eyot_worker *w, slot *s)
{
    eyot_error e;
    eyot__error_none(&e);
    if (eyot_run_wait(s->run, &e) == EYOT_OK) eyot__error_none(&e);
    tell(w, EYOT_WORKER_LEFT, s->run, eyot_run_id(s->run), e.status ? &e : NULL, 0);
    eyot_run_free(s->run);
    s->run = NULL;
    w->n_running--;
    if (w->alone == s) w->alone = NULL;
}

static void let_go_of_ended(eyot_worker *w)
{
    for (uint32_t i = 0; i < w->options.max_runs; i++) {
        slot *s = &w->slots[i];
        if (!s->run) continue;
        pthread_mutex_lock(&w->lock);
        bool ended = s->ended;
        pthread_mutex_unlock(&w->lock);
        if (ended) let_go(w, s);
    }
}

static slot *free_slot(eyot_worker *w)
{
    slot *s = w->slots;
    while (s->run) s++;
    return s;
}

/* ---- claiming -------------------------------------------------------------------------------------------------- */

static const eyot_graph *find_graph(eyot_worker *w, const eyot__claimed *row, eyot_run_options *how, eyot_error *e)
{
    for (size_t i = 0; i < w->n_graphs; i++) {
        if (strcmp(w->graphs[i]->fingerprint, row->fingerprint) != 0) continue;
        *how = w->hows[i];
        return w->graphs[i];
    }
    *how = w->run;
    if (w->options.find) {
        const eyot_graph *g = w->options.find(w->options.arg, row->id, row->fingerprint, how, e);
        if (!g || (how->flags & EYOT_RUN_ACCEPT_CHANGES) || strcmp(g->fingerprint, row->fingerprint) == 0) return g;
        eyot_error_set(e, EYOT_ECHANGED, "run %s was made with another graph than %s is", row->id, g->name);
        return NULL;
    }
    eyot_error_set(e, EYOT_ECHANGED, "no graph of this worker is that of run %s", row->id);
    return NULL;
}

/* Whether the run can never be gone on with, whoever tries. */
static bool is_hopeless(eyot_status status)
{
    return status == EYOT_ECORRUPT || status == EYOT_EFORMAT || status == EYOT_ECHANGED || status == EYOT_ECONFLICT;
}

static void park(eyot_worker *w, const eyot__claimed *row, const eyot_error *why)
{
    eyot_error e;
    eyot_status status = eyot__run_park(w->engine, row, why, &e);
    tell(w, status ? EYOT_WORKER_TROUBLE : EYOT_WORKER_PARKED, NULL, row->id, status ? &e : why, row->attempts);
}

static void take(eyot_worker *w, const eyot__claimed *row)
{
    eyot_error e;
    eyot__error_none(&e);
    slot *s = free_slot(w);
    eyot_run_options how;
    const eyot_graph *g = find_graph(w, row, &how, &e);
    eyot_status status = e.status;
    *s = (slot){.worker = w, .steps = row->steps};
    if (g) status = eyot__run_adopt(&s->run, w->engine, g, row, &how, on_end, s, &e);
    if (!g || status) {
        if (g && is_hopeless(status)) {
            park(w, row, &e);
            return;
        }
        /* Another worker may know better, or this one later. */
        (void)eyot__run_release(w->engine, row, EYOT_RUN_READY, w->options.poll_ms, NULL);
        tell(w, EYOT_WORKER_TROUBLE, NULL, row->id, &e, 0);
        return;
    }
    w->n_running++;
    if (row->attempts > LOST_MOST) w->alone = s;
    tell(w, EYOT_WORKER_TOOK, s->run, row->id, NULL, row->attempts);
}

/* A run was claimed. One whose claims were lost again and again waits until nothing else can be lost with it. */
static void consider(eyot_worker *w, const eyot__claimed *row)
{
    if (row->attempts > w->options.max_attempts) {
        eyot_error why;
        eyot_error_set(&why, EYOT_ELIMIT, "it was begun %u times and its process died each time before a step was made",
                       row->attempts - 1);
        park(w, row, &why);
    } else if (row->attempts > LOST_MOST && w->n_running > 0) {
        (void)eyot__run_release(w->engine, row, EYOT_RUN_READY, w->options.poll_ms, NULL);
        w->suspect = *row;
    } else {
        take(w, row);
    }
}

/* One of a queue, or the one of `id`. */
static eyot_status claim(eyot_worker *w, const char *queue, const char *id, eyot__claimed *row, eyot_error *e)
{
    eyot_engine *engine = w->engine;
    eyot_claim c = {.run = eyot__bytes(id, id ? strlen(id) : 0),
                    .queue = eyot__bytes(queue, strlen(queue)),
                    .owner = eyot__bytes(engine->owner, strlen(engine->owner)),
                    .lease_ms = engine->lease_ms};
    if (!w->options.find) {
        c.graphs = w->fingerprints;
        c.n_graphs = w->n_graphs;
    }
    if (eyot__random_bytes(c.token, sizeof c.token)) return eyot_error_set(e, EYOT_EIO, "no random bytes");
    memcpy(row->token, c.token, sizeof c.token);
    row->asked_ns = eyot__boot_ns();
    return eyot__store_claim(engine->store, &c, eyot__see_claimed, row, e);
}

static bool trouble(eyot_worker *w, const eyot_error *e)
{
    tell(w, EYOT_WORKER_TROUBLE, NULL, NULL, e, 0);
    w->backoff_ms = w->backoff_ms == 0                    ? w->options.poll_ms
                    : w->backoff_ms > BACKOFF_MOST_MS / 2 ? BACKOFF_MOST_MS
                                                          : 2 * w->backoff_ms;
    return false;
}

/* Nothing else runs here any more. Somebody may have been faster with it, or have cancelled it. */
static bool claim_suspect(eyot_worker *w)
{
    eyot_error e;
    eyot__claimed row = w->suspect;
    eyot_bytes id = eyot__bytes(row.id, strlen(row.id));
    w->suspect.id[0] = 0;
    eyot_status status = eyot__store_get_run(w->engine->store, id, eyot__see_claimed, &row, &e);
    if (!status && (row.owner[0] || row.status != EYOT_RUN_READY)) return true;
    if (!status) status = claim(w, "", row.id, &row, &e);
    if (!status) consider(w, &row);
    return true;
}

/* True: a run was claimed, and there may be more. */
static bool claim_one(eyot_worker *w)
{
    eyot_error e;
    eyot__claimed row;
    memset(&row, 0, sizeof row);
    if (w->suspect.id[0]) return w->n_running == 0 && claim_suspect(w);
    if (w->alone && eyot_run_steps(w->alone->run) > w->alone->steps) w->alone = NULL;
    if (w->alone) return false;
    for (size_t i = 0; i < w->options.n_queues; i++) {
        const char *queue = w->queues[w->next_queue];
        w->next_queue = (w->next_queue + 1) % w->options.n_queues;
        eyot_status status = claim(w, queue, NULL, &row, &e);
        if (status && status != EYOT_ENOTFOUND && status != EYOT_EBUSY) return trouble(w, &e);
        w->backoff_ms = 0;
        if (status) continue;
        consider(w, &row);
        return true;
    }
    return false;
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* Up to a fifth earlier, so that workers that began together do not ask together for ever. */
static uint64_t pause_ns(const eyot_worker *w)
{
    uint64_t ms = w->backoff_ms ? w->backoff_ms : w->options.poll_ms, draw = 0;
    (void)eyot__random_bytes(&draw, sizeof draw);
    return ms * 1000000u - draw % (ms * 200000u);
}

/* What has happened so far, by number, and whether the worker is to stop. */
static uint64_t look(eyot_worker *w, bool *stopping, bool *now)
{
    pthread_mutex_lock(&w->lock);
    uint64_t news = w->news;
    *stopping = w->stopping;
    *now = w->now;
    pthread_mutex_unlock(&w->lock);
    return news;
}

/* Until something more has happened, or so much time has passed. */
static void wait_beyond(eyot_worker *w, uint64_t news, uint64_t ns)
{
    uint64_t at = eyot__now_ns() + ns;
    struct timespec until = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
    int timed_out = 0;
    pthread_mutex_lock(&w->lock);
    while (w->news == news && !timed_out) timed_out = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    pthread_mutex_unlock(&w->lock);
}

static void each_run(eyot_worker *w, void (*fn)(eyot_run *run))
{
    for (uint32_t i = 0; i < w->options.max_runs; i++)
        if (w->slots[i].run) fn(w->slots[i].run);
}

static void drain(eyot_worker *w)
{
    bool stopping, now, told = false;
    each_run(w, eyot_run_give_back);
    while (w->n_running > 0) {
        uint64_t news = look(w, &stopping, &now);
        if (now && !told) each_run(w, eyot_run_cancel);
        told = now;
        let_go_of_ended(w);
        if (w->n_running > 0) wait_beyond(w, news, DRAIN_LOOK_NS);
    }
}

eyot_status eyot_worker_run(eyot_worker *w, eyot_error *e)
{
    bool stopping, now;
    uint64_t news;
    if (w->engine->forks != eyot__fork_count())
        return eyot_error_set(e, EYOT_EFORKED, "the worker belongs to the parent process");
    if (w->n_graphs == 0 && !w->options.find)
        return eyot_error_set(e, EYOT_EINVAL, "a worker without a graph has nothing to do");
    while ((news = look(w, &stopping, &now)), !stopping) {
        let_go_of_ended(w);
        bool more = w->n_running < w->options.max_runs && claim_one(w);
        if (more) continue;
        bool idle = w->n_running == 0 && !w->suspect.id[0] && w->backoff_ms == 0;
        if (idle && (w->options.flags & EYOT_WORKER_UNTIL_IDLE)) return EYOT_OK;
        wait_beyond(w, news, pause_ns(w));
    }
    drain(w);
    return EYOT_OK;
}

void eyot_worker_stop(eyot_worker *w, bool now)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    w->now |= now;
    w->news++;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}
