/* SPDX-License-Identifier: MIT */
#include "cli/doc.h"

#include <stdlib.h>

#include "test/eyot_test.h"

static const char *const no_keys[] = {NULL};
static const char *const some_keys[] = {"run", "when", "env", NULL};

static void read_text(doc *d, arena *mem, const char *text)
{
    doc_read(d, mem, text, strlen(text), some_keys);
}

/* The tree in one line: 1:4 before each piece, ' for quoted, | for blocks, ! for flaws, # for comments. */
static void write_tree(textbuf *b, const doc_node *v, bool places)
{
    char place[64];
    if (!v) {
        textbuf_puts(b, "nothing");
        return;
    }
    snprintf(place, sizeof place, "%u:%u ", v->line, v->column);
    if (places) textbuf_puts(b, place);
    snprintf(place, sizeof place, "!%d", v->flaw);
    if (v->flaw) textbuf_puts(b, place);
    if (v->kind == DOC_SCALAR) {
        textbuf_puts(b, v->comment ? "#" : v->style == DOC_QUOTED ? "'" : v->style == DOC_BLOCK ? "|" : "");
        textbuf_add(b, v->text, v->n);
        return;
    }
    textbuf_puts(b, v->kind == DOC_MAP ? "{" : "[");
    for (const doc_node *in = v->first; in; in = in->next) {
        write_tree(b, in, places);
        if (v->kind == DOC_MAP) {
            textbuf_puts(b, ": ");
            write_tree(b, in = in->next, places);
        }
        if (in->next) textbuf_puts(b, ", ");
    }
    textbuf_puts(b, v->kind == DOC_MAP ? "}" : "]");
}

static void check_tree_of(const char *text, size_t len, const char *want, bool places)
{
    doc d;
    arena mem = {0};
    textbuf b = {0};
    doc_read(&d, &mem, text, len, no_keys);
    if (d.mistake) test_fail(__FILE__, __LINE__, "%u:%u: %s", d.line, d.column, d.mistake);
    write_tree(&b, d.root, places);
    CHECK_STR(b.text, want);
    textbuf_clear(&b);
    arena_clear(&mem);
}

static void check_tree(const char *text, const char *want)
{
    check_tree_of(text, strlen(text), want, true);
}

/* The same without places. */
static void check_shape(const char *text, const char *want)
{
    check_tree_of(text, strlen(text), want, false);
}

static void check_stops_len(const char *text, size_t len, const char *want)
{
    doc d;
    arena mem = {0};
    char said[600];
    doc_read(&d, &mem, text, len, some_keys);
    if (!d.mistake) test_fail(__FILE__, __LINE__, "%.60s was read", text);
    snprintf(said, sizeof said, "%u:%u: %s", d.line, d.column, d.mistake);
    CHECK_STR(said, want);
    arena_clear(&mem);
}

static void check_stops(const char *text, const char *want)
{
    check_stops_len(text, strlen(text), want);
}

/* ---- YAML ------------------------------------------------------------------------------------------------------ */

TEST(doc_yaml__every_piece_knows_its_place)
{
    check_tree("a: 1\nb:\n  - x\n  - 'y z'\n  - {c: \"d\"}\n",
               "1:1 {1:1 a: 1:4 1, 2:1 b: 3:3 [3:5 x, 4:5 'y z, 5:5 {5:6 c: 5:9 'd}]}");
    check_tree("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "1:1 {1:1 a: 1:4 |x\ny\n, 4:1 b: 4:4 |x y}");
}

TEST(doc_yaml__columns_count_characters)
{
    check_tree("\"\xc3\xa9\": {\xe2\x82\xac: \xf0\x9f\x8c\x8a, b: c}",
               "1:1 {1:1 '\xc3\xa9: 1:6 {1:7 \xe2\x82\xac: 1:10 \xf0\x9f\x8c\x8a, 1:13 b: 1:16 c}}");
}

TEST(doc_yaml__a_byte_order_mark_and_line_ends_of_other_systems_are_passed_over)
{
    check_tree("\xef\xbb\xbf"
               "a: b\r\nc: d # e\r\n",
               "1:1 {1:1 a: 1:4 b, 2:1 c: 2:4 #d}");
}

TEST(doc_yaml__an_empty_file_has_no_tree)
{
    check_tree("", "nothing");
    check_tree("# only words\n\n", "nothing");
}

TEST(doc_yaml__one_document_may_be_marked)
{
    check_tree("---\na: b\n...\n", "2:1 {2:1 a: 2:4 b}");
}

TEST(doc_yaml__tags_are_marked)
{
    check_shape("when: !.ok", "{when: !1}");
    check_shape("when: ! .ok", "{when: !1.ok}");
    check_shape("when: !", "{when: !1}");
    check_shape("a: !!str b\nc: !x {d: e}\nf: !<y> [g]\nh: ! 'i'\nj: ! |\n  k\n",
                "{a: !1b, c: !1{d: e}, f: !1[g], h: !1'i, j: !1|k\n}");
    check_shape("!a b: c", "{!1b: c}");
}

TEST(doc_yaml__anchors_and_aliases_are_marked)
{
    check_shape("a: &x b\nc: *x\nd: &y {e: f}\ng: [*y, &z]\n", "{a: !2b, c: !3x, d: !2{e: f}, g: [!3y, !2]}");
}

TEST(doc_yaml__missing_values_and_keys_are_marked)
{
    check_shape("a:\nb: ''\nc: [d, ]\ne: {f, g: }\n? \n: h\ni:\n  -\n  - j\n",
                "{a: !4, b: ', c: [d], e: {f: !4, g: !4}, !4: h, i: [!4, j]}");
    check_tree("a:\n  b:\n", "1:1 {1:1 a: 2:3 {2:3 b: 2:5 !4}}");
}

TEST(doc_yaml__keys_that_are_no_texts_are_marked)
{
    check_shape("<<: a\n'<<': b\n{c: d}: e\n? [f]\n: g\n", "{!5<<: a, '<<: b, !6{c: d}: e, !6[f]: g}");
}

TEST(doc_yaml__keys_that_are_there_twice_are_marked)
{
    check_tree("a: 1\nb: 2\n'a': 3\n\"\\x61\": 4\n",
               "1:1 {1:1 a: 1:4 1, 2:1 b: 2:4 2, 3:1 !7'a: 3:6 3, 4:1 !7'a: 4:9 4}");
}

TEST(doc_yaml__comments_behind_plain_texts_are_seen)
{
    check_shape("a: .a #x\nb: '.a' #x\nc: .a#x\nd: .a\t# x\ne: .a\n# x\nf: [.a, # x\n .b]\n",
                "{a: #.a, b: '.a, c: .a#x, d: #.a, e: .a, f: [.a, .b]}");
    check_shape("a: .a == \"x #1\"\nb: \xc3\xa9 # x\n", "{a: #.a == \"x, b: #\xc3\xa9}");
}

TEST(doc_yaml__plain_texts_of_several_lines_are_marked)
{
    check_shape("a: b\n  c\nd: 'e\n  f'\n", "{a: !8b c, d: 'e f}");
}

TEST(doc_yaml__a_second_document_ends_the_reading)
{
    check_stops("a: b\n---\nc: d\n", "2:1: a second document begins; a graph file is one");
    check_stops("a: b\n...\nc: d\n", "3:1: did not find expected <document start>");
}

TEST(doc_yaml__directives_end_the_reading)
{
    check_stops("%YAML 1.1\n---\na: b\n", "1:1: % directives are not for graph files");
    check_stops("%TAG ! x:\n---\na: b\n", "1:1: % directives are not for graph files");
}

TEST(doc_yaml__syntax_errors_have_their_place)
{
    check_stops("a: b: c", "1:5: mapping values are not allowed in this context");
    check_stops("a: [b, c\nd: e\n", "2:2: did not find expected ',' or ']' (while parsing a flow sequence in line 1)");
    check_stops("a:\n\tb: c",
                "2:1: found character that cannot start any token (while scanning for the next token in line 2)");
}

TEST(doc_yaml__syntax_errors_at_the_end_are_in_the_last_line)
{
    check_stops("a:\n  b: [\xc3\xa9",
                "2:8: did not find expected ',' or ']' (while parsing a flow sequence in line 2)");
    check_stops("a: [b\n", "2:1: did not find expected ',' or ']' (while parsing a flow sequence in line 1)");
}

TEST(doc_yaml__syntax_errors_in_expressions_advise_to_quote)
{
    check_stops("run: echo a: b",
                "1:12: mapping values are not allowed in this context; quote the text with '...' or use a | block");
    check_stops(
        "a:\n  - {when: @x}\n",
        "2:12: found character that cannot start any token (while scanning for the next token in line 2); quote "
        "the text with '...' or use a | block");
    check_stops(
        "env:\n  X: \"a\" + .b\n",
        "2:10: did not find expected key (while parsing a block mapping in line 2); quote the text with '...' or use a "
        "| block");
    check_stops("running: @x",
                "1:10: found character that cannot start any token (while scanning for the next token in line 1)");
}

TEST(doc_yaml__only_text_in_utf8_is_read)
{
    check_stops_len("a: b\0c", 6, "1:5: the control character U+0000 cannot stand in a file; in \"...\" it is \\u0000");
    check_stops("a: b\n\xc3\xa9 \x1b[0m",
                "2:3: the control character U+001B cannot stand in a file; in \"...\" it is \\u001b");
    check_stops("a: \xe2\x80\xa8"
                "b",
                "1:4: the control character U+2028 cannot stand in a file; in \"...\" it is \\u2028");
    check_stops("a: b\rc: d", "1:5: the control character U+000D cannot stand in a file; in \"...\" it is \\u000d");
    check_stops("a: \xff", "1:4: the text is no UTF-8 here");
    check_stops("a: \xc0\x80", "1:4: the text is no UTF-8 here");
    check_stops("a: \xed\xa0\x80", "1:4: the text is no UTF-8 here");
    check_stops("a: \xe2\x82", "1:4: the text is no UTF-8 here");
    check_stops("a: \xf4\x90\x80\x80", "1:4: the text is no UTF-8 here");
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

TEST(doc_json__every_piece_knows_its_place)
{
    check_tree(" {\"a\": [1, true,\n  null, \"x\"],\n \"\xc3\xa9\\n\": {\"c\": -1.5e3}}",
               "1:2 {1:3 'a: 1:8 [1:9 1, 1:12 true, 2:3 null, 2:9 'x], 3:2 '\xc3\xa9\n: 3:9 {3:10 'c: 3:15 -1.5e3}}");
}

TEST(doc_json__hashes_and_stars_are_text)
{
    check_shape("{\"a\": \".a #x\", \"b\": \"*x\", \"c\": \"\", \"<<\": \"\\u0041\"}",
                "{'a: '.a #x, 'b: '*x, 'c: ', '<<: 'A}");
}

TEST(doc_json__errors_have_their_place_in_characters)
{
    check_stops("{\"\xc3\xa9\": 1,\n \"\xc3\xa9\" 2}",
                "2:6: a colon is wanted after a key (a file that begins with { is read as JSON)");
    check_stops("{a: b}", "1:2: a key in double quotes is wanted here (a file that begins with { is read as JSON)");
    check_stops("{} x", "1:4: something follows the value (a file that begins with { is read as JSON)");
}

/* ---- limits ---------------------------------------------------------------------------------------------------- */

/* `n` times a text, between two others. */
static char *repeat(const char *before, const char *text, size_t n, const char *after)
{
    textbuf b = {0};
    textbuf_puts(&b, before);
    for (size_t i = 0; i < n; i++) textbuf_puts(&b, text);
    textbuf_puts(&b, after);
    return b.text;
}

static void check_stops_soon(char *text, const char *want)
{
    uint64_t before = test_now_ms();
    check_stops(text, want);
    CHECK(test_now_ms() - before < 1000);
    free(text);
}

TEST(doc_limits__what_is_too_deep_ends_the_reading_at_once)
{
    check_stops_soon(repeat("", "[", 80000, ""), "1:65: nested deeper than 64");
    check_stops_soon(repeat("a: ", "[", 80000, ""), "1:67: nested deeper than 64");
    check_stops_soon(repeat("a: ", "{b: ", 80000, ""), "1:256: nested deeper than 64");
    check_stops_soon(repeat("", "- ", 40000, "x"), "1:129: nested deeper than 64");
    check_stops_soon(repeat("", "? ", 40000, "x"), "1:129: nested deeper than 64");
    check_stops_soon(repeat("{\"a\":", "[", 100, "1"),
                     "1:107: the text ends too early (a file that begins with { is read as JSON)");
    char *json = repeat("{\"a\":", "[", 64, "");
    char *whole = repeat(json, "]", 64, "}");
    free(json);
    check_stops_soon(whole, "1:69: nested deeper than 64");
}

TEST(doc_limits__sixty_four_deep_is_read)
{
    char *open = repeat("", "[", 64, "x"), *text = repeat(open, "]", 64, "");
    doc d;
    arena mem = {0};
    read_text(&d, &mem, text);
    CHECK(d.root && !d.mistake);
    arena_clear(&mem);
    free(open);
    free(text);
}

TEST(doc_limits__big_files_are_refused)
{
    char *text = repeat("a: ", "xxxxxxxx", 524288, "");
    check_stops(text, "1:1: 4194307 bytes are more than a graph file may have (4 MiB)");
    free(text);
}

TEST(doc_limits__more_than_a_hundred_thousand_values_are_refused)
{
    check_stops_soon(repeat("[", "a,", 100000, "b]"), "1:200000: more than 100000 values");
}

TEST(doc_limits__reading_takes_time_and_memory_in_proportion)
{
    static const char *const pieces[] = {"a",  "'",    "\"",          "#",          "a: b\n", "[a, ",  "- a\n",
                                         " ",  "\n",   "a\n",         "!a ",        "&a ",    "? a\n", "|\n a\n",
                                         "\t", "{a: ", "k: |\n  x\n", "\"\\x41\" ", "a b ",   ": "};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char *text = repeat("x: ", pieces[i], 200000 / strlen(pieces[i]), "");
        doc d;
        arena mem = {0};
        uint64_t before = test_now_ms();
        read_text(&d, &mem, text);
        if (test_now_ms() - before > 2000) test_fail(__FILE__, __LINE__, "%s took too long", pieces[i]);
        if (mem.total > 16 * strlen(text) + 300000) test_fail(__FILE__, __LINE__, "%s took %zu", pieces[i], mem.total);
        arena_clear(&mem);
        free(text);
    }
}

/* ---- types ----------------------------------------------------------------------------------------------------- */

static void check_types(doc_type type, const char *const *texts)
{
    for (; *texts; texts++) {
        doc_node v = {.kind = DOC_SCALAR, .style = DOC_PLAIN, .text = *texts, .n = (uint32_t)strlen(*texts)};
        if (doc_type_of(&v) != type) test_fail(__FILE__, __LINE__, "%s is %d, not %d", *texts, doc_type_of(&v), type);
    }
}

TEST(doc_type__numbers_are_those_of_json)
{
    static const char *const numbers[] = {
        "0", "-0", "7", "10", "-1.5", "1e3", "1E+3", "0.1e-2", "123456789012345678901", NULL};
    check_types(DOC_NUMBER, numbers);
}

TEST(doc_type__what_yaml_readers_disagree_about_is_unclear)
{
    static const char *const unclear[] = {"y",
                                          "Y",
                                          "yes",
                                          "Yes",
                                          "YES",
                                          "n",
                                          "N",
                                          "no",
                                          "No",
                                          "NO",
                                          "on",
                                          "On",
                                          "ON",
                                          "off",
                                          "Off",
                                          "OFF",
                                          "True",
                                          "TRUE",
                                          "False",
                                          "FALSE",
                                          "Null",
                                          "NULL",
                                          "~",
                                          "=",
                                          "<<",
                                          "0x1F",
                                          "0o17",
                                          "0b101",
                                          "012",
                                          "1_000",
                                          "+1",
                                          ".5",
                                          "1.",
                                          "-.5",
                                          "+.5e3",
                                          "1_0.5",
                                          "-0x1F",
                                          ".inf",
                                          "-.Inf",
                                          "+.INF",
                                          ".nan",
                                          ".NaN",
                                          "12:30",
                                          "1:02:03",
                                          "12:30.5",
                                          "190:20:30",
                                          "2024-05-01",
                                          "2024-5-1 10:00:00",
                                          "2024-05-01T10:00:00Z",
                                          "2024-05-01 10:00:00.5 +01:00",
                                          "1.e3",
                                          "00",
                                          "-012",
                                          NULL};
    check_types(DOC_UNCLEAR, unclear);
}

TEST(doc_type__the_rest_is_text)
{
    static const char *const rest[] = {"",    "a",   "yess",    "nope",        "yEs",         "tRUE",   "nulL",
                                       "1a",  "0x",  "0xZZ",    "1.2.3",       "12:",         "12:300", "a:b",
                                       "-",   "+",   ".",       "..",          "._",          "_1",     "e3",
                                       "1e",  ".e3", "2024-05", "2024-05-01x", "1 2",         "--1",    ".infinity",
                                       "nan", "inf", "5m",      "10%",         "192.168.0.1", "v1.0",   NULL};
    check_types(DOC_TEXT, rest);
    static const char *const words[] = {"true", NULL};
    check_types(DOC_TRUE, words);
}

TEST(doc_type__quotes_make_a_text)
{
    doc_node v = {.kind = DOC_SCALAR, .style = DOC_QUOTED, .text = "true", .n = 4};
    CHECK_INT(doc_type_of(&v), DOC_TEXT);
}
