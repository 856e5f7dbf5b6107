/* SPDX-License-Identifier: MIT */
/* What a store costs: commits of one entry of 1 KiB, alone and 64 runs at a time, and loading the latest checkpoint. The
 * yardstick of SQLite is a plain loop over the same tables that writes the same bytes, with SQLite's own settings for
 * checkpoints. A sample of commits is long enough to hold the checkpoints that they cause. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if HAVE_SQLITE
#include <sqlite3.h>
#endif

#include "bench/bench.h"
#include "bench/mysql_raw.h"
#include "core/store.h"

#include <eyot/stores.h>

enum { PAYLOAD = 1024, BATCH = 64, COMMITS = 2000, MYSQL_COMMITS = 256 };

static unsigned char payload[PAYLOAD];
static eyot_error err;
static volatile uint64_t sink;

static void must(eyot_status r)
{
    if (!r) return;
    fprintf(stderr, "store_bench: %s: %s\n", eyot_status_name(r), err.text);
    exit(1);
}

/* ---- runs in a store ---- */

typedef struct subject {
    eyot_store *store;
    size_t n;          /* runs of one commit */
    size_t body;       /* bytes of an entry */
    uint64_t max_head; /* a run that is longer is deleted and begun again; 0: none is */
    uint64_t heads[BATCH];
    char ids[BATCH][32];
    unsigned created;
} subject;

static eyot_entry entry_of(uint64_t seq, eyot_entry_kind kind, size_t body)
{
    return (eyot_entry){.seq = seq, .step = seq, .kind = kind, .key = {"draft@2", 7}, .body = {payload, body}};
}

static void begin_run(subject *s, size_t i, eyot_entry_kind first_kind)
{
    eyot_entry first = entry_of(1, first_kind, 200);
    eyot_run_row row = {.graph = {"bench", 5}, .owner = {"boot:1:2:3", 10}};
    eyot_commit c = {
        .entries = &first, .n_entries = 1, .lease_ms = 3600000, .status = EYOT_RUN_RUNNING, .snapshot_seq = 1};
    int n = snprintf(s->ids[i], sizeof s->ids[i], "0190a5b2-7c3f-7000-%012u", s->created++);
    row.run = (eyot_bytes){s->ids[i], (size_t)n};
    row.fingerprint = (eyot_bytes){"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64};
    must(eyot__store_create_run(s->store, &row, (eyot_bytes){"{}", 2}, &c, &err));
    s->heads[i] = 1;
}

static subject subject_new(const char *url, size_t n, size_t body)
{
    subject s = {.n = n, .body = body};
    must(eyot_store_open(&s.store, url, &err));
    for (size_t i = 0; i < n; i++) begin_run(&s, i, EYOT_ENTRY_SNAPSHOT);
    return s;
}

static void commit_once(subject *s)
{
    eyot_entry entries[BATCH];
    eyot_commit commits[BATCH];
    for (size_t i = 0; i < s->n; i++) {
        entries[i] = entry_of(s->heads[i] + 1, EYOT_ENTRY_TASK, s->body);
        commits[i] = (eyot_commit){.run = {s->ids[i], strlen(s->ids[i])}, .epoch = 1, .head = s->heads[i]};
        commits[i].entries = &entries[i];
        commits[i].n_entries = 1;
        commits[i].lease_ms = 3600000;
        commits[i].status = EYOT_RUN_RUNNING;
        commits[i].crc = (uint32_t)s->heads[i];
    }
    must(eyot__store_commit(s->store, commits, s->n, &err));
    for (size_t i = 0; i < s->n; i++) {
        must(commits[i].result);
        if (++s->heads[i] != s->max_head) continue;
        must(eyot__store_delete_run(s->store, commits[i].run, 1, &err));
        begin_run(s, i, EYOT_ENTRY_SNAPSHOT);
    }
}

static void add_snapshot(subject *s)
{
    eyot_entry snapshot = entry_of(s->heads[0] + 1, EYOT_ENTRY_SNAPSHOT, PAYLOAD);
    eyot_commit c = {.run = {s->ids[0], strlen(s->ids[0])}, .epoch = 1, .head = s->heads[0], .entries = &snapshot};
    c.n_entries = 1;
    c.lease_ms = 3600000;
    c.status = EYOT_RUN_RUNNING;
    c.snapshot_seq = ++s->heads[0];
    must(eyot__store_commit(s->store, &c, 1, &err));
    must(c.result);
}

static void commit_many(void *arg)
{
    subject *s = arg;
    for (size_t done = 0; done < COMMITS; done += s->n) commit_once(s);
}

static eyot_status take_entry(void *arg, const eyot_entry *entry)
{
    sink += entry->body.n;
    ++*(unsigned *)arg;
    return EYOT_OK;
}

static void load_latest(void *arg)
{
    subject *s = arg;
    unsigned n = 0;
    must(eyot__store_load(s->store, (eyot_bytes){s->ids[0], strlen(s->ids[0])}, UINT64_MAX, take_entry, &n, &err));
    sink += n;
}

/* ---- memory ---- */

static void bench_memory(void)
{
    subject small = subject_new("memory:", 1, 200), large = subject_new("memory:", 1, PAYLOAD);
    small.max_head = large.max_head = 100;
    bench_time("commit_memory__200B", COMMITS, commit_many, &small);
    bench_time("commit_memory__1KiB", COMMITS, commit_many, &large);
    eyot_store_close(small.store);
    eyot_store_close(large.store);
    subject few = subject_new("memory:", 1, 200);
    commit_once(&few);
    commit_once(&few);
    bench_time("load_memory__3_entries", 1, load_latest, &few);
    eyot_store_close(few.store);
}

/* ---- SQLite, the plain way ---- */

#if HAVE_SQLITE

typedef struct raw {
    sqlite3 *db;
    sqlite3_stmt *begin, *update, *insert, *commit, *row, *entries;
    uint64_t head;
    int64_t no;
} raw;

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK) return st;
    fprintf(stderr, "store_bench: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static void step(sqlite3_stmt *st)
{
    if (sqlite3_step(st) != SQLITE_DONE) {
        fprintf(stderr, "store_bench: %s\n", sqlite3_errmsg(sqlite3_db_handle(st)));
        exit(1);
    }
    sqlite3_reset(st);
}

/* A store's file with one run in it, opened with nothing but the durability set. */
static raw raw_new(const char *path, bool normal)
{
    raw r = {.head = 1};
    subject s = subject_new(path, 1, PAYLOAD);
    eyot_store_close(s.store);
    if (sqlite3_open(path, &r.db) != SQLITE_OK) exit(1);
    sqlite3_exec(r.db, normal ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL", NULL, NULL, NULL);
    r.begin = prepare(r.db, "BEGIN IMMEDIATE");
    r.commit = prepare(r.db, "COMMIT");
    r.update =
        prepare(r.db, "UPDATE run SET head = ?1, steps = ?1, crc = ?1, due_ms = ?2, updated_ms = ?2 WHERE no = ?3 "
                      "AND head = ?1 - 1 AND epoch = 1");
    r.insert = prepare(r.db, "INSERT INTO entry(run, seq, step, kind, key, body) VALUES(?1, ?2, ?2, 1, 'draft@2', ?3)");
    r.row = prepare(r.db, "SELECT no, head, snapshot_seq FROM run WHERE id = ?1");
    r.entries = prepare(r.db, "SELECT seq, step, kind, key, body FROM entry WHERE run = ?1 AND seq BETWEEN ?2 AND ?3");
    r.no = 1;
    return r;
}

static void raw_close(raw *r)
{
    sqlite3_stmt *all[] = {r->begin, r->update, r->insert, r->commit, r->row, r->entries};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sqlite3_finalize(all[i]);
    sqlite3_close(r->db);
}

static void raw_commits(void *arg)
{
    raw *r = arg;
    for (int i = 0; i < COMMITS; i++) {
        r->head++;
        step(r->begin);
        sqlite3_bind_int64(r->update, 1, (int64_t)r->head);
        sqlite3_bind_int64(r->update, 2, (int64_t)(1700000000000u + r->head));
        sqlite3_bind_int64(r->update, 3, r->no);
        step(r->update);
        sqlite3_bind_int64(r->insert, 1, r->no);
        sqlite3_bind_int64(r->insert, 2, (int64_t)r->head);
        sqlite3_bind_blob(r->insert, 3, payload, PAYLOAD, SQLITE_STATIC);
        step(r->insert);
        step(r->commit);
    }
}

typedef struct raw_load {
    raw r;
    const char *id;
} raw_load;

static void raw_load_latest(void *arg)
{
    raw_load *l = arg;
    sqlite3_bind_text(l->r.row, 1, l->id, -1, SQLITE_STATIC);
    if (sqlite3_step(l->r.row) != SQLITE_ROW) exit(1);
    int64_t no = sqlite3_column_int64(l->r.row, 0), head = sqlite3_column_int64(l->r.row, 1);
    int64_t from = sqlite3_column_int64(l->r.row, 2);
    sqlite3_bind_int64(l->r.entries, 1, no);
    sqlite3_bind_int64(l->r.entries, 2, from);
    sqlite3_bind_int64(l->r.entries, 3, head);
    while (sqlite3_step(l->r.entries) == SQLITE_ROW) {
        sink += (uint64_t)sqlite3_column_int64(l->r.entries, 0) + (uint64_t)sqlite3_column_int64(l->r.entries, 1);
        sink += *(const unsigned char *)sqlite3_column_blob(l->r.entries, 3);
        sink += *(const unsigned char *)sqlite3_column_blob(l->r.entries, 4);
        sink += (uint64_t)sqlite3_column_bytes(l->r.entries, 4);
    }
    sqlite3_reset(l->r.entries);
    sqlite3_reset(l->r.row);
}

/* ---- SQLite, both ---- */

static void remove_db(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[300];
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static void bench_sqlite_commits(const char *dir, bool normal)
{
    const char *mode = normal ? "normal" : "full";
    char path[200], url[300], name[100];
    snprintf(path, sizeof path, "%s/%s.db", dir, mode);
    snprintf(url, sizeof url, "sqlite:%s?sync=%s", path, mode);
    snprintf(name, sizeof name, "raw_sqlite_%s__1KiB", mode);
    raw r = raw_new(path, normal);
    double plain = bench_time(name, COMMITS, raw_commits, &r);
    raw_close(&r);
    remove_db(path);
    snprintf(name, sizeof name, "commit_sqlite_%s__1_run", mode);
    subject one = subject_new(url, 1, PAYLOAD);
    double ours = bench_time(name, COMMITS, commit_many, &one);
    eyot_store_close(one.store);
    remove_db(path);
    snprintf(name, sizeof name, "commit_sqlite_%s__64_runs", mode);
    subject many = subject_new(url, BATCH, PAYLOAD);
    double batch = bench_time(name, COMMITS, commit_many, &many);
    eyot_store_close(many.store);
    remove_db(path);
    /* Rates, as the goals are: raw time over ours. */
    snprintf(name, sizeof name, "commit_sqlite_%s__1_run_rate_over_raw", mode);
    bench_ratio(name, plain, ours, normal ? ">= 0.7" : ">= 0.85");
    snprintf(name, sizeof name, "commit_sqlite_%s__64_runs_rate_over_%s", mode, normal ? "raw" : "1_run");
    bench_ratio(name, normal ? plain : ours, batch, normal ? ">= 1" : ">= 4");
}

/* A run of so many entries whose newest snapshot is 3 before its end. */
static void bench_sqlite_load(const char *dir, unsigned entries)
{
    char path[200], url[300], name[100];
    snprintf(path, sizeof path, "%s/load.db", dir);
    snprintf(url, sizeof url, "sqlite:%s?sync=normal", path);
    subject s = subject_new(url, 1, 200);
    while (s.heads[0] < entries - 3) commit_once(&s);
    add_snapshot(&s);
    commit_once(&s);
    commit_once(&s);
    raw_load l = {.id = s.ids[0]};
    if (sqlite3_open(path, &l.r.db) != SQLITE_OK) exit(1);
    l.r.row = prepare(l.r.db, "SELECT no, head, snapshot_seq FROM run WHERE id = ?1");
    l.r.entries =
        prepare(l.r.db, "SELECT seq, step, kind, key, body FROM entry WHERE run = ?1 AND seq BETWEEN ?2 AND ?3");
    snprintf(name, sizeof name, "raw_sqlite_load__%u_entries", entries);
    double plain = bench_time(name, 1, raw_load_latest, &l);
    snprintf(name, sizeof name, "load_sqlite__%u_entries", entries);
    double ours = bench_time(name, 1, load_latest, &s);
    snprintf(name, sizeof name, "load_sqlite__%u_entries_over_raw", entries);
    bench_ratio(name, ours, plain, "<= 1.5");
    raw_close(&l.r);
    eyot_store_close(s.store);
    remove_db(path);
}

static void bench_sqlite(void)
{
    char dir[200];
    const char *base = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/eyot-bench.XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(dir)) {
        perror(dir);
        exit(1);
    }
    bench_sqlite_commits(dir, false);
    bench_sqlite_commits(dir, true);
    bench_sqlite_load(dir, 100);
    bench_sqlite_load(dir, 10000);
    bench_sqlite_load(dir, 100000);
    rmdir(dir);
}

#endif

/* ---- MySQL, both, in turn ---- */

#if HAVE_MYSQL

static void raw_mysql_commits(void *arg)
{
    mysql_raw_steps(arg, MYSQL_COMMITS, payload, PAYLOAD);
}

static void raw_mysql_load(void *arg)
{
    sink += mysql_raw_load(arg, 3);
}

static void commit_some(void *arg)
{
    subject *s = arg;
    for (size_t done = 0; done < MYSQL_COMMITS; done += s->n) commit_once(s);
}

/* Tables of this process's own; they go with the server. */
static const char *mysql_url(const char *name)
{
    static char url[600];
    const char *server = getenv("EYOT_TEST_MYSQL");
    snprintf(url, sizeof url, "%s%cprefix=b%d_%s_", server, strchr(server, '?') ? '&' : '?', (int)getpid(), name);
    return url;
}

static void bench_mysql_commits(mysql_raw *r)
{
    subject one = subject_new(mysql_url("one"), 1, PAYLOAD), many = subject_new(mysql_url("many"), BATCH, PAYLOAD);
    bench_way ways[] = {
        {.name = "raw_mysql__1KiB", .ops = MYSQL_COMMITS, .fn = raw_mysql_commits, .arg = r},
        {.name = "commit_mysql__1_run", .ops = MYSQL_COMMITS, .fn = commit_some, .arg = &one},
        {.name = "commit_mysql__64_runs", .ops = MYSQL_COMMITS, .fn = commit_some, .arg = &many},
    };
    bench_in_turn(ways, 3);
    bench_quotient("commit_mysql__1_run_rate_over_raw", &ways[0], &ways[1], ">= 0.7");
    bench_quotient("commit_mysql__64_runs_rate_over_1_run", &ways[1], &ways[2], ">= 5");
    eyot_store_close(one.store);
    eyot_store_close(many.store);
}

/* The newest snapshot is 3 entries before the end. */
static void bench_mysql_load(mysql_raw *r, unsigned entries)
{
    char plain[60], ours[60], over[60];
    snprintf(plain, sizeof plain, "raw_mysql_load__%u_entries", entries);
    snprintf(ours, sizeof ours, "load_mysql__%u_entries", entries);
    snprintf(over, sizeof over, "load_mysql__%u_entries_over_raw", entries);
    if (!bench_wanted(plain) && !bench_wanted(ours)) return;
    snprintf(over, sizeof over, "load%u", entries);
    subject s = subject_new(mysql_url(over), 1, PAYLOAD);
    while (s.heads[0] < entries - 3) commit_once(&s);
    add_snapshot(&s);
    commit_once(&s);
    commit_once(&s);
    bench_way ways[] = {{.name = plain, .ops = 1, .fn = raw_mysql_load, .arg = r},
                        {.name = ours, .ops = 1, .fn = load_latest, .arg = &s}};
    bench_in_turn(ways, 2);
    snprintf(over, sizeof over, "load_mysql__%u_entries_over_raw", entries);
    bench_quotient(over, &ways[1], &ways[0], "<= 1.5");
    eyot_store_close(s.store);
}

static void bench_mysql(void)
{
    if (!getenv("EYOT_TEST_MYSQL")) {
        bench_absent("commit_mysql", "EYOT_TEST_MYSQL names no server: test/services.sh starts one");
        return;
    }
    mysql_raw *r = mysql_raw_open(getenv("EYOT_TEST_MYSQL"));
    mysql_raw_steps(r, 10, payload, PAYLOAD);
    bench_mysql_commits(r);
    bench_mysql_load(r, 100);
    bench_mysql_load(r, 10000);
    mysql_raw_close(r);
}

#endif

int main(int argc, char **argv)
{
    memset(payload, 'p', sizeof payload);
    bench_begin(argc, argv);
    bench_memory();
#if HAVE_SQLITE
    bench_sqlite();
#else
    bench_absent("raw_sqlite", "this build has no SQLite");
#endif
#if HAVE_MYSQL
    bench_mysql();
#else
    bench_absent("commit_mysql", "this build has no MySQL client");
#endif
    return bench_end();
}
