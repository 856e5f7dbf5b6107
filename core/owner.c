/* SPDX-License-Identifier: MIT */
/* Who holds a run: "boot/namespace/pid/start/engine". On the same machine, in the same pid namespace, a dead owner is seen
 * at once, so that going on after a SIGKILL never waits for a lease; the store's fence guards it anyway. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcntl.h>

#include "core/run.h"

static bool read_file(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    if (n <= 0) return false;
    out[n] = 0;
    return true;
}

/* Fields of /proc/PID/stat (proc(5)): 3 the state, 20 the number of threads, 22 when the process started, in ticks since
 * boot. The name in field 2 may hold anything, so counting begins after its last parenthesis. A process that was killed
 * and not yet waited for is a zombie without threads: it does nothing any more. */
static bool look_at(long long pid, unsigned long long *start, bool *zombie)
{
    char path[64], text[1024], state;
    long threads;
    snprintf(path, sizeof path, "/proc/%lld/stat", pid);
    if (!read_file(path, text, sizeof text)) return false;
    char *p = strrchr(text, ')');
    if (!p || sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu", &state,
                     &threads, start) != 3)
        return false;
    *zombie = (state == 'Z' || state == 'X') && threads <= 1;
    return true;
}

/* The engines of this process that live: a claim of one that was freed is nobody's any more. */
static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;
static eyot_engine *engines;
static uint64_t engine_numbers;

static void name_owner(char out[EYOT__OWNER_BYTES], uint64_t number)
{
    char boot[64] = "?", space[64] = "?";
    unsigned long long start = 0;
    long long pid = (long long)getpid();
    bool zombie;
    if (read_file("/proc/sys/kernel/random/boot_id", boot, sizeof boot)) boot[strcspn(boot, "\n")] = 0;
    ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
    if (n > 0) space[n] = 0;
    (void)look_at(pid, &start, &zombie);
    snprintf(out, EYOT__OWNER_BYTES, "%s/%s/%lld/%llu/%llu", boot, space, pid, start, (unsigned long long)number);
}

void eyot__owner_of_process(char out[EYOT__OWNER_BYTES])
{
    name_owner(out, 0);
}

void eyot__owner_enter(eyot_engine *engine)
{
    pthread_mutex_lock(&engines_lock);
    engine->number = ++engine_numbers;
    engine->next = engines;
    engines = engine;
    pthread_mutex_unlock(&engines_lock);
    name_owner(engine->owner, engine->number);
}

void eyot__owner_leave(eyot_engine *engine)
{
    pthread_mutex_lock(&engines_lock);
    eyot_engine **link = &engines;
    while (*link && *link != engine) link = &(*link)->next;
    if (*link) *link = engine->next;
    pthread_mutex_unlock(&engines_lock);
}

/* Number 0 is no engine but the process itself. */
static bool engine_lives(unsigned long long number)
{
    if (number == 0) return true;
    pthread_mutex_lock(&engines_lock);
    eyot_engine *e = engines;
    while (e && e->number != number) e = e->next;
    pthread_mutex_unlock(&engines_lock);
    return e != NULL;
}

/* The length of the part of an owner up to its n-th slash; 0: it has fewer. */
static size_t upto_slash(const char *text, int n)
{
    const char *p = text - 1;
    for (; p && n > 0; n--) p = strchr(p + 1, '/');
    return p ? (size_t)(p - text) : 0;
}

eyot__owner_state eyot__owner_look(const char *self, eyot_bytes owner)
{
    char other[EYOT__OWNER_BYTES];
    if (owner.n == 0 || owner.n >= sizeof other) return EYOT__OWNER_UNKNOWN;
    memcpy(other, owner.p, owner.n);
    other[owner.n] = 0;
    if (strcmp(self, other) == 0) return EYOT__OWNER_SELF;
    size_t host = upto_slash(self, 2);
    if (host == 0 || host != upto_slash(other, 2) || memcmp(self, other, host) != 0 || self[0] == '?')
        return EYOT__OWNER_UNKNOWN;
    long long pid;
    unsigned long long start, now, number;
    if (sscanf(other + host, "/%lld/%llu/%llu", &pid, &start, &number) != 3 || pid <= 0) return EYOT__OWNER_UNKNOWN;
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) return EYOT__OWNER_DEAD;
    bool zombie;
    if (look_at(pid, &now, &zombie) && (now != start || zombie)) return EYOT__OWNER_DEAD;
    return pid == (long long)getpid() && !engine_lives(number) ? EYOT__OWNER_DEAD : EYOT__OWNER_ALIVE;
}

bool eyot_owner_is_gone(eyot_bytes owner)
{
    char self[EYOT__OWNER_BYTES];
    eyot__owner_of_process(self);
    return eyot__owner_look(self, owner) == EYOT__OWNER_DEAD;
}
