/* SPDX-License-Identifier: MIT */
/* The shape of a graph: its loop forest, stamps, and who can still reach whom. Pure: no threads, clock or I/O.
 * docs/design.md tells the rules; a stamp is one counter per loop that contains the node, outermost first. */
#ifndef EYOT_CORE_TOPOLOGY_H
#define EYOT_CORE_TOPOLOGY_H

#include <eyot/eyot.h>

#define EYOT__UNCOUNTED UINT32_MAX
#define EYOT__CONE_MAX 1024 /* places of a cone that are listed, at most */

/* What can lead to a node, by how many counters of the stamp count (z = index of the last non-zero one, plus 1). */
typedef struct eyot__way {
    uint32_t ways;     /* in-edges, the start counting as one, that can lead here with such a stamp */
    uint32_t expected; /* arrivals after which nothing more can come; EYOT__UNCOUNTED: cannot be told by counting */
    bool meets;        /* by structure two branches can meet here, or a map ends: local keys are dropped */
} eyot__way;

typedef struct eyot__tnode {
    const uint32_t *out, *in; /* edge numbers, in the order the edges were added */
    uint32_t n_out, n_in;
    uint32_t depth; /* loops that contain it */
    bool start;
    bool one_by_one; /* marked each, or some edge sends to it: runs once per arriving branch, never joins */
    eyot__way first; /* ways[0], here because most nodes are in no loop: a task looks at one cache line of its node */
    const uint32_t *chain; /* the loops' numbers, outermost first */
    const eyot__way *ways; /* [depth + 1], by z */
} eyot__tnode;

typedef struct eyot__tedge {
    uint32_t from, to;
    uint32_t in_index; /* which in-edge of `to` it is: 0, 1, … in the order they were added */
    uint32_t keep;     /* counters of the source's stamp that are kept */
    bool back;         /* a back edge: counter keep - 1 is raised by one */
    bool same_stamp;   /* the stamp at `to` is the one at `from`, unchanged */
    bool sends;
} eyot__tedge;

typedef struct eyot__topology {
    uint32_t n_nodes, n_edges, n_loops, n_starts;
    uint32_t max_depth;
    eyot__tnode *nodes;
    eyot__tedge *edges;
    uint32_t *starts; /* node numbers, in order */
    struct eyot__topology_private *own;
} eyot__topology;

typedef struct eyot__topology_input {
    uint32_t n_nodes, n_edges, n_starts;
    const uint32_t *from, *to; /* [n_edges], no two alike */
    const bool *sends;         /* [n_edges] */
    const bool *each;          /* [n_nodes] */
    const uint32_t *starts;    /* [n_starts] */
} eyot__topology_input;

/* O(nodes + edges) per level of loop nesting, no recursion. Unreachable nodes are allowed. ENOMEM;
 * ELIMIT: loops nested deeper than 1,000. */
eyot_status eyot__topology_new(eyot__topology **out, const eyot__topology_input *in);
void eyot__topology_free(eyot__topology *t);

/* The stamp at edge e's target for a branch whose source task has `stamp` ([depth of from]); to_stamp has room for
 * [depth of to]. What the source's stamp loses are its counters from `keep` on. */
void eyot__topology_step(const eyot__topology *t, uint32_t e, const uint64_t *stamp, uint64_t *to_stamp);

/* How many counters of the stamp count: the z of eyot__way. */
static inline uint32_t eyot__stamp_z(const uint64_t *stamp, uint32_t depth)
{
    while (depth > 0 && stamp[depth - 1] == 0) depth--;
    return depth;
}

/* Can a branch at w with stamp ws still reach (j, js)? Never true for the same place itself. Searches backwards from j
 * when j is first asked for and keeps what it found (any thread; frees itself with t). ENOMEM shows as true in *failed,
 * and the answer is then true (nothing fires too early). */
bool eyot__topology_can_reach(const eyot__topology *t, uint32_t w, const uint64_t *ws, uint32_t j, const uint64_t *js,
                              bool *failed);

/* The places outside all loops (nodes, or whole loops) from which join j outside all loops can be reached, nearest first:
 * a place below n_nodes is that node, otherwise loop number place - n_nodes. Returns how many; NULL in *places and
 * EYOT__UNCOUNTED when there are more than `limit` (or EYOT__CONE_MAX), when j is inside a loop, or without memory. Kept like the above. */
uint32_t eyot__topology_cone(const eyot__topology *t, uint32_t j, uint32_t limit, const uint32_t **places);

#endif
