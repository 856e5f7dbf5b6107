/* SPDX-License-Identifier: MIT */
/* Events of tasks: in the outbox iff the task's commit is, once, in order, under the same id. */
#include <stdatomic.h>
#include <stdlib.h>

#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/proxy.h"

/* ---- what the outbox has ---------------------------------------------------------------------------------------- */

typedef struct seen {
    char text[64 * 1024]; /* "id topic payload\n" each */
    size_t len, n;
} seen;

static eyot_status see(void *arg, eyot_bytes run, const eyot_event *event)
{
    seen *s = arg;
    CHECK(run.n < event->id.n && memcmp(run.p, event->id.p, run.n) == 0);
    s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "%.*s %.*s %.*s\n", (int)event->id.n,
                               (const char *)event->id.p, (int)event->topic.n, (const char *)event->topic.p,
                               (int)event->payload.n, event->payload.n ? (const char *)event->payload.p : "");
    CHECK(s->len < sizeof s->text);
    s->n++;
    return EYOT_OK;
}

/* Borrowed until the next call. */
static const seen *outbox(eyot_store *store)
{
    static seen s;
    eyot_error e;
    eyot_buf next = EYOT__BUF_INIT;
    s.len = s.n = 0;
    s.text[0] = 0;
    if (eyot_store_read_events(store, (eyot_bytes){NULL, 0}, 10000, see, &s, &next, &e))
        test_fail(__FILE__, __LINE__, "%s", e.text);
    eyot__buf_clear(&next);
    return &s;
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) n++;
    return n;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

static _Atomic bool broken; /* `emit_or_fail` fails */

static eyot_status emit_two(eyot_task *task, void *user)
{
    CHECK_OK(eyot_task_emit(task, "first", "1", 1));
    CHECK_OK(eyot_task_emit(task, "second", NULL, 0));
    return tally_add(task, user);
}

static eyot_status emit_or_fail(eyot_task *task, void *user)
{
    CHECK_OK(eyot_task_emit(task, "tried", "x", 1));
    if (atomic_load(&broken)) return eyot_task_fail(task, "not yet");
    return tally_add(task, user);
}

static const char two_of_a[] = "r/a/0 first 1\nr/a/1 second \n";
static const char all[] = "r/a/0 first 1\nr/a/1 second \nr/b/0 tried x\n";

typedef struct world {
    proxy p;
    eyot_store *store;
    eyot_engine *engine;
    eyot_graph *g;
    eyot_run_options o;
} world;

static void begin(world *w, eyot_durability durability, eyot_graph *g)
{
    *w = (world){.g = g ? g : lives_chain(&tally_copier, emit_two, emit_or_fail), .o = lives_options(durability)};
    w->store = proxy_open(&w->p, "memory:");
    w->engine = tally_engine(1, w->store);
    atomic_store(&broken, false);
}

static void finish(world *w)
{
    eyot_engine_free(w->engine);
    eyot_graph_free(w->g);
    eyot_store_close(w->store);
    CHECK_INT(tally_live(), 0);
}

/* ---- the promises ----------------------------------------------------------------------------------------------- */

static void come_with_their_tasks(eyot_durability durability)
{
    world w;
    begin(&w, durability, NULL);
    eyot_run_free(tally_run(w.engine, w.g, &w.o));
    CHECK_STR(outbox(w.store)->text, all);
    finish(&w);
}
TEST(engine_emit__events_come_with_their_tasks_in_order)
{
    come_with_their_tasks(EYOT_SYNC);
}
TEST(engine_emit__events_come_with_their_tasks_in_async_mode)
{
    come_with_their_tasks(EYOT_ASYNC);
}
TEST(engine_emit__events_come_with_the_end_in_exit_mode)
{
    come_with_their_tasks(EYOT_EXIT);
}

static void resume_repeats_nothing(eyot_durability durability)
{
    world w;
    begin(&w, durability, NULL);
    atomic_store(&broken, true);
    lives_fail(w.engine, w.g, &w.o, EYOT_EFAILED);
    CHECK_STR(outbox(w.store)->text, two_of_a);
    const eyot_bytes ids[] = {{"r/a/0", 5}, {"r/a/1", 5}};
    eyot_error e;
    CHECK_OK(eyot_store_ack_events(w.store, ids, 2, &e));
    atomic_store(&broken, false);
    lives_end(w.engine, w.g, &w.o, 7);
    CHECK_STR(outbox(w.store)->text, "r/b/0 tried x\n");
    lives_end(w.engine, w.g, &w.o, 7); /* done: only loaded */
    CHECK_STR(outbox(w.store)->text, "r/b/0 tried x\n");
    finish(&w);
}
TEST(engine_emit__resume_repeats_no_event)
{
    resume_repeats_nothing(EYOT_SYNC);
}
TEST(engine_emit__resume_repeats_no_event_of_async_mode)
{
    resume_repeats_nothing(EYOT_ASYNC);
}
TEST(engine_emit__resume_repeats_no_event_of_exit_mode)
{
    resume_repeats_nothing(EYOT_EXIT);
}

static _Atomic int attempts;

static eyot_status third_time_lucky(eyot_task *task, void *user)
{
    char text[8];
    snprintf(text, sizeof text, "%d", atomic_fetch_add(&attempts, 1) + 1);
    CHECK_OK(eyot_task_emit(task, "attempt", text, 1));
    if (text[0] < '3') return EYOT_EFAILED;
    return tally_add(task, user);
}

static eyot_graph *one_node(eyot_node_fn fn, eyot_rescue_fn rescue, uint32_t n)
{
    eyot_graph *g = tally_graph("one");
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = n;
    o.retry_delay_ms = 1;
    o.rescue = rescue;
    eyot_graph_node_with(g, "a", fn, &tally_numbers[1], &o);
    return tally_freeze(g);
}

static void dropped_with_failed_attempts(eyot_durability durability)
{
    world w;
    begin(&w, durability, one_node(third_time_lucky, NULL, 3));
    atomic_store(&attempts, 0);
    eyot_run_free(tally_run(w.engine, w.g, &w.o));
    CHECK_STR(outbox(w.store)->text, "r/a/0 attempt 3\n");
    finish(&w);
}
TEST(engine_emit__events_of_a_failed_attempt_are_dropped)
{
    dropped_with_failed_attempts(EYOT_SYNC);
}
TEST(engine_emit__events_of_a_failed_attempt_are_dropped_in_exit_mode)
{
    dropped_with_failed_attempts(EYOT_EXIT);
}

static eyot_status emit_rescued(eyot_task *task, eyot_status status, const char *text, void *user)
{
    (void)status;
    CHECK_OK(eyot_task_emit(task, "rescued", text, strlen(text)));
    return tally_add(task, user);
}

TEST(engine_emit__a_rescue_emits_in_place_of_the_attempts_before_it)
{
    world w;
    begin(&w, EYOT_SYNC, one_node(emit_or_fail, emit_rescued, 1));
    atomic_store(&broken, true);
    eyot_run_free(tally_run(w.engine, w.g, &w.o));
    CHECK_STR(outbox(w.store)->text, "r/a/0 rescued not yet\n");
    finish(&w);
}

static eyot_status emit_and_ask(eyot_task *task, void *user)
{
    const char *answer;
    CHECK_OK(eyot_task_emit(task, "asks", "?", 1));
    eyot_status status = eyot_task_ask(task, "well?", &answer);
    if (status) return status;
    CHECK_OK(eyot_task_emit(task, "told", answer, strlen(answer)));
    return tally_add(task, user);
}

TEST(engine_emit__events_of_a_suspended_task_come_when_it_is_committed)
{
    world w;
    begin(&w, EYOT_SYNC, one_node(emit_and_ask, NULL, 1));
    eyot_run *run;
    eyot_error e;
    CHECK_STATUS(eyot_run_sync(&run, w.engine, w.g, tally_new(), &w.o, &e), EYOT_ESUSPENDED);
    eyot_run_free(run);
    CHECK_INT(outbox(w.store)->n, 0);
    const eyot_answer answer = {NULL, "yes"};
    w.o.answers = &answer;
    w.o.n_answers = 1;
    eyot_run_free(lives_resume(w.engine, w.g, &w.o));
    CHECK_STR(outbox(w.store)->text, "r/a/0 asks ?\nr/a/1 told yes\n");
    finish(&w);
}

/* ---- stores that fail ------------------------------------------------------------------------------------------- */

static eyot_status dies_at_b(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    if (proxy_has(commits, n, "b")) return eyot_error_set(e, EYOT_EIO, "gone");
    return proxy_commit(p, commits, n, e);
}

/* The commit is done, and nobody hears of it. */
static eyot_status mute_at_b(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    eyot_status status = proxy_commit(p, commits, n, e);
    return !status && proxy_has(commits, n, "b") ? eyot_error_set(e, EYOT_EIO, "no reply") : status;
}

static void between_two_commits(eyot_durability durability)
{
    world w;
    begin(&w, durability, NULL);
    w.p.commit = dies_at_b;
    lives_fail(w.engine, w.g, &w.o, EYOT_EIO);
    const seen *s = outbox(w.store);
    tally_log log = tally_entries(w.store, "r");
    CHECK_INT(count(s->text, "r/a/"), tally_has(&log, "a") ? 2 : 0);
    CHECK_INT(count(s->text, "r/b/"), 0);
    tally_log_free(&log);
    w.p.commit = NULL;
    lives_end(w.engine, w.g, &w.o, 7);
    CHECK_STR(outbox(w.store)->text, all);
    finish(&w);
}
TEST(engine_emit__a_commit_that_is_not_done_has_told_nothing)
{
    between_two_commits(EYOT_SYNC);
}
TEST(engine_emit__a_commit_that_is_not_done_has_told_nothing_in_async_mode)
{
    between_two_commits(EYOT_ASYNC);
}

TEST(engine_emit__a_lost_reply_tells_nothing_twice)
{
    world w;
    begin(&w, EYOT_SYNC, NULL);
    w.p.commit = mute_at_b;
    lives_fail(w.engine, w.g, &w.o, EYOT_EIO);
    w.p.commit = NULL;
    lives_end(w.engine, w.g, &w.o, 7);
    CHECK_STR(outbox(w.store)->text, all);
    finish(&w);
}

static eyot_status no_end(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    return commits[0].n_entries ? eyot_error_set(e, EYOT_EIO, "gone") : proxy_commit(p, commits, n, e);
}

TEST(engine_emit__an_end_that_is_not_stored_has_told_nothing_in_exit_mode)
{
    world w;
    begin(&w, EYOT_EXIT, NULL);
    w.p.commit = no_end;
    lives_fail(w.engine, w.g, &w.o, EYOT_EIO);
    CHECK_INT(outbox(w.store)->n, 0);
    w.p.commit = NULL;
    lives_end(w.engine, w.g, &w.o, 7);
    CHECK_STR(outbox(w.store)->text, all);
    finish(&w);
}

static eyot_status emit_and_write(eyot_task *task, void *user)
{
    CHECK_OK(eyot_task_emit(task, "wrote", "k", 1));
    return eyot_task_update(task, tally_key(0, *(int *)user));
}

/* start → x, y → end, where x and y write one key: the join fails, and with it what only memory has. */
TEST(engine_emit__a_conflict_in_exit_mode_has_told_nothing)
{
    eyot_graph *g = tally_graph("conflict");
    eyot_graph_node(g, "start", emit_two, &tally_numbers[1]);
    eyot_graph_node(g, "x", emit_and_write, &tally_numbers[1]);
    eyot_graph_node(g, "y", emit_and_write, &tally_numbers[2]);
    eyot_graph_node(g, "end", tally_add, &tally_numbers[1]);
    eyot_graph_edge(g, "start", "x");
    eyot_graph_edge(g, "start", "y");
    eyot_graph_edge(g, "x", "end");
    eyot_graph_edge(g, "y", "end");
    world w;
    begin(&w, EYOT_EXIT, tally_freeze(g));
    lives_fail(w.engine, w.g, &w.o, EYOT_ECONFLICT);
    CHECK_INT(outbox(w.store)->n, 0);
    finish(&w);
}

static _Atomic int renewals, with_events;

static eyot_status count_renewals(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    for (size_t i = 0; i < n; i++)
        if (commits[i].n_entries == 0) {
            atomic_fetch_add(&with_events, commits[i].n_events > 0);
            atomic_fetch_add(&renewals, 1);
        }
    return proxy_commit(p, commits, n, e);
}

static eyot_status wait_for_renewals(eyot_task *task, void *user)
{
    for (int i = 0; i < 20000 && atomic_load(&renewals) < 2; i++) tally_pause_us(1000);
    return tally_add(task, user);
}

TEST(engine_emit__a_sign_of_life_has_no_events)
{
    world w = {.g = lives_chain(&tally_copier, emit_two, wait_for_renewals), .o = lives_options(EYOT_EXIT)};
    eyot_engine_options o = EYOT_ENGINE_OPTIONS_INIT;
    eyot_error e;
    w.store = proxy_open(&w.p, "memory:");
    w.p.commit = count_renewals;
    o.store = w.store;
    o.lease_ms = 2000;
    atomic_store(&renewals, 0);
    atomic_store(&with_events, 0);
    CHECK_OK(eyot_engine_new(&w.engine, &o, &e));
    eyot_run_free(tally_run(w.engine, w.g, &w.o));
    CHECK(atomic_load(&renewals) >= 2);
    CHECK_INT(atomic_load(&with_events), 0);
    CHECK_STR(outbox(w.store)->text, two_of_a);
    finish(&w);
}

/* ---- any of many commits fails ---------------------------------------------------------------------------------- */

static _Atomic int commits_left;

static eyot_status dies_soon(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    int left = atomic_fetch_sub(&commits_left, 1);
    if (left < 0) return eyot_error_set(e, EYOT_EIO, "gone");
    eyot_status status = proxy_commit(p, commits, n, e);
    return left == 0 && !status ? eyot_error_set(e, EYOT_EIO, "no reply") : status;
}

static eyot_status emit_by_key(eyot_task *task, void *user)
{
    const char *key = eyot_task_key(task);
    size_t n = strlen(key) % 3;
    for (size_t i = 0; i < n; i++) CHECK_OK(eyot_task_emit(task, "k", key, strlen(key)));
    return tally_add(task, user);
}

TEST(engine_emit__runs_cut_anywhere_tell_everything_once)
{
    enum { WIDTH = 12 };
    uint64_t random = test_seed();
    for (unsigned i = 0; i < 60 * test_long(); i++) {
        world w;
        begin(&w, (eyot_durability)(i % 3), tally_fan(WIDTH, emit_by_key, NULL));
        w.p.commit = dies_soon;
        atomic_store(&commits_left, (int)(test_random(&random) % 8));
        eyot_run *run;
        eyot_error e;
        eyot_status status = eyot_run_sync(&run, w.engine, w.g, tally_new(), &w.o, &e);
        while (status) {
            eyot_run_free(run);
            atomic_store(&commits_left, (int)(test_random(&random) % 16));
            CHECK_OK(eyot_run_resume(&run, w.engine, w.g, "r", &w.o, &e));
            status = eyot_run_wait(run, &e);
        }
        eyot_run_free(run);
        const seen *s = outbox(w.store);
        size_t expected = 0;
        for (int b = 0; b < WIDTH; b++) {
            char key[16], id[40];
            snprintf(key, sizeof key, "b%d", b);
            size_t n = strlen(key) % 3;
            for (size_t k = 0; k < n; k++, expected++) {
                snprintf(id, sizeof id, "r/%s/%zu k %s\n", key, k, key);
                CHECK_INT(count(s->text, id), 1);
            }
        }
        CHECK_INT(s->n, expected);
        finish(&w);
    }
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static const char *topic;
static size_t payload_len;
static eyot_status answered;

static eyot_status emit_it(eyot_task *task, void *user)
{
    (void)user;
    static char payload[4096];
    answered = eyot_task_emit(task, topic, payload, payload_len);
    return answered;
}

static eyot_status emit_text(world *w, const char *t, size_t len, char text[248])
{
    eyot_run *run;
    eyot_error e = {.text = ""};
    topic = t;
    payload_len = len;
    w->o.run_id = NULL;
    eyot_status status = eyot_run_sync(&run, w->engine, w->g, tally_new(), &w->o, &e);
    CHECK_INT(status, answered);
    memcpy(text, e.text, sizeof e.text);
    eyot_run_free(run);
    return status;
}

TEST(engine_emit__a_topic_is_short_printable_text)
{
    world w;
    char text[248], longest[130];
    memset(longest, 'x', sizeof longest);
    longest[128] = 0;
    begin(&w, EYOT_SYNC, one_node(emit_it, NULL, 1));
    const char *good[] = {"a", "order paid", "caf\xc3\xa9", "\xf0\x9f\x90\x9f", longest};
    const char *bad[] = {NULL,   "",         "a\nb",         "\x7f",         "\xc2\x85",        "\xc3",
                         "\xff", "\xc0\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) CHECK_OK(emit_text(&w, good[i], 1, text));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CHECK_STATUS(emit_text(&w, bad[i], 1, text), EYOT_EINVAL);
    CHECK_HAS(text, "a: an event needs a topic: 1 to 128 bytes of UTF-8");
    longest[128] = 'x';
    longest[129] = 0;
    CHECK_STATUS(emit_text(&w, longest, 1, text), EYOT_EINVAL);
    CHECK_INT(outbox(w.store)->n, sizeof good / sizeof *good);
    finish(&w);
}

TEST(engine_emit__more_than_the_store_takes_is_refused)
{
    world w = {.g = one_node(emit_it, NULL, 1), .o = lives_options(EYOT_SYNC)};
    char text[248];
    w.store = proxy_open(&w.p, "memory:");
    w.p.max_body = 1000;
    w.engine = tally_engine(1, w.store);
    CHECK_OK(emit_text(&w, "t", 900, text));
    CHECK_STATUS(emit_text(&w, "t", 1000, text), EYOT_ELIMIT);
    CHECK_HAS(text, "its events are larger than the store takes");
    CHECK_INT(outbox(w.store)->n, 1);
    finish(&w);
}

static void keep_open(void *self)
{
    (void)self;
}

TEST(engine_emit__without_an_outbox_is_refused_with_a_reason)
{
    world w = {.g = one_node(emit_it, NULL, 1), .o = lives_options(EYOT_SYNC)};
    char text[248];
    eyot_error e;
    w.engine = tally_engine(1, NULL);
    CHECK_STATUS(emit_text(&w, "t", 1, text), EYOT_ENOTSUP);
    CHECK_HAS(text, "events need an engine with a store");
    eyot_engine_free(w.engine);
    void *self;
    eyot_store *behind = tally_store("memory:");
    eyot_store_ops ops = *eyot_store_table(behind, &self);
    ops.outbox_read = NULL;
    ops.close = keep_open;
    CHECK_OK(eyot_store_new(&w.store, &ops, self, &e));
    w.engine = tally_engine(1, w.store);
    CHECK_STATUS(emit_text(&w, "t", 1, text), EYOT_ENOTSUP);
    CHECK_HAS(text, "the store keeps no events");
    CHECK_STATUS(eyot_store_read_events(w.store, (eyot_bytes){NULL, 0}, 1, see, NULL, NULL, &e), EYOT_ENOTSUP);
    finish(&w);
    eyot_store_close(behind);
}
