/* SPDX-License-Identifier: MIT */
/* A record of what the store was asked and has answered, and of the tasks that were started; against it are checked
 *   I1 what was acknowledged is stored                     I2 one entry per run and seq
 *   I3 no task starts once its commit was accepted, by whoever holds a valid lease
 *   I4 seq has no gaps                                      I6 a task is executed again only for a life that was cut off
 * and that no commit passes the fence, nobody's claim is taken from him, and no deleted run comes back. (I5, that every run
 * ends, is driver.c's; I7, its state, is looked at below.) */
#include "test/sim/sim.h"

#include <string.h>

#include "core/clock.h"
#include "core/hash.h"
#include "core/run.h"

enum { SLACK_MS = 20 }; /* between the look at a lease and the start of the task */

int sim_run_find(eyot_bytes id)
{
    for (unsigned i = 0; i < SIM_RUNS; i++)
        if (eyot__bytes_equal(id, eyot__bytes(sim.runs[i].id, strlen(sim.runs[i].id)))) return (int)i;
    return -1;
}

static uint64_t hash_bytes(eyot_bytes b)
{
    return (uint64_t)b.n << 32 | eyot__crc32c(0, b.p, b.n);
}

static bool exits(void)
{
    return sim.durability == EYOT_EXIT;
}

/* ---- what the contract says ---------------------------------------------------------------------------------------- */

static bool is_held(const sim_run *r)
{
    return r->held && r->due_ms > sim_store_ms();
}

static void set_due(sim_run *r, const eyot_commit *c)
{
    int64_t now = sim_store_ms();
    r->status = c->status;
    r->held = c->lease_ms > 0;
    r->due_ms = c->lease_ms                                               ? now + (int64_t)c->lease_ms
                : c->status == EYOT_RUN_DONE || c->due_in_ms == INT64_MAX ? INT64_MAX
                                                                          : now + c->due_in_ms;
}

static int key_of(const eyot_entry *e)
{
    if (e->kind != EYOT_ENTRY_TASK) return -1;
    return sim_key_find(e->key.p, e->key.n);
}

static void add_entries(sim_run *r, const eyot_commit *c)
{
    for (size_t i = 0; i < c->n_entries; i++) {
        const eyot_entry *e = &c->entries[i];
        int key = key_of(e);
        if (e->seq != r->head + 1)
            sim_violate("I4: run %s: entry %llu follows %llu", r->id, (unsigned long long)e->seq,
                        (unsigned long long)r->head);
        if (r->head == SIM_LOG) {
            sim_violate("I5: run %s has %d entries and goes on", r->id, SIM_LOG);
            return;
        }
        if (e->kind == EYOT_ENTRY_TASK && key < 0)
            sim_violate("I7: run %s commits task %.*s, which no undisturbed run has", r->id, (int)e->key.n,
                        (const char *)e->key.p);
        if (key >= 0 && r->committed[key])
            sim_violate("I2: run %s: task %s is committed twice", r->id, sim_key_text(key));
        if (key >= 0)
            sim_trace("run %llu: entry %llu, task %llu is done", (uint64_t)(r - sim.runs), e->seq, (uint64_t)key);
        else
            sim_trace("run %llu: entry %llu, of kind %llu", (uint64_t)(r - sim.runs), e->seq, (uint64_t)e->kind);
        if (key >= 0) r->committed[key] = true;
        r->log[r->head++] = (sim_entry){(uint32_t)e->kind, key, hash_bytes(e->body)};
    }
    if (c->n_entries) r->crc = c->crc;
}

void sim_created(const eyot_run_row *row, const eyot_commit *first, eyot_status status, sim_process *by)
{
    sim_run *r = &sim.runs[sim_run_find(row->run)];
    bool taken = r->exists || r->tombstone_ms > sim_store_ms();
    sim_trace("run %llu: created (status %llu)", (uint64_t)(r - sim.runs), (uint64_t)-status, 0);
    if (status == EYOT_OK && taken)
        sim_violate(r->exists ? "run %s is made twice" : "run %s was deleted and comes back", r->id);
    if (status == EYOT_EEXIST && !taken) sim_violate("run %s cannot be made and is not there", r->id);
    if (status) return;
    eyot_commit c = *first;
    if (!row->owner.n) c.lease_ms = 0;
    memset(r->committed, 0, sizeof r->committed);
    memset(r->done, 0, sizeof r->done);
    r->exists = true;
    r->reborn |= r->deleted;
    r->deleted = r->again = r->cancel_told = false;
    r->epoch = 1;
    r->head = 0;
    r->holder = by;
    memcpy(r->token, row->token, sizeof r->token);
    add_entries(r, &c);
    set_due(r, &c);
}

static void check_steal(const sim_run *r, const eyot_claim *c, const sim_process *by)
{
    if (!is_held(r)) return;
    if (c->steal_epoch != r->epoch)
        sim_violate("run %s: a claim takes it although the lease of %s-%u has not ended", r->id, r->holder->name,
                    r->holder->number);
    else if (r->holder->alive && r->holder != by)
        sim_violate("run %s is taken from %s-%u, which is alive", r->id, r->holder->name, r->holder->number);
}

void sim_claimed(const eyot_claim *c, const eyot_run_row *got, eyot_status status, sim_process *by)
{
    int run = sim_run_find(status == EYOT_OK ? got->run : c->run);
    if (run < 0) return; /* none is due */
    sim_run *r = &sim.runs[run];
    sim_trace("run %llu: claimed (status %llu), epoch %llu", (uint64_t)run, (uint64_t)-status, got ? got->epoch : 0);
    if (status == EYOT_EBUSY && !is_held(r)) sim_violate("run %s is nobody's and cannot be claimed", r->id);
    if (status) return;
    if (!r->exists) sim_violate("run %s was deleted and comes back", r->id);
    check_steal(r, c, by);
    if (r->status == EYOT_RUN_DONE) sim_violate("run %s is done and is claimed", r->id);
    if (!c->run.n && !r->held && r->due_ms == INT64_MAX && r->status != EYOT_RUN_SUSPENDED)
        sim_violate("run %s waits for nobody and is claimed by queue", r->id);
    if (got->epoch != r->epoch + 1) sim_violate("run %s: a claim does not raise its epoch by one", r->id);
    if (by->main == sim_resume_main) { /* who goes on with it by hand wants it */
        r->claims_by_hand++;
        r->cancel_told = false;
    }
    r->epoch = got->epoch;
    r->status = EYOT_RUN_RUNNING;
    r->held = true;
    r->due_ms = sim_store_ms() + (int64_t)c->lease_ms;
    r->holder = by;
    memcpy(r->token, c->token, sizeof r->token);
}

static eyot_status verdict(const sim_run *r, const eyot_commit *c)
{
    if (!r->exists) return EYOT_EGONE;
    if (r->epoch != c->epoch || memcmp(r->token, c->token, sizeof r->token) != 0) return EYOT_EFENCED;
    if (c->n_entries && r->head == c->head + c->n_entries && r->crc == c->crc) return EYOT_EALREADY;
    if (r->head != c->head) return EYOT_ESTALE;
    if (!r->held) return c->n_entries == 0 && c->lease_ms == 0 ? EYOT_EALREADY : EYOT_EFENCED;
    return EYOT_OK;
}

/* That of a claim; NULL: there is none. */
static sim_life *life_of(sim_process *p, int run, const uint8_t token[16])
{
    for (unsigned i = 0; i < SIM_LIVES; i++) {
        sim_life *life = &p->lives[run][i];
        if (life->number && memcmp(life->token, token, sizeof life->token) == 0) return life;
    }
    return NULL;
}

/* A life that ends in good order leaves nothing behind that it has done and not written. */
static void check_release(const sim_run *r, const eyot_commit *c, sim_process *by)
{
    const sim_life *life = life_of(by, (int)(r - sim.runs), c->token);
    if (c->lease_ms || !c->n_entries || exits() || !life) return;
    for (unsigned k = 0; k < sim.n_keys; k++)
        if (life->task[k] == SIM_TASK_DONE && !r->committed[k])
            sim_violate("I6: run %s is let go as %s without task %s, which was done", r->id,
                        eyot_run_status_name((eyot_run_status)c->status), sim_key_text((int)k));
}

void sim_committed(const eyot_commit *c, sim_process *by)
{
    sim_run *r = &sim.runs[sim_run_find(c->run)];
    eyot_status want = verdict(r, c);
    sim_trace("run %llu: commit from head %llu (status %llu)", (uint64_t)(r - sim.runs), c->head, (uint64_t)-c->result);
    if (c->result != want)
        sim_violate("run %s: a commit of epoch %llu on head %llu, of a run in epoch %llu with head %llu, is answered "
                    "%s, not %s",
                    r->id, (unsigned long long)c->epoch, (unsigned long long)c->head, (unsigned long long)r->epoch,
                    (unsigned long long)r->head, eyot_status_name(c->result), eyot_status_name(want));
    if (c->result) return;
    add_entries(r, c);
    check_release(r, c, by);
    set_due(r, c);
}

void sim_deleted(eyot_bytes run, uint64_t epoch, eyot_status status)
{
    sim_run *r = &sim.runs[sim_run_find(run)];
    bool held = is_held(r);
    sim_trace("run %llu: deleted (status %llu)", (uint64_t)(r - sim.runs), (uint64_t)-status, 0);
    if (status) return;
    if (held && epoch != r->epoch) sim_violate("run %s is deleted under its owner", r->id);
    if (held && r->holder->alive)
        sim_violate("run %s is deleted while %s-%u, which is alive, holds it", r->id, r->holder->name,
                    r->holder->number);
    r->exists = false;
    r->deleted = true;
    r->tombstone_ms = held ? r->due_ms : 0;
}

/* ---- what processes know ------------------------------------------------------------------------------------------- */

void sim_told_claim(sim_process *p, int run, const uint8_t token[16], uint64_t asked_ns, uint64_t lease_ms)
{
    sim_life *all = p->lives[run], *life = all;
    for (unsigned i = 1; i < SIM_LIVES; i++)
        if (all[i].number < life->number) life = &all[i];
    memset(life, 0, sizeof *life);
    life->number = ++sim.n_lives;
    memcpy(life->token, token, sizeof life->token);
    life->lease_until_ns = asked_ns + lease_ms * SIM_MS;
}

void sim_told_commit(sim_process *p, const eyot_commit *c, uint64_t asked_ns)
{
    sim_life *life = life_of(p, sim_run_find(c->run), c->token);
    if (c->result || !life) return;
    if (c->lease_ms)
        life->lease_until_ns = asked_ns + c->lease_ms * SIM_MS;
    else
        life->number = 0; /* given back */
}

/* ---- tasks --------------------------------------------------------------------------------------------------------- */

static void check_start(const sim_process *p, const sim_run *r, const sim_life *life, int key, const sim_state *state)
{
    const char *name = sim_key_text(key);
    bool holds = r->exists && memcmp(r->token, life->token, sizeof r->token) == 0;
    if (eyot__boot_ns() > life->lease_until_ns + SLACK_MS * SIM_MS)
        sim_violate("run %s: task %s starts after the lease of %s-%u has ended", r->id, name, p->name, p->number);
    if (r->exists && r->committed[key] && !exits() && (holds || !sim.store_jumped))
        sim_violate("I3: run %s: task %s starts again after it was committed", r->id, name);
    for (unsigned k = 0; k < sim.n_keys && holds && sim.durability == EYOT_SYNC; k++)
        if (state->tasks >> k & 1 && !r->committed[k])
            sim_violate("I1: run %s: task %s starts before task %s, which it follows from, is stored", r->id, name,
                        sim_key_text((int)k));
}

sim_mark sim_task_starts(eyot_task *t, int key, bool may_be_abandoned)
{
    sim_process *p = sim_self()->process;
    const char *id = eyot_task_run_id(t);
    int run = sim_run_find(eyot__bytes(id, strlen(id)));
    sim_life *life = life_of(p, run, t->run->token);
    sim_mark m = {life, life ? life->number : 0, run, key};
    sim_trace("run %llu: task %llu starts, attempt %llu", (uint64_t)m.run, (uint64_t)key, eyot_task_attempt(t));
    if (!life)
        sim_violate("run %s: task %s starts in a process that has let it go", sim.runs[m.run].id, sim_key_text(key));
    check_start(p, &sim.runs[m.run], life, key, eyot_task_state(t));
    unsigned char *state = &life->task[key];
    if (*state == SIM_TASK_DONE || (*state == SIM_TASK_RUNS && !may_be_abandoned))
        sim_violate("I6: run %s: task %s, which %s, starts again in the same life", sim.runs[m.run].id,
                    sim_key_text(key), *state == SIM_TASK_DONE ? "was done" : "runs");
    *state = SIM_TASK_RUNS;
    sim.started++;
    sim.again += sim.runs[m.run].done[key];
    return m;
}

void sim_task_ends(const sim_mark *m, eyot_task *t, bool done)
{
    bool unwanted = eyot_task_cancelled(t);
    sim_trace("run %llu: task %llu ends, %llu", (uint64_t)m->run, (uint64_t)m->key, done && !unwanted);
    bool lives = m->life->number == m->number;
    if (lives && !unwanted) m->life->task[m->key] = done ? SIM_TASK_DONE : SIM_TASK_IDLE;
    sim.runs[m->run].done[m->key] |= done && !unwanted;
}

/* ---- in the end ---------------------------------------------------------------------------------------------------- */

typedef struct reading {
    const sim_run *run;
    uint64_t n;
} reading;

static eyot_status compare_entry(void *arg, const eyot_entry *e)
{
    reading *in = arg;
    const sim_run *r = in->run;
    const sim_entry *want = &r->log[in->n++];
    if (e->seq != in->n || in->n > r->head)
        sim_violate("I4: run %s: entry %llu is stored where %llu belongs", r->id, (unsigned long long)e->seq,
                    (unsigned long long)in->n);
    else if (want->kind != (uint32_t)e->kind || want->body != hash_bytes(e->body))
        sim_violate("I1: run %s: entry %llu is stored otherwise than it was acknowledged", r->id,
                    (unsigned long long)e->seq);
    return EYOT_OK;
}

static void check_log(const sim_run *r)
{
    void *memory;
    reading in = {r, 0};
    const eyot_store_ops *ops = eyot_store_table(sim.memory, &memory);
    eyot_status status =
        ops->list_entries(memory, eyot__bytes(r->id, strlen(r->id)), 1, UINT32_MAX, true, compare_entry, &in, NULL);
    if (status || in.n != r->head)
        sim_violate("I1: run %s: %llu entries were acknowledged and %llu are stored", r->id,
                    (unsigned long long)r->head, (unsigned long long)in.n);
}

typedef struct told {
    const sim_run *run;
    unsigned n[SIM_KEYS];
} told;

/* "<run id>/<task key>/<n>" */
static eyot_status count_event(void *arg, eyot_bytes run, const eyot_event *ev)
{
    told *in = arg;
    size_t from = run.n + 1, to = ev->id.n;
    if (&sim.runs[sim_run_find(run)] != in->run) return EYOT_OK;
    while (to > from && ((const char *)ev->id.p)[to - 1] != '/') to--;
    int key = sim_key_find((const char *)ev->id.p + from, to - 1 - from);
    if (key >= 0) in->n[key]++;
    return EYOT_OK;
}

/* Events are told iff their task is committed. */
static void check_events(const sim_run *r, bool done)
{
    void *memory;
    told in = {.run = r};
    const eyot_store_ops *ops = eyot_store_table(sim.memory, &memory);
    (void)ops->outbox_read(memory, eyot__bytes(NULL, 0), UINT32_MAX, count_event, &in, NULL, NULL);
    for (unsigned k = 0; k < sim.n_keys; k++) {
        bool committed = exits() ? done : r->committed[k];
        if (exits() && !done) continue;
        if (in.n[k] != (committed && sim.emits[k]))
            sim_violate("G5: run %s: the event of task %s is there %u times", r->id, sim_key_text((int)k), in.n[k]);
    }
}

void sim_check_state(int run, const void *state, const char *where)
{
    const sim_state *s = state;
    if (!s || s->n != sim.result.n || s->order != sim.result.order || s->tasks != sim.result.tasks)
        sim_violate("I7: run %s: the final state %s is another than that of an undisturbed run", sim.runs[run].id,
                    where);
}

void sim_check_run(int run)
{
    const sim_run *r = &sim.runs[run];
    eyot_checkpoint *c;
    eyot_error e = {.status = EYOT_OK};
    void *memory;
    const eyot_store_ops *ops = eyot_store_table(sim.memory, &memory);
    if (!r->exists) {
        eyot_status status = ops->list_entries(memory, eyot__bytes(r->id, strlen(r->id)), 1, 1, false, compare_entry,
                                               &(reading){r, 0}, NULL);
        if (status != EYOT_ENOTFOUND) sim_violate("run %s was deleted and comes back", r->id);
        return;
    }
    bool done = r->status == EYOT_RUN_DONE;
    check_log(r);
    if (!r->reborn) check_events(r, done);
    for (unsigned k = 0; k < sim.n_keys && done && !exits(); k++)
        if (!r->committed[k]) sim_violate("I7: run %s is done without task %s", r->id, sim_key_text((int)k));
    if (!done) return;
    eyot_graph *g = sim_graph_make();
    if (!g || eyot_store_load_latest_checkpoint(&c, sim.memory, g, r->id, &e))
        sim_violate("I1: run %s cannot be read: %s", r->id, e.text);
    else
        sim_check_state(run, eyot_checkpoint_state(c), "in the store");
    if (g && !e.status) eyot_checkpoint_free(c);
    eyot_graph_free(g);
}
