/* SPDX-License-Identifier: MIT */
/* What is Redis' own: URLs, what a server promises, scripts, servers that end and come back. The contract of all stores is in
 * store_suite.c, bad networks in redis_net_test.c. Each test has a server of its own. */
#include "core/clock.h"
#include "core/hash.h"
#include "core/store.h"

#include <eyot/stores.h>

#include "core/buf.h"
#include "test/eyot_test.h"
#include "test/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static eyot_error err;

static const char *const always[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
static const char *const everysec[] = {"--appendonly", "yes", "--appendfsync", "everysec", NULL};

static void needs_redis(void)
{
    if (!getenv("EYOT_TEST_REDIS")) test_skip("no server of it");
}

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

static eyot_status open_status(const char *url, uint32_t flags)
{
    eyot_store *store;
    memset(&err, 0, sizeof err);
    eyot_status r = eyot_store_open_with(&store, url, flags, &err);
    if (!r) eyot_store_close(store);
    return r;
}

static eyot_store *open_url(const char *url)
{
    eyot_store *store;
    eyot_status r = eyot_store_open(&store, url, &err);
    if (r) test_fail(__FILE__, __LINE__, "%s: %s", url, err.text);
    return store;
}

static eyot_store *open_server(const char *const *args, const char *params)
{
    needs_redis();
    redis_server_start(args);
    return open_url(redis_server_url(params));
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

static eyot_status make_run_in(eyot_store *store, const char *id, const char *queue, const char *owner)
{
    eyot_run_row row = {.run = text(id), .graph = text("g"), .fingerprint = text("f"), .owner = text(owner)};
    eyot_commit c = {.run = text(id), .status = EYOT_RUN_RUNNING, .lease_ms = 3600000};
    row.queue = text(queue);
    if (!*owner) c.status = EYOT_RUN_READY;
    return eyot__store_create_run(store, &row, text("{}"), &c, &err);
}

static eyot_status make_run(eyot_store *store, const char *id)
{
    return make_run_in(store, id, "", "w");
}

static eyot_status add(eyot_store *store, const char *id, uint64_t head, const char *body)
{
    eyot_entry e = {.seq = head + 1, .step = head + 1, .kind = EYOT_ENTRY_TASK, .key = text("k"), .body = text(body)};
    eyot_commit c = {.run = text(id), .epoch = 1, .head = head, .entries = &e, .n_entries = 1, .lease_ms = 3600000};
    c.status = EYOT_RUN_RUNNING;
    c.crc = (uint32_t)head + 7;
    eyot_status r = eyot__store_commit(store, &c, 1, &err);
    return r ? r : c.result;
}

static eyot_status keep_head(void *arg, const eyot_run_row *row)
{
    *(uint64_t *)arg = row->head;
    return EYOT_OK;
}

static uint64_t head_of(eyot_store *store, const char *id)
{
    uint64_t head = 0;
    CHECK_OK(eyot__store_get_run(store, text(id), keep_head, &head, &err));
    return head;
}

static eyot_status count_entry(void *arg, const eyot_entry *entry)
{
    (void)entry;
    ++*(uint64_t *)arg;
    return EYOT_OK;
}

static eyot_status ignore_row(void *arg, const eyot_run_row *row)
{
    if (arg) snprintf(arg, 130, "%.*s", (int)row->run.n, (const char *)row->run.p);
    return EYOT_OK;
}

static eyot_status claim(eyot_store *store, const char *run, const char *queue, char *id)
{
    eyot_claim c = {
        .run = text(run), .queue = text(queue), .owner = text("claimer"), .token = {3}, .lease_ms = 3600000};
    return eyot__store_claim(store, &c, ignore_row, id, &err);
}

/* ---- URLs --------------------------------------------------------------------------------------------------------- */

TEST(redis_url__mistakes_are_named)
{
    static const char *const bad[][2] = {
        {"redis://h/?prefix=a-b", "prefix"},
        {"redis://h/?prefix=", "prefix"},
        {"redis://h/?prefix=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "prefix"},
        {"redis://h/?pool=0", "pool"},
        {"redis://h/?timeout=0", "timeout"},
        {"redis://h/?retry=x", "retry"},
        {"redis://h/x", "database"},
        {"redis://h/1?db=2", "database 1"},
        {"redis://h/?class=good", "class"},
        {"redis://h/?volatile=maybe", "volatile"},
        {"redis://h/?wait=1&waitaof=1", "waitaof"},
        {"redis://h/?tls=on", "tls"},
        {"rediss://h/?tls=off", "tls"},
        {"redis://h/?tls_ca=x", "tls_ca"},
        {"redis://h/?nonsense=1", "nonsense"},
        {"redis://me@h/", "password"},
        {"redis:///0", "host"},
        {"redis+unix://h/x", "path"},
        {"redis+unix:x", "path"},
    };
    needs_redis();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (open_status(bad[i][0], 0) != EYOT_EINVAL) test_fail(__FILE__, __LINE__, "%s: %s", bad[i][0], err.text);
        CHECK_HAS(err.text, bad[i][1]);
    }
}

TEST(redis_url__nobody_there_is_told_after_a_second)
{
    needs_redis();
    uint64_t start = eyot__now_ns();
    CHECK_STATUS(open_status("redis://127.0.0.1:1/0?timeout=25000", 0), EYOT_EIO);
    CHECK_HAS(err.text, "127.0.0.1:1/0");
    CHECK((eyot__now_ns() - start) / 1000000 < 20000);
}

TEST(redis_url__password_in_clear_text_is_for_who_asks_for_it)
{
    needs_redis();
    CHECK_STATUS(open_status("redis://u:sesame@192.0.2.1/0", 0), EYOT_EINVAL);
    CHECK_HAS(err.text, "192.0.2.1");
    CHECK_HAS(err.text, "rediss:");
    CHECK(!strstr(err.text, "sesame"));
    CHECK_STATUS(open_status("redis://u:sesame@192.0.2.1/0?tls=off&timeout=20&retry=0", 0), EYOT_EIO);
    CHECK(!strstr(err.text, "sesame"));
    CHECK_STATUS(open_status("redis://u:sesame@127.0.0.1:1/0?timeout=200&retry=0", 0), EYOT_EIO);
    CHECK_HAS(err.text, "127.0.0.1:1/0");
}

TEST(redis_url__password_is_asked_for_and_never_shown)
{
    static const char *const locked[] = {"--appendonly", "yes", "--appendfsync", "always", "--requirepass",
                                         "sesame",       NULL};
    char url[600], path[200];
    needs_redis();
    redis_server_start(locked);
    CHECK_STATUS(open_status(redis_server_url("retry=0"), 0), EYOT_EIO);
    CHECK_HAS(err.text, "NOAUTH");
    CHECK_HAS(err.text, "password_file=");
    snprintf(url, sizeof url, "redis+unix://:wrong%%21@%s?retry=0", redis_server_socket());
    CHECK_STATUS(open_status(url, 0), EYOT_EIO);
    CHECK_HAS(err.text, "password");
    CHECK(!strstr(err.text, "wrong"));
    snprintf(url, sizeof url, "redis+unix://default:sesame@%s?", redis_server_socket());
    CHECK_OK(open_status(url, 0));
    CHECK(snprintf(path, sizeof path, "%s/password", test_dir()) < (int)sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "sesame\n", 7) == 7 && close(fd) == 0);
    snprintf(url, sizeof url, "redis+unix://%s?password_file=%s", redis_server_socket(), path);
    CHECK_OK(open_status(url, 0));
}

/* ---- what a server is --------------------------------------------------------------------------------------------- */

TEST(redis_open__existing_never_makes_a_store)
{
    needs_redis();
    redis_server_start(always);
    CHECK_STATUS(open_status(redis_server_url(""), EYOT_OPEN_EXISTING), EYOT_ENOTFOUND);
    CHECK_HAS(redis_server_say(redis_server_socket(), "DBSIZE"), ":0");
    CHECK_OK(open_status(redis_server_url(""), 0));
    CHECK_OK(open_status(redis_server_url(""), EYOT_OPEN_EXISTING));
}

TEST(redis_open__other_formats_are_refused)
{
    needs_redis();
    redis_server_start(always);
    redis_server_say(redis_server_socket(), "SET t:format 2");
    CHECK_STATUS(open_status(redis_server_url(""), 0), EYOT_EFORMAT);
    CHECK_HAS(err.text, "format 2");
    redis_server_say(redis_server_socket(), "SET t:format lemon");
    CHECK_STATUS(open_status(redis_server_url(""), 0), EYOT_ECORRUPT);
}

static void check_class(eyot_store_class want, const char *reason)
{
    eyot_store_info info;
    eyot_store *store = open_url(redis_server_url("volatile=yes"));
    CHECK_OK(eyot_store_inform(store, &info, &err));
    eyot_store_close(store);
    CHECK_INT(info.durability, want);
    CHECK_HAS(info.reasons, reason);
    CHECK_HAS(info.advice, want == EYOT_CLASS_MACHINE ? "wait=1" : "appendfsync always");
}

TEST(redis_open__without_a_log_is_refused_unless_asked_for)
{
    needs_redis();
    redis_server_start(NULL);
    CHECK_STATUS(open_status(redis_server_url(""), 0), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "appendonly yes");
    CHECK_HAS(err.text, "volatile=yes");
    check_class(EYOT_CLASS_VOLATILE, "appendonly is off");
    CHECK_STATUS(open_status(redis_server_url("volatile=yes&min_class=process"), 0), EYOT_ENOTSUP);
    CHECK_STATUS(open_status(redis_server_url("class=machine&volatile=yes"), 0), EYOT_ENOTSUP);
}

TEST(redis_open__class_is_what_appendfsync_promises)
{
    needs_redis();
    redis_server_start(everysec);
    check_class(EYOT_CLASS_PROCESS, "everysec");
    CHECK_STATUS(open_status(redis_server_url("class=machine"), 0), EYOT_ENOTSUP);
    redis_server_say(redis_server_socket(), "CONFIG SET appendfsync always");
    check_class(EYOT_CLASS_MACHINE, "always");
    redis_server_say(redis_server_socket(), "CONFIG SET no-appendfsync-on-rewrite yes");
    check_class(EYOT_CLASS_PROCESS, "no-appendfsync-on-rewrite");
}

TEST(redis_open__denied_config_is_volatile_unless_asserted)
{
    char url[300], id[130];
    eyot_store_info info;
    needs_redis();
    redis_server_start(always);
    redis_server_say(redis_server_socket(), "ACL SETUSER worker on >pw ~t:* ~eyot:* +@read +@write "
                                            "+@scripting +@transaction +info +time +select");
    snprintf(url, sizeof url, "redis+unix://worker:pw@%s?", redis_server_socket());
    CHECK_STATUS(open_status(url, 0), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "class=");
    snprintf(url, sizeof url, "redis+unix://worker:pw@%s?class=machine", redis_server_socket());
    eyot_store *store = open_url(url);
    CHECK_OK(eyot_store_inform(store, &info, &err));
    CHECK_INT(info.durability, EYOT_CLASS_MACHINE);
    CHECK_HAS(info.reasons, "class=machine");
    CHECK_OK(make_run(store, "a1"));
    CHECK_OK(add(store, "a1", 0, "x"));
    CHECK_OK(claim(store, "", "", id) == EYOT_ENOTFOUND ? EYOT_OK : EYOT_EIO);
    CHECK_INT(head_of(store, "a1"), 1);
    CHECK_OK(eyot__store_delete_run(store, text("a1"), 1, &err));
    eyot_store_close(store);
}

TEST(redis_open__eviction_is_refused)
{
    needs_redis();
    redis_server_start(always);
    redis_server_say(redis_server_socket(), "CONFIG SET maxmemory-policy allkeys-lru");
    CHECK_OK(open_status(redis_server_url(""), 0)); /* without maxmemory nothing is dropped */
    redis_server_say(redis_server_socket(), "CONFIG SET maxmemory 100mb");
    CHECK_STATUS(open_status(redis_server_url(""), 0), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "allkeys-lru");
    CHECK_HAS(err.text, "noeviction");
}

TEST(redis_open__replica_is_refused)
{
    needs_redis();
    redis_server_start(always);
    redis_server_say(redis_server_socket(), "REPLICAOF 127.0.0.1 1");
    CHECK_STATUS(open_status(redis_server_url(""), 0), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "replica");
}

TEST(redis_wait__for_replicas_raises_the_class_and_is_no_promise_without_them)
{
    eyot_store_info info;
    eyot_store *store = open_server(always, ""), *waiting;
    const char *url = redis_server_url("wait=1&timeout=100&retry=0");
    CHECK_OK(make_run(store, "a1"));
    CHECK_OK(eyot_store_open_with(&waiting, url, EYOT_OPEN_EXISTING, &err));
    CHECK_OK(eyot_store_inform(waiting, &info, &err));
    CHECK_INT(info.durability, EYOT_CLASS_REPLICATED);
    CHECK_STATUS(add(waiting, "a1", 0, "x"), EYOT_EIO);
    CHECK_HAS(err.text, "0 of 1 replicas");
    CHECK_STATUS(add(store, "a1", 0, "x"), EYOT_EALREADY);
    CHECK_STATUS(open_status(redis_server_url("waitaof=1"), 0), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "7.2");
    eyot_store_close(waiting);
    eyot_store_close(store);
}

/* ---- scripts and connections -------------------------------------------------------------------------------------- */

TEST(redis_script__forgotten_by_the_server_is_sent_again)
{
    eyot_store *store = open_server(always, "");
    CHECK_OK(make_run(store, "a1"));
    for (uint64_t head = 0; head < 5; head++) {
        CHECK_HAS(redis_server_say(redis_server_socket(), "SCRIPT FLUSH"), "+OK");
        CHECK_OK(add(store, "a1", head, "x"));
    }
    CHECK_INT(head_of(store, "a1"), 5);
    eyot_store_close(store);
}

TEST(redis_script__forgotten_between_commits_of_one_run)
{
    eyot_store *store = open_server(always, "");
    CHECK_OK(make_run(store, "a1"));
    CHECK_HAS(redis_server_say(redis_server_socket(), "SCRIPT FLUSH"), "+OK");
    eyot_entry e[3];
    eyot_commit c[3];
    for (uint64_t i = 0; i < 3; i++) {
        e[i] = (eyot_entry){.seq = i + 1, .step = i + 1, .kind = EYOT_ENTRY_TASK};
        c[i] = (eyot_commit){.run = text("a1"),
                             .epoch = 1,
                             .head = i,
                             .entries = &e[i],
                             .n_entries = 1,
                             .lease_ms = 1000,
                             .status = EYOT_RUN_RUNNING,
                             .crc = (uint32_t)i};
    }
    CHECK_OK(eyot__store_commit(store, c, 3, &err));
    for (size_t i = 0; i < 3; i++) CHECK_STATUS(c[i].result, EYOT_OK);
    eyot_store_close(store);
}

TEST(redis_connection__killed_by_the_server_is_made_again)
{
    eyot_store *store = open_server(always, "");
    CHECK_OK(make_run(store, "a1"));
    for (uint64_t head = 0; head < 5; head++) {
        redis_server_say(redis_server_socket(), "CLIENT KILL TYPE normal SKIPME yes");
        CHECK_OK(add(store, "a1", head, "x"));
    }
    eyot_store_close(store);
}

TEST(redis_connection__broken_raises_no_signal)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, before;
    static const char *const roomy = "retry=0&timeout=500";
    eyot_store *store = open_server(always, roomy);
    char *body = malloc(4 << 20);
    CHECK(body);
    memset(body, 'x', 4 << 20);
    body[(4 << 20) - 1] = '\0';
    CHECK_OK(make_run(store, "a1"));
    sigaction(SIGPIPE, &usual, &before);
    redis_server_kill();
    CHECK_STATUS(add(store, "a1", 0, body), EYOT_EIO);
    CHECK_STATUS(add(store, "a1", 0, body), EYOT_EIO);
    sigaction(SIGPIPE, &before, NULL);
    free(body);
    CHECK_HAS(err.text, "redis store at");
    eyot_store_close(store);
}

/* ---- servers that end and come back ------------------------------------------------------------------------------- */

enum { WRITERS = 4, KILLS = 5 };

typedef struct writer {
    pthread_t thread;
    eyot_store *store;
    unsigned number;
    uint64_t acknowledged;
    _Atomic bool *over;
    eyot_status failed;
} writer;

static void *write_on(void *arg)
{
    writer *w = arg;
    char id[16], body[16];
    eyot_error e;
    snprintf(id, sizeof id, "w%u", w->number);
    while (!*w->over && !w->failed) {
        snprintf(body, sizeof body, "%llu", (unsigned long long)w->acknowledged + 1);
        eyot_entry entry = {.seq = w->acknowledged + 1, .step = 1, .kind = EYOT_ENTRY_TASK, .body = text(body)};
        eyot_commit c = {.run = text(id), .epoch = 1, .head = w->acknowledged, .entries = &entry, .n_entries = 1};
        c.lease_ms = 3600000;
        c.status = EYOT_RUN_RUNNING;
        c.crc = (uint32_t)w->acknowledged;
        eyot_status r = eyot__store_commit(w->store, &c, 1, &e);
        if (r) continue;
        if (c.result == EYOT_OK || c.result == EYOT_EALREADY)
            w->acknowledged++;
        else
            w->failed = c.result;
    }
    return NULL;
}

typedef struct log_check {
    uint64_t n;
    bool wrong;
} log_check;

static eyot_status check_entry(void *arg, const eyot_entry *entry)
{
    log_check *l = arg;
    char body[24];
    int n = snprintf(body, sizeof body, "%llu", (unsigned long long)++l->n);
    if (entry->seq != l->n || !eyot__bytes_equal(entry->body, eyot__bytes(body, (size_t)n))) l->wrong = true;
    return EYOT_OK;
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

TEST(redis_server__killed_under_writers_loses_nothing_acknowledged)
{
    writer w[WRITERS];
    _Atomic bool over = false;
    uint64_t random = test_seed(), total = 0;
    eyot_store *store = open_server(always, "timeout=2000&retry=60000");
    for (unsigned i = 0; i < WRITERS; i++) {
        char id[16];
        snprintf(id, sizeof id, "w%u", i);
        CHECK_OK(make_run(store, id));
        w[i] = (writer){.store = store, .number = i, .over = &over};
        CHECK(pthread_create(&w[i].thread, NULL, write_on, &w[i]) == 0);
    }
    for (unsigned i = 0; i < KILLS * test_long(); i++) {
        sleep_ms(20 + (unsigned)(test_random(&random) % 60));
        redis_server_kill();
        redis_server_start(always);
    }
    sleep_ms(50);
    over = true;
    for (unsigned i = 0; i < WRITERS; i++) CHECK(pthread_join(w[i].thread, NULL) == 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        char id[16];
        log_check l = {0};
        snprintf(id, sizeof id, "w%u", i);
        CHECK_INT(w[i].failed, EYOT_OK);
        CHECK_OK(eyot__store_load(store, text(id), UINT64_MAX, check_entry, &l, &err));
        CHECK(!l.wrong);
        CHECK(l.n == w[i].acknowledged);
        total += l.n;
    }
    CHECK(total > WRITERS * KILLS);
    eyot_store_close(store);
}

TEST(redis_server__without_memory_refuses_and_goes_on_when_there_is_room)
{
    char *body = malloc(200001);
    uint64_t head = 0;
    eyot_status r = EYOT_OK;
    eyot_store *store = open_server(always, "");
    CHECK(body);
    memset(body, 'b', 200000);
    body[200000] = '\0';
    CHECK_OK(make_run(store, "a1"));
    redis_server_say(redis_server_socket(), "CONFIG SET maxmemory 6mb");
    while (head < 200 && !(r = add(store, "a1", head, body))) head++;
    CHECK_STATUS(r, EYOT_EIO);
    CHECK_HAS(err.text, "maxmemory");
    CHECK_INT(head_of(store, "a1"), head);
    redis_server_say(redis_server_socket(), "CONFIG SET maxmemory 1mb");
    CHECK_STATUS(make_run(store, "a2"), EYOT_EIO);
    redis_server_say(redis_server_socket(), "CONFIG SET maxmemory 100mb");
    CHECK_OK(add(store, "a1", head, body));
    CHECK_OK(make_run(store, "a2"));
    CHECK_INT(head_of(store, "a1"), head + 1);
    free(body);
    eyot_store_close(store);
}

TEST(redis_server__without_memory_still_prunes_and_deletes)
{
    uint64_t drop = 1, entries = 0;
    eyot_store *store = open_server(always, "");
    CHECK_OK(make_run(store, "a1"));
    CHECK_OK(add(store, "a1", 0, "x"));
    eyot_entry snapshot = {.seq = 2, .step = 1, .kind = EYOT_ENTRY_SNAPSHOT, .body = text("s")};
    eyot_commit c = {.run = text("a1"), .epoch = 1, .head = 1, .entries = &snapshot, .n_entries = 1, .snapshot_seq = 2};
    c.lease_ms = 3600000;
    c.status = EYOT_RUN_RUNNING;
    CHECK_OK(eyot__store_commit(store, &c, 1, &err));
    redis_server_say(redis_server_socket(), "CONFIG SET maxmemory 1");
    CHECK_STATUS(add(store, "a1", 2, "x"), EYOT_EIO);
    CHECK_OK(eyot__store_prune(store, text("a1"), &drop, 1, 2, &err));
    CHECK_OK(eyot__store_list_entries(store, text("a1"), 1, 9, true, count_entry, &entries, &err));
    CHECK_INT(entries, 1);
    CHECK_OK(eyot__store_delete_run(store, text("a1"), 1, &err));
    eyot_store_close(store);
}

/* ---- TLS ---------------------------------------------------------------------------------------------------------- */

/* A certificate for "localhost" that signs itself, in the test's directory. */
/* Not of "localhost": that name is not known everywhere. */
static void make_certificate(const char *names)
{
    char command[900];
    int n = snprintf(command, sizeof command,
                     "cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
                     "-subj /CN=redis -addext subjectAltName=%s -keyout key.pem -out cert.pem 2>openssl.log",
                     test_dir(), names);
    CHECK(n < (int)sizeof command);
    if (system(command) != 0) test_skip("no openssl here");
}

static unsigned free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 &&
          getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    close(fd);
    return ntohs(at.sin_port);
}

static void start_with_tls(char port[12], const char *names)
{
    static char cert[300], key[300];
    const char *args[] = {"--appendonly",
                          "yes",
                          "--appendfsync",
                          "always",
                          "--tls-port",
                          port,
                          "--tls-cert-file",
                          cert,
                          "--tls-key-file",
                          key,
                          "--tls-ca-cert-file",
                          cert,
                          "--tls-auth-clients",
                          "no",
                          NULL};
    needs_redis();
    make_certificate(names);
    snprintf(cert, sizeof cert, "%s/cert.pem", test_dir());
    snprintf(key, sizeof key, "%s/key.pem", test_dir());
    snprintf(port, 12, "%u", free_port());
    redis_server_start(args);
}

TEST(redis_tls__is_for_who_has_the_certificate)
{
    char port[12], url[500];
    start_with_tls(port, "IP:127.0.0.1,DNS:nobody.example");
    snprintf(url, sizeof url, "rediss://127.0.0.1:%s/?tls_ca=%s/cert.pem&prefix=t", port, test_dir());
    eyot_store *store;
    eyot_status r = eyot_store_open(&store, url, &err);
    if (r == EYOT_ENOTSUP && strstr(err.text, "without OpenSSL")) test_skip("built without TLS");
    if (r) test_fail(__FILE__, __LINE__, "%s: %s", url, err.text);
    size_t n = 3 << 20;
    char *body = malloc(n);
    CHECK(body);
    memset(body, 'x', n);
    body[n - 1] = '\0';
    CHECK_OK(make_run(store, "a1"));
    CHECK_OK(add(store, "a1", 0, body));
    free(body);
    uint64_t entries = 0;
    CHECK_OK(eyot__store_load(store, text("a1"), UINT64_MAX, count_entry, &entries, &err));
    CHECK_INT(entries, 1);
    redis_server_say(redis_server_socket(), "CLIENT KILL TYPE normal SKIPME yes");
    CHECK_OK(add(store, "a1", 1, "x"));
    eyot_store_close(store);
}

TEST(redis_tls__refuses_who_has_another_certificate)
{
    char port[12], url[500];
    start_with_tls(port, "DNS:nobody.example");
    snprintf(url, sizeof url, "rediss://127.0.0.1:%s/?retry=0", port);
    eyot_status r = open_status(url, 0);
    if (r == EYOT_ENOTSUP && strstr(err.text, "without OpenSSL")) test_skip("built without TLS");
    CHECK_STATUS(r, EYOT_EIO);
    CHECK_HAS(err.text, "certificate is not accepted");
    /* The right one, for another name. */
    snprintf(url, sizeof url, "rediss://127.0.0.1:%s/?retry=0&tls_ca=%s/cert.pem", port, test_dir());
    CHECK_STATUS(open_status(url, 0), EYOT_EIO);
    CHECK_HAS(err.text, "certificate is not accepted");
    snprintf(url, sizeof url, "redis://127.0.0.1:%s/?retry=0&timeout=500", port);
    CHECK_STATUS(open_status(url, 0), EYOT_EIO);
}

/* ---- clocks that jump --------------------------------------------------------------------------------------------- */

static void set_clock(const char *path, int64_t seconds)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, &seconds, sizeof seconds) == sizeof seconds && close(fd) == 0);
}

static eyot_status commit_as(eyot_store *store, uint64_t epoch, uint8_t token, uint64_t head)
{
    eyot_entry e = {.seq = head + 1, .step = head + 1, .kind = EYOT_ENTRY_TASK, .body = text("x")};
    eyot_commit c = {.run = text("a1"), .epoch = epoch, .token = {token}, .head = head, .entries = &e, .n_entries = 1};
    c.lease_ms = 60000;
    c.status = EYOT_RUN_RUNNING;
    c.crc = (uint32_t)(epoch * 100 + head);
    eyot_status r = eyot__store_commit(store, &c, 1, &err);
    return r ? r : c.result;
}

TEST(redis_clock__jumps_move_leases_and_never_let_two_write)
{
    char path[300], variable[320], id[130];
    needs_redis();
    CHECK(snprintf(path, sizeof path, "%s/clock", test_dir()) < (int)sizeof path);
    snprintf(variable, sizeof variable, "EYOT_CLOCK=%s", path);
    set_clock(path, 0);
    redis_server_preload(EYOT_TEST_CLOCK, variable);
    eyot_store *store = open_server(always, "");
    CHECK_OK(make_run(store, "a1"));
    CHECK_OK(make_run_in(store, "timer", "timers", ""));
    CHECK_OK(commit_as(store, 1, 0, 0));
    set_clock(path, 3600); /* the lease is over */
    CHECK_OK(claim(store, "", "", id));
    CHECK_STR(id, "a1");
    CHECK_STATUS(commit_as(store, 1, 0, 1), EYOT_EFENCED);
    CHECK_OK(commit_as(store, 2, 3, 1));
    CHECK_OK(claim(store, "", "timers", id));
    set_clock(path, -3600); /* it begins two hours from now */
    CHECK_STATUS(commit_as(store, 1, 0, 2), EYOT_EFENCED);
    CHECK_OK(commit_as(store, 2, 3, 2));
    CHECK_STATUS(claim(store, "", "", id), EYOT_ENOTFOUND);
    CHECK_STATUS(claim(store, "a1", "", id), EYOT_EBUSY);
    CHECK_STATUS(claim(store, "", "timers", id), EYOT_ENOTFOUND);
    set_clock(path, 0);
    CHECK_OK(commit_as(store, 2, 3, 3));
    CHECK_STATUS(claim(store, "", "timers", id), EYOT_ENOTFOUND);
    CHECK_INT(head_of(store, "a1"), 4);
    eyot_store_close(store);
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

TEST(redis_names__of_any_bytes_are_harmless)
{
    static const eyot_bytes odd[] = {{"a\"b'c", 5}, {"\\ \r\n", 4},   {"%s%n*?[a]", 9}, {"\0", 1},
                                     {"a\0b", 3},   {"}{q:07}:x", 9}, {"{}", 2},        {"\xf0\x9f\xa6\x80", 4},
                                     {"/", 1},      {"1/f/x", 5}};
    char id[32];
    eyot_store *store = open_server(always, "");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        int n = snprintf(id, sizeof id, "run-%zu", i);
        eyot_bytes run = eyot__bytes(id, (size_t)n), got_queue = odd[i];
        eyot_buf value = EYOT__BUF_INIT;
        uint64_t version = 0;
        eyot_run_row row = {.run = run, .graph = odd[i], .fingerprint = odd[i], .origin = odd[i]};
        eyot_commit c = {.run = run, .status = EYOT_RUN_READY};
        if (memchr(got_queue.p, '\0', got_queue.n)) got_queue = text("q"); /* the names of queues are texts */
        row.queue = got_queue;
        CHECK_OK(eyot__store_create_run(store, &row, odd[i], &c, &err));
        CHECK_OK(eyot__store_post(store, run, odd[i], EYOT_MESSAGE_CANCEL, odd[i], odd[i], &err));
        CHECK_OK(eyot__store_kv_cas(store, odd[i], odd[i], 0, odd[i], 0, &err));
        CHECK_OK(eyot__store_kv_get(store, odd[i], odd[i], &version, &value, &err));
        CHECK(version && eyot__bytes_equal(eyot__bytes(value.data, value.len), odd[i]));
        eyot__buf_reset(&value);
        CHECK_OK(eyot__store_get_graph(store, odd[i], &value, &err));
        CHECK(eyot__bytes_equal(eyot__bytes(value.data, value.len), odd[i]));
        eyot__buf_clear(&value);
        eyot_claim claim_it = {.queue = got_queue, .owner = odd[i], .token = {1}, .lease_ms = 1000};
        char got[130];
        claim_it.graphs = &odd[i];
        claim_it.n_graphs = 1;
        CHECK_OK(eyot__store_claim(store, &claim_it, ignore_row, got, &err));
        CHECK_STR(got, id);
        CHECK_OK(eyot__store_delete_run(store, run, 2, &err));
    }
    eyot_store_close(store);
}

/* ---- queues ------------------------------------------------------------------------------------------------------- */

TEST(redis_queue__lost_runs_are_found_in_a_backlog)
{
    enum { READY = 3000, LOST = 200 };
    char id[130];
    eyot_store *store = open_server(everysec, "");
    for (unsigned i = 0; i < READY; i++) {
        snprintf(id, sizeof id, "ready-%u", i);
        CHECK_OK(make_run_in(store, id, "q", ""));
    }
    for (unsigned i = 0; i < LOST; i++) {
        snprintf(id, sizeof id, "lost-%u", i);
        CHECK_OK(make_run_in(store, id, "q", "w"));
        eyot_commit c = {.run = text(id), .epoch = 1, .status = EYOT_RUN_RUNNING, .lease_ms = 1};
        CHECK_OK(eyot__store_commit(store, &c, 1, &err));
        CHECK_OK(c.result);
    }
    sleep_ms(5);
    for (unsigned i = 0; i < LOST; i++) {
        CHECK_OK(claim(store, "", "q", id));
        CHECK(strncmp(id, "lost-", 5) == 0);
    }
    CHECK_OK(claim(store, "", "q", id));
    CHECK(strncmp(id, "ready-", 6) == 0);
    eyot_store_close(store);
}

TEST(redis_queue__of_a_run_is_found_by_who_does_not_know_it)
{
    char id[130];
    eyot_store *store = open_server(always, ""), *other = open_url(redis_server_url(""));
    CHECK_OK(make_run_in(store, "a1", "nightly", "w"));
    CHECK_OK(add(other, "a1", 0, "x"));
    CHECK_OK(eyot__store_post(other, text("a1"), text("m"), EYOT_MESSAGE_CANCEL, text(""), text(""), &err));
    eyot_commit c = {.run = text("a1"), .epoch = 1, .head = 1, .status = EYOT_RUN_SUSPENDED, .due_in_ms = INT64_MAX};
    CHECK_OK(eyot__store_commit(other, &c, 1, &err));
    CHECK_OK(c.result);
    CHECK_OK(claim(store, "", "nightly", id));
    CHECK_STR(id, "a1");
    eyot_store_close(other);
    other = open_url(redis_server_url(""));
    CHECK_STATUS(claim(other, "a1", "", id), EYOT_EBUSY);
    CHECK_OK(eyot__store_delete_run(other, text("a1"), 2, &err));
    eyot_store_close(other);
    eyot_store_close(store);
    CHECK_HAS(redis_server_say(redis_server_socket(), "EXISTS t:{q:00}:held:nightly"), ":0");
}

TEST(redis_log__that_is_lost_stops_its_run_alone)
{
    char command[100];
    eyot_store *store = open_server(always, "");
    uint64_t entries = 0;
    CHECK_OK(make_run(store, "a1"));
    CHECK_OK(make_run(store, "a2"));
    CHECK_OK(add(store, "a1", 0, "x"));
    CHECK_OK(add(store, "a2", 0, "x"));
    snprintf(command, sizeof command, "DEL t:{q:%02u}:log:a1", eyot__crc32c(0, "a1", 2) % 64);
    CHECK_HAS(redis_server_say(redis_server_socket(), command), ":1");
    eyot_entry e = {.seq = 2, .step = 2, .kind = EYOT_ENTRY_TASK};
    eyot_commit c[2];
    for (size_t i = 0; i < 2; i++) {
        c[i] = (eyot_commit){.run = text(i ? "a2" : "a1"), .epoch = 1, .head = 1, .entries = &e, .n_entries = 1};
        c[i].lease_ms = 1000;
        c[i].status = EYOT_RUN_RUNNING;
    }
    CHECK_OK(eyot__store_commit(store, c, 2, &err));
    CHECK_STATUS(c[0].result, EYOT_EGONE);
    CHECK_STATUS(c[1].result, EYOT_OK);
    CHECK_STATUS(eyot__store_load(store, text("a1"), UINT64_MAX, count_entry, &entries, &err), EYOT_ECORRUPT);
    CHECK_STATUS(eyot__store_list_entries(store, text("a1"), 1, 9, true, count_entry, &entries, &err), EYOT_ECORRUPT);
    CHECK_INT(entries, 0);
    eyot_store_close(store);
}

TEST(redis_delete__leaves_no_key_of_the_run)
{
    eyot_store *store = open_server(always, "");
    CHECK_OK(make_run(store, "a1"));
    CHECK_OK(add(store, "a1", 0, "x"));
    CHECK_OK(eyot__store_post(store, text("a1"), text("m"), EYOT_MESSAGE_CANCEL, text(""), text("p"), &err));
    CHECK_OK(eyot__store_kv_cas(store, text("run/a1"), text("note"), 0, text("n"), 0, &err));
    CHECK_OK(eyot__store_delete_run(store, text("a1"), 1, &err));
    const char *keys = redis_server_say(redis_server_socket(), "KEYS t:*");
    CHECK(!strstr(keys, ":run:") && !strstr(keys, ":log:") && !strstr(keys, ":in") && !strstr(keys, ":kv:"));
    CHECK(!strstr(keys, ":held") && !strstr(keys, ":runs"));
    eyot_store_close(store);
}
