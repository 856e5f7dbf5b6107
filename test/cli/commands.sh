#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What commands may do to a run, and what it does with them. commands.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
APART=1
set -m # so that SIGINT is not ignored in what runs beside us

# Runs the graph on stdin as run $ID; the options are those of `eyot run`.
N=0
run() { # [OPTION]…
    cat >g.yaml
    N=$((N + 1)) ID=g-$$-$N
    eyot run g.yaml --run "$ID" "$@"
}
fails_with() { # TEXT
    code 1
    out_empty
    err_has "eyot: $ID failed: $1"
    err_has "eyot resume $ID"
    nothing_raw
}

if it "after SIGKILL no command is left, and what is done is not done again"; then
    cat >many.yaml <<'END'
graph: many
reduce: { done: append }
nodes:
  list:
    jq: '{items: [range(30)]}'
    next: [{ to: work, each: .items, as: i }]
  work:
    run: |
        [ "$I" -ge 10 ] || { echo "$I" >>did; echo "{\"done\":[$I]}"; exit; }
        [ ! -e go ] || { echo "$I" >>did; echo "{\"done\":[$I]}"; exit; }
        case $((I % 5)) in
            0) exec env -i sh -c 'echo $$ >>bare; echo x >>began; sleep 300; sleep 300' ;;
            1) trap '' TERM HUP INT ;;
            2) setsid sh -c 'echo x >>began; sleep 300; sleep 300'; exit ;;
            3) (setsid sh -c 'trap "" TERM; sleep 300; sleep 300' &) ;;
        esac
        echo x >>began
        sleep 300; sleep 300
    env: { I: .i }
    next: join
  join:
    drop: [items]
END
    # shellcheck disable=SC2317
    settled() { [ "$("$EYOT" history "$1" --jsonl | grep -c '"node":"work"')" = 10 ]; }
    for round in 1 2; do
        rm -f go did began bare
        "$EYOT" run many.yaml --run many-$$-$round -j 40 >out 2>err </dev/null &
        wait_for lines began 20
        wait_for settled many-$$-$round
        [ "$(alive EYOT_RUN=many-$$-$round | wc -l)" -ge 20 ] || wrong "too few processes to test anything"
        kill -KILL $!
        { wait $!; } 2>/dev/null
        last=$(($(now_ms) + 1000 * PATIENCE))
        gone_in 1000 EYOT_RUN=many-$$-$round
        while read -r pid; do # these have no environment, only their group
            while running "$pid" && [ "$(now_ms)" -lt "$last" ]; do sleep 0.02; done
            ! running "$pid" || wrong "process $pid is still alive"
        done <bare
        same "$(wc -l <bare)" 4
        touch go
        eyot resume many-$$-$round
        code 0
        json 'v["done"] == list(range(30))' true
        same "$(sort -n did | tr '\n' ' ')" "$(seq -s ' ' 0 29) "
    done
fi

it "garbage instead of JSON is told, with what else could be said"
run <<'END'
graph: g
nodes: { a: { run: 'printf "\033[31m\000garbage"' } }
END
fails_with 'a: stdout is no JSON: line 1, column 1'
err_has 'for other output say `output: text KEY`, `lines KEY` or `none`'

it "no output is told"
run <<'END'
graph: g
nodes: { a: { exec: ["true"] } }
END
fails_with 'a: stdout is empty, not a JSON object'

it "JSON that is no object is told"
for v in 1 '\"x\"' '[1]' null '{}{}' '{\"a\":1}x' '{\"a\":1e999}'; do
    run <<END
graph: g
nodes: { a: { run: "echo '$v'" } }
END
    fails_with 'a: stdout is '
done

# As `eyot`, and the most memory that it or any of its commands had, in $KIB.
measured() {
    KIB=$(python3 - "$EYOT" "$@" 3>&1 >out 2>err </dev/null <<'END'
import os, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
os.write(3, b"%d" % resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
END
    )
}

if it "a gigabyte of output ends soon, at max_output, and is not kept"; then
    cat >much.yaml <<'END'
graph: much
max_output: 1MiB
nodes: { a: { run: 'yes | head -c 1G', output: text x, timeout: 5m } }
END
    began=$(now_ms)
    measured run much.yaml --run "much-$$"
    CODE=$? MS=$(($(now_ms) - began)) ID=much-$$
    fails_with 'a: it wrote more than 1048576 bytes to stdout (max_output)'
    in_ms 3000
    [ "$KIB" -lt $((60000 * (PATIENCE > 1 ? 10 : 1))) ] || wrong "it took $KIB KiB"
    gone_in 1000 "EYOT_RUN=much-$$"
fi

it "as many bytes as max_output are taken"
run <<'END'
graph: g
nodes: { a: { run: 'printf 12345678', output: text x, max_output: 8B } }
END
code 0
json 'v' '{"x": "12345678"}'

if it "a gigabyte on stderr costs 64 KiB"; then
    cat >much.yaml <<'END'
graph: much
nodes: { a: { run: 'yes | head -c 1G >&2; echo the end >&2', output: none } }
END
    if [ "$PATIENCE" -le 1 ]; then
        measured run much.yaml --run much-2
        CODE=$?
        code 0
        [ "$KIB" -lt 60000 ] || wrong "it took $KIB KiB"
        eyot logs much-2/a
        code 0
        [ "$(wc -c <out)" -le 65536 ] || wrong "more than 64 KiB are kept"
        same "$(tail -1 out)" 'the end'
    else
        skip "it would take too long"
    fi
fi

it "half a character names its offset"
for output in 'text x' 'lines x'; do
    run <<END
graph: g
nodes: { a: { run: 'printf "ab\n\303\251\342\202"', output: $output } }
END
    fails_with 'a: stdout is not UTF-8: byte 5'
done

it "a command that hangs ends with its timeout"
run --json <<'END'
graph: g
nodes: { a: { run: 'sleep 300', timeout: 300ms, grace: 5s, output: none } }
END
code 1
json 'v["error"]' "$(printf '{"task": "a", "attempt": 1, "text": "a: timed out after 300 ms"}')"
in_ms 2000
gone_in 1000 "EYOT_RUN=$ID"

it "one that ignores SIGTERM ends after its grace"
run <<'END'
graph: g
nodes: { a: { run: 'trap "echo told >>told" TERM; while :; do sleep 0.1; done', timeout: 300ms, grace: 500ms, output: none } }
END
fails_with 'a: timed out after 300 ms'
same "$(cat told)" told
[ "$MS" -ge 800 ] || wrong "it had no grace: $MS ms"
in_ms 3000
gone_in 1000 "EYOT_RUN=$ID"

it "a program that is missing is told"
run <<'END'
graph: g
nodes: { a: { exec: [no-such-program, x] } }
END
fails_with 'a: could not find no-such-program in PATH: No such file or directory'
run <<'END'
graph: g
nodes: { a: { exec: [./g.yaml] } }
END
fails_with 'a: could not run ./g.yaml: Permission denied'

it "an exit status comes with the last lines of stderr, and all of it is in the logs"
run <<'END'
graph: g
nodes: { a: { run: 'seq 1000 >&2; printf "what\033[31m now\ngone\n\n" >&2; exit 77' } }
END
fails_with 'a: exit status 77: '
err_has '999 / 1000 / what?[31m now / gone'
same "$(wc -l <err)" 3
eyot logs "$ID"
out_has '==> a, attempt 1, failed <=='
same "$(sed -n 2p out)" 1
same "$(wc -l <out)" 1004

it "the end of a command is not that of its children"
run <<'END'
graph: g
nodes: { a: { run: 'sleep 300 & echo x', output: text x } }
END
code 0
json 'v' '{"x": "x"}'
in_ms 3000
gone_in 1000 "EYOT_RUN=$ID"

it "nor that of a child in a session of its own"
run <<'END'
graph: g
nodes: { a: { run: 'setsid sleep 4.25 & echo x', output: text x } }
END
code 0
json 'v' '{"x": "x"}'
in_ms 3000

it "the state is stdin, and may be left unread"
python3 -c 'import json; print(json.dumps({"big": "x" * 10485760}))' >big.json
run --input @big.json <<'END'
graph: g
nodes:
  a: { exec: ["true"], output: none, next: b }
  b: { run: 'exec <&-; echo ok', output: text b, next: c }
  c: { run: 'head -c 8', output: text c, next: d }
  d: { run: 'wc -lc | tr -s " "', output: text d, drop: [big] }
END
code 0
json 'v' '{"b": "ok", "c": "{\"big\":\"", "d": " 1 10485798"}'

it "there is no terminal to stop on"
run <<'END'
graph: g
nodes: { a: { run: 'cat /dev/tty', output: none } }
END
fails_with 'a: exit status 1: cat: /dev/tty: No such device or address'

it "a command that kills its group, or ends by a signal, ends nothing else"
run <<'END'
graph: g
reduce: { text: append }
nodes:
  begin: { set: {}, next: [a, b, c] }
  a: { run: 'kill 0; sleep 300', on_error: why, output: none }
  b: { run: 'kill -KILL $$', on_error: why, output: none }
  c: { run: 'kill -SEGV $$', on_error: why, output: none }
  why: { each: true, jq: '{text: [.error.text]}' }
END
code 0
json 'v["text"]' '["killed by signal 15 (Terminated)", "killed by signal 9 (Killed)", "killed by signal 11 (Segmentation fault)"]'

it "a value of the wrong type for its reducer fails its task"
run --set n=1 <<'END'
graph: g
reduce: { n: add }
nodes: { a: { run: 'echo "{\"n\": \"x\"}"' } }
END
fails_with 'a: key "n": add: both values must be numbers'
eyot show "$ID" --json
json 'v["state"]' '{"n": 1}'

it "attempts are counted, and each is in the history"
run --json <<'END'
graph: g
nodes:
  a:
    run: 'echo "try $EYOT_ATTEMPT" >&2; [ "$EYOT_ATTEMPT" = 3 ] || exit "$EYOT_ATTEMPT"; echo "$EYOT_ATTEMPT"'
    retry: { attempts: 5, delay: 10ms }
    output: text n
END
code 0
json 'v["state"], v["metrics"]["failed"]' '[{"n": "3"}, 2]'
eyot history "$ID"
out_has 'failed: exit status 1: try 1'
out_has 'failed: exit status 2: try 2'
eyot history "$ID" --jsonl
json 'v["attempt"]' 3
eyot logs "$ID/a"
for i in 1 2 3; do out_has "try $i"; done

it "after the last attempt the run has failed, and resuming tries again"
run <<'END'
graph: g
nodes: { a: { run: '[ -e fixed ] || exit 9', retry: { attempts: 2, delay: 10ms }, output: none } }
END
fails_with 'a: exit status 9'
touch fixed
eyot resume "$ID"
code 0

it "on_error ignore ends the branch and not the run"
run <<'END'
graph: g
nodes:
  begin: { set: {}, next: [a, b] }
  a: { run: 'exit 1', on_error: ignore, next: after }
  b: { set: { b: true } }
  after: { set: { after: true } }
END
code 0
json 'v' '{"b": true}'

it "on_error NODE goes there with the error"
run <<'END'
graph: g
nodes:
  a: { run: 'echo oh no >&2; exit 3', retry: { attempts: 2, delay: 1ms }, on_error: mend, next: after }
  mend: { jq: '{error2: .error}' }
  after: { set: { after: true } }
END
code 0
json 'v["error2"]' '{"task": "a", "node": "a", "attempt": 2, "status": "EFAILED", "text": "exit status 3: oh no"}'

it "a variable that is null is a mistake, one that is JSON is JSON"
run <<'END'
graph: g
nodes: { a: { run: 'true', env: { X: .x }, output: none } }
END
fails_with 'a: env X: it gave null; say `// ""` behind it if it may be empty'
run --set 'o={"k":[1,2.5,"é"]}' --set n=17 --set f=false --set-str s=$'two\nlines ' <<'END'
graph: g
nodes: { a: { run: 'printf "%s|" "$O" "$N" "$F" "$S" "$E"', env: { O: .o, N: .n, F: .f, S: .s, E: '.x // ""' }, output: text x } }
END
code 0
json 'v["x"]' "$(python3 -c 'import json; print(json.dumps("{\"k\":[1,2.5,\"é\"]}|17|false|two\nlines ||"))')"

it "a command knows its run, task, attempt, key and fence"
run <<'END'
graph: g
nodes:
  a:
    run: 'printf "%s\n" "$EYOT_RUN" "$EYOT_TASK" "$EYOT_ATTEMPT" "$EYOT_IDEMPOTENCY_KEY" "$EYOT_FENCE"'
    output: lines x
    next: [{ to: b, each: '[1]' }]
  b: { run: 'printf "%s\n" "$EYOT_TASK" "$EYOT_IDEMPOTENCY_KEY" "$EYOT_FENCE"', output: lines y }
END
code 0
json 'v["x"][:4]' "[\"$ID\", \"a\", \"1\", \"$ID/a\"]"
json 'v["y"][:2]' "[\"b[0]\", \"$ID/b[0]\"]"
json 'v["x"][4] == v["y"][2] and int(v["x"][4]) > 0' true

it "variables of eyot's own environment are there, except where the node has its own"
export OUTSIDE=outside BOTH=outside
run <<'END'
graph: g
nodes: { a: { run: 'printf "%s\n" "$OUTSIDE" "$BOTH"', env: { BOTH: '"inside"' }, output: lines x } }
END
code 0
json 'v["x"]' '["outside", "inside"]'

it "cwd is that of the node, of the graph, or where the run began, also when it is resumed elsewhere"
mkdir -p one two/three
run --store here.db <<'END'
graph: g
cwd: two
nodes:
  a: { run: 'basename "$PWD"', output: text a, next: b }
  b: { run: 'basename "$PWD"', cwd: two/three, output: text b, next: c }
  c: { run: '[ -e ../on ]', output: none, next: d }
  d: { run: 'basename "$PWD"', output: text d }
END
code 1
touch on
cd one || exit 1
"$EYOT" resume "$ID" --store ../here.db >../out 2>../err
CODE=$?
cd .. || exit 1
code 0
json 'v' '{"a": "two", "b": "three", "d": "two"}'
run <<'END'
graph: g
nodes: { a: { run: 'true', cwd: nowhere, output: none } }
END
fails_with "a: could not enter $(pwd -P)/nowhere: No such file or directory"

it "exec goes without a shell"
run <<'END'
graph: g
nodes: { a: { exec: [printf, '%s|', '$HOME', '*', "a  b'", ''], output: text x } }
END
code 0
json 'v["x"]' '"$HOME|*|a  b'"'"'||"'

it "the graph chooses its shell"
run <<'END'
graph: g
shell: bash
nodes: { a: { run: 'x=(1 2 3); echo "${#x[@]}"', output: text x } }
END
code 0
json 'v["x"]' '"3"'

it "outputs are texts, lines, objects or nothing"
run <<'END'
graph: g
nodes:
  a: { run: 'printf "x\n\n"', output: text a, next: b }
  b: { run: 'printf ""', output: text b, next: c }
  c: { run: 'printf "1\n\n3"', output: lines c, next: d }
  d: { run: 'printf ""', output: lines d, next: e }
  e: { run: 'printf "{\"e\": 12345678901234567890}\n\n"', next: f }
  f: { run: 'echo not JSON', output: none }
END
code 0
json 'v' '{"a": "x\n", "b": "", "c": ["1", "", "3"], "d": [], "e": 12345678901234567890}'

it "drop removes keys, those of the own update too"
run --set a=1 --set b=2 --set c=3 <<'END'
graph: g
nodes:
  one: { drop: [a, nothing], next: two }
  two: { set: { b: 4, d: 5 }, drop: [b, c] }
END
code 0
json 'v' '{"d": 5}'

it "sleep waits as long as it says"
run <<'END'
graph: g
nodes:
  a: { sleep: 300ms, next: b }
  b: { sleep: '.x // 0.2' }
END
code 0
[ "$MS" -ge 500 ] || wrong "only $MS ms"
in_ms 3000
run --set x='"long"' <<'END'
graph: g
nodes: { a: { sleep: .x } }
END
fails_with 'a: `sleep` wants seconds, from 0 to ten years'

it "with --no-wait a sleep ends the process and not the run"
run --no-wait <<'END'
graph: g
nodes: { a: { sleep: 1h, next: b }, b: { set: { b: 1 } } }
END
code 7
in_ms 3000

for jobs in 1 3; do
    it "-j $jobs: $jobs commands at once, and no more"
    rm -f at
    run -j $jobs <<END
graph: g
nodes:
  list: { jq: '{items: [range(12)]}', next: [{ to: work, each: .items }] }
  work: # waits for the others, so that fewer are seen too
    run: 'echo + >>at; until [ \$(grep -c + at) -ge $jobs ]; do sleep 0.02; done; sleep 0.05; echo - >>at'
    timeout: 20s
    output: none
END
    code 0
    same "$(awk '{ n += $1 == "+" ? 1 : -1; if (n > most) most = n } END { print most, NR }' at)" "$jobs 24"
done

if it "300 commands at once need no 300 threads, and all end with a signal"; then
    cat >wide.yaml <<'END'
graph: wide
nodes:
  list: { jq: '{items: [range(300)]}', next: [{ to: work, each: .items }] }
  work: { run: 'echo x >>up; exec sleep 300', output: none }
END
    "$EYOT" run wide.yaml --run "wide-$$" -j 1000 -q >out 2>err </dev/null &
    RUN=$!
    wait_for lines up 300
    n=$(find /proc/$RUN/task -mindepth 1 -maxdepth 1 | wc -l)
    [ "$n" -gt 0 ] || wrong "no threads"
    [ "$n" -lt 20 ] || wrong "$n threads"
    n=$(alive "EYOT_RUN=wide-$$" | wc -l)
    [ "$n" -ge 300 ] || wrong "only $n processes"
    kill -TERM $RUN
    wait $RUN 2>/dev/null
    CODE=$?
    code 143
    gone_in 1000 "EYOT_RUN=wide-$$"
fi

if it "a run that has reached max_steps goes on with a file that allows for more"; then
    run <<'END'
graph: g
max_steps: 3
state: { i: 0 }
nodes:
  a: { jq: '{i: (.i + 1)}', next: [{ to: a, when: .i < 5 }, { otherwise: end }] }
END
    fails_with "the run has reached its limit of 3 steps (max_steps)"
    err_has "name a higher limit in the file, and go on with: eyot resume $ID --graph FILE"
    sed 's/max_steps: 3/max_steps: 5/' g.yaml >more.yaml
    eyot resume "$ID" --graph more.yaml
    code 0
    json 'v["i"]' 5
fi

finish
