/* SPDX-License-Identifier: MIT */
/* What durable steps cost through the engine: updates of 1 KiB, one run and 64 runs at once. The yardstick of SQLite is a
 * plain loop that writes rows of the same keys and bytes, a transaction per step, in WAL mode with the same `synchronous`;
 * that of the disk is a file that grows by 1 KiB and an fdatasync each time. */
#define _GNU_SOURCE /* statfs */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#if HAVE_SQLITE
#include <sqlite3.h>
#endif

#include <eyot/copiers.h>
#include <eyot/stores.h>

#include "bench/bench.h"
#include "bench/graphs.h"
#include "bench/mysql_raw.h"
#include "bench/redis_raw.h"

enum { STEPS = 1000, RUNS = 64, STEPS_OF_MANY = 100, MYSQL_STEPS = 200, TMPFS = 0x01021994 };

static eyot_error err;
static volatile uint64_t sink;

static void must_errno(bool good, const char *what)
{
    if (good) return;
    perror(what);
    exit(1);
}

/* ---- states of 1 KiB, replaced by every update -------------------------------------------------------------------- */

typedef struct page {
    uint64_t n, steps;
    unsigned char bytes[1008];
} page;

static eyot_status page_copy(const void *v, void **out, void *user)
{
    (void)user;
    page *copy = malloc(sizeof *copy);
    if (!copy) return EYOT_ENOMEM;
    memcpy(copy, v, sizeof *copy);
    *out = copy;
    return EYOT_OK;
}

static void page_free(void *v, void *user)
{
    (void)user;
    free(v);
}

static eyot_status page_encode(const void *v, eyot_buf *out, void *user)
{
    (void)user;
    return eyot_buf_add(out, v, sizeof(page));
}

static eyot_status page_decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    if (len != sizeof(page)) return eyot_error_set(e, EYOT_ECORRUPT, "a page of %zu bytes", len);
    return page_copy(bytes, out, user);
}

static eyot_status page_apply(void **state, const void *update, eyot_error *e, void *user)
{
    (void)e, (void)user;
    memcpy(*state, update, sizeof(page));
    return EYOT_OK;
}

static const eyot_copier pages = {.size = sizeof(eyot_copier),
                                  .name = "page/1",
                                  .copy = page_copy,
                                  .free = page_free,
                                  .encode = page_encode,
                                  .decode = page_decode,
                                  .apply = page_apply};

static void *first_page(uint64_t steps)
{
    page *p = malloc(sizeof *p);
    if (!p) bench_must(EYOT_ENOMEM, NULL);
    memset(p->bytes, 'p', sizeof p->bytes);
    p->n = 0;
    p->steps = steps;
    return p;
}

static eyot_status next_page(eyot_task *task, void *user)
{
    void *update;
    if (page_copy(eyot_task_state(task), &update, user)) return EYOT_ENOMEM;
    ((page *)update)->n++;
    return eyot_task_update(task, update);
}

static eyot_status more_pages(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = ((const page *)state)->n < ((const page *)state)->steps;
    return EYOT_OK;
}

static uint64_t count_pages(const void *state)
{
    return ((const page *)state)->n;
}

/* ---- the same as JSON --------------------------------------------------------------------------------------------- */

static const char *kib_of_text(void)
{
    static char text[1000];
    memset(text, 'p', sizeof text - 1);
    return text;
}

static void *first_value(uint64_t steps)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "n", eyot_value_new_int(0));
    return eyot_value_set(v, "steps", eyot_value_new_uint(steps));
}

static eyot_status next_value(eyot_task *task, void *user)
{
    (void)user;
    const eyot_value *state = (const eyot_value *)eyot_task_state(task);
    eyot_status status = eyot_task_set_int(task, "n", eyot_value_int(eyot_value_at(state, "n"), 0) + 1);
    return status ? status : eyot_task_set_string(task, "text", kib_of_text());
}

static uint64_t count_values(const void *state)
{
    return eyot_value_uint(eyot_value_at((const eyot_value *)state, "n"), 0);
}

static eyot_status more_values(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = count_values(state) < eyot_value_uint(eyot_value_at((const eyot_value *)state, "steps"), 0);
    return EYOT_OK;
}

/* ---- runs ----------------------------------------------------------------------------------------------------------- */

typedef struct subject {
    eyot_graph *graph;
    eyot_store *store;
    eyot_engine *engine;
    size_t runs;
    uint64_t steps; /* of each */
    eyot_run_options options;
    void *(*first)(uint64_t steps);
    uint64_t (*count)(const void *state);
    char url[300];
    bool again; /* an empty store for every sample: one in memory would only grow */
} subject;

static eyot_graph *loop_of(const eyot_copier *copier, eyot_node_fn fn, eyot_condition_fn again)
{
    eyot_graph *g = bench_graph(copier);
    eyot_graph_node(g, "step", fn, NULL);
    eyot_graph_node(g, "end", bench_nothing, NULL);
    eyot_graph_edge_if(g, "step", "step", "again", again, NULL);
    eyot_graph_edge_otherwise(g, "step", "end");
    bench_freeze(g);
    return g;
}

static void open_store(void *arg)
{
    subject *s = arg;
    if (s->engine && !s->again) return;
    eyot_engine_free(s->engine);
    if (s->store) eyot_store_close(s->store);
    bench_must(eyot_store_open(&s->store, s->url, &err), &err);
    s->engine = bench_engine(s->store);
}

static subject subject_of(const char *url, eyot_graph *frozen, size_t runs, uint64_t steps)
{
    subject s = {.graph = frozen, .runs = runs, .steps = steps, .first = first_page, .count = count_pages};
    s.options = (eyot_run_options)EYOT_RUN_OPTIONS_INIT;
    s.again = strcmp(url, "memory:") == 0;
    snprintf(s.url, sizeof s.url, "%s", url);
    return s;
}

static void subject_clear(subject *s)
{
    eyot_engine_free(s->engine);
    if (s->store) eyot_store_close(s->store);
}

static void run_all(void *arg)
{
    subject *s = arg;
    eyot_run *runs[RUNS];
    for (size_t i = 0; i < s->runs; i++)
        bench_must(eyot_run_start(&runs[i], s->engine, s->graph, s->first(s->steps), &s->options, &err), &err);
    for (size_t i = 0; i < s->runs; i++) {
        bench_must(eyot_run_wait(runs[i], &err), &err);
        if (s->count(eyot_run_state(runs[i])) != s->steps) bench_must(EYOT_EFAILED, NULL);
        eyot_run_free(runs[i]);
    }
}

static bench_way way_of(const char *name, subject *s)
{
    return (bench_way){
        .name = name, .ops = (double)s->runs * (double)s->steps, .fn = run_all, .arg = s, .before = open_store};
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static void run_chain(void *arg)
{
    subject *s = arg;
    sink += bench_run(s->engine, s->graph, bench_note_new(0, 0), NULL);
}

static void bench_memory(eyot_graph *loop, eyot_graph *json)
{
    eyot_graph *g = bench_graph(&bench_notes);
    for (size_t i = 0; i < 100; i++) {
        bench_node(g, "n", i, bench_nothing, NULL);
        if (i > 0) bench_edge(g, "n", i - 1, "n", i);
    }
    bench_freeze(g);
    subject chain = subject_of("memory:", g, 1, 100), one = subject_of("memory:", loop, 1, STEPS);
    subject many = subject_of("memory:", loop, RUNS, STEPS_OF_MANY), values = subject_of("memory:", json, 1, STEPS);
    values.first = first_value;
    values.count = count_values;
    bench_way ways[] = {
        {.name = "durable_memory__chain_100", .ops = 1, .fn = run_chain, .arg = &chain, .before = open_store},
        way_of("durable_memory__1_run", &one),
        way_of("durable_memory__64_runs", &many),
        way_of("durable_memory__1_run_json", &values),
    };
    if (bench_in_turn(ways, 4)) printf("%-44s %10s at most 25 us\n", "durable_memory__chain_100", "goal");
    subject_clear(&chain);
    subject_clear(&one);
    subject_clear(&many);
    subject_clear(&values);
    eyot_graph_free(g);
}

/* ---- a directory on a disk ------------------------------------------------------------------------------------------ */

static bool make_dir(char *dir, size_t size)
{
    const char *const places[] = {getenv("TMPDIR"), "/tmp", "/var/tmp", "."};
    struct statfs fs;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!places[i] || !*places[i] || statfs(places[i], &fs) != 0 || fs.f_type == TMPFS) continue;
        snprintf(dir, size, "%s/eyot-durable.XXXXXX", places[i]);
        if (!mkdtemp(dir)) continue;
        printf("%-44s %10s %s, file system 0x%lx\n", "durable", "files in", places[i], (unsigned long)fs.f_type);
        return true;
    }
    return false;
}

static void append_all(void *arg)
{
    page p = {.n = 0};
    for (p.n = 0; p.n < STEPS; p.n++) {
        must_errno(write(*(int *)arg, &p, sizeof p) == (ssize_t)sizeof p, "write");
        must_errno(fdatasync(*(int *)arg) == 0, "fdatasync");
    }
}

/* ---- SQLite, the plain way ------------------------------------------------------------------------------------------ */

#if HAVE_SQLITE

static void remove_db(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[300];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

/* What the engine wrote for one run, entry by entry. */
typedef struct logged {
    uint64_t step;
    eyot_entry_kind kind;
    size_t key_len, body_len;
    unsigned char *bytes; /* key, body */
} logged;

static struct {
    logged *entries;
    size_t n, cap;
} whole;

static eyot_status keep_entry(void *arg, const eyot_entry *e)
{
    (void)arg;
    if (whole.n == whole.cap) {
        whole.cap = whole.cap ? whole.cap * 2 : 1024;
        whole.entries = realloc(whole.entries, whole.cap * sizeof *whole.entries);
        if (!whole.entries) return EYOT_ENOMEM;
    }
    logged *l = &whole.entries[whole.n++];
    *l = (logged){.step = e->step, .kind = e->kind, .key_len = e->key.n, .body_len = e->body.n};
    l->bytes = malloc(e->key.n + e->body.n + 1);
    if (!l->bytes) return EYOT_ENOMEM;
    if (e->key.n) memcpy(l->bytes, e->key.p, e->key.n);
    if (e->body.n) memcpy(l->bytes + e->key.n, e->body.p, e->body.n);
    return EYOT_OK;
}

static void keep_log(eyot_store *store, const char *run_id)
{
    void *self;
    const eyot_store_ops *ops = eyot_store_table(store, &self);
    eyot_bytes id = {run_id, strlen(run_id)};
    bench_must(ops->list_entries(self, id, 1, UINT32_MAX, true, keep_entry, NULL, &err), &err);
}

static void drop_log(void)
{
    for (size_t i = 0; i < whole.n; i++) free(whole.entries[i].bytes);
    free(whole.entries);
    memset(&whole, 0, sizeof whole);
}

typedef struct raw {
    sqlite3 *db;
    sqlite3_stmt *begin, *run, *update, *insert, *commit;
    int64_t no;
} raw;

static void must_sqlite(sqlite3 *db, bool good)
{
    if (good) return;
    fprintf(stderr, "durable_bench: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    must_sqlite(db, sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK);
    return st;
}

static void step(sqlite3_stmt *st)
{
    must_sqlite(sqlite3_db_handle(st), sqlite3_step(st) == SQLITE_DONE);
    sqlite3_reset(st);
}

static raw raw_new(const char *path, const char *mode)
{
    char sql[600];
    raw r = {.no = 0};
    must_sqlite(r.db, sqlite3_open(path, &r.db) == SQLITE_OK);
    snprintf(sql, sizeof sql,
             "PRAGMA journal_mode=WAL; PRAGMA synchronous=%s;"
             "CREATE TABLE run(no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, head INTEGER NOT NULL,"
             " steps INTEGER NOT NULL, snapshot_seq INTEGER NOT NULL) STRICT;"
             "CREATE TABLE entry(place INTEGER PRIMARY KEY, step INTEGER NOT NULL, kind INTEGER NOT NULL,"
             " key TEXT NOT NULL, body BLOB NOT NULL) STRICT;",
             mode);
    must_sqlite(r.db, sqlite3_exec(r.db, sql, NULL, NULL, NULL) == SQLITE_OK);
    r.begin = prepare(r.db, "BEGIN IMMEDIATE");
    r.commit = prepare(r.db, "COMMIT");
    r.run = prepare(r.db, "INSERT INTO run(no, id, head, steps, snapshot_seq) VALUES(?1, ?2, 0, 0, 0)");
    r.update = prepare(r.db, "UPDATE run SET head = ?2, steps = ?3, snapshot_seq = ?4 WHERE no = ?1");
    r.insert = prepare(r.db, "INSERT INTO entry(place, step, kind, key, body) VALUES(?1, ?2, ?3, ?4, ?5)");
    return r;
}

static void raw_close(raw *r)
{
    sqlite3_stmt *all[] = {r->begin, r->run, r->update, r->insert, r->commit};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) sqlite3_finalize(all[i]);
    sqlite3_close(r->db);
}

static void raw_insert(raw *r, size_t i)
{
    const logged *l = &whole.entries[i];
    sqlite3_bind_int64(r->insert, 1, (int64_t)((uint64_t)r->no << 32 | (i + 1)));
    sqlite3_bind_int64(r->insert, 2, (int64_t)l->step);
    sqlite3_bind_int(r->insert, 3, (int)l->kind);
    sqlite3_bind_text(r->insert, 4, (const char *)l->bytes, (int)l->key_len, SQLITE_STATIC);
    sqlite3_bind_blob(r->insert, 5, l->bytes + l->key_len, (int)l->body_len, SQLITE_STATIC);
    step(r->insert);
}

/* One run: a transaction per task; a snapshot goes with the task before it, as the engine has it. */
static void raw_run(void *arg)
{
    raw *r = arg;
    int64_t snapshot_seq = 0;
    r->no++;
    for (size_t i = 0; i < whole.n;) {
        step(r->begin);
        if (i == 0) {
            char id[32];
            snprintf(id, sizeof id, "run-%lld", (long long)r->no);
            sqlite3_bind_int64(r->run, 1, r->no);
            sqlite3_bind_text(r->run, 2, id, -1, SQLITE_STATIC);
            step(r->run);
        }
        do {
            if (whole.entries[i].kind == EYOT_ENTRY_SNAPSHOT) snapshot_seq = (int64_t)i + 1;
            raw_insert(r, i++);
        } while (i < whole.n && whole.entries[i].kind == EYOT_ENTRY_SNAPSHOT);
        sqlite3_bind_int64(r->update, 1, r->no);
        sqlite3_bind_int64(r->update, 2, (int64_t)i);
        sqlite3_bind_int64(r->update, 3, (int64_t)whole.entries[i - 1].step);
        sqlite3_bind_int64(r->update, 4, snapshot_seq);
        step(r->update);
        step(r->commit);
    }
}

/* ---- SQLite, both --------------------------------------------------------------------------------------------------- */

typedef struct names {
    char raw[64], one[64], many[64], async[64], json[64], over_raw[64], over_one[64];
} names;

static names names_of(const char *mode)
{
    names n;
    snprintf(n.raw, sizeof n.raw, "durable_%s__raw_sqlite", mode);
    snprintf(n.one, sizeof n.one, "durable_%s__1_run", mode);
    snprintf(n.many, sizeof n.many, "durable_%s__64_runs", mode);
    snprintf(n.async, sizeof n.async, "durable_%s__1_run_async", mode);
    snprintf(n.json, sizeof n.json, "durable_%s__1_run_json", mode);
    snprintf(n.over_raw, sizeof n.over_raw, "durable_%s__1_run_rate_over_raw", mode);
    return n;
}

/* The entries of a run of STEPS steps. */
static void keep_one_run(eyot_graph *loop)
{
    eyot_run *run;
    subject s = subject_of("memory:", loop, 1, STEPS);
    open_store(&s);
    bench_must(eyot_run_sync(&run, s.engine, s.graph, s.first(s.steps), &s.options, &err), &err);
    keep_log(s.store, eyot_run_id(run));
    eyot_run_free(run);
    subject_clear(&s);
}

static void bench_sqlite(const char *dir, bool normal, eyot_graph *loop, eyot_graph *json)
{
    const char *mode = normal ? "normal" : "full";
    char path[200], raw_path[200], url[300];
    names n = names_of(mode);
    snprintf(path, sizeof path, "%s/%s.db", dir, mode);
    snprintf(raw_path, sizeof raw_path, "%s/%s-raw.db", dir, mode);
    snprintf(url, sizeof url, "sqlite:%s?sync=%s", path, mode);
    keep_one_run(loop);
    raw r = raw_new(raw_path, mode);
    subject one = subject_of(url, loop, 1, STEPS), many = subject_of(url, loop, RUNS, STEPS_OF_MANY);
    subject async = one, values = subject_of(url, json, 1, STEPS);
    async.options.durability = EYOT_ASYNC;
    values.first = first_value;
    values.count = count_values;
    bench_way ways[] = {{.name = n.raw, .ops = STEPS, .fn = raw_run, .arg = &r},
                        way_of(n.one, &one),
                        way_of(n.many, &many),
                        way_of(n.async, &async),
                        way_of(n.json, &values)};
    bench_in_turn(ways, sizeof ways / sizeof *ways);
    bench_quotient(n.over_raw, &ways[0], &ways[1], normal ? ">= 0.7" : ">= 0.85");
    snprintf(n.over_one, sizeof n.over_one, "durable_%s__64_runs_rate_over_%s", mode, normal ? "raw" : "1_run");
    bench_quotient(n.over_one, &ways[normal ? 0 : 1], &ways[2], normal ? ">= 1" : ">= 4");
    subject_clear(&one);
    subject_clear(&many);
    subject_clear(&async);
    subject_clear(&values);
    raw_close(&r);
    remove_db(path);
    remove_db(raw_path);
    drop_log();
}

/* ---- loading the latest checkpoint ---------------------------------------------------------------------------------- */

typedef struct load {
    eyot_store *store;
    eyot_graph *graph;
    char id[140];
    sqlite3 *db;
    sqlite3_stmt *row, *entries;
    uint64_t seen;
} load;

static eyot_status see_entry(void *arg, const eyot_entry *e)
{
    ((load *)arg)->seen++;
    sink += ((const unsigned char *)e->body.p)[e->body.n - 1];
    return EYOT_OK;
}

static void load_table(void *arg)
{
    load *l = arg;
    void *self;
    const eyot_store_ops *ops = eyot_store_table(l->store, &self);
    l->seen = 0;
    bench_must(ops->load(self, (eyot_bytes){l->id, strlen(l->id)}, UINT64_MAX, see_entry, l, &err), &err);
}

static void load_checkpoint(void *arg)
{
    load *l = arg;
    eyot_checkpoint *c;
    bench_must(eyot_store_load_latest_checkpoint(&c, l->store, l->graph, l->id, &err), &err);
    sink += count_pages(eyot_checkpoint_state(c));
    eyot_checkpoint_free(c);
}

static void load_raw(void *arg)
{
    load *l = arg;
    sqlite3_bind_text(l->row, 1, "run-1", -1, SQLITE_STATIC);
    must_sqlite(l->db, sqlite3_step(l->row) == SQLITE_ROW);
    int64_t run = sqlite3_column_int64(l->row, 0) << 32;
    sqlite3_bind_int64(l->entries, 1, run | sqlite3_column_int64(l->row, 2));
    sqlite3_bind_int64(l->entries, 2, run | sqlite3_column_int64(l->row, 1));
    while (sqlite3_step(l->entries) == SQLITE_ROW) {
        for (int i = 0; i < 3; i++) sink += (uint64_t)sqlite3_column_int64(l->entries, i);
        sink += *(const unsigned char *)sqlite3_column_blob(l->entries, 4);
        sink += (uint64_t)sqlite3_column_bytes(l->entries, 3) + (uint64_t)sqlite3_column_bytes(l->entries, 4);
    }
    sqlite3_reset(l->entries);
    sqlite3_reset(l->row);
}

/* A run of so many steps that is done, and the same rows for the yardstick. */
static void make_run(load *l, const char *url, const char *raw_path, uint64_t steps)
{
    eyot_run *run;
    subject s = subject_of(url, l->graph, 1, steps);
    open_store(&s);
    bench_must(eyot_run_sync(&run, s.engine, s.graph, s.first(steps), &s.options, &err), &err);
    snprintf(l->id, sizeof l->id, "%s", eyot_run_id(run));
    eyot_run_free(run);
    keep_log(s.store, l->id);
    subject_clear(&s);
    raw r = raw_new(raw_path, "normal");
    raw_run(&r);
    raw_close(&r);
    drop_log();
}

/* How many entries there are behind the last snapshot is chance: all is told per entry. */
static void bench_load(const char *dir, eyot_graph *loop, uint64_t steps)
{
    char path[200], raw_path[200], url[300], table[80], checkpoint[80], plain[80], over[80];
    load l = {.graph = loop};
    snprintf(table, sizeof table, "durable_load__table_%llu_steps", (unsigned long long)steps);
    snprintf(checkpoint, sizeof checkpoint, "durable_load__checkpoint_%llu_steps", (unsigned long long)steps);
    snprintf(plain, sizeof plain, "durable_load__raw_sqlite_%llu_steps", (unsigned long long)steps);
    if (!bench_wanted(table) && !bench_wanted(checkpoint) && !bench_wanted(plain)) return;
    snprintf(path, sizeof path, "%s/load.db", dir);
    snprintf(raw_path, sizeof raw_path, "%s/load-raw.db", dir);
    snprintf(url, sizeof url, "sqlite:%s?sync=normal", path);
    make_run(&l, url, raw_path, steps);
    bench_must(eyot_store_open(&l.store, url, &err), &err);
    must_sqlite(l.db, sqlite3_open(raw_path, &l.db) == SQLITE_OK);
    l.row = prepare(l.db, "SELECT no, head, snapshot_seq FROM run WHERE id = ?1");
    l.entries = prepare(l.db, "SELECT place, step, kind, key, body FROM entry WHERE place BETWEEN ?1 AND ?2");
    load_table(&l);
    double entries = (double)l.seen;
    bench_way ways[] = {{.name = plain, .ops = entries, .fn = load_raw, .arg = &l},
                        {.name = table, .ops = entries, .fn = load_table, .arg = &l},
                        {.name = checkpoint, .ops = entries, .fn = load_checkpoint, .arg = &l}};
    bench_in_turn(ways, 3);
    snprintf(over, sizeof over, "durable_load__entries_of_%llu_steps", (unsigned long long)steps);
    bench_value(over, entries, "entries");
    snprintf(over, sizeof over, "durable_load__table_%llu_steps_over_raw", (unsigned long long)steps);
    bench_quotient(over, &ways[1], &ways[0], "<= 1.5");
    snprintf(over, sizeof over, "durable_load__checkpoint_%llu_steps_over_raw", (unsigned long long)steps);
    bench_quotient(over, &ways[2], &ways[0], NULL);
    sqlite3_finalize(l.row);
    sqlite3_finalize(l.entries);
    sqlite3_close(l.db);
    eyot_store_close(l.store);
    remove_db(path);
    remove_db(raw_path);
}

#endif

/* ---- MySQL ---------------------------------------------------------------------------------------------------------- */

#if HAVE_MYSQL

static void raw_mysql(void *arg)
{
    static const page p;
    mysql_raw_steps(arg, MYSQL_STEPS, &p, sizeof p);
}

static void bench_mysql(eyot_graph *loop)
{
    char url[600];
    const char *server = getenv("EYOT_TEST_MYSQL");
    if (!server) {
        bench_absent("durable_mysql", "EYOT_TEST_MYSQL names no server: test/services.sh starts one");
        return;
    }
    snprintf(url, sizeof url, "%s%cprefix=d%d_", server, strchr(server, '?') ? '&' : '?', (int)getpid());
    mysql_raw *r = mysql_raw_open(server);
    subject one = subject_of(url, loop, 1, MYSQL_STEPS), many = subject_of(url, loop, RUNS, STEPS_OF_MANY), async = one;
    async.options.durability = EYOT_ASYNC;
    bench_way ways[] = {{.name = "durable_mysql__raw", .ops = MYSQL_STEPS, .fn = raw_mysql, .arg = r},
                        way_of("durable_mysql__1_run", &one),
                        way_of("durable_mysql__64_runs", &many),
                        way_of("durable_mysql__1_run_async", &async)};
    bench_in_turn(ways, sizeof ways / sizeof *ways);
    bench_quotient("durable_mysql__1_run_rate_over_raw", &ways[0], &ways[1], ">= 0.7");
    bench_quotient("durable_mysql__64_runs_rate_over_1_run", &ways[1], &ways[2], ">= 5");
    subject_clear(&one);
    subject_clear(&many);
    subject_clear(&async);
    mysql_raw_close(r);
}

#endif

/* ---- Redis ---------------------------------------------------------------------------------------------------------- */

#if HAVE_REDIS

static void raw_redis(void *arg)
{
    static const page p;
    redis_raw_steps(arg, STEPS, &p, sizeof p);
}

static void bench_redis(eyot_graph *loop)
{
    char url[300];
    const char *server = getenv("EYOT_TEST_REDIS");
    if (!server) {
        bench_absent("durable_redis", "EYOT_TEST_REDIS names no server: test/services.sh starts one");
        return;
    }
    snprintf(url, sizeof url, "%s%cprefix=d%d", server, strchr(server, '?') ? '&' : '?', (int)getpid());
    redis_raw *r = redis_raw_open(server);
    subject one = subject_of(url, loop, 1, STEPS), many = subject_of(url, loop, RUNS, STEPS_OF_MANY), async = one;
    async.options.durability = EYOT_ASYNC;
    bench_way ways[] = {{.name = "durable_redis__raw", .ops = STEPS, .fn = raw_redis, .arg = r},
                        way_of("durable_redis__1_run", &one),
                        way_of("durable_redis__64_runs", &many),
                        way_of("durable_redis__1_run_async", &async)};
    bench_in_turn(ways, sizeof ways / sizeof *ways);
    bench_quotient("durable_redis__1_run_rate_over_raw", &ways[0], &ways[1], ">= 0.8");
    bench_quotient("durable_redis__64_runs_rate_over_1_run", &ways[1], &ways[2], ">= 5");
    subject_clear(&one);
    subject_clear(&many);
    subject_clear(&async);
    redis_raw_close(r);
}

#endif

int main(int argc, char **argv)
{
    char dir[200], path[300];
    bench_begin(argc, argv);
    eyot_graph *loop = loop_of(&pages, next_page, more_pages);
    eyot_graph *json = loop_of(eyot_json(), next_value, more_values);
    bench_memory(loop, json);
    if (make_dir(dir, sizeof dir)) {
        snprintf(path, sizeof path, "%s/appended", dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        must_errno(fd >= 0, path);
        bench_time("durable_fdatasync_append__1KiB", STEPS, append_all, &fd);
        close(fd);
        unlink(path);
#if HAVE_SQLITE
        bench_sqlite(dir, false, loop, json);
        bench_sqlite(dir, true, loop, json);
        bench_load(dir, loop, 100);
        bench_load(dir, loop, 10000);
        bench_load(dir, loop, 100000);
#endif
        rmdir(dir);
    } else {
        bench_absent("durable", "TMPDIR, /tmp, /var/tmp and . are all in memory");
    }
#if HAVE_MYSQL
    bench_mysql(loop);
#else
    bench_absent("durable_mysql", "this build has no MySQL client");
#endif
#if HAVE_REDIS
    bench_redis(loop);
#else
    bench_absent("durable_redis", "this build has no hiredis");
#endif
#if !HAVE_SQLITE
    bench_absent("durable_full", "this build has no SQLite");
#endif
    eyot_graph_free(loop);
    eyot_graph_free(json);
    return bench_end();
}
