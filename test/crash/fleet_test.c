/* SPDX-License-Identifier: MIT */
/* Fleets of worker processes under faults: killed, stopped, their server killed. See fleet_store_test.c for faults of the
 * store itself. */
#include <signal.h>
#include <stdlib.h>

#include "core/store.h"
#include "test/crash/fleet.h"
#include "test/eyot_test.h"

TEST(fleet_helper__does_a_run_by_itself)
{
    fleet_helper();
}

static uint64_t random_below(fleet *f, uint64_t n)
{
    return test_random(&f->random) % n;
}

static fleet_findings end(fleet *f)
{
    fleet_dismiss(f);
    fleet_findings found = fleet_check(f, 0);
    fleet_print(f, &found);
    fleet_close(f);
    return found;
}

/* ---- nothing happens --------------------------------------------------------------------------------------------- */

/* How the runs were spread over the processes that are there. */
static void check_shares(const fleet *f)
{
    fleet_lines all = fleet_read(f);
    unsigned shares[FLEET_MOST] = {0};
    for (size_t i = 0; i < all.n; i++)
        for (unsigned k = 0; k < f->n_workers; k++)
            shares[k] += all.lines[i].kind == 'C' && all.lines[i].pid == f->workers[k].pid;
    free(all.lines);
    printf("     %s: claims by worker:", f->backend->name);
    for (unsigned k = 0; k < f->n_workers; k++) printf(" %u", shares[k]);
    printf("\n");
    for (unsigned k = 0; k < f->n_workers; k++)
        if (!shares[k]) test_fail(__FILE__, __LINE__, "worker %u of %u claimed nothing", k, f->n_workers);
}

static void fleet_calm(const fleet_backend *b)
{
    fleet f;
    fleet_open(&f, b, NULL);
    f.job.max_runs = 3;
    fleet_start(&f, 8);
    fleet_submit(&f, 50);
    fleet_await(&f, 60, NULL, NULL);
    check_shares(&f);
    fleet_findings found = end(&f);
    CHECK_INT(found.executions - found.again, 50 * FLEET_STEPS);
    if (!found.takeovers) CHECK_INT(found.again, 0);
}
FLEET_TESTS(fleet_calm, does_every_step_of_every_run_once)

/* ---- killed ----------------------------------------------------------------------------------------------------- */

typedef struct slaughter {
    unsigned kills;
    uint64_t next_ms;
} slaughter;

/* The next worker dies by its own hand at some moment of its work, or is left to be killed at any. */
static void choose_end(fleet *f)
{
    f->job.moment = (fleet_moment)random_below(f, FLEET_MOMENTS);
    f->job.after = 1 + (unsigned)random_below(f, f->job.moment == FLEET_IN_TASK ? 60 : 30);
}

static void keep_killing(fleet *f, void *arg)
{
    slaughter *s = arg;
    for (unsigned i = 0; i < f->n_workers; i++) {
        if (f->workers[i].pid) continue;
        if (f->n_lost >= s->kills)
            f->job.moment = FLEET_NEVER;
        else
            choose_end(f);
        fleet_start_one(f, i);
    }
    if (f->n_lost >= s->kills || test_now_ms() < s->next_ms) return;
    fleet_signal(f, (unsigned)random_below(f, f->n_workers), SIGKILL);
    s->next_ms = test_now_ms() + 60 + random_below(f, 120);
    fleet_submit(f, 4); /* there is always work */
}

static void fleet_kill(const fleet_backend *b)
{
    fleet f;
    slaughter s = {.kills = 40 * test_long()};
    fleet_open(&f, b, NULL);
    f.job.task_us = 20000;
    fleet_submit(&f, 40);
    for (unsigned i = 0; i < 6; i++) {
        choose_end(&f);
        fleet_start_one(&f, i);
    }
    fleet_await(&f, 60 + s.kills, keep_killing, &s);
    if (f.n_lost < s.kills) test_fail(__FILE__, __LINE__, "all was done after %u kills", f.n_lost);
    fleet_findings found = end(&f);
    CHECK(found.takeovers > 0 && found.again > 0);
}
FLEET_TESTS(fleet_kill, loses_and_repeats_nothing_that_was_stored)
