/* SPDX-License-Identifier: MIT */
#include "core/store.h"

#include <eyot/stores.h>

#include "core/buf.h"
#include "test/eyot_test.h"

#include <stdatomic.h>
#include <time.h>

static eyot_error err;

/* A store that does nothing but count how often it was closed. */
static unsigned closed;
static atomic_int inside, most_inside;

static eyot_status no_create(void *s, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                             eyot_error *e)
{
    (void)s, (void)row, (void)source, (void)first, (void)e;
    return EYOT_OK;
}
/* Long enough inside for others to come in, if they are let in. */
static eyot_status slow_get(void *s, eyot_bytes run, eyot_row_fn fn, void *arg, eyot_error *e)
{
    (void)s, (void)run, (void)fn, (void)arg, (void)e;
    struct timespec moment = {0, 2000000};
    int now = atomic_fetch_add(&inside, 1) + 1, most = atomic_load(&most_inside);
    while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now)) {}
    nanosleep(&moment, NULL);
    atomic_fetch_sub(&inside, 1);
    return EYOT_OK;
}
static eyot_status no_list(void *s, const eyot_run_filter *f, eyot_bytes cursor, uint32_t limit, eyot_row_fn fn,
                           void *arg, eyot_buf *next, eyot_error *e)
{
    (void)s, (void)f, (void)cursor, (void)limit, (void)fn, (void)arg, (void)next, (void)e;
    return EYOT_OK;
}
static eyot_status no_graph(void *s, eyot_bytes fingerprint, eyot_buf *source, eyot_error *e)
{
    (void)s, (void)fingerprint, (void)source, (void)e;
    return EYOT_OK;
}
static eyot_status no_claim(void *s, const eyot_claim *claim, eyot_row_fn fn, void *arg, eyot_error *e)
{
    (void)s, (void)claim, (void)fn, (void)arg, (void)e;
    return EYOT_OK;
}
static eyot_status count_commits(void *s, eyot_commit *commits, size_t n, eyot_error *e)
{
    (void)commits, (void)e;
    *(size_t *)s += n;
    return EYOT_OK;
}
static eyot_status no_load(void *s, eyot_bytes run, uint64_t seq, eyot_entry_fn fn, void *arg, eyot_error *e)
{
    (void)s, (void)run, (void)seq, (void)fn, (void)arg, (void)e;
    return EYOT_OK;
}
static eyot_status no_entries(void *s, eyot_bytes run, uint64_t from, uint32_t limit, bool with_bodies,
                              eyot_entry_fn fn, void *arg, eyot_error *e)
{
    (void)s, (void)run, (void)from, (void)limit, (void)with_bodies, (void)fn, (void)arg, (void)e;
    return EYOT_OK;
}
static eyot_status no_info(void *s, eyot_store_info *out, eyot_error *e)
{
    (void)s, (void)out, (void)e;
    return EYOT_OK;
}
static void count_close(void *s)
{
    (void)s;
    closed++;
}
static eyot_status never_prune(void *s, eyot_bytes run, const uint64_t *seq, size_t n, uint64_t head, eyot_error *e)
{
    (void)s, (void)run, (void)seq, (void)n, (void)head;
    return eyot_error_set(e, EYOT_EIO, "prune was called");
}

static const eyot_store_ops full = {
    .size = sizeof(eyot_store_ops),
    .abi = EYOT_STORE_ABI,
    .create_run = no_create,
    .get_run = slow_get,
    .list_runs = no_list,
    .get_graph = no_graph,
    .claim = no_claim,
    .commit = count_commits,
    .load = no_load,
    .list_entries = no_entries,
    .info = no_info,
    .close = count_close,
    .prune = never_prune,
};

TEST(store_new__names_a_required_slot_that_is_missing)
{
    eyot_store *store;
    eyot_store_ops ops = full;
    ops.claim = NULL;
    closed = 0;
    CHECK_STATUS(eyot_store_new(&store, &ops, NULL, &err), EYOT_EINVAL);
    CHECK_HAS(err.text, "no claim");
    CHECK(!store);
    CHECK_INT(closed, 1);
}

TEST(store_new__refuses_another_abi)
{
    eyot_store *store;
    eyot_store_ops ops = full;
    ops.abi = 7;
    closed = 0;
    CHECK_STATUS(eyot_store_new(&store, &ops, NULL, &err), EYOT_EINVAL);
    CHECK_HAS(err.text, "abi 7");
    CHECK_INT(closed, 1);
}

TEST(store_new__refuses_a_table_without_all_required_slots)
{
    eyot_store *store;
    eyot_store_ops ops = full;
    ops.size = offsetof(eyot_store_ops, close);
    closed = 0;
    CHECK_STATUS(eyot_store_new(&store, &ops, NULL, &err), EYOT_EINVAL);
    CHECK_INT(closed, 0);
    CHECK_STATUS(eyot_store_new(&store, NULL, NULL, &err), EYOT_EINVAL);
}

TEST(store_new__takes_slots_that_an_older_table_does_not_have_as_missing)
{
    eyot_store *store;
    eyot_store_ops ops = full;
    void *self;
    ops.size = offsetof(eyot_store_ops, prune);
    CHECK_OK(eyot_store_new(&store, &ops, &ops, &err));
    CHECK_STATUS(eyot__store_prune(store, eyot__bytes("a", 1), NULL, 0, 0, &err), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "prune");
    CHECK(!eyot_store_table(store, &self)->prune);
    CHECK(self == &ops);
    closed = 0;
    eyot_store_close(store);
    CHECK_INT(closed, 1);
    eyot_store_close(NULL);
}

TEST(store_commit__refuses_events_that_nobody_could_read)
{
    size_t commits = 0;
    eyot_store *store;
    eyot_event event = {.id = eyot__bytes("e", 1)};
    eyot_bytes message = eyot__bytes("m", 1);
    eyot_commit c[2] = {{.run = eyot__bytes("a", 1)}, {.run = eyot__bytes("b", 1), .events = &event, .n_events = 1}};
    CHECK_OK(eyot_store_new(&store, &full, &commits, &err));
    CHECK_STATUS(eyot__store_commit(store, c, 2, &err), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "events");
    c[1].n_events = 0;
    c[1].inbox_done = &message;
    c[1].n_inbox_done = 1;
    CHECK_STATUS(eyot__store_commit(store, c, 2, &err), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "messages");
    CHECK_INT(commits, 0);
    c[1].n_inbox_done = 0;
    CHECK_OK(eyot__store_commit(store, c, 2, &err));
    CHECK_INT(commits, 2);
    eyot_store_close(store);
}

static void *get_often(void *store)
{
    for (int i = 0; i < 10; i++) eyot__store_get_run(store, eyot__bytes("a", 1), NULL, NULL, NULL);
    return NULL;
}

static int most_at_once(uint32_t flags)
{
    pthread_t thread[4];
    eyot_store *store;
    eyot_store_ops ops = full;
    ops.flags = flags;
    atomic_store(&most_inside, 0);
    CHECK_OK(eyot_store_new(&store, &ops, NULL, &err));
    for (int i = 0; i < 4; i++) CHECK(pthread_create(&thread[i], NULL, get_often, store) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    eyot_store_close(store);
    return atomic_load(&most_inside);
}

TEST(store_serial__slots_are_called_one_at_a_time)
{
    CHECK_INT(most_at_once(EYOT_STORE_SERIAL), 1);
    CHECK(most_at_once(0) > 1);
}

TEST(store_class__has_a_name)
{
    CHECK_STR(eyot_store_class_name(EYOT_CLASS_VOLATILE), "volatile");
    CHECK_STR(eyot_store_class_name(EYOT_CLASS_PROCESS), "process");
    CHECK_STR(eyot_store_class_name(EYOT_CLASS_MACHINE), "machine");
    CHECK_STR(eyot_store_class_name(EYOT_CLASS_REPLICATED), "replicated");
    CHECK_STR(eyot_store_class_name((eyot_store_class)9), "unknown");
}

TEST(store_verdict__looks_at_the_fence_before_the_head)
{
    eyot_run_row row = {.epoch = 3, .head = 5, .crc = 9, .owner = eyot__bytes("w", 1)};
    eyot_entry e = {.seq = 5};
    eyot_commit c = {.epoch = 3, .head = 4, .crc = 9, .entries = &e, .n_entries = 1};
    CHECK_STATUS(eyot__store_verdict(&row, &c), EYOT_EALREADY);
    c.crc = 8;
    CHECK_STATUS(eyot__store_verdict(&row, &c), EYOT_ESTALE);
    c.crc = 9;
    c.epoch = 2;
    CHECK_STATUS(eyot__store_verdict(&row, &c), EYOT_EFENCED);
    c.epoch = 3;
    c.head = 5;
    CHECK_STATUS(eyot__store_verdict(&row, &c), EYOT_OK);
    c.token[3] = 1;
    CHECK_STATUS(eyot__store_verdict(&row, &c), EYOT_EFENCED);
}

TEST(store_due__never_overflows)
{
    eyot_commit c = {.lease_ms = 10};
    CHECK_INT(eyot__store_due_ms(1000, &c), 1010);
    c.lease_ms = UINT64_MAX;
    CHECK_INT(eyot__store_due_ms(1000, &c), INT64_MAX);
    c.lease_ms = 0;
    c.due_in_ms = -5;
    CHECK_INT(eyot__store_due_ms(1000, &c), 995);
    c.due_in_ms = INT64_MAX;
    CHECK_INT(eyot__store_due_ms(1000, &c), INT64_MAX);
    c.due_in_ms = 5;
    c.status = EYOT_RUN_DONE;
    CHECK_INT(eyot__store_due_ms(1000, &c), INT64_MAX);
}
