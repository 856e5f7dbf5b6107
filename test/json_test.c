/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include <math.h>
#include <stdlib.h>

#include "copiers/json.h"
#include "copiers/number.h"
#include "core/buf.h"
#include "test/values.h"

/* Reads and writes a text again. */
static void check_becomes(const char *text, const char *want)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse(text, &e);
    if (!v) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    char *back = eyot_json_print(v, &e);
    eyot_value_unref(v);
    CHECK_STR(back, want);
    eyot_free(back);
}

static void check_refused(const char *text, size_t len, eyot_status status, const char *why)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse_len(text, len, &e);
    if (v) test_fail(__FILE__, __LINE__, "%.*s was read", (int)len, text);
    CHECK_INT(e.status, status);
    CHECK_HAS(e.text, why);
}

static void check_refused_text(const char *text, const char *why)
{
    check_refused(text, strlen(text), EYOT_EPARSE, why);
}

/* v printed, read and compared; v is let go. */
static void check_round_trip(eyot_value *v)
{
    eyot_error e = {EYOT_OK, 0, ""};
    char *text = eyot_json_print(v, &e);
    if (!text) test_fail(__FILE__, __LINE__, "%s", e.text);
    eyot_value *back = eyot_json_parse(text, &e);
    if (!back) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    char *again = eyot_json_print(back, &e);
    if (!eyot_value_equal(v, back)) test_fail(__FILE__, __LINE__, "%s became %s", text, again);
    CHECK_STR(again, text);
    eyot_free(text);
    eyot_free(again);
    eyot_value_unref(v);
    eyot_value_unref(back);
}

/* ---- what is read and written ---------------------------------------------------------------------------------- */

TEST(json_parse__reads_what_rfc_8259_allows)
{
    check_becomes(" \t\r\n{ \"a\" : [ 1 , true , false , null ] , \"b\" : { } } \n",
                  "{\"a\":[1,true,false,null],\"b\":{}}");
    check_becomes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83c\\udf0a\"",
                  "\"\\\"\\\\/\\b\\f\\n\\r\\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\x8a\"");
    check_becomes("\"\\u0000\\u001f\x7f\"", "\"\\u0000\\u001f\x7f\"");
    check_becomes("[[],[[]],{\"\":\"\"}]", "[[],[[]],{\"\":\"\"}]");
    check_becomes("7", "7");
}

TEST(json_parse__refuses_what_rfc_8259_does_not_allow)
{
    check_refused_text("", "line 1, column 1: the text ends too early");
    check_refused_text("[1,2", "line 1, column 5: the text ends too early");
    check_refused_text("[1,]", "line 1, column 4: a value is wanted here");
    check_refused_text("{\"a\":1,}", "a key in double quotes is wanted here");
    check_refused_text("{a:1}", "line 1, column 2: a key");
    check_refused_text("{\"a\" 1}", "line 1, column 6: a colon");
    check_refused_text("[1\n 2]", "line 2, column 2: a comma or ]");
    check_refused_text("{\"a\":1]", "a comma or }");
    check_refused_text("1 2", "line 1, column 3: something follows the value");
    check_refused_text("tru", "the text ends too early");
    check_refused_text("truE", "line 1, column 1: a value is wanted here");
    check_refused_text("nul1", "a value is wanted here");
    check_refused_text("'a'", "a value is wanted here");
    check_refused_text("// no\n1", "a value is wanted here");
    check_refused_text("\xef\xbb\xbf"
                       "1",
                       "line 1, column 1: a value is wanted here");
    check_refused_text("]", "a value is wanted here");
    check_refused("1\0", 2, EYOT_EPARSE, "something follows");
}

TEST(json_parse__refuses_numbers_that_are_none)
{
    static const char *const bad[] = {"01",        "-",     "+1",     ".5",  "1.",    "1.e1",  "1e",
                                      "1e+",       "-01",   "0x1",    "1_0", "--1",   "NaN",   "Infinity",
                                      "-Infinity", "1e400", "-1e400", "00",  "1.5.2", "1e5e5", "2."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_refused(bad[i], strlen(bad[i]), EYOT_EPARSE, "line 1");
    check_refused_text("[1e400]", "line 1, column 2: a number beyond any double");
    check_refused_text("-x", "a minus needs digits after it");
}

TEST(json_parse__refuses_strings_that_are_none)
{
    check_refused_text("\"a", "the text ends too early");
    check_refused_text("\"a\nb\"", "line 1, column 3: a control character in a string");
    check_refused_text("\"\\x\"", "line 1, column 2: no such escape");
    check_refused_text("\"\\u12g4\"", "\\u needs four hex digits");
    check_refused_text("\"\\ud800\"", "half of a surrogate pair");
    check_refused_text("\"\\ud800\\u0041\"", "half of a surrogate pair");
    check_refused_text("\"\\udc00\"", "half of a surrogate pair");
    check_refused_text("\"0123456789abcdef\xc3(\"", "line 1, column 18: no valid UTF-8");
    check_refused_text("{\"\xed\xa0\x80\":1}", "no valid UTF-8");
    check_refused("\"a\0b\"", 5, EYOT_EPARSE, "a control character in a string");
}

TEST(json_parse__refuses_a_key_that_comes_twice)
{
    check_refused_text("{\"a\":1,\"b\":2,\"a\":3}", "line 1, column 19: the map that ends here has a key twice: \"a\"");
    check_refused_text("[{\"a\":1,\"b\":2},{\"a\":1,\"a\":2}]", "twice: \"a\"");
    check_refused_text("{\"\\u0061\":1,\"a\":3}", "twice: \"a\"");
}

/* A map with n keys, of which the last is key `same` again. */
static char *map_text(int n, int same)
{
    char *text = malloc((size_t)n * 24 + 64), *to = text;
    for (int i = 0; i < n; i++) to += sprintf(to, "%c\"k%d\":%d", i ? ',' : '{', i == n - 1 && same >= 0 ? same : i, i);
    strcpy(to, "}");
    return text;
}

TEST(json_parse__finds_a_duplicate_among_many_keys)
{
    static const int sizes[] = {2, 3, 9, 31, 32, 33, 34, 64, 65, 1000, 20000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *twice = map_text(sizes[i], 0), *fine = map_text(sizes[i], -1);
        check_refused_text(twice, "twice: \"k0\"");
        check_becomes(fine, fine);
        free(twice);
        free(fine);
    }
}

TEST(json_parse__same_keys_in_sibling_maps_are_shared)
{
    eyot_value *v = eyot_json_parse("[{\"name\":1},{\"name\":3},{\"name\":5}]", NULL);
    const char *keys[3] = {NULL, NULL, NULL};
    for (size_t i = 0; i < 3; i++) {
        eyot_value_iter it = eyot_value_each(eyot_value_item(v, i));
        while (eyot_value_next(&it))
            if (strcmp(it.key, "name") == 0) keys[i] = it.key;
    }
    CHECK(keys[0] && keys[0] == keys[1] && keys[1] == keys[2]);
    eyot_value_unref(v);
}

TEST(json_parse__null_text_is_an_invalid_argument)
{
    eyot_error e = {EYOT_OK, 0, ""};
    CHECK(eyot_json_parse(NULL, &e) == NULL);
    CHECK_INT(e.status, EYOT_EINVAL);
    CHECK(eyot_json_print(NULL, &e) == NULL);
    CHECK_INT(e.status, EYOT_EINVAL);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

TEST(json_number__integers_are_exact)
{
    static const char *const same[] = {"0",
                                       "-1",
                                       "9223372036854775807",
                                       "-9223372036854775808",
                                       "9223372036854775808",
                                       "18446744073709551615",
                                       "123456789012345678",
                                       "1234567890123456789",
                                       "2305843009213693951",
                                       "2305843009213693952",
                                       "-2305843009213693953",
                                       "99999999",
                                       "100000000",
                                       "9999999999999999",
                                       "10000000000000000"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) check_becomes(same[i], same[i]);
    check_becomes("-0", "0");
}

TEST(json_number__others_are_doubles)
{
    check_becomes("18446744073709551616", "1.8446744073709552e19");
    check_becomes("-9223372036854775809", "-9.223372036854776e18");
    check_becomes("1.0", "1.0");
    check_becomes("1e2", "100.0");
    check_becomes("-0.0", "-0.0");
    check_becomes("-0e5", "-0.0");
    check_becomes("1E-2", "0.01");
    check_becomes("0.00001", "0.00001");
    check_becomes("0.000001", "1e-6");
    check_becomes("12345678901234567.0", "12345678901234568.0");
    check_becomes("123456789012345678.0", "1.2345678901234568e17");
    check_becomes("5e-324", "5e-324");
    check_becomes("2.2250738585072011e-308", "2.225073858507201e-308");
    check_becomes("1.7976931348623157e308", "1.7976931348623157e308");
    check_becomes("1e-400", "0.0");
    check_becomes("0e999999999999999999999", "0.0");
    check_becomes("9007199254740993.0", "9007199254740992.0");
    check_becomes("0.1000000000000000055511151231257827021181583404541015625", "0.1");
}

static double read_double(const char *text)
{
    eyot_value *v = eyot_json_parse(text, NULL);
    double d = eyot_value_double(v, -1);
    eyot_value_unref(v);
    return d;
}

static void check_as_libc(const char *text)
{
    double ours = read_double(text), theirs = strtod(text, NULL);
    if (!isinf(theirs) && ours != theirs) test_fail(__FILE__, __LINE__, "%s: %.17g, not %.17g", text, ours, theirs);
}

TEST(json_number__random_decimals_are_read_as_libc_does)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 100000 * test_long(); i++) {
        char text[64];
        int n = 0, digits = 1 + (int)(test_random(&seed) % 30), point = (int)(test_random(&seed) % 30);
        for (int k = 0; k < digits; k++) {
            n += sprintf(text + n, "%d", (int)(test_random(&seed) % (k ? 10 : 9)) + !k);
            if (k == point && k + 1 < digits) text[n++] = '.';
        }
        sprintf(text + n, "e%d", (int)(test_random(&seed) % 680) - 345);
        check_as_libc(text);
    }
}

/* The decimal digits of the middle of two doubles, exactly, maybe with something behind them. */
TEST(json_number__middles_are_rounded_to_even)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 2000; i++) {
        char text[1500];
        uint64_t bits = test_random(&seed) >> 1;
        if (i % 4 == 0) bits &= ((uint64_t)1 << (i % 52)) - 1;
        double d, next;
        memcpy(&d, &bits, sizeof d);
        next = nextafter(d, (double)INFINITY);
        if (!isfinite(d) || isinf(next)) continue;
        /* 64 bits of fraction hold the middle; a double has 53. */
        int n = snprintf(text, 1200, "%.1100Le", ((long double)d + (long double)next) / 2);
        char *exponent = strchr(text, 'e'), tail[16];
        strcpy(tail, exponent);
        CHECK(n > 1100);
        check_as_libc(text);
        strcpy(exponent, "0000000000000000000000000000000000001");
        strcat(text, tail);
        check_as_libc(text);
    }
}

TEST(json_number__doubles_come_back_shortest)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 100000 * test_long(); i++) {
        uint64_t bits = test_random(&seed);
        char text[EYOT__NUMBER_MAX + 1], shorter[64];
        double d;
        if (i % 5 == 1) bits &= ~((uint64_t)0x7ff << 52);                                    /* tiny */
        if (i % 5 == 2) bits = (bits & ((uint64_t)0x7ff << 52)) + bits % 5 - 2;              /* about powers of two */
        if (i % 5 == 3) bits = (bits & ~((uint64_t)0x7ff << 52)) | (1023 + bits % 60) << 52; /* about 1 */
        memcpy(&d, &bits, sizeof d);
        if (i % 5 == 4) d = (double)(int64_t)(bits % 1000000000) / 1000;
        if (!isfinite(d)) continue;
        *eyot__print_double(text, d) = 0;
        if (strtod(text, NULL) != d) test_fail(__FILE__, __LINE__, "%.17g became %s", d, text);
        int digits = 0, kept = 0;
        for (const char *p = text; *p && *p != 'e'; p++) {
            if (*p < '0' || *p > '9' || (!digits && *p == '0')) continue;
            digits++;
            if (*p != '0') kept = digits;
        }
        if (kept < 2) continue;
        snprintf(shorter, sizeof shorter, "%.*e", kept - 2, d);
        if (strtod(shorter, NULL) == d) test_fail(__FILE__, __LINE__, "%s is longer than %s", text, shorter);
    }
}

TEST(json_number__nan_and_infinity_are_refused)
{
    const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    static const char *const names[] = {"JSON has no NaN, which is the value at \"/0\"",
                                        "JSON has no Infinity, which is the value at \"/0\"",
                                        "JSON has no -Infinity, which is the value at \"/0\""};
    for (int i = 0; i < 3; i++) {
        eyot_error e = {EYOT_OK, 0, ""};
        eyot_value *v = eyot_value_append(eyot_value_new_array(), eyot_value_new_double(bad[i]));
        CHECK(eyot_json_print(v, &e) == NULL);
        CHECK_INT(e.status, EYOT_EINVAL);
        CHECK_STR(e.text, names[i]);
        eyot_value_unref(v);
        CHECK(eyot_json_print(eyot_value_new_float32((float)bad[i]), &e) == NULL);
    }
}

TEST(json_number__the_error_leads_to_a_nan)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse("{\"a\":[[],{\"b\":1.5}],\"x/y~\\n\":[[[1]],{}]}", NULL);
    eyot_value *inner = eyot_value_ref(eyot_value_pointer(v, "/x~1y~0\n"));
    inner = eyot_value_append(inner, eyot_value_new_float32(NAN));
    v = eyot_value_set(v, "x/y~\n", inner);
    CHECK(eyot_json_print(v, &e) == NULL);
    CHECK_STR(e.text, "JSON has no NaN, which is the value at \"/x~1y~0?/2\"");
    eyot_value_unref(v);
    v = eyot_value_new_double((double)NAN);
    for (int i = 0; i < 512; i++) v = eyot_value_append(eyot_value_new_array(), v);
    CHECK(eyot_json_print(v, &e) == NULL);
    CHECK_HAS(e.text, "JSON has no NaN, which is the value at \"/0/0");
    eyot_value_unref(v);
}

TEST(json_number__is_shown_to_people_whatever_it_is)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_value *v = eyot_value_append(eyot_value_new_array(), eyot_value_new_double((double)NAN));
    v = eyot_value_append(v, eyot_value_new_double(-(double)INFINITY));
    v = eyot_value_append(v, eyot_value_new_float32(INFINITY));
    v = eyot_value_append(v, eyot_value_new_float32(1.5f));
    CHECK_OK(eyot_json()->print(v, &buf, NULL));
    CHECK_OK(eyot_buf_add(&buf, "", 1));
    const char *want =
        "[{\"$double\":\"NaN\"},{\"$double\":\"-Infinity\"},{\"$float32\":\"Infinity\"},{\"$float32\":1.5}]";
    CHECK_STR((const char *)buf.data, want);
    eyot__buf_clear(&buf);
    eyot_value_unref(v);
}

/* ---- what JSON lacks ------------------------------------------------------------------------------------------- */

TEST(json_form__every_kind_comes_back)
{
    check_round_trip(eyot_value_new_float32(0.1f));
    check_round_trip(eyot_value_new_float32(3.4028235e38f));
    check_round_trip(eyot_value_new_removed());
    for (size_t n = 0; n < 50; n++) {
        unsigned char bytes[50];
        for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)(i * 37 + n);
        check_round_trip(eyot_value_new_bytes(bytes, n));
        check_round_trip(eyot_value_new_ext((int8_t)(n * 5), bytes, n));
    }
}

TEST(json_form__is_as_documented)
{
    eyot_value *v = eyot_value_append(eyot_value_new_array(), eyot_value_new_bytes("\1\2\3", 3));
    v = eyot_value_append(v, eyot_value_new_ext(-1, "\1\2\3", 3));
    v = eyot_value_append(v, eyot_value_new_float32(1.5f));
    v = eyot_value_append(v, eyot_value_new_removed());
    char *text = eyot_json_print(v, NULL);
    CHECK_STR(text, "[{\"$bytes\":\"AQID\"},{\"$ext\":\"-1:AQID\"},{\"$float32\":1.5},{\"$removed\":true}]");
    eyot_free(text);
    eyot_value_unref(v);
}

TEST(json_form__what_only_looks_like_one_is_a_map)
{
    static const char *const maps[] = {
        "{\"$bytes\":5}",        "{\"$bytes\":\"A\"}",     "{\"$bytes\":\"AQ=\"}",
        "{\"$bytes\":\"AR==\"}", "{\"$bytes\":\"A===\"}",  "{\"$bytes\":\"AQI!\"}",
        "{\"$bytes\":\"====\"}", "{\"$ext\":\"AQID\"}",    "{\"$ext\":\"128:\"}",
        "{\"$ext\":\"01:\"}",    "{\"$ext\":\"-0:\"}",     "{\"$ext\":\"+1:\"}",
        "{\"$ext\":\":AQID\"}",  "{\"$ext\":1}",           "{\"$float32\":1}",
        "{\"$float32\":0.1}",    "{\"$float32\":1e300}",   "{\"$removed\":1}",
        "{\"$removed\":false}",  "{\"$float32\":\"1.5\"}", "{\"$bytes\":\"AQ==\",\"a\":1}"};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        eyot_value *v = eyot_json_parse(maps[i], NULL);
        if (eyot_value_kind_of(v) != EYOT_VALUE_MAP) test_fail(__FILE__, __LINE__, "%s is no map", maps[i]);
        check_round_trip(v);
    }
}

TEST(json_form__of_a_user_gets_one_more_dollar)
{
    eyot_value *own = eyot_value_set(eyot_value_new_map(), "$bytes", eyot_value_new_string("AQID"));
    char *text = eyot_json_print(own, NULL);
    CHECK_STR(text, "{\"$$bytes\":\"AQID\"}");
    eyot_free(text);
    check_round_trip(own);
    check_round_trip(eyot_value_set(eyot_value_new_map(), "$$removed", eyot_value_new_bool(true)));
    own = eyot_value_set(eyot_value_new_map(), "$removed", eyot_value_new_bool(true));
    check_round_trip(eyot_value_set(own, "$ext", eyot_value_new_null()));
    check_becomes("{\"$ref\":\"#/a\"}", "{\"$ref\":\"#/a\"}");
    check_becomes("{\"$$$ext\":1}", "{\"$$$ext\":1}");
}

/* ---- hostile texts --------------------------------------------------------------------------------------------- */

static const char sample[] =
    "{\"a\":[1,-2.5e3,\"x\\n\\u00e9\xc3\xa9\",true,null],\"b\":{\"$bytes\":\"AQID\"},\"c\":{\"d\":false}}";

TEST(json_hostile__cut_at_every_byte_is_refused)
{
    for (size_t n = 0; n < sizeof sample - 1; n++) {
        char *cut = malloc(n ? n : 1); /* so that a read beyond the end is found */
        memcpy(cut, sample, n);
        check_refused(cut, n, EYOT_EPARSE, "line 1");
        free(cut);
    }
}

TEST(json_hostile__any_byte_changed_is_read_or_refused)
{
    char text[sizeof sample];
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        memcpy(text, sample, sizeof sample);
        for (int c = 0; c < 256; c++) {
            text[i] = (char)c;
            eyot_value *v = eyot_json_parse_len(text, sizeof sample - 1, NULL);
            if (v) check_round_trip(v);
        }
    }
}

TEST(json_hostile__depth_is_limited)
{
    static const char *const bombs[] = {"[", "{\"a\":", "[{\"\":", "{\"$bytes\":"};
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        char *text = text_repeated(bombs[i], 100000);
        check_refused(text, strlen(text), EYOT_ELIMIT, "nested deeper than 512 levels");
        free(text);
    }
}

TEST(json_hostile__depth_of_512_is_read)
{
    char *open = text_repeated("[", 511), *close = text_repeated("]", 511), text[1200];
    sprintf(text, "%s{\"$bytes\":\"AQID\"}%s", open, close);
    check_becomes(text, text);
    sprintf(text, "%s[{\"$bytes\":\"AQID\"}]%s", open, close); /* the map is no level of the value */
    check_becomes(text, text);
    sprintf(text, "%s[{\"a\":1}]%s", open, close);
    check_refused(text, strlen(text), EYOT_ELIMIT, "512");
    sprintf(text, "%s[{}]%s", open, close);
    check_refused(text, strlen(text), EYOT_ELIMIT, "512");
    sprintf(text, "%s[{\"$$bytes\":1}]%s", open, close);
    check_refused(text, strlen(text), EYOT_ELIMIT, "512");
    free(open);
    free(close);
}

/* What was read has its depth, which builders go by. */
TEST(json_hostile__what_was_read_cannot_be_built_deeper_than_512)
{
    static const char *const texts[] = {"[[]]", "[{}]", "{\"a\":[]}", "[1,[],2]", "[[1]]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        eyot_value *v = eyot_json_parse(texts[i], NULL);
        for (int depth = 2; depth < 512; depth++) v = eyot_value_append(eyot_value_new_array(), v);
        CHECK(v != NULL);
        CHECK(eyot_value_append(eyot_value_new_array(), v) == NULL);
    }
}

TEST(json_hostile__long_strings_are_read)
{
    char *body = text_repeated("abcdefghij\\n\xc3\xa9", 1 << 16), *text = malloc(strlen(body) + 3);
    sprintf(text, "\"%s\"", body);
    check_becomes(text, text);
    free(body);
    free(text);
}

TEST(json_hostile__long_numbers_are_read)
{
    char *digits = text_repeated("9", 1 << 20), *text = malloc((1 << 20) + 32);
    sprintf(text, "0.%s", digits);
    check_becomes(text, "1.0");
    sprintf(text, "%se-1048576", digits);
    check_becomes(text, "1.0");
    check_refused_text(digits, "a number beyond any double");
    free(digits);
    free(text);
}

TEST(json_hostile__large_documents_are_limited)
{
    size_t n = (size_t)EYOT_JSON_MAX_BYTES + 1;
    char *text = malloc(n);
    memset(text, ' ', n);
    check_refused(text, n, EYOT_ELIMIT, "has 67108865 bytes");
    check_refused(text, n - 1, EYOT_EPARSE, "the text ends too early");
    free(text);
}

TEST(json_hostile__too_long_a_text_is_not_written)
{
    eyot_error e = {EYOT_OK, 0, ""};
    char *text = text_repeated("\x01", 1 << 20);
    eyot_value *megabyte = eyot_value_new_string(text), *v = eyot_value_new_array();
    for (int i = 0; i < 11; i++) v = eyot_value_append(v, eyot_value_ref(megabyte)); /* 6 bytes for each byte */
    CHECK(eyot_json_print(v, &e) == NULL);
    CHECK_INT(e.status, EYOT_ELIMIT);
    eyot_value_unref(v);
    eyot_value_unref(megabyte);
    free(text);
}

TEST(json_hostile__wide_containers_take_memory_in_proportion)
{
    char *text = text_repeated("0,", 1 << 20);
    size_t n = strlen(text);
    text[0] = '[';
    text[1] = ' ';
    text[n - 1] = ']';
    eyot_value *v = eyot_json_parse_len(text, n, NULL);
    CHECK_INT(eyot_value_count(v), (1 << 20) - 1);
    CHECK(eyot_value_measure(v) < 5 * n);
    eyot_value_unref(v);
    free(text);
}

TEST(json_hostile__colliding_looking_keys_take_time_in_proportion)
{
    /* Keys of one length that differ in one place: slow only if hashes are bad. */
    enum { N = 200000 };
    char *text = malloc((size_t)N * 40 + 16), *to = text;
    for (int i = 0; i < N; i++) to += sprintf(to, "%c\"%030d\":0", i ? ',' : '{', i);
    strcpy(to, "}");
    uint64_t begin = test_now_ms();
    eyot_value *v = eyot_json_parse(text, NULL);
    CHECK_INT(eyot_value_count(v), N);
    CHECK(test_now_ms() - begin < 5000);
    eyot_value_unref(v);
    free(text);
}

/* ---- at random ------------------------------------------------------------------------------------------------- */

TEST(json_random__values_come_back_as_they_were)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 20000 * test_long(); i++) check_round_trip(value_at_random(&seed, 4, FINITE_NUMBERS));
}

TEST(json_random__changed_texts_are_read_or_refused)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 20000 * test_long(); i++) {
        eyot_value *v = value_at_random(&seed, 3, FINITE_NUMBERS);
        char *text = eyot_json_print(v, NULL);
        size_t len = strlen(text);
        for (int k = 0; k < 3; k++) text[test_random(&seed) % len] = "{}[]\",:0e-\\u\x80\xff"[test_random(&seed) % 14];
        eyot_value_unref(v);
        v = eyot_json_parse_len(text, len, NULL);
        if (v) check_round_trip(v);
        eyot_free(text);
    }
}

/* ---- the buffer ------------------------------------------------------------------------------------------------ */

TEST(json_write__failure_leaves_the_buffer_as_it_was)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_value *v = eyot_value_append(eyot_value_new_array(), eyot_value_new_double((double)NAN));
    CHECK_OK(eyot_buf_add(&buf, "before", 6));
    CHECK_STATUS(eyot_json()->encode(v, &buf, NULL), EYOT_EINVAL);
    CHECK_INT(buf.len, 6);
    eyot_value_unref(v);
    v = eyot_json_parse("{\"a\":[1,2]}", NULL);
    CHECK_OK(eyot_json()->encode(v, &buf, NULL));
    CHECK(buf.len == 17 && memcmp(buf.data, "before{\"a\":[1,2]}", 17) == 0);
    eyot_value_unref(v);
    eyot__buf_clear(&buf);
}

TEST(json_write__fills_a_limited_buffer_to_its_last_byte)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 300; i++) {
        eyot_value *v = value_at_random(&seed, 3, FINITE_NUMBERS);
        char *text = eyot_json_print(v, NULL);
        size_t len = strlen(text);
        eyot_buf buf = EYOT__BUF_INIT;
        CHECK_OK(eyot_buf_add(&buf, "before", 6));
        buf.max = len + 6;
        CHECK_OK(eyot_json()->encode(v, &buf, NULL));
        CHECK(buf.len == len + 6 && memcmp(buf.data + 6, text, len) == 0);
        eyot__buf_clear(&buf);
        buf.max = len - 1;
        if (buf.max) CHECK_STATUS(eyot_json()->encode(v, &buf, NULL), EYOT_ELIMIT);
        if (buf.max) CHECK_STATUS(buf.failed, EYOT_ELIMIT);
        eyot__buf_clear(&buf);
        eyot_value_unref(v);
        eyot_free(text);
    }
}

TEST(json_decode__what_does_not_parse_is_corrupt)
{
    eyot_error e = {EYOT_OK, 0, ""};
    void *v = &e;
    CHECK_STATUS(eyot_json()->decode("[1,", 3, &v, &e, NULL), EYOT_ECORRUPT);
    CHECK(v == NULL);
    CHECK_INT(e.status, EYOT_ECORRUPT);
    CHECK_HAS(e.text, "line 1, column 4");
}
