/* SPDX-License-Identifier: MIT */
/* The two halves of the msgpack codec; what the bytes look like is told in eyot/copiers.h. */
#ifndef EYOT_COPIERS_MSGPACK_H
#define EYOT_COPIERS_MSGPACK_H

#include "copiers/value.h"

/* EPARSE, ELIMIT, ENOMEM, with a text in `e`. */
eyot_status eyot__msgpack_read(eyot__word *out, const void *bytes, size_t len, eyot_error *e);
/* Appends to `buf`. ELIMIT, ENOMEM. On failure the buffer's length is as it was. */
eyot_status eyot__msgpack_write(eyot__word w, eyot_buf *buf, eyot_error *e);

/* The removal of a key is the ext of this type that holds "$removed"; a user's own that holds one $ or more and then
 * "removed" is written with one more. */
#define EYOT__REMOVED_TYPE 36 /* '$' */
static inline bool eyot__is_removed_like(uint8_t type, const char *bytes, size_t len)
{
    static const char name[] = "removed";
    const size_t n = sizeof name - 1;
    if (type != EYOT__REMOVED_TYPE || len <= n || memcmp(bytes + len - n, name, n) != 0) return false;
    for (size_t i = 0; i < len - n; i++)
        if (bytes[i] != '$') return false;
    return true;
}

#endif
