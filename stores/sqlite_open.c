/* SPDX-License-Identifier: MIT */
/* Opening and closing the SQLite store, its connections and its transactions.
 *
 * One connection writes, under a lock that is held for a whole transaction; others read. All in WAL mode. SQLite before
 * 3.51.3 can lose a commit when a checkpoint resets the WAL at the wrong moment, so nothing here checkpoints by itself: after
 * a transaction, outside any other, and only with TRUNCATE, which takes the write lock first. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "stores/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/vfs.h>
#endif

/* Pages in the WAL from which on it is written back: 16 MiB with the usual pages of 4 KiB. */
#define CHECKPOINT_PAGES 4096
/* How far ahead of its end the WAL is laid out: room for a commit, and between these many bytes more. */
#define LAY_PAGES 16
#define LAY_LEAST ((int64_t)64 << 10)
#define LAY_MOST ((int64_t)1 << 20)

/* Entries of all runs lie one behind the other in the order of their commits: a commit of 64 runs then fills 23 pages; in
 * the order of (run, seq) it was 190. Indexes of runs hold what rarely changes: renewing a lease must not touch them. run_due knows the runs that
 * nobody holds and that will be due; run_held the others, few enough to be looked through. */
static const char schema[] =
    "CREATE TABLE graph(fingerprint TEXT NOT NULL PRIMARY KEY, source BLOB NOT NULL) STRICT;"
    "CREATE TABLE run(no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, graph TEXT NOT NULL, fingerprint TEXT NOT NULL,"
    " origin TEXT NOT NULL, queue TEXT NOT NULL, owner TEXT NOT NULL, token BLOB NOT NULL, epoch INTEGER NOT NULL,"
    " head INTEGER NOT NULL, steps INTEGER NOT NULL, snapshot_seq INTEGER NOT NULL, status INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, priority INTEGER NOT NULL, crc INTEGER NOT NULL, due_ms INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX run_created ON run(created_ms, id);"
    "CREATE INDEX run_held ON run(queue) WHERE owner <> '';"
    "CREATE INDEX run_due ON run(queue, priority, due_ms) WHERE owner = '' AND due_ms < 9223372036854775807;"
    "CREATE TABLE entry(no INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, step INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, UNIQUE(run, seq)) STRICT;"
    "CREATE INDEX entry_snapshot ON entry(run, seq) WHERE kind = 7;"
    "CREATE TABLE inbox(no INTEGER PRIMARY KEY, run INTEGER NOT NULL, id BLOB NOT NULL, kind INTEGER NOT NULL,"
    " name BLOB NOT NULL, payload BLOB NOT NULL, done INTEGER NOT NULL, UNIQUE(run, id)) STRICT;"
    "CREATE TABLE outbox(no INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, run TEXT NOT NULL,"
    " topic BLOB NOT NULL, payload BLOB NOT NULL) STRICT;"
    "CREATE TABLE value(version INTEGER PRIMARY KEY AUTOINCREMENT, ns BLOB NOT NULL, key BLOB NOT NULL,"
    " value BLOB NOT NULL, until_ms INTEGER NOT NULL, UNIQUE(ns, key)) STRICT;"
    "CREATE TABLE tombstone(id TEXT NOT NULL PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT;";

static const char *const statements[] = {
#define STATEMENT_TEXT(name, text) text,
    EYOT__SQLITE_STATEMENTS(STATEMENT_TEXT)
#undef STATEMENT_TEXT
};

int64_t eyot__sqlite_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- errors ----------------------------------------------------------------------------------------------------- */

static eyot_status system_error(const eyot__sqlite *s, const char *doing, int os_errno, eyot_error *e)
{
    eyot_status r = os_errno == ENOMEM ? EYOT_ENOMEM : EYOT_EIO;
    eyot_error_set(e, r, "%s: cannot %s: %s", s->shown, doing, strerror(os_errno));
    if (e) e->os_errno = os_errno;
    return r;
}

eyot_status eyot__sqlite_error(const eyot__sqlite *s, sqlite3 *db, eyot_error *e)
{
    int code = sqlite3_extended_errcode(db), os_errno = sqlite3_system_errno(db);
    switch (code == SQLITE_IOERR_NOMEM ? SQLITE_NOMEM : code & 0xff) {
    case SQLITE_NOMEM: return eyot_error_set(e, EYOT_ENOMEM, "%s: no memory for SQLite", s->shown);
    case SQLITE_NOTADB: return eyot_error_set(e, EYOT_ECORRUPT, "%s is no database", s->shown);
    case SQLITE_CORRUPT: return eyot_error_set(e, EYOT_ECORRUPT, "%s is damaged: %s", s->shown, sqlite3_errmsg(db));
    case SQLITE_READONLY: return eyot_error_set(e, EYOT_EIO, "%s is read-only", s->shown);
    case SQLITE_FULL: return eyot_error_set(e, EYOT_EIO, "%s: no room left on its disk", s->shown);
    case SQLITE_TOOBIG: return eyot_error_set(e, EYOT_ELIMIT, "%s: more than SQLite can hold in one row", s->shown);
    case SQLITE_BUSY:
        return eyot_error_set(e, EYOT_EIO, "%s is locked by another process for more than %" PRIu64 " ms", s->shown,
                              s->busy_timeout_ms);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (os_errno) return system_error(s, code == SQLITE_CANTOPEN ? "open it" : "read or write it", os_errno, e);
    }
    return eyot_error_set(e, EYOT_EIO, "%s: %s", s->shown, sqlite3_errmsg(db));
}

/* ---- statements and transactions -------------------------------------------------------------------------------- */

eyot_status eyot__sqlite_step(const eyot__sqlite *s, sqlite3_stmt *st, bool *row, eyot_error *e)
{
    int rc = sqlite3_step(st);
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? EYOT_OK : eyot__sqlite_error(s, sqlite3_db_handle(st), e);
}

eyot_status eyot__sqlite_run(const eyot__sqlite *s, sqlite3_stmt *st, eyot_error *e)
{
    bool row;
    eyot_status r = eyot__sqlite_step(s, st, &row, e);
    sqlite3_reset(st);
    return r;
}

static eyot_status check_fork(const eyot__sqlite *s, eyot_error *e)
{
    if (s->forks == eyot__fork_count()) return EYOT_OK;
    return eyot_error_set(e, EYOT_EFORKED, "%s was opened before this process was forked: open it again", s->shown);
}

eyot_status eyot__sqlite_begin(eyot__sqlite *s, eyot_error *e)
{
    eyot_status r = check_fork(s, e);
    if (r) return r;
    pthread_mutex_lock(&s->write_lock);
    r = eyot__sqlite_run(s, s->writer.st[EYOT__SQL_BEGIN], e);
    if (r) pthread_mutex_unlock(&s->write_lock);
    return r;
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
    eyot__sqlite *s = arg;
    (void)db, (void)name;
    s->wal_pages = pages;
    return SQLITE_OK;
}

/* Writes the WAL back when nobody else is at it; when somebody is, a quarter later. Waits for nobody. */
static void checkpoint(eyot__sqlite *s)
{
    sqlite3_busy_timeout(s->writer.db, 0);
    int rc = sqlite3_wal_checkpoint_v2(s->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(s->writer.db, (int)s->busy_timeout_ms);
    s->checkpoint_at = rc == SQLITE_OK ? CHECKPOINT_PAGES : s->wal_pages + CHECKPOINT_PAGES / 4;
    if (rc == SQLITE_OK) s->wal_pages = s->wal_size = 0;
}

/* Whether the WAL has a frame of its own header. SQLite syncs a header before the first frame: that the WAL was cut before, or
 * begun anew, is on the disk then. Until then what was in it may come back with a power loss, and zeros over a part of it
 * would make the rest a shorter WAL, of states that the database has left behind. */
static bool wal_is_begun(sqlite3_file *wal)
{
    enum { HEADER = 32, FRAME_HEADER = 24, SALTS_AT = 16, FRAME_SALTS_AT = HEADER + 8 };
    unsigned char b[HEADER + FRAME_HEADER];
    if (wal->pMethods->xRead(wal, b, sizeof b, 0) != SQLITE_OK) return false;
    return memcmp(b, "\x37\x7f\x06", 3) == 0 && memcmp(b + SALTS_AT, b + FRAME_SALTS_AT, 8) == 0;
}

/* Zeros behind the end of the WAL, before a commit needs the place: writing where the file has bytes already is cheaper
 * than making it longer, and an fsync that need not record a new size takes half the time. SQLite gets there by writing
 * one WAL again and again; here it is cut after every checkpoint. A frame that is not valid ends a WAL, and zeros are
 * none; the write lock, which is held here, keeps everybody else from its end. */
static void lay_ahead(eyot__sqlite *s)
{
    static const unsigned char zeros[65536];
    const int n = sizeof zeros;
    sqlite3_file *wal = NULL;
    sqlite3_int64 size = 0;
    int64_t used = (s->wal_pages + LAY_PAGES) * (s->real_page_size + 24);
    if (used < s->wal_size) return;
    if (sqlite3_file_control(s->writer.db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) || !wal || !wal->pMethods)
        return;
    if (wal->pMethods->xFileSize(wal, &size) != SQLITE_OK || !wal_is_begun(wal)) return;
    int64_t step = used < LAY_LEAST ? LAY_LEAST : used < LAY_MOST ? used : LAY_MOST, at = size;
    while (at < used + step && wal->pMethods->xWrite(wal, zeros, n, at) == SQLITE_OK) at += n;
    /* A disk that is full shall be full of frames. */
    if (at < used + step) wal->pMethods->xTruncate(wal, size);
    s->wal_size = used + step;
}

eyot_status eyot__sqlite_end(eyot__sqlite *s, eyot_status status, eyot_error *e)
{
    int64_t before = s->wal_pages;
    if (!status) lay_ahead(s);
    if (!status) status = eyot__sqlite_run(s, s->writer.st[EYOT__SQL_COMMIT], e);
    if (s->wal_pages < before) s->wal_size = 0; /* somebody else has cut it */
    /* A failed statement may have rolled back already; then there is nothing left to undo. */
    if (!sqlite3_get_autocommit(s->writer.db)) eyot__sqlite_run(s, s->writer.st[EYOT__SQL_ROLLBACK], NULL);
    if (!status && s->wal_pages >= s->checkpoint_at) checkpoint(s);
    pthread_mutex_unlock(&s->write_lock);
    return status;
}

/* ---- connections ------------------------------------------------------------------------------------------------ */

static void disconnect(eyot__sqlite_connection *c)
{
    for (int i = 0; i < EYOT__SQL_COUNT; i++) sqlite3_finalize(c->st[i]);
    sqlite3_close(c->db);
    memset(c, 0, sizeof *c);
}

static eyot_status execute(const eyot__sqlite *s, sqlite3 *db, const char *sql, eyot_error *e)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) ? eyot__sqlite_error(s, db, e) : EYOT_OK;
}

/* The file may be anybody's: nothing in it may make SQLite do more than read and write rows. Mapped files are off,
 * because a truncated one would raise SIGBUS in the host. */
static eyot_status connect(const eyot__sqlite *s, sqlite3 **db, eyot_error *e)
{
    static const struct {
        int option, on;
    } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
    };
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(s->path, db, flags, NULL) != SQLITE_OK)
        return *db ? eyot__sqlite_error(s, *db, e)
                   : eyot_error_set(e, EYOT_ENOMEM, "%s: no memory for SQLite", s->shown);
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, (int)s->busy_timeout_ms);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        sqlite3_db_config(*db, settings[i].option, settings[i].on, NULL);
    return execute(s, *db, "PRAGMA mmap_size=0; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY", e);
}

static eyot_status prepare_all(const eyot__sqlite *s, eyot__sqlite_connection *c, eyot_error *e)
{
    for (int i = 0; i < EYOT__SQL_COUNT; i++)
        if (sqlite3_prepare_v3(c->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &c->st[i], NULL)) {
            if ((sqlite3_errcode(c->db) & 0xff) != SQLITE_ERROR) return eyot__sqlite_error(s, c->db, e);
            return eyot_error_set(e, EYOT_ECORRUPT, "%s is damaged: %s", s->shown, sqlite3_errmsg(c->db));
        }
    return EYOT_OK;
}

static eyot_status open_reader(const eyot__sqlite *s, eyot__sqlite_connection *c, eyot_error *e)
{
    eyot_status r = connect(s, &c->db, e);
    if (!r) r = execute(s, c->db, "PRAGMA query_only=ON", e);
    if (!r) r = prepare_all(s, c, e);
    if (r) disconnect(c);
    return r;
}

/* A free connection, an open one if there is; EYOT__SQLITE_READERS: none. */
static int free_reader(const eyot__sqlite *s)
{
    int found = EYOT__SQLITE_READERS;
    for (int i = 0; i < EYOT__SQLITE_READERS; i++) {
        if (s->reading[i]) continue;
        if (s->readers[i].db) return i;
        if (found == EYOT__SQLITE_READERS) found = i;
    }
    return found;
}

eyot_status eyot__sqlite_reader_take(eyot__sqlite *s, eyot__sqlite_connection **out, eyot_error *e)
{
    int i;
    eyot_status r = check_fork(s, e);
    if (r) return r;
    pthread_mutex_lock(&s->read_lock);
    while ((i = free_reader(s)) == EYOT__SQLITE_READERS) pthread_cond_wait(&s->read_free, &s->read_lock);
    s->reading[i] = true;
    pthread_mutex_unlock(&s->read_lock);
    *out = &s->readers[i];
    if (!s->readers[i].db) r = open_reader(s, &s->readers[i], e);
    if (r) eyot__sqlite_reader_give(s, &s->readers[i]);
    return r;
}

void eyot__sqlite_reader_give(eyot__sqlite *s, eyot__sqlite_connection *c)
{
    pthread_mutex_lock(&s->read_lock);
    s->reading[c - s->readers] = false;
    pthread_cond_signal(&s->read_free);
    pthread_mutex_unlock(&s->read_lock);
}

/* ---- the file --------------------------------------------------------------------------------------------------- */

eyot_status eyot__sqlite_judge_place(uint64_t magic, bool normal, eyot_store_class *durability, const char **reason,
                                     const char *shown, eyot_error *e)
{
    /* linux/magic.h and the manual of statfs(2). */
    static const struct {
        uint32_t magic;
        const char *name; /* of a network file system; NULL: memory */
    } places[] = {
        {0x01021994, NULL},  {0x858458F6, NULL},     {0x6969, "NFS"},       {0x517B, "SMB"},
        {0xFE534D42, "SMB"}, {0xFF534D42, "CIFS"},   {0x01021997, "9P"},    {0x00C36400, "Ceph"},
        {0x5346414F, "AFS"}, {0x0BD00BD0, "Lustre"}, {0x7461636F, "OCFS2"}, {0x47504653, "GPFS"},
    };
    *durability = normal ? EYOT_CLASS_PROCESS : EYOT_CLASS_MACHINE;
    *reason = normal ? "WAL with synchronous=NORMAL: a power loss may take the last commits"
                     : "WAL with synchronous=FULL: a commit is on the disk before it is acknowledged";
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if ((uint32_t)magic != places[i].magic) continue;
        if (places[i].name)
            return eyot_error_set(e, EYOT_ENOTSUP, "%s is on a network file system (%s), where SQLite loses data",
                                  shown, places[i].name);
        *durability = EYOT_CLASS_VOLATILE;
        *reason = "its file system is kept in memory";
    }
    return EYOT_OK;
}

/* The directory of a file that need not exist; freed by the caller. NULL: no memory. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
    char *dir = malloc(n + 2);
    if (dir) snprintf(dir, n + 2, "%.*s", n ? (int)n : 1, n ? path : ".");
    return dir;
}

static eyot_status judge_directory(eyot__sqlite *s, const char *dir, eyot_error *e)
{
    uint64_t magic = 0;
#if defined(__linux__)
    struct statfs fs;
    if (statfs(dir, &fs) != 0) return system_error(s, "open its directory", errno, e);
    magic = (uint64_t)fs.f_type;
#else
    (void)dir;
#endif
    return eyot__sqlite_judge_place(magic, s->normal, &s->durability, &s->reason, s->shown, e);
}

/* Readable by its owner only; synced with its name, so that a power loss does not take it away. */
static eyot_status create_file(const eyot__sqlite *s, const char *path, const char *dir, eyot_error *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return errno == EEXIST ? EYOT_OK : system_error(s, "create it", errno, e);
    close(fd);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return EYOT_OK;
}

/* The end of a path, cut at a character, so that an error text has room for what is wrong with it. */
static void shorten(char *out, size_t size, const char *path)
{
    size_t n = strlen(path), shown = n < 96 ? n : 96;
    while (shown < n && ((unsigned char)path[n - shown] & 0xC0) == 0x80) shown--;
    snprintf(out, size, "%s%s", shown < n ? "…" : "", path + n - shown);
}

/* Makes sure that the file is there, and in a place where a store can be. */
static eyot_status find_file(eyot__sqlite *s, const char *path, uint32_t flags, eyot_error *e)
{
    struct stat st;
    char *dir = NULL;
    shorten(s->shown, sizeof s->shown, path);
    int missing = stat(path, &st) == 0 ? 0 : errno;
    if (missing && missing != ENOENT) return system_error(s, "open it", missing, e);
    if (missing && (flags & EYOT_OPEN_EXISTING))
        return eyot_error_set(e, EYOT_ENOTFOUND, "there is no store %s", s->shown);
    if (!missing && !S_ISREG(st.st_mode)) return eyot_error_set(e, EYOT_EINVAL, "%s is no file", s->shown);
    char *real = missing ? NULL : realpath(path, NULL);
    eyot_status r = EYOT_OK;
    dir = directory_of(real ? real : path);
    if (!dir) r = eyot_error_set(e, EYOT_ENOMEM, "%s: no memory for its path", s->shown);
    if (!r) r = judge_directory(s, dir, e);
    if (!r && missing) r = create_file(s, path, dir, e);
    if (!r && !real) real = realpath(path, NULL);
    if (!r && !real) r = system_error(s, "open it", errno, e);
    s->path = real;
    free(dir);
    return r;
}

/* SQLite reports a lock at once where waiting for it could be a deadlock, as when two connections switch a new file to WAL
 * mode. Giving up what one has and trying again is none. */
static bool wait_for_lock(const eyot__sqlite *s, int rc, uint64_t *waited_ms)
{
    struct timespec moment = {0, 2000000};
    if ((rc & 0xff) != SQLITE_BUSY || *waited_ms >= s->busy_timeout_ms) return false;
    nanosleep(&moment, NULL);
    *waited_ms += 2;
    return true;
}

/* The first column of the first row, as a number and as text; asking for it takes no memory. */
typedef struct answer {
    int64_t number;
    char text[16];
} answer;

static eyot_status ask(const eyot__sqlite *s, const char *sql, answer *a, eyot_error *e)
{
    sqlite3 *db = s->writer.db;
    uint64_t waited_ms = 0;
    int rc;
    memset(a, 0, sizeof *a);
    do {
        sqlite3_stmt *st = NULL;
        rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
        if (rc == SQLITE_OK) rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) {
            bool number = sqlite3_column_type(st, 0) == SQLITE_INTEGER;
            eyot_bytes b = number ? eyot__bytes(NULL, 0) : eyot__sqlite_column(st, 0);
            a->number = number ? sqlite3_column_int64(st, 0) : 0;
            if (b.n < sizeof a->text) memcpy(a->text, b.n ? b.p : "", b.n);
        }
        sqlite3_finalize(st);
    } while (wait_for_lock(s, rc, &waited_ms));
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? EYOT_OK : eyot__sqlite_error(s, db, e);
}

static eyot_status ask_number(const eyot__sqlite *s, const char *sql, int64_t *out, eyot_error *e)
{
    answer a;
    eyot_status r = ask(s, sql, &a, e);
    if (!r) *out = a.number;
    return r;
}

typedef struct format {
    int64_t application, version, tables;
} format;

/* In one transaction, because another process may be creating it. A failure ends the opening, and with the connection
 * whatever was begun. */
static eyot_status read_format(const eyot__sqlite *s, format *f, eyot_error *e)
{
    sqlite3 *db = s->writer.db;
    bool outside = sqlite3_get_autocommit(db) != 0;
    eyot_status r = outside ? execute(s, db, "BEGIN", e) : EYOT_OK;
    if (!r) r = ask_number(s, "PRAGMA application_id", &f->application, e);
    if (!r) r = ask_number(s, "PRAGMA user_version", &f->version, e);
    if (!r) r = ask_number(s, "SELECT count(*) FROM sqlite_schema", &f->tables, e);
    if (r || !outside) return r;
    return execute(s, db, "COMMIT", e);
}

/* *fresh: there is nothing in it yet. */
static eyot_status check_format(const eyot__sqlite *s, bool *fresh, eyot_error *e)
{
    format f = {0, 0, 0};
    eyot_status r = read_format(s, &f, e);
    *fresh = !r && f.application == 0 && f.version == 0 && f.tables == 0;
    if (r || *fresh) return r;
    if (f.application != EYOT__SQLITE_APPLICATION)
        return eyot_error_set(e, EYOT_ECORRUPT, "%s is an SQLite database but no store of eyot", s->shown);
    if (f.version > EYOT__SQLITE_FORMAT)
        return eyot_error_set(e, EYOT_EFORMAT, "%s has format %" PRId64 ", this eyot knows %d", s->shown, f.version,
                              EYOT__SQLITE_FORMAT);
    return EYOT_OK;
}

/* Everything here counts on it: what else the file is, it must be in WAL mode. */
static eyot_status set_wal(const eyot__sqlite *s, eyot_error *e)
{
    answer mode;
    eyot_status r = ask(s, "PRAGMA journal_mode=WAL", &mode, e);
    if (!r && strcmp(mode.text, "wal") != 0)
        r = eyot_error_set(e, EYOT_EIO, "%s: its file system does not do for a WAL", s->shown);
    return r;
}

/* Two processes may create the same file at once: who comes second finds it made. */
static eyot_status create_schema(const eyot__sqlite *s, eyot_error *e)
{
    char text[160];
    bool fresh;
    sqlite3 *db = s->writer.db;
    if (s->page_size) {
        snprintf(text, sizeof text, "PRAGMA page_size=%" PRIu64, s->page_size);
        eyot_status r = execute(s, db, text, e);
        if (r) return r;
    }
    eyot_status r = set_wal(s, e);
    if (!r) r = execute(s, db, "BEGIN IMMEDIATE", e);
    if (r) return r;
    r = check_format(s, &fresh, e);
    if (!r && fresh) {
        snprintf(text, sizeof text, "PRAGMA application_id=%d; PRAGMA user_version=%d", EYOT__SQLITE_APPLICATION,
                 EYOT__SQLITE_FORMAT);
        r = execute(s, db, schema, e);
        if (!r) r = execute(s, db, text, e);
    }
    if (!r) r = execute(s, db, "COMMIT", e);
    return r;
}

static eyot_status open_writer(eyot__sqlite *s, uint32_t flags, eyot_error *e)
{
    bool fresh;
    eyot__sqlite_connection *w = &s->writer;
    eyot_status r = connect(s, &w->db, e);
    bool read_only = !r && sqlite3_db_readonly(w->db, "main") == 1;
    if (!r && read_only && !(flags & EYOT_OPEN_EXISTING)) r = eyot_error_set(e, EYOT_EIO, "%s is read-only", s->shown);
    if (!r) r = execute(s, w->db, s->normal ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL", e);
    if (!r) r = check_format(s, &fresh, e);
    if (!r && fresh && (flags & EYOT_OPEN_EXISTING))
        r = eyot_error_set(e, EYOT_ENOTFOUND, "%s is empty: there is no store in it", s->shown);
    if (!r && fresh) r = create_schema(s, e);
    if (!r && !read_only) r = set_wal(s, e);
    if (!r) r = execute(s, w->db, "PRAGMA wal_autocheckpoint=0", e);
    if (!r) r = prepare_all(s, w, e);
    if (r) return r;
    r = ask_number(s, "PRAGMA page_size", &s->real_page_size, e);
    if (r) return r;
    sqlite3_wal_hook(w->db, on_wal, s);
    s->checkpoint_at = CHECKPOINT_PAGES;
    s->max_body = (uint64_t)sqlite3_limit(w->db, SQLITE_LIMIT_LENGTH, -1) - 1024;
    return EYOT_OK;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

static eyot_status read_settings(eyot__sqlite *s, eyot__url *url, eyot_error *e)
{
    const char *sync = eyot__url_param_text(url, "sync");
    s->normal = sync && strcmp(sync, "normal") == 0;
    if (sync && !s->normal && strcmp(sync, "full") != 0)
        return eyot_error_set(e, EYOT_EINVAL, "sync=%s: must be full or normal", sync);
    s->busy_timeout_ms = 5000;
    eyot_status r = eyot__url_param_number(url, "busy_timeout", 0, 3600000, &s->busy_timeout_ms, e);
    if (!r) r = eyot__url_param_number(url, "page_size", 512, 65536, &s->page_size, e);
    if (!r && (s->page_size & (s->page_size - 1)))
        r = eyot_error_set(e, EYOT_EINVAL, "page_size=%" PRIu64 ": must be a power of two", s->page_size);
    return r ? r : eyot__url_check_params(url, e);
}

static eyot_status check_library(eyot_error *e)
{
    if (sqlite3_libversion_number() < 3037000)
        return eyot_error_set(e, EYOT_ENOTSUP, "SQLite %s is too old: 3.37 has what a store needs",
                              sqlite3_libversion());
    if (!sqlite3_threadsafe()) return eyot_error_set(e, EYOT_ENOTSUP, "this SQLite was built without threads");
    return EYOT_OK;
}

void eyot__sqlite_close(void *self)
{
    eyot__sqlite *s = self;
    /* In a forked child SQLite must not touch what it has open: the memory is left behind. */
    if (s->forks != eyot__fork_count()) return;
    for (int i = 0; i < EYOT__SQLITE_READERS; i++) disconnect(&s->readers[i]);
    /* Leaves everything in the one file unless somebody else has it open. */
    if (s->writer.db && s->wal_pages) checkpoint(s);
    disconnect(&s->writer);
    pthread_cond_destroy(&s->read_free);
    pthread_mutex_destroy(&s->read_lock);
    pthread_mutex_destroy(&s->write_lock);
    free(s->path);
    free(s);
}

static eyot__sqlite *sqlite_new(void)
{
    eyot__sqlite *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->forks = eyot__fork_count();
    if (pthread_mutex_init(&s->write_lock, NULL) != 0) goto no_write_lock;
    if (pthread_mutex_init(&s->read_lock, NULL) != 0) goto no_read_lock;
    if (pthread_cond_init(&s->read_free, NULL) == 0) return s;
    pthread_mutex_destroy(&s->read_lock);
no_read_lock:
    pthread_mutex_destroy(&s->write_lock);
no_write_lock:
    free(s);
    return NULL;
}

eyot_status eyot__sqlite_open(eyot_store **out, eyot__url *url, uint32_t flags, eyot_error *e)
{
    *out = NULL;
    if (!*url->path) return eyot_error_set(e, EYOT_EINVAL, "\"sqlite:\" needs the path of a file");
    eyot__sqlite *s = sqlite_new();
    if (!s) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a store");
    eyot_status r = check_library(e);
    if (!r) r = read_settings(s, url, e);
    if (!r) r = find_file(s, url->path, flags, e);
    if (!r) r = open_writer(s, flags, e);
    if (!r) return eyot_store_new(out, &eyot__sqlite_ops, s, e);
    eyot__sqlite_close(s);
    return r;
}
