/* SPDX-License-Identifier: MIT */
/* The payloads of records: tasks, what befalls a task before it is done, statuses, snapshots. docs/format.md describes
 * them. Written in the newest version, read in every one. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "core/run.h"

eyot_status eyot__entry_blame(eyot_error *e, eyot_status status, eyot_bytes run, uint64_t seq, const eyot_error *why)
{
    return eyot_error_set(e, status, "run " EYOT__ID ", entry %llu: %s", EYOT__ID_ARGS(run), (unsigned long long)seq,
                          why->text);
}

eyot_status eyot__entry_open(eyot__record *out, const eyot_entry *entry, eyot_bytes run, const eyot_graph *g,
                             eyot_error *e)
{
    eyot_error own;
    const char *codec = g->copier->name;
    eyot_status status = eyot__record_open(out, entry->body, run, entry->seq, e);
    if (status) return status;
    status = eyot__record_check_kind(out, entry->kind, &own);
    if (!status && (out->codec.n != strlen(codec) || memcmp(out->codec.p, codec, out->codec.n) != 0))
        status = eyot_error_set(&own, EYOT_ECHANGED, "written with codec %.*s; the graph's is %s", (int)out->codec.n,
                                (const char *)out->codec.p, codec);
    return status ? eyot__entry_blame(e, status, run, entry->seq, &own) : EYOT_OK;
}

static eyot_status malformed(eyot_error *e, const char *what)
{
    return eyot_error_set(e, EYOT_ECORRUPT, "%s is not well-formed", what);
}

/* A value with the length of its encoding before it. */
static void put_value(eyot_buf *out, const eyot_graph *g, const void *value)
{
    size_t at = out->len;
    eyot__buf_u32(out, 0);
    eyot_status status = out->failed ? out->failed : g->copier->encode(value, out, g->copier_user);
    size_t len = out->len - at - 4;
    if (!status && len > UINT32_MAX) status = EYOT_ELIMIT;
    if (status && !out->failed) out->failed = status;
    if (out->failed) return;
    for (int i = 0; i < 4; i++) out->data[at + (size_t)i] = (unsigned char)(len >> (8 * i));
}

static eyot_status get_value(eyot__reader *in, const eyot_graph *g, void **out, eyot_error *e)
{
    uint32_t len = eyot__read_u32(in);
    if (in->failed || len > (size_t)(in->end - in->p)) return malformed(e, "a value");
    const unsigned char *bytes = in->p;
    in->p += len;
    eyot_error own = {.status = EYOT_OK};
    eyot_status status = g->copier->decode(bytes, len, out, &own, g->copier_user);
    if (!status) return EYOT_OK;
    *out = NULL;
    return eyot_error_set(e, status, "a value could not be decoded: %s",
                          own.text[0] ? own.text : eyot_status_text(status));
}

/* When an attempt began and how long it took; version 1 does not tell. */
static void put_times(eyot_buf *out, int64_t started_ms, uint64_t took_us)
{
    eyot__buf_varint(out, started_ms > 0 ? (uint64_t)started_ms : 0);
    eyot__buf_varint(out, took_us);
}

static int64_t get_ms(eyot__reader *in)
{
    uint64_t ms = eyot__read_varint(in);
    if (ms > INT64_MAX) in->failed = true;
    return in->failed ? 0 : (int64_t)ms;
}

static void get_times(eyot__reader *in, uint32_t version, int64_t *started_ms, uint64_t *took_us)
{
    *started_ms = version >= 2 ? get_ms(in) : 0;
    *took_us = version >= 2 ? eyot__read_varint(in) : 0;
}

/* What a task was told; not before version 3. */
static eyot_status get_told(eyot__outside_list *out, eyot__reader *in, uint32_t version, eyot_error *e)
{
    if (version < 3 || eyot__outside_get(out, in)) return EYOT_OK;
    return in->failed ? malformed(e, "what a task was told") : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

static uint32_t get_u32(eyot__reader *in)
{
    uint64_t v = eyot__read_varint(in);
    if (v > UINT32_MAX) in->failed = true;
    return in->failed ? 0 : (uint32_t)v;
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

static size_t items_of(const eyot__taken *taken, size_t n, size_t from)
{
    size_t to = from;
    while (to < n && taken[to].edge == taken[from].edge && taken[to].item) to++;
    return to - from;
}

static void put_plain_edge(eyot_buf *out, const eyot_graph *g, uint32_t edge)
{
    const eyot__gnode *to = &g->nodes[g->edges[edge].to];
    eyot__buf_bytes(out, to->id, to->id_len);
    eyot__buf_varint(out, 0);
}

static void put_route(eyot_buf *out, const eyot_graph *g, uint32_t node, const eyot__taken *taken, size_t n_taken)
{
    size_t edges = 0;
    if (!taken) {
        eyot__buf_varint(out, n_taken);
        for (size_t i = 0; i < n_taken; i++) put_plain_edge(out, g, g->shape->nodes[node].out[i]);
        return;
    }
    for (size_t i = 0; i < n_taken; edges++) i += items_of(taken, n_taken, i) + !taken[i].item;
    eyot__buf_varint(out, edges);
    for (size_t i = 0; i < n_taken;) {
        const eyot__gnode *to = &g->nodes[g->edges[taken[i].edge].to];
        size_t items = items_of(taken, n_taken, i);
        eyot__buf_bytes(out, to->id, to->id_len);
        eyot__buf_varint(out, items);
        for (size_t k = 0; k < items; k++) put_value(out, g, taken[i + k].item);
        i += items + (items == 0);
    }
}

void eyot__entry_put_task(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint64_t attempt,
                          const void *update, const eyot__taken *taken, size_t n_taken, int64_t started_ms,
                          uint64_t took_us, const eyot__outside_list *told)
{
    eyot__who_encode(out, g, who);
    eyot__buf_varint(out, attempt);
    eyot__buf_u8(out, update != NULL);
    if (update) put_value(out, g, update);
    put_route(out, g, who->node, taken, n_taken);
    put_times(out, started_ms, took_us);
    eyot__outside_put(out, told);
}

void eyot__task_entry_clear(eyot__task_entry *t, const eyot_graph *g)
{
    eyot__who_clear(&t->who);
    if (t->update) g->copier->free(t->update, g->copier_user);
    for (size_t i = 0; i < t->n_taken; i++)
        if (t->taken[i].item) g->copier->free(t->taken[i].item, g->copier_user);
    free(t->taken);
    eyot__outside_clear(&t->told);
    memset(t, 0, sizeof *t);
}

static eyot_status more_taken(eyot__task_entry *t, size_t n, eyot_error *e)
{
    eyot__taken *taken = realloc(t->taken, (t->n_taken + n) * sizeof *taken);
    if (!taken) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    t->taken = taken;
    return EYOT_OK;
}

static bool is_taken(const eyot__task_entry *t, uint32_t edge)
{
    for (size_t i = t->n_taken; i-- > 0;)
        if (t->taken[i].edge == edge) return true;
    return false;
}

static eyot_status get_edge(eyot__task_entry *t, eyot__reader *in, const eyot_graph *g, eyot_error *e)
{
    size_t len;
    const unsigned char *id = eyot__read_bytes(in, &len);
    size_t items = eyot__read_count(in, 4);
    if (in->failed) return malformed(e, "a task's route");
    uint32_t node = eyot__graph_find(g, (const char *)id, len);
    uint32_t edge = node == UINT32_MAX ? UINT32_MAX : eyot__graph_edge_to(g, t->who.node, node);
    if (edge == UINT32_MAX)
        return eyot_error_set(e, EYOT_ECHANGED, "graph %s has no edge from \"%s\" to \"%.*s\"", g->name,
                              g->nodes[t->who.node].id, (int)(len < 64 ? len : 64), (const char *)id);
    if (is_taken(t, edge)) return malformed(e, "a task's route");
    eyot_status status = more_taken(t, items ? items : 1, e);
    if (!status && items == 0) t->taken[t->n_taken++] = (eyot__taken){.edge = edge};
    for (size_t i = 0; i < items && !status; i++) {
        void *item;
        status = get_value(in, g, &item, e);
        if (!status) t->taken[t->n_taken++] = (eyot__taken){.edge = edge, .item = item};
    }
    return status;
}

eyot_status eyot__entry_get_task(eyot__task_entry *out, eyot__reader *in, uint32_t version, const eyot_graph *g,
                                 eyot_error *e)
{
    memset(out, 0, sizeof *out);
    eyot_status status = eyot__who_decode(&out->who, in, g, e);
    if (status) return status;
    out->attempt = eyot__read_varint(in);
    uint8_t updates = eyot__read_u8(in);
    if (updates > 1) in->failed = true;
    if (updates && !in->failed) status = get_value(in, g, &out->update, e);
    size_t edges = eyot__read_count(in, 2);
    for (size_t i = 0; i < edges && !status; i++) status = get_edge(out, in, g, e);
    if (!status) get_times(in, version, &out->started_ms, &out->took_us);
    if (!status) status = get_told(&out->told, in, version, e);
    if (!status && (in->failed || in->p != in->end)) status = malformed(e, "a task");
    if (status) eyot__task_entry_clear(out, g);
    return status;
}

/* ---- what befalls a task before it is done ----------------------------------------------------------------------- */

void eyot__entry_put_attempt(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint64_t attempt,
                             eyot_status status, const char *text, int64_t started_ms, uint64_t took_us)
{
    eyot__who_encode(out, g, who);
    eyot__buf_varint(out, attempt);
    eyot__buf_varint(out, (uint64_t)(-(int64_t)status));
    eyot__buf_bytes(out, text, strlen(text));
    put_times(out, started_ms, took_us);
}

void eyot__entry_put_answered(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint32_t n, const char *text)
{
    eyot__who_encode(out, g, who);
    eyot__buf_varint(out, n);
    eyot__buf_bytes(out, text, strlen(text));
}

void eyot__entry_put_asked(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint32_t n, const char *text,
                           const eyot__outside_list *told)
{
    eyot__entry_put_answered(out, g, who, n, text);
    eyot__outside_put(out, told);
}

void eyot__entry_put_timer(eyot_buf *out, const eyot_graph *g, const eyot__who *who, uint32_t n, int64_t due_ms,
                           const eyot__outside_list *told)
{
    eyot__who_encode(out, g, who);
    eyot__buf_varint(out, n);
    eyot__buf_varint(out, due_ms > 0 ? (uint64_t)due_ms : 0);
    eyot__outside_put(out, told);
}

void eyot__incident_clear(eyot__incident *in)
{
    eyot__who_clear(&in->who);
    eyot__outside_clear(&in->told);
}

eyot_status eyot__entry_get_incident(eyot__incident *out, eyot__reader *in, uint32_t version, eyot_entry_kind kind,
                                     const eyot_graph *g, eyot_error *e)
{
    memset(out, 0, sizeof *out);
    eyot_status status = eyot__who_decode(&out->who, in, g, e);
    if (status) return status;
    out->n = get_u32(in);
    uint64_t code = kind == EYOT_ENTRY_ATTEMPT ? eyot__read_varint(in) : 0;
    if (kind == EYOT_ENTRY_TIMER)
        out->due_ms = get_ms(in);
    else
        out->text = (const char *)eyot__read_bytes(in, &out->text_len);
    if (kind == EYOT_ENTRY_ATTEMPT) get_times(in, version, &out->started_ms, &out->took_us);
    if (kind == EYOT_ENTRY_ASKED || kind == EYOT_ENTRY_TIMER) status = get_told(&out->told, in, version, e);
    if (!status && (in->failed || in->p != in->end || code > INT_MAX))
        status = malformed(e, kind == EYOT_ENTRY_ATTEMPT ? "a failed attempt" : "a question, an answer or a sleep");
    if (status) {
        eyot__incident_clear(out);
        memset(out, 0, sizeof *out);
        return status;
    }
    out->status = (eyot_status)(-(int)code);
    return EYOT_OK;
}

/* ---- statuses ----------------------------------------------------------------------------------------------------- */

void eyot__entry_put_status(eyot_buf *out, eyot_run_status status, const eyot_error *error)
{
    eyot__buf_varint(out, (uint64_t)status);
    eyot__buf_varint(out, (uint64_t)(-(int64_t)error->status));
    eyot__buf_bytes(out, error->text, strlen(error->text));
}

eyot_status eyot__entry_get_status(eyot__reader *in, eyot_run_status *status, eyot_error *error, eyot_error *e)
{
    uint64_t value = eyot__read_varint(in), code = eyot__read_varint(in);
    size_t len;
    const unsigned char *text = eyot__read_bytes(in, &len);
    if (in->failed || in->p != in->end || value < EYOT_RUN_READY || value > EYOT_RUN_DONE || code > INT_MAX)
        return malformed(e, "a status");
    *status = (eyot_run_status)value;
    if (code)
        eyot_error_set(error, (eyot_status)(-(int)code), "%.*s", (int)len, (const char *)text);
    else
        *error = (eyot_error){.status = EYOT_OK};
    return EYOT_OK;
}

/* ---- snapshots ------------------------------------------------------------------------------------------------- */

/* What a live task waited for, as a snapshot says. */
enum { WAIT_QUESTION = 0, WAIT_SLEEP = 1 };

/* Versions with their parents before them, and the distinct changes in them. Changes remember their number in `count`
 * and versions in `mark`, both scratch of joins, under a mark of their own. */
typedef struct survey {
    eyot__version **versions;
    eyot__change **changes;
    uint32_t n_versions, cap_versions, n_changes, cap_changes;
    eyot__state *root; /* the state of the root version; borrowed */
    bool failed;
} survey;

static bool see_version(survey *s, eyot__version *v, uint64_t before)
{
    if (v->mark > before) return false;
    if (s->n_versions == s->cap_versions) {
        uint32_t cap = s->cap_versions ? s->cap_versions * 2 : 16;
        eyot__version **versions = realloc(s->versions, cap * sizeof(eyot__version *));
        if (!versions) {
            s->failed = true;
            return false;
        }
        s->versions = versions;
        s->cap_versions = cap;
    }
    s->versions[s->n_versions++] = v;
    v->mark = before + 1; /* seen; numbered after sorting */
    return true;
}

/* The state is looked at only when the root has none of its own. Then this is the only branch, and its task, if it has
 * one, has not begun: a task that runs may be changing its branch's state right now. */
static void see_branch(survey *s, const eyot__history *h, eyot__version *v, eyot__state *const *state, uint64_t before)
{
    if (v == h->root && !s->root && state) s->root = *state;
    for (; v && see_version(s, v, before); v = v->parent) {}
}

static int by_depth(const void *a, const void *b)
{
    uint32_t x = (*(eyot__version *const *)a)->depth, y = (*(eyot__version *const *)b)->depth;
    return x < y ? -1 : x > y;
}

static void see_changes(survey *s, uint64_t mark)
{
    for (uint32_t i = 0; i < s->n_versions && !s->failed; i++) {
        eyot__version *v = s->versions[i];
        for (uint32_t k = 0; i > 0 && k < v->n; k++) {
            eyot__change *c = v->changes[k];
            if (!c || c->in_join == mark) continue;
            if (s->n_changes == s->cap_changes) {
                uint32_t cap = s->cap_changes ? s->cap_changes * 2 : 16;
                eyot__change **changes = realloc(s->changes, cap * sizeof(eyot__change *));
                if (!changes) {
                    s->failed = true;
                    return;
                }
                s->changes = changes;
                s->cap_changes = cap;
            }
            c->in_join = mark;
            c->count = s->n_changes;
            s->changes[s->n_changes++] = c;
        }
    }
}

static void take_survey(survey *s, eyot__frontier *f)
{
    eyot__history *h = &f->history;
    uint64_t before = h->join, mark = ++h->join;
    if (h->root->state) s->root = h->root->state;
    see_branch(s, h, h->root, NULL, before);
    for (eyot__activation *a = f->live; a; a = a->next) see_branch(s, h, a->version, &a->state, before);
    for (eyot__place *p = f->groups; p; p = p->next)
        for (eyot__arrival *a = p->waiting; a; a = a->next) see_branch(s, h, a->version, &a->state, before);
    for (eyot__arrival *a = f->ends; a; a = a->next) see_branch(s, h, a->version, &a->state, before);
    if (s->failed) return;
    qsort(s->versions, s->n_versions, sizeof(eyot__version *), by_depth);
    for (uint32_t i = 0; i < s->n_versions; i++) s->versions[i]->mark = mark + i;
    h->join = mark + s->n_versions;
    see_changes(s, mark);
    assert(s->root); /* where branches part the state is remembered, and elsewhere a branch stands */
}

static void put_versions(eyot_buf *out, const eyot__frontier *f, const survey *s, uint64_t mark)
{
    eyot__buf_varint(out, s->n_changes);
    for (uint32_t i = 0; i < s->n_changes; i++) {
        eyot__who_encode(out, f->graph, &s->changes[i]->who);
        eyot__buf_varint(out, (uint64_t)(s->changes[i]->sent + 1));
        put_value(out, f->graph, s->changes[i]->value);
    }
    eyot__buf_varint(out, s->n_versions);
    for (uint32_t i = 1; i < s->n_versions; i++) { /* the root has number 0 and no changes */
        const eyot__version *v = s->versions[i];
        eyot__buf_varint(out, v->parent->mark - mark);
        eyot__buf_varint(out, v->n);
        for (uint32_t k = 0; k < v->n; k++) eyot__buf_varint(out, v->changes[k] ? v->changes[k]->count + 1 : 0);
    }
}

/* An arrival: the task it comes from (none: a start), its item's index, where it stands. */
static void put_arrival(eyot_buf *out, const eyot__frontier *f, uint32_t node, const eyot__arrival *a, uint64_t mark)
{
    eyot__buf_u8(out, a->edge >= 0);
    if (a->edge >= 0) {
        uint32_t edge = f->shape->nodes[node].in[a->edge];
        eyot__who from = {.node = f->shape->edges[edge].from, .stamp = a->stamp, .path = a->path};
        eyot__who_encode(out, f->graph, &from);
    }
    eyot__buf_varint(out, a->index);
    eyot__buf_varint(out, a->version->mark - mark);
}

static void put_memo(eyot_buf *out, const eyot__memo *m)
{
    eyot__buf_varint(out, m ? m->failed : 0);
    eyot__buf_varint(out, m ? m->n : 0);
    for (uint32_t i = 0; m && i < m->n; i++) {
        const eyot__wait *w = &m->waits[i];
        eyot__buf_u8(out, w->question ? WAIT_QUESTION : WAIT_SLEEP);
        if (!w->question) {
            eyot__buf_varint(out, w->due_ms > 0 ? (uint64_t)w->due_ms : 0);
            continue;
        }
        eyot__buf_bytes(out, w->question, strlen(w->question));
        eyot__buf_u8(out, w->answer != NULL);
        if (w->answer) eyot__buf_bytes(out, w->answer, strlen(w->answer));
    }
    eyot__outside_put(out, m ? &m->told : NULL);
}

void eyot__entry_put_snapshot(eyot_buf *out, eyot__frontier *f, const eyot__snapshot *head)
{
    survey s = {0};
    take_survey(&s, f);
    if (s.failed) out->failed = EYOT_ENOMEM;
    uint64_t mark = out->failed ? 0 : s.versions[0]->mark;
    eyot__buf_varint(out, head->steps);
    eyot__buf_put(out, head->seed, sizeof head->seed);
    if (!out->failed) {
        put_value(out, f->graph, s.root->value);
        put_versions(out, f, &s, mark);
        eyot__buf_varint(out, f->n_live);
    }
    for (eyot__activation *a = f->live; a && !out->failed; a = a->next) {
        eyot__who_encode(out, f->graph, &a->who);
        eyot__buf_varint(out, a->version->mark - mark);
        put_memo(out, a->memo);
    }
    eyot__buf_varint(out, f->n_waiting);
    for (eyot__place *p = f->groups; p && !out->failed; p = p->next) {
        eyot__who at = {.node = p->node, .stamp = p->stamp};
        for (eyot__arrival *a = p->waiting; a; a = a->next) {
            eyot__who_encode(out, f->graph, &at);
            put_arrival(out, f, p->node, a, mark);
        }
    }
    eyot__buf_varint(out, f->n_ends);
    for (eyot__arrival *a = f->ends; a && !out->failed; a = a->next) {
        eyot__who at = {.node = (uint32_t)a->edge, .stamp = a->stamp, .path = a->path};
        eyot__who_encode(out, f->graph, &at);
        eyot__buf_varint(out, a->version->mark - mark);
    }
    free(s.versions);
    free(s.changes);
}

/* What a snapshot's numbers stand for while it is read. */
typedef struct restored {
    eyot__change **changes;
    eyot__version **versions;
    eyot__state **states;
    uint32_t *parents; /* numbers of versions */
    size_t n_changes, n_versions;
} restored;

static eyot_status get_changes(restored *s, eyot__frontier *f, eyot__reader *in, eyot_error *e)
{
    size_t n = eyot__read_count(in, 6);
    if (in->failed) return malformed(e, "a snapshot's list of updates");
    s->changes = calloc(n ? n : 1, sizeof(eyot__change *));
    if (!s->changes) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (; s->n_changes < n; s->n_changes++) {
        eyot__change *c = eyot__change_new(&f->history);
        if (!c) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        eyot_status status = eyot__who_decode(&c->who, in, f->graph, e);
        c->sent = (int64_t)eyot__read_varint(in) - 1;
        if (!status) status = get_value(in, f->graph, &c->value, e);
        if (status) {
            eyot__change_unref(&f->history, c);
            return status;
        }
        s->changes[s->n_changes] = c;
    }
    return EYOT_OK;
}

/* The state of a version: its parent's with the version's own changes. */
static eyot_status restore_state(restored *s, eyot__frontier *f, size_t parent, size_t at, eyot_error *e)
{
    const eyot__version *v = s->versions[at];
    const eyot_copier *copier = f->graph->copier;
    eyot_status status = EYOT_OK;
    s->states[at] = eyot__state_ref(s->states[parent]);
    for (uint32_t i = 0; i < v->n && !status; i++) {
        if (v->changes[i]) {
            status = eyot__state_update(&s->states[at], v->changes[i]->value, &f->history, e);
            continue;
        }
        status = eyot__state_own(&s->states[at], &f->history);
        if (!status && copier->drop_local) status = copier->drop_local(&s->states[at]->value, f->graph->copier_user);
        if (status) eyot_error_set(e, status, "local keys could not be dropped");
    }
    return status;
}

static eyot_status get_version(restored *s, eyot__frontier *f, eyot__reader *in, size_t at, eyot_error *e)
{
    uint64_t parent = eyot__read_varint(in);
    size_t n = eyot__read_count(in, 1);
    if (in->failed || parent >= at || n > UINT32_MAX) return malformed(e, "a snapshot's version");
    eyot__change **changes = calloc(n ? n : 1, sizeof(eyot__change *));
    eyot_status status = changes ? EYOT_OK : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (size_t i = 0; i < n && !status; i++) {
        uint64_t number = eyot__read_varint(in);
        if (in->failed || number > s->n_changes) status = malformed(e, "a snapshot's version");
        if (!status && number > 0) changes[i] = s->changes[number - 1];
    }
    if (!status) {
        s->versions[at] = eyot__history_put(&f->history, s->versions[parent], changes, (uint32_t)n);
        if (!s->versions[at]) status = eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    }
    free(changes);
    if (status) return status;
    s->parents[at] = (uint32_t)parent;
    s->versions[at]->heads = 1; /* held while the snapshot is read */
    s->n_versions = at + 1;
    return EYOT_OK;
}

/* Not before all versions are known to be histories: otherwise one large update, named again and again, would make states of any
 * size. */
static eyot_status restore_states(restored *s, eyot__frontier *f, eyot_error *e)
{
    eyot_status status = eyot__history_check(s->versions, s->parents, s->n_versions);
    if (status == EYOT_ECORRUPT) return eyot_error_set(e, status, "a snapshot's version has an update twice");
    if (status) return eyot_error_set(e, status, "out of memory");
    for (size_t i = 1; i < s->n_versions && !status; i++) {
        eyot__version *above = s->versions[s->parents[i]];
        if (f->history.keep_states && !above->state) above->state = eyot__state_ref(s->states[s->parents[i]]);
        status = restore_state(s, f, s->parents[i], i, e);
    }
    return status;
}

static eyot_status get_versions(restored *s, eyot__frontier *f, eyot__state *root_take, eyot__reader *in, eyot_error *e)
{
    size_t n = eyot__read_count(in, 0 + 1);
    bool fits = !in->failed && n > 0 && n <= UINT32_MAX;
    if (fits) {
        s->versions = calloc(n, sizeof(eyot__version *));
        s->states = calloc(n, sizeof(eyot__state *));
        s->parents = calloc(n, sizeof(uint32_t));
    }
    if (!s->versions || !s->states || !s->parents) {
        eyot__state_unref(root_take, &f->history);
        return !fits ? malformed(e, "a snapshot's list of versions") : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    }
    s->versions[0] = eyot__history_put(&f->history, NULL, NULL, 0);
    s->versions[0]->heads = 1;
    s->states[0] = root_take;
    s->n_versions = 1;
    eyot_status status = EYOT_OK;
    for (size_t i = 1; i < n && !status; i++) status = get_version(s, f, in, i, e);
    return status ? status : restore_states(s, f, e);
}

/* Where a branch stands: one more head on the version, a share of its state. */
static eyot_status stand(const restored *s, eyot__frontier *f, eyot__reader *in, eyot__version **v, eyot__state **state,
                         eyot_error *e)
{
    uint64_t number = eyot__read_varint(in);
    if (in->failed || number >= s->n_versions) return malformed(e, "a snapshot's branch");
    *v = s->versions[number];
    *state = eyot__state_ref(s->states[number]);
    eyot__history_hold(&f->history, *v, *state);
    return EYOT_OK;
}

static eyot_status get_question(eyot__activation *a, uint32_t n, eyot__reader *in)
{
    size_t len;
    const unsigned char *text = eyot__read_bytes(in, &len);
    eyot_status status = in->failed ? EYOT_ECORRUPT : eyot__memo_ask(a, n, (const char *)text, len);
    uint8_t answered = eyot__read_u8(in);
    if (answered > 1) in->failed = true;
    if (status || in->failed || !answered) return status;
    text = eyot__read_bytes(in, &len);
    return in->failed ? EYOT_ECORRUPT : eyot__memo_answer(a, n, (const char *)text, len);
}

static eyot_status get_memo(eyot__activation *a, eyot__reader *in, uint32_t version, eyot_error *e)
{
    eyot__outside_list told = {0};
    uint32_t failed = get_u32(in);
    size_t n = eyot__read_count(in, 2);
    eyot_status status = EYOT_OK;
    if (failed && !in->failed) {
        if (!eyot__memo_of(a)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        a->memo->failed = a->memo->tried = failed;
    }
    for (size_t i = 0; i < n && !in->failed && !status; i++) {
        uint8_t kind = eyot__read_u8(in);
        if (kind == WAIT_QUESTION)
            status = get_question(a, (uint32_t)i, in);
        else if (kind == WAIT_SLEEP)
            status = eyot__memo_sleep(a, (uint32_t)i, get_ms(in));
        else
            in->failed = true;
    }
    if (!status && !in->failed) status = get_told(&told, in, version, NULL);
    if (!status && told.n > 0 && !eyot__memo_of(a)) status = EYOT_ENOMEM;
    if (!status && told.n > 0) eyot__outside_move(&a->memo->told, &told);
    eyot__outside_clear(&told);
    if (status == EYOT_ENOMEM) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    return status || in->failed ? malformed(e, "what a snapshot tells of a live task") : EYOT_OK;
}

static eyot_status get_tasks(const restored *s, eyot__frontier *f, eyot__reader *in, uint32_t version, eyot_error *e)
{
    size_t n = eyot__read_count(in, version >= 3 ? 5 : version >= 2 ? 4 : 2);
    for (size_t i = 0; i < n; i++) {
        eyot__who who;
        eyot__version *v = NULL;
        eyot__state *state = NULL;
        eyot_status status = eyot__who_decode(&who, in, f->graph, e);
        if (status) return status;
        status = stand(s, f, in, &v, &state, e);
        if (status) {
            eyot__who_clear(&who);
            return status;
        }
        if (eyot__frontier_put_task(f, who, v, state)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        if (version >= 2) status = get_memo(f->fired_last, in, version, e);
        if (status) return status;
    }
    return EYOT_OK;
}

/* The in-edge of a waiting branch, by the node it comes from. */
static eyot_status get_source(eyot__frontier *f, uint32_t node, eyot__reader *in, eyot__arrival *a, eyot_error *e)
{
    a->edge = -1;
    uint8_t over_edge = eyot__read_u8(in);
    if (over_edge > 1) return malformed(e, "a snapshot's waiting branch");
    if (!over_edge) return EYOT_OK;
    eyot__who from;
    eyot_status status = eyot__who_decode(&from, in, f->graph, e);
    if (status) return status;
    a->stamp = from.stamp;
    a->path = from.path;
    uint32_t edge = eyot__graph_edge_to(f->graph, from.node, node);
    if (edge == UINT32_MAX)
        return eyot_error_set(e, EYOT_ECHANGED, "graph %s has no edge from \"%s\" to \"%s\"", f->graph->name,
                              f->graph->nodes[from.node].id, f->graph->nodes[node].id);
    a->edge = f->shape->edges[edge].in_index;
    return EYOT_OK;
}

static eyot_status get_waiting(const restored *s, eyot__frontier *f, eyot__reader *in, eyot_error *e)
{
    size_t n = eyot__read_count(in, 4);
    for (size_t i = 0; i < n; i++) {
        eyot__who at;
        eyot__arrival a = {0};
        eyot_status status = eyot__who_decode(&at, in, f->graph, e);
        if (status) return status;
        if (at.path || f->shape->nodes[at.node].one_by_one) status = malformed(e, "a snapshot's waiting branch");
        if (!status) status = get_source(f, at.node, in, &a, e);
        a.index = eyot__read_varint(in);
        if (!status) status = stand(s, f, in, &a.version, &a.state, e);
        if (status) {
            eyot__who_clear(&at);
            eyot__stamp_unref(a.stamp);
            eyot__path_unref(a.path);
            return status;
        }
        if (eyot__frontier_put_waiting(f, at.node, at.stamp, a)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    }
    return EYOT_OK;
}

static eyot_status get_ends(const restored *s, eyot__frontier *f, eyot__reader *in, eyot_error *e)
{
    size_t n = eyot__read_count(in, 2);
    for (size_t i = 0; i < n; i++) {
        eyot__who at;
        eyot__arrival a = {0};
        eyot_status status = eyot__who_decode(&at, in, f->graph, e);
        if (status) return status;
        status = stand(s, f, in, &a.version, &a.state, e);
        if (status) {
            eyot__who_clear(&at);
            return status;
        }
        a.edge = (int64_t)at.node;
        a.stamp = at.stamp;
        a.path = at.path;
        if (eyot__frontier_put_end(f, a)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    }
    return EYOT_OK;
}

static void restored_clear(restored *s, eyot__frontier *f)
{
    for (size_t i = s->n_versions; i-- > 0;) {
        eyot__state_unref(s->states[i], &f->history);
        eyot__history_release(&f->history, s->versions[i]);
    }
    for (size_t i = 0; i < s->n_changes; i++) eyot__change_unref(&f->history, s->changes[i]);
    free(s->changes);
    free(s->versions);
    free(s->states);
    free(s->parents);
}

static void get_seed(eyot__snapshot *head, eyot__reader *in)
{
    size_t n = sizeof head->seed;
    if (in->failed || (size_t)(in->end - in->p) < n) {
        in->failed = true;
        return;
    }
    memcpy(head->seed, in->p, n);
    in->p += n;
    head->seeded = true;
}

eyot_status eyot__entry_get_snapshot(eyot__frontier *f, eyot__reader *in, uint32_t version, eyot__snapshot *head,
                                     eyot_error *e)
{
    restored s = {0};
    void *value = NULL;
    *head = (eyot__snapshot){.steps = eyot__read_varint(in)};
    if (version >= 3) get_seed(head, in);
    eyot_status status = in->failed ? malformed(e, "a snapshot") : get_value(in, f->graph, &value, e);
    eyot__state *root = status ? NULL : eyot__state_new(value, &f->history);
    if (!status && !root) status = eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    if (!status) {
        status = get_changes(&s, f, in, e);
        if (status)
            eyot__state_unref(root, &f->history);
        else
            status = get_versions(&s, f, root, in, e);
    }
    if (!status) status = get_tasks(&s, f, in, version, e);
    if (!status) status = get_waiting(&s, f, in, e);
    if (!status) status = get_ends(&s, f, in, e);
    if (!status && f->n_live + f->n_waiting + f->n_ends == 0) status = malformed(e, "a snapshot without branches");
    if (!status && (in->failed || in->p != in->end)) status = malformed(e, "a snapshot");
    restored_clear(&s, f);
    return status ? status : eyot__frontier_settle(f, e);
}
