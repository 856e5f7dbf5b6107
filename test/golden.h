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
    eyot_graph *(*graph)(void);                             /* frozen; NULL without memory */
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
/* Reads the record and writes what was read as a new one, sealed for the same place. */
eyot_status golden_write_again(eyot_buf *out, const eyot_graph *g, eyot_bytes run, const eyot_entry *entry,
                               eyot_error *e);

#endif
