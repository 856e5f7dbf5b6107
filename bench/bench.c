/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MIN_SAMPLES = 5, SAMPLE_NS = 2000000, TOTAL_NS = 300000000 };

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

/* How many calls make a sample; warms up meanwhile. */
static uint64_t calls_of(const bench_way *way)
{
    uint64_t calls = 1;
    if (way->before) way->before(way->arg);
    double one = time_of(1, way->fn, way->arg);
    while (one * (double)calls < SAMPLE_NS) {
        calls *= 2;
        one = time_of(calls, way->fn, way->arg) / (double)calls;
    }
    return calls;
}

/* Returns the ns that it took. */
static double take_sample(bench_way *way, uint64_t calls)
{
    if (way->before) way->before(way->arg);
    double t = time_of(calls, way->fn, way->arg);
    way->sample[way->n++] = t / ((double)calls * way->ops);
    return t;
}

static bool enough(unsigned n, double total)
{
    return n >= BENCH_MAX_SAMPLES || (n >= MIN_SAMPLES && total >= TOTAL_NS);
}

/* Returns the median, in ns per operation. */
static double report(const bench_way *way)
{
    char median[32], min[32], max[32], more[160];
    double sample[BENCH_MAX_SAMPLES];
    unsigned n = way->n;
    memcpy(sample, way->sample, n * sizeof *sample);
    qsort(sample, n, sizeof *sample, by_size);
    double allocated = allocations_of(way->fn, way->arg) / way->ops;
    printf("%-44s %10s/op  n=%u min %s max %s, %.3g allocations\n", way->name, time_text(median, sample[n / 2]), n,
           time_text(min, sample[0]), time_text(max, sample[n - 1]), allocated);
    snprintf(more, sizeof more, ", \"n\": %u, \"min\": %.6g, \"max\": %.6g, \"allocations\": %.6g", n, sample[0],
             sample[n - 1], allocated);
    json_line(way->name, sample[n / 2], "ns/op", more);
    return sample[n / 2];
}

double bench_time(const char *name, double ops, void (*fn)(void *arg), void *arg)
{
    bench_way way = {.name = name, .ops = ops, .fn = fn, .arg = arg};
    double total = 0;
    if (!bench_wanted(name)) return 0;
    for (uint64_t calls = calls_of(&way); !enough(way.n, total);) total += take_sample(&way, calls);
    return report(&way);
}

bool bench_in_turn(bench_way *ways, size_t n)
{
    uint64_t calls[8];
    double total = 0; /* of the way that took least */
    bool wanted = false;
    assert(n >= 1 && n <= sizeof calls / sizeof *calls);
    for (size_t i = 0; i < n; i++) wanted = wanted || bench_wanted(ways[i].name);
    if (!wanted) return false;
    for (size_t i = 0; i < n; i++) calls[i] = calls_of(&ways[i]);
    for (unsigned round = 0; !enough(round, total); round++) {
        double least = 1e18;
        for (size_t k = 0; k < n; k++) {
            size_t i = (round + k) % n; /* nobody is always the first */
            double t = take_sample(&ways[i], calls[i]);
            if (t < least) least = t;
        }
        total += least;
    }
    for (size_t i = 0; i < n; i++) report(&ways[i]);
    return true;
}

void bench_quotient(const char *name, const bench_way *first, const bench_way *second, const char *goal)
{
    double q[BENCH_MAX_SAMPLES];
    char more[128] = "";
    unsigned n = first->n;
    if (n == 0 || n != second->n) return;
    for (unsigned i = 0; i < n; i++) q[i] = first->sample[i] / second->sample[i];
    qsort(q, n, sizeof *q, by_size);
    printf("%-44s %10.3g x     min %.3g max %.3g%s%s\n", name, q[n / 2], q[0], q[n - 1], goal ? ", goal " : "",
           goal ? goal : "");
    snprintf(more, sizeof more, ", \"min\": %.6g, \"max\": %.6g%s%s%s", q[0], q[n - 1], goal ? ", \"goal\": \"" : "",
             goal ? goal : "", goal ? "\"" : "");
    json_line(name, q[n / 2], "x", more);
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
