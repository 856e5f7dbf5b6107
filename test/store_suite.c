/* SPDX-License-Identifier: MIT */
#include "test/store_suite.h"

#include <eyot/stores.h>

#include "core/buf.h"
#include "core/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the store under test, and short ways to use it --------------------------------------------------------------- */

static eyot_store *store;
static eyot_error err;
static const store_backend *backend;
static char store_url[4200];

static void open_store(void)
{
    eyot_status r = eyot_store_open(&store, store_url, &err);
    if (r) test_fail(__FILE__, __LINE__, "%s: %s", store_url, err.text);
}

static void store_suite_run(const store_backend *b, void (*test)(void))
{
    static unsigned number;
    backend = b;
    if (*b->url == '$') {
        const char *url = getenv(b->url + 1);
        if (!url && getenv("EYOT_TEST_SERVERS")) test_fail(__FILE__, __LINE__, "%s is not set", b->url + 1);
        if (!url) test_skip("no server of it");
        snprintf(store_url, sizeof store_url, "%s%cprefix=s%d_%u_", url, strchr(url, '?') ? '&' : '?', (int)getpid(),
                 ++number);
    } else {
        snprintf(store_url, sizeof store_url, b->url, test_dir());
    }
    open_store();
    test();
    eyot_store_close(store);
    store = NULL;
}

static eyot_bytes text(const char *s)
{
    return eyot__bytes(s, strlen(s));
}

static const char fingerprint[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const uint8_t token_1[16] = {1}, token_2[16] = {2};

static eyot_entry entry_of(uint64_t seq, eyot_entry_kind kind, const char *key, const char *body)
{
    return (eyot_entry){.seq = seq, .step = seq - 1, .kind = kind, .key = text(key), .body = text(body)};
}

/* A commit of `n` entries after `head`, in the hands of who holds epoch 1 and token_1, that keeps the lease. */
static eyot_commit commit_of(const char *run, uint64_t head, const eyot_entry *entries, size_t n)
{
    eyot_commit c = {.run = text(run), .epoch = 1, .head = head, .entries = entries, .n_entries = n};
    memcpy(c.token, token_1, 16);
    c.status = EYOT_RUN_RUNNING;
    c.lease_ms = 60000;
    c.crc = (uint32_t)(1000 + head);
    c.result = (eyot_status)77;
    return c;
}

static eyot_run_row row_of(const char *run)
{
    eyot_run_row row = {.run = text(run), .graph = text("hello"), .fingerprint = text(fingerprint)};
    row.owner = text("worker 1");
    memcpy(row.token, token_1, 16);
    return row;
}

static eyot_status create(const eyot_run_row *row, const eyot_commit *first)
{
    return eyot__store_create_run(store, row, text("source"), first, &err);
}

/* A run held by "worker 1" with one entry, a snapshot. */
static void new_run(const char *run)
{
    eyot_run_row row = row_of(run);
    eyot_entry first = entry_of(1, EYOT_ENTRY_SNAPSHOT, "", "first");
    eyot_commit c = commit_of(run, 0, &first, 1);
    c.snapshot_seq = 1;
    CHECK_OK(create(&row, &c));
}

/* One that nobody holds, due in so many ms. */
static void new_released(const char *run, const char *queue, int32_t priority, int64_t due_in_ms)
{
    eyot_run_row row = row_of(run);
    eyot_entry first = entry_of(1, EYOT_ENTRY_SNAPSHOT, "", "first");
    eyot_commit c = commit_of(run, 0, &first, 1);
    row.owner = text("");
    row.queue = text(queue);
    row.priority = priority;
    c.status = EYOT_RUN_READY;
    c.due_in_ms = due_in_ms;
    c.snapshot_seq = 1;
    CHECK_OK(create(&row, &c));
}

static eyot_status commit(eyot_commit *c)
{
    eyot_status r = eyot__store_commit(store, c, 1, &err);
    return r ? r : c->result;
}

/* Commits one task entry after `head`. */
static eyot_status commit_task(const char *run, uint64_t head, const char *body)
{
    eyot_entry e = entry_of(head + 1, EYOT_ENTRY_TASK, "task", body);
    eyot_commit c = commit_of(run, head, &e, 1);
    return commit(&c);
}

static eyot_status release(const char *run, uint64_t head, uint32_t status, int64_t due_in_ms)
{
    eyot_commit c = commit_of(run, head, NULL, 0);
    c.status = status;
    c.lease_ms = 0;
    c.due_in_ms = due_in_ms;
    return commit(&c);
}

/* A row with strings of its own. */
typedef struct kept_row {
    eyot_run_row row;
    char run[200], graph[100], fingerprint[100], origin[300], queue[100], owner[100];
    unsigned times;
} kept_row;

static void keep_text(char *to, size_t size, eyot_bytes b)
{
    size_t n = b.n < size - 1 ? b.n : size - 1;
    if (n) memcpy(to, b.p, n);
    to[n] = '\0';
}

static eyot_status keep_row(void *arg, const eyot_run_row *row)
{
    kept_row *k = arg;
    k->row = *row;
    keep_text(k->run, sizeof k->run, row->run);
    keep_text(k->graph, sizeof k->graph, row->graph);
    keep_text(k->fingerprint, sizeof k->fingerprint, row->fingerprint);
    keep_text(k->origin, sizeof k->origin, row->origin);
    keep_text(k->queue, sizeof k->queue, row->queue);
    keep_text(k->owner, sizeof k->owner, row->owner);
    k->times++;
    return EYOT_OK;
}

static kept_row get(const char *run)
{
    kept_row k = {.times = 0};
    CHECK_OK(eyot__store_get_run(store, text(run), keep_row, &k, &err));
    CHECK_INT(k.times, 1);
    return k;
}

static eyot_claim claim_of(const char *run, const char *queue)
{
    eyot_claim c = {.run = text(run), .queue = text(queue), .owner = text("worker 2"), .lease_ms = 60000};
    memcpy(c.token, token_2, 16);
    return c;
}

static eyot_status claim(const eyot_claim *c, kept_row *k)
{
    memset(k, 0, sizeof *k);
    return eyot__store_claim(store, c, keep_row, k, &err);
}

/* Waits until the store's clock says so. */
static void wait_until(const char *run, int64_t ms)
{
    struct timespec moment = {0, 500000};
    while (get(run).row.now_ms < ms) nanosleep(&moment, NULL);
}

typedef struct seen {
    unsigned n, stop_after;
    uint64_t first, last;
    bool in_order, same; /* numbered without a gap; the last body is `want` */
    eyot_bytes want;
    char key[300], body[100];
    size_t key_len, body_len;
    eyot_entry entry;
} seen;

static eyot_status see(void *arg, const eyot_entry *entry)
{
    seen *s = arg;
    if (s->n == 0) s->in_order = true;
    if (s->n == 0) s->first = entry->seq;
    if (s->n > 0 && entry->seq != s->last + 1) s->in_order = false;
    s->last = entry->seq;
    s->n++;
    keep_text(s->key, sizeof s->key, entry->key);
    keep_text(s->body, sizeof s->body, entry->body);
    s->same = eyot__bytes_equal(entry->body, s->want);
    s->key_len = entry->key.n;
    s->body_len = entry->body.n;
    s->entry = *entry;
    return s->stop_after && s->n == s->stop_after ? EYOT_ECANCELED : EYOT_OK;
}

static seen load(const char *run, uint64_t seq)
{
    seen s = {.n = 0};
    CHECK_OK(eyot__store_load(store, text(run), seq, see, &s, &err));
    return s;
}

/* Leaves a test of an optional slot when the backend has none, having seen that it is refused by name. */
#define NEEDS(slot, call)                                  \
    do {                                                   \
        void *needs_self;                                  \
        if (!eyot_store_table(store, &needs_self)->slot) { \
            CHECK_STATUS(call, EYOT_ENOTSUP);              \
            CHECK_HAS(err.text, #slot);                    \
            return;                                        \
        }                                                  \
    } while (0)

/* ---- creating ------------------------------------------------------------------------------------------------------ */

static void create__gives_the_row_that_was_asked_for(void)
{
    eyot_run_row row = row_of("a17");
    eyot_entry e[2] = {entry_of(1, EYOT_ENTRY_SNAPSHOT, "", "one"), entry_of(2, EYOT_ENTRY_TASK, "start", "two")};
    eyot_commit c = commit_of("a17", 0, e, 2);
    row.origin = text("a16@9");
    row.queue = text("nightly");
    row.priority = -5;
    c.snapshot_seq = 1;
    CHECK_OK(create(&row, &c));
    kept_row k = get("a17");
    CHECK_STR(k.run, "a17");
    CHECK_STR(k.graph, "hello");
    CHECK_STR(k.fingerprint, fingerprint);
    CHECK_STR(k.origin, "a16@9");
    CHECK_STR(k.queue, "nightly");
    CHECK_STR(k.owner, "worker 1");
    CHECK(memcmp(k.row.token, token_1, 16) == 0);
    CHECK_INT(k.row.epoch, 1);
    CHECK_INT(k.row.head, 2);
    CHECK_INT(k.row.steps, 1);
    CHECK_INT(k.row.snapshot_seq, 1);
    CHECK_INT(k.row.status, EYOT_RUN_RUNNING);
    CHECK_INT(k.row.attempts, 0);
    CHECK_INT(k.row.priority, -5);
    CHECK_INT(k.row.crc, c.crc);
    CHECK(k.row.created_ms > 1600000000000 && k.row.updated_ms == k.row.created_ms);
    CHECK_INT(k.row.due_ms, k.row.created_ms + 60000);
    CHECK(k.row.now_ms >= k.row.created_ms && k.row.now_ms < k.row.created_ms + 60000);
}

static void create__refuses_an_id_that_is_taken(void)
{
    new_run("a17");
    CHECK_OK(commit_task("a17", 1, "x"));
    eyot_run_row row = row_of("a17");
    eyot_commit c = commit_of("a17", 0, NULL, 0);
    CHECK_STATUS(create(&row, &c), EYOT_EEXIST);
    CHECK_HAS(err.text, "a17");
    CHECK_INT(get("a17").row.head, 2);
}

static void create__refuses_what_is_no_id(void)
{
    static const char *const bad[] = {"", "-a", ".a", ":a", "_a", "a b", "a ", " a", "a\n", "a/b", "a\xc3\xa4", "a@1"};
    char long_id[130];
    memset(long_id, 'a', 129);
    long_id[129] = '\0';
    eyot_commit c = commit_of("", 0, NULL, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eyot_run_row row = row_of(bad[i]);
        CHECK_STATUS(create(&row, &c), EYOT_EINVAL);
    }
    eyot_run_row too_long = row_of(long_id), nul = row_of("ab");
    CHECK_STATUS(create(&too_long, &c), EYOT_EINVAL);
    nul.run = eyot__bytes("a\0b", 3);
    CHECK_STATUS(create(&nul, &c), EYOT_EINVAL);
}

static void create__keeps_ids_apart_that_differ_in_case(void)
{
    kept_row k = {.times = 0};
    new_run("Run-a");
    new_run("run-a");
    CHECK_OK(commit_task("run-a", 1, "x"));
    CHECK_INT(get("Run-a").row.head, 1);
    CHECK_INT(get("run-a").row.head, 2);
    CHECK_STATUS(eyot__store_get_run(store, text("RUN-A"), keep_row, &k, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot__store_get_run(store, text("run-a "), keep_row, &k, &err), EYOT_ENOTFOUND);
}

static void create__takes_every_letter_and_128_bytes(void)
{
    char id[129];
    memset(id, 'z', 128);
    id[128] = '\0';
    new_run(id);
    new_run("0AZaz09._:-");
    CHECK_STR(get(id).run, id);
    CHECK_STR(get("0AZaz09._:-").run, "0AZaz09._:-");
}

static void create__without_an_owner_is_released(void)
{
    kept_row k;
    new_released("a17", "", 0, 0);
    CHECK_STR(get("a17").owner, "");
    CHECK_STATUS(commit_task("a17", 1, "x"), EYOT_EFENCED);
    eyot_claim c = claim_of("", "");
    CHECK_OK(claim(&c, &k));
    CHECK_STR(k.run, "a17");
}

static void create__keeps_a_graph_once(void)
{
    eyot_buf source = EYOT__BUF_INIT;
    eyot_run_row row = row_of("a2");
    eyot_commit c = commit_of("a2", 0, NULL, 0);
    new_run("a1");
    CHECK_OK(eyot__store_create_run(store, &row, text("another"), &c, &err));
    CHECK_OK(eyot__store_get_graph(store, text(fingerprint), &source, &err));
    CHECK_INT(source.len, 6);
    CHECK(memcmp(source.data, "source", 6) == 0);
    eyot__buf_clear(&source);
}

static void get__of_nothing_is_not_found(void)
{
    kept_row k = {.times = 0};
    seen s = {.n = 0};
    eyot_buf source = EYOT__BUF_INIT;
    eyot_claim c = claim_of("a17", "");
    CHECK_STATUS(eyot__store_get_run(store, text("a17"), keep_row, &k, &err), EYOT_ENOTFOUND);
    CHECK_HAS(err.text, "a17");
    CHECK_STATUS(eyot__store_get_graph(store, text("beef"), &source, &err), EYOT_ENOTFOUND);
    CHECK_HAS(err.text, "beef");
    CHECK_STATUS(eyot__store_load(store, text("a17"), UINT64_MAX, see, &s, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot__store_list_entries(store, text("a17"), 1, 9, true, see, &s, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    CHECK_INT(k.times + s.n, 0);
}

/* ---- committing ---------------------------------------------------------------------------------------------------- */

static void commit__advances_the_row(void)
{
    new_run("a17");
    kept_row before = get("a17");
    eyot_entry e[2] = {entry_of(2, EYOT_ENTRY_TASK, "left", "l"), entry_of(3, EYOT_ENTRY_SNAPSHOT, "", "s")};
    eyot_commit c = commit_of("a17", 1, e, 2);
    c.snapshot_seq = 3;
    c.lease_ms = 90000;
    CHECK_OK(commit(&c));
    kept_row after = get("a17");
    CHECK_INT(after.row.head, 3);
    CHECK_INT(after.row.steps, 2);
    CHECK_INT(after.row.snapshot_seq, 3);
    CHECK_INT(after.row.crc, c.crc);
    CHECK_INT(after.row.epoch, 1);
    CHECK_STR(after.owner, "worker 1");
    CHECK_INT(after.row.due_ms, after.row.updated_ms + 90000);
    CHECK(after.row.updated_ms >= before.row.updated_ms);
    CHECK_INT(after.row.created_ms, before.row.created_ms);
}

static void commit__second_write_is_refused(void)
{
    new_run("a17");
    CHECK_OK(commit_task("a17", 1, "mine"));
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "task", "other");
    eyot_commit c = commit_of("a17", 1, &e, 1);
    c.crc = 5;
    CHECK_STATUS(commit(&c), EYOT_ESTALE);
    seen s = load("a17", UINT64_MAX);
    CHECK_INT(s.last, 2);
    CHECK_STR(s.body, "mine");
    CHECK(get("a17").row.crc != 5);
}

static void commit__sent_again_is_already_there(void)
{
    new_run("a17");
    CHECK_OK(commit_task("a17", 1, "x"));
    CHECK_STATUS(commit_task("a17", 1, "x"), EYOT_EALREADY);
    CHECK_OK(commit_task("a17", 2, "y"));
    CHECK_STATUS(commit_task("a17", 1, "x"), EYOT_ESTALE);
    CHECK_INT(get("a17").row.head, 3);
}

static void commit__ahead_of_the_head_is_refused(void)
{
    new_run("a17");
    CHECK_STATUS(commit_task("a17", 2, "x"), EYOT_ESTALE);
    CHECK_STATUS(commit_task("a17", 5, "x"), EYOT_ESTALE);
    CHECK_INT(get("a17").row.head, 1);
    CHECK_INT(load("a17", UINT64_MAX).n, 1);
}

static void commit__must_number_its_entries(void)
{
    new_run("a17");
    eyot_entry e[2] = {entry_of(2, EYOT_ENTRY_TASK, "a", "a"), entry_of(4, EYOT_ENTRY_TASK, "b", "b")};
    eyot_commit c = commit_of("a17", 1, e, 2);
    CHECK_STATUS(eyot__store_commit(store, &c, 1, &err), EYOT_EINVAL);
    CHECK_HAS(err.text, "entry 4");
    CHECK_INT(get("a17").row.head, 1);
}

static void commit__with_another_epoch_is_fenced(void)
{
    new_run("a17");
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "task", "x");
    eyot_commit c = commit_of("a17", 1, &e, 1);
    c.epoch = 2;
    CHECK_STATUS(commit(&c), EYOT_EFENCED);
    CHECK_INT(get("a17").row.head, 1);
    CHECK_INT(load("a17", UINT64_MAX).n, 1);
}

static void commit__with_another_token_is_fenced(void)
{
    new_run("a17");
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "task", "x");
    eyot_commit c = commit_of("a17", 1, &e, 1);
    c.token[15] = 1;
    CHECK_STATUS(commit(&c), EYOT_EFENCED);
    CHECK_INT(get("a17").row.head, 1);
    CHECK_INT(load("a17", UINT64_MAX).n, 1);
}

static void commit__to_no_run_is_gone(void)
{
    CHECK_STATUS(commit_task("a17", 0, "x"), EYOT_EGONE);
}

static void commit__without_entries_renews_the_lease(void)
{
    new_run("a17");
    eyot_commit c = commit_of("a17", 1, NULL, 0);
    c.lease_ms = 120000;
    CHECK_OK(commit(&c));
    kept_row k = get("a17");
    CHECK_INT(k.row.due_ms, k.row.updated_ms + 120000);
    CHECK_INT(k.row.head, 1);
    CHECK_STR(k.owner, "worker 1");
    c.token[0] = 9;
    CHECK_STATUS(commit(&c), EYOT_EFENCED);
}

static void commit__renewal_does_not_hide_a_commit_sent_again(void)
{
    new_run("a17");
    CHECK_OK(commit_task("a17", 1, "x"));
    eyot_commit renewal = commit_of("a17", 2, NULL, 0);
    CHECK_OK(commit(&renewal));
    CHECK_STATUS(commit_task("a17", 1, "x"), EYOT_EALREADY);
}

static void commit__after_a_release_needs_a_claim(void)
{
    kept_row k;
    new_run("a17");
    CHECK_OK(release("a17", 1, EYOT_RUN_SUSPENDED, INT64_MAX));
    k = get("a17");
    CHECK_STR(k.owner, "");
    CHECK_INT(k.row.status, EYOT_RUN_SUSPENDED);
    CHECK_INT(k.row.due_ms, INT64_MAX);
    CHECK_STATUS(commit_task("a17", 1, "x"), EYOT_EFENCED);
    eyot_claim c = claim_of("a17", "");
    CHECK_OK(claim(&c, &k));
}

static void commit__release_sent_again_changes_nothing(void)
{
    eyot_entry e = entry_of(2, EYOT_ENTRY_STATUS, "", "done");
    eyot_commit c = commit_of("a17", 1, &e, 1);
    c.status = EYOT_RUN_DONE;
    c.lease_ms = 0;
    c.due_in_ms = INT64_MAX;
    new_run("a17");
    new_run("a18");
    CHECK_OK(commit(&c));
    CHECK_STATUS(commit(&c), EYOT_EALREADY);
    CHECK_OK(release("a18", 1, EYOT_RUN_FAILED, INT64_MAX));
    CHECK_STATUS(release("a18", 1, EYOT_RUN_FAILED, INT64_MAX), EYOT_EALREADY);
    CHECK_INT(get("a17").row.status, EYOT_RUN_DONE);
    CHECK_INT(get("a18").row.status, EYOT_RUN_FAILED);
}

static void commit__each_of_many_by_itself(void)
{
    static const char *const ids[] = {"ok-1", "stale", "fenced", "gone", "again", "ok-2"};
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "task", "x");
    eyot_commit c[6];
    for (size_t i = 0; i < 6; i++) {
        if (strcmp(ids[i], "gone") != 0) new_run(ids[i]);
        c[i] = commit_of(ids[i], 1, &e, 1);
    }
    c[2].epoch = 7;
    CHECK_OK(commit_task("stale", 1, "other"));
    c[1].crc = 1;
    CHECK_OK(commit_task("again", 1, "x"));
    CHECK_OK(eyot__store_commit(store, c, 6, &err));
    CHECK_STATUS(c[0].result, EYOT_OK);
    CHECK_STATUS(c[1].result, EYOT_ESTALE);
    CHECK_STATUS(c[2].result, EYOT_EFENCED);
    CHECK_STATUS(c[3].result, EYOT_EGONE);
    CHECK_STATUS(c[4].result, EYOT_EALREADY);
    CHECK_STATUS(c[5].result, EYOT_OK);
    CHECK_INT(get("ok-1").row.head, 2);
    CHECK_INT(get("ok-2").row.head, 2);
    CHECK_INT(get("fenced").row.head, 1);
}

static void commit__two_of_one_run_in_one_call(void)
{
    new_run("a17");
    eyot_entry e2 = entry_of(2, EYOT_ENTRY_TASK, "a", "2"), e3 = entry_of(3, EYOT_ENTRY_TASK, "b", "3");
    eyot_commit c[3] = {commit_of("a17", 1, &e2, 1), commit_of("a17", 2, &e3, 1), commit_of("a17", 1, &e2, 1)};
    CHECK_OK(eyot__store_commit(store, c, 3, &err));
    CHECK_STATUS(c[0].result, EYOT_OK);
    CHECK_STATUS(c[1].result, EYOT_OK);
    CHECK_STATUS(c[2].result, EYOT_ESTALE);
    CHECK_STR(load("a17", UINT64_MAX).body, "3");
}

/* Each commit has three entries: a reader must never see a number of them that three does not divide. */
enum { HALVES = 100 };

static void *write_threes(void *arg)
{
    (void)arg;
    for (uint64_t head = 1; head < 1 + 3 * HALVES; head += 3) {
        eyot_entry e[3];
        for (uint64_t i = 0; i < 3; i++) e[i] = entry_of(head + 1 + i, EYOT_ENTRY_TASK, "task", "body");
        eyot_commit c = commit_of("a17", head, e, 3);
        if (eyot__store_commit(store, &c, 1, NULL) != EYOT_OK || c.result != EYOT_OK) return arg;
    }
    return NULL;
}

static void commit__is_never_seen_by_halves(void)
{
    pthread_t writer;
    void *failed;
    uint64_t last;
    unsigned halves = 0;
    new_run("a17");
    CHECK(pthread_create(&writer, NULL, write_threes, store) == 0);
    do {
        seen s = load("a17", UINT64_MAX);
        last = s.last;
        if (last % 3 != 1 || !s.in_order || s.first != 1 || s.n != last) halves++;
    } while (last < 1 + 3 * HALVES && halves == 0);
    CHECK(pthread_join(writer, &failed) == 0);
    CHECK(!failed);
    CHECK_INT(halves, 0);
}

enum { THREADS = 4, COMMITS = 50 };

typedef struct writer {
    pthread_t thread;
    unsigned number, won, failed;
} writer;

/* Each tries to write every seq; the crc tells whose commit it was. */
static void *write_same(void *arg)
{
    writer *w = arg;
    for (uint64_t head = 1; head <= COMMITS;) {
        eyot_entry e = entry_of(head + 1, EYOT_ENTRY_TASK, "task", "body");
        eyot_commit c = commit_of("a17", head, &e, 1);
        c.crc = w->number;
        if (eyot__store_commit(store, &c, 1, NULL) != EYOT_OK) w->failed++;
        if (c.result == EYOT_OK) w->won++;
        if (c.result == EYOT_OK || c.result == EYOT_ESTALE) head++;
        if (c.result != EYOT_OK && c.result != EYOT_ESTALE) w->failed++;
        if (w->failed) break;
    }
    return NULL;
}

static void *write_own(void *arg)
{
    writer *w = arg;
    char id[32];
    snprintf(id, sizeof id, "run-%u", w->number);
    for (uint64_t head = 1; head <= COMMITS; head++) {
        eyot_entry e = entry_of(head + 1, EYOT_ENTRY_TASK, "task", id);
        eyot_commit c = commit_of(id, head, &e, 1);
        if (eyot__store_commit(store, &c, 1, NULL) == EYOT_OK && c.result == EYOT_OK) w->won++;
    }
    return NULL;
}

static void run_writers(writer *w, void *(*fn)(void *))
{
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (writer){.number = i};
        CHECK(pthread_create(&w[i].thread, NULL, fn, &w[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(w[i].thread, NULL) == 0);
}

static void commit__writers_on_one_run_win_once(void)
{
    writer w[THREADS];
    unsigned won = 0, failed = 0;
    new_run("a17");
    run_writers(w, write_same);
    for (unsigned i = 0; i < THREADS; i++) {
        won += w[i].won;
        failed += w[i].failed;
    }
    CHECK_INT(failed, 0);
    CHECK_INT(won, COMMITS);
    CHECK_INT(get("a17").row.head, 1 + COMMITS);
    CHECK_INT(load("a17", UINT64_MAX).n, 1 + COMMITS);
}

static void commit__writers_on_many_runs_do_not_meet(void)
{
    writer w[THREADS];
    char id[32];
    for (unsigned i = 0; i < THREADS; i++) {
        snprintf(id, sizeof id, "run-%u", i);
        new_run(id);
    }
    run_writers(w, write_own);
    for (unsigned i = 0; i < THREADS; i++) {
        snprintf(id, sizeof id, "run-%u", i);
        CHECK_INT(w[i].won, COMMITS);
        seen s = load(id, UINT64_MAX);
        CHECK_INT(s.n, 1 + COMMITS);
        CHECK_STR(s.body, id);
    }
}

static void commit__keeps_nul_bytes_and_empty_bodies(void)
{
    new_run("a17");
    eyot_entry e[2] = {entry_of(2, EYOT_ENTRY_TASK, "", ""), entry_of(3, EYOT_ENTRY_TASK, "", "")};
    e[0].body = eyot__bytes("\0a\0\xff\0", 5);
    e[0].key = eyot__bytes("k\0", 2);
    e[1].body = eyot__bytes(NULL, 0);
    eyot_commit c = commit_of("a17", 1, e, 2);
    CHECK_OK(commit(&c));
    seen s = {.want = e[0].body};
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 2, 1, true, see, &s, &err));
    CHECK_INT(s.n, 1);
    CHECK(s.same);
    CHECK_INT(s.key_len, 2);
    s = load("a17", UINT64_MAX);
    CHECK_INT(s.last, 3);
    CHECK_INT(s.body_len, 0);
    CHECK_INT(s.key_len, 0);
}

static void commit__keeps_a_large_body(void)
{
    size_t n = (size_t)(test_long() > 1 ? 64 : 8) << 20;
    unsigned char *body = malloc(n);
    uint64_t random = test_seed();
    CHECK(body);
    for (size_t i = 0; i + 8 <= n; i += 8) {
        uint64_t word = test_random(&random);
        memcpy(body + i, &word, 8);
    }
    new_run("a17");
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "big", "");
    e.body = eyot__bytes(body, n);
    eyot_commit c = commit_of("a17", 1, &e, 1);
    CHECK_OK(commit(&c));
    seen s = {.want = e.body};
    CHECK_OK(eyot__store_load(store, text("a17"), UINT64_MAX, see, &s, &err));
    free(body);
    CHECK_INT(s.body_len, n);
    CHECK(s.same);
}

static void commit__keeps_the_ends_of_64_bits(void)
{
    eyot_run_row row = row_of("a17");
    eyot_entry e = entry_of(1, EYOT_ENTRY_TASK, "k", "b");
    eyot_commit c = commit_of("a17", 0, &e, 1);
    row.priority = INT32_MIN;
    e.step = UINT64_MAX;
    c.crc = UINT32_MAX;
    c.lease_ms = UINT64_MAX;
    CHECK_OK(create(&row, &c));
    kept_row k = get("a17");
    CHECK_INT(k.row.priority, INT32_MIN);
    CHECK(k.row.steps == UINT64_MAX && k.row.crc == UINT32_MAX);
    CHECK_INT(k.row.due_ms, INT64_MAX);
    CHECK(load("a17", UINT64_MAX).entry.step == UINT64_MAX);
}

static void commit__copies_its_bytes(void)
{
    char body[] = "kept", key[] = "key", id[] = "a17";
    new_run(id);
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, key, body);
    eyot_commit c = commit_of(id, 1, &e, 1);
    CHECK_OK(commit(&c));
    memset(body, 'x', 4);
    memset(key, 'x', 3);
    memset(id, 'x', 3);
    seen s = load("a17", UINT64_MAX);
    CHECK_STR(s.body, "kept");
    CHECK_STR(s.key, "key");
}

static void commit__takes_a_key_of_256_bytes_and_no_more(void)
{
    char key[257];
    memset(key, 'k', sizeof key);
    new_run("a17");
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "", "b");
    e.key = eyot__bytes(key, 257);
    eyot_commit c = commit_of("a17", 1, &e, 1);
    CHECK_STATUS(eyot__store_commit(store, &c, 1, &err), EYOT_EINVAL);
    e.key.n = 256;
    CHECK_OK(commit(&c));
    CHECK_INT(load("a17", UINT64_MAX).key_len, 256);
}

/* ---- claiming ------------------------------------------------------------------------------------------------------ */

static void claim__raises_epoch_and_attempts(void)
{
    kept_row k;
    eyot_claim c = claim_of("a17", "");
    new_run("a17");
    CHECK_OK(release("a17", 1, EYOT_RUN_FAILED, INT64_MAX));
    CHECK_OK(claim(&c, &k));
    CHECK_INT(k.times, 1);
    CHECK_INT(k.row.epoch, 2);
    CHECK_INT(k.row.attempts, 1);
    CHECK_INT(k.row.status, EYOT_RUN_RUNNING);
    CHECK_STR(k.owner, "worker 2");
    CHECK(memcmp(k.row.token, token_2, 16) == 0);
    kept_row stored = get("a17");
    CHECK_INT(stored.row.epoch, 2);
    CHECK_STR(stored.owner, "worker 2");
    CHECK_INT(stored.row.due_ms, k.row.due_ms);
    CHECK_INT(stored.row.due_ms, stored.row.updated_ms + 60000);
    eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "task", "x");
    eyot_commit next = commit_of("a17", 1, &e, 1);
    next.epoch = 2;
    memcpy(next.token, token_2, 16);
    CHECK_OK(commit(&next));
    CHECK_INT(get("a17").row.attempts, 0);
}

static void claim__of_a_held_run_is_busy(void)
{
    kept_row k;
    eyot_claim c = claim_of("a17", "");
    new_run("a17");
    CHECK_STATUS(claim(&c, &k), EYOT_EBUSY);
    CHECK_INT(k.times, 1);
    CHECK_STR(k.owner, "worker 1");
    CHECK_INT(get("a17").row.epoch, 1);
    c = claim_of("", "");
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
}

static void claim__takes_a_run_whose_lease_has_ended(void)
{
    kept_row k;
    eyot_claim c = claim_of("a17", "");
    new_run("a17");
    eyot_commit renewal = commit_of("a17", 1, NULL, 0);
    renewal.lease_ms = 1;
    CHECK_OK(commit(&renewal));
    wait_until("a17", get("a17").row.due_ms);
    CHECK_OK(claim(&c, &k));
    CHECK_INT(k.row.epoch, 2);
    CHECK_STR(get("a17").owner, "worker 2");
}

static void claim__steals_only_from_the_epoch_it_names(void)
{
    kept_row k;
    eyot_claim c = claim_of("a17", "");
    new_run("a17");
    c.steal_epoch = 7;
    CHECK_STATUS(claim(&c, &k), EYOT_EBUSY);
    c.steal_epoch = 1;
    CHECK_OK(claim(&c, &k));
    CHECK_INT(k.row.epoch, 2);
    CHECK_STATUS(claim(&c, &k), EYOT_EBUSY);
}

static void claim__fences_who_had_it_before(void)
{
    kept_row k;
    eyot_claim c = claim_of("a17", "");
    new_run("a17");
    c.steal_epoch = 1;
    CHECK_OK(claim(&c, &k));
    CHECK_STATUS(commit_task("a17", 1, "late"), EYOT_EFENCED);
    CHECK_STATUS(release("a17", 1, EYOT_RUN_FAILED, 0), EYOT_EFENCED);
    CHECK_INT(load("a17", UINT64_MAX).n, 1);
    CHECK_STR(get("a17").owner, "worker 2");
}

static void claim__of_a_done_run_is_already(void)
{
    kept_row k;
    eyot_claim c = claim_of("a17", "");
    new_run("a17");
    CHECK_OK(release("a17", 1, EYOT_RUN_DONE, 0));
    CHECK_STATUS(claim(&c, &k), EYOT_EALREADY);
    CHECK_INT(k.times, 1);
    CHECK_INT(k.row.status, EYOT_RUN_DONE);
    c = claim_of("", "");
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
}

static void claim__by_queue_goes_by_lease_priority_and_time(void)
{
    static const char *const order[] = {"lost", "urgent", "early", "late", "lazy"};
    kept_row k;
    eyot_claim c = claim_of("", "");
    new_released("lazy", "", -1, -900);
    new_released("late", "", 0, -100);
    new_released("early", "", 0, -200);
    new_released("urgent", "", 9, 0);
    new_run("lost");
    eyot_commit renewal = commit_of("lost", 1, NULL, 0);
    renewal.lease_ms = 1;
    CHECK_OK(commit(&renewal));
    wait_until("lost", get("lost").row.due_ms);
    for (size_t i = 0; i < 5; i++) {
        CHECK_OK(claim(&c, &k));
        CHECK_STR(k.run, order[i]);
    }
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
}

static void claim__by_queue_keeps_to_what_is_due_there(void)
{
    kept_row k;
    eyot_claim c = claim_of("", "q");
    new_released("elsewhere", "", 5, 0);
    new_released("future", "q", 9, 3600000);
    new_released("never", "q", 9, INT64_MAX);
    new_released("now", "q", 0, 0);
    CHECK_OK(claim(&c, &k));
    CHECK_STR(k.run, "now");
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    c = claim_of("never", "");
    CHECK_OK(claim(&c, &k));
}

static void claim__by_queue_takes_the_graphs_it_names(void)
{
    char other[65];
    kept_row k;
    eyot_claim c = claim_of("", "q");
    memset(other, 'a', 64);
    other[64] = '\0';
    eyot_bytes graphs[2] = {text(other), text("not a fingerprint")};
    c.graphs = graphs;
    c.n_graphs = 2;
    new_released("first", "q", 5, 0);
    new_released("second", "q", 5, 0);
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    eyot_run_row row = row_of("third");
    eyot_entry first = entry_of(1, EYOT_ENTRY_SNAPSHOT, "", "first");
    eyot_commit created = commit_of("third", 0, &first, 1);
    row.fingerprint = text(other);
    row.queue = text("q");
    row.owner = text("");
    created.status = EYOT_RUN_READY;
    CHECK_OK(create(&row, &created));
    CHECK_OK(claim(&c, &k));
    CHECK_STR(k.run, "third");
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    graphs[1] = text(fingerprint);
    CHECK_OK(claim(&c, &k));
    CHECK_OK(claim(&c, &k));
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    eyot_claim lost = claim_of("second", "");
    CHECK_STATUS(claim(&lost, &k), EYOT_EBUSY);
}

static void claim__given_back_takes_back_its_attempt(void)
{
    kept_row k;
    eyot_claim c = claim_of("a17", "");
    new_released("a17", "", 0, 0);
    CHECK_OK(claim(&c, &k));
    c.steal_epoch = 2;
    CHECK_OK(claim(&c, &k));
    CHECK_INT(k.row.attempts, 2);
    eyot_commit give = commit_of("a17", 1, NULL, 0);
    give.epoch = 3;
    memcpy(give.token, token_2, 16);
    give.status = EYOT_RUN_READY;
    give.lease_ms = 0;
    give.due_in_ms = 0;
    CHECK_OK(commit(&give));
    CHECK_INT(get("a17").row.attempts, 1);
    CHECK_STATUS(commit(&give), EYOT_EALREADY);
    CHECK_INT(get("a17").row.attempts, 1);
    c.steal_epoch = 0;
    CHECK_OK(claim(&c, &k));
    CHECK_INT(k.row.attempts, 2);
}

static eyot_status count_row(void *arg, const eyot_run_row *row)
{
    (void)row;
    ++*(unsigned *)arg;
    return EYOT_OK;
}

static void *claim_all(void *arg)
{
    writer *w = arg;
    eyot_claim c = claim_of("", "");
    while (eyot__store_claim(store, &c, count_row, &w->won, NULL) == EYOT_OK) {}
    return NULL;
}

static void claim__by_many_gives_each_run_once(void)
{
    writer w[THREADS];
    char id[32];
    unsigned won = 0;
    for (unsigned i = 0; i < COMMITS; i++) {
        snprintf(id, sizeof id, "run-%u", i);
        new_released(id, "", 0, 0);
    }
    run_writers(w, claim_all);
    for (unsigned i = 0; i < THREADS; i++) won += w[i].won;
    CHECK_INT(won, COMMITS);
    for (unsigned i = 0; i < COMMITS; i++) {
        snprintf(id, sizeof id, "run-%u", i);
        CHECK_INT(get(id).row.epoch, 2);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Entries 1 to 9: snapshots at 1, 4 and 7, tasks between them. */
static void new_history(const char *run)
{
    new_run(run);
    for (uint64_t seq = 2; seq <= 9; seq++) {
        bool snapshot = seq % 3 == 1;
        eyot_entry e = entry_of(seq, snapshot ? EYOT_ENTRY_SNAPSHOT : EYOT_ENTRY_TASK, snapshot ? "" : "task", "body");
        eyot_commit c = commit_of(run, seq - 1, &e, 1);
        if (snapshot) c.snapshot_seq = seq;
        CHECK_OK(commit(&c));
    }
}

static void load__latest_begins_at_the_snapshot(void)
{
    new_history("a17");
    seen s = load("a17", UINT64_MAX);
    CHECK_INT(s.first, 7);
    CHECK_INT(s.last, 9);
    CHECK_INT(s.n, 3);
    CHECK(s.in_order);
    CHECK_INT(s.entry.kind, EYOT_ENTRY_TASK);
    CHECK_INT(s.entry.step, 8);
    CHECK_STR(s.key, "task");
}

static void load__as_of_a_seq(void)
{
    seen s = {.n = 0};
    new_history("a17");
    for (uint64_t seq = 1; seq <= 9; seq++) {
        s = load("a17", seq);
        CHECK_INT(s.first, seq - (seq - 1) % 3);
        CHECK_INT(s.last, seq);
        CHECK(s.in_order && s.n == 1 + (seq - 1) % 3);
    }
    s.n = 0;
    CHECK_STATUS(eyot__store_load(store, text("a17"), 10, see, &s, &err), EYOT_ENOTFOUND);
    CHECK_HAS(err.text, "a17");
    CHECK_HAS(err.text, "10");
    CHECK_STATUS(eyot__store_load(store, text("a17"), 0, see, &s, &err), EYOT_ENOTFOUND);
    CHECK_INT(s.n, 0);
}

static void load__ends_when_the_callback_says_so(void)
{
    seen s = {.stop_after = 2};
    new_history("a17");
    CHECK_STATUS(eyot__store_load(store, text("a17"), UINT64_MAX, see, &s, &err), EYOT_ECANCELED);
    CHECK_INT(s.n, 2);
    CHECK_OK(commit_task("a17", 9, "goes on"));
}

static void entries__are_listed_from_and_up_to(void)
{
    seen s = {.n = 0};
    new_history("a17");
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 0, 100, true, see, &s, &err));
    CHECK(s.n == 9 && s.first == 1 && s.last == 9 && s.in_order);
    s.n = 0;
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 3, 4, false, see, &s, &err));
    CHECK(s.n == 4 && s.first == 3 && s.last == 6 && s.in_order);
    CHECK_INT(s.body_len, 0);
    CHECK_STR(s.key, "task");
    CHECK_INT(s.entry.step, 5);
    s.n = 0;
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 10, 4, true, see, &s, &err));
    CHECK_INT(s.n, 0);
}

typedef struct listing {
    unsigned n;
    bool falling;
    kept_row last;
    bool *once; /* by the number in the id; NULL: not asked for */
    unsigned twice;
} listing;

static eyot_status list_row(void *arg, const eyot_run_row *row)
{
    listing *l = arg;
    if (l->n++ == 0) l->falling = true;
    kept_row before = l->last;
    keep_row(&l->last, row);
    if (l->n > 1) {
        int64_t ms = row->created_ms - before.row.created_ms;
        if (ms > 0 || (ms == 0 && strcmp(l->last.run, before.run) >= 0)) l->falling = false;
    }
    if (l->once) {
        unsigned number = (unsigned)strtoul(l->last.run + 4, NULL, 10);
        if (l->once[number]) l->twice++;
        l->once[number] = true;
    }
    return EYOT_OK;
}

static void runs__are_listed_in_pages_newest_first(void)
{
    enum { RUNS = 10000, PAGE = 999 };
    char id[32];
    bool once[RUNS] = {false};
    listing l = {.once = once};
    eyot_run_filter f = {.size = sizeof f};
    eyot_buf cursor = EYOT__BUF_INIT, next = EYOT__BUF_INIT;
    unsigned pages = 0;
    for (unsigned i = 0; i < RUNS; i++) {
        snprintf(id, sizeof id, "run-%u", i);
        eyot_run_row row = row_of(id);
        eyot_commit c = commit_of(id, 0, NULL, 0);
        CHECK_OK(create(&row, &c));
    }
    do {
        unsigned before = l.n;
        eyot__buf_reset(&next);
        CHECK_OK(
            eyot__store_list_runs(store, &f, eyot__bytes(cursor.data, cursor.len), PAGE, list_row, &l, &next, &err));
        CHECK(l.n - before == PAGE || next.len == 0);
        eyot__buf_reset(&cursor);
        CHECK_OK(eyot_buf_add(&cursor, next.data, next.len));
        pages++;
    } while (cursor.len);
    eyot__buf_clear(&cursor);
    eyot__buf_clear(&next);
    CHECK_INT(l.n, RUNS);
    CHECK_INT(l.twice, 0);
    CHECK_INT(pages, (RUNS + PAGE - 1) / PAGE);
    CHECK(l.falling);
}

static unsigned count_runs(const eyot_run_filter *f)
{
    listing l = {.n = 0};
    eyot_buf next = EYOT__BUF_INIT;
    CHECK_OK(eyot__store_list_runs(store, f, text(""), 100, list_row, &l, &next, &err));
    CHECK_INT(next.len, 0);
    eyot__buf_clear(&next);
    return l.n;
}

static void runs__are_filtered(void)
{
    eyot_run_filter all = {.size = sizeof all}, f = all;
    eyot_run_row row = row_of("b3");
    eyot_commit c = commit_of("b3", 0, NULL, 0);
    row.graph = text("other");
    CHECK_INT(count_runs(&all), 0);
    new_run("a1");
    new_run("a2");
    CHECK_OK(release("a2", 1, EYOT_RUN_FAILED, INT64_MAX));
    CHECK_OK(create(&row, &c));
    CHECK_INT(count_runs(&all), 3);
    f.status = EYOT_RUN_FAILED;
    CHECK_INT(count_runs(&f), 1);
    f = all;
    f.graph = text("hello");
    CHECK_INT(count_runs(&f), 2);
    f = all;
    f.prefix = text("a");
    CHECK_INT(count_runs(&f), 2);
    f.prefix = text("A");
    CHECK_INT(count_runs(&f), 0);
    f = all;
    f.since_ms = get("b3").row.created_ms + 1;
    CHECK_INT(count_runs(&f), 0);
    f.since_ms = get("a1").row.created_ms;
    CHECK_INT(count_runs(&f), 3);
}

static void runs__cursor_that_is_none_is_refused(void)
{
    listing l = {.n = 0};
    eyot_run_filter f = {.size = sizeof f};
    eyot_buf next = EYOT__BUF_INIT;
    new_run("a1");
    CHECK_STATUS(eyot__store_list_runs(store, &f, text("nonsense"), 9, list_row, &l, &next, &err), EYOT_EINVAL);
    CHECK_INT(l.n, 0);
}

static void info__names_backend_and_class(void)
{
    eyot_store_info info;
    CHECK_OK(eyot_store_inform(store, &info, &err));
    CHECK(info.durability >= EYOT_CLASS_VOLATILE && info.durability <= EYOT_CLASS_REPLICATED);
    CHECK(strlen(info.backend) > 0 && strlen(info.version) > 0 && strlen(info.reasons) > 0);
    CHECK(!strchr(info.reasons, '\n') && !strchr(info.advice, '\n'));
    CHECK(info.durability == EYOT_CLASS_REPLICATED || info.advice[0]); /* there is always something stronger */
    CHECK(info.max_body >= (uint64_t)64 << 20);
}

static void reopened__has_what_its_class_promises(void)
{
    kept_row k = {.times = 0};
    new_history("a17");
    eyot_store_close(store);
    open_store();
    eyot_status r = eyot__store_get_run(store, text("a17"), keep_row, &k, &err);
    CHECK_STATUS(r, backend->keeps ? EYOT_OK : EYOT_ENOTFOUND);
    if (!backend->keeps) return;
    CHECK_INT(k.row.head, 9);
    CHECK_STR(k.owner, "worker 1");
    CHECK_INT(load("a17", UINT64_MAX).first, 7);
    CHECK_OK(commit_task("a17", 9, "goes on"));
}

static void forked__child_is_refused(void)
{
    int status;
    new_run("a17");
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        kept_row k = {.times = 0};
        eyot_entry e = entry_of(2, EYOT_ENTRY_TASK, "task", "child");
        eyot_commit c = commit_of("a17", 1, &e, 1);
        bool refused = eyot__store_commit(store, &c, 1, &err) == EYOT_EFORKED && strstr(err.text, "forked") &&
                       eyot__store_get_run(store, text("a17"), keep_row, &k, &err) == EYOT_EFORKED &&
                       eyot__store_load(store, text("a17"), UINT64_MAX, see, NULL, &err) == EYOT_EFORKED;
        eyot_store_close(store);
        _exit(refused ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_OK(commit_task("a17", 1, "parent"));
}

/* ---- optional: messages and events --------------------------------------------------------------------------------- */

static eyot_status post(const char *run, const char *id, const char *payload)
{
    return eyot__store_post(store, text(run), text(id), EYOT_ENTRY_ANSWERED, text("name"), text(payload), &err);
}

static seen inbox(const char *run)
{
    seen s = {.n = 0};
    CHECK_OK(eyot__store_inbox(store, text(run), see, &s, &err));
    return s;
}

static void post__arrives_once(void)
{
    NEEDS(post, post("a17", "m", ""));
    CHECK_STATUS(post("a17", "m1", "x"), EYOT_ENOTFOUND);
    new_run("a17");
    CHECK_OK(post("a17", "m1", "one"));
    CHECK_OK(post("a17", "m2", "two"));
    CHECK_OK(post("a17", "m1", "one again"));
    seen s = {.stop_after = 1};
    CHECK_STATUS(eyot__store_inbox(store, text("a17"), see, &s, &err), EYOT_ECANCELED);
    CHECK_STR(s.key, "m1");
    CHECK_STR(s.body, "one");
    s = inbox("a17");
    CHECK_INT(s.n, 2);
    CHECK_STR(s.key, "m2");
    CHECK_INT(s.entry.kind, EYOT_ENTRY_ANSWERED);
}

static void post__wakes_a_suspended_run(void)
{
    kept_row k;
    eyot_claim c = claim_of("", "");
    NEEDS(post, post("a17", "m", ""));
    new_run("a17");
    new_run("failed");
    CHECK_OK(release("a17", 1, EYOT_RUN_SUSPENDED, INT64_MAX));
    CHECK_OK(release("failed", 1, EYOT_RUN_FAILED, INT64_MAX));
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    CHECK_OK(post("failed", "m1", "x"));
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    CHECK_OK(post("a17", "m1", "x"));
    CHECK_OK(claim(&c, &k));
    CHECK_STR(k.run, "a17");
}

static void post__to_a_held_run_wakes_it_when_it_suspends(void)
{
    kept_row k;
    eyot_claim c = claim_of("", "");
    NEEDS(post, post("a17", "m", ""));
    new_run("a17");
    CHECK_OK(post("a17", "m1", "x"));
    CHECK_STATUS(claim(&c, &k), EYOT_ENOTFOUND);
    CHECK_OK(release("a17", 1, EYOT_RUN_SUSPENDED, INT64_MAX));
    CHECK_OK(claim(&c, &k));
    CHECK_STR(k.run, "a17");
}

static void inbox__is_consumed_by_the_commit_alone(void)
{
    eyot_bytes done[2] = {text("m1"), text("unknown")};
    eyot_entry e = entry_of(2, EYOT_ENTRY_ANSWERED, "", "answer");
    eyot_commit c = commit_of("a17", 1, &e, 1);
    c.inbox_done = done;
    c.n_inbox_done = 2;
    new_run("a17");
    NEEDS(inbox, eyot__store_inbox(store, text("a17"), see, NULL, &err));
    CHECK_OK(post("a17", "m1", "one"));
    CHECK_OK(post("a17", "m2", "two"));
    c.epoch = 9;
    CHECK_STATUS(commit(&c), EYOT_EFENCED);
    CHECK_INT(inbox("a17").n, 2);
    c.epoch = 1;
    CHECK_OK(commit(&c));
    CHECK_INT(inbox("a17").n, 1);
    CHECK_STR(inbox("a17").key, "m2");
    CHECK_OK(post("a17", "m1", "sent again after it was consumed"));
    CHECK_INT(inbox("a17").n, 1);
}

typedef struct seen_events {
    unsigned n;
    char id[600], run[200], topic[100], payload[100]; /* of the last one */
} seen_events;

static eyot_status see_event(void *arg, eyot_bytes run, const eyot_event *event)
{
    seen_events *s = arg;
    s->n++;
    keep_text(s->id, sizeof s->id, event->id);
    keep_text(s->run, sizeof s->run, run);
    keep_text(s->topic, sizeof s->topic, event->topic);
    keep_text(s->payload, sizeof s->payload, event->payload);
    return EYOT_OK;
}

static seen_events outbox(const char *cursor, uint32_t limit, eyot_buf *next)
{
    seen_events s = {.n = 0};
    eyot__buf_reset(next);
    CHECK_OK(eyot__store_outbox_read(store, text(cursor), limit, see_event, &s, next, &err));
    CHECK_OK(eyot_buf_add(next, "", 1));
    return s;
}

static eyot_status emit(const char *run, uint64_t head, uint64_t epoch, const char *first, const char *second)
{
    eyot_event events[2] = {{text(first), text("topic"), text("payload 1")}, {text(second), text("topic"), text("2")}};
    eyot_entry e = entry_of(head + 1, EYOT_ENTRY_TASK, "task", "x");
    eyot_commit c = commit_of(run, head, &e, 1);
    c.epoch = epoch;
    c.events = events;
    c.n_events = 2;
    return commit(&c);
}

static void outbox__has_the_events_of_commits_alone(void)
{
    eyot_buf next = EYOT__BUF_INIT;
    new_run("a17");
    NEEDS(outbox_read, eyot__store_outbox_read(store, text(""), 9, see_event, NULL, &next, &err));
    CHECK_STATUS(emit("a17", 1, 2, "a17/e1", "a17/e2"), EYOT_EFENCED);
    CHECK_INT(outbox("", 9, &next).n, 0);
    CHECK_OK(emit("a17", 1, 1, "a17/e1", "a17/e2"));
    CHECK_OK(emit("a17", 2, 1, "a17/e2", "a17/e3"));
    seen_events s = outbox("", 1, &next);
    CHECK_STR(s.id, "a17/e1");
    CHECK_STR(s.run, "a17");
    CHECK_STR(s.topic, "topic");
    CHECK_STR(s.payload, "payload 1");
    CHECK_INT(s.n, 1);
    CHECK(next.len > 1);
    char cursor[100];
    snprintf(cursor, sizeof cursor, "%s", (const char *)next.data);
    s = outbox(cursor, 9, &next);
    CHECK_INT(s.n, 2);
    CHECK_STR(s.id, "a17/e3");
    CHECK_INT(next.len, 1);
    eyot__buf_clear(&next);
}

static void outbox__takes_events_that_come_with_a_release(void)
{
    eyot_buf next = EYOT__BUF_INIT;
    eyot_event event = {.id = text("a17/last"), .topic = text("t"), .payload = text("p")};
    eyot_commit c = commit_of("a17", 1, NULL, 0);
    c.events = &event;
    c.n_events = 1;
    c.status = EYOT_RUN_FAILED;
    c.lease_ms = 0;
    c.due_in_ms = INT64_MAX;
    NEEDS(outbox_read, eyot__store_outbox_read(store, text(""), 1, see_event, NULL, &next, &err));
    new_run("a17");
    CHECK_OK(commit(&c));
    CHECK_STATUS(commit(&c), EYOT_EALREADY);
    CHECK_INT(outbox("", 9, &next).n, 1);
    eyot__buf_clear(&next);
}

static void outbox__takes_ids_of_the_run_alone(void)
{
    eyot_buf next = EYOT__BUF_INIT;
    char longest[513], longer[514];
    NEEDS(outbox_read, eyot__store_outbox_read(store, text(""), 9, see_event, NULL, &next, &err));
    new_run("a17");
    CHECK_STATUS(emit("a17", 1, 1, "a17/e1", "a18/e2"), EYOT_EINVAL);
    CHECK_STATUS(emit("a17", 1, 1, "a17", "a17/e2"), EYOT_EINVAL);
    CHECK_STATUS(emit("a17", 1, 1, "a17e", "a17/e2"), EYOT_EINVAL);
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "a17/", 4);
    longest[512] = '\0';
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "a17/", 4);
    longer[513] = '\0';
    CHECK_STATUS(emit("a17", 1, 1, "a17/e1", longer), EYOT_EINVAL);
    CHECK_INT(outbox("", 9, &next).n, 0);
    CHECK_OK(emit("a17", 1, 1, "a17/'%_*\\\"\xf0\x9f\x8f\x9d", longest));
    seen_events s = outbox("", 1, &next);
    CHECK_STR(s.id, "a17/'%_*\\\"\xf0\x9f\x8f\x9d");
    CHECK_STR(outbox("", 9, &next).id, longest);
    eyot__buf_clear(&next);
}

static void outbox__keeps_the_order_of_each_run(void)
{
    eyot_buf next = EYOT__BUF_INIT;
    char id[2][40], last[3][40] = {"", "", ""}, cursor[1100] = "";
    const char *const runs[3] = {"a", "b", "c"};
    NEEDS(outbox_read, eyot__store_outbox_read(store, text(""), 9, see_event, NULL, &next, &err));
    for (int i = 0; i < 3; i++) new_run(runs[i]);
    for (unsigned k = 1; k <= 20; k++)
        for (int i = 0; i < 3; i++) {
            snprintf(id[0], sizeof id[0], "%s/%04u", runs[i], 2 * k);
            snprintf(id[1], sizeof id[1], "%s/%04u", runs[i], 2 * k + 1);
            CHECK_OK(emit(runs[i], k, 1, id[0], id[1]));
        }
    for (unsigned n = 0; n < 120; n++) { /* page by page of one event */
        seen_events s = outbox(cursor, 1, &next);
        CHECK_INT(s.n, 1);
        char *before = last[s.run[0] - 'a'];
        CHECK(strcmp(before, s.id) < 0);
        snprintf(before, sizeof last[0], "%.39s", s.id);
        snprintf(cursor, sizeof cursor, "%s", (const char *)next.data);
    }
    CHECK_STR(cursor, "");
    for (int i = 0; i < 3; i++) CHECK_STR(last[i] + 2, "0041");
    eyot__buf_clear(&next);
}

static void outbox__keeps_what_is_not_acknowledged(void)
{
    eyot_bytes ids[3] = {text("a17/e1"), text("a17/unknown"), text("neither run nor event")};
    eyot_buf next = EYOT__BUF_INIT;
    NEEDS(outbox_ack, eyot__store_outbox_ack(store, ids, 3, &err));
    new_run("a17");
    CHECK_OK(emit("a17", 1, 1, "a17/e1", "a17/e2"));
    CHECK_OK(eyot__store_outbox_ack(store, ids, 3, &err));
    CHECK_OK(eyot__store_outbox_ack(store, ids, 3, &err));
    seen_events s = outbox("", 9, &next);
    CHECK_INT(s.n, 1);
    CHECK_STR(s.id, "a17/e2");
    ids[0] = text("a17/e2");
    CHECK_OK(eyot__store_outbox_ack(store, ids, 1, &err));
    CHECK_INT(outbox("", 9, &next).n, 0);
    CHECK_OK(emit("a17", 2, 1, "a17/e3", "a17/e4"));
    CHECK_INT(outbox("", 9, &next).n, 2);
    eyot__buf_clear(&next);
}

/* ---- optional: values, pruning, deleting --------------------------------------------------------------------------- */

static eyot_status set_value(const char *ns, const char *key, uint64_t version, const char *value, uint64_t ttl_ms)
{
    return eyot__store_kv_cas(store, text(ns), text(key), version, text(value), ttl_ms, &err);
}

/* The version; the value goes to `value`. */
static uint64_t value_of(const char *ns, const char *key, char *value, size_t size)
{
    uint64_t version = 99;
    eyot_buf b = EYOT__BUF_INIT;
    CHECK_OK(eyot__store_kv_get(store, text(ns), text(key), &version, &b, &err));
    keep_text(value, size, eyot__bytes(b.data, b.len));
    eyot__buf_clear(&b);
    return version;
}

static void value__is_changed_by_who_knows_its_version(void)
{
    char v[32];
    NEEDS(kv_cas, set_value("ns", "k", 0, "v", 0));
    CHECK_INT(value_of("ns", "k", v, sizeof v), 0);
    CHECK_OK(set_value("ns", "k", 0, "one", 0));
    CHECK_STATUS(set_value("ns", "k", 0, "two", 0), EYOT_ESTALE);
    uint64_t first = value_of("ns", "k", v, sizeof v);
    CHECK(first != 0);
    CHECK_STR(v, "one");
    CHECK_OK(set_value("ns", "k", first, "two", 0));
    CHECK_STATUS(set_value("ns", "k", first, "three", 0), EYOT_ESTALE);
    CHECK(value_of("ns", "k", v, sizeof v) != first);
    CHECK_STR(v, "two");
}

static void value__ends_with_its_time(void)
{
    char v[32];
    struct timespec moment = {0, 500000};
    NEEDS(kv_get, eyot__store_kv_get(store, text(""), text(""), NULL, NULL, &err));
    CHECK_OK(set_value("ns", "k", 0, "brief", 1));
    uint64_t first = value_of("ns", "k", v, sizeof v);
    while (value_of("ns", "k", v, sizeof v) != 0) nanosleep(&moment, NULL);
    CHECK_STR(v, "");
    CHECK_OK(set_value("ns", "k", 0, "next", 3600000));
    uint64_t second = value_of("ns", "k", v, sizeof v);
    CHECK_STR(v, "next");
    CHECK(second != first);
}

static void value__of_one_namespace_is_not_of_another(void)
{
    char v[32];
    NEEDS(kv_cas, set_value("ns", "k", 0, "v", 0));
    CHECK_OK(set_value("ab", "c", 0, "one", 0));
    CHECK_OK(set_value("a", "bc", 0, "two", 0));
    CHECK(value_of("ab", "c", v, sizeof v) != 0);
    CHECK_STR(v, "one");
    CHECK(value_of("a", "bc", v, sizeof v) != 0);
    CHECK_STR(v, "two");
}

static void prune__drops_what_no_snapshot_needs(void)
{
    static const uint64_t old[] = {2, 3, 1}, needed[] = {5, 7}, zero[] = {0};
    seen s = {.n = 0};
    NEEDS(prune, eyot__store_prune(store, text("a17"), old, 3, 9, &err));
    CHECK_STATUS(eyot__store_prune(store, text("a17"), old, 3, 9, &err), EYOT_ENOTFOUND);
    new_history("a17");
    CHECK_STATUS(eyot__store_prune(store, text("a17"), needed, 2, 9, &err), EYOT_EINVAL);
    CHECK_STATUS(eyot__store_prune(store, text("a17"), zero, 1, 9, &err), EYOT_EINVAL);
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 1, 99, true, see, &s, &err));
    CHECK_INT(s.n, 9);
    CHECK_OK(eyot__store_prune(store, text("a17"), old, 3, 9, &err));
    CHECK_OK(eyot__store_prune(store, text("a17"), old, 3, 9, &err));
    s.n = 0;
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 1, 99, true, see, &s, &err));
    CHECK(s.n == 6 && s.first == 4);
    CHECK_STATUS(eyot__store_load(store, text("a17"), 3, see, &s, &err), EYOT_ENOTFOUND);
    CHECK_INT(load("a17", 6).first, 4);
    CHECK_INT(load("a17", UINT64_MAX).first, 7);
    CHECK_OK(commit_task("a17", 9, "goes on"));
}

static void prune__is_refused_when_the_head_moved(void)
{
    static const uint64_t old[] = {2};
    seen s = {.n = 0};
    NEEDS(prune, eyot__store_prune(store, text("a17"), old, 1, 9, &err));
    new_history("a17");
    CHECK_STATUS(eyot__store_prune(store, text("a17"), old, 1, 8, &err), EYOT_ESTALE);
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 2, 1, true, see, &s, &err));
    CHECK_INT(s.first, 2);
}

static void prune__leaves_holes_that_readers_pass_over(void)
{
    static const uint64_t middle[] = {6, 5}, all[] = {4, 3};
    seen s = {.n = 0};
    NEEDS(prune, eyot__store_prune(store, text("a17"), middle, 2, 9, &err));
    new_history("a17");
    CHECK_OK(eyot__store_prune(store, text("a17"), middle, 2, 9, &err));
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 5, 1, false, see, &s, &err));
    CHECK(s.n == 1 && s.first == 7);
    CHECK_INT(load("a17", 4).n, 1);
    CHECK_INT(load("a17", 3).n, 3);
    CHECK_STATUS(eyot__store_load(store, text("a17"), 5, see, &s, &err), EYOT_ENOTFOUND);
    CHECK_OK(eyot__store_prune(store, text("a17"), all, 2, 9, &err));
    CHECK_STATUS(eyot__store_load(store, text("a17"), 4, see, &s, &err), EYOT_ENOTFOUND);
    CHECK_INT(load("a17", 2).n, 2);
    CHECK_INT(load("a17", UINT64_MAX).first, 7);
    s.n = 0;
    CHECK_OK(eyot__store_list_entries(store, text("a17"), 1, 99, true, see, &s, &err));
    CHECK_INT(s.n, 5);
}

static void delete__leaves_a_tombstone_while_a_lease_runs(void)
{
    kept_row k = {.times = 0};
    seen s = {.n = 0};
    eyot_run_row row = row_of("a17");
    eyot_commit c = commit_of("a17", 0, NULL, 0);
    NEEDS(delete_run, eyot__store_delete_run(store, text("a17"), 1, &err));
    CHECK_STATUS(eyot__store_delete_run(store, text("a17"), 1, &err), EYOT_ENOTFOUND);
    new_run("a17");
    CHECK_OK(eyot__store_delete_run(store, text("a17"), 1, &err));
    CHECK_STATUS(commit_task("a17", 1, "late"), EYOT_EGONE);
    CHECK_STATUS(create(&row, &c), EYOT_EEXIST);
    CHECK_STATUS(eyot__store_get_run(store, text("a17"), keep_row, &k, &err), EYOT_ENOTFOUND);
    CHECK_STATUS(eyot__store_load(store, text("a17"), UINT64_MAX, see, &s, &err), EYOT_ENOTFOUND);
}

static void delete__of_a_run_that_others_hold_is_busy(void)
{
    NEEDS(delete_run, eyot__store_delete_run(store, text("a17"), 1, &err));
    new_run("a17");
    CHECK_STATUS(eyot__store_delete_run(store, text("a17"), 0, &err), EYOT_EBUSY);
    CHECK_STATUS(eyot__store_delete_run(store, text("a17"), 2, &err), EYOT_EBUSY);
    CHECK_OK(commit_task("a17", 1, "x"));
}

static void delete__by_an_epoch_that_is_over_is_busy(void)
{
    NEEDS(delete_run, eyot__store_delete_run(store, text("a17"), 1, &err));
    new_released("a17", "", 0, INT64_MAX);
    eyot_claim c = {.run = text("a17"), .owner = text("worker 2"), .lease_ms = 60000};
    memcpy(c.token, token_1, 16);
    kept_row k = {.times = 0};
    CHECK_OK(eyot__store_claim(store, &c, keep_row, &k, &err));
    eyot_commit back = commit_of("a17", 1, NULL, 0);
    back.epoch = k.row.epoch;
    back.status = EYOT_RUN_SUSPENDED;
    back.lease_ms = 0;
    back.due_in_ms = INT64_MAX;
    CHECK_OK(commit(&back));
    CHECK_STATUS(eyot__store_delete_run(store, text("a17"), k.row.epoch - 1, &err), EYOT_EBUSY);
    CHECK_INT(get("a17").row.status, EYOT_RUN_SUSPENDED);
    CHECK_OK(eyot__store_delete_run(store, text("a17"), k.row.epoch, &err));
}

static void delete__keeps_a_worker_from_bringing_the_run_back(void)
{
    kept_row k = {.times = 0};
    NEEDS(delete_run, eyot__store_delete_run(store, text("a17"), 1, &err));
    new_run("a17");
    CHECK_OK(eyot__store_delete_run(store, text("a17"), 1, &err));
    CHECK_STATUS(commit_task("a17", 1, "late"), EYOT_EGONE);
    CHECK_STATUS(release("a17", 1, EYOT_RUN_SUSPENDED, 0), EYOT_EGONE);
    eyot_claim c = {.run = text("a17"), .owner = text("worker 1"), .lease_ms = 60000, .steal_epoch = 1};
    CHECK_STATUS(eyot__store_claim(store, &c, keep_row, &k, &err), EYOT_ENOTFOUND);
    c.run = text("");
    CHECK_STATUS(eyot__store_claim(store, &c, keep_row, &k, &err), EYOT_ENOTFOUND);
    eyot_run_filter f = {.size = sizeof f};
    CHECK_INT(count_runs(&f), 0);
}

static void delete__frees_the_id_of_a_released_run(void)
{
    NEEDS(delete_run, eyot__store_delete_run(store, text("a17"), 1, &err));
    new_history("a17");
    CHECK_OK(release("a17", 9, EYOT_RUN_FAILED, INT64_MAX));
    CHECK_OK(eyot__store_delete_run(store, text("a17"), 0, &err));
    new_run("a17");
    seen s = load("a17", UINT64_MAX);
    CHECK_INT(s.n, 1);
    eyot_run_filter f = {.size = sizeof f};
    CHECK_INT(count_runs(&f), 1);
}

static void delete__takes_the_values_of_the_run_along(void)
{
    char v[32];
    NEEDS(delete_run, eyot__store_delete_run(store, text("a17"), 1, &err));
    NEEDS(kv_cas, set_value("ns", "k", 0, "v", 0));
    new_run("a17");
    CHECK_OK(set_value("run/a17", "one", 0, "1", 0));
    CHECK_OK(set_value("run/a17", "", 0, "2", 0));
    CHECK_OK(set_value("run/a1", "7one", 0, "3", 0));
    CHECK_OK(set_value("run/a170", "one", 0, "4", 0));
    CHECK_STATUS(eyot__store_delete_run(store, text("a17"), 0, &err), EYOT_EBUSY);
    CHECK(value_of("run/a17", "one", v, sizeof v) != 0);
    CHECK_OK(eyot__store_delete_run(store, text("a17"), 1, &err));
    CHECK_INT(value_of("run/a17", "one", v, sizeof v), 0);
    CHECK_INT(value_of("run/a17", "", v, sizeof v), 0);
    CHECK(value_of("run/a1", "7one", v, sizeof v) != 0);
    CHECK(value_of("run/a170", "one", v, sizeof v) != 0);
}

/* ---- the backends -------------------------------------------------------------------------------------------------- */

STORE_SUITE(memory, "memory:", false)
#if EYOT_HAVE_SQLITE
STORE_SUITE(sqlite_full, "sqlite:%s/run.db", true)
STORE_SUITE(sqlite_normal, "sqlite:%s/run.db?sync=normal", true)
#endif

/* A user's own, from the example. */
#define main own_store_main
int own_store_main(void);
#include "examples/own_store.c"
#undef main

__attribute__((constructor)) static void register_own(void)
{
    eyot_store_register("own", own_store_open, NULL);
}
STORE_SUITE(own, "own:", false)
STORE_SUITE(mysql, "$EYOT_TEST_MYSQL", true)
STORE_SUITE(redis, "$EYOT_TEST_REDIS", true)
STORE_SUITE(redis_cluster, "$EYOT_TEST_REDIS_CLUSTER", true)
