#!/bin/sh
# SPDX-License-Identifier: MIT
# in_temp_dir.sh PROGRAM [ARG…]   runs it in a fresh directory, which is removed afterwards
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
"$@"
