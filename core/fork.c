/* SPDX-License-Identifier: MIT */
/* A new run from where another one once was. */
#include <stdio.h>
#include <string.h>

#include <eyot/replay.h>

#include "core/options.h"
#include "core/past.h"
#include "core/run.h"

/* The live task that is named, or the only one. */
static eyot_status find_branch(eyot_run *r, const char *task, const char *of, eyot__activation **out, eyot_error *e)
{
    const eyot__frontier *f = &r->frontier;
    eyot_status status = EYOT_OK;
    *out = NULL;
    for (eyot__activation *a = f->live; a && !*out && !status; a = a->next) {
        bool wanted = f->n_live == 1;
        if (task) status = eyot__key_is(r->graph, &a->who, task, &wanted);
        if (wanted) *out = a;
    }
    if (status) return eyot_error_set(e, status, "out of memory");
    if (*out) return EYOT_OK;
    if (task) return eyot_error_set(e, EYOT_EINVAL, "run %s has no live task %.100s at that step", of, task);
    if (f->n_live == 0) return eyot_error_set(e, EYOT_EINVAL, "run %s has no live branch at that step", of);
    return eyot_error_set(e, EYOT_EINVAL, "run %s has %llu live branches at that step; say which task's is changed", of,
                          (unsigned long long)f->n_live);
}

/* Takes the update. It enters the history of the branch as if the task that it stands at had given it. */
static eyot_status change_branch(eyot_run *r, const char *task, const char *of, void *update_take, eyot_error *e)
{
    eyot__history *h = &r->frontier.history;
    eyot__activation *a;
    eyot_status status = find_branch(r, task, of, &a, e);
    if (!status) status = eyot__state_update(&a->state, update_take, h, e);
    if (status) {
        r->graph->copier->free(update_take, r->graph->copier_user);
        return status;
    }
    status = eyot__history_extend(h, &a->version, update_take, &a->who, -1);
    return status ? eyot_error_set(e, status, "out of memory") : EYOT_OK;
}

/* The frontier of the other run becomes this one's. */
static eyot_status copy_checkpoint(eyot_run *r, const char *of, uint64_t step, uint64_t head, eyot_error *e)
{
    eyot_bytes run = eyot__bytes(of, strlen(of));
    eyot__rebuilt built;
    uint64_t seq = head;
    eyot_status status =
        step == EYOT_LATEST ? EYOT_OK : eyot__past_find_step(r->engine->store, run, head, step, &seq, e);
    eyot__history_release(&r->frontier.history, r->frontier.history.root);
    if (!status) status = eyot__rebuild_at(&r->frontier, &built, r->engine->store, run, seq, e);
    if (!status) status = eyot__rebuilt_reaches(&built, run, seq, e);
    if (status) return status;
    atomic_store(&r->steps, built.steps);
    r->started = r->logged_steps = r->steps_before = built.steps;
    memcpy(r->seed, built.seed, sizeof r->seed);
    r->seeded = true;
    return EYOT_OK;
}

static eyot_status create(eyot_run *r, const char *of, bool held, eyot_error *e)
{
    eyot_submit_options never = EYOT_SUBMIT_OPTIONS_INIT;
    char origin[EYOT_RUN_ID_BYTES + 24];
    never.delay_ms = UINT64_MAX;
    snprintf(origin, sizeof origin, "%s@%llu", of, (unsigned long long)atomic_load(&r->steps));
    eyot__pool_list(r->engine, r); /* before the store knows it, as of every new run */
    eyot_status status = eyot__run_create(r, held ? &never : NULL, origin, e);
    if (status || held) eyot__pool_withdraw(r->engine, r);
    return status;
}

/* A run that is as the other one was, and has its name. */
static eyot_status make(eyot_run *r, const char *of, uint64_t step, uint64_t head, eyot_fork_options *fork,
                        const char *name, eyot_error *e)
{
    void *update = fork->update_take;
    eyot_status status = copy_checkpoint(r, of, step, head, e);
    if (!status && name) memcpy(r->id, name, strlen(name) + 1);
    if (!status && !name && eyot__make_run_id(r->id)) status = eyot_error_set(e, EYOT_EIO, "no random bytes");
    r->id_len = strlen(r->id);
    if (status || !update) return status;
    fork->update_take = NULL;
    return change_branch(r, fork->task, of, update, e);
}

static eyot_status check(eyot_fork_options *fork, const eyot_fork_options *given, eyot_run_options *o,
                         const eyot_run_options *options, const eyot_engine *engine, const eyot_graph *g, eyot_error *e)
{
    if (eyot__options_read(fork, sizeof *fork, given))
        return eyot_error_set(e, EYOT_EINVAL, "fork options of another size");
    eyot_status status = eyot__run_options_check(o, options, engine, g, e);
    if (status) return status;
    if (fork->flags > EYOT_FORK_HOLD || fork->reserved || o->n_answers > 0)
        return eyot_error_set(e, EYOT_EINVAL, "a fork option has an unknown value");
    if (!engine->store) return eyot_error_set(e, EYOT_EINVAL, "the engine has no store to fork a run in");
    return EYOT_OK;
}

eyot_status eyot_run_fork(eyot_run **out, eyot_engine *engine, const eyot_graph *g, const char *run_id, uint64_t step,
                          const eyot_fork_options *fork, const eyot_run_options *options, char id[EYOT_RUN_ID_BYTES],
                          eyot_error *e)
{
    eyot_fork_options f;
    eyot_run_options o;
    eyot_run *r = NULL;
    uint64_t head = 0;
    *out = NULL;
    eyot_status status = check(&f, fork, &o, options, engine, g, e);
    if (!status) status = eyot__past_check_with(engine->store, g, run_id, o.flags & EYOT_RUN_ACCEPT_CHANGES, &head, e);
    if (!status && !(r = eyot__run_new(engine, g, &o))) status = eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    if (!status) status = make(r, run_id, step, head, &f, o.run_id, e);
    if (!status) status = create(r, run_id, f.flags & EYOT_FORK_HOLD, e);
    if (f.update_take && g) g->copier->free(f.update_take, g->copier_user);
    if (!status && id) memcpy(id, r->id, r->id_len + 1);
    if (r && (status || (f.flags & EYOT_FORK_HOLD))) {
        eyot__run_free_unbegun(r);
    } else if (r) {
        eyot__run_launch(r, true);
        *out = r;
    }
    return status;
}
