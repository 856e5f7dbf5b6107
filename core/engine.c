/* SPDX-License-Identifier: MIT */
/* Engines, and how runs begin, are waited for and freed. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/changes.h"
#include "core/clock.h"
#include "core/options.h"
#include "core/random.h"
#include "core/record.h"
#include "core/run.h"

#include <eyot/worker.h>

/* ---- engines --------------------------------------------------------------------------------------------------- */

enum { LEASE_MS = 30000, LEASE_MIN_MS = 2000, MAX_STEPS = 1000000, MAX_BEHIND = 1024 };

static void engine_free(eyot_engine *engine)
{
    eyot__owner_leave(engine);
    eyot__journal_clear(&engine->journal);
    eyot__chunks_unref(engine->chunks);
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->work);
    pthread_cond_destroy(&engine->beat);
    free(engine->alarms);
    free(engine);
}

static uint32_t default_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 2 ? (uint32_t)(n - 1 < 1024 ? n - 1 : 1024) : 1;
}

eyot_status eyot_engine_new(eyot_engine **out, const eyot_engine_options *options, eyot_error *e)
{
    eyot_engine_options o;
    *out = NULL;
    if (eyot__options_read(&o, sizeof o, options))
        return eyot_error_set(e, EYOT_EINVAL, "engine options of another size");
    if (o.lease_ms != 0 && o.lease_ms < LEASE_MIN_MS)
        return eyot_error_set(e, EYOT_EINVAL, "lease_ms is %u; at least %d", o.lease_ms, LEASE_MIN_MS);
    if (o.threads > 4096) return eyot_error_set(e, EYOT_EINVAL, "threads is %u; at most 4096", o.threads);
    eyot_store_info info = {.max_body = SIZE_MAX / 4};
    eyot_status status = o.store ? eyot_store_inform(o.store, &info, e) : EYOT_OK;
    if (status) return status;
    eyot_engine *engine = calloc(1, sizeof *engine);
    if (engine && !(engine->chunks = eyot__chunks_new())) {
        free(engine);
        engine = NULL;
    }
    if (!engine) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    engine->store = o.store;
    engine->mail = o.store && o.store->ops.inbox;
    engine->outbox = o.store && o.store->ops.outbox_read;
    engine->lease_ms = o.lease_ms ? o.lease_ms : LEASE_MS;
    engine->max_body = info.max_body ? info.max_body : SIZE_MAX / 4;
    engine->n_threads = o.threads ? o.threads : default_threads();
    engine->forks = eyot__fork_count();
    eyot__owner_enter(engine);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->work, NULL);
    pthread_cond_init(&engine->beat, &monotonic);
    pthread_condattr_destroy(&monotonic);
    status = eyot__journal_init(&engine->journal) ? eyot_error_set(e, EYOT_ENOMEM, "out of memory")
                                                  : eyot__pool_start(engine, e);
    if (status) {
        engine_free(engine);
        return status;
    }
    *out = engine;
    return EYOT_OK;
}

/* Cancels one run that still runs and waits for its end; false: there is none. */
static bool end_one(eyot_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    eyot_run *r = engine->runs;
    if (r) atomic_fetch_add(&r->pins, 1);
    pthread_mutex_unlock(&engine->lock);
    if (!r) return false;
    eyot_run_cancel(r);
    (void)eyot_run_wait(r, NULL);
    eyot__run_unpin(r);
    return true;
}

void eyot_engine_free(eyot_engine *engine)
{
    if (!engine) return;
    while (end_one(engine)) {}
    eyot__pool_stop(engine);
    /* Threads that waited for a run of ours may still be on their way out; counting them with a lock would cost every run
     * more than this costs a few engines. */
    while (atomic_load_explicit(&engine->inside, memory_order_acquire) > 0) {
        struct timespec moment = {.tv_nsec = 50000};
        nanosleep(&moment, NULL);
    }
    engine_free(engine);
}

/* ---- making runs ----------------------------------------------------------------------------------------------- */

/* UUIDv7 (RFC 9562): milliseconds, then random bits. */
eyot_status eyot__make_run_id(char out[129])
{
    uint8_t b[16];
    uint64_t ms = (uint64_t)eyot__wall_ms();
    if (eyot__random_bytes(b, sizeof b)) return EYOT_EIO;
    for (int i = 0; i < 6; i++) b[i] = (uint8_t)(ms >> (40 - 8 * i));
    b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
    char *p = out;
    for (int i = 0; i < 16; i++) p += sprintf(p, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
    return EYOT_OK;
}

static void set_options(eyot_run *r, const eyot_run_options *o)
{
    r->strategy = o->strategy;
    r->durability = o->durability;
    r->max_parallel = o->max_parallel ? o->max_parallel : UINT32_MAX;
    if (r->strategy == EYOT_SEQUENTIAL) r->max_parallel = 1;
    r->max_steps = o->max_steps ? o->max_steps : MAX_STEPS;
    r->flags = o->flags;
    r->window = o->durability == EYOT_SYNC ? 0 : o->max_behind ? o->max_behind : MAX_BEHIND;
    if (o->durability == EYOT_EXIT) r->window = UINT64_MAX / 2;
}

eyot_status eyot__run_options_check(eyot_run_options *o, const eyot_run_options *options, const eyot_engine *engine,
                                    const eyot_graph *g, eyot_error *e)
{
    if (eyot__options_read(o, sizeof *o, options)) return eyot_error_set(e, EYOT_EINVAL, "run options of another size");
    if (!engine || !g) return eyot_error_set(e, EYOT_EINVAL, "a run needs an engine and a graph");
    if (engine->forks != eyot__fork_count())
        return eyot_error_set(e, EYOT_EFORKED, "the engine belongs to the parent process");
    if (!g->frozen) return eyot_error_set(e, EYOT_EINVAL, "graph %s is not frozen", g->name);
    if (o->strategy > EYOT_PARALLEL || o->durability > EYOT_EXIT || o->flags > 7)
        return eyot_error_set(e, EYOT_EINVAL, "a run option has an unknown value");
    if (o->run_id && !eyot__run_id_valid(eyot__bytes(o->run_id, strlen(o->run_id))))
        return eyot_error_set(e, EYOT_EINVAL, "run id \"%.140s\" is not [A-Za-z0-9][A-Za-z0-9._:-]{0,127}", o->run_id);
    return EYOT_OK;
}

eyot_run *eyot__run_new(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o)
{
    eyot_run *r = malloc(sizeof *r);
    if (!r) return NULL;
    memset(r, 0, offsetof(eyot_run, memory));
    r->engine = engine;
    r->graph = g;
    r->chunks = eyot__chunks_ref(engine->chunks);
    r->stored = engine->store != NULL;
    r->max_events = engine->outbox ? engine->max_body : 0;
    r->status = EYOT_RUN_RUNNING;
    r->began_ns = eyot__run_clock_ns(r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    set_options(r, o);
    eyot__frontier_init(&r->frontier, g, r->stored, sizeof(eyot_task), r->memory, sizeof r->memory, r->chunks);
    return r;
}

void eyot__run_free_now(eyot_run *r)
{
    eyot__frontier *f = &r->frontier;
    for (eyot__activation *a; (a = eyot__frontier_next(f));) eyot__task_init((eyot_task *)(void *)a, r);
    for (eyot__activation *a = f->live; a; a = a->next) {
        eyot__task_clear((eyot_task *)(void *)a);
        eyot__aside_free((eyot_task *)(void *)a);
    }
    eyot__state_unref(r->result, &f->history);
    eyot__frontier_clear(f);
    eyot__out_clear(&r->out);
    eyot__out_clear(&r->flying);
    eyot__chunks_unref(r->chunks);
    free(r->heap);
    free(r->failed_task);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    free(r);
}

/* One that never began. The keeper may have found it on the list, and looks at it still. */
void eyot__run_free_unbegun(eyot_run *r)
{
    pthread_mutex_lock(&r->lock);
    r->closing = true;
    while (atomic_load(&r->pins) > 0) pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    eyot__run_free_now(r);
}

/* All fired tasks go to the queue of those that may start; the run is the engine's from now on. */
void eyot__run_launch(eyot_run *r, bool hand_out)
{
    pthread_mutex_lock(&r->lock);
    if (!r->listed) eyot__pool_list(r->engine, r);
    r->launched = true;
    eyot__run_begin(r);
    bool wait_for_none = hand_out && r->phase == EYOT__RUN_LIVE;
    if (wait_for_none) eyot__pool_offer(r->engine, r);
    if (r->out.n > 0) eyot__run_flush_soon(r);
    pthread_mutex_unlock(&r->lock);
}

/* The run's row and its first entry: a snapshot of the branches at the starts. `submitted`: for whoever claims it; NULL: ours. */
eyot_status eyot__run_create(eyot_run *r, const eyot_submit_options *submitted, const char *origin, eyot_error *e)
{
    eyot_engine *engine = r->engine;
    const eyot_graph *g = r->graph;
    if (eyot__random_bytes(r->token, sizeof r->token) || eyot__run_seed(r))
        return eyot_error_set(e, EYOT_EIO, "no random bytes");
    eyot_status status = eyot__run_append_snapshot(r);
    if (status == EYOT_ELIMIT)
        return eyot_error_set(e, status, "the first state is larger than the store takes (%llu bytes)",
                              (unsigned long long)engine->max_body);
    if (status) return eyot_error_set(e, status, "the first state could not be encoded: %s", eyot_status_text(status));
    eyot_run_row row = {.run = eyot__bytes(r->id, r->id_len),
                        .graph = eyot__bytes(g->name, strlen(g->name)),
                        .fingerprint = eyot__bytes(g->fingerprint, 64),
                        .origin = eyot__bytes(origin, strlen(origin)),
                        .owner = eyot__bytes(engine->owner, strlen(engine->owner)),
                        .epoch = 1,
                        .status = EYOT_RUN_RUNNING};
    memcpy(row.token, r->token, sizeof row.token);
    eyot_commit first;
    eyot__journal_make(r, engine->lease_ms, &first);
    r->epoch = first.epoch = 1;
    if (submitted) {
        const char *queue = submitted->queue ? submitted->queue : "";
        row.queue = eyot__bytes(queue, strlen(queue));
        row.priority = submitted->priority;
        row.owner = eyot__bytes(NULL, 0);
        first.status = row.status = EYOT_RUN_READY;
        first.lease_ms = 0;
        first.due_in_ms = submitted->delay_ms < INT64_MAX ? (int64_t)submitted->delay_ms : INT64_MAX;
    }
    eyot__run_leased(r, eyot__boot_ns(), engine->lease_ms);
    status = eyot__store_create_run(engine->store, &row, eyot__bytes(g->source, g->source_len), &first, e);
    eyot__journal_unmake(r);
    r->acked = r->seq;
    return status;
}

/* A run with its first branches; with a store it exists there from now on. */
static eyot_status make(eyot_run **out, eyot_engine *engine, const eyot_graph *g, void *state_take,
                        const eyot_run_options *options, const eyot_submit_options *submitted, eyot_error *e)
{
    eyot_run_options o;
    *out = NULL;
    if (!state_take)
        return eyot_error_set(e, EYOT_EINVAL,
                              "a run needs a first state; NULL is what is made without memory, or of malformed text");
    eyot_status status = eyot__run_options_check(&o, options, engine, g, e);
    eyot_run *r = status ? NULL : eyot__run_new(engine, g, &o);
    if (!r) {
        if (g) g->copier->free(state_take, g->copier_user);
        return status ? status : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    }
    eyot__state *state = eyot__state_new(state_take, &r->frontier.history);
    if (!state) {
        eyot__history_release(&r->frontier.history, r->frontier.history.root);
        status = eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    } else {
        status = eyot__frontier_start(&r->frontier, state, e);
    }
    if (!status && o.run_id) memcpy(r->id, o.run_id, strlen(o.run_id) + 1);
    if (!status && r->stored && !o.run_id && eyot__make_run_id(r->id))
        status = eyot_error_set(e, EYOT_EIO, "no random bytes");
    r->id_len = strlen(r->id);
    if (!status && r->stored) {
        eyot__pool_list(engine, r); /* before the store knows it: nobody takes it for a claim that was left behind */
        status = eyot__run_create(r, submitted, "", e);
    }
    if (status) {
        if (r->listed) eyot__pool_withdraw(engine, r);
        eyot__run_free_unbegun(r);
        return status;
    }
    *out = r;
    return EYOT_OK;
}

static eyot_status begin(eyot_run **out, eyot_engine *engine, const eyot_graph *g, void *state_take,
                         const eyot_run_options *options, bool hand_out, eyot_error *e)
{
    eyot_status status = make(out, engine, g, state_take, options, NULL, e);
    if (!status) eyot__run_launch(*out, hand_out);
    return status;
}

/* [A-Za-z0-9][A-Za-z0-9._:-]{0,127}, or none. */
static bool queue_valid(const char *queue)
{
    return !queue || !*queue || eyot__run_id_valid(eyot__bytes(queue, strlen(queue)));
}

eyot_status eyot_run_submit(eyot_engine *engine, const eyot_graph *g, void *state_take,
                            const eyot_submit_options *options, char id[EYOT_RUN_ID_BYTES], eyot_error *e)
{
    eyot_submit_options o;
    eyot_run_options run = EYOT_RUN_OPTIONS_INIT;
    eyot_run *r = NULL;
    eyot_status status = EYOT_OK;
    if (eyot__options_read(&o, sizeof o, options))
        status = eyot_error_set(e, EYOT_EINVAL, "submit options of another size");
    else if (o.reserved)
        status = eyot_error_set(e, EYOT_EINVAL, "a submit option has an unknown value");
    else if (engine && !engine->store)
        status = eyot_error_set(e, EYOT_EINVAL, "the engine has no store to submit a run to");
    else if (!queue_valid(o.queue))
        status = eyot_error_set(e, EYOT_EINVAL, "queue \"%.140s\" is not [A-Za-z0-9][A-Za-z0-9._:-]{0,127}", o.queue);
    if (status) {
        if (g && state_take) g->copier->free(state_take, g->copier_user);
        return status;
    }
    run.run_id = o.run_id;
    status = make(&r, engine, g, state_take, &run, &o, e);
    if (status) return status;
    if (id) memcpy(id, r->id, r->id_len + 1);
    eyot__pool_withdraw(engine, r);
    eyot__run_free_unbegun(r);
    return EYOT_OK;
}

eyot_status eyot_run_start(eyot_run **out, eyot_engine *engine, const eyot_graph *g, void *state_take,
                           const eyot_run_options *options, eyot_error *e)
{
    return begin(out, engine, g, state_take, options, true, e);
}

eyot_status eyot_run_sync(eyot_run **out, eyot_engine *engine, const eyot_graph *g, void *state_take,
                          const eyot_run_options *options, eyot_error *e)
{
    eyot_status status = begin(out, engine, g, state_take, options, false, e);
    return status ? status : eyot_run_wait(*out, e);
}

/* ---- resuming -------------------------------------------------------------------------------------------------- */

static void see_text(char *out, size_t size, eyot_bytes text)
{
    size_t n = text.n < size - 1 ? text.n : size - 1;
    if (n) memcpy(out, text.p, n);
    out[n] = 0;
}

eyot_status eyot__see_claimed(void *arg, const eyot_run_row *row)
{
    eyot__claimed *c = arg;
    c->epoch = row->epoch;
    c->head = row->head;
    c->steps = row->steps;
    c->attempts = row->attempts;
    c->left_ms = row->due_ms > row->now_ms ? row->due_ms - row->now_ms : 0;
    c->due_in_ms = row->owner.n > 0 ? 0 : row->due_ms == INT64_MAX ? INT64_MAX : c->left_ms;
    c->status = (eyot_run_status)row->status;
    see_text(c->id, sizeof c->id, row->run);
    see_text(c->fingerprint, sizeof c->fingerprint, row->fingerprint);
    see_text(c->owner, sizeof c->owner, row->owner);
    return EYOT_OK;
}

static eyot_status held_by(const eyot_run *r, const eyot__claimed *row, eyot__owner_state owner, eyot_error *e)
{
    long long pid = 0;
    (void)sscanf(row->owner, "%*[^/]/%*[^/]/%lld/", &pid);
    if (eyot_owner_imports(eyot__bytes(row->owner, strlen(row->owner))))
        return eyot_error_set(e, EYOT_EBUSY, "run %s is being imported, or its import was cut short: import it again",
                              r->id);
    if (owner == EYOT__OWNER_SELF) return eyot_error_set(e, EYOT_EBUSY, "run %s already runs on this engine", r->id);
    if (owner == EYOT__OWNER_ALIVE)
        return eyot_error_set(e, EYOT_EBUSY, "run %s is held by process %lld, which is alive", r->id, pid);
    return eyot_error_set(e, EYOT_EBUSY, "run %s is held elsewhere (%.60s) for another %lld ms unless it is renewed",
                          r->id, row->owner, (long long)row->left_ms);
}

/* Claims the run; one whose owner is seen to be dead is taken over at once. */
static eyot_status claim_run(eyot_run *r, eyot__claimed *row, eyot_error *e)
{
    eyot_engine *engine = r->engine;
    eyot_claim claim = {.run = eyot__bytes(r->id, r->id_len),
                        .owner = eyot__bytes(engine->owner, strlen(engine->owner)),
                        .lease_ms = engine->lease_ms};
    if (eyot__random_bytes(claim.token, sizeof claim.token)) return eyot_error_set(e, EYOT_EIO, "no random bytes");
    memcpy(row->token, claim.token, sizeof row->token);
    eyot_error busy;
    eyot__error_none(&busy);
    row->asked_ns = eyot__boot_ns();
    eyot_status status = eyot__store_claim(engine->store, &claim, eyot__see_claimed, row, &busy);
    if (status == EYOT_EBUSY) {
        eyot__owner_state owner = eyot__owner_look(engine->owner, eyot__bytes(row->owner, strlen(row->owner)));
        if (owner == EYOT__OWNER_SELF && !eyot__pool_has(engine, r)) owner = EYOT__OWNER_DEAD;
        if (owner != EYOT__OWNER_DEAD) return held_by(r, row, owner, e);
        claim.steal_epoch = row->epoch;
        status = eyot__store_claim(engine->store, &claim, eyot__see_claimed, row, &busy);
        if (status == EYOT_EBUSY) return held_by(r, row, EYOT__OWNER_UNKNOWN, e); /* somebody was faster */
    }
    if (status && status != EYOT_EALREADY && e) *e = busy;
    return status;
}

eyot_status eyot__run_release(eyot_engine *engine, const eyot__claimed *row, eyot_run_status status, int64_t due_in_ms,
                              eyot_error *e)
{
    eyot_commit c = {.run = eyot__bytes(row->id, strlen(row->id)),
                     .epoch = row->epoch,
                     .head = row->head,
                     .status = (uint32_t)status,
                     .due_in_ms = due_in_ms};
    memcpy(c.token, row->token, sizeof c.token);
    eyot_status r = eyot__store_commit(engine->store, &c, 1, e);
    if (r || !c.result || c.result == EYOT_EALREADY) return r;
    return eyot_error_set(e, c.result, "run %s: %s", row->id, eyot_status_text(c.result));
}

/* Of a run that was claimed, or is done. *was (may be NULL) is how its last life has ended: RUNNING, it has not. */
static eyot_status rebuild_run(eyot_run *r, const eyot__claimed *row, bool done, eyot_run_status *was, eyot_error *e)
{
    r->epoch = row->epoch;
    memcpy(r->token, row->token, sizeof r->token);
    eyot__run_leased(r, row->asked_ns, r->engine->lease_ms);
    eyot__rebuilt built;
    eyot_bytes run = eyot__bytes(r->id, r->id_len);
    eyot_status status = eyot__rebuild(&r->frontier, &built, r->engine->store, run, e);
    if (!status) status = eyot__rebuilt_reaches(&built, run, row->head, e);
    if (status) return status;
    if (was) *was = built.status;
    r->seq = r->acked = built.seq;
    r->tail_bytes = built.tail_bytes;
    r->snapshot_bytes = built.snapshot_bytes;
    r->started = r->logged_steps = built.steps;
    memcpy(r->seed, built.seed, sizeof r->seed);
    r->seeded = true;
    atomic_store(&r->steps, built.steps);
    r->steps_before = built.steps;
    if (!done) return EYOT_OK;
    r->status = EYOT_RUN_DONE;
    r->phase = EYOT__RUN_ENDED;
    r->ended_ns = r->began_ns; /* nothing of it is done in this life */
    return r->frontier.n_ends && r->frontier.n_live + r->frontier.n_waiting == 0
               ? eyot__frontier_result(&r->frontier, &r->result, e)
               : eyot_error_set(e, EYOT_ECORRUPT, "run %s is done but not all of its branches have ended", r->id);
}

/* What differs from the graph that the run was last gone on with must be harmless, or accepted. */
typedef struct succession {
    eyot__run_graph was;
    eyot__changes changes;
} succession;

static void succession_clear(succession *s)
{
    eyot__changes_clear(&s->changes);
    eyot__run_graph_clear(&s->was);
}

static eyot_status check_graph(succession *s, const eyot_run *r, const eyot__claimed *row, const eyot_run_options *o,
                               eyot_error *e)
{
    eyot_store *store = r->engine->store;
    eyot_status status = eyot__run_graph_read(&s->was, store, r->id, row->fingerprint, r->graph, e);
    if (!status) status = eyot__changes_find(&s->changes, &s->was, store, r->id, r->graph, e);
    if (!status && s->changes.n_harmful > 0 && !(o->flags & EYOT_RUN_ACCEPT_CHANGES))
        status = eyot__changes_refuse(&s->changes, r->id, e);
    return status;
}

/* Whoever had it since the row was read may have committed tasks that make a difference. */
static eyot_status check_again(succession *s, const eyot_run *r, const eyot__claimed *row, const eyot_run_options *o,
                               eyot_error *e)
{
    succession_clear(s);
    return check_graph(s, r, row, o, e);
}

static eyot_status claim_and_rebuild(eyot_run *r, eyot__claimed *row, succession *s, const eyot_run_options *o,
                                     eyot_error *e)
{
    eyot_run_status before = row->status;
    int64_t due_in_ms = row->due_in_ms;
    uint64_t head = row->head;
    eyot_status status = claim_run(r, row, e);
    if (status == EYOT_EALREADY) return rebuild_run(r, row, true, NULL, e);
    if (status) return status;
    if (row->head != head) status = check_again(s, r, row, o, e);
    if (!status) status = rebuild_run(r, row, false, NULL, e);
    if (!status) status = eyot__wait_answers(r, o->answers, o->n_answers, e);
    if (!status && s->changes.n > 0)
        status = eyot__run_graph_write(&s->was, &s->changes, r->engine->store, r->id, r->graph, e);
    if (status) /* it is left as it was found */
        (void)eyot__run_release(r->engine, row, before, due_in_ms, NULL);
    return status;
}

/* The run's row is looked at first, so that a run of another graph is not even claimed. */
static eyot_status take_up(eyot_run *r, const eyot_run_options *o, eyot_error *e)
{
    eyot__claimed row = {0};
    succession s = {.changes = {.n = 0}};
    eyot_status status =
        eyot__store_get_run(r->engine->store, eyot__bytes(r->id, r->id_len), eyot__see_claimed, &row, e);
    if (!status) status = check_graph(&s, r, &row, o, e);
    if (!status) status = claim_and_rebuild(r, &row, &s, o, e);
    succession_clear(&s);
    return status;
}

/* On the engine's list already: of two threads that resume it, the second sees the first. NULL: no memory. */
static eyot_run *run_to_rebuild(eyot_engine *engine, const eyot_graph *g, const char *id, const eyot_run_options *o)
{
    eyot_run *r = eyot__run_new(engine, g, o);
    if (!r) return NULL;
    r->id_len = strlen(id);
    memcpy(r->id, id, r->id_len + 1);
    eyot__history_release(&r->frontier.history, r->frontier.history.root); /* rebuild puts the branches */
    eyot__pool_list(engine, r);
    return r;
}

eyot_status eyot__run_adopt(eyot_run **out, eyot_engine *engine, const eyot_graph *g, const eyot__claimed *row,
                            const eyot_run_options *options, void (*on_end)(void *arg), void *arg, eyot_error *e)
{
    eyot_run_options o;
    *out = NULL;
    eyot_status status = eyot__run_options_check(&o, options, engine, g, e);
    if (status) return status;
    eyot_run *r = run_to_rebuild(engine, g, row->id, &o);
    if (!r) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    eyot_run_status was;
    status = rebuild_run(r, row, false, &was, e);
    if (status) {
        eyot__pool_withdraw(engine, r);
        eyot__run_free_unbegun(r);
        return status;
    }
    r->adopted = true;
    r->on_end = on_end;
    r->on_end_arg = arg;
    /* A message makes a suspended run due: it would be suspended again, and be due again, before the keeper reads it. */
    if (was == EYOT_RUN_SUSPENDED && engine->mail) (void)eyot__pool_read_inbox(r);
    *out = r; /* it may end before the launch returns */
    eyot__run_launch(r, true);
    return EYOT_OK;
}

eyot_status eyot_run_resume(eyot_run **out, eyot_engine *engine, const eyot_graph *g, const char *run_id,
                            const eyot_run_options *options, eyot_error *e)
{
    eyot_run_options o;
    *out = NULL;
    eyot_status status = eyot__run_options_check(&o, options, engine, g, e);
    if (status) return status;
    if (!engine->store) return eyot_error_set(e, EYOT_EINVAL, "the engine has no store to resume from");
    if (!run_id || !eyot__run_id_valid(eyot__bytes(run_id, strlen(run_id))))
        return eyot_error_set(e, EYOT_EINVAL, "run id \"%.140s\" is none", run_id ? run_id : "(null)");
    eyot_run *r = run_to_rebuild(engine, g, run_id, &o);
    if (!r) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    status = take_up(r, &o, e);
    if (status || r->phase == EYOT__RUN_ENDED) eyot__pool_withdraw(engine, r);
    if (status) {
        eyot__run_free_unbegun(r);
        return status;
    }
    if (r->phase == EYOT__RUN_ENDED) r->stored = false; /* nobody on the engine's list looks at it any more */
    if (r->phase == EYOT__RUN_LIVE) eyot__run_launch(r, true);
    *out = r;
    return EYOT_OK;
}

/* ---- waiting, cancelling, looking, freeing --------------------------------------------------------------------- */

eyot_status eyot_run_wait(eyot_run *run, eyot_error *e)
{
    eyot_engine *lent = NULL; /* of a node on one of its threads, which does not help with this run */
    pthread_mutex_lock(&run->lock);
    while (run->phase != EYOT__RUN_ENDED) {
        eyot__run_help(run, false);
        if (run->phase == EYOT__RUN_ENDED) break;
        if (!lent && run->graph->timed && eyot__pool_lend(run->engine)) lent = run->engine;
        run->sleepers++;
        pthread_cond_wait(&run->changed, &run->lock);
        run->sleepers--;
    }
    eyot_status status = run->status == EYOT_RUN_DONE ? EYOT_OK : run->error.status;
    if (status && e) *e = run->error;
    pthread_mutex_unlock(&run->lock);
    if (lent) eyot__pool_take_back(lent);
    return status;
}

void eyot_run_give_back(eyot_run *run)
{
    atomic_store(&run->leaving, true);
    pthread_mutex_lock(&run->lock);
    if (run->phase == EYOT__RUN_LIVE && !run->alone) {
        eyot__run_settle_end(run);
        if (run->out.n > 0) eyot__run_flush_soon(run);
    }
    pthread_mutex_unlock(&run->lock);
}

void eyot_run_cancel(eyot_run *run)
{
    atomic_store(&run->cancelled, true);
    pthread_mutex_lock(&run->lock);
    if (run->phase == EYOT__RUN_LIVE) eyot__run_abandon_pending(run);
    pthread_mutex_unlock(&run->lock);
}

const char *eyot_run_id(const eyot_run *run)
{
    eyot_run *r = (eyot_run *)(uintptr_t)run; /* an id is made for a run without a store when it is first asked for */
    if (r->stored) return r->id;
    pthread_mutex_lock(&r->lock);
    if (!r->id[0] && eyot__make_run_id(r->id)) r->id[0] = 0;
    pthread_mutex_unlock(&r->lock);
    return r->id;
}

eyot_run_status eyot_run_status_of(const eyot_run *run)
{
    eyot_run *r = (eyot_run *)(uintptr_t)run;
    pthread_mutex_lock(&r->lock);
    eyot_run_status status = r->phase == EYOT__RUN_ENDED ? r->status : EYOT_RUN_RUNNING;
    pthread_mutex_unlock(&r->lock);
    return status;
}

eyot_status eyot_run_measure(const eyot_run *run, eyot_run_metrics *out)
{
    eyot_run *r = (eyot_run *)(uintptr_t)run;
    size_t size = out->size;
    eyot_run_metrics m = {.size = sizeof m};
    if (size < sizeof size || size > sizeof m) return EYOT_EINVAL;
    pthread_mutex_lock(&r->lock);
    m.tasks = atomic_load(&r->steps) - r->steps_before;
    m.failed = r->n_failed;
    m.retried = r->n_retried;
    m.task_ns = r->task_ns;
    m.elapsed_ns = (r->phase == EYOT__RUN_ENDED ? r->ended_ns : eyot__run_clock_ns(r)) - r->began_ns;
    m.peak_parallel = r->peak;
    m.running = r->running;
    if (!r->alone) m.ready = r->n_ready;
    if (!r->alone) m.branches = r->frontier.n_live + r->frontier.n_waiting;
    pthread_mutex_unlock(&r->lock);
    m.size = size;
    memcpy(out, &m, size);
    return EYOT_OK;
}

eyot_status eyot_run_failure(const eyot_run *run, const char **text, const char **task, uint32_t *attempt)
{
    eyot_run *r = (eyot_run *)(uintptr_t)run;
    pthread_mutex_lock(&r->lock);
    bool bad = r->phase == EYOT__RUN_ENDED && r->status != EYOT_RUN_DONE;
    eyot_status status = bad ? r->error.status : EYOT_OK;
    if (text) *text = bad ? r->error.text : "";
    if (task) *task = bad ? r->failed_task : NULL;
    if (attempt) *attempt = bad && r->failed_task ? r->failed_attempt : 0;
    pthread_mutex_unlock(&r->lock);
    return status;
}

uint64_t eyot_run_steps(const eyot_run *run)
{
    return atomic_load(&((eyot_run *)(uintptr_t)run)->steps);
}

const void *eyot_run_state(const eyot_run *run)
{
    if (!run || eyot_run_status_of(run) != EYOT_RUN_DONE) return NULL;
    return run->result->value;
}

void eyot_run_free(eyot_run *run)
{
    if (!run) return;
    pthread_mutex_lock(&run->lock);
    run->closing = true;
    if (run->phase != EYOT__RUN_ENDED) {
        atomic_store(&run->cancelled, true);
        eyot__run_abandon_pending(run);
        if (run->phase != EYOT__RUN_ENDED && run->stored) {
            eyot_engine *engine = run->engine;
            atomic_fetch_add(&engine->inside, 1);
            pthread_mutex_unlock(&run->lock);
            eyot__journal_flush(engine, NULL);
            atomic_fetch_sub_explicit(&engine->inside, 1, memory_order_release);
            pthread_mutex_lock(&run->lock);
        }
    }
    while (run->phase != EYOT__RUN_ENDED || run->helpers > 0 || run->journaled || run->in_flight ||
           atomic_load(&run->pins) > 0)
        pthread_cond_wait(&run->changed, &run->lock);
    run->orphan = run->abandoned > 0;
    bool now = !run->orphan;
    pthread_mutex_unlock(&run->lock);
    if (now) eyot__run_free_now(run);
}
