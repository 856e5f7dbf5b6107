/* SPDX-License-Identifier: MIT */
/* The frontier of a run: its live branches, where they wait, and when a join fires. Pure; the run's lock guards it.
 *
 * A join (node, stamp) fires when no live branch other than those waiting there can still reach it. Three ways to know,
 * cheapest first: nothing else is alive; every in-edge that can lead there has brought its branch (counted); or a search
 * for a group of live branches that can still reach it. The join then watches that ONE group, as a SAT solver watches a
 * literal (Moskewicz et al., Chaff, 2001), and is tested again only when the group is gone: what cannot reach it has no
 * descendant that can. Groups are only kept track of once a join needs such a search; and as long as every task has taken
 * all its edges, a join that can be counted will be complete one day and needs none. */
#ifndef EYOT_CORE_BRANCH_H
#define EYOT_CORE_BRANCH_H

#include "core/arrival.h"
#include "core/outside.h"

/* What the log tells of a live task beside who it is, in the order of the task's calls. */
typedef struct eyot__wait {
    char *question; /* owned; NULL: a sleep */
    char *answer;   /* owned; NULL: none so far */
    int64_t due_ms; /* of a sleep: when it ends, wall clock */
} eyot__wait;
typedef struct eyot__memo {
    uint32_t failed; /* attempts so far, in all lives … */
    uint32_t tried;  /* … and those of earlier ones that its policy still counts */
    uint32_t n;
    eyot__wait *waits;
    eyot__outside_list told; /* before its last wait: a task that starts again after it is told the same */
} eyot__memo;
void eyot__memo_free(eyot__memo *m);
eyot__memo *eyot__memo_copy(const eyot__memo *m); /* NULL: no memory */

/* A fired task: one execution of a node for one branch. Lies at the beginning of a bigger object of the owner's. */
typedef struct eyot__activation {
    struct eyot__activation *prev, *next; /* all live ones */
    struct eyot__activation *queue;       /* the fired ones; then the owner's */
    struct eyot__place *place;            /* its group, when groups are kept track of */
    eyot__who who;
    eyot__version *version;
    eyot__state *state;
    eyot__memo *memo; /* owned; NULL: nothing to tell. Run lock */
} eyot__activation;

/* core/memo.c. A task's waits are numbered from 0 in the order of its calls; the next one comes only when a question before
 * it is answered. */
eyot__memo *eyot__memo_of(eyot__activation *a);                     /* made when there is none; NULL: no memory */
eyot__wait *eyot__memo_wait(const eyot__activation *a, uint32_t n); /* NULL: there is none so far */
eyot__wait *eyot__memo_question(const eyot__activation *a);         /* the open question; NULL: none */
/* The n-th wait, which must be the next one, or the answer to the n-th, which must be an open question. Texts are copied.
 * ECORRUPT: n does not fit, or the text has a NUL inside; ENOMEM. Nothing has changed then. */
eyot_status eyot__memo_ask(eyot__activation *a, uint32_t n, const char *question, size_t len);
eyot_status eyot__memo_answer(eyot__activation *a, uint32_t n, const char *answer, size_t len);
eyot_status eyot__memo_sleep(eyot__activation *a, uint32_t n, int64_t due_ms);

/* A group: everything alive at one (node, stamp). */
typedef struct eyot__place {
    struct eyot__place *prev, *next; /* all groups */
    struct eyot__place *hash_next;
    struct eyot__place *loop_prev, *loop_next; /* those inside one outermost loop */
    struct eyot__place *watch;                 /* the group this join waits for */
    struct eyot__place *watch_prev, *watch_next;
    struct eyot__place *watchers; /* joins that wait for this group */
    struct eyot__place *test_next;
    eyot__arrival *waiting, *last;
    eyot__stamp *stamp;
    uint32_t node;
    uint32_t live; /* activations here; only when groups are kept track of */
    uint32_t n_waiting;
    bool testing; /* is on the list of joins to be tested */
} eyot__place;

/* One out-edge that a task takes. */
typedef struct eyot__taken {
    uint32_t edge;
    void *item; /* NULL: a plain edge. Otherwise one branch with this first update; numbered per edge in order */
    eyot__state *state; /* of that branch: the task's new state with the item applied */
} eyot__taken;
/* Applies the items: without a lock, before anything has happened, so that one that does not fit fails the attempt. */
eyot_status eyot__taken_apply(const eyot__history *h, eyot__state *state, eyot__taken *taken, size_t n, eyot_error *e);
/* Frees items and states that were not taken. `taken` may be NULL. */
void eyot__taken_clear(const eyot__history *h, eyot__taken *taken, size_t n);

typedef struct eyot__frontier {
    const eyot_graph *graph;
    const eyot__topology *shape;
    eyot__history history;
    eyot__slab activations, arrivals, places;
    eyot__activation *live;
    uint64_t n_live, n_waiting, n_ends; /* activations; branches that wait; branches that have ended */
    eyot__activation *fired, *fired_last;
    eyot__arrival *ends;
    eyot__place *groups;
    uint64_t n_groups;
    eyot__place **by_node; /* outside loops there is one group per node: [nodes], when first needed */
    eyot__place **table;   /* inside loops by (node, stamp) */
    uint32_t table_size, table_used;
    eyot__place **by_loop; /* [loops]: groups inside an outermost loop */
    eyot__place *tests;
    bool tracking;
    bool
        diverted; /* some task has not taken all its edges: counting alone no longer tells that a join will be complete */
} eyot__frontier;

/* `chunks` (may be NULL) outlives the frontier. `memory` (may be NULL) serves the first activations, each of activation_size bytes; the rest of an object beyond its
 * eyot__activation is not initialised. */
void eyot__frontier_init(eyot__frontier *f, const eyot_graph *g, bool keep_states, size_t activation_size, void *memory,
                         size_t memory_len, eyot__chunks *chunks);
void eyot__frontier_clear(eyot__frontier *f);

/* One branch at each start of the graph; takes the state. Everything below yields fired tasks in f->fired, oldest first.
 * After an error the frontier can only be cleared. ENOMEM; what the copier and joins return. */
eyot_status eyot__frontier_start(eyot__frontier *f, eyot__state *state_take, eyot_error *e);

/* The task is done: its update (NULL: none; already applied to its state) enters the history, its branch goes along the
 * edges taken, or ends when there is none. Takes the update, the items and the activation. `taken` NULL: the first n_taken
 * out-edges, plainly. */
eyot_status eyot__frontier_commit(eyot__frontier *f, eyot__activation *a, void *update_take, eyot__taken *taken,
                                  size_t n_taken, eyot_error *e);

/* Another activation takes the place of `a`, which keeps its memo and its references to who it is and to its state, and belongs to
 * nobody's list from then on. Not in f->fired. NULL: no memory, nothing has changed. */
eyot__activation *eyot__frontier_replace(eyot__frontier *f, eyot__activation *a);
void eyot__frontier_discard(eyot__frontier *f, eyot__activation *a); /* frees one that was replaced */

/* Takes the oldest fired task from the list; NULL: none. */
static inline eyot__activation *eyot__frontier_next(eyot__frontier *f)
{
    eyot__activation *a = f->fired;
    if (a && !(f->fired = a->queue)) f->fired_last = NULL;
    return a;
}

/* The join of all branches that have ended, by (node, stamp, path); the frontier has none left afterwards. */
eyot_status eyot__frontier_result(eyot__frontier *f, eyot__state **state, eyot_error *e);

/* Counts every live branch as ended where it is, for those who only look. ENOMEM. */
eyot_status eyot__frontier_end_all(eyot__frontier *f);

/* For rebuilding one from a snapshot: what commit would have made. The references in who, stamp and path, the version's
 * head and the state are taken. */
eyot_status eyot__frontier_put_task(eyot__frontier *f, eyot__who who, eyot__version *v, eyot__state *state);
eyot_status eyot__frontier_put_waiting(eyot__frontier *f, uint32_t node, eyot__stamp *at, eyot__arrival arrival);
eyot_status eyot__frontier_put_end(eyot__frontier *f, eyot__arrival arrival);
eyot_status eyot__frontier_settle(eyot__frontier *f, eyot_error *e); /* fires what can */

#endif
