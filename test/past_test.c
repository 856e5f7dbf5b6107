/* SPDX-License-Identifier: MIT */
/* Looking at what a store holds of a run: histories and checkpoints. */
#include <stdlib.h>

#include <eyot/copiers.h>
#include <eyot/stores.h>

#include "core/run.h"
#include "test/eyot_test.h"
#include "test/golden.h"
#include "test/lives.h"
#include "test/model/state.h"

/* ---- histories as text --------------------------------------------------------------------------------------------- */

static const char *const kinds[] = {"?", "task", "attempt", "asked", "answered", "timer", "status", "snapshot"};

static eyot_status put_entry(void *arg, const eyot_history_entry *h)
{
    eyot_buf *out = arg;
    CHECK_INT(h->size, sizeof *h);
    eyot__buf_format(out, "%llu/%llu %s", (unsigned long long)h->seq, (unsigned long long)h->step, kinds[h->kind]);
    if (h->task) eyot__buf_format(out, " %s", h->task);
    CHECK(!h->task == !h->node);
    if (h->attempt) eyot__buf_format(out, " #%u", (unsigned)h->attempt);
    if (h->run_status) eyot__buf_format(out, " %s", eyot_run_status_name(h->run_status));
    if (h->status) eyot__buf_format(out, " %s", eyot_status_name(h->status));
    if (h->text && !h->run_status) eyot__buf_format(out, " \"%s\"", h->text);
    if (h->due_ms) eyot__buf_format(out, " due %lld", (long long)h->due_ms);
    for (size_t i = 0; i < h->n_joined; i++) eyot__buf_format(out, "%s%s", i ? "+" : " of ", h->joined[i]);
    for (size_t i = 0; i < h->n_route; i++) eyot__buf_format(out, " >%s", h->route[i].task);
    eyot__buf_text(out, "\n");
    return EYOT_OK;
}

static void history_is(eyot_store *store, const eyot_graph *g, const char *run, const char *want)
{
    eyot_buf out = EYOT__BUF_INIT;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_read_history(store, g, run, put_entry, &out, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    CHECK_STR((const char *)eyot_buf_data(&out, NULL), want);
    eyot__buf_clear(&out);
}

static const golden_run *golden(const char *name)
{
    for (size_t i = 0; i < golden_run_count; i++)
        if (strcmp(golden_runs[i].name, name) == 0) return &golden_runs[i];
    test_fail(__FILE__, __LINE__, "no golden run %s", name);
}

/* The golden run lives on a new store. */
static eyot_store *live(const char *name, const char *url, eyot_graph **g)
{
    const golden_run *of = golden(name);
    eyot_store *store = tally_store(url);
    eyot_engine *engine = tally_engine(1, store);
    *g = of->graph(name);
    CHECK(*g && of->live(engine, *g));
    eyot_engine_free(engine);
    return store;
}

TEST(history__tells_routes_items_and_joins)
{
    eyot_graph *g;
    eyot_store *store = live("routes", "memory:", &g);
    history_is(store, g, "routes",
               "2/1 task begin #1 >check\n"
               "3/2 task check #1 >pick\n"
               "4/3 task pick #1 >items >leave\n"
               "5/4 task leave #1\n"
               "6/5 task items #1 >one[0] >one[1] >two[0] >gather\n"
               "7/6 task one[0] #1 >gather\n"
               "8/7 task one[1] #1 >gather\n"
               "9/8 task two[0] #1 >gather\n"
               "10/9 task gather #1 of items+one[0]+one[1]+two[0]\n"
               "11/9 status done\n");
    eyot_graph_free(g);
    eyot_store_close(store);
}

static void waits_are_told(const char *url)
{
    eyot_graph *g;
    eyot_store *store = live("waits-2", url, &g);
    history_is(store, g, "waits-2",
               "2/1 task begin #1 >ask >nap >try >quick >leaf\n"
               "3/1 asked ask \"who are you?\"\n"
               "4/1 timer nap due 1700000060000\n"
               "5/1 attempt try #1 EFAILED \"kein Papier \xe2\x80\x93 tray 2 is empty\"\n"
               "6/2 task quick #1 >both\n"
               "7/3 task leaf #1\n"
               "8/3 status suspended\n"
               "9/3 answered ask \"Ada \xe2\x80\x93 L.\"\n"
               "10/3 asked ask \"\"\n"
               "11/3 attempt try #2 EFAILED \"\"\n"
               "13/3 answered ask \"\"\n"
               "14/3 timer ask due 1700000120000\n"
               "15/4 task ask #1 >both\n"
               "16/5 task nap #1 >both\n"
               "17/6 task try #3 >both\n"
               "18/7 task both #1 of ask+nap+try+quick\n"
               "19/7 status done\n");
    eyot_graph_free(g);
    eyot_store_close(store);
}
TEST(history__tells_questions_answers_sleeps_and_attempts)
{
    waits_are_told("memory:");
}
#ifdef EYOT_HAVE_SQLITE
TEST(history__of_sqlite_is_the_same)
{
    char url[4200];
    snprintf(url, sizeof url, "%s/past.db", test_dir());
    waits_are_told(url);
}
#endif

TEST(history__of_the_engines_questions_and_lives)
{
    eyot_graph *g;
    eyot_store *store = live("asked-2", "memory:", &g);
    history_is(store, g, "asked-2",
               "2/1 task begin #1 >ask\n"
               "3/1 asked ask \"Wer fragt \xe2\x80\x93 und warum?\"\n"
               "4/1 status suspended ESUSPENDED\n"
               "5/1 answered ask \"Ada\"\n"
               "6/2 task ask #1\n"
               "7/2 status done\n");
    eyot_graph_free(g);
    eyot_store_close(store);
    store = live("failed-2", "memory:", &g);
    history_is(store, g, "failed-2",
               "2/1 task begin #1 >good >print\n"
               "3/2 task good #1 >both\n"
               "4/2 attempt print #1 EFAILED \"kein Papier \xe2\x80\x93 tray 2 is empty\"\n"
               "5/2 status failed EFAILED\n"
               "6/3 task print #2 >both\n"
               "7/4 task both #1 of good+print\n"
               "8/4 status done\n");
    eyot_graph_free(g);
    eyot_store_close(store);
}

static eyot_status see_times(void *arg, const eyot_history_entry *h)
{
    int *seen = arg;
    if (h->seq == 5) CHECK(h->started_ms == INT64_C(1700000000004) && h->took_us == 7);
    if (h->seq == 6) {
        CHECK(h->started_ms == INT64_C(1700000000005) && h->took_us == 20);
        CHECK_INT(eyot_value_int(eyot_value_at(h->update, "n"), 0), 10);
    }
    *seen += h->seq == 5 || h->seq == 6;
    return EYOT_OK;
}

TEST(history__tells_times_and_updates)
{
    eyot_graph *g;
    int seen = 0;
    eyot_store *store = live("waits-2", "memory:", &g);
    CHECK_OK(eyot_store_read_history(store, g, "waits-2", see_times, &seen, NULL));
    CHECK_INT(seen, 2);
    eyot_graph_free(g);
    eyot_store_close(store);
}

/* In-edges count, not the order in which branches came. */
TEST(history__names_joined_tasks_in_the_order_of_the_join)
{
    eyot_graph *g = tally_graph("backwards");
    static const char *const middle[] = {"a", "b", "c"};
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_run_options o = lives_options(EYOT_SYNC);
    o.strategy = EYOT_SEQUENTIAL;
    eyot_graph_node(g, "begin", tally_add, NULL);
    for (int i = 0; i < 3; i++) eyot_graph_node(g, middle[i], tally_add, NULL);
    eyot_graph_node(g, "end", tally_add, NULL);
    for (int i = 0; i < 3; i++) eyot_graph_edge(g, "begin", middle[i]);
    for (int i = 3; i-- > 0;) eyot_graph_edge(g, middle[i], "end");
    tally_freeze(g);
    eyot_run_free(tally_run(engine, g, &o));
    history_is(store, g, "r",
               "2/1 task begin #1 >a >b >c\n"
               "3/2 task a #1 >end\n"
               "4/3 task b #1 >end\n"
               "5/4 task c #1 >end\n"
               "6/5 task end #1 of c+b+a\n"
               "7/5 status done\n");
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
}

/* ---- random graphs ------------------------------------------------------------------------------------------------- */

static model_case now;

static eyot_status as_recorded(eyot_task *task, void *user)
{
    (void)user;
    const model_task *t = model_find(&now, eyot_task_key(task));
    if (!t) return eyot_task_fail(task, "the model has no task %s", eyot_task_key(task));
    for (uint32_t i = 0; i < t->n_route; i++) {
        char to[16], name[512];
        snprintf(to, sizeof to, "%u", t->route[i].to);
        for (uint32_t k = 0; k < t->route[i].items; k++) {
            snprintf(name, sizeof name, "%s>%s[%u]", t->key, to, k);
            eyot_task_send(task, to, model_item(name));
        }
        if (t->route[i].plain) eyot_task_route(task, to);
    }
    if (t->n_route == 0) eyot_task_end(task);
    return eyot_task_update(task, model_update_of(t));
}

/* What the entries so far have said: which task led to which. */
typedef struct hop {
    char *from, *to;
} hop;
typedef struct hops {
    hop at[4096];
    size_t n;
    uint32_t tasks;
} hops;

static size_t hops_to(const hops *h, const char *task, const char *from)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++)
        n += strcmp(h->at[i].to, task) == 0 && (!from || strcmp(h->at[i].from, from) == 0);
    return n;
}

static eyot_status check_entry(void *arg, const eyot_history_entry *entry)
{
    hops *h = arg;
    if (entry->kind != EYOT_ENTRY_TASK) return EYOT_OK;
    const model_task *t = model_find(&now, entry->task);
    if (!t) test_fail(__FILE__, __LINE__, "the model has no task %s", entry->task);
    bool start = false;
    for (uint32_t i = 0; i < now.graph.n_starts; i++) start = start || now.graph.starts[i] == t->node;
    size_t led = hops_to(h, entry->task, NULL);
    if (led == 0 && !start) test_fail(__FILE__, __LINE__, "nothing led to %s", entry->task);
    if (led != entry->n_joined && !(led == 1 && entry->n_joined == 0))
        test_fail(__FILE__, __LINE__, "case %llu: %zu tasks led to %s, %zu joined there", (unsigned long long)now.seed,
                  led, entry->task, entry->n_joined);
    for (size_t i = 0; i < entry->n_joined; i++) CHECK_INT(hops_to(h, entry->task, entry->joined[i]), 1);
    size_t want = 0;
    for (uint32_t i = 0; i < t->n_route; i++) want += t->route[i].plain ? 1 : t->route[i].items;
    CHECK_INT(entry->n_route, want);
    for (size_t i = 0; i < entry->n_route; i++) {
        CHECK(h->n < sizeof h->at / sizeof *h->at);
        h->at[h->n++] = (hop){strdup(entry->task), strdup(entry->route[i].task)};
    }
    h->tasks++;
    return EYOT_OK;
}

static void all_graphs(const char *url)
{
    eyot_store *store = tally_store(url);
    eyot_engine *engine = tally_engine(2, store);
    hops *h = calloc(1, sizeof *h);
    CHECK(h);
    model_reader *m = model_open(MODEL_CASES);
    for (uint32_t i = 0; model_next(m, &now); i++) {
        eyot_graph *g = model_build(&now.graph, &model_copier_last, as_recorded, NULL);
        eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
        eyot_run *run;
        eyot_error e = {.status = EYOT_OK};
        o.strategy = i % 2 ? EYOT_PARALLEL : EYOT_SEQUENTIAL;
        o.durability = EYOT_ASYNC;
        if (eyot_run_sync(&run, engine, g, model_state_new(), &o, &e) ||
            eyot_store_read_history(store, g, eyot_run_id(run), check_entry, h, &e))
            test_fail(__FILE__, __LINE__, "case %llu: %s", (unsigned long long)now.seed, e.text);
        CHECK_INT(h->tasks, now.n_tasks);
        eyot_run_free(run);
        eyot_graph_free(g);
        for (; h->n > 0; h->n--) {
            free(h->at[h->n - 1].from);
            free(h->at[h->n - 1].to);
        }
        h->tasks = 0;
    }
    model_close(m);
    free(h);
    eyot_engine_free(engine);
    eyot_store_close(store);
}
TEST(history__of_random_graphs_says_where_every_task_came_from)
{
    all_graphs("memory:");
}

/* ---- long logs, cut ones, ends ------------------------------------------------------------------------------------- */

typedef struct counted {
    uint64_t n, last_seq, end_at;
} counted;

static eyot_status count(void *arg, const eyot_history_entry *h)
{
    counted *c = arg;
    CHECK(h->seq > c->last_seq);
    c->last_seq = h->seq;
    c->n += h->kind == EYOT_ENTRY_TASK;
    return h->seq == c->end_at ? EYOT_EEXIST : EYOT_OK;
}

static eyot_status add_big(eyot_task *task, void *user)
{
    tally *update = tally_pad(tally_sum(*(int *)user), 200000, 'x');
    return update ? eyot_task_update(task, update) : EYOT_ENOMEM;
}

static int to_stop = 700;

static eyot_status goes_on(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user, (void)e;
    *taken = ((const tally *)state)->sum < to_stop;
    return EYOT_OK;
}

/* Pages end with their number of entries, or with their bytes. */
TEST(history__is_read_in_pages_without_a_gap)
{
    for (int big = 0; big < 2; big++) {
        to_stop = big ? 30 : 700;
        eyot_graph *g = tally_graph("circle");
        eyot_store *store = tally_store("memory:");
        eyot_engine *engine = tally_engine(1, store);
        eyot_run_options o = lives_options(EYOT_ASYNC);
        eyot_graph_node(g, "again", big ? add_big : tally_add, &tally_numbers[1]);
        eyot_graph_node(g, "end", tally_add, NULL);
        eyot_graph_edge_if(g, "again", "again", "goes on", goes_on, NULL);
        eyot_graph_edge_otherwise(g, "again", "end");
        tally_freeze(g);
        eyot_run_free(tally_run(engine, g, &o));
        counted c = {0};
        CHECK_OK(eyot_store_read_history(store, g, "r", count, &c, NULL));
        CHECK_INT(c.n, to_stop + 1);
        eyot_engine_free(engine);
        eyot_graph_free(g);
        eyot_store_close(store);
    }
}

TEST(history__ends_when_its_function_says_so)
{
    eyot_graph *g;
    counted c = {.end_at = 6};
    eyot_error e = {.status = EYOT_OK};
    eyot_store *store = live("waits-2", "memory:", &g);
    CHECK_STATUS(eyot_store_read_history(store, g, "waits-2", count, &c, &e), EYOT_EEXIST);
    CHECK_INT(c.last_seq, 6);
    CHECK_INT(e.status, EYOT_OK);
    eyot_graph_free(g);
    eyot_store_close(store);
}

static bool broken;

static eyot_status fail_once(eyot_task *task, void *user)
{
    return broken ? eyot_task_fail(task, "not yet") : tally_add(task, user);
}

/* The first life wrote only its end. */
TEST(history__goes_on_from_the_snapshot_of_a_life_that_wrote_its_end)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, fail_once);
    eyot_run_options o = lives_options(EYOT_EXIT);
    counted c = {0};
    broken = true;
    lives_fail(engine, g, &o, EYOT_EFAILED);
    broken = false;
    o.durability = EYOT_SYNC;
    lives_end(engine, g, &o, 7);
    CHECK_OK(eyot_store_read_history(store, g, "r", count, &c, NULL));
    CHECK_INT(c.n, 2);
    eyot_checkpoint *at;
    CHECK_OK(eyot_store_load_checkpoint(&at, store, g, "r", 1, NULL));
    CHECK_INT(((const tally *)eyot_checkpoint_state(at))->sum, 1);
    eyot_checkpoint_free(at);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
}

TEST(history__of_a_pruned_log_begins_at_its_snapshot)
{
    static const uint64_t drop[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    eyot_graph *g;
    eyot_store *store = live("waits-2", "memory:", &g);
    CHECK_OK(eyot__store_prune(store, eyot__bytes("waits-2", 7), drop, 11, 19, NULL));
    history_is(store, g, "waits-2",
               "13/3 answered ask \"\"\n"
               "14/3 timer ask due 1700000120000\n"
               "15/4 task ask #1 >both\n"
               "16/5 task nap #1 >both\n"
               "17/6 task try #3 >both\n"
               "18/7 task both #1 of ask+nap+try+quick\n"
               "19/7 status done\n");
    eyot_graph_free(g);
    eyot_store_close(store);
}

TEST(history__of_another_graph_or_no_run_is_refused)
{
    eyot_graph *g, *other = golden("routes")->graph("routes");
    eyot_error e;
    counted c = {0};
    eyot_store *store = live("waits-2", "memory:", &g);
    CHECK_STATUS(eyot_store_read_history(store, other, "waits-2", count, &c, &e), EYOT_ECHANGED);
    CHECK_STATUS(eyot_store_read_history(store, g, "nobody", count, &c, &e), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_read_history(store, g, "waits-2", NULL, &c, &e), EYOT_EINVAL);
    eyot_graph_free(g);
    eyot_graph_free(other);
    eyot_store_close(store);
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

static eyot_checkpoint *at_step(eyot_store *store, const eyot_graph *g, uint64_t step)
{
    eyot_checkpoint *c;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_load_checkpoint(&c, store, g, "r", step, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return c;
}

static void every_step(const char *url)
{
    static const int64_t sums[] = {0, 1, 3, 7};
    eyot_store *store = tally_store(url);
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = lives_chain(&tally_copier, NULL, fail_once);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_error e;
    broken = true;
    lives_fail(engine, g, &o, EYOT_EFAILED);
    eyot_checkpoint *c = at_step(store, g, EYOT_LATEST);
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_FAILED);
    CHECK_HAS(eyot_checkpoint_error(c), "not yet");
    CHECK_STR(eyot_checkpoint_branch_task(c, 0), "b");
    eyot_checkpoint_free(c);
    broken = false;
    lives_end(engine, g, &o, 7);
    for (uint64_t i = 0; i < 4; i++) {
        c = at_step(store, g, i);
        CHECK_INT(((const tally *)eyot_checkpoint_state(c))->sum, sums[i]);
        CHECK_INT(eyot_checkpoint_step(c), i);
        CHECK_INT(eyot_checkpoint_branch_count(c), i < 3);
        CHECK_STR(eyot_checkpoint_error(c), "");
        CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_RUNNING);
        eyot_checkpoint_free(c);
    }
    CHECK_STATUS(eyot_store_load_checkpoint(&c, store, g, "r", 4, &e), EYOT_ENOTFOUND);
    CHECK_STR(e.text, "run r has no step 4");
    CHECK(!c);
    c = at_step(store, g, EYOT_LATEST);
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_DONE);
    CHECK_STR(eyot_checkpoint_error(c), "");
    eyot_checkpoint_free(c);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    eyot_store_close(store);
    CHECK_INT(tally_live(), 0);
}
TEST(checkpoint__of_every_step_has_its_state)
{
    every_step("memory:");
}
#ifdef EYOT_HAVE_SQLITE
TEST(checkpoint__of_every_step_in_sqlite)
{
    char url[4200];
    snprintf(url, sizeof url, "%s/past.db", test_dir());
    every_step(url);
}
#endif

typedef struct wanted_branch {
    const char *task, *question;
    int64_t due_ms;
    bool waiting;
} wanted_branch;

static void branches_are(const eyot_checkpoint *c, const wanted_branch *want, size_t n)
{
    CHECK_INT(eyot_checkpoint_branch_count(c), n);
    for (size_t i = 0; i < n; i++) {
        const char *question = eyot_checkpoint_branch_question(c, i);
        CHECK_STR(eyot_checkpoint_branch_task(c, i), want[i].task);
        CHECK_STR(eyot_checkpoint_branch_node(c, i), want[i].task);
        CHECK_INT(eyot_checkpoint_branch_waiting(c, i), want[i].waiting);
        CHECK_INT(eyot_checkpoint_branch_due_ms(c, i), want[i].due_ms);
        CHECK(!question == !want[i].question);
        if (question) CHECK_STR(question, want[i].question);
    }
    CHECK(!eyot_checkpoint_branch_task(c, n) && !eyot_checkpoint_branch_question(c, n));
    CHECK(!eyot_checkpoint_branch_waiting(c, n) && eyot_checkpoint_branch_due_ms(c, n) == 0);
}

TEST(checkpoint__tells_questions_sleeps_and_who_waits)
{
    static const wanted_branch third[] = {{"ask", "who are you?", 0, false},
                                          {"nap", NULL, INT64_C(1700000060000), false},
                                          {"try", NULL, 0, false},
                                          {"both", NULL, 0, true}};
    static const wanted_branch fourth[] = {{"nap", NULL, INT64_C(1700000060000), false},
                                           {"try", NULL, 0, false},
                                           {"both", NULL, 0, true},
                                           {"both", NULL, 0, true}};
    eyot_graph *g;
    eyot_checkpoint *c;
    eyot_store *store = live("waits-2", "memory:", &g);
    CHECK_OK(eyot_store_load_checkpoint(&c, store, g, "waits-2", 3, NULL));
    branches_are(c, third, 4);
    eyot_checkpoint_free(c);
    CHECK_OK(eyot_store_load_checkpoint(&c, store, g, "waits-2", 4, NULL));
    branches_are(c, fourth, 4);
    eyot_checkpoint_free(c);
    eyot_graph_free(g);
    eyot_store_close(store);
}
