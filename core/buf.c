/* SPDX-License-Identifier: MIT */
#include "core/buf.h"

#include <eyot/store.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/store.h>

void eyot__buf_clear(eyot_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = buf->cap = 0;
    buf->failed = EYOT_OK;
}

/* Room for n more bytes, and for a NUL behind them. Doubling bounds the copying to O(final length); the last step is cut to `max`. */
static bool grow(eyot_buf *buf, size_t n)
{
    size_t max = buf->max ? buf->max : SIZE_MAX / 4;
    if (buf->failed) return false;
    if (buf->len > max || n > max - buf->len) {
        buf->failed = EYOT_ELIMIT;
        return false;
    }
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap <= buf->len + n) cap *= 2;
    if (cap > max) cap = max + 1;
    unsigned char *data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = EYOT_ENOMEM;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void *eyot_buf_reserve(eyot_buf *buf, size_t len)
{
    /* An empty reservation gets a pointer too: NULL means failure to the caller. */
    bool fits = buf->data && !buf->failed && len < buf->cap - buf->len;
    if (!fits && !grow(buf, len)) return NULL;
    return buf->data + buf->len;
}

void eyot_buf_advance(eyot_buf *buf, size_t len)
{
    if (!buf->failed) buf->len += len;
}

eyot_status eyot_buf_add(eyot_buf *buf, const void *bytes, size_t len)
{
    void *to = eyot_buf_reserve(buf, len);
    if (!to) return buf->failed;
    if (len) memcpy(to, bytes, len);
    buf->len += len;
    return EYOT_OK;
}

eyot_buf *eyot_buf_new(void)
{
    return calloc(1, sizeof(eyot_buf));
}

void eyot_buf_free(eyot_buf *buf)
{
    if (!buf) return;
    eyot__buf_clear(buf);
    free(buf);
}

const void *eyot_buf_data(const eyot_buf *buf, size_t *len)
{
    bool empty = buf->failed || buf->len == 0;
    if (len) *len = empty ? 0 : buf->len;
    if (empty) return "";
    buf->data[buf->len] = 0; /* there always is room */
    return buf->data;
}

void eyot_buf_reset(eyot_buf *buf)
{
    eyot__buf_reset(buf);
}

void eyot__buf_text(eyot_buf *buf, const char *text)
{
    eyot_buf_add(buf, text, strlen(text));
}

void eyot__buf_format(eyot_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    /* The NUL that vsnprintf needs room for is not part of the buffer. */
    char *to = n < 0 ? NULL : eyot_buf_reserve(buf, (size_t)n + 1);
    if (!to) {
        if (!buf->failed) buf->failed = EYOT_ENOMEM;
        return;
    }
    va_start(args, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)n;
}

static uint64_t read_le(eyot__reader *r, size_t width)
{
    uint64_t v = 0;
    if (r->failed || (size_t)(r->end - r->p) < width) {
        r->failed = true;
        return 0;
    }
    for (size_t i = 0; i < width; i++) v |= (uint64_t)r->p[i] << (8 * i);
    r->p += width;
    return v;
}

uint8_t eyot__read_u8(eyot__reader *r)
{
    return (uint8_t)read_le(r, 1);
}
uint32_t eyot__read_u32(eyot__reader *r)
{
    return (uint32_t)read_le(r, 4);
}
uint64_t eyot__read_u64(eyot__reader *r)
{
    return read_le(r, 8);
}

uint64_t eyot__read_varint(eyot__reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = eyot__read_u8(r);
        if (r->failed) return 0;
        /* One form per number: no bits beyond 64, no zeros at the end. */
        if ((shift == 63 && byte > 1) || (byte == 0 && shift > 0)) break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return v;
    }
    r->failed = true;
    return 0;
}

const unsigned char *eyot__read_bytes(eyot__reader *r, size_t *len)
{
    uint64_t n = eyot__read_varint(r);
    *len = 0;
    if (r->failed || n > (size_t)(r->end - r->p)) {
        r->failed = true;
        return NULL;
    }
    const unsigned char *at = r->p;
    r->p += n;
    *len = (size_t)n;
    return at;
}

size_t eyot__read_count(eyot__reader *r, size_t item_bytes)
{
    uint64_t n = eyot__read_varint(r);
    if (r->failed || n > (size_t)(r->end - r->p) / item_bytes) {
        r->failed = true;
        return 0;
    }
    return (size_t)n;
}
