/* SPDX-License-Identifier: MIT */
/* Graph files at random: made by rule, and read back from their canonical text; real ones with random damage; and what
 * hostile ones may cost. */
#include "cli/graphfile.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/eyot_test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* ---- equality, field by field ---------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_list(char **a, char **b)
{
    if (!a || !b) return a == b;
    while (*a && same(*a, *b)) a++, b++;
    return !*a && !*b;
}

static bool same_edges(const gf_node *a, const gf_node *b)
{
    if (a->n_edges != b->n_edges) return false;
    for (size_t i = 0; i < a->n_edges; i++) {
        const gf_edge *x = &a->edges[i], *y = &b->edges[i];
        if (!same(x->to, y->to) || x->otherwise != y->otherwise || x->when != y->when || x->each != y->each ||
            !same(x->as, y->as))
            return false;
    }
    return true;
}

static bool same_policies(const gf_node *a, const gf_node *b)
{
    return a->max_output == b->max_output && a->timeout_ms == b->timeout_ms && a->grace_ms == b->grace_ms &&
           a->attempts == b->attempts && a->delay_ms == b->delay_ms && a->max_delay_ms == b->max_delay_ms &&
           a->factor == b->factor && a->jitter == b->jitter && a->each == b->each && a->on_error == b->on_error &&
           same(a->catch_to, b->catch_to) && same(a->version, b->version);
}

static bool same_node(const gf_node *a, const gf_node *b)
{
    if (!same(a->id, b->id) || a->kind != b->kind || !same(a->command, b->command) || !same_list(a->argv, b->argv) ||
        a->expr != b->expr || a->sleep_ms != b->sleep_ms || !same_list(a->drop, b->drop) || !same(a->into, b->into) ||
        !same(a->module, b->module) || !same(a->function, b->function) || a->n_env != b->n_env ||
        a->output != b->output || !same(a->output_key, b->output_key) || !same(a->cwd, b->cwd) ||
        (a->set && !eyot_value_equal(a->set, b->set)))
        return false;
    for (size_t i = 0; i < a->n_env; i++)
        if (!same(a->env[i].name, b->env[i].name) || a->env[i].expr != b->env[i].expr) return false;
    return same_policies(a, b) && same_edges(a, b);
}

static bool same_file(const graphfile *a, const graphfile *b)
{
    if (!same(a->name, b->name) || !same(a->version, b->version) || !same(a->shell, b->shell) ||
        !eyot_value_equal(a->state, b->state) || a->n_reduce != b->n_reduce || a->n_starts != b->n_starts ||
        a->n_nodes != b->n_nodes || a->n_exprs != b->n_exprs || a->max_steps != b->max_steps)
        return false;
    for (size_t i = 0; i < a->n_reduce; i++)
        if (!same(a->reduce[i].key, b->reduce[i].key) || a->reduce[i].reducer != b->reduce[i].reducer ||
            a->reduce[i].limit != b->reduce[i].limit)
            return false;
    for (size_t i = 0; i < a->n_starts; i++)
        if (!same(a->starts[i], b->starts[i])) return false;
    for (size_t i = 0; i < a->n_exprs; i++)
        if (!same(a->exprs[i], b->exprs[i])) return false;
    for (size_t i = 0; i < a->n_nodes; i++)
        if (!same_node(&a->nodes[i], &b->nodes[i])) return false;
    return true;
}

/* ---- files made by rule ---------------------------------------------------------------------------------------- */

typedef struct maker {
    char *text;
    size_t len, cap;
    uint64_t seed;
} maker;

static size_t below(maker *m, size_t n)
{
    return (size_t)(test_random(&m->seed) % n);
}

static bool chance(maker *m, unsigned percent)
{
    return below(m, 100) < percent;
}

__attribute__((format(printf, 2, 3))) static void put(maker *m, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(m->text + m->len, m->cap - m->len, fmt, args);
    va_end(args);
    CHECK(n >= 0 && m->len + (size_t)n < m->cap);
    m->len += (size_t)n;
}

#define PICK(m, list) (list)[below(m, sizeof(list) / sizeof *(list))]

static const char *const exprs[] = {
    ".a", "'.b | length'", "\"{x: 1}\"", "'.a # b'", "true", "null", "\". == \\\"\\u00e9\\\"\"", ".now", "1"};
static const char *const times[] = {"1ms", "250ms", "1000ms", "30s", "60s", "90m", "24h", "3d"};
static const char *const constants[] = {"1",
                                        "-1.5e3",
                                        "true",
                                        "null",
                                        "x y",
                                        "'yes'",
                                        "[1, [a], {}]",
                                        "{b: \"\\0\\x7f\\u20ac\"}",
                                        "{$bytes: AQID}",
                                        "123456789012345678",
                                        "0.1",
                                        "''"};

static void put_command(maker *m)
{
    static const char *const outputs[] = {"json", "none", "text t", "lines l", "\"lines \\u00e9\""};
    if (chance(m, 50)) put(m, ", env: {A: %s, _b2: %s}", PICK(m, exprs), PICK(m, exprs));
    if (chance(m, 50)) put(m, ", output: %s", PICK(m, outputs));
    if (chance(m, 20)) put(m, ", cwd: /tmp");
    if (chance(m, 20)) put(m, ", max_output: %zu%s", 1 + below(m, 3000), chance(m, 50) ? "KiB" : "B");
}

static void put_work(maker *m)
{
    if (chance(m, 30)) put(m, ", timeout: %s", PICK(m, times));
    if (chance(m, 30))
        put(m, ", retry: {attempts: %zu, factor: 1.%zu", 1 + below(m, 9), below(m, 100));
    else
        return;
    if (chance(m, 50)) put(m, ", delay: %s", PICK(m, times));
    if (chance(m, 50)) put(m, ", max: %s", PICK(m, times));
    if (chance(m, 50)) put(m, ", jitter: 0.%zu", below(m, 1000));
    put(m, "}");
}

static void put_kind(maker *m)
{
    static const char *const grace[] = {"", ", grace: 0s", ", grace: 90s"};
    switch (below(m, 8)) {
    case 0:
        put(m, "run: \"echo \\\"a\\nb\\t\\\" # \\u00e9\"");
        put_command(m);
        put(m, "%s", PICK(m, grace));
        put_work(m);
        break;
    case 1:
        put(m, "exec: [ls, '', 5, null, \"a\\nb\"]");
        put_command(m);
        put(m, "%s", PICK(m, grace));
        put_work(m);
        break;
    case 2:
        put(m, "jq: %s", PICK(m, exprs));
        put_work(m);
        break;
    case 3: put(m, "set: {k: %s, \"\\\"\": %s}", PICK(m, constants), PICK(m, constants)); break;
    case 4: put(m, "ask: %s, into: %s", PICK(m, exprs), chance(m, 50) ? "a" : "answer"); break;
    case 5: put(m, "sleep: %s", chance(m, 50) ? PICK(m, times) : PICK(m, exprs)); break;
    case 6:
        put(m, "call: 'm.x:f_%zu'", below(m, 9));
        put(m, "%s", PICK(m, grace));
        put_work(m);
        break;
    default: put(m, "drop: [x, \"y z\"]"); return;
    }
    if (chance(m, 20)) put(m, ", drop: [d]");
}

/* Always to the next node, so that all are reached; then others, back and forth. */
static void put_edges(maker *m, size_t i, size_t n)
{
    bool conditional = false;
    if (i + 1 == n) {
        if (chance(m, 50)) put(m, ", next: %s", chance(m, 50) ? "end" : "[end]");
        return;
    }
    put(m, ", next: [");
    switch (below(m, 3)) {
    case 0: put(m, "n%zu", i + 1); break;
    case 1: put(m, "{to: n%zu, when: %s}", i + 1, PICK(m, exprs)); break;
    default: put(m, "{to: n%zu, each: %s%s}", i + 1, PICK(m, exprs), chance(m, 50) ? ", as: it" : "");
    }
    conditional = m->text[m->len - 1] == '}';
    for (size_t to = below(m, n); to < n; to += 1 + below(m, n))
        if (to != i + 1) put(m, ", n%zu", to);
    if (chance(m, 30)) put(m, ", {to: end, when: %s}", PICK(m, exprs));
    if (conditional && chance(m, 50)) put(m, ", {otherwise: end}");
    put(m, "]");
}

static void put_file(maker *m)
{
    static const char *const reducers[] = {"replace", "append", "add",   "min",   "max",        "first",
                                           "last",    "union",  "merge", "local", "{append: 7}"};
    size_t n = 1 + below(m, 9);
    m->len = 0;
    put(m, "graph: g.%zu\n", below(m, 100));
    if (chance(m, 50)) put(m, "version: %s\n", chance(m, 50) ? "1.10" : "\"a \\\" b\"");
    if (chance(m, 30)) put(m, "shell: bash\n");
    if (chance(m, 30)) put(m, "max_steps: %zu\n", 1 + below(m, 1000000));
    if (chance(m, 30)) put(m, "max_output: %zuMiB\n", 1 + below(m, 2000));
    if (chance(m, 20)) put(m, "cwd: 'a b'\n");
    if (chance(m, 50)) put(m, "state: {a: %s, \"b\\n\": %s}\n", PICK(m, constants), PICK(m, constants));
    if (chance(m, 50)) put(m, "reduce: {a: %s, \"\\u00e9\": %s}\n", PICK(m, reducers), PICK(m, reducers));
    if (chance(m, 50)) put(m, "start: %s\n", n > 1 && chance(m, 50) ? "[n0, n1]" : "n0");
    put(m, "nodes:\n");
    for (size_t i = 0; i < n; i++) {
        static const char *const on_error[] = {"", ", on_error: fail", ", on_error: ignore"};
        put(m, "  n%zu: {", i);
        put_kind(m);
        if (chance(m, 30)) put(m, ", each: %s", chance(m, 50) ? "true" : "false");
        if (chance(m, 20)) put(m, ", version: v%zu", below(m, 9));
        put(m, "%s", PICK(m, on_error));
        put_edges(m, i, n);
        put(m, "}\n");
    }
}

static graphfile *read_all(const char *text, size_t len)
{
    gf_problems p = {0};
    graphfile *g = graphfile_read("t", text, len, NULL, NULL, &p);
    if (!g) test_fail(__FILE__, __LINE__, "%s in:\n%s", p.lines[0], text);
    gf_problems_clear(&p);
    return g;
}

static eyot_status no_change(void *arg, const eyot_change *change)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s differs", change->what ? change->what : change->node);
}

TEST(graphfile_canonical__reads_back_as_the_same_graph)
{
    static char text[32768];
    maker m = {.text = text, .cap = sizeof text, .seed = test_seed()};
    for (unsigned i = 0; i < (SANITIZED ? 300 : 3000) * test_long(); i++) {
        put_file(&m);
        graphfile *g = read_all(text, m.len), *again = read_all(g->canonical, strlen(g->canonical));
        CHECK_STR(again->canonical, g->canonical);
        if (!same_file(g, again)) test_fail(__FILE__, __LINE__, "%s is not %s", g->canonical, text);
        CHECK(!strchr(g->canonical, '\n'));
        CHECK_OK(graphfile_compare(g, again, no_change, NULL));
        graphfile_free(again);
        graphfile_free(g);
    }
}

/* ---- real files with damage ------------------------------------------------------------------------------------ */

typedef struct seeds {
    char *texts[32];
    size_t n;
} seeds;

static void load_seeds(seeds *s)
{
    DIR *dir = opendir(EYOT_TEST_EXAMPLES);
    CHECK(dir != NULL);
    for (const struct dirent *d = readdir(dir); d && s->n < 30; d = readdir(dir)) {
        char path[4096];
        size_t len = strlen(d->d_name);
        if (len < 5 || strcmp(d->d_name + len - 5, ".yaml") != 0) continue;
        snprintf(path, sizeof path, "%s/%s", EYOT_TEST_EXAMPLES, d->d_name);
        FILE *f = fopen(path, "rb");
        CHECK(f != NULL);
        s->texts[s->n] = calloc(1, 65536);
        CHECK(s->texts[s->n] && fread(s->texts[s->n], 1, 65535, f) > 0);
        s->n++;
        fclose(f);
    }
    closedir(dir);
    CHECK(s->n > 0);
}

/* The same graphs as JSON. */
static void add_canonical_seeds(seeds *s)
{
    size_t yaml = s->n;
    for (size_t i = 0; i < yaml && s->n < sizeof s->texts / sizeof *s->texts; i++) {
        graphfile *g = read_all(s->texts[i], strlen(s->texts[i]));
        s->texts[s->n] = calloc(1, 65536);
        CHECK(s->texts[s->n] && strlen(g->canonical) < 65536);
        strcpy(s->texts[s->n++], g->canonical);
        graphfile_free(g);
    }
}

static void free_seeds(seeds *s)
{
    for (size_t i = 0; i < s->n; i++) free(s->texts[i]);
}

/* Replaces a piece by another one. */
static size_t splice(char *text, size_t len, size_t at, size_t gone, const char *piece, size_t n)
{
    memmove(text + at + n, text + at + gone, len - at - gone);
    memmove(text + at, piece, n);
    return len - gone + n;
}

static size_t damage(char *text, size_t len, uint64_t *seed)
{
    static const char *const pieces[] = {": ",
                                         "\n",
                                         "#",
                                         " #",
                                         "'",
                                         "\"",
                                         "[",
                                         "]",
                                         "{",
                                         "}",
                                         "*a",
                                         "&a ",
                                         "!x ",
                                         "- ",
                                         "? ",
                                         "|\n",
                                         ">",
                                         "<<: ",
                                         "---\n",
                                         "...\n",
                                         "\t",
                                         "  ",
                                         "end",
                                         "yes",
                                         "~",
                                         "\\(",
                                         "$ENV",
                                         "now",
                                         "\xc3\xa9",
                                         "\xff",
                                         "\xe2\x80\xa8",
                                         "%YAML 1.1\n",
                                         "\\u0000",
                                         "{$removed: true}",
                                         "next: ",
                                         "each: ",
                                         "when: ",
                                         "otherwise: ",
                                         "drop: [a]",
                                         "1e999",
                                         "5m",
                                         "`",
                                         "@"};
    char copy[64];
    size_t at = (size_t)(test_random(seed) % (len + 1)), n = (size_t)(test_random(seed) % 40);
    if (n > len - at) n = len - at;
    size_t from = (size_t)(test_random(seed) % (len - n + 1));
    const char *piece = pieces[test_random(seed) % (sizeof pieces / sizeof *pieces)];
    switch (test_random(seed) % 5) {
    case 0:
        if (at < len) text[at] = (char)test_random(seed);
        return len;
    case 1: return splice(text, len, at, n, "", 0);
    case 2: memcpy(copy, text + from, n); return splice(text, len, at, 0, copy, n);
    case 3: return splice(text, len, at, 0, piece, strlen(piece));
    default: return splice(text, len, at, n < 3 ? n : 3, piece, strlen(piece));
    }
}

/* All is one line each, with a place that is in the file, and in order. */
static void check_problems(const gf_problems *p, const char *text, size_t len)
{
    unsigned lines = 1, before = 0;
    for (size_t i = 0; i < len; i++) lines += text[i] == '\n';
    for (size_t i = 0; i < p->n; i++) {
        unsigned line = 0, column = 0;
        CHECK(!strchr(p->lines[i], '\n'));
        if (i == 200) break;
        if (sscanf(p->lines[i], "t:%u:%u: ", &line, &column) != 2 || line > lines || line < before || line == 0 ||
            column == 0)
            test_fail(__FILE__, __LINE__, "%s, after line %u, of %u", p->lines[i], before, lines);
        before = line;
    }
}

TEST(graphfile_read__random_damage_is_read_or_complained_about)
{
    seeds s = {.n = 0};
    uint64_t seed = test_seed();
    size_t good = 0, n = (SANITIZED ? 5000 : 100000) * test_long();
    load_seeds(&s);
    add_canonical_seeds(&s);
    char *text = malloc(65536 + 4096);
    CHECK(text != NULL);
    for (size_t i = 0; i < n; i++) {
        const char *whole = s.texts[test_random(&seed) % s.n];
        size_t len = strlen(whole), edits = 1 + (size_t)(test_random(&seed) % 4);
        memcpy(text, whole, len);
        while (edits-- > 0) len = damage(text, len, &seed);
        gf_problems p = {0};
        graphfile *g = graphfile_read("t", text, len, NULL, NULL, &p);
        CHECK((g != NULL) == (p.n == 0));
        check_problems(&p, text, len);
        if (g && good++ % 16 == 0) {
            graphfile *again = read_all(g->canonical, strlen(g->canonical));
            CHECK(same_file(g, again));
            graphfile_free(again);
        }
        graphfile_free(g);
        gf_problems_clear(&p);
    }
    CHECK(good > n / 100 && good < n);
    free(text);
    free_seeds(&s);
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

/* "ACTION a run: ls -> ls -l" */
static eyot_status print_change(void *said, const eyot_change *c)
{
    static const char *const kinds[] = {
        "OTHER",     "NODE_ADDED", "NODE_REMOVED", "ACTION",   "VERSION", "EACH",  "EDGE_ADDED", "EDGE_REMOVED",
        "EDGE_KIND", "CONDITION",  "STARTS",       "REDUCERS", "CODEC",   "ORDER", "NAME",       "POLICY"};
    char *to = (char *)said + strlen(said);
    to += sprintf(to, "%s", kinds[c->kind]);
    if (c->node) to += sprintf(to, " %s", c->node);
    if (c->to) to += sprintf(to, " to %s", c->to);
    if (c->what) to += sprintf(to, " %s", c->what);
    if (c->before || c->now) to += sprintf(to, ": %s -> %s", c->before ? c->before : "", c->now ? c->now : "");
    strcpy(to, "\n");
    return EYOT_OK;
}

static void check_compare(const char *before, const char *now, const char *want)
{
    char said[4000] = "";
    graphfile *a = read_all(before, strlen(before)), *b = read_all(now, strlen(now));
    CHECK_OK(graphfile_compare(a, b, print_change, said));
    CHECK_STR(said, want);
    graphfile_free(a);
    graphfile_free(b);
}

#define HEAD "graph: g\nnodes:\n"

TEST(graphfile_compare__how_it_is_written_makes_no_difference)
{
    check_compare(HEAD "  a: {run: ls, timeout: 60s, next: b}\n  b: {jq: .x}\n",
                  "nodes:\n  a:\n    next: [b]\n    each: false # the default\n    timeout: 1m\n    run: 'ls'\n  b:\n  "
                  "  next: end\n"
                  "    jq: \".x\"\nstart: [a]\ngraph: g\ncodec: json\n",
                  "");
}

TEST(graphfile_compare__policies_do_not_change_what_a_graph_means)
{
    check_compare("graph: g\nstate: {a: 1}\nmax_steps: 5\nnodes:\n  a: {run: ls, timeout: 60s}\n",
                  "graph: g\nstate: {a: 2}\nnodes:\n  a: {run: ls, retry: {attempts: 3}, grace: 1s, max_output: 1KiB, "
                  "on_error: ignore}\n",
                  "POLICY max_steps: 5 -> \nPOLICY state: {\"a\":1} -> {\"a\":2}\nPOLICY a max_output: 16MiB -> 1KiB\n"
                  "POLICY a timeout: 1m -> \nPOLICY a grace: 5s -> 1s\n"
                  "POLICY a retry: {\"attempts\":1,\"delay\":\"1s\",\"factor\":2.0,\"max\":\"1m\",\"jitter\":0.0} -> "
                  "{\"attempts\":3,\"delay\":\"1s\",\"factor\":2.0,\"max\":\"1m\",\"jitter\":0.0}\n"
                  "POLICY a on_error: fail -> ignore\n");
}

TEST(graphfile_compare__names_what_nodes_do)
{
    check_compare(HEAD "  a: {run: ls}\n", HEAD "  a: {run: ls -l, version: '2', each: true}\n",
                  "ACTION a run: ls -> ls -l\nEACH a each: false -> true\nVERSION a version:  -> 2\n");
    check_compare(HEAD "  a: {set: {x: 1}}\n", HEAD "  a: {jq: .x, emit: t}\n",
                  "ACTION a set: {\"x\":1} -> \nACTION a jq:  -> .x\n"
                  "POLICY a retry:  -> {\"attempts\":1,\"delay\":\"1s\",\"factor\":2.0,\"max\":\"1m\",\"jitter\":0.0}\n"
                  "ACTION a emit:  -> t\n");
}

TEST(graphfile_compare__names_nodes_and_edges)
{
    check_compare(HEAD "  a: {run: ls, next: b}\n  b: {jq: .x}\n", HEAD "  a: {run: ls, next: c}\n  c: {jq: .x}\n",
                  "EDGE_REMOVED a to b\nEDGE_ADDED a to c\nNODE_REMOVED b\nNODE_ADDED c\n");
    check_compare(HEAD "  a: {run: ls, next: [b, c]}\n  b: {jq: .x}\n  c: {jq: .x}\n",
                  HEAD "  a: {run: ls, next: [c, b]}\n  c: {jq: .x}\n  b: {jq: .x}\n",
                  "ORDER a the order of its edges\nORDER the order of the nodes\n");
    check_compare(HEAD "  a: {run: ls, next: b}\n  b: {jq: .x}\n",
                  HEAD "  a: {run: ls, next: [{to: b, when: .x}, {otherwise: end}]}\n  b: {jq: .x}\n",
                  "EDGE_KIND a to b kind: always -> if\nCONDITION a to end condition:  -> otherwise\n");
    check_compare(HEAD "  a: {run: ls, next: [{to: b, when: .x}, {otherwise: c}]}\n  b: {jq: .x}\n  c: {jq: .x}\n",
                  HEAD "  a: {run: ls, next: [{to: b, when: .y}, {otherwise: c}]}\n  b: {jq: .x}\n  c: {jq: .x}\n",
                  "CONDITION a to b condition: .x -> .y\n");
    check_compare(HEAD "  a: {run: ls, next: [{to: b, each: .x, as: i}]}\n  b: {jq: .x}\n",
                  HEAD "  a: {run: ls, next: [{to: b, each: .y, as: j}]}\n  b: {jq: .x}\n",
                  "REDUCERS reduce: i: local -> \nREDUCERS reduce: j:  -> local\n"
                  "CONDITION a to b each: .x -> .y\nCONDITION a to b as: i -> j\n");
}

TEST(graphfile_compare__a_handler_is_an_edge)
{
    check_compare(HEAD "  a: {run: ls, next: c}\n  b: {jq: .x}\n  c: {jq: .x, next: b}\n",
                  HEAD "  a: {run: ls, next: c, on_error: b}\n  b: {jq: .x}\n  c: {jq: .x, next: b}\n",
                  "REDUCERS reduce: error:  -> local\nPOLICY a on_error: fail -> b\nEDGE_ADDED a to b\n");
    check_compare(HEAD "  a: {run: ls, next: [b, c], on_error: b}\n  b: {jq: .x}\n  c: {jq: .x, on_error: b}\n",
                  HEAD "  a: {run: ls, next: [b, c], on_error: c}\n  b: {jq: .x}\n  c: {jq: .x, on_error: b}\n",
                  "POLICY a on_error: b -> c\n");
}

TEST(graphfile_compare__names_what_is_the_files)
{
    check_compare("graph: g\nversion: '1'\nreduce: {a: add, b: min}\nnodes: {a: {run: ls, next: b}, b: {run: ls}}",
                  "graph: h\nshell: bash\ncodec: msgpack\nreduce: {b: {append: 3}}\nstart: [a, b]\n"
                  "nodes: {a: {run: ls, next: b}, b: {run: ls}}",
                  "NAME graph: g -> h\nOTHER version: 1 -> \nCODEC codec: json -> msgpack\nOTHER shell: sh -> bash\n"
                  "STARTS start: [\"a\"] -> [\"a\",\"b\"]\nREDUCERS reduce: a: add -> \n"
                  "REDUCERS reduce: b: min -> {\"append\":3}\n");
}

/* ---- hostile files --------------------------------------------------------------------------------------------- */

/* `n` pieces with their number in them, between two texts, read in a process of its own. */
static void check_cost(const char *before, const char *piece, const char *after, unsigned n)
{
    size_t cap = 64 + strlen(before) + strlen(after) + n * (strlen(piece) + 16);
    maker m = {.text = malloc(cap), .cap = cap};
    CHECK(m.text != NULL);
    put(&m, "%s", before);
    for (unsigned i = 0; i < n; i++) {
        const char *number = strchr(piece, '@');
        int first = number ? (int)(number - piece) : (int)strlen(piece);
        put(&m, "%.*s", first, piece);
        if (number) put(&m, "%u%s", i, number + 1);
    }
    put(&m, "%s", after);
    pid_t child = fork();
    if (child == 0) {
        struct rusage idle, busy;
        gf_problems p = {0};
        uint64_t began = test_now_ms();
        getrusage(RUSAGE_SELF, &idle);
        graphfile_free(graphfile_read("t", m.text, m.len, NULL, NULL, &p));
        getrusage(RUSAGE_SELF, &busy);
        long most = (long)(4 * m.len / 1024) + 24 * 1024, took = busy.ru_maxrss - idle.ru_maxrss;
        if (took > most || test_now_ms() - began > 2000)
            test_fail(__FILE__, __LINE__, "%s: %ld KiB, %d ms", piece, took, (int)(test_now_ms() - began));
        _exit(0);
    }
    int status = 1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    free(m.text);
    CHECK_INT(status, 0);
}

TEST(graphfile_read__takes_bounded_time_and_memory)
{
    if (SANITIZED) test_skip("sanitizers have their own idea of memory");
    static const char node[] = "graph: g\nnodes: {a: {run: ls}}\n";
    check_cost("graph: g\nnodes: {", "a@: {drop: [b]},", "}", 33000);
    check_cost("graph: g\nnodes: {", "a@: {run: x, next: c@},", "}", 20000);
    check_cost("graph: g\nnodes: {a: {run: ls, next: [", "b@,", "]}}", 90000);
    check_cost("graph: g\nnodes: {a: {run: ls, env: {", "A@: .x,", "}}}", 45000);
    check_cost(node, "k@: 1\n", "", 90000);
    check_cost("graph: g\nnodes: {a: {run: ls}}\nstate: {a: [", "1,", "]}", 90000);
    check_cost("graph: g\nnodes: {a: {run: ls}}\nstate: {", "a: 1,", "}", 90000);
    check_cost("graph: g\nnodes: {a: {run: ls}}\nstate: {a: \"", "\\x01", "\"}", 1000000);
    check_cost("{\"graph\":\"g\",\"nodes\":{\"a\":{\"run\":\"ls\"}},\"state\":{\"a\":[", "1,", "1]}}", 90000);
    check_cost("graph: g\nnodes: {a: {jq: '", "\"\\(", "'}}", 500000);
    check_cost(node, "#\n", "", 1000000);
}
