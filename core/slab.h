/* SPDX-License-Identifier: MIT */
/* Objects of one size from chunks that are freed together: what a run allocates per branch. Not thread-safe: the
 * owner's lock guards it. Chunks grow, so that a small run makes one allocation or none. */
#ifndef EYOT_CORE_SLAB_H
#define EYOT_CORE_SLAB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct eyot__slab_item {
    struct eyot__slab_item *next;
} eyot__slab_item;

enum { EYOT__CHUNK_BYTES = 64 * 1024, EYOT__CHUNKS_KEPT = 256 };

/* Full-size chunks that runs give back and take again, so that a large run does not fault its memory in anew: up to 16 MiB
 * per engine, shared by the engine and its runs, which may outlive it. */
typedef struct eyot__chunks {
    _Atomic uint32_t refs;
    pthread_mutex_t lock; /* guards the rest */
    eyot__slab_item *free;
    uint32_t n;
} eyot__chunks;

typedef struct eyot__slab {
    eyot__chunks *source; /* NULL: malloc alone */
    eyot__slab_item *free;
    eyot__slab_item *chunks; /* each with its size behind the link */
    char *fresh, *end;       /* the part of the newest chunk that was never used */
    size_t size, chunk;
} eyot__slab;

#define EYOT__SLAB_ALIGN(size) (((size) + 15u) & ~(size_t)15u)

/* `memory` (may be NULL), of `bytes`, 16-aligned, is used first and stays the caller's. */
static inline void eyot__slab_init(eyot__slab *s, size_t size, void *memory, size_t bytes, eyot__chunks *source)
{
    s->source = source;
    s->free = NULL;
    s->chunks = NULL;
    s->size = EYOT__SLAB_ALIGN(size);
    s->fresh = memory;
    s->end = memory ? (char *)memory + bytes : NULL;
    s->chunk = 8 * s->size;
}

static inline eyot__chunks *eyot__chunks_new(void)
{
    eyot__chunks *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    atomic_init(&c->refs, 1);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static inline eyot__chunks *eyot__chunks_ref(eyot__chunks *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static inline void eyot__chunks_unref(eyot__chunks *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
    while (c->free) {
        eyot__slab_item *next = c->free->next;
        free(c->free);
        c->free = next;
    }
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static inline void *eyot__chunk_take(eyot__chunks *c)
{
    pthread_mutex_lock(&c->lock);
    eyot__slab_item *chunk = c->free;
    if (chunk) {
        c->free = chunk->next;
        c->n--;
    }
    pthread_mutex_unlock(&c->lock);
    return chunk;
}

static inline bool eyot__chunk_give(eyot__chunks *c, eyot__slab_item *chunk)
{
    pthread_mutex_lock(&c->lock);
    bool kept = c->n < EYOT__CHUNKS_KEPT;
    if (kept) {
        chunk->next = c->free;
        c->free = chunk;
        c->n++;
    }
    pthread_mutex_unlock(&c->lock);
    return kept;
}

/* The slow path of eyot__slab_take. */
static inline void *eyot__slab_grow(eyot__slab *s)
{
    char *memory = NULL;
    if (s->chunk >= EYOT__CHUNK_BYTES) s->chunk = EYOT__CHUNK_BYTES;
    if (s->chunk < s->size + 16) s->chunk = s->size + 16;
    if (s->source && s->chunk == EYOT__CHUNK_BYTES) memory = eyot__chunk_take(s->source);
    if (!memory && !(memory = malloc(s->chunk))) return NULL;
    ((eyot__slab_item *)(void *)memory)->next = s->chunks;
    memcpy(memory + sizeof(eyot__slab_item), &s->chunk, sizeof s->chunk);
    s->chunks = (eyot__slab_item *)(void *)memory;
    s->fresh = memory + 16 + s->size;
    s->end = memory + s->chunk;
    s->chunk *= 4;
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
        size_t bytes;
        memcpy(&bytes, (char *)c + sizeof *c, sizeof bytes);
        if (!s->source || bytes != EYOT__CHUNK_BYTES || !eyot__chunk_give(s->source, c)) free(c);
        c = next;
    }
    s->chunks = NULL;
    s->free = NULL;
    s->fresh = s->end = NULL;
}

#endif
