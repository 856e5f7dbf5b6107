/* SPDX-License-Identifier: MIT */
/* What every copier of values needs: the slots of its table but encode, decode and print. */
#ifndef EYOT_COPIERS_REDUCERS_H
#define EYOT_COPIERS_REDUCERS_H

#include "copiers/value.h"

/* A graph's rules: which reducer a key has. Immutable once the graph is frozen. */
typedef struct eyot__rules {
    eyot__word map; /* key → reducer + 16 · limit */
    uint32_t locals;
} eyot__rules;

typedef struct eyot__rule {
    eyot_reducer reducer;
    uint32_t limit; /* 0: none */
} eyot__rule;

eyot__rule eyot__rule_of(const eyot__rules *rules, const eyot__text *key);

eyot_status eyot__rules_add(void **rules, const char *key, eyot_reducer reducer, uint64_t limit, eyot_error *e);
void eyot__rules_free(void *rules);
eyot_status eyot__rules_text(const void *rules, eyot_buf *out);

eyot_status eyot__state_copy(const void *v, void **out, void *rules);
void eyot__state_free(void *v, void *rules);
size_t eyot__state_measure(const void *v, void *rules);
bool eyot__state_equal(const void *a, const void *b, void *rules);
uint64_t eyot__state_hash(const void *v, void *rules);
eyot_status eyot__state_apply(void **state, const void *update, eyot_error *e, void *rules);
eyot_status eyot__state_conflict(const void *update, eyot_written_fn emit, void *arg, void *rules);
eyot_status eyot__state_diff(const void *before, const void *after, void **update, eyot_error *e, void *rules);
eyot_status eyot__state_drop_local(void **state, void *rules);
bool eyot__state_has_local(const void *v, void *rules);
eyot_status eyot__state_difference(const void *a, const void *b, eyot_buf *pointer, eyot_buf *in_a, eyot_buf *in_b,
                                   void *rules);

/* What two values come to: old and new are borrowed, *out is owned. ETYPE, EOVERFLOW (`what` says what is wrong), ENOMEM. */
eyot_status eyot__add(eyot__word a, eyot__word b, eyot__word *out, const char **what);
eyot_status eyot__subtract(eyot__word a, eyot__word old, eyot__word *out, const char **what);
eyot_status eyot__smaller(eyot__word a, eyot__word b, bool *first, const char **what); /* a < b */

/* Merging a map into a map, in two steps: what prepare has made room for, commit does and cannot fail. `made` holds what
 * prepare had to build; it is used up by commit or freed by eyot__merge_drop. */
typedef struct eyot__merge {
    eyot__word *made;
    uint32_t count, cap, next;
} eyot__merge;
eyot_status eyot__merge_prepare(eyot__merge *m, eyot__word *map, eyot__word update);
void eyot__merge_commit(eyot__merge *m, eyot__word *map, eyot__word update);
void eyot__merge_drop(eyot__merge *m);
/* The map without the removal markers in it and in maps inside it. */
eyot_status eyot__merge_strip(eyot__word map, eyot__word *out);

/* A key in quotes for an error text: not NUL-terminated in the node when long. */
#define EYOT__KEY_FMT "key \"%.*s\""
#define EYOT__KEY_ARG(t) (int)((t)->len < 64 ? (t)->len : 64), (t)->bytes

#endif
