/* SPDX-License-Identifier: MIT */
/* The Redis store: its required slots. What is decided is decided by a script in the server; here are its arguments and
 * what its answer means. */
#define _GNU_SOURCE /* memrchr */
#include "stores/redis.h"

#include "core/hash.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The scripts have these as numbers. */
static_assert(EYOT_RUN_RUNNING == 2 && EYOT_RUN_SUSPENDED == 3 && EYOT_RUN_DONE == 7,
              "redis_scripts.h has them as text");
static_assert(EYOT__REDIS_EALREADY == 1 && EYOT__REDIS_ESTALE == 2 && EYOT__REDIS_EFENCED == 3 &&
                  EYOT__REDIS_EGONE == 4 && EYOT__REDIS_EBUSY == 5 && EYOT__REDIS_EEXIST == 6 &&
                  EYOT__REDIS_QUEUE == 7 && EYOT__REDIS_ECORRUPT == 8 && EYOT__REDIS_EINVAL == 9,
              "redis_scripts.h has them as numbers");

#define ARG eyot__redis_arg
#define TEXT eyot__redis_arg_text
#define U64 eyot__redis_arg_u64
#define I64 eyot__redis_arg_i64
#define KEY eyot__redis_key

static const eyot_bytes no_id = {NULL, 0};

eyot_status eyot__redis_no_run(eyot_bytes id, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOTFOUND, "there is no run " EYOT__ID, EYOT__ID_ARGS(id));
}

eyot_status eyot__redis_check_size(const eyot__redis *s, eyot_bytes run, const char *what, size_t n, eyot_error *e)
{
    if (n <= s->max_body) return EYOT_OK;
    return eyot_error_set(e, EYOT_ELIMIT,
                          "run " EYOT__ID ": %s of %zu bytes is more than the %" PRIu64 " that Redis takes",
                          EYOT__ID_ARGS(run), what, n, s->max_body);
}

unsigned eyot__redis_bucket_of(eyot_bytes id)
{
    return eyot__crc32c(0, id.p, id.n) % EYOT__REDIS_BUCKETS;
}

/* ---- which queue a run is in ------------------------------------------------------------------------------------- */

/* Indexes are per queue, a commit does not know it, and keys have to be named before a script runs. What is remembered here may
 * be wrong: the script then says which it is. Runs of the default queue need not be remembered. */
static size_t queue_place(eyot_bytes run)
{
    return eyot__crc32c(0, run.p, run.n) / EYOT__REDIS_BUCKETS % EYOT__REDIS_QUEUES;
}

void eyot__redis_guess_queue(eyot__redis *s, eyot_bytes run, eyot_buf *out)
{
    eyot__buf_reset(out);
    pthread_mutex_lock(&s->lock);
    const char *queue = s->queues[queue_place(run)];
    if (queue) eyot__buf_text(out, queue);
    pthread_mutex_unlock(&s->lock);
}

eyot_status eyot__redis_learn_queue(eyot__redis *s, eyot_bytes run, eyot_bytes queue, eyot_error *e)
{
    char **place = &s->queues[queue_place(run)], *copy = NULL;
    if (queue.n) {
        copy = malloc(queue.n + 1);
        if (!copy) return eyot_error_set(e, EYOT_ENOMEM, "no memory for the name of a queue");
        memcpy(copy, queue.p, queue.n);
        copy[queue.n] = '\0';
    }
    pthread_mutex_lock(&s->lock);
    char *old = *place;
    *place = copy;
    pthread_mutex_unlock(&s->lock);
    free(old);
    return EYOT_OK;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static int64_t signed_number(const redisReply *r)
{
    eyot_bytes text = eyot__redis_text(r);
    bool minus = text.n && *(const char *)text.p == '-';
    redisReply rest = {.type = REDIS_REPLY_STRING, .str = (char *)(uintptr_t)text.p + minus, .len = text.n - minus};
    uint64_t v = eyot__redis_number(&rest);
    return minus ? -(int64_t)v : (int64_t)v;
}

bool eyot__redis_read_row(const redisReply *r, size_t at, eyot_bytes id, int64_t now, eyot_run_row *row)
{
    const redisReply *f[EYOT__REDIS_ROW_FIELDS];
    for (size_t i = 0; i < EYOT__REDIS_ROW_FIELDS; i++) {
        f[i] = eyot__redis_item(r, at + i);
        if (!f[i] || f[i]->type != REDIS_REPLY_STRING) return false;
    }
    eyot_bytes token = eyot__redis_text(f[5]);
    if (token.n != sizeof row->token) return false;
    memcpy(row->token, token.p, sizeof row->token);
    row->run = id;
    row->graph = eyot__redis_text(f[0]);
    row->fingerprint = eyot__redis_text(f[1]);
    row->origin = eyot__redis_text(f[2]);
    row->queue = eyot__redis_text(f[3]);
    row->owner = eyot__redis_text(f[4]);
    row->epoch = eyot__redis_number(f[6]);
    row->head = eyot__redis_number(f[7]);
    row->steps = eyot__redis_number(f[8]);
    row->snapshot_seq = eyot__redis_number(f[9]);
    row->status = (uint32_t)eyot__redis_number(f[10]);
    row->attempts = (uint32_t)eyot__redis_number(f[11]);
    row->priority = (int32_t)signed_number(f[12]);
    row->crc = (uint32_t)eyot__redis_number(f[13]);
    row->due_ms = signed_number(f[14]);
    row->created_ms = signed_number(f[15]);
    row->updated_ms = signed_number(f[16]);
    row->now_ms = now;
    return true;
}

void eyot__redis_ask_row(eyot__redis_batch *b, eyot_bytes id)
{
    static const char *const fields[] = {
#define FIELD_NAME(name) #name,
        EYOT__REDIS_FIELDS(FIELD_NAME)
#undef FIELD_NAME
    };
    unsigned bucket = eyot__redis_bucket_of(id);
    eyot__redis_plain(b, "HMGET", eyot__redis_bucket_slot(bucket), false);
    KEY(b, bucket, "run", id);
    for (size_t i = 0; i < EYOT__REDIS_ROW_FIELDS; i++) TEXT(b, fields[i]);
}

int64_t eyot__redis_read_time(const redisReply *r)
{
    uint64_t s = eyot__redis_number(eyot__redis_item(r, 0)), us = eyot__redis_number(eyot__redis_item(r, 1));
    return (int64_t)(s * 1000 + us / 1000);
}

/* ---- commits ------------------------------------------------------------------------------------------------------ */

enum { ENTRY_HEADER = 19 };

/* seq, step: 8 bytes; kind: 1; length of the key: 2; all little-endian; the key, the body. */
static void put_entry(eyot__redis_batch *b, const eyot_entry *from, uint64_t seq)
{
    eyot_buf *to = &b->text;
    size_t n = ENTRY_HEADER + from->key.n + from->body.n;
    char count[32];
    int digits = snprintf(count, sizeof count, "$%zu\r\n", n);
    eyot__buf_put(to, count, (size_t)digits);
    eyot__buf_u64(to, seq);
    eyot__buf_u64(to, from->step);
    eyot__buf_u8(to, (uint8_t)from->kind);
    eyot__buf_le(to, from->key.n, 2);
    eyot__buf_put(to, from->key.p, from->key.n);
    eyot__buf_put(to, from->body.p, from->body.n);
    eyot__buf_put(to, "\r\n", 2);
    eyot__redis_added(b);
}

/* id; length of the topic: 4 bytes; the topic, the payload. */
static void put_event(eyot__redis_batch *b, const eyot_event *from)
{
    eyot_buf *to = &b->text;
    char count[32];
    int digits = snprintf(count, sizeof count, "$%zu\r\n", 4 + from->topic.n + from->payload.n);
    ARG(b, from->id);
    eyot__buf_put(to, count, (size_t)digits);
    eyot__buf_u32(to, (uint32_t)from->topic.n);
    eyot__buf_put(to, from->topic.p, from->topic.n);
    eyot__buf_put(to, from->payload.p, from->payload.n);
    eyot__buf_put(to, "\r\n", 2);
    eyot__redis_added(b);
}

/* A command of 1 GiB is where a server cuts the connection (client-query-buffer-limit). */
static const size_t most_bytes = (size_t)1000 << 20;

static eyot_status check_sizes(const eyot__redis *s, const eyot_commit *c, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    size_t sum = 0;
    for (size_t i = 0; i < c->n_entries && !r; i++) {
        r = eyot__redis_check_size(s, c->run, "an entry", c->entries[i].body.n, e);
        sum += c->entries[i].key.n + c->entries[i].body.n + 64;
        if (sum > most_bytes) break;
    }
    for (size_t i = 0; i < c->n_events && !r && sum <= most_bytes; i++) {
        size_t n = c->events[i].topic.n + c->events[i].payload.n;
        r = eyot__redis_check_size(s, c->run, "an event", n, e);
        sum += n + c->events[i].id.n + 64;
    }
    if (!r && sum > most_bytes)
        r = eyot_error_set(e, EYOT_ELIMIT, "run " EYOT__ID ": a commit of more than %zu bytes is more than Redis takes",
                           EYOT__ID_ARGS(c->run), most_bytes);
    if (!r && c->head + c->n_entries >= EYOT__REDIS_MOST_SEQ && c->head < EYOT__REDIS_MOST_SEQ)
        r = eyot_error_set(e, EYOT_ELIMIT, "run " EYOT__ID ": more than %" PRIu64 " entries", EYOT__ID_ARGS(c->run),
                           EYOT__REDIS_MOST_SEQ);
    return r;
}

static size_t count_snapshots(const eyot_commit *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_entries; i++) n += c->entries[i].kind == EYOT_ENTRY_SNAPSHOT;
    return n;
}

/* Doubles have room for it, and nobody waits that long. */
static int64_t near_time(int64_t ms)
{
    const int64_t far = (int64_t)1 << 52;
    return ms < -far ? -far : ms;
}

static void put_tail(eyot__redis_batch *b, const eyot_commit *c)
{
    for (size_t i = 0; i < c->n_entries; i++) put_entry(b, &c->entries[i], c->head + 1 + i);
    for (size_t i = 0; i < c->n_entries; i++)
        if (c->entries[i].kind == EYOT_ENTRY_SNAPSHOT) U64(b, c->head + 1 + i);
}

static void put_commit(eyot__redis_batch *b, const eyot_commit *c, eyot_bytes queue)
{
    unsigned bucket = eyot__redis_bucket_of(c->run);
    size_t n_snapshots = count_snapshots(c);
    bool plain = c->lease_ms && c->status != EYOT_RUN_DONE && !n_snapshots && !c->snapshot_seq && !c->n_events &&
                 !c->n_inbox_done;
    eyot__redis_call(b, EYOT__REDIS_COMMIT, eyot__redis_bucket_slot(bucket), true);
    KEY(b, bucket, "run", c->run);
    KEY(b, bucket, "log", c->run);
    KEY(b, bucket, "held", queue);
    if (!plain) {
        KEY(b, bucket, "wait", queue);
        KEY(b, bucket, "snaps", c->run);
        KEY(b, bucket, "in", c->run);
        KEY(b, bucket, "inq", c->run);
        KEY(b, bucket, "out", no_id);
        KEY(b, bucket, "ev", no_id);
        KEY(b, bucket, "outn", no_id);
    }
    ARG(b, c->run);
    ARG(b, queue);
    U64(b, c->epoch);
    ARG(b, eyot__bytes(c->token, sizeof c->token));
    U64(b, c->head);
    U64(b, c->head + c->n_entries);
    U64(b, c->crc);
    U64(b, c->n_entries);
    U64(b, c->n_entries ? c->entries[c->n_entries - 1].step : 0);
    U64(b, c->status);
    U64(b, c->lease_ms);
    I64(b, near_time(c->due_in_ms));
    U64(b, c->snapshot_seq);
    U64(b, n_snapshots);
    U64(b, c->n_inbox_done);
    U64(b, c->n_events);
    put_tail(b, c);
    for (size_t i = 0; i < c->n_inbox_done; i++) ARG(b, c->inbox_done[i]);
    for (size_t i = 0; i < c->n_events; i++) put_event(b, &c->events[i]);
}

static eyot_status commit_result(int code)
{
    switch (code) {
    case EYOT__REDIS_OK: return EYOT_OK;
    case EYOT__REDIS_EALREADY: return EYOT_EALREADY;
    case EYOT__REDIS_ESTALE: return EYOT_ESTALE;
    case EYOT__REDIS_EFENCED: return EYOT_EFENCED;
    }
    return EYOT_EGONE; /* also: its row is there, its log is not */
}

/* Commits that are sent together: of different runs, and those of them whose queue was guessed wrong once more. */
static eyot_status commit_wave(eyot__redis *s, eyot_commit **wave, size_t n, eyot_error *e)
{
    eyot__redis_batch b;
    eyot_buf queue = EYOT__BUF_INIT;
    eyot_status r = EYOT_OK;
    eyot__redis_batch_init(&b, s);
    while (n && !r) {
        size_t left = 0;
        eyot__redis_batch_reset(&b);
        for (size_t i = 0; i < n; i++) {
            eyot__redis_guess_queue(s, wave[i]->run, &queue);
            put_commit(&b, wave[i], eyot__bytes(queue.data, queue.len));
        }
        r = eyot__redis_run(&b, e);
        for (size_t i = 0; i < n && !r; i++) {
            const redisReply *reply = b.at[i].reply;
            int code = eyot__redis_code(reply);
            if (code == EYOT__REDIS_QUEUE) {
                r = eyot__redis_learn_queue(s, wave[i]->run, eyot__redis_text(eyot__redis_item(reply, 1)), e);
                wave[left++] = wave[i];
            } else if (code < 0) {
                r = eyot__redis_unexpected(s, e);
            } else {
                wave[i]->result = commit_result(code);
            }
        }
        n = left;
    }
    eyot__buf_clear(&queue);
    eyot__redis_batch_clear(&b);
    return r;
}

/* How much is sent before an answer is waited for. */
enum { WAVE = 512 };
static const size_t wave_bytes = (size_t)8 << 20;

static size_t size_of(const eyot_commit *c)
{
    size_t n = 1024;
    for (size_t i = 0; i < c->n_entries; i++) n += c->entries[i].key.n + c->entries[i].body.n;
    return n;
}

static bool has_run(eyot_commit *const *wave, size_t n, eyot_bytes run)
{
    for (size_t i = 0; i < n; i++)
        if (eyot__bytes_equal(wave[i]->run, run)) return true;
    return false;
}

static eyot_status redis_commit(void *self, eyot_commit *commits, size_t n, eyot_error *e)
{
    eyot__redis *s = self;
    eyot_commit *wave[WAVE];
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < n && !r; i++) r = check_sizes(s, &commits[i], e);
    for (size_t i = 0; i < n && !r;) {
        size_t m = 0, bytes = 0;
        for (; i < n && m < WAVE && (m == 0 || bytes < wave_bytes); i++) {
            if (has_run(wave, m, commits[i].run)) break;
            bytes += size_of(&commits[i]);
            wave[m++] = &commits[i];
        }
        r = commit_wave(s, wave, m, e);
    }
    return r;
}

/* ---- creating ----------------------------------------------------------------------------------------------------- */

static bool knows_graph(eyot__redis *s, eyot_bytes fingerprint)
{
    bool known = false;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < EYOT__REDIS_GRAPHS && !known; i++)
        known = s->graphs[i] && strlen(s->graphs[i]) == fingerprint.n &&
                memcmp(s->graphs[i], fingerprint.p, fingerprint.n) == 0;
    pthread_mutex_unlock(&s->lock);
    return known;
}

/* Without memory it is kept again next time. */
static void note_graph(eyot__redis *s, eyot_bytes fingerprint)
{
    char *copy = malloc(fingerprint.n + 1);
    if (!copy) return;
    if (fingerprint.n) memcpy(copy, fingerprint.p, fingerprint.n);
    copy[fingerprint.n] = '\0';
    pthread_mutex_lock(&s->lock);
    char **place = &s->graphs[s->next_graph++ % EYOT__REDIS_GRAPHS], *old = *place;
    *place = copy;
    pthread_mutex_unlock(&s->lock);
    free(old);
}

static void ask_graph(eyot__redis_batch *b, const char *command, eyot_bytes fingerprint)
{
    eyot_buf key = EYOT__BUF_INIT;
    eyot__buf_format(&key, "%s:graph:", b->store->prefix);
    if (eyot_buf_add(&key, fingerprint.p, fingerprint.n)) b->text.failed = EYOT_ENOMEM;
    uint16_t slot = eyot__redis_key_slot((const char *)key.data, key.len);
    eyot__redis_plain(b, command, slot, strcmp(command, "SET") == 0);
    ARG(b, eyot__bytes(key.data, key.len));
    eyot__buf_clear(&key);
}

/* Before the run that needs it, and answered: on a cluster it lies elsewhere. */
static eyot_status keep_graph(eyot__redis *s, eyot_bytes fingerprint, eyot_bytes source, eyot_error *e)
{
    eyot__redis_batch b;
    if (knows_graph(s, fingerprint)) return EYOT_OK;
    eyot__redis_batch_init(&b, s);
    ask_graph(&b, "SET", fingerprint);
    ARG(&b, source);
    TEXT(&b, "NX");
    eyot_status r = eyot__redis_run(&b, e);
    eyot__redis_batch_clear(&b);
    if (!r) note_graph(s, fingerprint);
    return r;
}

static void put_create(eyot__redis_batch *b, const eyot_run_row *row, const eyot_commit *c)
{
    static const char *const own[] = {"run", "log"};
    unsigned bucket = eyot__redis_bucket_of(row->run);
    eyot__redis_call(b, EYOT__REDIS_CREATE, eyot__redis_bucket_slot(bucket), true);
    for (size_t i = 0; i < 2; i++) KEY(b, bucket, own[i], row->run);
    KEY(b, bucket, "held", row->queue);
    KEY(b, bucket, "wait", row->queue);
    KEY(b, bucket, "snaps", row->run);
    KEY(b, bucket, "runs", no_id);
    KEY(b, bucket, "tomb", row->run);
    KEY(b, bucket, "out", no_id);
    KEY(b, bucket, "ev", no_id);
    KEY(b, bucket, "outn", no_id);
    ARG(b, row->run);
    ARG(b, row->graph);
    ARG(b, row->fingerprint);
    ARG(b, row->origin);
    ARG(b, row->queue);
    ARG(b, c->lease_ms ? row->owner : no_id);
    ARG(b, eyot__bytes(row->token, sizeof row->token));
    I64(b, row->priority);
    U64(b, c->n_entries);
    U64(b, c->n_entries ? c->entries[c->n_entries - 1].step : 0);
    U64(b, c->snapshot_seq);
    U64(b, c->status);
    U64(b, c->n_entries ? c->crc : 0);
    U64(b, c->lease_ms);
    I64(b, near_time(c->due_in_ms));
    U64(b, count_snapshots(c));
    U64(b, c->n_events);
    put_tail(b, c);
    for (size_t i = 0; i < c->n_events; i++) put_event(b, &c->events[i]);
}

static eyot_status redis_create_run(void *self, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                                    eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    eyot_commit c = *first;
    c.head = 0;
    if (!row->owner.n) c.lease_ms = 0;
    eyot_status r = check_sizes(s, &c, e);
    if (!r) r = eyot__redis_check_size(s, row->run, "the source of a graph", source.n, e);
    if (!r) r = keep_graph(s, row->fingerprint, source, e);
    if (!r && row->queue.n) r = eyot__redis_learn_queue(s, row->run, row->queue, e);
    if (r) return r;
    eyot__redis_batch_init(&b, s);
    put_create(&b, row, &c);
    r = eyot__redis_run(&b, e);
    int code = r ? 0 : eyot__redis_code(b.at[0].reply);
    if (code == EYOT__REDIS_EEXIST)
        r = eyot_error_set(e, EYOT_EEXIST, "run " EYOT__ID " exists already", EYOT__ID_ARGS(row->run));
    else if (code != EYOT__REDIS_OK)
        r = eyot__redis_unexpected(s, e);
    eyot__redis_batch_clear(&b);
    return r;
}

/* ---- claiming ----------------------------------------------------------------------------------------------------- */

/* The best of a bucket, or none (class 0). */
typedef struct candidate {
    unsigned bucket, rank; /* 1: its lease has ended; 2: it is ready */
    double score;
    char due[17]; /* of a ready one */
    size_t id_len;
    char id[129];
} candidate;

static void read_candidate(const redisReply *r, unsigned bucket, candidate *out)
{
    eyot_bytes member = eyot__redis_text(eyot__redis_item(r, 2)), score = eyot__redis_text(eyot__redis_item(r, 1));
    const char *p = member.p, *slash = p ? memrchr(p, '/', member.n) : NULL;
    *out = (candidate){.bucket = bucket};
    if (!slash || !score.p || (size_t)(p + member.n - slash - 1) >= sizeof out->id) return;
    out->rank = (unsigned)eyot__redis_code(r);
    out->score = strtod(score.p, NULL);
    if (out->rank == 2) snprintf(out->due, sizeof out->due, "%.16s", p);
    out->id_len = (size_t)(p + member.n - slash - 1);
    memcpy(out->id, slash + 1, out->id_len);
}

static bool comes_before(const candidate *a, const candidate *b)
{
    if (a->rank != b->rank) return a->rank < b->rank;
    if (a->score < b->score || a->score > b->score) return a->score < b->score;
    return strcmp(a->due, b->due) < 0;
}

static void ask_candidate(eyot__redis_batch *b, const eyot_claim *c, unsigned bucket)
{
    eyot__redis_call(b, EYOT__REDIS_FIND, eyot__redis_bucket_slot(bucket), false);
    KEY(b, bucket, "held", c->queue);
    KEY(b, bucket, "wait", c->queue);
    KEY(b, bucket, "ready", c->queue);
    for (size_t i = 0; i < c->n_graphs; i++) ARG(b, c->graphs[i]);
}

/* Asks the buckets from `from` on, `n` of them, for their best. */
static eyot_status find(eyot__redis *s, const eyot_claim *c, candidate *best, unsigned from, unsigned n, eyot_error *e)
{
    eyot__redis_batch b;
    eyot__redis_batch_init(&b, s);
    for (unsigned i = from; i < from + n; i++) ask_candidate(&b, c, i);
    eyot_status r = eyot__redis_run(&b, e);
    for (unsigned i = 0; i < n && !r; i++) read_candidate(b.at[i].reply, from + i, &best[from + i]);
    eyot__redis_batch_clear(&b);
    return r;
}

static void put_claim(eyot__redis_batch *b, const eyot_claim *c, eyot_bytes id, eyot_bytes queue)
{
    unsigned bucket = eyot__redis_bucket_of(id);
    eyot__redis_call(b, EYOT__REDIS_CLAIM, eyot__redis_bucket_slot(bucket), true);
    KEY(b, bucket, "run", id);
    KEY(b, bucket, "held", queue);
    KEY(b, bucket, "wait", queue);
    KEY(b, bucket, "ready", queue);
    ARG(b, id);
    ARG(b, queue);
    ARG(b, c->owner);
    ARG(b, eyot__bytes(c->token, sizeof c->token));
    U64(b, c->lease_ms);
    U64(b, c->steal_epoch);
    TEXT(b, c->run.n ? "0" : "1");
}

/* Takes this run, if it may be taken. *known: `row`, borrowed from the batch, is what it is now. */
static eyot_status take_run(eyot__redis_batch *b, const eyot_claim *c, eyot_bytes id, eyot_run_row *row, bool *known,
                            eyot_error *e)
{
    eyot_buf queue = EYOT__BUF_INIT;
    eyot_status r = EYOT_OK;
    int code = EYOT__REDIS_QUEUE;
    const redisReply *reply = NULL;
    *known = false;
    while (!r && code == EYOT__REDIS_QUEUE) {
        eyot__redis_batch_reset(b);
        eyot__redis_guess_queue(b->store, id, &queue);
        put_claim(b, c, id, c->run.n ? eyot__bytes(queue.data, queue.len) : c->queue);
        r = eyot__redis_run(b, e);
        reply = r ? NULL : b->at[0].reply;
        code = r ? 0 : eyot__redis_code(reply);
        if (code == EYOT__REDIS_QUEUE)
            r = eyot__redis_learn_queue(b->store, id, eyot__redis_text(eyot__redis_item(reply, 1)), e);
    }
    eyot__buf_clear(&queue);
    if (r) return r;
    if (code == EYOT__REDIS_EGONE) return EYOT_ENOTFOUND;
    if (!eyot__redis_read_row(reply, 2, id, (int64_t)eyot__redis_number(eyot__redis_item(reply, 1)), row))
        return eyot__redis_unexpected(b->store, e);
    *known = true;
    if (code == EYOT__REDIS_EALREADY)
        return eyot_error_set(e, EYOT_EALREADY, "run " EYOT__ID " is done", EYOT__ID_ARGS(id));
    if (code == EYOT__REDIS_EBUSY)
        return eyot_error_set(e, EYOT_EBUSY, "run " EYOT__ID " is held by " EYOT__ID, EYOT__ID_ARGS(id),
                              EYOT__ID_ARGS(row->owner));
    return EYOT_OK;
}

/* All buckets say their best; the best of these is claimed by its id. When somebody else was faster, its bucket is asked
 * again. */
static eyot_status claim_next(eyot__redis_batch *b, const eyot_claim *c, eyot_run_row *row, bool *known, eyot_error *e)
{
    candidate best[EYOT__REDIS_BUCKETS];
    eyot_status r = find(b->store, c, best, 0, EYOT__REDIS_BUCKETS, e);
    while (!r) {
        const candidate *next = NULL;
        for (size_t i = 0; i < EYOT__REDIS_BUCKETS; i++)
            if (best[i].rank && (!next || comes_before(&best[i], next))) next = &best[i];
        if (!next) return eyot__store_judge_claim(c, NULL, 0, e);
        /* The id lives in `best`, the row in the batch: both until the caller has told it. */
        eyot_bytes id = eyot__bytes(next->id, next->id_len);
        r = take_run(b, c, id, row, known, e);
        if (!r) {
            row->run = eyot__bytes(memcpy(b->id, next->id, next->id_len), next->id_len);
            return c->queue.n ? eyot__redis_learn_queue(b->store, id, c->queue, e) : EYOT_OK;
        }
        if (r == EYOT_ENOTFOUND) r = find(b->store, c, best, next->bucket, 1, e);
    }
    return r;
}

static eyot_status redis_claim(void *self, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    eyot_run_row row;
    bool known = false;
    eyot__redis_batch_init(&b, s);
    eyot_status r = c->run.n ? take_run(&b, c, c->run, &row, &known, e) : claim_next(&b, c, &row, &known, e);
    if (r == EYOT_ENOTFOUND) eyot__store_judge_claim(c, NULL, 0, e);
    if (known) {
        eyot_status told = fn(arg, &row);
        if (told) r = told;
    }
    eyot__redis_batch_clear(&b);
    return r;
}

/* ---- reading runs ------------------------------------------------------------------------------------------------- */

static eyot_status redis_get_run(void *self, eyot_bytes id, eyot_row_fn fn, void *arg, eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    eyot_run_row row;
    eyot__redis_batch_init(&b, s);
    eyot__redis_plain(&b, "TIME", eyot__redis_bucket_slot(eyot__redis_bucket_of(id)), false);
    eyot__redis_ask_row(&b, id);
    eyot_status r = eyot__redis_run(&b, e);
    const redisReply *first = r ? NULL : eyot__redis_item(b.at[1].reply, 0);
    if (!r && first && first->type == REDIS_REPLY_NIL)
        r = eyot__redis_no_run(id, e);
    else if (!r)
        r = eyot__redis_read_row(b.at[1].reply, 0, id, eyot__redis_read_time(b.at[0].reply), &row)
                ? fn(arg, &row)
                : eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID ": its row in Redis is damaged", EYOT__ID_ARGS(id));
    eyot__redis_batch_clear(&b);
    return r;
}

static eyot_status redis_get_graph(void *self, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    eyot__redis_batch_init(&b, s);
    ask_graph(&b, "GET", fingerprint);
    eyot_status r = eyot__redis_run(&b, e);
    if (!r && b.at[0].reply->type != REDIS_REPLY_STRING) {
        r = eyot_error_set(e, EYOT_ENOTFOUND, "there is no graph " EYOT__ID, EYOT__ID_ARGS(fingerprint));
    } else if (!r) {
        eyot_bytes text = eyot__redis_text(b.at[0].reply);
        r = eyot_buf_add(source, text.p, text.n);
    }
    eyot__redis_batch_clear(&b);
    return r;
}

/* ---- reading logs ------------------------------------------------------------------------------------------------- */

/* Borrowed from the reply. false: that is no entry, or another. */
static bool read_entry(const redisReply *r, uint64_t seq, bool with_body, eyot_entry *out)
{
    eyot_bytes text = eyot__redis_text(r);
    eyot__reader from = {.p = text.p, .end = (const unsigned char *)text.p + text.n};
    if (text.n < ENTRY_HEADER) return false;
    out->seq = eyot__read_u64(&from);
    out->step = eyot__read_u64(&from);
    out->kind = (eyot_entry_kind)eyot__read_u8(&from);
    size_t low = eyot__read_u8(&from), key = low + 256 * (size_t)eyot__read_u8(&from);
    if (out->seq < seq || key > (size_t)(from.end - from.p)) return false;
    out->key = eyot__bytes(from.p, key);
    out->body = with_body ? eyot__bytes(from.p + key, (size_t)(from.end - from.p) - key) : no_id;
    return true;
}

static eyot_status gap(eyot_bytes id, uint64_t seq, bool latest, eyot_error *e)
{
    return eyot_error_set(e, latest ? EYOT_ECORRUPT : EYOT_ENOTFOUND, "run " EYOT__ID ": entry %" PRIu64 " is %s",
                          EYOT__ID_ARGS(id), seq, latest ? "lost" : "no longer there");
}

static eyot_status ends_elsewhere(eyot_bytes id, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID ": its log in Redis does not end where its row says",
                          EYOT__ID_ARGS(id));
}

static eyot_status tell_range(const redisReply *r, eyot_bytes id, bool latest, eyot_entry_fn fn, void *arg,
                              eyot_error *e)
{
    uint64_t from = eyot__redis_number(eyot__redis_item(r, 1)), to = eyot__redis_number(eyot__redis_item(r, 2));
    const redisReply *entries = eyot__redis_item(r, 3);
    eyot_entry entry;
    for (size_t i = 0; from <= to; from++, i++) {
        const redisReply *item = eyot__redis_item(entries, i);
        if (!read_entry(item, from, true, &entry) || entry.seq != from) return gap(id, from, latest, e);
        eyot_status told = fn(arg, &entry);
        if (told) return told;
    }
    return EYOT_OK;
}

static eyot_status redis_load(void *self, eyot_bytes id, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    bool latest = seq == UINT64_MAX;
    unsigned bucket = eyot__redis_bucket_of(id);
    eyot__redis_batch_init(&b, s);
    eyot__redis_call(&b, EYOT__REDIS_LOAD, eyot__redis_bucket_slot(bucket), false);
    KEY(&b, bucket, "run", id);
    KEY(&b, bucket, "log", id);
    KEY(&b, bucket, "snaps", id);
    if (latest)
        TEXT(&b, "");
    else
        U64(&b, seq);
    eyot_status r = eyot__redis_run(&b, e);
    const redisReply *reply = r ? NULL : b.at[0].reply;
    switch (r ? EYOT__REDIS_OK : eyot__redis_code(reply)) {
    case EYOT__REDIS_OK:
        if (!r) r = tell_range(reply, id, latest, fn, arg, e);
        break;
    case EYOT__REDIS_EGONE: r = eyot__redis_no_run(id, e); break;
    case EYOT__REDIS_ESTALE:
        r = eyot_error_set(e, EYOT_ENOTFOUND, "run " EYOT__ID " has no entry %" PRIu64, EYOT__ID_ARGS(id), seq);
        break;
    case EYOT__REDIS_EINVAL: r = gap(id, eyot__redis_number(eyot__redis_item(reply, 1)), latest, e); break;
    case EYOT__REDIS_ECORRUPT: r = ends_elsewhere(id, e); break;
    default: r = eyot__redis_unexpected(s, e);
    }
    eyot__redis_batch_clear(&b);
    return r;
}

/* One page; *from becomes where the next one begins, 0 when there is none. */
static eyot_status list_page(eyot__redis_batch *b, eyot_bytes id, uint64_t *from, uint32_t *limit, bool with_bodies,
                             eyot_entry_fn fn, void *arg, eyot_error *e)
{
    unsigned bucket = eyot__redis_bucket_of(id);
    eyot_entry entry;
    eyot__redis_batch_reset(b);
    eyot__redis_call(b, EYOT__REDIS_LIST_ENTRIES, eyot__redis_bucket_slot(bucket), false);
    KEY(b, bucket, "run", id);
    KEY(b, bucket, "log", id);
    U64(b, *from);
    U64(b, *limit);
    TEXT(b, with_bodies ? "1" : "0");
    U64(b, (uint64_t)4 << 20);
    eyot_status r = eyot__redis_run(b, e);
    if (r) return r;
    const redisReply *reply = b->at[0].reply, *list = eyot__redis_item(reply, 2);
    int code = eyot__redis_code(reply);
    if (code == EYOT__REDIS_EGONE) return eyot__redis_no_run(id, e);
    if (code == EYOT__REDIS_ECORRUPT) return ends_elsewhere(id, e);
    if (code != EYOT__REDIS_OK) return eyot__redis_unexpected(b->store, e);
    for (size_t i = 0; i < eyot__redis_count(list) && !r; i++) {
        if (!read_entry(list->element[i], *from, with_bodies, &entry)) return gap(id, *from, true, e);
        *from = entry.seq + 1;
        (*limit)--;
        r = fn(arg, &entry);
    }
    *from = eyot__redis_number(eyot__redis_item(reply, 1));
    return r;
}

static eyot_status redis_list_entries(void *self, eyot_bytes id, uint64_t from, uint32_t limit, bool with_bodies,
                                      eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot__redis_batch b;
    eyot_status r;
    eyot__redis_batch_init(&b, self);
    if (from == 0) from = 1;
    do r = list_page(&b, id, &from, &limit, with_bodies, fn, arg, e);
    while (!r && from && limit);
    eyot__redis_batch_clear(&b);
    return r;
}

static eyot_status redis_info(void *self, eyot_store_info *out, eyot_error *e)
{
    const eyot__redis *s = self;
    (void)e;
    out->durability = s->durability;
    out->max_body = s->max_body;
    snprintf(out->backend, sizeof out->backend, "redis");
    snprintf(out->version, sizeof out->version, "%s", s->version);
    snprintf(out->reasons, sizeof out->reasons, "%s", s->reasons);
    snprintf(out->advice, sizeof out->advice, "%s", s->advice);
    return EYOT_OK;
}

const eyot_store_ops eyot__redis_ops = {
    .size = sizeof(eyot_store_ops),
    .abi = EYOT_STORE_ABI,
    .create_run = redis_create_run,
    .get_run = redis_get_run,
    .list_runs = eyot__redis_list_runs,
    .get_graph = redis_get_graph,
    .claim = redis_claim,
    .commit = redis_commit,
    .load = redis_load,
    .list_entries = redis_list_entries,
    .info = redis_info,
    .close = eyot__redis_close,
    .post = eyot__redis_post,
    .inbox = eyot__redis_inbox,
    .outbox_read = eyot__redis_outbox_read,
    .outbox_ack = eyot__redis_outbox_ack,
    .kv_get = eyot__redis_kv_get,
    .kv_cas = eyot__redis_kv_cas,
    .prune = eyot__redis_prune,
    .delete_run = eyot__redis_delete_run,
};
