/* SPDX-License-Identifier: MIT */
#include "test/proxy.h"

#include <eyot/stores.h>

#include "test/eyot_test.h"

static eyot_status create_run(void *s, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                              eyot_error *e)
{
    proxy *p = s;
    return p->ops->create_run(p->self, row, source, first, e);
}

static eyot_status get_run(void *s, eyot_bytes run, eyot_row_fn fn, void *arg, eyot_error *e)
{
    proxy *p = s;
    return p->ops->get_run(p->self, run, fn, arg, e);
}

static eyot_status list_runs(void *s, const eyot_run_filter *filter, eyot_bytes cursor, uint32_t limit, eyot_row_fn fn,
                             void *arg, eyot_buf *next, eyot_error *e)
{
    proxy *p = s;
    return p->ops->list_runs(p->self, filter, cursor, limit, fn, arg, next, e);
}

static eyot_status get_graph(void *s, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    proxy *p = s;
    return p->ops->get_graph(p->self, fingerprint, source, e);
}

static eyot_status claim(void *s, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    proxy *p = s;
    return p->ops->claim(p->self, c, fn, arg, e);
}

eyot_status proxy_commit(proxy *p, eyot_commit *commits, size_t n, eyot_error *e)
{
    return p->ops->commit(p->self, commits, n, e);
}

static eyot_status commit(void *s, eyot_commit *commits, size_t n, eyot_error *e)
{
    proxy *p = s;
    return p->commit ? p->commit(p, commits, n, e) : proxy_commit(p, commits, n, e);
}

static eyot_status load(void *s, eyot_bytes run, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    proxy *p = s;
    if (p->before_load) p->before_load(p);
    return p->ops->load(p->self, run, seq, fn, arg, e);
}

static eyot_status list_entries(void *s, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                                eyot_entry_fn fn, void *arg, eyot_error *e)
{
    proxy *p = s;
    return p->ops->list_entries(p->self, run, from, limit, with_bodies, fn, arg, e);
}

static eyot_status info(void *s, eyot_store_info *out, eyot_error *e)
{
    proxy *p = s;
    eyot_status status = p->ops->info(p->self, out, e);
    if (!status && p->max_body) out->max_body = p->max_body;
    return status;
}

static eyot_status outbox_read(void *s, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg, eyot_buf *next,
                               eyot_error *e)
{
    proxy *p = s;
    return p->ops->outbox_read(p->self, cursor, limit, fn, arg, next, e);
}

static eyot_status outbox_ack(void *s, const eyot_bytes *ids, size_t n, eyot_error *e)
{
    proxy *p = s;
    return p->ops->outbox_ack(p->self, ids, n, e);
}

static eyot_status kv_get(void *s, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value, eyot_error *e)
{
    proxy *p = s;
    return p->ops->kv_get(p->self, ns, key, version, value, e);
}

static eyot_status kv_cas(void *s, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value, uint64_t ttl_ms,
                          eyot_error *e)
{
    proxy *p = s;
    return p->ops->kv_cas(p->self, ns, key, version, value, ttl_ms, e);
}

static eyot_status delete_run(void *s, eyot_bytes run, uint64_t epoch, eyot_error *e)
{
    proxy *p = s;
    return p->ops->delete_run(p->self, run, epoch, e);
}

static void close_both(void *s)
{
    eyot_store_close(((proxy *)s)->behind);
}

static const eyot_store_ops proxy_ops = {.size = sizeof(eyot_store_ops),
                                         .abi = EYOT_STORE_ABI,
                                         .create_run = create_run,
                                         .get_run = get_run,
                                         .list_runs = list_runs,
                                         .get_graph = get_graph,
                                         .claim = claim,
                                         .commit = commit,
                                         .load = load,
                                         .list_entries = list_entries,
                                         .info = info,
                                         .close = close_both,
                                         .outbox_read = outbox_read,
                                         .outbox_ack = outbox_ack,
                                         .kv_get = kv_get,
                                         .kv_cas = kv_cas,
                                         .delete_run = delete_run};

eyot_store *proxy_open(proxy *p, const char *url)
{
    eyot_store *store;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_open(&p->behind, url, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    p->ops = eyot_store_table(p->behind, &p->self);
    if (eyot_store_new(&store, &proxy_ops, p, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return store;
}

bool proxy_has(const eyot_commit *commits, size_t n, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < commits[i].n_entries; k++) {
            eyot_bytes has = commits[i].entries[k].key;
            if (has.n == len && memcmp(has.p, key, len) == 0) return true;
        }
    return false;
}
