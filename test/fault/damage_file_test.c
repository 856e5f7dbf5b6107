/* SPDX-License-Identifier: MIT */
/* A SQLite store that is damaged behind its back: rows by SQL, and the bytes of its file. */
#include "test/fault/damage.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <eyot/stores.h>

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/tally.h"

#if defined(EYOT_HAVE_SQLITE)
#include <sqlite3.h>

static char file[4300], url[4400];

static void set_file(const char *name)
{
    snprintf(file, sizeof file, "%s/%s", test_dir(), name);
    snprintf(url, sizeof url, "sqlite:%s?sync=normal", file);
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

static void change_row(const char *sql, const char *id)
{
    sqlite3 *db;
    char *text = NULL;
    CHECK_OK(sqlite3_open(file, &db));
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    char *whole = sqlite3_mprintf(sql, id);
    if (sqlite3_exec(db, whole, NULL, NULL, &text)) test_fail(__FILE__, __LINE__, "%s: %s", whole, text);
    CHECK(sqlite3_changes(db) > 0);
    sqlite3_free(whole);
    CHECK_OK(sqlite3_close(db));
}

TEST(damage_row__is_found_or_makes_no_difference)
{
    static const char *const changes[] = {
        "UPDATE run SET head = head + 1 WHERE id = %Q",
        "UPDATE run SET head = head - 1 WHERE id = %Q",
        "UPDATE run SET head = snapshot_seq - 1 WHERE id = %Q",
        "UPDATE run SET head = 0 WHERE id = %Q",
        "UPDATE run SET head = -1 WHERE id = %Q",
        "UPDATE run SET head = 9223372036854775807 WHERE id = %Q",
        "UPDATE run SET steps = steps + 1 WHERE id = %Q",
        "UPDATE run SET snapshot_seq = 0 WHERE id = %Q",
        "UPDATE run SET snapshot_seq = 1 WHERE id = %Q",
        "UPDATE run SET snapshot_seq = 2 WHERE id = %Q",
        "UPDATE run SET snapshot_seq = snapshot_seq - 1 WHERE id = %Q",
        "UPDATE run SET snapshot_seq = snapshot_seq + 1 WHERE id = %Q",
        "UPDATE run SET snapshot_seq = head WHERE id = %Q",
        "UPDATE run SET snapshot_seq = head + 1 WHERE id = %Q",
        "UPDATE run SET snapshot_seq = -1 WHERE id = %Q",
        "UPDATE run SET crc = 77 WHERE id = %Q",
        "UPDATE run SET attempts = 1 WHERE id = %Q",
        "UPDATE run SET token = x'00' WHERE id = %Q",
        "UPDATE run SET epoch = 7 WHERE id = %Q",
        "UPDATE entry SET seq = seq + 100 WHERE seq = 1 AND run = (SELECT no FROM run WHERE id = %Q)",
        "UPDATE entry SET seq = seq + 100 WHERE kind = 6 AND run = (SELECT no FROM run WHERE id = %Q)",
        "UPDATE entry SET kind = 7 WHERE seq = 3 AND run = (SELECT no FROM run WHERE id = %Q)",
        "UPDATE entry SET kind = 1 WHERE kind = 7 AND run = (SELECT no FROM run WHERE id = %Q)",
        "UPDATE entry SET body = x'' WHERE kind = 7 AND run = (SELECT no FROM run WHERE id = %Q)",
        "DELETE FROM entry WHERE kind = 7 AND seq > 1 AND run = (SELECT no FROM run WHERE id = %Q)",
        "DELETE FROM entry WHERE seq = 2 AND run = (SELECT no FROM run WHERE id = %Q)",
        "DELETE FROM entry WHERE seq = (SELECT head FROM run WHERE id = %Q)",
        "DELETE FROM entry WHERE run = (SELECT no FROM run WHERE id = %Q)",
    };
    damage_scene s;
    char id[16], healthy[16];
    unsigned found = 0;
    damage none = {.kind = DAMAGE_NONE}, row = {.kind = DAMAGE_ROW};
    set_file("row.db");
    damage_open(&s, url);
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        row.what = changes[i];
        snprintf(id, sizeof id, "d%u", i);
        snprintf(healthy, sizeof healthy, "h%u", i);
        damage_copy(&s, id, "q", &none);
        change_row(changes[i], id);
        damage_copy(&s, healthy, "q", &none);
        eyot_status latest = damage_look(&s, id, s.truth.n_steps / 2, &row);
        damage_work(&s, "q", id, latest, &row, healthy);
        found += latest != EYOT_OK;
    }
    printf("     %u changes of rows, %u of them in what a worker reads: parked\n",
           (unsigned)(sizeof changes / sizeof *changes), found);
    damage_close(&s);
}

/* ---- bytes of the file ------------------------------------------------------------------------------------------- */

static unsigned char *read_file(size_t *len)
{
    struct stat st;
    FILE *f = fopen(file, "rb");
    CHECK(f && fstat(fileno(f), &st) == 0);
    *len = (size_t)st.st_size;
    unsigned char *bytes = malloc(*len);
    CHECK(bytes && fread(bytes, 1, *len, f) == *len);
    fclose(f);
    return bytes;
}

static void write_file(const unsigned char *bytes, size_t len)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[4400];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", file, tails[i]);
        (void)unlink(path);
    }
    FILE *f = fopen(file, "wb");
    CHECK(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

/* Bits, a range of zeros, two pages that change places, an older page, the end. */
static size_t damage_file(unsigned char *bytes, size_t len, uint64_t *random)
{
    enum { PAGE = 4096 };
    unsigned char page[PAGE];
    size_t at = test_random(random) % len, n = 1 + test_random(random) % 2000;
    size_t p = test_random(random) % (len / PAGE) * PAGE, q = test_random(random) % (len / PAGE) * PAGE;
    switch (test_random(random) % 6) {
    case 0:
    case 1:
        for (n = 1 + n % 8; n > 0; n--)
            bytes[test_random(random) % len] ^= (unsigned char)(1u << test_random(random) % 8);
        return len;
    case 2: memset(bytes + at, 0, n < len - at ? n : len - at); return len;
    case 3:
        memcpy(page, bytes + p, PAGE);
        memcpy(bytes + p, bytes + q, PAGE);
        memcpy(bytes + q, page, PAGE);
        return len;
    case 4: memcpy(bytes + p, bytes + q, PAGE); return len;
    default: return at;
    }
}

TEST(damage_file__is_found_or_makes_no_difference)
{
    damage_scene s;
    size_t len, found = 0, refused = 0, n = 400 * test_long();
    uint64_t random = test_seed();
    set_file("file.db");
    damage_open(&s, url);
    damage_pack(&s);
    unsigned char *good = read_file(&len), *bad = malloc(len);
    CHECK(bad);
    for (size_t i = 0; i < n; i++) {
        damage d = {.kind = DAMAGE_FILE, .random = random, .what = "the file"};
        memcpy(bad, good, len);
        write_file(bad, damage_file(bad, len, &random));
        eyot_error e = {.text = ""};
        if (eyot_store_open(&s.store, url, &e)) {
            CHECK(e.status == EYOT_ECORRUPT || e.status == EYOT_EIO || e.status == EYOT_EFORMAT);
            CHECK_HAS(e.text, "file.db");
            refused++;
            continue;
        }
        found += damage_look(&s, "a", test_random(&random) % (s.truth.n_steps + 1), &d) != EYOT_OK;
        eyot_store_close(s.store);
    }
    printf("     a file of %zu bytes was damaged %zu times: refused %zu times, an error from the run %zu times\n", len,
           n, refused, found);
    write_file(good, len);
    damage_unpack(&s, url);
    damage_close(&s);
    free(good);
    free(bad);
}
#endif
