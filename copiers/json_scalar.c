/* SPDX-License-Identifier: MIT */
/* Strings and numbers of any kind, off the fast path of json_read.c. */
#include <stdlib.h>

#include "copiers/json_reader.h"
#include "copiers/number.h"

typedef eyot__json_reader reader;

const char *eyot__json_fail(reader *s, const char *where, eyot_status status, const char *problem)
{
    if (s->status) return NULL;
    s->status = status;
    s->where = where;
    s->problem = problem;
    return NULL;
}

const char *eyot__json_no_memory(reader *s)
{
    return eyot__json_fail(s, s->end, EYOT_ENOMEM, "out of memory");
}

const char *eyot__json_unexpected(reader *s, const char *p, const char *problem)
{
    return eyot__json_fail(s, p, EYOT_EPARSE, p == s->end ? "the text ends too early" : problem);
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p; -1. */
static int32_t hex_four(const reader *s, const char *p)
{
    int32_t u = 0;
    if (s->end - p < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) return -1;
        u = u * 16 + digit;
    }
    return u;
}

static char *put_utf8(char *to, uint32_t u)
{
    if (u < 0x80) {
        *to++ = (char)u;
    } else if (u < 0x800) {
        *to++ = (char)(0xc0 | u >> 6);
        *to++ = (char)(0x80 | (u & 0x3f));
    } else if (u < 0x10000) {
        *to++ = (char)(0xe0 | u >> 12);
        *to++ = (char)(0x80 | (u >> 6 & 0x3f));
        *to++ = (char)(0x80 | (u & 0x3f));
    } else {
        *to++ = (char)(0xf0 | u >> 18);
        *to++ = (char)(0x80 | (u >> 12 & 0x3f));
        *to++ = (char)(0x80 | (u >> 6 & 0x3f));
        *to++ = (char)(0x80 | (u & 0x3f));
    }
    return to;
}

/* The \uXXXX at p, with its second half if it is a surrogate. */
static const char *read_unicode(reader *s, const char *p, char **to)
{
    int32_t u = hex_four(s, p + 2);
    if (u < 0) return eyot__json_unexpected(s, p, "\\u needs four hex digits");
    const char *next = p + 6;
    if (u >= 0xd800 && u < 0xe000) {
        bool pair = u < 0xdc00 && s->end - next >= 6 && next[0] == '\\' && next[1] == 'u';
        int32_t low = pair ? hex_four(s, next + 2) : -1;
        if (low < 0xdc00 || low > 0xdfff) return eyot__json_unexpected(s, p, "half of a surrogate pair");
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
        next += 6;
    }
    *to = put_utf8(*to, (uint32_t)u);
    return next;
}

static const char *read_escape(reader *s, const char *p, char **to)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (s->end - p < 2) return eyot__json_unexpected(s, s->end, "");
    if (p[1] == 'u') return read_unicode(s, p, to);
    const char *name = p[1] ? strchr(names, p[1]) : NULL;
    if (!name) return eyot__json_unexpected(s, p, "no such escape");
    *(*to)++ = bytes[name - names];
    return p + 2;
}

/* What stops eyot__skip_plain: NULL on failure, p itself at a quote or a backslash, else behind a character. */
static const char *read_stop(reader *s, const char *p)
{
    if (p == s->end) return eyot__json_unexpected(s, p, "");
    if (*p == '"' || *p == '\\') return p;
    if ((unsigned char)*p < 0x20) return eyot__json_unexpected(s, p, "a control character in a string");
    size_t n = eyot__utf8_char((const unsigned char *)p, (size_t)(s->end - p));
    return n ? p + n : eyot__json_fail(s, p, EYOT_EPARSE, "no valid UTF-8");
}

/* Where the closing quote or a backslash is. */
static const char *read_run(reader *s, const char *p)
{
    for (;;) {
        const char *stop = eyot__skip_plain(p, s->end);
        p = read_stop(s, stop);
        if (!p || p == stop) return p;
    }
}

static bool scratch_room(reader *s, size_t used, size_t more, char **to)
{
    if (s->scratch_cap - used < more) {
        size_t cap = s->scratch_cap < 128 ? 128 : s->scratch_cap;
        while (cap < used + more) cap *= 2;
        char *grown = realloc(s->scratch, cap);
        if (!grown) return false;
        s->scratch = grown;
        s->scratch_cap = cap;
    }
    *to = s->scratch + used;
    return true;
}

/* A string from its first backslash on. */
static const char *read_escaped(reader *s, const char *start, const char *p, size_t *len)
{
    char *to;
    size_t used = (size_t)(p - start);
    if (!scratch_room(s, 0, used + 4, &to)) return eyot__json_no_memory(s);
    memcpy(to, start, used);
    to += used;
    while (*p == '\\') {
        p = read_escape(s, p, &to);
        const char *run = p;
        if (p) p = read_run(s, p);
        if (!p) return NULL;
        used = (size_t)(to - s->scratch);
        size_t more = (size_t)(p - run);
        if (!scratch_room(s, used, more + 4, &to)) return eyot__json_no_memory(s);
        memcpy(to, run, more);
        to += more;
    }
    *len = (size_t)(to - s->scratch);
    return p + 1;
}

const char *eyot__json_string(reader *s, const char *p, const char **bytes, size_t *len, bool *plain)
{
    const char *start = p;
    p = read_run(s, p);
    if (!p) return NULL;
    *plain = *p == '"';
    *bytes = start;
    *len = (size_t)(p - start);
    if (*plain) return p + 1;
    p = read_escaped(s, start, p, len);
    *bytes = s->scratch;
    return p;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static const char *read_exponent(reader *s, const char *p, int64_t *exponent)
{
    const int64_t enough = 1000000000; /* more than any text has digits to make up for */
    bool negative = false;
    p++;
    if (p < s->end && (*p == '-' || *p == '+')) negative = *p++ == '-';
    if (p == s->end || !eyot__json_is_digit(*p)) return eyot__json_unexpected(s, p, "an exponent needs digits");
    for (; p < s->end && eyot__json_is_digit(*p); p++)
        if (*exponent < enough) *exponent = *exponent * 10 + (*p - '0');
    if (negative) *exponent = -*exponent;
    return p;
}

/* The first 19 digits that count, of a number that has more digits. */
static void many_digits(eyot__decimal *d)
{
    int kept = 0;
    bool point = false;
    d->mantissa = 0;
    d->exponent = 0;
    for (const char *p = d->digits; p < d->end; p++) {
        if (*p == '.') {
            point = true;
        } else if (kept < 19) {
            d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
            kept += d->mantissa != 0;
            d->exponent -= point;
        } else {
            d->more |= *p != '0';
            d->exponent += !point;
        }
    }
}

static const char *make_double(reader *s, const char *p, eyot__decimal *d, bool negative, eyot__word *out)
{
    double v;
    d->exponent += d->exponent10;
    if (d->more || !eyot__small_double(d->mantissa, d->exponent, &v)) v = eyot__decimal_to_double(d);
    if (v > 1.7976931348623157e308)
        return eyot__json_fail(s, d->digits - negative, EYOT_EPARSE, "a number beyond any double");
    *out = eyot__word_double(negative ? -v : v);
    return *out ? p : eyot__json_no_memory(s);
}

/* An integer of 19 or more digits, exact if it fits. */
static bool long_integer(const eyot__decimal *d, bool negative, eyot__word *out)
{
    uint64_t u = 0;
    for (const char *p = d->digits; p < d->end; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (u > (UINT64_MAX - digit) / 10) return false;
        u = u * 10 + digit;
    }
    if (negative && u > (uint64_t)1 << 63) return false;
    *out = !negative ? eyot__word_uint(u) : eyot__word_int(u > INT64_MAX ? INT64_MIN : -(int64_t)u);
    return true;
}

static const char *read_real(reader *s, const char *p, uint64_t mantissa, eyot__decimal *d, bool negative,
                             eyot__word *out)
{
    size_t whole = (size_t)(p - d->digits), fraction = 0;
    if (p < s->end && *p == '.') {
        const char *first = ++p;
        for (; p < s->end && eyot__json_is_digit(*p); p++) mantissa = mantissa * 10 + (uint64_t)(*p - '0');
        fraction = (size_t)(p - first);
        if (!fraction) return eyot__json_unexpected(s, p, "a point needs digits after it");
    }
    d->end = p;
    d->mantissa = mantissa;
    d->exponent = -(int64_t)fraction;
    if (whole + fraction > 19) many_digits(d);
    if (p < s->end && (*p | 0x20) == 'e') p = read_exponent(s, p, &d->exponent10);
    return p ? make_double(s, p, d, negative, out) : NULL;
}

const char *eyot__json_number(reader *s, const char *p, eyot__word *out)
{
    bool negative = *p == '-';
    const char *first = p += negative;
    uint64_t u = 0;
    for (; p < s->end && eyot__json_is_digit(*p); p++) u = u * 10 + (uint64_t)(*p - '0');
    size_t n = (size_t)(p - first);
    if (!n) return eyot__json_unexpected(s, p, negative ? "a minus needs digits after it" : "a value is wanted here");
    if (n > 1 && *first == '0') return eyot__json_fail(s, first, EYOT_EPARSE, "a number starts with 0");
    bool real = p < s->end && (*p == '.' || (*p | 0x20) == 'e');
    if (!real && n <= 18) {
        *out = eyot__word_int(negative ? -(int64_t)u : (int64_t)u);
        return *out ? p : eyot__json_no_memory(s);
    }
    eyot__decimal d = {0, 0, false, first, p, 0};
    if (real) return read_real(s, p, u, &d, negative, out);
    if (long_integer(&d, negative, out)) return *out ? p : eyot__json_no_memory(s);
    many_digits(&d);
    return make_double(s, p, &d, negative, out);
}
