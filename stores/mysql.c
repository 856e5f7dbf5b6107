/* SPDX-License-Identifier: MIT */
/* The MySQL store: its required slots but for commits. Runs are found without locks; who may have one is decided by an update
 * of its one row that names all that was read. Results are taken whole before anybody is told of them: a callback
 * holds up no server, and trying again tells nothing twice. */
#include "stores/mysql.h"

#include "core/clock.h"
#include "core/hash.h"
#include "core/random.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The statements have these as numbers. */
static_assert(EYOT_ENTRY_SNAPSHOT == 7 && EYOT__MYSQL_SLOT == 8191 && EYOT__MYSQL_CANDIDATES == 16, "mysql.h");

/* ---- rows ------------------------------------------------------------------------------------------------------- */

uint32_t eyot__my_shard(eyot_bytes id)
{
    return eyot__crc32c(0, id.p, id.n) % EYOT__MYSQL_SHARDS;
}

void eyot__my_run_id(eyot__my_connection *c, eyot_bytes id)
{
    eyot__my_number(c, eyot__my_shard(id));
    eyot__my_bytes(c, id);
}

void eyot__my_due(eyot__my_connection *c, uint64_t lease_ms, int64_t due_in_ms, uint32_t status)
{
    int64_t in = lease_ms ? (lease_ms < INT64_MAX ? (int64_t)lease_ms : INT64_MAX) : due_in_ms;
    bool never = in > INT64_MAX / 2 || (!lease_ms && status == EYOT_RUN_DONE);
    eyot__my_number(c, never);
    eyot__my_signed(c, never ? 0 : in);
}

void eyot__my_read_row(const eyot__my_connection *c, eyot_run_row *row)
{
    const eyot__my_column *at = c->columns;
    memset(row, 0, sizeof *row);
    row->run = at[0].bytes;
    row->graph = at[1].bytes;
    row->fingerprint = at[2].bytes;
    row->origin = at[3].bytes;
    row->queue = at[4].bytes;
    row->owner = at[5].bytes;
    if (at[6].bytes.n) memcpy(row->token, at[6].bytes.p, at[6].bytes.n < 16 ? at[6].bytes.n : 16);
    row->epoch = at[7].number;
    row->head = at[8].number;
    row->steps = at[9].number;
    row->snapshot_seq = at[10].number;
    row->status = (uint32_t)at[11].number;
    row->attempts = (uint32_t)at[12].number;
    row->priority = (int32_t)(int64_t)at[13].number;
    row->crc = (uint32_t)at[14].number;
    row->due_ms = (int64_t)at[15].number;
    row->created_ms = (int64_t)at[16].number;
    row->updated_ms = (int64_t)at[17].number;
    row->now_ms = (int64_t)at[18].number;
}

eyot_status eyot__my_no_run(eyot_bytes id, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ENOTFOUND, "there is no run " EYOT__ID, EYOT__ID_ARGS(id));
}

static eyot_status find_row(eyot__my_connection *c, eyot_bytes id, eyot_run_row *row, bool *found, eyot_error *e)
{
    eyot__my_begin(c, EYOT__MY_ROW, 1);
    eyot__my_run_id(c, id);
    eyot_status r = eyot__my_one(c, found, e);
    if (!r && *found) eyot__my_read_row(c, row);
    return r;
}

/* ---- creating --------------------------------------------------------------------------------------------------- */

typedef struct creation {
    const eyot_run_row *row;
    eyot_bytes source;
    eyot_commit first;
    bool sent; /* a COMMIT went out */
} creation;

static eyot_status exists(const eyot_run_row *row, eyot_error *e)
{
    return eyot_error_set(e, EYOT_EEXIST, "run " EYOT__ID " exists already", EYOT__ID_ARGS(row->run));
}

static eyot_status add_run(eyot__my_connection *c, const creation *k, eyot_error *e)
{
    const eyot_run_row *row = k->row;
    const eyot_commit *first = &k->first;
    bool held = first->lease_ms != 0, never = first->due_in_ms > INT64_MAX / 2 && !held;
    bool parked = first->status == EYOT_RUN_DONE || never;
    eyot__my_begin(c, EYOT__MY_ADD_RUN, 1);
    eyot__my_run_id(c, row->run);
    eyot__my_bytes(c, row->graph);
    eyot__my_bytes(c, row->fingerprint);
    eyot__my_bytes(c, row->origin);
    eyot__my_bytes(c, row->queue);
    eyot__my_bytes(c, held ? row->owner : eyot__bytes(NULL, 0));
    eyot__my_bytes(c, eyot__bytes(row->token, sizeof row->token));
    eyot__my_number(c, first->n_entries);
    eyot__my_number(c, first->n_entries ? first->entries[first->n_entries - 1].step : 0);
    eyot__my_number(c, first->snapshot_seq);
    eyot__my_number(c, first->status);
    eyot__my_signed(c, row->priority);
    eyot__my_number(c, first->n_entries ? first->crc : 0);
    eyot__my_number(c, parked ? EYOT__MYSQL_PARKED : held ? EYOT__MYSQL_HELD : EYOT__MYSQL_WAITING);
    eyot__my_signed(c, held ? 0 : -(int64_t)row->priority);
    eyot__my_due(c, first->lease_ms, first->due_in_ms, first->status);
    eyot__my_number(c, held ? EYOT__MYSQL_SLOT : 0);
    eyot__my_due(c, first->lease_ms, first->due_in_ms, first->status);
    eyot__my_run_id(c, row->run);
    return eyot__my_run(c, e);
}

static eyot_status add_graph(eyot__my_connection *c, const creation *k, eyot_error *e)
{
    bool found;
    eyot_bytes fingerprint = k->row->fingerprint;
    eyot__my_begin(c, EYOT__MY_HAS_GRAPH, 1);
    eyot__my_run_id(c, fingerprint);
    eyot_status r = eyot__my_one(c, &found, e);
    if (r || found) return r;
    eyot__my_begin(c, EYOT__MY_ADD_GRAPH, 1);
    eyot__my_run_id(c, fingerprint);
    eyot__my_bytes(c, k->source);
    return eyot__my_run(c, e);
}

/* The id is taken: by this very call, whose answer was lost? */
static eyot_status judge_taken(eyot__my_connection *c, const creation *k, eyot_error *e)
{
    bool found;
    eyot_run_row row;
    if (!c->unsure || !k->sent) return exists(k->row, e);
    eyot_status r = find_row(c, k->row->run, &row, &found, e);
    if (r) return r;
    bool mine = found && memcmp(row.token, k->row->token, sizeof row.token) == 0 && row.epoch == 1 &&
                row.head == k->first.n_entries && (row.head == 0 || row.crc == k->first.crc);
    c->trouble = EYOT__TROUBLE_NONE;
    return mine ? eyot__my_text(c, "ROLLBACK", e) : exists(k->row, e);
}

static eyot_status create(eyot__my_connection *c, void *arg, eyot_error *e)
{
    creation *k = arg;
    const eyot_commit *first = &k->first;
    eyot_status r = add_run(c, k, e);
    if (r && c->error == 1062) return judge_taken(c, k, e);
    if (!r && c->matched == 0) r = exists(k->row, e); /* the tombstone stands */
    if (!r) r = add_graph(c, k, e);
    if (!r) r = eyot__my_add_entries(c, &first, 1, e);
    if (!r) r = eyot__my_add_events(c, first, e);
    if (r) return r;
    k->sent = true;
    return eyot__my_commit(c, e);
}

static eyot_status check_name(const eyot_run_row *row, const char *what, eyot_bytes name, eyot_error *e)
{
    if (name.n <= EYOT__MYSQL_NAME) return EYOT_OK;
    return eyot_error_set(e, EYOT_ELIMIT, "run " EYOT__ID ": %s of %zu bytes is more than the %d a MySQL store takes",
                          EYOT__ID_ARGS(row->run), what, name.n, EYOT__MYSQL_NAME);
}

static eyot_status mysql_create_run(void *self, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                                    eyot_error *e)
{
    eyot__mysql *s = self;
    creation k = {.row = row, .source = source, .first = *first};
    k.first.run = row->run;
    k.first.head = 0;
    if (!row->owner.n) k.first.lease_ms = 0;
    eyot_status r = eyot__my_check_commit(s, &k.first, e);
    if (!r) r = eyot__my_check_size(s, row->run, "a graph", source.n, e);
    if (!r) r = check_name(row, "a graph's name", row->graph, e);
    if (!r) r = check_name(row, "a fingerprint", row->fingerprint, e);
    if (!r) r = check_name(row, "an origin", row->origin, e);
    if (!r) r = check_name(row, "a queue", row->queue, e);
    if (!r) r = check_name(row, "an owner", row->owner, e);
    return r ? r : eyot__my_do(s, true, create, &k, e);
}

/* ---- claiming --------------------------------------------------------------------------------------------------- */

typedef struct claiming {
    const eyot_claim *claim;
    eyot_run_row row; /* the run's, if `known`; its strings are in memory */
    char *memory;
    bool known;
    eyot_status verdict;
    uint64_t sent_epoch; /* what our update would have made the row's; 0: none was sent */
} claiming;

static eyot_status keep_row(claiming *k, const eyot_run_row *row, eyot_error *e)
{
    free(k->memory);
    k->row = *row;
    k->known = true;
    return eyot__store_own_row(&k->row, &k->memory, e);
}

/* Takes the run of k->row if it still is as it was read. */
static eyot_status take_run(eyot__my_connection *c, claiming *k, bool *taken, eyot_error *e)
{
    const eyot_claim *claim = k->claim;
    eyot_run_row *row = &k->row;
    eyot_commit lease = {.lease_ms = claim->lease_ms};
    int64_t due = eyot__store_due_ms(row->now_ms, &lease);
    eyot__my_begin(c, EYOT__MY_CLAIM, 1);
    eyot__my_bytes(c, claim->owner);
    eyot__my_bytes(c, eyot__bytes(claim->token, sizeof claim->token));
    eyot__my_number(c, EYOT_RUN_RUNNING);
    eyot__my_signed(c, due | EYOT__MYSQL_SLOT);
    eyot__my_signed(c, due);
    eyot__my_signed(c, row->now_ms);
    eyot__my_run_id(c, row->run);
    eyot__my_number(c, row->epoch);
    eyot__my_number(c, row->head);
    eyot__my_number(c, row->status);
    eyot__my_signed(c, row->due_ms);
    eyot__my_signed(c, row->updated_ms);
    eyot__my_bytes(c, row->owner);
    k->sent_epoch = row->epoch + 1;
    eyot_status r = eyot__my_run(c, e);
    *taken = !r && c->matched > 0;
    if (!*taken) return r;
    row->owner = claim->owner;
    memcpy(row->token, claim->token, sizeof row->token);
    row->epoch++;
    row->attempts++;
    row->status = EYOT_RUN_RUNNING;
    row->due_ms = due;
    row->updated_ms = row->now_ms;
    return EYOT_OK;
}

static eyot_status claim_by_id(eyot__my_connection *c, claiming *k, eyot_error *e)
{
    bool found, taken = false;
    eyot_run_row row;
    eyot_status r = EYOT_OK;
    k->verdict = EYOT_OK;
    while (!r && !k->verdict && !taken) {
        r = find_row(c, k->claim->run, &row, &found, e);
        k->known = false;
        if (!r && found) r = keep_row(k, &row, e);
        if (r) break;
        k->verdict = eyot__store_judge_claim(k->claim, found ? &k->row : NULL, k->row.now_ms, e);
        if (!k->verdict) r = take_run(c, k, &taken, e);
        if (!r && !k->verdict && !taken && eyot__now_ns() >= c->deadline_ns)
            r = eyot_error_set(e, EYOT_EIO, "%s: run " EYOT__ID " changes all the time", c->store->shown,
                               EYOT__ID_ARGS(k->claim->run));
    }
    return r;
}

/* An update whose answer was lost: was it done? */
static eyot_status was_taken(eyot__my_connection *c, claiming *k, bool *taken, eyot_error *e)
{
    bool found;
    eyot_run_row row;
    *taken = false;
    if (!c->unsure || !k->sent_epoch) return EYOT_OK;
    eyot_status r = find_row(c, k->row.run, &row, &found, e);
    if (r || !found) return r;
    *taken = row.epoch == k->sent_epoch && memcmp(row.token, k->claim->token, sizeof row.token) == 0 &&
             eyot__bytes_equal(row.owner, k->claim->owner);
    return *taken ? keep_row(k, &row, e) : EYOT_OK;
}

/* Runs that may be due: of one state and one -priority. */
typedef struct bin {
    uint64_t state;
    int64_t place;
} bin;

enum { BINS = 500 };

/* Those of a queue in which something is due, in order. An index tells the earliest of each. */
static eyot_status find_bins(eyot__my_connection *c, const eyot_claim *claim, bin *bins, size_t *n, int64_t *now,
                             eyot_error *e)
{
    bool more = true;
    *n = 0;
    eyot__my_begin(c, EYOT__MY_SCAN, 1);
    eyot__my_bytes(c, claim->queue);
    eyot_status r = eyot__my_run(c, e);
    while (!r && more) {
        r = eyot__my_fetch(c, &more, e);
        if (r || !more) break;
        bin b = {c->columns[0].number, (int64_t)c->columns[1].number};
        int64_t slot = (int64_t)c->columns[2].number;
        *now = (int64_t)c->columns[3].number;
        bool due = slot <= (b.state == EYOT__MYSQL_HELD ? *now | EYOT__MYSQL_SLOT : *now);
        if (due && *n < BINS) bins[(*n)++] = b;
    }
    eyot__my_end(c);
    return r;
}

typedef struct candidates {
    eyot_run_row rows[EYOT__MYSQL_CANDIDATES];
    char *memory[EYOT__MYSQL_CANDIDATES];
    size_t n;
} candidates;

static eyot_status find_candidates(eyot__my_connection *c, const eyot_claim *claim, bin b, int64_t now, candidates *out,
                                   eyot_error *e)
{
    bool held = b.state == EYOT__MYSQL_HELD, more = true, of = claim->n_graphs != 0;
    eyot__my_sql sql = held ? of ? EYOT__MY_LOST_OF : EYOT__MY_LOST : of ? EYOT__MY_READY_OF : EYOT__MY_READY;
    size_t times = eyot__my_begin(c, sql, of ? claim->n_graphs : 1);
    eyot__my_bytes(c, claim->queue);
    eyot__my_signed(c, b.place);
    eyot__my_signed(c, held ? now | EYOT__MYSQL_SLOT : now);
    for (size_t i = 0; of && i < times; i++)
        eyot__my_bytes(c, claim->graphs[i < claim->n_graphs ? i : claim->n_graphs - 1]);
    out->n = 0;
    eyot_status r = eyot__my_run(c, e);
    while (!r && more && out->n < EYOT__MYSQL_CANDIDATES) {
        r = eyot__my_fetch(c, &more, e);
        if (r || !more) break;
        eyot__my_read_row(c, &out->rows[out->n]);
        r = eyot__store_own_row(&out->rows[out->n], &out->memory[out->n], e);
        if (!r) out->n++;
    }
    eyot__my_end(c);
    return r;
}

static bool is_crowded(eyot__mysql *s, int change)
{
    pthread_mutex_lock(&s->lock);
    bool crowded = s->crowded > 0;
    if (change > 0) s->crowded = 16;
    if (change < 0 && crowded) s->crowded--;
    pthread_mutex_unlock(&s->lock);
    return crowded;
}

/* The first candidate is the one whose turn it is. Where others have lately been faster, any will do: of claimers that all
 * want the first, one gets it. */
static eyot_status take_candidate(eyot__my_connection *c, claiming *k, candidates *found, bool *taken, bool *raced,
                                  eyot_error *e)
{
    uint32_t random = 0;
    eyot_status r = EYOT_OK;
    bool any = is_crowded(c->store, -1);
    for (int tries = 0; tries < 3 && found->n && !r && !*taken; tries++) {
        eyot__random_bytes(&random, sizeof random);
        size_t i = any ? random % found->n : 0;
        free(k->memory);
        k->memory = found->memory[i];
        k->row = found->rows[i];
        k->known = true;
        found->n--;
        found->rows[i] = found->rows[found->n];
        found->memory[i] = found->memory[found->n];
        r = take_run(c, k, taken, e);
        if (r || *taken) break;
        *raced = any = true;
        is_crowded(c->store, 1);
    }
    return r;
}

static eyot_status claim_next(eyot__my_connection *c, claiming *k, eyot_error *e)
{
    bin bins[BINS];
    bool taken = false, raced = true;
    eyot_status r = EYOT_OK;
    while (!r && !taken && raced && eyot__now_ns() < c->deadline_ns) {
        size_t n = 0;
        int64_t now = 0;
        raced = false;
        r = find_bins(c, k->claim, bins, &n, &now, e);
        for (size_t i = 0; i < n && !r && !taken && !raced; i++) {
            candidates found = {.n = 0};
            r = find_candidates(c, k->claim, bins[i], now, &found, e);
            if (!r) r = take_candidate(c, k, &found, &taken, &raced, e);
            while (found.n) free(found.memory[--found.n]);
        }
    }
    if (r || taken) return r;
    k->known = false;
    k->verdict = eyot__store_judge_claim(k->claim, NULL, 0, e);
    return EYOT_OK;
}

static eyot_status claim(eyot__my_connection *c, void *arg, eyot_error *e)
{
    claiming *k = arg;
    bool taken;
    eyot_status r = was_taken(c, k, &taken, e);
    if (r || taken) return r;
    return k->claim->run.n ? claim_by_id(c, k, e) : claim_next(c, k, e);
}

static eyot_status mysql_claim(void *self, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    claiming k = {.claim = c};
    if (c->n_graphs > EYOT__MYSQL_MOST)
        return eyot_error_set(e, EYOT_ELIMIT, "a claim for %zu graphs: a MySQL store takes up to %d", c->n_graphs,
                              EYOT__MYSQL_MOST);
    if (c->owner.n > EYOT__MYSQL_NAME)
        return eyot_error_set(e, EYOT_ELIMIT, "an owner of %zu bytes is more than the %d a MySQL store takes",
                              c->owner.n, EYOT__MYSQL_NAME);
    eyot_status r = eyot__my_do(self, false, claim, &k, e);
    if (!r) r = k.verdict;
    if (k.known && (!r || r == EYOT_EBUSY || r == EYOT_EALREADY)) {
        eyot_status told = fn(arg, &k.row);
        if (told) r = told;
    }
    free(k.memory);
    return r;
}

/* ---- reading rows ----------------------------------------------------------------------------------------------- */

typedef struct reading {
    eyot_bytes id;
    eyot_row_fn fn;
    void *arg;
    eyot_buf *out;
} reading;

static eyot_status get_run(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const reading *k = arg;
    bool found;
    eyot_run_row row;
    eyot_status r = find_row(c, k->id, &row, &found, e);
    if (r) return r;
    return found ? k->fn(k->arg, &row) : eyot__my_no_run(k->id, e);
}

static eyot_status mysql_get_run(void *self, eyot_bytes id, eyot_row_fn fn, void *arg, eyot_error *e)
{
    reading k = {.id = id, .fn = fn, .arg = arg};
    return eyot__my_do(self, false, get_run, &k, e);
}

static eyot_status get_graph(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const reading *k = arg;
    bool found;
    eyot__my_begin(c, EYOT__MY_GRAPH, 1);
    eyot__my_run_id(c, k->id);
    eyot_status r = eyot__my_one(c, &found, e);
    if (r) return r;
    if (!found) return eyot_error_set(e, EYOT_ENOTFOUND, "there is no graph " EYOT__ID, EYOT__ID_ARGS(k->id));
    return eyot_buf_add(k->out, c->columns[0].bytes.p, c->columns[0].bytes.n);
}

static eyot_status mysql_get_graph(void *self, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    reading k = {.id = fingerprint, .out = source};
    return eyot__my_do(self, false, get_graph, &k, e);
}

enum { PAGE = 1000 };

/* Where a list has got to: what was told is not told again. */
typedef struct listing {
    const eyot_run_filter *filter;
    uint64_t left;
    eyot_row_fn fn;
    void *arg;
    eyot_buf *next;
    int64_t created_ms;
    char id[128];
    size_t id_len;
    bool told;
} listing;

static void ask_page(eyot__my_connection *c, const listing *k, uint64_t rows)
{
    const eyot_run_filter *f = k->filter;
    eyot__my_begin(c, EYOT__MY_LIST, 1);
    eyot__my_signed(c, k->created_ms);
    eyot__my_signed(c, f->since_ms ? f->since_ms : INT64_MIN);
    eyot__my_signed(c, k->created_ms);
    eyot__my_bytes(c, eyot__bytes(k->id, k->id_len));
    eyot__my_number(c, f->status);
    eyot__my_number(c, f->status);
    eyot__my_number(c, f->graph.n);
    eyot__my_bytes(c, f->graph);
    eyot__my_number(c, f->prefix.n);
    eyot__my_bytes(c, f->prefix);
    eyot__my_number(c, rows);
}

static eyot_status tell_run(const eyot__my_connection *c, listing *k)
{
    eyot_run_row row;
    eyot__my_read_row(c, &row);
    k->left--;
    k->told = true;
    k->created_ms = row.created_ms;
    k->id_len = row.run.n < sizeof k->id ? row.run.n : sizeof k->id;
    memcpy(k->id, row.run.p, k->id_len);
    return k->fn(k->arg, &row);
}

/* One row more than asked for tells whether there is a next page. */
static eyot_status list_runs(eyot__my_connection *c, void *arg, eyot_error *e)
{
    listing *k = arg;
    eyot_status r = EYOT_OK;
    for (bool page_full = true; page_full && !r;) {
        uint64_t want = k->left + 1 < PAGE ? k->left + 1 : PAGE, got = 0;
        bool more = true;
        ask_page(c, k, want);
        r = eyot__my_run(c, e);
        while (!r && more) {
            r = eyot__my_fetch(c, &more, e);
            if (r || !more) break;
            got++;
            if (k->left == 0) {
                if (k->told) r = eyot__cursor_print(k->next, k->created_ms, eyot__bytes(k->id, k->id_len));
                eyot__my_end(c);
                return r;
            }
            r = tell_run(c, k);
        }
        eyot__my_end(c);
        page_full = got == want;
    }
    return r;
}

static eyot_status mysql_list_runs(void *self, const eyot_run_filter *f, eyot_bytes cursor, uint32_t limit,
                                   eyot_row_fn fn, void *arg, eyot_buf *next, eyot_error *e)
{
    eyot_bytes id = {NULL, 0};
    listing k = {.filter = f, .left = limit, .fn = fn, .arg = arg, .next = next, .created_ms = INT64_MAX};
    if (cursor.n && (!eyot__cursor_parse(cursor, &k.created_ms, &id) || id.n > sizeof k.id))
        return eyot_error_set(e, EYOT_EINVAL, "the cursor for the list of runs is malformed");
    if (id.n) memcpy(k.id, id.p, id.n);
    k.id_len = id.n;
    return eyot__my_do(self, false, list_runs, &k, e);
}

/* ---- reading logs ----------------------------------------------------------------------------------------------- */

/* What is left to be told of a log. */
typedef struct log_job {
    eyot_bytes id;
    uint64_t from, to, left;
    int64_t created_ms; /* of the run: another one of this id has other entries */
    bool opened, latest, with_bodies;
    eyot_entry_fn fn;
    void *arg;
} log_job;

static eyot_status gap(const log_job *k, uint64_t seq, eyot_error *e)
{
    return eyot_error_set(e, k->latest ? EYOT_ECORRUPT : EYOT_ENOTFOUND, "run " EYOT__ID ": entry %llu is %s",
                          EYOT__ID_ARGS(k->id), (unsigned long long)seq, k->latest ? "lost" : "no longer there");
}

static eyot_status surplus(const log_job *k, uint64_t seq, uint64_t head, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ECORRUPT,
                          "run " EYOT__ID ": entry %llu is there, but its row says that %llu is the last",
                          EYOT__ID_ARGS(k->id), (unsigned long long)seq, (unsigned long long)head);
}

/* From the columns that begin with seq. */
static eyot_entry read_entry(const eyot__my_column *at, bool with_body)
{
    eyot_entry entry = {.seq = at[0].number, .step = at[1].number, .kind = (eyot_entry_kind)at[2].number};
    entry.key = at[3].bytes;
    if (with_body) entry.body = at[4].bytes;
    return entry;
}

/* The row and the tail of the log in one statement, which sees one state of both. */
static eyot_status load_tail(eyot__my_connection *c, const log_job *k, bool *any, eyot_error *e)
{
    bool more = false;
    eyot__my_begin(c, EYOT__MY_LATEST, 1);
    eyot__my_run_id(c, k->id);
    eyot_status r = eyot__my_run(c, e);
    if (!r) r = eyot__my_fetch(c, &more, e);
    *any = more;
    uint64_t head = more ? c->columns[0].number : 0, from = more && c->columns[1].number ? c->columns[1].number : 1;
    while (!r && more) {
        eyot_entry entry = read_entry(c->columns + 2, true);
        r = entry.seq > head    ? surplus(k, entry.seq, head, e)
            : entry.seq == from ? k->fn(k->arg, &entry)
                                : gap(k, from, e);
        from++;
        if (!r) r = eyot__my_fetch(c, &more, e);
    }
    eyot__my_end(c);
    return r || from > head ? r : gap(k, from, e);
}

static eyot_status load_latest(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const log_job *k = arg;
    bool any = false, found;
    eyot_run_row row;
    eyot_status r = load_tail(c, k, &any, e);
    if (r || any) return r;
    r = find_row(c, k->id, &row, &found, e);
    if (!r && !found) r = eyot__my_no_run(k->id, e);
    if (r || row.head == 0) return r;
    /* It has got its first entry meanwhile, or has lost all. */
    r = load_tail(c, k, &any, e);
    return r || any ? r : gap(k, row.snapshot_seq ? row.snapshot_seq : 1, e);
}

/* The run's head, and from where on its log is needed to know it as of `to`. */
static eyot_status open_log(eyot__my_connection *c, log_job *k, uint64_t *head, uint64_t *snapshot_seq, eyot_error *e)
{
    bool found;
    eyot__my_begin(c, EYOT__MY_AS_OF, 1);
    eyot__my_run_id(c, k->id);
    eyot__my_number(c, k->to);
    eyot__my_run_id(c, k->id);
    eyot_status r = eyot__my_one(c, &found, e);
    if (r) return r;
    if (!found) return eyot__my_no_run(k->id, e);
    *head = c->columns[0].number;
    k->created_ms = (int64_t)c->columns[1].number;
    *snapshot_seq = c->columns[2].number;
    return EYOT_OK;
}

/* One page of entries; *n: how many there were. */
static eyot_status tell_entries(eyot__my_connection *c, log_job *k, bool no_gap, uint64_t limit, uint64_t *n,
                                eyot_error *e)
{
    bool more = true;
    *n = 0;
    eyot__my_begin(c, k->with_bodies ? EYOT__MY_ENTRIES : EYOT__MY_ENTRY_HEADS, 1);
    eyot__my_run_id(c, k->id);
    eyot__my_signed(c, k->created_ms);
    eyot__my_number(c, k->from);
    eyot__my_number(c, k->to);
    eyot__my_number(c, limit);
    eyot_status r = eyot__my_run(c, e);
    while (!r && more) {
        r = eyot__my_fetch(c, &more, e);
        if (r || !more) break;
        eyot_entry entry = read_entry(c->columns, k->with_bodies);
        if (no_gap && entry.seq != k->from) {
            r = gap(k, k->from, e);
            break;
        }
        ++*n;
        k->from = entry.seq + 1;
        r = k->fn(k->arg, &entry);
    }
    eyot__my_end(c);
    return r;
}

static eyot_status load_as_of(eyot__my_connection *c, void *arg, eyot_error *e)
{
    log_job *k = arg;
    uint64_t head = 0, snapshot_seq = 0, n;
    eyot_status r = EYOT_OK;
    if (!k->opened) {
        r = open_log(c, k, &head, &snapshot_seq, e);
        if (!r && (k->to == 0 || k->to > head))
            r = eyot_error_set(e, EYOT_ENOTFOUND, "run " EYOT__ID " has no entry %llu", EYOT__ID_ARGS(k->id),
                               (unsigned long long)k->to);
        k->opened = !r;
        k->from = snapshot_seq ? snapshot_seq : 1;
    }
    while (!r && k->from <= k->to) {
        r = tell_entries(c, k, true, 64, &n, e);
        if (!r && n == 0) r = gap(k, k->from, e);
    }
    return r;
}

static eyot_status mysql_load(void *self, eyot_bytes id, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    bool latest = seq == UINT64_MAX;
    log_job k = {.id = id, .to = seq, .latest = latest, .with_bodies = true, .fn = fn, .arg = arg};
    return eyot__my_do(self, false, latest ? load_latest : load_as_of, &k, e);
}

static eyot_status list_entries(eyot__my_connection *c, void *arg, eyot_error *e)
{
    log_job *k = arg;
    uint64_t snapshot_seq, n = 1, page = k->with_bodies ? 64 : PAGE;
    eyot_status r = k->opened ? EYOT_OK : open_log(c, k, &k->to, &snapshot_seq, e);
    k->opened = k->opened || !r;
    while (!r && n && k->left && k->from <= k->to) {
        r = tell_entries(c, k, false, k->left < page ? k->left : page, &n, e);
        k->left -= n;
    }
    return r;
}

static eyot_status mysql_list_entries(void *self, eyot_bytes id, uint64_t from, uint32_t limit, bool with_bodies,
                                      eyot_entry_fn fn, void *arg, eyot_error *e)
{
    log_job k = {.id = id, .from = from, .left = limit, .with_bodies = with_bodies, .fn = fn, .arg = arg};
    return eyot__my_do(self, false, list_entries, &k, e);
}

static eyot_status tell_info(void *self, eyot_store_info *out, eyot_error *e)
{
    const eyot__mysql *s = self;
    (void)e;
    out->durability = s->durability;
    out->max_body = s->max_body;
    snprintf(out->backend, sizeof out->backend, "mysql");
    snprintf(out->version, sizeof out->version, "%s", s->version);
    snprintf(out->reasons, sizeof out->reasons, "%s", s->reasons);
    snprintf(out->advice, sizeof out->advice, "%s", s->advice);
    return EYOT_OK;
}

const eyot_store_ops eyot__mysql_ops = {
    .size = sizeof(eyot_store_ops),
    .abi = EYOT_STORE_ABI,
    .create_run = mysql_create_run,
    .get_run = mysql_get_run,
    .list_runs = mysql_list_runs,
    .get_graph = mysql_get_graph,
    .claim = mysql_claim,
    .commit = eyot__mysql_commit,
    .load = mysql_load,
    .list_entries = mysql_list_entries,
    .info = tell_info,
    .close = eyot__mysql_close,
    .post = eyot__mysql_post,
    .inbox = eyot__mysql_inbox,
    .outbox_read = eyot__mysql_outbox_read,
    .outbox_ack = eyot__mysql_outbox_ack,
    .kv_get = eyot__mysql_kv_get,
    .kv_cas = eyot__mysql_kv_cas,
    .prune = eyot__mysql_prune,
    .delete_run = eyot__mysql_delete_run,
};
