/* SPDX-License-Identifier: MIT */
/* The SQLite store: its required slots. A write is one transaction of the one writer: it reads the run's row, decides
 * in C as every backend does, and writes. */
#include "stores/sqlite.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The statements have these as numbers. */
static_assert(EYOT_ENTRY_SNAPSHOT == 7 && EYOT_RUN_DONE == 7 && EYOT_RUN_SUSPENDED == 3, "sqlite.h has them as text");

#define TEXT eyot__sqlite_bind_text
#define BLOB eyot__sqlite_bind_blob
#define INT eyot__sqlite_bind_int

static eyot_status no_run(eyot_bytes id, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOTFOUND, "there is no run " EYOT__ID, EYOT__ID_ARGS(id));
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static void copy_token(uint8_t token[16], sqlite3_stmt *st, int column)
{
    eyot_bytes b = eyot__sqlite_column(st, column);
    memset(token, 0, 16);
    memcpy(token, b.n ? b.p : "", b.n < 16 ? b.n : 16);
}

/* The columns of EYOT__SQLITE_ROW; strings are borrowed until the statement moves on. */
static int64_t read_row(sqlite3_stmt *st, eyot_run_row *row, int64_t now)
{
    row->run = eyot__sqlite_column(st, 1);
    row->graph = eyot__sqlite_column(st, 2);
    row->fingerprint = eyot__sqlite_column(st, 3);
    row->origin = eyot__sqlite_column(st, 4);
    row->queue = eyot__sqlite_column(st, 5);
    row->owner = eyot__sqlite_column(st, 6);
    copy_token(row->token, st, 7);
    row->epoch = (uint64_t)sqlite3_column_int64(st, 8);
    row->head = (uint64_t)sqlite3_column_int64(st, 9);
    row->steps = (uint64_t)sqlite3_column_int64(st, 10);
    row->snapshot_seq = (uint64_t)sqlite3_column_int64(st, 11);
    row->status = (uint32_t)sqlite3_column_int64(st, 12);
    row->attempts = (uint32_t)sqlite3_column_int64(st, 13);
    row->priority = (int32_t)sqlite3_column_int64(st, 14);
    row->crc = (uint32_t)sqlite3_column_int64(st, 15);
    row->due_ms = sqlite3_column_int64(st, 16);
    row->created_ms = sqlite3_column_int64(st, 17);
    row->updated_ms = sqlite3_column_int64(st, 18);
    row->now_ms = now;
    return sqlite3_column_int64(st, 0);
}

/* ---- commits ---------------------------------------------------------------------------------------------------- */

static eyot_status check_sizes(const eyot__sqlite *s, const eyot_commit *c, eyot_error *e)
{
    for (size_t i = 0; i < c->n_entries; i++)
        if (c->entries[i].body.n > s->max_body)
            return eyot_error_set(e, EYOT_ELIMIT, "run " EYOT__ID ": entry %llu has %zu bytes, SQLite takes %llu",
                                  EYOT__ID_ARGS(c->run), (unsigned long long)c->entries[i].seq, c->entries[i].body.n,
                                  (unsigned long long)s->max_body);
    return EYOT_OK;
}

static eyot_status add_entries(eyot__sqlite *s, int64_t no, const eyot_commit *c, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_ADD_ENTRY];
    for (size_t i = 0; i < c->n_entries && !r; i++) {
        const eyot_entry *from = &c->entries[i];
        sqlite3_bind_int64(st, 1, no);
        INT(st, 2, c->head + 1 + i);
        INT(st, 3, from->step);
        INT(st, 4, (uint64_t)from->kind);
        TEXT(st, 5, from->key);
        BLOB(st, 6, from->body);
        r = eyot__sqlite_run(s, st, e);
    }
    return r;
}

static eyot_status add_events(eyot__sqlite *s, eyot_bytes run, const eyot_commit *c, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_ADD_EVENT];
    for (size_t i = 0; i < c->n_events && !r; i++) {
        BLOB(st, 1, c->events[i].id);
        TEXT(st, 2, run);
        BLOB(st, 3, c->events[i].topic);
        BLOB(st, 4, c->events[i].payload);
        r = eyot__sqlite_run(s, st, e);
    }
    return r;
}

static eyot_status finish_messages(eyot__sqlite *s, int64_t no, const eyot_commit *c, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_MESSAGE_DONE];
    for (size_t i = 0; i < c->n_inbox_done && !r; i++) {
        sqlite3_bind_int64(st, 1, no);
        BLOB(st, 2, c->inbox_done[i]);
        r = eyot__sqlite_run(s, st, e);
    }
    return r;
}

static eyot_status has_message(eyot__sqlite *s, int64_t no, bool *waits, eyot_error *e)
{
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_MESSAGE_WAITS];
    sqlite3_bind_int64(st, 1, no);
    eyot_status r = eyot__sqlite_step(s, st, waits, e);
    sqlite3_reset(st);
    return r;
}

static eyot_status advance(eyot__sqlite *s, int64_t no, const eyot_commit *c, uint64_t snapshot_seq, int64_t due,
                           int64_t now, eyot_error *e)
{
    int i = 1;
    sqlite3_stmt *st = s->writer.st[c->n_entries ? EYOT__SQL_ADVANCE : EYOT__SQL_RENEW];
    sqlite3_bind_int64(st, i++, no);
    if (c->n_entries) {
        INT(st, i++, c->head + c->n_entries);
        INT(st, i++, c->entries[c->n_entries - 1].step);
        INT(st, i++, c->crc);
    }
    INT(st, i++, snapshot_seq);
    INT(st, i++, c->status);
    sqlite3_bind_int64(st, i++, due);
    sqlite3_bind_int64(st, i, now);
    return eyot__sqlite_run(s, st, e);
}

static eyot_status write_commit(eyot__sqlite *s, int64_t no, const eyot_commit *c, uint64_t snapshot_seq, int64_t now,
                                eyot_error *e)
{
    bool waits = false;
    int64_t due = eyot__store_due_ms(now, c);
    eyot_status r = add_entries(s, no, c, e);
    if (!r) r = add_events(s, c->run, c, e);
    if (!r) r = finish_messages(s, no, c, e);
    /* A message that came while the run was held must wake it. */
    if (!r && !c->lease_ms && c->status == EYOT_RUN_SUSPENDED) r = has_message(s, no, &waits, e);
    if (!r) r = advance(s, no, c, c->snapshot_seq ? c->snapshot_seq : snapshot_seq, waits ? now : due, now, e);
    if (r || c->lease_ms) return r;
    sqlite3_bind_int64(s->writer.st[EYOT__SQL_RELEASE], 1, no);
    return eyot__sqlite_run(s, s->writer.st[EYOT__SQL_RELEASE], e);
}

static eyot_status commit_one(eyot__sqlite *s, eyot_commit *c, int64_t now, eyot_error *e)
{
    bool found;
    eyot_run_row row = {0};
    int64_t no = 0;
    uint64_t snapshot_seq = 0;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_FENCE];
    TEXT(st, 1, c->run);
    eyot_status r = eyot__sqlite_step(s, st, &found, e);
    if (!r && found) {
        no = sqlite3_column_int64(st, 0);
        row.epoch = (uint64_t)sqlite3_column_int64(st, 1);
        copy_token(row.token, st, 2);
        row.head = (uint64_t)sqlite3_column_int64(st, 3);
        row.crc = (uint32_t)sqlite3_column_int64(st, 4);
        row.owner = eyot__sqlite_column(st, 5);
        snapshot_seq = (uint64_t)sqlite3_column_int64(st, 6);
        c->result = eyot__store_verdict(&row, c);
    } else {
        c->result = EYOT_EGONE;
    }
    sqlite3_reset(st);
    return r || c->result ? r : write_commit(s, no, c, snapshot_seq, now, e);
}

static eyot_status sqlite_commit(void *self, eyot_commit *commits, size_t n, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot_status r = EYOT_OK;
    int64_t now = eyot__sqlite_clock_ms();
    for (size_t i = 0; i < n && !r; i++) r = check_sizes(s, &commits[i], e);
    if (!r) r = eyot__sqlite_begin(s, e);
    if (r) return r;
    for (size_t i = 0; i < n && !r; i++) r = commit_one(s, &commits[i], now, e);
    return eyot__sqlite_end(s, r, e);
}

/* ---- creating and claiming -------------------------------------------------------------------------------------- */

static eyot_status exists(const eyot_run_row *row, eyot_error *e)
{
    return eyot_error_set(e, EYOT_EEXIST, "run " EYOT__ID " exists already", EYOT__ID_ARGS(row->run));
}

static eyot_status check_tombstone(eyot__sqlite *s, const eyot_run_row *row, int64_t now, eyot_error *e)
{
    bool stands;
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_TOMBSTONE];
    TEXT(st, 1, row->run);
    sqlite3_bind_int64(st, 2, now);
    eyot_status r = eyot__sqlite_step(s, st, &stands, e);
    sqlite3_reset(st);
    return !r && stands ? exists(row, e) : r;
}

static eyot_status add_run(eyot__sqlite *s, const eyot_run_row *row, const eyot_commit *first, int64_t now, int64_t *no,
                           eyot_error *e)
{
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_ADD_RUN];
    eyot_bytes owner = first->lease_ms ? row->owner : eyot__bytes(NULL, 0);
    TEXT(st, 1, row->run);
    TEXT(st, 2, row->graph);
    TEXT(st, 3, row->fingerprint);
    TEXT(st, 4, row->origin);
    TEXT(st, 5, row->queue);
    TEXT(st, 6, owner);
    BLOB(st, 7, eyot__bytes(row->token, sizeof row->token));
    INT(st, 8, first->n_entries);
    INT(st, 9, first->n_entries ? first->entries[first->n_entries - 1].step : 0);
    INT(st, 10, first->snapshot_seq);
    INT(st, 11, first->status);
    sqlite3_bind_int64(st, 12, row->priority);
    INT(st, 13, first->n_entries ? first->crc : 0);
    sqlite3_bind_int64(st, 14, eyot__store_due_ms(now, first));
    sqlite3_bind_int64(st, 15, now);
    eyot_status r = eyot__sqlite_run(s, st, e);
    if (r) return r;
    *no = sqlite3_last_insert_rowid(s->writer.db);
    return sqlite3_changes(s->writer.db) == 0 ? exists(row, e) : EYOT_OK;
}

static eyot_status add_graph(eyot__sqlite *s, eyot_bytes fingerprint, eyot_bytes source, eyot_error *e)
{
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_ADD_GRAPH];
    TEXT(st, 1, fingerprint);
    BLOB(st, 2, source);
    return eyot__sqlite_run(s, st, e);
}

static eyot_status sqlite_create_run(void *self, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                                     eyot_error *e)
{
    eyot__sqlite *s = self;
    int64_t no = 0, now = eyot__sqlite_clock_ms();
    eyot_commit c = *first;
    if (!row->owner.n) c.lease_ms = 0;
    eyot_status r = check_sizes(s, &c, e);
    if (!r) r = eyot__sqlite_begin(s, e);
    if (r) return r;
    r = check_tombstone(s, row, now, e);
    if (!r) r = add_run(s, row, &c, now, &no, e);
    if (!r) r = add_graph(s, row->fingerprint, source, e);
    if (!r) r = add_entries(s, no, &c, e);
    if (!r) r = add_events(s, row->run, &c, e);
    return eyot__sqlite_end(s, r, e);
}

/* To the next row that the claim is for. */
static eyot_status step_to_taken(const eyot__sqlite *s, sqlite3_stmt *st, const eyot_claim *c, bool *found,
                                 eyot_error *e)
{
    eyot_status r = eyot__sqlite_step(s, st, found, e);
    while (!r && *found && !c->run.n && !eyot__store_claim_takes(c, eyot__sqlite_column(st, 3)))
        r = eyot__sqlite_step(s, st, found, e);
    return r;
}

/* The runs that may be due, one priority after the other: an index tells the first due one of each. */
static eyot_status find_ready(eyot__sqlite *s, const eyot_claim *c, int64_t now, sqlite3_stmt **out, bool *found,
                              eyot_error *e)
{
    eyot_status r = EYOT_OK;
    bool more = true;
    sqlite3_stmt *next = s->writer.st[EYOT__SQL_NEXT_PRIORITY], *due = s->writer.st[EYOT__SQL_NEXT_DUE];
    *out = due;
    *found = false;
    for (int64_t priority = (int64_t)INT32_MAX + 1; !r && !*found;) {
        TEXT(next, 1, c->queue);
        sqlite3_bind_int64(next, 2, priority);
        r = eyot__sqlite_step(s, next, &more, e);
        if (!r && more) priority = sqlite3_column_int64(next, 0);
        sqlite3_reset(next);
        if (r || !more) break;
        sqlite3_reset(due);
        TEXT(due, 1, c->queue);
        sqlite3_bind_int64(due, 2, priority);
        sqlite3_bind_int64(due, 3, now);
        r = step_to_taken(s, due, c, found, e);
    }
    return r;
}

/* *out stands on the row that is asked for, if *found; the caller resets it. */
static eyot_status find_claimed(eyot__sqlite *s, const eyot_claim *c, int64_t now, sqlite3_stmt **out, bool *found,
                                eyot_error *e)
{
    *out = s->writer.st[c->run.n ? EYOT__SQL_ROW : EYOT__SQL_NEXT_LOST];
    TEXT(*out, 1, c->run.n ? c->run : c->queue);
    if (!c->run.n) sqlite3_bind_int64(*out, 2, now);
    eyot_status r = step_to_taken(s, *out, c, found, e);
    if (r || *found || c->run.n) return r;
    sqlite3_reset(*out);
    return find_ready(s, c, now, out, found, e);
}

static eyot_status take_run(eyot__sqlite *s, const eyot_claim *c, int64_t no, eyot_run_row *row, eyot_error *e)
{
    sqlite3_stmt *st = s->writer.st[EYOT__SQL_CLAIM];
    eyot_commit lease = {.lease_ms = c->lease_ms};
    row->owner = c->owner;
    memcpy(row->token, c->token, sizeof row->token);
    row->epoch++;
    row->attempts++;
    row->status = EYOT_RUN_RUNNING;
    row->updated_ms = row->now_ms;
    row->due_ms = eyot__store_due_ms(row->now_ms, &lease);
    sqlite3_bind_int64(st, 1, no);
    TEXT(st, 2, c->owner);
    BLOB(st, 3, eyot__bytes(c->token, sizeof c->token));
    INT(st, 4, row->status);
    sqlite3_bind_int64(st, 5, row->due_ms);
    sqlite3_bind_int64(st, 6, row->updated_ms);
    return eyot__sqlite_run(s, st, e);
}

static eyot_status sqlite_claim(void *self, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    eyot__sqlite *s = self;
    sqlite3_stmt *st = NULL;
    eyot_run_row row = {0};
    char *memory = NULL;
    bool found = false;
    int64_t no = 0, now = eyot__sqlite_clock_ms();
    eyot_status r = eyot__sqlite_begin(s, e);
    if (r) return r;
    r = find_claimed(s, c, now, &st, &found, e);
    if (!r && found) no = read_row(st, &row, now);
    if (!r && found) r = eyot__store_own_row(&row, &memory, e);
    if (st) sqlite3_reset(st);
    bool known = !r && found;
    if (!r) r = eyot__store_judge_claim(c, found ? &row : NULL, now, e);
    if (!r) r = take_run(s, c, no, &row, e);
    r = eyot__sqlite_end(s, r, e);
    if (known && (!r || r == EYOT_EBUSY || r == EYOT_EALREADY)) {
        eyot_status told = fn(arg, &row);
        if (told) r = told;
    }
    free(memory);
    return r;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static eyot_status sqlite_get_run(void *self, eyot_bytes id, eyot_row_fn fn, void *arg, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    eyot_run_row row;
    bool found;
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    sqlite3_stmt *st = c->st[EYOT__SQL_ROW];
    TEXT(st, 1, id);
    r = eyot__sqlite_step(s, st, &found, e);
    if (!r && !found) r = no_run(id, e);
    if (!r) {
        read_row(st, &row, eyot__sqlite_clock_ms());
        r = fn(arg, &row);
    }
    sqlite3_reset(st);
    eyot__sqlite_reader_give(s, c);
    return r;
}

typedef struct page {
    uint32_t left;
    eyot_row_fn fn;
    void *arg;
    eyot_buf *next;
    int64_t created_ms; /* of the last row told */
    char id[128];
    size_t id_len;
} page;

/* One row more than asked for tells whether there is a next page. */
static eyot_status tell_page(const eyot__sqlite *s, sqlite3_stmt *st, page *p, eyot_error *e)
{
    bool more;
    eyot_run_row row;
    int64_t now = eyot__sqlite_clock_ms();
    eyot_status r = eyot__sqlite_step(s, st, &more, e);
    while (!r && more && p->left) {
        read_row(st, &row, now);
        p->left--;
        p->created_ms = row.created_ms;
        p->id_len = row.run.n < sizeof p->id ? row.run.n : sizeof p->id;
        memcpy(p->id, row.run.p, p->id_len);
        r = p->fn(p->arg, &row);
        if (!r) r = eyot__sqlite_step(s, st, &more, e);
    }
    if (!r && more && p->id_len) r = eyot__cursor_print(p->next, p->created_ms, eyot__bytes(p->id, p->id_len));
    return r;
}

static eyot_status sqlite_list_runs(void *self, const eyot_run_filter *f, eyot_bytes cursor, uint32_t limit,
                                    eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    page p = {.left = limit, .fn = fn, .arg = arg, .next = next};
    int64_t created_ms = INT64_MAX;
    eyot_bytes id = {NULL, 0};
    if (cursor.n && !eyot__cursor_parse(cursor, &created_ms, &id))
        return eyot_error_set(e, EYOT_EINVAL, "the cursor for the list of runs is malformed");
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    sqlite3_stmt *st = c->st[EYOT__SQL_LIST];
    INT(st, 1, f->status);
    TEXT(st, 2, f->graph);
    TEXT(st, 3, f->prefix);
    sqlite3_bind_int64(st, 4, f->since_ms);
    sqlite3_bind_int64(st, 5, created_ms);
    TEXT(st, 6, id);
    INT(st, 7, (uint64_t)limit + 1);
    r = tell_page(s, st, &p, e);
    sqlite3_reset(st);
    eyot__sqlite_reader_give(s, c);
    return r;
}

static eyot_status sqlite_get_graph(void *self, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    bool found;
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    sqlite3_stmt *st = c->st[EYOT__SQL_GRAPH];
    TEXT(st, 1, fingerprint);
    r = eyot__sqlite_step(s, st, &found, e);
    if (!r && !found) r = eyot_error_set(e, EYOT_ENOTFOUND, "there is no graph " EYOT__ID, EYOT__ID_ARGS(fingerprint));
    if (!r) {
        eyot_bytes b = eyot__sqlite_column(st, 0);
        r = eyot_buf_add(source, b.p, b.n);
    }
    sqlite3_reset(st);
    eyot__sqlite_reader_give(s, c);
    return r;
}

static void read_entry(sqlite3_stmt *st, bool with_body, eyot_entry *out)
{
    memset(out, 0, sizeof *out);
    out->seq = (uint64_t)sqlite3_column_int64(st, 0);
    out->step = (uint64_t)sqlite3_column_int64(st, 1);
    out->kind = (eyot_entry_kind)sqlite3_column_int(st, 2);
    out->key = eyot__sqlite_column(st, 3);
    if (with_body) out->body = eyot__sqlite_column(st, 4);
}

static eyot_status gap(eyot_bytes id, uint64_t seq, bool latest, eyot_error *e)
{
    return eyot_error_set(e, latest ? EYOT_ECORRUPT : EYOT_ENOTFOUND, "run " EYOT__ID ": entry %llu is %s",
                          EYOT__ID_ARGS(id), (unsigned long long)seq, latest ? "lost" : "no longer there");
}

static eyot_status surplus(eyot_bytes id, uint64_t seq, uint64_t head, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ECORRUPT,
                          "run " EYOT__ID ": entry %llu is there, but its row says that %llu is the last",
                          EYOT__ID_ARGS(id), (unsigned long long)seq, (unsigned long long)head);
}

typedef struct log_view {
    int64_t no;
    uint64_t head, snapshot_seq;
} log_view;

/* Opens a run's log for reading: the statement stays where it is, and with it the state of the file, until the caller
 * resets it. */
static eyot_status open_log(const eyot__sqlite *s, sqlite3_stmt *st, eyot_bytes id, log_view *log, eyot_error *e)
{
    bool found;
    TEXT(st, 1, id);
    eyot_status r = eyot__sqlite_step(s, st, &found, e);
    if (!r && !found) r = no_run(id, e);
    if (r) return r;
    log->no = sqlite3_column_int64(st, 0);
    log->head = (uint64_t)sqlite3_column_int64(st, 1);
    log->snapshot_seq = (uint64_t)sqlite3_column_int64(st, 2);
    return EYOT_OK;
}

static eyot_status find_snapshot(const eyot__sqlite *s, sqlite3_stmt *st, const log_view *log, uint64_t seq,
                                 uint64_t *snapshot_seq, eyot_error *e)
{
    bool found;
    sqlite3_bind_int64(st, 1, log->no);
    INT(st, 2, seq);
    eyot_status r = eyot__sqlite_step(s, st, &found, e);
    *snapshot_seq = !r && found ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    sqlite3_reset(st);
    return r;
}

static eyot_status load_range(const eyot__sqlite *s, sqlite3_stmt *st, const log_view *log, uint64_t from, uint64_t to,
                              eyot_bytes id, bool latest, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    bool more;
    eyot_entry entry;
    sqlite3_bind_int64(st, 1, log->no);
    INT(st, 2, from);
    INT(st, 3, latest ? INT64_MAX : to);
    sqlite3_bind_int64(st, 4, -1);
    eyot_status r = eyot__sqlite_step(s, st, &more, e);
    while (!r && more) {
        read_entry(st, true, &entry);
        r = entry.seq > to      ? surplus(id, entry.seq, to, e)
            : entry.seq == from ? fn(arg, &entry)
                                : gap(id, from, latest, e);
        from++;
        if (!r) r = eyot__sqlite_step(s, st, &more, e);
    }
    sqlite3_reset(st);
    return r || from > to ? r : gap(id, from, latest, e);
}

static eyot_status sqlite_load(void *self, eyot_bytes id, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    log_view log = {0};
    bool latest = seq == UINT64_MAX;
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    r = open_log(s, c->st[EYOT__SQL_LOG], id, &log, e);
    uint64_t from = log.snapshot_seq;
    if (latest) seq = log.head;
    if (!r && !latest && (seq == 0 || seq > log.head))
        r = eyot_error_set(e, EYOT_ENOTFOUND, "run " EYOT__ID " has no entry %llu", EYOT__ID_ARGS(id),
                           (unsigned long long)seq);
    if (!r && !latest) r = find_snapshot(s, c->st[EYOT__SQL_SNAPSHOT_BEFORE], &log, seq, &from, e);
    if (!r && seq) r = load_range(s, c->st[EYOT__SQL_ENTRIES], &log, from ? from : 1, seq, id, latest, fn, arg, e);
    sqlite3_reset(c->st[EYOT__SQL_LOG]);
    eyot__sqlite_reader_give(s, c);
    return r;
}

static eyot_status sqlite_list_entries(void *self, eyot_bytes id, uint64_t from, uint32_t limit, bool with_bodies,
                                       eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot__sqlite *s = self;
    eyot__sqlite_connection *c;
    log_view log;
    eyot_entry entry;
    bool more = false;
    eyot_status r = eyot__sqlite_reader_take(s, &c, e);
    if (r) return r;
    sqlite3_stmt *st = c->st[with_bodies ? EYOT__SQL_ENTRIES : EYOT__SQL_ENTRY_HEADS];
    r = open_log(s, c->st[EYOT__SQL_LOG], id, &log, e);
    if (!r) {
        sqlite3_bind_int64(st, 1, log.no);
        INT(st, 2, from);
        INT(st, 3, INT64_MAX);
        sqlite3_bind_int64(st, 4, limit);
        r = eyot__sqlite_step(s, st, &more, e);
    }
    while (!r && more) {
        read_entry(st, with_bodies, &entry);
        r = entry.seq > log.head ? surplus(id, entry.seq, log.head, e) : fn(arg, &entry);
        if (!r) r = eyot__sqlite_step(s, st, &more, e);
    }
    sqlite3_reset(st);
    sqlite3_reset(c->st[EYOT__SQL_LOG]);
    eyot__sqlite_reader_give(s, c);
    return r;
}

static eyot_status sqlite_info(void *self, eyot_store_info *out, eyot_error *e)
{
    const eyot__sqlite *s = self;
    (void)e;
    out->durability = s->durability;
    out->max_body = s->max_body;
    snprintf(out->backend, sizeof out->backend, "sqlite");
    snprintf(out->version, sizeof out->version, "SQLite %s", sqlite3_libversion());
    snprintf(out->reasons, sizeof out->reasons, "%s", s->reason);
    snprintf(out->advice, sizeof out->advice, "%s",
             s->durability == EYOT_CLASS_VOLATILE  ? "a path on a disk"
             : s->durability == EYOT_CLASS_PROCESS ? "sync=full"
                                                   : "a server with replicas (mysql, redis)");
    return EYOT_OK;
}

const eyot_store_ops eyot__sqlite_ops = {
    .size = sizeof(eyot_store_ops),
    .abi = EYOT_STORE_ABI,
    .create_run = sqlite_create_run,
    .get_run = sqlite_get_run,
    .list_runs = sqlite_list_runs,
    .get_graph = sqlite_get_graph,
    .claim = sqlite_claim,
    .commit = sqlite_commit,
    .load = sqlite_load,
    .list_entries = sqlite_list_entries,
    .info = sqlite_info,
    .close = eyot__sqlite_close,
    .post = eyot__sqlite_post,
    .inbox = eyot__sqlite_inbox,
    .outbox_read = eyot__sqlite_outbox_read,
    .outbox_ack = eyot__sqlite_outbox_ack,
    .kv_get = eyot__sqlite_kv_get,
    .kv_cas = eyot__sqlite_kv_cas,
    .prune = eyot__sqlite_prune,
    .delete_run = eyot__sqlite_delete_run,
};
