/* SPDX-License-Identifier: MIT */
/* Single values of a graph file. */
#include "cli/graphfile_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/expr.h"

const char *const gf_expression_keys[] = {"run", "exec", "jq", "when", "each", "ask", "sleep", "env", NULL};

#define QUOTE "quote it with '...' or use a | block"

/* ---- flaws ----------------------------------------------------------------------------------------------------- */

void gf_say_flaw(gf_reader *r, const doc_node *v)
{
    switch ((doc_flaw)v->flaw) {
    case DOC_FINE: break;
    case DOC_TAG: gf_say(r, v, "tags (!...) are not for graph files; if this is a text, " QUOTE); break;
    case DOC_ANCHOR: gf_say(r, v, "anchors (&...) are not for graph files; if this is a text, " QUOTE); break;
    case DOC_ALIAS: gf_say(r, v, "aliases (*...) are not for graph files; if this is a text, " QUOTE); break;
    case DOC_EMPTY: gf_say(r, v, "a value is missing here; null and \"\" are written out"); break;
    case DOC_MERGE: gf_say(r, v, "<< does not merge in graph files"); break;
    case DOC_NO_TEXT: gf_say(r, v, "a key is a text, not a map or list; if { or [ begins a text, quote it"); break;
    case DOC_TWICE: gf_say(r, v, "the key \"%s\" is here twice", gf_show(v->text).text); break;
    case DOC_FOLDED: gf_say(r, v, "a text of several lines would lose its line ends; " QUOTE); break;
    }
}

void gf_say_key_flaws(gf_reader *r, const doc_node *map, const doc_node *key)
{
    if (key->flaw == DOC_EMPTY) {
        gf_say(r, key, "a key is missing here");
    } else if (key->flaw == DOC_TWICE) {
        const doc_node *first = map->first;
        while (first->kind != DOC_SCALAR || first->n != key->n || memcmp(first->text, key->text, key->n) != 0)
            first = first->next->next;
        gf_say(r, key, "the key \"%s\" is here twice, first in line %u", gf_show(key->text).text, first->line);
    } else {
        gf_say_flaws(r, key);
    }
}

/* As deep as a document may be. */
void gf_say_flaws(gf_reader *r, const doc_node *v)
{
    gf_say_flaw(r, v);
    for (const doc_node *in = v->kind == DOC_SCALAR ? NULL : v->first; in; in = in->next) {
        if (v->kind == DOC_MAP) {
            gf_say_key_flaws(r, v, in);
            in = in->next;
        }
        gf_say_flaws(r, in);
    }
}

/* What was complained about is taken all the same where it is clear what was meant. */
bool gf_is_sound(const doc_node *v)
{
    return v->kind != DOC_SCALAR || v->flaw == DOC_FINE || v->flaw == DOC_ANCHOR || v->flaw == DOC_FOLDED ||
           v->flaw == DOC_TWICE;
}

/* ---- maps ------------------------------------------------------------------------------------------------------ */

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list[n]) n++;
    return n;
}

static bool has(const char *const *list, const char *key)
{
    while (*list && strcmp(*list, key) != 0) list++;
    return *list != NULL;
}

void gf_check_keys(gf_reader *r, const doc_node *map, const char *const *known, const char *const *missing,
                   const char *const *elsewhere, const char *place)
{
    for (const doc_node *key = map->first; key; key = key->next->next) {
        if (key->kind != DOC_SCALAR || key->flaw || has(known, key->text)) continue;
        gf_shown shown = gf_show(key->text);
        if (missing && has(missing, key->text))
            gf_say(r, key, "this version of eyot has no \"%s\"", shown.text);
        else if (elsewhere && has(elsewhere, key->text))
            gf_say(r, key, "unknown key \"%s\"; it belongs into %s", shown.text, place);
        else
            gf_say(r, key, "unknown key \"%s\"%s", shown.text, gf_suggest(key->text, known, count(known), NULL).text);
    }
}

static const char *kind_of(const doc_node *v)
{
    static const char *const kinds[] = {"a text", "a list", "a map"};
    return kinds[v->kind];
}

bool gf_is_map(gf_reader *r, const doc_node *v, const char *key)
{
    if (v->kind == DOC_MAP) return true;
    if (gf_is_sound(v)) gf_say(r, v, "%s: is a map, not %s", key, kind_of(v));
    return false;
}

/* ---- texts ----------------------------------------------------------------------------------------------------- */

/* `advice` is given when a map or list is there. */
static char *text_of(gf_reader *r, const doc_node *v, const char *key, const char *advice)
{
    if (!v || !gf_is_sound(v)) return NULL;
    if (v->kind != DOC_SCALAR)
        gf_say(r, v, "%s: is a text, not %s%s", key, kind_of(v), advice);
    else if (strlen(v->text) != v->n)
        gf_say(r, v, "%s: a text here cannot have a NUL in it", key);
    else
        return (char *)v->text;
    return NULL;
}

static char *not_empty(gf_reader *r, const doc_node *v, const char *key, char *text)
{
    if (!text || text[strspn(text, " \t\r\n")] != '\0') return text;
    gf_say(r, v, "%s: is empty", key);
    return NULL;
}

char *gf_text(gf_reader *r, const doc_node *v, const char *key)
{
    char *text = not_empty(r, v, key, text_of(r, v, key, ""));
    if (!text || v->style != DOC_PLAIN || (strcmp(text, "null") != 0 && strcmp(text, "~") != 0)) return text;
    gf_say(r, v, "%s: is a text, not null", key);
    return NULL;
}

char *gf_word(gf_reader *r, const doc_node *v, const char *key)
{
    return text_of(r, v, key, "; " QUOTE);
}

char *gf_command(gf_reader *r, const doc_node *v, const char *key)
{
    char *text = not_empty(r, v, key, text_of(r, v, key, "; " QUOTE));
    if (text && v->comment && expr_ends_in_quotes(text))
        gf_say(r, v, "%s: the text ends before the #, inside of its own quotes; " QUOTE, key);
    return text;
}

static char **texts(gf_reader *r, const doc_node *list, const char *key)
{
    char **out = arena_alloc(r->mem, ((size_t)list->n + 1) * sizeof(*out));
    size_t n = 0, bad = 0;
    for (const doc_node *v = list->first; v; v = v->next) {
        out[n] = gf_text(r, v, key);
        *(out[n] ? &n : &bad) += 1;
    }
    if (list->n == 0) gf_say(r, list, "%s: the list is empty", key);
    return list->n == 0 || bad ? NULL : out;
}

char **gf_list(gf_reader *r, const doc_node *v, const char *key)
{
    if (!v || !gf_is_sound(v)) return NULL;
    if (v->kind == DOC_SEQUENCE) return texts(r, v, key);
    gf_say(r, v, "%s: is a list, not %s", key, kind_of(v));
    return NULL;
}

char **gf_texts(gf_reader *r, const doc_node *v, const char *key)
{
    if (v && v->kind == DOC_SEQUENCE) return texts(r, v, key);
    char *text = gf_text(r, v, key), **out = NULL;
    if (text) {
        out = arena_alloc(r->mem, 2 * sizeof(*out));
        out[0] = text;
    }
    return out;
}

/* What is wrong with a program; NULL: nothing, as far as can be seen. */
static char *expr_error(gf_reader *r, const char *program)
{
    const char *forbidden = expr_forbidden(program);
    if (forbidden) {
        char text[96];
        snprintf(text, sizeof text, "an expression may not use %s", forbidden);
        return arena_text(r->mem, text, strlen(text));
    }
    char *said = r->compile ? r->compile(r->compile_arg, program) : NULL;
    char *kept = said ? arena_text(r->mem, said, strlen(said)) : NULL;
    free(said);
    return kept;
}

int gf_expr(gf_reader *r, const doc_node *v, const char *key)
{
    bool is_new;
    const char *text = not_empty(r, v, key, text_of(r, v, key, "; " QUOTE));
    if (!text) return GF_NO_EXPR;
    if (v->comment) gf_say(r, v, "%s: the expression ends before the #; " QUOTE, key);
    size_t cap = r->exprs.cap, i = names_add(&r->exprs, text, &is_new);
    if (r->exprs.cap != cap) r->expr_errors = cli_realloc(r->expr_errors, r->exprs.cap * sizeof *r->expr_errors);
    if (is_new) r->expr_errors[i] = expr_error(r, text);
    if (r->expr_errors[i]) gf_say(r, v, "%s: %s", key, r->expr_errors[i]);
    return (int)i;
}

bool gf_is_id(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t n = strlen(text);
    return n > 0 && n <= 64 && strspn(text, letters) == n && text[0] != '.' && text[0] != '-';
}

/* ---- numbers and what is counted ------------------------------------------------------------------------------- */

static const char *scalar_of(gf_reader *r, const doc_node *v, const char *key, const char *what)
{
    if (!v || !gf_is_sound(v)) return NULL;
    if (v->kind == DOC_SCALAR) return v->text;
    gf_say(r, v, "%s: is %s, not %s", key, what, kind_of(v));
    return NULL;
}

bool gf_bool(gf_reader *r, const doc_node *v, const char *key)
{
    const char *text = scalar_of(r, v, key, "true or false");
    doc_type type = text ? doc_type_of(v) : DOC_FALSE;
    if (type != DOC_TRUE && type != DOC_FALSE)
        gf_say(r, v, "%s: is true or false, not \"%s\"", key, gf_show(text).text);
    return type == DOC_TRUE;
}

/* Digits only; false also when the number is beyond `most`. *end is behind them. */
static bool read_digits(const char *text, const char **end, uint64_t most, uint64_t *out)
{
    uint64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n > most / 10) return false;
        n = n * 10 + (uint64_t)(*p - '0');
        if (n > most) return false;
    }
    *end = p;
    *out = n;
    return p != text;
}

uint64_t gf_whole(gf_reader *r, const doc_node *v, const char *key, uint64_t least, uint64_t most, uint64_t otherwise)
{
    uint64_t n = 0;
    const char *text = scalar_of(r, v, key, "a whole number"), *end = "";
    if (!text) return otherwise;
    if (doc_type_of(v) == DOC_NUMBER && read_digits(text, &end, most, &n) && !*end && n >= least) return n;
    gf_say(r, v, "%s: \"%s\" is no whole number of %llu ... %llu", key, gf_show(text).text, (unsigned long long)least,
           (unsigned long long)most);
    return otherwise;
}

double gf_number(gf_reader *r, const doc_node *v, const char *key, double least, double most, double otherwise)
{
    const char *text = scalar_of(r, v, key, "a number");
    if (!text) return otherwise;
    eyot_value *number = doc_type_of(v) == DOC_NUMBER ? eyot_json_parse_len(text, v->n, NULL) : NULL;
    double d = eyot_value_double(number, -1);
    eyot_value_unref(number);
    if (number && d >= least && d <= most) return d;
    gf_say(r, v, "%s: \"%s\" is no number of %g ... %g", key, gf_show(text).text, least, most);
    return otherwise;
}

typedef struct unit {
    const char *name;
    uint64_t n;
} unit;

static const unit times[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const unit sizes[] = {{"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {NULL, 0}};
#define MOST_MS (36500 * (uint64_t)86400000)
#define MOST_BYTES ((uint64_t)1 << 40)

static bool read_units(const char *text, const unit *units, uint64_t most, uint64_t *out)
{
    const char *end;
    uint64_t n;
    if (!read_digits(text, &end, most, &n)) return false;
    while (units->name && strcmp(units->name, end) != 0) units++;
    if (!units->name || n > most / units->n) return false;
    *out = n * units->n;
    return true;
}

bool gf_duration_of(const char *text, uint64_t *ms)
{
    return read_units(text, times, MOST_MS, ms);
}

uint64_t gf_duration(gf_reader *r, const doc_node *v, const char *key, uint64_t least, uint64_t otherwise)
{
    uint64_t ms = 0;
    const char *text = scalar_of(r, v, key, "a duration");
    if (!text) return otherwise;
    if (strlen(text) != v->n || !gf_duration_of(text, &ms))
        gf_say(r, v, "%s: \"%s\" is no duration; they are written 250ms, 30s, 5m, 2h, 3d", key, gf_show(text).text);
    else if (ms < least)
        gf_say(r, v, "%s: is more than 0", key);
    else
        return ms;
    return otherwise;
}

uint64_t gf_size(gf_reader *r, const doc_node *v, const char *key, uint64_t otherwise)
{
    uint64_t n = 0;
    const char *text = scalar_of(r, v, key, "a size");
    if (!text) return otherwise;
    if (strlen(text) == v->n && read_units(text, sizes, MOST_BYTES, &n) && n > 0) return n;
    gf_say(r, v, "%s: \"%s\" is no size; they are written 512B, 64KiB, 16MiB, 1GiB", key, gf_show(text).text);
    return otherwise;
}

/* ---- constants ------------------------------------------------------------------------------------------------- */

/* A plain scalar as JSON; false: complained. */
static bool write_plain(gf_reader *r, textbuf *b, const doc_node *v, const char *key)
{
    doc_type type = doc_type_of(v);
    eyot_value *number = NULL;
    switch (type) {
    case DOC_UNCLEAR:
        gf_say(r, v, "%s: quote it: \"%s\" is no text to all readers of YAML", key, gf_show(v->text).text);
        return false;
    case DOC_NUMBER:
        number = eyot_json_parse_len(v->text, v->n, NULL);
        if (!number) gf_say(r, v, "%s: the number %s is too big", key, gf_show(v->text).text);
        eyot_value_unref(number);
        textbuf_puts(b, v->text);
        return number != NULL;
    case DOC_TEXT: textbuf_json(b, v->text, v->n); return true;
    default: textbuf_puts(b, v->text); return true;
    }
}

static bool write_constant(gf_reader *r, textbuf *b, const doc_node *v, const char *key)
{
    bool good = true;
    if (v->kind == DOC_SCALAR) {
        if (!gf_is_sound(v)) return false;
        if (v->style == DOC_PLAIN) return write_plain(r, b, v, key);
        textbuf_json(b, v->text, v->n);
        return true;
    }
    textbuf_puts(b, v->kind == DOC_MAP ? "{" : "[");
    for (const doc_node *in = v->first; in; in = in->next) {
        if (in != v->first) textbuf_puts(b, ",");
        if (v->kind == DOC_MAP) {
            good &= in->kind == DOC_SCALAR && !in->flaw;
            if (in->kind == DOC_SCALAR) textbuf_json(b, in->text, in->n);
            textbuf_puts(b, ":");
            in = in->next;
        }
        good &= write_constant(r, b, in, key);
    }
    textbuf_puts(b, v->kind == DOC_MAP ? "}" : "]");
    return good;
}

/* By way of JSON, so that {"$bytes": ...} means here what it means everywhere else. */
eyot_value *gf_constant(gf_reader *r, const doc_node *v, const char *key)
{
    if (!gf_is_map(r, v, key)) return NULL;
    textbuf b = {0};
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *value = NULL;
    if (write_constant(r, &b, v, key)) {
        value = eyot_json_parse_len(b.text, b.len, &e);
        if (!value)
            gf_say(r, v, "%s: %s", key, e.text);
        else if (eyot_value_kind_of(value) != EYOT_VALUE_MAP)
            gf_say(r, v, "%s: is a map, not %s", key, eyot_value_kind_name(eyot_value_kind_of(value)));
    }
    textbuf_clear(&b);
    return value;
}
