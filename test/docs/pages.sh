#!/bin/sh
# SPDX-License-Identifier: MIT
# pages.sh SOURCE_DIR   what the pages name exists: the targets of their links, paths, functions, constants; and docs/errors.md has
# every status, the changelog this version
set -eu
cd "$1"
bad=0
complain() { echo "$1"; bad=1; }

for page in README.md docs/*.md test/golden/README.md; do
    for link in $(grep -o '](\([^)#]*\)' "$page" | sed 's/^](//' | grep -v '^https\{0,1\}:' || true); do
        [ -e "$(dirname "$page")/$link" ] || complain "$page links to $link, which is not there"
    done
    for path in $(grep -o '`\(include\|cli\|core\|stores\|copiers\|examples\|test\|docs\|cmake\|scripts\)/[A-Za-z0-9_./-]*`' "$page" | tr -d '`'); do
        [ -e "$path" ] || complain "$page names $path, which is not there"
    done
done
for status in $(sed -n 's/^ *X(\([A-Z]*\), .*/\1/p' include/eyot/eyot.h); do
    grep -q "\`EYOT_$status\`" docs/errors.md || complain "docs/errors.md does not tell when EYOT_$status comes"
done
for name in $(grep -oh '`EYOT_[A-Z_]*`\|`eyot_[a-z_]*[a-z]`' README.md docs/*.md | tr -d '`' | sort -u); do
    grep -q "\b$name\b\|X(${name#EYOT_}," include/eyot/*.h docs/man/* ||
        complain "the pages name $name, which neither a header nor a man page has"
done
version=$(sed -n 's/^#define EYOT_VERSION_[MP][AI][JNT][OC]*[RH]* \([0-9]*\)$/\1/p' include/eyot/eyot.h | paste -sd.)
grep -q "^## $version" docs/changelog.md || complain "docs/changelog.md has nothing about version $version"
exit $bad
