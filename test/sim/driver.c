/* SPDX-License-Identifier: MIT */
/* One seed: what is drawn, what befalls the processes, what people do about their runs, and the end. */
#include "test/sim/sim.h"

#include <stdio.h>
#include <string.h>

#include <eyot/stores.h>

#include "core/clock.h"
#include "core/store.h"

enum {
    TICK_MS = 200,
    TROUBLE_MS = 40000, /* faults stop after that at the latest */
    CALM_MS = 1200000,  /* by then every run has ended */
    STEPS_MOST = 60000
};

static sim_process *workers[SIM_WORKERS];

/* ---- what is drawn ------------------------------------------------------------------------------------------------- */

static void draw_world(uint64_t seed)
{
    sim.seed = seed + 1;
    sim.chance = sim_mix(seed, 11);
    sim.luck = sim_mix(seed, 22);
    sim.bytes = sim_mix(seed, 33);
    sim.now_ns = (1 + sim_draw(&sim.chance, 1000)) * 1000 * SIM_MS;
    sim.lease_ms = 2000 + (uint32_t)sim_draw(&sim.chance, 2) * 1000;
    sim.n_workers = 1 + (uint32_t)sim_draw(&sim.chance, SIM_WORKERS);
    sim.n_runs = 1 + (uint32_t)(sim_draw(&sim.chance, 3) == 0) + (uint32_t)(sim_draw(&sim.chance, 6) == 0);
    sim.threads = 1 + (uint32_t)sim_draw(&sim.chance, 2);
    sim.preempt = sim_draw(&sim.chance, 3) ? 8 + (uint32_t)sim_draw(&sim.chance, 40) : 0;
    sim.step_rate = 40 + (uint32_t)sim_draw(&sim.chance, 300);
    sim.call_rate = 6 + (uint32_t)sim_draw(&sim.chance, 60);
    sim.max_faults = (uint32_t)sim_draw(&sim.chance, 16);
    sim.max_runs = 1 + (uint32_t)sim_draw(&sim.chance, 3);
    sim.durability = sim_draw(&sim.chance, 4) ? EYOT_SYNC : sim_draw(&sim.chance, 3) ? EYOT_ASYNC : EYOT_EXIT;
    sim.strategy = (eyot_strategy)sim_draw(&sim.chance, 3);
    sim.state_bytes = sim_draw(&sim.chance, 10) ? (uint32_t)sizeof(sim_state) : 20000;
    sim.gentle_end = sim_draw(&sim.chance, 4) == 0;
    for (size_t i = 0; i < sizeof sim.mood; i++) sim.mood[i] = (unsigned char)sim_draw(&sim.chance, 16);
    for (int i = 0; i < 2; i++) sim.host_skew_ms[i] = (int64_t)sim_draw(&sim.chance, 400) - 200;
    for (unsigned i = 0; i < SIM_RUNS; i++) snprintf(sim.runs[i].id, sizeof sim.runs[i].id, "r%u", i);
    for (unsigned i = 0; i < SIM_WORKERS; i++) workers[i] = NULL;
}

/* ---- the undisturbed run -------------------------------------------------------------------------------------------- */

static void drop_all(void)
{
    size_t n;
    sim_thread **list = sim_thread_list(&n);
    while (n > 0) {
        sim_process *p = list[n - 1]->process;
        sim_thread_drop(list[n - 1]);
        if (p->n_threads == 0) sim_take_memory(p);
        (void)sim_thread_list(&n);
    }
    sim.n_processes = 0;
}

/* Draws graphs until one has no more tasks than we count. */
static void make_story(void)
{
    do {
        sim_story_draw();
        sim.reference = true;
        sim.reference_status = EYOT_OK;
        sim_process *p = sim_spawn("reference", sim_reference_main, 0);
        while (p->alive && !sim.violation[0] && sim_step(UINT64_MAX)) {}
        sim.n_processes = 0;
    } while (sim.reference_status && !sim.violation[0]);
    sim.reference = false;
    for (unsigned i = 0; i < sim.n_keys && sim.tracing; i++) printf("            task %u is %s\n", i, sim.keys[i]);
}

/* ---- faults --------------------------------------------------------------------------------------------------------- */

static sim_process *someone(void)
{
    unsigned n = 0;
    sim_process *found[SIM_PROCESSES];
    for (unsigned i = 0; i < sim.n_processes; i++)
        if (sim.processes[i].alive) found[n++] = &sim.processes[i];
    return n ? found[sim_draw(&sim.luck, n)] : NULL;
}

static void strike_process(sim_process *p, unsigned what)
{
    uint64_t ms = sim_draw(&sim.luck, 3 * sim.lease_ms);
    if (what == 0) {
        sim_trace("process %llu is killed", p->number, 0, 0);
        sim.killed++;
        sim_kill(p);
    } else if (sim_can_freeze(p)) {
        sim_trace(what == 1 ? "process %llu stands still for %llu ms"
                            : "the machine of process %llu sleeps for %llu ms",
                  p->number, ms, 0);
        sim_freeze(p, ms, what == 2);
    }
}

static void jump(void)
{
    int64_t ms = (int64_t)sim_draw(&sim.luck, 10000) - 4000;
    unsigned which = (unsigned)sim_draw(&sim.luck, 3);
    sim_trace("clock %llu (2: the store's) jumps by %llu - 4000 ms", which, (uint64_t)(ms + 4000), 0);
    if (which < 2)
        sim.host_skew_ms[which] += ms;
    else
        sim.store_skew_ms += ms;
    sim.store_jumped |= which == 2 && ms > 0;
}

static void strike(void)
{
    unsigned kind = sim.mood[sim_draw(&sim.luck, sizeof sim.mood)];
    sim_process *p = someone();
    sim_run *r = &sim.runs[sim_draw(&sim.luck, sim.n_runs)];
    if (!sim_fault()) return;
    if (kind < 6) {
        if (p) strike_process(p, 0);
    } else if (kind < 11) {
        if (p) strike_process(p, kind < 9 ? 1 : 2);
    } else if (kind == 11) {
        jump();
    } else if (kind == 12 && p && p->main == sim_worker_main) {
        sim_trace("process %llu is to stop", p->number, 0, 0);
        sim_stop_worker(p);
    } else if (kind == 13) {
        sim_trace("run %llu is not wanted any more", (uint64_t)(r - sim.runs), 0, 0);
        r->unwanted = true;
    } else if (kind == 14) {
        sim_trace("run %llu is to be deleted", (uint64_t)(r - sim.runs), 0, 0);
        r->doomed = true;
        r->again = sim_draw(&sim.luck, 2) == 0;
    } else if (!r->command && r->exists) {
        sim_trace("somebody resumes run %llu", (uint64_t)(r - sim.runs), 0, 0);
        r->command = sim_spawn("resume", sim_resume_main, r - sim.runs);
    }
}

/* ---- what people do -------------------------------------------------------------------------------------------------- */

static bool is_being_made(const sim_run *r)
{
    size_t n;
    sim_thread **list = sim_thread_list(&n);
    for (size_t i = 0; i < n; i++)
        if (list[i]->creates == 1 + (int)(r - sim.runs)) return true;
    return false;
}

static void command(sim_run *r, const char *name, void (*main)(sim_process *p))
{
    r->command = sim_spawn(name, main, r - sim.runs);
}

static void make_run(sim_run *r)
{
    if (r->deleted && !r->again)
        r->settled = true;
    else if (sim_draw(&sim.chance, 4))
        command(r, "submit", sim_submit_main);
    else
        command(r, "start", sim_start_main);
}

/* A run that nobody holds, and that no worker will take up. */
static void look_after(sim_run *r)
{
    bool over = r->status == EYOT_RUN_FAILED || r->status == EYOT_RUN_DEAD || r->status == EYOT_RUN_CANCELLED;
    if (r->status == EYOT_RUN_DONE || (over && r->cancel_told && r->unwanted))
        r->settled = true;
    else if (r->status == EYOT_RUN_CANCELLED && !r->unwanted)
        sim_violate("run %s is cancelled and nobody has asked for it", r->id);
    else if (r->unwanted && !r->cancel_told)
        command(r, "cancel", sim_cancel_main);
    else if (!r->cancel_told && (over || r->due_ms == INT64_MAX))
        command(r, "resume", sim_resume_main);
}

static void look_at_run(sim_run *r)
{
    if (r->command && r->command->alive) return;
    r->command = NULL;
    r->settled = false;
    if (!r->exists && !is_being_made(r))
        make_run(r);
    else if (r->exists && r->doomed && !is_being_made(r)) {
        if (!r->held || !r->holder->alive || r->due_ms <= sim_store_ms()) command(r, "delete", sim_delete_main);
    } else if (r->exists && r->unwanted && r->held && !r->cancel_told)
        command(r, "cancel", sim_cancel_main);
    else if (r->exists && r->held && !r->holder->alive && sim_draw(&sim.chance, 8) == 0)
        command(r, "resume", sim_resume_main);
    else if (r->exists && !r->held)
        look_after(r);
    if (r->deleted) r->doomed = false;
}

static void tick(void)
{
    for (unsigned i = 0; i < sim.n_workers; i++)
        if (!workers[i] || !workers[i]->alive) {
            if (sim.calm || sim_draw(&sim.chance, 3) == 0) workers[i] = sim_spawn("worker", sim_worker_main, i);
        }
    for (unsigned i = 0; i < sim.n_runs; i++)
        if (sim.calm || sim_draw(&sim.chance, 2)) look_at_run(&sim.runs[i]);
}

static bool all_settled(void)
{
    for (unsigned i = 0; i < sim.n_runs; i++)
        if (!sim.runs[i].settled || sim.runs[i].command) return false;
    return true;
}

/* ---- the phases ------------------------------------------------------------------------------------------------------ */

static void calm_down(void)
{
    sim_trace("from here on nothing goes wrong any more", 0, 0, 0);
    sim.calm = true;
    for (unsigned i = 0; i < sim.n_processes; i++) {
        sim_process *p = &sim.processes[i];
        if (!p->frozen) continue;
        if (p->suspended && p->thaw_ns > sim.now_ns) p->asleep_ns -= p->thaw_ns - sim.now_ns;
        p->thaw_ns = sim.now_ns;
    }
}

/* I5 */
static void blame_the_end(void)
{
    for (unsigned i = 0; i < sim.n_runs; i++) {
        const sim_run *r = &sim.runs[i];
        if (r->settled) continue;
        sim_violate("I5: run %s does not end: %s, %s, head %llu, %s", r->id,
                    r->exists ? "it exists" : "it does not exist", eyot_run_status_name((eyot_run_status)r->status),
                    (unsigned long long)r->head, r->held ? "held" : "held by nobody");
    }
    sim_violate("I5: a command on a run does not end");
}

static void go_through(void)
{
    uint64_t began = sim.now_ns, tick_ns = began, calm_ns = 0;
    while (!sim.violation[0]) {
        if (sim.now_ns >= tick_ns) {
            tick();
            tick_ns = sim.now_ns + TICK_MS * SIM_MS;
            if (sim.calm && all_settled()) return;
        }
        (void)sim_step(tick_ns);
        if (!sim.calm && sim_draw(&sim.luck, sim.step_rate) == 0) strike();
        if (!sim.calm && (sim.n_faults >= sim.max_faults || sim.now_ns > began + TROUBLE_MS * SIM_MS)) {
            calm_down();
            calm_ns = sim.now_ns;
        }
        if ((sim.calm && sim.now_ns > calm_ns + CALM_MS * SIM_MS) || sim.steps > STEPS_MOST) blame_the_end();
    }
}

static bool anybody_lives(void)
{
    for (unsigned i = 0; i < sim.n_processes; i++)
        if (sim.processes[i].alive) return true;
    return false;
}

/* Workers that are stopped free all they have. */
static void end_gently(void)
{
    uint64_t limit = sim.now_ns + CALM_MS * SIM_MS;
    sim_trace("all workers are to stop", 0, 0, 0);
    while (anybody_lives() && !sim.violation[0]) {
        for (unsigned i = 0; i < sim.n_workers; i++)
            if (workers[i] && workers[i]->alive) sim_stop_worker(workers[i]);
        uint64_t soon = sim.now_ns + TICK_MS * SIM_MS;
        while (sim.now_ns < soon && !sim.violation[0]) (void)sim_step(soon);
        if (sim.now_ns > limit) sim_violate("I5: a worker does not stop");
    }
}

static void with_store(void (*fn)(void))
{
    sim.heap = &sim.memory_heap;
    sim.serving = true;
    fn();
    sim.serving = false;
    sim.heap = NULL;
}

static void open_store(void)
{
    if (eyot_store_open(&sim.memory, "memory:", NULL)) sim_violate("there is no memory store");
}

static void check_and_close_store(void)
{
    for (unsigned i = 0; i < sim.n_runs && !sim.violation[0]; i++) sim_check_run((int)i);
    eyot_store_close(sim.memory);
}

void sim_play(uint64_t seed, uint64_t without, bool tracing, sim_outcome *out)
{
    sim_threads_make();
    memset(&sim, 0, sizeof sim);
    sim.without = without;
    sim.tracing = tracing;
    draw_world(seed);
    sim_heap_init(&sim.memory_heap);
    make_story();
    with_store(open_store);
    if (!sim.violation[0]) go_through();
    if (!sim.violation[0] && sim.gentle_end) end_gently();
    drop_all();
    with_store(check_and_close_store);
    if (!sim_heap_empty(&sim.memory_heap)) sim_violate("the store leaves memory behind");
    sim_heap_clear(&sim.memory_heap);
    *out = (sim_outcome){.hash = sim.hash,
                         .steps = sim.steps,
                         .started = sim.started,
                         .again = sim.again,
                         .killed = sim.killed,
                         .faults = sim.n_faults,
                         .faults_done = sim.n_done};
    memcpy(out->violation, sim.violation, sizeof out->violation);
    sim.seed = 0;
}
