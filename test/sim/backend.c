/* SPDX-License-Identifier: MIT */
/* A process's connection to the store: calls take their time, are lost on their way or on the way back, and are sent again.
 * What arrives is done by the real memory store, at once, and told to the record (truth.c). */
#include "test/sim/sim.h"

#include <string.h>

#include "core/clock.h"
#include "core/store.h"

typedef enum call_kind { READS, WRITES, WRITES_AGAIN /* the same call once more is no other one */ } call_kind;
typedef enum call_fate { ARRIVES, LOST, REPLY_LOST, SENT_AGAIN } call_fate;

/* What is to be done when the call arrives; `by` NULL: there is nobody any more to be told. */
typedef eyot_status (*arrival)(void *args, sim_process *by, bool heard, eyot_error *e);

static const eyot_store_ops *memory_ops(void **self)
{
    return eyot_store_table(sim.memory, self);
}

int64_t sim_store_ms(void)
{
    bool before = sim.serving;
    sim.serving = true;
    int64_t ms = eyot__wall_ms();
    sim.serving = before;
    return ms;
}

static uint64_t draw_latency(void)
{
    return 20000 + sim_draw(&sim.chance, 8) * sim_draw(&sim.chance, 500000);
}

static call_fate draw_fate(call_kind kind, uint64_t *late_ms)
{
    *late_ms = 0;
    if (sim.calm || sim_draw(&sim.luck, sim.call_rate) != 0) return ARRIVES;
    unsigned what = sim.mood[sim_draw(&sim.luck, sizeof sim.mood)] % 4;
    uint64_t late = sim_draw(&sim.luck, 2) ? sim_draw(&sim.luck, 400) : sim_draw(&sim.luck, 3 * sim.lease_ms);
    if (!sim_fault()) return ARRIVES;
    switch (what) {
    case 0: sim_trace("the call is lost", 0, 0, 0); return LOST;
    case 1: sim_trace("the reply will be lost", 0, 0, 0); return kind == READS ? LOST : REPLY_LOST;
    case 2:
        *late_ms = late;
        sim_trace("the call is late by %llu ms", late, 0, 0);
        return ARRIVES;
    default:
        *late_ms = late;
        sim_trace("the call will come twice, %llu ms apart", late, 0, 0);
        return kind == WRITES_AGAIN ? SENT_AGAIN : ARRIVES;
    }
}

static eyot_status failed(eyot_error *e)
{
    return eyot_error_set(e, EYOT_EIO, "the store did not answer");
}

static eyot_status serve(arrival fn, void *args, sim_process *by, bool heard, eyot_error *e)
{
    sim_heap *before = sim.heap;
    sim.heap = &sim.memory_heap;
    sim.serving = true;
    eyot_status status = fn(args, by, heard, e);
    sim.serving = false;
    sim.heap = before;
    if (sim.violation[0]) sim_thread_leave();
    return status;
}

static eyot_status travel(sim_process *p, call_kind kind, arrival fn, void *args, eyot_error *e)
{
    uint64_t late_ms;
    sim_thread *t = sim_self();
    call_fate fate = draw_fate(kind, &late_ms);
    if (fate == LOST) {
        sim_sleep_ns(draw_latency());
        return failed(e);
    }
    t->sent = kind != READS;
    sim_sleep_ns(draw_latency() + (fate == ARRIVES ? late_ms * SIM_MS : 0));
    t->sent = false;
    if (t->ghost) sim_trace("what a dead process had sent arrives", 0, 0, 0);
    eyot_status status = serve(fn, args, p, !t->ghost && fate == ARRIVES, e);
    if (t->ghost) sim_thread_leave();
    if (fate == SENT_AGAIN) {
        sim_sleep_ns(draw_latency() + late_ms * SIM_MS);
        status = serve(fn, args, p, true, e);
    }
    sim_sleep_ns(draw_latency());
    return fate == REPLY_LOST ? failed(e) : status;
}

/* ---- callbacks: what they allocate is the caller's ----------------------------------------------------------------- */

typedef struct listener {
    sim_process *process;
    eyot_row_fn row;
    eyot_entry_fn entry;
    void *arg;
    eyot_run_row seen;
    bool has_seen;
} listener;

static eyot_status hear_row(void *arg, const eyot_run_row *row)
{
    listener *l = arg;
    l->seen = *row;
    l->has_seen = true;
    sim.heap = &l->process->heap;
    eyot_status status = l->row ? l->row(l->arg, row) : EYOT_OK;
    sim.heap = &sim.memory_heap;
    return status;
}

static eyot_status hear_entry(void *arg, const eyot_entry *entry)
{
    listener *l = arg;
    sim.heap = &l->process->heap;
    eyot_status status = l->entry(l->arg, entry);
    sim.heap = &sim.memory_heap;
    return status;
}

/* ---- required slots ------------------------------------------------------------------------------------------------ */

typedef struct create_args {
    const eyot_run_row *row;
    eyot_bytes source;
    const eyot_commit *first;
} create_args;

static eyot_status create_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    create_args *a = args;
    const eyot_store_ops *ops = memory_ops(&memory);
    eyot_status status = ops->create_run(memory, a->row, a->source, a->first, e);
    (void)heard;
    sim_created(a->row, a->first, status, by);
    return status;
}

static eyot_status sim_create_run(void *self, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                                  eyot_error *e)
{
    sim_process *p = self;
    create_args a = {row, source, first};
    uint64_t asked = eyot__boot_ns();
    sim_thread *t = sim_self();
    t->creates = 1 + sim_run_find(row->run);
    eyot_status status = travel(p, WRITES, create_arrives, &a, e);
    t->creates = 0;
    if (!status && row->owner.n) sim_told_claim(p, sim_run_find(row->run), row->token, asked, first->lease_ms);
    return status;
}

typedef struct get_args {
    eyot_bytes run;
    listener to;
} get_args;

static eyot_status get_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    get_args *a = args;
    (void)by, (void)heard;
    return memory_ops(&memory)->get_run(memory, a->run, hear_row, &a->to, e);
}

static eyot_status sim_get_run(void *self, eyot_bytes run, eyot_row_fn fn, void *arg, eyot_error *e)
{
    get_args a = {run, {.process = self, .row = fn, .arg = arg}};
    return travel(self, READS, get_arrives, &a, e);
}

static eyot_status sim_list_runs(void *self, const eyot_run_filter *filter, eyot_bytes cursor, uint32_t limit,
                                 eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    void *memory;
    (void)self;
    return memory_ops(&memory)->list_runs(memory, filter, cursor, limit, fn, arg, next, e);
}

static eyot_status sim_get_graph(void *self, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    void *memory;
    (void)self;
    return memory_ops(&memory)->get_graph(memory, fingerprint, source, e);
}

typedef struct claim_args {
    const eyot_claim *claim;
    listener to;
    int taken; /* which run */
} claim_args;

static eyot_status claim_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    claim_args *a = args;
    listener to = a->to;
    const eyot_store_ops *ops = memory_ops(&memory);
    if (!heard) to.row = NULL;
    eyot_status status = ops->claim(memory, a->claim, hear_row, &to, e);
    sim_claimed(a->claim, to.has_seen ? &to.seen : NULL, status, by);
    if (!status) a->taken = sim_run_find(to.seen.run);
    return status;
}

static eyot_status sim_claim(void *self, const eyot_claim *claim, eyot_row_fn fn, void *arg, eyot_error *e)
{
    claim_args a = {claim, {.process = self, .row = fn, .arg = arg}, -1};
    uint64_t asked = eyot__boot_ns();
    eyot_status status = travel(self, WRITES, claim_arrives, &a, e);
    if (!status) sim_told_claim(self, a.taken, claim->token, asked, claim->lease_ms);
    return status;
}

typedef struct commit_args {
    eyot_commit *commits;
    size_t n;
} commit_args;

static eyot_status commit_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    commit_args *a = args;
    (void)heard;
    eyot_status status = memory_ops(&memory)->commit(memory, a->commits, a->n, e);
    for (size_t i = 0; i < a->n && !status; i++) sim_committed(&a->commits[i], by);
    return status;
}

static eyot_status sim_commit(void *self, eyot_commit *commits, size_t n, eyot_error *e)
{
    commit_args a = {commits, n};
    uint64_t asked = eyot__boot_ns();
    eyot_status status = travel(self, WRITES_AGAIN, commit_arrives, &a, e);
    for (size_t i = 0; i < n && !status; i++) sim_told_commit(self, &commits[i], asked);
    return status;
}

typedef struct load_args {
    eyot_bytes run;
    uint64_t seq;
    uint32_t limit;
    bool with_bodies, lists;
    listener to;
} load_args;

static eyot_status load_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    load_args *a = args;
    const eyot_store_ops *ops = memory_ops(&memory);
    (void)by, (void)heard;
    return a->lists ? ops->list_entries(memory, a->run, a->seq, a->limit, a->with_bodies, hear_entry, &a->to, e)
                    : ops->load(memory, a->run, a->seq, hear_entry, &a->to, e);
}

static eyot_status sim_load(void *self, eyot_bytes run, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    load_args a = {.run = run, .seq = seq, .to = {.process = self, .entry = fn, .arg = arg}};
    return travel(self, READS, load_arrives, &a, e);
}

static eyot_status sim_list_entries(void *self, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                                    eyot_entry_fn fn, void *arg, eyot_error *e)
{
    load_args a = {run, from, limit, with_bodies, true, {.process = self, .entry = fn, .arg = arg}};
    return travel(self, READS, load_arrives, &a, e);
}

static eyot_status sim_info(void *self, eyot_store_info *out, eyot_error *e)
{
    void *memory;
    (void)self;
    return memory_ops(&memory)->info(memory, out, e);
}

static void sim_close(void *self)
{
    (void)self;
}

/* ---- messages, events, deleting ------------------------------------------------------------------------------------ */

typedef struct post_args {
    eyot_bytes run, id, name, payload;
    uint32_t kind;
} post_args;

static eyot_status post_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    post_args *a = args;
    (void)by, (void)heard;
    return memory_ops(&memory)->post(memory, a->run, a->id, a->kind, a->name, a->payload, e);
}

static eyot_status sim_post(void *self, eyot_bytes run, eyot_bytes id, uint32_t kind, eyot_bytes name,
                            eyot_bytes payload, eyot_error *e)
{
    post_args a = {run, id, name, payload, kind};
    return travel(self, WRITES_AGAIN, post_arrives, &a, e);
}

/* Its listener takes locks: it hears of the messages when the store is done. */
enum { MESSAGES = 8, MESSAGE_BYTES = 40 };
typedef struct inbox_args {
    eyot_bytes run;
    eyot_entry messages[MESSAGES];
    char ids[MESSAGES][MESSAGE_BYTES];
    size_t n;
} inbox_args;

static eyot_status keep_message(void *arg, const eyot_entry *message)
{
    inbox_args *a = arg;
    if (a->n == MESSAGES || message->key.n > MESSAGE_BYTES) return EYOT_OK;
    memcpy(a->ids[a->n], message->key.p, message->key.n);
    a->messages[a->n] = *message;
    a->messages[a->n].key.p = a->ids[a->n];
    a->messages[a->n].body = eyot__bytes(NULL, 0);
    a->n++;
    return EYOT_OK;
}

static eyot_status inbox_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    inbox_args *a = args;
    (void)by, (void)heard;
    return memory_ops(&memory)->inbox(memory, a->run, keep_message, a, e);
}

static eyot_status sim_inbox(void *self, eyot_bytes run, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    inbox_args a = {.run = run, .n = 0};
    eyot_status status = travel(self, READS, inbox_arrives, &a, e);
    for (size_t i = 0; i < a.n && !status; i++) status = fn(arg, &a.messages[i]);
    return status;
}

static eyot_status sim_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                   eyot_buf *next, eyot_error *e)
{
    void *memory;
    (void)self;
    return memory_ops(&memory)->outbox_read(memory, cursor, limit, fn, arg, next, e);
}

typedef struct delete_args {
    eyot_bytes run;
    uint64_t epoch;
} delete_args;

static eyot_status delete_arrives(void *args, sim_process *by, bool heard, eyot_error *e)
{
    void *memory;
    delete_args *a = args;
    (void)by, (void)heard;
    eyot_status status = memory_ops(&memory)->delete_run(memory, a->run, a->epoch, e);
    sim_deleted(a->run, a->epoch, status);
    return status;
}

static eyot_status sim_delete_run(void *self, eyot_bytes run, uint64_t epoch, eyot_error *e)
{
    delete_args a = {run, epoch};
    return travel(self, WRITES, delete_arrives, &a, e);
}

static const eyot_store_ops sim_ops = {
    .size = sizeof(eyot_store_ops),
    .abi = EYOT_STORE_ABI,
    .create_run = sim_create_run,
    .get_run = sim_get_run,
    .list_runs = sim_list_runs,
    .get_graph = sim_get_graph,
    .claim = sim_claim,
    .commit = sim_commit,
    .load = sim_load,
    .list_entries = sim_list_entries,
    .info = sim_info,
    .close = sim_close,
    .post = sim_post,
    .inbox = sim_inbox,
    .outbox_read = sim_outbox_read,
    .delete_run = sim_delete_run,
};

eyot_store *sim_store_new(sim_process *p)
{
    eyot_store *store;
    return eyot_store_new(&store, &sim_ops, p, NULL) ? NULL : store;
}
