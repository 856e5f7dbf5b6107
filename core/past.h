/* SPDX-License-Identifier: MIT */
/* Looking at stored runs without running them: checkpoint.c, past.c. */
#ifndef EYOT_CORE_PAST_H
#define EYOT_CORE_PAST_H

#include "core/run.h"

/* That the run is there and was made with this graph; its head. EINVAL, ENOTFOUND, ECHANGED, and what the store says. */
eyot_status eyot__past_check(eyot_store *store, const eyot_graph *g, const char *run_id, uint64_t *head, eyot_error *e);

#endif
