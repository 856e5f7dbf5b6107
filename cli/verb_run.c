/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/input.h"
#include "cli/life.h"
#include "cli/out.h"
#include "cli/progress.h"

#include <eyot/worker.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const args_option options[] = {
    {.name = "run", .value = "ID", .help = "the run's id; without it a new one"},
    {.name = "input", .value = "JSON|@FILE|-", .help = "keys of the first state, as one JSON object"},
    {.name = "set", .repeats = true, .value = "KEY=JSON", .help = "one key of the first state"},
    {.name = "set-str", .repeats = true, .value = "KEY=TEXT", .help = "the same, with a text"},
    {.name = "set-file", .repeats = true, .value = "KEY=FILE", .help = "the same, with the text in a file"},
    {.name = "submit", .help = "leave it to a worker (`eyot work`), and print its id"},
    {.name = "queue", .value = "NAME", .help = "with --submit: the queue it waits in"},
    {.name = "priority", .value = "N", .help = "with --submit: it goes before those of a lower one (0)"},
    {.name = "delay", .value = "TIME", .duration = true, .help = "with --submit: not before so much time has passed"},
    LIFE_OPTIONS,
    {.name = NULL},
};

static const char about[] = "The first line on stderr is `run ID`; the final state goes to stdout, as one line of "
                            "JSON. A run that does not end "
                            "well, or that is killed, goes on with `eyot resume ID`.\n\n"
                            "  eyot run digest.yaml --set dir='\"/etc\"' -j 8\n"
                            "  eyot run digest.yaml --json | jq .metrics\n"
                            "  eyot run digest.yaml --submit --store @shared";

static int start(life *l, const char *id, eyot_value *state_take)
{
    eyot_error e;
    eyot_run_options how = life_run_options(l);
    how.run_id = id;
    progress_announce("run %s", id);
    eyot_status s = eyot_run_start(&l->run, l->engine, flow_graph(l->flow), state_take, &how, &e);
    if (s == EYOT_EEXIST)
        return out_error(EXIT_USAGE, "run %s exists already: `%s` goes on with it, or choose another id", id,
                         life_resume_hint(l, id));
    if (s != EYOT_OK) return out_failed(&e);
    progress_begun();
    life_keep_directory(l, id);
    return life_wait(l);
}

/* ---- leaving it to a worker ------------------------------------------------------------------------------------- */

static int read_submit(const args *a, eyot_submit_options *out)
{
    static const char *const others[] = {"queue", "priority", "delay"};
    char *end;
    const char *priority = args_text(a, "priority", "0");
    if (!args_has(a, "submit")) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            if (args_has(a, others[i])) return out_error(EXIT_USAGE, "--%s is for --submit", others[i]);
        return EXIT_DONE;
    }
    errno = 0;
    long long n = strtoll(priority, &end, 10);
    if (errno || end == priority || *end || n < INT32_MIN || n > INT32_MAX)
        return out_error(EXIT_USAGE, "--priority: \"%s\" is no number from -2147483648 to 2147483647", priority);
    out->queue = args_text(a, "queue", NULL);
    out->priority = (int32_t)n;
    out->delay_ms = args_ms(a, "delay", 0);
    return EXIT_DONE;
}

static int submit(life *l, const char *id, eyot_submit_options *how, eyot_value *state_take)
{
    eyot_error e;
    how->run_id = id;
    eyot_status s = eyot_run_submit(l->engine, flow_graph(l->flow), state_take, how, NULL, &e);
    if (s == EYOT_EEXIST) return out_error(EXIT_USAGE, "run %s exists already: choose another id", id);
    if (s == EYOT_EINVAL) return out_error(EXIT_USAGE, "%s", e.text);
    if (s != EYOT_OK) return out_failed(&e);
    if (!args_has(l->a, "json")) {
        out_printf("%s\n", id);
        return EXIT_DONE;
    }
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "run", eyot_value_new_string(id));
    return out_json(eyot_value_set(v, "status", eyot_value_new_string("ready"))) ? EXIT_DONE : EXIT_FAILED;
}

/* ---- starting --------------------------------------------------------------------------------------------------- */

static int run_main(const args *a)
{
    life l;
    char id[129];
    eyot_value *state = NULL;
    eyot_submit_options how = EYOT_SUBMIT_OPTIONS_INIT;
    int code = life_begin(&l, a);
    if (code == EXIT_DONE) code = read_submit(a, &how);
    if (code == EXIT_DONE) l.file = input_graph(a->words[0], l.loop, &code);
    if (code == EXIT_DONE) code = life_choose_id(a, l.file->name, id);
    if (code == EXIT_DONE && !(state = input_state(a, l.file))) code = EXIT_USAGE;
    if (code == EXIT_DONE) code = life_open(&l, PLACE_CREATE);
    if (code == EXIT_DONE) code = life_make(&l, NULL);
    if (code != EXIT_DONE)
        eyot_value_unref(state);
    else if (args_has(a, "submit"))
        code = submit(&l, id, &how, state);
    else
        code = start(&l, id, state);
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
