/* SPDX-License-Identifier: MIT */
/* What `eyot run` adds to the processes that it starts: a graph of a thousand branches that each run /bin/true, from the
 * start of the program to its end. The yardstick starts the same program as often in a loop, as many at once, reads nothing
 * and keeps nothing. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"

enum { COMMANDS = 1000 };

#ifdef EYOT_PROGRAM
static char file[] = "/tmp/eyot-run-bench.XXXXXX", store[64];

static pid_t spawn(char *const argv[])
{
    extern char **environ;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (!error) error = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!error) error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (!error) return pid;
    fprintf(stderr, "run_bench: %s: %s\n", argv[0], strerror(error));
    exit(1);
}

static void wait_for(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    fprintf(stderr, "run_bench: a program has failed\n");
    exit(1);
}

static void loop(void *arg)
{
    int at_once = *(int *)arg;
    char *argv[] = {"/bin/true", NULL};
    for (int i = 0; i < COMMANDS; i++) {
        if (i >= at_once) wait_for(-1);
        spawn(argv);
    }
    for (int i = 0; i < at_once; i++) wait_for(-1);
}

typedef struct subject {
    char *jobs, *store;
} subject;

static void remove_store(void *arg)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    (void)arg;
    for (size_t i = 0; i < 3; i++) {
        char path[80];
        snprintf(path, sizeof path, "%s%s", store, ends[i]);
        unlink(path);
    }
}

static void run(void *arg)
{
    subject *s = arg;
    wait_for(spawn((char *[]){EYOT_PROGRAM, "run", file, "-q", "-j", s->jobs, "--store", s->store, NULL}));
}

static void write_graph(void)
{
    static const char graph[] =
        "{\"graph\": \"fan\", \"nodes\": {"
        "\"list\": {\"jq\": \"{items: [range(1000)]}\", \"next\": [{\"to\": \"work\", \"each\": \".items\"}]},"
        "\"work\": {\"exec\": [\"/bin/true\"], \"output\": \"none\", \"next\": \"join\"},"
        "\"join\": {\"drop\": [\"items\"]}}}";
    int fd = mkstemp(file);
    if (fd < 0 || write(fd, graph, sizeof graph - 1) != sizeof graph - 1) {
        perror(file);
        exit(1);
    }
    close(fd);
    snprintf(store, sizeof store, "%s.db", file);
}

static void measure(int jobs)
{
    char at_once[8], names[5][48];
    snprintf(at_once, sizeof at_once, "%d", jobs);
    static const char *const forms[] = {"loop__%d_at_once", "run__memory_%d_at_once", "run__sqlite_%d_at_once",
                                        "run__memory_over_loop_%d_at_once", "run__sqlite_over_loop_%d_at_once"};
    for (size_t i = 0; i < 5; i++) {
        const char *percent = strchr(forms[i], '%');
        snprintf(names[i], sizeof names[i], "%.*s%d%s", (int)(percent - forms[i]), forms[i], jobs, percent + 2);
    }
    subject memory = {at_once, "memory:"}, sqlite = {at_once, store};
    bench_way ways[] = {{.name = names[0], .ops = COMMANDS, .fn = loop, .arg = &jobs},
                        {.name = names[1], .ops = COMMANDS, .fn = run, .arg = &memory},
                        {.name = names[2], .ops = COMMANDS, .fn = run, .arg = &sqlite, .before = remove_store}};
    if (!bench_in_turn(ways, 3)) return;
    bench_quotient(names[3], &ways[1], &ways[0], "<= 1.5");
    bench_quotient(names[4], &ways[2], &ways[0], NULL);
}
#endif

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
#ifdef EYOT_PROGRAM
    write_graph();
    measure(1);
    measure(2);
    remove_store(NULL);
    unlink(file);
#else
    bench_absent("run", "the program eyot is not built");
#endif
    return bench_end();
}
