/* SPDX-License-Identifier: MIT */
/* Pruning a run's log.
 *
 * A log is a row of parts, each a snapshot and the entries that build on it. What is left of a part is its beginning, up to the last
 * entry that a kept step needs; so nothing that is there lacks what it builds on. Within a part the newest entries go
 * first: that holds at any moment, whoever reads meanwhile or kills us. The newest part stays as it is; it is what live
 * runs need. */
#include "core/retain.h"

#include <stdlib.h>
#include <string.h>

#include "core/labels.h"
#include "core/options.h"
#include "core/skim.h"
#include "core/store.h"

enum {
    PAGE = 256, /* entries that are read, and removed, at once */
    ROWS = 500,
    TRIES = 1000 /* against others who write at the same moment */
};

static eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

/* ---- forks --------------------------------------------------------------------------------------------------------- */

static uint64_t hash_run(const char *id, size_t len)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)id[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* "RUN@STEP" */
static bool read_origin(eyot__fork *out, eyot_bytes origin)
{
    const char *p = origin.p, *at = origin.n ? memchr(p, '@', origin.n) : NULL, *end = p + origin.n;
    if (!at || at + 1 == end || end - at > 20) return false;
    *out = (eyot__fork){.run = hash_run(p, (size_t)(at - p))};
    for (p = at + 1; p < end; p++) {
        if (*p < '0' || *p > '9') return false;
        out->step = out->step * 10 + (uint64_t)(*p - '0');
    }
    return true;
}

static eyot_status see_origin(void *arg, const eyot_run_row *row)
{
    eyot__forks *f = arg;
    eyot__fork fork;
    if (!read_origin(&fork, row->origin)) return EYOT_OK;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        eyot__fork *at = realloc(f->at, cap * sizeof *at);
        if (!at) return EYOT_ENOMEM;
        f->at = at;
        f->cap = cap;
    }
    f->at[f->n++] = fork;
    return EYOT_OK;
}

static int by_run_and_step(const void *a, const void *b)
{
    const eyot__fork *x = a, *y = b;
    if (x->run != y->run) return x->run < y->run ? -1 : 1;
    return x->step < y->step ? -1 : x->step > y->step;
}

eyot_status eyot__forks_collect(eyot__forks *f, eyot_store *store, eyot_error *e)
{
    eyot_buf cursor = EYOT__BUF_INIT, next = EYOT__BUF_INIT;
    eyot_run_filter all = {.size = sizeof all};
    eyot_status status = EYOT_OK;
    do {
        eyot_buf swap = cursor;
        cursor = next;
        next = swap;
        eyot__buf_reset(&next);
        status =
            eyot__store_list_runs(store, &all, eyot__bytes(cursor.data, cursor.len), ROWS, see_origin, f, &next, e);
    } while (!status && next.len > 0);
    if (f->n) qsort(f->at, f->n, sizeof *f->at, by_run_and_step);
    eyot__buf_clear(&cursor);
    eyot__buf_clear(&next);
    return status == EYOT_ENOMEM ? no_memory(e) : status;
}

void eyot__forks_clear(eyot__forks *f)
{
    free(f->at);
    *f = (eyot__forks){.n = 0};
}

static size_t first_fork(const eyot__forks *f, uint64_t run)
{
    size_t from = 0, to = f->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (f->at[middle].run < run)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* ---- what is known of a run ---------------------------------------------------------------------------------------- */

typedef struct seen_entry {
    uint64_t seq, step;
    int64_t ended_ms;
    bool snapshot;
} seen_entry;

typedef struct seen_row {
    uint64_t head, steps, snapshot_seq;
    int64_t created_ms, now_ms;
    bool imports;
} seen_row;

typedef struct pruning {
    eyot_store *store;
    const char *id;
    eyot_bytes run;
    const eyot_retain *rules;
    const eyot__forks *forks;
    eyot_pruned *out;
    seen_row row;

    eyot_buf labels;
    uint64_t labels_version;
    const char *label_at; /* the first one that may be of the step that is looked at, or of a later one */
    size_t fork_at;       /* the same */
    uint64_t hash;

    /* The part that is read. */
    uint64_t first, last;           /* seqs; 0: none yet */
    uint64_t cut, cut_step;         /* of the last entry that stays; 0: none does */
    uint64_t first_step, n, n_kept; /* its snapshot's; different steps so far, and up to the cut */
    uint64_t step;                  /* of the entry before; UINT64_MAX: none */
    uint64_t kept_step;             /* of the last entry that stays of the parts before; UINT64_MAX: none */

    seen_entry page[PAGE];
    size_t n_page;
    uint64_t seqs[PAGE]; /* that go at once, of several parts: all that goes of each, or the newest of it */
    size_t n_seqs;
    uint64_t until;          /* what is counted ends there */
    uint64_t entries, bytes; /* of these */
    eyot_error told;
} pruning;

static eyot_status see_row(void *arg, const eyot_run_row *from)
{
    *(seen_row *)arg = (seen_row){from->head,       from->steps,  from->snapshot_seq,
                                  from->created_ms, from->now_ms, eyot_owner_imports(from->owner)};
    return EYOT_OK;
}

/* From the beginning, with what is known of the run now. */
static eyot_status begin(pruning *p, eyot_error *e)
{
    eyot_status status = eyot__store_get_run(p->store, p->run, see_row, &p->row, e);
    if (!status && p->row.imports)
        status = eyot_error_set(e, EYOT_EBUSY, "run %s is being imported, or its import was cut short", p->id);
    eyot__buf_reset(&p->labels);
    if (!status) status = eyot__labels_load(p->store, p->id, &p->labels, &p->labels_version, e);
    p->label_at = (const char *)p->labels.data;
    p->hash = hash_run(p->id, p->run.n);
    p->fork_at = first_fork(p->forks, p->hash);
    p->first = p->last = p->cut = p->n = p->n_kept = 0;
    p->step = p->kept_step = UINT64_MAX;
    p->n_seqs = 0;
    p->entries = p->bytes = 0;
    p->out->steps = 0;
    return status;
}

/* ---- which steps are kept ------------------------------------------------------------------------------------------ */

/* Steps are asked for in their order. */
static bool is_labelled(pruning *p, uint64_t step)
{
    eyot__label l;
    const char *end = p->labels.len ? (const char *)p->labels.data + p->labels.len : p->label_at;
    for (const char *at = p->label_at; eyot__label_next(&l, &at, end); p->label_at = at)
        if (l.step >= step) return l.step == step;
    return false;
}

static bool is_forked(pruning *p, uint64_t step)
{
    const eyot__forks *f = p->forks;
    while (p->fork_at < f->n && f->at[p->fork_at].run == p->hash && f->at[p->fork_at].step < step) p->fork_at++;
    return p->fork_at < f->n && f->at[p->fork_at].run == p->hash && f->at[p->fork_at].step == step;
}

static bool is_kept(pruning *p, const seen_entry *h)
{
    const eyot_retain *r = p->rules;
    int64_t ended_ms = h->ended_ms ? h->ended_ms : p->row.created_ms;
    bool last = h->step > p->row.steps || p->row.steps - h->step < r->keep_last;
    bool every = r->keep_every && h->step % r->keep_every == 0;
    bool young =
        r->younger_than_ms && (ended_ms >= p->row.now_ms || (uint64_t)(p->row.now_ms - ended_ms) < r->younger_than_ms);
    bool labelled = is_labelled(p, h->step), forked = is_forked(p, h->step);
    return last || every || young || labelled || forked;
}

/* ---- what goes ----------------------------------------------------------------------------------------------------- */

static eyot_status count_entry(void *arg, const eyot_entry *entry)
{
    pruning *p = arg;
    if (entry->seq > p->until) return EYOT_EALREADY;
    p->entries++;
    p->bytes += entry->key.n + entry->body.n;
    return EYOT_OK;
}

/* The run goes on meanwhile: only its head must be known. */
static eyot_status drop(pruning *p, eyot_error *e)
{
    seen_row now = p->row;
    eyot_status status = EYOT_ESTALE;
    for (int i = 0; i < TRIES && status == EYOT_ESTALE; i++) {
        if (i > 0) status = eyot__store_get_run(p->store, p->run, see_row, &now, e);
        if (i > 0 && status) break;
        if (now.created_ms != p->row.created_ms)
            return eyot_error_set(e, EYOT_ENOTFOUND, "run %s was deleted meanwhile", p->id);
        status = eyot__store_prune(p->store, p->run, p->seqs, p->n_seqs, now.head, e);
    }
    p->row.head = now.head;
    return status;
}

/* *again: somebody has changed them since they were read. */
static eyot_status check_labels(pruning *p, bool *again, eyot_error *e)
{
    uint64_t version;
    eyot_buf lines = EYOT__BUF_INIT;
    eyot_status status = eyot__labels_load(p->store, p->id, &lines, &version, e);
    *again = !status && version != p->labels_version;
    eyot__buf_clear(&lines);
    return status;
}

/* What was gathered goes. */
static eyot_status flush(pruning *p, bool *again, eyot_error *e)
{
    bool dry = p->rules->flags & EYOT_RETAIN_DRY_RUN;
    eyot_status status = p->n_seqs && !dry ? check_labels(p, again, e) : EYOT_OK;
    if (!status && !*again && p->n_seqs && !dry) status = drop(p, e);
    if (!status && !*again) {
        p->out->entries += p->entries;
        p->out->bytes += p->bytes;
    }
    p->n_seqs = 0;
    p->entries = p->bytes = 0;
    return status;
}

/* The last `n` entries up to `to`: they fit. */
static eyot_status gather(pruning *p, uint64_t to, size_t n, eyot_error *e)
{
    eyot_error own;
    p->until = to;
    for (size_t i = 0; i < n; i++) p->seqs[p->n_seqs++] = to - n + 1 + i;
    eyot_status status =
        eyot__store_list_entries(p->store, p->run, to - n + 1, (uint32_t)n, true, count_entry, p, &own);
    return status && status != EYOT_EALREADY ? eyot_error_set(e, status, "%s", own.text) : EYOT_OK;
}

/* The part has been read. */
static eyot_status end_part(pruning *p, bool *again, eyot_error *e)
{
    bool newest = p->first >= p->row.snapshot_seq;
    uint64_t kept = newest ? p->n : p->n_kept, from = p->cut ? p->cut + 1 : p->first, to = p->last;
    eyot_status status = EYOT_OK;
    if (p->first == 0) return EYOT_OK;
    p->out->steps += kept - (kept && p->first_step == p->kept_step);
    if (kept) p->kept_step = newest ? p->step : p->cut_step;
    if (newest || from > to) return EYOT_OK;
    while (from <= to && !status && !*again) {
        size_t n = to - from < PAGE ? (size_t)(to - from) + 1 : PAGE;
        if (n > PAGE - p->n_seqs) status = flush(p, again, e);
        if (!status && !*again) status = gather(p, to, n, e);
        to -= n;
    }
    return status;
}

/* ---- reading the log ----------------------------------------------------------------------------------------------- */

static eyot_status keep_head(void *arg, const eyot_entry *entry)
{
    pruning *p = arg;
    eyot__record record;
    eyot__skim skim = {.attempt = 0};
    seen_entry *h = &p->page[p->n_page++];
    if (entry->kind == EYOT_ENTRY_TASK && p->rules->younger_than_ms) {
        eyot_status status = eyot__record_open(&record, entry->body, p->run, entry->seq, &p->told);
        if (status) return status;
        if (!eyot__record_skim(&skim, &record))
            return eyot_error_set(&p->told, EYOT_ECORRUPT, "run %s, entry %llu: a task is not well-formed", p->id,
                                  (unsigned long long)entry->seq);
    }
    *h = (seen_entry){entry->seq, entry->step, skim.ended_ms, entry->kind == EYOT_ENTRY_SNAPSHOT};
    return EYOT_OK;
}

static eyot_status see_head(pruning *p, const seen_entry *h, bool *again, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    if (!h->snapshot && (p->first == 0 || h->seq != p->last + 1))
        return eyot_error_set(e, EYOT_ECORRUPT, "run %s, entry %llu: what it builds on is missing", p->id,
                              (unsigned long long)h->seq);
    if (h->snapshot) status = end_part(p, again, e);
    if (status || *again) return status;
    if (h->snapshot) {
        p->first = h->seq;
        p->first_step = h->step;
        p->cut = p->n_kept = 0;
        p->n = 1;
    } else if (h->step != p->step) {
        p->n++;
    }
    p->last = h->seq;
    if (h->step == p->step) return EYOT_OK; /* what stands for the step came before */
    p->step = h->step;
    if (!is_kept(p, h)) return EYOT_OK;
    p->cut = h->seq;
    p->cut_step = h->step;
    p->n_kept = p->n;
    return EYOT_OK;
}

static eyot_status read_log(pruning *p, bool *again, eyot_error *e)
{
    uint64_t head = p->row.head;
    eyot_status status = EYOT_OK;
    bool bodies = p->rules->younger_than_ms > 0;
    for (uint64_t from = 1; from <= head && !status && !*again;) {
        eyot_error own;
        eyot__error_none(&p->told);
        p->n_page = 0;
        status = eyot__store_list_entries(p->store, p->run, from, PAGE, bodies, keep_head, p, &own);
        if (status && e) *e = p->told.status ? p->told : own;
        if (p->n_page == 0) break;
        from = p->page[p->n_page - 1].seq + 1;
        for (size_t i = 0; i < p->n_page && !status && !*again && p->page[i].seq <= head; i++)
            status = see_head(p, &p->page[i], again, e);
    }
    if (!status && !*again) status = end_part(p, again, e);
    return status || *again ? status : flush(p, again, e);
}

eyot_status eyot__prune(eyot_store *store, const char *run_id, const eyot_retain *rules, const eyot__forks *forks,
                        eyot_pruned *out, eyot_error *e)
{
    bool again = true;
    eyot_status status = EYOT_OK;
    pruning *p = calloc(1, sizeof *p);
    *out = (eyot_pruned){.entries = 0};
    if (!p) return no_memory(e);
    p->store = store;
    p->id = run_id;
    p->run = eyot__bytes(run_id, strlen(run_id));
    p->rules = rules;
    p->forks = forks;
    p->out = out;
    for (int i = 0; i < TRIES && again && !status; i++) {
        again = false;
        status = begin(p, e);
        if (!status) status = read_log(p, &again, e);
    }
    if (!status && again) status = eyot_error_set(e, EYOT_ESTALE, "run %s is labelled again and again", run_id);
    eyot__buf_clear(&p->labels);
    free(p);
    return status;
}

eyot_status eyot_store_prune(eyot_store *store, const char *run_id, const eyot_retain *rules, eyot_pruned *out,
                             eyot_error *e)
{
    eyot_retain r;
    eyot_pruned own;
    eyot__forks forks = {.n = 0};
    if (!store || !run_id) return eyot_error_set(e, EYOT_EINVAL, "a store and a run id are needed");
    if (eyot__options_read(&r, sizeof r, rules) || (r.flags & ~(uint32_t)EYOT_RETAIN_DRY_RUN))
        return eyot_error_set(e, EYOT_EINVAL, "rules of another size, or with unknown flags");
    eyot_status status = eyot__forks_collect(&forks, store, e);
    if (!status) status = eyot__prune(store, run_id, &r, &forks, out ? out : &own, e);
    eyot__forks_clear(&forks);
    return status;
}
