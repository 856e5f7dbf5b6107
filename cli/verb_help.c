/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/out.h"

#include <string.h>

static const args_option options[] = {
    {.name = NULL},
};

static int help_main(const args *a)
{
    const verb *v = a->n_words > 0 ? verb_find(a->words[0]) : NULL;
    if (a->n_words > 0 && !v)
        return out_error(EXIT_USAGE, "there is no verb \"%s\"; `eyot help` lists them", a->words[0]);
    if (v)
        help_verb(v);
    else
        help_all();
    return EXIT_DONE;
}

const verb verb_help = {.name = "help",
                        .words = "[VERB]",
                        .max_words = 1,
                        .summary = "print what there is, or what a verb does",
                        .options = options,
                        .main = help_main};

static int completion_main(const args *a)
{
    if (strcmp(a->words[0], "bash") != 0)
        return out_error(EXIT_USAGE, "completion: there is one for bash, none for \"%s\"", a->words[0]);
    help_completion();
    return EXIT_DONE;
}

const verb verb_completion = {.name = "completion",
                              .words = "bash",
                              .min_words = 1,
                              .max_words = 1,
                              .summary = "print a script that completes verbs, options and ids",
                              .about = "  source <(eyot completion bash)",
                              .options = options,
                              .main = completion_main};
