/* SPDX-License-Identifier: MIT */
/* Inputs that are payloads of entries, of the graphs of test/golden.h; entry_fuzz.c and log_fuzz.c. */
#ifndef EYOT_TEST_FUZZ_ENTRIES_H
#define EYOT_TEST_FUZZ_ENTRIES_H

#include <stdlib.h>
#include <string.h>

#include "core/graph.h"
#include "core/record.h"
#include "test/fuzz/fuzz.h"
#include "test/golden.h"

/* By the first byte of an input: test/fuzz/seeds.py has the same list. Frozen, and kept for the next input. */
static inline const eyot_graph *entries_graph(uint8_t number)
{
    static const char *const names[] = {"values",   "routes", "loops",   "failed",
                                        "frontier", "bytes",  "waits-2", "asked-2"};
    enum { NAMES = sizeof names / sizeof *names };
    static eyot_graph *graphs[NAMES];
    size_t i = number % NAMES;
    for (size_t k = 0; k < golden_run_count && !graphs[i]; k++)
        if (strcmp(golden_runs[k].name, names[i]) == 0) graphs[i] = golden_runs[k].graph(names[i]);
    DEMAND(graphs[i] != NULL);
    return graphs[i];
}

static inline eyot_entry_kind entries_kind(uint8_t byte)
{
    return (eyot_entry_kind)(1 + byte % EYOT_ENTRY_SNAPSHOT);
}

static inline uint8_t entries_version(uint8_t byte)
{
    return (uint8_t)(1 + byte % EYOT__RECORD_VERSION);
}

/* Appends the record of entry `seq` of the run named as the graph. Returns where it begins. */
static inline size_t entries_put(eyot_buf *out, const eyot_graph *g, eyot_entry_kind kind, uint8_t version,
                                 uint64_t seq, const uint8_t *payload, size_t len)
{
    size_t at = eyot__record_begin(out, kind, g->copier->name);
    DEMAND(!out->failed);
    out->data[at + 2] = version;
    eyot__buf_put(out, payload, len);
    eyot__record_end(out, at);
    DEMAND(!out->failed);
    eyot__record_seal(out->data + at, out->len - at, (eyot_bytes){g->name, strlen(g->name)}, seq);
    return at;
}

#endif
