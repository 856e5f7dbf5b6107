/* SPDX-License-Identifier: MIT */
/* What flow.c (the graph of a file) and flow_task.c (the way of a task through its node) share. */
#ifndef EYOT_CLI_FLOW_OWN_H
#define EYOT_CLI_FLOW_OWN_H

#include <stdatomic.h>

#include "cli/flow.h"

/* A node with what was worked out once for all of its tasks. */
typedef struct flow_node {
    flow *flow;
    const gf_node *gf;
    char *cwd;       /* where its commands run; NULL: where we are */
    eyot_node_fn fn; /* call: the module's function */
    void *user;
    const char **before; /* programs evaluated on the task's state: env in order, then the node's own, if it has one */
    size_t n_before;
    const char **after; /* programs evaluated on its new state: `when` and `each` in the order of the edges */
    size_t n_after;
    bool routes; /* the file's edges need a look; otherwise the library's rule is the same */
} flow_node;

typedef struct flow_condition {
    flow *flow;
    const char *program;
} flow_condition;

struct flow {
    eyot_graph *graph;
    const graphfile *file;
    loop *loop;
    eyot_store *store;
    void (*observe)(void *arg, const flow_event *ev);
    void *arg;
    char *cwd;
    flow_node *nodes;
    flow_condition *conditions;
    size_t n_conditions;
    void **modules; /* dlopen's */
    size_t n_modules;
    atomic_uint inside; /* calls of their functions that have not returned */
};

/* flow_task.c: the node function of every node of a graph file; `user` is its flow_node. */
eyot_status flow_run_node(eyot_task *task, void *user);
/* What `on_error` says for a task that has failed for good. */
eyot_status flow_rescue(eyot_task *task, eyot_status status, const char *text, void *user);
/* The condition of an edge with `when`, for a function of a module that completes its own task later: blocks for jq. `user` is
 * a flow_condition. */
eyot_status flow_condition_holds(const void *state, bool *taken, void *user, eyot_error *e);

#endif
