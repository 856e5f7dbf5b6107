/* SPDX-License-Identifier: MIT */
/* For writers of a copier: how the engine copies, stores and changes states of a type it knows nothing about.
 * A copier is a const table. Copy copiers/bytes.c, fill the table, add one line to test/copier_suite.c.
 *
 * States and updates have the same type. The engine never looks inside. Several threads may read one state at once (copy,
 * encode, equal, hash, measure, conflict, diff, has_local, print, difference); a state that is changed (apply, drop_local) is held by
 * nobody else. In joins and snapshots slots are called with a lock of the run held: they must not call runs, tasks or
 * engines, nor wait for somebody who does. */
#ifndef EYOT_COPIER_H
#define EYOT_COPIER_H

#include <eyot/eyot.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Beside eyot_buf_add (eyot.h): room for `len` more bytes to be written in place, NULL when the buffer has failed; then eyot_buf_advance by what was
 * written. Valid until the next call. */
EYOT_API void *eyot_buf_reserve(eyot_buf *buf, size_t len);
EYOT_API void eyot_buf_advance(eyot_buf *buf, size_t len);

/* Called by `conflict` for every place of the state that the update writes. `key` is any bytes, compared as such and
 * shown in error texts. `through`: the update only passes through this place to write below it. Two branches conflict when
 * both write one place, or one writes it and the other passes through it. Non-zero must be returned at once. */
typedef eyot_status (*eyot_written_fn)(void *arg, const char *key, size_t key_len, bool through);

struct eyot_copier {
    size_t size;      /* sizeof(eyot_copier) */
    const char *name; /* "stats/1": written into every record and compared on reading; up to 32 bytes */

    /* Required. `user` is the pointer below, or the graph's rules for a copier with `rule`. */
    /* *out becomes an independent copy: what is done to one is never seen in the other. ENOMEM. */
    eyot_status (*copy)(const void *v, void **out, void *user);
    void (*free)(void *v, void *user); /* never NULL */
    /* Appends v's bytes to `out`; equal values must give equal bytes. ENOMEM, ELIMIT. */
    eyot_status (*encode)(const void *v, eyot_buf *out, void *user);
    /* Makes a value from bytes that anyone may have changed: bounded in depth, time and memory. ECORRUPT, ELIMIT, ENOMEM. */
    eyot_status (*decode)(const void *bytes, size_t len, void **out, eyot_error *e, void *user);
    /* Applies an update to *state, which nobody else holds; may replace *state (and free the old one). On failure *state
     * must still be valid, and as it was. ETYPE, EOVERFLOW, ENOMEM: fail the task. */
    eyot_status (*apply)(void **state, const void *update, eyot_error *e, void *user);
    void *user;

    /* Optional; NULL = the feature is absent. */
    size_t (*measure)(const void *v, void *user);            /* bytes it holds, about; for limits and metrics */
    bool (*equal)(const void *a, const void *b, void *user); /* else the engine compares encoded bytes */
    uint64_t (*hash)(const void *v, void *user);             /* else of the encoded bytes */
    /* Names what `update` writes for good; NULL: updates never conflict. ENOMEM, or what `emit` returned. */
    eyot_status (*conflict)(const void *update, eyot_written_fn emit, void *arg, void *user);
    /* The update that leads from `before` to `after`; *update NULL when nothing changed. Makes eyot_task_edit work. */
    eyot_status (*diff)(const void *before, const void *after, void **update, eyot_error *e, void *user);
    /* Removes from *state what belongs to a single branch; called where branches meet. */
    eyot_status (*drop_local)(void **state, void *user);
    /* True when drop_local would change something. NULL: it may. */
    bool (*has_local)(const void *v, void *user);
    /* Adds a reducer to the graph's rules (*rules NULL at first), freed by rules_free. The graph then passes its rules, if
     * any, as `user` to every slot above. rules_text appends them as stable text for the fingerprint. EINVAL, ENOMEM. */
    eyot_status (*rule)(void **rules, const char *key, eyot_reducer reducer, uint64_t limit, eyot_error *e);
    void (*rules_free)(void *rules);
    eyot_status (*rules_text)(const void *rules, eyot_buf *out);
    /* A state as text for people (JSON); NULL: shown as hex. */
    eyot_status (*print)(const void *v, eyot_buf *out, void *user);
    /* The first place where two values differ: appends its JSON pointer (RFC 6901), and what is there in `a` and in `b`, as `print`
     * writes it; nothing where there is nothing. NULL: the whole values are shown. ENOMEM. */
    eyot_status (*difference)(const void *a, const void *b, eyot_buf *pointer, eyot_buf *in_a, eyot_buf *in_b,
                              void *user);
};

#ifdef __cplusplus
}
#endif
#endif
