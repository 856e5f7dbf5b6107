/* SPDX-License-Identifier: MIT */
/* What tasks learn of the world outside: once, recorded with their commit, the same in every later life. */
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/copiers.h>

#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/proxy.h"

static _Atomic int asked; /* so often the world outside */

static eyot_status count_up(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)arg, (void)e;
    char text[16];
    int n = snprintf(text, sizeof text, "%d", atomic_fetch_add(&asked, 1) + 1);
    return eyot_buf_add(out, text, (size_t)n);
}

static eyot_status no_line(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)out;
    atomic_fetch_add(&asked, 1);
    return eyot_error_set(e, *(eyot_status *)arg, "the line is dead");
}

typedef struct world {
    eyot_store *store;
    eyot_engine *engine;
    eyot_graph *g;
} world;

/* A graph of one node; `o` is its policy. */
static world begin(eyot_node_fn fn, void *user, const eyot_node_options *o)
{
    world w = {.store = tally_store("memory:")};
    atomic_store(&asked, 0);
    w.engine = tally_engine(1, w.store);
    CHECK_OK(eyot_graph_new(&w.g, "g", eyot_json()));
    eyot_graph_node_with(w.g, "a", fn, user, o);
    tally_freeze(w.g);
    return w;
}

static void end(world *w)
{
    eyot_graph_free(w->g);
    eyot_engine_free(w->engine);
    eyot_store_close(w->store);
}

static eyot_run *run(world *w, eyot_status want)
{
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_error e = {.status = EYOT_OK};
    eyot_run *r;
    CHECK_STATUS(eyot_run_sync(&r, w->engine, w->g, eyot_value_new_map(), &o, &e), want);
    return r;
}

static eyot_run *resume(world *w, const char *answer, eyot_status want)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_answer a = {NULL, answer};
    eyot_error e = {.status = EYOT_OK};
    eyot_run *r;
    o.answers = &a;
    o.n_answers = answer != NULL;
    if (eyot_run_resume(&r, w->engine, w->g, "r", &o, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    CHECK_STATUS(eyot_run_wait(r, &e), want);
    return r;
}

static const char *text_of(const eyot_run *r, const char *key)
{
    return eyot_value_string(eyot_value_at(eyot_run_state(r), key), "");
}

/* ---- recorded ---------------------------------------------------------------------------------------------------- */

typedef struct log_line {
    char text[300];
    size_t n;
} log_line;

static eyot_status see_recorded(void *arg, const eyot_history_entry *h)
{
    log_line *l = arg;
    for (size_t i = 0; i < h->n_recorded; i++)
        l->n += (size_t)snprintf(l->text + l->n, sizeof l->text - l->n, "%llu %s %s %.*s\n", (unsigned long long)h->seq,
                                 h->recorded[i].name, eyot_status_name(h->recorded[i].status), (int)h->recorded[i].len,
                                 (const char *)h->recorded[i].value);
    return EYOT_OK;
}

static const char *recorded(world *w)
{
    static log_line l;
    l = (log_line){.n = 0};
    CHECK_OK(eyot_store_read_history(w->store, w->g, "r", see_recorded, &l, NULL));
    return l.text;
}

static eyot_status take_two(eyot_task *task, void *user)
{
    const void *one, *two;
    size_t len;
    (void)user;
    CHECK_OK(eyot_task_record(task, "one", count_up, NULL, &one, &len));
    CHECK_INT(len, 1);
    CHECK_OK(eyot_task_record(task, "two", count_up, NULL, &two, NULL));
    CHECK_STR(one, "1"); /* still there */
    CHECK_OK(eyot_task_set_string(task, "one", one));
    return eyot_task_set_string(task, "two", two);
}

TEST(recorded__values_are_in_the_entry_of_their_task)
{
    world w = begin(take_two, NULL, NULL);
    eyot_run *r = run(&w, EYOT_OK);
    CHECK_STR(text_of(r, "one"), "1");
    CHECK_STR(text_of(r, "two"), "2");
    CHECK_STR(recorded(&w), "2 one OK 1\n2 two OK 2\n");
    eyot_run_free(r);
    end(&w);
}

static eyot_status ask_between(eyot_task *task, void *user)
{
    const void *before, *after;
    const char *answer;
    (void)user;
    eyot_status status = eyot_task_record(task, "before", count_up, NULL, &before, NULL);
    if (!status) status = eyot_task_ask(task, "well?", &answer);
    if (!status) status = eyot_task_record(task, "after", count_up, NULL, &after, NULL);
    if (status) return status;
    CHECK_OK(eyot_task_set_string(task, "before", before));
    CHECK_OK(eyot_task_set_string(task, "answer", answer));
    return eyot_task_set_string(task, "after", after);
}

TEST(recorded__a_task_that_starts_again_behind_a_question_is_told_the_same)
{
    world w = begin(ask_between, NULL, NULL);
    eyot_run_free(run(&w, EYOT_ESUSPENDED));
    eyot_run *r = resume(&w, "yes", EYOT_OK);
    CHECK_STR(text_of(r, "before"), "1");
    CHECK_STR(text_of(r, "after"), "2");
    CHECK_INT(asked, 2);
    CHECK_STR(recorded(&w), "2 before OK 1\n5 after OK 2\n");
    eyot_run_free(r);
    end(&w);
}

static eyot_status fail_once(eyot_task *task, void *user)
{
    const void *value;
    CHECK_OK(eyot_task_record(task, "value", count_up, NULL, &value, NULL));
    if (eyot_task_attempt(task) == 1) return eyot_task_fail(task, "not yet");
    (void)user;
    return eyot_task_set_string(task, "value", value);
}

TEST(recorded__nothing_of_a_failed_attempt_is_kept)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = 2;
    world w = begin(fail_once, NULL, &o);
    eyot_run *r = run(&w, EYOT_OK);
    CHECK_STR(text_of(r, "value"), "2");
    CHECK_STR(recorded(&w), "3 value OK 2\n");
    eyot_run_free(r);
    end(&w);
}

static eyot_status live_with_it(eyot_task *task, void *user)
{
    const void *value = "";
    const char *answer;
    CHECK_STATUS(eyot_task_record(task, "value", no_line, user, &value, NULL), *(eyot_status *)user);
    eyot_status status = eyot_task_ask(task, "well?", &answer);
    return status ? status : eyot_task_set_string(task, "done", answer);
}

TEST(recorded__a_failure_is_a_value_too)
{
    static const eyot_status why[] = {EYOT_EIO, EYOT_ENOTFOUND};
    for (size_t i = 0; i < 2; i++) {
        eyot_status status = why[i];
        world w = begin(live_with_it, &status, NULL);
        eyot_run_free(run(&w, EYOT_ESUSPENDED));
        eyot_run_free(resume(&w, "yes", EYOT_OK));
        CHECK_INT(asked, 1);
        CHECK_HAS(recorded(&w), i == 0 ? "value EIO the line is dead" : "value ENOTFOUND the line is dead");
        end(&w);
    }
}

static eyot_status fail_with_it(eyot_task *task, void *user)
{
    return eyot_task_record(task, "value", no_line, user, NULL, NULL);
}

TEST(recorded__the_text_of_a_failure_becomes_the_tasks)
{
    eyot_status status = EYOT_EIO;
    world w = begin(fail_with_it, &status, NULL);
    eyot_run *r = run(&w, EYOT_EIO);
    const char *text;
    eyot_run_failure(r, &text, NULL, NULL);
    CHECK_STR(text, "a: the line is dead");
    eyot_run_free(r);
    end(&w);
}

static eyot_status other_name(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    eyot_status status = eyot_task_record(task, atomic_load(&asked) ? "new" : "old", count_up, NULL, NULL, NULL);
    return status ? status : eyot_task_ask(task, "well?", &answer);
}

TEST(recorded__another_name_than_before_fails_the_task)
{
    world w = begin(other_name, NULL, NULL);
    eyot_run_free(run(&w, EYOT_ESUSPENDED));
    eyot_run *r = resume(&w, "yes", EYOT_EINVAL);
    const char *text;
    eyot_run_failure(r, &text, NULL, NULL);
    CHECK_STR(text, "a: the task records \"new\" where it recorded \"old\" before");
    eyot_run_free(r);
    end(&w);
}

static eyot_status bad_names(eyot_task *task, void *user)
{
    (void)user;
    CHECK_STATUS(eyot_task_record(task, user, count_up, NULL, NULL, NULL), EYOT_EINVAL);
    return EYOT_OK;
}

TEST(recorded__a_name_is_short_printable_text)
{
    char *const names[] = {"", "a\nb", NULL};
    for (size_t i = 0; i < 3; i++) {
        world w = begin(bad_names, names[i], NULL);
        eyot_run_free(run(&w, EYOT_EINVAL)); /* also when the node does not care */
        CHECK_INT(asked, 0);
        end(&w);
    }
}

static eyot_status in_two_halves(eyot_task *task, void *user)
{
    const void *value;
    const char *answer;
    size_t len;
    (void)user;
    eyot_status status = eyot_task_recall(task, "reply", &value, &len);
    if (status == EYOT_ENOTFOUND) {
        atomic_fetch_add(&asked, 1);
        status = eyot_task_keep(task, "reply", "a\0b", 3);
        CHECK_OK(status);
    } else {
        CHECK_OK(status);
        CHECK_INT(len, 3);
        CHECK(memcmp(value, "a\0b", 4) == 0);
    }
    return (status = eyot_task_ask(task, "well?", &answer)) ? status : eyot_task_set_string(task, "x", answer);
}

TEST(recorded__recall_and_keep_are_the_two_halves)
{
    world w = begin(in_two_halves, NULL, NULL);
    eyot_run_free(run(&w, EYOT_ESUSPENDED));
    eyot_run_free(resume(&w, "yes", EYOT_OK));
    CHECK_INT(asked, 1);
    end(&w);
}

static eyot_status keep_twice(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    eyot_status status = eyot_task_keep(task, "reply", "x", 1);
    return status ? status : eyot_task_ask(task, "well?", &answer);
}

TEST(recorded__keeping_what_is_recorded_already_is_refused)
{
    world w = begin(keep_twice, NULL, NULL);
    eyot_run_free(run(&w, EYOT_ESUSPENDED));
    eyot_run_free(resume(&w, "yes", EYOT_EINVAL));
    end(&w);
}

static eyot_status tell_time(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    int64_t now = eyot_task_now_ms(task);
    eyot_status status = eyot_task_set_int(task, "now", now);
    if (!status) status = eyot_task_ask(task, "well?", &answer);
    if (status == EYOT_SUSPENDED) *(int64_t *)user = now;
    return status;
}

TEST(recorded__the_time_stands_still_in_later_lives)
{
    int64_t first = 0;
    world w = begin(tell_time, &first, NULL);
    eyot_run_free(run(&w, EYOT_ESUSPENDED));
    CHECK(first > INT64_C(1700000000000));
    tally_pause_us(3000);
    eyot_run *r = resume(&w, "yes", EYOT_OK);
    CHECK_INT(eyot_value_int(eyot_value_at(eyot_run_state(r), "now"), 0), first);
    eyot_run_free(r);
    end(&w);
}

/* ---- derived ------------------------------------------------------------------------------------------------------ */

typedef struct drawn {
    uint8_t bytes[2][2][40]; /* attempt, call */
    char uuid[2][37];
} drawn;

static eyot_status draw(eyot_task *task, void *user)
{
    drawn *d = user;
    uint32_t n = eyot_task_attempt(task) - 1;
    CHECK_OK(eyot_task_random(task, d->bytes[n][0], 40));
    CHECK_OK(eyot_task_random(task, d->bytes[n][1], 40));
    CHECK_OK(eyot_task_uuid(task, d->uuid[n]));
    return n == 0 ? eyot_task_fail(task, "again") : EYOT_OK;
}

TEST(random__is_the_same_in_every_attempt_and_new_in_every_call)
{
    drawn d = {0};
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.attempts = 2;
    world w = begin(draw, &d, &o);
    eyot_run_free(run(&w, EYOT_OK));
    CHECK(memcmp(d.bytes[0], d.bytes[1], sizeof d.bytes[0]) == 0);
    CHECK(memcmp(d.bytes[0][0], d.bytes[0][1], 40) != 0);
    CHECK(memcmp(d.bytes[0][0], d.bytes[0][0] + 8, 32) != 0);
    CHECK_STR(d.uuid[0], d.uuid[1]);
    CHECK_INT(strlen(d.uuid[0]), 36);
    CHECK(d.uuid[0][14] == '4' && strchr("89ab", d.uuid[0][19]));
    end(&w);
}

TEST(random__is_the_same_in_the_next_life)
{
    drawn d = {0};
    world w = begin(draw, &d, NULL);
    eyot_run_free(run(&w, EYOT_EFAILED));
    eyot_run_free(resume(&w, NULL, EYOT_OK));
    CHECK(memcmp(d.bytes[0], d.bytes[1], sizeof d.bytes[0]) == 0);
    end(&w);
}

static eyot_status draw_one(eyot_task *task, void *user)
{
    uint8_t *to = user;
    return eyot_task_random(task, to + (strcmp(eyot_task_node(task), "a") == 0 ? 0 : 16), 16);
}

TEST(random__differs_from_task_to_task_and_from_run_to_run)
{
    uint8_t bytes[2][32];
    for (int i = 0; i < 2; i++) {
        eyot_engine *engine = tally_engine(1, NULL);
        eyot_graph *g = tally_graph("g");
        eyot_graph_node(g, "a", draw_one, bytes[i]);
        eyot_graph_node(g, "b", draw_one, bytes[i]);
        eyot_graph_edge(g, "a", "b");
        eyot_run_free(tally_run(engine, tally_freeze(g), NULL));
        eyot_engine_free(engine);
        eyot_graph_free(g);
        CHECK(memcmp(bytes[i], bytes[i] + 16, 16) != 0);
    }
    CHECK(memcmp(bytes[0], bytes[1], 16) != 0);
}

/* As a command whose output is both its record and its update. */
static eyot_status record_and_update(eyot_task *task, void *user)
{
    const char *text = user;
    eyot_status status = eyot_task_keep(task, "stdout", text, strlen(text));
    return status ? status : eyot_task_set_string(task, "text", text);
}

TEST(engine_recorded__a_record_that_does_not_fit_into_the_entry_fails_its_task)
{
    proxy p = {.max_body = 0};
    char text[601];
    eyot_error e = {.status = EYOT_OK};
    eyot_run *r;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    world w = begin(record_and_update, text, NULL);
    eyot_engine_free(w.engine);
    eyot_store_close(w.store);
    w.store = proxy_open(&p, "memory:");
    p.max_body = 1000;
    w.engine = tally_engine(1, w.store);
    eyot_run_options o = lives_options(EYOT_SYNC);
    CHECK_STATUS(eyot_run_sync(&r, w.engine, w.g, eyot_value_new_map(), &o, &e), EYOT_ELIMIT);
    CHECK_STR(e.text, "a: its entry is larger than the store takes (1000 bytes)");
    eyot_run_free(r);
    end(&w);
}
