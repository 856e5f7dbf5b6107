/* SPDX-License-Identifier: MIT */
/* What the readers of all codecs share: short texts, and the keys of maps, which mostly come again. */
#ifndef EYOT_COPIERS_READING_H
#define EYOT_COPIERS_READING_H

#include "copiers/scan.h"
#include "copiers/value.h"

/* As eyot__text_new for less than 32 plain bytes that can be read 32 at a time; these go into the node, or the slack
 * behind it. */
static inline eyot__text *eyot__text_short(eyot__arena *a, const char *bytes, size_t len, uint32_t hash)
{
    eyot__text *t = eyot__node_new(a, sizeof *t + len + 1, EYOT__TEXT | EYOT__PLAIN);
    if (!t) return NULL;
    t->len = (uint32_t)len;
    t->hash = hash;
    memcpy(t->bytes, bytes, EYOT__PAGE_SLACK);
    if (len > EYOT__PAGE_SLACK) memcpy(t->bytes + EYOT__PAGE_SLACK, bytes + EYOT__PAGE_SLACK, EYOT__PAGE_SLACK);
    t->bytes[len] = 0;
    return t;
}

/* Are the bytes of t those at p, of which len + 8 can be read? Nodes are made of words of 8 bytes: so is the comparison. */
static inline bool eyot__text_starts(const char *p, const eyot__text *t)
{
    uint64_t a, b;
    size_t len = t->len;
    const char *q = t->bytes;
    for (; len >= 8; len -= 8, p += 8, q += 8) {
        memcpy(&a, p, 8);
        memcpy(&b, q, 8);
        if (a != b) return false;
    }
    memcpy(&a, p, 8);
    memcpy(&b, q, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return len == 0 || (a ^ b) >> (64 - 8 * len) == 0;
#else
    return len == 0 || (a ^ b) << (64 - 8 * len) == 0;
#endif
}

/* ---- keys ------------------------------------------------------------------------------------------------------ */

#define EYOT__KEYS 64u

/* The keys that a reader has made, as far as no other took their place. Borrowed: they are in what is being read. */
typedef struct eyot__keys {
    eyot__text *made[EYOT__KEYS];
    uint64_t secret;
} eyot__keys;

/* Nobody but the reader knows the key yet. */
static inline eyot__word eyot__key_ref(eyot__text *t)
{
    uint32_t refs = atomic_load_explicit(&t->node.refs, memory_order_relaxed);
    atomic_store_explicit(&t->node.refs, refs + 1, memory_order_relaxed);
    return (eyot__word)t;
}

/* For keys that are not guessed: readers keep it out of the way of those that are.
 * A key of bytes that are valid UTF-8, 0: no memory. `quick`: they can be read 32 at a time. */
static inline eyot__word eyot__key_from(eyot__keys *keys, eyot__arena *a, const char *bytes, size_t len, bool plain,
                                        bool quick)
{
    uint32_t hash = eyot__key_hash(bytes, len, keys->secret);
    eyot__text **made = &keys->made[hash % EYOT__KEYS];
    if (*made && (*made)->hash == hash && eyot__text_is(*made, bytes, len)) return eyot__key_ref(*made);
    eyot__text *t = quick && plain && len < 32
                        ? eyot__text_short(a, bytes, len, hash)
                        : eyot__text_new(a, EYOT__TEXT | (plain ? EYOT__PLAIN : 0), bytes, len, hash);
    if (t) *made = t;
    return (eyot__word)t;
}

/* For an error's text: as much of a key as it has room for. */
static inline void eyot__key_show(char *to, size_t size, const eyot__text *key)
{
    size_t n = key->len < size - 1 ? key->len : size - 1;
    memcpy(to, key->bytes, n);
    to[n] = 0;
}

#endif
