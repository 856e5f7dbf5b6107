/* SPDX-License-Identifier: MIT */
/* Makes the eyot_graph of a graph file. */
#include "cli/flow.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <eyot/nodes.h>

#include "cli/flow_own.h"

/* ---- modules ---------------------------------------------------------------------------------------------------- */

/* "lib/words.so" is the module "words". */
static bool is_module(const char *path, const char *module)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t len = strlen(module);
    return strncmp(base, module, len) == 0 && strcmp(base + len, ".so") == 0;
}

static eyot_status load(flow *f, const char *path, const eyot_nodes **table, eyot_error *e)
{
    char here[4200];
    snprintf(here, sizeof here, "%s%.4096s", strchr(path, '/') ? "" : "./", path);
    void *module = dlopen(here, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); /* it may have threads */
    if (!module) return eyot_error_set(e, EYOT_EINVAL, "--nodes: %s", dlerror());
    f->modules[f->n_modules++] = module;
    void *symbol = dlsym(module, "eyot_nodes_table");
    if (!symbol) return eyot_error_set(e, EYOT_EINVAL, "--nodes: %s defines no eyot_nodes_table", path);
    const eyot_nodes *(*get)(void);
    memcpy(&get, &symbol, sizeof get); /* POSIX lets a function's address be kept so; ISO C has no cast for it */
    *table = get();
    if (!*table || (*table)->abi != EYOT_NODES_ABI)
        return eyot_error_set(e, EYOT_EINVAL, "--nodes: %s is made for ABI %u of nodes; this eyot has %u", path,
                              *table ? (*table)->abi : 0, EYOT_NODES_ABI);
    return EYOT_OK;
}

/* The functions of all `call` nodes. Every module is loaded, so that a wrong one is told of although nobody calls it. */
static eyot_status find_functions(flow *f, const flow_options *o, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    const eyot_nodes **tables = calloc(o->n_modules + 1, sizeof *tables);
    f->modules = calloc(o->n_modules + 1, sizeof *f->modules);
    if (!tables || !f->modules) status = eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (size_t m = 0; m < o->n_modules && !status; m++) status = load(f, o->modules[m], &tables[m], e);
    for (size_t i = 0; i < f->file->n_nodes && !status; i++) {
        const gf_node *n = &f->file->nodes[i];
        const eyot_nodes *table = NULL;
        if (n->kind != GF_CALL) continue;
        for (size_t m = 0; m < o->n_modules && !table; m++)
            if (is_module(o->modules[m], n->module)) table = tables[m];
        if (!table && !o->loop) continue; /* only looked at */
        if (!table) {
            status = eyot_error_set(e, EYOT_EINVAL, "node \"%s\" calls module %s: name it with --nodes PATH/%s.so",
                                    n->id, n->module, n->module);
            continue;
        }
        for (uint32_t k = 0; k < table->n; k++) {
            if (strcmp(table->entries[k].name, n->function) != 0) continue;
            f->nodes[i].fn = table->entries[k].fn;
            f->nodes[i].user = table->entries[k].user;
        }
        if (!f->nodes[i].fn)
            status = eyot_error_set(e, EYOT_EINVAL, "node \"%s\": module %s has no function %s", n->id, n->module,
                                    n->function);
    }
    free(tables);
    return status;
}

/* ---- nodes and edges -------------------------------------------------------------------------------------------- */

/* Lists the programs of a node; false without memory. */
static bool list_programs(flow_node *n)
{
    const gf_node *gf = n->gf;
    char *const *exprs = n->flow->file->exprs;
    n->before = calloc(gf->n_env + 1, sizeof *n->before);
    n->after = calloc(2 * gf->n_edges + 1, sizeof *n->after);
    if (!n->before || !n->after) return false;
    for (size_t i = 0; i < gf->n_env; i++) n->before[n->n_before++] = exprs[gf->env[i].expr];
    if (gf->expr != GF_NO_EXPR) n->before[n->n_before++] = exprs[gf->expr];
    for (size_t i = 0; i < gf->n_edges; i++) {
        const gf_edge *edge = &gf->edges[i];
        n->routes |= edge->otherwise || edge->when != GF_NO_EXPR || edge->each != GF_NO_EXPR || !edge->to;
        if (edge->when != GF_NO_EXPR) n->after[n->n_after++] = exprs[edge->when];
        if (edge->each != GF_NO_EXPR) n->after[n->n_after++] = exprs[edge->each];
    }
    n->routes |= gf->on_error == GF_CATCH;
    return true;
}

/* What the node does, as text, for drawings. */
static const char *action_of(const graphfile *file, const gf_node *gf)
{
    switch (gf->kind) {
    case GF_RUN: return gf->command;
    case GF_EXEC: return gf->argv[0];
    case GF_JQ:
    case GF_ASK: return file->exprs[gf->expr];
    case GF_CALL: return gf->function;
    default: return NULL;
    }
}

/* A relative `cwd` begins where the run began, wherever it goes on. False without memory. */
static bool place_commands(flow_node *n)
{
    const char *own = n->gf->cwd, *base = n->flow->cwd;
    if (own && *own != '/' && base) {
        size_t room = strlen(base) + strlen(own) + 2;
        n->cwd = malloc(room);
        if (n->cwd) snprintf(n->cwd, room, "%s/%s", base, own);
        return n->cwd != NULL;
    }
    if (!own) own = base;
    n->cwd = own ? strdup(own) : NULL;
    return !own || n->cwd;
}

static void add_node(flow *f, flow_node *n)
{
    const gf_node *gf = n->gf;
    eyot_node_options o = EYOT_NODE_OPTIONS_INIT;
    o.flags = gf->each ? EYOT_NODE_EACH : 0;
    o.version = gf->version;
    o.action = action_of(f->file, gf);
    o.timeout_ms = gf->timeout_ms;
    o.grace_ms =
        gf->grace_ms + 1000; /* after TERM and KILL a command is gone: its end is waited for, not only its grace */
    o.attempts = gf->attempts;
    o.retry_delay_ms = gf->delay_ms;
    o.retry_max_ms = gf->max_delay_ms;
    o.retry_factor = gf->factor;
    o.retry_jitter = gf->jitter;
    if (gf->on_error != GF_FAIL) o.rescue = flow_rescue;
    eyot_graph_node_with(f->graph, gf->id, flow_run_node, n, &o);
}

/* Edges to `end` are none of the graph's: the branch ends. */
static void add_edges(flow *f, flow_node *n)
{
    const gf_node *gf = n->gf;
    bool caught = gf->on_error != GF_CATCH;
    for (size_t i = 0; i < gf->n_edges; i++) {
        const gf_edge *edge = &gf->edges[i];
        if (!edge->to) continue;
        if (!caught && strcmp(edge->to, gf->catch_to) == 0) caught = true;
        if (edge->each != GF_NO_EXPR) {
            eyot_graph_edge_each(f->graph, gf->id, edge->to);
        } else if (edge->when != GF_NO_EXPR) {
            flow_condition *c = &f->conditions[f->n_conditions++];
            *c = (flow_condition){f, f->file->exprs[edge->when]};
            eyot_graph_edge_if(f->graph, gf->id, edge->to, c->program, flow_condition_holds, c);
        } else if (edge->otherwise) {
            eyot_graph_edge_otherwise(f->graph, gf->id, edge->to);
        } else {
            eyot_graph_edge(f->graph, gf->id, edge->to);
        }
    }
    if (!caught) eyot_graph_edge_routed(f->graph, gf->id, gf->catch_to);
}

/* The source of a graph is its file's canonical text; the one now is this file's. */
static eyot_status compare_sources(const char *before, const char *now, void *user, eyot_change_fn tell, void *arg)
{
    const flow *f = user;
    gf_problems problems = {0};
    (void)now;
    graphfile *was = graphfile_read("the run's graph", before, strlen(before), NULL, NULL, &problems);
    eyot_status status = was ? graphfile_compare(was, f->file, tell, arg) : EYOT_EPARSE;
    gf_problems_clear(&problems);
    graphfile_free(was);
    return status;
}

static eyot_status build(flow *f, eyot_error *e)
{
    const graphfile *file = f->file;
    size_t n_edges = 0;
    eyot_status status = eyot_graph_new(&f->graph, file->name, file->msgpack ? eyot_msgpack() : eyot_json());
    if (status) return eyot_error_set(e, status, "graph %s: %s", file->name, eyot_status_text(status));
    for (size_t i = 0; i < file->n_nodes; i++) n_edges += file->nodes[i].n_edges;
    f->conditions = calloc(n_edges + 1, sizeof *f->conditions);
    if (!f->conditions) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (size_t i = 0; i < file->n_reduce; i++)
        eyot_graph_reduce_with(f->graph, file->reduce[i].key, file->reduce[i].reducer, file->reduce[i].limit);
    for (size_t i = 0; i < file->n_nodes; i++) {
        if (!list_programs(&f->nodes[i]) || !place_commands(&f->nodes[i]))
            return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
        add_node(f, &f->nodes[i]);
    }
    for (size_t i = 0; i < file->n_nodes; i++) add_edges(f, &f->nodes[i]);
    for (size_t i = 0; i < file->n_starts; i++) eyot_graph_start(f->graph, file->starts[i]);
    eyot_graph_source(f->graph, file->canonical, strlen(file->canonical));
    eyot_graph_compare_sources(f->graph, compare_sources, f);
    return eyot_graph_freeze(f->graph, e);
}

/* ---- a flow ----------------------------------------------------------------------------------------------------- */

eyot_status flow_make(flow **out, const graphfile *file, const flow_options *options, eyot_error *e)
{
    *out = NULL;
    flow *f = calloc(1, sizeof *f);
    if (!f) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    f->file = file;
    f->loop = options->loop;
    f->store = options->store;
    f->observe = options->observe;
    f->arg = options->arg;
    f->cwd = options->cwd ? strdup(options->cwd) : NULL;
    f->nodes = calloc(file->n_nodes + 1, sizeof *f->nodes);
    eyot_status status = EYOT_OK;
    if (!f->nodes || (options->cwd && !f->cwd)) status = eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (size_t i = 0; i < file->n_nodes && !status; i++) f->nodes[i] = (flow_node){.flow = f, .gf = &file->nodes[i]};
    if (!status) status = find_functions(f, options, e);
    if (!status) status = build(f, e);
    if (status) {
        flow_free(f);
        return status;
    }
    *out = f;
    return EYOT_OK;
}

const eyot_graph *flow_graph(const flow *f)
{
    return f->graph;
}

bool flow_is_busy(const flow *f)
{
    return f && atomic_load(&f->inside) > 0;
}

void flow_free(flow *f)
{
    if (!f) return;
    eyot_graph_free(f->graph);
    for (size_t i = 0; f->nodes && i < f->file->n_nodes; i++) {
        free(f->nodes[i].before);
        free(f->nodes[i].after);
        free(f->nodes[i].cwd);
    }
    for (size_t i = 0; i < f->n_modules; i++) dlclose(f->modules[i]);
    free(f->modules);
    free(f->nodes);
    free(f->conditions);
    free(f->cwd);
    free(f);
}
