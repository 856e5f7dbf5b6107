/* SPDX-License-Identifier: MIT */
/* A run "r" that fails and is resumed, for tests of what is between its lives; test/lives_support.c. */
#ifndef EYOT_TEST_LIVES_H
#define EYOT_TEST_LIVES_H

#include "test/tally.h"

/* Options of a run with the id "r". */
eyot_run_options lives_options(eyot_durability durability);
/* a → b → c, adding 1, 2 and 4; `a` and `b` may be NULL, then they are tally_add. Frozen. */
eyot_graph *lives_chain(const eyot_copier *copier, eyot_node_fn a, eyot_node_fn b);
/* The sum of a run that is done; -1 of another one. */
int64_t lives_sum(const eyot_run *run);

/* These run "r" from an empty tally to a bad end, and on from there to a good one; otherwise the test fails. */
eyot_error lives_fail(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o, eyot_status want);
eyot_run *lives_resume(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o);
void lives_end(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *o, int64_t sum);

#endif
