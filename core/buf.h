/* SPDX-License-Identifier: MIT */
/* Growing byte buffer; the public face is in copier.h. */
#ifndef EYOT_CORE_BUF_H
#define EYOT_CORE_BUF_H

#include <string.h>

#include <eyot/copier.h>

struct eyot_buf {
    unsigned char *data;
    size_t len, cap;    /* beyond len there always is room for a NUL, once there are bytes */
    size_t max;         /* ELIMIT beyond; 0: SIZE_MAX / 4 */
    eyot_status failed; /* EYOT_OK, ENOMEM or ELIMIT; sticky */
};

#define EYOT__BUF_INIT \
    {                  \
        0              \
    }

void eyot__buf_clear(eyot_buf *buf); /* frees the bytes; the buffer is empty and usable again */
static inline void eyot__buf_reset(eyot_buf *buf)
{
    buf->len = 0;
    buf->failed = EYOT_OK;
} /* keeps the memory */

/* eyot_buf_reserve where there is room already, which is nearly always. */
static inline unsigned char *eyot__buf_room(eyot_buf *buf, size_t len)
{
    if (!buf->failed && len < buf->cap - buf->len) return buf->data + buf->len;
    return (unsigned char *)eyot_buf_reserve(buf, len);
}

/* All little-endian; a failed buffer ignores them. */
static inline void eyot__buf_le(eyot_buf *buf, uint64_t v, size_t n)
{
    unsigned char *to = eyot__buf_room(buf, n);
    if (!to) return;
    for (size_t i = 0; i < n; i++) to[i] = (unsigned char)(v >> (8 * i));
    buf->len += n;
}
static inline void eyot__buf_u8(eyot_buf *buf, uint8_t v)
{
    eyot__buf_le(buf, v, 1);
}
static inline void eyot__buf_u32(eyot_buf *buf, uint32_t v)
{
    eyot__buf_le(buf, v, 4);
}
static inline void eyot__buf_u64(eyot_buf *buf, uint64_t v)
{
    eyot__buf_le(buf, v, 8);
}

/* LEB128, at most 10 bytes. */
static inline void eyot__buf_varint(eyot_buf *buf, uint64_t v)
{
    unsigned char *to = eyot__buf_room(buf, 10);
    size_t n = 0;
    if (!to) return;
    for (; v >= 0x80; v >>= 7) to[n++] = (unsigned char)(v | 0x80);
    to[n++] = (unsigned char)v;
    buf->len += n;
}

static inline void eyot__buf_put(eyot_buf *buf, const void *p, size_t n) /* eyot_buf_add */
{
    unsigned char *to = eyot__buf_room(buf, n);
    if (!to) return;
    if (n) memcpy(to, p, n);
    buf->len += n;
}

static inline void eyot__buf_bytes(eyot_buf *buf, const void *p, size_t n) /* varint length, then the bytes */
{
    eyot__buf_varint(buf, n);
    eyot__buf_put(buf, p, n);
}

void eyot__buf_text(eyot_buf *buf, const char *text); /* the characters alone */
void eyot__buf_format(eyot_buf *buf, const char *fmt, ...) EYOT_PRINTF(2, 3);

/* An error that says nothing yet, without clearing all of its text: these stand on hot paths. */
static inline void eyot__error_none(eyot_error *e)
{
    e->status = EYOT_OK;
    e->os_errno = 0;
    e->text[0] = 0;
}

/* Reading: a cursor that remembers the first failure and yields zeros after it. */
typedef struct eyot__reader {
    const unsigned char *p, *end;
    bool failed;
} eyot__reader;
uint8_t eyot__read_u8(eyot__reader *r);
uint32_t eyot__read_u32(eyot__reader *r);
uint64_t eyot__read_u64(eyot__reader *r);
uint64_t eyot__read_varint(eyot__reader *r);
const unsigned char *eyot__read_bytes(eyot__reader *r, size_t *len); /* borrowed; NULL with *len 0 on failure */
/* A count of items of at least `item_bytes` (≥ 1) each: fails if the rest of the input cannot hold them. */
size_t eyot__read_count(eyot__reader *r, size_t item_bytes);

#endif
