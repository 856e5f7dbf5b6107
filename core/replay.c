/* SPDX-License-Identifier: MIT */
/* What a store holds of a run, rebuilt from the newest snapshot and the entries after it; no node runs. */
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "core/run.h"

/* Live activations by who they are. Open addressing; a removed one leaves a mark, so that searches go on. */
typedef struct finder {
    eyot__activation **slots;
    size_t size, used;
} finder;

static eyot__activation gone; /* the mark; never touched */

static uint64_t hash_who(const eyot__who *w)
{
    uint64_t hash = (w->node + 1) * 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; w->stamp && i < w->stamp->n; i++) hash = (hash ^ w->stamp->c[i]) * 0xbf58476d1ce4e5b9u;
    for (const eyot__path *p = w->path; p; p = p->parent) {
        hash = (hash ^ p->kind ^ hash >> 32) * 0x94d049bb133111ebu;
        for (uint32_t i = 0; i < p->n; i++) hash = (hash ^ (uint64_t)p->c[i]) * 0xbf58476d1ce4e5b9u;
    }
    return hash ^ hash >> 29;
}

static void place(finder *t, eyot__activation *a)
{
    size_t i = hash_who(&a->who) & (t->size - 1);
    while (t->slots[i] && t->slots[i] != &gone) i = (i + 1) & (t->size - 1);
    t->used += !t->slots[i];
    t->slots[i] = a;
}

static eyot_status finder_add(finder *t, eyot__activation *a)
{
    if (4 * (t->used + 1) > 3 * t->size) {
        size_t live = 0;
        for (size_t i = 0; i < t->size; i++) live += t->slots[i] && t->slots[i] != &gone;
        finder bigger = {.size = 64};
        while (bigger.size < 4 * (live + 1)) bigger.size *= 2;
        bigger.slots = calloc(bigger.size, sizeof(eyot__activation *));
        if (!bigger.slots) return EYOT_ENOMEM;
        for (size_t i = 0; i < t->size; i++)
            if (t->slots[i] && t->slots[i] != &gone) place(&bigger, t->slots[i]);
        free(t->slots);
        *t = bigger;
    }
    place(t, a);
    return EYOT_OK;
}

static eyot__activation *finder_take(finder *t, const eyot__who *who)
{
    if (t->size == 0) return NULL;
    for (size_t i = hash_who(who) & (t->size - 1); t->slots[i]; i = (i + 1) & (t->size - 1)) {
        eyot__activation *a = t->slots[i];
        if (a == &gone || eyot__who_compare(&a->who, who) != 0) continue;
        t->slots[i] = &gone;
        return a;
    }
    return NULL;
}

typedef struct rebuilding {
    eyot__frontier *f;
    eyot__rebuilt *out;
    eyot_bytes run;
    finder live;
    eyot_error *e;
    bool begun; /* the snapshot has come */
} rebuilding;

static eyot_status collect(rebuilding *b)
{
    for (eyot__activation *a; (a = eyot__frontier_next(b->f));)
        if (finder_add(&b->live, a)) return eyot_error_set(b->e, EYOT_ENOMEM, "out of memory");
    return EYOT_OK;
}

/* The recorded task is done again, without its node: its update is applied and its route taken. */
static eyot_status redo(rebuilding *b, eyot__reader *payload)
{
    const eyot_graph *g = b->f->graph;
    eyot__task_entry t;
    eyot_status status = eyot__entry_get_task(&t, payload, g, b->e);
    if (status) return status;
    eyot__activation *a = finder_take(&b->live, &t.who);
    if (!a)
        status = eyot_error_set(b->e, EYOT_ECORRUPT, "the task at \"%s\" follows from nothing before it",
                                g->nodes[t.who.node].id);
    if (!status && t.update) status = eyot__state_update(&a->state, t.update, &b->f->history, b->e);
    if (!status) status = eyot__taken_apply(&b->f->history, a->state, t.taken, t.n_taken, b->e);
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

static eyot_status read_entry(void *arg, const eyot_entry *entry)
{
    rebuilding *b = arg;
    eyot__record record;
    eyot_status status = eyot__record_open(&record, entry->body, b->run, entry->seq, b->e);
    if (status) return status;
    const char *codec = b->f->graph->copier->name;
    if (record.kind != entry->kind)
        return eyot_error_set(b->e, EYOT_ECORRUPT, "the record is of another kind than the store says");
    if (record.codec.n != strlen(codec) || memcmp(record.codec.p, codec, record.codec.n) != 0)
        return eyot_error_set(b->e, EYOT_ECHANGED, "written with codec %.*s; the graph's is %s", (int)record.codec.n,
                              (const char *)record.codec.p, codec);
    if (b->begun && entry->seq != b->out->seq + 1)
        return eyot_error_set(b->e, EYOT_ECORRUPT, "entry %llu is missing", (unsigned long long)b->out->seq + 1);
    if (!b->begun && record.kind != EYOT_ENTRY_SNAPSHOT)
        return eyot_error_set(b->e, EYOT_ECORRUPT, "there is no snapshot before it");
    b->out->seq = entry->seq;
    b->out->tail_bytes += entry->body.n;
    switch (record.kind) {
    case EYOT_ENTRY_SNAPSHOT:
        if (b->begun) return eyot_error_set(b->e, EYOT_ECORRUPT, "a snapshot that the store did not begin with");
        b->begun = true;
        b->out->snapshot_bytes = entry->body.n;
        b->out->tail_bytes = 0;
        status = eyot__entry_get_snapshot(b->f, &record.payload, &b->out->steps, b->e);
        return status ? status : collect(b);
    case EYOT_ENTRY_TASK:
        b->out->steps++;
        b->out->status = EYOT_RUN_RUNNING; /* it was resumed */
        return redo(b, &record.payload);
    case EYOT_ENTRY_STATUS: return eyot__entry_get_status(&record.payload, &b->out->status, &b->out->error, b->e);
    default: return EYOT_OK; /* nothing follows from it for the frontier */
    }
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

eyot_status eyot__rebuild(eyot__frontier *f, eyot__rebuilt *out, eyot_store *store, eyot_bytes run, eyot_error *e)
{
    eyot_error own = {.status = EYOT_OK}, loading = {.status = EYOT_OK};
    rebuilding b = {.f = f, .out = out, .run = run, .e = &own};
    memset(out, 0, sizeof *out);
    out->status = EYOT_RUN_RUNNING;
    eyot_status status = eyot__store_load(store, run, UINT64_MAX, read_entry, &b, &loading);
    if (status && own.status)
        eyot_error_set(e, status, "run " EYOT__ID ", entry %llu: %s", EYOT__ID_ARGS(run), (unsigned long long)out->seq,
                       own.text);
    else if (status && e)
        *e = loading;
    if (!status && !b.begun)
        status = eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID " has no entries", EYOT__ID_ARGS(run));
    free(b.live.slots);
    eyot_status queued = queue_live(f, status ? NULL : e);
    return status ? status : queued;
}

/* ---- the latest checkpoint, for those who only look --------------------------------------------------------------- */

typedef struct seen_branch {
    uint32_t node;
    eyot__state *state;
} seen_branch;

struct eyot_checkpoint {
    const eyot_graph *graph;
    eyot__frontier frontier;
    eyot__rebuilt built;
    eyot__state *state;
    seen_branch *branches;
    size_t n_branches;
};

typedef struct row_copy {
    char fingerprint[65];
    uint32_t status;
} row_copy;

static eyot_status copy_row(void *arg, const eyot_run_row *row)
{
    row_copy *c = arg;
    if (row->fingerprint.n == 64) memcpy(c->fingerprint, row->fingerprint.p, 64);
    c->status = row->status;
    return EYOT_OK;
}

/* Every live branch is looked at where it is, then counted as ended, so that the last join makes the state of all. */
static eyot_status gather_branches(eyot_checkpoint *c, eyot_error *e)
{
    eyot__frontier *f = &c->frontier;
    c->branches = calloc(f->n_live + f->n_waiting + 1, sizeof *c->branches);
    if (!c->branches) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (eyot__activation *a = f->fired; a; a = a->queue)
        c->branches[c->n_branches++] = (seen_branch){a->who.node, eyot__state_ref(a->state)};
    for (eyot__place *p = f->groups; p; p = p->next)
        for (eyot__arrival *a = p->waiting; a; a = a->next)
            c->branches[c->n_branches++] = (seen_branch){p->node, eyot__state_ref(a->state)};
    return eyot__frontier_end_all(f) ? eyot_error_set(e, EYOT_ENOMEM, "out of memory")
                                     : eyot__frontier_result(f, &c->state, e);
}

eyot_status eyot_store_load_latest_checkpoint(eyot_checkpoint **out, eyot_store *store, const eyot_graph *g,
                                              const char *run_id, eyot_error *e)
{
    row_copy row = {.status = 0};
    *out = NULL;
    if (!store || !g || !g->frozen || !run_id)
        return eyot_error_set(e, EYOT_EINVAL, "a store, a frozen graph and a run id are needed");
    eyot_bytes run = eyot__bytes(run_id, strlen(run_id));
    eyot_status status = eyot__store_get_run(store, run, copy_row, &row, e);
    if (status) return status;
    if (strcmp(row.fingerprint, g->fingerprint) != 0)
        return eyot_error_set(e, EYOT_ECHANGED, "run %s was made with another graph than %s as it is now", run_id,
                              g->name);
    eyot_checkpoint *c = calloc(1, sizeof *c);
    if (!c) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    c->graph = g;
    eyot__frontier_init(&c->frontier, g, false, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&c->frontier.history, c->frontier.history.root);
    status = eyot__rebuild(&c->frontier, &c->built, store, run, e);
    if (!status) status = gather_branches(c, e);
    if (status) {
        eyot_checkpoint_free(c);
        return status;
    }
    *out = c;
    return EYOT_OK;
}

void eyot_checkpoint_free(eyot_checkpoint *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->n_branches; i++) eyot__state_unref(c->branches[i].state, &c->frontier.history);
    eyot__state_unref(c->state, &c->frontier.history);
    free(c->branches);
    eyot__frontier_clear(&c->frontier);
    free(c);
}

uint64_t eyot_checkpoint_seq(const eyot_checkpoint *c)
{
    return c->built.seq;
}
uint64_t eyot_checkpoint_step(const eyot_checkpoint *c)
{
    return c->built.steps;
}
eyot_run_status eyot_checkpoint_status(const eyot_checkpoint *c)
{
    return c->built.status;
}
const void *eyot_checkpoint_state(const eyot_checkpoint *c)
{
    return c->state->value;
}
size_t eyot_checkpoint_branch_count(const eyot_checkpoint *c)
{
    return c->n_branches;
}

const char *eyot_checkpoint_branch_node(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches ? c->graph->nodes[c->branches[i].node].id : NULL;
}

const void *eyot_checkpoint_branch_state(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches ? c->branches[i].state->value : NULL;
}
