/* SPDX-License-Identifier: MIT */
#include "cli/stored.h"

#include "cli/out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- graphs of programs ----------------------------------------------------------------------------------------- */

static eyot_status cannot_run(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_fail(task, "this node is a function of another program");
}

static eyot_status cannot_tell(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)state, (void)taken, (void)user;
    return eyot_error_set(e, EYOT_ENOTSUP, "this condition is a function of another program");
}

static const char *text_at(const eyot_value *map, const char *key)
{
    return eyot_value_string(eyot_value_at(map, key), NULL);
}

static void add_nodes(eyot_graph *g, const eyot_value *form)
{
    eyot_value_iter it = eyot_value_each(eyot_value_at(form, "nodes"));
    while (eyot_value_next(&it)) {
        eyot_node_options options = EYOT_NODE_OPTIONS_INIT;
        if (eyot_value_bool(eyot_value_at(it.value, "each"), false)) options.flags |= EYOT_NODE_EACH;
        options.version = text_at(it.value, "version");
        options.action = text_at(it.value, "action");
        eyot_graph_node_with(g, text_at(it.value, "id"), cannot_run, NULL, &options);
    }
    it = eyot_value_each(eyot_value_at(form, "starts"));
    while (eyot_value_next(&it)) eyot_graph_start(g, eyot_value_string(it.value, NULL));
}

static void add_edges(eyot_graph *g, const eyot_value *form)
{
    eyot_value_iter it = eyot_value_each(eyot_value_at(form, "edges"));
    while (eyot_value_next(&it)) {
        const char *from = text_at(it.value, "from"), *to = text_at(it.value, "to"), *kind = text_at(it.value, "kind");
        if (!kind)
            eyot_graph_edge(g, from, to);
        else if (strcmp(kind, "if") == 0)
            eyot_graph_edge_if(g, from, to, text_at(it.value, "condition"), cannot_tell, NULL);
        else if (strcmp(kind, "otherwise") == 0)
            eyot_graph_edge_otherwise(g, from, to);
        else if (strcmp(kind, "each") == 0)
            eyot_graph_edge_each(g, from, to);
        else
            eyot_graph_edge_routed(g, from, to);
    }
}

/* The reducers' text: lines of `length:key=reducer limit`. False: it is none. */
static bool add_reducers(eyot_graph *g, const char *text)
{
    static const char *const names[] = {"replace", "append", "add",   "min",   "max",
                                        "first",   "last",   "union", "merge", "local"};
    while (text && *text) {
        char *end, key[1024];
        unsigned long len = strtoul(text, &end, 10);
        if (*end != ':' || len >= sizeof key || strnlen(end, len + 2) < len + 2 || end[len + 1] != '=') return false;
        memcpy(key, end + 1, len);
        key[len] = '\0';
        const char *name = end + len + 2;
        size_t name_len = strcspn(name, " \n"), i = 0;
        while (i < 10 && (strlen(names[i]) != name_len || strncmp(names[i], name, name_len) != 0)) i++;
        if (i == 10) return false;
        uint64_t limit = name[name_len] == ' ' ? strtoull(name + name_len, NULL, 10) : 0;
        eyot_graph_reduce_with(g, key, (eyot_reducer)i, limit);
        text = strchr(name, '\n');
        if (text) text++;
    }
    return true;
}

static const eyot_copier *find_copier(const char *name)
{
    const eyot_copier *const known[] = {eyot_json(), eyot_msgpack(), eyot_bytes_copier()};
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i]->name, name) == 0) return known[i];
    return NULL;
}

static int make_own(stored *out, const run_row *row, const eyot_value *form)
{
    eyot_error e;
    const char *name = text_at(form, "copier");
    const eyot_copier *copier = find_copier(name);
    if (!copier)
        return out_error(EXIT_STORED, "run %s keeps its states as \"%s\", which only its own program can read", row->id,
                         name ? name : "?");
    if (eyot_graph_new(&out->own, row->graph, copier) != EYOT_OK) return out_error(EXIT_FAILED, "out of memory");
    add_nodes(out->own, form);
    add_edges(out->own, form);
    if (!add_reducers(out->own, text_at(form, "reducers")) || eyot_graph_freeze(out->own, &e) != EYOT_OK)
        return out_error(EXIT_STORED, "the graph that is stored for run %s cannot be read", row->id);
    /* What a program tells about itself beyond its graph's form cannot be made again. */
    if (strcmp(eyot_graph_fingerprint(out->own), out->fingerprint) != 0)
        return out_error(EXIT_STORED, "run %s belongs to a program; only that can read it", row->id);
    out->graph = out->own;
    return EXIT_DONE;
}

/* ---- both kinds ------------------------------------------------------------------------------------------------- */

static int read_file(stored *out, const run_row *row)
{
    gf_problems problems = {0};
    char name[160];
    snprintf(name, sizeof name, "graph of %s", row->id);
    out->file = graphfile_read(name, out->source, strlen(out->source), NULL, NULL, &problems);
    int code = EXIT_DONE;
    if (!out->file)
        code = out_error(EXIT_STORED, "the graph that is stored for run %s cannot be read: %s", row->id,
                         problems.n > 0 ? problems.lines[0] : "out of memory");
    gf_problems_clear(&problems);
    return code;
}

/* The form of a program's graph, owned by the caller; NULL when the source is something else. */
static eyot_value *program_form(const char *source)
{
    eyot_value *form = eyot_json_parse(source, NULL);
    if (eyot_value_at(form, "eyot_graph")) return form;
    eyot_value_unref(form);
    return NULL;
}

static int read_source(stored *out, place *p, const run_row *row)
{
    eyot_error e;
    eyot_buf *buf = eyot_buf_new();
    if (!buf) return out_error(EXIT_FAILED, "out of memory");
    size_t len;
    eyot_status s = eyot_store_get_run_graph(p->store, row->id, out->fingerprint, buf, &e);
    if (s == EYOT_OK) {
        const char *text = eyot_buf_data(buf, &len);
        out->source = malloc(len + 1);
        if (out->source) memcpy(out->source, text, len + 1);
    }
    eyot_buf_free(buf);
    if (s != EYOT_OK) return out_failed(&e);
    return out->source ? EXIT_DONE : out_error(EXIT_FAILED, "out of memory");
}

int stored_read(stored *out, place *p, const run_row *row)
{
    *out = (stored){0};
    if (row->half)
        return out_error(EXIT_HELD,
                         "run %s is not whole: it is being imported, or its import was cut short; import it again, or "
                         "delete it",
                         row->id);
    int code = read_source(out, p, row);
    if (code != EXIT_DONE) return code;
    eyot_value *form = program_form(out->source);
    if (!form) code = read_file(out, row);
    eyot_value_unref(form);
    return code;
}

int stored_open(stored *out, place *p, const run_row *row)
{
    eyot_error e;
    flow_options look = {.store = p->store};
    int code = stored_read(out, p, row);
    if (code != EXIT_DONE) return code;
    if (!out->file) {
        eyot_value *form = program_form(out->source);
        code = form ? make_own(out, row, form) : out_error(EXIT_FAILED, "out of memory");
        eyot_value_unref(form);
        return code;
    }
    if (flow_make(&out->flow, out->file, &look, &e) != EYOT_OK) return out_failed(&e);
    out->graph = flow_graph(out->flow);
    return EXIT_DONE;
}

void stored_clear(stored *s)
{
    eyot_graph_free(s->own);
    flow_free(s->flow);
    graphfile_free(s->file);
    free(s->source);
    *s = (stored){0};
}

eyot_value *stored_value(const eyot_graph *g, const void *state)
{
    size_t len;
    if (!state) return NULL;
    if (eyot_graph_copier(g) != eyot_bytes_copier()) return eyot_value_ref(state);
    const void *bytes = eyot_blob_data(state, &len);
    return eyot_value_new_bytes(bytes, len);
}
