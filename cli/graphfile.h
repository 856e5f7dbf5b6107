/* SPDX-License-Identifier: MIT */
/* A graph file as data: read, checked, written back in one canonical form. Knows no engine. */
#ifndef EYOT_CLI_GRAPHFILE_H
#define EYOT_CLI_GRAPHFILE_H

#include <eyot/copiers.h>

/* ---- mistakes -------------------------------------------------------------------------------------------------- */

/* In the order of their places, each one line of printable text: "digest.yaml:14:7: node \"count\": …". */
typedef struct gf_problems {
    char **lines;
    size_t n, cap;
} gf_problems;
void gf_problems_add(gf_problems *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gf_problems_clear(gf_problems *p);

/* ---- the model ------------------------------------------------------------------------------------------------- */

typedef enum gf_kind { GF_RUN, GF_EXEC, GF_JQ, GF_SET, GF_DROP, GF_ASK, GF_SLEEP, GF_CALL } gf_kind;
typedef enum gf_output { GF_OUTPUT_JSON, GF_OUTPUT_TEXT, GF_OUTPUT_LINES, GF_OUTPUT_NONE } gf_output;
typedef enum gf_on_error { GF_FAIL, GF_IGNORE, GF_CATCH } gf_on_error;

enum { GF_NO_EXPR = -1 };

typedef struct gf_edge {
    char *to; /* NULL: `end` */
    bool otherwise;
    int when, each; /* expressions; GF_NO_EXPR: none */
    char *as;       /* with each: the key of the item */
} gf_edge;

typedef struct gf_env {
    char *name;
    int expr;
} gf_env;

typedef struct gf_node {
    char *id;
    unsigned line, column;
    gf_kind kind;
    char *command;           /* run */
    char **argv;             /* exec; NULL-terminated */
    int expr;                /* jq; ask; sleep by an expression. Else GF_NO_EXPR */
    uint64_t sleep_ms;       /* sleep by a constant */
    eyot_value *set;         /* set */
    char **drop;             /* keys, beside any kind; NULL-terminated, or NULL */
    char *module, *function; /* call */
    char *into;              /* ask: the answer's key */
    gf_env *env;
    size_t n_env;
    gf_output output;
    char *output_key;              /* text, lines */
    char *cwd;                     /* run, exec; NULL: where the run began */
    uint64_t max_output;           /* run, exec: bytes */
    uint64_t timeout_ms, grace_ms; /* 0: none; 5,000 */
    uint32_t attempts;             /* 1: no retry */
    uint64_t delay_ms, max_delay_ms;
    double factor, jitter;
    bool each;
    char *version; /* NULL: none */
    char *emit;    /* topic of the event that its update becomes; NULL: none */
    gf_on_error on_error;
    char *catch_to; /* GF_CATCH */
    gf_edge *edges; /* none of `next: end` alone: it is what a node without `next` does */
    size_t n_edges;
} gf_node;

typedef struct gf_reduce {
    char *key;
    eyot_reducer reducer;
    uint64_t limit; /* 0: none */
} gf_reduce;

typedef struct graphfile {
    char *name, *version; /* version NULL: none */
    char *shell;          /* "sh" */
    bool msgpack;         /* how states are stored; else JSON */
    eyot_value *state;    /* defaults; a map */
    gf_reduce *reduce;    /* also those that follow from the file: `as` keys, `into`, `error` with a catch are local */
    size_t n_reduce;
    char **starts; /* ids */
    size_t n_starts;
    gf_node *nodes;
    size_t n_nodes;
    char **exprs; /* jq programs, each once; nodes and edges have their numbers */
    size_t n_exprs;
    uint64_t max_steps; /* 0: the engine's */
    char *canonical;    /* the whole file as one line of JSON with all defaults filled in and keys in a fixed order: two
                           files are the same graph iff these are equal. Reading it gives the same graphfile */
} graphfile;

/* Compiles a jq program: NULL when it does, else what is wrong with it in one line, freed by the caller. */
typedef char *(*gf_compile_fn)(void *arg, const char *program);

/* Reads YAML, or JSON if the text begins with `{`. `name` stands before the mistakes. NULL with mistakes in `p`: all of
 * them, but of more than 200 the first ones and how many more. `compile` is called once per program and may be NULL:
 * expressions are then only looked through for what is forbidden. Without memory the program ends: see arena.h. */
graphfile *graphfile_read(const char *name, const char *text, size_t len, gf_compile_fn compile, void *arg,
                          gf_problems *p);
void graphfile_free(graphfile *g);

/* Tells each difference between two graph files; which of them a run can go on with is not decided here. Ends with what
 * `tell` returns if that is not EYOT_OK. */
eyot_status graphfile_compare(const graphfile *before, const graphfile *now, eyot_change_fn tell, void *arg);

#endif
