/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* realpath */
#include "cli/life.h"

#include "cli/out.h"
#include "cli/progress.h"
#include "cli/signals.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool under_way;

/* A function of a module that calls exit() must not make a run look done that is not. */
static void ended_by_others(void)
{
    if (under_way) _exit(out_error(EXIT_FAILED, "something that the run called has ended the program by exit()"));
}

int life_begin(life *l, const args *a)
{
    eyot_error e;
    static char self[PATH_MAX];
    *l = (life){.a = a};
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return out_error(EXIT_FAILED, "/proc/self/exe cannot be read: %s", strerror(errno));
    loop_options options = {.self = self};
    under_way = atexit(ended_by_others) == 0;
    signals_block();
    if (loop_start(&l->loop, &options, &e) != EYOT_OK) return out_error(EXIT_FAILED, "%s", e.text);
    if (signals_listen(&e) != EYOT_OK) return out_error(EXIT_FAILED, "%s", e.text);
    return EXIT_DONE;
}

int life_open(life *l, place_mode mode)
{
    int code = place_open(&l->place, l->a, mode);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    l->jobs = (uint32_t)args_number(l->a, "jobs", l->place.conf.jobs);
    if (l->jobs == 0) l->jobs = processors > 0 ? (uint32_t)processors : 1;
    return code;
}

uint32_t life_threads(const graphfile *file, uint32_t jobs)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool calls = false;
    for (size_t i = 0; i < file->n_nodes; i++) calls = calls || file->nodes[i].kind == GF_CALL;
    if (!calls) return 2;
    return 2 + (processors > 0 && (long)jobs > processors ? (uint32_t)processors : jobs);
}

int life_choose_id(const args *a, const char *graph, char id[129])
{
    const char *given = args_text(a, "run", NULL);
    if (!given) return run_id_new(id, graph) ? EXIT_DONE : EXIT_FAILED;
    if (strcmp(given, "latest") == 0)
        return out_error(EXIT_USAGE, "--run: \"latest\" cannot be an id: it stands for the newest run");
    if (!run_id_is_good(given))
        return out_error(EXIT_USAGE, "--run: \"%s\" cannot be an id: letters, digits and . _ : - after the first",
                         given);
    strcpy(id, given); /* at most 128 characters */
    return EXIT_DONE;
}

int life_go_to(life *l, char *cwd_take)
{
    l->cwd = cwd_take ? cwd_take : realpath(".", NULL);
    return l->cwd ? EXIT_DONE : out_error(EXIT_FAILED, "this directory has no path: %s", strerror(errno));
}

int life_engine(life *l, uint32_t threads, uint32_t lease_ms)
{
    eyot_error e;
    eyot_engine_options options = EYOT_ENGINE_OPTIONS_INIT;
    options.store = l->place.store;
    options.threads = threads;
    options.lease_ms = lease_ms;
    eyot_status s = eyot_engine_new(&l->engine, &options, &e);
    if (s == EYOT_EINVAL) return out_error(EXIT_USAGE, "%s", e.text);
    return s == EYOT_OK ? EXIT_DONE : out_failed(&e);
}

int life_flow(const life *l, const graphfile *file, flow **out)
{
    eyot_error e;
    size_t at = 0, n = 0;
    const char **modules = malloc((l->a->n_given + 1) * sizeof *modules);
    if (!modules) return out_error(EXIT_FAILED, "out of memory");
    for (const char *path; (path = args_each(l->a, "nodes", &at));) modules[n++] = path;
    flow_options how = {.loop = l->loop,
                        .modules = modules,
                        .n_modules = n,
                        .observe = args_has(l->a, "verbose") ? progress_observe : NULL,
                        .store = l->silent ? NULL : l->place.store,
                        .cwd = l->cwd};
    eyot_status s = flow_make(out, file, &how, &e);
    free(modules);
    return s == EYOT_OK ? EXIT_DONE : out_error(s == EYOT_ENOMEM ? EXIT_FAILED : EXIT_USAGE, "%s", e.text);
}

int life_make_flow(life *l)
{
    return life_flow(l, l->file, &l->flow);
}

int life_make(life *l, char *cwd_take)
{
    int code = life_go_to(l, cwd_take);
    if (code == EXIT_DONE) code = life_make_flow(l);
    return code == EXIT_DONE ? life_engine(l, life_threads(l->file, l->jobs), 0) : code;
}

static uint32_t choice(const args *a, const char *name, const char *const *choices, uint32_t n)
{
    const char *text = args_text(a, name, choices[0]);
    uint32_t i = 0;
    while (i + 1 < n && strcmp(choices[i], text) != 0) i++;
    return i;
}

eyot_run_options life_options(const life *l)
{
    static const char *const strategies[] = {"adaptive", "sequential", "parallel"};
    static const char *const durabilities[] = {"sync", "async", "exit"};
    eyot_run_options o = EYOT_RUN_OPTIONS_INIT;
    o.max_parallel = l->jobs;
    o.max_steps = l->file ? l->file->max_steps : 0;
    o.strategy = (eyot_strategy)choice(l->a, "strategy", strategies, 3);
    o.durability = (eyot_durability)choice(l->a, "durability", durabilities, 3);
    return o;
}

eyot_run_options life_run_options(const life *l)
{
    eyot_run_options o = life_options(l);
    if (args_has(l->a, "no-wait")) o.flags |= EYOT_RUN_NO_WAIT;
    return o;
}

/* The first signal cancels the run, the second one ends the program. */
static bool stop_run(void *run, int n)
{
    if (n > 1) return false;
    eyot_run_cancel(run);
    out_note("stopping: waits for running tasks to end; once more to stop at once");
    return true;
}

int life_wait(life *l)
{
    eyot_error e = {0};
    signals_watch(stop_run, l->run);
    progress_start(l->run);
    eyot_status status = eyot_run_wait(l->run, &e);
    progress_stop();
    int code = life_report(l, status, &e);
    out_flush(); /* a signal may end what follows */
    return code;
}

int life_end(life *l, int code)
{
    int caught = signals_caught();
    signals_watch(NULL, NULL);
    under_way = false;
    /* The results of its last commands still complete their tasks, which look at everything below. */
    if (l->loop) loop_stop(l->loop, false);
    code = caught && code == EXIT_CANCELLED ? EXIT_SIGNAL + caught : code;
    /* A function that was given up has a thread of the engine, and nobody can take it away. The run has ended, and is stored. */
    if (flow_is_busy(l->flow)) _exit(out_end(code));
    eyot_run_free(l->run);
    eyot_engine_free(l->engine);
    flow_free(l->flow);
    place_close(&l->place);
    graphfile_free(l->file);
    free(l->cwd);
    return code;
}

/* ---- hints ------------------------------------------------------------------------------------------------------ */

/* A word as the shell takes it; cut when it is absurdly long. */
static void quote(char *to, size_t room, const char *word)
{
    if (word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")] == '\0') {
        snprintf(to, room, "%s", word);
        return;
    }
    size_t at = 0;
    to[at++] = '\'';
    for (; *word && at + 6 < room; word++) {
        if (*word == '\'')
            at += (size_t)snprintf(to + at, room - at, "'\\''");
        else
            to[at++] = *word;
    }
    to[at++] = '\'';
    to[at] = '\0';
}

const char *life_resume_hint(const life *l, const char *id)
{
    static char text[1400];
    char store[1024] = "";
    const char *option = args_text(l->a, "store", NULL);
    /* What was given may hold a password; what is shown does not. */
    if (option) quote(store, sizeof store, option[0] == '@' ? option : l->place.conf.shown);
    snprintf(text, sizeof text, "eyot resume %s%s%s", id, option ? " --store " : "", store);
    return text;
}
