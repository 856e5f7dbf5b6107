/* SPDX-License-Identifier: MIT */
/* Who a task is: node, loop stamp, path; and the key that is printed of it. Fixed by structure alone, never by time.
 * Stamps and paths are immutable and counted without atomics: the run's lock guards the counts, nothing the contents. */
#ifndef EYOT_CORE_KEY_H
#define EYOT_CORE_KEY_H

#include <stdlib.h>

#include "core/buf.h"
#include "core/graph.h"

#define EYOT__KEY_MAX 200 /* bytes; a longer key is shortened to its first 160, '~' and 32 hex digits of its SHA-256 */

/* One counter per loop that contains the node; NULL for a node in no loop. */
typedef struct eyot__stamp {
    uint32_t refs, n;
    uint64_t c[];
} eyot__stamp;

typedef enum eyot__part_kind { EYOT__PART_SENT = 0, EYOT__PART_EDGE = 1, EYOT__PART_LEFT = 2 } eyot__part_kind;

/* A path is the list of its parts, last one first; NULL is the empty path. */
typedef struct eyot__path {
    struct eyot__path *parent;
    uint32_t refs, length; /* parts up to and including this one */
    uint32_t kind;         /* eyot__part_kind */
    uint32_t n;
    int64_t c[]; /* send index; in-edge (-1: start); counters of the loops that were left */
} eyot__path;

typedef struct eyot__who {
    uint32_t node;
    eyot__stamp *stamp;
    eyot__path *path;
} eyot__who;

/* Both NULL without memory. */
eyot__stamp *eyot__stamp_new(const uint64_t *counters, uint32_t n); /* n ≥ 1 */
static inline eyot__stamp *eyot__stamp_ref(eyot__stamp *s)
{
    if (s) s->refs++;
    return s;
}
static inline void eyot__stamp_unref(eyot__stamp *s)
{
    if (s && --s->refs == 0) free(s);
}
static inline const uint64_t *eyot__stamp_counters(const eyot__stamp *s)
{
    return s ? s->c : NULL;
}
int eyot__stamp_compare(const eyot__stamp *a, const eyot__stamp *b); /* number by number */

/* A new part at the end; takes `parent`, also on failure. */
eyot__path *eyot__path_add(eyot__path *parent_take, eyot__part_kind kind, const int64_t *numbers, uint32_t n);
static inline eyot__path *eyot__path_ref(eyot__path *p)
{
    if (p) p->refs++;
    return p;
}
void eyot__path_unref_all(eyot__path *p);
static inline void eyot__path_unref(eyot__path *p)
{
    if (p) eyot__path_unref_all(p);
}
/* Part by part from the first one, each by kind and then number by number; a prefix comes first. O(length). */
int eyot__path_compare(const eyot__path *a, const eyot__path *b);

static inline void eyot__who_clear(eyot__who *w)
{
    eyot__stamp_unref(w->stamp);
    eyot__path_unref(w->path);
}
int eyot__who_compare(const eyot__who *a, const eyot__who *b); /* by (node, stamp, path) */

uint64_t eyot__who_hash(const eyot__who *w);

/* A set of who's by what they are, each inside an object of the owner's. Zeroed: empty. */
typedef struct eyot__who_table {
    eyot__who **slots;
    size_t size, used; /* open addressing; a removed one leaves a mark, so that searches go on */
} eyot__who_table;
eyot_status eyot__who_table_add(eyot__who_table *t, eyot__who *who);             /* not in it yet; borrowed. ENOMEM */
eyot__who *eyot__who_table_find(const eyot__who_table *t, const eyot__who *who); /* NULL: not in it */
eyot__who *eyot__who_table_take(eyot__who_table *t, const eyot__who *who);       /* removes it, too */
void eyot__who_table_clear(eyot__who_table *t);                                  /* the table only */

/* Appends the key, shortened if it must be. */
void eyot__key_print(eyot_buf *out, const eyot_graph *g, const eyot__who *w);
/* Whether `key` is that of the task. ENOMEM: nobody knows, *is is false. */
eyot_status eyot__key_is(const eyot_graph *g, const eyot__who *w, const char *key, bool *is);

/* As fields of a record, with the node by its id. */
void eyot__who_encode(eyot_buf *out, const eyot_graph *g, const eyot__who *w);
/* ECORRUPT: not well-formed, or the stamp does not fit the node; ECHANGED: the graph has no such node (its id in `e`);
 * ENOMEM. */
eyot_status eyot__who_decode(eyot__who *out, eyot__reader *in, const eyot_graph *g, eyot_error *e);

#endif
