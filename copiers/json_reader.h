/* SPDX-License-Identifier: MIT */
/* What the files of the JSON reader share. Functions that read return where they stopped, NULL after a failure. */
#ifndef EYOT_COPIERS_JSON_READER_H
#define EYOT_COPIERS_JSON_READER_H

#include "copiers/json.h"
#include "copiers/reading.h"

#define EYOT__JSON_FRAMES (EYOT_VALUE_MAX_DEPTH + 2) /* one for the document, one for a map that stands for bytes */
#define EYOT__JSON_FIRST_WORDS 256

typedef struct eyot__json_frame {
    size_t start; /* of its words on the stack: chunks, then what is not in a chunk yet */
    uint32_t chunks;
    uint16_t bits;                        /* of the container so far */
    char close;                           /* ] or }, 0 for the document */
    bool alike;                           /* so far its keys are those of `like` */
    const eyot__seq *like;                /* the last map on this level: the next one probably has the same keys */
    const eyot__word *guess, *last_guess; /* the keys of `like` from here on */
} eyot__json_frame;

typedef struct eyot__json_reader {
    const char *text, *end;
    char *copy;        /* of the text, when it needed one */
    eyot__word *words; /* the stack */
    size_t top, cap;
    eyot__json_frame *deepest; /* that was ever used: frames behind it are not initialised */
    eyot__arena arena;
    char *scratch; /* a string with escapes, undone */
    size_t scratch_cap;
    eyot_status status;
    const char *problem, *where;
    char key[80]; /* that the problem is about */
    eyot__keys keys;
    eyot__json_frame frames[EYOT__JSON_FRAMES];
    eyot__word first_words[EYOT__JSON_FIRST_WORDS];
} eyot__json_reader;

/* Notes the first failure. All three return NULL. */
const char *eyot__json_fail(eyot__json_reader *s, const char *where, eyot_status status, const char *problem);
const char *eyot__json_no_memory(eyot__json_reader *s);
/* The problem at p, if it is not simply that the text ends there. */
const char *eyot__json_unexpected(eyot__json_reader *s, const char *p, const char *problem);

/* A string of any kind, p behind its first quote: its bytes, in the text or in the scratch memory. */
const char *eyot__json_string(eyot__json_reader *s, const char *p, const char **bytes, size_t *len, bool *plain);
/* A number of any kind, or what should be one. */
const char *eyot__json_number(eyot__json_reader *s, const char *p, eyot__word *out);

static inline bool eyot__json_is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

#endif
