/* SPDX-License-Identifier: MIT */
/* The reference implementation of a store: everything in this process's memory, one mutex. Read it first when you write a
 * store of your own: each slot does what its comment in <eyot/store.h> says and nothing else. Here are the ten slots that
 * every store must have; memory_more.c has the optional ones, memory.h what is kept.
 *
 * Bytes are copied in, so that nobody can change what was committed. Entries of a run lie one behind the other in
 * chunks that grow, found by number through an array. A commit checks, then gets all the memory it needs, then
 * changes things: from there on it cannot fail. */
#include "stores/memory.h"

#include "stores/url.h"

#include <stdio.h>

static void run_free(run *r)
{
    if (!r) return;
    for (chunk *c = r->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    for (message *m = r->oldest, *later; m; m = later) {
        later = m->later;
        free(m);
    }
    free(r->inbox.at);
    free(r->entries);
    free(r->owner);
    free(r);
}

/* ---- the log of a run ------------------------------------------------------------------------------------------- */

#define ENTRY_ALIGN sizeof(uint64_t)

static size_t entry_size(const eyot_entry *from)
{
    size_t n = sizeof(entry) + from->key.n + from->body.n;
    return (n + ENTRY_ALIGN - 1) & ~(ENTRY_ALIGN - 1);
}

/* Room in one chunk for everything of a commit; the sizes double up to 64 KiB, below what malloc gives to the system and
 * back. */
static bool log_reserve(run *r, const eyot_commit *c)
{
    size_t need = 0, have = r->chunks ? r->chunks->size - r->chunks->used : 0;
    for (size_t i = 0; i < c->n_entries; i++) need += entry_size(&c->entries[i]);
    if (c->head + c->n_entries > r->entries_size) {
        size_t size = 2 * r->entries_size > c->head + c->n_entries ? 2 * r->entries_size : c->head + c->n_entries + 7;
        entry **at = realloc(r->entries, size * sizeof(entry *));
        if (!at) return false;
        r->entries = at;
        r->entries_size = size;
    }
    if (need <= have) return true;
    size_t size = r->chunks ? 2 * r->chunks->size : 1024 - sizeof(chunk);
    if (size > 65536 - sizeof(chunk)) size = 65536 - sizeof(chunk);
    if (size < need) size = need;
    chunk *fresh = malloc(sizeof *fresh + size);
    if (!fresh) return false;
    *fresh = (chunk){.next = r->chunks, .size = size};
    r->chunks = fresh;
    return true;
}

static void log_add(run *r, const eyot_entry *from)
{
    chunk *home = r->chunks;
    entry *to = (entry *)(void *)(home->bytes + home->used);
    const entry *before = from->seq > 1 ? r->entries[from->seq - 2] : NULL;
    home->used += entry_size(from);
    home->live++;
    to->home = home;
    to->step = from->step;
    to->kind = (uint32_t)from->kind;
    to->key_len = (uint32_t)from->key.n;
    to->body_len = from->body.n;
    to->snapshot_seq = from->kind == EYOT_ENTRY_SNAPSHOT ? from->seq : before ? before->snapshot_seq : 0;
    put(put(to->bytes, from->key), from->body);
    r->entries[from->seq - 1] = to;
}

void eyot__memory_drop(run *r, uint64_t seq)
{
    entry *gone = r->entries[seq - 1];
    r->entries[seq - 1] = NULL;
    if (!gone || --gone->home->live || gone->home == r->chunks) return;
    chunk **p = &r->chunks;
    while (*p != gone->home) p = &(*p)->next;
    *p = gone->home->next;
    free(gone->home);
}

static eyot_status tell_entry(const run *r, uint64_t seq, bool with_body, eyot_entry_fn fn, void *arg)
{
    const entry *from = r->entries[seq - 1];
    eyot_entry out = {.seq = seq, .step = from->step, .kind = (eyot_entry_kind)from->kind};
    out.key = eyot__bytes(from->bytes, from->key_len);
    if (with_body) out.body = eyot__bytes(from->bytes + from->key_len, from->body_len);
    return fn(arg, &out);
}

/* ---- messages and events that come with a commit ---------------------------------------------------------------- */

static event *event_new(const eyot_event *from)
{
    event *ev = calloc(1, sizeof *ev + from->id.n + from->topic.n + from->payload.n);
    if (!ev) return NULL;
    put(put(put(ev->bytes, from->id), from->topic), from->payload);
    ev->topic_len = from->topic.n;
    ev->in.key = eyot__bytes(ev->bytes, from->id.n);
    ev->payload_len = from->payload.n;
    return ev;
}

static void events_free(event *list)
{
    for (event *later; list; list = later) {
        later = list->later;
        free(list);
    }
}

/* Copies of a commit's events as a list in *first. */
static bool events_copy(event **first, const eyot_commit *c)
{
    event **last = first;
    *first = NULL;
    for (size_t i = 0; i < c->n_events; i++) {
        *last = event_new(&c->events[i]);
        if (!*last) {
            events_free(*first);
            return false;
        }
        last = &(*last)->later;
    }
    return true;
}

/* Takes the list; an event whose id is there already is dropped. */
static void events_add(memory *m, event *list)
{
    for (event *ev = list, *later; ev; ev = later) {
        later = ev->later;
        ev->later = NULL;
        if (table_find(&m->events, ev->in.key)) {
            free(ev);
            continue;
        }
        ev->number = ++m->numbers;
        table_add(&m->events, &ev->in);
        *m->newest = ev;
        m->newest = &ev->later;
    }
}

static void messages_done(run *r, const eyot_commit *c)
{
    for (size_t i = 0; i < c->n_inbox_done; i++) {
        message *msg = table_find(&r->inbox, c->inbox_done[i]);
        if (!msg || msg->done) continue;
        msg->done = true;
        r->waiting--;
    }
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* All that can fail in a commit; *events is then the caller's. */
static bool prepare(memory *m, run *r, const eyot_commit *c, event **events)
{
    if (c->n_entries && !log_reserve(r, c)) return false;
    *events = NULL;
    return !c->n_events || (table_reserve(&m->events) && events_copy(events, c));
}

static void apply(memory *m, run *r, const eyot_commit *c, event *events, int64_t now)
{
    for (size_t i = 0; i < c->n_entries; i++) log_add(r, &c->entries[i]);
    if (c->n_entries) {
        r->row.head = c->head + c->n_entries;
        r->row.steps = c->entries[c->n_entries - 1].step;
        r->row.crc = c->crc;
        r->row.attempts = 0;
    }
    events_add(m, events);
    messages_done(r, c);
    if (c->snapshot_seq) r->row.snapshot_seq = c->snapshot_seq;
    r->row.status = c->status;
    r->row.updated_ms = now;
    r->row.due_ms = eyot__store_due_ms(now, c);
    if (c->lease_ms) return;
    r->row.owner.n = 0;
    if (r->row.attempts) r->row.attempts--;
    /* A message that came while the run was held must wake it. */
    if (c->status == EYOT_RUN_SUSPENDED && r->waiting) r->row.due_ms = now;
}

static eyot_status commit_one(memory *m, eyot_commit *c, int64_t now)
{
    event *events;
    run *r = table_find(&m->runs, c->run);
    c->result = r ? eyot__store_verdict(&r->row, c) : EYOT_EGONE;
    if (c->result) return EYOT_OK;
    if (!prepare(m, r, c, &events)) return EYOT_ENOMEM;
    apply(m, r, c, events, now);
    return EYOT_OK;
}

static eyot_status memory_commit(void *self, eyot_commit *commits, size_t n, eyot_error *e)
{
    memory *m = self;
    eyot_status st = EYOT_OK;
    int64_t now = clock_ms();
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < n && !st; i++) st = commit_one(m, &commits[i], now);
    pthread_mutex_unlock(&m->lock);
    return st ? no_memory(e) : EYOT_OK;
}

/* Copies text to *to, moves *to behind it, returns where it is. */
static eyot_bytes keep(char **to, eyot_bytes b)
{
    eyot_bytes kept = {*to, b.n};
    *to = (char *)put((unsigned char *)*to, b);
    return kept;
}

static bool set_owner(run *r, eyot_bytes owner)
{
    char *copy = malloc(owner.n + 1);
    if (!copy) return false;
    put((unsigned char *)copy, owner);
    free(r->owner);
    r->owner = copy;
    r->row.owner = eyot__bytes(copy, owner.n);
    return true;
}

static run *run_new(const eyot_run_row *row, int64_t now)
{
    run *r = calloc(1, sizeof *r + row->run.n + row->graph.n + row->fingerprint.n + row->origin.n + row->queue.n);
    if (!r) return NULL;
    char *to = r->text;
    r->newest = &r->oldest;
    r->row.run = r->in.key = keep(&to, row->run);
    r->row.graph = keep(&to, row->graph);
    r->row.fingerprint = keep(&to, row->fingerprint);
    r->row.origin = keep(&to, row->origin);
    r->row.queue = keep(&to, row->queue);
    memcpy(r->row.token, row->token, sizeof row->token);
    r->row.priority = row->priority;
    r->row.epoch = 1;
    r->row.created_ms = now;
    if (set_owner(r, row->owner)) return r;
    run_free(r);
    return NULL;
}

/* By (created, id); `id` may be longer than what it is compared with. */
static int compare_place(int64_t created_ms, eyot_bytes id, const run *r)
{
    if (created_ms != r->row.created_ms) return created_ms < r->row.created_ms ? -1 : 1;
    size_t n = id.n < r->in.key.n ? id.n : r->in.key.n;
    int c = memcmp(id.p, r->in.key.p, n);
    return c ? c : (id.n > n) - (r->in.key.n > n);
}

/* How many runs are older. */
static size_t place_of(const memory *m, int64_t created_ms, eyot_bytes id)
{
    size_t low = 0, high = m->runs.n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_place(created_ms, id, m->sorted[mid]) > 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool sorted_reserve(memory *m)
{
    if (m->runs.n < m->sorted_size) return true;
    size_t size = m->sorted_size ? 2 * m->sorted_size : 16;
    run **sorted = realloc(m->sorted, size * sizeof(run *));
    if (!sorted) return false;
    m->sorted = sorted;
    m->sorted_size = size;
    return true;
}

static void run_add(memory *m, run *r)
{
    size_t at = place_of(m, r->row.created_ms, r->in.key);
    memmove(m->sorted + at + 1, m->sorted + at, (m->runs.n - at) * sizeof(run *));
    m->sorted[at] = r;
    table_add(&m->runs, &r->in);
}

void eyot__memory_remove(memory *m, run *r)
{
    size_t at = place_of(m, r->row.created_ms, r->in.key);
    table_remove(&m->runs, &r->in);
    memmove(m->sorted + at, m->sorted + at + 1, (m->runs.n - at) * sizeof(run *));
    run_free(r);
}

/* The tombstone that keeps an id taken; one whose time is over is removed. */
static bool tombstone_stands(memory *m, eyot_bytes id, int64_t now)
{
    blob *t = table_find(&m->tombstones, id);
    if (!t) return false;
    if (t->until_ms > now) return true;
    table_remove(&m->tombstones, &t->in);
    free(t);
    return false;
}

static eyot_status memory_create_run(void *self, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                                     eyot_error *e)
{
    memory *m = self;
    eyot_status st = EYOT_ENOMEM;
    int64_t now = clock_ms();
    event *events;
    blob *graph = NULL;
    run *r = NULL;
    pthread_mutex_lock(&m->lock);
    if (table_find(&m->runs, row->run) || tombstone_stands(m, row->run, now)) {
        st = EYOT_EEXIST;
        goto done;
    }
    if (!table_reserve(&m->runs) || !table_reserve(&m->graphs) || !sorted_reserve(m)) goto done;
    if (!table_find(&m->graphs, row->fingerprint)) {
        graph = blob_new(row->fingerprint, source, INT64_MAX);
        if (!graph) goto done;
    }
    r = run_new(row, now);
    if (!r || !prepare(m, r, first, &events)) goto done;
    if (graph) table_add(&m->graphs, &graph->in);
    eyot_commit commit = *first;
    if (!row->owner.n) commit.lease_ms = 0;
    apply(m, r, &commit, events, now);
    run_add(m, r);
    st = EYOT_OK;
done:
    pthread_mutex_unlock(&m->lock);
    if (!st) return EYOT_OK;
    run_free(r);
    free(graph);
    return st == EYOT_ENOMEM ? no_memory(e)
                             : eyot_error_set(e, st, "run " EYOT__ID " exists already", EYOT__ID_ARGS(row->run));
}

/* ---- claims ----------------------------------------------------------------------------------------------------- */

/* Ended leases first, the longest ended one of them; then by priority and due time. */
static bool comes_before(const run *a, const run *b)
{
    bool lost_a = a->row.owner.n != 0, lost_b = b->row.owner.n != 0;
    if (lost_a != lost_b) return lost_a;
    if (!lost_a && a->row.priority != b->row.priority) return a->row.priority > b->row.priority;
    return a->row.due_ms < b->row.due_ms;
}

static run *next_due(const memory *m, const eyot_claim *c, int64_t now)
{
    run *best = NULL;
    for (size_t i = 0; i < m->runs.n; i++) {
        run *r = m->sorted[i];
        if (r->row.due_ms > now || r->row.status == EYOT_RUN_DONE) continue;
        if (!eyot__bytes_equal(r->row.queue, c->queue) || !eyot__store_claim_takes(c, r->row.fingerprint)) continue;
        if (!best || comes_before(r, best)) best = r;
    }
    return best;
}

static eyot_status tell_row(const run *r, int64_t now, eyot_row_fn fn, void *arg)
{
    eyot_run_row row = r->row;
    row.now_ms = now;
    return fn(arg, &row);
}

static eyot_status memory_claim(void *self, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    memory *m = self;
    int64_t now = clock_ms();
    pthread_mutex_lock(&m->lock);
    run *r = c->run.n ? table_find(&m->runs, c->run) : next_due(m, c, now);
    eyot_status st = eyot__store_judge_claim(c, r ? &r->row : NULL, now, e);
    if (!st && !set_owner(r, c->owner)) st = no_memory(e);
    if (!st) {
        eyot_commit lease = {.lease_ms = c->lease_ms};
        r->row.epoch++;
        r->row.attempts++;
        r->row.status = EYOT_RUN_RUNNING;
        r->row.updated_ms = now;
        r->row.due_ms = eyot__store_due_ms(now, &lease);
        memcpy(r->row.token, c->token, sizeof r->row.token);
    }
    if (!st || st == EYOT_EBUSY || st == EYOT_EALREADY) {
        eyot_status told = tell_row(r, now, fn, arg);
        if (told) st = told;
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static eyot_status memory_get_run(void *self, eyot_bytes id, eyot_row_fn fn, void *arg, eyot_error *e)
{
    memory *m = self;
    pthread_mutex_lock(&m->lock);
    const run *r = table_find(&m->runs, id);
    eyot_status st = r ? tell_row(r, clock_ms(), fn, arg) : no_run(id, e);
    pthread_mutex_unlock(&m->lock);
    return st;
}

static bool passes(const run *r, const eyot_run_filter *f)
{
    if (f->status && f->status != r->row.status) return false;
    if (f->graph.n && !eyot__bytes_equal(f->graph, r->row.graph)) return false;
    if (f->prefix.n > r->in.key.n) return false;
    return eyot__bytes_equal(f->prefix, eyot__bytes(r->in.key.p, f->prefix.n));
}

static eyot_status memory_list_runs(void *self, const eyot_run_filter *f, eyot_bytes cursor, uint32_t limit,
                                    eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    memory *m = self;
    eyot_status st = EYOT_OK;
    int64_t created_ms, now = clock_ms();
    eyot_bytes id;
    if (cursor.n && !eyot__cursor_parse(cursor, &created_ms, &id))
        return eyot_error_set(e, EYOT_EINVAL, "the cursor for the list of runs is malformed");
    pthread_mutex_lock(&m->lock);
    const run *last = NULL;
    size_t i = cursor.n ? place_of(m, created_ms, id) : m->runs.n;
    for (; i > 0 && m->sorted[i - 1]->row.created_ms >= f->since_ms && !st; i--) {
        const run *r = m->sorted[i - 1];
        if (!passes(r, f)) continue;
        if (limit == 0) {
            if (last) st = eyot__cursor_print(next, last->row.created_ms, last->in.key);
            break;
        }
        limit--;
        last = r;
        st = tell_row(r, now, fn, arg);
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

static eyot_status memory_get_graph(void *self, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    memory *m = self;
    pthread_mutex_lock(&m->lock);
    const blob *g = table_find(&m->graphs, fingerprint);
    eyot_status st = g ? eyot_buf_add(source, g->bytes + g->in.key.n, g->len) : EYOT_ENOTFOUND;
    pthread_mutex_unlock(&m->lock);
    if (!g) eyot_error_set(e, st, "there is no graph " EYOT__ID, EYOT__ID_ARGS(fingerprint));
    return st;
}

static eyot_status memory_load(void *self, eyot_bytes id, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    memory *m = self;
    eyot_status st = EYOT_OK;
    pthread_mutex_lock(&m->lock);
    const run *r = table_find(&m->runs, id);
    uint64_t to = r && seq == UINT64_MAX ? r->row.head : seq, from = 0;
    if (!r) {
        st = no_run(id, e);
    } else if (seq != UINT64_MAX && (seq == 0 || seq > r->row.head || !r->entries[seq - 1])) {
        st = eyot_error_set(e, EYOT_ENOTFOUND, "run " EYOT__ID " has no entry %llu", EYOT__ID_ARGS(id),
                            (unsigned long long)seq);
    } else if (to) {
        from = r->entries[to - 1]->snapshot_seq;
        if (from == 0) from = 1;
    }
    for (; !st && from && from <= to; from++) {
        if (r->entries[from - 1])
            st = tell_entry(r, from, true, fn, arg);
        else
            st = eyot_error_set(e, EYOT_ENOTFOUND, "run " EYOT__ID ": entry %llu was pruned", EYOT__ID_ARGS(id),
                                (unsigned long long)from);
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

static eyot_status memory_list_entries(void *self, eyot_bytes id, uint64_t from, uint32_t limit, bool with_bodies,
                                       eyot_entry_fn fn, void *arg, eyot_error *e)
{
    memory *m = self;
    pthread_mutex_lock(&m->lock);
    const run *r = table_find(&m->runs, id);
    eyot_status st = r ? EYOT_OK : no_run(id, e);
    for (uint64_t seq = from ? from : 1; r && !st && limit && seq <= r->row.head; seq++) {
        if (!r->entries[seq - 1]) continue;
        st = tell_entry(r, seq, with_bodies, fn, arg);
        limit--;
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

static eyot_status memory_info(void *self, eyot_store_info *out, eyot_error *e)
{
    (void)self, (void)e;
    out->durability = EYOT_CLASS_VOLATILE;
    out->max_body = SIZE_MAX / 4;
    snprintf(out->backend, sizeof out->backend, "memory");
    snprintf(out->version, sizeof out->version, "eyot %s", eyot_version());
    snprintf(out->reasons, sizeof out->reasons, "kept in the memory of this process only");
    snprintf(out->advice, sizeof out->advice, "a store that is kept: the path of a file, or the URL of a server");
    return EYOT_OK;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

static void free_nodes(table *t)
{
    for (size_t i = 0; t->at && i <= t->mask; i++)
        for (node *n = t->at[i], *next; n; n = next) {
            next = n->next;
            free(n);
        }
    free(t->at);
}

static void memory_close(void *self)
{
    memory *m = self;
    for (size_t i = 0; i < m->runs.n; i++) run_free(m->sorted[i]);
    free(m->runs.at);
    free(m->sorted);
    free_nodes(&m->graphs);
    free_nodes(&m->tombstones);
    free_nodes(&m->values);
    free_nodes(&m->events);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const eyot_store_ops memory_ops = {
    .size = sizeof(eyot_store_ops),
    .abi = EYOT_STORE_ABI,
    .create_run = memory_create_run,
    .get_run = memory_get_run,
    .list_runs = memory_list_runs,
    .get_graph = memory_get_graph,
    .claim = memory_claim,
    .commit = memory_commit,
    .load = memory_load,
    .list_entries = memory_list_entries,
    .info = memory_info,
    .close = memory_close,
    .post = eyot__memory_post,
    .inbox = eyot__memory_inbox,
    .outbox_read = eyot__memory_outbox_read,
    .outbox_ack = eyot__memory_outbox_ack,
    .kv_get = eyot__memory_kv_get,
    .kv_cas = eyot__memory_kv_cas,
    .prune = eyot__memory_prune,
    .delete_run = eyot__memory_delete_run,
};

eyot_status eyot__memory_open(eyot_store **out, eyot__url *url, uint32_t flags, eyot_error *e)
{
    (void)flags;
    *out = NULL;
    if (*url->path) return eyot_error_set(e, EYOT_EINVAL, "\"memory:\" takes no path, not \"%s\"", url->path);
    eyot_status r = eyot__url_check_params(url, e);
    if (r) return r;
    memory *m = calloc(1, sizeof *m);
    if (!m || pthread_mutex_init(&m->lock, NULL) != 0) {
        free(m);
        return no_memory(e);
    }
    m->newest = &m->oldest;
    return eyot_store_new(out, &memory_ops, m, e);
}
