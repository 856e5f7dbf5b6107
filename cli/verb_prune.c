/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"
#include "cli/retain.h"

#include <inttypes.h>
#include <string.h>

static const args_option options[] = {
    RETAIN_OPTIONS,
    {.name = "json", .help = "one JSON object"},
    {.name = NULL},
};

static int print_object(const run_row *row, bool dry, const eyot_pruned *gone)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(row->id));
    v = eyot_value_set(v, "dry_run", eyot_value_new_bool(dry));
    v = eyot_value_set(v, "entries", eyot_value_new_uint(gone->entries));
    v = eyot_value_set(v, "bytes", eyot_value_new_uint(gone->bytes));
    v = eyot_value_set(v, "steps", eyot_value_new_uint(gone->steps));
    return out_json(v) ? EXIT_DONE : EXIT_FAILED;
}

/* What cannot be undone wants the whole id. */
static int prune(const args *a, place *p, const char *word, const run_row *row, const eyot_retain *rules)
{
    eyot_error e;
    eyot_pruned gone;
    bool dry = rules->flags & EYOT_RETAIN_DRY_RUN;
    if (strcmp(row->id, word) != 0) return out_error(EXIT_USAGE, "prune takes a whole id: %s", row->id);
    if (eyot_store_prune(p->store, row->id, rules, &gone, &e) != EYOT_OK) return out_failed(&e);
    if (args_has(a, "json")) return print_object(row, dry, &gone);
    out_printf("%" PRIu64 " entries, %" PRIu64 " bytes %s; %" PRIu64 " steps stay\n", gone.entries, gone.bytes,
               dry ? "would go" : "are gone", gone.steps);
    return EXIT_DONE;
}

static int prune_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    eyot_retain rules;
    if (!retain_read(&rules, a))
        return out_error(EXIT_USAGE, "prune: which steps are to stay? say --keep, --every or --younger-than");
    int code = place_open_run(&p, a, RUN_ALONE, &word, &row);
    if (code == EXIT_DONE) code = prune(a, &p, word.run, &row, &rules);
    place_close(&p);
    return code;
}

const verb verb_prune = {
    .name = "prune",
    .words = "RUN",
    .min_words = 1,
    .max_words = 1,
    .summary = "remove the old steps of a run",
    .about =
        "What one of the options keeps stays, and steps with a label or from which another run was forked, and all "
        "that the run needs to go on. Somebody may work on it meanwhile. RUN is a whole id here.",
    .options = options,
    .uses_store = true,
    .main = prune_main};
