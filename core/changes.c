/* SPDX-License-Identifier: MIT */
#include "core/changes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/graph_form.h"
#include "core/store.h"

enum { SHOWN = 60, PAGE_ENTRIES = 1024 };

static eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

/* ---- the run's graph ------------------------------------------------------------------------------------------- */

/* The note: the fingerprint, then the touched, one per line, an empty line, and the source. */
static eyot_status read_note(eyot__run_graph *out, const char *run_id, const eyot_buf *note, eyot_error *e)
{
    const char *text = (const char *)note->data, *end = text + note->len, *line = text + 65;
    if (note->len < 66 || strspn(text, "0123456789abcdef") != 64 || text[64] != '\n') goto damaged;
    memcpy(out->fingerprint, text, 64);
    while (line < end && *line != '\n') {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next) goto damaged;
        eyot_buf_add(&out->touched, line, (size_t)(next + 1 - line));
        line = next + 1;
    }
    if (line == end) goto damaged;
    eyot_buf_add(&out->source, line + 1, (size_t)(end - line - 1));
    out->noted = true;
    return EYOT_OK;
damaged:
    return eyot_error_set(e, EYOT_ECORRUPT, "run %s: the note \"%s\" is damaged", run_id, EYOT_NOTE_GRAPH);
}

eyot_status eyot__run_graph_read(eyot__run_graph *out, eyot_store *store, const char *run_id,
                                 const char *row_fingerprint, const eyot_graph *g, eyot_error *e)
{
    eyot_buf note = EYOT__BUF_INIT;
    eyot_error own = {.status = EYOT_OK}; /* that there is no note is no failure */
    bool same = g && strcmp(g->fingerprint, row_fingerprint) == 0;
    *out = (eyot__run_graph){.noted = false};
    memcpy(out->fingerprint, row_fingerprint, strlen(row_fingerprint) + 1);
    eyot_status status = eyot_store_get_note(store, run_id, EYOT_NOTE_GRAPH, &note, &own);
    if (!status)
        status = read_note(out, run_id, &note, e);
    else if (status == EYOT_ENOTFOUND || status == EYOT_ENOTSUP)
        status =
            same ? EYOT_OK
                 : eyot__store_get_graph(store, eyot__bytes(row_fingerprint, strlen(row_fingerprint)), &out->source, e);
    else if (e)
        *e = own;
    eyot__buf_u8(&out->source, 0);
    if (!status && (out->source.failed || out->touched.failed)) status = no_memory(e);
    eyot__buf_clear(&note);
    if (status) eyot__run_graph_clear(out);
    return status;
}

void eyot__run_graph_clear(eyot__run_graph *g)
{
    eyot__buf_clear(&g->touched);
    eyot__buf_clear(&g->source);
}

/* The line from `line` on, without its newline; NULL behind the last. */
static const char *next_line(const eyot_buf *touched, const char *line, size_t *len)
{
    const char *end = (const char *)touched->data + touched->len;
    const char *stop = line && line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    *len = stop ? (size_t)(stop - line) : 0;
    return stop ? line : NULL;
}

static void touch(eyot_buf *touched, const char *word)
{
    size_t n = strlen(word), len;
    const char *line = (const char *)touched->data;
    for (; (line = next_line(touched, line, &len)); line += len + 1)
        if (len == n && memcmp(line, word, n) == 0) return;
    eyot__buf_format(touched, "%s\n", word);
}

/* Which differences leave records of several meanings behind. */
static void touch_all(eyot_buf *touched, const eyot__changes *c, const eyot_graph *g)
{
    for (size_t i = 0; i < c->n; i++) {
        const eyot_change *change = &c->list[i].told;
        if (change->harmless) continue;
        if (change->kind == EYOT_CHANGE_OTHER && !change->node)
            for (uint32_t v = 0; v < g->n_nodes; v++) touch(touched, g->nodes[v].id);
        if (change->node) touch(touched, change->node);
    }
}

eyot_status eyot__run_graph_write(const eyot__run_graph *was, const eyot__changes *c, eyot_store *store,
                                  const char *run_id, const eyot_graph *g, eyot_error *e)
{
    eyot_buf touched = EYOT__BUF_INIT, note = EYOT__BUF_INIT;
    eyot_error own = {.status = EYOT_OK};
    eyot__buf_put(&touched, was->touched.data, was->touched.len);
    touch_all(&touched, c, g);
    eyot__buf_format(&note, "%s\n", g->fingerprint);
    eyot__buf_put(&note, touched.data, touched.len);
    eyot__buf_text(&note, "\n");
    eyot__buf_put(&note, g->source, g->source_len);
    eyot_status status = touched.failed || note.failed
                             ? no_memory(&own)
                             : eyot_store_put_note(store, run_id, EYOT_NOTE_GRAPH, note.data, note.len, &own);
    eyot__buf_clear(&touched);
    eyot__buf_clear(&note);
    if (status == EYOT_ENOTSUP) return EYOT_OK;
    if (status && e) *e = own;
    return status;
}

/* ---- the list -------------------------------------------------------------------------------------------------- */

void eyot__changes_clear(eyot__changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->list[i].strings);
        free(c->list[i].line);
    }
    free(c->list);
    *c = (eyot__changes){.n = 0};
}

static size_t size_of(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static const char *keep(char **to, const char *text)
{
    char *kept = *to;
    size_t size = size_of(text);
    if (size) memcpy(kept, text, size);
    *to += size;
    return size ? kept : NULL;
}

static eyot_status add(void *arg, const eyot_change *change)
{
    eyot__changes *c = arg;
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 8;
        eyot__kept_change *list = realloc(c->list, cap * sizeof *list);
        if (!list) return EYOT_ENOMEM;
        c->list = list;
        c->cap = cap;
    }
    char *to = malloc(size_of(change->node) + size_of(change->to) + size_of(change->what) + size_of(change->before) +
                      size_of(change->now) + 1);
    if (!to) return EYOT_ENOMEM;
    eyot__kept_change *own = &c->list[c->n++];
    *own = (eyot__kept_change){.told = {.size = sizeof own->told, .kind = change->kind}, .strings = to};
    own->told.node = keep(&to, change->node);
    own->told.to = keep(&to, change->to);
    own->told.what = keep(&to, change->what);
    own->told.before = keep(&to, change->before);
    own->told.now = keep(&to, change->now);
    return EYOT_OK;
}

static eyot_status add_other(eyot__changes *c, const char *what)
{
    return add(c, &(eyot_change){.size = sizeof(eyot_change), .kind = EYOT_CHANGE_OTHER, .what = what});
}

static eyot_status compare_forms(eyot__changes *c, const eyot__graph_form *before, const eyot_graph *g)
{
    eyot__graph_form now;
    eyot_status status = eyot__graph_form_read(&now, g->form, g->form_len, NULL);
    if (!status) status = eyot__graph_form_compare(before, &now, add, c);
    eyot__graph_form_clear(&now);
    return status;
}

/* A source that only its own tool can read. Whatever it fails with, nobody knows what differs then. */
static eyot_status compare_sources(eyot__changes *c, const char *before, size_t len, const eyot_graph *g)
{
    eyot_status status = EYOT_EPARSE;
    if (g->compare && !memchr(before, '\0', len) && !memchr(g->source, '\0', g->source_len))
        status = g->compare(before, g->source, g->compare_user, add, c);
    if (!status || status == EYOT_ENOMEM) return status;
    eyot__changes_clear(c);
    return add_other(c, "the source of the graph");
}

/* All differences, without what the log adds. */
static eyot_status list_all(eyot__changes *c, const eyot__run_graph *was, const eyot_graph *g)
{
    eyot__graph_form before;
    const char *source = (const char *)was->source.data;
    bool given = strcmp(g->source, g->form) != 0;
    if (strcmp(was->fingerprint, g->fingerprint) == 0) return EYOT_OK;
    eyot_status status = eyot__graph_form_read(&before, source, was->source.len - 1, was->fingerprint);
    if (!status) {
        status = compare_forms(c, &before, g);
        if (!status && given) status = add_other(c, "the source of the graph");
    } else if (status == EYOT_EPARSE) {
        status = given ? compare_sources(c, source, was->source.len - 1, g) : add_other(c, "the source of the graph");
    }
    eyot__graph_form_clear(&before);
    return !status && c->n == 0 ? add_other(c, "the fingerprint") : status;
}

/* ---- the log --------------------------------------------------------------------------------------------------- */

typedef struct node_tasks {
    const char *id;
    size_t len;
    uint64_t tasks;
} node_tasks;

typedef struct tally {
    node_tasks *nodes; /* those that differences name, in the order of their ids */
    size_t n;
    uint64_t seq, step; /* of the entry before */
    uint32_t page;
    bool whole; /* every committed task has its entry */
} tally;

static int by_id(const void *a, const void *b)
{
    const node_tasks *x = a, *y = b;
    int order = memcmp(x->id, y->id, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static node_tasks *tasks_of(const tally *t, const char *id, size_t len)
{
    return bsearch(&(node_tasks){id, len, 0}, t->nodes, t->n, sizeof *t->nodes, by_id);
}

/* The key of a task begins with the id of its node. */
static size_t id_len(eyot_bytes key)
{
    const char *p = key.p;
    size_t n = 0;
    while (n < key.n && p[n] != '@' && p[n] != '[' && p[n] != '~') n++;
    return n;
}

static eyot_status count_entry(void *arg, const eyot_entry *entry)
{
    tally *t = arg;
    bool task = entry->kind == EYOT_ENTRY_TASK;
    t->whole &= entry->step == t->step + task; /* no task is missing, whatever else is */
    t->seq = entry->seq;
    t->step = entry->step;
    t->page++;
    node_tasks *node = task ? tasks_of(t, entry->key.p, id_len(entry->key)) : NULL;
    if (node) node->tasks++;
    return EYOT_OK;
}

static eyot_status count_tasks(tally *t, const eyot__changes *c, eyot_store *store, const char *run_id, eyot_error *e)
{
    t->nodes = malloc((c->n + 1) * sizeof *t->nodes);
    if (!t->nodes) return no_memory(e);
    for (size_t i = 0; i < c->n; i++) {
        const char *id = c->list[i].told.node;
        if (id) t->nodes[t->n++] = (node_tasks){id, strlen(id), 0};
    }
    qsort(t->nodes, t->n, sizeof *t->nodes, by_id);
    size_t n = t->n;
    t->n = 0;
    for (size_t i = 0; i < n; i++)
        if (t->n == 0 || by_id(&t->nodes[t->n - 1], &t->nodes[i]) != 0) t->nodes[t->n++] = t->nodes[i];
    eyot_status status = EYOT_OK;
    do {
        t->page = 0;
        status = eyot__store_list_entries(store, eyot__bytes(run_id, strlen(run_id)), t->seq + 1, PAGE_ENTRIES, false,
                                          count_entry, t, e);
    } while (!status && t->page == PAGE_ENTRIES);
    return status;
}

/* ---- the rule -------------------------------------------------------------------------------------------------- */

/* Conditions are asked when a task behind them is committed: until one is, another condition is another beginning. Which
 * edges and nodes there are decides what joins wait for: never harmless. */
static bool is_harmless(const eyot_change *change)
{
    switch (change->kind) {
    case EYOT_CHANGE_NAME:
    case EYOT_CHANGE_POLICY: return true;
    case EYOT_CHANGE_ACTION:
    case EYOT_CHANGE_VERSION:
    case EYOT_CHANGE_CONDITION: return change->node && change->tasks == 0;
    default: return false;
    }
}

static void put_quoted(eyot_buf *out, const char *text)
{
    size_t len = strlen(text), n = len;
    if (len > SHOWN)
        for (n = SHOWN - 3; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80;) n--;
    eyot__buf_u8(out, '"');
    for (size_t i = 0; i < n; i++)
        eyot__buf_u8(out, (unsigned char)text[i] < 0x20 || text[i] == 0x7F ? ' ' : (unsigned char)text[i]);
    eyot__buf_text(out, len > n ? "...\"" : "\"");
}

static bool tells_tasks(eyot_change_kind kind)
{
    return kind == EYOT_CHANGE_ACTION || kind == EYOT_CHANGE_VERSION || kind == EYOT_CHANGE_EACH ||
           kind == EYOT_CHANGE_CONDITION || kind == EYOT_CHANGE_NODE_REMOVED;
}

static void put_what(eyot_buf *out, const eyot_change *c)
{
    bool added = c->kind == EYOT_CHANGE_NODE_ADDED || c->kind == EYOT_CHANGE_EDGE_ADDED;
    bool removed = c->kind == EYOT_CHANGE_NODE_REMOVED || c->kind == EYOT_CHANGE_EDGE_REMOVED;
    if (added || removed) {
        eyot__buf_text(out, added ? " is new" : " is gone");
        return;
    }
    eyot__buf_format(out, "%s%s ", c->node ? ": " : "", c->what ? c->what : "it");
    if (c->before) put_quoted(out, c->before);
    if (c->before && c->now) eyot__buf_text(out, " became ");
    if (c->now) put_quoted(out, c->now);
    if (!c->before || !c->now) eyot__buf_text(out, c->before ? " is gone" : c->now ? " is new" : "differs");
}

static void put_line(eyot_buf *out, const eyot_change *c)
{
    if (c->node && c->to)
        eyot__buf_format(out, "edge %s -> %s", c->node, c->to);
    else if (c->node)
        eyot__buf_format(out, "node \"%s\"", c->node);
    put_what(out, c);
    if (!tells_tasks(c->kind)) return;
    if (c->tasks == EYOT_TASKS_UNKNOWN)
        eyot__buf_text(out, " (committed tasks unknown: its log is not whole)");
    else if (c->tasks > 0)
        eyot__buf_format(out, " (%llu committed task%s)", (unsigned long long)c->tasks, c->tasks == 1 ? "" : "s");
}

static eyot_status judge(eyot__changes *c, eyot__kept_change *change, const tally *t)
{
    eyot_buf line = EYOT__BUF_INIT;
    eyot_change *told = &change->told;
    const node_tasks *node = told->node ? tasks_of(t, told->node, strlen(told->node)) : NULL;
    told->tasks = !node ? 0 : t->whole ? node->tasks : EYOT_TASKS_UNKNOWN;
    told->harmless = is_harmless(told);
    c->n_harmful += !told->harmless;
    put_line(&line, told);
    eyot__buf_u8(&line, 0);
    change->line = (char *)line.data;
    told->text = change->line;
    return line.failed;
}

eyot_status eyot__changes_find(eyot__changes *c, const eyot__run_graph *was, eyot_store *store, const char *run_id,
                               const eyot_graph *g, eyot_error *e)
{
    tally t = {.whole = true};
    eyot_status status = list_all(c, was, g);
    if (status)
        no_memory(e);
    else if (c->n > 0)
        status = count_tasks(&t, c, store, run_id, e);
    for (size_t i = 0; i < c->n && !status; i++)
        if ((status = judge(c, &c->list[i], &t))) no_memory(e);
    free(t.nodes);
    if (status) eyot__changes_clear(c);
    return status;
}

/* States of another codec are never read, whatever is accepted. */
static const eyot_change *first_harmful(const eyot__changes *c, bool *acceptable)
{
    size_t first = c->n;
    *acceptable = true;
    for (size_t i = 0; i < c->n && *acceptable; i++) {
        if (c->list[i].told.kind == EYOT_CHANGE_CODEC) *acceptable = false;
        if (!c->list[i].told.harmless && (first == c->n || !*acceptable)) first = i;
    }
    return &c->list[first].told;
}

eyot_status eyot__changes_refuse(const eyot__changes *c, const char *run_id, eyot_error *e)
{
    enum { FIXED = 110, ID = 64 };
    char more[40] = "", shown[sizeof e->text];
    bool acceptable;
    const char *line = first_harmful(c, &acceptable)->text;
    size_t id = strnlen(run_id, ID), len = strlen(line), n = len, room = sizeof shown - FIXED - id;
    if (len > room)
        for (n = room - 3; n > 0 && ((unsigned char)line[n] & 0xC0) == 0x80;) n--;
    snprintf(shown, sizeof shown, "%.*s%s", (int)n, line, len > n ? "..." : "");
    if (c->n_harmful > 1)
        snprintf(more, sizeof more, "; %zu more difference%s", c->n_harmful - 1, c->n_harmful == 2 ? "" : "s");
    return eyot_error_set(e, EYOT_ECHANGED, "run %.*s cannot go on with this graph: %s%s%s", (int)id, run_id, shown,
                          more, acceptable ? " (accept them with EYOT_RUN_ACCEPT_CHANGES)" : "");
}

/* ---- for others ------------------------------------------------------------------------------------------------ */

static eyot_status see_fingerprint(void *arg, const eyot_run_row *row)
{
    if (row->fingerprint.n == 64) memcpy(arg, row->fingerprint.p, 64);
    return EYOT_OK;
}

/* The graph of a run whose row is not at hand. */
static eyot_status read_graph(eyot__run_graph *out, eyot_store *store, const char *run_id, const eyot_graph *g,
                              eyot_error *e)
{
    char fingerprint[65] = "";
    *out = (eyot__run_graph){.noted = false};
    if (!store || !run_id) return eyot_error_set(e, EYOT_EINVAL, "a store and a run id are needed");
    eyot_status status =
        eyot__store_get_run(store, eyot__bytes(run_id, strlen(run_id)), see_fingerprint, fingerprint, e);
    return status ? status : eyot__run_graph_read(out, store, run_id, fingerprint, g, e);
}

eyot_status eyot_store_get_run_graph(eyot_store *store, const char *run_id, char fingerprint[65], eyot_buf *source,
                                     eyot_error *e)
{
    eyot__run_graph graph;
    eyot_status status = read_graph(&graph, store, run_id, NULL, e);
    if (!status) {
        memcpy(fingerprint, graph.fingerprint, sizeof graph.fingerprint);
        status = eyot_buf_add(source, graph.source.data, graph.source.len - 1);
        if (status) no_memory(e);
    }
    eyot__run_graph_clear(&graph);
    return status;
}

eyot_status eyot_store_compare_graph(eyot_store *store, const char *run_id, const eyot_graph *g, eyot_change_fn fn,
                                     void *arg, eyot_error *e)
{
    eyot__run_graph was;
    eyot__changes c = {.n = 0};
    if (!g || !g->frozen || !fn) return eyot_error_set(e, EYOT_EINVAL, "a frozen graph and a function are needed");
    eyot_status status = read_graph(&was, store, run_id, g, e);
    if (!status) status = eyot__changes_find(&c, &was, store, run_id, g, e);
    for (size_t i = 0; i < c.n && !status; i++) status = fn(arg, &c.list[i].told);
    eyot__changes_clear(&c);
    eyot__run_graph_clear(&was);
    return status;
}

static void forget_node(const eyot_graph *g, bool *comparable, const char *id, size_t len)
{
    uint32_t v = eyot__graph_find(g, id, len);
    if (v != UINT32_MAX) comparable[v] = false;
}

/* A node that does something else now under the same version claims that its records still hold: that is what can be verified. */
eyot_status eyot__changes_comparable(eyot_store *store, const char *run_id, const eyot_graph *g, bool *comparable,
                                     eyot_error *e)
{
    eyot__run_graph was;
    eyot__changes c = {.n = 0};
    eyot_status status = read_graph(&was, store, run_id, g, e);
    if (!status && (status = list_all(&c, &was, g))) no_memory(e);
    for (uint32_t v = 0; v < g->n_nodes; v++) comparable[v] = true;
    for (size_t i = 0; i < c.n && !status; i++) {
        const eyot_change *change = &c.list[i].told;
        if (change->kind == EYOT_CHANGE_VERSION) forget_node(g, comparable, change->node, strlen(change->node));
    }
    size_t len;
    const char *line = (const char *)was.touched.data;
    for (; !status && (line = next_line(&was.touched, line, &len)); line += len + 1)
        forget_node(g, comparable, line, len);
    eyot__changes_clear(&c);
    eyot__run_graph_clear(&was);
    return status;
}
