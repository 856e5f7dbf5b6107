/* SPDX-License-Identifier: MIT */
#include "cli/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------------------------- */

void *cli_realloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (q) return q;
    fputs("eyot: out of memory\n", stderr);
    _Exit(1);
}

enum { CHUNK_LEAST = 4096, CHUNK_MOST = 256 * 1024 };

typedef struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    alignas(max_align_t) char bytes[];
} arena_chunk;

/* Chunks grow with what is there, so that little is lost at either size; what would not fit well gets its own, behind
 * the one that is being filled. */
static arena_chunk *chunk_for(arena *a, size_t size)
{
    arena_chunk *head = a->chunks;
    if (head && head->size - head->used >= size) return head;
    size_t usual = a->total / 4;
    if (usual < CHUNK_LEAST) usual = CHUNK_LEAST;
    if (usual > CHUNK_MOST) usual = CHUNK_MOST;
    bool own = size > usual / 4;
    size_t room = own ? size : usual;
    arena_chunk *c = cli_realloc(NULL, sizeof *c + room);
    c->used = 0;
    c->size = room;
    a->total += room;
    arena_chunk **at = own && head ? &head->next : &a->chunks;
    c->next = *at;
    *at = c;
    return c;
}

void *arena_alloc(arena *a, size_t size)
{
    size_t align = alignof(max_align_t);
    size = (size + align - 1) / align * align;
    arena_chunk *c = chunk_for(a, size);
    void *p = c->bytes + c->used;
    c->used += size;
    return memset(p, 0, size);
}

char *arena_text(arena *a, const char *bytes, size_t len)
{
    char *text = arena_alloc(a, len + 1);
    if (len) memcpy(text, bytes, len);
    return text;
}

void arena_clear(arena *a)
{
    while (a->chunks) {
        arena_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
    a->total = 0;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

/* FNV-1a: files are not written by enemies of the one who runs them, and the number of values is limited. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h ^ (h >> 32);
}

/* The slot of a text, or the free one where it would be. */
static uint32_t *slot_of(const names *n, const char *text)
{
    size_t i = hash(text) & (n->n_slots - 1);
    while (n->slots[i] && strcmp(n->texts[n->slots[i] - 1], text) != 0) i = (i + 1) & (n->n_slots - 1);
    return &n->slots[i];
}

static void grow(names *n)
{
    n->n_slots = n->n_slots ? n->n_slots * 2 : 16;
    n->slots = cli_realloc(n->slots, n->n_slots * sizeof *n->slots);
    memset(n->slots, 0, n->n_slots * sizeof *n->slots);
    n->cap = n->n_slots / 2;
    n->texts = cli_realloc(n->texts, n->cap * sizeof *n->texts);
    for (size_t i = 0; i < n->n; i++) *slot_of(n, n->texts[i]) = (uint32_t)i + 1;
}

size_t names_add(names *n, const char *text, bool *is_new)
{
    if (n->n == n->cap) grow(n);
    uint32_t *slot = slot_of(n, text);
    *is_new = *slot == 0;
    if (*is_new) {
        n->texts[n->n] = text;
        *slot = (uint32_t)++n->n;
    }
    return *slot - 1;
}

size_t names_find(const names *n, const char *text)
{
    if (n->n == 0) return NAMES_NONE;
    uint32_t found = *slot_of(n, text);
    return found ? found - 1 : NAMES_NONE;
}

void names_clear(names *n)
{
    free(n->texts);
    free(n->slots);
    *n = (names){0};
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

void textbuf_add(textbuf *b, const char *bytes, size_t len)
{
    if (b->len + len + 1 > b->cap) {
        b->cap = b->cap * 3 / 2 + len + 64;
        b->text = cli_realloc(b->text, b->cap);
    }
    memcpy(b->text + b->len, bytes, len);
    b->len += len;
    b->text[b->len] = '\0';
}

void textbuf_puts(textbuf *b, const char *text)
{
    textbuf_add(b, text, strlen(text));
}

void textbuf_json(textbuf *b, const char *bytes, size_t len)
{
    textbuf_puts(b, "\"");
    for (size_t done = 0, i = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)bytes[i] : 0;
        if (i < len && c >= 0x20 && c != '"' && c != '\\') continue;
        textbuf_add(b, bytes + done, i - done);
        done = i + 1;
        if (i == len) break;
        char escape[8];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else if (c == '\n' || c == '\t')
            snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : 't');
        else
            snprintf(escape, sizeof escape, "\\u%04x", c);
        textbuf_puts(b, escape);
    }
    textbuf_puts(b, "\"");
}

void textbuf_clear(textbuf *b)
{
    free(b->text);
    *b = (textbuf){0};
}
