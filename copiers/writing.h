/* SPDX-License-Identifier: MIT */
/* What the writers of all codecs share: room in a buffer. Functions that write do it at `to`, straight into the buffer,
 * where there is room for at least EYOT__ROOM bytes; they return their end with as much room again, NULL after a
 * failure. */
#ifndef EYOT_COPIERS_WRITING_H
#define EYOT_COPIERS_WRITING_H

#include "copiers/value.h"
#include "core/buf.h"

#define EYOT__ROOM 64u /* for a number, a literal and what is around it */

typedef struct eyot__writer {
    eyot_buf *buf;
    char *end;
    size_t begin, max; /* of what is written: where it is in the buffer, how much it may be */
    eyot_status status;
    bool tight; /* the room asked for is more than the buffer may give, which may still be enough */
} eyot__writer;

char *eyot__room_slow(eyot__writer *s, char *to, size_t n);
/* Room for n bytes and EYOT__ROOM more. */
static inline char *eyot__room(eyot__writer *s, char *to, size_t n)
{
    return (size_t)(s->end - to) >= n + EYOT__ROOM ? to : eyot__room_slow(s, to, n);
}

/* Writes w from `to` on and returns the end. */
typedef char *(*eyot__write_fn)(eyot__writer *s, char *to, eyot__word w);

/* Appends what `write` gives to `buf`, up to `max` bytes. Near the end of a limited buffer `write` is called twice.
 * ENOMEM; ELIMIT; what `write` has set in s->status. On failure the buffer's length is as it was. */
eyot_status eyot__write(eyot__word w, eyot_buf *buf, size_t max, eyot__write_fn write);

#endif
