/* SPDX-License-Identifier: MIT */
#include "test/model/state.h"

#include <stdlib.h>

#include "test/eyot_test.h"

static char *copy_text(const char *text)
{
    size_t len = strlen(text) + 1;
    char *copy = malloc(len);
    if (copy) memcpy(copy, text, len);
    return copy;
}

model_state *model_state_new(void)
{
    model_state *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->sum = MODEL_ABSENT;
    for (int i = 0; i < MODEL_KEYS; i++) s->r[i] = MODEL_ABSENT;
    return s;
}

static void drop(void *v, void *user)
{
    (void)user;
    model_state *s = v;
    for (size_t i = 0; i < s->n_log; i++) free(s->log[i]);
    free(s->log);
    free(s->own);
    free(s);
}

static void add_log(model_state *s, const char *text)
{
    char **log = realloc(s->log, (s->n_log + 1) * sizeof *log);
    if (!log) abort();
    s->log = log;
    s->log[s->n_log++] = copy_text(text);
}

static eyot_status copy(const void *v, void **out, void *user)
{
    (void)user;
    const model_state *from = v;
    model_state *to = model_state_new();
    to->sum = from->sum;
    memcpy(to->r, from->r, sizeof to->r);
    for (size_t i = 0; i < from->n_log; i++) add_log(to, from->log[i]);
    to->own = from->own ? copy_text(from->own) : NULL;
    *out = to;
    return EYOT_OK;
}

/* sum and r as numbers, then the texts with their NULs: a count of log lines, the lines, then own if there is one. */
static eyot_status encode(const void *v, eyot_buf *out, void *user)
{
    (void)user;
    const model_state *s = v;
    uint64_t n = s->n_log;
    eyot_buf_add(out, &s->sum, sizeof s->sum);
    eyot_buf_add(out, s->r, sizeof s->r);
    eyot_status status = eyot_buf_add(out, &n, sizeof n);
    for (size_t i = 0; i < s->n_log; i++) status = eyot_buf_add(out, s->log[i], strlen(s->log[i]) + 1);
    if (s->own) status = eyot_buf_add(out, s->own, strlen(s->own) + 1);
    return status;
}

static eyot_status decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    (void)user;
    const char *p = bytes, *end = p + len;
    uint64_t n;
    model_state *s = model_state_new();
    const size_t head = sizeof s->sum + sizeof s->r + sizeof n;
    bool good = len >= head && (len == head || end[-1] == 0);
    if (good) {
        memcpy(&s->sum, p, sizeof s->sum);
        memcpy(s->r, p + sizeof s->sum, sizeof s->r);
        memcpy(&n, p + sizeof s->sum + sizeof s->r, sizeof n);
        for (p += head; n > 0 && p < end; n--, p += strlen(p) + 1) add_log(s, p);
        good = n == 0;
        if (good && p < end) s->own = copy_text(p);
    }
    if (good) {
        *out = s;
        return EYOT_OK;
    }
    drop(s, NULL);
    return eyot_error_set(e, EYOT_ECORRUPT, "not a state of the model");
}

static eyot_status apply(void **state, const void *update, eyot_error *e, void *user)
{
    (void)e;
    (void)user;
    model_state *s = *state;
    const model_state *u = update;
    for (size_t i = 0; i < u->n_log; i++) add_log(s, u->log[i]);
    if (u->sum != MODEL_ABSENT) s->sum = ((s->sum == MODEL_ABSENT ? 0 : s->sum) * 3 + u->sum) % 1000003;
    for (int i = 0; i < MODEL_KEYS; i++)
        if (u->r[i] != MODEL_ABSENT) s->r[i] = u->r[i];
    if (u->own) {
        free(s->own);
        s->own = copy_text(u->own);
    }
    return EYOT_OK;
}

static eyot_status conflict(const void *update, eyot_written_fn emit, void *arg, void *user)
{
    (void)user;
    static const char *const names[] = {"r0", "r1", "r2"};
    const model_state *u = update;
    for (int i = 0; i < MODEL_KEYS; i++) {
        if (u->r[i] == MODEL_ABSENT) continue;
        eyot_status status = emit(arg, names[i], 2, false);
        if (status) return status;
    }
    return EYOT_OK;
}

static eyot_status drop_local(void **state, void *user)
{
    (void)user;
    model_state *s = *state;
    free(s->own);
    s->own = NULL;
    return EYOT_OK;
}

static bool has_local(const void *v, void *user)
{
    (void)user;
    return ((const model_state *)v)->own != NULL;
}

#define MODEL_COPIER(conflict_slot)                                                                                   \
    {                                                                                                                 \
        .size = sizeof(eyot_copier), .name = "model/1", .copy = copy, .free = drop, .encode = encode,                 \
        .decode = decode, .apply = apply, .conflict = conflict_slot, .drop_local = drop_local, .has_local = has_local \
    }
const eyot_copier model_copier = MODEL_COPIER(conflict);
const eyot_copier model_copier_last = MODEL_COPIER(NULL);

model_state *model_update_of(const model_task *t)
{
    model_state *s = model_state_new();
    if (t->log) add_log(s, t->key);
    if (t->own) s->own = copy_text(t->key);
    s->sum = t->sum;
    memcpy(s->r, t->r, sizeof s->r);
    return s;
}

model_state *model_item(const char *name)
{
    model_state *s = model_state_new();
    s->own = copy_text(name);
    return s;
}

void model_check_state(const model_case *c, const model_state *s)
{
    if (s->own) test_fail(__FILE__, __LINE__, "case %llu: a local key is left", (unsigned long long)c->seed);
    if (s->n_log != c->n_log)
        test_fail(__FILE__, __LINE__, "case %llu: %zu log lines, not %u", (unsigned long long)c->seed, s->n_log,
                  c->n_log);
    for (uint32_t i = 0; i < c->n_log; i++)
        if (strcmp(s->log[i], c->log[i]) != 0)
            test_fail(__FILE__, __LINE__, "case %llu: log line %u is %s, not %s", (unsigned long long)c->seed, i,
                      s->log[i], c->log[i]);
    bool same = s->sum == c->sum;
    for (int i = 0; i < MODEL_KEYS; i++) same = same && s->r[i] == c->r[i];
    if (!same) test_fail(__FILE__, __LINE__, "case %llu: another sum or r", (unsigned long long)c->seed);
}

eyot_graph *model_build(const model_graph *m, const eyot_copier *copier, eyot_node_fn fn, void *user)
{
    eyot_graph *g;
    eyot_error e = {.status = EYOT_OK};
    char from[16], to[16];
    CHECK_OK(eyot_graph_new(&g, "model", copier));
    for (uint32_t i = 0; i < m->n_nodes; i++) {
        eyot_node_options options = EYOT_NODE_OPTIONS_INIT;
        if (m->each[i]) options.flags = EYOT_NODE_EACH;
        snprintf(from, sizeof from, "%u", i);
        eyot_graph_node_with(g, from, fn, user, &options);
    }
    for (uint32_t i = 0; i < m->n_edges; i++) {
        snprintf(from, sizeof from, "%u", m->edges[i].from);
        snprintf(to, sizeof to, "%u", m->edges[i].to);
        if (m->edges[i].sends)
            eyot_graph_edge_each(g, from, to);
        else
            eyot_graph_edge_routed(g, from, to);
    }
    for (uint32_t i = 0; i < m->n_starts; i++) {
        snprintf(from, sizeof from, "%u", m->starts[i]);
        eyot_graph_start(g, from);
    }
    if (eyot_graph_freeze(g, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return g;
}
