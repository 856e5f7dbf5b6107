#!/bin/sh
# SPDX-License-Identifier: MIT
# readme.sh STAGE DIR CC README.md   the example of README.md, compiled against an installed eyot: it prints what README.md
# shows, and killed in the middle it goes on as README.md says
set -eu
stage=$1 dir=$2 cc=$3 readme=$4
blocks=$(cd "$(dirname "$0")" && pwd)/blocks.sh
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir"
PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name eyot.pc)")
export PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(pkg-config --variable=libdir eyot)
export LD_LIBRARY_PATH

"$blocks" "$readme" 'c program' >order.c
"$blocks" "$readme" 'text output' >shown
test "$(wc -l <order.c)" -le 30 || { echo 'the example has more than 30 lines'; exit 1; }
# shellcheck disable=SC2046
"$cc" -Wall -Wextra -Werror order.c $(pkg-config --cflags --libs eyot) -o order

echo 'a whole run prints what is shown'
./order >is 2>&1
diff shown is
echo 'a run that is done is only loaded'
./order >is 2>&1
tail -n 1 shown | diff - is

echo 'killed while pack runs, it goes on with pack'
rm -f order.db*
: >first
./order 2>first &
pid=$!
while [ "$(wc -l <first)" -lt 3 ]; do
    kill -0 $pid || { echo 'it ended too early'; exit 1; }
    sleep 0.02
done
kill -9 $pid
wait $pid 2>/dev/null || true
head -n 3 shown | diff - first
./order >is 2>&1
tail -n 3 shown | diff - is
