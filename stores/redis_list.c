/* SPDX-License-Identifier: MIT */
/* Listing runs: each bucket has its ids by (created, id); their newest are merged, their rows read and filtered here. */
#include "stores/redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 256 };

typedef struct place {
    int64_t created_ms;
    size_t len;
    char id[129];
} place;

/* What is known of a bucket: `at` … `n` of `items`, newest first, and whether there is more behind them. */
typedef struct source {
    place *items;
    size_t at, n, ask;
    place last; /* everything from it on was seen already */
    bool over;
} source;

typedef struct listing {
    eyot__redis *store;
    const eyot_run_filter *filter;
    eyot_row_fn fn;
    void *arg;
    uint32_t left;
    place told; /* the last run that was told */
    bool more;  /* there is one after it */
    source sources[EYOT__REDIS_BUCKETS];
} listing;

static int compare(const place *a, const place *b)
{
    if (a->created_ms != b->created_ms) return a->created_ms < b->created_ms ? -1 : 1;
    size_t n = a->len < b->len ? a->len : b->len;
    int c = memcmp(a->id, b->id, n);
    return c ? c : (a->len > b->len) - (a->len < b->len);
}

static void ask(eyot__redis_batch *b, const listing *l, unsigned bucket)
{
    const source *s = &l->sources[bucket];
    eyot__redis_plain(b, "ZREVRANGEBYSCORE", eyot__redis_bucket_slot(bucket), false);
    eyot__redis_key(b, bucket, "runs", eyot__bytes(NULL, 0));
    if (s->last.created_ms == INT64_MAX)
        eyot__redis_arg_text(b, "+inf");
    else
        eyot__redis_arg_i64(b, s->last.created_ms);
    eyot__redis_arg_i64(b, l->filter->since_ms);
    eyot__redis_arg_text(b, "WITHSCORES");
    eyot__redis_arg_text(b, "LIMIT");
    eyot__redis_arg_text(b, "0");
    eyot__redis_arg_u64(b, s->ask);
}

/* Those of the same millisecond as the last one come again: they are passed over, and if nothing else came, more is asked for. */
static bool fill(source *s, const redisReply *r)
{
    size_t n = eyot__redis_count(r) / 2;
    place *items = realloc(s->items, (n ? n : 1) * sizeof *items);
    if (!items) return false;
    s->items = items;
    s->at = s->n = 0;
    for (size_t i = 0; i < n; i++) {
        eyot_bytes id = eyot__redis_text(r->element[2 * i]), score = eyot__redis_text(r->element[2 * i + 1]);
        place *to = &items[s->n];
        if (!id.n || id.n >= sizeof to->id || !score.p) continue;
        memcpy(to->id, id.p, id.n);
        to->len = id.n;
        to->created_ms = strtoll(score.p, NULL, 10);
        if (compare(to, &s->last) < 0) s->n++;
    }
    s->over = n < s->ask;
    if (s->n) s->last = items[s->n - 1];
    if (!s->n) s->ask *= 2;
    return true;
}

/* Until every bucket has an item, or has none any more. */
static eyot_status fill_all(listing *l, eyot_error *e)
{
    eyot__redis_batch b;
    eyot_status r = EYOT_OK;
    bool asked = true;
    eyot__redis_batch_init(&b, l->store);
    while (!r && asked) {
        unsigned buckets[EYOT__REDIS_BUCKETS], n = 0;
        eyot__redis_batch_reset(&b);
        for (unsigned i = 0; i < EYOT__REDIS_BUCKETS; i++) {
            const source *s = &l->sources[i];
            if (s->at < s->n || s->over) continue;
            buckets[n++] = i;
            ask(&b, l, i);
        }
        asked = n > 0;
        if (asked) r = eyot__redis_run(&b, e);
        for (unsigned i = 0; i < n && !r; i++)
            if (!fill(&l->sources[buckets[i]], b.at[i].reply))
                r = eyot_error_set(e, EYOT_ENOMEM, "no memory for a list of runs");
    }
    eyot__redis_batch_clear(&b);
    return r;
}

static source *newest(listing *l)
{
    source *best = NULL;
    for (size_t i = 0; i < EYOT__REDIS_BUCKETS; i++) {
        source *s = &l->sources[i];
        if (s->at == s->n) {
            if (!s->over) return NULL; /* it may have a newer one */
            continue;
        }
        if (!best || compare(&s->items[s->at], &best->items[best->at]) > 0) best = s;
    }
    return best;
}

static bool has_prefix(const place *p, eyot_bytes prefix)
{
    return prefix.n <= p->len && (prefix.n == 0 || memcmp(p->id, prefix.p, prefix.n) == 0);
}

static bool passes(const eyot_run_filter *f, const eyot_run_row *row)
{
    if (f->status && f->status != row->status) return false;
    return !f->graph.n || eyot__bytes_equal(f->graph, row->graph);
}

/* Reads the rows of these runs and tells those that pass. */
static eyot_status tell(listing *l, const place *places, size_t n, eyot_error *e)
{
    eyot__redis_batch b;
    eyot_run_row row;
    eyot__redis_batch_init(&b, l->store);
    eyot__redis_plain(&b, "TIME", eyot__redis_bucket_slot(0), false);
    for (size_t i = 0; i < n; i++) eyot__redis_ask_row(&b, eyot__bytes(places[i].id, places[i].len));
    eyot_status r = eyot__redis_run(&b, e);
    int64_t now = r ? 0 : eyot__redis_read_time(b.at[0].reply);
    for (size_t i = 0; i < n && !r && !l->more; i++) {
        eyot_bytes id = eyot__bytes(places[i].id, places[i].len);
        /* One without a row was deleted meanwhile. */
        if (!eyot__redis_read_row(b.at[i + 1].reply, 0, id, now, &row) || !passes(l->filter, &row)) continue;
        l->more = l->left == 0;
        if (l->more) break;
        l->left--;
        l->told = places[i];
        r = l->fn(l->arg, &row);
    }
    eyot__redis_batch_clear(&b);
    return r;
}

static eyot_status walk(listing *l, place *places, eyot_error *e)
{
    eyot_status r = fill_all(l, e);
    while (!r && !l->more) {
        size_t n = 0;
        source *s = newest(l);
        for (; s && n < ROWS && n <= l->left; s = newest(l)) {
            place *next = &s->items[s->at++];
            if (has_prefix(next, l->filter->prefix)) places[n++] = *next;
        }
        if (n) r = tell(l, places, n, e);
        if (!r && !l->more && !s) {
            r = fill_all(l, e);
            if (!r && !newest(l)) break;
        }
    }
    return r;
}

eyot_status eyot__redis_list_runs(void *self, const eyot_run_filter *f, eyot_bytes cursor, uint32_t limit,
                                  eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    place from = {.created_ms = INT64_MAX};
    eyot_bytes id = {NULL, 0};
    if (cursor.n && (!eyot__cursor_parse(cursor, &from.created_ms, &id) || id.n >= sizeof from.id))
        return eyot_error_set(e, EYOT_EINVAL, "the cursor for the list of runs is malformed");
    if (id.n) memcpy(from.id, id.p, id.n);
    from.len = id.n;
    listing *l = calloc(1, sizeof *l);
    place *places = malloc(ROWS * sizeof *places);
    eyot_status r = l && places ? EYOT_OK : eyot_error_set(e, EYOT_ENOMEM, "no memory for a list of runs");
    if (!r) {
        *l = (listing){.store = self, .filter = f, .fn = fn, .arg = arg, .left = limit};
        size_t ask = limit / EYOT__REDIS_BUCKETS + limit / (2 * EYOT__REDIS_BUCKETS) + 8;
        for (size_t i = 0; i < EYOT__REDIS_BUCKETS; i++)
            l->sources[i] = (source){.last = from, .ask = ask < 64 ? ask : 64};
        r = walk(l, places, e);
        if (!r && l->more && limit)
            r = eyot__cursor_print(next, l->told.created_ms, eyot__bytes(l->told.id, l->told.len));
        for (size_t i = 0; i < EYOT__REDIS_BUCKETS; i++) free(l->sources[i].items);
    }
    free(places);
    free(l);
    return r;
}
