/* SPDX-License-Identifier: MIT */
#include "test/live_model.h"

#include <stdlib.h>

#include "test/eyot_test.h"
#include "test/tally.h"

enum { NAMED, CONDITIONAL }; /* how a node tells where its branch goes */
enum { MAX_CUT_LIVES = 3, PAD = 9000 };

static uint64_t hash_of(uint64_t seed, const char *text)
{
    uint64_t h = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return test_random(&h);
}

uint32_t live_choose(live *m, uint32_t n)
{
    return (uint32_t)(test_random(&m->random) % n);
}

uint32_t live_index(const live *m, const char *key)
{
    const model_task *t = model_find(&m->c, key);
    if (!t) test_fail(__FILE__, __LINE__, "case %llu has no task %s", (unsigned long long)m->c.seed, key);
    return (uint32_t)(t - m->c.tasks);
}

bool live_updates(const live *m, const model_task *t)
{
    bool writes = !m->sparse || t->log || t->own || t->sum != MODEL_ABSENT || m->styles[t->node] == CONDITIONAL;
    for (int i = 0; i < MODEL_KEYS; i++) writes |= t->r[i] != MODEL_ABSENT;
    return writes;
}

/* ---- what a task does, fixed by case and key ----------------------------------------------------------------------- */

typedef struct doing {
    const model_task *t;
    uint64_t h;
    bool records, asks, sleeps, records_again, draws, pends;
    uint32_t fails; /* attempts */
} doing;

/* Of a node. */
static bool is_retried(const live *m, uint32_t node)
{
    return (m->c.seed + node) % 4 == 1;
}
static bool is_rescued(const live *m, uint32_t node)
{
    return (m->c.seed + node) % 8 == 3;
}

static doing doing_of(const live *m, const model_task *t)
{
    doing d = {.t = t, .h = hash_of(m->c.seed, t->key)};
    d.records = d.h % 4 == 0;
    d.asks = (d.h >> 8) % 32 == 0;
    d.sleeps = (d.h >> 16) % 8 == 0;
    d.records_again = (d.h >> 24) % 4 == 0;
    d.draws = (d.h >> 32) % 2 == 0;
    d.pends = (d.h >> 40) % 8 == 0;
    if (is_retried(m, t->node)) d.fails = (uint32_t)((d.h >> 48) % 3);
    if (is_rescued(m, t->node) && (d.h >> 48) % 2) d.fails = UINT32_MAX;
    return d;
}

static eyot_status tell_word(eyot_buf *out, void *arg, eyot_error *e)
{
    live *m = ((void **)arg)[0];
    const char *key = ((void **)arg)[1];
    (void)e;
    atomic_fetch_add(&m->world, 1);
    return eyot_buf_add(out, key, strlen(key));
}

/* Learns something of the world, which is always the same; `word` is it. */
static eyot_status ask_world(live *m, eyot_task *task, const char *name, const char **word)
{
    void *arg[2] = {m, (void *)(uintptr_t)eyot_task_key(task)};
    const void *value;
    eyot_status status = eyot_task_record(task, name, tell_word, arg, &value, NULL);
    *word = status ? NULL : value;
    if (!status && eyot_task_now_ms(task) == 0) status = EYOT_ENOMEM;
    return status;
}

static bool takes(const model_task *t, uint32_t to, bool plain)
{
    for (uint32_t i = 0; i < t->n_route; i++)
        if (t->route[i].to == to && (plain ? t->route[i].plain : t->route[i].items > 0)) return true;
    return false;
}

/* Which of the node's out-edges its conditions are to let pass: one bit for each. */
static int64_t way_of(const live *m, const model_task *t)
{
    int64_t way = 0;
    for (uint32_t i = 0, bit = 0; i < m->c.graph.n_edges; i++) {
        const model_edge *edge = &m->c.graph.edges[i];
        if (edge->from != t->node) continue;
        if (!edge->sends && takes(t, edge->to, true)) way |= INT64_C(1) << bit;
        bit++;
    }
    return way;
}

static void go_on(const live *m, eyot_task *task, const model_task *t)
{
    for (uint32_t i = 0; i < t->n_route; i++) {
        char to[16], name[512];
        snprintf(to, sizeof to, "%u", t->route[i].to);
        for (uint32_t k = 0; k < t->route[i].items; k++) {
            snprintf(name, sizeof name, "%s>%s[%u]", t->key, to, k);
            eyot_task_send(task, to, eyot_value_set(eyot_value_new_map(), "own", eyot_value_new_string(name)));
        }
        if (t->route[i].plain && m->styles[t->node] == NAMED) eyot_task_route(task, to);
    }
    if (t->n_route == 0) eyot_task_end(task);
}

static void write_pad(eyot_task *task, uint64_t h)
{
    char pad[PAD + 1];
    memset(pad, 'a' + (int)(h % 26), PAD);
    pad[PAD] = 0;
    eyot_task_set_string(task, "pad", pad);
}

static void write_update(const live *m, eyot_task *task, const doing *d, const char *word)
{
    static const char *const names[] = {"r0", "r1", "r2"};
    const model_task *t = d->t;
    uint32_t drawn = 0;
    if (!live_updates(m, t)) return;
    eyot_task_set_int(task, "n", 1);
    if (m->styles[t->node] == CONDITIONAL) eyot_task_set_int(task, "way", way_of(m, t));
    if (t->log)
        eyot_task_set_value(task, "log", eyot_value_append(eyot_value_new_array(), eyot_value_new_string(t->key)));
    if (t->own) eyot_task_set_string(task, "own", t->key);
    if (t->sum != MODEL_ABSENT) eyot_task_set_int(task, "sum", t->sum);
    for (int i = 0; i < MODEL_KEYS; i++)
        if (t->r[i] != MODEL_ABSENT) eyot_task_set_int(task, names[i], t->r[i]);
    if (d->draws && eyot_task_random(task, &drawn, sizeof drawn) == EYOT_OK) eyot_task_set_int(task, "drawn", drawn);
    if (word) eyot_task_set_string(task, "word", word);
    if (m->big) write_pad(task, d->h);
}

static char *print(const void *state)
{
    char *text = eyot_json_print(state, NULL);
    if (!text) abort();
    return text;
}

static void put(live *m, char **at, const void *state)
{
    char *text = print(state);
    if (m->mode == LIVE_CHECKS && strcmp(text, *at) != 0) atomic_fetch_add(&m->wrong, 1);
    if (m->mode == LIVE_NOTES) {
        eyot_free(*at);
        *at = text;
    } else {
        eyot_free(text);
    }
}

static void note(live *m, eyot_task *task, const model_task *t)
{
    void *state;
    if (m->mode == LIVE_IGNORES) return;
    if (eyot_task_preview(task, &state, NULL)) abort();
    put(m, &m->notes[t - m->c.tasks].saw, eyot_task_state(task));
    put(m, &m->notes[t - m->c.tasks].left, state);
    eyot_value_unref(state);
}

static void count_task(live *m)
{
    eyot_run *run;
    if (atomic_load(&m->left) == 0 || atomic_fetch_sub(&m->left, 1) != 1) return;
    while (!(run = atomic_load(&m->run))) {}
    eyot_run_cancel(run);
}

static eyot_status act(live *m, eyot_task *task, const doing *d, const char *word)
{
    write_update(m, task, d, word);
    go_on(m, task, d->t);
    note(m, task, d->t);
    if (m->mode == LIVE_NOTES) count_task(m);
    return EYOT_OK;
}

/* Nothing of this may be seen again. */
static eyot_status fail_badly(live *m, eyot_task *task, const doing *d)
{
    const char *word;
    if (ask_world(m, task, "in vain", &word)) return EYOT_ENOMEM;
    eyot_task_set_int(task, "n", 1000);
    go_on(m, task, d->t);
    return eyot_task_fail(task, "%s: no paper", d->t->key);
}

static eyot_status work(eyot_task *task, void *user)
{
    live *m = user;
    const char *key = eyot_task_key(task), *word = NULL, *answer;
    const model_task *t = model_find(&m->c, key);
    if (!t) return eyot_task_fail(task, "the model has no task %s", key);
    doing d = doing_of(m, t);
    eyot_status status = d.records ? ask_world(m, task, "first", &word) : EYOT_OK;
    if (!status && d.asks) status = eyot_task_ask(task, key, &answer);
    if (!status && d.asks && strcmp(answer, key) != 0) return eyot_task_fail(task, "another answer: %s", answer);
    if (!status && d.sleeps) status = eyot_task_sleep(task, (d.h >> 20) % 8 == 0);
    if (!status && d.records_again) status = ask_world(m, task, "second", &word);
    if (!status) status = eyot_task_attempt(task) <= d.fails ? fail_badly(m, task, &d) : act(m, task, &d, word);
    if (status || !d.pends) return status;
    eyot_task_complete(task, EYOT_OK);
    return EYOT_PENDING;
}

static eyot_status rescue(eyot_task *task, eyot_status status, const char *text, void *user)
{
    live *m = user;
    const model_task *t = model_find(&m->c, eyot_task_key(task));
    char want[300];
    snprintf(want, sizeof want, "%s: no paper", t->key);
    if (status != EYOT_EFAILED || strcmp(text, want) != 0) return eyot_task_fail(task, "another failure: %s", text);
    doing d = doing_of(m, t);
    return act(m, task, &d, NULL);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------- */

static eyot_status has_bit(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "way"), 0) >> *(int *)user & 1;
    return EYOT_OK;
}

/* No task of the node takes it beside others. */
static bool can_be_otherwise(const live *m, const model_edge *edge)
{
    bool used = false;
    for (uint32_t i = 0; i < m->c.n_tasks; i++) {
        const model_task *t = &m->c.tasks[i];
        if (t->node != edge->from || !takes(t, edge->to, true)) continue;
        if (t->n_route > 1) return false;
        used = true;
    }
    return used;
}

static bool can_be_plain(const live *m, const model_edge *edge)
{
    for (uint32_t i = 0; i < m->c.n_tasks; i++)
        if (m->c.tasks[i].node == edge->from && m->c.tasks[i].n_route > 0 && !takes(&m->c.tasks[i], edge->to, true))
            return false;
    return true;
}

/* In the order of the case: joins depend on it. */
static void add_edges(live *m)
{
    bool otherwise[LIVE_TASKS] = {false};
    int bits[LIVE_TASKS] = {0};
    for (uint32_t i = 0; i < m->c.graph.n_edges; i++) {
        const model_edge *edge = &m->c.graph.edges[i];
        int bit = bits[edge->from]++;
        char from[16], to[16];
        snprintf(from, sizeof from, "%u", edge->from);
        snprintf(to, sizeof to, "%u", edge->to);
        if (edge->sends) {
            eyot_graph_edge_each(m->g, from, to);
        } else if (m->styles[edge->from] == NAMED) {
            eyot_graph_edge_routed(m->g, from, to);
        } else if (can_be_plain(m, edge)) {
            eyot_graph_edge(m->g, from, to);
        } else if (!otherwise[edge->from] && can_be_otherwise(m, edge)) {
            eyot_graph_edge_otherwise(m->g, from, to);
            otherwise[edge->from] = true;
        } else {
            eyot_graph_edge_if(m->g, from, to, "has_bit", has_bit, &tally_numbers[bit]);
        }
    }
}

static void add_node(live *m, uint32_t node)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    char id[16];
    if (m->c.graph.each[node]) o.flags = EYOT_NODE_EACH;
    if (is_retried(m, node)) o.attempts = 3;
    if (is_rescued(m, node)) {
        o.attempts = 2;
        o.rescue = rescue;
    }
    snprintf(id, sizeof id, "%u", node);
    eyot_graph_node_with(m->g, id, work, m, &o);
}

static uint32_t out_edges(const live *m, uint32_t node)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->c.graph.n_edges; i++) n += m->c.graph.edges[i].from == node;
    return n;
}

static void build(live *m)
{
    static const char *const lasts[] = {"r0", "r1", "r2", "way", "drawn", "word", "pad"};
    eyot_error e = {.status = EYOT_OK};
    const model_graph *g = &m->c.graph;
    CHECK_OK(eyot_graph_new(&m->g, "model", eyot_json()));
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        m->styles[i] = (m->c.seed + i) % 3 == 0 && out_edges(m, i) < 60 ? CONDITIONAL : NAMED;
        add_node(m, i);
    }
    add_edges(m);
    for (uint32_t i = 0; i < g->n_starts; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", g->starts[i]);
        eyot_graph_start(m->g, id);
    }
    for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++) eyot_graph_reduce(m->g, lasts[i], EYOT_LAST);
    eyot_graph_reduce(m->g, "n", EYOT_ADD);
    eyot_graph_reduce(m->g, "sum", EYOT_ADD);
    eyot_graph_reduce(m->g, "log", EYOT_APPEND);
    eyot_graph_reduce(m->g, "own", EYOT_LOCAL);
    if (eyot_graph_freeze(m->g, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}

/* ---- lives -------------------------------------------------------------------------------------------------------- */

eyot_engine *live_engine(live *m, eyot_store *store)
{
    eyot_engine_options o = EYOT_ENGINE_OPTIONS_INIT;
    eyot_engine *engine;
    o.threads = 1 + live_choose(m, 2);
    o.store = store;
    CHECK_OK(eyot_engine_new(&engine, &o, NULL));
    return engine;
}

/* A process that dies at a commit. */
static eyot_status dying(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    live *m = (live *)(void *)((char *)p - offsetof(live, p));
    if (atomic_load(&m->dead)) return eyot_error_set(e, EYOT_EIO, "dead");
    if (atomic_load(&m->commits) == 0 || atomic_fetch_sub(&m->commits, 1) != 1) return proxy_commit(p, commits, n, e);
    atomic_store(&m->dead, true);
    if (m->after) (void)proxy_commit(p, commits, n, e);
    return eyot_error_set(e, EYOT_EIO, "dead");
}

static void arm(live *m)
{
    atomic_store(&m->run, NULL);
    atomic_store(&m->left, 0);
    atomic_store(&m->commits, 0);
    atomic_store(&m->dead, false);
    if (m->lives >= MAX_CUT_LIVES) return;
    uint32_t how = live_choose(m, 4);
    if (how == 1) atomic_store(&m->left, 1 + live_choose(m, m->c.n_tasks));
    if (how == 2) atomic_store(&m->commits, 1 + live_choose(m, m->c.n_tasks));
    m->after = live_choose(m, 2);
}

static eyot_run_options choose_options(live *m)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = m->id;
    o.strategy = (eyot_strategy)live_choose(m, 3);
    uint32_t how = live_choose(m, 10);
    o.durability = how == 0 ? EYOT_EXIT : how < 4 ? EYOT_ASYNC : EYOT_SYNC;
    m->exits |= o.durability == EYOT_EXIT;
    return o;
}

/* Every question is answered with the key of its task. */
static eyot_run *resume(live *m, eyot_engine *engine, const char *id, eyot_run_options *o)
{
    eyot_answer answers[LIVE_TASKS];
    eyot_checkpoint *c;
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_load_latest_checkpoint(&c, m->store, m->g, id, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    o->answers = answers;
    o->n_answers = 0;
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++) {
        const char *task = eyot_checkpoint_branch_task(c, i);
        if (eyot_checkpoint_branch_question(c, i)) answers[o->n_answers++] = (eyot_answer){task, task};
    }
    if (eyot_run_resume(&run, engine, m->g, id, o, &e))
        test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)m->c.seed, e.text);
    eyot_checkpoint_free(c);
    return run;
}

/* True: it is done, and m->final is its state. */
static bool one_life(live *m)
{
    eyot_run_options o = choose_options(m);
    eyot_engine *engine = live_engine(m, m->store);
    eyot_error e = {.status = EYOT_OK};
    eyot_run *run;
    arm(m);
    if (m->lives == 0)
        CHECK_OK(eyot_run_start(&run, engine, m->g, eyot_value_new_map(), &o, &e));
    else
        run = resume(m, engine, m->id, &o);
    atomic_store(&m->run, run);
    eyot_status status = eyot_run_wait(run, &e);
    if (status && status != EYOT_ESUSPENDED && status != EYOT_ECANCELED && !atomic_load(&m->dead))
        test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)m->c.seed, e.text);
    if (!status) m->final = print(eyot_run_state(run));
    if (!status) CHECK_INT(eyot_run_steps(run), m->c.n_tasks);
    eyot_run_free(run);
    eyot_engine_free(engine);
    m->lives++;
    return !status;
}

char *live_finish(live *m, eyot_engine *engine, eyot_run *run)
{
    eyot_error e = {.status = EYOT_OK};
    eyot_status status;
    for (int n = 0; (status = eyot_run_wait(run, &e)) == EYOT_ESUSPENDED && n < LIVE_TASKS; n++) {
        char id[EYOT_RUN_ID_BYTES];
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        snprintf(id, sizeof id, "%s", eyot_run_id(run));
        eyot_run_free(run);
        run = resume(m, engine, id, &o);
    }
    if (status) test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)m->c.seed, e.text);
    CHECK_INT(eyot_run_steps(run), m->c.n_tasks);
    char *final = print(eyot_run_state(run));
    eyot_run_free(run);
    return final;
}

/* ---- cases -------------------------------------------------------------------------------------------------------- */

/* The model's own result. Its tasks all give an update; where some do not, a join may have another order. */
static void check_final(live *m)
{
    static const char *const names[] = {"r0", "r1", "r2"};
    eyot_value *state = eyot_json_parse(m->final, NULL);
    const eyot_value *log = eyot_value_at(state, "log");
    m->sum = m->n_updates = 0;
    for (uint32_t i = 0; i < m->c.n_tasks; i++) {
        m->n_updates += live_updates(m, &m->c.tasks[i]);
        m->sum += m->c.tasks[i].sum != MODEL_ABSENT ? m->c.tasks[i].sum : 0;
    }
    CHECK_INT(eyot_value_int(eyot_value_at(state, "n"), 0), m->n_updates);
    CHECK_INT(eyot_value_int(eyot_value_at(state, "sum"), 0), m->sum);
    for (int i = 0; i < MODEL_KEYS && !m->sparse; i++)
        CHECK_INT(eyot_value_int(eyot_value_at(state, names[i]), MODEL_ABSENT), m->c.r[i]);
    CHECK_INT(eyot_value_count(log), m->c.n_log);
    for (uint32_t i = 0; i < m->c.n_log && !m->sparse; i++)
        CHECK_STR(eyot_value_string(eyot_value_item(log, i), ""), m->c.log[i]);
    CHECK(!eyot_value_at(state, "own"));
    eyot_value_unref(state);
}

bool live_next(live *m, model_reader *r)
{
    uint64_t random = m->random;
    live_clear(m);
    m->random = random;
    if (!model_next(r, &m->c)) return false;
    m->big = live_choose(m, 8) == 0;
    m->sparse = live_choose(m, 4) == 0;
    snprintf(m->id, sizeof m->id, "case-%llu", (unsigned long long)m->c.seed);
    build(m);
    m->p.commit = dying;
    m->store = proxy_open(&m->p, "memory:");
    while (!one_life(m)) CHECK(m->lives < LIVE_TASKS);
    atomic_store(&m->commits, 0);
    atomic_store(&m->dead, false);
    m->mode = LIVE_CHECKS;
    check_final(m);
    return true;
}

void live_clear(live *m)
{
    for (int i = 0; i < LIVE_TASKS; i++) {
        eyot_free(m->notes[i].saw);
        eyot_free(m->notes[i].left);
    }
    eyot_free(m->final);
    if (m->store) eyot_store_close(m->store);
    eyot_graph_free(m->g);
    memset(m, 0, sizeof *m);
}
