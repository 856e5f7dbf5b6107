/* SPDX-License-Identifier: MIT */
/* What the processes do: workers, and the commands of people, each in a process of its own. */
#include "test/sim/sim.h"

#include <stdio.h>
#include <string.h>

/* ---- what all of them have ----------------------------------------------------------------------------------------- */

typedef struct tools {
    eyot_store *store;
    eyot_graph *graph;
    eyot_engine *engine;
} tools;

static bool tools_make(tools *t, sim_process *p)
{
    eyot_engine_options o = EYOT_ENGINE_OPTIONS_INIT;
    *t = (tools){sim_store_new(p), sim_graph_make(), NULL};
    o.store = t->store;
    o.threads = sim.threads;
    o.lease_ms = sim.lease_ms;
    if (!t->store || !t->graph) return false;
    p->status = eyot_engine_new(&t->engine, &o, NULL);
    p->engine = t->engine;
    return p->status == EYOT_OK;
}

static void tools_free(tools *t, sim_process *p)
{
    eyot_engine_free(t->engine);
    while (p->helpers > 0) sim_sleep_ns(SIM_MS); /* they have tasks of the graph */
    p->engine = NULL;
    eyot_graph_free(t->graph);
    eyot_store_close(t->store);
}

static eyot_run_options how_to_run(uint32_t flags)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.strategy = sim.strategy;
    o.durability = sim.durability;
    o.max_parallel = (uint32_t)sim_draw(&sim.chance, 3);
    o.max_behind = (uint32_t)sim_draw(&sim.chance, 4);
    o.flags = flags | (sim_draw(&sim.chance, 8) ? 0 : EYOT_RUN_CHECK_INPUTS);
    return o;
}

static void look_at_end(eyot_run *run)
{
    const char *id = eyot_run_id(run);
    int number = sim_run_find((eyot_bytes){id, strlen(id)});
    const sim_run *r = &sim.runs[number];
    if (eyot_run_status_of(run) != EYOT_RUN_DONE) return;
    sim_check_state(number, eyot_run_state(run), "in memory");
    if (r->exists && !r->reborn && r->status != EYOT_RUN_DONE)
        sim_violate("I1: run %s is told to be done, and is not in the store", id);
}

/* ---- workers ------------------------------------------------------------------------------------------------------- */

static void told(void *arg, const eyot_worker_report *r)
{
    (void)arg;
    if (r->news == EYOT_WORKER_LEFT) look_at_end(r->run);
    sim_trace("worker's news: %llu, error %llu", (uint64_t)r->news, (uint64_t)-r->error, 0);
    if (r->news == EYOT_WORKER_PARKED && r->error != EYOT_ELIMIT)
        sim_violate("run %s is parked: %s", r->run_id, r->text);
}

void sim_worker_main(sim_process *p)
{
    tools t;
    eyot_worker_options o = EYOT_WORKER_OPTIONS_INIT;
    eyot_run_options how = how_to_run(0);
    o.run = &how;
    o.poll_ms = 100 + (uint32_t)sim_draw(&sim.chance, 900);
    o.max_runs = sim.max_runs;
    o.told = told;
    if (tools_make(&t, p) && !eyot_worker_new(&p->worker, t.engine, &o, NULL)) {
        eyot_worker *w = p->worker;
        (void)eyot_worker_add(w, t.graph, NULL, NULL);
        p->status = eyot_worker_run(w, NULL);
        while (p->stopping) sim_sleep_ns(SIM_MS);
        p->worker = NULL;
        eyot_worker_free(w);
    }
    tools_free(&t, p);
}

static void *stop(void *arg)
{
    sim_process *p = arg;
    eyot_worker_stop(p->worker, sim_draw(&sim.chance, 2) == 0);
    p->stopping = false;
    return NULL;
}

void sim_stop_worker(sim_process *p)
{
    if (!p->worker || p->stopping) return;
    p->stopping = true;
    sim_thread_start(p, stop, p, true);
}

/* ---- commands ------------------------------------------------------------------------------------------------------ */

void sim_submit_main(sim_process *p)
{
    tools t;
    eyot_submit_options o = EYOT_SUBMIT_OPTIONS_INIT;
    o.run_id = sim.runs[p->slot].id;
    o.delay_ms = sim_draw(&sim.chance, 4) ? 0 : sim_draw(&sim.chance, 1000);
    if (tools_make(&t, p)) p->status = eyot_run_submit(t.engine, t.graph, sim_state_new(), &o, NULL, NULL);
    tools_free(&t, p);
}

void sim_start_main(sim_process *p)
{
    tools t;
    eyot_run *run = NULL;
    eyot_run_options o = how_to_run(0);
    o.run_id = sim.runs[p->slot].id;
    if (tools_make(&t, p)) p->status = eyot_run_sync(&run, t.engine, t.graph, sim_state_new(), &o, NULL);
    if (run) look_at_end(run);
    eyot_run_free(run);
    tools_free(&t, p);
}

/* Answers to some of the open questions. */
enum { ANSWERS = 8 };
typedef struct answers {
    eyot_answer all[ANSWERS];
    char keys[ANSWERS][SIM_KEY_BYTES], texts[ANSWERS][24];
    size_t n;
} answers;

static eyot_status think(answers *a, const tools *t, const char *id)
{
    eyot_checkpoint *c;
    a->n = 0;
    eyot_status status = eyot_store_load_latest_checkpoint(&c, t->store, t->graph, id, NULL);
    if (status) return status;
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c) && a->n < ANSWERS; i++) {
        const char *key = eyot_checkpoint_branch_task(c, i);
        if (!eyot_checkpoint_branch_question(c, i) || (a->n > 0 && sim_draw(&sim.chance, 2))) continue;
        snprintf(a->keys[a->n], sizeof a->keys[0], "%s", key);
        a->all[a->n].text = sim_answer(sim_key_find(key, strlen(key)), a->texts[a->n]);
        a->all[a->n].task = a->keys[a->n];
        a->n++;
    }
    eyot_checkpoint_free(c);
    return EYOT_OK;
}

void sim_resume_main(sim_process *p)
{
    tools t;
    answers a;
    eyot_run *run = NULL;
    const char *id = sim.runs[p->slot].id;
    eyot_run_options o = how_to_run(sim_draw(&sim.chance, 2) ? EYOT_RUN_NO_WAIT : 0);
    if (tools_make(&t, p)) {
        p->status = think(&a, &t, id);
        o.answers = a.all;
        o.n_answers = a.n;
        if (!p->status) p->status = eyot_run_resume(&run, t.engine, t.graph, id, &o, NULL);
        if (run && sim_draw(&sim.chance, 3) == 0) eyot_run_give_back(run);
        if (run) p->status = eyot_run_wait(run, NULL);
        if (run) look_at_end(run);
        eyot_run_free(run);
    }
    tools_free(&t, p);
}

void sim_cancel_main(sim_process *p)
{
    sim_run *r = &sim.runs[p->slot];
    unsigned claims = r->claims_by_hand;
    eyot_store *store = sim_store_new(p);
    if (!store) return;
    p->status = eyot_store_cancel(store, r->id, NULL, NULL);
    if ((!p->status || p->status == EYOT_EALREADY) && claims == r->claims_by_hand && r->exists) r->cancel_told = true;
    eyot_store_close(store);
}

void sim_delete_main(sim_process *p)
{
    eyot_store *store = sim_store_new(p);
    if (!store) return;
    p->status = eyot_store_delete(store, sim.runs[p->slot].id, NULL);
    eyot_store_close(store);
}
