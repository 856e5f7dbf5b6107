/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memmem */
#include "cli/jq.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <eyot/copier.h>

#include "test/eyot_test.h"

/* ---- one call, and waiting for it ------------------------------------------------------------------------------- */

enum { MOST = 4 };

typedef struct answer {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned times;
    eyot_status status;
    char failure[600];
    size_t n;
    char *values[MOST]; /* as JSON; NULL: failed */
    char errors[MOST][1200];
} answer;

static void keep(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure)
{
    answer *a = arg;
    pthread_mutex_lock(&a->lock);
    a->times++;
    a->status = status;
    a->n = n;
    snprintf(a->failure, sizeof a->failure, "%s", failure ? failure : "");
    for (size_t i = 0; i < n && i < MOST; i++) {
        a->values[i] = results[i].value ? eyot_json_print(results[i].value, NULL) : NULL;
        snprintf(a->errors[i], sizeof a->errors[i], "%s", results[i].error ? results[i].error : "");
    }
    pthread_cond_broadcast(&a->done);
    pthread_mutex_unlock(&a->lock);
}

static void answer_init(answer *a)
{
    memset(a, 0, sizeof *a);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->done, NULL);
}

static void answer_wait(answer *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->times == 0) pthread_cond_wait(&a->done, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

static void answer_clear(answer *a)
{
    for (size_t i = 0; i < MOST; i++) eyot_free(a->values[i]);
    pthread_cond_destroy(&a->done);
    pthread_mutex_destroy(&a->lock);
}

static loop *new_loop(unsigned helpers)
{
    loop *l;
    loop_options options = {.self = EYOT_TEST_PROGRAMS "/jq_helper_for_tests", .helpers = helpers};
    CHECK_OK(loop_start(&l, &options, NULL));
    return l;
}

static void start(answer *a, loop *l, jq_call **c, const char *const *programs, size_t n, const char *input,
                  uint64_t ms)
{
    eyot_value *v = eyot_json_parse(input, NULL);
    answer_init(a);
    CHECK(v);
    CHECK_OK(jq_call_start(c, l, programs, n, v, ms, keep, a));
    eyot_value_unref(v);
}

static void ask(answer *a, loop *l, const char *program, const char *input)
{
    jq_call *c;
    start(a, l, &c, &program, 1, input, 0);
    answer_wait(a);
}

static void gives(loop *l, const char *program, const char *input, const char *value)
{
    answer a;
    ask(&a, l, program, input);
    CHECK_STR(a.failure, "");
    CHECK_STR(a.errors[0], "");
    CHECK_STR(a.values[0], value);
    answer_clear(&a);
}

static void errs(loop *l, const char *program, const char *input, const char *error)
{
    answer a;
    ask(&a, l, program, input);
    CHECK_STR(a.failure, "");
    CHECK(!a.values[0]);
    CHECK_STR(a.errors[0], error);
    answer_clear(&a);
}

static void fails(loop *l, const char *program, const char *input, eyot_status status, const char *failure)
{
    answer a;
    ask(&a, l, program, input);
    CHECK_STATUS(a.status, status);
    CHECK_HAS(a.failure, failure);
    CHECK_INT(a.n, 0);
    answer_clear(&a);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

TEST(jq__evaluates)
{
    loop *l = new_loop(1);
    gives(l, ".a + 1", "{\"a\":1}", "2");
    gives(l, ".a + 1", "{\"a\":2}", "3");
    gives(l, "{b: .a, c: [.a, null, \"\\u0000é\"]}", "{\"a\":0.5}", "{\"b\":0.5,\"c\":[0.5,null,\"\\u0000é\"]}");
    gives(l, ". as $x | $x.a", "{\"a\":9007199254740992}", "9007199254740992");
    loop_stop(l, false);
}

TEST(jq__programs_of_one_call_have_results_of_their_own)
{
    answer a;
    jq_call *c;
    loop *l = new_loop(1);
    static const char *const programs[] = {".a", "error(\"no\")", ".b |", ".a"};
    for (int i = 0; i < 2; i++) { /* then the helper knows them */
        start(&a, l, &c, programs, 4, "{\"a\":[1]}", 0);
        answer_wait(&a);
        CHECK_INT(a.n, 4);
        CHECK_STR(a.values[0], "[1]");
        CHECK_STR(a.errors[1], "no");
        CHECK_STR(a.errors[2], "syntax error: unexpected end of text");
        CHECK_STR(a.values[3], "[1]");
        answer_clear(&a);
    }
    loop_stop(l, false);
}

TEST(jq__exactly_one_output_is_wanted)
{
    loop *l = new_loop(1);
    errs(l, "empty", "{}", "gave no output");
    errs(l, "1, 2", "{}", "gave more than one output");
    errs(l, "1, error(\"late\")", "{}", "late");
    loop_stop(l, false);
}

TEST(jq__errors_are_what_the_program_says)
{
    loop *l = new_loop(1);
    errs(l, "error(\"bad: \\(.a)\")", "{\"a\":5}", "bad: 5");
    errs(l, "error({a: 1})", "{}", "{\"a\":1}");
    errs(l, "error(null)", "{}", "gave no output"); /* libjq cannot tell */
    errs(l, "error(\"a\\nb\")", "{}", "a b");
    errs(l, "error(\"\")", "{}", "failed without a message");
    errs(l, ".a.b", "{\"a\":5}", "Cannot index number with string \"b\"");
    errs(l, "input", "{}", "there is no further input");
    errs(l, "halt", "{}", "called halt");
    errs(l, "import \"a\" as a; .", "{}", "module not found: a");
    loop_stop(l, false);
}

TEST(jq__sees_nothing_of_the_surroundings)
{
    loop *l = new_loop(1);
    setenv("LD_LIBRARY_PATH", "/nowhere", 1);
    gives(l, "[$ENV, env]", "{}", "[{},{}]");
    unsetenv("LD_LIBRARY_PATH");
    loop_stop(l, false);
}

TEST(jq__what_json_lacks_is_an_error_with_its_pointer)
{
    loop *l = new_loop(1);
    errs(l, "nan", "{}", "the result is not a number");
    errs(l, "{a: [0, {\"b/~c\": infinite}]}", "{}", "/a/1/b~1~0c: infinite");
    errs(l, "[1e1000]", "{}", "/0: infinite");
    errs(l, "reduce range(600) as $i (null; [.])", "{}", "the result is nested deeper than 512");
    loop_stop(l, false);
}

TEST(jq__integers_that_it_would_change_are_refused_with_their_pointer)
{
    loop *l = new_loop(1);
    fails(l, ".", "{\"a\":[9007199254740993]}", EYOT_EFAILED,
          "/a/0: 9007199254740993 is beyond what jq computes exactly");
    fails(l, ".", "{\"x\":{\"a/b\":-9007199254740993}}", EYOT_EFAILED, "/x/a~1b: -9007199254740993 is beyond");
    fails(l, ".", "[18446744073709551615]", EYOT_EFAILED, "/0: 18446744073709551615 is beyond");
    gives(l, ".", "[-9007199254740992,1e300]", "[-9007199254740992,1e300]");
    loop_stop(l, false);
}

TEST(jq__state_that_json_lacks_is_refused)
{
    answer a;
    jq_call *c;
    const char *program = ".";
    loop *l = new_loop(1);
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "a", eyot_value_new_double((double)NAN));
    answer_init(&a);
    CHECK_OK(jq_call_start(&c, l, &program, 1, v, 0, keep, &a));
    answer_wait(&a);
    CHECK_STATUS(a.status, EYOT_EFAILED);
    CHECK_HAS(a.failure, "the state cannot be given to jq: ");
    answer_clear(&a);
    eyot_value_unref(v);
    loop_stop(l, false);
}

/* ---- misbehaviour ------------------------------------------------------------------------------------------------ */

TEST(jq__endless_expression_is_ended_and_the_next_has_a_helper)
{
    answer a;
    jq_call *c;
    const char *program = "last(repeat(.))";
    loop *l = new_loop(1);
    start(&a, l, &c, &program, 1, "{}", 300);
    answer_wait(&a);
    CHECK_STATUS(a.status, EYOT_ETIMEDOUT);
    CHECK_STR(a.failure, "the expression did not end within 300 ms");
    answer_clear(&a);
    gives(l, ".a", "{\"a\":1}", "1");
    loop_stop(l, false);
}

TEST(jq__failure_names_the_guilty_one_of_several)
{
    answer a;
    jq_call *c;
    static const char *const programs[] = {".", "last(repeat(.))", ".a"};
    loop *l = new_loop(1);
    start(&a, l, &c, programs, 3, "{}", 1000);
    answer_wait(&a);
    CHECK_STR(a.failure, "last(repeat(.)): the expression did not end within 1 s");
    answer_clear(&a);
    loop_stop(l, false);
}

TEST(jq__what_ends_libjq_fails_and_the_next_has_a_helper)
{
    static const char *const deadly[] = {"include \"x\"; .", "[range(1e9)]", "[1] | .[nan:]",
                                         "reduce range(100) as $i (\"x\"; . + .)"};
    loop *l;
    loop_options options = {.self = EYOT_TEST_PROGRAMS "/jq_helper_for_tests", .helpers = 1, .jq_memory = 128 << 20};
    CHECK_OK(loop_start(&l, &options, NULL));
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        answer a;
        ask(&a, l, deadly[i], "{}");
        CHECK(a.status == EYOT_EFAILED || !a.values[0]);
        if (i > 0)
            CHECK_STR(a.failure, "the expression ended its helper: it may want more than 128 MiB, or uses what libjq "
                                 "cannot do");
        answer_clear(&a);
        gives(l, ".a", "{\"a\":1}", "1");
    }
    loop_stop(l, false);
}

TEST(jq__endless_expressions_delay_others_by_their_timeout_only)
{
    enum { N = 20 };
    answer endless, others[N];
    jq_call *c;
    const char *never = "last(repeat(.))", *program = ".a";
    loop *l = new_loop(2);
    start(&endless, l, &c, &never, 1, "{}", 100000);
    for (int i = 0; i < N; i++) start(&others[i], l, &(jq_call *){NULL}, &program, 1, "{\"a\":1}", 0);
    for (int i = 0; i < N; i++) { /* by the other helper */
        answer_wait(&others[i]);
        CHECK_STR(others[i].values[0], "1");
        answer_clear(&others[i]);
    }
    CHECK_INT(endless.times, 0);
    jq_call_stop(c);
    answer_wait(&endless);
    CHECK_STATUS(endless.status, EYOT_ECANCELED);
    answer_clear(&endless);
    loop_stop(l, false);
}

TEST(jq__waiting_for_a_helper_does_not_use_up_the_timeout)
{
    enum { N = 3 };
    answer a[N];
    jq_call *c;
    static const char *const programs[N] = {"last(repeat(.))", "last(repeat(.))", ".a"};
    loop *l = new_loop(1);
    for (int i = 0; i < N; i++) start(&a[i], l, &c, &programs[i], 1, "{\"a\":1}", i < 2 ? 700 : 1000);
    for (int i = 0; i < N; i++) answer_wait(&a[i]);
    CHECK_STATUS(a[0].status, EYOT_ETIMEDOUT);
    CHECK_STATUS(a[1].status, EYOT_ETIMEDOUT);
    CHECK_STR(a[2].values[0], "1"); /* it has waited 1.4 s */
    for (int i = 0; i < N; i++) answer_clear(&a[i]);
    loop_stop(l, false);
}

TEST(jq_call_stop__ends_a_waiting_call_and_leaves_the_others)
{
    answer a[3];
    jq_call *c[3];
    static const char *const programs[3] = {"last(repeat(.))", ".a", ".a"};
    loop *l = new_loop(1);
    for (int i = 0; i < 3; i++) start(&a[i], l, &c[i], &programs[i], 1, "{\"a\":1}", 100000);
    jq_call_stop(c[1]);
    answer_wait(&a[1]);
    CHECK_STATUS(a[1].status, EYOT_ECANCELED);
    CHECK_INT(a[0].times, 0);
    jq_call_stop(c[0]);
    answer_wait(&a[0]);
    answer_wait(&a[2]);
    CHECK_STR(a[2].values[0], "1");
    for (int i = 0; i < 3; i++) answer_clear(&a[i]);
    loop_stop(l, false);
}

TEST(loop_stop__ends_jq_calls)
{
    answer a[3];
    jq_call *c;
    const char *never = "last(repeat(.))";
    loop *l = new_loop(1);
    for (int i = 0; i < 3; i++) start(&a[i], l, &c, &never, 1, "{}", 100000);
    loop_stop(l, false);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(a[i].times, 1);
        CHECK_STATUS(a[i].status, EYOT_ECANCELED);
        answer_clear(&a[i]);
    }
}

TEST(jq__helper_that_cannot_be_started_is_said)
{
    loop *l;
    loop_options options = {.self = "/nowhere/eyot"};
    CHECK_OK(loop_start(&l, &options, NULL));
    fails(l, ".", "{}", EYOT_EFAILED, "no jq helper can be started: /nowhere/eyot: No such file or directory");
    loop_stop(l, false);
    options.self = "/bin/true"; /* starts, and is none */
    CHECK_OK(loop_start(&l, &options, NULL));
    fails(l, ".", "{}", EYOT_EFAILED, "the expression ended its helper");
    loop_stop(l, false);
}

static bool is_alive(pid_t pid)
{
    char path[64], state = 'Z';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 'Z';
    if (f) fclose(f);
    return state != 'Z' && state != 'X';
}

/* An idle helper that somebody kills is nobody's fault. */
TEST(jq__helper_that_dies_idle_is_replaced_unseen)
{
    char pid[32];
    answer a;
    loop *l = new_loop(1);
    gives(l, ".a", "{\"a\":1}", "1");
    for (int i = 0; i < 20; i++) {
        FILE *children = popen("pgrep -f jq_helper_for_tests -P $PPID", "r");
        CHECK(children && fgets(pid, sizeof pid, children));
        pclose(children);
        kill(atoi(pid), SIGKILL);
        while (is_alive(atoi(pid))) {}
        ask(&a, l, ".a", "{\"a\":1}");
        CHECK_STR(a.failure, "");
        CHECK_STR(a.values[0], "1");
        answer_clear(&a);
    }
    loop_stop(l, false);
}

/* ---- many and much ----------------------------------------------------------------------------------------------- */

TEST(jq__a_thousand_evaluations)
{
    enum { N = 1000 };
    static answer a[N];
    static const char *const programs[] = {".a * 2", ".a * 2"};
    char input[32], expected[32];
    loop *l = new_loop(2);
    uint64_t begin = test_now_ms();
    for (int i = 0; i < N; i++) {
        snprintf(input, sizeof input, "{\"a\":%d}", i);
        start(&a[i], l, &(jq_call *){NULL}, &programs[0], 1, input, 0);
    }
    for (int i = 0; i < N; i++) {
        answer_wait(&a[i]);
        snprintf(expected, sizeof expected, "%d", 2 * i);
        CHECK_STR(a[i].values[0], expected);
        answer_clear(&a[i]);
    }
    CHECK(test_now_ms() - begin < 10000); /* compiled once per helper, not a thousand times */
    loop_stop(l, false);
}

TEST(jq__20_MiB_go_in_and_come_out)
{
    answer a;
    size_t len = 20 << 20;
    loop *l = new_loop(1);
    char *input = malloc(len + 16);
    CHECK(input);
    memcpy(input, "{\"a\":\"", 6);
    memset(input + 6, 'x', len);
    strcpy(input + 6 + len, "\"}");
    ask(&a, l, ".", input);
    CHECK_STR(a.failure, "");
    CHECK(a.values[0] && strcmp(a.values[0], input) == 0);
    answer_clear(&a);
    free(input);
    gives(l, ".a", "{\"a\":1}", "1");
    loop_stop(l, false);
}

TEST(jq__a_helper_that_has_grown_is_replaced)
{
    loop *l = new_loop(1);
    for (int i = 0; i < 4; i++) gives(l, "[range(3000000)] | length", "{}", "3000000");
    loop_stop(l, false);
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

TEST(jq_check__says_of_each_what_is_wrong)
{
    static const char *const programs[] = {".a", ".a |", "foo(1)\n", ".\n+ + $x\n", "if . then 1", "$x | foo"};
    static const char *const expected[] = {NULL,
                                           "syntax error: unexpected end of text",
                                           "foo/1 is not defined",
                                           "syntax error: unexpected '+', line 2",
                                           "syntax error: unexpected end of text; Possibly unterminated 'if' statement",
                                           "$x is not defined; foo/0 is not defined"};
    enum { N = sizeof programs / sizeof *programs };
    char *errors[N];
    loop *l = new_loop(2);
    for (int round = 0; round < 2; round++) {
        CHECK_OK(jq_check(l, programs, N, errors));
        for (int i = 0; i < N; i++) {
            if (expected[i])
                CHECK_STR(errors[i], expected[i]);
            else
                CHECK(!errors[i]);
            free(errors[i]);
        }
        gives(l, ".a", "{\"a\":1}", "1"); /* the same helpers evaluate */
    }
    loop_stop(l, false);
}
