#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Events of graph files, and the verb that prints them. events.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

cat >kinds.json <<'END'
{"graph": "kinds", "start": "a", "nodes": {
  "a": {"run": "echo '{\"x\": 1}'", "emit": "ran", "next": "b"},
  "b": {"exec": ["echo", "two words"], "output": "text t", "emit": "text out", "next": "c"},
  "c": {"run": "true", "output": "none", "emit": "nothing", "next": "d"},
  "d": {"jq": "{y: (.x + 1)}", "emit": "counted", "drop": ["x"], "next": "e"},
  "e": {"set": {"z": "\u001b[31mred\u202e \u009b\n"}, "emit": "constant"}}}
END
cat >retries.json <<'END'
{"graph": "retries", "start": "a", "nodes": {
  "a": {"run": "[ $EYOT_ATTEMPT = 3 ] && echo '{\"n\": 3}'", "emit": "done", "retry": {"attempts": 3, "delay": "1ms"}, "next": "b"},
  "b": {"run": "exit 1", "emit": "never", "on_error": "c"},
  "c": {"set": {"c": 1}}}}
END

it "events makes no store"
eyot events
code 4
err_is 'eyot: there is no store eyot.db; `eyot run` makes one'

it "every kind of node emits its update, null where there is none"
eyot run kinds.json --run k-1
code 0
eyot events --jsonl
code 0
nothing_raw
same "$(wc -l <out)" 5
python3 - >got <<'END'
import json
for line in open("out"):
    v = json.loads(line)
    assert v["schema"] == 1 and v["run"] == "k-1"
    print(v["id"], v["topic"], json.dumps(v["payload"]), sep="|")
END
same "$(cat got)" 'k-1/a/0|ran|{"x": 1}
k-1/b/0|text out|{"t": "two words"}
k-1/c/0|nothing|null
k-1/d/0|counted|{"y": 2, "x": {"$removed": true}}
k-1/e/0|constant|{"z": "\u001b[31mred\u202e \u009b\n"}'

it "for people an event is a line with its id, topic and payload"
eyot events
code 0
nothing_raw
same "$(head -2 out)" 'k-1/a/0  ran  {"x":1}
k-1/b/0  text out  {"t":"two words"}'

it "only printing acknowledges nothing"
eyot events --json
same "$(wc -l <out)" 5

it "a topic and a run choose among the events, and the others stay"
eyot run kinds.json --run k-2
eyot events --topic counted --ack
code 0
same "$(cat out)" 'k-1/d/0  counted  {"y":2,"x":{"$removed":true}}
k-2/d/0  counted  {"y":2,"x":{"$removed":true}}'
eyot events --run k-2 --ack
same "$(cut -d' ' -f1 out | tr '\n' ' ')" 'k-2/a/0 k-2/b/0 k-2/c/0 k-2/e/0 '
eyot events --run latest
out_empty
eyot events
same "$(cut -d' ' -f1 out | tr '\n' ' ')" 'k-1/a/0 k-1/b/0 k-1/c/0 k-1/e/0 '
eyot events --run k-7
code 4

it "what is acknowledged does not come again"
eyot events --ack
same "$(wc -l <out)" 4
eyot events
code 0
out_empty

it "a retry emits once, and a task that has failed for good not at all"
eyot run retries.json --run r-1
code 0
eyot events --jsonl --ack
same "$(cat out)" '{"schema":1,"id":"r-1/a/0","run":"r-1","topic":"done","payload":{"n":3}}'

it "a run that goes on tells nothing again"
cat >fails.json <<'END'
{"graph": "fails", "start": "a", "nodes": {
  "a": {"set": {"a": 1}, "emit": "a", "next": "b"},
  "b": {"run": "[ -e go ] && echo '{}'", "emit": "b"}}}
END
for how in sync async exit; do
    rm -f go
    eyot run fails.json --run "f-$how" --durability "$how"
    code 1
    eyot events --ack
    same "$(cat out)" "f-$how/a/0  a  {\"a\":1}"
    touch go
    eyot resume "f-$how"
    code 0
    eyot events --ack
    same "$(cat out)" "f-$how/b/0  b  {}"
done

it "a page that could not be written is not acknowledged"
eyot run kinds.json --run k-3
"$EYOT" events --ack >/dev/full 2>err
CODE=$?
code 1
err_has 'the output could not be written'
{ "$EYOT" events --ack 2>err; echo $? >code; } | true
eyot events
same "$(wc -l <out)" 5

it "following prints what comes, each once, until a signal"
"$EYOT" events --follow >followed 2>followed-err &
FOLLOWER=$!
wait_for lines followed 5
eyot run kinds.json --run k-4
wait_for lines followed 10
sleep 0.6
kill -TERM $FOLLOWER
wait $FOLLOWER
CODE=$?
code 143
same "$(wc -l <followed)" 10
same "$(sort -u followed | wc -l)" 10
same "$(cat followed-err)" ''

it "following and acknowledging leaves nothing behind"
"$EYOT" events --follow --ack --jsonl >followed 2>followed-err &
FOLLOWER=$!
wait_for lines followed 10
eyot run kinds.json --run k-5
wait_for lines followed 15
kill -INT $FOLLOWER 2>/dev/null
kill -TERM $FOLLOWER
wait $FOLLOWER
eyot events
out_empty
same "$(wc -l <followed)" 15

it "SIGINT ends a follower too"
cat >follow.py <<'END'
import os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "events", "--follow"], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
time.sleep(0.3)
p.send_signal(signal.SIGINT)
sys.exit(p.wait())
END
CODE=0
python3 follow.py "$EYOT" >out 2>err || CODE=$?
code 130
err_empty

it "more events than fit on a page come all, in the order of their run"
cat >many.json <<'END'
{"graph": "many", "start": "a", "reduce": {"n": "add"}, "nodes": {
  "a": {"jq": "{list: [range(700)]}", "next": [{"to": "b", "each": ".list", "as": "i"}]},
  "b": {"set": {"n": 1}, "emit": "one"}}}
END
eyot run many.json --run m-1 --durability exit
code 0
eyot events --run m-1
same "$(cut -d' ' -f1 out | sort -u | wc -l)" 700
eyot events --run m-1 --ack
same "$(wc -l <out)" 700
eyot events
out_empty

it "mistakes of emit are told with their place"
cat >bad.yaml <<'END'
graph: bad
nodes:
  a: { set: { x: 1 }, emit: "a\nb", next: b }
  b: { sleep: 1s, emit: slept, next: c }
  c: { jq: '{}', emit: [x] }
END
eyot check bad.yaml
code 2
err_has 'bad.yaml:3:29: node "a": emit: "a b" is no topic; it is 1 to 128 bytes of text without control characters'
err_has 'bad.yaml:4:19: node "b": emit: is only for run, exec, jq, set and call'
err_has 'bad.yaml:5:24: node "c": emit: is a text, not a list'

it "a topic is part of what a graph is"
sed 's/"emit": "a"/"emit": "other"/' fails.json >other.json
rm -f go
eyot run fails.json --run f-2
code 1
touch go
eyot resume f-2 --graph other.json
code 6
err_has 'node "a": emit "a" became "other" (1 committed task)'

it "an event that is no JSON comes in base64"
command -v sqlite3 >/dev/null || skip "no sqlite3"
eyot events --ack
sqlite3 eyot.db "INSERT INTO outbox(id, run, topic, payload) VALUES (CAST('x/y/0' AS BLOB), 'x', CAST('t' AS BLOB), x'00ff1b')" 2>/dev/null
eyot events --jsonl
out_is '{"schema":1,"id":"x/y/0","run":"x","topic":"t","payload":{"$bytes":"AP8b"}}'
eyot events
out_is 'x/y/0  t  \x00\xff\x1b'

finish
