/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"

static const args_option options[] = {
    {.name = NULL},
};

static int cancel(place *p, const run_row *row)
{
    eyot_error e;
    bool held = false;
    eyot_status s = eyot_store_cancel(p->store, row->id, &held, &e);
    if (s == EYOT_EALREADY && row->status == EYOT_RUN_CANCELLED) {
        out_note("%s is cancelled already", row->id);
        return EXIT_DONE;
    }
    if (s != EYOT_OK) return out_failed(&e);
    out_note(held ? "%s is asked to stop" : "%s is cancelled", row->id);
    return EXIT_DONE;
}

static int cancel_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    int code = place_open_run(&p, a, RUN_ALONE, &word, &row);
    if (code == EXIT_DONE) code = cancel(&p, &row);
    place_close(&p);
    return code;
}

const verb verb_cancel = {
    .name = "cancel",
    .words = "RUN",
    .min_words = 1,
    .max_words = 1,
    .summary = "ask a run to stop, whoever works on it",
    .about =
        "Its process sees it within a second or two, stops its commands and keeps what is done; `eyot resume` can go "
        "on with the run.",
    .options = options,
    .uses_store = true,
    .main = cancel_main};
