/* SPDX-License-Identifier: MIT */
/* Power that fails while runs are worked on, on a SQLite store whose disk is test/fault/power.h: with sync=full nothing that was
 * acknowledged is lost, with sync=normal only the end of it; the file is never damaged, and runs go on to the same end. */
#include "test/fault/power.h"

#include <stdlib.h>

#include <eyot/stores.h>

#include "core/store.h"
#include "test/crash/crash.h"
#include "test/eyot_test.h"
#include "test/tally.h"

#if defined(EYOT_HAVE_SQLITE)
#include <pthread.h>
#include <sqlite3.h>
#include <unistd.h>

enum { RUNS = 3, BRANCHES = 5, CHORES = 24, MOST = 4096 };

/* Something that was written to the store, or was to be. */
typedef struct deed {
    int run;               /* -1: a chore, whose number is `seq` */
    uint64_t seq;          /* of an entry … */
    uint64_t hash;         /* … and of its body */
    uint64_t asked, acked; /* by one clock for all; acked 0: not */
    bool stored;           /* found on the disk after a power failure, so that no other may take it away */
    bool found;
} deed;

/* One disk, and what is done on it until all runs are done. */
typedef struct world {
    char file[4300], url[4400];
    bool full;   /* sync */
    size_t pad;  /* bytes in an update */
    int at_once; /* runs in one life */
    uint64_t random, want /* of a final state */;
    eyot_graph *graph;
    eyot_run_options options;
    pthread_mutex_t lock; /* over what follows */
    deed deeds[MOST];
    size_t n;
    uint64_t clock;
    unsigned aimed;  /* so often */
    uint64_t chores; /* so many were begun */
    size_t lost;     /* deeds that had been acknowledged */
    eyot_store_ops real, ops;
} world;

static world here; /* the one whose store is open */

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

/* ---- what is asked of the store, and what it says --------------------------------------------------------------- */

static int run_number(eyot_bytes id)
{
    return id.n == 2 && *(const char *)id.p == 'r' ? ((const char *)id.p)[1] - '0' : -1;
}

static void ask(int run, uint64_t seq, uint64_t hash)
{
    pthread_mutex_lock(&here.lock);
    if (here.n == MOST) abort();
    here.deeds[here.n++] = (deed){.run = run, .seq = seq, .hash = hash, .asked = ++here.clock};
    pthread_mutex_unlock(&here.lock);
}

static void acknowledge(int run, uint64_t seq)
{
    pthread_mutex_lock(&here.lock);
    uint64_t now = ++here.clock;
    size_t i = here.n;
    while (i > 0 && (here.deeds[i - 1].run != run || here.deeds[i - 1].seq != seq)) i--;
    if (i > 0) here.deeds[i - 1].acked = now;
    pthread_mutex_unlock(&here.lock);
}

static void ask_all(const eyot_commit *c)
{
    int run = run_number(c->run);
    for (size_t i = 0; i < c->n_entries && run >= 0; i++) ask(run, c->entries[i].seq, tally_hash(c->entries[i].body));
}

static void acknowledge_all(const eyot_commit *c)
{
    int run = run_number(c->run);
    for (size_t i = 0; i < c->n_entries && run >= 0; i++) acknowledge(run, c->entries[i].seq);
}

static eyot_status commit(void *s, eyot_commit *commits, size_t n, eyot_error *e)
{
    for (size_t i = 0; i < n; i++) ask_all(&commits[i]);
    eyot_status status = here.real.commit(s, commits, n, e);
    for (size_t i = 0; i < n && !status; i++)
        if (!commits[i].result) acknowledge_all(&commits[i]);
    return status;
}

static eyot_status create_run(void *s, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                              eyot_error *e)
{
    ask_all(first);
    eyot_status status = here.real.create_run(s, row, source, first, e);
    if (!status) acknowledge_all(first);
    return status;
}

static void close_nothing(void *s)
{
    (void)s;
}

/* ---- the runs ---------------------------------------------------------------------------------------------------- */

static eyot_status work(eyot_task *task, void *user)
{
    const char *key = eyot_task_key(task);
    (void)user;
    if (!key) return EYOT_ENOMEM;
    uint64_t hash = tally_hash(text(key));
    tally *update = tally_pad(tally_sum((int64_t)(hash % 1000) + 1), here.pad + hash % 64, (unsigned char)hash);
    if (!update) return EYOT_ENOMEM;
    eyot_status status = eyot_task_update(task, update);
    return status ? status : eyot_task_emit(task, "done", key, strlen(key));
}

/* split → BRANCHES × (a → b) → end */
static eyot_graph *make_graph(void)
{
    eyot_graph *g = tally_graph("power");
    eyot_graph_node(g, "split", work, NULL);
    for (int i = 0; i < BRANCHES; i++) {
        char a[8], b[8];
        snprintf(a, sizeof a, "a%d", i);
        snprintf(b, sizeof b, "b%d", i);
        eyot_graph_node(g, a, work, NULL);
        eyot_graph_node(g, b, work, NULL);
        eyot_graph_edge(g, "split", a);
        eyot_graph_edge(g, a, b);
        eyot_graph_edge(g, b, "end");
    }
    eyot_graph_node(g, "end", work, NULL);
    return tally_freeze(g);
}

static uint64_t undisturbed(void)
{
    eyot_store *store = tally_store("memory:");
    eyot_engine *engine = tally_engine(1, store);
    eyot_run *run = tally_run(engine, here.graph, NULL);
    uint64_t hash = crash_hash(eyot_run_state(run));
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_store_close(store);
    return hash;
}

/* ---- chores: what is written beside the runs, one after the other ------------------------------------------------- */

enum { SIDE = 1 }; /* the first one makes the run "side" */
typedef enum chore_kind { DELETE_RUN = 1, NOTE, MESSAGE, CREATE_RUN } chore_kind;

static chore_kind kind_of(uint64_t number)
{
    return number == SIDE || number % 4 == 0 ? CREATE_RUN : (chore_kind)(number % 4);
}

static void chore_name(char out[24], uint64_t number)
{
    uint64_t of = kind_of(number) == DELETE_RUN ? number - 1 : number;
    snprintf(out, 24, number == SIDE ? "side" : "x%llu", (unsigned long long)of);
}

/* Held for an hour, so that its id stays taken when it is deleted. */
static eyot_status create_held(eyot_store *store, const char *id, eyot_error *e)
{
    eyot_run_row row = {.run = text(id), .graph = text("g"), .fingerprint = text("f"), .owner = text("w")};
    eyot_commit first = {.run = text(id), .epoch = 1, .status = EYOT_RUN_RUNNING, .lease_ms = 3600000};
    eyot_entry entry = {.seq = 1, .kind = EYOT_ENTRY_SNAPSHOT, .body = text("first")};
    first.entries = &entry;
    first.n_entries = 1;
    return eyot__store_create_run(store, &row, text("{}"), &first, e);
}

static eyot_status do_chore(eyot_store *store, uint64_t number, eyot_error *e)
{
    char name[24];
    chore_name(name, number);
    switch (kind_of(number)) {
    case CREATE_RUN: return create_held(store, name, e);
    case DELETE_RUN: return eyot__store_delete_run(store, text(name), 1, e);
    case NOTE: return eyot_store_put_note(store, "side", "n", &number, sizeof number, e);
    case MESSAGE:
        return eyot__store_post(store, text("side"), text(name), EYOT_MESSAGE_ANSWER, text(""), text("hello"), e);
    }
    return EYOT_EINVAL;
}

static bool do_chores(eyot_store *store, uint64_t n, eyot_error *e)
{
    for (; n > 0 && here.chores < CHORES; n--) {
        uint64_t number = ++here.chores;
        ask(-1, number, 0);
        if (do_chore(store, number, e)) return false;
        acknowledge(-1, number);
    }
    return true;
}

typedef struct sought {
    const char *name;
    bool found;
} sought;

static eyot_status see_message(void *arg, const eyot_entry *message)
{
    sought *s = arg;
    s->found |= eyot__bytes_equal(message->key, text(s->name));
    return EYOT_OK;
}

static bool ask_sql(sqlite3 *db, const char *sql, const char *name)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL)) test_fail(__FILE__, __LINE__, "%s: %s", sql, sqlite3_errmsg(db));
    if (name) sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC);
    bool found = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_finalize(st);
    return found;
}

static uint64_t last_note(eyot_store *store)
{
    eyot_buf note = EYOT__BUF_INIT;
    uint64_t number = 0;
    eyot_error e;
    eyot_status status = eyot_store_get_note(store, "side", "n", &note, &e);
    if (status && status != EYOT_ENOTFOUND) test_fail(__FILE__, __LINE__, "%s", e.text);
    if (!status) memcpy(&number, note.data, sizeof number);
    eyot__buf_clear(&note);
    return number;
}

static bool chore_is_done(eyot_store *store, sqlite3 *db, uint64_t number)
{
    char name[24];
    chore_name(name, number);
    bool there = tally_row_of(store, name).status != 0;
    bool stands = ask_sql(db, "SELECT 1 FROM tombstone WHERE id = ?1", name);
    sought message = {name, false};
    CHECK(!there || !stands);
    switch (kind_of(number)) {
    case CREATE_RUN: return there || stands;
    case DELETE_RUN: return stands;
    case NOTE: return last_note(store) >= number;
    case MESSAGE: (void)eyot__store_inbox(store, text("side"), see_message, &message, NULL); return message.found;
    }
    return false;
}

/* ---- lives ------------------------------------------------------------------------------------------------------- */

/* An error is the disk's, and says so, or the test fails. */
static void excuse(const eyot_error *e)
{
    if (!power_failed() && !power_refused()) test_fail(__FILE__, __LINE__, "with power: %s", e->text);
    CHECK_HAS(e->text, "power.db");
    CHECK_STATUS(e->status, EYOT_EIO);
}

static eyot_status open_watched(eyot_store **out, eyot_store **behind, eyot_error *e)
{
    void *self;
    eyot_status status = eyot_store_open(behind, here.url, e);
    if (status) return status;
    here.real = here.ops = *eyot_store_table(*behind, &self);
    here.ops.commit = commit;
    here.ops.create_run = create_run;
    here.ops.close = close_nothing;
    return eyot_store_new(out, &here.ops, self, e);
}

static eyot_status begin_run(eyot_run **out, eyot_engine *engine, int number, eyot_error *e)
{
    char id[3] = {'r', (char)('0' + number), 0};
    here.options.run_id = id;
    eyot_status status = eyot_run_resume(out, engine, here.graph, id, &here.options, e);
    if (status == EYOT_ENOTFOUND) status = eyot_run_start(out, engine, here.graph, tally_new(), &here.options, e);
    return status;
}

/* Some runs, and some chores meanwhile; whether all went well. */
static bool work_on(eyot_store *store, eyot_engine *engine, int from)
{
    eyot_run *runs[RUNS] = {NULL};
    eyot_error e = {.text = ""};
    bool good = true;
    int n = from + here.at_once < RUNS ? from + here.at_once : RUNS;
    for (int i = from; i < n && good; i++) good = begin_run(&runs[i], engine, i, &e) == EYOT_OK;
    if (good) good = do_chores(store, 1 + test_random(&here.random) % 8, &e);
    for (int i = from; i < n; i++) {
        if (!runs[i]) continue;
        eyot_error own;
        eyot_status status = eyot_run_wait(runs[i], &own);
        if (status) e = own;
        if (!status) CHECK(crash_hash(eyot_run_state(runs[i])) == here.want);
        good &= !status;
        eyot_run_free(runs[i]);
    }
    if (!good) excuse(&e);
    return good;
}

/* From opening the store to closing it; whether the runs from `from` on that it takes are done. */
static bool live(int from)
{
    eyot_store *store = NULL, *behind = NULL;
    eyot_error e = {.text = ""};
    bool good = open_watched(&store, &behind, &e) == EYOT_OK;
    if (!good) excuse(&e);
    eyot_engine *engine = good ? tally_engine(2, store) : NULL;
    if (good) good = work_on(store, engine, from);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_store_close(behind);
    return good;
}

/* ---- what is on the disk ------------------------------------------------------------------------------------------ */

static sqlite3 *open_raw(void)
{
    sqlite3 *db;
    CHECK_OK(sqlite3_open_v2(here.file, &db, SQLITE_OPEN_READWRITE, NULL));
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    CHECK(!ask_sql(db, "SELECT 1 FROM pragma_integrity_check WHERE integrity_check <> 'ok'", NULL));
    return db;
}

typedef struct outbox {
    const tally_log *logs;
    size_t n[RUNS];
    const char *wrong;
} outbox;

static eyot_status see_event(void *arg, eyot_bytes run, const eyot_event *event)
{
    outbox *o = arg;
    char key[260];
    int number = run_number(run);
    snprintf(key, sizeof key, "%.*s", (int)event->payload.n, (const char *)event->payload.p);
    if (!tally_has(&o->logs[number], key)) o->wrong = "an event of a task that was not committed";
    o->n[number]++;
    return EYOT_OK;
}

/* Ids are unique in the outbox: with as many as tasks, each has its own. */
static void check_events(eyot_store *store, const tally_log *logs)
{
    outbox o = {.logs = logs};
    eyot_buf next = EYOT__BUF_INIT;
    CHECK_OK(eyot_store_read_events(store, text(""), UINT32_MAX, see_event, &o, &next, NULL));
    eyot__buf_clear(&next);
    if (o.wrong) test_fail(__FILE__, __LINE__, "%s", o.wrong);
    for (int i = 0; i < RUNS; i++) CHECK_INT(o.n[i], tally_tasks(&logs[i]));
}

static bool is_entry(const deed *d, const tally_log *logs)
{
    return d->seq <= logs[d->run].n && logs[d->run].entries[d->seq - 1].body == d->hash;
}

/* All that stands in the store was asked for; of one seq only the last one can stand. */
static void check_known(const tally_log *logs)
{
    for (int run = 0; run < RUNS; run++) {
        size_t known = 0;
        for (size_t i = 0; i < here.n; i++) known += here.deeds[i].run == run && here.deeds[i].found;
        CHECK_INT(known, logs[run].n);
    }
}

/* What was acknowledged is there; or, with sync=normal when the power was gone, nothing that was asked for after it was
 * acknowledged. */
static void check_lost(bool power_was_gone)
{
    bool none = here.full || !power_was_gone;
    uint64_t first_lost = UINT64_MAX, last_found = 0;
    for (size_t i = 0; i < here.n; i++) {
        const deed *d = &here.deeds[i];
        bool lost = (d->acked || d->stored) && !d->found;
        if (lost && (none || d->stored))
            test_fail(__FILE__, __LINE__, "%s %llu of run %d was %s and is lost", d->run < 0 ? "chore" : "entry",
                      (unsigned long long)d->seq, d->run, d->stored ? "on the disk" : "acknowledged");
        here.lost += lost;
        if (lost && d->acked < first_lost) first_lost = d->acked;
        if (d->found && d->asked > last_found) last_found = d->asked;
    }
    if (last_found > first_lost) test_fail(__FILE__, __LINE__, "something older is lost than what is there");
}

/* What is there after a power failure is on the disk; what is not there never was. */
static void forget_lost(bool power_was_gone)
{
    size_t n = 0;
    here.chores = 0;
    for (size_t i = 0; i < here.n; i++) {
        deed d = here.deeds[i];
        if (!d.found) continue;
        d.stored |= power_was_gone;
        if (d.run < 0 && d.seq > here.chores) here.chores = d.seq;
        here.deeds[n++] = d;
    }
    here.n = n;
}

static void check_disk(bool power_was_gone)
{
    tally_log logs[RUNS];
    eyot_store *store = tally_store(here.url);
    sqlite3 *db = open_raw();
    for (int i = 0; i < RUNS; i++) {
        char id[3] = {'r', (char)('0' + i), 0};
        logs[i] = tally_entries(store, id);
        CHECK_INT(tally_row_of(store, id).head, logs[i].n);
    }
    for (size_t i = 0; i < here.n; i++) {
        deed *d = &here.deeds[i];
        d->found = d->run < 0 ? chore_is_done(store, db, d->seq) : is_entry(d, logs);
    }
    check_known(logs);
    check_lost(power_was_gone);
    check_events(store, logs);
    forget_lost(power_was_gone);
    for (int i = 0; i < RUNS; i++) tally_log_free(&logs[i]);
    CHECK_OK(sqlite3_close(db));
    eyot_store_close(store);
}

/* ---- worlds ------------------------------------------------------------------------------------------------------- */

/* Large updates on small pages fill a WAL up to the checkpoint in the middle of a run. */
static void make_world(uint64_t random, bool full, bool large)
{
    memset(&here, 0, sizeof here);
    pthread_mutex_init(&here.lock, NULL);
    here.full = full;
    here.random = random;
    here.pad = large ? 40000 : (size_t)(test_random(&here.random) % 1000);
    here.at_once = test_random(&here.random) % 2 ? RUNS : 1;
    snprintf(here.file, sizeof here.file, "%s/power.db", test_dir());
    snprintf(here.url, sizeof here.url, "sqlite:%s?sync=%s%s", here.file, full ? "full" : "normal",
             large ? "&page_size=512" : "");
    here.options = (eyot_run_options)EYOT_RUN_OPTIONS_INIT;
    here.options.strategy = EYOT_PARALLEL;
    here.options.durability = test_random(&here.random) % 4 == 0 ? EYOT_ASYNC : EYOT_SYNC;
    here.graph = make_graph();
    here.want = undisturbed();
    (void)unlink(here.file);
    power_plug_in(test_random(&here.random));
}

static void leave_world(void)
{
    eyot_graph_free(here.graph);
    pthread_mutex_destroy(&here.lock);
}

static void aim_at_random(void)
{
    static const power_from froms[] = {POWER_NOW, POWER_CHECKPOINT, POWER_CUT, POWER_CUT};
    static const uint64_t reach[] = {[POWER_NOW] = 400, [POWER_CHECKPOINT] = 60, [POWER_CUT] = 12};
    power_from from = froms[test_random(&here.random) % 4];
    uint64_t after = 1 + test_random(&here.random) % reach[from];
    (test_random(&here.random) % 6 ? power_fail : power_kill)(from, after);
}

/* A program that dies before it has synced the header of a WAL that was cut, and a power failure in the next one. */
static void aim_at_a_header(void)
{
    switch (here.aimed++) {
    case 0:
        (test_random(&here.random) % 2 ? power_kill : power_fail)(POWER_CUT, 1 + test_random(&here.random) % 4);
        break;
    case 1: power_fail(POWER_NOW, 1 + test_random(&here.random) % 8); break;
    default: power_fail(POWER_NOW, 0);
    }
}

/* Lives one after the other until the runs are done, with as many power failures as come. */
static void live_on(void (*aim)(void))
{
    aim();
    for (int done = 0; done < RUNS;) {
        bool good = live(done);
        if (good) done += here.at_once;
        if (!power_failed()) continue;
        check_disk(power_return());
        aim();
    }
    power_fail(POWER_NOW, 0);
    check_disk(false);
}

static void lose_power_often(bool full)
{
    uint64_t random = test_seed(), most = 1000 * test_long(), worlds = 0;
    size_t lost = 0;
    power_count before = power_counted(), now;
    do {
        make_world(test_random(&random), full, worlds % 32 == 0);
        live_on(aim_at_random);
        lost += here.lost;
        leave_world();
        worlds++;
        now = power_counted();
    } while (now.lost - before.lost < most);
    power_unplug();
    printf("     %llu power failures and %llu kills on %llu disks: %llu in a sync, %llu in a checkpoint, %llu behind a "
           "cut that was "
           "not synced; %llu of %llu sectors survived; %zu acknowledged changes lost\n",
           (unsigned long long)(now.lost - before.lost), (unsigned long long)(now.kills - before.kills),
           (unsigned long long)worlds, (unsigned long long)(now.lost_in_sync - before.lost_in_sync),
           (unsigned long long)(now.lost_in_checkpoint - before.lost_in_checkpoint),
           (unsigned long long)(now.lost_after_cut - before.lost_after_cut),
           (unsigned long long)(now.survived - before.survived), (unsigned long long)(now.unsynced - before.unsynced),
           lost);
    CHECK(now.lost_in_checkpoint - before.lost_in_checkpoint > most / 10);
    CHECK(now.lost_after_cut - before.lost_after_cut > most / 30);
    if (!full) CHECK(lost > 0);
}

/* The n-th call that changes the disk fails, and all that follow it if the disk is full; then there is room again. Otherwise the
 * power may fail soon after that, in the same life: what a sync has lost that failed, the next commit must write again. */
static bool refuse(uint64_t n)
{
    power_refuse(n, n % 2);
    if (n % 2 == 0) power_fail(POWER_NOW, n + 1 + test_random(&here.random) % 40);
    bool good = live(0), refused = power_refused();
    power_refuse(0, false);
    power_fail(POWER_NOW, 0);
    check_disk(power_failed() && power_return());
    CHECK(good || refused);
    CHECK(live(0));
    check_disk(false);
    return refused;
}

TEST(power_refused__each_write_and_sync_in_turn)
{
    uint64_t random = test_seed(), n = 0;
    bool refused = true;
    while (refused) {
        make_world(test_random(&random), true, false);
        here.at_once = 1;
        refused = refuse(++n);
        leave_world();
    }
    power_unplug();
    printf("     each of %llu calls was refused\n", (unsigned long long)(n - 1));
    CHECK(n > 100);
}

TEST(power_lost__with_sync_full_nothing_acknowledged_is_lost)
{
    lose_power_often(true);
}

/* The WAL that was cut may be back, and must not be mixed with the new one. */
TEST(power_lost__behind_a_cut_that_was_not_synced)
{
    uint64_t random = test_seed();
    uint64_t before = power_counted().lost_after_cut;
    for (unsigned i = 0; i < 300 * test_long(); i++) {
        make_world(test_random(&random), i % 2, false);
        here.at_once = 1;
        live_on(aim_at_a_header);
        leave_world();
    }
    power_unplug();
    printf("     %llu power failures before the cut was synced\n",
           (unsigned long long)(power_counted().lost_after_cut - before));
    CHECK(power_counted().lost_after_cut > before + 30);
}

TEST(power_lost__with_sync_normal_only_the_end_is_lost)
{
    lose_power_often(false);
}
#endif
