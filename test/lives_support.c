/* SPDX-License-Identifier: MIT */
#include "test/lives.h"

#include "test/eyot_test.h"

eyot_run_options lives_options(eyot_durability durability)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "r";
    o.durability = durability;
    return o;
}

int64_t lives_sum(const eyot_run *run)
{
    const tally *state = eyot_run_state(run);
    return state ? state->sum : -1;
}

eyot_error lives_fail(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o, eyot_status want)
{
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), o, &e), want);
    CHECK_INT(eyot_run_status_of(run), EYOT_RUN_FAILED);
    CHECK(!eyot_run_state(run));
    eyot_run_free(run);
    return e;
}

eyot_run *lives_resume(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o)
{
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_run_resume(&run, engine, g, "r", o, &e)) test_fail(__FILE__, __LINE__, "resume: %s", e.text);
    if (eyot_run_wait(run, &e)) test_fail(__FILE__, __LINE__, "wait: %s", e.text);
    return run;
}

void lives_end(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o, int64_t sum)
{
    eyot_run *run = lives_resume(engine, g, o);
    CHECK_INT(lives_sum(run), sum);
    eyot_run_free(run);
}

eyot_graph *lives_chain(const eyot_copier *copier, eyot_node_fn a, eyot_node_fn b)
{
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, "chain", copier));
    eyot_graph_node(g, "a", a ? a : tally_add, &tally_numbers[1]);
    eyot_graph_node(g, "b", b ? b : tally_add, &tally_numbers[2]);
    eyot_graph_node(g, "c", tally_add, &tally_numbers[4]);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "b", "c");
    return tally_freeze(g);
}
