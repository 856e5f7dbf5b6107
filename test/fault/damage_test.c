/* SPDX-License-Identifier: MIT */
/* Damaged bytes of stored runs, on every backend: found and named, or without any effect. */
#include "test/fault/damage.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/store.h"
#include "test/eyot_test.h"
#include "test/tally.h"

/* ---- one by one --------------------------------------------------------------------------------------------------- */

static damage_scene scene;

static damage_found probe(damage_kind kind, uint64_t seq, uint64_t step)
{
    damage d = {.kind = kind, .seq = seq, .other = 1, .random = 1};
    return damage_probe(&scene, &d, step, true);
}

static uint64_t newest_of(eyot_entry_kind kind)
{
    uint64_t seq = scene.a.n;
    while (scene.a.entries[seq - 1].kind != kind) seq--;
    return seq;
}

TEST(damage_label__another_step_is_found_by_whoever_reads_the_entry)
{
    damage_open(&scene, "memory:");
    damage_found f = probe(DAMAGE_STEP, newest_of(EYOT_ENTRY_TASK), scene.truth.n_steps);
    CHECK_STATUS(f.latest, EYOT_ECORRUPT);
    CHECK_STATUS(f.step, EYOT_ECORRUPT);
    CHECK_STATUS(f.history, EYOT_ECORRUPT);
    CHECK_STATUS(f.stream, EYOT_ECORRUPT);
    CHECK_STATUS(f.worker, EYOT_ECORRUPT);
    f = probe(DAMAGE_STEP, scene.a.snapshot_seq, 0);
    CHECK_STATUS(f.latest, EYOT_ECORRUPT);
    CHECK_STATUS(f.history, EYOT_ECORRUPT);
    CHECK_STATUS(f.stream, EYOT_ECORRUPT);
    damage_close(&scene);
}

/* Steps are searched for by halves, among what the store says. */
TEST(damage_label__another_step_leads_no_search_astray)
{
    damage_open(&scene, "memory:");
    for (uint64_t seq = 1; seq <= scene.a.n; seq++)
        for (uint64_t step = 0; step <= scene.truth.n_steps; step++) {
            damage d = {.kind = DAMAGE_STEP, .seq = seq, .random = seq * 97 + step};
            (void)damage_probe(&scene, &d, step, false);
        }
    damage_close(&scene);
}

TEST(damage_label__another_kind_is_not_exported)
{
    damage_open(&scene, "memory:");
    CHECK_STATUS(probe(DAMAGE_KINDS, 2, 0).stream, EYOT_ECORRUPT);
    CHECK_STATUS(probe(DAMAGE_KINDS, scene.a.n, 0).stream, EYOT_ECORRUPT);
    damage_close(&scene);
}

TEST(damage_body__with_bytes_behind_it_is_found)
{
    damage_open(&scene, "memory:");
    CHECK_STATUS(probe(DAMAGE_EXTEND, scene.a.n, 0).latest, EYOT_ECORRUPT);
    CHECK_STATUS(probe(DAMAGE_EXTEND, scene.a.snapshot_seq, 0).latest, EYOT_ECORRUPT);
    damage_close(&scene);
}

TEST(damage_tail__that_is_lost_is_found)
{
    damage_open(&scene, "memory:");
    damage_found f = probe(DAMAGE_LOST, scene.a.n, 1);
    CHECK_STATUS(f.latest, EYOT_ECORRUPT);
    CHECK_STATUS(f.step, EYOT_OK);
    CHECK_STATUS(f.history, EYOT_ECORRUPT);
    CHECK_STATUS(f.play, EYOT_ECORRUPT);
    CHECK_STATUS(f.verify, EYOT_ECORRUPT);
    CHECK_STATUS(f.stream, EYOT_ECORRUPT);
    CHECK_STATUS(f.worker, EYOT_ECORRUPT);
    damage_close(&scene);
}

/* Only what is before the newest snapshot can have been pruned. */
TEST(damage_gap__behind_the_newest_snapshot_is_no_pruning)
{
    damage_open(&scene, "memory:");
    damage_found f = probe(DAMAGE_LOST, scene.a.snapshot_seq + 1, 0);
    CHECK_STATUS(f.latest, EYOT_ECORRUPT);
    CHECK_STATUS(f.stream, EYOT_ECORRUPT);
    f = probe(DAMAGE_LOST, 2, scene.truth.n_steps);
    CHECK_STATUS(f.latest, EYOT_OK);
    CHECK_STATUS(f.step, EYOT_OK);
    CHECK_STATUS(f.stream, EYOT_EGONE);
    damage_close(&scene);
}

/* No step tells of it. */
TEST(damage_gap__of_an_entry_that_is_no_task_is_found)
{
    damage_open(&scene, "memory:");
    uint64_t seq = newest_of(EYOT_ENTRY_ATTEMPT);
    CHECK(seq > scene.a.snapshot_seq && seq < scene.a.n);
    CHECK_STATUS(probe(DAMAGE_LOST, seq, 0).latest, EYOT_ECORRUPT);
    damage_close(&scene);
}

TEST(damage_gap__that_takes_a_step_along_is_no_missing_step)
{
    damage_open(&scene, "memory:");
    uint64_t seq = newest_of(EYOT_ENTRY_TASK);
    CHECK_STATUS(probe(DAMAGE_LOST, seq, scene.a.entries[seq - 1].step).step, EYOT_ECORRUPT);
    damage_close(&scene);
}

/* ---- many ---------------------------------------------------------------------------------------------------------- */

typedef struct backend {
    const char *url;          /* %s: a fresh directory; $NAME: of a server */
    unsigned veiled, at_rest; /* damages in the short form */
} backend;

static void set_url(const backend *b, char out[4400])
{
    static unsigned number;
    if (*b->url != '$') {
        snprintf(out, 4400, b->url, test_dir());
        return;
    }
    const char *url = getenv(b->url + 1);
    if (!url && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "%s is not set", b->url + 1);
    if (!url) test_skip("no server of it");
    snprintf(out, 4400, "%s%cprefix=d%d_%u_", url, strchr(url, '?') ? '&' : '?', (int)getpid(), ++number);
}

typedef struct tallies {
    unsigned n, found, latest, step, history, stream, worker;
} tallies;

static void count(tallies *t, const damage_found *f)
{
    t->n++;
    t->found += f->latest || f->step || f->history || f->stream;
    t->latest += f->latest != EYOT_OK;
    t->step += f->step != EYOT_OK;
    t->history += f->history != EYOT_OK;
    t->stream += f->stream != EYOT_OK;
    t->worker += f->worker != EYOT_OK;
}

static void damage_behind_veil(const backend *b)
{
    char url[4400];
    damage_scene s;
    uint64_t random = test_seed();
    tallies all = {0}, by_kind[DAMAGE_COUNT] = {{0}};
    unsigned n = b->veiled * test_long();
    set_url(b, url);
    damage_open(&s, url);
    for (unsigned i = 0; i < n; i++) {
        damage d = damage_draw(&s, &random);
        damage_found f = damage_probe(&s, &d, test_random(&random) % (s.truth.n_steps + 1), i % 8 == 0);
        count(&all, &f);
        count(&by_kind[d.kind], &f);
    }
    printf("     %u damages of a log of %zu entries: %u found; %u by loading the newest, %u by a step, %u by the "
           "history, %u by the export; %u times a worker parked the run\n",
           all.n, s.a.n, all.found, all.latest, all.step, all.history, all.stream, all.worker);
    for (int k = 1; k < DAMAGE_COUNT; k++) {
        const tallies *t = &by_kind[k];
        printf("     %-8s %5u: %5u found, %5u by the export\n", damage_name((damage_kind)k), t->n, t->found, t->stream);
        if (k != DAMAGE_KEY && k != DAMAGE_SOURCE && k != DAMAGE_LOST) CHECK(t->found * 10 >= t->n * 9);
    }
    damage_close(&s);
}

static void damage_at_rest(const backend *b)
{
    char url[4400], id[16], healthy[16];
    damage_scene s;
    uint64_t random = test_seed();
    unsigned found = 0, n = b->at_rest * test_long();
    set_url(b, url);
    damage_open(&s, url);
    for (unsigned i = 0; i < n; i++) {
        damage d = damage_draw(&s, &random), none = {.kind = DAMAGE_NONE};
        if (d.kind == DAMAGE_LOST || d.kind == DAMAGE_TWICE || d.kind == DAMAGE_SOURCE) d.kind = DAMAGE_FLIP;
        snprintf(id, sizeof id, "d%u", i);
        snprintf(healthy, sizeof healthy, "h%u", i);
        damage_copy(&s, id, "q", &d);
        damage_copy(&s, healthy, "q", &none);
        eyot_status latest = damage_look(&s, id, test_random(&random) % (s.truth.n_steps + 1), &d);
        damage_work(&s, "q", id, latest, &d, healthy);
        found += latest != EYOT_OK;
    }
    printf("     %u damaged at rest, %u of them in what a worker reads: parked\n", n, found);
    damage_close(&s);
}

#define DAMAGE_TESTS(name, url, veiled, at_rest)                      \
    static const backend name = {url, veiled, at_rest};               \
    TEST(damage_##name##__on_its_way_is_found_or_makes_no_difference) \
    {                                                                 \
        damage_behind_veil(&name);                                    \
    }                                                                 \
    TEST(damage_##name##__at_rest_parks_its_run_and_no_other)         \
    {                                                                 \
        damage_at_rest(&name);                                        \
    }

DAMAGE_TESTS(memory, "memory:", 10000, 300)
#if defined(EYOT_HAVE_SQLITE)
DAMAGE_TESTS(sqlite, "sqlite:%s/damage.db?sync=normal", 10000, 100)
#endif
DAMAGE_TESTS(mysql, "$EYOT_TEST_MYSQL", 1000, 60)
DAMAGE_TESTS(redis, "$EYOT_TEST_REDIS", 1000, 60)
DAMAGE_TESTS(cluster, "$EYOT_TEST_REDIS_CLUSTER", 500, 30)
