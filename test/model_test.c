/* SPDX-License-Identifier: MIT */
/* The reader of the model's results against the files themselves: what it hands out folds to the states they name. */
#include "test/eyot_test.h"
#include "test/model/cases.h"

static void fold(const model_case *c, int64_t *sum, int64_t *r)
{
    for (uint32_t i = 0; i < c->n_history; i++) {
        const model_task *t = &c->tasks[c->history[i].task];
        if (c->history[i].is_item) continue;
        if (t->sum != MODEL_ABSENT) *sum = ((*sum == MODEL_ABSENT ? 0 : *sum) * 3 + t->sum) % 1000003;
        for (int k = 0; k < MODEL_KEYS; k++)
            if (t->r[k] != MODEL_ABSENT) r[k] = t->r[k];
    }
}

TEST(model_cases__fold_to_their_final_states)
{
    model_reader *m = model_open(MODEL_CASES);
    model_case c;
    uint32_t n = 0, conflicted = 0, sent = 0;
    for (; model_next(m, &c); n++) {
        int64_t sum = MODEL_ABSENT, r[MODEL_KEYS] = {MODEL_ABSENT, MODEL_ABSENT, MODEL_ABSENT};
        fold(&c, &sum, r);
        CHECK_INT(sum, c.sum);
        for (int k = 0; k < MODEL_KEYS; k++) CHECK_INT(r[k], c.r[k]);
        for (uint32_t i = 1; i < c.n_tasks; i++) CHECK(strcmp(c.sorted_keys[i - 1], c.sorted_keys[i]) < 0);
        for (uint32_t i = 0; i < c.n_history; i++) sent += c.history[i].is_item;
        CHECK(model_find(&c, c.tasks[c.n_tasks - 1].key) == &c.tasks[c.n_tasks - 1]);
        conflicted += c.n_conflicts > 0;
    }
    model_close(m);
    CHECK_INT(n, 1000);
    CHECK_INT(conflicted, 166);
    CHECK(sent > 1000);
}

TEST(model_cases__routes_follow_declared_edges)
{
    model_reader *m = model_open(MODEL_CASES);
    model_case c;
    while (model_next(m, &c))
        for (uint32_t i = 0; i < c.n_tasks; i++)
            for (uint32_t k = 0; k < c.tasks[i].n_route; k++) {
                const model_route *way = &c.tasks[i].route[k];
                uint32_t e = 0;
                while (e < c.graph.n_edges &&
                       (c.graph.edges[e].from != c.tasks[i].node || c.graph.edges[e].to != way->to))
                    e++;
                CHECK(e < c.graph.n_edges);
                CHECK(c.graph.edges[e].sends == !way->plain);
                CHECK(way->plain == (way->items == 0));
            }
    model_close(m);
}
