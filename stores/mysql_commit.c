/* SPDX-License-Identifier: MIT */
/* Commits of the MySQL store. One run that goes on being held, the usual case, is a compare-and-set of its row, its
 * entries, COMMIT: three round trips. Everything else locks the rows first, in one order, decides in C as every backend
 * does, and writes them back together. What a lost reply leaves open, the rows tell when the same is done again. */
#include "stores/mysql.h"

#include <stdlib.h>
#include <string.h>

typedef struct group {
    eyot_bytes run;
    uint32_t shard;
    size_t first, n;  /* of job.order */
    eyot_run_row row; /* as it is by now; of its strings only the length of the owner's counts */
    bool found, changed;
} group;

typedef struct job {
    eyot_commit *commits;
    size_t n, n_groups, n_accepted;
    size_t *order; /* of the commits, by (shard, run, place) */
    group *groups;
    const eyot_commit **accepted;
    eyot_status *sent; /* results of the attempt whose COMMIT may have been heard */
    bool was_sent;
} job;

/* ---- entries and events ----------------------------------------------------------------------------------------- */

eyot_status eyot__my_check_size(const eyot__mysql *s, eyot_bytes run, const char *what, size_t n, eyot_error *e)
{
    if (n <= s->max_body) return EYOT_OK;
    return eyot_error_set(e, EYOT_ELIMIT,
                          "run " EYOT__ID ": %s of %zu bytes is more than the server takes: max_allowed_packet=%llu",
                          EYOT__ID_ARGS(run), what, n, (unsigned long long)s->max_packet);
}

eyot_status eyot__my_check_commit(const eyot__mysql *s, const eyot_commit *c, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < c->n_entries && !r; i++)
        r = eyot__my_check_size(s, c->run, "an entry", c->entries[i].body.n, e);
    for (size_t i = 0; i < c->n_events && !r; i++)
        r = eyot__my_check_size(s, c->run, "an event", c->events[i].topic.n + c->events[i].payload.n, e);
    return r;
}

/* A place in the entries of several commits. */
typedef struct place {
    size_t commit, entry;
} place;

static const eyot_entry *entry_at(const eyot_commit *const *commits, size_t n, place *p)
{
    while (p->commit < n && p->entry == commits[p->commit]->n_entries) *p = (place){p->commit + 1, 0};
    return p->commit < n ? &commits[p->commit]->entries[p->entry] : NULL;
}

/* How many entries from here on go into one statement; no more bytes than the server takes. */
static size_t count_together(const eyot__mysql *s, const eyot_commit *const *commits, size_t n, place p)
{
    size_t rows = 0;
    uint64_t bytes = 0;
    for (const eyot_entry *from; rows < EYOT__MYSQL_ROWS && (from = entry_at(commits, n, &p)) != NULL; p.entry++) {
        bytes += from->body.n + from->key.n + 256;
        if (rows > 0 && bytes > s->max_body) break;
        rows++;
    }
    return rows ? eyot__my_rows_together(rows) : 0;
}

eyot_status eyot__my_add_entries(eyot__my_connection *c, const eyot_commit *const *commits, size_t n, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    place p = {0, 0};
    for (size_t rows; !r && (rows = count_together(c->store, commits, n, p)) > 0;) {
        eyot__my_begin(c, EYOT__MY_ADD_ENTRIES, rows);
        for (; rows; rows--, p.entry++) {
            const eyot_entry *from = entry_at(commits, n, &p);
            eyot__my_run_id(c, commits[p.commit]->run);
            eyot__my_number(c, commits[p.commit]->head + 1 + p.entry);
            eyot__my_number(c, from->step);
            eyot__my_number(c, (uint64_t)from->kind);
            eyot__my_bytes(c, from->key);
            eyot__my_bytes(c, from->body);
        }
        r = eyot__my_run(c, e);
    }
    return r;
}

/* Numbered behind those of the run that are there. */
eyot_status eyot__my_add_events(eyot__my_connection *c, const eyot_commit *commit, eyot_error *e)
{
    bool found;
    if (commit->n_events == 0) return EYOT_OK;
    eyot__my_begin(c, EYOT__MY_LAST_EVENT, 1);
    eyot__my_run_id(c, commit->run);
    eyot_status r = eyot__my_one(c, &found, e);
    uint64_t last = !r && found ? c->columns[0].number : 0;
    for (size_t i = 0; i < commit->n_events && !r; i++) {
        eyot__my_begin(c, EYOT__MY_ADD_EVENT, 1);
        eyot__my_run_id(c, commit->run);
        eyot__my_number(c, last + 1 + i);
        eyot__my_bytes(c, commit->events[i].id);
        eyot__my_bytes(c, commit->events[i].topic);
        eyot__my_bytes(c, commit->events[i].payload);
        r = eyot__my_run(c, e);
    }
    return r;
}

static eyot_status finish_messages(eyot__my_connection *c, const eyot_commit *commit, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    for (size_t from = 0; from < commit->n_inbox_done && !r; from += EYOT__MYSQL_ROWS) {
        size_t n = commit->n_inbox_done - from < EYOT__MYSQL_ROWS ? commit->n_inbox_done - from : EYOT__MYSQL_ROWS;
        size_t times = eyot__my_begin(c, EYOT__MY_MESSAGES_DONE, n);
        eyot__my_run_id(c, commit->run);
        for (size_t i = 0; i < times; i++) eyot__my_bytes(c, commit->inbox_done[from + (i < n ? i : n - 1)]);
        r = eyot__my_run(c, e);
    }
    return r;
}

/* ---- one run that stays held ------------------------------------------------------------------------------------ */

static eyot_status compare_and_set(eyot__my_connection *c, const eyot_commit *commit, eyot_error *e)
{
    eyot__my_begin(c, commit->n_entries ? EYOT__MY_ADVANCE : EYOT__MY_RENEW, 1);
    if (commit->n_entries) {
        eyot__my_number(c, commit->head + commit->n_entries);
        eyot__my_number(c, commit->entries[commit->n_entries - 1].step);
        eyot__my_number(c, commit->crc);
    }
    eyot__my_number(c, commit->snapshot_seq);
    eyot__my_number(c, commit->snapshot_seq);
    eyot__my_number(c, commit->status);
    eyot__my_number(c, commit->status == EYOT_RUN_DONE ? EYOT__MYSQL_PARKED : EYOT__MYSQL_HELD);
    eyot__my_due(c, commit->lease_ms, 0, commit->status);
    eyot__my_due(c, commit->lease_ms, 0, commit->status);
    eyot__my_run_id(c, commit->run);
    eyot__my_number(c, commit->epoch);
    eyot__my_bytes(c, eyot__bytes(commit->token, sizeof commit->token));
    eyot__my_number(c, commit->head);
    return eyot__my_run(c, e);
}

static eyot_status verdict_of(const job *j, const eyot__my_connection *c, bool found, const eyot_run_row *row,
                              const eyot_commit *commit)
{
    eyot_status verdict = found ? eyot__store_verdict(row, commit) : EYOT_EGONE;
    return verdict == EYOT_EALREADY && c->unsure && j->was_sent ? EYOT_OK : verdict;
}

/* The row did not match: why not. */
static eyot_status ask_why(eyot__my_connection *c, job *j, eyot_error *e)
{
    bool found;
    eyot_run_row row;
    eyot__my_begin(c, EYOT__MY_ROW, 1);
    eyot__my_run_id(c, j->commits->run);
    eyot_status r = eyot__my_one(c, &found, e);
    if (r) return r;
    if (found) eyot__my_read_row(c, &row);
    eyot_status verdict = found ? eyot__store_verdict(&row, j->commits) : EYOT_EGONE;
    if (verdict == EYOT_OK) { /* it has changed since */
        c->trouble = EYOT__TROUBLE_AGAIN;
        return eyot_error_set(e, EYOT_EIO, "%s: run " EYOT__ID " changes all the time", c->store->shown,
                              EYOT__ID_ARGS(j->commits->run));
    }
    j->commits->result = verdict_of(j, c, found, &row, j->commits);
    return c->writing ? eyot__my_text(c, "ROLLBACK", e) : EYOT_OK;
}

/* Without entries, events and messages the update is all, and commits itself. */
static eyot_status commit_one(eyot__my_connection *c, void *arg, eyot_error *e)
{
    job *j = arg;
    const eyot_commit *commit = j->commits;
    eyot_status r = compare_and_set(c, commit, e);
    if (r) return r;
    if (c->matched == 0) return ask_why(c, j, e);
    j->commits->result = EYOT_OK;
    if (!c->writing) return EYOT_OK;
    r = eyot__my_add_entries(c, &commit, 1, e);
    if (!r) r = eyot__my_add_events(c, commit, e);
    if (!r) r = finish_messages(c, commit, e);
    j->was_sent = j->was_sent || !r;
    return r ? r : eyot__my_commit(c, e);
}

/* ---- many runs -------------------------------------------------------------------------------------------------- */

static int compare_ids(eyot_bytes a, eyot_bytes b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* Locks are taken in this order, whoever takes them. */
static bool comes_before(const eyot_commit *a, const eyot_commit *b)
{
    uint32_t shard_a = eyot__my_shard(a->run), shard_b = eyot__my_shard(b->run);
    return shard_a != shard_b ? shard_a < shard_b : compare_ids(a->run, b->run) < 0;
}

/* Stable, by halves: commits of one run stay in their order. `room` has as many places. */
static void sort_order(const eyot_commit *commits, size_t *order, size_t n, size_t *room)
{
    if (n < 2) return;
    size_t half = n / 2, a = 0, b = half;
    sort_order(commits, order, half, room);
    sort_order(commits, order + half, n - half, room);
    memcpy(room, order, n * sizeof *order);
    for (size_t i = 0; i < n; i++) {
        bool second = a == half || (b < n && comes_before(&commits[room[b]], &commits[room[a]]));
        order[i] = second ? room[b++] : room[a++];
    }
}

static void make_groups(job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        eyot_bytes run = j->commits[j->order[i]].run;
        group *last = j->n_groups ? &j->groups[j->n_groups - 1] : NULL;
        if (last && eyot__bytes_equal(last->run, run)) {
            last->n++;
            continue;
        }
        j->groups[j->n_groups++] = (group){.run = run, .shard = eyot__my_shard(run), .first = i, .n = 1};
    }
}

/* Rows come in the order of the groups. */
static eyot_status lock_rows(eyot__my_connection *c, group *groups, size_t n, eyot_error *e)
{
    size_t times = eyot__my_begin(c, EYOT__MY_LOCK, n), at = 0;
    bool more = true;
    for (size_t i = 0; i < times; i++) eyot__my_run_id(c, groups[i < n ? i : n - 1].run);
    for (size_t i = 0; i < n; i++) groups[i].found = groups[i].changed = false;
    eyot_status r = eyot__my_run(c, e);
    while (!r && more) {
        r = eyot__my_fetch(c, &more, e);
        if (r || !more) break;
        while (at < n && !eyot__bytes_equal(groups[at].run, c->columns[0].bytes)) at++;
        if (at == n) break;
        groups[at].found = true;
        eyot__my_read_row(c, &groups[at].row);
    }
    eyot__my_end(c);
    return r;
}

static eyot_status apply(eyot__my_connection *c, group *g, const eyot_commit *commit, eyot_error *e)
{
    bool waits = false;
    eyot_run_row *row = &g->row;
    g->changed = true;
    if (commit->n_entries) {
        row->head = commit->head + commit->n_entries;
        row->steps = commit->entries[commit->n_entries - 1].step;
        row->crc = commit->crc;
        row->attempts = 0;
    }
    if (commit->snapshot_seq) row->snapshot_seq = commit->snapshot_seq;
    row->status = commit->status;
    row->updated_ms = row->now_ms;
    row->due_ms = eyot__store_due_ms(row->now_ms, commit);
    eyot_status r = finish_messages(c, commit, e);
    if (r || commit->lease_ms) return r;
    row->owner.n = 0;
    if (row->attempts) row->attempts--;
    if (commit->status != EYOT_RUN_SUSPENDED) return EYOT_OK;
    /* A message that came while the run was held must wake it. */
    eyot__my_begin(c, EYOT__MY_MESSAGE_WAITS, 1);
    eyot__my_run_id(c, commit->run);
    r = eyot__my_one(c, &waits, e);
    if (waits) row->due_ms = row->now_ms;
    return r;
}

/* Whether the transaction whose reply was lost was heard: the newest of what it would have written is there. */
static bool was_heard(const job *j, const group *g)
{
    for (size_t i = g->n; g->found && i-- > 0;) {
        size_t at = j->order[g->first + i];
        if (j->sent[at] == EYOT_OK && j->commits[at].n_entries)
            return eyot__store_verdict(&g->row, &j->commits[at]) == EYOT_EALREADY;
    }
    return false;
}

static eyot_status judge_group(eyot__my_connection *c, job *j, group *g, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    bool heard = c->unsure && j->was_sent && was_heard(j, g);
    for (size_t i = 0; i < g->n && !r; i++) {
        size_t at = j->order[g->first + i];
        eyot_commit *commit = &j->commits[at];
        commit->result = heard ? j->sent[at] : verdict_of(j, c, g->found, &g->row, commit);
        if (heard || commit->result != EYOT_OK || eyot__store_verdict(&g->row, commit) != EYOT_OK) continue;
        j->accepted[j->n_accepted++] = commit;
        r = apply(c, g, commit, e);
    }
    return r;
}

static void write_row(eyot__my_connection *c, const group *g)
{
    const eyot_run_row *row = &g->row;
    bool held = row->owner.n != 0, parked = row->status == EYOT_RUN_DONE || (!held && row->due_ms == INT64_MAX);
    eyot__my_number(c, g->shard);
    eyot__my_bytes(c, g->run);
    eyot__my_number(c, row->head);
    eyot__my_number(c, row->steps);
    eyot__my_number(c, row->snapshot_seq);
    eyot__my_number(c, row->status);
    eyot__my_number(c, parked ? EYOT__MYSQL_PARKED : held ? EYOT__MYSQL_HELD : EYOT__MYSQL_WAITING);
    eyot__my_signed(c, held ? 0 : -(int64_t)row->priority);
    eyot__my_signed(c, held ? row->due_ms | EYOT__MYSQL_SLOT : row->due_ms);
    eyot__my_number(c, held);
    eyot__my_number(c, row->attempts);
    eyot__my_number(c, row->crc);
    eyot__my_signed(c, row->due_ms);
    eyot__my_signed(c, row->updated_ms);
}

/* The rows that have changed; the last one fills up the statement. */
static eyot_status write_rows(eyot__my_connection *c, const job *j, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < j->n_groups && !r;) {
        const group *changed[EYOT__MYSQL_ROWS];
        size_t n = 0;
        for (; i < j->n_groups && n < EYOT__MYSQL_ROWS; i++)
            if (j->groups[i].changed) changed[n++] = &j->groups[i];
        if (n == 0) break;
        size_t times = eyot__my_begin(c, EYOT__MY_WRITE_RUNS, n);
        for (size_t k = 0; k < times; k++) write_row(c, changed[k < n ? k : n - 1]);
        r = eyot__my_run(c, e);
    }
    return r;
}

static eyot_status commit_many(eyot__my_connection *c, void *arg, eyot_error *e)
{
    job *j = arg;
    eyot_status r = EYOT_OK;
    j->n_accepted = 0;
    for (size_t i = 0; i < j->n_groups && !r; i += EYOT__MYSQL_ROWS)
        r = lock_rows(c, j->groups + i, j->n_groups - i < EYOT__MYSQL_ROWS ? j->n_groups - i : EYOT__MYSQL_ROWS, e);
    for (size_t i = 0; i < j->n_groups && !r; i++) r = judge_group(c, j, &j->groups[i], e);
    if (r) return r;
    if (j->n_accepted == 0) return eyot__my_text(c, "ROLLBACK", e);
    r = eyot__my_add_entries(c, j->accepted, j->n_accepted, e);
    for (size_t i = 0; i < j->n_accepted && !r; i++) r = eyot__my_add_events(c, j->accepted[i], e);
    if (!r) r = write_rows(c, j, e);
    if (r) return r;
    for (size_t i = 0; i < j->n; i++) j->sent[i] = j->commits[i].result;
    j->was_sent = true;
    return eyot__my_commit(c, e);
}

/* ---- the slot --------------------------------------------------------------------------------------------------- */

static eyot_status commit_sorted(eyot__mysql *s, job *j, eyot_error *e)
{
    size_t n = j->n;
    eyot_status r = EYOT_ENOMEM;
    j->order = calloc(2 * n, sizeof *j->order);
    j->groups = calloc(n, sizeof *j->groups);
    j->accepted = calloc(n, sizeof *j->accepted);
    j->sent = calloc(n, sizeof *j->sent);
    if (j->order && j->groups && j->accepted && j->sent) {
        for (size_t i = 0; i < n; i++) j->order[i] = i;
        sort_order(j->commits, j->order, n, j->order + n);
        make_groups(j);
        r = eyot__my_do(s, true, commit_many, j, e);
    } else {
        eyot_error_set(e, r, "no memory for %zu commits", n);
    }
    free(j->order);
    free(j->groups);
    free(j->accepted);
    free(j->sent);
    return r;
}

eyot_status eyot__mysql_commit(void *self, eyot_commit *commits, size_t n, eyot_error *e)
{
    eyot__mysql *s = self;
    job j = {.commits = commits, .n = n};
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < n && !r; i++) r = eyot__my_check_commit(s, &commits[i], e);
    if (r || n == 0) return r;
    if (n > 1 || commits->lease_ms == 0) return commit_sorted(s, &j, e);
    bool alone = commits->n_entries + commits->n_events + commits->n_inbox_done == 0;
    return eyot__my_do(s, !alone, commit_one, &j, e);
}
