/* SPDX-License-Identifier: MIT */
/* A verb of the command line: `eyot run …`. Its help, the completion and the checks of its arguments all come from
 * this. */
#ifndef EYOT_CLI_VERB_H
#define EYOT_CLI_VERB_H

#include "cli/args.h"

struct verb {
    const char *name;
    const char *words; /* what stands beside its options: "FILE", "RUN[@STEP]" */
    size_t min_words, max_words;
    const char *summary;        /* one line, for the list of verbs */
    const char *about;          /* after the options in its help; may be NULL */
    const args_option *options; /* of its own; the last one has no name */
    bool uses_store;            /* has --store too */
    int (*main)(const args *a); /* the exit code */
};

/* All of them, in the order they are listed in. */
extern const verb *const verbs[];
extern const size_t n_verbs;
const verb *verb_find(const char *name); /* NULL: there is none */

/* Help for all or one of them, and the completion, on stdout. */
void help_all(void);
void help_verb(const verb *v);
void help_completion(void);

#endif
