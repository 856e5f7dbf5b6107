/* SPDX-License-Identifier: MIT */
/* The test's side of a fleet: starts, signals and awaits worker processes. */
#define _XOPEN_SOURCE 700
#include "test/crash/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <eyot/stores.h>
#include <eyot/worker.h>

#include "core/store.h"
#include "test/crash/crash.h"
#include "test/eyot_test.h"

static pid_t alive[FLEET_MOST]; /* also after a test has failed and gone */

static void forget(pid_t pid)
{
    for (int i = 0; i < FLEET_MOST; i++)
        if (alive[i] == pid) alive[i] = 0;
}

static void remember(pid_t pid)
{
    int i = 0;
    while (i < FLEET_MOST && alive[i]) i++;
    if (i == FLEET_MOST) test_fail(__FILE__, __LINE__, "more than %d workers", FLEET_MOST);
    alive[i] = pid;
}

static void end_leftovers(void)
{
    for (int i = 0; i < FLEET_MOST; i++) {
        if (!alive[i]) continue;
        kill(alive[i], SIGKILL);
        crash_reap(alive[i]);
        alive[i] = 0;
    }
}

void fleet_run_id(char out[16], unsigned i)
{
    snprintf(out, 16, "r%04u", i);
}

static uint64_t calm_state(void)
{
    fleet_job calm = {.threads = 1};
    eyot_engine *engine = tally_engine(1, NULL);
    eyot_graph *g = fleet_graph(&calm);
    eyot_run *run = tally_run(engine, g, NULL);
    uint64_t hash = crash_hash(eyot_run_state(run));
    eyot_run_free(run);
    eyot_engine_free(engine);
    eyot_graph_free(g);
    return hash;
}

void fleet_open(fleet *f, const fleet_backend *b, const char *url)
{
    end_leftovers();
    memset(f, 0, sizeof *f);
    f->backend = b;
    if (url)
        snprintf(f->url, sizeof f->url, "%s", url);
    else
        fleet_url(b, f->url, sizeof f->url);
    snprintf(f->log_path, sizeof f->log_path, "%s/fleet.log", test_dir());
    f->log = open(f->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    CHECK(f->log >= 0);
    f->random = test_seed();
    f->want = calm_state();
    f->store = tally_store(f->url);
    f->engine = tally_engine(1, f->store);
    f->job = (fleet_job){.url = f->url,
                         .log = f->log_path,
                         .threads = 2,
                         .max_runs = 6,
                         .poll_ms = 50,
                         .max_attempts = 1000,
                         .task_us = 2000,
                         .signo = SIGKILL};
    f->graph = fleet_graph(&f->job);
}

void fleet_close(fleet *f)
{
    eyot_engine_free(f->engine);
    eyot_store_close(f->store);
    eyot_graph_free(f->graph);
    close(f->log);
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

void fleet_submit_as(fleet *f, const char *id)
{
    eyot_submit_options o = EYOT_SUBMIT_OPTIONS_INIT;
    eyot_error e = {.status = EYOT_OK};
    o.run_id = id;
    if (eyot_run_submit(f->engine, f->graph, tally_new(), &o, NULL, &e)) test_fail(__FILE__, __LINE__, "%s", e.text);
}

void fleet_submit(fleet *f, unsigned n)
{
    char id[16];
    for (unsigned i = 0; i < n; i++) {
        fleet_run_id(id, f->n_runs++);
        fleet_submit_as(f, id);
    }
}

static eyot_status see_status(void *arg, const eyot_run_row *row)
{
    *(uint32_t *)arg = row->status;
    return EYOT_OK;
}

bool fleet_done(fleet *f)
{
    char id[16];
    for (; f->n_done < f->n_runs; f->n_done++) {
        uint32_t status = 0;
        fleet_run_id(id, f->n_done);
        if (eyot_store_get_run(f->store, id, see_status, &status, NULL) || status != EYOT_RUN_DONE) return false;
    }
    return true;
}

/* ---- processes -------------------------------------------------------------------------------------------------- */

void fleet_start_one(fleet *f, unsigned i)
{
    f->workers[i] = (fleet_worker){.pid = fleet_spawn(&f->job)};
    remember(f->workers[i].pid);
    if (f->n_workers <= i) f->n_workers = i + 1;
}

void fleet_start(fleet *f, unsigned n)
{
    unsigned had = 0, begun = 0;
    for (unsigned i = 0; i < n; i++) had += f->workers[i].pid != 0;
    fleet_lines lines = fleet_read(f);
    unsigned before = fleet_count(&lines, 'B', NULL);
    free(lines.lines);
    for (unsigned i = 0; i < n; i++)
        if (!f->workers[i].pid) fleet_start_one(f, i);
    uint64_t until = test_now_ms() + 30000 * fleet_patience();
    while (begun < n - had) {
        if (test_now_ms() > until) test_fail(__FILE__, __LINE__, "%u of %u workers began", begun, n - had);
        tally_pause_us(3000);
        fleet_look(f);
        lines = fleet_read(f);
        begun = fleet_count(&lines, 'B', NULL) - before;
        free(lines.lines);
    }
}

static void died(fleet *f, fleet_worker *w, int signo)
{
    fleet_note(f->log, (fleet_line){.kind = 'K', .pid = w->pid, .number = signo});
    forget(w->pid);
    *w = (fleet_worker){.pid = 0};
    f->n_lost++;
}

static void fail_about(const fleet *f, const fleet_worker *w, int status)
{
    fleet_lines all = fleet_read(f);
    const char *said = "nothing";
    for (size_t i = 0; i < all.n; i++)
        if (all.lines[i].kind == 'T' && all.lines[i].pid == w->pid) said = all.lines[i].key;
    test_fail(__FILE__, __LINE__, "worker %d ended with %d: it said %s", (int)w->pid, status, said);
}

void fleet_look(fleet *f)
{
    for (unsigned i = 0; i < f->n_workers; i++) {
        fleet_worker *w = &f->workers[i];
        int status;
        if (!w->pid || waitpid(w->pid, &status, WNOHANG | WUNTRACED) <= 0) continue;
        if (WIFSTOPPED(status)) {
            if (!w->stopped) fleet_note(f->log, (fleet_line){.kind = 'Z', .pid = w->pid});
            w->stopped = true;
        } else if (WIFSIGNALED(status)) {
            died(f, w, WTERMSIG(status));
        } else {
            forget(w->pid);
            fail_about(f, w, WEXITSTATUS(status));
        }
    }
}

void fleet_signal(fleet *f, unsigned i, int signo)
{
    fleet_worker *w = &f->workers[i];
    int status;
    if (!w->pid) return;
    if (signo == SIGCONT) fleet_note(f->log, (fleet_line){.kind = 'Y', .pid = w->pid});
    kill(w->pid, signo);
    if (signo == SIGCONT) w->stopped = false;
    if (signo != SIGKILL && signo != SIGSTOP) return;
    while (waitpid(w->pid, &status, WUNTRACED) < 0) CHECK(errno == EINTR);
    if (WIFSTOPPED(status) && signo == SIGSTOP) {
        if (!w->stopped) fleet_note(f->log, (fleet_line){.kind = 'Z', .pid = w->pid});
        w->stopped = true;
    } else {
        if (WIFSTOPPED(status)) crash_reap(w->pid);
        died(f, w, SIGKILL);
    }
}

static void complain_of_waiting(const fleet *f)
{
    char id[16], text[1500] = "";
    for (unsigned i = 0; i < f->n_runs; i++) {
        fleet_run_id(id, i);
        tally_row row = tally_row_of(f->store, id);
        size_t n = strlen(text);
        if (row.status != EYOT_RUN_DONE && n + 60 < sizeof text)
            snprintf(text + n, sizeof text - n, " %s (status %u, head %llu, epoch %llu%s)", id, row.status,
                     (unsigned long long)row.head, (unsigned long long)row.epoch, row.held ? ", held" : "");
    }
    test_fail(__FILE__, __LINE__, "these runs did not end:%s", text);
}

void fleet_await(fleet *f, unsigned seconds, void (*each)(fleet *f, void *arg), void *arg)
{
    uint64_t until = test_now_ms() + 1000 * seconds * fleet_patience();
    while (!fleet_done(f)) {
        if (test_now_ms() > until) complain_of_waiting(f);
        tally_pause_us(5000);
        fleet_look(f);
        if (each) each(f, arg);
    }
}

void fleet_dismiss(fleet *f)
{
    for (unsigned i = 0; i < f->n_workers; i++) fleet_signal(f, i, SIGTERM);
    for (unsigned i = 0; i < f->n_workers; i++) {
        fleet_worker *w = &f->workers[i];
        if (!w->pid) continue;
        int code = crash_reap(w->pid);
        forget(w->pid);
        if (code != CRASH_DONE && code < 1000) fail_about(f, w, code);
        if (code > 1000) died(f, w, code - 1000);
        w->pid = 0;
    }
}

void fleet_kill_all(fleet *f)
{
    for (unsigned i = 0; i < f->n_workers; i++)
        if (f->workers[i].pid) kill(f->workers[i].pid, SIGKILL);
    for (unsigned i = 0; i < f->n_workers; i++) fleet_signal(f, i, SIGKILL);
}
