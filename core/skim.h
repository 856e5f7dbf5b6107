/* SPDX-License-Identifier: MIT */
/* What a record tells without its graph. Pure. */
#ifndef EYOT_CORE_SKIM_H
#define EYOT_CORE_SKIM_H

#include "core/record.h"

typedef struct eyot__skim {
    uint64_t attempt;
    int64_t ended_ms; /* of a task, wall clock; 0: not known */
} eyot__skim;
/* False: it is of no attempt, or not well-formed. */
bool eyot__record_skim(eyot__skim *out, const eyot__record *record);

#endif
