/* SPDX-License-Identifier: MIT */
/* A run written out as a stream of lines: docs/format.md. What it holds is the run as of one entry, whoever works on it. */
#include <stdlib.h>
#include <string.h>

#include "core/options.h"
#include "core/outbox.h"
#include "core/record.h"
#include "core/skim.h"
#include "core/transfer.h"

enum { PAGE_FIRST = 4, PAGE_MOST = 256, PAGE_FEW = 256 * 1024, PAGE_LARGE = 4 << 20, EVENTS = 256 };

typedef struct exporting {
    eyot_store *store;
    eyot_export_options options;
    const char *id;
    eyot_bytes run;
    eyot_write_fn write;
    void *arg;
    eyot__chain chain;
    eyot_buf line, source, note;
    eyot__outbox events;
    uint64_t head, snapshot_seq; /* of the run as it is written */
    uint64_t next, step;         /* the entry that is to be read; the step of the one before it */
    eyot_buf page;               /* keys and bodies of entries */
    eyot_entry entries[PAGE_MOST];
    size_t n;
    eyot_error told;
} exporting;

static eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

static eyot_status write_line(exporting *x, eyot_error *e)
{
    eyot__line_end(&x->line, &x->chain);
    if (x->line.failed) return no_memory(e);
    return x->write(x->arg, x->line.data, x->line.len, e);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static eyot_status on_event(void *arg, eyot_bytes run, const eyot_event *event)
{
    exporting *x = arg;
    return eyot__bytes_equal(run, x->run) ? eyot__outbox_add(&x->events, event) : EYOT_OK;
}

/* Before the head is known: so each of them belongs to a task up to there. */
static eyot_status collect_events(exporting *x, eyot_error *e)
{
    eyot_buf cursor = EYOT__BUF_INIT, next = EYOT__BUF_INIT;
    eyot_status status = EYOT_OK;
    if (!x->store->ops.outbox_read) return EYOT_OK;
    do {
        eyot_buf swap = cursor;
        cursor = next;
        next = swap;
        eyot__buf_reset(&next);
        status = eyot__store_outbox_read(x->store, eyot__bytes(cursor.data, cursor.len), EVENTS, on_event, x, &next, e);
    } while (!status && next.len > 0);
    eyot__buf_clear(&cursor);
    eyot__buf_clear(&next);
    return status;
}

static eyot_status write_events(exporting *x, eyot_error *e)
{
    eyot_commit c = {.n_events = 0};
    eyot_status status = EYOT_OK;
    eyot__outbox_make(&x->events, &c);
    for (size_t i = 0; i < c.n_events && !status; i++) {
        eyot__line_begin(&x->line, &x->chain);
        eyot__line_put_text(&x->line, "event", c.events[i].id);
        eyot__line_put_text(&x->line, "topic", c.events[i].topic);
        eyot__line_put_bytes(&x->line, "payload", c.events[i].payload);
        status = write_line(x, e);
    }
    return status;
}

/* ---- the first lines --------------------------------------------------------------------------------------------- */

typedef struct fingerprint {
    exporting *x;
    char text[65];
} fingerprint;

/* The header is made while the row can be seen, and written afterwards. */
static eyot_status make_header(void *arg, const eyot_run_row *row)
{
    fingerprint *f = arg;
    exporting *x = f->x;
    if (eyot_owner_imports(row->owner))
        return eyot_error_set(&x->told, EYOT_EBUSY, "run %s is being imported, or its import was cut short", x->id);
    if (row->head == 0) return eyot_error_set(&x->told, EYOT_ECORRUPT, "run %s has no entries", x->id);
    if (row->fingerprint.n >= sizeof f->text)
        return eyot_error_set(&x->told, EYOT_ECORRUPT, "run %s: its graph's fingerprint is none", x->id);
    memcpy(f->text, row->fingerprint.p, row->fingerprint.n);
    x->head = row->head;
    x->snapshot_seq = row->snapshot_seq;
    eyot_buf *line = &x->line;
    eyot__line_begin(line, &x->chain);
    eyot__line_put_string(line, "format", EYOT__STREAM_FORMAT);
    eyot__line_put_number(line, "version", EYOT__STREAM_VERSION);
    eyot__line_put_string(line, "eyot", eyot_version());
    eyot__line_put_text(line, "run", row->run);
    eyot__line_put_text(line, "graph", row->graph);
    eyot__line_put_text(line, "fingerprint", row->fingerprint);
    eyot__line_put_text(line, "origin", row->origin);
    eyot__line_put_text(line, "queue", row->queue);
    eyot__line_put_signed(line, "priority", row->priority);
    eyot__line_put_string(line, "status", eyot_run_status_name((eyot_run_status)row->status));
    eyot__line_put_number(line, "head", row->head);
    eyot__line_put_number(line, "steps", row->steps);
    eyot__line_put_number(line, "snapshot", row->snapshot_seq);
    eyot__line_put_signed(line, "created", row->created_ms);
    return EYOT_OK;
}

static eyot_status write_header(exporting *x, eyot_error *e)
{
    eyot_error own = {.text = ""};
    fingerprint f = {.x = x};
    eyot_status status = eyot__store_get_run(x->store, x->run, make_header, &f, &own);
    if (status) {
        if (e) *e = x->told.status ? x->told : own;
        return status;
    }
    status = write_line(x, e);
    if (!status) status = eyot__store_get_graph(x->store, eyot__bytes(f.text, strlen(f.text)), &x->source, e);
    if (status) return status;
    eyot__line_begin(&x->line, &x->chain);
    eyot__line_put_bytes(&x->line, "source", eyot__bytes(x->source.data, x->source.len));
    return write_line(x, e);
}

/* ---- entries and notes ------------------------------------------------------------------------------------------- */

/* The next entry is missing; what is there is `seq`. Pruned can only be what is before the newest snapshot. */
static eyot_status missing(exporting *x, uint64_t seq, eyot_error *e)
{
    if (seq < x->next || x->next > x->snapshot_seq)
        return eyot_error_set(e, EYOT_ECORRUPT, "run %s: entry %llu is lost", x->id, (unsigned long long)x->next);
    return eyot_error_set(e, EYOT_EGONE, "run %s was deleted or pruned while it was exported, or entry %llu is lost",
                          x->id, (unsigned long long)x->next);
}

/* The record, and that the store says the same of it as the record itself. */
static eyot_status open_record(exporting *x, const eyot_entry *entry, eyot__record *record)
{
    eyot_error own;
    eyot_status status = eyot__record_open(record, entry->body, x->run, entry->seq, &x->told);
    if (status) return status;
    status = eyot__record_check_kind(record, entry->kind, &own);
    if (!status) status = eyot__record_check_step(record, x->step, entry->step, &own);
    if (!status) return EYOT_OK;
    return eyot_error_set(&x->told, status, "run %s, entry %llu: %s", x->id, (unsigned long long)entry->seq, own.text);
}

/* Copied: writing may take its time, and no store is to wait for it. */
static eyot_status on_entry(void *arg, const eyot_entry *entry)
{
    exporting *x = arg;
    eyot__record record;
    if (entry->seq > x->head) return EYOT_OK;
    /* What goes on after pruned entries is a snapshot, and none that the run was given after the first line was written. */
    bool goes_on = entry->seq > x->next && entry->kind == EYOT_ENTRY_SNAPSHOT && entry->seq <= x->snapshot_seq;
    if (entry->seq != x->next && !goes_on) return missing(x, entry->seq, &x->told);
    eyot_status status = open_record(x, entry, &record);
    if (status) return status;
    x->next = entry->seq + 1;
    x->step = entry->step;
    eyot_entry *to = &x->entries[x->n++];
    *to = *entry;
    to->key.p = (const void *)(uintptr_t)x->page.len;
    eyot__buf_put(&x->page, entry->key.p, entry->key.n);
    to->body.p = (const void *)(uintptr_t)x->page.len;
    eyot__buf_put(&x->page, entry->body.p, entry->body.n);
    return x->page.failed ? no_memory(&x->told) : EYOT_OK;
}

static eyot_status write_note(exporting *x, const char *key, eyot_error *e)
{
    eyot__buf_reset(&x->note);
    eyot_status status = eyot_store_get_note(x->store, x->id, key, &x->note, e);
    if (status == EYOT_ENOTFOUND || status == EYOT_ENOTSUP) return EYOT_OK;
    if (status) return status;
    eyot__line_begin(&x->line, &x->chain);
    eyot__line_put_string(&x->line, "note", key);
    eyot__line_put_bytes(&x->line, "value", eyot__bytes(x->note.data, x->note.len));
    return write_line(x, e);
}

/* The number of the attempt that an entry is of; 0: it is of none. */
static uint64_t attempt_of(const exporting *x, const eyot_entry *entry)
{
    eyot__record record;
    eyot__skim skim;
    if (eyot__record_open(&record, entry->body, x->run, entry->seq, NULL)) return 0;
    return eyot__record_skim(&skim, &record) ? skim.attempt : 0;
}

static eyot_status write_attempt_note(exporting *x, const eyot_entry *entry, eyot_error *e)
{
    uint64_t attempt = x->options.attempt_notes ? attempt_of(x, entry) : 0;
    if (attempt == 0) return EYOT_OK;
    eyot_buf key = EYOT__BUF_INIT;
    eyot__buf_format(&key, "%s/%.*s/%llu", x->options.attempt_notes, (int)entry->key.n, (const char *)entry->key.p,
                     (unsigned long long)attempt);
    eyot__buf_u8(&key, 0);
    eyot_status status = key.failed ? no_memory(e) : write_note(x, (const char *)key.data, e);
    eyot__buf_clear(&key);
    return status;
}

static eyot_status write_page(exporting *x, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    for (size_t i = 0; i < x->n && !status; i++) {
        eyot_entry *entry = &x->entries[i];
        entry->key.p = x->page.data + (uintptr_t)entry->key.p;
        entry->body.p = x->page.data + (uintptr_t)entry->body.p;
        eyot__line_begin(&x->line, &x->chain);
        eyot__line_put_number(&x->line, "seq", entry->seq);
        eyot__line_put_number(&x->line, "step", entry->step);
        eyot__line_put_number(&x->line, "kind", (uint64_t)entry->kind);
        eyot__line_put_text(&x->line, "key", entry->key);
        eyot__line_put_bytes(&x->line, "body", entry->body);
        status = write_line(x, e);
    }
    for (size_t i = 0; i < x->n && !status; i++) status = write_attempt_note(x, &x->entries[i], e);
    return status;
}

/* Pages of large bodies become shorter. */
static eyot_status write_entries(exporting *x, eyot_error *e)
{
    uint32_t limit = PAGE_FIRST;
    eyot_status status = EYOT_OK;
    for (x->next = 1; x->next <= x->head && !status;) {
        eyot_error own = {.text = ""};
        x->n = 0;
        eyot__buf_reset(&x->page);
        eyot__error_none(&x->told);
        status = eyot__store_list_entries(x->store, x->run, x->next, limit, true, on_entry, x, &own);
        if (status && e) *e = x->told.status ? x->told : own;
        if (!status && x->n == 0) status = missing(x, UINT64_MAX, e);
        if (!status) status = write_page(x, e);
        if (x->page.len > PAGE_LARGE && limit > 1) limit /= 2;
        if (x->page.len < PAGE_FEW && limit < PAGE_MOST) limit *= 2;
    }
    return status;
}

static eyot_status write_notes(exporting *x, eyot_error *e)
{
    eyot_status status = write_note(x, EYOT_NOTE_GRAPH, e);
    if (!status) status = write_note(x, EYOT_NOTE_LABELS, e);
    for (size_t i = 0; i < x->options.n_notes && !status; i++)
        if (strcmp(x->options.notes[i], EYOT_NOTE_LABELS) != 0) status = write_note(x, x->options.notes[i], e);
    return status;
}

static eyot_status write_end(exporting *x, eyot_error *e)
{
    char hex[65];
    eyot__chain_digest(&x->chain, hex);
    eyot__line_begin(&x->line, &x->chain);
    eyot__line_put_string(&x->line, "end", EYOT__STREAM_FORMAT);
    eyot__line_put_number(&x->line, "lines", x->chain.lines);
    eyot__line_put_string(&x->line, "sha256", hex);
    return write_line(x, e);
}

eyot_status eyot_store_export(eyot_store *store, const char *run_id, const eyot_export_options *options,
                              eyot_write_fn write, void *arg, eyot_error *e)
{
    if (!store || !run_id || !write) return eyot_error_set(e, EYOT_EINVAL, "a store, a run id and a writer are needed");
    exporting *x = calloc(1, sizeof *x);
    if (!x) return no_memory(e);
    x->store = store;
    x->id = run_id;
    x->run = eyot__bytes(run_id, strlen(run_id));
    x->write = write;
    x->arg = arg;
    eyot__chain_begin(&x->chain);
    eyot_status status = eyot__options_read(&x->options, sizeof x->options, options)
                             ? eyot_error_set(e, EYOT_EINVAL, "export options of another size")
                             : collect_events(x, e);
    if (!status) status = write_header(x, e);
    if (!status) status = write_entries(x, e);
    if (!status) status = write_notes(x, e);
    if (!status) status = write_events(x, e);
    if (!status) status = write_end(x, e);
    if (status == EYOT_ENOMEM) no_memory(e); /* a store that fills our buffer says nothing */
    eyot__buf_clear(&x->line);
    eyot__buf_clear(&x->source);
    eyot__buf_clear(&x->note);
    eyot__buf_clear(&x->page);
    eyot__buf_clear(&x->events.bytes);
    free(x->events.events);
    free(x);
    return status;
}
