/* SPDX-License-Identifier: MIT */
/* Attempts: how long one may take, what follows from a failed one, and who hears that a result is no longer wanted. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/stores.h>

#include "test/eyot_test.h"
#include "test/proxy.h"
#include "test/tally.h"

static int zero;

/* What the nodes below have seen; reset by `fresh`. */
static struct {
    _Atomic int calls, running, peak, told, late;
    _Atomic int fail_first; /* so many calls fail */
    _Atomic bool release;   /* lets a stuck node go */
    uint32_t attempts[64];
} seen;

static void fresh(int fail_first)
{
    memset(&seen, 0, sizeof seen);
    atomic_store(&seen.fail_first, fail_first);
}

static int64_t sum_of(const eyot_run *run)
{
    const tally *state = eyot_run_state(run);
    return state ? state->sum : -1;
}

/* Fails so many times; also gives an update each time, none of which may be seen but the last. */
static eyot_status flaky(eyot_task *task, void *user)
{
    (void)user;
    int call = atomic_fetch_add(&seen.calls, 1);
    if (call < 64) seen.attempts[call] = eyot_task_attempt(task);
    if (eyot_task_update(task, tally_sum(10))) return EYOT_ENOMEM;
    return call < seen.fail_first ? eyot_task_fail(task, "call %d fails", call + 1) : EYOT_OK;
}

static eyot_node_options policy(uint32_t attempts, uint64_t delay_ms)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = attempts;
    o.retry_delay_ms = delay_ms;
    return o;
}

/* a → b → c; a and c add 1, b is given. */
static eyot_graph *chain(eyot_node_fn b, const eyot_node_options *o)
{
    static int one = 1;
    eyot_graph *g = tally_graph("chain");
    eyot_graph_node(g, "a", tally_add, &one);
    eyot_graph_node_with(g, "b", b, NULL, o);
    eyot_graph_node(g, "c", tally_add, &one);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "b", "c");
    return tally_freeze(g);
}

static eyot_run_options named(const char *id)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = id;
    return o;
}

static size_t entries_of(eyot_store *store, const char *run, eyot_entry_kind kind)
{
    tally_log log = tally_entries(store, run);
    size_t n = 0;
    for (size_t i = 0; i < log.n; i++) n += log.entries[i].kind == kind;
    tally_log_free(&log);
    return n;
}

/* ---- retries ---------------------------------------------------------------------------------------------------- */

TEST(engine_retry__goes_on_until_an_attempt_does_well)
{
    fresh(2);
    eyot_node_options o = policy(3, 1);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = chain(flaky, &o);
    eyot_run_options how = named("r");
    eyot_run *run = tally_run(engine, g, &how);
    CHECK_INT(sum_of(run), 12);
    CHECK_INT(seen.calls, 3);
    for (uint32_t i = 0; i < 3; i++) CHECK_INT(seen.attempts[i], i + 1);
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_ATTEMPT), 2);
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_TASK), 3);
    eyot_run_metrics m = {.size = sizeof m};
    CHECK_OK(eyot_run_measure(run, &m));
    CHECK_INT(m.tasks, 3);
    CHECK_INT(m.failed, 2);
    CHECK_INT(m.retried, 2);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_retry__ends_at_the_limit_and_names_the_task)
{
    fresh(100);
    eyot_node_options o = policy(3, 1);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run *run;
    eyot_error e;
    const char *task, *text;
    uint32_t attempt;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    CHECK_STATUS(eyot_run_wait(run, &e), EYOT_EFAILED);
    CHECK_INT(seen.calls, 3);
    CHECK_STR(e.text, "b: call 3 fails");
    CHECK_STATUS(eyot_run_failure(run, &text, &task, &attempt), EYOT_EFAILED);
    CHECK_STR(text, "b: call 3 fails");
    CHECK_STR(task, "b");
    CHECK_INT(attempt, 3);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static bool never(eyot_status status, const char *text, void *user)
{
    (void)user;
    return status != EYOT_EFAILED || strcmp(text, "call 1 fails") != 0;
}

TEST(engine_retry__only_for_what_another_attempt_may_mend)
{
    fresh(1);
    eyot_node_options o = policy(3, 1);
    o.retryable = never;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run *run;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), NULL, NULL), EYOT_EFAILED);
    CHECK_INT(seen.calls, 1);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_retry__delays_grow_by_the_factor)
{
    fresh(3);
    eyot_node_options o = policy(4, 20);
    o.retry_factor = 3;
    o.retry_max_ms = 100;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    uint64_t before = test_now_ms();
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK(test_now_ms() - before >= 20 + 60 + 100 - 3);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_retry__waiting_holds_no_thread)
{
    enum { N = 500 };
    fresh(N);
    eyot_node_options o = policy(2, 300);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_graph("wide");
    eyot_graph_node(g, "start", tally_add, &zero);
    for (int i = 0; i < N; i++) {
        char id[16];
        snprintf(id, sizeof id, "n%d", i);
        eyot_graph_node_with(g, id, flaky, NULL, &o);
        eyot_graph_edge(g, "start", id);
    }
    tally_freeze(g);
    uint64_t before = test_now_ms();
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK(test_now_ms() - before < 30000); /* one after the other: 150 s */
    CHECK_INT(seen.calls, 2 * N);
    CHECK_INT(sum_of(run), 10 * N);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_retry__a_cancel_does_not_wait_for_it)
{
    fresh(100);
    eyot_node_options o = policy(100, 3600000);
    o.retry_max_ms = 3600000;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    while (atomic_load(&seen.calls) < 1) tally_pause_us(100);
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_retry__attempts_are_no_steps)
{
    fresh(2);
    eyot_node_options o = policy(3, 1);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run_options how = EYOT_RUN_OPTIONS_INIT;
    how.max_steps = 3;
    eyot_run *run = tally_run(engine, g, &how);
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_retry__without_a_delay_waits_for_no_time)
{
    fresh(2);
    eyot_node_options o = policy(3, 0);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run_options how = EYOT_RUN_OPTIONS_INIT;
    how.flags = EYOT_RUN_NO_WAIT;
    eyot_run *run = tally_run(engine, g, &how);
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

/* ---- timeouts --------------------------------------------------------------------------------------------------- */

static eyot_node_options timeout(uint64_t ms, uint64_t grace_ms, uint32_t attempts)
{
    eyot_node_options o = policy(attempts, 1);
    o.timeout_ms = ms;
    o.grace_ms = grace_ms;
    return o;
}

/* The first call does not come back until it is let go; the next ones do well. */
static eyot_status stuck(eyot_task *task, void *user)
{
    (void)user;
    int call = atomic_fetch_add(&seen.calls, 1);
    if (eyot_task_update(task, tally_sum(call ? 10 : 1000))) return EYOT_ENOMEM;
    if (call > 0) return EYOT_OK;
    while (!atomic_load(&seen.release)) tally_pause_us(200);
    CHECK(eyot_task_cancelled(task));
    CHECK_INT(((const tally *)eyot_task_state(task))->sum, 1); /* what it was given is there still */
    CHECK_STR(eyot_task_key(task), "b");
    atomic_fetch_add(&seen.late, 1);
    return EYOT_OK;
}

static void wait_for_late(void)
{
    while (atomic_load(&seen.late) < 1) tally_pause_us(200);
}

TEST(engine_timeout__a_task_that_does_not_listen_is_abandoned)
{
    fresh(0);
    eyot_node_options o = timeout(30, 30, 2);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store); /* its only thread is stuck, and replaced */
    eyot_graph *g = chain(stuck, &o);
    eyot_run_options how = named("r");
    uint64_t before = test_now_ms();
    eyot_run *run = tally_run(engine, g, &how);
    CHECK(test_now_ms() - before < 20000);
    CHECK_INT(sum_of(run), 12); /* nothing of the late result */
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_ATTEMPT), 1);
    eyot_run_free(run); /* the stuck task outlives its run */
    atomic_store(&seen.release, true);
    wait_for_late();
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* Has given its result away, and does not come back from its function until it is let go. */
static eyot_status complete_and_hang(eyot_task *task, void *user)
{
    (void)user;
    if (atomic_fetch_add(&seen.calls, 1) > 0) return eyot_task_update(task, tally_sum(10));
    CHECK_OK(eyot_task_complete(task, EYOT_OK));
    while (!atomic_load(&seen.release)) tally_pause_us(200);
    atomic_fetch_add(&seen.late, 1);
    return EYOT_PENDING;
}

TEST(engine_timeout__also_of_a_function_that_hangs_after_its_task_was_completed)
{
    fresh(0);
    eyot_node_options o = timeout(30, 30, 2);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(complete_and_hang, &o);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    for (int i = 0; i < 50000 && eyot_run_status_of(run) == EYOT_RUN_RUNNING; i++) tally_pause_us(200);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_DONE);
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    atomic_store(&seen.release, true);
    wait_for_late();
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status stuck_once(eyot_task *task, void *user)
{
    (void)user;
    if (atomic_fetch_add(&seen.calls, 1) > 0) return eyot_task_update(task, tally_sum(10));
    while (!atomic_load(&seen.release)) {}
    atomic_fetch_add(&seen.late, 1);
    return EYOT_OK;
}

/* While this runs, the one that was given up comes back and gives back what it had. */
static eyot_status let_it_come_back(eyot_task *task, void *user)
{
    (void)task, (void)user;
    atomic_store(&seen.release, true);
    while (atomic_load(&seen.late) < 1) {}
    tally_pause_us(3000);
    return EYOT_OK;
}

TEST(engine_timeout__a_late_end_meets_a_run_that_goes_on_alone)
{
    fresh(0);
    eyot_node_options o = timeout(5, 1, 2);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_graph("late");
    eyot_graph_node_with(g, "b", stuck_once, NULL, &o);
    eyot_graph_node(g, "c", let_it_come_back, NULL);
    eyot_graph_node(g, "d", tally_add, &zero);
    eyot_graph_edge(g, "b", "c");
    eyot_graph_edge(g, "c", "d");
    tally_freeze(g);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(sum_of(run), 10);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_timeout__the_run_fails_when_no_attempt_is_left)
{
    fresh(0);
    eyot_node_options o = timeout(30, 1, 1);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(stuck, &o);
    eyot_run *run;
    eyot_error e;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), NULL, &e), EYOT_ETIMEDOUT);
    CHECK_STR(e.text, "b: timed out after 30 ms");
    atomic_store(&seen.release, true);
    wait_for_late();
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* Does what a good node does: looks whether it is wanted. The first call only ends when it is told. */
static eyot_status listener(eyot_task *task, void *user)
{
    (void)user;
    if (eyot_task_update(task, tally_sum(10))) return EYOT_ENOMEM;
    if (atomic_fetch_add(&seen.calls, 1) > 0) return EYOT_OK;
    struct pollfd fd = {.fd = eyot_task_cancel_fd(task), .events = POLLIN};
    CHECK(fd.fd >= 0);
    CHECK_INT(poll(&fd, 1, 20000), 1);
    CHECK(eyot_task_cancelled(task));
    atomic_fetch_add(&seen.told, 1);
    return EYOT_OK; /* too late: refused */
}

TEST(engine_timeout__its_descriptor_tells_a_task_and_a_late_result_is_refused)
{
    fresh(0);
    eyot_node_options o = timeout(30, 20000, 2);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(listener, &o);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(seen.told, 1);
    CHECK_INT(seen.calls, 2);
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* Only ends when it is told, the first time; a second attempt must not be told what was meant for the first. */
static eyot_status listen_anew(eyot_task *task, void *user)
{
    (void)user;
    if (eyot_task_update(task, tally_sum(10))) return EYOT_ENOMEM;
    struct pollfd fd = {.fd = eyot_task_cancel_fd(task), .events = POLLIN};
    int call = atomic_fetch_add(&seen.calls, 1);
    atomic_fetch_add(&seen.told, poll(&fd, 1, call ? 0 : 20000) == 1);
    return EYOT_OK;
}

TEST(engine_timeout__the_descriptor_of_the_next_attempt_is_its_own)
{
    fresh(0);
    eyot_node_options o = timeout(30, 20000, 2);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(listen_anew, &o);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(seen.calls, 2);
    CHECK_INT(seen.told, 1);
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_timeout__is_per_attempt_and_one_in_time_counts)
{
    fresh(2);
    eyot_node_options o = timeout(20000, 0, 3);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

/* Pending tasks: kept here, told by a callback. */
static struct {
    pthread_mutex_t lock;
    eyot_task *task;
    int told;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note_told(void *arg)
{
    pthread_mutex_lock(&kept.lock);
    kept.told += *(int *)arg;
    pthread_mutex_unlock(&kept.lock);
}

static int told_count(void)
{
    pthread_mutex_lock(&kept.lock);
    int n = kept.told;
    pthread_mutex_unlock(&kept.lock);
    return n;
}

static eyot_status keep_it(eyot_task *task, void *user)
{
    static int one = 1;
    (void)user;
    if (eyot_task_update(task, tally_sum(10))) return EYOT_ENOMEM;
    if (atomic_fetch_add(&seen.calls, 1) > 0) return EYOT_OK;
    pthread_mutex_lock(&kept.lock);
    kept.told = 0;
    kept.task = task;
    pthread_mutex_unlock(&kept.lock);
    return eyot_task_on_cancel(task, note_told, &one) ? EYOT_ENOMEM : EYOT_PENDING;
}

static eyot_task *kept_task(void)
{
    for (eyot_task *t = NULL;; tally_pause_us(200)) {
        pthread_mutex_lock(&kept.lock);
        t = kept.task;
        pthread_mutex_unlock(&kept.lock);
        if (t) return t;
    }
}

static eyot_status complete_kept(eyot_status status)
{
    eyot_task *t = kept_task();
    CHECK_OK(eyot_task_on_cancel(t, NULL, NULL));
    kept.task = NULL;
    return eyot_task_complete(t, status);
}

TEST(engine_timeout__the_next_attempt_waits_for_a_pending_task_to_wind_up)
{
    fresh(0);
    eyot_node_options o = timeout(30, 20000, 2);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(keep_it, &o);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    while (atomic_load(&seen.calls) < 1 || told_count() < 1) tally_pause_us(200);
    CHECK_INT(seen.calls, 1);
    CHECK_STATUS(complete_kept(EYOT_OK),
                 EYOT_ECANCELED); /* its grace is not over: the attempt ends now, as timed out */
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(seen.calls, 2);
    CHECK_INT(sum_of(run), 12);
    CHECK_INT(told_count(), 1);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_timeout__a_pending_task_beyond_its_grace_is_abandoned)
{
    fresh(0);
    eyot_node_options o = timeout(30, 30, 2);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(keep_it, &o);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    CHECK_STATUS(complete_kept(EYOT_OK), EYOT_ECANCELED); /* only now is it let go of */
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_cancel__waits_for_a_pending_task_that_listens)
{
    fresh(0);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(keep_it, NULL);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    (void)kept_task();
    eyot_run_cancel(run);
    while (told_count() < 1) tally_pause_us(200);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_RUNNING); /* it has its grace */
    CHECK_OK(complete_kept(EYOT_ECANCELED));
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_cancel__does_not_wait_longer_than_the_grace)
{
    fresh(0);
    eyot_node_options o = timeout(0, 30, 1);
    o.attempts = 2; /* so that it has a policy, with its grace */
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(keep_it, &o);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    (void)kept_task();
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    CHECK_STATUS(complete_kept(EYOT_OK), EYOT_ECANCELED);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_cancel__a_listener_that_comes_too_late_is_told_at_once)
{
    fresh(0);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(listener, NULL); /* without a timeout, alone on its thread */
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    while (atomic_load(&seen.calls) < 1) tally_pause_us(200);
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    CHECK_INT(seen.told, 1);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status run_another(eyot_task *task, void *user)
{
    eyot_run *run;
    eyot_status status = eyot_run_sync(&run, eyot_task_engine(task), user, tally_new(), NULL, NULL);
    if (run) eyot_run_free(run);
    return status ? status : eyot_task_update(task, tally_sum(10));
}

TEST(engine_timeout__of_a_run_that_a_node_waits_for)
{
    fresh(0);
    eyot_node_options o = timeout(20000, 0, 2);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *inner = chain(flaky, &o), *g = tally_graph("outer");
    eyot_run *run;
    eyot_graph_node_with(g, "a", run_another, inner, &o); /* itself on the engine's only thread */
    tally_freeze(g);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    for (int i = 0; i < 25000 && eyot_run_status_of(run) == EYOT_RUN_RUNNING; i++) tally_pause_us(200);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_DONE);
    CHECK_INT(sum_of(run), 10);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_graph_free(inner);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_cancel__of_a_node_that_only_says_its_grace)
{
    fresh(0);
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.grace_ms = 30;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(keep_it, &o);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    (void)kept_task();
    uint64_t before = test_now_ms();
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    CHECK(test_now_ms() - before < 4000);
    CHECK_STATUS(complete_kept(EYOT_OK), EYOT_ECANCELED);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* ---- rescues ---------------------------------------------------------------------------------------------------- */

static eyot_status rescue_with_100(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)user;
    CHECK_INT(status, EYOT_EFAILED);
    CHECK_STR(text, "call 2 fails");
    CHECK_INT(((const tally *)eyot_task_state(task))->sum, 1); /* before the task */
    return eyot_task_update(task, tally_sum(100));
}

TEST(engine_rescue__takes_the_place_of_the_last_attempt)
{
    fresh(100);
    eyot_node_options o = policy(2, 1);
    o.rescue = rescue_with_100;
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = chain(flaky, &o);
    eyot_run_options how = named("r");
    eyot_run *run = tally_run(engine, g, &how);
    CHECK_INT(sum_of(run), 102);
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_ATTEMPT), 2);
    eyot_run_free(run);
    CHECK_OK(eyot_run_resume(&run, engine, g, "r", NULL, NULL)); /* the log leads to the same */
    CHECK_INT(sum_of(run), 102);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status end_it(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)status, (void)text, (void)user;
    return eyot_task_end(task);
}

TEST(engine_rescue__may_end_the_branch)
{
    fresh(100);
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.rescue = end_it;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(sum_of(run), 1);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

static eyot_status to_handler(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)status, (void)text, (void)user;
    return eyot_task_route(task, "handler");
}

TEST(engine_rescue__may_lead_to_a_handler)
{
    fresh(100);
    static int hundred = 100;
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.rescue = to_handler;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_graph("handled");
    eyot_graph_node_with(g, "work", flaky, NULL, &o);
    eyot_graph_node(g, "next", tally_add, &zero);
    eyot_graph_node(g, "handler", tally_add, &hundred);
    eyot_graph_edge(g, "work", "next");
    eyot_graph_edge_routed(g, "work", "handler");
    tally_freeze(g);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(sum_of(run), 100);
    CHECK_INT(eyot_run_steps(run), 2);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

static eyot_status rescue_fails(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)status, (void)user;
    return eyot_task_fail(task, "not even that, after: %s", text);
}

TEST(engine_rescue__that_fails_fails_the_run)
{
    fresh(100);
    eyot_node_options o = policy(3, 1);
    o.rescue = rescue_fails;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(flaky, &o);
    eyot_run *run;
    eyot_error e;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), NULL, &e), EYOT_EFAILED);
    CHECK_STR(e.text, "b: not even that, after: call 3 fails");
    CHECK_INT(seen.calls, 3);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_rescue__also_of_a_task_that_was_abandoned)
{
    fresh(0);
    eyot_node_options o = timeout(30, 1, 1);
    o.rescue = end_it;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = chain(stuck, &o);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(sum_of(run), 1);
    eyot_run_free(run);
    atomic_store(&seen.release, true);
    wait_for_late();
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status note_attempt(eyot_task *task, void *user)
{
    (void)user;
    seen.attempts[atomic_fetch_add(&seen.calls, 1)] = eyot_task_attempt(task);
    return eyot_task_fail(task, "again");
}

/* A rescue is no attempt, also for those who only read the log. */
TEST(engine_rescue__that_fails_is_not_counted_by_the_next_life)
{
    fresh(0);
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.rescue = rescue_fails;
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = chain(note_attempt, &o);
    eyot_run_options how = named("r");
    eyot_run *run;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), &how, NULL), EYOT_EFAILED);
    eyot_run_free(run);
    CHECK_OK(eyot_run_resume(&run, engine, g, "r", NULL, NULL));
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_EFAILED);
    CHECK_INT(seen.calls, 2);
    CHECK_INT(seen.attempts[1], 2);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

static eyot_status give_too_much(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_update(task, tally_pad(tally_sum(1000), 4096, 1));
}

static eyot_status rescue_from_too_much(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)text, (void)user;
    CHECK_INT(status, EYOT_ELIMIT);
    CHECK_INT(((const tally *)eyot_task_state(task))->sum, 1);
    return eyot_task_update(task, tally_sum(10));
}

TEST(engine_rescue__sees_nothing_of_an_update_that_the_store_did_not_take)
{
    fresh(0);
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.rescue = rescue_from_too_much;
    proxy p = {.max_body = 2048};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = chain(give_too_much, &o);
    eyot_run_options how = named("r");
    eyot_run *run = tally_run(engine, g, &how);
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    CHECK_OK(eyot_run_resume(&run, engine, g, "r", NULL, NULL));
    CHECK_INT(sum_of(run), 12);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* ---- what a graph says of itself -------------------------------------------------------------------------------- */

TEST(graph_policy__is_no_part_of_the_fingerprint_but_action_and_source_are)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT, retried = policy(5, 1), acting = EYOT_NODE_OPTIONS_INIT;
    acting.action = "wc -w";
    eyot_graph *a = chain(flaky, &o), *b = chain(flaky, &retried), *c = chain(flaky, &acting);
    CHECK_STR(eyot_graph_fingerprint(a), eyot_graph_fingerprint(b));
    CHECK(strcmp(eyot_graph_fingerprint(a), eyot_graph_fingerprint(c)) != 0);
    eyot_graph *d = tally_graph("chain");
    eyot_graph_node(d, "a", flaky, NULL);
    eyot_graph *e = tally_graph("chain");
    eyot_graph_node(e, "a", flaky, NULL);
    eyot_graph_source(e, "text", 4);
    tally_freeze(d), tally_freeze(e);
    CHECK(strcmp(eyot_graph_fingerprint(d), eyot_graph_fingerprint(e)) != 0);
    eyot_graph *all[] = {a, b, c, d, e};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) eyot_graph_free(all[i]);
}

TEST(graph_policy__with_numbers_that_make_no_sense_is_a_problem)
{
    eyot_graph *g = tally_graph("bad");
    eyot_node_options o = policy(2, 1);
    o.retry_jitter = 1.5;
    eyot_graph_node_with(g, "a", flaky, NULL, &o);
    o = policy(2, UINT64_MAX);
    eyot_graph_node_with(g, "b", flaky, NULL, &o);
    o = policy(2, 1);
    o.retry_factor = 0.5;
    eyot_graph_node_with(g, "c", flaky, NULL, &o);
    CHECK_STATUS(eyot_graph_freeze(g, NULL), EYOT_EGRAPH);
    CHECK_HAS(eyot_graph_problem(g, 0), "node a: retry_jitter");
    CHECK_HAS(eyot_graph_problem(g, 1), "node b: a timeout, grace or delay is longer than a year");
    CHECK_HAS(eyot_graph_problem(g, 2), "node c: retry_factor");
    eyot_graph_free(g);
}

/* ---- all of it at once ------------------------------------------------------------------------------------------ */

/* Every task fails, hangs or does well by chance, until its third attempt. */
static eyot_status by_chance(eyot_task *task, void *user)
{
    uint64_t random = *(uint64_t *)user;
    for (const char *k = eyot_task_key(task); k && *k; k++) random = random * 31 + (unsigned char)*k;
    random += eyot_task_attempt(task);
    uint64_t chance = test_random(&random) % 4;
    if (eyot_task_attempt(task) < 3 && chance == 0) return eyot_task_fail(task, "by chance");
    if (eyot_task_attempt(task) < 3 && chance == 1) {
        struct pollfd fd = {.fd = eyot_task_cancel_fd(task), .events = POLLIN};
        poll(&fd, 1, 20000);
    }
    return eyot_task_update(task, tally_sum(1));
}

TEST(engine_policy__chance_changes_no_result)
{
    for (uint32_t round = 0; round < 4 * test_long(); round++) {
        uint64_t seed = test_seed() + round;
        eyot_node_options o = timeout(15, 20000, 10);
        o.retry_jitter = 0.5;
        eyot_store *store = round % 2 ? tally_store("memory:") : NULL;
        eyot_engine *engine = tally_engine(1 + round % 4, store);
        eyot_graph *g = tally_graph("chance");
        eyot_graph_node(g, "start", tally_add, &zero);
        eyot_graph_node_with(g, "join", by_chance, &seed, &o);
        for (int i = 0; i < 40; i++) {
            char id[16];
            snprintf(id, sizeof id, "n%d", i);
            eyot_graph_node_with(g, id, by_chance, &seed, &o);
            eyot_graph_edge(g, "start", id);
            eyot_graph_edge(g, id, "join");
        }
        tally_freeze(g);
        eyot_run *run = tally_run(engine, g, NULL);
        CHECK_INT(sum_of(run), 41);
        CHECK_INT(eyot_run_steps(run), 42);
        eyot_run_free(run);
        eyot_engine_free(engine);
        if (store) eyot_store_close(store);
        eyot_graph_free(g);
        CHECK_INT(tally_live(), 0);
    }
}
