/* SPDX-License-Identifier: MIT */
#include "core/graph.h"

#include <stdlib.h>

#include "core/buf.h"
#include "core/options.h"
#include "test/eyot_test.h"

/* ---- a copier of nothing, whose rules are a text ---------------------------------------------------------------- */

static eyot_status nothing_copy(const void *v, void **out, void *user)
{
    (void)v, (void)user;
    *out = NULL;
    return EYOT_OK;
}

static void nothing_free(void *v, void *user)
{
    (void)v, (void)user;
}

static eyot_status nothing_encode(const void *v, eyot_buf *out, void *user)
{
    (void)v, (void)out, (void)user;
    return EYOT_OK;
}

static eyot_status nothing_decode(const void *bytes, size_t len, void **out, eyot_error *e, void *user)
{
    (void)bytes, (void)len, (void)e, (void)user;
    *out = NULL;
    return EYOT_OK;
}

static eyot_status nothing_apply(void **state, const void *update, eyot_error *e, void *user)
{
    (void)state, (void)update, (void)e, (void)user;
    return EYOT_OK;
}

static eyot_status text_rule(void **rules, const char *key, eyot_reducer reducer, uint64_t limit, eyot_error *e)
{
    if (strcmp(key, "bad") == 0) return eyot_error_set(e, EYOT_EINVAL, "this key is not liked");
    if (strcmp(key, "mute") == 0) return EYOT_EINVAL;
    if (strcmp(key, "full") == 0) return EYOT_ENOMEM;
    size_t old = *rules ? strlen(*rules) : 0, room = old + strlen(key) + 40;
    char *text = realloc(*rules, room);
    if (!text) return EYOT_ENOMEM;
    snprintf(text + old, room - old, "%s=%d/%llu\n", key, (int)reducer, (unsigned long long)limit);
    *rules = text;
    return EYOT_OK;
}

static eyot_status text_rules_text(const void *rules, eyot_buf *out)
{
    return eyot_buf_add(out, rules, strlen(rules));
}

static eyot_status bad_rules_text(const void *rules, eyot_buf *out)
{
    (void)rules;
    return eyot_buf_add(out, "\xff", 1);
}

static const eyot_copier nothing = {.size = sizeof nothing,
                                    .name = "nothing/1",
                                    .copy = nothing_copy,
                                    .free = nothing_free,
                                    .encode = nothing_encode,
                                    .decode = nothing_decode,
                                    .apply = nothing_apply,
                                    .user = (void *)&nothing};

static eyot_copier with_rules(void)
{
    eyot_copier c = nothing;
    c.name = "rules/1";
    c.rule = text_rule;
    c.rules_free = free;
    c.rules_text = text_rules_text;
    return c;
}

static eyot_status node(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_OK;
}

static eyot_status other_node(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_PENDING;
}

static eyot_status holds(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)state, (void)user, (void)e;
    *taken = true;
    return EYOT_OK;
}

/* ---- helpers --------------------------------------------------------------------------------------------------- */

static eyot_graph *new_graph(void)
{
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, "test", &nothing));
    return g;
}

/* Nodes a, b, c … */
static eyot_graph *with_nodes(int n)
{
    eyot_graph *g = new_graph();
    for (int i = 0; i < n; i++) eyot_graph_node(g, (char[]){(char)('a' + i), 0}, node, NULL);
    return g;
}

static eyot_graph *frozen(eyot_graph *g)
{
    eyot_error e = {.text = ""};
    if (eyot_graph_freeze(g, &e) != EYOT_OK) test_fail(__FILE__, __LINE__, "%s", e.text);
    return g;
}

/* Freezes it, wants these problems and no other, and frees it. */
static void check_problems(eyot_graph *g, size_t n, const char *const *texts)
{
    eyot_error e = {.text = ""};
    CHECK_STATUS(eyot_graph_freeze(g, &e), EYOT_EGRAPH);
    CHECK_INT(e.status, EYOT_EGRAPH);
    CHECK_STR(e.text, texts[0]);
    for (size_t i = 0; i < n; i++) CHECK_STR(eyot_graph_problem(g, i), texts[i]);
    CHECK_INT(eyot_graph_problem_count(g), n);
    CHECK(eyot_graph_problem(g, n) == NULL);
    CHECK(eyot_graph_fingerprint(g) == NULL);
    eyot_graph_free(g);
}

#define CHECK_PROBLEMS(g, ...) \
    check_problems(g, sizeof(const char *[]){__VA_ARGS__} / sizeof(const char *), (const char *[]){__VA_ARGS__})

static void check_drawing(const eyot_graph *g, eyot_graph_format format, const char *want)
{
    char *text;
    CHECK_OK(eyot_graph_draw(g, format, &text, NULL));
    CHECK_STR(text, want);
    eyot_free(text);
}

/* ---- making ---------------------------------------------------------------------------------------------------- */

TEST(graph_new__refuses_a_bad_name)
{
    static const char *const bad[] = {
        "",    "-a",  ".a",       "_a",
        "a b", "a/b", "\xc3\xa9", "a1234567890123456789012345678901234567890123456789012345678901234"};
    eyot_graph *g = (eyot_graph *)&g;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_STATUS(eyot_graph_new(&g, bad[i], &nothing), EYOT_EINVAL);
        CHECK(g == NULL);
    }
    CHECK_STATUS(eyot_graph_new(&g, NULL, &nothing), EYOT_EINVAL);
    CHECK_OK(eyot_graph_new(&g, "a123456789012345678901234567890123456789012345678901234567890.-_", &nothing));
    eyot_graph_free(g);
}

TEST(graph_new__refuses_a_copier_without_a_required_slot)
{
    eyot_graph *g;
    eyot_copier c[10];
    for (int i = 0; i < 10; i++) c[i] = with_rules();
    c[0].copy = NULL;
    c[1].free = NULL;
    c[2].encode = NULL;
    c[3].decode = NULL;
    c[4].apply = NULL;
    c[5].name = NULL;
    c[6].name = "a name that is longer than 32 byte";
    c[7].rules_free = NULL;
    c[8].rules_text = NULL;
    c[9].size = sizeof c[9] - 1;
    for (int i = 0; i < 10; i++) CHECK_STATUS(eyot_graph_new(&g, "a", &c[i]), EYOT_EINVAL);
    CHECK_STATUS(eyot_graph_new(&g, "a", NULL), EYOT_EINVAL);
}

TEST(graph_new__refuses_a_copier_with_a_slot_it_does_not_know)
{
    struct {
        eyot_copier known;
        void *slot;
    } newer = {nothing, NULL};
    eyot_graph *g;
    newer.known.size = sizeof newer;
    CHECK_OK(eyot_graph_new(&g, "a", &newer.known));
    eyot_graph_free(g);
    newer.slot = &newer;
    CHECK_STATUS(eyot_graph_new(&g, "a", &newer.known), EYOT_EINVAL);
}

TEST(graph_free__takes_null)
{
    eyot_graph_free(NULL);
}

TEST(graph_freeze__makes_a_graph_that_can_be_read)
{
    eyot_graph *g = with_nodes(3);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "a", "c");
    frozen(g);
    CHECK_STR(eyot_graph_name(g), "test");
    CHECK(eyot_graph_copier(g) == &nothing && g->copier_user == &nothing);
    CHECK_INT(eyot_graph_node_count(g), 3);
    CHECK_STR(eyot_graph_node_id(g, 1), "b");
    CHECK(eyot_graph_node_id(g, 3) == NULL);
    CHECK_INT(eyot__graph_find(g, "c", 1), 2);
    CHECK_INT(eyot__graph_find(g, "cc", 2), UINT32_MAX);
    CHECK(g->nodes[2].fn == node && g->nodes[2].id_len == 1);
    CHECK(g->edges[1].from == 0 && g->edges[1].to == 2);
    CHECK_INT(eyot_graph_problem_count(g), 0);
    eyot_graph_free(g);
}

TEST(graph_freeze__takes_edges_that_came_before_their_nodes)
{
    eyot_graph *g = new_graph();
    eyot_graph_start(g, "b");
    eyot_graph_edge(g, "b", "a");
    eyot_graph_node(g, "a", node, NULL);
    eyot_graph_node(g, "b", node, NULL);
    frozen(g);
    CHECK(g->edges[0].from == 1 && g->edges[0].to == 0);
    CHECK(g->shape->nodes[1].start && !g->shape->nodes[0].start);
    eyot_graph_free(g);
}

TEST(graph_freeze__starts_at_the_first_node_unless_starts_are_named)
{
    eyot_graph *g = frozen(with_nodes(1));
    CHECK(g->shape->n_starts == 1 && g->shape->starts[0] == 0);
    eyot_graph_free(g);
    g = with_nodes(3);
    eyot_graph_start(g, "c");
    eyot_graph_start(g, "b");
    eyot_graph_edge(g, "b", "a");
    frozen(g);
    CHECK(g->shape->n_starts == 2 && g->shape->starts[0] == 2 && g->shape->starts[1] == 1);
    eyot_graph_free(g);
}

TEST(graph_freeze__of_a_frozen_graph_is_ok)
{
    eyot_graph *g = frozen(with_nodes(1));
    CHECK_OK(eyot_graph_freeze(g, NULL));
    eyot_graph_free(g);
}

TEST(graph_freeze__makes_the_graph_unchangeable)
{
    eyot_graph *g = frozen(with_nodes(1));
    char before[65];
    memcpy(before, eyot_graph_fingerprint(g), sizeof before);
    eyot_graph_node(g, "b", node, NULL);
    eyot_graph_edge(g, "a", "a");
    eyot_graph_start(g, "b");
    eyot_graph_reduce(g, "k", EYOT_ADD);
    CHECK_OK(eyot_graph_freeze(g, NULL));
    CHECK_INT(eyot_graph_node_count(g), 1);
    CHECK_INT(g->n_edges, 0);
    CHECK_STR(eyot_graph_fingerprint(g), before);
    eyot_graph_free(g);
}

TEST(graph_freeze__knows_which_nodes_are_plain)
{
    eyot_graph *g = with_nodes(6);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "a", "c");
    eyot_graph_edge_if(g, "b", "d", "x", holds, NULL);
    eyot_graph_edge(g, "b", "e");
    eyot_graph_edge_each(g, "c", "f");
    eyot_graph_edge_routed(g, "d", "f");
    frozen(g);
    for (int v = 0; v < 6; v++) CHECK_INT(g->nodes[v].plain, v == 0 || v > 3);
    CHECK(g->shape->nodes[5].one_by_one && !g->shape->nodes[4].one_by_one);
    eyot_graph_free(g);
}

TEST(graph_edge_to__finds_the_edges_of_fans_of_every_size)
{
    for (uint32_t n = 2; n < 40; n++) {
        eyot_graph *g = new_graph();
        char id[16];
        for (uint32_t v = 0; v < n; v++) {
            snprintf(id, sizeof id, "n%u", v);
            eyot_graph_node(g, id, node, NULL);
        }
        for (uint32_t v = n - 1; v > 0; v--) { /* in another order than the nodes */
            snprintf(id, sizeof id, "n%u", v);
            eyot_graph_edge(g, "n0", id);
        }
        frozen(g);
        for (uint32_t v = 0; v < n; v++) {
            CHECK_INT(eyot__graph_edge_to(g, 0, v), v == 0 ? UINT32_MAX : n - 1 - v);
            CHECK_INT(eyot__graph_edge_to(g, n - 1, v), UINT32_MAX);
        }
        eyot_graph_free(g);
    }
}

/* ---- mistakes -------------------------------------------------------------------------------------------------- */

TEST(graph_freeze__reports_an_empty_graph)
{
    CHECK_PROBLEMS(new_graph(), "graph test has no nodes");
}

TEST(graph_freeze__reports_a_node_added_twice)
{
    eyot_graph *g = with_nodes(2);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_node(g, "b", node, NULL);
    CHECK_PROBLEMS(g, "node b is added twice");
}

TEST(graph_freeze__reports_a_bad_id)
{
    eyot_graph *g = new_graph();
    eyot_graph_node(g, "_a.B-9", node, NULL);
    eyot_graph_node(g, "", node, NULL);
    eyot_graph_node(g, "-b", node, NULL);
    eyot_graph_node(g, "a\nb", node, NULL);
    eyot_graph_node(g, "a123456789012345678901234567890123456789012345678901234567890\xc3\xa9\xc3\xa9", node, NULL);
    eyot_graph_node(g, NULL, node, NULL);
    eyot_graph_start(g, "_a.B-9");
    eyot_error e;
    CHECK_STATUS(eyot_graph_freeze(g, &e), EYOT_EGRAPH);
    CHECK_STR(eyot_graph_problem(g, 0), "node : an id is [A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    CHECK_STR(eyot_graph_problem(g, 1), "node -b: an id is [A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    CHECK_STR(eyot_graph_problem(g, 2), "node a?b: an id is [A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    CHECK_HAS(eyot_graph_problem(g, 3), "node a123456789012345678901234567890123456789012345678901234567890...: an id");
    CHECK_STR(eyot_graph_problem(g, 4), "node 5: its id is NULL");
    eyot_graph_free(g);
}

TEST(graph_freeze__reports_a_node_without_function)
{
    eyot_graph *g = new_graph();
    eyot_graph_node(g, "a", NULL, NULL);
    CHECK_PROBLEMS(g, "node a has no function");
}

TEST(graph_freeze__reports_unknown_ends_of_an_edge)
{
    eyot_graph *g = with_nodes(1);
    eyot_graph_edge(g, "a", "y");
    eyot_graph_edge(g, "x", "a");
    eyot_graph_edge(g, "x", "y");
    eyot_graph_edge(g, NULL, "y");
    eyot_graph_edge(g, "a", NULL);
    CHECK_PROBLEMS(g, "edge ? -> y: a node's id is NULL", "edge a -> ?: a node's id is NULL",
                   "edge a -> y: there is no node y", "edge x -> a: there is no node x",
                   "edge x -> y: there is no node x", "edge x -> y: there is no node y");
}

TEST(graph_freeze__reports_a_second_edge_between_two_nodes)
{
    eyot_graph *g = with_nodes(2);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge_if(g, "a", "b", "x", holds, NULL);
    eyot_graph_edge(g, "b", "a"); /* the other direction is another edge */
    CHECK_PROBLEMS(g, "edge a -> b is added twice");
}

TEST(graph_freeze__reports_unknown_and_repeated_starts)
{
    eyot_graph *g = with_nodes(2);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_start(g, "z");
    eyot_graph_start(g, "a");
    eyot_graph_start(g, "a");
    eyot_graph_start(g, NULL);
    CHECK_PROBLEMS(g, "a start is NULL", "start z: there is no such node", "start a is named twice");
}

TEST(graph_freeze__reports_every_unreachable_node)
{
    eyot_graph *g = with_nodes(5);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "d", "b");
    eyot_graph_edge(g, "d", "e");
    eyot_graph_edge(g, "e", "d");
    CHECK_PROBLEMS(g, "node c cannot be reached from a start", "node d cannot be reached from a start",
                   "node e cannot be reached from a start");
}

TEST(graph_freeze__says_nothing_of_reachability_without_a_start)
{
    eyot_graph *g = with_nodes(2);
    eyot_graph_start(g, "z");
    CHECK_PROBLEMS(g, "start z: there is no such node");
}

TEST(graph_freeze__reports_an_otherwise_without_condition)
{
    eyot_graph *g = with_nodes(4);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge_otherwise(g, "a", "c");
    eyot_graph_edge_routed(g, "a", "d");
    CHECK_PROBLEMS(g, "edge a -> c: otherwise needs a conditional edge from a");
}

TEST(graph_freeze__takes_several_otherwise_edges)
{
    eyot_graph *g = with_nodes(6);
    eyot_graph_edge_otherwise(g, "a", "b");
    eyot_graph_edge_if(g, "a", "c", "x", holds, NULL);
    eyot_graph_edge_otherwise(g, "a", "d");
    eyot_graph_edge_each(g, "d", "e"); /* sending counts as a condition */
    eyot_graph_edge_otherwise(g, "d", "f");
    eyot_graph_free(frozen(g));
}

TEST(graph_freeze__reports_a_condition_without_name_or_function)
{
    eyot_graph *g = with_nodes(2);
    eyot_graph_edge_if(g, "a", "b", NULL, NULL, NULL);
    eyot_graph_edge_if(g, "b", "a", "\xc3(", holds, NULL);
    CHECK_PROBLEMS(g, "edge a -> b: the condition has no function",
                   "edge a -> b: the condition has no name that is UTF-8",
                   "edge b -> a: the condition has no name that is UTF-8");
}

TEST(graph_freeze__reports_bad_node_options)
{
    eyot_graph *g = new_graph();
    struct {
        eyot_node_options known;
        uint32_t unknown;
    } newer = {EYOT_NODE_OPTIONS_INIT, 0};
    newer.known.size = sizeof newer;
    eyot_graph_node_with(g, "a", node, NULL, &newer.known);
    newer.unknown = 1;
    eyot_graph_node_with(g, "b", node, NULL, &newer.known);
    eyot_node_options o = {.size = 3};
    eyot_graph_node_with(g, "c", node, NULL, &o);
    o = (eyot_node_options){.size = sizeof o, .flags = EYOT_NODE_EACH | 6};
    eyot_graph_node_with(g, "d", node, NULL, &o);
    o = (eyot_node_options){.size = sizeof o, .version = "\xed\xa0\x80"};
    eyot_graph_node_with(g, "e", node, NULL, &o);
    for (char to = 'b'; to <= 'e'; to++) eyot_graph_edge(g, "a", (char[]){to, 0});
    CHECK_PROBLEMS(g, "node b: its options have a bad size or are newer than this library",
                   "node c: its options have a bad size or are newer than this library", "node d: flag 0x6 is unknown",
                   "node e: its version is not UTF-8");
}

TEST(graph_node__takes_options_of_an_older_library)
{
    eyot_graph *g = new_graph();
    eyot_node_options o = {.size = offsetof(eyot_node_options, version), .flags = EYOT_NODE_EACH, .version = "\xff"};
    eyot_graph_node_with(g, "a", node, NULL, &o);
    frozen(g);
    CHECK(g->nodes[0].version == NULL && g->nodes[0].flags == EYOT_NODE_EACH);
    eyot_graph_free(g);
}

TEST(graph_freeze__reports_everything_at_once)
{
    eyot_graph *g = with_nodes(3);
    eyot_graph_node(g, "a", node, NULL);
    eyot_graph_reduce(g, "k", EYOT_ADD);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "a", "x");
    CHECK_PROBLEMS(g, "node a is added twice", "key k: copier nothing/1 has no reducers",
                   "edge a -> x: there is no node x", "edge a -> b is added twice",
                   "node c cannot be reached from a start");
}

TEST(graph_freeze__can_be_tried_again_when_the_graph_is_complete)
{
    eyot_graph *g = with_nodes(2);
    eyot_graph_edge(g, "a", "c");
    CHECK_STATUS(eyot_graph_freeze(g, NULL), EYOT_EGRAPH);
    CHECK_INT(eyot_graph_problem_count(g), 2);
    const char *first = eyot_graph_problem(g, 0);
    eyot_graph_node(g, "c", node, NULL);
    eyot_graph_edge(g, "c", "b");
    frozen(g);
    CHECK_INT(eyot_graph_problem_count(g), 0);
    CHECK_STR(first, "edge a -> c: there is no node c"); /* borrowed until the graph is freed */
    CHECK(g->edges[0].to == 2 && g->edges[1].from == 2);
    eyot_graph_free(g);
}

TEST(graph_freeze__reports_loops_that_are_nested_too_deep)
{
    eyot_graph *g = new_graph();
    char a[16], b[16];
    for (int i = 0; i < 1100; i++) {
        snprintf(a, sizeof a, "n%d", i);
        snprintf(b, sizeof b, "n%d", i + 1);
        eyot_graph_node(g, a, node, NULL);
        if (i == 1099) break;
        eyot_graph_edge(g, a, b);
        eyot_graph_edge(g, b, a);
    }
    CHECK_PROBLEMS(g, "graph test: loops are nested deeper than 1000");
}

/* ---- reducers -------------------------------------------------------------------------------------------------- */

TEST(graph_reduce__gives_the_copier_its_rules)
{
    eyot_graph *g;
    eyot_copier c = with_rules();
    CHECK_OK(eyot_graph_new(&g, "test", &c));
    CHECK(g->copier_user == c.user);
    eyot_graph_reduce(g, "k", EYOT_ADD);
    eyot_graph_reduce_with(g, "l", EYOT_APPEND, 7);
    eyot_graph_node(g, "a", node, NULL);
    frozen(g);
    CHECK_STR((char *)g->copier_user, "k=2/0\nl=1/7\n");
    CHECK_HAS(g->source, "\"reducers\":\"k=2/0\\u000al=1/7\\u000a\"");
    eyot_graph_free(g);
}

TEST(graph_reduce__reports_what_the_copier_refuses)
{
    eyot_graph *g;
    eyot_copier c = with_rules();
    CHECK_OK(eyot_graph_new(&g, "test", &c));
    eyot_graph_node(g, "a", node, NULL);
    eyot_graph_reduce(g, "bad", EYOT_ADD);
    eyot_graph_reduce(g, "mute", EYOT_ADD);
    eyot_graph_reduce(g, "k", (eyot_reducer)10);
    eyot_graph_reduce(g, NULL, EYOT_ADD);
    eyot_graph_reduce(g, "\xff", EYOT_ADD);
    CHECK_PROBLEMS(g, "key bad: this key is not liked", "key mute: invalid argument", "key k: reducer 10 is unknown",
                   "graph test: the key of a reducer is NULL", "graph test: the key of a reducer is not UTF-8");
}

TEST(graph_reduce__without_memory_sticks)
{
    eyot_graph *g;
    eyot_error e;
    eyot_copier c = with_rules();
    CHECK_OK(eyot_graph_new(&g, "test", &c));
    eyot_graph_reduce(g, "full", EYOT_ADD);
    eyot_graph_node(g, "a", node, NULL);
    CHECK_STATUS(eyot_graph_freeze(g, &e), EYOT_ENOMEM);
    CHECK_STR(e.text, "graph test: out of memory");
    eyot_graph_free(g);
}

TEST(graph_freeze__reports_rules_whose_text_is_no_text)
{
    eyot_graph *g;
    eyot_copier c = with_rules();
    c.rules_text = bad_rules_text;
    CHECK_OK(eyot_graph_new(&g, "test", &c));
    eyot_graph_node(g, "a", node, NULL);
    eyot_graph_reduce(g, "k", EYOT_ADD);
    CHECK_PROBLEMS(g, "graph test: the reducers' text that copier rules/1 gave is not UTF-8");
}

/* ---- fingerprints ---------------------------------------------------------------------------------------------- */

enum change {
    SAME,
    NAME, /* the first three do not count */
    FUNCTION,
    USER,
    ID,
    NODE_ORDER,
    EDGE_ORDER,
    EDGE_KIND,
    CONDITION,
    EACH,
    VERSION,
    START,
    COPIER,
    REDUCER,
    CHANGES
};

/* One graph, in which one thing is different. */
static void fingerprint_of(enum change change, char out[65])
{
    eyot_graph *g;
    eyot_copier c = with_rules();
    if (change == COPIER) c.name = "rules/2";
    CHECK_OK(eyot_graph_new(&g, change == NAME ? "other" : "test", &c));
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.flags = change == EACH ? EYOT_NODE_EACH : 0;
    o.version = change == VERSION ? "2" : "1";
    eyot_graph_node(g, "a", change == FUNCTION ? other_node : node, change == USER ? out : NULL);
    eyot_graph_node_with(g, change == NODE_ORDER ? "c" : "b", node, NULL, &o);
    eyot_graph_node_with(g, change == NODE_ORDER ? "b" : "c", node, NULL, &o);
    eyot_graph_node(g, change == ID ? "e" : "d", node, NULL);
    if (change == START) eyot_graph_start(g, "b");
    eyot_graph_start(g, "a");
    eyot_graph_edge(g, "a", change == EDGE_ORDER ? "c" : "b");
    eyot_graph_edge(g, "a", change == EDGE_ORDER ? "b" : "c");
    eyot_graph_edge_if(g, "b", change == ID ? "e" : "d", change == CONDITION ? "y" : "x", holds, NULL);
    if (change == EDGE_KIND)
        eyot_graph_edge_routed(g, "c", "d");
    else
        eyot_graph_edge(g, "c", change == ID ? "e" : "d");
    eyot_graph_reduce(g, "k", change == REDUCER ? EYOT_MIN : EYOT_ADD);
    memcpy(out, eyot_graph_fingerprint(frozen(g)), 65);
    eyot_graph_free(g);
}

TEST(graph_fingerprint__changes_with_what_a_run_depends_on)
{
    char texts[CHANGES][65];
    for (int i = 0; i < CHANGES; i++) fingerprint_of((enum change)i, texts[i]);
    for (int i = ID; i < CHANGES; i++)
        for (int j = USER; j < i; j++)
            if (strcmp(texts[i], texts[j]) == 0) test_fail(__FILE__, __LINE__, "changes %d and %d look the same", i, j);
}

TEST(graph_fingerprint__does_not_change_with_names_and_pointers)
{
    char same[65], other[65];
    fingerprint_of(SAME, same);
    for (int i = NAME; i <= USER; i++) {
        fingerprint_of((enum change)i, other);
        CHECK_STR(other, same);
    }
}

/* Stored runs name their graph by this: it must never become another. */
TEST(graph_fingerprint__is_the_same_for_ever)
{
    char text[65];
    fingerprint_of(SAME, text);
    CHECK_STR(text, "babe7a9d8b6da595c7f7f426a9e10a06efeab59315355667f7b39423fe34228e");
}

/* ---- drawings -------------------------------------------------------------------------------------------------- */

static eyot_graph *every_kind(void)
{
    eyot_graph *g = new_graph();
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.flags = EYOT_NODE_EACH;
    o.version = "v\"2\"";
    eyot_graph_node(g, "plan", node, NULL);
    eyot_graph_node(g, "fetch", node, NULL);
    eyot_graph_node_with(g, "count", node, NULL, &o);
    eyot_graph_node(g, "end", node, NULL);
    eyot_graph_edge_each(g, "plan", "fetch");
    eyot_graph_edge(g, "fetch", "count");
    eyot_graph_edge_if(g, "count", "plan", "n < 3 & \"a\\b\"\n\xc3\xa9", holds, NULL);
    eyot_graph_edge_otherwise(g, "count", "end");
    eyot_graph_edge_routed(g, "plan", "end");
    return frozen(g);
}

TEST(graph_draw__writes_json)
{
    eyot_graph *g = every_kind();
    check_drawing(g, EYOT_GRAPH_JSON,
                  "{\n \"eyot_graph\":1,\n \"name\":\"test\",\n \"copier\":\"nothing/1\",\n \"starts\":[\"plan\"],\n"
                  " \"nodes\":[\n"
                  "  {\"id\":\"plan\"},\n"
                  "  {\"id\":\"fetch\"},\n"
                  "  {\"id\":\"count\",\"each\":true,\"version\":\"v\\\"2\\\"\"},\n"
                  "  {\"id\":\"end\"}\n"
                  " ],\n"
                  " \"edges\":[\n"
                  "  {\"from\":\"plan\",\"to\":\"fetch\",\"kind\":\"each\"},\n"
                  "  {\"from\":\"fetch\",\"to\":\"count\"},\n"
                  "  {\"from\":\"count\",\"to\":\"plan\",\"kind\":\"if\","
                  "\"condition\":\"n < 3 & \\\"a\\\\b\\\"\\u000a\xc3\xa9\"},\n"
                  "  {\"from\":\"count\",\"to\":\"end\",\"kind\":\"otherwise\"},\n"
                  "  {\"from\":\"plan\",\"to\":\"end\",\"kind\":\"routed\"}\n"
                  " ]\n}\n");
    eyot_graph_free(g);
}

TEST(graph_draw__writes_dot)
{
    eyot_graph *g = every_kind();
    check_drawing(g, EYOT_GRAPH_DOT,
                  "digraph \"test\" {\n"
                  "  node [shape=box, style=rounded, fontname=\"Helvetica\", fontsize=12, margin=\"0.15,0.08\"];\n"
                  "  edge [fontname=\"Helvetica\", fontsize=10, color=\"#475569\", fontcolor=\"#475569\"];\n"
                  "  \"plan\" [style=\"rounded,filled\", penwidth=2, fillcolor=\"#dbeafe\"];\n"
                  "  \"fetch\" [peripheries=2];\n"
                  "  \"count\" [peripheries=2];\n"
                  "  \"end\";\n"
                  "  \"plan\" -> \"fetch\" [label=\" each \", penwidth=2.5];\n"
                  "  \"fetch\" -> \"count\";\n"
                  "  \"count\" -> \"plan\" [label=\" n < 3 & \\\"a\\\\b\\\" \xc3\xa9 \"];\n"
                  "  \"count\" -> \"end\" [label=\" otherwise \", style=dashed];\n"
                  "  \"plan\" -> \"end\" [label=\" routed \", style=dotted];\n"
                  "}\n");
    eyot_graph_free(g);
}

TEST(graph_draw__writes_mermaid)
{
    eyot_graph *g = every_kind();
    check_drawing(g, EYOT_GRAPH_MERMAID,
                  "flowchart TD\n"
                  "  n0(\"plan\"):::start\n"
                  "  n1[[\"fetch\"]]\n"
                  "  n2[[\"count\"]]\n"
                  "  n3(\"end\")\n"
                  "  n0 ==>|\"each\"| n1\n"
                  "  n1 --> n2\n"
                  "  n2 -->|\"n #60; 3 #38; #34;a#92;b#34; \xc3\xa9\"| n0\n"
                  "  n2 -.->|\"otherwise\"| n3\n"
                  "  n0 -.->|\"routed\"| n3\n"
                  "  classDef start stroke-width:3px\n");
    eyot_graph_free(g);
}

TEST(graph_draw__refuses_what_it_cannot_draw)
{
    eyot_graph *g = with_nodes(1);
    eyot_error e;
    char *text = (char *)&text;
    CHECK_STATUS(eyot_graph_draw(g, EYOT_GRAPH_JSON, &text, &e), EYOT_EINVAL);
    CHECK_STR(e.text, "graph test is not frozen");
    CHECK(text == NULL);
    frozen(g);
    CHECK_STATUS(eyot_graph_draw(g, (eyot_graph_format)3, &text, &e), EYOT_EINVAL);
    CHECK_STR(e.text, "graph test: format 3 is unknown");
    CHECK_STATUS(eyot_graph_draw(g, EYOT_GRAPH_JSON, NULL, &e), EYOT_EINVAL);
    eyot_graph_free(g);
}

/* ---- order ----------------------------------------------------------------------------------------------------- */

TEST(graph_topological_order__puts_the_node_added_first_first)
{
    eyot_graph *g = with_nodes(5);
    uint32_t order[5], levels[5];
    static const uint32_t want[5] = {1, 4, 0, 2, 3}, want_levels[5] = {2, 0, 2, 3, 1};
    eyot_graph_start(g, "b");
    eyot_graph_edge(g, "b", "e");
    eyot_graph_edge(g, "e", "c");
    eyot_graph_edge(g, "e", "a");
    eyot_graph_edge(g, "b", "d");
    eyot_graph_edge(g, "c", "d");
    frozen(g);
    CHECK_OK(eyot_graph_topological_order(g, order, levels, NULL));
    CHECK(memcmp(order, want, sizeof want) == 0);
    CHECK(memcmp(levels, want_levels, sizeof levels) == 0);
    CHECK_OK(eyot_graph_topological_order(g, order, NULL, NULL));
    eyot_graph_free(g);
}

TEST(graph_topological_order__names_the_path_of_a_cycle)
{
    eyot_graph *g = with_nodes(6);
    uint32_t order[6];
    eyot_error e;
    eyot_graph_edge(g, "a", "d");
    eyot_graph_edge(g, "d", "c");
    eyot_graph_edge(g, "c", "b");
    eyot_graph_edge(g, "b", "d");
    eyot_graph_edge(g, "b", "e");
    eyot_graph_edge(g, "e", "f");
    frozen(g);
    CHECK_STATUS(eyot_graph_topological_order(g, order, NULL, &e), EYOT_EGRAPH);
    CHECK_STR(e.text, "cycle: b -> d -> c -> b");
    eyot_graph_free(g);
}

TEST(graph_topological_order__names_a_node_that_leads_to_itself)
{
    eyot_graph *g = with_nodes(1);
    uint32_t order[1];
    eyot_error e;
    eyot_graph_edge(g, "a", "a");
    frozen(g);
    CHECK_STATUS(eyot_graph_topological_order(g, order, NULL, &e), EYOT_EGRAPH);
    CHECK_STR(e.text, "cycle: a -> a");
    eyot_graph_free(g);
}

TEST(graph_topological_order__shortens_the_path_of_a_long_cycle)
{
    eyot_graph *g = new_graph();
    char a[80], b[80];
    uint32_t order[50];
    eyot_error e;
    for (int i = 0; i < 50; i++) {
        snprintf(a, sizeof a, "node_%d", i);
        snprintf(b, sizeof b, "node_%d", (i + 1) % 50);
        eyot_graph_node(g, a, node, NULL);
        eyot_graph_edge(g, a, b);
    }
    frozen(g);
    CHECK_STATUS(eyot_graph_topological_order(g, order, NULL, &e), EYOT_EGRAPH);
    CHECK_HAS(e.text, "cycle: node_0 -> node_1 -> node_2 -> ");
    CHECK_HAS(e.text, " -> node_19 -> (30 more) -> node_0");
    eyot_graph_free(g);
}

TEST(graph_topological_order__wants_a_frozen_graph_and_a_place)
{
    eyot_graph *g = with_nodes(1);
    uint32_t order[1];
    eyot_error e;
    CHECK_STATUS(eyot_graph_topological_order(g, order, NULL, &e), EYOT_EINVAL);
    CHECK_STR(e.text, "graph test is not frozen");
    frozen(g);
    CHECK_STATUS(eyot_graph_topological_order(g, NULL, NULL, &e), EYOT_EINVAL);
    eyot_graph_free(g);
}

/* ---- at random, and large -------------------------------------------------------------------------------------- */

static const char *random_id(uint64_t *seed)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f", "_", "x y", "", NULL, "\xff"};
    uint64_t r = test_random(seed) % 64;
    return ids[r < 59 ? r % 6 : r - 53];
}

static void random_call(eyot_graph *g, uint64_t *seed)
{
    const char *a = random_id(seed), *b = random_id(seed);
    eyot_node_options o = {.size = test_random(seed) % 8 ? sizeof o : test_random(seed) % (sizeof o + 1),
                           .flags = (uint32_t)(test_random(seed) % 3),
                           .version = random_id(seed)};
    switch (test_random(seed) % 16) {
    case 0: eyot_graph_start(g, a); break;
    case 1: eyot_graph_edge_if(g, a, b, random_id(seed), test_random(seed) % 8 ? holds : NULL, NULL); break;
    case 2: eyot_graph_edge_otherwise(g, a, b); break;
    case 3: eyot_graph_edge_each(g, a, b); break;
    case 4: eyot_graph_edge_routed(g, a, b); break;
    case 5: eyot_graph_reduce_with(g, a, (eyot_reducer)(test_random(seed) % 12), test_random(seed)); break;
    case 6: eyot_graph_node_with(g, a, node, NULL, &o); break;
    case 7: eyot_graph_freeze(g, NULL); break;
    case 8:
    case 9:
    case 10:
    case 11: eyot_graph_node(g, a, test_random(seed) % 16 ? node : NULL, NULL); break;
    default: eyot_graph_edge(g, a, b); break;
    }
}

/* A call sequence ends in a graph that can be drawn, or in problems that can be read. */
TEST(graph_freeze__survives_random_calls)
{
    uint64_t seed = test_seed();
    uint32_t good = 0;
    eyot_copier c = with_rules();
    for (unsigned round = 0; round < 100000 * test_long(); round++) {
        eyot_graph *g;
        eyot_error e = {.text = ""};
        CHECK_OK(eyot_graph_new(&g, "test", &c));
        if (round % 2) eyot_graph_node(g, "a", node, NULL);
        for (uint64_t n = test_random(&seed) % (round % 4 ? 8 : 40); n > 0; n--) random_call(g, &seed);
        eyot_status status = eyot_graph_freeze(g, &e);
        CHECK(status == EYOT_OK || status == EYOT_EGRAPH);
        CHECK((status == EYOT_OK) == (eyot_graph_problem_count(g) == 0));
        CHECK((status == EYOT_OK) == (eyot_graph_fingerprint(g) != NULL));
        for (size_t i = 0; i < eyot_graph_problem_count(g); i++) CHECK(eyot_graph_problem(g, i)[0] != '\0');
        if (status == EYOT_OK) {
            char *text;
            for (int format = 0; format < 3; format++) {
                CHECK_OK(eyot_graph_draw(g, (eyot_graph_format)format, &text, &e));
                eyot_free(text);
            }
            good++;
        }
        eyot_graph_free(g);
    }
    CHECK(good > 2000);
}

TEST(graph_freeze__takes_a_fan_of_a_million)
{
    eyot_graph *g = new_graph();
    char id[16];
    eyot_error e;
    eyot_graph_node(g, "first", node, NULL);
    eyot_graph_node(g, "last", node, NULL);
    for (uint32_t i = 0; i < 1000000; i++) {
        snprintf(id, sizeof id, "n%u", i);
        eyot_graph_node(g, id, node, NULL);
        eyot_graph_edge(g, "first", id);
        eyot_graph_edge(g, id, "last");
    }
    CHECK_STATUS(eyot_graph_freeze(g, &e), EYOT_OK);
    CHECK_INT(eyot__graph_find(g, "n777777", 7), 777779);
    CHECK_INT(g->edges[eyot__graph_edge_to(g, 0, 777779)].to, 777779);
    CHECK_INT(g->shape->nodes[1].ways[0].expected, 1000000);
    eyot_graph_free(g);
}

/* ---- options --------------------------------------------------------------------------------------------------- */

TEST(options_read__fills_what_an_older_caller_left_out_with_zero)
{
    eyot_node_options known, o = {.size = offsetof(eyot_node_options, version), .flags = 1, .version = "x"};
    CHECK_OK(eyot__options_read(&known, sizeof known, &o));
    CHECK(known.size == sizeof known && known.flags == 1 && known.version == NULL);
}

TEST(options_read__refuses_a_size_that_would_cut_a_pointer)
{
    eyot_node_options known, o = EYOT_NODE_OPTIONS_INIT;
    for (o.size = 0; o.size < sizeof o; o.size++)
        CHECK_STATUS(eyot__options_read(&known, sizeof known, &o),
                     o.size > 0 && o.size % sizeof o.size == 0 ? EYOT_OK : EYOT_EINVAL);
}

TEST(options_read__takes_null_for_the_defaults)
{
    eyot_node_options known = {.flags = 9};
    CHECK_OK(eyot__options_read(&known, sizeof known, NULL));
    CHECK(known.size == sizeof known && known.flags == 0 && known.version == NULL);
}
