# SPDX-License-Identifier: MIT
# For tests of the program `eyot`:  . lib.sh; it "does this"; eyot list; code 0; out_is ""; …; finish
# A test is a sentence and what follows it; all tests of a file share one directory. The first thing that is not as it
# should be fails the test and is printed. The last line is the one that all test programs end with.
# EYOT_TEST_ONLY=part of a sentence: what other tests find wrong is not counted. `if it "…"; then` spares their time, too.
# APART=1, set by a file: its tests need nothing of each other, and then `eyot` runs only what is wanted.
# EYOT_TEST_PATIENCE=N: N times as much time is allowed (1).
# shellcheck shell=bash disable=SC2034
set -u
EYOT=${1:?usage: $0 EYOT}
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DIR=$(mktemp -d "${TMPDIR:-/tmp}/eyot-cli.XXXXXX")
export HOME=$DIR XDG_CONFIG_HOME=$DIR/config TERM=dumb TZ=UTC LC_ALL=C.UTF-8
unset EYOT_STORE EYOT_STORE_PASSWORD NO_COLOR
cd "$DIR" || exit 1
PATIENCE=${EYOT_TEST_PATIENCE:-1}
TEST='' STATE=passed CODE=0 MS=0 PASSED=0 FAILED=0 SKIPPED=0

end_test() {
    [ -n "$TEST" ] || return 0
    case $STATE in
        passed) PASSED=$((PASSED + 1)) ;;
        skipped) SKIPPED=$((SKIPPED + 1)) ;;
        *) FAILED=$((FAILED + 1)) ;;
    esac
}

it() { # SENTENCE   false: it is not wanted
    end_test
    TEST=$1 STATE=passed
    case $TEST in *"${EYOT_TEST_ONLY:-}"*) ;; *) STATE=skipped ;; esac
    [ "$STATE" = passed ]
}

wrong() { # WHAT   once per test
    [ "$STATE" = passed ] || return 0
    STATE=failed
    printf 'FAIL %s\n     %s:%s: %s\n' "$TEST" "$(basename "$0")" "${BASH_LINENO[1]}" "$1"
    sed 's/^/     stdout: /' out 2>/dev/null | head -5
    sed 's/^/     stderr: /' err 2>/dev/null | head -5
}

skip() { # WHY
    [ -z "${EYOT_TEST_NO_SKIP:-}" ] || { wrong "would be skipped: $1"; return; }
    printf 'skip %s: %s\n' "$TEST" "$1"
    STATE=skipped
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Runs the program: stdout in `out`, stderr in `err`, its code in $CODE, the milliseconds it took in $MS.
eyot() {
    local began
    if [ -n "${APART:-}" ] && [ "$STATE" = skipped ]; then
        : >out 2>err
        return
    fi
    began=$(now_ms)
    CODE=0
    "$EYOT" "$@" >out 2>err </dev/null || CODE=$?
    MS=$(($(now_ms) - began))
}
# Until the command succeeds; the test fails when it never does.
wait_for() { # COMMAND…
    local last=$(($(now_ms) + 20000 * PATIENCE))
    [ "$STATE" = passed ] || last=0
    until "$@"; do
        [ "$(now_ms)" -lt "$last" ] || { wrong "in vain: waited for $*"; return 1; }
        sleep 0.02
    done
}
lines() { [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; } # FILE N   at least
# Processes of this test program with NAME=VALUE in the environment they began with, zombies aside.
export EYOT_TEST_PROGRAM_ID=$$
alive() { # NAME=VALUE
    grep -lsazx -e "$1" /proc/[0-9]*/environ | xargs -r grep -lsazx -e "EYOT_TEST_PROGRAM_ID=$$" | cut -d/ -f3
}
# A process that is no zombie: whoever inherits orphans may let them wait.
running() { grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"; } # PID
gone() { [ -z "$(alive "$1")" ]; }
gone_in() { # MS NAME=VALUE
    local last=$(($(now_ms) + $1 * PATIENCE))
    until gone "$2"; do
        [ "$(now_ms)" -lt "$last" ] || { wrong "still alive after $1 ms: $(alive "$2" | tr '\n' ' ')"; return; }
        sleep 0.02
    done
}

code() { [ "$CODE" = "$1" ] || wrong "the exit code is $CODE, not $1"; }
out_is() { [ "$(cat out)" = "$1" ] || wrong "stdout is not: $1"; }
out_has() { grep -qF -e "$1" out || wrong "stdout lacks: $1"; }
out_empty() { [ ! -s out ] || wrong "stdout is not empty"; }
err_is() { [ "$(cat err)" = "$1" ] || wrong "stderr is not: $1"; }
err_has() { grep -qF -e "$1" err || wrong "stderr lacks: $1"; }
err_empty() { [ ! -s err ] || wrong "stderr is not empty"; }
err_one_line() { [ "$(wc -l <err)" = 1 ] || wrong "stderr has not one line"; }
in_ms() { [ "$MS" -lt $(($1 * PATIENCE)) ] || wrong "it took $MS ms"; } # MOST
same() { [ "$1" = "$2" ] || wrong "\"$1\" is not \"$2\""; }
# Neither stream holds a control byte but newlines and tabs, nor a C1 control or a mark of direction.
nothing_raw() {
    ! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]' out err ||
        wrong "a control character is raw"
}
json() { # EXPRESSION VALUE   of what stdout holds, by Python
    local got
    got=$(python3 -c 'import json,sys; v=json.load(open("out")); print(json.dumps(eval(sys.argv[1])))' "$1" 2>&1)
    [ "$got" = "$2" ] || wrong "$1 is $got, not $2"
}

finish() {
    end_test
    cd / || exit 1
    # What should be gone and is not.
    [ "$FAILED" = 0 ] || alive "HOME=$DIR" | xargs -r kill -KILL 2>/dev/null
    if [ "$FAILED" = 0 ]; then rm -rf "$DIR"; else printf '     kept %s\n' "$DIR"; fi
    echo "$((PASSED + FAILED + SKIPPED)) tests, $PASSED passed, $FAILED failed, $SKIPPED skipped"
    [ "$FAILED" = 0 ]
    exit
}
