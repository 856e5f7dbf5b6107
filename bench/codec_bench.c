/* SPDX-License-Identifier: MIT */
/* Reading and writing JSON, beside cJSON on the same texts and msgpack-c on the same documents, packed: there the rates
 * count packed bytes, the ratios compare the times of a document. Then our own msgpack beside msgpack-c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/copiers.h>

#include "bench/bench.h"
#include "bench/documents.h"
#include "bench/msgpack_peer.h"
#include "core/buf.h"
#if defined(HAVE_CJSON)
#include <cjson/cJSON.h>
#endif

typedef struct document {
    char *text;
    size_t len;
    void *bytes; /* in msgpack */
    size_t bytes_len;
    eyot_value *value;
    eyot_buf buf;
#if defined(HAVE_CJSON)
    cJSON *other;
#endif
#if defined(HAVE_MSGPACK)
    msgpack_peer packed;
    msgpack_sbuffer again;
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

static void parse_packed(void *arg)
{
    document *d = arg;
    eyot_value *v = eyot_msgpack_parse(d->bytes, d->bytes_len, NULL);
    if (!v) abort();
    eyot_value_unref(v);
}

static void print_packed(void *arg)
{
    size_t len;
    void *bytes = eyot_msgpack_print(((document *)arg)->value, &len, NULL);
    if (!bytes) abort();
    eyot_free(bytes);
}

static void encode_packed(void *arg)
{
    document *d = arg;
    eyot__buf_reset(&d->buf);
    if (eyot_msgpack()->encode(d->value, &d->buf, NULL)) abort();
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

#if defined(HAVE_MSGPACK)
static void unpack(void *arg)
{
    const msgpack_sbuffer *from = &((document *)arg)->packed.bytes;
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) abort();
    msgpack_object tree = msgpack_peer_unpack(from->data, from->size, &zone);
    __asm__ volatile("" : : "r"(&tree) : "memory");
    msgpack_zone_destroy(&zone);
}

static void pack(const document *d, msgpack_sbuffer *to)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, to, msgpack_sbuffer_write);
    if (msgpack_pack_object(&packer, d->packed.tree)) abort();
}

static void pack_afresh(void *arg)
{
    msgpack_sbuffer to;
    msgpack_sbuffer_init(&to);
    pack(arg, &to);
    msgpack_sbuffer_destroy(&to);
}

static void pack_again(void *arg)
{
    document *d = arg;
    msgpack_sbuffer_clear(&d->again);
    pack(d, &d->again);
}
#endif

/* What the yardsticks do; NULL: not there. */
typedef struct direction {
    const char *what;
    void (*ours)(void *);
    void (*cjson)(void *);
    void (*msgpack)(void *);
    const char *cjson_goal, *msgpack_goal; /* for their time over ours */
    bool packed;                           /* ours reads and writes msgpack */
} direction;

static direction directions[] = {
    {"parse_json", parse, NULL, NULL, ">= 3", NULL, false},
    {"print_json", print, NULL, NULL, ">= 6", NULL, false},
    {"encode_json", encode, NULL, NULL, NULL, NULL, false},
    {"parse_msgpack", parse_packed, NULL, NULL, NULL, ">= 1", true},
    {"print_msgpack", print_packed, NULL, NULL, NULL, ">= 1", true},
    {"encode_msgpack", encode_packed, NULL, NULL, NULL, ">= 1", true},
};
enum { N_DIRECTIONS = sizeof directions / sizeof *directions };

static void find_yardsticks(void)
{
#if defined(HAVE_CJSON)
    directions[0].cjson = parse_cjson;
    directions[1].cjson = print_cjson;
#else
    bench_absent("codec_cjson", "libcjson was not there when this was built");
#endif
#if defined(HAVE_MSGPACK)
    void (*const theirs[3])(void *) = {unpack, pack_afresh, pack_again};
    for (size_t i = 0; i < N_DIRECTIONS; i++) directions[i].msgpack = theirs[i % 3];
#else
    bench_absent("codec_msgpack", "msgpack-c was not there when this was built");
#endif
}

static void rate(const bench_way *way, size_t len)
{
    char name[96];
    double sum = 0;
    for (unsigned i = 0; i < way->n; i++) sum += way->sample[i];
    snprintf(name, sizeof name, "%s_rate", way->name);
    bench_value(name, (double)len * way->n / sum, "GB/s");
}

/* One direction on one document, ours and the others in turn. */
static void compare(const direction *x, const char *size, document *d, bool goal)
{
    char names[3][64], ratio[96];
    void (*const fn[3])(void *) = {x->ours, x->cjson, x->msgpack};
    static const char *const ends[3] = {"", "_cjson", "_msgpack_c"};
    const char *const goals[3] = {NULL, x->cjson_goal, x->msgpack_goal};
    size_t n = 0, len[3] = {x->packed ? d->bytes_len : d->len, d->len, 0}, of[3];
    bench_way ways[3];
#if defined(HAVE_MSGPACK)
    len[2] = d->packed.bytes.size;
#endif
    for (size_t i = 0; i < 3; i++) {
        if (!fn[i]) continue;
        snprintf(names[n], sizeof names[n], "%s__%s%s", x->what, size, ends[i]);
        ways[n] = (bench_way){.name = names[n], .ops = 1, .fn = fn[i], .arg = d};
        of[n++] = i;
    }
    if (!bench_in_turn(ways, n)) return;
    for (size_t i = 0; i < n; i++) rate(&ways[i], len[of[i]]);
    for (size_t i = 1; i < n; i++) {
        snprintf(ratio, sizeof ratio, "%s_over_ours", names[i]);
        bench_quotient(ratio, &ways[i], &ways[0], goal ? goals[of[i]] : NULL);
    }
}

static void run(document_kind kind, const char *name, size_t bytes)
{
    document d;
    memset(&d, 0, sizeof d);
    d.text = bench_document(kind, bytes, &d.len);
    d.value = eyot_json_parse_len(d.text, d.len, NULL);
    d.bytes = eyot_msgpack_print(d.value, &d.bytes_len, NULL);
    if (!d.value || !d.bytes) abort();
#if defined(HAVE_CJSON)
    d.other = cJSON_ParseWithLength(d.text, d.len);
#endif
#if defined(HAVE_MSGPACK)
    msgpack_peer_init(&d.packed, d.value);
#endif
    bool goal = bytes >= 65536; /* below, what does not grow with the text shows */
    for (size_t i = 0; i < N_DIRECTIONS; i++) compare(&directions[i], name, &d, goal);
#if defined(HAVE_CJSON)
    cJSON_Delete(d.other);
#endif
#if defined(HAVE_MSGPACK)
    msgpack_peer_clear(&d.packed);
    msgpack_sbuffer_destroy(&d.again);
#endif
    eyot__buf_clear(&d.buf);
    eyot_value_unref(d.value);
    eyot_free(d.bytes);
    free(d.text);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    find_yardsticks();
    run(DOCUMENT_MIXED, "200B", 200);
    run(DOCUMENT_MIXED, "4KiB", 4096);
    run(DOCUMENT_MIXED, "64KiB", 65536);
    run(DOCUMENT_MIXED, "1MiB", 1 << 20);
    run(DOCUMENT_NUMBERS, "64KiB_numbers", 65536);
    run(DOCUMENT_TEXTS, "64KiB_texts", 65536);
    return bench_end();
}
