/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "test/eyot_test.h"
#include "test/model/cases.h"

#define MEMORY ((size_t)1 << 20) /* for what is made of one case */

struct model_reader {
    char *text, *at; /* the whole file; what comes next */
    char **again;    /* a line that was read too early */
    uint32_t line;
    size_t used;
    max_align_t *memory;
};

#define BAD(m, what) test_fail(__FILE__, __LINE__, "line %u of the model's file: %s", (m)->line, what)

static void *take(model_reader *m, size_t n, size_t size)
{
    size_t align = sizeof(max_align_t), bytes = (n * size + align - 1) / align * align;
    if (bytes > MEMORY - m->used) BAD(m, "the case is too large");
    void *p = (char *)m->memory + m->used;
    m->used += bytes;
    memset(p, 0, bytes);
    return p;
}

model_reader *model_open(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) test_fail(__FILE__, __LINE__, "%s cannot be read", path);
    model_reader *m = calloc(1, sizeof *m);
    size_t len = 0;
    if (m && fseek(f, 0, SEEK_END) == 0 && ftell(f) > 0) len = (size_t)ftell(f);
    if (m) m->text = m->at = calloc(1, len + 1);
    if (m) m->memory = malloc(MEMORY);
    rewind(f);
    bool ok = m && m->text && m->memory && len > 0 && fread(m->text, 1, len, f) == len;
    fclose(f);
    if (!ok) {
        model_close(m);
        test_fail(__FILE__, __LINE__, "%s cannot be read", path);
    }
    return m;
}

void model_close(model_reader *m)
{
    if (!m) return;
    free(m->text);
    free(m->memory);
    free(m);
}

/* Cuts the next line into its words; false at the end of the file. */
static bool next_words(model_reader *m, char ***words)
{
    if (m->again) {
        *words = m->again;
        m->again = NULL;
        return true;
    }
    char *end = strchr(m->at, '\n');
    if (!end) return false;
    size_t n = 1;
    *end = '\0';
    for (char *p = m->at; *p; p++) n += *p == ' ';
    *words = take(m, n + 1, sizeof **words);
    n = 0;
    for (char *p = m->at; p;) {
        (*words)[n++] = p;
        p = strchr(p, ' ');
        if (p) *p++ = '\0';
    }
    m->at = end + 1;
    m->line++;
    return true;
}

static uint32_t number(model_reader *m, const char *text, char **end)
{
    char *stop;
    unsigned long v = strtoul(text, &stop, 10);
    if (stop == text || v > UINT32_MAX || (!end && *stop)) BAD(m, "a number is malformed");
    if (end) *end = stop;
    return (uint32_t)v;
}

static void skip(model_reader *m, char **at, char c)
{
    if (**at != c) BAD(m, "a word is malformed");
    ++*at;
}

static uint32_t count(char **words)
{
    uint32_t n = 0;
    while (words[n]) n++;
    return n;
}

static model_edge read_edge(model_reader *m, char *word)
{
    model_edge e = {0};
    e.from = number(m, word, &word);
    skip(m, &word, '>');
    e.to = number(m, word, NULL);
    return e;
}

static void mark_sends(model_reader *m, model_edge *edges, uint32_t n, char **words)
{
    for (; *words; words++) {
        model_edge e = read_edge(m, *words);
        uint32_t i = 0;
        while (i < n && (edges[i].from != e.from || edges[i].to != e.to)) i++;
        if (i == n) BAD(m, "there is no such edge");
        edges[i].sends = true;
    }
}

static uint32_t *numbers(model_reader *m, char **words)
{
    uint32_t n = count(words), *list = take(m, n, sizeof *list);
    for (uint32_t i = 0; i < n; i++) list[i] = number(m, words[i], NULL);
    return list;
}

static bool *marks(model_reader *m, uint32_t n, char **words)
{
    bool *list = take(m, n, sizeof *list);
    for (; *words; words++) {
        uint32_t v = number(m, *words, NULL);
        if (v >= n) BAD(m, "there is no such node");
        list[v] = true;
    }
    return list;
}

/* Reads the lines of a graph and leaves the first one after them to be read. */
static void read_graph(model_reader *m, model_graph *g)
{
    model_edge *edges = NULL;
    char **words;
    memset(g, 0, sizeof *g);
    while (next_words(m, &words)) {
        if (strcmp(words[0], "nodes") == 0 && words[1]) {
            g->n_nodes = number(m, words[1], NULL);
            g->each = marks(m, g->n_nodes, words + 2);
        } else if (strcmp(words[0], "starts") == 0) {
            g->n_starts = count(words + 1);
            g->starts = numbers(m, words + 1);
        } else if (strcmp(words[0], "edges") == 0) {
            g->n_edges = count(words + 1);
            g->edges = edges = take(m, g->n_edges, sizeof *edges);
            for (uint32_t i = 0; i < g->n_edges; i++) edges[i] = read_edge(m, words[i + 1]);
        } else if (strcmp(words[0], "sends") == 0) {
            mark_sends(m, edges, g->n_edges, words + 1);
        } else if (strcmp(words[0], "each") == 0) {
            g->each = marks(m, g->n_nodes, words + 1);
        } else {
            m->again = words;
            return;
        }
    }
    BAD(m, "the graph does not end");
}

/* Goes to the next record; false at the end of the file. */
static bool begin(model_reader *m, const char *kind, char ***words)
{
    m->used = 0;
    if (!next_words(m, words)) return false;
    if (strcmp((*words)[0], kind) != 0 || !(*words)[1]) BAD(m, "a record begins with another word");
    return true;
}

/* ---- shapes ---------------------------------------------------------------------------------------------------- */

bool model_next_graph(model_reader *m, model_graph *g)
{
    char **words;
    if (!begin(m, "shape", &words)) return false;
    read_graph(m, g);
    return true;
}

bool model_next_line(model_reader *m, char ***words)
{
    if (!next_words(m, words)) BAD(m, "the record does not end");
    return strcmp((*words)[0], "end") != 0;
}

/* ---- runs ------------------------------------------------------------------------------------------------------ */

/* sum=N, r0=N, r1=N, r2=N */
static bool read_value(model_reader *m, char *word, int64_t *sum, int64_t *r)
{
    if (strncmp(word, "sum=", 4) == 0) {
        *sum = number(m, word + 4, NULL);
        return true;
    }
    if (word[0] != 'r' || word[1] < '0' || word[1] >= '0' + MODEL_KEYS || word[2] != '=') return false;
    r[word[1] - '0'] = number(m, word + 3, NULL);
    return true;
}

static void read_task(model_reader *m, model_task *t, char **words)
{
    char *end;
    *t = (model_task){.key = words[1], .sum = MODEL_ABSENT, .r = {MODEL_ABSENT, MODEL_ABSENT, MODEL_ABSENT}};
    t->node = number(m, words[1], &end);
    words += 2;
    model_route *route = take(m, count(words), sizeof *route);
    t->route = route;
    for (; *words; words++) {
        if (strcmp(*words, "log") == 0) {
            t->log = true;
        } else if (strcmp(*words, "own") == 0) {
            t->own = true;
        } else if (!read_value(m, *words, &t->sum, t->r)) {
            char *at = *words;
            model_route *way = &route[t->n_route++];
            skip(m, &at, '>');
            way->to = number(m, at, &at);
            way->plain = *at == '\0';
            if (!way->plain) skip(m, &at, '*');
            if (!way->plain) way->items = number(m, at, NULL);
        }
    }
}

/* I, or I>T[K] */
static model_entry read_entry(model_reader *m, const model_case *c, char *word)
{
    model_entry e = {.task = number(m, word, &word)};
    if (e.task >= c->n_tasks) BAD(m, "there is no such task");
    e.name = c->tasks[e.task].key;
    e.is_item = *word == '>';
    if (!e.is_item) return e;
    size_t len = strlen(e.name) + strlen(word) + 1;
    char *name = take(m, len, 1);
    snprintf(name, len, "%s%s", e.name, word);
    e.name = name;
    word++;
    e.to = number(m, word, &word);
    skip(m, &word, '[');
    e.item = number(m, word, &word);
    skip(m, &word, ']');
    return e;
}

static void read_history(model_reader *m, model_case *c, char **words)
{
    model_entry *history = take(m, count(words), sizeof *history);
    const char **log = take(m, c->n_tasks, sizeof *log);
    for (; *words; words++) {
        model_entry e = read_entry(m, c, *words);
        history[c->n_history++] = e;
        if (!e.is_item && c->tasks[e.task].log) log[c->n_log++] = e.name;
    }
    c->history = history;
    c->log = log;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The tasks, which are the lines that come first after the graph. */
static void read_tasks(model_reader *m, model_case *c)
{
    char *at = m->at, **words;
    uint32_t most = 1;
    for (; strncmp(at, "task ", 5) == 0 && strchr(at, '\n'); at = strchr(at, '\n') + 1) most++;
    model_task *tasks = take(m, most, sizeof *tasks);
    while (model_next_line(m, &words) && strcmp(words[0], "task") == 0 && words[1]) {
        if (c->n_tasks == most) BAD(m, "a task in a wrong place");
        read_task(m, &tasks[c->n_tasks++], words);
    }
    m->again = words;
    c->tasks = tasks;
    const char **keys = take(m, c->n_tasks, sizeof *keys);
    for (uint32_t i = 0; i < c->n_tasks; i++) keys[i] = tasks[i].key;
    qsort(keys, c->n_tasks, sizeof *keys, by_text);
    c->sorted_keys = keys;
}

static void read_conflict(model_reader *m, model_case *c, char **words)
{
    model_conflict *more = take(m, c->n_conflicts + 1, sizeof *more);
    if (count(words) != 3 || words[0][0] != 'r') BAD(m, "a conflict is malformed");
    if (c->n_conflicts > 0) memcpy(more, c->conflicts, c->n_conflicts * sizeof *more);
    more[c->n_conflicts].key = number(m, words[0] + 1, NULL);
    more[c->n_conflicts].first = read_entry(m, c, words[1]);
    more[c->n_conflicts++].second = read_entry(m, c, words[2]);
    c->conflicts = more;
}

bool model_next(model_reader *m, model_case *c)
{
    char **words;
    if (!begin(m, "case", &words)) return false;
    *c = (model_case){.seed = number(m, words[1], NULL), .sum = MODEL_ABSENT};
    for (int i = 0; i < MODEL_KEYS; i++) c->r[i] = MODEL_ABSENT;
    read_graph(m, &c->graph);
    read_tasks(m, c);
    while (model_next_line(m, &words)) {
        if (strcmp(words[0], "history") == 0) {
            read_history(m, c, words + 1);
        } else if (strcmp(words[0], "conflict") == 0) {
            read_conflict(m, c, words + 1);
        } else if (strcmp(words[0], "state") == 0) {
            for (words++; *words; words++)
                if (!read_value(m, *words, &c->sum, c->r)) BAD(m, "a value is malformed");
        } else {
            BAD(m, "a line begins with an unknown word");
        }
    }
    return true;
}

const model_task *model_find(const model_case *c, const char *key)
{
    for (uint32_t i = 0; i < c->n_tasks; i++)
        if (strcmp(c->tasks[i].key, key) == 0) return &c->tasks[i];
    return NULL;
}
