/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"
#include "cli/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const args_option options[] = {
    {.name = "status",
     .value = "STATUS",
     .choices = "ready|running|interrupted|suspended|failed|cancelled|dead|done",
     .help = "only runs of this status"},
    {.name = "queue", .value = "NAME", .help = "only runs that were submitted to this queue"},
    {.name = "since", .value = "TIME", .duration = true, .help = "only runs that began in the last 5m, 2h, 3d"},
    {.name = "limit", .letter = 'n', .value = "N", .most = INT32_MAX, .help = "so many at most; without it all"},
    {.name = "json", .help = "one JSON object"},
    {.name = "jsonl", .help = "a JSON object per run and line"},
    {.name = NULL},
};

enum { PAGE = 200 };

typedef struct page {
    run_row rows[PAGE];
    size_t n;
} page;

static eyot_status on_row(void *arg, const eyot_run_row *row)
{
    page *p = arg;
    if (p->n < PAGE) run_row_copy(&p->rows[p->n++], row);
    return EYOT_OK;
}

static eyot_value *time_value(int64_t ms)
{
    char text[WHEN_TEXT];
    when_iso(text, ms);
    return eyot_value_new_string(text);
}

static eyot_value *row_value(const run_row *row, bool with_schema)
{
    eyot_value *v = eyot_value_new_map();
    if (with_schema) v = eyot_value_set(v, "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(row->id));
    v = eyot_value_set(v, "graph", eyot_value_new_string(row->graph));
    v = eyot_value_set(v, "status", eyot_value_new_string(eyot_run_status_name(row->status)));
    v = eyot_value_set(v, "origin", *row->origin ? eyot_value_new_string(row->origin) : eyot_value_new_null());
    v = eyot_value_set(v, "held", eyot_value_new_bool(row->held));
    v = eyot_value_set(v, "steps", eyot_value_new_uint(row->steps));
    v = eyot_value_set(v, "queue", eyot_value_new_string(row->queue));
    v = eyot_value_set(v, "priority", eyot_value_new_int(row->priority));
    v = eyot_value_set(v, "created", time_value(row->created_ms));
    return eyot_value_set(v, "updated", time_value(row->updated_ms));
}

static out_style status_style(const run_row *row)
{
    switch (row->status) {
    case EYOT_RUN_DONE: return OUT_GOOD;
    case EYOT_RUN_FAILED:
    case EYOT_RUN_DEAD: return OUT_BAD;
    case EYOT_RUN_SUSPENDED: return OUT_WAITS;
    default: return row->lost ? OUT_WAITS : OUT_PLAIN;
    }
}

static void table_row(out_table *t, const run_row *row)
{
    char steps[24], created[WHEN_TEXT], updated[WHEN_TEXT];
    snprintf(steps, sizeof steps, "%" PRIu64, row->steps);
    when_local(created, row->created_ms);
    when_ago(updated, row->updated_ms, row->now_ms);
    out_table_cell(t, OUT_PLAIN, row->id);
    out_table_cell(t, OUT_PLAIN, row->graph);
    out_table_cell(t, status_style(row), run_row_status(row));
    out_table_cell(t, OUT_PLAIN, row->queue);
    out_table_cell(t, OUT_PLAIN, steps);
    out_table_cell(t, OUT_PLAIN, created);
    out_table_cell(t, OUT_PLAIN, updated);
}

static eyot_run_filter make_filter(const args *a)
{
    eyot_run_filter filter = {.size = sizeof filter};
    const char *status = args_text(a, "status", NULL);
    if (status && strcmp(status, "interrupted") == 0) filter.status = EYOT_RUN_RUNNING; /* and held by nobody */
    uint64_t since = args_ms(a, "since", UINT64_MAX), now = (uint64_t)time(NULL) * 1000;
    for (uint32_t s = EYOT_RUN_READY; status && s <= EYOT_RUN_DONE; s++)
        if (strcmp(eyot_run_status_name((eyot_run_status)s), status) == 0) filter.status = s;
    if (since < now) filter.since_ms = (int64_t)(now - since);
    return filter;
}

/* What the rows become: a table, an array, or lines that have been written already. */
typedef struct listing {
    out_table *table;
    eyot_value *array;
} listing;

/* Returns how many rows that was. */
static uint64_t take_row(const args *a, listing *l, const run_row *row)
{
    if (row->held && strcmp(args_text(a, "status", ""), "interrupted") == 0) return 0;
    if (strcmp(args_text(a, "queue", row->queue), row->queue) != 0) return 0;
    if (args_has(a, "jsonl"))
        out_json(row_value(row, true));
    else if (args_has(a, "json"))
        l->array = eyot_value_append(l->array, row_value(row, false));
    else
        table_row(l->table, row);
    return 1;
}

/* Page after page, as long as somebody reads. */
static int walk(const args *a, place *p, listing *l)
{
    eyot_error e;
    page rows;
    eyot_run_filter filter = make_filter(a);
    uint64_t left = args_number(a, "limit", UINT64_MAX);
    eyot_buf *cursor = eyot_buf_new(), *next = eyot_buf_new();
    eyot_status s = cursor && next ? EYOT_OK : eyot_error_set(&e, EYOT_ENOMEM, "out of memory");
    while (s == EYOT_OK && left > 0 && !out_is_gone()) {
        eyot_bytes from;
        from.p = eyot_buf_data(cursor, &from.n);
        rows.n = 0;
        eyot_buf_reset(next);
        s = eyot_store_list_runs(p->store, &filter, from, left < PAGE ? (uint32_t)left : PAGE, on_row, &rows, next, &e);
        for (size_t i = 0; s == EYOT_OK && i < rows.n; i++) left -= take_row(a, l, &rows.rows[i]);
        eyot_buf *swap = cursor;
        cursor = next;
        next = swap;
        size_t len;
        eyot_buf_data(cursor, &len);
        if (len == 0) break;
    }
    eyot_buf_free(cursor);
    eyot_buf_free(next);
    return s == EYOT_OK ? EXIT_DONE : out_failed(&e);
}

static int list_main(const args *a)
{
    static const char *const headings[] = {"RUN", "GRAPH", "STATUS", "?QUEUE", ">STEPS", "BEGAN", "LAST CHANGE"};
    place p;
    int code = place_open(&p, a, PLACE_LOOK);
    if (code == EXIT_DONE) {
        bool json = args_has(a, "json"), jsonl = args_has(a, "jsonl"), good = true;
        listing l = {.array = json && !jsonl ? eyot_value_new_array() : NULL,
                     .table = json || jsonl ? NULL : out_table_new(headings, sizeof headings / sizeof *headings)};
        code = walk(a, &p, &l);
        if (l.table) good = out_table_end(l.table);
        if (l.array && code == EXIT_DONE) {
            eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
            good = out_json(eyot_value_set(v, "runs", eyot_value_ref(l.array)));
        }
        eyot_value_unref(l.array);
        if (!good) code = EXIT_FAILED;
    }
    place_close(&p);
    return code;
}

const verb verb_list = {
    .name = "list",
    .words = "",
    .summary = "list runs, the newest first",
    .about =
        "A run is interrupted when it was going on and nobody works on it any more: `eyot resume` goes on with it.",
    .options = options,
    .uses_store = true,
    .main = list_main};
