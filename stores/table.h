/* SPDX-License-Identifier: MIT */
/* A hash table of things that begin with a node, keyed by bytes. It owns its array, not the things. */
#ifndef EYOT_STORES_TABLE_H
#define EYOT_STORES_TABLE_H

#include "core/store.h"

#include <stdlib.h>
#include <string.h>

typedef struct node {
    struct node *next;
    uint64_t hash;
    eyot_bytes key; /* points into the thing itself */
} node;

typedef struct table {
    node **at; /* a power of two of lists */
    size_t n, mask;
} table;

/* Eight bytes at a time through the 64-bit finalizer of MurmurHash3 (Appleby). */
static inline uint64_t hash_bytes(eyot_bytes key)
{
    const unsigned char *p = key.p;
    uint64_t h = key.n;
    for (size_t left = key.n; left;) {
        uint64_t word = 0;
        size_t take = left < 8 ? left : 8;
        memcpy(&word, p, take);
        h ^= word;
        h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCDu;
        h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53u;
        p += take;
        left -= take;
    }
    return h ^ (h >> 33);
}

static inline void *table_find(const table *t, eyot_bytes key)
{
    if (!t->at) return NULL;
    uint64_t h = hash_bytes(key);
    node *n = t->at[h & t->mask];
    while (n && (n->hash != h || !eyot__bytes_equal(n->key, key))) n = n->next;
    return n;
}

/* Makes room for one more, so that table_add cannot fail. */
static inline bool table_reserve(table *t)
{
    size_t old = t->at ? t->mask + 1 : 0, size = old ? 2 * old : 16;
    if (t->n < old) return true;
    node **at = calloc(size, sizeof(node *));
    if (!at) return false;
    for (size_t i = 0; i < old; i++)
        for (node *n = t->at[i], *next; n; n = next) {
            next = n->next;
            n->next = at[n->hash & (size - 1)];
            at[n->hash & (size - 1)] = n;
        }
    free(t->at);
    t->at = at;
    t->mask = size - 1;
    return true;
}

static inline void table_add(table *t, node *n)
{
    n->hash = hash_bytes(n->key);
    n->next = t->at[n->hash & t->mask];
    t->at[n->hash & t->mask] = n;
    t->n++;
}

static inline void table_remove(table *t, node *n)
{
    node **p = &t->at[n->hash & t->mask];
    while (*p != n) p = &(*p)->next;
    *p = n->next;
    t->n--;
}

#endif
