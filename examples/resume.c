/* SPDX-License-Identifier: MIT */
/* A run that fails half-way and goes on where it stopped: what is committed never runs again.
 * The tool that `pack` needs is missing in the first life of the run and there in the second. */
#include <stdio.h>

#include <eyot/copiers.h>
#include <eyot/eyot.h>
#include <eyot/stores.h>

static bool tool_is_there;

static eyot_status fetch(eyot_task *task, void *user)
{
    printf("%s runs\n", eyot_task_key(task));
    return eyot_task_set_string(task, "fetched", user);
}

static eyot_status pack(eyot_task *task, void *user)
{
    (void)user;
    printf("%s runs\n", eyot_task_key(task));
    if (!tool_is_there) return eyot_task_fail(task, "no tool to pack with");
    return eyot_task_set_bool(task, "packed", true);
}

static eyot_status ship(eyot_task *task, void *user)
{
    (void)user;
    printf("%s runs\n", eyot_task_key(task));
    return eyot_task_set_bool(task, "shipped", true);
}

int main(void)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *graph = NULL;
    eyot_store *store = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options first = EYOT_RUN_OPTIONS_INIT;
    char parcel[] = "a parcel";

    if (eyot_graph_new(&graph, "resume", eyot_json())) return 1;
    eyot_graph_node(graph, "fetch", fetch, parcel);
    eyot_graph_node(graph, "pack", pack, NULL);
    eyot_graph_node(graph, "ship", ship, NULL);
    eyot_graph_edge(graph, "fetch", "pack");
    eyot_graph_edge(graph, "pack", "ship");
    if (eyot_graph_freeze(graph, &e) || eyot_store_open(&store, "resume.db", &e)) goto done;
    options.store = store;
    if (eyot_engine_new(&engine, &options, &e)) goto done;

    first.run_id = "parcel-1";
    if (!eyot_run_sync(&run, engine, graph, eyot_value_new_map(), &first, &e)) goto done;
    printf("run %s: %s\n", first.run_id, e.text);
    if (!run) goto done; /* it could not even start */
    eyot_run_free(run);
    e.status = EYOT_OK;

    tool_is_there = true;
    if (eyot_run_resume(&run, engine, graph, first.run_id, NULL, &e) || eyot_run_wait(run, &e)) goto done;
    char *text = eyot_json_print(eyot_run_state(run), &e);
    if (text) printf("%s\n", text);
    eyot_free(text);
done:
    if (e.status) fprintf(stderr, "resume: %s\n", e.text);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(graph);
    return e.status != EYOT_OK;
}
