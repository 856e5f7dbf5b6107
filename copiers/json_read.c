/* SPDX-License-Identifier: MIT */
/* JSON text to a value, in one pass and without recursion: finished values wait on a stack of words until their
 * container ends and is made of them in one piece. A container of more than 64 words is put into chunks as it grows. */
#include "copiers/json.h"

#include <stdlib.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "copiers/number.h"

#define MAX_FRAMES (EYOT_VALUE_MAX_DEPTH + 1) /* the innermost may be a map that stands for bytes and the like */
#define FIRST_WORDS 256
#define KEY_CACHE 64u

typedef struct frame {
    size_t start; /* of its words on the stack: chunks, then what is not in a chunk yet */
    uint32_t chunks;
    uint16_t bits; /* of the container so far */
    bool map;
    bool alike;            /* so far its keys are those of `like` */
    const eyot__seq *like; /* the last map on this level: the next one probably has the same keys */
    uint32_t like_at;
} frame;

typedef struct parser {
    const char *text, *end;
    eyot__word *words; /* the stack */
    size_t top, cap;
    uint32_t depth, deepest;
    eyot__arena arena;
    uint64_t secret;
    char *scratch; /* a string with escapes, undone */
    size_t scratch_cap;
    eyot_status status;
    const char *problem, *where;
    char key[80]; /* that the problem is about */
    frame frames[MAX_FRAMES];
    eyot__text *keys[KEY_CACHE];
    eyot__word first_words[FIRST_WORDS];
} parser;

/* Notes the first failure and returns NULL, which ends the parse. */
static const char *fail(parser *s, const char *where, eyot_status status, const char *problem)
{
    if (s->status) return NULL;
    s->status = status;
    s->where = where;
    s->problem = problem;
    return NULL;
}

static const char *no_memory(parser *s)
{
    return fail(s, s->end, EYOT_ENOMEM, "out of memory");
}

static const char *unexpected(parser *s, const char *p, const char *problem)
{
    return fail(s, p, EYOT_EPARSE, p == s->end ? "the text ends too early" : problem);
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

/* The first byte that is a quote, a backslash, a control byte or no ASCII. */
static inline const char *skip_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* As signed bytes, control bytes and those above 0x7f are all less than a space. */
        __m128i stop = _mm_or_si128(_mm_cmplt_epi8(x, space),
                                    _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask) return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && (unsigned char)(*p - 0x20) < 0x60 && *p != '"' && *p != '\\') p++;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits at p; -1. */
static int32_t hex_four(const parser *s, const char *p)
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
static const char *read_unicode(parser *s, const char *p, char **to)
{
    int32_t u = hex_four(s, p + 2);
    if (u < 0) return unexpected(s, p, "\\u needs four hex digits");
    const char *next = p + 6;
    if (u >= 0xd800 && u < 0xe000) {
        bool pair = u < 0xdc00 && s->end - next >= 6 && next[0] == '\\' && next[1] == 'u';
        int32_t low = pair ? hex_four(s, next + 2) : -1;
        if (low < 0xdc00 || low > 0xdfff) return unexpected(s, p, "half of a surrogate pair");
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
        next += 6;
    }
    *to = put_utf8(*to, (uint32_t)u);
    return next;
}

static const char *read_escape(parser *s, const char *p, char **to)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (s->end - p < 2) return unexpected(s, s->end, "");
    if (p[1] == 'u') return read_unicode(s, p, to);
    const char *name = p[1] ? strchr(names, p[1]) : NULL;
    if (!name) return unexpected(s, p, "no such escape");
    *(*to)++ = bytes[name - names];
    return p + 2;
}

/* What stops skip_plain: NULL on failure, p itself at a quote or a backslash, else behind a character. */
static const char *read_stop(parser *s, const char *p)
{
    if (p == s->end) return unexpected(s, p, "");
    if (*p == '"' || *p == '\\') return p;
    if ((unsigned char)*p < 0x20) return unexpected(s, p, "a control character in a string");
    size_t n = eyot__utf8_char((const unsigned char *)p, (size_t)(s->end - p));
    return n ? p + n : fail(s, p, EYOT_EPARSE, "no valid UTF-8");
}

/* Where the closing quote or a backslash is. */
static const char *read_run(parser *s, const char *p)
{
    for (;;) {
        const char *stop = skip_plain(p, s->end);
        p = read_stop(s, stop);
        if (!p || p == stop) return p;
    }
}

static bool scratch_room(parser *s, size_t used, size_t more, char **to)
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
static const char *read_escaped(parser *s, const char *start, const char *p, size_t *len)
{
    char *to;
    size_t used = (size_t)(p - start);
    if (!scratch_room(s, 0, used + 4, &to)) return no_memory(s);
    memcpy(to, start, used);
    to += used;
    while (*p == '\\') {
        p = read_escape(s, p, &to);
        const char *run = p;
        if (p) p = read_run(s, p);
        if (!p) return NULL;
        used = (size_t)(to - s->scratch);
        size_t more = (size_t)(p - run);
        if (!scratch_room(s, used, more + 4, &to)) return no_memory(s);
        memcpy(to, run, more);
        to += more;
    }
    *len = (size_t)(to - s->scratch);
    return p + 1;
}

/* A string, p behind its first quote: its bytes, in the text or in the scratch memory. */
static inline const char *read_string(parser *s, const char *p, const char **bytes, size_t *len, bool *plain)
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

static const char *read_text(parser *s, const char *p, eyot__word *out)
{
    const char *bytes;
    size_t len;
    bool plain;
    p = read_string(s, p, &bytes, &len, &plain);
    if (!p) return NULL;
    if (!len) {
        *out = EYOT__EMPTY_STRING;
        return p;
    }
    *out = (eyot__word)eyot__text_new(&s->arena, EYOT__TEXT | (plain ? EYOT__PLAIN : 0), bytes, len, 0);
    return *out ? p : no_memory(s);
}

/* ---- keys ------------------------------------------------------------------------------------------------------ */

/* Nobody but this parser knows the key yet. */
static eyot__word key_ref(eyot__text *t)
{
    uint32_t refs = atomic_load_explicit(&t->node.refs, memory_order_relaxed);
    atomic_store_explicit(&t->node.refs, refs + 1, memory_order_relaxed);
    return (eyot__word)t;
}

static eyot__word key_from(parser *s, const char *bytes, size_t len, bool plain)
{
    uint32_t hash = eyot__key_hash(bytes, len, s->secret);
    eyot__text **cached = &s->keys[hash % KEY_CACHE];
    if (*cached && (*cached)->hash == hash && eyot__text_is(*cached, bytes, len)) return key_ref(*cached);
    eyot__text *t = eyot__text_new(&s->arena, EYOT__TEXT | (plain ? EYOT__PLAIN : 0), bytes, len, hash);
    if (t) *cached = t;
    return (eyot__word)t;
}

/* The key that the last map on this level has in this place, if the text has it too. */
static eyot__text *key_guess(parser *s, frame *f, const char *p)
{
    if (!f->like || f->like_at >= f->like->count) return NULL;
    eyot__text *t = eyot__text_of(f->like->w[f->like_at]);
    f->like_at += 2;
    if (!(t->node.bits & EYOT__PLAIN) || (size_t)(s->end - p) <= t->len || p[t->len] != '"') return NULL;
    return memcmp(p, t->bytes, t->len) == 0 ? t : NULL;
}

/* A key and its colon, p before its first quote. */
static const char *read_key(parser *s, frame *f, const char *p, eyot__word *out)
{
    p = skip_space(p, s->end);
    if (p == s->end || *p != '"') return unexpected(s, p, "a key in double quotes is wanted here");
    p++;
    eyot__text *guess = key_guess(s, f, p);
    if (guess) {
        *out = key_ref(guess);
        p += guess->len + 1;
    } else {
        const char *bytes;
        size_t len;
        bool plain;
        f->alike = false;
        p = read_string(s, p, &bytes, &len, &plain);
        if (!p) return NULL;
        *out = key_from(s, bytes, len, plain);
        if (!*out) return no_memory(s);
    }
    s->words[s->top++] = *out;
    p = skip_space(p, s->end);
    if (p == s->end || *p != ':') return unexpected(s, p, "a colon is wanted after a key");
    return p + 1;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static const char *read_exponent(parser *s, const char *p, int64_t *exponent)
{
    const int64_t enough = 1000000000; /* more than any text has digits to make up for */
    bool negative = false;
    p++;
    if (p < s->end && (*p == '-' || *p == '+')) negative = *p++ == '-';
    if (p == s->end || !is_digit(*p)) return unexpected(s, p, "an exponent needs digits");
    for (; p < s->end && is_digit(*p); p++)
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

static const char *make_double(parser *s, const char *p, eyot__decimal *d, bool negative, eyot__word *out)
{
    d->exponent += d->exponent10;
    double v = eyot__decimal_to_double(d);
    if (v > 1.7976931348623157e308) return fail(s, d->digits - negative, EYOT_EPARSE, "a number beyond any double");
    *out = eyot__word_double(negative ? -v : v);
    return *out ? p : no_memory(s);
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

static const char *read_real(parser *s, const char *p, uint64_t mantissa, eyot__decimal *d, bool negative,
                             eyot__word *out)
{
    size_t whole = (size_t)(p - d->digits), fraction = 0;
    if (p < s->end && *p == '.') {
        const char *first = ++p;
        for (; p < s->end && is_digit(*p); p++) mantissa = mantissa * 10 + (uint64_t)(*p - '0');
        fraction = (size_t)(p - first);
        if (!fraction) return unexpected(s, p, "a point needs digits after it");
    }
    d->end = p;
    d->mantissa = mantissa;
    d->exponent = -(int64_t)fraction;
    if (whole + fraction > 19) many_digits(d);
    if (p < s->end && (*p | 0x20) == 'e') p = read_exponent(s, p, &d->exponent10);
    return p ? make_double(s, p, d, negative, out) : NULL;
}

static const char *read_number(parser *s, const char *p, eyot__word *out)
{
    bool negative = *p == '-';
    const char *first = p += negative;
    uint64_t u = 0;
    for (; p < s->end && is_digit(*p); p++) u = u * 10 + (uint64_t)(*p - '0');
    size_t n = (size_t)(p - first);
    if (!n) return unexpected(s, p, negative ? "a minus needs digits after it" : "a value is wanted here");
    if (n > 1 && *first == '0') return fail(s, first, EYOT_EPARSE, "a number starts with 0");
    bool real = p < s->end && (*p == '.' || (*p | 0x20) == 'e');
    if (!real && n <= 18) {
        *out = eyot__word_int(negative ? -(int64_t)u : (int64_t)u);
        return *out ? p : no_memory(s);
    }
    eyot__decimal d = {0, 0, false, first, p, 0};
    if (real) return read_real(s, p, u, &d, negative, out);
    if (long_integer(&d, negative, out)) return *out ? p : no_memory(s);
    many_digits(&d);
    return make_double(s, p, &d, negative, out);
}

/* ---- containers ------------------------------------------------------------------------------------------------ */

static bool words_grow(parser *s)
{
    size_t cap = s->cap * 2;
    eyot__word *grown = realloc(s->words == s->first_words ? NULL : s->words, cap * sizeof *grown);
    if (!grown) return false;
    if (s->words == s->first_words) memcpy(grown, s->words, s->top * sizeof *grown);
    s->words = grown;
    s->cap = cap;
    return true;
}

/* Room for a key and a value of f, of which 64 words at a time become a chunk. */
static bool frame_room(parser *s, frame *f)
{
    size_t pending = f->start + f->chunks;
    if (s->top - pending == EYOT__FLAT_WORDS) {
        eyot__word chunk = eyot__seq_from(NULL, EYOT__CHUNK, s->words + pending, EYOT__FLAT_WORDS);
        if (!chunk) return false;
        s->words[pending] = chunk;
        s->top = pending + 1;
        f->chunks++;
    }
    return s->cap - s->top >= 2 || words_grow(s);
}

static const char *open_container(parser *s, const char *p, bool map)
{
    if (s->depth >= (map ? MAX_FRAMES : EYOT_VALUE_MAX_DEPTH))
        return fail(s, p, EYOT_ELIMIT, "nested deeper than 512 levels");
    frame *f = &s->frames[s->depth++];
    if (s->depth > s->deepest) {
        s->deepest = s->depth;
        f->like = NULL;
    }
    f->start = s->top;
    f->chunks = 0;
    f->bits = EYOT__SEQ_BITS(map ? EYOT__MAP : EYOT__ARRAY);
    f->map = map;
    f->alike = f->like != NULL;
    f->like_at = 0;
    return p + 1;
}

static const char *duplicate(parser *s, const char *p, const eyot__text *key)
{
    size_t n = key->len < sizeof s->key - 1 ? key->len : sizeof s->key - 1;
    memcpy(s->key, key->bytes, n);
    s->key[n] = 0;
    return fail(s, p, EYOT_EPARSE, "the map that ends here has a key twice");
}

/* A container of several chunks. */
static const char *close_big(parser *s, frame *f, const char *p, eyot__word *out)
{
    size_t pending = f->start + f->chunks, rest = s->top - pending;
    size_t items = ((size_t)f->chunks * EYOT__FLAT_WORDS + rest) / (f->map ? 2 : 1);
    const eyot__text *key = NULL;
    if (items > EYOT_VALUE_MAX_ITEMS) return fail(s, p, EYOT_ELIMIT, "more than 16777215 items");
    if (rest) {
        eyot__word chunk = eyot__seq_from(&s->arena, EYOT__CHUNK, s->words + pending, (uint32_t)rest);
        if (!chunk) return no_memory(s);
        s->words[pending] = chunk;
        s->top = pending + 1;
        f->chunks++;
    }
    uint16_t bits = (uint16_t)((f->bits & ~EYOT__KIND_MASK) | (f->map ? EYOT__BIG_MAP : EYOT__BIG_ARRAY));
    eyot_status status = eyot__big_from(out, bits, s->words + f->start, f->chunks, &key);
    if (status == EYOT_EEXIST) return duplicate(s, p, key);
    return status ? no_memory(s) : p;
}

/* The entry of a map of one key gives way to what it stands for, if anything. */
static bool close_form(parser *s, frame *f, eyot__word *out)
{
    eyot__word *entry = s->words + f->start;
    const eyot__text *key = eyot__text_of(entry[0]);
    if (eyot__form_read(entry, out)) return false;
    if (!*out) return true;
    if (s->keys[key->hash % KEY_CACHE] == key) s->keys[key->hash % KEY_CACHE] = NULL;
    f->like = NULL;
    eyot__unref(entry[0]);
    eyot__unref(entry[1]);
    s->top = f->start;
    return true;
}

static const char *close_flat(parser *s, frame *f, const char *p, eyot__word *out)
{
    eyot__word *w = s->words + f->start;
    uint32_t n = (uint32_t)(s->top - f->start);
    *out = 0;
    if (f->map) {
        const eyot__text *twice = f->alike ? NULL : eyot__find_duplicate(w, n);
        if (twice) return duplicate(s, p, twice);
        if (n == 2 && eyot__text_of(w[0])->bytes[0] == '$' && !close_form(s, f, out)) return no_memory(s);
        if (*out) return p;
    }
    *out = eyot__seq_from(&s->arena, f->bits, w, n);
    if (!*out) return no_memory(s);
    if (f->map) f->like = eyot__seq_of(*out);
    return p;
}

/* The container that ends at p, which is not empty. */
static const char *close_container(parser *s, const char *p, eyot__word *out)
{
    frame *f = &s->frames[s->depth - 1];
    p = f->chunks ? close_big(s, f, p, out) : close_flat(s, f, p, out);
    if (!p) return NULL;
    s->top = f->start;
    s->depth--;
    if (s->depth == EYOT_VALUE_MAX_DEPTH && eyot__height(*out)) {
        eyot__unref(*out);
        *out = 0;
        return fail(s, p, EYOT_ELIMIT, "nested deeper than 512 levels");
    }
    return p + 1;
}

/* ---- the text -------------------------------------------------------------------------------------------------- */

static const char *read_literal(parser *s, const char *p, eyot__word *out)
{
    static const struct {
        const char *text;
        size_t len;
        eyot__word word;
    } literals[] = {{"true", 4, EYOT__TRUE}, {"false", 5, EYOT__FALSE}, {"null", 4, EYOT__NULL}};
    for (size_t i = 0; i < 3; i++) {
        if (*p != literals[i].text[0]) continue;
        size_t rest = (size_t)(s->end - p);
        if (rest < literals[i].len && memcmp(p, literals[i].text, rest) == 0) return unexpected(s, s->end, "");
        if (rest < literals[i].len || memcmp(p, literals[i].text, literals[i].len) != 0) break;
        *out = literals[i].word;
        return p + literals[i].len;
    }
    return fail(s, p, EYOT_EPARSE, "a value is wanted here");
}

static const char *read_scalar(parser *s, const char *p, eyot__word *out)
{
    if (p == s->end) return unexpected(s, p, "");
    if (*p == '"') return read_text(s, p + 1, out);
    if (*p == '-' || is_digit(*p)) return read_number(s, p, out);
    return read_literal(s, p, out);
}

/* Reads to the end of a whole value: a scalar, or a container that closes. *out is 0 when one has opened instead. */
static const char *read_value(parser *s, const char *p, eyot__word *out)
{
    p = skip_space(p, s->end);
    *out = 0;
    if (p == s->end || (*p != '{' && *p != '[')) return read_scalar(s, p, out);
    bool map = *p == '{';
    const char *inside = open_container(s, p, map);
    if (!inside) return NULL;
    inside = skip_space(inside, s->end);
    if (inside == s->end || *inside != (map ? '}' : ']')) return inside;
    s->depth--;
    if (s->depth == EYOT_VALUE_MAX_DEPTH) return fail(s, p, EYOT_ELIMIT, "nested deeper than 512 levels");
    *out = map ? EYOT__EMPTY_MAP : EYOT__EMPTY_ARRAY;
    return inside + 1;
}

/* After a value of the innermost container: *more, or its end. */
static const char *read_comma(parser *s, const char *p, bool *more)
{
    bool map = s->frames[s->depth - 1].map;
    p = skip_space(p, s->end);
    if (p == s->end) return unexpected(s, p, "");
    *more = *p == ',';
    if (*more) return p + 1;
    if (*p == (map ? '}' : ']')) return p;
    return fail(s, p, EYOT_EPARSE, map ? "a comma or } is wanted here" : "a comma or ] is wanted here");
}

/* Puts a finished value into the innermost container, and that, if it ends here, into its own, and so on. *w is the
 * whole document when no container is left. */
static const char *place(parser *s, const char *p, eyot__word *w)
{
    while (s->depth && *w) {
        frame *f = &s->frames[s->depth - 1];
        s->words[s->top++] = *w;
        if ((*w & 3) == 0 || (*w & 7) == 7) f->bits = eyot__bits_with(f->bits, *w);
        *w = 0;
        bool more = false;
        p = read_comma(s, p, &more);
        if (p && !more) p = close_container(s, p, w);
        if (!p) return NULL;
    }
    return p;
}

static const char *read_document(parser *s, eyot__word *out)
{
    const char *p = s->text;
    do {
        if (s->depth) {
            frame *f = &s->frames[s->depth - 1];
            eyot__word key;
            if (!frame_room(s, f)) return no_memory(s);
            if (f->map) p = read_key(s, f, p, &key);
        }
        if (p) p = read_value(s, p, out);
        if (p) p = place(s, p, out);
    } while (p && s->depth);
    if (p) p = skip_space(p, s->end);
    if (p && p != s->end) p = fail(s, p, EYOT_EPARSE, "something follows the value");
    return p;
}

/* Line and column, in bytes from 1, are found only when they are needed. */
static eyot_status report(const parser *s, eyot_error *e)
{
    size_t line = 1, column = 1;
    if (s->status == EYOT_ENOMEM) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (const char *p = s->text; p < s->where; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return eyot_error_set(e, s->status, "line %zu, column %zu: %s%s%s%s", line, column, s->problem,
                          s->key[0] ? ": \"" : "", s->key, s->key[0] ? "\"" : "");
}

eyot_status eyot__json_read(eyot__word *out, const char *text, size_t len, eyot_error *e)
{
    parser s;
    *out = 0;
    if (len > EYOT_JSON_MAX_BYTES)
        return eyot_error_set(e, EYOT_ELIMIT, "the JSON text has %zu bytes, more than %d", len, EYOT_JSON_MAX_BYTES);
    s.text = text;
    s.end = text + len;
    s.words = s.first_words;
    s.cap = FIRST_WORDS;
    s.top = s.depth = s.deepest = 0;
    s.arena = (eyot__arena){NULL, NULL, NULL, 2 * len < 256 ? 256 : 2 * len};
    s.secret = eyot__key_secret();
    s.scratch = NULL;
    s.scratch_cap = 0;
    s.status = EYOT_OK;
    s.key[0] = 0;
    memset(s.keys, 0, sizeof s.keys);
    if (!read_document(&s, out)) {
        eyot__unref(*out);
        *out = 0;
        while (s.top) eyot__unref(s.words[--s.top]);
        report(&s, e);
    }
    eyot__arena_close(&s.arena);
    if (s.words != s.first_words) free(s.words);
    free(s.scratch);
    return s.status;
}
