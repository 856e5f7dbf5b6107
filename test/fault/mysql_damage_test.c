/* SPDX-License-Identifier: MIT */
/* Runs that are damaged in a MySQL, behind the store's back. */
#include "test/mysql_help.h"

#include "test/fault/damage.h"
#include "test/tally.h"

static void change_run(MYSQL *db, const char *change, const char *id)
{
    char text_of[500];
    const char *at = strstr(change, "%s");
    snprintf(text_of, sizeof text_of, "%.*s%s%s", (int)(at - change), change, id, at + 2);
    sql(db, "%s", text_of);
    CHECK(mysql_affected_rows(db) > 0);
}

TEST(mysql_damage__behind_its_back_is_found_or_makes_no_difference)
{
    static const char *const changes[] = {
        "UPDATE $run SET head = head + 1 WHERE run_id = '%s'",
        "UPDATE $run SET head = 18446744073709551615 WHERE run_id = '%s'",
        "UPDATE $run SET steps = steps + 1 WHERE run_id = '%s'",
        "UPDATE $run SET snapshot_seq = 0 WHERE run_id = '%s'",
        "UPDATE $run SET snapshot_seq = 1 WHERE run_id = '%s'",
        "UPDATE $run SET snapshot_seq = 2 WHERE run_id = '%s'",
        "UPDATE $run SET snapshot_seq = snapshot_seq - 1 WHERE run_id = '%s'",
        "UPDATE $run SET snapshot_seq = snapshot_seq + 1 WHERE run_id = '%s'",
        "UPDATE $run SET snapshot_seq = head + 1 WHERE run_id = '%s'",
        "UPDATE $run SET crc = 77 WHERE run_id = '%s'",
        "UPDATE $entry SET body = CONCAT('x', body) WHERE seq = 1 AND run_id = '%s'",
        "UPDATE $entry SET body = '' WHERE kind = 7 AND run_id = '%s'",
        "UPDATE $entry SET body = LEFT(body, 20) WHERE kind = 6 AND run_id = '%s'",
        "UPDATE $entry SET body = INSERT(body, 12, 1, '!') WHERE kind = 1 AND run_id = '%s'",
        "UPDATE $entry SET step = step + 1 WHERE kind = 7 AND run_id = '%s'",
        "UPDATE $entry SET kind = 1 WHERE kind = 7 AND run_id = '%s'",
        "UPDATE $entry SET kind = 7 WHERE seq = 3 AND run_id = '%s'",
        "UPDATE $entry SET seq = seq + 100 WHERE seq = 1 AND run_id = '%s'",
        "UPDATE $entry SET seq = seq + 100 WHERE kind = 6 AND run_id = '%s'",
        "DELETE FROM $entry WHERE kind = 7 AND seq > 1 AND run_id = '%s'",
        "DELETE FROM $entry WHERE kind = 6 AND run_id = '%s'",
        "DELETE FROM $entry WHERE seq = 2 AND run_id = '%s'",
        "DELETE FROM $entry WHERE run_id = '%s'",
    };
    damage_scene s;
    char id[16], healthy[16];
    unsigned found = 0;
    damage none = {.kind = DAMAGE_NONE}, row = {.kind = DAMAGE_ROW};
    const char *socket = server_socket();
    new_prefix();
    damage_open(&s, url_at(socket, ""));
    MYSQL *db = raw_open(socket);
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        row.what = changes[i];
        snprintf(id, sizeof id, "d%u", i);
        snprintf(healthy, sizeof healthy, "h%u", i);
        damage_copy(&s, id, "q", &none);
        change_run(db, changes[i], id);
        damage_copy(&s, healthy, "q", &none);
        eyot_status latest = damage_look(&s, id, s.truth.n_steps / 2, &row);
        damage_work(&s, "q", id, latest, &row, healthy);
        found += latest != EYOT_OK;
    }
    printf("     %u changes, %u of them in what a worker reads\n", (unsigned)(sizeof changes / sizeof *changes), found);
    mysql_close(db);
    damage_close(&s);
}

/* Loading tells; a history or an export, which reads page by page while others commit, ends where the row says. */
TEST(mysql_damage__a_head_that_is_too_low_is_found_by_loading)
{
    damage_scene s;
    damage none = {.kind = DAMAGE_NONE};
    eyot_checkpoint *c;
    eyot_error e;
    const char *socket = server_socket();
    new_prefix();
    damage_open(&s, url_at(socket, ""));
    MYSQL *db = raw_open(socket);
    damage_copy(&s, "low", "q", &none);
    change_run(db, "UPDATE $run SET head = head - 1 WHERE run_id = '%s'", "low");
    CHECK_STATUS(eyot_store_load_latest_checkpoint(&c, s.store, s.graph, "low", &e), EYOT_ECORRUPT);
    CHECK_HAS(e.text, "run low: entry");
    mysql_close(db);
    damage_close(&s);
}
