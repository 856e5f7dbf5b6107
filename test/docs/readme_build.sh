#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# readme_build.sh SOURCE_DIR DIR   what README.md says of building and installing, line by line, in a copy of the sources
set -euo pipefail
source=$1 dir=$2
blocks=$source/test/docs/blocks.sh
for script in $("$blocks" "$source/README.md" sh | sed -n 's|^\./\(scripts/[a-z]*\).*|\1|p'); do
    test -x "$source/$script" || { echo "$script cannot be called"; exit 1; }
done
rm -rf "$dir"
mkdir -p "$dir/eyot"
cd "$dir"
cp -R "$source"/{CMakeLists.txt,CMakePresets.json,LICENSE,README.md,cli,cmake,copiers,core,docs,examples,include,scripts,stores,test} eyot
cp -R "$source/bench" eyot 2>/dev/null || true

# The first block names the two commands; a clone is what we have just made.
"$blocks" "$source/README.md" sh |
    sed -e '/^\.\/scripts\/test/d' -e '/^\.\/scripts\/demo    # builds/d' -e 's/^git clone .* && //' >steps
{ echo 'set -e'; cat steps; } >script
bash script >said 2>&1 </dev/null || { cat said; exit 1; }
grep -q '^An undisturbed run gives the same report' said || { cat said; echo 'the demo did not do well'; exit 1; }
if [ -n "${EYOT_TEST_REDIS:-}" ]; then
    (cd eyot && scripts/demo --store "$EYOT_TEST_REDIS&prefix=demo") >elsewhere 2>&1 </dev/null || { cat elsewhere; exit 1; }
fi
"$blocks" "$source/README.md" 'text output' | tail -n 1 >result
[ "$(grep -cFxf result said)" -eq 2 ] || { cat said; echo 'the example did not print its result twice'; exit 1; }
tail -n 12 said | grep -q '^ *4  ship ' || { cat said; echo 'the program does not tell what the library has written'; exit 1; }
