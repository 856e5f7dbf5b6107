/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "copiers/value.h"

static eyot_value *parsed(const char *text)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse(text, &e);
    if (!v) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    return v;
}

/* Checks what v prints as and lets go of it. */
static void check_text(eyot_value *v, const char *want)
{
    char *text = eyot_json_print(v, NULL);
    CHECK_STR(text, want);
    eyot_free(text);
    eyot_value_unref(v);
}

static eyot_value *numbered_map(int n)
{
    eyot_value *v = eyot_value_new_map();
    for (int i = 0; i < n; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        v = eyot_value_set(v, key, eyot_value_new_int(i));
    }
    return v;
}

static eyot_value *numbered_array(int n)
{
    eyot_value *v = eyot_value_new_array();
    for (int i = 0; i < n; i++) v = eyot_value_append(v, eyot_value_new_int(i));
    return v;
}

/* ---- scalars --------------------------------------------------------------------------------------------------- */

TEST(value_int__keeps_every_integer)
{
    const int64_t ints[] = {0,         1,        -1, EYOT__INT_MAX, EYOT__INT_MAX + 1, EYOT__INT_MIN, EYOT__INT_MIN - 1,
                            INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        eyot_value *v = eyot_value_new_int(ints[i]);
        CHECK(eyot_value_kind_of(v) == EYOT_VALUE_INT);
        CHECK_INT(eyot_value_int(v, 7), ints[i]);
        eyot_value_unref(v);
    }
}

TEST(value_uint__is_an_int_when_it_fits)
{
    eyot_value *small = eyot_value_new_uint(INT64_MAX), *big = eyot_value_new_uint(UINT64_MAX);
    CHECK(eyot_value_kind_of(small) == EYOT_VALUE_INT);
    CHECK(eyot_value_kind_of(big) == EYOT_VALUE_UINT);
    CHECK(eyot_value_uint(big, 0) == UINT64_MAX);
    CHECK_INT(eyot_value_int(big, -5), -5);
    eyot_value_unref(small);
    eyot_value_unref(big);
}

TEST(value_double__keeps_every_bit)
{
    uint64_t seed = test_seed();
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = test_random(&seed), back;
        if (i % 3 == 0)
            bits = (bits & ~((uint64_t)0x7ff << 52)) | ((0x2f0 + bits % 0x220) << 52); /* about the border */
        double d;
        memcpy(&d, &bits, sizeof d);
        eyot_value *v = eyot_value_new_double(d);
        CHECK(eyot_value_kind_of(v) == EYOT_VALUE_DOUBLE);
        d = eyot_value_double(v, 0);
        memcpy(&back, &d, sizeof d);
        CHECK(back == bits);
        eyot_value_unref(v);
    }
}

TEST(value_double__zeros_have_signs)
{
    CHECK(!signbit(eyot_value_double(eyot_value_new_double(0.0), 1)));
    CHECK(signbit(eyot_value_double(eyot_value_new_double(-0.0), 1)));
}

TEST(value_numbers__need_no_memory_when_small)
{
    CHECK(!eyot__is_node(eyot__word_of(eyot_value_new_int(1234567890123))));
    CHECK(!eyot__is_node(eyot__word_of(eyot_value_new_double(3.14159))));
    CHECK(!eyot__is_node(eyot__word_of(eyot_value_new_float32(1e-40f))));
    CHECK(!eyot__is_node(eyot__word_of(eyot_value_new_map())));
}

TEST(value_getters__give_the_default_for_another_kind)
{
    eyot_value *text = eyot_value_new_string("7");
    CHECK_INT(eyot_value_int(text, -3), -3);
    CHECK(eyot_value_uint(text, 3) == 3);
    CHECK(eyot_value_double(text, 2.5) == 2.5);
    CHECK(eyot_value_bool(text, true));
    CHECK_STR(eyot_value_string(eyot_value_new_int(7), "none"), "none");
    CHECK(eyot_value_bytes(text, NULL) == NULL);
    CHECK_INT(eyot_value_int(NULL, 9), 9);
    CHECK_STR(eyot_value_string(NULL, "none"), "none");
    eyot_value_unref(text);
}

TEST(value_getters__convert_only_what_is_exact)
{
    CHECK_INT(eyot_value_int(eyot_value_new_double(-3.0), 0), -3);
    CHECK_INT(eyot_value_int(eyot_value_new_double(3.5), 9), 9);
    CHECK(eyot_value_uint(eyot_value_new_int(-1), 9) == 9);
    CHECK(eyot_value_double(eyot_value_new_int(3), 0) == 3.0);
    CHECK(eyot_value_double(eyot_value_new_float32(0.5f), 0) == 0.5);
    eyot_value *huge = eyot_value_new_double(1e300);
    CHECK_INT(eyot_value_int(huge, 9), 9);
    CHECK(eyot_value_uint(huge, 9) == 9);
    eyot_value_unref(huge);
    eyot_value *edge = eyot_value_new_double(0x1p63);
    CHECK_INT(eyot_value_int(edge, 9), 9);
    CHECK(eyot_value_uint(edge, 9) == (uint64_t)1 << 63);
    eyot_value_unref(edge);
}

TEST(value_string__may_hold_nul)
{
    size_t len;
    eyot_value *v = eyot_value_new_string_len("a\0b", 3);
    CHECK(memcmp(eyot_value_string_len(v, &len), "a\0b", 4) == 0);
    CHECK_INT(len, 3);
    eyot_value_unref(v);
}

TEST(value_string__refuses_what_is_no_utf8)
{
    static const char *const bad[] = {"\x80",         "\xc0\xaf",         "\xe0\x80\xaf", "\xed\xa0\x80",
                                      "\xf0\x80\x80", "\xf4\x90\x80\x80", "abcdefgh\xff", "\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK(eyot_value_new_string(bad[i]) == NULL);
    check_text(eyot_value_new_string("\xe2\x82\xac \xf0\x9f\x8c\x8a \xc2\xa2"),
               "\"\xe2\x82\xac \xf0\x9f\x8c\x8a \xc2\xa2\"");
}

TEST(value_bytes__and_ext_keep_their_bytes)
{
    size_t len;
    int8_t type;
    eyot_value *b = eyot_value_new_bytes("\0\xff", 2), *x = eyot_value_new_ext(-128, "q", 1);
    CHECK(memcmp(eyot_value_bytes(b, &len), "\0\xff", 2) == 0 && len == 2);
    CHECK(memcmp(eyot_value_ext(x, &type, &len), "q", 1) == 0 && len == 1);
    CHECK_INT(type, -128);
    CHECK(eyot_value_bytes(x, &len) == NULL && len == 0);
    eyot_value_unref(b);
    eyot_value_unref(x);
}

TEST(value_empty__is_not_absent)
{
    size_t len = 9;
    eyot_value *x = eyot_value_new_ext(1, NULL, 0);
    CHECK_STR(eyot_value_string(eyot_value_new_string(""), NULL), "");
    CHECK(eyot_value_bytes(eyot_value_new_bytes(NULL, 0), &len) != NULL && len == 0);
    CHECK(eyot_value_ext(x, NULL, &len) != NULL && len == 0);
    CHECK(eyot_value_ext(NULL, NULL, &len) == NULL);
    eyot_value_unref(x);
}

TEST(value_kind__has_a_name)
{
    CHECK_STR(eyot_value_kind_name(eyot_value_kind_of(eyot_value_new_removed())), "removal");
    CHECK_STR(eyot_value_kind_name(eyot_value_kind_of(NULL)), "nothing");
    CHECK_STR(eyot_value_kind_name((eyot_value_kind)99), "unknown");
}

/* ---- maps and arrays ------------------------------------------------------------------------------------------- */

TEST(value_map__keeps_the_order_of_its_keys)
{
    eyot_value *v = parsed("{\"z\":1,\"a\":2,\"\":3}");
    v = eyot_value_set(v, "a", eyot_value_new_bool(true));
    v = eyot_value_set(v, "b", eyot_value_new_null());
    v = eyot_value_set(eyot_value_remove(v, "z"), "z", eyot_value_new_int(9));
    check_text(v, "{\"a\":true,\"\":3,\"b\":null,\"z\":9}");
}

TEST(value_map__finds_each_of_many_keys)
{
    eyot_value *v = numbered_map(10000);
    CHECK_INT(eyot_value_count(v), 10000);
    for (int i = 0; i < 10000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        CHECK_INT(eyot_value_int(eyot_value_at(v, key), -1), i);
    }
    CHECK(eyot_value_at(v, "k10000") == NULL);
    eyot_value_unref(v);
}

TEST(value_map__removed_and_added_again_goes_to_the_end)
{
    eyot_value *v = numbered_map(200), *first = NULL;
    v = eyot_value_set(eyot_value_remove(v, "k0"), "k0", eyot_value_new_int(-1));
    eyot_value_iter it = eyot_value_each(v);
    CHECK(eyot_value_next(&it));
    CHECK_STR(it.key, "k1");
    while (eyot_value_next(&it)) first = eyot_value_ref(it.value);
    CHECK_INT(eyot_value_int(first, 0), -1);
    CHECK_INT(it.index, 200);
    eyot_value_unref(v);
}

TEST(value_map__changed_at_random_is_as_a_list_would_be)
{
    enum { KEYS = 300, STEPS = 20000 };
    uint64_t seed = test_seed();
    eyot_value *v = eyot_value_new_map(), *kept = NULL;
    int order[KEYS], count = 0;
    int64_t values[KEYS];
    char *kept_text = NULL;
    for (int step = 0; step < STEPS; step++) {
        int k = (int)(test_random(&seed) % KEYS), at = 0;
        char key[16];
        snprintf(key, sizeof key, "%d", k);
        while (at < count && order[at] != k) at++;
        if (test_random(&seed) % 5 < 3) {
            if (at == count) order[count++] = k;
            values[k] = step;
            v = eyot_value_set(v, key, eyot_value_new_int(step));
        } else {
            if (at < count) memmove(order + at, order + at + 1, (size_t)(--count - at) * sizeof order[0]);
            v = eyot_value_remove(v, key);
        }
        if (step % 500) continue;
        eyot_value_iter it = eyot_value_each(v);
        for (int i = 0; i < count; i++) {
            snprintf(key, sizeof key, "%d", order[i]);
            CHECK(eyot_value_next(&it));
            CHECK_STR(it.key, key);
            CHECK_INT(eyot_value_int(it.value, -1), values[order[i]]);
            CHECK(eyot_value_at(v, key) == it.value);
        }
        CHECK(!eyot_value_next(&it));
        if (kept) check_text(kept, kept_text); /* what was shared then is as it was */
        eyot_free(kept_text);
        kept = eyot_value_ref(v);
        kept_text = eyot_json_print(v, NULL);
    }
    eyot_free(kept_text);
    eyot_value_unref(kept);
    eyot_value_unref(v);
}

TEST(value_array__grows_and_is_read_by_index)
{
    eyot_value *v = numbered_array(1000);
    CHECK_INT(eyot_value_count(v), 1000);
    for (size_t i = 0; i < 1000; i++) CHECK_INT(eyot_value_int(eyot_value_item(v, i), -1), i);
    CHECK(eyot_value_item(v, 1000) == NULL);
    v = eyot_value_set_item(v, 640, eyot_value_new_string("here"));
    CHECK_STR(eyot_value_string(eyot_value_item(v, 640), ""), "here");
    v = eyot_value_remove_item(v, 0);
    CHECK_INT(eyot_value_int(eyot_value_item(v, 0), -1), 1);
    CHECK_INT(eyot_value_count(v), 999);
    eyot_value_unref(v);
}

TEST(value_array__drops_its_front)
{
    for (int n = 1; n <= 300; n += 13) {
        for (int drop = 0; drop <= n; drop += 7) {
            eyot__word w = eyot__word_of(numbered_array(n)), shared = eyot__ref(w);
            CHECK_OK(eyot__array_drop_front(&w, (uint32_t)drop));
            CHECK_INT(eyot__count(w), n - drop);
            for (int i = drop; i < n; i++)
                CHECK_INT(eyot_value_int(eyot_value_item(eyot__value_of(w), (size_t)(i - drop)), -1), i);
            CHECK_INT(eyot__count(shared), n);
            CHECK_OK(eyot__array_push(&w, eyot__int_pack(n)));
            CHECK_INT(eyot_value_int(eyot_value_item(eyot__value_of(w), (size_t)(n - drop)), -1), n);
            eyot__unref(w);
            eyot__unref(shared);
        }
    }
}

TEST(value_builders__refuse_what_does_not_fit)
{
    CHECK(eyot_value_set(eyot_value_new_array(), "a", eyot_value_new_int(1)) == NULL);
    CHECK(eyot_value_set(eyot_value_new_map(), NULL, eyot_value_new_int(1)) == NULL);
    CHECK(eyot_value_set(eyot_value_new_map(), "\xff", eyot_value_new_int(1)) == NULL);
    CHECK(eyot_value_append(eyot_value_new_map(), eyot_value_new_int(1)) == NULL);
    CHECK(eyot_value_set_item(eyot_value_new_array(), 0, eyot_value_new_int(1)) == NULL);
    CHECK(eyot_value_remove_item(eyot_value_new_array(), 0) == NULL);
    CHECK(eyot_value_remove(eyot_value_new_int(1), "a") == NULL);
    CHECK(eyot_value_new_string(NULL) == NULL);
}

TEST(value_builders__null_goes_through_a_chain)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "a", NULL);
    v = eyot_value_set(v, "b", eyot_value_new_string("freed too"));
    v = eyot_value_append(eyot_value_append(eyot_value_new_array(), v), eyot_value_new_int(1));
    CHECK(v == NULL);
    CHECK(eyot_value_at(eyot_value_at(NULL, "a"), "b") == NULL);
    CHECK(eyot_value_ref(NULL) == NULL);
    eyot_value_unref(NULL);
}

TEST(value_each__over_a_scalar_ends_at_once)
{
    eyot_value_iter it = eyot_value_each(eyot_value_new_int(1));
    CHECK(!eyot_value_next(&it));
    it = eyot_value_each(NULL);
    CHECK(!eyot_value_next(&it));
    it = eyot_value_each(eyot_value_new_map());
    CHECK(!eyot_value_next(&it));
    CHECK(!eyot_value_next(&it));
}

/* ---- sharing --------------------------------------------------------------------------------------------------- */

TEST(value_set__does_not_change_what_others_hold)
{
    eyot_value *a = parsed("{\"x\":{\"y\":[1,2]},\"n\":1}"), *b = eyot_value_ref(a);
    b = eyot_value_set(b, "n", eyot_value_new_int(2));
    CHECK(eyot_value_at(a, "x") == eyot_value_at(b, "x")); /* shared, not copied */
    check_text(a, "{\"x\":{\"y\":[1,2]},\"n\":1}");
    check_text(b, "{\"x\":{\"y\":[1,2]},\"n\":2}");
}

TEST(value_set__by_the_sole_owner_is_in_place)
{
    eyot_value *v = parsed("{\"x\":{\"y\":[1,2]},\"n\":1}"), *same = eyot_value_set(v, "n", eyot_value_new_int(2));
    CHECK(v == same);
    check_text(same, "{\"x\":{\"y\":[1,2]},\"n\":2}");
}

TEST(value_set__of_a_shared_big_map_copies_one_chunk)
{
    eyot_value *a = numbered_map(2000), *b = eyot_value_set(eyot_value_ref(a), "k70", eyot_value_new_int(-1));
    const eyot__big *x = eyot__big_of(eyot__word_of(a)), *y = eyot__big_of(eyot__word_of(b));
    CHECK(x->index == y->index);
    for (uint32_t i = 0; i < x->count; i++) CHECK((x->w[i] == y->w[i]) == (i != 2));
    CHECK_INT(eyot_value_int(eyot_value_at(a, "k70"), 0), 70);
    CHECK_INT(eyot_value_int(eyot_value_at(b, "k70"), 0), -1);
    eyot_value_unref(a);
    eyot_value_unref(b);
}

TEST(value_append__to_a_shared_array_leaves_it)
{
    for (int n = 60; n < 200; n++) {
        eyot_value *a = numbered_array(n), *b = eyot_value_append(eyot_value_ref(a), eyot_value_new_int(-1));
        CHECK_INT(eyot_value_count(a), n);
        CHECK_INT(eyot_value_count(b), n + 1);
        eyot_value *c = eyot_value_append(eyot_value_ref(a), eyot_value_new_int(-2));
        CHECK_INT(eyot_value_int(eyot_value_item(b, (size_t)n), 0), -1);
        CHECK_INT(eyot_value_int(eyot_value_item(c, (size_t)n), 0), -2);
        eyot_value_unref(a);
        eyot_value_unref(b);
        eyot_value_unref(c);
    }
}

static void *change_and_drop(void *shared)
{
    eyot_value *v = shared;
    for (int i = 0; i < 200; i++) {
        eyot_value *own = eyot_value_ref(v);
        own = eyot_value_set(own, "k5", eyot_value_new_string("mine"));
        own = eyot_value_set(own, "more", eyot_value_ref(eyot_value_at(v, "k6")));
        if (eyot_value_count(own) != 501) abort();
        eyot_value_unref(own);
    }
    eyot_value_unref(v);
    return NULL;
}

TEST(value_threads__change_their_copies_of_one_value)
{
    pthread_t threads[4];
    eyot_value *v = numbered_map(500);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, change_and_drop, eyot_value_ref(v));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CHECK_INT(eyot_value_int(eyot_value_at(v, "k5"), 0), 5);
    CHECK_INT(eyot_value_count(v), 500);
    eyot_value_unref(v);
}

static void *drop_part(void *part)
{
    eyot_value_unref(part);
    return NULL;
}

TEST(value_pages__are_freed_by_whoever_is_last)
{
    pthread_t threads[3];
    eyot_value *v = parsed("[{\"a\":[\"x\",\"y\"]},{\"a\":[\"z\"]},{\"b\":\"w\"}]");
    for (size_t i = 0; i < 3; i++) pthread_create(&threads[i], NULL, drop_part, eyot_value_ref(eyot_value_item(v, i)));
    eyot_value_unref(v);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

TEST(value_pages__are_no_larger_than_4_KiB)
{
    char *text = malloc(1 << 16), *to = text;
    for (int i = 0; i < 2000; i++) to += sprintf(to, "%c{\"a\":[\"text %d\"]}", i ? ',' : '[', i);
    strcpy(to, "]");
    eyot_value *v = parsed(text);
    eyot_value_iter it = eyot_value_each(v);
    while (eyot_value_next(&it)) {
        const eyot__node *n = eyot__node_of(eyot__word_of(it.value));
        const eyot__page *page = (const eyot__page *)(const void *)((const char *)n - 8 * (size_t)n->page);
        CHECK(n->page != 0);
        CHECK(page->size <= 4096);
    }
    eyot_value_unref(v);
    free(text);
}

/* ---- depth ----------------------------------------------------------------------------------------------------- */

static eyot_value *nested(int depth)
{
    eyot_value *v = eyot_value_new_int(1);
    for (int i = 0; i < depth; i++)
        v = i & 1 ? eyot_value_append(eyot_value_new_array(), v) : eyot_value_set(eyot_value_new_map(), "d", v);
    return v;
}

TEST(value_depth__is_limited_on_building)
{
    eyot_value *v = nested(EYOT_VALUE_MAX_DEPTH);
    CHECK(v != NULL);
    char *text = eyot_json_print(v, NULL);
    eyot_value *back = eyot_json_parse(text, NULL);
    CHECK(eyot_value_equal(v, back));
    CHECK(eyot_value_hash(v) == eyot_value_hash(back));
    eyot_free(text);
    eyot_value_unref(back);
    CHECK(eyot_value_append(eyot_value_new_array(), v) == NULL);
    CHECK(nested(EYOT_VALUE_MAX_DEPTH + 1) == NULL);
}

TEST(value_depth__counts_what_is_there_not_what_was)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "deep", nested(EYOT_VALUE_MAX_DEPTH - 1));
    v = eyot_value_set(eyot_value_remove(v, "deep"), "flat", eyot_value_new_array());
    v = eyot_value_set(eyot_value_new_map(), "more", v);
    check_text(v, "{\"more\":{\"flat\":[]}}");
}

/* ---- pointers, comparing --------------------------------------------------------------------------------------- */

TEST(value_pointer__is_rfc_6901)
{
    eyot_value *v = parsed("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"m~n\":8,\" \":7,\"o\":{\"~1\":2}}");
    CHECK(eyot_value_pointer(v, "") == v);
    CHECK_STR(eyot_value_string(eyot_value_pointer(v, "/foo/1"), ""), "baz");
    CHECK_INT(eyot_value_int(eyot_value_pointer(v, "/"), -1), 0);
    CHECK_INT(eyot_value_int(eyot_value_pointer(v, "/a~1b"), -1), 1);
    CHECK_INT(eyot_value_int(eyot_value_pointer(v, "/m~0n"), -1), 8);
    CHECK_INT(eyot_value_int(eyot_value_pointer(v, "/ "), -1), 7);
    CHECK_INT(eyot_value_int(eyot_value_pointer(v, "/o/~01"), -1), 2);
    static const char *const none[] = {"foo",  "/foo/2", "/foo/01", "/foo/-",   "/foo/",
                                       "/a/b", "/m~",    "/m~2n",   "/foo/0/x", "/foo/99999999999999999999"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) CHECK(eyot_value_pointer(v, none[i]) == NULL);
    CHECK(eyot_value_pointer(v, NULL) == NULL);
    eyot_value_unref(v);
}

TEST(value_equal__tells_kinds_signs_and_order_apart)
{
    static const char *const texts[] = {"null",
                                        "false",
                                        "true",
                                        "0",
                                        "0.0",
                                        "-0.0",
                                        "1",
                                        "1.0",
                                        "\"\"",
                                        "\"1\"",
                                        "[]",
                                        "{}",
                                        "[1,2]",
                                        "[2,1]",
                                        "[1,[2]]",
                                        "[[1],2]",
                                        "{\"a\":1}",
                                        "{\"a\":1.0}",
                                        "1e300",
                                        "\"ab\"",
                                        "\"abc\"",
                                        "[[]]",
                                        "{\"b\":1}",
                                        "18446744073709551615",
                                        "1e301",
                                        "{\"a\":1,\"b\":2}",
                                        "{\"b\":2,\"a\":1}",
                                        "{\"$float32\":1.0}",
                                        "{\"$bytes\":\"\"}",
                                        "{\"$bytes\":\"YQ==\"}",
                                        "{\"$ext\":\"1:YQ==\"}",
                                        "{\"$ext\":\"2:YQ==\"}"};
    enum { N = sizeof texts / sizeof texts[0] };
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            eyot_value *a = parsed(texts[i]), *b = parsed(texts[k]);
            if (eyot_value_equal(a, b) != (i == k)) test_fail(__FILE__, __LINE__, "%s and %s", texts[i], texts[k]);
            if (i == k)
                CHECK(eyot_value_hash(a) == eyot_value_hash(b));
            else
                CHECK(eyot_value_hash(a) != eyot_value_hash(b));
            eyot_value_unref(a);
            eyot_value_unref(b);
        }
    }
    CHECK(eyot_value_equal(NULL, NULL));
    CHECK(!eyot_value_equal(NULL, eyot_value_new_null()));
}

TEST(value_equal__does_not_see_how_a_container_is_kept)
{
    eyot_value *a = numbered_map(100), *b = numbered_map(20);
    for (int i = 20; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        a = eyot_value_remove(a, key);
    }
    CHECK(eyot_value_equal(a, b));
    CHECK(eyot_value_hash(a) == eyot_value_hash(b));
    eyot_value_unref(a);
    eyot_value_unref(b);
    eyot_value *empty = eyot_value_remove(numbered_map(1), "k0");
    CHECK(eyot_value_equal(empty, eyot_value_new_map()));
    CHECK(eyot_value_hash(empty) == eyot_value_hash(eyot_value_new_map()));
    check_text(empty, "{}");
}

TEST(value_equal__takes_a_nan_by_its_bits)
{
    eyot_value *a = eyot_value_new_double((double)NAN), *b = eyot_value_new_double((double)NAN);
    CHECK(eyot_value_equal(a, b));
    eyot_value_unref(a);
    eyot_value_unref(b);
}

TEST(value_measure__grows_with_the_value)
{
    eyot_value *small = parsed("{\"a\":1}"), *large = numbered_map(10000);
    CHECK(eyot_value_measure(small) > 16 && eyot_value_measure(small) < 300);
    CHECK(eyot_value_measure(large) > 160000 && eyot_value_measure(large) < 1600000);
    eyot_value_unref(small);
    eyot_value_unref(large);
}

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

/* A task runs on an engine of its own without a store. */
static eyot_value *run_with(eyot_node_fn fn)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *g = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    eyot_value *result = NULL;
    eyot_graph_new(&g, "one", eyot_json());
    eyot_graph_node(g, "node", fn, NULL);
    if (!eyot_graph_freeze(g, &e) && !eyot_engine_new(&engine, &options, &e))
        eyot_run_sync(&run, engine, g, parsed("{\"old\":1}"), NULL, &e);
    if (run) result = eyot_value_ref(eyot_run_state(run));
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    if (!result) test_fail(__FILE__, __LINE__, "%s", e.text);
    return result;
}

static eyot_status sets_all(eyot_task *task, void *user)
{
    (void)user;
    eyot_status s = eyot_task_set_bool(task, "b", true);
    if (!s) s = eyot_task_set_int(task, "i", INT64_MIN);
    if (!s) s = eyot_task_set_uint(task, "u", UINT64_MAX);
    if (!s) s = eyot_task_set_double(task, "d", 0.5);
    if (!s) s = eyot_task_set_string(task, "s", "text");
    if (!s) s = eyot_task_set_value(task, "v", eyot_json_parse("[1]", NULL));
    return s ? s : eyot_task_remove(task, "old");
}

TEST(value_task__sets_keys_of_the_update)
{
    check_text(run_with(sets_all), "{\"b\":true,\"i\":-9223372036854775808,\"u\":18446744073709551615,"
                                   "\"d\":0.5,\"s\":\"text\",\"v\":[1]}");
}

static eyot_status sets_badly(eyot_task *task, void *user)
{
    (void)user;
    eyot_status s = eyot_task_set_int(task, "kept", 1);
    bool refused =
        eyot_task_set_int(task, NULL, 1) == EYOT_EINVAL && eyot_task_set_value(task, "v", NULL) == EYOT_EINVAL &&
        eyot_task_set_string(task, "s", "\xff") == EYOT_EINVAL && eyot_task_set_int(task, "\xff", 1) == EYOT_EINVAL;
    return s || !refused ? eyot_task_fail(task, "not refused") : EYOT_OK;
}

TEST(value_task__failed_set_leaves_the_update)
{
    check_text(run_with(sets_badly), "{\"old\":1,\"kept\":1}");
}

TEST(value_task__null_state_is_refused_by_the_run)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *g = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    eyot_graph_new(&g, "one", eyot_json());
    eyot_graph_node(g, "node", sets_all, NULL);
    CHECK_OK(eyot_graph_freeze(g, &e));
    CHECK_OK(eyot_engine_new(&engine, &options, &e));
    CHECK_STATUS(eyot_run_sync(&run, engine, g, eyot_json_parse("{\"step\":", &e), NULL, &e), EYOT_EINVAL);
    CHECK(run == NULL);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}
