/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pidfd by syscall, closefrom, memmem */
#include "cli/reaper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PIDS = 1 << 22, /* PID_MAX_LIMIT */
    SECRET = 16,    /* random bytes of a token */
    HEX = 2 * SECRET,
    SETTLED_MS = 300, /* a command that is just being started shows its token only after its exec */
    PATIENCE_MS = 1500,
    PAUSE_MS = 50
};

struct reaper {
    pid_t pid;
    _Atomic uint64_t *groups; /* a bit per process id, shared with the reaper; only pages that are used exist */
};

/* ---- eyot's side ----------------------------------------------------------------------------------------------- */

void reaper_add(reaper *r, pid_t group)
{
    atomic_fetch_or(&r->groups[group / 64], (uint64_t)1 << (group % 64));
}

void reaper_remove(reaper *r, pid_t group)
{
    atomic_fetch_and(&r->groups[group / 64], ~((uint64_t)1 << (group % 64)));
}

void reaper_dismiss(reaper *r)
{
    if (!r) return;
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    munmap((void *)r->groups, PIDS / 8);
    free(r);
}

/* An eyot that is itself a command of another keeps the outer token beside its own: the outer reaper must find what the
 * inner one has started, even if it kills the inner reaper first. */
static bool make_token(char token[REAPER_TOKEN], char secret[HEX + 1])
{
    unsigned char random[SECRET];
    const char *outer = getenv("EYOT_REAP");
    if (getrandom(random, sizeof random, 0) != SECRET) return false;
    for (int i = 0; i < SECRET; i++) snprintf(secret + 2 * i, 3, "%02x", random[i]);
    size_t room = REAPER_TOKEN - sizeof "EYOT_REAP=:" - HEX;
    if (!outer || !*outer || strlen(outer) > room || outer[strspn(outer, "0123456789abcdef:")] != 0) {
        snprintf(token, REAPER_TOKEN, "EYOT_REAP=%s", secret);
    } else {
        snprintf(token, REAPER_TOKEN, "EYOT_REAP=%s:%s", outer, secret);
    }
    return true;
}

/* ---- the reaper's side ----------------------------------------------------------------------------------------- */

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Keeps nothing of eyot's open: whoever reads eyot's output must see its end. Leaves its session, which may be killed. */
static void settle(int eyot)
{
    setsid();
    prctl(PR_SET_NAME, "eyot-reaper");
    for (int s = 1; s <= SIGRTMAX; s++) signal(s, SIG_IGN); /* those that cannot be ignored stay as they are */
    if (chdir("/") != 0) _exit(1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) _exit(1);
    for (int fd = 0; fd < 3; fd++) {
        if (fd != null) dup2(null, fd);
    }
    if (eyot != 3) dup2(eyot, 3);
    closefrom(4);
}

static void kill_groups(const _Atomic uint64_t *groups)
{
    for (int i = 0; i < PIDS / 64; i++) {
        uint64_t bits = atomic_load_explicit(&groups[i], memory_order_relaxed);
        for (; bits; bits &= bits - 1) kill(-(i * 64 + __builtin_ctzll(bits)), SIGKILL);
    }
}

/* Is the secret in the environment that the process was started with? */
static bool has_secret(const char *pid, const char *secret)
{
    static char buf[HEX + 65536]; /* what is carried over from the last piece, then the next */
    char path[64];
    size_t len = 0;
    ssize_t n;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%.20s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    while (!found && (n = read(fd, buf + len, 65536)) > 0) {
        len += (size_t)n;
        found = memmem(buf, len, secret, HEX) != NULL;
        size_t kept = len < HEX - 1 ? len : HEX - 1;
        memmove(buf, buf + len - kept, kept);
        len = kept;
    }
    close(fd);
    return found;
}

/* Kills every process that has the secret; returns whether there was one. By pidfd: the number may meanwhile be another's. */
static bool kill_marked(const char *secret)
{
    struct dirent *entry;
    bool any = false;
    DIR *proc = opendir("/proc");
    if (!proc) return false;
    while ((entry = readdir(proc))) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        int fd = pid == getpid() ? -1 : pidfd_of(pid);
        if (fd < 0) continue;
        if (has_secret(entry->d_name, secret)) {
            syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
            any = true;
        }
        close(fd);
    }
    closedir(proc);
    return any;
}

_Noreturn static void serve(int eyot, const _Atomic uint64_t *groups, const char *secret)
{
    settle(eyot);
    struct pollfd alive = {.fd = 3, .events = POLLIN};
    while (poll(&alive, 1, -1) < 0 && errno == EINTR) {}
    kill_groups(groups);
    uint64_t start = now_ms();
    for (int quiet = 0;;) {
        quiet = kill_marked(secret) ? 0 : quiet + 1;
        uint64_t passed = now_ms() - start;
        if ((quiet >= 2 && passed >= SETTLED_MS) || passed >= PATIENCE_MS) break;
        poll(NULL, 0, PAUSE_MS);
    }
    _exit(0);
}

reaper *reaper_start(char token[REAPER_TOKEN])
{
    char secret[HEX + 1];
    void *groups = MAP_FAILED;
    int eyot = -1, error = 0;
    reaper *r = calloc(1, sizeof *r);
    if (!r || !make_token(token, secret)) goto failed;
    groups = mmap(NULL, PIDS / 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (groups == MAP_FAILED) goto failed;
    r->groups = groups;
    eyot = pidfd_of(getpid()); /* made here: in the child, the parent may be dead already and its number another's */
    if (eyot < 0) goto failed;
    r->pid = fork();
    if (r->pid == 0) serve(eyot, groups, secret);
    if (r->pid < 0) goto failed;
    close(eyot);
    return r;
failed:
    error = errno;
    if (eyot >= 0) close(eyot);
    if (groups != MAP_FAILED) munmap(groups, PIDS / 8);
    free(r);
    errno = error;
    return NULL;
}
