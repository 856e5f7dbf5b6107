/* SPDX-License-Identifier: MIT */
#include "core/transfer.h"

#include <stdio.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char tail_form[] = ",\"crc\":\"12345678\"}";
enum { TAIL = sizeof tail_form - 1, TAIL_HEX = 8 /* where the digits begin */ };

void eyot__chain_begin(eyot__chain *c)
{
    *c = (eyot__chain){.lines = 0};
    eyot__sha256_begin(&c->sha);
}

void eyot__chain_digest(const eyot__chain *c, char hex[65])
{
    eyot__sha256_state s = c->sha;
    uint8_t digest[32];
    eyot__sha256_end(&s, digest);
    eyot__hex(digest, 32, hex);
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

void eyot__line_begin(eyot_buf *line, const eyot__chain *c)
{
    eyot__buf_reset(line);
    eyot__buf_format(line, "{\"line\":%llu", (unsigned long long)c->lines + 1);
}

static void put_key(eyot_buf *line, const char *key)
{
    eyot__buf_format(line, ",\"%s\":", key);
}

void eyot__line_put_number(eyot_buf *line, const char *key, uint64_t n)
{
    put_key(line, key);
    eyot__buf_format(line, "%llu", (unsigned long long)n);
}

void eyot__line_put_signed(eyot_buf *line, const char *key, int64_t n)
{
    put_key(line, key);
    eyot__buf_format(line, "%lld", (long long)n);
}

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
}

void eyot__line_put_text(eyot_buf *line, const char *key, eyot_bytes text)
{
    const unsigned char *p = text.p;
    put_key(line, key);
    eyot__buf_u8(line, '"');
    for (size_t i = 0, n; i < text.n; i += n) {
        for (n = 0; i + n < text.n && !needs_escape(p[i + n]);) n++;
        eyot__buf_put(line, p + i, n);
        if (i + n == text.n) break;
        eyot__buf_format(line, "\\u%04x", (unsigned)p[i + n++]);
    }
    eyot__buf_u8(line, '"');
}

void eyot__line_put_string(eyot_buf *line, const char *key, const char *text)
{
    eyot__line_put_text(line, key, eyot__bytes(text, strlen(text)));
}

static unsigned char *encode_three(unsigned char *to, const unsigned char *p)
{
    uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    to[0] = (unsigned char)digits[v >> 18];
    to[1] = (unsigned char)digits[v >> 12 & 63];
    to[2] = (unsigned char)digits[v >> 6 & 63];
    to[3] = (unsigned char)digits[v & 63];
    return to + 4;
}

void eyot__line_put_bytes(eyot_buf *line, const char *key, eyot_bytes bytes)
{
    const unsigned char *p = bytes.p;
    size_t n = bytes.n, room = (n + 2) / 3 * 4;
    put_key(line, key);
    eyot__buf_u8(line, '"');
    unsigned char *to = eyot__buf_room(line, room);
    if (!to) return;
    for (; n >= 3; n -= 3, p += 3) to = encode_three(to, p);
    if (n > 0) {
        const unsigned char last[3] = {p[0], n > 1 ? p[1] : 0, 0};
        to = encode_three(to, last);
        to[-1] = '=';
        if (n == 1) to[-2] = '=';
    }
    line->len += room;
    eyot__buf_u8(line, '"');
}

static void chain_add(eyot__chain *c, const void *bytes, size_t len)
{
    c->crc = eyot__crc32c(c->crc, bytes, len);
    eyot__sha256_add(&c->sha, bytes, len);
}

void eyot__line_end(eyot_buf *line, eyot__chain *c)
{
    char tail[TAIL + 2];
    if (line->failed) return;
    chain_add(c, line->data, line->len);
    snprintf(tail, sizeof tail, ",\"crc\":\"%08lx\"}\n", (unsigned long)c->crc);
    chain_add(c, tail, TAIL + 1);
    eyot__buf_put(line, tail, TAIL + 1);
    c->lines++;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

eyot_status eyot__line_blame(const eyot__line *line, eyot_error *e, const char *why)
{
    return eyot_error_set(e, EYOT_ECORRUPT, "line %llu: %s", (unsigned long long)line->number, why);
}

eyot_status eyot__line_open(eyot__line *line, eyot__chain *c, char *text, size_t len, eyot_error *e)
{
    char head[40], tail[TAIL + 1];
    *line = (eyot__line){.number = c->lines + 1};
    size_t head_len = (size_t)snprintf(head, sizeof head, "{\"line\":%llu", (unsigned long long)line->number);
    if (len < head_len + TAIL || memcmp(text, head, head_len) != 0 || text[head_len] != ',')
        return eyot__line_blame(line, e, "another line stands here, or what is no line of a run's stream");
    chain_add(c, text, len - TAIL);
    snprintf(tail, sizeof tail, ",\"crc\":\"%08lx\"}", (unsigned long)c->crc);
    if (memcmp(text + len - TAIL, tail, TAIL) != 0)
        return eyot__line_blame(line, e, "the checksum differs: it was changed, or comes from another stream");
    chain_add(c, tail, TAIL);
    chain_add(c, "\n", 1);
    c->lines++;
    line->p = text + head_len;
    line->end = text + len - TAIL;
    return EYOT_OK;
}

/* Behind the key, or NULL. */
static char *at_value(const eyot__line *line, const char *key)
{
    size_t n = strlen(key);
    char *p = line->p;
    if (line->failed || (size_t)(line->end - p) < n + 4 || p[0] != ',' || p[1] != '"') return NULL;
    return memcmp(p + 2, key, n) == 0 && p[n + 2] == '"' && p[n + 3] == ':' ? p + n + 4 : NULL;
}

bool eyot__line_has(const eyot__line *line, const char *key)
{
    return at_value(line, key) != NULL;
}

/* No sign, no needless zero, no overflow. */
static uint64_t take_digits(eyot__line *line, char *p)
{
    uint64_t n = 0;
    char *first = p;
    for (; p && p < line->end && *p >= '0' && *p <= '9'; p++) {
        unsigned d = (unsigned)(*p - '0');
        if (n > (UINT64_MAX - d) / 10) p = NULL;
        if (!p) break;
        n = n * 10 + d;
    }
    line->failed |= !p || p == first || (*first == '0' && p > first + 1);
    if (line->failed) return 0;
    line->p = p;
    return n;
}

uint64_t eyot__line_number(eyot__line *line, const char *key)
{
    return take_digits(line, at_value(line, key));
}

int64_t eyot__line_signed(eyot__line *line, const char *key)
{
    char *p = at_value(line, key);
    bool minus = p && p < line->end && *p == '-';
    uint64_t n = take_digits(line, p && minus ? p + 1 : p);
    line->failed |= n > INT64_MAX;
    return line->failed ? 0 : minus ? -(int64_t)n : (int64_t)n;
}

/* The text between the quotes, up to the next one; *end is behind it. NULL: there is none. */
static char *take_quoted(eyot__line *line, const char *key, char **close)
{
    char *p = at_value(line, key);
    bool opens = p && p < line->end && *p == '"';
    *close = opens ? memchr(p + 1, '"', (size_t)(line->end - p - 1)) : NULL;
    line->failed |= !*close;
    if (line->failed) return NULL;
    line->p = *close + 1;
    return p + 1;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Every escape is \u00XX, a quote's too. */
eyot_bytes eyot__line_text(eyot__line *line, const char *key)
{
    char *close, *p = take_quoted(line, key, &close), *begin = p, *to = p;
    while (p && p < close && !line->failed) {
        if (*p != '\\') {
            line->failed |= needs_escape((unsigned char)*p);
            *to++ = *p++;
            continue;
        }
        int high = close - p >= 6 ? hex_digit(p[4]) : -1, low = close - p >= 6 ? hex_digit(p[5]) : -1;
        line->failed |=
            high < 0 || low < 0 || memcmp(p, "\\u00", 4) != 0 || !needs_escape((unsigned char)(high * 16 + low));
        *to++ = (char)(high * 16 + low);
        p += 6;
    }
    return line->failed ? eyot__bytes(NULL, 0) : eyot__bytes(begin, (size_t)(to - begin));
}

/* Of '+' to 'z'; -1: no digit. */
static const signed char values[] = {62, -1, -1, -1, 63, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1,
                                     -1, -1, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17,
                                     18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1, -1, 26, 27, 28, 29, 30, 31,
                                     32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51};

static int value_of(char c)
{
    return c < '+' || c > 'z' ? -1 : values[c - '+'];
}

/* Four digits become `n` bytes; false: they are none, or the bits that are left over are not 0. */
static bool decode_four(char *to, const char *p, int n)
{
    int a = value_of(p[0]), b = value_of(p[1]), c = n > 1 ? value_of(p[2]) : 0, d = n > 2 ? value_of(p[3]) : 0;
    if ((a | b | c | d) < 0 || (n == 1 && (b & 15)) || (n == 2 && (c & 3))) return false;
    unsigned v = (unsigned)a << 18 | (unsigned)b << 12 | (unsigned)c << 6 | (unsigned)d;
    to[0] = (char)(v >> 16);
    if (n > 1) to[1] = (char)(v >> 8);
    if (n > 2) to[2] = (char)v;
    return true;
}

eyot_bytes eyot__line_bytes(eyot__line *line, const char *key)
{
    char *close, *p = take_quoted(line, key, &close), *begin = p, *to = p;
    line->failed |= p && (close - p) % 4 != 0;
    for (; p && p < close && !line->failed; p += 4) {
        bool last = close - p == 4;
        int n = last && p[3] == '=' ? p[2] == '=' ? 1 : 2 : 3;
        line->failed |= !decode_four(to, p, n); /* behind what was read: three bytes for four digits */
        to += n;
    }
    return line->failed ? eyot__bytes(NULL, 0) : eyot__bytes(begin, (size_t)(to - begin));
}

eyot_status eyot__line_close(eyot__line *line, eyot_error *e)
{
    if (!line->failed && line->p == line->end) return EYOT_OK;
    return eyot__line_blame(line, e, "its fields are not those of the format");
}
