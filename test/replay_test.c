/* SPDX-License-Identifier: MIT */
/* Logs that no engine would have written, entry by entry: what of them is refused, and what they mean. */
#include <stdlib.h>

#include "core/record.h"
#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"

enum { WRITTEN_MAX = 10 };

/* A run "r" of a → b → c that has begun. */
typedef struct written {
    eyot_graph *g;
    eyot__frontier f;
    eyot__who a, c;
    eyot_buf bodies[WRITTEN_MAX];
    eyot_entry entries[WRITTEN_MAX];
    size_t n;
} written;

static eyot_buf *begin(written *w, eyot_entry_kind kind)
{
    w->entries[w->n].kind = kind;
    eyot__record_begin(&w->bodies[w->n], kind, w->g->copier->name);
    return &w->bodies[w->n];
}

static void end(written *w)
{
    eyot_buf *body = &w->bodies[w->n];
    eyot_entry *e = &w->entries[w->n++];
    eyot__record_end(body, 0);
    CHECK_OK(body->failed);
    e->seq = w->n;
    e->step = w->n > 1 && e->kind == EYOT_ENTRY_TASK;
    eyot__record_seal(body->data, body->len, eyot__bytes("r", 1), e->seq);
    e->body = eyot__bytes(body->data, body->len);
}

static written *written_new(void)
{
    written *w = calloc(1, sizeof *w);
    eyot_error e;
    CHECK(w);
    w->g = lives_chain(&tally_copier, NULL, NULL);
    w->c.node = 2;
    eyot__frontier_init(&w->f, w->g, true, sizeof(eyot__activation), NULL, 0, NULL);
    CHECK_OK(eyot__frontier_start(&w->f, eyot__state_new(tally_new(), &w->f.history), &e));
    eyot__entry_put_snapshot(begin(w, EYOT_ENTRY_SNAPSHOT), &w->f, &(eyot__snapshot){0});
    end(w);
    return w;
}

static void ask(written *w, uint32_t n, const char *text)
{
    eyot__entry_put_asked(begin(w, EYOT_ENTRY_ASKED), w->g, &w->a, n, text, NULL);
    end(w);
}

static void answer(written *w, const eyot__who *who, uint32_t n, const char *text)
{
    eyot__entry_put_answered(begin(w, EYOT_ENTRY_ANSWERED), w->g, who, n, text);
    end(w);
}

static void written_free(written *w)
{
    eyot__frontier_clear(&w->f);
    for (size_t i = 0; i < w->n; i++) eyot__buf_clear(&w->bodies[i]);
    eyot_graph_free(w->g);
    free(w);
}

static eyot_store *written_store(const written *w)
{
    eyot_store *store = tally_store("memory:");
    eyot_bytes run = {"r", 1};
    eyot_error e;
    eyot_run_row row = {.run = run, .graph = run, .fingerprint = {eyot_graph_fingerprint(w->g), 64}, .epoch = 1};
    eyot_commit first = {.run = run, .epoch = 1, .entries = w->entries, .n_entries = w->n, .due_in_ms = INT64_MAX};
    first.status = EYOT_RUN_SUSPENDED;
    first.snapshot_seq = 1;
    CHECK_OK(eyot__store_create_run(store, &row, eyot__bytes("{}", 2), &first, &e));
    return store;
}

/* Its latest checkpoint, or the error. */
static eyot_status look(const written *w, eyot_checkpoint **c, eyot_error *e)
{
    eyot_store *store = written_store(w);
    eyot_status status = eyot_store_load_latest_checkpoint(c, store, w->g, "r", e);
    eyot_store_close(store);
    return status;
}

static void is_corrupt(written *w, const char *text)
{
    eyot_checkpoint *c;
    eyot_error e = {.status = EYOT_OK};
    CHECK_STATUS(look(w, &c, &e), EYOT_ECORRUPT);
    CHECK(!c);
    CHECK_STR(e.text, text);
    written_free(w);
    CHECK_INT(tally_live(), 0);
}

TEST(replay__refuses_what_befell_a_task_that_is_not_live)
{
    written *w = written_new();
    eyot__entry_put_attempt(begin(w, EYOT_ENTRY_ATTEMPT), w->g, &w->c, 1, EYOT_EFAILED, "no", 0, 0);
    end(w);
    is_corrupt(w, "run r, entry 2: the task at \"c\" follows from nothing before it");
    w = written_new();
    answer(w, &w->c, 0, "yes");
    is_corrupt(w, "run r, entry 2: the task at \"c\" follows from nothing before it");
}

static eyot_status no_entry(void *arg, const eyot_history_entry *h)
{
    (void)arg, (void)h;
    return EYOT_OK;
}

TEST(history__refuses_a_task_that_nothing_led_to)
{
    for (int what = 0; what < 2; what++) {
        written *w = written_new();
        eyot_error e = {.status = EYOT_OK};
        if (what == 0)
            eyot__entry_put_task(begin(w, EYOT_ENTRY_TASK), w->g, &w->c, 1, NULL, NULL, 0, 0, 0, NULL);
        else
            eyot__entry_put_timer(begin(w, EYOT_ENTRY_TIMER), w->g, &w->c, 0, 5, NULL);
        end(w);
        eyot_store *store = written_store(w);
        CHECK_STATUS(eyot_store_read_history(store, w->g, "r", no_entry, NULL, &e), EYOT_ECORRUPT);
        CHECK_STR(e.text, "run r, entry 2: the task at \"c\" follows from nothing before it");
        eyot_store_close(store);
        written_free(w);
    }
}

TEST(replay__refuses_waits_out_of_order)
{
    written *w = written_new();
    ask(w, 1, "first?");
    is_corrupt(w, "run r, entry 2: wait 1 of the task at \"a\" does not fit those before it");
    w = written_new();
    ask(w, 0, "first?");
    ask(w, 1, "second, without an answer to the first?");
    is_corrupt(w, "run r, entry 3: wait 1 of the task at \"a\" does not fit those before it");
    w = written_new();
    ask(w, 0, "first?");
    ask(w, 0, "again?");
    is_corrupt(w, "run r, entry 3: wait 0 of the task at \"a\" does not fit those before it");
}

TEST(replay__refuses_an_answer_to_no_question)
{
    written *w = written_new();
    answer(w, &w->a, 0, "yes");
    is_corrupt(w, "run r, entry 2: wait 0 of the task at \"a\" does not fit those before it");
    w = written_new();
    ask(w, 0, "well?");
    answer(w, &w->a, 0, "yes");
    answer(w, &w->a, 0, "no");
    is_corrupt(w, "run r, entry 4: wait 0 of the task at \"a\" does not fit those before it");
    w = written_new();
    eyot__entry_put_timer(begin(w, EYOT_ENTRY_TIMER), w->g, &w->a, 0, 5, NULL);
    end(w);
    answer(w, &w->a, 0, "to a sleep");
    is_corrupt(w, "run r, entry 3: wait 0 of the task at \"a\" does not fit those before it");
}

TEST(replay__refuses_bytes_after_an_answer)
{
    written *w = written_new();
    ask(w, 0, "well?");
    eyot_buf *body = begin(w, EYOT_ENTRY_ANSWERED);
    eyot__entry_put_answered(body, w->g, &w->a, 0, "yes");
    eyot__buf_u8(body, 0);
    end(w);
    is_corrupt(w, "run r, entry 3: a question, an answer or a sleep is not well-formed");
}

TEST(replay__a_text_with_a_nul_inside_is_refused)
{
    written *w = written_new();
    eyot_buf *body = begin(w, EYOT_ENTRY_ASKED);
    eyot__who_encode(body, w->g, &w->a);
    eyot__buf_varint(body, 0);
    eyot__buf_bytes(body, "a\0b", 3);
    eyot__outside_put(body, NULL);
    end(w);
    is_corrupt(w, "run r, entry 2: wait 0 of the task at \"a\" does not fit those before it");
}

/* A snapshot that claims more than is in it. */
TEST(replay__refuses_a_snapshot_whose_waits_do_not_fit)
{
    for (int what = 0; what < 3; what++) {
        written *w = written_new();
        eyot_buf *body = &w->bodies[0];
        eyot__buf_reset(body);
        w->n = 0;
        CHECK_OK(eyot__memo_ask(w->f.live, 0, "?", 1));
        eyot__entry_put_snapshot(begin(w, EYOT_ENTRY_SNAPSHOT), &w->f, &(eyot__snapshot){0});
        CHECK_OK(body->failed);
        /* the last bytes: failed, waits, kind, length, '?', answered, told; waiting branches, ended ones */
        unsigned char *tail = body->data + body->len - 9;
        CHECK(tail[1] == 1 && tail[4] == '?');
        if (what == 0) tail[1] = 100;
        if (what == 1) tail[2] = 7;
        if (what == 2) tail[5] = 2;
        end(w);
        is_corrupt(w, "run r, entry 1: what a snapshot tells of a live task is not well-formed");
    }
}

TEST(replay__refuses_a_snapshot_with_a_task_that_is_live_twice)
{
    written *w = written_new();
    eyot_buf *body = &w->bodies[0];
    eyot__activation *a = w->f.live;
    eyot__buf_reset(body);
    w->n = 0;
    eyot__history_hold(&w->f.history, a->version, a->state);
    eyot__state_ref(a->state);
    CHECK_OK(eyot__frontier_put_task(&w->f, (eyot__who){.node = a->who.node}, a->version, a->state));
    eyot__entry_put_snapshot(begin(w, EYOT_ENTRY_SNAPSHOT), &w->f, &(eyot__snapshot){0});
    end(w);
    is_corrupt(w, "run r, entry 1: the task at \"a\" is live twice");
}

TEST(replay__an_answer_after_the_end_of_a_life_means_that_it_was_resumed)
{
    written *w = written_new();
    eyot_error none = {.status = EYOT_OK}, e = {.status = EYOT_OK};
    eyot_checkpoint *c;
    ask(w, 0, "well?");
    eyot__entry_put_status(begin(w, EYOT_ENTRY_STATUS), EYOT_RUN_SUSPENDED, &none);
    end(w);
    CHECK_OK(look(w, &c, &e));
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_SUSPENDED);
    CHECK_STR(eyot_checkpoint_branch_question(c, 0), "well?");
    eyot_checkpoint_free(c);
    answer(w, &w->a, 0, "yes");
    CHECK_OK(look(w, &c, &e));
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_RUNNING);
    CHECK(!eyot_checkpoint_branch_question(c, 0));
    eyot_checkpoint_free(c);
    written_free(w);
}

TEST(replay__counts_the_failed_attempts_of_all_lives)
{
    written *w = written_new();
    eyot_error e;
    eyot__rebuilt built;
    eyot__frontier f;
    for (uint32_t i = 1; i <= 4; i++) { /* the last one is of a rescue, which is none of its own */
        eyot__entry_put_attempt(begin(w, EYOT_ENTRY_ATTEMPT), w->g, &w->a, i < 3 ? i : 3, EYOT_EFAILED, "no", 0, 0);
        end(w);
    }
    eyot_store *store = written_store(w);
    eyot__frontier_init(&f, w->g, true, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&f.history, f.history.root);
    CHECK_OK(eyot__rebuild(&f, &built, store, eyot__bytes("r", 1), &e));
    CHECK(f.fired && f.fired->memo);
    CHECK_INT(f.fired->memo->failed, 3);
    eyot__frontier_clear(&f);
    eyot_store_close(store);
    written_free(w);
}
