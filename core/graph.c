/* SPDX-License-Identifier: MIT */
/* Building graphs. Every id that is mentioned gets a number; until freeze an edge holds the numbers of its two names, which
 * need not be nodes yet. A graph whose freeze failed can be completed and frozen again. */
#include "core/graph.h"

#include <stdlib.h>
#include <string.h>

#include "core/graph_own.h"
#include "core/options.h"

#define NONE UINT32_MAX
#define MOST (UINT32_MAX / 4) /* nodes, edges or names */
#define FEW 8                 /* out-edges that are searched one by one */

/* ---- memory ---------------------------------------------------------------------------------------------------- */

/* The array with room for one more item, maybe moved; NULL without memory, and then the old one stays. */
static void *grown(void *items, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) return items;
    if (n >= MOST) return NULL;
    uint32_t more = *cap ? *cap * 2 : 16;
    void *moved = realloc(items, more * size);
    if (moved) *cap = more;
    return moved;
}

static char *keep_text(struct eyot__graph_private *own, const char *text, size_t len)
{
    if (!own->texts || own->texts->size - own->texts->used <= len) {
        size_t size = len < 2048 ? 4096 : len + 1;
        if (own->texts && size < own->texts->size * 2 && own->texts->size < 65536) size = own->texts->size * 2;
        eyot__text_chunk *c = size < SIZE_MAX / 2 ? malloc(sizeof *c + size) : NULL;
        if (!c) return NULL;
        *c = (eyot__text_chunk){own->texts, 0, size};
        own->texts = c;
    }
    char *kept = own->texts->data + own->texts->used;
    memcpy(kept, text, len);
    kept[len] = '\0';
    own->texts->used += len + 1;
    return kept;
}

/* ---- problems -------------------------------------------------------------------------------------------------- */

eyot__shown eyot__graph_show(const char *name)
{
    eyot__shown s;
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
bool eyot__graph_keep_problem(struct eyot__graph_private *own, const eyot_error *e)
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
    if (eyot__graph_keep_problem(g->own, e))
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
bool eyot__graph_good_text(const char *text)
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
        const eyot__symbol *s = &own->symbols[own->slots[i] - 1];
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

static eyot_status add_symbol(struct eyot__graph_private *own, uint32_t *slot, eyot__symbol s)
{
    eyot__symbol *symbols = grown(own->symbols, own->n_symbols, &own->symbols_cap, sizeof *symbols);
    if (!symbols) return EYOT_ENOMEM;
    own->symbols = symbols;
    s.name = keep_text(own, s.name, s.len);
    if (!s.name) return EYOT_ENOMEM;
    symbols[own->n_symbols] = s;
    *slot = ++own->n_symbols;
    return EYOT_OK;
}

/* The number of a name, from now on known; NONE without memory, which sticks. */
static uint32_t intern(eyot_graph *g, const char *name)
{
    struct eyot__graph_private *own = g->own;
    size_t len = strlen(name);
    uint32_t hash = hash_of(name, len);
    if (len < MOST && grow_slots(own)) {
        uint32_t *slot = slot_of(own, name, len, hash);
        if (*slot != 0 || add_symbol(own, slot, (eyot__symbol){name, (uint32_t)len, hash, NONE}) == EYOT_OK)
            return *slot - 1;
    }
    own->failed = EYOT_ENOMEM;
    return NONE;
}

/* ---- building -------------------------------------------------------------------------------------------------- */

static bool good_copier(const eyot_copier *c)
{
    if (!c || c->size < sizeof *c || !c->name || c->name[0] == '\0' || strlen(c->name) > 32 ||
        !eyot__graph_good_text(c->name))
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
        eyot__text_chunk *next = own->texts->next;
        free(own->texts);
        own->texts = next;
    }
    if (own->rules) g->copier->rules_free(own->rules);
    free(own->symbols);
    free(own->slots);
    free(own->starts);
    free(own->problems);
    free(own->by_target);
    free(own->given);
    free(own);
}

void eyot_graph_free(eyot_graph *g)
{
    if (!g) return;
    if (g->own) free_own(g);
    eyot__topology_free(g->shape);
    for (uint32_t v = 0; v < g->n_nodes; v++) free(g->nodes[v].policy);
    free(g->nodes);
    free(g->edges);
    free(g->source);
    free(g->form);
    free(g);
}

/* Frozen graphs are shared by threads: a builder call does nothing to one. */
static bool can_build(const eyot_graph *g)
{
    return g && !g->frozen && g->own->failed == EYOT_OK;
}

/* A NULL or malformed text in a builder call is reported as "node a: its version is …", and false. */
static bool check_text(eyot_graph *g, const char *text, const char *kind, const char *name, const char *what)
{
    if (!text)
        SAY(g, "%s %s: %s is NULL", kind, eyot__graph_show(name).text, what);
    else if (!eyot__graph_good_text(text))
        SAY(g, "%s %s: %s is not UTF-8", kind, eyot__graph_show(name).text, what);
    else
        return true;
    return false;
}

static bool worth_another(eyot_status status, const char *text, void *user)
{
    (void)text, (void)user;
    return status != EYOT_EINVAL && status != EYOT_ENOROUTE && status != EYOT_ENOTSUP && status != EYOT_ECANCELED;
}

static bool has_policy(const eyot_node_options *o)
{
    return o->timeout_ms > 0 || o->grace_ms > 0 || o->attempts > 1 || o->rescue;
}

/* Without memory NULL, and the graph is told. */
static eyot__policy *make_policy(eyot_graph *g, const eyot_node_options *o)
{
    eyot__policy *p = malloc(sizeof *p);
    if (p)
        *p = (eyot__policy){.timeout_ms = o->timeout_ms,
                            .grace_ms = o->grace_ms ? o->grace_ms : EYOT__GRACE_MS,
                            .attempts = o->attempts ? o->attempts : 1,
                            .delay_ms = o->retry_delay_ms,
                            .max_ms = o->retry_max_ms ? o->retry_max_ms : 60000,
                            .factor = o->retry_factor > 0 ? o->retry_factor : 2,
                            .jitter = o->retry_jitter,
                            .retryable = o->retryable ? o->retryable : worth_another,
                            .rescue = o->rescue};
    else
        g->own->failed = EYOT_ENOMEM;
    return p;
}

/* What is wrong with the numbers of a policy; a year is as long as for ever. */
static void check_policy(eyot_graph *g, const char *id, eyot_node_options *o)
{
    const uint64_t most = UINT64_C(366) * 24 * 3600 * 1000;
    if (o->timeout_ms > most || o->grace_ms > most || o->retry_delay_ms > most || o->retry_max_ms > most)
        SAY(g, "node %s: a timeout, grace or delay is longer than a year", eyot__graph_show(id).text);
    if (!(o->retry_factor == 0 || (o->retry_factor >= 1 && o->retry_factor <= 1000)))
        SAY(g, "node %s: retry_factor is none of 1 to 1000", eyot__graph_show(id).text);
    if (!(o->retry_jitter >= 0 && o->retry_jitter <= 1))
        SAY(g, "node %s: retry_jitter is none of 0 to 1", eyot__graph_show(id).text);
    if (o->reserved) SAY(g, "node %s: its options are newer than this library", eyot__graph_show(id).text);
}

static void add_node(eyot_graph *g, const char *id, eyot_node_fn fn, void *user, const eyot_node_options *options)
{
    uint32_t s = intern(g, id);
    if (s == NONE) return;
    eyot__symbol *name = &g->own->symbols[s];
    if (name->node != NONE) {
        SAY(g, "node %s is added twice", eyot__graph_show(id).text);
        return;
    }
    char *version = NULL, *action = NULL;
    if (options->version) version = keep_text(g->own, options->version, strlen(options->version));
    if (options->action) action = keep_text(g->own, options->action, strlen(options->action));
    eyot__gnode *nodes = grown(g->nodes, g->n_nodes, &g->own->nodes_cap, sizeof *nodes);
    if (nodes) g->nodes = nodes;
    if (!nodes || (options->version && !version) || (options->action && !action)) {
        g->own->failed = EYOT_ENOMEM;
        return;
    }
    name->node = g->n_nodes;
    eyot__gnode *node = &nodes[g->n_nodes++];
    memset(node, 0, sizeof *node);
    node->id = (char *)name->name;
    node->id_len = name->len;
    node->fn = fn;
    node->user = user;
    node->flags = options->flags;
    node->version = version;
    node->action = action;
    if (has_policy(options)) {
        node->policy = make_policy(g, options);
        g->policies = true;
    }
    if (options->timeout_ms) g->timed = true;
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
    if (!good_name(id, true)) SAY(g, "node %s: an id is [A-Za-z0-9_][A-Za-z0-9._-]{0,63}", eyot__graph_show(id).text);
    if (!fn) SAY(g, "node %s has no function", eyot__graph_show(id).text);
    if (eyot__options_read(&known, sizeof known, options) != EYOT_OK)
        SAY(g, "node %s: its options have a bad size or are newer than this library", eyot__graph_show(id).text);
    if (known.flags & ~(uint32_t)EYOT_NODE_EACH)
        SAY(g, "node %s: flag 0x%x is unknown", eyot__graph_show(id).text,
            (unsigned)(known.flags & ~(uint32_t)EYOT_NODE_EACH));
    if (known.version && !check_text(g, known.version, "node", id, "its version")) known.version = NULL;
    if (known.action && !check_text(g, known.action, "node", id, "its action")) known.action = NULL;
    check_policy(g, id, &known);
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
    uint32_t *starts = grown(g->own->starts, g->own->n_starts, &g->own->starts_cap, sizeof *starts);
    if (starts) {
        g->own->starts = starts;
        starts[g->own->n_starts++] = s;
    } else {
        g->own->failed = EYOT_ENOMEM;
    }
}

/* Adds an edge of a kind; the condition's parts are NULL but for EYOT__EDGE_IF. */
static void add_edge(eyot_graph *g, const char *from, const char *to, eyot__gedge edge, const char *condition)
{
    if (!can_build(g)) return;
    if (!from || !to) {
        SAY(g, "edge %s -> %s: a node's id is NULL", from ? eyot__graph_show(from).text : "?",
            to ? eyot__graph_show(to).text : "?");
        return;
    }
    if (edge.kind == EYOT__EDGE_IF) {
        if (!edge.condition)
            SAY(g, "edge %s -> %s: the condition has no function", eyot__graph_show(from).text,
                eyot__graph_show(to).text);
        if (!condition || condition[0] == '\0' || !eyot__graph_good_text(condition)) {
            SAY(g, "edge %s -> %s: the condition has no name that is UTF-8", eyot__graph_show(from).text,
                eyot__graph_show(to).text);
            condition = "?";
        }
    }
    edge.from = intern(g, from);
    edge.to = intern(g, to);
    if (condition) edge.name = keep_text(g->own, condition, strlen(condition));
    eyot__gedge *edges = grown(g->edges, g->n_edges, &g->own->edges_cap, sizeof *edges);
    if (edges) g->edges = edges;
    if (!edges || (condition && !edge.name)) g->own->failed = EYOT_ENOMEM;
    if (g->own->failed == EYOT_OK) edges[g->n_edges++] = edge;
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
    if (!can_build(g) || !check_text(g, key, "graph", g->name, "the key of a reducer")) return;
    if ((unsigned)reducer > EYOT_LOCAL) {
        SAY(g, "key %s: reducer %d is unknown", eyot__graph_show(key).text, (int)reducer);
        return;
    }
    if (!g->copier->rule) {
        SAY(g, "key %s: copier %s has no reducers", eyot__graph_show(key).text, g->copier->name);
        return;
    }
    eyot_error e = {.status = EYOT_OK};
    eyot_status status = g->copier->rule(&g->own->rules, key, reducer, limit, &e);
    g->copier_user = g->own->rules ? g->own->rules : g->copier->user;
    if (status == EYOT_ENOMEM)
        g->own->failed = EYOT_ENOMEM;
    else if (status != EYOT_OK)
        SAY(g, "key %s: %s", eyot__graph_show(key).text, e.text[0] ? e.text : eyot_status_text(status));
}

void eyot_graph_reduce(eyot_graph *g, const char *key, eyot_reducer reducer)
{
    eyot_graph_reduce_with(g, key, reducer, 0);
}

void eyot_graph_source(eyot_graph *g, const char *text, size_t len)
{
    if (!can_build(g)) return;
    if (!text) {
        SAY(g, "graph %s: its source is NULL", g->name);
        return;
    }
    free(g->own->given);
    g->own->given = malloc(len + 1);
    g->own->given_len = len;
    if (!g->own->given) {
        g->own->failed = EYOT_ENOMEM;
        return;
    }
    memcpy(g->own->given, text, len);
    g->own->given[len] = 0;
}

void eyot_graph_compare_sources(eyot_graph *g, eyot_source_compare_fn fn, void *user)
{
    if (!can_build(g)) return;
    g->compare = fn;
    g->compare_user = user;
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
