/* SPDX-License-Identifier: MIT */
/* The loop forest is built level by level. On each level the nodes that are still inside a loop are split into strongly
 * connected components (R. Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1, 1972, with an
 * explicit stack); the edges inside a component into the nodes where it is entered are its back edges; without them the
 * component is split again on the next level. An edge belongs to the level where its ends come apart, and there it leads
 * from place to place: a place is a node, or a whole inner loop. Places of one level form a DAG.
 *
 * Who can reach a place is found by a search backwards over its level (a "cone") when it is first asked for, and kept. */
#include "core/topology.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define DONE UINT32_MAX            /* index of a node whose component is known */
#define DEPTH_MAX 1000             /* deeper nesting would make stamps and tables quadratic */
#define KEPT_MAX ((size_t)1 << 28) /* bytes of cones kept per graph; beyond it they are searched for each time */
#define FEW 16                     /* a set this small is just a list */

/* What can reach one place. Small: a list. Larger: a hash of the list as well. Large: a bit per place. */
typedef struct cone {
    size_t bytes;
    uint32_t n;
    uint32_t capacity; /* of order */
    uint32_t *order;   /* nearest first; dropped once it is longer than EYOT__CONE_MAX */
    uint32_t mask;     /* of slots */
    uint32_t *slots;   /* place + 1; 0: empty */
    uint64_t *bits;
} cone;

struct eyot__topology_private {
    uint32_t *edge_lists, *chains, *loop_depth, *loop_chain;
    eyot__way *ways;
    uint32_t n_places;            /* nodes, then loops */
    uint32_t *rank;               /* of each place within its level */
    uint32_t *before_at, *before; /* the places that edges of its level lead from, per place */
    _Atomic uintptr_t *cones;     /* per place: 0, a cone, or n * 2 + 1: it has more than n places */
    _Atomic size_t kept;
};

/* What is needed only while the forest is built. */
typedef struct builder {
    eyot__topology *t;
    uint32_t *group;       /* innermost loop known so far, per node */
    uint32_t *index, *low; /* Tarjan's numbers; 0: not seen */
    uint32_t *cursor;      /* next out-edge to look at */
    uint32_t *path, *stack;
    uint32_t *active; /* nodes of this level; those of the next one are collected at its front */
    uint32_t *parent; /* per loop */
    uint32_t n_next, n_stack, counter, emitted, level;
} builder;

static void *array(size_t n, size_t size)
{
    if (n > SIZE_MAX / size) return NULL;
    return malloc(n * size + (n == 0));
}

static void *zeroed(size_t n, size_t size)
{
    return calloc(n + (n == 0), size);
}

/* ---- in-edges and out-edges ------------------------------------------------------------------------------------ */

static void count_edges(eyot__topology *t, const eyot__topology_input *in)
{
    for (uint32_t e = 0; e < t->n_edges; e++) {
        eyot__tedge *edge = &t->edges[e];
        *edge = (eyot__tedge){.from = in->from[e], .to = in->to[e], .sends = in->sends[e]};
        assert(edge->from < t->n_nodes && edge->to < t->n_nodes);
        edge->in_index = t->nodes[edge->to].n_in++;
        t->nodes[edge->from].n_out++;
    }
}

static void list_edges(eyot__topology *t)
{
    uint32_t *out = t->own->edge_lists, *in = out + t->n_edges;
    for (uint32_t v = 0; v < t->n_nodes; v++) {
        t->nodes[v].out = out;
        t->nodes[v].in = in;
        out += t->nodes[v].n_out;
        in += t->nodes[v].n_in;
        t->nodes[v].n_out = t->nodes[v].n_in = 0;
    }
    for (uint32_t e = 0; e < t->n_edges; e++) {
        eyot__tnode *from = &t->nodes[t->edges[e].from], *to = &t->nodes[t->edges[e].to];
        ((uint32_t *)from->out)[from->n_out++] = e;
        ((uint32_t *)to->in)[to->n_in++] = e;
    }
}

static void mark_nodes(eyot__topology *t, const eyot__topology_input *in)
{
    for (uint32_t v = 0; v < t->n_nodes; v++) t->nodes[v].one_by_one = in->each[v];
    for (uint32_t e = 0; e < t->n_edges; e++)
        if (in->sends[e]) t->nodes[in->to[e]].one_by_one = true;
    for (uint32_t i = 0; i < t->n_starts; i++) {
        t->starts[i] = in->starts[i];
        t->nodes[in->starts[i]].start = true;
    }
}

/* ---- the loop forest ------------------------------------------------------------------------------------------- */

/* Does the edge lie inside what this level splits? */
static bool on_level(const builder *b, const eyot__tedge *edge)
{
    return !edge->back && edge->keep == b->level;
}

static bool in_loop_entered_at(const builder *b, uint32_t w, uint32_t loop)
{
    const eyot__tnode *node = &b->t->nodes[w];
    if (b->level == 0 && node->start) return true;
    for (uint32_t i = 0; i < node->n_in; i++) {
        const eyot__tedge *edge = &b->t->edges[node->in[i]];
        if (on_level(b, edge) && b->group[edge->from] != loop) return true;
    }
    return false;
}

/* The edges inside `loop` into w now keep its counter; they are back edges if the loop is entered at w. */
static void raise_edges(builder *b, uint32_t w, uint32_t loop, bool head)
{
    const eyot__tnode *node = &b->t->nodes[w];
    for (uint32_t i = 0; i < node->n_in; i++) {
        eyot__tedge *edge = &b->t->edges[node->in[i]];
        if (!on_level(b, edge) || b->group[edge->from] != loop) continue;
        edge->keep = b->level + 1;
        edge->back = head;
    }
}

static void make_back(builder *b, uint32_t w)
{
    const eyot__tnode *node = &b->t->nodes[w];
    for (uint32_t i = 0; i < node->n_in; i++) {
        eyot__tedge *edge = &b->t->edges[node->in[i]];
        if (edge->keep == b->level + 1) edge->back = true;
    }
}

static void make_loop(builder *b, const uint32_t *members, uint32_t n)
{
    uint32_t loop = b->t->n_loops++, smallest = members[0];
    bool entered = false;
    b->parent[loop] = b->group[members[0]];
    b->t->own->loop_depth[loop] = b->level;
    b->t->own->rank[b->t->n_nodes + loop] = b->emitted;
    for (uint32_t i = 0; i < n; i++) b->group[members[i]] = loop;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t w = members[i];
        bool head = in_loop_entered_at(b, w, loop);
        raise_edges(b, w, loop, head);
        entered |= head;
        if (w < smallest) smallest = w;
        b->t->nodes[w].depth = b->level + 1;
        b->active[b->n_next++] = w;
    }
    if (!entered) make_back(b, smallest); /* no start leads here; it still must come apart */
}

static bool leads_to_itself(const builder *b, uint32_t v)
{
    const eyot__tnode *node = &b->t->nodes[v];
    for (uint32_t i = 0; i < node->n_out; i++) {
        const eyot__tedge *edge = &b->t->edges[node->out[i]];
        if (edge->to == v && on_level(b, edge)) return true;
    }
    return false;
}

/* Takes the component of v, which lies on top of the stack. */
static void close_component(builder *b, uint32_t v)
{
    uint32_t end = b->n_stack;
    do b->index[b->stack[--b->n_stack]] = DONE;
    while (b->stack[b->n_stack] != v);
    if (end - b->n_stack > 1 || leads_to_itself(b, v)) {
        make_loop(b, b->stack + b->n_stack, end - b->n_stack);
    } else {
        b->t->own->rank[v] = b->emitted;
    }
    b->emitted++;
}

static void enter(builder *b, uint32_t v)
{
    b->index[v] = b->low[v] = ++b->counter;
    b->cursor[v] = 0;
    b->stack[b->n_stack++] = v;
}

/* The next node not seen yet that an edge of v leads to; NONE when all have been looked at. */
static uint32_t next_child(builder *b, uint32_t v)
{
    const eyot__tnode *node = &b->t->nodes[v];
    while (b->cursor[v] < node->n_out) {
        const eyot__tedge *edge = &b->t->edges[node->out[b->cursor[v]++]];
        if (!on_level(b, edge)) continue;
        if (b->index[edge->to] == 0) return edge->to;
        if (b->index[edge->to] != DONE && b->index[edge->to] < b->low[v]) b->low[v] = b->index[edge->to];
    }
    return NONE;
}

static void search_components(builder *b, uint32_t root)
{
    uint32_t n = 0;
    enter(b, b->path[n++] = root);
    while (n > 0) {
        uint32_t v = b->path[n - 1], child = next_child(b, v);
        if (child != NONE) {
            enter(b, b->path[n++] = child);
            continue;
        }
        if (--n > 0 && b->low[v] < b->low[b->path[n - 1]]) b->low[b->path[n - 1]] = b->low[v];
        if (b->low[v] == b->index[v]) close_component(b, v);
    }
}

/* Components come out last one first: turned round, the numbers of a level are ranks. */
static void rank_places(eyot__topology *t)
{
    for (uint32_t p = 0; p < t->own->n_places; p++) t->own->rank[p] = ~t->own->rank[p];
}

/* Collecting the next level at the front of `active` is safe: a node enters it after the scan has passed a node of its
 * component, but maybe before the scan comes to the node itself. So the nodes of a level are scanned from a copy. */
static eyot_status split_levels(builder *b)
{
    uint32_t n_active = b->t->n_nodes;
    uint32_t *scan = array(n_active, sizeof *scan);
    if (!scan) return EYOT_ENOMEM;
    for (uint32_t v = 0; v < n_active; v++) b->active[v] = v;
    for (b->level = 0; n_active > 0 && b->t->max_depth <= DEPTH_MAX; b->level++) {
        memcpy(scan, b->active, n_active * sizeof *scan);
        b->n_next = b->counter = b->emitted = 0;
        for (uint32_t i = 0; i < n_active; i++) b->index[scan[i]] = 0;
        for (uint32_t i = 0; i < n_active; i++)
            if (b->index[scan[i]] == 0) search_components(b, scan[i]);
        if (b->n_next > 0) b->t->max_depth = b->level + 1;
        n_active = b->n_next;
    }
    free(scan);
    if (b->t->max_depth > DEPTH_MAX) return EYOT_ELIMIT;
    b->t->own->n_places = b->t->n_nodes + b->t->n_loops;
    rank_places(b->t);
    return EYOT_OK;
}

static eyot_status make_chains(const builder *b)
{
    eyot__topology *t = b->t;
    size_t total = 0;
    for (uint32_t l = 0; l < t->n_loops; l++) total += t->own->loop_depth[l] + 1;
    t->own->chains = array(total, sizeof *t->own->chains);
    size_t *at = array(t->n_loops, sizeof *at);
    if (!t->own->chains || !at) {
        free(at);
        return EYOT_ENOMEM;
    }
    total = 0;
    for (uint32_t l = 0; l < t->n_loops; l++) { /* a loop's parent has a smaller number */
        uint32_t depth = t->own->loop_depth[l];
        at[l] = total;
        if (depth > 0) memcpy(t->own->chains + total, t->own->chains + at[b->parent[l]], depth * sizeof(uint32_t));
        t->own->chains[total + depth] = l;
        total += depth + 1;
    }
    for (uint32_t v = 0; v < t->n_nodes; v++)
        t->nodes[v].chain = t->nodes[v].depth > 0 ? t->own->chains + at[b->group[v]] : t->own->chains;
    free(at);
    return EYOT_OK;
}

static eyot_status find_loops(eyot__topology *t)
{
    uint32_t n = t->n_nodes;
    builder b = {.t = t};
    uint32_t **work[] = {&b.group, &b.index, &b.low, &b.cursor, &b.path, &b.stack, &b.active, &b.parent};
    eyot_status status = EYOT_OK;
    for (size_t i = 0; i < sizeof work / sizeof *work; i++)
        if (!(*work[i] = array(n, sizeof(uint32_t)))) status = EYOT_ENOMEM;
    if (status == EYOT_OK) {
        memset(b.group, 0xff, n * sizeof *b.group);
        status = split_levels(&b);
    }
    if (status == EYOT_OK) status = make_chains(&b);
    for (size_t i = 0; i < sizeof work / sizeof *work; i++) free(*work[i]);
    return status;
}

/* ---- what can lead to a node ----------------------------------------------------------------------------------- */

/* An edge that can carry at most one branch to a given stamp: nothing is forgotten on it and its source runs once. */
static bool carries_once(const eyot__topology *t, const eyot__tedge *edge)
{
    const eyot__tnode *from = &t->nodes[edge->from];
    return from->depth == edge->keep && !edge->sends && !from->one_by_one;
}

/* A plain edge can lead to the stamps whose counters beyond those it keeps are 0, so to every z up to `keep`; a back edge
 * has just raised counter keep - 1, and so leads to exactly z = keep. `expected` counts the edges that carry more. */
static void fill_ways(const eyot__topology *t, const eyot__tnode *node, eyot__way *ways)
{
    for (uint32_t i = 0; i < node->n_in; i++) {
        const eyot__tedge *edge = &t->edges[node->in[i]];
        if (edge->back) continue;
        ways[edge->keep].ways++;
        ways[edge->keep].expected += !carries_once(t, edge);
    }
    for (uint32_t z = node->depth; z > 0; z--) {
        ways[z - 1].ways += ways[z].ways;
        ways[z - 1].expected += ways[z].expected;
    }
    for (uint32_t i = 0; i < node->n_in; i++) {
        const eyot__tedge *edge = &t->edges[node->in[i]];
        if (!edge->back) continue;
        ways[edge->keep].ways++;
        ways[edge->keep].expected += !carries_once(t, edge);
    }
    ways[0].ways += node->start;
    for (uint32_t z = 0; z <= node->depth; z++) {
        ways[z].expected = ways[z].expected ? EYOT__UNCOUNTED : ways[z].ways;
        ways[z].meets = !node->one_by_one && !(ways[z].ways == 1 && ways[z].expected == 1);
    }
}

static eyot_status count_ways(eyot__topology *t)
{
    size_t total = 0;
    for (uint32_t v = 0; v < t->n_nodes; v++) total += t->nodes[v].depth + 1;
    eyot__way *ways = t->own->ways = zeroed(total, sizeof *ways);
    if (!ways) return EYOT_ENOMEM;
    for (uint32_t v = 0; v < t->n_nodes; v++) {
        fill_ways(t, &t->nodes[v], ways);
        t->nodes[v].ways = ways;
        t->nodes[v].first = ways[0];
        ways += t->nodes[v].depth + 1;
    }
    return EYOT_OK;
}

/* ---- places ---------------------------------------------------------------------------------------------------- */

/* The place of v on the level inside `level` of its loops. */
static uint32_t place_of(const eyot__topology *t, uint32_t v, uint32_t level)
{
    const eyot__tnode *node = &t->nodes[v];
    return level < node->depth ? t->n_nodes + node->chain[level] : v;
}

static eyot_status link_places(eyot__topology *t)
{
    struct eyot__topology_private *own = t->own;
    uint32_t *at = own->before_at = zeroed((size_t)own->n_places + 1, sizeof *at);
    own->before = array(t->n_edges, sizeof *own->before);
    own->cones = zeroed(own->n_places, sizeof *own->cones);
    if (!at || !own->before || !own->cones) return EYOT_ENOMEM;
    for (uint32_t e = 0; e < t->n_edges; e++) {
        eyot__tedge *edge = &t->edges[e];
        edge->same_stamp =
            !edge->back && t->nodes[edge->from].depth == edge->keep && t->nodes[edge->to].depth == edge->keep;
        if (!edge->back) at[place_of(t, edge->to, edge->keep)]++;
    }
    uint32_t end = 0;
    for (uint32_t p = 0; p <= own->n_places; p++) at[p] = end += at[p];
    for (uint32_t e = t->n_edges; e > 0; e--) { /* backwards, each place's list fills from its end */
        const eyot__tedge *edge = &t->edges[e - 1];
        if (!edge->back) own->before[--at[place_of(t, edge->to, edge->keep)]] = place_of(t, edge->from, edge->keep);
    }
    return EYOT_OK;
}

/* ---- cones ----------------------------------------------------------------------------------------------------- */

static void cone_free(cone *c)
{
    if (!c) return;
    free(c->order);
    free(c->slots);
    free(c->bits);
    free(c);
}

/* Fibonacci hashing (D. Knuth, The Art of Computer Programming 3, 6.4). */
static uint32_t slot_of(uint32_t place, uint32_t mask)
{
    return (uint32_t)((place * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;
}

static bool cone_has(const cone *c, uint32_t place)
{
    if (c->bits) return c->bits[place / 64] >> place % 64 & 1;
    if (c->slots) {
        uint32_t i = slot_of(place, c->mask);
        while (c->slots[i] != 0 && c->slots[i] != place + 1) i = (i + 1) & c->mask;
        return c->slots[i] != 0;
    }
    for (uint32_t i = 0; i < c->n; i++)
        if (c->order[i] == place) return true;
    return false;
}

static void index_place(cone *c, uint32_t place)
{
    if (c->bits) {
        c->bits[place / 64] |= UINT64_C(1) << place % 64;
    } else if (c->slots) {
        uint32_t i = slot_of(place, c->mask);
        while (c->slots[i] != 0) i = (i + 1) & c->mask;
        c->slots[i] = place + 1;
    }
}

/* The set has outgrown its form: twice the hash, or bits where those are smaller. */
static bool cone_reindex(cone *c, uint32_t n_places)
{
    size_t slots = c->slots ? ((size_t)c->mask + 1) * 2 : FEW * 4, words = (size_t)n_places / 64 + 1;
    free(c->slots);
    c->slots = NULL;
    if (words * 8 <= slots * 4) {
        c->bits = zeroed(words, 8);
    } else {
        c->slots = zeroed(slots, 4);
        c->mask = (uint32_t)(slots - 1);
    }
    if (!c->bits && !c->slots) return false;
    for (uint32_t i = 0; i < c->n; i++) index_place(c, c->order[i]);
    return true;
}

static bool cone_add(cone *c, uint32_t place, uint32_t n_places)
{
    if (c->n == c->capacity) {
        uint32_t capacity = c->capacity ? c->capacity * 2 : 4;
        uint32_t *order = realloc(c->order, capacity * sizeof *order);
        if (!order) return false;
        c->order = order;
        c->capacity = capacity;
    }
    bool full = c->slots ? c->n >= c->mask / 2 : !c->bits && c->n >= FEW;
    if (full && !cone_reindex(c, n_places)) return false;
    c->order[c->n++] = place;
    index_place(c, place);
    return true;
}

static void cone_trim(cone *c, uint32_t n_places)
{
    if (c->n > EYOT__CONE_MAX) { /* larger than FEW: it has an index */
        free(c->order);
        c->order = NULL;
        c->capacity = 0;
    }
    c->bytes = sizeof *c + (size_t)c->capacity * 4;
    if (c->slots) c->bytes += ((size_t)c->mask + 1) * 4;
    if (c->bits) c->bytes += (size_t)n_places / 8;
}

/* Everything that can reach `place` on its level, breadth first; given up with *more once it is over `limit`. NULL
 * without memory, or when given up. */
static cone *cone_search(const eyot__topology *t, uint32_t place, uint32_t limit, bool *more)
{
    const struct eyot__topology_private *own = t->own;
    cone *c = zeroed(1, sizeof *c);
    bool ok = c != NULL;
    uint32_t done = 0;
    *more = false;
    while (ok) {
        for (uint32_t i = own->before_at[place]; ok && i < own->before_at[place + 1]; i++) {
            if (cone_has(c, own->before[i])) continue;
            *more = c->n == limit;
            ok = !*more && cone_add(c, own->before[i], own->n_places);
        }
        if (done == c->n) break;
        place = c->order[done++];
    }
    if (!ok) {
        cone_free(c);
        return NULL;
    }
    cone_trim(c, own->n_places);
    return c;
}

static const cone *cone_kept(const eyot__topology *t, uint32_t place)
{
    uintptr_t kept = atomic_load_explicit(&t->own->cones[place], memory_order_acquire);
    return kept & 1 ? NULL : (const cone *)kept;
}

/* Keeps c for every thread and takes it; what is kept now (another thread's, maybe), or NULL when there is no room. */
static const cone *cone_keep(const eyot__topology *t, uint32_t place, cone *c)
{
    struct eyot__topology_private *own = t->own;
    if (atomic_fetch_add(&own->kept, c->bytes) + c->bytes <= KEPT_MAX) {
        uintptr_t old = atomic_load_explicit(&own->cones[place], memory_order_acquire);
        while (old == 0 || old & 1)
            if (atomic_compare_exchange_weak_explicit(&own->cones[place], &old, (uintptr_t)c, memory_order_acq_rel,
                                                      memory_order_acquire))
                return c;
    }
    atomic_fetch_sub(&own->kept, c->bytes);
    cone_free(c);
    return cone_kept(t, place);
}

/* ---- the calls ------------------------------------------------------------------------------------------------- */

static eyot_status make(eyot__topology *t, const eyot__topology_input *in)
{
    uint32_t n = t->n_nodes = in->n_nodes;
    t->n_edges = in->n_edges;
    t->n_starts = in->n_starts;
    t->own = zeroed(1, sizeof *t->own);
    if (!t->own) return EYOT_ENOMEM;
    t->nodes = zeroed(n, sizeof *t->nodes);
    t->edges = array(t->n_edges, sizeof *t->edges);
    t->starts = array(t->n_starts, sizeof *t->starts);
    t->own->edge_lists = array((size_t)t->n_edges * 2, sizeof(uint32_t));
    t->own->loop_depth = array(n, sizeof(uint32_t)); /* every loop has a node of its own: there are at most n */
    t->own->rank = zeroed((size_t)n * 2, sizeof(uint32_t));
    if (!t->nodes || !t->edges || !t->starts || !t->own->edge_lists || !t->own->loop_depth || !t->own->rank)
        return EYOT_ENOMEM;
    count_edges(t, in);
    list_edges(t);
    mark_nodes(t, in);
    eyot_status status = find_loops(t);
    if (status == EYOT_OK) status = count_ways(t);
    if (status == EYOT_OK) status = link_places(t);
    return status;
}

eyot_status eyot__topology_new(eyot__topology **out, const eyot__topology_input *in)
{
    assert(in->n_nodes < UINT32_MAX / 2 && in->n_edges < UINT32_MAX / 2);
    *out = NULL;
    eyot__topology *t = zeroed(1, sizeof *t);
    if (!t) return EYOT_ENOMEM;
    eyot_status status = make(t, in);
    if (status != EYOT_OK) {
        eyot__topology_free(t);
        return status;
    }
    *out = t;
    return EYOT_OK;
}

static void free_own(struct eyot__topology_private *own)
{
    for (uint32_t p = 0; own->cones && p < own->n_places; p++) {
        uintptr_t kept = atomic_load_explicit(&own->cones[p], memory_order_relaxed);
        if (!(kept & 1)) cone_free((cone *)kept);
    }
    free((void *)own->cones);
    free(own->edge_lists);
    free(own->chains);
    free(own->loop_depth);
    free(own->ways);
    free(own->rank);
    free(own->before_at);
    free(own->before);
    free(own);
}

void eyot__topology_free(eyot__topology *t)
{
    if (!t) return;
    if (t->own) free_own(t->own);
    free(t->nodes);
    free(t->edges);
    free(t->starts);
    free(t);
}

void eyot__topology_step(const eyot__topology *t, uint32_t e, const uint64_t *stamp, uint64_t *to_stamp)
{
    const eyot__tedge *edge = &t->edges[e];
    uint32_t depth = t->nodes[edge->to].depth;
    for (uint32_t i = 0; i < edge->keep; i++) to_stamp[i] = stamp[i];
    for (uint32_t i = edge->keep; i < depth; i++) to_stamp[i] = 0;
    if (edge->back) to_stamp[edge->keep - 1]++;
}

bool eyot__topology_can_reach(const eyot__topology *t, uint32_t w, const uint64_t *ws, uint32_t j, const uint64_t *js,
                              bool *failed)
{
    const eyot__tnode *a = &t->nodes[w], *b = &t->nodes[j];
    uint32_t k = 0;
    for (; k < a->depth && k < b->depth && a->chain[k] == b->chain[k]; k++)
        if (ws[k] != js[k]) return ws[k] < js[k];
    uint32_t here = place_of(t, w, k), there = place_of(t, j, k);
    if (t->own->rank[here] >= t->own->rank[there]) return false;
    const cone *kept = cone_kept(t, there);
    if (kept) return cone_has(kept, here);
    bool more;
    cone *found = cone_search(t, there, NONE, &more);
    if (!found) {
        *failed = true;
        return true;
    }
    bool answer = cone_has(found, here);
    cone_keep(t, there, found);
    return answer;
}

uint32_t eyot__topology_cone(const eyot__topology *t, uint32_t j, uint32_t limit, const uint32_t **places)
{
    *places = NULL;
    if (t->nodes[j].depth > 0) return EYOT__UNCOUNTED;
    if (limit > EYOT__CONE_MAX) limit = EYOT__CONE_MAX;
    uintptr_t known = atomic_load_explicit(&t->own->cones[j], memory_order_acquire);
    if (known & 1 && known >> 1 >= limit) return EYOT__UNCOUNTED;
    const cone *c = known & 1 ? NULL : (const cone *)known;
    if (!c) {
        bool more;
        cone *found = cone_search(t, j, limit, &more);
        if (found)
            c = cone_keep(t, j, found);
        else if (more)
            atomic_compare_exchange_strong(&t->own->cones[j], &known, ((uintptr_t)limit << 1) | 1);
    }
    if (!c || c->n > limit) return EYOT__UNCOUNTED;
    *places = c->order;
    return c->n;
}
