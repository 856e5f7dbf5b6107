/* SPDX-License-Identifier: MIT */
/* What becomes of a run when its store fails, refuses, is slow or too small. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/copiers.h>
#include <eyot/stores.h>

#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/proxy.h"

enum { SOON_MS = 5000 }; /* far less than a third of the default lease, after which everything is looked at anyway */

/* ---- snapshots -------------------------------------------------------------------------------------------------- */

static eyot_status add_big(eyot_task *task, void *user)
{
    tally *update = tally_pad(tally_sum(*(int *)user), 80000, 'x');
    return update ? eyot_task_update(task, update) : EYOT_ENOMEM;
}

static _Atomic bool broken; /* the node or condition that looks at it fails */

static eyot_status fail_once(eyot_task *task, void *user)
{
    if (atomic_load(&broken)) return eyot_task_fail(task, "not yet");
    return tally_add(task, user);
}

/* The first update is so big that its commit has a snapshot. */
static void first_commit_has_a_snapshot(const char *url)
{
    eyot_store *store = tally_store(url);
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, add_big, fail_once);
    eyot_run_options o = lives_options(EYOT_SYNC);
    atomic_store(&broken, true);
    lives_fail(engine, g, &o, EYOT_EFAILED);
    atomic_store(&broken, false);
    tally_log log = tally_entries(store, "r");
    CHECK_INT(log.entries[2].kind, EYOT_ENTRY_SNAPSHOT);
    tally_log_free(&log);
    lives_end(engine, g, &o, 7);
    eyot_checkpoint *c;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_load_latest_checkpoint(&c, store, g, "r", &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    CHECK_INT(((const tally *)eyot_checkpoint_state(c))->sum, 7);
    eyot_checkpoint_free(c);
    lives_end(engine, g, &o, 7); /* done: it is only loaded */
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_snapshot__a_first_commit_with_one_resumes)
{
    first_commit_has_a_snapshot("memory:");
}

#if defined(EYOT_HAVE_SQLITE)
TEST(engine_snapshot__a_first_commit_with_one_resumes_on_sqlite)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/run.db", test_dir());
    first_commit_has_a_snapshot(path);
}
#endif

static struct {
    _Atomic int left; /* tasks until the run is cancelled */
    eyot_run *_Atomic run;
} cut;

/* What a task gives depends on its key alone; a third of it is big. */
static eyot_status give_by_key(eyot_task *task, void *user)
{
    (void)user;
    uint64_t random = 0;
    for (const char *k = eyot_task_key(task); *k; k++) random = random * 31 + (unsigned char)*k;
    tally *update = tally_sum((int64_t)(test_random(&random) % 1000));
    if (test_random(&random) % 3 == 0)
        update = tally_pad(update, test_random(&random) % 40000, (unsigned char)test_random(&random));
    if (!update) return EYOT_ENOMEM;
    if (atomic_fetch_sub(&cut.left, 1) == 1) {
        eyot_run *run;
        while (!(run = atomic_load(&cut.run))) tally_pause_us(50);
        eyot_run_cancel(run);
    }
    return eyot_task_update(task, update);
}

static eyot_status is_short(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)e;
    *taken = ((const tally *)state)->sum < *(const int *)user;
    return EYOT_OK;
}

/* A random graph without cycles, around which a loop goes until the sum is high. */
static eyot_graph *random_loop(uint64_t *random, int *until)
{
    eyot_graph *g = tally_graph("loop");
    int n = 5 + (int)(test_random(random) % 10);
    for (int i = 0; i < n; i++) {
        char id[16], to[16];
        snprintf(id, sizeof id, "n%02d", i);
        eyot_graph_node(g, id, give_by_key, NULL);
        for (int k = i + 1; k < n; k++) {
            snprintf(to, sizeof to, "n%02d", k);
            if (k == i + 1 || test_random(random) % 4 == 0) eyot_graph_edge(g, id, to);
        }
    }
    char last[16];
    snprintf(last, sizeof last, "n%02d", n - 1);
    eyot_graph_node(g, "end", give_by_key, NULL);
    eyot_graph_edge_if(g, last, "n00", "is_short", is_short, until);
    eyot_graph_edge_otherwise(g, last, "end");
    return tally_freeze(g);
}

static size_t snapshots_of(eyot_store *store)
{
    size_t n = 0;
    tally_log log = tally_entries(store, "r");
    for (size_t i = 1; i < log.n; i++) n += log.entries[i].kind == EYOT_ENTRY_SNAPSHOT;
    tally_log_free(&log);
    return n;
}

static void cut_until_done(uint64_t *random, eyot_store *store, const eyot_graph *g, const eyot_buf *want)
{
    eyot_engine *engine = tally_engine(2, store);
    eyot_run_options o = lives_options(test_random(random) % 2 ? EYOT_SYNC : EYOT_ASYNC);
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    o.strategy = (eyot_strategy)(test_random(random) % 3);
    atomic_store(&cut.run, NULL);
    atomic_store(&cut.left, (int)(1 + test_random(random) % 40));
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, &e));
    atomic_store(&cut.run, run);
    while (eyot_run_wait(run, &e)) {
        if (e.status != EYOT_ECANCELED) test_fail(__FILE__, __LINE__, "%s", e.text);
        eyot_run_free(run);
        atomic_store(&cut.run, NULL);
        atomic_store(&cut.left, (int)(1 + test_random(random) % 80));
        if (eyot_run_resume(&run, engine, g, "r", &o, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
        atomic_store(&cut.run, run);
    }
    eyot_buf got = tally_bytes(eyot_run_state(run));
    CHECK(tally_same(&got, want));
    eyot__buf_clear(&got);
    eyot_run_free(run);
    eyot_engine_free(engine);
}

TEST(engine_snapshot__runs_cut_between_them_end_in_the_same_state)
{
    uint64_t random = test_seed();
    size_t snapshots = 0;
    for (unsigned i = 0; i < 12 * test_long(); i++) {
        int until = 20000 + (int)(test_random(&random) % 20000);
        eyot_graph *g = random_loop(&random, &until);
        eyot_engine *engine = tally_engine(1, NULL);
        atomic_store(&cut.left, 0);
        eyot_run *run = tally_run(engine, g, NULL);
        eyot_buf want = tally_bytes(eyot_run_state(run));
        eyot_run_free(run);
        eyot_engine_free(engine);
        eyot_store *store = tally_store("memory:");
        cut_until_done(&random, store, g, &want);
        snapshots += snapshots_of(store);
        eyot_store_close(store);
        eyot__buf_clear(&want);
        eyot_graph_free(g);
    }
    CHECK(snapshots > 12);
    CHECK_INT(tally_live(), 0);
}

static bool loop_ends(const void *state)
{
    return ((const tally *)state)->sum >= 3000;
}

static eyot_status goes_on(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = !loop_ends(state);
    return EYOT_OK;
}

/* A state of 200 KiB, and 3,000 updates without its padding: the bytes of all entries beside those of tasks, twice, and of the
 * first snapshot. Writing the state at every step would be 600 MB. */
TEST(engine_snapshot__all_that_is_written_is_twice_the_updates_and_a_snapshot_at_most)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = tally_graph("loop");
    eyot_run_options o = lives_options(EYOT_ASYNC);
    eyot_run *run;
    uint64_t tasks = 0, all = 0;
    eyot_graph_node(g, "a", tally_add, NULL);
    eyot_graph_node(g, "end", tally_add, NULL);
    eyot_graph_edge_if(g, "a", "a", "goes_on", goes_on, NULL);
    eyot_graph_edge_otherwise(g, "a", "end");
    tally_freeze(g);
    CHECK_OK(eyot_run_sync(&run, engine, g, tally_pad(tally_new(), 200000, 'x'), &o, NULL));
    CHECK(loop_ends(eyot_run_state(run)));
    tally_log log = tally_entries(store, "r");
    for (size_t i = 0; i < log.n; i++) {
        all += log.entries[i].len;
        if (log.entries[i].kind == EYOT_ENTRY_TASK) tasks += log.entries[i].len;
    }
    CHECK(log.entries[0].len > 200000);
    CHECK(tasks > 200000); /* so that snapshots were due */
    CHECK(all <= 2 * tasks + log.entries[0].len + 100);
    tally_log_free(&log);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
}

/* ---- failed attempts -------------------------------------------------------------------------------------------- */

static eyot_status send_item(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_send(task, "y", eyot_json_parse(atomic_load(&broken) ? "{\"n\":\"text\"}" : "{\"n\":2}", NULL));
}

static eyot_status nothing(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_OK;
}

TEST(engine_item__one_that_does_not_fit_fails_its_attempt_and_the_run_resumes)
{
    eyot_graph *g;
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    CHECK_OK(eyot_graph_new(&g, "items", eyot_json()));
    eyot_graph_node(g, "f", send_item, NULL);
    eyot_graph_node(g, "y", nothing, NULL);
    eyot_graph_edge_each(g, "f", "y");
    eyot_graph_reduce(g, "n", EYOT_ADD);
    tally_freeze(g);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = lives_options(EYOT_SYNC);
    atomic_store(&broken, true);
    CHECK_STATUS(eyot_run_sync(&run, engine, g, eyot_json_parse("{\"n\":1}", NULL), &o, &e), EYOT_ETYPE);
    CHECK_HAS(e.text, "f: an item that was sent: ");
    CHECK_INT(eyot_run_steps(run), 0);
    eyot_run_free(run);
    atomic_store(&broken, false);
    run = lives_resume(engine, g, &o);
    CHECK_INT(eyot_value_int(eyot_value_at(eyot_run_state(run), "n"), -1), 3);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

static eyot_status unless_broken(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)state, (void)user;
    *taken = true;
    return atomic_load(&broken) ? eyot_error_set(e, EYOT_EIO, "no answer") : EYOT_OK;
}

/* The condition after the first node fails, once its update has been applied. */
static void update_of_a_failed_attempt(eyot_durability durability)
{
    eyot_graph *g = tally_graph("g");
    eyot_graph_node(g, "a", tally_add, &tally_numbers[1]);
    eyot_graph_node(g, "b", tally_add, &tally_numbers[2]);
    eyot_graph_edge_if(g, "a", "b", "answered", unless_broken, NULL);
    tally_freeze(g);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = lives_options(durability);
    atomic_store(&broken, true);
    lives_fail(engine, g, &o, EYOT_EIO);
    atomic_store(&broken, false);
    lives_end(engine, g, &o, 3);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_exit__the_update_of_a_failed_attempt_is_not_in_the_state)
{
    update_of_a_failed_attempt(EYOT_EXIT);
}
TEST(engine_sync__the_update_of_a_failed_attempt_is_not_in_the_state)
{
    update_of_a_failed_attempt(EYOT_SYNC);
}

static _Atomic int returned;

static eyot_status return_it(eyot_task *task, void *user)
{
    int status = atomic_load(&returned);
    return status ? (eyot_status)status : tally_add(task, user);
}

static void fails_and_resumes(int status)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, return_it);
    eyot_run_options o = lives_options(EYOT_SYNC);
    char text[64];
    snprintf(text, sizeof text, "b: the node returned %d,", status);
    atomic_store(&returned, status);
    eyot_error e = lives_fail(engine, g, &o, EYOT_EFAILED);
    CHECK_HAS(e.text, text);
    atomic_store(&returned, 0);
    lives_end(engine, g, &o, 7);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_status__a_positive_number_that_is_none_fails_the_task)
{
    fails_and_resumes(2);
    fails_and_resumes(7);
}
TEST(engine_status__a_negative_number_that_is_none_fails_the_task)
{
    fails_and_resumes(-5000);
}

/* ---- a store that takes less ------------------------------------------------------------------------------------ */

TEST(engine_exit__a_snapshot_larger_than_the_store_takes_is_a_limit_and_not_done)
{
    proxy p = {.max_body = 4096};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, add_big, NULL);
    eyot_run_options o = lives_options(EYOT_EXIT);
    lives_fail(engine, g, &o, EYOT_ELIMIT);
    eyot_engine_free(engine);
    p.max_body = 0; /* a store with more room */
    engine = tally_engine(1, store);
    lives_end(engine, g, &o, 7);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

/* ---- a store that fails or refuses ------------------------------------------------------------------------------ */

/* What becomes of the commit that has the entry of task "b", once. */
static struct {
    eyot_status status; /* returned; EYOT_OK: `result` is what becomes of every commit */
    eyot_status result;
    bool after; /* it has taken effect nevertheless */
    _Atomic bool armed;
    _Atomic int later; /* commits after it */
    eyot_run *_Atomic run;
    uint64_t steps; /* it comes when the run has taken so many */
} refusal;

static void refuse(eyot_status status, eyot_status result, bool after)
{
    refusal.status = status;
    refusal.result = result;
    refusal.after = after;
    refusal.steps = 0;
    atomic_store(&refusal.run, NULL);
    atomic_store(&refusal.later, 0);
    atomic_store(&refusal.armed, true);
}

static eyot_status refusing(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    if (!proxy_has(commits, n, "b") || !atomic_exchange(&refusal.armed, false)) {
        atomic_fetch_add(&refusal.later, !atomic_load(&refusal.armed));
        return proxy_commit(p, commits, n, e);
    }
    while (refusal.steps) { /* it is refused while the others have something to write */
        eyot_run *run = atomic_load(&refusal.run);
        if (run && eyot_run_steps(run) >= refusal.steps) break;
        tally_pause_us(100);
    }
    if (refusal.after) (void)proxy_commit(p, commits, n, NULL);
    for (size_t i = 0; i < n; i++) commits[i].result = refusal.result;
    return refusal.status ? eyot_error_set(e, refusal.status, "the disk is gone") : EYOT_OK;
}

/* The second of three commits is refused, then the run is resumed by the same engine. */
static void lost_and_resumed(eyot_status status, eyot_status result, bool after, eyot_durability durability)
{
    proxy p = {.commit = refusing};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, NULL);
    eyot_run_options o = lives_options(durability);
    refuse(status, result, after);
    lives_fail(engine, g, &o, status ? status : result);
    CHECK_INT(atomic_load(&refusal.later), 0);
    tally_log log = tally_entries(store, "r");
    CHECK_INT(tally_has(&log, "b"), after);
    tally_log_free(&log);
    lives_end(engine, g, &o, 7);
    log = tally_entries(store, "r");
    CHECK_INT(tally_tasks(&log), 3);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_lost__a_commit_that_failed_before_it_took_effect_is_done_again)
{
    lost_and_resumed(EYOT_EIO, EYOT_OK, false, EYOT_SYNC);
    lost_and_resumed(EYOT_EIO, EYOT_OK, false, EYOT_ASYNC);
}
TEST(engine_lost__a_commit_that_failed_after_it_took_effect_is_not_done_again)
{
    lost_and_resumed(EYOT_EIO, EYOT_OK, true, EYOT_SYNC);
    lost_and_resumed(EYOT_EIO, EYOT_OK, true, EYOT_ASYNC);
}
TEST(engine_lost__a_fenced_run_fails_and_writes_nothing_more)
{
    lost_and_resumed(EYOT_OK, EYOT_EFENCED, false, EYOT_SYNC);
}
TEST(engine_lost__a_run_whose_head_has_moved_fails_and_writes_nothing_more)
{
    lost_and_resumed(EYOT_OK, EYOT_ESTALE, false, EYOT_SYNC);
}
TEST(engine_lost__a_deleted_run_fails_and_writes_nothing_more)
{
    lost_and_resumed(EYOT_OK, EYOT_EGONE, false, EYOT_SYNC);
}

static _Atomic bool runs; /* a task that waits until it is told */
static _Atomic bool told; /* it has seen that its result is not wanted any more */

static eyot_status until_told(eyot_task *task, void *user)
{
    atomic_store(&runs, true);
    while (!eyot_task_cancelled(task)) tally_pause_us(100);
    atomic_store(&told, true);
    return tally_add(task, user);
}

static eyot_status until_runs(eyot_task *task, void *user)
{
    while (!atomic_load(&runs)) tally_pause_us(100);
    return tally_add(task, user);
}

TEST(engine_lost__running_siblings_are_told_and_their_results_dropped)
{
    proxy p = {.commit = refusing};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = tally_graph("two");
    eyot_graph_node(g, "b", until_runs, &tally_numbers[1]);
    eyot_graph_node(g, "c", until_told, &tally_numbers[2]);
    eyot_graph_start(g, "b");
    eyot_graph_start(g, "c");
    tally_freeze(g);
    eyot_run_options o = lives_options(EYOT_SYNC);
    o.strategy = EYOT_PARALLEL;
    atomic_store(&runs, false);
    atomic_store(&told, false);
    refuse(EYOT_OK, EYOT_EFENCED, false);
    eyot_error e = lives_fail(engine, g, &o, EYOT_EFENCED);
    CHECK_HAS(e.text, "run r: ");
    CHECK(atomic_load(&told));
    CHECK_INT(atomic_load(&refusal.later), 0);
    tally_log log = tally_entries(store, "r");
    CHECK_INT(log.n, 1);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

/* The commit of one branch fails while the other has an entry that waits for its turn. */
TEST(engine_lost__a_run_with_entries_that_wait_ends_at_once)
{
    proxy p = {.commit = refusing};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = tally_graph("two");
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    eyot_graph_node(g, "b", tally_add, &tally_numbers[1]);
    eyot_graph_node(g, "c", tally_add, &tally_numbers[2]);
    eyot_graph_start(g, "b");
    eyot_graph_start(g, "c");
    tally_freeze(g);
    eyot_run_options o = lives_options(EYOT_SYNC);
    o.strategy = EYOT_PARALLEL;
    refuse(EYOT_EIO, EYOT_OK, false);
    refusal.steps = 2;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, &e));
    atomic_store(&refusal.run, run);
    CHECK_STATUS(eyot_run_wait(run, &e), EYOT_EIO);
    CHECK_HAS(e.text, "the disk is gone");
    eyot_run_free(run);
    lives_end(engine, g, &o, 3);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

/* ---- signs of life ---------------------------------------------------------------------------------------------- */

static struct {
    eyot_status status, result; /* of the first sign of life */
    _Atomic int n;
} renewals;

static eyot_status renewing(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    bool renewal = commits[0].n_entries == 0 && commits[0].lease_ms > 0;
    if (!renewal || atomic_fetch_add(&renewals.n, 1) > 0) return proxy_commit(p, commits, n, e);
    for (size_t i = 0; i < n; i++) commits[i].result = renewals.result;
    return renewals.status ? eyot_error_set(e, renewals.status, "no answer") : EYOT_OK;
}

static eyot_status until_renewed_twice(eyot_task *task, void *user)
{
    while (atomic_load(&renewals.n) < 2 && !eyot_task_cancelled(task)) tally_pause_us(100);
    return tally_add(task, user);
}

static void first_renewal(eyot_status status, eyot_status result, eyot_status want)
{
    proxy p = {.commit = renewing};
    eyot_engine *engine;
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine_options eo = EYOT_ENGINE_OPTIONS_INIT;
    eo.store = store;
    eo.threads = 1;
    eo.lease_ms = 2000;
    CHECK_OK(eyot_engine_new(&engine, &eo, &e));
    eyot_graph *g = lives_chain(&tally_copier, NULL, until_renewed_twice);
    renewals.status = status;
    renewals.result = result;
    atomic_store(&renewals.n, 0);
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), NULL, &e), want);
    CHECK_INT(lives_sum(run), want ? -1 : 7);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_lease__one_sign_of_life_that_fails_is_no_loss)
{
    first_renewal(EYOT_EIO, EYOT_OK, EYOT_OK);
}
TEST(engine_lease__a_sign_of_life_that_is_fenced_ends_the_run)
{
    first_renewal(EYOT_OK, EYOT_EFENCED, EYOT_EFENCED);
}

/* ---- commits while all workers have something to do ------------------------------------------------------------- */

static _Atomic bool begun, over;

static eyot_status run_inside(eyot_task *task, void *user)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.durability = EYOT_ASYNC;
    atomic_store(&begun, true);
    eyot_status status = eyot_run_sync(&run, eyot_task_engine(task), user, tally_new(), &o, NULL);
    eyot_run_free(run);
    return status;
}

TEST(engine_async__a_run_inside_the_only_worker_ends_soon)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *inner = lives_chain(&tally_copier, NULL, NULL), *g = tally_graph("outer");
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    eyot_graph_node(g, "o", run_inside, inner);
    tally_freeze(g);
    atomic_store(&begun, false);
    uint64_t before = test_now_ms();
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, &e));
    while (!atomic_load(&begun)) tally_pause_us(100); /* on the worker, not on this thread */
    CHECK_OK(eyot_run_wait(run, &e));
    CHECK(test_now_ms() - before < SOON_MS);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_graph_free(inner);
    eyot_store_close(store);
}

static eyot_task *_Atomic left;

static eyot_status leave(eyot_task *task, void *user)
{
    eyot_status status = tally_add(task, user);
    atomic_store(&left, task);
    return status ? status : EYOT_PENDING;
}

static eyot_status until_over(eyot_task *task, void *user)
{
    (void)task, (void)user;
    atomic_store(&begun, true);
    while (!atomic_load(&over)) tally_pause_us(100);
    return EYOT_OK;
}

static bool completed;

static void *complete_it(void *arg)
{
    eyot_task *task;
    (void)arg;
    while (!(task = atomic_exchange(&left, NULL))) tally_pause_us(100);
    completed = eyot_task_complete(task, EYOT_OK) == EYOT_OK;
    return NULL;
}

static void close_nothing(void *self)
{
    (void)self;
}

/* Without messages, for which the keeper would look every now and then. */
TEST(engine_pending__a_completion_while_the_only_worker_is_busy_is_stored_soon)
{
    void *self;
    eyot_store *store = tally_store("memory:"), *mute;
    eyot_store_ops ops = *eyot_store_table(store, &self);
    ops.inbox = NULL;
    ops.close = close_nothing;
    CHECK_OK(eyot_store_new(&mute, &ops, self, NULL));
    eyot_engine *engine = tally_engine(1, mute);
    eyot_graph *busy = tally_graph("busy"), *g = lives_chain(&tally_copier, NULL, leave);
    eyot_run *first, *run;
    eyot_error e = {.status = EYOT_OK};
    pthread_t thread;
    eyot_graph_node(busy, "a", until_over, NULL);
    tally_freeze(busy);
    atomic_store(&begun, false);
    atomic_store(&over, false);
    CHECK_OK(eyot_run_start(&first, engine, busy, tally_new(), NULL, &e));
    while (!atomic_load(&begun)) tally_pause_us(100);
    CHECK_OK(pthread_create(&thread, NULL, complete_it, NULL));
    uint64_t before = test_now_ms();
    CHECK_OK(eyot_run_sync(&run, engine, g, tally_new(), NULL, &e));
    CHECK(test_now_ms() - before < SOON_MS);
    CHECK_INT(lives_sum(run), 7);
    pthread_join(thread, NULL);
    CHECK(completed);
    atomic_store(&over, true);
    CHECK_OK(eyot_run_wait(first, &e));
    eyot_run_free(first);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_graph_free(busy);
    eyot_store_close(mute);
    eyot_store_close(store);
}
