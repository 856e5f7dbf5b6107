/* SPDX-License-Identifier: MIT */
/* A Redis Cluster whose slots move. The contract of all stores is in store_suite.c, which has the cluster too. */
#include "core/hash.h"
#include "core/store.h"

#include <eyot/stores.h>

#include "test/eyot_test.h"
#include "test/redis_server.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static eyot_error err;

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

static unsigned first_port(void)
{
    const char *url = getenv("EYOT_TEST_REDIS_CLUSTER"), *colon = url ? strrchr(url, ':') : NULL;
    if (!colon) test_skip("no server of it");
    return (unsigned)strtoul(colon + 1, NULL, 10);
}

static const char *say(unsigned port, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *say(unsigned port, const char *format, ...)
{
    char command[1000], at[12];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    snprintf(at, sizeof at, "%u", port);
    return redis_server_say(at, command);
}

static eyot_store *open_cluster(const char *params)
{
    char url[300];
    eyot_store *store;
    snprintf(url, sizeof url, "%s?%s", getenv("EYOT_TEST_REDIS_CLUSTER"), params);
    eyot_status r = eyot_store_open(&store, url, &err);
    if (r) test_fail(__FILE__, __LINE__, "%s", err.text);
    return store;
}

TEST(redis_cluster__has_one_database)
{
    char url[300];
    eyot_store *store;
    first_port();
    snprintf(url, sizeof url, "%s/1", getenv("EYOT_TEST_REDIS_CLUSTER"));
    eyot_status r = eyot_store_open(&store, url, &err);
    CHECK(r == EYOT_EINVAL || r == EYOT_EIO);
    CHECK_HAS(err.text, "redis store at");
}

TEST(redis_cluster__is_what_its_weakest_node_is)
{
    eyot_store_info info;
    unsigned port = first_port();
    char prefix[40];
    snprintf(prefix, sizeof prefix, "prefix=c%d", (int)getpid());
    CHECK_HAS(say(port + 1, "CONFIG SET appendfsync everysec"), "+OK");
    eyot_store *store = open_cluster(prefix);
    CHECK_HAS(say(port + 1, "CONFIG SET appendfsync always"), "+OK");
    CHECK_OK(eyot_store_inform(store, &info, &err));
    CHECK_INT(info.durability, EYOT_CLASS_PROCESS);
    CHECK_HAS(info.reasons, "everysec");
    CHECK_HAS(info.version, "cluster");
    eyot_store_close(store);
    store = open_cluster(prefix);
    CHECK_OK(eyot_store_inform(store, &info, &err));
    CHECK_INT(info.durability, EYOT_CLASS_MACHINE);
    eyot_store_close(store);
}

/* ---- a slot that moves under a writer ------------------------------------------------------------------------------- */

static eyot_status make_run(eyot_store *store, const char *id)
{
    eyot_run_row row = {.run = text(id), .graph = text("g"), .fingerprint = text("f"), .owner = text("w")};
    eyot_commit c = {.run = text(id), .status = EYOT_RUN_RUNNING, .lease_ms = 3600000};
    return eyot__store_create_run(store, &row, text("{}"), &c, &err);
}

typedef struct writer {
    eyot_store *store;
    _Atomic uint64_t head;
    _Atomic bool over;
    _Atomic int failed; /* an eyot_status */
    eyot_error why;
} writer;

static eyot_status look_away(void *arg, const eyot_run_row *row)
{
    (void)arg, (void)row;
    return EYOT_OK;
}

static eyot_status count_entry(void *arg, const eyot_entry *entry)
{
    return entry->seq == ++*(uint64_t *)arg ? EYOT_OK : EYOT_ECORRUPT;
}

static void *write_on(void *arg)
{
    writer *w = arg;
    while (!w->over && !w->failed) {
        eyot_entry e = {.seq = w->head + 1, .step = 1, .kind = EYOT_ENTRY_TASK, .body = text("x")};
        eyot_commit c = {.run = text("a1"), .epoch = 1, .head = w->head, .entries = &e, .n_entries = 1};
        c.lease_ms = 3600000;
        c.status = EYOT_RUN_RUNNING;
        c.crc = (uint32_t)w->head;
        eyot_status r = eyot__store_commit(w->store, &c, 1, &w->why);
        if (!r && c.result != EYOT_EALREADY) r = c.result;
        if (!r) w->head++;
        if (!r) r = eyot__store_get_run(w->store, text("a1"), look_away, NULL, &w->why);
        w->failed = r;
    }
    return NULL;
}

static void node_id(unsigned port, char id[41])
{
    const char *answer = say(port, "CLUSTER MYID"), *line = strchr(answer, '\n');
    CHECK(line && strlen(line) > 40);
    snprintf(id, 41, "%.40s", line + 1);
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* Moves the keys of a slot one by one; key names come as lines of an answer. */
static void move_keys(unsigned from, unsigned to, unsigned slot)
{
    char keys[4096];
    snprintf(keys, sizeof keys, "%s", say(from, "CLUSTER GETKEYSINSLOT %u 100", slot));
    for (char *line = strtok(keys, "\r\n"); line; line = strtok(NULL, "\r\n")) {
        if (*line == '*' || *line == '$') continue;
        CHECK_HAS(say(from, "MIGRATE 127.0.0.1 %u %s 0 5000", to, line), "+");
        sleep_ms(2);
    }
}

static void move_slot(unsigned from, unsigned to, unsigned slot)
{
    char source[41], target[41];
    node_id(from, source);
    node_id(to, target);
    CHECK_HAS(say(to, "CLUSTER SETSLOT %u IMPORTING %s", slot, source), "+OK");
    CHECK_HAS(say(from, "CLUSTER SETSLOT %u MIGRATING %s", slot, target), "+OK");
    for (unsigned i = 0; i < 100 && !strstr(say(from, "CLUSTER COUNTKEYSINSLOT %u", slot), ":0"); i++)
        move_keys(from, to, slot);
    sleep_ms(20);
    CHECK_HAS(say(to, "CLUSTER SETSLOT %u NODE %s", slot, target), "+OK");
    CHECK_HAS(say(from, "CLUSTER SETSLOT %u NODE %s", slot, target), "+OK");
}

static void wait_for(const writer *w, uint64_t head)
{
    while (w->head < head && !w->failed) sleep_ms(1);
}

TEST(redis_cluster__slot_that_moves_loses_nothing)
{
    unsigned port = first_port(), slot, from = 0;
    char prefix[40], params[80];
    pthread_t thread;
    snprintf(prefix, sizeof prefix, "m%d", (int)getpid());
    snprintf(params, sizeof params, "prefix=%s", prefix);
    writer w = {.store = open_cluster(params)};
    CHECK_OK(make_run(w.store, "a1"));
    unsigned bucket = eyot__crc32c(0, "a1", 2) % 64;
    slot = (unsigned)strtoul(say(port, "CLUSTER KEYSLOT {q:%02u}", bucket) + 1, NULL, 10);
    for (unsigned i = 0; i < 3 && !from; i++)
        if (!strstr(say(port + i, "CLUSTER COUNTKEYSINSLOT %u", slot), ":0\r")) from = port + i;
    CHECK(from);
    unsigned to = port + (from - port + 1) % 3;
    CHECK(pthread_create(&thread, NULL, write_on, &w) == 0);
    wait_for(&w, 20);
    move_slot(from, to, slot);
    wait_for(&w, w.head + 20);
    CHECK_HAS(say(to, "EXISTS %s:{q:%02u}:run:a1", prefix, bucket), ":1");
    move_slot(to, from, slot);
    wait_for(&w, w.head + 20);
    w.over = true;
    CHECK(pthread_join(thread, NULL) == 0);
    if (w.failed) test_fail(__FILE__, __LINE__, "%s: %s", eyot_status_name((eyot_status)w.failed), w.why.text);
    uint64_t n = 0;
    CHECK_OK(eyot__store_load(w.store, text("a1"), UINT64_MAX, count_entry, &n, &err));
    CHECK(n == w.head);
    eyot_store_close(w.store);
}
