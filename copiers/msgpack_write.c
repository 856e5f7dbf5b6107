/* SPDX-License-Identifier: MIT */
/* A value to msgpack, without recursion, each number and length in its shortest form. */
#include "copiers/msgpack.h"
#include "copiers/writing.h"

typedef struct level {
    eyot__cursor c;
    bool map;
} level;

typedef struct packer {
    eyot__writer *out;
    uint32_t depth;
    level levels[EYOT_VALUE_MAX_DEPTH];
} packer;

/* The byte b and the lowest n bytes of u, the highest of them first. */
static inline char *put(char *to, unsigned b, uint64_t u, unsigned n)
{
    unsigned char *p = (unsigned char *)to;
    u <<= 64 - 8 * n;
    p[0] = (unsigned char)b;
    p[1] = (unsigned char)(u >> 56);
    p[2] = (unsigned char)(u >> 48);
    p[3] = (unsigned char)(u >> 40);
    p[4] = (unsigned char)(u >> 32);
    p[5] = (unsigned char)(u >> 24);
    p[6] = (unsigned char)(u >> 16);
    p[7] = (unsigned char)(u >> 8);
    p[8] = (unsigned char)u;
    return to + 1 + n;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static inline char *put_uint(char *to, uint64_t u)
{
    if (u < 0x80) {
        *to = (char)u;
        return to + 1;
    }
    if (u <= UINT8_MAX) return put(to, 0xcc, u, 1);
    if (u <= UINT16_MAX) return put(to, 0xcd, u, 2);
    return u <= UINT32_MAX ? put(to, 0xce, u, 4) : put(to, 0xcf, u, 8);
}

static inline char *put_int(char *to, int64_t i)
{
    if (i >= 0) return put_uint(to, (uint64_t)i);
    if (i >= -32) {
        *to = (char)i;
        return to + 1;
    }
    if (i >= INT8_MIN) return put(to, 0xd0, (uint64_t)i, 1);
    if (i >= INT16_MIN) return put(to, 0xd1, (uint64_t)i, 2);
    return i >= INT32_MIN ? put(to, 0xd2, (uint64_t)i, 4) : put(to, 0xd3, (uint64_t)i, 8);
}

static inline char *put_double(char *to, double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return put(to, 0xcb, bits, 8);
}

static char *put_boxed(char *to, const eyot__number *n)
{
    switch (eyot__node_kind(&n->node)) {
    case EYOT__INT64: return put_int(to, n->as.i);
    case EYOT__UINT64: return put_uint(to, n->as.u);
    default: return put(to, 0xcb, n->as.u, 8); /* the bits of a double */
    }
}

/* ---- what has a length ----------------------------------------------------------------------------------------- */

/* `b` is the byte of the form whose length has one byte, or two when there is none; the others follow it. */
static inline char *put_length(char *to, unsigned b, size_t len, bool has_one_byte)
{
    if (len <= UINT8_MAX && has_one_byte) return put(to, b, len, 1);
    b += has_one_byte;
    return len <= UINT16_MAX ? put(to, b, len, 2) : put(to, b + 1, len, 4);
}

static inline char *put_bytes(packer *s, char *to, const char *bytes, size_t len)
{
    to = eyot__room(s->out, to, len);
    if (!to) return NULL;
    memcpy(to, bytes, len);
    return to + len;
}

/* Short ones are copied by words of 8 bytes, of which nodes are made. */
static inline char *put_text(packer *s, char *to, const eyot__text *t)
{
    size_t len = t->len;
    if (len > 31) return put_bytes(s, put_length(to, 0xd9, len, true), t->bytes, len);
    *to++ = (char)(0xa0 | len);
    for (size_t i = 0; i < len; i += 8) memcpy(to + i, t->bytes + i, 8);
    return to + len;
}

/* The user's own that looks like the removal of a key is written with one more $. */
static char *put_ext(packer *s, char *to, const eyot__text *t)
{
    bool like = eyot__is_removed_like((uint8_t)t->hash, t->bytes, t->len);
    size_t len = t->len + (size_t)like;
    if (len && len <= 16 && (len & (len - 1)) == 0)
        *to++ = (char)(0xd4 + __builtin_ctzl(len));
    else
        to = put_length(to, 0xc7, len, true);
    *to++ = (char)t->hash;
    if (like) *to++ = '$';
    return put_bytes(s, to, t->bytes, t->len);
}

static char *put_container(packer *s, char *to, eyot__word w)
{
    assert(s->depth < EYOT_VALUE_MAX_DEPTH);
    level *l = &s->levels[s->depth++];
    uint32_t n = eyot__count(w);
    l->c = eyot__cursor_of(w);
    l->map = eyot__is_map(w);
    if (n > 15) return put_length(to, l->map ? 0xde : 0xdc, n, false);
    *to = (char)((l->map ? 0x80 : 0x90) | n);
    return to + 1;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static char *put_constant(char *to, eyot__word w)
{
    static const char removed[] = "\xd7$$removed";
    switch (w) {
    case EYOT__NULL: *to = (char)0xc0; return to + 1;
    case EYOT__FALSE: *to = (char)0xc2; return to + 1;
    case EYOT__TRUE: *to = (char)0xc3; return to + 1;
    case EYOT__ZERO: return put_double(to, 0.0);
    case EYOT__NEGATIVE_ZERO: return put_double(to, -0.0);
    case EYOT__EMPTY_STRING: *to = (char)0xa0; return to + 1;
    case EYOT__EMPTY_BYTES: return put(to, 0xc4, 0, 1);
    case EYOT__EMPTY_ARRAY: *to = (char)0x90; return to + 1;
    case EYOT__EMPTY_MAP: *to = (char)0x80; return to + 1;
    case EYOT__REMOVED: memcpy(to, removed, sizeof removed - 1); return to + sizeof removed - 1;
    default: return put(to, 0xca, w >> 32, 4); /* the bits of a float32 */
    }
}

static inline char *put_value(packer *s, char *to, eyot__word w)
{
    if ((w & 3) == 1) return put_int(to, eyot__int_unpack(w));
    if ((w & 3) == 2) return put_double(to, eyot__double_unpack(w));
    if ((w & 3) == 3) return put_constant(to, w);
    const eyot__text *t = eyot__text_of(w);
    switch (eyot__node_kind(&t->node)) {
    case EYOT__TEXT: return put_text(s, to, t);
    case EYOT__BYTES: return put_bytes(s, put_length(to, 0xc4, t->len, true), t->bytes, t->len);
    case EYOT__EXT: return put_ext(s, to, t);
    case EYOT__INT64:
    case EYOT__UINT64:
    case EYOT__DOUBLE: return put_boxed(to, (const eyot__number *)w);
    default: return put_container(s, to, w);
    }
}

/* The innermost container up to its end or to a container in it. */
static inline char *put_items(packer *s, char *to)
{
    level *l = &s->levels[s->depth - 1];
    uint32_t depth = s->depth;
    while (to && s->depth == depth) {
        const eyot__word *entry = l->map ? eyot__cursor_entry(&l->c) : NULL;
        eyot__word value = entry ? entry[1] : l->map ? 0 : eyot__cursor_item(&l->c);
        if (!value) {
            s->depth--;
            break;
        }
        to = eyot__room(s->out, to, 0);
        if (to && entry) {
            to = put_text(s, to, eyot__text_of(entry[0]));
            if (to) to = eyot__room(s->out, to, 0);
        }
        if (to) to = put_value(s, to, value);
    }
    return to;
}

static char *pack(eyot__writer *out, char *to, eyot__word w)
{
    packer s;
    s.out = out;
    s.depth = 0;
    to = put_value(&s, to, w);
    while (to && s.depth) to = put_items(&s, to);
    return to;
}

eyot_status eyot__msgpack_write(eyot__word w, eyot_buf *buf, eyot_error *e)
{
    eyot_status status = eyot__write(w, buf, EYOT_MSGPACK_MAX_BYTES, pack);
    if (status == EYOT_ELIMIT) return eyot_error_set(e, status, "the packed value is longer than allowed");
    return status ? eyot_error_set(e, status, "out of memory") : EYOT_OK;
}
