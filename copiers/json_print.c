/* SPDX-License-Identifier: MIT */
/* A value to JSON text, without recursion. */
#include <stdio.h>

#include "copiers/json.h"
#include "copiers/number.h"
#include "copiers/scan.h"
#include "copiers/writing.h"

typedef struct level {
    eyot__cursor c;
    bool map, first;
} level;

typedef struct printer {
    eyot__writer *out;
    bool for_people; /* numbers that JSON lacks are shown too */
    uint32_t depth;
    level levels[EYOT_VALUE_MAX_DEPTH];
} printer;

static inline char *room(printer *s, char *to, size_t n)
{
    return eyot__room(s->out, to, n);
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

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
        const char *stop = eyot__skip_unescaped(p, end);
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

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

static const char *name_of(double d)
{
    return d != d ? "NaN" : d > 0 ? "Infinity" : "-Infinity";
}

/* To people it is shown as {"$double":"NaN"}, which is read as the map that it is. */
static char *not_finite(printer *s, char *to, double d, bool single)
{
    if (!s->for_people) {
        s->out->status = EYOT_EINVAL;
        return NULL;
    }
    to = single ? put(to, "{\"$float32\":\"", 13) : put(to, "{\"$double\":\"", 12);
    to = put(to, name_of(d), strlen(name_of(d)));
    return put(to, "\"}", 2);
}

static char *print_number(printer *s, char *to, eyot__word w)
{
    eyot__num n = eyot__num_of(w);
    if (n.kind == EYOT_VALUE_INT) return eyot__print_int(to, n.i);
    if (n.kind == EYOT_VALUE_UINT) return eyot__print_uint(to, n.u);
    return n.d - n.d == 0 ? eyot__print_double(to, n.d) : not_finite(s, to, n.d, false);
}

static char *print_form(printer *s, char *to, eyot__word w)
{
    double d = eyot__num_of(w).d; /* of a float32 */
    if (d - d != 0) return not_finite(s, to, d, true);
    to = room(s, to, eyot__form_room(w));
    return to ? eyot__form_write(to, w) : NULL;
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
        to = room(s, to, EYOT__ROOM);
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

static char *print(eyot__writer *out, char *to, eyot__word w, bool for_people)
{
    printer s;
    s.out = out;
    s.for_people = for_people;
    s.depth = 0;
    to = print_value(&s, to, w);
    while (to && s.depth) to = print_items(&s, to);
    return to;
}

static char *print_exactly(eyot__writer *out, char *to, eyot__word w)
{
    return print(out, to, w, false);
}

static char *print_for_people(eyot__writer *out, char *to, eyot__word w)
{
    return print(out, to, w, true);
}

/* ---- what JSON lacks ------------------------------------------------------------------------------------------- */

static bool is_lacking(eyot__word w)
{
    eyot__num n = eyot__num_of(w);
    return (n.kind == EYOT_VALUE_DOUBLE || n.kind == EYOT_VALUE_FLOAT32) && n.d - n.d != 0;
}

/* The first number below w that is lacking; the levels lead to it. */
static eyot__word find_lacking(eyot__word w, eyot_value_iter *levels, size_t *depth)
{
    *depth = 0;
    while (!is_lacking(w)) {
        levels[(*depth)++] = eyot_value_each(eyot__value_of(w));
        while (*depth && !eyot_value_next(&levels[*depth - 1])) --*depth;
        if (!*depth) return 0;
        w = eyot__word_of(levels[*depth - 1].value);
    }
    return w;
}

/* The JSON pointer of where the levels are; what is long is cut. */
static void show_place(char *to, size_t size, const eyot_value_iter *levels, size_t depth)
{
    char *begin = to, *end = to + size - 3, index[32];
    for (size_t i = 0; i < depth && to < end; i++) {
        snprintf(index, sizeof index, "%zu", levels[i].index);
        const char *p = levels[i].key ? levels[i].key : index;
        size_t len = levels[i].key ? levels[i].key_len : strlen(index);
        *to++ = '/';
        for (size_t k = 0; k < len && to < end; k++) {
            bool escaped = p[k] == '~' || p[k] == '/';
            if (escaped) *to++ = '~';
            *to++ = escaped ? (p[k] == '~' ? '0' : '1') : (unsigned char)p[k] < 0x20 ? '?' : p[k];
        }
    }
    if (to >= end) { /* not in the middle of a character */
        while (to > begin && ((unsigned char)to[-1] & 0xc0) == 0x80) to--;
        if (to > begin && (unsigned char)to[-1] >= 0xc0) to--;
    }
    *to = 0;
}

static eyot_status tell_lacking(eyot__word w, eyot_error *e)
{
    eyot_value_iter levels[EYOT_VALUE_MAX_DEPTH + 1];
    char place[160];
    size_t depth;
    double d = eyot__num_of(find_lacking(w, levels, &depth)).d;
    show_place(place, sizeof place, levels, depth);
    return eyot_error_set(e, EYOT_EINVAL, "JSON has no %s, which is the value at \"%s\"", name_of(d), place);
}

static eyot_status told(eyot_status status, eyot__word w, eyot_error *e)
{
    switch (status) {
    case EYOT_OK: return EYOT_OK;
    case EYOT_EINVAL: return e ? tell_lacking(w, e) : status;
    case EYOT_ELIMIT: return eyot_error_set(e, status, "the JSON text is longer than allowed");
    default: return eyot_error_set(e, status, "out of memory");
    }
}

eyot_status eyot__json_write(eyot__word w, eyot_buf *buf, eyot_error *e)
{
    return told(eyot__write(w, buf, EYOT_JSON_MAX_BYTES, print_exactly), w, e);
}

eyot_status eyot__json_show(eyot__word w, eyot_buf *buf)
{
    return eyot__write(w, buf, EYOT_JSON_MAX_BYTES, print_for_people);
}
