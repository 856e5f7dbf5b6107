/* SPDX-License-Identifier: MIT */
/* Going through all runs: what ended long ago is deleted, the logs of the others are pruned. */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/options.h"
#include "core/retain.h"
#include "core/store.h"

enum { PAGE = 100, ENTRIES = 256 };

typedef struct seen_run {
    char id[129];
    eyot_run_status status;
    bool held; /* also by who is gone: its run goes on */
    uint64_t epoch, snapshot_seq;
    int64_t created_ms, updated_ms, now_ms;
} seen_run;

typedef struct collecting {
    eyot_store *store;
    eyot_gc_options options;
    eyot_retain rules;
    eyot_gc_fn fn;
    void *arg;
    eyot_collected *out;
    eyot__forks forks;
    seen_run page[PAGE];
    size_t n;
    eyot_pruned counted;
    uint64_t next; /* entry to be counted */
} collecting;

static void copy_run(seen_run *to, const eyot_run_row *row)
{
    *to = (seen_run){.status = (eyot_run_status)row->status,
                     .held = row->owner.n > 0,
                     .epoch = row->epoch,
                     .snapshot_seq = row->snapshot_seq,
                     .created_ms = row->created_ms,
                     .updated_ms = row->updated_ms,
                     .now_ms = row->now_ms};
    memcpy(to->id, row->run.p, row->run.n < sizeof to->id ? row->run.n : sizeof to->id - 1);
}

static eyot_status keep_run(void *arg, const eyot_run_row *row)
{
    collecting *c = arg;
    if (c->n < PAGE && !eyot_owner_imports(row->owner)) copy_run(&c->page[c->n++], row);
    return EYOT_OK;
}

static eyot_status see_run(void *arg, const eyot_run_row *row)
{
    copy_run(arg, row);
    return EYOT_OK;
}

/* ---- one run ------------------------------------------------------------------------------------------------------- */

static bool has_ended(const collecting *c, const seen_run *r)
{
    uint64_t older = c->options.older_than_ms;
    bool failed = r->status == EYOT_RUN_FAILED || r->status == EYOT_RUN_DEAD;
    bool ended = r->status == EYOT_RUN_DONE || r->status == EYOT_RUN_CANCELLED;
    if (!ended && !(failed && c->options.flags & EYOT_RETAIN_FAILED)) return false;
    return older && !r->held && r->now_ms > r->updated_ms && (uint64_t)(r->now_ms - r->updated_ms) >= older;
}

static bool can_prune(const collecting *c, const seen_run *r)
{
    return c->options.prune && r->snapshot_seq > 1; /* before the newest snapshot there is something */
}

static eyot_status count_entry(void *arg, const eyot_entry *entry)
{
    collecting *c = arg;
    c->counted.entries++;
    c->counted.bytes += entry->key.n + entry->body.n;
    c->next = entry->seq + 1;
    return EYOT_OK;
}

static eyot_status count_log(collecting *c, eyot_bytes run, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    c->counted = (eyot_pruned){.entries = 0};
    c->next = 1;
    for (uint64_t from = 0; c->next > from && !status;) {
        from = c->next;
        status = eyot__store_list_entries(c->store, run, from, ENTRIES, true, count_entry, c, e);
    }
    return status;
}

static eyot_status tell(collecting *c, const seen_run *r, bool deleted, const eyot_error *why, eyot_error *e)
{
    eyot_gc_run told = {.size = sizeof told,
                        .run = r->id,
                        .run_status = r->status,
                        .deleted = deleted,
                        .gone = c->counted,
                        .status = why ? why->status : EYOT_OK,
                        .text = why ? why->text : ""};
    if (!c->fn) return EYOT_OK;
    eyot_status status = c->fn(c->arg, &told);
    return status ? eyot_error_set(e, status, "ended by who was told of run %s", r->id) : EYOT_OK;
}

/* What befell one run is no reason to leave out the others. */
static eyot_status pass_over(collecting *c, const seen_run *r, const eyot_error *why, eyot_error *e)
{
    switch (why->status) {
    case EYOT_ENOTFOUND:
    case EYOT_EBUSY:
    case EYOT_ESTALE: c->out->skipped++; return EYOT_OK;
    case EYOT_ECORRUPT:
    case EYOT_EFORMAT: c->out->damaged++; return tell(c, r, false, why, e);
    default: return eyot_error_set(e, why->status, "%s", why->text);
    }
}

static eyot_status count_gone(collecting *c, const seen_run *r, bool deleted, eyot_error *e)
{
    c->out->entries += c->counted.entries;
    c->out->bytes += c->counted.bytes;
    *(deleted ? &c->out->deleted : &c->out->pruned) += 1;
    return tell(c, r, deleted, NULL, e);
}

/* As it is now, and by its epoch: who has resumed it meanwhile has it. */
static eyot_status delete_run(collecting *c, const seen_run *r, eyot_error *e)
{
    seen_run now = *r;
    eyot_bytes run = eyot__bytes(r->id, strlen(r->id));
    eyot_error own;
    eyot_status status = eyot__store_get_run(c->store, run, see_run, &now, &own);
    if (!status && (now.created_ms != r->created_ms || !has_ended(c, &now)))
        status = eyot_error_set(&own, EYOT_EBUSY, "run %s has changed", r->id);
    if (!status) status = count_log(c, run, &own);
    if (!status && !(c->options.flags & EYOT_RETAIN_DRY_RUN))
        status = eyot__store_delete_run(c->store, run, now.epoch, &own);
    return status ? pass_over(c, r, &own, e) : count_gone(c, r, true, e);
}

static eyot_status prune_run(collecting *c, const seen_run *r, eyot_error *e)
{
    eyot_error own;
    eyot_status status = eyot__prune(c->store, r->id, &c->rules, &c->forks, &c->counted, &own);
    if (status) return pass_over(c, r, &own, e);
    return c->counted.entries ? count_gone(c, r, false, e) : EYOT_OK;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static eyot_status see_page(collecting *c, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    for (size_t i = 0; i < c->n && !status; i++) {
        const seen_run *r = &c->page[i];
        c->out->runs++;
        c->counted = (eyot_pruned){.entries = 0};
        if (has_ended(c, r))
            status = delete_run(c, r, e);
        else if (can_prune(c, r))
            status = prune_run(c, r, e);
    }
    return status;
}

static eyot_status see_all(collecting *c, eyot_error *e)
{
    eyot_buf cursor = EYOT__BUF_INIT, next = EYOT__BUF_INIT;
    eyot_run_filter all = {.size = sizeof all};
    eyot_status status = EYOT_OK;
    do {
        eyot_buf swap = cursor;
        cursor = next;
        next = swap;
        eyot__buf_reset(&next);
        c->n = 0;
        status =
            eyot__store_list_runs(c->store, &all, eyot__bytes(cursor.data, cursor.len), PAGE, keep_run, c, &next, e);
        if (!status) status = see_page(c, e);
    } while (!status && next.len > 0);
    eyot__buf_clear(&cursor);
    eyot__buf_clear(&next);
    return status;
}

static eyot_status read_options(collecting *c, const eyot_gc_options *options, eyot_error *e)
{
    const uint32_t known = EYOT_RETAIN_DRY_RUN | EYOT_RETAIN_FAILED;
    const eyot_store_ops *ops = &c->store->ops;
    if (eyot__options_read(&c->options, sizeof c->options, options) ||
        eyot__options_read(&c->rules, sizeof c->rules, c->options.prune) || (c->options.flags & ~known))
        return eyot_error_set(e, EYOT_EINVAL, "options of another size, or with unknown flags");
    c->rules.flags = c->options.flags & EYOT_RETAIN_DRY_RUN;
    if ((c->options.prune && !ops->prune) || (c->options.older_than_ms && !ops->delete_run))
        return eyot_error_set(e, EYOT_ENOTSUP, "this store has no %s",
                              c->options.prune && !ops->prune ? "prune" : "delete_run");
    return EYOT_OK;
}

eyot_status eyot_store_gc(eyot_store *store, const eyot_gc_options *options, eyot_gc_fn fn, void *arg,
                          eyot_collected *out, eyot_error *e)
{
    eyot_collected own;
    if (!store) return eyot_error_set(e, EYOT_EINVAL, "a store is needed");
    collecting *c = calloc(1, sizeof *c);
    if (!c) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    c->store = store;
    c->fn = fn;
    c->arg = arg;
    c->out = out ? out : &own;
    *c->out = (eyot_collected){.runs = 0};
    eyot_status status = read_options(c, options, e);
    if (!status && c->options.prune) status = eyot__forks_collect(&c->forks, store, e);
    if (!status) status = see_all(c, e);
    eyot__forks_clear(&c->forks);
    free(c);
    return status;
}
