/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* RLIMIT_NOFILE's prlimit, mkfifo */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/eyot_test.h"

/* ---- one command, and waiting for it ---------------------------------------------------------------------------- */

typedef struct ran {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned n; /* times that `done` was called */
    command_end end;
    int code;
    char *out, *err, what[400];
    size_t out_len, err_len;
    bool err_cut, has_what;
} ran;

static char *copy_of(const char *p, size_t len)
{
    char *c = malloc(len + 1);
    if (!c || p[len] != 0) abort();
    memcpy(c, p, len + 1);
    return c;
}

static void keep(void *arg, const command_result *r)
{
    ran *got = arg;
    pthread_mutex_lock(&got->lock);
    got->n++;
    got->end = r->end;
    got->code = r->code;
    got->out = copy_of(r->out, got->out_len = r->out_len);
    got->err = copy_of(r->err, got->err_len = r->err_len);
    got->err_cut = r->err_cut;
    got->has_what = r->what != NULL;
    snprintf(got->what, sizeof got->what, "%s", r->what ? r->what : "");
    pthread_cond_broadcast(&got->done);
    pthread_mutex_unlock(&got->lock);
}

static void ran_init(ran *r)
{
    memset(r, 0, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->done, NULL);
}

static void ran_wait(ran *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->n == 0) pthread_cond_wait(&r->done, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static void ran_clear(ran *r)
{
    free(r->out);
    free(r->err);
    pthread_cond_destroy(&r->done);
    pthread_mutex_destroy(&r->lock);
}

static loop *new_loop(void)
{
    loop *l;
    CHECK_OK(loop_start(&l, NULL, NULL));
    return l;
}

#define MOST (16 << 20)
#define SH(script) ((const char *const[]){"sh", "-c", (script), NULL})
#define SPEC(args) \
    ((command_spec){.argv = (args), .input = "{}\n", .input_len = 3, .grace_ms = 200, .max_output = MOST})

static void run_spec(ran *r, loop *l, const command_spec *spec)
{
    command *c;
    ran_init(r);
    CHECK_OK(command_start(&c, l, spec, keep, r));
    ran_wait(r);
}

/* In a loop of its own, which is then stopped. */
static void run_alone(ran *r, const command_spec *spec)
{
    loop *l = new_loop();
    run_spec(r, l, spec);
    loop_stop(l, false);
}

static void run_script(ran *r, const char *script)
{
    run_alone(r, &SPEC(SH(script)));
}

#define CHECK_ENDED(r, how, number)  \
    do {                             \
        CHECK_INT((r).end, (how));   \
        CHECK_INT((r).code, number); \
    } while (0)

/* A fifo by which commands tell that they are there: opened for both, so that nobody waits for anybody. */
static int new_fifo(char path[300])
{
    snprintf(path, 300, "%s/ready", test_dir());
    CHECK(mkfifo(path, 0600) == 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void wait_ready(int fifo, int n)
{
    char byte;
    for (int i = 0; i < n; i++) CHECK(read(fifo, &byte, 1) == 1);
}

/* Starts `script`, which writes one byte into $READY when it is as far as it should be. */
static void start_ready(ran *r, loop *l, command **c, command_spec spec)
{
    char path[300], env[320];
    const char *const own[] = {env, NULL};
    int fifo = new_fifo(path);
    snprintf(env, sizeof env, "READY=%s", path);
    spec.env = own;
    ran_init(r);
    CHECK_OK(command_start(c, l, &spec, keep, r));
    wait_ready(fifo, 1);
    close(fifo);
}

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

TEST(command__gives_both_outputs_and_status)
{
    ran r;
    run_script(&r, "echo out; echo err >&2; exit 77");
    CHECK_ENDED(r, COMMAND_EXITED, 77);
    CHECK_STR(r.out, "out\n");
    CHECK_STR(r.err, "err\n");
    CHECK(!r.err_cut && !r.has_what);
    ran_clear(&r);
}

TEST(command__that_prints_nothing_gives_empty_texts)
{
    ran r;
    run_script(&r, ":");
    CHECK_ENDED(r, COMMAND_EXITED, 0);
    CHECK_INT(r.out_len, 0);
    CHECK_INT(r.err_len, 0);
    ran_clear(&r);
}

TEST(command__garbage_and_half_characters_arrive_byte_by_byte)
{
    ran r;
    run_script(&r, "printf '\\000\\377\\303'");
    CHECK_ENDED(r, COMMAND_EXITED, 0);
    CHECK_INT(r.out_len, 3);
    CHECK(memcmp(r.out, "\0\377\303", 3) == 0);
    ran_clear(&r);
}

TEST(command__of_a_gibibyte_of_output_is_killed)
{
    ran r;
    run_script(&r, "head -c 1073741824 /dev/zero; exit 3");
    CHECK_ENDED(r, COMMAND_TOO_MUCH, 0);
    CHECK(r.out_len <= MOST);
    ran_clear(&r);
}

TEST(command__may_write_exactly_max_output)
{
    ran r;
    command_spec spec = SPEC(SH("head -c 300000 /dev/zero"));
    spec.max_output = 300000;
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_EXITED, 0);
    CHECK_INT(r.out_len, 300000);
    ran_clear(&r);
    spec.max_output = 299999;
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_TOO_MUCH, 0);
    ran_clear(&r);
}

TEST(command__keeps_the_last_64_KiB_of_stderr)
{
    ran r;
    run_script(&r, "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo the end >&2");
    CHECK_ENDED(r, COMMAND_EXITED, 0);
    CHECK_INT(r.err_len, COMMAND_ERR_KEPT);
    CHECK(r.err_cut);
    CHECK(r.err[0] == 'x');
    CHECK_STR(r.err + r.err_len - 9, "xthe end\n");
    ran_clear(&r);
}

TEST(command__keeps_all_of_a_short_stderr)
{
    ran r;
    run_script(&r, "head -c 65536 /dev/zero >&2");
    CHECK_INT(r.err_len, COMMAND_ERR_KEPT);
    CHECK(!r.err_cut);
    ran_clear(&r);
}

TEST(command__closed_outputs_do_not_end_it)
{
    ran r;
    run_script(&r, "exec >&- 2>&-; exit 4");
    CHECK_ENDED(r, COMMAND_EXITED, 4);
    ran_clear(&r);
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

TEST(command__reads_its_whole_input)
{
    ran r;
    size_t len = 10 << 20;
    char *input = malloc(len);
    CHECK(input);
    memset(input, 'a', len);
    command_spec spec = SPEC(SH("wc -c"));
    spec.input = input;
    spec.input_len = len;
    run_alone(&r, &spec);
    CHECK_STR(r.out, "10485760\n");
    ran_clear(&r);
    spec.argv = SH("exit 5"); /* reads nothing of it */
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_EXITED, 5);
    ran_clear(&r);
    free(input);
}

TEST(command__empty_input_is_the_end_at_once)
{
    ran r;
    command_spec spec = SPEC(SH("cat; echo done"));
    spec.input = NULL;
    spec.input_len = 0;
    run_alone(&r, &spec);
    CHECK_STR(r.out, "done\n");
    ran_clear(&r);
}

TEST(command__has_no_terminal)
{
    ran r;
    run_script(&r, "LC_ALL=C; export LC_ALL; head -c 1 /dev/tty");
    CHECK_INT(r.end, COMMAND_EXITED);
    CHECK(r.code != 0);
    CHECK_HAS(r.err, "No such device or address");
    ran_clear(&r);
}

/* ---- surroundings ------------------------------------------------------------------------------------------------ */

TEST(command__environment_is_ours_with_its_own_on_top)
{
    ran r;
    const char *const own[] = {"EYOT_TEST_A=2", "EYOT_TEST_B=x=y", NULL};
    command_spec spec = SPEC(SH("echo $EYOT_TEST_A $EYOT_TEST_B $EYOT_TEST_C; env | grep -c EYOT_TEST_A"));
    setenv("EYOT_TEST_A", "1", 1);
    setenv("EYOT_TEST_C", "3", 1);
    spec.env = own;
    run_alone(&r, &spec);
    CHECK_STR(r.out, "2 x=y 3\n1\n");
    ran_clear(&r);
    unsetenv("EYOT_TEST_A");
    unsetenv("EYOT_TEST_C");
}

static void make_program(const char *name, const char *text, mode_t mode)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    CHECK(chmod(path, mode) == 0);
}

TEST(command__is_searched_in_its_own_path)
{
    ran r;
    char path[300];
    make_program("only-here", "#!/bin/sh\necho found\n", 0755);
    snprintf(path, sizeof path, "PATH=/nowhere:%s", test_dir());
    const char *const own[] = {path, NULL}, *const args[] = {"only-here", NULL};
    command_spec spec = SPEC(args);
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_NOT_STARTED, ENOENT);
    CHECK_STR(r.what, "find only-here in PATH");
    ran_clear(&r);
    spec.env = own;
    run_alone(&r, &spec);
    CHECK_STR(r.out, "found\n");
    ran_clear(&r);
}

TEST(command__directory_is_where_it_runs_and_is_searched_from)
{
    ran r;
    make_program("here", "#!/bin/sh\npwd\n", 0755);
    const char *const args[] = {"./here", NULL}, *const own[] = {"PATH=.", NULL}, *const plain[] = {"here", NULL};
    char expected[300];
    command_spec spec = SPEC(args);
    spec.cwd = test_dir();
    snprintf(expected, sizeof expected, "%s\n", test_dir());
    run_alone(&r, &spec);
    CHECK_STR(r.out, expected);
    ran_clear(&r);
    spec.argv = plain;
    spec.env = own;
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_EXITED, 0);
    ran_clear(&r);
}

TEST(command__that_cannot_start_says_what_and_why)
{
    ran r;
    char what[400];
    make_program("no-program", "#!/bin/sh\n", 0644);
    make_program("no-interpreter", "#!/nowhere/sh\n", 0755);
    const char *const absent[] = {"/nowhere/prog", NULL}, *const script[] = {"./no-interpreter", NULL},
                      *const plain[] = {"./no-program", NULL};
    command_spec spec = SPEC(absent);
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_NOT_STARTED, ENOENT);
    CHECK_STR(r.what, "run /nowhere/prog");
    ran_clear(&r);
    spec = SPEC(script);
    spec.cwd = test_dir();
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_NOT_STARTED, ENOENT);
    CHECK_STR(r.what, "run ./no-interpreter");
    ran_clear(&r);
    spec.argv = plain;
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_NOT_STARTED, EACCES);
    ran_clear(&r);
    spec = SPEC(SH(":"));
    spec.cwd = "/nowhere";
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_NOT_STARTED, ENOENT);
    CHECK_STR(r.what, "enter /nowhere");
    ran_clear(&r);
    snprintf(what, sizeof what, "%s/no-program", test_dir());
    spec.cwd = what;
    run_alone(&r, &spec);
    CHECK_ENDED(r, COMMAND_NOT_STARTED, ENOTDIR);
    ran_clear(&r);
}

TEST(command__signals_are_as_they_are_by_default)
{
    ran r;
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* would make every exit status vanish */
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    run_script(&r, "yes | head -n 1 >/dev/null; kill -TERM $$; exit 3");
    CHECK_ENDED(r, COMMAND_SIGNALLED, SIGTERM);
    CHECK_INT(r.err_len, 0); /* yes died of SIGPIPE without complaint */
    ran_clear(&r);
    pthread_sigmask(SIG_UNBLOCK, &term, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
}

TEST(command__has_no_descriptor_of_ours)
{
    ran r;
    int inherited = 0, flags;
    for (int fd = 3; fd < 1024; fd++) {
        if ((flags = fcntl(fd, F_GETFD)) >= 0 && !(flags & FD_CLOEXEC)) inherited++; /* from whoever runs the tests */
    }
    run_script(&r, "ls /proc/self/fd | wc -l"); /* ls has the directory open */
    CHECK_INT(atoi(r.out), 4 + inherited);
    ran_clear(&r);
}

TEST(command__gets_the_limit_of_open_files_that_we_got)
{
    ran r;
    struct rlimit before, low;
    char expected[40];
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    low = before;
    low.rlim_cur = before.rlim_max / 2;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    snprintf(expected, sizeof expected, "%llu\n", (unsigned long long)low.rlim_cur);
    /* The limit comes right after its start: it asks until it has it, or the test hangs. */
    char script[100];
    snprintf(script, sizeof script, "until [ $(ulimit -n) = %llu ]; do :; done; ulimit -n",
             (unsigned long long)low.rlim_cur);
    run_script(&r, script);
    CHECK_STR(r.out, expected);
    ran_clear(&r);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

/* ---- what it leaves behind --------------------------------------------------------------------------------------- */

static bool is_alive(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 'Z';
    if (f) fclose(f);
    return state != 'Z' && state != 'X';
}

TEST(command__what_it_leaves_in_its_group_is_killed_and_holds_nothing_up)
{
    ran r;
    run_script(&r, "sleep 1000 & echo $!");
    CHECK_ENDED(r, COMMAND_EXITED, 0);
    pid_t left = atoi(r.out);
    CHECK(left > 0);
    uint64_t start = test_now_ms();
    while (is_alive(left)) CHECK(test_now_ms() < start + 10000); /* SIGKILL is on its way */
    ran_clear(&r);
}

/* Runs `script` in a process that has left the session and has the pipes, and exits once it is there. */
static void leave_behind(ran *r, const char *script, uint64_t max_output)
{
    char text[500];
    snprintf(text, sizeof text, "mkfifo f; setsid sh -c 'echo $$; echo >f; exec %s' & read x <f; rm f; exit 6", script);
    command_spec spec = SPEC(SH(text));
    spec.cwd = test_dir();
    spec.max_output = max_output;
    run_alone(r, &spec);
    kill(atoi(r->out), SIGKILL);
    CHECK_ENDED(*r, COMMAND_EXITED, 6);
    CHECK(atoi(r->out) > 0);
}

TEST(command__what_left_its_session_holds_nothing_up)
{
    ran r;
    leave_behind(&r, "sleep 1000", MOST);
    ran_clear(&r);
    leave_behind(&r, "yes", (uint64_t)1 << 40);
    ran_clear(&r);
}

TEST(command__killing_its_parents_group_kills_itself_only)
{
    ran r;
    run_script(&r, "kill -KILL 0");
    CHECK_ENDED(r, COMMAND_SIGNALLED, SIGKILL);
    ran_clear(&r);
}

/* ---- stops ------------------------------------------------------------------------------------------------------- */

TEST(command_stop__ends_a_hanging_command_by_sigterm)
{
    ran r;
    command *c;
    loop *l = new_loop();
    command_spec spec = SPEC(SH("trap 'echo bye; exit 0' TERM; printf x >$READY; sleep 1000 & wait"));
    spec.grace_ms = 100000;
    start_ready(&r, l, &c, spec);
    command_stop(c);
    command_stop(c);
    ran_wait(&r);
    loop_stop(l, false);
    CHECK_ENDED(r, COMMAND_STOPPED, 0);
    CHECK_STR(r.out, "bye\n");
    CHECK_INT(r.n, 1);
    ran_clear(&r);
}

TEST(command_stop__kills_after_the_grace)
{
    ran r;
    command *c;
    loop *l = new_loop();
    start_ready(&r, l, &c, SPEC(SH("trap '' TERM INT HUP; printf x >$READY; while :; do sleep 1; done")));
    uint64_t start = test_now_ms();
    command_stop(c);
    ran_wait(&r);
    uint64_t took = test_now_ms() - start;
    loop_stop(l, false);
    CHECK_ENDED(r, COMMAND_STOPPED, 0);
    CHECK(took >= 199 && took < 20000);
    ran_clear(&r);
}

TEST(command_stop__reaches_a_command_that_was_halted)
{
    ran r;
    command *c;
    loop *l = new_loop();
    start_ready(&r, l, &c, SPEC(SH("printf x >$READY; kill -STOP $$; exit 0")));
    command_stop(c);
    ran_wait(&r);
    loop_stop(l, false);
    CHECK_INT(r.end, COMMAND_STOPPED);
    ran_clear(&r);
}

TEST(loop_stop__stops_what_runs_and_waits_for_it)
{
    ran r;
    command *c;
    loop *l = new_loop();
    command_spec spec = SPEC(SH("printf x >$READY; exec sleep 1000"));
    spec.grace_ms = 100000;
    start_ready(&r, l, &c, spec);
    loop_stop(l, false);
    CHECK_INT(r.n, 1);
    CHECK_INT(r.end, COMMAND_STOPPED);
    ran_clear(&r);
}

TEST(loop_stop__now_does_not_wait_for_the_grace)
{
    ran r;
    command *c;
    loop *l = new_loop();
    command_spec spec = SPEC(SH("trap '' TERM; printf x >$READY; while :; do sleep 1; done"));
    spec.grace_ms = 1000000;
    start_ready(&r, l, &c, spec);
    command_stop(c);
    loop_stop(l, true);
    CHECK_INT(r.n, 1);
    CHECK_INT(r.end, COMMAND_STOPPED);
    ran_clear(&r);
}

typedef struct again {
    loop *l;
    ran *r;
    eyot_status status;
} again;

static void start_another(void *arg, const command_result *r)
{
    again *a = arg;
    command *c;
    a->status = command_start(&c, a->l, &SPEC(SH(":")), keep, a->r);
    (void)r;
}

TEST(loop_stop__refuses_what_results_would_start)
{
    ran r;
    command *c;
    loop *l = new_loop();
    again a = {l, &r, EYOT_OK};
    ran_init(&r);
    CHECK_OK(command_start(&c, l, &SPEC(SH("sleep 1000")), start_another, &a));
    loop_stop(l, true);
    CHECK_STATUS(a.status, EYOT_ECANCELED);
    CHECK_INT(r.n, 0);
    ran_clear(&r);
}

/* ---- many -------------------------------------------------------------------------------------------------------- */

typedef struct many {
    pthread_mutex_t lock;
    pthread_cond_t all;
    unsigned left, good;
} many;

static void count(void *arg, const command_result *r)
{
    many *m = arg;
    pthread_mutex_lock(&m->lock);
    if (r->end == COMMAND_EXITED && r->code == 7 && r->out_len == 3) m->good++;
    if (--m->left == 0) pthread_cond_signal(&m->all);
    pthread_mutex_unlock(&m->lock);
}

/* None can end before all have started: they wait for a byte each that is written then. */
TEST(command__a_thousand_at_once)
{
    enum { N = 1000 };
    char path[300], env[320];
    many m = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, N, 0};
    const char *const own[] = {env, NULL};
    loop *l = new_loop();
    int fifo = new_fifo(path);
    snprintf(env, sizeof env, "GO=%s", path);
    command_spec spec = SPEC(SH("read x <$GO; cat; exit 7"));
    spec.env = own;
    for (int i = 0; i < N; i++) {
        command *c;
        CHECK_OK(command_start(&c, l, &spec, count, &m));
    }
    CHECK_INT(m.left, N);
    for (int i = 0; i < N; i++) CHECK(write(fifo, "\n", 1) == 1);
    pthread_mutex_lock(&m.lock);
    while (m.left > 0) pthread_cond_wait(&m.all, &m.lock);
    pthread_mutex_unlock(&m.lock);
    CHECK_INT(m.good, N);
    loop_stop(l, false);
    close(fifo);
}

static void count_stopped(void *arg, const command_result *r)
{
    many *m = arg;
    pthread_mutex_lock(&m->lock);
    if (r->end == COMMAND_STOPPED || r->end == COMMAND_EXITED) m->good++;
    m->left--;
    pthread_mutex_unlock(&m->lock);
}

TEST(command__starts_and_stops_of_several_threads_lose_nothing)
{
    enum { N = 200 };
    many m = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, N, 0};
    loop *l = new_loop();
    uint64_t seed = test_seed();
    for (int i = 0; i < N; i++) {
        command *c;
        bool hangs = test_random(&seed) % 2;
        const char *const args[] = {"sleep", hangs ? "1000" : "0.01", NULL};
        CHECK_OK(command_start(&c, l, &SPEC(args), count_stopped, &m));
        if (hangs) command_stop(c);
    }
    loop_stop(l, false);
    CHECK_INT(m.left, 0);
    CHECK_INT(m.good, N);
}
