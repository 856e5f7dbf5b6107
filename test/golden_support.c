/* SPDX-License-Identifier: MIT */
/* Small runs that together write every kind of entry in every variant. Their graphs must stay as they are: a run goes on
 * only with the graph it was made with. */
#include "test/golden.h"

#include <stdatomic.h>
#include <stdlib.h>

bool golden_second_life;

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* Gives what `user` points to, JSON text, as the update; NULL: none. */
static eyot_status give(eyot_task *task, void *user)
{
    eyot_error e = {.status = EYOT_OK};
    if (!user) return EYOT_OK;
    eyot_value *update = eyot_json_parse(user, &e);
    return update ? eyot_task_update(task, update) : e.status;
}

static eyot_status give_or_fail(eyot_task *task, void *user)
{
    return golden_second_life ? give(task, user) : eyot_task_fail(task, "kein Papier \xe2\x80\x93 tray 2 is empty");
}

static eyot_status send_text(eyot_task *task, const char *to, const char *item)
{
    eyot_error e = {.status = EYOT_OK};
    eyot_value *v = eyot_json_parse(item, &e);
    return v ? eyot_task_send(task, to, v) : e.status;
}

static void *text(const char *json)
{
    return (void *)(uintptr_t)json; /* nodes only read it */
}

static eyot_graph *frozen(eyot_graph *g)
{
    eyot_error e;
    if (!g || !eyot_graph_freeze(g, &e)) return g;
    eyot_graph_free(g);
    return NULL;
}

static void each(eyot_graph *g, const char *id, eyot_node_fn fn, void *user)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.flags = EYOT_NODE_EACH;
    eyot_graph_node_with(g, id, fn, user, &o);
}

/* ---- lives ----------------------------------------------------------------------------------------------------- */

static eyot_run_options options_of(const char *name, eyot_durability durability)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = name;
    o.strategy = EYOT_SEQUENTIAL;
    o.durability = durability;
    return o;
}

/* One life of the run, in order; a second one resumes it. True when it ends as `want` says. */
static bool life(eyot_engine *engine, const eyot_graph *g, void *state, bool second, eyot_durability durability,
                 eyot_run_status want)
{
    eyot_run *run = NULL;
    eyot_error e;
    eyot_run_options o = options_of(eyot_graph_name(g), durability);
    golden_second_life = second;
    if (second && !eyot_run_resume(&run, engine, g, o.run_id, &o, &e))
        (void)eyot_run_wait(run, &e);
    else if (!second)
        (void)eyot_run_sync(&run, engine, g, state, &o, &e);
    bool good = run && eyot_run_status_of(run) == want;
    eyot_run_free(run);
    return good;
}

static bool one_life(eyot_engine *engine, const eyot_graph *g)
{
    return life(engine, g, eyot_value_new_map(), false, EYOT_SYNC, EYOT_RUN_DONE);
}

static bool two_lives(eyot_engine *engine, const eyot_graph *g)
{
    return life(engine, g, eyot_value_new_map(), false, EYOT_SYNC, EYOT_RUN_FAILED) &&
           life(engine, g, NULL, true, EYOT_SYNC, EYOT_RUN_DONE);
}

static bool failed_life(eyot_engine *engine, const eyot_graph *g)
{
    return life(engine, g, eyot_value_new_map(), false, EYOT_SYNC, EYOT_RUN_FAILED);
}

static bool two_exits(eyot_engine *engine, const eyot_graph *g)
{
    return life(engine, g, eyot_value_new_map(), false, EYOT_EXIT, EYOT_RUN_FAILED) &&
           life(engine, g, NULL, true, EYOT_EXIT, EYOT_RUN_DONE);
}

/* ---- values: every kind of value; tasks with and without an update; a plain route ------------------------------- */

static eyot_graph *values(const char *name)
{
    static const char all[] =
        "{\"null\":null,\"yes\":true,\"no\":false,\"least\":-9223372036854775808,\"most\":9223372036854775807,"
        "\"unsigned\":18446744073709551615,\"tenth\":0.1,\"tiny\":5e-324,\"minus "
        "zero\":-0.0,\"huge\":1.7976931348623157e308,"
        "\"single\":{\"$float32\":1.5},\"text\":\"\\u0000 \\\" \\\\ \\u001f \xc3\xbc \xe2\x82\xac "
        "\xf0\x9f\x8c\x8d\",\"empty\":\"\","
        "\"\":\"the empty key\",\"bytes\":{\"$bytes\":\"AP8B\"},\"ext\":{\"$ext\":\"-1:AQID\"},"
        "\"looks like a form\":{\"$$bytes\":\"AP8B\"},\"array\":[1,[],{}],\"map\":{\"b\":1,\"a\":{\"c\":[null]}}}";
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "all", give, text(all));
    eyot_graph_node(g, "nothing", give, NULL);
    eyot_graph_node(g, "remove", give,
                    text("{\"null\":{\"$removed\":true},\"map\":{\"$removed\":true},\"yes\":false}"));
    eyot_graph_edge(g, "all", "nothing");
    eyot_graph_edge(g, "nothing", "remove");
    return frozen(g);
}

/* ---- routes: taken always, by condition, otherwise, named, sent, ended ------------------------------------------ */

static eyot_status never(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)state, (void)user, (void)e;
    *taken = false;
    return EYOT_OK;
}

static eyot_status when_ready(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = eyot_value_bool(eyot_value_at(state, "ready"), false);
    return EYOT_OK;
}

static eyot_status name_two(eyot_task *task, void *user)
{
    (void)user;
    eyot_status status = eyot_task_route(task, "items");
    return status ? status : eyot_task_route(task, "leave");
}

static eyot_status end_here(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_end(task);
}

static eyot_status send_three(eyot_task *task, void *user)
{
    (void)user;
    eyot_status status = send_text(task, "one", "{\"item\":\"a\"}");
    if (!status) status = send_text(task, "two", "{\"item\":\"b\"}");
    return status ? status : send_text(task, "one", "{\"item\":\"c\"}");
}

static eyot_graph *routes(const char *name)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "begin", give, text("{\"ready\":true}"));
    eyot_graph_node(g, "check", give, NULL);
    eyot_graph_node(g, "refuse", give, NULL);
    eyot_graph_node(g, "pick", name_two, NULL);
    eyot_graph_node(g, "leave", end_here, NULL);
    eyot_graph_node(g, "items", send_three, NULL);
    eyot_graph_node(g, "one", give, text("{\"n\":1}"));
    eyot_graph_node(g, "two", give, text("{\"n\":10}"));
    eyot_graph_node(g, "gather", give, NULL);
    eyot_graph_edge_if(g, "begin", "refuse", "never", never, NULL);
    eyot_graph_edge_otherwise(g, "begin", "check");
    eyot_graph_edge_if(g, "check", "pick", "when ready", when_ready, NULL);
    eyot_graph_edge_otherwise(g, "check", "refuse");
    eyot_graph_edge_routed(g, "pick", "refuse");
    eyot_graph_edge_routed(g, "pick", "items");
    eyot_graph_edge_routed(g, "pick", "leave");
    eyot_graph_edge(g, "leave", "gather");
    eyot_graph_edge_each(g, "items", "one");
    eyot_graph_edge_each(g, "items", "two");
    eyot_graph_edge(g, "items", "gather");
    eyot_graph_edge(g, "one", "gather");
    eyot_graph_edge(g, "two", "gather");
    eyot_graph_reduce(g, "item", EYOT_LOCAL);
    eyot_graph_reduce(g, "n", EYOT_ADD);
    return frozen(g);
}

/* ---- loops: stamps of two loops, paths with every kind of part --------------------------------------------------- */

static eyot_status inner_goes_on(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "inner"), 0) < 3;
    return EYOT_OK;
}

static eyot_status inner_is_three(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "inner"), 0) == 3;
    return EYOT_OK;
}

static eyot_status inner_is_done(const void *state, bool *taken, void *user, eyot_error *e)
{
    eyot_status status = inner_goes_on(state, taken, user, e);
    *taken = !*taken;
    return status;
}

static eyot_status outer_goes_on(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "outer"), 0) < 2;
    return EYOT_OK;
}

static eyot_status outer_is_done(const void *state, bool *taken, void *user, eyot_error *e)
{
    eyot_status status = outer_goes_on(state, taken, user, e);
    *taken = !*taken;
    return status;
}

static eyot_status head(eyot_task *task, void *user)
{
    (void)user;
    return send_text(task, "emit", "{\"from\":\"head\"}");
}

static eyot_status tail(eyot_task *task, void *user)
{
    eyot_status status = send_text(task, "emit", "{\"from\":\"tail\"}");
    if (!status) status = send_text(task, "emit", "{\"from\":\"tail again\"}");
    return status ? status : give(task, user);
}

static eyot_graph *loops(const char *name)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "begin", give, NULL);
    eyot_graph_node(g, "head", head, NULL);
    eyot_graph_node(g, "turn", give, text("{\"inner\":1}"));
    eyot_graph_node(g, "tail", tail, text("{\"outer\":1}"));
    eyot_graph_node(g, "emit", give, text("{\"emitted\":1}"));
    each(g, "publish", give, NULL);
    eyot_graph_node(g, "sum", give, NULL);
    eyot_graph_edge(g, "begin", "head");
    eyot_graph_edge(g, "head", "turn");
    eyot_graph_edge_if(g, "turn", "turn", "inner goes on", inner_goes_on, NULL);
    eyot_graph_edge_if(g, "turn", "publish", "inner is three", inner_is_three, NULL);
    eyot_graph_edge_if(g, "turn", "tail", "inner is done", inner_is_done, NULL);
    eyot_graph_edge_if(g, "tail", "head", "outer goes on", outer_goes_on, NULL);
    eyot_graph_edge_if(g, "tail", "publish", "outer is done", outer_is_done, NULL);
    eyot_graph_edge_each(g, "head", "emit");
    eyot_graph_edge_each(g, "tail", "emit");
    eyot_graph_edge(g, "emit", "publish");
    eyot_graph_edge(g, "publish", "sum");
    eyot_graph_reduce(g, "inner", EYOT_ADD);
    eyot_graph_reduce(g, "outer", EYOT_ADD);
    eyot_graph_reduce(g, "emitted", EYOT_ADD);
    eyot_graph_reduce(g, "from", EYOT_LOCAL);
    return frozen(g);
}

/* ---- failed: a failed attempt, the status failed, and the same run done in its second life ------------------------ */

static eyot_graph *two_ways(const char *name)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "begin", give, text("{\"n\":1}"));
    eyot_graph_node(g, "good", give, text("{\"n\":10}"));
    eyot_graph_node(g, "print", give_or_fail, text("{\"n\":100}"));
    eyot_graph_node(g, "both", give, text("{\"n\":1000}"));
    eyot_graph_edge(g, "begin", "good");
    eyot_graph_edge(g, "begin", "print");
    eyot_graph_edge(g, "good", "both");
    eyot_graph_edge(g, "print", "both");
    eyot_graph_reduce(g, "n", EYOT_ADD);
    return frozen(g);
}

/* ---- cancelled --------------------------------------------------------------------------------------------------- */

static eyot_task *_Atomic waiting;

static eyot_status wait_for_ever(eyot_task *task, void *user)
{
    (void)user;
    atomic_store(&waiting, task);
    return EYOT_PENDING;
}

static eyot_graph *cancelled(const char *name)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "begin", give, text("{\"n\":1}"));
    eyot_graph_node(g, "wait", wait_for_ever, NULL);
    eyot_graph_edge(g, "begin", "wait");
    return frozen(g);
}

static bool cancelled_life(eyot_engine *engine, const eyot_graph *g)
{
    eyot_run *run = NULL;
    eyot_error e;
    eyot_run_options o = options_of(eyot_graph_name(g), EYOT_SYNC);
    atomic_store(&waiting, NULL);
    if (eyot_run_start(&run, engine, g, eyot_value_new_map(), &o, &e)) return false;
    while (!atomic_load(&waiting) && eyot_run_status_of(run) == EYOT_RUN_RUNNING) {}
    eyot_run_cancel(run);
    bool good = eyot_run_wait(run, &e) == EYOT_ECANCELED && eyot_run_status_of(run) == EYOT_RUN_CANCELLED;
    if (atomic_load(&waiting)) (void)eyot_task_complete(atomic_load(&waiting), EYOT_OK);
    eyot_run_free(run);
    return good;
}

/* ---- frontier: a snapshot of everything that can be in one -------------------------------------------------------- */

/* When `stop` fails, in order: "late" has not started; "meet", a start that another start can reach, and "both" wait;
 * "leaf" has ended; the branches below "left" share a version where local keys were dropped. */
static eyot_status send_two(eyot_task *task, void *user)
{
    (void)user;
    eyot_status status = send_text(task, "item", "{\"own\":1}");
    return status ? status : send_text(task, "item", "{\"own\":2}");
}

static eyot_graph *frontier(const char *name)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "begin", give, text("{\"log\":[\"begin\"]}"));
    eyot_graph_node(g, "left", send_two, NULL);
    eyot_graph_node(g, "right", give, text("{\"log\":[\"right\"],\"own\":3}"));
    eyot_graph_node(g, "item", give, text("{\"log\":[\"item\"]}"));
    eyot_graph_node(g, "reduced", give, text("{\"log\":[\"reduced\"],\"own\":4}"));
    eyot_graph_node(g, "leaf", give, text("{\"log\":[\"leaf\"]}"));
    eyot_graph_node(g, "side", give, text("{\"log\":[\"side\"]}"));
    eyot_graph_node(g, "stop", give_or_fail, text("{\"log\":[\"stop\"]}"));
    eyot_graph_node(g, "late", give, text("{\"log\":[\"late\"]}"));
    eyot_graph_node(g, "both", give, text("{\"log\":[\"both\"]}"));
    eyot_graph_node(g, "meet", give, text("{\"log\":[\"meet\"]}"));
    eyot_graph_start(g, "meet");
    eyot_graph_start(g, "begin");
    eyot_graph_edge(g, "begin", "left");
    eyot_graph_edge(g, "begin", "right");
    eyot_graph_edge_each(g, "left", "item");
    eyot_graph_edge(g, "item", "reduced");
    eyot_graph_edge(g, "reduced", "leaf");
    eyot_graph_edge(g, "reduced", "side");
    eyot_graph_edge(g, "side", "both");
    eyot_graph_edge(g, "right", "both");
    eyot_graph_edge(g, "right", "stop");
    eyot_graph_edge(g, "right", "late");
    eyot_graph_edge(g, "stop", "both");
    eyot_graph_edge(g, "late", "meet");
    eyot_graph_reduce(g, "log", EYOT_APPEND);
    eyot_graph_reduce(g, "own", EYOT_LOCAL);
    return frozen(g);
}

/* ---- bytes: another codec ------------------------------------------------------------------------------------------ */

static eyot_status give_blob(eyot_task *task, void *user)
{
    (void)user;
    eyot_blob *b = eyot_blob_new("\0\xff", 2);
    return b ? eyot_task_update(task, b) : EYOT_ENOMEM;
}

static eyot_graph *bytes(const char *name)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_bytes_copier())) return NULL;
    eyot_graph_node(g, "only", give_blob, NULL);
    return frozen(g);
}

static bool bytes_life(eyot_engine *engine, const eyot_graph *g)
{
    return life(engine, g, eyot_blob_new("abc", 3), false, EYOT_SYNC, EYOT_RUN_DONE);
}

/* ---- asked: a question, and its answer in the next life ------------------------------------------------------------ */

static eyot_status ask_name(eyot_task *task, void *user)
{
    const char *answer;
    eyot_status status = eyot_task_ask(task, "Wer fragt \xe2\x80\x93 und warum?", &answer);
    return status ? status : give(task, user);
}

static eyot_graph *asked(const char *name)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, name, eyot_json())) return NULL;
    eyot_graph_node(g, "begin", give, text("{\"n\":1}"));
    eyot_graph_node(g, "ask", ask_name, text("{\"n\":2}"));
    eyot_graph_edge(g, "begin", "ask");
    return frozen(g);
}

static bool asked_life(eyot_engine *engine, const eyot_graph *g)
{
    eyot_run *run = NULL;
    eyot_error e;
    eyot_run_options o = options_of(eyot_graph_name(g), EYOT_SYNC);
    eyot_answer answer = {"ask", "Ada"};
    if (eyot_run_sync(&run, engine, g, eyot_value_new_map(), &o, &e) != EYOT_ESUSPENDED) return false;
    eyot_run_free(run);
    o.answers = &answer;
    o.n_answers = 1;
    if (eyot_run_resume(&run, engine, g, o.run_id, &o, &e)) return false;
    bool good = eyot_run_wait(run, &e) == EYOT_OK;
    eyot_run_free(run);
    return good;
}

const golden_run golden_runs[] = {
    {"values", "every kind of value; tasks with and without an update", 1, values, one_life},
    {"routes", "edges taken always, by condition, otherwise, by name; items; a branch that is ended", 1, routes,
     one_life},
    {"loops", "stamps of loops inside loops; paths with every kind of part", 1, loops, one_life},
    {"failed", "a failed attempt, the status failed, a second life to the end", 1, two_ways, two_lives},
    {"half", "left where it failed", 1, two_ways, failed_life},
    {"cancelled", "the status cancelled", 1, cancelled, cancelled_life},
    {"frontier", "a snapshot of live, waiting and ended branches, in exit mode", 1, frontier, two_exits},
    {"bytes", "the codec bytes/1", 1, bytes, bytes_life},
    {"values-2", "tasks with times, with and without an update", 2, values, one_life},
    {"routes-2", "every kind of route, with times", 2, routes, one_life},
    {"loops-2", "stamps and paths, with times", 2, loops, one_life},
    {"cancelled-2", "the status cancelled", 2, cancelled, cancelled_life},
    {"bytes-2", "the codec bytes/1, with times", 2, bytes, bytes_life},
    {"waits-2", "failed attempts, questions, answers, sleeps, and a snapshot that tells of them", 2, golden_waits,
     golden_waits_life},
    {"failed-2", "a failed attempt, the status failed, a second life to the end", 2, two_ways, two_lives},
    {"asked-2", "a question, the status suspended, an answer in the next life", 2, asked, asked_life},
    {"values-3", "tasks that were told nothing; a seed", 3, values, one_life},
    {"routes-3", "every kind of route", 3, routes, one_life},
    {"loops-3", "stamps and paths", 3, loops, one_life},
    {"bytes-3", "the codec bytes/1", 3, bytes, bytes_life},
    {"frontier-3", "a snapshot of live, waiting and ended branches, in exit mode", 3, frontier, two_exits},
    {"waits-3", "what tasks were told, before waits and at their end, and a snapshot that tells of it", 3, golden_waits,
     golden_waits_life},
};
const size_t golden_run_count = sizeof golden_runs / sizeof *golden_runs;
