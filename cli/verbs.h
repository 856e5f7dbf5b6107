/* SPDX-License-Identifier: MIT */
/* The verbs there are, a file each. */
#ifndef EYOT_CLI_VERBS_H
#define EYOT_CLI_VERBS_H

#include "cli/verb.h"

extern const verb verb_run, verb_resume, verb_show, verb_history, verb_diff, verb_replay, verb_fork, verb_logs,
    verb_list, verb_events, verb_graph, verb_check, verb_work, verb_cancel, verb_label, verb_prune, verb_gc,
    verb_delete, verb_export, verb_import, verb_doctor, verb_version, verb_completion, verb_help;

#endif
