/* SPDX-License-Identifier: MIT */
/* What can be said only about a whole graph: starts, targets, what is reached, and the reducers that follow from it. */
#include "cli/graphfile_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct checker {
    gf_reader *r;
    size_t *queue, n_queue;
    bool *reached; /* per node */
    size_t *mark;  /* per node: the last node, from 1, with an edge to it */
} checker;

/* The nodes by their names; a name that is there twice means the first. */
static size_t find_node(const gf_reader *r, const char *id)
{
    size_t number = names_find(&r->ids, id);
    return number == NAMES_NONE ? NAMES_NONE : r->node_of_id[number];
}

static void reach(checker *c, size_t node)
{
    if (c->reached[node]) return;
    c->reached[node] = true;
    c->queue[c->n_queue++] = node;
}

/* The node of a name, NAMES_NONE for none. What a misspelt name must have meant is not complained about a second time, as
 * something that nothing leads to. */
static size_t resolve(checker *c, const char *id, const doc_node *at, const char *key)
{
    gf_reader *r = c->r;
    size_t node = find_node(r, id), near = NAMES_NONE;
    if (node != NAMES_NONE) return node;
    gf_shown suggestion = {""};
    if (r->n_mistakes < GF_MAX_MISTAKES) suggestion = gf_suggest(id, r->ids.texts, r->ids.n, &near);
    gf_say(r, at, "%s: there is no node \"%s\"%s", key, gf_show(id).text, suggestion.text);
    if (near != NAMES_NONE) reach(c, r->node_of_id[near]);
    return NAMES_NONE;
}

static void enter(gf_reader *r, const gf_node *node)
{
    snprintf(r->where, sizeof r->where, "node \"%s\": ", gf_show(node->id).text);
}

static void check_edges(checker *c, size_t i)
{
    gf_reader *r = c->r;
    const gf_node *node = &r->g->nodes[i];
    size_t catch_to = node->catch_to ? resolve(c, node->catch_to, r->places[i].catch_to, "on_error") : NAMES_NONE;
    if (catch_to != NAMES_NONE) reach(c, catch_to);
    for (size_t e = 0; e < node->n_edges; e++) {
        const gf_edge *edge = &node->edges[e];
        const doc_node *at = r->places[i].edges[e];
        if (!edge->to) continue;
        size_t to = resolve(c, edge->to, at, "next");
        if (to == NAMES_NONE) continue;
        if (c->mark[to] == i + 1) gf_say(r, at, "next: a second edge to \"%s\"", gf_show(edge->to).text);
        if (to == catch_to && edge->as)
            gf_say(r, at, "next: an edge with each goes to \"%s\", so on_error cannot", gf_show(edge->to).text);
        c->mark[to] = i + 1;
        reach(c, to);
    }
}

static void check_starts(checker *c)
{
    gf_reader *r = c->r;
    graphfile *g = r->g;
    if (!r->start) {
        g->starts = arena_alloc(r->mem, 2 * sizeof *g->starts);
        g->starts[g->n_starts++] = g->nodes[0].id;
        reach(c, 0);
        return;
    }
    const doc_node *at = r->start->kind == DOC_SEQUENCE ? r->start->first : r->start;
    for (size_t i = 0; g->starts && g->starts[i]; i++, at = at->next) {
        size_t node = resolve(c, g->starts[i], at, "start");
        g->n_starts++;
        if (node == NAMES_NONE) continue;
        if (c->reached[node]) gf_say(r, at, "start: \"%s\" is named twice", gf_show(g->starts[i]).text);
        reach(c, node);
    }
}

/* Breadth first, over the edges as they are checked. What nothing leads to is checked too. */
static void check_nodes(checker *c)
{
    gf_reader *r = c->r;
    const graphfile *g = r->g;
    check_starts(c);
    bool started = c->n_queue > 0;
    for (size_t done = 0; done < c->n_queue; done++) {
        enter(r, &g->nodes[c->queue[done]]);
        check_edges(c, c->queue[done]);
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (c->reached[i] || find_node(r, g->nodes[i].id) != i) continue;
        enter(r, &g->nodes[i]);
        if (started) gf_say_at(r, g->nodes[i].line, g->nodes[i].column, "cannot be reached from a start");
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (c->reached[i]) continue;
        size_t before = c->n_queue; /* what only this reaches stays unreached */
        enter(r, &g->nodes[i]);
        check_edges(c, i);
        while (c->n_queue > before) c->reached[c->queue[--c->n_queue]] = false;
    }
    r->where[0] = '\0';
}

/* ---- reducers that follow -------------------------------------------------------------------------------------- */

static void imply(gf_reader *r, names *keys, size_t *cap, const char *key)
{
    bool is_new;
    graphfile *g = r->g;
    names_add(keys, key, &is_new);
    if (!is_new) return;
    if (g->n_reduce == *cap) {
        gf_reduce *more = arena_alloc(r->mem, (*cap * 2 + 8) * sizeof *more);
        if (g->n_reduce) memcpy(more, g->reduce, g->n_reduce * sizeof *more);
        g->reduce = more;
        *cap = *cap * 2 + 8;
    }
    g->reduce[g->n_reduce++] = (gf_reduce){.key = (char *)key, .reducer = EYOT_LOCAL};
}

static void imply_reducers(gf_reader *r)
{
    names keys = {0};
    bool is_new;
    const graphfile *g = r->g;
    size_t cap = g->n_reduce;
    for (size_t i = 0; i < g->n_reduce; i++) names_add(&keys, g->reduce[i].key, &is_new);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const gf_node *node = &g->nodes[i];
        if (node->into) imply(r, &keys, &cap, node->into);
        for (size_t e = 0; e < node->n_edges; e++)
            if (node->edges[e].as) imply(r, &keys, &cap, node->edges[e].as);
        if (node->on_error == GF_CATCH) imply(r, &keys, &cap, "error");
    }
    names_clear(&keys);
}

static void keep_expressions(gf_reader *r)
{
    graphfile *g = r->g;
    g->n_exprs = r->exprs.n;
    g->exprs = arena_alloc(r->mem, (r->exprs.n + 1) * sizeof *g->exprs);
    for (size_t i = 0; i < r->exprs.n; i++) g->exprs[i] = (char *)r->exprs.texts[i];
}

void gf_check_graph(gf_reader *r)
{
    size_t n = r->g->n_nodes;
    if (n == 0) return;
    checker c = {.r = r};
    c.queue = cli_realloc(NULL, n * sizeof *c.queue);
    c.reached = memset(cli_realloc(NULL, n), 0, n);
    c.mark = memset(cli_realloc(NULL, n * sizeof *c.mark), 0, n * sizeof *c.mark);
    check_nodes(&c);
    free(c.queue);
    free(c.reached);
    free(c.mark);
    imply_reducers(r);
    keep_expressions(r);
}
