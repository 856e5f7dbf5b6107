/* SPDX-License-Identifier: MIT */
/* Graph files: mistakes, and the top of the file. */
#include "cli/graphfile_own.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/expr.h"

/* ---- mistakes -------------------------------------------------------------------------------------------------- */

void gf_problems_clear(gf_problems *p)
{
    for (size_t i = 0; i < p->n; i++) free(p->lines[i]);
    free(p->lines);
    *p = (gf_problems){0};
}

void gf_problems_add(gf_problems *p, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t size = (size_t)vsnprintf(NULL, 0, fmt, again) + 1;
    va_end(again);
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->lines = cli_realloc(p->lines, p->cap * sizeof *p->lines);
    }
    p->lines[p->n] = cli_realloc(NULL, size);
    vsnprintf(p->lines[p->n++], size, fmt, args);
    va_end(args);
}

/* Not more than `most` bytes of a text, without control bytes, cut at a character. */
static void copy_shown(char *out, size_t most, const char *text)
{
    size_t len = strlen(text), keep = len;
    if (len > most) {
        keep = most - 3;
        while (keep > 0 && ((unsigned char)text[keep] & 0xC0) == 0x80) keep--;
    }
    for (size_t i = 0; i < keep; i++) out[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7F ? ' ' : text[i];
    strcpy(out + keep, len > most ? "..." : "");
}

gf_shown gf_show(const char *text)
{
    gf_shown s;
    copy_shown(s.text, sizeof s.text - 1, text);
    return s;
}

/* They are kept in the order of their places; when there are too many, the last ones go. */
static void keep_mistake(gf_reader *r, unsigned line, unsigned column, char *text)
{
    size_t i = r->n_mistakes;
    while (i > 0 &&
           (r->mistakes[i - 1].line > line || (r->mistakes[i - 1].line == line && r->mistakes[i - 1].column > column)))
        i--;
    for (size_t j = i; j > 0 && r->mistakes[j - 1].line == line && r->mistakes[j - 1].column == column; j--)
        if (strcmp(r->mistakes[j - 1].text, text) == 0) goto drop;
    if (r->n_mistakes == GF_MAX_MISTAKES) {
        r->n_left_out++;
        if (i == GF_MAX_MISTAKES) goto drop;
        free(r->mistakes[--r->n_mistakes].text);
    }
    memmove(&r->mistakes[i + 1], &r->mistakes[i], (r->n_mistakes - i) * sizeof *r->mistakes);
    r->mistakes[i] = (gf_mistake){line, column, text};
    r->n_mistakes++;
    return;
drop:
    free(text);
}

static void say(gf_reader *r, unsigned line, unsigned column, const char *fmt, va_list args)
{
    char text[1000], shown[1000];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", r->where);
    vsnprintf(text + n, sizeof text - n, fmt, args);
    copy_shown(shown, sizeof shown - 1, text);
    size_t size = strlen(shown) + 1;
    keep_mistake(r, line, column, memcpy(cli_realloc(NULL, size), shown, size));
}

void gf_say_at(gf_reader *r, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(r, line, column, fmt, args);
    va_end(args);
}

void gf_say(gf_reader *r, const doc_node *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(r, at->line, at->column, fmt, args);
    va_end(args);
}

void gf_enter(gf_reader *r, const char *id)
{
    r->where[0] = '\0';
    if (id) snprintf(r->where, sizeof r->where, "node \"%s\": ", gf_show(id).text);
}

/* One letter more, less, other, or two exchanged. */
static bool is_near(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), i = 0, j = 0;
    if (n > m + 1 || m > n + 1 || (n < 3 && m < 3)) return false;
    while (a[i] && a[i] == b[i]) i++;
    while (j < n - i && j < m - i && a[n - 1 - j] == b[m - 1 - j]) j++;
    size_t x = n - i - j, y = m - i - j; /* what differs in the middle */
    return (x <= 1 && y <= 1) || (x == 2 && y == 2 && a[i] == b[i + 1] && a[i + 1] == b[i]);
}

gf_shown gf_suggest(const char *text, const char *const *list, size_t n, size_t *near)
{
    gf_shown s = {""};
    if (near) *near = NAMES_NONE;
    for (size_t i = 0; i < n; i++) {
        if (!is_near(text, list[i])) continue;
        if (near) *near = i;
        snprintf(s.text, sizeof s.text, "; did you mean \"%.56s\"?", list[i]);
        break;
    }
    return s;
}

/* ---- the top of the file --------------------------------------------------------------------------------------- */

static const char *const top_keys[] = {"graph", "version", "codec",      "state",     "reduce", "start",
                                       "nodes", "shell",   "max_output", "max_steps", "cwd",    NULL};
static const char *const missing_features[] = {"goal", "limits", "cache", NULL};
static const char *const reducer_names[] = {"replace", "append", "add",   "min",   "max",
                                            "first",   "last",   "union", "merge", "local"};
enum { N_REDUCERS = sizeof reducer_names / sizeof *reducer_names };

const char *gf_reducer_name(eyot_reducer reducer)
{
    return reducer_names[reducer];
}

static bool is_name(const char *text)
{
    return gf_is_id(text) && text[0] != '_';
}

static void read_heading(gf_reader *r, const doc_node *root)
{
    graphfile *g = r->g;
    const doc_node *name = doc_get(root, "graph"), *codec = doc_get(root, "codec"), *shell = doc_get(root, "shell");
    g->name = gf_text(r, name, "graph");
    if (!name) gf_say(r, root, "the key \"graph\" is missing: the graph's name");
    if (g->name && !is_name(g->name))
        gf_say(r, name, "graph: \"%s\" is no name; it is [A-Za-z0-9][A-Za-z0-9._-]{0,63}", gf_show(g->name).text);
    g->version = gf_text(r, doc_get(root, "version"), "version");
    const char *codec_name = gf_text(r, codec, "codec");
    g->msgpack = codec_name && strcmp(codec_name, "msgpack") == 0;
    if (codec_name && !g->msgpack && strcmp(codec_name, "json") != 0)
        gf_say(r, codec, "codec: \"%s\" is none; it is json or msgpack", gf_show(codec_name).text);
    g->shell = gf_text(r, shell, "shell");
    if (g->shell && strpbrk(g->shell, " \t\n"))
        gf_say(r, shell, "shell: \"%s\" is more than a program's name", gf_show(g->shell).text);
    if (!g->shell) g->shell = arena_text(r->mem, "sh", 2);
    g->max_steps = gf_whole(r, doc_get(root, "max_steps"), "max_steps", 1, (uint64_t)1 << 53, 0);
    r->max_output = gf_size(r, doc_get(root, "max_output"), "max_output", GF_DEFAULT_MAX_OUTPUT);
    r->cwd = gf_text(r, doc_get(root, "cwd"), "cwd");
}

static eyot_reducer read_reducer(gf_reader *r, const doc_node *v, const char *key)
{
    const char *name = gf_text(r, v, key);
    if (!name) return EYOT_REPLACE;
    for (int i = 0; i < N_REDUCERS; i++)
        if (strcmp(name, reducer_names[i]) == 0) return (eyot_reducer)i;
    gf_say(r, v, "%s: \"%s\" is no reducer%s", key, gf_show(name).text,
           gf_suggest(name, reducer_names, N_REDUCERS, NULL).text);
    return EYOT_REPLACE;
}

static void read_reduce(gf_reader *r, const doc_node *v)
{
    if (!v || !gf_is_map(r, v, "reduce")) return;
    gf_reduce *out = arena_alloc(r->mem, (v->n / 2 + 1) * sizeof *out);
    r->g->reduce = out;
    for (const doc_node *key = v->first; key; key = key->next->next) {
        char label[96];
        if (key->kind != DOC_SCALAR || key->flaw) continue;
        snprintf(label, sizeof label, "reduce: %s", gf_show(key->text).text);
        const doc_node *how = key->next, *limited = how->kind == DOC_MAP && how->n == 2 ? how->first : NULL;
        out->key = gf_text(r, key, "reduce");
        if (limited && limited->kind == DOC_SCALAR && strcmp(limited->text, "append") == 0) {
            out->reducer = EYOT_APPEND;
            out->limit = gf_whole(r, limited->next, label, 1, (uint64_t)1 << 53, 0);
        } else if (how->kind == DOC_SCALAR) {
            out->reducer = read_reducer(r, how, label);
        } else {
            gf_say(r, how, "%s: is the name of a reducer, or {append: NUMBER}", label);
        }
        if (out->key) r->g->n_reduce++, out++;
    }
}

static void read_nodes(gf_reader *r, const doc_node *root)
{
    const doc_node *v = doc_get(root, "nodes");
    if (!v) gf_say(r, root, "the key \"nodes\" is missing");
    if (!v || !gf_is_map(r, v, "nodes")) return;
    if (v->n == 0) gf_say(r, v, "nodes: a graph has at least one");
    r->g->nodes = arena_alloc(r->mem, (v->n / 2 + 1) * sizeof *r->g->nodes);
    r->places = arena_alloc(r->mem, (v->n / 2 + 1) * sizeof *r->places);
    r->node_of_id = arena_alloc(r->mem, (v->n / 2 + 1) * sizeof *r->node_of_id);
    for (const doc_node *id = v->first; id; id = id->next->next) {
        if (id->kind != DOC_SCALAR || (id->flaw && id->flaw != DOC_TWICE)) continue;
        gf_enter(r, id->text);
        gf_read_node(r, r->g->n_nodes++, id, id->next);
        gf_enter(r, NULL);
    }
}

/* The flaws of a node's tree are said with its name. */
static void say_all_flaws(gf_reader *r, const doc_node *root)
{
    if (root->kind != DOC_MAP) {
        gf_say_flaws(r, root);
        return;
    }
    const doc_node *nodes = doc_get(root, "nodes");
    for (const doc_node *key = root->first; key; key = key->next->next) {
        gf_say_key_flaws(r, root, key);
        if (key->next != nodes || nodes->kind != DOC_MAP) {
            gf_say_flaws(r, key->next);
            continue;
        }
        gf_say_flaw(r, nodes);
        for (const doc_node *id = nodes->first; id; id = id->next->next) {
            if (id->kind == DOC_SCALAR) gf_enter(r, id->text);
            gf_say_key_flaws(r, nodes, id);
            gf_say_flaws(r, id->next);
            gf_enter(r, NULL);
        }
    }
}

static bool has_removed(const eyot_value *v)
{
    bool found = eyot_value_kind_of(v) == EYOT_VALUE_REMOVED;
    eyot_value_iter it = eyot_value_each(v);
    while (!found && eyot_value_next(&it)) found = has_removed(it.value);
    return found;
}

static void read_state(gf_reader *r, const doc_node *v)
{
    r->g->state = v ? gf_constant(r, v, "state") : eyot_value_new_map();
    if (has_removed(r->g->state)) gf_say(r, v, "state: {$removed: true} is for updates; here nothing can be removed");
}

static void read_root(gf_reader *r, const doc_node *root)
{
    say_all_flaws(r, root);
    if (root->kind != DOC_MAP) {
        if (!root->flaw) gf_say(r, root, "a graph file is a map with the keys graph, start and nodes");
        return;
    }
    gf_check_keys(r, root, top_keys, missing_features, gf_node_keys, "a node");
    read_heading(r, root);
    read_state(r, doc_get(root, "state"));
    read_reduce(r, doc_get(root, "reduce"));
    r->start = doc_get(root, "start");
    r->g->starts = gf_texts(r, r->start, "start");
    read_nodes(r, root);
    gf_check_graph(r);
}

/* ---- reading and freeing --------------------------------------------------------------------------------------- */

typedef struct owned_graphfile {
    graphfile file; /* first */
    arena mem;
} owned_graphfile;

static void finish(gf_reader *r, const char *name, gf_problems *p)
{
    for (size_t i = 0; i < r->n_mistakes; i++) {
        gf_problems_add(p, "%s:%u:%u: %s", name, r->mistakes[i].line, r->mistakes[i].column, r->mistakes[i].text);
        free(r->mistakes[i].text);
    }
    if (r->n_left_out > 0) gf_problems_add(p, "%s: and %zu more mistakes", name, r->n_left_out);
    names_clear(&r->exprs);
    names_clear(&r->ids);
    free(r->expr_errors);
}

graphfile *graphfile_read(const char *name, const char *text, size_t len, gf_compile_fn compile, void *arg,
                          gf_problems *p)
{
    owned_graphfile *g = memset(cli_realloc(NULL, sizeof *g), 0, sizeof *g);
    gf_reader *r = memset(cli_realloc(NULL, sizeof *r), 0, sizeof *r);
    doc d;
    r->g = &g->file;
    r->mem = &g->mem;
    r->compile = compile;
    r->compile_arg = arg;
    doc_read(&d, r->mem, text, len, gf_expression_keys);
    if (d.mistake)
        gf_say_at(r, d.line, d.column, "%s", d.mistake);
    else if (!d.root)
        gf_say_at(r, 1, 1, "the file is empty");
    if (d.root) read_root(r, d.root);
    bool good = r->n_mistakes == 0;
    finish(r, name, p);
    free(r);
    if (good) {
        g->file.canonical = gf_write(&g->file);
        return &g->file;
    }
    graphfile_free(&g->file);
    return NULL;
}

void graphfile_free(graphfile *g)
{
    if (!g) return;
    for (size_t i = 0; i < g->n_nodes; i++) eyot_value_unref(g->nodes[i].set);
    eyot_value_unref(g->state);
    free(g->canonical);
    arena_clear(&((owned_graphfile *)(void *)g)->mem);
    free(g);
}
