/* SPDX-License-Identifier: MIT */
/* The canonical text of a graph file. */
#include "cli/graphfile_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* `"key":` behind a comma unless it is the first of its map. */
static void key(textbuf *b, const char *name)
{
    if (b->text[b->len - 1] != '{') textbuf_puts(b, ",");
    textbuf_json(b, name, strlen(name));
    textbuf_puts(b, ":");
}

static void text(textbuf *b, const char *name, const char *value)
{
    if (!value) return;
    key(b, name);
    textbuf_json(b, value, strlen(value));
}

static void texts(textbuf *b, const char *name, char *const *list)
{
    if (!list) return;
    key(b, name);
    for (size_t i = 0; list[i]; i++) {
        textbuf_puts(b, i ? "," : "[");
        textbuf_json(b, list[i], strlen(list[i]));
    }
    textbuf_puts(b, "]");
}

static void whole(textbuf *b, const char *name, uint64_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    key(b, name);
    textbuf_puts(b, digits);
}

/* In the biggest unit that leaves a whole number. */
static void with_unit(textbuf *b, const char *name, uint64_t n, const char *const *units, const uint64_t *steps)
{
    char value[32];
    size_t i = 0;
    while (n > 0 && units[i + 1] && n % steps[i] == 0) n /= steps[i++];
    snprintf(value, sizeof value, "%llu%s", (unsigned long long)n, units[i]);
    text(b, name, value);
}

static void duration(textbuf *b, const char *name, uint64_t ms)
{
    static const char *const units[] = {"ms", "s", "m", "h", "d", NULL};
    static const uint64_t steps[] = {1000, 60, 60, 24};
    with_unit(b, name, ms, units, steps);
}

static void size(textbuf *b, const char *name, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", NULL};
    static const uint64_t steps[] = {1024, 1024, 1024};
    with_unit(b, name, bytes, units, steps);
}

static void value(textbuf *b, const char *name, const eyot_value *v)
{
    char *json = eyot_json_print(v, NULL);
    key(b, name);
    textbuf_puts(b, json ? json : "null"); /* what was read from JSON can be written */
    eyot_free(json);
}

static void number(textbuf *b, const char *name, double d)
{
    eyot_value *v = eyot_value_new_double(d);
    value(b, name, v);
    eyot_value_unref(v);
}

static void expr(textbuf *b, const graphfile *g, const char *name, int i)
{
    if (i != GF_NO_EXPR) text(b, name, g->exprs[i]);
}

static void write_action(textbuf *b, const graphfile *g, const gf_node *node)
{
    char call[2 * 64 + 2];
    switch (node->kind) {
    case GF_RUN: text(b, "run", node->command); break;
    case GF_EXEC: texts(b, "exec", node->argv); break;
    case GF_JQ: expr(b, g, "jq", node->expr); break;
    case GF_SET: value(b, "set", node->set); break;
    case GF_ASK: expr(b, g, "ask", node->expr); break;
    case GF_SLEEP:
        if (node->expr == GF_NO_EXPR)
            duration(b, "sleep", node->sleep_ms);
        else
            expr(b, g, "sleep", node->expr);
        break;
    case GF_CALL:
        snprintf(call, sizeof call, "%s:%s", node->module, node->function);
        text(b, "call", call);
        break;
    case GF_DROP: break;
    }
    texts(b, "drop", node->drop);
    text(b, "into", node->into);
}

static void write_command(textbuf *b, const graphfile *g, const gf_node *node)
{
    key(b, "env");
    textbuf_puts(b, "{");
    for (size_t i = 0; i < node->n_env; i++) expr(b, g, node->env[i].name, node->env[i].expr);
    textbuf_puts(b, "}");
    key(b, "output");
    static const char *const outputs[] = {"json", "text ", "lines ", "none"};
    textbuf out = {0};
    textbuf_puts(&out, outputs[node->output]);
    if (node->output_key) textbuf_puts(&out, node->output_key);
    textbuf_json(b, out.text, out.len);
    textbuf_clear(&out);
    text(b, "cwd", node->cwd);
    size(b, "max_output", node->max_output);
}

static void write_policies(textbuf *b, const gf_node *node)
{
    bool command = node->kind == GF_RUN || node->kind == GF_EXEC;
    if (node->timeout_ms) duration(b, "timeout", node->timeout_ms);
    if (command || node->kind == GF_CALL) duration(b, "grace", node->grace_ms);
    if (!command && node->kind != GF_CALL && node->kind != GF_JQ) return;
    key(b, "retry");
    textbuf_puts(b, "{");
    whole(b, "attempts", node->attempts);
    duration(b, "delay", node->delay_ms);
    number(b, "factor", node->factor);
    duration(b, "max", node->max_delay_ms);
    number(b, "jitter", node->jitter);
    textbuf_puts(b, "}");
}

static void write_edge(textbuf *b, const graphfile *g, const gf_edge *edge)
{
    textbuf_puts(b, b->text[b->len - 1] == '[' ? "{" : ",{");
    text(b, edge->otherwise ? "otherwise" : "to", edge->to ? edge->to : "end");
    expr(b, g, "when", edge->when);
    expr(b, g, "each", edge->each);
    text(b, "as", edge->as);
    textbuf_puts(b, "}");
}

static void write_node(textbuf *b, const graphfile *g, const gf_node *node)
{
    static const char *const on_error[] = {"fail", "ignore"};
    key(b, node->id);
    textbuf_puts(b, "{");
    write_action(b, g, node);
    if (node->kind == GF_RUN || node->kind == GF_EXEC) write_command(b, g, node);
    write_policies(b, node);
    key(b, "each");
    textbuf_puts(b, node->each ? "true" : "false");
    text(b, "version", node->version);
    text(b, "emit", node->emit);
    text(b, "on_error", node->on_error == GF_CATCH ? node->catch_to : on_error[node->on_error]);
    if (node->n_edges > 0) {
        key(b, "next");
        textbuf_puts(b, "[");
        for (size_t i = 0; i < node->n_edges; i++) write_edge(b, g, &node->edges[i]);
        textbuf_puts(b, "]");
    }
    textbuf_puts(b, "}");
}

static void write_reduce(textbuf *b, const graphfile *g)
{
    key(b, "reduce");
    textbuf_puts(b, "{");
    for (size_t i = 0; i < g->n_reduce; i++) {
        const gf_reduce *reduce = &g->reduce[i];
        if (reduce->limit == 0) {
            text(b, reduce->key, gf_reducer_name(reduce->reducer));
            continue;
        }
        key(b, reduce->key);
        textbuf_puts(b, "{");
        whole(b, "append", reduce->limit);
        textbuf_puts(b, "}");
    }
    textbuf_puts(b, "}");
}

char *gf_write(const graphfile *g)
{
    textbuf b = {0};
    textbuf_puts(&b, "{");
    text(&b, "graph", g->name);
    text(&b, "version", g->version);
    text(&b, "codec", g->msgpack ? "msgpack" : "json");
    text(&b, "shell", g->shell);
    if (g->max_steps) whole(&b, "max_steps", g->max_steps);
    value(&b, "state", g->state);
    write_reduce(&b, g);
    texts(&b, "start", g->starts);
    key(&b, "nodes");
    textbuf_puts(&b, "{");
    for (size_t i = 0; i < g->n_nodes; i++) write_node(&b, g, &g->nodes[i]);
    textbuf_puts(&b, "}}");
    return b.text;
}
