/* SPDX-License-Identifier: MIT */
/* A store as the core sees it: the table behind a guard. Every call below forwards to the slot of its name (contract:
 * include/eyot/store.h) and adds what all stores would otherwise repeat: EFORKED in a forked child, ENOTSUP naming an
 * optional slot that is missing, one call at a time for EYOT_STORE_SERIAL, EINVAL for what no backend may be handed. */
#ifndef EYOT_CORE_STORE_H
#define EYOT_CORE_STORE_H

#include <eyot/store.h>

#include <pthread.h>

struct eyot_store {
    eyot_store_ops ops; /* a copy: slots that an older backend's table does not have are NULL in it */
    void *self;
    unsigned forks;         /* eyot__fork_count() when it was made */
    pthread_mutex_t serial; /* held around every slot when the table has EYOT_STORE_SERIAL */
};

/* How many forks lie between the process that first made a store and this one: an object that remembers another number is
 * used in a forked child. Costs one load; asking for the pid would be a system call per commit. */
unsigned eyot__fork_count(void);

/* Prints an id into an error text: `"run " EYOT__ID, EYOT__ID_ARGS(run)`. */
#define EYOT__ID "%.*s"
#define EYOT__ID_ARGS(b) (int)((b).n < 128 ? (b).n : 128), (b).n ? (const char *)(b).p : ""

static inline eyot_bytes eyot__bytes(const void *p, size_t n)
{
    eyot_bytes b = {p, n};
    return b;
}
static inline bool eyot__bytes_equal(eyot_bytes a, eyot_bytes b)
{
    return a.n == b.n && (a.n == 0 || __builtin_memcmp(a.p, b.p, a.n) == 0);
}

/* [A-Za-z0-9][A-Za-z0-9._:-]{0,127} */
bool eyot__run_id_valid(eyot_bytes id);

/* What the contract answers to a commit when the run's row is this one (epoch, token, owner, head and crc are looked at):
 * OK: write it; EALREADY, ESTALE, EFENCED: change nothing. For backends that decide in C. */
eyot_status eyot__store_verdict(const eyot_run_row *row, const eyot_commit *c);
/* Gives a row strings of its own, so that it outlives what it was read from; *memory is freed by the caller. ENOMEM. */
eyot_status eyot__store_own_row(eyot_run_row *row, char **memory, eyot_error *e);

/* Whether a claim by queue is for runs of this graph. */
bool eyot__store_claim_takes(const eyot_claim *c, eyot_bytes fingerprint);
/* The row's due_ms after a commit or creation at `now_ms`. Never overflows. */
int64_t eyot__store_due_ms(int64_t now_ms, const eyot_commit *c);

/* Whether a claim may have the run: OK, EALREADY (done), EBUSY (held, and not stolen). `row` NULL: ENOTFOUND. */
eyot_status eyot__store_judge_claim(const eyot_claim *c, const eyot_run_row *row, int64_t now_ms, eyot_error *e);

/* EBUSY: the run is held by `owner`, or by nobody and in another epoch than who deletes it knows. */
eyot_status eyot__store_refuse_delete(eyot_bytes run, eyot_bytes owner, eyot_error *e);

/* EINVAL also: an id that is none. */
eyot_status eyot__store_create_run(eyot_store *s, const eyot_run_row *row, eyot_bytes graph_source,
                                   const eyot_commit *first, eyot_error *e);
eyot_status eyot__store_get_run(eyot_store *s, eyot_bytes run, eyot_row_fn fn, void *arg, eyot_error *e);
eyot_status eyot__store_list_runs(eyot_store *s, const eyot_run_filter *filter, eyot_bytes cursor, uint32_t limit,
                                  eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e);
eyot_status eyot__store_get_graph(eyot_store *s, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e);
eyot_status eyot__store_claim(eyot_store *s, const eyot_claim *claim, eyot_row_fn fn, void *arg, eyot_error *e);
/* EINVAL also: entries that are not numbered head+1, head+2 …, a key over 256 bytes, an event whose id does not begin with
 * the run's, or is longer than 512 bytes. ENOTSUP: events or messages in a
 * store without the slots to read them. Nothing is written then. */
eyot_status eyot__store_commit(eyot_store *s, eyot_commit *commits, size_t n, eyot_error *e);
eyot_status eyot__store_load(eyot_store *s, eyot_bytes run, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e);
eyot_status eyot__store_list_entries(eyot_store *s, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                                     eyot_entry_fn fn, void *arg, eyot_error *e);

eyot_status eyot__store_post(eyot_store *s, eyot_bytes run, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                             eyot_bytes payload, eyot_error *e);
eyot_status eyot__store_inbox(eyot_store *s, eyot_bytes run, eyot_entry_fn fn, void *arg, eyot_error *e);
eyot_status eyot__store_outbox_read(eyot_store *s, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                    eyot_buf *next, eyot_error *e);
eyot_status eyot__store_outbox_ack(eyot_store *s, const eyot_bytes *ids, size_t n, eyot_error *e);
eyot_status eyot__store_kv_get(eyot_store *s, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                               eyot_error *e);
eyot_status eyot__store_kv_cas(eyot_store *s, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                               uint64_t ttl_ms, eyot_error *e);
eyot_status eyot__store_prune(eyot_store *s, eyot_bytes run, const uint64_t *drop_seq, size_t n, uint64_t head,
                              eyot_error *e);
eyot_status eyot__store_delete_run(eyot_store *s, eyot_bytes run, uint64_t epoch, eyot_error *e);

/* core/manage.c: a note with its version, 0 when it is not there; and writing it iff the version still is this one. EINVAL, and as
 * the slots kv_get and kv_cas. */
eyot_status eyot__note_get(eyot_store *s, const char *run_id, const char *key, uint64_t *version, eyot_buf *out,
                           eyot_error *e);
eyot_status eyot__note_cas(eyot_store *s, const char *run_id, const char *key, uint64_t version, const void *bytes,
                           size_t len, eyot_error *e);

#endif
