/* SPDX-License-Identifier: MIT */
/* What the files of the Redis store share: redis_open.c reads the URL, judges the server and closes; redis_net.c has nodes,
 * connections and retries; redis_wire.c one connection; redis.c the required slots, redis_more.c the optional ones;
 * redis_scripts.h what is executed in the server.
 *
 * All keys of a run lie in one of 64 buckets and bear its number as a hash tag, `PREFIX:{q:NN}:…`, so that each operation is
 * one script on one node of a cluster, and atomic there. */
#ifndef EYOT_STORES_REDIS_H
#define EYOT_STORES_REDIS_H

#include "core/buf.h"
#include "core/store.h"
#include "stores/redis_wire.h"
#include "stores/url.h"

#define EYOT__REDIS_BUCKETS 64
#define EYOT__REDIS_SLOTS 16384
#define EYOT__REDIS_NODES 128
#define EYOT__REDIS_QUEUES 1024
#define EYOT__REDIS_GRAPHS 32
#define EYOT__REDIS_FORMAT 1
/* A commit's numbers go through doubles in places. */
#define EYOT__REDIS_MOST_SEQ ((uint64_t)1 << 53)

typedef enum eyot__redis_script {
    EYOT__REDIS_CREATE,
    EYOT__REDIS_COMMIT,
    EYOT__REDIS_CLAIM,
    EYOT__REDIS_FIND,
    EYOT__REDIS_LOAD,
    EYOT__REDIS_LIST_ENTRIES,
    EYOT__REDIS_POST,
    EYOT__REDIS_INBOX,
    EYOT__REDIS_OUTBOX,
    EYOT__REDIS_ACK,
    EYOT__REDIS_KV_CAS,
    EYOT__REDIS_PRUNE,
    EYOT__REDIS_DELETE,
    EYOT__REDIS_SCRIPTS
} eyot__redis_script;
#define EYOT__REDIS_COMMAND EYOT__REDIS_SCRIPTS /* no script */

typedef struct eyot__redis_node {
    eyot__wire_address address;
    eyot__wire *idle;
    unsigned open; /* connections there are, idle ones too */
} eyot__redis_node;

typedef struct eyot__redis {
    /* Not changed after it was opened. */
    char prefix[33];
    char shown[160]; /* "redis store at host:port/db" */
    char *user, *password;
    uint64_t db, pool, timeout_ms, retry_ms, wait, waitaof;
    bool has_waitaof;
    eyot__wire_tls *tls;
    bool cluster, existing;
    bool met; /* set while it is opened: some node has answered */
    eyot_store_class durability;
    char reasons[256], version[64];
    const char *advice; /* what would make the class a stronger one */
    uint64_t max_body;
    char sha[EYOT__REDIS_SCRIPTS][41];

    pthread_mutex_t lock;                      /* over everything below; held for no call that blocks */
    pthread_cond_t freed;                      /* a connection was given back */
    eyot__redis_node nodes[EYOT__REDIS_NODES]; /* addresses are only added */
    unsigned n_nodes, refreshed;               /* refreshed: how often the map was read */
    uint8_t node_of[EYOT__REDIS_SLOTS];
    char *queues[EYOT__REDIS_QUEUES]; /* by a hash of the run id: the queue it may be in; NULL: the default one */
    char *graphs[EYOT__REDIS_GRAPHS]; /* fingerprints whose sources are there */
    unsigned next_graph;
} eyot__redis;

extern const eyot_store_ops eyot__redis_ops;         /* redis.c */
extern const char *const eyot__redis_script_texts[]; /* redis_open.c */
void eyot__redis_close(void *self);                  /* redis_open.c */
void eyot__redis_free_nodes(eyot__redis *s);         /* redis_net.c */
/* false: there are too many. With the lock, or before anybody else has the store. */
bool eyot__redis_add_node(eyot__redis *s, const eyot__wire_address *address);

/* ---- batches: commands that are sent together -------------------------------------------------------------------- */

typedef struct eyot__redis_command {
    size_t from, len; /* its keys and arguments in `text` */
    unsigned argc, n_keys;
    eyot__redis_script script; /* EYOT__REDIS_COMMAND: none */
    uint16_t slot;
    bool is_write, done;
    bool by_text; /* the server does not have the script */
    bool again;   /* it was sent before and may have been executed: the last argument of a script says so */
    int asked;    /* the node that an ASK names, or -1 */
    redisReply *reply;
} eyot__redis_command;

typedef struct eyot__redis_batch {
    eyot__redis *store;
    eyot_buf text, line; /* what the commands say; what is sent */
    eyot__redis_command *at, small[4];
    size_t n, size;
    char id[129]; /* of a run that is told from it */
} eyot__redis_batch;

/* Memory that cannot be had is told by eyot__redis_run. */
void eyot__redis_batch_init(eyot__redis_batch *b, eyot__redis *s);
void eyot__redis_batch_clear(eyot__redis_batch *b);
void eyot__redis_batch_reset(eyot__redis_batch *b); /* no commands any more */

/* Begins a command, whose arguments follow. `slot`: which keys it is about. */
void eyot__redis_call(eyot__redis_batch *b, eyot__redis_script script, uint16_t slot, bool is_write);
void eyot__redis_plain(eyot__redis_batch *b, const char *name, uint16_t slot, bool is_write);
/* A key of a bucket: "PREFIX:{q:NN}:kind" and, unless there is no id, ":id". */
void eyot__redis_key(eyot__redis_batch *b, unsigned bucket, const char *kind, eyot_bytes id);
void eyot__redis_arg(eyot__redis_batch *b, eyot_bytes arg);
void eyot__redis_arg_text(eyot__redis_batch *b, const char *arg);
void eyot__redis_arg_u64(eyot__redis_batch *b, uint64_t arg);
void eyot__redis_arg_i64(eyot__redis_batch *b, int64_t arg);
/* An argument that was written into `text` as "$<length>\r\n<bytes>\r\n" is complete. */
void eyot__redis_added(eyot__redis_batch *b);

/* Sends all commands and waits for their answers, through reconnections, redirections and a server that is busy or
 * loading, for retry_ms at most. Commands are executed in order per node but those that have to be sent again come later: two
 * that depend on each other do not belong into one batch. EYOT_OK: each has a reply, which is no error. Else nothing is known
 * about any. EIO, ENOMEM, ELIMIT. Blocks. */
eyot_status eyot__redis_run(eyot__redis_batch *b, eyot_error *e);

/* The bucket and slots of things. */
unsigned eyot__redis_bucket_of(eyot_bytes id);
uint16_t eyot__redis_bucket_slot(unsigned bucket);
uint16_t eyot__redis_key_slot(const char *key, size_t n);

/* Reads which node of a cluster has which slots. */
void eyot__redis_refresh(eyot__redis *s, uint64_t deadline_ns);

/* ECORRUPT: a script or a command answers what it should not. */
eyot_status eyot__redis_unexpected(const eyot__redis *s, eyot_error *e);

/* ---- replies ------------------------------------------------------------------------------------------------------ */

static inline eyot_bytes eyot__redis_text(const redisReply *r)
{
    bool text = r && (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS);
    return text ? eyot__bytes(r->str, (size_t)r->len) : eyot__bytes(NULL, 0);
}
static inline size_t eyot__redis_count(const redisReply *r)
{
    return r && r->type == REDIS_REPLY_ARRAY ? (size_t)r->elements : 0;
}
static inline const redisReply *eyot__redis_item(const redisReply *r, size_t i)
{
    return i < eyot__redis_count(r) ? r->element[i] : NULL;
}
/* A decimal number; 0 for anything else. */
uint64_t eyot__redis_number(const redisReply *r);

/* ---- between redis.c and redis_more.c ------------------------------------------------------------------------------ */

/* What scripts answer first. */
enum eyot__redis_code {
    EYOT__REDIS_OK,
    EYOT__REDIS_EALREADY,
    EYOT__REDIS_ESTALE,
    EYOT__REDIS_EFENCED,
    EYOT__REDIS_EGONE,
    EYOT__REDIS_EBUSY,
    EYOT__REDIS_EEXIST,
    EYOT__REDIS_QUEUE, /* and the queue that the run is in: nothing was done */
    EYOT__REDIS_ECORRUPT,
    EYOT__REDIS_EINVAL
};
/* The code of a reply: an integer, or the first item of an array. */
int eyot__redis_code(const redisReply *r);

/* The queue a run is thought to be in: copied into *out. */
void eyot__redis_guess_queue(eyot__redis *s, eyot_bytes run, eyot_buf *out);
eyot_status eyot__redis_learn_queue(eyot__redis *s, eyot_bytes run, eyot_bytes queue, eyot_error *e);

eyot_status eyot__redis_no_run(eyot_bytes id, eyot_error *e);
/* ELIMIT: more bytes than a body may have. */
eyot_status eyot__redis_check_size(const eyot__redis *s, eyot_bytes run, const char *what, size_t n, eyot_error *e);

/* The optional slots. */
eyot_status eyot__redis_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                             eyot_bytes payload, eyot_error *e);
eyot_status eyot__redis_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e);
eyot_status eyot__redis_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                    eyot_buf *next, eyot_error *e);
eyot_status eyot__redis_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e);
eyot_status eyot__redis_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                               eyot_error *e);
eyot_status eyot__redis_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                               uint64_t ttl_ms, eyot_error *e);
eyot_status eyot__redis_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                              eyot_error *e);
eyot_status eyot__redis_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e);

/* The fields of a row that are read, in the order in which they are. */
#define EYOT__REDIS_FIELDS(X) \
    X(graph)                  \
    X(fp)                     \
    X(origin)                 \
    X(queue)                  \
    X(owner)                  \
    X(token) X(epoch) X(head) X(steps) X(snap) X(status) X(attempts) X(prio) X(crc) X(due) X(created) X(updated)
enum { EYOT__REDIS_ROW_FIELDS = 17 };

/* Asks for the row of a run; eyot__redis_read_row reads it, from item `at` of a reply on, and borrows from there. false: there
 * is none. */
void eyot__redis_ask_row(eyot__redis_batch *b, eyot_bytes id);
bool eyot__redis_read_row(const redisReply *r, size_t at, eyot_bytes id, int64_t now, eyot_run_row *row);
/* The server's clock by the answer to TIME. */
int64_t eyot__redis_read_time(const redisReply *r);

eyot_status eyot__redis_list_runs(void *self, const eyot_run_filter *f, eyot_bytes cursor, uint32_t limit,
                                  eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e); /* redis_list.c */

#endif
