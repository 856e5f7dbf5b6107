/* SPDX-License-Identifier: MIT */
/* A store that cannot be written, or has been damaged, in the middle of a run: a clear error, nothing lost, and the run goes
 * on once the store is good again. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(EYOT_HAVE_SQLITE)
#include <sqlite3.h>
#endif

#include "test/crash/crash.h"
#include "test/eyot_test.h"

TEST(crash_helper__an_undisturbed_job_is_done)
{
    crash_helper();
}

#if defined(EYOT_HAVE_SQLITE)

typedef struct scene {
    crash_job job;
    char file[4300], url[4320], log[4300];
    char says[1200]; /* what the last helper reported */
    uint64_t want;
} scene;

static void set_scene(scene *s, const char *name)
{
    memset(s, 0, sizeof *s);
    s->job = (crash_job){.threads = 3, .pad = 400, .run = "r", .url = s->url, .log = s->log};
    snprintf(s->file, sizeof s->file, "%s/%s.db", test_dir(), name);
    snprintf(s->url, sizeof s->url, "sqlite:%s", s->file);
    snprintf(s->log, sizeof s->log, "%s/%s.log", test_dir(), name);
    s->want = crash_want(&s->job);
}

/* One life; how the helper ended. */
static int live(scene *s)
{
    int fds[2];
    size_t len = 0;
    CHECK_OK(pipe(fds));
    CHECK_OK(fcntl(fds[0], F_SETFD, FD_CLOEXEC));
    s->job.report = fds[1];
    pid_t pid = crash_spawn(&s->job);
    close(fds[1]);
    for (ssize_t n; (n = read(fds[0], s->says + len, sizeof s->says - 1 - len)) > 0;) len += (size_t)n;
    s->says[len] = 0;
    close(fds[0]);
    s->job.life++;
    return crash_reap(pid);
}

/* A life that ends when the log has `lines` lines. */
static void live_until(scene *s, size_t lines)
{
    crash_job job = s->job;
    job.report = 0;
    job.pause_us = 2000;
    pid_t pid = crash_spawn(&job);
    for (size_t n = 0; n < lines; tally_pause_us(500)) {
        crash_lines log = crash_read_log(s->log);
        n = log.n;
        free(log.lines);
    }
    kill(pid, SIGKILL);
    CHECK_INT(crash_reap(pid), 1000 + SIGKILL);
    s->job.life++;
}

static tally_log stored(const scene *s)
{
    eyot_store *store = tally_store(s->url);
    tally_log log = tally_entries(store, "r");
    eyot_store_close(store);
    return log;
}

/* What was stored before is stored still, and none of it ran again in the last life. */
static void check_kept(const scene *s, tally_log *before)
{
    tally_log after = stored(s);
    crash_lines log = crash_read_log(s->log);
    CHECK(after.n >= before->n);
    CHECK(before->n == 0 || memcmp(after.entries, before->entries, before->n * sizeof(tally_entry)) == 0);
    for (size_t i = 0; i < log.n; i++)
        if (log.lines[i].kind == 'E' && log.lines[i].life + 1 == s->job.life && tally_has(before, log.lines[i].key))
            test_fail(__FILE__, __LINE__, "committed task %s ran again", log.lines[i].key);
    free(log.lines);
    tally_log_free(before);
    *before = after;
}

static void finish(scene *s, tally_log *before)
{
    char want[32], said[32] = "";
    int code = live(s);
    if (code != CRASH_DONE) test_fail(__FILE__, __LINE__, "the last life ended with %d: %s", code, s->says);
    check_kept(s, before);
    crash_lines log = crash_read_log(s->log);
    snprintf(want, sizeof want, "%llx", (unsigned long long)s->want);
    for (size_t i = 0; i < log.n; i++)
        if (log.lines[i].kind == 'R') snprintf(said, sizeof said, "%s", log.lines[i].key);
    CHECK_STR(said, want);
    free(log.lines);
    tally_log_free(before);
}

/* ---- no room ---------------------------------------------------------------------------------------------------- */

/* The file may grow to so many bytes, then some more, and so on until it is enough. */
TEST(room_full__the_run_fails_and_goes_on_when_there_is_room)
{
    scene s;
    tally_log before = {NULL, 0, 0};
    unsigned failed = 0, begun = 0;
    size_t grown = 0;
    set_scene(&s, "full");
    for (s.job.file_limit = 40000; failed < 100; s.job.file_limit += 30000) {
        int code = live(&s);
        if (code == CRASH_DONE) break;
        if (code != CRASH_FAILED && code != CRASH_NOT_RESUMED)
            test_fail(__FILE__, __LINE__, "with %lu bytes it ended with %d: %s", s.job.file_limit, code, s.says);
        failed++;
        begun += code == CRASH_FAILED;
        CHECK_HAS(s.says, "full.db");
        if (code == CRASH_FAILED) CHECK_HAS(s.says, "end -15"); /* EIO */
        size_t had = before.n;
        check_kept(&s, &before);
        grown += before.n > had;
    }
    printf("     it ran out of room %u times, %u of them in a run, which got on in %zu of them\n", failed, begun,
           grown);
    CHECK(begun >= 3 && grown >= 3);
    s.job.file_limit = 0;
    finish(&s, &before);
}

TEST(room_full__in_the_middle_of_a_run)
{
    scene s;
    set_scene(&s, "middle");
    live_until(&s, 200);
    tally_log before = stored(&s);
    struct stat st;
    CHECK_OK(stat(s.file, &st));
    CHECK(before.n > 20);
    s.job.file_limit = (unsigned long)st.st_size / 2 + 1; /* not even what is there */
    for (int i = 0; i < 3; i++) {
        CHECK(live(&s) != CRASH_DONE);
        CHECK_HAS(s.says, "middle.db");
        check_kept(&s, &before);
    }
    s.job.file_limit = 0;
    finish(&s, &before);
}

/* ---- read-only -------------------------------------------------------------------------------------------------- */

/* All files of the store, and their directory. */
static void set_modes(const scene *s, mode_t files, mode_t dir)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[4400];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", s->file, tails[i]);
        if (chmod(path, files) && i == 0) test_fail(__FILE__, __LINE__, "chmod %s", path);
    }
    CHECK_OK(chmod(test_dir(), dir));
}

TEST(room_readonly__resuming_is_refused_and_changes_nothing)
{
    scene s;
    set_scene(&s, "locked");
    live_until(&s, 100);
    tally_log before = stored(&s);
    set_modes(&s, 0444, 0555);
    s.job.uid = geteuid() == 0 ? 65534 : 0; /* root may write everything */
    CHECK_INT(live(&s), CRASH_NOT_RESUMED);
    s.job.uid = 0;
    set_modes(&s, 0600, 0700);
    CHECK_HAS(s.says, "locked.db");
    CHECK(strstr(s.says, "read-only") || strstr(s.says, "Permission denied"));
    check_kept(&s, &before);
    finish(&s, &before);
}

/* ---- damaged ---------------------------------------------------------------------------------------------------- */

static unsigned char *read_all(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    CHECK(f && fstat(fileno(f), &st) == 0);
    unsigned char *bytes = malloc((size_t)st.st_size + 1);
    CHECK(bytes && fread(bytes, 1, (size_t)st.st_size, f) == (size_t)st.st_size);
    fclose(f);
    *len = (size_t)st.st_size;
    return bytes;
}

static void write_all(const char *path, const unsigned char *bytes, size_t len)
{
    FILE *f = fopen(path, "r+b");
    CHECK(f && fwrite(bytes, 1, len, f) == len);
    CHECK_OK(fclose(f));
    CHECK_OK(truncate(path, (off_t)len));
}

static void gather_in_one_file(const scene *s)
{
    sqlite3 *db;
    CHECK_OK(sqlite3_open(s->file, &db));
    CHECK_OK(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL));
    CHECK_OK(sqlite3_close(db));
}

/* Bytes of a stored record are changed, here and there: whoever goes on with the run is told which entry of which run it is;
 * with the bytes as they were it goes on. */
TEST(room_damaged__a_changed_record_is_found_and_named)
{
    scene s;
    uint64_t random = test_seed();
    set_scene(&s, "damaged");
    live_until(&s, 200);
    tally_log before = stored(&s);
    gather_in_one_file(&s);
    size_t len, found = 0, hits = 0;
    unsigned char *good = read_all(s.file, &len), *bad = malloc(len);
    CHECK(bad);
    for (size_t at = 0; at + 400 < len; at++) { /* the padding of an update: 400 equal bytes */
        size_t n = 1;
        while (n < 400 && good[at + n] == good[at]) n++;
        if (n < 400 || good[at] == 0) continue;
        if (hits++ % 4 == 0) {
            memcpy(bad, good, len);
            bad[at + test_random(&random) % 400] ^= (unsigned char)(1u << test_random(&random) % 8);
            write_all(s.file, bad, len);
            int code = live(&s);
            if (code == CRASH_NOT_RESUMED) {
                CHECK_HAS(s.says, "resume -9"); /* ECORRUPT */
                CHECK_HAS(s.says, "run r, entry");
                found++;
            } else {
                CHECK_INT(code, CRASH_DONE); /* it was before the snapshot that a load begins with */
            }
            write_all(s.file, good, len);
        }
        at += 400;
    }
    free(good);
    free(bad);
    printf("     %zu records, %zu damaged ones were needed and found\n", hits, found);
    CHECK(hits > 20 && found > 0);
    finish(&s, &before);
}

#endif
