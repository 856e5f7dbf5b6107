/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include <string.h>

const verb *const verbs[] = {&verb_run,    &verb_resume, &verb_show,   &verb_history, &verb_diff,       &verb_replay,
                             &verb_fork,   &verb_logs,   &verb_list,   &verb_events,  &verb_graph,      &verb_check,
                             &verb_work,   &verb_cancel, &verb_label,  &verb_prune,   &verb_gc,         &verb_delete,
                             &verb_export, &verb_import, &verb_doctor, &verb_version, &verb_completion, &verb_help};
const size_t n_verbs = sizeof verbs / sizeof *verbs;

const verb *verb_find(const char *name)
{
    for (size_t i = 0; i < n_verbs; i++)
        if (strcmp(verbs[i]->name, name) == 0) return verbs[i];
    return NULL;
}
