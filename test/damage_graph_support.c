/* SPDX-License-Identifier: MIT */
/* What is damaged: a graph whose runs have all kinds of entries, two snapshots and more. */
#include "test/fault/damage.h"

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/tally.h"

static bool broken; /* node "stop" fails */

static eyot_status padded(eyot_task *task, void *user)
{
    const char *key = eyot_task_key(task);
    if (!key) return EYOT_ENOMEM;
    uint64_t hash = tally_hash(eyot__bytes(key, strlen(key)));
    tally *update =
        tally_pad(tally_sum((int64_t)(hash % 1000) + 1), 256u * (unsigned)*(const int *)user, (unsigned char)hash);
    if (!update) return EYOT_ENOMEM;
    eyot_status status = eyot_task_update(task, update);
    return status ? status : eyot_task_emit(task, "done", key, strlen(key));
}

static eyot_status split(eyot_task *task, void *user)
{
    for (int i = 0; i < 4; i++)
        if (eyot_task_send(task, "item", tally_own(i))) return EYOT_ENOMEM;
    return padded(task, user);
}

static eyot_status flaky(eyot_task *task, void *user)
{
    if (eyot_task_attempt(task) == 1) return eyot_task_fail(task, "not at once");
    return padded(task, user);
}

static eyot_status slow(eyot_task *task, void *user)
{
    eyot_status status = eyot_task_sleep(task, 1);
    return status ? status : padded(task, user);
}

static eyot_status asking(eyot_task *task, void *user)
{
    const char *answer;
    eyot_status status = eyot_task_ask(task, "shall we?", &answer);
    return status ? status : padded(task, user);
}

static eyot_status gather(eyot_task *task, void *user)
{
    int64_t rounds = ((const tally *)eyot_task_state(task))->key[0];
    eyot_status status = padded(task, user);
    if (status) return status;
    tally *update = eyot_task_update_withdraw(task);
    update->key[0] = rounds == TALLY_ABSENT ? 1 : rounds + 1;
    return eyot_task_update(task, update);
}

static eyot_status stop(eyot_task *task, void *user)
{
    return broken ? eyot_task_fail(task, "broken") : padded(task, user);
}

static eyot_status more(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = ((const tally *)state)->key[0] < 2;
    return EYOT_OK;
}

/* split → items → gather → split …, twice; → ask → slow → calm, flaky → stop → end */
eyot_graph *damage_graph(void)
{
    eyot_graph *g = tally_graph("damage");
    eyot_node_options again = EYOT_NODE_OPTIONS_INIT;
    int *small = &tally_numbers[1], *large = &tally_numbers[45];
    again.attempts = 2;
    eyot_graph_node(g, "split", split, small);
    eyot_graph_node(g, "item", padded, large);
    eyot_graph_node(g, "gather", gather, small);
    eyot_graph_node(g, "ask", asking, small);
    eyot_graph_node(g, "slow", slow, small);
    eyot_graph_node(g, "calm", padded, small);
    eyot_graph_node_with(g, "flaky", flaky, small, &again);
    eyot_graph_node(g, "stop", stop, small);
    eyot_graph_node(g, "end", padded, small);
    eyot_graph_edge_each(g, "split", "item");
    eyot_graph_edge(g, "item", "gather");
    eyot_graph_edge_if(g, "gather", "split", "more", more, NULL);
    eyot_graph_edge_otherwise(g, "gather", "ask");
    eyot_graph_edge(g, "ask", "slow");
    eyot_graph_edge(g, "slow", "calm");
    eyot_graph_edge(g, "slow", "flaky");
    eyot_graph_edge(g, "calm", "end");
    eyot_graph_edge(g, "flaky", "stop");
    eyot_graph_edge(g, "stop", "end");
    return tally_freeze(g);
}

/* From its start to where it is broken, by way of a question; the nodes of several lives are in its log. */
void damage_run(eyot_store *store, const eyot_graph *g, const char *id, int64_t first)
{
    eyot_engine *engine = tally_engine(1, store);
    eyot_run *run;
    eyot_error e;
    eyot_answer answer = {NULL, "yes"};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = id;
    o.strategy = EYOT_SEQUENTIAL;
    broken = true;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_sum(first), &o, &e), EYOT_ESUSPENDED);
    eyot_run_free(run);
    o.answers = &answer;
    o.n_answers = 1;
    CHECK_OK(eyot_run_resume(&run, engine, g, id, &o, &e));
    CHECK_STATUS(eyot_run_wait(run, &e), EYOT_EFAILED);
    eyot_run_free(run);
    broken = false;
    eyot_engine_free(engine);
}
