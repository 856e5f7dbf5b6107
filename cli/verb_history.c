/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/slowest.h"
#include "cli/stored.h"
#include "cli/timeline.h"
#include "cli/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const args_option options[] = {
    {.name = "node", .value = "ID", .help = "only what concerns this node"},
    {.name = "task", .value = "KEY", .help = "only what concerns this task"},
    {.name = "from", .value = "STEP", .most = INT64_MAX, .help = "nothing before this step"},
    {.name = "to", .value = "STEP", .most = INT64_MAX, .help = "nothing after this step"},
    {.name = "failed", .help = "only failed attempts"},
    {.name = "timeline", .help = "draw when which attempt ran"},
    {.name = "slowest",
     .value = "[N]",
     .most = UINT32_MAX,
     .optional = true,
     .help = "the N attempts (10) that took longest, and their share of all"},
    {.name = "json", .help = "one JSON object"},
    {.name = "jsonl", .help = "a JSON object per step and line"},
    {.name = NULL},
};

enum { COLUMNS = 6 };

typedef struct step_label {
    uint64_t step;
    char name[65];
} step_label;

/* What is wanted of the entries, and what they become: a table, a drawing, the slowest, an array of steps, or lines that have
 * been written already. */
typedef struct telling {
    const stored *graph;
    step_label *labels; /* by step */
    size_t n_labels, cap_labels;
    const char *node, *task; /* NULL: all */
    uint64_t from, to;       /* steps */
    bool failed, lines;
    out_table *table;
    timeline *line;
    slowest *slow;
    eyot_value *steps; /* or failed attempts */
} telling;

static bool is_wanted(const telling *t, const eyot_history_entry *entry)
{
    if (t->failed && entry->kind != EYOT_ENTRY_ATTEMPT) return false;
    if (t->node && (!entry->node || strcmp(t->node, entry->node) != 0)) return false;
    if (t->task && (!entry->task || strcmp(t->task, entry->task) != 0)) return false;
    return entry->step >= t->from && entry->step <= t->to;
}

/* ---- labels ----------------------------------------------------------------------------------------------------- */

static eyot_status on_label(void *arg, uint64_t step, const char *name)
{
    telling *t = arg;
    if (t->n_labels == t->cap_labels) {
        size_t cap = t->cap_labels ? 2 * t->cap_labels : 8;
        step_label *labels = realloc(t->labels, cap * sizeof *labels);
        if (!labels) return EYOT_ENOMEM;
        t->labels = labels;
        t->cap_labels = cap;
    }
    step_label *l = &t->labels[t->n_labels++];
    l->step = step;
    snprintf(l->name, sizeof l->name, "%s", name);
    return EYOT_OK;
}

/* The first one of the step, or of a later one. */
static size_t first_label(const telling *t, uint64_t step)
{
    size_t from = 0, to = t->n_labels;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (t->labels[middle].step < step)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void label_text(char *text, size_t room, const telling *t, uint64_t step)
{
    size_t at = 0;
    for (size_t i = first_label(t, step); i < t->n_labels && t->labels[i].step == step && at < room; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%s", at > 0 ? ", " : "", t->labels[i].name);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static eyot_value *time_value(int64_t ms)
{
    char text[WHEN_TEXT];
    if (ms == 0) return eyot_value_new_null();
    when_iso(text, ms);
    return eyot_value_new_string(text);
}

/* What is no text is shown as bytes. */
static eyot_value *recorded_value(const eyot_recorded *r)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "name", eyot_value_new_string(r->name));
    eyot_value *what = eyot_value_new_string_len(r->value, r->len);
    if (!what) what = eyot_value_new_bytes(r->value, r->len);
    return eyot_value_set(v, r->status ? "error" : "value", what);
}

/* What steps and failed attempts have in common. */
static eyot_value *attempt_value(const telling *t, const eyot_history_entry *entry)
{
    eyot_value *v = eyot_value_new_map();
    int64_t ended_ms = entry->started_ms ? entry->started_ms + (int64_t)(entry->took_us / 1000) : 0;
    if (t->lines) v = eyot_value_set(v, "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "step", eyot_value_new_uint(entry->step));
    v = eyot_value_set(v, "task", eyot_value_new_string(entry->task));
    v = eyot_value_set(v, "node", eyot_value_new_string(entry->node));
    v = eyot_value_set(v, "attempt", eyot_value_new_uint(entry->attempt));
    v = eyot_value_set(v, "started", time_value(entry->started_ms));
    return eyot_value_set(v, "ended", time_value(ended_ms));
}

static eyot_value *failed_value(const telling *t, const eyot_history_entry *entry)
{
    eyot_value *v = attempt_value(t, entry);
    v = eyot_value_set(v, "status", eyot_value_new_string(eyot_status_name(entry->status)));
    return eyot_value_set(v, "text", eyot_value_new_string(entry->text ? entry->text : ""));
}

static eyot_value *step_value(const telling *t, const eyot_history_entry *entry)
{
    eyot_value *route = eyot_value_new_array(), *joined = eyot_value_new_array(), *recorded = eyot_value_new_array();
    for (size_t i = 0; i < entry->n_route; i++) {
        eyot_value *hop = eyot_value_set(eyot_value_new_map(), "to", eyot_value_new_string(entry->route[i].node));
        hop = eyot_value_set(hop, "task", eyot_value_new_string(entry->route[i].task));
        route = eyot_value_append(route, hop);
    }
    for (size_t i = 0; i < entry->n_joined; i++)
        joined = eyot_value_append(joined, eyot_value_new_string(entry->joined[i]));
    for (size_t i = 0; i < entry->n_recorded; i++)
        recorded = eyot_value_append(recorded, recorded_value(&entry->recorded[i]));
    eyot_value *update = entry->update ? stored_value(t->graph->graph, entry->update) : eyot_value_new_null();
    eyot_value *v = attempt_value(t, entry);
    v = eyot_value_set(v, "update", update);
    v = eyot_value_set(v, "route", route);
    v = eyot_value_set(v, "joined", joined);
    v = eyot_value_set(v, "recorded", recorded);
    size_t label = first_label(t, entry->step);
    if (label < t->n_labels && t->labels[label].step == entry->step) {
        eyot_value *names = eyot_value_new_array();
        for (; label < t->n_labels && t->labels[label].step == entry->step; label++)
            names = eyot_value_append(names, eyot_value_new_string(t->labels[label].name));
        v = eyot_value_set(v, "labels", names);
    }
    return entry->n_pruned ? eyot_value_set(v, "pruned", eyot_value_new_uint(entry->n_pruned)) : v;
}

/* ---- for people ------------------------------------------------------------------------------------------------- */

/* Where the branch went, of many the first few. */
static void route_text(char *text, size_t room, const eyot_history_entry *entry)
{
    size_t at = 0, told = entry->n_route > 4 ? 3 : entry->n_route;
    snprintf(text, room, "%s", entry->n_route ? "" : "the branch ends");
    for (size_t i = 0; i < told && at < room; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%s", i > 0 ? ", " : "-> ", entry->route[i].task);
    if (told < entry->n_route && at < room) snprintf(text + at, room - at, " and %zu more", entry->n_route - told);
}

static out_style what_text(char *text, size_t room, const eyot_history_entry *entry)
{
    char due[WHEN_TEXT];
    const char *said = entry->text ? entry->text : "";
    switch (entry->kind) {
    case EYOT_ENTRY_TASK: route_text(text, room, entry); return OUT_PLAIN;
    case EYOT_ENTRY_ATTEMPT: snprintf(text, room, "failed: %s", said); return OUT_BAD;
    case EYOT_ENTRY_ASKED: snprintf(text, room, "asks: %s", said); return OUT_WAITS;
    case EYOT_ENTRY_ANSWERED: snprintf(text, room, "is answered: %s", said); return OUT_PLAIN;
    case EYOT_ENTRY_TIMER:
        when_local(due, entry->due_ms);
        snprintf(text, room, "waits until %s", due);
        return OUT_WAITS;
    default:
        snprintf(text, room, "the run is %s%s%s", eyot_run_status_name(entry->run_status), *said ? ": " : "", said);
        return entry->run_status == EYOT_RUN_FAILED ? OUT_BAD : OUT_FAINT;
    }
}

/* Cells of the columns before the last one, then that. */
static void plain_row(out_table *t, const char *what)
{
    for (int i = 0; i < COLUMNS - 1; i++) out_table_cell(t, OUT_PLAIN, "");
    out_table_cell(t, OUT_FAINT, what);
}

static void pruned_row(out_table *t, uint64_t n)
{
    char what[64];
    snprintf(what, sizeof what, "%" PRIu64 " entries before this were pruned", n);
    plain_row(t, what);
}

static void origin_row(out_table *t, const char *origin)
{
    char what[220];
    snprintf(what, sizeof what, "the run is a fork of %s", origin);
    plain_row(t, what);
}

static void table_row(const telling *tell, const eyot_history_entry *entry)
{
    char step[24] = "", number[16] = "", took[WHEN_TEXT] = "", labels[200] = "", what[700];
    out_table *t = tell->table;
    bool ran = entry->kind == EYOT_ENTRY_TASK || entry->kind == EYOT_ENTRY_ATTEMPT;
    if (entry->n_pruned) pruned_row(t, entry->n_pruned);
    if (entry->kind == EYOT_ENTRY_TASK) snprintf(step, sizeof step, "%" PRIu64, entry->step);
    if (entry->kind == EYOT_ENTRY_TASK) label_text(labels, sizeof labels, tell, entry->step);
    if (ran) snprintf(number, sizeof number, "%" PRIu32, entry->attempt);
    if (ran && entry->started_ms) when_took(took, entry->took_us / 1000);
    out_style style = what_text(what, sizeof what, entry);
    out_table_cell(t, OUT_PLAIN, step);
    out_table_cell(t, OUT_GOOD, labels);
    out_table_cell(t, OUT_PLAIN, entry->task ? entry->task : "");
    out_table_cell(t, OUT_PLAIN, number);
    out_table_cell(t, OUT_PLAIN, took);
    out_table_cell(t, style, what);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static eyot_status on_entry(void *arg, const eyot_history_entry *entry)
{
    telling *t = arg;
    bool task = entry->kind == EYOT_ENTRY_TASK, failed = entry->kind == EYOT_ENTRY_ATTEMPT;
    bool told = t->failed ? failed : task; /* in JSON */
    if (out_is_gone()) return EYOT_ECANCELED;
    if (!is_wanted(t, entry)) return EYOT_OK;
    if (t->table) table_row(t, entry);
    if ((task || failed) && t->slow) return slowest_add(t->slow, entry) ? EYOT_OK : EYOT_ENOMEM;
    if (told && t->steps)
        t->steps = eyot_value_append(t->steps, failed ? failed_value(t, entry) : step_value(t, entry));
    else if (told && t->lines && !out_json(failed ? failed_value(t, entry) : step_value(t, entry)))
        return EYOT_ENOMEM;
    if (t->line && (task || failed) && entry->started_ms) {
        uint64_t began_us = (uint64_t)entry->started_ms * 1000;
        if (!timeline_add(t->line, entry->task, entry->attempt, began_us, entry->took_us, failed)) return EYOT_ENOMEM;
    }
    return EYOT_OK;
}

static bool print_object(const run_row *row, const char *name, eyot_value *list_take)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(row->id));
    v = eyot_value_set(v, "graph", eyot_value_new_string(row->graph));
    v = eyot_value_set(v, "status", eyot_value_new_string(eyot_run_status_name(row->status)));
    v = eyot_value_set(v, "origin", *row->origin ? eyot_value_new_string(row->origin) : eyot_value_new_null());
    return out_json(eyot_value_set(v, name, list_take));
}

static telling telling_of(const args *a, const stored *s, const run_row *row)
{
    static const char *const headings[COLUMNS] = {">STEP", "?LABEL", "TASK", ">ATTEMPT", ">TOOK", "WHAT"};
    telling t = {.graph = s,
                 .node = args_text(a, "node", NULL),
                 .task = args_text(a, "task", NULL),
                 .from = args_number(a, "from", 0),
                 .to = args_number(a, "to", UINT64_MAX),
                 .failed = args_has(a, "failed"),
                 .lines = args_has(a, "jsonl")};
    if (args_has(a, "timeline"))
        t.line = timeline_new();
    else if (args_has(a, "slowest"))
        t.slow = slowest_new((uint32_t)args_number(a, "slowest", 10));
    else if (args_has(a, "json") && !t.lines)
        t.steps = eyot_value_new_array();
    else if (!t.lines)
        t.table = out_table_new(headings, COLUMNS);
    bool all = !t.failed && !t.node && !t.task && t.from == 0;
    if (t.table && all && *row->origin) origin_row(t.table, row->origin);
    return t;
}

/* What has been collected. */
static bool print_collected(const args *a, telling *t, const run_row *row)
{
    if (t->line) return timeline_draw(t->line) || out_error(EXIT_FAILED, "out of memory") == 0;
    if (t->slow && t->lines) return slowest_lines(t->slow);
    if (t->slow && args_has(a, "json")) return print_object(row, "slowest", slowest_value(t->slow));
    if (t->slow) return slowest_print(t->slow);
    if (t->steps) return print_object(row, t->failed ? "attempts" : "steps", eyot_value_ref(t->steps));
    return true;
}

static int tell(const args *a, place *p, const stored *s, const run_row *row)
{
    eyot_error e = {0};
    bool good = true;
    telling t = telling_of(a, s, row);
    eyot_status status = eyot_store_list_labels(p->store, row->id, on_label, &t, &e);
    if (status == EYOT_OK) status = eyot_store_read_history(p->store, s->graph, row->id, on_entry, &t, &e);
    if (t.table) good = out_table_end(t.table);
    if (status == EYOT_OK) good = print_collected(a, &t, row) && good;
    timeline_free(t.line);
    slowest_free(t.slow);
    free(t.labels);
    eyot_value_unref(t.steps);
    if (status != EYOT_OK && !out_is_gone())
        return e.text[0] ? out_failed(&e) : out_error(out_exit_code(status), "%s", eyot_status_text(status));
    return good ? EXIT_DONE : EXIT_FAILED;
}

static int history_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    stored s = {0};
    if (args_has(a, "timeline") && (args_has(a, "json") || args_has(a, "jsonl")))
        return out_error(EXIT_USAGE, "history: --timeline is a drawing, and none of --json or --jsonl");
    if (args_has(a, "timeline") && args_has(a, "slowest"))
        return out_error(EXIT_USAGE, "history: --timeline or --slowest, not both");
    int code = place_open_run(&p, a, RUN_ALONE, &word, &row);
    if (code == EXIT_DONE) code = stored_open(&s, &p, &row);
    if (code == EXIT_DONE) code = tell(a, &p, &s, &row);
    stored_clear(&s);
    place_close(&p);
    return code;
}

const verb verb_history = {
    .name = "history",
    .words = "RUN",
    .min_words = 1,
    .max_words = 1,
    .summary = "tell what a run has done, step by step",
    .about = "Every finished task is a step; failed attempts, questions and waits stand between them.",
    .options = options,
    .uses_store = true,
    .main = history_main};
