/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* SOCK_CLOEXEC in every libc */
#include "stores/redis_wire.h"

#include "core/clock.h"
#include "stores/redis_tls.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- hiredis ----------------------------------------------------------------------------------------------------- */

/* The largest array that anything here asks for has fewer items; a server that is none may claim any number. */
#define MOST_ITEMS ((size_t)1 << 26)

#if HIREDIS_MAJOR >= 1
typedef size_t item_count;
#else
typedef int item_count;
#endif

static void *(*create_any_array)(const redisReadTask *, item_count);
static redisReplyObjectFunctions reply_functions;
static pthread_once_t reply_functions_once = PTHREAD_ONCE_INIT;

static void *create_array(const redisReadTask *task, item_count n)
{
    return (size_t)n <= MOST_ITEMS ? create_any_array(task, n) : NULL;
}

static void find_reply_functions(void)
{
    redisReader *r = redisReaderCreate();
    if (!r) return;
    reply_functions = *r->fn;
    create_any_array = reply_functions.createArray;
    reply_functions.createArray = create_array;
    redisReaderFree(r);
}

static redisReader *new_reader(void)
{
    pthread_once(&reply_functions_once, find_reply_functions);
    return create_any_array ? redisReaderCreateWithFunctions(&reply_functions) : NULL;
}

void eyot__wire_take_elements(redisReply *array, redisReply **to)
{
    for (size_t i = 0; i < (size_t)array->elements; i++) {
        to[i] = array->element[i];
        array->element[i] = NULL;
    }
}

/* ---- waiting ------------------------------------------------------------------------------------------------------ */

static eyot_status system_error(const char *doing, int os_errno, eyot_error *e)
{
    eyot_status r = os_errno == ENOMEM ? EYOT_ENOMEM : EYOT_EIO;
    eyot_error_set(e, r, "%s: %s", doing, strerror(os_errno));
    if (e) e->os_errno = os_errno;
    return r;
}

/* Until the socket is ready for one of `events`. */
static eyot_status await(const eyot__wire *w, short events, eyot_error *e)
{
    for (;;) {
        struct pollfd p = {.fd = w->fd, .events = events};
        uint64_t now = eyot__now_ns();
        if (now >= w->deadline_ns) return eyot_error_set(e, EYOT_EIO, "no answer in time");
        uint64_t left_ms = (w->deadline_ns - now) / 1000000 + 1;
        int ready = poll(&p, 1, left_ms < 3600000 ? (int)left_ms : 3600000);
        if (ready > 0) return EYOT_OK;
        if (ready < 0 && errno != EINTR) return system_error("cannot wait", errno, e);
    }
}

/* A KiB is worth a millisecond. */
static void moved(eyot__wire *w, size_t n)
{
    w->deadline_ns += (uint64_t)n * (1000000 / 1024);
}

/* 0: not now. */
static eyot_status send_some(eyot__wire *w, const char *p, size_t n, size_t *sent, eyot_error *e)
{
    ssize_t got = send(w->fd, p, n, MSG_NOSIGNAL);
    *sent = got > 0 ? (size_t)got : 0;
    moved(w, *sent);
    if (got >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return EYOT_OK;
    return system_error("the connection broke", errno, e);
}

static eyot_status receive_some(eyot__wire *w, char *p, size_t size, size_t *n, eyot_error *e)
{
    ssize_t got = recv(w->fd, p, size, 0);
    *n = got > 0 ? (size_t)got : 0;
    moved(w, *n);
    if (got == 0) return eyot_error_set(e, EYOT_EIO, "the server closed the connection");
    if (got > 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return EYOT_OK;
    return system_error("the connection broke", errno, e);
}

/* ---- sending and receiving ---------------------------------------------------------------------------------------- */

typedef struct outgoing {
    const char *p;
    size_t n, at;
} outgoing;

/* What is to be put on the socket next: plain bytes, or what TLS has made of them. */
static eyot_status next_bytes(eyot__wire *w, outgoing *o, const char **p, size_t *n, eyot_error *e)
{
    if (!w->session) {
        *p = o->n ? o->p + o->at : NULL;
        *n = o->n - o->at;
        return EYOT_OK;
    }
    eyot__tls_pending(w->session, p, n);
    if (*n || o->at == o->n) return EYOT_OK;
    size_t part = o->n - o->at < 16384 ? o->n - o->at : 16384;
    eyot_status r = eyot__tls_put(w->session, o->p + o->at, part, e);
    if (r) return r;
    o->at += part;
    eyot__tls_pending(w->session, p, n);
    return EYOT_OK;
}

/* Sends what the socket takes; *done: nothing is left. */
static eyot_status push(eyot__wire *w, outgoing *o, bool *done, eyot_error *e)
{
    const char *p;
    size_t n, sent = 1;
    eyot_status r = next_bytes(w, o, &p, &n, e);
    while (!r && n && sent) {
        r = send_some(w, p, n, &sent, e);
        if (w->session)
            eyot__tls_sent(w->session, sent);
        else
            o->at += sent;
        if (!r) r = next_bytes(w, o, &p, &n, e);
    }
    *done = !r && n == 0;
    return r;
}

static eyot_status feed(eyot__wire *w, const char *p, size_t n, eyot_error *e)
{
    if (redisReaderFeed(w->reader, p, n) == REDIS_OK) return EYOT_OK;
    return eyot_error_set(e, EYOT_ENOMEM, "no memory for an answer");
}

/* Receives once. */
static eyot_status pull(eyot__wire *w, eyot_error *e)
{
    char bytes[65536];
    size_t n = 0;
    eyot_status r = receive_some(w, bytes, sizeof bytes, &n, e);
    if (r || n == 0) return r;
    if (!w->session) return feed(w, bytes, n, e);
    r = eyot__tls_feed(w->session, bytes, n, e);
    while (!r && n) {
        r = eyot__tls_get(w->session, bytes, sizeof bytes, &n, e);
        if (!r && n) r = feed(w, bytes, n, e);
    }
    return r;
}

static eyot_status take_replies(eyot__wire *w, redisReply **replies, size_t expect, size_t *got, eyot_error *e)
{
    void *reply = NULL;
    while (*got < expect) {
        if (redisReaderGetReply(w->reader, &reply) != REDIS_OK)
            return w->reader->err == REDIS_ERR_OOM
                       ? eyot_error_set(e, EYOT_ENOMEM, "an answer is larger than memory")
                       : eyot_error_set(e, EYOT_ECORRUPT, "what answers does not speak the Redis protocol");
        if (!reply) return EYOT_OK;
        replies[(*got)++] = reply;
    }
    return EYOT_OK;
}

eyot_status eyot__wire_exchange(eyot__wire *w, const void *bytes, size_t n, redisReply **replies, size_t expect,
                                size_t *got, eyot_error *e)
{
    outgoing o = {bytes, n, 0};
    bool sent = false;
    *got = 0;
    eyot_status r = push(w, &o, &sent, e);
    while (!r && *got < expect) {
        r = await(w, (short)(sent ? POLLIN : POLLIN | POLLOUT), e);
        if (!r) r = pull(w, e);
        if (!r) r = take_replies(w, replies, expect, got, e);
        if (!r && (!sent || w->session)) r = push(w, &o, &sent, e);
    }
    return r;
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static eyot_status finish_connect(const eyot__wire *w, eyot_error *e)
{
    int failed = 0;
    socklen_t size = sizeof failed;
    eyot_status r = await(w, POLLOUT, e);
    if (r) return r;
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0) failed = errno;
    return failed ? system_error("cannot connect", failed, e) : EYOT_OK;
}

static eyot_status connect_to(eyot__wire *w, int family, const struct sockaddr *address, socklen_t size, eyot_error *e)
{
    int on = 1;
    if (w->fd >= 0) close(w->fd);
    w->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0) return system_error("cannot open a socket", errno, e);
    if (family != AF_UNIX) {
        setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    if (connect(w->fd, address, size) == 0) return EYOT_OK;
    if (errno != EINPROGRESS && errno != EINTR) return system_error("cannot connect", errno, e);
    return finish_connect(w, e);
}

static eyot_status connect_unix(eyot__wire *w, const char *path, eyot_error *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path)
        return eyot_error_set(e, EYOT_EIO, "the path of a socket has %zu bytes at most", sizeof to.sun_path - 1);
    memcpy(to.sun_path, path, strlen(path));
    return connect_to(w, AF_UNIX, (const struct sockaddr *)&to, sizeof to, e);
}

/* One address after the other; the time that is left is for all of them. */
static eyot_status connect_tcp(eyot__wire *w, const eyot__wire_address *a, eyot_error *e)
{
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    snprintf(port, sizeof port, "%u", a->port);
    int failed = getaddrinfo(a->host, port, &hints, &found);
    if (failed) {
        eyot_error_set(e, EYOT_EIO, "the host is not known: %s", gai_strerror(failed));
        if (e) e->os_errno = EHOSTUNREACH;
        return EYOT_EIO;
    }
    eyot_status r = EYOT_EIO;
    for (const struct addrinfo *to = found; to && r; to = to->ai_next)
        r = connect_to(w, to->ai_family, to->ai_addr, to->ai_addrlen, e);
    freeaddrinfo(found);
    return r;
}

static eyot_status start_tls(eyot__wire *w, eyot__wire_tls *tls, const char *host, eyot_error *e)
{
    outgoing nothing = {NULL, 0, 0};
    bool sent = false, over = false;
    eyot_status r = eyot__tls_session_new(&w->session, tls, host, e);
    if (!r) r = eyot__tls_handshake(w->session, &over, e);
    while (!r) {
        r = push(w, &nothing, &sent, e);
        if (r || (over && sent)) break;
        r = await(w, (short)(sent ? POLLIN : POLLIN | POLLOUT), e);
        if (!r && !over) r = pull(w, e);
        if (!r && !over) r = eyot__tls_handshake(w->session, &over, e);
    }
    return r;
}

eyot_status eyot__wire_open(eyot__wire **out, const eyot__wire_address *address, eyot__wire_tls *tls,
                            uint64_t deadline_ns, eyot_error *e)
{
    eyot__wire *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return eyot_error_set(e, EYOT_ENOMEM, "no memory for a connection");
    w->fd = -1;
    w->deadline_ns = deadline_ns;
    w->reader = new_reader();
    eyot_status r = w->reader ? EYOT_OK : eyot_error_set(e, EYOT_ENOMEM, "no memory for a connection");
    if (!r) r = address->port ? connect_tcp(w, address, e) : connect_unix(w, address->host, e);
    if (!r && tls) r = start_tls(w, tls, address->host, e);
    if (r) {
        eyot__wire_close(w);
        return r;
    }
    *out = w;
    return EYOT_OK;
}

void eyot__wire_close(eyot__wire *w)
{
    if (!w) return;
    if (w->session) eyot__tls_session_free(w->session);
    if (w->reader) redisReaderFree(w->reader);
    if (w->fd >= 0) close(w->fd);
    free(w);
}
