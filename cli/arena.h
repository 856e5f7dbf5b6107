/* SPDX-License-Identifier: MIT */
/* Memory of one reading of a graph file: allocated piece by piece, freed at once. Files are small and read before work
 * begins, so these calls do not fail: without memory the program ends with one line on stderr. */
#ifndef EYOT_CLI_ARENA_H
#define EYOT_CLI_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Like realloc, but ends the program without memory. Freed by free. */
void *cli_realloc(void *p, size_t size);

typedef struct arena {
    struct arena_chunk *chunks;
    size_t total;
} arena;

/* Zeroed memory, aligned for anything, until arena_clear. */
void *arena_alloc(arena *a, size_t size);
/* A copy of these bytes with a NUL behind it. */
char *arena_text(arena *a, const char *bytes, size_t len);
void arena_clear(arena *a);

/* Texts, each once, numbered from 0 in the order they came. The texts themselves are borrowed. Zero is an empty one. */
typedef struct names {
    const char **texts;
    size_t n, cap;
    uint32_t *slots; /* number + 1; 0: free */
    size_t n_slots;  /* a power of two */
} names;

#define NAMES_NONE SIZE_MAX

/* The number of a text, which is added if it is new. */
size_t names_add(names *n, const char *text, bool *is_new);
size_t names_find(const names *n, const char *text); /* NAMES_NONE: not there */
void names_clear(names *n);

/* A growing text. Zero is an empty one. */
typedef struct textbuf {
    char *text; /* NUL-terminated; NULL when nothing was added */
    size_t len, cap;
} textbuf;

void textbuf_add(textbuf *b, const char *bytes, size_t len);
void textbuf_puts(textbuf *b, const char *text);
void textbuf_json(textbuf *b, const char *bytes, size_t len); /* as a JSON string; the bytes are UTF-8 */
void textbuf_clear(textbuf *b);

#endif
