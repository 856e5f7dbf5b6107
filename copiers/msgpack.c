/* SPDX-License-Identifier: MIT */
/* The msgpack codec as applications call it. The copier is in value_copiers.c. */
#include "copiers/msgpack.h"

#include "core/buf.h"

eyot_value *eyot_msgpack_parse(const void *bytes, size_t len, eyot_error *e)
{
    eyot__word w = 0;
    if (!bytes)
        eyot_error_set(e, EYOT_EINVAL, "the packed bytes are NULL");
    else
        eyot__msgpack_read(&w, bytes, len, e);
    return eyot__value_of(w);
}

void *eyot_msgpack_print(const eyot_value *v, size_t *len, eyot_error *e)
{
    eyot_buf buf = EYOT__BUF_INIT;
    *len = 0;
    if (!v)
        eyot_error_set(e, EYOT_EINVAL, "the value is NULL");
    else if (eyot__msgpack_write(eyot__word_of(v), &buf, e))
        eyot__buf_clear(&buf);
    *len = buf.len;
    return buf.data;
}
