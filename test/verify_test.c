/* SPDX-License-Identifier: MIT */
/* Does a run do again what its log says? An unchanged one does; of a changed one the first difference is named. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/copiers.h>
#include <eyot/replay.h>

#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/tamper.h"

/* ---- what verify tells -------------------------------------------------------------------------------------------- */

typedef struct told {
    size_t n, compared, skipped;
    eyot_verdict verdict; /* of the last one */
    char task[100], pointer[100], expected[200], got[200];
    uint64_t step;
    eyot_status stop; /* what the listener returns */
} told;

static eyot_status listen(void *arg, const eyot_verified_task *task)
{
    told *t = arg;
    t->n++;
    t->verdict = task->verdict;
    t->step = task->step;
    snprintf(t->task, sizeof t->task, "%s", task->task);
    snprintf(t->pointer, sizeof t->pointer, "%s", task->pointer);
    snprintf(t->expected, sizeof t->expected, "%s", task->expected);
    snprintf(t->got, sizeof t->got, "%s", task->got);
    return t->stop;
}

static eyot_status verify_on(eyot_store *store, const eyot_graph *g, uint64_t from, uint32_t flags, told *t,
                             eyot_error *e)
{
    eyot_engine *engine = tally_engine(1, store);
    eyot_verify_options o = EYOT_VERIFY_OPTIONS_INIT;
    eyot_verify_result result = {.size = sizeof result};
    o.from = from;
    o.flags = flags;
    o.fn = listen;
    o.arg = t;
    e->text[0] = 0;
    eyot_status status = eyot_run_verify(engine, g, "r", &o, &result, e);
    t->compared = result.compared;
    t->skipped = result.not_compared;
    eyot_engine_free(engine);
    return status;
}

typedef struct world {
    eyot_store *store;
    eyot_graph *g;
    told t;
    eyot_error e;
} world;

/* The graph's run "r" to its end. */
static world live_as(eyot_durability durability, eyot_graph *g, const char *state, eyot_status want)
{
    world w = {.store = tally_store("memory:"), .g = g};
    eyot_engine *engine = tally_engine(1, w.store);
    eyot_run_options o = lives_options(durability);
    eyot_run *run;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, eyot_json_parse(state, NULL), &o, &w.e), want);
    eyot_run_free(run);
    eyot_engine_free(engine);
    return w;
}

static world live(eyot_graph *g, const char *state, eyot_status want)
{
    return live_as(EYOT_SYNC, g, state, want);
}

static eyot_status verify(world *w)
{
    w->t = (told){0};
    return verify_on(w->store, w->g, 0, 0, &w->t, &w->e);
}

/* The same with a log that was tampered with; takes it. */
static eyot_status verify_tampered(world *w, tamper *log)
{
    eyot_store *store = tamper_store(log);
    w->t = (told){0};
    eyot_status status = verify_on(store, w->g, 0, 0, &w->t, &w->e);
    eyot_store_close(store);
    tamper_free(log);
    return status;
}

static void done(world *w)
{
    eyot_store_close(w->store);
    eyot_graph_free(w->g);
}

/* ---- graphs ------------------------------------------------------------------------------------------------------- */

static _Atomic int word = 1; /* what `speak` says; the world outside, so to speak */

static eyot_status speak(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_int(task, eyot_task_node(task), atomic_load(&word));
}

static eyot_status send_two(eyot_task *task, void *user)
{
    (void)user;
    for (int i = 0; i < 2; i++)
        CHECK_OK(
            eyot_task_send(task, "item", eyot_json_parse(i ? "{\"i\":{\"n\":[7]}}" : "{\"i\":{\"n\":[5]}}", NULL)));
    return speak(task, user);
}

static eyot_status odd(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "a"), 0) % 2 == 1;
    return EYOT_OK;
}

/* a sends two items to `item`, which `sum` joins; `b` goes to `odd` or `even`. */
static eyot_graph *graph(void)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "a", speak, NULL);
    eyot_graph_node(g, "fan", send_two, NULL);
    eyot_graph_node(g, "item", speak, NULL);
    eyot_graph_node(g, "b", speak, NULL);
    eyot_graph_node(g, "odd", speak, NULL);
    eyot_graph_node(g, "even", speak, NULL);
    eyot_graph_node(g, "sum", speak, NULL);
    eyot_graph_edge(g, "a", "fan");
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge_each(g, "fan", "item");
    eyot_graph_edge(g, "item", "sum");
    eyot_graph_edge_if(g, "b", "odd", "odd", odd, NULL);
    eyot_graph_edge_otherwise(g, "b", "even");
    eyot_graph_edge(g, "odd", "sum");
    eyot_graph_edge(g, "even", "sum");
    eyot_graph_reduce(g, "item", EYOT_ADD);
    eyot_graph_reduce(g, "i", EYOT_LOCAL);
    return tally_freeze(g);
}

/* One node. */
static eyot_graph *alone(eyot_node_fn fn, void *user, const eyot_node_options *o)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node_with(g, "a", fn, user, o);
    return tally_freeze(g);
}

/* ---- unchanged ---------------------------------------------------------------------------------------------------- */

TEST(verify__finds_nothing_in_an_unchanged_run)
{
    world w = live(graph(), "{}", EYOT_OK);
    CHECK_OK(verify(&w));
    CHECK_INT(w.t.n, 7);
    CHECK_INT(w.t.compared, 7);
    CHECK_INT(w.t.skipped, 0);
    CHECK_INT(w.t.verdict, EYOT_SAME);
    CHECK_STR(w.t.task, "sum");
    done(&w);
}

TEST(verify__begins_behind_a_step)
{
    world w = live(graph(), "{}", EYOT_OK);
    CHECK_OK(verify_on(w.store, w.g, 5, 0, &w.t, &w.e));
    CHECK_INT(w.t.compared, 2);
    CHECK_STATUS(verify_on(w.store, w.g, 8, 0, &w.t, &w.e), EYOT_ENOTFOUND);
    CHECK_STR(w.e.text, "run r has no step 8");
    done(&w);
}

TEST(verify__ends_when_its_listener_says_so)
{
    world w = live(graph(), "{}", EYOT_OK);
    told t = {.stop = EYOT_ECANCELED};
    CHECK_STATUS(verify_on(w.store, w.g, 0, 0, &t, &w.e), EYOT_ECANCELED);
    CHECK_INT(t.n, 1);
    CHECK_STR(w.e.text, "");
    done(&w);
}

TEST(verify__takes_a_run_as_far_as_it_has_got)
{
    world w = live(graph(), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    while (log->n > 4) tamper_drop(log, log->n - 1);
    log->status = EYOT_RUN_READY;
    CHECK_OK(verify_tampered(&w, log));
    CHECK_INT(w.t.compared, 3);
    done(&w);
}

TEST(verify__writes_nothing)
{
    world w = live(graph(), "{}", EYOT_OK);
    tamper *before = tamper_read(w.store, w.g, "r");
    CHECK_OK(verify(&w));
    tamper *after = tamper_read(w.store, w.g, "r");
    CHECK_INT(after->n, before->n);
    tamper_free(before);
    tamper_free(after);
    done(&w);
}

/* ---- changed ------------------------------------------------------------------------------------------------------ */

TEST(verify__names_the_first_update_that_is_another_now)
{
    world w = live(graph(), "{}", EYOT_OK);
    atomic_store(&word, 4);
    CHECK_STATUS(verify(&w), EYOT_EDIFFERS);
    atomic_store(&word, 1);
    CHECK_INT(w.t.n, 1);
    CHECK_INT(w.t.verdict, EYOT_OTHER_UPDATE);
    CHECK_INT(w.t.step, 1);
    CHECK_STR(w.t.task, "a");
    CHECK_HAS(w.t.expected, "1");
    CHECK_HAS(w.t.got, "4");
    CHECK(strncmp(w.e.text, "run r, step 1, a: update", 24) == 0);
    done(&w);
}

static void change_update(eyot__task_entry *task, void *arg)
{
    eyot_value_unref(task->update);
    task->update = arg ? eyot_json_parse(arg, NULL) : NULL;
}

TEST(verify__names_the_one_update_that_was_changed)
{
    static const char *const tasks[] = {"a", "fan", "item[1]", "odd", "sum"};
    for (size_t i = 0; i < 5; i++) {
        world w = live(graph(), "{}", EYOT_OK);
        tamper *log = tamper_read(w.store, w.g, "r");
        char changed[] = "{\"a\":1,\"other\":2}"; /* `a` stays odd */
        tamper_task(log, tamper_find(log, tasks[i]), change_update, i % 2 ? NULL : changed);
        CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
        CHECK_INT(w.t.verdict, EYOT_OTHER_UPDATE);
        CHECK_STR(w.t.task, tasks[i]);
        CHECK_STR(w.t.pointer, i % 2 ? "" : i ? "/a" : "/other");
        CHECK_STR(w.t.expected, i % 2 ? "" : i ? "1" : "2");
        done(&w);
    }
}

static void change_route(eyot__task_entry *task, void *arg)
{
    const eyot_graph *g = arg;
    task->taken[0].edge = eyot__graph_edge_to(g, task->who.node, eyot__graph_find(g, "even", 4));
}

TEST(verify__names_the_route_that_was_changed)
{
    world w = live(graph(), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    tamper_task(log, tamper_find(log, "b"), change_route, w.g);
    CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
    CHECK_INT(w.t.verdict, EYOT_OTHER_ROUTE);
    CHECK_STR(w.t.task, "b");
    CHECK_STR(w.t.expected, "even");
    CHECK_STR(w.t.got, "odd");
    done(&w);
}

static void change_item(eyot__task_entry *task, void *arg)
{
    (void)arg;
    eyot_value_unref(task->taken[1].item);
    task->taken[1].item = eyot_json_parse("{\"i\":{\"n\":[8]}}", NULL);
}

TEST(verify__names_the_item_that_was_changed)
{
    world w = live(graph(), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    tamper_task(log, tamper_find(log, "fan"), change_item, NULL);
    CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
    CHECK_INT(w.t.verdict, EYOT_OTHER_ROUTE);
    CHECK_STR(w.t.task, "fan");
    CHECK(strncmp(w.t.pointer, "/item/1", 7) == 0);
    CHECK_HAS(w.t.expected, "8");
    CHECK_HAS(w.t.got, "7");
    done(&w);
}

static void drop_item(eyot__task_entry *task, void *arg)
{
    (void)arg;
    eyot_value_unref(task->taken[--task->n_taken].item);
    task->taken[task->n_taken].item = NULL;
}

TEST(verify__names_the_route_that_lacks_an_item)
{
    world w = live(graph(), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    tamper_task(log, tamper_find(log, "fan"), drop_item, NULL);
    CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
    CHECK_STR(w.t.expected, "item[1]");
    CHECK_STR(w.t.got, "item[2]");
    done(&w);
}

TEST(verify__names_the_task_that_is_missing)
{
    static const char *const tasks[] = {"a", "fan", "b", "odd", "item[0]", "item[1]", "sum"};
    for (size_t i = 0; i < 7; i++) {
        world w = live(graph(), "{}", EYOT_OK);
        tamper *log = tamper_read(w.store, w.g, "r");
        tamper_drop(log, tamper_find(log, tasks[i]));
        CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
        CHECK_INT(w.t.verdict, EYOT_MISSING_TASK);
        CHECK_STR(w.t.task, tasks[i]);
        CHECK_HAS(w.e.text, "it is missing");
        done(&w);
    }
}

static void rename_task(eyot__task_entry *task, void *arg)
{
    task->who.node = eyot__graph_find(arg, "even", 4);
}

TEST(verify__names_a_task_that_nothing_leads_to)
{
    world w = live(graph(), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    tamper_task(log, tamper_find(log, "odd"), rename_task, w.g);
    CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
    CHECK(w.t.verdict == EYOT_STRAY_TASK || w.t.verdict == EYOT_OTHER_UPDATE);
    CHECK_STR(w.t.task, "even");
    done(&w);
}

TEST(verify__names_the_record_that_is_corrupt)
{
    world w = live(graph(), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    tamper_flip(log, 3, 100);
    CHECK_STATUS(verify_tampered(&w, log), EYOT_ECORRUPT);
    CHECK_HAS(w.e.text, "run r, entry 4: ");
    CHECK_INT(w.t.compared, 2);
    done(&w);
}

static eyot_status stumble(eyot_task *task, void *user)
{
    return eyot_task_attempt(task) == 1 ? eyot_task_fail(task, "a stone") : speak(task, user);
}

TEST(verify__names_the_missing_task_where_what_follows_has_failed_first)
{
    eyot_graph *g = NULL;
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = 2;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "a", speak, NULL);
    eyot_graph_node_with(g, "b", stumble, NULL, &o);
    eyot_graph_edge(g, "a", "b");
    world w = live(tally_freeze(g), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    tamper_drop(log, tamper_find(log, "a"));
    CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
    CHECK_INT(w.t.verdict, EYOT_MISSING_TASK);
    CHECK_STR(w.e.text, "run r, step 0, a: it is missing; what follows without it is b");
    done(&w);
}

/* Of a run that goes on still: `running` has begun as well, and comes first. */
TEST(verify__names_the_missing_task_and_none_that_was_running)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "start", speak, NULL);
    eyot_graph_node(g, "running", speak, NULL);
    eyot_graph_node(g, "b", speak, NULL);
    eyot_graph_node(g, "c", speak, NULL);
    eyot_graph_edge(g, "start", "b");
    eyot_graph_edge(g, "start", "running");
    eyot_graph_edge(g, "b", "c");
    world w = live(tally_freeze(g), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    while (log->entries[log->n - 1].kind != EYOT_ENTRY_TASK) tamper_drop(log, log->n - 1);
    tamper_drop(log, tamper_find(log, "running"));
    tamper_drop(log, tamper_find(log, "b"));
    log->status = EYOT_RUN_READY;
    CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
    CHECK_INT(w.t.verdict, EYOT_MISSING_TASK);
    CHECK_STR(w.t.task, "b");
    done(&w);
}

/* ---- other ends --------------------------------------------------------------------------------------------------- */

typedef eyot_status (*mood)(eyot_task *task);
static mood now; /* what the node does this time */

static eyot_status moody(eyot_task *task, void *user)
{
    (void)user;
    return now(task);
}
static eyot_status fine(eyot_task *task)
{
    return eyot_task_set_int(task, "x", 1);
}
static eyot_status fails(eyot_task *task)
{
    return eyot_task_fail(task, "no paper");
}
static eyot_status asks(eyot_task *task)
{
    const char *answer;
    return eyot_task_ask(task, "why?", &answer);
}
static eyot_status naps(eyot_task *task)
{
    return eyot_task_sleep(task, 5);
}
static eyot_status one_byte(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)arg, (void)e;
    return eyot_buf_add(out, "x", 1);
}
static eyot_status records(eyot_task *task)
{
    eyot_status status = eyot_task_record(task, "new", one_byte, NULL, NULL, NULL);
    return status ? status : fine(task);
}
static eyot_status returns_odd(eyot_task *task)
{
    (void)task;
    return (eyot_status)77;
}

TEST(verify__tells_how_a_task_ends_that_was_done)
{
    static const struct {
        mood then, now;
        const char *got;
    } cases[] = {{fine, fails, "no paper"},
                 {fine, asks, "a question: \"why?\""},
                 {fine, naps, "a sleep"},
                 {fine, records, "the task records \"new\", which the log does not have"},
                 {fine, returns_odd, "status 77 of the node"},
                 {records, fine, "0 recorded values of 1, 0 waits of 0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        now = cases[i].then;
        world w = live(alone(moody, NULL, NULL), "{}", EYOT_OK);
        now = cases[i].now;
        CHECK_STATUS(verify(&w), EYOT_EDIFFERS);
        CHECK_INT(w.t.verdict, EYOT_OTHER_END);
        CHECK_STR(w.t.expected, "done");
        CHECK_STR(w.t.got, cases[i].got);
        done(&w);
    }
}

/* ---- the world outside -------------------------------------------------------------------------------------------- */

static eyot_status say_word(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)arg, (void)e;
    char text[16];
    int n = snprintf(text, sizeof text, "%d", atomic_fetch_add(&word, 1));
    return eyot_buf_add(out, text, (size_t)n);
}

static eyot_status use_world(eyot_task *task, void *user)
{
    const void *value;
    const char *answer;
    char uuid[37];
    (void)user;
    eyot_status status = eyot_task_record(task, "word", say_word, NULL, &value, NULL);
    if (!status) status = eyot_task_uuid(task, uuid);
    if (!status) status = eyot_task_set_int(task, "now", eyot_task_now_ms(task));
    if (!status) status = eyot_task_ask(task, "well?", &answer);
    if (!status) status = eyot_task_sleep(task, 1);
    if (status) return status;
    CHECK_OK(eyot_task_set_string(task, "uuid", uuid));
    CHECK_OK(eyot_task_set_string(task, "word", value));
    CHECK_OK(eyot_task_emit(task, "topic", "x", 1));
    return eyot_task_set_string(task, "answer", answer);
}

static eyot_status emits_if_it_can(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_int(task, "emitted", eyot_task_emit(task, "topic", "x", 1));
}

static void leave_open(void *self)
{
    (void)self;
}

/* To its end. */
static void answer_it(world *w)
{
    eyot_engine *engine = tally_engine(1, w->store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_answer answer = {NULL, "yes"};
    eyot_run *run;
    o.answers = &answer;
    o.n_answers = 1;
    CHECK_OK(eyot_run_resume(&run, engine, w->g, "r", &o, NULL));
    CHECK_OK(eyot_run_wait(run, NULL));
    eyot_run_free(run);
    eyot_engine_free(engine);
}

static world live_outside(void)
{
    atomic_store(&word, 1);
    world w = live(alone(use_world, NULL, NULL), "{}", EYOT_ESUSPENDED);
    answer_it(&w);
    return w;
}

TEST(verify__tells_tasks_what_they_were_told_and_asks_nobody)
{
    world w = live_outside();
    int before = atomic_load(&word);
    CHECK_OK(verify(&w));
    CHECK_INT(word, before);
    CHECK_INT(w.t.compared, 1);
    done(&w);
}

TEST(verify__tells_the_question_whose_answer_the_log_lacks)
{
    world w = live_outside();
    tamper *log = tamper_read(w.store, w.g, "r");
    size_t i = 0;
    while (log->entries[i].kind != EYOT_ENTRY_ANSWERED) i++;
    tamper_drop(log, i);
    while (log->entries[i].kind == EYOT_ENTRY_TIMER) tamper_drop(log, i);
    CHECK_STATUS(verify_tampered(&w, log), EYOT_EDIFFERS);
    CHECK_INT(w.t.verdict, EYOT_OTHER_END);
    CHECK_STR(w.t.got, "a question: \"well?\"");
    done(&w);
}

/* Its snapshot alone tells what it asked, and its step is not another one. */
TEST(verify__knows_what_a_life_has_asked_that_wrote_only_its_end)
{
    world w = live_as(EYOT_EXIT, alone(use_world, NULL, NULL), "{}", EYOT_ESUSPENDED);
    answer_it(&w);
    int before = atomic_load(&word);
    CHECK_OK(verify(&w));
    CHECK_INT(word, before);
    CHECK_INT(w.t.compared, 1);
    done(&w);
}

TEST(verify__of_a_run_whose_store_keeps_no_events_keeps_none)
{
    world w = {.g = alone(emits_if_it_can, NULL, NULL)};
    eyot_store *behind = tally_store("memory:");
    void *self;
    eyot_store_ops ops = *eyot_store_table(behind, &self);
    ops.outbox_read = NULL;
    ops.outbox_ack = NULL;
    ops.close = leave_open;
    CHECK_OK(eyot_store_new(&w.store, &ops, self, NULL));
    eyot_engine *engine = tally_engine(1, w.store);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_run *run;
    CHECK_OK(eyot_run_sync(&run, engine, w.g, eyot_value_new_map(), &o, NULL));
    eyot_run_free(run);
    eyot_engine_free(engine);
    CHECK_OK(verify(&w));
    done(&w);
    eyot_store_close(behind);
}

TEST(verify__live_asks_the_world_again)
{
    world w = live_outside();
    CHECK_STATUS(verify_on(w.store, w.g, 0, EYOT_VERIFY_LIVE, &w.t, &w.e), EYOT_EDIFFERS);
    CHECK_INT(w.t.verdict, EYOT_OTHER_UPDATE);
    atomic_store(&word, 1);
    done(&w);
}

/* ---- attempts, rescues, pending ----------------------------------------------------------------------------------- */

static eyot_status third_time(eyot_task *task, void *user)
{
    (void)user;
    if (eyot_task_attempt(task) < 3) return eyot_task_fail(task, "attempt %u", eyot_task_attempt(task));
    return eyot_task_set_int(task, "attempt", eyot_task_attempt(task));
}

TEST(verify__runs_the_attempt_that_was_committed)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = 3;
    world w = live(alone(third_time, NULL, &o), "{}", EYOT_OK);
    CHECK_OK(verify(&w));
    CHECK_INT(w.t.compared, 1);
    done(&w);
}

static eyot_status save(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)user;
    eyot_status set = eyot_task_set_string(task, "why", text);
    return set ? set : eyot_task_set_int(task, "status", status);
}

static eyot_status gives_up(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_ECANCELED; /* nobody has cancelled it */
}

TEST(verify__gives_a_rescue_the_failure_that_it_had)
{
    static const eyot_node_fn fns[] = {third_time, gives_up};
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = 2;
    o.rescue = save;
    for (size_t i = 0; i < 2; i++) {
        world w = live(alone(fns[i], NULL, &o), "{}", EYOT_OK);
        CHECK_OK(verify(&w));
        CHECK_INT(w.t.compared, 1);
        done(&w);
    }
}

/* What it learned and waited for before is of another attempt. */
static eyot_status learn_and_fail(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    if (eyot_task_attempt(task) > 1) return eyot_task_set_int(task, "attempt", eyot_task_attempt(task));
    eyot_status status = eyot_task_record(task, "word", say_word, NULL, NULL, NULL);
    if (!status) status = eyot_task_sleep(task, 0);
    if (!status) status = eyot_task_ask(task, "well?", &answer);
    return status ? status : eyot_task_fail(task, "%s", answer);
}

static void answered_and_verified(const eyot_node_options *o)
{
    world w = live(alone(learn_and_fail, NULL, o), "{}", EYOT_ESUSPENDED);
    answer_it(&w);
    CHECK_OK(verify(&w));
    CHECK_INT(w.t.compared, 1);
    done(&w);
}

TEST(verify__asks_of_an_attempt_nothing_that_the_one_before_it_did)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = 2;
    answered_and_verified(&o);
    o.attempts = 1;
    o.rescue = save;
    answered_and_verified(&o);
}

static pthread_t helper;

static void *complete(void *arg)
{
    eyot_task *task = arg;
    tally_pause_us(1000);
    eyot_status status = eyot_task_set_int(task, "x", 1);
    (void)eyot_task_complete(task, status);
    return NULL;
}

static eyot_status pends(eyot_task *task, void *user)
{
    (void)user;
    return pthread_create(&helper, NULL, complete, task) ? EYOT_EIO : EYOT_PENDING;
}

static void *complete_at_once(void *arg)
{
    (void)eyot_task_complete(arg, EYOT_OK);
    return NULL;
}

static eyot_status pends_briefly(eyot_task *task, void *user)
{
    (void)user;
    return pthread_create(&helper, NULL, complete_at_once, task) ? EYOT_EIO : EYOT_PENDING;
}

/* The thread that completes it may still be in the call when all is over; sanitizers see what it touches. */
TEST(verify__may_end_before_a_pending_task_has_been_left)
{
    world w = live(alone(pends_briefly, NULL, NULL), "{}", EYOT_OK);
    pthread_join(helper, NULL);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(verify(&w));
        pthread_join(helper, NULL);
    }
    done(&w);
}

TEST(verify__waits_for_a_pending_task)
{
    world w = live(alone(pends, NULL, NULL), "{}", EYOT_OK);
    pthread_join(helper, NULL);
    CHECK_OK(verify(&w));
    pthread_join(helper, NULL);
    CHECK_INT(w.t.compared, 1);
    done(&w);
}

/* ---- snapshots ---------------------------------------------------------------------------------------------------- */

static eyot_status more(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "n"), 0) < 100;
    return EYOT_OK;
}

static eyot_status big_step(eyot_task *task, void *user)
{
    static char pad[5001];
    (void)user;
    memset(pad, 'x', sizeof pad - 1);
    CHECK_OK(eyot_task_set_string(task, "pad", pad));
    return eyot_task_set_int(task, "n", 1);
}

/* A loop of 100 steps, with several snapshots among them. */
static eyot_graph *long_loop(void)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "a", big_step, NULL);
    eyot_graph_edge_if(g, "a", "a", "more", more, NULL);
    eyot_graph_node(g, "end", speak, NULL);
    eyot_graph_edge_otherwise(g, "a", "end");
    eyot_graph_reduce(g, "n", EYOT_ADD);
    return tally_freeze(g);
}

TEST(verify__goes_on_behind_snapshots)
{
    world w = live(long_loop(), "{}", EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    size_t snapshots = 0;
    for (size_t i = 0; i < log->n; i++) snapshots += log->entries[i].kind == EYOT_ENTRY_SNAPSHOT;
    CHECK(snapshots > 2);
    tamper_free(log);
    CHECK_OK(verify(&w));
    CHECK_INT(w.t.compared, 101);
    done(&w);
}

TEST(verify__passes_over_what_a_life_did_not_write)
{
    world w = live_as(EYOT_EXIT, graph(), "{}", EYOT_OK);
    CHECK_OK(verify(&w));
    CHECK_INT(w.t.compared, 0);
    done(&w);
}

/* ---- changed graphs ------------------------------------------------------------------------------------------------- */

static eyot_graph *two_nodes(const char *version)
{
    eyot_graph *g = NULL;
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.version = version;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node_with(g, "a", speak, NULL, &o);
    eyot_graph_node(g, "b", speak, NULL);
    eyot_graph_edge(g, "a", "b");
    return tally_freeze(g);
}

TEST(verify__says_that_tasks_of_another_version_of_a_node_are_not_comparable)
{
    world w = live(two_nodes("1"), "{}", EYOT_OK);
    eyot_graph *newer = two_nodes("2");
    CHECK_STATUS(verify_on(w.store, newer, 0, 0, &w.t, &w.e), EYOT_ECHANGED);
    atomic_store(&word, 3); /* `a` does something else now, as its version says */
    w.t = (told){0};
    CHECK_STATUS(verify_on(w.store, newer, 0, EYOT_VERIFY_CHANGED, &w.t, &w.e), EYOT_EDIFFERS);
    CHECK_INT(w.t.skipped, 1);
    CHECK_STR(w.t.task, "b");
    atomic_store(&word, 1);
    w.t = (told){0};
    CHECK_OK(verify_on(w.store, newer, 0, EYOT_VERIFY_CHANGED, &w.t, &w.e));
    CHECK_INT(w.t.skipped, 1);
    CHECK_INT(w.t.compared, 1);
    eyot_graph_free(newer);
    done(&w);
}

TEST(verify__of_a_run_that_went_on_with_another_graph_compares_what_it_can)
{
    world w = {.store = tally_store("memory:"), .g = two_nodes("1")};
    eyot_engine *engine = tally_engine(1, w.store);
    eyot_graph *newer = two_nodes("2");
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_run *run;
    o.max_steps = 1;
    CHECK_STATUS(eyot_run_sync(&run, engine, w.g, eyot_value_new_map(), &o, &w.e), EYOT_ELIMIT);
    eyot_run_free(run);
    o.max_steps = 0;
    o.flags = EYOT_RUN_ACCEPT_CHANGES;
    CHECK_OK(eyot_run_resume(&run, engine, newer, "r", &o, &w.e));
    CHECK_OK(eyot_run_wait(run, &w.e));
    eyot_run_free(run);
    eyot_engine_free(engine);
    CHECK_OK(verify_on(w.store, newer, 0, 0, &w.t, &w.e));
    CHECK_INT(w.t.skipped, 1);
    CHECK_INT(w.t.compared, 1);
    CHECK_STR(w.t.task, "b");
    eyot_graph_free(newer);
    done(&w);
}

/* ---- bad calls ---------------------------------------------------------------------------------------------------- */

TEST(verify__refuses_what_is_not_its_run)
{
    world w = live(graph(), "{}", EYOT_OK);
    eyot_engine *engine = tally_engine(1, w.store), *bare = tally_engine(1, NULL);
    eyot_graph *other = alone(speak, NULL, NULL);
    eyot_verify_options o = EYOT_VERIFY_OPTIONS_INIT;
    eyot_verify_result result = {.size = 4};
    CHECK_STATUS(eyot_run_verify(engine, w.g, "nobody", NULL, NULL, &w.e), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_run_verify(engine, other, "r", NULL, NULL, &w.e), EYOT_ECHANGED);
    CHECK_STATUS(eyot_run_verify(bare, w.g, "r", NULL, NULL, &w.e), EYOT_EINVAL);
    CHECK_STATUS(eyot_run_verify(engine, w.g, "r", NULL, &result, &w.e), EYOT_EINVAL);
    o.flags = 4;
    CHECK_STATUS(eyot_run_verify(engine, w.g, "r", &o, NULL, &w.e), EYOT_EINVAL);
    CHECK_OK(eyot_run_verify(engine, w.g, "r", NULL, NULL, &w.e));
    eyot_graph_free(other);
    eyot_engine_free(engine);
    eyot_engine_free(bare);
    done(&w);
}
