/* SPDX-License-Identifier: MIT */
/* Runs the tests that were linked with it; test/eyot_test.h tells what a test may call.
 *   program [-l] [part of a name …]
 * Environment: EYOT_TEST_SEED, EYOT_TEST_LONG, EYOT_TEST_NO_SKIP, TMPDIR; a test hangs after EYOT_TEST_HANG_S seconds
 * (120), times EYOT_TEST_PATIENCE (1). */
#define _XOPEN_SOURCE 700 /* nftw */
#include "test/eyot_test.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum outcome { PASSED, FAILED, SKIPPED };

static test_case *all_tests;
static struct {
    const test_case *test;
    pthread_t thread;
    pid_t pid;
    jmp_buf leave;
    enum outcome outcome;
    bool seeded;
    uint64_t seed;
    char dir[4096];
} now;

void test_register(test_case *t)
{
    t->next = all_tests;
    all_tests = t;
}

static uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    char *end = NULL;
    if (!text || !*text) return otherwise;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 0);
    if (errno || *end) {
        fprintf(stderr, "%s is \"%s\", which is no number\n", name, text);
        exit(2);
    }
    return v;
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    printf("FAIL %s\n     %s:%d: %s\n", now.test->name, file, line, text);
    if (now.seeded) printf("     EYOT_TEST_SEED=%llu\n", (unsigned long long)now.seed);
    fflush(stdout);
    if (getpid() != now.pid) _exit(1); /* a child that the test forked */
    if (!pthread_equal(pthread_self(), now.thread)) abort();
    now.outcome = FAILED;
    longjmp(now.leave, 1);
}

void test_skip(const char *why)
{
    if (getenv("EYOT_TEST_NO_SKIP")) test_fail(__FILE__, __LINE__, "would be skipped: %s", why);
    printf("skip %s: %s\n", now.test->name, why);
    now.outcome = SKIPPED;
    longjmp(now.leave, 1);
}

uint64_t test_seed(void)
{
    now.seeded = true;
    return now.seed;
}

uint64_t test_random(uint64_t *state)
{
    /* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

unsigned test_long(void)
{
    return (unsigned)env_number("EYOT_TEST_LONG", 1);
}

uint64_t test_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

const char *test_dir(void)
{
    if (now.dir[0]) return now.dir;
    const char *base = getenv("TMPDIR");
    snprintf(now.dir, sizeof now.dir, "%s/eyot-test.XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(now.dir)) {
        now.dir[0] = '\0';
        test_fail(__FILE__, __LINE__, "no directory for the test: %s", strerror(errno));
    }
    return now.dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int open_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    return type == FTW_D || type == FTW_DNR ? chmod(path, 0700) : 0;
}

/* A test may have left a directory read-only. */
static void remove_dir(const char *dir)
{
    nftw(dir, open_one, 16, FTW_PHYS);
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) printf("     could not remove %s\n", dir);
}

static void on_alarm(int signo)
{
    static const char says[] = "FAIL (hangs) ";
    (void)signo;
    if (write(STDOUT_FILENO, says, sizeof says - 1) < 0 ||
        write(STDOUT_FILENO, now.test->name, strlen(now.test->name)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
        _exit(3);
    abort(); /* leaves a core of what hangs */
}

static enum outcome run_test(const test_case *t, uint64_t hang_s)
{
    now.test = t;
    now.thread = pthread_self();
    now.pid = getpid();
    now.seeded = false;
    now.seed = env_number("EYOT_TEST_SEED", 1);
    now.dir[0] = '\0';
    alarm((unsigned)hang_s);
    now.outcome = PASSED;
    if (setjmp(now.leave) == 0) t->fn();
    alarm(0);
    if (now.dir[0] && now.outcome == FAILED) printf("     kept %s\n", now.dir);
    if (now.dir[0] && now.outcome != FAILED) remove_dir(now.dir);
    fflush(stdout);
    return now.outcome;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const test_case *const *)a)->name, (*(const test_case *const *)b)->name);
}

static bool is_wanted(const test_case *t, char **parts, int n)
{
    for (int i = 0; i < n; i++) {
        if (strstr(t->name, parts[i])) return true;
    }
    return n == 0;
}

/* The wanted tests in order of name; *n gets how many. */
static const test_case **choose(char **parts, int n_parts, size_t *n)
{
    size_t total = 0;
    for (const test_case *t = all_tests; t; t = t->next) total++;
    const test_case **list = calloc(total + 1, sizeof(*list));
    if (!list) abort();
    *n = 0;
    for (const test_case *t = all_tests; t; t = t->next) {
        if (is_wanted(t, parts, n_parts)) list[(*n)++] = t;
    }
    qsort(list, *n, sizeof(*list), by_name);
    return list;
}

int main(int argc, char **argv)
{
    bool only_list = argc > 1 && strcmp(argv[1], "-l") == 0;
    int first = only_list ? 2 : 1;
    size_t n, counts[3] = {0};
    const test_case **list = choose(argv + first, argc - first, &n);
    struct sigaction hang = {.sa_handler = on_alarm};
    uint64_t hang_s = env_number("EYOT_TEST_HANG_S", 120) * env_number("EYOT_TEST_PATIENCE", 1);
    sigaction(SIGALRM, &hang, NULL);
    for (size_t i = 0; i < n; i++) {
        if (only_list)
            printf("%s\n", list[i]->name);
        else
            counts[run_test(list[i], hang_s)]++;
    }
    free(list);
    if (only_list) return 0;
    printf("%zu tests, %zu passed, %zu failed, %zu skipped\n", n, counts[PASSED], counts[FAILED], counts[SKIPPED]);
    if (n == 0) printf("no test has such a name\n");
    return counts[FAILED] || n == 0 ? 1 : 0;
}
