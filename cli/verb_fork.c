/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/input.h"
#include "cli/life.h"
#include "cli/out.h"
#include "cli/progress.h"

#include <eyot/replay.h>

#include <inttypes.h>
#include <stdio.h>

static const args_option options[] = {
    {.name = "set", .repeats = true, .value = "KEY=JSON", .help = "change a key of the branch's state first"},
    {.name = "set-str", .repeats = true, .value = "KEY=TEXT", .help = "the same, with a text"},
    {.name = "set-file", .repeats = true, .value = "KEY=FILE", .help = "the same, with the text in a file"},
    {.name = "task", .value = "KEY", .help = "which branch: the one at this task; needed when several are live"},
    {.name = "run", .value = "ID", .help = "the new run's id; without it a made-up one"},
    {.name = "hold", .help = "only make it, and print its id; `eyot resume` begins it"},
    {.name = "graph", .value = "FILE", .help = "go on with this file instead of the graph the run was made with"},
    {.name = "accept-changes", .help = "also when it does something else"},
    {.name = "trust-store", .help = "run the commands of a run that was imported"},
    LIFE_OPTIONS,
    {.name = NULL},
};

static const char about[] = "The other run is only read: the fork has everything it needs, and its steps count on. "
                            "What --set gives is an update "
                            "like one of a task: a key with a reducer is reduced.\n\n"
                            "  eyot fork digest-k3f9q2xw@4 --set words=0 --task report\n"
                            "  eyot fork latest --graph digest.yaml --accept-changes";

/* ---- the update ------------------------------------------------------------------------------------------------- */

/* *update: NULL when nothing is to be set. */
static int read_update(const args *a, eyot_value **update)
{
    bool some = args_has(a, "set") || args_has(a, "set-str") || args_has(a, "set-file");
    if (!some && args_has(a, "task")) return out_error(EXIT_USAGE, "--task is for --set: which branch it changes");
    if (some) *update = input_settings(a, eyot_value_new_map());
    return some && !*update ? EXIT_USAGE : EXIT_DONE;
}

/* ---- the new run ------------------------------------------------------------------------------------------------ */

static eyot_status on_row(void *arg, const eyot_run_row *row)
{
    (void)row;
    *(bool *)arg = true;
    return EYOT_OK;
}

/* A fork of an imported run is trusted no more than that one: it is marked before it is there, so that whatever happens nobody
 * finds it without. A run that has the id already must not get the mark. */
static int mark_imported(const life *l, const char *id)
{
    eyot_error e;
    bool there = false;
    if (!l->imported) return EXIT_DONE;
    eyot_status s = eyot_store_get_run(l->place.store, id, on_row, &there, &e);
    if (s == EYOT_OK && there) return EXIT_DONE; /* what follows refuses the id */
    if (s != EYOT_OK && s != EYOT_ENOTFOUND) return out_failed(&e);
    s = eyot_store_put_note(l->place.store, id, EYOT_NOTE_IMPORTED, "fork", 4, &e);
    return s == EYOT_OK ? EXIT_DONE : out_failed(&e);
}

static int say_held(const life *l, const char *id)
{
    if (!args_has(l->a, "json")) {
        out_printf("%s\n", id);
        out_note("to begin it: %s", life_resume_hint(l, id));
        return EXIT_DONE;
    }
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "run", eyot_value_new_string(id));
    return out_json(eyot_value_set(v, "status", eyot_value_new_string("ready"))) ? EXIT_DONE : EXIT_FAILED;
}

/* Which branches there are to choose from. */
static void say_branches(const life *l, const run_row *row, uint64_t step)
{
    eyot_checkpoint *c = NULL;
    if (eyot_store_load_checkpoint(&c, l->place.store, flow_graph(l->flow), row->id, step, NULL)) return;
    for (size_t i = 0, n = eyot_checkpoint_branch_count(c); i < n; i++)
        if (!eyot_checkpoint_branch_waiting(c, i)) out_note("  --task '%s'", eyot_checkpoint_branch_task(c, i));
    eyot_checkpoint_free(c);
}

/* The run has ended. */
static void say_if_nothing_was_left(const life *l, uint64_t step)
{
    if (eyot_run_status_of(l->run) == EYOT_RUN_DONE && eyot_run_steps(l->run) == step)
        out_note("nothing was left to do after step %" PRIu64, step);
}

static int make_fork(life *l, const run_row *row, uint64_t step, eyot_value *update_take)
{
    eyot_error e;
    char id[129];
    bool hold = args_has(l->a, "hold"), changes_state = update_take != NULL;
    eyot_run_options how = life_run_options(l);
    eyot_fork_options fork = EYOT_FORK_OPTIONS_INIT;
    int code = life_choose_id(l->a, l->file->name, id);
    if (code == EXIT_DONE) code = mark_imported(l, id);
    if (code != EXIT_DONE) {
        eyot_value_unref(update_take);
        return code;
    }
    if (args_has(l->a, "graph")) how.flags |= EYOT_RUN_ACCEPT_CHANGES;
    if (hold) fork.flags = EYOT_FORK_HOLD;
    how.run_id = id;
    fork.update_take = update_take;
    fork.task = args_text(l->a, "task", NULL);
    if (!hold) progress_announce("run %s", id);
    eyot_status s = eyot_run_fork(&l->run, l->engine, flow_graph(l->flow), row->id, step, &fork, &how, NULL, &e);
    if (s == EYOT_EEXIST) return out_error(EXIT_USAGE, "run %s exists already: choose another id", id);
    if (s == EYOT_ETYPE || s == EYOT_EOVERFLOW) return out_error(EXIT_USAGE, "--set: %s", e.text);
    if (s != EYOT_OK) {
        code = out_failed(&e);
        if (s == EYOT_EINVAL && changes_state) say_branches(l, row, step);
        return code;
    }
    life_keep_directory(l, id);
    if (hold) return say_held(l, id);
    progress_begun();
    code = life_wait(l);
    say_if_nothing_was_left(l, step == EYOT_LATEST ? row->steps : step);
    return code;
}

static int fork_main(const args *a)
{
    life l;
    run_word word;
    run_row row;
    eyot_value *update = NULL;
    int code = life_begin(&l, a);
    if (code == EXIT_DONE) code = read_update(a, &update);
    if (code == EXIT_DONE) code = run_word_read(&word, a->words[0], RUN_STEP);
    if (code == EXIT_DONE) code = life_open(&l, PLACE_LOOK);
    if (code == EXIT_DONE) code = place_find(&l.place, word.run, &row);
    if (code == EXIT_DONE) code = place_step(&l.place, &word, &row);
    if (code == EXIT_DONE) code = life_trust(&l, &row, !args_has(a, "hold"));
    if (code == EXIT_DONE) code = life_choose_graph(&l, &row);
    if (code == EXIT_DONE) code = life_make(&l, life_directory(&l, row.id));
    if (code == EXIT_DONE) code = life_compare(&l, &row);
    if (code == EXIT_DONE)
        code = make_fork(&l, &row, word.step, update);
    else
        eyot_value_unref(update);
    return life_end(&l, code);
}

const verb verb_fork = {.name = "fork",
                        .words = "RUN[@STEP]",
                        .min_words = 1,
                        .max_words = 1,
                        .summary = "start a new run from where another one was after a step",
                        .about = about,
                        .options = options,
                        .uses_store = true,
                        .main = fork_main};
