/* SPDX-License-Identifier: MIT */
/* Decimal text of numbers, without the host's locale. */
#ifndef EYOT_COPIERS_NUMBER_H
#define EYOT_COPIERS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EYOT__NUMBER_MAX 48 /* bytes that writing a number may touch; the longest has 24 */

/* A decimal number as it was read: digits[0 … n) with a point or without, of which `mantissa` holds the first 19 that
 * count, times 10^exponent; `more` when there were others than zeros after those. */
typedef struct eyot__decimal {
    uint64_t mantissa;
    int64_t exponent; /* of the mantissa */
    bool more;
    const char *digits, *end; /* digits and at most one point */
    int64_t exponent10;       /* what stood behind the e */
} eyot__decimal;

/* The nearest double, ties to even; an infinity when it is too large. */
double eyot__decimal_to_double(const eyot__decimal *d);

/* The double of a number whose digits are all in the mantissa, when one multiplication or division of two exact doubles
 * gives it (W. Clinger, 1990); false if it is none of these. */
static inline bool eyot__small_double(uint64_t mantissa, int64_t exponent, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (mantissa > (uint64_t)1 << 53 || exponent < -22 || exponent > 22) return false;
    double m = (double)mantissa;
    *out = exponent < 0 ? m / powers[-exponent] : m * powers[exponent];
    return true;
}

/* The double nearest to a mantissa whose digits are all there, if that can be told quickly; false: not. */
bool eyot__quick_double(uint64_t mantissa, int64_t exponent, double *out);

/* Write at `to`, return the end. */
char *eyot__print_uint(char *to, uint64_t u);
char *eyot__print_int(char *to, int64_t i);
/* The shortest digits that read back as d, which is finite; with a point or an exponent. */
char *eyot__print_double(char *to, double d);

#endif
