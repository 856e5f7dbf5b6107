/* SPDX-License-Identifier: MIT */
/* msgpack to a value, in one pass and without recursion. A container says at its beginning how many values it has: it is
 * made then, and filled where it stands; one of more than 64 words chunk by chunk.
 *
 * Counts are not trusted. Every value that is still to come takes at least one byte, so the bytes that are left are at
 * least as many as these values; `spare` is what is left beyond that. Whatever has n bytes of its own, or n values, must
 * find n in `spare`, and takes them. So no byte behind the end is read, and what all open containers have room for is
 * never more than the bytes that are left. */
#include <stdio.h>
#include <stdlib.h>

#include "copiers/msgpack.h"
#include "copiers/reading.h"

typedef struct frame {
    eyot__word *at, *stop; /* where the next word goes; where those of `seq` end */
    eyot__seq *seq;        /* the container, or its newest chunk */
    eyot__big *big;        /* NULL: flat */
    size_t left;           /* words of the chunks that are not begun */
    uint16_t bits;         /* of the container so far */
    bool map;
    bool alike;                           /* so far its keys are those of `like` */
    const eyot__seq *like;                /* the last map on this level: the next one probably has the same keys */
    const eyot__word *guess, *last_guess; /* the keys of `like` from here on */
} frame;

typedef struct reader {
    const char *begin, *end;
    size_t spare;
    frame *deepest; /* that was ever used: frames behind it are not initialised */
    eyot__arena arena;
    eyot__keys keys;
    eyot_status status;
    const char *problem, *where;
    char detail[96]; /* what the problem is about */
    eyot__word root;
    frame frames[EYOT_VALUE_MAX_DEPTH + 1]; /* the first is that of the root */
} reader;

/* Notes the failure. Returns NULL, as all that read do then; else where they stopped. */
static const char *fail(reader *s, const char *where, eyot_status status, const char *problem)
{
    s->status = status;
    s->where = where;
    s->problem = problem;
    return NULL;
}

static const char *no_memory(reader *s)
{
    return fail(s, s->end, EYOT_ENOMEM, "out of memory");
}

static const char *too_early(reader *s, const char *p)
{
    return fail(s, p, EYOT_EPARSE, "the bytes end too early");
}

static inline bool take(reader *s, size_t n)
{
    if (n > s->spare) return false;
    s->spare -= n;
    return true;
}

/* The number of 1 << `log` bytes at p, the first one first. */
static inline uint64_t load(const char *bytes, unsigned log)
{
    const unsigned char *p = (const unsigned char *)bytes;
    switch (log) {
    case 0: return p[0];
    case 1: return (uint64_t)p[0] << 8 | p[1];
    case 2: return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
    default:
        return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
               (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | p[7];
    }
}

/* The length of 1 << `log` bytes behind p, and so many bytes after `extra` others: both are taken. */
static inline const char *read_length(reader *s, const char *p, unsigned log, size_t extra, size_t *len)
{
    unsigned n = 1u << log;
    if (!take(s, n + extra)) return too_early(s, p);
    *len = load(p + 1, log);
    return take(s, *len) ? p + 1 + n : too_early(s, p);
}

/* ---- strings --------------------------------------------------------------------------------------------------- */

static inline bool is_short(const reader *s, const char *p, size_t len)
{
    return len < 32 && s->end - p >= 32 && (eyot__plain_stops(p) & ((UINT32_C(1) << len) - 1)) == 0;
}

/* Checks the UTF-8 of a string of any kind. */
static const char *check_text(reader *s, const char *p, size_t len, bool *plain)
{
    const char *end = p + len, *stop = eyot__skip_plain(p, end);
    *plain = stop == end;
    if (*plain) return end;
    stop = eyot__utf8_check(stop, end);
    if (stop != end) return fail(s, stop, EYOT_EPARSE, "no valid UTF-8");
    *plain = eyot__is_plain(p, len);
    return end;
}

static const char *long_text(reader *s, const char *p, size_t len, eyot__word *out)
{
    bool plain;
    const char *end = check_text(s, p, len, &plain);
    if (!end) return NULL;
    *out = (eyot__word)eyot__text_new(&s->arena, EYOT__TEXT | (plain ? EYOT__PLAIN : 0), p, len, 0);
    return *out ? end : no_memory(s);
}

/* The string of `len` bytes, which were taken, at p. */
static inline const char *read_text(reader *s, const char *p, size_t len, eyot__word *out)
{
    *out = EYOT__EMPTY_STRING;
    if (!len) return p;
    if (!is_short(s, p, len)) return long_text(s, p, len, out);
    *out = (eyot__word)eyot__text_short(&s->arena, p, len, 0);
    return *out ? p + len : no_memory(s);
}

/* ---- keys ------------------------------------------------------------------------------------------------------ */

static const char *kind_name(unsigned b)
{
    if (b < 0x80 || b >= 0xe0 || (b >= 0xcc && b <= 0xd3)) return "an integer";
    if (b < 0x90 || b >= 0xde) return "a map";
    if (b < 0xa0 || b >= 0xdc) return "an array";
    if (b >= 0xd4 || (b >= 0xc7 && b <= 0xc9)) return "an extension";
    if (b == 0xca || b == 0xcb) return "a float";
    if (b >= 0xc4) return "bytes";
    return b == 0xc0 ? "nil" : b == 0xc1 ? "the byte 0xc1, which begins nothing" : "a boolean";
}

static const char *no_key(reader *s, const char *p)
{
    snprintf(s->detail, sizeof s->detail, "%s", kind_name((unsigned char)*p));
    return fail(s, p, EYOT_EPARSE, "a key must be a string, and this is ");
}

/* The length of the key at p, and where its bytes begin. */
static inline const char *key_length(reader *s, const char *p, size_t *len)
{
    unsigned b = (unsigned char)*p;
    if ((b & 0xe0) == 0xa0) {
        *len = b & 31;
        return take(s, *len) ? p + 1 : too_early(s, p);
    }
    return b < 0xd9 || b > 0xdb ? no_key(s, p) : read_length(s, p, b - 0xd9, 0, len);
}

__attribute__((noinline)) static const char *new_key(reader *s, frame *f, const char *p, size_t len)
{
    bool quick = is_short(s, p, len), plain = true;
    f->alike = false;
    if (!quick && !check_text(s, p, len, &plain)) return NULL;
    *f->at = eyot__key_from(&s->keys, &s->arena, p, len, plain, quick);
    return *f->at ? p + len : no_memory(s);
}

static inline const char *read_key(reader *s, frame *f, const char *p)
{
    size_t len;
    p = key_length(s, p, &len);
    if (!p) return NULL;
    eyot__text *guess = NULL;
    if (f->guess != f->last_guess) {
        guess = eyot__text_of(*f->guess);
        f->guess += 2;
        if (guess->len != len) guess = NULL;
    }
    bool same =
        guess && ((size_t)(s->end - p) >= len + 8 ? eyot__text_starts(p, guess) : !memcmp(p, guess->bytes, len));
    if (same) {
        *f->at = eyot__key_ref(guess);
        p += len;
    } else {
        p = new_key(s, f, p, len);
        if (!p) return NULL;
    }
    f->at++;
    return p;
}

/* ---- other scalars --------------------------------------------------------------------------------------------- */

static const char *made(reader *s, const char *p, eyot__word w, eyot__word *out)
{
    *out = w;
    return w ? p : no_memory(s);
}

/* A number of 1 << `log` bytes behind p, whose byte is `b`. */
static inline const char *read_number(reader *s, const char *p, unsigned b, unsigned log, eyot__word *out)
{
    unsigned n = 1u << log;
    if (!take(s, n)) return too_early(s, p);
    const char *next = p + 1 + n;
    uint64_t u = load(p + 1, log);
    if (b < 0xcc) { /* floats: their bits, whatever they are */
        double d;
        if (b == 0xca) return made(s, next, (eyot__word)u << 32 | 3u, out);
        if (eyot__double_fits(u)) return made(s, next, eyot__double_pack(u), out);
        memcpy(&d, &u, sizeof d);
        return made(s, next, eyot__word_double(d), out);
    }
    if (b < 0xd0)
        return n < 8 ? made(s, next, eyot__int_pack((int64_t)u), out) : made(s, next, eyot__word_uint(u), out);
    unsigned shift = 64 - 8 * n;
    return made(s, next, eyot__word_int((int64_t)(u << shift) >> shift), out);
}

static const char *read_bytes(reader *s, const char *p, unsigned log, eyot__word *out)
{
    size_t len;
    p = read_length(s, p, log, 0, &len);
    if (!p) return NULL;
    if (!len) return made(s, p, EYOT__EMPTY_BYTES, out);
    return made(s, p + len, (eyot__word)eyot__text_new(&s->arena, EYOT__BYTES, p, len, 0), out);
}

/* Type and bytes of an ext, which were taken, are at p. */
static const char *read_ext(reader *s, const char *p, size_t len, eyot__word *out)
{
    uint8_t type = (uint8_t)*p++;
    const char *end = p + len;
    if (eyot__is_removed_like(type, p, len)) {
        if (p[1] != '$') return made(s, end, EYOT__REMOVED, out);
        p++;
        len--;
    }
    return made(s, end, (eyot__word)eyot__text_new(&s->arena, EYOT__EXT, p, len, type), out);
}

static const char *read_sized_ext(reader *s, const char *p, unsigned log, eyot__word *out)
{
    size_t len;
    p = read_length(s, p, log, 1, &len);
    return p ? read_ext(s, p, len, out) : NULL;
}

static const char *read_fixed_ext(reader *s, const char *p, unsigned log, eyot__word *out)
{
    return take(s, 1 + ((size_t)1 << log)) ? read_ext(s, p + 1, (size_t)1 << log, out) : too_early(s, p);
}

static const char *read_sized_text(reader *s, const char *p, unsigned log, eyot__word *out)
{
    size_t len;
    p = read_length(s, p, log, 0, &len);
    return p ? read_text(s, p, len, out) : NULL;
}

/* ---- containers ------------------------------------------------------------------------------------------------ */

/* The next chunk of a big container. Only the last one comes from a page: the others may be changed one by one. */
static bool begin_chunk(reader *s, frame *f)
{
    uint32_t n = f->left < EYOT__FLAT_WORDS ? (uint32_t)f->left : EYOT__FLAT_WORDS;
    eyot__seq *chunk = eyot__seq_room(f->left > n ? NULL : &s->arena, EYOT__CHUNK, n);
    if (!chunk) return false;
    f->big->w[f->big->count++] = (eyot__word)chunk;
    f->left -= n;
    f->seq = chunk;
    f->at = chunk->w;
    f->stop = f->at + n;
    return true;
}

static bool begin_flat(reader *s, frame *f, uint32_t words)
{
    f->big = NULL;
    f->seq = eyot__seq_room(&s->arena, f->bits, words);
    if (!f->seq) return false;
    f->at = f->seq->w;
    f->stop = f->at + words;
    return true;
}

static bool begin_big(reader *s, frame *f, size_t words)
{
    size_t chunks = (words + EYOT__FLAT_WORDS - 1) / EYOT__FLAT_WORDS;
    f->big = eyot__big_begin(EYOT__SEQ_BITS(f->map ? EYOT__BIG_MAP : EYOT__BIG_ARRAY), (uint32_t)chunks);
    f->left = words;
    if (!f->big) return false;
    if (begin_chunk(s, f)) return true;
    eyot__unref((eyot__word)f->big);
    return false;
}

/* A container of n values or entries whose byte is at p begins inside *f. Unless it is empty *f is then its frame and *out
 * is 0. */
static const char *open_container(reader *s, frame **f, const char *p, const char *next, bool map, size_t n,
                                  eyot__word *out)
{
    frame *inner = *f + 1;
    size_t words = map ? 2 * n : n;
    if (inner - s->frames > EYOT_VALUE_MAX_DEPTH) return fail(s, p, EYOT_ELIMIT, "nested deeper than 512 levels");
    if (!take(s, words)) return too_early(s, p);
    if (n > EYOT_VALUE_MAX_ITEMS) return fail(s, p, EYOT_ELIMIT, "more than 16777215 items");
    if (!n) {
        *out = map ? EYOT__EMPTY_MAP : EYOT__EMPTY_ARRAY;
        (*f)->bits = eyot__bits_with((*f)->bits, *out);
        return next;
    }
    if (inner > s->deepest) {
        s->deepest = inner;
        inner->like = NULL;
    }
    inner->map = map;
    inner->bits = EYOT__SEQ_BITS(map ? EYOT__MAP : EYOT__ARRAY);
    bool begun = words > EYOT__FLAT_WORDS ? begin_big(s, inner, words) : begin_flat(s, inner, (uint32_t)words);
    if (!begun) return no_memory(s);
    inner->guess = inner->last_guess = NULL;
    inner->alike = map && inner->like;
    if (inner->alike) {
        inner->guess = inner->like->w;
        inner->last_guess = inner->guess + inner->like->count;
    }
    *out = 0;
    *f = inner;
    return next;
}

static const char *read_counted(reader *s, frame **f, const char *p, bool map, unsigned log, eyot__word *out)
{
    unsigned n = 1u << log;
    if (!take(s, n)) return too_early(s, p);
    return open_container(s, f, p, p + 1 + n, map, load(p + 1, log), out);
}

static eyot__word duplicate(reader *s, const char *p, const eyot__text *key)
{
    snprintf(s->detail, sizeof s->detail, ": \"");
    eyot__key_show(s->detail + 3, sizeof s->detail - 4, key);
    strcat(s->detail, "\"");
    fail(s, p, EYOT_EPARSE, "the map that ends here has a key twice");
    return 0;
}

/* The finished container of f, which ends before p; 0 after a failure. */
static eyot__word close_container(reader *s, frame *f, const char *p)
{
    const eyot__text *key = NULL;
    if (f->big) {
        eyot__node *n = &f->big->node;
        n->bits = (uint16_t)((f->bits & ~EYOT__KIND_MASK) | eyot__node_kind(n));
        eyot_status status = eyot__big_end(f->big, &key);
        if (status == EYOT_EEXIST) return duplicate(s, p, key);
        if (status) no_memory(s);
        return status ? 0 : (eyot__word)f->big;
    }
    f->seq->node.bits = f->bits;
    if (!f->map) return (eyot__word)f->seq;
    if (!f->alike) key = eyot__find_duplicate(f->seq->w, f->seq->count);
    if (key) return duplicate(s, p, key);
    f->like = f->seq;
    return (eyot__word)f->seq;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

/* What begins with a byte of 0xc0 … 0xdf at p: see open_container for the containers. */
static inline const char *read_other(reader *s, frame **f, const char *p, unsigned b, eyot__word *out)
{
    switch (b) {
    case 0xc0: *out = EYOT__NULL; return p + 1;
    case 0xc2: *out = EYOT__FALSE; return p + 1;
    case 0xc3: *out = EYOT__TRUE; return p + 1;
    case 0xc4:
    case 0xc5:
    case 0xc6: return read_bytes(s, p, b - 0xc4, out);
    case 0xc7:
    case 0xc8:
    case 0xc9: return read_sized_ext(s, p, b - 0xc7, out);
    case 0xca: return read_number(s, p, b, 2, out);
    case 0xcb: return read_number(s, p, b, 3, out);
    case 0xcc: return read_number(s, p, b, 0, out);
    case 0xcd: return read_number(s, p, b, 1, out);
    case 0xce: return read_number(s, p, b, 2, out);
    case 0xcf: return read_number(s, p, b, 3, out);
    case 0xd0: return read_number(s, p, b, 0, out);
    case 0xd1: return read_number(s, p, b, 1, out);
    case 0xd2: return read_number(s, p, b, 2, out);
    case 0xd3: return read_number(s, p, b, 3, out);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8: return read_fixed_ext(s, p, b - 0xd4, out);
    case 0xd9:
    case 0xda:
    case 0xdb: return read_sized_text(s, p, b - 0xd9, out);
    case 0xdc:
    case 0xdd: return read_counted(s, f, p, false, b - 0xdb, out);
    case 0xde:
    case 0xdf: return read_counted(s, f, p, true, b - 0xdd, out);
    default: return fail(s, p, EYOT_EPARSE, "the byte 0xc1 begins nothing");
    }
}

static inline const char *read_value(reader *s, frame **f, const char *p, eyot__word *out)
{
    unsigned b = (unsigned char)*p;
    if (b < 0x80 || b >= 0xe0) {
        *out = eyot__int_pack((int8_t)b);
        return p + 1;
    }
    if (b < 0xa0) return open_container(s, f, p, p + 1, b < 0x90, b & 15, out);
    if (b >= 0xc0) return read_other(s, f, p, b, out);
    if (!take(s, b & 31)) return too_early(s, p);
    return read_text(s, p + 1, b & 31, out);
}

/* The words of *f are full: begins its next chunk, or ends it and puts it into the one outside; so on, as long as that is
 * full too. *f is then the frame that goes on, that of the root when all is read. */
static bool end_words(reader *s, frame **f, const char *p)
{
    while ((*f)->at == (*f)->stop && *f != s->frames) {
        if ((*f)->big && (*f)->left) return begin_chunk(s, *f) || no_memory(s);
        eyot__word w = close_container(s, *f, p);
        if (!w) return false;
        --*f;
        (*f)->bits = eyot__bits_with((*f)->bits, w);
        *(*f)->at++ = w;
    }
    return true;
}

/* Returns the frame where it ended. */
static frame *read_all(reader *s)
{
    frame *f = s->frames;
    const char *p = s->begin;
    while (f->at != f->stop) {
        eyot__word w;
        if (f->map) p = read_key(s, f, p);
        if (p) p = read_value(s, &f, p, &w);
        if (!p) return f;
        if (!w) continue;
        if (w == EYOT__REMOVED) f->bits |= EYOT__REMOVES;
        *f->at++ = w;
        if (f->at == f->stop && !end_words(s, &f, p)) return f;
    }
    if (p != s->end) fail(s, p, EYOT_EPARSE, "something follows the value");
    return f;
}

static void reader_init(reader *s, const char *bytes, size_t len)
{
    s->begin = bytes;
    s->end = bytes + len;
    s->spare = len - 1;
    s->deepest = s->frames;
    s->arena = (eyot__arena){NULL, NULL, NULL, 5 * len < 256 ? 256 : 5 * len, 0};
    memset(s->keys.made, 0, sizeof s->keys.made);
    s->keys.secret = eyot__key_secret();
    s->status = EYOT_OK;
    s->detail[0] = 0;
    s->root = 0;
    s->frames[0] = (frame){.at = &s->root, .stop = &s->root + 1};
}

/* Lets go of what was read: the open containers, of which none is in the other yet, or the whole. */
static void abandon(reader *s, const frame *f)
{
    for (; f != s->frames; f--) {
        f->seq->count = (uint32_t)(f->at - f->seq->w);
        eyot__unref(f->big ? (eyot__word)f->big : (eyot__word)f->seq);
    }
    eyot__unref(s->root);
}

eyot_status eyot__msgpack_read(eyot__word *out, const void *bytes, size_t len, eyot_error *e)
{
    reader s;
    *out = 0;
    if (len > EYOT_MSGPACK_MAX_BYTES)
        return eyot_error_set(e, EYOT_ELIMIT, "the packed value has %zu bytes, more than %d", len,
                              EYOT_MSGPACK_MAX_BYTES);
    if (!len) return eyot_error_set(e, EYOT_EPARSE, "offset 0: the bytes end too early");
    reader_init(&s, bytes, len);
    frame *f = read_all(&s);
    if (!s.status)
        *out = s.root;
    else
        abandon(&s, f);
    eyot__arena_close(&s.arena);
    if (s.status == EYOT_ENOMEM) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    if (s.status) eyot_error_set(e, s.status, "offset %zu: %s%s", (size_t)(s.where - s.begin), s.problem, s.detail);
    return s.status;
}
