/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* addchdir_np, addclosefrom_np */
#include "cli/jq.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/jq_wire.h"
#include "cli/loop_own.h"

enum { FAILURE = 512, MAX_REPLY = 1 << 30 };

typedef struct reply {
    char *bytes; /* an eyot_jq_reply, then the text, then NUL */
    size_t len;
} reply;

struct jq_call {
    job job;
    helper *helper; /* that computes it */
    uint32_t kind;
    const char **programs;
    char *input;
    size_t n, input_len;
    uint64_t timeout_ms;
    reply *replies;
    size_t n_replies;
    eyot_status status;
    char failure[FAILURE]; /* with status */
    jq_done_fn done;
    void *arg;
};

struct helper {
    helper *prev, *next;
    loop *owner;
    pid_t pid;
    source socket, exit;
    deadline timeout;
    jq_call *call;
    const char **known; /* programs it has; by number */
    size_t n_known, cap_known;
    char *head; /* of the request: all but the input */
    size_t head_len, sent;
    unsigned char len[4]; /* of the reply being received */
    size_t received;      /* of the length, then of the reply */
    bool served;          /* a call has ended well */
    reply reply;
};

/* ---- results; a finisher ---------------------------------------------------------------------------------------- */

static void free_call(jq_call *c)
{
    for (size_t i = 0; i < c->n_replies; i++) free(c->replies[i].bytes);
    free(c->replies);
    free(c->programs);
    free(c->input);
    free(c);
}

/* *text, if not NULL, is the caller's to free. */
static jq_result result_of(const reply *r, char **text)
{
    eyot_error e;
    jq_result result = {NULL, NULL};
    if ((r->bytes[0] & ~JQ_REPLY_LAST) == JQ_REPLY_VALUE) {
        result.value = eyot_json_parse_len(r->bytes + 1, r->len - 1, &e);
        if (!result.value) result.error = *text = strdup(e.text);
        if (!result.value && !*text) result.error = "no memory for the result";
    } else {
        result.error = r->bytes + 1;
    }
    return result;
}

static void finish(job *j, bool stopped)
{
    jq_call *c = (jq_call *)j;
    jq_result *results = NULL;
    char **texts = NULL;
    if (stopped) {
        c->status = EYOT_ECANCELED;
        snprintf(c->failure, FAILURE, "the expression was stopped");
    }
    if (!c->status) {
        results = calloc(c->n + 1, sizeof *results);
        texts = calloc(c->n + 1, sizeof *texts);
        if (!results || !texts) {
            c->status = EYOT_ENOMEM;
            snprintf(c->failure, FAILURE, "no memory for the results of an expression");
        }
    }
    for (size_t i = 0; !c->status && i < c->n; i++) results[i] = result_of(&c->replies[i], &texts[i]);
    bool good = c->status == EYOT_OK;
    c->done(c->arg, good ? results : NULL, good ? c->n : 0, c->status, good ? NULL : c->failure);
    for (size_t i = 0; good && i < c->n; i++) {
        eyot_value_unref(results[i].value);
        free(texts[i]);
    }
    free(results);
    free(texts);
    free_call(c);
}

/* ---- the end of a call; the loop thread -------------------------------------------------------------------------- */

static void fail(jq_call *c, eyot_status status, const char *fmt, ...) EYOT_PRINTF(3, 4);
static void fail(jq_call *c, eyot_status status, const char *fmt, ...)
{
    va_list args;
    size_t len = 0;
    if (c->n > 1 && c->n_replies < c->n) { /* one of several: which one? */
        const char *program = c->programs[c->n_replies];
        size_t shown = strnlen(program, 100);
        while (shown > 0 && (program[shown] & 0xc0) == 0x80) shown--;
        len = (size_t)snprintf(c->failure, FAILURE, "%.*s: ", (int)shown, program);
    }
    va_start(args, fmt);
    vsnprintf(c->failure + len, FAILURE - len, fmt, args);
    va_end(args);
    for (char *p = c->failure; *p; p++) {
        if ((unsigned char)*p < ' ') *p = ' ';
    }
    c->status = status;
}

/* It has no call, or its call has ended. */
static void free_helper(helper *h)
{
    free(h->reply.bytes);
    free(h->head);
    free(h->known);
    free(h);
}

static void exited(source *s, uint32_t events)
{
    helper *h = s->owner;
    jq_pool *pool = &h->owner->jq;
    (void)events;
    reaper_remove(h->owner->reaper, h->pid);
    while (waitid(P_PID, (id_t)h->pid, &(siginfo_t){0}, WEXITED) != 0 && errno == EINTR) {}
    source_close(h->owner, &h->exit);
    h->next = pool->dead;
    pool->dead = h;
    pool->n_dying--;
}

/* Kills it: it is no longer in the pool, and freed once it has exited. Its call, if any, is left to the caller. */
static jq_call *condemn(helper *h)
{
    loop *l = h->owner;
    jq_call *c = h->call;
    h->call = NULL;
    if (c) c->helper = NULL;
    deadline_clear(l, &h->timeout);
    source_close(l, &h->socket);
    kill(-h->pid, SIGKILL);
    *(h->prev ? &h->prev->next : &l->jq.helpers) = h->next;
    if (h->next) h->next->prev = h->prev;
    l->jq.n--;
    l->jq.n_dying++;
    h->exit.ready = exited;
    source_change(l, &h->exit, EPOLLIN);
    return c;
}

static void helper_lost(helper *h)
{
    uint64_t mib = h->owner->options.jq_memory >> 20;
    jq_call *c = condemn(h);
    if (!c) return;
    if (h->served && h->sent == 0) { /* gone before it heard of this call, which somebody else may do */
        jq_pool *pool = &h->owner->jq;
        c->job.then = pool->waiting.first;
        pool->waiting.first = &c->job;
        if (!pool->waiting.last) pool->waiting.last = &c->job;
        return;
    }
    fail(c, EYOT_EFAILED,
         "the expression ended its helper: it may want more than %" PRIu64 " MiB, or uses what libjq cannot do", mib);
    job_retire(&c->job);
}

static void timed_out(deadline *d)
{
    jq_call *c = condemn(d->owner);
    assert(c);
    if (c->timeout_ms % 1000 == 0)
        fail(c, EYOT_ETIMEDOUT, "the expression did not end within %" PRIu64 " s", c->timeout_ms / 1000);
    else
        fail(c, EYOT_ETIMEDOUT, "the expression did not end within %" PRIu64 " ms", c->timeout_ms);
    job_retire(&c->job);
}

static void no_memory(helper *h)
{
    jq_call *c = condemn(h);
    fail(c, EYOT_ENOMEM, "no memory for an expression");
    job_retire(&c->job);
}

static void stop(job *j, bool now)
{
    jq_call *c = (jq_call *)j;
    (void)now;
    if (c->helper) {
        condemn(c->helper);
    } else {
        job_queue *q = &j->owner->jq.waiting, others = {NULL, NULL};
        for (job *w; (w = job_pop(q));) {
            if (w != j) job_push(&others, w);
        }
        *q = others;
    }
    job_retire(j);
}

/* ---- replies; the loop thread ------------------------------------------------------------------------------------ */

/* A whole reply is there. False: the helper is gone. */
static bool take_reply(helper *h)
{
    jq_call *c = h->call;
    reply *r = &c->replies[c->n_replies++];
    *r = h->reply;
    h->reply = (reply){NULL, 0};
    h->received = 0;
    r->bytes[r->len] = 0;
    if (c->n_replies < c->n) return true;
    bool last = r->bytes[0] & JQ_REPLY_LAST || h->head; /* answered before it was asked: it is mad */
    deadline_clear(h->owner, &h->timeout);
    h->call = NULL;
    h->served = true;
    c->helper = NULL;
    job_retire(&c->job);
    if (last) condemn(h);
    return !last;
}

/* Of one reply or several. False: the helper is gone. */
static bool take_bytes(helper *h, const char *p, size_t n)
{
    while (n > 0) {
        if (!h->call) {
            helper_lost(h); /* it speaks without having been asked */
            return false;
        }
        bool in_len = !h->reply.bytes;
        size_t all = in_len ? sizeof h->len : h->reply.len, part = all - h->received;
        if (part > n) part = n;
        memcpy((in_len ? (char *)h->len : h->reply.bytes) + h->received, p, part);
        h->received += part;
        p += part;
        n -= part;
        if (h->received < all) continue;
        if (!in_len) {
            if (!take_reply(h)) return false;
            continue;
        }
        uint32_t len;
        memcpy(&len, h->len, sizeof len);
        h->received = 0;
        if (len == 0 || len > MAX_REPLY) {
            helper_lost(h);
            return false;
        }
        h->reply = (reply){malloc((size_t)len + 1), len};
        if (!h->reply.bytes) {
            no_memory(h);
            return false;
        }
    }
    return true;
}

/* What is left of the request, as much as the socket takes. False: the helper is gone. */
static bool send_request(helper *h)
{
    jq_call *c = h->call;
    size_t all = h->head_len + c->input_len;
    while (h->sent < all) {
        size_t head = h->sent < h->head_len ? h->head_len - h->sent : 0, of_input = h->sent + head - h->head_len;
        struct iovec parts[2] = {{h->head + h->head_len - head, head}, {c->input + of_input, c->input_len - of_input}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = c->input_len ? 2 : 1};
        ssize_t n = sendmsg(h->socket.fd, &message, MSG_NOSIGNAL);
        if (n >= 0) {
            h->sent += (size_t)n;
        } else if (errno == EAGAIN) {
            source_change(h->owner, &h->socket, EPOLLIN | EPOLLOUT);
            return true;
        } else if (errno != EINTR) {
            helper_lost(h);
            return false;
        }
    }
    free(h->head);
    h->head = NULL;
    return true;
}

static void talk(source *s, uint32_t events)
{
    helper *h = s->owner;
    loop *l = h->owner;
    if (events & EPOLLOUT) {
        if (h->head && !send_request(h)) return;
        if (!h->head) source_change(l, s, EPOLLIN);
    }
    if (!(events & ~(uint32_t)EPOLLOUT)) return;
    ssize_t n = recv(s->fd, l->chunk, LOOP_CHUNK, 0);
    if (n > 0)
        take_bytes(h, l->chunk, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        helper_lost(h);
}

/* ---- helpers; the loop thread -------------------------------------------------------------------------------------- */

/* It has no environment but what it may need to be loaded, nothing of ours open, and no session of ours. */
static int spawn_helper(helper *h, int theirs)
{
    loop *l = h->owner;
    char name[] = "eyot", arg[] = JQ_HELPER_ARG, *argv[] = {name, arg, NULL}, *env[] = {NULL, NULL};
    posix_spawn_file_actions_t a;
    for (size_t i = 0; i < l->n_env; i++) {
        if (strncmp(l->env[i], "LD_LIBRARY_PATH=", 16) == 0) env[0] = l->env[i];
    }
    int error = posix_spawn_file_actions_init(&a);
    if (error) return error;
    error = posix_spawn_file_actions_adddup2(&a, theirs, JQ_WIRE_FD);
    for (int fd = 0; fd < 3 && !error; fd++) error = posix_spawn_file_actions_addopen(&a, fd, "/dev/null", O_RDWR, 0);
    if (!error) error = posix_spawn_file_actions_addclosefrom_np(&a, JQ_WIRE_FD + 1);
    if (!error) error = posix_spawn_file_actions_addchdir_np(&a, "/");
    if (!error) error = posix_spawn(&h->pid, l->self, &a, &l->attr, argv, env);
    posix_spawn_file_actions_destroy(&a);
    return error;
}

/* Adds one to the pool; 0 or an errno. */
static int start_helper(loop *l)
{
    int fds[2] = {-1, -1}, error = ENOMEM;
    helper *h = calloc(1, sizeof *h);
    if (!h) goto failed;
    *h = (helper){
        .owner = l, .socket = {-1, talk, h}, .exit = {-1, NULL, h}, .timeout = {.passed = timed_out, .owner = h}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        error = errno;
        goto failed;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    if ((error = spawn_helper(h, fds[1])) != 0) goto failed;
    reaper_add(l->reaper, h->pid);
    h->socket.fd = fds[0];
    h->exit.fd = pidfd_open_of(h->pid);
    error = h->exit.fd < 0 ? errno : source_watch(l, &h->socket, EPOLLIN);
    /* Its exit matters only once it is condemned: it is the socket that tells that it is lost. */
    if (!error) error = source_watch(l, &h->exit, 0);
    if (error) goto started;
    close(fds[1]);
    h->next = l->jq.helpers;
    if (h->next) h->next->prev = h;
    l->jq.helpers = h;
    l->jq.n++;
    return 0;
started:
    kill(-h->pid, SIGKILL);
    reaper_remove(l->reaper, h->pid);
    while (waitid(P_PID, (id_t)h->pid, &(siginfo_t){0}, WEXITED) != 0 && errno == EINTR) {}
    if (h->exit.fd >= 0) close(h->exit.fd);
failed:
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
    free(h);
    return error;
}

/* SIZE_MAX: it has not seen this program. */
static size_t number_of(const helper *h, const char *program)
{
    for (size_t i = 0; i < h->n_known; i++) {
        if (h->known[i] == program) return i;
    }
    return SIZE_MAX;
}

/* Idle ones that know the first program come first; then any idle one. */
static helper *idle_helper(const loop *l, const jq_call *c)
{
    helper *idle = NULL;
    for (helper *h = l->jq.helpers; h; h = h->next) {
        if (h->call) continue;
        if (number_of(h, c->programs[0]) != SIZE_MAX) return h;
        idle = h;
    }
    return idle;
}

static char *put_u32(char *to, size_t v)
{
    uint32_t n = (uint32_t)v;
    memcpy(to, &n, sizeof n);
    return to + sizeof n;
}

/* All of the request but the input. What is checked is not remembered: its number is used again. */
static bool make_head(helper *h, const jq_call *c)
{
    size_t len = 4 * sizeof(uint32_t);
    for (size_t i = 0; i < c->n; i++) len += 2 * sizeof(uint32_t) + strlen(c->programs[i]);
    if (h->cap_known < h->n_known + c->n) {
        size_t cap = 2 * (h->n_known + c->n);
        const char **more = realloc(h->known, cap * sizeof *more);
        if (!more) return false;
        h->known = more;
        h->cap_known = cap;
    }
    char *p = h->head = malloc(len);
    if (!p) return false;
    p = put_u32(p + sizeof(uint32_t), c->kind); /* the length comes when it is known */
    p = put_u32(p, h->owner->options.jq_memory >> 20);
    p = put_u32(p, c->n);
    for (size_t i = 0; i < c->n; i++) {
        bool check = c->kind == JQ_WIRE_CHECK;
        size_t number = check ? SIZE_MAX : number_of(h, c->programs[i]), text = strlen(c->programs[i]);
        p = put_u32(p, number == SIZE_MAX ? h->n_known : number);
        p = put_u32(p, number == SIZE_MAX ? text : JQ_WIRE_KNOWN);
        if (number != SIZE_MAX) continue;
        memcpy(p, c->programs[i], text);
        p += text;
        if (!check) h->known[h->n_known++] = c->programs[i];
    }
    h->head_len = (size_t)(p - h->head);
    put_u32(h->head, h->head_len - sizeof(uint32_t) + c->input_len);
    h->sent = 0;
    return true;
}

static void give(helper *h, jq_call *c)
{
    h->call = c;
    c->helper = h;
    deadline_set(h->owner, &h->timeout, c->timeout_ms);
    if (make_head(h, c))
        send_request(h);
    else
        no_memory(h);
}

void jq_turn(loop *l)
{
    for (helper *h; (h = l->jq.dead);) {
        l->jq.dead = h->next;
        free_helper(h);
    }
    while (l->jq.waiting.first) {
        jq_call *c = (jq_call *)l->jq.waiting.first;
        helper *h = idle_helper(l, c);
        if (!h && l->jq.n >= l->options.helpers) break;
        int error = h ? 0 : start_helper(l);
        if (!h && !error) h = l->jq.helpers;
        job_pop(&l->jq.waiting);
        if (h) {
            give(h, c);
        } else {
            fail(c, EYOT_EFAILED, "no jq helper can be started: %s: %s", l->self, strerror(error));
            job_retire(&c->job);
        }
    }
}

void jq_end_helpers(loop *l)
{
    while (l->jq.helpers) condemn(l->jq.helpers);
}

/* ---- calls; any thread ---------------------------------------------------------------------------------------------- */

/* Where in a value: from the innermost step outwards. */
typedef struct step {
    const struct step *up;
    const eyot_value_iter *it;
} step;

static size_t put_pointer(char *to, size_t cap, const step *s)
{
    size_t len = s->up ? put_pointer(to, cap, s->up) : 0;
    if (!s->it->key) {
        len += (size_t)snprintf(to + len, cap - len, "/%zu", s->it->index);
        return len < cap ? len : cap - 1;
    }
    if (len + 1 < cap) to[len++] = '/';
    for (const char *p = s->it->key; *p && len + 2 < cap; p++) {
        bool escaped = *p == '~' || *p == '/';
        to[len++] = escaped ? '~' : (unsigned char)*p < ' ' ? ' ' : *p;
        if (escaped) to[len++] = *p == '~' ? '0' : '1';
    }
    to[len] = 0;
    return len;
}

/* libjq computes with doubles: beyond 2^53 an integer would come back as another. */
static bool exact(const eyot_value *v, const step *at, char failure[FAILURE])
{
    const int64_t most = (int64_t)1 << 53;
    eyot_value_kind kind = eyot_value_kind_of(v);
    if (kind == EYOT_VALUE_ARRAY || kind == EYOT_VALUE_MAP) {
        eyot_value_iter it = eyot_value_each(v);
        step below = {at, &it};
        while (eyot_value_next(&it)) {
            if (!exact(it.value, &below, failure)) return false;
        }
        return true;
    }
    int64_t i = kind == EYOT_VALUE_INT ? eyot_value_int(v, 0) : 0;
    if (kind != EYOT_VALUE_UINT && i <= most && i >= -most) return true;
    size_t len = at ? put_pointer(failure, FAILURE / 2, at) : 0;
    if (len) len += (size_t)snprintf(failure + len, FAILURE - len, ": ");
    if (kind == EYOT_VALUE_UINT)
        len += (size_t)snprintf(failure + len, FAILURE - len, "%" PRIu64, eyot_value_uint(v, 0));
    else
        len += (size_t)snprintf(failure + len, FAILURE - len, "%" PRId64, i);
    snprintf(failure + len, FAILURE - len, " is beyond what jq computes exactly");
    return false;
}

static eyot_status start_call(jq_call **out, loop *l, uint32_t kind, const char *const *programs, size_t n,
                              const eyot_value *input, uint64_t timeout_ms, jq_done_fn done, void *arg)
{
    eyot_error e;
    *out = NULL;
    jq_call *c = calloc(1, sizeof *c);
    if (!c) return EYOT_ENOMEM;
    *c = (jq_call){.job = {.stop = stop, .finish = finish},
                   .kind = kind,
                   .n = n,
                   .done = done,
                   .arg = arg,
                   .timeout_ms = timeout_ms ? timeout_ms : l->options.jq_timeout_ms};
    c->programs = malloc((n + 1) * sizeof *c->programs);
    c->replies = calloc(n + 1, sizeof *c->replies);
    eyot_status status = c->programs && c->replies ? EYOT_OK : EYOT_ENOMEM;
    if (!status) memcpy(c->programs, programs, n * sizeof *c->programs);
    if (!status && input && !exact(input, NULL, c->failure)) {
        c->status = EYOT_EFAILED;
    } else if (!status && input && !(c->input = eyot_json_print(input, &e))) {
        if (e.status == EYOT_ENOMEM) status = EYOT_ENOMEM;
        fail(c, EYOT_EFAILED, "the state cannot be given to jq: %s", e.text);
    }
    if (!status) status = job_begin(&c->job, l);
    if (status) {
        free_call(c);
        return status;
    }
    c->input_len = c->input ? strlen(c->input) : 0;
    *out = c; /* before `done` can be called */
    if (c->status || n == 0) {
        job_finish(&c->job);
        return EYOT_OK;
    }
    pthread_mutex_lock(&l->lock);
    job_push(&l->jq.inbox, &c->job);
    job_link(&c->job, false);
    loop_wake(l);
    pthread_mutex_unlock(&l->lock);
    return EYOT_OK;
}

eyot_status jq_call_start(jq_call **out, loop *l, const char *const *programs, size_t n, const eyot_value *input,
                          uint64_t timeout_ms, jq_done_fn done, void *arg)
{
    return start_call(out, l, JQ_WIRE_EVALUATE, programs, n, input, timeout_ms, done, arg);
}

void jq_call_stop(jq_call *c)
{
    job_stop(&c->job);
}

/* ---- checks ------------------------------------------------------------------------------------------------------- */

typedef struct check {
    pthread_mutex_t lock;
    pthread_cond_t all;
    size_t left;
    bool no_memory, stopped;
} check;

typedef struct checked {
    check *check;
    char **error;
} checked;

static void program_checked(void *arg, const jq_result *results, size_t n, eyot_status status, const char *failure)
{
    checked *one = arg;
    check *all = one->check;
    const char *error = status ? failure : results[0].error;
    (void)n;
    pthread_mutex_lock(&all->lock);
    if (error && !(*one->error = strdup(error))) all->no_memory = true;
    if (status == EYOT_ENOMEM) all->no_memory = true;
    if (status == EYOT_ECANCELED) all->stopped = true;
    if (--all->left == 0) pthread_cond_signal(&all->all);
    pthread_mutex_unlock(&all->lock);
}

/* A call per program: they go to all helpers, and each has its own time and its own end. */
eyot_status jq_check(loop *l, const char *const *programs, size_t n, char **errors)
{
    check all = {.lock = PTHREAD_MUTEX_INITIALIZER, .all = PTHREAD_COND_INITIALIZER, .left = n};
    checked *each = calloc(n + 1, sizeof *each);
    eyot_status status = each ? EYOT_OK : EYOT_ENOMEM;
    size_t started = 0;
    for (size_t i = 0; i < n; i++) errors[i] = NULL;
    for (; !status && started < n; started += !status) {
        jq_call *call;
        each[started] = (checked){&all, &errors[started]};
        status = start_call(&call, l, JQ_WIRE_CHECK, &programs[started], 1, NULL, 0, program_checked, &each[started]);
    }
    pthread_mutex_lock(&all.lock);
    all.left -= n - started;
    while (all.left > 0) pthread_cond_wait(&all.all, &all.lock);
    pthread_mutex_unlock(&all.lock);
    if (all.no_memory) status = EYOT_ENOMEM;
    if (all.stopped) status = EYOT_ECANCELED;
    for (size_t i = 0; status && i < n; i++) {
        free(errors[i]);
        errors[i] = NULL;
    }
    free(each);
    pthread_cond_destroy(&all.all);
    pthread_mutex_destroy(&all.lock);
    return status;
}
