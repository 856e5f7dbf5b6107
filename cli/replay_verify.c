/* SPDX-License-Identifier: MIT */
/* Does a run do again what its log says? Nothing is written; without --live no command is started. */
#include "cli/replay.h"

#include "cli/patch.h"
#include "cli/life.h"
#include "cli/out.h"

#include <eyot/replay.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOLD_MOST = 5, SHOWN_MOST = 500 };

typedef struct verifying {
    const run_row *row;
    uint64_t from, n;
    eyot_value *passed_over; /* what was not compared: task, step, why */
    eyot_value *difference;  /* NULL: there is none */
    uint64_t drawn_ms;
} verifying;

/* ---- while it goes on ------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Ten times a second at most, and not at once. */
static void draw(verifying *v)
{
    char line[256];
    uint64_t now = now_ms(), all = v->row->steps > v->from ? v->row->steps - v->from : 0;
    if (now < v->drawn_ms + 100) return;
    v->drawn_ms = now;
    snprintf(line, sizeof line, "%.40s: %" PRIu64 " of %" PRIu64 " tasks", v->row->id, v->n, all > v->n ? all : v->n);
    out_status(line);
}

/* What a copier has printed is JSON mostly. */
static eyot_value *printed_value(const char *text)
{
    eyot_value *v = *text ? eyot_json_parse(text, NULL) : eyot_value_new_null();
    return v ? v : eyot_value_new_string(text);
}

static eyot_value *task_value(const eyot_verified_task *task)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "step", eyot_value_new_uint(task->step));
    v = eyot_value_set(v, "task", eyot_value_new_string(task->task));
    return eyot_value_set(v, "node", eyot_value_new_string(task->node));
}

static eyot_value *difference_value(const eyot_verified_task *task)
{
    eyot_value *v = task_value(task);
    v = eyot_value_set(v, "verdict", eyot_value_new_string(eyot_verdict_name(task->verdict)));
    v = eyot_value_set(v, "pointer", eyot_value_new_string(task->pointer));
    v = eyot_value_set(v, "expected", printed_value(task->expected));
    return eyot_value_set(v, "got", printed_value(task->got));
}

static eyot_status on_task(void *arg, const eyot_verified_task *task)
{
    verifying *v = arg;
    v->n++;
    if (out_has_terminal() && !out_is_quiet()) draw(v);
    if (task->verdict == EYOT_SAME) return EYOT_OK;
    if (task->verdict != EYOT_NOT_COMPARED) {
        v->difference = difference_value(task);
        return v->difference ? EYOT_OK : EYOT_ENOMEM;
    }
    eyot_value *one = eyot_value_set(task_value(task), "why", eyot_value_new_string(task->got));
    v->passed_over = eyot_value_append(v->passed_over, one);
    return v->passed_over ? EYOT_OK : EYOT_ENOMEM;
}

/* ---- the result ------------------------------------------------------------------------------------------------- */

static const char *text_at(const eyot_value *v, const char *key)
{
    return eyot_value_string(eyot_value_at(v, key), "");
}

static void print_side(const char *name, out_style style, const eyot_value *v)
{
    char *text = eyot_value_kind_of(v) == EYOT_VALUE_NULL ? strdup("nothing") : patch_value_text(v, SHOWN_MOST);
    out_printf("  %-9s ", name);
    out_styled(style, text ? text : "?");
    out_printf("\n");
    free(text);
}

static void print_difference(const eyot_value *d)
{
    const char *pointer = text_at(d, "pointer"), *verdict = text_at(d, "verdict");
    bool compared = strncmp(verdict, "other", 5) == 0;
    out_printf("step %" PRIu64 ", ", eyot_value_uint(eyot_value_at(d, "step"), 0));
    out_text(text_at(d, "task"));
    out_printf(": %s%s", verdict, *pointer ? " at " : "");
    out_text(pointer);
    out_printf("\n");
    if (compared) print_side("expected", OUT_BAD, eyot_value_at(d, "expected"));
    if (compared)
        print_side("got", OUT_GOOD, eyot_value_at(d, "got"));
    else
        out_printf("  "), out_text(text_at(d, "got")), out_printf("\n");
}

static void print_passed_over(const verifying *v)
{
    size_t n = eyot_value_count(v->passed_over);
    if (n > 0) out_printf("%zu task%s not compared:\n", n, n == 1 ? " was" : "s were");
    for (size_t i = 0; i < n && i < TOLD_MOST; i++) {
        const eyot_value *one = eyot_value_item(v->passed_over, i);
        out_printf("  step %" PRIu64 ", ", eyot_value_uint(eyot_value_at(one, "step"), 0));
        out_text(text_at(one, "task"));
        out_printf(": ");
        out_text(text_at(one, "why"));
        out_printf("\n");
    }
    if (n > TOLD_MOST) out_printf("  and %zu more; --json tells all\n", n - TOLD_MOST);
}

static bool print_json(const verifying *v, const eyot_verify_result *result)
{
    eyot_value *o = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    o = eyot_value_set(o, "run", eyot_value_new_string(v->row->id));
    o = eyot_value_set(o, "graph", eyot_value_new_string(v->row->graph));
    o = eyot_value_set(o, "same", eyot_value_new_bool(!v->difference));
    o = eyot_value_set(o, "compared", eyot_value_new_uint(result->compared));
    o = eyot_value_set(o, "not_compared", eyot_value_ref(v->passed_over));
    return out_json(
        eyot_value_set(o, "difference", v->difference ? eyot_value_ref(v->difference) : eyot_value_new_null()));
}

static int tell(const args *a, const verifying *v, const eyot_verify_result *result)
{
    uint64_t same = result->compared - (v->difference != NULL);
    if (args_has(a, "json")) {
        if (!print_json(v, result)) return EXIT_FAILED;
    } else {
        if (v->difference) print_difference(v->difference);
        out_printf("%" PRIu64 " task%s what the log says%s\n", same, same == 1 ? " does again" : "s do again",
                   v->difference ? " before that" : "");
        print_passed_over(v);
    }
    return v->difference ? EXIT_FAILED : EXIT_DONE;
}

/* ---- verifying -------------------------------------------------------------------------------------------------- */

static int verify(life *l, const run_row *row)
{
    eyot_error e = {0};
    verifying v = {.row = row, .from = args_number(l->a, "from", 0), .passed_over = eyot_value_new_array()};
    eyot_verify_options options = {.size = sizeof options, .from = v.from, .fn = on_task, .arg = &v};
    eyot_verify_result result = {.size = sizeof result};
    v.drawn_ms = now_ms();
    if (args_has(l->a, "live")) options.flags |= EYOT_VERIFY_LIVE;
    if (args_has(l->a, "graph")) options.flags |= EYOT_VERIFY_CHANGED;
    eyot_status status = eyot_run_verify(l->engine, flow_graph(l->flow), row->id, &options, &result, &e);
    out_status(NULL);
    int code = EXIT_DONE;
    if (status == EYOT_OK || (status == EYOT_EDIFFERS && v.difference))
        code = tell(l->a, &v, &result);
    else
        code = e.text[0] ? out_failed(&e) : out_error(out_exit_code(status), "%s", eyot_status_text(status));
    eyot_value_unref(v.passed_over);
    eyot_value_unref(v.difference);
    return code;
}

int replay_verify(const args *a)
{
    life l;
    run_word word;
    run_row row;
    int code = life_begin(&l, a);
    l.silent = true;
    if (code == EXIT_DONE) code = run_word_read(&word, a->words[0], RUN_ALONE);
    if (code == EXIT_DONE) code = place_open(&l.place, a, PLACE_LOOK);
    if (code == EXIT_DONE) code = place_find(&l.place, word.run, &row);
    if (code == EXIT_DONE) code = life_trust(&l, &row, args_has(a, "live"));
    if (code == EXIT_DONE) code = life_choose_graph(&l, &row);
    l.jobs = 1;
    if (code == EXIT_DONE) code = life_make(&l, life_directory(&l, row.id));
    if (code == EXIT_DONE) code = verify(&l, &row);
    return life_end(&l, code);
}
