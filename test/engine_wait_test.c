/* SPDX-License-Identifier: MIT */
/* Questions and sleeps: a branch waits for somebody or for a time, in this process or a later one. */
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/stores.h>

#include "core/run.h"
#include "test/eyot_test.h"
#include "test/proxy.h"
#include "test/tally.h"

static int zero;
static _Atomic int calls;

static int64_t sum_of(const eyot_run *run)
{
    const tally *state = eyot_run_state(run);
    return state ? state->sum : -1;
}

static eyot_status ask_once(eyot_task *task, void *user)
{
    const char *answer;
    atomic_fetch_add(&calls, 1);
    eyot_status status = eyot_task_ask(task, user ? user : "how many?", &answer);
    return status ? status : eyot_task_update(task, tally_sum(atoi(answer)));
}

static eyot_status ask_twice(eyot_task *task, void *user)
{
    const char *first, *second;
    (void)user;
    atomic_fetch_add(&calls, 1);
    eyot_status status = eyot_task_ask(task, "first?", &first);
    if (!status) status = eyot_task_ask(task, "second?", &second);
    return status ? status : eyot_task_update(task, tally_sum(10 * atoi(first) + atoi(second)));
}

static int one = 1, hundred = 100;

/* start → ask, side → end: start adds 1, side 100. */
static eyot_graph *asking(eyot_node_fn ask)
{
    eyot_graph *g = tally_graph("asking");
    eyot_graph_node(g, "start", tally_add, &one);
    eyot_graph_node(g, "ask", ask, NULL);
    eyot_graph_node(g, "side", tally_add, &hundred);
    eyot_graph_node(g, "end", tally_add, &zero);
    eyot_graph_edge(g, "start", "ask");
    eyot_graph_edge(g, "start", "side");
    eyot_graph_edge(g, "ask", "end");
    eyot_graph_edge(g, "side", "end");
    atomic_store(&calls, 0);
    return tally_freeze(g);
}

static eyot_run *start(eyot_engine *engine, const eyot_graph *g, const char *id, eyot_status want)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = id;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    CHECK_STATUS(eyot_run_wait(run, NULL), want);
    return run;
}

static eyot_status resume(eyot_run **run, eyot_engine *engine, const eyot_graph *g, const char *id, const char *task,
                          const char *text, eyot_error *e)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_answer answer = {task, text};
    o.answers = &answer;
    o.n_answers = text ? 1 : 0;
    eyot_status status = eyot_run_resume(run, engine, g, id, &o, e);
    return status ? status : eyot_run_wait(*run, e);
}

typedef struct question {
    char task[64], text[64];
} question;

static void note_question(void *arg, const char *task, const char *text)
{
    question *q = arg;
    snprintf(q->task, sizeof q->task, "%s", task);
    snprintf(q->text, sizeof q->text, "%s", text);
}

static size_t entries_of(eyot_store *store, const char *run, eyot_entry_kind kind)
{
    tally_log log = tally_entries(store, run);
    size_t n = 0;
    for (size_t i = 0; i < log.n; i++) n += log.entries[i].kind == kind;
    tally_log_free(&log);
    return n;
}

/* ---- questions -------------------------------------------------------------------------------------------------- */

TEST(engine_ask__suspends_the_run_when_nothing_else_is_left)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_once);
    question q;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = "r";
    o.strategy = EYOT_SEQUENTIAL; /* ask is before side */
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ESUSPENDED);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_SUSPENDED);
    CHECK_INT(eyot_run_steps(run), 2); /* start and side: the other branch went as far as it could */
    CHECK_INT(eyot_run_questions(run, note_question, &q), 1);
    CHECK_STR(q.task, "ask");
    CHECK_STR(q.text, "how many?");
    eyot_run_free(run);
    tally_row row = tally_row_of(store, "r");
    CHECK_INT(row.status, EYOT_RUN_SUSPENDED);
    CHECK(!row.held);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_ask__the_answer_starts_the_task_again)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_once);
    eyot_run_free(start(engine, g, "r", EYOT_ESUSPENDED));
    eyot_engine_free(engine);
    engine = tally_engine(1, store); /* another process, as far as the store knows */
    eyot_run *run;
    CHECK_OK(resume(&run, engine, g, "r", "ask", "7", NULL));
    CHECK_INT(sum_of(run), 108);
    CHECK_INT(calls, 2);
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_ASKED), 1);
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_ANSWERED), 1);
    eyot_run_free(run);
    CHECK_OK(resume(&run, engine, g, "r", NULL, NULL, NULL)); /* done: only loaded */
    CHECK_INT(sum_of(run), 108);
    eyot_run_metrics m = {.size = sizeof m};
    CHECK_OK(eyot_run_measure(run, &m));
    CHECK_INT(m.elapsed_ns, 0);
    CHECK_INT(m.tasks, 0);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_ask__without_an_answer_a_resumed_run_is_suspended_again)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_once);
    eyot_run *run;
    question q;
    eyot_run_free(start(engine, g, "r", EYOT_ESUSPENDED));
    CHECK_STATUS(resume(&run, engine, g, "r", NULL, NULL, NULL), EYOT_ESUSPENDED);
    CHECK_INT(calls, 1); /* nobody ran for that */
    CHECK_INT(eyot_run_questions(run, note_question, &q), 1);
    CHECK_STR(q.text, "how many?");
    eyot_run_free(run);
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_ASKED), 1);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

TEST(engine_ask__an_answer_that_fits_nothing_changes_nothing)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_once);
    eyot_run *run;
    eyot_error e;
    eyot_run_free(start(engine, g, "r", EYOT_ESUSPENDED));
    uint64_t head = tally_row_of(store, "r").head;
    CHECK_STATUS(resume(&run, engine, g, "r", "nobody", "7", &e), EYOT_EINVAL);
    CHECK_INT(e.status, EYOT_EINVAL);
    CHECK_STR(e.text, "run r: no question of task nobody is open");
    CHECK_INT(tally_row_of(store, "r").head, head);
    CHECK_INT(tally_row_of(store, "r").status, EYOT_RUN_SUSPENDED);
    CHECK(!tally_row_of(store, "r").held);
    CHECK_OK(resume(&run, engine, g, "r", NULL, "7", NULL)); /* the only open one */
    CHECK_INT(sum_of(run), 108);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

TEST(engine_ask__two_questions_of_one_task_are_told_apart_by_their_order)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_twice);
    eyot_run *run;
    question q;
    eyot_run_free(start(engine, g, "r", EYOT_ESUSPENDED));
    CHECK_STATUS(resume(&run, engine, g, "r", NULL, "4", NULL), EYOT_ESUSPENDED);
    CHECK_INT(eyot_run_questions(run, note_question, &q), 1);
    CHECK_STR(q.text, "second?");
    eyot_run_free(run);
    CHECK_OK(resume(&run, engine, g, "r", NULL, "2", NULL));
    CHECK_INT(sum_of(run), 143);
    CHECK_INT(calls, 3);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status wait_for_release(eyot_task *task, void *user)
{
    _Atomic bool *release = user;
    while (!atomic_load(release)) tally_pause_us(200);
    return eyot_task_update(task, tally_sum(100));
}

TEST(engine_ask__can_be_answered_while_the_run_goes_on)
{
    static _Atomic bool release;
    static char other[] = "which?";
    eyot_engine *engine = tally_engine(2, NULL);
    eyot_graph *g = tally_graph("live");
    eyot_run *run;
    eyot_error e;
    atomic_store(&release, false);
    eyot_graph_node(g, "start", tally_add, &zero);
    eyot_graph_node(g, "a", ask_once, NULL);
    eyot_graph_node(g, "b", ask_once, other);
    eyot_graph_node(g, "side", wait_for_release, &release);
    eyot_graph_edge(g, "start", "a");
    eyot_graph_edge(g, "start", "b");
    eyot_graph_edge(g, "start", "side");
    tally_freeze(g);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    while (eyot_run_questions(run, NULL, NULL) < 2) tally_pause_us(200);
    CHECK_STATUS(eyot_run_answer(run, NULL, "5", &e), EYOT_EINVAL);
    CHECK_HAS(e.text, "2 questions are open");
    CHECK_STATUS(eyot_run_answer(run, "c", "5", &e), EYOT_ENOTFOUND);
    CHECK_OK(eyot_run_answer(run, "a", "5", NULL));
    while (eyot_run_questions(run, NULL, NULL) > 1) tally_pause_us(200);
    CHECK_OK(eyot_run_answer(run, NULL, "6", NULL));
    atomic_store(&release, true);
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(sum_of(run), 111);
    CHECK_STATUS(eyot_run_answer(run, NULL, "6", NULL), EYOT_ECLOSED);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_ask__only_the_end_is_written_with_exit)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_once);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = "r";
    o.durability = EYOT_EXIT;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ESUSPENDED);
    eyot_run_free(run);
    CHECK_OK(resume(&run, engine, g, "r", NULL, "7", NULL)); /* the snapshot has the question */
    CHECK_INT(sum_of(run), 108);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

static eyot_status suspend_for_nothing(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_SUSPENDED;
}

TEST(engine_ask__a_task_that_suspends_without_a_question_has_failed)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = asking(suspend_for_nothing);
    eyot_run *run;
    eyot_error e;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), NULL, &e), EYOT_EFAILED);
    CHECK_HAS(e.text, "ask: the node returned 2");
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

/* ---- sleeps ----------------------------------------------------------------------------------------------------- */

static uint64_t sleep_ms;

static eyot_status doze(eyot_task *task, void *user)
{
    (void)user;
    atomic_fetch_add(&calls, 1);
    eyot_status status = eyot_task_sleep(task, sleep_ms);
    return status ? status : eyot_task_update(task, tally_sum(10));
}

static eyot_status ask_two_at_once(eyot_task *task, void *user)
{
    const char *first, *second;
    (void)user;
    atomic_fetch_add(&calls, 1);
    eyot_status a = eyot_task_ask(task, "first?", &first), b = eyot_task_ask(task, "second?", &second);
    return a || b ? EYOT_SUSPENDED : eyot_task_update(task, tally_sum(10 * atoi(first) + atoi(second)));
}

/* Once it is to suspend, what it asks further is asked when it comes there again. */
TEST(engine_ask__an_attempt_suspends_for_its_first_question)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_two_at_once);
    question q;
    eyot_run *run = start(engine, g, "r", EYOT_ESUSPENDED);
    CHECK_INT(eyot_run_questions(run, note_question, &q), 1);
    CHECK_STR(q.text, "first?");
    eyot_run_free(run);
    CHECK_STATUS(resume(&run, engine, g, "r", NULL, "1", NULL), EYOT_ESUSPENDED);
    CHECK_INT(eyot_run_questions(run, note_question, &q), 1);
    CHECK_STR(q.text, "second?");
    eyot_run_free(run);
    CHECK_OK(resume(&run, engine, g, "r", NULL, "2", NULL));
    CHECK_INT(sum_of(run), 113);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_status suspend_after_the_answer(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    atomic_fetch_add(&calls, 1);
    (void)eyot_task_ask(task, "well?", &answer);
    return EYOT_SUSPENDED;
}

TEST(engine_ask__a_task_that_suspends_although_it_has_its_answer_has_failed)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(suspend_after_the_answer);
    eyot_error e;
    eyot_run *run = start(engine, g, "r", EYOT_ESUSPENDED);
    eyot_run_free(run);
    CHECK_STATUS(resume(&run, engine, g, "r", NULL, "1", &e), EYOT_EFAILED);
    CHECK_HAS(e.text, "ask: the node returned 2");
    CHECK_INT(calls, 2);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

static eyot_status ask_then_fail_then_sleep(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    if (atomic_fetch_add(&calls, 1) > 0) return eyot_task_sleep(task, 1);
    (void)eyot_task_ask(task, "never mind?", &answer);
    return eyot_task_fail(task, "changed its mind");
}

TEST(engine_ask__what_a_failed_attempt_asked_is_not_asked)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    eyot_graph *g = tally_graph("mind");
    o.attempts = 2;
    atomic_store(&calls, 0);
    eyot_graph_node_with(g, "a", ask_then_fail_then_sleep, NULL, &o);
    tally_freeze(g);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(calls, 3);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

/* The first call has its answer, and keeps it in its hands while others go on without it. */
static _Atomic bool let_go;
static _Atomic int held, late;
static eyot_status hold_the_answer(eyot_task *task, void *user)
{
    const char *answer, *other;
    (void)user;
    int call = atomic_fetch_add(&held, 1);
    eyot_status status = eyot_task_ask(task, "how many?", &answer);
    if (status) return status;
    if (call != 1) return eyot_task_update(task, tally_sum(atoi(answer)));
    while (!atomic_load(&let_go)) tally_pause_us(200);
    CHECK_STR(answer, "7"); /* borrowed until the task ends, also for one that was given up */
    CHECK_STATUS(eyot_task_ask(task, "more?", &other), EYOT_SUSPENDED);
    atomic_store(&late, 1);
    return EYOT_SUSPENDED;
}

TEST(engine_ask__an_answer_lasts_as_long_as_a_task_that_was_abandoned)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    eyot_graph *g = tally_graph("held");
    eyot_run *run;
    atomic_store(&let_go, false);
    atomic_store(&late, 0);
    atomic_store(&held, 0);
    o.timeout_ms = 30;
    o.grace_ms = 1;
    o.attempts = 2;
    eyot_graph_node_with(g, "a", hold_the_answer, NULL, &o);
    eyot_graph_node_with(g, "b", doze, NULL, &o);
    eyot_graph_start(g, "a");
    eyot_graph_start(g, "b");
    sleep_ms = 200; /* so that the run goes on while it asks */
    tally_freeze(g);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    while (eyot_run_questions(run, NULL, NULL) < 1) tally_pause_us(200);
    CHECK_OK(eyot_run_answer(run, NULL, "7", NULL));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(sum_of(run), 17);
    eyot_run_free(run);
    atomic_store(&let_go, true);
    while (!atomic_load(&late)) tally_pause_us(200);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

static eyot_task *_Atomic pending;
static eyot_status leave_pending(eyot_task *task, void *user)
{
    (void)user;
    atomic_store(&pending, task);
    return EYOT_PENDING;
}

TEST(engine_ask__of_a_task_whose_run_is_over_touches_no_engine)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_graph("over");
    eyot_run *run;
    const char *answer;
    atomic_store(&pending, NULL);
    eyot_graph_node(g, "a", leave_pending, NULL);
    tally_freeze(g);
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    while (!atomic_load(&pending)) tally_pause_us(200);
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    eyot_engine_free(engine);
    CHECK_STATUS(eyot_task_ask(pending, "anybody?", &answer), EYOT_SUSPENDED);
    CHECK_STATUS(eyot_task_complete(pending, EYOT_SUSPENDED), EYOT_ECANCELED);
    eyot_run_free(run);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_ask__an_answer_that_the_store_cannot_take_is_refused)
{
    static char much[4096];
    memset(much, '7', sizeof much - 1);
    proxy p = {.max_body = 2048};
    eyot_store *store = proxy_open(&p, "memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(ask_once);
    eyot_error e;
    eyot_run *run = start(engine, g, "r", EYOT_ESUSPENDED);
    eyot_run_free(run);
    CHECK_STATUS(resume(&run, engine, g, "r", NULL, much, &e), EYOT_ELIMIT);
    CHECK_OK(resume(&run, engine, g, "r", NULL, "7", &e));
    CHECK_INT(sum_of(run), 108);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_metrics__of_a_run_that_is_only_loaded)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = tally_graph("loaded");
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run_metrics m = {.size = sizeof m};
    o.run_id = "r";
    eyot_graph_node(g, "a", tally_add, &one);
    eyot_run *run = tally_run(engine, tally_freeze(g), &o);
    eyot_run_free(run);
    CHECK_OK(eyot_run_resume(&run, engine, g, "r", NULL, NULL));
    CHECK_OK(eyot_run_measure(run, &m));
    CHECK_INT(m.tasks, 0);
    CHECK(m.elapsed_ns < 60000000000u);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

TEST(engine_sleep__lasts_as_long_as_it_was_asked_to)
{
    sleep_ms = 80;
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(doze);
    uint64_t before = test_now_ms();
    eyot_run *run = start(engine, g, "r", EYOT_OK);
    CHECK(test_now_ms() - before >= 78);
    CHECK_INT(sum_of(run), 111);
    CHECK_INT(calls, 2);
    CHECK_INT(entries_of(store, "r", EYOT_ENTRY_TIMER), 1);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_sleep__counts_from_its_first_call_in_all_lives)
{
    sleep_ms = 300;
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(doze);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = "r";
    o.flags = EYOT_RUN_NO_WAIT;
    uint64_t before = test_now_ms();
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ESUSPENDED);
    eyot_run_free(run);
    sleep_ms = 3600000; /* what it says now counts no more */
    CHECK_OK(resume(&run, engine, g, "r", NULL, NULL, NULL));
    CHECK(test_now_ms() - before >= 295);
    CHECK_INT(sum_of(run), 111);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

/* Called where the clock is an hour behind that of whoever wrote the sleep down. */
static eyot_status doze_then_ask(eyot_task *task, void *user)
{
    const char *answer;
    eyot__memo *memo = task->a.memo;
    (void)user;
    if (atomic_fetch_add(&calls, 1) > 9) return EYOT_EFAILED;
    if (memo && memo->n == 2) memo->waits[0].due_ms += 3600000;
    eyot_status status = eyot_task_sleep(task, 1);
    if (!status) status = eyot_task_ask(task, "well?", &answer);
    return status ? status : eyot_task_update(task, tally_sum(10));
}

TEST(engine_sleep__is_over_once_another_wait_has_followed)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(doze_then_ask);
    eyot_run *run = start(engine, g, "r", EYOT_ESUSPENDED);
    eyot_run_free(run);
    CHECK_OK(resume(&run, engine, g, "r", NULL, "go on", NULL));
    CHECK_INT(sum_of(run), 111);
    CHECK_INT(calls, 3);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

TEST(engine_sleep__ten_thousand_hold_no_threads)
{
    sleep_ms = 200;
    enum { N = 10000 };
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = tally_graph("many");
    eyot_graph_node(g, "start", tally_add, &zero);
    for (int i = 0; i < N; i++) {
        char id[16];
        snprintf(id, sizeof id, "n%d", i);
        eyot_graph_node(g, id, doze, NULL);
        eyot_graph_edge(g, "start", id);
    }
    tally_freeze(g);
    atomic_store(&calls, 0);
    eyot_run *run = tally_run(engine, g, NULL);
    CHECK_INT(sum_of(run), 10 * N);
    CHECK_INT(calls, 2 * N);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_sleep__a_cancel_does_not_wait_for_it)
{
    sleep_ms = 3600000;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = asking(doze);
    eyot_run *run;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), NULL, NULL));
    while (atomic_load(&calls) < 1) tally_pause_us(200);
    eyot_run_cancel(run);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
}

/* ---- messages of other processes -------------------------------------------------------------------------------- */

TEST(engine_message__another_process_can_cancel_a_run)
{
    sleep_ms = 3600000;
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(doze);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    bool is_held;
    o.run_id = "r";
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    while (atomic_load(&calls) < 1) tally_pause_us(200);
    CHECK_OK(eyot_store_cancel(store, "r", &is_held, NULL));
    CHECK(is_held);
    uint64_t before = test_now_ms();
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    CHECK(test_now_ms() - before < 20000);
    eyot_run_free(run);
    CHECK_INT(tally_row_of(store, "r").status, EYOT_RUN_CANCELLED);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

TEST(engine_message__for_an_earlier_owner_cancels_nobody)
{
    sleep_ms = 1500; /* the inbox is read meanwhile */
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = asking(doze);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    void *self;
    const eyot_store_ops *ops = eyot_store_table(store, &self);
    eyot_bytes id = {"r", 1}, message = {"cancel/1", 8}, none = {NULL, 0};
    o.run_id = "r";
    o.flags = EYOT_RUN_NO_WAIT;
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ESUSPENDED);
    CHECK_INT(tally_row_of(store, "r").epoch, 1);
    eyot_run_free(run);
    CHECK_OK(ops->post(self, id, message, EYOT_MESSAGE_CANCEL, none, none, NULL));
    o.flags = 0;
    CHECK_OK(eyot_run_resume(&run, engine, g, "r", &o, NULL));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_INT(sum_of(run), 111);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

/* A store whose inbox is slow to read, and in which others are faster to make a run. */
static struct {
    eyot_store_ops ops;
    const eyot_store_ops *behind;
    eyot_engine *engine;
    eyot_graph *graph;
    eyot_run *other;
    _Atomic bool reading;
} slow;

static eyot_status slow_inbox(void *self, eyot_bytes run, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    if (!atomic_load(&slow.reading) && run.n == 5 && memcmp(run.p, "other", 5) == 0) {
        atomic_store(&slow.reading, true);
        tally_pause_us(50000);
    }
    return slow.behind->inbox(self, run, fn, arg, e);
}

static eyot_status taken_id(void *self, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                            eyot_error *e)
{
    if (row->run.n == 5) return slow.behind->create_run(self, row, source, first, e);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "other";
    if (eyot_run_start(&slow.other, slow.engine, slow.graph, tally_new(), &o, NULL)) return EYOT_EIO;
    while (!atomic_load(&slow.reading)) tally_pause_us(200);
    return eyot_error_set(e, EYOT_EEXIST, "taken");
}

static void close_nothing(void *self)
{
    (void)self;
}

TEST(engine_message__are_looked_for_while_a_run_turns_out_to_be_none)
{
    void *self;
    eyot_store *behind = tally_store("memory:"), *store;
    eyot_run *run;
    memset(&slow, 0, sizeof slow);
    slow.behind = eyot_store_table(behind, &self);
    slow.ops = *slow.behind;
    slow.ops.inbox = slow_inbox;
    slow.ops.create_run = taken_id;
    slow.ops.close = close_nothing;
    CHECK_OK(eyot_store_new(&store, &slow.ops, self, NULL));
    slow.engine = tally_engine(1, store);
    slow.graph = tally_graph("slow");
    eyot_graph_node(slow.graph, "a", leave_pending, NULL);
    tally_freeze(slow.graph);
    atomic_store(&pending, NULL);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "taken-already";
    CHECK_STATUS(eyot_run_start(&run, slow.engine, slow.graph, tally_new(), &o, NULL), EYOT_EEXIST);
    while (!atomic_load(&pending)) tally_pause_us(200);
    CHECK_OK(eyot_task_complete(pending, EYOT_OK));
    CHECK_OK(eyot_run_wait(slow.other, NULL));
    eyot_run_free(slow.other);
    eyot_engine_free(slow.engine);
    eyot_store_close(store);
    eyot_store_close(behind);
    eyot_graph_free(slow.graph);
    CHECK_INT(tally_live(), 0);
}
