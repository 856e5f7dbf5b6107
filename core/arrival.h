/* SPDX-License-Identifier: MIT */
/* Going along an edge: who a branch is then, where it waits for others, and the order of those that meet. Pure. */
#ifndef EYOT_CORE_ARRIVAL_H
#define EYOT_CORE_ARRIVAL_H

#include "core/history.h"
#include "core/topology.h"

/* By in-edge, stamp of the task they come from, its path, index of the item. One pass over a list that is sorted. */
eyot__arrival *eyot__arrivals_sort(eyot__arrival *list);

static inline const eyot__way *eyot__way_of(const eyot__topology *shape, uint32_t node, const eyot__stamp *stamp)
{
    const eyot__tnode *n = &shape->nodes[node];
    return stamp ? &n->ways[eyot__stamp_z(stamp->c, n->depth)] : &n->first;
}

/* The stamp after an edge, or at a start (edge UINT32_MAX) the first iteration of every loop. */
eyot_status eyot__step_into_loops(const eyot__topology *shape, uint32_t edge, uint32_t node, eyot__stamp *from,
                                  eyot__stamp **to);
/* The path of a task that did not join: its branch's path, plus what tells apart all the ways it can have come here. */
eyot_status eyot__extend_path(const eyot__topology *shape, const eyot__arrival *a, uint32_t edge, bool sent,
                              const eyot__way *way, eyot__path **out);

/* Who a branch becomes that goes to `node` over an edge (UINT32_MAX: as a start). Of `a` the stamp, path, index and in-edge
 * are looked at. ENOMEM: *who holds nothing. */
static inline eyot_status eyot__target(const eyot__topology *shape, uint32_t edge, uint32_t node, bool sent,
                                       const eyot__arrival *a, eyot__who *who, const eyot__way **way)
{
    const eyot__tnode *n = &shape->nodes[node];
    eyot_status status = EYOT_OK;
    *who = (eyot__who){.node = node};
    if (n->depth > 0) status = eyot__step_into_loops(shape, edge, node, a->stamp, &who->stamp);
    if (status) return status;
    *way = eyot__way_of(shape, node, who->stamp);
    if (n->one_by_one) status = eyot__extend_path(shape, a, edge, sent, *way, &who->path);
    if (status) {
        eyot__stamp_unref(who->stamp);
        who->stamp = NULL;
    }
    return status;
}

/* It waits there for others, if any. */
static inline bool eyot__target_joins(const eyot__topology *shape, uint32_t node, const eyot__way *way)
{
    return !shape->nodes[node].one_by_one && way->expected != 1;
}

#endif
