#!/bin/sh
# SPDX-License-Identifier: MIT
# with_cmake.sh PROJECT_DIR BUILD_DIR [CMAKE_ARG…]   configures and builds a consumer from nothing; its programs run
set -eu
project=$1 build=$2
shift 2
rm -rf "$build"
cmake -S "$project" -B "$build" -G Ninja "$@"
cmake --build "$build"
