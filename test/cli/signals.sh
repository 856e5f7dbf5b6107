#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A run that is interrupted, killed, cancelled from elsewhere, or watched on a terminal. signals.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
set -m # so that SIGINT is not ignored in what runs beside us

cat >waits.json <<'END'
{"graph": "waits", "start": "a", "nodes": {
  "a": {"set": {"x": 1}, "next": "b"},
  "b": {"run": "echo $$ >pid; [ -e go ] || sleep 60", "output": "none"}}}
END

start() { # ID   until its command runs
    rm -f pid go
    "$EYOT" run waits.json --run "$1" >out 2>err </dev/null &
    RUN=$!
    for _ in $(seq 200); do [ -s pid ] && return; sleep 0.05; done
    wrong "the command has not begun"
}
end() {
    CODE=0
    { wait "$RUN"; } 2>/dev/null || CODE=$? # bash would tell of a kill
}
command_is_gone() {
    for _ in $(seq 60); do running "$(cat pid)" || return 0; sleep 0.05; done
    wrong "the command still runs"
}

for signal in INT:130 TERM:143; do
    it "SIG${signal%:*} cancels the run, which keeps what is done and goes on"
    start "s-${signal%:*}"
    kill -"${signal%:*}" "$RUN"
    end
    code "${signal#*:}"
    out_empty
    command_is_gone
    err_has "s-${signal%:*} is cancelled"
    eyot show "s-${signal%:*}" --json
    json 'v["status"], v["step"], v["state"]' '["cancelled", 1, {"x": 1}]'
    touch go
    eyot resume "s-${signal%:*}"
    code 0
done

it "a second signal ends it at once"
start twice
kill -STOP "$(cat pid)" # the command does not end by itself
kill -INT "$RUN"
sleep 0.5
kill -INT "$RUN"
end
code 130
command_is_gone

it "another process can cancel it"
start elsewhere
"$EYOT" cancel elsewhere 2>said
end
code 8
same "$(cat said)" 'elsewhere is asked to stop'

it "while it is going on, nobody else can resume or delete it"
start held
cp err held-err
for v in resume delete; do
    "$EYOT" $v held >out2 2>err2
    same "$?" 5
done
same "$(cat err2)" 'eyot: somebody works on run held; `eyot cancel` stops it'
kill -TERM "$RUN"
end

it "SIGKILL leaves no command behind, and the run goes on"
start killed
kill -KILL "$RUN"
end
command_is_gone
eyot list --json
json '[(r["status"], r["held"]) for r in v["runs"] if r["run"] == "killed"]' '[["running", false]]'
eyot list
out_has interrupted
start held-2
"$EYOT" list --status interrupted --json -n 1 >out 2>err
json '[r["run"] for r in v["runs"]]' '["killed"]'
kill -KILL "$RUN"
end
eyot list --status interrupted
out_has held-2
out_has killed
! grep -q done out || wrong "what is done is listed"
touch go
eyot resume killed
code 0
json 'v["x"]' 1

it "on a terminal there is a line of progress, and nothing of it is left"
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    rm -f go pid
    TERM=xterm script -qec "stty cols 80; timeout --foreground -s INT 2 $EYOT run waits.json --run seen" /dev/null >out 2>err </dev/null
    : >err
    out_has 'seen: 1 done, 1 running, 1 branch'
    tr '\r' '\n' <out | grep -v '^ *$' | tail -1 | grep -q 'seen is cancelled' || wrong "the line is still there"
else
    skip "no program \"script\", or no terminal for it"
fi

it "without a terminal there is none, and -v tells of every task"
rm -f pid
touch go
eyot run waits.json -v
code 0
err_has 'a: started'
err_has 'b: done in'
! grep -q running err || wrong "progress"

it "with -v, too, the first line tells the id"
printf 'graph: g\nnodes: { a: { set: {}, next: [b, c, d] }, b: { set: {} }, c: { set: {} }, d: { set: {} } }\n' >quick.yaml
for i in $(seq 20); do
    eyot run quick.yaml -v --run "quick-$i"
    same "$(head -1 err)" "run quick-$i"
    same "$(grep -c ^run err)" 1
done
eyot run quick.yaml -v --run quick-1
code 2
err_one_line

finish
