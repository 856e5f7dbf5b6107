/* SPDX-License-Identifier: MIT */
/* For writers of a store: the table of operations behind which runs are kept. Copy stores/memory.c, fill the table, add
 * one line to test/store_suite.c. For opening a store see stores.h.
 *
 * A store keeps, per run, one row and a log of entries numbered 1, 2, 3 …, and per fingerprint the source of a graph. It
 * never looks into bodies. What it must guarantee: an acknowledged entry is not lost within the declared class; there
 * is at most one entry per (run, seq), ever; a commit with another epoch or token than the row's changes nothing.
 *
 * Every slot may block and may be called from any thread at once, unless flags has EYOT_STORE_SERIAL. Strings and bytes
 * handed in are borrowed for the call, those handed to callbacks until the callback returns; a callback must not call
 * the store and ends the walk by returning non-zero, which the slot then returns. `e` may be NULL. */
#ifndef EYOT_STORE_H
#define EYOT_STORE_H

#include <eyot/copier.h>
#include <eyot/eyot.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EYOT_STORE_ABI 1u

typedef struct eyot_bytes {
    const void *p; /* may be NULL when n is 0 */
    size_t n;
} eyot_bytes;

/* What survives: reported by `info` with the reasons. */
typedef enum eyot_store_class {
    EYOT_CLASS_VOLATILE = 1, /* nothing */
    EYOT_CLASS_PROCESS,      /* SIGKILL of the program and of the server */
    EYOT_CLASS_MACHINE,      /* power loss of one machine */
    EYOT_CLASS_REPLICATED    /* loss of one machine */
} eyot_store_class;
EYOT_API const char *eyot_store_class_name(eyot_store_class c); /* "machine"; a constant */

typedef enum eyot_entry_kind {
    EYOT_ENTRY_TASK = 1, /* a committed task: its update and route */
    EYOT_ENTRY_ATTEMPT,  /* a failed attempt: its error */
    EYOT_ENTRY_ASKED,
    EYOT_ENTRY_ANSWERED,
    EYOT_ENTRY_TIMER,
    EYOT_ENTRY_STATUS,  /* the run's status changed */
    EYOT_ENTRY_SNAPSHOT /* all that later entries build on */
} eyot_entry_kind;

typedef struct eyot_entry {
    uint64_t seq;  /* 1, 2, 3 … within the run */
    uint64_t step; /* committed tasks up to and including this entry */
    eyot_entry_kind kind;
    eyot_bytes key;  /* the task key, up to 256 bytes; empty for others */
    eyot_bytes body; /* the record, stored and returned unchanged (docs/format.md) */
} eyot_entry;

/* Kinds of messages (`post`, `inbox`). A cancel is for the owner of that epoch, or for a worker that takes the run up after it;
 * not for who resumes it by hand. */
typedef enum eyot_message_kind {
    EYOT_MESSAGE_CANCEL = 1, /* id "cancel/<epoch>" */
    EYOT_MESSAGE_ANSWER      /* reserved */
} eyot_message_kind;

typedef struct eyot_event {
    eyot_bytes id; /* "<run id>/…", up to 512 bytes; stable: the same event emitted again has the same id */
    eyot_bytes topic, payload;
} eyot_event;

/* The row of a run. Times are milliseconds since 1970 by the store's own clock. */
typedef struct eyot_run_row {
    eyot_bytes run;         /* id: [A-Za-z0-9][A-Za-z0-9._:-]{0,127}, compared as bytes */
    eyot_bytes graph;       /* name */
    eyot_bytes fingerprint; /* of the graph: 64 hex digits */
    eyot_bytes origin;      /* "run@step" this one was forked from, or empty */
    eyot_bytes queue;       /* "" is the default one */
    eyot_bytes owner;       /* who holds it; empty: nobody */
    uint8_t token[16];      /* random, per claim */
    uint64_t epoch;         /* raised by every claim; 1 after create_run */
    uint64_t head;          /* seq of the newest entry */
    uint64_t steps;         /* step of the newest entry */
    uint64_t snapshot_seq;  /* seq of the newest snapshot; 0: none */
    uint32_t status;        /* eyot_run_status */
    uint32_t attempts;      /* claims since the last commit */
    int32_t priority;       /* higher first */
    uint32_t crc;           /* of the newest commit */
    int64_t due_ms;         /* lease end while held, else when it may be claimed by queue; INT64_MAX: never */
    int64_t created_ms, updated_ms;
    int64_t now_ms; /* out: the store's clock when it was read */
} eyot_run_row;

/* One atomic change of one run: nothing of it is visible unless all of it is. */
typedef struct eyot_commit {
    eyot_bytes run;
    uint64_t epoch; /* the fence: both must equal the row's, and the row must be held (owner not empty) */
    uint8_t token[16];
    uint64_t head; /* seq before; the entries are head+1 … head+n_entries */
    const eyot_entry *entries;
    size_t n_entries; /* 0: only renews or releases, maybe with events; the row's crc then stays as it is */
    const eyot_event *events;
    size_t n_events;
    const eyot_bytes *inbox_done; /* ids of messages consumed with it */
    size_t n_inbox_done;
    uint32_t status;       /* eyot_run_status after it */
    uint64_t lease_ms;     /* renewed to now + lease_ms; 0: released (owner cleared), then due_in_ms counts. A release
                              without entries also takes back its claim's attempt: nothing was lost by it */
    int64_t due_in_ms;     /* after a release: claimable by queue in so many ms; INT64_MAX: never */
    uint64_t snapshot_seq; /* 0: unchanged */
    uint32_t crc;          /* of the whole commit, kept in the row: tells a resent commit from another one */
    eyot_status result;    /* out: OK; EALREADY same head+n, epoch, token and crc as the row's: a lost reply was resent;
                                (or it only releases what this claim has released already); ESTALE head is another;
                                EFENCED epoch or token is another, or nobody holds the run; EGONE no such run */
} eyot_commit;

typedef struct eyot_claim {
    eyot_bytes run; /* this run; empty: the next due one of `queue` */
    eyot_bytes queue, owner;
    uint8_t token[16];
    uint64_t lease_ms;
    uint64_t
        steal_epoch; /* not 0: take it although its lease runs, iff its epoch still is this one (its owner is dead) */
    const eyot_bytes *graphs; /* by queue: only runs of these fingerprints; NULL: of any graph */
    size_t n_graphs;
} eyot_claim;

typedef struct eyot_run_filter {
    size_t size;       /* sizeof(eyot_run_filter) */
    uint32_t status;   /* eyot_run_status; 0: any */
    eyot_bytes graph;  /* name; empty: any */
    eyot_bytes prefix; /* of the run id; empty: any */
    int64_t since_ms;  /* created at or after; 0: any */
} eyot_run_filter;

typedef struct eyot_store_info {
    eyot_store_class durability;
    char backend[32];  /* "sqlite" */
    char version[64];  /* of the library or server: "SQLite 3.40.1" */
    char reasons[512]; /* why this class: one line */
    char advice[256];  /* what would make it a stronger one: one line; "": nothing that is known */
    uint64_t max_body; /* bytes one body may have */
} eyot_store_info;

typedef eyot_status (*eyot_row_fn)(void *arg, const eyot_run_row *row);
typedef eyot_status (*eyot_entry_fn)(void *arg, const eyot_entry *entry);
typedef eyot_status (*eyot_event_fn)(void *arg, eyot_bytes run, const eyot_event *event);

typedef enum eyot_store_flag {
    EYOT_STORE_SERIAL = 1 /* slots are called one at a time */
} eyot_store_flag;

/* The table. It only grows at its end; a slot marked optional may be NULL: its feature is refused with ENOTSUP. Every slot
 * returns EIO when the backend fails, ENOMEM, and the statuses its comment names. */
typedef struct eyot_store_ops {
    size_t size; /* sizeof(eyot_store_ops) */
    uint32_t abi, flags;

    /* Creates the run from row (id, graph, fingerprint, origin, queue, owner, token, priority), epoch 1, with the entries
     * of `first` (head 0; its epoch and token are the row's), and keeps the graph's source if it is new. Held by the
     * owner for first->lease_ms. With an empty owner it is created released, due in first->due_in_ms.
     * EEXIST: the id is taken, or its tombstone stands. */
    eyot_status (*create_run)(void *s, const eyot_run_row *row, eyot_bytes graph_source, const eyot_commit *first,
                              eyot_error *e);
    /* ENOTFOUND. */
    eyot_status (*get_run)(void *s, eyot_bytes run, eyot_row_fn fn, void *arg, eyot_error *e);
    /* Newest first by (created, id). `cursor` is empty or what an earlier call put into `next`; after the last page
     * nothing is put into it. EINVAL: a cursor that is none. */
    eyot_status (*list_runs)(void *s, const eyot_run_filter *filter, eyot_bytes cursor, uint32_t limit, eyot_row_fn fn,
                             void *arg, eyot_buf *next, eyot_error *e);
    /* ENOTFOUND. */
    eyot_status (*get_graph)(void *s, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e);
    /* Makes the claimer the owner: epoch + 1, its token, attempts + 1, lease; status running; `fn` gets the row after it.
     * By id every status but `done` can be claimed when it is not held or its lease has ended. By queue: an ended lease
     * first, then due runs that nobody holds, by priority and due time. EBUSY: held (and not stolen); `fn` gets the row, so
     * that the caller can see whose it is. ENOTFOUND: no such run, or none is due. EALREADY: it is done; `fn` gets the row. */
    eyot_status (*claim)(void *s, const eyot_claim *claim, eyot_row_fn fn, void *arg, eyot_error *e);
    /* Each commit is atomic by itself; all share one flush. EYOT_OK: every `result` is set; otherwise nothing is known of
     * any of them, and the caller may send the same commits again. Sets attempts to 0 when it has entries. */
    eyot_status (*commit)(void *s, eyot_commit *commits, size_t n, eyot_error *e);
    /* The newest snapshot at or before `seq` (UINT64_MAX: latest) and all entries after it up to seq, in order, as one
     * consistent read. ENOTFOUND: no such run, or no such seq. */
    eyot_status (*load)(void *s, eyot_bytes run, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e);
    /* Entries from seq `from`, in order, at most `limit`; bodies are empty unless with_bodies. ENOTFOUND. */
    eyot_status (*list_entries)(void *s, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                                eyot_entry_fn fn, void *arg, eyot_error *e);
    eyot_status (*info)(void *s, eyot_store_info *out, eyot_error *e);
    /* Frees s. Nobody else uses it any more. */
    void (*close)(void *s);

    /* Optional. */
    /* Leaves a message for a run: once per message id, also after it was consumed (a second one is EYOT_OK and changes
     * nothing). Makes a suspended run due, and one that is released as suspended while a message waits. ENOTFOUND. */
    eyot_status (*post)(void *s, eyot_bytes run, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                        eyot_bytes payload, eyot_error *e);
    /* Messages not yet consumed, oldest first: entry.key is the message id, entry.kind its kind, body the payload. */
    eyot_status (*inbox)(void *s, eyot_bytes run, eyot_entry_fn fn, void *arg, eyot_error *e);
    /* Events not yet acknowledged, those of one run in commit order, runs in any order. One whose id is there already was
     * not added again. Cursors as of list_runs; what is emitted meanwhile may come before a cursor: who follows begins anew. */
    eyot_status (*outbox_read)(void *s, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg, eyot_buf *next,
                               eyot_error *e);
    /* Ids that are not there (any more) are no error. */
    eyot_status (*outbox_ack)(void *s, const eyot_bytes *ids, size_t n, eyot_error *e);
    /* Small values beside runs. version 0: absent. kv_cas writes iff the version still is this one: ESTALE otherwise. */
    eyot_status (*kv_get)(void *s, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value, eyot_error *e);
    eyot_status (*kv_cas)(void *s, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value, uint64_t ttl_ms,
                          eyot_error *e);
    /* Removes entries of a run that nothing needs any more. ESTALE: head is another. EINVAL: an entry that is not before
     * the newest snapshot; nothing is removed then. ENOTFOUND. */
    eyot_status (*prune)(void *s, eyot_bytes run, const uint64_t *drop_seq, size_t n, uint64_t head, eyot_error *e);
    /* Removes a run in this epoch, held or not, or in any that is not held when epoch is 0, and the values of the namespace
     * "run/<its id>"; leaves a tombstone that keeps the id taken until a lease of it could have ended. ENOTFOUND; EBUSY: held,
     * or in another epoch. */
    eyot_status (*delete_run)(void *s, eyot_bytes run, uint64_t epoch, eyot_error *e);
} eyot_store_ops;

/* Makes a store of a table and its own pointer, which is closed with it, also when this call fails. The table is borrowed
 * until then. EINVAL: a required slot is missing or abi is another. ENOMEM. */
EYOT_API eyot_status eyot_store_new(eyot_store **out, const eyot_store_ops *ops, void *self_take, eyot_error *e);

/* Closes a store that no engine uses any more. */
EYOT_API void eyot_store_close(eyot_store *store);

/* The table and pointer behind a store, for tools that walk it; borrowed until it is closed. */
EYOT_API const eyot_store_ops *eyot_store_table(const eyot_store *store, void **self);

/* Class, reasons, versions, limits. EFORKED, and what the store says. May block. */
EYOT_API eyot_status eyot_store_inform(eyot_store *store, eyot_store_info *out, eyot_error *e);

/* True when the owner of a run (eyot_run_row.owner) was a process of this machine and pid namespace that is gone: its run
 * can be resumed although its lease has not ended. */
EYOT_API bool eyot_owner_is_gone(eyot_bytes owner);

/* True of the owner of a run that is being imported, or whose import was cut short: it is no whole run, and nobody can claim it. */
EYOT_API bool eyot_owner_imports(eyot_bytes owner);

/* Asks for the end of a run, of whatever process: one that somebody holds is left a message, which its engine sees within a
 * second or two; one that nobody holds, or whose owner is gone, becomes cancelled at once. `*held` (may be NULL) tells which.
 * EALREADY: it is done, failed or cancelled. ENOTFOUND; ENOTSUP: held, and the store takes no messages; what the store
 * says. May block. */
EYOT_API eyot_status eyot_store_cancel(eyot_store *store, const char *run_id, bool *held, eyot_error *e);

/* Removes a run with all that belongs to it, notes included, or what an import has left that was cut short. Its id stays taken
 * until a lease of an owner that is gone would have ended. EBUSY: held by somebody who is not gone, or being imported. ENOTFOUND, ENOTSUP, and what the
 * store says. May block. */
EYOT_API eyot_status eyot_store_delete(eyot_store *store, const char *run_id, eyot_error *e);

/* Small text that belongs to a run: kept beside its log in the kv namespace "run/<run id>", removed with it; also of a run that
 * is not there yet. Replaces the one before; of several at once one stands. EINVAL (no run id, no key), ENOTSUP, ESTALE
 * (others never let it), and what the store says. May block. */
EYOT_API eyot_status eyot_store_put_note(eyot_store *store, const char *run_id, const char *key, const void *bytes,
                                         size_t len, eyot_error *e);
/* Appends it to `out`. ENOTFOUND. */
EYOT_API eyot_status eyot_store_get_note(eyot_store *store, const char *run_id, const char *key, eyot_buf *out,
                                         eyot_error *e);

/* ---- going on with another graph ---- */
/* A run goes on with the graph it was last gone on with: that of its row, unless this note tells another one (docs/format.md).
 * A store without notes only knows the row's. */
#define EYOT_NOTE_GRAPH "graph"

/* Appends the source of that graph to `source`; its 64 hex digits and a NUL go to `fingerprint`. ENOTFOUND, ECORRUPT, EINVAL,
 * ENOMEM, and what the store says. May block. */
EYOT_API eyot_status eyot_store_get_run_graph(eyot_store *store, const char *run_id, char fingerprint[65],
                                              eyot_buf *source, eyot_error *e);

/* Tells fn each difference between that graph and a frozen one, nodes in the order of the graphs, on this thread; fn ends it by
 * returning non-zero, which is then returned with `e` untouched. Graphs of one fingerprint do not differ. Reads keys of the
 * whole log, without bodies, when something differs. ENOTFOUND, EINVAL (not frozen), ECORRUPT, ENOMEM, and what the store
 * says. May block. */
EYOT_API eyot_status eyot_store_compare_graph(eyot_store *store, const char *run_id, const eyot_graph *g,
                                              eyot_change_fn fn, void *arg, eyot_error *e);

/* ---- labels ---- */
/* Names for steps of a run, kept in its note "labels": they go with it when it is deleted, exported or imported. A name is
 * [A-Za-z0-9][A-Za-z0-9._-]{0,63}, and neither "latest" nor digits alone, which mean steps already. A labelled step is not
 * pruned; one that is labelled in the moment in which it is pruned may be lost nevertheless. */
#define EYOT_NOTE_LABELS "labels"

/* Gives a step (EYOT_LATEST: the newest) a name; one that another step has moves. EINVAL: the name; ENOTFOUND: no such run or
 * step; ENOTSUP: the store keeps no notes; ECORRUPT: the note is none of labels; ESTALE (others never let it), and what the
 * store says. May block. */
EYOT_API eyot_status eyot_store_label(eyot_store *store, const char *run_id, uint64_t step, const char *name,
                                      eyot_error *e);
/* Takes the name away. ENOTFOUND: no step has it; otherwise as above. */
EYOT_API eyot_status eyot_store_unlabel(eyot_store *store, const char *run_id, const char *name, eyot_error *e);
/* The step that has the name. ENOTFOUND: none has; otherwise as above. */
EYOT_API eyot_status eyot_store_find_label(eyot_store *store, const char *run_id, const char *name, uint64_t *step,
                                           eyot_error *e);
/* The name is borrowed for the call. */
typedef eyot_status (*eyot_label_fn)(void *arg, uint64_t step, const char *name);
/* All labels of a run by step, then by name; none of a run that is not there. `fn` may use the store, and ends the walk by returning
 * non-zero, which is then returned. */
EYOT_API eyot_status eyot_store_list_labels(eyot_store *store, const char *run_id, eyot_label_fn fn, void *arg,
                                            eyot_error *e);

/* ---- retention ---- */
typedef enum eyot_retain_flag {
    EYOT_RETAIN_DRY_RUN = 1, /* nothing is removed, only told */
    EYOT_RETAIN_FAILED = 2   /* gc: failed and dead runs are deleted too, though they could be resumed */
} eyot_retain_flag;

/* Which steps are kept: those that one of these names, those with a label, and those that another run was forked from. All
 * zero: only these and what the run itself needs. */
typedef struct eyot_retain {
    size_t size;         /* sizeof(eyot_retain) */
    uint64_t keep_last;  /* so many steps up to the newest */
    uint64_t keep_every; /* those whose number it divides, so also step 0. 0: none */
    /* Those whose task ended so recently, by the store's clock; where that is not known, the run's beginning counts. 0:
     * none. Otherwise the whole log is read. */
    uint64_t younger_than_ms;
    uint32_t flags; /* eyot_retain_flag */
} eyot_retain;

/* What went, or in a dry run would go. */
typedef struct eyot_pruned {
    uint64_t entries, bytes; /* of keys and records; what the backend spends on them comes on top */
    uint64_t steps;          /* that have a checkpoint afterwards */
} eyot_pruned;

/* Removes from a run's log what no kept step needs: of every snapshot but the newest one the entries behind the last kept step
 * that builds on it, and the snapshot when there is none. So every kept step has the checkpoint it had; the run goes on,
 * whoever works on it meanwhile. What is there afterwards is whole at any moment, also when the call fails in between; then `out`
 * (may be NULL) tells what has gone so far. `rules` may be NULL: all zero.
 * Reads the rows of all runs once, for their origins, the log without its records once, and what goes with them.
 * ENOTFOUND; EBUSY: it is being imported; ENOTSUP: the store cannot prune; ECORRUPT: the log has a hole that pruning did not make, or its
 * labels are damaged; ESTALE: others write and label too fast; EINVAL, ENOMEM, and what the store says. May block. */
EYOT_API eyot_status eyot_store_prune(eyot_store *store, const char *run_id, const eyot_retain *rules, eyot_pruned *out,
                                      eyot_error *e);

typedef struct eyot_gc_options {
    size_t size; /* sizeof(eyot_gc_options) */
    /* The rules for the logs of all runs that stay, its flags aside. NULL: logs stay as they are. */
    const eyot_retain *prune;
    uint64_t older_than_ms; /* done and cancelled runs that have been so for this long are deleted; 0: none */
    uint32_t flags;         /* eyot_retain_flag */
} eyot_gc_options;

/* One run of which something went, or would go, or that could not be read. Everything is borrowed for the call. */
typedef struct eyot_gc_run {
    size_t size; /* sizeof(eyot_gc_run) of the library */
    const char *run;
    eyot_run_status run_status;
    bool deleted;     /* all of it */
    eyot_pruned gone; /* steps: 0 of a deleted one */
    eyot_status status;
    const char *text; /* why it was passed over: status and text of the error; OK and "": it was not */
} eyot_gc_run;
typedef eyot_status (*eyot_gc_fn)(void *arg, const eyot_gc_run *run);

typedef struct eyot_collected {
    uint64_t runs;    /* that were looked at */
    uint64_t deleted; /* runs */
    uint64_t pruned;  /* runs */
    uint64_t skipped; /* others have changed or deleted them meanwhile: the next gc sees to them */
    uint64_t damaged; /* told to `fn` with a status */
    uint64_t entries, bytes;
} eyot_collected;

/* Goes through all runs: deletes those that ended long ago, prunes the others. Never deletes a run that somebody holds, that is
 * suspended or ready, or that has changed since it was looked at. A deleted run may be the origin of others: a fork needs nothing of
 * it. Graph sources stay: they are kept by fingerprint and shared. `fn` (may be NULL) is called on this thread, may use the store, and ends
 * the work by returning non-zero, which is then returned. Memory in proportion to the number of forks. Reads the rows of all runs
 * twice and the logs it touches as eyot_store_prune says; of a run that is deleted, all of its log, to tell its bytes.
 * ENOTSUP: the store cannot prune, or delete; EINVAL, ENOMEM, and what the store says. May block. */
EYOT_API eyot_status eyot_store_gc(eyot_store *store, const eyot_gc_options *options, eyot_gc_fn fn, void *arg,
                                   eyot_collected *out, eyot_error *e);

/* ---- moving runs ---- */
/* Takes bytes of a stream, or fails; gives up to `room` bytes, 0 at its end. May block; must not use the store. */
typedef eyot_status (*eyot_write_fn)(void *arg, const void *bytes, size_t len, eyot_error *e);
typedef eyot_status (*eyot_read_fn)(void *arg, void *to, size_t room, size_t *got, eyot_error *e);

typedef struct eyot_export_options {
    size_t size;              /* sizeof(eyot_export_options) */
    const char *const *notes; /* keys of notes that go along, of those that the run has */
    size_t n_notes;
    const char
        *attempt_notes; /* also those under "<this>/<task key>/<attempt>" of every attempt in its log. NULL: none */
} eyot_export_options;

/* Writes a run as a stream of lines (docs/format.md): its row, its graph's source, its entries, notes, and events that nobody has
 * acknowledged; messages stay, labels go along. Of a run that goes on meanwhile it is the run as of the newest entry at the beginning; of
 * events, those that were there then. Memory in proportion to a few entries, and to the run's events. `options` may be NULL.
 * ENOTFOUND; ECORRUPT: an entry is damaged or lost; EGONE: the run was deleted or pruned meanwhile; EBUSY: it is being imported itself; EINVAL,
 * ENOMEM; what the store and `write` say. May block. */
EYOT_API eyot_status eyot_store_export(eyot_store *store, const char *run_id, const eyot_export_options *options,
                                       eyot_write_fn write, void *arg, eyot_error *e);

typedef struct eyot_import_options {
    size_t size;        /* sizeof(eyot_import_options) */
    const char *run_id; /* the id that the run gets; its tasks have other idempotency keys then. NULL: its own */
} eyot_import_options;

#define EYOT_NOTE_IMPORTED "imported" /* a note that every run has that was imported: who may trust its graph? */

/* Takes a run in from such a stream: the same entries, byte for byte, the same status; nobody holds it, and nobody claims it
 * by queue. Entries that were pruned are missing there too; importing takes its time for each of them. Its id (129 bytes; may be NULL) is told also on failure, as far as it is known. On failure nothing is left, but for the
 * source of its graph maybe. What a process leaves that dies meanwhile can be told by eyot_owner_imports; nobody can claim
 * it, and the next import of this id, or eyot_store_delete, removes it. With `store` NULL the stream is only checked. Memory
 * in proportion to 1 MiB, the largest line, and the run's events. `options` may be NULL.
 * ECORRUPT: the stream was cut or changed, told with the line; EFORMAT: written by a newer version; EEXIST: the id is taken;
 * EBUSY: somebody else imports it; ENOTSUP: the store keeps no notes or cannot delete; ELIMIT: a line is longer than the
 * store takes; EINVAL, ENOMEM; what the store and `read` say. May block. */
EYOT_API eyot_status eyot_store_import(eyot_store *store, const eyot_import_options *options, eyot_read_fn read,
                                       void *arg, char run_id[129], eyot_error *e);

/* A buffer of one's own, for the calls that fill one: text and length are borrowed until the next change. NULL: no memory. */
EYOT_API eyot_buf *eyot_buf_new(void);
EYOT_API void eyot_buf_free(eyot_buf *buf);
EYOT_API const void *eyot_buf_data(const eyot_buf *buf, size_t *len); /* NUL-terminated; "" when empty or failed */
EYOT_API void eyot_buf_reset(eyot_buf *buf);

/* The calls of the table that tools need, with the guards that the engine has too (EFORKED, one at a time). Their contracts
 * are the slots'. */
EYOT_API eyot_status eyot_store_get_run(eyot_store *store, const char *run_id, eyot_row_fn fn, void *arg,
                                        eyot_error *e);
EYOT_API eyot_status eyot_store_list_runs(eyot_store *store, const eyot_run_filter *filter, eyot_bytes cursor,
                                          uint32_t limit, eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e);
EYOT_API eyot_status eyot_store_get_graph(eyot_store *store, const char *fingerprint, eyot_buf *source, eyot_error *e);
/* Events that nobody has acknowledged, of all runs. Whoever acknowledges one after it was passed on sees each at least once. */
EYOT_API eyot_status eyot_store_read_events(eyot_store *store, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn,
                                            void *arg, eyot_buf *next, eyot_error *e);
EYOT_API eyot_status eyot_store_ack_events(eyot_store *store, const eyot_bytes *ids, size_t n, eyot_error *e);

/* A checkpoint of a run: where it stood after a step, read from the store alone without running any node. */
typedef struct eyot_checkpoint eyot_checkpoint;
#define EYOT_LATEST UINT64_MAX
/* As of the first entry with that step, which is its task's (0: the start), or as of the newest entry (EYOT_LATEST). Steps that a
 * life in EYOT_EXIT did not write have none. *out is NULL on failure. ENOTFOUND (also: no such step, or it was pruned), ECORRUPT, EFORMAT,
 * ECHANGED (the run belongs to another graph or copier), ECONFLICT (its branches cannot be joined), EINVAL, ENOMEM,
 * and what the store says. May block. The graph is borrowed until the checkpoint is freed. */
EYOT_API eyot_status eyot_store_load_checkpoint(eyot_checkpoint **out, eyot_store *store, const eyot_graph *g,
                                                const char *run_id, uint64_t step, eyot_error *e);
EYOT_API eyot_status eyot_store_load_latest_checkpoint(eyot_checkpoint **out, eyot_store *store, const eyot_graph *g,
                                                       const char *run_id, eyot_error *e);
EYOT_API void eyot_checkpoint_free(eyot_checkpoint *c);
EYOT_API uint64_t eyot_checkpoint_seq(const eyot_checkpoint *c);
EYOT_API uint64_t eyot_checkpoint_step(const eyot_checkpoint *c);
EYOT_API eyot_run_status eyot_checkpoint_status(const eyot_checkpoint *c);
/* Why the run has not ended well: failed, cancelled, suspended; "" otherwise. Borrowed until the checkpoint is freed. */
EYOT_API const char *eyot_checkpoint_error(const eyot_checkpoint *c);
/* The join of all live and ended branches; for a run that is done, its final state. Borrowed until the checkpoint is freed. */
EYOT_API const void *eyot_checkpoint_state(const eyot_checkpoint *c);
/* Live branches: tasks that are ready or were running, and branches that wait at a join. Borrowed; NULL beyond the last. */
EYOT_API size_t eyot_checkpoint_branch_count(const eyot_checkpoint *c);
EYOT_API const char *eyot_checkpoint_branch_node(const eyot_checkpoint *c, size_t i);
EYOT_API const void *eyot_checkpoint_branch_state(const eyot_checkpoint *c, size_t i);
/* The key of the task it is at, or of the join it waits at. */
EYOT_API const char *eyot_checkpoint_branch_task(const eyot_checkpoint *c, size_t i);
EYOT_API bool eyot_checkpoint_branch_waiting(const eyot_checkpoint *c, size_t i);
/* Its open question; NULL: none. */
EYOT_API const char *eyot_checkpoint_branch_question(const eyot_checkpoint *c, size_t i);
/* Until when its last sleep lasts, milliseconds since 1970, unless it has asked since; 0: none. In the past: it goes on. */
EYOT_API int64_t eyot_checkpoint_branch_due_ms(const eyot_checkpoint *c, size_t i);

/* One entry of a run's log, decoded. Everything is borrowed for the call that it is given to. */
typedef struct eyot_history_hop {
    const char *node, *task; /* where the branch went: node, and key of the task there */
} eyot_history_hop;
typedef struct eyot_recorded { /* by eyot_task_record */
    const char *name;
    eyot_status status; /* EYOT_OK, or why there is no value, which then is the text of that error */
    const void *value;  /* a NUL behind it */
    size_t len;
} eyot_recorded;
typedef struct eyot_history_entry {
    size_t size; /* sizeof(eyot_history_entry) of the library */
    uint64_t seq, step;
    eyot_entry_kind kind;
    const char *task, *node; /* key and id; NULL where no task is concerned */
    uint32_t attempt;
    int64_t started_ms; /* wall clock, since 1970; 0: not known (written by an older version) */
    uint64_t took_us;   /* of the attempt; 0: too short to be measured, or not known */
    const void *update; /* of a task; NULL: none */
    const eyot_history_hop *route;
    size_t n_route;            /* 0: the branch ended here */
    const char *const *joined; /* keys of the tasks whose branches met here, in the order of the join; none for a task
                                   that did not join */
    size_t n_joined;
    eyot_status status; /* of a failed attempt, or of the run's error in a status entry */
    const char *text;   /* its text; of EYOT_ENTRY_ASKED the question, of EYOT_ENTRY_ANSWERED the answer; else NULL */
    eyot_run_status run_status;    /* of a status entry */
    int64_t due_ms;                /* of EYOT_ENTRY_TIMER */
    const eyot_recorded *recorded; /* what a task was told, since its last wait: of TASK, ASKED and TIMER */
    size_t n_recorded;
    uint64_t n_pruned; /* so many entries were pruned between the one told before and this one */
} eyot_history_entry;
typedef eyot_status (*eyot_history_fn)(void *arg, const eyot_history_entry *entry);
/* Walks the log of a run as it is at the call, in order, without running any node; snapshots are passed over. Of a log that
 * was pruned it tells what is there, and how much is not. `fn` is called on this thread, may use the store, and ends the walk by returning
 * non-zero, which is then returned, with `e` untouched. Memory in proportion to what is alive at once. Statuses as for a
 * checkpoint, but no ECONFLICT. May block. */
EYOT_API eyot_status eyot_store_read_history(eyot_store *store, const eyot_graph *g, const char *run_id,
                                             eyot_history_fn fn, void *arg, eyot_error *e);

#ifdef __cplusplus
}
#endif
#endif
