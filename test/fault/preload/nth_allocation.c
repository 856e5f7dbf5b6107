/* SPDX-License-Identifier: MIT */
/* Loaded before a program's libraries: allocation number EYOT_FAIL_AT of the process fails, and with EYOT_FAIL_STAYS all after
 * it. Without EYOT_FAIL_AT it counts, and writes the number to file EYOT_FAIL_COUNT when the program ends. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void *(*malloc_fn)(size_t);
typedef void *(*calloc_fn)(size_t, size_t);
typedef void *(*realloc_fn)(void *, size_t);

static malloc_fn real_malloc;
static calloc_fn real_calloc;
static realloc_fn real_realloc;
static atomic_long seen;
static long fail_at;
static bool stays, ready;

/* What the loader itself asks for while the functions are looked up. */
static char early[4096];
static size_t early_used;

static void *symbol(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);
    if (!p) _exit(99);
    return p;
}

__attribute__((constructor)) static void begin(void)
{
    void *m = symbol("malloc"), *c = symbol("calloc"), *r = symbol("realloc");
    memcpy(&real_malloc, &m, sizeof m);
    memcpy(&real_calloc, &c, sizeof c);
    memcpy(&real_realloc, &r, sizeof r);
    const char *at = getenv("EYOT_FAIL_AT");
    fail_at = at ? strtol(at, NULL, 10) : 0;
    stays = getenv("EYOT_FAIL_STAYS") != NULL;
    ready = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("EYOT_FAIL_COUNT");
    char text[32];
    if (!path) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int len = snprintf(text, sizeof text, "%ld\n", atomic_load(&seen));
    if (fd < 0 || write(fd, text, (size_t)len) != len) _exit(98);
    close(fd);
}

static bool fails(void)
{
    if (!ready) return false;
    long n = atomic_fetch_add(&seen, 1) + 1;
    bool now = fail_at && (n == fail_at || (stays && n > fail_at));
    if (now) errno = ENOMEM;
    return now;
}

static void *take_early(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (size > sizeof early - early_used) _exit(97);
    void *p = early + early_used;
    early_used += size;
    return p;
}

void *malloc(size_t size)
{
    if (!real_malloc) return take_early(size);
    return fails() ? NULL : real_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    if (!real_calloc) return take_early(n * size);
    return fails() ? NULL : real_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    if (!real_realloc) _exit(96);
    return fails() ? NULL : real_realloc(p, size);
}
