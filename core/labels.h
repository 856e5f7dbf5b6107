/* SPDX-License-Identifier: MIT */
/* The labels of a run, as its note "labels" has them: lines of a step, a blank and a name, by step and then by name. */
#ifndef EYOT_CORE_LABELS_H
#define EYOT_CORE_LABELS_H

#include <eyot/store.h>

/* Appends the lines; *version is that of the note. A store that keeps no notes has no labels, too. ECORRUPT: they are not
 * well-formed. */
eyot_status eyot__labels_load(eyot_store *store, const char *run_id, eyot_buf *lines, uint64_t *version, eyot_error *e);

typedef struct eyot__label {
    uint64_t step;
    const char *name; /* up to `len`, not terminated */
    size_t len;
} eyot__label;
/* The one at *at of well-formed lines, which goes on to the next; false: there are no more. */
bool eyot__label_next(eyot__label *out, const char **at, const char *end);

#endif
