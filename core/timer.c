/* SPDX-License-Identifier: MIT */
/* Alarms: a binary heap of tasks by when they are due. A task has one alarm at most, and knows its place, so that it can be
 * taken back; room for it is made with the task's aside, so that setting one cannot fail. */
#include <assert.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/run.h"

bool eyot__timer_reserve(eyot_engine *engine)
{
    bool good = true;
    pthread_mutex_lock(&engine->lock);
    if (engine->n_asides == engine->cap_alarms) {
        uint32_t cap = engine->cap_alarms ? engine->cap_alarms * 2 : 16;
        eyot_task **alarms = realloc(engine->alarms, cap * sizeof *alarms);
        good = alarms != NULL;
        if (good) {
            engine->alarms = alarms;
            engine->cap_alarms = cap;
        }
    }
    engine->n_asides += good;
    pthread_mutex_unlock(&engine->lock);
    return good;
}

void eyot__timer_release(eyot_engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    engine->n_asides--;
    pthread_mutex_unlock(&engine->lock);
}

/* ---- the heap; engine lock held -------------------------------------------------------------------------------- */

static void put(eyot_engine *engine, uint32_t i, eyot_task *t)
{
    engine->alarms[i] = t;
    t->aside->at = i + 1;
}

static void rise(eyot_engine *engine, uint32_t i, eyot_task *t)
{
    for (; i > 0 && t->aside->due_ns < engine->alarms[(i - 1) / 2]->aside->due_ns; i = (i - 1) / 2)
        put(engine, i, engine->alarms[(i - 1) / 2]);
    put(engine, i, t);
}

static void take_out(eyot_engine *engine, eyot_task *t)
{
    uint32_t i = t->aside->at - 1, n = --engine->n_alarms;
    eyot_task *last = engine->alarms[n];
    t->aside->at = 0;
    if (last == t) return;
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && engine->alarms[child + 1]->aside->due_ns < engine->alarms[child]->aside->due_ns) child++;
        if (last->aside->due_ns <= engine->alarms[child]->aside->due_ns) break;
        put(engine, i, engine->alarms[child]);
    }
    rise(engine, i, last); /* the hole may lie in another part of the heap than the last one came from */
}

static void forget(eyot_engine *engine, eyot_task *t)
{
    if (t->aside->at) take_out(engine, t);
    if (engine->alarming == t) engine->alarming = NULL;
}

/* ---- setting --------------------------------------------------------------------------------------------------- */

void eyot__timer_set(eyot_task *t, eyot__alarm alarm, uint64_t in_ns)
{
    eyot_engine *engine = t->run->engine;
    uint64_t now = eyot__now_ns();
    pthread_mutex_lock(&engine->lock);
    forget(engine, t);
    t->aside->alarm = alarm;
    t->aside->due_ns = in_ns < UINT64_MAX / 2 ? now + in_ns : UINT64_MAX / 2;
    assert(engine->n_alarms < engine->n_asides);
    rise(engine, engine->n_alarms++, t);
    if (engine->alarms[0] == t) pthread_cond_signal(&engine->beat);
    pthread_mutex_unlock(&engine->lock);
}

void eyot__timer_clear(eyot_task *t)
{
    eyot_engine *engine = t->run->engine;
    pthread_mutex_lock(&engine->lock);
    forget(engine, t);
    pthread_mutex_unlock(&engine->lock);
}

/* ---- the keeper ------------------------------------------------------------------------------------------------ */

uint64_t eyot__timer_next(const eyot_engine *engine)
{
    return engine->n_alarms ? engine->alarms[0]->aside->due_ns : UINT64_MAX;
}

/* Between taking an alarm out and locking its run somebody may take it back: `alarming` tells. */
void eyot__timer_fire(eyot_engine *engine)
{
    while (engine->n_alarms && engine->alarms[0]->aside->due_ns <= eyot__now_ns()) {
        eyot_task *t = engine->alarms[0];
        eyot_run *r = t->run;
        take_out(engine, t);
        engine->alarming = t;
        atomic_fetch_add(&r->pins, 1);
        pthread_mutex_unlock(&engine->lock);
        pthread_mutex_lock(&r->lock);
        pthread_mutex_lock(&engine->lock);
        bool still = engine->alarming == t;
        engine->alarming = NULL;
        pthread_mutex_unlock(&engine->lock);
        if (still) eyot__task_alarm(t);
        pthread_mutex_unlock(&r->lock);
        eyot__run_unpin(r);
        pthread_mutex_lock(&engine->lock);
    }
}
