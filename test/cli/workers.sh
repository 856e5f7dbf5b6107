#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs that are submitted, and workers that share them. workers.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
set -m # so that SIGINT is not ignored in what runs beside us

cat >chain.json <<'END'
{"graph": "chain", "nodes": {
  "a": {"run": "echo \"$EYOT_RUN a\" >>ran", "output": "none", "next": "b"},
  "b": {"run": "echo \"$EYOT_RUN b\" >>ran", "output": "none", "next": "c"},
  "c": {"set": {"done": true}}}}
END
cat >waits.json <<'END'
{"graph": "waits", "nodes": {
  "a": {"run": "echo a >>ran", "output": "none", "next": "b"},
  "b": {"run": "echo b >>ran; echo $$ >pid; while [ ! -e go ]; do sleep 0.05; done", "output": "none", "next": "c"},
  "c": {"run": "echo c >>ran", "output": "none"}}}
END

worker() { # NAME OPTION…   in the background; its pid in $WORKER
    local name=$1
    shift
    "$EYOT" work --poll 50ms "$@" >"$name.out" 2>"$name.err" </dev/null &
    WORKER=$!
}
end() { # PID
    CODE=0
    { wait "$1"; } 2>/dev/null || CODE=$? # bash would tell of a kill
}
has_status() { "$EYOT" list --jsonl | grep -qF "\"run\":\"$1\",\"graph\":\"${3:-waits}\",\"status\":\"$2\""; } # RUN STATUS [GRAPH]

it "a submitted run only waits, and its id is the output"
eyot run chain.json --submit --run first --queue slow --priority=-3
code 0
out_is first
err_empty
[ ! -e ran ] || wrong "something has run"
eyot list --queue slow --jsonl
out_has '"run":"first","graph":"chain","status":"ready"'
out_has '"queue":"slow","priority":-3'
eyot list
out_has 'STATUS  QUEUE  STEPS'
out_has 'ready   slow       0'
eyot list --queue other
out_is 'RUN  GRAPH  STATUS  STEPS  BEGAN  LAST CHANGE'
eyot list --queue other --jsonl
out_empty
eyot show first
out_has 'status   ready'
out_has 'queue    slow'
out_has 'priority -3'
eyot run chain.json --submit --run second --json
out_is '{"run":"second","status":"ready"}'

it "a worker sees to the runs of its queues and its graphs, and to no others"
eyot run waits.json --submit --run alien
eyot work chain.json --until-idle
code 0
out_empty
err_has 'second: taken up'
err_has 'second: done, 3 steps'
has_status first ready chain || wrong "first has been touched"
has_status alien ready || wrong "alien has been touched"
eyot work chain.json --until-idle --queue slow
same "$(sort ran | tr '\n' ' ')" 'first a first b second a second b '
eyot show second --json
json 'v["status"], v["state"]' '["done", {"done": true}]'

it "a delayed run waits for its time, and is shown as such"
eyot run chain.json --submit --run later --delay 1h
eyot work chain.json --until-idle --quiet
err_empty
eyot show later
out_has 'due      20'
eyot list --jsonl
out_has '"run":"later","graph":"chain","status":"ready"'

it "what is refused says what is wrong"
eyot run chain.json --queue slow
code 2
err_is 'eyot: --queue is for --submit'
eyot run chain.json --submit --priority much
code 2
err_is 'eyot: --priority: "much" is no number from -2147483648 to 2147483647'
eyot run chain.json --submit --queue 'a queue'
code 2
err_has 'queue "a queue" is not'
eyot run chain.json --submit --run second
code 2
err_has 'run second exists already'
eyot work
code 2
err_is 'eyot: `eyot work` needs graph files, or --trust-store'
eyot work chain.json --lease 1s
code 2
err_has 'lease_ms is 1000; at least 2000'
eyot work chain.json --poll 5ms
code 2
eyot work chain.json --until-idle --poll 4294968s # 2^32 ms and 704 more
code 2
eyot work nowhere.json
code 4

it "two workers share the runs, each of which runs once"
cat >both.json <<'END'
{"graph": "both", "nodes": {
  "a": {"run": "until grep -q taken one.err && grep -q taken two.err; do sleep 0.02; done; echo \"$EYOT_RUN a\" >>ran",
        "output": "none", "next": "b"},
  "b": {"run": "echo \"$EYOT_RUN b\" >>ran", "output": "none"}}}
END
rm -f ran
for i in $(seq 20); do "$EYOT" run both.json --submit --run "s$i" >/dev/null; done
worker one both.json --runs 2
ONE=$WORKER
worker two both.json --runs 2
TWO=$WORKER
wait_for lines ran 40
for i in $(seq 20); do wait_for has_status "s$i" "done" both; done
kill -TERM "$ONE" "$TWO"
end "$ONE"
code 0
end "$TWO"
code 0
same "$(sort ran | uniq -c | awk '$1 != 1')" ''
same "$(wc -l <ran)" 40

it "a worker that is stopped lets its task end and gives the run back"
"$EYOT" delete alien 2>/dev/null
rm -f ran pid go
eyot run waits.json --submit --run back
worker one waits.json
wait_for test -s pid
kill -TERM "$WORKER"
wait_for grep -q 'waits for running tasks' one.err
running "$(cat pid)" || wrong "the command was not let alone"
touch go
end "$WORKER"
code 0
has_status back ready || wrong "it is not ready"
same "$(tr '\n' ' ' <ran)" 'a b '
eyot work waits.json --until-idle
same "$(tr '\n' ' ' <ran)" 'a b c '

it "stopped twice it tells its tasks to end, and the run goes on elsewhere"
rm -f ran pid go
eyot run waits.json --submit --run twice
worker one waits.json
wait_for test -s pid
kill -INT "$WORKER"
wait_for grep -q 'waits for running tasks' one.err
kill -INT "$WORKER"
end "$WORKER"
code 0
! running "$(cat pid)" || wrong "the command still runs"
has_status twice ready || wrong "it is not ready"
touch go
eyot work waits.json --until-idle
same "$(tr '\n' ' ' <ran)" 'a b b c '

it "the runs of a worker that is killed go on with the next one once their lease has ended"
rm -f ran pid go
eyot run waits.json --submit --run killed
worker one waits.json --lease 2s
wait_for test -s pid
kill -KILL "$WORKER"
end "$WORKER"
touch go
worker two waits.json --lease 2s
wait_for has_status killed "done"
kill -TERM "$WORKER"
end "$WORKER"
same "$(tr '\n' ' ' <ran)" 'a b b c '
grep -q 'for the 1. time since\|killed: taken up$' two.err || wrong "two.err does not tell of it"

it "a run that kills its workers is parked at its limit, and others are not"
cat >poison.json <<'END'
{"graph": "poison", "nodes": {"a": {"run": "echo x >>poisoned; kill -9 $(cat worker-pid); sleep 60", "output": "none"}}}
END
rm -f ran poisoned
eyot run poison.json --submit --run bad
for i in 1 2 3; do "$EYOT" run chain.json --submit --run "good$i" >/dev/null; done
for i in $(seq 80); do
    worker one poison.json chain.json --lease 2s --attempts 3 --runs 4 --until-idle
    echo "$WORKER" >worker-pid
    end "$WORKER"
    has_status bad dead poison && break
    sleep 0.3
done
same "$(wc -l <poisoned)" 3
eyot show bad
out_has 'status   dead'
out_has 'begun 3 times'
for i in 1 2 3; do has_status "good$i" "done" chain || wrong "good$i is not done"; done

it "with --trust-store a worker takes its graphs from the store"
eyot run chain.json --submit --run trusted
eyot work --trust-store --until-idle
code 0
err_has 'trusted: done'

it "a run that fails, asks or sleeps is told, and the worker goes on"
cat >asks.json <<'END'
{"graph": "asks", "nodes": {"a": {"ask": "\"how?\"", "into": "how"}}}
END
cat >fails.json <<'END'
{"graph": "fails", "nodes": {"a": {"run": "exit 3"}}}
END
eyot run asks.json --submit --run asking
eyot run fails.json --submit --run failing
eyot work asks.json fails.json --until-idle
code 0
err_has 'asking: suspended: the run waits for an answer'
err_has 'failing: failed: a: '
eyot resume asking --answer '"so"'
code 0

finish
