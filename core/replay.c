/* SPDX-License-Identifier: MIT */
/* What a store holds of a run, rebuilt from the newest snapshot and the entries after it; no node runs. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/record.h"
#include "core/replay.h"

static eyot__activation *of_who(eyot__who *who)
{
    return who ? (eyot__activation *)(void *)((char *)who - offsetof(eyot__activation, who)) : NULL;
}

static eyot_status unknown(eyot__replay *b, const eyot__who *who)
{
    return eyot_error_set(b->e, EYOT_ECORRUPT, "the task at \"%s\" follows from nothing before it",
                          b->f->graph->nodes[who->node].id);
}

static eyot_status collect(eyot__replay *b)
{
    for (eyot__activation *a; (a = eyot__frontier_next(b->f));) {
        if (eyot__who_table_find(&b->live, &a->who))
            return eyot_error_set(b->e, EYOT_ECORRUPT, "the task at \"%s\" is live twice",
                                  b->f->graph->nodes[a->who.node].id);
        if (eyot__who_table_add(&b->live, &a->who)) return eyot_error_set(b->e, EYOT_ENOMEM, "out of memory");
    }
    return EYOT_OK;
}

/* The recorded task is done again, without its node: its update is applied and its route taken. */
static eyot_status redo(eyot__replay *b, eyot__reader *payload, uint32_t version)
{
    const eyot_graph *g = b->f->graph;
    eyot__task_entry t;
    eyot_status status = eyot__entry_get_task(&t, payload, version, g, b->e);
    if (status) return status;
    eyot__activation *a = of_who(eyot__who_table_take(&b->live, &t.who));
    if (b->before) status = b->before(b->arg, a, &t, b->e);
    if (!status && !a) status = unknown(b, &t.who);
    if (!status && t.update) status = eyot__state_update(&a->state, t.update, &b->f->history, b->e);
    if (!status) status = eyot__taken_apply(&b->f->history, a->state, t.taken, t.n_taken, b->e);
    if (!status && b->after) status = b->after(b->arg, a, &t, b->e);
    if (!status) {
        void *update = t.update;
        eyot__taken *taken = t.taken;
        size_t n = t.n_taken;
        t.update = NULL;
        t.taken = NULL;
        t.n_taken = 0;
        status = eyot__frontier_commit(b->f, a, update, taken, n, b->e);
        free(taken);
    }
    eyot__taken_clear(&b->f->history, t.taken, t.n_taken);
    eyot__task_entry_clear(&t, g);
    return status ? status : collect(b);
}

static eyot_status put_into_memo(eyot__replay *b, eyot__activation *a, const eyot__incident *in,
                                 const eyot__record *record)
{
    eyot_status status;
    if (record->kind == EYOT_ENTRY_ATTEMPT) {
        status = eyot__memo_of(a) ? EYOT_OK : EYOT_ENOMEM;
        /* A rescue that fails bears the number of the attempt before it; version 1 counted within a life. */
        bool counts = !status && (in->n > a->memo->failed || record->version < 2);
        if (counts) a->memo->failed++;
        if (counts) a->memo->tried++;
    } else {
        status = record->kind == EYOT_ENTRY_ASKED      ? eyot__memo_ask(a, in->n, in->text, in->text_len)
                 : record->kind == EYOT_ENTRY_ANSWERED ? eyot__memo_answer(a, in->n, in->text, in->text_len)
                                                       : eyot__memo_sleep(a, in->n, in->due_ms);
        if (status == EYOT_ECORRUPT)
            eyot_error_set(b->e, status, "wait %u of the task at \"%s\" does not fit those before it", (unsigned)in->n,
                           b->f->graph->nodes[in->who.node].id);
    }
    return status == EYOT_ENOMEM ? eyot_error_set(b->e, status, "out of memory") : status;
}

/* What befell a live task goes into its memo. */
static eyot_status remember(eyot__replay *b, eyot__record *record)
{
    eyot__incident in;
    eyot_status status =
        eyot__entry_get_incident(&in, &record->payload, record->version, record->kind, b->f->graph, b->e);
    if (status) return status;
    eyot__activation *a = of_who(eyot__who_table_find(&b->live, &in.who));
    if (a) status = put_into_memo(b, a, &in, record);
    if (!status && b->befallen) status = b->befallen(b->arg, a, &in, record->kind, b->e);
    if (!status && !a) status = unknown(b, &in.who);
    if (!status) eyot__outside_move(&a->memo->told, &in.told);
    eyot__incident_clear(&in);
    return status;
}

/* Runs of before version 3 have no seed of their own. */
static void seed_of_id(eyot_bytes run, uint8_t seed[EYOT__SEED_BYTES])
{
    uint8_t digest[32];
    eyot__sha256(run.p, run.n, digest);
    memcpy(seed, digest, EYOT__SEED_BYTES);
}

static void count_anew(eyot__frontier *f)
{
    for (eyot__activation *a = f->live; a; a = a->next)
        if (a->memo) a->memo->tried = 0;
}

static eyot_status begin_at(eyot__replay *b, const eyot_entry *entry, eyot__record *record)
{
    eyot__rebuilt *out = b->out;
    eyot__snapshot head;
    b->begun = true;
    out->snapshot_bytes = entry->body.n;
    out->tail_bytes = 0;
    eyot_status status = eyot__entry_get_snapshot(b->f, &record->payload, record->version, &head, b->e);
    out->steps = head.steps;
    if (head.seeded)
        memcpy(out->seed, head.seed, sizeof out->seed);
    else
        seed_of_id(b->run, out->seed);
    if (entry->seq == 1) count_anew(b->f); /* a fork, of before an attempt that failed */
    return status ? status : collect(b);
}

/* A life that wrote only its end may have failed, asked and slept without having done a task. */
static eyot_status catch_up(eyot__replay *b, eyot__record *record)
{
    eyot__frontier f;
    eyot__snapshot head;
    eyot__frontier_init(&f, b->f->graph, false, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&f.history, f.history.root);
    eyot_status status = eyot__entry_get_snapshot(&f, &record->payload, record->version, &head, b->e);
    for (eyot__activation *a = f.live; a && !status; a = a->next) {
        eyot__activation *ours = a->memo ? of_who(eyot__who_table_find(&b->live, &a->who)) : NULL;
        if (!ours) continue; /* the entries tell what is wrong, or nothing is new */
        eyot__memo *memo = a->memo;
        a->memo = ours->memo;
        ours->memo = memo;
    }
    eyot__frontier_clear(&f);
    return status;
}

/* A snapshot behind others says nothing new of states, unless entries before it were pruned, or tasks were not written: then all
 * begins anew with it. */
static eyot_status begin_again(eyot__replay *b, const eyot_entry *entry, eyot__record *record, bool follows)
{
    eyot__frontier *f = b->f;
    const eyot_graph *g = f->graph;
    bool keeps = f->history.keep_states;
    if (!b->lasts) return eyot_error_set(b->e, EYOT_ECORRUPT, "a snapshot that the store did not begin with");
    if (follows && entry->step == b->out->steps) return catch_up(b, record);
    eyot__who_table_clear(&b->live);
    if (b->renewed) b->renewed(b->arg);
    f->fired = NULL;
    eyot__frontier_clear(f);
    eyot__frontier_init(f, g, keeps, b->activation_size, NULL, 0, NULL);
    eyot__history_release(&f->history, f->history.root);
    return begin_at(b, entry, record);
}

/* Who goes on with a run that has failed, was cancelled or is dead wants its tasks tried again. One that was only suspended
 * may have been so for the delay before a retry. */
static eyot_status end_life(eyot__replay *b, eyot__record *record)
{
    eyot__rebuilt *out = b->out;
    eyot_status status = eyot__entry_get_status(&record->payload, &out->status, &out->error, b->e);
    bool anew = out->status == EYOT_RUN_FAILED || out->status == EYOT_RUN_CANCELLED || out->status == EYOT_RUN_DEAD;
    if (anew && !status) count_anew(b->f);
    return status;
}

static eyot_status follow(eyot__replay *b, const eyot_entry *entry, eyot__record *record)
{
    eyot__rebuilt *out = b->out;
    bool follows = entry->seq == out->seq + 1, anew = b->lasts && record->kind == EYOT_ENTRY_SNAPSHOT;
    if (b->begun && !follows && !anew)
        return eyot_error_set(b->e, EYOT_ECORRUPT, "entry %llu is missing", (unsigned long long)out->seq + 1);
    if (!b->begun && record->kind != EYOT_ENTRY_SNAPSHOT)
        return eyot_error_set(b->e, EYOT_ECORRUPT, "there is no snapshot before it");
    eyot_status fits = eyot__record_check_step(record, out->steps, entry->step, b->e);
    if (fits) return fits;
    out->seq = entry->seq;
    out->tail_bytes += entry->body.n;
    if (record->kind == EYOT_ENTRY_STATUS) return end_life(b, record);
    out->status = EYOT_RUN_RUNNING; /* after a status: it was resumed */
    eyot__error_none(&out->error);
    if (record->kind == EYOT_ENTRY_TASK) {
        out->steps++;
        return redo(b, &record->payload, record->version);
    }
    if (record->kind != EYOT_ENTRY_SNAPSHOT) return remember(b, record);
    return b->begun ? begin_again(b, entry, record, follows) : begin_at(b, entry, record);
}

eyot_status eyot__replay_entry(void *arg, const eyot_entry *entry)
{
    eyot__replay *b = arg;
    eyot__record record;
    eyot_error own;
    eyot__error_none(&own);
    eyot_status status = eyot__entry_open(&record, entry, b->run, b->f->graph, &b->told);
    if (status) return status;
    b->e = &own;
    status = follow(b, entry, &record);
    return status ? eyot__entry_blame(&b->told, status, b->run, entry->seq, &own) : EYOT_OK;
}

static int by_age(const void *a, const void *b)
{
    return eyot__who_compare(&(*(eyot__activation *const *)a)->who, &(*(eyot__activation *const *)b)->who);
}

/* All live activations into f->fired again, in the order of their keys. */
static eyot_status queue_live(eyot__frontier *f, eyot_error *e)
{
    size_t n = 0;
    eyot__activation **all = calloc(f->n_live ? f->n_live : 1, sizeof(eyot__activation *));
    f->fired = f->fired_last = NULL;
    for (eyot__activation *a = f->live; a && all; a = a->next) all[n++] = a;
    if (all) qsort(all, n, sizeof(eyot__activation *), by_age);
    eyot__activation *next = f->live;
    for (size_t i = 0; i < f->n_live; i++, next = next->next) {
        eyot__activation *a = all ? all[i] : next; /* without memory in any order: they are only to be freed */
        a->queue = NULL;
        if (f->fired_last)
            f->fired_last->queue = a;
        else
            f->fired = a;
        f->fired_last = a;
    }
    free(all);
    return all ? EYOT_OK : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

eyot_status eyot__replay_end(eyot__replay *b, eyot_error *e)
{
    eyot__who_table_clear(&b->live);
    return queue_live(b->f, e);
}

eyot_status eyot__replay_load(eyot__replay *b, eyot_store *store, uint64_t seq, eyot_error *e)
{
    eyot_error loading;
    memset(b->out, 0, sizeof *b->out);
    eyot__error_none(&b->told);
    eyot__error_none(&loading);
    b->out->status = EYOT_RUN_RUNNING;
    eyot_status status = eyot__store_load(store, b->run, seq, eyot__replay_entry, b, &loading);
    if (status && e) *e = b->told.status ? b->told : loading;
    if (!status && !b->begun)
        status = eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID " has no entries", EYOT__ID_ARGS(b->run));
    return status;
}

eyot_status eyot__rebuild_at(eyot__frontier *f, eyot__rebuilt *out, eyot_store *store, eyot_bytes run, uint64_t seq,
                             eyot_error *e)
{
    eyot__replay b = {.f = f, .out = out, .run = run};
    eyot_status status = eyot__replay_load(&b, store, seq, e);
    eyot_status queued = eyot__replay_end(&b, status ? NULL : e);
    return status ? status : queued;
}

eyot_status eyot__rebuilt_reaches(const eyot__rebuilt *built, eyot_bytes run, uint64_t seq, eyot_error *e)
{
    if (built->seq >= seq) return EYOT_OK;
    return eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID ": entry %llu is lost", EYOT__ID_ARGS(run),
                          (unsigned long long)built->seq + 1);
}

eyot_status eyot__rebuild(eyot__frontier *f, eyot__rebuilt *out, eyot_store *store, eyot_bytes run, eyot_error *e)
{
    return eyot__rebuild_at(f, out, store, run, UINT64_MAX, e);
}
