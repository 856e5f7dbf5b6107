/* SPDX-License-Identifier: MIT */
/* JSON text to a value, in one pass and without recursion: finished values wait on a stack of words until their
 * container ends and is made of them in one piece. A container of more than 64 words is put into chunks as it grows.
 * What is frequent is done here: short plain strings, keys that the map before had too, numbers of up to 18 digits. */
#include <stdlib.h>

#include "copiers/json_reader.h"
#include "copiers/number.h"

typedef eyot__json_reader reader;
typedef eyot__json_frame frame;

static const char too_deep[] = "nested deeper than 512 levels";

/* Here nothing but the end of a container is followed by a check for the end of the text: its last byte is a bracket,
 * or a NUL stands behind it (reader_init). Neither is part of a number, a literal or white space. */
static inline const char *skip_space(const char *p)
{
    if ((unsigned char)*p > ' ') return p;
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') p++;
    return p;
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

/* Length of the string at p when it is plain ASCII of less than 32 bytes and can be read 32 bytes at a time; else
 * SIZE_MAX. */
static inline size_t short_length(const reader *s, const char *p)
{
    if (s->end - p < 32) return SIZE_MAX;
    uint32_t stops = eyot__plain_stops(p);
    if (!stops) return SIZE_MAX;
    size_t n = (size_t)__builtin_ctz(stops);
    return p[n] == '"' ? n : SIZE_MAX;
}

static const char *long_text(reader *s, const char *p, eyot__word *out)
{
    const char *bytes;
    size_t len;
    bool plain;
    p = eyot__json_string(s, p, &bytes, &len, &plain);
    if (!p) return NULL;
    *out = EYOT__EMPTY_STRING;
    if (len) *out = (eyot__word)eyot__text_new(&s->arena, EYOT__TEXT | (plain ? EYOT__PLAIN : 0), bytes, len, 0);
    return *out ? p : eyot__json_no_memory(s);
}

/* A string, p behind its first quote. */
static inline const char *read_text(reader *s, const char *p, eyot__word *out)
{
    size_t len = short_length(s, p);
    if (len == SIZE_MAX) return long_text(s, p, out);
    *out = len ? (eyot__word)eyot__text_short(&s->arena, p, len, 0) : EYOT__EMPTY_STRING;
    return *out ? p + len + 1 : eyot__json_no_memory(s);
}

/* ---- keys ------------------------------------------------------------------------------------------------------ */

/* Does the text go on with the key and its quote? */
static inline bool goes_on_with(const reader *s, const char *p, const eyot__text *t)
{
    size_t len = t->len;
    if ((size_t)(s->end - p) < len + 8)
        return (size_t)(s->end - p) > len && p[len] == '"' && memcmp(p, t->bytes, len) == 0;
    return p[len] == '"' && eyot__text_starts(p, t);
}

__attribute__((noinline)) static const char *new_key(reader *s, frame *f, const char *p, eyot__word *out)
{
    const char *bytes = p;
    size_t len = short_length(s, p);
    bool plain = true;
    f->alike = false;
    if (len != SIZE_MAX)
        p += len + 1;
    else
        p = eyot__json_string(s, p, &bytes, &len, &plain);
    if (!p) return NULL;
    *out = eyot__key_from(&s->keys, &s->arena, bytes, len, plain, s->end - bytes >= 32);
    return *out ? p : eyot__json_no_memory(s);
}

/* A key and its colon, p before its first quote. */
static inline const char *read_key(reader *s, frame *f, const char *p, eyot__word *out)
{
    p = skip_space(p);
    if (*p != '"') return eyot__json_unexpected(s, p, "a key in double quotes is wanted here");
    p++;
    eyot__text *guess = NULL;
    if (f->guess != f->last_guess) {
        guess = eyot__text_of(*f->guess);
        f->guess += 2;
        if (!(guess->node.bits & EYOT__PLAIN) || !goes_on_with(s, p, guess)) guess = NULL;
    }
    if (guess) {
        *out = eyot__key_ref(guess);
        p += guess->len + 1;
    } else {
        p = new_key(s, f, p, out);
        if (!p) return NULL;
    }
    p = skip_space(p);
    if (*p != ':') {
        eyot__unref(*out); /* it may be in the cache, which is not used any more */
        return eyot__json_unexpected(s, p, "a colon is wanted after a key");
    }
    return p + 1;
}

/* ---- other scalars --------------------------------------------------------------------------------------------- */

/* Reads the digits at *p into *u and returns how many they are. */
static inline size_t read_digits(const char **p, uint64_t *u)
{
    const char *first = *p;
    for (; eyot__json_is_digit(**p); ++*p) *u = *u * 10 + (uint64_t)(**p - '0');
    return (size_t)(*p - first);
}

/* Up to 18 digits fit a word: they are an integer, or with a point or a short exponent mostly a double that is quickly
 * found. All else, and what is no number, is left to eyot__json_number. */
static inline const char *read_number(reader *s, const char *p, eyot__word *out)
{
    const char *start = p;
    bool negative = *p == '-';
    uint64_t u = 0, power = 0;
    double d;
    p += negative;
    const char *first = p;
    size_t digits = read_digits(&p, &u), fraction = 0, power_digits = 0;
    bool fine = digits && (*first != '0' || digits == 1), negative_power = false;
    if (fine && *p != '.' && (*p | 0x20) != 'e' && digits <= 18) {
        *out = eyot__int_pack(negative ? -(int64_t)u : (int64_t)u);
        return p;
    }
    if (*p == '.') {
        p++;
        fraction = read_digits(&p, &u);
        fine = fine && fraction;
    }
    if ((*p | 0x20) == 'e') {
        p++;
        negative_power = *p == '-';
        p += *p == '-' || *p == '+';
        power_digits = read_digits(&p, &power);
        fine = fine && power_digits && power_digits <= 4;
    }
    if (!fine || digits + fraction > 18 || fraction + power_digits == 0) return eyot__json_number(s, start, out);
    int64_t exponent = (negative_power ? -(int64_t)power : (int64_t)power) - (int64_t)fraction;
    if (!eyot__small_double(u, exponent, &d) && !eyot__quick_double(u, exponent, &d))
        return eyot__json_number(s, start, out);
    *out = eyot__word_double(negative ? -d : d);
    return *out ? p : eyot__json_no_memory(s);
}

/* A literal at the end of the text, or something that is none. */
static const char *no_literal(reader *s, const char *p, eyot__word *out)
{
    static const struct {
        const char *text;
        size_t len;
        eyot__word word;
    } literals[] = {{"true", 4, EYOT__TRUE}, {"false", 5, EYOT__FALSE}, {"null", 4, EYOT__NULL}};
    const size_t i = *p == 't' ? 0 : *p == 'f' ? 1 : 2, rest = (size_t)(s->end - p);
    const size_t n = rest < literals[i].len ? rest : literals[i].len;
    if (!rest || memcmp(p, literals[i].text, n) != 0) return eyot__json_unexpected(s, p, "a value is wanted here");
    if (n < literals[i].len) return eyot__json_unexpected(s, s->end, "");
    *out = literals[i].word;
    return p + n;
}

static inline const char *read_literal(reader *s, const char *p, eyot__word *out)
{
    bool long_enough = s->end - p >= 5;
    if (long_enough && memcmp(p, "true", 4) == 0) {
        *out = EYOT__TRUE;
        return p + 4;
    }
    if (long_enough && memcmp(p, "null", 4) == 0) {
        *out = EYOT__NULL;
        return p + 4;
    }
    if (long_enough && memcmp(p, "false", 5) == 0) {
        *out = EYOT__FALSE;
        return p + 5;
    }
    return no_literal(s, p, out);
}

static inline const char *read_scalar(reader *s, const char *p, eyot__word *out)
{
    if (*p == '"') return read_text(s, p + 1, out);
    if (*p == '-' || eyot__json_is_digit(*p)) return read_number(s, p, out);
    return read_literal(s, p, out);
}

/* ---- containers ------------------------------------------------------------------------------------------------ */

static bool words_grow(reader *s)
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
static bool make_room(reader *s, frame *f)
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

/* Where make_room is to be called next. */
static inline eyot__word *room_end(const reader *s, const frame *f)
{
    size_t full = f->start + f->chunks + EYOT__FLAT_WORDS;
    return s->words + (full < s->cap - 1 ? full : s->cap - 1);
}

/* The frame of the container that opens inside f, NULL when that is too deep. */
static inline frame *open_frame(reader *s, frame *f, bool map, size_t top)
{
    size_t depth = (size_t)(f - s->frames) + 1; /* its own */
    if (depth > EYOT_VALUE_MAX_DEPTH + (map ? 1u : 0u)) return NULL;
    f++;
    if (f > s->deepest) {
        s->deepest = f;
        f->like = NULL;
    }
    f->start = top;
    f->chunks = 0;
    f->bits = EYOT__SEQ_BITS(map ? EYOT__MAP : EYOT__ARRAY);
    f->close = map ? '}' : ']';
    f->guess = f->last_guess = NULL;
    f->alike = map && f->like;
    if (f->alike) {
        f->guess = f->like->w;
        f->last_guess = f->guess + f->like->count;
    }
    return f;
}

static const char *duplicate(reader *s, const char *p, const eyot__text *key)
{
    eyot__key_show(s->key, sizeof s->key, key);
    return eyot__json_fail(s, p, EYOT_EPARSE, "the map that ends here has a key twice");
}

/* A container of several chunks. */
static const char *close_big(reader *s, frame *f, const char *p, eyot__word *out)
{
    size_t pending = f->start + f->chunks, rest = s->top - pending;
    bool map = f->close == '}';
    size_t items = ((size_t)f->chunks * EYOT__FLAT_WORDS + rest) / (map ? 2 : 1);
    const eyot__text *key = NULL;
    if (items > EYOT_VALUE_MAX_ITEMS) return eyot__json_fail(s, p, EYOT_ELIMIT, "more than 16777215 items");
    if (rest) {
        eyot__word chunk = eyot__seq_from(&s->arena, EYOT__CHUNK, s->words + pending, (uint32_t)rest);
        if (!chunk) return eyot__json_no_memory(s);
        s->words[pending] = chunk;
        s->top = pending + 1;
        f->chunks++;
    }
    uint16_t bits = (uint16_t)((f->bits & ~EYOT__KIND_MASK) | (map ? EYOT__BIG_MAP : EYOT__BIG_ARRAY));
    eyot_status status = eyot__big_from(out, bits, s->words + f->start, f->chunks, &key);
    if (status == EYOT_EEXIST) return duplicate(s, p, key);
    return status ? eyot__json_no_memory(s) : p;
}

/* The entry of a map of one key gives way to what it stands for, if anything. */
static bool close_form(reader *s, frame *f, eyot__word *out)
{
    eyot__word *entry = s->words + f->start;
    const eyot__text *key = eyot__text_of(entry[0]);
    eyot__text **cached = &s->keys.made[key->hash % EYOT__KEYS];
    if (eyot__form_read(entry, out)) return false;
    if (!*out) return true;
    if (*cached == key) *cached = NULL;
    f->like = NULL;
    eyot__unref(entry[0]);
    eyot__unref(entry[1]);
    s->top = f->start;
    return true;
}

/* The container of f ends at p and is not empty; its words end at s->top. */
static const char *close_slow(reader *s, frame *f, const char *p, eyot__word *out)
{
    eyot__word *w = s->words + f->start;
    *out = 0;
    if (f->chunks) {
        p = close_big(s, f, p, out);
    } else {
        uint32_t n = (uint32_t)(s->top - f->start);
        const eyot__text *twice = f->close == '}' && !f->alike ? eyot__find_duplicate(w, n) : NULL;
        if (twice) return duplicate(s, p, twice);
        bool form = f->close == '}' && n == 2 && eyot__text_of(w[0])->bytes[0] == '$';
        if (form && !close_form(s, f, out)) return eyot__json_no_memory(s);
        if (!*out) *out = eyot__seq_from(&s->arena, f->bits, w, n);
        if (!*out) return eyot__json_no_memory(s);
        if (f->close == '}' && eyot__is_kind(*out, EYOT__MAP)) f->like = eyot__seq_of(*out);
    }
    if (p) s->top = f->start;
    if (p && f - s->frames > EYOT_VALUE_MAX_DEPTH && eyot__height(*out)) {
        eyot__unref(*out);
        *out = 0;
        return eyot__json_fail(s, p, EYOT_ELIMIT, too_deep);
    }
    return p;
}

/* ---- the text -------------------------------------------------------------------------------------------------- */

/* A container opens at p. When it is empty *out is it; else *f is now its frame. */
static inline const char *read_open(reader *s, frame **f, const char *p, size_t top, eyot__word *out)
{
    bool map = *p == '{';
    frame *inner = open_frame(s, *f, map, top);
    if (!inner) return eyot__json_fail(s, p, EYOT_ELIMIT, too_deep);
    const char *inside = skip_space(p + 1);
    if (*inside != inner->close) {
        *f = inner;
        return inside;
    }
    if (inner - s->frames > EYOT_VALUE_MAX_DEPTH) return eyot__json_fail(s, p, EYOT_ELIMIT, too_deep);
    *out = map ? EYOT__EMPTY_MAP : EYOT__EMPTY_ARRAY;
    (*f)->bits = eyot__bits_with((*f)->bits, *out);
    return inside + 1;
}

static const char *comma_wanted(reader *s, const frame *f, const char *p)
{
    return eyot__json_unexpected(s, p, f->close == '}' ? "a comma or } is wanted here" : "a comma or ] is wanted here");
}

/* Reads items and puts them into their containers until the outermost ends. */
static const char *read_document(reader *s, eyot__word *out)
{
    frame *f = s->frames;
    eyot__word *top = s->words, *full = room_end(s, f), w;
    const char *p = s->text;
    for (;;) {
        if (top >= full) {
            s->top = (size_t)(top - s->words);
            if (!make_room(s, f)) p = eyot__json_no_memory(s);
            top = s->words + s->top;
            full = room_end(s, f);
            if (!p) break;
        }
        if (f->close == '}') {
            p = read_key(s, f, p, top);
            if (!p) break;
            top++;
        }
        p = skip_space(p);
        w = 0;
        if (p < s->end && (*p == '{' || *p == '['))
            p = read_open(s, &f, p, (size_t)(top - s->words), &w);
        else
            p = read_scalar(s, p, &w);
        if (!p) break;
        if (!w) {
            full = room_end(s, f);
            continue;
        }
        while (w && f != s->frames) {
            *top++ = w;
            w = 0;
            if (p != s->end) p = skip_space(p);
            if (p != s->end && *p == ',') {
                p++;
            } else if (p != s->end && *p == f->close) {
                s->top = (size_t)(top - s->words);
                p = close_slow(s, f, p, &w);
                top = s->words + s->top;
                if (!p) break;
                p++;
                f--;
                f->bits = eyot__bits_with(f->bits, w);
                full = room_end(s, f);
            } else {
                p = comma_wanted(s, f, p);
                break;
            }
        }
        if (!p || w) break;
    }
    s->top = (size_t)(top - s->words);
    *out = p ? w : 0;
    if (p && p != s->end) p = skip_space(p);
    return p && p != s->end ? eyot__json_fail(s, p, EYOT_EPARSE, "something follows the value") : p;
}

/* Line and column, in bytes from 1, are found only when they are needed. */
static eyot_status report(const reader *s, eyot_error *e)
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

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Whatever does not end with a bracket (a scalar, or no JSON at all) is copied, to get a NUL behind it. */
static bool reader_init(reader *s, const char *text, size_t len)
{
    while (len && is_space(text[len - 1])) len--;
    bool copy = !len || (text[len - 1] != '}' && text[len - 1] != ']');
    s->copy = copy ? malloc(len + 1) : NULL;
    if (copy && !s->copy) return false;
    if (copy && len) memcpy(s->copy, text, len);
    if (copy) s->copy[len] = 0;
    s->text = copy ? s->copy : text;
    s->end = s->text + len;
    s->words = s->first_words;
    s->cap = EYOT__JSON_FIRST_WORDS;
    s->top = 0;
    s->frames[0] = (frame){0, 0, 0, 0, false, NULL, NULL, NULL};
    s->deepest = s->frames;
    s->arena = (eyot__arena){NULL, NULL, NULL, 2 * len < 256 ? 256 : 2 * len, 0};
    s->scratch = NULL;
    s->scratch_cap = 0;
    s->status = EYOT_OK;
    s->key[0] = 0;
    memset(s->keys.made, 0, sizeof s->keys.made);
    s->keys.secret = eyot__key_secret();
    return true;
}

eyot_status eyot__json_read(eyot__word *out, const char *text, size_t len, eyot_error *e)
{
    reader s;
    *out = 0;
    if (len > EYOT_JSON_MAX_BYTES)
        return eyot_error_set(e, EYOT_ELIMIT, "the JSON text has %zu bytes, more than %d", len, EYOT_JSON_MAX_BYTES);
    if (!reader_init(&s, text, len)) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    if (!read_document(&s, out)) {
        eyot__unref(*out);
        *out = 0;
        while (s.top) eyot__unref(s.words[--s.top]);
        report(&s, e);
    }
    eyot__arena_close(&s.arena);
    if (s.words != s.first_words) free(s.words);
    free(s.scratch);
    free(s.copy);
    return s.status;
}
