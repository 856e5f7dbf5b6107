/* SPDX-License-Identifier: MIT */
/* The contract of <eyot/store.h> as tests that every backend passes. To try one of your own, add a line at the end of
 * store_suite.c:  STORE_SUITE(mine, "mine:%s/runs", true)  — a URL in which %s becomes a fresh directory, and whether what
 * was written is found again by who opens the URL a second time. A backend without an optional slot must refuse it.
 * "$NAME" is the URL of a server in the environment, to which a fresh prefix= is added; without it the tests are skipped. */
#ifndef EYOT_TEST_STORE_SUITE_H
#define EYOT_TEST_STORE_SUITE_H

#include "test/eyot_test.h"

typedef struct store_backend {
    const char *url;
    bool keeps;
} store_backend;

#define STORE_TESTS(X, backend)                                   \
    X(backend, create__gives_the_row_that_was_asked_for)          \
    X(backend, create__refuses_an_id_that_is_taken)               \
    X(backend, create__refuses_what_is_no_id)                     \
    X(backend, create__keeps_ids_apart_that_differ_in_case)       \
    X(backend, create__takes_every_letter_and_128_bytes)          \
    X(backend, create__without_an_owner_is_released)              \
    X(backend, create__keeps_a_graph_once)                        \
    X(backend, get__of_nothing_is_not_found)                      \
    X(backend, commit__advances_the_row)                          \
    X(backend, commit__second_write_is_refused)                   \
    X(backend, commit__sent_again_is_already_there)               \
    X(backend, commit__ahead_of_the_head_is_refused)              \
    X(backend, commit__must_number_its_entries)                   \
    X(backend, commit__with_another_epoch_is_fenced)              \
    X(backend, commit__with_another_token_is_fenced)              \
    X(backend, commit__to_no_run_is_gone)                         \
    X(backend, commit__without_entries_renews_the_lease)          \
    X(backend, commit__renewal_does_not_hide_a_commit_sent_again) \
    X(backend, commit__after_a_release_needs_a_claim)             \
    X(backend, commit__release_sent_again_changes_nothing)        \
    X(backend, commit__each_of_many_by_itself)                    \
    X(backend, commit__two_of_one_run_in_one_call)                \
    X(backend, commit__is_never_seen_by_halves)                   \
    X(backend, commit__writers_on_one_run_win_once)               \
    X(backend, commit__writers_on_many_runs_do_not_meet)          \
    X(backend, commit__keeps_nul_bytes_and_empty_bodies)          \
    X(backend, commit__keeps_a_large_body)                        \
    X(backend, commit__keeps_the_ends_of_64_bits)                 \
    X(backend, commit__copies_its_bytes)                          \
    X(backend, commit__takes_a_key_of_256_bytes_and_no_more)      \
    X(backend, claim__raises_epoch_and_attempts)                  \
    X(backend, claim__of_a_held_run_is_busy)                      \
    X(backend, claim__takes_a_run_whose_lease_has_ended)          \
    X(backend, claim__steals_only_from_the_epoch_it_names)        \
    X(backend, claim__fences_who_had_it_before)                   \
    X(backend, claim__of_a_done_run_is_already)                   \
    X(backend, claim__by_queue_goes_by_lease_priority_and_time)   \
    X(backend, claim__by_queue_keeps_to_what_is_due_there)        \
    X(backend, claim__by_queue_takes_the_graphs_it_names)         \
    X(backend, claim__given_back_takes_back_its_attempt)          \
    X(backend, claim__by_many_gives_each_run_once)                \
    X(backend, load__latest_begins_at_the_snapshot)               \
    X(backend, load__as_of_a_seq)                                 \
    X(backend, load__ends_when_the_callback_says_so)              \
    X(backend, entries__are_listed_from_and_up_to)                \
    X(backend, runs__are_listed_in_pages_newest_first)            \
    X(backend, runs__are_filtered)                                \
    X(backend, runs__cursor_that_is_none_is_refused)              \
    X(backend, info__names_backend_and_class)                     \
    X(backend, reopened__has_what_its_class_promises)             \
    X(backend, forked__child_is_refused)                          \
    X(backend, post__arrives_once)                                \
    X(backend, post__wakes_a_suspended_run)                       \
    X(backend, post__to_a_held_run_wakes_it_when_it_suspends)     \
    X(backend, inbox__is_consumed_by_the_commit_alone)            \
    X(backend, outbox__has_the_events_of_commits_alone)           \
    X(backend, outbox__takes_events_that_come_with_a_release)     \
    X(backend, outbox__takes_ids_of_the_run_alone)                \
    X(backend, outbox__keeps_the_order_of_each_run)               \
    X(backend, outbox__keeps_what_is_not_acknowledged)            \
    X(backend, value__is_changed_by_who_knows_its_version)        \
    X(backend, value__ends_with_its_time)                         \
    X(backend, value__of_one_namespace_is_not_of_another)         \
    X(backend, prune__drops_what_no_snapshot_needs)               \
    X(backend, prune__is_refused_when_the_head_moved)             \
    X(backend, prune__leaves_holes_that_readers_pass_over)        \
    X(backend, delete__leaves_a_tombstone_while_a_lease_runs)     \
    X(backend, delete__of_a_run_that_others_hold_is_busy)         \
    X(backend, delete__by_an_epoch_that_is_over_is_busy)          \
    X(backend, delete__keeps_a_worker_from_bringing_the_run_back) \
    X(backend, delete__frees_the_id_of_a_released_run)            \
    X(backend, delete__takes_the_values_of_the_run_along)

#define STORE_TEST(backend, name)                        \
    TEST(store_##backend##__##name)                      \
    {                                                    \
        store_suite_run(&store_backend_##backend, name); \
    }
#define STORE_SUITE(backend, url, keeps)                               \
    static const store_backend store_backend_##backend = {url, keeps}; \
    STORE_TESTS(STORE_TEST, backend)

#endif
