/* SPDX-License-Identifier: MIT */
/* Any bytes as a configuration file: complained about in texts that have a place, or read; what was read and is written
 * again is read as the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "test/fuzz/fuzz.h"

enum { FACTOR = 64 }; /* as of graph files */

static void hear(void *arg, const char *line)
{
    size_t *heard = arg;
    unsigned row = 0, column = 0;
    int end = 0;
    DEMAND(sscanf(line, "f:%u:%u: %n", &row, &column, &end) == 2 && end > 0 && line[end]);
    (*heard)++;
}

static bool read_file(config_file *f, const void *text, size_t len)
{
    size_t heard = 0;
    fuzz_memory_begin();
    bool good = config_read(f, "f", text, len, hear, &heard);
    fuzz_memory_end(len, FACTOR);
    DEMAND(good == (heard == 0));
    return good;
}

/* In UTF-8, as everything that was read. */
static const char *put_character(FILE *out, const char *text)
{
    unsigned c = (unsigned char)*text++, more = c < 0xC0 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    if (c >= 0x80) c &= 0x3Fu >> more;
    for (; more > 0; more--) c = c << 6 | ((unsigned char)*text++ & 0x3F);
    fprintf(out, "\\U%08x", c);
    return text;
}

static void put_text(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text) text = put_character(out, text);
    fputc('"', out);
}

static char *written(const config_file *f, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    DEMAND(out != NULL);
    fprintf(out, "run: {jobs: %u}\nstores:\n", (unsigned)f->jobs);
    for (size_t i = 0; i < f->n_stores; i++) {
        fputs("  ? ", out);
        put_text(out, f->stores[i].name);
        fputs("\n  : {url: ", out);
        put_text(out, f->stores[i].url);
        if (f->stores[i].password_file) fputs(", password_file: ", out);
        if (f->stores[i].password_file) put_text(out, f->stores[i].password_file);
        fputs("}\n", out);
    }
    if (f->n_stores == 0) fputs("  {}\n", out);
    if (f->store) fputs("store: ", out);
    if (f->store) put_text(out, f->store);
    fclose(out);
    return text;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_same(const config_file *a, const config_file *b)
{
    DEMAND(same(a->store, b->store) && a->jobs == b->jobs && a->n_stores == b->n_stores);
    for (size_t i = 0; i < a->n_stores; i++) {
        DEMAND(same(a->stores[i].name, b->stores[i].name) && same(a->stores[i].url, b->stores[i].url));
        DEMAND(same(a->stores[i].password_file, b->stores[i].password_file));
    }
}

void fuzz_one(const uint8_t *data, size_t size)
{
    config_file f, again;
    char *copy = fuzz_copy(data, size);
    if (read_file(&f, copy, size)) {
        size_t len;
        char *text = written(&f, &len);
        DEMAND(read_file(&again, text, len));
        check_same(&f, &again);
        config_file_clear(&again);
        free(text);
    }
    config_file_clear(&f);
    free(copy);
}
