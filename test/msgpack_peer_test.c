/* SPDX-License-Identifier: MIT */
/* Our msgpack beside msgpack-c, which shares no code with it: both write the same bytes and read each other's. */
#include "test/eyot_test.h"

#include <stdlib.h>

#include "test/values.h"

#if defined(HAVE_MSGPACK)
#include <msgpack.h>

static void pack_text(msgpack_packer *to, const char *text, size_t len)
{
    msgpack_pack_str(to, len);
    msgpack_pack_str_body(to, text, len);
}

static void pack_leaf(msgpack_packer *to, const eyot_value *v)
{
    size_t len;
    int8_t type;
    const char *text = eyot_value_string_len(v, &len);
    const void *bytes;
    switch (eyot_value_kind_of(v)) {
    case EYOT_VALUE_NULL: msgpack_pack_nil(to); break;
    case EYOT_VALUE_BOOL: eyot_value_bool(v, false) ? msgpack_pack_true(to) : msgpack_pack_false(to); break;
    case EYOT_VALUE_INT: msgpack_pack_int64(to, eyot_value_int(v, 0)); break;
    case EYOT_VALUE_UINT: msgpack_pack_uint64(to, eyot_value_uint(v, 0)); break;
    case EYOT_VALUE_FLOAT32: msgpack_pack_float(to, (float)eyot_value_double(v, 0)); break;
    case EYOT_VALUE_DOUBLE: msgpack_pack_double(to, eyot_value_double(v, 0)); break;
    case EYOT_VALUE_STRING: pack_text(to, text, len); break;
    case EYOT_VALUE_BYTES:
        bytes = eyot_value_bytes(v, &len);
        msgpack_pack_bin(to, len);
        msgpack_pack_bin_body(to, bytes, len);
        break;
    case EYOT_VALUE_EXT:
        bytes = eyot_value_ext(v, &type, &len);
        msgpack_pack_ext(to, len, type);
        msgpack_pack_ext_body(to, bytes, len);
        break;
    default: /* a removal */ msgpack_pack_ext(to, 8, 36); msgpack_pack_ext_body(to, "$removed", 8);
    }
}

/* The values here are 5 deep: recursion will do. */
static void pack(msgpack_packer *to, const eyot_value *v)
{
    bool map = eyot_value_kind_of(v) == EYOT_VALUE_MAP;
    if (!map && eyot_value_kind_of(v) != EYOT_VALUE_ARRAY) {
        pack_leaf(to, v);
        return;
    }
    if (map)
        msgpack_pack_map(to, eyot_value_count(v));
    else
        msgpack_pack_array(to, eyot_value_count(v));
    for (eyot_value_iter it = eyot_value_each(v); eyot_value_next(&it);) {
        if (map) pack_text(to, it.key, it.key_len);
        pack(to, it.value);
    }
}

/* An ext that needs one more $ is the one thing that we write otherwise. */
static bool holds_escaped(const char *bytes, size_t len)
{
    for (size_t i = 0; i + 9 <= len; i++)
        if (memcmp(bytes + i, "$$removed", 9) == 0) return true;
    return false;
}

static void check_same(const eyot_value *v)
{
    msgpack_sbuffer theirs;
    msgpack_packer packer;
    size_t len, at = 0;
    char *ours = eyot_msgpack_print(v, &len, NULL);
    msgpack_sbuffer_init(&theirs);
    msgpack_packer_init(&packer, &theirs, msgpack_sbuffer_write);
    pack(&packer, v);
    if (!holds_escaped(ours, len)) {
        CHECK_INT(len, theirs.size);
        CHECK(memcmp(ours, theirs.data, len) == 0);
        eyot_value *back = eyot_msgpack_parse(theirs.data, theirs.size, NULL);
        CHECK(eyot_value_equal(back, v));
        eyot_value_unref(back);
    }
    msgpack_unpacked tree;
    msgpack_unpacked_init(&tree);
    CHECK_INT(msgpack_unpack_next(&tree, ours, len, &at), MSGPACK_UNPACK_SUCCESS);
    CHECK_INT(at, len);
    msgpack_sbuffer_clear(&theirs);
    CHECK_INT(msgpack_pack_object(&packer, tree.data), 0);
    CHECK(theirs.size == len && memcmp(ours, theirs.data, len) == 0);
    msgpack_unpacked_destroy(&tree);
    msgpack_sbuffer_destroy(&theirs);
    eyot_free(ours);
}

TEST(msgpack_peer__same_bytes_for_random_values)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 5000 * test_long(); i++) {
        eyot_value *v = value_at_random(&seed, 4, ANY_NUMBERS);
        check_same(v);
        eyot_value_unref(v);
    }
}

TEST(msgpack_peer__same_bytes_at_every_boundary)
{
    for (int bit = 0; bit < 64; bit++) {
        for (int off = -1; off <= 1; off++) {
            uint64_t u = ((uint64_t)1 << bit) + (uint64_t)(int64_t)off;
            eyot_value *v = eyot_value_append(eyot_value_new_array(), eyot_value_new_uint(u));
            v = eyot_value_append(v, eyot_value_new_int((int64_t)(0 - u)));
            size_t n = u < 100000 ? (size_t)u : 0;
            char *text = text_repeated("x", n);
            v = eyot_value_append(v, eyot_value_new_string(text));
            v = eyot_value_append(v, eyot_value_new_bytes(text, n));
            v = eyot_value_append(v, eyot_value_new_ext(-1, text, n));
            check_same(v);
            eyot_value_unref(v);
            free(text);
        }
    }
}
#else
TEST(msgpack_peer__same_bytes_for_random_values)
{
    test_skip("msgpack-c was not there when this was built");
}
#endif
