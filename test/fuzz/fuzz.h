/* SPDX-License-Identifier: MIT */
/* What fuzz targets share; fuzz.c. A target is one file that defines fuzz_one. With libFuzzer, or with replay.c in its place. */
#ifndef EYOT_TEST_FUZZ_H
#define EYOT_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does with any bytes what the target is for, and demands what it promises. The bytes end where an allocation ends. */
void fuzz_one(const uint8_t *data, size_t size);

/* Aborts, having said where, unless it is a fact. */
#define DEMAND(fact) fuzz_demand((fact), __FILE__, __LINE__, #fact)
void fuzz_demand(bool fact, const char *file, int line, const char *text);

/* Between these calls the memory that is allocated at once, beyond what was there at the first, may be `factor` × size + 1 MiB. */
void fuzz_memory_begin(void);
void fuzz_memory_end(size_t size, unsigned factor);

/* A copy of its own, so that a read beyond the end is seen; never NULL. */
void *fuzz_copy(const void *data, size_t size);

#endif
