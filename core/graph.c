/* SPDX-License-Identifier: MIT */
/* Building and freezing graphs. Until freeze an edge holds the numbers of the names it was given, which need not be
 * nodes yet; freeze resolves them into arrays of its own and writes them back only when there is no mistake, so that a
 * graph whose freeze failed can still be completed and frozen again. */
#include "core/graph.h"

#include <stdlib.h>
#include <string.h>

#include "core/graph_draw.h"
#include "core/hash.h"
#include "core/options.h"

#define NONE UINT32_MAX
#define MOST (UINT32_MAX / 4) /* nodes, edges or names */
#define FEW 8                 /* out-edges that are searched one by one */

/* A name that was mentioned, as a node or as an end of an edge. */
typedef struct symbol {
    const char *name;
    uint32_t len, hash;
    uint32_t node; /* NONE: not added so far */
} symbol;

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    char data[];
} chunk;

struct eyot__graph_private {
    chunk *texts; /* ids, versions, conditions, problems: freed together */
    symbol *symbols;
    uint32_t *slots;  /* symbol + 1 by hash, 0: empty */
    uint32_t *starts; /* symbols */
    char **problems;
    uint32_t n_symbols, symbols_cap, n_slots, n_starts, starts_cap, nodes_cap, edges_cap;
    size_t n_problems, problems_cap;
    size_t n_said;      /* problems of builder calls; the rest are of the last freeze */
    eyot_status failed; /* ENOMEM in a builder call */
    void *rules;
    uint32_t *by_target; /* the out-edges of each node, sorted by target */
};

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* Room for one more item; the old array stays when there is none. */
static bool grow(void **items, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) return true;
    if (n >= MOST) return false;
    uint32_t more = *cap ? *cap * 2 : 16;
    void *moved = realloc(*items, more * size);
    if (!moved) return false;
    *items = moved;
    *cap = more;
    return true;
}

static char *keep_text(struct eyot__graph_private *own, const char *text, size_t len)
{
    if (!own->texts || own->texts->size - own->texts->used <= len) {
        size_t size = len < 2048 ? 4096 : len + 1;
        if (own->texts && size < own->texts->size * 2 && own->texts->size < 65536) size = own->texts->size * 2;
        chunk *c = size < SIZE_MAX / 2 ? malloc(sizeof *c + size) : NULL;
        if (!c) return NULL;
        *c = (chunk){own->texts, 0, size};
        own->texts = c;
    }
    char *kept = own->texts->data + own->texts->used;
    memcpy(kept, text, len);
    kept[len] = '\0';
    own->texts->used += len + 1;
    return kept;
}

/* ---- problems -------------------------------------------------------------------------------------------------- */

/* A name as it is shown in a problem: whole if it could be an id, else its beginning. */
typedef struct shown {
    char text[72];
} shown;

static shown show(const char *name)
{
    shown s;
    size_t len = strlen(name);
    if (len <= 64) {
        memcpy(s.text, name, len + 1);
        return s;
    }
    for (len = 61; len > 0 && ((unsigned char)name[len] & 0xC0) == 0x80; len--) {}
    memcpy(s.text, name, len);
    memcpy(s.text + len, "...", 4);
    return s;
}

/* Keeps the text of e as a problem; false without memory. */
static bool keep_problem(struct eyot__graph_private *own, const eyot_error *e)
{
    if (own->n_problems == own->problems_cap) {
        size_t cap = own->problems_cap ? own->problems_cap * 2 : 8;
        char **moved = realloc(own->problems, cap * sizeof *moved);
        if (!moved) return false;
        own->problems = moved;
        own->problems_cap = cap;
    }
    char *text = keep_text(own, e->text, strlen(e->text));
    if (!text) return false;
    own->problems[own->n_problems++] = text;
    return true;
}

/* What a builder call has to say sticks. */
#define SAY(g, ...)                                       \
    do {                                                  \
        eyot_error say_e;                                 \
        eyot_error_set(&say_e, EYOT_EGRAPH, __VA_ARGS__); \
        say(g, &say_e);                                   \
    } while (0)

static void say(eyot_graph *g, const eyot_error *e)
{
    if (keep_problem(g->own, e))
        g->own->n_said = g->own->n_problems;
    else
        g->own->failed = EYOT_ENOMEM;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool good_name(const char *s, bool underscore_first)
{
    size_t n = 1;
    if (!is_alnum(s[0]) && !(underscore_first && s[0] == '_')) return false;
    while (is_alnum(s[n]) || s[n] == '.' || s[n] == '_' || s[n] == '-') n++;
    return s[n] == '\0' && n <= 64;
}

/* Well-formed UTF-8 (Unicode standard, table 3-7). */
static bool good_text(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        unsigned n = *s < 0x80                 ? 0
                     : *s >= 0xC2 && *s < 0xE0 ? 1
                     : *s >= 0xE0 && *s < 0xF0 ? 2
                     : *s >= 0xF0 && *s < 0xF5 ? 3
                                               : 9;
        if (n == 9) return false;
        unsigned char low = *s == 0xE0   ? 0xA0
                            : *s == 0xF0 ? 0x90
                                         : 0x80,
                      high = *s == 0xED   ? 0x9F
                             : *s == 0xF4 ? 0x8F
                                          : 0xBF;
        s++;
        for (; n > 0; n--, s++, low = 0x80, high = 0xBF)
            if (*s < low || *s > high) return false;
    }
    return true;
}

/* FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo). */
static uint32_t hash_of(const char *s, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(h ^ h >> 32);
}

/* The slot that holds the name, or the empty one where it belongs. */
static uint32_t *slot_of(const struct eyot__graph_private *own, const char *name, size_t len, uint32_t hash)
{
    uint32_t i = hash & (own->n_slots - 1);
    for (; own->slots[i] != 0; i = (i + 1) & (own->n_slots - 1)) {
        const symbol *s = &own->symbols[own->slots[i] - 1];
        if (s->hash == hash && s->len == len && memcmp(s->name, name, len) == 0) break;
    }
    return &own->slots[i];
}

static bool grow_slots(struct eyot__graph_private *own)
{
    if (own->n_symbols < own->n_slots / 2) return true;
    uint32_t n = own->n_slots ? own->n_slots * 2 : 32;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots) return false;
    for (uint32_t s = 0; s < own->n_symbols; s++) {
        uint32_t i = own->symbols[s].hash & (n - 1);
        while (slots[i] != 0) i = (i + 1) & (n - 1);
        slots[i] = s + 1;
    }
    free(own->slots);
    own->slots = slots;
    own->n_slots = n;
    return true;
}

/* The number of a name, from now on known; NONE without memory, which sticks. */
static uint32_t intern(eyot_graph *g, const char *name)
{
    struct eyot__graph_private *own = g->own;
    size_t len = strlen(name);
    uint32_t hash = hash_of(name, len);
    if (len < UINT32_MAX && grow_slots(own) &&
        grow((void **)&own->symbols, own->n_symbols, &own->symbols_cap, sizeof(symbol))) {
        uint32_t *slot = slot_of(own, name, len, hash);
        if (*slot != 0) return *slot - 1;
        const char *kept = keep_text(own, name, len);
        if (kept) {
            own->symbols[own->n_symbols] = (symbol){kept, (uint32_t)len, hash, NONE};
            *slot = ++own->n_symbols;
            return *slot - 1;
        }
    }
    own->failed = EYOT_ENOMEM;
    return NONE;
}

/* ---- building -------------------------------------------------------------------------------------------------- */

static bool good_copier(const eyot_copier *c)
{
    if (!c || c->size < sizeof *c || !c->name || c->name[0] == '\0' || strlen(c->name) > 32 || !good_text(c->name))
        return false;
    if (!c->copy || !c->free || !c->encode || !c->decode || !c->apply) return false;
    eyot_copier known;
    return eyot__options_read(&known, sizeof known, c) == EYOT_OK && (!c->rule || (c->rules_free && c->rules_text));
}

eyot_status eyot_graph_new(eyot_graph **out, const char *name, const eyot_copier *copier)
{
    if (!out) return EYOT_EINVAL;
    *out = NULL;
    if (!name || !good_name(name, false) || !good_copier(copier)) return EYOT_EINVAL;
    eyot_graph *g = calloc(1, sizeof *g);
    if (g) g->own = calloc(1, sizeof *g->own);
    if (g && g->own) g->name = keep_text(g->own, name, strlen(name));
    if (!g || !g->name) {
        eyot_graph_free(g);
        return EYOT_ENOMEM;
    }
    g->copier = copier;
    g->copier_user = copier->user;
    *out = g;
    return EYOT_OK;
}

static void free_own(eyot_graph *g)
{
    struct eyot__graph_private *own = g->own;
    while (own->texts) {
        chunk *next = own->texts->next;
        free(own->texts);
        own->texts = next;
    }
    if (own->rules) g->copier->rules_free(own->rules);
    free(own->symbols);
    free(own->slots);
    free(own->starts);
    free(own->problems);
    free(own->by_target);
    free(own);
}

void eyot_graph_free(eyot_graph *g)
{
    if (!g) return;
    if (g->own) free_own(g);
    eyot__topology_free(g->shape);
    free(g->nodes);
    free(g->edges);
    free(g->source);
    free(g);
}

/* Frozen graphs are shared by threads: a builder call does nothing to one. */
static bool can_build(const eyot_graph *g)
{
    return g && !g->frozen && g->own->failed == EYOT_OK;
}

/* A NULL or malformed text in a builder call is reported, and false. */
static bool check_text(eyot_graph *g, const char *text, const char *what, const char *of)
{
    if (!text)
        SAY(g, "%s: %s is NULL", show(of).text, what);
    else if (!good_text(text))
        SAY(g, "%s: %s is not UTF-8", show(of).text, what);
    else
        return true;
    return false;
}

static void add_node(eyot_graph *g, const char *id, eyot_node_fn fn, void *user, const eyot_node_options *options)
{
    uint32_t s = intern(g, id);
    if (s == NONE) return;
    symbol *name = &g->own->symbols[s];
    if (name->node != NONE) {
        SAY(g, "node %s is added twice", show(id).text);
        return;
    }
    char *version = NULL;
    if (options->version) version = keep_text(g->own, options->version, strlen(options->version));
    if ((options->version && !version) || !grow((void **)&g->nodes, g->n_nodes, &g->own->nodes_cap, sizeof *g->nodes)) {
        g->own->failed = EYOT_ENOMEM;
        return;
    }
    name->node = g->n_nodes;
    eyot__gnode *node = &g->nodes[g->n_nodes++];
    memset(node, 0, sizeof *node);
    node->id = (char *)name->name;
    node->id_len = name->len;
    node->fn = fn;
    node->user = user;
    node->flags = options->flags;
    node->version = version;
    atomic_init(&node->mean_ns, 0);
}

void eyot_graph_node_with(eyot_graph *g, const char *id, eyot_node_fn fn, void *user, const eyot_node_options *options)
{
    if (!can_build(g)) return;
    eyot_node_options known;
    if (!id) {
        SAY(g, "node %u: its id is NULL", (unsigned)g->n_nodes);
        return;
    }
    if (!good_name(id, true)) SAY(g, "node %s: an id is [A-Za-z0-9_][A-Za-z0-9._-]{0,63}", show(id).text);
    if (!fn) SAY(g, "node %s has no function", show(id).text);
    if (eyot__options_read(&known, sizeof known, options) != EYOT_OK)
        SAY(g, "node %s: its options have a bad size or are newer than this library", show(id).text);
    if (known.flags & ~(uint32_t)EYOT_NODE_EACH)
        SAY(g, "node %s: flag 0x%x is unknown", show(id).text, (unsigned)(known.flags & ~(uint32_t)EYOT_NODE_EACH));
    if (known.version && !check_text(g, known.version, "its version", id)) known.version = NULL;
    add_node(g, id, fn, user, &known);
}

void eyot_graph_node(eyot_graph *g, const char *id, eyot_node_fn fn, void *user)
{
    eyot_graph_node_with(g, id, fn, user, NULL);
}

void eyot_graph_start(eyot_graph *g, const char *id)
{
    if (!can_build(g)) return;
    if (!id) {
        SAY(g, "a start is NULL");
        return;
    }
    uint32_t s = intern(g, id);
    if (s == NONE) return;
    if (grow((void **)&g->own->starts, g->own->n_starts, &g->own->starts_cap, sizeof *g->own->starts))
        g->own->starts[g->own->n_starts++] = s;
    else
        g->own->failed = EYOT_ENOMEM;
}

/* Adds an edge of a kind; the condition's parts are NULL but for EYOT__EDGE_IF. */
static void add_edge(eyot_graph *g, const char *from, const char *to, eyot__gedge edge, const char *condition)
{
    if (!can_build(g)) return;
    if (!from || !to) {
        SAY(g, "edge %s -> %s: a node's id is NULL", from ? show(from).text : "?", to ? show(to).text : "?");
        return;
    }
    if (edge.kind == EYOT__EDGE_IF) {
        if (!edge.condition) SAY(g, "edge %s -> %s: the condition has no function", show(from).text, show(to).text);
        if (!condition || condition[0] == '\0' || !good_text(condition)) {
            SAY(g, "edge %s -> %s: the condition has no name that is UTF-8", show(from).text, show(to).text);
            condition = "?";
        }
    }
    edge.from = intern(g, from);
    edge.to = intern(g, to);
    if (condition && !(edge.name = keep_text(g->own, condition, strlen(condition)))) g->own->failed = EYOT_ENOMEM;
    if (!grow((void **)&g->edges, g->n_edges, &g->own->edges_cap, sizeof *g->edges)) g->own->failed = EYOT_ENOMEM;
    if (g->own->failed == EYOT_OK) g->edges[g->n_edges++] = edge;
}

void eyot_graph_edge(eyot_graph *g, const char *from, const char *to)
{
    add_edge(g, from, to, (eyot__gedge){.kind = EYOT__EDGE_ALWAYS}, NULL);
}

void eyot_graph_edge_if(eyot_graph *g, const char *from, const char *to, const char *condition, eyot_condition_fn fn,
                        void *user)
{
    add_edge(g, from, to, (eyot__gedge){.kind = EYOT__EDGE_IF, .condition = fn, .user = user}, condition);
}

void eyot_graph_edge_otherwise(eyot_graph *g, const char *from, const char *to)
{
    add_edge(g, from, to, (eyot__gedge){.kind = EYOT__EDGE_OTHERWISE}, NULL);
}

void eyot_graph_edge_each(eyot_graph *g, const char *from, const char *to)
{
    add_edge(g, from, to, (eyot__gedge){.kind = EYOT__EDGE_EACH}, NULL);
}

void eyot_graph_edge_routed(eyot_graph *g, const char *from, const char *to)
{
    add_edge(g, from, to, (eyot__gedge){.kind = EYOT__EDGE_ROUTED}, NULL);
}

void eyot_graph_reduce_with(eyot_graph *g, const char *key, eyot_reducer reducer, uint64_t limit)
{
    if (!can_build(g) || !check_text(g, key, "the key of a reducer", g->name)) return;
    if ((unsigned)reducer > EYOT_LOCAL) {
        SAY(g, "key %s: reducer %d is unknown", show(key).text, (int)reducer);
        return;
    }
    if (!g->copier->rule) {
        SAY(g, "key %s: copier %s has no reducers", show(key).text, g->copier->name);
        return;
    }
    eyot_error e = {.status = EYOT_OK};
    eyot_status status = g->copier->rule(&g->own->rules, key, reducer, limit, &e);
    g->copier_user = g->own->rules ? g->own->rules : g->copier->user;
    if (status == EYOT_ENOMEM)
        g->own->failed = EYOT_ENOMEM;
    else if (status != EYOT_OK)
        SAY(g, "key %s: %s", show(key).text, e.text[0] ? e.text : eyot_status_text(status));
}

void eyot_graph_reduce(eyot_graph *g, const char *key, eyot_reducer reducer)
{
    eyot_graph_reduce_with(g, key, reducer, 0);
}

/* ---- freezing -------------------------------------------------------------------------------------------------- */

/* What freeze finds out before it changes the graph. */
typedef struct draft {
    eyot_graph *g;
    uint32_t *from, *to; /* per edge, as nodes; both NONE for an edge that is left out */
    bool *sends, *each;
    uint32_t *starts;
    uint32_t n_starts;
    uint32_t *out_at, *out; /* edges per source */
    uint32_t *mark;         /* per node */
    eyot_status status;     /* ENOMEM when a problem could not be kept */
} draft;

#define FIND(d, ...)                                                        \
    do {                                                                    \
        eyot_error find_e;                                                  \
        eyot_error_set(&find_e, EYOT_EGRAPH, __VA_ARGS__);                  \
        if (!keep_problem((d)->g->own, &find_e)) (d)->status = EYOT_ENOMEM; \
    } while (0)

static shown symbol_name(const draft *d, uint32_t s)
{
    return show(d->g->own->symbols[s].name);
}

static void resolve_edges(draft *d)
{
    const eyot_graph *g = d->g;
    for (uint32_t e = 0; e < g->n_edges; e++) {
        const eyot__gedge *edge = &g->edges[e];
        uint32_t from = g->own->symbols[edge->from].node, to = g->own->symbols[edge->to].node;
        shown a, b;
        if (from == NONE || to == NONE) {
            a = symbol_name(d, edge->from);
            b = symbol_name(d, edge->to);
        }
        if (from == NONE) FIND(d, "edge %s -> %s: there is no node %s", a.text, b.text, a.text);
        if (to == NONE) FIND(d, "edge %s -> %s: there is no node %s", a.text, b.text, b.text);
        bool known = from != NONE && to != NONE;
        d->from[e] = known ? from : NONE;
        d->to[e] = known ? to : NONE;
        d->sends[e] = edge->kind == EYOT__EDGE_EACH;
    }
}

static void list_out_edges(draft *d)
{
    const eyot_graph *g = d->g;
    for (uint32_t e = 0; e < g->n_edges; e++)
        if (d->from[e] != NONE) d->out_at[d->from[e]]++;
    uint32_t end = 0;
    for (uint32_t v = 0; v <= g->n_nodes; v++) d->out_at[v] = end += d->out_at[v];
    for (uint32_t e = g->n_edges; e > 0; e--) /* backwards, each node's list fills from its end */
        if (d->from[e - 1] != NONE) d->out[--d->out_at[d->from[e - 1]]] = e - 1;
}

/* Two edges to one node, and an otherwise that nothing can make true. */
static void check_out_edges(draft *d, uint32_t v)
{
    const eyot_graph *g = d->g;
    uint32_t otherwise = NONE;
    bool conditional = false;
    for (uint32_t i = d->out_at[v]; i < d->out_at[v + 1]; i++) {
        uint32_t e = d->out[i], to = d->to[e];
        eyot__edge_kind kind = g->edges[e].kind;
        if (d->mark[to] == v)
            FIND(d, "edge %s -> %s is added twice", show(g->nodes[v].id).text, show(g->nodes[to].id).text);
        d->mark[to] = v;
        conditional |= kind == EYOT__EDGE_IF || kind == EYOT__EDGE_EACH;
        if (kind == EYOT__EDGE_OTHERWISE && otherwise == NONE) otherwise = to;
    }
    if (otherwise != NONE && !conditional)
        FIND(d, "edge %s -> %s: otherwise needs a conditional edge from %s", show(g->nodes[v].id).text,
             show(g->nodes[otherwise].id).text, show(g->nodes[v].id).text);
}

static void resolve_starts(draft *d)
{
    const eyot_graph *g = d->g;
    for (uint32_t v = 0; v < g->n_nodes; v++) d->mark[v] = 0;
    if (g->own->n_starts == 0 && g->n_nodes > 0) d->starts[d->n_starts++] = 0;
    for (uint32_t i = 0; i < g->own->n_starts; i++) {
        const symbol *s = &g->own->symbols[g->own->starts[i]];
        if (s->node == NONE) {
            FIND(d, "start %s: there is no such node", show(s->name).text);
        } else if (d->mark[s->node]) {
            FIND(d, "start %s is named twice", show(s->name).text);
        } else {
            d->mark[s->node] = 1;
            d->starts[d->n_starts++] = s->node;
        }
    }
}

/* Breadth first from the starts. Says nothing without a start: that is reported already. */
static eyot_status check_reachable(draft *d)
{
    const eyot_graph *g = d->g;
    uint32_t n = 0, *queue = malloc((size_t)g->n_nodes * sizeof *queue + 1);
    if (!queue) return EYOT_ENOMEM;
    for (uint32_t v = 0; v < g->n_nodes; v++) d->mark[v] = 0;
    for (uint32_t i = 0; i < d->n_starts; i++) d->mark[queue[n++] = d->starts[i]] = 1;
    for (uint32_t done = 0; done < n; done++) {
        uint32_t v = queue[done];
        for (uint32_t i = d->out_at[v]; i < d->out_at[v + 1]; i++) {
            uint32_t to = d->to[d->out[i]];
            if (!d->mark[to]) d->mark[queue[n++] = to] = 1;
        }
    }
    free(queue);
    for (uint32_t v = 0; v < g->n_nodes && d->n_starts > 0; v++)
        if (!d->mark[v]) FIND(d, "node %s cannot be reached from a start", show(g->nodes[v].id).text);
    return EYOT_OK;
}

static eyot_status check(draft *d)
{
    const eyot_graph *g = d->g;
    if (g->n_nodes == 0) FIND(d, "graph %s has no nodes", g->name);
    for (uint32_t v = 0; v < g->n_nodes; v++) d->each[v] = g->nodes[v].flags & EYOT_NODE_EACH;
    resolve_edges(d);
    list_out_edges(d);
    memset(d->mark, 0xff, (size_t)g->n_nodes * sizeof *d->mark);
    for (uint32_t v = 0; v < g->n_nodes; v++) check_out_edges(d, v);
    resolve_starts(d);
    eyot_status status = check_reachable(d);
    return status == EYOT_OK ? d->status : status;
}

static eyot_status make_shape(draft *d, eyot__topology **shape)
{
    const eyot_graph *g = d->g;
    eyot__topology_input in = {.n_nodes = g->n_nodes,
                               .n_edges = g->n_edges,
                               .n_starts = d->n_starts,
                               .from = d->from,
                               .to = d->to,
                               .sends = d->sends,
                               .each = d->each,
                               .starts = d->starts};
    eyot_status status = eyot__topology_new(shape, &in);
    if (status == EYOT_ELIMIT) FIND(d, "graph %s: loops are nested deeper than 1000", g->name);
    return status == EYOT_ELIMIT ? d->status : status;
}

/* Visiting the targets in order leaves every source's list sorted. */
static eyot_status sort_out_edges(eyot_graph *g)
{
    const eyot__topology *t = g->shape;
    uint32_t *sorted = malloc((size_t)g->n_edges * sizeof *sorted + 1);
    uint32_t *filled = calloc((size_t)g->n_nodes, sizeof *filled);
    if (sorted && filled) {
        for (uint32_t v = 0; v < g->n_nodes; v++)
            for (uint32_t i = 0; i < t->nodes[v].n_in; i++) {
                uint32_t e = t->nodes[v].in[i], from = t->edges[e].from;
                sorted[t->nodes[from].out - t->nodes[0].out + filled[from]++] = e;
            }
    }
    free(filled);
    if (!sorted || !filled) {
        free(sorted);
        return EYOT_ENOMEM;
    }
    free(g->own->by_target);
    g->own->by_target = sorted;
    return EYOT_OK;
}

/* The text of the reducers, NUL-terminated; *rules stays empty when there are none. */
static eyot_status read_rules(draft *d, eyot_buf *rules)
{
    const eyot_graph *g = d->g;
    if (!g->own->rules) return EYOT_OK;
    eyot_status status = g->copier->rules_text(g->own->rules, rules);
    eyot__buf_u8(rules, 0);
    if (status != EYOT_OK || rules->failed != EYOT_OK) return status ? status : rules->failed;
    if (strlen((const char *)rules->data) + 1 != rules->len || !good_text((const char *)rules->data))
        FIND(d, "graph %s: the reducers' text that copier %s gave is not UTF-8", g->name, g->copier->name);
    return d->status;
}

static eyot_status write_source(draft *d)
{
    eyot_graph *g = d->g;
    eyot_buf rules = EYOT__BUF_INIT, text = EYOT__BUF_INIT, source = EYOT__BUF_INIT;
    uint8_t digest[32];
    eyot_status status = read_rules(d, &rules);
    if (status != EYOT_OK || g->own->n_problems > 0) goto done;
    eyot__graph_write(&text, g, NULL, (const char *)rules.data);
    eyot__graph_write(&source, g, g->name, (const char *)rules.data);
    eyot__buf_u8(&source, 0);
    status = text.failed ? text.failed : source.failed;
    if (status != EYOT_OK) goto done;
    eyot__sha256(text.data, text.len, digest);
    eyot__hex(digest, sizeof digest, g->fingerprint);
    g->source = (char *)source.data;
    g->source_len = source.len - 1;
    source.data = NULL;
done:
    eyot__buf_clear(&rules);
    eyot__buf_clear(&text);
    eyot__buf_clear(&source);
    return status;
}

/* Edges become node numbers, nodes learn whether they are plain. Nothing here can fail. */
static void settle(const draft *d)
{
    eyot_graph *g = d->g;
    for (uint32_t v = 0; v < g->n_nodes; v++) g->nodes[v].plain = true;
    for (uint32_t e = 0; e < g->n_edges; e++) {
        g->edges[e].from = d->from[e];
        g->edges[e].to = d->to[e];
        if (g->edges[e].kind != EYOT__EDGE_ALWAYS) g->nodes[d->from[e]].plain = false;
    }
}

/* A graph without mistakes gets its shape and texts. On failure, or with a mistake found late, it is as it was. */
static eyot_status complete(draft *d)
{
    eyot_graph *g = d->g;
    eyot_status status = make_shape(d, &g->shape);
    if (!g->shape) return status;
    status = sort_out_edges(g);
    if (status == EYOT_OK) status = write_source(d);
    if (status == EYOT_OK && g->own->n_problems == 0) {
        settle(d);
        g->frozen = true;
        return EYOT_OK;
    }
    eyot__topology_free(g->shape);
    g->shape = NULL;
    return status;
}

static eyot_status freeze(draft *d)
{
    eyot_graph *g = d->g;
    size_t n = g->n_nodes, m = g->n_edges;
    d->from = malloc(m * sizeof *d->from + 1);
    d->to = malloc(m * sizeof *d->to + 1);
    d->out = malloc(m * sizeof *d->out + 1);
    d->sends = malloc(m + 1);
    d->each = malloc(n + 1);
    d->mark = malloc(n * sizeof *d->mark + 1);
    d->out_at = calloc(n + 1, sizeof *d->out_at);
    d->starts = malloc(((size_t)g->own->n_starts + 1) * sizeof *d->starts);
    if (!d->from || !d->to || !d->out || !d->sends || !d->each || !d->mark || !d->out_at || !d->starts)
        return EYOT_ENOMEM;
    eyot_status status = check(d);
    if (status == EYOT_OK && g->own->n_problems == 0) status = complete(d);
    return status;
}

eyot_status eyot_graph_freeze(eyot_graph *g, eyot_error *e)
{
    if (!g) return eyot_error_set(e, EYOT_EINVAL, "there is no graph");
    if (g->frozen) return EYOT_OK;
    draft d = {.g = g};
    g->own->n_problems = g->own->n_said;
    eyot_status status = g->own->failed ? g->own->failed : freeze(&d);
    void *work[] = {d.from, d.to, d.out, d.sends, d.each, d.mark, d.out_at, d.starts};
    for (size_t i = 0; i < sizeof work / sizeof *work; i++) free(work[i]);
    if (status == EYOT_ENOMEM) return eyot_error_set(e, status, "graph %s: out of memory", g->name);
    if (status != EYOT_OK) return eyot_error_set(e, status, "graph %s: %s", g->name, eyot_status_text(status));
    if (g->own->n_problems > 0) return eyot_error_set(e, EYOT_EGRAPH, "%s", g->own->problems[0]);
    return EYOT_OK;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

size_t eyot_graph_problem_count(const eyot_graph *g)
{
    return g ? g->own->n_problems : 0;
}

const char *eyot_graph_problem(const eyot_graph *g, size_t i)
{
    return g && i < g->own->n_problems ? g->own->problems[i] : NULL;
}

const char *eyot_graph_name(const eyot_graph *g)
{
    return g->name;
}

const eyot_copier *eyot_graph_copier(const eyot_graph *g)
{
    return g->copier;
}

size_t eyot_graph_node_count(const eyot_graph *g)
{
    return g->n_nodes;
}

const char *eyot_graph_node_id(const eyot_graph *g, size_t i)
{
    return i < g->n_nodes ? g->nodes[i].id : NULL;
}

const char *eyot_graph_fingerprint(const eyot_graph *g)
{
    return g->frozen ? g->fingerprint : NULL;
}

uint32_t eyot__graph_find(const eyot_graph *g, const char *id, size_t len)
{
    if (g->own->n_slots == 0) return NONE;
    uint32_t slot = *slot_of(g->own, id, len, hash_of(id, len));
    return slot ? g->own->symbols[slot - 1].node : NONE;
}

uint32_t eyot__graph_edge_to(const eyot_graph *g, uint32_t from, uint32_t to)
{
    const eyot__topology *t = g->shape;
    const eyot__tnode *node = &t->nodes[from];
    if (node->n_out <= FEW) {
        for (uint32_t i = 0; i < node->n_out; i++)
            if (t->edges[node->out[i]].to == to) return node->out[i];
        return NONE;
    }
    const uint32_t *sorted = g->own->by_target + (node->out - t->nodes[0].out);
    uint32_t low = 0, high = node->n_out;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->edges[sorted[middle]].to < to)
            low = middle + 1;
        else
            high = middle;
    }
    return low < node->n_out && t->edges[sorted[low]].to == to ? sorted[low] : NONE;
}
