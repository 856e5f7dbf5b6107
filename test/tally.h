/* SPDX-License-Identifier: MIT */
/* A plain C struct as state, for tests of the engine; test/tally_support.c. A state and an update are the same type. */
#ifndef EYOT_TEST_TALLY_H
#define EYOT_TEST_TALLY_H

#include <eyot/eyot.h>
#include <eyot/store.h>

#include "core/buf.h"

enum { TALLY_KEYS = 4 };
#define TALLY_ABSENT INT64_MIN

typedef struct tally {
    int64_t sum;             /* added up */
    uint64_t order;          /* an update's word; a state's is a hash of the words in the order they came */
    int64_t key[TALLY_KEYS]; /* "k0" …: replaced; two branches that write one are a conflict */
    int64_t own;             /* a local key */
    size_t pad_len;          /* bytes of no meaning; the later ones stand */
    unsigned char *pad;
} tally;

extern const eyot_copier tally_copier;      /* with every slot that states can have */
extern const eyot_copier tally_copier_bare; /* only the required ones: no conflicts, no local keys, no diff */

/* All of them NULL without memory. */
tally *tally_new(void);
tally *tally_sum(int64_t n);          /* adds n, and n as a word of the order */
tally *tally_key(int key, int64_t n); /* writes one key */
tally *tally_own(int64_t n);
tally *tally_pad(tally *t_take, size_t len, unsigned char byte);
void tally_free(tally *t);

/* An engine, store or frozen graph, or the test fails. tally_freeze returns its argument. */
eyot_engine *tally_engine(uint32_t threads, eyot_store *store);
eyot_store *tally_store(const char *url);
eyot_graph *tally_graph(const char *name);
eyot_graph *tally_freeze(eyot_graph *g);
/* Runs the graph from an empty tally to a good end, or the test fails. */
eyot_run *tally_run(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *options);
/* A node: gives tally_sum of the int that user points to (NULL: 1). */
eyot_status tally_add(eyot_task *task, void *user);

extern int tally_numbers[64]; /* 0, 1, 2 …, to be pointed to */
/* start → b0 … b(n-1) → end. start adds 1 and end 63; bI runs fn, or adds I where fn is NULL. Frozen. */
eyot_graph *tally_fan(int n, eyot_node_fn fn, void *user);

void tally_pause_us(long us); /* of a node that is to take a while, or of one that looks again */
long tally_live(void);        /* states and updates there are now */

/* The encoded bytes of a state; never fails. Freed with eyot__buf_clear. */
eyot_buf tally_bytes(const void *state);
bool tally_same(const eyot_buf *a, const eyot_buf *b);

/* What a store holds of a run. */
typedef struct tally_entry {
    uint64_t seq, step;
    eyot_entry_kind kind;
    char key[260];
    size_t len;    /* of the body */
    uint64_t body; /* its hash */
} tally_entry;

typedef struct tally_log {
    tally_entry *entries;
    size_t n, cap;
} tally_log;

uint64_t tally_hash(eyot_bytes b); /* as of a body */
/* All entries of a run; fails the test unless seq and steps are contiguous and every task key is there once. (Only a run
 * without task entries, that of EYOT_EXIT, has steps that come with a snapshot.) A run that is not there gives none. */
tally_log tally_entries(eyot_store *store, const char *run_id);
/* A hash of what the store gives to whoever loads the run as of `seq`. */
uint64_t tally_load(eyot_store *store, const char *run_id, uint64_t seq);
bool tally_has(const tally_log *log, const char *key); /* as a committed task */
size_t tally_tasks(const tally_log *log);
void tally_log_free(tally_log *log);

typedef struct tally_row {
    uint64_t head, steps, epoch;
    uint32_t status; /* 0: there is no such run */
    bool held;
} tally_row;
tally_row tally_row_of(eyot_store *store, const char *run_id);

#endif
