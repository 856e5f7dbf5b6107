/* SPDX-License-Identifier: MIT */
#include "bench/mysql_raw.h"

#if HAVE_MYSQL

#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mysql_raw {
    MYSQL *db;
    MYSQL_STMT *update, *insert, *load;
    uint64_t head, from;
};

static void must(mysql_raw *r, int good)
{
    if (good) return;
    fprintf(stderr, "bench: %s\n", mysql_error(r->db));
    exit(1);
}

static void run(mysql_raw *r, const char *sql)
{
    must(r, mysql_query(r->db, sql) == 0);
}

static MYSQL_STMT *prepare(mysql_raw *r, const char *sql)
{
    MYSQL_STMT *st = mysql_stmt_init(r->db);
    must(r, st && mysql_stmt_prepare(st, sql, strlen(sql)) == 0);
    return st;
}

mysql_raw *mysql_raw_open(const char *url)
{
    char user[64], password[64], database[64], socket[200];
    mysql_raw *r = calloc(1, sizeof *r);
    if (!r || sscanf(url, "mysql://%63[^:]:%63[^@]@localhost/%63[^?]?socket=%199[^&]", user, password, database,
                     socket) != 4) {
        fprintf(stderr, "bench: EYOT_TEST_MYSQL is not as test/services.sh has it\n");
        exit(1);
    }
    r->db = mysql_init(NULL);
    must(r, mysql_real_connect(r->db, NULL, user, password, database, 0, socket, CLIENT_FOUND_ROWS) != NULL);
    run(r, "DROP TABLE IF EXISTS raw_run, raw_entry");
    run(r,
        "CREATE TABLE raw_run(shard TINYINT UNSIGNED NOT NULL, run_id VARBINARY(128) NOT NULL, head BIGINT NOT NULL, "
        "steps BIGINT NOT NULL, epoch BIGINT NOT NULL, due_ms BIGINT NOT NULL, PRIMARY KEY(shard, run_id)) "
        "ENGINE=InnoDB");
    run(r,
        "CREATE TABLE raw_entry(shard TINYINT UNSIGNED NOT NULL, run_id VARBINARY(128) NOT NULL, seq BIGINT NOT NULL, "
        "step BIGINT NOT NULL, kind TINYINT NOT NULL, task VARBINARY(256) NOT NULL, body LONGBLOB NOT NULL, "
        "PRIMARY KEY(shard, run_id, seq)) ENGINE=InnoDB");
    run(r, "INSERT INTO raw_run VALUES(7, '0190a5b2-7c3f-7000-000000000000', 0, 0, 1, 0)");
    run(r, "SET autocommit = 0");
    run(r, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED");
    r->update = prepare(r, "UPDATE raw_run SET head = head + 1, steps = steps + 1, due_ms = ? WHERE shard = 7 AND "
                           "run_id = '0190a5b2-7c3f-7000-000000000000' AND epoch = 1 AND head = ?");
    r->insert = prepare(r, "INSERT INTO raw_entry VALUES(7, '0190a5b2-7c3f-7000-000000000000', ?, 1, 1, 'step@2', ?)");
    r->load = prepare(r, "SELECT r.head, e.seq, e.step, e.kind, e.task, e.body FROM raw_run r JOIN raw_entry e "
                         "ON e.shard = r.shard AND e.run_id = r.run_id WHERE r.shard = 7 AND "
                         "r.run_id = '0190a5b2-7c3f-7000-000000000000' AND e.seq >= ? ORDER BY e.seq");
    return r;
}

void mysql_raw_close(mysql_raw *r)
{
    mysql_stmt_close(r->update);
    mysql_stmt_close(r->insert);
    mysql_stmt_close(r->load);
    run(r, "DROP TABLE raw_run, raw_entry");
    mysql_close(r->db);
    free(r);
}

static MYSQL_BIND number(uint64_t *at)
{
    return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = at, .is_unsigned = 1};
}

void mysql_raw_steps(mysql_raw *r, size_t n, const void *body, size_t len)
{
    unsigned long length = (unsigned long)len;
    for (size_t i = 0; i < n; i++) {
        uint64_t due = 1700000000000u + r->head, seq = r->head + 1;
        MYSQL_BIND update[2] = {number(&due), number(&r->head)}, insert[2] = {number(&seq), {0}};
        insert[1].buffer_type = MYSQL_TYPE_BLOB;
        insert[1].buffer = (void *)(uintptr_t)body;
        insert[1].buffer_length = length;
        insert[1].length = &length;
        must(r, mysql_stmt_bind_param(r->update, update) == 0 && mysql_stmt_execute(r->update) == 0 &&
                    mysql_stmt_affected_rows(r->update) == 1);
        must(r, mysql_stmt_bind_param(r->insert, insert) == 0 && mysql_stmt_execute(r->insert) == 0);
        run(r, "COMMIT");
        r->head++;
    }
}

uint64_t mysql_raw_load(mysql_raw *r, size_t entries)
{
    uint64_t from = r->head - entries + 1, numbers[4], bytes = 0;
    char task[300], body[2000];
    unsigned long lengths[2];
    MYSQL_BIND arg = number(&from);
    MYSQL_BIND out[6] = {number(&numbers[0]), number(&numbers[1]), number(&numbers[2]), number(&numbers[3])};
    out[4] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_BLOB, .buffer = task, .buffer_length = sizeof task};
    out[5] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_BLOB, .buffer = body, .buffer_length = sizeof body};
    out[4].length = &lengths[0];
    out[5].length = &lengths[1];
    must(r, mysql_stmt_bind_param(r->load, &arg) == 0 && mysql_stmt_execute(r->load) == 0 &&
                mysql_stmt_bind_result(r->load, out) == 0 && mysql_stmt_store_result(r->load) == 0);
    while (mysql_stmt_fetch(r->load) == 0) bytes += lengths[0] + lengths[1] + numbers[1];
    mysql_stmt_free_result(r->load);
    run(r, "COMMIT");
    return bytes;
}

#else
typedef int mysql_raw_is_not_here;
#endif
