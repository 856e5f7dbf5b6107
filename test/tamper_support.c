/* SPDX-License-Identifier: MIT */
#include "test/tamper.h"

#include <stdlib.h>
#include <string.h>

#include "core/replay.h"
#include "test/eyot_test.h"
#include "test/tally.h"

static eyot_bytes copied(eyot_bytes bytes)
{
    void *copy = malloc(bytes.n + 1);
    CHECK(copy);
    if (bytes.n) memcpy(copy, bytes.p, bytes.n);
    return (eyot_bytes){copy, bytes.n};
}

static eyot_status keep_entry(void *arg, const eyot_entry *entry)
{
    tamper *t = arg;
    t->entries = realloc(t->entries, (t->n + 1) * sizeof *t->entries);
    CHECK(t->entries);
    t->entries[t->n] = *entry;
    t->entries[t->n].key = copied(entry->key);
    t->entries[t->n].body = copied(entry->body);
    t->n++;
    return EYOT_OK;
}

static eyot_status see_status(void *arg, const eyot_run_row *row)
{
    ((tamper *)arg)->status = (eyot_run_status)row->status;
    return EYOT_OK;
}

tamper *tamper_read(eyot_store *store, const eyot_graph *g, const char *run)
{
    tamper *t = calloc(1, sizeof *t);
    CHECK(t);
    t->graph = g;
    snprintf(t->run, sizeof t->run, "%s", run);
    eyot_bytes id = {t->run, strlen(t->run)};
    CHECK_OK(eyot__store_get_run(store, id, see_status, t, NULL));
    CHECK_OK(eyot__walk_entries(store, id, 1, UINT64_MAX, keep_entry, t, NULL));
    return t;
}

static void free_entry(eyot_entry *entry)
{
    free((void *)(uintptr_t)entry->key.p);
    free((void *)(uintptr_t)entry->body.p);
}

void tamper_free(tamper *t)
{
    for (size_t i = 0; t && i < t->n; i++) free_entry(&t->entries[i]);
    if (t) free(t->entries);
    free(t);
}

size_t tamper_find(const tamper *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++) {
        const eyot_entry *entry = &t->entries[i];
        if (entry->kind == EYOT_ENTRY_TASK && entry->key.n == strlen(key) &&
            memcmp(entry->key.p, key, entry->key.n) == 0)
            return i;
    }
    test_fail(__FILE__, __LINE__, "the log has no task %s", key);
}

void tamper_task(tamper *t, size_t i, void (*fn)(eyot__task_entry *task, void *arg), void *arg)
{
    eyot_entry *entry = &t->entries[i];
    eyot_bytes run = {t->run, strlen(t->run)};
    eyot__record record;
    eyot__task_entry task;
    eyot_error e;
    eyot_buf out = EYOT__BUF_INIT;
    CHECK_OK(eyot__record_open(&record, entry->body, run, entry->seq, &e));
    CHECK_OK(eyot__entry_get_task(&task, &record.payload, record.version, t->graph, &e));
    fn(&task, arg);
    size_t at = eyot__record_begin(&out, EYOT_ENTRY_TASK, t->graph->copier->name);
    eyot__entry_put_task(&out, t->graph, &task.who, task.attempt, task.update,
                         task.taken ? task.taken : (eyot__taken[1]){{0}}, task.n_taken, task.started_ms, task.took_us,
                         &task.told);
    eyot__record_end(&out, at);
    CHECK_OK(out.failed);
    eyot__record_seal(out.data, out.len, run, entry->seq);
    eyot__task_entry_clear(&task, t->graph);
    free((void *)(uintptr_t)entry->body.p);
    entry->body = copied((eyot_bytes){out.data, out.len});
    eyot__buf_clear(&out);
}

/* A snapshot tells its steps itself, in the first field of its payload, behind the codec's name. */
static void count_one_less(eyot_entry *entry)
{
    unsigned char *body = (unsigned char *)(uintptr_t)entry->body.p, *steps = body + 9 + body[8];
    CHECK(*steps > 0 && *steps < 0x80);
    --*steps;
}

void tamper_drop(tamper *t, size_t i)
{
    bool was_task = t->entries[i].kind == EYOT_ENTRY_TASK;
    free_entry(&t->entries[i]);
    t->n--;
    for (; i < t->n; i++) {
        eyot_entry *entry = &t->entries[i];
        *entry = t->entries[i + 1];
        entry->seq--;
        entry->step -= was_task;
        if (was_task && entry->kind == EYOT_ENTRY_SNAPSHOT) count_one_less(entry);
        eyot__record_reseal((unsigned char *)(uintptr_t)entry->body.p, entry->body.n,
                            (eyot_bytes){t->run, strlen(t->run)}, entry->seq);
    }
}

void tamper_flip(tamper *t, size_t i, size_t bit)
{
    unsigned char *body = (unsigned char *)(uintptr_t)t->entries[i].body.p;
    CHECK(bit / 8 < t->entries[i].body.n);
    body[bit / 8] ^= (unsigned char)(1u << bit % 8);
}

eyot_store *tamper_store(const tamper *t)
{
    eyot_store *store = tally_store("memory:");
    eyot_bytes run = {t->run, strlen(t->run)};
    const eyot_graph *g = t->graph;
    eyot_run_row row = {.run = run,
                        .graph = {g->name, strlen(g->name)},
                        .fingerprint = {g->fingerprint, 64},
                        .epoch = 1,
                        .status = (uint32_t)t->status};
    eyot_commit first = {.run = run, .epoch = 1, .entries = t->entries, .n_entries = t->n, .due_in_ms = INT64_MAX};
    first.status = (uint32_t)t->status;
    for (size_t i = 0; i < t->n; i++)
        if (t->entries[i].kind == EYOT_ENTRY_SNAPSHOT) first.snapshot_seq = t->entries[i].seq;
    CHECK_OK(eyot__store_create_run(store, &row, (eyot_bytes){g->source, g->source_len}, &first, NULL));
    return store;
}
