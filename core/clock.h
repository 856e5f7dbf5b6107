/* SPDX-License-Identifier: MIT */
#ifndef EYOT_CORE_CLOCK_H
#define EYOT_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t eyot__now_ns(void) /* monotonic */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t eyot__boot_ns(void) /* monotonic, and goes on while the machine is suspended */
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t eyot__coarse_ns(void) /* monotonic, a few ms behind at most, for a tenth of the cost */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int64_t eyot__wall_coarse_ms(void) /* since 1970, a few ms behind at most, for a tenth of the cost */
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline int64_t eyot__wall_ms(void) /* since 1970 */
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
