/* SPDX-License-Identifier: MIT */
/* What is the MySQL store's own: URLs, the schema, locks, claims, what the server says. Failing networks and servers are in
 * mysql_fault_test.c, the contract of all stores in store_suite.c. */
#include "test/mysql_help.h"

#include <fcntl.h>
#include <sys/socket.h>

/* ---- URLs ---------------------------------------------------------------------------------------------------------- */

TEST(mysql__settings_are_checked_and_named)
{
    static const struct {
        const char *url, *named;
    } bad[] = {
        {"mysql://u@h", "database"},
        {"mysql://u@h/", "database"},
        {"mysql://u@h/a/b", "database"},
        {"mysql://u@h/db?prefix=a-b", "prefix=a-b"},
        {"mysql://u@h/db?prefix=", "prefix="},
        {"mysql://u@h/db?prefix=a%60b", "prefix=a`b"},
        {"mysql://u@h/db?prefix=%C3%A4", "prefix="},
        {"mysql://u@h/db?prefix=abcdefghijklmnopqrstuvwxyz0123456", "prefix="},
        {"mysql://u@h/db?pool=0", "pool=0"},
        {"mysql://u@h/db?pool=65", "pool=65"},
        {"mysql://u@h/db?timeout=1", "timeout=1"},
        {"mysql://u@h/db?retry=x", "retry=x"},
        {"mysql://u@h/db?tls=maybe", "tls=maybe"},
        {"mysql://u@h/db?socket=/x", "not at both"},
        {"mysql://u@localhost/db?socket=x", "socket=x"},
        {"mysql://u@h/db?reconnect=1", "\"reconnect\""},
        {"mysql://u@h:99999/db", "port"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (open_status(bad[i].url, 0) == EYOT_ENOTSUP) test_skip("this build has no MySQL store");
        CHECK_STATUS(open_status(bad[i].url, 0), EYOT_EINVAL);
        CHECK_HAS(err.text, bad[i].named);
    }
}

TEST(mysql__password_is_never_shown)
{
    char url[400];
    const char *socket = server_socket();
    snprintf(url, sizeof url, "mysql://eyot:s3cr3t@localhost/eyot?socket=%s", socket);
    CHECK_STATUS(open_status(url, 0), EYOT_EIO);
    CHECK_HAS(err.text, "mysql store at localhost/eyot");
    CHECK_HAS(err.text, "1045");
    CHECK(!strstr(err.text, "s3cr3t"));
    snprintf(url, sizeof url, "mysql://eyot:s3cr3t@localhost/eyot?socket=%s&what=1", socket);
    CHECK_STATUS(open_status(url, 0), EYOT_EINVAL);
    CHECK(!strstr(err.text, "s3cr3t"));
    CHECK_STATUS(open_status("mysql://u:s3cr3t@localhost/db?socket=/no/such&timeout=100", 0), EYOT_EIO);
    CHECK_HAS(err.text, "/no/such");
    CHECK(!strstr(err.text, "s3cr3t"));
}

TEST(mysql__missing_tls_tells_how_to_do_without)
{
    char url[400];
    snprintf(url, sizeof url, "mysql://eyot:eyot@localhost/eyot?tls=verify-full&socket=%s", server_socket());
    CHECK_STATUS(open_status(url, 0), EYOT_EIO);
    CHECK_HAS(err.text, "tls=off");
}

TEST(mysql__missing_password_tells_where_one_is_given)
{
    char url[400];
    snprintf(url, sizeof url, "mysql://eyot@localhost/eyot?socket=%s", server_socket());
    CHECK_STATUS(open_status(url, 0), EYOT_EIO);
    CHECK_HAS(err.text, "password_file=");
}

TEST(mysql__wrong_password_is_told_at_once)
{
    char url[400];
    uint64_t before = test_now_ms();
    snprintf(url, sizeof url, "mysql://eyot:no@localhost/eyot?socket=%s", server_socket());
    CHECK_STATUS(open_status(url, 0), EYOT_EIO);
    CHECK(test_now_ms() - before < 5000);
}

TEST(mysql__unencrypted_connection_is_refused)
{
    MYSQL *db = raw_open(server_socket());
    bool has_tls = *sql(db, "SELECT 1 FROM DUAL WHERE @@have_ssl = 'YES'") != '\0';
    mysql_close(db);
    if (has_tls) test_skip("the server has TLS");
    new_prefix();
    CHECK_STATUS(open_status(url_at(server_socket(), "&tls=required&timeout=1000"), 0), EYOT_EIO);
    CHECK(strstr(err.text, "encrypted") || strstr(err.text, "SSL") || strstr(err.text, "TLS"));
    CHECK_STATUS(open_status(url_at(server_socket(), "&tls=verify-full&timeout=1000"), 0), EYOT_EIO);
}

/* ---- the schema ---------------------------------------------------------------------------------------------------- */

TEST(mysql__many_processes_may_create_one_schema)
{
    enum { CHILDREN = 8 };
    pid_t child[CHILDREN];
    const char *socket = server_socket();
    int good = 0, status;
    new_prefix();
    fflush(stdout);
    for (int i = 0; i < CHILDREN; i++) {
        child[i] = fork();
        if (child[i]) continue;
        char id[16];
        eyot_store *store;
        snprintf(id, sizeof id, "run-%d", i);
        eyot_status r = eyot_store_open(&store, url_at(socket, ""), &err);
        if (!r) r = make_run(store, id);
        if (r) fprintf(stderr, "%s\n", err.text);
        _exit(r ? 1 : 0);
    }
    for (int i = 0; i < CHILDREN; i++)
        if (waitpid(child[i], &status, 0) == child[i] && WIFEXITED(status) && WEXITSTATUS(status) == 0) good++;
    CHECK_INT(good, CHILDREN);
    MYSQL *db = raw_open(socket);
    CHECK_STR(sql(db, "SELECT COUNT(*) FROM $run"), "8");
    CHECK_STR(sql(db, "SELECT COUNT(*) FROM $meta"), "1");
    mysql_close(db);
}

TEST(mysql__newer_format_is_refused)
{
    new_prefix();
    eyot_store_close(open_at(server_socket(), ""));
    MYSQL *db = raw_open(server_socket());
    sql(db, "UPDATE $meta SET value = 2 WHERE name = 'format'");
    CHECK_STATUS(open_status(url_at(server_socket(), ""), 0), EYOT_EFORMAT);
    CHECK_HAS(err.text, "format 2");
    CHECK_HAS(err.text, "knows 1");
    CHECK_STATUS(open_status(url_at(server_socket(), ""), EYOT_OPEN_EXISTING), EYOT_EFORMAT);
    mysql_close(db);
}

TEST(mysql__half_a_schema_is_made_whole)
{
    new_prefix();
    eyot_store_close(open_at(server_socket(), ""));
    MYSQL *db = raw_open(server_socket());
    sql(db, "DELETE FROM $meta");
    sql(db, "DROP TABLE $inbox");
    CHECK_STATUS(open_status(url_at(server_socket(), ""), EYOT_OPEN_EXISTING), EYOT_ENOTFOUND);
    eyot_store *store = open_at(server_socket(), "");
    CHECK_OK(make_run(store, "a"));
    CHECK_OK(eyot__store_post(store, text("a"), text("m"), 1, text(""), text(""), &err));
    eyot_store_close(store);
    mysql_close(db);
}

TEST(mysql__open_existing_creates_nothing)
{
    new_prefix();
    CHECK_STATUS(open_status(url_at(server_socket(), ""), EYOT_OPEN_EXISTING), EYOT_ENOTFOUND);
    CHECK_HAS(err.text, prefix);
    MYSQL *db = raw_open(server_socket());
    CHECK_STR(sql(db, "SHOW TABLES LIKE '$%%'"), "");
    mysql_close(db);
    CHECK_OK(open_status(url_at(server_socket(), ""), 0));
    CHECK_OK(open_status(url_at(server_socket(), ""), EYOT_OPEN_EXISTING));
}

TEST(mysql__missing_table_is_named)
{
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    CHECK_OK(make_run(store, "a"));
    MYSQL *db = raw_open(server_socket());
    sql(db, "DROP TABLE $entry");
    mysql_close(db);
    CHECK_STATUS(add(store, "a", 0, "x"), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "entry");
    eyot_store_close(store);
}

TEST(mysql__lost_entry_is_found_and_named)
{
    counted c = {.n = 0};
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    MYSQL *db = raw_open(server_socket());
    CHECK_OK(make_run(store, "a17"));
    for (uint64_t i = 0; i < 5; i++) CHECK_OK(add(store, "a17", i, "x"));
    sql(db, "DELETE FROM $entry WHERE seq = 3");
    CHECK_STATUS(eyot__store_load(store, text("a17"), UINT64_MAX, count, &c, &err), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "run a17: entry 3");
    sql(db, "DELETE FROM $entry");
    CHECK_STATUS(eyot__store_load(store, text("a17"), UINT64_MAX, count, &c, &err), EYOT_ECORRUPT);
    CHECK_HAS(err.text, "run a17: entry 1");
    mysql_close(db);
    eyot_store_close(store);
}

/* ---- bytes --------------------------------------------------------------------------------------------------------- */

static eyot_status check_event(void *arg, eyot_bytes run, const eyot_event *event)
{
    const eyot_event *want = arg;
    bool good = eyot__bytes_equal(event->id, want->id) && eyot__bytes_equal(event->topic, want->topic) &&
                eyot__bytes_equal(event->payload, want->payload) && run.n < want->id.n;
    return good ? EYOT_OK : EYOT_ECORRUPT;
}

static bool buffer_is(eyot_buf *buf, eyot_bytes want)
{
    size_t n;
    const void *p = eyot_buf_data(buf, &n);
    bool same = eyot__bytes_equal(eyot__bytes(p, n), want);
    eyot_buf_reset(buf);
    return same;
}

/* What would end a text, hide a part of it, match more than it is, or be cut, in some language or other. */
static const char *const nasty[] = {
    "' OR '1'='1",      "\\",       "\\'", "%",    "_",      "*",  "`", "\"; DROP TABLE x; --", "", "a ", "a",
    "\xf0\x9f\x8f\x9d", "\xff\xfe", "?",   "@run", "{?|, }", "\n", "%s"};

static void try_bytes(eyot_store *store, size_t i, eyot_buf *out)
{
    eyot_bytes key = text(nasty[i]), with_nul = eyot__bytes("x\0'y", 4);
    char id[16], event_id[64];
    snprintf(id, sizeof id, "r%zu", i);
    snprintf(event_id, sizeof event_id, "%s/%s", id, nasty[i]);
    eyot_run_row row = {.run = text(id), .graph = key, .fingerprint = key, .origin = key, .queue = key};
    eyot_entry e = {.seq = 1, .step = 1, .kind = EYOT_ENTRY_TASK, .key = key, .body = key};
    eyot_event event = {text(event_id), key, with_nul};
    eyot_commit c = {.run = row.run, .entries = &e, .n_entries = 1, .events = &event, .n_events = 1};
    eyot_claim claim = {.queue = key, .owner = text("w"), .lease_ms = 60000, .graphs = &key, .n_graphs = 1};
    eyot_run_row claimed;
    c.status = EYOT_RUN_READY;
    CHECK_OK(eyot__store_create_run(store, &row, key, &c, &err));
    CHECK_INT(loaded(store, id), 1);
    CHECK_OK(eyot__store_get_graph(store, key, out, &err));
    CHECK(buffer_is(out, key));
    CHECK_OK(eyot__store_claim(store, &claim, take_row, &claimed, &err));
    CHECK_STATUS(eyot__store_claim(store, &claim, take_row, &claimed, &err), EYOT_ENOTFOUND);
    CHECK_OK(eyot__store_post(store, row.run, key, 1, key, key, &err));
    CHECK_OK(eyot__store_outbox_read(store, text(""), 1, check_event, &event, out, &err));
    CHECK_OK(eyot__store_outbox_ack(store, &event.id, 1, &err));
    eyot_buf_reset(out);
}

TEST(mysql__any_bytes_are_harmless)
{
    enum { N = sizeof nasty / sizeof *nasty };
    uint64_t version[N];
    eyot_buf *out = eyot_buf_new();
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    for (size_t i = 0; i < N; i++) {
        eyot_bytes key = text(nasty[i]);
        try_bytes(store, i, out);
        CHECK_OK(eyot__store_kv_cas(store, key, key, 0, key, 0, &err));
        CHECK_OK(eyot__store_kv_get(store, key, key, &version[i], out, &err));
        CHECK(buffer_is(out, key));
        for (size_t k = 0; k < i; k++) CHECK(version[i] != version[k]);
    }
    eyot_buf_free(out);
    eyot_store_close(store);
}

TEST(mysql__version_of_a_value_is_never_given_twice)
{
    uint64_t version[3] = {0};
    eyot_buf *out = eyot_buf_new();
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    MYSQL *db = raw_open(server_socket());
    for (int i = 0; i < 3; i++) {
        CHECK_OK(eyot__store_kv_cas(store, text("n"), text("k"), 0, text("v"), 60000, &err));
        CHECK_OK(eyot__store_kv_get(store, text("n"), text("k"), &version[i], out, &err));
        sql(db, i == 0 ? "UPDATE $value SET until_ms = 1" : "DELETE FROM $value");
    }
    CHECK(version[0] && version[1] && version[2]);
    CHECK(version[0] != version[1] && version[1] != version[2] && version[0] != version[2]);
    mysql_close(db);
    eyot_buf_free(out);
    eyot_store_close(store);
}

TEST(mysql__too_large_body_is_named)
{
    eyot_store_info info;
    char limit[40];
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    MYSQL *db = raw_open(server_socket());
    snprintf(limit, sizeof limit, "max_allowed_packet=%s", sql(db, "SELECT @@max_allowed_packet"));
    mysql_close(db);
    CHECK_OK(eyot_store_inform(store, &info, &err));
    CHECK_OK(make_run(store, "a17"));
    eyot_entry e = entry_of(1, "");
    e.body = eyot__bytes("", (size_t)info.max_body + 1);
    eyot_commit c = commit_of("a17", 0, &e);
    CHECK_STATUS(eyot__store_commit(store, &c, 1, &err), EYOT_ELIMIT);
    CHECK_HAS(err.text, "run a17");
    CHECK_HAS(err.text, limit);
    CHECK_STATUS(eyot__store_post(store, text("a17"), text("m"), 1, text(""), e.body, &err), EYOT_ELIMIT);
    CHECK_HAS(err.text, limit);
    CHECK_STATUS(eyot__store_kv_cas(store, text("n"), text("k"), 0, e.body, 0, &err), EYOT_ELIMIT);
    CHECK_HAS(err.text, limit);
    eyot_store_close(store);
}

TEST(mysql__commit_beyond_one_packet_is_split)
{
    enum { RUNS = 3 };
    eyot_store_info info;
    eyot_entry e[RUNS];
    eyot_commit c[RUNS];
    char id[RUNS][16];
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    CHECK_OK(eyot_store_inform(store, &info, &err));
    size_t n = (size_t)info.max_body / 5 * 2;
    if (n > (size_t)64 << 20) test_skip("the server takes very large packets");
    char *body = calloc(1, n);
    for (size_t i = 0; i < RUNS; i++) {
        snprintf(id[i], sizeof id[i], "run-%zu", i);
        CHECK_OK(make_run(store, id[i]));
        e[i] = entry_of(1, "");
        e[i].body = eyot__bytes(body, n);
        c[i] = commit_of(id[i], 0, &e[i]);
    }
    CHECK_OK(eyot__store_commit(store, c, RUNS, &err));
    for (size_t i = 0; i < RUNS; i++) CHECK_STATUS(c[i].result, EYOT_OK);
    for (size_t i = 0; i < RUNS; i++) CHECK_INT(loaded(store, id[i]), 1);
    free(body);
    eyot_store_close(store);
}

/* ---- many runs, many claimers -------------------------------------------------------------------------------------- */

TEST(mysql__commits_of_200_runs_and_odd_numbers_of_entries)
{
    enum { RUNS = 200 };
    static eyot_entry e[RUNS][3];
    static eyot_commit c[RUNS];
    static char id[RUNS][16];
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    for (size_t i = 0; i < RUNS; i++) {
        snprintf(id[i], sizeof id[i], "run-%zu", i * 7919 % RUNS);
        CHECK_OK(make_run(store, id[i]));
        for (size_t k = 0; k < 3; k++) e[i][k] = entry_of(k + 1, id[i]);
        c[i] = commit_of(id[i], i % 10 == 9 ? 1 : 0, e[i]);
        c[i].n_entries = 1 + i % 3;
        if (i % 10 == 9) c[i].entries = e[i] + 1;
        if (i % 10 == 9) c[i].n_entries = 1;
        if (i % 7 == 0) c[i].lease_ms = 0;
    }
    CHECK_OK(eyot__store_commit(store, c, RUNS, &err));
    for (size_t i = 0; i < RUNS; i++) {
        CHECK_STATUS(c[i].result, i % 10 == 9 ? EYOT_ESTALE : EYOT_OK);
        CHECK_INT(loaded(store, id[i]), i % 10 == 9 ? 0 : 1 + i % 3);
        CHECK_INT(row_of(store, id[i]).owner.n, i % 7 == 0 && i % 10 != 9 ? 0 : 1);
    }
    eyot_store_close(store);
}

enum { CROSSED = 32, ROUNDS = 30 };

typedef struct crosser {
    pthread_t thread;
    eyot_store *store;
    bool backwards;
    unsigned failed, not_ok;
} crosser;

static char crossed_id[CROSSED][16];

/* The same runs, from one end or from the other. */
static void *renew_all(void *arg)
{
    crosser *x = arg;
    for (int round = 0; round < ROUNDS; round++) {
        eyot_commit c[CROSSED];
        for (size_t i = 0; i < CROSSED; i++) {
            c[i] = commit_of(crossed_id[x->backwards ? CROSSED - 1 - i : i], 0, NULL);
            c[i].n_entries = 0;
        }
        if (eyot__store_commit(x->store, c, CROSSED, NULL)) x->failed++;
        for (size_t i = 0; i < CROSSED; i++)
            if (c[i].result) x->not_ok++;
    }
    return NULL;
}

TEST(mysql__commits_in_any_order_do_not_lock_each_other_out)
{
    crosser x[4];
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    MYSQL *db = raw_open(server_socket());
    for (size_t i = 0; i < CROSSED; i++) {
        snprintf(crossed_id[i], sizeof crossed_id[i], "run-%zu", i);
        CHECK_OK(make_run(store, crossed_id[i]));
    }
    static const char deadlocks[] = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                                    "WHERE VARIABLE_NAME = 'Innodb_deadlocks'";
    unsigned long before = strtoul(sql(db, "%s", deadlocks), NULL, 10);
    for (size_t i = 0; i < 4; i++) {
        x[i] = (crosser){.store = store, .backwards = i % 2};
        CHECK(pthread_create(&x[i].thread, NULL, renew_all, &x[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++) CHECK(pthread_join(x[i].thread, NULL) == 0);
    for (size_t i = 0; i < 4; i++) CHECK_INT(x[i].failed + x[i].not_ok, 0);
    CHECK_INT(strtoul(sql(db, "%s", deadlocks), NULL, 10) - before, 0);
    mysql_close(db);
    eyot_store_close(store);
}

typedef struct claimer {
    pthread_t thread;
    eyot_store *store;
    unsigned lost, others, failed;
} claimer;

static eyot_status tell_lost(void *arg, const eyot_run_row *row)
{
    claimer *c = arg;
    if (row->epoch == 2 && row->priority == 7)
        c->lost++;
    else
        c->others++;
    return EYOT_OK;
}

static void *claim_fifty(void *arg)
{
    claimer *c = arg;
    for (int i = 0; i < 50; i++) {
        eyot_claim claim = {.queue = text("q"), .owner = text("w"), .lease_ms = 60000};
        if (eyot__store_claim(c->store, &claim, tell_lost, c, NULL)) c->failed++;
    }
    return NULL;
}

/* 200 runs whose leases have ended, behind 10,000 that are ready: four claimers get them first, and soon. */
TEST(mysql__ended_leases_are_found_at_once_in_a_backlog)
{
    claimer c[4];
    unsigned lost = 0, others = 0, failed = 0;
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    MYSQL *db = raw_open(server_socket());
    sql(db, "INSERT INTO $run(shard, run_id, queue, owner, head, steps, snapshot_seq, status, state, place, slot, "
            "attempts, "
            "priority, crc, due_ms, updated_ms) SELECT CRC32C(CONCAT('ready-', seq)) %% 64, CONCAT('ready-', seq), "
            "'q', '', 0, 0, 0, 1, 2, "
            "-(seq %% 3), seq, 0, seq %% 3, 0, seq, 0 FROM seq_1_to_10000");
    sql(db, "INSERT INTO $run(shard, run_id, queue, owner, head, steps, snapshot_seq, status, state, place, slot, "
            "attempts, "
            "priority, crc, due_ms, updated_ms, epoch) SELECT CRC32C(CONCAT('lost-', seq)) %% 64, CONCAT('lost-', "
            "seq), 'q', 'dead', 0, 0, 0, 2, 1, "
            "0, (1700000000000 + seq) | 8191, 0, 7, 0, 1700000000000 + seq, 0, 1 FROM seq_1_to_200");
    mysql_close(db);
    uint64_t before = test_now_ms();
    for (size_t i = 0; i < 4; i++) {
        c[i] = (claimer){.store = store};
        CHECK(pthread_create(&c[i].thread, NULL, claim_fifty, &c[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++) CHECK(pthread_join(c[i].thread, NULL) == 0);
    uint64_t took = test_now_ms() - before;
    for (size_t i = 0; i < 4; i++) {
        lost += c[i].lost;
        others += c[i].others;
        failed += c[i].failed;
    }
    eyot_store_close(store);
    CHECK_INT(failed, 0);
    CHECK_INT(lost, 200);
    CHECK_INT(others, 0);
    CHECK(took < 5000);
}

/* ---- locks, clocks ------------------------------------------------------------------------------------------------- */

typedef struct adder {
    pthread_t thread;
    eyot_store *store;
    eyot_commit *commits;
    size_t n;
    eyot_status status;
} adder;

static void *add_all(void *arg)
{
    adder *a = arg;
    a->status = eyot__store_commit(a->store, a->commits, a->n, NULL);
    return NULL;
}

/* Others hold the row for longer than a session waits for it. */
TEST(mysql__lock_wait_is_tried_again)
{
    eyot_entry e = entry_of(1, "x");
    eyot_commit c = commit_of("a17", 0, &e);
    new_prefix();
    eyot_store *store = open_at(server_socket(), "&timeout=2000");
    adder a = {.store = store, .commits = &c, .n = 1};
    CHECK_OK(make_run(store, "a17"));
    MYSQL *db = raw_open(server_socket());
    sql(db, "BEGIN");
    sql(db, "SELECT 1 FROM $run WHERE run_id = 'a17' FOR UPDATE");
    CHECK(pthread_create(&a.thread, NULL, add_all, &a) == 0);
    pause_ms(1500);
    sql(db, "COMMIT");
    CHECK(pthread_join(a.thread, NULL) == 0);
    CHECK_STATUS(a.status, EYOT_OK);
    CHECK_STATUS(c.result, EYOT_OK);
    mysql_close(db);
    eyot_store_close(store);
}

/* The store has locked one run and waits for another; who has that one now wants the first: the server undoes ours. */
TEST(mysql__deadlock_is_tried_again)
{
    static const char *const ids[] = {"run-0", "run-1"};
    eyot_entry e[2] = {entry_of(1, "x"), entry_of(1, "y")};
    eyot_commit c[2] = {commit_of(ids[0], 0, &e[0]), commit_of(ids[1], 0, &e[1])};
    new_prefix();
    eyot_store *store = open_at(server_socket(), "&timeout=20000");
    adder a = {.store = store, .commits = c, .n = 2};
    MYSQL *db = raw_open(server_socket());
    CHECK_OK(make_run(store, ids[0]));
    CHECK_OK(make_run(store, ids[1]));
    char first[16], second[16];
    snprintf(first, sizeof first, "%s", sql(db, "SELECT run_id FROM $run ORDER BY shard, run_id LIMIT 1"));
    snprintf(second, sizeof second, "%s", ids[strcmp(first, ids[0]) == 0]);
    sql(db, "BEGIN");
    sql(db, "INSERT INTO $value SELECT 0, 'x', seq, 1, 1, '' FROM seq_1_to_1000"); /* more to undo than ours */
    sql(db,
        "UPDATE $run SET graph = 'h' WHERE shard = (SELECT shard FROM (SELECT * FROM $run) r WHERE run_id = '%s') "
        "AND run_id = '%s'",
        second, second);
    CHECK(pthread_create(&a.thread, NULL, add_all, &a) == 0);
    pause_ms(300);
    sql(db, "UPDATE $run SET graph = 'h' WHERE run_id = '%s'", first);
    sql(db, "COMMIT");
    CHECK(pthread_join(a.thread, NULL) == 0);
    CHECK_STATUS(a.status, EYOT_OK);
    CHECK_STATUS(c[0].result, EYOT_OK);
    CHECK_STATUS(c[1].result, EYOT_OK);
    mysql_close(db);
    eyot_store_close(store);
}

/* A clock that is put forward ends leases before their time: who had the run is fenced, whatever the clock does then. */
TEST(mysql__moved_clock_never_lets_two_commit)
{
    eyot_run_row row;
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    MYSQL *db = raw_open(server_socket());
    CHECK_OK(make_run(store, "a17"));
    CHECK_OK(add(store, "a17", 0, "x"));
    CHECK_STATUS(claim_run(store, "a17", 0, 2, &row), EYOT_EBUSY);
    sql(db, "UPDATE $run SET due_ms = due_ms - 7200000, updated_ms = updated_ms - 7200000");
    CHECK_OK(claim_run(store, "a17", 0, 2, &row));
    CHECK_INT(row.epoch, 2);
    CHECK_STATUS(add(store, "a17", 1, "late"), EYOT_EFENCED);
    sql(db, "UPDATE $run SET due_ms = due_ms + 7200000, updated_ms = updated_ms + 7200000");
    CHECK_STATUS(add(store, "a17", 1, "late"), EYOT_EFENCED);
    CHECK_STATUS(claim_run(store, "a17", 0, 3, &row), EYOT_EBUSY);
    CHECK_INT(loaded(store, "a17"), 1);
    mysql_close(db);
    eyot_store_close(store);
}

TEST(mysql__times_do_not_depend_on_time_zones)
{
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    struct timespec now;
    CHECK_OK(make_run(store, "a17"));
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t apart = row_of(store, "a17").now_ms - (int64_t)now.tv_sec * 1000;
    CHECK(apart > -60000 && apart < 60000);
    eyot_store_close(store);
}

/* ---- the host ------------------------------------------------------------------------------------------------------ */

TEST(mysql__descriptors_are_closed_on_exec)
{
    unsigned sockets = 0, inherited = 0;
    new_prefix();
    eyot_store *store = open_at(server_socket(), "");
    CHECK_OK(make_run(store, "a"));
    for (int fd = 3; fd < 200; fd++) {
        int flags = fcntl(fd, F_GETFD), type;
        socklen_t n = sizeof type;
        if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0) continue;
        sockets++;
        if (!(flags & FD_CLOEXEC)) inherited++;
    }
    CHECK(sockets >= 1);
    CHECK_INT(inherited, 0);
    eyot_store_close(store);
}

TEST(mysql__more_threads_than_connections_wait_their_turn)
{
    crosser x[4];
    new_prefix();
    eyot_store *store = open_at(server_socket(), "&pool=1");
    for (size_t i = 0; i < CROSSED; i++) {
        snprintf(crossed_id[i], sizeof crossed_id[i], "run-%zu", i);
        CHECK_OK(make_run(store, crossed_id[i]));
    }
    for (size_t i = 0; i < 4; i++) {
        x[i] = (crosser){.store = store, .backwards = i % 2};
        CHECK(pthread_create(&x[i].thread, NULL, renew_all, &x[i]) == 0);
    }
    for (size_t i = 0; i < 4; i++) CHECK(pthread_join(x[i].thread, NULL) == 0);
    for (size_t i = 0; i < 4; i++) CHECK_INT(x[i].failed + x[i].not_ok, 0);
    eyot_store_close(store);
}
