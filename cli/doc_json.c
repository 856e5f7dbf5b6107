/* SPDX-License-Identifier: MIT */
/* JSON: the library's own reader says whether it is any; then a tree is made, with fewer questions. */
#include "cli/doc.h"

#include <stdio.h>
#include <string.h>

#include <eyot/copiers.h>

typedef struct json_reader {
    doc_builder *b;
    const char *p, *end;
    unsigned line, column;
} json_reader;

static void advance(json_reader *r, const char *to)
{
    for (; r->p < to; r->p++) {
        if (((unsigned char)*r->p & 0xC0) == 0x80) continue;
        r->column = *r->p == '\n' ? 1 : r->column + 1;
        r->line += *r->p == '\n';
    }
}

static void skip_space(json_reader *r)
{
    const char *p = r->p;
    while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) p++;
    advance(r, p);
}

static const char *token_end(const json_reader *r)
{
    const char *p = r->p;
    if (*p != '"') {
        while (p < r->end && !strchr(" \t\r\n,]}:", *p)) p++;
        return p;
    }
    for (p++; *p != '"'; p++) p += *p == '\\';
    return p + 1;
}

/* False: the reading has ended. */
static bool read_scalar(json_reader *r)
{
    doc_node *node = doc_add(r->b, DOC_SCALAR, r->line, r->column);
    if (!node) return false;
    const char *end = token_end(r), *text = r->p;
    size_t len = (size_t)(end - r->p);
    eyot_value *decoded = NULL;
    if (*text == '"') {
        node->style = DOC_QUOTED;
        if (memchr(text, '\\', len)) {
            decoded = eyot_json_parse_len(text, len, NULL);
            text = eyot_value_string_len(decoded, &len);
            if (!text) return doc_stop(r->b, r->line, r->column, "out of memory");
        } else {
            text++;
            len -= 2;
        }
    }
    node->text = arena_text(r->b->mem, text, len);
    node->n = (uint32_t)len;
    eyot_value_unref(decoded);
    advance(r, end);
    return true;
}

/* The text is JSON, so every character says what comes; commas and colons are in their places. */
static void read_tree(json_reader *r)
{
    do {
        skip_space(r);
        switch (*r->p) {
        case '{':
        case '[':
            if (!doc_add(r->b, *r->p == '{' ? DOC_MAP : DOC_SEQUENCE, r->line, r->column)) return;
            advance(r, r->p + 1);
            break;
        case '}':
        case ']':
            doc_close(r->b);
            advance(r, r->p + 1);
            break;
        case ',':
        case ':': advance(r, r->p + 1); break;
        default:
            if (!read_scalar(r)) return;
        }
    } while (r->b->depth > 0);
}

/* The library's errors begin with "line 1, column 5: "; it counts columns in bytes. */
static void stop_at_error(doc_builder *b, const eyot_error *e)
{
    static const char *const said = "(a file that begins with { is read as JSON)";
    unsigned line = 1, column = 1;
    int begin = 0;
    if (sscanf(e->text, "line %u, column %u: %n", &line, &column, &begin) < 2 || begin == 0) {
        doc_stop(b, 1, 1, "%s %s", e->text, said);
        return;
    }
    json_reader r = {.b = b, .p = b->text, .end = b->text + b->len, .line = 1, .column = 1};
    while (r.line < line && r.p < r.end) advance(&r, r.p + 1);
    size_t left = (size_t)(r.end - r.p);
    advance(&r, r.p + (column - 1 < left ? column - 1 : left));
    doc_stop(b, r.line, r.column, "%s %s", e->text + begin, said);
}

void doc_read_json(doc_builder *b)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_value *v = eyot_json_parse_len(b->text, b->len, &e);
    eyot_value_unref(v);
    if (!v) {
        stop_at_error(b, &e);
        return;
    }
    json_reader r = {.b = b, .p = b->text, .end = b->text + b->len, .line = 1, .column = 1};
    read_tree(&r);
    if (b->d->mistake) b->d->root = NULL;
}
