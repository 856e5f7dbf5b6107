#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# examples_without_memory.sh PRELOAD HELLO DIGEST   the n-th allocation of the whole process fails, SQLite's and libc's too,
# over examples/hello.c and examples/digest.c: the program ends by itself, with success or with one line that says why, and
# what it leaves can be gone on with to the result of an undisturbed run. Every n with EYOT_TEST_LONG=25, by default one in
# 25 from a random beginning, which is printed.
set -uo pipefail
preload=$(realpath "$1") hello=$(realpath "$2") digest=$(realpath "$3")
stride=$((25 / ${EYOT_TEST_LONG:-1}))
[ "$stride" -ge 1 ] || stride=1
first=${EYOT_TEST_SEED:-$((RANDOM % stride + 1))}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir texts
for i in 1 2 3; do printf 'some words of text %s\nand a longest-word-number-%s\n' "$i" "$i" >"texts/$i"; done
fail() {
    echo "examples_without_memory: $* (first $first, stride $stride)" >&2
    exit 1
}

# one_pass N STAYS RESUME… -- PROGRAM…   runs PROGRAM with the failing allocation, then RESUME without it
one_pass() {
    local n=$1 stays=$2 status
    shift 2
    rm -f ./*.db*
    env LD_PRELOAD="$preload" EYOT_FAIL_AT="$n" ${stays:+EYOT_FAIL_STAYS=1} timeout 20 "$@" >out 2>err
    status=$?
    case $status in
        0) cmp -s out want || fail "allocation $n of $1: success with another result" ;;
        1) [ "$(wc -l <err)" -le 1 ] || fail "allocation $n of $1: $(cat err)" ;;
        *) fail "allocation $n of $1: status $status, $(cat err)" ;;
    esac
    # A thread without memory for its stack is "temporarily unavailable" to libc.
    [ ! -s err ] || grep -qiE "memory|temporarily unavailable" err || fail "allocation $n of $1 says: $(cat err)"
}

campaign() { # NAME PROGRAM…
    local name=$1 total n passes=0
    shift
    rm -f ./*.db*
    env LD_PRELOAD="$preload" EYOT_FAIL_COUNT="$dir/count" "$@" >want 2>err || fail "$name: $(cat err)"
    total=$(cat count) && [ "$total" -gt 0 ] || fail "$name: nothing was counted"
    for stays in "" 1; do
        for ((n = first; n <= total; n += stride)); do
            one_pass "$n" "$stays" "$@"
            go_on "$n"
            passes=$((passes + 1))
        done
    done
    echo "$name: $total allocations, $passes passes"
}

# A second run beside what the first has left.
go_on() { "$hello" >out 2>err && cmp -s out want || fail "after allocation $1: $(cat err)"; }
campaign hello "$hello"
# The run goes on where it was, or begins if it never did.
go_on() {
    "$digest" --resume d.db r texts >out 2>err || "$digest" d.db r texts >out 2>>err || fail "after allocation $1: $(cat err)"
    cmp -s out want || fail "after allocation $1: another report"
}
campaign digest "$digest" d.db r texts
