/* SPDX-License-Identifier: MIT */
/* Playback, verify and fork of the reference model's random graphs, after lives of any kind: every state is the one that the
 * tasks saw; an unchanged run does not differ, one with one change differs there and nowhere else; a fork ends as the run did. */
#include <stdarg.h>
#include <stdlib.h>

#include "test/eyot_test.h"
#include "test/live_model.h"
#include "test/tally.h"
#include "test/tamper.h"

enum { CASES = 500 };

typedef void (*case_fn)(live *m);

static void for_cases(case_fn fn)
{
    static live m;
    uint64_t seed = test_seed();
    for (unsigned round = 0; round < test_long(); round++) {
        model_reader *r = model_open(MODEL_CASES);
        m.random = seed + round;
        for (int i = 0; i < CASES && live_next(&m, r); i++) fn(&m);
        live_clear(&m);
        model_close(r);
    }
}

#define FAIL(m, ...) fail_case(__LINE__, m, __VA_ARGS__)

static void __attribute__((noreturn, format(printf, 3, 4))) fail_case(int line, const live *m, const char *fmt, ...)
{
    char text[600];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    test_fail(__FILE__, line, "case %llu: %s", (unsigned long long)m->c.seed, text);
}

static void check_text(int line, const live *m, const char *what, const char *text, const char *want)
{
    if (strcmp(text, want) != 0) fail_case(line, m, "%s is %.200s, not %.200s", what, text, want);
}

/* ---- the log, as text --------------------------------------------------------------------------------------------- */

typedef struct log_text {
    const live *m;
    char *tasks[LIVE_TASKS];        /* update and route of each that is in it; owned */
    uint32_t order[LIVE_TASKS + 1]; /* [step]: its number; UINT32_MAX: not in the log */
    uint64_t steps;
} log_text;

static eyot_status see_entry(void *arg, const eyot_history_entry *h)
{
    log_text *l = arg;
    eyot_buf *out = eyot_buf_new();
    if (h->kind == EYOT_ENTRY_TASK) {
        uint32_t i = live_index(l->m, h->task);
        char *update = h->update ? eyot_json_print(h->update, NULL) : NULL;
        if (update) eyot_buf_add(out, update, strlen(update));
        for (size_t k = 0; k < h->n_route; k++) {
            eyot_buf_add(out, " >", 2);
            eyot_buf_add(out, h->route[k].task, strlen(h->route[k].task));
        }
        if (l->tasks[i]) FAIL(l->m, "task %s is twice in its log", h->task);
        l->tasks[i] = strdup(eyot_buf_data(out, NULL));
        l->order[h->step] = i;
        l->steps = h->step;
        eyot_free(update);
    }
    eyot_buf_free(out);
    return EYOT_OK;
}

static void read_log(log_text *l, const live *m, const char *id)
{
    eyot_error e = {.status = EYOT_OK};
    memset(l, 0, sizeof *l);
    l->m = m;
    for (int i = 0; i <= LIVE_TASKS; i++) l->order[i] = UINT32_MAX;
    if (eyot_store_read_history(m->store, m->g, id, see_entry, l, &e)) FAIL(m, "%s", e.text);
}

static void free_log(log_text *l)
{
    for (int i = 0; i < LIVE_TASKS; i++) free(l->tasks[i]);
}

/* ---- playback ------------------------------------------------------------------------------------------------------ */

typedef struct played {
    const live *m;
    const log_text *log;
    uint64_t step;
} played;

static eyot_status on_step(void *arg, const eyot_played_step *s)
{
    played *p = arg;
    const live *m = p->m;
    uint32_t i = live_index(m, s->task);
    char *state = eyot_json_print(s->state, NULL);
    for (p->step++; p->log->order[p->step] == UINT32_MAX; p->step++) {}
    if (s->step != p->step || p->log->order[s->step] != i) FAIL(m, "step %llu is told", (unsigned long long)s->step);
    check_text(__LINE__, m, s->task, state, m->notes[i].left);
    if (s->ended != (m->c.tasks[i].n_route == 0)) FAIL(m, "%s: ended", s->task);
    if (!s->update == live_updates(m, &m->c.tasks[i])) FAIL(m, "%s: update", s->task);
    eyot_free(state);
    return EYOT_OK;
}

static void play_from(const live *m, const log_text *log, uint64_t from)
{
    eyot_error e = {.status = EYOT_OK};
    played p = {m, log, from};
    if (eyot_store_play(m->store, m->g, m->id, from, on_step, &p, &e)) FAIL(m, "%s", e.text);
    while (p.step < m->c.n_tasks && log->order[p.step + 1] == UINT32_MAX) p.step++;
    CHECK_INT(p.step, m->c.n_tasks);
}

/* Of the joined state what does not depend on any order. */
static void check_joined(const live *m, const log_text *log, const eyot_checkpoint *c)
{
    int64_t sum = 0;
    uint32_t n = 0;
    const eyot_value *state = eyot_checkpoint_state(c);
    for (uint64_t step = 1; step <= eyot_checkpoint_step(c); step++) {
        const model_task *t = &m->c.tasks[log->order[step]];
        n += live_updates(m, t);
        sum += t->sum != MODEL_ABSENT ? t->sum : 0;
    }
    CHECK_INT(eyot_value_int(eyot_value_at(state, "n"), 0), n);
    CHECK_INT(eyot_value_int(eyot_value_at(state, "sum"), 0), sum);
}

static void check_branches(const live *m, const eyot_checkpoint *c)
{
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++) {
        if (eyot_checkpoint_branch_waiting(c, i)) continue;
        const char *task = eyot_checkpoint_branch_task(c, i);
        char *state = eyot_json_print(eyot_checkpoint_branch_state(c, i), NULL);
        check_text(__LINE__, m, task, state, m->notes[live_index(m, task)].saw);
        eyot_free(state);
    }
}

/* False: a life that wrote only its end has passed over it. */
static bool has_step(const live *m, uint64_t step)
{
    eyot_checkpoint *c;
    eyot_status status = eyot_store_load_checkpoint(&c, m->store, m->g, m->id, step, NULL);
    eyot_checkpoint_free(c);
    if (status) CHECK(status == EYOT_ENOTFOUND && m->exits);
    return !status;
}

static void check_step(const live *m, const log_text *log, uint64_t step)
{
    eyot_checkpoint *c;
    eyot_error e = {.status = EYOT_OK};
    if (!has_step(m, step)) return;
    if (eyot_store_load_checkpoint(&c, m->store, m->g, m->id, step, &e)) FAIL(m, "%s", e.text);
    check_branches(m, c);
    if (!m->exits) check_joined(m, log, c);
    if (step == m->c.n_tasks) {
        char *state = eyot_json_print(eyot_checkpoint_state(c), NULL);
        check_text(__LINE__, m, "the last state", state, m->final);
        eyot_free(state);
    }
    eyot_checkpoint_free(c);
}

static void play_case(live *m)
{
    log_text log;
    read_log(&log, m, m->id);
    for (uint64_t step = 0; step <= m->c.n_tasks; step++) check_step(m, &log, step);
    play_from(m, &log, 0);
    for (int i = 0; i < 3; i++) {
        uint64_t from = live_choose(m, m->c.n_tasks + 1);
        if (has_step(m, from)) play_from(m, &log, from);
    }
    free_log(&log);
}
TEST(play__of_random_graphs_tells_the_states_that_their_tasks_left)
{
    for_cases(play_case);
}

/* ---- verify -------------------------------------------------------------------------------------------------------- */

typedef struct told {
    uint64_t compared, skipped;
    eyot_verdict verdict; /* of the last one */
    char task[300], pointer[100];
    eyot_error e;
} told;

static eyot_status on_task(void *arg, const eyot_verified_task *task)
{
    told *t = arg;
    t->verdict = task->verdict;
    snprintf(t->task, sizeof t->task, "%s", task->task);
    snprintf(t->pointer, sizeof t->pointer, "%s", task->pointer);
    return EYOT_OK;
}

static eyot_status verify(live *m, eyot_store *store, const char *id, uint64_t from, told *t)
{
    eyot_verify_options o = EYOT_VERIFY_OPTIONS_INIT;
    eyot_verify_result result = {.size = sizeof result};
    eyot_engine *engine = live_engine(m, store);
    memset(t, 0, sizeof *t);
    o.from = from;
    o.fn = on_task;
    o.arg = t;
    uint32_t world = atomic_load(&m->world);
    eyot_status status = eyot_run_verify(engine, m->g, id, &o, &result, &t->e);
    t->compared = result.compared;
    t->skipped = result.not_compared;
    if (atomic_load(&m->world) != world) FAIL(m, "the world outside was asked again");
    eyot_engine_free(engine);
    return status;
}

static void check_unchanged(live *m, const log_text *log, uint64_t from)
{
    told t;
    uint64_t n = 0;
    for (uint64_t step = from + 1; step <= m->c.n_tasks; step++) n += log->order[step] != UINT32_MAX;
    if (verify(m, m->store, m->id, from, &t)) FAIL(m, "from step %llu: %s", (unsigned long long)from, t.e.text);
    if (m->wrong) FAIL(m, "a task saw another state when it was verified");
    CHECK_INT(t.compared + t.skipped, n);
    if (from == 0 && !m->exits) CHECK_INT(t.skipped, 0);
}

static void verify_case(live *m)
{
    log_text log;
    read_log(&log, m, m->id);
    check_unchanged(m, &log, 0);
    for (int i = 0; i < 4; i++) {
        uint64_t from = live_choose(m, m->c.n_tasks + 1);
        if (has_step(m, from)) check_unchanged(m, &log, from);
    }
    free_log(&log);
}
TEST(verify__of_unchanged_random_graphs_finds_nothing)
{
    for_cases(verify_case);
}

static uint64_t pruned; /* entries, of all cases */

/* A kept step has the checkpoint it had, and what is left of the others is what it was. */
static void prune_case(live *m)
{
    eyot_retain rules = {.size = sizeof rules, .keep_every = 1 + live_choose(m, 30), .keep_last = live_choose(m, 3)};
    eyot_error e = {.status = EYOT_OK};
    log_text log;
    eyot_pruned gone;
    if (eyot_store_prune(m->p.behind, m->id, &rules, &gone, &e)) FAIL(m, "prune: %s", e.text);
    for (uint64_t step = 0; step <= m->c.n_tasks; step++)
        if (step % rules.keep_every == 0 || step > m->c.n_tasks - rules.keep_last) CHECK(has_step(m, step) || m->exits);
    m->exits = true; /* from now on steps are lacking */
    pruned += gone.entries;
    read_log(&log, m, m->id);
    for (uint64_t step = 0; step <= m->c.n_tasks; step++) check_step(m, &log, step);
    play_from(m, &log, 0);
    check_unchanged(m, &log, 0);
    for (uint64_t step = 0; step <= m->c.n_tasks; step += 1 + live_choose(m, 8)) {
        if (!has_step(m, step)) continue;
        play_from(m, &log, step);
        check_unchanged(m, &log, step);
    }
    free_log(&log);
}
TEST(prune__leaves_what_can_be_played_and_verified)
{
    pruned = 0;
    for_cases(prune_case);
    CHECK(pruned > 100);
}

/* ---- one change ---------------------------------------------------------------------------------------------------- */

typedef struct change {
    live *m;
    const char *task;
    bool done;
    char pointer[40]; /* where it is told, at least so far */
} change;

/* A task entry of the log, at random; SIZE_MAX: it has none. */
static size_t choose_task(live *m, const tamper *log, size_t to)
{
    size_t n = 0, chosen = SIZE_MAX;
    for (size_t i = 0; i < to; i++)
        if (log->entries[i].kind == EYOT_ENTRY_TASK && live_choose(m, (uint32_t)++n) == 0) chosen = i;
    return chosen;
}

static size_t tasks_before(const tamper *log, size_t to)
{
    size_t n = 0;
    for (size_t i = 0; i < to; i++) n += log->entries[i].kind == EYOT_ENTRY_TASK;
    return n;
}

static char *key_of(const tamper *log, size_t i)
{
    static char key[300];
    snprintf(key, sizeof key, "%.*s", (int)log->entries[i].key.n, (const char *)log->entries[i].key.p);
    return key;
}

/* Verifies the log, which is let go, and finds one difference: in this task. `before`: tasks that are the same. */
static void check_found(live *m, tamper *log, eyot_verdict verdict, const change *c, size_t before)
{
    told t;
    eyot_store *store = tamper_store(log);
    eyot_status status = verify(m, store, m->id, 0, &t);
    if (status != EYOT_EDIFFERS) FAIL(m, "%s: status %d: %s", c->task, (int)status, t.e.text);
    if (t.verdict != verdict) FAIL(m, "%s: %s, not %s", c->task, t.e.text, eyot_verdict_name(verdict));
    check_text(__LINE__, m, "the task", t.task, c->task);
    if (verdict != EYOT_MISSING_TASK) CHECK_INT(t.compared, before + 1);
    if (strncmp(t.pointer, c->pointer, strlen(c->pointer)) != 0) FAIL(m, "%s: at \"%s\"", c->task, t.pointer);
    if (m->wrong) FAIL(m, "%s: a task before it saw another state", c->task);
    eyot_store_close(store);
    tamper_free(log);
}

static void change_update(eyot__task_entry *task, void *arg)
{
    change *c = arg;
    if (!task->update) {
        task->update = eyot_json_parse("{\"n\":1}", NULL);
    } else if (live_choose(c->m, 3) == 0) {
        eyot_value_unref(task->update);
        task->update = NULL;
    } else {
        task->update = eyot_value_set(task->update, "n", eyot_value_new_int(2));
        if (eyot_json()->difference) snprintf(c->pointer, sizeof c->pointer, "/n");
    }
    c->done = true;
}

/* Another edge than those that are taken; UINT32_MAX: there is none. */
static uint32_t another_edge(const change *c, const eyot__task_entry *task)
{
    const eyot__tnode *node = &c->m->g->shape->nodes[task->who.node];
    for (uint32_t i = 0; i < node->n_out; i++) {
        bool taken = c->m->g->shape->edges[node->out[i]].sends;
        for (size_t k = 0; k < task->n_taken; k++) taken |= task->taken[k].edge == node->out[i];
        if (!taken) return node->out[i];
    }
    return UINT32_MAX;
}

static void add_taken(eyot__task_entry *task, size_t at, eyot__taken taken)
{
    task->taken = realloc(task->taken, (task->n_taken + 1) * sizeof *task->taken);
    CHECK(task->taken);
    memmove(&task->taken[at + 1], &task->taken[at], (task->n_taken - at) * sizeof *task->taken);
    task->taken[at] = taken;
    task->n_taken++;
}

static void change_item(change *c, eyot__task_entry *task, size_t at)
{
    eyot_value *item = eyot_json_parse("{\"own\":\"another\"}", NULL);
    size_t first = at;
    while (first > 0 && task->taken[first - 1].edge == task->taken[at].edge) first--;
    if (live_choose(c->m, 2)) {
        add_taken(task, at, (eyot__taken){.edge = task->taken[at].edge, .item = item});
        return;
    }
    eyot_value_unref(task->taken[at].item);
    task->taken[at].item = item;
    const eyot__tedge *edge = &c->m->g->shape->edges[task->taken[at].edge];
    snprintf(c->pointer, sizeof c->pointer, "/%s/%zu", c->m->g->nodes[edge->to].id, at - first);
}

static void drop_taken(eyot__task_entry *task, size_t at)
{
    if (task->taken[at].item) eyot_value_unref(task->taken[at].item);
    task->n_taken--;
    memmove(&task->taken[at], &task->taken[at + 1], (task->n_taken - at) * sizeof *task->taken);
}

static void change_route(eyot__task_entry *task, void *arg)
{
    change *c = arg;
    uint32_t how = live_choose(c->m, 3), other = another_edge(c, task);
    size_t at = task->n_taken ? live_choose(c->m, (uint32_t)task->n_taken) : 0;
    c->done = true;
    if (how == 0 && task->n_taken > 0)
        drop_taken(task, at);
    else if (task->n_taken > 0 && task->taken[at].item)
        change_item(c, task, at);
    else if (other == UINT32_MAX)
        c->done = false;
    else if (how == 1 && task->n_taken > 0)
        task->taken[at].edge = other;
    else
        add_taken(task, task->n_taken, (eyot__taken){.edge = other});
}

static void change_case(live *m)
{
    void (*const fns[])(eyot__task_entry *, void *) = {change_update, change_route};
    const eyot_verdict verdicts[] = {EYOT_OTHER_UPDATE, EYOT_OTHER_ROUTE};
    for (int i = 0; i < 2; i++) {
        tamper *log = tamper_read(m->store, m->g, m->id);
        size_t at = choose_task(m, log, log->n);
        change c = {.m = m};
        if (at != SIZE_MAX) {
            c.task = key_of(log, at);
            tamper_task(log, at, fns[i], &c);
        }
        if (c.done)
            check_found(m, log, verdicts[i], &c, tasks_before(log, at));
        else
            tamper_free(log);
    }
}
TEST(verify__of_random_graphs_finds_the_one_update_or_route_that_was_changed)
{
    for_cases(change_case);
}

/* Of a run that is done each task is missed; of one that still goes on those that something follows from. */
static void drop_case(live *m)
{
    if (m->exits) return; /* a snapshot that tells of more steps begins anew */
    tamper *log = tamper_read(m->store, m->g, m->id);
    size_t at = choose_task(m, log, log->n);
    change c = {.m = m, .task = key_of(log, at)};
    tamper_drop(log, at);
    check_found(m, log, EYOT_MISSING_TASK, &c, 0);
}
TEST(verify__of_random_graphs_names_the_task_that_is_missing)
{
    for_cases(drop_case);
}

static bool follows(const log_text *text, const tamper *log, uint32_t task)
{
    char key[310];
    for (size_t i = 0; i < log->n; i++) {
        snprintf(key, sizeof key, " >%s", key_of(log, i));
        const char *at = log->entries[i].key.n ? strstr(text->tasks[task], key) : NULL;
        if (at && (at[strlen(key)] == 0 || at[strlen(key)] == ' ')) return true;
    }
    return false;
}

static void drop_unfinished_case(live *m)
{
    if (m->exits) return;
    told t;
    log_text text;
    read_log(&text, m, m->id);
    tamper *log = tamper_read(m->store, m->g, m->id);
    size_t n = 2 + live_choose(m, (uint32_t)log->n - 1);
    while (log->n > n) tamper_drop(log, log->n - 1);
    log->status = EYOT_RUN_READY;
    size_t at = choose_task(m, log, log->n);
    eyot_store *store = tamper_store(log);
    if (verify(m, store, m->id, 0, &t)) FAIL(m, "cut: %s", t.e.text);
    CHECK_INT(t.compared, tasks_before(log, log->n));
    eyot_store_close(store);
    if (at != SIZE_MAX) {
        uint32_t task = live_index(m, key_of(log, at));
        tamper_drop(log, at);
        store = tamper_store(log);
        eyot_status status = verify(m, store, m->id, 0, &t);
        if (status != EYOT_EDIFFERS && (status || follows(&text, log, task)))
            FAIL(m, "%s is dropped: status %d: %s", m->c.tasks[task].key, (int)status, t.e.text);
        if (status) check_text(__LINE__, m, t.e.text, t.task, m->c.tasks[task].key);
        if (status) CHECK_INT(t.verdict, EYOT_MISSING_TASK);
        eyot_store_close(store);
    }
    free_log(&text);
    tamper_free(log);
}
TEST(verify__of_random_runs_that_go_on_misses_none_that_was_running)
{
    for_cases(drop_unfinished_case);
}

static void damage_case(live *m)
{
    told t;
    char want[80];
    tamper *log = tamper_read(m->store, m->g, m->id);
    size_t at = 1 + live_choose(m, (uint32_t)log->n - 1), n = 0;
    for (size_t i = 0; i < at; i++) n += log->entries[i].kind == EYOT_ENTRY_TASK;
    tamper_flip(log, at, live_choose(m, (uint32_t)log->entries[at].body.n * 8));
    snprintf(want, sizeof want, "run %s, entry %zu: ", m->id, at + 1);
    eyot_store *store = tamper_store(log);
    eyot_status status = verify(m, store, m->id, 0, &t);
    if (status != EYOT_ECORRUPT) FAIL(m, "entry %zu is damaged: status %d: %s", at + 1, (int)status, t.e.text);
    CHECK_HAS(t.e.text, want);
    CHECK_INT(t.compared + t.skipped, n);
    if (n > 0) CHECK(t.verdict == EYOT_SAME || t.verdict == EYOT_NOT_COMPARED);
    eyot_store_close(store);
    tamper_free(log);
}
TEST(verify__of_random_graphs_names_the_record_that_is_damaged)
{
    for_cases(damage_case);
}

/* ---- fork ---------------------------------------------------------------------------------------------------------- */

static eyot_run_options fork_options(live *m, char id[24])
{
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    static unsigned n;
    snprintf(id, 24, "fork-%u", n++);
    o.run_id = id;
    o.strategy = (eyot_strategy)live_choose(m, 3);
    o.durability = live_choose(m, 2) ? EYOT_ASYNC : EYOT_SYNC;
    return o;
}

/* The fork of `of` after `step`, to its end; its state, freed by eyot_free. */
static char *fork_and_finish(live *m, eyot_engine *engine, const char *of, uint64_t step, const eyot_fork_options *f,
                             char id[24])
{
    eyot_run_options o = fork_options(m, id);
    eyot_error e = {.status = EYOT_OK};
    eyot_run *run;
    if (eyot_run_fork(&run, engine, m->g, of, step, f, &o, NULL, &e)) FAIL(m, "fork at %d: %s", (int)step, e.text);
    return live_finish(m, engine, run);
}

/* What is in the log of the fork is what is in that of the run it comes from, and nothing from before. The order is its own:
 * `log` has it afterwards. */
static void check_fork_log(live *m, log_text *log, const char *id, uint64_t step)
{
    log_text forked;
    read_log(&forked, m, id);
    for (uint32_t i = 0; i < m->c.n_tasks; i++)
        if (log->tasks[i] && forked.tasks[i]) check_text(__LINE__, m, "an entry", forked.tasks[i], log->tasks[i]);
    for (uint64_t s = 1; s <= m->c.n_tasks; s++) {
        if ((s <= step) != (forked.order[s] == UINT32_MAX)) FAIL(m, "fork at %d: its step %d", (int)step, (int)s);
        uint32_t task = log->order[s];
        if (task != UINT32_MAX && (s <= step) != !forked.tasks[task])
            FAIL(m, "fork at %d: %s", (int)step, m->c.tasks[task].key);
        if (s > step) log->order[s] = forked.order[s];
    }
    free_log(&forked);
}

static void check_fork(live *m, eyot_engine *engine, log_text log, const char *of, uint64_t step, int depth)
{
    char id[24];
    char *final = fork_and_finish(m, engine, of, step, NULL, id);
    check_text(__LINE__, m, "the state of a fork", final, m->final);
    if (m->wrong) FAIL(m, "fork at %d: a task saw another state", (int)step);
    check_fork_log(m, &log, id, step);
    eyot_free(final);
    told t;
    if (live_choose(m, 4) == 0 && verify(m, m->store, id, 0, &t)) FAIL(m, "fork at %d: %s", (int)step, t.e.text);
    if (depth == 0 && live_choose(m, 8) == 0)
        check_fork(m, engine, log, id, step + live_choose(m, m->c.n_tasks - (uint32_t)step + 1), 1);
}

static void fork_case(live *m)
{
    log_text log;
    tamper *before = tamper_read(m->store, m->g, m->id);
    eyot_engine *engine = live_engine(m, m->store);
    read_log(&log, m, m->id);
    for (uint64_t step = 0; step <= m->c.n_tasks; step++)
        if (has_step(m, step)) check_fork(m, engine, log, m->id, step, 0);
    tamper *after = tamper_read(m->store, m->g, m->id);
    CHECK_INT(after->n, before->n);
    for (size_t i = 0; i < before->n; i++)
        CHECK(before->entries[i].body.n == after->entries[i].body.n &&
              memcmp(before->entries[i].body.p, after->entries[i].body.p, before->entries[i].body.n) == 0);
    tamper_free(before);
    tamper_free(after);
    free_log(&log);
    eyot_engine_free(engine);
}
TEST(fork__of_random_graphs_at_every_step_ends_as_they_did)
{
    for_cases(fork_case);
}

/* The key of a live task after `step`, at random; "": there is none. */
static void choose_branch(live *m, uint64_t step, char key[300])
{
    eyot_checkpoint *c;
    uint32_t n = 0;
    key[0] = 0;
    CHECK_OK(eyot_store_load_checkpoint(&c, m->store, m->g, m->id, step, NULL));
    for (size_t i = 0; i < eyot_checkpoint_branch_count(c); i++)
        if (!eyot_checkpoint_branch_waiting(c, i) && live_choose(m, ++n) == 0)
            snprintf(key, 300, "%s", eyot_checkpoint_branch_task(c, i));
    eyot_checkpoint_free(c);
}

static size_t times_in(const eyot_value *list, const eyot_value *item)
{
    size_t n = 0;
    eyot_value_iter it = eyot_value_each(list);
    while (eyot_value_next(&it)) n += eyot_value_equal(it.value, item);
    return n;
}

/* The same tasks with the same sum. A branch that has an update more is no longer contained in another one that it meets, so that their
 * updates may come in another order: what was appended may, and which one of a key is the last. */
static bool same_but_for_order(const eyot_value *a, const eyot_value *b)
{
    const eyot_value *x = eyot_value_at(a, "log"), *y = eyot_value_at(b, "log");
    bool same = eyot_value_count(a) == eyot_value_count(b) && eyot_value_count(x) == eyot_value_count(y);
    same = same && eyot_value_equal(eyot_value_at(a, "sum"), eyot_value_at(b, "sum"));
    eyot_value_iter it = eyot_value_each(a);
    while (same && eyot_value_next(&it)) same = eyot_value_at(b, it.key) != NULL;
    it = eyot_value_each(x);
    while (same && eyot_value_next(&it)) same = times_in(x, it.value) == times_in(y, it.value);
    return same;
}

/* `n` is added up, and nobody looks at it. */
static void change_fork_case(live *m)
{
    char key[300], id[24];
    uint64_t step = live_choose(m, m->c.n_tasks);
    if (!has_step(m, step)) return;
    choose_branch(m, step, key);
    CHECK(key[0]);
    eyot_fork_options f = EYOT_FORK_OPTIONS_INIT;
    f.update_take = eyot_json_parse("{\"n\":1000}", NULL);
    f.task = key;
    eyot_engine *engine = live_engine(m, m->store);
    m->mode = LIVE_IGNORES;
    char *final = fork_and_finish(m, engine, m->id, step, &f, id);
    eyot_value *state = eyot_json_parse(final, NULL);
    CHECK_INT(eyot_value_int(eyot_value_at(state, "n"), 0), m->n_updates + 1000);
    eyot_value *want = eyot_json_parse(m->final, NULL);
    state = eyot_value_remove(state, "n");
    want = eyot_value_remove(want, "n");
    if (!same_but_for_order(state, want))
        FAIL(m, "a changed fork at %d of %s ends as %.400s not %.400s", (int)step, key, final, m->final);
    told t;
    if (verify(m, m->store, id, 0, &t)) FAIL(m, "changed fork at %d: %s", (int)step, t.e.text);
    m->mode = LIVE_CHECKS;
    eyot_value_unref(state);
    eyot_value_unref(want);
    eyot_free(final);
    eyot_engine_free(engine);
}
TEST(fork__of_random_graphs_differs_by_what_was_changed_alone)
{
    for_cases(change_fork_case);
}
