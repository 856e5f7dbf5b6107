/* SPDX-License-Identifier: MIT */
/* Does a run do again what its log says? The log is replayed; before a recorded task is done again, its node runs with the state, the
 * answers and the recorded values that it had, and what it gives is compared with the record. Then the record counts, so that
 * one difference does not lead to others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/replay.h>

#include "core/changes.h"
#include "core/options.h"
#include "core/past.h"
#include "core/record.h"
#include "core/replay.h"

/* Why the last attempt of a live task failed: its rescue is given that. */
typedef struct failure {
    const eyot__activation *of;
    eyot_status status;
    char text[sizeof(((eyot_error *)0)->text)];
} failure;

typedef struct verifying {
    eyot__replay replay;
    eyot__rebuilt built;
    eyot_verify_options options;
    eyot_store *store;
    eyot_run *run; /* no run of the store: what the nodes see */
    uint64_t head;
    eyot__replayed told;
    bool *comparable; /* of each node of the graph: its records were made by it as it is now */
    failure *failures;
    size_t n_failures, cap_failures;
    eyot_verify_result result;
    eyot_buf key, pointer, expected, got; /* of the task that is compared; texts, each with a NUL in the end */
    bool ended;                           /* by the listener */
    eyot_error differs;                   /* the first difference */
} verifying;

const char *eyot_verdict_name(eyot_verdict verdict)
{
    switch (verdict) {
    case EYOT_SAME: return "same";
    case EYOT_NOT_COMPARED: return "not compared";
    case EYOT_OTHER_UPDATE: return "other update";
    case EYOT_OTHER_ROUTE: return "other route";
    case EYOT_OTHER_END: return "other end";
    case EYOT_MISSING_TASK: return "missing task";
    case EYOT_STRAY_TASK: return "stray task";
    }
    return "unknown";
}

static const char *text_of(eyot_buf *buf)
{
    return eyot_buf_data(buf, NULL);
}

static bool no_memory_for(const verifying *v)
{
    return v->key.failed || v->pointer.failed || v->expected.failed || v->got.failed;
}

/* ---- what is told ----------------------------------------------------------------------------------------------- */

/* Kept beside what the replay tells: it needs no entry's number before it. */
static eyot_status told_as_error(verifying *v, const eyot_verified_task *d)
{
    enum { SHOWN = 60 };
    eyot_error *e = &v->differs;
    const char *what = d->verdict == EYOT_OTHER_UPDATE ? "update" : d->verdict == EYOT_OTHER_ROUTE ? "route" : "end";
    if (d->verdict == EYOT_MISSING_TASK || d->verdict == EYOT_STRAY_TASK)
        return eyot_error_set(e, EYOT_EDIFFERS, "run %s, step %llu, %.80s: %s", v->run->id, (unsigned long long)d->step,
                              d->task, d->got);
    return eyot_error_set(e, EYOT_EDIFFERS, "run %s, step %llu, %.80s: %s%s%.40s: %.*s expected, got %.*s", v->run->id,
                          (unsigned long long)d->step, d->task, what, d->pointer[0] ? " at " : "", d->pointer, SHOWN,
                          d->expected[0] ? d->expected : "nothing", SHOWN, d->got[0] ? d->got : "nothing");
}

static eyot_status tell(verifying *v, const char *node, eyot_verdict verdict, eyot_error *e)
{
    if (no_memory_for(v)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    eyot_verified_task d = {.size = sizeof d, .seq = v->built.seq, .step = v->built.steps, .node = node};
    d.task = text_of(&v->key);
    d.verdict = verdict;
    d.pointer = text_of(&v->pointer);
    d.expected = text_of(&v->expected);
    d.got = text_of(&v->got);
    v->result.compared += verdict != EYOT_NOT_COMPARED && verdict != EYOT_MISSING_TASK && verdict != EYOT_STRAY_TASK;
    v->result.not_compared += verdict == EYOT_NOT_COMPARED;
    eyot_status status = v->options.fn ? v->options.fn(v->options.arg, &d) : EYOT_OK;
    v->ended = status != EYOT_OK;
    if (status || verdict == EYOT_SAME || verdict == EYOT_NOT_COMPARED) return status;
    return told_as_error(v, &d);
}

static void begin_task(verifying *v, const eyot__who *who)
{
    eyot__buf_reset(&v->key);
    eyot__buf_reset(&v->pointer);
    eyot__buf_reset(&v->expected);
    eyot__buf_reset(&v->got);
    eyot__key_print(&v->key, v->run->graph, who);
}

static void put_value(eyot_buf *out, const eyot_graph *g, const void *value)
{
    if (!value) return;
    if (g->copier->print) {
        eyot_status status = g->copier->print(value, out, g->copier_user);
        if (status && !out->failed) out->failed = status;
        return;
    }
    eyot_buf raw = EYOT__BUF_INIT;
    eyot_status status = g->copier->encode(value, &raw, g->copier_user);
    for (size_t i = 0; !status && i < raw.len; i++) eyot__buf_format(out, "%02x", raw.data[i]);
    if (status && !out->failed) out->failed = status;
    eyot__buf_clear(&raw);
}

/* Two values of which at least one is there. */
static void put_difference(verifying *v, const void *expected, const void *got)
{
    const eyot_graph *g = v->run->graph;
    if (!expected || !got || !g->copier->difference) {
        put_value(&v->expected, g, expected);
        put_value(&v->got, g, got);
    } else if (g->copier->difference(expected, got, &v->pointer, &v->expected, &v->got, g->copier_user)) {
        v->got.failed = EYOT_ENOMEM;
    }
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static eyot_verdict other_end(verifying *v, const char *got)
{
    eyot__buf_text(&v->expected, "done");
    eyot__buf_text(&v->got, got);
    return EYOT_OTHER_END;
}

static const char *target(const eyot_graph *g, const eyot__taken *t)
{
    return g->nodes[g->edges[t->edge].to].id;
}

/* "report, count[3]": where a task's branch went. */
static void put_route(eyot_buf *out, const eyot_graph *g, const eyot__taken *taken, size_t n)
{
    for (size_t i = 0, items; i < n; i += items) {
        for (items = 1; taken[i].item && i + items < n && taken[i + items].edge == taken[i].edge;) items++;
        eyot__buf_format(out, "%s%s", i > 0 ? ", " : "", target(g, &taken[i]));
        if (taken[i].item) eyot__buf_format(out, "[%zu]", items);
    }
    if (n == 0) eyot__buf_text(out, "its end");
}

/* What `e` tells counts instead of the verdict. */
static bool is_same(const eyot_graph *g, const void *expected, const void *got, eyot_error *e)
{
    bool same;
    eyot_status status = eyot__same_value(g, expected, got, &same);
    if (status) eyot_error_set(e, status, "two values could not be compared: %s", eyot_status_text(status));
    return same;
}

static eyot_verdict compare_route(verifying *v, const eyot__taken *expected, size_t n_expected, const eyot__taken *got,
                                  size_t n, eyot_error *e)
{
    const eyot_graph *g = v->run->graph;
    bool same = n == n_expected;
    for (size_t i = 0; i < n && same; i++)
        same = expected[i].edge == got[i].edge && (expected[i].item != NULL) == (got[i].item != NULL);
    if (!same) {
        put_route(&v->expected, g, expected, n_expected);
        put_route(&v->got, g, got, n);
        return EYOT_OTHER_ROUTE;
    }
    for (size_t i = 0, first = 0; i < n; i++) {
        if (expected[i].edge != expected[first].edge) first = i;
        if (!got[i].item || is_same(g, expected[i].item, got[i].item, e)) continue;
        eyot__buf_format(&v->pointer, "/%s/%zu", target(g, &got[i]), i - first);
        put_difference(v, expected[i].item, got[i].item);
        return EYOT_OTHER_ROUTE;
    }
    return EYOT_SAME;
}

/* `taken` NULL: all out-edges, plainly. */
static eyot_verdict compare(verifying *v, const eyot_task *t, const eyot__task_entry *record, const eyot__taken *taken,
                            size_t n, eyot_error *e)
{
    const eyot_graph *g = v->run->graph;
    if ((t->update || record->update) && (!t->update || !record->update || !is_same(g, record->update, t->update, e))) {
        put_difference(v, record->update, t->update);
        return EYOT_OTHER_UPDATE;
    }
    if (taken) return compare_route(v, record->taken, record->n_taken, taken, n, e);
    eyot__taken *plain = calloc(n + 1, sizeof *plain);
    for (size_t i = 0; i < n && plain; i++) plain[i].edge = g->shape->nodes[t->a.who.node].out[i];
    eyot_verdict verdict = plain ? compare_route(v, record->taken, record->n_taken, plain, n, e) : EYOT_SAME;
    if (!plain) eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    free(plain);
    return verdict;
}

/* ---- running a node --------------------------------------------------------------------------------------------- */

static const failure *failure_of(const verifying *v, const eyot__activation *a)
{
    for (size_t i = 0; i < v->n_failures; i++)
        if (v->failures[i].of == a) return &v->failures[i];
    return NULL;
}

static void forget_failure(verifying *v, const eyot__activation *a)
{
    for (size_t i = 0; i < v->n_failures; i++)
        if (v->failures[i].of == a) v->failures[i--] = v->failures[--v->n_failures];
}

eyot_status eyot__replay_completed(eyot_run *r)
{
    pthread_mutex_lock(&r->lock);
    r->replayed->completed = true; /* from the unlock on the run may be gone */
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    return EYOT_OK;
}

/* A task that was completed by its rescue bears the number of the attempt that failed. */
static bool was_rescued(const eyot_task *t, const eyot__task_entry *record)
{
    const eyot__policy *policy = t->run->graph->nodes[t->a.who.node].policy;
    return policy && policy->rescue && t->a.memo && t->a.memo->failed == record->attempt;
}

static eyot_status call(verifying *v, eyot_task *t, const failure *failed)
{
    eyot_run *r = v->run;
    const eyot__gnode *node = &r->graph->nodes[t->a.who.node];
    if (failed) return node->policy->rescue(t, failed->status, failed->text, node->user);
    v->told.completed = false;
    eyot_status status = node->fn(t, node->user);
    if (status != EYOT_PENDING) return status;
    (void)eyot__task_returns(t, &status); /* nobody abandons it */
    if (status != EYOT_PENDING) return status;
    pthread_mutex_lock(&r->lock);
    while (!v->told.completed) pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return (eyot_status)t->status;
}

/* What the node returned, when that is not the end of a task that is done. */
static eyot_verdict odd_end(verifying *v, const eyot_task *t, eyot_status status)
{
    const char *text = t->said && t->said->text[0] ? t->said->text : eyot_status_text(status);
    const eyot__wait *open = eyot__memo_question(&t->a); /* of a log that lacks the answer */
    const char *question = open ? open->question : t->aside ? t->aside->question : NULL;
    char line[sizeof t->said->text + 40];
    if (status == EYOT_SUSPENDED && eyot__wait_has(t))
        snprintf(line, sizeof line, question ? "a question: \"%s\"" : "a sleep", question ? question : "");
    else if (status > 0)
        snprintf(line, sizeof line, "status %d of the node", (int)status);
    else
        snprintf(line, sizeof line, "%s", text);
    return other_end(v, line);
}

/* Has it recorded and awaited what the attempt that was committed had? What came before a wait is of an earlier attempt, maybe,
 * once one has failed; unless more was recorded behind it. */
static eyot_verdict compare_outside(verifying *v, const eyot_task *t, const eyot__task_entry *record)
{
    static const eyot__memo none;
    const eyot__memo *memo = t->a.memo ? t->a.memo : &none;
    bool all = memo->failed == 0 || record->told.n > 0;
    size_t told = t->said ? t->said->n_told : 0, known = all ? (size_t)memo->told.n + record->told.n : 0;
    uint32_t waits = memo->failed == 0 ? memo->n : 0;
    char line[100];
    if (told >= known && t->asked >= waits) return EYOT_SAME;
    snprintf(line, sizeof line, "%zu recorded values of %zu, %u waits of %u", told, known, (unsigned)t->asked,
             (unsigned)waits);
    return other_end(v, line);
}

/* An attempt without memory tells nothing, and ends all. */
static eyot_verdict judge(verifying *v, eyot_task *t, const eyot__task_entry *record, eyot_status status, eyot_error *e)
{
    eyot__taken few[EYOT__TAKEN_FEW], *taken = few;
    size_t n = 0;
    eyot_error own;
    eyot__error_none(&own);
    bool ended = status && !t->failed;
    if (!ended) status = eyot__task_settle(t, few, &taken, &n, &own);
    if (status == EYOT_ENOMEM) eyot_error_set(e, status, "out of memory");
    if (ended) return odd_end(v, t, status);
    if (status) return other_end(v, own.text[0] ? own.text : eyot_status_text(status));
    eyot_verdict verdict = compare(v, t, record, taken, n, e);
    eyot__taken_clear(&v->run->frontier.history, taken, taken ? n : 0);
    if (taken && taken != few) free(taken);
    return verdict != EYOT_SAME || v->told.live ? verdict : compare_outside(v, t, record);
}

static eyot_status run_again(verifying *v, eyot__activation *a, const eyot__task_entry *record, eyot_error *e)
{
    eyot_run *r = v->run;
    eyot_task *t = (eyot_task *)(void *)a;
    eyot__state *before = eyot__state_ref(a->state);
    eyot_error own;
    eyot__error_none(&own);
    eyot__task_init(t, r);
    t->attempt = (uint32_t)record->attempt;
    v->told.told = &record->told;
    const failure *failed = was_rescued(t, record) ? failure_of(v, a) : NULL;
    eyot_verdict verdict = EYOT_NOT_COMPARED;
    if (!v->comparable[a->who.node])
        eyot__buf_text(&v->got, "its node has another version than it had");
    else if (was_rescued(t, record) && !failed)
        eyot__buf_text(&v->got, "its last failure stands before the checkpoint");
    else
        verdict = judge(v, t, record, call(v, t, failed), &own);
    pthread_mutex_lock(&r->lock);
    eyot__task_clear(t);
    eyot__aside_free(t);
    pthread_mutex_unlock(&r->lock);
    eyot__state_unref(a->state, &r->frontier.history);
    a->state = before;
    forget_failure(v, a);
    if (own.status) return eyot_error_set(e, own.status, "%s", own.text);
    return tell(v, r->graph->nodes[a->who.node].id, verdict, e);
}

/* ---- tasks that are not where they should be ------------------------------------------------------------------------ */

typedef struct searching {
    const eyot_buf *key;
    bool found;
} searching;

static eyot_status see_key(void *arg, const eyot_entry *entry)
{
    searching *s = arg;
    s->found = entry->kind == EYOT_ENTRY_TASK && entry->key.n == s->key->len &&
               memcmp(entry->key.p, s->key->data, s->key->len) == 0;
    return s->found ? EYOT_EALREADY : EYOT_OK;
}

static eyot_status comes_later(verifying *v, bool *later, eyot_error *e)
{
    searching s = {.key = &v->key};
    eyot_status status = eyot__walk_entries(v->store, v->replay.run, v->built.seq, v->head, see_key, &s, e);
    *later = s.found;
    return s.found ? EYOT_OK : status;
}

/* Does `to` follow directly from `a` over this edge? */
static eyot_status is_next(const eyot_graph *g, const eyot__activation *a, uint32_t number, const eyot__who *to,
                           bool *next)
{
    const eyot__tedge *edge = &g->shape->edges[number];
    eyot__arrival from = {.edge = edge->in_index, .stamp = a->who.stamp, .path = a->who.path};
    const eyot__path *last = to->path;
    const eyot__way *way;
    eyot__who who;
    if (last && last->kind == EYOT__PART_EDGE) last = last->parent;
    if (edge->sends && last && last->kind == EYOT__PART_SENT) from.index = (uint64_t)last->c[0];
    if (eyot__target(g->shape, number, edge->to, edge->sends, &from, &who, &way)) return EYOT_ENOMEM;
    *next = eyot__who_compare(&who, to) == 0;
    eyot__who_clear(&who);
    return EYOT_OK;
}

/* How near: 2 directly, 1 by others, 0 not at all. */
static eyot_status leads_to(const eyot_graph *g, const eyot__activation *a, const eyot__who *to, int *near)
{
    bool next = false, failed = false;
    uint32_t edge = eyot__graph_edge_to(g, a->who.node, to->node);
    eyot_status status = edge == UINT32_MAX ? EYOT_OK : is_next(g, a, edge, to, &next);
    *near = next ? 2
                 : eyot__topology_can_reach(g->shape, a->who.node, eyot__stamp_counters(a->who.stamp), to->node,
                                            eyot__stamp_counters(to->stamp), &failed);
    return failed ? EYOT_ENOMEM : status;
}

/* Of the live tasks that the rest of the log does not have, the one that `who` is nearest to, then the first in the order of keys;
 * none that does not lead to it. `who` NULL: any of them. v->key is its key. */
static eyot_status find_missing(verifying *v, const eyot__who *who, const eyot__activation **out, eyot_error *e)
{
    const eyot_graph *g = v->run->graph;
    int nearest = 0;
    *out = NULL;
    for (const eyot__activation *a = v->run->frontier.live; a; a = a->next) {
        int near = 1;
        bool later;
        if (who && leads_to(g, a, who, &near)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        bool better = near > nearest || (*out && near == nearest && eyot__who_compare(&a->who, &(*out)->who) < 0);
        if (!better) continue;
        begin_task(v, &a->who);
        eyot_status status = v->key.failed ? EYOT_ENOMEM : comes_later(v, &later, e);
        if (status) return v->key.failed ? eyot_error_set(e, status, "out of memory") : status;
        if (later) continue;
        *out = a;
        nearest = near;
    }
    if (*out) begin_task(v, &(*out)->who);
    return EYOT_OK;
}

/* `who` NULL: the run is done without it. */
static eyot_status out_of_place(verifying *v, const eyot__who *who, eyot_error *e)
{
    const eyot_graph *g = v->run->graph;
    const eyot__activation *missing;
    eyot_status status = find_missing(v, who, &missing, e);
    if (status) return status;
    if (missing && who) {
        eyot__buf_text(&v->got, "it is missing; what follows without it is ");
        eyot__key_print(&v->got, g, who);
        return tell(v, g->nodes[missing->who.node].id, EYOT_MISSING_TASK, e);
    }
    if (missing) {
        eyot__buf_text(&v->got, "it is missing, and the run is done without it");
        return tell(v, g->nodes[missing->who.node].id, EYOT_MISSING_TASK, e);
    }
    if (!who) return EYOT_OK;
    begin_task(v, who);
    eyot__buf_text(&v->got, "nothing before it leads to it");
    return tell(v, g->nodes[who->node].id, EYOT_STRAY_TASK, e);
}

/* ---- the replay's hooks ------------------------------------------------------------------------------------------ */

static eyot_status on_task(void *arg, eyot__activation *a, const eyot__task_entry *record, eyot_error *e)
{
    verifying *v = arg;
    if (!a) return out_of_place(v, &record->who, e);
    begin_task(v, &record->who);
    return run_again(v, a, record, e);
}

static eyot_status on_incident(void *arg, eyot__activation *a, const eyot__incident *in, eyot_entry_kind kind,
                               eyot_error *e)
{
    verifying *v = arg;
    if (!a) return out_of_place(v, &in->who, e);
    if (kind != EYOT_ENTRY_ATTEMPT) return EYOT_OK;
    forget_failure(v, a);
    if (v->n_failures == v->cap_failures) {
        size_t cap = v->cap_failures ? v->cap_failures * 2 : 8;
        failure *more = realloc(v->failures, cap * sizeof *more);
        if (!more) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        v->failures = more;
        v->cap_failures = cap;
    }
    failure *f = &v->failures[v->n_failures++];
    *f = (failure){.of = a, .status = in->status};
    size_t len = in->text_len < sizeof f->text - 1 ? in->text_len : sizeof f->text - 1;
    if (len) memcpy(f->text, in->text, len);
    return EYOT_OK;
}

static void on_renewal(void *arg)
{
    ((verifying *)arg)->n_failures = 0;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static eyot_status go_through(verifying *v, eyot_error *e)
{
    uint64_t seq = 0;
    eyot_status status = eyot__past_find_beginning(v->store, v->replay.run, v->head, v->options.from, &seq, e);
    if (!status) status = eyot__replay_load(&v->replay, v->store, seq, e);
    if (status) return status;
    memcpy(v->run->seed, v->built.seed, sizeof v->run->seed);
    v->run->seeded = true;
    v->replay.lasts = true;
    v->replay.before = on_task;
    v->replay.befallen = on_incident;
    v->replay.renewed = on_renewal;
    status = eyot__walk_entries(v->store, v->replay.run, v->built.seq + 1, v->head, eyot__replay_entry, &v->replay, e);
    if (status && v->replay.told.status && e && !v->ended) *e = v->replay.told;
    if (!status && v->built.status == EYOT_RUN_DONE) status = out_of_place(v, NULL, e);
    if (v->differs.status && e) *e = v->differs;
    return status;
}

static void verifying_clear(verifying *v)
{
    (void)eyot__replay_end(&v->replay, NULL);
    if (v->run) eyot__run_free_now(v->run);
    eyot__buf_clear(&v->key);
    eyot__buf_clear(&v->pointer);
    eyot__buf_clear(&v->expected);
    eyot__buf_clear(&v->got);
    free(v->failures);
    free(v->comparable);
}

static eyot_status make_run(verifying *v, eyot_engine *engine, const eyot_graph *g, const char *run_id, eyot_error *e)
{
    eyot_run_options plain = EYOT_RUN_OPTIONS_INIT;
    eyot_run *r = v->run = eyot__run_new(engine, g, &plain);
    if (!r) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    r->stored = false;
    r->id_len = strlen(run_id);
    memcpy(r->id, run_id, r->id_len + 1);
    r->replayed = &v->told;
    v->told.live = v->options.flags & EYOT_VERIFY_LIVE;
    eyot__history_release(&r->frontier.history, r->frontier.history.root);
    v->replay.f = &r->frontier;
    v->replay.out = &v->built;
    v->replay.run = eyot__bytes(r->id, r->id_len);
    v->replay.activation_size = sizeof(eyot_task);
    v->replay.arg = v;
    return EYOT_OK;
}

eyot_status eyot_run_verify(eyot_engine *engine, const eyot_graph *g, const char *run_id,
                            const eyot_verify_options *options, eyot_verify_result *result, eyot_error *e)
{
    verifying v = {.store = engine ? engine->store : NULL};
    if (!v.store) return eyot_error_set(e, EYOT_EINVAL, "the engine has no store");
    if (eyot__options_read(&v.options, sizeof v.options, options) || v.options.flags > 3 || v.options.reserved)
        return eyot_error_set(e, EYOT_EINVAL, "a verify option has an unknown value");
    if (result && (result->size < sizeof result->size || result->size > sizeof v.result))
        return eyot_error_set(e, EYOT_EINVAL, "a verify result of another size");
    eyot_status status = eyot__past_check_with(v.store, g, run_id, v.options.flags & EYOT_VERIFY_CHANGED, &v.head, e);
    if (!status) status = make_run(&v, engine, g, run_id, e);
    if (status) return status;
    v.comparable = calloc(g->n_nodes + 1, sizeof *v.comparable);
    status = v.comparable ? eyot__changes_comparable(v.store, run_id, g, v.comparable, e)
                          : eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    if (!status) status = go_through(&v, e);
    if (result) {
        v.result.size = result->size;
        memcpy(result, &v.result, result->size);
    }
    verifying_clear(&v);
    return status;
}
