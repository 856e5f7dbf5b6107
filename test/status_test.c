/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include <stdlib.h>

#include <eyot/eyot.h>

TEST(status__every_one_has_a_name_and_a_text)
{
#define IS_NAMED(name, value, text)                  \
    CHECK_STR(eyot_status_name(EYOT_##name), #name); \
    CHECK_STR(eyot_status_text(EYOT_##name), text);
    EYOT_STATUS_MAP(IS_NAMED)
}

TEST(status__a_number_that_is_none_is_unknown)
{
    CHECK_STR(eyot_status_name((eyot_status)77), "unknown");
    CHECK_STR(eyot_status_text((eyot_status)77), "unknown");
    CHECK_STR(eyot_run_status_name((eyot_run_status)0), "unknown");
    CHECK_STR(eyot_run_status_name((eyot_run_status)(EYOT_RUN_DONE + 1)), "unknown");
}

TEST(status__runs_have_names)
{
    CHECK_STR(eyot_run_status_name(EYOT_RUN_READY), "ready");
    CHECK_STR(eyot_run_status_name(EYOT_RUN_DEAD), "dead");
    CHECK_STR(eyot_run_status_name(EYOT_RUN_DONE), "done");
}

TEST(version__is_the_one_of_the_header)
{
    char want[32];
    snprintf(want, sizeof want, "%d.%d.%d", EYOT_VERSION_MAJOR, EYOT_VERSION_MINOR, EYOT_VERSION_PATCH);
    CHECK_STR(eyot_version(), want);
}

TEST(error_set__fills_all_and_returns_the_status)
{
    eyot_error e = {.os_errno = 5, .text = "old"};
    CHECK_STATUS(eyot_error_set(&e, EYOT_ENOTFOUND, "run %s has no step %d", "a17", 4), EYOT_ENOTFOUND);
    CHECK_INT(e.status, EYOT_ENOTFOUND);
    CHECK_INT(e.os_errno, 0);
    CHECK_STR(e.text, "run a17 has no step 4");
}

TEST(error_set__takes_null)
{
    CHECK_STATUS(eyot_error_set(NULL, EYOT_EIO, "%s", "lost"), EYOT_EIO);
}

TEST(error_set__may_use_its_own_text)
{
    eyot_error e = {0};
    eyot_error_set(&e, EYOT_EIO, "disk is full");
    eyot_error_set(&e, e.status, "run a17: %s", e.text);
    CHECK_STR(e.text, "run a17: disk is full");
}

TEST(error_set__replaces_control_bytes)
{
    eyot_error e;
    eyot_error_set(&e, EYOT_EPARSE, "%s",
                   "a\nb\x1b[2Jc\x7f"
                   "d\xc2\x9b"
                   "e\xc2\xa0"
                   "f");
    CHECK_STR(e.text, "a?b?[2Jc?d??e\xc2\xa0"
                      "f");
}

/* Texts of every length around the limit, in characters of each width: what is kept are whole characters. */
TEST(error_set__cuts_at_a_character)
{
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t width = 1; width <= 4; width++) {
        for (size_t lead = 0; lead < 4; lead++) {
            char text[600] = "";
            memset(text, 'a', lead);
            for (size_t at = lead; at + width < 500; at += width) memcpy(text + at, characters[width - 1], width);
            eyot_error e;
            eyot_error_set(&e, EYOT_EIO, "%s", text);
            size_t kept = strlen(e.text);
            CHECK(memcmp(e.text, text, kept) == 0);
            CHECK_INT((kept - lead) % width, 0);
            CHECK(kept <= 247 && kept + width > 247);
        }
    }
}

TEST(error_set__keeps_a_text_that_just_fits)
{
    char text[248];
    memset(text, 'a', 247);
    text[247] = '\0';
    eyot_error e;
    eyot_error_set(&e, EYOT_EIO, "%s", text);
    CHECK_STR(e.text, text);
}

TEST(free__takes_null_and_memory)
{
    eyot_free(NULL);
    eyot_free(malloc(1)); /* a leak would be seen by the leak checker */
}
