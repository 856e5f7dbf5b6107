/* SPDX-License-Identifier: MIT */
/* Engines and runs: many at once, nested, waited for, limited, failed, resumed. Pending tasks and cancelling are in
 * engine_pending_test.c, routes and updates in engine_route_test.c, sizes and schedules in engine_scale_test.c. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eyot/stores.h>

#include "test/eyot_test.h"
#include "test/tally.h"

static _Atomic int started;

static int64_t sum_of(const eyot_run *run)
{
    const tally *state = eyot_run_state(run);
    return state ? state->sum : -1;
}

static void wait_for_started(int n)
{
    while (atomic_load(&started) < n) tally_pause_us(100);
}

/* ---- many runs, many waiters ----------------------------------------------------------------------------------- */

/* Every run begins with another number; all are there at once. */
static void thousand_runs(eyot_store *store)
{
    enum { RUNS = 1000 };
    eyot_engine *engine = tally_engine(3, store);
    eyot_graph *g = tally_fan(4, NULL, NULL);
    eyot_run **runs = calloc(RUNS, sizeof *runs);
    CHECK(runs);
    for (int i = 0; i < RUNS; i++) CHECK_OK(eyot_run_start(&runs[i], engine, g, tally_sum(1000 * i), NULL, NULL));
    for (int i = RUNS; i-- > 0;) {
        CHECK_OK(eyot_run_wait(runs[i], NULL));
        CHECK_INT(sum_of(runs[i]), 1000 * i + 1 + 6 + 63);
        CHECK_INT(eyot_run_steps(runs[i]), 6);
    }
    for (int i = 0; i < RUNS; i++) eyot_run_free(runs[i]);
    free(runs);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_runs__a_thousand_on_one_engine)
{
    thousand_runs(NULL);
}

TEST(engine_runs__a_thousand_on_one_engine_are_all_stored)
{
    eyot_store *store = tally_store("memory:");
    thousand_runs(store);
    eyot_store_close(store);
}

TEST(engine_runs__two_graphs_do_not_interfere)
{
    eyot_engine *engine = tally_engine(2, NULL);
    eyot_graph *small = tally_fan(2, NULL, NULL), *big = tally_fan(60, NULL, NULL);
    for (int i = 0; i < 50; i++) {
        eyot_run *a, *b;
        CHECK_OK(eyot_run_start(&a, engine, small, tally_new(), NULL, NULL));
        CHECK_OK(eyot_run_start(&b, engine, big, tally_new(), NULL, NULL));
        CHECK_OK(eyot_run_wait(b, NULL));
        CHECK_OK(eyot_run_wait(a, NULL));
        CHECK_INT(sum_of(a), 1 + 1 + 63);
        CHECK_INT(sum_of(b), 1 + 59 * 60 / 2 + 63);
        eyot_run_free(a);
        eyot_run_free(b);
    }
    eyot_engine_free(engine);
    eyot_graph_free(small);
    eyot_graph_free(big);
}

typedef struct waiter {
    eyot_run *run;
    pthread_t thread;
    eyot_status status;
    int64_t sum;
} waiter;

static void *wait_for_run(void *arg)
{
    waiter *w = arg;
    w->status = eyot_run_wait(w->run, NULL);
    w->sum = sum_of(w->run);
    return NULL;
}

TEST(engine_wait__eight_threads_on_one_run)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_fan(60, NULL, NULL);
    for (int round = 0; round < 50; round++) {
        waiter waiters[8];
        eyot_run *run;
        CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
        for (int i = 0; i < 8; i++) {
            waiters[i].run = run;
            CHECK_OK(pthread_create(&waiters[i].thread, NULL, wait_for_run, &waiters[i]));
        }
        for (int i = 0; i < 8; i++) pthread_join(waiters[i].thread, NULL);
        for (int i = 0; i < 8; i++) {
            CHECK_OK(waiters[i].status);
            CHECK_INT(waiters[i].sum, 1 + 59 * 60 / 2 + 63);
        }
        CHECK_INT(eyot_run_steps(run), 62);
        eyot_run_free(run);
    }
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

/* ---- runs inside tasks ------------------------------------------------------------------------------------------ */

typedef struct nest {
    eyot_graph *inner; /* NULL: the innermost */
    bool in_two_calls;
} nest;

static eyot_status run_inner(eyot_task *task, void *user)
{
    const nest *n = user;
    eyot_run *run = NULL;
    if (!n->inner) return eyot_task_update(task, tally_sum(1));
    eyot_status status = n->in_two_calls
                             ? eyot_run_start(&run, eyot_task_engine(task), n->inner, tally_new(), NULL, NULL)
                             : eyot_run_sync(&run, eyot_task_engine(task), n->inner, tally_new(), NULL, NULL);
    if (!status) status = eyot_run_wait(run, NULL);
    int64_t sum = sum_of(run);
    eyot_run_free(run);
    return status ? status : eyot_task_update(task, tally_sum(sum));
}

static sem_t outer_ended;

static eyot_status post_outer(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    sem_post(&outer_ended);
    return EYOT_OK;
}

/* Three levels of fans of 3, so 27 innermost tasks, on an engine with one thread. */
static void nested(eyot_store *store, bool in_two_calls, bool help)
{
    eyot_engine *engine = tally_engine(1, store);
    nest nests[3];
    eyot_graph *graphs[3];
    sem_init(&outer_ended, 0, 0);
    for (int i = 0; i < 3; i++) {
        nests[i] = (nest){i ? graphs[i - 1] : NULL, in_two_calls};
        eyot_graph *g = graphs[i] = tally_graph("nest");
        eyot_graph_node(g, "split", tally_add, &tally_numbers[0]);
        eyot_graph_node(g, "a", run_inner, &nests[i]);
        eyot_graph_node(g, "b", run_inner, &nests[i]);
        eyot_graph_node(g, "c", run_inner, &nests[i]);
        eyot_graph_node(g, "join", i == 2 ? post_outer : tally_add, &tally_numbers[0]);
        for (const char *id = "abc"; *id; id++) {
            char name[2] = {*id, 0};
            eyot_graph_edge(g, "split", name);
            eyot_graph_edge(g, name, "join");
        }
        tally_freeze(g);
    }
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, graphs[2], tally_new(), NULL, NULL));
    if (!help) sem_wait(&outer_ended);
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(sum_of(run), 27);
    eyot_run_free(run);
    eyot_engine_free(engine);
    for (int i = 0; i < 3; i++) eyot_graph_free(graphs[i]);
    sem_destroy(&outer_ended);
}

TEST(engine_nested__three_deep_on_one_thread)
{
    nested(NULL, false, true);
}
TEST(engine_nested__three_deep_in_two_calls)
{
    nested(NULL, true, true);
}
TEST(engine_nested__three_deep_when_nobody_helps)
{
    nested(NULL, true, false);
}
TEST(engine_nested__three_deep_and_stored)
{
    eyot_store *store = tally_store("memory:");
    nested(store, true, false);
    nested(store, false, true);
    eyot_store_close(store);
}

/* ---- limits ----------------------------------------------------------------------------------------------------- */

static eyot_status below_hundred(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user;
    (void)e;
    *taken = ((const tally *)state)->sum < 100;
    return EYOT_OK;
}

static eyot_graph *loop_to_hundred(void)
{
    eyot_graph *g = tally_graph("loop");
    eyot_graph_node(g, "count", tally_add, NULL);
    eyot_graph_node(g, "end", tally_add, &tally_numbers[0]);
    eyot_graph_edge_if(g, "count", "count", "sum < 100", below_hundred, NULL);
    eyot_graph_edge_otherwise(g, "count", "end");
    return tally_freeze(g);
}

TEST(engine_steps__the_limit_fails_the_run_and_it_can_be_resumed)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = loop_to_hundred();
    eyot_error e = {.status = EYOT_OK};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = "limited";
    o.max_steps = 30;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), &o, &e), EYOT_ELIMIT);
    CHECK_HAS(e.text, "30");
    CHECK_INT(eyot_run_steps(run), 30);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_FAILED);
    eyot_run_free(run);
    o.max_steps = 60; /* counts the steps of all lives */
    CHECK_OK(eyot_run_resume(&run, engine, g, "limited", &o, &e));
    CHECK_STATUS(eyot_run_wait(run, &e), EYOT_ELIMIT);
    CHECK_INT(eyot_run_steps(run), 60);
    eyot_run_free(run);
    CHECK_OK(eyot_run_resume(&run, engine, g, "limited", NULL, &e));
    CHECK_OK(eyot_run_wait(run, &e));
    CHECK_INT(sum_of(run), 100);
    CHECK_INT(eyot_run_steps(run), 101);
    eyot_run_free(run);
    tally_log log = tally_entries(store, "limited");
    CHECK_INT(tally_tasks(&log), 101);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
}

TEST(engine_steps__a_run_of_exactly_the_limit_is_done)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = loop_to_hundred();
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.max_steps = 101;
    run = tally_run(engine, g, &o);
    eyot_run_free(run);
    o.max_steps = 100;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), &o, NULL), EYOT_ELIMIT);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

static _Atomic int at_once, most_at_once;

static eyot_status count_at_once(eyot_task *task, void *user)
{
    (void)user;
    int n = atomic_fetch_add(&at_once, 1) + 1, most = atomic_load(&most_at_once);
    while (n > most && !atomic_compare_exchange_weak(&most_at_once, &most, n)) {}
    tally_pause_us(500);
    atomic_fetch_sub(&at_once, 1);
    return eyot_task_update(task, tally_sum(1));
}

TEST(engine_parallel__max_parallel_is_reached_and_respected)
{
    eyot_engine *engine = tally_engine(8, NULL);
    eyot_graph *g = tally_fan(60, count_at_once, NULL);
    for (int most = 1; most <= 5; most++) {
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        o.strategy = EYOT_PARALLEL;
        o.max_parallel = (uint32_t)most;
        atomic_store(&most_at_once, 0);
        eyot_run *run = tally_run(engine, g, &o);
        CHECK_INT(atomic_load(&most_at_once), most);
        eyot_run_free(run);
    }
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

/* ---- the order of a sequential run ------------------------------------------------------------------------------ */

static struct {
    char keys[256][32];
    int n;
} seen;

static eyot_status note_key(eyot_task *task, void *user)
{
    (void)user;
    snprintf(seen.keys[seen.n++], 32, "%s", eyot_task_key(task));
    return EYOT_OK;
}

static eyot_status send_many(eyot_task *task, void *user)
{
    for (int i = 0; i < *(int *)user; i++)
        if (eyot_task_send(task, "item", tally_own(i))) return EYOT_ENOMEM;
    return EYOT_OK;
}

static eyot_status note_and_send(eyot_task *task, void *user)
{
    int n = 3;
    (void)note_key(task, user);
    return send_many(task, &n);
}

TEST(engine_sequential__the_smallest_node_stamp_and_path_comes_first)
{
    static const char *const want[] = {"split",   "item[0]", "item[1]", "item[2]", "tail[0]",
                                       "tail[1]", "tail[2]", "side",    "gather"};
    eyot_engine *engine = tally_engine(4, NULL);
    eyot_graph *g = tally_graph("order");
    eyot_node_options each = EYOT_NODE_OPTIONS_INIT;
    each.flags = EYOT_NODE_EACH;
    eyot_graph_node(g, "split", note_and_send, NULL);
    eyot_graph_node(g, "item", note_key, NULL);
    eyot_graph_node_with(g, "tail", note_key, NULL, &each);
    eyot_graph_node(g, "side", note_key, NULL);
    eyot_graph_node(g, "gather", note_key, NULL);
    eyot_graph_edge(g, "split", "side");
    eyot_graph_edge_each(g, "split", "item");
    eyot_graph_edge(g, "item", "tail");
    eyot_graph_edge(g, "tail", "gather");
    eyot_graph_edge(g, "side", "gather");
    tally_freeze(g);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.strategy = EYOT_SEQUENTIAL;
    for (int round = 0; round < 50; round++) {
        seen.n = 0;
        eyot_run *run = tally_run(engine, g, &o);
        CHECK_INT(seen.n, 9);
        for (int i = 0; i < 9; i++) CHECK_STR(seen.keys[i], want[i]);
        eyot_run_free(run);
    }
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

/* ---- failing and resuming --------------------------------------------------------------------------------------- */

static struct {
    _Atomic int runs[8];
    _Atomic bool broken; /* b3 fails */
} plant;

/* b3 fails once all others are running, and they end after it. */
static eyot_status fail_or_add(eyot_task *task, void *user)
{
    (void)user;
    int i = eyot_task_node(task)[1] - '0';
    atomic_fetch_add(&plant.runs[i], 1);
    atomic_fetch_add(&started, 1);
    if (atomic_load(&plant.broken)) wait_for_started(6);
    if (i == 3 && atomic_load(&plant.broken)) return eyot_task_fail(task, "no paper in tray %d", i);
    return eyot_task_update(task, tally_sum(i));
}

static void failing_sibling(eyot_durability durability)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(6, store);
    eyot_graph *g = tally_fan(6, fail_or_add, NULL);
    eyot_error e = {.status = EYOT_OK};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = "printer";
    o.strategy = EYOT_PARALLEL;
    o.durability = durability;
    atomic_store(&started, 0);
    atomic_store(&plant.broken, true);
    for (int i = 0; i < 6; i++) atomic_store(&plant.runs[i], 0);
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), &o, &e), EYOT_EFAILED);
    CHECK_STR(e.text, "b3: no paper in tray 3");
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_FAILED);
    CHECK_INT(eyot_run_steps(run), 6); /* start and five siblings */
    CHECK(!eyot_run_state(run));
    eyot_run_free(run);
    CHECK_INT(tally_row_of(store, "printer").status, EYOT_RUN_FAILED);
    atomic_store(&plant.broken, false);
    CHECK_OK(eyot_run_resume(&run, engine, g, "printer", &o, &e));
    CHECK_OK(eyot_run_wait(run, &e));
    CHECK_INT(sum_of(run), 1 + 15 + 63);
    for (int i = 0; i < 6; i++) CHECK_INT(atomic_load(&plant.runs[i]), i == 3 ? 2 : 1);
    eyot_run_free(run);
    tally_log log = tally_entries(store, "printer");
    CHECK_INT(tally_tasks(&log), durability == EYOT_EXIT ? 0 : 8);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_failure__siblings_are_committed_and_only_the_rest_runs_again)
{
    failing_sibling(EYOT_SYNC);
}
TEST(engine_failure__the_same_with_async_commits)
{
    failing_sibling(EYOT_ASYNC);
}
TEST(engine_failure__the_same_with_commits_at_the_end)
{
    failing_sibling(EYOT_EXIT);
}

TEST(engine_resume__a_run_that_is_done_is_only_loaded)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = tally_fan(4, NULL, NULL);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "done";
    eyot_run *run = tally_run(engine, g, &o);
    eyot_buf before = tally_bytes(eyot_run_state(run));
    eyot_run_free(run);
    tally_row row = tally_row_of(store, "done");
    CHECK_OK(eyot_run_resume(&run, engine, g, "done", NULL, NULL));
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_DONE);
    CHECK_OK(eyot_run_wait(run, NULL));
    eyot_buf after = tally_bytes(eyot_run_state(run));
    CHECK(tally_same(&before, &after));
    CHECK_INT(eyot_run_steps(run), 6);
    eyot_run_free(run);
    CHECK_INT(tally_row_of(store, "done").head, row.head);
    CHECK_INT(tally_row_of(store, "done").epoch, row.epoch);
    eyot__buf_clear(&before);
    eyot__buf_clear(&after);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
}

TEST(engine_resume__another_graph_is_refused_and_the_run_stays_resumable)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = loop_to_hundred(), *other = tally_fan(2, NULL, NULL);
    eyot_error e = {.status = EYOT_OK};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = "a17";
    o.max_steps = 5;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), &o, NULL), EYOT_ELIMIT);
    eyot_run_free(run);
    CHECK_STATUS(eyot_run_resume(&run, engine, other, "a17", NULL, &e), EYOT_ECHANGED);
    CHECK(!run);
    CHECK_HAS(e.text, "a17");
    CHECK(!tally_row_of(store, "a17").held);
    CHECK_OK(eyot_run_resume(&run, engine, g, "a17", NULL, &e));
    CHECK_OK(eyot_run_wait(run, &e));
    CHECK_INT(sum_of(run), 100);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_graph_free(other);
    eyot_store_close(store);
}

/* ---- ids, arguments, forks -------------------------------------------------------------------------------------- */

TEST(engine_ids__a_taken_one_is_refused)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = tally_fan(2, NULL, NULL);
    eyot_error e = {.status = EYOT_OK};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "twice";
    eyot_run *run = tally_run(engine, g, &o), *second;
    CHECK_STATUS(eyot_run_start(&second, engine, g, tally_new(), &o, &e), EYOT_EEXIST);
    CHECK(!second);
    CHECK_HAS(e.text, "twice");
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_ids__malformed_ones_are_refused)
{
    static const char *const bad[] = {"", "-a", "a b", "a/b", "a\n", "\xc3\xa4", ".x", ":x"};
    char too_long[130];
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = tally_fan(2, NULL, NULL);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    memset(too_long, 'a', 129);
    too_long[129] = 0;
    for (size_t i = 0; i <= sizeof bad / sizeof bad[0]; i++) {
        o.run_id = i < sizeof bad / sizeof bad[0] ? bad[i] : too_long;
        CHECK_STATUS(eyot_run_start(&run, engine, g, tally_new(), &o, NULL), EYOT_EINVAL);
        CHECK(!run);
        CHECK_STATUS(eyot_run_resume(&run, engine, g, o.run_id, NULL, NULL), EYOT_EINVAL);
        CHECK(!run);
    }
    o.run_id = too_long + 1;
    run = tally_run(engine, g, &o);
    CHECK_STR(eyot_run_id(run), too_long + 1);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_ids__an_unknown_one_is_not_found)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store), *without = tally_engine(1, NULL);
    eyot_graph *g = tally_fan(2, NULL, NULL);
    eyot_error e = {.status = EYOT_OK};
    eyot_run *run;
    CHECK_STATUS(eyot_run_resume(&run, engine, g, "nobody", NULL, &e), EYOT_ENOTFOUND);
    CHECK_HAS(e.text, "nobody");
    CHECK(!run);
    CHECK_STATUS(eyot_run_resume(&run, without, g, "nobody", NULL, &e), EYOT_EINVAL);
    eyot_engine_free(engine);
    eyot_engine_free(without);
    eyot_graph_free(g);
    eyot_store_close(store);
}

TEST(engine_ids__a_run_without_one_gets_a_new_uuid)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_fan(2, NULL, NULL);
    eyot_run *a = tally_run(engine, g, NULL), *b = tally_run(engine, g, NULL);
    CHECK_INT(strlen(eyot_run_id(a)), 36);
    CHECK_INT(eyot_run_id(a)[14], '7');
    CHECK(strcmp(eyot_run_id(a), eyot_run_id(b)) != 0);
    eyot_run_free(a);
    eyot_run_free(b);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_arguments__what_cannot_be_run_is_refused)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_fan(2, NULL, NULL), *soft = tally_graph("soft");
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    eyot_graph_node(soft, "a", tally_add, NULL);
    CHECK_STATUS(eyot_run_start(&run, engine, g, NULL, NULL, NULL), EYOT_EINVAL);
    CHECK_STATUS(eyot_run_start(&run, engine, soft, tally_new(), NULL, NULL), EYOT_EINVAL);
    CHECK_STATUS(eyot_run_start(&run, NULL, g, tally_new(), NULL, NULL), EYOT_EINVAL);
    o.strategy = (eyot_strategy)9;
    CHECK_STATUS(eyot_run_start(&run, engine, g, tally_new(), &o, NULL), EYOT_EINVAL);
    o = (eyot_run_options)EYOT_RUN_OPTIONS_INIT;
    o.flags = 1u << 30;
    CHECK_STATUS(eyot_run_start(&run, engine, g, tally_new(), &o, NULL), EYOT_EINVAL);
    CHECK(!run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_graph_free(soft);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_fork__a_child_may_not_use_it)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = tally_fan(2, NULL, NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        eyot_error e = {.status = EYOT_OK};
        eyot_run *run;
        bool refused = eyot_run_start(&run, engine, g, tally_new(), NULL, &e) == EYOT_EFORKED && e.text[0] &&
                       eyot_run_resume(&run, engine, g, "a", NULL, &e) == EYOT_EFORKED;
        _exit(refused ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    eyot_run *run = tally_run(engine, g, NULL); /* the parent's goes on */
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
}
