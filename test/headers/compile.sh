#!/bin/sh
# SPDX-License-Identifier: MIT
# compile.sh COMPILER STANDARD INCLUDE_DIR FILE   compiles a header (twice in one unit) or source file strictly
set -eu
case $2 in
    c++*) flags='-x c++' ;;
    *) flags='-x c -Wstrict-prototypes -Wmissing-prototypes' ;;
esac
case $4 in
    *.h) again="-include $4" ;;
    *) again='' ;;
esac
# shellcheck disable=SC2086
exec "$1" $flags "-std=$2" -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror -fsyntax-only -I "$3" $again "$4"
