#!/bin/sh
# SPDX-License-Identifier: MIT
# with_pkg_config.sh STAGE BUILD_DIR CC CXX   compiles and runs the consumer with what eyot.pc says
set -eu
stage=$1 build=$2 cc=$3 cxx=$4
source=$(dirname "$0")/consumer.c
rm -rf "$build"
mkdir -p "$build"
PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name eyot.pc)")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir eyot)
strict='-Wall -Wextra -Wpedantic -Werror'
flags=$(pkg-config --cflags --libs eyot)
static=$(pkg-config --cflags --static --libs eyot | sed "s|-leyot|$libdir/libeyot.a|")
set -x
# shellcheck disable=SC2086
{
    "$cc" -std=c11 $strict "$source" $flags -o "$build/c_shared"
    "$cxx" -x c++ -std=c++17 $strict "$source" $flags -o "$build/cpp_shared"
    "$cc" -std=c11 $strict "$source" -x none $static -o "$build/c_static"
    "$cxx" -x c++ -std=c++17 $strict "$source" -x none $static -o "$build/cpp_static"
}
LD_LIBRARY_PATH=$libdir "$build/c_shared"
LD_LIBRARY_PATH=$libdir "$build/cpp_shared"
"$build/c_static"
"$build/cpp_static"
test "$(pkg-config --modversion eyot)" = "$("$build/c_static" | sed 's/^eyot //')"
