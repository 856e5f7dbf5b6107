/* SPDX-License-Identifier: MIT */
/* What the files of the SQLite store share: sqlite_open.c opens and closes it and owns connections and transactions,
 * sqlite.c has the required slots, sqlite_more.c the optional ones. */
#ifndef EYOT_STORES_SQLITE_H
#define EYOT_STORES_SQLITE_H

#include "core/store.h"
#include "stores/url.h"

#include <sqlite3.h>

#define EYOT__SQLITE_READERS 4

/* "EYOT", in the header of the file. */
#define EYOT__SQLITE_APPLICATION 0x45594F54
#define EYOT__SQLITE_FORMAT 1

#define EYOT__SQLITE_ROW                                                                                            \
    "no, id, graph, fingerprint, origin, queue, owner, token, epoch, head, steps, snapshot_seq, status, attempts, " \
    "priority, crc, due_ms, created_ms, updated_ms"

/* Statements: prepared when a connection is opened, and kept. */
#define EYOT__SQLITE_STATEMENTS(X)                                                                                   \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                      \
    X(COMMIT, "COMMIT")                                                                                              \
    X(ROLLBACK, "ROLLBACK")                                                                                          \
    X(ROW, "SELECT " EYOT__SQLITE_ROW " FROM run WHERE id = ?1")                                                     \
    X(FENCE, "SELECT no, epoch, token, head, crc, owner, snapshot_seq FROM run WHERE id = ?1")                       \
    X(ADVANCE, "UPDATE run SET head = ?2, steps = ?3, crc = ?4, attempts = 0, snapshot_seq = ?5, status = ?6, "      \
               "due_ms = ?7, updated_ms = ?8 WHERE no = ?1")                                                         \
    X(RENEW, "UPDATE run SET snapshot_seq = ?2, status = ?3, due_ms = ?4, updated_ms = ?5 WHERE no = ?1")            \
    X(RELEASE, "UPDATE run SET owner = '', attempts = max(attempts - 1, 0) WHERE no = ?1")                           \
    X(ADD_ENTRY, "INSERT INTO entry(run, seq, step, kind, key, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                \
    X(ADD_EVENT, "INSERT OR IGNORE INTO outbox(id, run, topic, payload) VALUES(?1, ?2, ?3, ?4)")                     \
    X(MESSAGE_DONE, "UPDATE inbox SET done = 1, name = x'', payload = x'' WHERE run = ?1 AND id = ?2")               \
    X(MESSAGE_WAITS, "SELECT 1 FROM inbox WHERE run = ?1 AND done = 0 LIMIT 1")                                      \
    X(TOMBSTONE, "SELECT 1 FROM tombstone WHERE id = ?1 AND until_ms > ?2")                                          \
    X(ADD_RUN, "INSERT INTO run(id, graph, fingerprint, origin, queue, owner, token, epoch, head, steps, "           \
               "snapshot_seq, status, attempts, priority, crc, due_ms, created_ms, updated_ms) "                     \
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11, 0, ?12, ?13, ?14, ?15, ?15) "                \
               "ON CONFLICT(id) DO NOTHING")                                                                         \
    X(ADD_GRAPH, "INSERT OR IGNORE INTO graph(fingerprint, source) VALUES(?1, ?2)")                                  \
    X(CLAIM, "UPDATE run SET owner = ?2, token = ?3, epoch = epoch + 1, attempts = attempts + 1, status = ?4, "      \
             "due_ms = ?5, updated_ms = ?6 WHERE no = ?1")                                                           \
    X(NEXT_LOST, "SELECT " EYOT__SQLITE_ROW " FROM run WHERE queue = ?1 AND owner <> '' AND due_ms <= ?2 "           \
                 "AND status <> 7 ORDER BY due_ms")                                                                  \
    X(NEXT_PRIORITY, "SELECT priority FROM run WHERE queue = ?1 AND owner = '' AND due_ms < 9223372036854775807 "    \
                     "AND priority < ?2 ORDER BY priority DESC LIMIT 1")                                             \
    X(NEXT_DUE, "SELECT " EYOT__SQLITE_ROW " FROM run WHERE queue = ?1 AND owner = '' "                              \
                "AND due_ms < 9223372036854775807 AND priority = ?2 AND due_ms <= ?3 ORDER BY due_ms")               \
    X(LIST, "SELECT " EYOT__SQLITE_ROW " FROM run WHERE (created_ms, id) < (?5, ?6) AND created_ms >= ?4 "           \
            "AND (?1 = 0 OR status = ?1) AND (?2 = '' OR graph = ?2) AND substr(id, 1, length(?3)) = ?3 "            \
            "ORDER BY created_ms DESC, id DESC LIMIT ?7")                                                            \
    X(GRAPH, "SELECT source FROM graph WHERE fingerprint = ?1")                                                      \
    X(LOG, "SELECT no, head, snapshot_seq FROM run WHERE id = ?1")                                                   \
    X(SNAPSHOT_BEFORE, "SELECT seq FROM entry WHERE kind = 7 AND run = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1")  \
    X(ENTRIES, "SELECT seq, step, kind, key, body FROM entry WHERE run = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq " \
               "LIMIT ?4")                                                                                           \
    X(ENTRY_HEADS, "SELECT seq, step, kind, key FROM entry WHERE run = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq "   \
                   "LIMIT ?4")                                                                                       \
    X(ADD_MESSAGE, "INSERT OR IGNORE INTO inbox(run, id, kind, name, payload, done) VALUES(?1, ?2, ?3, ?4, ?5, 0)")  \
    X(WAKE, "UPDATE run SET due_ms = ?2 WHERE no = ?1 AND status = 3 AND owner = ''")                                \
    X(INBOX, "SELECT no, kind, id, payload FROM inbox WHERE run = ?1 AND done = 0 ORDER BY no")                      \
    X(OUTBOX, "SELECT no, run, id, topic, payload FROM outbox WHERE no > ?1 ORDER BY no LIMIT ?2")                   \
    X(ACK, "DELETE FROM outbox WHERE id = ?1")                                                                       \
    X(VALUE, "SELECT version, value FROM value WHERE ns = ?1 AND key = ?2 AND until_ms > ?3")                        \
    X(DROP_VALUE, "DELETE FROM value WHERE ns = ?1 AND key = ?2")                                                    \
    X(DROP_NOTES, "DELETE FROM value WHERE ns = CAST('run/' || ?1 AS BLOB)")                                         \
    X(ADD_VALUE, "INSERT INTO value(ns, key, value, until_ms) VALUES(?1, ?2, ?3, ?4)")                               \
    X(DROP_ENTRY, "DELETE FROM entry WHERE run = ?1 AND seq = ?2")                                                   \
    X(DROP_LOG, "DELETE FROM entry WHERE run = ?1")                                                                  \
    X(DROP_INBOX, "DELETE FROM inbox WHERE run = ?1")                                                                \
    X(DROP_RUN, "DELETE FROM run WHERE no = ?1")                                                                     \
    X(DROP_TOMBSTONES, "DELETE FROM tombstone WHERE until_ms <= ?1")                                                 \
    X(ADD_TOMBSTONE, "INSERT OR REPLACE INTO tombstone(id, until_ms) VALUES(?1, ?2)")

typedef enum eyot__sql {
#define EYOT__SQL_ENUM(name, text) EYOT__SQL_##name,
    EYOT__SQLITE_STATEMENTS(EYOT__SQL_ENUM)
#undef EYOT__SQL_ENUM
        EYOT__SQL_COUNT
} eyot__sql;

typedef struct eyot__sqlite_connection {
    sqlite3 *db;
    sqlite3_stmt *st[EYOT__SQL_COUNT];
} eyot__sqlite_connection;

typedef struct eyot__sqlite {
    char *path;      /* absolute */
    char shown[104]; /* the end of it, for error texts */
    unsigned forks;
    uint64_t busy_timeout_ms, page_size;
    bool normal; /* synchronous=NORMAL */
    eyot_store_class durability;
    const char *reason;
    uint64_t max_body;

    pthread_mutex_t write_lock; /* over the writer and the numbers below; held for a whole transaction */
    eyot__sqlite_connection writer;
    int64_t wal_pages, checkpoint_at; /* in the WAL after the last commit here; when it is written back */
    int64_t wal_size;                 /* bytes up to which it has been laid out */
    int64_t real_page_size;

    pthread_mutex_t read_lock; /* over `reading`; a connection belongs to who has set its flag */
    pthread_cond_t read_free;
    eyot__sqlite_connection readers[EYOT__SQLITE_READERS];
    bool reading[EYOT__SQLITE_READERS];
} eyot__sqlite;

extern const eyot_store_ops eyot__sqlite_ops; /* sqlite.c */

int64_t eyot__sqlite_clock_ms(void);

/* What the backend said last on this connection, as a status and a sentence that names the file. */
eyot_status eyot__sqlite_error(const eyot__sqlite *s, sqlite3 *db, eyot_error *e);

/* Steps a statement that returns no rows, and resets it. */
eyot_status eyot__sqlite_run(const eyot__sqlite *s, sqlite3_stmt *st, eyot_error *e);
/* Steps one that returns rows: *row tells whether there is one. The caller resets it. */
eyot_status eyot__sqlite_step(const eyot__sqlite *s, sqlite3_stmt *st, bool *row, eyot_error *e);

/* Begins a transaction of the one writer and takes its lock; when it fails, there is nothing to end. EFORKED. */
eyot_status eyot__sqlite_begin(eyot__sqlite *s, eyot_error *e);
/* Commits if `status` is EYOT_OK, else rolls back; gives the lock back; returns `status` or why the commit failed. */
eyot_status eyot__sqlite_end(eyot__sqlite *s, eyot_status status, eyot_error *e);

/* A connection for one read; waits while all are taken. What is read between the first step of a statement and its reset
 * is one state of the file. EFORKED, and what opening a connection says. */
eyot_status eyot__sqlite_reader_take(eyot__sqlite *s, eyot__sqlite_connection **out, eyot_error *e);
void eyot__sqlite_reader_give(eyot__sqlite *s, eyot__sqlite_connection *c);

void eyot__sqlite_close(void *self);

/* What a file system means for a store, by the `f_type` of statfs. ENOTSUP: a network's. */
eyot_status eyot__sqlite_judge_place(uint64_t magic, bool normal, eyot_store_class *durability, const char **reason,
                                     const char *shown, eyot_error *e);

/* Borrowed bytes must live until the statement has been run. */
static inline void eyot__sqlite_bind_text(sqlite3_stmt *st, int i, eyot_bytes b)
{
    sqlite3_bind_text64(st, i, b.n ? b.p : "", b.n, SQLITE_STATIC, SQLITE_UTF8);
}
static inline void eyot__sqlite_bind_blob(sqlite3_stmt *st, int i, eyot_bytes b)
{
    sqlite3_bind_blob64(st, i, b.n ? b.p : "", b.n, SQLITE_STATIC);
}
static inline void eyot__sqlite_bind_int(sqlite3_stmt *st, int i, uint64_t v)
{
    sqlite3_bind_int64(st, i, (int64_t)v);
}
static inline eyot_bytes eyot__sqlite_column(sqlite3_stmt *st, int i)
{
    /* The pointer first: asking for it may change the length. */
    const void *p = sqlite3_column_blob(st, i);
    return eyot__bytes(p, (size_t)sqlite3_column_bytes(st, i));
}

/* The optional slots. */
eyot_status eyot__sqlite_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                              eyot_bytes payload, eyot_error *e);
eyot_status eyot__sqlite_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e);
eyot_status eyot__sqlite_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                     eyot_buf *next, eyot_error *e);
eyot_status eyot__sqlite_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e);
eyot_status eyot__sqlite_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                                eyot_error *e);
eyot_status eyot__sqlite_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                                uint64_t ttl_ms, eyot_error *e);
eyot_status eyot__sqlite_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                               eyot_error *e);
eyot_status eyot__sqlite_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e);

#endif
