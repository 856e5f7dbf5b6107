/* SPDX-License-Identifier: MIT */
/* Runs that a worker takes up again and again: what their policies count, and cancels that are left for them. */
#include <stdatomic.h>

#include <eyot/stores.h>
#include <eyot/worker.h>

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/tally.h"

static int one = 1;
static _Atomic int begun, told, gate_open;

/* Submits run "r" of a graph with this one node. */
static eyot_graph *submit_only(eyot_engine *engine, eyot_node_fn fn, const eyot_node_options *options)
{
    eyot_submit_options o = EYOT_SUBMIT_OPTIONS_INIT;
    eyot_graph *g = tally_graph("only");
    eyot_graph_node_with(g, "only", fn, &one, options);
    tally_freeze(g);
    o.run_id = "r";
    atomic_store(&begun, 0);
    CHECK_OK(eyot_run_submit(engine, g, tally_new(), &o, NULL, NULL));
    return g;
}

/* Takes up what is due until nothing is. */
static void work_until_idle(eyot_engine *engine, const eyot_graph *g)
{
    eyot_worker *w;
    eyot_worker_options o = EYOT_WORKER_OPTIONS_INIT;
    o.poll_ms = 10;
    o.flags = EYOT_WORKER_UNTIL_IDLE;
    CHECK_OK(eyot_worker_new(&w, engine, &o, NULL));
    CHECK_OK(eyot_worker_add(w, g, NULL, NULL));
    CHECK_OK(eyot_worker_run(w, NULL));
    eyot_worker_free(w);
}

static void post_cancel(eyot_store *store, const char *message)
{
    eyot_bytes none = {NULL, 0};
    CHECK_OK(eyot__store_post(store, eyot__bytes("r", 1), eyot__bytes(message, strlen(message)), EYOT_MESSAGE_CANCEL,
                              none, none, NULL));
}

static eyot_status count_message(void *arg, const eyot_entry *message)
{
    (void)message;
    ++*(int *)arg;
    return EYOT_OK;
}

static int messages(eyot_store *store)
{
    int n = 0;
    CHECK_OK(eyot__store_inbox(store, eyot__bytes("r", 1), count_message, &n, NULL));
    return n;
}

/* ---- attempts --------------------------------------------------------------------------------------------------- */

static eyot_status fail_always(eyot_task *task, void *user)
{
    (void)user;
    atomic_fetch_add(&begun, 1);
    return eyot_task_fail(task, "never");
}

TEST(worker_again__a_task_that_always_fails_has_the_attempts_of_its_policy)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_node_options again = EYOT_NODE_OPTIONS_INIT;
    eyot_run *run;
    again.attempts = 3;
    again.retry_delay_ms = 1;
    eyot_graph *g = submit_only(engine, fail_always, &again);
    for (int i = 0; i < 1000 && tally_row_of(store, "r").status != EYOT_RUN_FAILED; i++) {
        work_until_idle(engine, g);
        tally_pause_us(1000);
    }
    CHECK_INT(tally_row_of(store, "r").status, EYOT_RUN_FAILED);
    CHECK_INT(atomic_load(&begun), 3);
    CHECK_OK(eyot_run_resume(&run, engine, g, "r", NULL, NULL)); /* who does that wants it tried again */
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_EFAILED);
    CHECK_INT(atomic_load(&begun), 6);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

/* ---- cancels ---------------------------------------------------------------------------------------------------- */

static eyot_status ask(eyot_task *task, void *user)
{
    const char *answer;
    eyot_status status = eyot_task_ask(task, "well?", &answer);
    return status ? status : tally_add(task, user);
}

/* The message came when the run was held, and its owner let it go before it was read. */
TEST(worker_again__a_cancel_that_waits_for_a_suspended_run_ends_it)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = submit_only(engine, ask, NULL);
    work_until_idle(engine, g);
    CHECK_INT(tally_row_of(store, "r").status, EYOT_RUN_SUSPENDED);
    post_cancel(store, "cancel/2");
    work_until_idle(engine, g);
    CHECK_INT(tally_row_of(store, "r").status, EYOT_RUN_CANCELLED);
    CHECK_INT(messages(store), 0);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
}

static eyot_status see_due(void *arg, const eyot_run_row *row)
{
    *(int64_t *)arg = row->due_ms;
    return EYOT_OK;
}

static void await_sign_of_life(eyot_store *store)
{
    int64_t before, now;
    CHECK_OK(eyot_store_get_run(store, "r", see_due, &before, NULL));
    do {
        tally_pause_us(1000);
        CHECK_OK(eyot_store_get_run(store, "r", see_due, &now, NULL));
    } while (now == before);
}

static eyot_status end_when_it_may(eyot_task *task, void *user)
{
    (void)user;
    atomic_store(&begun, 1);
    while (!atomic_load(&gate_open)) {
        if (eyot_task_cancelled(task)) atomic_store(&told, 1);
        tally_pause_us(1000);
    }
    return EYOT_ECANCELED;
}

/* If it died before that, the next owner would know nothing of it. */
TEST(worker_again__a_cancel_is_in_the_store_until_the_run_is_cancelled)
{
    eyot_engine_options eo = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_engine *engine;
    eyot_run *run;
    atomic_store(&begun, 0);
    atomic_store(&told, 0);
    atomic_store(&gate_open, 0);
    eo.store = tally_store("memory:");
    eo.lease_ms = 2000;
    CHECK_OK(eyot_engine_new(&engine, &eo, NULL));
    eyot_graph *g = tally_graph("only");
    eyot_graph_node(g, "only", end_when_it_may, NULL);
    tally_freeze(g);
    o.run_id = "r";
    CHECK_OK(eyot_run_start(&run, engine, g, tally_new(), &o, NULL));
    while (!atomic_load(&begun)) tally_pause_us(1000);
    post_cancel(eo.store, "cancel/1");
    while (!atomic_load(&told)) tally_pause_us(1000);
    await_sign_of_life(eo.store);
    await_sign_of_life(eo.store); /* the first may have been under way */
    CHECK_INT(messages(eo.store), 1);
    atomic_store(&gate_open, 1);
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ECANCELED);
    CHECK_INT(messages(eo.store), 0);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(eo.store);
    eyot_graph_free(g);
}
