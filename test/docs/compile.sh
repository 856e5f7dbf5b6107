#!/bin/sh
# SPDX-License-Identifier: MIT
# compile.sh INCLUDE_DIR DIR CC FILE.md…   every C block of the pages compiles: those that begin with ```c functions as they
# are, those that begin with ```c inside a function that knows the usual variables
set -eu
here=$(cd "$(dirname "$0")" && pwd)
include=$1 dir=$2 cc=$3
shift 3
rm -rf "$dir"
mkdir -p "$dir"
for page; do
    source=$dir/$(basename "$page" .md).c
    {
        cat <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <eyot/copiers.h>
#include <eyot/eyot.h>
#include <eyot/stores.h>
extern eyot_graph *g;
extern eyot_store *store;
extern eyot_engine *engine;
extern eyot_run *run;
extern eyot_task *task;
extern eyot_error e;
C
        cat "$here/$(basename "$page" .md).h" 2>/dev/null || true # what its blocks take for granted
        awk -v page="$page" '
            /^```/ {
                if (open && body) print "}"
                open = !open
                body = open && $0 == "```c"
                mine = body || (open && $0 == "```c functions")
                if (mine) n++
                if (body) print "void block_" n "(void);\nvoid block_" n "(void)\n{"
                if (mine) print "#line " NR + 1 " \"" page "\""
                next
            }
            mine' "$page"
    } >"$source"
    "$cc" -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wno-unused-function -Werror -I"$include" \
        -c "$source" -o "${source%.c}.o"
    echo "$(basename "$page"): $(grep -c '^#line' "$source" || true) blocks"
done
