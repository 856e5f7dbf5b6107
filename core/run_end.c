/* SPDX-License-Identifier: MIT */
/* How a run ends: when nothing is left to do, somebody must be waited for, or it is not to go on here; and what is written of it. */
#include "core/clock.h"
#include "core/outbox.h"
#include "core/record.h"
#include "core/run.h"

void eyot__run_ended(eyot_run *r)
{
    r->phase = EYOT__RUN_ENDED;
    r->ended_ns = eyot__run_clock_ns(r);
    for (eyot__activation *a = r->frontier.live; a && r->asides > 0; a = a->next)
        if (((eyot_task *)(void *)a)->aside) eyot__aside_retire((eyot_task *)(void *)a);
    if (r->listed && r->engine) eyot__pool_withdraw(r->engine, r);
    pthread_cond_broadcast(&r->changed);
    if (r->on_end) r->on_end(r->on_end_arg);
}

static void final_state(eyot_run *r)
{
    eyot_error e;
    eyot__error_none(&e);
    if (eyot__frontier_result(&r->frontier, &r->result, &e))
        eyot__run_fail(r, e.status, "at the end of the run: %s", e.text);
}

/* The last entry: the status, after a snapshot when only the end is written. */
static void write_end(eyot_run *r)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot_status status = EYOT_OK;
    size_t at = eyot__record_begin(&buf, EYOT_ENTRY_STATUS, r->graph->copier->name);
    eyot__entry_put_status(&buf, r->status, &r->error);
    eyot__record_end(&buf, at);
    if (!status) status = buf.failed ? buf.failed : eyot__run_append(r, EYOT_ENTRY_STATUS, NULL, 0, buf.data, buf.len);
    eyot__buf_clear(&buf);
    r->phase = EYOT__RUN_ENDING;
    if (status) { /* nothing is told to the store: it keeps what it has, and the run can be resumed from there */
        eyot__run_fail(r, status, "out of memory while writing the end of the run");
        r->status = EYOT_RUN_FAILED;
        r->lost = true;
        eyot__run_ended(r);
    }
}

/* Nothing can go on before somebody answers; with EYOT_RUN_NO_WAIT, or before some time has come. */
static bool is_suspended(const eyot_run *r)
{
    bool waits = r->flags & EYOT_RUN_NO_WAIT ? r->asking + r->sleeping > 0 : r->asking > 0 && r->sleeping == 0;
    return waits && r->n_ready == 0 && !r->held && r->launched;
}

/* When the first of its sleeps and retries is due. The keeper may be at it already. */
static int64_t next_alarm_ms(const eyot_run *r)
{
    uint64_t now = eyot__now_ns(), next = UINT64_MAX;
    pthread_mutex_lock(&r->engine->lock);
    for (const eyot__activation *a = r->frontier.live; a && r->sleeping > 0; a = a->next) {
        const eyot_task *t = (const eyot_task *)(const void *)a;
        bool is_set = t->aside && (t->aside->at || r->engine->alarming == t);
        if (is_set && t->aside->due_ns < next) next = t->aside->due_ns;
    }
    pthread_mutex_unlock(&r->engine->lock);
    return next == UINT64_MAX ? INT64_MAX : next <= now ? 0 : (int64_t)((next - now) / 1000000u) + 1;
}

void eyot__run_settle_end(eyot_run *r)
{
    bool cancelled = atomic_load(&r->cancelled), leaving = atomic_load(&r->leaving) && !r->unwanted;
    if (r->phase != EYOT__RUN_LIVE || r->running > 0) return;
    bool finished = r->frontier.n_live == 0 && r->frontier.n_waiting == 0;
    bool suspended = !finished && is_suspended(r);
    if (!finished && !cancelled && !leaving && !r->failing && !suspended) return;
    /* In exit mode the only entry before the status; written before the last join consumes the ends. */
    if (r->stored && r->durability == EYOT_EXIT && !r->lost) {
        eyot_status status = r->broken ? EYOT_ECONFLICT : eyot__run_append_snapshot(r);
        if (status) eyot__emit_rewind(r, 0); /* their tasks are not stored either, and run again */
        if (status && !r->broken)
            eyot__run_fail(r, status, "the last snapshot could not be written: %s", eyot_status_text(status));
    }
    if (finished && !r->failing) final_state(r);
    r->status = r->failing  ? EYOT_RUN_FAILED
                : finished  ? EYOT_RUN_DONE
                : leaving   ? suspended ? EYOT_RUN_SUSPENDED : EYOT_RUN_READY
                : cancelled ? EYOT_RUN_CANCELLED
                            : EYOT_RUN_SUSPENDED;
    r->due_in_ms = r->status == EYOT_RUN_READY ? 0 : r->status == EYOT_RUN_SUSPENDED ? next_alarm_ms(r) : INT64_MAX;
    if (r->status == EYOT_RUN_READY) eyot_error_set(&r->error, EYOT_ESUSPENDED, "the run was given back");
    if (r->status == EYOT_RUN_CANCELLED) eyot_error_set(&r->error, EYOT_ECANCELED, "the run was cancelled");
    if (r->status == EYOT_RUN_SUSPENDED)
        eyot_error_set(&r->error, EYOT_ESUSPENDED,
                       r->asking > 1    ? "the run waits for %u answers"
                       : r->asking == 1 ? "the run waits for an answer"
                                        : "the run waits for a time",
                       r->asking);
    if (r->stored && !r->lost)
        write_end(r);
    else
        eyot__run_ended(r);
}
