/* SPDX-License-Identifier: MIT */
#include "core/graph_form.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

static const char head[] = "{\n \"eyot_graph\":1,\n", name_key[] = " \"name\":";

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* Strings are decoded in place: no escape is shorter than what it stands for. */
typedef struct reader {
    char *p;
    bool failed;
} reader;

static bool take(reader *r, const char *literal)
{
    size_t n = strlen(literal);
    if (r->failed || strncmp(r->p, literal, n) != 0) return false;
    r->p += n;
    return true;
}

static void need(reader *r, const char *literal)
{
    r->failed |= !take(r, literal);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind a backslash; -1: nothing that a form has. */
static int escaped(reader *r)
{
    if (*r->p == '"' || *r->p == '\\') return *r->p++;
    if (strncmp(r->p, "u00", 3) != 0) return -1;
    int high = hex_digit(r->p[3]), low = high < 0 ? -1 : hex_digit(r->p[4]);
    r->p += 5;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The string at the cursor, moved to `to` without a NUL; its end. */
static char *string_to(reader *r, char *to)
{
    need(r, "\"");
    while (!r->failed && *r->p != '"') {
        int c = (unsigned char)*r->p++;
        if (c == '\\') c = escaped(r);
        r->failed = c <= 0;
        *to++ = (char)c;
    }
    need(r, "\"");
    return to;
}

/* NULL only in a reader that has failed. */
static char *string(reader *r)
{
    char *text = r->p, *end = string_to(r, text);
    if (r->failed) return NULL;
    *end = '\0';
    return text;
}

static char *string_if(reader *r, const char *before)
{
    return take(r, before) ? string(r) : NULL;
}

static char *read_starts(reader *r)
{
    char *text = r->p, *end = string_to(r, text);
    while (take(r, ",")) { /* two strings have three bytes between their texts */
        *end++ = ',';
        *end++ = ' ';
        end = string_to(r, end);
    }
    if (!r->failed) *end = '\0';
    return text;
}

static void read_node(reader *r, eyot__graph_form_node *node)
{
    need(r, "  {\"id\":");
    node->id = string(r);
    node->each = take(r, ",\"each\":true");
    node->version = string_if(r, ",\"version\":");
    node->action = string_if(r, ",\"action\":");
    need(r, "}");
}

static void read_edge(reader *r, eyot__graph_form_edge *edge)
{
    static char always[] = "always";
    need(r, "  {\"from\":");
    edge->from = string(r);
    need(r, ",\"to\":");
    edge->to = string(r);
    edge->kind = string_if(r, ",\"kind\":");
    if (!edge->kind) edge->kind = always;
    edge->condition = string_if(r, ",\"condition\":");
    need(r, "}");
}

static bool read_all(eyot__graph_form *f, char *text)
{
    reader r = {.p = text};
    need(&r, head);
    f->name = string_if(&r, name_key);
    need(&r, ",\n \"copier\":");
    f->copier = string(&r);
    f->rules = string_if(&r, ",\n \"reducers\":");
    need(&r, ",\n \"starts\":[");
    f->starts = read_starts(&r);
    need(&r, "],\n \"nodes\":[");
    do {
        need(&r, "\n");
        read_node(&r, &f->nodes[f->n_nodes++]);
    } while (take(&r, ","));
    need(&r, "\n ],\n \"edges\":[");
    if (!take(&r, "]")) {
        do {
            need(&r, "\n");
            read_edge(&r, &f->edges[f->n_edges++]);
        } while (take(&r, ","));
        need(&r, "\n ]");
    }
    need(&r, "\n}\n");
    return !r.failed && *r.p == '\0';
}

/* The fingerprint of a graph without a source is that of its form without the name. */
static bool has_fingerprint(const char *text, size_t len, const char *fingerprint)
{
    eyot__sha256_state sha;
    uint8_t digest[32];
    char hex[65];
    size_t at = sizeof head - 1;
    const char *rest = text + at;
    if (len < at || strncmp(text, head, at) != 0) return false;
    if (strncmp(rest, name_key, sizeof name_key - 1) == 0) rest = strchr(rest, '\n');
    if (!rest) return false;
    if (*rest == '\n') rest++;
    eyot__sha256_begin(&sha);
    eyot__sha256_add(&sha, text, at);
    eyot__sha256_add(&sha, rest, len - (size_t)(rest - text));
    eyot__sha256_end(&sha, digest);
    eyot__hex(digest, sizeof digest, hex);
    return strcmp(hex, fingerprint) == 0;
}

eyot_status eyot__graph_form_read(eyot__graph_form *out, const char *text, size_t len, const char *fingerprint)
{
    size_t lines = 1;
    *out = (eyot__graph_form){0};
    if (memchr(text, '\0', len) || (fingerprint && !has_fingerprint(text, len, fingerprint))) return EYOT_EPARSE;
    for (const char *p = text; (p = strchr(p, '\n')); p++) lines++;
    out->text = malloc(len + 1);
    out->nodes = calloc(lines, sizeof *out->nodes);
    out->edges = calloc(lines, sizeof *out->edges);
    if (!out->text || !out->nodes || !out->edges) {
        eyot__graph_form_clear(out);
        return EYOT_ENOMEM;
    }
    memcpy(out->text, text, len);
    out->text[len] = '\0';
    if (read_all(out, out->text)) return EYOT_OK;
    eyot__graph_form_clear(out);
    return EYOT_EPARSE;
}

void eyot__graph_form_clear(eyot__graph_form *f)
{
    free(f->text);
    free(f->nodes);
    free(f->edges);
    *f = (eyot__graph_form){0};
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

typedef struct comparison {
    eyot_change_fn tell;
    void *arg;
    eyot_status status;
} comparison;

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void say(comparison *c, eyot_change change)
{
    change.size = sizeof change;
    if (!c->status) c->status = c->tell(c->arg, &change);
}

static void say_if(comparison *c, eyot_change change)
{
    if (!same(change.before, change.now)) say(c, change);
}

static int by_id(const void *a, const void *b)
{
    return strcmp((*(const eyot__graph_form_node *const *)a)->id, (*(const eyot__graph_form_node *const *)b)->id);
}

static int by_ends(const void *a, const void *b)
{
    const eyot__graph_form_edge *x = *(const eyot__graph_form_edge *const *)a,
                                *y = *(const eyot__graph_form_edge *const *)b;
    int order = strcmp(x->from, y->from);
    return order ? order : strcmp(x->to, y->to);
}

/* Pointers to n items of `size` each, sorted; NULL: no memory. */
static void **sorted(void *items, size_t n, size_t size, int (*order)(const void *, const void *))
{
    void **list = malloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n && list; i++) list[i] = (char *)items + i * size;
    if (list && n > 1) qsort(list, n, sizeof *list, order);
    return list;
}

static void *find(void **list, size_t n, const void *item, int (*order)(const void *, const void *))
{
    void **at = bsearch(&item, list, n, sizeof *list, order);
    return at ? *at : NULL;
}

static void compare_node(comparison *c, const eyot__graph_form_node *was, const eyot__graph_form_node *is)
{
    const char *id = was->id;
    say_if(c,
           (eyot_change){
               .kind = EYOT_CHANGE_VERSION, .node = id, .what = "version", .before = was->version, .now = is->version});
    say_if(c, (eyot_change){
                  .kind = EYOT_CHANGE_ACTION, .node = id, .what = "action", .before = was->action, .now = is->action});
    say_if(c, (eyot_change){.kind = EYOT_CHANGE_EACH,
                            .node = id,
                            .what = "each",
                            .before = was->each ? "true" : "false",
                            .now = is->each ? "true" : "false"});
}

static void compare_edge(comparison *c, const eyot__graph_form_edge *was, const eyot__graph_form_edge *is)
{
    if (strcmp(was->kind, is->kind) != 0)
        say(c, (eyot_change){.kind = EYOT_CHANGE_EDGE_KIND,
                             .node = was->from,
                             .to = was->to,
                             .what = "kind",
                             .before = was->kind,
                             .now = is->kind});
    else
        say_if(c, (eyot_change){.kind = EYOT_CHANGE_CONDITION,
                                .node = was->from,
                                .to = was->to,
                                .what = "condition",
                                .before = was->condition,
                                .now = is->condition});
}

/* In the order of the graphs: what is gone or differs in that of the one before, then what is new. */
static void compare_nodes(comparison *c, const eyot__graph_form *was, const eyot__graph_form *is, void **before,
                          void **now)
{
    bool same_nodes = was->n_nodes == is->n_nodes, moved = false;
    for (size_t i = 0; i < was->n_nodes; i++) {
        const eyot__graph_form_node *node = &was->nodes[i], *other = find(now, is->n_nodes, node, by_id);
        same_nodes &= other != NULL;
        moved |= i < is->n_nodes && strcmp(node->id, is->nodes[i].id) != 0;
        if (other)
            compare_node(c, node, other);
        else
            say(c, (eyot_change){.kind = EYOT_CHANGE_NODE_REMOVED, .node = node->id});
    }
    for (size_t i = 0; i < is->n_nodes; i++)
        if (!find(before, was->n_nodes, &is->nodes[i], by_id))
            say(c, (eyot_change){.kind = EYOT_CHANGE_NODE_ADDED, .node = is->nodes[i].id});
    if (same_nodes && moved) say(c, (eyot_change){.kind = EYOT_CHANGE_ORDER, .what = "the order of the nodes"});
}

static void compare_edges(comparison *c, const eyot__graph_form *was, const eyot__graph_form *is, void **before,
                          void **now)
{
    bool same_edges = was->n_edges == is->n_edges, moved = false;
    for (size_t i = 0; i < was->n_edges; i++) {
        const eyot__graph_form_edge *edge = &was->edges[i], *other = find(now, is->n_edges, edge, by_ends);
        same_edges &= other != NULL;
        moved |= i < is->n_edges && other != &is->edges[i];
        if (other)
            compare_edge(c, edge, other);
        else
            say(c, (eyot_change){.kind = EYOT_CHANGE_EDGE_REMOVED, .node = edge->from, .to = edge->to});
    }
    for (size_t i = 0; i < is->n_edges; i++)
        if (!find(before, was->n_edges, &is->edges[i], by_ends))
            say(c, (eyot_change){.kind = EYOT_CHANGE_EDGE_ADDED, .node = is->edges[i].from, .to = is->edges[i].to});
    if (same_edges && moved) say(c, (eyot_change){.kind = EYOT_CHANGE_ORDER, .what = "the order of the edges"});
}

eyot_status eyot__graph_form_compare(const eyot__graph_form *before, const eyot__graph_form *now, eyot_change_fn tell,
                                     void *arg)
{
    comparison c = {.tell = tell, .arg = arg};
    void **old_nodes = sorted(before->nodes, before->n_nodes, sizeof *before->nodes, by_id);
    void **new_nodes = sorted(now->nodes, now->n_nodes, sizeof *now->nodes, by_id);
    void **old_edges = sorted(before->edges, before->n_edges, sizeof *before->edges, by_ends);
    void **new_edges = sorted(now->edges, now->n_edges, sizeof *now->edges, by_ends);
    if (!old_nodes || !new_nodes || !old_edges || !new_edges) {
        c.status = EYOT_ENOMEM;
    } else {
        say_if(&c, (eyot_change){.kind = EYOT_CHANGE_NAME, .what = "name", .before = before->name, .now = now->name});
        say_if(&c,
               (eyot_change){.kind = EYOT_CHANGE_CODEC, .what = "codec", .before = before->copier, .now = now->copier});
        say_if(&c, (eyot_change){
                       .kind = EYOT_CHANGE_REDUCERS, .what = "reducers", .before = before->rules, .now = now->rules});
        say_if(&c, (eyot_change){
                       .kind = EYOT_CHANGE_STARTS, .what = "starts", .before = before->starts, .now = now->starts});
        compare_nodes(&c, before, now, old_nodes, new_nodes);
        compare_edges(&c, before, now, old_edges, new_edges);
    }
    free(old_nodes);
    free(new_nodes);
    free(old_edges);
    free(new_edges);
    return c.status;
}
