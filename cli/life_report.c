/* SPDX-License-Identifier: MIT */
/* The end of a run: its state on stdout, everything else on stderr. */
#define _GNU_SOURCE /* strverscmp */
#include "cli/life.h"

#include "cli/out.h"
#include "cli/stored.h"

#include <stdlib.h>
#include <string.h>

/* ---- questions -------------------------------------------------------------------------------------------------- */

typedef struct question {
    char *task, *text;
} question;

typedef struct questions {
    question *list;
    size_t n, cap;
    bool failed;
} questions;

/* Under the run's lock: only collects. */
static void on_question(void *arg, const char *task, const char *text)
{
    questions *q = arg;
    if (q->n == q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 8;
        question *more = realloc(q->list, cap * sizeof *more);
        if (!more) {
            q->failed = true;
            return;
        }
        q->list = more;
        q->cap = cap;
    }
    question one = {strdup(task), strdup(text)};
    q->list[q->n++] = one;
    if (!one.task || !one.text) q->failed = true;
}

/* p[2] before p[10], however the branches came to ask. */
static int by_task(const void *a, const void *b)
{
    return strverscmp(((const question *)a)->task, ((const question *)b)->task);
}

static void questions_clear(questions *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free(q->list[i].task);
        free(q->list[i].text);
    }
    free(q->list);
}

/* A question is JSON when a graph file asks it: a text is shown as it reads. */
static void say_question(const char *task, const char *text)
{
    eyot_value *value = eyot_json_parse(text, NULL);
    out_note("  %s: %s", task, eyot_value_string(value, text));
    eyot_value_unref(value);
}

static void say_suspended(const life *l, const char *id, const questions *q)
{
    const char *hint = life_resume_hint(l, id);
    if (q->n == 0) {
        out_note("%s waits for a time; to go on then: %s", id, hint);
        return;
    }
    out_note("%s waits for an answer:", id);
    for (size_t i = 0; i < q->n; i++) say_question(q->list[i].task, q->list[i].text);
    if (q->n == 1)
        out_note("to answer: %s --answer JSON", hint);
    else
        out_note("to answer: %s --answer '%s=JSON' ...", hint, q->list[0].task);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static eyot_value *text_value(const char *text)
{
    return text ? eyot_value_new_string(text) : eyot_value_new_null();
}

static eyot_value *metrics_value(const eyot_run *run)
{
    eyot_run_metrics m = {.size = sizeof m};
    if (eyot_run_measure(run, &m) != EYOT_OK) return eyot_value_new_null();
    double elapsed = (double)m.elapsed_ns, speedup = elapsed > 0 ? (double)m.task_ns / elapsed : 0.0;
    eyot_value *v = eyot_value_new_map();
    v = eyot_value_set(v, "tasks", eyot_value_new_uint(m.tasks));
    v = eyot_value_set(v, "failed", eyot_value_new_uint(m.failed));
    v = eyot_value_set(v, "elapsed_ms", eyot_value_new_uint(m.elapsed_ns / 1000000));
    v = eyot_value_set(v, "task_ms", eyot_value_new_uint(m.task_ns / 1000000));
    v = eyot_value_set(v, "peak_parallel", eyot_value_new_uint(m.peak_parallel));
    return eyot_value_set(v, "speedup", eyot_value_new_double((double)(long long)(speedup * 100 + 0.5) / 100));
}

static eyot_value *questions_value(const questions *q)
{
    eyot_value *list = eyot_value_new_array();
    for (size_t i = 0; i < q->n; i++) {
        eyot_value *text = eyot_json_parse(q->list[i].text, NULL);
        if (!text) text = eyot_value_new_string(q->list[i].text);
        eyot_value *one = eyot_value_set(eyot_value_new_map(), "task", eyot_value_new_string(q->list[i].task));
        list = eyot_value_append(list, eyot_value_set(one, "question", text));
    }
    return list;
}

static eyot_value *error_value(const eyot_run *run)
{
    const char *text = NULL, *task = NULL;
    uint32_t attempt = 0;
    eyot_status s = eyot_run_failure(run, &text, &task, &attempt);
    if (eyot_run_status_of(run) != EYOT_RUN_FAILED || s == EYOT_OK) return eyot_value_new_null();
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "task", text_value(task));
    v = eyot_value_set(v, "attempt", task ? eyot_value_new_uint(attempt) : eyot_value_new_null());
    return eyot_value_set(v, "text", text_value(text));
}

/* Of a run that is not done, what is stored: the join of its branches; null when they cannot be joined. */
static eyot_value *state_value(const life *l)
{
    const eyot_graph *g = flow_graph(l->flow);
    eyot_checkpoint *c = NULL;
    if (eyot_run_state(l->run)) return stored_value(g, eyot_run_state(l->run));
    eyot_store_load_latest_checkpoint(&c, l->place.store, g, eyot_run_id(l->run), NULL);
    eyot_value *state = c ? stored_value(g, eyot_checkpoint_state(c)) : NULL;
    eyot_checkpoint_free(c);
    return state ? state : eyot_value_new_null();
}

static bool print_json(const life *l, const questions *q)
{
    const eyot_run *run = l->run;
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(eyot_run_id(run)));
    v = eyot_value_set(v, "graph", eyot_value_new_string(eyot_graph_name(flow_graph(l->flow))));
    v = eyot_value_set(v, "status", eyot_value_new_string(eyot_run_status_name(eyot_run_status_of(run))));
    v = eyot_value_set(v, "steps", eyot_value_new_uint(eyot_run_steps(run)));
    v = eyot_value_set(v, "state", state_value(l));
    v = eyot_value_set(v, "error", error_value(run));
    v = eyot_value_set(v, "questions", questions_value(q));
    return out_json(eyot_value_set(v, "metrics", metrics_value(run)));
}

/* ---- the end ---------------------------------------------------------------------------------------------------- */

/* Of a run that no task has made fail, the store's own errors keep their code. */
static int failed_code(eyot_status status, const char *task)
{
    bool store = status == EYOT_EIO || status == EYOT_EFENCED || status == EYOT_ECORRUPT || status == EYOT_EGONE;
    return store && !task ? out_exit_code(status) : EXIT_FAILED;
}

static int say_failed(const life *l, eyot_status status, const eyot_error *e)
{
    const char *text = NULL, *task = NULL, *id = eyot_run_id(l->run);
    uint32_t attempt = 0;
    if (eyot_run_failure(l->run, &text, &task, &attempt) == EYOT_OK || !text) text = e->text;
    /* The error of a run may begin with the task already. */
    bool named = !task || strncmp(text, task, strlen(task)) == 0;
    int code = failed_code(status, task);
    out_error(code, "%s failed: %s%s%s", id, named ? "" : task, named ? "" : ": ", text);
    if (status == EYOT_ECONFLICT) /* the same log leads to the same conflict */
        out_note("what is done is kept; name a reducer for the key in the file, and go on with: %s --graph FILE "
                 "--accept-changes",
                 life_resume_hint(l, id));
    else if (status == EYOT_ELIMIT && !task) /* max_steps: all steps count, those of earlier lives too */
        out_note("what is done is kept; name a higher limit in the file, and go on with: %s --graph FILE",
                 life_resume_hint(l, id));
    else
        out_note("what is done is kept; to try again: %s", life_resume_hint(l, id));
    return code;
}

static int say_end(const life *l, eyot_status status, const eyot_error *e, const questions *q)
{
    const char *id = eyot_run_id(l->run);
    switch (eyot_run_status_of(l->run)) {
    case EYOT_RUN_DONE: return EXIT_DONE;
    case EYOT_RUN_SUSPENDED: say_suspended(l, id, q); return EXIT_SUSPENDED;
    case EYOT_RUN_CANCELLED:
        out_note("%s is cancelled; what is done is kept; to go on: %s", id, life_resume_hint(l, id));
        return EXIT_CANCELLED;
    default: return say_failed(l, status, e);
    }
}

int life_report(life *l, eyot_status status, const eyot_error *e)
{
    questions q = {0};
    bool good = true, done = eyot_run_status_of(l->run) == EYOT_RUN_DONE;
    eyot_run_questions(l->run, on_question, &q);
    if (q.n > 0 && !q.failed) qsort(q.list, q.n, sizeof *q.list, by_task);
    int code = q.failed ? out_error(EXIT_FAILED, "out of memory") : say_end(l, status, e, &q);
    if (args_has(l->a, "json"))
        good = !q.failed && print_json(l, &q);
    else if (done)
        good = out_json(stored_value(flow_graph(l->flow), eyot_run_state(l->run)));
    questions_clear(&q);
    return good ? code : EXIT_FAILED;
}
