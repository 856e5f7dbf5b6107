/* SPDX-License-Identifier: MIT */
/* Memory and time of fuzz targets. What is allocated is seen by the sanitizers' hooks; without sanitizers malloc itself is
 * here, in front of the C library's. */
#include "test/fuzz/fuzz.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void fuzz_demand(bool fact, const char *file, int line, const char *text)
{
    if (fact) return;
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, text);
    abort();
}

void *fuzz_copy(const void *data, size_t size)
{
    void *copy = malloc(size ? size : 1);
    if (!copy) abort();
    if (size) memcpy(copy, data, size);
    return copy;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static _Atomic size_t now, peak;
static size_t before;

static void count(size_t size)
{
    size_t is = atomic_fetch_add(&now, size) + size, was = atomic_load(&peak);
    while (is > was && !atomic_compare_exchange_weak(&peak, &was, is)) {}
}

static void uncount(size_t size)
{
    atomic_fetch_sub(&now, size);
}

#ifdef SANITIZED
/* sanitizer/allocator_interface.h, which gcc does not come with. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *p, size_t size),
                                              void (*on_free)(const volatile void *p));
size_t __sanitizer_get_allocated_size(const volatile void *p);

static void on_malloc(const volatile void *p, size_t size)
{
    (void)p;
    count(size);
}

static void on_free(const volatile void *p)
{
    if (p) uncount(__sanitizer_get_allocated_size(p));
}

__attribute__((constructor)) static void see_allocations(void)
{
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
}

#elif defined(__GLIBC__)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static void *counted(void *p)
{
    if (p) count(malloc_usable_size(p));
    return p;
}

void *malloc(size_t size)
{
    return counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return counted(__libc_calloc(n, size));
}

/* While it moves, both are there. */
void *realloc(void *p, size_t size)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    void *q = __libc_realloc(p, size);
    if (!q && size) return NULL;
    counted(q);
    uncount(old);
    return q;
}

void free(void *p)
{
    if (p) uncount(malloc_usable_size(p));
    __libc_free(p);
}
#endif

void fuzz_memory_begin(void)
{
    before = atomic_load(&now);
    atomic_store(&peak, before);
}

void fuzz_memory_end(size_t size, unsigned factor)
{
    size_t used = atomic_load(&peak) - before, most = factor * size + (1u << 20);
    if (used > most) fprintf(stderr, "%zu bytes of input took %zu bytes of memory, not %zu\n", size, used, most);
    DEMAND(used <= most);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#ifdef SANITIZED
    const double most_s = 10;
#else
    const double most_s = 1;
#endif
    double began = cpu_s();
    fuzz_one(data, size);
    double took = cpu_s() - began;
    if (took > most_s) fprintf(stderr, "%zu bytes of input took %.1f s\n", size, took);
    DEMAND(took <= most_s);
    return 0;
}
