/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"

#include <inttypes.h>
#include <stdio.h>

static const args_option options[] = {
    {.name = "remove", .help = "take the name away"},
    {.name = "json", .help = "of a list: one JSON object"},
    {.name = NULL},
};

/* ---- the list --------------------------------------------------------------------------------------------------- */

static eyot_status on_label(void *arg, uint64_t step, const char *name)
{
    char number[24];
    out_table *t = arg;
    snprintf(number, sizeof number, "%" PRIu64, step);
    out_table_cell(t, OUT_PLAIN, number);
    out_table_cell(t, OUT_PLAIN, name);
    return EYOT_OK;
}

static eyot_status on_label_json(void *arg, uint64_t step, const char *name)
{
    eyot_value **labels = arg;
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "step", eyot_value_new_uint(step));
    *labels = eyot_value_append(*labels, eyot_value_set(v, "label", eyot_value_new_string(name)));
    return EYOT_OK;
}

static int list(const args *a, place *p, const run_row *row)
{
    static const char *const headings[] = {">STEP", "LABEL"};
    eyot_error e;
    if (!args_has(a, "json")) {
        out_table *t = out_table_new(headings, sizeof headings / sizeof *headings);
        eyot_status s = eyot_store_list_labels(p->store, row->id, on_label, t, &e);
        bool good = out_table_end(t);
        return s != EYOT_OK ? out_failed(&e) : good ? EXIT_DONE : EXIT_FAILED;
    }
    eyot_value *labels = eyot_value_new_array();
    eyot_status s = eyot_store_list_labels(p->store, row->id, on_label_json, &labels, &e);
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(row->id));
    v = eyot_value_set(v, "labels", labels);
    if (s == EYOT_OK) return out_json(v) ? EXIT_DONE : EXIT_FAILED;
    eyot_value_unref(v);
    return out_failed(&e);
}

/* ---- one label -------------------------------------------------------------------------------------------------- */

static int change(const args *a, place *p, const run_word *word, const run_row *row)
{
    eyot_error e;
    const char *name = a->words[1];
    bool away = args_has(a, "remove");
    eyot_status s = away ? eyot_store_unlabel(p->store, row->id, name, &e)
                         : eyot_store_label(p->store, row->id, word->step, name, &e);
    if (s != EYOT_OK) return out_failed(&e);
    uint64_t step = word->step == EYOT_LATEST ? row->steps : word->step;
    if (away)
        out_note("%s has no label %s any more", row->id, name);
    else
        out_note("%s@%" PRIu64 " is %s@%s", row->id, step, row->id, name);
    return EXIT_DONE;
}

static int label_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    if (a->n_words < 2 && args_has(a, "remove")) return out_error(EXIT_USAGE, "label: which name is to be removed?");
    int code = place_open_run(&p, a, RUN_STEP, &word, &row);
    if (code == EXIT_DONE) code = a->n_words < 2 ? list(a, &p, &row) : change(a, &p, &word, &row);
    place_close(&p);
    return code;
}

const verb verb_label = {
    .name = "label",
    .words = "RUN[@STEP] [NAME]",
    .min_words = 1,
    .max_words = 2,
    .summary = "give a step a name that stands for it and keeps it",
    .about =
        "RUN@NAME is the step then, and it is never pruned. Without a step it is the newest one; a name that another "
        "step has moves. Without a name the labels of the run are listed.",
    .options = options,
    .uses_store = true,
    .main = label_main};
