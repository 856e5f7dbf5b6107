/* SPDX-License-Identifier: MIT */
/* Records as text, and written again from what was read.  */
#include "test/golden.h"

#include <stdlib.h>
#include <string.h>

#include "core/record.h"
#include "core/run.h"

static const char *const kinds[] = {"?", "task", "attempt", "asked", "answered", "timer", "status", "snapshot"};

void golden_put_value(eyot_buf *out, const eyot_graph *g, const void *v)
{
    const eyot_copier *c = g->copier;
    if (c->print) {
        (void)c->print(v, out, g->copier_user);
        return;
    }
    eyot_buf raw = EYOT__BUF_INIT;
    (void)c->encode(v, &raw, g->copier_user);
    for (size_t i = 0; i < raw.len; i++) eyot__buf_format(out, "%02x", raw.data[i]);
    eyot__buf_clear(&raw);
}

/* How a record is turned: into text, or written again. */
typedef struct turn {
    eyot_buf *out;
    const eyot_graph *graph;
    bool again;
    uint32_t without; /* golden_without */
} turn;

/* ---- tasks, attempts, statuses ----------------------------------------------------------------------------------- */

static void put_times(eyot_buf *out, uint32_t version, int64_t started_ms, uint64_t took_us)
{
    if (version >= 2)
        eyot__buf_format(out, "  began %lld ms, took %llu us\n", (long long)started_ms, (unsigned long long)took_us);
}

static void put_told(eyot_buf *out, const eyot__outside_list *told)
{
    for (const eyot__outside *o = told->first; o; o = o->next)
        eyot__buf_format(out, "  told %s: %s %s\n", o->name, eyot_status_name(o->status), eyot__outside_value(o));
}

static void task_text(const turn *to, const eyot__task_entry *t, uint32_t version)
{
    eyot_buf *out = to->out;
    const eyot_graph *g = to->graph;
    eyot__key_print(out, g, &t->who);
    eyot__buf_format(out, ", attempt %llu\n  update ", (unsigned long long)t->attempt);
    if (t->update)
        golden_put_value(out, g, t->update);
    else
        eyot__buf_text(out, "none");
    for (size_t i = 0; i < t->n_taken; i++) {
        eyot__buf_format(out, "\n  to %s", g->nodes[g->edges[t->taken[i].edge].to].id);
        if (t->taken[i].item) eyot__buf_text(out, " with ");
        if (t->taken[i].item) golden_put_value(out, g, t->taken[i].item);
    }
    if (t->n_taken == 0) eyot__buf_text(out, "\n  ends its branch");
    eyot__buf_text(out, "\n");
    put_times(out, version, t->started_ms, t->took_us);
    put_told(out, &t->told);
}

static eyot_status task(const turn *to, eyot__record *r, eyot_error *e)
{
    eyot__task_entry t;
    bool timeless = to->without & GOLDEN_TIMES;
    eyot_status status = eyot__entry_get_task(&t, &r->payload, r->version, to->graph, e);
    if (status) return status;
    if (to->again)
        eyot__entry_put_task(to->out, to->graph, &t.who, to->without & GOLDEN_ATTEMPTS ? 1 : t.attempt, t.update,
                             t.taken ? t.taken : (eyot__taken[1]){{0}}, t.n_taken, timeless ? 0 : t.started_ms,
                             timeless ? 0 : t.took_us, &t.told);
    else
        task_text(to, &t, r->version);
    eyot__task_entry_clear(&t, to->graph);
    return EYOT_OK;
}

static void incident_text(eyot_buf *out, const eyot_graph *g, const eyot__record *r, const eyot__incident *in)
{
    int len = (int)in->text_len;
    eyot__key_print(out, g, &in->who);
    switch (r->kind) {
    case EYOT_ENTRY_ATTEMPT:
        eyot__buf_format(out, ", attempt %u\n  %s: %.*s\n", (unsigned)in->n, eyot_status_name(in->status), len,
                         in->text);
        put_times(out, r->version, in->started_ms, in->took_us);
        break;
    case EYOT_ENTRY_TIMER:
        eyot__buf_format(out, ", wait %u\n  until %lld ms\n", (unsigned)in->n, (long long)in->due_ms);
        break;
    default: eyot__buf_format(out, ", wait %u\n  \"%.*s\"\n", (unsigned)in->n, len, in->text);
    }
    put_told(out, &in->told);
}

static eyot_status incident(const turn *to, eyot__record *r, eyot_error *e)
{
    eyot__incident in;
    bool timeless = to->without & GOLDEN_TIMES;
    eyot_status status = eyot__entry_get_incident(&in, &r->payload, r->version, r->kind, to->graph, e);
    if (status) return status;
    char *text = calloc(1, in.text_len + 1);
    if (text && in.text_len) memcpy(text, in.text, in.text_len);
    if (!text)
        status = EYOT_ENOMEM;
    else if (!to->again)
        incident_text(to->out, to->graph, r, &in);
    else if (r->kind == EYOT_ENTRY_ATTEMPT)
        eyot__entry_put_attempt(to->out, to->graph, &in.who, in.n, in.status, text, timeless ? 0 : in.started_ms,
                                timeless ? 0 : in.took_us);
    else if (r->kind == EYOT_ENTRY_TIMER)
        eyot__entry_put_timer(to->out, to->graph, &in.who, in.n, in.due_ms, &in.told);
    else if (r->kind == EYOT_ENTRY_ASKED)
        eyot__entry_put_asked(to->out, to->graph, &in.who, in.n, text, &in.told);
    else
        eyot__entry_put_answered(to->out, to->graph, &in.who, in.n, text);
    free(text);
    eyot__incident_clear(&in);
    return status;
}

static eyot_status run_status(eyot_buf *out, eyot__reader *in, bool again, eyot_error *e)
{
    eyot_run_status value;
    eyot_error error;
    eyot_status status = eyot__entry_get_status(in, &value, &error, e);
    if (status) return status;
    if (!error.status) error.text[0] = 0;
    if (again) {
        eyot__entry_put_status(out, value, &error);
        return EYOT_OK;
    }
    eyot__buf_text(out, eyot_run_status_name(value));
    if (error.status) eyot__buf_format(out, "\n  %s: %s", eyot_status_name(error.status), error.text);
    eyot__buf_text(out, "\n");
    return EYOT_OK;
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

/* The updates that a branch has beyond the root, in order, and its state. */
static void put_stand(eyot_buf *out, const eyot_graph *g, const eyot__version *v, const eyot__state *state)
{
    const eyot__version *chain[64];
    size_t n = 0;
    for (; v && n < 64; v = v->parent) chain[n++] = v;
    eyot__buf_text(out, "\n    has");
    while (n-- > 0) {
        for (uint32_t i = 0; i < chain[n]->n; i++) {
            const eyot__change *c = chain[n]->changes[i];
            eyot__buf_text(out, " ");
            if (c) eyot__key_print(out, g, &c->who);
            if (c && c->sent >= 0) eyot__buf_format(out, "/item %lld", (long long)c->sent);
            if (!c) eyot__buf_text(out, "(local keys dropped)");
        }
        if (n) eyot__buf_text(out, " |");
    }
    eyot__buf_text(out, "\n    state ");
    golden_put_value(out, g, state->value);
    eyot__buf_text(out, "\n");
}

static void put_arrival(eyot_buf *out, const eyot__frontier *f, const eyot__place *p, const eyot__arrival *a)
{
    eyot__who at = {.node = p->node, .stamp = p->stamp};
    eyot__buf_text(out, "  waits at ");
    eyot__key_print(out, f->graph, &at);
    if (a->edge < 0) {
        eyot__buf_text(out, ", a start");
    } else {
        uint32_t edge = f->shape->nodes[p->node].in[a->edge];
        eyot__who from = {.node = f->shape->edges[edge].from, .stamp = a->stamp, .path = a->path};
        eyot__buf_text(out, ", from ");
        eyot__key_print(out, f->graph, &from);
    }
    put_stand(out, f->graph, a->version, a->state);
}

static void put_memo(eyot_buf *out, const eyot__memo *m)
{
    if (!m) return;
    eyot__buf_format(out, "    failed attempts: %u\n", (unsigned)m->failed);
    for (uint32_t i = 0; i < m->n; i++) {
        const eyot__wait *w = &m->waits[i];
        if (w->question)
            eyot__buf_format(out, "    wait %u asks \"%s\"%s%s%s\n", (unsigned)i, w->question,
                             w->answer ? ", answered \"" : "", w->answer ? w->answer : "", w->answer ? "\"" : "");
        else
            eyot__buf_format(out, "    wait %u sleeps until %lld ms\n", (unsigned)i, (long long)w->due_ms);
    }
    put_told(out, &m->told);
}

static void put_frontier(eyot_buf *out, const eyot__frontier *f, const eyot__snapshot *head)
{
    eyot__buf_format(out, "after %llu steps\n", (unsigned long long)head->steps);
    if (head->seeded) {
        eyot__buf_text(out, "  seed ");
        for (size_t i = 0; i < sizeof head->seed; i++) eyot__buf_format(out, "%02x", head->seed[i]);
        eyot__buf_text(out, "\n");
    }
    for (const eyot__activation *a = f->fired; a; a = a->queue) {
        eyot__buf_text(out, "  live ");
        eyot__key_print(out, f->graph, &a->who);
        put_stand(out, f->graph, a->version, a->state);
        put_memo(out, a->memo);
    }
    for (const eyot__place *p = f->groups; p; p = p->next)
        for (const eyot__arrival *a = p->waiting; a; a = a->next) put_arrival(out, f, p, a);
    for (const eyot__arrival *a = f->ends; a; a = a->next) {
        eyot__who at = {.node = (uint32_t)a->edge, .stamp = a->stamp, .path = a->path};
        eyot__buf_text(out, "  ended at ");
        eyot__key_print(out, f->graph, &at);
        put_stand(out, f->graph, a->version, a->state);
    }
}

static eyot_status read_snapshot(eyot__frontier *f, const eyot_graph *g, eyot__reader *in, uint32_t version,
                                 eyot__snapshot *head, eyot_error *e)
{
    eyot__frontier_init(f, g, true, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&f->history, f->history.root);
    return eyot__entry_get_snapshot(f, in, version, head, e);
}

static eyot_status turn_snapshot(eyot_buf *out, const turn *to, eyot__reader *in, uint32_t version, eyot_error *e)
{
    eyot__frontier f;
    eyot__snapshot head;
    eyot_status status = read_snapshot(&f, to->graph, in, version, &head, e);
    if (to->without & GOLDEN_SEED) memset(head.seed, 0, sizeof head.seed);
    if (!status) eyot__entry_put_snapshot(out, &f, &head);
    eyot__frontier_clear(&f);
    return status ? status : out->failed;
}

static eyot_status snapshot(const turn *to, eyot__record *r, eyot_error *e)
{
    eyot__frontier f;
    eyot__snapshot head;
    eyot_status status;
    if (to->again) { /* reading turns every list round, so it is done twice */
        eyot_buf turned = EYOT__BUF_INIT;
        status = turn_snapshot(&turned, to, &r->payload, r->version, e);
        if (!status) {
            eyot__reader second = {turned.data, turned.data + turned.len, false};
            status = turn_snapshot(to->out, to, &second, EYOT__RECORD_VERSION, e);
        }
        eyot__buf_clear(&turned);
        return status;
    }
    status = read_snapshot(&f, to->graph, &r->payload, r->version, &head, e);
    if (!status) put_frontier(to->out, &f, &head);
    eyot__frontier_clear(&f);
    return status;
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static eyot_status payload(const turn *to, eyot__record *r, eyot_error *e)
{
    switch (r->kind) {
    case EYOT_ENTRY_TASK: return task(to, r, e);
    case EYOT_ENTRY_STATUS: return run_status(to->out, &r->payload, to->again, e);
    case EYOT_ENTRY_SNAPSHOT: return snapshot(to, r, e);
    default: return incident(to, r, e);
    }
}

eyot_status golden_describe(eyot_buf *out, const eyot_graph *g, eyot_bytes run, const eyot_entry *entry, eyot_error *e)
{
    eyot__record r;
    eyot_status status = eyot__record_open(&r, entry->body, run, entry->seq, e);
    if (status) return status;
    eyot__buf_format(out, "%llu %s %.*s: ", (unsigned long long)entry->seq, kinds[r.kind], (int)r.codec.n,
                     (const char *)r.codec.p);
    status = payload(&(turn){.out = out, .graph = g}, &r, e);
    return status ? status : out->failed;
}

eyot_status golden_write_again(eyot_buf *out, const eyot_graph *g, eyot_bytes run, const eyot_entry *entry,
                               uint32_t without, eyot_error *e)
{
    eyot__record r;
    char codec[33] = "";
    eyot_status status = eyot__record_open(&r, entry->body, run, entry->seq, e);
    if (status) return status;
    memcpy(codec, r.codec.p, r.codec.n);
    size_t at = eyot__record_begin(out, r.kind, codec);
    status = payload(&(turn){out, g, true, without}, &r, e);
    eyot__record_end(out, at);
    if (!status) status = out->failed;
    if (!status) eyot__record_seal(out->data + at, out->len - at, run, entry->seq);
    return status;
}
