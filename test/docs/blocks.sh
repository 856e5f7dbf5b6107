#!/bin/sh
# SPDX-License-Identifier: MIT
# blocks.sh FILE.md INFO   prints the blocks that begin with ```INFO
set -eu
awk -v want="\`\`\`$2" '/^```/ { open = !open; mine = open && $0 == want; next } mine' "$1"
