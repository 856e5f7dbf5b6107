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
    f.job.max_runs = 2;
    f.job.task_us = 20000;
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

/* ---- stopped beyond the lease ------------------------------------------------------------------------------------ */

/* Who is stopped inside a transaction of SQLite stops everybody: there it is done outside of the store's calls alone. Stopped by
 * its own hand before a commit or after one, a process has begun that commit and nothing else. */
static bool stopped_well(const fleet *f, const fleet_worker *w, fleet_moment moment)
{
    fleet_lines all = fleet_read(f);
    fleet_doings d = fleet_doings_of(&all, all.n, w->pid);
    free(all.lines);
    if (moment == FLEET_NEVER && d.tasks == 0) return false; /* it has hardly begun */
    bool by_itself = moment == FLEET_BEFORE_COMMIT || moment == FLEET_AFTER_COMMIT;
    if (f->backend == &fleet_sqlite) return d.commits == by_itself && d.claims == (moment == FLEET_AFTER_CLAIM);
    return moment != FLEET_NEVER || d.commits > 0; /* on a server one is stopped within its commit */
}

enum { STOPPED = 5, OTHERS = 3 };
static const fleet_moment moments[STOPPED] = {FLEET_BEFORE_COMMIT, FLEET_AFTER_COMMIT, FLEET_AFTER_CLAIM, FLEET_IN_TASK,
                                              FLEET_NEVER};

/* Who was stopped at another moment goes on at once: it may hold up the others. */
static void stop_well(fleet *f)
{
    bool well[STOPPED] = {false};
    unsigned n = 0;
    for (uint64_t until = test_now_ms() + 30000 * fleet_patience(); n < STOPPED; tally_pause_us(1000)) {
        if (test_now_ms() > until)
            test_fail(__FILE__, __LINE__, "not stopped as they should be: %s%s%s%s%s",
                      well[0] ? "" : "before a commit, ", well[1] ? "" : "after a commit, ",
                      well[2] ? "" : "after a claim, ", well[3] ? "" : "in a task, ", well[4] ? "" : "at any time");
        fleet_look(f);
        for (unsigned i = 0; i < STOPPED; i++) {
            if (well[i]) continue;
            if (moments[i] == FLEET_NEVER) fleet_signal(f, i, SIGSTOP);
            if (!f->workers[i].stopped) continue;
            well[i] = stopped_well(f, &f->workers[i], moments[i]);
            n += well[i];
            if (!well[i]) fleet_signal(f, i, SIGCONT);
        }
    }
}

/* Every run that the process `z` tells of had when it was stopped had another owner soon after its lease. Returns the longest
 * time it took, in ms. */
static double check_taken_over(const fleet_lines *all, const fleet_line *z, uint64_t limit_ms)
{
    double longest = 0;
    for (const fleet_line *c = all->lines; c < z; c++) {
        if (c->kind != 'C' || c->pid != z->pid) continue;
        const fleet_line *next = NULL;
        bool released = false;
        for (size_t k = 0; k < all->n; k++) {
            const fleet_line *l = &all->lines[k];
            if (strcmp(l->run, c->run) != 0) continue;
            released |= l->kind == 'R' && l->epoch == c->epoch;
            if (l->kind == 'C' && l->epoch == c->epoch + 1) next = l;
        }
        if (released) continue;
        if (!next) test_fail(__FILE__, __LINE__, "run %s of a stopped worker was not taken over", c->run);
        double ms = ((double)next->ns - (double)z->ns) / 1e6;
        if (ms > longest) longest = ms;
    }
    if (longest > (double)limit_ms)
        test_fail(__FILE__, __LINE__, "a run was taken over %.0f ms after its worker was stopped; at most %llu",
                  longest, (unsigned long long)limit_ms);
    return longest;
}

/* Another thread may have been about to stop the process, too. */
static void go_on(fleet *f, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < STOPPED; i++)
        if (f->workers[i].stopped) fleet_signal(f, i, SIGCONT);
}

/* When the process was stopped for long. */
static const fleet_line *long_stop(const fleet_lines *all, pid_t pid)
{
    const fleet_line *z = NULL;
    for (size_t i = 0; i < all->n; i++) {
        const fleet_line *l = &all->lines[i];
        if (l->pid != pid) continue;
        if (l->kind == 'Y' && z && l->ns - z->ns > FLEET_LEASE_MS * 1000000ull) return z;
        if (l->kind == 'Z') z = l;
    }
    test_fail(__FILE__, __LINE__, "worker %d was not stopped for long", (int)pid);
}

static void stop_round(fleet *f, unsigned round)
{
    fleet_submit(f, 40);
    f->job.signo = SIGSTOP;
    for (unsigned i = 0; i < STOPPED; i++) {
        f->job.moment = moments[i];
        f->job.after = moments[i] == FLEET_AFTER_CLAIM ? 3 : 10 + round;
        f->job.max_runs = 6;
        fleet_start_one(f, i);
    }
    stop_well(f);
    f->job.moment = FLEET_NEVER;
    f->job.max_runs = 200; /* there is room for what is taken over */
    for (unsigned i = STOPPED; i < STOPPED + OTHERS; i++) fleet_start_one(f, i);
    for (uint64_t until = test_now_ms() + FLEET_LEASE_MS + 1600; test_now_ms() < until; tally_pause_us(10000))
        fleet_look(f);
    for (unsigned i = 0; i < STOPPED; i++) {
        fleet_signal(f, i, SIGUSR1);
        fleet_signal(f, i, SIGCONT);
    }
    fleet_await(f, 60, go_on, NULL);
}

static void check_stops(const fleet *f)
{
    fleet_lines all = fleet_read(f);
    double longest = 0;
    unsigned refused = 0;
    uint64_t limit_ms = FLEET_LEASE_MS + f->job.poll_ms + 1000;
    /* One stopped within a transaction has the row until the server ends the session, 3 s later. */
    if (f->backend == &fleet_mysql) limit_ms += 1000;
    for (unsigned i = 0; i < STOPPED; i++) {
        const fleet_line *z = long_stop(&all, f->workers[i].pid);
        for (const fleet_line *l = z; l < all.lines + all.n; l++) refused += l->pid == z->pid && l->kind == 'F';
        double ms = check_taken_over(&all, z, limit_ms * fleet_patience());
        if (ms > longest) longest = ms;
    }
    printf(
        "     %s: taken over %.0f ms after the stop at the latest, the lease has %d; %u commits of those who came back "
        "were refused\n",
        f->backend->name, longest, FLEET_LEASE_MS, refused);
    CHECK(refused > 0);
    free(all.lines);
}

static void fleet_stop(const fleet_backend *b)
{
    fleet f;
    fleet_open(&f, b, NULL);
    f.job.task_us = 20000;
    for (unsigned round = 0; round < test_long(); round++) {
        stop_round(&f, round);
        check_stops(&f);
        fleet_dismiss(&f);
    }
    (void)end(&f);
}
FLEET_TESTS(fleet_stop, beyond_the_lease_loses_the_run_in_time_and_for_good)

/* ---- the server is killed ---------------------------------------------------------------------------------------- */

typedef struct outage {
    fleet_server *server; /* NULL: there is none, all processes die at once */
    unsigned times, most;
    uint64_t next_ms;
} outage;

static void keep_breaking(fleet *f, void *arg)
{
    outage *o = arg;
    if (test_now_ms() < o->next_ms || o->times == o->most) return;
    if (o->server) {
        fleet_server_kill(o->server);
        tally_pause_us((long)random_below(f, 300000));
        fleet_server_start(o->server);
    } else {
        fleet_kill_all(f);
        for (unsigned i = 0; i < f->n_workers; i++) fleet_start_one(f, i);
    }
    if (++o->times < o->most) fleet_submit(f, 10); /* waits until it answers */
    o->next_ms = test_now_ms() + 300 + random_below(f, 500);
}

static void fleet_outage(const fleet_backend *b)
{
    fleet f;
    fleet_server server;
    outage o = {.server = b == &fleet_sqlite ? NULL : &server, .most = 2 * test_long()};
    char url[4300];
    if (o.server) fleet_server_open(o.server, b, "", "", url, sizeof url);
    fleet_open(&f, b, o.server ? url : NULL);
    f.job.task_us = 20000;
    f.job.max_runs = 16;
    fleet_submit(&f, 50);
    fleet_start(&f, 4);
    o.next_ms = test_now_ms() + 300;
    fleet_await(&f, 60 + 5 * o.most, keep_breaking, &o);
    if (o.times < o.most) test_fail(__FILE__, __LINE__, "all was done after %u outages", o.times);
    printf("     %s: %u outages\n", b->name, o.times);
    (void)end(&f);
    if (o.server) fleet_server_kill(o.server);
}
FLEET_TESTS(fleet_outage, of_the_server_loses_nothing)

/* ---- a poisonous run --------------------------------------------------------------------------------------------- */

static void keep_starting(fleet *f, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < f->n_workers; i++)
        if (!f->workers[i].pid) fleet_start_one(f, i);
}

/* One of them: a process that dies of one could take the other along before that has begun. */
/* One alone: of two the one could kill what the other has not begun. */
static void fleet_poison(const fleet_backend *b)
{
    const char *poison = (test_seed() + (b == &fleet_mysql)) % 2 ? "kill" : "abort";
    fleet f;
    unsigned begun = 0;
    fleet_open(&f, b, NULL);
    f.job.max_attempts = 3;
    fleet_submit_as(&f, poison);
    fleet_submit(&f, 20);
    fleet_start(&f, 3);
    fleet_await(&f, 60, keep_starting, NULL);
    uint64_t until = test_now_ms() + 60000 * fleet_patience();
    while (tally_row_of(f.store, poison).status != EYOT_RUN_DEAD && test_now_ms() < until) {
        tally_pause_us(10000);
        fleet_look(&f);
        keep_starting(&f, NULL);
    }
    CHECK_INT(tally_row_of(f.store, poison).status, EYOT_RUN_DEAD);
    fleet_dismiss(&f);
    fleet_lines all = fleet_read(&f);
    for (size_t i = 0; i < all.n; i++) begun += all.lines[i].kind == 'E' && strcmp(all.lines[i].run, poison) == 0;
    CHECK_INT(begun, f.job.max_attempts);
    CHECK_INT(f.n_lost, f.job.max_attempts);
    CHECK_INT(fleet_count(&all, 'P', poison), 1);
    CHECK_INT(fleet_count(&all, 'P', NULL), 1); /* no innocent run */
    free(all.lines);
    (void)end(&f);
}
FLEET_TESTS(fleet_poison, is_parked_at_exactly_its_limit_and_takes_nobody_along)
