/* SPDX-License-Identifier: MIT */
/* What the memory store keeps: shared by memory.c, the required slots, and memory_more.c, the optional ones. */
#ifndef EYOT_STORES_MEMORY_H
#define EYOT_STORES_MEMORY_H

#include "stores/table.h"

#include <time.h>

typedef struct chunk {
    struct chunk *next;
    size_t used, size, live; /* live: entries in it that are not pruned */
    unsigned char bytes[];
} chunk;

typedef struct entry {
    uint64_t step, snapshot_seq; /* the newest snapshot up to and including this entry; 0: none */
    chunk *home;
    size_t body_len;
    uint32_t key_len, kind;
    unsigned char bytes[]; /* key, body */
} entry;

typedef struct message {
    node in; /* key: the message id */
    struct message *later;
    uint32_t kind;
    bool done;
    size_t name_len, payload_len;
    unsigned char bytes[]; /* id, name, payload */
} message;

typedef struct run {
    node in; /* key: the run id */
    eyot_run_row row;
    char *owner;     /* what row.owner points to */
    entry **entries; /* entries[seq - 1]; NULL: pruned */
    size_t entries_size;
    chunk *chunks; /* newest first: the one that is filled */
    table inbox;
    message *oldest, **newest;
    size_t waiting; /* messages that are not done */
    char text[];    /* id, graph, fingerprint, origin, queue */
} run;

typedef struct blob {
    node in; /* key: a fingerprint; a run id; namespace and key */
    uint64_t version;
    int64_t until_ms; /* INT64_MAX: for ever */
    size_t len;
    unsigned char bytes[]; /* key, value */
} blob;

typedef struct event {
    node in; /* key: the event's id */
    struct event *later;
    uint64_t number; /* in commit order */
    size_t topic_len, payload_len;
    unsigned char bytes[]; /* id, topic, payload */
} event;

typedef struct memory {
    pthread_mutex_t lock; /* over everything here */
    table runs, graphs, tombstones, values, events;
    run **sorted; /* all runs by (created, id), oldest first */
    size_t sorted_size;
    event *oldest, **newest;
    uint64_t numbers; /* events, and versions of values */
} memory;

static inline int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "no memory to store more");
}

static inline eyot_status no_run(eyot_bytes id, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOTFOUND, "there is no run " EYOT__ID, EYOT__ID_ARGS(id));
}

static inline unsigned char *put(unsigned char *to, eyot_bytes b)
{
    if (b.n) memcpy(to, b.p, b.n);
    return to + b.n;
}

static inline blob *blob_new(eyot_bytes key, eyot_bytes value, int64_t until_ms)
{
    blob *b = calloc(1, sizeof *b + key.n + value.n);
    if (!b) return NULL;
    put(put(b->bytes, key), value);
    b->in.key = eyot__bytes(b->bytes, key.n);
    b->until_ms = until_ms;
    b->len = value.n;
    return b;
}

static inline bool is_held(const run *r, int64_t now)
{
    return r->row.owner.n && r->row.due_ms > now;
}

/* Removes an entry, and the memory of its chunk with the last one in it. */
void eyot__memory_drop(run *r, uint64_t seq);
/* Removes and frees a run. */
void eyot__memory_remove(memory *m, run *r);

/* The optional slots. */
eyot_status eyot__memory_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                              eyot_bytes payload, eyot_error *e);
eyot_status eyot__memory_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e);
eyot_status eyot__memory_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                     eyot_buf *next, eyot_error *e);
eyot_status eyot__memory_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e);
eyot_status eyot__memory_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                                eyot_error *e);
eyot_status eyot__memory_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                                uint64_t ttl_ms, eyot_error *e);
eyot_status eyot__memory_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                               eyot_error *e);
eyot_status eyot__memory_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e);

#endif
