/* SPDX-License-Identifier: MIT */
/* The runs whose logs are kept in test/golden/, and what a record says as text for people. test/golden_support.c and
 * test/golden_text_support.c; test/golden/README.md tells how files are added. */
#ifndef EYOT_TEST_GOLDEN_H
#define EYOT_TEST_GOLDEN_H

#include <eyot/copiers.h>
#include <eyot/store.h>
#include <eyot/stores.h>

#include "core/buf.h"

typedef struct golden_run {
    const char *name; /* of the run, of its graph, and of its folder */
    const char *what;
    uint32_t version;                                       /* of its records */
    eyot_graph *(*graph)(const char *name);                 /* frozen; NULL without memory */
    bool (*live)(eyot_engine *engine, const eyot_graph *g); /* the run's whole life on the engine's store */
} golden_run;

extern const golden_run golden_runs[];
extern const size_t golden_run_count;
/* True while nodes that fail in the first life of their run are to do well. */
extern bool golden_second_life;

/* A state or an update as text: as its copier prints it, otherwise in hex. */
void golden_put_value(eyot_buf *out, const eyot_graph *g, const void *v);
/* The record as lines of text, read by the code of today. `entry` says where it stands. */
eyot_status golden_describe(eyot_buf *out, const eyot_graph *g, eyot_bytes run, const eyot_entry *entry, eyot_error *e);
/* Reads the record and writes what was read as a new one, sealed for the same place; in the newest version. */
typedef enum golden_without {
    GOLDEN_TIMES = 1,    /* when attempts began and how long they took: 0 */
    GOLDEN_ATTEMPTS = 2, /* a task's number of attempts, which version 1 counts per life: 1 */
    GOLDEN_SEED = 4      /* of random numbers: 0 */
} golden_without;
eyot_status golden_write_again(eyot_buf *out, const eyot_graph *g, eyot_bytes run, const eyot_entry *entry,
                               uint32_t without, eyot_error *e);
/* The runs "waits-2" and "waits-3", written by hand; test/golden_hand_support.c. */
eyot_graph *golden_waits(const char *name);
bool golden_waits_life(eyot_engine *engine, const eyot_graph *g);

#endif
