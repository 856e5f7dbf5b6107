/* SPDX-License-Identifier: MIT */
/* Sizes, schedules, memory, and what a store holds of a run while it runs and afterwards. */
#define _GNU_SOURCE /* mallinfo2 */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/stores.h>

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/tally.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static int zero = 0;

/* ---- one graph, many schedules ---------------------------------------------------------------------------------- */

/* All keys of the tasks of a run, and the random delays of its nodes. */
static struct {
    pthread_mutex_t lock;
    char keys[512][64];
    size_t n;
    uint64_t seed; /* 0: no delays */
} schedule = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t hash_key(const char *key, uint64_t h)
{
    for (; *key; key++) h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h ^ h >> 29;
}

/* A word of the key: any other order of updates gives another state. */
static eyot_status note(eyot_task *task, void *user)
{
    const char *key = eyot_task_key(task);
    (void)user;
    if (schedule.seed) {
        uint64_t delay = hash_key(key, schedule.seed);
        for (uint64_t i = 0; i < delay % 8; i++) sched_yield();
        if (delay % 64 == 63) tally_pause_us((long)(delay >> 8) % 50);
    }
    pthread_mutex_lock(&schedule.lock);
    if (schedule.n < 512) snprintf(schedule.keys[schedule.n++], 64, "%s", key);
    pthread_mutex_unlock(&schedule.lock);
    return eyot_task_update(task, tally_sum((int64_t)(hash_key(key, 7) % 100000) + 1));
}

static eyot_status note_and_send(eyot_task *task, void *user)
{
    for (int i = 0; i < 6; i++)
        if (eyot_task_send(task, "item", tally_own(i))) return EYOT_ENOMEM;
    return note(task, user);
}

static eyot_status odd(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user;
    (void)e;
    *taken = ((const tally *)state)->own % 2 != 0;
    return EYOT_OK;
}

static eyot_status note_round(eyot_task *task, void *user)
{
    const tally *state = eyot_task_state(task);
    eyot_status status = note(task, user);
    if (status) return status;
    tally *update = eyot_task_update_withdraw(task);
    update->key[0] = state->key[0] == TALLY_ABSENT ? 1 : state->key[0] + 1;
    return eyot_task_update(task, update);
}

static eyot_status below(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)e;
    *taken = ((const tally *)state)->key[0] < *(const int *)user;
    return EYOT_OK;
}

static int rounds = 3;

/* A loop of three iterations around a diamond and a map of 6 items whose odd ones go another way, an inner loop, and a side
 * branch that meets the rest only at the end. */
static eyot_graph *all_kinds(void)
{
    eyot_graph *g = tally_graph("all-kinds");
    eyot_node_options each = EYOT_NODE_OPTIONS_INIT;
    each.flags = EYOT_NODE_EACH;
    eyot_graph_node(g, "start", note, NULL);
    eyot_graph_node(g, "prep", note, NULL);
    eyot_graph_node(g, "left", note, NULL);
    eyot_graph_node(g, "right", note, NULL);
    eyot_graph_node(g, "meet", note_and_send, NULL);
    eyot_graph_node(g, "item", note, NULL);
    eyot_graph_node_with(g, "even", note, NULL, &each);
    eyot_graph_node_with(g, "odd", note, NULL, &each);
    eyot_graph_node(g, "reduce", note_round, NULL);
    eyot_graph_node(g, "side", note, NULL);
    eyot_graph_node(g, "end", note, NULL);
    eyot_graph_edge(g, "start", "prep");
    eyot_graph_edge(g, "start", "side");
    eyot_graph_edge(g, "prep", "left");
    eyot_graph_edge(g, "prep", "right");
    eyot_graph_edge(g, "left", "meet");
    eyot_graph_edge(g, "right", "meet");
    eyot_graph_edge_each(g, "meet", "item");
    eyot_graph_edge_if(g, "item", "odd", "odd", odd, NULL);
    eyot_graph_edge_otherwise(g, "item", "even");
    eyot_graph_edge(g, "odd", "even");
    eyot_graph_edge(g, "even", "reduce");
    eyot_graph_edge_if(g, "reduce", "prep", "k0 < rounds", below, &rounds);
    eyot_graph_edge_otherwise(g, "reduce", "end");
    eyot_graph_edge(g, "side", "end");
    return tally_freeze(g);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The sorted keys of the run that has just ended, one a line. */
static char *take_keys(void)
{
    char *text = malloc(512 * 65), *p = text;
    if (!text) abort();
    qsort(schedule.keys, schedule.n, sizeof schedule.keys[0], by_text);
    for (size_t i = 0; i < schedule.n; i++) p += sprintf(p, "%s\n", schedule.keys[i]);
    *p = 0;
    schedule.n = 0;
    return text;
}

static void same_as_ever(eyot_run *run, eyot_buf *want, char **want_keys)
{
    eyot_buf bytes = tally_bytes(eyot_run_state(run));
    char *keys = take_keys();
    eyot_run_free(run);
    if (!*want_keys) {
        *want = bytes;
        *want_keys = keys;
        return;
    }
    if (!tally_same(&bytes, want))
        test_fail(__FILE__, __LINE__, "schedule %llu: another state", (unsigned long long)schedule.seed);
    CHECK_STR(keys, *want_keys);
    eyot__buf_clear(&bytes);
    free(keys);
}

static void schedules(eyot_store *store)
{
    static const uint32_t threads[] = {1, 2, 8};
    uint64_t random = test_seed();
    eyot_graph *g = all_kinds();
    eyot_buf want = EYOT__BUF_INIT;
    char *want_keys = NULL;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    for (int t = 0; t < 3; t++) {
        eyot_engine *engine = tally_engine(threads[t], store);
        schedule.seed = 0;
        for (o.strategy = EYOT_ADAPTIVE; o.strategy <= EYOT_PARALLEL; o.strategy++)
            same_as_ever(tally_run(engine, g, &o), &want, &want_keys);
        for (unsigned i = 0; i < 200 * test_long(); i++) {
            schedule.seed = test_random(&random) | 1;
            o.strategy = i % 4 ? EYOT_PARALLEL : EYOT_ADAPTIVE;
            same_as_ever(tally_run(engine, g, &o), &want, &want_keys);
        }
        eyot_engine_free(engine);
    }
    /* 3 × (prep, left, right, meet, 6 items, 3 odd, 6 even, reduce), start, side, end */
    size_t lines = 0;
    for (const char *p = want_keys; *p; p++) lines += *p == '\n';
    CHECK_INT(lines, 3 * 20 + 3);
    CHECK_HAS(want_keys, "\nodd@2[3]\n");
    eyot__buf_clear(&want);
    free(want_keys);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_schedule__never_changes_state_or_keys)
{
    schedules(NULL);
}

TEST(engine_schedule__never_changes_state_or_keys_of_a_stored_run)
{
    eyot_store *store = tally_store("memory:");
    schedules(store);
    eyot_store_close(store);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------ */

static eyot_status send_many(eyot_task *task, void *user)
{
    for (int i = 0; i < *(int *)user; i++)
        if (eyot_task_send(task, "item", tally_own(i))) return EYOT_ENOMEM;
    return EYOT_OK;
}

/* Alternating signs and a word each, so that the order of all of them matters. */
static eyot_status add_own(eyot_task *task, void *user)
{
    (void)user;
    int64_t own = ((const tally *)eyot_task_state(task))->own;
    return eyot_task_update(task, tally_sum(own % 2 ? -own : own + 1));
}

static eyot_graph *wide(int *n)
{
    eyot_graph *g = tally_graph("wide");
    eyot_graph_node(g, "split", send_many, n);
    eyot_graph_node(g, "item", add_own, NULL);
    eyot_graph_node(g, "gather", tally_add, &zero);
    eyot_graph_edge_each(g, "split", "item");
    eyot_graph_edge(g, "item", "gather");
    return tally_freeze(g);
}

TEST(engine_size__a_fan_out_of_ten_thousand_is_the_same_on_any_number_of_threads)
{
    int n = 10000;
    eyot_graph *g = wide(&n);
    uint64_t order = 0;
    for (int64_t i = 0; i < n; i++) order = (order ^ (uint64_t)(i % 2 ? -i : i + 1)) * 0x100000001b3u + 1;
    for (uint32_t threads = 1; threads <= 8; threads += threads == 1 ? 1 : 6) {
        eyot_engine *engine = tally_engine(threads, NULL);
        for (int i = 0; i < 4; i++) {
            eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
            o.strategy = i % 2 ? EYOT_PARALLEL : EYOT_ADAPTIVE;
            eyot_run *run = tally_run(engine, g, &o);
            const tally *state = eyot_run_state(run);
            CHECK_INT(eyot_run_steps(run), n + 2);
            CHECK_INT(state->sum, 0);
            CHECK(state->order == order);
            eyot_run_free(run);
        }
        eyot_engine_free(engine);
    }
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status sum_below(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)e;
    *taken = ((const tally *)state)->sum < *(const int *)user;
    return EYOT_OK;
}

TEST(engine_size__a_loop_of_a_hundred_thousand_iterations)
{
    int n = 100000;
    eyot_graph *g = tally_graph("loop");
    eyot_graph_node(g, "count", tally_add, NULL);
    eyot_graph_node(g, "end", tally_add, &zero);
    eyot_graph_edge_if(g, "count", "count", "sum < n", sum_below, &n);
    eyot_graph_edge_otherwise(g, "count", "end");
    tally_freeze(g);
    for (int stored = 0; stored < 2; stored++) {
        eyot_store *store = stored ? tally_store("memory:") : NULL;
        eyot_engine *engine = tally_engine(2, store);
        eyot_run *run = tally_run(engine, g, NULL);
        CHECK_INT(eyot_run_steps(run), n + 1);
        CHECK_INT(((const tally *)eyot_run_state(run))->sum, n);
        eyot_run_free(run);
        eyot_engine_free(engine);
        eyot_store_close(store);
    }
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static struct {
    long most_live;       /* states and updates */
    size_t early, latest; /* bytes in use */
} memory;

static size_t bytes_in_use(void)
{
    struct mallinfo2 m = mallinfo2(); /* only for the main arena: there is one thread that allocates */
    return m.uordblks + m.hblkhd;
}

/* Counts, and looks at memory now and then: after a hundredth of the way, and on the rest of it. */
static eyot_status count(eyot_task *task, void *user)
{
    int64_t n = *(int *)user, i = ((const tally *)eyot_task_state(task))->sum;
    if (tally_live() > memory.most_live) memory.most_live = tally_live();
    if (i == n / 100) memory.early = bytes_in_use();
    if (i > n / 100 && i % 1024 == 0 && bytes_in_use() > memory.latest) memory.latest = bytes_in_use();
    return eyot_task_update(task, tally_sum(1));
}

static eyot_status write_side(eyot_task *task, void *user)
{
    return eyot_task_update(task, tally_key(1, *(int *)user));
}

/* count → (side, main) → meet → count …; `far` waits outside the loop until its end. */
static eyot_graph *braid(int *n)
{
    eyot_graph *g = tally_graph("braid");
    eyot_graph_node(g, "count", count, n);
    eyot_graph_node(g, "side", write_side, n);
    eyot_graph_node(g, "main", tally_add, &zero);
    eyot_graph_node(g, "meet", tally_add, &zero);
    eyot_graph_node(g, "end", tally_add, &zero);
    eyot_graph_edge(g, "count", "side");
    eyot_graph_edge(g, "count", "main");
    eyot_graph_edge(g, "side", "meet");
    eyot_graph_edge(g, "main", "meet");
    eyot_graph_edge_if(g, "meet", "count", "sum < n", sum_below, n);
    eyot_graph_edge_otherwise(g, "meet", "end");
    return tally_freeze(g);
}

TEST(engine_memory__is_bounded_in_a_loop_of_a_million_iterations_with_side_branches)
{
    int n = SANITIZED ? 100000 : 1000000;
    eyot_graph *g = braid(&n);
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.max_steps = UINT64_MAX;
    memset(&memory, 0, sizeof memory);
    eyot_run *run = tally_run(engine, g, &o);
    CHECK_INT(eyot_run_steps(run), 4 * (int64_t)n + 1);
    CHECK_INT(((const tally *)eyot_run_state(run))->sum, n);
    if (memory.most_live > 64) test_fail(__FILE__, __LINE__, "%ld states and updates at once", memory.most_live);
    if (!SANITIZED && memory.latest > memory.early + 4096)
        test_fail(__FILE__, __LINE__, "%zu bytes in use at first, %zu later", memory.early, memory.latest);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_memory__snapshots_of_a_long_loop_stay_small)
{
    int n = 20000;
    eyot_graph *g = braid(&n);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "braid";
    memset(&memory, 0, sizeof memory);
    eyot_run *run = tally_run(engine, g, &o);
    eyot_run_free(run);
    CHECK(memory.most_live <= 64);
    tally_log log = tally_entries(store, "braid");
    size_t snapshots = 0, bytes = 0, biggest = 0;
    for (size_t i = 0; i < log.n; i++) {
        bytes += log.entries[i].len;
        if (log.entries[i].kind != EYOT_ENTRY_SNAPSHOT) continue;
        snapshots++;
        if (log.entries[i].len > biggest) biggest = log.entries[i].len;
    }
    CHECK(snapshots >= bytes / 65536 / 2); /* one for every 64 KiB that a load would have to read */
    CHECK(biggest < 4096);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

/* ---- what is stored stays as it is ------------------------------------------------------------------------------ */

TEST(engine_history__later_steps_change_nothing_that_is_stored)
{
    enum { STAGES = 12 };
    int n = 400;
    char url[4200];
    snprintf(url, sizeof url, "sqlite:%s/history.db?sync=normal", test_dir());
    for (int backend = 0; backend < 2; backend++) {
        eyot_graph *g = braid(&n);
        eyot_store *store = tally_store(backend ? url : "memory:");
        eyot_engine *engine = tally_engine(2, store);
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        eyot_run *run;
        uint64_t seq[STAGES], hash[STAGES];
        eyot_checkpoint *checkpoints[STAGES];
        eyot_buf states[STAGES];
        tally_log first = {NULL, 0, 0};
        o.run_id = "long";
        for (int i = 0; i < STAGES; i++) {
            o.max_steps = 100 * (uint64_t)(i + 1);
            if (i == 0) CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
            if (i > 0) CHECK_OK(eyot_run_resume(&run, engine, g, "long", &o, NULL));
            CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ELIMIT);
            eyot_run_free(run);
            seq[i] = tally_row_of(store, "long").head;
            hash[i] = tally_load(store, "long", seq[i]);
            CHECK_OK(eyot_store_load_latest_checkpoint(&checkpoints[i], store, g, "long", NULL));
            states[i] = tally_bytes(eyot_checkpoint_state(checkpoints[i]));
            if (i == 0) first = tally_entries(store, "long");
        }
        tally_log all = tally_entries(store, "long");
        for (size_t i = 0; i < first.n; i++)
            CHECK(memcmp(&all.entries[i], &first.entries[i], sizeof(tally_entry)) == 0);
        for (int i = 0; i < STAGES; i++) {
            CHECK(tally_load(store, "long", seq[i]) == hash[i]);
            eyot_buf again = tally_bytes(eyot_checkpoint_state(checkpoints[i]));
            CHECK(tally_same(&again, &states[i]));
            CHECK_INT(eyot_checkpoint_step(checkpoints[i]), 100 * (i + 1));
            eyot__buf_clear(&again);
            eyot__buf_clear(&states[i]);
            eyot_checkpoint_free(checkpoints[i]);
        }
        tally_log_free(&first);
        tally_log_free(&all);
        eyot_engine_free(engine);
        eyot_store_close(store);
        eyot_graph_free(g);
    }
    CHECK_INT(tally_live(), 0);
}

/* ---- the latest checkpoint -------------------------------------------------------------------------------------- */

static eyot_task *_Atomic kept;

static eyot_status keep_pending(eyot_task *task, void *user)
{
    (void)user;
    atomic_store(&kept, task);
    return EYOT_PENDING;
}

/* split → (slow, quick) → end; slow is pending. */
static eyot_graph *slow_and_quick(eyot_node_fn slow)
{
    static int ten = 10;
    eyot_graph *g = tally_graph("slow-quick");
    eyot_graph_node(g, "split", tally_add, NULL);
    eyot_graph_node(g, "slow", slow, NULL);
    eyot_graph_node(g, "quick", tally_add, &ten);
    eyot_graph_node(g, "end", tally_add, &zero);
    eyot_graph_edge(g, "split", "slow");
    eyot_graph_edge(g, "split", "quick");
    eyot_graph_edge(g, "slow", "end");
    eyot_graph_edge(g, "quick", "end");
    return tally_freeze(g);
}

static const tally *branch_at(const eyot_checkpoint *c, const char *node)
{
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++)
        if (strcmp(eyot_checkpoint_branch_node(c, i), node) == 0) return eyot_checkpoint_branch_state(c, i);
    return NULL;
}

static void check_halfway(const eyot_checkpoint *c, eyot_run_status status, eyot_store *store)
{
    CHECK_INT(eyot_checkpoint_status(c), status);
    CHECK_INT(eyot_checkpoint_step(c), 2);
    CHECK_INT(eyot_checkpoint_seq(c), tally_row_of(store, "half").head);
    CHECK_INT(eyot_checkpoint_branch_count(c), 2);
    CHECK(branch_at(c, "slow") && branch_at(c, "slow")->sum == 1);
    CHECK(branch_at(c, "end") && branch_at(c, "end")->sum == 11); /* has arrived and waits */
    CHECK_INT(((const tally *)eyot_checkpoint_state(c))->sum, 11);
    CHECK(!eyot_checkpoint_branch_node(c, 2) && !eyot_checkpoint_branch_state(c, 2));
}

TEST(engine_checkpoint__shows_a_running_run_with_a_branch_that_waits)
{
    eyot_graph *g = slow_and_quick(keep_pending);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(2, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_checkpoint *c;
    eyot_run *run;
    o.run_id = "half";
    atomic_store(&kept, NULL);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    while (tally_row_of(store, "half").steps < 2 || !atomic_load(&kept)) tally_pause_us(100);
    CHECK_OK(eyot_store_load_latest_checkpoint(&c, store, g, "half", NULL));
    check_halfway(c, EYOT_RUN_RUNNING, store);
    eyot_task *task = atomic_load(&kept);
    CHECK_OK(eyot_task_complete(task, eyot_task_update(task, tally_sum(5))));
    CHECK_OK(eyot_run_wait(run, NULL));
    eyot_buf state = tally_bytes(eyot_run_state(run));
    eyot_run_free(run);
    CHECK_INT(eyot_checkpoint_step(c), 2); /* what was read stays what it was */
    eyot_checkpoint_free(c);
    CHECK_OK(eyot_store_load_latest_checkpoint(&c, store, g, "half", NULL));
    eyot_buf stored = tally_bytes(eyot_checkpoint_state(c));
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_DONE);
    CHECK_INT(eyot_checkpoint_step(c), 4);
    CHECK_INT(eyot_checkpoint_branch_count(c), 0);
    CHECK(tally_same(&state, &stored));
    eyot_checkpoint_free(c);
    eyot__buf_clear(&state);
    eyot__buf_clear(&stored);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status fail_slowly(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_fail(task, "too slow");
}

TEST(engine_checkpoint__shows_a_failed_run)
{
    eyot_graph *g = slow_and_quick(fail_slowly);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(2, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_checkpoint *c;
    eyot_run *run;
    o.run_id = "half";
    o.strategy = EYOT_SEQUENTIAL; /* slow comes first */
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), &o, NULL), EYOT_EFAILED);
    eyot_run_free(run);
    CHECK_OK(eyot_store_load_latest_checkpoint(&c, store, g, "half", NULL));
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_FAILED);
    CHECK_INT(eyot_checkpoint_step(c), 1);
    CHECK_INT(eyot_checkpoint_branch_count(c), 2);
    CHECK(branch_at(c, "slow") && branch_at(c, "quick"));
    CHECK_INT(((const tally *)eyot_checkpoint_state(c))->sum, 1);
    eyot_checkpoint_free(c);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* The copier's apply, which stops in the middle of slow's update until quick's commit has been stored, with a snapshot. */
static struct {
    eyot_store *store;
    _Atomic bool began;
} midway;

enum { SLOW = 1000000 };

static eyot_status stop_midway(void **state, const void *update, eyot_error *e, void *user)
{
    eyot_status status = tally_copier.apply(state, update, e, user);
    if (((const tally *)update)->sum == SLOW && !atomic_exchange(&midway.began, true))
        while (tally_row_of(midway.store, "half").steps < 2) tally_pause_us(100);
    return status;
}

static eyot_status add_slowly(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_update(task, tally_sum(SLOW));
}

/* Its entry is so big that a snapshot follows it. */
static eyot_status write_much(eyot_task *task, void *user)
{
    (void)user;
    while (!atomic_load(&midway.began)) tally_pause_us(100);
    return eyot_task_update(task, tally_pad(tally_sum(10), 200000, 'x'));
}

TEST(engine_checkpoint__of_a_snapshot_has_no_update_that_is_not_committed)
{
    eyot_copier copier = tally_copier;
    eyot_graph *g;
    eyot_store *store = midway.store = tally_store("memory:");
    eyot_engine *engine = tally_engine(2, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    copier.apply = stop_midway;
    CHECK_OK(eyot_graph_new(&g, "midway", &copier));
    eyot_graph_node(g, "split", tally_add, NULL);
    eyot_graph_node(g, "slow", add_slowly, NULL);
    eyot_graph_node(g, "quick", write_much, NULL);
    eyot_graph_node(g, "end", tally_add, &zero);
    eyot_graph_edge(g, "split", "slow");
    eyot_graph_edge(g, "split", "quick");
    eyot_graph_edge(g, "slow", "end");
    eyot_graph_edge(g, "quick", "end");
    tally_freeze(g);
    o.run_id = "half";
    o.strategy = EYOT_PARALLEL;
    atomic_store(&midway.began, false);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(((const tally *)eyot_run_state(run))->sum, 1 + SLOW + 10);
    eyot_run_free(run);
    tally_log log = tally_entries(store, "half");
    size_t snapshots = 0;
    for (size_t i = 0; i < log.n; i++) snapshots += log.entries[i].kind == EYOT_ENTRY_SNAPSHOT;
    CHECK_INT(snapshots, 2); /* the first state's, and one while slow's update was being applied */
    eyot_checkpoint *c;      /* of the snapshot and what follows it: slow's update counts once */
    CHECK_OK(eyot_store_load_latest_checkpoint(&c, store, g, "half", NULL));
    CHECK_INT(((const tally *)eyot_checkpoint_state(c))->sum, 1 + SLOW + 10);
    eyot_checkpoint_free(c);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_checkpoint__of_an_unknown_run_or_another_graph_is_refused)
{
    eyot_graph *g = slow_and_quick(tally_add), *other = braid(&zero);
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_error e = {.status = EYOT_OK};
    eyot_checkpoint *c;
    o.run_id = "mine";
    eyot_run_free(tally_run(engine, g, &o));
    CHECK_STATUS(eyot_store_load_latest_checkpoint(&c, store, g, "yours", &e), EYOT_ENOTFOUND);
    CHECK_HAS(e.text, "yours");
    CHECK(!c);
    CHECK_STATUS(eyot_store_load_latest_checkpoint(&c, store, other, "mine", &e), EYOT_ECHANGED);
    CHECK_HAS(e.text, "mine");
    CHECK(!c);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    eyot_graph_free(other);
}
