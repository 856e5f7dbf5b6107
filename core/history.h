/* SPDX-License-Identifier: MIT */
/* Histories: which updates a state consists of, in which order, and what a join makes of several. Pure; the run's lock
 * guards it, but for the reference counts of states.
 *
 * Versions form a tree: the history of a version is its parent's history followed by its own changes. So two histories
 * share everything up to the place where their branches of the tree part, and a join looks only at what lies after it.
 * What every live and every ended branch has lies at the root and is forgotten. A version that only one branch stands on
 * grows in place: a branch alone allocates nothing. */
#ifndef EYOT_CORE_HISTORY_H
#define EYOT_CORE_HISTORY_H

#include <stdatomic.h>

#include <eyot/copier.h>

#include "core/key.h"
#include "core/slab.h"

/* A state, shared by the branches that have not changed it since they parted. Whoever holds the only reference may
 * change it in place; counted atomically, since tasks look at it outside the run's lock. */
typedef struct eyot__state {
    _Atomic uint32_t refs;
    void *value;
} eyot__state;

/* One update in a history. */
typedef struct eyot__change {
    uint32_t refs;
    uint64_t in_join; /* scratch of the join that is being made, and of snapshots: */
    uint32_t in_arrival, count;
    eyot__who who; /* the task it comes from */
    int64_t sent;  /* its index when it is an item; -1: the task's own update */
    void *value;
} eyot__change;

typedef struct eyot__version {
    struct eyot__version *parent; /* NULL: the root */
    uint32_t heads;               /* branches, running, waiting or ended, that stand here */
    uint32_t children;
    uintptr_t kids; /* the children's addresses, xored: the only one can be found */
    uint32_t depth; /* below the root, about: grows strictly from parent to child */
    uint64_t mark;  /* scratch of a join */
    uint32_t n, cap;
    eyot__change **changes; /* after the parent's; NULL: local keys were dropped here. At first: */
    eyot__change *one;
    eyot__state *state; /* of a version where branches parted, when snapshots need it */
} eyot__version;

typedef struct eyot__history {
    const eyot_graph *graph;
    const eyot_copier *copier;
    void *user;          /* what the copier's slots are given */
    bool keep_states;    /* the run is stored: remember the states where branches part */
    eyot__version *root; /* what every branch has; its own changes are forgotten. The first one lies here: */
    eyot__version first;
    eyot__slab versions, changes;
    uint64_t join; /* number of the last join, for the marks */
} eyot__history;

eyot__state *eyot__state_new(void *value_take, const eyot__history *h); /* NULL: no memory; the value is freed */
static inline eyot__state *eyot__state_ref(eyot__state *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}
void eyot__state_unref(eyot__state *s, const eyot__history *h);
/* Makes *s one that nobody else holds, copying if need be. ENOMEM leaves it as it was. No lock needed. */
eyot_status eyot__state_own(eyot__state **s, const eyot__history *h);
/* Applies an update to *s, which becomes the caller's own. No lock needed. */
eyot_status eyot__state_update(eyot__state **s, const void *update, const eyot__history *h, eyot_error *e);

/* One branch stands on the empty history. */
void eyot__history_init(eyot__history *h, const eyot_graph *g, bool keep_states, eyot__chunks *chunks);
/* All branches must have left. */
void eyot__history_clear(eyot__history *h);

/* A second branch stands where the first does. */
void eyot__history_hold(eyot__history *h, eyot__version *v, eyot__state *state);
/* The same for `n` more branches at once, each with a reference to the state. */
void eyot__history_share(eyot__history *h, eyot__version *v, eyot__state *state, uint32_t n);
void eyot__history_release(eyot__history *h, eyot__version *v);

/* The branch at *v goes on by one update; takes the update. *v is where it then stands. ENOMEM: *v is as it was. */
eyot_status eyot__history_extend(eyot__history *h, eyot__version **v, void *update_take, const eyot__who *who,
                                 int64_t sent);
/* Local keys of *state, of the branch at *v, are dropped. */
eyot_status eyot__history_drop_local(eyot__history *h, eyot__version **v, eyot__state **state, eyot_error *e);

/* A version below `parent` (NULL: the root itself, once) that nobody stands on yet, for rebuilding a history. Takes a
 * reference to each change. NULL: no memory. */
eyot__version *eyot__history_put(eyot__history *h, eyot__version *parent, eyot__change *const *changes, uint32_t n);
/* Whether each history has every update once, of versions that were put; parents come before children, and `parents` are their
 * numbers. Leaves the changes' scratch as it was when it does. ECORRUPT, ENOMEM. O(all of their changes). */
eyot_status eyot__history_check(eyot__version *const *versions, const uint32_t *parents, size_t n);
eyot__change *eyot__change_new(eyot__history *h); /* zeroed, one reference; NULL: no memory */
void eyot__change_unref(eyot__history *h, eyot__change *c);

/* A branch that arrives at a join or has ended. */
typedef struct eyot__arrival {
    struct eyot__arrival *next;
    eyot__version *version;
    eyot__state *state;
    eyot__stamp *stamp; /* of the task it comes from */
    eyot__path *path;
    uint64_t index; /* of the item it was sent with */
    int64_t edge;   /* in-edge, -1 for a start; for an ended branch its node */
} eyot__arrival;

/* Joins the branches of a sorted list of at least one arrival: takes their versions and states (sets them NULL) and
 * yields the joined ones. ECONFLICT names the key and both tasks; ETYPE and the like come from the copier; ENOMEM. After a
 * failure the arrivals still own what was not taken, and the run cannot go on. O(changes that not all of them have). */
eyot_status eyot__history_join(eyot__history *h, eyot__arrival *sorted, eyot__version **version, eyot__state **state,
                               eyot_error *e);

#endif
