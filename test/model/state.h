/* SPDX-License-Identifier: MIT */
/* The state of the reference model's runs as a plain C type with a copier; test/model_state_support.c. */
#ifndef EYOT_TEST_MODEL_STATE_H
#define EYOT_TEST_MODEL_STATE_H

#include <eyot/copier.h>

#include "test/model/cases.h"

typedef struct model_state {
    int64_t sum, r[MODEL_KEYS]; /* or MODEL_ABSENT */
    char **log;
    size_t n_log;
    char *own; /* the local key; NULL: absent */
} model_state;

extern const eyot_copier model_copier;      /* r0 … r2 replace: two branches that write one are a conflict */
extern const eyot_copier model_copier_last; /* the same, but the later one stands */

model_state *model_state_new(void); /* everything absent; never NULL */
/* The update that this task gives; NULL: none of its words is there, which is an empty update all the same. */
model_state *model_update_of(const model_task *t);
model_state *model_item(const char *name);
/* Compares with the final state of a case; fails the test. */
void model_check_state(const model_case *c, const model_state *s);
/* A graph like the case's, with `fn` for every node. Frozen. */
eyot_graph *model_build(const model_graph *g, const eyot_copier *copier, eyot_node_fn fn, void *user);

#endif
