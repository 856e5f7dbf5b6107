#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# services.sh SCRIPT   test/services.sh leaves nothing behind, however it ends
set -euo pipefail
script=$1 failed=0
command -v mariadbd >/dev/null || PATH=$PATH:/usr/sbin
command -v mariadbd >/dev/null && command -v redis-cli >/dev/null || exit 77
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
wrong() { echo "FAIL $1: $2" && failed=$((failed + 1)); }
servers() { pgrep -f -- "$TMPDIR" || true; }
nothing_left() { # NAME
    for _ in $(seq 100); do
        [ -n "$(ls -A "$TMPDIR")$(servers)" ] || return 0
        sleep 0.1
    done
    wrong "$1" "left: $(ls -A "$TMPDIR") $(servers | tr '\n' ' ')"
    rm -rf "${TMPDIR:?}"/*
}

status=0
"$script" bash -c 'test -n "$EYOT_TEST_MYSQL$EYOT_TEST_REDIS"; exit 3' || status=$?
[ "$status" = 3 ] || wrong "a command's status is the script's" "it is $status"
nothing_left "a command that ends"
for signal in INT:130 TERM:143 HUP:143; do
    name="SIG${signal%:*}" status=0
    rm -f "$TMPDIR-begun"
    # Bash lets its background commands ignore SIGINT.
    python3 -c 'import os,signal,sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
        "$script" bash -c 'touch "$0"; sleep 60' "$TMPDIR-begun" &
    pid=$!
    for _ in $(seq 600); do [ -e "$TMPDIR-begun" ] && break; sleep 0.05; done
    kill -"${signal%:*}" "$pid"
    wait "$pid" || status=$?
    [ "$status" = "${signal#*:}" ] || wrong "$name" "the status is $status"
    nothing_left "$name"
done
rm -f "$TMPDIR-begun"
echo "4 tests, $((4 - failed)) passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
