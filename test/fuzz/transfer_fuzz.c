/* SPDX-License-Identifier: MIT */
/* Importing any lines as the stream of a run, with numbers, checksums and digest as they should be: ends in a status, and what
 * is not taken in leaves nothing. Each line of the input is what stands between `line` and `crc`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/stores.h>

#include "core/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct stream {
    eyot_buf bytes;
    size_t at;
} stream;

static eyot_status give(void *arg, void *to, size_t room, size_t *got, eyot_error *e)
{
    stream *s = arg;
    (void)e;
    *got = s->bytes.len - s->at < room ? s->bytes.len - s->at : room;
    if (*got) memcpy(to, s->bytes.data + s->at, *got);
    s->at += *got;
    return EYOT_OK;
}

static void add_line(stream *s, eyot__chain *c, const uint8_t *fields, size_t len)
{
    eyot_buf line = EYOT__BUF_INIT;
    eyot__line_begin(&line, c);
    if (len == 3 && memcmp(fields, "end", 3) == 0) {
        char hex[65];
        eyot__chain_digest(c, hex);
        eyot__line_put_string(&line, "end", EYOT__STREAM_FORMAT);
        eyot__line_put_number(&line, "lines", c->lines);
        eyot__line_put_string(&line, "sha256", hex);
    } else {
        eyot__buf_put(&line, fields, len);
    }
    eyot__line_end(&line, c);
    eyot__buf_put(&s->bytes, line.data, line.len);
    eyot__buf_clear(&line);
}

static eyot_status see(void *arg, const eyot_run_row *row)
{
    (void)arg, (void)row;
    return EYOT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stream s = {EYOT__BUF_INIT, 0};
    eyot__chain chain;
    eyot_store *store;
    eyot_error e;
    char id[129] = "";
    if (size > 1 << 16 || eyot_store_open(&store, "memory:", &e)) return 0;
    eyot__chain_begin(&chain);
    for (const uint8_t *p = data, *end = data + size; p < end;) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        add_line(&s, &chain, p, (size_t)(stop - p));
        p = stop + 1;
    }
    eyot_status status = eyot_store_import(store, NULL, give, &s, id, &e);
    if (status && id[0] && eyot_store_get_run(store, id, see, NULL, NULL) != EYOT_ENOTFOUND) abort();
    if (!status && eyot_store_get_run(store, id, see, NULL, NULL) != EYOT_OK) abort();
    eyot_store_close(store);
    eyot__buf_clear(&s.bytes);
    return 0;
}
