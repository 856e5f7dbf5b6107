/* SPDX-License-Identifier: MIT */
/* Questions and sleeps: a task suspends, what it waits for becomes an entry, and it starts again from its beginning when the
 * answer or the time has come. What was asked and answered is in the activation's memo, which the log restores. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/record.h"
#include "core/run.h"

enum { QUESTION_MAX = 65536 };

/* ---- what the node calls --------------------------------------------------------------------------------------- */

static eyot_status suspends(eyot_task *t)
{
    t->suspends = true;
    return EYOT_SUSPENDED;
}

/* The n-th wait of the task, if the log has it; else where the new one is put down. Its thread alone changes `asked`, and the memo
 * changes only while the task does not run. An attempt suspends for one thing: SUSPENDED, as long as that has not come, and when
 * nobody will ever look at what it waits for. */
static eyot_status next_wait(eyot_task *t, bool question, eyot__wait **known)
{
    eyot_run *r = t->run;
    *known = NULL;
    if (t->suspends) return EYOT_SUSPENDED;
    eyot__wait *w = *known = eyot__memo_wait(&t->a, t->asked++);
    if (w && (w->question != NULL) != question) {
        eyot_task_fail(t, "the task %s where it %s before: it must wait for the same things in every attempt",
                       question ? "asks" : "sleeps", question ? "slept" : "asked");
        t->failed = EYOT_EINVAL;
        return EYOT_EINVAL;
    }
    if (w) return EYOT_OK;
    pthread_mutex_lock(&r->lock);
    bool over = !t->aside && r->phase == EYOT__RUN_ENDED; /* abandoned long ago: the engine may be gone */
    bool good = over || eyot__aside_of(t) != NULL;
    pthread_mutex_unlock(&r->lock);
    return over ? suspends(t) : good ? EYOT_OK : EYOT_ENOMEM;
}

eyot_status eyot_task_ask(eyot_task *task, const char *question, const char **answer)
{
    eyot__wait *w;
    if (!question || !answer) return EYOT_EINVAL;
    *answer = NULL;
    size_t len = strlen(question);
    if (len > QUESTION_MAX) return EYOT_ELIMIT;
    eyot_status status = next_wait(task, true, &w);
    if (status) return status;
    if (w && w->answer) {
        *answer = w->answer;
        return EYOT_OK;
    }
    if (w) return suspends(task); /* it is open, and is only waited for again */
    free(task->aside->question);
    task->aside->question = malloc(len + 1);
    if (!task->aside->question) return EYOT_ENOMEM;
    memcpy(task->aside->question, question, len + 1);
    return suspends(task);
}

eyot_status eyot_task_sleep(eyot_task *task, uint64_t ms)
{
    eyot__wait *w;
    eyot_status status = next_wait(task, false, &w);
    if (status) return status;
    int64_t now = eyot__wall_ms();
    if (w) { /* it has got beyond it before, whatever the clock of this machine says */
        bool over = w->due_ms <= now || task->run->replayed || eyot__memo_wait(&task->a, task->asked);
        return over ? EYOT_OK : suspends(task);
    }
    task->aside->due_ms = ms < (uint64_t)(INT64_MAX - now) ? now + (int64_t)ms : INT64_MAX;
    return suspends(task);
}

bool eyot__wait_has(const eyot_task *t)
{
    return t->suspends;
}

/* ---- what becomes of it; run lock held -------------------------------------------------------------------------- */

/* The n-th wait of a task that has suspended, or the answer to it. */
static eyot_status append_wait(eyot_run *r, const eyot__activation *a, uint32_t n, const char *text, bool answer,
                               int64_t due_ms, const eyot__outside_list *told)
{
    eyot_buf buf = EYOT__BUF_INIT;
    if (!r->stored || r->lost || r->durability == EYOT_EXIT) return EYOT_OK;
    buf.max = r->engine->max_body;
    eyot_entry_kind kind = answer ? EYOT_ENTRY_ANSWERED : text ? EYOT_ENTRY_ASKED : EYOT_ENTRY_TIMER;
    size_t at = eyot__record_begin(&buf, kind, r->graph->copier->name);
    if (answer)
        eyot__entry_put_answered(&buf, r->graph, &a->who, n, text);
    else if (text)
        eyot__entry_put_asked(&buf, r->graph, &a->who, n, text, told);
    else
        eyot__entry_put_timer(&buf, r->graph, &a->who, n, due_ms, told);
    eyot__record_end(&buf, at);
    eyot_status status = buf.failed ? buf.failed : eyot__run_append_of(r, kind, &a->who, &buf);
    eyot__buf_clear(&buf);
    return status;
}

eyot_status eyot__wait_commit(eyot_task *t)
{
    eyot__aside *a = t->aside;
    uint32_t n = t->asked - 1;
    if (eyot__memo_wait(&t->a, n)) return EYOT_OK; /* the log has it */
    eyot_status status = a->question ? eyot__memo_ask(&t->a, n, a->question, strlen(a->question))
                                     : eyot__memo_sleep(&t->a, n, a->due_ms);
    eyot__outside_list *told = t->said ? &t->said->told : NULL;
    if (!status) status = append_wait(t->run, &t->a, n, a->question, false, a->due_ms, told);
    if (!status && told) eyot__outside_move(&t->a.memo->told, told);
    free(a->question);
    a->question = NULL;
    a->due_ms = 0;
    return status;
}

bool eyot__wait_park(eyot_task *t)
{
    eyot_run *r = t->run;
    const eyot__memo *m = t->a.memo;
    const eyot__wait *w = m && m->n ? &m->waits[m->n - 1] : NULL;
    if (!w || (w->question && w->answer)) return false;
    int64_t left = w->question ? 0 : w->due_ms - eyot__wall_ms();
    if (!w->question && left <= 0) return false;
    if (!eyot__aside_of(t)) {
        eyot__run_fail(r, EYOT_ENOMEM, "out of memory");
        return true;
    }
    if (w->question) {
        t->aside->asking = true;
        r->asking++;
    } else {
        r->sleeping++;
        eyot__timer_set(t, EYOT__ALARM_SLEEP,
                        (uint64_t)left > UINT64_MAX / 2000000u ? UINT64_MAX : (uint64_t)left * 1000000u);
    }
    return true;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

/* The activation a question of which is open: by its key, or the only one. Of a run that is being resumed, it is no task so far. */
static eyot__activation *find_asking(eyot_run *r, const char *key, eyot_error *e)
{
    eyot__activation *found = NULL;
    uint32_t n = 0;
    for (eyot__activation *a = r->frontier.live; a; a = a->next) {
        bool wanted = eyot__memo_question(a) != NULL;
        if (wanted && key && eyot__key_is(r->graph, &a->who, key, &wanted)) {
            eyot_error_set(e, EYOT_ENOMEM, "out of memory");
            return NULL;
        }
        if (!wanted) continue;
        found = a;
        n++;
    }
    if (n == 1) return found;
    if (key)
        eyot_error_set(e, EYOT_ENOTFOUND, "run %s: no question of task %.100s is open", r->id, key);
    else if (n == 0)
        eyot_error_set(e, EYOT_ENOTFOUND, "run %s: no question is open", r->id);
    else
        eyot_error_set(e, EYOT_EINVAL, "run %s: %u questions are open; say which task is answered", r->id, n);
    return NULL;
}

static eyot_status answer(eyot_run *r, const char *key, const char *text, eyot__activation **of, eyot_error *e)
{
    *of = NULL;
    if (!text) return eyot_error_set(e, EYOT_EINVAL, "run %s: an answer is NULL", r->id);
    eyot_error own;
    eyot__activation *a = find_asking(r, key, &own);
    if (!a) return eyot_error_set(e, own.status, "%s", own.text);
    uint32_t n = a->memo->n - 1;
    eyot_status status = eyot__memo_answer(a, n, text, strlen(text));
    if (!status && (status = append_wait(r, a, n, text, true, 0, NULL)) != EYOT_OK) {
        free(a->memo->waits[n].answer); /* still open */
        a->memo->waits[n].answer = NULL;
    }
    if (status == EYOT_ELIMIT)
        return eyot_error_set(e, status, "run %s: the answer is larger than the store takes", r->id);
    if (status)
        return eyot_error_set(e, status, "run %s: the answer could not be kept: %s", r->id, eyot_status_text(status));
    *of = a;
    return EYOT_OK;
}

eyot_status eyot__wait_answers(eyot_run *r, const eyot_answer *answers, size_t n, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    eyot__activation *a;
    if (n > 0 && !answers) return eyot_error_set(e, EYOT_EINVAL, "run %s: answers is NULL", r->id);
    for (size_t i = 0; i < n && !status; i++) status = answer(r, answers[i].task, answers[i].text, &a, e);
    if (status != EYOT_ENOTFOUND) return status;
    if (e) e->status = EYOT_EINVAL; /* ENOTFOUND would mean the run */
    return EYOT_EINVAL;
}

eyot_status eyot_run_answer(eyot_run *run, const char *task, const char *text, eyot_error *e)
{
    eyot__activation *a;
    pthread_mutex_lock(&run->lock);
    eyot_status status = run->phase != EYOT__RUN_LIVE ? eyot_error_set(e, EYOT_ECLOSED, "run %s has ended", run->id)
                         : run->asking == 0 /* nor may the frontier be looked at: its run may go on without the lock */
                             ? eyot_error_set(e, EYOT_ENOTFOUND, "run %s: no question is open", run->id)
                             : answer(run, task, text, &a, e);
    if (!status) {
        eyot_task *t = (eyot_task *)(void *)a;
        if (t->aside && t->aside->asking) {
            t->aside->asking = false;
            run->asking--;
        }
        eyot__task_again(t);
        eyot__run_enqueue(run, t);
        if (run->out.n > 0) eyot__run_flush_soon(run);
        eyot__run_wake_ready(run);
    }
    pthread_mutex_unlock(&run->lock);
    return status;
}

size_t eyot_run_questions(const eyot_run *run, eyot_question_fn fn, void *arg)
{
    eyot_run *r = (eyot_run *)(uintptr_t)run;
    size_t n = 0;
    pthread_mutex_lock(&r->lock);
    for (eyot__activation *a = r->frontier.live; a && !r->alone && !r->broken; a = a->next) {
        const eyot__wait *w = eyot__memo_question(a);
        if (!w) continue;
        const char *key = eyot_task_key((eyot_task *)(void *)a);
        if (fn) fn(arg, key ? key : eyot_task_node((eyot_task *)(void *)a), w->question);
        n++;
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}
