/* SPDX-License-Identifier: MIT */
/* CRC32C (Castagnoli, RFC 3720) and SHA-256 (FIPS 180-4). */
#ifndef EYOT_CORE_HASH_H
#define EYOT_CORE_HASH_H
#include <stddef.h>
#include <stdint.h>

/* Continues a CRC: start with 0. Uses the processor's instruction where there is one. */
uint32_t eyot__crc32c(uint32_t crc, const void *bytes, size_t len);
/* What stands in for the instruction; the same numbers. */
uint32_t eyot__crc32c_by_table(uint32_t crc, const void *bytes, size_t len);
void eyot__sha256(const void *bytes, size_t len, uint8_t out[32]);
typedef struct eyot__sha256_state { /* piece by piece */
    uint32_t h[8];
    uint64_t len;
    unsigned char rest[64];
} eyot__sha256_state;
void eyot__sha256_begin(eyot__sha256_state *s);
void eyot__sha256_add(eyot__sha256_state *s, const void *bytes, size_t len);
void eyot__sha256_end(eyot__sha256_state *s, uint8_t out[32]);
void eyot__hex(const uint8_t *bytes, size_t n, char *out); /* 2n digits and a NUL */

#endif
