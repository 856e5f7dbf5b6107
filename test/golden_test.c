/* SPDX-License-Identifier: MIT */
/* What was written once opens for ever: the files in test/golden/ were made by earlier versions of this program and are
 * never changed. EYOT_GOLDEN_MAKE=1 adds those that are missing; test/golden/README.md tells more. */
#include "test/eyot_test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/key.h"
#include "core/record.h"
#include "test/golden.h"

#ifdef EYOT_HAVE_SQLITE
#include <sqlite3.h>
#endif

enum { ENTRIES_MAX = 200 };

/* ---- files ------------------------------------------------------------------------------------------------------- */

typedef struct path_text {
    char text[4400];
} path_text;

static path_text path_of(const char *dir, const char *run, const char *file)
{
    path_text p;
    snprintf(p.text, sizeof p.text, "%s/%s/%s", dir, run, file);
    return p;
}

static path_text record_path(const char *dir, const char *run, uint64_t seq)
{
    char file[32];
    snprintf(file, sizeof file, "%03llu.record", (unsigned long long)seq);
    return path_of(dir, run, file);
}

static const char *golden_dir(void)
{
    return EYOT_TEST_DATA "/golden";
}

/* False: there is no such file. */
static bool read_file(const char *path, eyot_buf *out)
{
    FILE *f = fopen(path, "rbe");
    if (!f) {
        CHECK_INT(errno, ENOENT);
        return false;
    }
    unsigned char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) eyot_buf_add(out, piece, n);
    CHECK(!ferror(f) && !out->failed);
    fclose(f);
    return true;
}

/* "x": a file that is there is not replaced. */
static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wbxe");
    if (!f) test_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
    CHECK(fwrite(bytes, 1, n, f) == n);
    CHECK(fclose(f) == 0);
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

typedef struct run_log {
    const golden_run *of;
    eyot_graph *graph;
    eyot_bytes run;
    eyot_buf bodies[ENTRIES_MAX];
    eyot_entry entries[ENTRIES_MAX];
    size_t n;
} run_log;

static run_log *log_new(const golden_run *of)
{
    run_log *log = calloc(1, sizeof *log);
    CHECK(log);
    log->of = of;
    log->graph = of->graph(of->name);
    CHECK(log->graph);
    log->run = (eyot_bytes){of->name, strlen(of->name)};
    return log;
}

static void log_free(run_log *log)
{
    for (size_t i = 0; i < log->n; i++) eyot__buf_clear(&log->bodies[i]);
    eyot_graph_free(log->graph);
    free(log);
}

/* The kind is byte 3 of a record, byte 8 the length of the codec's name before its payload. */
static void log_add(run_log *log)
{
    eyot_buf *body = &log->bodies[log->n];
    CHECK(log->n < ENTRIES_MAX && body->len > 3);
    eyot_entry *e = &log->entries[log->n];
    uint64_t steps = log->n ? log->entries[log->n - 1].step : 0;
    *e = (eyot_entry){.seq = log->n + 1, .kind = (eyot_entry_kind)body->data[3], .body = {body->data, body->len}};
    eyot__record record = {.kind = e->kind, .payload = {body->data + 9 + body->data[8], body->data + body->len, false}};
    e->step = eyot__record_step(&record, steps);
    log->n++;
}

static run_log *log_read(const golden_run *of, const char *dir)
{
    run_log *log = log_new(of);
    while (read_file(record_path(dir, of->name, log->n + 1).text, &log->bodies[log->n])) log_add(log);
    if (log->n == 0) test_fail(__FILE__, __LINE__, "%s/%s has no records", dir, of->name);
    return log;
}

static eyot_status keep_entry(void *arg, const eyot_entry *entry)
{
    run_log *log = arg;
    eyot_buf_add(&log->bodies[log->n], entry->body.p, entry->body.n);
    log_add(log);
    return EYOT_OK;
}

static void live(const golden_run *of, const eyot_graph *g, eyot_store *store)
{
    eyot_engine *engine = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    options.store = store;
    options.threads = 1;
    CHECK_OK(eyot_engine_new(&engine, &options, NULL));
    bool good = of->live(engine, g);
    eyot_engine_free(engine);
    if (!good) test_fail(__FILE__, __LINE__, "run %s does not go as it should", of->name);
}

/* The run as it goes today. */
static run_log *log_live(const golden_run *of)
{
    run_log *log = log_new(of);
    eyot_store *store = NULL;
    void *self;
    CHECK_OK(eyot_store_open(&store, "memory:", NULL));
    live(of, log->graph, store);
    const eyot_store_ops *ops = eyot_store_table(store, &self);
    CHECK_OK(ops->list_entries(self, log->run, 1, ENTRIES_MAX, true, keep_entry, log, NULL));
    eyot_store_close(store);
    return log;
}

/* A memory store that holds the run with the first n entries of its log. */
static eyot_store *store_of(const run_log *log, size_t n)
{
    eyot_store *store = NULL;
    void *self;
    CHECK_OK(eyot_store_open(&store, "memory:", NULL));
    const eyot_store_ops *ops = eyot_store_table(store, &self);
    const char *fingerprint = eyot_graph_fingerprint(log->graph);
    eyot_run_row row = {.run = log->run, .graph = log->run, .fingerprint = {fingerprint, 64}, .epoch = 1};
    eyot_commit first = {.run = log->run, .epoch = 1, .entries = log->entries, .n_entries = n, .due_in_ms = INT64_MAX};
    first.status = n == log->n ? EYOT_RUN_DONE : EYOT_RUN_FAILED;
    for (size_t i = 0; i < n; i++)
        if (log->entries[i].kind == EYOT_ENTRY_SNAPSHOT) first.snapshot_seq = i + 1;
    CHECK_OK(ops->create_run(self, &row, (eyot_bytes){"{}", 2}, &first, NULL));
    return store;
}

/* What stands in log.txt: every entry, and where they lead. */
static void describe(const run_log *log, eyot_buf *out)
{
    eyot_error e = {.status = EYOT_OK};
    eyot__buf_format(out, "%s: %s\n", log->of->name, log->of->what);
    for (size_t i = 0; i < log->n; i++) {
        eyot__buf_text(out, "\n");
        if (golden_describe(out, log->graph, log->run, &log->entries[i], &e))
            test_fail(__FILE__, __LINE__, "%s, entry %zu: %s", log->of->name, i + 1, e.text);
    }
    eyot_store *store = store_of(log, log->n);
    eyot_checkpoint *c = NULL;
    if (eyot_store_load_latest_checkpoint(&c, store, log->graph, log->of->name, &e))
        test_fail(__FILE__, __LINE__, "%s: %s", log->of->name, e.text);
    eyot__buf_format(out, "\n%s after %llu steps, state ", eyot_run_status_name(eyot_checkpoint_status(c)),
                     (unsigned long long)eyot_checkpoint_step(c));
    golden_put_value(out, log->graph, eyot_checkpoint_state(c));
    eyot__buf_text(out, "\n");
    eyot_checkpoint_free(c);
    eyot_store_close(store);
    CHECK_OK(out->failed);
}

/* ---- making new files -------------------------------------------------------------------------------------------- */

/* False: it is there already. */
static bool make_run(const golden_run *of, const char *dir)
{
    eyot_buf text = EYOT__BUF_INIT;
    if (mkdir(path_of(dir, of->name, "").text, 0777) != 0) {
        CHECK_INT(errno, EEXIST);
        return false;
    }
    run_log *log = log_live(of);
    for (size_t i = 0; i < log->n; i++)
        write_file(record_path(dir, of->name, i + 1).text, log->bodies[i].data, log->bodies[i].len);
    describe(log, &text);
    write_file(path_of(dir, of->name, "log.txt").text, text.data, text.len);
    eyot__buf_clear(&text);
    log_free(log);
    return true;
}

static size_t make_runs(const char *dir)
{
    size_t made = 0;
    for (size_t i = 0; i < golden_run_count; i++) made += make_run(&golden_runs[i], dir);
    return made;
}

static const golden_run *run_named(const char *name)
{
    for (size_t i = 0; i < golden_run_count; i++)
        if (strcmp(golden_runs[i].name, name) == 0) return &golden_runs[i];
    test_fail(__FILE__, __LINE__, "no golden run %s", name);
}

#ifdef EYOT_HAVE_SQLITE
/* A store file with two runs, without a WAL beside it and without a trace of the machine in its free pages. */
static bool make_store(const char *dir)
{
    static const char *const runs[] = {"half", "failed"};
    path_text path = path_of(dir, ".", "store.db");
    struct stat st;
    eyot_store *store = NULL;
    sqlite3 *db = NULL;
    if (stat(path.text, &st) == 0) return false;
    CHECK_OK(eyot_store_open(&store, path.text, NULL));
    for (size_t i = 0; i < 2; i++) {
        const golden_run *of = run_named(runs[i]);
        eyot_graph *g = of->graph(of->name);
        CHECK(g);
        live(of, g, store);
        eyot_graph_free(g);
    }
    eyot_store_close(store);
    CHECK_INT(sqlite3_open(path.text, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    return true;
}
#endif

/* With EYOT_GOLDEN_MAKE in the environment, in the source tree. */
TEST(golden__new_files_are_made_and_none_is_replaced)
{
    bool here = getenv("EYOT_GOLDEN_MAKE") != NULL;
    const char *dir = here ? golden_dir() : test_dir();
    size_t made = make_runs(dir);
    CHECK(here || made == golden_run_count);
#ifdef EYOT_HAVE_SQLITE
    CHECK(make_store(dir) || here);
    CHECK(!make_store(dir));
#endif
    CHECK_INT(make_runs(dir), 0);
    for (size_t i = 0; i < golden_run_count; i++) log_free(log_read(&golden_runs[i], dir));
}

/* ---- reading what is there --------------------------------------------------------------------------------------- */

static void same_text(const char *name, const eyot_buf *want, const eyot_buf *is)
{
    size_t at = 0, line = 0;
    while (at < want->len && at < is->len && want->data[at] == is->data[at]) at++;
    if (at == want->len && at == is->len) return;
    for (size_t i = line = at; i > 0 && want->data[i - 1] != '\n'; i--) line = i - 1;
    test_fail(__FILE__, __LINE__, "%s reads differently at byte %zu:\n%.*s\nnot\n%.*s", name, at,
              (int)(is->len - line < 300 ? is->len - line : 300), is->data + line,
              (int)(want->len - line < 300 ? want->len - line : 300), want->data + line);
}

TEST(golden__every_record_reads_as_its_text_says)
{
    for (size_t i = 0; i < golden_run_count; i++) {
        eyot_buf want = EYOT__BUF_INIT, is = EYOT__BUF_INIT;
        run_log *log = log_read(&golden_runs[i], golden_dir());
        CHECK(read_file(path_of(golden_dir(), golden_runs[i].name, "log.txt").text, &want));
        describe(log, &is);
        same_text(golden_runs[i].name, &want, &is);
        eyot__buf_clear(&want);
        eyot__buf_clear(&is);
        log_free(log);
    }
}

static eyot_buf written_again(const run_log *log, size_t k, uint32_t without)
{
    eyot_buf out = EYOT__BUF_INIT;
    eyot_error e = {.status = EYOT_OK};
    if (golden_write_again(&out, log->graph, log->run, &log->entries[k], without, &e))
        test_fail(__FILE__, __LINE__, "%s, entry %zu: %s", log->of->name, k + 1, e.text);
    return out;
}

static bool same_bytes(const eyot_buf *a, const eyot_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

TEST(golden__every_record_is_written_again_with_the_same_bytes)
{
    for (size_t i = 0; i < golden_run_count; i++) {
        if (golden_runs[i].version < EYOT__RECORD_VERSION) continue;
        run_log *log = log_read(&golden_runs[i], golden_dir());
        for (size_t k = 0; k < log->n; k++) {
            eyot_buf again = written_again(log, k, 0);
            if (!same_bytes(&again, &log->bodies[k]))
                test_fail(__FILE__, __LINE__, "%s, entry %zu is written differently", log->of->name, k + 1);
            eyot__buf_clear(&again);
        }
        log_free(log);
    }
}

/* What a record says must be the same today, but for the time; of a version before, which is written again in today's,
 * the tasks. */
static void same_entry(const run_log *was, const run_log *is, size_t k)
{
    eyot_entry_kind kind = was->entries[k].kind;
    bool old = was->of->version < EYOT__RECORD_VERSION;
    CHECK_INT(is->entries[k].kind, kind);
    if (kind != EYOT_ENTRY_TASK && (kind != EYOT_ENTRY_SNAPSHOT || old)) return;
    uint32_t without = GOLDEN_TIMES | GOLDEN_SEED | (old ? GOLDEN_ATTEMPTS : 0);
    eyot_buf then = written_again(was, k, without), now = written_again(is, k, without);
    if (!same_bytes(&then, &now)) test_fail(__FILE__, __LINE__, "%s, entry %zu is another today", was->of->name, k + 1);
    eyot__buf_clear(&then);
    eyot__buf_clear(&now);
}

/* The same graphs on the engine of today: tasks, routes and snapshots have not moved by a byte. The texts of errors may. */
TEST(golden__a_run_of_today_writes_the_same_tasks_and_snapshots)
{
    for (size_t i = 0; i < golden_run_count; i++) {
        run_log *was = log_read(&golden_runs[i], golden_dir()), *is = log_live(&golden_runs[i]);
        CHECK_INT(is->n, was->n);
        for (size_t k = 0; k < was->n; k++) same_entry(was, is, k);
        log_free(was);
        log_free(is);
    }
}

/* Cut after any entry, the log of the run that has two lives leads to the same end. */
TEST(golden__every_beginning_of_a_log_goes_on_to_the_same_state)
{
    run_log *log = log_read(run_named("failed"), golden_dir());
    for (size_t n = 1; n < log->n; n++) {
        eyot_store *store = store_of(log, n);
        eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
        eyot_engine *engine = NULL;
        eyot_run *run = NULL;
        eyot_error e = {.status = EYOT_OK};
        options.store = store;
        options.threads = 1;
        golden_second_life = true;
        CHECK_OK(eyot_engine_new(&engine, &options, NULL));
        if (eyot_run_resume(&run, engine, log->graph, "failed", NULL, &e) || eyot_run_wait(run, &e))
            test_fail(__FILE__, __LINE__, "cut after entry %zu: %s", n, e.text);
        CHECK_INT(eyot_value_int(eyot_value_at(eyot_run_state(run), "n"), 0), 1111);
        CHECK_INT(eyot_run_steps(run), 4);
        eyot_run_free(run);
        eyot_engine_free(engine);
        eyot_store_close(store);
    }
    log_free(log);
}

static eyot_status no_node(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_OK;
}

/* A key is an idempotency key outside: it must not change either. */
TEST(golden__a_long_key_is_shortened_as_ever)
{
    static const char want[] = "n[0][1][2][3][4][5][6][7][8][9][10][11][12][13][14][15][16][17][18][19][20][21][22"
                               "][23][24][25][26][27][28][29][30][31][32][33][34][35][36][37][38][39][40][41][~"
                               "3df3ab3fb7000c2d56c28b20d1091dfd";
    eyot_graph *g = NULL;
    eyot_buf key = EYOT__BUF_INIT;
    eyot__who who = {0};
    CHECK_OK(eyot_graph_new(&g, "long", eyot_bytes_copier()));
    eyot_graph_node(g, "n", no_node, NULL);
    CHECK_OK(eyot_graph_freeze(g, NULL));
    for (int64_t i = 0; i < 80; i++) CHECK((who.path = eyot__path_add(who.path, EYOT__PART_SENT, &i, 1)));
    eyot__key_print(&key, g, &who);
    eyot__buf_u8(&key, 0);
    CHECK_STR((const char *)key.data, want);
    eyot__buf_clear(&key);
    eyot__who_clear(&who);
    eyot_graph_free(g);
}

#ifdef EYOT_HAVE_SQLITE
/* ---- the store file ---------------------------------------------------------------------------------------------- */

typedef struct opened {
    eyot_store *store;
    eyot_engine *engine;
    eyot_graph *graph;
    eyot_run *run;
    eyot_error e;
} opened;

/* A copy of the store file, and the run resumed from it. */
static opened open_copy(const char *run)
{
    opened o = {0};
    eyot_buf bytes = EYOT__BUF_INIT;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    path_text path = path_of(test_dir(), ".", "copy.db");
    CHECK(read_file(path_of(golden_dir(), ".", "store.db").text, &bytes));
    write_file(path.text, bytes.data, bytes.len);
    eyot__buf_clear(&bytes);
    if (eyot_store_open_with(&o.store, path.text, EYOT_OPEN_EXISTING, &o.e))
        test_fail(__FILE__, __LINE__, "%s", o.e.text);
    options.store = o.store;
    CHECK_OK(eyot_engine_new(&o.engine, &options, &o.e));
    o.graph = run_named(run)->graph(run);
    CHECK(o.graph);
    golden_second_life = true;
    if (eyot_run_resume(&o.run, o.engine, o.graph, run, NULL, &o.e)) test_fail(__FILE__, __LINE__, "%s", o.e.text);
    return o;
}

static void close_copy(opened *o)
{
    eyot_run_free(o->run);
    eyot_engine_free(o->engine);
    eyot_store_close(o->store);
    eyot_graph_free(o->graph);
}

TEST(golden__a_done_run_of_the_store_file_is_loaded)
{
    opened o = open_copy("failed");
    CHECK_INT(eyot_run_status_of(o.run), EYOT_RUN_DONE);
    CHECK_INT(eyot_run_steps(o.run), 4);
    CHECK_INT(eyot_value_int(eyot_value_at(eyot_run_state(o.run), "n"), 0), 1111);
    close_copy(&o);
}

TEST(golden__a_failed_run_of_the_store_file_goes_on)
{
    opened o = open_copy("half");
    CHECK_OK(eyot_run_wait(o.run, &o.e));
    CHECK_INT(eyot_run_steps(o.run), 4);
    CHECK_INT(eyot_value_int(eyot_value_at(eyot_run_state(o.run), "n"), 0), 1111);
    close_copy(&o);
}
#endif
