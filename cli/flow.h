/* SPDX-License-Identifier: MIT */
/* An eyot_graph of a graph file, with node functions that run commands, evaluate expressions, call modules. */
#ifndef EYOT_CLI_FLOW_H
#define EYOT_CLI_FLOW_H

#include <eyot/store.h>

#include "cli/graphfile.h"
#include "cli/loop.h"

typedef struct flow flow;

typedef enum flow_event_kind { FLOW_STARTED, FLOW_ENDED, FLOW_FAILED, FLOW_STOPPED } flow_event_kind;
typedef struct flow_event {
    flow_event_kind kind;
    const char *task, *node;
    uint32_t attempt;
    const char *text; /* the error of a failed attempt */
    uint64_t ms;      /* what it took */
} flow_event;

typedef struct flow_options {
    loop *loop;                 /* NULL: only to look at; its nodes cannot run */
    const char *const *modules; /* paths of shared objects */
    size_t n_modules;
    void (*observe)(void *arg, const flow_event *ev); /* on any thread; may be NULL */
    void *arg;
    eyot_store *store; /* keeps what the attempts of commands wrote on stderr */
    const char *cwd;   /* where commands run whose node names no directory */
} flow_options;

/* Under this key, made of a task's key and an attempt, a run's note holds what that attempt wrote on stderr. */
#define FLOW_LOG_KEY "log/%s/%u"

eyot_status flow_make(flow **out, const graphfile *file, const flow_options *options, eyot_error *e); /* borrows file */
const eyot_graph *flow_graph(const flow *f);
/* Is a function of a module still at work? After the run's end it is one that outlived its timeout and the grace. */
bool flow_is_busy(const flow *f);
void flow_free(flow *f);

#endif
