/* SPDX-License-Identifier: MIT */
#include "cli/out.h"

#include "cli/place.h"
#include "cli/when.h"
#include "test/eyot_test.h"

#include <stdlib.h>

static char *escaped;

static const char *escape(const char *text, size_t len, out_form form)
{
    free(escaped);
    return escaped = out_escape(text, len, form);
}
#define ESCAPE(text) escape(text, sizeof(text) - 1, OUT_ONE_LINE)

TEST(escape__leaves_text_as_it_is)
{
    CHECK_STR(ESCAPE("Z\u00fcrich \u4e2d\u6587 \U0001F600 \\ \" ~"), "Z\u00fcrich \u4e2d\u6587 \U0001F600 \\ \" ~");
    CHECK_STR(ESCAPE(""), "");
}

TEST(escape__shows_control_bytes)
{
    CHECK_STR(ESCAPE("a\x1b[31mb\a\0c\x7f"), "a\\x1b[31mb\\x07\\x00c\\x7f");
    CHECK_STR(ESCAPE("a\nb\tc\r"), "a\\nb\\tc\\r");
}

TEST(escape__shows_control_characters_beyond_ascii)
{
    CHECK_STR(ESCAPE("\xc2\x9b"
                     "31m"),
              "\\x9b31m");
    CHECK_STR(ESCAPE("\xe2\x80\xae"
                     "abc\xe2\x81\xa6"),
              "\\u202eabc\\u2066");
    CHECK_STR(ESCAPE("\xf3\xa0\x81\x81"), "\\u{e0041}");
}

TEST(escape__shows_what_is_no_utf8)
{
    CHECK_STR(ESCAPE("a\xff"
                     "b"),
              "a\\xffb");
    CHECK_STR(ESCAPE("\xc3"), "\\xc3");
    CHECK_STR(ESCAPE("\xed\xa0\x80"), "\\xed\\xa0\\x80");          /* a surrogate */
    CHECK_STR(ESCAPE("\xc0\x9b"), "\\xc0\\x9b");                   /* overlong */
    CHECK_STR(ESCAPE("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
    CHECK_STR(ESCAPE("\xe2\x80\x1b[m"), "\\xe2\\x80\\x1b[m");      /* an escape inside a broken character */
}

TEST(escape__many_lines_keeps_lines_and_tabs_only)
{
    CHECK_STR(escape("a\tb\nc\r\n", 7, OUT_MANY_LINES), "a\tb\nc\\r\n");
}

TEST(escape__of_json_stays_the_same_json)
{
    static const char json[] = "{\"a\":\"\x7f\xc2\x9b\xe2\x80\xae\xf3\xa0\x81\x81\"}";
    CHECK_STR(escape(json, sizeof json - 1, OUT_AS_JSON), "{\"a\":\"\\u007f\\u009b\\u202e\\udb40\\udc41\"}");
    eyot_value *before = eyot_json_parse(json, NULL), *after = eyot_json_parse(escaped, NULL);
    CHECK(before && eyot_value_equal(before, after));
    eyot_value_unref(before);
    eyot_value_unref(after);
}

TEST(escape__never_writes_past_its_room)
{
    uint64_t seed = test_seed();
    char text[64];
    for (unsigned i = 0; i < 20000 * test_long(); i++) {
        size_t n = test_random(&seed) % sizeof text;
        for (size_t j = 0; j < n; j++) text[j] = (char)test_random(&seed);
        for (int form = OUT_ONE_LINE; form <= OUT_AS_JSON; form++) {
            const char *safe = escape(text, n, (out_form)form);
            CHECK(safe);
            for (const char *p = safe; *p; p++) CHECK((unsigned char)*p >= 0x20 || *p == '\n' || *p == '\t');
        }
    }
}

TEST(exit_code__of_statuses)
{
    CHECK_INT(out_exit_code(EYOT_OK), 0);
    CHECK_INT(out_exit_code(EYOT_EFAILED), 1);
    CHECK_INT(out_exit_code(EYOT_EPARSE), 2);
    CHECK_INT(out_exit_code(EYOT_EIO), 3);
    CHECK_INT(out_exit_code(EYOT_ENOTFOUND), 4);
    CHECK_INT(out_exit_code(EYOT_EBUSY), 5);
    CHECK_INT(out_exit_code(EYOT_ECHANGED), 6);
    CHECK_INT(out_exit_code(EYOT_ESUSPENDED), 7);
    CHECK_INT(out_exit_code(EYOT_ECANCELED), 8);
}

TEST(when__tells_times)
{
    char text[WHEN_TEXT];
    when_took(text, 0);
    CHECK_STR(text, "<1 ms");
    when_took(text, 99);
    CHECK_STR(text, "99 ms");
    when_took(text, 1234);
    CHECK_STR(text, "1.2 s");
    when_took(text, 187000);
    CHECK_STR(text, "3:07");
    when_took(text, 7387000);
    CHECK_STR(text, "2:03:07");
    when_iso(text, 1700000000042);
    CHECK_STR(text, "2023-11-14T22:13:20.042Z");
    when_ago(text, 1000, 6000);
    CHECK_STR(text, "5 s ago");
    when_ago(text, 6000, 1000);
    CHECK_STR(text, "0 s ago");
    when_ago(text, 0, 3 * 86400000);
    CHECK_STR(text, "3 days ago");
}

TEST(run_word__is_an_id_with_a_step_or_a_task)
{
    run_word w;
    CHECK_INT(run_word_read(&w, "a-1", RUN_STEP), 0);
    CHECK_STR(w.run, "a-1");
    CHECK(w.step == EYOT_LATEST);
    CHECK_INT(run_word_read(&w, "a@17", RUN_STEP), 0);
    CHECK_STR(w.run, "a");
    CHECK_INT(w.step, 17);
    CHECK_INT(run_word_read(&w, "a/fetch@2[17]", RUN_TASK), 0);
    CHECK_STR(w.run, "a");
    CHECK_STR(w.task, "fetch@2[17]");
}

TEST(run_id__is_made_of_the_graph_and_what_is_easy_to_type)
{
    char one[129], two[129];
    CHECK(run_id_new(one, "digest") && run_id_new(two, "digest"));
    CHECK_INT(strlen(one), strlen("digest-") + 8);
    CHECK(strncmp(one, "digest-", 7) == 0 && strcmp(one, two) != 0);
    CHECK(run_id_is_good(one));
    CHECK(!run_id_is_good("") && !run_id_is_good("-a") && !run_id_is_good("a b") && !run_id_is_good("a\x1b"));
}
