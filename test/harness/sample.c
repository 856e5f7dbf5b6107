/* SPDX-License-Identifier: MIT */
/* Tests with known ends, for test/harness/expect.sh. */
#include "test/eyot_test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(sample__b_fails)
{
    uint64_t random = test_seed();
    FILE *f = fopen(test_dir(), "r");
    if (f) fclose(f);
    CHECK(test_random(&random) != 0);
    CHECK_INT(1, 2);
    exit(9); /* a failed check ends its test */
}

TEST(sample__a_passes)
{
    char path[5000];
    snprintf(path, sizeof path, "%s/file", test_dir());
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fclose(f);
    CHECK_STR("same", "same");
}

TEST(sample__c_skips)
{
    test_skip("no server");
}

TEST(sample__d_fails_in_a_child)
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) CHECK_INT(child, 1);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
}

TEST(sample__hangs)
{
    for (;;) pause();
}
