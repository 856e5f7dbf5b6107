#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes copiers/pow10.h:  python3 copiers/pow10.py > copiers/pow10.h"""
from fractions import Fraction

FIRST, LAST = -343, 324
print("""/* SPDX-License-Identifier: MIT */
/* Written by copiers/pow10.py. The first 128 bits of 10^q, high half first, for q from EYOT__POW10_FIRST: rounded down,
 * the highest bit is set; exact for q from 0 to 55. */
#ifndef EYOT_COPIERS_POW10_H
#define EYOT_COPIERS_POW10_H

#include <stdint.h>

/* clang-format off */""")
print(f"#define EYOT__POW10_FIRST ({FIRST})")
print(f"#define EYOT__POW10_LAST {LAST}")
print("static const uint64_t eyot__pow10[][2] = {")
row = []
for q in range(FIRST, LAST + 1):
    exact = Fraction(10) ** q
    shift = 127 - (exact.numerator.bit_length() - exact.denominator.bit_length())
    bits = int(exact * Fraction(2) ** shift)
    while bits >> 128:
        shift -= 1
        bits = int(exact * Fraction(2) ** shift)
    while not bits >> 127:
        shift += 1
        bits = int(exact * Fraction(2) ** shift)
    row.append("{0x%016x, 0x%016x}," % (bits >> 64, bits & (2**64 - 1)))
    if len(row) == 2 or q == LAST:
        print("    " + " ".join(row))
        row = []
print("};")
print("/* clang-format on */\n\n#endif")
