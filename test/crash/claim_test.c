/* SPDX-License-Identifier: MIT */
/* Several processes that want one run: one works, the others are told who has it; who was taken over is fenced. */
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/store.h"
#include "test/crash/crash.h"
#include "test/eyot_test.h"

TEST(crash_helper__an_undisturbed_job_is_done)
{
    crash_helper();
}

#if defined(EYOT_HAVE_SQLITE)

/* One helper, and the pipes to it: tasks wait for the gate, and what it says comes out of the other. */
typedef struct worker {
    pid_t pid;
    int gate, says;
    char text[4096];
    size_t len;
} worker;

static void make_pipe(int fds[2])
{
    CHECK_OK(pipe(fds));
    CHECK_OK(fcntl(fds[0], F_SETFD, FD_CLOEXEC));
    CHECK_OK(fcntl(fds[1], F_SETFD, FD_CLOEXEC));
}

static worker begin(crash_job job)
{
    int gate[2], says[2];
    make_pipe(gate);
    make_pipe(says);
    job.gate = gate[0];
    job.report = says[1];
    worker w = {.pid = crash_spawn(&job), .gate = gate[1], .says = says[0]};
    close(gate[0]);
    close(says[1]);
    return w;
}

/* Waits for a line that begins with `word`, and returns it. */
static const char *hear(worker *w, const char *word)
{
    for (;;) {
        for (char *p = w->text; *p; p = strchr(p, '\n') + 1)
            if (strncmp(p, word, strlen(word)) == 0) return p;
        ssize_t n = read(w->says, w->text + w->len, sizeof w->text - 1 - w->len);
        if (n <= 0) test_fail(__FILE__, __LINE__, "the helper did not say \"%s\" but: %s", word, w->text);
        w->len += (size_t)n;
    }
}

/* The status in the line that begins with `word`. */
static int heard(worker *w, const char *word)
{
    return atoi(hear(w, word) + strlen(word));
}

static void open_gate(worker *w)
{
    if (w->gate >= 0) close(w->gate);
    w->gate = -1;
}

static int end(worker *w)
{
    open_gate(w);
    int code = crash_reap(w->pid);
    close(w->says);
    return code;
}

typedef struct scene {
    crash_job job;
    eyot_store *store;
    char url[4300], log[4300], id[32];
    uint64_t want;
} scene;

static void set_scene(scene *s)
{
    memset(s, 0, sizeof *s);
    s->job = (crash_job){.threads = 3, .pad = 20, .lease_ms = 2000};
    snprintf(s->url, sizeof s->url, "sqlite:%s/claim.db", test_dir());
    s->job.url = s->url;
    s->want = crash_want(&s->job);
    s->store = tally_store(s->url);
}

static void next_run(scene *s, unsigned number)
{
    snprintf(s->id, sizeof s->id, "run-%u", number);
    snprintf(s->log, sizeof s->log, "%s/run-%u.log", test_dir(), number);
    s->job.run = s->id;
    s->job.log = s->log;
}

/* The run is done, no entry is there twice, and no task that a life found stored began in it. */
static void check_done(const scene *s)
{
    tally_log entries = tally_entries(s->store, s->id);
    crash_lines log = crash_read_log(s->log);
    eyot_graph *g = crash_graph(&s->job);
    eyot_checkpoint *c;
    CHECK_OK(eyot_store_load_latest_checkpoint(&c, s->store, g, s->id, NULL));
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_DONE);
    CHECK(crash_hash(eyot_checkpoint_state(c)) == s->want);
    CHECK_INT(eyot_checkpoint_step(c), tally_tasks(&entries));
    for (size_t i = 0; i < log.n; i++)
        for (size_t k = i + 1; k < log.n; k++)
            if (log.lines[i].kind == 'E' && log.lines[k].kind == 'E' && log.lines[i].life == log.lines[k].life &&
                strcmp(log.lines[i].key, log.lines[k].key) == 0)
                test_fail(__FILE__, __LINE__, "task %s ran twice in life %u", log.lines[i].key, log.lines[i].life);
    eyot_checkpoint_free(c);
    eyot_graph_free(g);
    tally_log_free(&entries);
    free(log.lines);
}

static void unset_scene(scene *s)
{
    eyot_store_close(s->store);
}

/* Leaves a run whose owner was killed while its first task was running. */
static void leave_dead(scene *s)
{
    worker w = begin(s->job);
    (void)hear(&w, "task");
    kill(w.pid, SIGKILL);
    CHECK_INT(end(&w), 1000 + SIGKILL);
    CHECK(tally_row_of(s->store, s->id).held);
}

TEST(claim_dead__is_taken_over_at_once)
{
    scene s;
    set_scene(&s);
    s.job.lease_ms = 60000;
    for (unsigned round = 0; round < 10 * test_long(); round++) {
        next_run(&s, round);
        s.job.life = 0;
        leave_dead(&s);
        s.job.life = 1;
        worker w = begin(s.job);
        CHECK_INT(heard(&w, "resume"), EYOT_OK);
        int status, ms;
        CHECK(sscanf(hear(&w, "resume"), "resume %d %d", &status, &ms) == 2);
        CHECK(ms < 2000);
        CHECK_INT(end(&w), CRASH_DONE);
        check_done(&s);
    }
    unset_scene(&s);
}

TEST(claim_live__is_busy_for_everybody_else)
{
    scene s;
    set_scene(&s);
    next_run(&s, 0);
    worker owner = begin(s.job);
    (void)hear(&owner, "task");
    tally_row row = tally_row_of(s.store, s.id);
    for (int i = 0; i < 5; i++) {
        worker other = begin(s.job);
        CHECK_INT(heard(&other, "resume"), EYOT_EBUSY);
        CHECK_HAS(hear(&other, "resume"), s.id);
        CHECK_INT(end(&other), CRASH_NOT_RESUMED);
    }
    CHECK_INT(tally_row_of(s.store, s.id).epoch, row.epoch);
    CHECK_INT(end(&owner), CRASH_DONE);
    check_done(&s);
    unset_scene(&s);
}

/* An owner that lives but does nothing keeps its run far beyond its lease: it gives signs of life. */
TEST(claim_live__is_busy_beyond_the_lease)
{
    scene s;
    set_scene(&s);
    next_run(&s, 0);
    worker owner = begin(s.job);
    (void)hear(&owner, "task");
    for (uint64_t until = test_now_ms() + 3500; test_now_ms() < until; tally_pause_us(300000)) {
        worker other = begin(s.job);
        CHECK_INT(heard(&other, "resume"), EYOT_EBUSY);
        CHECK_INT(end(&other), CRASH_NOT_RESUMED);
    }
    CHECK_INT(end(&owner), CRASH_DONE);
    check_done(&s);
    unset_scene(&s);
}

TEST(claim_race__of_two_processes_one_works)
{
    scene s;
    set_scene(&s);
    unsigned first_won = 0, rounds = 60 * test_long();
    for (unsigned round = 0; round < rounds; round++) {
        next_run(&s, round);
        leave_dead(&s);
        tally_row row = tally_row_of(s.store, s.id);
        worker w[2];
        for (unsigned i = 0; i < 2; i++) {
            s.job.life = i + 1;
            w[i] = begin(s.job);
        }
        s.job.life = 0;
        int a = heard(&w[0], "resume"), b = heard(&w[1], "resume");
        if (!((a == EYOT_OK && b == EYOT_EBUSY) || (a == EYOT_EBUSY && b == EYOT_OK)))
            test_fail(__FILE__, __LINE__, "round %u: one got %d, the other %d", round, a, b);
        first_won += a == EYOT_OK;
        CHECK_INT(tally_row_of(s.store, s.id).epoch, row.epoch + 1);
        CHECK_INT(end(&w[0]), a == EYOT_OK ? CRASH_DONE : CRASH_NOT_RESUMED);
        CHECK_INT(end(&w[1]), b == EYOT_OK ? CRASH_DONE : CRASH_NOT_RESUMED);
        check_done(&s);
    }
    printf("     the process that was started first won %u of %u\n", first_won, rounds);
    unset_scene(&s);
}

static sem_t may_end;

static eyot_status wait_to_end(eyot_task *task, void *user)
{
    (void)user;
    sem_wait(&may_end);
    return eyot_task_update(task, tally_sum(1));
}

/* Two engines of one process are two workers like any others, and one engine has a run once. */
TEST(claim_live__is_busy_for_this_process_too)
{
    scene s;
    set_scene(&s);
    eyot_graph *g = tally_graph("one");
    eyot_graph_node(g, "wait", wait_to_end, NULL);
    tally_freeze(g);
    eyot_store *second = tally_store(s.url);
    eyot_engine *engines[3] = {tally_engine(1, s.store), tally_engine(1, s.store), tally_engine(1, second)};
    eyot_error e = {.status = EYOT_OK};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_run *run, *other;
    o.run_id = "mine";
    sem_init(&may_end, 0, 0);
    CHECK_OK(eyot_run_start(&run, engines[0], g, tally_new(), &o, &e));
    for (int i = 0; i < 3; i++) {
        CHECK_STATUS(eyot_run_resume(&other, engines[i], g, "mine", NULL, &e), EYOT_EBUSY);
        CHECK_HAS(e.text, "mine");
        CHECK(!other);
    }
    sem_post(&may_end);
    CHECK_OK(eyot_run_wait(run, &e));
    eyot_run_free(run);
    for (int i = 0; i < 3; i++) eyot_engine_free(engines[i]);
    sem_destroy(&may_end);
    eyot_store_close(second);
    eyot_graph_free(g);
    unset_scene(&s);
    CHECK_INT(tally_live(), 0);
}

/* Stopped beyond its lease, a worker is taken over when the lease ends, not before; what it commits afterwards is refused,
 * and its run fails with that. */
TEST(claim_stopped__is_taken_over_after_the_lease_and_fenced)
{
    scene s;
    set_scene(&s);
    next_run(&s, 0);
    worker stopped = begin(s.job);
    (void)hear(&stopped, "task");
    uint64_t running_ms = test_now_ms();
    kill(stopped.pid, SIGSTOP);
    s.job.life = 1;
    unsigned busy = 0;
    worker heir;
    for (;; tally_pause_us(20000), busy++) {
        heir = begin(s.job);
        if (heard(&heir, "resume") != EYOT_EBUSY) break;
        CHECK_INT(end(&heir), CRASH_NOT_RESUMED);
    }
    uint64_t waited_ms = test_now_ms() - running_ms;
    CHECK_INT(heard(&heir, "resume"), EYOT_OK);
    CHECK(busy > 0);
    if (waited_ms < 1200 || waited_ms > 2000 + 1500)
        test_fail(__FILE__, __LINE__, "taken over after %llu ms of a lease of 2,000", (unsigned long long)waited_ms);
    CHECK_INT(end(&heir), CRASH_DONE);
    tally_log before = tally_entries(s.store, s.id);
    open_gate(&stopped);
    kill(stopped.pid, SIGCONT);
    CHECK_INT(heard(&stopped, "end"), EYOT_EFENCED);
    CHECK_HAS(hear(&stopped, "end"), s.id);
    CHECK_INT(end(&stopped), CRASH_FAILED);
    tally_log after = tally_entries(s.store, s.id);
    CHECK_INT(after.n, before.n);
    CHECK(memcmp(after.entries, before.entries, after.n * sizeof(tally_entry)) == 0);
    tally_log_free(&before);
    tally_log_free(&after);
    check_done(&s);
    unset_scene(&s);
}

/* The same while the new owner is still at work: it is not disturbed by the old one's end. */
TEST(claim_stopped__does_not_disturb_its_heir)
{
    scene s;
    set_scene(&s);
    next_run(&s, 0);
    worker stopped = begin(s.job), heir;
    (void)hear(&stopped, "task");
    kill(stopped.pid, SIGSTOP);
    s.job.life = 1;
    for (;; tally_pause_us(50000)) {
        heir = begin(s.job);
        if (heard(&heir, "resume") != EYOT_EBUSY) break;
        CHECK_INT(end(&heir), CRASH_NOT_RESUMED);
    }
    CHECK_INT(heard(&heir, "resume"), EYOT_OK);
    (void)hear(&heir, "task");
    kill(stopped.pid, SIGCONT);
    CHECK_INT(end(&stopped), CRASH_FAILED);
    tally_row row = tally_row_of(s.store, s.id);
    CHECK(row.held);
    CHECK_INT(row.steps, 0);
    CHECK_INT(row.status, EYOT_RUN_RUNNING);
    CHECK_INT(end(&heir), CRASH_DONE);
    check_done(&s);
    unset_scene(&s);
}

#endif
