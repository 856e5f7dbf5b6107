/* SPDX-License-Identifier: MIT */
/* Pruned runs that move from store to store. */
#include <stdlib.h>

#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/retained.h"

static eyot_error err;

/* ---- moving pruned runs ----------------------------------------------------------------------------------------------- */

static eyot_status into_buf(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    (void)e;
    return eyot_buf_add(arg, bytes, len);
}

typedef struct source {
    const unsigned char *p;
    size_t len, at;
} source;

static eyot_status from_source(void *arg, void *to, size_t room, size_t *got, eyot_error *e)
{
    source *s = arg;
    (void)e;
    *got = s->len - s->at < room ? s->len - s->at : room;
    if (*got) memcpy(to, s->p + s->at, *got);
    s->at += *got;
    return EYOT_OK;
}

static eyot_buf export_run(eyot_store *store, const char *id)
{
    eyot_buf out = EYOT__BUF_INIT;
    if (eyot_store_export(store, id, NULL, into_buf, &out, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
    return out;
}

static void import_run(eyot_store *store, const eyot_buf *stream)
{
    source s = {stream->data, stream->len, 0};
    if (eyot_store_import(store, NULL, from_source, &s, NULL, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
}

static eyot_status put_label(void *arg, uint64_t step, const char *name)
{
    eyot__buf_format(arg, "%llu=%s ", (unsigned long long)step, name);
    return EYOT_OK;
}

static eyot_buf labels_of(eyot_store *store, const char *id)
{
    eyot_buf out = EYOT__BUF_INIT;
    CHECK_OK(eyot_store_list_labels(store, id, put_label, &out, &err));
    eyot__buf_u8(&out, 0);
    return out;
}

static void same_run(eyot_store *a, eyot_store *b, const eyot_graph *g)
{
    retained_log x = retained_read(a, "r"), y = retained_read(b, "r");
    CHECK(retained_same(&x, &y));
    tally_row p = tally_row_of(a, "r"), q = tally_row_of(b, "r");
    CHECK(p.status == q.status && p.head == q.head && p.steps == q.steps && !q.held);
    for (uint64_t s = 0; s <= p.steps; s++)
        CHECK(retained_checkpoint(a, g, "r", s) == retained_checkpoint(b, g, "r", s));
    CHECK(tally_load(a, "r", UINT64_MAX) == tally_load(b, "r", UINT64_MAX));
    eyot_buf k = labels_of(a, "r"), l = labels_of(b, "r");
    CHECK_STR((const char *)l.data, (const char *)k.data);
    eyot__buf_clear(&k);
    eyot__buf_clear(&l);
}

static void moves(const char *url, unsigned times)
{
    uint64_t random = test_seed();
    for (unsigned i = 0; i < times; i++) {
        char fresh[4300];
        eyot_store *from = tally_store("memory:");
        eyot_graph *g = retained_graph();
        retained_live(from, g, &random, i % 2);
        CHECK_OK(eyot_store_label(from, "r", test_random(&random) % (tally_row_of(from, "r").steps + 1), "one", &err));
        CHECK_OK(eyot_store_label(from, "r", EYOT_LATEST, "end", &err));
        eyot_retain rules = {.size = sizeof rules, .keep_every = test_random(&random) % 15, .keep_last = i % 3};
        CHECK_OK(eyot_store_prune(from, "r", &rules, NULL, &err));
        snprintf(fresh, sizeof fresh, "%s%.*u", url, strchr(url, '/') ? 3 : 0, i);
        eyot_store *to = tally_store(strchr(url, '/') ? fresh : url);
        eyot_buf stream = export_run(from, "r");
        import_run(to, &stream);
        same_run(from, to, g);
        if (tally_row_of(to, "r").status == EYOT_RUN_FAILED) {
            eyot_engine *engine = tally_engine(1, to);
            eyot_run_options o = lives_options(EYOT_SYNC);
            lives_end(engine, g, &o, RETAINED_SUM);
            eyot_engine_free(engine);
        }
        eyot__buf_clear(&stream);
        eyot_graph_free(g);
        eyot_store_close(from);
        eyot_store_close(to);
    }
}

TEST(transfer__a_pruned_run_moves_with_its_holes_and_labels)
{
    moves("memory:", 12 * test_long());
}
#ifdef EYOT_HAVE_SQLITE
TEST(transfer__a_pruned_run_moves_to_sqlite)
{
    char url[4200];
    snprintf(url, sizeof url, "%s/to", test_dir());
    moves(url, 3);
}
#endif
TEST(transfer__a_pruned_run_moves_to_mysql)
{
    moves(retained_server("EYOT_TEST_MYSQL"), 2);
}
TEST(transfer__a_pruned_run_moves_to_redis)
{
    moves(retained_server("EYOT_TEST_REDIS"), 2);
}

TEST(transfer__holes_of_every_length_come_out_the_same)
{
    for (uint64_t every = 2; every < 900; every += every < 10 ? 1 : 170) {
        for (uint64_t more = 0; more < 2; more++) {
            eyot_store *from = tally_store("memory:"), *to = tally_store("memory:");
            retained_write(from, every + 1 + more, every); /* the newest snapshot is the head itself, or before it */
            CHECK_OK(eyot_store_prune(from, "r", NULL, NULL, &err));
            eyot_buf stream = export_run(from, "r");
            import_run(to, &stream);
            retained_log x = retained_read(from, "r"), y = retained_read(to, "r");
            CHECK_INT(x.n, 1 + more);
            CHECK(retained_same(&x, &y));
            eyot__buf_clear(&stream);
            eyot_store_close(from);
            eyot_store_close(to);
        }
    }
}

TEST(transfer__a_hole_that_pruning_did_not_make_is_refused)
{
    static const uint64_t drop[] = {3};
    eyot_store *store = tally_store("memory:");
    eyot_buf out = EYOT__BUF_INIT;
    retained_write(store, 9, 4);
    CHECK_OK(eyot__store_prune(store, eyot__bytes("r", 1), drop, 1, 9, &err));
    CHECK_STATUS(eyot_store_export(store, "r", NULL, into_buf, &out, &err), EYOT_EGONE);
    CHECK_HAS(err.text, "entry 3 is lost");
    CHECK_STATUS(eyot_store_prune(store, "r", NULL, NULL, &err), EYOT_ECORRUPT);
    CHECK_STR(err.text, "run r, entry 4: what it builds on is missing");
    eyot__buf_clear(&out);
    eyot_store_close(store);
}
