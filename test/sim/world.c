/* SPDX-License-Identifier: MIT */
/* Processes, the clock, and whose turn it is. */
#include "test/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/run.h"
#include "test/eyot_test.h"

sim_world sim;

/* ---- chance and the trace ----------------------------------------------------------------------------------------- */

uint64_t sim_draw(uint64_t *state, uint64_t n)
{
    return n > 1 ? test_random(state) % n : 0;
}

uint64_t sim_mix(uint64_t a, uint64_t b)
{
    uint64_t state = a ^ (b * UINT64_C(0xD1342543DE82EF95));
    return test_random(&state);
}

static void hash_word(uint64_t word)
{
    sim.hash = (sim.hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    sim.hash ^= sim.hash >> 29;
}

void sim_trace(const char *text, uint64_t a, uint64_t b, uint64_t c)
{
    const sim_thread *t = sim_self();
    for (const char *p = text; *p; p++) hash_word((unsigned char)*p);
    hash_word(a);
    hash_word(b);
    hash_word(c);
    hash_word(sim.now_ns);
    if (t) hash_word(t->process->number * 64 + t->number);
    if (!sim.tracing) return;
    printf("%10.3f  ", (double)sim.now_ns / 1e6);
    if (t) printf("%s-%u.%u ", t->process->name, t->process->number, t->number);
    printf(text, (unsigned long long)a, (unsigned long long)b, (unsigned long long)c);
    putchar('\n');
}

void sim_violate(const char *fmt, ...)
{
    if (!sim.violation[0]) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(sim.violation, sizeof sim.violation, fmt, args);
        va_end(args);
        if (sim.tracing) printf("            VIOLATION %s\n", sim.violation);
    }
    if (sim_self() && !sim.serving) sim_thread_leave();
}

bool sim_fault(void)
{
    unsigned number = sim.n_faults++;
    bool happens = number >= SIM_FAULTS || !(sim.without >> number & 1);
    sim.n_done += happens;
    if (sim.tracing && happens) printf("            fault %u:\n", number);
    return happens;
}

/* ---- processes ---------------------------------------------------------------------------------------------------- */

uint64_t sim_mono_ns(const sim_process *p)
{
    return sim.now_ns - p->asleep_ns;
}

static void *first_thread(void *arg)
{
    sim_process *p = arg;
    p->main(p);
    if (p->n_threads > 1) sim_violate("%s-%u ends and leaves threads", p->name, p->number);
    if (!sim_heap_empty(&p->heap)) sim_violate("%s-%u ends and leaves memory behind", p->name, p->number);
    sim_trace("ends (status %llu)", (uint64_t)(unsigned)-p->status, 0, 0);
    p->alive = false;
    return NULL;
}

sim_process *sim_spawn(const char *name, void (*main)(sim_process *p), int64_t slot)
{
    if (sim.n_processes == SIM_PROCESSES) {
        sim_violate("I5: there is no end to the processes that are needed");
        return NULL;
    }
    sim_process *p = &sim.processes[sim.n_processes];
    memset(p, 0, sizeof *p);
    p->number = sim.n_processes++;
    p->pid = 1000 + p->number;
    p->host = (unsigned)sim_draw(&sim.chance, 2);
    p->name = name;
    p->main = main;
    p->slot = slot;
    p->alive = true;
    sim_heap_init(&p->heap);
    sim_thread_start(p, first_thread, p, true);
    sim_trace("begins: process %llu, host %llu, for %llu", p->number, p->host, (uint64_t)slot);
    return p;
}

void sim_take_memory(sim_process *p)
{
    if (p->engine) eyot__owner_leave(p->engine);
    p->engine = NULL;
    p->worker = NULL;
    sim_heap_clear(&p->heap);
}

/* What it had sent to the store may arrive all the same. */
void sim_kill(sim_process *p)
{
    size_t n;
    sim_thread **list = sim_thread_list(&n);
    p->alive = p->frozen = false;
    for (size_t i = n; i-- > 0;) {
        sim_thread *t = list[i];
        if (t->process != p) continue;
        t->ghost = t->sent && t->state == SIM_ASLEEP && sim_draw(&sim.luck, 2) == 0;
        if (!t->ghost) sim_thread_drop(t);
    }
    if (p->n_threads == 0) sim_take_memory(p);
}

/* Between a look at the lease and the start of the task that it is for nobody can help being stopped: there no process is. */
bool sim_can_freeze(const sim_process *p)
{
    size_t n;
    sim_thread **list = sim_thread_list(&n);
    if (!p->alive || p->frozen) return false;
    for (size_t i = 0; i < n; i++)
        if (list[i]->process == p && (list[i]->state == SIM_PREEMPTED || list[i]->state == SIM_AT_LOCK)) return false;
    return true;
}

/* `suspended`: with its machine, so that its monotonic clock stands still too. */
void sim_freeze(sim_process *p, uint64_t ms, bool suspended)
{
    p->frozen = true;
    p->suspended = suspended;
    p->thaw_ns = sim.now_ns + ms * SIM_MS;
    if (suspended) p->asleep_ns += ms * SIM_MS;
}

/* ---- whose turn it is --------------------------------------------------------------------------------------------- */

static bool may_go(const sim_thread *t)
{
    switch (t->state) {
    case SIM_RUNNABLE:
    case SIM_PREEMPTED: return true;
    case SIM_AT_LOCK: return *(const int *)t->on == 0;
    case SIM_AT_JOIN: return ((const sim_thread *)t->on)->state == SIM_ENDED;
    case SIM_ASLEEP:
    case SIM_AT_CONDITION: return t->timed && t->until <= sim_mono_ns(t->process);
    case SIM_ENDED: return false;
    }
    return false;
}

/* All that may go on; *next_ns becomes when the next one may. */
static size_t who_may_go(sim_thread *ready[], uint64_t *next_ns)
{
    size_t n, found = 0;
    sim_thread **list = sim_thread_list(&n);
    for (size_t i = 0; i < n; i++) {
        sim_thread *t = list[i];
        sim_process *p = t->process;
        if (p->frozen && p->thaw_ns > sim.now_ns) {
            if (p->thaw_ns < *next_ns) *next_ns = p->thaw_ns;
            continue;
        }
        p->frozen = false;
        if (may_go(t))
            ready[found++] = t;
        else if (t->timed && t->state != SIM_ENDED && t->until + p->asleep_ns < *next_ns)
            *next_ns = t->until + p->asleep_ns;
    }
    return found;
}

bool sim_step(uint64_t limit_ns)
{
    sim_thread *ready[SIM_THREADS];
    uint64_t next_ns = limit_ns;
    size_t n = who_may_go(ready, &next_ns);
    if (n == 0) {
        bool more = next_ns < limit_ns;
        sim.now_ns = next_ns > sim.now_ns ? next_ns : sim.now_ns;
        return more;
    }
    sim_thread *t = ready[sim_draw(&sim.chance, n)];
    t->timed_out = t->state == SIM_AT_CONDITION;
    sim.steps++;
    sim.now_ns += 1000 + sim_draw(&sim.chance, 20000);
    sim_thread_go(t);
    sim.heap = NULL;
    if (t->state == SIM_ENDED && (t->detached || t->ghost)) {
        sim_process *p = t->process;
        bool dead = t->ghost;
        sim_thread_drop(t);
        if (dead && p->n_threads == 0) sim_take_memory(p);
    }
    return true;
}
