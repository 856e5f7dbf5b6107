/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* setrlimit, realpath */
#include "test/crash/crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <eyot/stores.h>

#include "test/eyot_test.h"

#define JOB_VARIABLE "EYOT_CRASH_JOB"
enum { GATE_FD = 100, REPORT_FD = 101 };

/* The job of this process while it runs the graph. */
static struct {
    const crash_job *job;
    int log;
    _Atomic bool begun;
} now = {.log = -1};

static unsigned long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (unsigned long long)t.tv_sec * 1000000000u + (unsigned long long)t.tv_nsec;
}

static uint64_t hash_text(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h ^ h >> 31;
}

uint64_t crash_hash(const void *state)
{
    eyot_buf bytes = tally_bytes(state);
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes.len; i++) h = (h ^ bytes.data[i]) * 0x100000001b3u;
    eyot__buf_clear(&bytes);
    return h;
}

/* ---- the graph -------------------------------------------------------------------------------------------------- */

static void write_log(char kind, const char *key)
{
    char line[128];
    if (now.log < 0) return;
    int n = snprintf(line, sizeof line, "%c %u %llu %.47s\n", kind, now.job->life, now_ns(), key);
    if (write(now.log, line, (size_t)n) != n) _exit(CRASH_BROKEN);
}

static void report(const char *what, int status, unsigned long long ms, const char *text)
{
    if (!now.job->report) return;
    char line[400];
    int n = snprintf(line, sizeof line, "%s %d %llu %s\n", what, status, ms, text);
    if (write(REPORT_FD, line, (size_t)n) != n) _exit(CRASH_BROKEN);
}

static eyot_status work(eyot_task *task, void *user)
{
    const crash_job *job = user;
    const char *key = eyot_task_key(task);
    uint64_t hash = hash_text(key);
    char byte;
    write_log('E', key);
    if (job->report && !atomic_exchange(&now.begun, true)) report("task", 0, 0, key);
    if (job->gate)
        while (read(GATE_FD, &byte, 1) < 0 && errno == EINTR) {}
    if (job->pause_us) tally_pause_us((long)(job->pause_us / 2 + hash % (job->pause_us + 1)));
    tally *update = tally_sum((int64_t)(hash % 100000) + 1);
    if (update && job->pad) update = tally_pad(update, job->pad, (unsigned char)hash);
    eyot_status status = update ? eyot_task_update(task, update) : EYOT_ENOMEM;
    write_log('D', key);
    return status;
}

static eyot_status split(eyot_task *task, void *user)
{
    for (int i = 0; i < CRASH_BRANCHES; i++)
        if (eyot_task_send(task, "a", tally_own(i))) return EYOT_ENOMEM;
    return work(task, user);
}

static eyot_status gather(eyot_task *task, void *user)
{
    int64_t rounds = ((const tally *)eyot_task_state(task))->key[0];
    eyot_status status = work(task, user);
    if (status) return status;
    tally *update = eyot_task_update_withdraw(task);
    update->key[0] = rounds == TALLY_ABSENT ? 1 : rounds + 1;
    return eyot_task_update(task, update);
}

static eyot_status odd(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user;
    (void)e;
    *taken = ((const tally *)state)->own % 2 != 0;
    return EYOT_OK;
}

static eyot_status more(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user;
    (void)e;
    *taken = ((const tally *)state)->key[0] < CRASH_ROUNDS;
    return EYOT_OK;
}

eyot_graph *crash_graph(const crash_job *job)
{
    void *user = (void *)(uintptr_t)job;
    eyot_graph *g = tally_graph("crash");
    eyot_node_options each = EYOT_NODE_OPTIONS_INIT;
    each.flags = EYOT_NODE_EACH;
    eyot_graph_node(g, "split", split, user);
    eyot_graph_node(g, "a", work, user);
    eyot_graph_node_with(g, "b", work, user, &each);
    eyot_graph_node_with(g, "c", work, user, &each);
    eyot_graph_node_with(g, "d", work, user, &each);
    eyot_graph_node(g, "gather", gather, user);
    eyot_graph_node(g, "finish", work, user);
    eyot_graph_edge_each(g, "split", "a");
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge_if(g, "b", "c", "odd", odd, NULL);
    eyot_graph_edge_otherwise(g, "b", "d");
    eyot_graph_edge(g, "c", "d");
    eyot_graph_edge(g, "d", "gather");
    eyot_graph_edge_if(g, "gather", "split", "more rounds", more, NULL);
    eyot_graph_edge_otherwise(g, "gather", "finish");
    return tally_freeze(g);
}

uint64_t crash_want(const crash_job *job)
{
    crash_job quiet = {.pad = job->pad};
    now.job = &quiet;
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = crash_graph(&quiet);
    eyot_run *run = tally_run(engine, g, NULL);
    uint64_t hash = crash_hash(eyot_run_state(run));
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    return hash;
}

/* ---- the helper ------------------------------------------------------------------------------------------------- */

#define JOB_FORMAT "%u %u %u %u %u %u %lu %u %d %d"

static void print_job(char *out, size_t cap, const crash_job *j)
{
    int n = snprintf(out, cap, JOB_VARIABLE "=" JOB_FORMAT " %s\n%s\n%s", j->life, (unsigned)j->durability, j->lease_ms,
                     j->threads, j->pause_us, j->pad, j->file_limit, j->uid, j->gate, j->report, j->url, j->run,
                     j->log ? j->log : "");
    if (n < 0 || (size_t)n >= cap) test_fail(__FILE__, __LINE__, "a job that is too long");
}

static void parse_job(crash_job *j, char *text)
{
    unsigned durability;
    int at = 0;
    if (sscanf(text, JOB_FORMAT " %n", &j->life, &durability, &j->lease_ms, &j->threads, &j->pause_us, &j->pad,
               &j->file_limit, &j->uid, &j->gate, &j->report, &at) < 10)
        _exit(CRASH_BROKEN);
    char *run = strchr(text + at, '\n'), *log = run ? strchr(run + 1, '\n') : NULL;
    if (!log) _exit(CRASH_BROKEN);
    *run++ = *log++ = 0;
    j->durability = (eyot_durability)durability;
    j->url = text + at;
    j->run = run;
    j->log = *log ? log : NULL;
}

static void prepare(const crash_job *j)
{
    if (j->log && (now.log = open(j->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) _exit(CRASH_BROKEN);
    if (j->file_limit) {
        struct rlimit limit = {j->file_limit, j->file_limit};
        signal(SIGXFSZ, SIG_IGN); /* a write then fails with EFBIG */
        if (setrlimit(RLIMIT_FSIZE, &limit)) _exit(CRASH_BROKEN);
    }
    if (j->uid && setuid(j->uid)) _exit(CRASH_BROKEN);
}

static int do_job(const crash_job *j)
{
    eyot_store *store = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_error e = {.status = EYOT_OK};
    eyot_engine_options eo = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_graph *g = crash_graph(j);
    int code = CRASH_NOT_RESUMED;
    char result[32];
    o.run_id = j->run;
    o.strategy = EYOT_PARALLEL;
    o.durability = j->durability;
    unsigned long long before = now_ns();
    eyot_status status = eyot_store_open(&store, j->url, &e);
    eo.store = store;
    eo.threads = j->threads;
    eo.lease_ms = j->lease_ms;
    if (!status) status = eyot_engine_new(&engine, &eo, &e);
    if (!status) status = eyot_run_resume(&run, engine, g, j->run, &o, &e);
    if (status == EYOT_ENOTFOUND && engine) status = eyot_run_start(&run, engine, g, tally_new(), &o, &e);
    report("resume", status, (now_ns() - before) / 1000000u, status ? e.text : "");
    if (!status) {
        status = eyot_run_wait(run, &e);
        code = status ? CRASH_FAILED : CRASH_DONE;
        report("end", status, 0, status ? e.text : "");
    }
    if (code == CRASH_DONE) {
        snprintf(result, sizeof result, "%llx", (unsigned long long)crash_hash(eyot_run_state(run)));
        write_log('R', result);
    }
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    return code;
}

void crash_helper(void)
{
    char *text = getenv(JOB_VARIABLE);
    crash_job job = {.life = 0};
    if (text) {
        parse_job(&job, text);
        now.job = &job;
        prepare(&job);
        _exit(do_job(&job));
    }
    job = (crash_job){.url = "memory:", .run = "calm", .threads = 3, .pad = 100};
    uint64_t want = crash_want(&job);
    now.job = &job;
    CHECK_INT(do_job(&job), CRASH_DONE);
    CHECK(want == crash_want(&job));
    CHECK_INT(tally_live(), 0);
}

/* ---- the parent ------------------------------------------------------------------------------------------------- */

extern char **environ;

pid_t crash_start(const char *name, char *variable, posix_spawn_file_actions_t *actions)
{
    static char program[] = "/proc/self/exe";
    char copy[64], *args[] = {program, copy, NULL};
    char *env[64];
    size_t n = 0;
    pid_t pid;
    snprintf(copy, sizeof copy, "%s", name);
    for (char **p = environ; *p && n < 62; p++) env[n++] = *p;
    env[n++] = variable;
    env[n] = NULL;
    CHECK_OK(posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0));
    CHECK_OK(posix_spawn(&pid, program, actions, NULL, args, env));
    return pid;
}

pid_t crash_spawn(const crash_job *job)
{
    static char variable[8192];
    posix_spawn_file_actions_t actions;
    print_job(variable, sizeof variable, job);
    CHECK_OK(posix_spawn_file_actions_init(&actions));
    if (job->gate) CHECK_OK(posix_spawn_file_actions_adddup2(&actions, job->gate, GATE_FD));
    if (job->report) CHECK_OK(posix_spawn_file_actions_adddup2(&actions, job->report, REPORT_FD));
    pid_t pid = crash_start("crash_helper__", variable, &actions);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

int crash_reap(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) test_fail(__FILE__, __LINE__, "waitpid: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

crash_lines crash_read_log(const char *path)
{
    crash_lines log = {NULL, 0, 0};
    FILE *f = fopen(path, "r");
    crash_line line;
    if (!f) return log; /* no task has begun */
    while (fscanf(f, " %c %u %llu %47s", &line.kind, &line.life, &line.ns, line.key) == 4) {
        if (log.n == log.cap) {
            log.cap = log.cap ? log.cap * 2 : 1024;
            log.lines = realloc(log.lines, log.cap * sizeof *log.lines);
            if (!log.lines) abort();
        }
        log.lines[log.n++] = line;
    }
    fclose(f);
    return log;
}
