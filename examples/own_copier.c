/* SPDX-License-Identifier: MIT */
/* A plain C struct as the state, with a copier of its own: five functions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/copier.h>
#include <eyot/eyot.h>
#include <eyot/stores.h>

typedef struct stats { /* the state, and also the type of an update */
    int64_t seen;
    double sum;
} stats;

static eyot_status copy(const void *v, void **out, void *user)
{
    (void)user;
    *out = malloc(sizeof(stats));
    if (!*out) return EYOT_ENOMEM;
    memcpy(*out, v, sizeof(stats));
    return EYOT_OK;
}

static void drop(void *v, void *user)
{
    (void)user;
    free(v);
}

/* The bytes as they lie in memory: good for one kind of machine. A struct without padding, so equal values give equal bytes. */
static eyot_status encode(const void *v, eyot_buf *out, void *user)
{
    (void)user;
    return eyot_buf_add(out, v, sizeof(stats));
}

static eyot_status decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    if (len != sizeof(stats)) return eyot_error_set(e, EYOT_ECORRUPT, "%zu bytes are no stats", len);
    return copy(bytes, out, user);
}

static eyot_status apply(void **state, const void *update, eyot_error *e, void *user)
{
    (void)e;
    (void)user;
    stats *s = *state;
    const stats *u = update;
    s->seen += u->seen;
    s->sum += u->sum;
    return EYOT_OK;
}

static const eyot_copier stats_copier = {sizeof(eyot_copier),
                                         "stats/1",
                                         copy,
                                         drop,
                                         encode,
                                         decode,
                                         apply,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL,
                                         NULL};

static eyot_status measure(eyot_task *task, void *user)
{
    stats *update = calloc(1, sizeof *update);
    if (!update) return EYOT_ENOMEM;
    update->seen = 1;
    update->sum = *(double *)user;
    return eyot_task_update(task, update); /* taken, also on failure */
}

static eyot_status split(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    return EYOT_OK; /* no update: the branches go on with the same state */
}

int main(void)
{
    double left = 1.5, right = 2.5;
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *graph = NULL;
    eyot_store *store = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    stats *first = calloc(1, sizeof *first);

    if (eyot_graph_new(&graph, "measure", &stats_copier)) return 1;
    eyot_graph_node(graph, "split", split, NULL);
    eyot_graph_node(graph, "left", measure, &left);
    eyot_graph_node(graph, "right", measure, &right);
    eyot_graph_node(graph, "both", split, NULL);
    eyot_graph_edge(graph, "split", "left");
    eyot_graph_edge(graph, "split", "right");
    eyot_graph_edge(graph, "left", "both");
    eyot_graph_edge(graph, "right", "both");
    if (eyot_graph_freeze(graph, &e) || eyot_store_open(&store, "own_copier.db", &e)) goto done;
    options.store = store;
    if (eyot_engine_new(&engine, &options, &e)) goto done;
    eyot_status status = eyot_run_sync(&run, engine, graph, first, NULL, &e);
    first = NULL; /* taken, also on failure */
    if (status) goto done;
    const stats *end = eyot_run_state(run);
    printf("%lld measured, sum %.1f\n", (long long)end->seen, end->sum);
done:
    if (e.status) fprintf(stderr, "own_copier: %s\n", e.text);
    free(first);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(graph);
    return e.status != EYOT_OK;
}
