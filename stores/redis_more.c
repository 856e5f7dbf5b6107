/* SPDX-License-Identifier: MIT */
/* The optional slots of the Redis store: messages, events, values, pruning, deleting. */
#include "stores/redis.h"

#include "core/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARG eyot__redis_arg
#define TEXT eyot__redis_arg_text
#define U64 eyot__redis_arg_u64
#define KEY eyot__redis_key

static const eyot_bytes no_id = {NULL, 0};

static void begin(eyot__redis_batch *b, eyot__redis_script script, unsigned bucket, bool is_write)
{
    eyot__redis_call(b, script, eyot__redis_bucket_slot(bucket), is_write);
}

/* ---- messages ----------------------------------------------------------------------------------------------------- */

/* kind: 4 bytes; length of the name: 4; the name, the payload. */
static eyot_status make_message(eyot_buf *out, uint32_t kind, eyot_bytes name, eyot_bytes payload, eyot_error *e)
{
    eyot__buf_u32(out, kind);
    eyot__buf_u32(out, (uint32_t)name.n);
    eyot__buf_put(out, name.p, name.n);
    eyot__buf_put(out, payload.p, payload.n);
    return out->failed ? eyot_error_set(e, out->failed, "no memory for a message") : EYOT_OK;
}

static void put_post(eyot__redis_batch *b, eyot_bytes id, eyot_bytes message_id, const eyot_buf *message,
                     const eyot_buf *queue)
{
    unsigned bucket = eyot__redis_bucket_of(id);
    eyot_bytes name = eyot__bytes(queue->data, queue->len);
    begin(b, EYOT__REDIS_POST, bucket, true);
    KEY(b, bucket, "run", id);
    KEY(b, bucket, "in", id);
    KEY(b, bucket, "inq", id);
    KEY(b, bucket, "wait", name);
    KEY(b, bucket, "ready", name);
    ARG(b, message_id);
    ARG(b, eyot__bytes(message->data, message->len));
    ARG(b, id);
    ARG(b, name);
}

eyot_status eyot__redis_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                             eyot_bytes payload, eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    eyot_buf message = EYOT__BUF_INIT, queue = EYOT__BUF_INIT;
    int code = EYOT__REDIS_QUEUE;
    eyot__redis_batch_init(&b, s);
    eyot_status r = eyot__redis_check_size(s, id, "a message", name.n + payload.n, e);
    if (!r) r = make_message(&message, kind, name, payload, e);
    while (!r && code == EYOT__REDIS_QUEUE) {
        eyot__redis_batch_reset(&b);
        eyot__redis_guess_queue(s, id, &queue);
        put_post(&b, id, message_id, &message, &queue);
        r = eyot__redis_run(&b, e);
        code = r ? 0 : eyot__redis_code(b.at[0].reply);
        if (code == EYOT__REDIS_QUEUE)
            r = eyot__redis_learn_queue(s, id, eyot__redis_text(eyot__redis_item(b.at[0].reply, 1)), e);
    }
    if (!r && code == EYOT__REDIS_EGONE) r = eyot__redis_no_run(id, e);
    eyot__redis_batch_clear(&b);
    eyot__buf_clear(&message);
    eyot__buf_clear(&queue);
    return r;
}

static bool read_message(const redisReply *id, const redisReply *r, uint64_t number, eyot_entry *out)
{
    eyot_bytes text = eyot__redis_text(r);
    eyot__reader from = {.p = text.p, .end = (const unsigned char *)text.p + text.n};
    uint32_t kind = eyot__read_u32(&from), name = eyot__read_u32(&from);
    if (text.n < 8 || name > text.n - 8) return false;
    *out = (eyot_entry){.seq = number, .kind = (eyot_entry_kind)kind, .key = eyot__redis_text(id)};
    out->body = eyot__bytes(from.p + name, text.n - 8 - name);
    return true;
}

eyot_status eyot__redis_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot__redis_batch b;
    eyot_entry entry;
    unsigned bucket = eyot__redis_bucket_of(id);
    eyot__redis_batch_init(&b, self);
    begin(&b, EYOT__REDIS_INBOX, bucket, false);
    KEY(&b, bucket, "run", id);
    KEY(&b, bucket, "in", id);
    KEY(&b, bucket, "inq", id);
    eyot_status r = eyot__redis_run(&b, e);
    const redisReply *reply = r ? NULL : b.at[0].reply;
    const redisReply *ids = eyot__redis_item(reply, 1), *messages = eyot__redis_item(reply, 2);
    if (!r && eyot__redis_code(reply) == EYOT__REDIS_EGONE) r = eyot__redis_no_run(id, e);
    for (size_t i = 0; i < eyot__redis_count(ids) && !r; i++)
        r = read_message(ids->element[i], eyot__redis_item(messages, i), i + 1, &entry)
                ? fn(arg, &entry)
                : eyot__redis_unexpected(self, e);
    eyot__redis_batch_clear(&b);
    return r;
}

/* ---- events ------------------------------------------------------------------------------------------------------- */

/* The walk goes bucket by bucket, and in each by number: a cursor is both. */
typedef struct outbox {
    eyot__redis *store;
    eyot_event_fn fn;
    void *arg;
    unsigned bucket; /* of the last event told */
    uint64_t number; /* its number */
    uint32_t left;
    bool more;
} outbox;

static eyot_status count_events(const outbox *o, uint64_t counts[EYOT__REDIS_BUCKETS], eyot_error *e)
{
    char after[24];
    eyot__redis_batch b;
    snprintf(after, sizeof after, "(%" PRIu64, o->number);
    eyot__redis_batch_init(&b, o->store);
    for (unsigned i = o->bucket; i < EYOT__REDIS_BUCKETS; i++) {
        eyot__redis_plain(&b, "ZCOUNT", eyot__redis_bucket_slot(i), false);
        KEY(&b, i, "out", no_id);
        TEXT(&b, i == o->bucket ? after : "-inf");
        TEXT(&b, "+inf");
    }
    eyot_status r = eyot__redis_run(&b, e);
    for (unsigned i = o->bucket; i < EYOT__REDIS_BUCKETS && !r; i++)
        counts[i] = eyot__redis_number(b.at[i - o->bucket].reply);
    eyot__redis_batch_clear(&b);
    return r;
}

static eyot_status tell_event(outbox *o, const redisReply *id, const redisReply *r, eyot_error *e)
{
    eyot_bytes text = eyot__redis_text(r), name = eyot__redis_text(id);
    eyot__reader from = {.p = text.p, .end = (const unsigned char *)text.p + text.n};
    uint32_t topic = eyot__read_u32(&from);
    const char *slash = name.n ? memchr(name.p, '/', name.n) : NULL;
    if (!slash || text.n < 4 || topic > text.n - 4) return eyot__redis_unexpected(o->store, e);
    eyot_event event = {.id = name, .topic = {from.p, topic}, .payload = {from.p + topic, text.n - 4 - topic}};
    return o->fn(o->arg, eyot__bytes(name.p, (size_t)(slash - (const char *)name.p)), &event);
}

static eyot_status tell_events(outbox *o, unsigned bucket, const redisReply *r, eyot_error *e)
{
    eyot_status told = EYOT_OK;
    for (size_t i = 0; i + 2 < eyot__redis_count(r) && !told; i += 3) {
        o->bucket = bucket;
        o->number = eyot__redis_number(r->element[i + 1]);
        o->left--;
        told = tell_event(o, r->element[i], r->element[i + 2], e);
    }
    return told;
}

static eyot_status read_events(outbox *o, const uint64_t counts[EYOT__REDIS_BUCKETS], eyot_error *e)
{
    eyot__redis_batch b;
    unsigned from = o->bucket, buckets[EYOT__REDIS_BUCKETS], n = 0;
    uint64_t after = o->number, left = o->left;
    eyot__redis_batch_init(&b, o->store);
    for (unsigned i = from; i < EYOT__REDIS_BUCKETS && left; i++) {
        uint64_t take = counts[i] < left ? counts[i] : left;
        if (!take) continue;
        begin(&b, EYOT__REDIS_OUTBOX, i, false);
        KEY(&b, i, "out", no_id);
        KEY(&b, i, "ev", no_id);
        U64(&b, i == from ? after : 0);
        U64(&b, take);
        U64(&b, (uint64_t)4 << 20);
        buckets[n++] = i;
        left -= take;
    }
    eyot_status r = n ? eyot__redis_run(&b, e) : EYOT_OK;
    for (unsigned i = 0; i < n && !r && !o->more; i++) {
        uint32_t before = o->left;
        r = tell_events(o, buckets[i], b.at[i].reply, e);
        /* A page of few large events ends early. */
        o->more = before - o->left < counts[buckets[i]];
    }
    for (unsigned i = n ? buckets[n - 1] + 1 : EYOT__REDIS_BUCKETS; i < EYOT__REDIS_BUCKETS; i++)
        o->more |= counts[i] > 0;
    eyot__redis_batch_clear(&b);
    return r;
}

eyot_status eyot__redis_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                    eyot_buf *next, eyot_error *e)
{
    outbox o = {.store = self, .fn = fn, .arg = arg, .left = limit};
    uint64_t counts[EYOT__REDIS_BUCKETS] = {0};
    int64_t bucket = 0, number = 0;
    char text[24];
    eyot_bytes rest = no_id;
    bool valid = !cursor.n || (eyot__cursor_parse(cursor, &bucket, &rest) && bucket < EYOT__REDIS_BUCKETS && rest.n &&
                               rest.n < sizeof text - 1);
    if (valid && rest.n) {
        memcpy(text, rest.p, rest.n);
        memcpy(text + rest.n, ":", 2);
        valid = eyot__cursor_parse(eyot__bytes(text, rest.n + 1), &number, &rest);
    }
    if (!valid) return eyot_error_set(e, EYOT_EINVAL, "the cursor for the outbox is malformed");
    o.bucket = (unsigned)bucket;
    o.number = (uint64_t)number;
    eyot_status r = count_events(&o, counts, e);
    if (!r) r = read_events(&o, counts, e);
    if (r || !o.more || o.left == limit) return r;
    int n = snprintf(text, sizeof text, "%" PRIu64, o.number);
    return eyot__cursor_print(next, o.bucket, eyot__bytes(text, (size_t)n));
}

eyot_status eyot__redis_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e)
{
    eyot__redis_batch b;
    uint8_t *bucket_of = malloc(n ? n : 1);
    if (!bucket_of) return eyot_error_set(e, EYOT_ENOMEM, "no memory for the ids of events");
    eyot__redis_batch_init(&b, self);
    for (size_t i = 0; i < n; i++) {
        const char *slash = ids[i].n ? memchr(ids[i].p, '/', ids[i].n) : NULL;
        size_t len = slash ? (size_t)(slash - (const char *)ids[i].p) : ids[i].n;
        bucket_of[i] = (uint8_t)eyot__redis_bucket_of(eyot__bytes(ids[i].p, len));
    }
    for (unsigned bucket = 0; bucket < EYOT__REDIS_BUCKETS; bucket++) {
        bool begun = false;
        for (size_t i = 0; i < n; i++) {
            if (bucket_of[i] != bucket) continue;
            if (!begun) {
                begin(&b, EYOT__REDIS_ACK, bucket, true);
                KEY(&b, bucket, "out", no_id);
                KEY(&b, bucket, "ev", no_id);
                begun = true;
            }
            ARG(&b, ids[i]);
        }
    }
    eyot_status r = b.n ? eyot__redis_run(&b, e) : EYOT_OK;
    eyot__redis_batch_clear(&b);
    free(bucket_of);
    return r;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

/* The namespace of a run lies with the run, so that it is deleted along with it. */
static unsigned bucket_of_ns(eyot_bytes ns)
{
    bool of_run = ns.n > 4 && memcmp(ns.p, "run/", 4) == 0;
    return eyot__redis_bucket_of(of_run ? eyot__bytes((const char *)ns.p + 4, ns.n - 4) : ns);
}

/* A decimal number and a space. */
static bool read_word(eyot__reader *from, uint64_t *out)
{
    *out = 0;
    const unsigned char *begin_ = from->p;
    for (; from->p < from->end && *from->p >= '0' && *from->p <= '9'; from->p++)
        *out = *out * 10 + (uint64_t)(*from->p - '0');
    return from->p > begin_ && from->p < from->end && *from->p++ == ' ';
}

enum { NONCE = 16 };

eyot_status eyot__redis_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                               eyot_error *e)
{
    eyot__redis_batch b;
    unsigned bucket = bucket_of_ns(ns);
    uint64_t is = 0, until = 0;
    *version = 0;
    eyot__redis_batch_init(&b, self);
    eyot__redis_plain(&b, "TIME", eyot__redis_bucket_slot(bucket), false);
    eyot__redis_plain(&b, "HGET", eyot__redis_bucket_slot(bucket), false);
    KEY(&b, bucket, "kv", ns);
    ARG(&b, key);
    eyot_status r = eyot__redis_run(&b, e);
    if (!r && b.at[1].reply->type == REDIS_REPLY_STRING) {
        eyot_bytes text = eyot__redis_text(b.at[1].reply);
        eyot__reader from = {.p = text.p, .end = (const unsigned char *)text.p + text.n};
        if (!read_word(&from, &is) || !read_word(&from, &until) || from.end - from.p < NONCE)
            r = eyot__redis_unexpected(self, e);
        else if ((int64_t)until > eyot__redis_read_time(b.at[0].reply)) {
            *version = is;
            r = eyot_buf_add(value, from.p + NONCE, (size_t)(from.end - from.p) - NONCE);
        }
    }
    eyot__redis_batch_clear(&b);
    return r;
}

static eyot_status make_nonce(uint8_t nonce[NONCE], eyot_error *e)
{
    if (eyot__random_bytes(nonce, NONCE) == EYOT_OK) return EYOT_OK;
    return eyot_error_set(e, EYOT_EIO, "the system gives no random bytes");
}

eyot_status eyot__redis_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                               uint64_t ttl_ms, eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    uint8_t nonce[NONCE];
    unsigned bucket = bucket_of_ns(ns);
    if (value.n > s->max_body)
        return eyot_error_set(e, EYOT_ELIMIT, "a value of %zu bytes is more than the %" PRIu64 " that Redis takes",
                              value.n, s->max_body);
    eyot_status r = make_nonce(nonce, e);
    if (r) return r;
    eyot__redis_batch_init(&b, s);
    begin(&b, EYOT__REDIS_KV_CAS, bucket, true);
    KEY(&b, bucket, "kv", ns);
    KEY(&b, bucket, "kvx", ns);
    KEY(&b, bucket, "vn", no_id);
    ARG(&b, key);
    U64(&b, version);
    U64(&b, ttl_ms);
    ARG(&b, eyot__bytes(nonce, sizeof nonce));
    ARG(&b, value);
    r = eyot__redis_run(&b, e);
    if (!r && eyot__redis_code(b.at[0].reply) == EYOT__REDIS_ESTALE)
        r = eyot_error_set(e, EYOT_ESTALE, "the value has been changed meanwhile");
    eyot__redis_batch_clear(&b);
    return r;
}

/* ---- pruning and deleting ----------------------------------------------------------------------------------------- */

eyot_status eyot__redis_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                              eyot_error *e)
{
    eyot__redis_batch b;
    unsigned bucket = eyot__redis_bucket_of(id);
    eyot__redis_batch_init(&b, self);
    begin(&b, EYOT__REDIS_PRUNE, bucket, true);
    KEY(&b, bucket, "run", id);
    KEY(&b, bucket, "log", id);
    KEY(&b, bucket, "snaps", id);
    U64(&b, head);
    for (size_t i = 0; i < n; i++) U64(&b, drop_seq[i]);
    eyot_status r = eyot__redis_run(&b, e);
    uint64_t number = r ? 0 : eyot__redis_number(eyot__redis_item(b.at[0].reply, 1));
    switch (r ? EYOT__REDIS_OK : eyot__redis_code(b.at[0].reply)) {
    case EYOT__REDIS_OK: break;
    case EYOT__REDIS_EGONE: r = eyot__redis_no_run(id, e); break;
    case EYOT__REDIS_ESTALE:
        r = eyot_error_set(e, EYOT_ESTALE, "run " EYOT__ID " has head %" PRIu64, EYOT__ID_ARGS(id), number);
        break;
    case EYOT__REDIS_EINVAL:
        r = eyot_error_set(e, EYOT_EINVAL, "run " EYOT__ID ": entry %" PRIu64 " is needed", EYOT__ID_ARGS(id), number);
        break;
    default: r = eyot__redis_unexpected(self, e);
    }
    eyot__redis_batch_clear(&b);
    return r;
}

static void put_delete(eyot__redis_batch *b, eyot_bytes id, uint64_t epoch, eyot_bytes queue, const uint8_t *nonce,
                       eyot_bytes notes)
{
    unsigned bucket = eyot__redis_bucket_of(id);
    const struct {
        const char *kind;
        eyot_bytes of;
    } keys[] = {{"run", id},      {"log", id},  {"snaps", id}, {"held", queue}, {"wait", queue},
                {"ready", queue}, {"in", id},   {"inq", id},   {"runs", no_id}, {"kv", notes},
                {"kvx", notes},   {"tomb", id}, {"del", id}};
    begin(b, EYOT__REDIS_DELETE, bucket, true);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) KEY(b, bucket, keys[i].kind, keys[i].of);
    ARG(b, id);
    U64(b, epoch);
    ARG(b, queue);
    ARG(b, eyot__bytes(nonce, NONCE));
}

eyot_status eyot__redis_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e)
{
    eyot__redis *s = self;
    eyot__redis_batch b;
    uint8_t nonce[NONCE];
    eyot_buf queue = EYOT__BUF_INIT, notes = EYOT__BUF_INIT;
    int code = EYOT__REDIS_QUEUE;
    eyot_status r = make_nonce(nonce, e);
    eyot__buf_text(&notes, "run/");
    if (!r && eyot_buf_add(&notes, id.p, id.n)) r = eyot_error_set(e, EYOT_ENOMEM, "no memory to delete a run");
    eyot__redis_batch_init(&b, s);
    while (!r && code == EYOT__REDIS_QUEUE) {
        eyot__redis_batch_reset(&b);
        eyot__redis_guess_queue(s, id, &queue);
        put_delete(&b, id, epoch, eyot__bytes(queue.data, queue.len), nonce, eyot__bytes(notes.data, notes.len));
        r = eyot__redis_run(&b, e);
        code = r ? 0 : eyot__redis_code(b.at[0].reply);
        eyot_bytes said = r ? no_id : eyot__redis_text(eyot__redis_item(b.at[0].reply, 1));
        if (code == EYOT__REDIS_QUEUE) r = eyot__redis_learn_queue(s, id, said, e);
        if (code == EYOT__REDIS_EGONE) r = eyot__redis_no_run(id, e);
        if (code == EYOT__REDIS_EBUSY) r = eyot__store_refuse_delete(id, said, e);
    }
    eyot__redis_batch_clear(&b);
    eyot__buf_clear(&queue);
    eyot__buf_clear(&notes);
    return r;
}
