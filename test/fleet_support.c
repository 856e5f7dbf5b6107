/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "test/crash/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eyot/stores.h>
#include <eyot/worker.h>

#include "core/clock.h"
#include "core/store.h"
#include "test/crash/crash.h"
#include "test/eyot_test.h"

#define JOB_VARIABLE "EYOT_FLEET_JOB"
/* A line's length divides that of a page: one that is killed while it writes leaves whole lines. */
enum { LINE = 256 };

/* The job of this process while it works. */
static struct {
    const fleet_job *job;
    int log;
    int pid;
    eyot_store_ops real, ops;
    _Atomic unsigned moments;
    _Atomic bool calm; /* no more signals to itself */
} me = {.log = -1};

uint64_t fleet_now_ns(void)
{
    return eyot__now_ns();
}

uint64_t fleet_patience(void)
{
    const char *text = getenv("EYOT_TEST_PATIENCE");
    unsigned long n = text ? strtoul(text, NULL, 10) : 1;
    return n ? n : 1;
}

/* ---- writing it down -------------------------------------------------------------------------------------------- */

static void put_line(char out[LINE], const fleet_line *l)
{
    int n = snprintf(out, LINE, "%c %s %llu %d %llu %lld %llx %llu %.110s", l->kind, l->run[0] ? l->run : "-", l->epoch,
                     l->pid, l->ns, l->number, l->hash, l->sent, l->key[0] ? l->key : "-");
    memset(out + n, ' ', LINE - 1 - (size_t)n);
    out[LINE - 1] = '\n';
}

static void write_lines(int log, const char *lines, size_t n)
{
    if (log < 0) return;
    if (write(log, lines, n * LINE) != (ssize_t)(n * LINE)) _exit(CRASH_BROKEN);
}

static void set_text(char *out, size_t size, eyot_bytes text)
{
    size_t n = text.n < size - 1 ? text.n : size - 1;
    if (n) memcpy(out, text.p, n);
    out[n] = 0;
}

void fleet_note(int log, fleet_line l)
{
    char line[LINE];
    l.ns = fleet_now_ns();
    put_line(line, &l);
    write_lines(log, line, 1);
}

static void note(char kind, const char *run, uint64_t epoch, long long number, const char *key)
{
    fleet_line l = {.kind = kind, .epoch = epoch, .pid = me.pid, .number = number};
    set_text(l.run, sizeof l.run, eyot__bytes(run, strlen(run)));
    set_text(l.key, sizeof l.key, eyot__bytes(key, strlen(key)));
    fleet_note(me.log, l);
}

static void come_to(fleet_moment moment)
{
    if (me.job->moment != moment || atomic_load(&me.calm)) return;
    if (atomic_fetch_add(&me.moments, 1) + 1 >= me.job->after) raise(me.job->signo); /* by this very thread */
}

/* ---- the store of a worker: what it answers is written down ------------------------------------------------------- */

static void note_commit(const eyot_commit *c, eyot_status status, uint64_t sent, uint64_t now)
{
    static const size_t most = 64;
    char lines[64 * LINE];
    size_t n = 0;
    fleet_line l = {.kind = 'A', .epoch = c->epoch, .pid = me.pid, .ns = now, .sent = sent};
    set_text(l.run, sizeof l.run, c->run);
    bool good = !status && (c->result == EYOT_OK || c->result == EYOT_EALREADY);
    if (!good) {
        l.kind = status ? 'X' : 'F';
        l.number = status ? status : c->result;
        put_line(lines, &l);
        write_lines(me.log, lines, 1);
        return;
    }
    for (size_t i = 0; i < c->n_entries; i++) {
        const eyot_entry *e = &c->entries[i];
        l.number = (long long)e->seq;
        l.hash = tally_hash(e->body);
        set_text(l.key, sizeof l.key, e->kind == EYOT_ENTRY_TASK ? e->key : eyot__bytes("", 0));
        if (n == most) write_lines(me.log, lines, n), n = 0;
        put_line(lines + n++ * LINE, &l);
    }
    write_lines(me.log, lines, n);
    if (!c->lease_ms) note('R', l.run, c->epoch, c->status, "");
}

static eyot_status commit(void *s, eyot_commit *commits, size_t n, eyot_error *e)
{
    bool entries = false;
    for (size_t i = 0; i < n; i++) entries |= commits[i].n_entries > 0;
    note('S', "", 0, (long long)n, "");
    if (entries) come_to(FLEET_BEFORE_COMMIT);
    uint64_t sent = fleet_now_ns();
    eyot_status status = me.real.commit(s, commits, n, e);
    uint64_t now = fleet_now_ns();
    if (entries) come_to(FLEET_AFTER_COMMIT);
    for (size_t i = 0; i < n; i++) note_commit(&commits[i], status, sent, now);
    note('s', "", 0, status, "");
    return status;
}

typedef struct claimed {
    eyot_row_fn fn;
    void *arg;
    char run[32];
    uint64_t epoch;
    uint32_t attempts;
} claimed;

static eyot_status see_claimed(void *arg, const eyot_run_row *row)
{
    claimed *c = arg;
    set_text(c->run, sizeof c->run, row->run);
    c->epoch = row->epoch;
    c->attempts = row->attempts;
    return c->fn(c->arg, row);
}

static eyot_status claim(void *s, const eyot_claim *asked, eyot_row_fn fn, void *arg, eyot_error *e)
{
    claimed c = {.fn = fn, .arg = arg};
    note('Q', "", 0, 0, "");
    come_to(FLEET_BEFORE_CLAIM);
    eyot_status status = me.real.claim(s, asked, see_claimed, &c, e);
    if (!status) come_to(FLEET_AFTER_CLAIM);
    if (status)
        note('N', "", 0, status, "");
    else
        note('C', c.run, c.epoch, c.attempts, "");
    return status;
}

/* ---- the graph -------------------------------------------------------------------------------------------------- */

static eyot_status work(eyot_task *task, void *user)
{
    const fleet_job *job = user;
    const char *key = eyot_task_key(task), *run = eyot_task_run_id(task);
    uint64_t hash = tally_hash(eyot__bytes(key, strlen(key))), epoch = eyot_task_fence(task);
    bool first = strcmp(eyot_task_node(task), "split") == 0;
    note('E', run, epoch, 0, key);
    if (me.job) come_to(FLEET_IN_TASK);
    if (first && strncmp(run, "kill", 4) == 0) kill(getpid(), SIGKILL);
    if (first && strncmp(run, "abort", 5) == 0) abort();
    if (job->task_us) tally_pause_us((long)(job->task_us / 2 + hash % (job->task_us + 1)));
    tally *update = tally_sum((int64_t)(hash % 100000) + 1);
    note('D', run, epoch, 0, key);
    return update ? eyot_task_update(task, update) : EYOT_ENOMEM;
}

eyot_graph *fleet_graph(const fleet_job *job)
{
    void *user = (void *)(uintptr_t)job;
    eyot_graph *g = tally_graph("fleet");
    eyot_graph_node(g, "split", work, user);
    eyot_graph_node(g, "end", work, user);
    for (int row = 0; row < 3; row++) {
        char before[8] = "split", id[8];
        for (int i = 1; i <= 6; i++) {
            snprintf(id, sizeof id, "%c%d", 'a' + row, i);
            eyot_graph_node(g, id, work, user);
            eyot_graph_edge(g, before, id);
            memcpy(before, id, sizeof id);
        }
        eyot_graph_edge(g, before, "end");
    }
    return tally_freeze(g);
}

/* ---- the worker process ----------------------------------------------------------------------------------------- */

#define JOB_FORMAT "%u %u %u %u %u %u %u %d"

static void print_job(char *out, size_t cap, const fleet_job *j)
{
    int n = snprintf(out, cap, JOB_VARIABLE "=" JOB_FORMAT " %s\n%s", j->threads, j->max_runs, j->poll_ms,
                     j->max_attempts, j->task_us, (unsigned)j->moment, j->after, j->signo, j->url, j->log);
    if (n < 0 || (size_t)n >= cap) test_fail(__FILE__, __LINE__, "a job that is too long");
}

pid_t fleet_spawn(const fleet_job *j)
{
    static char variable[12000];
    posix_spawn_file_actions_t actions;
    print_job(variable, sizeof variable, j);
    CHECK_OK(posix_spawn_file_actions_init(&actions));
    pid_t pid = crash_start("fleet_helper__", variable, &actions);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void parse_job(fleet_job *j, char *text)
{
    unsigned moment;
    int at = 0;
    if (sscanf(text, JOB_FORMAT " %n", &j->threads, &j->max_runs, &j->poll_ms, &j->max_attempts, &j->task_us, &moment,
               &j->after, &j->signo, &at) < 8)
        _exit(CRASH_BROKEN);
    char *log = strchr(text + at, '\n');
    if (!log) _exit(CRASH_BROKEN);
    *log++ = 0;
    j->moment = (fleet_moment)moment;
    j->url = text + at;
    j->log = log;
}

static void told(void *arg, const eyot_worker_report *r)
{
    static const char kinds[] = {0, 0, 'L', 'P', 'T'};
    (void)arg;
    if (kinds[r->news]) note(kinds[r->news], r->run_id ? r->run_id : "", 0, r->error, r->text);
}

static void *await_term(void *worker)
{
    sigset_t term;
    int signo;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    while (sigwait(&term, &signo) != 0) {}
    eyot_worker_stop(worker, false);
    return NULL;
}

static void close_nothing(void *s)
{
    (void)s;
}

/* The store of the job behind one that writes down what it answers. */
static eyot_status open_noted(eyot_store **out, eyot_store **behind, const char *url, eyot_error *e)
{
    void *self;
    eyot_status status = eyot_store_open(behind, url, e);
    if (status) return status;
    me.real = me.ops = *eyot_store_table(*behind, &self);
    me.ops.commit = commit;
    me.ops.claim = claim;
    me.ops.close = close_nothing;
    return eyot_store_new(out, &me.ops, self, e);
}

static int do_job(const fleet_job *j)
{
    eyot_store *store = NULL, *behind = NULL;
    eyot_engine *engine = NULL;
    eyot_worker *worker = NULL;
    eyot_error e = {.status = EYOT_OK};
    eyot_engine_options eo = EYOT_ENGINE_OPTIONS_INIT;
    eyot_worker_options o = EYOT_WORKER_OPTIONS_INIT;
    eyot_graph *g = fleet_graph(j);
    pthread_t thread;
    eyot_status status = open_noted(&store, &behind, j->url, &e);
    eo.store = store;
    eo.threads = j->threads;
    eo.lease_ms = FLEET_LEASE_MS;
    o.max_runs = j->max_runs;
    o.poll_ms = j->poll_ms;
    o.max_attempts = j->max_attempts;
    o.told = told;
    if (!status) status = eyot_engine_new(&engine, &eo, &e);
    if (!status) status = eyot_worker_new(&worker, engine, &o, &e);
    if (!status) status = eyot_worker_add(worker, g, NULL, &e);
    if (!status && pthread_create(&thread, NULL, await_term, worker) == 0) {
        note('B', "", 0, 0, "");
        status = eyot_worker_run(worker, &e);
        pthread_join(thread, NULL);
    }
    if (status) note('T', "", 0, status, e.text);
    eyot_worker_free(worker);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_store_close(behind);
    eyot_graph_free(g);
    return status ? CRASH_FAILED : CRASH_DONE;
}

static void on_usr1(int signo)
{
    (void)signo;
    atomic_store(&me.calm, true);
}

void fleet_helper(void)
{
    char *text = getenv(JOB_VARIABLE);
    fleet_job job = {.threads = 3};
    if (!text) {
        eyot_engine *engine = tally_engine(3, NULL);
        eyot_graph *g = fleet_graph(&job);
        eyot_run *run = tally_run(engine, g, NULL);
        CHECK_INT(eyot_run_steps(run), FLEET_STEPS);
        eyot_run_free(run);
        eyot_engine_free(engine);
        eyot_graph_free(g);
        return;
    }
    struct rlimit none = {0, 0};
    struct sigaction calm = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL); /* of every thread: one waits for it */
    sigaction(SIGUSR1, &calm, NULL);
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no workers behind */
    if (getppid() == 1) _exit(CRASH_BROKEN);
    parse_job(&job, text);
    me.job = &job;
    me.pid = getpid();
    if ((me.log = open(job.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) _exit(CRASH_BROKEN);
    _exit(do_job(&job));
}
