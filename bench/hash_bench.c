/* SPDX-License-Identifier: MIT */
/* What a checksum costs per record: with the processor's instruction, without, and beside a copy of the same bytes. */
#include <string.h>

#include "bench/bench.h"
#include "core/hash.h"

static unsigned char from[65536], to[65536];
static volatile uint32_t sink;

static void crc(void *len)
{
    sink = eyot__crc32c(0, from, *(size_t *)len);
}
static void crc_by_table(void *len)
{
    sink = eyot__crc32c_by_table(0, from, *(size_t *)len);
}

static void copy(void *len)
{
    memcpy(to, from, *(size_t *)len);
    sink = to[*(size_t *)len - 1];
}

static void sha(void *len)
{
    uint8_t digest[32];
    eyot__sha256(from, *(size_t *)len, digest);
    sink = digest[0];
}

int main(int argc, char **argv)
{
    size_t small = 1024, large = sizeof from;
    bench_begin(argc, argv);
    double copied = bench_time("memcpy__1KiB", 1, copy, &small);
    double fast = bench_time("crc32c__1KiB", 1, crc, &small);
    double slow = bench_time("crc32c_by_table__1KiB", 1, crc_by_table, &small);
    bench_ratio("crc32c__1KiB_over_memcpy", fast, copied, NULL);
    bench_ratio("crc32c__1KiB_over_table", fast, slow, NULL);
    copied = bench_time("memcpy__64KiB", 1, copy, &large);
    fast = bench_time("crc32c__64KiB", 1, crc, &large);
    bench_ratio("crc32c__64KiB_over_memcpy", fast, copied, NULL);
    bench_time("sha256__1KiB", 1, sha, &small);
    return bench_end();
}
