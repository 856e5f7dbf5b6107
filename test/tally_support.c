/* SPDX-License-Identifier: MIT */
#include "test/tally.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <eyot/stores.h>

#include "core/store.h"
#include "test/eyot_test.h"

static _Atomic long live;

void tally_pause_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&t, NULL);
}

long tally_live(void)
{
    return atomic_load(&live);
}

tally *tally_new(void)
{
    tally *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    for (int i = 0; i < TALLY_KEYS; i++) t->key[i] = TALLY_ABSENT;
    t->own = TALLY_ABSENT;
    atomic_fetch_add(&live, 1);
    return t;
}

void tally_free(tally *t)
{
    if (!t) return;
    free(t->pad);
    free(t);
    atomic_fetch_sub(&live, 1);
}

tally *tally_sum(int64_t n)
{
    tally *t = tally_new();
    if (!t) return NULL;
    t->sum = n;
    t->order = (uint64_t)n;
    return t;
}

tally *tally_key(int key, int64_t n)
{
    tally *t = tally_new();
    if (t) t->key[key] = n;
    return t;
}

tally *tally_own(int64_t n)
{
    tally *t = tally_new();
    if (t) t->own = n;
    return t;
}

tally *tally_pad(tally *t_take, size_t len, unsigned char byte)
{
    unsigned char *pad = t_take ? malloc(len ? len : 1) : NULL;
    if (!pad) {
        tally_free(t_take);
        return NULL;
    }
    memset(pad, byte, len);
    free(t_take->pad);
    t_take->pad = pad;
    t_take->pad_len = len;
    return t_take;
}

/* ---- the copier ------------------------------------------------------------------------------------------------- */

static void drop(void *v, void *user)
{
    (void)user;
    tally_free(v);
}

static eyot_status copy(const void *v, void **out, void *user)
{
    (void)user;
    const tally *from = v;
    tally *to = tally_new();
    if (to && from->pad) {
        to = tally_pad(to, from->pad_len, 0);
        if (to) memcpy(to->pad, from->pad, from->pad_len);
    }
    if (!to) return EYOT_ENOMEM;
    to->sum = from->sum;
    to->order = from->order;
    memcpy(to->key, from->key, sizeof to->key);
    to->own = from->own;
    *out = to;
    return EYOT_OK;
}

enum { HEAD = 8 * (3 + TALLY_KEYS) };

static eyot_status encode(const void *v, eyot_buf *out, void *user)
{
    (void)user;
    const tally *t = v;
    eyot_buf_add(out, &t->sum, 8);
    eyot_buf_add(out, &t->order, 8);
    eyot_buf_add(out, t->key, sizeof t->key);
    eyot_buf_add(out, &t->own, 8);
    return eyot_buf_add(out, t->pad, t->pad_len);
}

static eyot_status decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    (void)user;
    const unsigned char *p = bytes;
    if (len < HEAD) return eyot_error_set(e, EYOT_ECORRUPT, "a tally of %zu bytes", len);
    tally *t = tally_new();
    if (t && len > HEAD) t = tally_pad(t, len - HEAD, 0);
    if (!t) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    memcpy(&t->sum, p, 8);
    memcpy(&t->order, p + 8, 8);
    memcpy(t->key, p + 16, sizeof t->key);
    memcpy(&t->own, p + 16 + sizeof t->key, 8);
    if (len > HEAD) memcpy(t->pad, p + HEAD, len - HEAD);
    *out = t;
    return EYOT_OK;
}

static eyot_status apply(void **state, const void *update, eyot_error *e, void *user)
{
    (void)user;
    tally *s = *state;
    const tally *u = update;
    if (u->pad) {
        unsigned char *pad = malloc(u->pad_len ? u->pad_len : 1);
        if (!pad) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        memcpy(pad, u->pad, u->pad_len);
        free(s->pad);
        s->pad = pad;
        s->pad_len = u->pad_len;
    }
    s->sum += u->sum;
    if (u->order) s->order = (s->order ^ u->order) * 0x100000001b3u + 1;
    for (int i = 0; i < TALLY_KEYS; i++)
        if (u->key[i] != TALLY_ABSENT) s->key[i] = u->key[i];
    if (u->own != TALLY_ABSENT) s->own = u->own;
    return EYOT_OK;
}

static eyot_status conflict(const void *update, eyot_written_fn emit, void *arg, void *user)
{
    (void)user;
    static const char *const names[TALLY_KEYS] = {"k0", "k1", "k2", "k3"};
    const tally *u = update;
    eyot_status status = EYOT_OK;
    for (int i = 0; i < TALLY_KEYS && !status; i++)
        if (u->key[i] != TALLY_ABSENT) status = emit(arg, names[i], 2, false);
    return status;
}

/* What cannot be told from two states, their words, is left out. */
static eyot_status diff(const void *before, const void *after, void **update, eyot_error *e, void *user)
{
    (void)user;
    const tally *b = before, *a = after;
    bool changed = a->sum != b->sum;
    for (int i = 0; i < TALLY_KEYS; i++) changed |= a->key[i] != b->key[i];
    *update = NULL;
    if (!changed) return EYOT_OK;
    tally *u = tally_new();
    if (!u) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    u->sum = a->sum - b->sum;
    for (int i = 0; i < TALLY_KEYS; i++)
        if (a->key[i] != b->key[i]) u->key[i] = a->key[i];
    *update = u;
    return EYOT_OK;
}

static eyot_status drop_local(void **state, void *user)
{
    (void)user;
    ((tally *)*state)->own = TALLY_ABSENT;
    return EYOT_OK;
}

static bool has_local(const void *v, void *user)
{
    (void)user;
    return ((const tally *)v)->own != TALLY_ABSENT;
}

const eyot_copier tally_copier = {.size = sizeof(eyot_copier),
                                  .name = "tally/1",
                                  .copy = copy,
                                  .free = drop,
                                  .encode = encode,
                                  .decode = decode,
                                  .apply = apply,
                                  .conflict = conflict,
                                  .diff = diff,
                                  .drop_local = drop_local,
                                  .has_local = has_local};

const eyot_copier tally_copier_bare = {.size = sizeof(eyot_copier),
                                       .name = "tally/1",
                                       .copy = copy,
                                       .free = drop,
                                       .encode = encode,
                                       .decode = decode,
                                       .apply = apply};

eyot_buf tally_bytes(const void *state)
{
    eyot_buf buf = EYOT__BUF_INIT;
    if (encode(state, &buf, NULL)) abort();
    return buf;
}

bool tally_same(const eyot_buf *a, const eyot_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* ---- engines, graphs, runs ------------------------------------------------------------------------------------- */

eyot_engine *tally_engine(uint32_t threads, eyot_store *store)
{
    eyot_engine *engine;
    eyot_error e = {.status = EYOT_OK};
    eyot_engine_options o = EYOT_ENGINE_OPTIONS_INIT;
    o.threads = threads;
    o.store = store;
    if (eyot_engine_new(&engine, &o, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return engine;
}

eyot_store *tally_store(const char *url)
{
    eyot_store *store;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_open(&store, url, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return store;
}

eyot_graph *tally_graph(const char *name)
{
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, name, &tally_copier));
    return g;
}

eyot_graph *tally_freeze(eyot_graph *g)
{
    eyot_error e = {.status = EYOT_OK};
    if (eyot_graph_freeze(g, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return g;
}

eyot_run *tally_run(eyot_engine *engine, const eyot_graph *g, const eyot_run_options *options)
{
    eyot_run *run;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_run_sync(&run, engine, g, tally_new(), options, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return run;
}

eyot_status tally_add(eyot_task *task, void *user)
{
    tally *update = tally_sum(user ? *(const int *)user : 1);
    return update ? eyot_task_update(task, update) : EYOT_ENOMEM;
}

int tally_numbers[64];

__attribute__((constructor)) static void number_numbers(void)
{
    for (int i = 0; i < 64; i++) tally_numbers[i] = i;
}

eyot_graph *tally_fan(int n, eyot_node_fn fn, void *user)
{
    eyot_graph *g = tally_graph("fan");
    eyot_graph_node(g, "start", tally_add, &tally_numbers[1]);
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "b%d", i);
        eyot_graph_node(g, id, fn ? fn : tally_add, fn ? user : &tally_numbers[i]);
        eyot_graph_edge(g, "start", id);
        eyot_graph_edge(g, id, "end");
    }
    eyot_graph_node(g, "end", tally_add, &tally_numbers[63]);
    return tally_freeze(g);
}

/* ---- what a store holds ----------------------------------------------------------------------------------------- */

static const uint64_t FIRST_HASH = 0xcbf29ce484222325u;

static uint64_t hash_bytes(uint64_t h, eyot_bytes b) /* FNV-1a */
{
    for (size_t i = 0; i < b.n; i++) h = (h ^ ((const unsigned char *)b.p)[i]) * 0x100000001b3u;
    return h;
}

uint64_t tally_hash(eyot_bytes b)
{
    return hash_bytes(FIRST_HASH, b);
}

static eyot_status add_entry(void *arg, const eyot_entry *entry)
{
    tally_log *log = arg;
    if (log->n == log->cap) {
        log->cap = log->cap ? log->cap * 2 : 256;
        log->entries = realloc(log->entries, log->cap * sizeof *log->entries);
        if (!log->entries) abort();
    }
    tally_entry *to = &log->entries[log->n++];
    memset(to, 0, sizeof *to); /* entries are compared as bytes */
    to->seq = entry->seq;
    to->step = entry->step;
    to->kind = entry->kind;
    snprintf(to->key, sizeof to->key, "%.*s", (int)entry->key.n, entry->key.n ? (const char *)entry->key.p : "");
    to->len = entry->body.n;
    to->body = tally_hash(entry->body);
    return EYOT_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_keys_once(const tally_log *log)
{
    const char **keys = calloc(log->n + 1, sizeof *keys);
    size_t n = 0;
    if (!keys) abort();
    for (size_t i = 0; i < log->n; i++)
        if (log->entries[i].kind == EYOT_ENTRY_TASK) keys[n++] = log->entries[i].key;
    qsort(keys, n, sizeof *keys, by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0) test_fail(__FILE__, __LINE__, "task %s is stored twice", keys[i]);
    free(keys);
}

tally_log tally_entries(eyot_store *store, const char *run_id)
{
    tally_log log = {NULL, 0, 0};
    uint64_t step = 0, tasks = 0;
    eyot_error e = {.status = EYOT_OK};
    eyot_status status =
        eyot__store_list_entries(store, eyot__bytes(run_id, strlen(run_id)), 1, UINT32_MAX, true, add_entry, &log, &e);
    if (status && status != EYOT_ENOTFOUND) test_fail(__FILE__, __LINE__, "%s", e.text);
    for (size_t i = 0; i < log.n; i++) {
        const tally_entry *t = &log.entries[i];
        if (t->seq != i + 1)
            test_fail(__FILE__, __LINE__, "run %s: entry %zu has seq %llu", run_id, i + 1, (unsigned long long)t->seq);
        tasks += t->kind == EYOT_ENTRY_TASK;
        step = tasks == 0 && t->kind == EYOT_ENTRY_SNAPSHOT ? t->step : step + (t->kind == EYOT_ENTRY_TASK);
        if (t->step != step)
            test_fail(__FILE__, __LINE__, "run %s: entry %llu has step %llu, not %llu", run_id,
                      (unsigned long long)t->seq, (unsigned long long)t->step, (unsigned long long)step);
    }
    check_keys_once(&log);
    return log;
}

static eyot_status hash_entry(void *arg, const eyot_entry *entry)
{
    uint64_t *h = arg;
    *h = hash_bytes(*h, eyot__bytes(&entry->seq, sizeof entry->seq));
    *h = hash_bytes(*h, eyot__bytes(&entry->step, sizeof entry->step));
    *h = hash_bytes(*h, eyot__bytes(&entry->kind, sizeof entry->kind));
    *h = hash_bytes(hash_bytes(*h, entry->key), entry->body);
    return EYOT_OK;
}

uint64_t tally_load(eyot_store *store, const char *run_id, uint64_t seq)
{
    uint64_t h = FIRST_HASH;
    eyot_error e = {.status = EYOT_OK};
    if (eyot__store_load(store, eyot__bytes(run_id, strlen(run_id)), seq, hash_entry, &h, &e))
        test_fail(__FILE__, __LINE__, "%s", e.text);
    return h;
}

bool tally_has(const tally_log *log, const char *key)
{
    for (size_t i = 0; i < log->n; i++)
        if (log->entries[i].kind == EYOT_ENTRY_TASK && strcmp(log->entries[i].key, key) == 0) return true;
    return false;
}

size_t tally_tasks(const tally_log *log)
{
    size_t n = 0;
    for (size_t i = 0; i < log->n; i++) n += log->entries[i].kind == EYOT_ENTRY_TASK;
    return n;
}

void tally_log_free(tally_log *log)
{
    free(log->entries);
    memset(log, 0, sizeof *log);
}

static eyot_status see_row(void *arg, const eyot_run_row *row)
{
    tally_row *r = arg;
    *r = (tally_row){row->head, row->steps, row->epoch, row->status, row->owner.n > 0};
    return EYOT_OK;
}

tally_row tally_row_of(eyot_store *store, const char *run_id)
{
    tally_row row = {.status = 0};
    eyot_error e = {.status = EYOT_OK};
    eyot_status status = eyot__store_get_run(store, eyot__bytes(run_id, strlen(run_id)), see_row, &row, &e);
    if (status && status != EYOT_ENOTFOUND) test_fail(__FILE__, __LINE__, "%s", e.text);
    return row;
}
