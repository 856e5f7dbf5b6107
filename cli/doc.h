/* SPDX-License-Identifier: MIT */
/* A YAML or JSON text as a tree of which every piece knows its place. Says how things are written, not what they mean.
 *
 * YAML is read more strictly than libyaml does: what it would let pass silently is marked as a flaw of the piece where it
 * stands, so that whoever knows the meaning can say where the mistake is. Only what makes further reading pointless
 * ends it: no UTF-8, bad syntax, a second document, too deep, too big. */
#ifndef EYOT_CLI_DOC_H
#define EYOT_CLI_DOC_H

#include "cli/arena.h"

enum { DOC_MAX_BYTES = 4 * 1024 * 1024, DOC_MAX_DEPTH = 64, DOC_MAX_VALUES = 100000 };

typedef enum doc_kind { DOC_SCALAR, DOC_SEQUENCE, DOC_MAP } doc_kind;
typedef enum doc_style { DOC_PLAIN, DOC_QUOTED, DOC_BLOCK } doc_style;

typedef enum doc_flaw {
    DOC_FINE,
    DOC_TAG,     /* !tag */
    DOC_ANCHOR,  /* &name */
    DOC_ALIAS,   /* *name */
    DOC_EMPTY,   /* nothing where a key or value should be */
    DOC_MERGE,   /* the key << */
    DOC_NO_TEXT, /* a key that is a map or a list */
    DOC_TWICE,   /* a key that its map had before */
    DOC_FOLDED   /* a text without quotes that goes over several lines: its line ends are lost */
} doc_flaw;

typedef struct doc_node doc_node;
struct doc_node {
    uint8_t kind, style, flaw;
    bool comment;          /* a plain scalar with a comment on its line: what stands there may have been meant */
    unsigned line, column; /* from 1; columns count characters */
    uint32_t n;            /* bytes of the text; items; keys and values together */
    union {
        const char *text; /* of a scalar; NUL-terminated, may hold NULs */
        doc_node *first;  /* of a sequence: items by `next`; of a map: key, value, key, value … */
    };
    doc_node *next;
};

typedef struct doc {
    doc_node *root; /* NULL: there is none, because of the mistake, or the text is empty */
    /* What ended the reading, and where; NULL: nothing did. */
    const char *mistake;
    unsigned line, column;
} doc;

/* Reads JSON when the text begins with `{`, else YAML. All memory is of `mem`. A syntax error in or after the value of one of
 * `expressions` (NULL-terminated keys) ends with the advice to quote it. */
void doc_read(doc *d, arena *mem, const char *text, size_t len, const char *const *expressions);

/* What a scalar is where a value may be of any type. */
typedef enum doc_type {
    DOC_TEXT,
    DOC_NULL,
    DOC_TRUE,
    DOC_FALSE,
    DOC_NUMBER, /* as in JSON */
    DOC_UNCLEAR /* some YAML readers take it for a boolean, number, date or null, others for a text */
} doc_type;
doc_type doc_type_of(const doc_node *scalar);

/* The value of a key, NULL when the map has none; of a key that is there twice, the first. */
const doc_node *doc_get(const doc_node *map, const char *key);

/* For the readers of the two languages. */
typedef struct doc_builder {
    doc *d;
    arena *mem;
    const char *text;
    size_t len;
    const char *const *expressions;
    size_t n_values;
    int depth;
    doc_node *open[DOC_MAX_DEPTH], *last[DOC_MAX_DEPTH];
} doc_builder;

/* Ends the reading, unless it has ended; false. */
bool doc_stop(doc_builder *b, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts a node where the reading is, and opens it if it is no scalar. NULL: the reading has ended. */
doc_node *doc_add(doc_builder *b, doc_kind kind, unsigned line, unsigned column);
void doc_close(doc_builder *b);
bool doc_at_key(const doc_builder *b); /* what comes next is a key */
void doc_read_json(doc_builder *b);
void doc_read_yaml(doc_builder *b);

#endif
