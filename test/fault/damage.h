/* SPDX-License-Identifier: MIT */
/* Stored runs that are damaged, and all that can be done with them; test/damage_support.c. What is found must be named, and what
 * is not found must make no difference: whoever looks at a damaged run gets what the whole one gives, or an error.
 *
 * A log is made by an engine, kept as the image of a run, and damaged in two ways: at rest, when a copy of it is written
 * through the store's own table; or on its way out of the store, behind a *veil*, which changes what is read and swallows what
 * is written, so that one stored run does for any number of damages. */
#ifndef EYOT_TEST_DAMAGE_H
#define EYOT_TEST_DAMAGE_H

#include <eyot/store.h>

#include "core/buf.h"

typedef enum damage_kind {
    DAMAGE_NONE,
    DAMAGE_FLIP,    /* one to eight bits of a body */
    DAMAGE_CUT,     /* a body ends early */
    DAMAGE_EXTEND,  /* bytes behind it */
    DAMAGE_ZERO,    /* a range is zeros */
    DAMAGE_NOISE,   /* a range is anything */
    DAMAGE_SWAP,    /* the bodies of two entries of the run change places */
    DAMAGE_FOREIGN, /* the bodies of one seq of two runs change places */
    DAMAGE_STALE,   /* the body of an earlier entry, of the same kind if there is one */
    DAMAGE_STEP,    /* what the store says of the entry beside its body: another step … */
    DAMAGE_KINDS,   /* … kind … */
    DAMAGE_KEY,     /* … or key */
    DAMAGE_LOST,    /* the entry is not there */
    DAMAGE_TWICE,   /* the next entry is there again in its place */
    DAMAGE_SOURCE,  /* bits of the graph's source */
    DAMAGE_COUNT,
    DAMAGE_ROW, /* behind the store's back: of the run's row, … */
    DAMAGE_FILE /* … of anything */
} damage_kind;

typedef struct damage {
    damage_kind kind;
    uint64_t seq, other; /* of entries */
    uint64_t random;     /* of all else */
    bool stays_held;  /* of DAMAGE_ROW: nothing can be made of the row, nor can it be changed before its lease ends */
    const char *what; /* of DAMAGE_ROW and DAMAGE_FILE: what was done. NULL: see the kind */
} damage;
const char *damage_name(damage_kind kind);

/* The log of a run, as it is stored. */
typedef struct damage_image {
    eyot_entry *entries; /* keys and bodies are of their own */
    size_t n;
    uint64_t snapshot_seq; /* of the newest */
} damage_image;

/* What whole runs say; of every step and entry a hash. */
typedef struct damage_truth {
    uint64_t *steps;     /* by step; the last one is the newest entry's */
    uint64_t n_steps;    /* there are so many, and step 0 */
    uint64_t *histories; /* by entries told so far */
    uint64_t *plays;     /* by steps played so far */
    size_t n_told, n_played;
    uint64_t latest, stream, state;
} damage_truth;

typedef struct damage_scene {
    eyot_store *store;
    eyot_store *veiled; /* what is read of it through the veil */
    eyot_graph *graph;
    eyot_engine *engine; /* of the veiled one */
    damage_image a, b;   /* runs that have failed and can be resumed; so is "c" */
    damage_truth truth;  /* of "a" */
} damage_scene;

/* The graph, and a run of it: from its start by way of a question to where it fails; who resumes it comes to its end. */
eyot_graph *damage_graph(void);
void damage_run(eyot_store *store, const eyot_graph *g, const char *id, int64_t first);

/* Makes the runs in the store at `url`, or the test fails. One at a time. */
void damage_open(damage_scene *s, const char *url);
void damage_close(damage_scene *s);
/* Lets go of the store, whose URL is then opened again by others, and takes it up again. */
void damage_pack(damage_scene *s);
void damage_unpack(damage_scene *s, const char *url);

/* One of those that are tried, with all that belongs to it. */
damage damage_draw(const damage_scene *s, uint64_t *random);
/* What "a" looks like through the veil from now on. */
void damage_veil(damage_scene *s, const damage *d);

/* What is known of a call after it: EYOT_OK and as without damage; or the error. Anything else fails the test. */
typedef struct damage_found {
    eyot_status latest, step, history, stream, play, verify, resume, worker;
} damage_found;
/* All that can be done with "a" through the veil. `with_worker`: a worker too, which must park it and see "c" to its end. */
damage_found damage_probe(damage_scene *s, const damage *d, uint64_t step, bool with_worker);

/* Writes a copy of "a" as run `id` with that damage, ready in queue `queue`. */
void damage_copy(damage_scene *s, const char *id, const char *queue, const damage *d);
/* A worker on the store itself takes up what is ready in the queue. Run `id` must be parked if `latest` (what loading it has
 * said) is an error, and done otherwise; run `other` must be done. */
void damage_work(damage_scene *s, const char *queue, const char *id, eyot_status latest, const damage *d,
                 const char *other);
/* What loading run `id`, a copy of "a", says: EYOT_OK, and as without damage; or the error, which names the run. */
eyot_status damage_look(damage_scene *s, const char *id, uint64_t step, const damage *d);

#endif
