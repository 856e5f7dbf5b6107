/* SPDX-License-Identifier: MIT */
/* The engine against the reference model: strategies, threads, stores, cuts by cancelling and resuming. */
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/stores.h>

#include "test/eyot_test.h"
#include "test/model/state.h"

/* What the nodes of all runs look at. */
static struct {
    model_case c;
    _Atomic uint32_t runs[128]; /* per task: how often it ran */
    _Atomic uint32_t left;      /* tasks until the run is cancelled; far away: never */
    eyot_run *_Atomic run;
} now;

static eyot_status as_recorded(eyot_task *task, void *user)
{
    (void)user;
    const model_task *t = model_find(&now.c, eyot_task_key(task));
    if (!t) return eyot_task_fail(task, "the model has no task %s", eyot_task_key(task));
    atomic_fetch_add(&now.runs[t - now.c.tasks], 1);
    for (uint32_t i = 0; i < t->n_route; i++) {
        char to[16], name[512];
        snprintf(to, sizeof to, "%u", t->route[i].to);
        for (uint32_t k = 0; k < t->route[i].items; k++) {
            snprintf(name, sizeof name, "%s>%s[%u]", t->key, to, k);
            eyot_task_send(task, to, model_item(name));
        }
        if (t->route[i].plain) eyot_task_route(task, to);
    }
    if (t->n_route == 0) eyot_task_end(task);
    if (atomic_fetch_sub(&now.left, 1) == 1) {
        eyot_run *run;
        while (!(run = atomic_load(&now.run))) {}
        eyot_run_cancel(run);
    }
    return eyot_task_update(task, model_update_of(t));
}

static void begin_case(uint32_t cancel_after)
{
    for (uint32_t i = 0; i < now.c.n_tasks; i++) atomic_store(&now.runs[i], 0);
    atomic_store(&now.left, cancel_after);
    atomic_store(&now.run, NULL);
}

static void check_once(void)
{
    for (uint32_t i = 0; i < now.c.n_tasks; i++)
        if (atomic_load(&now.runs[i]) != 1)
            test_fail(__FILE__, __LINE__, "case %llu: task %s ran %u times", (unsigned long long)now.c.seed,
                      now.c.tasks[i].key, atomic_load(&now.runs[i]));
}

static eyot_engine *engine_of(uint32_t threads, eyot_store *store)
{
    eyot_engine *engine;
    eyot_error e = {.status = EYOT_OK};
    eyot_engine_options o = EYOT_ENGINE_OPTIONS_INIT;
    o.threads = threads;
    o.store = store;
    if (eyot_engine_new(&engine, &o, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return engine;
}

static void run_all(uint32_t threads, const eyot_run_options *options, const char *url)
{
    eyot_store *store = NULL;
    eyot_error e = {.status = EYOT_OK};
    if (url && eyot_store_open(&store, url, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    eyot_engine *engine = engine_of(threads, store);
    model_reader *m = model_open(MODEL_CASES);
    while (model_next(m, &now.c)) {
        eyot_graph *g = model_build(&now.c.graph, &model_copier_last, as_recorded, NULL);
        eyot_run *run;
        begin_case(UINT32_MAX);
        if (eyot_run_sync(&run, engine, g, model_state_new(), options, &e))
            test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)now.c.seed, e.text);
        check_once();
        CHECK_INT(eyot_run_steps(run), now.c.n_tasks);
        model_check_state(&now.c, eyot_run_state(run));
        eyot_run_free(run);
        eyot_graph_free(g);
    }
    model_close(m);
    eyot_engine_free(engine);
    eyot_store_close(store);
}

static void run_strategy(eyot_strategy strategy, uint32_t threads, const char *url, eyot_durability durability)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.strategy = strategy;
    o.durability = durability;
    run_all(threads, &o, url);
}

TEST(engine__sequential_gives_the_models_result)
{
    run_strategy(EYOT_SEQUENTIAL, 1, NULL, EYOT_SYNC);
}
TEST(engine__adaptive_gives_the_models_result)
{
    run_strategy(EYOT_ADAPTIVE, 2, NULL, EYOT_SYNC);
}
TEST(engine__eight_threads_give_the_models_result)
{
    run_strategy(EYOT_PARALLEL, 8, NULL, EYOT_SYNC);
}
TEST(engine__sync_commits_give_the_models_result)
{
    run_strategy(EYOT_PARALLEL, 3, "memory:", EYOT_SYNC);
}
TEST(engine__async_commits_give_the_models_result)
{
    run_strategy(EYOT_PARALLEL, 3, "memory:", EYOT_ASYNC);
}
TEST(engine__exit_commits_give_the_models_result)
{
    run_strategy(EYOT_PARALLEL, 3, "memory:", EYOT_EXIT);
}
TEST(engine__checking_inputs_gives_the_models_result)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.flags = EYOT_RUN_CHECK_INPUTS;
    run_all(2, &o, NULL);
}

/* A run that is cancelled at a random task and resumed by another engine, until it is done. */
static void cut_and_resume(eyot_durability durability, bool exactly_once)
{
    uint64_t random = test_seed();
    eyot_store *store;
    eyot_error e = {.status = EYOT_OK};
    CHECK_OK(eyot_store_open(&store, "memory:", &e));
    model_reader *m = model_open(MODEL_CASES);
    while (model_next(m, &now.c)) {
        eyot_graph *g = model_build(&now.c.graph, &model_copier_last, as_recorded, NULL);
        eyot_engine *engine = engine_of(2, store);
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        char id[32];
        snprintf(id, sizeof id, "case-%llu", (unsigned long long)now.c.seed);
        o.run_id = id;
        o.strategy = EYOT_PARALLEL;
        o.durability = durability;
        eyot_run *run;
        begin_case((uint32_t)(1 + test_random(&random) % now.c.n_tasks));
        CHECK_OK(eyot_run_start(&run, engine, g, model_state_new(), &o, &e));
        atomic_store(&now.run, run);
        for (int lives = 1; eyot_run_wait(run, &e); lives++) {
            if (e.status != EYOT_ECANCELED || lives > 8)
                test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)now.c.seed, e.text);
            eyot_run_free(run);
            eyot_engine_free(engine);
            engine = engine_of(2, store);
            atomic_store(&now.run, NULL);
            atomic_store(&now.left, lives < 3 ? (uint32_t)(1 + test_random(&random) % now.c.n_tasks) : UINT32_MAX);
            if (eyot_run_resume(&run, engine, g, id, &o, &e))
                test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)now.c.seed, e.text);
            atomic_store(&now.run, run);
        }
        if (exactly_once) check_once();
        CHECK_INT(eyot_run_steps(run), now.c.n_tasks);
        model_check_state(&now.c, eyot_run_state(run));
        eyot_run_free(run);
        eyot_engine_free(engine);
        eyot_graph_free(g);
    }
    model_close(m);
    eyot_store_close(store);
}

TEST(engine__a_cancelled_run_resumes_to_the_models_result)
{
    cut_and_resume(EYOT_SYNC, true);
}
TEST(engine__an_async_run_resumes_to_the_models_result)
{
    cut_and_resume(EYOT_ASYNC, true);
}
TEST(engine__an_exit_run_resumes_to_the_models_result)
{
    cut_and_resume(EYOT_EXIT, true);
}
