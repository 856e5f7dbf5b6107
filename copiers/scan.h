/* SPDX-License-Identifier: MIT */
/* Looking through bytes for what JSON writes in another way, 16 at a time where the processor can. */
#ifndef EYOT_COPIERS_SCAN_H
#define EYOT_COPIERS_SCAN_H

#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The first byte that is no ASCII. */
static inline const char *eyot__skip_ascii(const char *p, const char *end)
{
#if defined(__SSE2__)
    while (end - p >= 16) {
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p));
        if (mask) return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && (unsigned char)*p < 0x80) p++;
    return p;
}

/* The first byte that must be escaped. */
static inline const char *eyot__skip_unescaped(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(x, control), x),
                                    _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask) return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\') p++;
    return p;
}

/* The first byte that is a quote, a backslash, a control byte or no ASCII. */
static inline const char *eyot__skip_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* As signed bytes, control bytes and those above 0x7f are all less than a space. */
        __m128i stop = _mm_or_si128(_mm_cmplt_epi8(x, space),
                                    _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask) return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && (unsigned char)(*p - 0x20) < 0x60 && *p != '"' && *p != '\\') p++;
    return p;
}

/* Of the 32 bytes at p, a bit for each that stops eyot__skip_plain. */
static inline uint32_t eyot__plain_stops(const char *p)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(p + 16));
    __m128i stop_x =
        _mm_or_si128(_mm_cmplt_epi8(x, space), _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)));
    __m128i stop_y =
        _mm_or_si128(_mm_cmplt_epi8(y, space), _mm_or_si128(_mm_cmpeq_epi8(y, quote), _mm_cmpeq_epi8(y, backslash)));
    return (uint32_t)_mm_movemask_epi8(stop_x) | (uint32_t)_mm_movemask_epi8(stop_y) << 16;
#else
    uint32_t stops = 0;
    for (unsigned i = 0; i < 32; i++)
        stops |= (uint32_t)((unsigned char)(p[i] - 0x20) >= 0x60 || p[i] == '"' || p[i] == '\\') << i;
    return stops;
#endif
}

#endif
