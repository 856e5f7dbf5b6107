/* SPDX-License-Identifier: MIT */
/* Topological order: A. B. Kahn, "Topological sorting of large networks", CACM 5, 1962, with a heap of what is ready,
 * so that of several nodes the one added first comes first. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/graph.h"

#define NONE UINT32_MAX

typedef struct heap {
    uint32_t *items, n;
} heap;

static void heap_put(heap *h, uint32_t item)
{
    uint32_t i = h->n++;
    for (; i > 0 && h->items[(i - 1) / 2] > item; i = (i - 1) / 2) h->items[i] = h->items[(i - 1) / 2];
    h->items[i] = item;
}

static uint32_t heap_take(heap *h)
{
    uint32_t least = h->items[0], item = h->items[--h->n], i = 0;
    for (uint32_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && h->items[child + 1] < h->items[child]) child++;
        if (h->items[child] >= item) break;
        h->items[i] = h->items[child];
    }
    h->items[i] = item;
    return least;
}

/* How many nodes could be put in order; `missing` keeps the in-edges of the others that still hold them back. */
static uint32_t kahn(const eyot__topology *t, heap *ready, uint32_t *missing, uint32_t *order, uint32_t *levels)
{
    uint32_t n = 0;
    for (uint32_t v = 0; v < t->n_nodes; v++) {
        missing[v] = t->nodes[v].n_in;
        if (levels) levels[v] = 0;
        if (missing[v] == 0) heap_put(ready, v);
    }
    while (ready->n > 0) {
        uint32_t v = order[n++] = heap_take(ready);
        for (uint32_t i = 0; i < t->nodes[v].n_out; i++) {
            uint32_t w = t->edges[t->nodes[v].out[i]].to;
            if (levels && levels[w] < levels[v] + 1) levels[w] = levels[v] + 1;
            if (--missing[w] == 0) heap_put(ready, w);
        }
    }
    return n;
}

static uint32_t held_by(const eyot__topology *t, const uint32_t *missing, uint32_t v)
{
    for (uint32_t i = 0; i < t->nodes[v].n_in; i++) {
        uint32_t u = t->edges[t->nodes[v].in[i]].from;
        if (missing[u] > 0) return u;
    }
    return NONE; /* not for a node that is held back */
}

/* Walks back from a node that is held back until a node comes again; next[] then leads forward round the cycle. Returns
 * the node of the cycle that was added first. */
static uint32_t find_cycle(const eyot__topology *t, const uint32_t *missing, uint32_t *next)
{
    uint32_t v = 0, first;
    while (missing[v] == 0) v++;
    for (uint32_t i = 0; i < t->n_nodes; i++) next[i] = NONE;
    for (uint32_t u; next[u = held_by(t, missing, v)] == NONE; v = u) next[u] = v;
    uint32_t end = held_by(t, missing, v);
    next[end] = v;
    first = end;
    for (uint32_t w = next[end]; w != end; w = next[w])
        if (w < first) first = w;
    return first;
}

/* The whole path if it fits into an error's text, else its beginning. */
static eyot_status tell_cycle(const eyot_graph *g, const uint32_t *next, uint32_t first, eyot_error *e)
{
    eyot_buf text = EYOT__BUF_INIT;
    const size_t arrow = strlen(" -> "), more = strlen("(4294967295 more) -> ");
    size_t room = sizeof e->text - 1 - strlen("cycle: ") - g->nodes[first].id_len, whole = 0;
    uint32_t left = 0, v = first;
    do {
        whole += g->nodes[v].id_len + arrow;
        left++;
        v = next[v];
    } while (v != first);
    for (; left > 0 && (whole <= room || text.len + g->nodes[v].id_len + arrow + more <= room); left--, v = next[v])
        eyot__buf_format(&text, "%s -> ", g->nodes[v].id);
    if (left > 0) eyot__buf_format(&text, "(%u more) -> ", (unsigned)left);
    eyot__buf_u8(&text, 0);
    eyot_status status = text.failed;
    if (status != EYOT_OK)
        eyot_error_set(e, status, "graph %s: %s", g->name, eyot_status_text(status));
    else
        status = eyot_error_set(e, EYOT_EGRAPH, "cycle: %s%s", (const char *)text.data, g->nodes[first].id);
    eyot__buf_clear(&text);
    return status;
}

eyot_status eyot_graph_topological_order(const eyot_graph *g, uint32_t *order, uint32_t *levels, eyot_error *e)
{
    if (!g || !g->frozen) return eyot_error_set(e, EYOT_EINVAL, "graph %s is not frozen", g ? g->name : "(NULL)");
    if (!order) return eyot_error_set(e, EYOT_EINVAL, "graph %s: there is no place for the order", g->name);
    uint32_t *missing = malloc((size_t)g->n_nodes * sizeof *missing);
    heap ready = {malloc((size_t)g->n_nodes * sizeof *ready.items), 0};
    eyot_status status = EYOT_OK;
    if (!missing || !ready.items)
        status = eyot_error_set(e, EYOT_ENOMEM, "graph %s: out of memory", g->name);
    else if (kahn(g->shape, &ready, missing, order, levels) < g->n_nodes)
        status = tell_cycle(g, ready.items, find_cycle(g->shape, missing, ready.items), e);
    free(missing);
    free(ready.items);
    return status;
}
