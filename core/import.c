/* SPDX-License-Identifier: MIT */
/* A run taken in from a stream of lines: docs/format.md.
 *
 * While it is taken in, the run is held, for longer than anybody waits, by an owner "import/" and who that is: so nobody
 * claims it, by id or by queue, and nobody takes half of it for a run. The events come with the release, in one commit. What a
 * process leaves that dies before that is known by its owner, and removed by the next import of the same run or by
 * deleting it.
 *
 * A store takes entries without holes only. Those that were pruned from the exported run are filled with empty ones, which are
 * pruned as soon as they are written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/options.h"
#include "core/outbox.h"
#include "core/random.h"
#include "core/record.h"
#include "core/run.h"
#include "core/transfer.h"

enum { READ = 64 * 1024, BATCH = 256, BATCH_BYTES = 1 << 20, LINE_MORE = 64 * 1024, SILENT_MS = 60000 };
#define OWNER "import/"
#define LEASE_MS UINT64_C(3000000000000) /* a century, about */

/* What is known of the run from its first line. Texts are in `texts`. */
typedef struct header {
    eyot_bytes run, graph, fingerprint, origin, queue;
    uint64_t head, steps, snapshot_seq;
    int32_t priority;
    eyot_run_status status;
    eyot_buf texts;
} header;

typedef struct importing {
    eyot_store *store; /* NULL: the stream is only looked at */
    eyot_import_options options;
    eyot_read_fn read;
    void *arg;
    eyot_buf in;
    size_t at;       /* where the next line begins in it */
    size_t max_line; /* bytes that a line may have */
    bool ended;      /* the stream has no more bytes */
    eyot__chain chain;
    header h;
    uint64_t version; /* of the stream */
    char id[129];     /* of the run in the store */
    eyot_buf source;

    eyot_buf bytes; /* keys and bodies of the entries that are not yet written; their pointers are offsets in it */
    eyot_entry entries[BATCH + 1];
    size_t n;
    struct {
        uint64_t from, to;
    } fill[BATCH + 1]; /* that is to be pruned; the last one may still grow */
    size_t n_fill;
    uint64_t seq, step, snapshot_seq; /* of the last entry that was read */
    uint64_t written;                 /* head in the store */
    uint64_t can_prune;               /* what is before it can be pruned there; 0: nothing */
    eyot__outbox events;
    bool created;
    uint8_t token[16];
    char owner[sizeof OWNER + EYOT__OWNER_BYTES];
} importing;

static eyot_status no_memory(eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

bool eyot_owner_imports(eyot_bytes owner)
{
    return owner.n >= sizeof OWNER - 1 && memcmp(owner.p, OWNER, sizeof OWNER - 1) == 0;
}

bool eyot__import_is_over(const eyot_run_row *row)
{
    size_t n = sizeof OWNER - 1;
    if (!eyot_owner_imports(row->owner)) return false;
    return row->now_ms - row->updated_ms > SILENT_MS ||
           eyot_owner_is_gone(eyot__bytes((const char *)row->owner.p + n, row->owner.n - n));
}

typedef struct leftover {
    bool imports, over;
    uint64_t epoch, head;
    uint8_t token[16];
} leftover;

static eyot_status see_leftover(void *arg, const eyot_run_row *row)
{
    leftover *l = arg;
    *l = (leftover){eyot_owner_imports(row->owner), eyot__import_is_over(row), row->epoch, row->head, {0}};
    memcpy(l->token, row->token, sizeof l->token);
    return EYOT_OK;
}

static void name_owner(char owner[sizeof OWNER + EYOT__OWNER_BYTES])
{
    memcpy(owner, OWNER, sizeof OWNER);
    eyot__owner_of_process(owner + sizeof OWNER - 1);
}

/* The run is let go as done, which it is not: in between the two, nobody can claim it either. Its lease must be gone, or
 * its id would stay taken as long. */
static eyot_status release_and_delete(eyot_store *store, eyot_bytes run, const leftover *l, eyot_error *e)
{
    eyot_commit c = {.run = run, .epoch = l->epoch, .head = l->head, .status = EYOT_RUN_DONE, .due_in_ms = INT64_MAX};
    memcpy(c.token, l->token, sizeof c.token);
    eyot_status status = eyot__store_commit(store, &c, 1, e);
    if (!status && c.result && c.result != EYOT_EALREADY)
        status = eyot_error_set(e, c.result, "run " EYOT__ID ": %s", EYOT__ID_ARGS(run), eyot_status_text(c.result));
    return status ? status : eyot__store_delete_run(store, run, 0, e);
}

eyot_status eyot__import_discard(eyot_store *store, eyot_bytes run, eyot_error *e)
{
    leftover l;
    char owner[sizeof OWNER + EYOT__OWNER_BYTES];
    eyot_status status = eyot__store_get_run(store, run, see_leftover, &l, e);
    if (status) return status;
    if (!l.over) return eyot_error_set(e, EYOT_EBUSY, "run " EYOT__ID " is being imported", EYOT__ID_ARGS(run));
    name_owner(owner);
    eyot_claim claim = {
        .run = run, .owner = eyot__bytes(owner, strlen(owner)), .lease_ms = LEASE_MS, .steal_epoch = l.epoch};
    if (eyot__random_bytes(claim.token, sizeof claim.token)) return eyot_error_set(e, EYOT_EIO, "no random bytes");
    status = eyot__store_claim(store, &claim, see_leftover, &l, e);
    return status ? status : release_and_delete(store, run, &l, e);
}

/* What this import has left, whatever became of its last commit. */
static void undo(importing *m, eyot_error *e)
{
    leftover l;
    eyot_error why;
    eyot_bytes run = eyot__bytes(m->id, strlen(m->id));
    eyot_status status = eyot__store_get_run(m->store, run, see_leftover, &l, &why);
    if (!status && l.imports && memcmp(l.token, m->token, sizeof l.token) == 0)
        status = release_and_delete(m->store, run, &l, &why);
    if (!status || status == EYOT_ENOTFOUND || !e) return;
    char text[sizeof e->text];
    memcpy(text, e->text, sizeof text);
    eyot_error_set(e, e->status, "%.120s; and half of run %s is left: delete it", text, m->id);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static eyot_status read_more(importing *m, eyot_error *e)
{
    size_t got = 0;
    void *to = eyot_buf_reserve(&m->in, READ);
    if (!to) return no_memory(e);
    eyot_status status = m->read(m->arg, to, READ, &got, e);
    if (status) return status;
    m->in.len += got;
    m->ended = got == 0;
    return EYOT_OK;
}

/* *text becomes the next line, without its end; NULL: there is none. */
static eyot_status next_line(importing *m, char **text, size_t *len, eyot_error *e)
{
    unsigned long long number = (unsigned long long)m->chain.lines + 1;
    *text = NULL;
    for (size_t seen = m->at;;) {
        unsigned char *end = m->in.len > seen ? memchr(m->in.data + seen, '\n', m->in.len - seen) : NULL;
        if (end) {
            *text = (char *)m->in.data + m->at;
            *len = (size_t)(end - (unsigned char *)*text);
            m->at += *len + 1;
            return EYOT_OK;
        }
        if (m->ended && m->at == m->in.len) return EYOT_OK;
        if (m->ended) return eyot_error_set(e, EYOT_ECORRUPT, "line %llu: the stream ends inside of it", number);
        if (m->in.len - m->at > m->max_line)
            return eyot_error_set(e, EYOT_ELIMIT, "line %llu: it is longer than the store takes", number);
        if (m->at > 0) memmove(m->in.data, m->in.data + m->at, m->in.len - m->at);
        m->in.len -= m->at;
        m->at = 0;
        seen = m->in.len;
        eyot_status status = read_more(m, e);
        if (status) return status;
    }
}

/* Opens it; that there is one is the stream's duty until its last one has come. */
static eyot_status open_next(importing *m, eyot__line *line, eyot_error *e)
{
    char *text;
    size_t len;
    eyot_status status = next_line(m, &text, &len, e);
    if (!status && !text)
        return eyot_error_set(e, EYOT_ECORRUPT, "line %llu: the stream ends before it",
                              (unsigned long long)m->chain.lines + 1);
    return status ? status : eyot__line_open(line, &m->chain, text, len, e);
}

static eyot_bytes keep(eyot_buf *texts, eyot_bytes text)
{
    size_t at = texts->len;
    eyot__buf_put(texts, text.p, text.n);
    return eyot__bytes((const void *)(uintptr_t)at, text.n);
}

static bool find_status(eyot_bytes name, eyot_run_status *status)
{
    for (uint32_t s = EYOT_RUN_READY; s <= EYOT_RUN_DONE; s++) {
        const char *text = eyot_run_status_name((eyot_run_status)s);
        *status = (eyot_run_status)s;
        if (eyot__bytes_equal(name, eyot__bytes(text, strlen(text)))) return true;
    }
    return false;
}

static bool header_is_good(const importing *m)
{
    const header *h = &m->h;
    return eyot__run_id_valid(h->run) && h->graph.n > 0 && h->graph.n <= 64 && h->fingerprint.n == 64 && h->head > 0 &&
           h->head < INT64_MAX && h->steps <= h->head && h->snapshot_seq <= h->head && h->origin.n < 256 &&
           h->queue.n < 256;
}

static eyot_status read_format(eyot__line *line, uint64_t *of, eyot_error *e)
{
    eyot_bytes format = eyot__line_text(line, "format");
    uint64_t version = *of = eyot__line_number(line, "version");
    if (line->failed || !eyot__bytes_equal(format, eyot__bytes(EYOT__STREAM_FORMAT, strlen(EYOT__STREAM_FORMAT))))
        return eyot__line_blame(line, e, "this is no stream of a run");
    if (version > EYOT__STREAM_VERSION)
        return eyot_error_set(e, EYOT_EFORMAT,
                              "line 1: written in version %llu of the stream; this library reads up to %d",
                              (unsigned long long)version, EYOT__STREAM_VERSION);
    return EYOT_OK;
}

static eyot_status read_header(importing *m, eyot_error *e)
{
    eyot__line line;
    header *h = &m->h;
    eyot_status status = open_next(m, &line, e);
    if (!status) status = read_format(&line, &m->version, e);
    if (status) return status;
    (void)eyot__line_text(&line, "eyot");
    h->run = keep(&h->texts, eyot__line_text(&line, "run"));
    h->graph = keep(&h->texts, eyot__line_text(&line, "graph"));
    h->fingerprint = keep(&h->texts, eyot__line_text(&line, "fingerprint"));
    h->origin = keep(&h->texts, eyot__line_text(&line, "origin"));
    h->queue = keep(&h->texts, eyot__line_text(&line, "queue"));
    int64_t priority = eyot__line_signed(&line, "priority");
    bool known = find_status(eyot__line_text(&line, "status"), &h->status);
    h->head = eyot__line_number(&line, "head");
    h->steps = eyot__line_number(&line, "steps");
    h->snapshot_seq = eyot__line_number(&line, "snapshot");
    (void)eyot__line_signed(&line, "created");
    status = h->texts.failed ? no_memory(e) : eyot__line_close(&line, e);
    if (status) return status;
    eyot_bytes *const texts[] = {&h->run, &h->graph, &h->fingerprint, &h->origin, &h->queue};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) texts[i]->p = h->texts.data + (uintptr_t)texts[i]->p;
    h->priority = (int32_t)priority;
    if (!known || h->priority != priority || !header_is_good(m))
        return eyot__line_blame(&line, e, "what it says of the run cannot be");
    memcpy(m->id, h->run.p, h->run.n);
    if (m->options.run_id) snprintf(m->id, sizeof m->id, "%s", m->options.run_id);
    status = open_next(m, &line, e);
    if (status) return status;
    eyot_bytes source = eyot__line_bytes(&line, "source");
    eyot__buf_put(&m->source, source.p, source.n);
    return m->source.failed ? no_memory(e) : eyot__line_close(&line, e);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static eyot_status create(importing *m, const eyot_commit *first, eyot_error *e)
{
    const header *h = &m->h;
    eyot_run_row row = {.run = first->run,
                        .graph = h->graph,
                        .fingerprint = h->fingerprint,
                        .origin = h->origin,
                        .queue = h->queue,
                        .owner = eyot__bytes(m->owner, strlen(m->owner)),
                        .epoch = 1,
                        .priority = h->priority,
                        .status = EYOT_RUN_RUNNING};
    memcpy(row.token, m->token, sizeof row.token);
    eyot_status status = eyot__store_create_run(m->store, &row, eyot__bytes(m->source.data, m->source.len), first, e);
    /* With EIO nobody knows whether it is there: undo looks. */
    m->created = !status || status == EYOT_EIO;
    return status;
}

static uint32_t crc_of(const eyot_commit *c)
{
    uint32_t crc = eyot__crc32c(0, &c->head, sizeof c->head);
    for (size_t i = 0; i < c->n_entries; i++) crc = eyot__crc32c(crc, c->entries[i].body.p, c->entries[i].body.n);
    return crc ? crc : 1;
}

/* What stands for an entry that was pruned; a record is never empty. */
static bool is_fill(const eyot_entry *entry)
{
    return entry->body.n == 0;
}

static eyot_status commit(importing *m, eyot_commit *c, eyot_error *e)
{
    memcpy(c->token, m->token, sizeof c->token);
    eyot_status status = m->created ? eyot__store_commit(m->store, c, 1, e) : create(m, c, e);
    if (!status && c->result && c->result != EYOT_EALREADY)
        status = eyot_error_set(e, c->result, "run %s: %s", m->id, eyot_status_text(c->result));
    return status;
}

/* The entries that wait. Fill at the end counts as a snapshot, so that what is before it can be pruned. */
static eyot_status write_entries(importing *m, eyot_error *e)
{
    eyot_entry batch[BATCH + 1];
    eyot_commit c = {.run = eyot__bytes(m->id, strlen(m->id)),
                     .epoch = 1,
                     .head = m->written,
                     .entries = batch,
                     .n_entries = m->n,
                     .status = EYOT_RUN_RUNNING,
                     .lease_ms = LEASE_MS,
                     .due_in_ms = INT64_MAX};
    for (size_t i = 0; i < m->n; i++) {
        bool fill = is_fill(&m->entries[i]);
        batch[i] = m->entries[i];
        if (batch[i].kind == EYOT_ENTRY_SNAPSHOT || (fill && i + 1 == m->n)) c.snapshot_seq = batch[i].seq;
        if (fill) continue;
        batch[i].key.p = m->bytes.data + (uintptr_t)batch[i].key.p;
        batch[i].body.p = m->bytes.data + (uintptr_t)batch[i].body.p;
    }
    c.crc = crc_of(&c);
    eyot_status status = commit(m, &c, e);
    if (status) return status;
    m->written += m->n;
    if (c.snapshot_seq) m->can_prune = c.snapshot_seq;
    m->n = 0;
    eyot__buf_reset(&m->bytes);
    return EYOT_OK;
}

static eyot_status prune_fill(importing *m, uint64_t from, uint64_t to, eyot_error *e)
{
    uint64_t seqs[BATCH];
    eyot_status status = EYOT_OK;
    while (from <= to && !status) {
        size_t n = 0;
        while (n < BATCH && from <= to) seqs[n++] = from++;
        status = eyot__store_prune(m->store, eyot__bytes(m->id, strlen(m->id)), seqs, n, m->written, e);
    }
    return status;
}

static eyot_status prune_all_fill(importing *m, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    size_t left = 0;
    for (size_t i = 0; i < m->n_fill && !status; i++) {
        uint64_t from = m->fill[i].from, to = m->fill[i].to;
        if (to >= m->can_prune) to = m->can_prune - 1;
        status = prune_fill(m, from, to, e);
        if (to == m->fill[i].to) continue;
        m->fill[left].from = to + 1 > from ? to + 1 : from;
        m->fill[left++].to = m->fill[i].to;
    }
    m->n_fill = left;
    return status;
}

static eyot_status flush(importing *m, eyot_error *e)
{
    if (!m->store || m->n == 0) return EYOT_OK;
    eyot_status status = write_entries(m, e);
    return status || m->n_fill == 0 ? status : prune_all_fill(m, e);
}

static eyot_status release(importing *m, eyot_error *e)
{
    eyot_commit c = {.run = eyot__bytes(m->id, strlen(m->id)),
                     .epoch = 1,
                     .head = m->written,
                     .status = (uint32_t)m->h.status,
                     .due_in_ms = INT64_MAX};
    eyot__outbox_make(&m->events, &c);
    return commit(m, &c, e);
}

/* ---- what lines say ---------------------------------------------------------------------------------------------- */

/* The first one, and the next one after some that were pruned, is a snapshot; version 1 has no pruned ones. */
static bool entry_fits(const importing *m, const eyot_entry *entry)
{
    bool follows = entry->seq == m->seq + 1, snapshot = entry->kind == EYOT_ENTRY_SNAPSHOT;
    bool fits = m->seq > 0 && follows ? true : snapshot && (follows || (m->version > 1 && entry->seq > m->seq));
    return fits && entry->seq <= m->h.head && entry->step >= m->step && entry->step <= m->h.steps &&
           entry->key.n <= 256;
}

static eyot_status fill_up_to(importing *m, uint64_t seq, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    if (seq == m->seq + 1 || !m->store) return EYOT_OK;
    m->fill[m->n_fill].from = m->seq + 1;
    m->fill[m->n_fill++].to = seq - 1;
    while (m->seq + 1 < seq && !status) {
        m->entries[m->n++] = (eyot_entry){.seq = ++m->seq, .step = m->step, .kind = EYOT_ENTRY_STATUS};
        if (m->n >= BATCH) status = flush(m, e);
    }
    return status;
}

static eyot_status take_entry(importing *m, eyot__line *line, eyot_error *e)
{
    eyot__record record;
    eyot_error own;
    eyot_entry entry = {.seq = eyot__line_number(line, "seq"),
                        .step = eyot__line_number(line, "step"),
                        .kind = (eyot_entry_kind)eyot__line_number(line, "kind"),
                        .key = eyot__line_text(line, "key"),
                        .body = eyot__line_bytes(line, "body")};
    eyot_status status = eyot__line_close(line, e);
    if (status) return status;
    if (!entry_fits(m, &entry)) return eyot__line_blame(line, e, "the entry does not follow the one before it");
    status = eyot__record_open(&record, entry.body, m->h.run, entry.seq, &own);
    if (!status && record.kind != entry.kind)
        status = eyot_error_set(&own, EYOT_ECORRUPT, "the record is of another kind");
    if (status) return eyot_error_set(e, status, "line %llu: %s", (unsigned long long)line->number, own.text);
    status = fill_up_to(m, entry.seq, e);
    if (status) return status;
    m->seq = entry.seq;
    m->step = entry.step;
    if (entry.kind == EYOT_ENTRY_SNAPSHOT) m->snapshot_seq = entry.seq;
    if (!m->store) return EYOT_OK;
    eyot_entry *to = &m->entries[m->n];
    *to = entry;
    to->key = keep(&m->bytes, entry.key);
    to->body = keep(&m->bytes, entry.body);
    if (m->bytes.failed) return no_memory(e);
    m->n++;
    if (m->options.run_id)
        eyot__record_reseal(m->bytes.data + (uintptr_t)to->body.p, to->body.n, eyot__bytes(m->id, strlen(m->id)),
                            to->seq);
    return m->n >= BATCH || m->bytes.len >= BATCH_BYTES ? flush(m, e) : EYOT_OK;
}

static eyot_status take_note(importing *m, eyot__line *line, eyot_error *e)
{
    char key[512];
    eyot_bytes name = eyot__line_text(line, "note"), value = eyot__line_bytes(line, "value");
    eyot_status status = eyot__line_close(line, e);
    if (status) return status;
    if (name.n == 0 || name.n >= sizeof key || memchr(name.p, 0, name.n) || m->seq == 0)
        return eyot__line_blame(line, e, "no note can be here, or have this name");
    memcpy(key, name.p, name.n);
    key[name.n] = 0;
    if (!m->store) return EYOT_OK;
    if (!m->created) status = flush(m, e); /* its place is a run that is there */
    return status ? status : eyot_store_put_note(m->store, m->id, key, value.p, value.n, e);
}

static eyot_status take_event(importing *m, eyot__line *line, eyot_error *e)
{
    eyot_buf id = EYOT__BUF_INIT;
    eyot_event event = {.id = eyot__line_text(line, "event"),
                        .topic = eyot__line_text(line, "topic"),
                        .payload = eyot__line_bytes(line, "payload")};
    eyot_status status = eyot__line_close(line, e);
    if (status) return status;
    size_t n = m->h.run.n;
    if (event.id.n <= n + 1 || event.id.n > 512 || ((const char *)event.id.p)[n] != '/' ||
        !eyot__bytes_equal(m->h.run, eyot__bytes(event.id.p, n)) || m->h.head < 2)
        return eyot__line_blame(line, e, "this is no event of the run");
    if (!m->store) return EYOT_OK;
    eyot__buf_text(&id, m->id);
    eyot__buf_put(&id, (const char *)event.id.p + n, event.id.n - n);
    event.id = eyot__bytes(id.data, id.len);
    status = id.failed || eyot__outbox_add(&m->events, &event) ? no_memory(e) : EYOT_OK;
    eyot__buf_clear(&id);
    return status;
}

/* `before`: of the lines before it. */
static eyot_status take_end(importing *m, eyot__line *line, const eyot__chain *before, eyot_error *e)
{
    char hex[65], *text;
    size_t len;
    eyot__chain_digest(before, hex);
    eyot_bytes end = eyot__line_text(line, "end");
    uint64_t lines = eyot__line_number(line, "lines");
    eyot_bytes sha = eyot__line_text(line, "sha256");
    eyot_status status = eyot__line_close(line, e);
    if (status) return status;
    if (!eyot__bytes_equal(end, eyot__bytes(EYOT__STREAM_FORMAT, strlen(EYOT__STREAM_FORMAT))) ||
        lines != before->lines || !eyot__bytes_equal(sha, eyot__bytes(hex, 64)))
        return eyot__line_blame(line, e, "the digest of the stream differs");
    if (m->seq != m->h.head || m->step != m->h.steps || m->snapshot_seq != m->h.snapshot_seq)
        return eyot__line_blame(line, e, "the entries are not those that the first line tells of");
    status = next_line(m, &text, &len, e);
    if (!status && text)
        return eyot_error_set(e, EYOT_ECORRUPT, "line %llu: there is more behind the end of the stream",
                              (unsigned long long)line->number + 1);
    return status;
}

static eyot_status take_lines(importing *m, eyot_error *e)
{
    eyot_status status = EYOT_OK;
    while (!status) {
        eyot__line line;
        eyot__chain before = m->chain;
        status = open_next(m, &line, e);
        if (status) break;
        if (eyot__line_has(&line, "end")) return take_end(m, &line, &before, e);
        status = eyot__line_has(&line, "seq")    ? take_entry(m, &line, e)
                 : eyot__line_has(&line, "note") ? take_note(m, &line, e)
                 : eyot__line_has(&line, "event")
                     ? take_event(m, &line, e)
                     : eyot__line_blame(&line, e, "its fields are not those of the format");
    }
    return status;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* The id must be free; what an import has left that is over is removed. */
static eyot_status make_place(importing *m, eyot_error *e)
{
    leftover l;
    eyot_error own;
    const eyot_store_ops *ops = &m->store->ops;
    if (!ops->delete_run || !ops->kv_get || !ops->kv_cas)
        return eyot_error_set(e, EYOT_ENOTSUP, "a store that keeps no notes or cannot delete takes no run in");
    eyot_bytes run = eyot__bytes(m->id, strlen(m->id));
    eyot_status status = eyot__store_get_run(m->store, run, see_leftover, &l, &own);
    if (status == EYOT_ENOTFOUND) return EYOT_OK;
    if (status) return eyot_error_set(e, status, "%s", own.text);
    if (!l.imports) return eyot_error_set(e, EYOT_EEXIST, "run %s exists already", m->id);
    return eyot__import_discard(m->store, run, e);
}

static eyot_status begin(importing *m, eyot_error *e)
{
    eyot_store_info info = {.max_body = 0};
    const char *as = m->options.run_id;
    if (as && !eyot__run_id_valid(eyot__bytes(as, strlen(as))))
        return eyot_error_set(e, EYOT_EINVAL, "run id \"%.140s\" is not [A-Za-z0-9][A-Za-z0-9._:-]{0,127}", as);
    eyot_status status = m->store ? eyot_store_inform(m->store, &info, e) : EYOT_OK;
    size_t max_body = info.max_body && info.max_body < INT32_MAX ? (size_t)info.max_body : INT32_MAX;
    m->max_line = max_body / 3 * 4 + LINE_MORE;
    name_owner(m->owner);
    eyot__chain_begin(&m->chain);
    if (!status && eyot__random_bytes(m->token, sizeof m->token))
        status = eyot_error_set(e, EYOT_EIO, "no random bytes");
    return status;
}

static eyot_status finish(importing *m, eyot_error *e)
{
    eyot_status status = flush(m, e);
    if (!status)
        status = eyot_store_put_note(m->store, m->id, EYOT_NOTE_IMPORTED, eyot_version(), strlen(eyot_version()), e);
    return status ? status : release(m, e);
}

eyot_status eyot_store_import(eyot_store *store, const eyot_import_options *options, eyot_read_fn read, void *arg,
                              char run_id[129], eyot_error *e)
{
    if (!read) return eyot_error_set(e, EYOT_EINVAL, "a reader is needed");
    importing *m = calloc(1, sizeof *m);
    if (!m) return no_memory(e);
    m->store = store;
    m->read = read;
    m->arg = arg;
    eyot_status status = eyot__options_read(&m->options, sizeof m->options, options)
                             ? eyot_error_set(e, EYOT_EINVAL, "import options of another size")
                             : begin(m, e);
    if (!status) status = read_header(m, e);
    if (!status && store) status = make_place(m, e);
    if (!status) status = take_lines(m, e);
    if (!status && store) status = finish(m, e);
    if (status == EYOT_ENOMEM) no_memory(e); /* a store that fills our buffer says nothing */
    if (status && m->created) undo(m, e);
    if (run_id) memcpy(run_id, m->id, sizeof m->id);
    eyot__buf_clear(&m->in);
    eyot__buf_clear(&m->h.texts);
    eyot__buf_clear(&m->source);
    eyot__buf_clear(&m->bytes);
    eyot__buf_clear(&m->events.bytes);
    free(m->events.events);
    free(m);
    return status;
}
