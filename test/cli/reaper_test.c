/* SPDX-License-Identifier: MIT */
/* Each test forks a process with a loop and its commands, ends it in some way, and looks for what is left of it: every
 * command has a mark in its environment. */
#define _GNU_SOURCE /* memmem */
#include "cli/reaper.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/jq.h"
#include "test/eyot_test.h"

enum { COMMANDS = 20, GONE_MS = 1000 };

/* ---- looking for them -------------------------------------------------------------------------------------------- */

/* Not of a zombie, whose environment is gone. */
static bool has_mark(const char *pid, const char *file, const char *mark)
{
    static char bytes[1 << 17];
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, bytes, sizeof bytes);
    close(fd);
    return n > 0 && memmem(bytes, (size_t)n, mark, strlen(mark)) != NULL;
}

static int count_marked(const char *file, const char *mark)
{
    struct dirent *entry;
    int n = 0;
    DIR *proc = opendir("/proc");
    CHECK(proc);
    while ((entry = readdir(proc)))
        n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && has_mark(entry->d_name, file, mark);
    closedir(proc);
    return n;
}

/* A child of `parent` with `mark` in its file; 0: there is none. */
static pid_t find_child(pid_t parent, const char *file, const char *mark)
{
    struct dirent *entry;
    char line[32];
    pid_t found = 0;
    DIR *proc = opendir("/proc");
    CHECK(proc);
    snprintf(line, sizeof line, "PPid:\t%d\n", (int)parent);
    while (!found && (entry = readdir(proc))) {
        if (has_mark(entry->d_name, "status", line) && has_mark(entry->d_name, file, mark)) found = atoi(entry->d_name);
    }
    closedir(proc);
    return found;
}

/* The time until none is left, from now; fails when that is too long. */
static void all_gone(const char *mark)
{
    uint64_t start = test_now_ms();
    while (count_marked("environ", mark) > 0) {
        CHECK(test_now_ms() - start <= GONE_MS);
        poll(NULL, 0, 5);
    }
}

static const char *new_mark(void)
{
    static char mark[64];
    static int n;
    snprintf(mark, sizeof mark, "EYOT_TEST_MARK=%d.%d.%llu", (int)getpid(), n++, (unsigned long long)test_now_ms());
    return mark;
}

/* ---- a process with commands ------------------------------------------------------------------------------------- */

static const char *const scripts[] = {
    "printf x >$READY; exec sleep 1000",
    "trap '' TERM INT HUP QUIT PIPE; printf x >$READY; while :; do sleep 1; done",
    "setsid sh -c 'printf x >$READY; exec sleep 1000' & wait",
    "setsid sh -c 'trap \"\" TERM HUP INT; printf x >$READY; while :; do sleep 1; done' & sleep 1000",
};

static void never(void *arg, const command_result *r)
{
    (void)arg;
    (void)r;
}

typedef struct victim {
    pid_t pid;
    int fifo;
    char ready[300], mark[100];
} victim;

static void start_commands(loop *l, const victim *v, int n)
{
    char ready[320];
    const char *const own[] = {ready, v->mark, NULL};
    snprintf(ready, sizeof ready, "READY=%s", v->ready);
    for (int i = 0; i < n; i++) {
        const char *const args[] = {"sh", "-c", scripts[(size_t)i % (sizeof scripts / sizeof *scripts)], NULL};
        command_spec spec = {.argv = args, .env = own, .grace_ms = 100000, .max_output = 1 << 20};
        command *c;
        if (command_start(&c, l, &spec, never, NULL)) _exit(9);
    }
}

static void wait_for_end(void)
{
    for (;;) pause();
}

static loop *loop_of_victim(void)
{
    loop *l;
    loop_options options = {.self = EYOT_TEST_PROGRAMS "/jq_helper_for_tests", .helpers = 1};
    if (loop_start(&l, &options, NULL)) _exit(9);
    return l;
}

/* `body` runs in the process. */
static void victim_start(victim *v, void (*body)(const victim *v))
{
    const char *mark = new_mark();
    snprintf(v->mark, sizeof v->mark, "%s", mark);
    snprintf(v->ready, sizeof v->ready, "%s/%s", test_dir(), mark);
    CHECK(mkfifo(v->ready, 0600) == 0);
    v->fifo = open(v->ready, O_RDWR | O_CLOEXEC);
    CHECK(v->fifo >= 0);
    fflush(stdout);
    v->pid = fork();
    CHECK(v->pid >= 0);
    if (v->pid == 0) {
        setpgid(0, 0);
        body(v);
        _exit(0);
    }
    setpgid(v->pid, v->pid);
}

static void victim_wait_ready(const victim *v, int n)
{
    char byte;
    for (int i = 0; i < n; i++) CHECK(read(v->fifo, &byte, 1) == 1);
}

static int victim_end(const victim *v)
{
    int status;
    CHECK(waitpid(v->pid, &status, 0) == v->pid);
    close(v->fifo);
    return status;
}

static void with_commands(const victim *v)
{
    start_commands(loop_of_victim(), v, COMMANDS);
    wait_for_end();
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

TEST(reaper__no_command_outlives_a_killed_eyot)
{
    victim v;
    victim_start(&v, with_commands);
    victim_wait_ready(&v, COMMANDS);
    CHECK(count_marked("environ", v.mark) >= COMMANDS);
    kill(v.pid, SIGKILL);
    all_gone(v.mark);
    CHECK(WIFSIGNALED(victim_end(&v)));
}

TEST(reaper__nor_an_eyot_whose_group_is_killed)
{
    victim v;
    victim_start(&v, with_commands);
    victim_wait_ready(&v, COMMANDS);
    kill(-v.pid, SIGTERM); /* what the reaper ignores would not matter: it is not in the group */
    kill(-v.pid, SIGKILL);
    all_gone(v.mark);
    CHECK(WIFSIGNALED(victim_end(&v)));
}

static void with_commands_and_gone(const victim *v)
{
    start_commands(loop_of_victim(), v, COMMANDS);
    _exit(0);
}

TEST(reaper__nor_one_that_just_exits)
{
    victim v;
    victim_start(&v, with_commands_and_gone); /* some of them may not even have begun */
    CHECK_INT(victim_end(&v), 0);
    all_gone(v.mark);
}

static void always_starting(const victim *v)
{
    loop *l = loop_of_victim();
    const char *const args[] = {"sh", "-c", "setsid sleep 1000 & printf x >$READY", NULL};
    char ready[320];
    const char *const own[] = {ready, v->mark, NULL};
    snprintf(ready, sizeof ready, "READY=%s", v->ready);
    for (;;) {
        command *c;
        command_spec spec = {.argv = args, .env = own, .max_output = 1 << 20};
        if (command_start(&c, l, &spec, never, NULL)) _exit(9);
    }
}

/* Whenever it dies, some command is between fork and exec, or between exec and setsid. */
TEST(reaper__what_is_just_being_started_is_found)
{
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 10 * test_long(); i++) {
        victim v;
        victim_start(&v, always_starting);
        victim_wait_ready(&v, 1 + (int)(test_random(&seed) % 30));
        kill(v.pid, SIGKILL);
        victim_end(&v);
        all_gone(v.mark);
    }
}

static sem_t ended;

static void tell_end(void *arg, const command_result *r)
{
    (void)arg;
    (void)r;
    sem_post(&ended);
}

static void stops_in_peace(const victim *v)
{
    sem_init(&ended, 0, 0);
    loop *l = loop_of_victim();
    char ready[320];
    const char *const own[] = {ready, v->mark, NULL};
    const char *const script =
        "mkfifo $READY.too; setsid sh -c 'echo >$READY.too; exec sleep 1000' & read x <$READY.too; exit 0";
    const char *const args[] = {"sh", "-c", script, NULL};
    command_spec spec = {.argv = args, .env = own, .max_output = 1 << 20};
    command *c;
    snprintf(ready, sizeof ready, "READY=%s", v->ready);
    if (command_start(&c, l, &spec, tell_end, NULL)) _exit(9);
    sem_wait(&ended);
    loop_stop(l, false);
}

/* A daemon that a command has started on purpose. */
TEST(reaper__kills_nothing_after_a_regular_stop)
{
    victim v;
    victim_start(&v, stops_in_peace);
    CHECK_INT(victim_end(&v), 0);
    poll(NULL, 0, 400); /* it would be gone by now */
    CHECK_INT(count_marked("environ", v.mark), 1);
    struct dirent *entry;
    DIR *proc = opendir("/proc");
    while ((entry = readdir(proc))) {
        if (has_mark(entry->d_name, "environ", v.mark)) kill(atoi(entry->d_name), SIGKILL);
    }
    closedir(proc);
}

static void within_another(const victim *v)
{
    setenv("EYOT_REAP", "0123456789abcdef0123456789abcdef", 1);
    with_commands(v);
}

/* An eyot that is a command of another. */
TEST(reaper__commands_carry_the_outer_token_too)
{
    victim v;
    victim_start(&v, within_another);
    victim_wait_ready(&v, COMMANDS);
    CHECK(count_marked("environ", "EYOT_REAP=0123456789abcdef0123456789abcdef:") >= COMMANDS);
    kill(v.pid, SIGKILL);
    all_gone(v.mark);
    victim_end(&v);
}

static void ask_never(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure)
{
    (void)arg, (void)results, (void)n, (void)status, (void)failure;
}

/* Its output is the pipe at 1, until it closes it while everything goes on. */
static void closes_its_output(const victim *v)
{
    static const char *const program = "last(repeat(.))";
    jq_call *call;
    loop *l = loop_of_victim();
    eyot_value *input = eyot_value_new_map();
    if (jq_call_start(&call, l, &program, 1, input, 100000, ask_never, NULL)) _exit(9);
    start_commands(l, v, 4);
    close(1);
    wait_for_end();
}

static int piped[2];
static void closes_its_pipe(const victim *v)
{
    dup2(piped[1], 1);
    close(piped[1]);
    close(piped[0]);
    closes_its_output(v);
}

TEST(reaper__nobody_but_eyot_holds_its_output)
{
    victim v;
    char byte;
    CHECK(pipe(piped) == 0);
    victim_start(&v, closes_its_pipe);
    close(piped[1]);
    victim_wait_ready(&v, 4);
    CHECK_INT(read(piped[0], &byte, 1), 0);
    close(piped[0]);
    kill(v.pid, SIGKILL);
    all_gone(v.mark);
    victim_end(&v);
}

TEST(reaper__jq_helpers_go_too)
{
    victim v;
    victim_start(&v, closes_its_output);
    victim_wait_ready(&v, 4);
    pid_t helper = find_child(v.pid, "cmdline", JQ_HELPER_ARG);
    CHECK(helper > 0);
    kill(v.pid, SIGKILL);
    victim_end(&v);
    all_gone(v.mark);
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)helper);
    for (uint64_t start = test_now_ms(); has_mark(pid, "cmdline", JQ_HELPER_ARG);)
        CHECK(test_now_ms() - start <= GONE_MS);
}

TEST(reaper_dismiss__ends_it)
{
    char token[REAPER_TOKEN];
    reaper *r = reaper_start(token);
    CHECK(r);
    CHECK(strncmp(token, "EYOT_REAP=", 10) == 0 && strlen(token) >= 42);
    for (uint64_t start = test_now_ms(); !find_child(getpid(), "comm", "eyot-reaper");)
        CHECK(test_now_ms() - start < 10000);
    reaper_dismiss(r);
    CHECK(!find_child(getpid(), "comm", "eyot-reaper"));
    reaper_dismiss(NULL);
}
