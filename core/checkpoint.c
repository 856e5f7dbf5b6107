/* SPDX-License-Identifier: MIT */
/* Where a run stood after a step, for those who only look. */
#include <stdlib.h>
#include <string.h>

#include "core/changes.h"
#include "core/past.h"

typedef struct seen_branch {
    uint32_t node;
    eyot__state *state;
    char *task;     /* owned */
    char *question; /* owned; NULL: none */
    int64_t due_ms;
    bool waiting;
} seen_branch;

struct eyot_checkpoint {
    const eyot_graph *graph;
    eyot__frontier frontier;
    eyot__rebuilt built;
    eyot__state *state;
    seen_branch *branches;
    size_t n_branches;
};

/* ---- which run, which entry ---------------------------------------------------------------------------------------- */

typedef struct row_copy {
    char fingerprint[65];
    uint64_t head;
} row_copy;

static eyot_status copy_row(void *arg, const eyot_run_row *row)
{
    row_copy *c = arg;
    if (row->fingerprint.n == 64) memcpy(c->fingerprint, row->fingerprint.p, 64);
    c->head = row->head;
    return EYOT_OK;
}

eyot_status eyot__past_check(eyot_store *store, const eyot_graph *g, const char *run_id, uint64_t *head, eyot_error *e)
{
    return eyot__past_check_with(store, g, run_id, false, head, e);
}

eyot_status eyot__past_check_with(eyot_store *store, const eyot_graph *g, const char *run_id, bool changed,
                                  uint64_t *head, eyot_error *e)
{
    row_copy row = {.head = 0};
    if (!store || !g || !g->frozen || !run_id)
        return eyot_error_set(e, EYOT_EINVAL, "a store, a frozen graph and a run id are needed");
    eyot_status status = eyot__store_get_run(store, eyot__bytes(run_id, strlen(run_id)), copy_row, &row, e);
    if (status) return status;
    *head = row.head;
    if (row.head == 0) return eyot_error_set(e, EYOT_ECORRUPT, "run %s has no entries", run_id);
    if (row.head >= INT64_MAX)
        return eyot_error_set(e, EYOT_ECORRUPT, "run %s: its row says that entry %llu is the last", run_id,
                              (unsigned long long)row.head);
    if (changed || strcmp(row.fingerprint, g->fingerprint) == 0) return EYOT_OK;
    eyot__run_graph last; /* that it was gone on with */
    status = eyot__run_graph_read(&last, store, run_id, row.fingerprint, NULL, e);
    if (!status && strcmp(last.fingerprint, g->fingerprint) != 0)
        status = eyot_error_set(e, EYOT_ECHANGED, "run %s was made with another graph than %s as it is now", run_id,
                                g->name);
    eyot__run_graph_clear(&last);
    return status;
}

typedef struct found_entry {
    uint64_t seq, step; /* seq 0: none */
} found_entry;

static eyot_status note_entry(void *arg, const eyot_entry *entry)
{
    *(found_entry *)arg = (found_entry){entry->seq, entry->step};
    return EYOT_OK;
}

typedef struct walk {
    uint64_t seq, step; /* of the entry before */
    uint64_t lost;      /* the first entry that is missing behind the newest snapshot so far; 0: none */
    uint64_t wrong;     /* the first entry whose step does not follow; 0: none */
} walk;

/* What the store says of an entry beside its record. Before a snapshot entries may have been pruned. */
static eyot_status walk_entry(void *arg, const eyot_entry *entry)
{
    walk *w = arg;
    bool snapshot = entry->kind == EYOT_ENTRY_SNAPSHOT, follows = entry->seq == w->seq + 1;
    bool fits = snapshot ? entry->step >= w->step : entry->step == w->step + (entry->kind == EYOT_ENTRY_TASK);
    if (snapshot)
        w->lost = 0;
    else if (!follows && !w->lost)
        w->lost = w->seq + 1;
    if (follows && !fits && !w->wrong) w->wrong = entry->seq;
    w->seq = entry->seq;
    w->step = entry->step;
    return EYOT_OK;
}

/* Why the search has ended without it: `next` is the first entry with a later step, `from` comes right after the last one with
 * an earlier step. There is no such step; unless the store has lost it, or what it says of steps makes no sense and led the search astray. */
static eyot_status no_step(eyot_store *store, eyot_bytes run, uint64_t head, uint64_t step, uint64_t from,
                           uint64_t next, eyot_error *e)
{
    walk w = {.seq = 0};
    eyot_status status = eyot__store_list_entries(store, run, 1, UINT32_MAX, false, walk_entry, &w, e);
    if (status) return status;
    if (w.wrong)
        return eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID ", entry %llu: its step does not follow",
                              EYOT__ID_ARGS(run), (unsigned long long)w.wrong);
    if (w.lost || w.seq < head)
        return eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID ": entry %llu is lost", EYOT__ID_ARGS(run),
                              (unsigned long long)(w.lost ? w.lost : w.seq + 1));
    if (next > from)
        return eyot_error_set(e, EYOT_ENOTFOUND, "run " EYOT__ID " no longer has step %llu: it was pruned",
                              EYOT__ID_ARGS(run), (unsigned long long)step);
    return eyot_error_set(e, EYOT_ENOTFOUND, "run " EYOT__ID " has no step %llu", EYOT__ID_ARGS(run),
                          (unsigned long long)step);
}

/* Steps grow with seqs, so it is searched for by halves. What pruning leaves of a snapshot's entries are the first ones: of
 * every entry that is there, those it builds on are there, too. */
eyot_status eyot__past_find_step(eyot_store *store, eyot_bytes run, uint64_t head, uint64_t step, uint64_t *seq,
                                 eyot_error *e)
{
    found_entry best = {0};
    uint64_t from = 1;
    for (uint64_t to = head; from <= to;) {
        uint64_t middle = from + (to - from) / 2;
        found_entry at = {0};
        eyot_status status = eyot__store_list_entries(store, run, middle, 1, false, note_entry, &at, e);
        if (status) return status;
        bool early = at.seq && at.step < step;
        if (at.seq && !early) best = at;
        if (early)
            from = at.seq + 1;
        else
            to = middle - 1;
    }
    *seq = best.seq;
    return best.seq && best.step == step ? EYOT_OK : no_step(store, run, head, step, from, best.seq, e);
}

static eyot_status note_newest(void *arg, const eyot_run_row *row)
{
    *(found_entry *)arg = (found_entry){row->head, row->steps};
    return EYOT_OK;
}

eyot_status eyot__past_has_step(eyot_store *store, const char *run_id, uint64_t *step, eyot_error *e)
{
    found_entry newest = {0};
    uint64_t seq;
    eyot_bytes run = eyot__bytes(run_id, strlen(run_id));
    eyot_status status = eyot__store_get_run(store, run, note_newest, &newest, e);
    if (status) return status;
    if (*step == EYOT_LATEST) *step = newest.step;
    return eyot__past_find_step(store, run, newest.seq, *step, &seq, e);
}

/* The first entry there is, or that of a step. */
eyot_status eyot__past_find_beginning(eyot_store *store, eyot_bytes run, uint64_t head, uint64_t step, uint64_t *seq,
                                      eyot_error *e)
{
    if (step > 0) return eyot__past_find_step(store, run, head, step, seq, e);
    found_entry first = {0};
    eyot_status status = eyot__store_list_entries(store, run, 1, 1, false, note_entry, &first, e);
    *seq = first.seq;
    if (!status && !first.seq)
        return eyot_error_set(e, EYOT_ECORRUPT, "run " EYOT__ID " has no entries", EYOT__ID_ARGS(run));
    return status;
}

/* ---- branches ------------------------------------------------------------------------------------------------------ */

static char *copy_text(const void *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy) return NULL;
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

/* The owner is the branch list, also when it fails. */
static eyot_status see_branch(eyot_checkpoint *c, const eyot__who *who, eyot__state *state, const eyot__memo *memo)
{
    eyot_buf key = EYOT__BUF_INIT;
    const eyot__wait *last = memo && memo->n ? &memo->waits[memo->n - 1] : NULL;
    bool asks = last && last->question && !last->answer;
    seen_branch *b = &c->branches[c->n_branches++];
    *b = (seen_branch){.node = who->node, .state = eyot__state_ref(state)};
    eyot__key_print(&key, c->graph, who);
    if (!key.failed) b->task = copy_text(key.data, key.len);
    eyot__buf_clear(&key);
    if (asks) b->question = copy_text(last->question, strlen(last->question));
    if (last && !last->question) b->due_ms = last->due_ms;
    return b->task && (b->question || !asks) ? EYOT_OK : EYOT_ENOMEM;
}

/* Every live branch is looked at where it is, then counted as ended, so that the last join makes the state of all. */
static eyot_status gather_branches(eyot_checkpoint *c, eyot_error *e)
{
    eyot__frontier *f = &c->frontier;
    c->branches = calloc(f->n_live + f->n_waiting + 1, sizeof *c->branches);
    eyot_status status = c->branches ? EYOT_OK : EYOT_ENOMEM;
    for (eyot__activation *a = f->fired; a && !status; a = a->queue) status = see_branch(c, &a->who, a->state, a->memo);
    for (eyot__place *p = f->groups; p && !status; p = p->next) {
        eyot__who at = {.node = p->node, .stamp = p->stamp};
        for (eyot__arrival *a = p->waiting; a && !status; a = a->next) {
            status = see_branch(c, &at, a->state, NULL);
            c->branches[c->n_branches - 1].waiting = true;
        }
    }
    if (!status) status = eyot__frontier_end_all(f);
    return status ? eyot_error_set(e, status, "out of memory") : eyot__frontier_result(f, &c->state, e);
}

/* As of an entry, which is there, or of the newest one (seq UINT64_MAX), which is `head` or a later one. */
static eyot_status load_at(eyot_checkpoint **out, eyot_store *store, const eyot_graph *g, eyot_bytes run, uint64_t seq,
                           uint64_t head, eyot_error *e)
{
    eyot_checkpoint *c = calloc(1, sizeof *c);
    if (!c) return eyot_error_set(e, EYOT_ENOMEM, "out of memory");
    c->graph = g;
    eyot__frontier_init(&c->frontier, g, false, sizeof(eyot__activation), NULL, 0, NULL);
    eyot__history_release(&c->frontier.history, c->frontier.history.root);
    eyot_status status = eyot__rebuild_at(&c->frontier, &c->built, store, run, seq, e);
    if (!status) status = eyot__rebuilt_reaches(&c->built, run, seq == UINT64_MAX ? head : seq, e);
    if (!status) status = gather_branches(c, e);
    if (status)
        eyot_checkpoint_free(c);
    else
        *out = c;
    return status;
}

eyot_status eyot_store_load_checkpoint(eyot_checkpoint **out, eyot_store *store, const eyot_graph *g,
                                       const char *run_id, uint64_t step, eyot_error *e)
{
    uint64_t head = 0, seq = UINT64_MAX;
    *out = NULL;
    eyot_status status = eyot__past_check(store, g, run_id, &head, e);
    if (status) return status;
    eyot_bytes run = eyot__bytes(run_id, strlen(run_id));
    if (step == EYOT_LATEST) return load_at(out, store, g, run, seq, head, e);
    /* Pruned between the two calls, another entry stands for the step, or none. */
    for (status = EYOT_ENOTFOUND; status == EYOT_ENOTFOUND;) {
        uint64_t tried = seq;
        eyot_status found = eyot__past_find_step(store, run, head, step, &seq, e);
        if (found) return found;
        if (seq == tried) break;
        status = load_at(out, store, g, run, seq, head, e);
    }
    return status;
}

eyot_status eyot_store_load_latest_checkpoint(eyot_checkpoint **out, eyot_store *store, const eyot_graph *g,
                                              const char *run_id, eyot_error *e)
{
    return eyot_store_load_checkpoint(out, store, g, run_id, EYOT_LATEST, e);
}

void eyot_checkpoint_free(eyot_checkpoint *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->n_branches; i++) {
        eyot__state_unref(c->branches[i].state, &c->frontier.history);
        free(c->branches[i].task);
        free(c->branches[i].question);
    }
    eyot__state_unref(c->state, &c->frontier.history);
    free(c->branches);
    eyot__frontier_clear(&c->frontier);
    free(c);
}

/* ---- what is in it ------------------------------------------------------------------------------------------------- */

uint64_t eyot_checkpoint_seq(const eyot_checkpoint *c)
{
    return c->built.seq;
}
uint64_t eyot_checkpoint_step(const eyot_checkpoint *c)
{
    return c->built.steps;
}
eyot_run_status eyot_checkpoint_status(const eyot_checkpoint *c)
{
    return c->built.status;
}
const char *eyot_checkpoint_error(const eyot_checkpoint *c)
{
    return c->built.error.status ? c->built.error.text : "";
}
const void *eyot_checkpoint_state(const eyot_checkpoint *c)
{
    return c->state->value;
}
size_t eyot_checkpoint_branch_count(const eyot_checkpoint *c)
{
    return c->n_branches;
}

const char *eyot_checkpoint_branch_node(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches ? c->graph->nodes[c->branches[i].node].id : NULL;
}
const void *eyot_checkpoint_branch_state(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches ? c->branches[i].state->value : NULL;
}
const char *eyot_checkpoint_branch_task(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches ? c->branches[i].task : NULL;
}
bool eyot_checkpoint_branch_waiting(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches && c->branches[i].waiting;
}
const char *eyot_checkpoint_branch_question(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches ? c->branches[i].question : NULL;
}
int64_t eyot_checkpoint_branch_due_ms(const eyot_checkpoint *c, size_t i)
{
    return i < c->n_branches ? c->branches[i].due_ms : 0;
}
