/* SPDX-License-Identifier: MIT */
/* Runs whose states are values: kept as JSON or as msgpack they differ in nothing but their bytes, and one is never taken
 * for the other. */
#include <math.h>
#include <stdatomic.h>

#include <eyot/copiers.h>

#include "test/eyot_test.h"
#include "test/tally.h"

static _Atomic bool broken;

static eyot_status give_all(eyot_task *task, void *user)
{
    (void)user;
    CHECK_OK(eyot_task_set_bool(task, "bool", true));
    CHECK_OK(eyot_task_set_int(task, "int", -5));
    CHECK_OK(eyot_task_set_uint(task, "uint", UINT64_MAX));
    CHECK_OK(eyot_task_set_double(task, "double", 0.5));
    CHECK_OK(eyot_task_set_string(task, "string", "\xc3\xa9"));
    CHECK_OK(eyot_task_set_value(task, "bytes", eyot_value_new_bytes("\1\2\3", 3)));
    return eyot_task_remove(task, "gone");
}

static eyot_status give_number(eyot_task *task, void *user)
{
    return eyot_task_set_double(task, "number", *(const double *)user);
}

static eyot_status fail_once(eyot_task *task, void *user)
{
    (void)user;
    return atomic_load(&broken) ? eyot_task_fail(task, "not yet") : eyot_task_set_int(task, "last", 1);
}

static eyot_graph *chain(const eyot_copier *copier, eyot_node_fn first, const void *user)
{
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, "chain", copier));
    eyot_graph_node(g, "first", first, (void *)(uintptr_t)user);
    eyot_graph_node(g, "last", fail_once, NULL);
    eyot_graph_edge(g, "first", "last");
    return tally_freeze(g);
}

/* A store with the run "r" of g that failed at its last task, in which the first one's update is kept. */
static eyot_store *failed_run(const eyot_graph *g)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    eyot_error e;
    o.run_id = "r";
    atomic_store(&broken, true);
    CHECK_STATUS(eyot_run_sync(&run, engine, g, eyot_json_parse("{\"gone\":1}", NULL), &o, &e), EYOT_EFAILED);
    eyot_run_free(run);
    eyot_engine_free(engine);
    atomic_store(&broken, false);
    return store;
}

/* Resumes "r" and returns its state as people see it, in `shown`. */
static void resume_and_show(eyot_store *store, const eyot_graph *g, eyot_buf *shown)
{
    eyot_engine *engine = tally_engine(1, store);
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_run_resume(&run, engine, g, "r", NULL, &e)) test_fail(__FILE__, __LINE__, "resume: %s", e.text);
    if (eyot_run_wait(run, &e)) test_fail(__FILE__, __LINE__, "wait: %s", e.text);
    CHECK_OK(eyot_graph_copier(g)->print(eyot_run_state(run), shown, NULL));
    eyot_run_free(run);
    eyot_engine_free(engine);
}

static void check_resumed(const eyot_copier *copier, eyot_node_fn first, const void *user, const char *want)
{
    size_t len;
    eyot_graph *g = chain(copier, first, user);
    eyot_store *store = failed_run(g);
    eyot_buf *shown = eyot_buf_new();
    resume_and_show(store, g, shown);
    CHECK_STR((const char *)eyot_buf_data(shown, &len), want);
    eyot_buf_free(shown);
    eyot_store_close(store);
    eyot_graph_free(g);
}

TEST(engine_codec__tasks_give_values_to_both)
{
    static const char want[] = "{\"bool\":true,\"int\":-5,\"uint\":18446744073709551615,\"double\":0.5,"
                               "\"string\":\"\xc3\xa9\",\"bytes\":{\"$bytes\":\"AQID\"},\"last\":1}";
    check_resumed(eyot_json(), give_all, NULL, want);
    check_resumed(eyot_msgpack(), give_all, NULL, want);
}

TEST(engine_codec__msgpack_keeps_a_nan)
{
    const double nan = (double)NAN, infinity = -(double)INFINITY;
    check_resumed(eyot_msgpack(), give_number, &nan, "{\"gone\":1,\"number\":{\"$double\":\"NaN\"},\"last\":1}");
    check_resumed(eyot_msgpack(), give_number, &infinity,
                  "{\"gone\":1,\"number\":{\"$double\":\"-Infinity\"},\"last\":1}");
}

static void check_refused(const eyot_copier *kept, const eyot_copier *other, const char *text)
{
    size_t len;
    eyot_graph *g = chain(kept, give_all, NULL), *same_nodes = chain(other, give_all, NULL);
    eyot_store *store = failed_run(g);
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    CHECK_STATUS(eyot_run_resume(&run, engine, same_nodes, "r", NULL, &e), EYOT_ECHANGED);
    CHECK(!run);
    CHECK_HAS(e.text, "run r cannot go on with this graph: codec \"");
    o.flags = EYOT_RUN_ACCEPT_CHANGES;
    CHECK_STATUS(eyot_run_resume(&run, engine, same_nodes, "r", &o, &e), EYOT_ECHANGED);
    CHECK(!run);
    CHECK_HAS(e.text, text);
    CHECK_INT(tally_row_of(store, "r").held, false);
    CHECK_INT(tally_row_of(store, "r").status, EYOT_RUN_FAILED);
    eyot_engine_free(engine);
    eyot_buf *shown = eyot_buf_new();
    resume_and_show(store, g, shown);
    CHECK_HAS((const char *)eyot_buf_data(shown, &len), "\"last\":1");
    eyot_buf_free(shown);
    eyot_store_close(store);
    eyot_graph_free(g);
    eyot_graph_free(same_nodes);
}

TEST(engine_codec__a_run_in_json_is_refused_by_a_graph_with_msgpack)
{
    check_refused(eyot_json(), eyot_msgpack(), "written with codec json/1; the graph's is msgpack/1");
}

TEST(engine_codec__a_run_in_msgpack_is_refused_by_a_graph_with_json)
{
    check_refused(eyot_msgpack(), eyot_json(), "written with codec msgpack/1; the graph's is json/1");
}
