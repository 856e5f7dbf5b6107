/* SPDX-License-Identifier: MIT */
/* A test is an address and a sentence:  TEST(value_map__keeps_the_order_of_its_keys) { CHECK(…); }
 * Tests register themselves. The program runs all of them, or those whose names contain one of its arguments
 * (`-l` lists). A failed check ends its test; the program prints one line per failure and a summary. */
#ifndef EYOT_TEST_H
#define EYOT_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct test_case {
    const char *name;
    void (*fn)(void);
    struct test_case *next;
} test_case;

void test_register(test_case *t);
/* Report and leave the test (longjmp): only on the thread that runs the test. */
void test_fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4), noreturn));
/* Counted as skipped, never as passed; fails where the environment has EYOT_TEST_NO_SKIP. */
void test_skip(const char *why) __attribute__((noreturn));
/* A seed for randomised tests: from EYOT_TEST_SEED or fixed default; printed when the test fails. */
uint64_t test_seed(void);
uint64_t test_random(uint64_t *state); /* splitmix64 */
/* EYOT_TEST_LONG=n in the environment makes campaigns n times as long; 1 by default. */
unsigned test_long(void);
/* A fresh directory of this test, removed after it passed. */
const char *test_dir(void);
uint64_t test_now_ms(void); /* monotonic */

#define TEST(name)                                                      \
    static void name(void);                                             \
    static test_case test_case_##name = {#name, name, NULL};            \
    __attribute__((constructor)) static void test_register_##name(void) \
    {                                                                   \
        test_register(&test_case_##name);                               \
    }                                                                   \
    static void name(void)

#define CHECK(x)                                           \
    do {                                                   \
        if (!(x)) test_fail(__FILE__, __LINE__, "%s", #x); \
    } while (0)
#define CHECK_INT(a, b)                                                                                  \
    do {                                                                                                 \
        long long test_a = (long long)(a), test_b = (long long)(b);                                      \
        if (test_a != test_b) test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #a, test_a, test_b); \
    } while (0)
#define CHECK_STR(a, b)                                                                               \
    do {                                                                                              \
        const char *test_a = (a), *test_b = (b);                                                      \
        if (!test_a || !test_b || strcmp(test_a, test_b) != 0)                                        \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, test_a ? test_a : "(null)", \
                      test_b ? test_b : "(null)");                                                    \
    } while (0)
#define CHECK_HAS(text, part)                                                                                         \
    do {                                                                                                              \
        const char *test_a = (text), *test_b = (part);                                                                \
        if (!test_a || !strstr(test_a, test_b))                                                                       \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", without \"%s\"", #text, test_a ? test_a : "(null)", test_b); \
    } while (0)
/* A call that returns eyot_status and fills the eyot_error `err`. */
#define CHECK_OK(call)                                                                  \
    do {                                                                                \
        int test_s = (int)(call);                                                       \
        if (test_s != 0) test_fail(__FILE__, __LINE__, "%s: status %d", #call, test_s); \
    } while (0)
#define CHECK_STATUS(call, want)                                                                                 \
    do {                                                                                                         \
        int test_s = (int)(call);                                                                                \
        if (test_s != (int)(want)) test_fail(__FILE__, __LINE__, "%s: status %d, not %s", #call, test_s, #want); \
    } while (0)

#endif
