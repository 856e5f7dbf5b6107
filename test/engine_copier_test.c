/* SPDX-License-Identifier: MIT */
/* What becomes of a run when its copier fails: it says so, nothing leaks, and the run goes on once the copier works. */
#include <stdatomic.h>

#include "test/eyot_test.h"
#include "test/lives.h"

typedef enum slot { NO_SLOT, ENCODE, DECODE, APPLY, COPY, DIFF } slot;
static _Atomic slot bad;

static eyot_status bad_copy(const void *v, void **out, void *user)
{
    return atomic_load(&bad) == COPY ? EYOT_ENOMEM : tally_copier.copy(v, out, user);
}

static eyot_status bad_encode(const void *v, eyot_buf *out, void *user)
{
    return atomic_load(&bad) == ENCODE ? EYOT_ETYPE : tally_copier.encode(v, out, user);
}

static eyot_status bad_decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    if (atomic_load(&bad) == DECODE) return eyot_error_set(e, EYOT_ECORRUPT, "unreadable today");
    return tally_copier.decode(bytes, len, out, e, user);
}

static eyot_status bad_apply(void **state, const void *update, eyot_error *e, void *user)
{
    if (atomic_load(&bad) == APPLY) return eyot_error_set(e, EYOT_EOVERFLOW, "too much today");
    return tally_copier.apply(state, update, e, user);
}

static eyot_status bad_diff(const void *before, const void *after, void **update, eyot_error *e, void *user)
{
    if (atomic_load(&bad) == DIFF) return eyot_error_set(e, EYOT_ETYPE, "no difference today");
    return tally_copier.diff(before, after, update, e, user);
}

static slot breaks; /* in the middle of the run, when task b runs */

static eyot_status break_then_edit(eyot_task *task, void *user)
{
    atomic_store(&bad, breaks);
    tally *state = eyot_task_edit(task);
    if (state) state->sum += *(int *)user;
    return EYOT_OK;
}

static void bad_slot(slot which, eyot_durability durability, eyot_status want, const char *text)
{
    eyot_copier copier = tally_copier;
    copier.copy = bad_copy;
    copier.encode = bad_encode;
    copier.decode = bad_decode;
    copier.apply = bad_apply;
    copier.diff = bad_diff;
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&copier, NULL, break_then_edit);
    eyot_run_options o = lives_options(durability);
    breaks = which;
    atomic_store(&bad, NO_SLOT);
    eyot_error e = lives_fail(engine, g, &o, want);
    CHECK_HAS(e.text, text);
    breaks = NO_SLOT;
    atomic_store(&bad, NO_SLOT);
    lives_end(engine, g, &o, 7);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}

TEST(engine_copier__a_failing_encode_fails_the_task)
{
    bad_slot(ENCODE, EYOT_SYNC, EYOT_ETYPE, "b: the task's entry could not be written: wrong type");
}
TEST(engine_copier__an_encode_that_fails_at_the_end_fails_the_run)
{
    bad_slot(ENCODE, EYOT_EXIT, EYOT_ETYPE, "the last snapshot could not be written: wrong type");
}
TEST(engine_copier__a_failing_apply_fails_the_task)
{
    bad_slot(APPLY, EYOT_SYNC, EYOT_EOVERFLOW, "b: too much today");
}
TEST(engine_copier__a_failing_copy_fails_the_task)
{
    bad_slot(COPY, EYOT_SYNC, EYOT_ENOMEM, "b: out of memory");
}
TEST(engine_copier__a_failing_diff_fails_the_task)
{
    bad_slot(DIFF, EYOT_SYNC, EYOT_ETYPE, "b: no difference today");
}

static _Atomic bool broken;

static eyot_status fail_once(eyot_task *task, void *user)
{
    return atomic_load(&broken) ? eyot_task_fail(task, "not yet") : tally_add(task, user);
}

TEST(engine_copier__a_failing_decode_refuses_the_run_and_leaves_it_resumable)
{
    eyot_copier copier = tally_copier;
    copier.decode = bad_decode;
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&copier, NULL, fail_once);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    atomic_store(&broken, true);
    lives_fail(engine, g, &o, EYOT_EFAILED);
    atomic_store(&broken, false);
    atomic_store(&bad, DECODE);
    CHECK_STATUS(eyot_run_resume(&run, engine, g, "r", &o, &e), EYOT_ECORRUPT);
    CHECK(!run);
    CHECK_HAS(e.text, "unreadable today");
    CHECK_INT(tally_row_of(store, "r").held, false);
    CHECK_INT(tally_row_of(store, "r").status, EYOT_RUN_FAILED);
    atomic_store(&bad, NO_SLOT);
    lives_end(engine, g, &o, 7);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}
