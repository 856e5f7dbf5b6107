/* SPDX-License-Identifier: MIT */
/* What a commit, a load and a claim cost in the Redis store alone, beside plain calls of a script and plain reads in turn with
 * them. Through the engine: durable_bench.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/redis_raw.h"
#include "core/store.h"

#include <eyot/stores.h>

#if HAVE_REDIS

enum { PAYLOAD = 1024, BATCH = 64, COMMITS = 256 };

static unsigned char payload[PAYLOAD];
static eyot_error err;
static volatile uint64_t sink;

static void must(eyot_status status)
{
    if (!status) return;
    fprintf(stderr, "redis_bench: %s: %s\n", eyot_status_name(status), err.text);
    exit(1);
}

typedef struct subject {
    eyot_store *store;
    size_t n;
    uint64_t heads[BATCH];
    char ids[BATCH][16];
} subject;

/* Keys of this process's own; they go with the server. */
static const char *url_of(const char *name)
{
    static char url[600];
    const char *server = getenv("EYOT_TEST_REDIS");
    snprintf(url, sizeof url, "%s%cprefix=b%d_%s", server, strchr(server, '?') ? '&' : '?', (int)getpid(), name);
    return url;
}

static void create(eyot_store *store, const char *id, const char *owner)
{
    eyot_entry first = {.seq = 1, .kind = EYOT_ENTRY_SNAPSHOT, .body = {payload, PAYLOAD}};
    eyot_run_row row = {
        .run = {id, strlen(id)}, .graph = {"g", 1}, .fingerprint = {"f", 1}, .owner = {owner, strlen(owner)}};
    eyot_commit c = {.run = row.run, .entries = &first, .n_entries = 1, .lease_ms = 3600000, .snapshot_seq = 1};
    c.status = *owner ? EYOT_RUN_RUNNING : EYOT_RUN_READY;
    must(eyot__store_create_run(store, &row, (eyot_bytes){"{}", 2}, &c, &err));
}

static subject subject_new(const char *name, size_t n)
{
    subject s = {.n = n};
    must(eyot_store_open(&s.store, url_of(name), &err));
    for (size_t i = 0; i < n; i++) {
        snprintf(s.ids[i], sizeof s.ids[i], "run-%zu", i);
        create(s.store, s.ids[i], "w");
        s.heads[i] = 1;
    }
    return s;
}

static void commit_once(subject *s, eyot_entry_kind kind)
{
    eyot_entry entries[BATCH];
    eyot_commit commits[BATCH];
    for (size_t i = 0; i < s->n; i++) {
        uint64_t seq = ++s->heads[i];
        entries[i] =
            (eyot_entry){.seq = seq, .step = seq, .kind = kind, .key = {"task", 4}, .body = {payload, PAYLOAD}};
        commits[i] =
            (eyot_commit){.run = {s->ids[i], strlen(s->ids[i])}, .epoch = 1, .head = seq - 1, .crc = (uint32_t)seq};
        commits[i].entries = &entries[i];
        commits[i].n_entries = 1;
        commits[i].lease_ms = 3600000;
        commits[i].status = EYOT_RUN_RUNNING;
        if (kind == EYOT_ENTRY_SNAPSHOT) commits[i].snapshot_seq = seq;
    }
    must(eyot__store_commit(s->store, commits, s->n, &err));
    for (size_t i = 0; i < s->n; i++) must(commits[i].result);
}

static void commit_some(void *arg)
{
    subject *s = arg;
    for (size_t done = 0; done < COMMITS; done += s->n) commit_once(s, EYOT_ENTRY_TASK);
}

static void raw_some(void *arg)
{
    redis_raw_steps(arg, COMMITS, payload, PAYLOAD);
}

static void bench_commits(redis_raw *r)
{
    subject one = subject_new("one", 1), many = subject_new("many", BATCH);
    bench_way ways[] = {{.name = "redis_commit__raw", .ops = COMMITS, .fn = raw_some, .arg = r},
                        {.name = "redis_commit__1_run", .ops = COMMITS, .fn = commit_some, .arg = &one},
                        {.name = "redis_commit__64_runs", .ops = COMMITS, .fn = commit_some, .arg = &many}};
    bench_in_turn(ways, 3);
    bench_quotient("redis_commit__1_run_rate_over_raw", &ways[0], &ways[1], ">= 0.8");
    bench_quotient("redis_commit__64_runs_rate_over_1_run", &ways[1], &ways[2], ">= 5");
    eyot_store_close(one.store);
    eyot_store_close(many.store);
}

static eyot_status take_entry(void *arg, const eyot_entry *entry)
{
    (void)arg;
    sink += entry->body.n;
    return EYOT_OK;
}

static void load_latest(void *arg)
{
    subject *s = arg;
    must(eyot__store_load(s->store, (eyot_bytes){s->ids[0], strlen(s->ids[0])}, UINT64_MAX, take_entry, NULL, &err));
}

static void raw_load(void *arg)
{
    sink += redis_raw_load(arg, 3);
}

/* The newest snapshot is 3 entries before the end. */
static void bench_load(redis_raw *r, unsigned entries)
{
    char plain[60], ours[60], over[60], name[20];
    snprintf(plain, sizeof plain, "redis_load__raw_%u_entries", entries);
    snprintf(ours, sizeof ours, "redis_load__%u_entries", entries);
    snprintf(over, sizeof over, "redis_load__%u_entries_over_raw", entries);
    if (!bench_wanted(plain) && !bench_wanted(ours)) return;
    snprintf(name, sizeof name, "load%u", entries);
    subject s = subject_new(name, 1);
    while (s.heads[0] < entries - 3) commit_once(&s, EYOT_ENTRY_TASK);
    commit_once(&s, EYOT_ENTRY_SNAPSHOT);
    commit_once(&s, EYOT_ENTRY_TASK);
    commit_once(&s, EYOT_ENTRY_TASK);
    bench_way ways[] = {{.name = plain, .ops = 1, .fn = raw_load, .arg = r},
                        {.name = ours, .ops = 1, .fn = load_latest, .arg = &s}};
    bench_in_turn(ways, 2);
    bench_quotient(over, &ways[1], &ways[0], "<= 1.5");
    eyot_store_close(s.store);
}

static eyot_status take_row(void *arg, const eyot_run_row *row)
{
    (void)arg;
    sink += row->epoch;
    return EYOT_OK;
}

static void poll_nothing(void *arg)
{
    eyot_claim c = {.queue = {"empty", 5}, .owner = {"w", 1}, .lease_ms = 1000};
    if (eyot__store_claim(arg, &c, take_row, NULL, &err) != EYOT_ENOTFOUND) exit(1);
}

static void claim_one(void *arg)
{
    eyot_claim c = {.owner = {"w", 1}, .lease_ms = 3600000};
    must(eyot__store_claim(arg, &c, take_row, NULL, &err));
}

static void bench_claims(void)
{
    enum { BACKLOG = 10000 };
    char id[16];
    eyot_store *store;
    if (!bench_wanted("redis_claim")) return;
    must(eyot_store_open(&store, url_of("claim"), &err));
    for (unsigned i = 0; i < BACKLOG; i++) {
        snprintf(id, sizeof id, "run-%u", i);
        create(store, id, "");
    }
    bench_time("redis_claim__nothing_due", 1, poll_nothing, store);
    bench_time("redis_claim__of_10000_ready", 1, claim_one, store);
    eyot_store_close(store);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    if (!getenv("EYOT_TEST_REDIS")) {
        bench_absent("redis", "EYOT_TEST_REDIS names no server: test/services.sh starts one");
        return bench_end();
    }
    memset(payload, 'p', sizeof payload);
    redis_raw *r = redis_raw_open(getenv("EYOT_TEST_REDIS"));
    redis_raw_steps(r, 10, payload, PAYLOAD);
    bench_commits(r);
    bench_load(r, 100);
    bench_load(r, 10000);
    redis_raw_close(r);
    bench_claims();
    return bench_end();
}

#else

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_absent("redis", "this build has no hiredis");
    return bench_end();
}

#endif
