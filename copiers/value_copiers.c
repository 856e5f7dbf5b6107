/* SPDX-License-Identifier: MIT */
/* The copiers of values: they differ only in what the bytes look like. */
#include "copiers/json.h"
#include "copiers/msgpack.h"
#include "copiers/reducers.h"

static eyot_status encode_json(const void *v, eyot_buf *out, void *rules)
{
    (void)rules;
    return eyot__json_write(eyot__word_of(v), out, NULL);
}

static eyot_status encode_msgpack(const void *v, eyot_buf *out, void *rules)
{
    (void)rules;
    return eyot__msgpack_write(eyot__word_of(v), out, NULL);
}

/* The end of a decode. What cannot be read was not written by us: it is corrupt. */
static eyot_status decoded(eyot_status status, eyot__word w, void **out, eyot_error *e)
{
    if (status == EYOT_EPARSE) status = EYOT_ECORRUPT;
    if (status && e) e->status = status;
    *out = eyot__value_of(w);
    return status;
}

static eyot_status decode_json(const void *bytes, size_t len, void **out, eyot_error *e, void *rules)
{
    eyot__word w = 0;
    (void)rules;
    eyot_status status = eyot__json_read(&w, bytes, len, e);
    return decoded(status, w, out, e);
}

static eyot_status decode_msgpack(const void *bytes, size_t len, void **out, eyot_error *e, void *rules)
{
    eyot__word w = 0;
    (void)rules;
    eyot_status status = eyot__msgpack_read(&w, bytes, len, e);
    return decoded(status, w, out, e);
}

static eyot_status print(const void *v, eyot_buf *out, void *rules)
{
    (void)rules;
    return eyot__json_show(eyot__word_of(v), out);
}

#define VALUE_COPIER(as, codec)                                                                           \
    {                                                                                                     \
        .size = sizeof(eyot_copier), .name = as, .copy = eyot__state_copy, .free = eyot__state_free,      \
        .encode = encode_##codec, .decode = decode_##codec, .apply = eyot__state_apply,                   \
        .measure = eyot__state_measure, .equal = eyot__state_equal, .hash = eyot__state_hash,             \
        .conflict = eyot__state_conflict, .diff = eyot__state_diff, .drop_local = eyot__state_drop_local, \
        .has_local = eyot__state_has_local, .rule = eyot__rules_add, .rules_free = eyot__rules_free,      \
        .rules_text = eyot__rules_text, .print = print, .difference = eyot__state_difference              \
    }

const eyot_copier *eyot_json(void)
{
    static const eyot_copier json = VALUE_COPIER("json/1", json);
    return &json;
}

const eyot_copier *eyot_msgpack(void)
{
    static const eyot_copier msgpack = VALUE_COPIER("msgpack/1", msgpack);
    return &msgpack;
}
