/* SPDX-License-Identifier: MIT */
/* Runs that move from store to store as a stream. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eyot/stores.h>

#include "core/hash.h"
#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/proxy.h"

/* ---- streams in memory ------------------------------------------------------------------------------------------- */

static eyot_status into_buf(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    eyot_status status = eyot_buf_add(arg, bytes, len);
    return status ? eyot_error_set(e, status, "no room") : EYOT_OK;
}

typedef struct source {
    const unsigned char *p;
    size_t len, at, most; /* at a time; 0: all that is asked for */
} source;

static eyot_status from_source(void *arg, void *to, size_t room, size_t *got, eyot_error *e)
{
    source *s = arg;
    (void)e;
    size_t n = s->len - s->at < room ? s->len - s->at : room;
    if (s->most && n > s->most) n = s->most;
    if (n) memcpy(to, s->p + s->at, n);
    s->at += n;
    *got = n;
    return EYOT_OK;
}

static const char *const notes[] = {"cwd", "absent"};

static eyot_buf export_run(eyot_store *store, const char *id)
{
    eyot_buf out = EYOT__BUF_INIT;
    eyot_error e;
    eyot_export_options o = {sizeof o, notes, 2, "log"};
    if (eyot_store_export(store, id, &o, into_buf, &out, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return out;
}

static eyot_status import_bytes(eyot_store *store, const void *p, size_t len, size_t most, const char *as,
                                eyot_error *e)
{
    source s = {p, len, 0, most};
    eyot_import_options o = {sizeof o, as};
    eyot__error_none(e);
    return eyot_store_import(store, &o, from_source, &s, NULL, e);
}

static void import_run(eyot_store *store, const eyot_buf *stream, const char *as)
{
    eyot_error e;
    if (import_bytes(store, stream->data, stream->len, 0, as, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static eyot_status emit_and_add(eyot_task *task, void *user)
{
    CHECK_OK(eyot_task_emit(task, "added \"x\"\\", "\x00\xff", 2));
    return tally_add(task, user);
}

static _Atomic bool broken;

static eyot_status unless_broken(eyot_task *task, void *user)
{
    return atomic_load(&broken) ? eyot_task_fail(task, "not yet") : tally_add(task, user);
}

typedef struct world {
    eyot_store *from, *to;
    eyot_graph *g;
    eyot_buf stream;
} world;

/* A run "r" that has failed at its second task, with notes and events. */
static void begin(world *w, const char *from, const char *to)
{
    eyot_error e;
    eyot_run_options o = lives_options(EYOT_SYNC);
    *w = (world){.from = tally_store(from), .to = tally_store(to)};
    w->g = lives_chain(&tally_copier, emit_and_add, unless_broken);
    eyot_engine *engine = tally_engine(1, w->from);
    atomic_store(&broken, true);
    lives_fail(engine, w->g, &o, EYOT_EFAILED);
    atomic_store(&broken, false);
    eyot_engine_free(engine);
    CHECK_OK(eyot_store_put_note(w->from, "r", "cwd", "/home", 5, &e));
    CHECK_OK(eyot_store_put_note(w->from, "r", "log/a/1", "some\nlines\n", 11, &e));
    CHECK_OK(eyot_store_put_note(w->from, "r", "log/b/1", "why\n", 4, &e));
    CHECK_OK(eyot_store_put_note(w->from, "r", "log/b/2", "never\n", 6, &e));
    w->stream = export_run(w->from, "r");
}

static void finish(world *w)
{
    eyot__buf_clear(&w->stream);
    eyot_graph_free(w->g);
    eyot_store_close(w->from);
    eyot_store_close(w->to);
    CHECK_INT(tally_live(), 0);
}

static void same_log(eyot_store *a, eyot_store *b, const char *id)
{
    tally_log x = tally_entries(a, id), y = tally_entries(b, id);
    CHECK(x.n > 0);
    CHECK_INT(x.n, y.n);
    for (size_t i = 0; i < x.n; i++) {
        CHECK_STR(x.entries[i].key, y.entries[i].key);
        CHECK_INT(x.entries[i].step, y.entries[i].step);
        CHECK_INT(x.entries[i].kind, y.entries[i].kind);
        CHECK(x.entries[i].body == y.entries[i].body);
    }
    CHECK(tally_load(a, id, UINT64_MAX) == tally_load(b, id, UINT64_MAX));
    tally_log_free(&x);
    tally_log_free(&y);
}

static void note_is(eyot_store *store, const char *id, const char *key, const char *want)
{
    eyot_buf out = EYOT__BUF_INIT;
    eyot_error e;
    CHECK_STATUS(eyot_store_get_note(store, id, key, &out, &e), want ? EYOT_OK : EYOT_ENOTFOUND);
    if (want) CHECK_STR((const char *)eyot_buf_data(&out, NULL), want);
    eyot__buf_clear(&out);
}

static size_t runs_of(eyot_store *store);

static void nothing_of(eyot_store *store, const char *id)
{
    eyot_error e;
    CHECK_INT(tally_row_of(store, id).status, 0);
    CHECK_INT(runs_of(store), 0);
    eyot_buf out = EYOT__BUF_INIT;
    CHECK_STATUS(eyot_store_get_note(store, id, "log/a/1", &out, &e), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_get_note(store, id, EYOT_NOTE_IMPORTED, &out, &e), EYOT_ENOTFOUND);
    eyot__buf_clear(&out);
}

static eyot_status count_row(void *arg, const eyot_run_row *row)
{
    (void)row;
    ++*(size_t *)arg;
    return EYOT_OK;
}

static size_t runs_of(eyot_store *store)
{
    size_t n = 0;
    eyot_error e;
    eyot_buf next = EYOT__BUF_INIT;
    eyot_run_filter all = {.size = sizeof all};
    CHECK_OK(eyot_store_list_runs(store, &all, eyot__bytes(NULL, 0), 100, count_row, &n, &next, &e));
    eyot__buf_clear(&next);
    return n;
}

static eyot_status count_event(void *arg, eyot_bytes run, const eyot_event *event)
{
    (void)run;
    CHECK_INT(event->payload.n, 2);
    CHECK(memcmp(event->topic.p, "added \"x\"\\", 10) == 0);
    snprintf(arg, 64, "%.*s", (int)event->id.n, (const char *)event->id.p);
    return EYOT_OK;
}

/* The id of the only event; "" when there is none. */
static const char *only_event(eyot_store *store)
{
    static char id[64];
    eyot_error e;
    eyot_buf next = EYOT__BUF_INIT;
    id[0] = 0;
    CHECK_OK(eyot_store_read_events(store, eyot__bytes(NULL, 0), 2, count_event, id, &next, &e));
    eyot__buf_clear(&next);
    return id;
}

/* ---- the promises ------------------------------------------------------------------------------------------------ */

static void moves(const char *from, const char *to)
{
    world w;
    begin(&w, from, to);
    import_run(w.to, &w.stream, NULL);
    same_log(w.from, w.to, "r");
    tally_row a = tally_row_of(w.from, "r"), b = tally_row_of(w.to, "r");
    CHECK_INT(b.status, EYOT_RUN_FAILED);
    CHECK_INT(b.head, a.head);
    CHECK_INT(b.steps, a.steps);
    CHECK(!b.held);
    note_is(w.to, "r", "cwd", "/home");
    note_is(w.to, "r", "log/a/1", "some\nlines\n");
    note_is(w.to, "r", "log/b/1", "why\n");
    note_is(w.to, "r", "log/b/2", NULL);
    note_is(w.to, "r", EYOT_NOTE_IMPORTED, eyot_version());
    CHECK_STR(only_event(w.to), "r/a/0");
    eyot_buf again = export_run(w.to, "r");
    CHECK(again.len > 0);
    eyot__buf_clear(&again);
    eyot_engine *engine = tally_engine(1, w.to);
    eyot_run_options o = lives_options(EYOT_SYNC);
    lives_end(engine, w.g, &o, 7);
    eyot_engine_free(engine);
    CHECK_STR(only_event(w.to), "r/a/0");
    finish(&w);
}

TEST(transfer__a_run_moves_with_all_that_belongs_to_it_and_goes_on)
{
    moves("memory:", "memory:");
}

#if defined(EYOT_HAVE_SQLITE)
TEST(transfer__a_run_moves_to_sqlite_and_goes_on)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/to.db", test_dir());
    moves("memory:", path);
}
TEST(transfer__a_run_moves_from_sqlite_and_goes_on)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/from.db", test_dir());
    moves(path, "memory:");
}
#endif

static void moves_to_a_server(const char *variable)
{
    char url[600];
    const char *server = getenv(variable);
    if (!server && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "%s is not set", variable);
    if (!server) test_skip("no server of it");
    snprintf(url, sizeof url, "%s%cprefix=t%d_", server, strchr(server, '?') ? '&' : '?', (int)getpid());
    moves("memory:", url);
}
TEST(transfer__a_run_moves_to_mysql_and_goes_on)
{
    moves_to_a_server("EYOT_TEST_MYSQL");
}
TEST(transfer__a_run_moves_to_redis_and_goes_on)
{
    moves_to_a_server("EYOT_TEST_REDIS");
}

TEST(transfer__a_run_that_is_done_and_one_that_has_only_begun_move)
{
    world w;
    begin(&w, "memory:", "memory:");
    eyot_engine *engine = tally_engine(1, w.from);
    eyot_run_options o = lives_options(EYOT_SYNC);
    o.run_id = "done";
    eyot_run_free(tally_run(engine, w.g, &o));
    eyot_engine_free(engine);
    eyot_buf stream = export_run(w.from, "done");
    import_run(w.to, &stream, NULL);
    CHECK_INT(tally_row_of(w.to, "done").status, EYOT_RUN_DONE);
    same_log(w.from, w.to, "done");
    eyot__buf_clear(&stream);
    finish(&w);
}

TEST(transfer__another_id_is_sealed_into_every_record)
{
    world w;
    begin(&w, "memory:", "memory:");
    import_run(w.to, &w.stream, "other");
    CHECK_INT(tally_row_of(w.to, "r").status, 0);
    CHECK_STR(only_event(w.to), "other/a/0");
    note_is(w.to, "other", "log/b/1", "why\n");
    eyot_engine *engine = tally_engine(1, w.to);
    eyot_run *run;
    eyot_error e;
    if (eyot_run_resume(&run, engine, w.g, "other", NULL, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    CHECK_OK(eyot_run_wait(run, &e));
    CHECK_INT(lives_sum(run), 7);
    eyot_run_free(run);
    eyot_engine_free(engine);
    CHECK_STATUS(import_bytes(w.to, w.stream.data, w.stream.len, 0, "no id", &e), EYOT_EINVAL);
    finish(&w);
}

TEST(transfer__a_run_that_is_there_is_not_touched)
{
    world w;
    eyot_error e;
    begin(&w, "memory:", "memory:");
    import_run(w.to, &w.stream, NULL);
    CHECK_OK(eyot_store_put_note(w.to, "r", "log/a/1", "mine", 4, &e));
    CHECK_STATUS(import_bytes(w.to, w.stream.data, w.stream.len, 0, NULL, &e), EYOT_EEXIST);
    CHECK_STR(e.text, "run r exists already");
    note_is(w.to, "r", "log/a/1", "mine");
    same_log(w.from, w.to, "r");
    finish(&w);
}

/* A random change of the stream: cut, a bit flipped, a byte more or less, lines that changed places, one left out or twice. */
static size_t damage(unsigned char *to, const eyot_buf *stream, uint64_t *random)
{
    size_t len = stream->len, at = (size_t)(test_random(random) % len);
    memcpy(to, stream->data, len);
    unsigned char *line = to + at, *next = memchr(line, '\n', len - at);
    while (line > to && line[-1] != '\n') line--;
    size_t n = next ? (size_t)(next + 1 - line) : len - (size_t)(line - to), rest = len - (size_t)(line - to) - n;
    switch (test_random(random) % 6) {
    case 0: return at;
    case 1: to[at] ^= (unsigned char)(1u << test_random(random) % 8); return len;
    case 2: memmove(to + at, to + at + 1, len - at - 1); return len - 1;
    case 3:
        memmove(to + at + 1, to + at, len - at);
        to[at] = (unsigned char)test_random(random);
        return len + 1;
    case 4: memmove(line, line + n, rest); return len - n;
    default: memmove(line + n, line, n + rest); return len + n;
    }
}

TEST(transfer__a_stream_that_was_cut_or_changed_is_refused_and_leaves_nothing)
{
    world w;
    eyot_error e;
    uint64_t random = test_seed();
    begin(&w, "memory:", "memory:");
    unsigned char *bad = malloc(2 * w.stream.len + 1);
    CHECK(bad);
    for (unsigned i = 0; i < 400 * test_long(); i++) {
        size_t len = damage(bad, &w.stream, &random);
        eyot_status status = import_bytes(w.to, bad, len, 1 + test_random(&random) % 500, NULL, &e);
        if (status != EYOT_ECORRUPT) test_fail(__FILE__, __LINE__, "damage %u: status %d, %s", i, status, e.text);
        CHECK(strncmp(e.text, "line ", 5) == 0);
        CHECK_STATUS(import_bytes(NULL, bad, len, 0, NULL, &e), EYOT_ECORRUPT);
        nothing_of(w.to, "r");
        CHECK_STR(only_event(w.to), "");
    }
    free(bad);
    import_run(w.to, &w.stream, NULL);
    finish(&w);
}

TEST(transfer__the_line_that_was_changed_is_named)
{
    world w;
    eyot_error e;
    begin(&w, "memory:", "memory:");
    unsigned char *third = w.stream.data;
    for (int i = 0; i < 2; i++) third = (unsigned char *)strchr((char *)third, '\n') + 1;
    third[20] ^= 1;
    CHECK_STATUS(import_bytes(NULL, w.stream.data, w.stream.len, 0, NULL, &e), EYOT_ECORRUPT);
    CHECK_HAS(e.text, "line 3: the checksum differs");
    third[20] ^= 1;
    CHECK_STATUS(import_bytes(NULL, w.stream.data, w.stream.len - 1, 0, NULL, &e), EYOT_ECORRUPT);
    CHECK_HAS(e.text, "the stream ends inside of it");
    finish(&w);
}

TEST(transfer__a_newer_stream_is_told_from_a_damaged_one)
{
    char line[256], stream[300];
    eyot_error e;
    int n = snprintf(line, sizeof line, "{\"line\":1,\"format\":\"eyot run\",\"version\":3,\"more\":true");
    n = snprintf(stream, sizeof stream, "%s,\"crc\":\"%08lx\"}\n", line,
                 (unsigned long)eyot__crc32c(0, line, (size_t)n));
    CHECK_STATUS(import_bytes(NULL, stream, (size_t)n, 0, NULL, &e), EYOT_EFORMAT);
    CHECK_STR(e.text, "line 1: written in version 3 of the stream; this library reads up to 2");
    CHECK_STATUS(import_bytes(NULL, "", 0, 0, NULL, &e), EYOT_ECORRUPT);
}

/* ---- stores that fail -------------------------------------------------------------------------------------------- */

static int calls_left; /* of commit, until one fails; after it they succeed again */

static eyot_status fails_once(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    return calls_left-- == 0 ? eyot_error_set(e, EYOT_EIO, "gone") : proxy_commit(p, commits, n, e);
}

/* It is done, and nobody hears of it. */
static eyot_status mute_once(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    eyot_status status = proxy_commit(p, commits, n, e);
    return calls_left-- == 0 && !status ? eyot_error_set(e, EYOT_EIO, "no reply") : status;
}

/* Many entries of 8 KiB: several batches. */
static eyot_status add_pad(eyot_task *task, void *user)
{
    tally *update = tally_pad(tally_sum(*(int *)user), 8192, 'x');
    return update ? eyot_task_update(task, update) : EYOT_ENOMEM;
}

static eyot_buf long_stream(eyot_store *store)
{
    eyot_graph *g = tally_graph("long");
    char id[16], next[16];
    for (int i = 0; i < 400; i++) {
        snprintf(id, sizeof id, "n%03d", i);
        snprintf(next, sizeof next, "n%03d", i + 1);
        eyot_graph_node(g, id, add_pad, &tally_numbers[1]);
        if (i < 399) eyot_graph_edge(g, id, next);
    }
    tally_freeze(g);
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = lives_options(EYOT_ASYNC);
    eyot_run_free(tally_run(engine, g, &o));
    eyot_engine_free(engine);
    eyot_graph_free(g);
    return export_run(store, "r");
}

static void fails_in_between(eyot_status (*commit)(proxy *p, eyot_commit *commits, size_t n, eyot_error *e))
{
    eyot_store *from = tally_store("memory:");
    eyot_buf stream = long_stream(from);
    eyot_error e;
    eyot_status status = EYOT_EIO;
    int i = 0;
    for (; status; i++) {
        proxy p = {.commit = commit};
        eyot_store *to = proxy_open(&p, "memory:");
        calls_left = i;
        status = import_bytes(to, stream.data, stream.len, 0, NULL, &e);
        if (status) {
            CHECK_INT(status, EYOT_EIO);
            if (tally_row_of(to, "r").status) /* the last commit was done: then it is whole */
                same_log(from, to, "r");
            else
                nothing_of(to, "r");
        } else {
            same_log(from, to, "r");
        }
        eyot_store_close(to);
    }
    CHECK(i > 3); /* several batches, each of which has failed once */
    eyot__buf_clear(&stream);
    eyot_store_close(from);
}
TEST(transfer__a_store_that_fails_in_between_is_left_empty)
{
    fails_in_between(fails_once);
}
TEST(transfer__a_store_that_does_not_answer_is_left_empty_or_with_all)
{
    fails_in_between(mute_once);
}

static eyot_status writer_is_full(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    (void)bytes, (void)len;
    return --*(int *)arg < 0 ? eyot_error_set(e, EYOT_EIO, "full") : EYOT_OK;
}

TEST(transfer__a_writer_that_fails_ends_the_export)
{
    world w;
    eyot_error e;
    begin(&w, "memory:", "memory:");
    int lines = 0;
    for (size_t i = 0; i < w.stream.len; i++) lines += w.stream.data[i] == '\n';
    for (int left = 0; left < lines; left++) {
        int n = left;
        eyot_export_options o = {sizeof o, notes, 2, "log"};
        CHECK_STATUS(eyot_store_export(w.from, "r", &o, writer_is_full, &n, &e), EYOT_EIO);
        CHECK_STR(e.text, "full");
    }
    CHECK_STATUS(eyot_store_export(w.from, "q", NULL, writer_is_full, &lines, &e), EYOT_ENOTFOUND);
    finish(&w);
}

/* ---- a process that dies meanwhile ------------------------------------------------------------------------------- */

#if defined(EYOT_HAVE_SQLITE)
typedef struct stalling {
    source s;
    size_t stop;
    int tell;
} stalling;

/* Gives so much, tells it, and then nothing any more. */
static eyot_status stalls(void *arg, void *to, size_t room, size_t *got, eyot_error *e)
{
    stalling *s = arg;
    if (s->s.at < s->stop) return from_source(&s->s, to, room < s->stop - s->s.at ? room : s->stop - s->s.at, got, e);
    (void)!write(s->tell, "x", 1);
    for (;;) pause();
}

static void die_in_between(const char *path, const eyot_buf *stream, size_t stop)
{
    int ends[2];
    char x;
    CHECK_INT(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        eyot_store *to;
        stalling s = {{stream->data, stream->len, 0, 0}, stop, ends[1]};
        if (eyot_store_open(&to, path, NULL)) _exit(9);
        (void)eyot_store_import(to, NULL, stalls, &s, NULL, NULL);
        _exit(8);
    }
    close(ends[1]);
    CHECK_INT(read(ends[0], &x, 1), 1);
    kill(child, SIGKILL);
    CHECK_INT(waitpid(child, NULL, 0), child);
    close(ends[0]);
}

static eyot_status see_owner(void *arg, const eyot_run_row *row)
{
    *(bool *)arg = eyot_owner_imports(row->owner);
    return EYOT_OK;
}

TEST(transfer__what_a_killed_import_leaves_is_no_run_and_is_replaced_or_deleted)
{
    char path[4200];
    eyot_error e;
    eyot_store *from = tally_store("memory:");
    eyot_buf stream = long_stream(from);
    snprintf(path, sizeof path, "%s/to.db", test_dir());
    for (int i = 0; i < 2; i++) {
        die_in_between(path, &stream, stream.len - stream.len / 4);
        eyot_store *to = tally_store(path);
        bool imports = false;
        CHECK_OK(eyot_store_get_run(to, "r", see_owner, &imports, &e));
        CHECK(imports);
        eyot_graph *g = lives_chain(&tally_copier, NULL, NULL);
        eyot_engine *engine = tally_engine(1, to);
        eyot_run *run;
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        o.flags = EYOT_RUN_ACCEPT_CHANGES;
        CHECK_STATUS(eyot_run_resume(&run, engine, g, "r", &o, &e), EYOT_EBUSY);
        CHECK_STR(e.text, "run r is being imported, or its import was cut short: import it again");
        eyot_claim claim = {.owner = {"me", 2}, .lease_ms = 10000};
        CHECK_STATUS(eyot__store_claim(to, &claim, see_owner, &imports, &e), EYOT_ENOTFOUND);
        eyot_buf out = EYOT__BUF_INIT;
        CHECK_STATUS(eyot_store_export(to, "r", NULL, into_buf, &out, &e), EYOT_EBUSY);
        CHECK_STATUS(eyot_store_cancel(to, "r", NULL, &e), EYOT_EALREADY);
        eyot__buf_clear(&out);
        if (i == 0) {
            CHECK_OK(eyot_store_delete(to, "r", &e));
            nothing_of(to, "r");
        } else {
            import_run(to, &stream, NULL);
            same_log(from, to, "r");
        }
        eyot_engine_free(engine);
        eyot_graph_free(g);
        eyot_store_close(to);
    }
    eyot__buf_clear(&stream);
    eyot_store_close(from);
}

TEST(transfer__an_import_that_goes_on_is_left_alone)
{
    world w;
    eyot_error e;
    eyot_run_row row = {.run = {"r", 1}, .graph = {"g", 1}, .epoch = 1};
    char owner[256] = "import/";
    begin(&w, "memory:", "memory:");
    eyot__owner_of_process(owner + 7);
    row.owner = eyot__bytes(owner, strlen(owner));
    eyot_entry entry = {.seq = 1, .kind = EYOT_ENTRY_SNAPSHOT, .body = {"x", 1}};
    eyot_commit first = {.run = row.run, .epoch = 1, .entries = &entry, .n_entries = 1, .lease_ms = 100000, .crc = 1};
    CHECK_OK(eyot__store_create_run(w.to, &row, eyot__bytes("", 0), &first, &e));
    CHECK_STATUS(import_bytes(w.to, w.stream.data, w.stream.len, 0, NULL, &e), EYOT_EBUSY);
    CHECK_STR(e.text, "run r is being imported");
    CHECK_STATUS(eyot_store_delete(w.to, "r", &e), EYOT_EBUSY);
    finish(&w);
}
#endif
