/* SPDX-License-Identifier: MIT */
/* Playback of steps, and forks: a new run from where another one was, which never changes by it. */
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/copiers.h>
#include <eyot/replay.h>

#include "test/eyot_test.h"
#include "test/lives.h"
#include "test/tamper.h"

typedef struct world {
    eyot_store *store;
    eyot_engine *engine;
    eyot_graph *g;
    eyot_error e;
    char final[4000]; /* state of the run "r" */
    uint64_t steps;
} world;

static void put_state(char *to, size_t room, const eyot_value *state)
{
    char *text = eyot_json_print(state, NULL);
    CHECK(text);
    snprintf(to, room, "%s", text);
    eyot_free(text);
}

static world live(eyot_graph *g, eyot_status want)
{
    world w = {.store = tally_store("memory:"), .g = g};
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_run *run;
    w.engine = tally_engine(2, w.store);
    CHECK_STATUS(eyot_run_sync(&run, w.engine, g, eyot_value_new_map(), &o, &w.e), want);
    w.steps = eyot_run_steps(run);
    if (!want) put_state(w.final, sizeof w.final, eyot_run_state(run));
    eyot_run_free(run);
    return w;
}

static void done(world *w)
{
    eyot_engine_free(w->engine);
    eyot_store_close(w->store);
    eyot_graph_free(w->g);
}

/* ---- a graph with all that a fork must copy ------------------------------------------------------------------------- */

static eyot_status draw(eyot_task *task, void *user)
{
    char uuid[37];
    (void)user;
    eyot_status status = eyot_task_uuid(task, uuid);
    if (!status) status = eyot_task_set_string(task, eyot_task_node(task), uuid);
    return status ? status : eyot_task_set_int(task, "n", 1);
}

static eyot_status send_three(eyot_task *task, void *user)
{
    for (int i = 0; i < 3; i++) {
        char text[40];
        snprintf(text, sizeof text, "{\"item\":%d}", i);
        CHECK_OK(eyot_task_send(task, "item", eyot_json_parse(text, NULL)));
    }
    return draw(task, user);
}

static eyot_status work(eyot_task *task, void *user)
{
    (void)user;
    const eyot_value *item = eyot_value_at(eyot_task_state(task), "item");
    eyot_value *list = eyot_value_append(eyot_value_new_array(), eyot_value_ref(item));
    return eyot_task_set_value(task, "items", list);
}

static eyot_status few(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "rounds"), 0) < 3;
    return EYOT_OK;
}

static eyot_status count_round(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_int(task, "rounds", 1);
}

/* a → fan ⇉ item → join → (3 rounds back to fan) → end; a → side → end */
static eyot_graph *graph(void)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "a", draw, NULL);
    eyot_graph_node(g, "fan", send_three, NULL);
    eyot_graph_node(g, "item", work, NULL);
    eyot_graph_node(g, "join", count_round, NULL);
    eyot_graph_node(g, "side", draw, NULL);
    eyot_graph_node(g, "end", draw, NULL);
    eyot_graph_edge(g, "a", "fan");
    eyot_graph_edge(g, "a", "side");
    eyot_graph_edge_each(g, "fan", "item");
    eyot_graph_edge(g, "item", "join");
    eyot_graph_edge_if(g, "join", "fan", "few", few, NULL);
    eyot_graph_edge_otherwise(g, "join", "end");
    eyot_graph_edge(g, "side", "end");
    eyot_graph_reduce(g, "n", EYOT_ADD);
    eyot_graph_reduce(g, "rounds", EYOT_ADD);
    eyot_graph_reduce(g, "items", EYOT_APPEND);
    eyot_graph_reduce(g, "item", EYOT_LOCAL);
    return tally_freeze(g);
}

static eyot_run *fork_at(world *w, uint64_t step, const eyot_fork_options *f, const char *id)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = id;
    if (eyot_run_fork(&run, w->engine, w->g, "r", step, f, &o, NULL, &w->e))
        test_fail(__FILE__, __LINE__, "step %llu: %s", (unsigned long long)step, w->e.text);
    return run;
}

/* ---- playback ------------------------------------------------------------------------------------------------------ */

typedef struct played {
    char text[8000];
    size_t len, n;
} played;

static eyot_status on_step(void *arg, const eyot_played_step *s)
{
    played *p = arg;
    char *state = eyot_json_print(s->state, NULL);
    p->len += (size_t)snprintf(p->text + p->len, sizeof p->text - p->len, "%llu %s%s %s\n", (unsigned long long)s->step,
                               s->task, s->ended ? "." : "", state);
    eyot_free(state);
    p->n++;
    return EYOT_OK;
}

static eyot_status set_n(eyot_task *task, void *user)
{
    return eyot_task_set_int(task, "n", *(int *)user);
}

TEST(play__tells_every_step_with_the_state_of_its_branch)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "a", set_n, &tally_numbers[1]);
    eyot_graph_node(g, "b", set_n, &tally_numbers[2]);
    eyot_graph_node(g, "c", set_n, &tally_numbers[4]);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "b", "c");
    eyot_graph_reduce(g, "n", EYOT_ADD);
    world w = live(tally_freeze(g), EYOT_OK);
    played p = {.n = 0};
    CHECK_OK(eyot_store_play(w.store, g, "r", 0, on_step, &p, &w.e));
    CHECK_STR(p.text, "1 a {\"n\":1}\n2 b {\"n\":3}\n3 c. {\"n\":7}\n");
    p = (played){.n = 0};
    CHECK_OK(eyot_store_play(w.store, g, "r", 2, on_step, &p, &w.e));
    CHECK_STR(p.text, "3 c. {\"n\":7}\n");
    CHECK_STATUS(eyot_store_play(w.store, g, "r", 4, on_step, &p, &w.e), EYOT_ENOTFOUND);
    CHECK_STR(w.e.text, "run r has no step 4");
    done(&w);
}

static eyot_status stop(void *arg, const eyot_played_step *s)
{
    (void)s;
    return ++*(int *)arg == 2 ? EYOT_EEXIST : EYOT_OK;
}

TEST(play__ends_when_its_listener_says_so)
{
    world w = live(graph(), EYOT_OK);
    int n = 0;
    w.e.text[0] = 0;
    CHECK_STATUS(eyot_store_play(w.store, w.g, "r", 0, stop, &n, &w.e), EYOT_EEXIST);
    CHECK_INT(n, 2);
    CHECK_STR(w.e.text, "");
    done(&w);
}

TEST(play__names_the_record_that_is_corrupt)
{
    world w = live(graph(), EYOT_OK);
    tamper *log = tamper_read(w.store, w.g, "r");
    tamper_flip(log, 5, 90);
    eyot_store *store = tamper_store(log);
    played p = {.n = 0};
    CHECK_STATUS(eyot_store_play(store, w.g, "r", 0, on_step, &p, &w.e), EYOT_ECORRUPT);
    CHECK_INT(p.n, 4);
    CHECK_HAS(w.e.text, "run r, entry 6: ");
    eyot_store_close(store);
    tamper_free(log);
    done(&w);
}

/* ---- forks --------------------------------------------------------------------------------------------------------- */

TEST(fork__at_every_step_ends_as_the_run_did)
{
    world w = live(graph(), EYOT_OK);
    tamper *before = tamper_read(w.store, w.g, "r");
    CHECK_INT(w.steps, 18);
    for (uint64_t k = 0; k <= w.steps; k++) {
        char id[16], state[4000];
        snprintf(id, sizeof id, "f%d", (int)k);
        eyot_run *run = fork_at(&w, k, NULL, id);
        CHECK_OK(eyot_run_wait(run, &w.e));
        CHECK_INT(eyot_run_steps(run), w.steps);
        put_state(state, sizeof state, eyot_run_state(run));
        CHECK_STR(state, w.final);
        eyot_run_free(run);
    }
    tamper *after = tamper_read(w.store, w.g, "r");
    CHECK_INT(after->n, before->n);
    for (size_t i = 0; i < before->n; i++)
        CHECK(after->entries[i].body.n == before->entries[i].body.n &&
              memcmp(after->entries[i].body.p, before->entries[i].body.p, before->entries[i].body.n) == 0);
    tamper_free(before);
    tamper_free(after);
    done(&w);
}

typedef struct row_seen {
    char origin[200], graph[70], owner[200];
    uint32_t status;
    int64_t due_ms;
} row_seen;

static void put(char *to, size_t room, eyot_bytes from)
{
    snprintf(to, room, "%.*s", (int)from.n, from.n ? (const char *)from.p : "");
}

static eyot_status see_row(void *arg, const eyot_run_row *row)
{
    row_seen *r = arg;
    put(r->origin, sizeof r->origin, row->origin);
    put(r->owner, sizeof r->owner, row->owner);
    r->status = row->status;
    r->due_ms = row->due_ms;
    return EYOT_OK;
}

TEST(fork__keeps_where_it_comes_from)
{
    world w = live(graph(), EYOT_OK);
    row_seen row;
    eyot_run_free(fork_at(&w, 4, NULL, "f"));
    CHECK_OK(eyot_store_get_run(w.store, "f", see_row, &row, &w.e));
    CHECK_STR(row.origin, "r@4");
    eyot_run_free(fork_at(&w, EYOT_LATEST, NULL, "l"));
    CHECK_OK(eyot_store_get_run(w.store, "l", see_row, &row, &w.e));
    CHECK_STR(row.origin, "r@18");
    done(&w);
}

TEST(fork__needs_nothing_of_the_run_it_comes_from)
{
    world w = live(graph(), EYOT_OK);
    eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    char state[4000];
    o.run_id = "f";
    f.flags = EYOT_FORK_HOLD;
    CHECK_OK(eyot_run_fork(&run, w.engine, w.g, "r", 5, &f, &o, NULL, &w.e));
    CHECK_OK(eyot_store_delete(w.store, "r", &w.e));
    CHECK_OK(eyot_run_resume(&run, w.engine, w.g, "f", NULL, &w.e));
    CHECK_OK(eyot_run_wait(run, &w.e));
    put_state(state, sizeof state, eyot_run_state(run));
    CHECK_STR(state, w.final);
    eyot_run_free(run);
    done(&w);
}

TEST(fork__changes_the_state_of_one_branch)
{
    world w = live(graph(), EYOT_OK);
    eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
    f.update_take = eyot_json_parse("{\"n\":1000,\"note\":\"changed\"}", NULL);
    eyot_run *run = fork_at(&w, 0, &f, "f");
    CHECK_OK(eyot_run_wait(run, &w.e));
    const eyot_value *state = eyot_run_state(run);
    CHECK_INT(eyot_value_int(eyot_value_at(state, "n"), 0), 1006);
    CHECK_STR(eyot_value_string(eyot_value_at(state, "note"), ""), "changed");
    eyot_run_free(run);
    /* After step 1 two branches are live. */
    f.update_take = eyot_json_parse("{\"n\":1000}", NULL);
    f.task = "side";
    run = fork_at(&w, 1, &f, "s");
    CHECK_OK(eyot_run_wait(run, &w.e));
    CHECK_INT(eyot_value_int(eyot_value_at(eyot_run_state(run), "n"), 0), 1006);
    eyot_run_free(run);
    done(&w);
}

TEST(fork__a_change_is_there_for_the_next_task_and_after_a_crash)
{
    world w = live(graph(), EYOT_OK);
    eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    eyot_checkpoint *c;
    o.run_id = "f";
    f.flags = EYOT_FORK_HOLD;
    f.update_take = eyot_json_parse("{\"n\":1000}", NULL);
    CHECK_OK(eyot_run_fork(&run, w.engine, w.g, "r", 0, &f, &o, NULL, &w.e));
    CHECK(!run);
    CHECK_OK(eyot_store_load_checkpoint(&c, w.store, w.g, "f", 0, &w.e));
    CHECK_INT(eyot_value_int(eyot_value_at(eyot_checkpoint_branch_state(c, 0), "n"), 0), 1000);
    eyot_checkpoint_free(c);
    CHECK_OK(eyot_run_resume(&run, w.engine, w.g, "f", NULL, &w.e));
    CHECK_OK(eyot_run_wait(run, &w.e));
    CHECK_INT(eyot_value_int(eyot_value_at(eyot_run_state(run), "n"), 0), 1006);
    eyot_run_free(run);
    done(&w);
}

TEST(fork__that_is_held_is_nobodys_until_it_is_resumed)
{
    world w = live(graph(), EYOT_OK);
    eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
    eyot_run *run;
    char id[EYOT_RUN_ID_BYTES] = "";
    row_seen row;
    f.flags = EYOT_FORK_HOLD;
    CHECK_OK(eyot_run_fork(&run, w.engine, w.g, "r", 3, &f, NULL, id, &w.e));
    CHECK_INT(strlen(id), 36);
    CHECK_OK(eyot_store_get_run(w.store, id, see_row, &row, &w.e));
    CHECK_INT(row.status, EYOT_RUN_READY);
    CHECK_STR(row.owner, "");
    CHECK(row.due_ms == INT64_MAX);
    done(&w);
}

TEST(fork__refuses_a_branch_that_is_not_there)
{
    world w = live(graph(), EYOT_OK);
    static const struct {
        uint64_t step;
        const char *task, *text;
    } cases[] = {{1, NULL, "run r has 2 live branches at that step; say which task's is changed"},
                 {1, "end", "run r has no live task end at that step"},
                 {18, NULL, "run r has no live branch at that step"}};
    for (size_t i = 0; i < 3; i++) {
        eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        eyot_run *run;
        row_seen row;
        o.run_id = "f";
        f.update_take = eyot_json_parse("{\"n\":1}", NULL);
        f.task = cases[i].task;
        CHECK_STATUS(eyot_run_fork(&run, w.engine, w.g, "r", cases[i].step, &f, &o, NULL, &w.e), EYOT_EINVAL);
        CHECK_STR(w.e.text, cases[i].text);
        CHECK(!run);
        CHECK_STATUS(eyot_store_get_run(w.store, "f", see_row, &row, NULL), EYOT_ENOTFOUND);
    }
    done(&w);
}

TEST(fork__refuses_an_update_of_the_wrong_type)
{
    world w = live(graph(), EYOT_OK);
    eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
    eyot_run *run;
    f.update_take = eyot_json_parse("{\"n\":\"text\"}", NULL);
    f.task = "fan@0";
    CHECK_STATUS(eyot_run_fork(&run, w.engine, w.g, "r", 1, &f, NULL, NULL, &w.e), EYOT_ETYPE);
    done(&w);
}

TEST(fork__refuses_an_id_that_is_taken_and_a_step_that_is_not_there)
{
    world w = live(graph(), EYOT_OK);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_run *run;
    CHECK_STATUS(eyot_run_fork(&run, w.engine, w.g, "r", 1, NULL, &o, NULL, &w.e), EYOT_EEXIST);
    CHECK_STATUS(eyot_run_fork(&run, w.engine, w.g, "r", 19, NULL, NULL, NULL, &w.e), EYOT_ENOTFOUND);
    CHECK_STR(w.e.text, "run r has no step 19");
    CHECK_STATUS(eyot_run_fork(&run, w.engine, w.g, "x", 1, NULL, NULL, NULL, &w.e), EYOT_ENOTFOUND);
    done(&w);
}

/* ---- other graphs --------------------------------------------------------------------------------------------------- */

static eyot_status write_k(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_string(task, "k", eyot_task_node(task));
}

static eyot_graph *conflicting(bool last)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "a", draw, NULL);
    eyot_graph_node(g, "b", write_k, NULL);
    eyot_graph_node(g, "c", write_k, NULL);
    eyot_graph_node(g, "d", draw, NULL);
    eyot_graph_edge(g, "a", "b");
    eyot_graph_edge(g, "a", "c");
    eyot_graph_edge(g, "b", "d");
    eyot_graph_edge(g, "c", "d");
    if (last) eyot_graph_reduce(g, "k", EYOT_LAST);
    return tally_freeze(g);
}

TEST(fork__before_a_conflict_goes_on_with_a_graph_that_chooses_a_reducer)
{
    world w = live(conflicting(false), EYOT_ECONFLICT);
    eyot_graph *better = conflicting(true);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    CHECK_STATUS(eyot_run_fork(&run, w.engine, better, "r", 2, NULL, &o, NULL, &w.e), EYOT_ECHANGED);
    o.flags = EYOT_RUN_ACCEPT_CHANGES;
    CHECK_OK(eyot_run_fork(&run, w.engine, better, "r", 2, NULL, &o, NULL, &w.e));
    CHECK_OK(eyot_run_wait(run, &w.e));
    CHECK_STR(eyot_value_string(eyot_value_at(eyot_run_state(run), "k"), ""), "c");
    char id[EYOT_RUN_ID_BYTES];
    snprintf(id, sizeof id, "%s", eyot_run_id(run));
    eyot_run_free(run);
    CHECK_OK(eyot_run_verify(w.engine, better, id, NULL, NULL, &w.e)); /* it belongs to the better graph */
    eyot_engine_free(w.engine);
    eyot_graph_free(better);
    w.engine = NULL;
    done(&w);
}

TEST(run_resume__of_a_conflict_goes_on_with_a_graph_that_chooses_a_reducer)
{
    world w = live(conflicting(false), EYOT_ECONFLICT);
    eyot_graph *better = conflicting(true);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    CHECK_STATUS(eyot_run_resume(&run, w.engine, w.g, "r", NULL, &w.e), EYOT_ECONFLICT);
    CHECK_STATUS(eyot_run_resume(&run, w.engine, better, "r", NULL, &w.e), EYOT_ECHANGED);
    o.flags = EYOT_RUN_ACCEPT_CHANGES;
    CHECK_OK(eyot_run_resume(&run, w.engine, better, "r", &o, &w.e));
    CHECK_OK(eyot_run_wait(run, &w.e));
    CHECK_STR(eyot_value_string(eyot_value_at(eyot_run_state(run), "k"), ""), "c");
    CHECK_INT(eyot_run_steps(run), 4);
    eyot_run_free(run);
    eyot_engine_free(w.engine);
    eyot_graph_free(better);
    w.engine = NULL;
    done(&w);
}

/* ---- what waits ------------------------------------------------------------------------------------------------------ */

static eyot_status ask(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    eyot_status status = eyot_task_ask(task, "well?", &answer);
    return status ? status : eyot_task_set_string(task, "answer", answer);
}

static _Atomic int said; /* so often by the world outside */

static eyot_status say(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)arg, (void)e;
    return eyot_buf_add(out, atomic_fetch_add(&said, 1) ? "two" : "one", 3);
}

static eyot_status fail_learn_ask(eyot_task *task, void *user)
{
    const void *word;
    if (eyot_task_attempt(task) == 1) return eyot_task_fail(task, "a stone");
    eyot_status status = eyot_task_record(task, "word", say, NULL, &word, NULL);
    if (!status) status = ask(task, user);
    if (!status) status = eyot_task_set_string(task, "word", word);
    return status ? status : eyot_task_set_int(task, "attempt", eyot_task_attempt(task));
}

TEST(fork__knows_what_its_tasks_were_told_and_how_often_they_failed)
{
    eyot_graph *g = NULL;
    eyot_node_options node = EYOT_NODE_OPTIONS_INIT;
    node.attempts = 2;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node_with(g, "a", fail_learn_ask, NULL, &node);
    atomic_store(&said, 0);
    world w = live(tally_freeze(g), EYOT_ESUSPENDED);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_answer answer = {NULL, "no"};
    eyot_run *run = fork_at(&w, EYOT_LATEST, NULL, "f");
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ESUSPENDED);
    eyot_run_free(run);
    o.answers = &answer;
    o.n_answers = 1;
    CHECK_OK(eyot_run_resume(&run, w.engine, g, "f", &o, &w.e));
    CHECK_OK(eyot_run_wait(run, NULL));
    put_state(w.final, sizeof w.final, eyot_run_state(run));
    CHECK_STR(w.final, "{\"answer\":\"no\",\"word\":\"one\",\"attempt\":2}");
    eyot_run_free(run);
    done(&w);
}

TEST(fork__of_a_run_that_waits_has_its_question)
{
    eyot_graph *g = NULL;
    CHECK_OK(eyot_graph_new(&g, "g", eyot_json()));
    eyot_graph_node(g, "a", ask, NULL);
    world w = live(tally_freeze(g), EYOT_ESUSPENDED);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_answer answer = {NULL, "no"};
    eyot_run *run = fork_at(&w, EYOT_LATEST, NULL, "f");
    CHECK_STATUS(eyot_run_wait(run, NULL), EYOT_ESUSPENDED);
    eyot_run_free(run);
    o.answers = &answer;
    o.n_answers = 1;
    CHECK_OK(eyot_run_resume(&run, w.engine, g, "f", &o, &w.e));
    CHECK_OK(eyot_run_wait(run, NULL));
    CHECK_STR(eyot_value_string(eyot_value_at(eyot_run_state(run), "answer"), ""), "no");
    eyot_run_free(run);
    done(&w);
}
