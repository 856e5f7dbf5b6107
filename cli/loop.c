/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* POSIX_SPAWN_SETSID, environ */
#include "cli/loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/loop_own.h"

enum { EVENTS = 64 };

/* ---- descriptors ----------------------------------------------------------------------------------------------- */

int source_watch(loop *l, source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data = {.ptr = s}};
    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &e) == 0 ? 0 : errno;
}

void source_change(loop *l, source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data = {.ptr = s}};
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, s->fd, &e);
}

void source_close(loop *l, source *s)
{
    if (s->fd < 0) return;
    /* Closing alone would not do: a child between vfork and exec may hold the same description for a moment. */
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    close(s->fd);
    s->fd = -1;
}

int pidfd_open_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- times ----------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Most are as long as those before them, so the place is looked for from the end. */
void deadline_set(loop *l, deadline *d, uint64_t ms)
{
    uint64_t now = now_ns();
    deadline_clear(l, d);
    d->due_ns = ms < (UINT64_MAX - now) / 1000000 ? now + ms * 1000000 : UINT64_MAX;
    d->prev = l->last;
    d->next = NULL;
    while (d->prev && d->prev->due_ns > d->due_ns) {
        d->next = d->prev;
        d->prev = d->prev->prev;
    }
    *(d->prev ? &d->prev->next : &l->first) = d;
    *(d->next ? &d->next->prev : &l->last) = d;
    d->set = true;
}

void deadline_clear(loop *l, deadline *d)
{
    if (!d->set) return;
    *(d->prev ? &d->prev->next : &l->first) = d->next;
    *(d->next ? &d->next->prev : &l->last) = d->prev;
    d->set = false;
}

static int wait_ms(const loop *l)
{
    if (!l->first) return -1;
    uint64_t now = now_ns();
    if (l->first->due_ns <= now) return 0;
    uint64_t ms = (l->first->due_ns - now) / 1000000 + 1;
    return ms < 3600000 ? (int)ms : 3600000;
}

static void pass_deadlines(loop *l)
{
    deadline *d;
    uint64_t now = l->first ? now_ns() : 0;
    while ((d = l->first) && d->due_ns <= now) {
        deadline_clear(l, d);
        d->passed(d);
    }
}

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

void job_push(job_queue *q, job *j)
{
    j->then = NULL;
    *(q->last ? &q->last->then : &q->first) = j;
    q->last = j;
}

job *job_pop(job_queue *q)
{
    job *j = q->first;
    if (j && !(q->first = j->then)) q->last = NULL;
    return j;
}

void loop_wake(loop *l)
{
    uint64_t one = 1;
    if (l->woken) return;
    l->woken = true;
    ssize_t n = write(l->wake.fd, &one, sizeof one);
    assert(n == sizeof one);
    (void)n;
}

eyot_status job_begin(job *j, loop *l)
{
    j->owner = l;
    pthread_mutex_lock(&l->lock);
    bool refused = l->stopping;
    if (!refused) l->n_jobs++;
    pthread_mutex_unlock(&l->lock);
    return refused ? EYOT_ECANCELED : EYOT_OK;
}

static void ask_for_stop(job *j)
{
    j->stop_asked = true;
    j->owner->stops = true;
    loop_wake(j->owner);
}

void job_link(job *j, bool stop)
{
    loop *l = j->owner;
    j->prev = NULL;
    j->next = l->live;
    if (l->live) l->live->prev = j;
    l->live = j;
    j->linked = true;
    if (stop || l->stopping) ask_for_stop(j);
}

void job_stop(job *j)
{
    pthread_mutex_lock(&j->owner->lock);
    if (!j->stop_asked) ask_for_stop(j);
    pthread_mutex_unlock(&j->owner->lock);
}

/* With the lock held. */
static void hand_over(job *j)
{
    loop *l = j->owner;
    if (j->linked) {
        *(j->prev ? &j->prev->next : &l->live) = j->next;
        if (j->next) j->next->prev = j->prev;
        j->linked = false;
    }
    job_push(&l->finished, j);
    pthread_cond_signal(&l->finishable);
}

void job_finish(job *j)
{
    loop *l = j->owner; /* j may be gone as soon as the lock is free */
    pthread_mutex_lock(&l->lock);
    hand_over(j);
    pthread_mutex_unlock(&l->lock);
}

void job_retire(job *j)
{
    assert(!j->retired);
    j->retired = true;
    job_push(&j->owner->retired, j);
}

/* ---- the loop thread ------------------------------------------------------------------------------------------- */

static void woken(source *s, uint32_t events)
{
    uint64_t n;
    (void)events;
    while (read(s->fd, &n, sizeof n) < 0 && errno == EINTR) {}
}

/* Takes what others have left; returns the jobs to stop, a chain by `next_stop`: nobody but this thread takes them out of the
 * list, so they live until it retires them. */
static job *take(loop *l, bool *now, bool *leave)
{
    job *stops = NULL, *j;
    pthread_mutex_lock(&l->lock);
    l->woken = false;
    *now = l->now;
    *leave = l->leave;
    for (j = l->stops ? l->live : NULL; j; j = j->next) {
        if (j->stop_asked && !j->retired && (!j->stop_seen || l->now)) {
            j->next_stop = stops;
            stops = j;
        }
    }
    l->stops = false;
    while ((j = job_pop(&l->jq.inbox))) job_push(&l->jq.waiting, j);
    pthread_mutex_unlock(&l->lock);
    return stops;
}

static void hand_over_retired(loop *l)
{
    job *j;
    if (!l->retired.first) return;
    pthread_mutex_lock(&l->lock);
    while ((j = job_pop(&l->retired))) hand_over(j);
    pthread_mutex_unlock(&l->lock);
}

static void *loop_main(void *arg)
{
    loop *l = arg;
    struct epoll_event events[EVENTS];
    bool now = false, leave = false;
    while (!leave || l->jq.n_dying > 0) {
        int n = epoll_wait(l->epoll, events, EVENTS, wait_ms(l));
        for (int i = 0; i < n; i++) {
            source *s = events[i].data.ptr;
            if (s->fd >= 0) s->ready(s, events[i].events); /* closed by an earlier event of this turn? */
        }
        pass_deadlines(l);
        for (job *j = take(l, &now, &leave); j; j = j->next_stop) {
            j->stop_seen = true;
            j->stop(j, now);
        }
        if (leave) jq_end_helpers(l);
        jq_turn(l);
        hand_over_retired(l);
    }
    return NULL;
}

static void *finisher_main(void *arg)
{
    loop *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        job *j = job_pop(&l->finished);
        if (j) {
            bool stopped = j->stop_asked;
            pthread_mutex_unlock(&l->lock);
            j->finish(j, stopped);
            pthread_mutex_lock(&l->lock);
            if (--l->n_jobs == 0) pthread_cond_broadcast(&l->idle);
        } else if (l->quit) {
            break;
        } else {
            pthread_cond_wait(&l->finishable, &l->lock);
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- start and stop -------------------------------------------------------------------------------------------- */

/* Descriptors 0 to 2 are open, so that none of ours is one of them. What was closed still cannot be read or written. */
static bool fill_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) continue;
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return false;
    }
    return true;
}

static bool make_env(loop *l)
{
    size_t n = 0;
    while (environ[n]) n++;
    l->env = calloc(n + 2, sizeof *l->env);
    if (!l->env) return false;
    for (size_t i = 0; i < n; i++) {
        if (strncmp(environ[i], "EYOT_REAP=", 10) == 0) continue;
        if (!(l->env[l->n_env] = strdup(environ[i]))) return false;
        l->n_env++;
    }
    return true;
}

static bool make_attr(loop *l)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    if (posix_spawnattr_init(&l->attr) != 0) return false;
    l->has_attr = true;
    posix_spawnattr_setsigdefault(&l->attr, &all);
    posix_spawnattr_setsigmask(&l->attr, &none);
    posix_spawnattr_setflags(&l->attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return true;
}

static void raise_file_limit(loop *l)
{
    if (getrlimit(RLIMIT_NOFILE, &l->files) != 0 || l->files.rlim_cur == l->files.rlim_max) return;
    struct rlimit raised = {.rlim_cur = l->files.rlim_max, .rlim_max = l->files.rlim_max};
    l->files_raised = setrlimit(RLIMIT_NOFILE, &raised) == 0;
}

static bool set_up(loop *l, const loop_options *options)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (options) l->options = *options;
    if (l->options.helpers == 0) l->options.helpers = processors > 0 ? (unsigned)processors : 1;
    if (l->options.finishers == 0) l->options.finishers = 2;
    if (l->options.jq_timeout_ms == 0) l->options.jq_timeout_ms = 10000;
    if (l->options.jq_memory == 0) l->options.jq_memory = (uint64_t)512 << 20;
    if (l->options.jq_memory < 1 << 20) l->options.jq_memory = 1 << 20;
    if (!l->options.self) l->options.self = "/proc/self/exe";
    /* Helpers are started in another directory. */
    l->self = *l->options.self == '/' ? strdup(l->options.self) : realpath(l->options.self, NULL);
    if (!l->self || !make_env(l) || !make_attr(l)) return false;
    l->finishers = calloc(l->options.finishers, sizeof *l->finishers);
    l->chunk = malloc(LOOP_CHUNK);
    if (!l->finishers || !l->chunk) return false;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake.fd = eventfd(0, EFD_CLOEXEC);
    if (l->epoll < 0 || l->wake.fd < 0) return false;
    l->wake.ready = woken;
    errno = source_watch(l, &l->wake, EPOLLIN);
    return errno == 0;
}

/* Signals are for the threads that were there before ours. */
static int start_threads(loop *l)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&l->thread, NULL, loop_main, l);
    bool looping = error == 0;
    while (!error && l->n_finishers < l->options.finishers) {
        error = pthread_create(&l->finishers[l->n_finishers], NULL, finisher_main, l);
        if (!error) l->n_finishers++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error && !looping) l->leave = true; /* tells end_threads that there is none */
    return error;
}

static void end_threads(loop *l)
{
    pthread_mutex_lock(&l->lock);
    bool looping = !l->leave;
    l->leave = l->quit = true;
    loop_wake(l);
    pthread_cond_broadcast(&l->finishable);
    pthread_mutex_unlock(&l->lock);
    if (looping) pthread_join(l->thread, NULL);
    for (unsigned i = 0; i < l->n_finishers; i++) pthread_join(l->finishers[i], NULL);
}

static void free_loop(loop *l)
{
    reaper_dismiss(l->reaper);
    if (l->epoll >= 0) close(l->epoll);
    if (l->wake.fd >= 0) close(l->wake.fd);
    for (size_t i = 0; i < l->n_env; i++) free(l->env[i]);
    free(l->env);
    if (l->has_attr) posix_spawnattr_destroy(&l->attr);
    pthread_cond_destroy(&l->idle);
    pthread_cond_destroy(&l->finishable);
    pthread_mutex_destroy(&l->lock);
    free(l->finishers);
    free(l->chunk);
    free(l->self);
    free(l);
}

eyot_status loop_start(loop **out, const loop_options *options, eyot_error *e)
{
    int error;
    *out = NULL;
    loop *l = calloc(1, sizeof *l);
    if (!l) return eyot_error_set(e, EYOT_ENOMEM, "no memory for the loop of commands");
    l->epoll = l->wake.fd = -1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->finishable, NULL);
    pthread_cond_init(&l->idle, NULL);
    signal(SIGCHLD, SIG_DFL); /* were it ignored, children would vanish before their status is read */
    if (!fill_standard_streams()) goto failed;
    l->reaper = reaper_start(l->token);
    if (!l->reaper || !set_up(l, options)) goto failed;
    l->env[l->n_env] = l->token;
    raise_file_limit(l);
    errno = start_threads(l);
    if (errno) goto threads;
    *out = l;
    return EYOT_OK;
threads:
    error = errno;
    end_threads(l);
    errno = error;
failed:
    error = errno;
    free_loop(l);
    errno = error;
    if (errno == ENOMEM) return eyot_error_set(e, EYOT_ENOMEM, "no memory for the loop of commands");
    eyot_error_set(e, EYOT_EIO, "commands cannot be run: %s", strerror(error));
    if (e) e->os_errno = error;
    return EYOT_EIO;
}

void loop_stop(loop *l, bool now)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    l->now = now;
    for (job *j = l->live; j; j = j->next) j->stop_asked = true;
    l->stops = true;
    loop_wake(l);
    while (l->n_jobs > 0) pthread_cond_wait(&l->idle, &l->lock);
    pthread_mutex_unlock(&l->lock);
    end_threads(l);
    if (l->files_raised) setrlimit(RLIMIT_NOFILE, &l->files);
    free_loop(l);
}
