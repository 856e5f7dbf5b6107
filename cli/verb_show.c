/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/stored.h"
#include "cli/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const args_option options[] = {
    {.name = "json", .help = "one JSON object"},
    {.name = NULL},
};

/* Why it has failed; NULL: it has not. What suspends or cancels a run is no error. */
static const char *error_of(const eyot_checkpoint *c)
{
    eyot_run_status status = eyot_checkpoint_status(c);
    return status == EYOT_RUN_FAILED || status == EYOT_RUN_DEAD ? eyot_checkpoint_error(c) : NULL;
}

/* Of the newest checkpoint; that of a run which was submitted, or cannot be read on, is told by its row alone. */
static eyot_run_status status_of(const run_row *row, const eyot_checkpoint *c, bool latest)
{
    bool by_row = latest && (row->status == EYOT_RUN_READY || row->status == EYOT_RUN_DEAD);
    return by_row ? row->status : eyot_checkpoint_status(c);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static eyot_value *branch_value(const stored *s, const eyot_checkpoint *c, size_t i)
{
    const char *question = eyot_checkpoint_branch_question(c, i);
    int64_t due_ms = eyot_checkpoint_branch_due_ms(c, i);
    eyot_value *v = eyot_value_new_map();
    v = eyot_value_set(v, "task", eyot_value_new_string(eyot_checkpoint_branch_task(c, i)));
    v = eyot_value_set(v, "waiting", eyot_value_new_bool(eyot_checkpoint_branch_waiting(c, i)));
    if (question) {
        eyot_value *asked = eyot_json_parse(question, NULL);
        v = eyot_value_set(v, "question", asked ? asked : eyot_value_new_string(question));
    }
    if (due_ms) {
        char due[WHEN_TEXT];
        when_iso(due, due_ms);
        v = eyot_value_set(v, "due", eyot_value_new_string(due));
    }
    return eyot_value_set(v, "state", stored_value(s->graph, eyot_checkpoint_branch_state(c, i)));
}

/* A run whose branches conflict has no joined state at all, so that the list of conflicts is empty wherever there is
 * one. */
static bool print_json(const stored *s, const run_row *row, const eyot_checkpoint *c, bool latest)
{
    eyot_value *branches = eyot_value_new_array(), *v = eyot_value_new_map();
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++)
        branches = eyot_value_append(branches, branch_value(s, c, i));
    const char *error = error_of(c);
    v = eyot_value_set(v, "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(row->id));
    v = eyot_value_set(v, "graph", eyot_value_new_string(row->graph));
    v = eyot_value_set(v, "origin", *row->origin ? eyot_value_new_string(row->origin) : eyot_value_new_null());
    v = eyot_value_set(v, "step", eyot_value_new_uint(eyot_checkpoint_step(c)));
    v = eyot_value_set(v, "status", eyot_value_new_string(eyot_run_status_name(status_of(row, c, latest))));
    v = eyot_value_set(v, "queue", eyot_value_new_string(row->queue));
    v = eyot_value_set(v, "priority", eyot_value_new_int(row->priority));
    v = eyot_value_set(v, "attempts", eyot_value_new_uint(row->attempts));
    v = eyot_value_set(v, "owner", row->held ? eyot_value_new_string(row->owner) : eyot_value_new_null());
    v = eyot_value_set(v, "error", error ? eyot_value_new_string(error) : eyot_value_new_null());
    v = eyot_value_set(v, "state", stored_value(s->graph, eyot_checkpoint_state(c)));
    v = eyot_value_set(v, "conflicts", eyot_value_new_array());
    return out_json(eyot_value_set(v, "branches", branches));
}

/* ---- for people ------------------------------------------------------------------------------------------------- */

static void field(const char *name, const char *text)
{
    out_printf("%-9s", name);
    out_text(text);
    out_printf("\n");
}

static void time_field(const char *name, int64_t ms, int64_t now_ms)
{
    char at[WHEN_TEXT], ago[WHEN_TEXT], text[2 * WHEN_TEXT + 8];
    when_local(at, ms);
    when_ago(ago, ms, now_ms);
    snprintf(text, sizeof text, "%s (%s)", at, ago);
    field(name, text);
}

static void print_branch(const eyot_checkpoint *c, size_t i)
{
    const char *question = eyot_checkpoint_branch_question(c, i);
    int64_t due_ms = eyot_checkpoint_branch_due_ms(c, i);
    out_printf("  ");
    out_text(eyot_checkpoint_branch_task(c, i));
    if (question) {
        eyot_value *asked = eyot_json_parse(question, NULL);
        out_printf("  asks: ");
        out_text(eyot_value_string(asked, question));
        eyot_value_unref(asked);
    } else if (due_ms) {
        char due[WHEN_TEXT];
        when_local(due, due_ms);
        out_printf("  waits until %s", due);
    } else if (eyot_checkpoint_branch_waiting(c, i)) {
        out_printf("  waits for other branches");
    }
    out_printf("\n");
}

/* Who has it, or what it waits for. */
static void print_claim(const run_row *row)
{
    char text[64], due[WHEN_TEXT];
    if (row->queue[0]) field("queue", row->queue);
    if (row->priority) {
        snprintf(text, sizeof text, "%" PRId32, row->priority);
        field("priority", text);
    }
    if (row->held) field("held by", row->owner);
    if (!row->held && row->status != EYOT_RUN_DONE && row->due_ms > row->now_ms && row->due_ms < INT64_MAX) {
        when_local(due, row->due_ms);
        field("due", due);
    }
    if (row->attempts > 1) {
        snprintf(text, sizeof text, "%" PRIu32 " times since its last step", row->attempts);
        field("begun", text);
    }
}

static bool print_text(const stored *s, const run_row *row, const eyot_checkpoint *c, bool latest)
{
    char step[24];
    size_t n = eyot_checkpoint_branch_count(c);
    eyot_run_status status = status_of(row, c, latest);
    snprintf(step, sizeof step, "%" PRIu64, eyot_checkpoint_step(c));
    field("run", row->id);
    field("graph", row->graph);
    if (row->origin[0]) field("origin", row->origin);
    field("step", step);
    field("status", latest && status == row->status ? run_row_status(row) : eyot_run_status_name(status));
    if (latest) print_claim(row);
    time_field("began", row->created_ms, row->now_ms);
    time_field("changed", row->updated_ms, row->now_ms);
    if (error_of(c)) field("error", error_of(c));
    if (n > 0) out_printf("branches\n");
    for (size_t i = 0; i < n; i++) print_branch(c, i);
    out_printf("state\n");
    eyot_value *state = stored_value(s->graph, eyot_checkpoint_state(c));
    bool good = out_json_indented(state, 0);
    out_printf("\n");
    eyot_value_unref(state);
    return good;
}

static int show(const args *a, place *p, const run_word *word, const run_row *row)
{
    eyot_error e;
    stored s;
    eyot_checkpoint *c = NULL;
    int code = stored_open(&s, p, row);
    if (code == EXIT_DONE) {
        eyot_status status = eyot_store_load_checkpoint(&c, p->store, s.graph, row->id, word->step, &e);
        if (status != EYOT_OK) code = out_failed(&e);
    }
    if (code == EXIT_DONE) {
        bool latest = word->step == EYOT_LATEST;
        bool good = args_has(a, "json") ? print_json(&s, row, c, latest) : print_text(&s, row, c, latest);
        if (!good) code = EXIT_FAILED;
    }
    eyot_checkpoint_free(c);
    stored_clear(&s);
    return code;
}

static int show_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    int code = place_open_run(&p, a, RUN_STEP, &word, &row);
    if (code == EXIT_DONE) code = show(a, &p, &word, &row);
    place_close(&p);
    return code;
}

const verb verb_show = {.name = "show",
                        .words = "RUN[@STEP]",
                        .min_words = 1,
                        .max_words = 1,
                        .summary = "show where a run stands, or stood after a step, and its state",
                        .options = options,
                        .uses_store = true,
                        .main = show_main};
