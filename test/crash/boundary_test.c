/* SPDX-License-Identifier: MIT */
/* One run, killed at the boundary of each of its commits: right before the store is asked, right after it has done it and before
 * the engine hears of it, and right after the engine has heard. Whatever the moment, a new process ends the run with what
 * an undisturbed one leaves: state, log, events, and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <eyot/copiers.h>
#include <eyot/stores.h>

#include "core/store.h"
#include "test/crash/crash.h"
#include "test/crash/fleet.h"
#include "test/eyot_test.h"

#define JOB_VARIABLE "EYOT_BOUNDARY_JOB"
enum { ITEMS = 3, ROUNDS = 2, PAD = 12 * 1024 }; /* the pads are large enough for snapshots between the steps */

typedef enum moment { NEVER, BEFORE, AFTER, HEARD } moment;
static const char *const moment_names[] = {"never", "before", "after", "heard"};

/* What a process is to do: take up the run or start it, end it, and kill itself at a moment of its `at`-th commit. */
typedef struct job {
    moment moment;
    unsigned at, life;
    char url[4300], run[64], log[4300];
} job;

/* The job of this process. */
static struct {
    job job;
    int log;
    eyot_store_ops real, ops;
    _Atomic unsigned commits;
    _Atomic bool doomed; /* the commit is done: the next step of the engine is the last */
} me = {.log = -1};

/* ---- the process: its store ------------------------------------------------------------------------------------- */

static void write_log(char kind, const char *key)
{
    char line[128];
    int n = snprintf(line, sizeof line, "%c %u 0 %.47s\n", kind, me.job.life, key);
    if (me.log >= 0 && write(me.log, line, (size_t)n) != n) _exit(CRASH_BROKEN);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
}

/* Here the engine goes on: it has heard of every commit so far. */
static void step(void)
{
    if (atomic_load(&me.doomed)) die();
}

/* Writes down what the commit makes of the log, and whether it counts: signs of life come when they come. */
static bool begin_commit(const eyot_commit *commits, size_t n)
{
    char heads[48];
    step();
    if (n == 1 && !commits->n_entries && commits->lease_ms) return false;
    snprintf(heads, sizeof heads, "%llu-%llu", (unsigned long long)commits->head,
             (unsigned long long)(commits->head + commits->n_entries));
    write_log('S', heads);
    bool now = atomic_fetch_add(&me.commits, 1) + 1 == me.job.at;
    if (now && me.job.moment == BEFORE) die();
    return now;
}

static void end_commit(bool now)
{
    if (now && me.job.moment == AFTER) die();
    if (now && me.job.moment == HEARD) atomic_store(&me.doomed, true);
}

static eyot_status commit(void *s, eyot_commit *commits, size_t n, eyot_error *e)
{
    bool now = begin_commit(commits, n);
    eyot_status status = me.real.commit(s, commits, n, e);
    end_commit(now);
    return status;
}

static eyot_status create_run(void *s, const eyot_run_row *row, eyot_bytes source, const eyot_commit *first,
                              eyot_error *e)
{
    bool now = begin_commit(first, 1);
    eyot_status status = me.real.create_run(s, row, source, first, e);
    end_commit(now);
    return status;
}

static eyot_status claim(void *s, const eyot_claim *c, eyot_row_fn fn, void *arg, eyot_error *e)
{
    step();
    return me.real.claim(s, c, fn, arg, e);
}

static void close_nothing(void *s)
{
    (void)s;
}

static eyot_status open_watched(eyot_store **out, eyot_store **behind, const char *url, eyot_error *e)
{
    void *self;
    eyot_status status = eyot_store_open(behind, url, e);
    if (status) return status;
    me.real = me.ops = *eyot_store_table(*behind, &self);
    me.ops.commit = commit;
    me.ops.create_run = create_run;
    me.ops.claim = claim;
    me.ops.close = close_nothing;
    return eyot_store_new(out, &me.ops, self, e);
}

/* ---- the process: its graph -------------------------------------------------------------------------------------- */

static void begin_task(eyot_task *task)
{
    step();
    write_log('E', eyot_task_key(task));
}

static eyot_value *word(const char *text)
{
    return eyot_value_append(eyot_value_new_array(), eyot_value_new_string(text));
}

/* Adds the task's key and `more` to the words of the state. */
static eyot_status say(eyot_task *task, const char *more)
{
    char text[200];
    snprintf(text, sizeof text, "%s%s", eyot_task_key(task), more);
    return eyot_task_update(task, eyot_value_set(eyot_value_new_map(), "words", word(text)));
}

static eyot_status plan(eyot_task *task, void *user)
{
    (void)user;
    begin_task(task);
    for (int i = 0; i < ITEMS; i++) {
        eyot_value *item = eyot_value_set(eyot_value_new_map(), "item", eyot_value_new_int(i));
        if (eyot_task_send(task, "fetch", item)) return EYOT_ENOMEM;
    }
    CHECK_OK(eyot_task_emit(task, "planned", "three items", 11));
    return say(task, "");
}

static eyot_status fetch(eyot_task *task, void *user)
{
    char pad[PAD];
    (void)user;
    begin_task(task);
    int64_t item = eyot_value_int(eyot_value_at(eyot_task_state(task), "item"), -1);
    memset(pad, 'a' + (int)item, sizeof pad);
    CHECK_OK(eyot_task_emit(task, "fetched", pad, (size_t)item));
    CHECK_OK(eyot_task_emit(task, "fetched", NULL, 0));
    eyot_value *update = eyot_value_set(eyot_value_new_map(), "words", word(eyot_task_key(task)));
    update = eyot_value_set(update, "got", eyot_value_new_int(item));
    return eyot_task_update(task, eyot_value_set(update, "pad", eyot_value_new_string_len(pad, sizeof pad)));
}

static eyot_status ask(eyot_task *task, void *user)
{
    const char *answer;
    (void)user;
    begin_task(task);
    CHECK_OK(eyot_task_emit(task, "asking", "well?", 5));
    eyot_status status = eyot_task_ask(task, "well?", &answer);
    return status ? status : say(task, answer);
}

static eyot_status gather(eyot_task *task, void *user)
{
    (void)user;
    begin_task(task);
    eyot_value *update = eyot_value_set(eyot_value_new_map(), "rounds", eyot_value_new_int(1));
    return eyot_task_update(task, update);
}

/* Fails the first time, and in the second round once more, which fails the run. */
static eyot_status flaky(eyot_task *task, void *user)
{
    (void)user;
    begin_task(task);
    int64_t round = eyot_value_int(eyot_value_at(eyot_task_state(task), "rounds"), 0);
    CHECK_OK(eyot_task_emit(task, "tried", "flaky", 5));
    if (eyot_task_attempt(task) <= round) return eyot_task_fail(task, "not yet");
    return say(task, "");
}

static eyot_status nap(eyot_task *task, void *user)
{
    (void)user;
    begin_task(task);
    eyot_status status = eyot_task_sleep(task, 1);
    return status ? status : say(task, "");
}

static eyot_status finish(eyot_task *task, void *user)
{
    (void)user;
    begin_task(task);
    CHECK_OK(eyot_task_emit(task, "finished", "", 0));
    return EYOT_OK;
}

static eyot_status more(const void *state, bool *taken, void *user, eyot_error *e)
{
    (void)user;
    (void)e;
    *taken = eyot_value_int(eyot_value_at(state, "rounds"), 0) < ROUNDS;
    return EYOT_OK;
}

/* plan → ask, 3 × fetch → gather → flaky → nap → plan …, twice, then finish. */
static eyot_graph *boundary_graph(void)
{
    eyot_graph *g;
    eyot_node_options twice = EYOT_NODE_OPTIONS_INIT;
    twice.attempts = 2;
    twice.retry_delay_ms = 1;
    CHECK_OK(eyot_graph_new(&g, "boundary", eyot_json()));
    eyot_graph_node(g, "plan", plan, NULL);
    eyot_graph_node(g, "ask", ask, NULL);
    eyot_graph_node(g, "fetch", fetch, NULL);
    eyot_graph_node(g, "gather", gather, NULL);
    eyot_graph_node_with(g, "flaky", flaky, NULL, &twice);
    eyot_graph_node(g, "nap", nap, NULL);
    eyot_graph_node(g, "finish", finish, NULL);
    eyot_graph_edge(g, "plan", "ask");
    eyot_graph_edge_each(g, "plan", "fetch");
    eyot_graph_edge(g, "ask", "gather");
    eyot_graph_edge(g, "fetch", "gather");
    eyot_graph_edge(g, "gather", "flaky");
    eyot_graph_edge(g, "flaky", "nap");
    eyot_graph_edge_if(g, "nap", "plan", "more rounds", more, NULL);
    eyot_graph_edge_otherwise(g, "nap", "finish");
    eyot_graph_reduce(g, "words", EYOT_APPEND);
    eyot_graph_reduce(g, "got", EYOT_ADD);
    eyot_graph_reduce(g, "rounds", EYOT_ADD);
    eyot_graph_reduce(g, "pad", EYOT_LAST);
    eyot_graph_reduce(g, "item", EYOT_LOCAL);
    return tally_freeze(g);
}

/* ---- the process: its life --------------------------------------------------------------------------------------- */

/* The task whose question is open in a run that waits for an answer; "": none. */
static void find_question(eyot_store *store, const eyot_graph *g, char task[64])
{
    eyot_checkpoint *c;
    task[0] = 0;
    if (eyot_store_load_latest_checkpoint(&c, store, g, me.job.run, NULL)) return; /* not there yet */
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++)
        if (eyot_checkpoint_status(c) == EYOT_RUN_SUSPENDED && eyot_checkpoint_branch_question(c, i))
            snprintf(task, 64, "%s", eyot_checkpoint_branch_task(c, i));
    eyot_checkpoint_free(c);
}

/* Takes up the run, or starts it, as somebody does who answers its questions. */
static eyot_status take_up(eyot_run **run, eyot_engine *engine, eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    char task[64];
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    eyot_answer answer = {task, " is well"};
    find_question(store, g, task);
    o.run_id = me.job.run;
    o.strategy = EYOT_SEQUENTIAL;
    o.answers = &answer;
    o.n_answers = task[0] != 0;
    eyot_status status = eyot_run_resume(run, engine, g, me.job.run, &o, e);
    return status == EYOT_ENOTFOUND ? eyot_run_start(run, engine, g, eyot_value_new_map(), &o, e) : status;
}

/* Also one that fails or is suspended, until it is done. */
static eyot_status end_run(eyot_engine *engine, eyot_store *store, const eyot_graph *g, eyot_error *e)
{
    eyot_status status = EYOT_EFAILED;
    for (int i = 0; i < 8 && (status == EYOT_EFAILED || status == EYOT_ESUSPENDED); i++) {
        eyot_run *run;
        status = take_up(&run, engine, store, g, e);
        if (status) return status;
        status = eyot_run_wait(run, e);
        step();
        eyot_run_free(run);
    }
    return status;
}

static int do_job(void)
{
    eyot_store *store = NULL, *behind = NULL;
    eyot_engine *engine = NULL;
    eyot_error e = {.status = EYOT_OK};
    eyot_engine_options eo = EYOT_ENGINE_OPTIONS_INIT;
    eyot_graph *g = boundary_graph();
    eyot_status status = open_watched(&store, &behind, me.job.url, &e);
    eo.store = store;
    eo.threads = 1;
    if (!status) status = eyot_engine_new(&engine, &eo, &e);
    if (!status) status = end_run(engine, store, g, &e);
    if (status) fprintf(stderr, "%s: %s\n", me.job.run, e.text);
    eyot_engine_free(engine);
    eyot_store_close(store);
    eyot_store_close(behind);
    eyot_graph_free(g);
    return status ? CRASH_FAILED : CRASH_DONE;
}

static void parse_job(char *text)
{
    job *j = &me.job;
    if (sscanf(text, "%u %u %u %4299s %63s %4299s", (unsigned *)&j->moment, &j->at, &j->life, j->url, j->run, j->log) <
        6)
        _exit(CRASH_BROKEN);
}

TEST(boundary_helper__does_a_run_by_itself)
{
    char *text = getenv(JOB_VARIABLE);
    if (text) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
        if (getppid() == 1) _exit(CRASH_BROKEN);
        parse_job(text);
        if ((me.log = open(me.job.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) < 0) _exit(CRASH_BROKEN);
        _exit(do_job());
    }
    snprintf(me.job.url, sizeof me.job.url, "memory:");
    snprintf(me.job.run, sizeof me.job.run, "calm");
    CHECK_INT(do_job(), CRASH_DONE);
}

/* ---- what a run leaves ------------------------------------------------------------------------------------------- */

typedef struct remains {
    eyot_buf state, log, events; /* as text, without times */
} remains;

static void remains_clear(remains *r)
{
    eyot__buf_clear(&r->state);
    eyot__buf_clear(&r->log);
    eyot__buf_clear(&r->events);
}

static eyot_status note_entry(void *arg, const eyot_history_entry *h)
{
    eyot_buf *out = arg;
    if (h->kind == EYOT_ENTRY_STATUS) return EYOT_OK; /* of how the lives ended */
    eyot__buf_format(out, "kind %d %s attempt %u status %d %s", (int)h->kind, h->task, h->attempt, (int)h->status,
                     h->text ? h->text : "");
    char *update = h->update ? eyot_json_print(h->update, NULL) : NULL;
    if (update) eyot__buf_format(out, " update %s", update);
    for (size_t i = 0; i < h->n_route; i++) eyot__buf_format(out, " → %s", h->route[i].task);
    for (size_t i = 0; i < h->n_joined; i++) eyot__buf_format(out, " ← %s", h->joined[i]);
    eyot__buf_text(out, "\n");
    eyot_free(update);
    return EYOT_OK;
}

static eyot_status note_event(void *arg, eyot_bytes run, const eyot_event *event)
{
    eyot_buf *out = arg;
    eyot__buf_put(out, (const char *)event->id.p + run.n, event->id.n - run.n);
    eyot__buf_put(out, " ", 1);
    eyot__buf_put(out, event->topic.p, event->topic.n);
    eyot__buf_put(out, " ", 1);
    eyot__buf_put(out, event->payload.p, event->payload.n);
    eyot__buf_put(out, "\n", 1);
    return EYOT_OK;
}

static remains remains_of(eyot_store *store, const eyot_graph *g, const char *run)
{
    remains r = {EYOT__BUF_INIT, EYOT__BUF_INIT, EYOT__BUF_INIT};
    eyot_buf next = EYOT__BUF_INIT;
    eyot_checkpoint *c;
    eyot_error e = {.status = EYOT_OK};
    if (eyot_store_load_latest_checkpoint(&c, store, g, run, &e)) test_fail(__FILE__, __LINE__, "%s: %s", run, e.text);
    CHECK_INT(eyot_checkpoint_status(c), EYOT_RUN_DONE);
    CHECK_OK(eyot_json()->print(eyot_checkpoint_state(c), &r.state, NULL));
    eyot_checkpoint_free(c);
    if (eyot_store_read_history(store, g, run, note_entry, &r.log, &e))
        test_fail(__FILE__, __LINE__, "%s: %s", run, e.text);
    CHECK_OK(eyot_store_read_events(store, eyot__bytes(NULL, 0), 10000, note_event, &r.events, &next, &e));
    CHECK_INT(next.len, 0);
    return r;
}

static void check_same(const char *what, const char *run, const eyot_buf *got, const eyot_buf *want)
{
    size_t i = 0, from;
    while (i < got->len && i < want->len && got->data[i] == want->data[i]) i++;
    if (i == got->len && i == want->len) return;
    from = i < 30 ? 0 : i - 30;
    test_fail(__FILE__, __LINE__, "%s: %s at byte %zu is …%.60s…, not …%.60s…", run, what, i,
              from < got->len ? (const char *)got->data + from : "",
              from < want->len ? (const char *)want->data + from : "");
}

/* ---- the test ---------------------------------------------------------------------------------------------------- */

typedef struct trial {
    job job;
    eyot_store *store;
    eyot_graph *graph;
    remains calm;     /* of an undisturbed run */
    unsigned commits; /* and how many it makes */
    unsigned kills;
} trial;

static int live(trial *t)
{
    static char variable[12000];
    posix_spawn_file_actions_t actions;
    const job *j = &t->job;
    snprintf(variable, sizeof variable, JOB_VARIABLE "=%u %u %u %s %s %s", (unsigned)j->moment, j->at, j->life, j->url,
             j->run, j->log);
    CHECK_OK(posix_spawn_file_actions_init(&actions));
    pid_t pid = crash_start("boundary_helper__", variable, &actions);
    posix_spawn_file_actions_destroy(&actions);
    t->job.life++;
    int code = crash_reap(pid);
    if (code != CRASH_DONE && code != 1000 + SIGKILL)
        test_fail(__FILE__, __LINE__, "%s, life %u ended with %d", t->job.run, t->job.life, code);
    t->kills += code != CRASH_DONE;
    return code;
}

/* The store holds what was committed, up to the entry that the last commit ended with, or began with. */
static void check_head(const trial *t, const crash_lines *log)
{
    unsigned long long before = 0, after = 0;
    for (size_t i = 0; i < log->n; i++)
        if (log->lines[i].kind == 'S') CHECK_INT(sscanf(log->lines[i].key, "%llu-%llu", &before, &after), 2);
    tally_row row = tally_row_of(t->store, t->job.run);
    CHECK_INT(row.head, t->job.moment == BEFORE ? before : after);
}

/* No task began in this life that was stored before it. */
static void check_begun(const trial *t, const crash_lines *log, const tally_log *before)
{
    for (size_t i = 0; i < log->n; i++)
        if (log->lines[i].kind == 'E' && log->lines[i].life == t->job.life - 1 && tally_has(before, log->lines[i].key))
            test_fail(__FILE__, __LINE__, "%s, life %u: committed task %s ran again", t->job.run, t->job.life - 1,
                      log->lines[i].key);
}

static bool live_and_check(trial *t)
{
    tally_log before = tally_entries(t->store, t->job.run);
    int code = live(t);
    crash_lines log = crash_read_log(t->job.log);
    check_begun(t, &log, &before);
    if (code != CRASH_DONE) check_head(t, &log);
    free(log.lines);
    tally_log_free(&before);
    return code == CRASH_DONE;
}

static eyot_status count_row(void *arg, const eyot_run_row *row)
{
    unsigned *n = arg;
    (*n)++;
    CHECK_INT(row->owner.n, 0);
    CHECK_INT(row->attempts, 0);
    return EYOT_OK;
}

static eyot_status acknowledge(void *arg, eyot_bytes run, const eyot_event *event)
{
    eyot_buf *ids = arg;
    (void)run;
    eyot__buf_put(ids, event->id.p, event->id.n);
    eyot__buf_put(ids, "", 1);
    return EYOT_OK;
}

/* Takes away what the run has left: then nothing is left. */
static void clean_up(trial *t)
{
    eyot_buf ids = EYOT__BUF_INIT, next = EYOT__BUF_INIT, rest = EYOT__BUF_INIT;
    eyot_run_filter all = {.size = sizeof all};
    unsigned rows = 0;
    CHECK_OK(eyot_store_list_runs(t->store, &all, eyot__bytes(NULL, 0), 100, count_row, &rows, &next, NULL));
    CHECK_INT(rows, 1);
    CHECK_OK(eyot_store_read_events(t->store, eyot__bytes(NULL, 0), 10000, acknowledge, &ids, &next, NULL));
    for (size_t at = 0; at < ids.len; at += strlen((char *)ids.data + at) + 1) {
        eyot_bytes id = eyot__bytes(ids.data + at, strlen((char *)ids.data + at));
        CHECK_OK(eyot_store_ack_events(t->store, &id, 1, NULL));
    }
    CHECK_OK(eyot_store_read_events(t->store, eyot__bytes(NULL, 0), 10000, note_event, &rest, &next, NULL));
    CHECK_INT(rest.len, 0);
    CHECK_OK(eyot_store_delete(t->store, t->job.run, NULL));
    eyot__buf_clear(&ids);
    eyot__buf_clear(&next);
    unlink(t->job.log);
}

static void begin_run(trial *t, moment m, unsigned at)
{
    t->job.moment = m;
    t->job.at = at;
    t->job.life = 0;
    snprintf(t->job.run, sizeof t->job.run, "%.6s-%u", moment_names[m], at);
    snprintf(t->job.log, sizeof t->job.log, "%s/%s.log", test_dir(), t->job.run);
}

static void check_end(trial *t)
{
    remains r = remains_of(t->store, t->graph, t->job.run);
    check_same("the state", t->job.run, &r.state, &t->calm.state);
    check_same("the log", t->job.run, &r.log, &t->calm.log);
    check_same("an event", t->job.run, &r.events, &t->calm.events);
    remains_clear(&r);
    clean_up(t);
}

static unsigned count_commits(const trial *t)
{
    crash_lines log = crash_read_log(t->job.log);
    unsigned n = 0;
    for (size_t i = 0; i < log.n; i++) n += log.lines[i].kind == 'S';
    free(log.lines);
    return n;
}

static void open_trial(trial *t, const fleet_backend *b)
{
    memset(t, 0, sizeof *t);
    fleet_url(b, t->job.url, sizeof t->job.url);
    t->store = tally_store(t->job.url);
    t->graph = boundary_graph();
    begin_run(t, NEVER, 0);
    CHECK(live_and_check(t));
    t->commits = count_commits(t);
    t->calm = remains_of(t->store, t->graph, t->job.run);
    CHECK(t->calm.log.len > 0 && t->calm.events.len > 0);
    clean_up(t);
}

static void close_trial(trial *t)
{
    remains_clear(&t->calm);
    eyot_graph_free(t->graph);
    eyot_store_close(t->store);
}

/* A run may make a commit less than another one: what is done while one is under way goes with the next, together. */
static void boundary(const fleet_backend *b)
{
    trial t;
    open_trial(&t, b);
    for (moment m = BEFORE; m <= HEARD; m++)
        for (unsigned k = 1; k <= t.commits; k++) {
            begin_run(&t, m, k);
            bool done = live_and_check(&t);
            t.job.at = 0;
            if (!done) CHECK(live_and_check(&t));
            check_end(&t);
        }
    printf("     %s: %u kills, %u commits\n", b->name, t.kills, t.commits);
    CHECK(t.commits > 20);
    CHECK(t.kills >= 3 * (t.commits - 3));
    close_trial(&t);
}
FLEET_TEST(boundary, of_each_commit_is_a_good_place_to_die, sqlite, sqlite)
FLEET_TEST(boundary, of_each_commit_is_a_good_place_to_die, mysql, mysql)
FLEET_TEST(boundary, of_each_commit_is_a_good_place_to_die, redis, redis)
FLEET_TEST(boundary, of_each_commit_is_a_good_place_to_die, redis_cluster, redis_cluster)

/* Each life makes one commit and does not live to see it. */
static void boundary_lives(const fleet_backend *b)
{
    trial t;
    open_trial(&t, b);
    begin_run(&t, AFTER, 1);
    while (!live_and_check(&t)) {}
    CHECK(t.kills > 20);
    check_end(&t);
    close_trial(&t);
}
FLEET_TEST(boundary_lives, of_one_commit_each_end_the_run, sqlite, sqlite)
FLEET_TEST(boundary_lives, of_one_commit_each_end_the_run, mysql, mysql)
FLEET_TEST(boundary_lives, of_one_commit_each_end_the_run, redis, redis)
FLEET_TEST(boundary_lives, of_one_commit_each_end_the_run, redis_cluster, redis_cluster)
