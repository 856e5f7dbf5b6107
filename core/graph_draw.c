/* SPDX-License-Identifier: MIT */
#include "core/graph_draw.h"

#include <string.h>

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* What stands before a text, and the text as a JSON string. It is UTF-8: builder calls and freeze have seen to it. */
static void json_text(eyot_buf *out, const char *before, const char *text)
{
    eyot__buf_text(out, before);
    eyot__buf_u8(out, '"');
    for (const char *run = text;; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
        eyot_buf_add(out, run, (size_t)(text - run));
        if (c == '\0') break;
        eyot__buf_format(out, c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
        run = text + 1;
    }
    eyot__buf_u8(out, '"');
}

static const char *kind_name(eyot__edge_kind kind)
{
    switch (kind) {
    case EYOT__EDGE_ALWAYS: return "always";
    case EYOT__EDGE_IF: return "if";
    case EYOT__EDGE_OTHERWISE: return "otherwise";
    case EYOT__EDGE_EACH: return "each";
    case EYOT__EDGE_ROUTED: return "routed";
    }
    return "unknown";
}

static void json_node(eyot_buf *out, const eyot__gnode *node)
{
    json_text(out, "  {\"id\":", node->id);
    if (node->flags & EYOT_NODE_EACH) eyot__buf_text(out, ",\"each\":true");
    if (node->version) json_text(out, ",\"version\":", node->version);
    if (node->action) json_text(out, ",\"action\":", node->action);
    eyot__buf_text(out, "}");
}

/* The ends are taken from the shape: before a graph is frozen its edges hold something else. */
static void json_edge(eyot_buf *out, const eyot_graph *g, uint32_t e)
{
    const eyot__gedge *edge = &g->edges[e];
    json_text(out, "  {\"from\":", g->nodes[g->shape->edges[e].from].id);
    json_text(out, ",\"to\":", g->nodes[g->shape->edges[e].to].id);
    if (edge->kind != EYOT__EDGE_ALWAYS) json_text(out, ",\"kind\":", kind_name(edge->kind));
    if (edge->name) json_text(out, ",\"condition\":", edge->name);
    eyot__buf_text(out, "}");
}

void eyot__graph_write(eyot_buf *out, const eyot_graph *g, const char *name, const char *rules)
{
    eyot__buf_text(out, "{\n \"eyot_graph\":1,\n");
    if (name) {
        json_text(out, " \"name\":", name);
        eyot__buf_text(out, ",\n");
    }
    json_text(out, " \"copier\":", g->copier->name);
    if (rules) json_text(out, ",\n \"reducers\":", rules);
    eyot__buf_text(out, ",\n \"starts\":[");
    for (uint32_t i = 0; i < g->shape->n_starts; i++) {
        json_text(out, i > 0 ? "," : "", g->nodes[g->shape->starts[i]].id);
    }
    eyot__buf_text(out, "],\n \"nodes\":[");
    for (uint32_t v = 0; v < g->n_nodes; v++) {
        eyot__buf_text(out, v > 0 ? ",\n" : "\n");
        json_node(out, &g->nodes[v]);
    }
    eyot__buf_text(out, "\n ],\n \"edges\":[");
    for (uint32_t e = 0; e < g->n_edges; e++) {
        eyot__buf_text(out, e > 0 ? ",\n" : "\n");
        json_edge(out, g, e);
    }
    eyot__buf_text(out, g->n_edges > 0 ? "\n ]\n}\n" : "]\n}\n");
}

/* ---- DOT ------------------------------------------------------------------------------------------------------- */

/* Inside a label's quotes, where a backslash begins an escape. Control characters would end up in drawings: they become
 * spaces. Ids and names of graphs need no care. */
static void dot_text(eyot_buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') eyot__buf_u8(out, '\\');
        eyot__buf_u8(out, c < 0x20 || c == 0x7f ? ' ' : c);
    }
}

static void dot_node(eyot_buf *out, const eyot_graph *g, uint32_t v)
{
    const eyot__tnode *shape = &g->shape->nodes[v];
    eyot__buf_format(out, "  \"%s\"", g->nodes[v].id);
    if (shape->start) eyot__buf_text(out, " [style=\"rounded,filled\", penwidth=2, fillcolor=\"#dbeafe\"]");
    if (shape->one_by_one) eyot__buf_text(out, " [peripheries=2]");
    eyot__buf_text(out, ";\n");
}

/* The spaces keep a label off its line. */
static void dot_edge(eyot_buf *out, const eyot_graph *g, const eyot__gedge *edge)
{
    eyot__buf_format(out, "  \"%s\" -> \"%s\"", g->nodes[edge->from].id, g->nodes[edge->to].id);
    switch (edge->kind) {
    case EYOT__EDGE_ALWAYS: break;
    case EYOT__EDGE_IF:
        eyot__buf_text(out, " [label=\" ");
        dot_text(out, edge->name);
        eyot__buf_text(out, " \"]");
        break;
    case EYOT__EDGE_OTHERWISE: eyot__buf_text(out, " [label=\" otherwise \", style=dashed]"); break;
    case EYOT__EDGE_EACH: eyot__buf_text(out, " [label=\" each \", penwidth=2.5]"); break;
    case EYOT__EDGE_ROUTED: eyot__buf_text(out, " [label=\" routed \", style=dotted]"); break;
    }
    eyot__buf_text(out, ";\n");
}

static void write_dot(eyot_buf *out, const eyot_graph *g)
{
    eyot__buf_format(out, "digraph \"%s\" {\n", g->name);
    eyot__buf_text(out,
                   "  node [shape=box, style=rounded, fontname=\"Helvetica\", fontsize=12, margin=\"0.15,0.08\"];\n"
                   "  edge [fontname=\"Helvetica\", fontsize=10, color=\"#475569\", fontcolor=\"#475569\"];\n");
    for (uint32_t v = 0; v < g->n_nodes; v++) dot_node(out, g, v);
    for (uint32_t e = 0; e < g->n_edges; e++) dot_edge(out, g, &g->edges[e]);
    eyot__buf_text(out, "}\n");
}

/* ---- Mermaid --------------------------------------------------------------------------------------------------- */

/* Quoted text of Mermaid: what it could take for syntax, HTML or Markdown becomes a character code. */
static void mermaid_text(eyot_buf *out, const char *text)
{
    eyot__buf_text(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            eyot__buf_u8(out, ' ');
        else if (strchr("\"#&<>\\`*_|[](){};", c))
            eyot__buf_format(out, "#%u;", c);
        else
            eyot__buf_u8(out, c);
    }
    eyot__buf_text(out, "\"");
}

/* Ids could be words of the language ("end"): nodes are numbered. */
static void mermaid_node(eyot_buf *out, const eyot_graph *g, uint32_t v)
{
    const eyot__tnode *shape = &g->shape->nodes[v];
    eyot__buf_format(out, "  n%u%s", (unsigned)v, shape->one_by_one ? "[[" : "(");
    mermaid_text(out, g->nodes[v].id);
    eyot__buf_format(out, "%s%s\n", shape->one_by_one ? "]]" : ")", shape->start ? ":::start" : "");
}

static void mermaid_edge(eyot_buf *out, const eyot__gedge *edge)
{
    eyot__buf_format(out, "  n%u ", (unsigned)edge->from);
    switch (edge->kind) {
    case EYOT__EDGE_ALWAYS: eyot__buf_text(out, "-->"); break;
    case EYOT__EDGE_IF:
        eyot__buf_text(out, "-->|");
        mermaid_text(out, edge->name);
        eyot__buf_text(out, "|");
        break;
    case EYOT__EDGE_OTHERWISE: eyot__buf_text(out, "-.->|\"otherwise\"|"); break;
    case EYOT__EDGE_EACH: eyot__buf_text(out, "==>|\"each\"|"); break;
    case EYOT__EDGE_ROUTED: eyot__buf_text(out, "-.->|\"routed\"|"); break;
    }
    eyot__buf_format(out, " n%u\n", (unsigned)edge->to);
}

static void write_mermaid(eyot_buf *out, const eyot_graph *g)
{
    eyot__buf_text(out, "flowchart TD\n");
    for (uint32_t v = 0; v < g->n_nodes; v++) mermaid_node(out, g, v);
    for (uint32_t e = 0; e < g->n_edges; e++) mermaid_edge(out, &g->edges[e]);
    eyot__buf_text(out, "  classDef start stroke-width:3px\n");
}

eyot_status eyot_graph_draw(const eyot_graph *g, eyot_graph_format format, char **text, eyot_error *e)
{
    if (!text) return eyot_error_set(e, EYOT_EINVAL, "there is no place for the drawing");
    *text = NULL;
    if (!g || !g->frozen) return eyot_error_set(e, EYOT_EINVAL, "graph %s is not frozen", g ? g->name : "(NULL)");
    eyot_buf out = EYOT__BUF_INIT;
    switch (format) {
    case EYOT_GRAPH_JSON: eyot_buf_add(&out, g->form, g->form_len); break;
    case EYOT_GRAPH_DOT: write_dot(&out, g); break;
    case EYOT_GRAPH_MERMAID: write_mermaid(&out, g); break;
    default: return eyot_error_set(e, EYOT_EINVAL, "graph %s: format %d is unknown", g->name, (int)format);
    }
    eyot__buf_u8(&out, 0);
    if (out.failed) {
        eyot_status status = out.failed;
        eyot__buf_clear(&out);
        return eyot_error_set(e, status, "graph %s: %s", g->name, eyot_status_text(status));
    }
    *text = (char *)out.data;
    return EYOT_OK;
}
