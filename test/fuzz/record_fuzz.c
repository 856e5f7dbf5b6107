/* SPDX-License-Identifier: MIT */
/* Opening any bytes as a record, with the checksum as it is and with the right one: ends in a status, and what is then
 * read of the payload stays inside the record. */
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(eyot__record *r, const uint8_t *record, size_t size)
{
    while (!r->payload.failed && r->payload.p < r->payload.end) {
        size_t len;
        uint8_t what = eyot__read_u8(&r->payload);
        if (what % 3 == 0) eyot__read_varint(&r->payload);
        if (what % 3 == 1) eyot__read_bytes(&r->payload, &len);
        if (what % 3 == 2) eyot__read_count(&r->payload, 1u + what);
    }
    if (r->payload.p < record || r->payload.p > record + size - 4) abort();
}

static eyot_status open_and_read(const uint8_t *record, size_t size)
{
    eyot__record r;
    eyot_error e;
    eyot_status s = eyot__record_open(&r, (eyot_bytes){record, size}, (eyot_bytes){"r", 1}, 7, &e);
    if (s == EYOT_OK) read_all(&r, record, size);
    if (s != EYOT_OK && s != EYOT_ECORRUPT && s != EYOT_EFORMAT) abort();
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 20) return 0;
    open_and_read(data, size);
    if (size < 13) return 0;
    uint8_t *fixed = malloc(size);
    if (!fixed) return 0;
    memcpy(fixed, data, size);
    for (size_t i = 0; i < 4; i++) fixed[4 + i] = (uint8_t)(size >> (8 * i));
    uint32_t crc = eyot__crc32c(0, fixed, size - 4);
    for (size_t i = 0; i < 4; i++) fixed[size - 4 + i] = (uint8_t)(crc >> (8 * i));
    eyot__record_seal(fixed, size, (eyot_bytes){"r", 1}, 7);
    open_and_read(fixed, size);
    free(fixed);
    return 0;
}
