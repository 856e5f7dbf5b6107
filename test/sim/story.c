/* SPDX-License-Identifier: MIT */
/* A random graph, what its nodes do, and what comes of it when nothing disturbs it. What a task does depends on its key, its
 * state and its attempt only. */
#include "test/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

/* ---- states: how many updates, and a hash of them in their order. An update is one of them ------------------------- */

static eyot_status state_copy(const void *v, void **out, void *user)
{
    (void)user;
    *out = malloc(sizeof(sim_state));
    if (!*out) return EYOT_ENOMEM;
    memcpy(*out, v, sizeof(sim_state));
    return EYOT_OK;
}

static void state_free(void *v, void *user)
{
    (void)user;
    free(v);
}

static eyot_status state_encode(const void *v, eyot_buf *out, void *user)
{
    (void)user;
    void *pad = eyot_buf_reserve(out, sim.state_bytes);
    if (!pad) return EYOT_ENOMEM;
    memset(pad, 0, sim.state_bytes);
    memcpy(pad, v, sizeof(sim_state));
    eyot_buf_advance(out, sim.state_bytes);
    return EYOT_OK;
}

static eyot_status state_decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    if (len != sim.state_bytes) return eyot_error_set(e, EYOT_ECORRUPT, "a state has another length");
    return state_copy(bytes, out, user);
}

static eyot_status state_apply(void **state, const void *update, eyot_error *e, void *user)
{
    sim_state *s = *state;
    const sim_state *u = update;
    (void)e, (void)user;
    s->n += u->n;
    s->order = sim_mix(s->order, u->order);
    s->tasks |= u->tasks;
    return EYOT_OK;
}

static const eyot_copier copier = {
    .size = sizeof(eyot_copier),
    .name = "sim/1",
    .copy = state_copy,
    .free = state_free,
    .encode = state_encode,
    .decode = state_decode,
    .apply = state_apply,
};

static void *update_of(uint64_t word, int key)
{
    sim_state *s = malloc(sizeof *s);
    if (s) *s = (sim_state){1, word, UINT64_C(1) << key};
    return s;
}

void *sim_state_new(void)
{
    return calloc(1, sizeof(sim_state));
}

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

int sim_key_find(const char *key, size_t len)
{
    for (unsigned i = 0; i < sim.n_keys; i++)
        if (strncmp(sim.keys[i], key, len) == 0 && !sim.keys[i][len]) return (int)i;
    return -1;
}

const char *sim_key_text(int key)
{
    return sim.keys[key];
}

static uint64_t word_of(const char *key)
{
    uint64_t h = sim.seed;
    for (; *key; key++) h = (h ^ (unsigned char)*key) * UINT64_C(0x100000001b3);
    return sim_mix(h, 1);
}

const char *sim_answer(int key, char out[24])
{
    snprintf(out, 24, "%llx", (unsigned long long)word_of(sim.keys[key]));
    return out;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

enum { PLAIN, CHOOSES, SENDS, ROUTES, STYLES };

static unsigned number_of(const sim_node *node)
{
    return (unsigned)(node - sim.nodes);
}

/* The k-th node behind this one; NULL: there are not so many. */
static const sim_node *next_of(const sim_node *node, unsigned k)
{
    unsigned i = number_of(node);
    for (unsigned j = i + 1; j < sim.n_nodes; j++) {
        const sim_node *to = &sim.nodes[j];
        if (to->parents[0] != i && to->parents[1] != i) continue;
        if (k-- == 0) return to;
    }
    return NULL;
}

/* Its update, and where it goes. */
static eyot_status give(eyot_task *task, const sim_node *node, int key, uint64_t word)
{
    const sim_node *first = next_of(node, 0), *second = next_of(node, 1);
    eyot_status status = eyot_task_update(task, update_of(word, key));
    if (!first || status) return status;
    for (unsigned i = 0; node->style == SENDS && i < 1 + word % 3 && !status; i++)
        status = eyot_task_send(task, first->id, update_of(word + i, key));
    bool both = second && word % 3 == 0;
    if (node->style == ROUTES) status = eyot_task_route(task, second && word % 3 == 1 ? second->id : first->id);
    if (node->style == ROUTES && both && !status) status = eyot_task_route(task, second->id);
    return status;
}

typedef struct chore { /* of a thread that completes a task */
    eyot_task *task;
    const sim_node *node;
    sim_mark mark;
    uint64_t word;
    sim_process *process;
} chore;

static void *complete(void *arg)
{
    chore *c = arg;
    sim_sleep_ns(c->node->work_ms * SIM_MS + 1000);
    eyot_status status = give(c->task, c->node, c->mark.key, c->word);
    sim_task_ends(&c->mark, c->task, status == EYOT_OK);
    (void)eyot_task_complete(c->task, status);
    c->process->helpers--;
    free(c);
    return NULL;
}

static eyot_status leave_to_another(eyot_task *task, const sim_node *node, const sim_mark *mark, uint64_t word)
{
    chore *c = malloc(sizeof *c);
    if (!c) return EYOT_ENOMEM;
    *c = (chore){task, node, *mark, word, sim_self()->process};
    c->process->helpers++;
    sim_thread_start(c->process, complete, c, true);
    return EYOT_PENDING;
}

static eyot_status wait_for_all(eyot_task *task, const sim_node *node, int key)
{
    char right[24];
    const char *answer;
    eyot_status status = node->sleeps ? eyot_task_sleep(task, node->sleep_ms) : EYOT_OK;
    if (!status && node->asks) {
        status = eyot_task_ask(task, "well?", &answer);
        if (!status && strcmp(answer, sim_answer(key, right)) != 0)
            sim_violate("task %s has the answer %s, not %s", sim_key_text(key), answer, right);
    }
    return status;
}

static eyot_status disturbed(eyot_task *task, const sim_node *node, int key, uint64_t word)
{
    sim_mark mark = sim_task_starts(task, key, node->timeout_ms > 0);
    uint32_t attempt = eyot_task_attempt(task);
    sim_sleep_ns(1000);
    eyot_status status = wait_for_all(task, node, key);
    bool slow = node->timeout_ms && attempt == 1 && word % 2;
    if (!status && node->pending && !slow && attempt > node->fails) return leave_to_another(task, node, &mark, word);
    if (!status) sim_sleep_ns((slow ? 2 * node->timeout_ms + node->work_ms : node->work_ms) * SIM_MS + 1000);
    if (!status && (attempt <= node->fails || node->rescued)) status = eyot_task_fail(task, "as it is to");
    if (!status && node->emits && !node->pending) status = eyot_task_emit(task, "told", "x", 1);
    if (!status) status = give(task, node, key, word);
    sim_task_ends(&mark, task, status == EYOT_OK);
    return status;
}

static eyot_status act(eyot_task *task, void *user)
{
    const sim_node *node = user;
    const char *name = eyot_task_key(task);
    uint64_t word = word_of(name);
    int key = sim_key_find(name, strlen(name));
    if (!sim.reference) return key < 0 ? EYOT_EFAILED : disturbed(task, node, key, word);
    if (sim.n_keys == SIM_KEYS || strlen(name) >= SIM_KEY_BYTES || key >= 0) return EYOT_ELIMIT;
    sim.emits[sim.n_keys] = node->emits && !node->rescued && !node->pending;
    strcpy(sim.keys[sim.n_keys], name);
    return give(task, node, (int)sim.n_keys++, word);
}

static eyot_status rescue(eyot_task *task, eyot_status status, const char *text, void *user)
{
    const char *name = eyot_task_key(task);
    int key = sim_key_find(name, strlen(name));
    (void)status, (void)text;
    sim_mark mark = sim_task_starts(task, key, true);
    status = give(task, user, key, word_of(name));
    sim_task_ends(&mark, task, status == EYOT_OK);
    return status;
}

/* ---- the graph ----------------------------------------------------------------------------------------------------- */

static bool chance_of(unsigned one_in)
{
    return sim_draw(&sim.chance, one_in) == 0;
}

static void draw_node(sim_node *n, unsigned i)
{
    memset(n, 0, sizeof *n);
    snprintf(n->id, sizeof n->id, "n%u", i);
    n->parents[0] = (uint8_t)(i ? sim_draw(&sim.chance, i) : 255);
    n->parents[1] = (uint8_t)(i && chance_of(2) ? sim_draw(&sim.chance, i) : 255);
    n->style = (uint8_t)(chance_of(2) ? PLAIN : sim_draw(&sim.chance, STYLES));
    n->back = (uint8_t)(chance_of(4) ? 1 + sim_draw(&sim.chance, i + 1) : 0);
    n->limit = (uint8_t)(3 + sim_draw(&sim.chance, 6));
    n->each = chance_of(8);
    n->work_ms = (uint32_t)(chance_of(3)    ? 0
                            : chance_of(10) ? sim_draw(&sim.chance, 2 * sim.lease_ms)
                                            : sim_draw(&sim.chance, 60));
    n->asks = chance_of(10);
    n->sleeps = chance_of(8);
    n->sleep_ms = (uint32_t)sim_draw(&sim.chance, 1500);
    n->fails = (uint8_t)(chance_of(5) ? 1 + sim_draw(&sim.chance, 3) : 0);
    n->attempts = (uint8_t)(1 + sim_draw(&sim.chance, 3));
    n->timeout_ms = (uint32_t)(chance_of(10) ? n->work_ms + 100 + sim_draw(&sim.chance, 400) : 0);
    n->rescued = chance_of(12);
    n->pending = !n->rescued && chance_of(6);
    n->emits = chance_of(3);
}

static eyot_status condition(const void *state, bool *taken, void *user, eyot_error *e)
{
    const sim_state *s = state;
    const sim_node *to = user;
    (void)e;
    *taken = sim_mix(s->order, number_of(to)) % 2 == 0;
    return EYOT_OK;
}

static eyot_status goes_back(const void *state, bool *taken, void *user, eyot_error *e)
{
    const sim_state *s = state;
    const sim_node *from = user;
    (void)e;
    *taken = s->n < from->limit && sim_mix(s->order, 77) % 4 != 0;
    return EYOT_OK;
}

static void add_edges(eyot_graph *g, sim_node *from)
{
    const sim_node *to;
    for (unsigned k = 0; (to = next_of(from, k)); k++) {
        bool last = !next_of(from, k + 1);
        if (from->back)
            eyot_graph_edge_otherwise(g, from->id, to->id);
        else if (from->style == CHOOSES && !last)
            eyot_graph_edge_if(g, from->id, to->id, "bit", condition, (void *)(uintptr_t)to);
        else if (from->style == CHOOSES && k > 0)
            eyot_graph_edge_otherwise(g, from->id, to->id);
        else if (from->style == SENDS && k == 0)
            eyot_graph_edge_each(g, from->id, to->id);
        else if (from->style == ROUTES)
            eyot_graph_edge_routed(g, from->id, to->id);
        else
            eyot_graph_edge(g, from->id, to->id);
    }
    if (from->back) eyot_graph_edge_if(g, from->id, sim.nodes[from->back - 1].id, "again", goes_back, from);
}

static void add_node(eyot_graph *g, sim_node *n)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.flags = n->each ? EYOT_NODE_EACH : 0;
    o.attempts = n->attempts;
    o.retry_delay_ms = n->work_ms % 7 * 20;
    o.timeout_ms = n->timeout_ms;
    o.grace_ms = n->timeout_ms ? 50 : 0;
    o.rescue = n->rescued ? rescue : NULL;
    eyot_graph_node_with(g, n->id, act, n, &o);
}

eyot_graph *sim_graph_make(void)
{
    eyot_graph *g;
    eyot_error e;
    if (eyot_graph_new(&g, "sim", &copier)) return NULL;
    for (unsigned i = 0; i < sim.n_nodes; i++) add_node(g, &sim.nodes[i]);
    for (unsigned i = 0; i < sim.n_nodes; i++) add_edges(g, &sim.nodes[i]);
    if (eyot_graph_freeze(g, &e)) {
        sim.reference_status = e.status;
        if (!sim.reference || e.status != EYOT_EGRAPH) sim_violate("the graph cannot be made: %s", e.text);
        eyot_graph_free(g);
        return NULL;
    }
    return g;
}

void sim_story_draw(void)
{
    sim.n_nodes = 1 + (unsigned)sim_draw(&sim.chance, SIM_NODES);
    for (unsigned i = 0; i < sim.n_nodes; i++) draw_node(&sim.nodes[i], i);
    for (unsigned i = 0; i < sim.n_nodes; i++) {
        sim_node *n = &sim.nodes[i];
        if (!next_of(n, 0)) n->back = 0; /* it would have no way out */
        if (n->back) n->style = PLAIN;
    }
    sim.n_keys = 0;
}

/* Sequential, without a store, in a process that nothing befalls. */
void sim_reference_main(sim_process *p)
{
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_error e = {.status = EYOT_OK};
    eyot_engine_options o = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options how = EYOT_RUN_OPTIONS_INIT;
    o.threads = 1;
    how.strategy = EYOT_SEQUENTIAL;
    how.max_steps = SIM_KEYS;
    eyot_graph *g = sim_graph_make();
    if (!g) return;
    if (!eyot_engine_new(&engine, &o, &e)) {
        p->engine = engine;
        sim.reference_status = eyot_run_sync(&run, engine, g, sim_state_new(), &how, &e);
        if (!sim.reference_status) sim.result = *(const sim_state *)eyot_run_state(run);
        eyot_run_free(run);
    }
    eyot_engine_free(engine);
    p->engine = NULL;
    eyot_graph_free(g);
}
