/* SPDX-License-Identifier: MIT */
#include "core/branch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void eyot__frontier_init(eyot__frontier *f, const eyot_graph *g, bool keep_states, size_t activation_size, void *memory,
                         size_t memory_len, eyot__chunks *chunks)
{
    memset(f, 0, sizeof *f);
    f->graph = g;
    f->shape = g->shape;
    eyot__history_init(&f->history, g, keep_states, chunks);
    eyot__slab_init(&f->activations, activation_size, memory, memory_len, chunks);
    eyot__slab_init(&f->arrivals, sizeof(eyot__arrival), NULL, 0, chunks);
    eyot__slab_init(&f->places, sizeof(eyot__place), NULL, 0, chunks);
}

static eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

/* ---- arrivals -------------------------------------------------------------------------------------------------- */

static void arrival_free(eyot__frontier *f, eyot__arrival *a)
{
    if (a->version) eyot__history_release(&f->history, a->version);
    eyot__state_unref(a->state, &f->history);
    eyot__stamp_unref(a->stamp);
    eyot__path_unref(a->path);
    eyot__slab_give(&f->arrivals, a);
}

static void arrivals_free(eyot__frontier *f, eyot__arrival *list)
{
    while (list) {
        eyot__arrival *next = list->next;
        arrival_free(f, list);
        list = next;
    }
}

/* ---- groups ---------------------------------------------------------------------------------------------------- */

static uint64_t hash_place(uint32_t node, const eyot__stamp *stamp)
{
    uint64_t hash = (node + 1) * 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; stamp && i < stamp->n; i++) {
        hash ^= stamp->c[i] + (hash >> 31);
        hash *= 0xbf58476d1ce4e5b9u;
    }
    return hash ^ hash >> 29;
}

static eyot__place *find_place(eyot__frontier *f, uint32_t node, const eyot__stamp *stamp)
{
    if (!stamp) return f->by_node ? f->by_node[node] : NULL;
    if (!f->table) return NULL;
    eyot__place *p = f->table[hash_place(node, stamp) & (f->table_size - 1)];
    while (p && (p->node != node || eyot__stamp_compare(p->stamp, stamp) != 0)) p = p->hash_next;
    return p;
}

static eyot_status grow_table(eyot__frontier *f)
{
    uint32_t size = f->table_size ? f->table_size * 2 : 16;
    eyot__place **table = calloc(size, sizeof *table);
    if (!table) return EYOT_ENOMEM;
    for (uint32_t i = 0; i < f->table_size; i++) {
        for (eyot__place *p = f->table[i]; p;) {
            eyot__place *next = p->hash_next, **slot = &table[hash_place(p->node, p->stamp) & (size - 1)];
            p->hash_next = *slot;
            *slot = p;
            p = next;
        }
    }
    free(f->table);
    f->table = table;
    f->table_size = size;
    return EYOT_OK;
}

static eyot_status index_place(eyot__frontier *f, eyot__place *p)
{
    if (!p->stamp) {
        if (!f->by_node && !(f->by_node = calloc(f->shape->n_nodes, sizeof *f->by_node))) return EYOT_ENOMEM;
        f->by_node[p->node] = p;
        return EYOT_OK;
    }
    if (f->table_used >= f->table_size && grow_table(f)) return EYOT_ENOMEM;
    if (!f->by_loop && !(f->by_loop = calloc(f->shape->n_loops, sizeof *f->by_loop))) return EYOT_ENOMEM;
    eyot__place **slot = &f->table[hash_place(p->node, p->stamp) & (f->table_size - 1)];
    p->hash_next = *slot;
    *slot = p;
    f->table_used++;
    eyot__place **loop = &f->by_loop[f->shape->nodes[p->node].chain[0]];
    p->loop_next = *loop;
    if (*loop) (*loop)->loop_prev = p;
    *loop = p;
    return EYOT_OK;
}

static void unindex_place(eyot__frontier *f, eyot__place *p)
{
    if (!p->stamp) {
        f->by_node[p->node] = NULL;
        return;
    }
    eyot__place **slot = &f->table[hash_place(p->node, p->stamp) & (f->table_size - 1)];
    while (*slot != p) slot = &(*slot)->hash_next;
    *slot = p->hash_next;
    f->table_used--;
    if (p->loop_next) p->loop_next->loop_prev = p->loop_prev;
    if (p->loop_prev)
        p->loop_prev->loop_next = p->loop_next;
    else
        f->by_loop[f->shape->nodes[p->node].chain[0]] = p->loop_next;
}

/* The group at (node, stamp), made when there is none; NULL: no memory. */
static eyot__place *need_place(eyot__frontier *f, uint32_t node, eyot__stamp *stamp)
{
    eyot__place *p = find_place(f, node, stamp);
    if (p) return p;
    p = eyot__slab_take(&f->places);
    if (!p) return NULL;
    *p = (eyot__place){.node = node, .stamp = eyot__stamp_ref(stamp)};
    if (index_place(f, p)) {
        eyot__stamp_unref(stamp);
        eyot__slab_give(&f->places, p);
        return NULL;
    }
    p->next = f->groups;
    if (f->groups) f->groups->prev = p;
    f->groups = p;
    f->n_groups++;
    return p;
}

static void test_later(eyot__frontier *f, eyot__place *p)
{
    if (p->testing) return;
    p->testing = true;
    p->test_next = f->tests;
    f->tests = p;
}

static void unwatch(eyot__place *p)
{
    if (!p->watch) return;
    if (p->watch_next) p->watch_next->watch_prev = p->watch_prev;
    if (p->watch_prev)
        p->watch_prev->watch_next = p->watch_next;
    else
        p->watch->watchers = p->watch_next;
    p->watch = p->watch_prev = p->watch_next = NULL;
}

static void watch(eyot__place *p, eyot__place *group)
{
    p->watch = group;
    p->watch_prev = NULL;
    p->watch_next = group->watchers;
    if (group->watchers) group->watchers->watch_prev = p;
    group->watchers = p;
}

/* A group in which nothing is alive any more goes; the joins that watched it look for another one. A group on the list
 * of tests goes when its turn comes. */
static void drop_place(eyot__frontier *f, eyot__place *p)
{
    while (p->watchers) {
        eyot__place *w = p->watchers;
        unwatch(w);
        test_later(f, w);
    }
    if (p->testing) return;
    unwatch(p);
    unindex_place(f, p);
    if (p->next) p->next->prev = p->prev;
    if (p->prev)
        p->prev->next = p->next;
    else
        f->groups = p->next;
    f->n_groups--;
    eyot__stamp_unref(p->stamp);
    eyot__slab_give(&f->places, p);
}

static bool alive(const eyot__place *p)
{
    return p->live > 0 || p->n_waiting > 0;
}

/* ---- activations ----------------------------------------------------------------------------------------------- */

static eyot_status join_group(eyot__frontier *f, eyot__activation *a)
{
    eyot__place *p = need_place(f, a->who.node, a->who.stamp);
    if (!p) return EYOT_ENOMEM;
    p->live++;
    a->place = p;
    return EYOT_OK;
}

static inline void leave_group(eyot__frontier *f, eyot__activation *a)
{
    eyot__place *p = a->place;
    if (!p) return;
    a->place = NULL;
    if (--p->live == 0 && p->n_waiting == 0) drop_place(f, p);
}

static void queue_fired(eyot__frontier *f, eyot__activation *a)
{
    a->queue = NULL;
    if (f->fired_last)
        f->fired_last->queue = a;
    else
        f->fired = a;
    f->fired_last = a;
}

/* Takes the references in who, the head on v and the state, also without memory. */
static eyot_status activate(eyot__frontier *f, eyot__who who, eyot__version *v, eyot__state *state)
{
    eyot__activation *a = eyot__slab_take(&f->activations);
    if (!a) {
        eyot__who_clear(&who);
        eyot__history_release(&f->history, v);
        eyot__state_unref(state, &f->history);
        return EYOT_ENOMEM;
    }
    *a = (eyot__activation){.next = f->live, .who = who, .version = v, .state = state};
    if (f->live) f->live->prev = a;
    f->live = a;
    f->n_live++;
    queue_fired(f, a);
    return f->tracking ? join_group(f, a) : EYOT_OK;
}

static void forget_memo(eyot__activation *a)
{
    eyot__memo_free(a->memo);
    a->memo = NULL;
}

static void retire(eyot__frontier *f, eyot__activation *a)
{
    if (a->memo) forget_memo(a);
    if (a->next) a->next->prev = a->prev;
    if (a->prev)
        a->prev->next = a->next;
    else
        f->live = a->next;
    f->n_live--;
    leave_group(f, a);
    if (a->version) eyot__history_release(&f->history, a->version);
    eyot__state_unref(a->state, &f->history);
    eyot__who_clear(&a->who);
    eyot__slab_give(&f->activations, a);
}

eyot__activation *eyot__frontier_replace(eyot__frontier *f, eyot__activation *a)
{
    eyot__memo *memo = a->memo ? eyot__memo_copy(a->memo) : NULL;
    eyot__activation *b = a->memo && !memo ? NULL : eyot__slab_take(&f->activations);
    if (!b) {
        eyot__memo_free(memo);
        return NULL;
    }
    *b = *a;
    b->memo = memo;
    b->queue = NULL;
    if (b->next) b->next->prev = b;
    if (b->prev)
        b->prev->next = b;
    else
        f->live = b;
    a->prev = a->next = NULL;
    a->place = NULL;
    a->version = NULL;
    eyot__stamp_ref(a->who.stamp);
    eyot__path_ref(a->who.path);
    if (a->state) eyot__state_ref(a->state);
    return b;
}

void eyot__frontier_discard(eyot__frontier *f, eyot__activation *a)
{
    eyot__state_unref(a->state, &f->history);
    eyot__who_clear(&a->who);
    eyot__memo_free(a->memo);
    eyot__slab_give(&f->activations, a);
}

static eyot_status start_tracking(eyot__frontier *f)
{
    f->tracking = true;
    for (eyot__activation *a = f->live; a; a = a->next)
        if (join_group(f, a)) return EYOT_ENOMEM;
    return EYOT_OK;
}

/* ---- firing ---------------------------------------------------------------------------------------------------- */

static eyot_status fire(eyot__frontier *f, eyot__place *p, eyot_error *e)
{
    eyot__arrival *arrivals = eyot__arrivals_sort(p->waiting);
    eyot__version *v;
    eyot__state *state;
    f->n_waiting -= p->n_waiting;
    p->waiting = p->last = NULL;
    p->n_waiting = 0;
    unwatch(p);
    eyot_status status = eyot__history_join(&f->history, arrivals, &v, &state, e);
    arrivals_free(f, arrivals);
    if (status) return status;
    eyot__who who = {.node = p->node, .stamp = eyot__stamp_ref(p->stamp)};
    if (eyot__way_of(f->shape, p->node, p->stamp)->meets) status = eyot__history_drop_local(&f->history, &v, &state, e);
    eyot_status fired = activate(f, who, v, state);
    if (p->live == 0) drop_place(f, p);
    return status ? status : fired ? no_memory(e) : EYOT_OK;
}

enum { CONE = 1024 }; /* places that are looked through one by one; a larger cone is no better than all groups */

static bool blocks(eyot__frontier *f, const eyot__place *q, const eyot__place *p, bool *failed)
{
    return q != p && alive(q) &&
           eyot__topology_can_reach(f->shape, q->node, eyot__stamp_counters(q->stamp), p->node,
                                    eyot__stamp_counters(p->stamp), failed);
}

/* A group that can still reach the join at p; NULL: none. */
static eyot__place *find_blocker(eyot__frontier *f, const eyot__place *p, bool *failed)
{
    const uint32_t *cone = NULL;
    uint32_t n = p->stamp ? EYOT__UNCOUNTED : eyot__topology_cone(f->shape, p->node, CONE, &cone);
    if (n == EYOT__UNCOUNTED) {
        for (eyot__place *q = f->groups; q; q = q->next)
            if (blocks(f, q, p, failed)) return q;
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (cone[i] < f->shape->n_nodes) {
            eyot__place *q = find_place(f, cone[i], NULL);
            if (q && alive(q)) return q;
            continue;
        }
        for (eyot__place *q = f->by_loop ? f->by_loop[cone[i] - f->shape->n_nodes] : NULL; q; q = q->loop_next)
            if (alive(q)) return q;
    }
    return NULL;
}

static eyot_status test(eyot__frontier *f, eyot__place *p, eyot_error *e)
{
    uint32_t expected = eyot__way_of(f->shape, p->node, p->stamp)->expected;
    bool alone = f->n_live == 0 && f->n_waiting == p->n_waiting;
    if (p->n_waiting >= expected || alone) return fire(f, p, e); /* EYOT__UNCOUNTED is more than ever come */
    if (p->watch || (expected != EYOT__UNCOUNTED && !f->diverted)) return EYOT_OK;
    bool failed = false;
    if (!f->tracking && start_tracking(f)) return no_memory(e);
    eyot__place *blocker = find_blocker(f, p, &failed);
    if (failed) return no_memory(e);
    if (!blocker) return fire(f, p, e);
    watch(p, blocker);
    return EYOT_OK;
}

eyot_status eyot__frontier_settle(eyot__frontier *f, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    while (f->tests && !status) {
        eyot__place *p = f->tests;
        f->tests = p->test_next;
        p->testing = false;
        if (p->n_waiting > 0)
            status = test(f, p, e);
        else if (p->live == 0)
            drop_place(f, p);
    }
    return status;
}

/* ---- going along edges ----------------------------------------------------------------------------------------- */

static eyot_status wait_at(eyot__frontier *f, uint32_t node, eyot__stamp *at, const eyot__way *way,
                           const eyot__arrival *a)
{
    eyot__place *p = need_place(f, node, at);
    eyot__arrival *kept = p ? eyot__slab_take(&f->arrivals) : NULL;
    if (!kept) return EYOT_ENOMEM;
    *kept = *a;
    kept->next = NULL;
    kept->stamp = eyot__stamp_ref(a->stamp);
    kept->path = eyot__path_ref(a->path);
    if (p->waiting && a->edge < p->waiting->edge) { /* coming in reverse order is as good as in order */
        kept->next = p->waiting;
        p->waiting = kept;
    } else {
        if (p->last)
            p->last->next = kept;
        else
            p->waiting = kept;
        p->last = kept;
    }
    p->n_waiting++;
    f->n_waiting++;
    if (f->diverted || p->n_waiting >= way->expected || way->expected == EYOT__UNCOUNTED) test_later(f, p);
    return EYOT_OK;
}

/* A branch comes to a node over an edge (UINT32_MAX: as a start). Takes a's version and state, borrows its stamp and path. */
static eyot_status arrive(eyot__frontier *f, uint32_t edge, uint32_t node, bool sent, eyot__arrival *a)
{
    eyot__who who;
    const eyot__way *way;
    eyot_status status = eyot__target(f->shape, edge, node, sent, a, &who, &way);
    if (!status && eyot__target_joins(f->shape, node, way)) {
        status = wait_at(f, node, who.stamp, way, a);
        eyot__stamp_unref(who.stamp);
        if (!status) return EYOT_OK;
    } else if (!status) {
        return activate(f, who, a->version, a->state);
    }
    eyot__history_release(&f->history, a->version);
    eyot__state_unref(a->state, &f->history);
    return status;
}

eyot_status eyot__frontier_start(eyot__frontier *f, eyot__state *state_take, eyot_error *e)
{
    eyot__version *v = f->history.root;
    eyot_status status = EYOT_OK;
    uint32_t n = f->shape->n_starts;
    for (uint32_t i = 0; i < n && !status; i++) {
        eyot__arrival a = {.version = v, .state = state_take, .edge = -1};
        if (i + 1 < n) {
            eyot__history_hold(&f->history, v, state_take);
            eyot__state_ref(state_take);
        }
        status = arrive(f, UINT32_MAX, f->shape->starts[i], false, &a);
        if (status && i + 1 < n) {
            eyot__history_release(&f->history, v);
            eyot__state_unref(state_take, &f->history);
        }
    }
    return status ? no_memory(e) : eyot__frontier_settle(f, e);
}

/* Ends the branch: it takes part in the final join, ordered by (node, stamp, path). */
static eyot_status end_branch(eyot__frontier *f, eyot__activation *a)
{
    eyot__arrival *end = eyot__slab_take(&f->arrivals);
    if (!end) return EYOT_ENOMEM;
    *end = (eyot__arrival){.next = f->ends, .version = a->version, .state = a->state, .edge = (int64_t)a->who.node};
    end->stamp = a->who.stamp;
    end->path = a->who.path;
    a->version = NULL;
    a->state = NULL;
    a->who.stamp = NULL;
    a->who.path = NULL;
    f->ends = end;
    f->n_ends++;
    return EYOT_OK;
}

eyot_status eyot__taken_apply(const eyot__history *h, eyot__state *state, eyot__taken *taken, size_t n, eyot_error *e)
{
    for (size_t i = 0; taken && i < n; i++) {
        eyot_error own;
        if (!taken[i].item) continue;
        eyot__error_none(&own);
        taken[i].state = eyot__state_ref(state);
        eyot_status status = eyot__state_update(&taken[i].state, taken[i].item, h, &own);
        if (status) return eyot_error_set(e, status, "an item that was sent: %s", own.text);
    }
    return EYOT_OK;
}

void eyot__taken_clear(const eyot__history *h, eyot__taken *taken, size_t n)
{
    for (size_t i = 0; taken && i < n; i++) {
        if (taken[i].item) h->copier->free(taken[i].item, h->user);
        eyot__state_unref(taken[i].state, h);
        taken[i].item = NULL;
        taken[i].state = NULL;
    }
}

/* The item becomes the branch's first update. On failure the branch is gone. */
static eyot_status give_item(eyot__frontier *f, eyot__activation *a, eyot__taken *taken, eyot__arrival *branch)
{
    eyot__history *h = &f->history;
    eyot__state_unref(branch->state, h);
    branch->state = taken->state;
    void *item = taken->item;
    taken->item = NULL;
    taken->state = NULL;
    if (eyot__history_extend(h, &branch->version, item, &a->who, (int64_t)branch->index) == EYOT_OK) return EYOT_OK;
    eyot__history_release(h, branch->version);
    eyot__state_unref(branch->state, h);
    return EYOT_ENOMEM;
}

/* From now on joins that wait to be complete may have to find out that they are. */
static void divert(eyot__frontier *f)
{
    f->diverted = true;
    for (eyot__place *p = f->groups; p; p = p->next)
        if (p->n_waiting > 0 && !p->watch) test_later(f, p);
}

static size_t edges_in(const eyot__taken *taken, size_t n)
{
    size_t edges = 0;
    if (!taken) return n;
    for (size_t i = 0; i < n; i++) edges += i == 0 || taken[i].edge != taken[i - 1].edge;
    return edges;
}

static eyot_status go_along(eyot__frontier *f, eyot__activation *a, eyot__taken *taken, size_t n, eyot_error *e)
{
    const uint32_t *out = f->shape->nodes[a->who.node].out;
    eyot__arrival to = {.version = a->version, .state = a->state, .stamp = a->who.stamp, .path = a->who.path};
    eyot__version *v = a->version;
    eyot__state *state = a->state;
    eyot_status status = EYOT_OK;
    size_t i = 0;
    a->version = NULL;
    a->state = NULL;
    eyot__history_share(&f->history, v, state, (uint32_t)(n - 1));
    for (; i < n && !status; i++) {
        uint32_t number = taken ? taken[i].edge : out[i];
        bool sent = taken && taken[i].item;
        const eyot__tedge *edge = &f->shape->edges[number];
        to.version = v;
        to.state = state;
        to.edge = edge->in_index;
        to.index = taken && i > 0 && taken[i - 1].edge == number ? to.index + 1 : 0;
        if (sent) status = give_item(f, a, &taken[i], &to);
        if (!status) status = arrive(f, number, edge->to, sent, &to);
    }
    if (!status) return EYOT_OK;
    eyot__taken_clear(&f->history, taken ? taken + i : NULL, n - i);
    for (; i < n; i++) { /* the branches that did not set out */
        eyot__history_release(&f->history, v);
        eyot__state_unref(state, &f->history);
    }
    return no_memory(e);
}

/* The branch is alone and goes one plain way: it moves without being looked for by anyone. */
static eyot_status move(eyot__frontier *f, eyot__activation *a, uint32_t edge, eyot_error *e)
{
    const eyot__tedge *te = &f->shape->edges[edge];
    eyot__arrival from = {.stamp = a->who.stamp, .path = a->who.path, .edge = te->in_index};
    eyot__who who;
    const eyot__way *way;
    leave_group(f, a);
    f->tracking = false;
    if (a->memo) forget_memo(a);
    if (eyot__target(f->shape, edge, te->to, false, &from, &who, &way)) return no_memory(e);
    eyot_status status = EYOT_OK;
    if (!f->shape->nodes[te->to].one_by_one && way->meets)
        status = eyot__history_drop_local(&f->history, &a->version, &a->state, e);
    eyot__who_clear(&a->who);
    a->who = who;
    if (status) return status;
    queue_fired(f, a);
    return f->tests ? eyot__frontier_settle(f, e) : EYOT_OK;
}

eyot_status eyot__frontier_commit(eyot__frontier *f, eyot__activation *a, void *update_take, eyot__taken *taken,
                                  size_t n_taken, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    if (update_take && eyot__history_extend(&f->history, &a->version, update_take, &a->who, -1)) status = no_memory(e);
    if (!f->diverted && edges_in(taken, n_taken) < f->shape->nodes[a->who.node].n_out) divert(f);
    if (!status && n_taken == 1 && f->n_live == 1 && f->n_waiting == 0 && !(taken && taken[0].item))
        return move(f, a, taken ? taken[0].edge : f->shape->nodes[a->who.node].out[0], e);
    if (status) {
        eyot__taken_clear(&f->history, taken, n_taken);
    } else if (n_taken == 0) {
        if (end_branch(f, a)) status = no_memory(e);
    } else {
        status = go_along(f, a, taken, n_taken, e);
    }
    retire(f, a);
    return status ? status : eyot__frontier_settle(f, e);
}

eyot_status eyot__frontier_result(eyot__frontier *f, eyot__state **state, eyot_error *e)
{
    eyot__arrival *ends = eyot__arrivals_sort(f->ends);
    eyot__version *v;
    f->ends = NULL;
    f->n_ends = 0;
    *state = NULL;
    eyot_status status = eyot__history_join(&f->history, ends, &v, state, e);
    arrivals_free(f, ends);
    if (status) return status;
    status = eyot__history_drop_local(&f->history, &v, state, e);
    eyot__history_release(&f->history, v);
    if (status) {
        eyot__state_unref(*state, &f->history);
        *state = NULL;
    }
    return status;
}

/* ---- rebuilding ------------------------------------------------------------------------------------------------ */

eyot_status eyot__frontier_put_task(eyot__frontier *f, eyot__who who, eyot__version *v, eyot__state *state)
{
    f->diverted = true; /* a snapshot does not tell */
    return activate(f, who, v, state);
}

eyot_status eyot__frontier_put_waiting(eyot__frontier *f, uint32_t node, eyot__stamp *at, eyot__arrival arrival)
{
    f->diverted = true;
    eyot_status status = wait_at(f, node, at, eyot__way_of(f->shape, node, at), &arrival);
    eyot__stamp_unref(at);
    eyot__stamp_unref(arrival.stamp);
    eyot__path_unref(arrival.path);
    if (status) {
        eyot__history_release(&f->history, arrival.version);
        eyot__state_unref(arrival.state, &f->history);
    }
    return status;
}

eyot_status eyot__frontier_put_end(eyot__frontier *f, eyot__arrival arrival)
{
    eyot__arrival *end = eyot__slab_take(&f->arrivals);
    if (!end) {
        eyot__history_release(&f->history, arrival.version);
        eyot__state_unref(arrival.state, &f->history);
        eyot__stamp_unref(arrival.stamp);
        eyot__path_unref(arrival.path);
        return EYOT_ENOMEM;
    }
    *end = arrival;
    end->next = f->ends;
    f->ends = end;
    f->n_ends++;
    return EYOT_OK;
}

eyot_status eyot__frontier_end_all(eyot__frontier *f)
{
    f->fired = f->fired_last = NULL;
    f->tests = NULL;
    while (f->live) {
        if (end_branch(f, f->live)) return EYOT_ENOMEM;
        retire(f, f->live);
    }
    for (eyot__place *p = f->groups; p; p = p->next) {
        while (p->waiting) { /* ordered as if the branch had ended where it waits */
            eyot__arrival *a = p->waiting;
            p->waiting = a->next;
            a->edge = (int64_t)p->node;
            a->next = f->ends;
            f->ends = a;
            f->n_ends++;
        }
        f->n_waiting -= p->n_waiting;
        p->n_waiting = 0;
        p->last = NULL;
    }
    return EYOT_OK;
}

void eyot__frontier_clear(eyot__frontier *f)
{
    f->tests = NULL;
    f->fired = f->fired_last = NULL;
    arrivals_free(f, f->ends);
    f->ends = NULL;
    for (eyot__place *p = f->groups; p; p = p->next) {
        arrivals_free(f, p->waiting);
        p->waiting = p->last = NULL;
        p->watch = NULL;
        p->testing = false;
        eyot__stamp_unref(p->stamp);
    }
    for (eyot__activation *a = f->live; a; a = a->next) {
        if (a->version) eyot__history_release(&f->history, a->version);
        eyot__state_unref(a->state, &f->history);
        eyot__who_clear(&a->who);
        eyot__memo_free(a->memo);
    }
    f->live = NULL;
    f->groups = NULL;
    eyot__history_clear(&f->history);
    free(f->by_node);
    free(f->table);
    free(f->by_loop);
    f->by_node = f->table = f->by_loop = NULL;
    eyot__slab_clear(&f->activations);
    eyot__slab_clear(&f->arrivals);
    eyot__slab_clear(&f->places);
}
