/* SPDX-License-Identifier: MIT */
/* Arrays and maps: built, changed and shared. value.h tells what they look like.
 *
 * The rule of this file: a node with more than one owner is never written to. Whatever changes a container first makes
 * its root and, in a big one, the chunk it writes its own, by copying their words and becoming one more owner of what
 * they lead to. */
#include "copiers/value.h"

#include <stdlib.h>

#define CHUNK EYOT__FLAT_WORDS

/* ---- depth ----------------------------------------------------------------------------------------------------- */

/* The true height: stored heights only ever grow, also when the highest child has left. */
static unsigned exact_height(eyot__word v)
{
    eyot__cursor stack[EYOT_VALUE_MAX_DEPTH];
    unsigned depth = 1, best = 1;
    if (!eyot__is_node(v) || eyot__node_kind(eyot__node_of(v)) < EYOT__ARRAY) return eyot__height(v);
    stack[0] = eyot__cursor_of(v);
    while (depth) {
        eyot__word child = eyot__cursor_item(&stack[depth - 1]);
        /* A removed entry is two zero words; only an empty cursor ends the level. */
        if (!child) {
            eyot__cursor *c = &stack[depth - 1];
            bool more = c->at != c->stop || (c->big && c->chunk < c->big->count);
            if (!more) depth--;
            continue;
        }
        if (depth + eyot__height(child) <= best) continue;
        if (!eyot__is_node(child)) {
            best = depth + eyot__height(child);
            continue;
        }
        assert(depth < EYOT_VALUE_MAX_DEPTH);
        stack[depth++] = eyot__cursor_of(child);
        if (depth > best) best = depth;
    }
    return best;
}

bool eyot__depth_ok(eyot__word v, unsigned above)
{
    return eyot__height(v) + above <= EYOT_VALUE_MAX_DEPTH || exact_height(v) + above <= EYOT_VALUE_MAX_DEPTH;
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static eyot__seq *seq_new(eyot__arena *a, unsigned bits, uint32_t cap)
{
    eyot__seq *s = eyot__node_new(a, sizeof *s + cap * sizeof s->w[0], bits);
    if (!s) return NULL;
    s->count = 0;
    s->cap = cap;
    return s;
}

static void ref_words(const eyot__word *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) eyot__ref(w[i]);
}

/* The words of `from` go into `to`: moved when the caller was the only owner of `from` (true), else shared. */
static bool hand_over(eyot__node *from, const eyot__word *words, uint32_t n, eyot__word *to)
{
    memcpy(to, words, n * sizeof *to);
    if (eyot__is_sole(from)) {
        eyot__node_release(from);
        return true;
    }
    ref_words(to, n);
    eyot__unref((eyot__word)from);
    return false;
}

eyot_status eyot__seq_own(eyot__word *w, uint32_t extra)
{
    eyot__seq *s = eyot__seq_of(*w);
    uint32_t need = s->count + extra;
    if (eyot__is_sole(&s->node) && need <= s->cap) return EYOT_OK;
    uint32_t cap = s->cap;
    while (cap < need) cap = cap < 8 ? 8 : cap * 2;
    if (cap > CHUNK) cap = CHUNK;
    assert(need <= cap);
    eyot__seq *own = seq_new(NULL, s->node.bits, cap);
    if (!own) return EYOT_ENOMEM;
    own->count = s->count;
    hand_over(&s->node, s->w, s->count, own->w);
    *w = (eyot__word)own;
    return EYOT_OK;
}

static eyot__big *big_new(unsigned bits, uint32_t cap)
{
    eyot__big *b = eyot__node_new(NULL, sizeof *b + cap * sizeof b->w[0], bits);
    if (!b) return NULL;
    b->count = b->live = b->skip = 0;
    b->cap = cap;
    b->index = NULL;
    return b;
}

/* As eyot__seq_own, for the root of a big container and its chunks. */
static eyot_status big_own(eyot__word *w, uint32_t extra)
{
    eyot__big *b = eyot__big_of(*w);
    uint32_t need = b->count + extra;
    if (eyot__is_sole(&b->node) && need <= b->cap) return EYOT_OK;
    uint32_t cap = b->cap;
    while (cap < need) cap = cap < 4 ? 4 : cap * 2;
    eyot__big *own = big_new(b->node.bits, cap);
    if (!own) return EYOT_ENOMEM;
    own->count = b->count;
    own->live = b->live;
    own->skip = b->skip;
    /* Taken before b may go; given back if b's own reference has moved. */
    eyot__ref((eyot__word)b->index);
    own->index = b->index;
    if (hand_over(&b->node, b->w, b->count, own->w)) eyot__unref((eyot__word)own->index);
    *w = (eyot__word)own;
    return EYOT_OK;
}

/* Chunk i of *w, its own and writable. */
static eyot_status chunk_own(eyot__word *w, uint32_t i, uint32_t extra, eyot__seq **out)
{
    eyot_status status = big_own(w, 0);
    if (!status) status = eyot__seq_own(&eyot__big_of(*w)->w[i], extra);
    if (!status) *out = eyot__seq_of(eyot__big_of(*w)->w[i]);
    return status;
}

static eyot_status index_make(eyot__big *b);

/* A flat container becomes the first chunk of a big one. */
static eyot_status make_big(eyot__word *w, unsigned kind)
{
    eyot_status status = eyot__seq_own(w, CHUNK - eyot__seq_of(*w)->count);
    if (status) return status;
    eyot__seq *s = eyot__seq_of(*w);
    eyot__big *b = big_new((s->node.bits & ~EYOT__KIND_MASK) | kind, 4);
    if (!b) return EYOT_ENOMEM;
    b->w[0] = (eyot__word)s;
    b->count = 1;
    b->live = kind == EYOT__BIG_MAP ? s->count / 2 : s->count;
    if (kind == EYOT__BIG_MAP && index_make(b)) {
        eyot__node_release(&b->node);
        return EYOT_ENOMEM;
    }
    s->node.bits = EYOT__CHUNK;
    *w = (eyot__word)b;
    return EYOT_OK;
}

/* Chunks that hold something; all of them are full but the last. Reserved ones follow, empty. */
static uint32_t used_chunks(const eyot__big *b)
{
    uint32_t n = b->count;
    while (n && eyot__seq_of(b->w[n - 1])->count == 0) n--;
    return n;
}

static eyot_status chunk_add(eyot__word *w)
{
    eyot_status status = big_own(w, 1);
    eyot__seq *s = status ? NULL : seq_new(NULL, EYOT__CHUNK, CHUNK);
    if (!s) return EYOT_ENOMEM;
    eyot__big *b = eyot__big_of(*w);
    b->w[b->count++] = (eyot__word)s;
    return EYOT_OK;
}

/* A big container gets room for `words` more, in its last chunk and in empty ones behind it. */
static eyot_status big_reserve(eyot__word *w, uint32_t words)
{
    eyot_status status = big_own(w, 0);
    if (status) return status;
    uint32_t used = used_chunks(eyot__big_of(*w)), left = words;
    if (used) {
        eyot__word *last = &eyot__big_of(*w)->w[used - 1];
        uint32_t room = CHUNK - eyot__seq_of(*last)->count;
        if (room > left) room = left;
        if (room) status = eyot__seq_own(last, room);
        left -= room;
    }
    while (!status && left > (uint64_t)(eyot__big_of(*w)->count - used) * CHUNK) status = chunk_add(w);
    return status;
}

/* Where the next word of a big container goes, which has room. */
static eyot__seq *big_tail(eyot__big *b)
{
    uint32_t used = used_chunks(b);
    if (used && eyot__seq_of(b->w[used - 1])->count < CHUNK) used--;
    return eyot__seq_of(b->w[used]);
}

/* The same for flat ones, which become big when they must. */
static eyot_status reserve(eyot__word *w, uint32_t words)
{
    eyot__seq *s = eyot__seq_of(*w);
    unsigned kind = eyot__node_kind(&s->node);
    if (kind >= EYOT__BIG_ARRAY) return big_reserve(w, words);
    if (words <= CHUNK - s->count) return eyot__seq_own(w, words);
    eyot_status status = make_big(w, kind == EYOT__MAP ? EYOT__BIG_MAP : EYOT__BIG_ARRAY);
    return status ? status : big_reserve(w, words);
}

static eyot_status first_node(eyot__word *w, unsigned kind)
{
    eyot__seq *s = seq_new(NULL, EYOT__SEQ_BITS(kind), 8);
    if (!s) return EYOT_ENOMEM;
    *w = (eyot__word)s;
    return EYOT_OK;
}

/* ---- arrays ---------------------------------------------------------------------------------------------------- */

eyot__word eyot__array_get(eyot__word array, uint32_t i)
{
    if (eyot__is_kind(array, EYOT__ARRAY)) return eyot__seq_of(array)->w[i];
    const eyot__big *b = eyot__big_of(array);
    uint32_t at = b->skip + i;
    return eyot__seq_of(b->w[at / CHUNK])->w[at % CHUNK];
}

eyot_status eyot__array_own(eyot__word *array, uint32_t i, eyot__word **slot)
{
    eyot__seq *s;
    if (eyot__is_kind(*array, EYOT__ARRAY)) {
        eyot_status status = eyot__seq_own(array, 0);
        if (!status) *slot = &eyot__seq_of(*array)->w[i];
        return status;
    }
    uint32_t at = eyot__big_of(*array)->skip + i;
    eyot_status status = chunk_own(array, at / CHUNK, 0, &s);
    if (!status) *slot = &s->w[at % CHUNK];
    return status;
}

eyot_status eyot__array_reserve(eyot__word *array, uint32_t n)
{
    if (n > EYOT_VALUE_MAX_ITEMS - eyot__count(*array)) return EYOT_ELIMIT;
    eyot_status status = *array == EYOT__EMPTY_ARRAY ? first_node(array, EYOT__ARRAY) : EYOT_OK;
    return status ? status : reserve(array, n);
}

eyot_status eyot__array_push(eyot__word *array, eyot__word item)
{
    eyot_status status = eyot__depth_ok(item, 1) ? eyot__array_reserve(array, 1) : EYOT_ELIMIT;
    if (status) return status;
    eyot__seq *s = eyot__seq_of(*array);
    if (eyot__node_kind(&s->node) == EYOT__BIG_ARRAY) {
        s = big_tail(eyot__big_of(*array));
        eyot__big_of(*array)->live++;
    }
    s->w[s->count++] = item;
    eyot__note(eyot__node_of(*array), item);
    return EYOT_OK;
}

static eyot_status flat_drop_front(eyot__word *array, uint32_t n)
{
    eyot_status status = eyot__seq_own(array, 0);
    if (status) return status;
    eyot__seq *s = eyot__seq_of(*array);
    for (uint32_t i = 0; i < n; i++) eyot__unref(s->w[i]);
    s->count -= n;
    memmove(s->w, s->w + n, s->count * sizeof s->w[0]);
    return EYOT_OK;
}

/* Whole chunks go; of the next one the words before `skip` stay behind, unless it is ours alone. */
static void big_drop_front(eyot__big *b, uint32_t n)
{
    uint32_t skip = b->skip + n, gone = skip / CHUNK;
    for (uint32_t i = 0; i < gone; i++) eyot__unref(b->w[i]);
    b->count -= gone;
    memmove(b->w, b->w + gone, b->count * sizeof b->w[0]);
    b->live -= n;
    b->skip = skip % CHUNK;
    eyot__seq *s = b->count ? eyot__seq_of(b->w[0]) : NULL;
    if (!s || !eyot__is_sole(&s->node)) return;
    for (uint32_t i = 0; i < b->skip; i++) {
        eyot__unref(s->w[i]);
        s->w[i] = 0;
    }
}

eyot_status eyot__array_drop_front(eyot__word *array, uint32_t n)
{
    if (!n) return EYOT_OK;
    if (n == eyot__count(*array)) {
        eyot__unref(*array);
        *array = EYOT__EMPTY_ARRAY;
        return EYOT_OK;
    }
    if (eyot__is_kind(*array, EYOT__ARRAY)) return flat_drop_front(array, n);
    eyot_status status = big_own(array, 0);
    if (!status) big_drop_front(eyot__big_of(*array), n);
    return status;
}

/* ---- the index of a big map ------------------------------------------------------------------------------------ */

#define POSITION_MASK 0xffffffu

static eyot__index *index_new(uint32_t slots)
{
    size_t bytes = slots * sizeof(uint32_t);
    eyot__index *x = eyot__node_new(NULL, sizeof *x + bytes, EYOT__INDEX);
    if (!x) return NULL;
    x->used = 0;
    x->mask = slots - 1;
    memset(x->slot, 0, bytes);
    return x;
}

static void index_add(eyot__index *x, uint32_t hash, uint32_t position)
{
    uint32_t i = hash & x->mask;
    while (x->slot[i]) i = (i + 1) & x->mask;
    x->slot[i] = (hash & ~POSITION_MASK) | (position + 1);
    x->used++;
}

static const eyot__word *big_entry(const eyot__big *b, uint32_t position)
{
    uint32_t chunk = position / (CHUNK / 2), at = 2 * (position % (CHUNK / 2));
    if (chunk >= b->count || at >= eyot__seq_of(b->w[chunk])->count) return NULL; /* taken back */
    return &eyot__seq_of(b->w[chunk])->w[at];
}

static uint32_t index_find(const eyot__big *b, const char *key, size_t len, uint32_t hash)
{
    const eyot__index *x = b->index;
    for (uint32_t i = hash & x->mask; x->slot[i]; i = (i + 1) & x->mask) {
        if ((x->slot[i] ^ hash) & ~POSITION_MASK) continue;
        uint32_t position = (x->slot[i] & POSITION_MASK) - 1;
        const eyot__word *entry = big_entry(b, position);
        if (!entry || !entry[0]) continue;
        const eyot__text *t = eyot__text_of(entry[0]);
        if (t->hash == hash && eyot__text_is(t, key, len)) return position;
    }
    return EYOT__NONE;
}

static uint32_t slots_for(uint32_t entries)
{
    uint32_t slots = 64;
    while (slots / 4 * 3 < entries) slots *= 2;
    return slots;
}

/* Puts every entry of b into x. A key that is there twice is reported and ends it. */
static bool index_fill(eyot__index *x, eyot__big *b, const eyot__text **duplicate)
{
    uint32_t position = 0;
    b->index = x;
    for (uint32_t c = 0; c < b->count; c++) {
        const eyot__seq *s = eyot__seq_of(b->w[c]);
        for (uint32_t i = 0; i < s->count; i += 2, position++) {
            const eyot__text *t = eyot__text_of(s->w[i]);
            if (!t) continue;
            if (duplicate && index_find(b, t->bytes, t->len, t->hash) != EYOT__NONE) {
                *duplicate = t;
                return false;
            }
            index_add(x, t->hash, position);
        }
    }
    return true;
}

static eyot_status index_make(eyot__big *b)
{
    eyot__index *x = index_new(slots_for(b->live));
    if (x) index_fill(x, b, NULL);
    return x ? EYOT_OK : EYOT_ENOMEM;
}

static bool index_fits(const eyot__index *x, uint32_t n)
{
    return eyot__is_sole(&x->node) && x->used + n <= x->mask / 4 * 3;
}

/* Room for n more keys in the index of b, which is our own. */
static eyot_status index_reserve(eyot__big *b, uint32_t n)
{
    eyot__index *old = b->index, *x;
    if (index_fits(old, n)) return EYOT_OK;
    bool fits = old->used + n <= old->mask / 4 * 3;
    x = index_new(fits ? old->mask + 1 : slots_for(b->live + b->live / 2 + n));
    if (!x) return EYOT_ENOMEM;
    if (fits) {
        memcpy(x->slot, old->slot, ((size_t)old->mask + 1) * sizeof x->slot[0]);
        x->used = old->used;
        b->index = x;
    } else {
        index_fill(x, b, NULL);
    }
    eyot__unref((eyot__word)old);
    return EYOT_OK;
}

/* ---- maps ------------------------------------------------------------------------------------------------------ */

uint32_t eyot__map_find(eyot__word map, const char *key, size_t len, uint32_t hash)
{
    if (!eyot__is_node(map)) return EYOT__NONE;
    if (eyot__node_kind(eyot__node_of(map)) == EYOT__BIG_MAP) return index_find(eyot__big_of(map), key, len, hash);
    const eyot__seq *s = eyot__seq_of(map);
    for (uint32_t i = 0; i < s->count; i += 2) {
        const eyot__text *t = eyot__text_of(s->w[i]);
        if (t->hash == hash && eyot__text_is(t, key, len)) return i / 2;
    }
    return EYOT__NONE;
}

const eyot__word *eyot__map_entry(eyot__word map, uint32_t position)
{
    if (eyot__is_kind(map, EYOT__MAP)) return &eyot__seq_of(map)->w[2 * position];
    return big_entry(eyot__big_of(map), position);
}

eyot_status eyot__map_own(eyot__word *map, uint32_t position, eyot__word **entry)
{
    eyot__seq *s;
    if (eyot__is_kind(*map, EYOT__MAP)) {
        eyot_status status = eyot__seq_own(map, 0);
        if (!status) *entry = &eyot__seq_of(*map)->w[2 * position];
        return status;
    }
    eyot_status status = chunk_own(map, position / (CHUNK / 2), 0, &s);
    if (!status) *entry = &s->w[2 * (position % (CHUNK / 2))];
    return status;
}

static uint32_t map_positions(const eyot__big *b)
{
    uint32_t used = used_chunks(b);
    return used ? (used - 1) * (CHUNK / 2) + eyot__seq_of(b->w[used - 1])->count / 2 : 0;
}

/* A big map without its removed entries. */
static eyot_status map_compact(eyot__word *map)
{
    eyot__word fresh = EYOT__EMPTY_MAP;
    eyot_status status = eyot__map_reserve(&fresh, eyot__count(*map));
    eyot__cursor c = eyot__cursor_of(*map);
    for (const eyot__word *entry; !status && (entry = eyot__cursor_entry(&c));) {
        status = eyot__map_insert(&fresh, eyot__text_of(eyot__ref(entry[0])), eyot__ref(entry[1]));
        assert(!status);
    }
    eyot__unref(status ? fresh : *map);
    if (!status) *map = fresh;
    return status;
}

/* Free words of a node that is ours alone. */
static uint32_t seq_room(const eyot__seq *s)
{
    return eyot__is_sole(&s->node) ? s->cap - s->count : 0;
}

static bool map_has_room(eyot__word map, uint32_t n)
{
    if (eyot__is_kind(map, EYOT__MAP)) return 2 * n <= seq_room(eyot__seq_of(map));
    const eyot__big *b = eyot__big_of(map);
    if (!eyot__is_sole(&b->node) || !index_fits(b->index, n)) return false;
    uint32_t used = used_chunks(b), room = (b->count - used) * CHUNK;
    if (used) room += seq_room(eyot__seq_of(b->w[used - 1]));
    return 2 * n <= room;
}

eyot_status eyot__map_reserve(eyot__word *map, uint32_t n)
{
    eyot_status status = EYOT_OK;
    if (*map == EYOT__EMPTY_MAP) status = first_node(map, EYOT__MAP);
    if (status || map_has_room(*map, n)) return status;
    if (n > EYOT_VALUE_MAX_ITEMS) return EYOT_ELIMIT;
    if (eyot__is_kind(*map, EYOT__BIG_MAP)) {
        uint32_t positions = map_positions(eyot__big_of(*map)), live = eyot__count(*map);
        bool full = n > EYOT_VALUE_MAX_ITEMS - positions;
        if (full || positions / 2 > live + CHUNK) status = map_compact(map);
        if (full && !status && n > EYOT_VALUE_MAX_ITEMS - live) status = EYOT_ELIMIT;
        if (status == EYOT_ENOMEM && !full) status = EYOT_OK; /* it was only a wish */
    }
    if (!status) status = reserve(map, 2 * n);
    if (!status && eyot__is_kind(*map, EYOT__BIG_MAP)) status = index_reserve(eyot__big_of(*map), n);
    return status;
}

eyot_status eyot__map_insert(eyot__word *map, eyot__text *key, eyot__word value)
{
    eyot_status status = eyot__depth_ok(value, 1) ? eyot__map_reserve(map, 1) : EYOT_ELIMIT;
    if (status) return status;
    eyot__seq *s = eyot__seq_of(*map);
    if (eyot__node_kind(&s->node) == EYOT__BIG_MAP) {
        eyot__big *b = eyot__big_of(*map);
        index_add(b->index, key->hash, map_positions(b));
        b->live++;
        s = big_tail(b);
    }
    s->w[s->count] = (eyot__word)key;
    s->w[s->count + 1] = value;
    s->count += 2;
    eyot__note(eyot__node_of(*map), value);
    return EYOT_OK;
}

eyot_status eyot__map_remove(eyot__word *map, uint32_t position)
{
    eyot__word *entry;
    eyot_status status = eyot__map_own(map, position, &entry);
    if (status) return status;
    eyot__word key = entry[0], value = entry[1];
    if (eyot__is_kind(*map, EYOT__MAP)) {
        eyot__seq *s = eyot__seq_of(*map);
        s->count -= 2;
        memmove(entry, entry + 2, (s->count - 2 * position) * sizeof *entry);
    } else {
        entry[0] = entry[1] = 0;
        eyot__big_of(*map)->live--;
    }
    eyot__unref(key);
    eyot__unref(value);
    return EYOT_OK;
}

static eyot_status map_replace(eyot__word *map, uint32_t position, eyot__word value)
{
    eyot__word *entry;
    eyot_status status = eyot__depth_ok(value, 1) ? eyot__map_own(map, position, &entry) : EYOT_ELIMIT;
    if (status) return status;
    eyot__word old = entry[1];
    entry[1] = value;
    eyot__note(eyot__node_of(*map), value);
    eyot__unref(old);
    return EYOT_OK;
}

eyot_status eyot__map_put(eyot__word *map, const char *key, size_t len, eyot__word value)
{
    uint32_t hash = eyot__key_hash(key, len, eyot__key_secret());
    uint32_t at = eyot__map_find(*map, key, len, hash);
    eyot_status status;
    if (at != EYOT__NONE) {
        status = map_replace(map, at, value);
    } else {
        eyot__text *text;
        status = eyot__key_new(&text, key, len, hash);
        if (!status) {
            status = eyot__map_insert(map, text, value);
            if (status) eyot__unref((eyot__word)text);
        }
    }
    if (status) eyot__unref(value);
    return status;
}

/* ---- for decoders ---------------------------------------------------------------------------------------------- */

eyot__big *eyot__big_begin(uint16_t bits, uint32_t n)
{
    return big_new(bits, n);
}

eyot_status eyot__big_end(eyot__big *b, const eyot__text **duplicate)
{
    uint32_t words = (b->count - 1) * CHUNK + eyot__seq_of(b->w[b->count - 1])->count;
    b->live = words;
    if (eyot__node_kind(&b->node) != EYOT__BIG_MAP) return EYOT_OK;
    b->live = words / 2;
    eyot__index *x = index_new(slots_for(b->live));
    if (!x) return EYOT_ENOMEM;
    return index_fill(x, b, duplicate) ? EYOT_OK : EYOT_EEXIST;
}

eyot_status eyot__big_from(eyot__word *out, uint16_t bits, const eyot__word *chunks, uint32_t n,
                           const eyot__text **duplicate)
{
    eyot__big *b = eyot__big_begin(bits, n);
    if (!b) return EYOT_ENOMEM;
    b->count = n;
    memcpy(b->w, chunks, n * sizeof *chunks);
    eyot_status status = eyot__big_end(b, duplicate);
    if (status) {
        eyot__unref((eyot__word)b->index);
        eyot__node_release(&b->node);
    } else {
        *out = (eyot__word)b;
    }
    return status;
}

/* Two keys can only be equal when their hashes set the same of 64 bits; then it is worth comparing. */
const eyot__text *eyot__find_duplicate(const eyot__word *words, uint32_t n)
{
    uint64_t seen = 0;
    for (uint32_t i = 0; i < n; i += 2) {
        const eyot__text *t = eyot__text_of(words[i]);
        uint64_t bit = (uint64_t)1 << (t->hash >> 26);
        for (uint32_t k = 0; (seen & bit) && k < i; k += 2) {
            const eyot__text *other = eyot__text_of(words[k]);
            if (other == t || (other->hash == t->hash && eyot__text_is(other, t->bytes, t->len))) return t;
        }
        seen |= bit;
    }
    return NULL;
}

/* ---- what everybody calls -------------------------------------------------------------------------------------- */

/* The builders' common end: what they were given is theirs, whatever happens. */
static eyot_value *built(eyot_status status, eyot__word w)
{
    if (!status) return eyot__value_of(w);
    eyot__unref(w);
    return NULL;
}

eyot_value *eyot_value_set_len(eyot_value *map_take, const char *key, size_t key_len, eyot_value *value_take)
{
    eyot__word map = eyot__word_of(map_take), value = eyot__word_of(value_take);
    if (!key || !value || !eyot__is_map(map)) {
        eyot__unref(value);
        return built(EYOT_EINVAL, map);
    }
    eyot_status status = eyot__map_put(&map, key, key_len, value);
    return built(status, map);
}

eyot_value *eyot_value_set(eyot_value *map_take, const char *key, eyot_value *value_take)
{
    return eyot_value_set_len(map_take, key, key ? strlen(key) : 0, value_take);
}

eyot_value *eyot_value_remove_len(eyot_value *map_take, const char *key, size_t key_len)
{
    eyot__word map = eyot__word_of(map_take);
    if (!key || !eyot__is_map(map)) return built(EYOT_EINVAL, map);
    uint32_t at = eyot__map_find(map, key, key_len, eyot__key_hash(key, key_len, eyot__key_secret()));
    eyot_status status = at == EYOT__NONE ? EYOT_OK : eyot__map_remove(&map, at);
    return built(status, map);
}

eyot_value *eyot_value_remove(eyot_value *map_take, const char *key)
{
    return eyot_value_remove_len(map_take, key, key ? strlen(key) : 0);
}

eyot_value *eyot_value_append(eyot_value *array_take, eyot_value *value_take)
{
    eyot__word array = eyot__word_of(array_take), value = eyot__word_of(value_take);
    eyot_status status = value && eyot__is_array(array) ? eyot__array_push(&array, value) : EYOT_EINVAL;
    if (status) eyot__unref(value);
    return built(status, array);
}

eyot_value *eyot_value_set_item(eyot_value *array_take, size_t i, eyot_value *value_take)
{
    eyot__word array = eyot__word_of(array_take), value = eyot__word_of(value_take), *slot;
    eyot_status status = EYOT_EINVAL;
    if (value && eyot__is_array(array) && i < eyot__count(array) && eyot__depth_ok(value, 1))
        status = eyot__array_own(&array, (uint32_t)i, &slot);
    if (!status) {
        eyot__word old = *slot;
        *slot = value;
        value = old;
        eyot__note(eyot__node_of(array), *slot);
    }
    eyot__unref(value);
    return built(status, array);
}

/* Rare enough to write the array anew. */
eyot_value *eyot_value_remove_item(eyot_value *array_take, size_t i)
{
    eyot__word array = eyot__word_of(array_take), rest = EYOT__EMPTY_ARRAY;
    eyot_status status = eyot__is_array(array) && i < eyot__count(array) ? EYOT_OK : EYOT_EINVAL;
    eyot__cursor c = eyot__cursor_of(status ? 0 : array);
    size_t at = 0;
    for (eyot__word item; !status && (item = eyot__cursor_item(&c)); at++) {
        if (at == i) continue;
        status = eyot__array_push(&rest, item);
        if (!status) eyot__ref(item);
    }
    eyot__unref(array);
    return built(status, rest);
}
