/* SPDX-License-Identifier: MIT */
/* The optional slots of the memory store: messages, events, values, pruning, deleting. */
#include "stores/memory.h"

#include "core/buf.h"
#include "stores/url.h"

/* ---- optional: messages and events ------------------------------------------------------------------------------ */

static message *message_new(eyot_bytes id, uint32_t kind, eyot_bytes name, eyot_bytes payload)
{
    message *msg = calloc(1, sizeof *msg + id.n + name.n + payload.n);
    if (!msg) return NULL;
    put(put(put(msg->bytes, id), name), payload);
    msg->in.key = eyot__bytes(msg->bytes, id.n);
    msg->kind = kind;
    msg->name_len = name.n;
    msg->payload_len = payload.n;
    return msg;
}

eyot_status eyot__memory_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                              eyot_bytes payload, eyot_error *e)
{
    memory *m = self;
    eyot_status st = EYOT_OK;
    pthread_mutex_lock(&m->lock);
    run *r = table_find(&m->runs, id);
    message *msg = NULL;
    if (!r) {
        st = no_run(id, e);
    } else if (!table_find(&r->inbox, message_id)) {
        msg = table_reserve(&r->inbox) ? message_new(message_id, kind, name, payload) : NULL;
        if (!msg) st = no_memory(e);
    }
    if (msg) {
        table_add(&r->inbox, &msg->in);
        *r->newest = msg;
        r->newest = &msg->later;
        r->waiting++;
        if (r->row.status == EYOT_RUN_SUSPENDED && !r->row.owner.n) r->row.due_ms = clock_ms();
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

eyot_status eyot__memory_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    memory *m = self;
    uint64_t number = 0;
    pthread_mutex_lock(&m->lock);
    const run *r = table_find(&m->runs, id);
    eyot_status st = r ? EYOT_OK : no_run(id, e);
    for (const message *msg = r ? r->oldest : NULL; msg && !st; msg = msg->later) {
        eyot_entry out = {.seq = ++number, .kind = (eyot_entry_kind)msg->kind, .key = msg->in.key};
        out.body = eyot__bytes(msg->bytes + msg->in.key.n + msg->name_len, msg->payload_len);
        if (!msg->done) st = fn(arg, &out);
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

eyot_status eyot__memory_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                     eyot_buf *next, eyot_error *e)
{
    memory *m = self;
    eyot_status st = EYOT_OK;
    int64_t after = 0;
    eyot_bytes rest;
    if (cursor.n && !eyot__cursor_parse(cursor, &after, &rest))
        return eyot_error_set(e, EYOT_EINVAL, "the cursor for the outbox is malformed");
    pthread_mutex_lock(&m->lock);
    const event *ev = m->oldest;
    while (ev && ev->number <= (uint64_t)after) ev = ev->later;
    for (; ev && limit && !st; ev = ev->later, limit--) {
        const unsigned char *topic = ev->bytes + ev->in.key.n;
        eyot_event out = {ev->in.key, {topic, ev->topic_len}, {topic + ev->topic_len, ev->payload_len}};
        const char *slash = memchr(ev->bytes, '/', ev->in.key.n);
        after = (int64_t)ev->number;
        st = fn(arg, eyot__bytes(ev->bytes, (size_t)(slash - (const char *)ev->bytes)), &out);
    }
    if (ev && !st) st = eyot__cursor_print(next, after, eyot__bytes(NULL, 0));
    pthread_mutex_unlock(&m->lock);
    return st;
}

eyot_status eyot__memory_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e)
{
    memory *m = self;
    (void)e;
    pthread_mutex_lock(&m->lock);
    size_t gone = 0;
    for (size_t i = 0; i < n; i++) {
        event *ev = table_find(&m->events, ids[i]);
        if (!ev) continue;
        table_remove(&m->events, &ev->in);
        ev->number = 0;
        gone++;
    }
    for (event **p = &m->oldest; gone;) {
        event *ev = *p;
        if (ev->number) {
            p = &ev->later;
            continue;
        }
        *p = ev->later;
        if (!ev->later) m->newest = p;
        free(ev);
        gone--;
    }
    pthread_mutex_unlock(&m->lock);
    return EYOT_OK;
}

/* ---- optional: values, pruning, deleting ------------------------------------------------------------------------ */

/* Length of the namespace, namespace, key: no two pairs have the same bytes. */
static eyot_status value_key(eyot_buf *out, eyot_bytes ns, eyot_bytes key)
{
    eyot__buf_bytes(out, ns.p, ns.n);
    return eyot_buf_add(out, key.p, key.n);
}

eyot_status eyot__memory_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                                eyot_error *e)
{
    memory *m = self;
    eyot_buf name = EYOT__BUF_INIT;
    eyot_status st = value_key(&name, ns, key);
    *version = 0;
    pthread_mutex_lock(&m->lock);
    const blob *b = st ? NULL : table_find(&m->values, eyot__bytes(name.data, name.len));
    if (b && b->until_ms > clock_ms()) {
        *version = b->version;
        st = eyot_buf_add(value, b->bytes + b->in.key.n, b->len);
    }
    pthread_mutex_unlock(&m->lock);
    eyot__buf_clear(&name);
    return st == EYOT_ENOMEM ? no_memory(e) : st;
}

eyot_status eyot__memory_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                                uint64_t ttl_ms, eyot_error *e)
{
    memory *m = self;
    int64_t now = clock_ms();
    eyot_commit life = {.lease_ms = ttl_ms, .due_in_ms = INT64_MAX};
    eyot_buf name = EYOT__BUF_INIT;
    eyot_status st = value_key(&name, ns, key);
    blob *fresh = st ? NULL : blob_new(eyot__bytes(name.data, name.len), value, eyot__store_due_ms(now, &life));
    pthread_mutex_lock(&m->lock);
    if (!fresh || !table_reserve(&m->values)) {
        st = no_memory(e);
    } else {
        blob *old = table_find(&m->values, fresh->in.key);
        if (version != (old && old->until_ms > now ? old->version : 0)) {
            st = eyot_error_set(e, EYOT_ESTALE, "the value has been changed meanwhile");
        } else {
            if (old) table_remove(&m->values, &old->in);
            fresh->version = ++m->numbers;
            table_add(&m->values, &fresh->in);
            fresh = old; /* the one to free */
        }
    }
    pthread_mutex_unlock(&m->lock);
    free(fresh);
    eyot__buf_clear(&name);
    return st;
}

eyot_status eyot__memory_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                               eyot_error *e)
{
    memory *m = self;
    pthread_mutex_lock(&m->lock);
    run *r = table_find(&m->runs, id);
    eyot_status st = r ? EYOT_OK : no_run(id, e);
    if (r && r->row.head != head)
        st = eyot_error_set(e, EYOT_ESTALE, "run " EYOT__ID " has head %llu", EYOT__ID_ARGS(id),
                            (unsigned long long)r->row.head);
    for (size_t i = 0; i < n && !st; i++)
        if (drop_seq[i] == 0 || drop_seq[i] >= r->row.snapshot_seq)
            st = eyot_error_set(e, EYOT_EINVAL, "run " EYOT__ID ": entry %llu is needed", EYOT__ID_ARGS(id),
                                (unsigned long long)drop_seq[i]);
    for (size_t i = 0; i < n && !st; i++) eyot__memory_drop(r, drop_seq[i]);
    pthread_mutex_unlock(&m->lock);
    return st;
}

/* What a run's namespace begins with in the table of values. */
static eyot_status notes_of(eyot_buf *out, eyot_bytes id)
{
    eyot__buf_varint(out, 4 + id.n);
    eyot__buf_text(out, "run/");
    return eyot_buf_add(out, id.p, id.n);
}

static void drop_values(table *values, eyot_bytes prefix)
{
    for (size_t i = 0; values->at && i <= values->mask; i++) {
        for (node *n = values->at[i], *next; n; n = next) {
            next = n->next;
            if (n->key.n < prefix.n || memcmp(n->key.p, prefix.p, prefix.n) != 0) continue;
            table_remove(values, n);
            free(n);
        }
    }
}

eyot_status eyot__memory_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e)
{
    memory *m = self;
    eyot_buf notes = EYOT__BUF_INIT;
    eyot_status st = notes_of(&notes, id);
    int64_t now = clock_ms();
    if (st) return no_memory(e);
    pthread_mutex_lock(&m->lock);
    run *r = table_find(&m->runs, id);
    blob *tombstone = NULL;
    if (!r) {
        st = no_run(id, e);
    } else if (r->row.epoch != epoch && (epoch || is_held(r, now))) {
        st = eyot__store_refuse_delete(id, r->row.owner, e);
    } else if (is_held(r, now)) {
        tombstone = table_reserve(&m->tombstones) ? blob_new(id, eyot__bytes(NULL, 0), r->row.due_ms) : NULL;
        if (!tombstone) st = no_memory(e);
    }
    if (tombstone) table_add(&m->tombstones, &tombstone->in);
    if (!st) eyot__memory_remove(m, r);
    if (!st) drop_values(&m->values, eyot__bytes(notes.data, notes.len));
    pthread_mutex_unlock(&m->lock);
    eyot__buf_clear(&notes);
    return st;
}
