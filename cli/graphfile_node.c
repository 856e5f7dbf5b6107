/* SPDX-License-Identifier: MIT */
/* One node of a graph file. Keys are taken in a fixed order, so that the numbers of expressions do not depend on the
 * order in the file. */
#include "cli/graphfile_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gf_node_keys[] = {"run",   "exec",  "jq",      "set",    "ask",      "sleep", "call",       "drop",
                                    "into",  "env",   "cwd",     "output", "each",     "next",  "max_output", "timeout",
                                    "grace", "retry", "version", "emit",   "on_error", NULL};
static const char *const missing_features[] = {"cache", "goal", "limits", NULL};

/* ---- kinds ----------------------------------------------------------------------------------------------------- */

enum {
    RUN = 1 << GF_RUN,
    EXEC = 1 << GF_EXEC,
    JQ = 1 << GF_JQ,
    SET = 1 << GF_SET,
    DROP = 1 << GF_DROP,
    ASK = 1 << GF_ASK,
    SLEEP = 1 << GF_SLEEP,
    CALL = 1 << GF_CALL,
    COMMAND = RUN | EXEC,
    WORK = COMMAND | JQ | CALL
};

static const char *const kind_keys[] = {"run", "exec", "jq", "set", "drop", "ask", "sleep", "call"};
enum { N_KINDS = sizeof kind_keys / sizeof *kind_keys };

/* Keys that are for some kinds only. */
static const struct {
    const char *key;
    int kinds;
    const char *names;
} bound[] = {{"into", ASK, "ask"},
             {"env", COMMAND, "run and exec"},
             {"output", COMMAND, "run and exec"},
             {"cwd", COMMAND, "run and exec"},
             {"max_output", COMMAND, "run and exec"},
             {"grace", COMMAND | CALL, "run, exec and call"},
             {"timeout", WORK, "run, exec, jq and call"},
             {"retry", WORK, "run, exec, jq and call"},
             {"emit", WORK | SET, "run, exec, jq, set and call"}};

/* The first key that says what the node does. The others are mistakes; `drop` may stand beside any. */
static const doc_node *find_kind(gf_reader *r, const doc_node *v, gf_kind *kind)
{
    const doc_node *first = NULL, *drop = NULL;
    for (const doc_node *key = v->first; key; key = key->next->next) {
        int i = 0;
        if (key->kind != DOC_SCALAR || key->flaw) continue;
        while (i < N_KINDS && strcmp(kind_keys[i], key->text) != 0) i++;
        if (i == N_KINDS) continue;
        if (i == GF_DROP) {
            drop = key;
        } else if (first) {
            gf_say(r, key, "%s and %s: a node does one thing", first->text, key->text);
        } else {
            first = key;
            *kind = (gf_kind)i;
        }
    }
    if (!first) *kind = GF_DROP;
    return first ? first : drop;
}

static void check_bound_keys(gf_reader *r, const doc_node *v, gf_kind kind)
{
    for (const doc_node *key = v->first; key; key = key->next->next) {
        if (key->kind != DOC_SCALAR || key->flaw) continue;
        for (size_t i = 0; i < sizeof bound / sizeof *bound; i++)
            if (strcmp(bound[i].key, key->text) == 0 && !(bound[i].kinds & 1 << kind))
                gf_say(r, key, "%s: is only for %s", key->text, bound[i].names);
    }
}

/* ---- what the node does ---------------------------------------------------------------------------------------- */

static char **read_arguments(gf_reader *r, const doc_node *v)
{
    if (!gf_is_sound(v)) return NULL;
    if (v->kind != DOC_SEQUENCE) {
        gf_say(r, v, "exec: is a list: the program and its arguments");
        return NULL;
    }
    char **argv = arena_alloc(r->mem, ((size_t)v->n + 1) * sizeof(*argv));
    size_t n = 0;
    for (const doc_node *arg = v->first; arg; arg = arg->next) {
        argv[n] = n == 0 ? gf_text(r, arg, "exec") : gf_word(r, arg, "exec");
        n += argv[n] != NULL;
    }
    if (v->n == 0) gf_say(r, v, "exec: the list is empty");
    return argv;
}

/* A constant like 5m, or an expression that gives seconds. What only looks like a duration is no program either. */
static void read_sleep(gf_reader *r, gf_node *node, const doc_node *v)
{
    if (v->kind == DOC_SCALAR && gf_is_sound(v)) {
        if (gf_duration_of(v->text, &node->sleep_ms)) return;
        size_t digits = strspn(v->text, "0123456789.");
        size_t letters = strspn(v->text + digits, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
        if (v->text[0] != '.' && digits > 0 && letters > 0 && digits + letters == v->n) {
            gf_duration(r, v, "sleep", 0, 0);
            return;
        }
    }
    node->expr = gf_expr(r, v, "sleep");
}

static void read_call(gf_reader *r, gf_node *node, const doc_node *v)
{
    const char *text = gf_text(r, v, "call"), *colon = text ? strchr(text, ':') : NULL;
    if (!text) return;
    if (colon) {
        node->module = arena_text(r->mem, text, (size_t)(colon - text));
        node->function = arena_text(r->mem, colon + 1, strlen(colon + 1));
    }
    if (!colon || !gf_is_id(node->module) || !gf_is_id(node->function))
        gf_say(r, v, "call: \"%s\" is not of the form module:function", gf_show(text).text);
}

static void read_action(gf_reader *r, gf_node *node, const doc_node *v)
{
    switch (node->kind) {
    case GF_RUN: node->command = gf_command(r, v, "run"); break;
    case GF_EXEC: node->argv = read_arguments(r, v); break;
    case GF_JQ: node->expr = gf_expr(r, v, "jq"); break;
    case GF_SET: node->set = gf_constant(r, v, "set"); break;
    case GF_ASK: node->expr = gf_expr(r, v, "ask"); break;
    case GF_SLEEP: read_sleep(r, node, v); break;
    case GF_CALL: read_call(r, node, v); break;
    case GF_DROP: break;
    }
}

static void read_env(gf_reader *r, gf_node *node, const doc_node *v)
{
    if (!v || !gf_is_map(r, v, "env")) return;
    node->env = arena_alloc(r->mem, (v->n / 2 + 1) * sizeof *node->env);
    for (const doc_node *key = v->first; key; key = key->next->next) {
        if (key->kind != DOC_SCALAR || key->flaw) continue;
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
        char label[96];
        gf_shown name = gf_show(key->text);
        if (key->n == 0 || strspn(key->text, letters) != key->n || (key->text[0] >= '0' && key->text[0] <= '9'))
            gf_say(r, key, "env: \"%s\" is no name; it is [A-Za-z_][A-Za-z0-9_]*", name.text);
        else if (strncmp(key->text, "EYOT_", 5) == 0)
            gf_say(r, key, "env: \"%s\": names that begin with EYOT_ are set by eyot", name.text);
        snprintf(label, sizeof label, "env: %s", name.text);
        node->env[node->n_env++] = (gf_env){(char *)key->text, gf_expr(r, key->next, label)};
    }
}

static void read_output(gf_reader *r, gf_node *node, const doc_node *v)
{
    const char *text = gf_text(r, v, "output");
    if (!text || strcmp(text, "json") == 0) return;
    if (strcmp(text, "none") == 0) {
        node->output = GF_OUTPUT_NONE;
        return;
    }
    size_t n = strcspn(text, " ");
    const char *key = text + n + (text[n] == ' ');
    node->output = n == 5 && memcmp(text, "lines", 5) == 0 ? GF_OUTPUT_LINES : GF_OUTPUT_TEXT;
    node->output_key = (char *)key;
    if ((node->output == GF_OUTPUT_TEXT && (n != 4 || memcmp(text, "text", 4) != 0)) || !*key || strpbrk(key, " \t\n"))
        gf_say(r, v, "output: \"%s\" is none of json, text KEY, lines KEY, none", gf_show(text).text);
}

static void read_retry(gf_reader *r, gf_node *node, const doc_node *v)
{
    static const char *const keys[] = {"attempts", "delay", "factor", "max", "jitter", NULL};
    if (!v || !gf_is_map(r, v, "retry")) return;
    gf_check_keys(r, v, keys, NULL, NULL, NULL);
    if (!doc_get(v, "attempts")) gf_say(r, v, "retry: the key \"attempts\" is missing");
    node->attempts = (uint32_t)gf_whole(r, doc_get(v, "attempts"), "attempts", 1, 1000000, node->attempts);
    node->delay_ms = gf_duration(r, doc_get(v, "delay"), "delay", 0, node->delay_ms);
    node->factor = gf_number(r, doc_get(v, "factor"), "factor", 1, 1000, node->factor);
    node->max_delay_ms = gf_duration(r, doc_get(v, "max"), "max", 1, node->max_delay_ms);
    node->jitter = gf_number(r, doc_get(v, "jitter"), "jitter", 0, 1, node->jitter);
}

/* ---- edges ----------------------------------------------------------------------------------------------------- */

static void set_target(gf_edge *edge, char *to)
{
    edge->to = to && strcmp(to, "end") == 0 ? NULL : to;
}

/* False: it has no target. */
static bool read_edge_map(gf_reader *r, gf_edge *edge, const doc_node *v, const doc_node **at)
{
    static const char *const keys[] = {"to", "when", "each", "as", "otherwise", NULL};
    const doc_node *otherwise = doc_get(v, "otherwise"), *each = doc_get(v, "each"), *as = doc_get(v, "as");
    gf_check_keys(r, v, keys, NULL, NULL, NULL);
    *at = otherwise ? otherwise : doc_get(v, "to");
    edge->otherwise = otherwise != NULL;
    if (otherwise && v->n > 2)
        gf_say(r, v, "next: an edge with otherwise has no other key");
    else if (!*at)
        gf_say(r, v, "next: an edge is {to: NODE, when: ..., each: ..., as: ...} or {otherwise: NODE}");
    char *to = gf_text(r, *at, otherwise ? "otherwise" : "to");
    set_target(edge, to);
    if (doc_get(v, "when")) edge->when = gf_expr(r, doc_get(v, "when"), "when");
    if (each) edge->each = gf_expr(r, each, "each");
    edge->as = gf_text(r, as, "as");
    if (as && !each) gf_say(r, as, "as: is only for an edge with each");
    if (each && !edge->as) edge->as = arena_text(r->mem, "item", 4);
    if (each && to && !edge->to) gf_say(r, *at, "to: an edge with each goes to a node, not to the end");
    return to != NULL;
}

static bool read_edge(gf_reader *r, gf_edge *edge, const doc_node *v, const doc_node **at)
{
    *edge = (gf_edge){.when = GF_NO_EXPR, .each = GF_NO_EXPR};
    if (v->kind == DOC_MAP) return read_edge_map(r, edge, v, at);
    char *to = gf_text(r, v, "next");
    *at = v;
    set_target(edge, to);
    return to != NULL;
}

/* A node that has `otherwise` needs something else that may be true; and what it has once is enough. */
static void check_otherwise(gf_reader *r, const doc_node *list)
{
    const doc_node *otherwise = NULL;
    bool conditional = false;
    for (const doc_node *v = list->first; v; v = v->next) {
        if (v->kind != DOC_MAP) continue;
        const doc_node *here = doc_get(v, "otherwise");
        if (here && otherwise) gf_say(r, here, "otherwise: is here twice, first in line %u", otherwise->line);
        if (here && !otherwise) otherwise = here;
        conditional |= doc_get(v, "when") || doc_get(v, "each");
    }
    if (otherwise && !conditional) gf_say(r, otherwise, "otherwise: needs an edge with when or each beside it");
}

static void read_next(gf_reader *r, gf_node *node, gf_places *places, const doc_node *v)
{
    if (!v || !gf_is_sound(v)) return;
    if (v->kind == DOC_MAP) {
        gf_say(r, v, "next: is a name or a list of names and edges, not a map");
        return;
    }
    size_t most = v->kind == DOC_SEQUENCE ? v->n : 1;
    node->edges = arena_alloc(r->mem, (most + 1) * sizeof *node->edges);
    places->edges = arena_alloc(r->mem, (most + 1) * sizeof(*places->edges));
    if (most == 0) gf_say(r, v, "next: the list is empty");
    if (v->kind == DOC_SEQUENCE) check_otherwise(r, v);
    for (const doc_node *item = v->kind == DOC_SEQUENCE ? v->first : v; item;
         item = v->kind == DOC_SEQUENCE ? item->next : NULL)
        node->n_edges += read_edge(r, &node->edges[node->n_edges], item, &places->edges[node->n_edges]);
    const gf_edge *only = node->edges;
    bool just_ends = node->n_edges == 1 && !only->to && !only->otherwise && only->when == GF_NO_EXPR;
    if (just_ends) node->n_edges = 0; /* what a node without `next` does */
}

static void read_on_error(gf_reader *r, gf_node *node, gf_places *places, const doc_node *v)
{
    char *text = gf_text(r, v, "on_error");
    if (!text || strcmp(text, "fail") == 0) return;
    if (strcmp(text, "ignore") == 0) {
        node->on_error = GF_IGNORE;
    } else if (strcmp(text, "end") == 0) {
        gf_say(r, v, "on_error: is fail, ignore or a node; ignore ends the branch");
    } else {
        node->on_error = GF_CATCH;
        node->catch_to = text;
        places->catch_to = v;
    }
}

static void read_emit(gf_reader *r, gf_node *node, const doc_node *v)
{
    node->emit = gf_text(r, v, "emit");
    if (node->emit && !eyot_topic_is_valid(node->emit))
        gf_say(r, v, "emit: \"%s\" is no topic; it is 1 to %d bytes of text without control characters",
               gf_show(node->emit).text, EYOT_TOPIC_MAX);
}

/* ---- the node -------------------------------------------------------------------------------------------------- */

static void check_id(gf_reader *r, const doc_node *id, size_t i)
{
    bool is_new;
    size_t number = names_add(&r->ids, id->text, &is_new);
    if (is_new) r->node_of_id[number] = i;
    if (strlen(id->text) != id->n || !gf_is_id(id->text))
        gf_say(r, id, "is no id; it is [A-Za-z0-9_][A-Za-z0-9._-]{0,63}");
    else if (strcmp(id->text, "end") == 0)
        gf_say(r, id, "the id is reserved: it is where branches end");
}

static void read_keys(gf_reader *r, gf_node *node, gf_places *places, const doc_node *id, const doc_node *v)
{
    gf_check_keys(r, v, gf_node_keys, missing_features, NULL, NULL);
    const doc_node *key = find_kind(r, v, &node->kind);
    if (key) {
        check_bound_keys(r, v, node->kind);
        read_action(r, node, key->next);
    } else {
        gf_say(r, id, "does nothing: it needs run, exec, jq, set, ask, sleep, call or drop");
    }
    node->drop = gf_list(r, doc_get(v, "drop"), "drop");
    node->into = gf_text(r, doc_get(v, "into"), "into");
    if (node->kind == GF_ASK && !doc_get(v, "into"))
        gf_say(r, key, "ask: the key \"into\" is missing: where the answer goes");
    read_env(r, node, doc_get(v, "env"));
    read_output(r, node, doc_get(v, "output"));
    if (1 << node->kind & COMMAND) {
        node->cwd = gf_text(r, doc_get(v, "cwd"), "cwd");
        if (!node->cwd) node->cwd = r->cwd;
        node->max_output = gf_size(r, doc_get(v, "max_output"), "max_output", r->max_output);
    }
    node->timeout_ms = gf_duration(r, doc_get(v, "timeout"), "timeout", 1, 0);
    node->grace_ms = gf_duration(r, doc_get(v, "grace"), "grace", 0, GF_DEFAULT_GRACE_MS);
    read_retry(r, node, doc_get(v, "retry"));
    node->each = gf_bool(r, doc_get(v, "each"), "each");
    node->version = gf_text(r, doc_get(v, "version"), "version");
    read_emit(r, node, doc_get(v, "emit"));
    read_on_error(r, node, places, doc_get(v, "on_error"));
    read_next(r, node, places, doc_get(v, "next"));
}

void gf_read_node(gf_reader *r, size_t i, const doc_node *id, const doc_node *v)
{
    gf_node *node = &r->g->nodes[i];
    *node = (gf_node){.id = (char *)id->text,
                      .line = id->line,
                      .column = id->column,
                      .kind = GF_DROP,
                      .expr = GF_NO_EXPR,
                      .attempts = 1,
                      .delay_ms = GF_DEFAULT_DELAY_MS,
                      .max_delay_ms = GF_DEFAULT_MAX_DELAY_MS,
                      .factor = 2};
    if (id->flaw != DOC_TWICE) check_id(r, id, i);
    if (v->kind == DOC_MAP)
        read_keys(r, node, &r->places[i], id, v);
    else if (gf_is_sound(v))
        gf_say(r, v, "is a map, not a %s", v->kind == DOC_SCALAR ? "text" : "list");
}
