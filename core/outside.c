/* SPDX-License-Identifier: MIT */
#include "core/outside.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

eyot__outside *eyot__outside_add(eyot__outside_list *to, const char *name, size_t name_len, eyot_status status,
                                 const void *value, size_t len)
{
    if (name_len > UINT32_MAX || len > SIZE_MAX / 2 || to->n == UINT32_MAX) return NULL;
    eyot__outside *o = malloc(sizeof *o + name_len + 1 + len + 1);
    if (!o) return NULL;
    *o = (eyot__outside){.status = status, .name_len = (uint32_t)name_len, .len = len};
    memcpy(o->name, name, name_len);
    o->name[name_len] = 0;
    if (len) memcpy(o->name + name_len + 1, value, len);
    o->name[name_len + 1 + len] = 0;
    if (to->last)
        to->last->next = o;
    else
        to->first = o;
    to->last = o;
    to->n++;
    return o;
}

void eyot__outside_move(eyot__outside_list *to, eyot__outside_list *from)
{
    if (!from->first) return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->n += from->n;
    *from = (eyot__outside_list){0};
}

eyot_status eyot__outside_copy(eyot__outside_list *to, const eyot__outside_list *from)
{
    *to = (eyot__outside_list){0};
    for (const eyot__outside *o = from->first; o; o = o->next) {
        if (eyot__outside_add(to, o->name, o->name_len, o->status, eyot__outside_value(o), o->len)) continue;
        eyot__outside_clear(to);
        return EYOT_ENOMEM;
    }
    return EYOT_OK;
}

void eyot__outside_clear(eyot__outside_list *list)
{
    for (eyot__outside *o = list->first, *next; o; o = next) {
        next = o->next;
        free(o);
    }
    *list = (eyot__outside_list){0};
}

void eyot__outside_put(eyot_buf *out, const eyot__outside_list *list)
{
    eyot__buf_varint(out, list ? list->n : 0);
    for (const eyot__outside *o = list ? list->first : NULL; o; o = o->next) {
        eyot__buf_bytes(out, o->name, o->name_len);
        eyot__buf_varint(out, (uint64_t)(-(int64_t)o->status));
        eyot__buf_bytes(out, eyot__outside_value(o), o->len);
    }
}

bool eyot__outside_get(eyot__outside_list *list, eyot__reader *in)
{
    size_t n = eyot__read_count(in, 3);
    for (size_t i = 0; i < n && !in->failed; i++) {
        size_t name_len, len;
        const unsigned char *name = eyot__read_bytes(in, &name_len);
        uint64_t code = eyot__read_varint(in);
        const unsigned char *value = eyot__read_bytes(in, &len);
        if (code > INT_MAX || (name_len && memchr(name, 0, name_len))) in->failed = true;
        if (!in->failed &&
            !eyot__outside_add(list, (const char *)name, name_len, (eyot_status)(-(int)code), value, len))
            return false;
    }
    return !in->failed;
}
