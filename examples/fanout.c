/* SPDX-License-Identifier: MIT */
/* A map and its reduce: one branch per number, a pipeline of two nodes in each, one join. Nothing is kept. */
#include <stdio.h>

#include <eyot/copiers.h>
#include <eyot/eyot.h>

enum { NUMBERS = 1000 };

static eyot_status split(eyot_task *task, void *user)
{
    (void)user;
    for (int i = 1; i <= NUMBERS; i++) {
        eyot_value *item = eyot_value_set(eyot_value_new_map(), "number", eyot_value_new_int(i));
        eyot_status status = item ? eyot_task_send(task, "square", item) : EYOT_ENOMEM;
        if (status) return status;
    }
    return EYOT_OK;
}

static eyot_status square(eyot_task *task, void *user)
{
    (void)user;
    int64_t n = eyot_value_int(eyot_value_at(eyot_task_state(task), "number"), 0);
    return eyot_task_set_int(task, "number", n * n);
}

static eyot_status add(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_int(task, "sum", eyot_value_int(eyot_value_at(eyot_task_state(task), "number"), 0));
}

static eyot_status total(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_bool(task, "done", true); /* by now `sum` holds what all branches have added */
}

int main(void)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *graph = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_node_options each = EYOT_NODE_OPTIONS_INIT;
    each.flags = EYOT_NODE_EACH;

    if (eyot_graph_new(&graph, "fanout", eyot_json())) return 1;
    eyot_graph_node(graph, "split", split, NULL);
    eyot_graph_node(graph, "square", square, NULL);       /* items are sent to it: it runs once per item */
    eyot_graph_node_with(graph, "add", add, NULL, &each); /* goes on once per branch; without it, it would join */
    eyot_graph_node(graph, "total", total, NULL);         /* joins */
    eyot_graph_edge_each(graph, "split", "square");
    eyot_graph_edge(graph, "square", "add");
    eyot_graph_edge(graph, "add", "total");
    eyot_graph_reduce(graph, "number", EYOT_LOCAL); /* belongs to its branch */
    eyot_graph_reduce(graph, "sum", EYOT_ADD);
    if (eyot_graph_freeze(graph, &e) || eyot_engine_new(&engine, NULL, &e)) goto done;
    if (eyot_run_sync(&run, engine, graph, eyot_value_new_map(), NULL, &e)) goto done;
    char *text = eyot_json_print(eyot_run_state(run), &e);
    if (text) printf("%s after %llu tasks\n", text, (unsigned long long)eyot_run_steps(run));
    eyot_free(text);
done:
    if (e.status) fprintf(stderr, "fanout: %s\n", e.text);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(graph);
    return e.status != EYOT_OK;
}
