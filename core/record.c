/* SPDX-License-Identifier: MIT */
#include "core/record.h"

#include <assert.h>
#include <string.h>

#include "core/hash.h"

/* docs/format.md. Bytes 0 to 7 and the checksum at the end are the same in every version there will ever be, so that a
 * record of a newer version can be told from a damaged one. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 2,
    AT_KIND = 3,
    AT_LENGTH = 4,
    AT_CODEC_LEN = 8,
    AT_CODEC = 9,
    CRC_BYTES = 4,
    MIN_BYTES = AT_CODEC + CRC_BYTES,
    CODEC_MAX = 32
};

static void put_u32(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++) to[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t get_u32(const unsigned char *from)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) v |= (uint32_t)from[i] << (8 * i);
    return v;
}

static uint32_t crc_of_place(uint32_t body_crc, eyot_bytes run, uint64_t seq)
{
    unsigned char le[8];
    for (int i = 0; i < 8; i++) le[i] = (unsigned char)(seq >> (8 * i));
    return eyot__crc32c(eyot__crc32c(body_crc, run.p, run.n), le, sizeof le);
}

size_t eyot__record_begin(eyot_buf *buf, eyot_entry_kind kind, const char *codec)
{
    size_t at = buf->len, n = strlen(codec);
    assert(n <= CODEC_MAX);
    eyot__buf_text(buf, "EY");
    eyot__buf_u8(buf, EYOT__RECORD_VERSION);
    eyot__buf_u8(buf, (uint8_t)kind);
    eyot__buf_u32(buf, 0); /* the length, known at the end */
    eyot__buf_u8(buf, (uint8_t)n);
    eyot__buf_put(buf, codec, n);
    return at;
}

void eyot__record_end(eyot_buf *buf, size_t at)
{
    eyot__buf_u32(buf, 0); /* room for the checksum */
    if (buf->failed) return;
    size_t len = buf->len - at;
    if (len > UINT32_MAX) {
        buf->failed = EYOT_ELIMIT;
        return;
    }
    unsigned char *record = buf->data + at;
    put_u32(record + AT_LENGTH, (uint32_t)len);
    put_u32(record + len - CRC_BYTES, eyot__crc32c(0, record, len - CRC_BYTES));
}

void eyot__record_seal(unsigned char *record, size_t len, eyot_bytes run, uint64_t seq)
{
    assert(len >= MIN_BYTES && get_u32(record + AT_LENGTH) == len);
    unsigned char *crc = record + len - CRC_BYTES;
    put_u32(crc, crc_of_place(get_u32(crc), run, seq));
}

void eyot__record_reseal(unsigned char *record, size_t len, eyot_bytes run, uint64_t seq)
{
    put_u32(record + len - CRC_BYTES, eyot__crc32c(0, record, len - CRC_BYTES));
    eyot__record_seal(record, len, run, seq);
}

/* What is wrong with the record; NULL: nothing. */
static const char *damage(const unsigned char *record, size_t len, eyot_bytes run, uint64_t seq)
{
    if (len < MIN_BYTES) return "the record is cut short";
    if (memcmp(record + AT_MAGIC, "EY", 2) != 0) return "this is no record";
    if (get_u32(record + AT_LENGTH) != len) return "the length differs";
    uint32_t crc = crc_of_place(eyot__crc32c(0, record, len - CRC_BYTES), run, seq);
    if (crc != get_u32(record + len - CRC_BYTES)) return "checksum differs";
    if (record[AT_VERSION] > EYOT__RECORD_VERSION) return NULL; /* its other bytes are not ours to judge */
    if (record[AT_VERSION] < 1) return "there is no version 0";
    if (record[AT_KIND] < EYOT_ENTRY_TASK || record[AT_KIND] > EYOT_ENTRY_SNAPSHOT) return "unknown kind";
    if (record[AT_CODEC_LEN] > CODEC_MAX || record[AT_CODEC_LEN] > len - MIN_BYTES)
        return "the codec's name is too long";
    return NULL;
}

eyot_status eyot__record_open(eyot__record *out, eyot_bytes bytes, eyot_bytes run, uint64_t seq, eyot_error *e)
{
    const unsigned char *record = bytes.p;
    const char *wrong = damage(record, bytes.n, run, seq);
    int run_len = run.n > 128 ? 128 : (int)run.n;
    const char *run_text = run.n ? run.p : "";
    memset(out, 0, sizeof *out);
    if (wrong) {
        return eyot_error_set(e, EYOT_ECORRUPT, "run %.*s, entry %llu: %s", run_len, run_text, (unsigned long long)seq,
                              wrong);
    }
    out->version = record[AT_VERSION];
    if (out->version > EYOT__RECORD_VERSION) {
        return eyot_error_set(e, EYOT_EFORMAT,
                              "run %.*s, entry %llu: written in version %u, this library reads up to %d", run_len,
                              run_text, (unsigned long long)seq, (unsigned)out->version, EYOT__RECORD_VERSION);
    }
    out->kind = (eyot_entry_kind)record[AT_KIND];
    out->codec = (eyot_bytes){record + AT_CODEC, record[AT_CODEC_LEN]};
    out->payload.p = record + AT_CODEC + out->codec.n;
    out->payload.end = record + bytes.n - CRC_BYTES;
    return EYOT_OK;
}

uint64_t eyot__record_step(const eyot__record *record, uint64_t before)
{
    eyot__reader payload = record->payload;
    if (record->kind == EYOT_ENTRY_SNAPSHOT) return eyot__read_varint(&payload);
    return before + (record->kind == EYOT_ENTRY_TASK);
}

eyot_status eyot__record_check_kind(const eyot__record *record, eyot_entry_kind kind, eyot_error *e)
{
    if (record->kind == kind) return EYOT_OK;
    return eyot_error_set(e, EYOT_ECORRUPT, "the record is of another kind than the store says");
}

eyot_status eyot__record_check_step(const eyot__record *record, uint64_t before, uint64_t step, eyot_error *e)
{
    if (eyot__record_step(record, before) == step) return EYOT_OK;
    return eyot_error_set(e, EYOT_ECORRUPT, "the record is of another step than the store says");
}
