/* SPDX-License-Identifier: MIT */
/* The optional slots of the MySQL store: messages, events, values, pruning, deleting. Who changes what belongs to a run has
 * its row locked. */
#include "stores/mysql.h"

#include "core/hash.h"
#include "core/random.h"

#include <stdlib.h>
#include <string.h>

/* The row of a run, locked until the transaction ends. ENOTFOUND. */
static eyot_status lock_row(eyot__my_connection *c, eyot_bytes id, eyot_run_row *row, eyot_error *e)
{
    bool found;
    eyot__my_begin(c, EYOT__MY_LOCK, 1);
    eyot__my_run_id(c, id);
    eyot_status r = eyot__my_one(c, &found, e);
    if (r) return r;
    if (!found) return eyot__my_no_run(id, e);
    eyot__my_read_row(c, row);
    return EYOT_OK;
}

static eyot_status too_long(const char *what, size_t n, int most, eyot_error *e)
{
    return eyot_error_set(e, EYOT_ELIMIT, "%s of %zu bytes is more than the %d a MySQL store takes", what, n, most);
}

/* ---- messages --------------------------------------------------------------------------------------------------- */

typedef struct posting {
    eyot_bytes run, id, name, payload;
    uint32_t kind;
} posting;

static eyot_status add_message(eyot__my_connection *c, const posting *p, const eyot_run_row *row, eyot_error *e)
{
    bool found, wakes = row->status == EYOT_RUN_SUSPENDED && row->owner.n == 0;
    int64_t now = row->now_ms, place = -(int64_t)row->priority;
    eyot__my_begin(c, EYOT__MY_MESSAGES, 1);
    eyot__my_bytes(c, p->id);
    eyot__my_run_id(c, p->run);
    eyot_status r = eyot__my_one(c, &found, e);
    if (r || (found && c->columns[1].number)) return r;
    uint64_t last = found ? c->columns[0].number : 0;
    eyot__my_begin(c, EYOT__MY_ADD_MESSAGE, 1);
    eyot__my_run_id(c, p->run);
    eyot__my_number(c, last + 1);
    eyot__my_bytes(c, p->id);
    eyot__my_number(c, p->kind);
    eyot__my_bytes(c, p->name);
    eyot__my_bytes(c, p->payload);
    r = eyot__my_run(c, e);
    if (r || !wakes) return r;
    eyot__my_begin(c, EYOT__MY_WAKE, 1);
    eyot__my_signed(c, place);
    eyot__my_signed(c, now);
    eyot__my_signed(c, now);
    eyot__my_run_id(c, p->run);
    return eyot__my_run(c, e);
}

static eyot_status post(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const posting *p = arg;
    eyot_run_row row;
    eyot_status r = lock_row(c, p->run, &row, e);
    if (!r) r = add_message(c, p, &row, e);
    return r ? r : eyot__my_commit(c, e);
}

eyot_status eyot__mysql_post(void *self, eyot_bytes id, eyot_bytes message_id, uint32_t kind, eyot_bytes name,
                             eyot_bytes payload, eyot_error *e)
{
    posting p = {.run = id, .id = message_id, .name = name, .payload = payload, .kind = kind};
    if (message_id.n > EYOT__MYSQL_ID) return too_long("the id of a message", message_id.n, EYOT__MYSQL_ID, e);
    eyot_status r = eyot__my_check_size(self, id, "a message", name.n + payload.n, e);
    return r ? r : eyot__my_do(self, true, post, &p, e);
}

typedef struct inbox_job {
    eyot_bytes run;
    eyot_entry_fn fn;
    void *arg;
} inbox_job;

static eyot_status inbox(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const inbox_job *k = arg;
    bool more;
    eyot__my_begin(c, EYOT__MY_INBOX, 1);
    eyot__my_run_id(c, k->run);
    eyot_status r = eyot__my_run(c, e);
    if (!r) r = eyot__my_fetch(c, &more, e);
    if (!r && !more) r = eyot__my_no_run(k->run, e);
    while (!r && more && !c->columns[1].null) {
        eyot_entry entry = {.seq = c->columns[1].number,
                            .kind = (eyot_entry_kind)c->columns[2].number,
                            .key = c->columns[3].bytes,
                            .body = c->columns[4].bytes};
        r = k->fn(k->arg, &entry);
        if (!r) r = eyot__my_fetch(c, &more, e);
    }
    eyot__my_end(c);
    return r;
}

eyot_status eyot__mysql_inbox(void *self, eyot_bytes id, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    inbox_job k = {.run = id, .fn = fn, .arg = arg};
    return eyot__my_do(self, false, inbox, &k, e);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

/* Where a walk has got to: number and run of the last event told. */
typedef struct walk {
    uint64_t left;
    eyot_event_fn fn;
    void *arg;
    eyot_buf *next;
    int64_t no;
    char run[128];
    size_t run_len;
} walk;

static void ask_events(eyot__my_connection *c, const walk *k, uint64_t rows)
{
    eyot_bytes run = eyot__bytes(k->run, k->run_len);
    int64_t shard = k->run_len ? (int64_t)eyot__my_shard(run) : -1;
    eyot__my_begin(c, EYOT__MY_OUTBOX, 1);
    eyot__my_signed(c, shard);
    eyot__my_signed(c, shard);
    eyot__my_bytes(c, run);
    eyot__my_signed(c, shard);
    eyot__my_bytes(c, run);
    eyot__my_signed(c, k->no);
    eyot__my_number(c, rows);
}

static eyot_status tell_event(const eyot__my_connection *c, walk *k)
{
    const eyot__my_column *at = c->columns;
    eyot_event event = {.id = at[2].bytes, .topic = at[3].bytes, .payload = at[4].bytes};
    k->left--;
    k->no = (int64_t)at[1].number;
    k->run_len = at[0].bytes.n < sizeof k->run ? at[0].bytes.n : sizeof k->run;
    memcpy(k->run, at[0].bytes.p, k->run_len);
    return k->fn(k->arg, at[0].bytes, &event);
}

/* In pages; one event more than asked for tells whether there is more. */
static eyot_status outbox_read(eyot__my_connection *c, void *arg, eyot_error *e)
{
    enum { PAGE = 256 };
    walk *k = arg;
    eyot_status r = EYOT_OK;
    for (bool page_full = true; page_full && !r;) {
        uint64_t want = k->left + 1 < PAGE ? k->left + 1 : PAGE, got = 0;
        bool more = true;
        ask_events(c, k, want);
        r = eyot__my_run(c, e);
        while (!r && more) {
            r = eyot__my_fetch(c, &more, e);
            if (r || !more) break;
            got++;
            if (k->left == 0) {
                if (k->run_len) r = eyot__cursor_print(k->next, k->no, eyot__bytes(k->run, k->run_len));
                eyot__my_end(c);
                return r;
            }
            r = tell_event(c, k);
        }
        eyot__my_end(c);
        page_full = got == want;
    }
    return r;
}

eyot_status eyot__mysql_outbox_read(void *self, eyot_bytes cursor, uint32_t limit, eyot_event_fn fn, void *arg,
                                    eyot_buf *next, eyot_error *e)
{
    walk k = {.left = limit, .fn = fn, .arg = arg, .next = next};
    eyot_bytes run = {NULL, 0};
    if (cursor.n && (!eyot__cursor_parse(cursor, &k.no, &run) || run.n > sizeof k.run))
        return eyot_error_set(e, EYOT_EINVAL, "the cursor for the outbox is malformed");
    if (run.n) memcpy(k.run, run.p, run.n);
    k.run_len = run.n;
    return eyot__my_do(self, false, outbox_read, &k, e);
}

typedef struct acking {
    const eyot_bytes *ids;
    size_t n;
} acking;

/* The run that an event's id begins with; empty: it is none. */
static eyot_bytes run_of_event(eyot_bytes id)
{
    const char *slash = id.n ? memchr(id.p, '/', id.n) : NULL;
    return eyot__bytes(id.p, slash ? (size_t)(slash - (const char *)id.p) : 0);
}

static eyot_status outbox_ack(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const acking *k = arg;
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < k->n && !r;) {
        eyot_bytes ids[EYOT__MYSQL_ROWS];
        size_t n = 0;
        for (; i < k->n && n < EYOT__MYSQL_ROWS; i++)
            if (run_of_event(k->ids[i]).n) ids[n++] = k->ids[i];
        if (n == 0) break;
        size_t times = eyot__my_begin(c, EYOT__MY_ACK, n);
        for (size_t at = 0; at < times; at++) {
            eyot_bytes id = ids[at < n ? at : n - 1];
            eyot__my_run_id(c, run_of_event(id));
            eyot__my_bytes(c, id);
        }
        r = eyot__my_run(c, e);
    }
    return r;
}

eyot_status eyot__mysql_outbox_ack(void *self, const eyot_bytes *ids, size_t n, eyot_error *e)
{
    acking k = {ids, n};
    return eyot__my_do(self, false, outbox_ack, &k, e);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

typedef struct valuing {
    eyot_bytes ns, key, value;
    uint64_t version, fresh, ttl_ms; /* fresh: the version it gets, random, so that none is ever given twice */
    uint64_t *found;
    eyot_buf *out;
} valuing;

/* A run's notes lie where the run does. */
static uint32_t shard_of_ns(eyot_bytes ns)
{
    bool notes = ns.n > 4 && memcmp(ns.p, "run/", 4) == 0;
    return eyot__my_shard(notes ? eyot__bytes((const char *)ns.p + 4, ns.n - 4) : ns);
}

static void value_name(eyot__my_connection *c, const valuing *k)
{
    eyot__my_number(c, shard_of_ns(k->ns));
    eyot__my_bytes(c, k->ns);
    eyot__my_bytes(c, k->key);
}

static eyot_status kv_get(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const valuing *k = arg;
    bool found;
    eyot__my_begin(c, EYOT__MY_VALUE, 1);
    value_name(c, k);
    eyot_status r = eyot__my_one(c, &found, e);
    if (r || !found || !c->columns[1].number) return r;
    *k->found = c->columns[0].number;
    return eyot_buf_add(k->out, c->columns[2].bytes.p, c->columns[2].bytes.n);
}

static eyot_status check_value(const valuing *k, eyot_error *e)
{
    if (k->ns.n > EYOT__MYSQL_NS) return too_long("a namespace", k->ns.n, EYOT__MYSQL_NS, e);
    return k->key.n > EYOT__MYSQL_KEY ? too_long("a key", k->key.n, EYOT__MYSQL_KEY, e) : EYOT_OK;
}

eyot_status eyot__mysql_kv_get(void *self, eyot_bytes ns, eyot_bytes key, uint64_t *version, eyot_buf *value,
                               eyot_error *e)
{
    valuing k = {.ns = ns, .key = key, .found = version, .out = value};
    *version = 0;
    eyot_status r = check_value(&k, e);
    return r ? r : eyot__my_do(self, false, kv_get, &k, e);
}

static eyot_status add_value(eyot__my_connection *c, const valuing *k, eyot_error *e)
{
    eyot__my_begin(c, EYOT__MY_ADD_VALUE, 1);
    value_name(c, k);
    eyot__my_number(c, k->fresh);
    eyot__my_due(c, k->ttl_ms, INT64_MAX, 0);
    eyot__my_bytes(c, k->value);
    return eyot__my_run(c, e);
}

static eyot_status change_value(eyot__my_connection *c, const valuing *k, eyot_error *e)
{
    eyot__my_begin(c, k->version ? EYOT__MY_CHANGE_VALUE : EYOT__MY_REPLACE_VALUE, 1);
    eyot__my_number(c, k->fresh);
    eyot__my_bytes(c, k->value);
    eyot__my_due(c, k->ttl_ms, INT64_MAX, 0);
    value_name(c, k);
    if (k->version) eyot__my_number(c, k->version);
    return eyot__my_run(c, e);
}

/* Nothing was written: unless it was by an earlier attempt, the version is another one by now. */
static eyot_status judge_value(eyot__my_connection *c, const valuing *k, eyot_error *e)
{
    bool found = false;
    eyot_status r = EYOT_OK;
    if (c->unsure) {
        eyot__my_begin(c, EYOT__MY_VALUE_VERSION, 1);
        value_name(c, k);
        r = eyot__my_one(c, &found, e);
    }
    if (r || (found && c->columns[0].number == k->fresh)) return r;
    return eyot_error_set(e, EYOT_ESTALE, "the value has been changed meanwhile");
}

static eyot_status kv_cas(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const valuing *k = arg;
    if (!k->version) {
        eyot_status added = add_value(c, k, e);
        if (!added || c->error != 1062) return added;
    }
    eyot_status r = change_value(c, k, e);
    return r || c->matched ? r : judge_value(c, k, e);
}

eyot_status eyot__mysql_kv_cas(void *self, eyot_bytes ns, eyot_bytes key, uint64_t version, eyot_bytes value,
                               uint64_t ttl_ms, eyot_error *e)
{
    eyot__mysql *s = self;
    valuing k = {.ns = ns, .key = key, .version = version, .value = value, .ttl_ms = ttl_ms};
    eyot_status r = check_value(&k, e);
    if (r) return r;
    if (value.n > s->max_body)
        return eyot_error_set(e, EYOT_ELIMIT,
                              "a value of %zu bytes is more than the server takes: max_allowed_packet=%llu", value.n,
                              (unsigned long long)s->max_packet);
    r = eyot__random_bytes(&k.fresh, sizeof k.fresh);
    if (r) return eyot_error_set(e, r, "the system gives no random numbers");
    k.fresh = (k.fresh >> 1) | 1;
    return eyot__my_do(s, false, kv_cas, &k, e);
}

/* ---- pruning and deleting --------------------------------------------------------------------------------------- */

typedef struct removal {
    eyot_bytes run;
    const uint64_t *drop_seq;
    size_t n;
    uint64_t head, epoch;
    bool sent; /* a COMMIT went out */
} removal;

static eyot_status drop_entries(eyot__my_connection *c, const removal *k, eyot_error *e)
{
    eyot_status r = EYOT_OK;
    for (size_t from = 0; from < k->n && !r; from += EYOT__MYSQL_ROWS) {
        size_t n = k->n - from < EYOT__MYSQL_ROWS ? k->n - from : EYOT__MYSQL_ROWS;
        size_t times = eyot__my_begin(c, EYOT__MY_DROP_ENTRIES, n);
        eyot__my_run_id(c, k->run);
        for (size_t i = 0; i < times; i++) eyot__my_number(c, k->drop_seq[from + (i < n ? i : n - 1)]);
        r = eyot__my_run(c, e);
    }
    return r;
}

static eyot_status prune(eyot__my_connection *c, void *arg, eyot_error *e)
{
    const removal *k = arg;
    eyot_run_row row;
    eyot_status r = lock_row(c, k->run, &row, e);
    if (!r && row.head != k->head)
        r = eyot_error_set(e, EYOT_ESTALE, "run " EYOT__ID " has head %llu", EYOT__ID_ARGS(k->run),
                           (unsigned long long)row.head);
    for (size_t i = 0; i < k->n && !r; i++)
        if (k->drop_seq[i] == 0 || k->drop_seq[i] >= row.snapshot_seq)
            r = eyot_error_set(e, EYOT_EINVAL, "run " EYOT__ID ": entry %llu is needed", EYOT__ID_ARGS(k->run),
                               (unsigned long long)k->drop_seq[i]);
    if (!r) r = drop_entries(c, k, e);
    return r ? r : eyot__my_commit(c, e);
}

eyot_status eyot__mysql_prune(void *self, eyot_bytes id, const uint64_t *drop_seq, size_t n, uint64_t head,
                              eyot_error *e)
{
    removal k = {.run = id, .drop_seq = drop_seq, .n = n, .head = head};
    return eyot__my_do(self, true, prune, &k, e);
}

static eyot_status drop_run(eyot__my_connection *c, eyot_bytes id, eyot_error *e)
{
    static const eyot__my_sql drops[] = {EYOT__MY_DROP_LOG, EYOT__MY_DROP_INBOX, EYOT__MY_DROP_RUN};
    char ns[4 + 128] = "run/";
    eyot_status r = EYOT_OK;
    for (size_t i = 0; i < sizeof drops / sizeof *drops && !r; i++) {
        eyot__my_begin(c, drops[i], 1);
        eyot__my_run_id(c, id);
        r = eyot__my_run(c, e);
    }
    if (r) return r;
    memcpy(ns + 4, id.p, id.n < 128 ? id.n : 128);
    eyot__my_begin(c, EYOT__MY_DROP_VALUES, 1);
    eyot__my_number(c, eyot__my_shard(id));
    eyot__my_bytes(c, eyot__bytes(ns, 4 + (id.n < 128 ? id.n : 128)));
    return eyot__my_run(c, e);
}

static eyot_status put_tombstone(eyot__my_connection *c, eyot_bytes id, int64_t until_ms, int64_t now, eyot_error *e)
{
    eyot__my_begin(c, EYOT__MY_DROP_TOMBSTONES, 1);
    eyot__my_number(c, eyot__my_shard(id));
    eyot__my_signed(c, now);
    eyot_status r = eyot__my_run(c, e);
    if (r || until_ms <= now) return r;
    eyot__my_begin(c, EYOT__MY_ADD_TOMBSTONE, 1);
    eyot__my_run_id(c, id);
    eyot__my_signed(c, until_ms);
    return eyot__my_run(c, e);
}

static eyot_status delete_run(eyot__my_connection *c, void *arg, eyot_error *e)
{
    removal *k = arg;
    eyot_run_row row;
    eyot_status r = lock_row(c, k->run, &row, e);
    if (r == EYOT_ENOTFOUND && c->unsure && k->sent) return eyot__my_text(c, "ROLLBACK", e);
    if (r) return r;
    int64_t now = row.now_ms, until_ms = row.owner.n ? row.due_ms : now;
    if (row.epoch != k->epoch && (k->epoch || until_ms > now)) return eyot__store_refuse_delete(k->run, row.owner, e);
    r = drop_run(c, k->run, e);
    if (!r) r = put_tombstone(c, k->run, until_ms, now, e);
    if (r) return r;
    k->sent = true;
    return eyot__my_commit(c, e);
}

eyot_status eyot__mysql_delete_run(void *self, eyot_bytes id, uint64_t epoch, eyot_error *e)
{
    removal k = {.run = id, .epoch = epoch};
    return eyot__my_do(self, true, delete_run, &k, e);
}
