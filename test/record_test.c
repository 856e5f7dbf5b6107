/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include "core/hash.h"
#include "core/record.h"

#define RUN ((eyot_bytes){"a17", 3})
#define SEQ 12

/* A sealed record with three payload fields. */
static void make_record(eyot_buf *buf)
{
    eyot__buf_reset(buf);
    size_t at = eyot__record_begin(buf, EYOT_ENTRY_TASK, "json/1");
    eyot__buf_varint(buf, 300);
    eyot__buf_bytes(buf, "update", 6);
    eyot__buf_u64(buf, UINT64_MAX);
    eyot__record_end(buf, at);
    eyot__record_seal(buf->data + at, buf->len - at, RUN, SEQ);
}

static eyot_status open_record(const eyot_buf *buf, size_t len, eyot_bytes run, uint64_t seq, eyot_error *e)
{
    eyot__record r;
    return eyot__record_open(&r, (eyot_bytes){buf->data, len}, run, seq, e);
}

/* Gives a changed record the checksum that belongs to it. */
static void seal_again(eyot_buf *buf)
{
    uint32_t crc = eyot__crc32c(0, buf->data, buf->len - 4);
    for (size_t i = 0; i < 4; i++) buf->data[buf->len - 4 + i] = (unsigned char)(crc >> (8 * i));
    eyot__record_seal(buf->data, buf->len, RUN, SEQ);
}

TEST(record__is_read_as_it_was_written)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__record r;
    eyot_error e;
    size_t len;
    make_record(&buf);
    CHECK_OK(eyot__record_open(&r, (eyot_bytes){buf.data, buf.len}, RUN, SEQ, &e));
    CHECK_INT(r.version, 3);
    CHECK_INT(r.kind, EYOT_ENTRY_TASK);
    CHECK(r.codec.n == 6 && memcmp(r.codec.p, "json/1", 6) == 0);
    CHECK_INT(eyot__read_varint(&r.payload), 300);
    CHECK(memcmp(eyot__read_bytes(&r.payload, &len), "update", 6) == 0);
    CHECK_INT(len, 6);
    CHECK(eyot__read_u64(&r.payload) == UINT64_MAX);
    CHECK(!r.payload.failed && r.payload.p == r.payload.end);
    eyot__buf_clear(&buf);
}

/* What is written today must open for ever: these bytes are never changed. */
TEST(record__has_the_bytes_that_the_format_says)
{
    static const unsigned char want[] = {'E', 'Y', 3,   1,   36,   0,   0,   0,   6,   'j', 's',
                                         'o', 'n', '/', '1', 0xac, 2,   6,   'u', 'p', 'd', 'a',
                                         't', 'e', 255, 255, 255,  255, 255, 255, 255, 255};
    eyot_buf buf = EYOT__BUF_INIT;
    unsigned char place[] = {'a', '1', '7', SEQ, 0, 0, 0, 0, 0, 0, 0};
    make_record(&buf);
    CHECK_INT(buf.len, sizeof want + 4);
    CHECK(memcmp(buf.data, want, sizeof want) == 0);
    uint32_t crc = eyot__crc32c(eyot__crc32c(0, buf.data, buf.len - 4), place, sizeof place);
    for (size_t i = 0; i < 4; i++) CHECK_INT(buf.data[buf.len - 4 + i], crc >> (8 * i) & 0xff);
    eyot__buf_clear(&buf);
}

TEST(record__several_share_a_buffer)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__record r;
    eyot_error e;
    size_t at[3], end[3];
    for (unsigned i = 0; i < 3; i++) {
        at[i] = eyot__record_begin(&buf, EYOT_ENTRY_STATUS, "");
        for (unsigned k = 0; k < 200 * i; k++) eyot__buf_u8(&buf, (uint8_t)k);
        eyot__record_end(&buf, at[i]);
        end[i] = buf.len;
    }
    for (unsigned i = 0; i < 3; i++) eyot__record_seal(buf.data + at[i], end[i] - at[i], RUN, i + 1);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(eyot__record_open(&r, (eyot_bytes){buf.data + at[i], end[i] - at[i]}, RUN, i + 1, &e));
        CHECK_INT(r.payload.end - r.payload.p, 200 * i);
        CHECK_INT(r.codec.n, 0);
    }
    eyot__buf_clear(&buf);
}

TEST(record__every_flipped_bit_is_found)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    make_record(&buf);
    for (size_t bit = 0; bit < 8 * buf.len; bit++) {
        buf.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        CHECK_STATUS(open_record(&buf, buf.len, RUN, SEQ, &e), EYOT_ECORRUPT);
        CHECK_HAS(e.text, "run a17, entry 12: ");
        buf.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK_OK(open_record(&buf, buf.len, RUN, SEQ, &e));
    eyot__buf_clear(&buf);
}

TEST(record__every_cut_is_found)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    make_record(&buf);
    for (size_t len = 0; len < buf.len; len++) CHECK_STATUS(open_record(&buf, len, RUN, SEQ, &e), EYOT_ECORRUPT);
    CHECK_STATUS(eyot__record_open(&(eyot__record){0}, (eyot_bytes){NULL, 0}, RUN, SEQ, &e), EYOT_ECORRUPT);
    eyot__buf_clear(&buf);
}

TEST(record__bytes_after_its_end_are_found)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    make_record(&buf);
    eyot__buf_u8(&buf, 0);
    CHECK_STATUS(open_record(&buf, buf.len, RUN, SEQ, &e), EYOT_ECORRUPT);
    eyot__buf_clear(&buf);
}

TEST(record__of_another_run_is_found)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    make_record(&buf);
    CHECK_STATUS(open_record(&buf, buf.len, ((eyot_bytes){"a18", 3}), SEQ, &e), EYOT_ECORRUPT);
    CHECK_STR(e.text, "run a18, entry 12: checksum differs");
    CHECK_STATUS(open_record(&buf, buf.len, ((eyot_bytes){"a1", 2}), SEQ, &e), EYOT_ECORRUPT);
    CHECK_STATUS(open_record(&buf, buf.len, ((eyot_bytes){NULL, 0}), SEQ, &e), EYOT_ECORRUPT);
    eyot__buf_clear(&buf);
}

TEST(record__of_another_seq_is_found)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    make_record(&buf);
    CHECK_STATUS(open_record(&buf, buf.len, RUN, SEQ + 1, &e), EYOT_ECORRUPT);
    CHECK_STR(e.text, "run a17, entry 13: checksum differs");
    CHECK_STATUS(open_record(&buf, buf.len, RUN, SEQ + ((uint64_t)1 << 63), &e), EYOT_ECORRUPT);
    eyot__buf_clear(&buf);
}

TEST(record__of_a_newer_version_is_told_from_a_damaged_one)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    make_record(&buf);
    buf.data[2] = 4;
    memset(buf.data + 8, 0xff, 8); /* whatever a newer version may put there */
    seal_again(&buf);
    CHECK_STATUS(open_record(&buf, buf.len, RUN, SEQ, &e), EYOT_EFORMAT);
    CHECK_STR(e.text, "run a17, entry 12: written in version 4, this library reads up to 3");
    eyot__buf_clear(&buf);
}

/* A header byte that is wrong although the checksum is right: somebody wrote it so. */
static void is_refused_with(size_t at, unsigned char byte, const char *text)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    make_record(&buf);
    buf.data[at] = byte;
    seal_again(&buf);
    CHECK_STATUS(open_record(&buf, buf.len, RUN, SEQ, &e), EYOT_ECORRUPT);
    CHECK_HAS(e.text, text);
    eyot__buf_clear(&buf);
}

TEST(record__hostile_headers_are_refused)
{
    is_refused_with(0, 'e', "no record");
    is_refused_with(2, 0, "version 0");
    is_refused_with(3, 0, "unknown kind");
    is_refused_with(3, EYOT_ENTRY_SNAPSHOT + 1, "unknown kind");
    is_refused_with(8, 33, "codec");
    is_refused_with(8, 255, "codec");
}

TEST(record__codec_name_must_fit_into_the_record)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_error e;
    size_t at = eyot__record_begin(&buf, EYOT_ENTRY_STATUS, "");
    eyot__record_end(&buf, at);
    buf.data[8] = 1; /* and nothing follows but the checksum */
    seal_again(&buf);
    CHECK_STATUS(open_record(&buf, buf.len, RUN, SEQ, &e), EYOT_ECORRUPT);
    CHECK_HAS(e.text, "codec");
    eyot__buf_clear(&buf);
}

TEST(record__payload_ends_before_the_checksum)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__record r;
    eyot_error e;
    size_t len;
    size_t at = eyot__record_begin(&buf, EYOT_ENTRY_TASK, "json/1");
    eyot__buf_varint(&buf, 4); /* as many bytes as the checksum has */
    eyot__record_end(&buf, at);
    eyot__record_seal(buf.data, buf.len, RUN, SEQ);
    CHECK_OK(eyot__record_open(&r, (eyot_bytes){buf.data, buf.len}, RUN, SEQ, &e));
    CHECK(eyot__read_bytes(&r.payload, &len) == NULL);
    CHECK(r.payload.failed);
    eyot__buf_clear(&buf);
}

TEST(record__a_hostile_count_in_the_payload_is_refused)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__record r;
    eyot_error e;
    size_t at = eyot__record_begin(&buf, EYOT_ENTRY_SNAPSHOT, "json/1");
    eyot__buf_varint(&buf, UINT64_MAX);
    eyot__record_end(&buf, at);
    eyot__record_seal(buf.data, buf.len, RUN, SEQ);
    CHECK_OK(eyot__record_open(&r, (eyot_bytes){buf.data, buf.len}, RUN, SEQ, &e));
    CHECK_INT(eyot__read_count(&r.payload, 1), 0);
    CHECK(r.payload.failed);
    eyot__buf_clear(&buf);
}

TEST(record__longest_codec_name_is_kept)
{
    static const char name[] = "12345678901234567890123456789012";
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__record r;
    eyot_error e;
    size_t at = eyot__record_begin(&buf, EYOT_ENTRY_TASK, name);
    eyot__record_end(&buf, at);
    eyot__record_seal(buf.data, buf.len, RUN, SEQ);
    CHECK_OK(eyot__record_open(&r, (eyot_bytes){buf.data, buf.len}, RUN, SEQ, &e));
    CHECK(r.codec.n == 32 && memcmp(r.codec.p, name, 32) == 0);
    eyot__buf_clear(&buf);
}

TEST(record__in_a_full_buffer_fails_the_buffer)
{
    for (size_t max = 1; max < 36; max++) {
        eyot_buf buf = {.max = max};
        size_t at = eyot__record_begin(&buf, EYOT_ENTRY_TASK, "json/1");
        eyot__buf_bytes(&buf, "0123456789ABCDEF", 16);
        eyot__record_end(&buf, at);
        CHECK_INT(buf.failed, EYOT_ELIMIT);
        eyot__buf_clear(&buf);
    }
}
