/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include "cli/input.h"
#include "cli/life.h"
#include "cli/out.h"
#include "cli/signals.h"
#include "cli/stored.h"

#include <eyot/worker.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const args_option options[] = {
    {.name = "queue",
     .repeats = true,
     .value = "NAME",
     .help = "take its runs; without it those submitted without --queue"},
    {.name = "runs", .value = "N", .most = 65536, .help = "runs at once; 0 (and without it): as many as processors"},
    {.name = "jobs", .letter = 'j', .value = "N", .most = 65535, .help = "tasks of one run at once; without it 1"},
    {.name = "poll",
     .value = "TIME",
     .duration = true,
     .help = "how often to look again when there was no run (500ms)"},
    {.name = "lease",
     .value = "TIME",
     .duration = true,
     .help = "others go on with its runs after so long without a sign of life (30s)"},
    {.name = "attempts",
     .value = "N",
     .most = 1000000,
     .help = "park a run whose process has died so often in a row (5)"},
    {.name = "until-idle", .help = "end when nothing is left to do"},
    {.name = "trust-store", .help = "runs of any graph file in the store: who can write there runs commands here"},
    {.name = "strategy", .value = "WHICH", .choices = "adaptive|sequential|parallel", .help = "how tasks are spread"},
    {.name = "durability",
     .value = "WHEN",
     .choices = "sync|async|exit",
     .help = "when steps are on disk: before the next, soon, at the end"},
    {.name = "nodes", .value = "PATH", .repeats = true, .help = "a shared object with functions for `call`"},
    {.name = NULL},
};

static const char about[] = "Any number of workers, on any number of machines, share one store. Commands run in the "
                            "directory of the worker. When a "
                            "worker dies, another one goes on with its runs. The first Ctrl-C or SIGTERM lets running "
                            "tasks end and gives the runs "
                            "back, the second one stops the tasks too.\n\n"
                            "  eyot run digest.yaml --submit --store @shared\n"
                            "  eyot work digest.yaml --store @shared --runs 8";

/* A graph that runs are made of here. */
typedef struct known {
    graphfile *file;
    flow *flow;
    struct known *next;
} known;

typedef struct crew {
    life l;
    known *all;
    eyot_worker *worker;
} crew;

/* ---- graphs ----------------------------------------------------------------------------------------------------- */

/* Takes the file. Only what can be run is known. */
static int add_known(crew *c, graphfile *file, const known **out)
{
    known *k = calloc(1, sizeof *k);
    int code = k ? life_flow(&c->l, file, &k->flow) : out_error(EXIT_FAILED, "out of memory");
    if (code != EXIT_DONE) {
        graphfile_free(file);
        free(k);
        return code;
    }
    k->file = file;
    k->next = c->all;
    c->all = k;
    if (out) *out = k;
    return EXIT_DONE;
}

static void free_known(crew *c)
{
    for (known *k = c->all, *next; k; k = next) {
        next = k->next;
        flow_free(k->flow);
        graphfile_free(k->file);
        free(k);
    }
}

static int read_files(crew *c)
{
    int code = EXIT_DONE;
    for (size_t i = 0; i < c->l.a->n_words && code == EXIT_DONE; i++) {
        graphfile *file = input_graph(c->l.a->words[i], c->l.loop, &code);
        if (code == EXIT_DONE) code = add_known(c, file, NULL);
    }
    return code;
}

/* With --trust-store: the run's graph as the store has it. Mistakes in it are said, and the run is left to others. */
static const eyot_graph *find_stored(void *arg, const char *run_id, const char *fingerprint, eyot_run_options *how,
                                     eyot_error *e)
{
    crew *c = arg;
    stored s = {0};
    run_row row = {0};
    const known *k = NULL;
    snprintf(row.id, sizeof row.id, "%s", run_id);
    int code = stored_read(&s, &c->l.place, &row);
    for (k = c->all; k; k = k->next)
        if (strcmp(eyot_graph_fingerprint(flow_graph(k->flow)), s.fingerprint) == 0) break;
    if (!k && code == EXIT_DONE && s.file) {
        graphfile *file = s.file;
        s.file = NULL;
        if (add_known(c, file, &k) != EXIT_DONE) k = NULL;
    }
    if (strcmp(s.fingerprint, fingerprint) != 0) how->flags |= EYOT_RUN_ACCEPT_CHANGES; /* it was gone on with so */
    stored_clear(&s);
    if (code != EXIT_DONE || !k) {
        eyot_error_set(e, EYOT_ENOTSUP, "the graph of run %s cannot be made here", run_id);
        return NULL;
    }
    how->max_steps = k->file->max_steps;
    return flow_graph(k->flow);
}

/* ---- telling ---------------------------------------------------------------------------------------------------- */

static void tell(void *arg, const eyot_worker_report *r)
{
    const crew *c = arg;
    switch (r->news) {
    case EYOT_WORKER_TOOK:
        if (r->attempt > 1)
            out_note("%s: taken up, attempt %u since its last step", r->run_id, r->attempt);
        else
            out_note("%s: taken up", r->run_id);
        break;
    case EYOT_WORKER_LEFT:
        if (r->error)
            out_note("%s: %s: %s", r->run_id, eyot_run_status_name(eyot_run_status_of(r->run)), r->text);
        else
            out_note("%s: done, %llu steps", r->run_id, (unsigned long long)eyot_run_steps(r->run));
        break;
    case EYOT_WORKER_PARKED: out_note("%s: parked: %s", r->run_id, r->text); break;
    case EYOT_WORKER_TROUBLE:
        if (r->run_id)
            out_note("%s: not taken up: %s", r->run_id, r->text);
        else
            out_note("%s cannot be asked for runs: %s", c->l.place.conf.shown, r->text);
        break;
    }
}

static bool stop_worker(void *worker, int n)
{
    if (n > 2) return false;
    eyot_worker_stop(worker, n > 1);
    out_note(n > 1 ? "stopping: tells running tasks to end; once more to stop at once"
                   : "stopping: waits for running tasks to end; once more to tell them to");
    return true;
}

/* ---- work ------------------------------------------------------------------------------------------------------- */

static int make_worker(crew *c)
{
    eyot_error e;
    const args *a = c->l.a;
    size_t at = 0, n = 0;
    eyot_run_options how = life_options(&c->l);
    eyot_worker_options o = EYOT_WORKER_OPTIONS_INIT;
    const char **queues = calloc(a->n_given + 1, sizeof *queues);
    if (!queues) return out_error(EXIT_FAILED, "out of memory");
    for (const char *name; (name = args_each(a, "queue", &at));) queues[n++] = name;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    o.queues = queues;
    o.n_queues = n;
    o.max_runs = (uint32_t)args_number(a, "runs", 0);
    if (!o.max_runs) o.max_runs = processors > 0 ? (uint32_t)processors : 1;
    uint64_t poll_ms = args_ms(a, "poll", 0);
    o.poll_ms = poll_ms < UINT32_MAX ? (uint32_t)poll_ms : UINT32_MAX; /* more than the library takes */
    o.max_attempts = (uint32_t)args_number(a, "attempts", 0);
    o.flags = args_has(a, "until-idle") ? EYOT_WORKER_UNTIL_IDLE : 0;
    o.run = &how;
    o.told = tell;
    o.arg = c;
    o.find = args_has(a, "trust-store") ? find_stored : NULL;
    eyot_status s = eyot_worker_new(&c->worker, c->l.engine, &o, &e);
    free(queues);
    for (const known *k = c->all; k && s == EYOT_OK; k = k->next) {
        how.max_steps = k->file->max_steps;
        s = eyot_worker_add(c->worker, flow_graph(k->flow), &how, &e);
    }
    return s == EYOT_OK ? EXIT_DONE : out_error(s == EYOT_ENOMEM ? EXIT_FAILED : EXIT_USAGE, "%s", e.text);
}

static int make_engine(crew *c)
{
    uint32_t threads = 2;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t lease_ms = args_ms(c->l.a, "lease", 0);
    if (lease_ms > UINT32_MAX) return out_error(EXIT_USAGE, "--lease: that is too long");
    for (const known *k = c->all; k; k = k->next) {
        uint32_t wants = life_threads(k->file, processors > 0 ? (uint32_t)processors : 1);
        if (wants > threads) threads = wants;
    }
    return life_engine(&c->l, threads, (uint32_t)lease_ms);
}

static int work(crew *c)
{
    eyot_error e;
    signals_watch(stop_worker, c->worker);
    out_note("works on %s (from %s)", c->l.place.conf.shown, c->l.place.conf.from);
    return eyot_worker_run(c->worker, &e) == EYOT_OK ? EXIT_DONE : out_failed(&e);
}

static int work_main(const args *a)
{
    crew c = {.all = NULL};
    int code = life_begin(&c.l, a);
    if (code == EXIT_DONE && a->n_words == 0 && !args_has(a, "trust-store"))
        code = out_error(EXIT_USAGE, "`eyot work` needs graph files, or --trust-store");
    if (code == EXIT_DONE) code = life_open(&c.l, PLACE_CREATE);
    if (code == EXIT_DONE && !args_has(a, "jobs")) c.l.jobs = 1;
    if (code == EXIT_DONE) code = life_go_to(&c.l, NULL);
    if (code == EXIT_DONE) code = read_files(&c);
    if (code == EXIT_DONE) code = make_engine(&c);
    if (code == EXIT_DONE) code = make_worker(&c);
    if (code == EXIT_DONE) code = work(&c);
    signals_watch(NULL, NULL);
    eyot_worker_free(c.worker);
    bool busy = false;
    for (const known *k = c.all; k; k = k->next) busy = busy || (k->flow && flow_is_busy(k->flow));
    if (busy) _exit(out_end(code));           /* a function that was given up is still at work */
    if (c.l.loop) loop_stop(c.l.loop, false); /* its last commands still complete their tasks */
    c.l.loop = NULL;
    eyot_engine_free(c.l.engine);
    c.l.engine = NULL;
    free_known(&c);
    return life_end(&c.l, code);
}

const verb verb_work = {.name = "work",
                        .words = "[FILE...]",
                        .min_words = 0,
                        .max_words = 1000,
                        .summary = "take up runs that were submitted, and those whose worker has died",
                        .about = about,
                        .options = options,
                        .uses_store = true,
                        .main = work_main};
