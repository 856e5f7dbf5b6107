/* SPDX-License-Identifier: MIT */
/* The n-th allocation fails, for every n: out of memory is said, nothing crashes, hangs or leaks, and what is stored can be
 * gone on with. The program is linked with --wrap for the allocator, so that the library's calls and its own come here first;
 * SQLite's come through its own hooks. */
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/replay.h>
#include <eyot/stores.h>

#if defined(EYOT_HAVE_SQLITE)
#include <sqlite3.h>
#endif

#include "test/eyot_test.h"
#include "test/golden.h"
#include "test/tally.h"

/* ---- the allocator ---------------------------------------------------------------------------------------------- */

static struct {
    _Atomic bool armed, hit;
    bool stays;        /* once one has failed, all fail */
    _Atomic long left; /* until one fails */
    _Atomic long live; /* blocks of ours there are now */
} memory;

static bool fails(void)
{
    if (!atomic_load(&memory.armed)) return false;
    long left = atomic_fetch_sub(&memory.left, 1);
    if (left != 1 && !(memory.stays && left < 1)) return false;
    atomic_store(&memory.hit, true);
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
char *__real_realpath(const char *path, char *resolved);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
char *__wrap_realpath(const char *path, char *resolved);

void *__wrap_malloc(size_t size)
{
    void *p = fails() ? NULL : __real_malloc(size);
    if (p) atomic_fetch_add(&memory.live, 1);
    return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = fails() ? NULL : __real_calloc(n, size);
    if (p) atomic_fetch_add(&memory.live, 1);
    return p;
}

void *__wrap_realloc(void *p, size_t size)
{
    void *q = fails() ? NULL : __real_realloc(p, size);
    if (q && !p) atomic_fetch_add(&memory.live, 1);
    return q;
}

void __wrap_free(void *p)
{
    if (p) atomic_fetch_sub(&memory.live, 1);
    __real_free(p);
}

char *__wrap_realpath(const char *path, char *resolved)
{
    char *p = __real_realpath(path, resolved);
    if (p && !resolved) atomic_fetch_add(&memory.live, 1);
    return p;
}

#if defined(EYOT_HAVE_SQLITE)
static sqlite3_mem_methods sqlite_memory;
static _Atomic bool sqlite_fails;

static void *sqlite_malloc(int size)
{
    return atomic_load(&sqlite_fails) && fails() ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *p, int size)
{
    return atomic_load(&sqlite_fails) && fails() ? NULL : sqlite_memory.xRealloc(p, size);
}

__attribute__((constructor)) static void hook_sqlite(void)
{
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory)) abort();
    sqlite3_mem_methods mine = sqlite_memory;
    mine.xMalloc = sqlite_malloc;
    mine.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &mine) || sqlite3_initialize()) abort();
}
#endif

static void arm(long n, bool stays)
{
    memory.stays = stays;
    atomic_store(&memory.hit, false);
    atomic_store(&memory.left, n);
    atomic_store(&memory.armed, true);
}

static void disarm(void)
{
    atomic_store(&memory.armed, false);
}

/* ---- a graph with a fork, a join, sends and a loop ---------------------------------------------------------------- */

enum { TASKS = 2 * 8 + 1 };

static struct {
    char keys[64][32];
    _Atomic int n;
} ran; /* what began, in all lives of a run */

static eyot_status say_hello(eyot_buf *out, void *arg, eyot_error *e)
{
    (void)arg, (void)e;
    return eyot_buf_add(out, "hello", 5);
}

static eyot_status work(eyot_task *task, void *user)
{
    (void)user;
    uint64_t drawn;
    const char *key = eyot_task_key(task);
    if (!key) return EYOT_ENOMEM;
    eyot_status learned = eyot_task_record(task, "word", say_hello, NULL, NULL, NULL);
    if (!learned) learned = eyot_task_random(task, &drawn, sizeof drawn);
    if (learned) return learned;
    snprintf(ran.keys[atomic_fetch_add(&ran.n, 1)], 32, "%s", key);
    eyot_status emitted = eyot_task_emit(task, "ran", key, strlen(key));
    if (emitted && emitted != EYOT_ENOTSUP) return emitted;
    tally *update = tally_pad(tally_sum(key[0] + key[strlen(key) - 1]), 10, 'x');
    return update ? eyot_task_update(task, update) : EYOT_ENOMEM;
}

static eyot_status send_two(eyot_task *task, void *user)
{
    for (int i = 0; i < 2; i++) {
        tally *item = tally_own(i);
        eyot_status status = item ? eyot_task_send(task, "item", item) : EYOT_ENOMEM;
        if (status) return status;
    }
    return work(task, user);
}

static eyot_status next_round(eyot_task *task, void *user)
{
    tally *own = eyot_task_edit(task);
    (void)user;
    if (!own) return EYOT_ENOMEM;
    const char *key = eyot_task_key(task);
    if (!key) return EYOT_ENOMEM;
    snprintf(ran.keys[atomic_fetch_add(&ran.n, 1)], 32, "%s", key);
    own->key[0] = own->key[0] == TALLY_ABSENT ? 1 : own->key[0] + 1;
    return EYOT_OK;
}

static eyot_status again(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user;
    (void)e;
    *taken = ((const tally *)state)->key[0] < 2;
    return EYOT_OK;
}

static eyot_status make_graph(eyot_graph **g, eyot_error *e)
{
    eyot_node_options each = EYOT_NODE_OPTIONS_INIT;
    each.flags = EYOT_NODE_EACH;
    eyot_status status = eyot_graph_new(g, "small", &tally_copier);
    if (status) return eyot_error_set(e, status, "no graph");
    eyot_graph_node(*g, "split", work, NULL);
    eyot_graph_node(*g, "left", work, NULL);
    eyot_graph_node(*g, "right", send_two, NULL);
    eyot_graph_node(*g, "item", work, NULL);
    eyot_graph_node_with(*g, "tail", work, NULL, &each);
    eyot_graph_node(*g, "meet", next_round, NULL);
    eyot_graph_node(*g, "end", work, NULL);
    eyot_graph_edge(*g, "split", "left");
    eyot_graph_edge(*g, "split", "right");
    eyot_graph_edge_each(*g, "right", "item");
    eyot_graph_edge(*g, "item", "tail");
    eyot_graph_edge(*g, "left", "meet");
    eyot_graph_edge(*g, "tail", "meet");
    eyot_graph_edge_if(*g, "meet", "split", "again", again, NULL);
    eyot_graph_edge_otherwise(*g, "meet", "end");
    return eyot_graph_freeze(*g, e);
}

/* ---- passes ----------------------------------------------------------------------------------------------------- */

/* What one pass makes, and frees. */
typedef struct pass {
    const char *url; /* opened in the pass; NULL: `lent`, which stays open */
    eyot_store *lent, *store;
    eyot_graph *g;
    eyot_engine *engine;
    eyot_run *run;
    eyot_error e;
} pass;

enum { MAX_STEPS_OF_FIRST_LIFE = 7 };

static eyot_status make_engine(pass *p)
{
    eyot_engine_options o = EYOT_ENGINE_OPTIONS_INIT;
    eyot_status status = EYOT_OK;
    p->store = p->lent;
    if (p->url) status = eyot_store_open(&p->store, p->url, &p->e);
    if (status) return status;
    status = make_graph(&p->g, &p->e);
    if (status) return status;
    o.store = p->store;
    o.threads = 1;
    return eyot_engine_new(&p->engine, &o, &p->e);
}

/* The run "r", from its beginning (at most `max_steps`, 0: all) or from where it is, to its end. */
static eyot_status run_to_end(pass *p, bool resume, uint64_t max_steps, eyot_durability durability)
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.run_id = "r";
    o.max_steps = max_steps;
    o.durability = durability;
    eyot_status status = make_engine(p);
    if (status) return status;
    if (resume) {
        status = eyot_run_resume(&p->run, p->engine, p->g, "r", &o, &p->e);
    } else {
        tally *first = tally_new();
        status = first ? eyot_run_start(&p->run, p->engine, p->g, first, &o, &p->e)
                       : eyot_error_set(&p->e, EYOT_ENOMEM, "no first state");
    }
    return status ? status : eyot_run_wait(p->run, &p->e);
}

static void end_pass(pass *p)
{
    eyot_run_free(p->run);
    eyot_engine_free(p->engine);
    if (p->url) eyot_store_close(p->store);
    eyot_graph_free(p->g);
    eyot_store *lent = p->lent;
    const char *url = p->url;
    memset(p, 0, sizeof *p);
    p->lent = lent;
    p->url = url;
}

static void check_result(const pass *p, int64_t want)
{
    const tally *state = eyot_run_state(p->run);
    CHECK(state);
    CHECK_INT(state->sum, want);
    CHECK_INT(eyot_run_steps(p->run), TASKS);
}

/* Nothing that was stored when the last life began has begun in it. */
static void check_not_again(const tally_log *stored, int from)
{
    for (int i = from; i < atomic_load(&ran.n); i++)
        if (tally_has(stored, ran.keys[i])) test_fail(__FILE__, __LINE__, "committed task %s ran again", ran.keys[i]);
}

/* With memory again the run is there and can be finished, or was never begun. */
static void recover(pass *p, bool must_exist, int64_t want, long n)
{
    eyot_store *look = p->url ? tally_store(p->url) : p->lent;
    tally_log stored = {NULL, 0, 0};
    if (look) stored = tally_entries(look, "r");
    if (p->url) eyot_store_close(look);
    if (must_exist) CHECK(stored.n > 0);
    int from = atomic_load(&ran.n);
    eyot_status status = run_to_end(p, stored.n > 0, 0, EYOT_SYNC);
    if (status) test_fail(__FILE__, __LINE__, "after allocation %ld had failed: %s", n, p->e.text);
    check_result(p, want);
    check_not_again(&stored, from);
    tally_log_free(&stored);
    end_pass(p);
}

typedef struct plan {
    const char *url; /* "memory:" is opened anew for every n, others are one file with one run after the other */
    bool stays, resume;
    eyot_durability durability;
    long stride; /* so many allocations apart */
} plan;

static char file_url[4300];

/* A store that nothing has been written to: a new file, without waiting for the disk. */
static const char *fresh_file(void)
{
    static unsigned files;
    snprintf(file_url, sizeof file_url, "sqlite:%s/f%u.db?sync=normal", test_dir(), ++files);
    return file_url;
}

static bool one_pass(const plan *how, long n, int64_t want)
{
    pass p = {.url = NULL};
    bool file = strcmp(how->url, "sqlite:") == 0;
    long live = atomic_load(&memory.live);
    atomic_store(&ran.n, 0);
    if (file)
        p.url = fresh_file();
    else if (*how->url)
        p.lent = tally_store(how->url);
    if (how->resume) {
        CHECK_INT(run_to_end(&p, false, MAX_STEPS_OF_FIRST_LIFE, how->durability), EYOT_ELIMIT);
        end_pass(&p);
    }
    uint64_t before = test_now_ms();
    arm(n, how->stays);
    eyot_status status = run_to_end(&p, how->resume, 0, how->durability);
    disarm();
    bool hit = atomic_load(&memory.hit);
    if (test_now_ms() - before > 5000) test_fail(__FILE__, __LINE__, "allocation %ld: it hung for a while", n);
    if (status != EYOT_OK && status != EYOT_ENOMEM)
        test_fail(__FILE__, __LINE__, "allocation %ld: status %d, %s", n, (int)status, p.e.text);
    if (status) CHECK(hit && p.e.status == EYOT_ENOMEM && p.e.text[0]);
    if (!status) check_result(&p, want);
    end_pass(&p);
    if (p.lent || p.url) recover(&p, how->resume || !status, want, n);
    eyot_store_close(p.lent);
    CHECK_INT(tally_live(), 0);
    if (atomic_load(&memory.live) != live)
        test_fail(__FILE__, __LINE__, "allocation %ld: %ld blocks are left", n, atomic_load(&memory.live) - live);
#if defined(EYOT_HAVE_SQLITE)
    if (sqlite3_memory_used() != 0) test_fail(__FILE__, __LINE__, "allocation %ld: SQLite holds memory", n);
#endif
    return hit;
}

static void every_n(plan how)
{
    pass p = {.url = NULL};
    atomic_store(&ran.n, 0);
    CHECK_OK(run_to_end(&p, false, 0, EYOT_SYNC));
    int64_t want = ((const tally *)eyot_run_state(p.run))->sum;
    check_result(&p, want);
    end_pass(&p);
    long n = 1, step = how.stride > (long)test_long() ? how.stride / (long)test_long() : 1;
    while (one_pass(&how, n, want)) n += step;
    printf("     %s: up to %ld allocations, every %ld%s\n", *how.url ? how.url : "no store", n, step,
           how.stays ? ", and all after it" : "");
}

TEST(alloc_run__without_a_store)
{
    every_n((plan){.url = ""});
    every_n((plan){.url = "", .stays = true});
}

TEST(alloc_run__kept_in_memory)
{
    every_n((plan){.url = "memory:"});
    every_n((plan){.url = "memory:", .stays = true});
}

TEST(alloc_run__kept_in_memory_with_async_commits)
{
    every_n((plan){.url = "memory:", .durability = EYOT_ASYNC});
    every_n((plan){.url = "memory:", .durability = EYOT_ASYNC, .stays = true});
}

TEST(alloc_run__kept_in_memory_at_its_end)
{
    every_n((plan){.url = "memory:", .durability = EYOT_EXIT});
    every_n((plan){.url = "memory:", .durability = EYOT_EXIT, .stays = true});
}

TEST(alloc_resume__kept_in_memory)
{
    every_n((plan){.url = "memory:", .resume = true});
    every_n((plan){.url = "memory:", .resume = true, .stays = true});
}

/* ---- moving runs ------------------------------------------------------------------------------------------------- */

typedef struct moving {
    eyot_store *from, *to;
    char stream[64 * 1024];
    size_t len, at;
} moving;

static eyot_status into_stream(void *arg, const void *bytes, size_t len, eyot_error *e)
{
    moving *m = arg;
    (void)e;
    CHECK(m->len + len <= sizeof m->stream);
    memcpy(m->stream + m->len, bytes, len);
    m->len += len;
    return EYOT_OK;
}

static eyot_status from_stream(void *arg, void *to, size_t room, size_t *got, eyot_error *e)
{
    moving *m = arg;
    (void)e;
    *got = m->len - m->at < room ? m->len - m->at : room;
    memcpy(to, m->stream + m->at, *got);
    m->at += *got;
    return EYOT_OK;
}

/* Both halves, each without its n-th allocation. False: neither has so many. */
static bool move_without(moving *m, long n)
{
    eyot_error e = {.text = ""};
    m->len = m->at = 0;
    arm(n, false);
    eyot_status status = eyot_store_export(m->from, "r", NULL, into_stream, m, &e);
    disarm();
    bool hit = atomic_load(&memory.hit);
    if (status && (status != EYOT_ENOMEM || !hit || !e.text[0]))
        test_fail(__FILE__, __LINE__, "export, allocation %ld: status %d, %s", n, (int)status, e.text);
    m->len = 0;
    CHECK_OK(eyot_store_export(m->from, "r", NULL, into_stream, m, &e));
    m->to = tally_store("memory:");
    arm(n, false);
    status = eyot_store_import(m->to, NULL, from_stream, m, NULL, &e);
    disarm();
    hit |= atomic_load(&memory.hit);
    if (status && (status != EYOT_ENOMEM || !e.text[0]))
        test_fail(__FILE__, __LINE__, "import, allocation %ld: status %d, %s", n, (int)status, e.text);
    CHECK_INT(tally_row_of(m->to, "r").status, status ? 0 : EYOT_RUN_DONE);
    eyot_store_close(m->to);
    return hit;
}

TEST(alloc_transfer__a_run_moves_whole_or_not_at_all)
{
    static moving m;
    pass p = {.lent = m.from = tally_store("memory:")};
    atomic_store(&ran.n, 0);
    CHECK_OK(run_to_end(&p, false, 0, EYOT_SYNC));
    end_pass(&p);
    long n = 1, live = atomic_load(&memory.live);
    for (; move_without(&m, n); n++)
        if (atomic_load(&memory.live) != live) test_fail(__FILE__, __LINE__, "allocation %ld: blocks are left", n);
    CHECK(n > 20);
    eyot_store_close(m.from);
}

/* ---- looking at stored runs, and from outside ----------------------------------------------------------------------- */

typedef eyot_status (*looking_fn)(eyot_store *store, const eyot_graph *g, eyot_error *e);

static eyot_status load_third(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    eyot_checkpoint *c;
    eyot_status status = eyot_store_load_checkpoint(&c, store, g, "waits-2", 3, e);
    CHECK(!c == (status != EYOT_OK));
    eyot_checkpoint_free(c);
    return status;
}

static eyot_status load_latest(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    eyot_checkpoint *c;
    eyot_status status = eyot_store_load_checkpoint(&c, store, g, "waits-2", EYOT_LATEST, e);
    eyot_checkpoint_free(c);
    return status;
}

static eyot_status pass_over(void *arg, const eyot_history_entry *h)
{
    (void)arg, (void)h;
    return EYOT_OK;
}

static eyot_status read_history(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    return eyot_store_read_history(store, g, "waits-2", pass_over, NULL, e);
}

static eyot_status pass_by(void *arg, const eyot_played_step *s)
{
    (void)arg, (void)s;
    return EYOT_OK;
}

static eyot_status play_it(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    return eyot_store_play(store, g, "waits-2", 1, pass_by, NULL, e);
}

static eyot_status put_note(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    (void)g;
    return eyot_store_put_note(store, "waits-2", "k", "v", 1, e);
}

static eyot_status delete_it(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    (void)g;
    return eyot_store_delete(store, "waits-2", e);
}

static eyot_status cancel_it(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    (void)g;
    return eyot_store_cancel(store, "r", NULL, e);
}

static eyot_status label_it(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    (void)g;
    return eyot_store_label(store, "waits-2", 3, "here", e);
}

static eyot_status prune_it(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    eyot_retain rules = {.size = sizeof rules, .keep_last = 3, .younger_than_ms = 1};
    (void)g;
    return eyot_store_prune(store, "waits-2", &rules, NULL, e);
}

static eyot_status collect(eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    eyot_retain rules = {.size = sizeof rules, .keep_last = 3};
    eyot_gc_options o = {.size = sizeof o, .prune = &rules, .older_than_ms = 3600000};
    (void)g;
    return eyot_store_gc(store, &o, NULL, NULL, NULL, e);
}

static eyot_status lose_owner(void *arg, const eyot_run_row *row)
{
    *(uint64_t *)arg = row->epoch;
    return EYOT_OK;
}

/* A run "r" that nobody holds and that has not ended. */
static void put_aside(eyot_store *store, eyot_engine *engine)
{
    eyot_graph *g = tally_fan(2, NULL, NULL);
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    uint64_t epoch = 0;
    o.run_id = "r";
    o.max_steps = 1;
    CHECK_STATUS(eyot_run_sync(&run, engine, g, tally_new(), &o, NULL), EYOT_ELIMIT);
    eyot_run_free(run);
    tally_row row = tally_row_of(store, "r");
    eyot_claim claim = {.run = {"r", 1}, .owner = {"x", 1}, .token = {1}, .lease_ms = 60000};
    void *self;
    const eyot_store_ops *ops = eyot_store_table(store, &self);
    CHECK_OK(ops->claim(self, &claim, lose_owner, &epoch, NULL));
    eyot_commit c = {.run = {"r", 1}, .epoch = epoch, .token = {1}, .head = row.head, .status = EYOT_RUN_SUSPENDED};
    c.due_in_ms = INT64_MAX;
    CHECK_OK(ops->commit(self, &c, 1, NULL));
    CHECK_OK(c.result);
    eyot_graph_free(g);
}

static void every_n_looking(looking_fn look)
{
    long refused = 0;
    bool hit = true;
    for (long n = 1; hit; n++) {
        eyot_error e = {.status = EYOT_OK};
        long live = atomic_load(&memory.live);
        eyot_store *store = tally_store("memory:");
        eyot_engine *engine = tally_engine(1, store);
        eyot_graph *g = golden_waits("waits-2");
        CHECK(g && golden_waits_life(engine, g));
        put_aside(store, engine);
        arm(n, n % 2 == 0);
        eyot_status status = look(store, g, &e);
        disarm();
        hit = atomic_load(&memory.hit);
        if (status && !(hit && status == EYOT_ENOMEM)) /* what is only kept to be faster may be done without */
            test_fail(__FILE__, __LINE__, "allocation %ld: status %d, %s", n, (int)status, e.text);
        if (status) CHECK(e.status == EYOT_ENOMEM && e.text[0]);
        refused += status != EYOT_OK;
        eyot_engine_free(engine);
        eyot_graph_free(g);
        eyot_store_close(store);
        if (atomic_load(&memory.live) != live)
            test_fail(__FILE__, __LINE__, "allocation %ld: %ld blocks are left", n, atomic_load(&memory.live) - live);
    }
    CHECK(refused > 0);
}

TEST(alloc_checkpoint__of_a_step_and_the_latest)
{
    every_n_looking(load_third);
    every_n_looking(load_latest);
}

TEST(alloc_history__is_read)
{
    every_n_looking(read_history);
}

TEST(alloc_play__tells_every_step_or_why_not)
{
    every_n_looking(play_it);
}

/* ---- replay -------------------------------------------------------------------------------------------------------- */

/* A run "r" that is done, on an engine in memory. */
static pass done_run(int64_t *sum)
{
    pass p = {.lent = tally_store("memory:")};
    atomic_store(&ran.n, 0);
    CHECK_OK(run_to_end(&p, false, 0, EYOT_SYNC));
    *sum = ((const tally *)eyot_run_state(p.run))->sum;
    return p;
}

static void check_leftover(const pass *p, long n, long live, long states)
{
    if (atomic_load(&memory.live) != live) test_fail(__FILE__, __LINE__, "allocation %ld: blocks are left", n);
    CHECK_INT(tally_live(), states);
    CHECK_INT(tally_row_of(p->lent, "f").status, 0);
}

static bool verify_without(const pass *p, long n, bool stays)
{
    eyot_error e = {.text = ""};
    atomic_store(&ran.n, 0);
    arm(n, stays);
    eyot_status status = eyot_run_verify(p->engine, p->g, "r", NULL, NULL, &e);
    disarm();
    if (status && !(status == EYOT_ENOMEM && atomic_load(&memory.hit) && e.text[0]))
        test_fail(__FILE__, __LINE__, "verify, allocation %ld: status %d, %s", n, (int)status, e.text);
    return atomic_load(&memory.hit);
}

TEST(alloc_verify__takes_no_lack_of_memory_for_a_difference)
{
    int64_t sum;
    pass p = done_run(&sum);
    for (int stays = 0; stays < 2; stays++) {
        long n = 1, live = atomic_load(&memory.live), states = tally_live();
        for (; verify_without(&p, n, stays); n++) check_leftover(&p, n, live, states);
        CHECK(n > 100);
    }
    end_pass(&p);
    eyot_store_close(p.lent);
}

/* The fork adds 1000 and ends with the run's sum and that, or there is none. */
static bool fork_without(const pass *p, long n, uint64_t step, int64_t sum)
{
    eyot_error e = {.text = ""};
    eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run;
    o.run_id = "f";
    f.flags = EYOT_FORK_HOLD;
    f.task = "split@1";
    f.update_take = tally_sum(1000);
    atomic_store(&ran.n, 0);
    arm(n, n % 2 == 0);
    eyot_status status = eyot_run_fork(&run, p->engine, p->g, "r", step, &f, &o, NULL, &e);
    disarm();
    if (status && !(status == EYOT_ENOMEM && atomic_load(&memory.hit) && e.text[0]))
        test_fail(__FILE__, __LINE__, "fork, allocation %ld: status %d, %s", n, (int)status, e.text);
    CHECK_INT(tally_row_of(p->lent, "f").status, status ? 0 : EYOT_RUN_READY);
    if (status) return true;
    CHECK_OK(eyot_run_resume(&run, p->engine, p->g, "f", NULL, &e));
    CHECK_OK(eyot_run_wait(run, &e));
    CHECK_INT(((const tally *)eyot_run_state(run))->sum, sum + 1000);
    eyot_run_free(run);
    CHECK_OK(eyot_store_delete(p->lent, "f", &e));
    return atomic_load(&memory.hit);
}

TEST(alloc_fork__is_made_whole_or_not_at_all)
{
    int64_t sum;
    pass p = done_run(&sum);
    long n = 1, live = atomic_load(&memory.live), states = tally_live();
    for (; fork_without(&p, n, TASKS / 2, sum); n++) check_leftover(&p, n, live, states);
    CHECK(n > 50);
    end_pass(&p);
    eyot_store_close(p.lent);
}

TEST(alloc_manage__notes_cancelling_deleting)
{
    every_n_looking(put_note);
    every_n_looking(cancel_it);
    every_n_looking(delete_it);
}

TEST(alloc_retain__labels_pruning_collecting)
{
    every_n_looking(label_it);
    every_n_looking(prune_it);
    every_n_looking(collect);
}

#if defined(EYOT_HAVE_SQLITE)
TEST(alloc_run__kept_by_sqlite)
{
    every_n((plan){.url = "sqlite:"});
    every_n((plan){.url = "sqlite:", .stays = true});
}

TEST(alloc_resume__kept_by_sqlite)
{
    every_n((plan){.url = "sqlite:", .resume = true});
    every_n((plan){.url = "sqlite:", .resume = true, .stays = true});
}

TEST(alloc_sqlite__its_own_allocations)
{
    atomic_store(&sqlite_fails, true);
    every_n((plan){.url = "sqlite:", .stride = 29});
    every_n((plan){.url = "sqlite:", .stride = 31, .stays = true});
    every_n((plan){.url = "sqlite:", .stride = 37, .resume = true});
    atomic_store(&sqlite_fails, false);
}
#endif
