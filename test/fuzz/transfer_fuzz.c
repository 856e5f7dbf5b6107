/* SPDX-License-Identifier: MIT */
/* Importing any lines as the stream of a run, with numbers, checksums and digest as they should be: ends in a status, and what
 * is not taken in leaves nothing. What is taken in is exported as a stream that another store takes in, and exports as
 * the same but for the time at which it was made there. Each line of the input is what stands between `line` and `crc`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/stores.h>

#include "core/transfer.h"
#include "test/fuzz/fuzz.h"

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

static eyot_status keep(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    (void)e;
    return eyot_buf_add(arg, bytes, len);
}

static eyot_store *open_store(void)
{
    eyot_store *store;
    DEMAND(eyot_store_open(&store, "memory:", NULL) == EYOT_OK);
    return store;
}

/* How much of a line says something about the run: up to the checksum, its time, or the digest. */
static size_t telling(const char *line)
{
    const char *const ends[] = {",\"created\":", ",\"sha256\":", ",\"crc\":"};
    size_t len = strcspn(line, "\n");
    for (size_t i = 0; i < 3; i++) {
        const char *end = strstr(line, ends[i]);
        if (end && (size_t)(end - line) < len) len = (size_t)(end - line);
    }
    return len;
}

static void check_same(eyot_buf *a, eyot_buf *b)
{
    const char *x = eyot_buf_data(a, NULL), *y = eyot_buf_data(b, NULL);
    while (*x && *y) {
        DEMAND(telling(x) == telling(y) && memcmp(x, y, telling(x)) == 0);
        x += strcspn(x, "\n") + 1;
        y += strcspn(y, "\n") + 1;
    }
    DEMAND(!*x && !*y);
}

static void through_another(eyot_store *store, const char *id)
{
    stream s = {EYOT__BUF_INIT, 0};
    eyot_buf again = EYOT__BUF_INIT;
    eyot_error e = {.status = EYOT_OK};
    eyot_status status = eyot_store_export(store, id, NULL, keep, &s.bytes, &e);
    if (status) {
        DEMAND(status == EYOT_ECORRUPT && e.text[0]);
        eyot__buf_clear(&s.bytes);
        return;
    }
    eyot_store *other = open_store();
    DEMAND(eyot_store_import(other, NULL, give, &s, NULL, &e) == EYOT_OK);
    DEMAND(eyot_store_export(other, id, NULL, keep, &again, &e) == EYOT_OK);
    check_same(&again, &s.bytes);
    eyot_store_close(other);
    eyot__buf_clear(&again);
    eyot__buf_clear(&s.bytes);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    stream s = {EYOT__BUF_INIT, 0};
    eyot__chain chain;
    eyot_error e;
    char id[129] = "";
    if (size > 1 << 16) return;
    eyot_store *store = open_store();
    eyot__chain_begin(&chain);
    for (const uint8_t *p = data, *end = data + size; p < end;) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        add_line(&s, &chain, p, (size_t)(stop - p));
        p = stop + 1;
    }
    fuzz_memory_begin();
    eyot_status status = eyot_store_import(store, NULL, give, &s, id, &e);
    fuzz_memory_end(s.bytes.len, 4);
    DEMAND(!status || !id[0] || eyot_store_get_run(store, id, see, NULL, NULL) == EYOT_ENOTFOUND);
    DEMAND(status || eyot_store_get_run(store, id, see, NULL, NULL) == EYOT_OK);
    if (!status) through_another(store, id);
    eyot_store_close(store);
    eyot__buf_clear(&s.bytes);
}
