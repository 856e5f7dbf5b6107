#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every graph file of examples/, run as its first lines say, and its results worked out in another way. examples.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
set -m # so that nothing is said of what is killed
EXAMPLES=$ROOT/examples

it "every example is without mistakes, and drawn"
for file in "$EXAMPLES"/*.yaml; do
    eyot check "$file"
    code 0
    out_empty
    err_has 'no mistakes'
    eyot graph "$file" --format mermaid
    code 0
done

it "diamond: two branches come together in the order of the edges"
eyot run "$EXAMPLES/diamond.yaml" --set-str text="So long, and thanks for all the fish"
code 0
json 'v' '{"text": "So long, and thanks for all the fish", "summary": "8 words, the longest is thanks"}'
for _ in 1 2 3 4 5; do
    eyot run "$EXAMPLES/diamond.yaml" -j 4 -q
    json 'v["summary"]' '"9 words, the longest is jumps"'
done

it "refine: the loop ends with the root, and every round is a step"
for n in 2 612 1e-3 1e12; do
    eyot run "$EXAMPLES/refine.yaml" --set n=$n --run "refine-$n"
    code 0
    json "abs(v['guess'] ** 2 / $n - 1) < 1e-11" true
    cp out state
    eyot history "refine-$n" --jsonl
    rounds=$(grep -c '"node":"improve"' out)
    cp state out
    json 'v["rounds"]' "$rounds"
done
eyot history refine-612
out_has 'improve@1'

it "logs: the sums of the pieces are those of the whole log"
eyot run "$EXAMPLES/logs.yaml" --set-str dir="$PWD/logs" --set lines=3000 --set pieces=5 -j 4
code 0
same "$(find logs -name 'piece.*' | wc -l)" 5
same "$(wc -l <logs/access.log)" 3000
json '[v[k] for k in ("requests", "errors", "bytes", "slowest")]' \
    "$(awk '{ n++; b += $4; if ($3 >= 400) e++; if ($5 > s) s = $5 } END { printf "[%d, %d, %d, %d]", n, e, b, s }' logs/access.log)"
json 'sorted(v["clients"])' \
    "$(cut -d' ' -f1 logs/access.log | LC_ALL=C sort -u | sed 's/.*/"&"/' | paste -sd, | sed 's/,/, /g; s/.*/[&]/')"
json '[[p["n"], p["path"]] for p in sorted(v["report"]["paths"], key=lambda p: (-p["n"], p["path"]))]' \
    "$(cut -d' ' -f2 logs/access.log | LC_ALL=C sort | uniq -c | LC_ALL=C sort -k1,1nr -k2 |
        awk '{ printf "%s[%d, \"%s\"]", comma, $1, $2; comma = ", " }' | sed 's/.*/[&]/')"

it "digest: its counts are those of wc, and it asks before it publishes"
mkdir -p texts
cp "$ROOT"/docs/*.md texts/
for _ in $(seq 30); do cat texts/guide.md; done >texts/long.md
touch texts/empty.md
eyot run "$EXAMPLES/digest.yaml" --set-str dir="$PWD/texts" --run digest -j 4
code 7
out_empty
err_has 'ask: Publish long.md?'
err_has 'eyot resume digest --answer JSON'
eyot resume digest --answer true
code 0
json 'v["words"]' "$(cat texts/* | wc -w)"
json '[c["file"] + " " + str(c["words"]) for c in v["counts"]] == __import__("subprocess").getoutput("cd texts && for f in *; do echo $f $(wc -w <$f); done").split("\n")' true
json 'v["top"][0]["file"]' '"long.md"'
eyot history digest --jsonl
tail -1 out >last && mv last out
json 'v["task"], v["update"]' '["ask", {"approved": true}]'

it "digest: nothing to count is a way of its own, and little is not asked about"
mkdir -p none some
eyot run "$EXAMPLES/digest.yaml" --set-str dir="$PWD/none"
code 0
json 'v["top"]' '[]'
echo 'three short words' >some/file
eyot run "$EXAMPLES/digest.yaml" --set-str dir="$PWD/some"
code 0
json 'v["top"], v["words"]' '[[{"file": "file", "words": 3}], 3]'

it "digest: killed and resumed, it counts no file twice"
mkdir -p bin
cat >bin/wc <<END
#!/bin/sh
n=\$(/usr/bin/wc "\$@")
echo "\$FILE" >>"$PWD/counted"
case \$FILE in [cde]*) ;; *) [ -e "$PWD/on" ] || exec sleep 300 ;; esac
echo "\$n"
END
chmod +x bin/wc
PATH=$PWD/bin:$PATH "$EYOT" run "$EXAMPLES/digest.yaml" --set-str dir="$PWD/texts" --run "twice-$$" -j 2 >out 2>err </dev/null &
RUN=$!
# shellcheck disable=SC2317
counted() { [ "$("$EYOT" history "twice-$$" --jsonl 2>/dev/null | grep -c '"node":"count"')" = 4 ]; }
wait_for lines counted 6
wait_for counted
kill -KILL $RUN
{ wait $RUN; } 2>/dev/null
gone_in 1000 "EYOT_RUN=twice-$$"
grep "^[cde]" counted >before
: >counted
touch on
PATH=$PWD/bin:$PATH eyot resume "twice-$$"
code 7
same "$(sort counted before | uniq -d)" ''
same "$(cat counted before | wc -l)" "$(find texts -type f | wc -l)"
eyot show "twice-$$" --json
json 'v["state"]["words"]' "$(cat texts/* | wc -w)"

it "publish: yes publishes, no does not, a bad page is not asked about"
eyot run "$EXAMPLES/publish.yaml" --run yes --set-str out="$PWD/published"
code 7
err_has 'ask: Publish "Release notes"?'
eyot resume yes --answer true
code 0
json 'v["published"]' "\"$PWD/published/page.md\""
same "$(cat published/page.md)" "$(printf '# Release notes\n- faster joins\n- a new store\n- no more surprises\n')"
eyot run "$EXAMPLES/publish.yaml" --run no --set-str out="$PWD/unpublished"
eyot resume no --answer false
code 0
json 'v["why"]' '"not approved"'
[ ! -e unpublished ] || wrong "it was published"
eyot run "$EXAMPLES/publish.yaml" --run bad --set-str out="$PWD/unpublished" --set 'items=["we recieve teh news"]'
code 0
json 'v["why"]' '"misspelt: recieve, misspelt: teh"'

it "publish: what cannot be published is told when every attempt has failed"
sed 's/delay: 1s, max: 30s/delay: 1ms/' "$EXAMPLES/publish.yaml" >publish.yaml
touch file
eyot run publish.yaml --run cannot --set-str out="$PWD/file/below"
eyot resume cannot --answer true
code 0
json '"Not a directory" in v["why"]' true
eyot logs cannot/publish
out_has 'attempt 5, failed'

if it "build: this library is compiled by branches, and its version is that of its header"; then
    if command -v cc >/dev/null; then
        eyot run "$EXAMPLES/build.yaml" --set-str source="$ROOT" --set-str dir="$PWD/build" --run build
        code 0
        version=$(sed -n 's/^#define EYOT_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' "$ROOT/include/eyot/eyot.h" | paste -sd.)
        n=$(find "$ROOT/core" -maxdepth 1 -name '*.c' | wc -l)
        json 'v["result"]' "\"$n objects; plain: $version\""
        same "$(find build/plain -name '*.o' | wc -l)" "$n"
    else
        skip "no compiler"
    fi
fi

it "build: a source that does not compile ends it with the compiler's words, and only it is compiled again"
if command -v cc >/dev/null; then
    mkdir -p source/core source/include
    echo 'const char *eyot_version(void) { return "7"; }' >source/core/a.c
    echo 'int b = ;' >source/core/b.c
    eyot run "$EXAMPLES/build.yaml" --set-str source="$PWD/source" --set-str dir="$PWD/broken" --set 'flags={"a":"-O0","b":"-O2"}' -j 1 --run broken
    code 1
    err_has 'exit status 1'
    err_has 'core/b.c:1'
    echo 'int b = 1;' >source/core/b.c
    done_before=$(find broken -name 'a.o' -printf '%p %C@\n' | sort)
    eyot resume broken
    code 0
    json 'v["result"]' '"4 objects; a: 7, b: 7"'
    [ -n "$done_before" ] || wrong "nothing was compiled"
    find broken -name 'a.o' -printf '%p %C@\n' >after
    while read -r line; do grep -qxF -e "$line" after || wrong "compiled again: $line"; done <<<"$done_before"
else
    skip "no compiler"
fi

finish
