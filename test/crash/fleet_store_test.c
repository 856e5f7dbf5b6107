/* SPDX-License-Identifier: MIT */
/* What befalls a store while workers live on it: it is put back in time, its clock moves, thousands of runs wait, states are
 * large. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <eyot/stores.h>
#include <eyot/worker.h>

#include "core/store.h"
#include "test/crash/fleet.h"
#include "test/eyot_test.h"

TEST(fleet_helper__does_a_run_by_itself)
{
    fleet_helper();
}

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

/* ---- by hand ---------------------------------------------------------------------------------------------------- */

/* Who holds a run, or thinks so. */
typedef struct owner {
    const char *name;
    uint64_t epoch, head;
    uint8_t token[16];
} owner;

static eyot_status see_epoch(void *arg, const eyot_run_row *row)
{
    owner *o = arg;
    o->epoch = row->epoch;
    o->head = row->head;
    return EYOT_OK;
}

static owner take(eyot_store *store, const char *run, const char *name, uint64_t steal_epoch)
{
    owner o = {.name = name};
    eyot_error e = {.status = EYOT_OK};
    snprintf((char *)o.token, sizeof o.token, "of %.10s", name);
    eyot_claim c = {.run = text(run), .owner = text(name), .lease_ms = 60000, .steal_epoch = steal_epoch};
    memcpy(c.token, o.token, sizeof c.token);
    if (eyot__store_claim(store, &c, see_epoch, &o, &e)) test_fail(__FILE__, __LINE__, "%s: %s", name, e.text);
    return o;
}

static eyot_status add_entry(eyot_store *store, const char *run, const owner *o, uint64_t head, const char *body)
{
    eyot_error e = {.status = EYOT_OK};
    char key[32];
    snprintf(key, sizeof key, "task%llu", (unsigned long long)head);
    eyot_entry entry = {.seq = head + 1, .step = head, .kind = EYOT_ENTRY_TASK, .key = text(key), .body = text(body)};
    eyot_commit c = {.run = text(run),
                     .epoch = o->epoch,
                     .head = head,
                     .entries = &entry,
                     .n_entries = 1,
                     .status = EYOT_RUN_RUNNING,
                     .lease_ms = 60000,
                     .crc = (uint32_t)tally_hash(text(body)) | 1};
    memcpy(c.token, o->token, sizeof c.token);
    if (eyot__store_commit(store, &c, 1, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
    return c.result;
}

static void create(eyot_store *store, const char *run)
{
    static const char fingerprint[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    eyot_error e = {.status = EYOT_OK};
    eyot_entry first = {.seq = 1, .kind = EYOT_ENTRY_SNAPSHOT, .body = text("first")};
    eyot_run_row row = {.run = text(run), .graph = text("by hand"), .fingerprint = text(fingerprint)};
    eyot_commit c = {
        .run = text(run), .entries = &first, .n_entries = 1, .status = EYOT_RUN_READY, .snapshot_seq = 1, .crc = 1};
    if (eyot__store_create_run(store, &row, text("source"), &c, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}

/* ---- put back in time ------------------------------------------------------------------------------------------- */

/* first had the run when the store was saved, second after; both live on. third gets the epoch that second had. */
static void fleet_past(const fleet_backend *b)
{
    char url[4300];
    fleet_url(b, url, sizeof url);
    eyot_store *store = tally_store(url);
    create(store, "r");
    owner first = take(store, "r", "first", 0);
    CHECK_INT(add_entry(store, "r", &first, 1, "two"), EYOT_OK);
    CHECK_INT(add_entry(store, "r", &first, 2, "three"), EYOT_OK);
    fleet_do(b, url, FLEET_SAVE, 0);
    CHECK_INT(add_entry(store, "r", &first, 3, "four"), EYOT_OK);
    CHECK_INT(add_entry(store, "r", &first, 4, "five"), EYOT_OK);
    owner second = take(store, "r", "second", first.epoch);
    CHECK_INT(add_entry(store, "r", &second, 5, "six"), EYOT_OK);
    fleet_do(b, url, FLEET_RESTORE, 0);
    CHECK_INT(tally_row_of(store, "r").head, 3);
    CHECK_INT(add_entry(store, "r", &second, 6, "seven"), EYOT_EFENCED);
    CHECK_INT(add_entry(store, "r", &second, 3, "four of second"), EYOT_EFENCED); /* its epoch is ahead of the row's */
    CHECK_INT(add_entry(store, "r", &first, 5, "six"), EYOT_ESTALE);
    CHECK_INT(add_entry(store, "r", &first, 4, "five"), EYOT_ESTALE);
    owner third = take(store, "r", "third", first.epoch);
    CHECK_INT(third.epoch, second.epoch);
    CHECK_INT(add_entry(store, "r", &second, 3, "four of second"), EYOT_EFENCED); /* the token alone tells them apart */
    CHECK_INT(add_entry(store, "r", &second, 6, "seven"), EYOT_EFENCED);
    CHECK_INT(add_entry(store, "r", &first, 3, "four"), EYOT_EFENCED);
    CHECK_INT(add_entry(store, "r", &third, 3, "four of third"), EYOT_OK);
    tally_log log = tally_entries(store, "r");
    CHECK_INT(log.n, 4);
    CHECK(log.entries[3].body == tally_hash(text("four of third")));
    tally_log_free(&log);
    eyot_store_close(store);
}
FLEET_TESTS(fleet_past, of_a_store_takes_no_commit_of_its_future)

static void fleet_dump(const fleet_backend *b)
{
    fleet f;
    fleet_open(&f, b, NULL);
    f.job.task_us = 20000;
    fleet_start(&f, 4);
    for (unsigned round = 0; round < 2 * test_long(); round++) {
        fleet_submit(&f, 30);
        tally_pause_us((long)(100000 + test_random(&f.random) % 200000));
        fleet_do(b, f.url, FLEET_SAVE, 0);
        tally_pause_us((long)(100000 + test_random(&f.random) % 200000));
        fleet_do(b, f.url, FLEET_RESTORE, 0);
        f.n_done = 0;
        fleet_await(&f, 60, NULL, NULL);
    }
    fleet_dismiss(&f);
    fleet_findings found = fleet_check(&f, FLEET_PUT_BACK);
    fleet_print(&f, &found);
    CHECK(found.refused > 0 && found.again > 0);
    fleet_close(&f);
}
FLEET_TESTS(fleet_dump, put_back_under_live_workers_is_gone_on_with)

/* ---- the server's clock ------------------------------------------------------------------------------------------ */

enum { HOUR_MS = 3600000 };

static void fleet_clock_ahead(const fleet_backend *b)
{
    fleet f;
    fleet_open(&f, b, NULL);
    f.job.task_us = 20000;
    f.job.max_runs = 200; /* there is always somebody who looks for lost runs */
    f.job.poll_ms = 20;
    fleet_start(&f, 4);
    fleet_submit(&f, 40);
    for (unsigned i = 0; i < 3 * test_long(); i++) {
        tally_pause_us((long)(100000 + test_random(&f.random) % 200000));
        fleet_do(b, f.url, FLEET_SHIFT, -HOUR_MS);
        if (i % 3 == 2) fleet_submit(&f, 10);
    }
    fleet_await(&f, 60, NULL, NULL);
    fleet_dismiss(&f);
    fleet_findings found = fleet_check(&f, FLEET_CLOCK_MOVED);
    fleet_print(&f, &found);
    CHECK(found.takeovers > 0 && found.refused > 0);
    fleet_close(&f);
}
FLEET_TESTS(fleet_clock_ahead, by_an_hour_fences_those_whose_leases_it_ends)

static void fleet_clock_behind(const fleet_backend *b)
{
    fleet f;
    char id[16];
    fleet_open(&f, b, NULL);
    f.job.task_us = 20000;
    fleet_start(&f, 1);
    fleet_submit(&f, 6);
    for (unsigned i = 0; i < 6; tally_pause_us(1000)) fleet_run_id(id, i), i += tally_row_of(f.store, id).held;
    fleet_signal(&f, 0, SIGKILL);
    fleet_do(b, f.url, FLEET_SHIFT, HOUR_MS);
    uint64_t epochs = 0, later = 0;
    for (unsigned i = 0; i < 6; i++) fleet_run_id(id, i), epochs += tally_row_of(f.store, id).epoch;
    fleet_start(&f, 2);
    tally_pause_us((FLEET_LEASE_MS + 500) * 1000L);
    for (unsigned i = 0; i < 6; i++) fleet_run_id(id, i), later += tally_row_of(f.store, id).epoch;
    CHECK_INT(later, epochs); /* nobody has taken one */
    fleet_submit(&f, 10);     /* others are not held up */
    fleet_do(b, f.url, FLEET_SHIFT, -HOUR_MS);
    fleet_await(&f, 30, NULL, NULL);
    fleet_dismiss(&f);
    fleet_findings found = fleet_check(&f, FLEET_CLOCK_MOVED);
    fleet_print(&f, &found);
    fleet_close(&f);
}
FLEET_TESTS(fleet_clock_behind, by_an_hour_only_delays)

/* ---- a backlog --------------------------------------------------------------------------------------------------- */

enum { WRITERS = 8, LOST = 200, BACKLOG = 10000, LEAST = 1000 };

typedef struct backlog {
    fleet *f;
    _Atomic unsigned n;
    uint64_t until_ms;
} backlog;

static void *submit_some(void *arg)
{
    backlog *all = arg;
    char id[16];
    unsigned i;
    while ((i = atomic_fetch_add(&all->n, 1)) < BACKLOG && (i < LEAST || test_now_ms() < all->until_ms)) {
        fleet_run_id(id, i);
        fleet_submit_as(all->f, id);
    }
    return NULL;
}

/* Where the disk is slow, the short form is content with less. */
static unsigned submit_many(fleet *f)
{
    backlog all = {.f = f, .until_ms = test_now_ms() + (test_long() > 1 ? 600000 : 4000)};
    pthread_t writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) CHECK_OK(pthread_create(&writers[i], NULL, submit_some, &all));
    for (unsigned i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
    return atomic_load(&all.n) - WRITERS;
}

static int by_number(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : 1;
}

/* For each lost run (one of `each`), how long after its claim by who died somebody else claimed it; false: not all have been. */
static bool measure(const fleet *f, unsigned each, const uint64_t lost_ns[LOST], double ms[LOST])
{
    fleet_lines all = fleet_read(f);
    unsigned n = 0;
    for (size_t i = 0; i < all.n && n < LOST; i++) {
        const fleet_line *l = &all.lines[i];
        unsigned run = (unsigned)strtoul(l->run + 1, NULL, 10);
        if (l->kind != 'C' || l->epoch != 3 || run % each != 0 || run / each >= LOST) continue;
        ms[n++] = ((double)l->ns - (double)lost_ns[run / each]) / 1e6;
    }
    free(all.lines);
    if (n == LOST) qsort(ms, LOST, sizeof *ms, by_number);
    return n == LOST;
}

static void lose(fleet *f, unsigned each, uint64_t lost_ns[LOST])
{
    char id[16];
    for (unsigned i = 0; i < LOST; i++) {
        eyot_claim c = {.owner = text("elsewhere"), .lease_ms = FLEET_LEASE_MS};
        owner o;
        eyot_error e = {.status = EYOT_OK};
        fleet_run_id(id, each * i);
        c.run = text(id);
        lost_ns[i] = fleet_now_ns();
        if (eyot__store_claim(f->store, &c, see_epoch, &o, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
        CHECK_INT(o.epoch, 2);
    }
}

static void fleet_backlog(const fleet_backend *b)
{
    fleet f;
    uint64_t lost_ns[LOST];
    double ms[LOST];
    fleet_open(&f, b, NULL);
    uint64_t before = test_now_ms();
    unsigned n = submit_many(&f), each = n / LOST;
    uint64_t made = test_now_ms() - before;
    f.job.max_runs = 60000; /* there is always room for one more */
    f.job.poll_ms = 500;
    f.job.task_us = 20000;
    f.job.threads = 1;
    lose(&f, each, lost_ns);
    fleet_start(&f, 4);
    double limit = FLEET_LEASE_MS + 2.0 * f.job.poll_ms;
    if (test_long() == 1) limit += 2000; /* the short form runs beside other tests */
    uint64_t until = test_now_ms() + 30000 * fleet_patience();
    for (; !measure(&f, each, lost_ns, ms); tally_pause_us(200000))
        if (test_now_ms() > until) test_fail(__FILE__, __LINE__, "not all of %d lost runs were claimed again", LOST);
    fleet_kill_all(&f);
    printf("     %s: %u runs waited (made in %llu ms), %d were lost: claimed again after %.0f ms median, %.0f p99, "
           "%.0f at "
           "most; p99 may be %.0f\n",
           b->name, n, (unsigned long long)made, LOST, ms[LOST / 2], ms[LOST * 99 / 100], ms[LOST - 1], limit);
    CHECK(ms[0] >= FLEET_LEASE_MS - 1); /* their clocks count whole ms */
    CHECK(ms[LOST * 99 / 100] <= limit * (double)fleet_patience());
    fleet_close(&f);
}
FLEET_TESTS(fleet_backlog, holds_up_no_run_that_was_lost)

/* ---- large states ------------------------------------------------------------------------------------------------ */

enum { LARGE = 64 << 20 };

static eyot_status grow(eyot_task *task, void *user)
{
    (void)user;
    tally *update = tally_sum(1);
    return eyot_task_update(task, update ? tally_pad(update, LARGE, 0xA5) : NULL);
}

static eyot_graph *large_graph(void)
{
    eyot_graph *g = tally_graph("large");
    eyot_graph_node(g, "grow", grow, NULL);
    eyot_graph_node(g, "next", tally_add, NULL);
    eyot_graph_edge(g, "grow", "next");
    return tally_freeze(g);
}

static eyot_status run_large(const char *url, eyot_error *e)
{
    eyot_store *store = tally_store(url);
    eyot_engine *engine = tally_engine(1, store);
    eyot_graph *g = large_graph();
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run = NULL;
    o.run_id = "large";
    eyot_status status = eyot_run_sync(&run, engine, g, tally_new(), &o, e);
    eyot_run_free(run);
    if (!status) {
        eyot_checkpoint *c;
        CHECK_OK(eyot_store_load_latest_checkpoint(&c, store, g, "large", e));
        const tally *t = eyot_checkpoint_state(c);
        CHECK_INT(t->sum, 2);
        CHECK_INT(t->pad_len, LARGE);
        for (size_t i = 0; i < LARGE; i++)
            if (t->pad[i] != 0xA5) test_fail(__FILE__, __LINE__, "byte %zu is another", i);
        eyot_checkpoint_free(c);
    }
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_graph_free(g);
    return status;
}

static void fleet_large(const fleet_backend *b)
{
    char url[4300];
    eyot_error e = {.status = EYOT_OK};
    fleet_url(b, url, sizeof url);
    if (run_large(url, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}
FLEET_TESTS(fleet_large, state_of_64_MiB_is_kept)

/* A server that takes less says so before it is sent more. SQLite has no such setting. */
static void fleet_too_large(const fleet_backend *b)
{
    fleet_server server;
    char url[4300];
    eyot_error e = {.status = EYOT_OK};
    if (b == &fleet_sqlite) return;
    bool mysql = b == &fleet_mysql;
    fleet_server_open(&server, b, mysql ? "--max-allowed-packet" : "--proto-max-bulk-len", "16777216", url, sizeof url);
    CHECK_STATUS(run_large(url, &e), EYOT_ELIMIT);
    printf("     %s: %s\n", b->name, e.text);
    CHECK_HAS(e.text, "larger than the store takes (167");
    fleet_server_kill(&server);
}
FLEET_TESTS(fleet_too_large, state_is_refused_with_the_limit)
