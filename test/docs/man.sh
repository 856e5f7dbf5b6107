#!/bin/sh
# SPDX-License-Identifier: MIT
# man.sh SOURCE_DIR   the man pages are set without a warning. Status 77: there is nothing to set them with
set -eu
command -v groff >/dev/null || { echo "groff is not installed"; exit 77; }
bad=0
for page in "$1"/docs/man/*.[1-8]; do
    said=$(groff -ww -mandoc -Tutf8 "$page" 2>&1 >/dev/null) || bad=1
    [ -z "$said" ] || { echo "$said"; bad=1; }
done
exit $bad
