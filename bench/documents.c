/* SPDX-License-Identifier: MIT */
#include "bench/documents.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t draw(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double fraction(uint64_t *state)
{
    return (double)(draw(state) >> 11) / 9007199254740992.0;
}

static int put_record(char *to, unsigned i, uint64_t *seed)
{
    return sprintf(to,
                   "{\"id\":%u,\"name\":\"item %u\",\"price\":%.2f,\"active\":%s,\"tags\":[\"red\",\"tag%u\"],"
                   "\"at\":{\"x\":%.6f,\"y\":-%.6f},\"note\":null,\"count\":%u,"
                   "\"text\":\"The quick brown fox jumps over lazy dog %u\"}",
                   i, (unsigned)(draw(seed) % 100000), fraction(seed) * 1000, i & 1 ? "true" : "false",
                   (unsigned)(draw(seed) % 1000), fraction(seed), fraction(seed) * 100, (unsigned)(draw(seed) % 10000),
                   i);
}

static int put_numbers(char *to, uint64_t *seed)
{
    return sprintf(to, "[%.17g,%.5f,%lld,%.3e]", fraction(seed), fraction(seed) * 1e4 - 5e3,
                   (long long)(draw(seed) >> (draw(seed) % 60)) - 1000, fraction(seed) * 1e-9);
}

static int put_text(char *to, unsigned i)
{
    return sprintf(to,
                   i % 4
                       ? "\"Sentence %u goes on for a while, as sentences in a state do, and then it ends.\""
                       : "\"Line %u\\nsays \\\"na\xc3\xafve caf\xc3\xa9\\\" \xe2\x80\x94 and more of it \xe6\xb0\xb4\"",
                   i);
}

char *bench_document(document_kind kind, size_t bytes, size_t *len)
{
    char *text = malloc(bytes + 1024), *to = text;
    uint64_t seed = 42;
    if (!text) abort();
    to += sprintf(to, "{\"step\":42,\"items\":[");
    for (unsigned i = 0; !i || (size_t)(to - text) + 100 < bytes; i++) {
        if (i) *to++ = ',';
        to += kind == DOCUMENT_MIXED   ? put_record(to, i, &seed)
              : kind == DOCUMENT_TEXTS ? put_text(to, i)
                                       : put_numbers(to, &seed);
    }
    to += sprintf(to, "]}");
    *len = (size_t)(to - text);
    return text;
}
