/* SPDX-License-Identifier: MIT */
/* What all benches share: int main(int argc, char **argv) { bench_begin(argc, argv); …; return bench_end(); }
 * One line per result:  copy_json__4KiB_8_branches   1.8 us/op   n=21 min 1.7 us max 2.4 us, 0.0 allocations
 *   program [--json FILE] [part of a name …]
 * Times differ between machines, so a bench measures its yardstick in the same run and prints the ratio. */
#ifndef EYOT_BENCH_H
#define EYOT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

void bench_begin(int argc, char **argv);
int bench_end(void); /* what main returns */

/* Is this result, or one that the name begins, asked for? For whoever wants to skip costly preparations. */
bool bench_wanted(const char *name);

/* Runs fn(arg), which does `ops` operations, often enough for n samples of at least 2 ms; at least 5 samples and
 * about 300 ms in all. Counts the allocations of one more call. Returns the median in ns per operation; 0: not wanted. */
double bench_time(const char *name, double ops, void (*fn)(void *arg), void *arg);

/* Several ways measured in turn, sample by sample, so that whatever else the machine does meets all of them. Reports
 * each; false: none of them is wanted. */
enum { BENCH_MAX_SAMPLES = 21 };
typedef struct bench_way {
    const char *name;
    double ops; /* that one call of fn does */
    void (*fn)(void *arg);
    void *arg;
    void (*before)(void *arg); /* before each sample, not measured; may be NULL */
    double sample[BENCH_MAX_SAMPLES];
    unsigned n;
} bench_way;
bool bench_in_turn(bench_way *ways, size_t n);

/* The first divided by the second, as bench_in_turn measured them: the median over their pairs of samples. To compare
 * rates, the yardstick comes first. */
void bench_quotient(const char *name, const bench_way *first, const bench_way *second, const char *goal);

/* Ours divided by the yardstick, both as bench_time returned them, with the goal it is held against ("<= 2.5"; NULL:
 * none). Nothing when one of them was not measured. */
void bench_ratio(const char *name, double ours, double yardstick, const char *goal);

/* Any other number: bench_value("memory__per_branch", 231, "B"). */
void bench_value(const char *name, double value, const char *unit);

/* A yardstick that is not there: says so instead of leaving a gap. */
void bench_absent(const char *name, const char *why);

uint64_t bench_now_ns(void); /* monotonic */
uint64_t
bench_allocations(void); /* malloc, calloc, realloc and the aligned ones so far, of all threads, while counted */
void bench_count_allocations(bool on);

#ifdef __cplusplus
}
#endif
#endif
