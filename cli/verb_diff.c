/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/patch.h"
#include "cli/stored.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const args_option options[] = {
    {.name = "task", .value = "KEY", .help = "compare only the branch that is at this task"},
    {.name = "json", .help = "one JSON object, with the operations of RFC 6902 as its patch"},
    {.name = NULL},
};

static const char about[] = "Compares what the branches of a run have together after a step with the same after "
                            "another step, or in another run; "
                            "a run without a step means its newest. The exit code is 1 when there is a difference.\n\n"
                            "  eyot diff latest@2 latest\n"
                            "  eyot diff digest-k3f9q2xw digest-p0v7m1ch --json | jq .patch";

/* One of the two that are compared. */
typedef struct side {
    run_row row;
    stored graph;
    eyot_checkpoint *c;
    eyot_value *state; /* borrows nothing of the others */
} side;

static void side_clear(side *s)
{
    eyot_value_unref(s->state);
    eyot_checkpoint_free(s->c);
    stored_clear(&s->graph);
}

/* The state of the branch that is at a task. */
static int find_branch(side *s, const char *task, const void **state)
{
    char names[300] = "";
    size_t at = 0, n = eyot_checkpoint_branch_count(s->c);
    for (size_t i = 0; i < n; i++) {
        const char *key = eyot_checkpoint_branch_task(s->c, i);
        *state = eyot_checkpoint_branch_state(s->c, i);
        if (strcmp(key, task) == 0) return EXIT_DONE;
        if (at < sizeof names) at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "", key);
    }
    return out_error(EXIT_MISSING, "after step %" PRIu64 " run %s has no branch at %s%s%s%s",
                     eyot_checkpoint_step(s->c), s->row.id, task, n > 0 ? "; it has some at " : ": none is live", names,
                     at < sizeof names ? "" : "...");
}

static int side_open(side *s, place *p, const char *text, const char *task)
{
    eyot_error e;
    run_word word;
    int code = run_word_read(&word, text, RUN_STEP);
    if (code == EXIT_DONE) code = place_find(p, word.run, &s->row);
    if (code == EXIT_DONE) code = place_step(p, &word, &s->row);
    if (code == EXIT_DONE) code = stored_open(&s->graph, p, &s->row);
    if (code != EXIT_DONE) return code;
    if (eyot_store_load_checkpoint(&s->c, p->store, s->graph.graph, s->row.id, word.step, &e)) return out_failed(&e);
    const void *state = eyot_checkpoint_state(s->c);
    if (task) code = find_branch(s, task, &state);
    if (code != EXIT_DONE) return code;
    s->state = stored_value(s->graph.graph, state);
    return s->state ? EXIT_DONE : out_error(EXIT_FAILED, "out of memory");
}

static eyot_value *side_value(const side *s)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "run", eyot_value_new_string(s->row.id));
    return eyot_value_set(v, "step", eyot_value_new_uint(eyot_checkpoint_step(s->c)));
}

static bool print_json(const side *from, const side *to, const char *task, const eyot_value *patch)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "from", side_value(from));
    v = eyot_value_set(v, "to", side_value(to));
    v = eyot_value_set(v, "task", task ? eyot_value_new_string(task) : eyot_value_new_null());
    return out_json(eyot_value_set(v, "patch", eyot_value_ref(patch)));
}

static void print_heading(const char *sign, out_style style, const side *s)
{
    char line[200];
    snprintf(line, sizeof line, "%s %s@%" PRIu64, sign, s->row.id, eyot_checkpoint_step(s->c));
    out_styled(style, line);
    out_printf("\n");
}

static int tell(const args *a, const side *from, const side *to)
{
    eyot_value *patch = eyot_value_diff(from->state, to->state);
    if (!patch) return out_error(EXIT_FAILED, "out of memory");
    bool good = true, differ = eyot_value_count(patch) > 0;
    if (args_has(a, "json")) {
        good = print_json(from, to, args_text(a, "task", NULL), patch);
    } else if (differ) {
        print_heading("---", OUT_BAD, from);
        print_heading("+++", OUT_GOOD, to);
        patch_print("", from->state, patch);
    } else {
        out_note("no difference");
    }
    eyot_value_unref(patch);
    return good && !differ ? EXIT_DONE : EXIT_FAILED;
}

static int diff_main(const args *a)
{
    place p;
    side from = {.c = NULL}, to = {.c = NULL};
    const char *task = args_text(a, "task", NULL);
    int code = place_open(&p, a, PLACE_LOOK);
    if (code == EXIT_DONE) code = side_open(&from, &p, a->words[0], task);
    if (code == EXIT_DONE) code = side_open(&to, &p, a->words[1], task);
    if (code == EXIT_DONE) code = tell(a, &from, &to);
    side_clear(&from);
    side_clear(&to);
    place_close(&p);
    return code;
}

const verb verb_diff = {.name = "diff",
                        .words = "RUN[@STEP] RUN[@STEP]",
                        .min_words = 2,
                        .max_words = 2,
                        .summary = "tell what differs between two states",
                        .about = about,
                        .options = options,
                        .uses_store = true,
                        .main = diff_main};
