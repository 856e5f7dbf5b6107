/* SPDX-License-Identifier: MIT */
/* Everything that may befall a task, by chance and at once: retries, timeouts, abandonment, rescues, questions, sleeps, pending
 * tasks, listeners, nested runs; and runs that are cancelled, freed and resumed meanwhile. A run that comes to its end has the
 * result that its graph says. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/stores.h>

#include "test/eyot_test.h"
#include "test/tally.h"

enum { NODES = 14, PENDING_MAX = 4096 };

/* Tasks that others complete. */
static struct {
    pthread_mutex_t lock;
    eyot_task *tasks[PENDING_MAX];
    uint32_t n;
    bool stop;
} left = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t seed_of_round;
static _Atomic uint64_t draws;
static _Atomic int told;

static uint64_t chance(void)
{
    uint64_t state = seed_of_round + atomic_fetch_add(&draws, 1) * 7919;
    return test_random(&state);
}

static void hear(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void *complete_tasks(void *arg)
{
    (void)arg;
    for (bool more = true; more;) {
        tally_pause_us(300);
        pthread_mutex_lock(&left.lock);
        eyot_task *t = left.n ? left.tasks[--left.n] : NULL;
        more = t || !left.stop;
        pthread_mutex_unlock(&left.lock);
        if (!t) continue;
        (void)eyot_task_on_cancel(t, NULL, NULL);
        bool good = chance() % 3 > 0;
        if (good) (void)eyot_task_update(t, tally_sum(1));
        (void)eyot_task_complete(t, good ? EYOT_OK : EYOT_EFAILED);
    }
    return NULL;
}

static eyot_status leave(eyot_task *task)
{
    if (chance() % 2) (void)eyot_task_on_cancel(task, hear, &told);
    if (chance() % 2) (void)eyot_task_cancel_fd(task);
    pthread_mutex_lock(&left.lock);
    bool room = left.n < PENDING_MAX;
    if (room) left.tasks[left.n++] = task;
    pthread_mutex_unlock(&left.lock);
    return room ? EYOT_PENDING : EYOT_EFAILED;
}

static eyot_graph *nested;

static eyot_status mischief(eyot_task *task, void *user)
{
    const char *answer = NULL;
    int kind = *(const int *)user;
    eyot_status status = EYOT_OK;
    if (kind % 5 == 1) status = eyot_task_ask(task, "well?", &answer);
    if (kind % 5 == 2) status = eyot_task_sleep(task, 3);
    if (status) return status;
    uint64_t c = chance() % 12;
    if (c == 0) return eyot_task_fail(task, "by chance");
    if (c == 1) return leave(task);
    if (c == 2) tally_pause_us((long)(chance() % 30000)); /* maybe beyond its grace */
    if (c == 3) {
        struct pollfd fd = {.fd = eyot_task_cancel_fd(task), .events = POLLIN};
        poll(&fd, 1, 20);
    }
    if (c == 4 && nested && chance() % 4 == 0) {
        eyot_run *run;
        if (eyot_run_sync(&run, eyot_task_engine(task), nested, tally_new(), NULL, NULL) && !run) return EYOT_EFAILED;
        if (chance() % 2) eyot_run_cancel(run);
        eyot_run_free(run);
    }
    if (answer && strcmp(answer, "yes") != 0) return EYOT_EFAILED;
    return eyot_task_update(task, tally_sum(1));
}

static eyot_status save(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)status, (void)text, (void)user;
    return eyot_task_update(task, tally_sum(1));
}

/* Every node is passed once, whatever befalls it. */
static eyot_graph *random_graph(const char *name, int n, bool policies)
{
    eyot_graph *g = tally_graph(name);
    char id[16], from[16];
    for (int i = 0; i < n; i++) {
        eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
        o.attempts = 50;
        o.retry_delay_ms = chance() % 4;
        o.retry_max_ms = 4;
        o.retry_jitter = 0.5;
        if (policies && chance() % 2) {
            o.timeout_ms = 5 + chance() % 10;
            o.grace_ms = 1 + chance() % 5;
        }
        if (chance() % 3 == 0) {
            o.attempts = 2;
            o.rescue = save;
        }
        snprintf(id, sizeof id, "n%d", i);
        eyot_graph_node_with(g, id, mischief, &tally_numbers[chance() % 64], &o);
        if (i == 0) continue;
        int first = (int)(chance() % (uint64_t)i), second = (int)(chance() % (uint64_t)i);
        snprintf(from, sizeof from, "n%d", first);
        eyot_graph_edge(g, from, id);
        snprintf(from, sizeof from, "n%d", second);
        if (second != first) eyot_graph_edge(g, from, id);
    }
    return tally_freeze(g);
}

static void answer_one(void *arg, const char *task, const char *question)
{
    (void)question;
    snprintf(arg, 64, "%s", task);
}

static void live(eyot_run *run, uint64_t fate)
{
    for (int i = 0; i < 4000 && eyot_run_status_of(run) == EYOT_RUN_RUNNING; i++) {
        char task[64] = "";
        eyot_run_metrics m = {.size = sizeof m};
        CHECK_OK(eyot_run_measure(run, &m));
        if (eyot_run_questions(run, answer_one, task) > 0) (void)eyot_run_answer(run, task, "yes", NULL);
        if (fate < 4 && i == (int)fate * 5) eyot_run_cancel(run);
        if (fate == 4 && i == 12) return;
        if (fate == 5 && i > 3) break;
        tally_pause_us(500);
    }
    (void)eyot_run_wait(run, NULL);
}

static void campaign(const char *url, uint32_t round)
{
    pthread_t thread;
    atomic_store(&draws, 0);
    seed_of_round = test_seed() + round;
    left.n = 0;
    left.stop = false;
    eyot_store *store = url ? tally_store(url) : NULL;
    eyot_engine *engine = tally_engine(1 + round % 3, store);
    eyot_graph *inner = random_graph("inner", 3, false), *g = random_graph("outer", NODES, round % 3 > 0);
    nested = inner;
    pthread_create(&thread, NULL, complete_tasks, NULL);
    for (int k = 0; k < 3; k++) {
        char id[32];
        eyot_run *run = NULL;
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        snprintf(id, sizeof id, "r%u-%d", round, k);
        o.run_id = id;
        o.strategy = (eyot_strategy)(chance() % 3);
        o.durability = (eyot_durability)(chance() % 3);
        o.max_parallel = (uint32_t)(chance() % 4);
        o.flags = chance() % 3 == 0 ? EYOT_RUN_NO_WAIT : 0;
        CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
        for (int lives = 0; lives < 60; lives++) {
            eyot_answer answer = {.text = "yes"};
            char task[64] = "";
            live(run, lives < 8 ? chance() % 8 : 9);
            bool done = eyot_run_status_of(run) == EYOT_RUN_DONE;
            if (done) {
                CHECK_INT(((const tally *)eyot_run_state(run))->sum, NODES);
                CHECK_INT(eyot_run_steps(run), NODES);
            }
            bool asks = eyot_run_questions(run, answer_one, task) > 0;
            eyot_run_free(run);
            run = NULL;
            if (done || !store) break;
            answer.task = task;
            o.answers = asks && chance() % 2 ? &answer : NULL;
            o.n_answers = o.answers ? 1 : 0;
            eyot_status status = eyot_run_resume(&run, engine, g, id, &o, NULL);
            if (status == EYOT_EINVAL) { /* the question that was seen was not written, or is answered */
                o.n_answers = 0;
                status = eyot_run_resume(&run, engine, g, id, &o, NULL);
            }
            CHECK_OK(status);
        }
        if (run) eyot_run_free(run);
    }
    eyot_engine_free(engine);
    pthread_mutex_lock(&left.lock);
    left.stop = true;
    pthread_mutex_unlock(&left.lock);
    pthread_join(thread, NULL);
    if (store) eyot_store_close(store);
    eyot_graph_free(g);
    eyot_graph_free(inner);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_chance__mixes_everything_without_a_store)
{
    for (uint32_t i = 0; i < 4 * test_long(); i++) campaign(NULL, i);
}

TEST(engine_chance__mixes_everything_in_memory)
{
    for (uint32_t i = 0; i < 4 * test_long(); i++) campaign("memory:", i);
}

TEST(engine_chance__mixes_everything_in_sqlite)
{
#ifdef EYOT_HAVE_SQLITE
    char url[512];
    snprintf(url, sizeof url, "sqlite:%s/chance.db", test_dir());
    for (uint32_t i = 0; i < 2 * test_long(); i++) campaign(url, i);
#else
    test_skip("without SQLite");
#endif
}
