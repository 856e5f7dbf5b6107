/* SPDX-License-Identifier: MIT */
#include "test/net_proxy.h"

#include "test/eyot_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINKS = 128, ROOM = 16384 };

/* Bytes on their way. */
typedef struct flow {
    unsigned char bytes[ROOM];
    size_t start, end;
    uint64_t ready_ms; /* not before */
    bool ended;        /* nothing more comes */
} flow;

typedef struct link {
    int fd[2]; /* of the server, of the client: where what goes NET_TO_SERVER, NET_TO_CLIENT is written; -1: none */
    flow flow[2];
} link_t;

struct net_proxy {
    pthread_t thread;
    pthread_mutex_t lock; /* over all below but what is set once */
    int wake[2], listen_unix, listen_tcp;
    uint16_t port;
    char path[108], server[108];

    bool closing, stopped, then_close;
    uint64_t count[2], cut_at[2], stop_at[2]; /* by count; UINT64_MAX: never */
    unsigned delay_ms, trickle_ms, accepted;
    const void *say;
    size_t say_n;
    link_t *links[LINKS];
};

/* ---- sockets ---- */

static void fill_address(struct sockaddr_un *out, const char *path)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(out->sun_path, sizeof out->sun_path, "%s", path);
}

static int reach_server(const net_proxy *p)
{
    struct sockaddr_un local;
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool path = *p->server == '/';
    int fd = socket(path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fill_address(&local, p->server);
    remote.sin_port = htons((uint16_t)strtoul(p->server, NULL, 10));
    int failed = path ? connect(fd, (struct sockaddr *)&local, sizeof local)
                      : connect(fd, (struct sockaddr *)&remote, sizeof remote);
    if (!failed) return fd;
    close(fd);
    return -1;
}

static void set_nonblocking(int fd)
{
    int on = 1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool open_listeners(net_proxy *p)
{
    struct sockaddr_un local;
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof remote;
    fill_address(&local, p->path);
    p->listen_unix = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    p->listen_tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(p->listen_unix, (struct sockaddr *)&local, sizeof local) != 0 || listen(p->listen_unix, 64) != 0 ||
        bind(p->listen_tcp, (struct sockaddr *)&remote, sizeof remote) != 0 || listen(p->listen_tcp, 64) != 0 ||
        getsockname(p->listen_tcp, (struct sockaddr *)&remote, &n) != 0)
        return false;
    set_nonblocking(p->listen_unix);
    set_nonblocking(p->listen_tcp);
    p->port = ntohs(remote.sin_port);
    return true;
}

/* ---- connections; under the lock ---- */

static void drop(net_proxy *p, size_t i)
{
    for (int way = 0; way < 2; way++)
        if (p->links[i]->fd[way] >= 0) close(p->links[i]->fd[way]);
    free(p->links[i]);
    p->links[i] = NULL;
}

static void accept_one(net_proxy *p, int listener)
{
    size_t i = 0;
    int client = accept(listener, NULL, NULL);
    if (client < 0) return;
    p->accepted++;
    fcntl(client, F_SETFD, FD_CLOEXEC);
    while (i < LINKS && p->links[i]) i++;
    int server = *p->server && i < LINKS ? reach_server(p) : -1;
    link_t *link = i < LINKS && (server >= 0 || !*p->server) ? calloc(1, sizeof *link) : NULL;
    if (!link) {
        close(client);
        if (server >= 0) close(server);
        return;
    }
    set_nonblocking(client);
    if (server >= 0) set_nonblocking(server);
    link->fd[NET_TO_SERVER] = server;
    link->fd[NET_TO_CLIENT] = client;
    p->links[i] = link;
    if (!p->say) return;
    flow *f = &link->flow[NET_TO_CLIENT];
    f->end = p->say_n < ROOM ? p->say_n : ROOM;
    if (f->end) memcpy(f->bytes, p->say, f->end);
    f->ended = p->then_close;
}

/* Takes what comes from the other end of a way. */
static void take(net_proxy *p, link_t *link, int way)
{
    flow *f = &link->flow[way];
    if (f->start == f->end) f->start = f->end = 0;
    if (f->end == ROOM) return;
    ssize_t n = recv(link->fd[!way], f->bytes + f->end, ROOM - f->end, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) f->ended = true;
    if (n <= 0) return;
    if (f->start == f->end) f->ready_ms = test_now_ms() + (p->trickle_ms ? p->trickle_ms : p->delay_ms);
    f->end += (size_t)n;
}

/* Passes on what may go by now; false: the connection is to be cut. */
static bool pass(net_proxy *p, link_t *link, int way)
{
    flow *f = &link->flow[way];
    size_t n = f->end - f->start;
    if (link->fd[way] < 0) { /* nobody there */
        f->start = f->end;
        return true;
    }
    if (n == 0 || p->stopped || test_now_ms() < f->ready_ms) return true;
    if (p->trickle_ms) n = 1;
    if (n > p->cut_at[way] - p->count[way]) n = (size_t)(p->cut_at[way] - p->count[way]);
    if (n > p->stop_at[way] - p->count[way]) n = (size_t)(p->stop_at[way] - p->count[way]);
    ssize_t sent = n ? send(link->fd[way], f->bytes + f->start, n, MSG_NOSIGNAL) : 0;
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    f->start += (size_t)sent;
    if (f->start == f->end) f->start = f->end = 0;
    p->count[way] += (uint64_t)sent;
    if (p->trickle_ms) f->ready_ms = test_now_ms() + p->trickle_ms;
    if (p->count[way] == p->stop_at[way]) p->stopped = true;
    if (p->count[way] != p->cut_at[way]) return true;
    p->cut_at[way] = UINT64_MAX;
    return false;
}

static bool is_over(const net_proxy *p, const link_t *link)
{
    for (int way = 0; way < 2; way++) {
        const flow *f = &link->flow[way];
        if (f->ended && f->start == f->end && !p->stopped) return true;
    }
    return false;
}

/* What to wait for: returns for how many ms at most. */
static int watch(net_proxy *p, struct pollfd *fds, size_t *n)
{
    uint64_t now = test_now_ms();
    int wait_ms = 1000;
    *n = 0;
    fds[(*n)++] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
    fds[(*n)++] = (struct pollfd){.fd = p->listen_unix, .events = POLLIN};
    fds[(*n)++] = (struct pollfd){.fd = p->listen_tcp, .events = POLLIN};
    for (size_t i = 0; i < LINKS; i++) {
        if (!p->links[i]) continue;
        for (int way = 0; way < 2; way++) {
            const flow *f = &p->links[i]->flow[way];
            bool waits = f->end > f->start && !p->stopped, ready = waits && now >= f->ready_ms;
            if (waits && !ready && (int)(f->ready_ms - now) < wait_ms) wait_ms = (int)(f->ready_ms - now);
            if (ready && p->links[i]->fd[way] >= 0)
                fds[(*n)++] = (struct pollfd){.fd = p->links[i]->fd[way], .events = POLLOUT};
            if (!f->ended && f->end < ROOM && !p->stopped && p->links[i]->fd[!way] >= 0)
                fds[(*n)++] = (struct pollfd){.fd = p->links[i]->fd[!way], .events = POLLIN};
        }
    }
    return wait_ms;
}

static void work(net_proxy *p)
{
    accept_one(p, p->listen_unix);
    accept_one(p, p->listen_tcp);
    for (size_t i = 0; i < LINKS; i++) {
        bool good = true;
        for (int way = 0; way < 2 && p->links[i] && good; way++) {
            if (!p->stopped && !p->links[i]->flow[way].ended && p->links[i]->fd[!way] >= 0) take(p, p->links[i], way);
            good = pass(p, p->links[i], way);
        }
        if (p->links[i] && (!good || is_over(p, p->links[i]))) drop(p, i);
    }
}

static void *relay(void *arg)
{
    net_proxy *p = arg;
    struct pollfd fds[3 + 4 * LINKS];
    char bytes[64];
    size_t n;
    pthread_mutex_lock(&p->lock);
    while (!p->closing) {
        int wait_ms = watch(p, fds, &n);
        pthread_mutex_unlock(&p->lock);
        poll(fds, (nfds_t)n, wait_ms);
        while (read(p->wake[0], bytes, sizeof bytes) > 0) {}
        pthread_mutex_lock(&p->lock);
        work(p);
    }
    for (size_t i = 0; i < LINKS; i++)
        if (p->links[i]) drop(p, i);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the face ---- */

net_proxy *net_proxy_open(const char *server)
{
    static unsigned number;
    net_proxy *p = calloc(1, sizeof *p);
    if (!p) test_fail(__FILE__, __LINE__, "no memory");
    /* A test's directory may have too long a name for a socket. */
    const char *dir = strlen(test_dir()) < 70 ? test_dir() : "/tmp";
    snprintf(p->path, sizeof p->path, "%.70s/eyot-net.%d.%u", dir, (int)getpid(), ++number);
    unlink(p->path);
    snprintf(p->server, sizeof p->server, "%s", server ? server : "");
    for (int way = 0; way < 2; way++) p->cut_at[way] = p->stop_at[way] = UINT64_MAX;
    bool good = pipe(p->wake) == 0 && open_listeners(p) && pthread_mutex_init(&p->lock, NULL) == 0;
    for (int i = 0; good && i < 2; i++) {
        fcntl(p->wake[i], F_SETFL, O_NONBLOCK);
        fcntl(p->wake[i], F_SETFD, FD_CLOEXEC);
    }
    if (!good || pthread_create(&p->thread, NULL, relay, p) != 0)
        test_fail(__FILE__, __LINE__, "no proxy: %s", strerror(errno));
    return p;
}

static void begin_change(net_proxy *p)
{
    pthread_mutex_lock(&p->lock);
}

static void end_change(net_proxy *p)
{
    pthread_mutex_unlock(&p->lock);
    if (write(p->wake[1], "", 1) < 0) return; /* full: it wakes anyway */
}

void net_proxy_close(net_proxy *p)
{
    begin_change(p);
    p->closing = true;
    end_change(p);
    pthread_join(p->thread, NULL);
    close(p->wake[0]);
    close(p->wake[1]);
    close(p->listen_unix);
    close(p->listen_tcp);
    unlink(p->path);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

const char *net_proxy_socket(const net_proxy *p)
{
    return p->path;
}

uint16_t net_proxy_port(const net_proxy *p)
{
    return p->port;
}

void net_proxy_cut_after(net_proxy *p, net_way way, uint64_t bytes)
{
    begin_change(p);
    p->cut_at[way] = p->count[way] + bytes;
    end_change(p);
}

void net_proxy_cut_now(net_proxy *p)
{
    begin_change(p);
    for (size_t i = 0; i < LINKS; i++)
        if (p->links[i]) drop(p, i);
    end_change(p);
}

void net_proxy_stop_after(net_proxy *p, net_way way, uint64_t bytes)
{
    begin_change(p);
    p->stop_at[way] = p->count[way] + bytes;
    if (bytes == 0) p->stopped = true;
    end_change(p);
}

void net_proxy_delay(net_proxy *p, unsigned ms)
{
    begin_change(p);
    p->delay_ms = ms;
    end_change(p);
}

void net_proxy_trickle(net_proxy *p, unsigned every_ms)
{
    begin_change(p);
    p->trickle_ms = every_ms;
    end_change(p);
}

void net_proxy_say(net_proxy *p, const void *bytes, size_t n, bool then_close)
{
    begin_change(p);
    p->say = bytes;
    p->say_n = n;
    p->then_close = then_close;
    end_change(p);
}

void net_proxy_heal(net_proxy *p)
{
    begin_change(p);
    for (int way = 0; way < 2; way++) p->cut_at[way] = p->stop_at[way] = UINT64_MAX;
    p->delay_ms = p->trickle_ms = 0;
    p->stopped = false;
    end_change(p);
}

uint64_t net_proxy_count(net_proxy *p, net_way way)
{
    pthread_mutex_lock(&p->lock);
    uint64_t count = p->count[way];
    pthread_mutex_unlock(&p->lock);
    return count;
}

unsigned net_proxy_accepted(net_proxy *p)
{
    pthread_mutex_lock(&p->lock);
    unsigned accepted = p->accepted;
    pthread_mutex_unlock(&p->lock);
    return accepted;
}
