/* SPDX-License-Identifier: MIT */
/* The frontier alone, against the reference model: many schedules, a cut at a random commit, one result. */
#include <stdlib.h>

#include "core/record.h"
#include "core/run.h"
#include "test/eyot_test.h"
#include "test/model/state.h"

static eyot_status no_node(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    return EYOT_EINVAL; /* the frontier runs no nodes */
}

/* One execution of a case. Fired tasks wait in `ready` until the schedule takes them. */
typedef struct play {
    const model_case *c;
    const eyot_graph *g;
    eyot__frontier f;
    eyot__activation *ready[4096];
    uint32_t n_ready, n_keys;
    char *keys[4096];
    eyot_error e;
    eyot_status status;
} play;

static void collect(play *p)
{
    for (eyot__activation *a; (a = eyot__frontier_next(&p->f));) {
        if (p->n_ready == 4096) test_fail(__FILE__, __LINE__, "too many tasks");
        p->ready[p->n_ready++] = a;
    }
}

static void play_init(play *p, const model_case *c, const eyot_graph *g)
{
    memset(p, 0, sizeof *p);
    p->c = c;
    p->g = g;
    eyot__frontier_init(&p->f, g, true, sizeof(eyot__activation), NULL, 0, NULL);
}

static void play_start(play *p)
{
    eyot__state *state = eyot__state_new(model_state_new(), &p->f.history);
    p->status = eyot__frontier_start(&p->f, state, &p->e);
    collect(p);
}

static void play_clear(play *p)
{
    for (uint32_t i = 0; i < p->n_keys; i++) free(p->keys[i]);
    eyot__frontier_clear(&p->f);
}

static size_t route_of(const play *p, const model_task *t, const char *key, eyot__taken *taken)
{
    size_t n = 0;
    for (uint32_t i = 0; i < t->n_route; i++) {
        uint32_t edge = eyot__graph_edge_to(p->g, t->node, t->route[i].to);
        char name[512];
        for (uint32_t k = 0; k < t->route[i].items; k++) {
            snprintf(name, sizeof name, "%s>%u[%u]", key, t->route[i].to, k);
            taken[n++] = (eyot__taken){.edge = edge, .item = model_item(name)};
        }
        if (t->route[i].plain) taken[n++] = (eyot__taken){.edge = edge};
    }
    return n;
}

/* Commits ready task number i as the model recorded it. */
static void commit(play *p, uint32_t i)
{
    eyot__activation *a = p->ready[i];
    eyot__taken taken[256];
    eyot_buf key = EYOT__BUF_INIT;
    p->ready[i] = p->ready[--p->n_ready];
    eyot__key_print(&key, p->g, &a->who);
    eyot__buf_u8(&key, 0);
    const model_task *t = model_find(p->c, (char *)key.data);
    if (!t)
        test_fail(__FILE__, __LINE__, "case %llu: the model has no task %s", (unsigned long long)p->c->seed, key.data);
    p->keys[p->n_keys++] = (char *)key.data;
    model_state *update = model_update_of(t);
    size_t n = route_of(p, t, (char *)key.data, taken);
    p->status = eyot__state_update(&a->state, update, &p->f.history, &p->e);
    if (!p->status) p->status = eyot__taken_apply(&p->f.history, a->state, taken, n, &p->e);
    if (!p->status) p->status = eyot__frontier_commit(&p->f, a, update, taken, n, &p->e);
    collect(p);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_keys(play *p)
{
    qsort(p->keys, p->n_keys, sizeof p->keys[0], by_text);
    CHECK_INT(p->n_keys, p->c->n_tasks);
    for (uint32_t i = 0; i < p->n_keys; i++) CHECK_STR(p->keys[i], p->c->sorted_keys[i]);
}

/* Commits in random order until nothing is left, or `stop` commits have been made, or a conflict. */
static void go(play *p, uint64_t *random, uint32_t stop)
{
    while (p->n_ready > 0 && !p->status && p->n_keys < stop) commit(p, (uint32_t)(test_random(random) % p->n_ready));
}

static void check_result(play *p)
{
    eyot__state *state = NULL;
    if (p->status) test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)p->c->seed, p->e.text);
    CHECK(p->f.n_live == 0 && p->f.n_waiting == 0);
    check_keys(p);
    p->status = eyot__frontier_result(&p->f, &state, &p->e);
    if (p->status) test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)p->c->seed, p->e.text);
    model_check_state(p->c, state->value);
    eyot__state_unref(state, &p->f.history);
}

/* Writes the frontier as a snapshot and goes on with what is read back. */
static void cut(play *p)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__snapshot head = {.steps = 7, .seed = "fifteen letters"};
    eyot__entry_put_snapshot(&buf, &p->f, &head);
    head = (eyot__snapshot){0};
    CHECK_OK(buf.failed);
    eyot__frontier_clear(&p->f);
    eyot__frontier_init(&p->f, p->g, true, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&p->f.history, p->f.history.root);
    eyot__reader in = {buf.data, buf.data + buf.len, false};
    CHECK_OK(eyot__entry_get_snapshot(&p->f, &in, EYOT__RECORD_VERSION, &head, &p->e));
    CHECK_INT(head.steps, 7);
    CHECK_STR((const char *)head.seed, "fifteen letters");
    eyot__buf_clear(&buf);
    p->n_ready = 0;
    collect(p);
}

typedef void (*case_fn)(const model_case *c, const eyot_graph *g, uint64_t *random);

static void for_all_cases(const eyot_copier *copier, case_fn fn)
{
    model_case c;
    uint64_t random = test_seed();
    model_reader *m = model_open(MODEL_CASES);
    while (model_next(m, &c)) {
        eyot_graph *g = model_build(&c.graph, copier, no_node, NULL);
        fn(&c, g, &random);
        eyot_graph_free(g);
    }
    model_close(m);
}

static void in_any_order(const model_case *c, const eyot_graph *g, uint64_t *random)
{
    for (unsigned k = 0; k < 10 * test_long(); k++) {
        play p;
        play_init(&p, c, g);
        play_start(&p);
        go(&p, random, UINT32_MAX);
        check_result(&p);
        play_clear(&p);
    }
}
TEST(branch__every_schedule_gives_the_models_result)
{
    for_all_cases(&model_copier_last, in_any_order);
}

static void with_a_cut(const model_case *c, const eyot_graph *g, uint64_t *random)
{
    for (unsigned k = 0; k < 5 * test_long(); k++) {
        play p;
        play_init(&p, c, g);
        play_start(&p);
        for (int cuts = 0; cuts < 2; cuts++) {
            go(&p, random, p.n_keys + (uint32_t)(test_random(random) % (c->n_tasks + 1 - p.n_keys)));
            cut(&p);
        }
        go(&p, random, UINT32_MAX);
        check_result(&p);
        play_clear(&p);
    }
}
TEST(branch__a_cut_and_a_snapshot_change_nothing)
{
    for_all_cases(&model_copier_last, with_a_cut);
}

static void conflicts_alike(const model_case *c, const eyot_graph *g, uint64_t *random)
{
    for (unsigned k = 0; k < 4; k++) {
        play p;
        eyot__state *state = NULL;
        play_init(&p, c, g);
        play_start(&p);
        go(&p, random, UINT32_MAX);
        if (!p.status) p.status = eyot__frontier_result(&p.f, &state, &p.e);
        if (c->n_conflicts == 0 && p.status)
            test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)c->seed, p.e.text);
        if (c->n_conflicts > 0 && p.status != EYOT_ECONFLICT)
            test_fail(__FILE__, __LINE__, "case %llu: no conflict", (unsigned long long)c->seed);
        if (c->n_conflicts > 0) CHECK_HAS(p.e.text, "key \"r");
        eyot__state_unref(state, &p.f.history);
        play_clear(&p);
    }
}
TEST(history__conflicts_exactly_when_the_model_does)
{
    for_all_cases(&model_copier, conflicts_alike);
}
