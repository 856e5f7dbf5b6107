/* SPDX-License-Identifier: MIT */
/* What is SQLite's own: files, processes, disks. The contract of all stores is in store_suite.c. */
#include "stores/sqlite.h"

#include "test/eyot_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/vfs.h>
#endif

static eyot_error err;

/* ---- helpers ------------------------------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char paths[4][4200];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

static eyot_store *open_url(const char *params)
{
    char url[4300];
    eyot_store *store;
    snprintf(url, sizeof url, "sqlite:%s%s", path_of("run.db"), params);
    eyot_status r = eyot_store_open(&store, url, &err);
    if (r) test_fail(__FILE__, __LINE__, "%s: %s", url, err.text);
    return store;
}

static eyot_status open_status(const char *name, uint32_t flags)
{
    eyot_store *store;
    eyot_status r = eyot_store_open_with(&store, path_of(name), flags, &err);
    if (!r) eyot_store_close(store);
    return r;
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(path_of(name), "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static off_t size_of(const char *name)
{
    struct stat st;
    return stat(path_of(name), &st) == 0 ? st.st_size : -1;
}

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

/* The row and commits of a run that is held in epoch 1 with a token of zeros. */
static eyot_status make_run(eyot_store *store, const char *id)
{
    eyot_run_row row = {.run = text(id), .graph = text("g"), .fingerprint = text("f"), .owner = text("w")};
    eyot_commit c = {.run = text(id), .status = EYOT_RUN_RUNNING, .lease_ms = 3600000};
    return eyot__store_create_run(store, &row, text("{}"), &c, &err);
}

static eyot_status add(eyot_store *store, const char *id, uint64_t head, eyot_bytes body)
{
    eyot_entry e = {.seq = head + 1, .step = head + 1, .kind = EYOT_ENTRY_TASK, .key = text("k"), .body = body};
    eyot_commit c = {.run = text(id), .epoch = 1, .head = head, .entries = &e, .n_entries = 1, .lease_ms = 3600000};
    c.status = EYOT_RUN_RUNNING;
    c.crc = (uint32_t)head;
    eyot_status r = eyot__store_commit(store, &c, 1, &err);
    return r ? r : c.result;
}

typedef struct counted {
    uint64_t n, last;
    bool in_order;
} counted;

static eyot_status count(void *arg, const eyot_entry *e)
{
    counted *c = arg;
    c->in_order = (c->n == 0 || c->in_order) && e->seq == c->last + 1;
    c->last = e->seq;
    c->n++;
    return EYOT_OK;
}

static uint64_t loaded(eyot_store *store, const char *id)
{
    counted c = {.n = 0};
    CHECK_OK(eyot__store_load(store, text(id), UINT64_MAX, count, &c, &err));
    CHECK(c.n == 0 || c.in_order);
    CHECK_INT(c.n, c.last);
    return c.n;
}

static eyot_status take_head(void *arg, const eyot_run_row *row)
{
    *(uint64_t *)arg = row->head;
    return EYOT_OK;
}

static uint64_t head_of(eyot_store *store, const char *id)
{
    uint64_t head = 0;
    CHECK_OK(eyot__store_get_run(store, text(id), take_head, &head, &err));
    return head;
}

/* Runs SQL on the file behind the store's back; the first column of the first row, as text. */
static const char *sql(const char *name, const char *statement)
{
    static char result[200];
    sqlite3 *db;
    sqlite3_stmt *st;
    result[0] = '\0';
    CHECK(sqlite3_open(path_of(name), &db) == SQLITE_OK);
    while (*statement) {
        CHECK(sqlite3_prepare_v2(db, statement, -1, &st, &statement) == SQLITE_OK);
        if (st && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
            snprintf(result, sizeof result, "%s", (const char *)sqlite3_column_text(st, 0));
        sqlite3_finalize(st);
    }
    sqlite3_close(db);
    return result;
}

/* Waits for a child that ended by itself with 0. */
static void check_child(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 0);
}

static pid_t fork_quietly(void)
{
    test_dir(); /* the parent's, not one of each child */
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    return child;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

TEST(sqlite__new_file_is_for_its_owner_only)
{
    struct stat st;
    mode_t before = umask(0);
    eyot_store *store = open_url("");
    umask(before);
    CHECK_OK(make_run(store, "a"));
    CHECK(stat(path_of("run.db"), &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    CHECK(stat(path_of("run.db-wal"), &st) == 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    eyot_store_close(store);
}

TEST(sqlite__open_existing_creates_nothing)
{
    CHECK_STATUS(open_status("none.db", EYOT_OPEN_EXISTING), EYOT_ENOTFOUND);
    CHECK_HAS(err.text, "none.db");
    CHECK_INT(size_of("none.db"), -1);
    write_file("empty.db", "", 0);
    CHECK_STATUS(open_status("empty.db", EYOT_OPEN_EXISTING), EYOT_ENOTFOUND);
    CHECK_HAS(err.text, "empty.db");
    CHECK_INT(size_of("empty.db"), 0);
    CHECK_OK(open_status("empty.db", 0));
    CHECK_OK(open_status("empty.db", EYOT_OPEN_EXISTING));
}

TEST(sqlite__what_is_no_database_is_corrupt)
{
    char junk[5000];
    memset(junk, 'j', sizeof junk);
    write_file("junk.db", junk, sizeof junk);
    CHECK_STATUS(open_status("junk.db", 0), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "junk.db is no database");
    CHECK_INT(size_of("junk.db"), sizeof junk);
    CHECK_INT(size_of("junk.db-wal"), -1);
}

TEST(sqlite__database_of_others_is_left_alone)
{
    sql("other.db", "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    off_t before = size_of("other.db");
    CHECK_STATUS(open_status("other.db", 0), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "other.db");
    CHECK_HAS(err.text, "no store of eyot");
    CHECK_INT(size_of("other.db"), before);
    CHECK_STR(sql("other.db", "PRAGMA journal_mode"), "delete");
}

TEST(sqlite__newer_format_is_refused)
{
    CHECK_OK(open_status("run.db", 0));
    sql("run.db", "PRAGMA user_version=2");
    CHECK_STATUS(open_status("run.db", 0), EYOT_EFORMAT);
    CHECK_HAS(err.text, "format 2");
    CHECK_HAS(err.text, "knows 1");
    CHECK_STATUS(open_status("run.db", EYOT_OPEN_EXISTING), EYOT_EFORMAT);
}

TEST(sqlite__missing_table_is_corrupt)
{
    CHECK_OK(open_status("run.db", 0));
    sql("run.db", "DROP TABLE entry");
    CHECK_STATUS(open_status("run.db", 0), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "entry");
}

TEST(sqlite__truncated_file_is_corrupt)
{
    char body[20000] = {1};
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "a"));
    for (uint64_t i = 0; i < 20; i++) CHECK_OK(add(store, "a", i, eyot__bytes(body, sizeof body)));
    eyot_store_close(store);
    CHECK(size_of("run.db") > 400000);
    CHECK(truncate(path_of("run.db"), size_of("run.db") / 2) == 0);
    CHECK_STATUS(open_status("run.db", 0), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "run.db is damaged");
}

TEST(sqlite__lost_entry_is_found_and_named)
{
    counted c = {.n = 0};
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "a17"));
    for (uint64_t i = 0; i < 5; i++) CHECK_OK(add(store, "a17", i, text("x")));
    sql("run.db", "DELETE FROM entry WHERE seq = 3");
    CHECK_STATUS(eyot__store_load(store, text("a17"), UINT64_MAX, count, &c, &err), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "run a17: entry 3");
    sql("run.db", "DELETE FROM entry WHERE seq = 5");
    CHECK_STATUS(eyot__store_load(store, text("a17"), 5, count, &c, &err), EYOT_ENOTFOUND);
    eyot_store_close(store);
}

TEST(sqlite__directory_is_no_file)
{
    CHECK(mkdir(path_of("dir"), 0700) == 0);
    CHECK_STATUS(open_status("dir", 0), EYOT_EINVAL);
    CHECK_HAS(err.text, "/dir is no file");
    CHECK_STATUS(open_status("no/such/run.db", 0), EYOT_EIO);
    CHECK_HAS(err.text, "no/such/run.db");
    CHECK_INT(err.os_errno, ENOENT);
}

TEST(sqlite__long_path_leaves_room_for_the_reason)
{
    char name[251];
    memset(name, 'n', 250);
    name[250] = '\0';
    CHECK_STATUS(open_status(name, EYOT_OPEN_EXISTING), EYOT_ENOTFOUND);
    CHECK_HAS(err.text, "there is no store …nnn");
    CHECK(strlen(err.text) < 150);
}

TEST(sqlite__settings_are_checked_and_named)
{
    static const struct {
        const char *params, *named;
    } bad[] = {
        {"?sync=maybe", "sync=maybe"},
        {"?page_size=1000", "page_size=1000"},
        {"?page_size=131072", "page_size"},
        {"?busy_timeout=x", "busy_timeout"},
        {"?size=1", "\"size\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char url[4300];
        eyot_store *store;
        snprintf(url, sizeof url, "sqlite:%s%s", path_of("run.db"), bad[i].params);
        CHECK_STATUS(eyot_store_open(&store, url, &err), EYOT_EINVAL);
        CHECK_HAS(err.text, bad[i].named);
        CHECK_INT(size_of("run.db"), -1);
    }
    eyot_store *store;
    CHECK_STATUS(eyot_store_open(&store, "sqlite:", &err), EYOT_EINVAL);
    CHECK_STATUS(eyot_store_open(&store, "sqlite://host/run.db", &err), EYOT_EINVAL);
}

TEST(sqlite__page_size_is_that_of_the_url)
{
    eyot_store_close(open_url("?page_size=16384"));
    CHECK_STR(sql("run.db", "PRAGMA page_size"), "16384");
    CHECK_STR(sql("run.db", "PRAGMA journal_mode"), "wal");
}

TEST(sqlite__path_may_be_relative_and_look_like_a_uri)
{
    char before[4200];
    eyot_store *store;
    CHECK(getcwd(before, sizeof before));
    CHECK(chdir(test_dir()) == 0);
    CHECK_STATUS(eyot_store_open(&store, "./file:x?mode=memory", &err), EYOT_EINVAL);
    CHECK_OK(eyot_store_open(&store, "sqlite:file%3ax%3fmode=memory", &err));
    CHECK_OK(make_run(store, "a"));
    CHECK(chdir(before) == 0);
    CHECK_INT(head_of(store, "a"), 0);
    eyot_store_close(store);
    CHECK(size_of("file:x?mode=memory") > 0);
}

TEST(sqlite__many_processes_may_create_one_file)
{
    enum { CHILDREN = 6 };
    pid_t child[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        child[i] = fork_quietly();
        if (child[i]) continue;
        char id[16];
        eyot_store *store = open_url("");
        snprintf(id, sizeof id, "run-%d", i);
        eyot_status r = make_run(store, id);
        eyot_store_close(store);
        _exit(r ? 1 : 0);
    }
    for (int i = 0; i < CHILDREN; i++) check_child(child[i]);
    CHECK_STR(sql("run.db", "SELECT count(*) FROM run"), "6");
}

/* ---- durability ---------------------------------------------------------------------------------------------------- */

TEST(sqlite__class_follows_the_file_system_and_sync)
{
    static const struct {
        uint64_t magic;
        bool normal;
        eyot_store_class want;
    } cases[] = {
        {0xEF53, false, EYOT_CLASS_MACHINE},
        {0xEF53, true, EYOT_CLASS_PROCESS},
        {0x01021994, false, EYOT_CLASS_VOLATILE},
        {0x858458F6, true, EYOT_CLASS_VOLATILE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eyot_store_class durability;
        const char *reason = NULL;
        CHECK_OK(eyot__sqlite_judge_place(cases[i].magic, cases[i].normal, &durability, &reason, "run.db", &err));
        CHECK_INT(durability, cases[i].want);
        CHECK(reason && strlen(reason) > 10);
    }
}

TEST(sqlite__network_file_system_is_refused)
{
    static const struct {
        uint64_t magic;
        const char *name;
    } cases[] = {{0x6969, "NFS"}, {0xFF534D42, "CIFS"}, {0xFE534D42, "SMB"}, {0xFFFFFFFFFF534D42, "CIFS"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eyot_store_class durability;
        const char *reason;
        CHECK_STATUS(eyot__sqlite_judge_place(cases[i].magic, false, &durability, &reason, "run.db", &err),
                     EYOT_ENOTSUP);
        CHECK_HAS(err.text, "run.db is on a network file system");
        CHECK_HAS(err.text, cases[i].name);
    }
}

TEST(sqlite__store_on_tmpfs_is_volatile)
{
#if defined(__linux__)
    struct statfs fs;
    char dir[] = "/dev/shm/eyot-test.XXXXXX", path[64];
    eyot_store_info info;
    eyot_store *store;
    if (statfs("/dev/shm", &fs) != 0 || fs.f_type != 0x01021994 || !mkdtemp(dir)) test_skip("no tmpfs at /dev/shm");
    snprintf(path, sizeof path, "%s/run.db", dir);
    CHECK_OK(eyot_store_open(&store, path, &err));
    eyot_status r = eyot_store_inform(store, &info, &err);
    eyot_store_close(store);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
    rmdir(dir);
    CHECK_OK(r);
    CHECK_INT(info.durability, EYOT_CLASS_VOLATILE);
    CHECK_HAS(info.reasons, "memory");
#else
    test_skip("no tmpfs here");
#endif
}

TEST(sqlite__sync_is_full_unless_the_url_says_normal)
{
    /* The pragma is the connection's: only the writer itself can tell. */
    void *self;
    eyot_store *store = open_url("");
    eyot_store_table(store, &self);
    sqlite3_stmt *st;
    CHECK(sqlite3_prepare_v2(((eyot__sqlite *)self)->writer.db, "PRAGMA synchronous", -1, &st, NULL) == SQLITE_OK);
    CHECK(sqlite3_step(st) == SQLITE_ROW);
    CHECK_INT(sqlite3_column_int(st, 0), 2);
    sqlite3_finalize(st);
    eyot_store_close(store);
    store = open_url("?sync=normal");
    eyot_store_table(store, &self);
    CHECK(sqlite3_prepare_v2(((eyot__sqlite *)self)->writer.db, "PRAGMA synchronous", -1, &st, NULL) == SQLITE_OK);
    CHECK(sqlite3_step(st) == SQLITE_ROW);
    CHECK_INT(sqlite3_column_int(st, 0), 1);
    sqlite3_finalize(st);
    eyot_store_close(store);
}

TEST(sqlite__wal_is_cut_when_it_has_grown)
{
    static char body[200000];
    off_t most = 0;
    eyot_store *store = open_url("?sync=normal");
    CHECK_OK(make_run(store, "a"));
    for (uint64_t i = 0; i < 400; i++) {
        CHECK_OK(add(store, "a", i, eyot__bytes(body, sizeof body)));
        if (size_of("run.db-wal") > most) most = size_of("run.db-wal");
    }
    CHECK(most > (4 << 20) && most < (24 << 20));
    CHECK(size_of("run.db") > (40 << 20));
    CHECK_INT(loaded(store, "a"), 400);
    eyot_store_close(store);
}

typedef struct slow_reader {
    eyot_store *store;
    uint64_t head;
    eyot_status status;
    bool begun;
} slow_reader;

/* Inside the read: enough commits for a checkpoint to become due, which the read does not let through. */
static eyot_status commit_meanwhile(void *arg, const eyot_entry *e)
{
    static char body[400000];
    slow_reader *r = arg;
    (void)e;
    for (int i = 0; i < 50 && !r->begun && !r->status; i++)
        r->status = add(r->store, "a", r->head++, eyot__bytes(body, sizeof body));
    r->begun = true;
    return EYOT_OK;
}

TEST(sqlite__checkpoint_waits_for_no_reader)
{
    /* The callback uses a second store on the same file, as another process would. */
    eyot_store *reading = open_url(""), *writing = open_url("?busy_timeout=60000");
    slow_reader r = {.store = writing, .head = 2};
    CHECK_OK(make_run(writing, "a"));
    CHECK_OK(add(writing, "a", 0, text("x")));
    CHECK_OK(add(writing, "a", 1, text("x")));
    uint64_t begin = test_now_ms();
    CHECK_OK(eyot__store_load(reading, text("a"), UINT64_MAX, commit_meanwhile, &r, &err));
    CHECK_OK(r.status);
    CHECK(test_now_ms() - begin < 30000);
    CHECK(size_of("run.db-wal") > (16 << 20));
    /* The next one that is due gets through. */
    r.begun = false;
    eyot_entry none = {.seq = 0};
    commit_meanwhile(&r, &none);
    CHECK_OK(r.status);
    CHECK(size_of("run.db-wal") < (16 << 20));
    CHECK_INT(loaded(reading, "a"), 102);
    eyot_store_close(reading);
    eyot_store_close(writing);
}

TEST(sqlite__closing_leaves_everything_in_one_file)
{
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "a"));
    for (uint64_t i = 0; i < 20; i++) CHECK_OK(add(store, "a", i, text("x")));
    eyot_store_close(store);
    CHECK(rename(path_of("run.db"), path_of("moved.db")) == 0);
    CHECK_OK(eyot_store_open(&store, path_of("moved.db"), &err));
    CHECK_INT(loaded(store, "a"), 20);
    eyot_store_close(store);
}

TEST(sqlite__body_beyond_its_limit_is_refused_by_number)
{
    char byte = 0;
    eyot_store_info info;
    eyot_store *store = open_url("");
    CHECK_OK(eyot_store_inform(store, &info, &err));
    CHECK_OK(make_run(store, "a17"));
    CHECK_STATUS(add(store, "a17", 0, eyot__bytes(&byte, info.max_body + 1)), EYOT_ELIMIT);
    CHECK_HAS(err.text, "run a17: entry 1");
    CHECK_OK(add(store, "a17", 0, text("x")));
    eyot_store_close(store);
}

/* ---- disks --------------------------------------------------------------------------------------------------------- */

/* No file of this process may grow beyond so many bytes; SIGXFSZ would end it otherwise. */
static bool limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

/* In a child: commits until the disk is full, then gives it room and goes on. 0: as it should be. */
static int fill_the_disk(void)
{
    static char body[10000];
    uint64_t head = 0;
    eyot_store *store = open_url("");
    if (make_run(store, "a")) return 10;
    if (!limit_files(1 << 20)) return 11;
    eyot_status r = EYOT_OK;
    while (!r && head < 1000) {
        r = add(store, "a", head, eyot__bytes(body, sizeof body));
        if (!r) head++;
    }
    if (r != EYOT_EIO || !strstr(err.text, "run.db") || strchr(err.text, '\n')) return 12;
    if (head < 20 || head_of(store, "a") != head || loaded(store, "a") != head) return 13;
    if (add(store, "a", head, eyot__bytes(body, sizeof body)) != EYOT_EIO) return 14;
    if (!limit_files(RLIM_INFINITY)) return 15;
    for (int i = 0; i < 10; i++, head++)
        if (add(store, "a", head, eyot__bytes(body, sizeof body))) return 16;
    if (loaded(store, "a") != head) return 17;
    eyot_store_close(store);
    return 0;
}

TEST(sqlite__full_disk_loses_nothing_and_goes_on_with_room)
{
    pid_t child = fork_quietly();
    if (child == 0) _exit(fill_the_disk());
    check_child(child);
    CHECK_STR(sql("run.db", "PRAGMA integrity_check"), "ok");
    CHECK_STR(sql("run.db", "SELECT count(*) - max(seq) FROM entry"), "0");
}

/* As a user who may not write here. */
static int open_read_only(void)
{
    eyot_store *store;
    uint64_t head = 0;
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 10;
    if (open_status("run.db", 0) != EYOT_EIO || !strstr(err.text, "run.db is read-only")) return 11;
    if (open_status("new.db", 0) != EYOT_EIO || !strstr(err.text, "new.db") || err.os_errno != EACCES) return 12;
    if (eyot_store_open_with(&store, path_of("run.db"), EYOT_OPEN_EXISTING, &err)) return 13;
    if (eyot__store_get_run(store, text("a"), take_head, &head, &err) || head != 1) return 14;
    if (add(store, "a", 1, text("x")) != EYOT_EIO || !strstr(err.text, "run.db is read-only")) return 15;
    eyot_store_close(store);
    return 0;
}

TEST(sqlite__read_only_store_can_be_read_but_not_written)
{
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "a"));
    CHECK_OK(add(store, "a", 0, text("x")));
    CHECK(chmod(path_of("run.db"), 0444) == 0 && chmod(path_of("run.db-wal"), 0444) == 0);
    CHECK(chmod(path_of("run.db-shm"), 0444) == 0 && chmod(test_dir(), 0555) == 0);
    pid_t child = fork_quietly();
    if (child == 0) _exit(open_read_only());
    check_child(child);
    eyot_store_close(store);
}

TEST(sqlite__lock_that_others_keep_is_reported)
{
    sqlite3 *other;
    eyot_store *store = open_url("?busy_timeout=20");
    CHECK_OK(make_run(store, "a"));
    CHECK(sqlite3_open(path_of("run.db"), &other) == SQLITE_OK);
    CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    CHECK_STATUS(add(store, "a", 0, text("x")), EYOT_EIO);
    CHECK_HAS(err.text, "run.db is locked by another process for more than 20 ms");
    CHECK_INT(loaded(store, "a"), 0);
    sqlite3_close(other);
    CHECK_OK(add(store, "a", 0, text("x")));
    eyot_store_close(store);
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

enum { PROCESSES = 3, EACH = 100 };

/* Commits EACH entries to a run of its own, and as many as it wins to one that all write. Returns how many it won. */
static int write_both(int number)
{
    char id[16], body[16];
    int won = 0;
    eyot_store *store = open_url("?busy_timeout=60000");
    snprintf(id, sizeof id, "own-%d", number);
    snprintf(body, sizeof body, "%d", number);
    for (uint64_t head = 0; head < EACH; head++)
        if (add(store, id, head, text(body))) return -1;
    for (uint64_t head = 0; head < EACH;) {
        eyot_entry e = {.seq = head + 1, .kind = EYOT_ENTRY_TASK, .body = text(body)};
        eyot_commit c = {.run = text("shared"), .epoch = 1, .head = head, .entries = &e, .n_entries = 1};
        c.lease_ms = 3600000;
        c.crc = (uint32_t)number;
        if (eyot__store_commit(store, &c, 1, &err)) return -1;
        if (c.result != EYOT_OK && c.result != EYOT_ESTALE) return -1;
        if (c.result == EYOT_OK) won++;
        head++;
    }
    eyot_store_close(store);
    return won;
}

TEST(sqlite__processes_write_one_run_once_and_many_at_once)
{
    pid_t child[PROCESSES];
    int won = 0, status;
    char id[16];
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "shared"));
    for (int i = 0; i < PROCESSES; i++) {
        snprintf(id, sizeof id, "own-%d", i);
        CHECK_OK(make_run(store, id));
    }
    eyot_store_close(store);
    for (int i = 0; i < PROCESSES; i++) {
        child[i] = fork_quietly();
        if (child[i] == 0) _exit(write_both(i));
    }
    for (int i = 0; i < PROCESSES; i++) {
        CHECK(waitpid(child[i], &status, 0) == child[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= EACH);
        won += WEXITSTATUS(status);
    }
    CHECK_INT(won, EACH);
    store = open_url("");
    CHECK_INT(loaded(store, "shared"), EACH);
    for (int i = 0; i < PROCESSES; i++) {
        snprintf(id, sizeof id, "own-%d", i);
        CHECK_INT(loaded(store, id), EACH);
    }
    eyot_store_close(store);
    CHECK_STR(sql("run.db", "PRAGMA integrity_check"), "ok");
}

/* Writes the head of every acknowledged commit to the pipe, until it is killed. */
static void acknowledge(int to, uint64_t head)
{
    static char body[3000];
    eyot_store *store = open_url("?sync=normal");
    for (;; head++)
        if (add(store, "a", head, eyot__bytes(body, (head * 37) % sizeof body)) ||
            write(to, &(uint64_t){head + 1}, sizeof head) != sizeof head)
            _exit(1);
}

/* Lets a child write on, kills it in the middle of it; what it acknowledged last. */
static uint64_t kill_one(uint64_t head, uint64_t commits)
{
    int ends[2], status;
    uint64_t acknowledged = head, last = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork_quietly();
    if (child == 0) {
        close(ends[0]);
        acknowledge(ends[1], head);
    }
    close(ends[1]);
    while (acknowledged < head + commits && read(ends[0], &last, sizeof last) == sizeof last) acknowledged = last;
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    while (read(ends[0], &last, sizeof last) == sizeof last) acknowledged = last;
    close(ends[0]);
    return acknowledged;
}

TEST(sqlite__killed_writer_loses_nothing_that_it_acknowledged)
{
    uint64_t random = test_seed(), head = 0;
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "a"));
    eyot_store_close(store);
    for (unsigned i = 0; i < 20 * test_long(); i++) {
        uint64_t acknowledged = kill_one(head, 1 + test_random(&random) % 60);
        store = open_url("");
        head = loaded(store, "a");
        CHECK_INT(head_of(store, "a"), head);
        /* One more may have been committed when the kill came before its word. */
        CHECK(head == acknowledged || head == acknowledged + 1);
        eyot_store_close(store);
    }
    CHECK_STR(sql("run.db", "PRAGMA integrity_check"), "ok");
}

TEST(sqlite__forked_child_opens_its_own)
{
    void *self;
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "a"));
    const eyot_store_ops *ops = eyot_store_table(store, &self);
    pid_t child = fork_quietly();
    if (child == 0) {
        eyot_commit c = {.run = text("a"), .epoch = 1, .lease_ms = 1};
        uint64_t head;
        /* The slots know by themselves, not only the guard before them. */
        bool refused = ops->commit(self, &c, 1, &err) == EYOT_EFORKED &&
                       ops->get_run(self, text("a"), take_head, &head, &err) == EYOT_EFORKED;
        ops->close(self);
        eyot_store *own = open_url("");
        bool works = add(own, "a", 0, text("child")) == EYOT_OK;
        eyot_store_close(own);
        _exit(refused && works ? 0 : 1);
    }
    check_child(child);
    CHECK_INT(loaded(store, "a"), 1);
    CHECK_OK(add(store, "a", 1, text("parent")));
    eyot_store_close(store);
}

TEST(sqlite__descriptors_are_closed_on_exec)
{
    eyot_store *store = open_url("");
    CHECK_OK(make_run(store, "a"));
    CHECK_INT(loaded(store, "a"), 0);
    unsigned open_ones = 0, inherited = 0;
    for (int fd = 3; fd < 100; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0) continue;
        struct stat st, own;
        if (fstat(fd, &st) != 0 || stat(path_of("run.db"), &own) != 0 || st.st_ino != own.st_ino) continue;
        open_ones++;
        if (!(flags & FD_CLOEXEC)) inherited++;
    }
    CHECK(open_ones >= 2);
    CHECK_INT(inherited, 0);
    eyot_store_close(store);
}
