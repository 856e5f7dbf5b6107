/* SPDX-License-Identifier: MIT */
/* A store of your own: the ten slots that every store must have, in the memory of the process, behind the scheme "own:".
 * It keeps a list of runs, each with its row and its log. It asks for one call at a time (EYOT_STORE_SERIAL), so it needs
 * no lock. The optional slots are left out: what needs them is refused by name. */
#include <eyot/copiers.h>
#include <eyot/stores.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct own_run {
    eyot_run_row row;
    eyot_bytes source; /* of its graph */
    eyot_entry *log;   /* log[seq - 1]; key and body lie in one allocation at key.p */
    size_t log_size;
} own_run;

typedef struct own_store {
    own_run *runs; /* by (created, id), oldest first */
    size_t n, size;
} own_store;

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool same(eyot_bytes a, eyot_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytes that are handed in are only borrowed. The copy ends with a NUL. */
static bool keep(eyot_bytes *b)
{
    char *p = calloc(1, b->n + 1);
    if (p && b->n) memcpy(p, b->p, b->n);
    *b = (eyot_bytes){p, p ? b->n : 0};
    return p != NULL;
}

static void drop(eyot_bytes b)
{
    free((void *)(uintptr_t)b.p);
}

static own_run *find(own_store *s, eyot_bytes id)
{
    for (size_t i = s->n; i > 0; i--)
        if (same(s->runs[i - 1].row.run, id)) return &s->runs[i - 1];
    return NULL;
}

static eyot_status missing(const char *what, eyot_bytes id, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOTFOUND, "there is no %s %.*s", what, (int)id.n, id.n ? (const char *)id.p : "");
}

/* ---- writing ---- */

static bool keep_entry(eyot_entry *to, const eyot_entry *from)
{
    char *p = malloc(from->key.n + from->body.n + 1);
    if (!p) return false;
    *to = *from;
    if (from->key.n) memcpy(p, from->key.p, from->key.n);
    if (from->body.n) memcpy(p + from->key.n, from->body.p, from->body.n);
    to->key.p = p;
    to->body.p = p + from->key.n;
    return true;
}

/* All that can fail comes before the head moves: entries beyond it do not exist. */
static bool append(own_run *r, const eyot_commit *c)
{
    size_t i = 0, need = c->head + c->n_entries;
    if (need > r->log_size) {
        eyot_entry *log = realloc(r->log, 2 * need * sizeof *log);
        if (!log) return false;
        r->log = log;
        r->log_size = 2 * need;
    }
    while (i < c->n_entries && keep_entry(&r->log[c->head + i], &c->entries[i])) i++;
    bool all = i == c->n_entries;
    while (!all && i > 0) drop(r->log[c->head + --i].key);
    return all;
}

static int64_t later(int64_t now, uint64_t ms)
{
    return ms < (uint64_t)(INT64_MAX - now) ? now + (int64_t)ms : INT64_MAX;
}

static void apply(own_run *r, const eyot_commit *c, int64_t now)
{
    eyot_run_row *row = &r->row;
    if (c->n_entries) {
        row->head = c->head + c->n_entries;
        row->steps = c->entries[c->n_entries - 1].step;
        row->crc = c->crc;
        row->attempts = 0;
    }
    if (c->snapshot_seq) row->snapshot_seq = c->snapshot_seq;
    row->status = c->status;
    row->updated_ms = now;
    row->due_ms = c->lease_ms                  ? later(now, c->lease_ms)
                  : c->status == EYOT_RUN_DONE ? INT64_MAX
                  : c->due_in_ms < 0           ? now + c->due_in_ms
                                               : later(now, (uint64_t)c->due_in_ms);
    if (c->lease_ms) return;
    row->owner.n = 0;
    if (row->attempts) row->attempts--;
}

/* The fence: who does not hold the run in this epoch with this token changes nothing, and no seq is written twice. */
static eyot_status judge(const own_run *r, const eyot_commit *c)
{
    if (!r) return EYOT_EGONE;
    const eyot_run_row *row = &r->row;
    if (row->epoch != c->epoch || memcmp(row->token, c->token, sizeof row->token) != 0) return EYOT_EFENCED;
    if (c->n_entries && row->head == c->head + c->n_entries && row->crc == c->crc) return EYOT_EALREADY;
    if (row->head != c->head) return EYOT_ESTALE;
    if (row->owner.n) return EYOT_OK;
    return c->n_entries == 0 && c->lease_ms == 0 ? EYOT_EALREADY : EYOT_EFENCED;
}

static eyot_status own_commit(void *self, eyot_commit *commits, size_t n, eyot_error *e)
{
    for (size_t i = 0; i < n; i++) {
        own_run *r = find(self, commits[i].run);
        commits[i].result = judge(r, &commits[i]);
        if (commits[i].result != EYOT_OK) continue;
        if (!append(r, &commits[i])) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a commit");
        apply(r, &commits[i], clock_ms());
    }
    return EYOT_OK;
}

static void free_run(own_run *r)
{
    for (uint64_t i = 0; i < r->row.head; i++) drop(r->log[i].key);
    free(r->log);
    drop(r->source);
    drop(r->row.run);
    drop(r->row.graph);
    drop(r->row.fingerprint);
    drop(r->row.origin);
    drop(r->row.queue);
    drop(r->row.owner);
}

/* Gives a run memory of its own for everything; what is kept is freed by free_run, also when this fails. */
static bool keep_run(own_run *r, const eyot_commit *first)
{
    eyot_bytes *all[] = {&r->row.run,   &r->row.graph, &r->row.fingerprint, &r->row.origin,
                         &r->row.queue, &r->row.owner, &r->source};
    bool kept = true;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) kept = keep(all[i]) && kept;
    return kept && append(r, first);
}

static eyot_status own_create_run(void *self, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                                  eyot_error *e)
{
    own_store *s = self;
    own_run r = {.row = *row, .source = source};
    eyot_commit c = *first;
    if (find(s, row->run))
        return eyot_error_set(e, EYOT_EEXIST, "run %.*s exists already", (int)row->run.n, (const char *)row->run.p);
    if (s->n == s->size) {
        own_run *runs = realloc(s->runs, (2 * s->size + 8) * sizeof *runs);
        if (!runs) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a run");
        s->runs = runs;
        s->size = 2 * s->size + 8;
    }
    r.row.epoch = 1;
    r.row.head = r.row.steps = r.row.snapshot_seq = 0;
    r.row.crc = r.row.attempts = 0;
    r.row.created_ms = clock_ms();
    if (!keep_run(&r, first)) {
        free_run(&r);
        return eyot_error_set(e, EYOT_ENOMEM, "no memory for a run");
    }
    if (row->owner.n == 0) c.lease_ms = 0;
    apply(&r, &c, r.row.created_ms);
    size_t at = s->n++;
    for (; at > 0; at--) {
        const eyot_run_row *before = &s->runs[at - 1].row;
        bool newer = before->created_ms != r.row.created_ms ? before->created_ms < r.row.created_ms
                                                            : strcmp(before->run.p, r.row.run.p) < 0;
        if (newer) break;
        s->runs[at] = s->runs[at - 1];
    }
    s->runs[at] = r;
    return EYOT_OK;
}

/* ---- claiming ---- */

/* By queue: ended leases first, then by priority and due time. */
static bool comes_before(const eyot_run_row *a, const eyot_run_row *b)
{
    if ((a->owner.n != 0) != (b->owner.n != 0)) return a->owner.n != 0;
    if (a->owner.n == 0 && a->priority != b->priority) return a->priority > b->priority;
    return a->due_ms < b->due_ms;
}

static bool takes(const eyot_claim *c, eyot_bytes graph)
{
    for (size_t i = 0; i < c->n_graphs; i++)
        if (same(c->graphs[i], graph)) return true;
    return c->n_graphs == 0;
}

static own_run *next_due(own_store *s, const eyot_claim *c, int64_t now)
{
    own_run *best = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const eyot_run_row *row = &s->runs[i].row;
        if (row->due_ms > now || row->status == EYOT_RUN_DONE || !same(row->queue, c->queue)) continue;
        if (!takes(c, row->fingerprint)) continue;
        if (!best || comes_before(row, &best->row)) best = &s->runs[i];
    }
    return best;
}

static eyot_status tell(const own_run *r, eyot_row_fn fn, void *arg)
{
    eyot_run_row row = r->row;
    row.now_ms = clock_ms();
    return fn(arg, &row);
}

static eyot_status own_claim(void *self, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    int64_t now = clock_ms();
    own_run *r = c->run.n ? find(self, c->run) : next_due(self, c, now);
    eyot_bytes owner = c->owner;
    eyot_status told;
    if (!r) return missing(c->run.n ? "run" : "due run in queue", c->run.n ? c->run : c->queue, e);
    bool held = r->row.owner.n && r->row.due_ms > now, stolen = c->steal_epoch && c->steal_epoch == r->row.epoch;
    if (r->row.status == EYOT_RUN_DONE || (held && !stolen)) {
        told = tell(r, fn, arg);
        if (told) return told;
        return r->row.status == EYOT_RUN_DONE ? eyot_error_set(e, EYOT_EALREADY, "the run is done")
                                              : eyot_error_set(e, EYOT_EBUSY, "the run is held by another");
    }
    if (!keep(&owner)) return eyot_error_set(e, EYOT_ENOMEM, "no memory for an owner");
    drop(r->row.owner);
    r->row.owner = owner;
    memcpy(r->row.token, c->token, sizeof r->row.token);
    r->row.epoch++;
    r->row.attempts++;
    r->row.status = EYOT_RUN_RUNNING;
    r->row.updated_ms = now;
    r->row.due_ms = later(now, c->lease_ms);
    return tell(r, fn, arg);
}

/* ---- reading ---- */

static eyot_status own_get_run(void *self, eyot_bytes id, eyot_row_fn fn, void *arg, eyot_error *e)
{
    const own_run *r = find(self, id);
    return r ? tell(r, fn, arg) : missing("run", id, e);
}

/* The cursor is the id of the last run of the page before. */
static eyot_status own_list_runs(void *self, const eyot_run_filter *f, eyot_bytes cursor, uint32_t limit,
                                 eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    own_store *s = self;
    const own_run *from = cursor.n ? find(s, cursor) : NULL, *last = NULL;
    if (cursor.n && !from) return eyot_error_set(e, EYOT_EINVAL, "the cursor is not one of this store");
    for (size_t i = from ? (size_t)(from - s->runs) : s->n; i > 0; i--) {
        const eyot_run_row *row = &s->runs[i - 1].row;
        eyot_bytes begin = {row->run.p, row->run.n < f->prefix.n ? row->run.n : f->prefix.n};
        if ((f->status && f->status != row->status) || (f->graph.n && !same(f->graph, row->graph))) continue;
        if (!same(f->prefix, begin) || row->created_ms < f->since_ms) continue;
        if (limit-- == 0) return last ? eyot_buf_add(next, last->row.run.p, last->row.run.n) : EYOT_OK;
        last = &s->runs[i - 1];
        eyot_status told = tell(last, fn, arg);
        if (told) return told;
    }
    return EYOT_OK;
}

static eyot_status own_get_graph(void *self, eyot_bytes wanted, eyot_buf *source, eyot_error *e)
{
    own_store *s = self;
    for (size_t i = 0; i < s->n; i++)
        if (same(s->runs[i].row.fingerprint, wanted))
            return eyot_buf_add(source, s->runs[i].source.p, s->runs[i].source.n);
    return missing("graph", wanted, e);
}

static eyot_status own_load(void *self, eyot_bytes id, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    const own_run *r = find(self, id);
    eyot_status told = EYOT_OK;
    if (!r) return missing("run", id, e);
    if (seq == UINT64_MAX && r->row.head == 0) return EYOT_OK;
    if (seq == UINT64_MAX) seq = r->row.head;
    if (seq == 0 || seq > r->row.head)
        return eyot_error_set(e, EYOT_ENOTFOUND, "run %.*s has no entry %llu", (int)id.n, (const char *)id.p,
                              (unsigned long long)seq);
    uint64_t from = seq;
    while (from > 1 && r->log[from - 1].kind != EYOT_ENTRY_SNAPSHOT) from--;
    for (; from <= seq && !told; from++) told = fn(arg, &r->log[from - 1]);
    return told;
}

static eyot_status own_list_entries(void *self, eyot_bytes id, uint64_t from, uint32_t limit, bool with_bodies,
                                    eyot_entry_fn fn, void *arg, eyot_error *e)
{
    const own_run *r = find(self, id);
    eyot_status told = EYOT_OK;
    if (!r) return missing("run", id, e);
    for (uint64_t seq = from ? from : 1; seq <= r->row.head && limit && !told; seq++, limit--) {
        eyot_entry entry = r->log[seq - 1];
        if (!with_bodies) entry.body.n = 0;
        told = fn(arg, &entry);
    }
    return told;
}

static eyot_status own_info(void *self, eyot_store_info *out, eyot_error *e)
{
    (void)self, (void)e;
    *out = (eyot_store_info){.durability = EYOT_CLASS_VOLATILE, .max_body = SIZE_MAX / 4};
    snprintf(out->backend, sizeof out->backend, "own");
    snprintf(out->version, sizeof out->version, "1");
    snprintf(out->reasons, sizeof out->reasons, "an example that keeps everything in memory");
    snprintf(out->advice, sizeof out->advice, "another store");
    return EYOT_OK;
}

static void own_close(void *self)
{
    own_store *s = self;
    for (size_t i = 0; i < s->n; i++) free_run(&s->runs[i]);
    free(s->runs);
    free(s);
}

static const eyot_store_ops own_ops = {
    .size = sizeof(eyot_store_ops),
    .abi = EYOT_STORE_ABI,
    .flags = EYOT_STORE_SERIAL,
    .create_run = own_create_run,
    .get_run = own_get_run,
    .list_runs = own_list_runs,
    .get_graph = own_get_graph,
    .claim = own_claim,
    .commit = own_commit,
    .load = own_load,
    .list_entries = own_list_entries,
    .info = own_info,
    .close = own_close,
};

/* "own:" opens an empty store. */
static eyot_status own_store_open(eyot_store **out, const char *url, uint32_t flags, eyot_error *e)
{
    (void)flags;
    *out = NULL;
    if (strcmp(url, "own:") != 0) return eyot_error_set(e, EYOT_EINVAL, "\"%s\": write \"own:\"", url);
    own_store *s = calloc(1, sizeof *s);
    if (!s) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a store");
    return eyot_store_new(out, &own_ops, s, e);
}

/* ---- using it ---- */

static eyot_status work(eyot_task *task, void *user)
{
    (void)user;
    return eyot_task_set_int(task, "n", eyot_value_int(eyot_value_at(eyot_task_state(task), "n"), 0) + 1);
}

static eyot_status print_entry(void *arg, const eyot_entry *entry)
{
    (void)arg;
    printf("%llu: %zu bytes %.*s\n", (unsigned long long)entry->seq, entry->body.n, (int)entry->key.n,
           (const char *)entry->key.p);
    return EYOT_OK;
}

/* A run of two nodes in this store, and what the store then holds of it. */
int main(void)
{
    eyot_error e = {EYOT_OK, 0, ""};
    eyot_graph *graph = NULL;
    eyot_store *own = NULL;
    eyot_engine *engine = NULL;
    eyot_run *run = NULL;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    eyot_run_options in_run = EYOT_RUN_OPTIONS_INIT;
    void *self;

    if (eyot_graph_new(&graph, "two", eyot_json())) return 1;
    eyot_graph_node(graph, "first", work, NULL);
    eyot_graph_node(graph, "second", work, NULL);
    eyot_graph_edge(graph, "first", "second");
    if (eyot_graph_freeze(graph, &e) || eyot_store_register("own", own_store_open, &e)) goto done;
    if (eyot_store_open(&own, "own:", &e)) goto done;
    options.store = own;
    in_run.run_id = "a17";
    if (eyot_engine_new(&engine, &options, &e)) goto done;
    if (eyot_run_sync(&run, engine, graph, eyot_json_parse("{}", &e), &in_run, &e)) goto done;
    const eyot_store_ops *ops = eyot_store_table(own, &self);
    ops->list_entries(self, (eyot_bytes){"a17", 3}, 1, 100, true, print_entry, NULL, &e);
done:
    if (e.status) fprintf(stderr, "own_store: %s\n", e.text);
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(own);
    eyot_graph_free(graph);
    return e.status != EYOT_OK;
}
