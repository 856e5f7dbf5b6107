/* SPDX-License-Identifier: MIT */
/* What the files of the MySQL store share: mysql_client.c speaks to the client library, one connection at a time;
 * mysql_pool.c has the connections of a store, and tries again; mysql_open.c reads the URL and makes the schema;
 * mysql.c and mysql_commit.c have the required slots, mysql_more.c the optional ones. */
#ifndef EYOT_STORES_MYSQL_H
#define EYOT_STORES_MYSQL_H

#include "core/store.h"
#include "stores/module.h"

#include <mysql.h>

#include <sys/types.h>

enum {
    EYOT__MYSQL_FORMAT = 1,
    EYOT__MYSQL_SHARDS = 64,
    EYOT__MYSQL_POOL = 64,       /* connections at most */
    EYOT__MYSQL_LEVELS = 19,     /* how often a repeated part can be there: mysql_client.c */
    EYOT__MYSQL_MOST = 1024,     /* at most */
    EYOT__MYSQL_ROWS = 64,       /* rows of one statement that writes */
    EYOT__MYSQL_ARGS = 1100,     /* values of one statement */
    EYOT__MYSQL_COLUMNS = 20,    /* of a result */
    EYOT__MYSQL_CANDIDATES = 16, /* runs that a claim looks at, at once; the statements have it as text */
    EYOT__MYSQL_NAME = 255,      /* bytes of a graph's name, an origin, a queue, an owner */
    EYOT__MYSQL_NS = 512,
    EYOT__MYSQL_KEY = 2048,
    EYOT__MYSQL_ID = 512 /* of a message or an event */
};

/* run.state: what the index for claims goes by. A lease's end changes with every commit, and the index must not: while a run
 * is held, slot is the end of the lease rounded up to a multiple of 8,192 ms. While it waits, slot is due_ms and place
 * is -priority. */
enum { EYOT__MYSQL_PARKED = 0, EYOT__MYSQL_HELD = 1, EYOT__MYSQL_WAITING = 2, EYOT__MYSQL_SLOT = 8191 };

/* The server's clock, ms since 1970; the same for all of one statement, whatever the time zone. */
#define EYOT__MYSQL_NOW "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"

#define EYOT__MYSQL_ROW                                                                           \
    "run_id, graph, fingerprint, origin, queue, owner, token, epoch, head, steps, snapshot_seq, " \
    "status, attempts, priority, crc, due_ms, created_ms, updated_ms, " EYOT__MYSQL_NOW " AS now_ms"
/* The same without what a commit need not know. */
#define EYOT__MYSQL_LOCKED                                                                                      \
    "run_id, '', '', '', '', owner, token, epoch, head, steps, snapshot_seq, status, attempts, priority, crc, " \
    "due_ms, "                                                                                                  \
    "created_ms, updated_ms, " EYOT__MYSQL_NOW " AS now_ms"
#define EYOT__MYSQL_ROW_SHAPE "bbbbbbbnnnnnnnnnnnn"
#define EYOT__MYSQL_RUN "shard = ? AND run_id = ?"
/* Two values: 1 for never, and ms from now. */
#define EYOT__MYSQL_DUE "IF(? = 1, 9223372036854775807, " EYOT__MYSQL_NOW " + ?)"

/* Statements: prepared on each connection when they are first used, and kept. '@' stands for the prefix of the tables,
 * {part|separator} for a part that is there n times. The shape is that of the result: b bytes, n number; "": none. */
#define EYOT__MYSQL_STATEMENTS(X)                                                                                 \
    X(FORMAT, "n", "SELECT value FROM @meta WHERE shard = 0 AND name = 'format'")                                 \
    X(SET_FORMAT, "",                                                                                             \
      "INSERT INTO @meta(shard, name, value) VALUES(0, 'format', ?) "                                             \
      "ON DUPLICATE KEY UPDATE value = value")                                                                    \
    X(ROW, EYOT__MYSQL_ROW_SHAPE, "SELECT " EYOT__MYSQL_ROW " FROM @run WHERE " EYOT__MYSQL_RUN)                  \
    X(LOCK, EYOT__MYSQL_ROW_SHAPE,                                                                                \
      "SELECT " EYOT__MYSQL_LOCKED " FROM @run FORCE INDEX (PRIMARY) "                                            \
      "WHERE {(" EYOT__MYSQL_RUN ")| OR } ORDER BY shard, run_id FOR UPDATE")                                     \
    X(ADVANCE, "",                                                                                                \
      "UPDATE @run SET head = ?, steps = ?, crc = ?, attempts = 0, "                                              \
      "snapshot_seq = IF(? = 0, snapshot_seq, ?), status = ?, state = ?, place = 0, "                             \
      "slot = " EYOT__MYSQL_DUE " | 8191, due_ms = " EYOT__MYSQL_DUE ", updated_ms = " EYOT__MYSQL_NOW            \
      " WHERE " EYOT__MYSQL_RUN " AND epoch = ? AND token = ? AND head = ? AND owner <> ''")                      \
    X(RENEW, "",                                                                                                  \
      "UPDATE @run SET snapshot_seq = IF(? = 0, snapshot_seq, ?), status = ?, state = ?, place = 0, "             \
      "slot = " EYOT__MYSQL_DUE " | 8191, due_ms = " EYOT__MYSQL_DUE ", updated_ms = " EYOT__MYSQL_NOW            \
      " WHERE " EYOT__MYSQL_RUN " AND epoch = ? AND token = ? AND head = ? AND owner <> ''")                      \
    X(WRITE_RUNS, "",                                                                                             \
      "INSERT INTO @run(shard, run_id, head, steps, snapshot_seq, status, state, place, slot, owner, "            \
      "attempts, crc, due_ms, updated_ms) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)|, } "                \
      "ON DUPLICATE KEY UPDATE head = VALUES(head), steps = VALUES(steps), "                                      \
      "snapshot_seq = VALUES(snapshot_seq), status = VALUES(status), state = VALUES(state), "                     \
      "place = VALUES(place), slot = VALUES(slot), "                                                              \
      "owner = IF(VALUES(owner) = '0', '', owner), "                                                              \
      "attempts = VALUES(attempts), crc = VALUES(crc), due_ms = VALUES(due_ms), "                                 \
      "updated_ms = VALUES(updated_ms)")                                                                          \
    X(ADD_ENTRIES, "",                                                                                            \
      "INSERT INTO @entry(shard, run_id, seq, step, kind, task, body) "                                           \
      "VALUES {(?, ?, ?, ?, ?, ?, ?)|, }")                                                                        \
    X(LAST_EVENT, "n", "SELECT MAX(no) FROM @outbox WHERE " EYOT__MYSQL_RUN)                                      \
    X(ADD_EVENT, "",                                                                                              \
      "INSERT INTO @outbox(shard, run_id, no, id, topic, payload) VALUES (?, ?, ?, ?, ?, ?) "                     \
      "ON DUPLICATE KEY UPDATE no = no")                                                                          \
    X(MESSAGES_DONE, "",                                                                                          \
      "UPDATE @inbox SET done = 1, name = '', payload = '' WHERE " EYOT__MYSQL_RUN " AND message_id IN ({?|, })") \
    X(MESSAGE_WAITS, "n", "SELECT 1 FROM @inbox WHERE " EYOT__MYSQL_RUN " AND done = 0 LIMIT 1")                  \
    X(ADD_RUN, "",                                                                                                \
      "INSERT INTO @run(shard, run_id, graph, fingerprint, origin, queue, owner, token, epoch, head, "            \
      "steps, snapshot_seq, status, attempts, priority, crc, state, place, slot, due_ms, created_ms, "            \
      "updated_ms) SELECT ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, 0, ?, ?, ?, ?, " EYOT__MYSQL_DUE                 \
      " | ?, " EYOT__MYSQL_DUE ", " EYOT__MYSQL_NOW ", " EYOT__MYSQL_NOW " FROM DUAL WHERE NOT EXISTS "           \
      "(SELECT 1 FROM @tombstone WHERE " EYOT__MYSQL_RUN " AND until_ms > " EYOT__MYSQL_NOW ")")                  \
    X(HAS_GRAPH, "n", "SELECT 1 FROM @graph WHERE shard = ? AND fingerprint = ?")                                 \
    X(ADD_GRAPH, "",                                                                                              \
      "INSERT INTO @graph(shard, fingerprint, source) VALUES (?, ?, ?) "                                          \
      "ON DUPLICATE KEY UPDATE fingerprint = fingerprint")                                                        \
    X(CLAIM, "",                                                                                                  \
      "UPDATE @run SET owner = ?, token = ?, epoch = epoch + 1, attempts = attempts + 1, status = ?, "            \
      "state = 1, place = 0, slot = ?, due_ms = ?, updated_ms = ? WHERE " EYOT__MYSQL_RUN                         \
      " AND epoch = ? AND head = ? AND status = ? AND due_ms = ? AND updated_ms = ? AND owner = ?")               \
    X(SCAN, "nnnn",                                                                                               \
      "SELECT t.state, t.place, t.slot, " EYOT__MYSQL_NOW " FROM (SELECT state, place, "                          \
      "MIN(slot) AS slot FROM @run WHERE queue = ? AND state IN (1, 2) "                                          \
      "GROUP BY queue, state, place) t ORDER BY t.state, t.place")                                                \
    X(LOST, EYOT__MYSQL_ROW_SHAPE,                                                                                \
      "SELECT " EYOT__MYSQL_ROW " FROM @run WHERE queue = ? AND state = 1 AND place = ? "                         \
      "AND slot <= ? AND due_ms <= " EYOT__MYSQL_NOW " ORDER BY slot LIMIT 16")                                   \
    X(LOST_OF, EYOT__MYSQL_ROW_SHAPE,                                                                             \
      "SELECT " EYOT__MYSQL_ROW " FROM @run WHERE queue = ? AND state = 1 "                                       \
      "AND place = ? AND slot <= ? AND due_ms <= " EYOT__MYSQL_NOW                                                \
      " AND fingerprint IN ({?|, }) ORDER BY slot LIMIT 16")                                                      \
    X(READY, EYOT__MYSQL_ROW_SHAPE,                                                                               \
      "SELECT " EYOT__MYSQL_ROW " FROM @run WHERE queue = ? AND state = 2 "                                       \
      "AND place = ? AND slot <= ? ORDER BY slot LIMIT 16")                                                       \
    X(READY_OF, EYOT__MYSQL_ROW_SHAPE,                                                                            \
      "SELECT " EYOT__MYSQL_ROW " FROM @run WHERE queue = ? AND state = 2 "                                       \
      "AND place = ? AND slot <= ? AND fingerprint IN ({?|, }) "                                                  \
      "ORDER BY slot LIMIT 16")                                                                                   \
    X(LIST, EYOT__MYSQL_ROW_SHAPE,                                                                                \
      "SELECT " EYOT__MYSQL_ROW " FROM @run WHERE created_ms <= ? AND created_ms >= ? "                           \
      "AND NOT (created_ms = ? AND run_id >= ?) AND (? = 0 OR status = ?) "                                       \
      "AND (? = 0 OR graph = ?) AND SUBSTRING(run_id, 1, ?) = ? "                                                 \
      "ORDER BY created_ms DESC, run_id DESC LIMIT ?")                                                            \
    X(GRAPH, "b", "SELECT source FROM @graph WHERE shard = ? AND fingerprint = ?")                                \
    X(LATEST, "nnnnnbb",                                                                                          \
      "SELECT r.head, r.snapshot_seq, e.seq, e.step, e.kind, e.task, e.body FROM @run r "                         \
      "JOIN @entry e ON e.shard = r.shard AND e.run_id = r.run_id "                                               \
      "AND e.seq >= r.snapshot_seq "                                                                              \
      "WHERE r.shard = ? AND r.run_id = ? ORDER BY e.seq")                                                        \
    X(AS_OF, "nnn",                                                                                               \
      "SELECT r.head, r.created_ms, (SELECT e.seq FROM @entry e WHERE e.shard = ? AND e.run_id = ? "              \
      "AND e.seq <= ? AND e.kind = 7 ORDER BY e.seq DESC LIMIT 1) FROM @run r "                                   \
      "WHERE r.shard = ? AND r.run_id = ?")                                                                       \
    X(ENTRIES, "nnnbb",                                                                                           \
      "SELECT e.seq, e.step, e.kind, e.task, e.body FROM @run r JOIN @entry e "                                   \
      "ON e.shard = r.shard AND e.run_id = r.run_id WHERE r.shard = ? AND r.run_id = ? "                          \
      "AND r.created_ms = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq LIMIT ?")                                    \
    X(ENTRY_HEADS, "nnnb",                                                                                        \
      "SELECT e.seq, e.step, e.kind, e.task FROM @run r JOIN @entry e "                                           \
      "ON e.shard = r.shard AND e.run_id = r.run_id WHERE r.shard = ? AND r.run_id = ? "                          \
      "AND r.created_ms = ? AND e.seq BETWEEN ? AND ? ORDER BY e.seq LIMIT ?")                                    \
    X(MESSAGES, "nn", "SELECT MAX(no), SUM(message_id = ?) FROM @inbox WHERE " EYOT__MYSQL_RUN)                   \
    X(ADD_MESSAGE, "",                                                                                            \
      "INSERT INTO @inbox(shard, run_id, no, message_id, kind, name, payload, done) "                             \
      "VALUES (?, ?, ?, ?, ?, ?, ?, 0)")                                                                          \
    X(WAKE, "", "UPDATE @run SET state = 2, place = ?, slot = ?, due_ms = ? WHERE " EYOT__MYSQL_RUN)              \
    X(INBOX, "nnnbb",                                                                                             \
      "SELECT r.head, i.no, i.kind, i.message_id, i.payload FROM @run r LEFT JOIN @inbox i "                      \
      "ON i.shard = r.shard AND i.run_id = r.run_id AND i.done = 0 "                                              \
      "WHERE r.shard = ? AND r.run_id = ? ORDER BY i.no")                                                         \
    X(OUTBOX, "bnbbb",                                                                                            \
      "SELECT run_id, no, id, topic, payload FROM @outbox WHERE shard > ? OR "                                    \
      "(shard = ? AND run_id > ?) OR (shard = ? AND run_id = ? AND no > ?) "                                      \
      "ORDER BY shard, run_id, no LIMIT ?")                                                                       \
    X(ACK, "", "DELETE FROM @outbox WHERE {(" EYOT__MYSQL_RUN " AND id = ?)| OR }")                               \
    X(VALUE, "nnb",                                                                                               \
      "SELECT version, until_ms > " EYOT__MYSQL_NOW ", value FROM @value "                                        \
      "WHERE shard = ? AND ns = ? AND name = ?")                                                                  \
    X(VALUE_VERSION, "n", "SELECT version FROM @value WHERE shard = ? AND ns = ? AND name = ?")                   \
    X(ADD_VALUE, "",                                                                                              \
      "INSERT INTO @value(shard, ns, name, version, until_ms, value) "                                            \
      "VALUES (?, ?, ?, ?, " EYOT__MYSQL_DUE ", ?)")                                                              \
    X(REPLACE_VALUE, "",                                                                                          \
      "UPDATE @value SET version = ?, value = ?, until_ms = " EYOT__MYSQL_DUE                                     \
      " WHERE shard = ? AND ns = ? AND name = ? AND until_ms <= " EYOT__MYSQL_NOW)                                \
    X(CHANGE_VALUE, "",                                                                                           \
      "UPDATE @value SET version = ?, value = ?, until_ms = " EYOT__MYSQL_DUE                                     \
      " WHERE shard = ? AND ns = ? AND name = ? AND version = ? AND until_ms > " EYOT__MYSQL_NOW)                 \
    X(DROP_VALUES, "", "DELETE FROM @value WHERE shard = ? AND ns = ?")                                           \
    X(DROP_ENTRIES, "", "DELETE FROM @entry WHERE " EYOT__MYSQL_RUN " AND seq IN ({?|, })")                       \
    X(DROP_LOG, "", "DELETE FROM @entry WHERE " EYOT__MYSQL_RUN)                                                  \
    X(DROP_INBOX, "", "DELETE FROM @inbox WHERE " EYOT__MYSQL_RUN)                                                \
    X(DROP_RUN, "", "DELETE FROM @run WHERE " EYOT__MYSQL_RUN)                                                    \
    X(DROP_TOMBSTONES, "", "DELETE FROM @tombstone WHERE shard = ? AND until_ms <= ? LIMIT 64")                   \
    X(ADD_TOMBSTONE, "",                                                                                          \
      "INSERT INTO @tombstone(shard, run_id, until_ms) VALUES (?, ?, ?) "                                         \
      "ON DUPLICATE KEY UPDATE until_ms = VALUES(until_ms)")

typedef enum eyot__my_sql {
#define EYOT__MYSQL_ENUM(name, shape, text) EYOT__MY_##name,
    EYOT__MYSQL_STATEMENTS(EYOT__MYSQL_ENUM)
#undef EYOT__MYSQL_ENUM
        EYOT__MY_COUNT
} eyot__my_sql;

/* What to do about the last failure of a connection. */
typedef enum eyot__my_trouble {
    EYOT__TROUBLE_NONE = 0, /* nothing helps */
    EYOT__TROUBLE_AGAIN,    /* the transaction is undone: the same again */
    EYOT__TROUBLE_LOST      /* the connection is no good: the same again on another one */
} eyot__my_trouble;

typedef struct eyot__my_column {
    eyot_bytes bytes;
    uint64_t number;
    bool null;
    unsigned char *room; /* grows; bytes.p points to it */
    unsigned long size, length;
} eyot__my_column;

struct eyot__my_library; /* what depends on the client library; mysql_client.c */

typedef struct eyot__my_connection {
    struct eyot__mysql *store;
    MYSQL *db; /* NULL: not connected */
    struct eyot__my_library *library;
    MYSQL_STMT *st[EYOT__MY_COUNT][EYOT__MYSQL_LEVELS];
    uint64_t deadline_ns; /* of the call that has it */
    uint64_t used_ns;     /* when it was given back */
    unsigned generation;
    bool taken;
    bool writing; /* autocommit is off: a transaction begins by itself */
    bool unsure;  /* a connection was lost earlier in this call: whether what was sent was done, the rows tell */

    eyot__my_sql sql; /* the statement that is being filled */
    unsigned level;
    size_t n_args;

    MYSQL_STMT *result;
    eyot__my_column columns[EYOT__MYSQL_COLUMNS];
    uint64_t matched; /* rows that the last statement found */
    unsigned error;   /* number of the last failure; 0: none */
    eyot__my_trouble trouble;
} eyot__my_connection;

typedef struct eyot__mysql_settings {
    char *text; /* what the pointers point to */
    const char *user, *password, *host, *database, *socket, *tls_ca;
    unsigned port;
    enum { EYOT__TLS_OFF, EYOT__TLS_REQUIRED, EYOT__TLS_VERIFY_CA, EYOT__TLS_VERIFY_FULL } tls;
    uint64_t timeout_ms, retry_ms, pool;
    char prefix[33];
} eyot__mysql_settings;

typedef struct eyot__mysql {
    eyot__mysql_settings set;
    char shown[104]; /* "mysql store at host/db", for error texts */
    pid_t pid;
    bool opened; /* opening has ended well */
    char version[64];
    eyot_store_class durability;
    char reasons[320];
    const char *advice;
    uint64_t max_packet, max_body;

    pthread_mutex_t lock; /* over all below and `taken`, `generation` of connections */
    pthread_cond_t given;
    unsigned generation; /* raised when a connection was lost: older ones are not trusted any more */
    unsigned crowded;    /* claims that lately met others' */
    eyot__my_connection *connections[EYOT__MYSQL_POOL];
} eyot__mysql;

/* ---- mysql_client.c: one connection ----------------------------------------------------------------------------- */

/* Once per process. ENOMEM, EIO. Leaves the host's handling of SIGPIPE as it was. */
eyot_status eyot__my_library_init(eyot_error *e);
/* A connection that is not connected. NULL: no memory. */
eyot__my_connection *eyot__my_connection_new(eyot__mysql *s);
void eyot__my_connection_free(eyot__my_connection *c);
eyot_status eyot__my_connect(eyot__my_connection *c, eyot_error *e);
void eyot__my_disconnect(eyot__my_connection *c);
/* The server has closed it, or said something that nobody asked for. */
bool eyot__my_is_stale(const eyot__my_connection *c);

/* A statement as text, and without a result. */
eyot_status eyot__my_text(eyot__my_connection *c, const char *sql, eyot_error *e);
/* The same with the prefix of the tables in place of '@'. */
eyot_status eyot__my_define(eyot__my_connection *c, const char *sql, eyot_error *e);
/* Name and value of each row that a statement of text finds. */
typedef void (*eyot__my_pair_fn)(void *arg, const char *name, const char *value);
eyot_status eyot__my_pairs(eyot__my_connection *c, const char *sql, eyot__my_pair_fn fn, void *arg, eyot_error *e);

/* How many of n rows go into one statement, so that few statements do for all of them. */
size_t eyot__my_rows_together(size_t n);
/* Begins to fill a statement whose repeated part is there for n of something; returns how many times it is there, which
 * may be more. Values follow in the order of the text; bytes are borrowed until the statement has run. */
size_t eyot__my_begin(eyot__my_connection *c, eyot__my_sql sql, size_t n);
void eyot__my_number(eyot__my_connection *c, uint64_t v);
void eyot__my_signed(eyot__my_connection *c, int64_t v);
void eyot__my_bytes(eyot__my_connection *c, eyot_bytes b);
/* Runs it; with a result, all of that is fetched, and must be ended. */
eyot_status eyot__my_run(eyot__my_connection *c, eyot_error *e);
/* The next row in c->columns, whose bytes last until the next call. */
eyot_status eyot__my_fetch(eyot__my_connection *c, bool *more, eyot_error *e);
void eyot__my_end(eyot__my_connection *c);
/* Runs it and fetches its first row, if it has one; the rest is dropped, the row's bytes last until the next statement. */
eyot_status eyot__my_one(eyot__my_connection *c, bool *found, eyot_error *e);

eyot_status eyot__my_commit(eyot__my_connection *c, eyot_error *e);

/* ---- mysql_pool.c: connections, and trying again ---------------------------------------------------------------- */

/* What a slot does with a connection. It may be called again, as often as the server or the network is to blame. After a
 * failure its transaction is undone. */
typedef eyot_status (*eyot__my_fn)(eyot__my_connection *c, void *arg, eyot_error *e);
/* Calls fn with a connection in a transaction (`writing`: fn commits) or statement by statement, until it is not
 * the server's or the network's fault that it failed, for max(timeout, retry) at most. EFORKED. */
eyot_status eyot__my_do(eyot__mysql *s, bool writing, eyot__my_fn fn, void *arg, eyot_error *e);
/* The same once more within `ms`, for opening. */
eyot_status eyot__my_do_within(eyot__mysql *s, uint64_t ms, bool writing, eyot__my_fn fn, void *arg, eyot_error *e);

/* ---- small things ----------------------------------------------------------------------------------------------- */

extern const eyot_store_ops eyot__mysql_ops; /* mysql.c */
void eyot__mysql_close(void *self);

uint32_t eyot__my_shard(eyot_bytes id);
/* The values of EYOT__MYSQL_RUN. */
void eyot__my_run_id(eyot__my_connection *c, eyot_bytes id);
/* The values of EYOT__MYSQL_DUE. */
void eyot__my_due(eyot__my_connection *c, uint64_t lease_ms, int64_t due_in_ms, uint32_t status);
/* A row of shape EYOT__MYSQL_ROW_SHAPE; its strings are borrowed from the columns. */
void eyot__my_read_row(const eyot__my_connection *c, eyot_run_row *row);
eyot_status eyot__my_no_run(eyot_bytes id, eyot_error *e);
/* ELIMIT, naming the run, when bytes are more than the server takes. */
eyot_status eyot__my_check_size(const eyot__mysql *s, eyot_bytes run, const char *what, size_t n, eyot_error *e);
/* Entries and events of a commit whose run's row is locked or new. */
eyot_status eyot__my_add_entries(eyot__my_connection *c, const eyot_commit *const *commits, size_t n, eyot_error *e);
eyot_status eyot__my_add_events(eyot__my_connection *c, const eyot_commit *commit, eyot_error *e);
eyot_status eyot__my_check_commit(const eyot__mysql *s, const eyot_commit *commit, eyot_error *e);

eyot_status eyot__mysql_commit(void *self, eyot_commit *commits, size_t n, eyot_error *e); /* mysql_commit.c */

/* The optional slots. */
eyot_status eyot__mysql_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                             eyot_bytes payload, eyot_error *e);
eyot_status eyot__mysql_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e);
eyot_status eyot__mysql_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                    eyot_buf *next, eyot_error *e);
eyot_status eyot__mysql_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e);
eyot_status eyot__mysql_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                               eyot_error *e);
eyot_status eyot__mysql_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                               uint64_t ttl_ms, eyot_error *e);
eyot_status eyot__mysql_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                              eyot_error *e);
eyot_status eyot__mysql_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e);

#endif
