/* SPDX-License-Identifier: MIT */
#include "core/store.h"

#include <stdlib.h>
#include <string.h>

/* ---- forks ----------------------------------------------------------------------------------------------------- */

/* Written only in a child, before it has a second thread. */
static unsigned forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;
static int forks_failed;

static void count_fork(void)
{
    forks++;
}

static void watch_forks(void)
{
    forks_failed = pthread_atfork(NULL, NULL, count_fork);
}

unsigned eyot__fork_count(void)
{
    return forks;
}

/* ---- opening and closing --------------------------------------------------------------------------------------- */

#define REQUIRED_SIZE offsetof(eyot_store_ops, post)

static eyot_status check_table(const eyot_store_ops *ops, eyot_error *e)
{
    if (!ops || ops->size < REQUIRED_SIZE)
        return eyot_error_set(e, EYOT_EINVAL, "the store's table is smaller than its required slots");
    if (ops->abi != EYOT_STORE_ABI)
        return eyot_error_set(e, EYOT_EINVAL, "the store's table has abi %u, this library knows %u", ops->abi,
                              EYOT_STORE_ABI);
    const char *missing = !ops->create_run     ? "create_run"
                          : !ops->get_run      ? "get_run"
                          : !ops->list_runs    ? "list_runs"
                          : !ops->get_graph    ? "get_graph"
                          : !ops->claim        ? "claim"
                          : !ops->commit       ? "commit"
                          : !ops->load         ? "load"
                          : !ops->list_entries ? "list_entries"
                          : !ops->info         ? "info"
                          : !ops->close        ? "close"
                                               : NULL;
    if (missing) return eyot_error_set(e, EYOT_EINVAL, "the store's table has no %s, which is required", missing);
    return EYOT_OK;
}

eyot_status eyot_store_new(eyot_store **out, const eyot_store_ops *ops, void *self_take, eyot_error *e)
{
    eyot_store *s = NULL;
    *out = NULL;
    eyot_status r = check_table(ops, e);
    if (r) goto done;
    r = EYOT_ENOMEM;
    pthread_once(&forks_once, watch_forks);
    if (forks_failed) goto done;
    s = calloc(1, sizeof *s);
    if (!s || pthread_mutex_init(&s->serial, NULL) != 0) goto done;
    memcpy(&s->ops, ops, ops->size < sizeof s->ops ? ops->size : sizeof s->ops);
    s->self = self_take;
    s->forks = forks;
    *out = s;
    return EYOT_OK;
done:
    if (r == EYOT_ENOMEM) eyot_error_set(e, r, "no memory for a store");
    free(s);
    if (ops && ops->size >= REQUIRED_SIZE && ops->close) ops->close(self_take);
    return r;
}

void eyot_store_close(eyot_store *s)
{
    /* In a forked child the parent's locks and descriptors must be left alone: forgetting the memory is the only
     * thing that is safe. */
    if (!s || s->forks != forks) return;
    s->ops.close(s->self);
    pthread_mutex_destroy(&s->serial);
    free(s);
}

const eyot_store_ops *eyot_store_table(const eyot_store *s, void **self)
{
    *self = s->self;
    return &s->ops;
}

const char *eyot_store_class_name(eyot_store_class c)
{
    switch (c) {
    case EYOT_CLASS_VOLATILE: return "volatile";
    case EYOT_CLASS_PROCESS: return "process";
    case EYOT_CLASS_MACHINE: return "machine";
    case EYOT_CLASS_REPLICATED: return "replicated";
    }
    return "unknown";
}

/* ---- for backends ---------------------------------------------------------------------------------------------- */

eyot_status eyot__store_verdict(const eyot_run_row *row, const eyot_commit *c)
{
    if (row->epoch != c->epoch || memcmp(row->token, c->token, sizeof row->token) != 0) return EYOT_EFENCED;
    if (c->n_entries && row->head == c->head + c->n_entries && row->crc == c->crc) return EYOT_EALREADY;
    if (row->head != c->head) return EYOT_ESTALE;
    if (row->owner.n) return EYOT_OK;
    /* Released by this very claim: releasing again changes nothing, everything else needs a new claim. */
    return c->n_entries == 0 && c->lease_ms == 0 ? EYOT_EALREADY : EYOT_EFENCED;
}

int64_t eyot__store_due_ms(int64_t now_ms, const eyot_commit *c)
{
    if (c->lease_ms) return c->lease_ms < (uint64_t)(INT64_MAX - now_ms) ? now_ms + (int64_t)c->lease_ms : INT64_MAX;
    if (c->status == EYOT_RUN_DONE) return INT64_MAX;
    return c->due_in_ms < INT64_MAX - now_ms ? now_ms + c->due_in_ms : INT64_MAX;
}

static eyot_bytes keep(char **to, eyot_bytes b)
{
    eyot_bytes kept = {*to, b.n};
    if (b.n) memcpy(*to, b.p, b.n);
    *to += b.n;
    return kept;
}

eyot_status eyot__store_own_row(eyot_run_row *row, char **memory, eyot_error *e)
{
    size_t n = row->run.n + row->graph.n + row->fingerprint.n + row->origin.n + row->queue.n + row->owner.n;
    char *to = *memory = malloc(n + 1);
    if (!to) return eyot_error_set(e, EYOT_ENOMEM, "no memory for the row of a run");
    row->run = keep(&to, row->run);
    row->graph = keep(&to, row->graph);
    row->fingerprint = keep(&to, row->fingerprint);
    row->origin = keep(&to, row->origin);
    row->queue = keep(&to, row->queue);
    row->owner = keep(&to, row->owner);
    return EYOT_OK;
}

bool eyot__store_claim_takes(const eyot_claim *c, eyot_bytes fingerprint)
{
    for (size_t i = 0; i < c->n_graphs; i++)
        if (eyot__bytes_equal(c->graphs[i], fingerprint)) return true;
    return c->n_graphs == 0;
}

eyot_status eyot__store_judge_claim(const eyot_claim *c, const eyot_run_row *row, int64_t now_ms, eyot_error *e)
{
    if (!row && c->run.n) return eyot_error_set(e, EYOT_ENOTFOUND, "there is no run " EYOT__ID, EYOT__ID_ARGS(c->run));
    if (!row)
        return eyot_error_set(e, EYOT_ENOTFOUND, "no run of queue \"" EYOT__ID "\" is due", EYOT__ID_ARGS(c->queue));
    if (row->status == EYOT_RUN_DONE)
        return eyot_error_set(e, EYOT_EALREADY, "run " EYOT__ID " is done", EYOT__ID_ARGS(row->run));
    bool held = row->owner.n && row->due_ms > now_ms, stolen = c->steal_epoch && c->steal_epoch == row->epoch;
    if (held && !stolen)
        return eyot_error_set(e, EYOT_EBUSY, "run " EYOT__ID " is held by " EYOT__ID, EYOT__ID_ARGS(row->run),
                              EYOT__ID_ARGS(row->owner));
    return EYOT_OK;
}

/* ---- the guard ------------------------------------------------------------------------------------------------- */

static eyot_status enter(eyot_store *s, eyot_error *e)
{
    if (s->forks != forks)
        return eyot_error_set(e, EYOT_EFORKED, "the store was opened before this process was forked: open it again");
    if (s->ops.flags & EYOT_STORE_SERIAL) pthread_mutex_lock(&s->serial);
    return EYOT_OK;
}

static eyot_status leave(eyot_store *s, eyot_status r)
{
    if (s->ops.flags & EYOT_STORE_SERIAL) pthread_mutex_unlock(&s->serial);
    return r;
}

static eyot_status enter_optional(eyot_store *s, bool present, const char *slot, eyot_error *e)
{
    return present ? enter(s, e) : eyot_error_set(e, EYOT_ENOTSUP, "this store has no %s", slot);
}

eyot_status eyot__store_refuse_delete(eyot_bytes run, eyot_bytes owner, eyot_error *e)
{
    if (owner.n)
        return eyot_error_set(e, EYOT_EBUSY, "run " EYOT__ID " is held by " EYOT__ID, EYOT__ID_ARGS(run),
                              EYOT__ID_ARGS(owner));
    return eyot_error_set(e, EYOT_EBUSY, "run " EYOT__ID " was claimed meanwhile", EYOT__ID_ARGS(run));
}

bool eyot__run_id_valid(eyot_bytes id)
{
    const unsigned char *p = id.p;
    if (id.n < 1 || id.n > 128) return false;
    for (size_t i = 0; i < id.n; i++) {
        unsigned char c = p[i], letter = (unsigned char)(c | 0x20);
        bool word = (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9');
        bool mark = c == '.' || c == '_' || c == ':' || c == '-';
        if (!word && !(mark && i > 0)) return false;
    }
    return true;
}

static eyot_status check_commit(const eyot_store *s, const eyot_commit *c, eyot_error *e)
{
    if (c->n_events && !s->ops.outbox_read) return eyot_error_set(e, EYOT_ENOTSUP, "this store keeps no events");
    if (c->n_inbox_done && !s->ops.inbox) return eyot_error_set(e, EYOT_ENOTSUP, "this store keeps no messages");
    for (size_t i = 0; i < c->n_events; i++) {
        eyot_bytes id = c->events[i].id;
        bool begins = id.n > c->run.n && id.n <= 512 && ((const char *)id.p)[c->run.n] == '/';
        if (!begins || !eyot__bytes_equal(c->run, eyot__bytes(id.p, c->run.n)))
            return eyot_error_set(e, EYOT_EINVAL,
                                  "run " EYOT__ID ": the id of an event must begin with the run's and a '/', and have "
                                  "512 bytes at most",
                                  EYOT__ID_ARGS(c->run));
    }
    for (size_t i = 0; i < c->n_entries; i++) {
        if (c->entries[i].seq != c->head + 1 + i)
            return eyot_error_set(e, EYOT_EINVAL, "run " EYOT__ID ": entry %llu does not follow head %llu",
                                  EYOT__ID_ARGS(c->run), (unsigned long long)c->entries[i].seq,
                                  (unsigned long long)(c->head + i));
        if (c->entries[i].key.n > 256)
            return eyot_error_set(e, EYOT_EINVAL,
                                  "run " EYOT__ID ": entry %llu has a key of %zu bytes, 256 is the most",
                                  EYOT__ID_ARGS(c->run), (unsigned long long)c->entries[i].seq, c->entries[i].key.n);
    }
    return EYOT_OK;
}

eyot_status eyot__store_create_run(eyot_store *s, const eyot_run_row *row, eyot_bytes graph_source,
                                   const eyot_commit *first, eyot_error *e)
{
    if (!eyot__run_id_valid(row->run))
        return eyot_error_set(e, EYOT_EINVAL,
                              "\"" EYOT__ID
                              "\" is no run id: 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit",
                              EYOT__ID_ARGS(row->run));
    if (first->head != 0)
        return eyot_error_set(e, EYOT_EINVAL, "run " EYOT__ID ": its first commit must follow head 0",
                              EYOT__ID_ARGS(row->run));
    eyot_status r = check_commit(s, first, e);
    if (!r) r = enter(s, e);
    return r ? r : leave(s, s->ops.create_run(s->self, row, graph_source, first, e));
}

eyot_status eyot__store_get_run(eyot_store *s, eyot_bytes run, eyot_row_fn fn, void *arg, eyot_error *e)
{
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.get_run(s->self, run, fn, arg, e));
}

eyot_status eyot__store_list_runs(eyot_store *s, const eyot_run_filter *filter, eyot_bytes cursor, uint32_t limit,
                                  eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.list_runs(s->self, filter, cursor, limit, fn, arg, next, e));
}

eyot_status eyot__store_get_graph(eyot_store *s, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.get_graph(s->self, fingerprint, source, e));
}

eyot_status eyot__store_claim(eyot_store *s, const eyot_claim *claim, eyot_row_fn fn, void *arg, eyot_error *e)
{
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.claim(s->self, claim, fn, arg, e));
}

eyot_status eyot__store_commit(eyot_store *s, eyot_commit *commits, size_t n, eyot_error *e)
{
    for (size_t i = 0; i < n; i++) {
        eyot_status wrong = check_commit(s, &commits[i], e);
        if (wrong) return wrong;
    }
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.commit(s->self, commits, n, e));
}

eyot_status eyot__store_load(eyot_store *s, eyot_bytes run, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.load(s->self, run, seq, fn, arg, e));
}

eyot_status eyot__store_list_entries(eyot_store *s, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                                     eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.list_entries(s->self, run, from, limit, with_bodies, fn, arg, e));
}

/* ---- for tools ------------------------------------------------------------------------------------------------- */

static eyot_bytes text_of(const char *text)
{
    return eyot__bytes(text, text ? strlen(text) : 0);
}

eyot_status eyot_store_get_run(eyot_store *s, const char *run_id, eyot_row_fn fn, void *arg, eyot_error *e)
{
    return eyot__store_get_run(s, text_of(run_id), fn, arg, e);
}

eyot_status eyot_store_list_runs(eyot_store *s, const eyot_run_filter *filter, eyot_bytes cursor, uint32_t limit,
                                 eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    return eyot__store_list_runs(s, filter, cursor, limit, fn, arg, next, e);
}

eyot_status eyot_store_get_graph(eyot_store *s, const char *fingerprint, eyot_buf *source, eyot_error *e)
{
    return eyot__store_get_graph(s, text_of(fingerprint), source, e);
}

eyot_status eyot_store_read_events(eyot_store *s, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                   eyot_buf *next, eyot_error *e)
{
    return eyot__store_outbox_read(s, cursor, limit, fn, arg, next, e);
}

eyot_status eyot_store_ack_events(eyot_store *s, const eyot_bytes *ids, size_t n, eyot_error *e)
{
    return eyot__store_outbox_ack(s, ids, n, e);
}

eyot_status eyot_store_inform(eyot_store *s, eyot_store_info *out, eyot_error *e)
{
    memset(out, 0, sizeof *out);
    eyot_status r = enter(s, e);
    return r ? r : leave(s, s->ops.info(s->self, out, e));
}

/* ---- optional slots -------------------------------------------------------------------------------------------- */

eyot_status eyot__store_post(eyot_store *s, eyot_bytes run, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                             eyot_bytes payload, eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.post, "post", e);
    return r ? r : leave(s, s->ops.post(s->self, run, message_id, kind, name, payload, e));
}

eyot_status eyot__store_inbox(eyot_store *s, eyot_bytes run, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.inbox, "inbox", e);
    return r ? r : leave(s, s->ops.inbox(s->self, run, fn, arg, e));
}

eyot_status eyot__store_outbox_read(eyot_store *s, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                    eyot_buf *next, eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.outbox_read, "outbox_read", e);
    return r ? r : leave(s, s->ops.outbox_read(s->self, cursor, limit, fn, arg, next, e));
}

eyot_status eyot__store_outbox_ack(eyot_store *s, const eyot_bytes *ids, size_t n, eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.outbox_ack, "outbox_ack", e);
    return r ? r : leave(s, s->ops.outbox_ack(s->self, ids, n, e));
}

eyot_status eyot__store_kv_get(eyot_store *s, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                               eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.kv_get, "kv_get", e);
    return r ? r : leave(s, s->ops.kv_get(s->self, ns, key, version, value, e));
}

eyot_status eyot__store_kv_cas(eyot_store *s, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                               uint64_t ttl_ms, eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.kv_cas, "kv_cas", e);
    return r ? r : leave(s, s->ops.kv_cas(s->self, ns, key, version, value, ttl_ms, e));
}

eyot_status eyot__store_prune(eyot_store *s, eyot_bytes run, const uint64_t *drop_seq, size_t n, uint64_t head,
                              eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.prune, "prune", e);
    return r ? r : leave(s, s->ops.prune(s->self, run, drop_seq, n, head, e));
}

eyot_status eyot__store_delete_run(eyot_store *s, eyot_bytes run, uint64_t epoch, eyot_error *e)
{
    eyot_status r = enter_optional(s, s->ops.delete_run, "delete_run", e);
    return r ? r : leave(s, s->ops.delete_run(s->self, run, epoch, e));
}
