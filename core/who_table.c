/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "core/key.h"

static eyot__who gone; /* the mark; never touched */

uint64_t eyot__who_hash(const eyot__who *w)
{
    uint64_t hash = (w->node + 1) * 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; w->stamp && i < w->stamp->n; i++) hash = (hash ^ w->stamp->c[i]) * 0xbf58476d1ce4e5b9u;
    for (const eyot__path *p = w->path; p; p = p->parent) {
        hash = (hash ^ p->kind ^ hash >> 32) * 0x94d049bb133111ebu;
        for (uint32_t i = 0; i < p->n; i++) hash = (hash ^ (uint64_t)p->c[i]) * 0xbf58476d1ce4e5b9u;
    }
    return hash ^ hash >> 29;
}

static void place(eyot__who_table *t, eyot__who *who)
{
    size_t i = eyot__who_hash(who) & (t->size - 1);
    while (t->slots[i] && t->slots[i] != &gone) i = (i + 1) & (t->size - 1);
    t->used += !t->slots[i];
    t->slots[i] = who;
}

eyot_status eyot__who_table_add(eyot__who_table *t, eyot__who *who)
{
    if (4 * (t->used + 1) > 3 * t->size) {
        size_t live = 0;
        for (size_t i = 0; i < t->size; i++) live += t->slots[i] && t->slots[i] != &gone;
        eyot__who_table bigger = {.size = 64};
        while (bigger.size < 4 * (live + 1)) bigger.size *= 2;
        bigger.slots = calloc(bigger.size, sizeof(eyot__who *));
        if (!bigger.slots) return EYOT_ENOMEM;
        for (size_t i = 0; i < t->size; i++)
            if (t->slots[i] && t->slots[i] != &gone) place(&bigger, t->slots[i]);
        free(t->slots);
        *t = bigger;
    }
    place(t, who);
    return EYOT_OK;
}

static eyot__who **slot_of(const eyot__who_table *t, const eyot__who *who)
{
    if (t->size == 0) return NULL;
    for (size_t i = eyot__who_hash(who) & (t->size - 1); t->slots[i]; i = (i + 1) & (t->size - 1))
        if (t->slots[i] != &gone && eyot__who_compare(t->slots[i], who) == 0) return &t->slots[i];
    return NULL;
}

eyot__who *eyot__who_table_find(const eyot__who_table *t, const eyot__who *who)
{
    eyot__who **slot = slot_of(t, who);
    return slot ? *slot : NULL;
}

eyot__who *eyot__who_table_take(eyot__who_table *t, const eyot__who *who)
{
    eyot__who **slot = slot_of(t, who), *found = slot ? *slot : NULL;
    if (slot) *slot = &gone;
    return found;
}

void eyot__who_table_clear(eyot__who_table *t)
{
    free(t->slots);
    *t = (eyot__who_table){0};
}
