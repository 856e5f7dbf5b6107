#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# expect.sh SAMPLE   the harness itself: what it prints, keeps, removes and returns
set -eu
sample=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/tmp"
unset EYOT_TEST_NO_SKIP EYOT_TEST_SEED EYOT_TEST_PATIENCE
export TMPDIR="$dir/tmp"
ulimit -c 0

run() { # WANTED_STATUS ARG…
    want=$1
    shift
    status=0
    "$sample" "$@" >"$dir/out" 2>&1 || status=$?
    [ "$status" -eq "$want" ] || fail "$* ended with $status, not $want"
}
fail() {
    echo "$1"
    cat "$dir/out"
    exit 1
}
says() { grep -qx -- "$1" "$dir/out" || fail "no line \"$1\""; }

run 0 -l sample__
[ "$(head -n 1 "$dir/out")" = sample__a_passes ] || fail 'not in order of name'
run 0 a_passes
says '1 tests, 1 passed, 0 failed, 0 skipped'
[ -z "$(ls "$dir/tmp")" ] || fail 'the directory of a test that passed is still there'
run 1 a_passes b_fails c_skips
says '3 tests, 1 passed, 1 failed, 1 skipped'
says 'FAIL sample__b_fails'
says '.*sample.c:[0-9]*: 1 is 1, not 2'
says ' *EYOT_TEST_SEED=1'
says 'skip sample__c_skips: no server'
[ -n "$(ls "$dir/tmp")" ] || fail 'the directory of a test that failed is gone'
EYOT_TEST_SEED=77 run 1 b_fails
says ' *EYOT_TEST_SEED=77'
EYOT_TEST_NO_SKIP=1 run 1 c_skips
says '1 tests, 0 passed, 1 failed, 0 skipped'
run 1 d_fails_in_a_child
says '1 tests, 0 passed, 1 failed, 0 skipped'
run 1 no_such_test
status=0
EYOT_TEST_HANG_S=1 "$sample" sample__hangs >"$dir/out" 2>&1 || status=$?
[ "$status" -gt 128 ] || fail "a test that hangs ended with $status"
says 'FAIL (hangs) sample__hangs'
