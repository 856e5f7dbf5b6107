/* SPDX-License-Identifier: MIT */
/* The log of a run, read, changed behind everybody's back, and put into a store of its own as if it had always been so;
 * test/tamper_support.c. What cannot be done fails the test. */
#ifndef EYOT_TEST_TAMPER_H
#define EYOT_TEST_TAMPER_H

#include "core/record.h"
#include "core/run.h"

typedef struct tamper {
    const eyot_graph *graph;
    char run[129];
    eyot_run_status status;
    eyot_entry *entries; /* bodies are owned */
    size_t n;
} tamper;

tamper *tamper_read(eyot_store *store, const eyot_graph *g, const char *run);
void tamper_free(tamper *t);

size_t tamper_find(const tamper *t, const char *key); /* the entry of this committed task */
/* Decodes the task of entry i, lets fn change it, and writes it again, whole and sealed. */
void tamper_task(tamper *t, size_t i, void (*fn)(eyot__task_entry *task, void *arg), void *arg);
void tamper_drop(tamper *t, size_t i); /* those behind it move up */
void tamper_flip(tamper *t, size_t i, size_t bit);

eyot_store *tamper_store(const tamper *t); /* in memory; the caller's */

#endif
