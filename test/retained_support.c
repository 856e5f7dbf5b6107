/* SPDX-License-Identifier: MIT */
#include "test/retained.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/record.h"
#include "core/run.h"
#include "test/eyot_test.h"
#include "test/lives.h"

static eyot_error err;

/* ---- runs with many snapshots --------------------------------------------------------------------------------------- */

static struct {
    uint64_t seed;
    _Atomic int fails_at; /* the node of this number fails; -1: none */
} world = {.fails_at = -1};

/* Up to 24 KiB, which the seed and the node choose. */
static eyot_status work(eyot_task *task, void *user)
{
    int n = *(int *)user;
    uint64_t random = world.seed + (uint64_t)n * 977;
    size_t len = test_random(&random) % 24576;
    if (atomic_load(&world.fails_at) == n) return eyot_task_fail(task, "not yet");
    tally *update = tally_pad(tally_sum(n + 1), len, (unsigned char)n);
    return update ? eyot_task_update(task, update) : EYOT_ENOMEM;
}

eyot_graph *retained_graph(void)
{
    eyot_graph *g = tally_graph("many");
    char id[8], to[8];
    for (int i = 0; i < RETAINED_NODES; i++) {
        snprintf(id, sizeof id, "n%d", i);
        snprintf(to, sizeof to, "n%d", i + 1);
        eyot_graph_node(g, id, work, &tally_numbers[i]);
        if (i + 1 < RETAINED_NODES) eyot_graph_edge(g, id, to);
        if (i % 10 != 0 || i + 5 >= RETAINED_NODES) continue;
        snprintf(to, sizeof to, "s%d", i);
        eyot_graph_node(g, to, work, &tally_numbers[i + 1]);
        eyot_graph_edge(g, id, to);
        snprintf(id, sizeof id, "n%d", i + 5);
        eyot_graph_edge(g, to, id);
    }
    return tally_freeze(g);
}

void retained_seed(uint64_t seed)
{
    world.seed = seed;
}

void retained_live(eyot_store *store, const eyot_graph *g, uint64_t *random, bool end)
{
    eyot_run_options o = lives_options(EYOT_SYNC);
    eyot_engine *engine = tally_engine(1 + (uint32_t)(test_random(random) % 2), store);
    world.seed = test_random(random);
    atomic_store(&world.fails_at, 1 + (int)(test_random(random) % (RETAINED_NODES - 1)));
    lives_fail(engine, g, &o, EYOT_EFAILED);
    atomic_store(&world.fails_at, -1);
    if (end) eyot_run_free(lives_resume(engine, g, &o));
    eyot_engine_free(engine);
}

void retained_write(eyot_store *store, uint64_t head, uint64_t every)
{
    eyot_run_row row = {.run = {"r", 1}, .owner = {"me", 2}, .epoch = 1};
    row.graph = eyot__bytes("many", 4);
    row.fingerprint = eyot__bytes("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64);
    for (uint64_t seq = 1; seq <= head; seq++) {
        bool snapshot = (seq - 1) % every == 0;
        eyot_buf record = EYOT__BUF_INIT;
        size_t at = eyot__record_begin(&record, snapshot ? EYOT_ENTRY_SNAPSHOT : EYOT_ENTRY_STATUS, "none");
        eyot__buf_varint(&record, 0); /* of a snapshot its steps */
        eyot__buf_u64(&record, seq);
        eyot__record_end(&record, at);
        eyot__record_seal(record.data, record.len, row.run, seq);
        eyot_entry e = {.seq = seq, .kind = snapshot ? EYOT_ENTRY_SNAPSHOT : EYOT_ENTRY_STATUS};
        e.body = eyot__bytes(record.data, record.len);
        eyot_commit c = {
            .run = row.run, .epoch = 1, .head = seq - 1, .entries = &e, .n_entries = 1, .crc = (uint32_t)seq};
        c.status = seq == head ? EYOT_RUN_FAILED : EYOT_RUN_RUNNING;
        c.lease_ms = seq == head ? 0 : 60000;
        c.due_in_ms = INT64_MAX;
        c.snapshot_seq = snapshot ? seq : 0;
        if (seq == 1) CHECK_OK(eyot__store_create_run(store, &row, eyot__bytes("", 0), &c, &err));
        if (seq > 1) CHECK_OK(eyot__store_commit(store, &c, 1, &err));
        eyot__buf_clear(&record);
    }
}

/* ---- what a store holds ----------------------------------------------------------------------------------------------- */

static eyot_status keep(void *arg, const eyot_entry *entry)
{
    retained_log *l = arg;
    CHECK(l->n < 2000);
    tally_entry *t = &l->at[l->n++];
    *t = (tally_entry){.seq = entry->seq, .step = entry->step, .kind = entry->kind};
    t->len = entry->key.n + entry->body.n;
    t->body = tally_hash(entry->body) ^ tally_hash(entry->key) * 3;
    return EYOT_OK;
}

retained_log retained_read(eyot_store *store, const char *id)
{
    static retained_log l; /* large */
    l.n = 0;
    CHECK_OK(eyot__store_list_entries(store, eyot__bytes(id, strlen(id)), 1, UINT32_MAX, true, keep, &l, &err));
    return l;
}

bool retained_same(const retained_log *a, const retained_log *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const tally_entry *x = &a->at[i], *y = &b->at[i];
        if (x->seq != y->seq || x->step != y->step || x->kind != y->kind || x->body != y->body) return false;
    }
    return true;
}

uint64_t retained_snapshot(const retained_log *l, uint64_t seq)
{
    uint64_t found = 0;
    for (size_t i = 0; i < l->n && l->at[i].seq <= seq; i++)
        if (l->at[i].kind == EYOT_ENTRY_SNAPSHOT) found = l->at[i].seq;
    return found;
}

uint64_t retained_checkpoint(eyot_store *store, const eyot_graph *g, const char *id, uint64_t step)
{
    eyot_checkpoint *c;
    char text[100];
    eyot_status status = eyot_store_load_checkpoint(&c, store, g, id, step, &err);
    if (status == EYOT_ENOTFOUND) {
        snprintf(text, sizeof text, "run %s no longer has step %llu: it was pruned", id, (unsigned long long)step);
        CHECK_STR(err.text, text);
        return 0;
    }
    if (status) test_fail(__FILE__, __LINE__, "step %llu: %s", (unsigned long long)step, err.text);
    eyot_buf b = tally_bytes(eyot_checkpoint_state(c));
    eyot__buf_u64(&b, eyot_checkpoint_seq(c));
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++) {
        eyot_buf branch = tally_bytes(eyot_checkpoint_branch_state(c, i));
        eyot__buf_text(&b, eyot_checkpoint_branch_task(c, i));
        eyot__buf_put(&b, branch.data, branch.len);
        eyot__buf_clear(&branch);
    }
    uint64_t h = tally_hash(eyot__bytes(b.data, b.len));
    eyot__buf_clear(&b);
    eyot_checkpoint_free(c);
    return h | 1;
}

/* ---- around tests ---------------------------------------------------------------------------------------------------- */

retained_place retained_begin(bool end)
{
    retained_place p = {tally_store("memory:"), retained_graph(), test_seed()};
    retained_live(p.store, p.g, &p.random, end);
    return p;
}

void retained_end(retained_place *p)
{
    eyot_graph_free(p->g);
    eyot_store_close(p->store);
    CHECK_INT(tally_live(), 0);
}

void retained_fork(eyot_store *store, const char *id, uint64_t step, const char *as)
{
    char origin[200];
    snprintf(origin, sizeof origin, "%s@%llu", id, (unsigned long long)step);
    eyot_run_row row = {.run = eyot__bytes(as, strlen(as)), .origin = eyot__bytes(origin, strlen(origin)), .epoch = 1};
    row.graph = eyot__bytes("many", 4);
    row.fingerprint = eyot__bytes("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64);
    eyot_entry first = {.seq = 1, .kind = EYOT_ENTRY_SNAPSHOT, .body = {"x", 1}};
    eyot_commit c = {.run = row.run, .entries = &first, .n_entries = 1, .status = EYOT_RUN_FAILED, .crc = 1};
    c.due_in_ms = INT64_MAX;
    c.snapshot_seq = 1;
    CHECK_OK(eyot__store_create_run(store, &row, eyot__bytes("", 0), &c, &err));
}

const char *retained_server(const char *variable)
{
    static char url[700];
    static unsigned number;
    const char *of = getenv(variable);
    if (!of && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "%s is not set", variable);
    if (!of) test_skip("no server of it");
    snprintf(url, sizeof url, "%s%cprefix=r%d_%u_", of, strchr(of, '?') ? '&' : '?', (int)getpid(), ++number);
    return url;
}

struct retained_hook retained_hook;

static void left_open(void *self)
{
    (void)self;
}

eyot_store *retained_hooked(eyot_store *store, eyot_store_ops *ops, void (*change)(eyot_store_ops *ops))
{
    void *self;
    eyot_store *out;
    retained_hook.behind = eyot_store_table(store, &self);
    retained_hook.store = store;
    *ops = *retained_hook.behind;
    ops->close = left_open;
    change(ops);
    CHECK_OK(eyot_store_new(&out, ops, self, &err));
    return out;
}
