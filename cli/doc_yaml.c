/* SPDX-License-Identifier: MIT */
/* YAML by libyaml's parser. Its events come one by one, so what is too deep ends the reading before the parser has gone
 * far: its own work per token grows with the depth. */
#include "cli/doc.h"

#include <string.h>

#include <yaml.h>

/* Where a mark of libyaml is in the text: it counts characters. */
typedef struct cursor {
    const char *text;
    size_t len, at;    /* bytes */
    size_t characters; /* before `at` */
} cursor;

typedef struct yaml_reader {
    doc_builder *b;
    yaml_parser_t parser;
    cursor cursor;
    unsigned documents;
} yaml_reader;

static bool is_inside(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Marks come in order, nearly: so going from the last one costs little. */
static const char *move_to(cursor *c, size_t characters)
{
    while (c->characters < characters && c->at < c->len) {
        do c->at++;
        while (c->at < c->len && is_inside(c->text[c->at]));
        c->characters++;
    }
    while (c->characters > characters) {
        do c->at--;
        while (is_inside(c->text[c->at]));
        c->characters--;
    }
    return c->text + c->at;
}

/* ---- the text itself ------------------------------------------------------------------------------------------- */

/* The length of the character at p, *code its number; 0: no UTF-8. */
static size_t decode(const unsigned char *p, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len) return 0;
    *code = n == 1 ? *p : *p & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) return 0;
        *code = *code << 6 | (p[i] & 0x3F);
    }
    return *code < least[n] || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000) ? 0 : n;
}

/* Among them what ends a line for libyaml but for no editor. */
static bool is_forbidden(uint32_t c, bool before_newline)
{
    if (c < 0x20) return c != '\t' && c != '\n' && !(c == '\r' && before_newline);
    return (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF || c == 0xFFFE || c == 0xFFFF;
}

static bool check_characters(doc_builder *b)
{
    unsigned line = 1, column = 1;
    for (size_t i = 0, n; i < b->len; i += n) {
        uint32_t c = 0;
        n = decode((const unsigned char *)b->text + i, b->len - i, &c);
        if (n == 0) return doc_stop(b, line, column, "the text is no UTF-8 here");
        if (is_forbidden(c, i + 1 < b->len && b->text[i + 1] == '\n'))
            return doc_stop(b, line, column,
                            "the control character U+%04X cannot stand in a file; in \"...\" it is \\u%04x",
                            (unsigned)c, (unsigned)c);
        column = c == '\n' ? 1 : column + 1;
        line += c == '\n';
    }
    return true;
}

/* ---- syntax errors --------------------------------------------------------------------------------------------- */

/* Does the line have one of the keys of expressions in it? */
static bool names_expression(const doc_builder *b, size_t line)
{
    const char *p = b->text, *end = b->text + b->len;
    for (; line > 0 && p < end; p++) line -= *p == '\n';
    const char *newline = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (newline) end = newline;
    for (const char *colon = p; colon < end; colon++) {
        if (*colon != ':') continue;
        for (const char *const *key = b->expressions; *key; key++) {
            size_t n = strlen(*key);
            if ((size_t)(colon - p) < n || memcmp(colon - n, *key, n) != 0) continue;
            if (colon - n == p || strchr(" -{,", colon[-(ptrdiff_t)n - 1])) return true;
        }
    }
    return false;
}

/* Is the reading in, or just behind, the value of such a key? */
static bool is_in_expression(const doc_builder *b)
{
    for (int i = 0; i < b->depth; i++) {
        const doc_node *in = b->open[i], *last = b->last[i];
        if (in->kind != DOC_MAP || in->n == 0) continue;
        if (in->n % 2 == 0) { /* the key of the last value */
            last = in->first;
            while (last->next->next) last = last->next->next;
        }
        for (const char *const *key = b->expressions; *key; key++)
            if (last->kind == DOC_SCALAR && strcmp(last->text, *key) == 0) return true;
    }
    return false;
}

static void stop_at_error(yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    doc_builder *b = r->b;
    if (p->error == YAML_MEMORY_ERROR) {
        doc_stop(b, 1, 1, "out of memory");
        return;
    }
    yaml_mark_t at = p->problem_mark, from = p->context_mark;
    char context[128] = "";
    if (p->context) snprintf(context, sizeof context, " (%s in line %zu)", p->context, from.line + 1);
    bool advise = is_in_expression(b) || names_expression(b, at.line) || (p->context && names_expression(b, from.line));
    doc_stop(b, (unsigned)at.line + 1, (unsigned)at.column + 1, "%s%s%s", p->problem ? p->problem : "no YAML", context,
             advise ? "; quote the text with '...' or use a | block" : "");
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

static unsigned line_of(yaml_mark_t mark)
{
    return (unsigned)mark.line + 1;
}

static unsigned column_of(yaml_mark_t mark)
{
    return (unsigned)mark.column + 1;
}

/* libyaml forgets a tag that is a mere `!`, so the text is asked too. */
static doc_flaw flaw_of(yaml_reader *r, const yaml_event_t *e, const yaml_char_t *tag, const yaml_char_t *anchor)
{
    const char *p = move_to(&r->cursor, e->start_mark.index);
    char first = p < r->cursor.text + r->cursor.len ? *p : '\0';
    bool empty = e->start_mark.index == e->end_mark.index;
    if (tag || (first == '!' && !empty)) return DOC_TAG;
    return anchor || (first == '&' && !empty) ? DOC_ANCHOR : DOC_FINE;
}

static bool has_comment(yaml_reader *r, const yaml_event_t *e)
{
    const char *p = move_to(&r->cursor, e->end_mark.index), *end = r->cursor.text + r->cursor.len;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    return p < end && *p == '#';
}

static void add_scalar(yaml_reader *r, const yaml_event_t *e)
{
    bool is_key = doc_at_key(r->b);
    doc_node *node = doc_add(r->b, DOC_SCALAR, line_of(e->start_mark), column_of(e->start_mark));
    if (!node) return;
    yaml_scalar_style_t style = e->data.scalar.style;
    node->style = style == YAML_PLAIN_SCALAR_STYLE                                          ? DOC_PLAIN
                  : style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE ? DOC_BLOCK
                                                                                            : DOC_QUOTED;
    node->n = (uint32_t)e->data.scalar.length;
    node->text = arena_text(r->b->mem, (const char *)e->data.scalar.value, e->data.scalar.length);
    node->flaw = (uint8_t)flaw_of(r, e, e->data.scalar.tag, e->data.scalar.anchor);
    if (node->style != DOC_PLAIN || node->flaw) return;
    node->comment = has_comment(r, e);
    if (node->n == 0)
        node->flaw = DOC_EMPTY;
    else if (e->start_mark.line != e->end_mark.line)
        node->flaw = DOC_FOLDED;
    else if (is_key && strcmp(node->text, "<<") == 0)
        node->flaw = DOC_MERGE;
}

static void add_alias(yaml_reader *r, const yaml_event_t *e)
{
    doc_node *node = doc_add(r->b, DOC_SCALAR, line_of(e->start_mark), column_of(e->start_mark));
    if (!node) return;
    const char *name = (const char *)e->data.alias.anchor;
    node->text = arena_text(r->b->mem, name, strlen(name));
    node->n = (uint32_t)strlen(name);
    node->flaw = DOC_ALIAS;
}

static void open_container(yaml_reader *r, const yaml_event_t *e, doc_kind kind, const yaml_char_t *tag,
                           const yaml_char_t *anchor)
{
    bool is_key = doc_at_key(r->b);
    doc_node *node = doc_add(r->b, kind, line_of(e->start_mark), column_of(e->start_mark));
    if (!node) return;
    node->flaw = (uint8_t)(is_key ? DOC_NO_TEXT : flaw_of(r, e, tag, anchor));
}

static void start_document(yaml_reader *r, const yaml_event_t *e)
{
    const yaml_mark_t at = e->start_mark;
    if (e->data.document_start.version_directive ||
        e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
        doc_stop(r->b, line_of(at), column_of(at), "%% directives are not for graph files");
    else if (++r->documents > 1)
        doc_stop(r->b, line_of(at), column_of(at), "a second document begins; a graph file is one");
}

static void take_event(yaml_reader *r, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT: start_document(r, e); break;
    case YAML_SCALAR_EVENT: add_scalar(r, e); break;
    case YAML_ALIAS_EVENT: add_alias(r, e); break;
    case YAML_SEQUENCE_START_EVENT:
        open_container(r, e, DOC_SEQUENCE, e->data.sequence_start.tag, e->data.sequence_start.anchor);
        break;
    case YAML_MAPPING_START_EVENT:
        open_container(r, e, DOC_MAP, e->data.mapping_start.tag, e->data.mapping_start.anchor);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: doc_close(r->b); break;
    default: break;
    }
}

void doc_read_yaml(doc_builder *b)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (b->len >= 3 && memcmp(b->text, mark, 3) == 0) {
        b->text += 3;
        b->len -= 3;
    }
    if (!check_characters(b)) return;
    yaml_reader r = {.b = b, .cursor = {.text = b->text, .len = b->len}};
    if (!yaml_parser_initialize(&r.parser)) {
        doc_stop(b, 1, 1, "out of memory");
        return;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)b->text, b->len);
    bool more = true;
    while (more && !b->d->mistake) {
        yaml_event_t e;
        if (!yaml_parser_parse(&r.parser, &e)) {
            stop_at_error(&r);
            break;
        }
        take_event(&r, &e);
        more = e.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&r.parser);
    if (b->d->mistake && r.documents < 2) b->d->root = NULL; /* half a tree would seem to lack what comes later */
}
