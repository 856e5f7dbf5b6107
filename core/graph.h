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

typedef struct eyot__gnode {
    eyot_node_fn fn;
    void *user;
    _Atomic uint32_t mean_ns; /* how long its tasks take, measured by sampling; 0: not yet known. The only part of a
                                 frozen graph that changes; a hint that never changes a result */
    bool plain;               /* all out-edges are EYOT__EDGE_ALWAYS: nothing to evaluate after it */
    uint32_t flags;           /* eyot_node_flag */
    uint32_t id_len;
    char *id;
    char *version; /* NULL: none */
} eyot__gnode;

struct eyot_graph {
    char *name;
    const eyot_copier *copier;
    void *copier_user; /* the copier's own, or the rules made by eyot_graph_reduce: what every slot is given */
    bool frozen;
    eyot__gnode *nodes;
    uint32_t n_nodes;
    eyot__gedge *edges; /* numbered as in the topology */
    uint32_t n_edges;
    eyot__topology *shape; /* set by freeze */
    char fingerprint[65];
    char *source; /* the JSON form, what a store keeps per fingerprint */
    size_t source_len;
    struct eyot__graph_private *own;
};

/* Node number of an id; UINT32_MAX: none. Frozen graphs only; O(1). */
uint32_t eyot__graph_find(const eyot_graph *g, const char *id, size_t len);
/* The edge from `from` to node `to`; UINT32_MAX: none. O(log out-edges) at most for large fans. */
uint32_t eyot__graph_edge_to(const eyot_graph *g, uint32_t from, uint32_t to);

#endif
