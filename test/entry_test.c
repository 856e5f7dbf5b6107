/* SPDX-License-Identifier: MIT */
/* Payloads that nobody would have written, in records that are whole: refused as corrupt, before they cost anything. */
#include "core/record.h"
#include "core/run.h"
#include "test/eyot_test.h"
#include "test/tally.h"

static int one = 1;

/* a → b, c → d. */
static eyot_graph *diamond(void)
{
    eyot_graph *g = tally_graph("diamond");
    static const char *const ids[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) eyot_graph_node(g, ids[i], tally_add, &one);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "a", "c");
    eyot_graph_edge(g, "b", "d");
    eyot_graph_edge(g, "c", "d");
    return tally_freeze(g);
}

static void put_who(eyot_buf *out, const char *node)
{
    eyot__buf_bytes(out, node, 1);
    eyot__buf_varint(out, 0);
    eyot__buf_varint(out, 0);
}

static void put_value(eyot_buf *out, tally *t_take)
{
    eyot_buf bytes = tally_bytes(t_take);
    eyot__buf_u32(out, (uint32_t)bytes.len);
    eyot__buf_put(out, bytes.data, bytes.len);
    eyot__buf_clear(&bytes);
    tally_free(t_take);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

/* A task of `a` that takes edges to the two nodes. */
static void put_task(eyot_buf *out, uint8_t has_update, const char *to, const char *and_to)
{
    put_who(out, "a");
    eyot__buf_varint(out, 1);
    eyot__buf_u8(out, has_update);
    if (has_update) put_value(out, tally_sum(1));
    eyot__buf_varint(out, 2);
    for (int i = 0; i < 2; i++) {
        eyot__buf_bytes(out, i ? and_to : to, 1);
        eyot__buf_varint(out, 0);
    }
    for (int i = 0; i < 3; i++) eyot__buf_varint(out, 0); /* times, and nothing that it was told */
}

static eyot_status read_task(uint8_t has_update, const char *to, const char *and_to, eyot_error *e)
{
    eyot_graph *g = diamond();
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__task_entry t;
    put_task(&buf, has_update, to, and_to);
    eyot__reader in = {buf.data, buf.data + buf.len, false};
    eyot_status status = eyot__entry_get_task(&t, &in, EYOT__RECORD_VERSION, g, e);
    if (!status) eyot__task_entry_clear(&t, g);
    eyot__buf_clear(&buf);
    eyot_graph_free(g);
    return status;
}

TEST(entry_task__takes_an_edge_once)
{
    eyot_error e;
    CHECK_OK(read_task(1, "b", "c", &e));
    CHECK_STATUS(read_task(1, "b", "b", &e), EYOT_ECORRUPT);
    CHECK_STR(e.text, "a task's route is not well-formed");
}

TEST(entry_task__has_an_update_or_none)
{
    eyot_error e;
    CHECK_OK(read_task(0, "b", "c", &e));
    CHECK_STATUS(read_task(2, "b", "c", &e), EYOT_ECORRUPT);
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

typedef struct version {
    unsigned parent, n, changes[4]; /* as in the record */
} version;

/* One update with a large pad; a branch is live at the last version, or waits at d, by the byte that says over an edge. */
static void put_snapshot(eyot_buf *out, const version *versions, size_t n, int over_edge)
{
    static const uint8_t seed[EYOT__SEED_BYTES];
    eyot__buf_varint(out, 1);
    eyot__buf_put(out, seed, sizeof seed);
    put_value(out, tally_new());
    eyot__buf_varint(out, 1);
    put_who(out, "a");
    eyot__buf_varint(out, 0);
    put_value(out, tally_sum(1));
    eyot__buf_varint(out, 1 + n);
    for (size_t i = 0; i < n; i++) {
        eyot__buf_varint(out, versions[i].parent);
        eyot__buf_varint(out, versions[i].n);
        for (unsigned k = 0; k < versions[i].n; k++) eyot__buf_varint(out, versions[i].changes[k]);
    }
    eyot__buf_varint(out, 1);
    put_who(out, "b");
    eyot__buf_varint(out, n);
    for (int i = 0; i < 3; i++) eyot__buf_varint(out, 0); /* nothing befell it, and it was told nothing */
    eyot__buf_varint(out, over_edge >= 0);
    if (over_edge >= 0) {
        put_who(out, "d");
        eyot__buf_u8(out, (uint8_t)over_edge);
        put_who(out, "c");
        eyot__buf_varint(out, 0);
        eyot__buf_varint(out, n);
    }
    eyot__buf_varint(out, 0);
}

static eyot_status read_snapshot(const version *versions, size_t n, int over_edge, eyot_error *e)
{
    eyot_graph *g = diamond();
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__frontier f;
    eyot__snapshot head;
    put_snapshot(&buf, versions, n, over_edge);
    eyot__reader in = {buf.data, buf.data + buf.len, false};
    eyot__frontier_init(&f, g, true, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&f.history, f.history.root);
    eyot_status status = eyot__entry_get_snapshot(&f, &in, EYOT__RECORD_VERSION, &head, e);
    if (!status) CHECK_INT(((const tally *)f.fired->state->value)->sum, 1);
    eyot__frontier_clear(&f);
    eyot__buf_clear(&buf);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
    return status;
}

TEST(entry_snapshot__versions_share_an_update_or_drop_local_keys_again)
{
    const version good[] = {{0, 2, {1, 0}}, {0, 0, {0}}, {2, 2, {0, 1}}, {3, 1, {0}}, {4, 0, {0}}};
    eyot_error e;
    CHECK_OK(read_snapshot(good, 5, -1, &e));
}

TEST(entry_snapshot__an_update_twice_in_a_version_is_refused)
{
    const version bad[] = {{0, 3, {1, 0, 1}}};
    eyot_error e;
    CHECK_STATUS(read_snapshot(bad, 1, -1, &e), EYOT_ECORRUPT);
    CHECK_STR(e.text, "a snapshot's version has an update twice");
}

TEST(entry_snapshot__an_update_that_a_version_above_has_is_refused)
{
    const version bad[] = {{0, 1, {1}}, {1, 1, {0}}, {0, 0, {0}}, {2, 1, {1}}};
    eyot_error e;
    CHECK_STATUS(read_snapshot(bad, 4, -1, &e), EYOT_ECORRUPT);
    CHECK_STR(e.text, "a snapshot's version has an update twice");
}

TEST(entry_snapshot__a_branch_came_over_an_edge_or_did_not)
{
    const version good[] = {{0, 1, {1}}};
    eyot_error e;
    CHECK_OK(read_snapshot(good, 1, 1, &e));
    CHECK_STATUS(read_snapshot(good, 1, 2, &e), EYOT_ECORRUPT);
    CHECK_STR(e.text, "a snapshot's waiting branch is not well-formed");
}
