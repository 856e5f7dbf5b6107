/* SPDX-License-Identifier: MIT */
/* What differs between two graph files: nodes and edges as the graph that is made of them has them, everything else key by
 * key as the canonical texts have it. */
#include "cli/graphfile_own.h"

#include <stdlib.h>
#include <string.h>

typedef struct comparison {
    eyot_change_fn tell;
    void *arg;
    eyot_status status; /* the first failure of tell */
} comparison;

static void say(comparison *c, eyot_change change)
{
    change.size = sizeof change;
    if (!c->status) c->status = c->tell(c->arg, &change);
}

static void say_if(comparison *c, eyot_change change)
{
    bool same = change.before == change.now || (change.before && change.now && strcmp(change.before, change.now) == 0);
    if (!same) say(c, change);
}

/* n pointers to items of `size` each, sorted. */
static void **sorted(void *items, size_t n, size_t size, int (*order)(const void *, const void *))
{
    void **list = cli_realloc(NULL, (n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = (char *)items + i * size;
    if (n > 1) qsort(list, n, sizeof *list, order);
    return list;
}

static void *find(void **list, size_t n, const void *item, int (*order)(const void *, const void *))
{
    void **at = bsearch(&item, list, n, sizeof *list, order);
    return at ? *at : NULL;
}

/* ---- edges ----------------------------------------------------------------------------------------------------- */

/* An edge of the graph. Those to `end` are none: they are one way together. */
typedef struct way {
    const char *to, *kind, *text, *as;
} way;

typedef struct ways {
    way *list;
    size_t n;
    textbuf ends; /* when the branch ends */
} ways;

static int by_target(const void *a, const void *b)
{
    return strcmp((*(const way *const *)a)->to, (*(const way *const *)b)->to);
}

static way way_of(const graphfile *g, const gf_edge *edge)
{
    way w = {.to = edge->to, .kind = edge->otherwise ? "otherwise" : "always", .as = edge->as};
    if (edge->when != GF_NO_EXPR) {
        w.kind = "if";
        w.text = g->exprs[edge->when];
    } else if (edge->each != GF_NO_EXPR) {
        w.kind = "each";
        w.text = g->exprs[edge->each];
    }
    return w;
}

static ways list_ways(const graphfile *g, const gf_node *node)
{
    ways out = {.list = cli_realloc(NULL, (node->n_edges + 1) * sizeof *out.list)};
    bool caught = node->on_error != GF_CATCH;
    for (size_t i = 0; i < node->n_edges; i++) {
        way w = way_of(g, &node->edges[i]);
        if (w.to) {
            caught |= !caught && strcmp(w.to, node->catch_to) == 0;
            out.list[out.n++] = w;
            continue;
        }
        if (out.ends.len > 0) textbuf_puts(&out.ends, ", ");
        textbuf_puts(&out.ends, w.text ? w.text : w.kind);
    }
    if (!caught) out.list[out.n++] = (way){.to = node->catch_to, .kind = "routed"};
    return out;
}

static void ways_clear(ways *w)
{
    free(w->list);
    textbuf_clear(&w->ends);
}

static void compare_way(comparison *c, const char *node, const way *was, const way *is)
{
    eyot_change change = {.node = node, .to = was->to};
    if (strcmp(was->kind, is->kind) != 0) {
        change.kind = EYOT_CHANGE_EDGE_KIND;
        change.what = "kind";
        change.before = was->kind;
        change.now = is->kind;
        say(c, change);
        return;
    }
    change.kind = EYOT_CHANGE_CONDITION;
    change.what = strcmp(was->kind, "each") == 0 ? "each" : "condition";
    change.before = was->text;
    change.now = is->text;
    say_if(c, change);
    change.what = "as";
    change.before = was->as;
    change.now = is->as;
    say_if(c, change);
}

static void compare_edges(comparison *c, const char *node, const ways *was, const ways *is)
{
    void **before = sorted(was->list, was->n, sizeof *was->list, by_target);
    void **now = sorted(is->list, is->n, sizeof *is->list, by_target);
    bool same_edges = was->n == is->n, moved = false;
    for (size_t i = 0; i < was->n; i++) {
        const way *w = &was->list[i], *other = find(now, is->n, w, by_target);
        same_edges &= other != NULL;
        moved |= i < is->n && other != &is->list[i];
        if (other)
            compare_way(c, node, w, other);
        else
            say(c, (eyot_change){.kind = EYOT_CHANGE_EDGE_REMOVED, .node = node, .to = w->to});
    }
    for (size_t i = 0; i < is->n; i++)
        if (!find(before, was->n, &is->list[i], by_target))
            say(c, (eyot_change){.kind = EYOT_CHANGE_EDGE_ADDED, .node = node, .to = is->list[i].to});
    if (same_edges && moved)
        say(c, (eyot_change){.kind = EYOT_CHANGE_ORDER, .node = node, .what = "the order of its edges"});
    say_if(c, (eyot_change){.kind = EYOT_CHANGE_CONDITION,
                            .node = node,
                            .to = "end",
                            .what = "condition",
                            .before = was->ends.text,
                            .now = is->ends.text});
    free(before);
    free(now);
}

/* ---- maps ------------------------------------------------------------------------------------------------------ */

typedef eyot_change_kind (*kind_fn)(const char *key);
static const eyot_change_kind nothing = (eyot_change_kind)-1; /* of keys that are looked at elsewhere */

static bool is_one_of(const char *key, const char *const *list)
{
    while (*list && strcmp(key, *list) != 0) list++;
    return *list != NULL;
}

static eyot_change_kind kind_in_file(const char *key)
{
    static const char *const policies[] = {"max_steps", "state", NULL};
    if (is_one_of(key, policies)) return EYOT_CHANGE_POLICY;
    if (strcmp(key, "nodes") == 0 || strcmp(key, "reduce") == 0) return nothing;
    return strcmp(key, "graph") == 0   ? EYOT_CHANGE_NAME
           : strcmp(key, "codec") == 0 ? EYOT_CHANGE_CODEC
           : strcmp(key, "start") == 0 ? EYOT_CHANGE_STARTS
                                       : EYOT_CHANGE_OTHER;
}

static eyot_change_kind kind_in_node(const char *key)
{
    static const char *const policies[] = {"timeout", "grace", "retry", "max_output", "on_error", NULL};
    if (is_one_of(key, policies)) return EYOT_CHANGE_POLICY;
    return strcmp(key, "next") == 0      ? nothing
           : strcmp(key, "each") == 0    ? EYOT_CHANGE_EACH
           : strcmp(key, "version") == 0 ? EYOT_CHANGE_VERSION
                                         : EYOT_CHANGE_ACTION;
}

static eyot_change_kind kind_in_reduce(const char *key)
{
    (void)key;
    return EYOT_CHANGE_REDUCERS;
}

/* A string as it is, everything else as JSON; *own is what must be freed. NULL: there is no value. */
static const char *text_of(const eyot_value *v, char **own)
{
    const char *text = eyot_value_string(v, NULL);
    *own = v && !text ? eyot_json_print(v, NULL) : NULL;
    return text ? text : *own;
}

static void compare_value(comparison *c, eyot_change change, const eyot_value *before, const eyot_value *now)
{
    char *own_before, *own_now;
    if (before && now && eyot_value_equal(before, now)) return;
    change.before = text_of(before, &own_before);
    change.now = text_of(now, &own_now);
    say(c, change);
    eyot_free(own_before);
    eyot_free(own_now);
}

/* Key by key. `within` stands before their names. */
static void compare_maps(comparison *c, const char *node, const char *within, kind_fn kind, const eyot_value *before,
                         const eyot_value *now)
{
    for (int pass = 0; pass < 2; pass++) {
        eyot_value_iter it = eyot_value_each(pass == 0 ? before : now);
        while (eyot_value_next(&it)) {
            textbuf what = {0};
            eyot_change_kind k = kind(it.key);
            if (k == nothing || (pass == 1 && eyot_value_at(before, it.key))) continue;
            textbuf_puts(&what, within);
            textbuf_puts(&what, it.key);
            compare_value(c, (eyot_change){.kind = k, .node = node, .what = what.text}, eyot_value_at(before, it.key),
                          eyot_value_at(now, it.key));
            textbuf_clear(&what);
        }
    }
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const gf_node *const *)a)->id, (*(const gf_node *const *)b)->id);
}

static void compare_nodes(comparison *c, const graphfile *was, const graphfile *is, const eyot_value *before,
                          const eyot_value *now)
{
    void **old = sorted(was->nodes, was->n_nodes, sizeof *was->nodes, by_id);
    void **new = sorted(is->nodes, is->n_nodes, sizeof *is->nodes, by_id);
    bool same_nodes = was->n_nodes == is->n_nodes, moved = false;
    for (size_t i = 0; i < was->n_nodes; i++) {
        const gf_node *node = &was->nodes[i], *other = find(new, is->n_nodes, node, by_id);
        same_nodes &= other != NULL;
        moved |= i < is->n_nodes && other != &is->nodes[i];
        if (!other) {
            say(c, (eyot_change){.kind = EYOT_CHANGE_NODE_REMOVED, .node = node->id});
            continue;
        }
        ways a = list_ways(was, node), b = list_ways(is, other);
        compare_maps(c, node->id, "", kind_in_node, eyot_value_at(before, node->id), eyot_value_at(now, node->id));
        compare_edges(c, node->id, &a, &b);
        ways_clear(&a);
        ways_clear(&b);
    }
    for (size_t i = 0; i < is->n_nodes; i++)
        if (!find(old, was->n_nodes, &is->nodes[i], by_id))
            say(c, (eyot_change){.kind = EYOT_CHANGE_NODE_ADDED, .node = is->nodes[i].id});
    if (same_nodes && moved) say(c, (eyot_change){.kind = EYOT_CHANGE_ORDER, .what = "the order of the nodes"});
    free(old);
    free(new);
}

eyot_status graphfile_compare(const graphfile *before, const graphfile *now, eyot_change_fn tell, void *arg)
{
    comparison c = {.tell = tell, .arg = arg};
    eyot_value *a = eyot_json_parse(before->canonical, NULL), *b = eyot_json_parse(now->canonical, NULL);
    compare_maps(&c, NULL, "", kind_in_file, a, b);
    compare_maps(&c, NULL, "reduce: ", kind_in_reduce, eyot_value_at(a, "reduce"), eyot_value_at(b, "reduce"));
    compare_nodes(&c, before, now, eyot_value_at(a, "nodes"), eyot_value_at(b, "nodes"));
    eyot_value_unref(a);
    eyot_value_unref(b);
    return !a || !b ? EYOT_ENOMEM : c.status;
}
