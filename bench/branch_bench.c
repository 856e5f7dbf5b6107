/* SPDX-License-Identifier: MIT */
/* What a branch costs where many of them meet: ns per branch must not grow with their number, in whatever way the join
 * learns that it is complete. What grows all the same is the share of the memory that the caches do not hold; the oneTBB
 * fans of engine_bench show how much of it is not ours. */
#include <stdio.h>
#include <stdlib.h>

#include <eyot/copiers.h>

#include "bench/bench.h"
#include "bench/graphs.h"

static const bool always = true, never = false;

typedef struct subject {
    eyot_engine *engine;
    eyot_graph *graph;
    size_t n;
    uint64_t expected; /* the final counter */
    uint64_t peak;     /* heap bytes, where a node looks */
} subject;

static void must_be(uint64_t count, uint64_t expected)
{
    if (count == expected) return;
    fprintf(stderr, "branch_bench: counted %llu, expected %llu\n", (unsigned long long)count,
            (unsigned long long)expected);
    exit(1);
}

static eyot_run_options far_limit(void)
{
    eyot_run_options options = EYOT_RUN_OPTIONS_INIT;
    options.max_steps = 100000000;
    return options;
}

static void run_once(void *arg)
{
    subject *s = arg;
    eyot_run_options options = far_limit();
    must_be(bench_run(s->engine, s->graph, bench_note_new(0, 0), &options), s->expected);
}

static void run_json(void *arg)
{
    subject *s = arg;
    eyot_error e;
    eyot_run *run;
    eyot_run_options options = far_limit();
    bench_must(eyot_run_sync(&run, s->engine, s->graph, eyot_value_new_map(), &options, &e), &e);
    const eyot_value *state = (const eyot_value *)eyot_run_state(run);
    must_be(eyot_value_count(eyot_value_at(state, "items")), s->expected);
    must_be(eyot_value_uint(eyot_value_at(state, "sum"), 0), s->expected);
    eyot_run_free(run);
}

/* ---- graphs with a fan-in of s->n -------------------------------------------------------------------------------- */

static size_t *keys; /* 0, 1, 2 …: a key of its own per leg */

static void fan_plain(subject *s)
{
    s->graph = bench_fan(s->n, bench_nothing);
}

/* Each branch gives an update with a key of its own: the join merges n updates and checks n keys for conflicts. */
static void fan_updates(subject *s)
{
    eyot_graph *g = s->graph = bench_graph(&bench_keyed_notes);
    bench_node(g, "start", 0, bench_nothing, NULL);
    for (size_t i = 0; i < s->n; i++) {
        bench_node(g, "leg", i, bench_count, &keys[i]);
        bench_edge(g, "start", 0, "leg", i);
        bench_edge(g, "leg", i, "join", 0);
    }
    bench_node(g, "join", 0, bench_nothing, NULL);
    s->expected = s->n;
}

static eyot_status send_all(eyot_task *task, void *user)
{
    const subject *s = user;
    for (size_t i = 0; i < s->n; i++) {
        eyot_status status = eyot_task_send(task, "leg0", bench_note_new(i, 1));
        if (status) return status;
    }
    return EYOT_OK;
}

static void sends(subject *s)
{
    eyot_graph *g = s->graph = bench_graph(&bench_keyed_notes);
    bench_node(g, "start", 0, send_all, s);
    bench_node(g, "leg", 0, bench_nothing, NULL);
    bench_node(g, "join", 0, bench_nothing, NULL);
    eyot_graph_edge_each(g, "start0", "leg0");
    bench_edge(g, "leg", 0, "join", 0);
    s->expected = s->n;
}

/* The bundled values: each branch appends its item to an array and adds to a sum. */
static eyot_status append_value(eyot_task *task, void *user)
{
    eyot_value *item = eyot_value_append(eyot_value_new_array(), eyot_value_new_uint(*(const size_t *)user));
    eyot_status status = eyot_task_set_value(task, "items", item);
    return status ? status : eyot_task_set_int(task, "sum", 1);
}

static void fan_json(subject *s)
{
    eyot_graph *g = s->graph = bench_graph(eyot_json());
    bench_node(g, "start", 0, bench_nothing, NULL);
    for (size_t i = 0; i < s->n; i++) {
        bench_node(g, "leg", i, append_value, &keys[i]);
        bench_edge(g, "start", 0, "leg", i);
        bench_edge(g, "leg", i, "join", 0);
    }
    bench_node(g, "join", 0, bench_nothing, NULL);
    eyot_graph_reduce(g, "items", EYOT_APPEND);
    eyot_graph_reduce(g, "sum", EYOT_ADD);
    s->expected = s->n;
}

/* Every other leg is not taken at all: the join cannot count, it must find out. */
static void fan_half_taken(subject *s)
{
    eyot_graph *g = s->graph = bench_graph(&bench_notes);
    bench_node(g, "start", 0, bench_nothing, NULL);
    for (size_t i = 0; i < s->n; i++) {
        bench_node(g, "leg", i, bench_nothing, NULL);
        bench_edge_if(g, "start", 0, "leg", i, i % 2 ? &never : &always);
        bench_edge(g, "leg", i, "join", 0);
    }
    bench_node(g, "join", 0, bench_nothing, NULL);
}

/* All legs run, every other one goes elsewhere, after branches wait at the join already. */
static void fan_half_arrives(subject *s)
{
    eyot_graph *g = s->graph = bench_graph(&bench_notes);
    bench_node(g, "start", 0, bench_nothing, NULL);
    for (size_t i = 0; i < s->n; i++) {
        bench_node(g, "leg", i, bench_nothing, NULL);
        bench_edge(g, "start", 0, "leg", i);
        bench_edge_if(g, "leg", i, "join", 0, i % 2 ? &never : &always);
        bench_edge_if(g, "leg", i, "aside", 0, i % 2 ? &always : &never);
    }
    bench_node(g, "join", 0, bench_nothing, NULL);
    bench_node(g, "aside", 0, bench_nothing, NULL);
}

/* n diamonds side by side, of each of which one leg is not taken; a late branch that could still go to each of the joins,
 * and does not, makes all n wait at once. */
static void diamonds(subject *s)
{
    eyot_graph *g = s->graph = bench_graph(&bench_notes);
    bench_node(g, "start", 0, bench_nothing, NULL);
    for (size_t i = 0; i < s->n; i++) {
        bench_node(g, "fork", i, bench_nothing, NULL);
        bench_node(g, "left", i, bench_nothing, NULL);
        bench_node(g, "right", i, bench_nothing, NULL);
        bench_node(g, "join", i, bench_nothing, NULL);
        bench_edge(g, "start", 0, "fork", i);
        bench_edge_if(g, "fork", i, "left", i, &always);
        bench_edge_if(g, "fork", i, "right", i, &never);
        bench_edge(g, "left", i, "join", i);
        bench_edge(g, "right", i, "join", i);
        bench_edge_if(g, "late", 3, "join", i, &never);
        bench_edge(g, "join", i, "end", 0);
    }
    for (size_t i = 0; i < 4; i++) bench_node(g, "late", i, bench_nothing, NULL);
    bench_edge(g, "start", 0, "late", 0);
    for (size_t i = 1; i < 4; i++) bench_edge(g, "late", i - 1, "late", i);
    bench_edge(g, "late", 3, "end", 0);
    bench_node(g, "end", 0, bench_nothing, NULL);
}

/* ---- a loop whose iterations fork and join ------------------------------------------------------------------------ */

static eyot_status again(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)e;
    *taken = ((const bench_note *)state)->count < ((const subject *)user)->expected;
    return EYOT_OK;
}

/* Looks at the memory often in the beginning and then once in 1,000 times. */
static eyot_status look(eyot_task *task, void *user)
{
    subject *s = user;
    uint64_t count = ((const bench_note *)eyot_task_state(task))->count;
    if (count % 1000 == 0 || (count < 10000 && count % 10 == 0)) {
        uint64_t bytes = bench_heap_bytes();
        if (bytes > s->peak) s->peak = bytes;
    }
    return EYOT_OK;
}

static void loop(subject *s, bool looking)
{
    eyot_graph *g = s->graph = bench_graph(&bench_keyed_notes);
    bench_node(g, "head", 0, bench_nothing, NULL);
    bench_node(g, "side", 0, bench_count, &keys[0]);
    bench_node(g, "side", 1, bench_count, &keys[1]);
    bench_node(g, "tail", 0, looking ? look : bench_nothing, s);
    bench_node(g, "end", 0, bench_nothing, NULL);
    for (size_t i = 0; i < 2; i++) {
        bench_edge(g, "head", 0, "side", i);
        bench_edge(g, "side", i, "tail", 0);
    }
    s->expected = 2 * s->n;
    eyot_graph_edge_if(g, "tail0", "head0", "again", again, s);
    eyot_graph_edge_otherwise(g, "tail0", "end0");
    bench_freeze(g);
}

static void bench_loop(size_t few, size_t many)
{
    const size_t n[2] = {few, many};
    double ns[2], peak[2];
    if (!bench_wanted("branch_loop")) return;
    for (size_t i = 0; i < 2; i++) {
        char name[80];
        subject s = {.n = n[i], .engine = bench_engine(NULL)};
        loop(&s, true);
        uint64_t before = bench_heap_bytes();
        run_once(&s);
        eyot_graph_free(s.graph);
        eyot_engine_free(s.engine);
        peak[i] = (double)(s.peak - before);
        snprintf(name, sizeof name, "branch_loop__peak_in_%zu", n[i]);
        bench_value(name, peak[i], "B");
        s = (subject){.n = n[i], .engine = bench_engine(NULL)};
        loop(&s, false);
        snprintf(name, sizeof name, "branch_loop__%zu", n[i]);
        ns[i] = bench_time(name, (double)n[i], run_once, &s);
        eyot_graph_free(s.graph);
        eyot_engine_free(s.engine);
    }
    bench_ratio("branch_loop__peak_growth", peak[1], peak[0], "<= 1.1");
    bench_ratio("branch_loop__growth", ns[1], ns[0], NULL);
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*make)(subject *s);
    void (*run)(void *arg);
} variants[] = {
    {"branch_fan", fan_plain, run_once},
    {"branch_updates", fan_updates, run_once},
    {"branch_json_updates", fan_json, run_json},
    {"branch_sends", sends, run_once},
    {"branch_half_taken", fan_half_taken, run_once},
    {"branch_half_arrives", fan_half_arrives, run_once},
    {"branch_diamonds", diamonds, run_once},
};

static void bench_variant(size_t variant)
{
    static const size_t sizes[] = {100, 10000, 1000000};
    char name[80];
    double ns[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s__%zu", variants[variant].name, sizes[i]);
        if (!bench_wanted(name)) continue;
        subject s = {.n = sizes[i], .engine = bench_engine(NULL)};
        variants[variant].make(&s);
        bench_freeze(s.graph);
        ns[i] = bench_time(name, (double)s.n, variants[variant].run, &s);
        eyot_graph_free(s.graph);
        eyot_engine_free(s.engine);
    }
    snprintf(name, sizeof name, "%s__10000_over_100", variants[variant].name);
    bench_ratio(name, ns[1], ns[0], NULL);
    snprintf(name, sizeof name, "%s__1000000_over_10000", variants[variant].name);
    bench_ratio(name, ns[2], ns[1], NULL);
}

int main(int argc, char **argv)
{
    enum { MOST = 1000000 };
    bench_begin(argc, argv);
    keys = malloc(MOST * sizeof *keys);
    if (!keys) bench_must(EYOT_ENOMEM, NULL);
    for (size_t i = 0; i < MOST; i++) keys[i] = i;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) bench_variant(i);
    bench_loop(1000, 1000000);
    free(keys);
    return bench_end();
}
