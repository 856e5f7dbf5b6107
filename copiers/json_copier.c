/* SPDX-License-Identifier: MIT */
/* The copier of values kept as JSON. */
#include "copiers/json.h"
#include "copiers/reducers.h"

static eyot_status encode(const void *v, eyot_buf *out, void *rules)
{
    (void)rules;
    return eyot__json_write(eyot__word_of(v), out, NULL);
}

/* What does not parse was not written by us: it is corrupt. */
static eyot_status decode(const void *bytes, size_t len, void **out, eyot_error *e, void *rules)
{
    eyot__word w = 0;
    (void)rules;
    eyot_status status = eyot__json_read(&w, bytes, len, e);
    if (status == EYOT_EPARSE) status = EYOT_ECORRUPT;
    if (status && e) e->status = status;
    *out = eyot__value_of(w);
    return status;
}

const eyot_copier *eyot_json(void)
{
    static const eyot_copier json = {
        .size = sizeof(eyot_copier),
        .name = "json/1",
        .copy = eyot__state_copy,
        .free = eyot__state_free,
        .encode = encode,
        .decode = decode,
        .apply = eyot__state_apply,
        .measure = eyot__state_measure,
        .equal = eyot__state_equal,
        .hash = eyot__state_hash,
        .conflict = eyot__state_conflict,
        .diff = eyot__state_diff,
        .drop_local = eyot__state_drop_local,
        .has_local = eyot__state_has_local,
        .rule = eyot__rules_add,
        .rules_free = eyot__rules_free,
        .rules_text = eyot__rules_text,
        .print = encode,
    };
    return &json;
}
