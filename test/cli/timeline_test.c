/* SPDX-License-Identifier: MIT */
#include "cli/timeline.h"

#include "cli/out.h"
#include "test/eyot_test.h"

#include <stdlib.h>
#include <unistd.h>

enum { MS = 1000 };

/* What is drawn, read back from a file that takes the place of stdout meanwhile. */
static char drawn[65536];

static void draw(timeline *t)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/drawn", test_dir());
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    CHECK(before >= 0 && freopen(path, "w", stdout));
    bool good = timeline_draw(t);
    out_flush();
    dup2(before, STDOUT_FILENO);
    close(before);
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(drawn, 1, sizeof drawn - 1, file) : 0;
    drawn[n] = '\0';
    if (file) fclose(file);
    timeline_free(t);
    CHECK(good);
}

static timeline *begin(void)
{
    setenv("LC_ALL", "C", 1); /* bars of # */
    timeline *t = timeline_new();
    CHECK(t);
    return t;
}

static const char *row(const char *label)
{
    static char text[128];
    const char *at = strstr(drawn, label);
    size_t n = at ? strcspn(at, "\n") : 0;
    snprintf(text, sizeof text, "%.*s", (int)n, at ? at : "");
    return text;
}

TEST(timeline__draws_when_what_ran)
{
    timeline *t = begin();
    CHECK(timeline_add(t, "b", 1, 1500 * MS, 500 * MS, false) && timeline_add(t, "a", 1, 1000 * MS, 500 * MS, false));
    draw(t);
    CHECK_STR(row("a "), "a ##################################                                      0.5 s");
    CHECK_STR(row("b "), "b                                   ##################################    0.5 s");
    CHECK(strstr(drawn, "a ") < strstr(drawn, "b "));
    CHECK_HAS(drawn, "2 attempts in 1.0 s\n");
}

TEST(timeline__marks_failed_attempts_and_numbers_later_ones)
{
    timeline *t = begin();
    CHECK(timeline_add(t, "a", 1, 0, 10 * MS, true) && timeline_add(t, "a", 2, 50 * MS, 0, false));
    draw(t);
    CHECK_HAS(drawn, "#x ");
    CHECK_HAS(row("a #2"), "#");
    CHECK_HAS(row("a #2"), "<1 ms");
}

TEST(timeline__leaves_out_a_night)
{
    timeline *t = begin();
    CHECK(timeline_add(t, "a", 1, 0, 1000 * MS, false) &&
          timeline_add(t, "b", 1, 36000ull * 1000 * MS, 1000 * MS, false));
    draw(t);
    CHECK_HAS(row("a "), "##########");
    CHECK_HAS(row("b "), "##########");
    CHECK_HAS(row("a "), ":");
    CHECK_HAS(drawn, "2 attempts in 10:00:01; at : nothing ran, and 9:59:58 are left out\n");
}

TEST(timeline__fits_80_columns_whatever_the_keys)
{
    timeline *t = begin();
    char key[201];
    memset(key, 'k', 200), key[200] = '\0';
    CHECK(timeline_add(t, key, 1, 0, 5, false) &&
          timeline_add(t, "fetch_something_with_a_long_name@2.17[1234]", 3, 2, 9, true));
    draw(t);
    for (const char *line = drawn; *line; line += strcspn(line, "\n") + 1) CHECK(strcspn(line, "\n") <= 80);
    CHECK_HAS(drawn, "[1234] #3 ");
}

TEST(timeline__of_nothing_is_empty)
{
    draw(begin());
    CHECK_STR(drawn, "");
}

/* Every attempt after a wait: the work grows with the attempts, not with their square. */
TEST(timeline__of_many_waits_is_quick)
{
    timeline *t = begin();
    uint64_t began = test_now_ms();
    for (unsigned i = 0; i < 20000; i++) CHECK(timeline_add(t, "a", 1, i * 10000ull * MS, MS, false));
    draw(t);
    CHECK(test_now_ms() - began < 20000);
}
