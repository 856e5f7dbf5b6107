/* SPDX-License-Identifier: MIT */
#include "cli/args.h"

#include "cli/verb.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const args_option args_common[] = {
    {.name = "color", .value = "WHEN", .choices = "auto|always|never", .help = "colours; auto: on a terminal"},
    {.name = "quiet", .letter = 'q', .help = "no progress, no notes: only errors"},
    {.name = "verbose", .letter = 'v', .help = "a line for every task that begins or ends"},
    {.name = "help", .letter = 'h', .help = "this text"},
    {.name = NULL},
};

const args_option args_store[] = {
    {.name = "store", .value = "URL", .help = "where runs are kept: a file, a URL, or @NAME of a configuration"},
    {.name = NULL},
};

static bool say(char *problem, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool say(char *problem, const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    vsnprintf(problem, ARGS_PROBLEM, fmt, list);
    va_end(list);
    return false;
}

/* ---- what was meant --------------------------------------------------------------------------------------------- */

enum { MEANT_LONGEST = 32 };

/* Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), rows[3][MEANT_LONGEST + 1];
    if (n > MEANT_LONGEST || m > MEANT_LONGEST) return SIZE_MAX;
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *up = rows[(i + 2) % 3], *upper = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1 < best) best = up[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && upper[j - 2] + 1 < best) best = upper[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

const char *args_meant(const char *word, const char *(*name)(const void *arg, size_t i), const void *arg, size_t n)
{
    const char *meant = NULL;
    size_t least = strlen(word) / 3 + 1;
    for (size_t i = 0; i < n; i++) {
        const char *candidate = name(arg, i);
        size_t d = candidate ? distance(word, candidate) : SIZE_MAX;
        if (d > least || (meant && d == least)) continue;
        least = d;
        meant = candidate;
    }
    return meant;
}

static const char *verb_name(const void *arg, size_t i)
{
    (void)arg;
    return verbs[i]->name;
}

/* ---- which options there are ------------------------------------------------------------------------------------ */

/* The i-th option of a verb, or of none: its own, the store's, the common ones. */
static const args_option *option_at(const verb *v, size_t i)
{
    const args_option *const tables[] = {v ? v->options : NULL, !v || v->uses_store ? args_store : NULL, args_common};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const args_option *o = tables[t]; o && o->name; o++)
            if (i-- == 0) return o;
    return NULL;
}

static const char *option_name(const void *arg, size_t i)
{
    const args_option *o = option_at(arg, i);
    return o ? o->name : NULL;
}

static const args_option *find_option(const verb *v, const char *name, size_t len, char letter)
{
    const args_option *o;
    for (size_t i = 0; (o = option_at(v, i)); i++) {
        if (letter ? o->letter == letter : strlen(o->name) == len && strncmp(o->name, name, len) == 0) return o;
    }
    return NULL;
}

static const char *who(const verb *v, char text[64])
{
    snprintf(text, 64, "%s%s", v ? v->name : "", v ? ": " : "");
    return text;
}

static bool unknown_option(const verb *v, const char *name, size_t len, char *problem)
{
    char verb_text[64], word[64];
    snprintf(word, sizeof word, "%.*s", (int)len, name);
    const char *meant = args_meant(word, option_name, v, 64);
    who(v, verb_text);
    if (meant) return say(problem, "%sunknown option --%s; did you mean --%s?", verb_text, word, meant);
    if (v) return say(problem, "%sunknown option --%s; `eyot %s --help` lists them", verb_text, word, v->name);
    return say(problem, "unknown option --%s; options of a verb stand after it", word);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *c = choices; len > 0; c += strcspn(c, "|") + 1) {
        if (strcspn(c, "|") == len && strncmp(c, value, len) == 0) return true;
        if (!strchr(c, '|')) return false;
    }
    return false;
}

static bool read_number(const char *text, uint64_t most, uint64_t *number)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits]) return false;
    *number = strtoull(text, NULL, 10);
    return *number <= most;
}

bool args_duration(const char *text, uint64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19) return false;
    uint64_t n = strtoull(text, NULL, 10);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(text + digits, units[i].unit) != 0 || n > UINT64_MAX / units[i].ms) continue;
        *ms = n * units[i].ms;
        return true;
    }
    return false;
}

static bool check_value(const verb *v, const args_option *o, const char *value, char *problem)
{
    char verb_text[64];
    uint64_t number;
    who(v, verb_text);
    if (o->choices && !is_choice(o->choices, value))
        return say(problem, "%s--%s takes %s, not \"%s\"", verb_text, o->name, o->choices, value);
    if (o->most && !read_number(value, o->most, &number))
        return say(problem, "%s--%s takes a number from 0 to %llu, not \"%s\"", verb_text, o->name,
                   (unsigned long long)o->most, value);
    if (o->duration && !args_duration(value, &number))
        return say(problem, "%s--%s takes a time like 250ms, 30s, 5m, 2h or 3d, not \"%s\"", verb_text, o->name, value);
    return true;
}

/* ---- the command line ------------------------------------------------------------------------------------------- */

typedef struct reader {
    args *a;
    int argc, at;
    char **argv;
    char *problem;
} reader;

static bool give(reader *r, const args_option *o, const char *value)
{
    if (value && !check_value(r->a->verb, o, value, r->problem)) return false;
    r->a->given[r->a->n_given++] = (args_given){o, value};
    if (strcmp(o->name, "help") == 0) r->a->help = true;
    return true;
}

static bool read_long(reader *r, const char *name)
{
    char verb_text[64];
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    if (!r->a->verb && strcmp(name, "version") == 0) return r->a->version = true;
    const args_option *o = find_option(r->a->verb, name, len, 0);
    if (!o) return unknown_option(r->a->verb, name, len, r->problem);
    who(r->a->verb, verb_text);
    if (!o->value && equals) return say(r->problem, "%s--%s takes no value", verb_text, o->name);
    if (!o->value) return give(r, o, NULL);
    if (equals) return give(r, o, equals + 1);
    bool digits = r->at < r->argc && *r->argv[r->at] && !r->argv[r->at][strspn(r->argv[r->at], "0123456789")];
    if (o->optional && !digits) return give(r, o, NULL);
    if (r->at == r->argc) return say(r->problem, "%s--%s needs a value: %s", verb_text, o->name, o->value);
    return give(r, o, r->argv[r->at++]);
}

static bool read_letters(reader *r, const char *letters)
{
    char verb_text[64];
    who(r->a->verb, verb_text);
    for (; *letters && !r->a->help; letters++) {
        const args_option *o = find_option(r->a->verb, NULL, 0, *letters);
        if (!o) return say(r->problem, "%sunknown option -%c", verb_text, *letters);
        if (o->value && letters[1]) return give(r, o, letters + 1);
        if (o->value && r->at == r->argc)
            return say(r->problem, "%s-%c needs a value: %s", verb_text, *letters, o->value);
        if (!give(r, o, o->value ? r->argv[r->at++] : NULL)) return false;
        if (o->value) break;
    }
    return true;
}

static bool read_word(reader *r, const char *word)
{
    args *a = r->a;
    if (a->verb) {
        a->words[a->n_words++] = word;
        return true;
    }
    a->verb = verb_find(word);
    if (a->verb) return true;
    const char *meant = args_meant(word, verb_name, NULL, n_verbs);
    if (meant) return say(r->problem, "there is no verb \"%s\"; did you mean %s?", word, meant);
    return say(r->problem, "there is no verb \"%s\"; `eyot help` lists them", word);
}

static bool check_words(const args *a, char *problem)
{
    const verb *v = a->verb;
    if (!v) return say(problem, "which verb? `eyot help` lists them");
    if (a->n_words < v->min_words)
        return say(problem, "%s: which %s? usage: eyot %s %s", v->name, v->words, v->name, v->words);
    if (a->n_words <= v->max_words) return true;
    const char *extra = a->words[v->max_words];
    if (v->max_words == 0) return say(problem, "%s takes no argument; what is \"%s\"?", v->name, extra);
    return say(problem, "%s takes %s%s; what is \"%s\"?", v->name, v->max_words == 1 ? "one " : "", v->words, extra);
}

/* An option that was given before the verb, where only common ones can stand, may be one the verb does not have. */
static bool check_given(const args *a, char *problem)
{
    for (size_t i = 0; i < a->n_given; i++) {
        const char *name = a->given[i].option->name;
        if (!find_option(a->verb, name, strlen(name), 0)) return unknown_option(a->verb, name, strlen(name), problem);
    }
    return true;
}

bool args_parse(args *a, int argc, char **argv, char problem[ARGS_PROBLEM])
{
    size_t room = 1;
    for (int i = 1; i < argc; i++) room += strlen(argv[i]) + 1; /* each letter of -qqq may be one */
    *a = (args){.words = malloc(room * sizeof *a->words), .given = malloc(room * sizeof *a->given)};
    if (!a->words || !a->given) return say(problem, "out of memory");
    reader r = {a, argc, 1, argv, problem};
    bool only_words = false;
    while (r.at < argc) {
        const char *arg = argv[r.at++];
        bool good;
        if (only_words || arg[0] != '-' || !arg[1]) {
            good = read_word(&r, arg);
        } else if (strcmp(arg, "--") == 0) {
            good = only_words = true;
        } else {
            good = arg[1] == '-' ? read_long(&r, arg + 2) : read_letters(&r, arg + 1);
        }
        if (!good) return false;
        if (a->help || a->version) return true;
    }
    return check_words(a, problem) && check_given(a, problem);
}

void args_clear(args *a)
{
    free(a->words);
    free(a->given);
    *a = (args){0};
}

/* ---- reading them ----------------------------------------------------------------------------------------------- */

static const args_given *last_given(const args *a, const char *name)
{
    assert(!a->verb || find_option(a->verb, name, strlen(name), 0));
    for (size_t i = a->n_given; i-- > 0;)
        if (strcmp(a->given[i].option->name, name) == 0) return &a->given[i];
    return NULL;
}

bool args_has(const args *a, const char *name)
{
    return last_given(a, name) != NULL;
}

const char *args_text(const args *a, const char *name, const char *otherwise)
{
    const args_given *given = last_given(a, name);
    return given ? given->value : otherwise;
}

uint64_t args_number(const args *a, const char *name, uint64_t otherwise)
{
    const char *text = args_text(a, name, NULL);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

uint64_t args_ms(const args *a, const char *name, uint64_t otherwise)
{
    const char *text = args_text(a, name, NULL);
    uint64_t ms = otherwise;
    if (text) args_duration(text, &ms);
    return ms;
}

const char *args_each(const args *a, const char *name, size_t *at)
{
    while (*at < a->n_given) {
        const args_given *given = &a->given[(*at)++];
        if (strcmp(given->option->name, name) == 0) return given->value;
    }
    return NULL;
}
