/* SPDX-License-Identifier: MIT */
/* The backends that fleets are tried with, and what is done to them behind their backs. */
#define _XOPEN_SOURCE 700
#include "test/crash/fleet.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include <eyot/stores.h>

#include "test/crash/crash.h"
#include "test/eyot_test.h"

#if EYOT_HAVE_SQLITE
#include <sqlite3.h>
#endif

const fleet_backend fleet_sqlite = {"sqlite", "sqlite:%s/fleet.db"};
const fleet_backend fleet_mysql = {"mysql", "$EYOT_TEST_MYSQL"};
const fleet_backend fleet_redis = {"redis", "$EYOT_TEST_REDIS"};
const fleet_backend fleet_redis_cluster = {"redis cluster", "$EYOT_TEST_REDIS_CLUSTER"};

static const char *server_of(const fleet_backend *b)
{
    const char *url = getenv(b->url + 1);
    if (!url && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "%s is not set", b->url + 1);
    if (!url) test_skip("no server of it");
    return url;
}

void fleet_url(const fleet_backend *b, char *out, size_t size)
{
    static unsigned number;
    if (*b->url == '$') {
        const char *url = server_of(b);
        snprintf(out, size, "%s%cprefix=f%d_%u_", url, strchr(url, '?') ? '&' : '?', (int)getpid(), ++number);
        return;
    }
#if EYOT_HAVE_SQLITE
    snprintf(out, size, "sqlite:%s/fleet%u.db", test_dir(), ++number);
#else
    test_skip("this build has no SQLite");
#endif
}

/* ---- other programs --------------------------------------------------------------------------------------------- */

extern char **environ;

static pid_t spawn_script(const char *name, char **args)
{
    static char path[4300];
    pid_t pid;
    snprintf(path, sizeof path, EYOT_TEST_DATA "/crash/%s", name);
    args[0] = path;
    if (posix_spawn(&pid, path, NULL, NULL, args, environ)) test_fail(__FILE__, __LINE__, "cannot start %s", path);
    return pid;
}

/* ---- deeds ------------------------------------------------------------------------------------------------------ */

#if EYOT_HAVE_SQLITE
static void sqlite_do(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &text)) test_fail(__FILE__, __LINE__, "%s: %s", sql, text);
}

/* All tables but those of SQLite itself. */
static void sqlite_copy(sqlite3 *db, bool back)
{
    static const char *const tables[] = {"graph", "run", "entry", "inbox", "outbox", "value", "tombstone"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const char *t = tables[i];
        char sql[300];
        if (back)
            snprintf(sql, sizeof sql, "DELETE FROM main.%s; INSERT INTO main.%s SELECT * FROM old.%s", t, t, t);
        else
            snprintf(sql, sizeof sql, "DROP TABLE IF EXISTS old.%s; CREATE TABLE old.%s AS SELECT * FROM main.%s", t, t,
                     t);
        sqlite_do(db, sql);
    }
}

static void do_sqlite(const char *url, fleet_deed deed, int64_t ms)
{
    sqlite3 *db;
    char *sql = sqlite3_mprintf("ATTACH '%q.old' AS old", strchr(url, ':') + 1);
    CHECK_OK(sqlite3_open(strchr(url, ':') + 1, &db));
    sqlite3_busy_timeout(db, 30000);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite_do(db, "PRAGMA wal_autocheckpoint = 0");
    sqlite_do(db, sql);
    sqlite3_free(sql);
    sqlite_do(db, "BEGIN IMMEDIATE");
    if (deed == FLEET_SHIFT) {
        sql = sqlite3_mprintf("UPDATE run SET due_ms = due_ms + %lld WHERE owner <> ''", (long long)ms);
        sqlite_do(db, sql);
        sqlite3_free(sql);
    } else {
        sqlite_copy(db, deed == FLEET_RESTORE);
    }
    sqlite_do(db, "COMMIT");
    sqlite3_close(db);
}
#else
static void do_sqlite(const char *url, fleet_deed deed, int64_t ms)
{
    (void)url, (void)deed, (void)ms;
}
#endif

void fleet_do(const fleet_backend *b, const char *url, fleet_deed deed, int64_t ms)
{
    static char *const verbs[] = {"save", "restore", "shift"};
    char copy[4300], number[32], *args[] = {NULL, copy, verbs[deed], number, NULL};
    if (b == &fleet_sqlite) {
        do_sqlite(url, deed, ms);
        return;
    }
    snprintf(copy, sizeof copy, "%s", url);
    snprintf(number, sizeof number, "%lld", (long long)ms);
    CHECK_INT(crash_reap(spawn_script("behind.sh", args)), 0);
}

/* ---- a server of one's own -------------------------------------------------------------------------------------- */

static void await_server(const char *url)
{
    eyot_store *store = NULL;
    eyot_error e = {.status = EYOT_OK};
    uint64_t until = test_now_ms() + 30000 * fleet_patience();
    while (eyot_store_open(&store, url, &e)) {
        if (test_now_ms() > until) test_fail(__FILE__, __LINE__, "the server did not start: %s", e.text);
        tally_pause_us(20000);
    }
    eyot_store_close(store);
}

void fleet_server_start(fleet_server *s)
{
    char *args[] = {NULL, s->name, s->dir, s->setting[0] ? s->setting : NULL, s->value[0] ? s->value : NULL, NULL};
    s->pid = spawn_script("own_server.sh", args);
}

void fleet_server_open(fleet_server *s, const fleet_backend *b, const char *setting, const char *value, char *url,
                       size_t size)
{
    (void)server_of(b); /* where there is no other server, there is none of it at all */
    memset(s, 0, sizeof *s);
    snprintf(s->name, sizeof s->name, "%s", b->name);
    snprintf(s->dir, sizeof s->dir, "%s/server", test_dir());
    snprintf(s->setting, sizeof s->setting, "%s", setting);
    snprintf(s->value, sizeof s->value, "%s", value);
    if (b == &fleet_mysql)
        snprintf(url, size, "mysql://eyot:eyot@localhost/eyot?socket=%s/socket", s->dir);
    else
        snprintf(url, size, "redis+unix://%s/socket?db=0", s->dir);
    fleet_server_start(s);
    await_server(url);
}

void fleet_server_kill(fleet_server *s)
{
    if (!s->pid) return;
    kill(s->pid, SIGKILL);
    CHECK_INT(crash_reap(s->pid), 1000 + SIGKILL);
    s->pid = 0;
}
