/* SPDX-License-Identifier: MIT */
/* Who may resume a run, engines that go while others look at them, random lives, and joins that stay linear. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eyot/copiers.h>

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/proxy.h"

static _Atomic bool broken;

static eyot_status fail_once(eyot_task *task, void *user)
{
    return atomic_load(&broken) ? eyot_task_fail(task, "not yet") : tally_add(task, user);
}

/* ---- two threads of one engine ---------------------------------------------------------------------------------- */

enum { RIVALS = 6 };

static struct {
    eyot_engine *engine;
    const eyot_graph *g;
    pthread_barrier_t together;
    _Atomic int answered, good, busy;
} rivals;

/* Nobody is done with the run before all have asked for it. */
static eyot_status until_all_answered(eyot_task *task, void *user)
{
    if (atomic_load(&broken)) return eyot_task_fail(task, "not yet");
    while (atomic_load(&rivals.answered) < RIVALS) tally_pause_us(100);
    return tally_add(task, user);
}

static void *resume_it(void *arg)
{
    eyot_run *run;
    (void)arg;
    pthread_barrier_wait(&rivals.together);
    eyot_status status = eyot_run_resume(&run, rivals.engine, rivals.g, "r", NULL, NULL);
    if (status == EYOT_EBUSY) atomic_fetch_add(&rivals.busy, 1);
    atomic_fetch_add(&rivals.answered, 1);
    if (!status && eyot_run_wait(run, NULL) == EYOT_OK && lives_sum(run) == 7) atomic_fetch_add(&rivals.good, 1);
    if (!status) eyot_run_free(run);
    return NULL;
}

static void linger(proxy *p)
{
    (void)p;
    tally_pause_us(20000); /* the window in which a claimed run is not yet running is wide */
}

TEST(engine_resume__of_many_threads_of_one_engine_exactly_one_gets_the_run)
{
    proxy p = {.before_load = linger};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(2, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, until_all_answered);
    eyot_run_options o = lives_options(EYOT_SYNC);
    pthread_t threads[RIVALS];
    atomic_store(&broken, true);
    lives_fail(engine, g, &o, EYOT_EFAILED);
    atomic_store(&broken, false);
    rivals.engine = engine;
    rivals.g = g;
    atomic_store(&rivals.answered, 0);
    atomic_store(&rivals.good, 0);
    atomic_store(&rivals.busy, 0);
    CHECK_OK(pthread_barrier_init(&rivals.together, NULL, RIVALS));
    for (int i = 0; i < RIVALS; i++) CHECK_OK(pthread_create(&threads[i], NULL, resume_it, NULL));
    for (int i = 0; i < RIVALS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&rivals.together);
    CHECK_INT(atomic_load(&rivals.good), 1);
    CHECK_INT(atomic_load(&rivals.busy), RIVALS - 1);
    tally_log log = tally_entries(store, "r");
    CHECK_INT(tally_tasks(&log), 3);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

/* ---- claims that were left behind ------------------------------------------------------------------------------- */

static eyot_status gone(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    (void)p, (void)commits, (void)n;
    return eyot_error_set(e, EYOT_EIO, "the disk is gone");
}

TEST(engine_resume__the_claim_of_a_freed_engine_is_free)
{
    proxy p = {.commit = gone};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, NULL);
    eyot_run_options o = lives_options(EYOT_SYNC);
    lives_fail(engine, g, &o, EYOT_EIO);
    eyot_engine_free(engine);
    CHECK(tally_row_of(store, "r").held);
    p.commit = NULL;
    engine = tally_engine(1, store);
    lives_end(engine, g, &o, 7);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_resume__the_claim_of_another_engine_that_lives_is_not_free)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store), *other = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, until_all_answered);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_run *run, *second;
    eyot_error e = {.status = EYOT_OK};
    atomic_store(&broken, false);
    atomic_store(&rivals.answered, 0);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, &e));
    CHECK_STATUS(eyot_run_resume(&second, other, g, "r", &o, &e), EYOT_EBUSY);
    CHECK_HAS(e.text, "which is alive");
    CHECK_STATUS(eyot_run_resume(&second, engine, g, "r", &o, &e), EYOT_EBUSY);
    CHECK_HAS(e.text, "already runs on this engine");
    atomic_store(&rivals.answered, RIVALS);
    CHECK_OK(eyot_run_wait(run, &e));
    eyot_run_free(run);
    eyot_engine_free(other);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

/* ---- owners in other processes ---------------------------------------------------------------------------------- */

/* Ticks since boot when the process started: field 22 of /proc/PID/stat. */
static unsigned long long start_of(pid_t pid)
{
    char path[64], text[1024];
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "r");
    if (!f) test_fail(__FILE__, __LINE__, "no %s", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    char *p = strrchr(text, ')');
    for (int i = 0; p && i < 20; i++) p = strchr(p + 1, ' ');
    if (!p || sscanf(p, " %llu", &start) != 1) test_fail(__FILE__, __LINE__, "no start time in %s", path);
    return start;
}

static eyot_status see_owner(void *arg, const eyot_run_row *row)
{
    snprintf(arg, 160, "%.*s", (int)row->owner.n, row->owner.n ? (const char *)row->owner.p : "");
    return EYOT_OK;
}

static char our_owner[160];

static eyot_status look_at_owner(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    if (p->ops->get_run(p->self, commits[0].run, see_owner, our_owner, NULL)) abort();
    return proxy_commit(p, commits, n, e);
}

/* "r" is held by a process of this machine, as its engine would have written it. */
static void claim_for(eyot_store *store, pid_t pid, unsigned long long start)
{
    char owner[256];
    eyot_error e = {.status = EYOT_OK};
    char *end = strchr(our_owner, '/');
    end = end ? strchr(end + 1, '/') : NULL;
    CHECK(end);
    snprintf(owner, sizeof owner, "%.*s/%ld/%llu/1", (int)(end - our_owner), our_owner, (long)pid, start);
    eyot_claim claim = {
        .run = eyot__bytes("r", 1), .owner = eyot__bytes(owner, strlen(owner)), .token = {1}, .lease_ms = 60000};
    char seen[160];
    if (eyot__store_claim(store, &claim, see_owner, seen, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    CHECK_STR(seen, owner);
}

static pid_t child_that_waits(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;) pause();
    CHECK(pid > 0);
    return pid;
}

/* A run that has failed, claimed for a child that lives, which `then` decides about. */
static void claimed_by_child(bool kill_it, bool as_another, eyot_status want)
{
    pid_t pid = child_that_waits(); /* before there are threads */
    proxy p = {.commit = look_at_owner};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, fail_once);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_run *run;
    siginfo_t info;
    eyot_error e = {.status = EYOT_OK};
    atomic_store(&broken, true);
    lives_fail(engine, g, &o, EYOT_EFAILED);
    atomic_store(&broken, false);
    claim_for(store, pid, start_of(pid) + as_another);
    if (kill_it) {
        CHECK_OK(kill(pid, SIGKILL));
        CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT)); /* dead, and still there */
    }
    CHECK_STATUS(eyot_run_resume(&run, engine, g, "r", &o, &e), want);
    if (want) {
        CHECK_HAS(e.text, "which is alive");
    } else {
        CHECK_OK(eyot_run_wait(run, &e));
        CHECK_INT(lives_sum(run), 7);
    }
    eyot_run_free(run);
    if (!kill_it) CHECK_OK(kill(pid, SIGKILL));
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
}

TEST(engine_resume__a_process_that_lives_is_not_robbed)
{
    claimed_by_child(false, false, EYOT_EBUSY);
}
TEST(engine_resume__a_killed_owner_that_nobody_has_waited_for_is_dead)
{
    claimed_by_child(true, false, EYOT_OK);
}
TEST(engine_resume__another_process_with_the_owners_pid_is_not_the_owner)
{
    claimed_by_child(false, true, EYOT_OK);
}

/* ---- engines that go -------------------------------------------------------------------------------------------- */

static _Atomic uint64_t chance;

/* For any thread; what it gives depends on who comes first. */
static unsigned any(unsigned n)
{
    uint64_t state = atomic_fetch_add(&chance, 0x9E3779B97F4A7C15u);
    return (unsigned)(test_random(&state) % n);
}

static eyot_status dawdle(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    tally_pause_us((long)any(200));
    return proxy_commit(p, commits, n, e);
}

static void *wait_for_run(void *arg)
{
    (void)eyot_run_wait(arg, NULL);
    return NULL;
}

TEST(engine_free__while_other_threads_wait_for_its_runs)
{
    atomic_store(&chance, test_seed());
    eyot_graph *g = lives_chain(&tally_copier, NULL, NULL);
    for (unsigned i = 0; i < 100 * test_long(); i++) {
        proxy p = {.commit = dawdle};
        eyot_store *store = proxy_open(&p, "memory:");
        eyot_engine *engine = tally_engine(1, store);
        eyot_error e = {.status = EYOT_OK};
        eyot_run *runs[4];
        pthread_t threads[4];
        for (int k = 0; k < 4; k++) {
            CHECK_OK(eyot_run_start(&runs[k], engine, g, tally_new(), NULL, &e));
            CHECK_OK(pthread_create(&threads[k], NULL, wait_for_run, runs[k]));
        }
        tally_pause_us((long)any(1500));
        eyot_engine_free(engine);
        for (int k = 0; k < 4; k++) {
            pthread_join(threads[k], NULL);
            bool done = eyot_run_status_of(runs[k]) == EYOT_RUN_DONE;
            CHECK(done || eyot_run_status_of(runs[k]) == EYOT_RUN_CANCELLED);
            CHECK_INT(lives_sum(runs[k]), done ? 7 : -1);
            eyot_run_free(runs[k]);
        }
        eyot_store_close(store);
    }
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* ---- random lives ----------------------------------------------------------------------------------------------- */

static _Atomic bool calm; /* the store works */

/* Now and then a commit fails, before or after it took effect, or takes a while. */
static eyot_status moody(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    unsigned mood = atomic_load(&calm) ? 99 : any(36);
    if (mood == 1) (void)proxy_commit(p, commits, n, NULL);
    if (mood < 2) return eyot_error_set(e, EYOT_EIO, "no answer");
    if (mood < 6) tally_pause_us((long)any(300));
    return proxy_commit(p, commits, n, e);
}

static struct {
    pthread_mutex_t lock;
    eyot_task *tasks[4096];
    size_t n;
    _Atomic bool over;
} pending = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *complete_all(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_mutex_lock(&pending.lock);
        eyot_task *task = pending.n ? pending.tasks[--pending.n] : NULL;
        pthread_mutex_unlock(&pending.lock);
        if (!task && atomic_load(&pending.over)) return NULL;
        if (!task || any(4) == 0) tally_pause_us((long)any(200));
        if (task) (void)eyot_task_complete(task, EYOT_OK); /* dropped, or not */
    }
}

static eyot_status sometimes_later(eyot_task *task, void *user)
{
    eyot_status status = tally_add(task, user);
    if (status || any(3) > 0) return status;
    pthread_mutex_lock(&pending.lock);
    bool room = pending.n < sizeof pending.tasks / sizeof pending.tasks[0];
    if (room) pending.tasks[pending.n++] = task;
    pthread_mutex_unlock(&pending.lock);
    return room ? EYOT_PENDING : EYOT_OK;
}

static eyot_status fan_out(eyot_task *task, void *user)
{
    (void)user;
    for (int i = 0; i < 5; i++)
        if (eyot_task_send(task, "work", tally_own(i))) return EYOT_ENOMEM;
    return eyot_task_route(task, "side");
}

static eyot_status fewer_rounds(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = ((const tally *)state)->sum < 4 * (5 * 1 + 7 + 50);
    return EYOT_OK;
}

static eyot_graph *rounds_graph(void)
{
    eyot_graph *g = tally_graph("rounds");
    eyot_graph_node(g, "fan", fan_out, NULL);
    eyot_graph_node(g, "work", sometimes_later, &tally_numbers[1]);
    eyot_graph_node(g, "side", tally_add, &tally_numbers[7]);
    eyot_graph_node(g, "join", tally_add, &tally_numbers[50]);
    eyot_graph_node(g, "end", tally_add, &tally_numbers[3]);
    eyot_graph_edge_each(g, "fan", "work");
    eyot_graph_edge_routed(g, "fan", "side");
    eyot_graph_edge(g, "work", "join");
    eyot_graph_edge(g, "side", "join");
    eyot_graph_edge_if(g, "join", "fan", "fewer_rounds", fewer_rounds, NULL);
    eyot_graph_edge_otherwise(g, "join", "end");
    return tally_freeze(g);
}

/* One life: others may wait too, somebody may cancel. */
static eyot_status live(eyot_run *run, eyot_error *e)
{
    pthread_t threads[2];
    unsigned n = any(3);
    bool cancel = !atomic_load(&calm) && any(3) == 0;
    for (unsigned i = 0; i < n; i++) CHECK_OK(pthread_create(&threads[i], NULL, wait_for_run, run));
    if (cancel) {
        tally_pause_us((long)any(1500));
        eyot_run_cancel(run);
    }
    eyot_status status = eyot_run_wait(run, e);
    for (unsigned i = 0; i < n; i++) pthread_join(threads[i], NULL);
    return status;
}

static unsigned live_until_done(const eyot_graph *g, const eyot_buf *want)
{
    proxy p = {.commit = moody};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(1 + any(3), store);
    eyot_run_options o = lives_options((eyot_durability)any(3));
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    unsigned lives = 1;
    o.strategy = (eyot_strategy)any(3);
    atomic_store(&calm, false);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, &e));
    for (; live(run, &e); lives++) {
        if (e.status != EYOT_EIO && e.status != EYOT_ECANCELED)
            test_fail(__FILE__, __LINE__, "life %u: %s", lives, e.text);
        eyot_run_free(run);
        atomic_store(&calm, lives > 10);
        if (any(3) == 0) {
            eyot_engine_free(engine);
            engine = tally_engine(1 + any(3), store);
        }
        if (eyot_run_resume(&run, engine, g, "r", &o, &e))
            test_fail(__FILE__, __LINE__, "after life %u: %s", lives, e.text);
    }
    eyot_buf got = tally_bytes(eyot_run_state(run));
    CHECK(tally_same(&got, want));
    CHECK_INT(eyot_run_steps(run), 4 * 8 + 1);
    eyot__buf_clear(&got);
    eyot_run_free(run);
    tally_log log = tally_entries(store, "r"); /* every task once */
    CHECK_INT(tally_tasks(&log), o.durability == EYOT_EXIT ? 0 : 4 * 8 + 1);
    tally_log_free(&log);
    eyot_engine_free(engine);
    eyot_store_close(store);
    return lives;
}

TEST(engine_lives__any_number_of_store_failures_and_cancels_lead_to_the_same_end)
{
    atomic_store(&chance, test_seed());
    atomic_store(&pending.over, false);
    pthread_t completer;
    CHECK_OK(pthread_create(&completer, NULL, complete_all, NULL));
    eyot_graph *g = rounds_graph();
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_run *run = tally_run(engine, g, NULL);
    eyot_buf want = tally_bytes(eyot_run_state(run));
    eyot_run_free(run);
    eyot_engine_free(engine);
    unsigned lives = 0, runs = 60 * test_long();
    for (unsigned i = 0; i < runs; i++) lives += live_until_done(g, &want);
    CHECK(lives > runs); /* the store did fail */
    atomic_store(&pending.over, true);
    pthread_join(completer, NULL);
    eyot__buf_clear(&want);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* ---- joins that stay linear ------------------------------------------------------------------------------------- */

enum { HANGS_MS = 5000, WRITERS = 4000, ROUTES = 40000 };

static eyot_status send_writers(eyot_task *task, void *user)
{
    (void)user;
    for (int i = 0; i < WRITERS; i++) {
        eyot_value *item = eyot_value_set(eyot_value_new_map(), "i", eyot_value_new_int(i));
        if (eyot_task_send(task, "write", item)) return EYOT_ENOMEM;
    }
    return EYOT_OK;
}

/* Each another leaf of one map. */
static eyot_status write_leaf(eyot_task *task, void *user)
{
    char key[32];
    (void)user;
    snprintf(key, sizeof key, "k%d", (int)eyot_value_int(eyot_value_at(eyot_task_state(task), "i"), -1));
    eyot_value *leaf = eyot_value_set(eyot_value_new_map(), key, eyot_value_new_int(1));
    return eyot_task_update(task, eyot_value_set(eyot_value_new_map(), "m", leaf));
}

static eyot_status nothing(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_OK;
}

static void runs_in_time(eyot_graph *g, uint64_t steps, size_t leaves)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    uint64_t before = test_now_ms();
    if (eyot_run_sync(&run, engine, g, eyot_value_new_map(), NULL, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    CHECK(test_now_ms() - before < HANGS_MS);
    CHECK_INT(eyot_run_steps(run), steps);
    CHECK_INT(eyot_value_count(eyot_value_at(eyot_run_state(run), "m")), leaves);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

TEST(engine_join__four_thousand_writers_of_one_map)
{
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, "writers", eyot_json()));
    eyot_graph_node(g, "split", send_writers, NULL);
    eyot_graph_node(g, "write", write_leaf, NULL);
    eyot_graph_node(g, "join", nothing, NULL);
    eyot_graph_edge_each(g, "split", "write");
    eyot_graph_edge(g, "write", "join");
    eyot_graph_reduce(g, "i", EYOT_LOCAL);
    eyot_graph_reduce(g, "m", EYOT_MERGE);
    runs_in_time(tally_freeze(g), WRITERS + 2, WRITERS);
}

static eyot_status name_all(eyot_task *task, void *user)
{
    char to[16];
    (void)user;
    for (int i = ROUTES; i-- > 0;) {
        snprintf(to, sizeof to, "x%d", i);
        if (eyot_task_route(task, to)) return EYOT_ENOMEM;
    }
    return EYOT_OK;
}

TEST(engine_route__forty_thousand_named_edges)
{
    eyot_graph *g;
    char id[16];
    CHECK_OK(eyot_graph_new(&g, "routes", eyot_json()));
    eyot_graph_node(g, "f", name_all, NULL);
    for (int i = 0; i < ROUTES; i++) {
        snprintf(id, sizeof id, "x%d", i);
        eyot_graph_node(g, id, nothing, NULL);
        eyot_graph_edge_routed(g, "f", id);
    }
    runs_in_time(tally_freeze(g), ROUTES + 1, 0);
}
