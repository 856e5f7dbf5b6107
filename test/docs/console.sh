#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# console.sh BIN_DIR DIR PAGE.md [--print]   does what a page shows, with the eyot of BIN_DIR, in DIR, which is made anew:
#   ```yaml NAME   is written to the file NAME; each graph file has no mistakes
#   ```console     in a directory that also has `examples`, lines that begin with "$ " are called, one after the other in one shell; what they print is what
#                  follows, but for ids, times and widths
# --print prints the page with what was really printed in place of what it shows. Blocks of other kinds are left alone, but their
# kind must be known.
set -uo pipefail
bin=$1 dir=$2 page=$(realpath "$3") print=${4:-}
rm -rf "$dir"
mkdir -p "$dir"
ln -s "$(cd "$(dirname "$0")/../../examples" && pwd)" "$dir/examples"
cd "$dir" || exit 1
export PATH=$bin:$PATH XDG_CONFIG_HOME=$dir/none TERM=dumb LC_ALL=C.UTF-8
unset EYOT_STORE EYOT_REAP

bad=0 calls=0 number=0 kind='' file='' command='' status=0
: >.shown

# Ids that were drawn, times, process ids, how wide a column or a bar is.
plain() {
    sed -E -e 's/\b([a-z]+)-[0-9a-z]{8}\b/\1-ID/g' -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}/DATE/g' \
        -e 's/<?[0-9]+(\.[0-9]+)? (ms|s|min|h)\b/TIME/g' -e 's/^.*: line [0-9]+: +[0-9]+ Killed.*/Killed/' \
        -e 's/[█ ]+/ /g' -e 's/ $//' "$@"
}

show() { [ -z "$print" ] || printf '%s\n' "$1"; }

finish_command() {
    [ -n "$command" ] || return 0
    local name=.out
    calls=$((calls + 1))
    (exit "$status")
    { eval "$command"; } >"$name" 2>&1 </dev/null
    status=$?
    [ -z "$print" ] || sed -E 's/^.*: line [0-9]+: +[0-9]+ Killed.*/Killed/' "$name"
    plain "$name" >.is
    if ! plain .shown | cmp -s - .is; then
        bad=1
        [ -n "$print" ] || { echo "$(basename "$page"): $command"; plain .shown | diff - .is; }
    fi
    command=''
    : >.shown
}

while IFS= read -r line; do
    number=$((number + 1))
    if [ "${line#\`\`\`}" != "$line" ]; then
        case $kind in
            '') kind=${line#\`\`\`} file=${line#\`\`\`yaml } ;;
            console) finish_command; kind='' ;;
            'yaml '*)
                if grep -q '^graph:' "$file" && ! eyot check "$file" >.out 2>&1; then
                    cat .out
                    bad=1
                fi
                kind='' ;;
            *) kind='' ;;
        esac
        case $kind in
            '' | console | sh | 'sh servers' | c | 'c program' | 'c functions' | 'text output') ;;
            'yaml '*) : >"$file" ;;
            *) echo "$(basename "$page"):$number: nothing runs a block of kind '$kind'"; bad=1 ;;
        esac
        show "$line"
        continue
    fi
    case $kind in
        console)
            case $line in
                '$ '*) finish_command; command=${line#'$ '}; show "$line" ;;
                *) printf '%s\n' "$line" >>.shown ;;
            esac ;;
        'yaml '*) printf '%s\n' "$line" >>"$file"; show "$line" ;;
        *) show "$line" ;;
    esac
done <"$page"
[ -z "$kind" ] || { echo "$(basename "$page"): a block has no end"; bad=1; }
[ -n "$print" ] || echo "$(basename "$page"): $calls commands"
[ -n "$print" ] || exit $bad
