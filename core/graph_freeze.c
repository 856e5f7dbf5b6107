/* SPDX-License-Identifier: MIT */
/* Freezing: edges are resolved into arrays of a draft, everything is checked there, and the graph changes only when there
 * is no mistake. */
#include <stdlib.h>
#include <string.h>

#include "core/graph_draw.h"
#include "core/graph_own.h"
#include "core/hash.h"

#define NONE UINT32_MAX

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

#define FIND(d, ...)                                                                    \
    do {                                                                                \
        eyot_error find_e;                                                              \
        eyot_error_set(&find_e, EYOT_EGRAPH, __VA_ARGS__);                              \
        if (!eyot__graph_keep_problem((d)->g->own, &find_e)) (d)->status = EYOT_ENOMEM; \
    } while (0)

static eyot__shown symbol_name(const draft *d, uint32_t s)
{
    return eyot__graph_show(d->g->own->symbols[s].name);
}

static void resolve_edges(draft *d)
{
    const eyot_graph *g = d->g;
    for (uint32_t e = 0; e < g->n_edges; e++) {
        const eyot__gedge *edge = &g->edges[e];
        uint32_t from = g->own->symbols[edge->from].node, to = g->own->symbols[edge->to].node;
        eyot__shown a, b;
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
            FIND(d, "edge %s -> %s is added twice", eyot__graph_show(g->nodes[v].id).text,
                 eyot__graph_show(g->nodes[to].id).text);
        d->mark[to] = v;
        conditional |= kind == EYOT__EDGE_IF || kind == EYOT__EDGE_EACH;
        if (kind == EYOT__EDGE_OTHERWISE && otherwise == NONE) otherwise = to;
    }
    if (otherwise != NONE && !conditional)
        FIND(d, "edge %s -> %s: otherwise needs a conditional edge from %s", eyot__graph_show(g->nodes[v].id).text,
             eyot__graph_show(g->nodes[otherwise].id).text, eyot__graph_show(g->nodes[v].id).text);
}

static void resolve_starts(draft *d)
{
    const eyot_graph *g = d->g;
    for (uint32_t v = 0; v < g->n_nodes; v++) d->mark[v] = 0;
    if (g->own->n_starts == 0 && g->n_nodes > 0) d->starts[d->n_starts++] = 0;
    for (uint32_t i = 0; i < g->own->n_starts; i++) {
        const eyot__symbol *s = &g->own->symbols[g->own->starts[i]];
        if (s->node == NONE) {
            FIND(d, "start %s: there is no such node", eyot__graph_show(s->name).text);
        } else if (d->mark[s->node]) {
            FIND(d, "start %s is named twice", eyot__graph_show(s->name).text);
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
        if (!d->mark[v]) FIND(d, "node %s cannot be reached from a start", eyot__graph_show(g->nodes[v].id).text);
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
    if (strlen((const char *)rules->data) + 1 != rules->len || !eyot__graph_good_text((const char *)rules->data))
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
    g->form_len = source.len - 1;
    g->source_len = g->own->given ? g->own->given_len : g->form_len;
    g->source = malloc(g->source_len + 1);
    if (!g->source) {
        status = EYOT_ENOMEM;
        goto done;
    }
    memcpy(g->source, g->own->given ? g->own->given : (char *)source.data, g->source_len + 1);
    if (g->own->given) eyot_buf_add(&text, g->own->given, g->own->given_len);
    status = text.failed;
    if (status != EYOT_OK) goto done;
    eyot__sha256(text.data, text.len, digest);
    eyot__hex(digest, sizeof digest, g->fingerprint);
    g->form = (char *)source.data;
    source.data = NULL;
done:
    if (status != EYOT_OK) {
        free(g->source);
        g->source = NULL;
    }
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
