/* SPDX-License-Identifier: MIT */
/* What a fleet wrote down, joined with what the store holds. */
#include "test/crash/fleet.h"

#include <stdlib.h>

#include <eyot/stores.h>

#include "test/crash/crash.h"
#include "test/eyot_test.h"

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const fleet_line *l = a, *r = b;
    return l->ns != r->ns ? (l->ns < r->ns ? -1 : 1) : (l > r) - (l < r);
}

static bool parse(fleet_line *l, const char *text)
{
    memset(l, 0, sizeof *l);
    if (sscanf(text, "%c %31s %llu %d %llu %lld %llx %llu %127[^\n]", &l->kind, l->run, &l->epoch, &l->pid, &l->ns,
               &l->number, &l->hash, &l->sent, l->key) != 9)
        return false;
    size_t n = strlen(l->key);
    while (n && l->key[n - 1] == ' ') l->key[--n] = 0;
    return true;
}

fleet_lines fleet_read(const fleet *f)
{
    fleet_lines all = {NULL, 0};
    size_t cap = 0;
    char text[300];
    FILE *file = fopen(f->log_path, "r");
    CHECK(file);
    while (fgets(text, sizeof text, file)) {
        if (all.n == cap) {
            cap = cap ? cap * 2 : 4096;
            all.lines = realloc(all.lines, cap * sizeof *all.lines);
            if (!all.lines) abort();
        }
        all.n += parse(&all.lines[all.n], text);
    }
    fclose(file);
    if (all.n) qsort(all.lines, all.n, sizeof *all.lines, by_time);
    return all;
}

unsigned fleet_count(const fleet_lines *all, char kind, const char *run)
{
    unsigned n = 0;
    for (size_t i = 0; i < all->n; i++)
        n += all->lines[i].kind == kind && (!run || strcmp(all->lines[i].run, run) == 0);
    return n;
}

/* ---- one run ---------------------------------------------------------------------------------------------------- */

typedef struct story {
    const fleet_lines *all;
    const char *id;
    const fleet_line **lines; /* those of the run, in the order of their times */
    size_t n;
    tally_log stored;
    uint32_t flags;
} story;

static story story_of(const fleet *f, const fleet_lines *all, const char *id, uint32_t flags)
{
    story s = {.all = all, .id = id, .flags = flags, .stored = tally_entries(f->store, id)};
    s.lines = calloc(all->n + 1, sizeof *s.lines);
    if (!s.lines) abort();
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->lines[i].run, id) == 0) s.lines[s.n++] = &all->lines[i];
    return s;
}

/* I1: what was acknowledged is there, as it was sent; and once. */
static void check_acknowledged(const story *s, fleet_findings *found)
{
    const fleet_line **by_seq = calloc(s->stored.n + 1, sizeof *by_seq);
    if (!by_seq) abort();
    for (size_t i = 0; i < s->n; i++) {
        const fleet_line *l = s->lines[i];
        if (l->kind != 'A') continue;
        found->acknowledged++;
        if (s->flags & FLEET_PUT_BACK) continue;
        if (l->number < 1 || (size_t)l->number > s->stored.n)
            test_fail(__FILE__, __LINE__, "run %s: seq %lld of epoch %llu was acknowledged and is lost", s->id,
                      l->number, l->epoch);
        const tally_entry *t = &s->stored.entries[l->number - 1];
        if (t->body != l->hash || (l->key[1] && strcmp(t->key, l->key) != 0))
            test_fail(__FILE__, __LINE__,
                      "run %s: seq %lld of epoch %llu was acknowledged as %s and is stored as %s %s", s->id, l->number,
                      l->epoch, l->key, t->key, t->body == l->hash ? "" : "with other bytes");
        if (by_seq[l->number])
            test_fail(__FILE__, __LINE__, "run %s: seq %lld was acknowledged to epoch %llu and to epoch %llu", s->id,
                      l->number, by_seq[l->number]->epoch, l->epoch);
        by_seq[l->number] = l;
    }
    free(by_seq);
}

/* No commit is accepted that was sent when somebody else had the run already. */
static void check_fence(const story *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const fleet_line *claim = s->lines[i];
        if (claim->kind != 'C') continue;
        for (size_t k = i + 1; k < s->n; k++) {
            const fleet_line *l = s->lines[k];
            if ((l->kind == 'A' || l->kind == 'R') && l->epoch < claim->epoch && l->sent > claim->ns)
                test_fail(__FILE__, __LINE__,
                          "run %s: seq %lld was accepted from epoch %llu after epoch %llu was claimed", s->id,
                          l->number, l->epoch, claim->epoch);
        }
    }
}

/* A run that was not released is claimed when the lease that its last commit has renewed is over, and no sooner. */
static void check_leases(const story *s)
{
    static const uint64_t lease_ns =
        (FLEET_LEASE_MS - 50) * (uint64_t)1000000; /* 50 ms: clocks are set right now and then */
    for (size_t i = 0; i < s->n; i++) {
        const fleet_line *claim = s->lines[i];
        uint64_t renewed = 0;
        bool released = false;
        if (claim->kind != 'C') continue;
        for (size_t k = 0; k < s->n; k++) {
            const fleet_line *l = s->lines[k];
            if (l->epoch + 1 != claim->epoch) continue;
            released |= l->kind == 'R';
            if (l->kind == 'A' && l->sent > renewed) renewed = l->sent;
        }
        if (renewed && !released && claim->ns < renewed + lease_ns)
            test_fail(__FILE__, __LINE__, "run %s: epoch %llu began %.0f ms after a commit of the one before", s->id,
                      claim->epoch, ((double)claim->ns - (double)renewed) / 1e6);
    }
}

/* A task of who has lost the run. Either the lease has not ended by its own clock; or the process was stopped and went on less than
 * a second before: it has looked at its lease before it was stopped, and begun the task after. */
static bool may_begin_late(const story *s, const fleet_line *l)
{
    if (s->flags & FLEET_CLOCK_MOVED) return true;
    for (size_t i = 0; i < s->all->n; i++) {
        const fleet_line *y = &s->all->lines[i];
        if (y->kind == 'Y' && y->pid == l->pid && y->ns < l->ns && l->ns - y->ns < 1000000000u) return true;
    }
    return false;
}

/* Who was told that the run is somebody else's begins nothing more of it. */
static void check_given_up(const story *s)
{
    uint64_t grace_ns = 200000000u * fleet_patience(); /* for threads that are on their way */
    for (size_t i = 0; i < s->n; i++) {
        const fleet_line *f = s->lines[i];
        if (f->kind != 'F') continue;
        for (size_t k = i + 1; k < s->n; k++) {
            const fleet_line *e = s->lines[k];
            if (e->kind == 'E' && e->pid == f->pid && e->epoch == f->epoch && e->ns > f->ns + grace_ns)
                test_fail(__FILE__, __LINE__,
                          "run %s: task %s began in epoch %llu, %.0f ms after it was told to be lost", s->id, e->key,
                          e->epoch, (double)(e->ns - f->ns) / 1e6);
        }
    }
}

/* The process that began `e` is dead, or has lost the run. */
static bool was_interrupted(const story *s, const fleet_line *e)
{
    for (size_t i = 0; i < s->all->n; i++) {
        const fleet_line *l = &s->all->lines[i];
        if (l->pid != e->pid) continue;
        if (l->kind == 'K' || l->kind == 'Z') return true;
        if ((l->kind == 'F' || l->kind == 'X') && l->epoch == e->epoch && strcmp(l->run, e->run) == 0) return true;
    }
    return false;
}

/* `e` and later `l`: the same task began twice. Who had it under the smaller epoch was interrupted. */
static void check_pair(const story *s, const fleet_line *e, const fleet_line *l)
{
    const fleet_line *older = e->epoch < l->epoch ? e : l;
    bool late = older == l;
    if (l->epoch == e->epoch)
        test_fail(__FILE__, __LINE__, "run %s: task %s began twice in epoch %llu", s->id, e->key, e->epoch);
    if (!was_interrupted(s, older) || (late && !may_begin_late(s, l)))
        test_fail(__FILE__, __LINE__, "run %s: task %s began in epoch %llu and again in %llu for no reason", s->id,
                  e->key, e->epoch, l->epoch);
}

/* I3, I6: a task that was acknowledged does not begin again, and who began one that is begun again was interrupted. */
static void check_executions(const story *s, fleet_findings *found)
{
    for (size_t i = 0; i < s->n; i++) {
        const fleet_line *e = s->lines[i];
        bool again = false;
        if (e->kind != 'E') continue;
        found->executions++;
        for (size_t k = 0; k < s->n; k++) {
            const fleet_line *l = s->lines[k];
            if (k == i || strcmp(l->key, e->key) != 0) continue;
            if (l->kind == 'A' && l->ns < e->ns && !(s->flags & FLEET_PUT_BACK)) {
                if (l->epoch <= e->epoch || !may_begin_late(s, e))
                    test_fail(__FILE__, __LINE__, "run %s: task %s began in epoch %llu, %.1f ms after it was stored",
                              s->id, e->key, e->epoch, (double)(e->ns - l->ns) / 1e6);
                found->late_starts++;
            }
            if (l->kind != 'E' || k < i) continue;
            again = true;
            if (!(s->flags & FLEET_PUT_BACK)) check_pair(s, e, l);
        }
        found->again += again;
    }
}

static void count_others(const story *s, fleet_findings *found)
{
    for (size_t i = 0; i < s->n; i++) {
        found->refused += s->lines[i]->kind == 'F';
        found->takeovers += s->lines[i]->kind == 'C' && s->lines[i]->number > 1;
    }
}

void fleet_check_run(const fleet *f, const char *id)
{
    tally_log stored = tally_entries(f->store, id);
    eyot_checkpoint *c;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_load_latest_checkpoint(&c, f->store, f->graph, id, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    if (eyot_checkpoint_status(c) != EYOT_RUN_DONE)
        test_fail(__FILE__, __LINE__, "run %s has status %d", id, (int)eyot_checkpoint_status(c));
    CHECK_INT(tally_tasks(&stored), FLEET_STEPS);
    if (crash_hash(eyot_checkpoint_state(c)) != f->want)
        test_fail(__FILE__, __LINE__, "run %s ended in another state than one that nobody disturbed", id);
    eyot_checkpoint_free(c);
    tally_log_free(&stored);
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

fleet_doings fleet_doings_of(const fleet_lines *all, size_t n, pid_t pid)
{
    fleet_doings d = {0};
    for (size_t i = 0; i < n; i++) {
        const fleet_line *l = &all->lines[i];
        if (l->pid != pid) continue;
        d.commits += (l->kind == 'S') - (l->kind == 's');
        d.claims += (l->kind == 'Q') - (l->kind == 'C' || l->kind == 'N');
        d.tasks += (l->kind == 'E') - (l->kind == 'D');
    }
    return d;
}

static fleet_moment moment_of(const fleet_lines *all, size_t death)
{
    fleet_doings d = fleet_doings_of(all, death, all->lines[death].pid);
    return d.commits > 0  ? FLEET_BEFORE_COMMIT
           : d.claims > 0 ? FLEET_BEFORE_CLAIM
           : d.tasks > 0  ? FLEET_IN_TASK
                          : FLEET_NEVER;
}

fleet_findings fleet_check(const fleet *f, uint32_t flags)
{
    fleet_findings found = {.again = 0};
    fleet_lines all = fleet_read(f);
    char id[16];
    for (unsigned i = 0; i < f->n_runs; i++) {
        fleet_run_id(id, i);
        fleet_check_run(f, id);
        story s = story_of(f, &all, id, flags);
        check_acknowledged(&s, &found);
        if (!(flags & FLEET_PUT_BACK)) { /* otherwise an epoch may be there twice */
            check_fence(&s);
            check_given_up(&s);
        }
        if (!flags) check_leases(&s);
        check_executions(&s, &found);
        count_others(&s, &found);
        tally_log_free(&s.stored);
        free(s.lines);
    }
    for (size_t i = 0; i < all.n; i++)
        if (all.lines[i].kind == 'K') found.killed[moment_of(&all, i)]++;
    free(all.lines);
    return found;
}

void fleet_print(const fleet *f, const fleet_findings *found)
{
    printf(
        "     %s: %u runs, %u executions of tasks, %u of them in vain; %u entries acknowledged, %u commits refused, %u "
        "takeovers\n",
        f->backend->name, f->n_runs, found->executions, found->again, found->acknowledged, found->refused,
        found->takeovers);
    if (found->late_starts) printf("     %u tasks began late, right after a stop\n", found->late_starts);
    if (f->n_lost)
        printf("     %u processes died: %u in a commit, %u in a claim, %u in a task, %u between; EYOT_TEST_SEED=%llu\n",
               f->n_lost, found->killed[FLEET_BEFORE_COMMIT], found->killed[FLEET_BEFORE_CLAIM],
               found->killed[FLEET_IN_TASK], found->killed[FLEET_NEVER], (unsigned long long)test_seed());
}
