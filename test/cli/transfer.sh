#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs that move between stores: export and import. transfer.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

cat >work.yaml <<'END'
graph: work
reduce: { n: add }
nodes:
  list: { jq: '{list: [range(20)]}', emit: listed, next: [{ to: each, each: .list, as: i }] }
  each: { run: 'echo "at $EYOT_TASK" >&2; echo "{\"n\": 1}"', next: hard }
  hard: { run: 'test -e go || { echo no way >&2; exit 3; }', output: none, next: last }
  last: { set: { end: true } }
END

it "a run that has failed moves with its steps, logs and events, and goes on elsewhere"
eyot run work.yaml --run w-1
code 1
eyot export w-1
code 0
err_empty
cp out w-1.jsonl
same "$(head -c 45 w-1.jsonl)" '{"line":1,"format":"eyot run","version":2,"ey'
for what in "show w-1 --json" "history w-1 --jsonl" "logs w-1" "events --jsonl"; do
    # shellcheck disable=SC2086
    eyot $what
    cp out "before.${what%% *}"
done
eyot import w-1.jsonl --store other.db
code 0
out_empty
err_is 'run w-1 is imported'
for what in "show w-1 --json" "history w-1 --jsonl" "logs w-1" "events --jsonl"; do
    # shellcheck disable=SC2086
    eyot $what --store other.db
    code 0
    cmp -s out "before.${what%% *}" || wrong "$what differs"
done
touch go
eyot resume w-1 --store other.db --trust-store
code 0
json 'v["n"], v["end"]' '[20, true]'
rm go

it "an exported import is the same stream but for when it was made"
eyot import w-1.jsonl --store again.db
eyot export w-1 --store again.db
python3 - <<'END' || wrong "the streams differ"
import json
def read(name): return [{k: v for k, v in json.loads(line).items() if k not in ("created", "crc", "sha256")} for line in open(name)]
assert read("w-1.jsonl") == read("out")
END

it "commands of an imported run do not run untrusted"
eyot import w-1.jsonl --store trust.db
touch go
eyot resume w-1 --store trust.db
code 2
out_empty
err_is 'eyot: run w-1 was imported, and whoever wrote it chose its commands: name the graph to go on with by --graph FILE, or trust them by --trust-store'
sed 's/test -e go/rm go/' work.yaml >mine.yaml
mkdir -p here
cp mine.yaml go here
(cd here && "$EYOT" resume w-1 --store ../trust.db --graph mine.yaml --accept-changes) >out 2>err || CODE=$?
json 'v["end"]' 'true'
[ ! -e here/go ] || wrong "the command did not run in this directory"
[ -e go ] || wrong "the command ran in the stream's directory"
rm -f go

it "a run that exists is not replaced, and another id makes room"
eyot import w-1.jsonl --store other.db
code 2
err_is 'eyot: run w-1 exists already; --as ID gives it another id'
eyot import w-1.jsonl --store other.db --as w-2
code 0
err_is 'run w-2 is imported'
eyot show w-2 --store other.db
code 0
eyot import w-1.jsonl --store other.db --as 'no id'
code 2

it "export and import work through pipes"
"$EYOT" export w-1 2>err | "$EYOT" import - --store piped.db 2>err2
same "$(cat err err2)" 'run w-1 is imported'
eyot list --store piped.db --jsonl
json 'v["run"], v["status"]' '["w-1", "failed"]'

it "export writes a file that is whole, for nobody else to read"
eyot export w-1 --output w.out
code 0
out_empty
same "$(stat -c %a w.out)" 600
same "$(ls w.out*)" w.out
cmp -s w.out w-1.jsonl || wrong "the file differs"
eyot export w-1 --output nowhere/w.out
code 1
err_has 'nowhere/w.out cannot be made: No such file or directory'
eyot export w-1 --output /dev/full
code 1
err_has '/dev/full cannot be written: No space left on device'
eyot export w-9
code 4

it "a stream that was cut or changed is refused, and makes no store"
head -c -1 w-1.jsonl >cut.jsonl
head -n -1 w-1.jsonl >shorter.jsonl
sed '5s/"step":[0-9]*/"step":9/' w-1.jsonl >changed.jsonl
{ sed -n 1,4p w-1.jsonl; sed -n 6p w-1.jsonl; sed -n 5p w-1.jsonl; tail -n +7 w-1.jsonl; } >moved.jsonl
cat w-1.jsonl w-1.jsonl >twice.jsonl
for kind in cut shorter changed moved twice; do
    eyot import $kind.jsonl --store bad.db
    code 6
    out_empty
    err_has "eyot: $kind.jsonl: line "
    [ ! -e bad.db ] || wrong "there is a store now"
done
err_has "line $(($(wc -l <w-1.jsonl) + 1)): there is more behind the end of the stream"
eyot import changed.jsonl --store bad.db
err_has 'line 5: the checksum differs'
eyot import work.yaml --store bad.db
code 6
eyot import nothing.jsonl --store bad.db
code 4
err_is 'eyot: nothing.jsonl cannot be opened: No such file or directory'
eyot import . --store bad.db
code 1

it "an import that was killed leaves no run, and the next one takes its place"
cat >big.yaml <<'END'
graph: big
nodes:
  a: { jq: '{list: [range(300)]}', next: [{ to: b, each: .list, as: i }] }
  b: { jq: '{("k\(.i)"): [range(5000)]}', next: c }
  c: { drop: [list] }
END
eyot run big.yaml --run big-1 --durability async -q
code 0
eyot export big-1 -o big.jsonl
# The limit on the size of files kills it in the middle of writing.
half() {
    rm -f half.db*
    (
        (ulimit -c 0 -f 3072 && exec "$EYOT" import big.jsonl --store half.db)
        exit $?
    ) 2>/dev/null
    same $? 153
    eyot list --store half.db
    out_has ' importing '
}
half
for what in resume show history logs export; do
    eyot $what big-1 --store half.db
    code 5
    out_empty
    err_has 'import'
done
eyot delete big-1 --store half.db
code 0
eyot list --store half.db --jsonl
out_empty
half
eyot import big.jsonl --store half.db
code 0
eyot export big-1 --store half.db -o half.jsonl
python3 - <<'END' || wrong "what was imported differs"
import json
def read(name): return [{k: v for k, v in json.loads(line).items() if k not in ("created", "crc", "sha256")} for line in open(name)]
assert read("big.jsonl") == read("half.jsonl")
END

for server in MYSQL REDIS; do
    it "a run moves to $server and back"
    variable=EYOT_TEST_$server
    url=${!variable:-}
    [ -n "$url" ] || { skip "no server"; continue; }
    eyot import w-1.jsonl --store "$url" --as "w-$$-$server"
    code 0
    eyot export "w-$$-$server" --store "$url" -o there.jsonl
    code 0
    eyot import there.jsonl --store "back-$server.db" --as w-1
    code 0
    eyot history w-1 --jsonl --store "back-$server.db"
    cmp -s out before.history || wrong "the history differs"
    eyot delete "w-$$-$server" --store "$url"
    code 0
done

finish
