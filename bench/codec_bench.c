/* SPDX-License-Identifier: MIT */
/* Reading and writing JSON, beside cJSON on the same texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/copiers.h>

#include "bench/bench.h"
#include "bench/documents.h"
#include "core/buf.h"
#if defined(HAVE_CJSON)
#include <cjson/cJSON.h>
#endif

typedef struct document {
    char *text;
    size_t len;
    eyot_value *value;
    eyot_buf buf;
#if defined(HAVE_CJSON)
    cJSON *other;
#endif
} document;

static void parse(void *arg)
{
    document *d = arg;
    eyot_value *v = eyot_json_parse_len(d->text, d->len, NULL);
    if (!v) abort();
    eyot_value_unref(v);
}

static void print(void *arg)
{
    char *text = eyot_json_print(((document *)arg)->value, NULL);
    if (!text) abort();
    eyot_free(text);
}

/* As the engine writes states: into a buffer that is used again. */
static void encode(void *arg)
{
    document *d = arg;
    eyot__buf_reset(&d->buf);
    if (eyot_json()->encode(d->value, &d->buf, NULL)) abort();
}

#if defined(HAVE_CJSON)
static void parse_cjson(void *arg)
{
    document *d = arg;
    cJSON *v = cJSON_ParseWithLength(d->text, d->len);
    if (!v) abort();
    cJSON_Delete(v);
}

static void print_cjson(void *arg)
{
    char *text = cJSON_PrintUnformatted(((document *)arg)->other);
    if (!text) abort();
    cJSON_free(text);
}
#endif

static void rate(const char *what, const char *size, size_t len, const bench_way *way)
{
    char name[96];
    double sum = 0;
    if (!way->n) return;
    for (unsigned i = 0; i < way->n; i++) sum += way->sample[i];
    snprintf(name, sizeof name, "%s__%s_rate", what, size);
    bench_value(name, (double)len * way->n / sum, "GB/s");
}

/* One direction on one document, ours and cJSON in turn. */
static void compare(const char *what, const char *size, document *d, void (*ours)(void *), void (*theirs)(void *),
                    const char *goal)
{
    char name[96], other[96], ratio[96];
    snprintf(name, sizeof name, "%s__%s", what, size);
    snprintf(other, sizeof other, "%s__%s_cjson", what, size);
    snprintf(ratio, sizeof ratio, "%s__%s_cjson_over_ours", what, size);
    bench_way ways[2] = {{.name = name, .ops = 1, .fn = ours, .arg = d},
                         {.name = other, .ops = 1, .fn = theirs, .arg = d}};
    if (!bench_in_turn(ways, theirs ? 2 : 1)) return;
    rate(what, size, d->len, &ways[0]);
    if (theirs) {
        rate(what, other + strlen(what) + 2, d->len, &ways[1]);
        bench_quotient(ratio, &ways[1], &ways[0], goal);
    }
}

static void run(document_kind kind, const char *name, size_t bytes)
{
    document d;
    memset(&d, 0, sizeof d);
    d.text = bench_document(kind, bytes, &d.len);
    d.value = eyot_json_parse_len(d.text, d.len, NULL);
    if (!d.value) abort();
    void (*other_parse)(void *) = NULL, (*other_print)(void *) = NULL;
#if defined(HAVE_CJSON)
    d.other = cJSON_ParseWithLength(d.text, d.len);
    other_parse = parse_cjson;
    other_print = print_cjson;
#endif
    bool goal = bytes >= 65536; /* below, what does not grow with the text shows */
    compare("parse_json", name, &d, parse, other_parse, goal ? ">= 3" : NULL);
    compare("print_json", name, &d, print, other_print, goal ? ">= 6" : NULL);
    compare("encode_json", name, &d, encode, NULL, NULL);
#if defined(HAVE_CJSON)
    cJSON_Delete(d.other);
#endif
    eyot__buf_clear(&d.buf);
    eyot_value_unref(d.value);
    free(d.text);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
#if !defined(HAVE_CJSON)
    bench_absent("codec_cjson", "libcjson was not there when this was built");
#endif
    run(DOCUMENT_MIXED, "200B", 200);
    run(DOCUMENT_MIXED, "4KiB", 4096);
    run(DOCUMENT_MIXED, "64KiB", 65536);
    run(DOCUMENT_MIXED, "1MiB", 1 << 20);
    run(DOCUMENT_NUMBERS, "64KiB_numbers", 65536);
    run(DOCUMENT_TEXTS, "64KiB_texts", 65536);
    return bench_end();
}
