/* SPDX-License-Identifier: MIT */
/* Arguments: a verb, its words and options, in any order. Options are `--name value`, `--name=value`, `-x value`,
 * `-xvalue`; letters without a value may be joined (`-qv`); after `--` everything is a word. */
#ifndef EYOT_CLI_ARGS_H
#define EYOT_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct verb verb;

typedef struct args_option {
    const char *name;    /* without the dashes */
    char letter;         /* 0: none */
    bool repeats;        /* every one counts; of others the last one does */
    const char *value;   /* what its value is called: "URL"; NULL: it has none */
    const char *choices; /* "a|b|c": the only values there are; NULL: anything */
    uint64_t most;       /* not 0: the value is a number from 0 up to this */
    bool optional;       /* with `most`: the value may be missing */
    bool duration;       /* the value is a time: 250ms, 30s, 5m, 2h, 3d */
    const char *help;
} args_option;

typedef struct args_given {
    const args_option *option;
    const char *value; /* NULL: it has none */
} args_given;

typedef struct args {
    const verb *verb;   /* NULL: none was named */
    const char **words; /* borrowed from argv, as all values are */
    size_t n_words;
    args_given *given; /* in the order of the command line */
    size_t n_given;
    bool help, version; /* was asked for: what follows was not looked at */
} args;

enum { ARGS_PROBLEM = 256 };

/* The options that every verb has, and the one of those that use a store. The last one has no name. */
extern const args_option args_common[];
extern const args_option args_store[];

/* False: `problem` says in one line what is wrong. args_clear in any case. */
bool args_parse(args *a, int argc, char **argv, char problem[ARGS_PROBLEM]);
void args_clear(args *a);

/* Of an option that the verb has: was it given; its value, `otherwise` when it was not. */
bool args_has(const args *a, const char *name);
const char *args_text(const args *a, const char *name, const char *otherwise);
uint64_t args_number(const args *a, const char *name, uint64_t otherwise);
uint64_t args_ms(const args *a, const char *name, uint64_t otherwise);
/* The next value of an option that repeats; *at is 0 at first. NULL: no more. */
const char *args_each(const args *a, const char *name, size_t *at);

/* "30s" in milliseconds; false: it is no duration, or too long for 64 bits. */
bool args_duration(const char *text, uint64_t *ms);
/* The one of `n` names that looks most like `word`, if any is close enough to have been meant; else NULL. */
const char *args_meant(const char *word, const char *(*name)(const void *arg, size_t i), const void *arg, size_t n);

#endif
