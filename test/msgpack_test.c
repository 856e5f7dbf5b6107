/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include <math.h>
#include <stdlib.h>

#include "copiers/msgpack.h"
#include "core/buf.h"
#include "test/values.h"

/* A string constant as bytes, with its length. */
#define BYTES(text) (text), sizeof(text) - 1

static eyot_value *parsed(const char *bytes, size_t len)
{
    eyot_error e = {EYOT_OK, 0, ""};
    char *own = malloc(len ? len : 1); /* so that a read beyond the end is found */
    memcpy(own, bytes, len);
    eyot_value *v = eyot_msgpack_parse(own, len, &e);
    free(own);
    if (!v) test_fail(__FILE__, __LINE__, "%s", e.text);
    return v;
}

static eyot_value *from_json(const char *text)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse(text, &e);
    if (!v) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    return v;
}

/* v is let go. */
static void check_packed(eyot_value *v, const char *bytes, size_t len)
{
    eyot_error e = {EYOT_OK, 0, ""};
    size_t n;
    char *packed = eyot_msgpack_print(v, &n, &e);
    if (!packed) test_fail(__FILE__, __LINE__, "%s", e.text);
    CHECK_INT(n, len);
    for (size_t i = 0; i < n; i++)
        if (packed[i] != bytes[i])
            test_fail(__FILE__, __LINE__, "byte %zu is %02x, not %02x", i, packed[i] & 255, bytes[i] & 255);
    eyot_free(packed);
    eyot_value_unref(v);
}

/* The bytes are read as v, and v is written as them: their only form. v is let go. */
static void check_form(const char *bytes, size_t len, eyot_value *v)
{
    eyot_value *read = parsed(bytes, len);
    CHECK(eyot_value_equal(read, v));
    CHECK(eyot_value_hash(read) == eyot_value_hash(v));
    eyot_value_unref(read);
    check_packed(v, bytes, len);
}

/* The same, of what this JSON text says. */
static void check_json(const char *bytes, size_t len, const char *json)
{
    check_form(bytes, len, from_json(json));
}

/* The bytes are read as v, which has a shorter form. v is let go. */
static void check_read(const char *bytes, size_t len, eyot_value *v)
{
    eyot_value *read = parsed(bytes, len);
    CHECK(eyot_value_equal(read, v));
    eyot_value_unref(read);
    eyot_value_unref(v);
}

static void check_refused(const char *bytes, size_t len, eyot_status status, const char *why)
{
    eyot_error e = {EYOT_OK, 0, ""};
    char *own = malloc(len ? len : 1);
    if (len) memcpy(own, bytes, len);
    eyot_value *v = eyot_msgpack_parse(own, len, &e);
    free(own);
    if (v) test_fail(__FILE__, __LINE__, "%zu bytes were read; wanted: %s", len, why);
    CHECK_INT(e.status, status);
    CHECK_HAS(e.text, why);
}

/* v packed, read and compared; v is let go. */
static void check_round_trip(eyot_value *v)
{
    eyot_error e = {EYOT_OK, 0, ""};
    size_t len;
    char *bytes = eyot_msgpack_print(v, &len, &e);
    if (!bytes) test_fail(__FILE__, __LINE__, "%s", e.text);
    check_form(bytes, len, v);
    eyot_free(bytes);
}

/* A string, bytes or an ext (type 5) of n bytes x, behind `head`. */
static void check_sized(const char *head, size_t head_len, eyot_value_kind kind, size_t n)
{
    char *bytes = malloc(head_len + n + 1);
    memcpy(bytes, head, head_len);
    memset(bytes + head_len, 'x', n);
    const char *body = bytes + head_len;
    eyot_value *v = kind == EYOT_VALUE_STRING  ? eyot_value_new_string_len(body, n)
                    : kind == EYOT_VALUE_BYTES ? eyot_value_new_bytes(body, n)
                                               : eyot_value_new_ext(5, body, n);
    check_form(bytes, head_len + n, v);
    free(bytes);
}

/* ---- every byte ------------------------------------------------------------------------------------------------ */

TEST(msgpack_int__has_its_shortest_form)
{
    check_json(BYTES("\x00"), "0");
    check_json(BYTES("\x7f"), "127");
    check_json(BYTES("\xcc\x80"), "128");
    check_json(BYTES("\xcc\xff"), "255");
    check_json(BYTES("\xcd\x01\x00"), "256");
    check_json(BYTES("\xcd\xff\xff"), "65535");
    check_json(BYTES("\xce\x00\x01\x00\x00"), "65536");
    check_json(BYTES("\xce\xff\xff\xff\xff"), "4294967295");
    check_json(BYTES("\xcf\x00\x00\x00\x01\x00\x00\x00\x00"), "4294967296");
    check_json(BYTES("\xcf\x1f\xff\xff\xff\xff\xff\xff\xff"), "2305843009213693951");
    check_json(BYTES("\xcf\x20\x00\x00\x00\x00\x00\x00\x00"), "2305843009213693952");
    check_json(BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807");
    check_json(BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), "9223372036854775808");
    check_json(BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "18446744073709551615");
    check_json(BYTES("\xff"), "-1");
    check_json(BYTES("\xe0"), "-32");
    check_json(BYTES("\xd0\xdf"), "-33");
    check_json(BYTES("\xd0\x80"), "-128");
    check_json(BYTES("\xd1\xff\x7f"), "-129");
    check_json(BYTES("\xd1\x80\x00"), "-32768");
    check_json(BYTES("\xd2\xff\xff\x7f\xff"), "-32769");
    check_json(BYTES("\xd2\x80\x00\x00\x00"), "-2147483648");
    check_json(BYTES("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"), "-2147483649");
    check_json(BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "-9223372036854775808");
}

TEST(msgpack_int__is_read_from_longer_forms_too)
{
    check_read(BYTES("\xcc\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xcd\x00\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xce\x00\x00\x00\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xd0\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xd1\x00\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xd2\x00\x00\x00\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xd3\x00\x00\x00\x00\x00\x00\x00\x05"), eyot_value_new_int(5));
    check_read(BYTES("\xd3\xff\xff\xff\xff\xff\xff\xff\xfb"), eyot_value_new_int(-5));
    check_read(BYTES("\xd1\xff\xfb"), eyot_value_new_int(-5));
}

TEST(msgpack_int__every_power_of_two_comes_back)
{
    for (int bit = 0; bit < 64; bit++) {
        for (int off = -2; off <= 2; off++) {
            uint64_t u = ((uint64_t)1 << bit) + (uint64_t)(int64_t)off;
            check_round_trip(eyot_value_new_uint(u));
            check_round_trip(eyot_value_new_int((int64_t)u));
            check_round_trip(eyot_value_new_int((int64_t)(0 - u)));
        }
    }
}

TEST(msgpack_kind__has_its_form)
{
    check_json(BYTES("\xc0"), "null");
    check_json(BYTES("\xc2"), "false");
    check_json(BYTES("\xc3"), "true");
    check_json(BYTES("\xa0"), "\"\"");
    check_json(BYTES("\xa1x"), "\"x\"");
    check_json(BYTES("\xc4\x00"), "{\"$bytes\":\"\"}");
    check_json(BYTES("\xc4\x03\x01\x02\x03"), "{\"$bytes\":\"AQID\"}");
    check_json(BYTES("\x90"), "[]");
    check_json(BYTES("\x80"), "{}");
    check_json(BYTES("\x93\x01\x90\x80"), "[1,[],{}]");
    check_json(BYTES("\x82\xa1z\x91\x01\xa1\x61\xc0"), "{\"z\":[1],\"a\":null}");
    check_json(BYTES("\x81\xa0\x05"), "{\"\":5}");
    check_json(BYTES("\xd6\xff\x00\x00\x00\x01"), "{\"$ext\":\"-1:AAAAAQ==\"}");
    check_json(BYTES("\x81\xa6$bytes\x05"), "{\"$bytes\":5}");
    check_form(BYTES("\x81\xa6$bytes\xa0"), eyot_value_set(eyot_value_new_map(), "$bytes", eyot_value_new_string("")));
}

TEST(msgpack_float__keeps_width_and_bits)
{
    check_json(BYTES("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), "1.5");
    check_json(BYTES("\xca\x3f\xc0\x00\x00"), "{\"$float32\":1.5}");
    check_json(BYTES("\xcb\x00\x00\x00\x00\x00\x00\x00\x00"), "0.0");
    check_json(BYTES("\xcb\x80\x00\x00\x00\x00\x00\x00\x00"), "-0.0");
    check_form(BYTES("\xca\x80\x00\x00\x00"), eyot_value_new_float32(-0.0f));
    check_form(BYTES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), eyot_value_new_double((double)INFINITY));
    check_form(BYTES("\xca\xff\x80\x00\x00"), eyot_value_new_float32(-INFINITY));
}

TEST(msgpack_float__every_nan_comes_back_with_its_bits)
{
    static const char nans[][10] = {"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "\xcb\xff\xf8\x00\x00\x00\x00\x00\x00",
                                    "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x01", "\xcb\x7f\xff\xff\xff\xff\xff\xff\xff"};
    static const char floats[][6] = {"\xca\x7f\xc0\x00\x00", "\xca\xff\xc0\x00\x01", "\xca\x7f\x80\x00\x01"};
    for (size_t i = 0; i < 4; i++) check_form(nans[i], 9, parsed(nans[i], 9));
    for (size_t i = 0; i < 3; i++) check_form(floats[i], 5, parsed(floats[i], 5));
    eyot_value *a = parsed(nans[0], 9), *b = parsed(nans[1], 9);
    CHECK(!eyot_value_equal(a, b));
    eyot_value_unref(a);
    eyot_value_unref(b);
}

TEST(msgpack_length__has_its_shortest_form)
{
    check_sized(BYTES("\xbf"), EYOT_VALUE_STRING, 31);
    check_sized(BYTES("\xd9\x20"), EYOT_VALUE_STRING, 32);
    check_sized(BYTES("\xd9\xff"), EYOT_VALUE_STRING, 255);
    check_sized(BYTES("\xda\x01\x00"), EYOT_VALUE_STRING, 256);
    check_sized(BYTES("\xda\xff\xff"), EYOT_VALUE_STRING, 65535);
    check_sized(BYTES("\xdb\x00\x01\x00\x00"), EYOT_VALUE_STRING, 65536);
    check_sized(BYTES("\xc4\xff"), EYOT_VALUE_BYTES, 255);
    check_sized(BYTES("\xc5\x01\x00"), EYOT_VALUE_BYTES, 256);
    check_sized(BYTES("\xc5\xff\xff"), EYOT_VALUE_BYTES, 65535);
    check_sized(BYTES("\xc6\x00\x01\x00\x00"), EYOT_VALUE_BYTES, 65536);
    check_sized(BYTES("\xc7\x00\x05"), EYOT_VALUE_EXT, 0);
    check_sized(BYTES("\xd4\x05"), EYOT_VALUE_EXT, 1);
    check_sized(BYTES("\xd5\x05"), EYOT_VALUE_EXT, 2);
    check_sized(BYTES("\xc7\x03\x05"), EYOT_VALUE_EXT, 3);
    check_sized(BYTES("\xd6\x05"), EYOT_VALUE_EXT, 4);
    check_sized(BYTES("\xd7\x05"), EYOT_VALUE_EXT, 8);
    check_sized(BYTES("\xd8\x05"), EYOT_VALUE_EXT, 16);
    check_sized(BYTES("\xc7\x11\x05"), EYOT_VALUE_EXT, 17);
    check_sized(BYTES("\xc7\x20\x05"), EYOT_VALUE_EXT, 32);
    check_sized(BYTES("\xc7\xff\x05"), EYOT_VALUE_EXT, 255);
    check_sized(BYTES("\xc8\x01\x00\x05"), EYOT_VALUE_EXT, 256);
    check_sized(BYTES("\xc8\xff\xff\x05"), EYOT_VALUE_EXT, 65535);
    check_sized(BYTES("\xc9\x00\x01\x00\x00\x05"), EYOT_VALUE_EXT, 65536);
}

TEST(msgpack_length__is_read_from_longer_forms_too)
{
    check_read(BYTES("\xd9\x01x"), eyot_value_new_string("x"));
    check_read(BYTES("\xda\x00\x01x"), eyot_value_new_string("x"));
    check_read(BYTES("\xdb\x00\x00\x00\x01x"), eyot_value_new_string("x"));
    check_read(BYTES("\xdb\x00\x00\x00\x00"), eyot_value_new_string(""));
    check_read(BYTES("\xc5\x00\x01x"), eyot_value_new_bytes("x", 1));
    check_read(BYTES("\xc6\x00\x00\x00\x00"), eyot_value_new_bytes("", 0));
    check_read(BYTES("\xc7\x01\x05x"), eyot_value_new_ext(5, "x", 1));
    check_read(BYTES("\xc8\x00\x01\x80x"), eyot_value_new_ext(-128, "x", 1));
    check_read(BYTES("\xc9\x00\x00\x00\x01\x7fx"), eyot_value_new_ext(127, "x", 1));
    check_read(BYTES("\xdc\x00\x01\xc0"), from_json("[null]"));
    check_read(BYTES("\xdd\x00\x00\x00\x00"), from_json("[]"));
    check_read(BYTES("\xde\x00\x01\xd9\x01k\xc0"), from_json("{\"k\":null}"));
    check_read(BYTES("\xdf\x00\x00\x00\x01\xda\x00\x01k\xc0"), from_json("{\"k\":null}"));
}

/* An array, or a map of keys of `digits` digits, of n nulls. */
static void check_counted(const char *head, size_t head_len, size_t n, int digits)
{
    eyot_value *v = digits ? eyot_value_new_map() : eyot_value_new_array();
    char *bytes = malloc(head_len + n * (size_t)(digits + 2) + 1), *to = bytes + head_len;
    memcpy(bytes, head, head_len);
    for (size_t i = 0; i < n; i++) {
        char key[24];
        snprintf(key, sizeof key, "%0*zu", digits, i);
        if (digits) to += sprintf(to, "%c%s", 0xa0 + digits, key);
        *to++ = (char)0xc0;
        v = digits ? eyot_value_set(v, key, eyot_value_new_null()) : eyot_value_append(v, eyot_value_new_null());
    }
    check_form(bytes, (size_t)(to - bytes), v);
    free(bytes);
}

TEST(msgpack_count__has_its_shortest_form)
{
    check_counted(BYTES("\x9f"), 15, 0);
    check_counted(BYTES("\xdc\x00\x10"), 16, 0);
    check_counted(BYTES("\xdc\x00\x40"), 64, 0);
    check_counted(BYTES("\xdc\x00\x41"), 65, 0);
    check_counted(BYTES("\xdc\xff\xff"), 65535, 0);
    check_counted(BYTES("\xdd\x00\x01\x00\x00"), 65536, 0);
    check_counted(BYTES("\x8f"), 15, 5);
    check_counted(BYTES("\xde\x00\x10"), 16, 5);
    check_counted(BYTES("\xde\x00\x20"), 32, 5);
    check_counted(BYTES("\xde\x00\x21"), 33, 5);
    check_counted(BYTES("\xde\xff\xff"), 65535, 5);
    check_counted(BYTES("\xdf\x00\x01\x00\x00"), 65536, 5);
}

/* ---- what is refused ------------------------------------------------------------------------------------------- */

TEST(msgpack_parse__refuses_what_begins_nothing)
{
    check_refused(BYTES("\xc1"), EYOT_EPARSE, "offset 0: the byte 0xc1 begins nothing");
    check_refused(BYTES("\x92\x01\xc1"), EYOT_EPARSE, "offset 2: the byte 0xc1 begins nothing");
    check_refused(BYTES(""), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\x01\x02"), EYOT_EPARSE, "offset 1: something follows the value");
    check_refused(BYTES("\x91\x01\x02"), EYOT_EPARSE, "offset 2: something follows the value");
}

TEST(msgpack_parse__null_is_an_invalid_argument)
{
    eyot_error e = {EYOT_OK, 0, ""};
    size_t len = 1;
    CHECK(eyot_msgpack_parse(NULL, 0, &e) == NULL);
    CHECK_INT(e.status, EYOT_EINVAL);
    CHECK(eyot_msgpack_print(NULL, &len, &e) == NULL);
    CHECK_INT(e.status, EYOT_EINVAL);
    CHECK_INT(len, 0);
    CHECK(eyot_msgpack_parse("\xc1", 1, NULL) == NULL);
}

TEST(msgpack_parse__refuses_keys_that_are_no_strings)
{
    static const struct {
        const char *bytes, *kind;
        size_t len;
    } keys[] = {
        {"\x01", "an integer", 1},
        {"\xff", "an integer", 1},
        {"\xcc\x01", "an integer", 2},
        {"\xd3", "an integer", 9},
        {"\xc0", "nil", 1},
        {"\xc1", "the byte 0xc1", 1},
        {"\xc2", "a boolean", 1},
        {"\xc3", "a boolean", 1},
        {"\xc4\x00", "bytes", 2},
        {"\xc7\x00\x00", "an extension", 3},
        {"\xd4\x00\x00", "an extension", 3},
        {"\xca", "a float", 5},
        {"\xcb", "a float", 9},
        {"\x90", "an array", 1},
        {"\xdc\x00\x00", "an array", 3},
        {"\x80", "a map", 1},
        {"\xdf\x00\x00\x00\x00", "a map", 5},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char bytes[32] = "\x82\xa1k\x01", want[96];
        memcpy(bytes + 4, keys[i].bytes, strlen(keys[i].bytes));
        bytes[4 + keys[i].len] = 1;
        snprintf(want, sizeof want, "offset 4: a key must be a string, and this is %s", keys[i].kind);
        check_refused(bytes, 5 + keys[i].len, EYOT_EPARSE, want);
    }
}

TEST(msgpack_parse__refuses_a_key_that_comes_twice)
{
    check_refused(BYTES("\x82\xa1\x61\x01\xa1\x61\x02"), EYOT_EPARSE,
                  "offset 7: the map that ends here has a key twice: \"a\"");
    check_refused(BYTES("\x83\xa1\x61\x01\xa1\x62\x02\xa1\x61\x02"), EYOT_EPARSE, "twice: \"a\"");
    check_refused(BYTES("\x92\x82\xa1\x61\x01\xa1\x62\x02\x82\xa1\x61\x01\xa1\x61\x02"), EYOT_EPARSE, "twice: \"a\"");
    check_refused(BYTES("\x82\xa1\x61\x01\xd9\x01\x61\x02"), EYOT_EPARSE, "twice: \"a\"");
    check_refused(BYTES("\x82\xa0\x01\xa0\x02"), EYOT_EPARSE, "twice: \"\"");
}

/* A map of n entries whose last key is key `same` again; -1: it is not. */
static char *map_bytes(int n, int same, size_t *len)
{
    char *bytes = malloc((size_t)n * 10 + 8), *to = bytes;
    to += sprintf(to, "%c", 0xdf);
    for (int shift = 24; shift >= 0; shift -= 8) *to++ = (char)(n >> shift);
    for (int i = 0; i < n; i++) to += sprintf(to, "%ck%06d%c", 0xa7, i == n - 1 && same >= 0 ? same : i, 1);
    *len = (size_t)(to - bytes);
    return bytes;
}

TEST(msgpack_parse__finds_a_duplicate_among_many_keys)
{
    static const int sizes[] = {2, 3, 9, 31, 32, 33, 34, 64, 65, 1000, 20000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t len;
        char *twice = map_bytes(sizes[i], 0, &len), *fine = map_bytes(sizes[i], -1, &len);
        check_refused(twice, len, EYOT_EPARSE, "twice: \"k000000\"");
        check_round_trip(parsed(fine, len));
        free(twice);
        free(fine);
    }
}

TEST(msgpack_parse__same_keys_in_sibling_maps_are_shared)
{
    eyot_value *v = parsed(BYTES("\x92\x81\xa3key\x01\x81\xa3key\x02"));
    eyot_value_iter a = eyot_value_each(eyot_value_item(v, 0)), b = eyot_value_each(eyot_value_item(v, 1));
    CHECK(eyot_value_next(&a) && eyot_value_next(&b));
    CHECK(a.key == b.key);
    eyot_value_unref(v);
}

TEST(msgpack_parse__refuses_what_is_no_utf8)
{
    static const char *const bad[] = {"\x80",
                                      "\xff",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x8c",
                                      "\xc3("};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t before = 0; before < 70; before += 23) {
            char bytes[96], key[128];
            size_t n = before + strlen(bad[i]);
            sprintf(bytes, "%c%c%*s%s", 0xd9, (int)n, (int)before, "", bad[i]);
            check_refused(bytes, n + 2, EYOT_EPARSE, "no valid UTF-8");
            sprintf(key, "%c%s%c", 0x81, bytes, 1);
            check_refused(key, n + 4, EYOT_EPARSE, "no valid UTF-8");
        }
    }
    check_refused(BYTES("\xa9"
                        "abcdefg\xc3("),
                  EYOT_EPARSE, "offset 8: no valid UTF-8");
}

TEST(msgpack_parse__marks_strings_that_json_writes_as_they_are)
{
    static const char *const texts[] = {"plain", "na\xc3\xafve", "quote\"", "back\\slash", "line\n", "\xe6\xb0\xb4\t"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char bytes[64], *long_one = text_repeated(texts[i], 40);
        sprintf(bytes, "%c%s", 0xa0 + (int)strlen(texts[i]), texts[i]);
        eyot_value *v = parsed(bytes, strlen(bytes)), *same = eyot_value_new_string(texts[i]);
        char *json = eyot_json_print(v, NULL), *want = eyot_json_print(same, NULL);
        CHECK_STR(json, want);
        check_round_trip(eyot_value_new_string(long_one));
        eyot_free(json);
        eyot_free(want);
        eyot_value_unref(v);
        eyot_value_unref(same);
        free(long_one);
    }
    check_form(BYTES("\xa3\x00x\x00"), eyot_value_new_string_len("\0x\0", 3));
}

/* ---- the removal of a key -------------------------------------------------------------------------------------- */

TEST(msgpack_removed__is_as_documented)
{
    check_form(BYTES("\xd7$$removed"), eyot_value_new_removed());
    check_json(BYTES("\x81\xa1k\xd7$$removed"), "{\"k\":{\"$removed\":true}}");
    eyot_value *v = parsed(BYTES("\xc7\x08$$removed"));
    CHECK_INT(eyot_value_kind_of(v), EYOT_VALUE_REMOVED);
    eyot_value_unref(v);
}

TEST(msgpack_removed__ext_of_a_user_gets_one_more_dollar)
{
    check_form(BYTES("\xc7\x09$$$removed"), eyot_value_new_ext(36, "$removed", 8));
    check_form(BYTES("\xc7\x0a$$$$removed"), eyot_value_new_ext(36, "$$removed", 9));
    check_form(BYTES("\xd8$$$$$$$$$$removed"), eyot_value_new_ext(36, "$$$$$$$$removed", 15));
    check_form(BYTES("\xc7\x07$removed"), eyot_value_new_ext(36, "removed", 7));
    check_form(BYTES("\xc7\x09$$removed\0"), eyot_value_new_ext(36, "$removed\0", 9));
    check_form(BYTES("\xd7$x$emoved"), eyot_value_new_ext(36, "x$emoved", 8));
    check_form(BYTES("\xd7%$removed"), eyot_value_new_ext(37, "$removed", 8));
    check_form(BYTES("\xc7\x00$"), eyot_value_new_ext(36, "", 0));
    check_form(BYTES("\xa8$removed"), eyot_value_new_string("$removed"));
}

TEST(msgpack_removed__removes_after_a_round_trip)
{
    const eyot_copier *c = eyot_msgpack();
    eyot_buf buf = EYOT__BUF_INIT;
    void *state = from_json("{\"a\":1,\"b\":2}"), *update = NULL;
    eyot_value *made = eyot_value_set(eyot_value_new_map(), "a", eyot_value_new_removed());
    CHECK_OK(c->encode(made, &buf, NULL));
    CHECK_OK(c->decode(buf.data, buf.len, &update, NULL, NULL));
    CHECK_OK(c->apply(&state, update, NULL, NULL));
    check_packed(state, BYTES("\x81\xa1\x62\x02"));
    eyot_value_unref(made);
    eyot_value_unref(update);
    eyot__buf_clear(&buf);
}

/* ---- hostile bytes --------------------------------------------------------------------------------------------- */

static const char sample[] =
    "\x86\xa1\x61\x97\x01\xcd\x01\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xcb\x3f\xf8\x00\x00\x00"
    "\x00\x00\x00\xca\x3f\xc0\x00\x00\xc3\xc0\xa4\xc3\xa9\xc3\xa9\xd9\x02xy\xa1\x62\xc4\x03"
    "abc\xa1\x63\xd5\x07zz\xa4long\x81\xa0\x90\xa1\x65\xc7\x03\xff\x01\x02\x03";

TEST(msgpack_hostile__cut_at_every_byte_is_refused)
{
    size_t len;
    eyot_value *v = from_json("{\"a\":[1,256,18446744073709551615,1.5,{\"$float32\":1.5},true,null,\"\\u00e9\"],"
                              "\"0123456789012345678901234567890123456789\":{\"$bytes\":\"AQID\"},"
                              "\"c\":{\"$ext\":\"7:AQID\"},\"d\":{\"e\":{\"$ext\":\"7:AQIDBA==\"}}}");
    char *bytes = eyot_msgpack_print(v, &len, NULL);
    for (size_t n = 0; n < len; n++) check_refused(bytes, n, EYOT_EPARSE, "the bytes end too early");
    check_form(bytes, len, v);
    eyot_free(bytes);
}

TEST(msgpack_hostile__any_byte_changed_is_read_or_refused)
{
    char bytes[sizeof sample];
    check_round_trip(parsed(sample, sizeof sample - 1));
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        memcpy(bytes, sample, sizeof sample);
        for (int c = 0; c < 256; c++) {
            bytes[i] = (char)c;
            eyot_value *v = eyot_msgpack_parse(bytes, sizeof sample - 1, NULL);
            if (v) check_round_trip(v);
        }
    }
}

/* Five bytes that ask for gigabytes: refused before anything is made. */
TEST(msgpack_hostile__counts_beyond_the_bytes_are_refused)
{
    check_refused(BYTES("\xdd\xff\xff\xff\xff"), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\xdf\xff\xff\xff\xff"), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\xdf\x80\x00\x00\x00"), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\xdb\xff\xff\xff\xff"), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\xc6\xff\xff\xff\xff"), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\xc9\xff\xff\xff\xff\x01"), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\xdc\xff\xff\x01"), EYOT_EPARSE, "offset 0: the bytes end too early");
    check_refused(BYTES("\x92\x91\x01"), EYOT_EPARSE, "offset 1: the bytes end too early");
}

/* The counts of containers inside each other come out of one purse. */
TEST(msgpack_hostile__nested_counts_take_memory_in_proportion)
{
    enum { LEVELS = 500, REST = 60000 };
    char *bytes = malloc(LEVELS * 5 + REST), *to = bytes;
    for (int i = 0; i < LEVELS; i++) to += sprintf(to, "%c%c%c%c%c", 0xdd, 1, 1, 0xea, 0x60); /* 16,902,752 */
    memset(to, 1, REST);
    check_refused(bytes, LEVELS * 5 + REST, EYOT_EPARSE, "offset 0: the bytes end too early");
    for (int i = 0; i < LEVELS; i++) memcpy(bytes + i * 5, "\xdd\x00\x00\xea\x60", 5);
    check_refused(bytes, LEVELS * 5 + REST, EYOT_EPARSE, "offset 5: the bytes end too early");
    free(bytes);
}

/* `open` n times around the value 1. */
static char *nested(const char *open, size_t n, size_t *len)
{
    char *bytes = text_repeated(open, n);
    *len = strlen(open) * n;
    bytes[(*len)++] = 1; /* where the NUL was */
    return bytes;
}

TEST(msgpack_hostile__depth_of_512_is_read_and_written)
{
    static const char *const opens[] = {"\x91", "\x81\xa1k", "\x91\x81\xa1k"};
    static const size_t times[] = {512, 512, 256};
    for (size_t i = 0; i < 3; i++) {
        size_t len;
        char *bytes = nested(opens[i], times[i], &len);
        eyot_value *v = parsed(bytes, len);
        check_packed(eyot_value_ref(v), bytes, len);
        CHECK(eyot_value_append(eyot_value_new_array(), v) == NULL);
        free(bytes);
        bytes = nested(opens[i], times[i] + 1, &len);
        check_refused(bytes, len, EYOT_ELIMIT, "nested deeper than 512 levels");
        free(bytes);
        bytes = nested(opens[i], 1000000, &len);
        check_refused(bytes, len, EYOT_ELIMIT, "nested deeper than 512 levels");
        free(bytes);
    }
}

TEST(msgpack_hostile__an_empty_container_is_a_level)
{
    char bytes[600];
    memset(bytes, 0x91, sizeof bytes);
    bytes[511] = (char)0x90;
    eyot_value *v = parsed(bytes, 512);
    CHECK(eyot_value_append(eyot_value_new_array(), v) == NULL);
    bytes[511] = (char)0x91;
    bytes[512] = (char)0x80;
    check_refused(bytes, 513, EYOT_ELIMIT, "512");
}

TEST(msgpack_hostile__more_items_than_allowed_are_refused)
{
    size_t n = (size_t)EYOT_VALUE_MAX_ITEMS + 1;
    char *bytes = calloc(n + 5, 1);
    memcpy(bytes, "\xdd\x01\x00\x00\x00", 5);
    check_refused(bytes, n + 5, EYOT_ELIMIT, "more than 16777215 items");
    memcpy(bytes, "\xdd\x00\xff\xff\xff", 5);
    eyot_value *v = eyot_msgpack_parse(bytes, n + 4, NULL);
    CHECK_INT(eyot_value_count(v), EYOT_VALUE_MAX_ITEMS);
    eyot_value_unref(v);
    free(bytes);
}

TEST(msgpack_hostile__large_values_are_limited_both_ways)
{
    eyot_error e = {EYOT_OK, 0, ""};
    size_t n = EYOT_MSGPACK_MAX_BYTES, len;
    char *bytes = calloc(n + 1, 1);
    check_refused(bytes, n + 1, EYOT_ELIMIT, "has 67108865 bytes");
    eyot_value *v = eyot_value_new_bytes(bytes, n - 5);
    free(bytes);
    bytes = eyot_msgpack_print(v, &len, &e);
    CHECK_INT(len, n);
    eyot_value_unref(v);
    v = eyot_msgpack_parse(bytes, len, &e);
    CHECK_INT(eyot_value_count(v), n - 5);
    eyot_free(bytes);
    v = eyot_value_append(eyot_value_new_array(), v);
    CHECK(eyot_msgpack_print(v, &len, &e) == NULL);
    CHECK_INT(e.status, EYOT_ELIMIT);
    CHECK_INT(len, 0);
    eyot_value_unref(v);
}

TEST(msgpack_hostile__takes_memory_in_proportion)
{
    static const struct {
        const char *unit;
        size_t len, units;
    } shapes[] = {{"\x91\x01", 2, 1},
                  {"\xa1x", 2, 1},
                  {"\xc7\x00\x05", 3, 1},
                  {"\x81\xa0\x01", 3, 1},
                  {"\x90", 1, 1},
                  {"\x91\x91\x91\x01", 4, 1},
                  {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, 1}};
    enum { N = 60000 };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char *bytes = malloc(N * shapes[i].len + 5);
        memcpy(bytes, "\xdd\x00\x00\xea\x60", 5);
        for (size_t k = 0; k < N; k++) memcpy(bytes + 5 + k * shapes[i].len, shapes[i].unit, shapes[i].len);
        eyot_value *v = parsed(bytes, N * shapes[i].len + 5);
        CHECK(eyot_value_measure(v) <= 25 * (N * shapes[i].len + 5));
        check_round_trip(v);
        free(bytes);
    }
}

/* ---- at random ------------------------------------------------------------------------------------------------- */

TEST(msgpack_random__values_come_back_as_they_were)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 20000 * test_long(); i++) check_round_trip(value_at_random(&seed, 4, ANY_NUMBERS));
}

TEST(msgpack_random__json_and_msgpack_keep_every_value)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 5000 * test_long(); i++) {
        eyot_value *v = value_at_random(&seed, 4, FINITE_NUMBERS);
        size_t len;
        char *bytes = eyot_msgpack_print(v, &len, NULL);
        eyot_value *unpacked = parsed(bytes, len);
        char *json = eyot_json_print(unpacked, NULL);
        eyot_value *back = from_json(json);
        check_packed(back, bytes, len);
        CHECK(eyot_value_equal(v, unpacked));
        eyot_free(bytes);
        eyot_free(json);
        eyot_value_unref(v);
        eyot_value_unref(unpacked);
    }
}

TEST(msgpack_random__changed_bytes_are_read_or_refused)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 30000 * test_long(); i++) {
        eyot_value *v = value_at_random(&seed, 3, ANY_NUMBERS);
        size_t len;
        char *bytes = eyot_msgpack_print(v, &len, NULL);
        for (int k = 0; k < 3; k++) bytes[test_random(&seed) % len] = (char)test_random(&seed);
        eyot_value_unref(v);
        v = eyot_msgpack_parse(bytes, len, NULL);
        if (v) check_round_trip(v);
        eyot_free(bytes);
    }
}

TEST(msgpack_random__any_bytes_are_read_or_refused)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 200000 * test_long(); i++) {
        uint64_t bits[4];
        for (int k = 0; k < 4; k++) bits[k] = test_random(&seed);
        size_t len = test_random(&seed) % (sizeof bits + 1);
        char *own = malloc(len ? len : 1);
        memcpy(own, bits, len);
        eyot_value *v = eyot_msgpack_parse(own, len, NULL);
        free(own);
        if (v) check_round_trip(v);
    }
}

/* ---- the copier ------------------------------------------------------------------------------------------------ */

TEST(msgpack_write__fills_a_limited_buffer_to_its_last_byte)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 300; i++) {
        eyot_value *v = value_at_random(&seed, 3, ANY_NUMBERS);
        size_t len;
        char *bytes = eyot_msgpack_print(v, &len, NULL);
        eyot_buf buf = EYOT__BUF_INIT;
        CHECK_OK(eyot_buf_add(&buf, "before", 6));
        buf.max = len + 6;
        CHECK_OK(eyot_msgpack()->encode(v, &buf, NULL));
        CHECK(buf.len == len + 6 && memcmp(buf.data, "before", 6) == 0 && memcmp(buf.data + 6, bytes, len) == 0);
        eyot__buf_clear(&buf);
        buf.max = len - 1;
        if (buf.max) CHECK_STATUS(eyot_msgpack()->encode(v, &buf, NULL), EYOT_ELIMIT);
        if (buf.max) CHECK_STATUS(buf.failed, EYOT_ELIMIT);
        eyot__buf_clear(&buf);
        eyot_value_unref(v);
        eyot_free(bytes);
    }
}

TEST(msgpack_decode__what_does_not_parse_is_corrupt)
{
    eyot_error e = {EYOT_OK, 0, ""};
    void *v = &e;
    CHECK_STATUS(eyot_msgpack()->decode("\x91", 1, &v, &e, NULL), EYOT_ECORRUPT);
    CHECK(v == NULL);
    CHECK_INT(e.status, EYOT_ECORRUPT);
    CHECK_HAS(e.text, "offset 0: the bytes end too early");
}

TEST(msgpack_copier__prints_json_whatever_the_numbers)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "x", eyot_value_new_double((double)NAN));
    CHECK_OK(eyot_msgpack()->print(v, &buf, NULL));
    CHECK_OK(eyot_buf_add(&buf, "", 1));
    CHECK_STR((const char *)buf.data, "{\"x\":{\"$double\":\"NaN\"}}");
    eyot__buf_clear(&buf);
    eyot_value_unref(v);
}
