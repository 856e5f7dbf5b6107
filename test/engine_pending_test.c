/* SPDX-License-Identifier: MIT */
/* Tasks that are completed later, from elsewhere or too late; cancelling and freeing what still runs. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

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

/* ---- pending tasks ---------------------------------------------------------------------------------------------- */

/* Tasks that their nodes left pending. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t came;
    eyot_task *tasks[10000];
    size_t n;
} pending = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static eyot_status leave_pending(eyot_task *task, void *user)
{
    if (eyot_task_update(task, tally_sum(user ? *(int *)user : 1))) return EYOT_ENOMEM;
    pthread_mutex_lock(&pending.lock);
    pending.tasks[pending.n++] = task;
    pthread_cond_signal(&pending.came);
    pthread_mutex_unlock(&pending.lock);
    return EYOT_PENDING;
}

static void wait_for_pending(size_t n)
{
    pthread_mutex_lock(&pending.lock);
    while (pending.n < n) pthread_cond_wait(&pending.came, &pending.lock);
    pthread_mutex_unlock(&pending.lock);
}

static eyot_task *take_pending(size_t i)
{
    pthread_mutex_lock(&pending.lock);
    eyot_task *task = pending.tasks[i];
    pending.tasks[i] = pending.tasks[--pending.n];
    pthread_mutex_unlock(&pending.lock);
    return task;
}

static eyot_status send_many(eyot_task *task, void *user)
{
    for (int i = 0; i < *(int *)user; i++)
        if (eyot_task_send(task, "item", tally_own(i))) return EYOT_ENOMEM;
    return EYOT_OK;
}

static eyot_graph *map_of(int *n, eyot_node_fn item)
{
    eyot_graph *g = tally_graph("map");
    eyot_graph_node(g, "split", send_many, n);
    eyot_graph_node(g, "item", item, NULL);
    eyot_graph_node(g, "gather", tally_add, &tally_numbers[0]);
    eyot_graph_edge_each(g, "split", "item");
    eyot_graph_edge(g, "item", "gather");
    return tally_freeze(g);
}

static void *complete_in_random_order(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    wait_for_pending(10000);
    for (size_t n = 10000; n > 0; n--)
        if (eyot_task_complete(take_pending(test_random(&random) % n), EYOT_OK)) abort();
    return NULL;
}

static void ten_thousand(eyot_store *store)
{
    int n = 10000;
    uint64_t random = test_seed();
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = map_of(&n, leave_pending);
    pthread_t completer;
    CHECK_OK(pthread_create(&completer, NULL, complete_in_random_order, &random));
    eyot_run *run = tally_run(engine, g, NULL);
    pthread_join(completer, NULL);
    CHECK_INT(sum_of(run), 10000);
    CHECK_INT(eyot_run_steps(run), 10002);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_pending__ten_thousand_on_two_threads)
{
    ten_thousand(NULL);
}
TEST(engine_pending__ten_thousand_are_all_stored)
{
    eyot_store *store = tally_store("memory:");
    ten_thousand(store);
    eyot_store_close(store);
}

static eyot_status complete_itself(eyot_task *task, void *user)
{
    (void)user;
    if (eyot_task_update(task, tally_sum(1))) return EYOT_ENOMEM;
    return eyot_task_complete(task, EYOT_OK) ? EYOT_EFAILED : EYOT_PENDING;
}

static void *complete_one(void *arg)
{
    sem_t *done = arg;
    wait_for_pending(1);
    if (eyot_task_complete(take_pending(0), EYOT_OK)) abort();
    sem_post(done);
    return NULL;
}

/* Another thread has completed it, for sure, before the node returns. */
static eyot_status completed_by_another(eyot_task *task, void *user)
{
    (void)user;
    sem_t done;
    pthread_t thread;
    sem_init(&done, 0, 0);
    if (pthread_create(&thread, NULL, complete_one, &done)) return EYOT_EFAILED;
    (void)leave_pending(task, NULL);
    sem_wait(&done);
    pthread_join(thread, NULL);
    sem_destroy(&done);
    return EYOT_PENDING;
}

static void completed_early(eyot_node_fn item, int n, eyot_store *store)
{
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = map_of(&n, item);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.strategy = n == 1 ? EYOT_ADAPTIVE : EYOT_PARALLEL;
    eyot_run *run = tally_run(engine, g, &o);
    CHECK_INT(sum_of(run), n);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_pending__completed_before_the_node_returns)
{
    eyot_store *store = tally_store("memory:");
    completed_early(complete_itself, 1000, NULL);
    completed_early(complete_itself, 1000, store);
    completed_early(completed_by_another, 1, NULL);
    completed_early(completed_by_another, 1, store);
    eyot_store_close(store);
}

TEST(engine_pending__completed_with_an_error_fails_the_run)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_graph("one");
    eyot_error e = {.status = EYOT_OK};
    eyot_run *run;
    eyot_graph_node(g, "wait", leave_pending, NULL);
    tally_freeze(g);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    wait_for_pending(1);
    eyot_task *task = take_pending(0);
    CHECK_OK(eyot_task_complete(task, eyot_task_fail(task, "the line is dead")));
    CHECK_STATUS(eyot_run_wait(run, &e), EYOT_EFAILED);
    CHECK_STR(e.text, "wait: the line is dead");
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* Cancelled while 20 tasks are pending; then what is freed before they are completed, after all. */
static void late_completions(eyot_store *store, bool free_run, bool free_engine)
{
    int n = 20;
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = map_of(&n, leave_pending);
    eyot_error e = {.status = EYOT_OK};
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    wait_for_pending(20);
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, &e), EYOT_ECANCELED);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_CANCELLED);
    CHECK(!eyot_run_state(run));
    if (free_engine) eyot_engine_free(engine);
    if (free_run) eyot_run_free(run);
    while (pending.n > 0) CHECK_STATUS(eyot_task_complete(take_pending(0), EYOT_OK), EYOT_ECANCELED);
    if (!free_run) eyot_run_free(run);
    if (!free_engine) eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_pending__completed_after_cancel_is_dropped)
{
    late_completions(NULL, false, false);
}
TEST(engine_pending__completed_after_cancel_and_free_is_dropped)
{
    late_completions(NULL, true, false);
}
TEST(engine_pending__completed_after_its_engine_was_freed_is_dropped)
{
    late_completions(NULL, true, true);
    late_completions(NULL, false, true);
}
TEST(engine_pending__completed_late_leaves_a_stored_run_resumable)
{
    int n = 20;
    eyot_store *store = tally_store("memory:");
    late_completions(store, true, false);
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = map_of(&n, leave_pending);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "late";
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    wait_for_pending(20);
    for (int i = 0; i < 7; i++) CHECK_OK(eyot_task_complete(take_pending(3), EYOT_OK));
    eyot_run_free(run);
    while (pending.n > 0) CHECK_STATUS(eyot_task_complete(take_pending(0), EYOT_OK), EYOT_ECANCELED);
    CHECK_INT(tally_row_of(store, "late").status, EYOT_RUN_CANCELLED);
    CHECK_OK(eyot_run_resume(&run, engine, g, "late", NULL, NULL));
    wait_for_pending(13);
    while (pending.n > 0) CHECK_OK(eyot_task_complete(take_pending(0), EYOT_OK));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(sum_of(run), 20);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

/* Half of the tasks are completed by a thread while another one cancels: each is kept or dropped, none is lost. */
static void *complete_all(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&pending.lock);
        eyot_task *task = pending.n ? pending.tasks[--pending.n] : NULL;
        pthread_mutex_unlock(&pending.lock);
        if (!task) return NULL;
        eyot_status status = eyot_task_complete(task, EYOT_OK);
        if (status && status != EYOT_ECANCELED) abort();
    }
}

TEST(engine_pending__completed_while_cancelled_is_kept_or_dropped)
{
    int n = 40;
    uint64_t random = test_seed();
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = map_of(&n, leave_pending);
    for (unsigned round = 0; round < 200 * test_long(); round++) {
        eyot_run *run;
        pthread_t thread;
        CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
        wait_for_pending(40);
        CHECK_OK(pthread_create(&thread, NULL, complete_all, NULL));
        for (uint64_t spin = test_random(&random) % 20000; spin > 0; spin--) atomic_signal_fence(memory_order_seq_cst);
        eyot_run_cancel(run);
        eyot_status status = eyot_run_wait(run, NULL);
        CHECK(status == EYOT_OK || status == EYOT_ECANCELED);
        char id[64];
        snprintf(id, sizeof id, "%s", eyot_run_id(run));
        uint64_t steps = eyot_run_steps(run);
        eyot_run_free(run);
        pthread_join(thread, NULL);
        tally_log log = tally_entries(store, id);
        CHECK_INT(tally_tasks(&log), steps);
        tally_log_free(&log);
    }
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

/* ---- cancelling and freeing ------------------------------------------------------------------------------------- */

static eyot_run *_Atomic own_run;
static _Atomic int told;

static eyot_status cancel_own_run(eyot_task *task, void *user)
{
    (void)user;
    eyot_run *run;
    while (!(run = atomic_load(&own_run))) {}
    eyot_run_cancel(run);
    atomic_store(&told, eyot_task_cancelled(task));
    return eyot_task_update(task, tally_sum(1));
}

static void cancel_inside(eyot_store *store)
{
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = tally_graph("chain");
    eyot_run *run;
    eyot_graph_node(g, "a", cancel_own_run, NULL);
    eyot_graph_node(g, "b", tally_add, NULL);
    eyot_graph_edge(g, "a", "b");
    tally_freeze(g);
    atomic_store(&own_run, NULL);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    atomic_store(&own_run, run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_CANCELLED);
    CHECK_INT(eyot_run_steps(run), 1); /* the task itself was not stopped */
    CHECK(atomic_load(&told));
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_cancel__from_inside_a_task)
{
    eyot_store *store = tally_store("memory:");
    for (int i = 0; i < 100; i++) {
        cancel_inside(NULL);
        cancel_inside(store);
    }
    eyot_store_close(store);
}

static eyot_status until_cancelled(eyot_task *task, void *user)
{
    (void)user;
    atomic_fetch_add(&started, 1);
    while (!eyot_task_cancelled(task)) tally_pause_us(100);
    return EYOT_ECANCELED;
}

TEST(engine_cancel__running_tasks_are_told_and_nothing_new_starts)
{
    eyot_engine *engine = tally_engine(4, NULL);
    eyot_graph *g = tally_fan(10, until_cancelled, NULL);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.strategy = EYOT_PARALLEL;
    atomic_store(&started, 0);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    wait_for_started(4);
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    CHECK_INT(atomic_load(&started), 4);
    CHECK_INT(eyot_run_steps(run), 1);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_free__ends_runs_that_still_run_and_leaves_them_readable)
{
    eyot_engine *engine = tally_engine(2, NULL);
    eyot_graph *g = tally_fan(4, until_cancelled, NULL);
    eyot_run *runs[3];
    eyot_error e = {.status = EYOT_OK};
    atomic_store(&started, 0);
    for (int i = 0; i < 3; i++) CHECK_OK(eyot_run_start(&runs[i], engine, g, tally_new(), NULL, NULL));
    wait_for_started(1);
    eyot_engine_free(engine);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(eyot_run_status_of(runs[i]), EYOT_RUN_CANCELLED);
        CHECK_STATUS(eyot_run_wait(runs[i], &e), EYOT_ECANCELED);
        CHECK_INT(strlen(eyot_run_id(runs[i])), 36);
        eyot_run_free(runs[i]);
    }
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_free__a_run_that_still_runs_is_cancelled_first)
{
    eyot_engine *engine = tally_engine(2, NULL);
    eyot_graph *g = tally_fan(4, until_cancelled, NULL);
    for (int i = 0; i < 100; i++) {
        eyot_run *run;
        CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
        eyot_run_free(run);
    }
    eyot_run_free(NULL);
    eyot_engine_free(engine);
    eyot_engine_free(NULL);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}
