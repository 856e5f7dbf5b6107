/* SPDX-License-Identifier: MIT */
#include "core/hash.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_CRC_INSTRUCTION 1
#include <nmmintrin.h>
#include <wmmintrin.h>
#endif

/* ---- CRC32C: RFC 3720, appendix B.4; by tables as in Kounavis and Berry, "Novel table lookup-based algorithms for
 * high-performance CRC generation" (2008), eight bytes at a time ---- */

#define POLYNOMIAL 0x82F63B78u /* 0x1EDC6F41 with its bits reversed */

/* tables[k][b]: what byte b does to the CRC when k more bytes follow it. */
static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (c & 1 ? POLYNOMIAL : 0);
        tables[0][b] = c;
    }
    for (int k = 1; k < 8; k++) {
        for (int b = 0; b < 256; b++) tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
    }
}

static uint32_t load_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t eyot__crc32c_by_table(uint32_t crc, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint32_t c = ~crc;
    pthread_once(&tables_once, make_tables);
    for (; len >= 8; len -= 8, p += 8) {
        uint32_t a = c ^ load_le32(p), b = load_le32(p + 4);
        c = tables[7][a & 0xff] ^ tables[6][(a >> 8) & 0xff] ^ tables[5][(a >> 16) & 0xff] ^ tables[4][a >> 24] ^
            tables[3][b & 0xff] ^ tables[2][(b >> 8) & 0xff] ^ tables[1][(b >> 16) & 0xff] ^ tables[0][b >> 24];
    }
    for (; len > 0; len--, p++) c = (c >> 8) ^ tables[0][(c ^ *p) & 0xff];
    return ~c;
}

#ifdef HAVE_CRC_INSTRUCTION
/* The instruction takes three cycles but one can start in each, so three lanes go side by side and are put together as in
 * Gopal et al., "Fast CRC computation for iSCSI polynomial using CRC32 instruction" (Intel, 2011): a lane that n bytes
 * follow is multiplied by x^(8n), here as x^(8n-33), because the last step brings x^33 along. */
#define LANE ((size_t)128)
#define SHIFT_ONE_LANE 0x0d3b6092u  /* x^(8*128-33), bits reversed */
#define SHIFT_TWO_LANES 0xb9e02b86u /* x^(8*256-33) */

static uint64_t load64(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t multiply(uint64_t lane, uint32_t by)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)lane), _mm_cvtsi32_si128((int)by), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *p,
                                                                        size_t len)
{
    uint64_t c = ~crc;
    for (; len >= 3 * LANE; len -= 3 * LANE, p += 3 * LANE) {
        uint64_t second = 0, third = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            c = _mm_crc32_u64(c, load64(p + i));
            second = _mm_crc32_u64(second, load64(p + LANE + i));
            third = _mm_crc32_u64(third, load64(p + 2 * LANE + i));
        }
        c = third ^ _mm_crc32_u64(0, multiply(c, SHIFT_TWO_LANES) ^ multiply(second, SHIFT_ONE_LANE));
    }
    for (; len >= 8; len -= 8, p += 8) c = _mm_crc32_u64(c, load64(p));
    uint32_t tail = (uint32_t)c;
    for (; len > 0; len--, p++) tail = _mm_crc32_u8(tail, *p);
    return ~tail;
}
#endif

uint32_t eyot__crc32c(uint32_t crc, const void *bytes, size_t len)
{
#ifdef HAVE_CRC_INSTRUCTION
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) return by_instruction(crc, bytes, len);
#endif
    return eyot__crc32c_by_table(crc, bytes, len);
}

/* ---- SHA-256: FIPS 180-4, section 6.2; names as there ---- */

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha256_block(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64];
    for (int t = 0; t < 16; t++, p += 4) {
        w[t] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
    }
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], last = h[7];
    for (int t = 0; t < 64; t++) {
        uint32_t ch = (e & f) ^ (~e & g), maj = (a & b) ^ (a & c) ^ (b & c);
        uint32_t t1 = last + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ch + round_constants[t] + w[t];
        uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + maj;
        last = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
    h[4] += e, h[5] += f, h[6] += g, h[7] += last;
}

void eyot__sha256_begin(eyot__sha256_state *s)
{
    *s = (eyot__sha256_state){
        .h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void eyot__sha256_add(eyot__sha256_state *s, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    size_t held = s->len % 64;
    s->len += len;
    if (held > 0) {
        size_t n = len < 64 - held ? len : 64 - held;
        memcpy(s->rest + held, p, n);
        p += n, len -= n;
        if (held + n < 64) return;
        sha256_block(s->h, s->rest);
    }
    for (; len >= 64; len -= 64, p += 64) sha256_block(s->h, p);
    if (len) memcpy(s->rest, p, len);
}

void eyot__sha256_end(eyot__sha256_state *s, uint8_t out[32])
{
    /* The rest, a one bit, zeros, and the length in bits: one block or two. */
    unsigned char last[128] = {0};
    size_t rest = s->len % 64, blocks = rest < 56 ? 1 : 2;
    memcpy(last, s->rest, rest);
    last[rest] = 0x80;
    for (size_t i = 0; i < 8; i++) last[64 * blocks - 1 - i] = (unsigned char)((s->len << 3) >> (8 * i));
    for (size_t i = 0; i < blocks; i++) sha256_block(s->h, last + 64 * i);
    for (size_t i = 0; i < 32; i++) out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void eyot__sha256(const void *bytes, size_t len, uint8_t out[32])
{
    eyot__sha256_state s;
    eyot__sha256_begin(&s);
    if (len) eyot__sha256_add(&s, bytes, len);
    eyot__sha256_end(&s, out);
}

void eyot__hex(const uint8_t *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}
