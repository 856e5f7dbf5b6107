/* SPDX-License-Identifier: MIT */
/* The log of a run page by page, for those who use the store while they look at it. */
#include <stdlib.h>

#include "core/replay.h"

enum {
    PAGE_ENTRIES = 256,
    PAGE_BYTES = 1024 * 1024 /* about: a page ends with the entry that goes beyond it */
};

typedef struct page {
    eyot_buf bytes;
    eyot_entry entries[PAGE_ENTRIES]; /* key.p and body.p are offsets in bytes */
    size_t n;
    bool full;
} page;

static eyot_bytes keep(page *g, eyot_bytes bytes)
{
    size_t at = g->bytes.len;
    eyot__buf_put(&g->bytes, bytes.p, bytes.n);
    return eyot__bytes((const void *)(uintptr_t)at, bytes.n);
}

static eyot_status keep_entry(void *arg, const eyot_entry *entry)
{
    page *g = arg;
    eyot_entry *kept = &g->entries[g->n];
    *kept = *entry;
    kept->key = keep(g, entry->key);
    kept->body = keep(g, entry->body);
    if (g->bytes.failed) return g->bytes.failed;
    g->n++;
    g->full = g->bytes.len >= PAGE_BYTES;
    return g->full ? EYOT_EALREADY : EYOT_OK;
}

static eyot_status read_page(page *g, eyot_store *store, eyot_bytes run, uint64_t from, eyot_error *e)
{
    eyot__buf_reset(&g->bytes);
    g->n = 0;
    g->full = false;
    eyot_status status = eyot__store_list_entries(store, run, from, PAGE_ENTRIES, true, keep_entry, g, e);
    if (g->bytes.failed) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    for (size_t i = 0; i < g->n; i++) {
        g->entries[i].key.p = g->bytes.data + (uintptr_t)g->entries[i].key.p;
        g->entries[i].body.p = g->bytes.data + (uintptr_t)g->entries[i].body.p;
    }
    return g->full ? EYOT_OK : status;
}

eyot_status eyot__walk_entries(eyot_store *store, eyot_bytes run, uint64_t from, uint64_t head, eyot_entry_fn fn,
                               void *arg, eyot_error *e)
{
    page *g = malloc(sizeof *g);
    if (!g) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    g->bytes = (eyot_buf)EYOT__BUF_INIT;
    eyot_status status = EYOT_OK;
    for (bool more = true; more && !status && from <= head;) {
        status = read_page(g, store, run, from, e);
        more = !status && g->n > 0 && g->entries[0].seq <= head;
        for (size_t i = 0; more && !status && i < g->n; i++) {
            if (g->entries[i].seq > head) break;
            from = g->entries[i].seq + 1;
            status = fn(arg, &g->entries[i]);
        }
    }
    if (!status && from <= head && head != UINT64_MAX)
        status = eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID ": entry %llu is lost", EYOT__ID_ARGS(run),
                                (unsigned long long)from);
    eyot__buf_clear(&g->bytes);
    free(g);
    return status;
}
