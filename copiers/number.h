/* SPDX-License-Identifier: MIT */
/* Decimal text of numbers, without the host's locale. */
#ifndef EYOT_COPIERS_NUMBER_H
#define EYOT_COPIERS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EYOT__NUMBER_MAX 32 /* bytes that the longest number needs */

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

/* Write at `to`, return the end. */
char *eyot__print_uint(char *to, uint64_t u);
char *eyot__print_int(char *to, int64_t i);
/* The shortest digits that read back as d, which is finite; with a point or an exponent. */
char *eyot__print_double(char *to, double d);

#endif
