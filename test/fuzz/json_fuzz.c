/* SPDX-License-Identifier: MIT */
/* Any bytes as JSON: refused with a one-line text, or read, and then written and read again as an equal value. What is
 * left of the input after its first NUL byte, if it can be read too, is applied as an update. */
#include <stdlib.h>
#include <string.h>

#include <eyot/copiers.h>

#include "test/fuzz/fuzz.h"

/* The most that values take is for short strings: 8.2 times their text. */
enum { FACTOR = 9 };

static eyot_value *read_value(const uint8_t *data, size_t size)
{
    eyot_error e = {EYOT_OK, 0, ""};
    char *copy = fuzz_copy(data, size);
    fuzz_memory_begin();
    eyot_value *v = eyot_json_parse_len(copy, size, &e);
    fuzz_memory_end(size, FACTOR);
    free(copy);
    DEMAND((v == NULL) == (e.status != EYOT_OK));
    DEMAND(v || (e.text[0] && !strchr(e.text, '\n')));
    return v;
}

/* `size` bytes have at most so many values, keys and containers; this bounds what they may cost. */
static void check_value(const eyot_value *v, size_t size)
{
    char *text = eyot_json_print(v, NULL);
    DEMAND(text != NULL);
    eyot_value *again = eyot_json_parse(text, NULL);
    DEMAND(again && eyot_value_equal(v, again));
    DEMAND(eyot_value_hash(v) == eyot_value_hash(again));
    DEMAND(eyot_value_measure(v) <= 16 * size + 4096);
    char *same = eyot_json_print(again, NULL);
    DEMAND(same && strcmp(text, same) == 0);
    eyot_free(text);
    eyot_free(same);
    eyot_value_unref(again);
}

static eyot_status ignore_place(void *arg, const char *key, size_t key_len, bool through)
{
    (void)arg;
    (void)key;
    (void)key_len;
    (void)through;
    return EYOT_OK;
}

/* All reducers, by the first letter of the key that fuzzers find. */
static void apply_update(eyot_value *state, const eyot_value *update)
{
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    const eyot_copier *c = eyot_json();
    void *rules = NULL, *s = eyot_value_ref(state), *between = NULL;
    for (int i = 0; i < 10; i++) DEMAND(c->rule(&rules, keys[i], (eyot_reducer)i, i == 1 ? 3 : 0, NULL) == EYOT_OK);
    eyot_status status = c->apply(&s, update, NULL, rules);
    DEMAND(status == EYOT_OK || eyot_value_equal(s, state));
    c->conflict(update, ignore_place, NULL, rules);
    if (status == EYOT_OK) c->diff(state, s, &between, NULL, rules);
    DEMAND(c->drop_local(&s, rules) == EYOT_OK);
    eyot_value_unref(between);
    eyot_value_unref(s);
    c->rules_free(rules);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t first = nul ? (size_t)(nul - data) : size;
    eyot_value *state = read_value(data, first);
    if (state) check_value(state, first);
    eyot_value *update = state && nul ? read_value(nul + 1, size - first - 1) : NULL;
    if (update) {
        check_value(update, size);
        apply_update(state, update);
    }
    eyot_value_unref(update);
    eyot_value_unref(state);
}
