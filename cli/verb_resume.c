/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/life.h"
#include "cli/out.h"
#include "cli/progress.h"

#include <stdlib.h>
#include <string.h>

static const args_option options[] = {
    {.name = "answer", .repeats = true, .value = "[TASK=]JSON", .help = "to a question; TASK when several are open"},
    {.name = "graph", .value = "FILE", .help = "go on with this file instead of the graph the run was made with"},
    {.name = "accept-changes", .help = "also when it does something else"},
    {.name = "trust-store", .help = "run the commands of a run that was imported"},
    LIFE_OPTIONS,
    {.name = NULL},
};

static const char about[] = "Nothing that is done runs again. A changed file is taken as it is when only timeouts, "
                            "retries, limits and nodes that "
                            "have done nothing so far differ; other differences are listed, and need --accept-changes. "
                            "The run has that graph from "
                            "then on.\n\n"
                            "  eyot resume latest --answer true\n"
                            "  eyot resume digest-k3f9q2xw --graph digest.yaml";

/* ---- answers ---------------------------------------------------------------------------------------------------- */

typedef struct answers {
    eyot_answer *list;
    char **tasks;
    size_t n;
} answers;

/* What is JSON as a whole answers the only question. No key of a task, with `=` behind it, begins a JSON text. */
static bool read_answer(answers *out, const char *text)
{
    eyot_error e;
    const char *equals = strchr(text, '=');
    eyot_value *value = eyot_json_parse(text, &e);
    if (!value && equals) {
        value = eyot_json_parse(equals + 1, &e);
        out->tasks[out->n] = strndup(text, (size_t)(equals - text));
        text = equals + 1;
    }
    if (!value) return out_error(EXIT_USAGE, "--answer: \"%s\" is not JSON: %s", text, e.text), false;
    eyot_value_unref(value);
    out->list[out->n] = (eyot_answer){out->tasks[out->n], text};
    out->n++;
    return true;
}

static int read_answers(answers *out, const args *a)
{
    size_t at = 0;
    out->list = calloc(a->n_given + 1, sizeof *out->list);
    out->tasks = calloc(a->n_given + 1, sizeof *out->tasks);
    if (!out->list || !out->tasks) return out_error(EXIT_FAILED, "out of memory");
    for (const char *text; (text = args_each(a, "answer", &at));)
        if (!read_answer(out, text)) return EXIT_USAGE;
    return EXIT_DONE;
}

static void answers_clear(answers *out)
{
    for (size_t i = 0; out->tasks && i < out->n; i++) free(out->tasks[i]);
    free(out->tasks);
    free(out->list);
}

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static int resume(life *l, const run_row *row, const answers *given)
{
    eyot_error e;
    eyot_run_options how = life_run_options(l);
    if (args_has(l->a, "accept-changes")) how.flags |= EYOT_RUN_ACCEPT_CHANGES;
    how.answers = given->list;
    how.n_answers = given->n;
    progress_announce(row->status == EYOT_RUN_DONE ? "run %s is done already" : "run %s", row->id);
    eyot_status s = eyot_run_resume(&l->run, l->engine, flow_graph(l->flow), row->id, &how, &e);
    if (s != EYOT_OK) return out_failed(&e);
    progress_begun();
    return life_wait(l);
}

static int resume_main(const args *a)
{
    life l;
    run_word word;
    run_row row;
    answers given = {0};
    int code = life_begin(&l, a);
    if (code == EXIT_DONE) code = read_answers(&given, a);
    if (code == EXIT_DONE) code = run_word_read(&word, a->words[0], RUN_ALONE);
    if (code == EXIT_DONE) code = life_open(&l, PLACE_LOOK);
    if (code == EXIT_DONE) code = place_find(&l.place, word.run, &row);
    if (code == EXIT_DONE) code = life_trust(&l, &row, true);
    if (code == EXIT_DONE) code = life_choose_graph(&l, &row);
    if (code == EXIT_DONE) code = life_make(&l, life_directory(&l, row.id));
    if (code == EXIT_DONE) code = life_compare(&l, &row);
    if (code == EXIT_DONE) code = resume(&l, &row, &given);
    answers_clear(&given);
    return life_end(&l, code);
}

const verb verb_resume = {.name = "resume",
                          .words = "RUN",
                          .min_words = 1,
                          .max_words = 1,
                          .summary = "go on with a run that was killed, has failed, or waits for an answer",
                          .about = about,
                          .options = options,
                          .uses_store = true,
                          .main = resume_main};
