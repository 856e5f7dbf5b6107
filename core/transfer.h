/* SPDX-License-Identifier: MIT */
/* The lines of a run's stream, by which it moves between stores: docs/format.md. JSON in one fixed form: what is read is what
 * is written, byte for byte, and nothing else. Every line has its number and, last, a checksum over all of the stream
 * before it, so that a line that was changed, moved or left out is found there and told by its number. Pure. */
#ifndef EYOT_CORE_TRANSFER_H
#define EYOT_CORE_TRANSFER_H

#include <eyot/store.h>

#include "core/buf.h"
#include "core/hash.h"
#include "core/store.h"

#define EYOT__STREAM_FORMAT "eyot run"
enum { EYOT__STREAM_VERSION = 2 };

/* What runs along with the lines on both sides. */
typedef struct eyot__chain {
    uint64_t lines; /* that are done */
    uint32_t crc;
    eyot__sha256_state sha;
} eyot__chain;
void eyot__chain_begin(eyot__chain *c);
void eyot__chain_digest(const eyot__chain *c, char hex[65]); /* of the lines so far */

/* ---- writing: fields stick in the buffer ---- */
void eyot__line_begin(eyot_buf *line, const eyot__chain *c);
void eyot__line_put_number(eyot_buf *line, const char *key, uint64_t n);
void eyot__line_put_signed(eyot_buf *line, const char *key, int64_t n);
void eyot__line_put_text(eyot_buf *line, const char *key, eyot_bytes text);
void eyot__line_put_string(eyot_buf *line, const char *key, const char *text);
void eyot__line_put_bytes(eyot_buf *line, const char *key, eyot_bytes bytes); /* in base64 */
void eyot__line_end(eyot_buf *line, eyot__chain *c);                          /* with the newline */

/* ---- reading: in place, in the order of the fields; the first failure sticks ---- */
typedef struct eyot__line {
    char *p, *end;
    uint64_t number;
    bool failed;
} eyot__line;
/* `text` of `len` bytes, without the newline, is the next line. ECORRUPT, told with its number. */
eyot_status eyot__line_open(eyot__line *line, eyot__chain *c, char *text, size_t len, eyot_error *e);
bool eyot__line_has(const eyot__line *line, const char *key); /* the next field is this one */
uint64_t eyot__line_number(eyot__line *line, const char *key);
int64_t eyot__line_signed(eyot__line *line, const char *key);
eyot_bytes eyot__line_text(eyot__line *line, const char *key);
eyot_bytes eyot__line_bytes(eyot__line *line, const char *key);
eyot_status eyot__line_close(eyot__line *line, eyot_error *e); /* nothing is left, and nothing failed. ECORRUPT */
/* "line 7: …"; returns ECORRUPT. */
eyot_status eyot__line_blame(const eyot__line *line, eyot_error *e, const char *why);

/* core/import.c: a run that is being imported, or whose import was cut short, has an owner of this form. */
bool eyot__import_is_over(const eyot_run_row *row); /* its process is gone, or has not been heard of for a minute */
/* Removes what an import has left. EBUSY: it goes on. */
eyot_status eyot__import_discard(eyot_store *store, eyot_bytes run, eyot_error *e);

#endif
