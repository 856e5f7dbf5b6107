/* SPDX-License-Identifier: MIT */
/* A fork, a join, and a run that is kept in hello.db. */
#include <stdio.h>

#include <eyot/copiers.h>
#include <eyot/eyot.h>
#include <eyot/stores.h>

static eyot_status count(eyot_task *task, void *user)
{
    const eyot_value *state = eyot_task_state(task);
    return eyot_task_set_int(task, "n", eyot_value_int(eyot_value_at(state, "step"), 0) + *(int *)user);
}

int main(void)
{
    int one = 1, ten = 10;
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *graph = NULL;
    eyot_store *store = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;

    if (eyot_graph_new(&graph, "hello", eyot_json())) return 1;
    eyot_graph_reduce(graph, "n", EYOT_ADD);
    eyot_graph_node(graph, "start", count, &one); /* the first node added is the start */
    eyot_graph_node(graph, "left", count, &ten);
    eyot_graph_node(graph, "right", count, &ten);
    eyot_graph_node(graph, "sum", count, &one); /* two in-edges: it joins */
    eyot_graph_edge(graph, "start", "left");
    eyot_graph_edge(graph, "start", "right");
    eyot_graph_edge(graph, "left", "sum");
    eyot_graph_edge(graph, "right", "sum");
    if (eyot_graph_freeze(graph, &e) || eyot_store_open(&store, "hello.db", &e)) goto done;
    options.store = store;
    if (eyot_engine_new(&engine, &options, &e)) goto done;
    if (eyot_run_sync(&run, engine, graph, eyot_json_parse("{\"step\":1}", &e), NULL, &e)) goto done;
    printf("n = %lld\n", (long long)eyot_value_int(eyot_value_at(eyot_run_state(run), "n"), -1));
done:
    if (e.status) fprintf(stderr, "hello: %s\n", e.text);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(graph);
    return e.status != EYOT_OK;
}
