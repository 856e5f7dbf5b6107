/* SPDX-License-Identifier: MIT */
/* The connections of a MySQL store, and trying again. A slot's work is done with one connection; when it fails by the
 * server's or the network's fault, it is done again, on another connection if need be, until its time is over. */
#include "stores/mysql.h"

#include "core/clock.h"
#include "core/random.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <errmsg.h>

#define OPEN_NS 1000000000u
#define IDLE_NS 1000000000u /* from when on a connection is looked at before it is used */

/* ---- signals ---------------------------------------------------------------------------------------------------- */

/* While we write, a SIGPIPE of this thread is ours: with TLS the library may raise one. */
typedef struct quiet {
    sigset_t before;
    bool was_pending;
} quiet;

static void begin_quiet(quiet *q)
{
    sigset_t pipe, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    q->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe, &q->before);
}

static void end_quiet(const quiet *q)
{
    sigset_t pipe, pending;
    struct timespec none = {0, 0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    if (!q->was_pending && sigismember(&pending, SIGPIPE) == 1)
        while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR) {}
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}

/* ---- the pool --------------------------------------------------------------------------------------------------- */

/* A free connection that needs the least to be done, or room for a new one; NULL: all are taken. Under the lock. */
static eyot__my_connection *find_free(const eyot__mysql *s, bool writing)
{
    eyot__my_connection *best = NULL;
    int best_score = -1;
    for (size_t i = 0; i < s->set.pool; i++) {
        eyot__my_connection *c = s->connections[i];
        if (c->taken) continue;
        int score = !c->db ? 0 : c->generation != s->generation ? 1 : c->writing != writing ? 2 : 3;
        /* Room for a new one rather than turning another one round. */
        if (score == 0) score = 2;
        if (score > best_score || (score == best_score && c->db && !best->db)) {
            best = c;
            best_score = score;
        }
    }
    return best;
}

static void deadline_to_timespec(uint64_t ns, struct timespec *out)
{
    out->tv_sec = (time_t)(ns / 1000000000u);
    out->tv_nsec = (long)(ns % 1000000000u);
}

static eyot_status take(eyot__mysql *s, bool writing, uint64_t deadline_ns, eyot__my_connection **out, bool *old,
                        eyot_error *e)
{
    struct timespec until;
    eyot__my_connection *c;
    int waited = 0;
    deadline_to_timespec(deadline_ns, &until);
    pthread_mutex_lock(&s->lock);
    while (!(c = find_free(s, writing)) && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&s->given, &s->lock, &until);
    if (c) c->taken = true;
    *old = c && c->db && c->generation != s->generation;
    if (c) c->generation = s->generation;
    pthread_mutex_unlock(&s->lock);
    *out = c;
    if (c) return EYOT_OK;
    return eyot_error_set(e, EYOT_EIO, "%s: all %" PRIu64 " connections are in use; pool= allows for more", s->shown,
                          s->set.pool);
}

/* Lost: what else is open was opened before, and may be as dead. */
static void give(eyot__mysql *s, eyot__my_connection *c, bool lost)
{
    c->used_ns = eyot__now_ns();
    pthread_mutex_lock(&s->lock);
    if (lost && c->generation == s->generation) s->generation++;
    c->taken = false;
    pthread_cond_signal(&s->given);
    pthread_mutex_unlock(&s->lock);
}

/* ---- trying again ----------------------------------------------------------------------------------------------- */

/* Connected, and in the right mode. */
static eyot_status make_ready(eyot__my_connection *c, bool writing, bool old, eyot_error *e)
{
    bool idle = c->db && eyot__now_ns() - c->used_ns > IDLE_NS;
    if (c->db && (old || idle) && eyot__my_is_stale(c)) {
        c->trouble = EYOT__TROUBLE_LOST;
        eyot__my_disconnect(c);
    }
    eyot_status r = c->db ? EYOT_OK : eyot__my_connect(c, e);
    if (r || c->writing == writing) return r;
    r = eyot__my_text(c, writing ? "SET SESSION autocommit = 0" : "SET SESSION autocommit = 1", e);
    if (!r) c->writing = writing;
    return r;
}

static eyot_status attempt(eyot__my_connection *c, bool writing, bool old, eyot__my_fn fn, void *arg, eyot_error *e)
{
    eyot_error ignored;
    eyot_status r = make_ready(c, writing, old, e);
    if (r) return r;
    c->trouble = EYOT__TROUBLE_NONE;
    r = fn(c, arg, e);
    eyot__my_trouble trouble = c->trouble;
    eyot__my_end(c);
    if (r && writing && trouble != EYOT__TROUBLE_LOST && eyot__my_text(c, "ROLLBACK", &ignored))
        trouble = EYOT__TROUBLE_LOST;
    c->trouble = trouble;
    return r;
}

/* 5 ms, 10, 20 … 640, each by half up or down, never beyond the deadline. */
static void back_off(unsigned tries, uint64_t deadline_ns)
{
    uint32_t random = 0;
    eyot__random_bytes(&random, sizeof random);
    uint64_t base = (uint64_t)5000000 << (tries < 7 ? tries : 7), ns = base / 2 + base * (random % 1024) / 1024;
    uint64_t now = eyot__now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
    struct timespec t;
    deadline_to_timespec(ns < left ? ns : left, &t);
    nanosleep(&t, NULL);
}

static eyot_status check_fork(const eyot__mysql *s, eyot_error *e)
{
    if (s->pid == getpid()) return EYOT_OK;
    return eyot_error_set(e, EYOT_EFORKED, "%s was opened before this process was forked: open it again", s->shown);
}

/* While a store is opened: nobody is there, or has that name. A mistake is told soon, a server that starts has a second. */
static bool is_nowhere(const eyot__mysql *s, const eyot__my_connection *c, uint64_t begun_ns)
{
    bool nobody = c->error == CR_CONNECTION_ERROR || c->error == CR_CONN_HOST_ERROR || c->error == CR_UNKNOWN_HOST;
    return !s->opened && nobody && eyot__now_ns() - begun_ns > OPEN_NS;
}

eyot_status eyot__my_do_within(eyot__mysql *s, uint64_t ms, bool writing, eyot__my_fn fn, void *arg, eyot_error *e)
{
    quiet q;
    bool unsure = false, old;
    uint64_t begun = eyot__now_ns(), deadline = begun + ms * 1000000;
    eyot_status r = check_fork(s, e);
    if (r) return r;
    begin_quiet(&q);
    for (unsigned tries = 0;; tries++) {
        eyot__my_connection *c;
        r = take(s, writing, deadline, &c, &old, e);
        if (r) break;
        bool fresh = !c->db;
        c->deadline_ns = deadline;
        c->unsure = unsure;
        r = attempt(c, writing, old, fn, arg, e);
        eyot__my_trouble trouble = r ? c->trouble : EYOT__TROUBLE_NONE;
        bool nowhere = r && is_nowhere(s, c, begun);
        if (trouble == EYOT__TROUBLE_LOST) {
            unsure = true;
            eyot__my_disconnect(c);
        }
        give(s, c, trouble == EYOT__TROUBLE_LOST);
        if (trouble == EYOT__TROUBLE_NONE || nowhere || eyot__now_ns() >= deadline) break;
        /* A connection that died while nobody looked is no reason to wait. */
        if (tries > 0 || fresh || trouble == EYOT__TROUBLE_AGAIN) back_off(tries, deadline);
        if (eyot__now_ns() >= deadline) break;
    }
    end_quiet(&q);
    return r;
}

eyot_status eyot__my_do(eyot__mysql *s, bool writing, eyot__my_fn fn, void *arg, eyot_error *e)
{
    uint64_t ms = s->set.retry_ms > s->set.timeout_ms ? s->set.retry_ms : s->set.timeout_ms;
    return eyot__my_do_within(s, ms, writing, fn, arg, e);
}
