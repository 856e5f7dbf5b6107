#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Graph files that call functions of modules. call.sh EYOT WORDS.SO
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
APART=1
WORDS=$2
AT=$(dirname "$WORDS")

# Runs one node that calls trial:FUNCTION, with more keys if they are given, as run $ID.
N=0
call() { # FUNCTION [KEYS [OPTION…]]
    local keys=${2:-}
    N=$((N + 1)) ID=g-$$-$N
    cat >g.yaml <<END
graph: g
nodes:
  a: { call: trial:$1${keys:+, $keys} }
  b: { set: { b: true } }
  c: { set: { c: true } }
start: [a, b, c]
END
    eyot run g.yaml --run "$ID" --nodes "$AT/trial.so" "${@:3}"
}
# The same with a graph on stdin.
run() { # [OPTION]…
    cat >g.yaml
    N=$((N + 1)) ID=g-$$-$N
    eyot run g.yaml --run "$ID" --nodes "$AT/trial.so" "$@"
}
fails_with() { # TEXT
    code 1
    out_empty
    err_has "eyot: $ID failed: $1"
    nothing_raw
}

it "the example's functions count what wc, sort and uniq count"
tr -cs 'A-Za-z0-9 \n' ' ' <"$ROOT/docs/design.md" >text
eyot run "$ROOT/examples/words.yaml" --nodes "$WORDS" --set-file text=text --set most=5 --run words
code 0
json 'v["words"], v["lines"]' "[$(wc -w <text), $(wc -l <text)]"
json '[[t["times"], t["word"]] for t in v["top"]]' \
    "$(tr 'A-Z ' 'a-z\n' <text | grep . | LC_ALL=C sort | uniq -c | LC_ALL=C sort -k1,1nr -k2 | head -5 |
        awk '{ printf "%s[%d, \"%s\"]", comma, $1, $2; comma = ", " }' | sed 's/.*/[&]/')"
json 'len(v["longest"])' "$(tr ' ' '\n' <text | wc -L)"

it "a module in this directory is found by its name alone"
cp "$WORDS" words.so
eyot run "$ROOT/examples/words.yaml" --nodes words.so
code 0
json 'v["report"]' '"12 words, most often: the (3), and (1), brown (1)"'

it "a graph can be checked and drawn without the module, not run"
eyot check "$ROOT/examples/words.yaml"
code 0
eyot graph "$ROOT/examples/words.yaml"
code 0
eyot run "$ROOT/examples/words.yaml"
code 2
err_has 'node "count" calls module words: name it with --nodes PATH/words.so'

it "what is no module is refused before anything runs, whether it is called or not"
for module in newer tableless; do
    call sets '' --nodes "$AT/$module.so"
    code 2
    out_empty
    case $module in
        newer) err_has 'newer.so is made for ABI 2 of nodes; this eyot has 1' ;;
        *) err_has 'tableless.so defines no eyot_nodes_table' ;;
    esac
done
call sets '' --nodes nowhere.so
code 2
err_has '--nodes: ./nowhere.so: cannot open shared object file'
call sets '' --nodes g.yaml
code 2
err_has '--nodes: ./g.yaml: '
eyot list --json
json '[r["run"] for r in v["runs"] if r["run"].startswith("g-")]' '[]'

it "a worker leaves runs whose module it was not given to others"
for run in w1 w2; do
    eyot run "$ROOT/examples/words.yaml" --nodes "$WORDS" --set-str text="one two" --submit --run "$run" --queue words
    code 0
done
eyot work --trust-store --until-idle --queue words
code 0
err_has 'w1: not taken up: the graph of run w1 cannot be made here'
err_has 'w2: not taken up: the graph of run w2 cannot be made here'

it "a function that is missing is told"
call nothing
code 2
err_has 'node "a": module trial has no function nothing'

it "a function has what its table hands it"
call sets
code 0
json 'v["set"]' '"luck"'

it "a function that fails says why, is tried again, and rescued"
call fails
fails_with 'a: no luck today, attempt 1'
call fails 'retry: { attempts: 3, delay: 1ms }'
fails_with 'a: no luck today, attempt 3'
call fails 'on_error: ignore'
code 0
run <<'END'
graph: g
nodes:
  a: { call: 'trial:fails', on_error: mend }
  mend: { jq: '{why: .error.text}' }
END
code 0
json 'v["why"]' '"no luck today, attempt 1"'
call strange
fails_with 'a: the node returned 77, which is no status of a finished task'

it "a task may be completed by a thread, and its edges are looked at then"
run <<'END'
graph: g
nodes:
  a: { call: 'trial:later', next: [{ to: b, when: '.by == "a thread"' }, { otherwise: c }] }
  b: { set: { b: true } }
  c: { set: { c: true } }
END
code 0
json 'v' '{"by": "a thread", "b": true}'
call fails_later
fails_with 'a: the thread could not'

it "many of them wait at once, on few threads"
run -j 200 <<'END'
graph: g
reduce: { by: local, n: add }
nodes:
  list: { jq: '{items: [range(200)]}', next: [{ to: a, each: .items }] }
  a: { call: 'trial:later', next: one }
  one: { each: true, set: { n: 1 }, next: join }
  join: { drop: [items] }
END
code 0
json 'v' '{"n": 200}'
in_ms 5000

it "a function chooses edges, and sends"
run <<'END'
graph: g
nodes:
  a: { call: 'trial:routes', next: [{ to: b, when: 'false' }, { to: c, when: 'true' }] }
  b: { set: { b: true } }
  c: { set: { c: true } }
END
code 0
json 'v' '{"b": true}'
run <<'END'
graph: g
reduce: { got: append }
nodes:
  a: { call: 'trial:sends', next: [{ to: b, each: '[]' }] }
  b: { jq: '{got: [.item]}' }
END
code 0
json 'v["got"]' '[0, 1, 2]'

it "a function may ask"
call asks
code 7
err_has 'a: How many?'
eyot resume "$ID" --nodes "$AT/trial.so" --answer 3
code 0
json 'v["answer"]' '"3"'
eyot resume "$ID" --answer 3
code 2

it "one that listens ends with its timeout"
call polite 'timeout: 200ms'
fails_with 'a: timed out after 200 ms'
in_ms 3000
gone_in 1000 EYOT_RUN="$ID"

it "one that nobody completes ends with its timeout"
call lost 'timeout: 200ms, grace: 100ms'
fails_with 'a: timed out after 200 ms'
in_ms 3000

# As `eyot`, but not for ever.
eyot_in_time() {
    local began
    began=$(now_ms)
    CODE=0
    timeout -s KILL $((20 * PATIENCE)) "$EYOT" "$@" >out 2>err </dev/null || CODE=$?
    MS=$(($(now_ms) - began))
}

if it "one that never returns ends with its timeout, and so does the program; the run can be resumed"; then
    cat >g.yaml <<'END'
graph: g
nodes:
  begin: { set: {}, next: [a, b] }
  a: { call: 'trial:forever', timeout: 500ms, grace: 100ms }
  b: { run: 'echo done >>b-ran', output: none }
END
    ID=never
    eyot_in_time run g.yaml --run never --nodes "$AT/trial.so"
    fails_with 'a: timed out after 500 ms'
    in_ms 5000
    eyot_in_time resume never --nodes "$AT/trial.so"
    fails_with 'a: timed out after 500 ms'
    same "$(cat b-ran)" 'done'
fi

if it "a second signal ends a run whose function never returns"; then
    cat >g.yaml <<'END'
graph: g
nodes:
  begin: { set: {}, next: [a, b] }
  a: { call: 'trial:forever' }
  b: { run: 'echo $$ >b-runs; exec sleep 300', output: none }
END
    "$EYOT" run g.yaml --run "stuck-$$" --nodes "$AT/trial.so" >out 2>err </dev/null &
    RUN=$!
    wait_for lines b-runs 1
    kill -TERM $RUN
    wait_for grep -q 'once more to stop at once' err
    kill -TERM $RUN
    CODE=0
    wait $RUN 2>/dev/null || CODE=$?
    code 143
    gone_in 1000 "EYOT_RUN=stuck-$$"
fi

it "a function that calls exit(0) does not end the run well"
call ends
code 1
out_empty
err_has 'eyot: something that the run called has ended the program by exit()'
if [ "$STATE" = passed ]; then
    eyot show "$ID"
    out_has 'status   interrupted'
fi

it "a function emits events, and its update is one where the file says so"
call emits 'emit: "the update"'
code 0
eyot events --run "$ID"
same "$(cat out)" "$ID/a/0  word  luck
$ID/a/1  the update  {\"word\":\"luck\"}"

it "a function that edits its state emits by itself"
call edits 'emit: edited'
fails_with 'a: emit: the task edits its state: there is no update yet'

finish
