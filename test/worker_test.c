/* SPDX-License-Identifier: MIT */
/* Runs that are submitted to a store, and workers that take them up; in this process. Several processes: test/crash/. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <eyot/stores.h>
#include <eyot/worker.h>

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/proxy.h"
#include "test/tally.h"

static int one = 1, two = 2;

/* ---- a graph whose tasks can be held up ------------------------------------------------------------------------- */

static _Atomic int begun, most, inside, gate_open;

static eyot_status count_and_wait(eyot_task *task, void *user)
{
    int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {}
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&gate_open) && !eyot_task_cancelled(task)) tally_pause_us(200);
    atomic_fetch_sub(&inside, 1);
    return eyot_task_cancelled(task) ? EYOT_ECANCELED : tally_add(task, user);
}

/* first → held → last: 1, 2 and 1. */
static eyot_graph *chain(const char *name, eyot_node_fn held)
{
    eyot_graph *g = tally_graph(name);
    eyot_graph_node(g, "first", tally_add, &one);
    eyot_graph_node(g, "held", held, &two);
    eyot_graph_node(g, "last", tally_add, &one);
    eyot_graph_edge(g, "first", "held");
    eyot_graph_edge(g, "held", "last");
    atomic_store(&begun, 0);
    atomic_store(&most, 0);
    atomic_store(&inside, 0);
    atomic_store(&gate_open, 0);
    return tally_freeze(g);
}

static eyot_graph *another(void) /* a fingerprint is of nodes and edges, not of the name */
{
    eyot_graph *g = tally_graph("another");
    eyot_graph_node(g, "only", tally_add, &one);
    return tally_freeze(g);
}

static void await(_Atomic int *what, int value)
{
    while (atomic_load(what) < value) tally_pause_us(200);
}

/* ---- a worker in a thread, and what it tells -------------------------------------------------------------------- */

typedef struct crew {
    eyot_worker *worker;
    pthread_t thread;
    _Atomic int took, left, parked, trouble;
    pthread_mutex_t lock;
    char order[400]; /* ids of what was taken */
    char text[300];  /* of the last thing that went wrong */
    const eyot_graph *found;
} crew;

static void told(void *arg, const eyot_worker_report *r)
{
    crew *c = arg;
    pthread_mutex_lock(&c->lock);
    if (r->news == EYOT_WORKER_TOOK) {
        size_t n = strlen(c->order);
        snprintf(c->order + n, sizeof c->order - n, "%s%s", n ? " " : "", r->run_id);
    }
    if (r->error) snprintf(c->text, sizeof c->text, "%s", r->text);
    pthread_mutex_unlock(&c->lock);
    atomic_fetch_add(r->news == EYOT_WORKER_TOOK     ? &c->took
                     : r->news == EYOT_WORKER_LEFT   ? &c->left
                     : r->news == EYOT_WORKER_PARKED ? &c->parked
                                                     : &c->trouble,
                     1);
}

static void *work(void *arg)
{
    CHECK_OK(eyot_worker_run(((crew *)arg)->worker, NULL));
    return NULL;
}

static eyot_worker_options quick(void)
{
    eyot_worker_options o = EYOT_WORKER_OPTIONS_INIT;
    o.poll_ms = 20;
    return o;
}

static void set_to_work(crew *c, eyot_engine *engine, const eyot_graph *g, eyot_worker_options o)
{
    memset(c, 0, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    o.told = told;
    o.arg = c;
    CHECK_OK(eyot_worker_new(&c->worker, engine, &o, NULL));
    if (o.find) c->found = g;
    if (g && !o.find) CHECK_OK(eyot_worker_add(c->worker, g, NULL, NULL));
    CHECK_OK(pthread_create(&c->thread, NULL, work, c));
}

static void dismiss(crew *c, bool now)
{
    eyot_worker_stop(c->worker, now);
    pthread_join(c->thread, NULL);
    eyot_worker_free(c->worker);
    pthread_mutex_destroy(&c->lock);
}

static void submit(eyot_engine *engine, const eyot_graph *g, const char *id, const char *queue, int32_t priority,
                   uint64_t delay_ms)
{
    eyot_submit_options o = EYOT_SUBMIT_OPTIONS_INIT;
    o.run_id = id;
    o.queue = queue;
    o.priority = priority;
    o.delay_ms = delay_ms;
    CHECK_OK(eyot_run_submit(engine, g, tally_new(), &o, NULL, NULL));
}

static int64_t sum_in(eyot_store *store, const eyot_graph *g, const char *id)
{
    eyot_checkpoint *c;
    CHECK_OK(eyot_store_load_latest_checkpoint(&c, store, g, id, NULL));
    int64_t sum = ((const tally *)eyot_checkpoint_state(c))->sum;
    eyot_checkpoint_free(c);
    return sum;
}

typedef struct scene {
    eyot_store *store;
    eyot_engine *engine;
    eyot_graph *g;
} scene;

static scene open_scene(const char *url, eyot_node_fn held)
{
    scene s = {.store = tally_store(url)};
    s.engine = tally_engine(3, s.store);
    s.g = chain("chain", held);
    return s;
}

static void close_scene(scene *s)
{
    eyot_engine_free(s->engine);
    eyot_store_close(s->store);
    eyot_graph_free(s->g);
    CHECK_INT(tally_live(), 0);
}

/* ---- submitting ------------------------------------------------------------------------------------------------- */

TEST(run_submit__leaves_a_run_that_is_ready_and_nobodys)
{
    scene s = open_scene("memory:", tally_add);
    char id[EYOT_RUN_ID_BYTES] = "";
    CHECK_OK(eyot_run_submit(s.engine, s.g, tally_new(), NULL, id, NULL));
    CHECK_INT(strlen(id), 36);
    tally_row row = tally_row_of(s.store, id);
    CHECK_INT(row.status, EYOT_RUN_READY);
    CHECK(!row.held);
    CHECK_INT(row.head, 1);
    CHECK_INT(row.steps, 0);
    close_scene(&s);
}

TEST(run_submit__refuses_what_cannot_be)
{
    scene s = open_scene("memory:", tally_add);
    eyot_engine *without = tally_engine(1, NULL);
    eyot_submit_options o = EYOT_SUBMIT_OPTIONS_INIT;
    eyot_error e;
    CHECK_STATUS(eyot_run_submit(without, s.g, tally_new(), NULL, NULL, &e), EYOT_EINVAL);
    CHECK_HAS(e.text, "has no store");
    CHECK_STATUS(eyot_run_submit(s.engine, s.g, NULL, NULL, NULL, &e), EYOT_EINVAL);
    o.queue = "a queue";
    CHECK_STATUS(eyot_run_submit(s.engine, s.g, tally_new(), &o, NULL, &e), EYOT_EINVAL);
    CHECK_HAS(e.text, "\"a queue\"");
    o.queue = NULL;
    o.reserved = 1;
    CHECK_STATUS(eyot_run_submit(s.engine, s.g, tally_new(), &o, NULL, &e), EYOT_EINVAL);
    o.reserved = 0;
    o.run_id = "r";
    CHECK_OK(eyot_run_submit(s.engine, s.g, tally_new(), &o, NULL, &e));
    CHECK_STATUS(eyot_run_submit(s.engine, s.g, tally_new(), &o, NULL, &e), EYOT_EEXIST);
    o.size--;
    CHECK_STATUS(eyot_run_submit(s.engine, s.g, tally_new(), &o, NULL, &e), EYOT_EINVAL);
    eyot_engine_free(without);
    close_scene(&s);
}

TEST(run_submit__can_be_resumed_by_hand_too)
{
    scene s = open_scene("memory:", tally_add);
    eyot_run *run;
    submit(s.engine, s.g, "r", NULL, 0, 3600000);
    CHECK_OK(eyot_run_resume(&run, s.engine, s.g, "r", NULL, NULL));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(((const tally *)eyot_run_state(run))->sum, 4);
    eyot_run_free(run);
    close_scene(&s);
}

static eyot_status see_due(void *arg, const eyot_run_row *row)
{
    *(int64_t *)arg = row->due_ms;
    return EYOT_OK;
}

static int64_t due_of(eyot_store *store, const char *id)
{
    int64_t due_ms = 0;
    CHECK_OK(eyot__store_get_run(store, eyot__bytes(id, strlen(id)), see_due, &due_ms, NULL));
    return due_ms;
}

/* There is no such question: the resume is refused. */
static void resume_in_vain(scene *s, const char *id)
{
    eyot_answer answer = {"nobody", "yes"};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.answers = &answer;
    o.n_answers = 1;
    CHECK(eyot_run_resume(&run, s->engine, s->g, id, &o, NULL) != EYOT_OK);
}

TEST(run_resume__that_is_refused_leaves_a_run_as_due_as_it_was)
{
    scene s = open_scene("memory:", tally_add);
    crew c;
    submit(s.engine, s.g, "now", NULL, 0, 0);
    submit(s.engine, s.g, "later", NULL, 0, 3600000);
    submit(s.engine, s.g, "never", NULL, 0, UINT64_MAX);
    int64_t later = due_of(s.store, "later");
    resume_in_vain(&s, "now");
    resume_in_vain(&s, "later");
    resume_in_vain(&s, "never");
    CHECK(due_of(s.store, "now") < later - 1800000);
    CHECK(due_of(s.store, "later") > later - 1800000 && due_of(s.store, "later") < later + 1800000);
    CHECK(due_of(s.store, "never") == INT64_MAX);
    set_to_work(&c, s.engine, s.g, quick());
    await(&c.left, 1);
    dismiss(&c, false);
    CHECK_STR(c.order, "now");
    close_scene(&s);
}

/* ---- taking up -------------------------------------------------------------------------------------------------- */

TEST(worker__sees_submitted_runs_to_their_end)
{
    char url[4200], id[32];
    snprintf(url, sizeof url, "sqlite:%s/runs.db?sync=normal", test_dir());
    scene s = open_scene(url, tally_add);
    crew c;
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "r%d", i);
        submit(s.engine, s.g, id, NULL, 0, 0);
    }
    set_to_work(&c, s.engine, s.g, quick());
    await(&c.left, 40);
    dismiss(&c, false);
    CHECK_INT(atomic_load(&c.took), 40);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "r%d", i);
        CHECK_INT(tally_row_of(s.store, id).status, EYOT_RUN_DONE);
        CHECK_INT(sum_in(s.store, s.g, id), 4);
        tally_log log = tally_entries(s.store, id);
        CHECK_INT(tally_tasks(&log), 3);
        tally_log_free(&log);
    }
    close_scene(&s);
}

TEST(worker__finds_a_run_that_is_submitted_while_it_works)
{
    scene s = open_scene("memory:", tally_add);
    crew c;
    set_to_work(&c, s.engine, s.g, quick());
    tally_pause_us(30000);
    submit(s.engine, s.g, "late", NULL, 0, 0);
    await(&c.left, 1);
    dismiss(&c, false);
    CHECK_INT(tally_row_of(s.store, "late").status, EYOT_RUN_DONE);
    close_scene(&s);
}

TEST(worker__takes_no_more_runs_at_once_than_it_may)
{
    scene s = open_scene("memory:", count_and_wait);
    crew c;
    eyot_worker_options o = quick();
    char id[32];
    o.max_runs = 2;
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "r%d", i);
        submit(s.engine, s.g, id, NULL, 0, 0);
    }
    set_to_work(&c, s.engine, s.g, o);
    await(&begun, 2);
    tally_pause_us(60000); /* three polls, in which it could take a third one */
    CHECK_INT(atomic_load(&c.took), 2);
    atomic_store(&gate_open, 1);
    await(&c.left, 5);
    dismiss(&c, false);
    CHECK_INT(atomic_load(&most), 2);
    close_scene(&s);
}

TEST(worker__goes_by_priority_and_leaves_what_is_not_due)
{
    scene s = open_scene("memory:", tally_add);
    crew c;
    eyot_worker_options o = quick();
    o.max_runs = 1;
    submit(s.engine, s.g, "low", NULL, -5, 0);
    submit(s.engine, s.g, "high", NULL, 9, 0);
    submit(s.engine, s.g, "later", NULL, 99, 3600000);
    submit(s.engine, s.g, "middle", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, o);
    await(&c.left, 3);
    dismiss(&c, false);
    CHECK_STR(c.order, "high middle low");
    CHECK_INT(tally_row_of(s.store, "later").status, EYOT_RUN_READY);
    close_scene(&s);
}

TEST(worker__keeps_to_its_queues_and_its_graphs)
{
    scene s = open_scene("memory:", tally_add);
    eyot_graph *other = another();
    const char *const queues[] = {"b", "a"};
    crew c;
    eyot_worker_options o = quick();
    o.queues = queues;
    o.n_queues = 2;
    submit(s.engine, s.g, "in-none", NULL, 0, 0);
    submit(s.engine, s.g, "in-a", "a", 0, 0);
    submit(s.engine, s.g, "in-b", "b", 0, 0);
    submit(s.engine, s.g, "in-c", "c", 0, 0);
    submit(s.engine, other, "of-another", "a", 0, 0);
    set_to_work(&c, s.engine, s.g, o);
    await(&c.left, 2);
    tally_pause_us(60000);
    dismiss(&c, false);
    CHECK_INT(atomic_load(&c.took), 2);
    CHECK_INT(tally_row_of(s.store, "in-a").status, EYOT_RUN_DONE);
    CHECK_INT(tally_row_of(s.store, "in-b").status, EYOT_RUN_DONE);
    tally_row row = tally_row_of(s.store, "of-another");
    CHECK_INT(row.status, EYOT_RUN_READY);
    CHECK_INT(row.epoch, 1); /* nobody has even claimed it */
    eyot_graph_free(other);
    close_scene(&s);
}

static const eyot_graph *find(void *arg, const char *run_id, const char *fingerprint, eyot_run_options *how,
                              eyot_error *e)
{
    CHECK_INT(how->max_steps, 77);
    const eyot_graph *g = ((crew *)arg)->found;
    if (g && strcmp(eyot_graph_fingerprint(g), fingerprint) == 0) return g;
    eyot_error_set(e, EYOT_ENOTFOUND, "run %s is of no graph that is known here", run_id);
    return NULL;
}

TEST(worker__can_be_given_graphs_when_they_are_needed)
{
    scene s = open_scene("memory:", tally_add);
    eyot_graph *unknown = another();
    crew c;
    eyot_worker_options o = quick();
    eyot_run_options how = EYOT_RUN_OPTIONS_INIT;
    how.max_steps = 77;
    o.run = &how;
    o.find = find;
    submit(s.engine, s.g, "known", NULL, 0, 0);
    submit(s.engine, unknown, "strange", NULL, 9, 0);
    memset(&c, 0, sizeof c);
    pthread_mutex_init(&c.lock, NULL);
    c.found = s.g;
    o.told = told;
    o.arg = &c;
    CHECK_OK(eyot_worker_new(&c.worker, s.engine, &o, NULL));
    CHECK_OK(pthread_create(&c.thread, NULL, work, &c));
    await(&c.left, 1);
    await(&c.trouble, 1);
    dismiss(&c, false);
    CHECK_STR(c.order, "known");
    CHECK_HAS(c.text, "run strange is of no graph");
    CHECK_INT(tally_row_of(s.store, "strange").status, EYOT_RUN_READY);
    eyot_graph_free(unknown);
    close_scene(&s);
}

static const eyot_graph *find_any(void *arg, const char *run_id, const char *fingerprint, eyot_run_options *how,
                                  eyot_error *e)
{
    (void)run_id, (void)fingerprint, (void)how, (void)e;
    return ((crew *)arg)->found;
}

TEST(worker__runs_no_run_by_the_graph_of_another_one)
{
    scene s = open_scene("memory:", tally_add);
    eyot_graph *other = another();
    crew c;
    eyot_worker_options o = quick();
    o.find = find_any;
    submit(s.engine, other, "strange", NULL, 0, 0);
    submit(s.engine, s.g, "known", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, o);
    await(&c.left, 1);
    await(&c.trouble, 1);
    dismiss(&c, false);
    CHECK_STR(c.order, "known");
    CHECK_HAS(c.text, "run strange was made with another graph");
    CHECK_INT(tally_row_of(s.store, "strange").status, EYOT_RUN_READY);
    eyot_graph_free(other);
    close_scene(&s);
}

TEST(worker__without_anything_to_do_is_refused)
{
    scene s = open_scene("memory:", tally_add);
    eyot_engine *without = tally_engine(1, NULL);
    eyot_worker_options o = EYOT_WORKER_OPTIONS_INIT;
    const char *const bad[] = {"bad queue"};
    eyot_worker *w;
    eyot_error e;
    CHECK_STATUS(eyot_worker_new(&w, without, NULL, &e), EYOT_EINVAL);
    o.poll_ms = 9;
    CHECK_STATUS(eyot_worker_new(&w, s.engine, &o, &e), EYOT_EINVAL);
    o.poll_ms = 0;
    o.queues = bad;
    o.n_queues = 1;
    CHECK_STATUS(eyot_worker_new(&w, s.engine, &o, &e), EYOT_EINVAL);
    CHECK_HAS(e.text, "\"bad queue\"");
    CHECK_OK(eyot_worker_new(&w, s.engine, NULL, &e));
    CHECK_STATUS(eyot_worker_run(w, &e), EYOT_EINVAL);
    eyot_worker_free(w);
    eyot_engine_free(without);
    close_scene(&s);
}

TEST(worker__of_a_parent_process_is_refused)
{
    scene s = open_scene("memory:", tally_add);
    eyot_worker *w;
    eyot_worker_options o = quick();
    o.flags = EYOT_WORKER_UNTIL_IDLE;
    CHECK_OK(eyot_worker_new(&w, s.engine, &o, NULL));
    CHECK_OK(eyot_worker_add(w, s.g, NULL, NULL));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        eyot_error e;
        alarm(20);
        _exit(eyot_worker_run(w, &e) == EYOT_EFORKED && e.text[0] ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    eyot_worker_free(w);
    close_scene(&s);
}

TEST(worker__may_leave_when_nothing_is_due)
{
    scene s = open_scene("memory:", tally_add);
    eyot_worker_options o = quick();
    eyot_worker *w;
    char id[32];
    o.flags = EYOT_WORKER_UNTIL_IDLE;
    o.max_runs = 3;
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "r%d", i);
        submit(s.engine, s.g, id, NULL, 0, 0);
    }
    CHECK_OK(eyot_worker_new(&w, s.engine, &o, NULL));
    CHECK_OK(eyot_worker_add(w, s.g, NULL, NULL));
    CHECK_OK(eyot_worker_run(w, NULL));
    eyot_worker_free(w);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "r%d", i);
        CHECK_INT(tally_row_of(s.store, id).status, EYOT_RUN_DONE);
    }
    close_scene(&s);
}

TEST(worker__runs_each_graph_as_it_was_told_to)
{
    scene s = open_scene("memory:", tally_add);
    crew c;
    eyot_run_options how = EYOT_RUN_OPTIONS_INIT;
    eyot_worker_options o = quick();
    how.max_steps = 2;
    memset(&c, 0, sizeof c);
    pthread_mutex_init(&c.lock, NULL);
    o.told = told;
    o.arg = &c;
    submit(s.engine, s.g, "r", NULL, 0, 0);
    CHECK_OK(eyot_worker_new(&c.worker, s.engine, &o, NULL));
    CHECK_OK(eyot_worker_add(c.worker, s.g, &how, NULL));
    CHECK_OK(pthread_create(&c.thread, NULL, work, &c));
    await(&c.left, 1);
    dismiss(&c, false);
    CHECK_HAS(c.text, "limit of 2 steps");
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_FAILED);
    close_scene(&s);
}

/* ---- giving back ------------------------------------------------------------------------------------------------ */

TEST(worker__that_stops_gives_its_runs_back_after_their_running_tasks)
{
    scene s = open_scene("memory:", count_and_wait);
    crew c, next;
    submit(s.engine, s.g, "r", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, quick());
    await(&begun, 1);
    eyot_worker_stop(c.worker, false);
    tally_pause_us(30000);
    CHECK_INT(atomic_load(&c.left), 0); /* it waits for the task */
    atomic_store(&gate_open, 1);
    dismiss(&c, false);
    CHECK_INT(atomic_load(&c.left), 1);
    tally_row row = tally_row_of(s.store, "r");
    CHECK_INT(row.status, EYOT_RUN_READY);
    CHECK(!row.held);
    CHECK_INT(row.steps, 2); /* the task's work is kept, and its successor not begun */
    set_to_work(&next, s.engine, s.g, quick());
    await(&next.left, 1);
    dismiss(&next, false);
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_DONE);
    CHECK_INT(atomic_load(&begun), 1);
    CHECK_INT(sum_in(s.store, s.g, "r"), 4);
    close_scene(&s);
}

TEST(worker__that_stops_now_tells_its_tasks_to_end)
{
    scene s = open_scene("memory:", count_and_wait);
    crew c;
    submit(s.engine, s.g, "r", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, quick());
    await(&begun, 1);
    dismiss(&c, true);
    tally_row row = tally_row_of(s.store, "r");
    CHECK_INT(row.status, EYOT_RUN_READY);
    CHECK(!row.held);
    CHECK_INT(row.steps, 1);
    close_scene(&s);
}

TEST(worker__that_stops_does_not_give_back_what_is_cancelled_meanwhile)
{
    scene s = open_scene("memory:", count_and_wait);
    crew c;
    bool held = false;
    submit(s.engine, s.g, "r", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, quick());
    await(&begun, 1);
    eyot_worker_stop(c.worker, false);
    CHECK_OK(eyot_store_cancel(s.store, "r", &held, NULL));
    CHECK(held);
    dismiss(&c, false);
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_CANCELLED);
    close_scene(&s);
}

TEST(run_give_back__ends_a_run_as_ready_for_others)
{
    scene s = open_scene("memory:", count_and_wait);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    eyot_error e;
    o.run_id = "r";
    CHECK_OK(eyot_run_start(&run, s.engine, s.g, tally_new(), &o, NULL));
    await(&begun, 1);
    eyot_run_give_back(run);
    atomic_store(&gate_open, 1);
    CHECK_STATUS(eyot_run_wait(run, &e), EYOT_ESUSPENDED);
    CHECK_HAS(e.text, "given back");
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_READY);
    eyot_run_free(run);
    CHECK_OK(eyot_run_resume(&run, s.engine, s.g, "r", NULL, NULL));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(((const tally *)eyot_run_state(run))->sum, 4);
    eyot_run_give_back(run); /* it has ended: nothing happens */
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_DONE);
    eyot_run_free(run);
    close_scene(&s);
}

/* ---- waiting for a time ------------------------------------------------------------------------------------------ */

static eyot_status sleep_long(eyot_task *task, void *user)
{
    eyot_status status = eyot_task_sleep(task, 300);
    return status ? status : tally_add(task, user);
}

TEST(worker__leaves_a_run_that_waits_for_a_time_to_the_store_until_then)
{
    scene s = open_scene("memory:", sleep_long);
    crew c;
    uint64_t before = test_now_ms();
    submit(s.engine, s.g, "r", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, quick());
    await(&c.left, 1);
    tally_row row = tally_row_of(s.store, "r");
    CHECK(row.status == EYOT_RUN_SUSPENDED || test_now_ms() - before >= 300);
    await(&c.left, 2);
    CHECK(test_now_ms() - before >= 300);
    dismiss(&c, false);
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_DONE);
    CHECK_INT(sum_in(s.store, s.g, "r"), 4);
    close_scene(&s);
}

static eyot_status fail_once(eyot_task *task, void *user)
{
    return eyot_task_attempt(task) == 1 ? eyot_task_fail(task, "not yet") : tally_add(task, user);
}

TEST(worker__leaves_a_run_that_waits_for_a_retry_to_the_store_until_then)
{
    scene s = {.store = tally_store("memory:")};
    crew c;
    eyot_node_options again = EYOT_NODE_OPTIONS_INIT;
    s.engine = tally_engine(1, s.store);
    s.g = tally_graph("retrying");
    again.attempts = 2;
    again.retry_delay_ms = 200;
    eyot_graph_node_with(s.g, "only", fail_once, &two, &again);
    tally_freeze(s.g);
    submit(s.engine, s.g, "r", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, quick());
    await(&c.left, 2);
    dismiss(&c, false);
    CHECK_STR(c.order, "r r");
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_DONE);
    close_scene(&s);
}

/* ---- runs that are lost ------------------------------------------------------------------------------------------ */

static eyot_status see_nothing(void *arg, const eyot_run_row *row)
{
    (void)arg, (void)row;
    return EYOT_OK;
}

/* Claims in the name of processes that have died since; their leases have ended. */
static void lose(eyot_store *store, const char *id, unsigned times, uint64_t lease_ms)
{
    struct timespec moment = {0, 2000000};
    for (unsigned i = 0; i < times; i++) {
        eyot_claim c = {.run = eyot__bytes(id, strlen(id)),
                        .owner = eyot__bytes("elsewhere", 9),
                        .lease_ms = i + 1 < times ? 1 : lease_ms};
        eyot_error e;
        eyot_status status;
        while ((status = eyot__store_claim(store, &c, see_nothing, NULL, &e)) == EYOT_EBUSY) nanosleep(&moment, NULL);
        CHECK_OK(status);
    }
}

TEST(worker__goes_on_with_a_run_whose_lease_has_ended)
{
    scene s = open_scene("memory:", tally_add);
    crew c;
    submit(s.engine, s.g, "r", NULL, 0, 0);
    lose(s.store, "r", 1, 1);
    set_to_work(&c, s.engine, s.g, quick());
    await(&c.left, 1);
    dismiss(&c, false);
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_DONE);
    close_scene(&s);
}

/* A cancel that nobody has seen yet, as eyot_store_cancel leaves it for who holds the run. */
static void post_cancel(eyot_store *store, const char *id, const char *message)
{
    void *self;
    const eyot_store_ops *ops = eyot_store_table(store, &self);
    eyot_bytes none = {NULL, 0};
    CHECK_OK(ops->post(self, eyot__bytes(id, strlen(id)), eyot__bytes(message, strlen(message)), EYOT_MESSAGE_CANCEL,
                       none, none, NULL));
}

TEST(worker__that_stops_does_not_give_back_what_was_cancelled)
{
    scene s = open_scene("memory:", count_and_wait);
    crew c;
    submit(s.engine, s.g, "r", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, quick());
    await(&begun, 1);
    eyot_worker_stop(c.worker, false);
    post_cancel(s.store, "r", "cancel/2");
    dismiss(&c, false); /* the message tells the task to end */
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_CANCELLED);
    close_scene(&s);
}

TEST(worker__does_not_go_on_with_what_was_cancelled_under_an_owner_that_died)
{
    scene s = open_scene("memory:", count_and_wait);
    crew c;
    submit(s.engine, s.g, "r", NULL, 0, 0);
    lose(s.store, "r", 1, 1);
    post_cancel(s.store, "r", "cancel/2");
    set_to_work(&c, s.engine, s.g, quick());
    for (int i = 0; i < 10000 && atomic_load(&c.left) < 1; i++) tally_pause_us(500);
    atomic_store(&gate_open, 1);
    await(&c.left, 1);
    dismiss(&c, false);
    CHECK_INT(tally_row_of(s.store, "r").status, EYOT_RUN_CANCELLED);
    close_scene(&s);
}

TEST(worker__parks_a_run_at_exactly_its_limit)
{
    scene s = open_scene("memory:", tally_add);
    crew c;
    eyot_worker_options o = quick();
    eyot_run *run;
    o.max_attempts = 4;
    submit(s.engine, s.g, "lost-4", NULL, 0, 0);
    submit(s.engine, s.g, "lost-3", NULL, 0, 0);
    lose(s.store, "lost-4", 4, 1);
    lose(s.store, "lost-3", 3, 1);
    set_to_work(&c, s.engine, s.g, o);
    await(&c.parked, 1);
    await(&c.left, 1);
    dismiss(&c, false);
    CHECK_STR(c.order, "lost-3");
    CHECK_HAS(c.text, "begun 4 times");
    CHECK_INT(tally_row_of(s.store, "lost-3").status, EYOT_RUN_DONE);
    tally_row row = tally_row_of(s.store, "lost-4");
    CHECK_INT(row.status, EYOT_RUN_DEAD);
    CHECK(!row.held);
    eyot_checkpoint *p;
    CHECK_OK(eyot_store_load_latest_checkpoint(&p, s.store, s.g, "lost-4", NULL));
    CHECK_HAS(eyot_checkpoint_error(p), "begun 4 times");
    eyot_checkpoint_free(p);
    CHECK_OK(eyot_run_resume(&run, s.engine, s.g, "lost-4", NULL, NULL)); /* by hand it can be tried again */
    CHECK_OK(eyot_run_wait(run, NULL));
    eyot_run_free(run);
    close_scene(&s);
}

static _Atomic int others_inside, suspect_met;

static eyot_status note_company(eyot_task *task, void *user)
{
    bool suspect = strcmp(eyot_task_run_id(task), "suspect") == 0;
    if (suspect) atomic_fetch_add(&suspect_met, atomic_load(&others_inside));
    if (!suspect) atomic_fetch_add(&others_inside, 1);
    tally_pause_us(3000);
    if (!suspect) atomic_fetch_sub(&others_inside, 1);
    return tally_add(task, user);
}

TEST(worker__runs_alone_what_two_claims_have_lost)
{
    scene s = {.store = tally_store("memory:")};
    crew c;
    char id[32];
    s.engine = tally_engine(4, s.store);
    s.g = tally_graph("company");
    eyot_graph_node(s.g, "only", note_company, &one);
    tally_freeze(s.g);
    atomic_store(&suspect_met, 0);
    submit(s.engine, s.g, "suspect", NULL, 0, 0);
    lose(s.store, "suspect", 2, 20); /* found while the others run, or before them: either way it is alone */
    for (int i = 0; i < 99; i++) {
        snprintf(id, sizeof id, "r%d", i);
        submit(s.engine, s.g, id, NULL, 9, 0);
    }
    set_to_work(&c, s.engine, s.g, quick());
    await(&c.left, 100);
    dismiss(&c, false);
    CHECK_INT(atomic_load(&suspect_met), 0);
    CHECK_INT(tally_row_of(s.store, "suspect").status, EYOT_RUN_DONE);
    close_scene(&s);
}

/* ---- trouble ---------------------------------------------------------------------------------------------------- */

static _Atomic int refuse;

static eyot_status commit_or_not(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    if (atomic_load(&refuse)) return eyot_error_set(e, EYOT_EIO, "the store is gone");
    return proxy_commit(p, commits, n, e);
}

TEST(worker__goes_on_when_one_of_its_runs_is_lost)
{
    proxy p = {.commit = commit_or_not};
    scene s = {.store = proxy_open(&p, "memory:")};
    crew c;
    s.engine = tally_engine(2, s.store);
    s.g = chain("chain", count_and_wait);
    atomic_store(&refuse, 0);
    submit(s.engine, s.g, "r1", NULL, 0, 0);
    set_to_work(&c, s.engine, s.g, quick());
    await(&begun, 1);
    atomic_store(&refuse, 1);
    atomic_store(&gate_open, 1);
    await(&c.left, 1);
    CHECK_HAS(c.text, "the store is gone");
    atomic_store(&refuse, 0);
    submit(s.engine, s.g, "r2", NULL, 0, 0);
    await(&c.left, 2);
    dismiss(&c, false);
    CHECK_INT(tally_row_of(s.store, "r2").status, EYOT_RUN_DONE);
    CHECK_INT(tally_row_of(s.store, "r1").status, EYOT_RUN_RUNNING);
    close_scene(&s);
}

/* The store swallows signs of life: commits without entries are said to fail. */
static eyot_status swallow_renewals(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    for (size_t i = 0; i < n; i++)
        if (atomic_load(&refuse) && commits[i].n_entries == 0) return eyot_error_set(e, EYOT_EIO, "not now");
    return proxy_commit(p, commits, n, e);
}

static eyot_status take_long(eyot_task *task, void *user)
{
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&gate_open)) tally_pause_us(1000);
    return tally_add(task, user);
}

TEST(engine_lease__nothing_starts_once_it_has_run_out)
{
    proxy p = {.commit = swallow_renewals};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine_options eo = EYOT_ENGINE_OPTIONS_INIT;
    eyot_engine *engine;
    eo.store = store;
    eo.threads = 2;
    eo.lease_ms = 2000;
    CHECK_OK(eyot_engine_new(&engine, &eo, NULL));
    eyot_graph *g = tally_graph("two"); /* two branches, one at a time: the second may start when the first has ended */
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    eyot_graph_node(g, "split", tally_add, &one);
    eyot_graph_node(g, "a", take_long, &one);
    eyot_graph_node(g, "b", take_long, &one);
    eyot_graph_edge(g, "split", "a");
    eyot_graph_edge(g, "split", "b");
    tally_freeze(g);
    atomic_store(&begun, 0);
    atomic_store(&gate_open, 0);
    atomic_store(&refuse, 1);
    o.run_id = "r";
    o.max_parallel = 1;
    o.durability = EYOT_EXIT; /* no entry renews the lease */
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    await(&begun, 1);
    tally_pause_us(2100000);
    atomic_store(&gate_open, 1);
    tally_pause_us(100000);
    CHECK_INT(atomic_load(&begun), 1);
    atomic_store(&refuse, 0); /* the next sign of life finds the run still ours */
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(atomic_load(&begun), 2);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}
