/* SPDX-License-Identifier: MIT */
/* JSON documents of a wanted size: nested maps, arrays, strings, numbers. The same on every machine. */
#ifndef EYOT_BENCH_DOCUMENTS_H
#define EYOT_BENCH_DOCUMENTS_H

#include <stddef.h>

typedef enum document_kind {
    DOCUMENT_MIXED,   /* a state with a list of records */
    DOCUMENT_NUMBERS, /* arrays of doubles of up to 17 digits, and of integers */
    DOCUMENT_TEXTS    /* sentences, some with escapes and letters beyond ASCII */
} document_kind;

/* About `bytes` of text, NUL-terminated, freed by free; *len its length. */
char *bench_document(document_kind kind, size_t bytes, size_t *len);

#endif
