/* SPDX-License-Identifier: MIT */
/* A program outside the project, in the C that is C++17 too: a graph that forks and joins, kept in memory. */
#include <stdio.h>
#include <string.h>

#include <eyot/copiers.h>
#include <eyot/eyot.h>
#include <eyot/stores.h>

static eyot_status add(eyot_task *task, void *n)
{
    return eyot_task_set_int(task, "n", *(const int *)n);
}

static eyot_graph *make_graph(int *one, eyot_error *e)
{
    eyot_graph *g = NULL;
    if (eyot_graph_new(&g, "consumer", eyot_json()) != EYOT_OK) return NULL;
    eyot_graph_reduce(g, "n", EYOT_ADD);
    eyot_graph_node(g, "start", add, one);
    eyot_graph_node(g, "left", add, one);
    eyot_graph_node(g, "right", add, one);
    eyot_graph_node(g, "sum", add, one);
    eyot_graph_edge(g, "start", "left");
    eyot_graph_edge(g, "start", "right");
    eyot_graph_edge(g, "left", "sum");
    eyot_graph_edge(g, "right", "sum");
    if (eyot_graph_freeze(g, e) == EYOT_OK) return g;
    eyot_graph_free(g);
    return NULL;
}

int main(void)
{
    int one = 1;
    int64_t n = 0;
    char header[32];
    eyot_error e;
    eyot_store *store = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    memset(&e, 0, sizeof e);
    eyot_graph *g = make_graph(&one, &e);
    if (!g || eyot_store_open(&store, "memory:", &e) != EYOT_OK) goto done;
    options.store = store;
    options.threads = 2;
    if (eyot_engine_new(&engine, &options, &e) != EYOT_OK) goto done;
    if (eyot_run_sync(&run, engine, g, eyot_value_new_map(), NULL, &e) != EYOT_OK) goto done;
    n = eyot_value_int(eyot_value_at((const eyot_value *)eyot_run_state(run), "n"), 0);
done:
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    snprintf(header, sizeof header, "%d.%d.%d", EYOT_VERSION_MAJOR, EYOT_VERSION_MINOR, EYOT_VERSION_PATCH);
    printf("eyot %s\n", eyot_version());
    if (n != 4) printf("n is %lld: %s\n", (long long)n, e.text);
    return n != 4 || strcmp(header, eyot_version()) != 0;
}
