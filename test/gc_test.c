/* SPDX-License-Identifier: MIT */
/* Collecting old runs. */
#include <stdlib.h>

#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/retained.h"

static eyot_error err;

/* ---- collecting ------------------------------------------------------------------------------------------------------- */

/* A run of two entries with this status; RUNNING: held. */
static void put_run(eyot_store *store, const char *id, eyot_run_status status)
{
    eyot_run_row row = {.run = eyot__bytes(id, strlen(id)), .owner = {"me", 2}, .epoch = 1, .token = {7}};
    row.graph = eyot__bytes("many", 4);
    row.fingerprint = eyot__bytes("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64);
    eyot_entry e[2] = {{.seq = 1, .kind = EYOT_ENTRY_SNAPSHOT, .body = {"abc", 3}},
                       {.seq = 2, .step = 1, .kind = EYOT_ENTRY_TASK, .key = {"k", 1}, .body = {"defg", 4}}};
    eyot_commit c = {.run = row.run, .token = {7}, .entries = e, .n_entries = 2, .status = EYOT_RUN_RUNNING, .crc = 1};
    c.lease_ms = 600000;
    c.snapshot_seq = 1;
    CHECK_OK(eyot__store_create_run(store, &row, eyot__bytes("", 0), &c, &err));
    eyot_commit end = {.run = row.run, .epoch = 1, .token = {7}, .head = 2, .status = (uint32_t)status};
    end.due_in_ms = INT64_MAX;
    if (status != EYOT_RUN_RUNNING) CHECK_OK(eyot__store_commit(store, &end, 1, &err));
}

static const struct {
    const char *id;
    eyot_run_status status;
} zoo[] = {{"ready", EYOT_RUN_READY},         {"held", EYOT_RUN_RUNNING}, {"suspended", EYOT_RUN_SUSPENDED},
           {"failed", EYOT_RUN_FAILED},       {"dead", EYOT_RUN_DEAD},    {"done", EYOT_RUN_DONE},
           {"cancelled", EYOT_RUN_CANCELLED}, {"done-2", EYOT_RUN_DONE}};

static eyot_status see_age(void *arg, const eyot_run_row *row)
{
    *(bool *)arg = row->now_ms > row->updated_ms;
    return EYOT_OK;
}

static eyot_store *make_zoo(const char *url)
{
    eyot_store *store = tally_store(url);
    for (size_t i = 0; i < sizeof zoo / sizeof *zoo; i++) put_run(store, zoo[i].id, zoo[i].status);
    /* Until the last one is a millisecond old. */
    for (bool old = false; !old; tally_pause_us(200))
        CHECK_OK(eyot_store_get_run(store, zoo[sizeof zoo / sizeof *zoo - 1].id, see_age, &old, &err));
    return store;
}

/* The ids that are left, in the order of the zoo. */
static void zoo_is(eyot_store *store, const char *want)
{
    char left[200] = "";
    for (size_t i = 0; i < sizeof zoo / sizeof *zoo; i++)
        if (tally_row_of(store, zoo[i].id).status) strcat(strcat(left, zoo[i].id), " ");
    CHECK_STR(left, want);
}

static eyot_status add_deleted(void *arg, const eyot_gc_run *run)
{
    eyot_collected *sum = arg;
    CHECK_INT(run->size, sizeof *run);
    CHECK(!run->status && !*run->text);
    *(run->deleted ? &sum->deleted : &sum->pruned) += 1;
    sum->entries += run->gone.entries;
    sum->bytes += run->gone.bytes;
    return EYOT_OK;
}

static void collects(const char *url)
{
    eyot_store *store = make_zoo(url);
    eyot_collected all, told = {.runs = 0};
    eyot_gc_options o = {.size = sizeof o, .older_than_ms = 3600000, .flags = EYOT_RETAIN_FAILED};
    CHECK_OK(eyot_store_gc(store, &o, NULL, NULL, &all, &err));
    CHECK(all.runs == 8 && all.deleted == 0 && all.entries == 0);
    o.flags = EYOT_RETAIN_DRY_RUN;
    o.older_than_ms = 1;
    CHECK_OK(eyot_store_gc(store, &o, NULL, NULL, &told, &err));
    zoo_is(store, "ready held suspended failed dead done cancelled done-2 ");
    CHECK_INT(told.deleted, 3);
    o.flags = 0;
    eyot_collected sum = {.runs = 0};
    CHECK_OK(eyot_store_gc(store, &o, add_deleted, &sum, &all, &err));
    CHECK(memcmp(&all, &told, sizeof all) == 0);
    CHECK(sum.deleted == 3 && sum.entries == 6 && sum.bytes == 24);
    CHECK(all.entries == 6 && all.bytes == 24);
    zoo_is(store, "ready held suspended failed dead ");
    o.flags = EYOT_RETAIN_FAILED;
    CHECK_OK(eyot_store_gc(store, &o, NULL, NULL, &all, &err));
    CHECK_INT(all.deleted, 2);
    zoo_is(store, "ready held suspended ");
    CHECK_OK(eyot_store_gc(store, NULL, NULL, NULL, &all, &err));
    CHECK(all.runs == 3 && all.deleted == 0 && all.pruned == 0);
    eyot_store_close(store);
}

TEST(gc__deletes_what_ended_long_ago_and_nothing_that_may_go_on)
{
    collects("memory:");
}
#ifdef EYOT_HAVE_SQLITE
TEST(gc__of_sqlite_is_the_same)
{
    char url[4200];
    snprintf(url, sizeof url, "%s/gc.db", test_dir());
    collects(url);
}
#endif
TEST(gc__of_mysql_is_the_same)
{
    collects(retained_server("EYOT_TEST_MYSQL"));
}
TEST(gc__of_redis_is_the_same)
{
    collects(retained_server("EYOT_TEST_REDIS"));
}
TEST(gc__of_a_redis_cluster_is_the_same)
{
    collects(retained_server("EYOT_TEST_REDIS_CLUSTER"));
}

TEST(gc__prunes_the_runs_that_stay)
{
    retained_place p = retained_begin(true);
    eyot_retain rules = {.size = sizeof rules, .keep_last = 5};
    eyot_gc_options o = {.size = sizeof o, .prune = &rules, .flags = EYOT_RETAIN_DRY_RUN};
    eyot_collected dry, all, sum = {.runs = 0};
    eyot_pruned want;
    put_run(p.store, "small", EYOT_RUN_DONE);
    retained_fork(p.store, "r", 7, "fork");
    uint64_t seventh = retained_checkpoint(p.store, p.g, "r", 7);
    retained_log was = retained_read(p.store, "r");
    CHECK_OK(eyot_store_gc(p.store, &o, NULL, NULL, &dry, &err));
    retained_log still = retained_read(p.store, "r");
    CHECK(retained_same(&was, &still));
    rules.flags = EYOT_RETAIN_DRY_RUN;
    CHECK_OK(eyot_store_prune(p.store, "r", &rules, &want, &err));
    o.flags = 0; /* those of the rules do not count */
    CHECK_OK(eyot_store_gc(p.store, &o, add_deleted, &sum, &all, &err));
    CHECK(memcmp(&all, &dry, sizeof all) == 0);
    CHECK(all.runs == 3 && all.pruned == 1 && all.deleted == 0 && want.entries > 0);
    CHECK(sum.pruned == 1 && sum.entries == want.entries && sum.bytes == want.bytes);
    retained_log is = retained_read(p.store, "r");
    CHECK_INT(is.n + want.entries, was.n);
    CHECK(retained_checkpoint(p.store, p.g, "r", 7) == seventh);
    retained_end(&p);
}

static eyot_status told_damage(void *arg, const eyot_gc_run *run)
{
    snprintf(arg, 100, "%s", run->text);
    return EYOT_OK;
}

TEST(gc__tells_of_a_damaged_run_and_goes_on)
{
    char text[100] = "";
    retained_place p = retained_begin(true);
    eyot_retain rules = {.size = sizeof rules};
    eyot_gc_options o = {.size = sizeof o, .prune = &rules};
    eyot_collected all;
    CHECK_OK(eyot_store_put_note(p.store, "r", EYOT_NOTE_LABELS, "12", 2, &err));
    CHECK_OK(eyot_store_gc(p.store, &o, told_damage, text, &all, &err));
    CHECK(all.damaged == 1 && all.pruned == 0);
    CHECK_STR(text, "run r: its labels are not well-formed");
    retained_end(&p);
}

/* Somebody resumes the run and suspends it, after gc has looked at it for the last time. */
static eyot_status resumed_first(void *s, eyot_bytes run, uint64_t epoch, eyot_error *e)
{
    eyot_claim claim = {.run = run, .owner = {"you", 3}, .token = {9}, .lease_ms = 60000};
    eyot_commit c = {.run = run, .epoch = 2, .token = {9}, .head = 2, .status = EYOT_RUN_SUSPENDED};
    bool ignored;
    c.due_in_ms = INT64_MAX;
    if (run.n == 9) { /* cancelled */
        CHECK_OK(retained_hook.behind->claim(s, &claim, see_age, &ignored, e));
        CHECK_OK(retained_hook.behind->commit(s, &c, 1, e));
        CHECK_OK(c.result);
    }
    return retained_hook.behind->delete_run(s, run, epoch, e);
}

static void let_resume_first(eyot_store_ops *ops)
{
    ops->delete_run = resumed_first;
}

TEST(gc__leaves_a_run_that_was_resumed_meanwhile)
{
    eyot_store_ops ops;
    eyot_store *memory = make_zoo("memory:"), *store = retained_hooked(memory, &ops, let_resume_first);
    eyot_gc_options o = {.size = sizeof o, .older_than_ms = 1};
    eyot_collected all;
    CHECK_OK(eyot_store_gc(store, &o, NULL, NULL, &all, &err));
    CHECK(all.deleted == 2 && all.skipped == 1);
    CHECK_INT(tally_row_of(memory, "cancelled").status, EYOT_RUN_SUSPENDED);
    eyot_store_close(store);
    eyot_store_close(memory);
}
