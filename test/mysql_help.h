/* SPDX-License-Identifier: MIT */
/* What the tests of the MySQL store share: runs, and a connection of their own behind the store's back. */
#ifndef EYOT_TEST_MYSQL_HELP_H
#define EYOT_TEST_MYSQL_HELP_H

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/net_proxy.h"

#include <eyot/stores.h>
#include <mysql.h>

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static eyot_error err;

/* ---- the server ---- */

static const char *server_url(void)
{
    const char *url = getenv("EYOT_TEST_MYSQL");
    if (!url && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "EYOT_TEST_MYSQL is not set");
    if (!url) test_skip("no server of it");
    return url;
}

static const char *server_socket(void)
{
    static char path[108];
    const char *at = strstr(server_url(), "socket=");
    if (!at) test_skip("the server has no socket");
    snprintf(path, sizeof path, "%.*s", (int)strcspn(at + 7, "&"), at + 7);
    return path;
}

/* Tables of each test have a prefix of their own. */
static char prefix[33];

static void new_prefix(void)
{
    static unsigned number;
    snprintf(prefix, sizeof prefix, "t%d_%u_", (int)getpid(), ++number);
}

static const char *url_at(const char *socket, const char *params)
{
    static char url[500];
    snprintf(url, sizeof url, "mysql://eyot:eyot@localhost/eyot?socket=%s&prefix=%s%s", socket, prefix, params);
    return url;
}

UNUSED static eyot_store *open_at(const char *socket, const char *params)
{
    eyot_store *store;
    eyot_status r = eyot_store_open(&store, url_at(socket, params), &err);
    if (r) test_fail(__FILE__, __LINE__, "%s: %s", url_at(socket, params), err.text);
    return store;
}

UNUSED static eyot_status open_status(const char *url, uint32_t flags)
{
    eyot_store *store;
    eyot_status r = eyot_store_open_with(&store, url, flags, &err);
    if (!r) eyot_store_close(store);
    return r;
}

/* ---- behind the store's back ---- */

UNUSED static MYSQL *raw_open(const char *socket)
{
    MYSQL *db = mysql_init(NULL);
    if (!mysql_real_connect(db, "localhost", "eyot", "eyot", "eyot", 0, socket, 0))
        test_fail(__FILE__, __LINE__, "%s: %s", socket, mysql_error(db));
    return db;
}

/* '$' in the text is the prefix. The first column of the first row. */
__attribute__((format(printf, 2, 3))) UNUSED static const char *sql(MYSQL *db, const char *fmt, ...)
{
    static char result[200];
    char text[2000], full[4000];
    size_t n = 0;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (const char *p = text; *p && n < sizeof full - 40; p++) {
        if (*p == '$')
            n += (size_t)snprintf(full + n, sizeof full - n, "%s", prefix);
        else
            full[n++] = *p;
    }
    full[n] = '\0';
    result[0] = '\0';
    if (mysql_query(db, full) != 0) test_fail(__FILE__, __LINE__, "%s: %s", full, mysql_error(db));
    MYSQL_RES *rows = mysql_store_result(db);
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    if (row && row[0]) snprintf(result, sizeof result, "%s", row[0]);
    mysql_free_result(rows);
    return result;
}

/* ---- runs ---- */

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

/* A run that is held in epoch 1 with a token of zeros. */
UNUSED static eyot_status make_run(eyot_store *store, const char *id)
{
    eyot_run_row row = {.run = text(id), .graph = text("g"), .fingerprint = text("f"), .owner = text("w")};
    eyot_commit c = {.run = text(id), .status = EYOT_RUN_RUNNING, .lease_ms = 3600000};
    return eyot__store_create_run(store, &row, text("{}"), &c, &err);
}

static eyot_commit commit_of(const char *id, uint64_t head, const eyot_entry *e)
{
    eyot_commit c = {.run = text(id), .epoch = 1, .head = head, .entries = e, .n_entries = 1, .lease_ms = 3600000};
    c.status = EYOT_RUN_RUNNING;
    c.crc = (uint32_t)head + 1;
    return c;
}

static eyot_entry entry_of(uint64_t seq, const char *body)
{
    return (eyot_entry){.seq = seq, .step = seq, .kind = EYOT_ENTRY_TASK, .key = text("k"), .body = text(body)};
}

UNUSED static eyot_status add(eyot_store *store, const char *id, uint64_t head, const char *body)
{
    eyot_entry e = entry_of(head + 1, body);
    eyot_commit c = commit_of(id, head, &e);
    eyot_status r = eyot__store_commit(store, &c, 1, &err);
    return r ? r : c.result;
}

static eyot_status take_row(void *arg, const eyot_run_row *row)
{
    eyot_run_row *kept = arg;
    *kept = *row;
    kept->run = kept->graph = kept->fingerprint = kept->origin = kept->queue = eyot__bytes(NULL, 0);
    kept->owner.p = NULL;
    return EYOT_OK;
}

UNUSED static eyot_run_row row_of(eyot_store *store, const char *id)
{
    eyot_run_row row = {.head = 0};
    eyot_status r = eyot__store_get_run(store, text(id), take_row, &row, &err);
    if (r) test_fail(__FILE__, __LINE__, "run %s: %s", id, err.text);
    return row;
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

/* Entries of a run without snapshots, which must be numbered 1, 2, 3 … */
UNUSED static uint64_t loaded(eyot_store *store, const char *id)
{
    counted c = {.n = 0};
    CHECK_OK(eyot__store_load(store, text(id), UINT64_MAX, count, &c, &err));
    CHECK(c.n == 0 || c.in_order);
    return c.n;
}

UNUSED static eyot_status claim_run(eyot_store *store, const char *id, uint64_t steal, uint8_t token, eyot_run_row *row)
{
    eyot_claim c = {.run = text(id), .owner = text("w2"), .lease_ms = 3600000, .steal_epoch = steal};
    memset(c.token, token, sizeof c.token);
    return eyot__store_claim(store, &c, take_row, row, &err);
}

UNUSED static void pause_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

#endif
