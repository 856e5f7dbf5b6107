/* SPDX-License-Identifier: MIT */
/* Opening any bytes as a record, with the checksum as it is and with the right one: ends in a status; what is then read of the
 * payload stays inside the record, and what was opened is written again with the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/record.h"
#include "test/fuzz/fuzz.h"

static void read_all(eyot__record *r, const uint8_t *record, size_t size)
{
    while (!r->payload.failed && r->payload.p < r->payload.end) {
        size_t len;
        uint8_t what = eyot__read_u8(&r->payload);
        if (what % 3 == 0) eyot__read_varint(&r->payload);
        if (what % 3 == 1) eyot__read_bytes(&r->payload, &len);
        if (what % 3 == 2) eyot__read_count(&r->payload, 1u + what);
    }
    DEMAND(r->payload.p >= record && r->payload.p <= record + size - 4);
}

static void write_again(const eyot__record *r, const uint8_t *record, size_t size)
{
    eyot_buf again = EYOT__BUF_INIT;
    char codec[33] = "";
    if (r->version != EYOT__RECORD_VERSION || memchr(r->codec.p, 0, r->codec.n)) return;
    memcpy(codec, r->codec.p, r->codec.n);
    eyot__record_begin(&again, r->kind, codec);
    eyot__buf_put(&again, r->payload.p, (size_t)(r->payload.end - r->payload.p));
    eyot__record_end(&again, 0);
    eyot__record_seal(again.data, again.len, (eyot_bytes){"r", 1}, 7);
    DEMAND(!again.failed && again.len == size && memcmp(again.data, record, size) == 0);
    eyot__buf_clear(&again);
}

static eyot_status open_and_read(const uint8_t *record, size_t size)
{
    eyot__record r;
    eyot_error e;
    eyot_status s = eyot__record_open(&r, (eyot_bytes){record, size}, (eyot_bytes){"r", 1}, 7, &e);
    if (s == EYOT_OK) write_again(&r, record, size);
    if (s == EYOT_OK) read_all(&r, record, size);
    DEMAND(s == EYOT_OK || s == EYOT_ECORRUPT || s == EYOT_EFORMAT);
    return s;
}

void fuzz_one(const uint8_t *data, size_t size)
{
    if (size > 1 << 20) return;
    open_and_read(data, size);
    if (size < 13) return;
    uint8_t *fixed = malloc(size);
    if (!fixed) return;
    memcpy(fixed, data, size);
    for (size_t i = 0; i < 4; i++) fixed[4 + i] = (uint8_t)(size >> (8 * i));
    uint32_t crc = eyot__crc32c(0, fixed, size - 4);
    for (size_t i = 0; i < 4; i++) fixed[size - 4 + i] = (uint8_t)(crc >> (8 * i));
    eyot__record_seal(fixed, size, (eyot_bytes){"r", 1}, 7);
    open_and_read(fixed, size);
    free(fixed);
}
