/* SPDX-License-Identifier: MIT */
/* One life of a run in this process: from `run` or `resume` until it ends, and what is said of its end. Each step
 * returns EXIT_DONE, or what to exit with when something has been said; life_end undoes them all. */
#ifndef EYOT_CLI_LIFE_H
#define EYOT_CLI_LIFE_H

#include "cli/flow.h"
#include "cli/place.h"

typedef struct life {
    const args *a;
    place place;
    loop *loop;
    graphfile *file; /* set between life_begin and life_make */
    flow *flow;
    eyot_engine *engine;
    eyot_run *run; /* set between life_make and life_wait */
    char *cwd;     /* where commands run */
    uint32_t jobs;
    bool imported; /* so was the stored run: see life_trust */
    bool silent;   /* what its commands write on stderr is not kept */
} life;

/* The options that life_* look at; those of a verb stand before them. */
#define LIFE_OPTIONS                                                                                              \
    {.name = "jobs",                                                                                              \
     .letter = 'j',                                                                                               \
     .value = "N",                                                                                                \
     .most = 65535,                                                                                               \
     .help = "tasks at once; 0 (and without it): as many as processors"},                                         \
        {.name = "strategy",                                                                                      \
         .value = "WHICH",                                                                                        \
         .choices = "adaptive|sequential|parallel",                                                               \
         .help = "how tasks are spread"},                                                                         \
        {.name = "durability",                                                                                    \
         .value = "WHEN",                                                                                         \
         .choices = "sync|async|exit",                                                                            \
         .help = "when steps are on disk: before the next, soon, at the end"},                                    \
        {.name = "nodes", .value = "PATH", .repeats = true, .help = "a shared object with functions for `call`"}, \
        {.name = "no-wait", .help = "exit with 7 when only a time is left to wait for"},                          \
    {                                                                                                             \
        .name = "json", .help = "the result as one JSON object"                                                   \
    }

/* Signals, and the loop of children: before anything else. */
int life_begin(life *l, const args *a);
/* The store. */
int life_open(life *l, place_mode mode);
/* The flow of l->file; of another file. */
int life_make_flow(life *l);
int life_flow(const life *l, const graphfile *file, flow **out);
/* Where commands run: consumed; NULL: this directory. */
int life_go_to(life *l, char *cwd_take);
/* The id of a new run: --run, or made up. */
int life_choose_id(const args *a, const char *graph, char id[129]);
/* The engine; lease_ms 0: the library's. */
int life_engine(life *l, uint32_t threads, uint32_t lease_ms);
/* Commands and expressions hold no thread; functions of modules do. */
uint32_t life_threads(const graphfile *file, uint32_t jobs);
/* All of that for l->file. */
int life_make(life *l, char *cwd_take);
/* Options of runs as the command line of every verb that runs some has them. */
eyot_run_options life_options(const life *l);
/* With --no-wait: of verbs that run one. */
eyot_run_options life_run_options(const life *l);
/* Waits for the end of l->run, and tells it. */
int life_wait(life *l);
/* Returns `code`, or what a signal makes of it. */
int life_end(life *l, int code);

/* "eyot resume ID", with the store if it was named; borrowed until the next call. */
const char *life_resume_hint(const life *l, const char *id);

/* life_stored.c: of verbs that go on with a stored run, or from one. Their options are --graph and --trust-store. */
/* l->file becomes the graph to go on with. */
int life_choose_graph(life *l, const run_row *row);
/* With another graph, after life_make, what differs is told, and what is not harmless needs --accept-changes. */
int life_compare(const life *l, const run_row *row);
/* Whoever wrote the stream of an imported run has chosen its commands, and where they run: when `commands` may run, somebody here
 * must have named the graph, or said that he trusts. */
int life_trust(life *l, const run_row *row, bool commands);
/* Where the run's commands ran, for life_go_to; NULL: not known, or not trusted. */
char *life_directory(const life *l, const char *id);
/* Keeps l->cwd beside a run, so that its commands find the same files when it goes on from elsewhere. */
void life_keep_directory(const life *l, const char *id);

/* life_report.c: the end of the run on stdout and stderr. */
int life_report(life *l, eyot_status status, const eyot_error *e);

#endif
