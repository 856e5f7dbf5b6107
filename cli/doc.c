/* SPDX-License-Identifier: MIT */
#include "cli/doc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the tree -------------------------------------------------------------------------------------------------- */

bool doc_stop(doc_builder *b, unsigned line, unsigned column, const char *fmt, ...)
{
    char text[512];
    va_list args;
    if (b->d->mistake) return false;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    b->d->mistake = arena_text(b->mem, text, strlen(text));
    b->d->line = line;
    b->d->column = column;
    return false;
}

bool doc_at_key(const doc_builder *b)
{
    if (b->depth == 0) return false;
    const doc_node *in = b->open[b->depth - 1];
    return in->kind == DOC_MAP && in->n % 2 == 0;
}

doc_node *doc_add(doc_builder *b, doc_kind kind, unsigned line, unsigned column)
{
    if (kind != DOC_SCALAR && b->depth == DOC_MAX_DEPTH) {
        doc_stop(b, line, column, "nested deeper than %d", DOC_MAX_DEPTH);
        return NULL;
    }
    if (!doc_at_key(b) && ++b->n_values > DOC_MAX_VALUES) {
        doc_stop(b, line, column, "more than %d values", DOC_MAX_VALUES);
        return NULL;
    }
    doc_node *node = arena_alloc(b->mem, sizeof *node);
    node->kind = (uint8_t)kind;
    node->line = line;
    node->column = column;
    if (b->depth == 0) {
        b->d->root = node;
    } else {
        doc_node *in = b->open[b->depth - 1], **last = &b->last[b->depth - 1];
        *(in->n++ ? &(*last)->next : &in->first) = node;
        *last = node;
    }
    if (kind != DOC_SCALAR) b->open[b->depth++] = node;
    return node;
}

static int by_text_then_place(const void *a, const void *b)
{
    const doc_node *x = *(doc_node *const *)a, *y = *(doc_node *const *)b;
    int order = x->n == y->n ? memcmp(x->text, y->text, x->n) : x->n < y->n ? -1 : 1;
    if (order) return order;
    return x->line != y->line ? (x->line < y->line ? -1 : 1) : x->column < y->column ? -1 : x->column > y->column;
}

static void mark_twice(doc_node *map)
{
    size_t n = 0;
    doc_node **keys = cli_realloc(NULL, map->n / 2 * sizeof(*keys));
    for (doc_node *key = map->first; key; key = key->next->next)
        if (key->kind == DOC_SCALAR && key->flaw == DOC_FINE) keys[n++] = key;
    qsort(keys, n, sizeof(*keys), by_text_then_place);
    for (size_t i = 1; i < n; i++)
        if (keys[i]->n == keys[i - 1]->n && memcmp(keys[i]->text, keys[i - 1]->text, keys[i]->n) == 0)
            keys[i]->flaw = DOC_TWICE;
    free(keys);
}

void doc_close(doc_builder *b)
{
    doc_node *closed = b->open[--b->depth];
    if (closed->kind == DOC_MAP) mark_twice(closed);
}

const doc_node *doc_get(const doc_node *map, const char *key)
{
    size_t len = strlen(key);
    for (const doc_node *k = map->first; k; k = k->next->next)
        if (k->kind == DOC_SCALAR && k->n == len && memcmp(k->text, key, len) == 0) return k->next;
    return NULL;
}

void doc_read(doc *d, arena *mem, const char *text, size_t len, const char *const *expressions)
{
    doc_builder b = {.d = d, .mem = mem, .text = text, .len = len, .expressions = expressions};
    *d = (doc){0};
    if (len > DOC_MAX_BYTES) {
        doc_stop(&b, 1, 1, "%zu bytes are more than a graph file may have (4 MiB)", len);
        return;
    }
    size_t blank = 0;
    while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank]) blank++;
    if (blank < len && text[blank] == '{')
        doc_read_json(&b);
    else
        doc_read_yaml(&b);
}

/* ---- types of plain scalars ------------------------------------------------------------------------------------ */

/* Each of these goes over what it knows, as regular expressions do. */
static const char *over(const char *p, const char *set)
{
    return p + strspn(p, set);
}

#define DIGITS "0123456789"

static const char *over_exponent(const char *p)
{
    if (*p != 'e' && *p != 'E') return p;
    const char *digits = p + 1 + (p[1] == '+' || p[1] == '-');
    const char *end = over(digits, DIGITS);
    return end == digits ? p : end;
}

static bool is_json_number(const char *p)
{
    p += *p == '-';
    const char *end = over(p, DIGITS);
    if (end == p || (*p == '0' && end - p > 1)) return false;
    if (*end == '.') {
        p = end + 1;
        end = over(p, DIGITS);
        if (end == p) return false;
    }
    return *over_exponent(end) == '\0';
}

/* 12:30, 1:02:03.5: numbers to the base of 60 in YAML 1.1. */
static bool is_sexagesimal(const char *p)
{
    const char *end = over(p, DIGITS "_");
    if (end == p || *end != ':') return false;
    while (*end == ':') {
        p = end + 1;
        end = over(p, DIGITS);
        if (end == p || end - p > 2) return false;
    }
    return *end == '\0' || (*end == '.' && *over(end + 1, DIGITS "_") == '\0');
}

/* Any number of YAML 1.1 or of the core schema of YAML 1.2. */
static bool is_yaml_number(const char *p)
{
    p += *p == '-' || *p == '+';
    if (strcmp(p, ".inf") == 0 || strcmp(p, ".Inf") == 0 || strcmp(p, ".INF") == 0) return true;
    if (p[0] == '0' && p[1] && strchr("xob", p[1])) {
        const char *set = p[1] == 'x' ? DIGITS "abcdefABCDEF_" : p[1] == 'o' ? "01234567_" : "01_";
        return p[2] && *over(p + 2, set) == '\0';
    }
    if (is_sexagesimal(p)) return true;
    const char *end = *p == '_' ? p : over(p, DIGITS "_");
    bool digits = end != p;
    if (*end == '.') {
        p = end + 1;
        end = *p == '_' && !digits ? p : over(p, DIGITS "_");
        digits = digits || end != p;
    }
    return digits && *over_exponent(end) == '\0';
}

/* 2024-05-01, 2024-05-01T10:00:00Z, 2024-5-1 10:00:00.5 +1. */
static bool is_date(const char *p)
{
    const char *year = p;
    p = over(p, DIGITS);
    if (p - year != 4 || *p != '-') return false;
    const char *month = ++p;
    p = over(p, DIGITS);
    if (p - month < 1 || p - month > 2 || *p != '-') return false;
    const char *day = ++p;
    p = over(p, DIGITS);
    if (p - day < 1 || p - day > 2) return false;
    if (*p == '\0') return true;
    return strchr("Tt \t", *p) && *over(p, DIGITS "Tt \t:.Z+-") == '\0' && strchr(p, ':');
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0) words++;
    return *words != NULL;
}

static const char *const unclear_words[] = {
    "~",  "Null", "NULL", "True", "TRUE", "False", "FALSE", "y",   "Y", "yes", "Yes",  "YES",  "n",    "N", "no",
    "No", "NO",   "on",   "On",   "ON",   "off",   "Off",   "OFF", "=", "<<",  ".nan", ".NaN", ".NAN", NULL};

doc_type doc_type_of(const doc_node *scalar)
{
    const char *text = scalar->text;
    if (scalar->style != DOC_PLAIN || strlen(text) != scalar->n) return DOC_TEXT;
    if (strcmp(text, "null") == 0) return DOC_NULL;
    if (strcmp(text, "true") == 0) return DOC_TRUE;
    if (strcmp(text, "false") == 0) return DOC_FALSE;
    if (is_json_number(text)) return DOC_NUMBER;
    return is_one_of(text, unclear_words) || is_yaml_number(text) || is_date(text) ? DOC_UNCLEAR : DOC_TEXT;
}
