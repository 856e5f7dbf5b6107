/* SPDX-License-Identifier: MIT */
/* What a value is inside. Only the files of this directory look here.
 *
 * An `eyot_value *` is a 64-bit word, not always an address. The low bits tell:
 *     …000  address of a node (0 is NULL)        …01  integer of 62 bits
 *     …10   double with an exponent of -255 … 256 …011 float32 in the upper half      …111 constant
 * So a number, a boolean or an empty container needs no memory and no counting.
 *
 * Containers are flat (one node of up to 64 words) or big (a root over chunks of 64 words). The words of a map are
 * key, value, key, value …; the key is a text node. Changing a shared big container copies its root and one chunk.
 * In a big map a removed entry stays as two zero words until the map is rebuilt, so that the index, which is shared by
 * the versions of a map, stays right. In a big array `skip` words at the front of the first chunk are not items.
 *
 * A decoder lets its nodes come from pages of at most 4 KiB that are freed when their last node is: so what a small
 * part of a freed document pins is one page. */
#ifndef EYOT_COPIERS_VALUE_H
#define EYOT_COPIERS_VALUE_H

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include <eyot/copiers.h>

_Static_assert(sizeof(uintptr_t) == 8, "values are words of 64 bits");

typedef uintptr_t eyot__word;

enum eyot__node_kind {
    EYOT__TEXT,
    EYOT__BYTES,
    EYOT__EXT,
    EYOT__INT64,
    EYOT__UINT64,
    EYOT__DOUBLE,
    EYOT__INDEX, /* of a big map; nodes from here on have no children of their own to the left */
    EYOT__ARRAY,
    EYOT__MAP,
    EYOT__CHUNK,
    EYOT__BIG_ARRAY,
    EYOT__BIG_MAP
};

#define EYOT__KIND_MASK 15u
#define EYOT__PLAIN 16u   /* text: JSON writes it as it is */
#define EYOT__REMOVES 32u /* container: a removal marker is somewhere inside, or was */
#define EYOT__HEIGHT_SHIFT 6
#define EYOT__FLAT_WORDS 64u

typedef struct eyot__node {
    _Atomic uint32_t refs;
    uint16_t bits; /* kind, flags, and in a container its height: at least the containers below it, itself included */
    uint16_t page; /* distance to its page in units of 8 bytes; 0: from malloc */
} eyot__node;

typedef struct eyot__text { /* also bytes and ext */
    eyot__node node;
    uint32_t len;
    uint32_t hash; /* of a text that is a key; the type of an ext */
    char bytes[];  /* len of them and a NUL */
} eyot__text;

typedef struct eyot__number {
    eyot__node node;
    union {
        int64_t i;
        uint64_t u;
        double d;
    } as;
} eyot__number;

typedef struct eyot__seq { /* ARRAY, MAP, CHUNK */
    eyot__node node;
    uint32_t count, cap; /* words */
    eyot__word w[];
} eyot__seq;

typedef struct eyot__index {
    eyot__node node;
    uint32_t used, mask;
    uint32_t slot[]; /* 0, or 8 bits of the hash and the position of the entry + 1 */
} eyot__index;

typedef struct eyot__big { /* BIG_ARRAY, BIG_MAP; begins like eyot__seq */
    eyot__node node;
    uint32_t count, cap; /* chunks; all full but the last */
    uint32_t live;       /* items or entries */
    uint32_t skip;       /* array: words before the first item */
    eyot__index *index;  /* map */
    eyot__word w[];      /* the chunks */
} eyot__big;

/* ---- words ----------------------------------------------------------------------------------------------------- */

#define EYOT__CONST(n) (((eyot__word)(n) << 3) | 7u)
#define EYOT__NULL EYOT__CONST(0)
#define EYOT__FALSE EYOT__CONST(1)
#define EYOT__TRUE EYOT__CONST(2)
#define EYOT__ZERO EYOT__CONST(3) /* 0.0 */
#define EYOT__NEGATIVE_ZERO EYOT__CONST(4)
#define EYOT__EMPTY_STRING EYOT__CONST(5)
#define EYOT__EMPTY_BYTES EYOT__CONST(6)
#define EYOT__EMPTY_ARRAY EYOT__CONST(7)
#define EYOT__EMPTY_MAP EYOT__CONST(8)
#define EYOT__REMOVED EYOT__CONST(9)

static inline eyot__word eyot__word_of(const eyot_value *v)
{
    return (eyot__word)v;
}
static inline eyot_value *eyot__value_of(eyot__word w)
{
    return (eyot_value *)w;
}

static inline bool eyot__is_node(eyot__word w)
{
    return (w & 3) == 0 && w != 0;
}
static inline eyot__node *eyot__node_of(eyot__word w)
{
    return (eyot__node *)w;
}
static inline unsigned eyot__node_kind(const eyot__node *n)
{
    return n->bits & EYOT__KIND_MASK;
}
static inline bool eyot__is_kind(eyot__word w, unsigned kind)
{
    return eyot__is_node(w) && eyot__node_kind(eyot__node_of(w)) == kind;
}
static inline eyot__seq *eyot__seq_of(eyot__word w)
{
    return (eyot__seq *)w;
}
static inline eyot__big *eyot__big_of(eyot__word w)
{
    return (eyot__big *)w;
}
static inline eyot__text *eyot__text_of(eyot__word w)
{
    return (eyot__text *)w;
}

static inline bool eyot__is_map(eyot__word w)
{
    if (!eyot__is_node(w)) return w == EYOT__EMPTY_MAP;
    unsigned kind = eyot__node_kind(eyot__node_of(w));
    return kind == EYOT__MAP || kind == EYOT__BIG_MAP;
}
static inline bool eyot__is_array(eyot__word w)
{
    if (!eyot__is_node(w)) return w == EYOT__EMPTY_ARRAY;
    unsigned kind = eyot__node_kind(eyot__node_of(w));
    return kind == EYOT__ARRAY || kind == EYOT__BIG_ARRAY;
}

static inline unsigned eyot__height(eyot__word w)
{
    if (!eyot__is_node(w)) return w == EYOT__EMPTY_ARRAY || w == EYOT__EMPTY_MAP;
    return (unsigned)eyot__node_of(w)->bits >> EYOT__HEIGHT_SHIFT;
}
static inline bool eyot__removes(eyot__word w)
{
    if (!eyot__is_node(w)) return w == EYOT__REMOVED;
    return (eyot__node_of(w)->bits & EYOT__REMOVES) != 0 && eyot__node_kind(eyot__node_of(w)) >= EYOT__ARRAY;
}

/* Nodes are shared between threads by their counts alone: adding needs no order, the last one to leave must see what all
 * the others did. */
static inline eyot__word eyot__ref(eyot__word w)
{
    if (eyot__is_node(w)) atomic_fetch_add_explicit(&eyot__node_of(w)->refs, 1, memory_order_relaxed);
    return w;
}
static inline bool eyot__is_sole(const eyot__node *n)
{
    return atomic_load_explicit(&n->refs, memory_order_acquire) == 1;
}
static inline bool eyot__was_last(eyot__node *n)
{
    return eyot__is_sole(n) || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) == 1;
}
void eyot__node_destroy(eyot__node *n); /* whose last owner has left */
static inline void eyot__unref(eyot__word w)
{
    if (eyot__is_node(w) && eyot__was_last(eyot__node_of(w))) eyot__node_destroy(eyot__node_of(w));
}

/* The word of a number; 0: no memory. */
eyot__word eyot__word_int(int64_t i);
eyot__word eyot__word_uint(uint64_t u);
eyot__word eyot__word_double(double d);
static inline eyot__word eyot__word_float32(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return ((eyot__word)bits << 32) | 3u;
}

/* A double fits a word when its exponent needs only 9 of its 11 bits: sign, exponent and fraction are then 62 bits. */
#define EYOT__DOUBLE_BIAS ((uint64_t)0x300 << 52)
static inline bool eyot__double_fits(uint64_t bits)
{
    return ((bits >> 52) & 0x7ff) - 0x300 < 0x200;
}
static inline eyot__word eyot__double_pack(uint64_t bits)
{
    return (((bits & ~((uint64_t)1 << 63)) - EYOT__DOUBLE_BIAS) << 3) | (bits >> 63) << 2 | 2u;
}
static inline double eyot__double_unpack(eyot__word w)
{
    uint64_t bits = ((w >> 3) + EYOT__DOUBLE_BIAS) | (w & 4) << 61;
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}
#define EYOT__INT_MAX (((int64_t)1 << 61) - 1)
#define EYOT__INT_MIN (-((int64_t)1 << 61))
static inline eyot__word eyot__int_pack(int64_t i)
{
    return ((eyot__word)i << 2) | 1u;
}
static inline int64_t eyot__int_unpack(eyot__word w)
{
    return (int64_t)w >> 2;
}

/* A number taken apart; kind NONE: no number. */
typedef struct eyot__num {
    eyot_value_kind kind; /* INT, UINT, FLOAT32, DOUBLE */
    int64_t i;
    uint64_t u;
    double d; /* also of a FLOAT32 */
} eyot__num;
eyot__num eyot__num_of(eyot__word w);

/* ---- memory ---------------------------------------------------------------------------------------------------- */

#define EYOT__PAGE_BYTES 4080u /* with malloc's own word a page is 4 KiB */

typedef struct eyot__page {
    _Atomic uint32_t live; /* nodes; while an arena fills the page EYOT__PAGE_OPEN less those that have died */
    uint32_t size;
} eyot__page;
#define EYOT__PAGE_OPEN (1u << 30)
#define EYOT__PAGE_SLACK 16u /* behind the last node: short bytes are copied 16 at a time */

typedef struct eyot__arena {
    eyot__page *page;
    unsigned char *at, *end;
    size_t first;  /* bytes of the first page */
    uint32_t made; /* nodes in this page */
} eyot__arena;

void *eyot__arena_slow(eyot__arena *a, size_t size);
void eyot__arena_close(eyot__arena *a);

/* Memory for a node of one owner; from malloc when `a` is NULL. NULL: no memory. */
static inline void *eyot__node_new(eyot__arena *a, size_t size, unsigned bits)
{
    eyot__node *n;
    size = (size + 7u) & ~(size_t)7u;
    if (a && (size_t)(a->end - a->at) >= size) {
        n = (eyot__node *)(void *)a->at;
        n->page = (uint16_t)((size_t)(a->at - (unsigned char *)a->page) / 8);
        a->at += size;
        a->made++;
    } else {
        n = eyot__arena_slow(a, size);
        if (!n) return NULL;
    }
    atomic_init(&n->refs, 1);
    n->bits = (uint16_t)bits;
    return n;
}
void eyot__node_release(eyot__node *n); /* the memory alone, not the children */

/* ---- texts ----------------------------------------------------------------------------------------------------- */

/* Where the first byte is that is no whole UTF-8 character; `end` if all is well. */
const char *eyot__utf8_check(const char *p, const char *end);
/* Bytes of the well-formed character at p, n bytes before the end; 0: there is none. */
size_t eyot__utf8_char(const unsigned char *p, size_t n);
/* True when JSON writes the bytes as they are: no quote, backslash or control byte. */
bool eyot__is_plain(const char *bytes, size_t len);

/* Hash of a key: secret per process, so that nobody can prepare keys that collide. */
uint64_t eyot__key_secret(void);
uint64_t eyot__hash_bytes(const void *bytes, size_t len, uint64_t secret);
static inline uint32_t eyot__key_hash(const char *key, size_t len, uint64_t secret)
{
    uint64_t h = eyot__hash_bytes(key, len, secret);
    return (uint32_t)(h ^ (h >> 32));
}

/* A node of kind TEXT, BYTES or EXT with a copy of the bytes, `hash` as it is. Also of length 0. */
eyot__text *eyot__text_new(eyot__arena *a, unsigned bits, const char *bytes, size_t len, uint32_t hash);
/* A text for a key after checking its UTF-8. EINVAL, ELIMIT, ENOMEM. */
eyot_status eyot__key_new(eyot__text **out, const char *key, size_t len, uint32_t hash);

static inline bool eyot__text_is(const eyot__text *t, const char *bytes, size_t len)
{
    return t->len == len && memcmp(t->bytes, bytes, len) == 0;
}

/* ---- going over ------------------------------------------------------------------------------------------------ */

typedef struct eyot__cursor {
    const eyot__word *at, *stop;
    const eyot__big *big; /* NULL: flat */
    uint32_t chunk;       /* the one after this */
} eyot__cursor;

static inline eyot__cursor eyot__cursor_of(eyot__word w)
{
    eyot__cursor c = {NULL, NULL, NULL, 0};
    if (!eyot__is_node(w)) return c;
    if (eyot__node_kind(eyot__node_of(w)) < EYOT__BIG_ARRAY) {
        c.at = eyot__seq_of(w)->w;
        c.stop = c.at + eyot__seq_of(w)->count;
    } else {
        c.big = eyot__big_of(w);
        const eyot__seq *first = c.big->count ? eyot__seq_of(c.big->w[0]) : NULL;
        c.at = first ? first->w + c.big->skip : NULL;
        c.stop = first ? first->w + first->count : NULL;
        c.chunk = 1;
    }
    return c;
}

static inline bool eyot__cursor_refill(eyot__cursor *c)
{
    if (!c->big || c->chunk >= c->big->count) return false;
    const eyot__seq *s = eyot__seq_of(c->big->w[c->chunk++]);
    c->at = s->w;
    c->stop = s->w + s->count;
    return true;
}

/* The next word of an array; 0 at its end. The last chunk may be empty. */
static inline eyot__word eyot__cursor_item(eyot__cursor *c)
{
    while (c->at == c->stop)
        if (!eyot__cursor_refill(c)) return 0;
    return *c->at++;
}

/* The next key and value of a map; NULL at its end. */
static inline const eyot__word *eyot__cursor_entry(eyot__cursor *c)
{
    for (;;) {
        while (c->at == c->stop)
            if (!eyot__cursor_refill(c)) return NULL;
        const eyot__word *entry = c->at;
        c->at += 2;
        if (entry[0]) return entry;
    }
}

static inline uint32_t eyot__count(eyot__word w) /* of a container */
{
    if (!eyot__is_node(w)) return 0;
    switch (eyot__node_kind(eyot__node_of(w))) {
    case EYOT__ARRAY: return eyot__seq_of(w)->count;
    case EYOT__MAP: return eyot__seq_of(w)->count / 2;
    default: return eyot__big_of(w)->live;
    }
}

/* ---- containers ------------------------------------------------------------------------------------------------ */
/* All of these change *w, which must be the only reference the caller has; they copy what others hold too. On failure
 * nothing has changed that anyone could see, and nothing was taken. Statuses: ENOMEM, ELIMIT. */

/* May v be put below `above` containers? Exact, though heights are upper bounds. */
bool eyot__depth_ok(eyot__word v, unsigned above);
/* The bits of a container after one of its words became v: height and flags. */
static inline uint16_t eyot__bits_with(uint16_t bits, eyot__word v)
{
    unsigned height = eyot__height(v) + 1;
    if (height > EYOT_VALUE_MAX_DEPTH) height = EYOT_VALUE_MAX_DEPTH;
    if (height > (unsigned)bits >> EYOT__HEIGHT_SHIFT)
        bits = (uint16_t)((bits & ((1u << EYOT__HEIGHT_SHIFT) - 1)) | height << EYOT__HEIGHT_SHIFT);
    return eyot__removes(v) ? bits | EYOT__REMOVES : bits;
}
static inline void eyot__note(eyot__node *parent, eyot__word v)
{
    parent->bits = eyot__bits_with(parent->bits, v);
}

/* A flat container that only the caller holds, with room for `extra` more words; 0 bytes are not counted in. */
eyot_status eyot__seq_own(eyot__word *w, uint32_t extra);

/* After it, n pushes without anything else between cannot fail for want of memory. */
eyot_status eyot__array_reserve(eyot__word *array, uint32_t n);
eyot_status eyot__array_push(eyot__word *array, eyot__word item);
eyot_status eyot__array_own(eyot__word *array, uint32_t i, eyot__word **slot);
eyot_status eyot__array_drop_front(eyot__word *array, uint32_t n);
eyot__word eyot__array_get(eyot__word array, uint32_t i);

#define EYOT__NONE UINT32_MAX
/* The position of a key, to be used before the map changes; NONE. */
uint32_t eyot__map_find(eyot__word map, const char *key, size_t len, uint32_t hash);
static inline uint32_t eyot__map_find_text(eyot__word map, const eyot__text *key)
{
    return eyot__map_find(map, key->bytes, key->len, key->hash);
}
const eyot__word *eyot__map_entry(eyot__word map, uint32_t position);
eyot_status eyot__map_own(eyot__word *map, uint32_t position, eyot__word **entry);
/* After it, n inserts cannot fail for want of memory, also when keys are removed or replaced between them. */
eyot_status eyot__map_reserve(eyot__word *map, uint32_t n);
eyot_status eyot__map_insert(eyot__word *map, eyot__text *key, eyot__word value); /* key is not in it; takes both */
eyot_status eyot__map_remove(eyot__word *map, uint32_t position);
/* Finds, then owns or inserts. Takes the value. */
eyot_status eyot__map_put(eyot__word *map, const char *key, size_t len, eyot__word value);

/* For decoders: containers from words, which are taken. `bits` are EYOT__SEQ_BITS(kind) with every word that is a container
 * or a removal. `chunks` are nodes of kind CHUNK made by eyot__seq_from, all full but the last. A map of several chunks
 * gets its index: EEXIST, and *duplicate is a key that is in it twice. On failure nothing was taken. ENOMEM. */
#define EYOT__SEQ_BITS(kind) ((uint16_t)((kind) | 1u << EYOT__HEIGHT_SHIFT))
static inline eyot__seq *eyot__seq_room(eyot__arena *a, uint16_t bits, uint32_t n) /* its words are to be written */
{
    eyot__seq *s = (eyot__seq *)eyot__node_new(a, sizeof *s + n * sizeof s->w[0], bits);
    if (s) s->count = s->cap = n;
    return s;
}
static inline eyot__word eyot__seq_from(eyot__arena *a, uint16_t bits, const eyot__word *words, uint32_t n)
{
    eyot__seq *s = eyot__seq_room(a, bits, n);
    if (s) memcpy(s->w, words, n * sizeof *words);
    return (eyot__word)s; /* 0: no memory */
}
eyot_status eyot__big_from(eyot__word *out, uint16_t bits, const eyot__word *chunks, uint32_t n,
                           const eyot__text **duplicate);
/* The same for whoever knows the number of chunks first: puts them into w[] and counts them in `count`, then ends it. What
 * has not ended, or failed to, is let go like any other container. NULL: no memory. */
eyot__big *eyot__big_begin(uint16_t bits, uint32_t n);
eyot_status eyot__big_end(eyot__big *b, const eyot__text **duplicate);
/* The key that n flat words hold twice; NULL. */
const eyot__text *eyot__find_duplicate(const eyot__word *words, uint32_t n);

#endif
