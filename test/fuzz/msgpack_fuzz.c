/* SPDX-License-Identifier: MIT */
/* Any bytes as msgpack: refused with a one-line text, or read, and then written and read again as an equal value. What was
 * written is shown as JSON, and comes back from JSON unless that lacks a number of it. */
#include <stdlib.h>
#include <string.h>

#include <eyot/copiers.h>
#include <eyot/store.h>

#include "test/fuzz/fuzz.h"

/* The most that values take is for short strings: 16.4 times their encoding. */
enum { FACTOR = 17 };

static eyot_value *read_value(const void *data, size_t size)
{
    eyot_error e = {EYOT_OK, 0, ""};
    char *copy = fuzz_copy(data, size);
    fuzz_memory_begin();
    eyot_value *v = eyot_msgpack_parse(copy, size, &e);
    fuzz_memory_end(size, FACTOR);
    free(copy);
    DEMAND((v == NULL) == (e.status != EYOT_OK));
    DEMAND(v || (e.text[0] && !strchr(e.text, '\n')));
    return v;
}

static void through_json(const eyot_value *v)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_buf *shown = eyot_buf_new();
    DEMAND(shown && eyot_msgpack()->print(v, shown, NULL) == EYOT_OK);
    char *text = eyot_json_print(v, &e);
    DEMAND(text || e.status == EYOT_EINVAL);
    eyot_value *back = text ? eyot_json_parse(text, NULL) : NULL;
    DEMAND(!text || eyot_value_equal(v, back));
    eyot_value_unref(back);
    eyot_free(text);
    eyot_buf_free(shown);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    size_t len, again_len;
    eyot_value *v = read_value(data, size);
    if (!v) return;
    void *bytes = eyot_msgpack_print(v, &len, NULL);
    DEMAND(bytes && len <= size);
    eyot_value *again = read_value(bytes, len);
    DEMAND(again && eyot_value_equal(v, again));
    DEMAND(eyot_value_hash(v) == eyot_value_hash(again));
    DEMAND(eyot_value_measure(v) <= 25 * size + 4096);
    void *same = eyot_msgpack_print(again, &again_len, NULL);
    DEMAND(same && again_len == len && memcmp(bytes, same, len) == 0);
    through_json(v);
    eyot_free(bytes);
    eyot_free(same);
    eyot_value_unref(again);
    eyot_value_unref(v);
}
