/* SPDX-License-Identifier: MIT */
#include "bench/graphs.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_must(eyot_status status, const eyot_error *e)
{
    if (!status) return;
    fprintf(stderr, "bench: %s: %s\n", eyot_status_name(status), e ? e->text : eyot_status_text(status));
    exit(1);
}

/* ---- states ----------------------------------------------------------------------------------------------------- */

bench_note *bench_note_new(uint64_t key, uint64_t count)
{
    bench_note *note = malloc(sizeof *note);
    if (!note) bench_must(EYOT_ENOMEM, NULL);
    *note = (bench_note){.key = key, .count = count, .text = "a short string"};
    return note;
}

static eyot_status note_copy(const void *v, void **out, void *user)
{
    (void)user;
    bench_note *copy = malloc(sizeof *copy);
    if (!copy) return EYOT_ENOMEM;
    *copy = *(const bench_note *)v;
    *out = copy;
    return EYOT_OK;
}

static void note_free(void *v, void *user)
{
    (void)user;
    free(v);
}

static eyot_status note_encode(const void *v, eyot_buf *out, void *user)
{
    (void)user;
    return eyot_buf_add(out, v, sizeof(bench_note));
}

static eyot_status note_decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    if (len != sizeof(bench_note)) return eyot_error_set(e, EYOT_ECORRUPT, "a note of %zu bytes", len);
    return note_copy(bytes, out, user);
}

static eyot_status note_apply(void **state, const void *update, eyot_error *e, void *user)
{
    (void)e, (void)user;
    ((bench_note *)*state)->count += ((const bench_note *)update)->count;
    return EYOT_OK;
}

static eyot_status note_conflict(const void *update, eyot_written_fn emit, void *arg, void *user)
{
    (void)user;
    return emit(arg, (const char *)&((const bench_note *)update)->key, sizeof(uint64_t), false);
}

#define NOTE_SLOTS                                                                                              \
    .size = sizeof(eyot_copier), .name = "note/1", .copy = note_copy, .free = note_free, .encode = note_encode, \
    .decode = note_decode, .apply = note_apply

const eyot_copier bench_notes = {NOTE_SLOTS};
const eyot_copier bench_keyed_notes = {NOTE_SLOTS, .conflict = note_conflict};

/* ---- graphs ----------------------------------------------------------------------------------------------------- */

eyot_graph *bench_graph(const eyot_copier *copier)
{
    eyot_graph *g;
    bench_must(eyot_graph_new(&g, "bench", copier), NULL);
    return g;
}

void bench_node(eyot_graph *g, const char *kind, size_t i, eyot_node_fn fn, void *user)
{
    char id[64];
    snprintf(id, sizeof id, "%s%zu", kind, i);
    eyot_graph_node(g, id, fn, user);
}

void bench_edge(eyot_graph *g, const char *from_kind, size_t from, const char *to_kind, size_t to)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "%s%zu", from_kind, from);
    snprintf(b, sizeof b, "%s%zu", to_kind, to);
    eyot_graph_edge(g, a, b);
}

static eyot_status as_told(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)state, (void)e;
    *taken = *(const bool *)user;
    return EYOT_OK;
}

void bench_edge_if(eyot_graph *g, const char *from_kind, size_t from, const char *to_kind, size_t to, const bool *taken)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "%s%zu", from_kind, from);
    snprintf(b, sizeof b, "%s%zu", to_kind, to);
    eyot_graph_edge_if(g, a, b, *taken ? "always" : "never", as_told, (void *)(uintptr_t)taken);
}

void bench_freeze(eyot_graph *g)
{
    eyot_error e;
    bench_must(eyot_graph_freeze(g, &e), &e);
}

eyot_graph *bench_fan(size_t n, eyot_node_fn leg)
{
    eyot_graph *g = bench_graph(&bench_notes);
    bench_node(g, "start", 0, bench_nothing, NULL);
    for (size_t i = 0; i < n; i++) {
        bench_node(g, "leg", i, leg, NULL);
        bench_edge(g, "start", 0, "leg", i);
        bench_edge(g, "leg", i, "join", 0);
    }
    bench_node(g, "join", 0, bench_nothing, NULL);
    bench_freeze(g);
    return g;
}

/* ---- nodes and runs --------------------------------------------------------------------------------------------- */

eyot_status bench_nothing(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_OK;
}

eyot_status bench_count(eyot_task *task, void *user)
{
    return eyot_task_update(task, bench_note_new(user ? *(const size_t *)user : 0, 1));
}

eyot_engine *bench_engine(eyot_store *store)
{
    eyot_error e;
    eyot_engine *engine;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    options.store = store;
    bench_must(eyot_engine_new(&engine, &options, &e), &e);
    return engine;
}

uint64_t bench_run(eyot_engine *engine, const eyot_graph *g, void *state_take, const eyot_run_options *options)
{
    eyot_error e;
    eyot_run *run;
    bench_must(eyot_run_sync(&run, engine, g, state_take, options, &e), &e);
    uint64_t count = ((const bench_note *)eyot_run_state(run))->count;
    eyot_run_free(run);
    return count;
}

uint64_t bench_heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}
