/* SPDX-License-Identifier: MIT */
/* What the benches of the engine share: a small state, nodes that do next to nothing, runs that must succeed. Whatever
 * fails ends the program with a sentence: a bench of something that failed would be a lie. */
#ifndef EYOT_BENCH_GRAPHS_H
#define EYOT_BENCH_GRAPHS_H

#include <eyot/copier.h>
#include <eyot/eyot.h>

/* State and update: a counter and a short string. An update adds to the counter. */
typedef struct bench_note {
    uint64_t key, count;
    char text[16];
} bench_note;
extern const eyot_copier bench_notes;       /* updates never conflict */
extern const eyot_copier bench_keyed_notes; /* an update writes the key that its number names */
bench_note *bench_note_new(uint64_t key, uint64_t count);

void bench_must(eyot_status status, const eyot_error *e);

eyot_graph *bench_graph(const eyot_copier *copier);
/* The node "<kind><i>"; a number makes edges easy to write in loops. */
void bench_node(eyot_graph *g, const char *kind, size_t i, eyot_node_fn fn, void *user);
void bench_edge(eyot_graph *g, const char *from_kind, size_t from, const char *to_kind, size_t to);
void bench_edge_if(eyot_graph *g, const char *from_kind, size_t from, const char *to_kind, size_t to,
                   const bool *taken);
void bench_freeze(eyot_graph *g);

/* Nodes: one that does nothing; one that gives an update, +1 under the key *(size_t *)user (NULL: 0). */
eyot_status bench_nothing(eyot_task *task, void *user);
eyot_status bench_count(eyot_task *task, void *user);

eyot_engine *bench_engine(eyot_store *store);
/* Starts, waits for and frees a run. Returns the final counter. */
uint64_t bench_run(eyot_engine *engine, const eyot_graph *g, void *state_take, const eyot_run_options *options);

/* fan 1-n-1: "start0", "leg0" …, "join0" */
eyot_graph *bench_fan(size_t n, eyot_node_fn leg);

uint64_t bench_heap_bytes(void); /* that malloc has handed out and not got back */

#endif
