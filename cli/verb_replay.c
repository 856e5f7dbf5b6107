/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/patch.h"
#include "cli/out.h"
#include "cli/replay.h"
#include "cli/stored.h"

#include <eyot/replay.h>

#include <inttypes.h>

static const args_option options[] = {
    {.name = "playback", .help = "print what every step has written; what it does without --verify"},
    {.name = "verify", .help = "do every task again as it was, and compare what comes of it"},
    {.name = "from", .value = "STEP", .most = INT64_MAX, .help = "begin where the run stood after this step"},
    {.name = "live", .help = "with --verify: commands run again, instead of their recorded output being taken"},
    {.name = "graph",
     .value = "FILE",
     .help = "with --verify: do what this file says instead; nodes of another `version` are not compared"},
    {.name = "trust-store", .help = "with --live: run the commands of a run that was imported"},
    {.name = "nodes", .value = "PATH", .repeats = true, .help = "a shared object with functions for `call`"},
    {.name = "json", .help = "with --verify: the result as one JSON object"},
    {.name = "jsonl", .help = "with --playback: a JSON object per step and line"},
    {.name = NULL},
};

static const char about[] =
    "--playback reads the log and runs nothing. --verify does tasks again with the state, the answers and the recorded "
    "values "
    "that they had, and writes nothing: expressions are evaluated, functions of modules are called, commands are not "
    "started without --live. The first difference ends it, and the exit code is 1 then.\n\n"
    "  eyot replay latest --jsonl | jq .state\n"
    "  eyot replay digest-k3f9q2xw --verify\n"
    "  eyot replay digest-k3f9q2xw --verify --graph digest.yaml";

/* ---- playback --------------------------------------------------------------------------------------------------- */

typedef struct playing {
    const stored *graph;
    bool lines;
} playing;

static eyot_value *step_value(const playing *p, const eyot_played_step *step)
{
    eyot_value *v = eyot_value_set(eyot_value_new_map(), "schema", eyot_value_new_int(1));
    v = eyot_value_set(v, "step", eyot_value_new_uint(step->step));
    v = eyot_value_set(v, "task", eyot_value_new_string(step->task));
    v = eyot_value_set(v, "node", eyot_value_new_string(step->node));
    v = eyot_value_set(v, "ended", eyot_value_new_bool(step->ended));
    v = eyot_value_set(v, "update", step->update ? stored_value(p->graph->graph, step->update) : eyot_value_new_null());
    return eyot_value_set(v, "state", stored_value(p->graph->graph, step->state));
}

static eyot_status on_step(void *arg, const eyot_played_step *step)
{
    const playing *p = arg;
    if (out_is_gone()) return EYOT_ECANCELED;
    if (p->lines) return out_json(step_value(p, step)) ? EYOT_OK : EYOT_ENOMEM;
    out_printf("%4" PRIu64 "  ", step->step);
    out_text(step->task);
    out_styled(OUT_FAINT, step->ended ? "  the branch ends" : "");
    out_printf("\n");
    eyot_value *update = stored_value(p->graph->graph, step->update);
    patch_update("        ", update);
    eyot_value_unref(update);
    return EYOT_OK;
}

static int play(const args *a)
{
    eyot_error e = {0};
    place p;
    run_word word;
    run_row row;
    stored s = {0};
    playing told = {.graph = &s, .lines = args_has(a, "jsonl")};
    eyot_status status = EYOT_OK;
    int code = place_open_run(&p, a, RUN_ALONE, &word, &row);
    if (code == EXIT_DONE) code = stored_open(&s, &p, &row);
    if (code == EXIT_DONE)
        status = eyot_store_play(p.store, s.graph, row.id, args_number(a, "from", 0), on_step, &told, &e);
    if (status && !out_is_gone())
        code = e.text[0] ? out_failed(&e) : out_error(out_exit_code(status), "%s", eyot_status_text(status));
    stored_clear(&s);
    place_close(&p);
    return code;
}

/* ---- both ------------------------------------------------------------------------------------------------------- */

static int replay_main(const args *a)
{
    static const char *const of_verify[] = {"live", "graph", "trust-store", "nodes", "json"};
    bool verify = args_has(a, "verify");
    if (verify && args_has(a, "playback")) return out_error(EXIT_USAGE, "replay: --playback or --verify, not both");
    if (verify && args_has(a, "jsonl")) return out_error(EXIT_USAGE, "replay: --jsonl is for --playback");
    for (size_t i = 0; !verify && i < sizeof of_verify / sizeof *of_verify; i++)
        if (args_has(a, of_verify[i])) return out_error(EXIT_USAGE, "replay: --%s is for --verify", of_verify[i]);
    return verify ? replay_verify(a) : play(a);
}

const verb verb_replay = {.name = "replay",
                          .words = "RUN",
                          .min_words = 1,
                          .max_words = 1,
                          .summary = "play what a run has done, or verify that it does it again",
                          .about = about,
                          .options = options,
                          .uses_store = true,
                          .main = replay_main};
