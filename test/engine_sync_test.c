/* SPDX-License-Identifier: MIT */
/* What is stored when a task starts. */
#include <stdatomic.h>
#include <time.h>

#include <eyot/copiers.h>

#include "test/eyot_test.h"
#include "test/proxy.h"

enum { LANES = 8, LONG = 4 };

static struct {
    proxy p;
    _Atomic int tasks, too_early, max_lead;
    _Atomic int finished;
} seen;

/* Slow enough for other threads to finish tasks meanwhile. */
static eyot_status slow_commit(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    struct timespec moment = {.tv_nsec = 1000000};
    nanosleep(&moment, NULL);
    return proxy_commit(p, commits, n, e);
}

typedef struct search {
    const char *key;
    bool found;
    int tasks;
} search;

static eyot_status look_at(void *arg, const eyot_entry *entry)
{
    search *s = arg;
    s->tasks += entry->kind == EYOT_ENTRY_TASK;
    s->found |= s->key && entry->key.n == strlen(s->key) && memcmp(entry->key.p, s->key, entry->key.n) == 0;
    return EYOT_OK;
}

/* Looks for the task that it follows from, and counts how many finished ones the store does not have. */
static eyot_status look(eyot_task *task, void *user)
{
    search s = {.key = user};
    const char *id = eyot_task_run_id(task);
    int finished = atomic_load(&seen.finished);
    eyot_status status =
        seen.p.ops->list_entries(seen.p.self, (eyot_bytes){id, strlen(id)}, 1, UINT32_MAX, false, look_at, &s, NULL);
    if (s.key && !s.found) atomic_fetch_add(&seen.too_early, 1);
    if (finished - s.tasks > atomic_load(&seen.max_lead)) atomic_store(&seen.max_lead, finished - s.tasks);
    atomic_fetch_add(&seen.tasks, 1);
    if (!status) status = eyot_task_set_int(task, "n", finished);
    atomic_fetch_add(&seen.finished, 1);
    return status;
}

/* Lanes that begin at one node, do not meet, and run on several threads. */
static eyot_graph *lanes(void)
{
    static char ids[LANES][LONG][16];
    static char first[] = "first";
    eyot_graph *g;
    eyot_error e = {.status = EYOT_OK};
    CHECK_OK(eyot_graph_new(&g, "sync", eyot_json()));
    eyot_graph_reduce(g, "n", EYOT_MAX);
    eyot_graph_node(g, first, look, NULL);
    for (int i = 0; i < LANES; i++) {
        for (int k = 0; k < LONG; k++) {
            char *before = k ? ids[i][k - 1] : first;
            snprintf(ids[i][k], sizeof ids[i][k], "n%d_%d", i, k);
            eyot_graph_node(g, ids[i][k], look, before);
            eyot_graph_edge(g, before, ids[i][k]);
        }
    }
    CHECK_OK(eyot_graph_freeze(g, &e));
    return g;
}

static void run_lanes(eyot_durability durability, uint32_t max_behind)
{
    eyot_engine *engine;
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options how = EYOT_RUN_OPTIONS_INIT;
    memset(&seen, 0, sizeof seen);
    seen.p.commit = slow_commit;
    eyot_graph *g = lanes();
    options.store = proxy_open(&seen.p, "memory:");
    options.threads = 4;
    CHECK_OK(eyot_engine_new(&engine, &options, &e));
    how.strategy = EYOT_PARALLEL;
    how.durability = durability;
    how.max_behind = max_behind;
    CHECK_OK(eyot_run_sync(&run, engine, g, eyot_value_new_map(), &how, &e));
    CHECK_INT(atomic_load(&seen.tasks), 1 + LANES * LONG);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(options.store);
    eyot_graph_free(g);
}

TEST(engine_sync__nothing_starts_before_its_cause_is_stored)
{
    run_lanes(EYOT_SYNC, 0);
    CHECK_INT(atomic_load(&seen.too_early), 0);
}

TEST(engine_async__the_store_is_no_further_behind_than_asked)
{
    run_lanes(EYOT_ASYNC, 3);
    CHECK(atomic_load(&seen.max_lead) <= 3);
}

TEST(engine_exit__no_task_is_stored_by_itself)
{
    run_lanes(EYOT_EXIT, 0);
    CHECK(atomic_load(&seen.max_lead) > LANES);
}
