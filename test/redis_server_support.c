/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* prctl, asprintf */
#include "test/redis_server.h"

#include "test/eyot_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

static pid_t server;
static char socket_path[108];
static const char *preload, *preload_variable; /* of the next one */

/* Debian's redis-tools has the server's program under another name: it goes by what it is called. */
static const char *find_program(void)
{
    static const char *const names[] = {"redis-server", "valkey-server", "redis-check-rdb"};
    static const char *const dirs[] = {"/usr/bin", "/usr/local/bin", "/usr/sbin"};
    static char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof dirs / sizeof *dirs; k++) {
            snprintf(path, sizeof path, "%s/%s", dirs[k], names[i]);
            if (access(path, X_OK) == 0) return path;
        }
    return NULL;
}

void redis_server_kill(void)
{
    if (server) kill(server, SIGKILL);
    if (server) waitpid(server, NULL, 0);
    server = 0;
}

void redis_server_signal(int number)
{
    CHECK(server && kill(server, number) == 0);
}

void redis_server_preload(const char *library, const char *variable)
{
    preload = library;
    preload_variable = variable;
}

const char *redis_server_socket(void)
{
    return socket_path;
}

const char *redis_server_url(const char *params)
{
    static char urls[4][400];
    static unsigned next;
    char *url = urls[next++ % 4];
    snprintf(url, sizeof urls[0], "redis+unix://%s?prefix=t&%s", socket_path, params);
    return url;
}

static int reach(const char *path)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {5, 0};
    bool is_path = *path == '/';
    snprintf(local.sun_path, sizeof local.sun_path, "%s", path);
    remote.sin_port = htons((uint16_t)strtoul(path, NULL, 10));
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int failed = is_path ? connect(fd, (const struct sockaddr *)&local, sizeof local)
                         : connect(fd, (const struct sockaddr *)&remote, sizeof remote);
    if (!failed) return fd;
    close(fd);
    return -1;
}

const char *redis_server_say(const char *path, const char *command)
{
    static _Thread_local char answer[4096];
    int fd = reach(path);
    answer[0] = '\0';
    if (fd < 0) return answer;
    char line[1024];
    int n = snprintf(line, sizeof line, "%s\r\n", command);
    ssize_t got = send(fd, line, (size_t)n, MSG_NOSIGNAL) == n ? recv(fd, answer, sizeof answer - 1, 0) : 0;
    answer[got > 0 ? got : 0] = '\0';
    close(fd);
    return answer;
}

static void execute(const char *program, const char *const *args)
{
    const char *argv[48] = {"redis-server", "--port", "0", "--unixsocket", socket_path, "--dir",
                            test_dir(),     "--save", "",  "--daemonize",  "no",        "--logfile",
                            "redis.log"};
    size_t n = 13;
    for (; args && *args && n < 47; args++) argv[n++] = *args;
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    signal(SIGPIPE, SIG_DFL);
    if (preload) setenv("LD_PRELOAD", preload, 1);
    if (preload) putenv((char *)(uintptr_t)preload_variable);
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

void redis_server_start(const char *const *args)
{
    const char *program = find_program();
    if (!program) test_skip("no Redis here");
    redis_server_kill();
    int n = snprintf(socket_path, sizeof socket_path, "%s/redis.sock", test_dir());
    CHECK(n > 0 && (size_t)n < sizeof socket_path);
    fflush(stdout);
    server = fork();
    CHECK(server >= 0);
    if (server == 0) execute(program, args);
    preload = NULL;
    for (unsigned i = 0; i < 4000; i++) {
        struct timespec moment = {0, 5000000};
        if (strncmp(redis_server_say(socket_path, "PING"), "+PONG", 5) == 0) return;
        /* One that asks for a password answers too. */
        if (strncmp(redis_server_say(socket_path, "PING"), "-NOAUTH", 7) == 0) return;
        if (waitpid(server, NULL, WNOHANG) == server) break;
        nanosleep(&moment, NULL);
    }
    test_fail(__FILE__, __LINE__, "redis-server does not start: see %s/redis.log", test_dir());
}
