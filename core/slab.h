/* SPDX-License-Identifier: MIT */
/* Objects of one size from chunks that are freed together: what a run allocates per branch. Not thread-safe: the
 * owner's lock guards it. Chunks double, so that a small run makes one allocation or none. */
#ifndef EYOT_CORE_SLAB_H
#define EYOT_CORE_SLAB_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct eyot__slab_item {
    struct eyot__slab_item *next;
} eyot__slab_item;

typedef struct eyot__slab {
    eyot__slab_item *free;
    eyot__slab_item *chunks;
    char *fresh, *end; /* the part of the newest chunk that was never used */
    size_t size, chunk;
} eyot__slab;

#define EYOT__SLAB_ALIGN(size) (((size) + 15u) & ~(size_t)15u)

/* `memory` (may be NULL), of `bytes`, 16-aligned, is used first and stays the caller's. */
static inline void eyot__slab_init(eyot__slab *s, size_t size, void *memory, size_t bytes)
{
    s->free = NULL;
    s->chunks = NULL;
    s->size = EYOT__SLAB_ALIGN(size);
    s->fresh = memory;
    s->end = memory ? (char *)memory + bytes : NULL;
    s->chunk = 8 * s->size;
}

/* The slow path of eyot__slab_take. */
static inline void *eyot__slab_grow(eyot__slab *s)
{
    char *memory = malloc(16 + s->chunk);
    if (!memory) return NULL;
    ((eyot__slab_item *)(void *)memory)->next = s->chunks;
    s->chunks = (eyot__slab_item *)(void *)memory;
    s->fresh = memory + 16 + s->size;
    s->end = memory + 16 + s->chunk;
    if (s->chunk < (size_t)64 * 1024) s->chunk *= 2;
    return memory + 16;
}

static inline void *eyot__slab_take(eyot__slab *s)
{
    if (s->free) {
        eyot__slab_item *item = s->free;
        s->free = item->next;
        return item;
    }
    if ((size_t)(s->end - s->fresh) >= s->size) {
        void *item = s->fresh;
        s->fresh += s->size;
        return item;
    }
    return eyot__slab_grow(s);
}

static inline void eyot__slab_give(eyot__slab *s, void *item)
{
    eyot__slab_item *i = item;
    i->next = s->free;
    s->free = i;
}

static inline void eyot__slab_clear(eyot__slab *s)
{
    for (eyot__slab_item *c = s->chunks; c;) {
        eyot__slab_item *next = c->next;
        free(c);
        c = next;
    }
    s->chunks = NULL;
    s->free = NULL;
    s->fresh = s->end = NULL;
}

#endif
