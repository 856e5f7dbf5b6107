#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a run has done, played and verified. replay.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

cat >work.yaml <<'END'
graph: work
reduce: { all: append, yes: replace }
start: list
nodes:
  list: { run: 'echo list >>ran; seq 3', output: lines items, next: [{ to: each, each: .items, as: i }] }
  each: { run: 'echo each >>ran; echo "{\"all\": [$I]}"', env: { I: .i }, next: text }
  text: { run: 'echo text >>ran; printf "%s\n" done', output: text said, next: ask }
  ask: { ask: '"go?"', into: yes, next: nap }
  nap: { sleep: 1ms, next: hard }
  hard: { run: 'echo hard >>ran; exit 3', output: none, on_error: caught, retry: { attempts: 2, delay: 1ms } }
  caught: { exec: [touch, touched], output: none, next: last }
  last: { jq: '{n: (.all | length)}' }
END
eyot run work.yaml --run w -q
eyot resume w --answer true -q
rm -f touched
ran() { wc -l <ran; } # commands so far; caught leaves another trace
RAN=$(ran) STEPS=10

it "playback prints what every step has written"
eyot replay w
code 0
err_empty
out_has '   1  list'
out_has '        + /items: ["1","2","3"]'
out_has '+ /yes: true'
out_has 'last  the branch ends'
nothing_raw
cp out before
eyot replay w --playback
cmp -s out before || wrong "--playback is something else"

it "playback as JSON has the state of the branch after every step"
eyot replay w --jsonl
code 0
same "$(wc -l <out)" $STEPS
tail -1 out >one && mv one out
json 'v["schema"], v["step"], v["task"], v["node"], v["ended"]' '[1, 10, "last", "last", true]'
json 'v["update"], v["state"]["n"], v["state"]["said"], "i" in v["state"]' '[{"n": 3}, 3, "done", false]'

it "playback can begin after a step"
eyot replay w --from 8 --jsonl
same "$(wc -l <out)" 2
eyot replay w --from 99
code 4
err_is 'eyot: run w has no step 99'

it "verify runs no command, and finds that a run does the same"
eyot replay w --verify
code 0
err_empty
out_is "$STEPS tasks do again what the log says"
same "$(ran)" "$RAN"
[ ! -e touched ] || wrong "a command has run"
eyot replay w --verify --json
json 'v["same"], v["compared"], v["not_compared"], v["difference"]' "[true, $STEPS, [], null]"
eyot replay w --verify --from 8
out_is '2 tasks do again what the log says'

it "verify --live runs commands again"
eyot replay w --verify --live
code 0
same "$(ran)" $((RAN + 5))
[ -e touched ] || wrong "a command has not run"

it "verify writes nothing"
cat >noisy.yaml <<'Y'
graph: noisy
nodes:
  a: { run: 'cat said >&2', output: none, emit: done }
Y
echo one >said
eyot run noisy.yaml --run n -q
eyot events --ack
eyot export n
grep -v '"format"' out >before
echo two >said
eyot replay n --verify --live
code 0
eyot export n
grep -v '"format"' out | cmp -s - before || wrong "something was written"
eyot logs n
out_has one
eyot events
out_empty

it "verify --live tells what a command gives now"
cat >clock.yaml <<'Y'
graph: clock
nodes:
  now: { run: 'cat now', output: text now, next: more }
  more: { jq: '{more: .now}' }
Y
echo 1 >now
eyot run clock.yaml --run c -q
echo 2 >now
eyot replay c --verify
code 0
out_is '2 tasks do again what the log says'
eyot replay c --verify --live
code 1
err_empty
out_is 'step 1, now: other update at /now
  expected  "1"
  got       "2"
0 tasks do again what the log says before that'

it "verify tells the first difference as JSON"
eyot replay c --verify --live --json
code 1
json 'v["same"], v["compared"], v["not_compared"]' '[false, 1, []]'
json 'v["difference"]["step"], v["difference"]["task"], v["difference"]["pointer"]' '[1, "now", "/now"]'
json 'v["difference"]["expected"], v["difference"]["got"], v["difference"]["verdict"]' '["1", "2", "other update"]'

it "verify with a changed file counts and tells what it does not compare"
sed 's/length/length + 1/' work.yaml >changed.yaml
eyot replay w --verify --graph changed.yaml
code 1
out_has 'step 10, last: other update'
sed 's/^  last: {/  last: { version: "2",/' changed.yaml >newer.yaml
grep -q 'version: "2"' newer.yaml
eyot replay w --verify --graph newer.yaml
code 0
out_is '9 tasks do again what the log says
1 task was not compared:
  step 10, last: its node has another version than it had'
eyot replay w --verify --graph newer.yaml --json
json 'v["same"], v["compared"], [[n["task"], n["step"], n["node"]] for n in v["not_compared"]]' '[true, 9, [["last", 10, "last"]]]'
same "$(ran)" $((RAN + 5))

it "a run that is not done can be verified as far as it is"
eyot run work.yaml --run half -q
eyot replay half --verify
code 0
out_is '5 tasks do again what the log says'

it "an imported run is verified without trust, and no command of it runs"
eyot export w -o w.eyot
eyot import w.eyot --as imported -q
RAN=$(ran)
rm -f touched
eyot replay imported --verify
code 0
same "$(ran)" "$RAN"
eyot replay imported --verify --live
code 2
out_empty
err_has 'whoever wrote it chose its commands'
same "$(ran)" "$RAN"
[ ! -e touched ] || wrong "a command has run"
eyot replay imported --verify --live --trust-store
code 0
same "$(ran)" $((RAN + 5))
eyot replay imported --verify --live --graph work.yaml
code 0

it "options of one half are refused by the other"
for o in --live '--graph work.yaml' --trust-store --json; do
    # shellcheck disable=SC2086
    eyot replay w $o
    code 2
    err_has 'is for --verify'
done
eyot replay w --verify --jsonl
code 2
eyot replay w --verify --playback
code 2

it "what commands wrote is in the history"
eyot history w --task text --jsonl
json 'v["recorded"]' '[{"name": "stdout", "value": "done\n"}]'
eyot history w --node caught --jsonl
json 'v["recorded"]' '[{"name": "stdout", "value": ""}]'
eyot history w --node last --jsonl
json 'v["recorded"]' '[]'

finish
