/* SPDX-License-Identifier: MIT */
/* What the graphfile_*.c files share. The graph file owns the tree it was read from: its texts are the tree's. */
#ifndef EYOT_CLI_GRAPHFILE_OWN_H
#define EYOT_CLI_GRAPHFILE_OWN_H

#include "cli/doc.h"
#include "cli/graphfile.h"

enum {
    GF_MAX_MISTAKES = 200, /* more are counted */
    GF_DEFAULT_GRACE_MS = 5000,
    GF_DEFAULT_DELAY_MS = 1000,
    GF_DEFAULT_MAX_DELAY_MS = 60000,
    GF_DEFAULT_MAX_OUTPUT = 16 * 1024 * 1024
};

typedef struct gf_mistake {
    unsigned line, column;
    char *text;
} gf_mistake;

/* Where in the file things stand that the checks of the whole graph may complain about. */
typedef struct gf_places {
    const doc_node *catch_to;
    const doc_node **edges; /* the target of each */
} gf_places;

typedef struct gf_reader {
    graphfile *g;
    arena *mem; /* the graph file's */
    gf_compile_fn compile;
    void *compile_arg;
    names exprs, ids;
    size_t *node_of_id;    /* the first node of each */
    char **expr_errors;    /* per expression; NULL: it compiles */
    gf_places *places;     /* per node */
    const doc_node *start; /* the value of `start`; NULL: none */
    uint64_t max_output;
    char *cwd;
    char where[96];                       /* `node "count": `, or empty */
    gf_mistake mistakes[GF_MAX_MISTAKES]; /* the first ones by place, in order */
    size_t n_mistakes, n_left_out;
} gf_reader;

/* A text as it is shown in a mistake: short, in one line, not half a character. */
typedef struct gf_shown {
    char text[80];
} gf_shown;
gf_shown gf_show(const char *text);

/* ---- graphfile.c ---- */
void gf_say(gf_reader *r, const doc_node *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void gf_say_at(gf_reader *r, unsigned line, unsigned column, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void gf_enter(gf_reader *r, const char *id); /* what is said now is about this node; NULL: about none */
/* `; did you mean "count"?` when one of the list is a letter off, else nothing. *near (may be NULL) is its number. */
gf_shown gf_suggest(const char *text, const char *const *list, size_t n, size_t *near);
const char *gf_reducer_name(eyot_reducer reducer);

/* ---- graphfile_value.c: single values. Each complains about what it cannot take; `key` names the value. A value of
 * NULL is not there, and one whose flaw was said is silently not taken. ---- */
extern const char *const gf_expression_keys[];
void gf_say_flaw(gf_reader *r, const doc_node *v);                             /* of v itself */
void gf_say_flaws(gf_reader *r, const doc_node *v);                            /* of v and all in it */
void gf_say_key_flaws(gf_reader *r, const doc_node *map, const doc_node *key); /* of a key of the map */
bool gf_is_sound(const doc_node *v);
/* All keys are of `known`. One of `missing` is a feature to come, one of `elsewhere` belongs into `place`; all end with
 * NULL, and the last two may be NULL. */
void gf_check_keys(gf_reader *r, const doc_node *map, const char *const *known, const char *const *missing,
                   const char *const *elsewhere, const char *place);
bool gf_is_map(gf_reader *r, const doc_node *v, const char *key);
char *gf_text(gf_reader *r, const doc_node *v, const char *key);    /* NULL: none. Never empty */
char *gf_command(gf_reader *r, const doc_node *v, const char *key); /* for a shell */
char *gf_word(gf_reader *r, const doc_node *v, const char *key);    /* an argument: any text, also an empty one */
char **gf_texts(gf_reader *r, const doc_node *v, const char *key);  /* one, or a list with at least one; NULL: none */
char **gf_list(gf_reader *r, const doc_node *v, const char *key);   /* only a list */
int gf_expr(gf_reader *r, const doc_node *v, const char *key);
bool gf_bool(gf_reader *r, const doc_node *v, const char *key);
uint64_t gf_whole(gf_reader *r, const doc_node *v, const char *key, uint64_t least, uint64_t most, uint64_t otherwise);
double gf_number(gf_reader *r, const doc_node *v, const char *key, double least, double most, double otherwise);
uint64_t gf_duration(gf_reader *r, const doc_node *v, const char *key, uint64_t least, uint64_t otherwise);
uint64_t gf_size(gf_reader *r, const doc_node *v, const char *key, uint64_t otherwise);
eyot_value *gf_constant(gf_reader *r, const doc_node *v, const char *key); /* a map; NULL: none */
bool gf_duration_of(const char *text, uint64_t *ms);                       /* false: it is none */
bool gf_is_id(const char *text);

/* ---- graphfile_node.c, graphfile_check.c, graphfile_write.c ---- */
extern const char *const gf_node_keys[];
void gf_read_node(gf_reader *r, size_t i, const doc_node *id, const doc_node *v);
void gf_check_graph(gf_reader *r);
char *gf_write(const graphfile *g); /* the canonical text, freed by the caller */

#endif
