/* SPDX-License-Identifier: MIT */
/* What a command costs beyond fork, exec and wait; and an evaluation by jq. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eyot/copiers.h>

#include "bench/bench.h"
#include "cli/command.h"
#include "cli/jq.h"

enum { COMMANDS = 1000 };

static char input[] = "{\"dir\":\"/usr/share/common-licenses\",\"file\":\"GPL-3\",\"words\":5644}\n";

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "command_bench: %s\n", what);
    exit(1);
}

static void start_plain(const char *program)
{
    pid_t pid = fork();
    must(pid >= 0, "fork failed");
    if (pid > 0) return;
    execl(program, program, (char *)NULL);
    _exit(127);
}

/* `arg` is how many run at once. */
static void plain(void *arg)
{
    int at_once = *(const int *)arg, running = 0, status;
    for (int i = 0; i < COMMANDS; i++) {
        start_plain("/bin/true");
        if (++running < at_once) continue;
        must(wait(&status) > 0 && status == 0, "/bin/true failed");
        running--;
    }
    for (; running > 0; running--) must(wait(&status) > 0 && status == 0, "/bin/true failed");
}

typedef struct ours {
    loop *l;
    int at_once;
    sem_t free; /* as many as may be started */
} ours;

static void ended(void *arg, const command_result *r)
{
    ours *o = arg;
    must(r->end == COMMAND_EXITED && r->code == 0, "/bin/true failed");
    sem_post(&o->free);
}

static void commands(void *arg)
{
    ours *o = arg;
    const char *const args[] = {"true", NULL}, *const env[] = {"EYOT_RUN=bench", "EYOT_TASK=true", "EYOT_ATTEMPT=1",
                                                               NULL};
    const command_spec spec = {.argv = args,
                               .env = env,
                               .input = input,
                               .input_len = sizeof input - 1,
                               .grace_ms = 5000,
                               .max_output = 1 << 24};
    for (int i = 0; i < COMMANDS; i++) {
        command *c;
        sem_wait(&o->free);
        must(command_start(&c, o->l, &spec, ended, o) == EYOT_OK, "a command cannot be started");
    }
    for (int i = 0; i < o->at_once; i++) sem_wait(&o->free);
    for (int i = 0; i < o->at_once; i++) sem_post(&o->free);
}

typedef struct asking {
    loop *l;
    eyot_value *state;
    int at_once;
    sem_t free;
} asking;

static void answered(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure)
{
    asking *a = arg;
    must(status == EYOT_OK && n == 1 && results[0].value, failure ? failure : "an expression failed");
    sem_post(&a->free);
}

static void expressions(void *arg)
{
    static const char *const program = ".words + 1";
    asking *a = arg;
    for (int i = 0; i < COMMANDS; i++) {
        jq_call *c;
        sem_wait(&a->free);
        must(jq_call_start(&c, a->l, &program, 1, a->state, 0, answered, a) == EYOT_OK, "jq cannot be asked");
    }
    for (int i = 0; i < a->at_once; i++) sem_wait(&a->free);
    for (int i = 0; i < a->at_once; i++) sem_post(&a->free);
}

static void bench_commands(loop *l, int at_once)
{
    char names[3][64];
    ours o = {.l = l, .at_once = at_once};
    sem_init(&o.free, 0, (unsigned)at_once);
    snprintf(names[0], sizeof names[0], "command_plain__fork_exec_wait_%d_at_once", at_once);
    snprintf(names[1], sizeof names[1], "command_start__%d_at_once", at_once);
    snprintf(names[2], sizeof names[2], "command_start__%d_at_once_over_plain", at_once);
    bench_way ways[] = {{.name = names[0], .ops = COMMANDS, .fn = plain, .arg = &at_once},
                        {.name = names[1], .ops = COMMANDS, .fn = commands, .arg = &o}};
    if (bench_in_turn(ways, 2)) bench_quotient(names[2], &ways[1], &ways[0], "<= 1.5");
    sem_destroy(&o.free);
}

static void bench_expressions(loop *l, int at_once)
{
    char name[64];
    asking a = {.l = l, .at_once = at_once, .state = eyot_json_parse(input, NULL)};
    sem_init(&a.free, 0, (unsigned)at_once);
    snprintf(name, sizeof name, "jq_call__%d_at_once", at_once);
    bench_time(name, COMMANDS, expressions, &a);
    sem_destroy(&a.free);
    eyot_value_unref(a.state);
}

int main(int argc, char **argv)
{
    loop *l;
    eyot_error e;
    const loop_options options = {.self = "/proc/self/exe"};
    if (argc == 2 && strcmp(argv[1], JQ_HELPER_ARG) == 0) return jq_helper_main();
    bench_begin(argc, argv);
    must(loop_start(&l, &options, &e) == EYOT_OK, "the loop does not start");
    bench_commands(l, 1);
    bench_commands(l, 2);
    bench_expressions(l, 1);
    bench_expressions(l, 16);
    loop_stop(l, false);
    return bench_end();
}
