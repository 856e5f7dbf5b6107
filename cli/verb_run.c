/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/input.h"
#include "cli/life.h"
#include "cli/out.h"
#include "cli/progress.h"

#include <string.h>

static const args_option options[] = {
    {.name = "run", .value = "ID", .help = "the run's id; without it a new one"},
    {.name = "input", .value = "JSON|@FILE|-", .help = "keys of the first state, as one JSON object"},
    {.name = "set", .repeats = true, .value = "KEY=JSON", .help = "one key of the first state"},
    {.name = "set-str", .repeats = true, .value = "KEY=TEXT", .help = "the same, with a text"},
    {.name = "set-file", .repeats = true, .value = "KEY=FILE", .help = "the same, with the text in a file"},
    LIFE_OPTIONS,
    {.name = NULL},
};

static const char about[] = "The first line on stderr is `run ID`; the final state goes to stdout, as one line of "
                            "JSON. A run that does not end\n"
                            "well, or that is killed, goes on with `eyot resume ID`.\n\n"
                            "  eyot run digest.yaml --set dir='\"/etc\"' -j 8\n"
                            "  eyot run digest.yaml --json | jq .metrics";

/* The directory is kept beside the run, so that its commands find the same files when it goes on from elsewhere. */
static int start(life *l, const char *id, eyot_value *state_take)
{
    eyot_error e;
    eyot_run_options how = life_options(l);
    how.run_id = id;
    progress_announce("run %s", id);
    eyot_status s = eyot_run_start(&l->run, l->engine, flow_graph(l->flow), state_take, &how, &e);
    if (s == EYOT_EEXIST)
        return out_error(EXIT_USAGE, "run %s exists already: `%s` goes on with it, or choose another id", id,
                         life_resume_hint(l, id));
    if (s != EYOT_OK) return out_failed(&e);
    progress_begun();
    s = eyot_store_put_note(l->place.store, id, "cwd", l->cwd, strlen(l->cwd), &e);
    if (s != EYOT_OK && s != EYOT_ENOTSUP) out_note("the directory of run %s could not be kept: %s", id, e.text);
    return life_wait(l);
}

static int choose_id(const args *a, const graphfile *file, char id[129])
{
    const char *given = args_text(a, "run", NULL);
    if (!given) return run_id_new(id, file->name) ? EXIT_DONE : EXIT_FAILED;
    if (strcmp(given, "latest") == 0)
        return out_error(EXIT_USAGE, "--run: \"latest\" cannot be an id: it stands for the newest run");
    if (!run_id_is_good(given))
        return out_error(EXIT_USAGE, "--run: \"%s\" cannot be an id: letters, digits and . _ : - after the first",
                         given);
    strcpy(id, given); /* at most 128 characters */
    return EXIT_DONE;
}

static int run_main(const args *a)
{
    life l;
    char id[129];
    eyot_value *state = NULL;
    int code = life_begin(&l, a);
    if (code == EXIT_DONE) l.file = input_graph(a->words[0], l.loop, &code);
    if (code == EXIT_DONE) code = choose_id(a, l.file, id);
    if (code == EXIT_DONE && !(state = input_state(a, l.file))) code = EXIT_USAGE;
    if (code == EXIT_DONE) code = life_open(&l, PLACE_CREATE);
    if (code == EXIT_DONE) code = life_make(&l, NULL);
    if (code == EXIT_DONE)
        code = start(&l, id, state);
    else
        eyot_value_unref(state);
    return life_end(&l, code);
}

const verb verb_run = {.name = "run",
                       .words = "FILE",
                       .min_words = 1,
                       .max_words = 1,
                       .summary = "start a run of a graph file, and wait for its end",
                       .about = about,
                       .options = options,
                       .uses_store = true,
                       .main = run_main};
