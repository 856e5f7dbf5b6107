/* SPDX-License-Identifier: MIT */
/* The contract of <eyot/copier.h> as tests that every copier passes. To try one of your own, add a line at the end of
 * copier_suite.c:  COPIER_SUITE(mine, my_copier(), make_mine)  — the table, and a function that makes a state, or an update,
 * from a number: the same one for the same number, mostly others for others. NULL fails the test. */
#ifndef EYOT_TEST_COPIER_SUITE_H
#define EYOT_TEST_COPIER_SUITE_H

#include <eyot/copier.h>

#include "test/eyot_test.h"

typedef void *(*copier_make_fn)(uint64_t seed);

#define COPIER_TESTS(X, copier)                              \
    X(copier, table__has_what_is_required)                   \
    X(copier, copy__is_not_changed_through_the_other)        \
    X(copier, copy__has_the_same_bytes)                      \
    X(copier, encode__gives_the_same_bytes_for_equal_values) \
    X(copier, encode__appends)                               \
    X(copier, encode__reports_a_full_buffer)                 \
    X(copier, decode__gives_back_what_was_encoded)           \
    X(copier, decode__of_cut_bytes_ends_in_a_status)         \
    X(copier, decode__of_changed_bytes_ends_in_a_status)     \
    X(copier, apply__is_deterministic)                       \
    X(copier, apply__leaves_the_update)                      \
    X(copier, apply__to_a_decoded_state_is_the_same)         \
    X(copier, equal__is_as_the_bytes_say)                    \
    X(copier, hash__is_the_same_for_equal_values)            \
    X(copier, conflict__names_the_same_places_each_time)     \
    X(copier, conflict__ends_when_the_callback_says_so)      \
    X(copier, diff__leads_from_one_state_to_the_other)       \
    X(copier, difference__is_told_where_the_bytes_differ)    \
    X(copier, measure__is_not_nothing)                       \
    X(copier, threads__may_read_one_state)

#define COPIER_TEST(copier, name)                                         \
    TEST(copier_##copier##__##name)                                       \
    {                                                                     \
        name(copier_table_##copier(), copier_make_##copier, test_seed()); \
    }
#define COPIER_SUITE(copier, table, make)                 \
    static const eyot_copier *copier_table_##copier(void) \
    {                                                     \
        return (table);                                   \
    }                                                     \
    static void *copier_make_##copier(uint64_t seed)      \
    {                                                     \
        void *made = (make)(seed);                        \
        CHECK(made != NULL);                              \
        return made;                                      \
    }                                                     \
    COPIER_TESTS(COPIER_TEST, copier)

#endif
