/* SPDX-License-Identifier: MIT */
/* What goes over a whole value: iterating, comparing, hashing, measuring. Depth is bounded, so the stacks are arrays. */
#include "copiers/value.h"

eyot_value_iter eyot_value_each(const eyot_value *v)
{
    eyot_value_iter it;
    memset(&it, 0, sizeof it);
    eyot__word w = eyot__word_of(v);
    if (!eyot__is_node(w) || eyot__node_kind(eyot__node_of(w)) < EYOT__ARRAY) return it;
    eyot__cursor c = eyot__cursor_of(w);
    it.place[0] = c.at;
    it.place[1] = c.stop;
    it.place[2] = c.big;
    it.next = (uint64_t)c.chunk << 32 | (eyot__is_map(w) ? 2u : 1u);
    it.index = (size_t)-1;
    return it;
}

bool eyot_value_next(eyot_value_iter *it)
{
    eyot__cursor c = {it->place[0], it->place[1], it->place[2], (uint32_t)(it->next >> 32)};
    unsigned words = (unsigned)it->next;
    if (!words) return false;
    it->value = NULL;
    if (words == 1) {
        it->value = eyot__value_of(eyot__cursor_item(&c));
    } else {
        const eyot__word *entry = eyot__cursor_entry(&c);
        it->key = entry ? eyot__text_of(entry[0])->bytes : NULL;
        it->key_len = entry ? eyot__text_of(entry[0])->len : 0;
        if (entry) it->value = eyot__value_of(entry[1]);
    }
    it->index++;
    it->place[0] = c.at;
    it->place[1] = c.stop;
    it->next = it->value ? (uint64_t)c.chunk << 32 | words : 0;
    return it->value != NULL;
}

/* ---- equal ----------------------------------------------------------------------------------------------------- */

typedef enum { DIFFERENT, SAME, INSIDE } verdict; /* INSIDE: two containers, to be gone over */

static verdict compare_words(eyot__word a, eyot__word b)
{
    if (a == b) return SAME;
    if (eyot__is_map(a) || eyot__is_array(a)) {
        bool alike = eyot__is_map(a) ? eyot__is_map(b) : eyot__is_array(b);
        if (!alike || eyot__count(a) != eyot__count(b)) return DIFFERENT;
        return eyot__count(a) ? INSIDE : SAME;
    }
    if (!eyot__is_node(a) || !eyot__is_node(b)) return DIFFERENT;
    unsigned kind = eyot__node_kind(eyot__node_of(a));
    if (kind != eyot__node_kind(eyot__node_of(b))) return DIFFERENT;
    if (kind > EYOT__EXT) { /* a boxed number: its bits, also of a double */
        const eyot__number *x = (const eyot__number *)a, *y = (const eyot__number *)b;
        return memcmp(&x->as, &y->as, sizeof x->as) == 0 ? SAME : DIFFERENT;
    }
    const eyot__text *s = eyot__text_of(a), *t = eyot__text_of(b);
    if (kind == EYOT__EXT && s->hash != t->hash) return DIFFERENT;
    return eyot__text_is(s, t->bytes, t->len) ? SAME : DIFFERENT;
}

bool eyot_value_equal(const eyot_value *x, const eyot_value *y)
{
    struct {
        eyot__cursor a, b;
        bool map;
    } stack[EYOT_VALUE_MAX_DEPTH], *top = stack;
    eyot__word a = eyot__word_of(x), b = eyot__word_of(y);
    size_t depth = 0;
    for (;;) {
        switch (compare_words(a, b)) {
        case DIFFERENT: return false;
        case INSIDE:
            assert(depth < EYOT_VALUE_MAX_DEPTH);
            top = &stack[depth++];
            top->a = eyot__cursor_of(a);
            top->b = eyot__cursor_of(b);
            top->map = eyot__is_map(a);
            break;
        case SAME: break;
        }
        for (a = 0; depth && !a;) {
            top = &stack[depth - 1];
            if (top->map) {
                const eyot__word *p = eyot__cursor_entry(&top->a), *q = eyot__cursor_entry(&top->b);
                if (p && compare_words(p[0], q[0]) != SAME) return false;
                a = p ? p[1] : 0;
                b = q ? q[1] : 0;
            } else {
                a = eyot__cursor_item(&top->a);
                b = eyot__cursor_item(&top->b);
            }
            if (!a) depth--;
        }
        if (!depth && !a) return true;
    }
}

/* ---- hash and size --------------------------------------------------------------------------------------------- */

/* Of one word without what is inside it. Same in every process, so without the secret of the keys. */
static uint64_t hash_word(eyot__word w)
{
    uint64_t n;
    if (eyot__is_map(w) || eyot__is_array(w)) {
        n = (uint64_t)eyot__count(w) << 1 | eyot__is_map(w);
        return eyot__hash_bytes(&n, sizeof n, 1);
    }
    if (!eyot__is_node(w)) return eyot__hash_bytes(&w, sizeof w, 2);
    unsigned kind = eyot__node_kind(eyot__node_of(w));
    if (kind > EYOT__EXT) return eyot__hash_bytes(&((const eyot__number *)w)->as, 8, kind);
    const eyot__text *t = eyot__text_of(w);
    return eyot__hash_bytes(t->bytes, t->len, kind == EYOT__EXT ? (uint64_t)kind << 8 | t->hash : kind + 16);
}

static size_t node_bytes(eyot__word w)
{
    const eyot__seq *s = eyot__seq_of(w);
    const eyot__big *b = eyot__big_of(w);
    size_t bytes = 0;
    if (!eyot__is_node(w)) return 0;
    switch (eyot__node_kind(eyot__node_of(w))) {
    case EYOT__TEXT:
    case EYOT__BYTES:
    case EYOT__EXT: return sizeof(eyot__text) + eyot__text_of(w)->len + 1;
    case EYOT__ARRAY:
    case EYOT__MAP: return sizeof *s + s->cap * sizeof s->w[0];
    case EYOT__BIG_ARRAY:
    case EYOT__BIG_MAP: break;
    default: return sizeof(eyot__number);
    }
    for (uint32_t i = 0; i < b->count; i++) bytes += sizeof *s + eyot__seq_of(b->w[i])->cap * sizeof s->w[0];
    if (b->index) bytes += sizeof *b->index + ((size_t)b->index->mask + 1) * sizeof b->index->slot[0];
    return bytes + sizeof *b + b->cap * sizeof b->w[0];
}

typedef struct totals {
    uint64_t hash;
    size_t bytes;
} totals;

static void add_word(totals *t, eyot__word w, bool hashing)
{
    if (hashing) {
        uint64_t both[2] = {t->hash, hash_word(w)};
        t->hash = eyot__hash_bytes(both, sizeof both, 0);
    } else {
        t->bytes += node_bytes(w);
    }
}

/* Adds up v and all that is inside, in order. */
static totals walk(eyot__word w, bool hashing)
{
    struct {
        eyot__cursor c;
        bool map;
    } stack[EYOT_VALUE_MAX_DEPTH];
    size_t depth = 0;
    totals t = {0, 0};
    while (w) {
        add_word(&t, w, hashing);
        if (eyot__is_node(w) && eyot__node_kind(eyot__node_of(w)) >= EYOT__ARRAY) {
            assert(depth < EYOT_VALUE_MAX_DEPTH);
            stack[depth].c = eyot__cursor_of(w);
            stack[depth++].map = eyot__is_map(w);
        }
        for (w = 0; depth && !w;) {
            if (stack[depth - 1].map) {
                const eyot__word *entry = eyot__cursor_entry(&stack[depth - 1].c);
                if (entry) add_word(&t, entry[0], hashing);
                w = entry ? entry[1] : 0;
            } else {
                w = eyot__cursor_item(&stack[depth - 1].c);
            }
            if (!w) depth--;
        }
    }
    return t;
}

uint64_t eyot_value_hash(const eyot_value *v)
{
    return walk(eyot__word_of(v), true).hash;
}

size_t eyot_value_measure(const eyot_value *v)
{
    return sizeof(void *) + walk(eyot__word_of(v), false).bytes;
}
