/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include <stdlib.h>

#include <eyot/copiers.h>

#include "core/buf.h"
#include "test/values.h"

static eyot_value *parsed(const char *text)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse(text, &e);
    if (!v) test_fail(__FILE__, __LINE__, "%s: %s", text, e.text);
    return v;
}

static void check_patch(const char *from, const char *to, const char *want)
{
    eyot_value *a = parsed(from), *b = parsed(to), *patch = eyot_value_diff(a, b);
    char *text = eyot_json_print(patch, NULL);
    CHECK_STR(text, want);
    eyot_free(text);
    eyot_value_unref(a);
    eyot_value_unref(b);
    eyot_value_unref(patch);
}

TEST(difference__is_empty_for_equal_values)
{
    check_patch("{\"a\":[1,{\"b\":null}]}", "{\"a\":[1,{\"b\":null}]}", "[]");
    check_patch("3", "3", "[]");
}

TEST(difference__tells_keys_that_changed_went_and_came)
{
    check_patch("{\"a\":1,\"b\":2,\"c\":{\"d\":3}}", "{\"a\":1,\"c\":{\"d\":4},\"e\":5}",
                "[{\"op\":\"remove\",\"path\":\"/b\"},{\"op\":\"replace\",\"path\":\"/c/d\",\"value\":4},"
                "{\"op\":\"add\",\"path\":\"/e\",\"value\":5}]");
}

TEST(difference__of_another_kind_is_one_operation)
{
    check_patch("{\"a\":[1,2]}", "{\"a\":{\"0\":1}}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":{\"0\":1}}]");
    check_patch("[]", "{}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{}}]");
    check_patch("1", "1.0", "[{\"op\":\"replace\",\"path\":\"\",\"value\":1.0}]");
}

TEST(difference__escapes_keys_in_its_pointers)
{
    check_patch("{\"a/b\":{\"~c\":1,\"~1\":1}}", "{\"a/b\":{\"~c\":2,\"~1\":1}}",
                "[{\"op\":\"replace\",\"path\":\"/a~1b/~0c\",\"value\":2}]");
}

TEST(difference__leaves_out_what_arrays_begin_and_end_with)
{
    check_patch("[1,2,3]", "[1,2,3,4,5]",
                "[{\"op\":\"add\",\"path\":\"/3\",\"value\":4},{\"op\":\"add\",\"path\":\"/4\",\"value\":5}]");
    check_patch("[1,2,3]", "[0,1,2,3]", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":0}]");
    check_patch("[1,2,3,4]", "[1,4]", "[{\"op\":\"remove\",\"path\":\"/2\"},{\"op\":\"remove\",\"path\":\"/1\"}]");
    check_patch("[7,7]", "[7,7,7]", "[{\"op\":\"add\",\"path\":\"/2\",\"value\":7}]");
    check_patch("[1,{\"a\":1},5]", "[1,{\"a\":2},3,5]",
                "[{\"op\":\"replace\",\"path\":\"/1/a\",\"value\":2},{\"op\":\"add\",\"path\":\"/2\",\"value\":3}]");
}

TEST(difference__compares_arrays_of_one_length_item_by_item)
{
    check_patch("[[1,2],3]", "[[1,4],3]", "[{\"op\":\"replace\",\"path\":\"/0/1\",\"value\":4}]");
}

TEST(difference__tells_another_order_when_nothing_else_differs)
{
    check_patch("{\"m\":{\"a\":1,\"b\":2}}", "{\"m\":{\"b\":2,\"a\":1}}",
                "[{\"op\":\"replace\",\"path\":\"/m\",\"value\":{\"b\":2,\"a\":1}}]");
    check_patch("{\"a\":1,\"b\":2}", "{\"b\":3,\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":3}]");
    check_patch("{\"a\":1,\"c\":2}", "{\"a\":1,\"b\":0,\"c\":2}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":0}]");
}

TEST(difference__of_nothing_is_none)
{
    eyot_value *v = eyot_value_new_map();
    CHECK(!eyot_value_diff(NULL, v) && !eyot_value_diff(v, NULL) && !eyot_value_diff(NULL, NULL));
    eyot_value_unref(v);
}

/* An array, in an array, … so often. */
static eyot_value *nested(unsigned depth, eyot_value *v)
{
    while (depth--) v = eyot_value_append(eyot_value_new_array(), v);
    return v;
}

TEST(difference__goes_as_deep_as_values)
{
    eyot_value *a = nested(EYOT_VALUE_MAX_DEPTH, eyot_value_new_int(1));
    eyot_value *b = nested(EYOT_VALUE_MAX_DEPTH, eyot_value_new_int(2));
    eyot_value *patch = eyot_value_diff(a, b), *c = eyot_value_new_int(3);
    const char *path = eyot_value_string(eyot_value_at(eyot_value_item(patch, 0), "path"), "");
    CHECK_INT(eyot_value_count(patch), 1);
    CHECK_INT(strlen(path), 2 * EYOT_VALUE_MAX_DEPTH);
    CHECK(eyot_value_diff(c, a) == NULL);
    eyot_value_unref(a);
    eyot_value_unref(b);
    eyot_value_unref(c);
    eyot_value_unref(patch);
}

/* Ways to what would take for ever to be gone over, since every level holds the one below it twice. */
static eyot_value *doubled(eyot_value *v, int times)
{
    while (times--) v = eyot_value_append(eyot_value_append(eyot_value_new_array(), eyot_value_ref(v)), v);
    return v;
}

TEST(difference__passes_over_what_both_share)
{
    eyot_value *big = doubled(nested(1, eyot_value_new_int(0)), 100);
    eyot_value *a = eyot_value_set(eyot_value_new_map(), "big", eyot_value_ref(big));
    eyot_value *b = eyot_value_set(eyot_value_ref(a), "n", eyot_value_new_int(1));
    eyot_value *c = eyot_value_append(eyot_value_append(eyot_value_new_array(), eyot_value_ref(big)), big);
    eyot_value *d = eyot_value_append(eyot_value_ref(c), eyot_value_new_int(1));
    eyot_value *of_maps = eyot_value_diff(a, b), *of_arrays = eyot_value_diff(c, d);
    CHECK_INT(eyot_value_count(of_maps), 1);
    CHECK_INT(eyot_value_count(of_arrays), 1);
    eyot_value *all[] = {a, b, c, d, of_maps, of_arrays};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) eyot_value_unref(all[i]);
}

/* ---- at random ------------------------------------------------------------------------------------------------- */

/* The first part of a pointer, unescaped, freed by free; *rest what comes after it. */
static char *first_part(const char *pointer, const char *end, size_t *len, const char **rest)
{
    char *part = malloc((size_t)(end - pointer) + 1);
    *len = 0;
    for (pointer++; pointer < end && *pointer != '/'; pointer++) {
        char c = *pointer;
        if (c == '~') c = *++pointer == '0' ? '~' : '/';
        part[(*len)++] = c;
    }
    part[*len] = 0;
    *rest = pointer;
    return part;
}

static eyot_value *inserted(const eyot_value *array, size_t at, eyot_value *value_take)
{
    eyot_value *v = eyot_value_new_array();
    CHECK(at <= eyot_value_count(array));
    for (size_t i = 0; i < at; i++) v = eyot_value_append(v, eyot_value_ref(eyot_value_item(array, i)));
    v = eyot_value_append(v, value_take);
    for (size_t i = at; i < eyot_value_count(array); i++)
        v = eyot_value_append(v, eyot_value_ref(eyot_value_item(array, i)));
    return v;
}

/* What `v` is after one operation, as RFC 6902 says; `value` is NULL for a removal. */
static eyot_value *patched(const eyot_value *v, const char *op, const char *path, const char *end,
                           const eyot_value *value)
{
    size_t len;
    const char *rest;
    if (path == end) return eyot_value_ref(value);
    char *part = first_part(path, end, &len, &rest);
    bool map = eyot_value_kind_of(v) == EYOT_VALUE_MAP, add = strcmp(op, "add") == 0;
    size_t i = map ? 0 : (size_t)atoi(part);
    const eyot_value *inner = map ? eyot_value_at_len(v, part, len) : eyot_value_item(v, i);
    eyot_value *changed = NULL;
    CHECK(inner || (rest == end && add));
    if (rest < end || value) changed = patched(inner, op, rest, end, value);
    if (map)
        v = changed ? eyot_value_set_len(eyot_value_ref(v), part, len, changed)
                    : eyot_value_remove_len(eyot_value_ref(v), part, len);
    else if (rest == end && add)
        v = inserted(v, i, changed);
    else
        v = changed ? eyot_value_set_item(eyot_value_ref(v), i, changed) : eyot_value_remove_item(eyot_value_ref(v), i);
    free(part);
    return (eyot_value *)v;
}

static eyot_value *apply_patch(const eyot_value *from, const eyot_value *patch)
{
    eyot_value *v = eyot_value_ref(from);
    eyot_value_iter it = eyot_value_each(patch);
    while (eyot_value_next(&it)) {
        const char *op = eyot_value_string(eyot_value_at(it.value, "op"), "");
        size_t len;
        const char *path = eyot_value_string_len(eyot_value_at(it.value, "path"), &len);
        eyot_value *next = patched(v, op, path, path + len, eyot_value_at(it.value, "value"));
        CHECK((strcmp(op, "remove") == 0) == (eyot_value_at(it.value, "value") == NULL));
        eyot_value_unref(v);
        v = next;
    }
    return v;
}

/* Equal but for the order of keys. */
static bool alike(const eyot_value *a, const eyot_value *b)
{
    eyot_value_kind kind = eyot_value_kind_of(a);
    eyot_value_iter it = eyot_value_each(a);
    if (kind != EYOT_VALUE_MAP && kind != EYOT_VALUE_ARRAY) return eyot_value_equal(a, b);
    if (kind != eyot_value_kind_of(b) || eyot_value_count(a) != eyot_value_count(b)) return false;
    while (eyot_value_next(&it)) {
        const eyot_value *other = it.key ? eyot_value_at_len(b, it.key, it.key_len) : eyot_value_item(b, it.index);
        if (!alike(it.value, other)) return false;
    }
    return true;
}

/* The value with a few changes somewhere inside; taken. */
static eyot_value *changed_somewhere(eyot_value *v, uint64_t *seed, int depth)
{
    size_t n = eyot_value_count(v);
    eyot_value_kind kind = eyot_value_kind_of(v);
    bool container = kind == EYOT_VALUE_MAP || kind == EYOT_VALUE_ARRAY;
    if (!container || !n || !depth || test_random(seed) % 8 == 0) {
        eyot_value_unref(v);
        return value_at_random(seed, 2, ANY_NUMBERS);
    }
    size_t at = test_random(seed) % n, what = test_random(seed) % 4;
    eyot_value_iter it = eyot_value_each(v);
    for (size_t i = 0; i <= at; i++) eyot_value_next(&it);
    eyot_value *fresh =
        what < 2 ? changed_somewhere(eyot_value_ref(it.value), seed, depth - 1) : value_at_random(seed, 1, ANY_NUMBERS);
    if (kind == EYOT_VALUE_MAP && what == 3) v = eyot_value_set(v, test_random(seed) % 2 ? "new" : "k/~", fresh);
    if (kind == EYOT_VALUE_MAP && what < 2) v = eyot_value_set_len(v, it.key, it.key_len, fresh);
    if (kind == EYOT_VALUE_MAP && what == 2) v = eyot_value_remove_len(v, it.key, it.key_len);
    if (kind == EYOT_VALUE_ARRAY && what < 2) v = eyot_value_set_item(v, at, fresh);
    if (kind == EYOT_VALUE_ARRAY && what == 2) v = eyot_value_remove_item(v, at);
    if (kind == EYOT_VALUE_ARRAY && what == 3) {
        eyot_value *longer = inserted(v, at, fresh);
        eyot_value_unref(v);
        return longer;
    }
    if (what == 2) eyot_value_unref(fresh);
    return v;
}

/* A value that shares nothing with the first. */
static eyot_value *written_again(const eyot_value *v)
{
    size_t len;
    void *bytes = eyot_msgpack_print(v, &len, NULL);
    eyot_value *back = eyot_msgpack_parse(bytes, len, NULL);
    eyot_free(bytes);
    CHECK(back != NULL);
    return back;
}

static void check_pair(const eyot_value *from, const eyot_value *to)
{
    eyot_value *patch = eyot_value_diff(from, to), *back = apply_patch(from, patch);
    CHECK(patch && alike(back, to));
    CHECK(eyot_value_equal(from, to) == (eyot_value_count(patch) == 0));
    eyot_value_unref(back);
    eyot_value_unref(patch);
}

TEST(difference__applied_gives_the_other_value)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 4000 * test_long(); i++) {
        eyot_value *from = value_at_random(&seed, 4, ANY_NUMBERS), *to = eyot_value_ref(from);
        for (uint64_t n = test_random(&seed) % 5; n--;) to = changed_somewhere(to, &seed, 4);
        eyot_value *unshared = written_again(to), *other = value_at_random(&seed, 3, ANY_NUMBERS);
        check_pair(from, to);
        check_pair(to, from);
        check_pair(from, unshared);
        check_pair(from, other);
        eyot_value_unref(from);
        eyot_value_unref(to);
        eyot_value_unref(unshared);
        eyot_value_unref(other);
    }
}

/* The paths of what is changed or removed lead to it in the first value, those of what is new in the second. */
TEST(difference__points_into_both_values)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 4000 * test_long(); i++) {
        eyot_value *from = value_at_random(&seed, 4, ANY_NUMBERS);
        eyot_value *to = changed_somewhere(eyot_value_ref(from), &seed, 4);
        for (uint64_t n = test_random(&seed) % 4; n--;) to = changed_somewhere(to, &seed, 4);
        eyot_value *patch = eyot_value_diff(from, to);
        eyot_value_iter it = eyot_value_each(patch);
        while (eyot_value_next(&it)) {
            const char *path = eyot_value_string(eyot_value_at(it.value, "path"), "");
            const eyot_value *value = eyot_value_at(it.value, "value");
            bool add = strcmp(eyot_value_string(eyot_value_at(it.value, "op"), ""), "add") == 0;
            CHECK(add || eyot_value_pointer(from, path));
            CHECK(!value || eyot_value_equal(eyot_value_pointer(to, path), value));
        }
        eyot_value_unref(from);
        eyot_value_unref(to);
        eyot_value_unref(patch);
    }
}

/* ---- the first place ------------------------------------------------------------------------------------------- */

static void check_first(const char *a, const char *b, const char *pointer, const char *in_a, const char *in_b)
{
    const eyot_copier *copiers[] = {eyot_json(), eyot_msgpack()};
    for (int i = 0; i < 2; i++) {
        eyot_value *x = parsed(a), *y = parsed(b);
        eyot_buf bufs[3] = {EYOT__BUF_INIT, EYOT__BUF_INIT, EYOT__BUF_INIT};
        for (int k = 0; k < 3; k++) CHECK_OK(eyot_buf_add(&bufs[k], "", 0));
        CHECK_OK(copiers[i]->difference(x, y, &bufs[0], &bufs[1], &bufs[2], NULL));
        const char *want[] = {pointer, in_a, in_b};
        for (int k = 0; k < 3; k++) {
            CHECK_OK(eyot_buf_add(&bufs[k], "", 1));
            CHECK_STR((char *)bufs[k].data, want[k]);
            eyot__buf_clear(&bufs[k]);
        }
        eyot_value_unref(x);
        eyot_value_unref(y);
    }
}

TEST(difference_first__tells_the_place_and_both_values)
{
    check_first("{\"a\":1,\"b\":[1,{\"c\":2}]}", "{\"a\":1,\"b\":[1,{\"c\":3}],\"d\":0}", "/b/1/c", "2", "3");
    check_first("{\"a\":1}", "{\"b\":1}", "/a", "1", "");
    check_first("{\"a\":1}", "{\"a\":1,\"b\":[true]}", "/b", "", "[true]");
    check_first("{\"a\":1}", "{\"a\":1}", "", "", "");
}

TEST(difference_first__is_the_first_item_that_is_too_much)
{
    check_first("{\"a\":[1,2,3,4]}", "{\"a\":[1]}", "/a/1", "2", "");
    check_first("{\"a\":[1]}", "{\"a\":[1,2,3]}", "/a/1", "", "2");
}

TEST(difference_first__tells_another_order)
{
    check_first("{\"m\":{\"a\":1,\"b\":2}}", "{\"m\":{\"b\":2,\"a\":1}}", "/m", "{\"a\":1,\"b\":2}",
                "{\"b\":2,\"a\":1}");
}
