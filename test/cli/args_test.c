/* SPDX-License-Identifier: MIT */
#include "cli/args.h"

#include "cli/verb.h"
#include "test/eyot_test.h"

static args a;
static char problem[ARGS_PROBLEM];

static bool parse(int n, const char *const *words)
{
    static char *argv[16];
    args_clear(&a);
    problem[0] = '\0';
    argv[0] = "eyot";
    for (int i = 0; i < n; i++) argv[i + 1] = (char *)words[i];
    return args_parse(&a, n + 1, argv, problem);
}
#define PARSE(...) \
    parse((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[]){__VA_ARGS__})

TEST(args_option__stands_before_and_after_the_verb_and_its_word)
{
    CHECK(PARSE("--store", "x.db", "run", "-j4", "file", "--set=a=1"));
    CHECK_STR(a.verb->name, "run");
    CHECK_INT(a.n_words, 1);
    CHECK_STR(a.words[0], "file");
    CHECK_STR(args_text(&a, "store", NULL), "x.db");
    CHECK_INT(args_number(&a, "jobs", 0), 4);
    CHECK_STR(args_text(&a, "set", NULL), "a=1");
    args_clear(&a);
}

TEST(args_option__value_may_begin_with_a_dash)
{
    CHECK(PARSE("run", "file", "--input", "-", "--set-str", "--x=y"));
    CHECK_STR(args_text(&a, "input", NULL), "-");
    CHECK_STR(args_text(&a, "set-str", NULL), "--x=y");
    args_clear(&a);
}

TEST(args_option__the_last_one_counts_and_repeated_ones_come_in_order)
{
    size_t at = 0;
    CHECK(PARSE("run", "--run", "a", "f", "--set", "x=1", "--set", "y=2", "--run", "b"));
    CHECK_STR(args_text(&a, "run", NULL), "b");
    CHECK_STR(args_each(&a, "set", &at), "x=1");
    CHECK_STR(args_each(&a, "set", &at), "y=2");
    CHECK(args_each(&a, "set", &at) == NULL);
    args_clear(&a);
}

TEST(args_letters__are_joined_and_the_last_takes_the_rest)
{
    CHECK(PARSE("run", "-qvj", "12", "f"));
    CHECK(args_has(&a, "quiet") && args_has(&a, "verbose"));
    CHECK_INT(args_number(&a, "jobs", 0), 12);
    CHECK(PARSE("run", "-qj7", "f"));
    CHECK_INT(args_number(&a, "jobs", 0), 7);
    args_clear(&a);
}

TEST(args_dashes__everything_after_them_is_a_word)
{
    CHECK(PARSE("show", "--", "--json"));
    CHECK_STR(a.words[0], "--json");
    CHECK(!args_has(&a, "json"));
    args_clear(&a);
}

TEST(args_problem__names_option_and_verb_and_what_was_meant)
{
    CHECK(!PARSE("run", "f", "--jbos", "3"));
    CHECK_STR(problem, "run: unknown option --jbos; did you mean --jobs?");
    CHECK(!PARSE("run", "f", "--until", "3"));
    CHECK_STR(problem, "run: unknown option --until; `eyot run --help` lists them");
    CHECK(!PARSE("run", "f", "-x"));
    CHECK_STR(problem, "run: unknown option -x");
    CHECK(!PARSE("version", "--store", "x"));
    CHECK_HAS(problem, "version: unknown option --store");
    CHECK(!PARSE("--store", "x", "version"));
    CHECK_HAS(problem, "version: unknown option --store");
    CHECK(!PARSE("hsitory"));
    CHECK_STR(problem, "there is no verb \"hsitory\"; did you mean history?");
    args_clear(&a);
}

TEST(args_problem__a_value_too_many_or_too_few)
{
    CHECK(!PARSE("run", "f", "--json=1"));
    CHECK_STR(problem, "run: --json takes no value");
    CHECK(!PARSE("run", "f", "--run"));
    CHECK_STR(problem, "run: --run needs a value: ID");
    CHECK(!PARSE("run", "f", "-j"));
    CHECK_STR(problem, "run: -j needs a value: N");
    args_clear(&a);
}

TEST(args_problem__words_too_many_or_too_few)
{
    CHECK(!PARSE("run"));
    CHECK_HAS(problem, "run: which FILE?");
    CHECK(!PARSE("run", "a", "b"));
    CHECK_STR(problem, "run takes one FILE; what is \"b\"?");
    CHECK(!PARSE("list", "b"));
    CHECK_STR(problem, "list takes no argument; what is \"b\"?");
    args_clear(&a);
}

TEST(args_value__is_checked_by_the_table)
{
    CHECK(!PARSE("run", "f", "-j", "many"));
    CHECK_STR(problem, "run: --jobs takes a number from 0 to 65535, not \"many\"");
    CHECK(!PARSE("run", "f", "-j", "-1"));
    CHECK(!PARSE("run", "f", "-j", "65536"));
    CHECK(!PARSE("run", "f", "-j", "99999999999999999999999"));
    CHECK(!PARSE("run", "f", "-j", ""));
    CHECK(PARSE("run", "f", "--durability", "exit"));
    CHECK(!PARSE("run", "f", "--durability", "exi"));
    CHECK(!PARSE("run", "f", "--durability", "exit|"));
    CHECK(!PARSE("run", "f", "--durability", ""));
    CHECK_HAS(problem, "takes sync|async|exit, not \"\"");
    CHECK(!PARSE("list", "--since", "5"));
    CHECK_HAS(problem, "--since takes a time like 250ms");
    args_clear(&a);
}

TEST(args_help__wins_over_what_follows)
{
    CHECK(PARSE("run", "--help", "--nonsense"));
    CHECK(a.help);
    CHECK_STR(a.verb->name, "run");
    CHECK(PARSE("-h"));
    CHECK(a.help && !a.verb);
    CHECK(PARSE("--version"));
    CHECK(a.version);
    args_clear(&a);
}

TEST(args_duration__has_a_unit_and_fits)
{
    uint64_t ms = 0;
    CHECK(args_duration("250ms", &ms) && ms == 250);
    CHECK(args_duration("30s", &ms) && ms == 30000);
    CHECK(args_duration("5m", &ms) && ms == 300000);
    CHECK(args_duration("2h", &ms) && ms == 7200000);
    CHECK(args_duration("3d", &ms) && ms == 259200000);
    CHECK(!args_duration("3", &ms) && !args_duration("d", &ms) && !args_duration("3 d", &ms) &&
          !args_duration("-3d", &ms));
    CHECK(!args_duration("9999999999999999999d", &ms));
}

/* Tables are written by hand: no two options of a verb may have one name or letter. */
TEST(args_tables__have_no_name_twice)
{
    for (size_t v = 0; v < n_verbs; v++) {
        const args_option *tables[] = {verbs[v]->options, verbs[v]->uses_store ? args_store : NULL, args_common},
                          *all[64];
        size_t n = 0;
        for (size_t t = 0; t < 3; t++)
            for (const args_option *o = tables[t]; o && o->name; o++) all[n++] = o;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++) {
                CHECK(strcmp(all[i]->name, all[j]->name) != 0);
                CHECK(!all[i]->letter || all[i]->letter != all[j]->letter);
            }
    }
}
