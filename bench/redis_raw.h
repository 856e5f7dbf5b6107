/* SPDX-License-Identifier: MIT */
/* The yardstick of the Redis store: a plain loop with hiredis. Only where that is (HAVE_REDIS). */
#ifndef EYOT_BENCH_REDIS_RAW_H
#define EYOT_BENCH_REDIS_RAW_H

#include <stddef.h>
#include <stdint.h>

typedef struct redis_raw redis_raw;

/* The server of a URL as test/services.sh gives it: redis+unix:///path?db=0. Its keys are new. The program ends when anything
 * fails. */
redis_raw *redis_raw_open(const char *url);
void redis_raw_close(redis_raw *r);
/* n calls of a script: if the head of a hash is what it was, an entry of so many bytes goes to a list, and the head is
 * written. */
void redis_raw_steps(redis_raw *r, size_t n, const void *body, size_t len);
/* The hash's head and the list's last so many entries, in one packet; returns their bytes. */
uint64_t redis_raw_load(redis_raw *r, size_t entries);

#endif
