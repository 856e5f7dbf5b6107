/* SPDX-License-Identifier: MIT */
/* What a task was told by the world outside: values that were recorded once, in the order of its calls. Pure. */
#ifndef EYOT_CORE_OUTSIDE_H
#define EYOT_CORE_OUTSIDE_H

#include "core/buf.h"

typedef struct eyot__outside {
    struct eyot__outside *next;
    eyot_status status; /* EYOT_OK; or why there is no value, which then is the text of that error */
    uint32_t name_len;
    size_t len;
    char name[]; /* a NUL behind it, then the value and a NUL behind that */
} eyot__outside;

static inline const char *eyot__outside_value(const eyot__outside *o)
{
    return o->name + o->name_len + 1;
}

typedef struct eyot__outside_list {
    eyot__outside *first, *last; /* owned */
    uint32_t n;
} eyot__outside_list;

/* Name and value are copied. NULL: no memory; nothing has changed. */
eyot__outside *eyot__outside_add(eyot__outside_list *to, const char *name, size_t name_len, eyot_status status,
                                 const void *value, size_t len);
void eyot__outside_move(eyot__outside_list *to, eyot__outside_list *from); /* to its end; `from` is empty then */
eyot_status eyot__outside_copy(eyot__outside_list *to, const eyot__outside_list *from); /* ENOMEM: `to` is empty */
void eyot__outside_clear(eyot__outside_list *list);

void eyot__outside_put(eyot_buf *out, const eyot__outside_list *list); /* NULL: an empty one */
/* Into an empty list. False: malformed, told by in->failed, or no memory. */
bool eyot__outside_get(eyot__outside_list *list, eyot__reader *in);

#endif
