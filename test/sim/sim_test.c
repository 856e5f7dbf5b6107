/* SPDX-License-Identifier: MIT */
/* Many seeds of the simulator (sim.h). Environment:
 *   EYOT_SIM_SEED=S    this seed alone, with its trace      EYOT_SIM_WITHOUT=M   … without the faults in this mask
 *   EYOT_SIM_SEEDS=N   so many instead of 100,000           EYOT_TEST_SEED=S     the first of them (1) */
#define _XOPEN_SOURCE 700 /* sigaltstack */
#include "test/sim/sim.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/eyot_test.h"

#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
enum { SEEDS = 4000 };
#else
enum { SEEDS = 100000 };
#endif

static uint64_t playing;

static uint64_t number_in(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void name_seed(void)
{
    char text[64];
    int n = snprintf(text, sizeof text, "EYOT_SIM_SEED=%" PRIu64 "\n", playing);
    if (n > 0 && write(STDOUT_FILENO, text, (size_t)n) < 0) _exit(3);
}

static void on_signal(int signo)
{
    name_seed();
    signal(signo, SIG_DFL);
    raise(signo);
}

/* A seed that does not come back: one that hangs (the harness aborts then), crashes, or finds a mistake of memory. */
static void name_what_dies(void)
{
    static char stack[65536];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction on = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaltstack(&own, NULL);
    sigaction(SIGABRT, &on, NULL);
#ifdef SIM_ASAN
    __sanitizer_set_death_callback(name_seed);
#else
    sigaction(SIGSEGV, &on, NULL);
#endif
}

static void play(uint64_t seed, uint64_t without, bool tracing, sim_outcome *out)
{
    playing = seed;
    sim_play(seed, without, tracing, out);
}

/* Leaves out what is not needed for the violation. */
static uint64_t shorten(uint64_t seed, sim_outcome *shortest)
{
    uint64_t without = 0;
    sim_outcome o;
    for (unsigned i = 0; i < SIM_FAULTS && i < shortest->faults; i++) {
        play(seed, without | UINT64_C(1) << i, false, &o);
        if (!o.violation[0] || o.steps > shortest->steps) continue;
        without |= UINT64_C(1) << i;
        *shortest = o;
    }
    return without;
}

static void report(uint64_t seed, const sim_outcome *first)
{
    sim_outcome o = *first;
    uint64_t without = shorten(seed, &o);
    play(seed, without, true, &o);
    test_fail(__FILE__, __LINE__,
              "seed %" PRIu64 ": %s\n     EYOT_SIM_SEED=%" PRIu64 " EYOT_SIM_WITHOUT=0x%" PRIx64
              " (with all its faults: %s)",
              seed, o.violation, seed, without, first->violation);
}

static void play_many(uint64_t from, uint64_t n)
{
    sim_outcome o;
    uint64_t steps = 0, started = 0, again = 0, killed = 0, faults = 0;
    name_what_dies();
    for (uint64_t seed = from; seed < from + n; seed++) {
        play(seed, 0, false, &o);
        if (o.violation[0]) report(seed, &o);
        steps += o.steps;
        started += o.started;
        again += o.again;
        killed += o.killed;
        faults += o.faults;
    }
    printf("seeds %" PRIu64 ": %" PRIu64 " steps, %" PRIu64 " faults, %" PRIu64 " processes killed, %" PRIu64
           " tasks started, %" PRIu64 " of them done before\n",
           n, steps, faults, killed, started, again);
}

/* Two halves, so that ctest can run them side by side. */
TEST(sim_first__no_schedule_breaks_a_promise)
{
    uint64_t n = number_in("EYOT_SIM_SEEDS", SEEDS), alone = number_in("EYOT_SIM_SEED", 0);
    sim_outcome o;
    if (alone) {
        play(alone, number_in("EYOT_SIM_WITHOUT", 0), true, &o);
        if (o.violation[0]) test_fail(__FILE__, __LINE__, "seed %" PRIu64 ": %s", alone, o.violation);
        return;
    }
    play_many(test_seed(), n / 2);
}

TEST(sim_second__no_schedule_breaks_a_promise)
{
    uint64_t n = number_in("EYOT_SIM_SEEDS", SEEDS);
    if (!number_in("EYOT_SIM_SEED", 0)) play_many(test_seed() + n / 2, n - n / 2);
}

TEST(sim_first__a_seed_is_the_same_story_every_time)
{
    sim_outcome a, b;
    uint64_t from = test_seed();
    for (uint64_t seed = from; seed < from + 200; seed++) {
        play(seed, 0, false, &a);
        play(seed, 0, false, &b);
        if (a.hash != b.hash || a.steps != b.steps)
            test_fail(__FILE__, __LINE__, "seed %" PRIu64 " gives two traces", seed);
    }
}
