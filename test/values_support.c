/* SPDX-License-Identifier: MIT */
#include "test/values.h"

#include <math.h>
#include <stdlib.h>

#include "test/eyot_test.h"

char *text_repeated(const char *unit, size_t times)
{
    size_t n = strlen(unit);
    char *text = malloc(n * times + 1);
    for (size_t i = 0; i < times; i++) memcpy(text + i * n, unit, n);
    text[n * times] = 0;
    return text;
}

static eyot_value *random_string(uint64_t *seed, bool key)
{
    static const char *const parts[] = {
        "a", "bc",     "\"",       "\\",  "\n", "\x01", "\xc3\xa9", "\xf0\x9f\x8c\x8a", "0123456789abcdef", "/",
        "$", "$bytes", "$removed", "ext", "~",  "\x7f", " "};
    char text[256] = "";
    size_t n = test_random(seed) % 6;
    if (key && test_random(seed) % 8 == 0) n = 1;
    for (size_t i = 0; i < n; i++) strcat(text, parts[test_random(seed) % (sizeof parts / sizeof parts[0])]);
    return eyot_value_new_string(text);
}

static eyot_value *random_scalar(uint64_t *seed, value_numbers numbers)
{
    uint64_t bits = test_random(seed);
    const double no_numbers[] = {(double)NAN, (double)INFINITY, -(double)INFINITY, -0.0};
    float f = (float)(int32_t)bits / 1024;
    double d;
    if (numbers == ANY_NUMBERS && bits % 16 == 0) f = (float)no_numbers[bits / 16 % 4];
    switch (test_random(seed) % 10) {
    case 0: return eyot_value_new_null();
    case 1: return eyot_value_new_bool(bits & 1);
    case 2: return eyot_value_new_int((int64_t)bits >> bits % 64);
    case 3: return eyot_value_new_uint(bits);
    case 4: return eyot_value_new_float32(f);
    case 5:
        memcpy(&d, &bits, sizeof d);
        if (numbers == ANY_NUMBERS && bits % 8 == 0) d = no_numbers[bits / 8 % 4];
        return eyot_value_new_double(isfinite(d) || numbers == ANY_NUMBERS ? d : 0.25);
    case 6: return eyot_value_new_bytes(&bits, bits % 9);
    case 7:
        if (bits % 8 == 0) return eyot_value_new_ext(36, "$$$removed" + bits / 8 % 4, 10 - bits / 8 % 4);
        return eyot_value_new_ext((int8_t)bits, &bits, bits % 9);
    case 8: return bits % 4 ? random_string(seed, false) : eyot_value_new_removed();
    default: return random_string(seed, false);
    }
}

eyot_value *value_at_random(uint64_t *seed, int depth, value_numbers numbers)
{
    uint64_t what = test_random(seed) % 4, n = test_random(seed) % (test_random(seed) % 20 ? 5 : 90);
    if (!depth || what < 2) return random_scalar(seed, numbers);
    eyot_value *v = what == 2 ? eyot_value_new_array() : eyot_value_new_map();
    for (uint64_t i = 0; i < n; i++) {
        eyot_value *item = value_at_random(seed, depth - 1, numbers);
        if (what == 2) {
            v = eyot_value_append(v, item);
        } else {
            eyot_value *key = random_string(seed, true);
            size_t len;
            const char *text = eyot_value_string_len(key, &len);
            v = eyot_value_set_len(v, text, len, item);
            eyot_value_unref(key);
        }
    }
    return v;
}
