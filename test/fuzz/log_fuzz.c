/* SPDX-License-Identifier: MIT */
/* Any bytes as the log of a run that a store gives: its history and its checkpoints are told, or there is a text that says what
 * is wrong with it, and what is told twice is told in the same way. The first byte chooses the graph; every entry is kind, version, length in
 * two bytes, and payload. */
#include <eyot/stores.h>

#include "core/store.h"
#include "test/fuzz/entries.h"

enum { ENTRIES = 256 };

typedef struct log {
    const eyot_graph *graph;
    eyot_buf bytes;
    eyot_entry entries[ENTRIES];
    size_t at[ENTRIES], n;
    uint64_t step, snapshot_seq;
} log;

static void read_log(log *l, const uint8_t *p, const uint8_t *end)
{
    for (; end - p >= 4 && l->n < ENTRIES; l->n++) {
        size_t len = (size_t)p[2] | (size_t)p[3] << 8;
        if (len > (size_t)(end - p - 4)) len = (size_t)(end - p - 4);
        eyot_entry_kind kind = entries_kind(p[0]);
        l->step += kind == EYOT_ENTRY_TASK;
        l->entries[l->n] = (eyot_entry){.seq = l->n + 1, .step = l->step, .kind = kind};
        l->at[l->n] = entries_put(&l->bytes, l->graph, kind, entries_version(p[1]), l->n + 1, p + 4, len);
        if (kind == EYOT_ENTRY_SNAPSHOT) l->snapshot_seq = l->n + 1;
        p += 4 + len;
    }
    for (size_t i = 0; i < l->n; i++) {
        size_t to = i + 1 < l->n ? l->at[i + 1] : l->bytes.len;
        l->entries[i].body = (eyot_bytes){l->bytes.data + l->at[i], to - l->at[i]};
    }
}

static eyot_store *stored(const log *l)
{
    eyot_store *store;
    eyot_bytes run = {l->graph->name, strlen(l->graph->name)};
    eyot_run_row row = {.run = run, .graph = run, .fingerprint = {eyot_graph_fingerprint(l->graph), 64}, .epoch = 1};
    eyot_commit first = {.run = run,
                         .epoch = 1,
                         .entries = l->entries,
                         .n_entries = l->n,
                         .due_in_ms = INT64_MAX,
                         .status = EYOT_RUN_FAILED,
                         .snapshot_seq = l->snapshot_seq};
    DEMAND(eyot_store_open(&store, "memory:", NULL) == EYOT_OK);
    DEMAND(eyot__store_create_run(store, &row, (eyot_bytes){"{}", 2}, &first, NULL) == EYOT_OK);
    return store;
}

static eyot_status tell(void *arg, const eyot_history_entry *h)
{
    eyot_buf *out = arg;
    eyot__buf_format(out, "%llu %s %s %u %d %d\n", (unsigned long long)h->seq, h->task ? h->task : "",
                     h->text ? h->text : "", (unsigned)h->attempt, (int)h->status, (int)h->run_status);
    for (size_t i = 0; i < h->n_route; i++) eyot__buf_format(out, " > %s\n", h->route[i].task);
    for (size_t i = 0; i < h->n_joined; i++) eyot__buf_format(out, " < %s\n", h->joined[i]);
    return EYOT_OK;
}

static void check_status(eyot_status status, const eyot_error *e)
{
    if (!status) return;
    DEMAND(status == e->status && e->text[0] && !strchr(e->text, '\n'));
    DEMAND(status != EYOT_ENOMEM && status != EYOT_EINVAL && status != EYOT_EIO);
}

static void check_history(eyot_store *store, const eyot_graph *g)
{
    eyot_buf texts[2] = {EYOT__BUF_INIT, EYOT__BUF_INIT};
    eyot_status statuses[2];
    for (int i = 0; i < 2; i++) {
        eyot_error e = {.status = EYOT_OK};
        statuses[i] = eyot_store_read_history(store, g, g->name, tell, &texts[i], &e);
        check_status(statuses[i], &e);
    }
    DEMAND(statuses[0] == statuses[1] && texts[0].len == texts[1].len);
    DEMAND(texts[0].len == 0 || memcmp(texts[0].data, texts[1].data, texts[0].len) == 0);
    for (int i = 0; i < 2; i++) eyot__buf_clear(&texts[i]);
}

static void check_checkpoint(eyot_store *store, const eyot_graph *g, uint64_t step)
{
    eyot_checkpoint *c;
    eyot_buf text = EYOT__BUF_INIT;
    eyot_error e = {.status = EYOT_OK};
    eyot_status status = eyot_store_load_checkpoint(&c, store, g, g->name, step, &e);
    check_status(status, &e);
    if (status) {
        DEMAND(!c);
        return;
    }
    golden_put_value(&text, g, eyot_checkpoint_state(c));
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++) {
        DEMAND(eyot_checkpoint_branch_node(c, i) && eyot_checkpoint_branch_task(c, i));
        golden_put_value(&text, g, eyot_checkpoint_branch_state(c, i));
    }
    eyot__buf_clear(&text);
    eyot_checkpoint_free(c);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static log l;
    if (size < 5 || size > 1 << 20) return;
    memset(&l, 0, sizeof l);
    l.graph = entries_graph(data[0]);
    read_log(&l, data + 1, data + size);
    eyot_store *store = stored(&l);
    fuzz_memory_begin();
    check_history(store, l.graph);
    check_checkpoint(store, l.graph, EYOT_LATEST);
    if (l.step) check_checkpoint(store, l.graph, 1 + l.step / 2);
    fuzz_memory_end(size, 160 + (unsigned)(size / 4)); /* as in entry_fuzz.c */
    eyot_store_close(store);
    eyot__buf_clear(&l.bytes);
}
