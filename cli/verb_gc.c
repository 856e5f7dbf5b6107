/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"
#include "cli/retain.h"

#include <inttypes.h>
#include <stdio.h>

static const args_option options[] = {
    RETAIN_OPTIONS,
    {.name = "older-than", .value = "TIME", .duration = true, .help = "delete runs that ended 5m, 2h, 3d ago"},
    {.name = "failed", .help = "with --older-than: failed and parked runs too, which could still be resumed"},
    {.name = "json", .help = "one JSON object"},
    {.name = "jsonl", .help = "a JSON object per run and line"},
    {.name = NULL},
};

/* What the runs become: a table, an array, or lines that have been written already. */
typedef struct telling {
    bool lines, dry;
    out_table *table;
    eyot_value *runs;
} telling;

static const char *what_of(const eyot_gc_run *run)
{
    return run->status ? "skipped" : run->deleted ? "deleted" : "pruned";
}

static eyot_value *run_value(const telling *t, const eyot_gc_run *run)
{
    eyot_value *v = eyot_value_new_map();
    if (t->lines) v = eyot_value_set(v, "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(run->run));
    v = eyot_value_set(v, "status", eyot_value_new_string(eyot_run_status_name(run->run_status)));
    v = eyot_value_set(v, "what", eyot_value_new_string(what_of(run)));
    v = eyot_value_set(v, "dry_run", eyot_value_new_bool(t->dry));
    v = eyot_value_set(v, "entries", eyot_value_new_uint(run->gone.entries));
    v = eyot_value_set(v, "bytes", eyot_value_new_uint(run->gone.bytes));
    return eyot_value_set(v, "steps", eyot_value_new_uint(run->gone.steps));
}

static void table_row(out_table *t, const eyot_gc_run *run)
{
    char entries[24], bytes[24];
    snprintf(entries, sizeof entries, "%" PRIu64, run->gone.entries);
    snprintf(bytes, sizeof bytes, "%" PRIu64, run->gone.bytes);
    out_table_cell(t, OUT_PLAIN, run->run);
    out_table_cell(t, OUT_PLAIN, eyot_run_status_name(run->run_status));
    out_table_cell(t, OUT_PLAIN, what_of(run));
    out_table_cell(t, OUT_PLAIN, entries);
    out_table_cell(t, OUT_PLAIN, bytes);
}

static eyot_status on_run(void *arg, const eyot_gc_run *run)
{
    telling *t = arg;
    if (run->status) {
        out_error(EXIT_STORED, "%s", run->text);
        return EYOT_OK;
    }
    if (t->table) table_row(t->table, run);
    if (t->runs) t->runs = eyot_value_append(t->runs, run_value(t, run));
    return t->lines && !out_json(run_value(t, run)) ? EYOT_ENOMEM : EYOT_OK;
}

static int print_object(const telling *t, const eyot_collected *all, eyot_value *runs_take)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "dry_run", eyot_value_new_bool(t->dry));
    v = eyot_value_set(v, "looked_at", eyot_value_new_uint(all->runs));
    v = eyot_value_set(v, "deleted", eyot_value_new_uint(all->deleted));
    v = eyot_value_set(v, "pruned", eyot_value_new_uint(all->pruned));
    v = eyot_value_set(v, "skipped", eyot_value_new_uint(all->skipped));
    v = eyot_value_set(v, "damaged", eyot_value_new_uint(all->damaged));
    v = eyot_value_set(v, "entries", eyot_value_new_uint(all->entries));
    v = eyot_value_set(v, "bytes", eyot_value_new_uint(all->bytes));
    v = eyot_value_set(v, "runs", runs_take);
    return out_json(v) ? EXIT_DONE : EXIT_FAILED;
}

static int collect(const args *a, place *p, const eyot_gc_options *o)
{
    static const char *const headings[] = {"RUN", "STATUS", "WHAT", ">ENTRIES", ">BYTES"};
    eyot_error e;
    eyot_collected all;
    telling t = {.lines = args_has(a, "jsonl"), .dry = o->flags & EYOT_RETAIN_DRY_RUN};
    if (args_has(a, "json") && !t.lines)
        t.runs = eyot_value_new_array();
    else if (!t.lines)
        t.table = out_table_new(headings, sizeof headings / sizeof *headings);
    eyot_status s = eyot_store_gc(p->store, o, on_run, &t, &all, &e);
    if (t.table && !out_table_end(t.table)) return EXIT_FAILED;
    out_note("%" PRIu64 " of %" PRIu64 " runs %s deleted, %" PRIu64 " pruned: %" PRIu64 " entries, %" PRIu64 " bytes",
             all.deleted, all.runs, t.dry ? "would be" : "are", all.pruned, all.entries, all.bytes);
    if (s != EYOT_OK) {
        eyot_value_unref(t.runs);
        return out_failed(&e);
    }
    int code = t.runs ? print_object(&t, &all, t.runs) : EXIT_DONE;
    return code == EXIT_DONE && all.damaged ? EXIT_STORED : code;
}

static int gc_main(const args *a)
{
    place p;
    eyot_retain rules;
    bool prune = retain_read(&rules, a);
    eyot_gc_options o = {.size = sizeof o,
                         .prune = prune ? &rules : NULL,
                         .older_than_ms = args_ms(a, "older-than", 0),
                         .flags = rules.flags | (args_has(a, "failed") ? EYOT_RETAIN_FAILED : 0)};
    if (args_has(a, "older-than") && o.older_than_ms == 0) o.older_than_ms = 1;
    if (!prune && !o.older_than_ms)
        return out_error(EXIT_USAGE,
                         "gc: what is to go? say --older-than, or what stays: --keep, --every, --younger-than");
    if (args_has(a, "failed") && !o.older_than_ms) return out_error(EXIT_USAGE, "gc: --failed needs --older-than");
    int code = place_open(&p, a, PLACE_LOOK);
    if (code == EXIT_DONE) code = collect(a, &p, &o);
    place_close(&p);
    return code;
}

const verb verb_gc = {.name = "gc",
                      .words = "",
                      .max_words = 0,
                      .summary = "delete old runs, and the old steps of the others",
                      .about = "--older-than deletes done and cancelled runs; never one that somebody works on or that "
                               "waits. --keep, --every and "
                               "--younger-than prune the runs that stay, as prune does.",
                      .options = options,
                      .uses_store = true,
                      .main = gc_main};
