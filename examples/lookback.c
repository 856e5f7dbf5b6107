/* SPDX-License-Identifier: MIT */
/* Looking back at a run: playing its steps, verifying it, and forking it with another state.
 * The price comes from outside and is recorded: the verify asks nobody. */
#include <stdio.h>
#include <string.h>

#include <eyot/copiers.h>
#include <eyot/replay.h>
#include <eyot/stores.h>

static int asked;

static eyot_status ask_market(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)arg, (void)e;
    asked++;
    return eyot_buf_add(out, "12", 2);
}

static eyot_status quote(eyot_task *task, void *user)
{
    const void *price;
    eyot_status status = eyot_task_record(task, "price", ask_market, user, &price, NULL);
    if (status) return status;
    eyot_value *number = eyot_json_parse(price, NULL);
    return number ? eyot_task_set_value(task, "price", number) : EYOT_EPARSE;
}

static eyot_status bill(eyot_task *task, void *user)
{
    (void)user;
    const eyot_value *state = eyot_task_state(task);
    int64_t price = eyot_value_int(eyot_value_at(state, "price"), 0);
    return eyot_task_set_int(task, "total", price * eyot_value_int(eyot_value_at(state, "pieces"), 1));
}

static void print(const char *what, const void *state)
{
    char *text = eyot_json_print(state, NULL);
    printf("%s: %s\n", what, text ? text : "?");
    eyot_free(text);
}

static eyot_status on_step(void *arg, const eyot_played_step *step)
{
    (void)arg;
    print(step->task, step->state);
    return EYOT_OK;
}

int main(void)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *graph = NULL;
    eyot_store *store = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL, *fork = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options order = EYOT_RUN_OPTIONS_INIT;
    eyot_fork_options what_if = EYOT_FORK_OPTIONS_INIT;

    if (eyot_graph_new(&graph, "order", eyot_json())) return 1;
    eyot_graph_node(graph, "quote", quote, NULL);
    eyot_graph_node(graph, "bill", bill, NULL);
    eyot_graph_edge(graph, "quote", "bill");
    if (eyot_graph_freeze(graph, &e) || eyot_store_open(&store, "lookback.db", &e)) goto done;
    options.store = store;
    order.run_id = "order-1";
    if (eyot_engine_new(&engine, &options, &e)) goto done;
    if (eyot_run_sync(&run, engine, graph, eyot_json_parse("{\"pieces\":3}", NULL), &order, &e)) goto done;

    if (eyot_store_play(store, graph, "order-1", 0, on_step, NULL, &e)) goto done;
    if (eyot_run_verify(engine, graph, "order-1", NULL, NULL, &e)) goto done;
    printf("it does the same again; the market was asked %d time\n", asked);

    what_if.update_take = eyot_json_parse("{\"pieces\":100}", NULL);
    if (eyot_run_fork(&fork, engine, graph, "order-1", 1, &what_if, NULL, NULL, &e)) goto done;
    if (!eyot_run_wait(fork, &e)) print("what if", eyot_run_state(fork));
done:
    if (e.status) fprintf(stderr, "lookback: %s\n", e.text);
    eyot_run_free(fork);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(graph);
    return e.status != EYOT_OK;
}
