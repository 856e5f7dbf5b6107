/* SPDX-License-Identifier: MIT */
/* A value to JSON text, without recursion. Functions that print write at `to`, where there is room for at least ROOM
 * bytes, straight into the buffer; they return their end with as much room again, NULL after a failure. */
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "copiers/json.h"
#include "copiers/number.h"
#include "core/buf.h"

#define ROOM 64u /* for a number, a literal and what is around it */

typedef struct level {
    eyot__cursor c;
    bool map, first;
} level;

typedef struct printer {
    eyot_buf *buf;
    char *end;
    size_t begin; /* of the text in the buffer */
    eyot_status status;
    bool tight; /* the room asked for is more than the buffer may give, which may still be enough */
    uint32_t depth;
    level levels[EYOT_VALUE_MAX_DEPTH];
} printer;

static char *room_slow(printer *s, char *to, size_t n)
{
    eyot_buf *b = s->buf;
    if (to) eyot_buf_advance(b, (size_t)((unsigned char *)to - (b->data + b->len)));
    s->tight = b->max && n + ROOM > b->max - b->len;
    if (s->tight || b->len - s->begin > EYOT_JSON_MAX_BYTES)
        s->status = EYOT_ELIMIT;
    else if (!eyot_buf_reserve(b, n + ROOM))
        s->status = b->failed;
    if (s->status) return NULL;
    s->end = (char *)b->data + (b->max && b->cap > b->max ? b->max : b->cap);
    return (char *)b->data + b->len;
}

/* Room for n bytes and ROOM more. */
static inline char *room(printer *s, char *to, size_t n)
{
    return (size_t)(s->end - to) >= n + ROOM ? to : room_slow(s, to, n);
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

/* The first byte that must be escaped. */
static const char *skip_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(x, control), x),
                                    _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask) return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\') p++;
    return p;
}

static char *put_escape(char *to, unsigned char c)
{
    static const char bytes[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *known = c ? strchr(bytes, c) : NULL;
    *to++ = '\\';
    if (known) {
        *to++ = names[known - bytes];
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[c >> 4];
    to[4] = hex[c & 15];
    return to + 5;
}

/* The bytes of a string with what must be escaped. */
static char *print_escaped(printer *s, char *to, const char *p, size_t len)
{
    const char *end = p + len;
    while (p < end) {
        const char *stop = skip_plain(p, end);
        size_t n = (size_t)(stop - p);
        to = room(s, to, n);
        if (!to) return NULL;
        memcpy(to, p, n);
        to += n;
        p = stop;
        if (p < end) to = put_escape(to, (unsigned char)*p++);
    }
    return room(s, to, 0);
}

/* A string in quotes, after `dollar` ($ or nothing). Short plain ones are copied by words of 8 bytes, of which nodes
 * are made. */
static inline char *print_text(printer *s, char *to, const eyot__text *t, bool dollar)
{
    size_t len = t->len;
    const char *bytes = t->bytes;
    to = room(s, to, len + 8);
    if (!to) return NULL;
    *to++ = '"';
    if (dollar) *to++ = '$';
    if (!(t->node.bits & EYOT__PLAIN)) {
        to = print_escaped(s, to, bytes, len);
        if (!to) return NULL;
    } else if (len <= 32) {
        for (size_t i = 0; i < len; i += 8) memcpy(to + i, bytes + i, 8);
        to += len;
    } else {
        memcpy(to, bytes, len);
        to += len;
    }
    *to++ = '"';
    return to;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static char *not_finite(printer *s)
{
    s->status = EYOT_EINVAL;
    return NULL;
}

static char *print_number(printer *s, char *to, eyot__word w)
{
    eyot__num n = eyot__num_of(w);
    if (n.kind == EYOT_VALUE_INT) return eyot__print_int(to, n.i);
    if (n.kind == EYOT_VALUE_UINT) return eyot__print_uint(to, n.u);
    return n.d - n.d == 0 ? eyot__print_double(to, n.d) : not_finite(s);
}

static char *print_form(printer *s, char *to, eyot__word w)
{
    double d = eyot__num_of(w).d; /* of a float32 */
    if (d - d != 0) return not_finite(s);
    to = room(s, to, eyot__form_room(w));
    return to ? eyot__form_write(to, w) : NULL;
}

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

static char *print_constant(printer *s, char *to, eyot__word w)
{
    switch (w) {
    case EYOT__NULL: return put(to, "null", 4);
    case EYOT__FALSE: return put(to, "false", 5);
    case EYOT__TRUE: return put(to, "true", 4);
    case EYOT__EMPTY_STRING: return put(to, "\"\"", 2);
    case EYOT__EMPTY_ARRAY: return put(to, "[]", 2);
    case EYOT__EMPTY_MAP: return put(to, "{}", 2);
    case EYOT__ZERO: return put(to, "0.0", 3);
    case EYOT__NEGATIVE_ZERO: return put(to, "-0.0", 4);
    default: return print_form(s, to, w); /* empty bytes, a removal, a float32 */
    }
}

static char *open_container(printer *s, char *to, eyot__word w)
{
    assert(s->depth < EYOT_VALUE_MAX_DEPTH);
    level *l = &s->levels[s->depth++];
    l->c = eyot__cursor_of(w);
    l->map = eyot__is_map(w);
    l->first = true;
    *to++ = l->map ? '{' : '[';
    return to;
}

static inline char *print_value(printer *s, char *to, eyot__word w)
{
    if ((w & 3) == 1) return eyot__print_int(to, eyot__int_unpack(w));
    if ((w & 3) == 2) return eyot__print_double(to, eyot__double_unpack(w));
    if ((w & 3) == 3) return print_constant(s, to, w);
    switch (eyot__node_kind(eyot__node_of(w))) {
    case EYOT__TEXT: return print_text(s, to, eyot__text_of(w), false);
    case EYOT__BYTES:
    case EYOT__EXT: return print_form(s, to, w);
    case EYOT__INT64:
    case EYOT__UINT64:
    case EYOT__DOUBLE: return print_number(s, to, w);
    default: return open_container(s, to, w);
    }
}

/* The only key of a map may look like a form and then gets one more $. */
static bool needs_dollar(const level *l, const eyot__text *key)
{
    eyot__cursor rest = l->c;
    return l->first && eyot__form_is_key(key) && !eyot__cursor_entry(&rest);
}

/* The innermost container up to its end or to a container in it. */
static inline char *print_items(printer *s, char *to)
{
    level *l = &s->levels[s->depth - 1];
    uint32_t depth = s->depth;
    while (to && s->depth == depth) {
        const eyot__word *entry = l->map ? eyot__cursor_entry(&l->c) : NULL;
        eyot__word value = entry ? entry[1] : l->map ? 0 : eyot__cursor_item(&l->c);
        to = room(s, to, ROOM);
        if (!to) break;
        if (!value) {
            *to++ = l->map ? '}' : ']';
            s->depth--;
            break;
        }
        if (!l->first) *to++ = ',';
        if (entry) {
            const eyot__text *key = eyot__text_of(entry[0]);
            to = print_text(s, to, key, key->bytes[0] == '$' && needs_dollar(l, key));
            if (!to) break;
            *to++ = ':';
            to = room(s, to, 0);
            if (!to) break;
        }
        l->first = false;
        to = print_value(s, to, value);
    }
    return to;
}

static eyot_status print(eyot__word w, eyot_buf *buf, bool *tight)
{
    printer s;
    s.buf = buf;
    s.end = NULL;
    s.begin = buf->len;
    s.status = EYOT_OK;
    s.tight = false;
    s.depth = 0;
    char *to = room_slow(&s, NULL, ROOM);
    if (to) to = print_value(&s, to, w);
    while (to && s.depth) to = print_items(&s, to);
    if (to) eyot_buf_advance(buf, (size_t)((unsigned char *)to - (buf->data + buf->len)));
    if (to && buf->len - s.begin > EYOT_JSON_MAX_BYTES) s.status = EYOT_ELIMIT;
    if (s.status) buf->len = s.begin;
    *tight = s.tight;
    return s.status;
}

/* Near the end of a limited buffer: elsewhere first, where there is room for more than is written. */
static eyot_status print_aside(eyot__word w, eyot_buf *buf)
{
    eyot_buf aside = EYOT__BUF_INIT;
    bool tight;
    aside.max = buf->max - buf->len + 8 * ROOM;
    eyot_status status = print(w, &aside, &tight);
    if (status == EYOT_ELIMIT) eyot_buf_reserve(buf, buf->max - buf->len + 1); /* a full buffer says so from now on */
    if (!status) status = eyot_buf_add(buf, aside.data, aside.len);
    eyot__buf_clear(&aside);
    return status;
}

eyot_status eyot__json_write(eyot__word w, eyot_buf *buf, eyot_error *e)
{
    bool tight = false;
    eyot_status status = buf->failed ? buf->failed : print(w, buf, &tight);
    if (status == EYOT_ELIMIT && tight) status = print_aside(w, buf);
    switch (status) {
    case EYOT_OK: return EYOT_OK;
    case EYOT_EINVAL: return eyot_error_set(e, status, "JSON has no NaN and no infinity");
    case EYOT_ELIMIT: return eyot_error_set(e, status, "the JSON text is longer than allowed");
    default: return eyot_error_set(e, status, "out of memory");
    }
}
