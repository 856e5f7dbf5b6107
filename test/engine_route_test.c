/* SPDX-License-Identifier: MIT */
/* What a task may do: updates, routes, sends, ends; and what the engine says to a task that does it wrong. */
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/stores.h>

#include "test/eyot_test.h"
#include "test/tally.h"

static eyot_status nothing(eyot_task *task, void *user)
{
    (void)task;
    (void)user;
    return EYOT_OK;
}

/* "a" with `fn`, and plain edges, if any, from it to "b" and to "c". */
static eyot_graph *small(eyot_node_fn fn, void *user, const char *plain_edges)
{
    eyot_graph *g = tally_graph("small");
    eyot_graph_node(g, "a", fn, user);
    for (const char *p = plain_edges; *p; p++) {
        char id[2] = {*p, 0};
        eyot_graph_node(g, id, tally_add, NULL);
        eyot_graph_edge(g, "a", id);
    }
    return g;
}

/* Runs the graph, which is freed, once; returns the error of the run. */
static eyot_error outcome_with(eyot_graph *g, eyot_store *store, uint32_t flags)
{
    eyot_error e = {.status = EYOT_OK};
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.flags = flags;
    eyot_status status = eyot_run_sync(&run, engine, tally_freeze(g), tally_new(), &o, &e);
    if (status != e.status) test_fail(__FILE__, __LINE__, "status %d but error %d", status, e.status);
    CHECK(run);
    CHECK_INT(eyot_run_status_of(run), status ? EYOT_RUN_FAILED : EYOT_RUN_DONE);
    CHECK(!eyot_run_state(run) == (status != EYOT_OK));
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
    return e;
}

static eyot_error outcome(eyot_graph *g)
{
    return outcome_with(g, NULL, 0);
}

/* Runs the graph, which is freed, to its end; returns the sum. */
static int64_t total(eyot_graph *g)
{
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_run *run = tally_run(engine, tally_freeze(g), NULL);
    int64_t sum = ((const tally *)eyot_run_state(run))->sum;
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    CHECK_INT(tally_live(), 0);
    return sum;
}

/* ---- routes ----------------------------------------------------------------------------------------------------- */

static int ten = 10, hundred = 100, thousand = 1000;

static eyot_status equals(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)e;
    *taken = ((const tally *)state)->sum == *(int *)user;
    return EYOT_OK;
}

static eyot_status broken_condition(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)state;
    (void)user;
    (void)taken;
    return eyot_error_set(e, EYOT_ETYPE, "the moon is no number");
}

TEST(engine_route__a_node_that_takes_no_edge_is_an_error)
{
    eyot_graph *g = small(tally_add, NULL, "");
    eyot_graph_node(g, "b", nothing, NULL);
    eyot_graph_edge_if(g, "a", "b", "is ten", equals, &ten);
    eyot_error e = outcome(g);
    CHECK_INT(e.status, EYOT_ENOROUTE);
    CHECK_HAS(e.text, "a: no route");
}

/* a → b if 10, → c if 100, → d otherwise, and → z always. */
static eyot_graph *switch_of(int *value)
{
    eyot_graph *g = small(tally_add, value, "");
    eyot_graph_node(g, "b", tally_add, &ten);
    eyot_graph_node(g, "c", tally_add, &hundred);
    eyot_graph_node(g, "d", tally_add, &thousand);
    eyot_graph_node(g, "z", nothing, NULL);
    eyot_graph_edge_if(g, "a", "b", "is ten", equals, &ten);
    eyot_graph_edge_if(g, "a", "c", "is hundred", equals, &hundred);
    eyot_graph_edge_otherwise(g, "a", "d");
    eyot_graph_edge(g, "a", "z");
    return g;
}

TEST(engine_route__conditions_see_the_new_state)
{
    CHECK_INT(total(switch_of(&ten)), 20);
    CHECK_INT(total(switch_of(&hundred)), 200);
}

TEST(engine_route__otherwise_is_taken_when_no_condition_held)
{
    int seven = 7;
    CHECK_INT(total(switch_of(&seven)), 1007);
}

TEST(engine_route__an_error_in_a_condition_fails_the_task)
{
    eyot_graph *g = small(nothing, NULL, "");
    eyot_graph_node(g, "b", nothing, NULL);
    eyot_graph_edge_if(g, "a", "b", "is the moon", broken_condition, NULL);
    eyot_error e = outcome(g);
    CHECK_INT(e.status, EYOT_ETYPE);
    CHECK_HAS(e.text, "is the moon");
    CHECK_HAS(e.text, "the moon is no number");
}

static eyot_status route_to(eyot_task *task, void *user)
{
    for (const char *p = user; *p; p++) {
        char id[2] = {*p, 0};
        eyot_status status = eyot_task_route(task, id);
        if (status) return status;
    }
    return EYOT_OK;
}

static eyot_graph *routed_graph(char *route)
{
    eyot_graph *g = small(route_to, route, "");
    eyot_graph_node(g, "b", tally_add, &ten);
    eyot_graph_node(g, "c", tally_add, &hundred);
    eyot_graph_node(g, "d", tally_add, &thousand);
    eyot_graph_edge_routed(g, "a", "b");
    eyot_graph_edge_if(g, "a", "c", "is the moon", broken_condition, NULL);
    eyot_graph_edge(g, "a", "d");
    return g;
}

TEST(engine_route__a_named_one_is_taken_as_named)
{
    char b[] = "b", c[] = "c", db[] = "db", bb[] = "bb";
    CHECK_INT(total(routed_graph(b)), 10);
    CHECK_INT(total(routed_graph(c)), 100); /* its condition is not asked */
    CHECK_INT(total(routed_graph(db)), 1010);
    CHECK_INT(total(routed_graph(bb)), 10);
}

TEST(engine_route__a_routed_edge_is_not_taken_by_itself)
{
    eyot_graph *g = small(nothing, NULL, "c");
    eyot_graph_node(g, "b", tally_add, &hundred);
    eyot_graph_edge_routed(g, "a", "b");
    CHECK_INT(total(g), 1);
}

TEST(engine_route__an_undeclared_edge_names_both_nodes)
{
    char z[] = "z", b[] = "b";
    eyot_error e = outcome(small(route_to, z, "b"));
    CHECK_INT(e.status, EYOT_ENOROUTE);
    CHECK_HAS(e.text, "\"a\"");
    CHECK_HAS(e.text, "\"z\"");
    eyot_graph *g = small(nothing, NULL, "bc");
    eyot_graph_node(g, "d", route_to, b); /* there is a b, but no edge to it */
    eyot_graph_edge(g, "c", "d");
    e = outcome(g);
    CHECK_INT(e.status, EYOT_ENOROUTE);
    CHECK_HAS(e.text, "\"d\"");
    CHECK_HAS(e.text, "\"b\"");
}

static eyot_status end_here(eyot_task *task, void *user)
{
    (void)user;
    eyot_status status = eyot_task_end(task);
    return status ? status : eyot_task_update(task, tally_sum(5));
}

TEST(engine_route__a_branch_may_end_before_its_edges)
{
    CHECK_INT(total(small(end_here, NULL, "bc")), 5);
}

static eyot_status end_and_route(eyot_task *task, void *user)
{
    (void)user;
    (void)eyot_task_end(task);
    return eyot_task_route(task, "b");
}

TEST(engine_route__ending_and_going_on_is_an_error)
{
    CHECK_INT(outcome(small(end_and_route, NULL, "b")).status, EYOT_EINVAL);
}

/* ---- sends ------------------------------------------------------------------------------------------------------ */

static eyot_status send_items(eyot_task *task, void *user)
{
    for (int i = 0; i < *(int *)user; i++) {
        eyot_status status = eyot_task_send(task, "item", tally_own(i + 1));
        if (status) return status;
    }
    return EYOT_OK;
}

static eyot_status add_own(eyot_task *task, void *user)
{
    (void)user;
    const tally *state = eyot_task_state(task);
    return eyot_task_update(task, tally_sum(state->own == TALLY_ABSENT ? -1000000 : state->own));
}

static eyot_graph *sending(int *n, bool otherwise)
{
    eyot_graph *g = small(send_items, n, "");
    eyot_graph_node(g, "item", add_own, NULL);
    eyot_graph_node(g, "last", tally_add, &thousand);
    eyot_graph_edge_each(g, "a", "item");
    eyot_graph_edge(g, "item", "last");
    if (otherwise) eyot_graph_edge_otherwise(g, "a", "last");
    return g;
}

TEST(engine_send__one_branch_per_item_and_one_join)
{
    int n = 7;
    CHECK_INT(total(sending(&n, false)), 28 + 1000);
    n = 1;
    CHECK_INT(total(sending(&n, true)), 1 + 1000);
}

TEST(engine_send__without_items_otherwise_is_taken)
{
    int n = 0;
    CHECK_INT(total(sending(&n, true)), 1000);
}

TEST(engine_send__without_items_and_without_otherwise_there_is_no_route)
{
    int n = 0;
    CHECK_INT(outcome(sending(&n, false)).status, EYOT_ENOROUTE);
}

static eyot_status send_along_a_plain_edge(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_send(task, "b", tally_own(1));
}

TEST(engine_send__an_item_needs_an_edge_that_carries_items)
{
    eyot_error e = outcome(small(send_along_a_plain_edge, NULL, "b"));
    CHECK_INT(e.status, EYOT_ENOROUTE);
    CHECK_HAS(e.text, "\"a\"");
    CHECK_HAS(e.text, "\"b\"");
}

static eyot_status route_to_item(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_route(task, "item");
}

TEST(engine_send__a_route_cannot_stand_for_an_item)
{
    eyot_graph *g = small(route_to_item, NULL, "");
    eyot_graph_node(g, "item", nothing, NULL);
    eyot_graph_edge_each(g, "a", "item");
    CHECK_INT(outcome(g).status, EYOT_ENOROUTE);
}

static eyot_status send_and_fail(eyot_task *task, void *user)
{
    (void)send_items(task, user);
    (void)eyot_task_update(task, tally_sum(1));
    return eyot_task_fail(task, "after %d items", *(int *)user);
}

TEST(engine_send__a_failed_task_sends_nothing)
{
    int n = 20;
    eyot_graph *g = small(send_and_fail, &n, "");
    eyot_graph_node(g, "item", nothing, NULL);
    eyot_graph_edge_each(g, "a", "item");
    eyot_error e = outcome(g);
    CHECK_INT(e.status, EYOT_EFAILED);
    CHECK_STR(e.text, "a: after 20 items");
}

/* ---- updates ---------------------------------------------------------------------------------------------------- */

static eyot_status update_twice(eyot_task *task, void *user)
{
    eyot_status first = eyot_task_update(task, tally_sum(1)), second = eyot_task_update(task, tally_sum(10));
    *(bool *)user = first == EYOT_OK && second == EYOT_EINVAL && eyot_task_update(task, NULL) == EYOT_EINVAL;
    return EYOT_OK;
}

TEST(engine_update__a_second_one_is_refused)
{
    bool refused = false;
    CHECK_INT(total(small(update_twice, &refused, "")), 1);
    CHECK(refused);
}

static eyot_status change_ones_mind(eyot_task *task, void *user)
{
    (void)user;
    if (eyot_task_update_withdraw(task)) return EYOT_EFAILED;
    eyot_status status = eyot_task_update(task, tally_sum(1));
    tally *update = eyot_task_update_withdraw(task);
    if (status || !update || eyot_task_update_withdraw(task)) return EYOT_EFAILED;
    update->sum += 41;
    return eyot_task_update(task, update);
}

TEST(engine_update__one_that_was_withdrawn_can_be_given_again)
{
    CHECK_INT(total(small(change_ones_mind, NULL, "")), 42);
}

static eyot_status edit(eyot_task *task, void *user)
{
    (void)user;
    tally *own = eyot_task_edit(task);
    if (!own || own != eyot_task_edit(task)) return EYOT_EFAILED;
    if (eyot_task_update(task, tally_sum(1)) != EYOT_EINVAL) return EYOT_EFAILED;
    own->sum += 7;
    own->key[2] = 3;
    return ((const tally *)eyot_task_state(task))->sum == 0 ? EYOT_OK : EYOT_EFAILED; /* still the input */
}

TEST(engine_update__an_edited_copy_becomes_the_update)
{
    eyot_graph *g = small(edit, NULL, "bc");
    CHECK_INT(total(g), 7 + 1 + 1);
    CHECK_INT(outcome_with(small(edit, NULL, "bc"), NULL, EYOT_RUN_CHECK_INPUTS).status, EYOT_OK);
}

static eyot_status edit_in_vain(eyot_task *task, void *user)
{
    *(bool *)user = eyot_task_edit(task) == NULL;
    return EYOT_OK;
}

TEST(engine_update__editing_needs_a_copier_with_diff)
{
    bool refused = false;
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, "bare", &tally_copier_bare));
    eyot_graph_node(g, "a", edit_in_vain, &refused);
    CHECK_INT(outcome(g).status, EYOT_ENOTSUP);
    CHECK(refused);
}

static eyot_status change_input(eyot_task *task, void *user)
{
    (void)user;
    ((tally *)(uintptr_t)eyot_task_state(task))->sum = 99;
    return eyot_task_update(task, tally_sum(1));
}

TEST(engine_update__a_changed_input_is_found_when_inputs_are_checked)
{
    eyot_error e = outcome_with(small(change_input, NULL, ""), NULL, EYOT_RUN_CHECK_INPUTS);
    CHECK_INT(e.status, EYOT_EINVAL);
    CHECK_HAS(e.text, "a: ");
    CHECK_HAS(e.text, "input");
}

/* ---- local keys and conflicts ----------------------------------------------------------------------------------- */

static eyot_status set_own(eyot_task *task, void *user)
{
    return eyot_task_update(task, tally_own(*(int *)user));
}

/* a → b → c, and with `join` also a → c. */
static eyot_graph *owning(bool join)
{
    eyot_graph *g = small(nothing, NULL, "");
    eyot_graph_node(g, "b", set_own, &ten);
    eyot_graph_node(g, "c", add_own, NULL);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "b", "c");
    if (join) eyot_graph_edge(g, "a", "c");
    return g;
}

TEST(engine_local__a_key_goes_with_its_branch_and_is_gone_where_branches_meet)
{
    CHECK_INT(total(owning(false)), 10);
    CHECK_INT(total(owning(true)), -1000000);
}

static eyot_status write_k2(eyot_task *task, void *user)
{
    return eyot_task_update(task, tally_key(2, *(int *)user));
}

/* left and right write k2 and meet at `join`, or at the end of the run. */
static eyot_graph *conflicting(const eyot_copier *copier, bool join)
{
    eyot_graph *g;
    CHECK_OK(eyot_graph_new(&g, "conflict", copier));
    eyot_graph_node(g, "split", nothing, NULL);
    eyot_graph_node(g, "left", write_k2, &ten);
    eyot_graph_node(g, "right", write_k2, &ten); /* an equal value is a conflict too */
    eyot_graph_edge(g, "split", "left");
    eyot_graph_edge(g, "split", "right");
    if (!join) return g;
    eyot_graph_node(g, "join", nothing, NULL);
    eyot_graph_edge(g, "left", "join");
    eyot_graph_edge(g, "right", "join");
    return g;
}

TEST(engine_conflict__names_the_key_and_both_tasks)
{
    for (int join = 0; join < 2; join++) {
        eyot_store *store = join ? tally_store("memory:") : NULL;
        eyot_error e = outcome_with(conflicting(&tally_copier, join), store, 0);
        CHECK_INT(e.status, EYOT_ECONFLICT);
        CHECK_HAS(e.text, "k2");
        CHECK_HAS(e.text, "left");
        CHECK_HAS(e.text, "right");
        eyot_store_close(store);
    }
}

TEST(engine_conflict__a_copier_without_the_slot_has_none)
{
    CHECK_INT(outcome(conflicting(&tally_copier_bare, true)).status, EYOT_OK);
}

static eyot_status read_k2(eyot_task *task, void *user)
{
    (void)user;
    const tally *state = eyot_task_state(task);
    return eyot_task_update(task, tally_key(2, state->key[2] + 1));
}

/* One after the other is no conflict, nor is it when only one of two branches has gone on from the writer of the other. */
TEST(engine_conflict__a_writer_that_has_seen_the_other_is_none)
{
    eyot_graph *g = small(nothing, NULL, "");
    eyot_graph_node(g, "b", write_k2, &ten);
    eyot_graph_node(g, "c", read_k2, NULL);
    eyot_graph_node(g, "d", tally_add, NULL);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "b", "c");
    eyot_graph_edge(g, "b", "d");
    eyot_graph_edge(g, "c", "d");
    CHECK_INT(outcome(g).status, EYOT_OK);
}

/* ---- who a task is ---------------------------------------------------------------------------------------------- */

typedef struct names {
    char key[32], node[32], run[64];
    uint32_t attempt;
    bool same_engine;
    eyot_engine *engine;
} names;

static eyot_status note_names(eyot_task *task, void *user)
{
    names *n = user;
    snprintf(n->key, sizeof n->key, "%s", eyot_task_key(task));
    snprintf(n->node, sizeof n->node, "%s", eyot_task_node(task));
    snprintf(n->run, sizeof n->run, "%s", eyot_task_run_id(task));
    n->attempt = eyot_task_attempt(task);
    n->same_engine = eyot_task_engine(task) == n->engine;
    return EYOT_OK;
}

TEST(engine_task__knows_who_it_is)
{
    names n = {.attempt = 0};
    eyot_engine *engine = n.engine = tally_engine(1, NULL);
    eyot_graph *g = tally_freeze(small(note_names, &n, ""));
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "who";
    eyot_run *run = tally_run(engine, g, &o);
    CHECK_STR(n.key, "a");
    CHECK_STR(n.node, "a");
    CHECK_STR(n.run, "who");
    CHECK_INT(n.attempt, 1);
    CHECK(n.same_engine);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
}

static eyot_status return_anything(eyot_task *task, void *user)
{
    (void)task;
    return (eyot_status) * (int *)user;
}

TEST(engine_task__an_error_without_a_text_has_that_of_its_status)
{
    int status = EYOT_EOVERFLOW;
    eyot_error e = outcome(small(return_anything, &status, "b"));
    CHECK_INT(e.status, EYOT_EOVERFLOW);
    CHECK_STR(e.text, "a: a number does not fit");
}
