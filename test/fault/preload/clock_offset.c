/* SPDX-License-Identifier: MIT */
/* A clock that jumps, for a program that does not know: EYOT_CLOCK names a file of one int64_t, which is added to the wall
 * clock's seconds. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static const volatile int64_t *offset;
static int (*real_clock)(clockid_t, struct timespec *);

static void find_clock(void)
{
    void *found = dlsym(RTLD_NEXT, "clock_gettime");
    __builtin_memcpy(&real_clock, &found, sizeof found);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("EYOT_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) offset = at;
}

int clock_gettime(clockid_t clock, struct timespec *out);
int clock_gettime(clockid_t clock, struct timespec *out)
{
    if (!real_clock) find_clock(); /* others ask before the constructors */
    int r = real_clock(clock, out);
    if (r == 0 && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += *offset;
    return r;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone);
int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    int r = clock_gettime(CLOCK_REALTIME, &t);
    out->tv_sec = t.tv_sec;
    out->tv_usec = t.tv_nsec / 1000;
    return r;
}

time_t time(time_t *out)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}
