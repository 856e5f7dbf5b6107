/* SPDX-License-Identifier: MIT */
/* The MySQL store when the network or the server fails: a relay that cuts, swallows and trickles, and a server of our own that is
 * killed. EYOT_TEST_LONG=n makes the campaigns n times as long. */
#include "test/mysql_help.h"

#include <sys/prctl.h>

/* ---- helpers ------------------------------------------------------------------------------------------------------- */

/* What a call may take more than it is given: other things run on this machine too. */
static uint64_t slack_ms(void)
{
    const char *patience = getenv("EYOT_TEST_PATIENCE");
    return 400 * (patience ? strtoul(patience, NULL, 10) : 1);
}

#define CHECK_WITHIN(ms, call)                                                        \
    do {                                                                              \
        uint64_t within_before = test_now_ms();                                       \
        call;                                                                         \
        uint64_t within_took = test_now_ms() - within_before;                         \
        if (within_took > (ms) + (ms) / 10 + slack_ms())                              \
            test_fail(__FILE__, __LINE__, "%s: %u ms", #call, (unsigned)within_took); \
    } while (0)

/* A proxy before the server, and a store behind it that has been used once. */
static net_proxy *relay;

static eyot_store *open_behind(const char *params)
{
    new_prefix();
    eyot_store_close(open_at(server_socket(), "")); /* makes the schema */
    relay = net_proxy_open(server_socket());
    eyot_store *store = open_at(net_proxy_socket(relay), params);
    CHECK_OK(make_run(store, "a17"));
    CHECK_OK(add(store, "a17", 0, "x"));
    return store;
}

static void close_behind(eyot_store *store)
{
    net_proxy_heal(relay);
    eyot_store_close(store);
    net_proxy_close(relay);
}

/* How many bytes a call sends each way. */
typedef struct traffic {
    uint64_t bytes[2];
} traffic;

static traffic traffic_now(void)
{
    return (traffic){{net_proxy_count(relay, NET_TO_SERVER), net_proxy_count(relay, NET_TO_CLIENT)}};
}

static traffic traffic_since(traffic t)
{
    traffic now = traffic_now();
    return (traffic){{now.bytes[0] - t.bytes[0], now.bytes[1] - t.bytes[1]}};
}

/* ---- connections that end ------------------------------------------------------------------------------------------ */

TEST(mysql__commit_cut_at_every_byte_is_there_once)
{
    eyot_store *store = open_behind("&pool=1");
    uint64_t head = 1, step = test_long() > 1 ? 1 : 5;
    CHECK_OK(add(store, "a17", head++, "x"));
    traffic t = traffic_now();
    CHECK_OK(add(store, "a17", head++, "x"));
    t = traffic_since(t);
    for (net_way way = NET_TO_SERVER; way <= NET_TO_CLIENT; way++)
        for (uint64_t at = 0; at <= t.bytes[way]; at += way == NET_TO_SERVER ? step : 1) {
            net_proxy_cut_after(relay, way, at);
            CHECK_OK(add(store, "a17", head++, "x"));
            net_proxy_heal(relay);
        }
    CHECK_INT(loaded(store, "a17"), head);
    CHECK_INT(row_of(store, "a17").head, head);
    CHECK(net_proxy_accepted(relay) > 20);
    close_behind(store);
}

TEST(mysql__many_commits_cut_at_every_byte_are_there_once)
{
    eyot_store *store = open_behind("&pool=1");
    uint64_t head = 1, other = 0, step = test_long() > 1 ? 1 : 11;
    CHECK_OK(make_run(store, "b18"));
    traffic t = {{0, 0}};
    uint64_t most[2] = {4, 4};
    for (net_way way = NET_TO_SERVER; way <= NET_TO_CLIENT; way++)
        for (uint64_t at = 0; at <= most[way]; at += at + 24 > most[way] ? 1 : step) {
            eyot_entry e[3] = {entry_of(head + 1, "x"), entry_of(other + 1, "y"), entry_of(head + 2, "z")};
            eyot_entry ahead = entry_of(other + 6, "y");
            eyot_commit c[4] = {commit_of("a17", head, &e[0]), commit_of("b18", other, &e[1]),
                                commit_of("a17", head + 1, &e[2]), commit_of("b18", other + 5, &ahead)};
            if (at > 0) net_proxy_cut_after(relay, way, at);
            if (at == 0) t = traffic_now();
            CHECK_OK(eyot__store_commit(store, c, 4, &err));
            if (at == 0) most[way] = traffic_since(t).bytes[way];
            net_proxy_heal(relay);
            for (size_t i = 0; i < 3; i++) CHECK_STATUS(c[i].result, EYOT_OK);
            CHECK_STATUS(c[3].result, EYOT_ESTALE);
            head += 2;
            other += 1;
        }
    CHECK_INT(loaded(store, "a17"), head);
    CHECK_INT(loaded(store, "b18"), other);
    close_behind(store);
}

/* Everything else that writes, with the connection cut at growing places. */
static void use_once(eyot_store *store, unsigned n)
{
    char id[16];
    eyot_run_row row;
    uint64_t version = 0;
    eyot_buf *value = eyot_buf_new();
    snprintf(id, sizeof id, "run-%u", n);
    CHECK_OK(make_run(store, id));
    CHECK_OK(claim_run(store, id, 1, 2, &row));
    CHECK_INT(row.epoch, 2);
    eyot_commit give = commit_of(id, 0, NULL);
    give.n_entries = 0;
    give.epoch = 2;
    memset(give.token, 2, sizeof give.token);
    give.lease_ms = 0;
    give.status = EYOT_RUN_SUSPENDED;
    give.due_in_ms = INT64_MAX;
    CHECK_OK(eyot__store_commit(store, &give, 1, &err));
    CHECK(give.result == EYOT_OK || give.result == EYOT_EALREADY);
    CHECK_OK(eyot__store_post(store, text(id), text("m"), 1, text("n"), text("p"), &err));
    eyot_claim next = {.owner = text("w3"), .lease_ms = 60000};
    CHECK_OK(eyot__store_claim(store, &next, take_row, &row, &err));
    CHECK_INT(row.epoch, 3);
    CHECK_OK(eyot__store_kv_cas(store, text("run/x"), text(id), 0, text("1"), 0, &err));
    CHECK_OK(eyot__store_kv_get(store, text("run/x"), text(id), &version, value, &err));
    CHECK_OK(eyot__store_kv_cas(store, text("run/x"), text(id), version, text("2"), 0, &err));
    CHECK_OK(eyot__store_delete_run(store, text(id), 3, &err));
    eyot_buf_free(value);
}

TEST(mysql__every_slot_survives_a_cut)
{
    eyot_store *store = open_behind("&pool=1");
    unsigned n = 0;
    use_once(store, n++);
    traffic t = traffic_now();
    use_once(store, n++);
    t = traffic_since(t);
    uint64_t cuts = 40 * test_long();
    for (net_way way = NET_TO_SERVER; way <= NET_TO_CLIENT; way++)
        for (uint64_t i = 0; i < cuts; i++) {
            net_proxy_cut_after(relay, way, t.bytes[way] * i / cuts);
            use_once(store, n++);
            net_proxy_heal(relay);
        }
    close_behind(store);
}

/* ---- answers that are lost ----------------------------------------------------------------------------------------- */

static eyot_status op_create(eyot_store *store, const char *id)
{
    return make_run(store, id);
}

static eyot_status op_commit(eyot_store *store, const char *id)
{
    return add(store, id, 0, "x");
}

static eyot_status op_renew(eyot_store *store, const char *id)
{
    eyot_commit c = commit_of(id, 1, NULL);
    c.n_entries = 0;
    eyot_status r = eyot__store_commit(store, &c, 1, &err);
    return r ? r : c.result;
}

static eyot_status op_claim(eyot_store *store, const char *id)
{
    eyot_run_row row;
    eyot_status r = claim_run(store, id, 1, 2, &row);
    return r ? r : row.epoch == 2 && row.attempts == 1 ? EYOT_OK : EYOT_ECORRUPT;
}

static eyot_status op_post(eyot_store *store, const char *id)
{
    return eyot__store_post(store, text(id), text("m"), 1, text("n"), text("p"), &err);
}

static eyot_status op_put(eyot_store *store, const char *id)
{
    return eyot__store_kv_cas(store, text("ns"), text(id), 0, text("1"), 0, &err);
}

static eyot_status op_change(eyot_store *store, const char *id)
{
    uint64_t version;
    eyot_buf *value = eyot_buf_new();
    eyot_status r = eyot__store_kv_get(store, text("ns"), text(id), &version, value, &err);
    eyot_buf_free(value);
    return r ? r : eyot__store_kv_cas(store, text("ns"), text(id), version, text("2"), 0, &err);
}

static eyot_status op_release(eyot_store *store, const char *id)
{
    eyot_commit c = commit_of(id, 1, NULL);
    c.n_entries = 0;
    c.lease_ms = 0;
    c.epoch = 2;
    memset(c.token, 2, sizeof c.token);
    c.status = EYOT_RUN_FAILED;
    eyot_status r = eyot__store_commit(store, &c, 1, &err);
    return r ? r : c.result;
}

static eyot_status op_delete(eyot_store *store, const char *id)
{
    return eyot__store_delete_run(store, text(id), 2, &err);
}

/* The server has done what it was asked, and its last answer is cut: the work is found to be done, not done twice, not
 * refused. Ids of one length, so that answers have as many bytes. */
TEST(mysql__answers_that_are_lost_are_found_out)
{
    static eyot_status (*const ops[])(eyot_store *, const char *) = {
        op_create, op_commit, op_renew, op_claim, op_post, op_put, op_change, op_release, op_delete};
    eyot_store *store = open_behind("&pool=2");
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) CHECK_OK(ops[i](store, "warm"));
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        CHECK_OK(ops[i](store, "hale"));
        traffic t = traffic_now();
        CHECK_OK(ops[i](store, "same"));
        t = traffic_since(t);
        net_proxy_cut_after(relay, NET_TO_CLIENT, t.bytes[NET_TO_CLIENT] - 1);
        CHECK_OK(ops[i](store, "lost"));
        net_proxy_heal(relay);
    }
    close_behind(store);
}

static volatile sig_atomic_t pipes;

static void count_pipe(int number)
{
    (void)number;
    pipes++;
}

TEST(mysql__signals_of_the_host_are_left_alone)
{
    struct sigaction mine = {.sa_handler = count_pipe}, before, after;
    sigset_t set_before, set_after;
    server_socket();
    sigaction(SIGPIPE, &mine, &before);
    sigprocmask(SIG_SETMASK, NULL, &set_before);
    eyot_store *store = open_behind("");
    for (uint64_t head = 1; head < 6; head++) {
        net_proxy_cut_now(relay);
        CHECK_OK(add(store, "a17", head, "x"));
    }
    close_behind(store);
    sigaction(SIGPIPE, &before, &after);
    sigprocmask(SIG_SETMASK, NULL, &set_after);
    CHECK(after.sa_handler == count_pipe);
    CHECK_INT(pipes, 0);
    CHECK_INT(sigismember(&set_after, SIGPIPE), sigismember(&set_before, SIGPIPE));
}

/* ---- networks that are slow or silent ------------------------------------------------------------------------------ */

TEST(mysql__black_hole_ends_with_the_timeout)
{
    eyot_store *store = open_behind("&timeout=500&retry=0"), *another;
    char url[500];
    eyot_run_row row;
    snprintf(url, sizeof url, "%s", url_at(net_proxy_socket(relay), "&timeout=500&retry=0"));
    net_proxy_stop_after(relay, NET_TO_CLIENT, 0);
    CHECK_WITHIN(500, CHECK_STATUS(add(store, "a17", 1, "x"), EYOT_EIO));
    CHECK_HAS(err.text, "mysql store at localhost/eyot");
    CHECK_WITHIN(500, CHECK_STATUS(claim_run(store, "a17", 1, 2, &row), EYOT_EIO));
    CHECK_WITHIN(500, CHECK_STATUS(eyot_store_open(&another, url, &err), EYOT_EIO));
    net_proxy_heal(relay);
    CHECK_OK(add(store, "a17", 1, "x"));
    close_behind(store);
}

TEST(mysql__trickle_ends_with_the_timeout)
{
    eyot_store *store = open_behind("&timeout=600&retry=0"), *another;
    char url[500];
    snprintf(url, sizeof url, "%s", url_at(net_proxy_socket(relay), "&timeout=600&retry=0"));
    net_proxy_trickle(relay, 100);
    CHECK_WITHIN(600, CHECK_STATUS(add(store, "a17", 1, "x"), EYOT_EIO));
    CHECK_WITHIN(600, CHECK_STATUS(eyot_store_open(&another, url, &err), EYOT_EIO));
    net_proxy_heal(relay);
    net_proxy_cut_now(relay);
    CHECK_OK(add(store, "a17", 1, "x"));
    close_behind(store);
}

TEST(mysql__late_answers_end_with_the_timeout)
{
    eyot_store *store = open_behind("&timeout=500&retry=0");
    net_proxy_delay(relay, 900);
    CHECK_WITHIN(500, CHECK_STATUS(add(store, "a17", 1, "x"), EYOT_EIO));
    net_proxy_heal(relay);
    net_proxy_delay(relay, 20);
    uint64_t head = row_of(store, "a17").head;
    CHECK_OK(add(store, "a17", head, "y"));
    close_behind(store);
}

TEST(mysql__nobody_listening_is_told_soon_when_opening)
{
    server_socket();
    CHECK_WITHIN(2000, CHECK_STATUS(open_status("mysql://u@127.0.0.1:1/db", 0), EYOT_EIO));
    CHECK_WITHIN(500, CHECK_STATUS(open_status("mysql://u@127.0.0.1:1/db?timeout=500&retry=0", 0), EYOT_EIO));
    CHECK_HAS(err.text, "127.0.0.1:1/db");
    CHECK_WITHIN(300, CHECK_STATUS(open_status("mysql://u@localhost/db?socket=/no/such&timeout=300", 0), EYOT_EIO));
}

/* The first bytes of a real greeting, spoilt; noise; nothing; floods. */
TEST(mysql__hostile_greetings_are_errors)
{
    static unsigned char bytes[16384];
    static const char greeting[] = "\x4e\0\0\0\x0a"
                                   "10.11.6-MariaDB\0\x20\0\0\0"
                                   "abcdefgh\0\xfe\xf7\x08\x02\0\xff\xc1\x15"
                                   "\0\0\0\0\0\0\x07\0\0\0"
                                   "abcdefghijkl\0mysql_native_password";
    uint64_t random = test_seed();
    char url[300];
    unsigned good = 0;
    eyot_store *store;
    server_url();
    net_proxy *server = net_proxy_open(NULL);
    snprintf(url, sizeof url, "mysql://u:secret@localhost/db?socket=%s&timeout=100&retry=0", net_proxy_socket(server));
    for (unsigned i = 0; i < 60 * test_long(); i++) {
        size_t n = (size_t)test_random(&random) % (i % 4 == 0 ? sizeof bytes : 200);
        for (size_t k = 0; k < n; k++) bytes[k] = (unsigned char)test_random(&random);
        if (i % 2) {
            n = sizeof greeting;
            memcpy(bytes, greeting, n);
            for (unsigned k = 0; k < 1 + i % 5; k++)
                bytes[test_random(&random) % n] = (unsigned char)test_random(&random);
        }
        if (i % 3 == 0 && n > 4) memcpy(bytes, (unsigned char[]){(unsigned char)(n - 4), 0, 0, 0}, 4);
        net_proxy_say(server, bytes, n, i % 5 != 0);
        CHECK_WITHIN(100, good += eyot_store_open(&store, url, &err) == EYOT_OK);
        CHECK(!strstr(err.text, "secret"));
        CHECK(!strchr(err.text, '\n'));
    }
    CHECK_INT(good, 0);
    net_proxy_close(server);
}

/* ---- frozen in a transaction --------------------------------------------------------------------------------------- */

typedef struct frozen {
    pthread_t thread;
    eyot_store *store;
    eyot_status status;
} frozen;

static void *commit_frozen(void *arg)
{
    frozen *f = arg;
    eyot_entry e = entry_of(3, "late");
    eyot_commit c = commit_of("a17", 2, &e);
    f->status = eyot__store_commit(f->store, &c, 1, NULL);
    if (!f->status) f->status = c.result;
    return NULL;
}

/* Between its insert and its COMMIT nothing is heard of a worker any more: the run is somebody else's soon, and what the worker
 * sends afterwards is refused. */
TEST(mysql__worker_frozen_in_a_transaction_lets_go)
{
    enum { COMMIT_PACKET = 11 };
    eyot_run_row row;
    eyot_store *store = open_behind("&pool=1&timeout=30000"), *other = open_at(server_socket(), "&timeout=4000");
    traffic t = traffic_now();
    CHECK_OK(add(store, "a17", 1, "late"));
    t = traffic_since(t);
    net_proxy_stop_after(relay, NET_TO_SERVER, t.bytes[NET_TO_SERVER] - COMMIT_PACKET);
    frozen f = {.store = store};
    CHECK(pthread_create(&f.thread, NULL, commit_frozen, &f) == 0);
    pause_ms(300);
    CHECK_WITHIN(7000, CHECK_OK(claim_run(other, "a17", 1, 2, &row)));
    CHECK_INT(row.head, 2);
    net_proxy_heal(relay);
    net_proxy_cut_now(relay);
    CHECK(pthread_join(f.thread, NULL) == 0);
    CHECK_STATUS(f.status, EYOT_EFENCED);
    CHECK_INT(loaded(other, "a17"), 2);
    eyot_store_close(other);
    close_behind(store);
}

/* ---- a server of our own ------------------------------------------------------------------------------------------- */

typedef struct own_server {
    pid_t pid;
    char dir[200], socket[220];
} own_server;

static void start_server(own_server *s, const char *options)
{
    char script[500];
    snprintf(script, sizeof script, "%s/own_mysql.sh", EYOT_TEST_DATA);
    fflush(stdout);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(script, script, s->dir, options, (char *)NULL);
        _exit(77);
    }
}

static void await_server(own_server *s)
{
    for (int i = 0; i < 1200; i++) {
        int status;
        MYSQL *db = mysql_init(NULL);
        bool up = mysql_real_connect(db, "localhost", "eyot", "eyot", "eyot", 0, s->socket, 0) != NULL;
        mysql_close(db);
        if (up) return;
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            if (WIFEXITED(status) && WEXITSTATUS(status) == 77) test_skip("mariadbd is not installed");
            test_fail(__FILE__, __LINE__, "the server ended; see %s/log", s->dir);
        }
        pause_ms(50);
    }
    test_fail(__FILE__, __LINE__, "the server does not answer; see %s/log", s->dir);
}

static own_server open_server(const char *options)
{
    own_server s = {.pid = 0};
    server_url(); /* who has no server is not given one */
    new_prefix();
    snprintf(s.dir, sizeof s.dir, "%.80s/%s", strlen(test_dir()) < 70 ? test_dir() : "/tmp", prefix);
    snprintf(s.socket, sizeof s.socket, "%s/sock", s.dir);
    start_server(&s, options);
    await_server(&s);
    return s;
}

static void kill_server(own_server *s, int signal)
{
    kill(s->pid, signal);
    CHECK(waitpid(s->pid, NULL, 0) == s->pid);
}

static void close_server(own_server *s)
{
    char command[300];
    kill_server(s, SIGKILL);
    snprintf(command, sizeof command, "rm -rf '%s'", s->dir);
    CHECK(system(command) == 0);
}

typedef struct writer {
    pthread_t thread;
    eyot_store *store;
    char id[16];
    uint64_t head; /* acknowledged */
    eyot_status failed;
    const bool *stop;
    pthread_mutex_t *lock;
} writer;

static void *write_on(void *arg)
{
    writer *w = arg;
    for (bool stop = false; !stop && !w->failed;) {
        eyot_entry e = entry_of(w->head + 1, w->id);
        eyot_commit c = commit_of(w->id, w->head, &e);
        w->failed = eyot__store_commit(w->store, &c, 1, NULL);
        if (!w->failed) w->failed = c.result;
        pthread_mutex_lock(w->lock);
        if (!w->failed) w->head++;
        stop = *w->stop;
        pthread_mutex_unlock(w->lock);
    }
    return NULL;
}

TEST(mysql__killed_server_loses_nothing_and_writers_go_on)
{
    enum { WRITERS = 4 };
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    bool stop = false;
    writer w[WRITERS];
    own_server s = open_server("--innodb-flush-log-at-trx-commit=1");
    eyot_store *store = open_at(s.socket, "&retry=60000");
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (writer){.store = store, .stop = &stop, .lock = &lock};
        snprintf(w[i].id, sizeof w[i].id, "run-%d", i);
        CHECK_OK(make_run(store, w[i].id));
        CHECK(pthread_create(&w[i].thread, NULL, write_on, &w[i]) == 0);
    }
    for (unsigned round = 0; round < 2 * test_long(); round++) {
        uint64_t acknowledged[WRITERS];
        pause_ms(300);
        pthread_mutex_lock(&lock);
        for (int i = 0; i < WRITERS; i++) acknowledged[i] = w[i].head;
        pthread_mutex_unlock(&lock);
        kill_server(&s, SIGKILL);
        start_server(&s, "--innodb-flush-log-at-trx-commit=1");
        await_server(&s);
        for (int i = 0; i < WRITERS; i++) CHECK(row_of(store, w[i].id).head >= acknowledged[i]);
    }
    pause_ms(300);
    pthread_mutex_lock(&lock);
    stop = true;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < WRITERS; i++) CHECK(pthread_join(w[i].thread, NULL) == 0);
    for (int i = 0; i < WRITERS; i++) {
        CHECK_INT(w[i].failed, 0);
        CHECK_INT(loaded(store, w[i].id), w[i].head);
        CHECK(w[i].head > 10);
    }
    eyot_store_close(store);
    close_server(&s);
}

static eyot_store_info info_at(const char *socket)
{
    eyot_store_info info;
    eyot_store *store = open_at(socket, "");
    CHECK_OK(eyot_store_inform(store, &info, &err));
    eyot_store_close(store);
    return info;
}

/* What a session is told when it has idled for too long, or was killed, is no answer to the next statement. */
TEST(mysql__idle_and_killed_connections_are_replaced)
{
    eyot_store_info info;
    own_server s = open_server("--wait-timeout=1");
    eyot_store *store = open_at(s.socket, "&retry=0&timeout=2000");
    MYSQL *db = raw_open(s.socket);
    sql(db, "SET SESSION wait_timeout = 1000");
    CHECK_OK(make_run(store, "a17"));
    CHECK_INT(loaded(store, "a17"), 0);
    pause_ms(2300);
    CHECK_OK(add(store, "a17", 0, "x"));
    for (uint64_t head = 1; head < 6; head++) {
        for (const char *id; *(id = sql(db, "SELECT id FROM information_schema.PROCESSLIST "
                                            "WHERE id <> CONNECTION_ID() AND user = 'eyot' LIMIT 1")) != '\0';)
            sql(db, "KILL CONNECTION %s", id), pause_ms(20);
        CHECK_OK(add(store, "a17", head, "x"));
    }
    CHECK_INT(loaded(store, "a17"), 6);
    eyot_store_close(store);
    info = info_at(s.socket);
    CHECK_INT(info.durability, EYOT_CLASS_MACHINE);
    CHECK_HAS(info.reasons, "innodb_flush_log_at_trx_commit=1");
    CHECK_HAS(info.version, "MariaDB 10.");
    sql(db, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    info = info_at(s.socket);
    CHECK_INT(info.durability, EYOT_CLASS_PROCESS);
    CHECK_HAS(info.advice, "innodb_flush_log_at_trx_commit=1");
    sql(db, "SET GLOBAL innodb_flush_log_at_trx_commit = 0");
    info = info_at(s.socket);
    CHECK_INT(info.durability, EYOT_CLASS_VOLATILE);
    CHECK_STATUS(open_status(url_at(s.socket, "&min_class=machine"), 0), EYOT_ENOTSUP);
    mysql_close(db);
    close_server(&s);
}

/* ---- TLS ----------------------------------------------------------------------------------------------------------- */

/* An authority, and a server's key that it vouches for under this name, in the test's directory. */
static void make_keys(const char *name)
{
    char command[4000];
    const char *dir = test_dir();
    snprintf(
        command, sizeof command,
        "cd '%s' && exec >openssl.log 2>&1 && "
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2 && "
        "openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request -subj /CN=server && "
        "echo subjectAltName=%s >names && "
        "openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile names",
        dir, name);
    if (system("openssl version >/dev/null 2>&1") != 0) test_skip("openssl is not installed");
    CHECK(system(command) == 0);
}

static unsigned free_port(void)
{
    net_proxy *p = net_proxy_open(NULL);
    unsigned port = net_proxy_port(p);
    net_proxy_close(p);
    return port;
}

static own_server open_tls_server(unsigned port)
{
    static char options[1000];
    const char *dir = test_dir();
    snprintf(options, sizeof options,
             "--skip-networking=0 --bind-address=127.0.0.1 --port=%u --ssl-ca=%.200s/ca.pem --ssl-cert=%.200s/cert.pem "
             "--ssl-key=%.200s/key.pem",
             port, dir, dir, dir);
    return open_server(options);
}

static eyot_status open_tls(unsigned port, const char *tls, bool with_ca)
{
    char url[900];
    snprintf(url, sizeof url, "mysql://eyot:eyot@127.0.0.1:%u/eyot?timeout=3000&tls=%s%s%s%s", port, tls,
             with_ca ? "&tls_ca=" : "", with_ca ? test_dir() : "", with_ca ? "/ca.pem" : "");
    return open_status(url, 0);
}

TEST(mysql__tls_verifies_the_authority_and_the_name)
{
    unsigned port = free_port();
    make_keys("IP:127.0.0.1");
    own_server s = open_tls_server(port);
    CHECK_OK(open_tls(port, "off", false));
    CHECK_OK(open_tls(port, "required", false));
    CHECK_OK(open_tls(port, "verify-full", true));
    CHECK_STATUS(open_tls(port, "verify-full", false), EYOT_EIO);
    close_server(&s);
    make_keys("DNS:elsewhere.example");
    s = open_tls_server(port);
    CHECK_OK(open_tls(port, "required", true));
    CHECK_STATUS(open_tls(port, "verify-full", true), EYOT_EIO);
    CHECK_HAS(err.text, "mysql store at 127.0.0.1:");
    close_server(&s);
}

/* All that goes over an encrypted connection is cut as well: the library's own writes must not raise a signal. */
TEST(mysql__tls_survives_cuts_quietly)
{
    char url[600];
    unsigned port = free_port();
    struct sigaction mine = {.sa_handler = count_pipe}, before;
    make_keys("IP:127.0.0.1");
    own_server s = open_tls_server(port);
    net_proxy *cutter = net_proxy_open((snprintf(url, sizeof url, "%u", port), url));
    snprintf(url, sizeof url, "mysql://eyot:eyot@127.0.0.1:%u/eyot?tls=required&pool=1", net_proxy_port(cutter));
    eyot_store *store;
    pipes = 0;
    sigaction(SIGPIPE, &mine, &before);
    CHECK_OK(eyot_store_open(&store, url, &err));
    CHECK_OK(make_run(store, "a17"));
    for (uint64_t head = 0; head < 20; head++) {
        if (head % 2)
            net_proxy_cut_now(cutter);
        else
            net_proxy_cut_after(cutter, head % 4 ? NET_TO_SERVER : NET_TO_CLIENT, head * 10);
        CHECK_OK(add(store, "a17", head, "x"));
        net_proxy_heal(cutter);
    }
    CHECK_INT(loaded(store, "a17"), 20);
    eyot_store_close(store);
    net_proxy_close(cutter);
    close_server(&s);
    sigaction(SIGPIPE, &before, NULL);
    CHECK_INT(pipes, 0);
}
