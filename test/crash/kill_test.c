/* SPDX-License-Identifier: MIT */
/* SIGKILL at random moments of a run with 50 parallel branches on SQLite, again and again; what is left is compared with an
 * undisturbed run, with the store before each life, and with a log of what the tasks did. */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "test/crash/crash.h"
#include "test/eyot_test.h"

TEST(crash_helper__an_undisturbed_job_is_done)
{
    crash_helper();
}

#if defined(EYOT_HAVE_SQLITE)

#define NEVER (-1.0)
enum {
    BUCKETS = 12, /* before the first step, ten deciles, after the end */
    LIVES = 4     /* of one run that end with a kill */
};

typedef struct campaign {
    crash_job job;
    eyot_store *store;
    char url[4300], log_path[4300], id[32];
    uint64_t want, random;
    tally_log calm;                      /* what an undisturbed run leaves in the store */
    double start_us, span_us;            /* from spawn to the first task, and from there to the end */
    unsigned kills, in_the_middle, lost; /* killed; of these with a task running; tasks that had begun in vain */
    unsigned histogram[BUCKETS];
    tally_log before; /* the entries when the current life began */
} campaign;

static double us_since(const struct timespec *t)
{
    struct timespec n;
    clock_gettime(CLOCK_MONOTONIC, &n);
    return (double)(n.tv_sec - t->tv_sec) * 1e6 + (double)(n.tv_nsec - t->tv_nsec) / 1e3;
}

static void sleep_until_us(const struct timespec *begin, double us)
{
    double left = us - us_since(begin);
    if (left > 0) tally_pause_us((long)left);
}

/* Every task that began in this life was not stored before it, and began once. With sync commits, what it follows from is
 * stored. Returns how many began and are not stored now. */
static unsigned check_life(const campaign *c, const tally_log *after, bool *task_was_running)
{
    crash_lines log = crash_read_log(c->log_path);
    unsigned lost = 0, begun = 0, done = 0;
    for (size_t i = 0; i < log.n; i++) {
        const crash_line *l = &log.lines[i];
        if (l->life != c->job.life) continue;
        done += l->kind == 'D';
        if (l->kind != 'E') continue;
        begun++;
        if (tally_has(&c->before, l->key))
            test_fail(__FILE__, __LINE__, "run %s, life %u: committed task %s ran again", c->id, l->life, l->key);
        for (size_t k = i + 1; k < log.n; k++)
            if (log.lines[k].kind == 'E' && log.lines[k].life == l->life && strcmp(log.lines[k].key, l->key) == 0)
                test_fail(__FILE__, __LINE__, "run %s, life %u: task %s ran twice", c->id, l->life, l->key);
        lost += !tally_has(after, l->key);
        if (c->job.durability != EYOT_SYNC || (l->key[0] != 'b' && l->key[0] != 'c')) continue;
        char earlier[48];
        snprintf(earlier, sizeof earlier, "%c%s", l->key[0] - 1, l->key + 1);
        if (!tally_has(after, earlier))
            test_fail(__FILE__, __LINE__, "run %s, life %u: %s began before %s was stored", c->id, l->life, l->key,
                      earlier);
    }
    *task_was_running = begun > done;
    free(log.lines);
    return lost;
}

static void check_prefix(const campaign *c, const tally_log *after)
{
    CHECK(after->n >= c->before.n);
    CHECK(c->before.n == 0 || memcmp(after->entries, c->before.entries, c->before.n * sizeof(tally_entry)) == 0);
}

static void count_kill(campaign *c, const tally_row *row, bool task_was_running)
{
    uint64_t total = c->calm.n ? tally_tasks(&c->calm) : 0;
    unsigned bucket = row->status == EYOT_RUN_DONE ? BUCKETS - 1 : 0;
    if (row->status != EYOT_RUN_DONE && row->steps > 0 && total) bucket = 1 + (unsigned)(row->steps * 10 / (total + 1));
    if (c->job.durability == EYOT_EXIT && row->status != EYOT_RUN_DONE) bucket = task_was_running ? 5 : 0;
    c->histogram[bucket]++;
    c->kills++;
    if (bucket > 0 && bucket < BUCKETS - 1 && task_was_running) c->in_the_middle++;
}

static void check_end(const campaign *c)
{
    crash_lines log = crash_read_log(c->log_path);
    tally_log entries = tally_entries(c->store, c->id);
    char want[32];
    unsigned results = 0, begun = 0;
    snprintf(want, sizeof want, "%llx", (unsigned long long)c->want);
    for (size_t i = 0; i < log.n; i++) {
        begun += log.lines[i].kind == 'E';
        if (log.lines[i].kind != 'R') continue;
        results++;
        CHECK_STR(log.lines[i].key, want);
    }
    CHECK(results > 0);
    if (c->job.durability != EYOT_EXIT) {
        CHECK_INT(tally_tasks(&entries), tally_tasks(&c->calm));
        for (size_t i = 0; i < c->calm.n; i++)
            if (c->calm.entries[i].kind == EYOT_ENTRY_TASK) CHECK(tally_has(&entries, c->calm.entries[i].key));
        /* Each ran once, and once more per kill that it was lost in. What was on its way to a server when its sender was
         * killed may be stored just after it was missed. */
        uint64_t most = tally_tasks(&entries) + c->lost;
        bool server = strstr(c->job.url, "://") != NULL;
        if (server)
            CHECK(begun <= most && begun >= tally_tasks(&entries));
        else
            CHECK_INT(begun, most);
    }
    eyot_graph *g = crash_graph(&c->job);
    eyot_checkpoint *checkpoint;
    CHECK_OK(eyot_store_load_latest_checkpoint(&checkpoint, c->store, g, c->id, NULL));
    CHECK_INT(eyot_checkpoint_status(checkpoint), EYOT_RUN_DONE);
    CHECK(crash_hash(eyot_checkpoint_state(checkpoint)) == c->want);
    eyot_checkpoint_free(checkpoint);
    eyot_graph_free(g);
    tally_log_free(&entries);
    free(log.lines);
}

/* One life of the run, killed after `us`. True: the run is done. */
static bool live(campaign *c, double us)
{
    struct timespec begin;
    int fds[2];
    char line[400] = "";
    c->before = tally_entries(c->store, c->id);
    CHECK_OK(pipe(fds));
    c->job.report = fds[1];
    clock_gettime(CLOCK_MONOTONIC, &begin);
    pid_t pid = crash_spawn(&c->job);
    close(fds[1]);
    if (us != NEVER) {
        sleep_until_us(&begin, us);
        kill(pid, SIGKILL);
    }
    int code = crash_reap(pid);
    ssize_t got = read(fds[0], line, sizeof line - 1);
    close(fds[0]);
    line[got > 0 ? got : 0] = 0;
    if (code != 1000 + SIGKILL && code != CRASH_DONE)
        test_fail(__FILE__, __LINE__, "run %s, life %u ended with %d: %s", c->id, c->job.life, code, line);
    unsigned long long ms = 0;
    if (sscanf(line, "resume %*d %llu", &ms) == 1 && ms >= 2000)
        test_fail(__FILE__, __LINE__, "run %s, life %u: it took %llu ms to go on", c->id, c->job.life, ms);
    tally_row row = tally_row_of(c->store, c->id);
    tally_log after = tally_entries(c->store, c->id);
    bool task_was_running;
    check_prefix(c, &after);
    unsigned lost = check_life(c, &after, &task_was_running);
    c->lost += lost;
    if (code != CRASH_DONE) count_kill(c, &row, task_was_running);
    if (code == CRASH_DONE && c->job.durability != EYOT_EXIT) CHECK_INT(lost, 0);
    tally_log_free(&c->before);
    tally_log_free(&after);
    c->job.life++;
    return code == CRASH_DONE;
}

static void next_run(campaign *c, int number)
{
    snprintf(c->id, sizeof c->id, "run-%d", number);
    snprintf(c->log_path, sizeof c->log_path, "%s/run-%d.log", test_dir(), number);
    c->job.run = c->id;
    c->job.log = c->log_path;
    c->job.life = 0;
    c->lost = 0;
}

/* How long it took from the spawn to the first task, and from there to the last word. */
static void measure(campaign *c, const struct timespec *begin)
{
    crash_lines log = crash_read_log(c->log_path);
    double began = (double)begin->tv_sec * 1e6 + (double)begin->tv_nsec / 1e3;
    c->start_us = (double)log.lines[0].ns / 1e3 - began;
    c->span_us = (double)log.lines[log.n - 1].ns / 1e3 - began - c->start_us;
    free(log.lines);
}

/* Undisturbed runs tell what one leaves and how long it takes; the first one makes the file. */
static void calibrate(campaign *c)
{
    for (int i = 0; i < 3; i++) {
        struct timespec begin;
        tally_log_free(&c->calm);
        next_run(c, i);
        clock_gettime(CLOCK_MONOTONIC, &begin);
        CHECK(live(c, NEVER));
        c->calm = tally_entries(c->store, c->id);
        check_end(c);
        measure(c, &begin);
    }
}

static int by_size(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : 1;
}

/* Moments of one run, as shares of it, in order; a few lie before its first task or after its end. */
static void choose_moments(campaign *c, double moments[LIVES])
{
    for (int i = 0; i < LIVES; i++)
        moments[i] = (double)(test_random(&c->random) >> 11) / 9007199254740992.0 * 1.04 - 0.02;
    qsort(moments, LIVES, sizeof moments[0], by_size);
}

/* When this life is to be killed, which begins with what was stored before. */
static double kill_at_us(const campaign *c, double moment)
{
    double done = (double)tally_row_of(c->store, c->id).steps / (double)(tally_tasks(&c->calm) + 1);
    double us = c->start_us + (moment - done) * c->span_us;
    return us > c->start_us * 0.9 ? us : c->start_us * 0.9;
}

static void print_histogram(const campaign *c)
{
    printf("     %u kills, %u of them between first and last commit with a task running; one run takes %.0f ms\n"
           "     before first |",
           c->kills, c->in_the_middle, c->span_us / 1e3);
    for (int i = 0; i < BUCKETS; i++) printf("%s %u", i == 1 || i == BUCKETS - 1 ? " |" : "", c->histogram[i]);
    printf("  | after the end\n");
}

static void kill_again_and_again_at(const char *url, eyot_durability durability, unsigned kills, unsigned middle)
{
    campaign c = {.job = {.durability = durability, .threads = 12, .pause_us = 4000, .pad = 200},
                  .random = test_seed()};
    kills *= test_long();
    middle *= test_long();
    snprintf(c.url, sizeof c.url, "%s", url);
    c.job.url = c.url;
    c.want = crash_want(&c.job);
    c.store = tally_store(c.url);
    calibrate(&c);
    /* On a disk that is slow to flush more moments fall between tasks: then it takes more of them. */
    for (int run = 3; c.kills < kills || (c.in_the_middle < middle && c.kills < 2 * kills); run++) {
        double moments[LIVES];
        bool done = false;
        next_run(&c, run);
        choose_moments(&c, moments);
        while (!done && c.job.life < LIVES) done = live(&c, kill_at_us(&c, moments[c.job.life]));
        if (!done) CHECK(live(&c, NEVER));
        check_end(&c);
        unlink(c.log_path);
    }
    print_histogram(&c);
    if (c.in_the_middle < middle) test_fail(__FILE__, __LINE__, "only %u kills in the middle", c.in_the_middle);
    tally_log_free(&c.calm);
    eyot_store_close(c.store);
}

static void kill_again_and_again(const char *settings, eyot_durability durability, unsigned kills, unsigned middle)
{
    char url[4300];
    snprintf(url, sizeof url, "sqlite:%s/kill.db%s", test_dir(), settings);
    kill_again_and_again_at(url, durability, kills, middle);
}

TEST(kill_sync__two_hundred_times_loses_and_repeats_nothing)
{
    kill_again_and_again("", EYOT_SYNC, 200, 150);
}

TEST(kill_normal__loses_and_repeats_nothing)
{
    kill_again_and_again("?sync=normal", EYOT_SYNC, 40, 25);
}

TEST(kill_mysql__loses_and_repeats_nothing)
{
    char url[600];
    const char *server = getenv("EYOT_TEST_MYSQL");
    if (!server && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "EYOT_TEST_MYSQL is not set");
    if (!server) test_skip("no server of it");
    snprintf(url, sizeof url, "%s%cprefix=k%d_", server, strchr(server, '?') ? '&' : '?', (int)getpid());
    kill_again_and_again_at(url, EYOT_SYNC, 40, 25);
}

TEST(kill_async__goes_on_from_what_was_stored)
{
    kill_again_and_again("", EYOT_ASYNC, 40, 25);
}

TEST(kill_exit__begins_anew)
{
    kill_again_and_again("", EYOT_EXIT, 20, 10);
}

static void kill_at_server(const char *variable)
{
    char url[600];
    const char *server = getenv(variable);
    if (!server && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "%s is not set", variable);
    if (!server) test_skip("no server of it");
    snprintf(url, sizeof url, "%s%cprefix=k%d_", server, strchr(server, '?') ? '&' : '?', (int)getpid());
    kill_again_and_again_at(url, EYOT_SYNC, 40, 25);
}

TEST(kill_redis__loses_and_repeats_nothing)
{
    kill_at_server("EYOT_TEST_REDIS");
}

TEST(kill_redis_cluster__loses_and_repeats_nothing)
{
    kill_at_server("EYOT_TEST_REDIS_CLUSTER");
}

/* The killed process is still there, as a zombie: nobody has waited for it yet. */
TEST(kill_zombie__is_a_dead_owner)
{
    char url[4300];
    int gate[2], report[2];
    char line[400] = "";
    snprintf(url, sizeof url, "sqlite:%s/zombie.db", test_dir());
    CHECK_OK(pipe(gate));
    CHECK_OK(pipe(report));
    crash_job job = {.url = url, .run = "undead", .threads = 2, .gate = gate[0], .report = report[1]};
    pid_t zombie = crash_spawn(&job);
    while (!strstr(line, "task")) CHECK(read(report[0], line, sizeof line - 1) > 0);
    kill(zombie, SIGKILL);
    for (char state = 0; state != 'Z'; tally_pause_us(100)) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%ld/stat", (long)zombie);
        FILE *f = fopen(path, "r");
        CHECK(f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
        fclose(f);
    }
    job.gate = job.report = 0;
    uint64_t before = test_now_ms();
    CHECK_INT(crash_reap(crash_spawn(&job)), CRASH_DONE);
    CHECK(test_now_ms() - before < 10000);
    CHECK_INT(crash_reap(zombie), 1000 + SIGKILL);
    for (int i = 0; i < 2; i++) close(gate[i]), close(report[i]);
}

#endif
