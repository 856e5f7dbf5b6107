/* SPDX-License-Identifier: MIT */
/* What the engine itself costs: nodes do nothing, nothing is kept, and making, running and freeing a run is all measured.
 * The yardstick is a oneTBB flow graph of the same shape. Then: what a second thread brings to tasks of a millisecond, and
 * the memory of a live branch. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <eyot/copiers.h>

#include "bench/bench.h"
#include "bench/engine_tbb.h"
#include "bench/graphs.h"

typedef struct subject {
    eyot_engine *engine;
    eyot_graph *graph;
    eyot_run_options options;
} subject;

static subject subject_of(eyot_engine *engine, eyot_graph *frozen)
{
    subject s = {.engine = engine, .graph = frozen, .options = EYOT_RUN_OPTIONS_INIT};
    s.options.max_steps = 10000000;
    return s;
}

static void run_once(void *arg)
{
    subject *s = arg;
    bench_run(s->engine, s->graph, bench_note_new(0, 0), &s->options);
}

/* ---- shapes, each as ours and as the yardstick's ---------------------------------------------------------------- */

static eyot_graph *chain(size_t n, const eyot_copier *copier, eyot_node_fn fn)
{
    eyot_graph *g = bench_graph(copier);
    for (size_t i = 0; i < n; i++) {
        bench_node(g, "n", i, fn, NULL);
        if (i > 0) bench_edge(g, "n", i - 1, "n", i);
    }
    bench_freeze(g);
    return g;
}

static eyot_graph *wavefront(size_t side)
{
    eyot_graph *g = bench_graph(&bench_notes);
    for (size_t i = 0; i < side * side; i++) bench_node(g, "n", i, bench_nothing, NULL);
    for (size_t i = 0; i < side * side; i++) {
        if (i % side + 1 < side) bench_edge(g, "n", i, "n", i + 1);
        if (i + side < side * side) bench_edge(g, "n", i, "n", i + side);
    }
    bench_freeze(g);
    return g;
}

#if HAVE_TBB

static tbb_yardstick *tbb_chain(size_t n)
{
    tbb_yardstick *y = tbb_yardstick_new(n);
    for (size_t i = 1; i < n; i++) tbb_yardstick_edge(y, i - 1, i);
    return y;
}

static tbb_yardstick *tbb_fan(size_t n)
{
    tbb_yardstick *y = tbb_yardstick_new(n + 2);
    for (size_t i = 1; i <= n; i++) {
        tbb_yardstick_edge(y, 0, i);
        tbb_yardstick_edge(y, i, n + 1);
    }
    return y;
}

static tbb_yardstick *tbb_wavefront(size_t side)
{
    tbb_yardstick *y = tbb_yardstick_new(side * side);
    for (size_t i = 0; i < side * side; i++) {
        if (i % side + 1 < side) tbb_yardstick_edge(y, i, i + 1);
        if (i + side < side * side) tbb_yardstick_edge(y, i, i + side);
    }
    return y;
}

/* Both run every node exactly once per run, or they are not the same work. */
static void check_calls(tbb_yardstick *y, size_t nodes)
{
    size_t before = tbb_yardstick_calls(y);
    tbb_yardstick_run(y);
    if (tbb_yardstick_calls(y) - before == nodes) return;
    fprintf(stderr, "engine_bench: the yardstick ran %zu nodes of %zu\n", tbb_yardstick_calls(y) - before, nodes);
    exit(1);
}

#endif

typedef enum shape { CHAIN, FAN, WAVEFRONT } shape;

static eyot_graph *make_graph(shape kind, size_t n)
{
    return kind == CHAIN ? chain(n, &bench_notes, bench_nothing)
           : kind == FAN ? bench_fan(n, bench_nothing)
                         : wavefront(n);
}

static void overhead(eyot_engine *engine, const char *name, shape kind, size_t n, const char *goal)
{
    char yardstick[80], ratio[80];
    snprintf(yardstick, sizeof yardstick, "%s__tbb", name);
    snprintf(ratio, sizeof ratio, "%s__over_tbb", name);
    if (!bench_wanted(name) && !bench_wanted(yardstick)) return;
    subject s = subject_of(engine, make_graph(kind, n));
#if HAVE_TBB
    tbb_yardstick *y = kind == CHAIN ? tbb_chain(n) : kind == FAN ? tbb_fan(n) : tbb_wavefront(n);
    check_calls(y, eyot_graph_node_count(s.graph));
    bench_way ways[] = {{.name = name, .ops = 1, .fn = run_once, .arg = &s},
                        {.name = yardstick, .ops = 1, .fn = tbb_yardstick_run, .arg = y}};
    bench_in_turn(ways, 2);
    bench_quotient(ratio, &ways[0], &ways[1], goal);
    tbb_yardstick_free(y);
#else
    (void)goal;
    bench_time(name, 1, run_once, &s);
    bench_absent(yardstick, "this build has no oneTBB");
#endif
    eyot_graph_free(s.graph);
}

static void bench_overhead(eyot_engine *engine)
{
    overhead(engine, "engine_chain_3", CHAIN, 3, NULL);
    overhead(engine, "engine_chain_100", CHAIN, 100, "<= 1.2");
    overhead(engine, "engine_fan_4", FAN, 4, "<= 2.5");
    overhead(engine, "engine_fan_100", FAN, 100, "<= 1.6");
    overhead(engine, "engine_fan_10000", FAN, 10000, "<= 1.7");
    overhead(engine, "engine_fan_100000", FAN, 100000, NULL);
    overhead(engine, "engine_fan_1000000", FAN, 1000000, NULL);
    overhead(engine, "engine_wavefront_100x100", WAVEFRONT, 100, "<= 2");
}

/* ---- tasks that change their state ------------------------------------------------------------------------------- */

static eyot_status count_json(eyot_task *task, void *user)
{
    (void)user;
    const eyot_value *state = (const eyot_value *)eyot_task_state(task);
    return eyot_task_set_int(task, "count", eyot_value_int(eyot_value_at(state, "count"), 0) + 1);
}

static void run_json(void *arg)
{
    subject *s = arg;
    eyot_error e;
    eyot_run *run;
    eyot_value *state = eyot_value_set(eyot_value_new_map(), "count", eyot_value_new_int(0));
    state = eyot_value_set(state, "text", eyot_value_new_string("a short string"));
    bench_must(eyot_run_sync(&run, s->engine, s->graph, state, &s->options, &e), &e);
    if (eyot_value_int(eyot_value_at((const eyot_value *)eyot_run_state(run), "count"), 0) != 100) exit(1);
    eyot_run_free(run);
}

static void bench_updates(eyot_engine *engine)
{
    subject plain = subject_of(engine, chain(100, &bench_notes, bench_count));
    bench_time("engine_chain_100__updates", 1, run_once, &plain);
    eyot_graph_free(plain.graph);
    subject json = subject_of(engine, chain(100, eyot_json(), count_json));
    bench_time("engine_chain_100__json_updates", 1, run_json, &json);
    eyot_graph_free(json.graph);
}

/* ---- two threads ------------------------------------------------------------------------------------------------ */

static uint64_t rounds_per_ms;

static uint64_t spin(uint64_t rounds)
{
    uint64_t x = 88172645463325252u;
    for (uint64_t i = 0; i < rounds; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

/* The same work whatever else the machine does: the best of some tries counts. */
static void calibrate(void)
{
    enum { ROUNDS = 1000000 };
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t before = bench_now_ns();
        if (spin(ROUNDS) == 0) abort(); /* it never is; the compiler does not know */
        uint64_t took = bench_now_ns() - before;
        if (took < best) best = took;
    }
    rounds_per_ms = (uint64_t)ROUNDS * 1000000u / best;
}

static eyot_status work_1ms(eyot_task *task, void *user)
{
    (void)user;
    return spin(rounds_per_ms) ? EYOT_OK : eyot_task_fail(task, "xorshift came to 0");
}

static void bench_threads(eyot_engine *engine)
{
    static const struct {
        const char *name;
        eyot_strategy strategy;
    } ways[] = {{"adaptive", EYOT_ADAPTIVE}, {"parallel", EYOT_PARALLEL}};
    if (!bench_wanted("engine_100_tasks_of_1ms")) return;
    calibrate();
    eyot_graph *g = bench_fan(100, work_1ms);
    for (size_t i = 0; i < 2; i++) {
        char one[80], two[80], ratio[80];
        snprintf(one, sizeof one, "engine_100_tasks_of_1ms__%s_1", ways[i].name);
        snprintf(two, sizeof two, "engine_100_tasks_of_1ms__%s_2", ways[i].name);
        snprintf(ratio, sizeof ratio, "engine_100_tasks_of_1ms__%s_speedup", ways[i].name);
        subject a = subject_of(engine, g), b = a;
        a.options.strategy = b.options.strategy = ways[i].strategy;
        a.options.max_parallel = 1;
        b.options.max_parallel = 2;
        bench_way both[] = {{.name = one, .ops = 1, .fn = run_once, .arg = &a},
                            {.name = two, .ops = 1, .fn = run_once, .arg = &b}};
        bench_in_turn(both, 2);
        bench_quotient(ratio, &both[0], &both[1], ">= 1.9");
    }
    eyot_graph_free(g);
}

/* ---- memory of a live branch ------------------------------------------------------------------------------------ */

enum { BRANCHES = 100000 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t all;
    eyot_task *pending[BRANCHES];
    size_t n;
    bench_note *note;           /* one, to be weighed */
    uint64_t at_first, at_last; /* heap bytes when the first and the last leg ran */
} live = {.lock = PTHREAD_MUTEX_INITIALIZER, .all = PTHREAD_COND_INITIALIZER};

static eyot_status wait_outside(eyot_task *task, void *user)
{
    (void)user;
    pthread_mutex_lock(&live.lock);
    live.pending[live.n++] = task;
    if (live.n == BRANCHES) pthread_cond_signal(&live.all);
    pthread_mutex_unlock(&live.lock);
    return EYOT_PENDING;
}

static eyot_status look(eyot_task *task, void *user)
{
    (void)task, (void)user;
    pthread_mutex_lock(&live.lock);
    if (live.n++ == 0) live.at_first = bench_heap_bytes();
    if (live.n == BRANCHES) live.at_last = bench_heap_bytes();
    pthread_mutex_unlock(&live.lock);
    return EYOT_OK;
}

static void per_branch(const char *name, uint64_t now, uint64_t before, size_t notes)
{
    double users = (double)notes * (double)(malloc_usable_size(live.note) + sizeof(size_t));
    bench_value(name, ((double)now - (double)before) / BRANCHES - users, "B");
}

/* A fresh engine each time: one that has worked keeps memory for its next runs. */
static void bench_pending(eyot_graph *g, const char *name, size_t notes)
{
    eyot_error e;
    eyot_run *run;
    eyot_engine *engine = bench_engine(NULL);
    live.n = 0;
    uint64_t before = bench_heap_bytes();
    bench_must(eyot_run_start(&run, engine, g, bench_note_new(0, 0), NULL, &e), &e);
    pthread_mutex_lock(&live.lock);
    while (live.n < BRANCHES) pthread_cond_wait(&live.all, &live.lock);
    pthread_mutex_unlock(&live.lock);
    per_branch(name, bench_heap_bytes(), before, notes);
    for (size_t i = 0; i < BRANCHES; i++) bench_must(eyot_task_complete(live.pending[i], EYOT_OK), NULL);
    bench_must(eyot_run_wait(run, &e), &e);
    eyot_run_free(run);
    eyot_graph_free(g);
    eyot_engine_free(engine);
}

static eyot_status send_all(eyot_task *task, void *user)
{
    (void)user;
    for (size_t i = 0; i < BRANCHES; i++) {
        eyot_status status = eyot_task_send(task, "leg0", bench_note_new(i, 1));
        if (status) return status;
    }
    return EYOT_OK;
}

static eyot_graph *sending(eyot_node_fn leg)
{
    eyot_graph *g = bench_graph(&bench_notes);
    bench_node(g, "start", 0, send_all, NULL);
    bench_node(g, "leg", 0, leg, NULL);
    bench_node(g, "join", 0, bench_nothing, NULL);
    eyot_graph_edge_each(g, "start0", "leg0");
    bench_edge(g, "leg", 0, "join", 0);
    bench_freeze(g);
    return g;
}

/* Branches of a plain fan share one state. One that was sent has a state of its own and its item, which are the user's. */
static void bench_memory(void)
{
    if (!bench_wanted("engine_memory")) return;
    live.note = bench_note_new(0, 0);
    bench_pending(bench_fan(BRANCHES, wait_outside), "engine_memory__pending_branch", 0);
    bench_pending(sending(wait_outside), "engine_memory__sent_pending_branch", 2);
    eyot_engine *engine = bench_engine(NULL);
    eyot_graph *g = bench_fan(BRANCHES, look);
    eyot_run_options options = EYOT_RUN_OPTIONS_INIT;
    options.max_parallel = 1;
    live.n = 0;
    uint64_t before = bench_heap_bytes();
    bench_run(engine, g, bench_note_new(0, 0), &options);
    per_branch("engine_memory__ready_branch", live.at_first, before, 0);
    per_branch("engine_memory__branch_waiting_at_join", live.at_last, before, 0);
    per_branch("engine_memory__kept_for_the_next_run", bench_heap_bytes(), before, 0);
    printf("%-44s %10s at most 256 B beside the user's state\n", "engine_memory", "goal");
    eyot_graph_free(g);
    eyot_engine_free(engine);
    free(live.note);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    eyot_engine *engine = bench_engine(NULL);
    bench_overhead(engine);
    bench_updates(engine);
    bench_threads(engine);
    bench_memory();
    eyot_engine_free(engine);
    return bench_end();
}
