/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2, memfd_create, addchdir_np, prlimit */
#include "cli/command.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/loop_own.h"

enum { PIPE_BYTES = 1 << 20, FIRST_CAP = 1024 }; /* what a pipe may hold; what is kept of most outputs */

typedef struct text {
    char *p;
    size_t len, cap; /* without the final NUL */
} text;

struct command {
    job job;
    source out, err, exit;
    deadline grace;
    pid_t pid;
    text out_text, err_text;
    bool err_cut, ended; /* ended: `end` is known before its exit */
    uint64_t grace_ms, max_output;
    command_done_fn done;
    void *arg;
    command_end end;
    int code;
    int unwatched; /* why its exit cannot be watched; 0: it is */
    char what[320];
};

/* ---- what it writes; the loop thread --------------------------------------------------------------------------- */

/* The callers see to it that it fits into `most` bytes. */
static bool text_add(text *t, const char *bytes, size_t n, size_t most)
{
    size_t cap = t->cap > 0 ? t->cap : FIRST_CAP;
    while (cap < t->len + n) cap *= 4;
    if (cap > most) cap = most;
    if (cap > t->cap) {
        char *p = realloc(t->p, cap + 1);
        if (!p) return false;
        t->p = p;
        t->cap = cap;
    }
    assert(n <= t->cap - t->len);
    memcpy(t->p + t->len, bytes, n);
    t->len += n;
    return true;
}

/* Its end is decided; the rest of it goes as soon as it can. */
static void put_down(command *c, command_end end, int code, const char *what)
{
    if (!c->ended) {
        c->end = end;
        c->code = code;
        snprintf(c->what, sizeof c->what, "%s", what);
    }
    c->ended = true;
    kill(-c->pid, SIGKILL);
}

static void keep_out(command *c, const char *bytes, size_t n)
{
    if (c->ended) return;
    if (n > c->max_output - c->out_text.len) {
        put_down(c, COMMAND_TOO_MUCH, 0, "");
    } else if (!text_add(&c->out_text, bytes, n, c->max_output)) {
        put_down(c, COMMAND_GIVEN_UP, ENOMEM, "keep its output");
    }
}

/* Twice as much as is kept has room, so that few bytes are moved. */
static void keep_err(command *c, const char *bytes, size_t n)
{
    text *t = &c->err_text;
    if (t->len + n > 2 * COMMAND_ERR_KEPT && t->len > COMMAND_ERR_KEPT) {
        memmove(t->p, t->p + t->len - COMMAND_ERR_KEPT, COMMAND_ERR_KEPT);
        t->len = COMMAND_ERR_KEPT;
        c->err_cut = true;
    }
    if (!text_add(t, bytes, n, 2 * COMMAND_ERR_KEPT)) put_down(c, COMMAND_GIVEN_UP, ENOMEM, "keep its errors");
}

/* Returns how many bytes there were; 0: none now, or no more ever, and then the source is closed. */
static size_t read_some(command *c, source *s)
{
    loop *l = c->job.owner;
    ssize_t n = read(s->fd, l->chunk, LOOP_CHUNK);
    if (n > 0) {
        (s == &c->out ? keep_out : keep_err)(c, l->chunk, (size_t)n);
        return (size_t)n;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) source_close(l, s);
    return 0;
}

static void readable(source *s, uint32_t events)
{
    (void)events;
    read_some(s->owner, s);
}

/* What is in the pipe, and no more: a process that has left the group may hold it and write for ever. */
static void drain(command *c, source *s)
{
    for (size_t n = LOOP_CHUNK, sum = 0; s->fd >= 0 && n == LOOP_CHUNK && sum < PIPE_BYTES; sum += n) {
        n = read_some(c, s);
    }
    source_close(c->job.owner, s);
}

/* ---- its end; the loop thread ---------------------------------------------------------------------------------- */

/* It has exited, or will in a moment. It is still a zombie when its group is killed and leaves the reaper, so the number
 * of the group is nobody else's. */
static void end_command(command *c)
{
    loop *l = c->job.owner;
    siginfo_t info = {0};
    kill(-c->pid, SIGKILL);
    reaper_remove(l->reaper, c->pid);
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) != 0 && errno == EINTR) {}
    drain(c, &c->out);
    drain(c, &c->err);
    source_close(l, &c->exit);
    deadline_clear(l, &c->grace);
    if (!c->ended) {
        c->end = info.si_code == CLD_EXITED ? COMMAND_EXITED : COMMAND_SIGNALLED;
        c->code = info.si_status;
    }
    job_retire(&c->job);
}

static void exited(source *s, uint32_t events)
{
    (void)events;
    end_command(s->owner);
}

static void grace_passed(deadline *d)
{
    command *c = d->owner;
    kill(-c->pid, SIGKILL);
}

static void stop(job *j, bool now)
{
    command *c = (command *)j;
    if (c->unwatched) { /* nobody would tell us of its exit */
        put_down(c, COMMAND_GIVEN_UP, c->unwatched, "watch it");
        end_command(c);
    } else if (now || c->grace_ms == 0) {
        kill(-c->pid, SIGKILL);
    } else if (!c->grace.set) {
        kill(-c->pid, SIGTERM);
        deadline_set(c->job.owner, &c->grace, c->grace_ms);
    }
}

/* ---- its result; a finisher ------------------------------------------------------------------------------------ */

static void finish(job *j, bool stopped)
{
    command *c = (command *)j;
    text *err = &c->err_text;
    size_t kept = err->len < COMMAND_ERR_KEPT ? err->len : COMMAND_ERR_KEPT;
    bool no_errno = c->end != COMMAND_NOT_STARTED && c->end != COMMAND_GIVEN_UP;
    command_result r = {.end = c->end, .code = c->code, .what = no_errno ? NULL : c->what};
    if (stopped && no_errno) r = (command_result){.end = COMMAND_STOPPED};
    if (err->p) err->p[err->len] = 0;
    if (c->out_text.p) c->out_text.p[c->out_text.len] = 0;
    r.out = c->out_text.p ? c->out_text.p : "";
    r.out_len = c->out_text.len;
    r.err = err->p ? err->p + err->len - kept : "";
    r.err_len = kept;
    r.err_cut = c->err_cut || kept < err->len;
    c->done(c->arg, &r);
    free(c->out_text.p);
    free(err->p);
    free(c);
}

/* ---- its start; any thread ------------------------------------------------------------------------------------- */

/* Ours, with its own put in the place of equal names or at the end. Only the array is new. */
static char **make_env(const loop *l, const char *const *own)
{
    size_t n_own = 0, n = l->n_env;
    while (own && own[n_own]) n_own++;
    char **env = malloc((n + n_own + 2) * sizeof *env);
    if (!env) return NULL;
    memcpy(env, l->env, n * sizeof *env);
    for (size_t i = 0, k; i < n_own; i++) {
        size_t name = strcspn(own[i], "=") + 1;
        for (k = 0; k < n && strncmp(env[k], own[i], name) != 0; k++) {}
        env[k] = (char *)own[i];
        if (k == n) n++;
    }
    env[n] = (char *)l->token; /* last: a second one of this name is nobody's business but its own */
    env[n + 1] = NULL;
    return env;
}

/* 0: there is a program at `path`, seen from `cwd`. */
static int try_program(const char *path, const char *cwd)
{
    char full[PATH_MAX];
    struct stat st;
    bool relative = cwd && *path != '/';
    if (snprintf(full, sizeof full, "%s%s%s", relative ? cwd : "", relative ? "/" : "", path) >= PATH_MAX)
        return ENAMETOOLONG;
    if (stat(full, &st) != 0) return errno;
    if (!S_ISREG(st.st_mode)) return EACCES;
    return faccessat(AT_FDCWD, full, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* posix_spawnp would take our PATH, not the command's. */
static int find_program(const char *name, char **env, const char *cwd, char path[PATH_MAX])
{
    const char *dirs = "/usr/local/bin:/usr/bin:/bin", *end;
    int error = ENOENT;
    if (strchr(name, '/')) return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX ? 0 : ENAMETOOLONG;
    for (; *env; env++) {
        if (strncmp(*env, "PATH=", 5) == 0) dirs = *env + 5;
    }
    for (;; dirs = end + 1) {
        end = strchrnul(dirs, ':');
        int len = snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - dirs), end == dirs ? "." : dirs, name);
        if (end == dirs) len = snprintf(path, PATH_MAX, "./%s", name);
        int error_here = len < PATH_MAX ? try_program(path, cwd) : ENAMETOOLONG;
        if (error_here == 0) return 0;
        if (error_here == EACCES) error = EACCES; /* there is one, but not for us: worth telling */
        if (!*end) return error;
    }
}

/* A file with the input: there is nothing to write into while it runs, and what it does not read costs nothing. */
static int make_input(const void *input, size_t len)
{
    int fd = memfd_create("eyot-input", MFD_CLOEXEC);
    const char *p = input;
    for (size_t at = 0; fd >= 0 && at < len;) {
        ssize_t n = pwrite(fd, p + at, len - at, (off_t)at);
        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            int error = n == 0 ? ENOSPC : errno;
            close(fd);
            fd = -1;
            errno = error;
        }
    }
    return fd;
}

/* Only our end does not block. */
static int make_pipe(source *ours, int *theirs)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return errno;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    ours->fd = fds[0];
    *theirs = fds[1];
    return 0;
}

static int spawn(command *c, const command_spec *spec, const char *path, char **env, const int fds[3])
{
    loop *l = c->job.owner;
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error) return error;
    for (int i = 0; i < 3 && !error; i++) error = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    if (spec->cwd && !error) error = posix_spawn_file_actions_addchdir_np(&actions, spec->cwd);
    if (!error) error = posix_spawn(&c->pid, path, &actions, &l->attr, (char *const *)(uintptr_t)spec->argv, env);
    posix_spawn_file_actions_destroy(&actions);
    if (!error) reaper_add(l->reaper, c->pid);
    if (!error && l->files_raised) prlimit(c->pid, RLIMIT_NOFILE, &l->files, NULL);
    return error;
}

static int try_directory(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return errno;
    if (!S_ISDIR(st.st_mode)) return ENOTDIR;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0) close(fds[i]);
        fds[i] = -1;
    }
}

static int failed(command *c, int error, const char *verb, const char *name, const char *where)
{
    if (error) snprintf(c->what, sizeof c->what, "%s %.250s%s", verb, name, where);
    return error;
}

/* 0, or an errno with c->what. */
static int launch(command *c, const command_spec *spec)
{
    char path[PATH_MAX];
    int fds[3] = {-1, -1, -1};
    const char *name = spec->argv[0];
    char **env = make_env(c->job.owner, spec->env);
    int error = failed(c, env ? 0 : ENOMEM, "find memory for", name, "");
    if (!error && spec->cwd) error = failed(c, try_directory(spec->cwd), "enter", spec->cwd, "");
    if (!error) error = failed(c, find_program(name, env, spec->cwd, path), "find", name, " in PATH");
    if (!error) {
        fds[0] = make_input(spec->input, spec->input_len);
        error = failed(c, fds[0] < 0 ? errno : 0, "make the input of", name, "");
    }
    if (!error) error = failed(c, make_pipe(&c->out, &fds[1]), "make a pipe to", name, "");
    if (!error) error = failed(c, make_pipe(&c->err, &fds[2]), "make a pipe to", name, "");
    if (!error) error = failed(c, spawn(c, spec, path, env, fds), "run", name, "");
    close_all(fds, 3);
    free(env);
    if (error) {
        close_all(&c->out.fd, 1);
        close_all(&c->err.fd, 1);
    }
    return error;
}

/* The exit is watched and the command linked under one lock: until then the loop thread cannot hand it over, which it may
 * do at once afterwards. */
static void let_go(command *c)
{
    loop *l = c->job.owner;
    c->exit.fd = pidfd_open_of(c->pid);
    int error = c->exit.fd < 0 ? errno : source_watch(l, &c->out, EPOLLIN);
    if (!error) error = source_watch(l, &c->err, EPOLLIN);
    pthread_mutex_lock(&l->lock);
    if (!error) error = source_watch(l, &c->exit, EPOLLIN);
    c->unwatched = error;
    job_link(&c->job, error != 0);
    pthread_mutex_unlock(&l->lock);
}

eyot_status command_start(command **out, loop *l, const command_spec *spec, command_done_fn done, void *arg)
{
    *out = NULL;
    command *c = calloc(1, sizeof *c);
    if (!c) return EYOT_ENOMEM;
    *c = (command){.job = {.stop = stop, .finish = finish},
                   .out = {-1, readable, c},
                   .err = {-1, readable, c},
                   .exit = {-1, exited, c},
                   .grace = {.passed = grace_passed, .owner = c},
                   .grace_ms = spec->grace_ms,
                   .max_output = spec->max_output,
                   .done = done,
                   .arg = arg};
    eyot_status status = job_begin(&c->job, l);
    if (status) {
        free(c);
        return status;
    }
    *out = c; /* before `done` can be called */
    int error = launch(c, spec);
    if (error) {
        c->end = COMMAND_NOT_STARTED;
        c->code = error;
        job_finish(&c->job);
    } else {
        let_go(c);
    }
    return EYOT_OK;
}

void command_stop(command *c)
{
    job_stop(&c->job);
}
