/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/input.h"
#include "cli/out.h"
#include "cli/stored.h"

#include <string.h>
#include <sys/stat.h>

static const args_option options[] = {
    {.name = "format", .value = "FORM", .choices = "dot|mermaid|json", .help = "dot for Graphviz, and without it"},
    {.name = NULL},
};

static int draw(const args *a, const eyot_graph *g)
{
    eyot_error e;
    char *text = NULL;
    const char *name = args_text(a, "format", "dot");
    eyot_graph_format format = strcmp(name, "dot") == 0       ? EYOT_GRAPH_DOT
                               : strcmp(name, "mermaid") == 0 ? EYOT_GRAPH_MERMAID
                                                              : EYOT_GRAPH_JSON;
    if (eyot_graph_draw(g, format, &text, &e) != EYOT_OK) return out_failed(&e);
    out_lines(text, strlen(text));
    eyot_free(text);
    return EXIT_DONE;
}

static int draw_file(const args *a)
{
    eyot_error e;
    flow *f = NULL;
    flow_options look = {.loop = NULL};
    int code = EXIT_DONE;
    graphfile *file = input_graph(a->words[0], NULL, &code);
    if (!file) return code;
    if (flow_make(&f, file, &look, &e) == EYOT_OK)
        code = draw(a, flow_graph(f));
    else
        code = out_error(EXIT_USAGE, "%s", e.text);
    flow_free(f);
    graphfile_free(file);
    return code;
}

static int draw_run(const args *a)
{
    place p;
    run_word word;
    run_row row;
    stored s = {0};
    int code = place_open_run(&p, a, RUN_ALONE, &word, &row);
    if (code == EXIT_DONE) code = stored_open(&s, &p, &row);
    if (code == EXIT_DONE) code = draw(a, s.graph);
    stored_clear(&s);
    place_close(&p);
    return code;
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

/* A file of this name is meant before a run is; what has a slash or ends like a graph file can only be a file. */
static int graph_main(const args *a)
{
    const char *word = a->words[0], *dot = strrchr(word, '.');
    bool like_a_file = strchr(word, '/') || strcmp(word, "-") == 0 ||
                       (dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".json") == 0));
    return like_a_file || is_there(word) ? draw_file(a) : draw_run(a);
}

const verb verb_graph = {.name = "graph",
                         .words = "FILE|RUN",
                         .min_words = 1,
                         .max_words = 1,
                         .summary = "draw the graph of a file or a run",
                         .about = "  eyot graph digest.yaml | dot -Tsvg >digest.svg",
                         .options = options,
                         .uses_store = true,
                         .main = graph_main};
