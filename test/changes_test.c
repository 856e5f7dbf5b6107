/* SPDX-License-Identifier: MIT */
/* Going on with another graph: what differs, what is harmless, and which graph the run has from then on. */
#include <stddef.h>
#include <stdlib.h>

#include <eyot/copiers.h>
#include <eyot/stores.h>

#include "core/changes.h"
#include "core/graph_form.h"
#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"

static eyot_error err;

static eyot_status fail(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_fail(task, "not yet");
}

static eyot_status add_large(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_update(task, tally_pad(tally_sum(1), 200000, 7));
}

/* ---- graphs -------------------------------------------------------------------------------------------------------- */

static void add_node(eyot_graph *g, const char *id, eyot_node_fn fn, int n, const char *version)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.version = version;
    eyot_graph_node_with(g, id, fn ? fn : tally_add, &tally_numbers[n], &o);
}

/* a → b → c, adding 1, 2 and 4, each with a version ("" none). */
static eyot_graph *chain(const char *versions[3], eyot_node_fn a, eyot_node_fn b, eyot_node_fn c)
{
    eyot_graph *g = tally_graph("chain");
    add_node(g, "a", a, 1, versions[0]);
    add_node(g, "b", b, 2, versions[1]);
    add_node(g, "c", c, 4, versions[2]);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "b", "c");
    return tally_freeze(g);
}
#define CHAIN(a, b, c, ...) chain((const char *[3]){a, b, c}, __VA_ARGS__)

static const char *source_before, *source_now; /* what the comparing function was given */
static eyot_change told[2];
static size_t n_told;
static eyot_status source_status;

static eyot_status compare_sources(const char *before, const char *now, void *user, eyot_change_fn tell, void *arg)
{
    eyot_status status = EYOT_OK;
    CHECK(user == &n_told);
    source_before = strcmp(before, "old") == 0 ? "old" : "?";
    source_now = strcmp(now, "new") == 0 ? "new" : "?";
    for (size_t i = 0; i < n_told && !status; i++) status = tell(arg, &told[i]);
    return status ? status : source_status;
}

static eyot_graph *with_source(const char *source, eyot_node_fn b, eyot_source_compare_fn compare)
{
    eyot_graph *g = tally_graph("chain");
    add_node(g, "a", NULL, 1, NULL);
    add_node(g, "b", b, 2, NULL);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_source(g, source, strlen(source));
    eyot_graph_compare_sources(g, compare, &n_told);
    return tally_freeze(g);
}

/* ---- a run that has failed ----------------------------------------------------------------------------------------- */

typedef struct place {
    eyot_store *store;
    eyot_engine *engine;
    eyot_graph *graphs[8]; /* freed with it */
    size_t n;
} place;

static eyot_graph *own(place *p, eyot_graph *g)
{
    return p->graphs[p->n++] = g;
}

/* Run "r" of the graph, which is taken, has failed. */
static place set_up_as(eyot_graph *g, eyot_durability durability)
{
    place p = {.store = tally_store("memory:")};
    eyot_run_options o = lives_options(durability);
    p.engine = tally_engine(1, p.store);
    lives_fail(p.engine, own(&p, g), &o, EYOT_EFAILED);
    return p;
}

static place set_up(eyot_graph *g)
{
    return set_up_as(g, EYOT_SYNC);
}

static void tear_down(place *p)
{
    eyot_engine_free(p->engine);
    for (size_t i = 0; i < p->n; i++) eyot_graph_free(p->graphs[i]);
    eyot_store_close(p->store);
    CHECK_INT(tally_live(), 0);
}

static void refuse_with(place *p, const eyot_graph *g, uint32_t flags, const char *text)
{
    eyot_run *run;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.flags = flags;
    uint64_t epoch = tally_row_of(p->store, "r").epoch;
    CHECK_STATUS(eyot_run_resume(&run, p->engine, g, "r", &o, &err), EYOT_ECHANGED);
    CHECK(!run);
    if (flags)
        CHECK_HAS(err.text, text);
    else
        CHECK_STR(err.text, text);
    CHECK(!tally_row_of(p->store, "r").held);
    if (!flags) CHECK_INT(tally_row_of(p->store, "r").epoch, epoch); /* not even claimed */
}

static void refuse(place *p, const eyot_graph *g, const char *text)
{
    refuse_with(p, g, 0, text);
}

static void fail_again(place *p, const eyot_graph *g, uint32_t flags)
{
    eyot_run *run;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.flags = flags;
    err.status = EYOT_OK;
    if (eyot_run_resume(&run, p->engine, g, "r", &o, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK_INT(err.status, EYOT_OK); /* untouched */
    CHECK_STATUS(eyot_run_wait(run, &err), EYOT_EFAILED);
    eyot_run_free(run);
}

typedef struct said {
    char text[4000];
    size_t n, harmless;
} said;

static eyot_status keep_line(void *arg, const eyot_change *change)
{
    said *s = arg;
    CHECK(strlen(s->text) + strlen(change->text) + 2 < sizeof s->text);
    strcat(strcat(s->text, change->text), "\n");
    s->n++;
    s->harmless += change->harmless;
    return EYOT_OK;
}

static said lines_of(place *p, const eyot_graph *g)
{
    said s = {.n = 0};
    if (eyot_store_compare_graph(p->store, "r", g, keep_line, &s, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
    return s;
}

static void compare_is(place *p, const eyot_graph *g, const char *want, size_t harmless)
{
    said s = lines_of(p, g);
    CHECK_STR(s.text, want);
    CHECK_INT(s.harmless, harmless);
}

/* ---- what is harmless ---------------------------------------------------------------------------------------------- */

TEST(changes__a_node_that_has_failed_can_be_mended)
{
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, NULL));
    compare_is(&p, mended, "node \"b\": version \"1\" became \"2\"\n", 1);
    lives_end(p.engine, mended, NULL, 7);
    tear_down(&p);
}

TEST(changes__a_mended_graph_is_the_runs_own_in_its_next_lives)
{
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, fail));
    fail_again(&p, mended, 0);
    compare_is(&p, mended, "", 0);
    compare_is(&p, p.graphs[0], "node \"b\": version \"2\" became \"1\" (1 committed task)\n", 0);
    refuse(&p, p.graphs[0],
           "run r cannot go on with this graph: node \"b\": version \"2\" became \"1\" (1 committed task) "
           "(accept them with EYOT_RUN_ACCEPT_CHANGES)");
    lives_end(p.engine, own(&p, CHAIN("1", "2", NULL, NULL, NULL, NULL)), NULL, 7);
    tear_down(&p);
}

TEST(changes__the_store_tells_which_graph_a_run_was_last_gone_on_with)
{
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, fail, NULL));
    char fingerprint[65], *form;
    size_t len;
    eyot_buf *source = eyot_buf_new();
    CHECK_OK(eyot_store_get_run_graph(p.store, "r", fingerprint, source, &err));
    CHECK_STR(fingerprint, eyot_graph_fingerprint(p.graphs[0]));
    fail_again(&p, mended, 0);
    eyot_buf_reset(source);
    CHECK_OK(eyot_store_get_run_graph(p.store, "r", fingerprint, source, &err));
    CHECK_STR(fingerprint, eyot_graph_fingerprint(mended));
    CHECK_OK(eyot_graph_draw(mended, EYOT_GRAPH_JSON, &form, &err));
    CHECK_STR((const char *)eyot_buf_data(source, &len), form);
    eyot_free(form);
    eyot_buf_free(source);
    CHECK_STATUS(eyot_store_get_run_graph(p.store, "s", fingerprint, NULL, &err), EYOT_ENOTFOUND);
    tear_down(&p);
}

TEST(changes__checkpoints_are_read_with_either_graph)
{
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, fail));
    fail_again(&p, mended, 0);
    for (size_t i = 0; i < 2; i++) {
        eyot_checkpoint *c;
        CHECK_OK(eyot_store_load_latest_checkpoint(&c, p.store, p.graphs[i], "r", &err));
        CHECK_INT(((const tally *)eyot_checkpoint_state(c))->sum, 3);
        eyot_checkpoint_free(c);
    }
    tear_down(&p);
}

TEST(changes__a_node_with_committed_tasks_needs_the_flag)
{
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    eyot_graph *other = own(&p, CHAIN("2", "1", "9", NULL, NULL, NULL));
    compare_is(&p, other,
               "node \"a\": version \"1\" became \"2\" (1 committed task)\nnode \"c\": version \"9\" is new\n", 1);
    refuse(&p, other,
           "run r cannot go on with this graph: node \"a\": version \"1\" became \"2\" (1 committed task) "
           "(accept them with EYOT_RUN_ACCEPT_CHANGES)");
    eyot_run_options o = lives_options(EYOT_SYNC);
    o.flags = EYOT_RUN_ACCEPT_CHANGES;
    lives_end(p.engine, other, &o, 7);
    tear_down(&p);
}

TEST(changes__a_node_whose_id_begins_like_another_one_has_no_tasks_of_it)
{
    eyot_graph *graphs[2];
    for (int i = 0; i < 2; i++) {
        graphs[i] = tally_graph("ids");
        add_node(graphs[i], "ab", NULL, 1, NULL);
        add_node(graphs[i], "a", i == 0 ? fail : NULL, 2, i == 0 ? "1" : "2");
        eyot_graph_edge(graphs[i], "ab", "a");
        tally_freeze(graphs[i]);
    }
    place p = set_up(graphs[0]);
    compare_is(&p, own(&p, graphs[1]), "node \"a\": version \"1\" became \"2\"\n", 1);
    tear_down(&p);
}

static eyot_status below_three(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = ((const tally *)state)->sum < 3;
    return EYOT_OK;
}

static eyot_graph *loop(const char *version, const char *condition, eyot_node_fn out)
{
    eyot_graph *g = tally_graph("loop");
    add_node(g, "in", NULL, 1, version);
    add_node(g, "out", out, 1, NULL);
    eyot_graph_edge_if(g, "in", "in", condition, below_three, NULL);
    eyot_graph_edge_otherwise(g, "in", "out");
    return tally_freeze(g);
}

TEST(changes__tasks_of_every_iteration_are_counted)
{
    place p = set_up(loop("1", "below 3", fail));
    eyot_graph *other = own(&p, loop("2", "below 9", NULL));
    compare_is(&p, other,
               "node \"in\": version \"1\" became \"2\" (3 committed tasks)\n"
               "edge in -> in: condition \"below 3\" became \"below 9\" (3 committed tasks)\n",
               0);
    refuse(&p, other,
           "run r cannot go on with this graph: node \"in\": version \"1\" became \"2\" (3 committed tasks); "
           "1 more difference (accept them with EYOT_RUN_ACCEPT_CHANGES)");
    tear_down(&p);
}

TEST(changes__a_condition_behind_a_node_without_committed_tasks_can_be_mended)
{
    eyot_graph *graphs[2];
    for (int i = 0; i < 2; i++) {
        graphs[i] = tally_graph("conditions");
        add_node(graphs[i], "a", i == 0 ? fail : NULL, 1, NULL);
        add_node(graphs[i], "b", NULL, 1, NULL);
        eyot_graph_edge_if(graphs[i], "a", "b", i == 0 ? "wrong" : "right", below_three, NULL);
        tally_freeze(graphs[i]);
    }
    place p = set_up(graphs[0]);
    compare_is(&p, own(&p, graphs[1]), "edge a -> b: condition \"wrong\" became \"right\"\n", 1);
    lives_end(p.engine, graphs[1], NULL, 2);
    tear_down(&p);
}

/* ---- every kind ---------------------------------------------------------------------------------------------------- */

static eyot_status give_nothing(eyot_task *task, void *user)
{
    (void)task, (void)user;
    return EYOT_OK;
}

static eyot_status taken(const void *state, bool *out, void *user, eyot_error *e)
{
    (void)state, (void)user, (void)e;
    *out = true;
    return EYOT_OK;
}

static void add_rich_node(eyot_graph *g, const char *id, eyot_node_fn fn, uint32_t flags, const char *version,
                          const char *action)
{
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.flags = flags;
    o.version = version;
    o.action = action;
    eyot_graph_node_with(g, id, fn, NULL, &o);
}

/* Everything differs between the two. */
static eyot_graph *rich(bool second)
{
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, second ? "new" : "old", eyot_json()));
    add_rich_node(g, "a", give_nothing, 0, second ? NULL : "1", second ? "say \"no\"\t\\" : "say \"yes\"\n\\");
    add_rich_node(g, "b", fail, second ? EYOT_NODE_EACH : 0, second ? "1" : NULL, NULL);
    add_rich_node(g, second ? "d" : "c", fail, 0, NULL, NULL);
    add_rich_node(g, "e", fail, 0, NULL, NULL);
    eyot_graph_start(g, "a");
    if (second) eyot_graph_start(g, "b");
    eyot_graph_reduce(g, "k", second ? EYOT_MAX : EYOT_ADD);
    eyot_graph_edge_if(g, "a", "b", second ? "right" : "left", taken, NULL);
    eyot_graph_edge(g, "a", second ? "d" : "c");
    if (second)
        eyot_graph_edge_if(g, "b", "e", "maybe", taken, NULL);
    else
        eyot_graph_edge(g, "b", "e");
    eyot_graph_freeze(g, &err);
    return g;
}

TEST(changes__each_kind_of_difference_has_its_line)
{
    static const char want[] = "name \"old\" became \"new\"\n"
                               "reducers \"1:k=add \" became \"1:k=max \"\n"
                               "starts \"a\" became \"a, b\"\n"
                               "node \"a\": version \"1\" is gone (1 committed task)\n"
                               "node \"a\": action \"say \"yes\" \\\" became \"say \"no\" \\\" (1 committed task)\n"
                               "node \"b\": version \"1\" is new\n"
                               "node \"b\": each \"false\" became \"true\"\n"
                               "node \"c\" is gone\n"
                               "node \"d\" is new\n"
                               "edge a -> b: condition \"left\" became \"right\" (1 committed task)\n"
                               "edge a -> c is gone\n"
                               "edge b -> e: kind \"always\" became \"if\"\n"
                               "edge a -> d is new\n";
    eyot_run *run;
    eyot_run_options o = lives_options(EYOT_SYNC);
    place p = {.store = tally_store("memory:")};
    p.engine = tally_engine(1, p.store);
    CHECK_STATUS(eyot_run_sync(&run, p.engine, own(&p, rich(false)), eyot_value_new_map(), &o, &err), EYOT_EFAILED);
    eyot_run_free(run);
    compare_is(&p, own(&p, rich(true)), want, 2);
    refuse(&p, p.graphs[1],
           "run r cannot go on with this graph: reducers \"1:k=add \" became \"1:k=max \"; 10 more differences "
           "(accept them with EYOT_RUN_ACCEPT_CHANGES)");
    tear_down(&p);
}

static eyot_graph *fan(bool nodes_moved, bool edges_moved)
{
    eyot_graph *g = tally_graph("fan");
    add_node(g, "a", fail, 0, NULL);
    add_node(g, nodes_moved ? "c" : "b", NULL, 0, NULL);
    add_node(g, nodes_moved ? "b" : "c", NULL, 0, NULL);
    eyot_graph_edge(g, "a", edges_moved ? "c" : "b");
    eyot_graph_edge(g, "a", edges_moved ? "b" : "c");
    return tally_freeze(g);
}

TEST(changes__order_is_a_difference)
{
    place p = set_up(fan(false, false));
    compare_is(&p, own(&p, fan(true, false)), "the order of the nodes differs\n", 0);
    compare_is(&p, own(&p, fan(false, true)), "the order of the edges differs\n", 0);
    tear_down(&p);
}

TEST(changes__a_long_difference_leaves_room_for_the_rest_of_the_text)
{
    char id[65], text[300];
    memset(id, 'n', 64);
    id[64] = '\0';
    memset(text, 0, sizeof text);
    for (size_t i = 0; i + 2 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa9", 2);
    eyot_graph *graphs[2];
    for (int i = 0; i < 2; i++) {
        text[0] = i ? 'x' : 'y';
        text[1] = 'z';
        graphs[i] = tally_graph("long");
        add_node(graphs[i], id, NULL, 1, text);
        add_node(graphs[i], "b", fail, 1, NULL);
        eyot_graph_edge(graphs[i], id, "b");
        if (i) eyot_graph_start(graphs[i], id);
        if (i) eyot_graph_start(graphs[i], "b");
        tally_freeze(graphs[i]);
    }
    place p = set_up(graphs[0]);
    eyot_run *run;
    CHECK_STATUS(eyot_run_resume(&run, p.engine, own(&p, graphs[1]), "r", NULL, &err), EYOT_ECHANGED);
    CHECK_HAS(err.text, "; 1 more difference (accept them with EYOT_RUN_ACCEPT_CHANGES)");
    said s = lines_of(&p, graphs[1]);
    CHECK_HAS(s.text, "version \"yz\xc3\xa9");
    CHECK_HAS(s.text, "\xc3\xa9...\" became \"xz\xc3\xa9");
    tear_down(&p);
}

TEST(changes__the_telling_ends_when_it_is_told_to)
{
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    eyot_graph *other = own(&p, CHAIN("2", "2", NULL, NULL, NULL, NULL));
    said s = {.n = 0};
    CHECK_STATUS(eyot_store_compare_graph(p.store, "s", other, keep_line, &s, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_compare_graph(p.store, "r", other, NULL, &s, &err), EYOT_EINVAL);
    CHECK_STATUS(eyot_store_compare_graph(p.store, "r", NULL, keep_line, &s, &err), EYOT_EINVAL);
    CHECK_STATUS(eyot_store_compare_graph(NULL, "r", other, keep_line, &s, &err), EYOT_EINVAL);
    CHECK_INT(s.n, 0);
    tear_down(&p);
}

static void close_nothing(void *self)
{
    (void)self;
}

/* ---- somebody faster ----------------------------------------------------------------------------------------------- */

static eyot_store *shared; /* the store below; NULL: nobody is faster */
static const eyot_graph *faster;

/* Before the claim somebody else takes the run, commits `b`, and fails behind it. */
static eyot_status claim_late(void *self, const eyot_claim *claim, eyot_row_fn fn, void *arg, eyot_error *e)
{
    void *same;
    if (faster) {
        place p = {.store = shared, .engine = tally_engine(1, shared)};
        const eyot_graph *g = faster;
        faster = NULL;
        fail_again(&p, g, 0);
        eyot_engine_free(p.engine);
    }
    return eyot_store_table(shared, &same)->claim(self, claim, fn, arg, e);
}

TEST(changes__a_task_that_is_committed_before_the_claim_counts)
{
    void *self;
    shared = tally_store("memory:");
    eyot_store_ops ops = *eyot_store_table(shared, &self);
    ops.claim = claim_late;
    ops.close = close_nothing;
    place p = {.n = 0};
    CHECK_OK(eyot_store_new(&p.store, &ops, self, &err));
    p.engine = tally_engine(1, p.store);
    eyot_run_options o = lives_options(EYOT_SYNC);
    lives_fail(p.engine, own(&p, CHAIN("1", "1", NULL, NULL, fail, NULL)), &o, EYOT_EFAILED);
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, NULL));
    faster = own(&p, CHAIN("1", "1", NULL, NULL, NULL, fail));
    eyot_run *run;
    CHECK_STATUS(eyot_run_resume(&run, p.engine, mended, "r", NULL, &err), EYOT_ECHANGED);
    CHECK(!faster);
    CHECK_HAS(err.text, "node \"b\": version \"1\" became \"2\" (1 committed task)");
    CHECK_INT(tally_row_of(p.store, "r").status, EYOT_RUN_FAILED);
    CHECK(!tally_row_of(p.store, "r").held);
    tear_down(&p);
    eyot_store_close(shared);
}

/* ---- what is never accepted ---------------------------------------------------------------------------------------- */

TEST(changes__a_node_of_the_frontier_must_exist_whatever_is_accepted)
{
    place p = set_up(CHAIN(NULL, NULL, NULL, NULL, fail, NULL));
    eyot_graph *short_one = tally_graph("chain");
    add_node(short_one, "a", NULL, 1, NULL);
    own(&p, tally_freeze(short_one));
    refuse(&p, short_one,
           "run r cannot go on with this graph: node \"b\" is gone; 3 more differences "
           "(accept them with EYOT_RUN_ACCEPT_CHANGES)");
    refuse_with(&p, short_one, EYOT_RUN_ACCEPT_CHANGES, "\"b\"");
    lives_end(p.engine, own(&p, CHAIN(NULL, NULL, NULL, NULL, NULL, NULL)), NULL, 7);
    tear_down(&p);
}

/* ---- logs that do not tell ----------------------------------------------------------------------------------------- */

TEST(changes__a_pruned_log_may_have_had_tasks_of_every_node)
{
    static const uint64_t drop[] = {1, 2};
    place p = set_up(CHAIN("1", "1", NULL, add_large, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, NULL));
    compare_is(&p, mended, "node \"b\": version \"1\" became \"2\"\n", 1);
    CHECK_OK(eyot__store_prune(p.store, eyot__bytes("r", 1), drop, 2, tally_row_of(p.store, "r").head, &err));
    compare_is(&p, mended, "node \"b\": version \"1\" became \"2\" (committed tasks unknown: its log is not whole)\n",
               0);
    refuse(&p, mended,
           "run r cannot go on with this graph: node \"b\": version \"1\" became \"2\" (committed tasks unknown: its "
           "log is not whole) (accept them with EYOT_RUN_ACCEPT_CHANGES)");
    tear_down(&p);
}

TEST(changes__a_gap_in_the_log_may_have_had_tasks_of_every_node)
{
    static const uint64_t drop[] = {2};
    place p = set_up(CHAIN("1", "1", NULL, add_large, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, NULL));
    CHECK_OK(eyot__store_prune(p.store, eyot__bytes("r", 1), drop, 1, tally_row_of(p.store, "r").head, &err));
    CHECK_INT(lines_of(&p, mended).harmless, 0);
    tear_down(&p);
}

TEST(changes__a_life_that_wrote_only_its_end_may_have_had_tasks_of_every_node)
{
    place p = set_up_as(CHAIN("1", "1", NULL, NULL, fail, NULL), EYOT_EXIT);
    compare_is(&p, own(&p, CHAIN("2", "1", NULL, NULL, NULL, NULL)),
               "node \"a\": version \"1\" became \"2\" (committed tasks unknown: its log is not whole)\n", 0);
    tear_down(&p);
}

/* ---- sources ------------------------------------------------------------------------------------------------------- */

TEST(changes__a_source_that_nobody_compares_is_one_difference)
{
    place p = set_up(with_source("old", fail, NULL));
    eyot_graph *other = own(&p, with_source("new", NULL, NULL));
    compare_is(&p, other, "the source of the graph differs\n", 0);
    refuse(&p, other,
           "run r cannot go on with this graph: the source of the graph differs "
           "(accept them with EYOT_RUN_ACCEPT_CHANGES)");
    tear_down(&p);
}

TEST(changes__a_graph_tells_what_differs_between_sources)
{
    place p = set_up(with_source("old", fail, NULL));
    eyot_graph *other = own(&p, with_source("new", NULL, compare_sources));
    n_told = 2;
    source_status = EYOT_OK;
    told[0] = (eyot_change){.kind = EYOT_CHANGE_ACTION, .node = "b", .what = "run", .before = "x", .now = "y"};
    told[1] = (eyot_change){.kind = EYOT_CHANGE_POLICY, .node = "a", .what = "retry", .harmless = false};
    compare_is(&p, other, "node \"b\": run \"x\" became \"y\"\nnode \"a\": retry differs\n", 2);
    CHECK_STR(source_before, "old");
    CHECK_STR(source_now, "new");
    told[0].node = "a";
    told[0].harmless = true; /* is not for it to say */
    compare_is(&p, other, "node \"a\": run \"x\" became \"y\" (1 committed task)\nnode \"a\": retry differs\n", 1);
    told[0].node = "b";
    lives_end(p.engine, other, NULL, 3);
    tear_down(&p);
}

TEST(changes__sources_that_cannot_be_compared_are_one_difference)
{
    place p = set_up(with_source("old", fail, NULL));
    eyot_graph *other = own(&p, with_source("new", NULL, compare_sources));
    n_told = 1;
    told[0] = (eyot_change){.kind = EYOT_CHANGE_POLICY, .node = "a", .what = "retry"};
    source_status = EYOT_EPARSE;
    compare_is(&p, other, "the source of the graph differs\n", 0);
    n_told = 0;
    source_status = EYOT_OK; /* nothing differs, and yet the fingerprint does */
    compare_is(&p, other, "the fingerprint differs\n", 0);
    tear_down(&p);
}

TEST(changes__a_source_is_no_form_although_it_looks_like_one)
{
    char *form;
    eyot_graph *plain = CHAIN(NULL, NULL, NULL, NULL, NULL, NULL);
    CHECK_OK(eyot_graph_draw(plain, EYOT_GRAPH_JSON, &form, &err));
    place p = set_up(with_source(form, fail, NULL));
    compare_is(&p, own(&p, plain), "the source of the graph differs\n", 0);
    eyot_free(form);
    tear_down(&p);
}

/* ---- stores and streams -------------------------------------------------------------------------------------------- */

TEST(changes__a_store_without_notes_keeps_the_graph_of_the_row)
{
    void *self;
    eyot_store *whole = tally_store("memory:");
    eyot_store_ops ops = *eyot_store_table(whole, &self);
    ops.size = offsetof(eyot_store_ops, kv_get);
    ops.close = close_nothing;
    place p = {.n = 0};
    CHECK_OK(eyot_store_new(&p.store, &ops, self, &err));
    p.engine = tally_engine(1, p.store);
    eyot_run_options o = lives_options(EYOT_SYNC);
    lives_fail(p.engine, own(&p, CHAIN("1", "1", NULL, NULL, fail, NULL)), &o, EYOT_EFAILED);
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, fail));
    fail_again(&p, mended, 0);
    compare_is(&p, mended, "node \"b\": version \"1\" became \"2\" (1 committed task)\n", 0);
    tear_down(&p);
    eyot_store_close(whole);
}

static eyot_status into_buf(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    (void)e;
    return eyot_buf_add(arg, bytes, len);
}

static eyot_status from_buf(void *arg, void *to, size_t room, size_t *got, eyot_error *e)
{
    eyot_bytes *left = arg;
    (void)e;
    *got = room < left->n ? room : left->n;
    memcpy(to, left->p, *got);
    left->p = (const char *)left->p + *got;
    left->n -= *got;
    return EYOT_OK;
}

TEST(changes__the_graph_goes_along_with_an_exported_run)
{
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", NULL, NULL, NULL, fail));
    fail_again(&p, mended, 0);
    eyot_buf stream = EYOT__BUF_INIT;
    CHECK_OK(eyot_store_export(p.store, "r", NULL, into_buf, &stream, &err));
    eyot_bytes left = eyot__bytes(stream.data, stream.len);
    place other = {.store = tally_store("memory:")};
    other.engine = tally_engine(1, other.store);
    if (eyot_store_import(other.store, NULL, from_buf, &left, NULL, &err))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    compare_is(&other, mended, "", 0);
    eyot__buf_clear(&stream);
    eyot_engine_free(other.engine);
    eyot_store_close(other.store);
    tear_down(&p);
}

TEST(changes__a_damaged_note_is_refused)
{
    static const char *const damaged[] = {"", "x\n\n", "\n", "note"};
    place p = set_up(CHAIN("1", "1", NULL, NULL, fail, NULL));
    for (size_t i = 0; i < 4; i++) {
        eyot_run *run;
        CHECK_OK(eyot_store_put_note(p.store, "r", EYOT_NOTE_GRAPH, damaged[i], strlen(damaged[i]), &err));
        CHECK_STATUS(eyot_run_resume(&run, p.engine, p.graphs[0], "r", NULL, &err), EYOT_ECORRUPT);
        CHECK_STR(err.text, "run r: the note \"graph\" is damaged");
    }
    tear_down(&p);
}

/* ---- comparable records -------------------------------------------------------------------------------------------- */

static void comparable_is(place *p, const eyot_graph *g, const char *want)
{
    bool comparable[8] = {false};
    char got[9] = "";
    CHECK_OK(eyot__changes_comparable(p->store, "r", g, comparable, &err));
    for (size_t v = 0; v < eyot_graph_node_count(g); v++) got[v] = comparable[v] ? '+' : '-';
    CHECK_STR(got, want);
}

TEST(changes__nodes_of_another_version_are_not_comparable)
{
    place p = set_up(CHAIN("1", "1", "1", NULL, fail, NULL));
    comparable_is(&p, p.graphs[0], "+++");
    comparable_is(&p, own(&p, CHAIN("1", "2", "1", NULL, NULL, NULL)), "+-+");
    tear_down(&p);
}

TEST(changes__nodes_with_other_edges_are_comparable)
{
    place p = set_up(fan(false, false));
    eyot_graph *other = tally_graph("fan");
    add_node(other, "a", NULL, 0, NULL);
    add_node(other, "b", NULL, 0, NULL);
    add_node(other, "c", NULL, 0, NULL);
    eyot_graph_edge(other, "a", "b");
    eyot_graph_edge(other, "b", "c");
    comparable_is(&p, own(&p, tally_freeze(other)), "+++");
    tear_down(&p);
}

TEST(changes__records_of_several_versions_are_not_comparable)
{
    place p = set_up(CHAIN("1", "1", "1", NULL, fail, NULL));
    eyot_graph *mended = own(&p, CHAIN("1", "2", "1", NULL, fail, NULL));
    fail_again(&p, mended, 0);
    comparable_is(&p, mended, "+++");
    eyot_graph *other = own(&p, CHAIN("2", "2", "1", NULL, fail, NULL));
    fail_again(&p, other, EYOT_RUN_ACCEPT_CHANGES);
    comparable_is(&p, other, "-++");
    fail_again(&p, mended, EYOT_RUN_ACCEPT_CHANGES);
    comparable_is(&p, mended, "-++");
    tear_down(&p);
}

/* ---- forms --------------------------------------------------------------------------------------------------------- */

TEST(graph_form__is_read_as_it_was_written)
{
    eyot__graph_form f;
    char *text;
    eyot_graph *g = rich(false);
    CHECK_OK(eyot_graph_draw(g, EYOT_GRAPH_JSON, &text, &err));
    CHECK_OK(eyot__graph_form_read(&f, text, strlen(text), eyot_graph_fingerprint(g)));
    CHECK_INT(f.n_nodes, 4);
    CHECK_INT(f.n_edges, 3);
    CHECK_STR(f.nodes[0].action, "say \"yes\"\n\\");
    CHECK_STR(f.rules, "1:k=add\n");
    CHECK_STR(f.edges[0].condition, "left");
    eyot__graph_form_clear(&f);
    eyot_free(text);
    eyot_graph_free(g);
}

TEST(graph_form__every_other_text_is_none)
{
    eyot__graph_form f;
    char *text;
    eyot_graph *g = rich(false);
    uint64_t seed = test_seed();
    CHECK_OK(eyot_graph_draw(g, EYOT_GRAPH_JSON, &text, &err));
    size_t len = strlen(text);
    for (size_t n = 0; n < len; n++) { /* without the fingerprint, which tells by itself */
        char *cut = malloc(n + 1);
        memcpy(cut, text, n);
        cut[n] = '\0';
        CHECK_STATUS(eyot__graph_form_read(&f, cut, n, NULL), EYOT_EPARSE);
        free(cut);
    }
    for (unsigned i = 0; i < 2000 * test_long(); i++) {
        size_t at = test_random(&seed) % len;
        char was = text[at];
        text[at] = (char)(test_random(&seed) % 255 + 1);
        bool named = at >= 19 && at < strcspn(text + 19, "\n") + 19; /* the name is not in the fingerprint */
        if (text[at] != was && !named)
            CHECK_STATUS(eyot__graph_form_read(&f, text, len, eyot_graph_fingerprint(g)), EYOT_EPARSE);
        if (eyot__graph_form_read(&f, text, len, NULL) == EYOT_OK) eyot__graph_form_clear(&f);
        text[at] = was;
    }
    eyot_free(text);
    eyot_graph_free(g);
}
