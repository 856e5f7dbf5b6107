/* SPDX-License-Identifier: MIT */
/* The Redis store behind a network that cuts, swallows, delays and lies. */
#include "core/store.h"

#include <eyot/stores.h>

#include "core/buf.h"
#include "test/eyot_test.h"
#include "test/net_proxy.h"
#include "test/redis_server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static eyot_error err;
static net_proxy *network;

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

static eyot_store *open_behind(const char *params)
{
    char url[300];
    eyot_store *store;
    snprintf(url, sizeof url, "redis+unix://%s?prefix=t&%s", net_proxy_socket(network), params);
    eyot_status r = eyot_store_open(&store, url, &err);
    if (r) test_fail(__FILE__, __LINE__, "%s: %s", url, err.text);
    return store;
}

static void begin(void)
{
    static const char *const quick[] = {"--appendonly", "yes", "--appendfsync", "everysec", NULL};
    if (!getenv("EYOT_TEST_REDIS")) test_skip("no server of it");
    if (network) net_proxy_close(network);
    redis_server_start(quick);
    network = net_proxy_open(redis_server_socket());
}

/* ---- every operation ---------------------------------------------------------------------------------------------- */

/* What one try works on: a run of its own. */
typedef struct subject {
    eyot_store *store;
    char id[32];
    uint64_t n;
} subject;

static eyot_status take_row(void *arg, const eyot_run_row *row)
{
    *(eyot_run_row *)arg = *row;
    return EYOT_OK;
}

static eyot_run_row row_of(const subject *s)
{
    eyot_run_row row = {.epoch = 0};
    CHECK_OK(eyot__store_get_run(s->store, text(s->id), take_row, &row, &err));
    return row;
}

static eyot_status create(const subject *s, const char *owner)
{
    eyot_run_row row = {.run = text(s->id), .graph = text("g"), .fingerprint = text("f"), .owner = text(owner)};
    eyot_commit c = {.run = text(s->id), .status = EYOT_RUN_RUNNING, .lease_ms = 3600000};
    row.queue = text("q");
    row.token[0] = 1;
    return eyot__store_create_run(s->store, &row, text("{}"), &c, &err);
}

static void prepare_held(const subject *s)
{
    CHECK_OK(create(s, "w"));
}

static void prepare_nothing(const subject *s)
{
    (void)s;
}

static void prepare_released(const subject *s)
{
    CHECK_OK(create(s, ""));
}

static void prepare_value(const subject *s)
{
    CHECK_OK(eyot__store_kv_cas(s->store, text("ns"), text(s->id), 0, text("old"), 0, &err));
}

static eyot_status do_create(const subject *s)
{
    eyot_status r = create(s, "w");
    if (!r) CHECK_INT(row_of(s).epoch, 1);
    return r;
}

static eyot_status do_commit(const subject *s)
{
    eyot_event event = {{"", 0}, {"t", 1}, {"p", 1}};
    char event_id[64];
    eyot_entry e = {.seq = 1, .step = 1, .kind = EYOT_ENTRY_TASK, .key = text("k"), .body = text("body")};
    eyot_commit c = {.run = text(s->id), .epoch = 1, .token = {1}, .entries = &e, .n_entries = 1, .lease_ms = 3600000};
    snprintf(event_id, sizeof event_id, "%s/1", s->id);
    event.id = text(event_id);
    c.events = &event;
    c.n_events = 1;
    c.status = EYOT_RUN_RUNNING;
    c.crc = 7;
    eyot_status r = eyot__store_commit(s->store, &c, 1, &err);
    if (!r) r = c.result == EYOT_EALREADY ? EYOT_OK : c.result;
    if (!r) CHECK_INT(row_of(s).head, 1);
    return r;
}

static eyot_status do_two_commits(const subject *s)
{
    eyot_entry e[2];
    eyot_commit c[2];
    for (uint64_t i = 0; i < 2; i++) {
        e[i] = (eyot_entry){.seq = i + 1, .step = i + 1, .kind = EYOT_ENTRY_TASK};
        c[i] = (eyot_commit){.run = text(s->id), .epoch = 1, .token = {1}, .head = i, .entries = &e[i], .n_entries = 1};
        c[i].lease_ms = 3600000;
        c[i].status = EYOT_RUN_RUNNING;
        c[i].crc = (uint32_t)i + 8;
    }
    eyot_status r = eyot__store_commit(s->store, c, 2, &err);
    for (size_t i = 0; i < 2 && !r; i++) r = c[i].result == EYOT_EALREADY ? EYOT_OK : c[i].result;
    return r;
}

static eyot_status do_release(const subject *s)
{
    eyot_commit c = {.run = text(s->id), .epoch = 1, .token = {1}, .status = EYOT_RUN_READY, .due_in_ms = INT64_MAX};
    eyot_status r = eyot__store_commit(s->store, &c, 1, &err);
    return r ? r : c.result == EYOT_EALREADY ? EYOT_OK : c.result;
}

static eyot_status do_claim(const subject *s)
{
    eyot_run_row row = {.epoch = 0};
    eyot_claim c = {.run = text(s->id), .owner = text("me"), .token = {9}, .lease_ms = 3600000};
    eyot_status r = eyot__store_claim(s->store, &c, take_row, &row, &err);
    if (!r) CHECK_INT(row.epoch, 2);
    if (!r) CHECK_INT(row_of(s).epoch, 2);
    return r;
}

static eyot_status do_post(const subject *s)
{
    return eyot__store_post(s->store, text(s->id), text("m"), EYOT_MESSAGE_CANCEL, text("n"), text("p"), &err);
}

static eyot_status do_value(const subject *s)
{
    uint64_t version = 0;
    eyot_buf value = EYOT__BUF_INIT;
    CHECK_OK(eyot__store_kv_get(s->store, text("ns"), text(s->id), &version, &value, &err));
    eyot__buf_clear(&value);
    return eyot__store_kv_cas(s->store, text("ns"), text(s->id), version, text("new"), 0, &err);
}

static eyot_status count_entry(void *arg, const eyot_entry *entry)
{
    (void)entry;
    ++*(unsigned *)arg;
    return EYOT_OK;
}

static eyot_status do_inbox(const subject *s)
{
    unsigned n = 0;
    return eyot__store_inbox(s->store, text(s->id), count_entry, &n, &err);
}

static eyot_status do_load(const subject *s)
{
    unsigned n = 0;
    return eyot__store_load(s->store, text(s->id), UINT64_MAX, count_entry, &n, &err);
}

static eyot_status do_delete(const subject *s)
{
    return eyot__store_delete_run(s->store, text(s->id), 1, &err);
}

static eyot_status do_delete_of_nothing(const subject *s)
{
    return eyot__store_delete_run(s->store, text(s->id), 1, &err) == EYOT_ENOTFOUND ? EYOT_OK : EYOT_EINVAL;
}

static const struct operation {
    const char *name;
    void (*prepare)(const subject *s);
    eyot_status (*work)(const subject *s);
} operations[] = {
    {"create", prepare_nothing, do_create},
    {"commit", prepare_held, do_commit},
    {"two commits", prepare_held, do_two_commits},
    {"release", prepare_held, do_release},
    {"claim", prepare_released, do_claim},
    {"post", prepare_held, do_post},
    {"value", prepare_value, do_value},
    {"inbox", prepare_held, do_inbox},
    {"load", prepare_held, do_load},
    {"delete", prepare_held, do_delete},
    {"delete of nothing", prepare_nothing, do_delete_of_nothing},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static void new_subject(subject *s)
{
    snprintf(s->id, sizeof s->id, "r%llu", (unsigned long long)s->n++);
}

/* The verdict is that of an undisturbed try, wherever the connection is cut. */
static void cut_everywhere(subject *s, const struct operation *op, net_way way, unsigned *tries)
{
    new_subject(s);
    op->prepare(s);
    uint64_t before = net_proxy_count(network, way);
    CHECK_OK(op->work(s));
    uint64_t bytes = net_proxy_count(network, way) - before;
    for (uint64_t after = 0; after < bytes; after++, ++*tries) {
        new_subject(s);
        op->prepare(s);
        net_proxy_cut_after(network, way, after);
        eyot_status r = op->work(s);
        net_proxy_heal(network);
        if (r)
            test_fail(__FILE__, __LINE__, "%s, cut after byte %llu %s the server: %s (%s)", op->name,
                      (unsigned long long)after, way == NET_TO_SERVER ? "to" : "from", eyot_status_name(r), err.text);
    }
}

TEST(redis_net__cut_at_every_byte_changes_no_verdict)
{
    unsigned tries = 0;
    begin();
    subject s = {.store = open_behind("pool=2&timeout=5000&retry=20000")};
    for (size_t i = 0; i < OPERATIONS; i++)
        for (int way = 0; way < 2; way++) cut_everywhere(&s, &operations[i], (net_way)way, &tries);
    eyot_store_close(s.store);
    CHECK(tries > 1000);
}

TEST(redis_net__cut_while_opening_is_tried_again)
{
    begin();
    eyot_store_close(open_behind("retry=10000"));
    for (int way = 0; way < 2; way++)
        for (uint64_t after = 0; after < 9000; after += 97) {
            net_proxy_cut_after(network, (net_way)way, after);
            eyot_store_close(open_behind("retry=10000"));
            net_proxy_heal(network);
        }
}

/* ---- time --------------------------------------------------------------------------------------------------------- */

enum { TIMEOUT = 300 };

static unsigned patience(void)
{
    const char *times = getenv("EYOT_TEST_PATIENCE");
    return times && atoi(times) > 0 ? (unsigned)atoi(times) : 1;
}

/* It fails, after the time that was given and a tenth at most; the scheduler of a loaded machine gets a little more. */
static void fails_in_time(subject *s, unsigned least_ms, unsigned most_ms)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (operations[i].work == do_value) continue; /* two calls */
        uint64_t before = test_now_ms();
        eyot_status r = operations[i].work(s);
        uint64_t took = test_now_ms() - before;
        if (operations[i].work != do_delete_of_nothing) CHECK_STATUS(r, EYOT_EIO);
        CHECK_HAS(err.text, "redis store at");
        if (took < least_ms || took > most_ms + most_ms / 10 + 300 * patience())
            test_fail(__FILE__, __LINE__, "%s: %llu ms", operations[i].name, (unsigned long long)took);
    }
}

static void check_alive(subject *s)
{
    net_proxy_heal(network);
    new_subject(s);
    CHECK_OK(create(s, "w"));
    CHECK_OK(do_commit(s));
}

TEST(redis_net__black_hole_ends_with_the_timeout)
{
    begin();
    subject s = {.store = open_behind("timeout=300&retry=0")};
    new_subject(&s);
    net_proxy_stop_after(network, NET_TO_SERVER, 0);
    fails_in_time(&s, TIMEOUT, TIMEOUT);
    check_alive(&s);
    eyot_store_close(s.store);
}

TEST(redis_net__black_hole_ends_with_the_retries)
{
    begin();
    subject s = {.store = open_behind("timeout=100&retry=500")};
    new_subject(&s);
    net_proxy_stop_after(network, NET_TO_CLIENT, 0);
    fails_in_time(&s, 500, 500);
    check_alive(&s);
    eyot_store_close(s.store);
}

TEST(redis_net__trickle_is_no_answer)
{
    begin();
    subject s = {.store = open_behind("timeout=300&retry=0")};
    new_subject(&s);
    net_proxy_trickle(network, 100);
    fails_in_time(&s, TIMEOUT, TIMEOUT);
    check_alive(&s);
    eyot_store_close(s.store);
}

TEST(redis_net__late_answers_are_no_answers_to_others)
{
    begin();
    subject s = {.store = open_behind("timeout=100&retry=0")};
    new_subject(&s);
    net_proxy_delay(network, 250);
    CHECK_STATUS(create(&s, "w"), EYOT_EIO);
    check_alive(&s);
    CHECK_INT(row_of(&s).head, 1);
    eyot_store_close(s.store);
}

TEST(redis_net__slow_answers_are_waited_for)
{
    begin();
    subject s = {.store = open_behind("timeout=5000")};
    net_proxy_delay(network, 30);
    new_subject(&s);
    CHECK_OK(create(&s, "w"));
    CHECK_OK(do_commit(&s));
    eyot_store_close(s.store);
}

TEST(redis_net__stopped_server_ends_with_the_timeout)
{
    begin();
    subject s = {.store = open_behind("timeout=300&retry=0")};
    new_subject(&s);
    redis_server_signal(SIGSTOP);
    fails_in_time(&s, TIMEOUT, TIMEOUT);
    redis_server_signal(SIGCONT);
    check_alive(&s);
    eyot_store_close(s.store);
}

/* 16 KiB per millisecond at most: longer than the timeout, which its progress puts off. */
TEST(redis_net__large_body_gets_the_time_it_needs)
{
    size_t n = ((size_t)24 << 20) * patience();
    char params[60], *body = malloc(n);
    begin();
    CHECK(body);
    memset(body, 'x', n);
    snprintf(params, sizeof params, "timeout=%u&retry=0", 1000 * patience());
    subject s = {.store = open_behind(params)};
    new_subject(&s);
    CHECK_OK(create(&s, "w"));
    eyot_entry e = {.seq = 1, .step = 1, .kind = EYOT_ENTRY_TASK, .body = {body, n}};
    eyot_commit c = {.run = text(s.id), .epoch = 1, .token = {1}, .entries = &e, .n_entries = 1, .lease_ms = 3600000};
    c.status = EYOT_RUN_RUNNING;
    net_proxy_delay(network, 1);
    if (eyot__store_commit(s.store, &c, 1, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
    net_proxy_heal(network);
    free(body);
    CHECK_OK(do_load(&s));
    eyot_store_close(s.store);
}

static void *keep_busy(void *arg)
{
    redis_server_say(redis_server_socket(), "EVAL \"while true do end\" 0");
    return arg;
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static void *end_busy(void *arg)
{
    sleep_ms(300);
    while (strncmp(redis_server_say(redis_server_socket(), "SCRIPT KILL"), "+OK", 3) != 0) sleep_ms(20);
    return arg;
}

TEST(redis_net__busy_server_is_waited_for)
{
    pthread_t busy, end;
    begin();
    subject s = {.store = open_behind("timeout=5000")};
    new_subject(&s);
    CHECK_OK(create(&s, "w"));
    redis_server_say(redis_server_socket(), "CONFIG SET busy-reply-threshold 50");
    CHECK(pthread_create(&busy, NULL, keep_busy, NULL) == 0);
    while (!strstr(redis_server_say(redis_server_socket(), "PING"), "BUSY")) sleep_ms(10);
    CHECK(pthread_create(&end, NULL, end_busy, NULL) == 0);
    CHECK_OK(do_commit(&s));
    CHECK(pthread_join(end, NULL) == 0 && pthread_join(busy, NULL) == 0);
    eyot_store_close(s.store);
}

static void *promote(void *arg)
{
    sleep_ms(300);
    redis_server_say(redis_server_socket(), "REPLICAOF NO ONE");
    return arg;
}

TEST(redis_net__server_that_became_a_replica_is_waited_for)
{
    pthread_t thread;
    begin();
    subject s = {.store = open_behind("timeout=5000")}, hasty = {.store = open_behind("retry=0")};
    new_subject(&s);
    CHECK_OK(create(&s, "w"));
    CHECK_HAS(redis_server_say(redis_server_socket(), "REPLICAOF 127.0.0.1 1"), "+OK");
    memcpy(hasty.id, s.id, sizeof s.id);
    CHECK_STATUS(do_commit(&hasty), EYOT_EIO);
    CHECK_HAS(err.text, "replica");
    CHECK(pthread_create(&thread, NULL, promote, NULL) == 0);
    CHECK_OK(do_commit(&s));
    CHECK(pthread_join(thread, NULL) == 0);
    eyot_store_close(hasty.store);
    eyot_store_close(s.store);
}

/* ---- servers that are none ---------------------------------------------------------------------------------------- */

static void open_at_liar(const void *bytes, size_t n, bool then_close)
{
    char url[300];
    eyot_store *store;
    net_proxy *liar = net_proxy_open(NULL);
    net_proxy_say(liar, bytes, n, then_close);
    snprintf(url, sizeof url, "redis+unix://%s?timeout=200&retry=0", net_proxy_socket(liar));
    uint64_t before = test_now_ms();
    eyot_status r = eyot_store_open(&store, url, &err);
    uint64_t took = test_now_ms() - before;
    net_proxy_close(liar);
    if (!r) test_fail(__FILE__, __LINE__, "a store was opened at \"%.40s\"", (const char *)bytes);
    CHECK_HAS(err.text, "redis store at");
    CHECK(took < 1500);
}

TEST(redis_net__what_is_no_server_is_refused)
{
    static const char *const lies[] = {"HTTP/1.1 400 Bad Request\r\n\r\n",
                                       "*2147483647\r\n",
                                       "*-7\r\n",
                                       "$99999999999999\r\nx",
                                       "$-5\r\n",
                                       ":x\r\n",
                                       "+OK\r\n",
                                       "$3\r\nab\r\n\r\n",
                                       "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
                                       "%1\r\n",
                                       "-ERR no\r\n",
                                       "\r\n",
                                       "$0\r\n\r\n",
                                       "*0\r\n",
                                       "$-1\r\n"};
    uint64_t random = test_seed();
    if (!getenv("EYOT_TEST_REDIS")) test_skip("no server of it");
    open_at_liar("", 0, true);
    open_at_liar("", 0, false);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) open_at_liar(lies[i], strlen(lies[i]), i % 2 == 0);
    for (unsigned i = 0; i < 100 * test_long(); i++) {
        unsigned char bytes[200];
        for (size_t k = 0; k < sizeof bytes; k++) bytes[k] = (unsigned char)test_random(&random);
        bytes[0] = (unsigned char)"+-:$*"[test_random(&random) % 5];
        open_at_liar(bytes, sizeof bytes, true);
    }
}
