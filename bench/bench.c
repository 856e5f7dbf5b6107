/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_SAMPLES = 5, MAX_SAMPLES = 21, SAMPLE_NS = 2000000, TOTAL_NS = 300000000 };

static struct {
    FILE *json;
    char **parts;
    int n_parts;
} now;

/* ---- allocations: glibc lets a program put its own functions before the library's ---- */

static atomic_bool counting;
static _Atomic uint64_t allocations;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static void count(void)
{
    if (atomic_load_explicit(&counting, memory_order_relaxed))
        atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    count();
    return __libc_realloc(p, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    count();
    return __libc_memalign(align, size);
}

void bench_count_allocations(bool on)
{
    atomic_store(&counting, on);
}
uint64_t bench_allocations(void)
{
    return atomic_load(&allocations);
}

/* ---- results ---- */

uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_begin(int argc, char **argv)
{
    int i = 1;
    if (argc > 2 && strcmp(argv[1], "--json") == 0) {
        now.json = fopen(argv[2], "w");
        if (!now.json) {
            perror(argv[2]);
            exit(2);
        }
        i = 3;
    }
    now.parts = argv + i;
    now.n_parts = argc - i;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

int bench_end(void)
{
    if (now.json && fclose(now.json) != 0) {
        perror("the JSON file");
        return 2;
    }
    return 0;
}

bool bench_wanted(const char *name)
{
    for (int i = 0; i < now.n_parts; i++) {
        if (strstr(name, now.parts[i]) || strncmp(now.parts[i], name, strlen(name)) == 0) return true;
    }
    return now.n_parts == 0;
}

/* 1234.5 ns → "1.23 us" */
static const char *time_text(char text[32], double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    int u = 0;
    while (u < 3 && ns >= 1000) ns /= 1000, u++;
    snprintf(text, 32, "%.3g %s", ns, units[u]);
    return text;
}

/* One object per line, so that line-based tools can read it too. */
static void json_line(const char *name, double value, const char *unit, const char *more)
{
    if (now.json)
        fprintf(now.json, "{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"%s}\n", name, value, unit, more);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double time_of(uint64_t calls, void (*fn)(void *arg), void *arg)
{
    uint64_t start = bench_now_ns();
    for (uint64_t i = 0; i < calls; i++) fn(arg);
    return (double)(bench_now_ns() - start);
}

static double allocations_of(void (*fn)(void *arg), void *arg)
{
    uint64_t before = bench_allocations();
    bench_count_allocations(true);
    fn(arg);
    bench_count_allocations(false);
    return (double)(bench_allocations() - before);
}

double bench_time(const char *name, double ops, void (*fn)(void *arg), void *arg)
{
    double sample[MAX_SAMPLES], total = 0;
    char median[32], min[32], max[32], more[160];
    unsigned n = 0;
    uint64_t calls = 1;
    if (!bench_wanted(name)) return 0;
    double first = time_of(1, fn, arg); /* warms up */
    while (first * (double)calls < SAMPLE_NS) {
        calls *= 2;
        first = time_of(calls, fn, arg) / (double)calls;
    }
    while (n < MIN_SAMPLES || (n < MAX_SAMPLES && total < TOTAL_NS)) {
        double t = time_of(calls, fn, arg);
        total += t;
        sample[n++] = t / ((double)calls * ops);
    }
    qsort(sample, n, sizeof *sample, by_size);
    double allocated = allocations_of(fn, arg) / ops;
    printf("%-44s %10s/op  n=%u min %s max %s, %.3g allocations\n", name, time_text(median, sample[n / 2]), n,
           time_text(min, sample[0]), time_text(max, sample[n - 1]), allocated);
    snprintf(more, sizeof more, ", \"n\": %u, \"min\": %.6g, \"max\": %.6g, \"allocations\": %.6g", n, sample[0],
             sample[n - 1], allocated);
    json_line(name, sample[n / 2], "ns/op", more);
    return sample[n / 2];
}

void bench_ratio(const char *name, double ours, double yardstick, const char *goal)
{
    char more[64] = "";
    if (ours <= 0 || yardstick <= 0) return;
    printf("%-44s %10.3g x%s%s\n", name, ours / yardstick, goal ? "     goal " : "", goal ? goal : "");
    if (goal) snprintf(more, sizeof more, ", \"goal\": \"%s\"", goal);
    json_line(name, ours / yardstick, "x", more);
}

void bench_value(const char *name, double value, const char *unit)
{
    if (!bench_wanted(name)) return;
    printf("%-44s %10.4g %s\n", name, value, unit);
    json_line(name, value, unit, "");
}

void bench_absent(const char *name, const char *why)
{
    if (bench_wanted(name)) printf("%-44s %10s %s\n", name, "-", why);
}
