/* SPDX-License-Identifier: MIT */
/* Values for tests of what can be done with any value. */
#ifndef EYOT_TEST_VALUES_H
#define EYOT_TEST_VALUES_H

#include <eyot/copiers.h>

typedef enum value_numbers { FINITE_NUMBERS, ANY_NUMBERS } value_numbers; /* JSON has the finite ones */

/* Any value of at most depth + 1 levels, owned by the caller: every kind, and strings that codecs stumble over. */
eyot_value *value_at_random(uint64_t *seed, int depth, value_numbers numbers);

/* `unit` so many times, freed by free. */
char *text_repeated(const char *unit, size_t times);

#endif
