/* SPDX-License-Identifier: MIT */
/* What tools do with stored runs from outside: owners, cancelling, deleting, notes. */
#include <stdlib.h>

#include <eyot/stores.h>

#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"

static eyot_error err;

static eyot_status fail(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_fail(task, "not yet");
}

/* ---- a run in one state or another ---------------------------------------------------------------------------------- */

typedef struct place {
    eyot_store *store;
    eyot_engine *engine;
    eyot_graph *failing, *good; /* the same fingerprint */
} place;

/* "r" has failed. */
static place set_up(const char *url)
{
    place p = {.store = tally_store(url)};
    eyot_run_options o = lives_options(EYOT_SYNC);
    p.engine = tally_engine(1, p.store);
    p.failing = lives_chain(&tally_copier, NULL, fail);
    p.good = lives_chain(&tally_copier, NULL, NULL);
    lives_fail(p.engine, p.failing, &o, EYOT_EFAILED);
    return p;
}

static void tear_down(place *p)
{
    eyot_engine_free(p->engine);
    eyot_graph_free(p->failing);
    eyot_graph_free(p->good);
    eyot_store_close(p->store);
    CHECK_INT(tally_live(), 0);
}

static eyot_status see_row(void *arg, const eyot_run_row *row)
{
    *(eyot_run_row *)arg = *row; /* its numbers; texts are gone with the call */
    return EYOT_OK;
}

static eyot_run_row claim(place *p, const char *owner)
{
    eyot_run_row row = {.epoch = 0};
    eyot_claim c = {
        .run = eyot__bytes("r", 1), .owner = eyot__bytes(owner, strlen(owner)), .token = {1}, .lease_ms = 60000};
    if (eyot__store_claim(p->store, &c, see_row, &row, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
    return row;
}

static void release(place *p, const eyot_run_row *row, eyot_run_status status)
{
    eyot_commit c = {.run = eyot__bytes("r", 1),
                     .epoch = row->epoch,
                     .token = {1},
                     .head = row->head,
                     .status = (uint32_t)status,
                     .due_in_ms = INT64_MAX};
    CHECK_OK(eyot__store_commit(p->store, &c, 1, &err));
    CHECK_OK(c.result);
}

static void suspend(place *p)
{
    eyot_run_row row = claim(p, "somebody");
    release(p, &row, EYOT_RUN_SUSPENDED);
}

/* As a process of this machine that was there once would have written it. */
static const char *dead_owner(void)
{
    static char owner[EYOT__OWNER_BYTES + 8];
    char self[EYOT__OWNER_BYTES];
    eyot__owner_of_process(self);
    char *end = strchr(strchr(self, '/') + 1, '/');
    snprintf(owner, sizeof owner, "%.*s/%d/1/1", (int)(end - self), self, 1 << 22); /* above the highest pid */
    return owner;
}

static const char *live_owner(void)
{
    static char owner[EYOT__OWNER_BYTES];
    eyot__owner_of_process(owner);
    return owner;
}

static void both_stores(void (*test)(const char *url))
{
    test("memory:");
#ifdef EYOT_HAVE_SQLITE
    char url[4200];
    snprintf(url, sizeof url, "%s/manage.db", test_dir());
    test(url);
#endif
}

/* ---- owners -------------------------------------------------------------------------------------------------------- */

static bool gone(const char *owner)
{
    return eyot_owner_is_gone(eyot__bytes(owner, strlen(owner)));
}

TEST(owner__is_gone_only_when_it_was_here)
{
    CHECK(gone(dead_owner()));
    CHECK(!gone(live_owner()));
    CHECK(!gone(""));
    CHECK(!gone("another machine"));
    char elsewhere[200];
    snprintf(elsewhere, sizeof elsewhere, "%s", dead_owner());
    elsewhere[0] = elsewhere[0] == 'f' ? '0' : 'f'; /* of another boot */
    CHECK(!gone(elsewhere));
}

/* ---- cancelling ---------------------------------------------------------------------------------------------------- */

static void cancel_at_once(const char *url)
{
    place p = set_up(url);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_checkpoint *c;
    bool held = true;
    suspend(&p);
    uint64_t head = tally_row_of(p.store, "r").head;
    CHECK_OK(eyot_store_cancel(p.store, "r", &held, &err));
    CHECK(!held);
    tally_row row = tally_row_of(p.store, "r");
    CHECK(!row.held && row.status == EYOT_RUN_CANCELLED && row.head == head + 1);
    CHECK_OK(eyot_store_load_latest_checkpoint(&c, p.store, p.good, "r", &err));
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_CANCELLED);
    CHECK_STR(eyot_checkpoint_error(c), "the run was cancelled");
    eyot_checkpoint_free(c);
    CHECK_STATUS(eyot_store_cancel(p.store, "r", NULL, &err), EYOT_EALREADY);
    CHECK_STR(err.text, "run r is cancelled already");
    lives_end(p.engine, p.good, &o, 7);
    CHECK_STATUS(eyot_store_cancel(p.store, "r", NULL, &err), EYOT_EALREADY);
    CHECK_STR(err.text, "run r is done already");
    tear_down(&p);
}
TEST(cancel__of_a_run_that_nobody_holds_is_done_at_once)
{
    both_stores(cancel_at_once);
}

static void cancel_of_the_dead(const char *url)
{
    place p = set_up(url);
    bool held = true;
    claim(&p, dead_owner());
    CHECK_OK(eyot_store_cancel(p.store, "r", &held, &err));
    CHECK(!held);
    tally_row row = tally_row_of(p.store, "r");
    CHECK(!row.held && row.status == EYOT_RUN_CANCELLED);
    tear_down(&p);
}
TEST(cancel__takes_a_run_from_an_owner_that_is_gone)
{
    both_stores(cancel_of_the_dead);
}

typedef struct messages {
    unsigned n;
    unsigned kind;
    char id[64];
} messages;

static eyot_status see_message(void *arg, const eyot_entry *m)
{
    messages *seen = arg;
    seen->n++;
    seen->kind = (unsigned)m->kind;
    snprintf(seen->id, sizeof seen->id, "%.*s", (int)m->key.n, (const char *)m->key.p);
    return EYOT_OK;
}

static void cancel_by_message(const char *url)
{
    place p = set_up(url);
    messages seen = {0};
    bool held = false;
    char id[64];
    eyot_run_row row = claim(&p, live_owner());
    CHECK_OK(eyot_store_cancel(p.store, "r", &held, &err));
    CHECK_OK(eyot_store_cancel(p.store, "r", NULL, &err));
    CHECK(held);
    CHECK_OK(eyot__store_inbox(p.store, eyot__bytes("r", 1), see_message, &seen, &err));
    CHECK_INT(seen.n, 1);
    CHECK_INT(seen.kind, EYOT_MESSAGE_CANCEL);
    snprintf(id, sizeof id, "cancel/%llu", (unsigned long long)row.epoch);
    CHECK_STR(seen.id, id);
    tally_row after = tally_row_of(p.store, "r");
    CHECK(after.held && after.epoch == row.epoch && after.head == row.head);
    tear_down(&p);
}
TEST(cancel__of_a_held_run_leaves_one_message)
{
    both_stores(cancel_by_message);
}

TEST(cancel__of_a_failed_run_or_none_changes_nothing)
{
    place p = set_up("memory:");
    tally_row row = tally_row_of(p.store, "r");
    CHECK_STATUS(eyot_store_cancel(p.store, "r", NULL, &err), EYOT_EALREADY);
    CHECK_STATUS(eyot_store_cancel(p.store, "nobody", NULL, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_cancel(p.store, NULL, NULL, &err), EYOT_EINVAL);
    CHECK_INT(tally_row_of(p.store, "r").epoch, row.epoch);
    tear_down(&p);
}

/* ---- deleting ------------------------------------------------------------------------------------------------------ */

static void delete_runs(const char *url)
{
    place p = set_up(url);
    eyot_buf *out = eyot_buf_new();
    CHECK(out);
    CHECK_OK(eyot_store_put_note(p.store, "r", "k", "v", 1, &err));
    eyot_run_row row = claim(&p, live_owner());
    CHECK_STATUS(eyot_store_delete(p.store, "r", &err), EYOT_EBUSY);
    CHECK_INT(tally_row_of(p.store, "r").epoch, row.epoch);
    release(&p, &row, EYOT_RUN_FAILED);
    CHECK_OK(eyot_store_delete(p.store, "r", &err));
    CHECK_INT(tally_row_of(p.store, "r").status, 0);
    CHECK_STATUS(eyot_store_get_note(p.store, "r", "k", out, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_delete(p.store, "r", &err), EYOT_ENOTFOUND);
    eyot_buf_free(out);
    tear_down(&p);
}
TEST(delete__takes_a_run_with_its_notes_unless_it_is_held)
{
    both_stores(delete_runs);
}

static void delete_of_the_dead(const char *url)
{
    place p = set_up(url);
    claim(&p, dead_owner());
    CHECK_OK(eyot_store_delete(p.store, "r", &err));
    CHECK_INT(tally_row_of(p.store, "r").status, 0);
    tear_down(&p);
}
TEST(delete__takes_a_run_whose_owner_is_gone)
{
    both_stores(delete_of_the_dead);
}

/* ---- notes --------------------------------------------------------------------------------------------------------- */

static void notes_are_kept(const char *url)
{
    eyot_store *store = tally_store(url);
    eyot_buf *out = eyot_buf_new();
    size_t len;
    CHECK(out);
    CHECK_STATUS(eyot_store_get_note(store, "r", "plan", out, &err), EYOT_ENOTFOUND);
    CHECK_STR(err.text, "run r has no note \"plan\"");
    CHECK_OK(eyot_store_put_note(store, "r", "plan", "first", 5, &err));
    CHECK_OK(eyot_store_put_note(store, "r", "plan", "a\0b", 3, &err));
    CHECK_OK(eyot_store_put_note(store, "r2", "plan", "of another run", 14, &err));
    CHECK_OK(eyot_store_put_note(store, "r", "empty", NULL, 0, &err));
    CHECK_OK(eyot_store_get_note(store, "r", "plan", out, &err));
    CHECK_OK(eyot_store_get_note(store, "r", "empty", out, &err));
    CHECK(memcmp(eyot_buf_data(out, &len), "a\0b", 4) == 0);
    CHECK_INT(len, 3);
    CHECK_STATUS(eyot_store_put_note(store, "no id", "plan", "x", 1, &err), EYOT_EINVAL);
    CHECK_STATUS(eyot_store_put_note(store, "r", NULL, "x", 1, &err), EYOT_EINVAL);
    eyot_buf_free(out);
    eyot_store_close(store);
}
TEST(note__is_what_was_put_last)
{
    both_stores(notes_are_kept);
}

static const eyot_store_ops *behind;
static int stale_left;

/* Somebody else was faster, so often. */
static eyot_status stale_first(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                               uint64_t ttl_ms, eyot_error *e)
{
    if (stale_left-- > 0) {
        CHECK_OK(behind->kv_cas(self, ns, key, version, eyot__bytes("theirs", 6), 0, e));
        return eyot_error_set(e, EYOT_ESTALE, "the value has been changed meanwhile");
    }
    return behind->kv_cas(self, ns, key, version, value, ttl_ms, e);
}

static void left_open(void *self)
{
    (void)self;
}

TEST(note__is_put_although_others_are_faster)
{
    void *self;
    eyot_store *memory = tally_store("memory:"), *store;
    eyot_buf *out = eyot_buf_new();
    CHECK(out);
    behind = eyot_store_table(memory, &self);
    eyot_store_ops ops = *behind;
    ops.kv_cas = stale_first;
    ops.close = left_open;
    CHECK_OK(eyot_store_new(&store, &ops, self, &err));
    stale_left = 5;
    CHECK_OK(eyot_store_put_note(store, "r", "k", "ours", 4, &err));
    CHECK_OK(eyot_store_get_note(store, "r", "k", out, &err));
    CHECK_STR(eyot_buf_data(out, NULL), "ours");
    eyot_buf_free(out);
    eyot_store_close(store);
    eyot_store_close(memory);
}

/* ---- rows, lists, graphs --------------------------------------------------------------------------------------------- */

static eyot_status count_row(void *arg, const eyot_run_row *row)
{
    (void)row;
    ++*(int *)arg;
    return EYOT_OK;
}

TEST(store__gives_rows_lists_and_graphs_to_tools)
{
    place p = set_up("memory:");
    eyot_run_row row = {.epoch = 0};
    eyot_run_filter filter = {.size = sizeof filter};
    eyot_buf *out = eyot_buf_new();
    int rows = 0;
    CHECK(out);
    CHECK_OK(eyot_store_get_run(p.store, "r", see_row, &row, &err));
    CHECK_INT(row.status, EYOT_RUN_FAILED);
    CHECK_STATUS(eyot_store_get_run(p.store, "nobody", see_row, &row, &err), EYOT_ENOTFOUND);
    CHECK_OK(eyot_store_list_runs(p.store, &filter, eyot__bytes(NULL, 0), 10, count_row, &rows, out, &err));
    CHECK_INT(rows, 1);
    CHECK_OK(eyot_store_get_graph(p.store, eyot_graph_fingerprint(p.good), out, &err));
    CHECK_HAS((const char *)eyot_buf_data(out, NULL), "chain");
    eyot_buf_free(out);
    tear_down(&p);
}
