/* SPDX-License-Identifier: MIT */
/* The JSON codec as applications call it. The copier is in value_copiers.c. */
#include "copiers/json.h"

#include "core/buf.h"

eyot_value *eyot_json_parse_len(const char *text, size_t len, eyot_error *e)
{
    eyot__word w = 0;
    if (!text)
        eyot_error_set(e, EYOT_EINVAL, "the JSON text is NULL");
    else
        eyot__json_read(&w, text, len, e);
    return eyot__value_of(w);
}

eyot_value *eyot_json_parse(const char *text, eyot_error *e)
{
    return eyot_json_parse_len(text, text ? strlen(text) : 0, e);
}

char *eyot_json_print(const eyot_value *v, eyot_error *e)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_status status = EYOT_EINVAL;
    if (v)
        status = eyot__json_write(eyot__word_of(v), &buf, e);
    else
        eyot_error_set(e, status, "the value is NULL");
    if (!status && eyot_buf_add(&buf, "", 1)) status = eyot_error_set(e, buf.failed, "out of memory");
    if (status) eyot__buf_clear(&buf);
    return (char *)buf.data;
}
