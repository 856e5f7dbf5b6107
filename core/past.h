/* SPDX-License-Identifier: MIT */
/* Looking at stored runs without running them: checkpoint.c, past.c. */
#ifndef EYOT_CORE_PAST_H
#define EYOT_CORE_PAST_H

#include "core/run.h"

/* That the run is there and was made with this graph; its head. EINVAL, ENOTFOUND, ECHANGED, and what the store says. */
eyot_status eyot__past_check(eyot_store *store, const eyot_graph *g, const char *run_id, uint64_t *head, eyot_error *e);
/* The same; `changed`: it may have been made with another graph. */
eyot_status eyot__past_check_with(eyot_store *store, const eyot_graph *g, const char *run_id, bool changed,
                                  uint64_t *head, eyot_error *e);
/* Of step 0 the first entry there is; else as below. */
eyot_status eyot__past_find_beginning(eyot_store *store, eyot_bytes run, uint64_t head, uint64_t step, uint64_t *seq,
                                      eyot_error *e);
/* The first entry with this step: that of its task, or the snapshot that stands for it. ENOTFOUND: there is none, or it was pruned. */
eyot_status eyot__past_find_step(eyot_store *store, eyot_bytes run, uint64_t head, uint64_t step, uint64_t *seq,
                                 eyot_error *e);
/* That the run has the step; EYOT_LATEST becomes the number of the newest. ENOTFOUND, and what the store says. */
eyot_status eyot__past_has_step(eyot_store *store, const char *run_id, uint64_t *step, eyot_error *e);

#endif
