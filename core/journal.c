/* SPDX-License-Identifier: MIT */
/* Commits: whatever is pending when the store becomes free goes as one batch, over all runs and branches. There is no
 * thread of its own for it: the one that comes first while nobody is at it flushes until nothing is left. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/record.h"
#include "core/run.h"

void eyot__out_clear(eyot__out *out)
{
    eyot__buf_clear(&out->bytes);
    free(out->entries);
    free(out->done);
    eyot__outbox_free(out->outbox);
    memset(out, 0, sizeof *out);
}

static void out_reset(eyot__out *out)
{
    eyot__buf_reset(&out->bytes);
    out->n = 0;
    out->snapshot_seq = 0;
    if (out->done) out->done->n = 0;
    if (out->outbox) eyot__outbox_reset(out->outbox);
}

eyot_status eyot__run_append(eyot_run *r, eyot_entry_kind kind, const void *key, size_t key_len, const void *record,
                             size_t len)
{
    eyot__out *out = &r->out;
    if (out->n == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 4;
        eyot_entry *entries = realloc(out->entries, cap * sizeof *entries);
        if (!entries) return EYOT_ENOMEM;
        out->entries = entries;
        out->cap = cap;
    }
    size_t at = out->bytes.len;
    eyot__buf_put(&out->bytes, key, key_len);
    eyot__buf_put(&out->bytes, record, len);
    if (out->bytes.failed) {
        eyot_status failed = out->bytes.failed;
        out->bytes.len = at;
        out->bytes.failed = EYOT_OK;
        return failed;
    }
    eyot__record_seal(out->bytes.data + at + key_len, len, eyot__bytes(r->id, r->id_len), ++r->seq);
    if (kind == EYOT_ENTRY_TASK) r->logged_steps++;
    if (kind == EYOT_ENTRY_SNAPSHOT) r->logged_steps = atomic_load(&r->steps);
    out->entries[out->n++] = (eyot_entry){.seq = r->seq,
                                          .step = r->logged_steps,
                                          .kind = kind,
                                          .key = {(const void *)(uintptr_t)at, key_len},
                                          .body = {(const void *)(uintptr_t)(at + key_len), len}};
    if (kind == EYOT_ENTRY_SNAPSHOT) {
        out->snapshot_seq = r->seq;
        r->snapshot_bytes = len;
        r->tail_bytes = 0;
    } else {
        r->tail_bytes += len;
    }
    return EYOT_OK;
}

eyot_status eyot__run_append_of(eyot_run *r, eyot_entry_kind kind, const eyot__who *who, const eyot_buf *buf)
{
    eyot_buf key = EYOT__BUF_INIT;
    eyot__key_print(&key, r->graph, who);
    eyot_status status = key.failed ? key.failed : eyot__run_append(r, kind, key.data, key.len, buf->data, buf->len);
    eyot__buf_clear(&key);
    return status;
}

eyot_status eyot__run_append_snapshot(eyot_run *r)
{
    eyot_buf buf = EYOT__BUF_INIT;
    eyot__snapshot head = {.steps = atomic_load(&r->steps)};
    memcpy(head.seed, r->seed, sizeof head.seed);
    size_t at = eyot__record_begin(&buf, EYOT_ENTRY_SNAPSHOT, r->graph->copier->name);
    eyot__entry_put_snapshot(&buf, &r->frontier, &head);
    eyot__record_end(&buf, at);
    eyot_status status = buf.failed;
    if (!status && buf.len > r->engine->max_body) status = EYOT_ELIMIT;
    if (!status) status = eyot__run_append(r, EYOT_ENTRY_SNAPSHOT, NULL, 0, buf.data, buf.len);
    eyot__buf_clear(&buf);
    return status;
}

eyot_status eyot__journal_init(eyot__journal *j)
{
    pthread_mutex_init(&j->lock, NULL);
    j->cap = 16;
    j->commits = calloc(j->cap, sizeof *j->commits);
    j->runs = calloc(j->cap, sizeof(eyot_run *));
    return j->commits && j->runs ? EYOT_OK : EYOT_ENOMEM;
}

void eyot__journal_clear(eyot__journal *j)
{
    free(j->commits);
    free(j->runs);
    pthread_mutex_destroy(&j->lock);
}

void eyot__journal_submit(eyot_run *r)
{
    if (r->journaled || r->in_flight || r->lost) return; /* an acknowledgement submits what came meanwhile */
    eyot__journal *j = &r->engine->journal;
    r->journaled = true;
    r->journal_next = NULL;
    pthread_mutex_lock(&j->lock);
    if (j->last)
        j->last->journal_next = r;
    else
        j->first = r;
    j->last = r;
    pthread_mutex_unlock(&j->lock);
}

/* Over the checksums that end the records: they stand for all of their bytes. */
static uint32_t commit_crc(const eyot_commit *c)
{
    uint32_t crc = eyot__crc32c(0, &c->head, sizeof c->head);
    for (size_t i = 0; i < c->n_entries; i++) {
        eyot_bytes body = c->entries[i].body;
        crc = eyot__crc32c(crc, (const char *)body.p + body.n - 4, 4);
    }
    return crc ? crc : 1;
}

void eyot__journal_make(eyot_run *r, uint32_t lease_ms, eyot_commit *c)
{
    eyot__out filled = r->out;
    r->out = r->flying;
    r->flying = filled;
    if (filled.n == 0) { /* a sign of life: events wait for the entries they belong to */
        r->flying.outbox = r->out.outbox;
        r->out.outbox = filled.outbox;
    }
    /* The end goes with the last entry: whatever comes before it is in this commit or stored already. */
    bool ending = r->phase == EYOT__RUN_ENDING && filled.n > 0 && filled.entries[filled.n - 1].seq == r->seq;
    if (r->unwanted && !ending) { /* a cancel is there for the next owner until the run is cancelled */
        r->flying.done = r->out.done;
        r->out.done = filled.done;
    }
    r->journaled = false;
    r->in_flight = true;
    eyot__out *out = &r->flying;
    for (size_t i = 0; i < out->n; i++) {
        eyot_entry *e = &out->entries[i];
        e->key.p = out->bytes.data + (uintptr_t)e->key.p;
        e->body.p = out->bytes.data + (uintptr_t)e->body.p;
    }
    *c = (eyot_commit){.run = eyot__bytes(r->id, r->id_len),
                       .epoch = r->epoch,
                       .head = r->acked,
                       .entries = out->entries,
                       .n_entries = out->n,
                       .status = ending ? (uint32_t)r->status : EYOT_RUN_RUNNING,
                       .lease_ms = ending ? 0 : lease_ms,
                       .due_in_ms = ending ? r->due_in_ms : INT64_MAX,
                       .snapshot_seq = out->snapshot_seq};
    eyot__done *done = out->done;
    for (size_t i = 0; done && i < done->n; i++) done->ids[i] = eyot__bytes(done->text[i], strlen(done->text[i]));
    if (done) {
        c->inbox_done = done->ids;
        c->n_inbox_done = done->n;
    }
    if (out->outbox) eyot__outbox_make(out->outbox, c);
    memcpy(c->token, r->token, sizeof c->token);
    c->crc = out->n ? commit_crc(c) : 0;
}

/* Takes up to all runs of the queue. Journal lock held on entry and exit. */
static size_t take_queue(eyot_engine *engine)
{
    eyot__journal *j = &engine->journal;
    size_t n = 0;
    while (j->first) {
        if (n == j->cap) {
            size_t cap = j->cap ? j->cap * 2 : 16;
            eyot_commit *commits = realloc(j->commits, cap * sizeof *commits);
            if (commits) j->commits = commits;
            eyot_run **runs = commits ? realloc(j->runs, cap * sizeof *runs) : NULL;
            if (!runs)
                return n; /* the rest goes with the next batch: there has been room for some from the beginning */
            j->runs = runs;
            j->cap = cap;
        }
        j->runs[n] = j->first;
        j->first = j->runs[n]->journal_next;
        if (!j->first) j->last = NULL;
        n++;
    }
    return n;
}

void eyot__journal_unmake(eyot_run *r)
{
    r->in_flight = false;
    out_reset(&r->flying);
}

/* Run lock held. */
static void deliver(eyot_run *r, const eyot_commit *c, eyot_status status, const eyot_error *e, uint64_t asked_ns,
                    bool mine)
{
    uint64_t seq = c->head + c->n_entries;
    eyot__journal_unmake(r);
    if (!status && !c->result) eyot__run_leased(r, asked_ns, r->engine->lease_ms);
    if (c->n_entries == 0 && (status == EYOT_EIO || status == EYOT_ENOMEM)) { /* a sign of life: the next one is soon */
        eyot__run_acked(r, EYOT_OK, r->acked, e, mine);
        return;
    }
    if (!status && c->result && c->result != EYOT_EALREADY) {
        eyot_error own;
        eyot_error_set(&own, c->result, "run %s: %s", r->id, eyot_status_text(c->result));
        eyot__run_acked(r, c->result, seq, &own, mine);
    } else {
        eyot__run_acked(r, status, seq, e, mine);
    }
}

static bool flush_batch(eyot_engine *engine, eyot_run *mine)
{
    eyot__journal *j = &engine->journal;
    size_t n = take_queue(engine);
    if (n == 0) return false;
    bool more = j->first != NULL;
    pthread_mutex_unlock(&j->lock);
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_lock(&j->runs[i]->lock);
        eyot__journal_make(j->runs[i], engine->lease_ms, &j->commits[i]);
        pthread_mutex_unlock(&j->runs[i]->lock);
    }
    eyot_error e;
    eyot__error_none(&e);
    uint64_t asked_ns = eyot__boot_ns();
    eyot_status status = eyot__store_commit(engine->store, j->commits, n, &e);
    for (size_t i = 0; i < n; i++) {
        eyot_run *r = j->runs[i];
        pthread_mutex_lock(&r->lock);
        deliver(r, &j->commits[i], status, &e, asked_ns, !more && r == mine);
        pthread_mutex_unlock(&r->lock);
    }
    pthread_mutex_lock(&j->lock);
    return true;
}

/* Until nothing is left. A thread that stays for another batch lets others go on with its own run. Journal lock held on
 * entry and exit. */
static void flush_all(eyot_engine *engine, eyot_run *mine, bool first)
{
    eyot__journal *j = &engine->journal;
    for (; j->first; first = false) {
        if (!first && mine) {
            pthread_mutex_unlock(&j->lock);
            pthread_mutex_lock(&mine->lock);
            eyot__run_wake_ready(mine);
            pthread_mutex_unlock(&mine->lock);
            pthread_mutex_lock(&j->lock);
        }
        if (!flush_batch(engine, mine)) break;
    }
    j->flushing = false;
}

bool eyot__journal_commit(eyot_run *r)
{
    eyot_engine *engine = r->engine;
    eyot__journal *j = &engine->journal;
    if (r->journaled || r->in_flight || r->lost) return false;
    pthread_mutex_lock(&j->lock);
    bool free_now = !j->flushing && !j->first;
    if (free_now) j->flushing = true;
    pthread_mutex_unlock(&j->lock);
    if (!free_now) return false;
    eyot_commit c;
    eyot_error e;
    eyot__error_none(&e);
    eyot__journal_make(r, engine->lease_ms, &c);
    pthread_mutex_unlock(&r->lock);
    uint64_t asked_ns = eyot__boot_ns();
    eyot_status status = eyot__store_commit(engine->store, &c, 1, &e);
    pthread_mutex_lock(&j->lock);
    bool more = j->first != NULL; /* then this thread flushes on, and others must go on with the run */
    pthread_mutex_unlock(&j->lock);
    pthread_mutex_lock(&r->lock);
    deliver(r, &c, status, &e, asked_ns, !more);
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_lock(&j->lock);
    flush_all(engine, r, false);
    pthread_mutex_unlock(&j->lock);
    return true;
}

void eyot__journal_flush(eyot_engine *engine, eyot_run *mine)
{
    eyot__journal *j = &engine->journal;
    pthread_mutex_lock(&j->lock);
    if (!j->flushing) {
        j->flushing = true;
        flush_all(engine, mine, true);
    }
    pthread_mutex_unlock(&j->lock);
}
