/* SPDX-License-Identifier: MIT */
/* The two halves of the JSON codec; what the text looks like is told in eyot/copiers.h. */
#ifndef EYOT_COPIERS_JSON_H
#define EYOT_COPIERS_JSON_H

#include "copiers/value.h"

/* EPARSE, ELIMIT, ENOMEM, with a text in `e`. */
eyot_status eyot__json_read(eyot__word *out, const char *text, size_t len, eyot_error *e);
/* Appends to `buf`. ELIMIT, ENOMEM; EINVAL: a number that JSON lacks. On failure the buffer's length is as it was. */
eyot_status eyot__json_write(eyot__word w, eyot_buf *buf, eyot_error *e);

/* As eyot__json_write for people: a NaN or an infinity is shown as {"$double":"NaN"}. */
eyot_status eyot__json_show(eyot__word w, eyot_buf *buf);

/* Forms: maps of one key that stand for what JSON lacks. */

/* What the entry of a map of one key stands for, owned by the caller: another value, or the user's own map with one $
 * less; 0 when it is an ordinary map. ENOMEM. */
eyot_status eyot__form_read(const eyot__word entry[2], eyot__word *out);
/* True for the only key of a map that would be taken for a form and is written with one more $. */
bool eyot__form_is_key(const eyot__text *key);
/* How much room the form of a BYTES, EXT, FLOAT32 or removal needs, and writing it: returns the end. */
size_t eyot__form_room(eyot__word w);
char *eyot__form_write(char *to, eyot__word w);

#endif
