/* SPDX-License-Identifier: MIT */
#include "core/arrival.h"

#include <stdlib.h>
#include <string.h>

/* ---- order ------------------------------------------------------------------------------------------------------- */

static int arrival_compare(const eyot__arrival *a, const eyot__arrival *b)
{
    if (a->edge != b->edge) return a->edge < b->edge ? -1 : 1;
    int c = eyot__stamp_compare(a->stamp, b->stamp);
    if (!c) c = eyot__path_compare(a->path, b->path);
    if (c) return c;
    return a->index == b->index ? 0 : a->index < b->index ? -1 : 1;
}

/* Cuts the longest sorted run off the front of *list. */
static eyot__arrival *cut_run(eyot__arrival **list)
{
    eyot__arrival *head = *list, *tail = head;
    while (tail->next && arrival_compare(tail, tail->next) <= 0) tail = tail->next;
    *list = tail->next;
    tail->next = NULL;
    return head;
}

static eyot__arrival *merge_runs(eyot__arrival *a, eyot__arrival *b)
{
    eyot__arrival *head = NULL, **link = &head;
    while (a && b) {
        eyot__arrival **least = arrival_compare(a, b) <= 0 ? &a : &b, *taken = *least;
        *link = taken;
        link = &taken->next;
        *least = taken->next;
    }
    *link = a ? a : b;
    return head;
}

/* Natural merge sort (Knuth, TAOCP 3, 5.2.4) on the list. Runs wait in slots by size, as the digits of a binary counter. */
static eyot__arrival *sort_runs(eyot__arrival *run, eyot__arrival *list)
{
    eyot__arrival *slots[48] = {0};
    uint32_t top = 0;
    for (;; run = cut_run(&list)) {
        uint32_t i = 0;
        for (; i < 47 && slots[i]; i++) {
            run = merge_runs(slots[i], run);
            slots[i] = NULL;
        }
        slots[i] = run;
        if (i >= top) top = i + 1;
        if (!list) break;
    }
    eyot__arrival *all = NULL;
    for (uint32_t i = 0; i < top; i++)
        if (slots[i]) all = all ? merge_runs(slots[i], all) : slots[i];
    return all;
}

/* Branches mostly arrive in order, and then it is one pass. */
eyot__arrival *eyot__arrivals_sort(eyot__arrival *list)
{
    eyot__arrival *run = cut_run(&list);
    return list ? sort_runs(run, list) : run;
}

/* ---- going along an edge ----------------------------------------------------------------------------------------- */

eyot_status eyot__step_into_loops(const eyot__topology *shape, uint32_t edge, uint32_t node, eyot__stamp *from,
                                  eyot__stamp **to)
{
    uint64_t few[16], *counters = few;
    uint32_t depth = shape->nodes[node].depth;
    if (edge != UINT32_MAX && shape->edges[edge].same_stamp) {
        *to = eyot__stamp_ref(from);
        return EYOT_OK;
    }
    if (depth > 16 && !(counters = malloc(depth * sizeof *counters))) return EYOT_ENOMEM;
    memset(counters, 0, depth * sizeof *counters);
    if (edge != UINT32_MAX) eyot__topology_step(shape, edge, eyot__stamp_counters(from), counters);
    *to = eyot__stamp_new(counters, depth);
    if (counters != few) free(counters);
    return *to ? EYOT_OK : EYOT_ENOMEM;
}

eyot_status eyot__extend_path(const eyot__topology *shape, const eyot__arrival *a, uint32_t edge, bool sent,
                              const eyot__way *way, eyot__path **out)
{
    eyot__path *p = eyot__path_ref(a->path);
    uint32_t keep = edge == UINT32_MAX ? 0 : shape->edges[edge].keep;
    if (a->stamp && a->stamp->n > keep) {
        int64_t few[16], *left = few;
        uint32_t n = a->stamp->n - keep;
        if (n > 16 && !(left = malloc(n * sizeof *left))) {
            eyot__path_unref(p);
            return EYOT_ENOMEM;
        }
        for (uint32_t i = 0; i < n; i++) left[i] = (int64_t)a->stamp->c[keep + i];
        p = eyot__path_add(p, EYOT__PART_LEFT, left, n);
        if (left != few) free(left);
        if (!p) return EYOT_ENOMEM;
    }
    int64_t index = (int64_t)a->index;
    if (sent && !(p = eyot__path_add(p, EYOT__PART_SENT, &index, 1))) return EYOT_ENOMEM;
    if (way->ways > 1 && !(p = eyot__path_add(p, EYOT__PART_EDGE, &a->edge, 1))) return EYOT_ENOMEM;
    *out = p;
    return EYOT_OK;
}
