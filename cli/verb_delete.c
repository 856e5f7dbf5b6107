/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"
#include "cli/place.h"

#include <string.h>

static const args_option options[] = {
    {.name = NULL},
};

/* What cannot be undone wants the whole id: a beginning that fits one run today may have been meant for another. */
static int delete_run(place *p, const char *word, const run_row *row)
{
    eyot_error e;
    if (strcmp(row->id, word) != 0) return out_error(EXIT_USAGE, "delete takes a whole id: %s", row->id);
    eyot_status s = eyot_store_delete(p->store, row->id, &e);
    if (s == EYOT_EBUSY && row->held && !row->half)
        return out_error(EXIT_HELD, "somebody works on run %s; `eyot cancel` stops it", row->id);
    if (s != EYOT_OK) return out_failed(&e);
    out_note("%s is deleted", row->id);
    return EXIT_DONE;
}

static int delete_main(const args *a)
{
    place p;
    run_word word;
    run_row row;
    int code = place_open_run(&p, a, RUN_ALONE, &word, &row);
    if (code == EXIT_DONE) code = delete_run(&p, word.run, &row);
    place_close(&p);
    return code;
}

const verb verb_delete = {.name = "delete",
                          .words = "RUN",
                          .min_words = 1,
                          .max_words = 1,
                          .summary = "remove a run with all that belongs to it",
                          .about = "RUN is a whole id here. A run that somebody works on is not removed.",
                          .options = options,
                          .uses_store = true,
                          .main = delete_main};
