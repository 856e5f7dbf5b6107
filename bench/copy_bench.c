/* SPDX-License-Identifier: MIT */
/* What it costs to give a state to a branch, and to change one that others hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/copiers.h>

#include "bench/bench.h"
#include "bench/documents.h"
#include "bench/msgpack_peer.h"
#if defined(HAVE_CJSON)
#include <cjson/cJSON.h>
#endif

typedef struct state {
    char *text, *room;
    size_t len;
    void *value, *update, *rules;
    const char *key;
#if defined(HAVE_CJSON)
    cJSON *other;
#endif
#if defined(HAVE_MSGPACK)
    msgpack_peer packed;
#endif
} state;

/* ---- copies ---------------------------------------------------------------------------------------------------- */

static void copy(void *arg)
{
    state *s = arg;
    void *out;
    eyot_json()->copy(s->value, &out, NULL);
    eyot_json()->free(out, NULL);
}

static void copy_bytes(void *arg)
{
    state *s = arg;
    memcpy(s->room, s->text, s->len);
    __asm__ volatile("" : : "r"(s->room) : "memory"); /* the copy is wanted */
}

#if defined(HAVE_CJSON)
static void copy_cjson(void *arg)
{
    cJSON_Delete(cJSON_Duplicate(((state *)arg)->other, true));
}
#endif

#if defined(HAVE_MSGPACK)
/* msgpack-c copies no tree: it unpacks again. The strings stay in the packed bytes, so a copy has its own of them. */
static void copy_msgpack(void *arg)
{
    const msgpack_sbuffer *from = &((state *)arg)->packed.bytes;
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) abort();
    char *bytes = msgpack_zone_malloc_no_align(&zone, from->size);
    if (!bytes) abort();
    memcpy(bytes, from->data, from->size);
    msgpack_object tree = msgpack_peer_unpack(bytes, from->size, &zone);
    __asm__ volatile("" : : "r"(&tree) : "memory");
    msgpack_zone_destroy(&zone);
}
#endif

static void copies(const char *size, size_t bytes)
{
    static const char *const peers[] = {"memcpy", "cjson", "msgpack"};
    char names[4][64], ratio[96];
    state s = {0};
    s.text = bench_document(DOCUMENT_MIXED, bytes, &s.len);
    s.room = malloc(s.len);
    s.value = eyot_json_parse_len(s.text, s.len, NULL);
    if (!s.value || !s.room) abort();
    snprintf(names[0], sizeof names[0], "copy_json__%s", size);
    bench_way ways[4] = {{.name = names[0], .ops = 1, .fn = copy, .arg = &s}, {.fn = copy_bytes}};
#if defined(HAVE_CJSON)
    s.other = cJSON_ParseWithLength(s.text, s.len);
    ways[2].fn = copy_cjson;
#endif
#if defined(HAVE_MSGPACK)
    msgpack_peer_init(&s.packed, s.value);
    ways[3].fn = copy_msgpack;
#endif
    size_t n = 1;
    for (size_t i = 1; i < 4; i++) {
        if (!ways[i].fn) continue;
        snprintf(names[n], sizeof names[n], "copy_json__%s_%s", size, peers[i - 1]);
        ways[n] = (bench_way){.name = names[n], .ops = 1, .fn = ways[i].fn, .arg = &s};
        n++;
    }
    if (bench_in_turn(ways, n)) {
        for (size_t i = 1; i < n; i++) {
            snprintf(ratio, sizeof ratio, "%s_over_ours", names[i]);
            bench_quotient(ratio, &ways[i], &ways[0], NULL);
        }
    }
#if defined(HAVE_CJSON)
    cJSON_Delete(s.other);
#endif
#if defined(HAVE_MSGPACK)
    msgpack_peer_clear(&s.packed);
#endif
    eyot_value_unref(s.value);
    free(s.text);
    free(s.room);
}

/* ---- changes --------------------------------------------------------------------------------------------------- */

/* What a branch does: takes the state that others hold, changes a key, lets go. */
static void change_shared(void *arg)
{
    state *s = arg;
    eyot_value_unref(eyot_value_set(eyot_value_ref(s->value), s->key, eyot_value_new_int(7)));
}

/* The bound: the words of the top level once, and back. */
static void copy_words(void *arg)
{
    state *s = arg;
    void *words = malloc(s->len);
    memcpy(words, s->room, s->len);
    __asm__ volatile("" : : "r"(words) : "memory");
    free(words);
}

/* 1 MiB in so many strings at the top. */
static eyot_value *wide_state(int keys)
{
    eyot_value *v = eyot_value_new_map();
    size_t len = ((size_t)1 << 20) / (size_t)keys;
    char key[32], *text = malloc(len);
    if (!text) abort();
    memset(text, 'x', len);
    for (int i = 0; i < keys; i++) {
        snprintf(key, sizeof key, "key%d", i);
        v = eyot_value_set(v, key, eyot_value_new_string_len(text, len));
    }
    free(text);
    return v;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What one way takes longer than the other, over pairs of samples. */
static double median_difference(const bench_way *longer, const bench_way *shorter)
{
    double d[BENCH_MAX_SAMPLES];
    for (unsigned i = 0; i < longer->n; i++) d[i] = longer->sample[i] - shorter->sample[i];
    qsort(d, longer->n, sizeof *d, by_size);
    return d[longer->n / 2];
}

/* A 1 MiB state of so many keys at the top (2: a document), of which `key` is changed, or added if it is new. */
static void changes(int keys, const char *label, const char *key)
{
    char name[96], bound[96];
    state s = {0};
    s.key = key;
    s.len = (size_t)keys * 8;
    s.room = calloc(1, s.len);
    size_t len;
    if (keys == 2) s.text = bench_document(DOCUMENT_MIXED, 1 << 20, &len);
    s.value = keys == 2 ? eyot_json_parse_len(s.text, len, NULL) : wide_state(keys);
    if (!s.value || !s.room) abort();
    snprintf(name, sizeof name, "change_shared__%s", label);
    snprintf(bound, sizeof bound, "change_shared__%s_8_bytes_a_key", label);
    bench_way ways[2] = {{.name = name, .ops = 1, .fn = change_shared, .arg = &s},
                         {.name = bound, .ops = 1, .fn = copy_words, .arg = &s}};
    if (bench_in_turn(ways, 2)) {
        snprintf(bound, sizeof bound, "change_shared__%s_beyond_that", label);
        bench_value(bound, median_difference(&ways[0], &ways[1]), strcmp(key, "new") == 0 ? "ns" : "ns, goal <= 1000");
    }
    eyot_value_unref(s.value);
    free(s.room);
    free(s.text);
}

/* ---- updates --------------------------------------------------------------------------------------------------- */

static void apply(void *arg)
{
    state *s = arg;
    if (eyot_json()->apply(&s->value, s->update, NULL, s->rules)) abort();
}

static void make_update(void *arg)
{
    (void)arg;
    eyot_value_unref(eyot_value_set(eyot_value_new_map(), "n", eyot_value_new_int(3)));
}

static void updates(const char *name, const char *update, eyot_reducer reducer, uint64_t limit)
{
    state s = {0};
    s.value = eyot_json_parse("{\"n\":1,\"name\":\"small\",\"log\":[],\"map\":{\"a\":1}}", NULL);
    s.update = eyot_json_parse(update, NULL);
    if (reducer != EYOT_REPLACE) {
        const char *key = reducer == EYOT_APPEND ? "log" : reducer == EYOT_MERGE ? "map" : "n";
        if (eyot_json()->rule(&s.rules, key, reducer, limit, NULL)) abort();
    }
    bench_time(name, 1, apply, &s);
    eyot_value_unref(s.value);
    eyot_value_unref(s.update);
    eyot_json()->rules_free(s.rules);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
#if !defined(HAVE_CJSON)
    bench_absent("copy_cjson", "libcjson was not there when this was built");
#endif
#if !defined(HAVE_MSGPACK)
    bench_absent("copy_msgpack", "msgpack-c was not there when this was built");
#endif
    copies("200B", 200);
    copies("4KiB", 4096);
    copies("64KiB", 65536);
    copies("1MiB", 1 << 20);
    changes(2, "2_keys", "step");
    changes(32, "32_keys", "key5");
    changes(100, "100_keys", "key50");
    changes(10000, "10000_keys", "key5000");
    changes(10000, "10000_keys_and_a_new_one", "new");
    updates("apply_json__replace_of_a_sole_owner", "{\"n\":5}", EYOT_REPLACE, 0);
    updates("apply_json__add_to_a_sole_owner", "{\"n\":5}", EYOT_ADD, 0);
    updates("apply_json__append_to_the_last_1000", "{\"log\":[5]}", EYOT_APPEND, 1000);
    updates("apply_json__merge_into_a_map", "{\"map\":{\"b\":2}}", EYOT_MERGE, 0);
    bench_time("update_json__made_and_freed", 1, make_update, NULL);
    return bench_end();
}
