/* SPDX-License-Identifier: MIT */
#include "cli/graphfile.h"

#include <stdlib.h>

#include "test/eyot_test.h"

/* ---- reading --------------------------------------------------------------------------------------------------- */

static graphfile *read_good(const char *text)
{
    gf_problems p = {0};
    graphfile *g = graphfile_read("t.yaml", text, strlen(text), NULL, NULL, &p);
    if (!g) test_fail(__FILE__, __LINE__, "%s", p.n ? p.lines[0] : "nothing was said");
    CHECK_INT(p.n, 0);
    gf_problems_clear(&p);
    return g;
}

/* The mistakes are these, line by line. */
static void check_says(const char *text, const char *want)
{
    static char said[20000];
    gf_problems p = {0};
    graphfile *g = graphfile_read("t", text, strlen(text), NULL, NULL, &p);
    said[0] = '\0';
    for (size_t i = 0; i < p.n; i++) {
        strcat(said, p.lines[i]);
        strcat(said, i + 1 < p.n ? "\n" : "");
    }
    gf_problems_clear(&p);
    graphfile_free(g);
    CHECK(!g || !*said);
    CHECK_STR(said, want);
}

/* One line more at the top of a good file: it is line 1. */
static void check_top(const char *line, const char *want)
{
    char text[1000];
    snprintf(text, sizeof text, "%s\ngraph: g\nnodes:\n  a:\n    run: ls\n", line);
    check_says(text, want);
}

/* One line more in a node that runs a command: it is line 5. */
static void check_node(const char *line, const char *want)
{
    char text[1000];
    snprintf(text, sizeof text, "graph: g\nnodes:\n  a:\n    run: ls\n    %s\n", line);
    check_says(text, want);
}

/* A node that is nothing but these lines, from line 4 on. */
static void check_kind(const char *lines, const char *want)
{
    char text[1000];
    snprintf(text, sizeof text, "graph: g\nnodes:\n  a:\n    %s\n", lines);
    check_says(text, want);
}

/* `next` of a node beside two that may follow: it begins in line 5. */
static void check_next(const char *next, const char *want)
{
    char text[1000];
    snprintf(text, sizeof text, "graph: g\nnodes:\n  a:\n    run: ls\n    next: %s\n  b: {run: ls}\n  c: {run: ls}\n",
             next);
    check_says(text, want);
}

static const gf_node *only_node(const graphfile *g)
{
    CHECK_INT(g->n_nodes, 1);
    return &g->nodes[0];
}

/* ---- good files ------------------------------------------------------------------------------------------------ */

static const char digest[] = "graph: digest\n"
                             "version: \"1\"\n"
                             "codec: json\n"
                             "state: { dir: /usr/share/common-licenses }\n"
                             "reduce: { counts: append, words: add, text: local, log: {append: 100} }\n"
                             "start: list\n"
                             "nodes:\n"
                             "  list:\n"
                             "    run: cd \"$DIR\" && ls          # a comment\n"
                             "    env: { DIR: .dir }\n"
                             "    output: lines files\n"
                             "    next:\n"
                             "      - { to: count, each: .files, as: file }\n"
                             "      - { otherwise: report }\n"
                             "  count:\n"
                             "    run: wc -w < \"$DIR/$FILE\"\n"
                             "    env: { DIR: .dir, FILE: .file }\n"
                             "    output: text text\n"
                             "    retry: { attempts: 3, delay: 200ms, factor: 2, max: 10s, jitter: 0.1 }\n"
                             "    timeout: 30s\n"
                             "    next: number\n"
                             "  number:\n"
                             "    each: true\n"
                             "    jq: '{words: (.text | tonumber)}'\n"
                             "    on_error: report\n"
                             "    next: report\n"
                             "  report:\n"
                             "    jq: '{top: .counts}'\n"
                             "    next:\n"
                             "      - { to: ask, when: .words > 40000 }\n"
                             "      - { otherwise: end }\n"
                             "  ask:\n"
                             "    ask: '\"Publish?\"'\n"
                             "    into: approved\n"
                             "    next: end\n";

TEST(graphfile_read__everything_is_where_it_belongs)
{
    graphfile *g = read_good(digest);
    CHECK_STR(g->name, "digest");
    CHECK_STR(g->version, "1");
    CHECK_STR(g->shell, "sh");
    CHECK_STR(eyot_value_string(eyot_value_at(g->state, "dir"), NULL), "/usr/share/common-licenses");
    CHECK_INT(g->n_starts, 1);
    CHECK_STR(g->starts[0], "list");
    CHECK_INT(g->n_nodes, 5);
    const gf_node *count = &g->nodes[1];
    CHECK_STR(count->id, "count");
    CHECK_INT(count->line, 15);
    CHECK_INT(count->column, 3);
    CHECK_INT(count->kind, GF_RUN);
    CHECK_STR(count->command, "wc -w < \"$DIR/$FILE\"");
    CHECK_INT(count->n_env, 2);
    CHECK_STR(count->env[1].name, "FILE");
    CHECK_STR(g->exprs[count->env[1].expr], ".file");
    CHECK_INT(count->output, GF_OUTPUT_TEXT);
    CHECK_STR(count->output_key, "text");
    CHECK_INT(count->attempts, 3);
    CHECK_INT(count->delay_ms, 200);
    CHECK_INT(count->max_delay_ms, 10000);
    CHECK(count->factor == 2.0 && count->jitter == 0.1);
    CHECK_INT(count->timeout_ms, 30000);
    CHECK_INT(count->grace_ms, 5000);
    CHECK_INT(count->max_output, 16 * 1024 * 1024);
    CHECK_INT(count->n_edges, 1);
    CHECK_STR(count->edges[0].to, "number");
    graphfile_free(g);
}

TEST(graphfile_read__edges_have_their_conditions_and_items)
{
    graphfile *g = read_good(digest);
    const gf_node *list = &g->nodes[0], *report = &g->nodes[3];
    CHECK_INT(list->n_edges, 2);
    CHECK_STR(list->edges[0].to, "count");
    CHECK_STR(g->exprs[list->edges[0].each], ".files");
    CHECK_STR(list->edges[0].as, "file");
    CHECK_INT(list->edges[0].when, GF_NO_EXPR);
    CHECK(!list->edges[0].otherwise && list->edges[1].otherwise);
    CHECK_STR(list->edges[1].to, "report");
    CHECK_STR(g->exprs[report->edges[0].when], ".words > 40000");
    CHECK(report->edges[1].otherwise && !report->edges[1].to);
    CHECK_INT(g->nodes[4].n_edges, 0);
    CHECK_INT(g->nodes[2].on_error, GF_CATCH);
    CHECK_STR(g->nodes[2].catch_to, "report");
    graphfile_free(g);
}

TEST(graphfile_read__keys_that_follow_are_local)
{
    static const struct {
        const char *key;
        eyot_reducer reducer;
        unsigned limit;
    } want[] = {{"counts", EYOT_APPEND, 0}, {"words", EYOT_ADD, 0},  {"text", EYOT_LOCAL, 0},
                {"log", EYOT_APPEND, 100},  {"file", EYOT_LOCAL, 0}, {"error", EYOT_LOCAL, 0},
                {"approved", EYOT_LOCAL, 0}};
    graphfile *g = read_good(digest);
    CHECK_INT(g->n_reduce, sizeof want / sizeof *want);
    for (size_t i = 0; i < g->n_reduce; i++) {
        CHECK_STR(g->reduce[i].key, want[i].key);
        CHECK_INT(g->reduce[i].reducer, want[i].reducer);
        CHECK_INT(g->reduce[i].limit, want[i].limit);
    }
    graphfile_free(g);
}

TEST(graphfile_read__a_named_reducer_stays_what_it_is)
{
    graphfile *g = read_good("graph: g\nreduce: {x: append}\nnodes:\n  a: {ask: '1', into: x}\n");
    CHECK_INT(g->n_reduce, 1);
    CHECK_INT(g->reduce[0].reducer, EYOT_APPEND);
    graphfile_free(g);
}

TEST(graphfile_read__the_first_node_is_the_start_and_item_the_item)
{
    graphfile *g = read_good("graph: g\nnodes:\n  a: {run: ls, next: [{to: b, each: .x}]}\n  b: {run: ls}\n");
    CHECK_INT(g->n_starts, 1);
    CHECK_STR(g->starts[0], "a");
    CHECK_STR(g->nodes[0].edges[0].as, "item");
    graphfile_free(g);
}

TEST(graphfile_read__every_expression_is_kept_once)
{
    graphfile *g = read_good("graph: g\nnodes:\n  a: {run: ls, env: {A: .x, B: .y, C: .x}, next: [{to: b, when: .y}]}\n"
                             "  b: {jq: .x}\n");
    CHECK_INT(g->n_exprs, 2);
    CHECK_INT(g->nodes[0].env[0].expr, g->nodes[1].expr);
    CHECK_INT(g->nodes[0].env[1].expr, g->nodes[0].edges[0].when);
    graphfile_free(g);
}

TEST(graphfile_read__all_kinds)
{
    graphfile *g = read_good("graph: g\nshell: bash\nmax_steps: 7\nmax_output: 64KiB\ncwd: /tmp\nnodes:\n"
                             "  run: {run: true, drop: [a, b], grace: 0s, max_output: 2GiB, cwd: /, next: exec}\n"
                             "  exec: {exec: [sleep, 5, '', null], output: none, next: jq}\n"
                             "  jq: {jq: \"{a: 1}\", timeout: 1d, on_error: ignore, version: 1.10, next: set}\n"
                             "  set: {set: {a: 1, b: [true, null, 'yes', 1.5, x]}, next: drop}\n"
                             "  drop: {drop: [a], next: ask}\n"
                             "  ask: {ask: .q, into: a, next: nap}\n"
                             "  nap: {sleep: 5m, next: nap2}\n"
                             "  nap2: {sleep: .seconds, next: call}\n"
                             "  call: {call: 'mod:fn', retry: {attempts: 2}, grace: 1s}\n");
    const gf_node *n = g->nodes;
    CHECK(g->max_steps == 7 && strcmp(g->shell, "bash") == 0);
    CHECK(n[0].kind == GF_RUN && strcmp(n[0].command, "true") == 0 && strcmp(n[0].drop[1], "b") == 0 && !n[0].drop[2]);
    CHECK(n[0].grace_ms == 0 && n[0].max_output == (uint64_t)2 << 30 && strcmp(n[0].cwd, "/") == 0);
    CHECK(n[1].kind == GF_EXEC && strcmp(n[1].argv[1], "5") == 0 && !*n[1].argv[2] &&
          strcmp(n[1].argv[3], "null") == 0);
    CHECK(!n[1].argv[4] && n[1].output == GF_OUTPUT_NONE && n[1].max_output == 65536 && strcmp(n[1].cwd, "/tmp") == 0);
    CHECK(n[2].kind == GF_JQ && n[2].timeout_ms == 86400000 && n[2].on_error == GF_IGNORE);
    CHECK_STR(n[2].version, "1.10");
    char *set = eyot_json_print(n[3].set, NULL);
    CHECK_STR(set, "{\"a\":1,\"b\":[true,null,\"yes\",1.5,\"x\"]}");
    eyot_free(set);
    CHECK(n[4].kind == GF_DROP && strcmp(n[4].drop[0], "a") == 0);
    CHECK(n[5].kind == GF_ASK && strcmp(n[5].into, "a") == 0);
    CHECK(n[6].kind == GF_SLEEP && n[6].expr == GF_NO_EXPR && n[6].sleep_ms == 300000);
    CHECK(n[7].kind == GF_SLEEP && strcmp(g->exprs[n[7].expr], ".seconds") == 0);
    CHECK(n[8].kind == GF_CALL && strcmp(n[8].module, "mod") == 0 && strcmp(n[8].function, "fn") == 0);
    graphfile_free(g);
}

TEST(graphfile_read__json_is_read_like_yaml)
{
    graphfile *g =
        read_good("{\"graph\":\"g\",\"state\":{\"a\":{\"$bytes\":\"AQID\"}},\"nodes\":{\"a\":{\"run\":\"ls # x\"}}}");
    CHECK_STR(only_node(g)->command, "ls # x");
    CHECK_INT(eyot_value_kind_of(eyot_value_at(g->state, "a")), EYOT_VALUE_BYTES);
    graphfile_free(g);
    check_says("{\"graph\":\"g\",\n \"nodes\":{\"a\":{\"run\":\"ls\",\"timeout\":5}}}",
               "t:2:37: node \"a\": timeout: \"5\" is no duration; they are written 250ms, 30s, 5m, 2h, 3d");
}

TEST(graphfile_read__durations_and_sizes_have_units)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } times[] = {{"250ms", 250}, {"30s", 30000}, {"5m", 300000}, {"2h", 7200000}, {"3d", 259200000}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[100];
        snprintf(text, sizeof text, "graph: g\nnodes: {a: {run: ls, timeout: %s}}", times[i].text);
        graphfile *g = read_good(text);
        CHECK_INT(only_node(g)->timeout_ms, times[i].ms);
        graphfile_free(g);
    }
}

/* ---- mistakes at the top --------------------------------------------------------------------------------------- */

TEST(graphfile_mistakes__a_file_is_a_map)
{
    check_says("", "t:1:1: the file is empty");
    check_says("\n- a\n", "t:2:1: a graph file is a map with the keys graph, start and nodes");
    check_says("---\n", "t:2:1: a value is missing here; null and \"\" are written out");
    check_says("version: '1'",
               "t:1:1: the key \"graph\" is missing: the graph's name\nt:1:1: the key \"nodes\" is missing");
    check_says("graph: g\nnodes: [a]", "t:2:8: nodes: is a map, not a list");
    check_says("graph: g\nnodes: {}", "t:2:8: nodes: a graph has at least one");
    check_says("graph: g\nnodes: {a: ls}", "t:2:12: node \"a\": is a map, not a text");
}

TEST(graphfile_mistakes__names_and_texts_at_the_top)
{
    check_says("graph: a b\nnodes: {a: {run: ls}}",
               "t:1:8: graph: \"a b\" is no name; it is [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
    check_says("graph: _a\nnodes: {a: {run: ls}}",
               "t:1:8: graph: \"_a\" is no name; it is [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
    check_says("graph: [a]\nnodes: {a: {run: ls}}", "t:1:8: graph: is a text, not a list");
    check_top("version: null", "t:1:10: version: is a text, not null");
    check_top("version: ''", "t:1:10: version: is empty");
    check_top("version: \"a\\0b\"", "t:1:10: version: a text here cannot have a NUL in it");
    check_top("shell: bash -e", "t:1:8: shell: \"bash -e\" is more than a program's name");
    check_top("max_steps: 0", "t:1:12: max_steps: \"0\" is no whole number of 1 ... 9007199254740992");
    check_top("max_steps: '5'", "t:1:12: max_steps: \"5\" is no whole number of 1 ... 9007199254740992");
    check_top("max_steps: 1_000", "t:1:12: max_steps: \"1_000\" is no whole number of 1 ... 9007199254740992");
    check_top("max_steps: 1e3", "t:1:12: max_steps: \"1e3\" is no whole number of 1 ... 9007199254740992");
    check_top("max_output: 64", "t:1:13: max_output: \"64\" is no size; they are written 512B, 64KiB, 16MiB, 1GiB");
    check_top("max_output: 64kB", "t:1:13: max_output: \"64kB\" is no size; they are written 512B, 64KiB, 16MiB, 1GiB");
    check_top("max_output: 0B", "t:1:13: max_output: \"0B\" is no size; they are written 512B, 64KiB, 16MiB, 1GiB");
    check_top("cwd: {a: b}", "t:1:6: cwd: is a text, not a map");
}

TEST(graphfile_mistakes__what_this_version_lacks_is_refused_by_name)
{
    check_top("codec: xml", "t:1:8: codec: \"xml\" is none; it is json or msgpack");
    check_top("goal: {when: .a}", "t:1:1: this version of eyot has no \"goal\"");
    check_top("limits: {steps: 5}", "t:1:1: this version of eyot has no \"limits\"");
    check_node("cache: {ttl: 1h}", "t:5:5: node \"a\": this version of eyot has no \"cache\"");
}

TEST(graphfile_mistakes__unknown_keys)
{
    check_top("grph: x", "t:1:1: unknown key \"grph\"; did you mean \"graph\"?");
    check_top("satrt: a", "t:1:1: unknown key \"satrt\"; did you mean \"start\"?");
    check_top("starts: a", "t:1:1: unknown key \"starts\"; did you mean \"start\"?");
    check_top("x: y", "t:1:1: unknown key \"x\"");
    check_top("timeout: 5s", "t:1:1: unknown key \"timeout\"; it belongs into a node");
    check_node("timout: 5s", "t:5:5: node \"a\": unknown key \"timout\"; did you mean \"timeout\"?");
    check_node("retry: {attempts: 2, dellay: 5s}",
               "t:5:26: node \"a\": unknown key \"dellay\"; did you mean \"delay\"?");
    check_next("[{to: b, if: .x}, c]", "t:5:20: node \"a\": unknown key \"if\"");
}

TEST(graphfile_mistakes__states_are_json)
{
    check_top("state: [a]", "t:1:8: state: is a map, not a list");
    check_top("state: {a: yes, b: {c: [0x1F]}}", "t:1:12: state: quote it: \"yes\" is no text to all readers of YAML\n"
                                                 "t:1:25: state: quote it: \"0x1F\" is no text to all readers of YAML");
    check_top("state: {a: 1e999}", "t:1:12: state: the number 1e999 is too big");
    check_top("state: {a: {$removed: true}}",
              "t:1:8: state: {$removed: true} is for updates; here nothing can be removed");
    check_top("state: {$bytes: AQID}", "t:1:8: state: is a map, not bytes");
    check_top("state: {a: ~}", "t:1:12: state: quote it: \"~\" is no text to all readers of YAML");
    check_kind("set: {a: 012}", "t:4:14: node \"a\": set: quote it: \"012\" is no text to all readers of YAML");
}

TEST(graphfile_mistakes__reducers)
{
    check_top("reduce: append", "t:1:9: reduce: is a map, not a text");
    check_top("reduce: {a: apend}", "t:1:13: reduce: a: \"apend\" is no reducer; did you mean \"append\"?");
    check_top("reduce: {a: {append: 0}}", "t:1:22: reduce: a: \"0\" is no whole number of 1 ... 9007199254740992");
    check_top("reduce: {a: {add: 5}}", "t:1:13: reduce: a: is the name of a reducer, or {append: NUMBER}");
    check_top("reduce: {a: [add]}", "t:1:13: reduce: a: is the name of a reducer, or {append: NUMBER}");
}

TEST(graphfile_mistakes__starts)
{
    check_top("start: b", "t:1:8: start: there is no node \"b\"");
    check_top("start: [a, a]", "t:1:12: start: \"a\" is named twice");
    check_top("start: []", "t:1:8: start: the list is empty");
    check_top("start: {a: b}", "t:1:8: start: is a text, not a map");
    check_says("graph: g\nstart: cuont\nnodes:\n  count: {run: ls}\n",
               "t:2:8: start: there is no node \"cuont\"; did you mean \"count\"?");
}

/* ---- mistakes of how things are written ------------------------------------------------------------------------ */

TEST(graphfile_mistakes__tags_anchors_and_aliases)
{
    check_kind("jq: !.ok",
               "t:4:9: node \"a\": tags (!...) are not for graph files; if this is a text, quote it with '...' or use "
               "a | block");
    check_top("cwd: &x a",
              "t:1:6: anchors (&...) are not for graph files; if this is a text, quote it with '...' or use a | block");
    check_node("cwd: *x",
               "t:5:10: node \"a\": aliases (*...) are not for graph files; if this is a text, quote it with '...' "
               "or use a | block");
}

TEST(graphfile_mistakes__keys_twice_missing_or_merged)
{
    check_node("run: ls", "t:5:5: node \"a\": the key \"run\" is here twice, first in line 4");
    check_says("graph: g\nnodes:\n  a: {run: ls}\n  a: {rn: ls}\n",
               "t:4:3: node \"a\": the key \"a\" is here twice, first in line 3\n"
               "t:4:3: node \"a\": does nothing: it needs run, exec, jq, set, ask, sleep, call or drop\n"
               "t:4:7: node \"a\": unknown key \"rn\"; did you mean \"run\"?");
    check_node("cwd:", "t:5:9: node \"a\": a value is missing here; null and \"\" are written out");
    check_node("<<: {cwd: a}", "t:5:5: node \"a\": << does not merge in graph files");
    check_node("{a: b}: c", "t:5:5: node \"a\": a key is a text, not a map or list; if { or [ begins a text, quote it");
}

TEST(graphfile_mistakes__lost_ends_of_texts)
{
    check_node("next: [{to: b, when: '.a'}]\n    cwd: x # fine", "t:5:17: node \"a\": next: there is no node \"b\"");
    check_says("graph: g\nnodes:\n  a:\n    run: ls\n    next:\n      - to: b\n        when: .a #x\n  b: {run: ls}\n",
               "t:7:15: node \"a\": when: the expression ends before the #; quote it with '...' or use a | block");
    check_kind("jq: .a # x",
               "t:4:9: node \"a\": jq: the expression ends before the #; quote it with '...' or use a | block");
    check_kind("ask: .a # x\n    into: b",
               "t:4:10: node \"a\": ask: the expression ends before the #; quote it with '...' or use "
               "a | block");
    check_kind("run: ls\n    env:\n      A: .a # x",
               "t:6:10: node \"a\": env: A: the expression ends before the #; quote it with '...' or use a | block");
    check_kind("run: echo \"a #1\"",
               "t:4:10: node \"a\": run: the text ends before the #, inside of its own quotes; quote it with "
               "'...' or use a | block");
    check_kind("run: echo \"a\" # b", "");
    check_kind("run: echo a\n      echo b",
               "t:4:10: node \"a\": a text of several lines would lose its line ends; quote it with "
               "'...' or use a | block");
}

TEST(graphfile_mistakes__a_second_document_does_not_hide_the_first)
{
    check_says("graph: g\nnodes: {a: {rn: ls}}\n---\nx: y\n",
               "t:2:9: node \"a\": does nothing: it needs run, exec, jq, set, ask, sleep, call or drop\n"
               "t:2:13: node \"a\": unknown key \"rn\"; did you mean \"run\"?\n"
               "t:3:1: a second document begins; a graph file is one");
}

/* ---- mistakes of nodes ----------------------------------------------------------------------------------------- */

TEST(graphfile_mistakes__ids)
{
    check_says("graph: g\nnodes:\n  a b: {run: ls}\n",
               "t:3:3: node \"a b\": is no id; it is [A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    check_says("graph: g\nnodes:\n  end: {run: ls}\n",
               "t:3:3: node \"end\": the id is reserved: it is where branches end");
    check_says("graph: g\nnodes:\n  a1234567890123456789012345678901234567890123456789012345678901234: {run: ls}\n",
               "t:3:3: node \"a1234567890123456789012345678901234567890123456789012345678901234\": is no id; it is "
               "[A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    check_says("graph: g\nnodes:\n  a123456789012345678901234567890123456789012345678901234567890123: {run: ls}\n", "");
}

TEST(graphfile_mistakes__a_node_has_one_kind)
{
    check_node("jq: .a", "t:5:5: node \"a\": run and jq: a node does one thing");
    check_kind("each: true", "t:3:3: node \"a\": does nothing: it needs run, exec, jq, set, ask, sleep, call or drop");
    check_node("drop: [x]", "");
}

TEST(graphfile_mistakes__what_a_kind_wants)
{
    check_kind("run: ''", "t:4:10: node \"a\": run: is empty");
    check_kind("run: [a]", "t:4:10: node \"a\": run: is a text, not a list; quote it with '...' or use a | block");
    check_kind("exec: ls -l", "t:4:11: node \"a\": exec: is a list: the program and its arguments");
    check_kind("exec: []", "t:4:11: node \"a\": exec: the list is empty");
    check_kind("exec: [ls, {a: b}]",
               "t:4:16: node \"a\": exec: is a text, not a map; quote it with '...' or use a | block");
    check_kind("exec: ['']", "t:4:12: node \"a\": exec: is empty");
    check_kind("jq: {a: .b}", "t:4:9: node \"a\": jq: is a text, not a map; quote it with '...' or use a | block");
    check_kind("set: x", "t:4:10: node \"a\": set: is a map, not a text");
    check_kind("ask: .q", "t:4:5: node \"a\": ask: the key \"into\" is missing: where the answer goes");
    check_kind("sleep: 5min",
               "t:4:12: node \"a\": sleep: \"5min\" is no duration; they are written 250ms, 30s, 5m, 2h, 3d");
    check_kind("sleep: 1.5h",
               "t:4:12: node \"a\": sleep: \"1.5h\" is no duration; they are written 250ms, 30s, 5m, 2h, 3d");
    check_kind("call: fn", "t:4:11: node \"a\": call: \"fn\" is not of the form module:function");
    check_kind("call: 'm:'", "t:4:11: node \"a\": call: \"m:\" is not of the form module:function");
    check_kind("drop: a", "t:4:11: node \"a\": drop: is a list, not a text");
    check_kind("drop: []", "t:4:11: node \"a\": drop: the list is empty");
}

TEST(graphfile_mistakes__keys_of_other_kinds)
{
    check_node("into: x", "t:5:5: node \"a\": into: is only for ask");
    check_kind("jq: .a\n    env: {A: .a}", "t:5:5: node \"a\": env: is only for run and exec");
    check_kind("jq: .a\n    output: json", "t:5:5: node \"a\": output: is only for run and exec");
    check_kind("set: {}\n    timeout: 5s", "t:5:5: node \"a\": timeout: is only for run, exec, jq and call");
    check_kind("jq: .a\n    grace: 5s", "t:5:5: node \"a\": grace: is only for run, exec and call");
    check_kind("sleep: 5s\n    retry: {attempts: 2}", "t:5:5: node \"a\": retry: is only for run, exec, jq and call");
}

TEST(graphfile_mistakes__policies)
{
    check_node("timeout: 30",
               "t:5:14: node \"a\": timeout: \"30\" is no duration; they are written 250ms, 30s, 5m, 2h, 3d");
    check_node("timeout: 0s", "t:5:14: node \"a\": timeout: is more than 0");
    check_node("timeout: 36501d",
               "t:5:14: node \"a\": timeout: \"36501d\" is no duration; they are written 250ms, 30s, 5m, 2h, 3d");
    check_node("timeout: [1s]", "t:5:14: node \"a\": timeout: is a duration, not a list");
    check_node("retry: 3", "t:5:12: node \"a\": retry: is a map, not a text");
    check_node("retry: {delay: 1s}", "t:5:12: node \"a\": retry: the key \"attempts\" is missing");
    check_node("retry: {attempts: 0}", "t:5:23: node \"a\": attempts: \"0\" is no whole number of 1 ... 1000000");
    check_node("retry: {attempts: 2, factor: 0.5}", "t:5:34: node \"a\": factor: \"0.5\" is no number of 1 ... 1000");
    check_node("retry: {attempts: 2, jitter: 2}", "t:5:34: node \"a\": jitter: \"2\" is no number of 0 ... 1");
    check_node("each: yes", "t:5:11: node \"a\": each: is true or false, not \"yes\"");
    check_node("each: 'true'", "t:5:11: node \"a\": each: is true or false, not \"true\"");
    check_node("on_error: end", "t:5:15: node \"a\": on_error: is fail, ignore or a node; ignore ends the branch");
    check_node("on_error: b", "t:5:15: node \"a\": on_error: there is no node \"b\"");
}

TEST(graphfile_mistakes__environments_and_outputs)
{
    check_node("env: {1A: .x}", "t:5:11: node \"a\": env: \"1A\" is no name; it is [A-Za-z_][A-Za-z0-9_]*");
    check_node("env: {A-B: .x}", "t:5:11: node \"a\": env: \"A-B\" is no name; it is [A-Za-z_][A-Za-z0-9_]*");
    check_node("env: {EYOT_RUN: .x}",
               "t:5:11: node \"a\": env: \"EYOT_RUN\": names that begin with EYOT_ are set by eyot");
    check_node("env: [A]", "t:5:10: node \"a\": env: is a map, not a list");
    check_node("output: xml", "t:5:13: node \"a\": output: \"xml\" is none of json, text KEY, lines KEY, none");
    check_node("output: text", "t:5:13: node \"a\": output: \"text\" is none of json, text KEY, lines KEY, none");
    check_node("output: lines a b",
               "t:5:13: node \"a\": output: \"lines a b\" is none of json, text KEY, lines KEY, none");
    check_node("output: json x", "t:5:13: node \"a\": output: \"json x\" is none of json, text KEY, lines KEY, none");
}

/* ---- mistakes of edges ----------------------------------------------------------------------------------------- */

TEST(graphfile_mistakes__targets)
{
    check_next("[b, c, d]", "t:5:18: node \"a\": next: there is no node \"d\"");
    check_next("[b, c, b]", "t:5:18: node \"a\": next: a second edge to \"b\"");
    check_next("b", "t:7:3: node \"c\": cannot be reached from a start");
    check_next("[]", "t:5:11: node \"a\": next: the list is empty\nt:6:3: node \"b\": cannot be reached from a start\n"
                     "t:7:3: node \"c\": cannot be reached from a start");
    check_says("graph: g\nnodes:\n  a: {run: ls, next: [count, sun]}\n  coutn: {run: ls}\n  sum: {run: ls}\n",
               "t:3:23: node \"a\": next: there is no node \"count\"; did you mean \"coutn\"?\n"
               "t:3:30: node \"a\": next: there is no node \"sun\"; did you mean \"sum\"?");
    check_says("graph: g\nnodes:\n  a: {run: ls}\n  b: {run: ls, next: c}\n  c: {run: ls, next: [b, x]}\n",
               "t:4:3: node \"b\": cannot be reached from a start\nt:5:3: node \"c\": cannot be reached from a start\n"
               "t:5:26: node \"c\": next: there is no node \"x\"");
}

TEST(graphfile_mistakes__forms_of_next)
{
    check_next("{to: b}",
               "t:5:11: node \"a\": next: is a name or a list of names and edges, not a map\n"
               "t:6:3: node \"b\": cannot be reached from a start\nt:7:3: node \"c\": cannot be reached from a start");
    check_next("[b, {when: .x}, c]",
               "t:5:15: node \"a\": next: an edge is {to: NODE, when: ..., each: ..., as: ...} or "
               "{otherwise: NODE}");
    check_next("[b, c, [a]]", "t:5:18: node \"a\": next: is a text, not a list");
    check_next("[{to: b, as: x}, c]", "t:5:24: node \"a\": as: is only for an edge with each");
    check_next("[{to: end, each: .x}, b, c]",
               "t:5:17: node \"a\": to: an edge with each goes to a node, not to the end");
    check_next("[{to: b, when: .x}, {otherwise: c, when: .y}]",
               "t:5:31: node \"a\": next: an edge with otherwise has no other key");
    check_next("[{to: b, when: .x}, {otherwise: c}, {otherwise: end}]",
               "t:5:59: node \"a\": otherwise: is here twice, first in line 5");
    check_next("[b, {otherwise: c}]", "t:5:27: node \"a\": otherwise: needs an edge with when or each beside it");
}

TEST(graphfile_mistakes__on_error_cannot_use_an_edge_that_sends)
{
    check_says("graph: g\nnodes:\n  a: {run: ls, on_error: b, next: [{to: b, each: .x}]}\n  b: {run: ls}\n",
               "t:3:41: node \"a\": next: an edge with each goes to \"b\", so on_error cannot");
    check_says("graph: g\nnodes:\n  a: {run: ls, on_error: b, next: b}\n  b: {run: ls}\n", "");
    check_says("graph: g\nnodes:\n  a: {run: ls, on_error: b}\n  b: {run: ls}\n", "");
}

TEST(graphfile_next__forms_that_are_fine)
{
    check_next("[b, c]", "");
    check_next("[b, c, end]", "");
    check_next("[{to: b}, {to: c}]", "");
    check_next("[{to: end, when: .x}, {to: end, when: .y}, {to: b, each: .z, when: .z}, {otherwise: c}]", "");
}

/* ---- expressions ----------------------------------------------------------------------------------------------- */

static void check_expr(const char *program, const char *word)
{
    char text[500], want[500] = "";
    eyot_value *v = eyot_value_new_string(program);
    char *quoted = eyot_json_print(v, NULL);
    snprintf(text, sizeof text, "graph: g\nnodes: {a: {jq: %s}}", quoted);
    if (word) snprintf(want, sizeof want, "t:2:17: node \"a\": jq: an expression may not use %s", word);
    eyot_free(quoted);
    eyot_value_unref(v);
    check_says(text, want);
}

TEST(graphfile_exprs__see_nothing_but_their_input)
{
    static const char *const words[] = {
        "now",  "input",       "inputs", "debug",      "stderr", "input_filename", "input_line_number",
        "env",  "include",     "import", "modulemeta", "halt",   "halt_error",     "get_search_list",
        "$ENV", "$__prog_args"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char program[100];
        check_expr(words[i], words[i]);
        snprintf(program, sizeof program, "{a: (.b | %s)}", words[i]);
        check_expr(program, words[i]);
        snprintf(program, sizeof program, "\"a \\( \"\\(%s)\" ) b\"", words[i]);
        check_expr(program, words[i]);
        snprintf(program, sizeof program, ".a[%s]#x", words[i]);
        check_expr(program, words[i]);
    }
    check_expr("$ ENV", "$ENV");
    check_expr("$ # comment\nENV.PATH", "$ENV");
    check_expr("{$ENV}", "$ENV");
    check_expr("1e3now", "now");
    check_expr("[.a,now]", "now");
    check_expr("{a: 1, (now): 2}", "now");
    check_expr("{a: 1} | now", "now");
    check_expr("@base64 \"\\(now)\"", "now");
    check_expr("..|now", "now");
    check_expr("include \"x\"; .", "include");
}

TEST(graphfile_exprs__fields_keys_strings_and_comments_are_no_words)
{
    static const char *const fine[] = {".now",
                                       ".a.env",
                                       "{now: 1}",
                                       "{now}",
                                       "{a: 1, env: 2, input}",
                                       "\"now\"",
                                       ".[\"env\"]",
                                       "getpath([\"env\"])",
                                       "# now\n.",
                                       "1 # env",
                                       "\"a \\(1) env\"",
                                       "$now",
                                       "$__loc__",
                                       "nowhere",
                                       "my_now",
                                       "now1",
                                       "env::x",
                                       "@text \"now\"",
                                       ".a as {env: $x} | $x",
                                       "\"\\\"now\\\\\"",
                                       "{\"now\": {env: {now: 1}}}",
                                       "limit(1; .[])",
                                       "..",
                                       "1.5e3",
                                       "@now",
                                       "."};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) check_expr(fine[i], NULL);
}

TEST(graphfile_exprs__brackets_do_not_hide_words)
{
    char program[4096], text[5000];
    memset(program, '(', 1025);
    strcpy(program + 1025, "1");
    snprintf(text, sizeof text, "graph: g\nnodes: {a: {jq: '%s'}}", program);
    check_says(text, "t:2:17: node \"a\": jq: an expression may not use more than 1024 brackets inside each other");
}

/* Refuses what has a `!` in it, and counts. */
static char *compile(void *calls, const char *program)
{
    static const char said[] = "syntax error";
    ++*(int *)calls;
    return strchr(program, '!') ? memcpy(malloc(sizeof said), said, sizeof said) : NULL;
}

TEST(graphfile_exprs__each_is_compiled_once_and_complained_about_everywhere)
{
    static const char text[] =
        "graph: g\nnodes:\n  a: {jq: '!', next: [{to: b, when: '!'}]}\n  b: {run: ls, env: {A: .x, B: .x}}\n";
    int calls = 0;
    gf_problems p = {0};
    CHECK(!graphfile_read("t", text, strlen(text), compile, &calls, &p));
    CHECK_INT(calls, 2);
    CHECK_INT(p.n, 2);
    CHECK_STR(p.lines[0], "t:3:11: node \"a\": jq: syntax error");
    CHECK_STR(p.lines[1], "t:3:37: node \"a\": when: syntax error");
    gf_problems_clear(&p);
}

/* ---- all at once ----------------------------------------------------------------------------------------------- */

TEST(graphfile_mistakes__twelve_of_them_are_reported_in_order)
{
    check_says("graph: twelve\n"
               "codec: xml\n"
               "start: [list, lost]\n"
               "reduce: { a: appnd }\n"
               "state: { a: yes }\n"
               "nodes:\n"
               "  list:\n"
               "    run: ls\n"
               "    jq: .a\n"
               "    timeout: 30\n"
               "    next:\n"
               "      - { to: two, when: '.a' }\n"
               "      - { to: nowhere, when: '.b' }\n"
               "  two:\n"
               "    ask: now\n"
               "    into: a\n"
               "    tmeout: 5s\n"
               "    next: [list, list]\n"
               "  three:\n"
               "    exec: ls\n",
               "t:2:8: codec: \"xml\" is none; it is json or msgpack\n"
               "t:3:15: start: there is no node \"lost\"; did you mean \"list\"?\n"
               "t:4:14: reduce: a: \"appnd\" is no reducer; did you mean \"append\"?\n"
               "t:5:13: state: quote it: \"yes\" is no text to all readers of YAML\n"
               "t:9:5: node \"list\": run and jq: a node does one thing\n"
               "t:10:14: node \"list\": timeout: \"30\" is no duration; they are written 250ms, 30s, 5m, 2h, 3d\n"
               "t:13:15: node \"list\": next: there is no node \"nowhere\"\n"
               "t:15:10: node \"two\": ask: an expression may not use now\n"
               "t:17:5: node \"two\": unknown key \"tmeout\"; did you mean \"timeout\"?\n"
               "t:18:18: node \"two\": next: a second edge to \"list\"\n"
               "t:19:3: node \"three\": cannot be reached from a start\n"
               "t:20:11: node \"three\": exec: is a list: the program and its arguments");
}

TEST(graphfile_mistakes__the_first_two_hundred_are_kept)
{
    static char text[20000] = "x0: 1\n";
    gf_problems p = {0};
    size_t n = strlen(text);
    for (int i = 1; i < 300; i++) n += (size_t)snprintf(text + n, sizeof text - n, "x%d: 1\n", i);
    strcat(text, "graph: g\nnodes: {a: {run: ls, next: b}}\n");
    CHECK(!graphfile_read("t", text, strlen(text), NULL, NULL, &p));
    CHECK_INT(p.n, 201);
    CHECK_STR(p.lines[0], "t:1:1: unknown key \"x0\"");
    CHECK_STR(p.lines[199], "t:200:1: unknown key \"x199\"");
    CHECK_STR(p.lines[200], "t: and 101 more mistakes");
    gf_problems_clear(&p);
}

TEST(graphfile_mistakes__each_is_one_line_of_printable_text)
{
    check_says("graph: \"a\\nb\\x1b\"\nnodes: {a: {run: ls}}",
               "t:1:8: graph: \"a b \" is no name; it is [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
}
