/* SPDX-License-Identifier: MIT */
#include "core/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- states ---------------------------------------------------------------------------------------------------- */

eyot__state *eyot__state_new(void *value_take, const eyot__history *h)
{
    eyot__state *s = malloc(sizeof *s);
    if (!s) {
        h->copier->free(value_take, h->user);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    s->value = value_take;
    return s;
}

void eyot__state_unref(eyot__state *s, const eyot__history *h)
{
    if (!s) return;
    /* A sole owner needs no atomic: nobody is left who could add a reference. */
    if (atomic_load_explicit(&s->refs, memory_order_acquire) != 1 &&
        atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    h->copier->free(s->value, h->user);
    free(s);
}

eyot_status eyot__state_own(eyot__state **s, const eyot__history *h)
{
    if (atomic_load_explicit(&(*s)->refs, memory_order_acquire) == 1) return EYOT_OK;
    void *value = NULL;
    eyot_status status = h->copier->copy((*s)->value, &value, h->user);
    if (status) return status;
    eyot__state *mine = eyot__state_new(value, h);
    if (!mine) return EYOT_ENOMEM;
    eyot__state_unref(*s, h);
    *s = mine;
    return EYOT_OK;
}

eyot_status eyot__state_update(eyot__state **s, const void *update, const eyot__history *h, eyot_error *e)
{
    eyot_status status = eyot__state_own(s, h);
    if (status) return eyot_error_set(e, status, "the state could not be copied: %s", eyot_status_text(status));
    eyot_error own;
    eyot__error_none(&own);
    status = h->copier->apply(&(*s)->value, update, &own, h->user);
    if (status) eyot_error_set(e, status, "%s", own.text[0] ? own.text : eyot_status_text(status));
    return status;
}

/* ---- changes and versions -------------------------------------------------------------------------------------- */

eyot__change *eyot__change_new(eyot__history *h)
{
    eyot__change *c = eyot__slab_take(&h->changes);
    if (c) *c = (eyot__change){.refs = 1};
    return c;
}

void eyot__change_unref(eyot__history *h, eyot__change *c)
{
    if (!c || --c->refs > 0) return;
    if (c->value) h->copier->free(c->value, h->user);
    eyot__who_clear(&c->who);
    eyot__slab_give(&h->changes, c);
}

static void forget_changes(eyot__history *h, eyot__version *v)
{
    for (uint32_t i = 0; i < v->n; i++) eyot__change_unref(h, v->changes[i]);
    if (v->changes != &v->one) free(v->changes);
    v->changes = NULL;
    v->n = v->cap = 0;
}

static eyot__version *version_new(eyot__history *h)
{
    eyot__version *v = eyot__slab_take(&h->versions);
    if (v) *v = (eyot__version){0};
    return v;
}

static void version_free(eyot__history *h, eyot__version *v)
{
    forget_changes(h, v);
    eyot__state_unref(v->state, h);
    v->state = NULL;
    if (v != &h->first) eyot__slab_give(&h->versions, v);
}

void eyot__history_init(eyot__history *h, const eyot_graph *g, bool keep_states, eyot__chunks *chunks)
{
    eyot__slab_init(&h->versions, sizeof(eyot__version), NULL, 0, chunks);
    eyot__slab_init(&h->changes, sizeof(eyot__change), NULL, 0, chunks);
    h->graph = g;
    h->copier = g->copier;
    h->user = g->copier_user;
    h->keep_states = keep_states;
    h->first = (eyot__version){.heads = 1};
    h->root = &h->first;
    h->join = 0;
}

static void unlink_child(eyot__version *parent, eyot__version *child)
{
    parent->children--;
    parent->kids ^= (uintptr_t)child;
}

static void link_child(eyot__version *parent, eyot__version *child)
{
    parent->children++;
    parent->kids ^= (uintptr_t)child;
    child->parent = parent;
    child->depth = parent->depth + 1;
}

/* What every branch has is forgotten: the root's only child takes its place for as long as nobody stands on the root. */
static void collapse(eyot__history *h)
{
    while (h->root->heads == 0 && h->root->children == 1) {
        eyot__version *child = (eyot__version *)h->root->kids;
        version_free(h, h->root);
        forget_changes(h, child);
        child->parent = NULL;
        h->root = child;
    }
}

/* Frees versions that nothing stands on any more, upwards, and forgets. The root stays. */
static void prune(eyot__history *h, eyot__version *v)
{
    while (v->heads == 0 && v->children == 0 && v->parent) {
        eyot__version *parent = v->parent;
        unlink_child(parent, v);
        version_free(h, v);
        v = parent;
    }
    if (v == h->root) collapse(h);
}

void eyot__history_release(eyot__history *h, eyot__version *v)
{
    assert(v->heads > 0);
    v->heads--;
    prune(h, v);
}

void eyot__history_clear(eyot__history *h)
{
    if (!h->root) return;
    assert(h->root->children == 0 && h->root->heads == 0);
    version_free(h, h->root);
    h->root = NULL;
    eyot__slab_clear(&h->versions);
    eyot__slab_clear(&h->changes);
}

void eyot__history_hold(eyot__history *h, eyot__version *v, eyot__state *state)
{
    v->heads++;
    if (h->keep_states && !v->state) v->state = eyot__state_ref(state);
}

/* One atomic for all of a fan: the branches' own ones would cost a tenth of a trivial task each. */
void eyot__history_share(eyot__history *h, eyot__version *v, eyot__state *state, uint32_t n)
{
    if (n == 0) return;
    eyot__history_hold(h, v, state);
    v->heads += n - 1;
    atomic_fetch_add_explicit(&state->refs, n, memory_order_relaxed);
}

static eyot_status push(eyot__version *v, eyot__change *c)
{
    if (v->cap == 0) {
        v->changes = &v->one;
        v->cap = 1;
    }
    if (v->n == v->cap) {
        bool inside = v->changes == &v->one;
        eyot__change **changes = realloc(inside ? NULL : v->changes, 2 * (size_t)v->cap * sizeof *changes);
        if (!changes) return EYOT_ENOMEM;
        if (inside) changes[0] = v->one;
        v->changes = changes;
        v->cap *= 2;
    }
    v->changes[v->n++] = c;
    return EYOT_OK;
}

/* Appends n changes (each taken by reference) for the one branch at *v. Nothing is kept at the root of a branch alone:
 * every branch has it. */
static eyot_status append(eyot__history *h, eyot__version **v, eyot__change *const *changes, uint32_t n)
{
    eyot__version *at = *v;
    bool alone = at->heads == 1 && at->children == 0;
    if (alone && at == h->root) {
        eyot__state_unref(at->state, h);
        at->state = NULL;
        return EYOT_OK;
    }
    eyot__version *to = at;
    if (!alone) {
        to = version_new(h);
        if (!to) return EYOT_ENOMEM;
    }
    uint32_t before = to->n;
    for (uint32_t i = 0; i < n; i++) {
        if (push(to, changes[i])) {
            to->n = before;
            if (!alone) version_free(h, to);
            return EYOT_ENOMEM;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (changes[i]) changes[i]->refs++;
    if (alone) {
        eyot__state_unref(to->state, h);
        to->state = NULL;
        return EYOT_OK;
    }
    to->heads = 1;
    link_child(at, to);
    *v = to;
    at->heads--;
    prune(h, at);
    return EYOT_OK;
}

eyot_status eyot__history_extend(eyot__history *h, eyot__version **v, void *update_take, const eyot__who *who,
                                 int64_t sent)
{
    if (*v == h->root && (*v)->heads == 1 && (*v)->children == 0) { /* nobody will ever ask for it */
        h->copier->free(update_take, h->user);
        return append(h, v, NULL, 0);
    }
    eyot__change *c = eyot__change_new(h);
    if (!c) {
        h->copier->free(update_take, h->user);
        return EYOT_ENOMEM;
    }
    c->sent = sent;
    c->value = update_take;
    c->who.node = who->node;
    c->who.stamp = eyot__stamp_ref(who->stamp);
    c->who.path = eyot__path_ref(who->path);
    eyot_status status = append(h, v, &c, 1);
    eyot__change_unref(h, c);
    return status;
}

eyot_status eyot__history_drop_local(eyot__history *h, eyot__version **v, eyot__state **state, eyot_error *e)
{
    const eyot_copier *c = h->copier;
    if (!c->drop_local || (c->has_local && !c->has_local((*state)->value, h->user))) return EYOT_OK;
    eyot__change *marker = NULL;
    eyot_status status = eyot__state_own(state, h);
    if (!status) status = c->drop_local(&(*state)->value, h->user);
    if (!status) status = append(h, v, &marker, 1);
    return status ? eyot_error_set(e, status, "local keys could not be dropped: %s", eyot_status_text(status))
                  : EYOT_OK;
}

eyot__version *eyot__history_put(eyot__history *h, eyot__version *parent, eyot__change *const *changes, uint32_t n)
{
    if (!parent) return h->root;
    eyot__version *v = version_new(h);
    if (!v) return NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (push(v, changes[i])) {
            v->n = 0;
            version_free(h, v);
            return NULL;
        }
    }
    for (uint32_t i = 0; i < n; i++)
        if (changes[i]) changes[i]->refs++;
    link_child(parent, v);
    return v;
}

/* The versions in an order in which each is followed by all that are below it. `scratch` has room for two numbers per version. */
static void order_by_lineage(uint32_t *order, uint32_t *scratch, const uint32_t *parents, size_t n)
{
    uint32_t *size = scratch, *next = scratch + n; /* of all below; where the next child goes */
    for (size_t i = 0; i < n; i++) size[i] = 1;
    for (size_t i = n; i-- > 1;) size[parents[i]] += size[i];
    order[0] = 0;
    next[0] = 1;
    for (size_t i = 1; i < n; i++) {
        uint32_t at = next[parents[i]];
        next[parents[i]] += size[i];
        next[i] = at + 1;
        order[at] = (uint32_t)i;
    }
}

/* The changes of a version count as had, or no longer. False: one was there already. */
static bool count_changes(const eyot__version *v, bool had)
{
    bool once = true;
    for (uint32_t i = 0; i < v->n; i++) {
        eyot__change *c = v->changes[i];
        if (c && had) once &= c->count++ == 0;
        if (c && !had) c->count--;
    }
    return once;
}

eyot_status eyot__history_check(eyot__version *const *versions, const uint32_t *parents, size_t n)
{
    uint32_t *order = n <= SIZE_MAX / 12 ? malloc(3 * n * sizeof *order) : NULL, top = 0;
    bool once = true;
    if (!order) return EYOT_ENOMEM;
    order_by_lineage(order, order + n, parents, n);
    for (size_t i = 1; i < n && once; i++) {
        for (; top != parents[order[i]]; top = parents[top]) count_changes(versions[top], false);
        top = order[i];
        once = count_changes(versions[top], true);
    }
    for (; once && top != 0; top = parents[top]) count_changes(versions[top], false);
    free(order);
    return once ? EYOT_OK : EYOT_ECORRUPT;
}

/* ---- joins ----------------------------------------------------------------------------------------------------- */

/* Who wrote a place last in the history so far, and who has passed through it since. */
typedef struct writer {
    uint64_t hash;
    size_t key, key_len;  /* in keys */
    eyot__change *change; /* NULL: nobody wrote it, it was only passed through */
    uint32_t through;     /* newest entry of the list in passers, 0: none */
    uint32_t next;        /* in the table's chain, 0: end */
} writer;

typedef struct passer {
    eyot__change *change;
    uint32_t next;
} passer;

typedef struct joining {
    eyot__history *h;
    eyot_error *e;
    uint64_t mark;        /* in_join of changes that the joined history has */
    uint32_t arrival;     /* in_arrival of changes that the arrival has */
    eyot__change *change; /* whose keys are being told */
    bool check;
    eyot_buf keys;
    writer *writers; /* from 1 */
    uint32_t n_writers, cap_writers;
    passer *passers; /* from 1 */
    uint32_t n_passers, cap_passers;
    uint32_t *table; /* hash → newest writer */
    uint32_t table_size;
    eyot__change **added;
    uint32_t n_added, cap_added;
} joining;

static uint64_t hash_key(const char *key, size_t len) /* FNV-1a */
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)key[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

static eyot_status table_grow(joining *j)
{
    uint32_t size = j->table_size ? j->table_size * 2 : 64;
    uint32_t *table = calloc(size, sizeof *table);
    if (!table) return EYOT_ENOMEM;
    for (uint32_t i = 1; i <= j->n_writers; i++) {
        writer *w = &j->writers[i];
        uint32_t *slot = &table[w->hash & (size - 1)];
        w->next = *slot;
        *slot = i;
    }
    free(j->table);
    j->table = table;
    j->table_size = size;
    return EYOT_OK;
}

static void print_who(eyot_buf *out, const eyot__history *h, const eyot__change *c)
{
    eyot__key_print(out, h->graph, &c->who);
    if (c->sent >= 0) eyot__buf_format(out, " (item %lld)", (long long)c->sent);
}

static eyot_status report_conflict(joining *j, const char *key, size_t len, const eyot__change *a,
                                   const eyot__change *b)
{
    eyot_buf one = EYOT__BUF_INIT, two = EYOT__BUF_INIT;
    print_who(&one, j->h, a);
    print_who(&two, j->h, b);
    eyot_status status = eyot_error_set(
        j->e, EYOT_ECONFLICT,
        "key \"%.*s\" was written by %.*s and by %.*s, which do not know of each other; give it a reducer",
        (int)(len < 48 ? len : 48), key, (int)(one.len < 56 ? one.len : 56), one.data ? (char *)one.data : "",
        (int)(two.len < 56 ? two.len : 56), two.data ? (char *)two.data : "");
    eyot__buf_clear(&one);
    eyot__buf_clear(&two);
    return status;
}

static writer *find_writer(joining *j, const char *key, size_t len, uint64_t hash)
{
    if (!j->table_size) return NULL;
    for (uint32_t i = j->table[hash & (j->table_size - 1)]; i; i = j->writers[i].next) {
        writer *w = &j->writers[i];
        if (w->hash == hash && w->key_len == len && memcmp(j->keys.data + w->key, key, len) == 0) return w;
    }
    return NULL;
}

static writer *add_writer(joining *j, const char *key, size_t len, uint64_t hash)
{
    if (j->n_writers + 1 >= j->cap_writers) {
        uint32_t cap = j->cap_writers ? j->cap_writers * 2 : 64;
        writer *writers = realloc(j->writers, cap * sizeof *writers);
        if (!writers) return NULL;
        j->writers = writers;
        j->cap_writers = cap;
    }
    if (j->n_writers >= j->table_size / 2 && table_grow(j)) return NULL;
    size_t at = j->keys.len;
    eyot__buf_put(&j->keys, key, len);
    if (j->keys.failed) return NULL;
    uint32_t *slot = &j->table[hash & (j->table_size - 1)];
    writer *w = &j->writers[++j->n_writers];
    *w = (writer){.hash = hash, .key = at, .key_len = len, .next = *slot};
    *slot = j->n_writers;
    return w;
}

static eyot_status add_passer(joining *j, writer *w)
{
    if (w->through && j->passers[w->through].change == j->change) return EYOT_OK;
    if (j->n_passers + 1 >= j->cap_passers) {
        uint32_t cap = j->cap_passers ? j->cap_passers * 2 : 64;
        passer *passers = realloc(j->passers, cap * sizeof *passers);
        if (!passers) return EYOT_ENOMEM;
        j->passers = passers;
        j->cap_passers = cap;
    }
    j->passers[++j->n_passers] = (passer){.change = j->change, .next = w->through};
    w->through = j->n_passers;
    return EYOT_OK;
}

static bool unknown_to(const joining *j, const eyot__change *c)
{
    return c && c != j->change && c->in_arrival != j->arrival;
}

/* The rule: an added update conflicts with the last writer of its key if the arrival it comes from does not have that
 * one. Two updates that only pass through a place do not touch each other there. Once a place is written, those who
 * passed through it before are forgotten: who knows the writer knows them. */
static eyot_status told_key(void *arg, const char *key, size_t len, bool through)
{
    joining *j = arg;
    uint64_t hash = hash_key(key, len);
    writer *w = find_writer(j, key, len, hash);
    if (!w && !(w = add_writer(j, key, len, hash))) return EYOT_ENOMEM;
    if (j->check && unknown_to(j, w->change)) return report_conflict(j, key, len, w->change, j->change);
    if (through) return add_passer(j, w);
    for (uint32_t i = w->through; i && j->check; i = j->passers[i].next)
        if (unknown_to(j, j->passers[i].change)) return report_conflict(j, key, len, j->passers[i].change, j->change);
    w->change = j->change;
    w->through = 0;
    return EYOT_OK;
}

static eyot_status tell_keys(joining *j, eyot__change *c, bool check)
{
    const eyot_copier *copier = j->h->copier;
    if (!copier->conflict) return EYOT_OK;
    j->change = c;
    j->check = check;
    return copier->conflict(c->value, told_key, j, j->h->user);
}

/* The place where the branches of the tree part. */
static eyot__version *common(eyot__version *a, eyot__version *b)
{
    while (a != b) {
        if (a->depth > b->depth)
            a = a->parent;
        else if (b->depth > a->depth)
            b = b->parent;
        else {
            a = a->parent;
            b = b->parent;
        }
    }
    return a;
}

/* Calls visit for every change from `base` (exclusive) to v in order. The chain is turned round by its marks' array. */
typedef eyot_status (*change_fn)(joining *j, eyot__change *c);
static eyot_status walk(joining *j, eyot__version *base, eyot__version *v, change_fn visit)
{
    eyot__version *few[32], **chain = few;
    uint32_t n = 0;
    for (eyot__version *u = v; u != base; u = u->parent) n++;
    if (n > 32) {
        chain = malloc(n * sizeof *chain);
        if (!chain) return EYOT_ENOMEM;
    }
    uint32_t i = n;
    for (eyot__version *u = v; u != base; u = u->parent) chain[--i] = u;
    eyot_status status = EYOT_OK;
    for (i = 0; i < n && !status; i++)
        for (uint32_t k = 0; k < chain[i]->n && !status; k++)
            if (chain[i]->changes[k]) status = visit(j, chain[i]->changes[k]);
    if (chain != few) free(chain);
    return status;
}

static eyot_status count_change(joining *j, eyot__change *c)
{
    if (c->in_join != j->mark) {
        c->in_join = j->mark;
        c->count = 0;
        c->in_arrival = 0;
    }
    if (c->in_arrival != j->arrival) { /* a history holds a change once */
        c->in_arrival = j->arrival;
        c->count++;
    }
    return EYOT_OK;
}

static eyot_status mark_arrival(joining *j, eyot__change *c)
{
    c->in_arrival = j->arrival;
    return EYOT_OK;
}

static eyot_status take_first(joining *j, eyot__change *c)
{
    c->in_join = j->mark;
    return tell_keys(j, c, false);
}

static eyot_status add_missing(joining *j, eyot__change *c)
{
    if (c->in_join == j->mark) return EYOT_OK;
    eyot_status status = tell_keys(j, c, true);
    if (status) return status;
    c->in_join = j->mark;
    if (j->n_added == j->cap_added) {
        uint32_t cap = j->cap_added ? j->cap_added * 2 : 16;
        eyot__change **added = realloc(j->added, cap * sizeof(eyot__change *));
        if (!added) return EYOT_ENOMEM;
        j->added = added;
        j->cap_added = cap;
    }
    j->added[j->n_added++] = c;
    return EYOT_OK;
}

enum { FEW = 8 }; /* lanes that a join keeps on the stack */

/* Distinct histories: what lies above the base, and whether another one contains it. */
typedef struct lane {
    eyot__arrival *arrival;
    uint64_t size; /* changes above the base */
    bool own;      /* has a change that no other lane has */
    bool left_out;
} lane;

static void measure(eyot__version *base, lane *l)
{
    for (eyot__version *v = l->arrival->version; v != base; v = v->parent)
        for (uint32_t k = 0; k < v->n; k++) {
            eyot__change *c = v->changes[k];
            if (!c) continue;
            l->size++;
            if (c->count == 1) l->own = true;
        }
}

static bool contains(const lane *big, const lane *small, eyot__version *base, uint32_t arrival)
{
    for (eyot__version *v = big->arrival->version; v != base; v = v->parent)
        for (uint32_t k = 0; k < v->n; k++)
            if (v->changes[k]) v->changes[k]->in_arrival = arrival;
    for (eyot__version *v = small->arrival->version; v != base; v = v->parent)
        for (uint32_t k = 0; k < v->n; k++)
            if (v->changes[k] && v->changes[k]->in_arrival != arrival) return false;
    return true;
}

/* An arrival whose history another one contains adds nothing and must not come first. One with a change of its own is
 * contained in nobody's, so the pairs that have to be compared are few. */
static void leave_out(joining *j, eyot__version *base, lane *lanes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (lanes[i].own) continue;
        for (uint32_t k = 0; k < n && !lanes[i].left_out; k++) {
            if (k == i || lanes[k].left_out || lanes[k].size < lanes[i].size) continue;
            if (lanes[k].size == lanes[i].size && k > i) continue; /* the same set: the earlier one stands */
            lanes[i].left_out = contains(&lanes[k], &lanes[i], base, ++j->arrival);
        }
    }
}

/* The first of every version, in order; *base becomes where their branches of the tree part. */
static lane *distinct(eyot__history *h, eyot__arrival *sorted, lane few[FEW], uint32_t *n_out, eyot__version **base)
{
    uint32_t total = 0, n = 0;
    for (eyot__arrival *a = sorted; a; a = a->next) total++;
    lane *lanes = total <= FEW ? few : calloc(total, sizeof *lanes);
    if (!lanes) return NULL;
    uint64_t mark = ++h->join;
    *base = sorted->version;
    for (eyot__arrival *a = sorted; a; a = a->next) {
        if (a->version->mark == mark) continue;
        a->version->mark = mark;
        *base = common(*base, a->version);
        lanes[n++].arrival = a;
    }
    *n_out = n;
    return lanes;
}

/* Fills j->added with what the first remaining history lacks of the others; *first is the one. */
static eyot_status gather(joining *j, lane *lanes, uint32_t n, eyot__version *base, eyot__arrival **first)
{
    eyot_status status = EYOT_OK;
    j->mark = ++j->h->join;
    for (uint32_t i = 0; i < n && !status; i++) {
        j->arrival++;
        status = walk(j, base, lanes[i].arrival->version, count_change);
    }
    if (status) return status;
    for (uint32_t i = 0; i < n; i++) measure(base, &lanes[i]);
    leave_out(j, base, lanes, n);
    j->mark = ++j->h->join;
    *first = NULL;
    for (uint32_t i = 0; i < n && !status; i++) {
        if (lanes[i].left_out) continue;
        eyot__version *v = lanes[i].arrival->version;
        if (!*first) {
            *first = lanes[i].arrival;
            status = walk(j, base, v, take_first);
            continue;
        }
        j->arrival++;
        status = walk(j, base, v, mark_arrival);
        if (!status) status = walk(j, base, v, add_missing);
    }
    return status;
}

static void drop_arrival(eyot__history *h, eyot__arrival *a)
{
    if (a->version) eyot__history_release(h, a->version);
    eyot__state_unref(a->state, h);
    a->version = NULL;
    a->state = NULL;
}

static eyot_status apply_added(joining *j, eyot__state **state)
{
    for (uint32_t i = 0; i < j->n_added; i++) {
        eyot_error own;
        eyot__error_none(&own);
        eyot_status status = eyot__state_update(state, j->added[i]->value, j->h, &own);
        if (!status) continue;
        eyot_buf who = EYOT__BUF_INIT;
        print_who(&who, j->h, j->added[i]);
        eyot_error_set(j->e, status, "joining the update of %.*s: %s", (int)(who.len < 80 ? who.len : 80),
                       who.data ? (char *)who.data : "", own.text);
        eyot__buf_clear(&who);
        return status;
    }
    return EYOT_OK;
}

static void take_over(eyot__arrival *from, eyot__version **version, eyot__state **state)
{
    *version = from->version;
    *state = from->state;
    from->version = NULL;
    from->state = NULL;
}

static eyot_status join_several(joining *j, eyot__arrival *sorted, eyot__version **version, eyot__state **state)
{
    eyot__history *h = j->h;
    eyot__version *base;
    eyot__arrival *first = NULL;
    uint32_t n;
    lane few[FEW] = {{0}}, *lanes = distinct(h, sorted, few, &n, &base);
    if (!lanes) return eyot_error_set(j->e, EYOT_ENOMEM, "out of memory in a join");
    eyot_status status = gather(j, lanes, n, base, &first);
    if (lanes != few) free(lanes);
    if (status == EYOT_ENOMEM) eyot_error_set(j->e, status, "out of memory in a join");
    if (status) return status;
    /* Other arrivals may stand where the first does; they leave first, so that it can grow in place. The changes that are
     * added stay alive by the reference taken here. */
    for (uint32_t i = 0; i < j->n_added; i++) j->added[i]->refs++;
    take_over(first, version, state);
    for (eyot__arrival *a = sorted; a; a = a->next) drop_arrival(h, a);
    status = apply_added(j, state);
    if (!status && append(h, version, j->added, j->n_added))
        status = eyot_error_set(j->e, EYOT_ENOMEM, "out of memory in a join");
    for (uint32_t i = 0; i < j->n_added; i++) eyot__change_unref(h, j->added[i]);
    if (status) {
        first->version = *version; /* still the arrival's */
        first->state = *state;
        *version = NULL;
        *state = NULL;
    }
    return status;
}

/* Nothing was written since the branches parted: they stand where they did, and mostly share one state. */
static bool join_same(eyot__history *h, eyot__arrival *sorted, eyot__version **version, eyot__state **state)
{
    uint32_t shares = 0;
    for (eyot__arrival *a = sorted; a; a = a->next) {
        if (a->version != sorted->version) return false;
        shares += a->state == sorted->state;
    }
    take_over(sorted, version, state);
    for (eyot__arrival *a = sorted->next; a; a = a->next) {
        if (a->state != *state) eyot__state_unref(a->state, h);
        (*version)->heads--;
        a->version = NULL;
        a->state = NULL;
    }
    if (shares > 1) atomic_fetch_sub_explicit(&(*state)->refs, shares - 1, memory_order_acq_rel);
    return true;
}

eyot_status eyot__history_join(eyot__history *h, eyot__arrival *sorted, eyot__version **version, eyot__state **state,
                               eyot_error *e)
{
    if (join_same(h, sorted, version, state)) return EYOT_OK;
    joining j = {.h = h, .e = e};
    eyot_status status = join_several(&j, sorted, version, state);
    free(j.added);
    free(j.writers);
    free(j.passers);
    free(j.table);
    eyot__buf_clear(&j.keys);
    return status;
}
