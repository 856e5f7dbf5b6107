/* SPDX-License-Identifier: MIT */
/* Any bytes as msgpack: refused with a one-line text, or read, and then written and read again as an equal value. What was
 * written is shown as JSON, and comes back from JSON unless that lacks a number of it. */
#include <stdlib.h>
#include <string.h>

#include <eyot/copiers.h>
#include <eyot/store.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact) abort();
}

/* Reads exactly these bytes; a copy of their own shows a read beyond the end. */
static eyot_value *read_value(const void *data, size_t size)
{
    eyot_error e = {EYOT_OK, 0, ""};
    char *copy = malloc(size ? size : 1);
    if (!copy) return NULL;
    if (size) memcpy(copy, data, size);
    eyot_value *v = eyot_msgpack_parse(copy, size, &e);
    free(copy);
    demand((v == NULL) == (e.status != EYOT_OK));
    demand(v || (e.text[0] && !strchr(e.text, '\n')));
    return v;
}

static void through_json(const eyot_value *v)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_buf *shown = eyot_buf_new();
    demand(shown && eyot_msgpack()->print(v, shown, NULL) == EYOT_OK);
    char *text = eyot_json_print(v, &e);
    demand(text || e.status == EYOT_EINVAL);
    eyot_value *back = text ? eyot_json_parse(text, NULL) : NULL;
    demand(!text || eyot_value_equal(v, back));
    eyot_value_unref(back);
    eyot_free(text);
    eyot_buf_free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len, again_len;
    eyot_value *v = read_value(data, size);
    if (!v) return 0;
    void *bytes = eyot_msgpack_print(v, &len, NULL);
    demand(bytes && len <= size);
    eyot_value *again = read_value(bytes, len);
    demand(again && eyot_value_equal(v, again));
    demand(eyot_value_hash(v) == eyot_value_hash(again));
    demand(eyot_value_measure(v) <= 25 * size + 4096);
    void *same = eyot_msgpack_print(again, &again_len, NULL);
    demand(same && again_len == len && memcmp(bytes, same, len) == 0);
    through_json(v);
    eyot_free(bytes);
    eyot_free(same);
    eyot_value_unref(again);
    eyot_value_unref(v);
    return 0;
}
