#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Verbs that look, at a store and runs that are or are not there. looking.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

LOOKING="show history logs graph cancel delete resume replay fork"

for v in $LOOKING list doctor; do
    it "$v makes no store"
    case $v in list | doctor) eyot "$v" ;; *) eyot "$v" some-run ;; esac
    code 4
    out_empty
    err_is 'eyot: there is no store eyot.db; `eyot run` makes one'
    [ ! -e eyot.db ] || wrong "there is a store now"
done

for v in $LOOKING; do
    it "$v refuses what is no id of a run"
    for id in -x ' x' $'x\x1b]0;title\x07' $'x\ny' '' 'a b' "$(printf 'x%.0s' {1..129})"; do
        eyot "$v" -- "$id"
        code 2
        out_empty
        err_one_line
        nothing_raw
    done
done

cat >two.json <<'END'
{"graph": "two", "start": "a", "nodes": {
  "a": {"set": {"x": 1}, "next": "b"},
  "b": {"set": {"y": "\u001b[31mred\u202e \u009b"}}}}
END
cat >fails.json <<'END'
{"graph": "fails", "start": "a", "nodes": {
  "a": {"set": {"x": 1}, "next": "b"},
  "b": {"run": "printf 'no \\033[31mway\\n' >&2; exit 3", "output": "none"}}}
END
cat >asks.json <<'END'
{"graph": "asks", "reduce": {"yes": "replace"}, "start": "a", "nodes": {
  "a": {"ask": "\"Go on?\"", "into": "yes", "next": "b"},
  "b": {"set": {"z": 1}}}}
END

cat >slow.json <<'END'
{"graph": "slow", "start": "a", "nodes": {
  "a": {"run": "true", "output": "none", "next": "b"},
  "b": {"run": "sleep 0.05", "output": "none"}}}
END

it "run says the id on stderr and gives the state on stdout"
eyot run two.json --run two-1 --set n=5
code 0
err_is 'run two-1'
json 'v' '{"n": 5, "x": 1, "y": "\u001b[31mred\u202e \u009b"}'
nothing_raw

it "run makes up an id"
eyot run two.json
code 0
grep -qE '^run two-[0-9a-z]{8}$' err || wrong "no id"

it "quiet is quiet"
eyot run two.json --run two-2 -q
code 0
err_empty

it "run refuses an id that exists"
eyot run two.json --run two-1
code 2
out_empty
err_is 'eyot: run two-1 exists already: `eyot resume two-1` goes on with it, or choose another id'

it "run refuses ids that cannot be"
for id in -x 'a b' $'a\x1b' latest ''; do
    eyot run two.json --run "$id"
    code 2
    out_empty
    err_one_line
    nothing_raw
done

it "run tells where the input is wrong"
eyot run two.json --input '{"a":'
code 2
err_is 'eyot: --input: not JSON: line 1, column 6: the text ends too early'
eyot run two.json --input '[1]'
code 2
err_has 'must be a JSON object, not array'
eyot run two.json --set n=abc
code 2
err_has '--set n: not JSON: line 1, column 1'
eyot run two.json --set n
code 2
err_has '--set takes KEY=JSON, not "n"'
eyot run two.json --input @nothing.json
code 2
err_has '--input: nothing.json cannot be opened'
printf '\xff' >bytes
eyot run two.json --set-file k=bytes
code 2
err_has '--set-file k: not UTF-8'

it "run takes input from files, stdin and options, the later over the earlier"
echo '{"a": 1, "b": 1, "c": 1}' >input.json
echo -n 'text' >text
CODE=0
"$EYOT" run two.json --input - --set b=2 --set-str c=3 --set-file d=text --set b=4 -q <input.json >out 2>err || CODE=$?
code 0
json '[v[k] for k in "abcd"]' '[1, 4, "3", "text"]'

it "a file that is not there is told"
eyot run nothing.yaml
code 4
err_is 'eyot: nothing.yaml cannot be opened: No such file or directory'

it "a run that fails says why, how to go on, and nothing on stdout"
eyot run fails.json --run f1
code 1
out_empty
nothing_raw
err_has 'eyot: f1 failed: b: '
err_has 'eyot resume f1'

it "a run that fails as JSON"
eyot run fails.json --run f2 --json
code 1
json 'v["status"]' '"failed"'
json 'v["error"]["task"]' '"b"'
json 'v["state"]' '{"x": 1}'
json 'v["schema"], v["steps"], v["questions"]' '[1, 1, []]'
nothing_raw

it "a question is told with the command that answers it"
eyot run asks.json --run q1
code 7
out_empty
err_has 'a: Go on?'
err_has 'eyot resume q1 --answer JSON'
eyot resume q1
code 7
eyot resume q1 --answer yes
code 2
err_has '--answer: "yes" is not JSON'
eyot resume q1 --answer true
code 0
json 'v' '{"yes": true, "z": 1}'

it "a question as JSON, and an answer that names its task"
eyot run asks.json --run q2 --json
code 7
json 'v["questions"]' '[{"task": "a", "question": "Go on?"}]'
eyot resume q2 --answer 'a="x=y"' --json
code 0
json 'v["state"]' '{"yes": "x=y", "z": 1}'

it "a run that is done is only told again"
eyot resume two-1
code 0
err_is 'run two-1 is done already'
json 'v["x"]' 1

it "show tells state and status"
eyot show two-1
code 0
err_empty
out_has 'status   done'
nothing_raw
eyot show two-1@1 --json
json 'v["step"], v["state"], v["conflicts"]' '[1, {"n": 5, "x": 1}, []]'
json 'v["branches"]' '[{"task": "b", "waiting": false, "state": {"n": 5, "x": 1}}]'
eyot show q1@0 --json
json 'v["step"]' 0

it "show names a step that is not there"
eyot show two-1@9
code 4
err_has 'no step 9'
eyot show two-1@x
code 4
eyot show two-1@!
code 2

it "runs are found by the beginning of their id, and latest"
eyot show f1 --json
json 'v["run"]' '"f1"'
eyot show q --json
code 4
err_has 'several runs begin with "q": q2, q1'
eyot show latest --json
json 'v["run"]' '"q2"'
eyot show nobody
code 4
err_has 'eyot.db has no run nobody'

it "history tells steps and what stands between them"
eyot history f1
code 0
out_has 'failed: '
nothing_raw
eyot history two-1 --jsonl
code 0
same "$(wc -l <out)" 2
head -1 out >one && mv one out
json 'v["schema"], v["step"], v["task"], v["node"], v["attempt"]' '[1, 1, "a", "a", 1]'
json 'v["update"], v["route"], v["joined"]' '[{"x": 1}, [{"to": "b", "task": "b"}], []]'
json 'v["started"][-1], v["started"] <= v["ended"]' '["Z", true]'
eyot history two-1 --json
json 'len(v["steps"])' 2

it "history can be asked for nodes, tasks, steps and failed attempts"
eyot history two-1 --node b --jsonl
same "$(wc -l <out)" 1
json 'v["task"]' '"b"'
eyot history two-1 --task a --json
json '[s["task"] for s in v["steps"]]' '["a"]'
eyot history two-1 --from 2 --json
json '[s["step"] for s in v["steps"]]' '[2]'
eyot history two-1 --from 1 --to 1 --json
json '[s["step"] for s in v["steps"]]' '[1]'
eyot history f1 --failed
code 0
same "$(wc -l <out)" 2
out_has 'failed: '
eyot history f1 --failed --json
json '[[a["task"], a["attempt"], a["status"], a["text"][:13]] for a in v["attempts"]]' '[["b", 1, "EFAILED", "exit status 3"]]'
eyot history two-1 --failed --jsonl
code 0
out_empty

it "history tells the slowest attempts and their share"
eyot run slow.json --run slow -q
eyot history slow --slowest
code 0
out_has '2 attempts took '
eyot history slow --slowest 1 --json
json '[[a["task"], a["attempt"], a["failed"]] for a in v["slowest"]]' '[["b", 1, false]]'
json 'v["slowest"][0]["took_ms"] >= 50, 0.5 < v["slowest"][0]["share"] <= 1' '[true, true]'
eyot history --slowest slow --jsonl
same "$(wc -l <out)" 2
head -1 out >one && mv one out
json 'v["schema"], v["task"]' '[1, "b"]'
eyot history slow --slowest=0 --json
json 'v["slowest"]' '[]'
eyot history slow --slowest=x
code 2
eyot history slow --slowest --timeline
code 2
err_one_line

it "a timeline is no JSON"
for o in --json --jsonl; do
    eyot history f1 --timeline $o
    code 2
    out_empty
    err_one_line
done

it "the timeline fits 80 columns"
eyot history f1 --timeline
code 0
[ "$(wc -L <out)" -le 80 ] || wrong "a line is too long"
out_has '2 attempts in'

it "logs are what commands wrote on stderr, escaped"
eyot logs f1/b
code 0
out_is 'no \x1b[31mway'
eyot logs f1
out_has '==> b, attempt 1, failed <=='
eyot logs f1/nothing
code 4
err_has 'no task nothing'
eyot logs two-1
code 0
out_empty

it "list lists, filters and limits"
eyot list --json
code 0
json 'sorted(r["run"] for r in v["runs"] if len(r["run"]) < 6)' '["f1", "f2", "q1", "q2", "slow", "two-1", "two-2"]'
eyot list --status failed --jsonl
same "$(wc -l <out)" 2
eyot list --limit 1 --json
json '[r["run"] for r in v["runs"]]' '["slow"]'
eyot list --since 1d --limit 1
out_has slow
eyot list --limit 0 --json
json 'v["runs"]' '[]'
("$EYOT" list; echo $? >left) 2>err | head -1 >out
out_has RUN
err_empty
CODE=$(cat left)
code 0

it "graph draws files and runs"
for form in dot mermaid json; do
    eyot graph two.json --format $form
    code 0
    err_empty
    cp out drawn
    eyot graph two-1 --format $form
    code 0
    cmp -s out drawn || wrong "$form of the run is not that of the file"
done

it "check is quiet on stdout"
eyot check two.json
code 0
out_empty
echo '{"graph": "x"' >bad.json
eyot check bad.json
code 2
out_empty
err_has 'bad.json:'

it "cancel of what nobody works on"
eyot run asks.json --run c1
eyot cancel c1
code 0
err_is 'c1 is cancelled'
eyot cancel c1
code 0
err_is 'c1 is cancelled already'
eyot show c1 --json
json 'v["status"]' '"cancelled"'
eyot cancel two-1
code 1
err_one_line

it "delete wants the whole id"
eyot delete two-
code 4
eyot delete latest
code 2
eyot delete f2
code 0
out_empty
eyot show f2
code 4

it "doctor tells the class and why"
eyot doctor
code 0
err_empty
out_has 'class    '
eyot doctor --json
json 'v["schema"], v["backend"], v["writable"]' '[1, "sqlite", true]'

it "runs of programs can be looked at, and not gone on with"
if [ -x "$(dirname "$EYOT")/example_digest" ]; then
    "$(dirname "$EYOT")/example_digest" program.db demo >/dev/null 2>&1
    eyot show demo --store program.db --json
    code 0
    json 'v["graph"], v["status"]' '["digest", "done"]'
    eyot history demo --store program.db
    code 0
    out_has 'count[0]'
    eyot graph demo --store program.db --format json
    json 'v["eyot_graph"]' 1
    eyot replay demo --store program.db
    code 0
    out_has 'count[0]'
    eyot diff demo@1 demo --store program.db
    code 1
    eyot replay demo --verify --store program.db
    code 6
    eyot fork demo@1 --store program.db
    code 6
    eyot resume demo --store program.db
    code 6
    err_has 'run demo belongs to a program'
else
    skip "the examples are not built"
fi

it "a store that is none is told"
echo 'this is no database, however one looks at it' >no.db
eyot list --store no.db
code 6
err_one_line
eyot list --store 'sqlite:eyot.db?sinc=full'
code 2
err_has sinc
eyot list --store 'nowhere://x'
err_one_line
[ "$CODE" != 0 ] || wrong "no failure"

finish
