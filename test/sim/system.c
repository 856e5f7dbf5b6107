/* SPDX-License-Identifier: MIT */
/* The system as the library sees it: threads, locks, conditions, clocks, memory, random bytes, other processes. The linker
 * gives every call of a function f here to __wrap_f (cmake/tests.cmake). Outside of a process of the simulator the real one is
 * meant, where that makes a difference. */
#include "test/sim/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define WRAP(returns, name, ...)        \
    returns __real_##name(__VA_ARGS__); \
    returns __wrap_##name(__VA_ARGS__); \
    returns __wrap_##name(__VA_ARGS__)

/* ---- memory: every block is on the list of whoever has allocated it ----------------------------------------------- */

static sim_heap outside = {&outside, &outside};

void sim_heap_init(sim_heap *h)
{
    h->prev = h->next = h;
}

bool sim_heap_empty(const sim_heap *h)
{
    return h->next == h;
}

static void *enter(sim_block *b, sim_heap *h)
{
    if (!b) return NULL;
    b->next = h;
    b->prev = h->prev;
    b->prev->next = h->prev = b;
    return b + 1;
}

static sim_block *leave(void *memory)
{
    if (!memory) return NULL;
    sim_block *b = (sim_block *)memory - 1;
    b->prev->next = b->next;
    b->next->prev = b->prev;
    return b;
}

static sim_heap *heap(void)
{
    return sim.heap ? sim.heap : &outside;
}

WRAP(void *, malloc, size_t n)
{
    return enter(__real_malloc(sizeof(sim_block) + n), heap());
}

WRAP(void *, calloc, size_t n, size_t size)
{
    void *memory = NULL;
    if (size == 0 || n <= (SIZE_MAX - sizeof(sim_block)) / size) {
        memory = __wrap_malloc(n * size);
        if (memory) memset(memory, 0, n * size);
    }
    return memory;
}

WRAP(void *, realloc, void *memory, size_t n)
{
    if (!memory) return __wrap_malloc(n);
    sim_heap *h = heap();
    sim_block *b = leave(memory), *larger = __real_realloc(b, sizeof(sim_block) + n);
    return larger ? enter(larger, h) : (enter(b, h), NULL);
}

WRAP(void, free, void *memory)
{
    __real_free(leave(memory));
}

WRAP(char *, strdup, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = __wrap_malloc(n);
    return copy ? memcpy(copy, text, n) : NULL;
}

void sim_heap_clear(sim_heap *h)
{
    while (!sim_heap_empty(h)) __wrap_free(h->next + 1);
}

/* ---- locks and conditions. A lock is its first word: 0, it is free ------------------------------------------------ */

static int *word_of(pthread_mutex_t *m)
{
    return (int *)(void *)m;
}

WRAP(int, pthread_mutex_lock, pthread_mutex_t *m)
{
    sim_thread *t = sim_self();
    if (t && !sim.serving && sim.preempt && sim_draw(&sim.chance, sim.preempt) == 0) sim_give_way(SIM_PREEMPTED);
    while (*word_of(m)) {
        if (!t || sim.serving) {
            sim_violate("a lock is held that nobody can give back");
            break;
        }
        t->on = m;
        sim_give_way(SIM_AT_LOCK);
    }
    *word_of(m) = 1;
    return 0;
}

WRAP(int, pthread_mutex_unlock, pthread_mutex_t *m)
{
    *word_of(m) = 0;
    return 0;
}

static int wait(pthread_cond_t *c, pthread_mutex_t *m, bool timed, uint64_t until)
{
    sim_thread *t = sim_self();
    bool spurious = sim.preempt && sim_draw(&sim.chance, sim.preempt) == 0; /* pthread_cond_wait(3) allows it */
    t->on = c;
    t->timed = timed;
    t->timed_out = false;
    t->until = until;
    __wrap_pthread_mutex_unlock(m);
    sim_give_way(spurious ? SIM_PREEMPTED : SIM_AT_CONDITION);
    bool timed_out = t->timed_out;
    t->timed = t->timed_out = false;
    __wrap_pthread_mutex_lock(m);
    return timed_out ? ETIMEDOUT : 0;
}

WRAP(int, pthread_cond_wait, pthread_cond_t *c, pthread_mutex_t *m)
{
    return wait(c, m, false, 0);
}

WRAP(int, pthread_cond_timedwait, pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
    return wait(c, m, true, (uint64_t)until->tv_sec * 1000 * SIM_MS + (uint64_t)until->tv_nsec);
}

/* Any of those that wait may be the one. */
static int wake(const pthread_cond_t *c, bool all)
{
    size_t n, found = 0;
    sim_thread **list = sim_thread_list(&n), *waiting[SIM_THREADS];
    for (size_t i = 0; i < n; i++)
        if (list[i]->state == SIM_AT_CONDITION && list[i]->on == c) waiting[found++] = list[i];
    if (found == 0) return 0;
    if (!all) {
        waiting[0] = waiting[found > 1 ? sim_draw(&sim.chance, found) : 0];
        found = 1;
    }
    for (size_t i = 0; i < found; i++) waiting[i]->state = SIM_RUNNABLE;
    return 0;
}

WRAP(int, pthread_cond_signal, pthread_cond_t *c)
{
    return wake(c, false);
}

WRAP(int, pthread_cond_broadcast, pthread_cond_t *c)
{
    return wake(c, true);
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

WRAP(int, pthread_create, pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    (void)attr;
    sim_thread *t = sim_thread_start(sim_self()->process, fn, arg, false);
    *out = (pthread_t)(uintptr_t)t;
    return 0;
}

WRAP(int, pthread_join, pthread_t thread, void **result)
{
    sim_thread *t = (sim_thread *)(uintptr_t)thread;
    if (result) *result = NULL;
    sim_self()->on = t;
    if (t->state != SIM_ENDED) sim_give_way(SIM_AT_JOIN);
    sim_thread_drop(t);
    return 0;
}

WRAP(pthread_t, pthread_self, void)
{
    return sim_self() ? (pthread_t)(uintptr_t)sim_self() : __real_pthread_self();
}

WRAP(int, pthread_sigmask, int how, const sigset_t *set, sigset_t *before)
{
    return sim_self() ? 0 : __real_pthread_sigmask(how, set, before);
}

/* ---- time and chance ---------------------------------------------------------------------------------------------- */

static uint64_t clock_of(const sim_process *p, clockid_t clock)
{
    int64_t skew = sim.serving ? sim.store_skew_ms : sim.host_skew_ms[p->host];
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return sim.now_ns + UINT64_C(1700000000000) * SIM_MS + (uint64_t)(skew * (int64_t)SIM_MS);
    case CLOCK_BOOTTIME: return sim.now_ns;
    default: return sim_mono_ns(p);
    }
}

WRAP(int, clock_gettime, clockid_t clock, struct timespec *out)
{
    if (!sim.seed) return __real_clock_gettime(clock, out);
    uint64_t ns = clock_of(sim_self() ? sim_self()->process : &sim.processes[0], clock);
    out->tv_sec = (time_t)(ns / (1000 * SIM_MS));
    out->tv_nsec = (long)(ns % (1000 * SIM_MS));
    return 0;
}

WRAP(int, nanosleep, const struct timespec *time, struct timespec *left)
{
    if (!sim_self()) return __real_nanosleep(time, left);
    sim_sleep_ns((uint64_t)time->tv_sec * 1000 * SIM_MS + (uint64_t)time->tv_nsec);
    return 0;
}

WRAP(ssize_t, getrandom, void *out, size_t n, unsigned flags)
{
    if (!sim.seed) return __real_getrandom(out, n, flags);
    for (size_t done = 0; done < n; done += 8) {
        uint64_t word = sim_draw(&sim.bytes, UINT64_MAX);
        memcpy((char *)out + done, &word, n - done < 8 ? n - done : 8);
    }
    return (ssize_t)n;
}

/* ---- other processes: what core/owner.c asks about them ----------------------------------------------------------- */

enum { PROC_FD = 100000 };
static char proc_text[160];

static sim_process *process_of(pid_t pid)
{
    const sim_process *self = sim_self()->process;
    for (unsigned i = 0; i < sim.n_processes; i++) {
        sim_process *p = &sim.processes[i];
        if (p->alive && p->host == self->host && (pid_t)p->pid == pid) return p;
    }
    return NULL;
}

WRAP(pid_t, getpid, void)
{
    return sim_self() ? (pid_t)sim_self()->process->pid : __real_getpid();
}

WRAP(int, kill, pid_t pid, int signo)
{
    if (!sim_self()) return __real_kill(pid, signo);
    if (process_of(pid)) return 0;
    errno = ESRCH;
    return -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    if (!sim_self()) return __real_open(path, flags, mode);
    char *end = proc_text;
    unsigned long pid = strncmp(path, "/proc/", 6) == 0 ? strtoul(path + 6, &end, 10) : 0;
    if (pid == 0) {
        snprintf(proc_text, sizeof proc_text, "boot-%u\n", sim_self()->process->host);
        return PROC_FD;
    }
    if (!process_of((pid_t)pid)) {
        errno = ENOENT;
        return -1;
    }
    snprintf(proc_text, sizeof proc_text, "%lu (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 %lu 0 0\n", pid, 7 * pid);
    return PROC_FD;
}

WRAP(ssize_t, read, int fd, void *out, size_t n)
{
    if (fd != PROC_FD) return __real_read(fd, out, n);
    size_t len = strlen(proc_text);
    if (len > n) len = n;
    memcpy(out, proc_text, len);
    return (ssize_t)len;
}

WRAP(int, close, int fd)
{
    return fd == PROC_FD ? 0 : __real_close(fd);
}

WRAP(ssize_t, readlink, const char *path, char *out, size_t n)
{
    if (!sim_self()) return __real_readlink(path, out, n);
    int len = snprintf(out, n, "pid:[%u]", sim_self()->process->host);
    return len < (int)n ? len : (ssize_t)n;
}

/* A mistake that the library has seen itself. */
_Noreturn void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function);
_Noreturn void __real___assert_fail(const char *what, const char *file, unsigned line, const char *function);
_Noreturn void __wrap___assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
    if (!sim_self()) __real___assert_fail(what, file, line, function);
    sim_violate("%s:%u: the assertion %s fails", file, line, what);
    abort();
}
