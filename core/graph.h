/* SPDX-License-Identifier: MIT */
/* What the engine reads of a frozen graph. */
#ifndef EYOT_CORE_GRAPH_H
#define EYOT_CORE_GRAPH_H

#include <stdatomic.h>

#include <eyot/copier.h>
#include <eyot/eyot.h>

#include "core/topology.h"

typedef enum eyot__edge_kind {
    EYOT__EDGE_ALWAYS,
    EYOT__EDGE_IF,
    EYOT__EDGE_OTHERWISE,
    EYOT__EDGE_EACH,
    EYOT__EDGE_ROUTED
} eyot__edge_kind;

typedef struct eyot__gedge {
    eyot__edge_kind kind;
    uint32_t from, to;           /* node numbers, once frozen */
    eyot_condition_fn condition; /* EYOT__EDGE_IF */
    void *user;
    char *name; /* of the condition */
} eyot__gedge;

/* What happens when an attempt takes too long or fails; with defaults filled in. */
typedef struct eyot__policy {
    uint64_t timeout_ms; /* 0: none */
    uint64_t grace_ms;
    uint32_t attempts;
    uint64_t delay_ms, max_ms;
    double factor, jitter;
    eyot_retryable_fn retryable; /* never NULL */
    eyot_rescue_fn rescue;       /* may be NULL */
} eyot__policy;

typedef struct eyot__gnode {
    eyot_node_fn fn;
    void *user;
    _Atomic uint32_t mean_ns; /* how long its tasks take, measured by sampling; 0: not yet known. The only part of a
                                 frozen graph that changes; a hint that never changes a result */
    bool plain;               /* all out-edges are EYOT__EDGE_ALWAYS: nothing to evaluate after it */
    uint32_t flags;           /* eyot_node_flag */
    uint32_t id_len;
    char *id;
    char *version;        /* NULL: none */
    char *action;         /* NULL: not told */
    eyot__policy *policy; /* owned; NULL: one attempt, as long as it takes, and the run fails */
} eyot__gnode;

struct eyot_graph {
    char *name;
    const eyot_copier *copier;
    void *copier_user; /* the copier's own, or the rules made by eyot_graph_reduce: what every slot is given */
    bool frozen;
    bool policies; /* some node has one */
    bool timed;    /* some node has a timeout: its tasks may have to be abandoned, so only workers run them */
    eyot__gnode *nodes;
    uint32_t n_nodes;
    eyot__gedge *edges; /* numbered as in the topology */
    uint32_t n_edges;
    eyot__topology *shape; /* set by freeze */
    char fingerprint[65];
    char *source; /* what a store keeps per fingerprint: the text given, else the JSON form */
    size_t source_len;
    char *form; /* the JSON form */
    size_t form_len;
    eyot_source_compare_fn compare; /* of sources; NULL: nobody knows how */
    void *compare_user;
    struct eyot__graph_private *own;
};

enum { EYOT__GRACE_MS = 5000 };

/* Node number of an id; UINT32_MAX: none. Frozen graphs only; O(1). */
uint32_t eyot__graph_find(const eyot_graph *g, const char *id, size_t len);
/* The edge from `from` to node `to`; UINT32_MAX: none. O(log out-edges) at most for large fans. */
uint32_t eyot__graph_edge_to(const eyot_graph *g, uint32_t from, uint32_t to);

#endif
