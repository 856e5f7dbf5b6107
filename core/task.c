/* SPDX-License-Identifier: MIT */
/* What a node function sees, and what becomes of what it gave. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run.h"

void eyot__task_init(eyot_task *t, eyot_run *run)
{
    /* In two steps: one of this size would become a `rep stos`, which costs more than all the rest of a short task's way. */
    memset((char *)t + sizeof t->a, 0, offsetof(eyot_task, n_sends) - sizeof t->a);
    memset(&t->n_sends, 0, sizeof *t - offsetof(eyot_task, n_sends));
    t->run = run;
    t->attempt = t->a.memo ? t->a.memo->failed + 1 : 1;
}

void eyot__task_again(eyot_task *t)
{
    eyot__aside *aside = t->aside;
    eyot__task_clear(t);
    eyot__task_init(t, t->run);
    t->aside = aside;
}

static const eyot__history *history_of(const eyot_task *t)
{
    return &t->run->frontier.history;
}

static void free_value(const eyot_task *t, void *v)
{
    if (v) t->run->graph->copier->free(v, t->run->graph->copier_user);
}

void eyot__task_clear_all(eyot_task *t)
{
    free_value(t, t->update);
    for (uint32_t i = 0; i < t->n_sends; i++) free_value(t, t->sends[i].item);
    free(t->sends);
    free(t->key);
    if (t->said) {
        eyot__buf_clear(&t->said->events);
        eyot__outside_clear(&t->said->told);
    }
    free(t->said);
    eyot__state_unref(t->edit, history_of(t));
    t->update = NULL;
    t->sends = NULL;
    t->n_sends = t->cap_sends = 0;
    t->key = NULL;
    t->said = NULL;
    t->edit = NULL;
    t->touched = false;
}

/* ---- what the node calls --------------------------------------------------------------------------------------- */

const void *eyot_task_state(const eyot_task *task)
{
    return task->edit && !task->edited ? task->edit->value : task->a.state->value;
}

eyot_status eyot_task_update(eyot_task *task, void *update_take)
{
    if (!update_take) return EYOT_EINVAL;
    if (task->update || task->edited) {
        free_value(task, update_take);
        return EYOT_EINVAL;
    }
    task->update = update_take;
    task->touched = true;
    return EYOT_OK;
}

void *eyot_task_update_withdraw(eyot_task *task)
{
    void *update = task->update;
    task->update = NULL;
    return update;
}

void *eyot_task_edit(eyot_task *task)
{
    const eyot_copier *c = task->run->graph->copier;
    task->touched = true;
    if (task->edited) return task->edit->value;
    eyot_status status = c->diff ? task->update ? EYOT_EINVAL : EYOT_OK : EYOT_ENOTSUP;
    void *copy = NULL;
    if (!status) status = c->copy(task->a.state->value, &copy, task->run->graph->copier_user);
    eyot__state *edit = status ? NULL : eyot__state_new(copy, history_of(task));
    if (!edit) {
        task->failed = status ? (int)status : EYOT_ENOMEM;
        return NULL;
    }
    eyot__state_unref(task->edit, history_of(task));
    task->edit = edit;
    task->edited = true;
    return edit->value;
}

eyot_status eyot_task_preview(eyot_task *task, void **state, eyot_error *e)
{
    const eyot_copier *c = task->run->graph->copier;
    void *user = task->run->graph->copier_user;
    *state = NULL;
    if (task->edited) return eyot_error_set(e, EYOT_EINVAL, "the task edits its state: there is no update yet");
    eyot_status status = c->copy(task->a.state->value, state, user);
    if (status) *state = NULL;
    if (!status && task->update) status = c->apply(state, task->update, e, user);
    if (status == EYOT_ENOMEM) eyot_error_set(e, status, "out of memory");
    if (status && *state) {
        c->free(*state, user);
        *state = NULL;
    }
    return status;
}

static eyot_status add_send(eyot_task *t, uint32_t edge, void *item_take)
{
    t->touched = true;
    if (t->n_sends == t->cap_sends) {
        uint32_t cap = t->cap_sends ? t->cap_sends * 2 : 4;
        eyot__taken *sends = realloc(t->sends, cap * sizeof *sends);
        if (!sends) {
            free_value(t, item_take);
            t->failed = EYOT_ENOMEM;
            return EYOT_ENOMEM;
        }
        t->sends = sends;
        t->cap_sends = cap;
    }
    t->sends[t->n_sends++] = (eyot__taken){.edge = edge, .item = item_take};
    return EYOT_OK;
}

/* The edge to a node named by the task; a wrong one is remembered and fails the task when it ends. */
static uint32_t named_edge(eyot_task *t, const char *to)
{
    const eyot_graph *g = t->run->graph;
    uint32_t node = to ? eyot__graph_find(g, to, strlen(to)) : UINT32_MAX;
    uint32_t edge = node == UINT32_MAX ? UINT32_MAX : eyot__graph_edge_to(g, t->a.who.node, node);
    if (edge == UINT32_MAX && !t->failed) {
        eyot_task_fail(t, "no edge from \"%s\" to \"%.64s\" is declared", g->nodes[t->a.who.node].id,
                       to ? to : "(null)");
        t->failed = EYOT_ENOROUTE;
    }
    return edge;
}

eyot_status eyot_task_route(eyot_task *task, const char *to)
{
    uint32_t edge = named_edge(task, to);
    if (edge == UINT32_MAX) return EYOT_OK;
    if (task->run->graph->edges[edge].kind == EYOT__EDGE_EACH) {
        eyot_task_fail(task, "the edge from \"%s\" to \"%s\" carries items: send them",
                       task->run->graph->nodes[task->a.who.node].id, to);
        task->failed = EYOT_ENOROUTE;
        return EYOT_OK;
    }
    task->named = true;
    return add_send(task, edge, NULL);
}

eyot_status eyot_task_end(eyot_task *task)
{
    task->ended = task->touched = true;
    return EYOT_OK;
}

eyot_status eyot_task_send(eyot_task *task, const char *to, void *item_take)
{
    if (!item_take) return EYOT_EINVAL;
    uint32_t edge = named_edge(task, to);
    if (edge != UINT32_MAX && task->run->graph->edges[edge].kind != EYOT__EDGE_EACH && !task->failed) {
        eyot_task_fail(task, "the edge from \"%s\" to \"%s\" carries no items",
                       task->run->graph->nodes[task->a.who.node].id, to);
        task->failed = EYOT_ENOROUTE;
    }
    if (edge == UINT32_MAX || task->failed) {
        free_value(task, item_take);
        return EYOT_OK;
    }
    return add_send(task, edge, item_take);
}

eyot__said *eyot__said_of(eyot_task *t)
{
    if (t->said) return t->said;
    t->said = calloc(1, sizeof *t->said);
    t->touched = true;
    return t->said;
}

eyot_status eyot_task_fail(eyot_task *task, const char *fmt, ...)
{
    eyot_error e;
    char text[sizeof e.text];
    eyot__said *said = eyot__said_of(task);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    eyot_error_set(&e, EYOT_EFAILED, "%s", text);
    if (!said) return EYOT_ENOMEM;
    memcpy(said->text, e.text, sizeof said->text);
    return EYOT_EFAILED;
}

bool eyot_task_cancelled(const eyot_task *task)
{
    return atomic_load_explicit(&task->run->cancelled, memory_order_relaxed) ||
           atomic_load_explicit(&task->verdict, memory_order_relaxed) == EYOT__VERDICT_TIMEOUT;
}

const char *eyot_task_key(eyot_task *task)
{
    if (task->key) return task->key;
    task->touched = true;
    eyot_buf key = EYOT__BUF_INIT;
    eyot__key_print(&key, task->run->graph, &task->a.who);
    eyot__buf_u8(&key, 0);
    if (key.failed) {
        eyot__buf_clear(&key);
        return NULL;
    }
    return task->key = (char *)key.data;
}

bool eyot_task_routed(const eyot_task *task)
{
    return task->ended || task->named || task->n_sends > 0;
}

const char *eyot_task_node(const eyot_task *task)
{
    return task->run->graph->nodes[task->a.who.node].id;
}
const char *eyot_task_run_id(const eyot_task *task)
{
    return eyot_run_id(task->run);
}
uint32_t eyot_task_attempt(const eyot_task *task)
{
    return task->attempt;
}
uint64_t eyot_task_fence(const eyot_task *task)
{
    return task->run->epoch;
}
eyot_engine *eyot_task_engine(const eyot_task *task)
{
    return task->run->engine;
}

/* ---- what becomes of it ---------------------------------------------------------------------------------------- */

eyot_status eyot__same_value(const eyot_graph *g, const void *a, const void *b, bool *same)
{
    if (g->copier->equal) {
        *same = g->copier->equal(a, b, g->copier_user);
        return EYOT_OK;
    }
    eyot_buf x = EYOT__BUF_INIT, y = EYOT__BUF_INIT;
    eyot_status status = g->copier->encode(a, &x, g->copier_user);
    if (!status) status = g->copier->encode(b, &y, g->copier_user);
    *same = !status && x.len == y.len && (x.len == 0 || memcmp(x.data, y.data, x.len) == 0);
    eyot__buf_clear(&x);
    eyot__buf_clear(&y);
    return status;
}

/* The debug option: the copy that the node was given is still what the state is. */
static eyot_status check_input(const eyot_task *t, eyot_error *e)
{
    bool same;
    eyot_status status = eyot__same_value(t->run->graph, t->edit->value, t->a.state->value, &same);
    if (status)
        return eyot_error_set(e, status, "the node's input could not be compared: %s", eyot_status_text(status));
    return same ? EYOT_OK
                : eyot_error_set(e, EYOT_EINVAL, "the node changed its input in place; it must give an update");
}

static eyot_status settle_update(eyot_task *t, eyot_error *e)
{
    const eyot_graph *g = t->run->graph;
    eyot_status status = EYOT_OK;
    if (t->edited) {
        status = g->copier->diff(t->a.state->value, t->edit->value, &t->update, e, g->copier_user);
    } else if (t->edit) {
        status = check_input(t, e);
    }
    if (!status && t->update) status = eyot__state_update(&t->a.state, t->update, history_of(t), e);
    return status;
}

/* By edge, within it in the order of the calls: a stable merge from `from` to `to`, n of each. */
static void merge_sends(const eyot__taken *from, eyot__taken *to, size_t n, size_t width)
{
    for (size_t at = 0; at < n; at += 2 * width) {
        size_t a = at, middle = at + width < n ? at + width : n, b = middle,
               end = at + 2 * width < n ? at + 2 * width : n;
        for (size_t k = at; k < end; k++)
            to[k] = b >= end || (a < middle && from[a].edge <= from[b].edge) ? from[a++] : from[b++];
    }
}

static eyot_status sort_sends(eyot_task *t)
{
    size_t n = t->n_sends, i = 1;
    while (i < n && t->sends[i - 1].edge <= t->sends[i].edge) i++;
    if (i >= n) return EYOT_OK; /* most tasks send along one edge */
    eyot__taken *other = malloc(n * sizeof *other);
    if (!other) return EYOT_ENOMEM;
    for (size_t width = 1; width < n; width *= 2) {
        merge_sends(t->sends, other, n, width);
        eyot__taken *sorted = other;
        other = t->sends;
        t->sends = sorted;
    }
    t->cap_sends = t->n_sends; /* the two may have changed places */
    free(other);
    return EYOT_OK;
}

static eyot_status condition(const eyot_task *t, const eyot__gedge *edge, bool *taken, eyot_error *e)
{
    eyot_error own;
    eyot__error_none(&own);
    *taken = false;
    eyot_status status = edge->condition(t->a.state->value, taken, edge->user, &own);
    if (!status) return EYOT_OK;
    return eyot_error_set(e, status, "condition %s of the edge to \"%s\": %s", edge->name,
                          t->run->graph->nodes[edge->to].id, own.text[0] ? own.text : eyot_status_text(status));
}

/* What was given for an edge, from the sorted list on: its items go to `out`; true if it was named. */
static bool take_given(eyot_task *t, uint32_t edge, size_t *next, eyot__taken *out, size_t *n)
{
    bool named = false;
    for (; *next < t->n_sends && t->sends[*next].edge == edge; ++*next) {
        eyot__taken *given = &t->sends[*next];
        named |= !given->item;
        if (given->item) out[(*n)++] = *given;
        given->item = NULL;
    }
    return named;
}

/* Every out-edge in order: what was named, or what its condition says; `otherwise` at the end of it. A node's out-edges
 * have rising numbers, so what was given is walked along with them. */
static eyot_status choose(eyot_task *t, const eyot__tnode *node, eyot__taken *out, size_t *n, eyot_error *e)
{
    const eyot_graph *g = t->run->graph;
    bool conditional = false;
    size_t next = 0;
    for (uint32_t i = 0; i < node->n_out; i++) {
        uint32_t edge = node->out[i];
        const eyot__gedge *ge = &g->edges[edge];
        size_t before = *n;
        bool taken = take_given(t, edge, &next, out, n);
        conditional |= *n > before;
        if (!t->named) {
            taken = ge->kind == EYOT__EDGE_ALWAYS;
            if (ge->kind == EYOT__EDGE_IF) {
                eyot_status status = condition(t, ge, &taken, e);
                if (status) return status;
                conditional |= taken;
            }
        }
        if (taken) out[(*n)++] = (eyot__taken){.edge = edge};
    }
    for (uint32_t i = 0; i < node->n_out && !t->named && !conditional; i++)
        if (g->edges[node->out[i]].kind == EYOT__EDGE_OTHERWISE) out[(*n)++] = (eyot__taken){.edge = node->out[i]};
    return EYOT_OK;
}

static eyot_status choose_route(eyot_task *t, eyot__taken few[EYOT__TAKEN_FEW], eyot__taken **taken, size_t *n,
                                eyot_error *e)
{
    const eyot_graph *g = t->run->graph;
    const eyot__tnode *node = &t->run->frontier.shape->nodes[t->a.who.node];
    if (t->ended && t->n_sends > 0)
        return eyot_error_set(e, EYOT_EINVAL, "the node both ends its branch and routes it on");
    if (t->ended || node->n_out == 0) return EYOT_OK;
    if (g->nodes[t->a.who.node].plain && t->n_sends == 0) { /* most nodes */
        *taken = NULL;
        *n = node->n_out;
        return EYOT_OK;
    }
    size_t most = (size_t)node->n_out + t->n_sends;
    eyot__taken *out = most <= EYOT__TAKEN_FEW ? few : malloc(most * sizeof *out);
    if (!out) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    eyot_status status = sort_sends(t) ? eyot_error_set(e, EYOT_ENOMEM, "out of memory") : choose(t, node, out, n, e);
    if (!status && *n == 0)
        status =
            eyot_error_set(e, EYOT_ENOROUTE, "no route: no edge out of \"%s\" was taken", g->nodes[t->a.who.node].id);
    if (!status) status = eyot__taken_apply(history_of(t), t->a.state, out, *n, e);
    if (!status) {
        *taken = out;
        return EYOT_OK;
    }
    eyot__taken_clear(history_of(t), out, *n);
    if (out != few) free(out);
    *n = 0;
    return status;
}

eyot_status eyot__task_settle(eyot_task *t, eyot__taken few[EYOT__TAKEN_FEW], eyot__taken **taken, size_t *n_taken,
                              eyot_error *e)
{
    *taken = few;
    *n_taken = 0;
    if (t->failed)
        return eyot_error_set(e, (eyot_status)t->failed, "%s",
                              t->said && t->said->text[0] ? t->said->text : eyot_status_text((eyot_status)t->failed));
    /* Nothing of a failed attempt reaches the state: where choosing the way can fail, the old state is kept meanwhile. */
    bool safe = t->run->graph->nodes[t->a.who.node].plain && t->n_sends == 0 && !t->ended;
    eyot__state *before = safe ? NULL : eyot__state_ref(t->a.state);
    eyot_status status = settle_update(t, e);
    if (!status) status = choose_route(t, few, taken, n_taken, e);
    if (status && before) {
        eyot__state *changed = t->a.state;
        t->a.state = before;
        before = changed;
    }
    eyot__state_unref(before, history_of(t));
    return status;
}
