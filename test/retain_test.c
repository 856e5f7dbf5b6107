/* SPDX-License-Identifier: MIT */
/* Pruning the log of a run. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/replay.h>

#include "core/run.h"
#include "test/eyot_test.h"
#include "test/golden.h"
#include "test/lives.h"
#include "test/retained.h"

static eyot_error err;

/* ---- the promise -------------------------------------------------------------------------------------------------------- */

/* The first entry of the step; NULL: there is none. */
static const tally_entry *entry_of(const retained_log *l, uint64_t step)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].step == step) return &l->at[i];
    return NULL;
}

/* What must be left of `l` when these steps are kept: the promise itself, slowly. */
static retained_log left_of(const retained_log *l, const bool *kept, uint64_t steps)
{
    static retained_log out;
    uint64_t newest = retained_snapshot(l, UINT64_MAX);
    out.n = 0;
    for (size_t i = 0; i < l->n; i++) {
        uint64_t seq = l->at[i].seq;
        bool needed = seq >= newest;
        for (uint64_t s = 0; s <= steps && !needed; s++) {
            const tally_entry *e = kept[s] ? entry_of(l, s) : NULL;
            needed = e && retained_snapshot(l, e->seq) <= seq && seq <= e->seq;
        }
        if (needed) out.at[out.n++] = l->at[i];
    }
    return out;
}

static uint64_t bytes_of(const retained_log *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->n; i++) n += l->at[i].len;
    return n;
}

static uint64_t steps_of(const retained_log *l)
{
    uint64_t n = 0;
    for (size_t i = 0; i < l->n; i++) n += i == 0 || l->at[i].step != l->at[i - 1].step;
    return n;
}

static eyot_status count_history(void *arg, const eyot_history_entry *h)
{
    uint64_t *n = arg;
    n[0]++;
    n[1] += h->n_pruned;
    return EYOT_OK;
}

/* ---- pruning ---------------------------------------------------------------------------------------------------------- */

typedef struct kept {
    bool at[RETAINED_STEPS + 1];
    uint64_t steps;
} kept;

/* Random rules, labels and forks, and the steps that they keep. */
static kept choose(eyot_store *store, eyot_retain *rules, uint64_t *random, int round)
{
    kept k = {.steps = tally_row_of(store, "r").steps};
    char name[40];
    uint64_t choice = test_random(random);
    CHECK(k.steps <= RETAINED_STEPS);
    *rules = (eyot_retain){.size = sizeof *rules};
    if (choice & 1) rules->keep_last = test_random(random) % 20;
    if (choice & 2) rules->keep_every = 1 + test_random(random) % 30;
    for (uint64_t s = 0; s <= k.steps; s++)
        k.at[s] = k.steps - s < rules->keep_last || (rules->keep_every && s % rules->keep_every == 0);
    for (uint64_t i = choice >> 2 & 3; i > 0; i--) {
        uint64_t step = test_random(random) % (k.steps + 1);
        snprintf(name, sizeof name, "l%d.%d", round, (int)i);
        eyot_status status = eyot_store_label(store, "r", step, name, &err);
        if (status != EYOT_ENOTFOUND) CHECK_OK(status); /* a round before has pruned it */
    }
    for (uint64_t i = choice >> 4 & 3; i > 0; i--) {
        uint64_t step = test_random(random) % (k.steps + 1);
        snprintf(name, sizeof name, "f%d.%d", round, (int)i);
        retained_fork(store, "r", step, name);
    }
    return k;
}

static eyot_status keep_label(void *arg, uint64_t step, const char *name)
{
    (void)name;
    ((kept *)arg)->at[step] = true;
    return EYOT_OK;
}

static eyot_status keep_fork(void *arg, const eyot_run_row *row)
{
    char origin[40];
    snprintf(origin, sizeof origin, "%.*s", (int)row->origin.n, row->origin.n ? (const char *)row->origin.p : "");
    if (strncmp(origin, "r@", 2) == 0) ((kept *)arg)->at[strtoull(origin + 2, NULL, 10)] = true;
    return EYOT_OK;
}

static void pinned(eyot_store *store, kept *k)
{
    eyot_run_filter all = {.size = sizeof all};
    eyot_buf next = EYOT__BUF_INIT;
    CHECK_OK(eyot_store_list_labels(store, "r", keep_label, k, &err));
    CHECK_OK(eyot_store_list_runs(store, &all, eyot__bytes(NULL, 0), 1000, keep_fork, k, &next, &err));
    eyot__buf_clear(&next);
}

static void prune_once(eyot_store *store, const eyot_graph *g, uint64_t *random, int round)
{
    eyot_retain rules;
    eyot_pruned dry, done;
    uint64_t before[RETAINED_STEPS + 1], told[2] = {0, 0};
    kept k = choose(store, &rules, random, round);
    pinned(store, &k);
    retained_log was = retained_read(store, "r"), want = left_of(&was, k.at, k.steps);
    for (uint64_t s = 0; s <= k.steps; s++) before[s] = retained_checkpoint(store, g, "r", s);
    rules.flags = EYOT_RETAIN_DRY_RUN;
    CHECK_OK(eyot_store_prune(store, "r", &rules, &dry, &err));
    retained_log still = retained_read(store, "r");
    CHECK(retained_same(&still, &was));
    rules.flags = 0;
    if (eyot_store_prune(store, "r", &rules, &done, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
    CHECK(memcmp(&dry, &done, sizeof dry) == 0);
    retained_log is = retained_read(store, "r");
    if (!retained_same(&is, &want))
        test_fail(__FILE__, __LINE__, "%zu of %zu entries are left, not %zu", is.n, was.n, want.n);
    CHECK_INT(done.entries, was.n - is.n);
    CHECK_INT(done.bytes, bytes_of(&was) - bytes_of(&is));
    CHECK_INT(done.steps, steps_of(&is));
    for (uint64_t s = 0; s <= k.steps; s++) {
        uint64_t now = retained_checkpoint(store, g, "r", s);
        if (k.at[s]) CHECK(now == before[s]);
        CHECK(!now == !entry_of(&is, s));
    }
    CHECK_OK(eyot_store_read_history(store, g, "r", count_history, told, &err));
    CHECK(told[0] > 0);
    CHECK(told[1] <= is.at[is.n - 1].seq - is.n);
}

/* Prunes a random run again and again, by other rules each time. */
static void prune_at_random(const char *url, uint64_t *random)
{
    eyot_store *store = tally_store(url);
    eyot_graph *g = retained_graph();
    retained_live(store, g, random, test_random(random) % 2);
    uint64_t latest = retained_checkpoint(store, g, "r", EYOT_LATEST);
    for (int round = 0; round < 4; round++) prune_once(store, g, random, round);
    CHECK(retained_checkpoint(store, g, "r", EYOT_LATEST) == latest);
    if (tally_row_of(store, "r").status == EYOT_RUN_FAILED) {
        eyot_run_options o = lives_options(EYOT_SYNC);
        eyot_engine *engine = tally_engine(1, store);
        lives_end(engine, g, &o, RETAINED_SUM);
        eyot_engine_free(engine);
        prune_once(store, g, random, 4);
    }
    eyot_graph_free(g);
    eyot_store_close(store);
}

TEST(prune__keeps_what_kept_steps_need_and_nothing_else)
{
    uint64_t random = test_seed();
    for (unsigned i = 0; i < 20 * test_long(); i++) prune_at_random("memory:", &random);
    CHECK_INT(tally_live(), 0);
}

#ifdef EYOT_HAVE_SQLITE
TEST(prune__of_sqlite_is_the_same)
{
    uint64_t random = test_seed();
    char url[4200];
    for (unsigned i = 0; i < 3 * test_long(); i++) {
        snprintf(url, sizeof url, "%s/%u.db", test_dir(), i);
        prune_at_random(url, &random);
    }
}
#endif

static void prune_on_server(const char *variable)
{
    uint64_t random = test_seed();
    for (unsigned i = 0; i < 2 * test_long(); i++) prune_at_random(retained_server(variable), &random);
}
TEST(prune__of_mysql_is_the_same)
{
    prune_on_server("EYOT_TEST_MYSQL");
}
TEST(prune__of_redis_is_the_same)
{
    prune_on_server("EYOT_TEST_REDIS");
}
TEST(prune__of_a_redis_cluster_is_the_same)
{
    prune_on_server("EYOT_TEST_REDIS_CLUSTER");
}

/* ---- pruning, by itself ----------------------------------------------------------------------------------------------- */

TEST(prune__keeps_young_steps_and_drops_old_ones)
{
    retained_place p = retained_begin(true);
    eyot_pruned gone;
    eyot_retain rules = {.size = sizeof rules, .younger_than_ms = 3600000};
    CHECK_OK(eyot_store_prune(p.store, "r", &rules, &gone, &err));
    CHECK_INT(gone.entries, 0);
    retained_end(&p);
    /* A log that was written by hand in 2023. */
    p.store = tally_store("memory:");
    p.g = golden_waits("waits-2");
    eyot_engine *engine = tally_engine(1, p.store);
    CHECK(golden_waits_life(engine, p.g));
    eyot_engine_free(engine);
    CHECK_OK(eyot_store_prune(p.store, "waits-2", &rules, &gone, &err));
    retained_log is = retained_read(p.store, "waits-2");
    CHECK_INT(is.at[0].seq, 1); /* when the start was is not known from the log: the run itself is young */
    CHECK_INT(is.at[1].seq, 12);
    CHECK_INT(gone.entries, 10);
    retained_end(&p);
}

TEST(prune__without_rules_leaves_what_a_resume_needs)
{
    retained_place p = retained_begin(false);
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_pruned gone;
    retained_log was = retained_read(p.store, "r");
    CHECK_OK(eyot_store_prune(p.store, "r", NULL, &gone, &err));
    retained_log is = retained_read(p.store, "r");
    CHECK_INT(is.at[0].seq, retained_snapshot(&was, UINT64_MAX));
    CHECK_INT(is.n + gone.entries, was.n);
    eyot_engine *engine = tally_engine(1, p.store);
    lives_end(engine, p.g, &o, RETAINED_SUM);
    eyot_engine_free(engine);
    retained_end(&p);
}

TEST(prune__of_no_run_or_with_unknown_rules_is_refused)
{
    retained_place p = retained_begin(true);
    eyot_retain rules = {.size = sizeof rules, .flags = 8};
    CHECK_STATUS(eyot_store_prune(p.store, "nobody", NULL, NULL, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot_store_prune(p.store, "r", &rules, NULL, &err), EYOT_EINVAL);
    rules.flags = EYOT_RETAIN_FAILED;
    CHECK_STATUS(eyot_store_prune(p.store, "r", &rules, NULL, &err), EYOT_EINVAL);
    CHECK_STATUS(eyot_store_prune(NULL, "r", NULL, NULL, &err), EYOT_EINVAL);
    CHECK_OK(eyot_store_put_note(p.store, "r", EYOT_NOTE_LABELS, "what?", 5, &err));
    CHECK_STATUS(eyot_store_prune(p.store, "r", NULL, NULL, &err), EYOT_ECORRUPT);
    CHECK_STR(err.text, "run r: its labels are not well-formed");
    retained_end(&p);
}

static eyot_status prune_fails(void *s, eyot_bytes run, const uint64_t *seqs, size_t n, uint64_t head, eyot_error *e)
{
    if (retained_hook.left-- == 0) return eyot_error_set(e, EYOT_EIO, "gone");
    return retained_hook.behind->prune(s, run, seqs, n, head, e);
}

static void let_prune_fail(eyot_store_ops *ops)
{
    ops->prune = prune_fails;
}

TEST(prune__that_fails_in_between_leaves_whole_parts)
{
    eyot_status status = EYOT_EIO;
    int i = 0;
    for (; status; i++) {
        eyot_store_ops ops;
        eyot_pruned gone;
        eyot_store *memory = tally_store("memory:"), *store = retained_hooked(memory, &ops, let_prune_fail);
        retained_write(memory, 1700, 700);
        retained_hook.left = i;
        status = eyot_store_prune(store, "r", NULL, &gone, &err);
        retained_log is = retained_read(memory, "r");
        CHECK_INT(gone.entries, 1700 - is.n);
        for (size_t k = 0; k < is.n; k++)
            CHECK(is.at[k].kind == EYOT_ENTRY_SNAPSHOT || (k > 0 && is.at[k].seq == is.at[k - 1].seq + 1));
        eyot_store_close(store);
        eyot_store_close(memory);
    }
    CHECK(i > 5);
}

/* Others commit between any two looks, so often. */
static eyot_status head_moved(void *s, eyot_bytes run, const uint64_t *seqs, size_t n, uint64_t head, eyot_error *e)
{
    if (retained_hook.left-- > 0) return eyot_error_set(e, EYOT_ESTALE, "another head");
    return retained_hook.behind->prune(s, run, seqs, n, head, e);
}

static void let_head_move(eyot_store_ops *ops)
{
    ops->prune = head_moved;
}

TEST(prune__tries_again_when_the_head_has_moved)
{
    retained_place p = retained_begin(true);
    eyot_store_ops ops;
    eyot_pruned gone;
    eyot_store *store = retained_hooked(p.store, &ops, let_head_move);
    retained_hook.left = 20;
    CHECK_OK(eyot_store_prune(store, "r", NULL, &gone, &err));
    CHECK(retained_hook.left < 0 && gone.entries > 0);
    eyot_store_close(store);
    retained_end(&p);
}

static eyot_status label_first(void *s, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                               eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot_status status = retained_hook.behind->list_entries(s, run, from, limit, with_bodies, fn, arg, e);
    if (retained_hook.left-- == 0) CHECK_OK(eyot_store_label(retained_hook.store, "r", 1, "meanwhile", &err));
    return status;
}

static void let_label_first(eyot_store_ops *ops)
{
    ops->list_entries = label_first;
}

TEST(prune__sees_a_label_that_is_given_while_it_reads)
{
    retained_place p = retained_begin(true);
    eyot_store_ops ops;
    uint64_t before = retained_checkpoint(p.store, p.g, "r", 1);
    eyot_store *store = retained_hooked(p.store, &ops, let_label_first);
    retained_hook.left = 0;
    CHECK_OK(eyot_store_prune(store, "r", NULL, NULL, &err));
    CHECK(retained_hook.left < 0);
    CHECK(retained_checkpoint(p.store, p.g, "r", 1) == before);
    eyot_store_close(store);
    retained_end(&p);
}

/* ---- pruning while others work ---------------------------------------------------------------------------------------- */

typedef struct going {
    eyot_store *store;
    eyot_graph *g;
    _Atomic bool done;
    int64_t sum;
} going;

static void *go(void *arg)
{
    going *w = arg;
    eyot_run *run;
    eyot_error e;
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_engine *engine = tally_engine(2, w->store);
    eyot_status status = eyot_run_sync(&run, engine, w->g, tally_new(), &o, &e);
    w->sum = status ? -status : lives_sum(run);
    eyot_run_free(run);
    eyot_engine_free(engine);
    atomic_store(&w->done, true);
    return NULL;
}

static void prune_meanwhile(const char *url)
{
    going w = {.store = tally_store(url), .g = retained_graph()};
    pthread_t thread;
    eyot_retain rules = {.size = sizeof rules, .keep_last = 3};
    uint64_t entries = 0, told[2];
    retained_seed(test_seed());
    CHECK_INT(pthread_create(&thread, NULL, go, &w), 0);
    bool last = false;
    while (!last) {
        eyot_pruned gone;
        eyot_error e;
        last = atomic_load(&w.done); /* once more, then */
        eyot_status status = eyot_store_prune(w.store, "r", &rules, &gone, &e);
        if (status == EYOT_ENOTFOUND && !last) continue; /* it has not begun */
        if (!status) status = eyot_store_read_history(w.store, w.g, "r", count_history, told, &e);
        if (status) {
            atomic_store(&w.done, true);
            pthread_join(thread, NULL);
            test_fail(__FILE__, __LINE__, "%s", e.text);
        }
        entries += gone.entries;
    }
    pthread_join(thread, NULL);
    CHECK_INT(w.sum, RETAINED_SUM);
    CHECK(entries > 0);
    (void)retained_checkpoint(w.store, w.g, "r", EYOT_LATEST);
    retained_log is = retained_read(w.store, "r");
    CHECK_INT(is.n + entries, is.at[is.n - 1].seq);
    eyot_graph_free(w.g);
    eyot_store_close(w.store);
}

TEST(prune__of_a_run_that_goes_on_harms_neither)
{
    prune_meanwhile("memory:");
}
#ifdef EYOT_HAVE_SQLITE
TEST(prune__of_a_run_that_goes_on_in_sqlite_harms_neither)
{
    char url[4200];
    snprintf(url, sizeof url, "%s/r.db", test_dir());
    prune_meanwhile(url);
}
#endif
TEST(prune__of_a_run_that_goes_on_in_mysql_harms_neither)
{
    prune_meanwhile(retained_server("EYOT_TEST_MYSQL"));
}
TEST(prune__of_a_run_that_goes_on_in_redis_harms_neither)
{
    prune_meanwhile(retained_server("EYOT_TEST_REDIS"));
}

/* ---- histories -------------------------------------------------------------------------------------------------------- */

static eyot_status first_gap(void *arg, const eyot_history_entry *h)
{
    uint64_t *out = arg;
    out[0] = h->seq;
    out[1] = h->n_pruned;
    return EYOT_EALREADY;
}

TEST(history__tells_how_many_entries_are_gone)
{
    uint64_t first[2];
    retained_place p = retained_begin(false);
    retained_log was = retained_read(p.store, "r");
    CHECK_STATUS(eyot_store_read_history(p.store, p.g, "r", first_gap, first, &err), EYOT_EALREADY);
    CHECK_INT(first[0], 2);
    CHECK_INT(first[1], 0);
    CHECK_OK(eyot_store_prune(p.store, "r", NULL, NULL, &err));
    CHECK_STATUS(eyot_store_read_history(p.store, p.g, "r", first_gap, first, &err), EYOT_EALREADY);
    CHECK_INT(first[0], retained_snapshot(&was, UINT64_MAX) + 1);
    CHECK_INT(first[1], retained_snapshot(&was, UINT64_MAX) - 1);
    retained_end(&p);
}

static eyot_status count_step(void *arg, const eyot_played_step *step)
{
    (void)step;
    ++*(uint64_t *)arg;
    return EYOT_OK;
}

TEST(replay__of_a_pruned_run_passes_over_its_holes)
{
    retained_place p = retained_begin(true);
    eyot_retain rules = {.size = sizeof rules, .keep_every = 20};
    eyot_pruned gone;
    uint64_t steps = 0;
    CHECK_OK(eyot_store_prune(p.store, "r", &rules, &gone, &err));
    CHECK(gone.entries > 0);
    CHECK_OK(eyot_store_play(p.store, p.g, "r", 0, count_step, &steps, &err));
    CHECK(steps > 0 && steps <= gone.steps);
    eyot_engine *engine = tally_engine(1, p.store);
    if (eyot_run_verify(engine, p.g, "r", NULL, NULL, &err)) test_fail(__FILE__, __LINE__, "%s", err.text);
    eyot_engine_free(engine);
    retained_end(&p);
}

TEST(prune__keeps_the_step_that_a_fork_was_made_from)
{
    retained_place p = retained_begin(true);
    eyot_run *run;
    eyot_fork_options fork = {.size = sizeof fork, .flags = EYOT_FORK_HOLD};
    eyot_engine *engine = tally_engine(1, p.store);
    uint64_t before = retained_checkpoint(p.store, p.g, "r", 4);
    if (eyot_run_fork(&run, engine, p.g, "r", 4, &fork, NULL, NULL, &err))
        test_fail(__FILE__, __LINE__, "%s", err.text);
    eyot_engine_free(engine);
    CHECK_OK(eyot_store_prune(p.store, "r", NULL, NULL, &err));
    CHECK(retained_checkpoint(p.store, p.g, "r", 4) == before);
    retained_end(&p);
}
