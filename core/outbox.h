/* SPDX-License-Identifier: MIT */
#ifndef EYOT_CORE_OUTBOX_H
#define EYOT_CORE_OUTBOX_H

#include <eyot/store.h>

#include "core/buf.h"

/* Events that are to be committed. */
typedef struct eyot__outbox {
    eyot_buf bytes;
    eyot_event *events; /* the pointers are offsets in bytes until the commit is made */
    size_t n, cap;
} eyot__outbox;

void eyot__outbox_free(eyot__outbox *b);
void eyot__outbox_reset(eyot__outbox *b);             /* empties it and keeps the memory */
bool eyot__outbox_reserve(eyot__outbox *b, size_t n); /* room for so many more; false: no memory */
eyot_status eyot__outbox_add(eyot__outbox *b,
                             const eyot_event *event);   /* a copy. ENOMEM: then it is only to be freed */
void eyot__outbox_make(eyot__outbox *b, eyot_commit *c); /* they go with the commit; no more are added */

#endif
