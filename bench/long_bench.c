/* SPDX-License-Identifier: MIT */
/* Long runs on every store. What is written in a run of 100,000 steps with a state of 64 KiB and small updates, beside what it would
 * be if every step wrote its whole state; and how long the latest checkpoint takes to load after 100, 10,000 and 1,000,000
 * steps, each with a tail of about 100 entries behind its newest snapshot; what playback and verify take per step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <eyot/copiers.h>
#include <eyot/replay.h>
#include <eyot/stores.h>

#include "bench/bench.h"
#include "bench/graphs.h"

enum {
    STATE_KEYS = 64, /* of 1 KiB each */
    STEPS = 100000,
    WHOLE_STEPS = 1000, /* of the run that writes its whole state */
    TAIL = 100,
    REPLAYED = 10000, /* steps of the run that is played, verified and forked */
    MAX_BEHIND = 4096
};

static eyot_error err;

typedef struct place {
    const char *name;
    char url[400];
    eyot_store *store;
    eyot_engine *engine;
} place;

/* ---- states and nodes ----------------------------------------------------------------------------------------------- */

static const char *text_of(size_t len)
{
    static char text[1025];
    memset(text, 't', len);
    text[len] = 0;
    return text;
}

static eyot_value *first_state(size_t keys)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "n", eyot_value_new_int(0));
    for (size_t i = 0; i < keys; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%zu", i);
        v = eyot_value_set(v, key, eyot_value_new_string(text_of(1010)));
    }
    return v;
}

static eyot_status small_step(eyot_task *task, void *user)
{
    (void)user;
    eyot_status status = eyot_task_set_int(task, "n", 1);
    return status ? status : eyot_task_set_string(task, "last", text_of(170));
}

/* The update is all of the state: what a store of whole states would write. */
static eyot_status whole_step(eyot_task *task, void *user)
{
    (void)user;
    eyot_value *all = eyot_value_ref(eyot_task_state(task));
    return eyot_task_update(task, eyot_value_set(all, "n", eyot_value_new_int(1)));
}

static eyot_status again(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)state, (void)user, (void)e;
    *taken = true; /* max_steps ends the run */
    return EYOT_OK;
}

static eyot_graph *loop_of(eyot_node_fn fn)
{
    eyot_graph *g = bench_graph(eyot_json());
    eyot_graph_node(g, "step", fn, NULL);
    eyot_graph_node(g, "end", bench_nothing, NULL);
    eyot_graph_edge_if(g, "step", "step", "again", again, NULL);
    eyot_graph_edge_otherwise(g, "step", "end");
    eyot_graph_reduce(g, "n", EYOT_ADD);
    bench_freeze(g);
    return g;
}

/* ---- runs ----------------------------------------------------------------------------------------------------------- */

static void expect_limit(eyot_run *run)
{
    if (eyot_run_wait(run, &err) != EYOT_ELIMIT) bench_must(EYOT_EFAILED, &err);
    eyot_run_free(run);
}

static eyot_run_options options_of(const char *id, uint64_t steps)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = id;
    o.max_steps = steps;
    o.durability = EYOT_ASYNC;
    o.max_behind = MAX_BEHIND;
    return o;
}

static double run_to(place *p, const eyot_graph *g, const char *id, size_t keys, uint64_t steps)
{
    eyot_run_options o = options_of(id, steps);
    eyot_run *run;
    uint64_t before = bench_now_ns();
    bench_must(eyot_run_start(&run, p->engine, g, first_state(keys), &o, &err), &err);
    expect_limit(run);
    return (double)(bench_now_ns() - before);
}

static void go_on_to(place *p, const eyot_graph *g, const char *id, uint64_t steps)
{
    eyot_run_options o = options_of(NULL, steps);
    eyot_run *run;
    bench_must(eyot_run_resume(&run, p->engine, g, id, &o, &err), &err);
    expect_limit(run);
}

typedef struct row {
    uint64_t head, steps, snapshot;
} row;

static eyot_status see_row(void *arg, const eyot_run_row *r)
{
    *(row *)arg = (row){r->head, r->steps, r->snapshot_seq};
    return EYOT_OK;
}

static row row_of(place *p, const char *id)
{
    row r = {0};
    bench_must(eyot_store_get_run(p->store, id, see_row, &r, &err), &err);
    return r;
}

/* ---- what is written -------------------------------------------------------------------------------------------------- */

typedef struct written {
    uint64_t last; /* seq */
    double entries, snapshots, first;
} written;

static eyot_status add_entry(void *arg, const eyot_entry *entry)
{
    written *w = arg;
    w->last = entry->seq;
    if (entry->seq == 1) w->first = (double)entry->body.n;
    if (entry->kind == EYOT_ENTRY_SNAPSHOT)
        w->snapshots += (double)entry->body.n;
    else
        w->entries += (double)(entry->body.n + entry->key.n);
    return EYOT_OK;
}

static written written_of(place *p, const char *id)
{
    written w = {0};
    void *self;
    const eyot_store_ops *ops = eyot_store_table(p->store, &self);
    for (uint64_t head = row_of(p, id).head; w.last < head;)
        bench_must(ops->list_entries(self, (eyot_bytes){id, strlen(id)}, w.last + 1, 500, true, add_entry, &w, &err),
                   &err);
    return w;
}

static void report(const place *p, const char *what, double value, const char *unit)
{
    char name[80];
    snprintf(name, sizeof name, "long_%s__%s", p->name, what);
    bench_value(name, value, unit);
}

static bool wanted(const place *p, const char *what)
{
    char name[80];
    snprintf(name, sizeof name, "long_%s__%s", p->name, what);
    return bench_wanted(name);
}

static void bench_bytes(place *p, const eyot_graph *small, const eyot_graph *whole)
{
    if (!wanted(p, "bytes")) return;
    double ns = run_to(p, small, "small", STATE_KEYS, STEPS);
    double whole_ns = run_to(p, whole, "whole", STATE_KEYS, WHOLE_STEPS);
    written w = written_of(p, "small"), x = written_of(p, "whole");
    double naive = x.entries / WHOLE_STEPS;
    report(p, "bytes_of_entries", w.entries / 1e6, "MB");
    report(p, "bytes_of_snapshots", w.snapshots / 1e6, "MB");
    report(p, "bytes_to_updates_and_snapshot", (w.entries + w.snapshots) / (2 * w.entries + w.first), "x of the bound");
    report(p, "bytes_of_whole_states", naive * STEPS / 1e6, "MB");
    report(p, "bytes_saved", naive * STEPS / (w.entries + w.snapshots), "x");
    report(p, "bytes_step", ns / STEPS / 1000, "us");
    report(p, "bytes_step_of_whole_states", whole_ns / WHOLE_STEPS / 1000, "us");
}

/* ---- the latest ------------------------------------------------------------------------------------------------------ */

typedef struct load {
    place *p;
    const eyot_graph *g;
    char id[24];
} load;

static void load_latest(void *arg)
{
    load *l = arg;
    eyot_checkpoint *c;
    bench_must(eyot_store_load_latest_checkpoint(&c, l->p->store, l->g, l->id, &err), &err);
    eyot_checkpoint_free(c);
}

/* A run of about so many steps, with TAIL entries behind its newest snapshot. */
static void prepare(load *l, uint64_t steps)
{
    place *p = l->p;
    snprintf(l->id, sizeof l->id, "run%llu", (unsigned long long)steps);
    (void)run_to(p, l->g, l->id, 0, steps);
    row before = row_of(p, l->id), r = before;
    while (r.head - r.snapshot > TAIL + 5 && r.snapshot == before.snapshot) {
        go_on_to(p, l->g, l->id, r.steps + 25);
        r = row_of(p, l->id);
    }
    if (r.head - r.snapshot < TAIL - 1) go_on_to(p, l->g, l->id, r.steps + TAIL - 1 - (r.head - r.snapshot));
}

static void bench_latest(place *p, const eyot_graph *g)
{
    static const uint64_t steps[] = {100, 10000, 1000000};
    double first = 0;
    if (!wanted(p, "load_latest")) return;
    for (size_t i = 0; i < 3; i++) {
        load l = {.p = p, .g = g};
        char name[80];
        prepare(&l, steps[i]);
        snprintf(name, sizeof name, "long_%s__load_latest_of_%llu", p->name, (unsigned long long)steps[i]);
        double ns = bench_time(name, 1, load_latest, &l);
        row r = row_of(p, l.id);
        printf("%-44s %10llu entries behind the snapshot, of %llu\n", name, (unsigned long long)(r.head - r.snapshot),
               (unsigned long long)r.head);
        snprintf(name, sizeof name, "long_%s__load_latest_of_%llu_to_100", p->name, (unsigned long long)steps[i]);
        if (i == 0) first = ns;
        if (i > 0) bench_ratio(name, ns, first, "the same");
    }
}

/* ---- looking back ---------------------------------------------------------------------------------------------------- */

static eyot_status pass(void *arg, const eyot_played_step *step)
{
    *(uint64_t *)arg += step->step;
    return EYOT_OK;
}

static void play(void *arg)
{
    load *l = arg;
    uint64_t sum = 0;
    bench_must(eyot_store_play(l->p->store, l->g, l->id, 0, pass, &sum, &err), &err);
}

static void verify(void *arg)
{
    load *l = arg;
    bench_must(eyot_run_verify(l->p->engine, l->g, l->id, NULL, NULL, &err), &err);
}

static void fork_it(void *arg)
{
    load *l = arg;
    eyot_fork_options hold = EYOT_FORK_OPTIONS_INIT;
    eyot_run *run;
    hold.flags = EYOT_FORK_HOLD;
    bench_must(eyot_run_fork(&run, l->p->engine, l->g, l->id, REPLAYED / 2, &hold, NULL, NULL, &err), &err);
}

static void bench_replay(place *p, const eyot_graph *g)
{
    load l = {.p = p, .g = g, .id = "replayed"};
    char name[80];
    if (!wanted(p, "replay")) return;
    (void)run_to(p, g, l.id, 0, REPLAYED);
    snprintf(name, sizeof name, "long_%s__replay_play", p->name);
    bench_time(name, REPLAYED, play, &l);
    snprintf(name, sizeof name, "long_%s__replay_verify", p->name);
    bench_time(name, REPLAYED, verify, &l);
    snprintf(name, sizeof name, "long_%s__replay_fork", p->name);
    bench_time(name, 1, fork_it, &l);
}

/* ---- the places ------------------------------------------------------------------------------------------------------ */

static void bench_place(place *p, const eyot_graph *small, const eyot_graph *whole)
{
    if (!wanted(p, "")) return;
    bench_must(eyot_store_open(&p->store, p->url, &err), &err);
    p->engine = bench_engine(p->store);
    bench_bytes(p, small, whole);
    bench_latest(p, small);
    bench_replay(p, small);
    eyot_engine_free(p->engine);
    eyot_store_close(p->store);
}

static void bench_server(const char *name, const char *variable, const eyot_graph *small, const eyot_graph *whole)
{
    place p = {.name = name};
    const char *server = getenv(variable);
    char heading[40];
    snprintf(heading, sizeof heading, "long_%s", name);
    if (!server) {
        char why[80];
        snprintf(why, sizeof why, "%s names no server: test/services.sh starts one", variable);
        bench_absent(heading, why);
        return;
    }
    snprintf(p.url, sizeof p.url, "%s%cprefix=long_%ld_", server, strchr(server, '?') ? '&' : '?', (long)getpid());
    bench_place(&p, small, whole);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    eyot_graph *small = loop_of(small_step), *whole = loop_of(whole_step);
    place memory = {.name = "memory", .url = "memory:"}, sqlite = {.name = "sqlite"};
    const char *dir = getenv("TMPDIR");
    snprintf(sqlite.url, sizeof sqlite.url, "%s/long-%ld.db", dir && *dir ? dir : ".", (long)getpid());
    bench_place(&memory, small, whole);
    bench_place(&sqlite, small, whole);
    if (wanted(&sqlite, "")) unlink(sqlite.url);
    bench_server("mysql", "EYOT_TEST_MYSQL", small, whole);
    bench_server("redis", "EYOT_TEST_REDIS", small, whole);
    bench_server("redis_cluster", "EYOT_TEST_REDIS_CLUSTER", small, whole);
    eyot_graph_free(small);
    eyot_graph_free(whole);
    return bench_end();
}
