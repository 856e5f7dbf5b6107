/* SPDX-License-Identifier: MIT */
#include <eyot/store.h>

#include "test/eyot_test.h"

#include "core/buf.h"

static eyot__reader reader_of(const eyot_buf *buf)
{
    return (eyot__reader){buf->data, buf->data + buf->len, false};
}

TEST(buf_add__keeps_bytes_in_order)
{
    eyot_buf buf = EYOT__BUF_INIT;
    for (unsigned i = 0; i < 1000; i++) {
        unsigned char byte = (unsigned char)i;
        CHECK_OK(eyot_buf_add(&buf, &byte, 1));
    }
    CHECK_INT(buf.len, 1000);
    for (unsigned i = 0; i < 1000; i++) CHECK_INT(buf.data[i], i & 0xff);
    eyot__buf_clear(&buf);
}

TEST(buf_add__of_nothing_is_fine)
{
    eyot_buf buf = EYOT__BUF_INIT;
    CHECK_OK(eyot_buf_add(&buf, NULL, 0));
    CHECK_INT(buf.len, 0);
    eyot__buf_clear(&buf);
}

TEST(buf_reserve__gives_a_pointer_for_nothing_too)
{
    eyot_buf buf = EYOT__BUF_INIT;
    CHECK(eyot_buf_reserve(&buf, 0) != NULL);
    eyot__buf_clear(&buf);
}

TEST(buf_reserve__is_written_in_place)
{
    eyot_buf buf = EYOT__BUF_INIT;
    CHECK_OK(eyot_buf_add(&buf, "ab", 2));
    char *room = eyot_buf_reserve(&buf, 100);
    CHECK(room != NULL);
    memcpy(room, "cd", 2);
    eyot_buf_advance(&buf, 2);
    CHECK_INT(buf.len, 4);
    CHECK(memcmp(buf.data, "abcd", 4) == 0);
    eyot__buf_clear(&buf);
}

TEST(buf_limit__is_reached_exactly)
{
    eyot_buf buf = {.max = 100};
    unsigned char bytes[100] = {0};
    CHECK_OK(eyot_buf_add(&buf, bytes, 99));
    CHECK_OK(eyot_buf_add(&buf, bytes, 1));
    CHECK_STATUS(eyot_buf_add(&buf, bytes, 1), EYOT_ELIMIT);
    CHECK_INT(buf.len, 100);
    eyot__buf_clear(&buf);
}

TEST(buf_limit__is_not_fooled_by_a_huge_length)
{
    eyot_buf buf = EYOT__BUF_INIT;
    CHECK_OK(eyot_buf_add(&buf, "x", 1));
    CHECK(eyot_buf_reserve(&buf, SIZE_MAX) == NULL);
    CHECK_INT(buf.failed, EYOT_ELIMIT);
    eyot__buf_clear(&buf);
}

TEST(buf_failure__sticks)
{
    eyot_buf buf = {.max = 4};
    CHECK_STATUS(eyot_buf_add(&buf, "12345", 5), EYOT_ELIMIT);
    CHECK_STATUS(eyot_buf_add(&buf, "1", 1), EYOT_ELIMIT);
    eyot__buf_u64(&buf, 1);
    eyot__buf_varint(&buf, 1);
    eyot__buf_format(&buf, "%d", 1);
    eyot_buf_advance(&buf, 1);
    CHECK_INT(buf.len, 0);
    CHECK_INT(buf.failed, EYOT_ELIMIT);
    eyot__buf_clear(&buf);
}

TEST(buf_reset__makes_a_failed_buffer_usable)
{
    eyot_buf buf = {.max = 4};
    CHECK_STATUS(eyot_buf_add(&buf, "12345", 5), EYOT_ELIMIT);
    eyot__buf_reset(&buf);
    CHECK_OK(eyot_buf_add(&buf, "1234", 4));
    eyot__buf_clear(&buf);
}

TEST(buf_format__appends_without_the_nul)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__buf_text(&buf, "a");
    eyot__buf_format(&buf, "%s-%d", "bc", 42);
    CHECK_INT(buf.len, 6);
    CHECK(memcmp(buf.data, "abc-42", 6) == 0);
    eyot__buf_clear(&buf);
}

TEST(buf_numbers__are_little_endian)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__buf_u8(&buf, 0xab);
    eyot__buf_u32(&buf, 0x01020304);
    eyot__buf_u64(&buf, 0x0102030405060708);
    CHECK_INT(buf.len, 13);
    CHECK(memcmp(buf.data, "\xab\4\3\2\1\10\7\6\5\4\3\2\1", 13) == 0);
    eyot__reader r = reader_of(&buf);
    CHECK_INT(eyot__read_u8(&r), 0xab);
    CHECK_INT(eyot__read_u32(&r), 0x01020304);
    CHECK_INT(eyot__read_u64(&r), 0x0102030405060708);
    CHECK(!r.failed && r.p == r.end);
    eyot__buf_clear(&buf);
}

TEST(buf_varint__returns_every_width_unchanged)
{
    eyot_buf buf = EYOT__BUF_INIT;
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t d = 0; d < 3; d++) eyot__buf_varint(&buf, ((uint64_t)1 << bit) + d - 1);
    }
    eyot__buf_varint(&buf, UINT64_MAX);
    eyot__reader r = reader_of(&buf);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t d = 0; d < 3; d++) CHECK(eyot__read_varint(&r) == ((uint64_t)1 << bit) + d - 1);
    }
    CHECK(eyot__read_varint(&r) == UINT64_MAX);
    CHECK(!r.failed && r.p == r.end);
    eyot__buf_clear(&buf);
}

static bool varint_is_refused(const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    eyot__reader r = {p, p + n, false};
    return eyot__read_varint(&r) == 0 && r.failed;
}

TEST(read_varint__has_one_form_per_number)
{
    CHECK(varint_is_refused("\x80\x00", 2));
    CHECK(varint_is_refused("\x81\x80\x00", 3));
}

TEST(read_varint__refuses_more_than_64_bits)
{
    CHECK(varint_is_refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
    CHECK(varint_is_refused("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11));
}

TEST(read_varint__refuses_a_cut_number)
{
    CHECK(varint_is_refused("", 0));
    CHECK(varint_is_refused("\x80", 1));
}

TEST(read_bytes__refuses_a_length_beyond_the_input)
{
    const unsigned char input[] = {4, 'a', 'b', 'c'};
    eyot__reader r = {input, input + sizeof input, false};
    size_t len = 99;
    CHECK(eyot__read_bytes(&r, &len) == NULL);
    CHECK(r.failed);
    CHECK_INT(len, 0);
}

TEST(read_bytes__gives_what_was_written)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__buf_bytes(&buf, "a\0b", 3);
    eyot__buf_bytes(&buf, "", 0);
    eyot__reader r = reader_of(&buf);
    size_t len = 0;
    const unsigned char *p = eyot__read_bytes(&r, &len);
    CHECK(len == 3 && memcmp(p, "a\0b", 3) == 0);
    CHECK(eyot__read_bytes(&r, &len) != NULL && len == 0);
    CHECK(!r.failed && r.p == r.end);
    eyot__buf_clear(&buf);
}

TEST(read_count__refuses_more_items_than_the_input_can_hold)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__buf_varint(&buf, 3);
    eyot__buf_text(&buf, "123456");
    eyot__reader fits = reader_of(&buf), does_not = fits;
    CHECK_INT(eyot__read_count(&fits, 2), 3);
    CHECK(!fits.failed);
    CHECK_INT(eyot__read_count(&does_not, 3), 0);
    CHECK(does_not.failed);
    eyot__buf_clear(&buf);
}

TEST(read_count__refuses_a_count_of_2_to_the_64)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__buf_varint(&buf, UINT64_MAX);
    eyot__buf_text(&buf, "x");
    eyot__reader r = reader_of(&buf);
    CHECK_INT(eyot__read_count(&r, 1), 0);
    CHECK(r.failed);
    eyot__buf_clear(&buf);
}

TEST(read_failure__sticks_and_yields_zeros)
{
    const unsigned char input[] = {1, 2, 3, 4, 5};
    eyot__reader r = {input, input + sizeof input, false};
    CHECK_INT(eyot__read_u64(&r), 0);
    CHECK(r.failed);
    CHECK_INT(eyot__read_u8(&r), 0);
    CHECK_INT(eyot__read_varint(&r), 0);
    CHECK(r.p == input);
}

TEST(buf_data__is_text_whatever_the_limit)
{
    eyot_buf *own = eyot_buf_new(), limited = {.max = 4};
    size_t len = 9;
    CHECK(own);
    CHECK_STR(eyot_buf_data(own, &len), "");
    CHECK_INT(len, 0);
    for (int i = 0; i < 300; i++) CHECK_OK(eyot_buf_add(own, "x", 1));
    CHECK_INT(strlen(eyot_buf_data(own, &len)), 300);
    CHECK_INT(len, 300);
    eyot_buf_reset(own);
    CHECK_OK(eyot_buf_add(own, "new", 3));
    CHECK_STR(eyot_buf_data(own, NULL), "new");
    eyot_buf_free(own);
    eyot_buf_free(NULL);
    CHECK_OK(eyot_buf_add(&limited, "four", 4));
    CHECK_STR(eyot_buf_data(&limited, &len), "four");
    CHECK_STATUS(eyot_buf_add(&limited, "5", 1), EYOT_ELIMIT);
    CHECK_STR(eyot_buf_data(&limited, &len), "");
    CHECK_INT(len, 0);
    eyot__buf_clear(&limited);
}
