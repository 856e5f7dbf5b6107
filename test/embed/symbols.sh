#!/bin/sh
# SPDX-License-Identifier: MIT
# symbols.sh LIBRARY INCLUDE_DIR   what libeyot.so exports, and what it must not ask the system for
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bad=0
none_in() { # FILE SENTENCE
    if [ -s "$1" ]; then
        echo "$2:"
        sed 's/^/    /' "$1"
        bad=1
    fi
}
nm -D --defined-only "$1" | awk '{ print $3 }' | sed 's/@.*//' | sort -u >"$dir/exported"
nm -D --undefined-only "$1" | awk '{ print $NF }' | sed 's/@.*//' | sort -u >"$dir/imported"
cat "$2"/eyot/*.h | tr '\n' ' ' | grep -o 'EYOT_API [^(;]*(' | grep -o 'eyot_[a-z0-9_]*($' | tr -d '(' | sort -u >"$dir/declared"
test -s "$dir/declared" || { echo 'no declarations found'; exit 1; }

grep -v '^eyot_[a-z0-9]' "$dir/exported" >"$dir/foreign" || true
none_in "$dir/foreign" 'exported, but not a public name'
comm -23 "$dir/exported" "$dir/declared" >"$dir/undeclared"
none_in "$dir/undeclared" 'exported, but in no public header'
comm -13 "$dir/exported" "$dir/declared" >"$dir/missing"
none_in "$dir/missing" 'in a public header, but not exported'

# Signals, streams, and what belongs to the whole process.
grep -xE 'signal|sigaction|__sigaction|bsd_signal|sysv_signal|__sysv_signal|sigset|siginterrupt|raise|setlocale|uselocale|chdir|fchdir|chroot|umask|setenv|putenv|unsetenv|clearenv|exit|_exit|atexit|system|popen|srand|srandom|stdin|stdout|stderr|printf|__printf_chk|vprintf|__vprintf_chk|puts|putchar|perror|psignal|dprintf|__dprintf_chk|syslog|openlog|pthread_atfork|setrlimit|prctl|mlockall' \
    "$dir/imported" >"$dir/forbidden" || true
none_in "$dir/forbidden" 'imported, although the library changes nothing of the process and writes to no stream'
exit $bad
