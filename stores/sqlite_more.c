/* SPDX-License-Identifier: MIT */
/* The optional slots of the SQLite store: messages, events, values, pruning, deleting. */
#include "stores/sqlite.h"

#define TEXT eyot__sqlite_bind_text
#define BLOB eyot__sqlite_bind_blob

static eyot_status no_run(eyot_bytes id, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOTFOUND, "there is no run " EYOT__ID, EYOT__ID_ARGS(id));
}

/* A run's number, head and newest snapshot. */
static eyot_status find_log(const eyot__sqlite *s, eyot__sqlite_connection *c, eyot_bytes id, int64_t *no,
                            uint64_t *head, uint64_t *snapshot_seq, eyot_error *e)
{
    bool found;
    sqlite3_stmt *st = c->st[EYOT__SQL_LOG];
    TEXT(st, 1, id);
    eyot_status r = eyot__sqlite_step(s, st, &found, e);
    if (!r && !found) r = no_run(id, e);
    if (!r) {
        *no = sqlite3_column_int64(st, 0);
        *head = (uint64_t)sqlite3_column_int64(st, 1);
        *snapshot_seq = (uint64_t)sqlite3_column_int64(st, 2);
    }
    sqlite3_reset(st);
    return r;
}

/* ---- messages and events ---------------------------------------------------------------------------------------- */

static eyot_status add_message(eyot__sqlite *s, int64_t no, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                               eyot_bytes payload, eyot_error *e)
{
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_ADD_MESSAGE], *wake = s->writer.st[EYOT__SQL_WAKE];
    sqlite3_bind_int64(st, 1, no);
    BLOB(st, 2, message_id);
    sqlite3_bind_int64(st, 3, kind);
    BLOB(st, 4, name);
    BLOB(st, 5, payload);
    eyot_status r = eyot__sqlite_run(s, st, e);
    if (r || sqlite3_changes(s->writer.db) == 0) return r;
    sqlite3_bind_int64(wake, 1, no);
    sqlite3_bind_int64(wake, 2, eyot__sqlite_clock_ms());
    return eyot__sqlite_run(s, wake, e);
}

eyot_status eyot__sqlite_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                              eyot_bytes payload, eyot_error *e)
{
    eyot__sqlite *s = self;
    int64_t no = 0;
    uint64_t head, snapshot_seq;
    if (payload.n > s->max_body)
        return eyot_error_set(e, EYOT_ELIMIT, "run " EYOT__ID ": a message of %zu bytes is more than SQLite takes",
                              EYOT__ID_ARGS(id), payload.n);
    eyot_status r = eyot__sqlite_begin(s, e);
    if (r) return r;
    r = find_log(s, &s->writer, id, &no, &head, &snapshot_seq, e);
    if (!r) r = add_message(s, no, message_id, kind, name, payload, e);
    return eyot__sqlite_end(s, r, e);
}

eyot_status eyot__sqlite_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    int64_t no = 0;
    uint64_t head, snapshot_seq;
    bool more = false;
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    sqlite3_stmt *st = c->st[EYOT__SQL_INBOX];
    r = find_log(s, c, id, &no, &head, &snapshot_seq, e);
    sqlite3_bind_int64(st, 1, no);
    if (!r) r = eyot__sqlite_step(s, st, &more, e);
    while (!r && more) {
        eyot_entry entry = {.seq = (uint64_t)sqlite3_column_int64(st, 0),
                            .kind = (eyot_entry_kind)sqlite3_column_int(st, 1),
                            .key = eyot__sqlite_column(st, 2),
                            .body = eyot__sqlite_column(st, 3)};
        r = fn(arg, &entry);
        if (!r) r = eyot__sqlite_step(s, st, &more, e);
    }
    sqlite3_reset(st);
    eyot__sqlite_reader_give(s, c);
    return r;
}

/* One row more than asked for tells whether there is more. */
static eyot_status tell_events(const eyot__sqlite *s, sqlite3_stmt *st, uint32_t limit, eyot_event_fn fn, void *arg,
                               eyot_buf *next, eyot_error *e)
{
    bool more;
    int64_t last = 0;
    eyot_status r = eyot__sqlite_step(s, st, &more, e);
    for (; !r && more && limit; limit--) {
        last = sqlite3_column_int64(st, 0);
        eyot_event event = {.id = eyot__sqlite_column(st, 2),
                            .topic = eyot__sqlite_column(st, 3),
                            .payload = eyot__sqlite_column(st, 4)};
        r = fn(arg, eyot__sqlite_column(st, 1), &event);
        if (!r) r = eyot__sqlite_step(s, st, &more, e);
    }
    if (!r && more && last) r = eyot__cursor_print(next, last, eyot__bytes(NULL, 0));
    return r;
}

eyot_status eyot__sqlite_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                     eyot_buf *next, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    int64_t after = 0;
    eyot_bytes rest;
    if (cursor.n && !eyot__cursor_parse(cursor, &after, &rest))
        return eyot_error_set(e, EYOT_EINVAL, "the cursor for the outbox is malformed");
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    sqlite3_stmt *st = c->st[EYOT__SQL_OUTBOX];
    sqlite3_bind_int64(st, 1, after);
    sqlite3_bind_int64(st, 2, (int64_t)limit + 1);
    r = tell_events(s, st, limit, fn, arg, next, e);
    sqlite3_reset(st);
    eyot__sqlite_reader_give(s, c);
    return r;
}

eyot_status eyot__sqlite_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot_status r = eyot__sqlite_begin(s, e);
    if (r) return r;
    for (size_t i = 0; i < n && !r; i++) {
        BLOB(s->writer.st[EYOT__SQL_ACK], 1, ids[i]);
        r = eyot__sqlite_run(s, s->writer.st[EYOT__SQL_ACK], e);
    }
    return eyot__sqlite_end(s, r, e);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

/* Stands on the value if *found; the caller resets it. */
static eyot_status find_value(const eyot__sqlite *s, sqlite3_stmt *st, eyot_bytes ns, eyot_bytes key, bool *found,
                              eyot_error *e)
{
    BLOB(st, 1, ns);
    BLOB(st, 2, key);
    sqlite3_bind_int64(st, 3, eyot__sqlite_clock_ms());
    return eyot__sqlite_step(s, st, found, e);
}

eyot_status eyot__sqlite_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                                eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    bool found;
    *version = 0;
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    sqlite3_stmt *st = c->st[EYOT__SQL_VALUE];
    r = find_value(s, st, ns, key, &found, e);
    if (!r && found) {
        eyot_bytes b = eyot__sqlite_column(st, 1);
        *version = (uint64_t)sqlite3_column_int64(st, 0);
        r = eyot_buf_add(value, b.p, b.n);
    }
    sqlite3_reset(st);
    eyot__sqlite_reader_give(s, c);
    return r;
}

/* The new row's number is the new version: none is ever given twice, also not after a value has ended. */
static eyot_status put_value(eyot__sqlite *s, eyot_bytes ns, eyot_bytes key, eyot_bytes value, uint64_t ttl_ms,
                             eyot_error *e)
{
    eyot_commit life = {.lease_ms = ttl_ms, .due_in_ms = INT64_MAX};
    sqlite3_stmt *drop = s->writer.st[EYOT__SQL_DROP_VALUE], *add = s->writer.st[EYOT__SQL_ADD_VALUE];
    BLOB(drop, 1, ns);
    BLOB(drop, 2, key);
    eyot_status r = eyot__sqlite_run(s, drop, e);
    if (r) return r;
    BLOB(add, 1, ns);
    BLOB(add, 2, key);
    BLOB(add, 3, value);
    sqlite3_bind_int64(add, 4, eyot__store_due_ms(eyot__sqlite_clock_ms(), &life));
    return eyot__sqlite_run(s, add, e);
}

eyot_status eyot__sqlite_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                                uint64_t ttl_ms, eyot_error *e)
{
    eyot__sqlite *s = self;
    bool found;
    eyot_status r = eyot__sqlite_begin(s, e);
    if (r) return r;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_VALUE];
    r = find_value(s, st, ns, key, &found, e);
    if (!r && version != (found ? (uint64_t)sqlite3_column_int64(st, 0) : 0))
        r = eyot_error_set(e, EYOT_ESTALE, "the value has been changed meanwhile");
    sqlite3_reset(st);
    if (!r) r = put_value(s, ns, key, value, ttl_ms, e);
    return eyot__sqlite_end(s, r, e);
}

/* ---- pruning and deleting --------------------------------------------------------------------------------------- */

eyot_status eyot__sqlite_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                               eyot_error *e)
{
    eyot__sqlite *s = self;
    int64_t no = 0;
    uint64_t is_head = 0, snapshot_seq = 0;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_DROP_ENTRY];
    eyot_status r = eyot__sqlite_begin(s, e);
    if (r) return r;
    r = find_log(s, &s->writer, id, &no, &is_head, &snapshot_seq, e);
    if (!r && is_head != head)
        r = eyot_error_set(e, EYOT_ESTALE, "run " EYOT__ID " has head %llu", EYOT__ID_ARGS(id),
                           (unsigned long long)is_head);
    for (size_t i = 0; i < n && !r; i++) {
        if (drop_seq[i] == 0 || drop_seq[i] >= snapshot_seq) {
            r = eyot_error_set(e, EYOT_EINVAL, "run " EYOT__ID ": entry %llu is needed", EYOT__ID_ARGS(id),
                               (unsigned long long)drop_seq[i]);
        } else {
            sqlite3_bind_int64(st, 1, no);
            sqlite3_bind_int64(st, 2, (int64_t)drop_seq[i]);
            r = eyot__sqlite_run(s, st, e);
        }
    }
    return eyot__sqlite_end(s, r, e);
}

/* Whether the run may be deleted, its number, and until when its id stays taken. */
static eyot_status judge_delete(eyot__sqlite *s, eyot_bytes id, uint64_t epoch, int64_t now, int64_t *no,
                                int64_t *until_ms, eyot_error *e)
{
    bool found;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_ROW];
    TEXT(st, 1, id);
    eyot_status r = eyot__sqlite_step(s, st, &found, e);
    if (!r && !found) r = no_run(id, e);
    if (!r) {
        eyot_bytes owner = eyot__sqlite_column(st, 6);
        *no = sqlite3_column_int64(st, 0);
        *until_ms = owner.n ? sqlite3_column_int64(st, 16) : now;
        if (epoch != (uint64_t)sqlite3_column_int64(st, 8) && (epoch || *until_ms > now))
            r = eyot__store_refuse_delete(id, owner, e);
    }
    sqlite3_reset(st);
    return r;
}

static eyot_status drop_run(eyot__sqlite *s, eyot_bytes id, int64_t no, eyot_error *e)
{
    static const eyot__sql drops[] = {EYOT__SQL_DROP_LOG, EYOT__SQL_DROP_INBOX, EYOT__SQL_DROP_RUN};
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < sizeof drops / sizeof *drops && !r; i++) {
        sqlite3_bind_int64(s->writer.st[drops[i]], 1, no);
        r = eyot__sqlite_run(s, s->writer.st[drops[i]], e);
    }
    if (r) return r;
    TEXT(s->writer.st[EYOT__SQL_DROP_NOTES], 1, id);
    return eyot__sqlite_run(s, s->writer.st[EYOT__SQL_DROP_NOTES], e);
}

static eyot_status put_tombstone(eyot__sqlite *s, eyot_bytes id, int64_t until_ms, int64_t now, eyot_error *e)
{
    sqlite3_stmt *old = s->writer.st[EYOT__SQL_DROP_TOMBSTONES], *add = s->writer.st[EYOT__SQL_ADD_TOMBSTONE];
    sqlite3_bind_int64(old, 1, now);
    eyot_status r = eyot__sqlite_run(s, old, e);
    if (r || until_ms <= now) return r;
    TEXT(add, 1, id);
    sqlite3_bind_int64(add, 2, until_ms);
    return eyot__sqlite_run(s, add, e);
}

eyot_status eyot__sqlite_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e)
{
    eyot__sqlite *s = self;
    int64_t no = 0, until_ms = 0, now = eyot__sqlite_clock_ms();
    eyot_status r = eyot__sqlite_begin(s, e);
    if (r) return r;
    r = judge_delete(s, id, epoch, now, &no, &until_ms, e);
    if (!r) r = drop_run(s, id, no, e);
    if (!r) r = put_tombstone(s, id, until_ms, now, e);
    return eyot__sqlite_end(s, r, e);
}
