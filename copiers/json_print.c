/* SPDX-License-Identifier: MIT */
/* A value to JSON text, without recursion. Bytes are written straight into the buffer; `at` runs ahead of its length. */
#include "copiers/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "copiers/number.h"
#include "core/buf.h"

typedef struct level {
    eyot__cursor c;
    bool map, first;
} level;

typedef struct printer {
    eyot_buf *buf;
    char *at, *end;
    size_t begin; /* of the text in the buffer */
    eyot_status status;
    uint32_t depth;
    level levels[EYOT_VALUE_MAX_DEPTH];
} printer;

/* Room for n more bytes; false: the printer has failed. */
static bool room_slow(printer *s, size_t n)
{
    eyot_buf *b = s->buf;
    if (s->at) eyot_buf_advance(b, (size_t)((unsigned char *)s->at - (b->data + b->len)));
    if (b->len - s->begin > EYOT_JSON_MAX_BYTES)
        s->status = EYOT_ELIMIT;
    else if (!eyot_buf_reserve(b, n))
        s->status = b->failed;
    if (s->status) return false;
    s->at = (char *)b->data + b->len;
    s->end = (char *)b->data + b->cap;
    return true;
}

static inline bool room(printer *s, size_t n)
{
    return (size_t)(s->end - s->at) >= n || room_slow(s, n);
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
static bool print_escaped(printer *s, const char *p, size_t len)
{
    const char *end = p + len;
    while (p < end) {
        const char *stop = skip_plain(p, end);
        size_t n = (size_t)(stop - p);
        if (!room(s, n + 8)) return false;
        memcpy(s->at, p, n);
        s->at += n;
        p = stop;
        if (p < end) s->at = put_escape(s->at, (unsigned char)*p++);
    }
    return true;
}

/* A string in quotes, after `dollar` ($ or nothing). */
static bool print_text(printer *s, const eyot__text *t, bool dollar)
{
    if (!room(s, (size_t)t->len + 8)) return false;
    *s->at++ = '"';
    if (dollar) *s->at++ = '$';
    if (t->node.bits & EYOT__PLAIN) {
        memcpy(s->at, t->bytes, t->len);
        s->at += t->len;
    } else if (!print_escaped(s, t->bytes, t->len) || !room(s, 8)) {
        return false;
    }
    *s->at++ = '"';
    return true;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static bool print_literal(printer *s, const char *text, size_t len)
{
    if (!room(s, 8)) return false;
    memcpy(s->at, text, len);
    s->at += len;
    return true;
}

static bool print_number(printer *s, eyot__word w)
{
    eyot__num n = eyot__num_of(w);
    if (!room(s, EYOT__NUMBER_MAX)) return false;
    if (n.kind == EYOT_VALUE_INT) {
        s->at = eyot__print_int(s->at, n.i);
    } else if (n.kind == EYOT_VALUE_UINT) {
        s->at = eyot__print_uint(s->at, n.u);
    } else if (n.d - n.d == 0) { /* finite */
        s->at = eyot__print_double(s->at, n.d);
    } else {
        s->status = EYOT_EINVAL;
    }
    return !s->status;
}

static bool print_form(printer *s, eyot__word w)
{
    double d = eyot__num_of(w).d; /* of a float32 */
    if (d - d != 0) s->status = EYOT_EINVAL;
    if (s->status || !room(s, eyot__form_room(w))) return false;
    s->at = eyot__form_write(s->at, w);
    return true;
}

static bool print_constant(printer *s, eyot__word w)
{
    switch (w) {
    case EYOT__NULL: return print_literal(s, "null", 4);
    case EYOT__FALSE: return print_literal(s, "false", 5);
    case EYOT__TRUE: return print_literal(s, "true", 4);
    case EYOT__EMPTY_STRING: return print_literal(s, "\"\"", 2);
    case EYOT__EMPTY_ARRAY: return print_literal(s, "[]", 2);
    case EYOT__EMPTY_MAP: return print_literal(s, "{}", 2);
    case EYOT__ZERO:
    case EYOT__NEGATIVE_ZERO: return print_number(s, w);
    default: return print_form(s, w); /* empty bytes, a removal, a float32 */
    }
}

static bool open_container(printer *s, eyot__word w)
{
    assert(s->depth < EYOT_VALUE_MAX_DEPTH);
    level *l = &s->levels[s->depth++];
    l->c = eyot__cursor_of(w);
    l->map = eyot__is_map(w);
    l->first = true;
    if (!room(s, 8)) return false;
    *s->at++ = l->map ? '{' : '[';
    return true;
}

static bool print_value(printer *s, eyot__word w)
{
    switch (w & 3) {
    case 1:
    case 2: return print_number(s, w);
    case 3: return print_constant(s, w);
    default: break;
    }
    switch (eyot__node_kind(eyot__node_of(w))) {
    case EYOT__TEXT: return print_text(s, eyot__text_of(w), false);
    case EYOT__BYTES:
    case EYOT__EXT: return print_form(s, w);
    case EYOT__INT64:
    case EYOT__UINT64:
    case EYOT__DOUBLE: return print_number(s, w);
    default: return open_container(s, w);
    }
}

/* A key with its colon. The only key of a map may look like a form and then gets one more $. */
static bool print_key(printer *s, const level *l, const eyot__word *entry)
{
    const eyot__text *key = eyot__text_of(entry[0]);
    bool dollar = false;
    if (key->len && key->bytes[0] == '$' && l->first && eyot__form_is_key(key)) {
        eyot__cursor rest = l->c;
        dollar = !eyot__cursor_entry(&rest);
    }
    if (!print_text(s, key, dollar)) return false;
    *s->at++ = ':'; /* print_text leaves room */
    return true;
}

/* What comes next in the innermost container: its next value, or 0 and its end. */
static bool print_step(printer *s, eyot__word *next)
{
    level *l = &s->levels[s->depth - 1];
    const eyot__word *entry = NULL;
    if (l->map) {
        entry = eyot__cursor_entry(&l->c);
        *next = entry ? entry[1] : 0;
    } else {
        *next = eyot__cursor_item(&l->c);
    }
    if (!room(s, 8)) return false;
    if (!*next) {
        *s->at++ = l->map ? '}' : ']';
        s->depth--;
        return true;
    }
    if (!l->first) *s->at++ = ',';
    bool fine = !entry || print_key(s, l, entry);
    l->first = false;
    return fine;
}

eyot_status eyot__json_write(eyot__word w, eyot_buf *buf, eyot_error *e)
{
    printer s;
    s.buf = buf;
    s.at = s.end = NULL;
    s.begin = buf->len;
    s.status = EYOT_OK;
    s.depth = 0;
    bool fine = room_slow(&s, 64) && print_value(&s, w);
    while (fine && s.depth) {
        fine = print_step(&s, &w);
        if (fine && w) fine = print_value(&s, w);
    }
    if (fine) room_slow(&s, 0);
    switch (s.status) {
    case EYOT_OK: return EYOT_OK;
    case EYOT_EINVAL: eyot_error_set(e, s.status, "JSON has no NaN and no infinity"); break;
    case EYOT_ELIMIT: eyot_error_set(e, s.status, "the JSON text is longer than allowed"); break;
    default: eyot_error_set(e, s.status, "out of memory"); break;
    }
    buf->len = s.begin;
    return s.status;
}
