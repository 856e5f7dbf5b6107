#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What expressions may do to a run. expressions.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
APART=1

# Runs the graph on stdin as run $ID; the options are those of `eyot run`.
N=0
run() { # [OPTION]…
    cat >g.json
    N=$((N + 1)) ID=g-$$-$N
    eyot run g.json --run "$ID" "$@"
}
# Runs one node with this expression.
jq_of() { # EXPRESSION [OPTION]…
    local expr=$1
    shift
    run "$@" < <(python3 -c 'import json,sys; print(json.dumps(
        {"graph": "g", "nodes": {"a": {"jq": sys.argv[1], "timeout": "20s"}}}))' "$expr")
}
fails_with() { # TEXT
    code 1
    out_empty
    err_has "eyot: $ID failed: $1"
    nothing_raw
}

# Each beside a branch of three tasks, which must be done and kept.
while IFS= read -r expr; do
    it "an expression without end fails its task in time, and others go on: $expr"
    run < <(python3 -c 'import json,sys; print(json.dumps({"graph": "g", "reduce": {"n": "add"}, "nodes": {
        "begin": {"set": {"x": [1]}, "next": ["bad", "good"]},
        "bad": {"jq": sys.argv[1], "timeout": "500ms"},
        "good": {"jq": "{n: 1}", "next": "better"},
        "better": {"run": "echo \"{\\\"n\\\": 2}\"", "next": [{"to": "best", "when": ".n == 3"}]},
        "best": {"set": {"n": 4}}}}))' "$expr")
    fails_with bad:
    in_ms 5000
    eyot show "$ID" --json
    json 'v["state"]["n"]' 7
    gone_in 2000 "EYOT_RUN=$ID"
done <<'END'
last(repeat(.))
[range(1e9)]
[repeat(1)]
def f: f; f
def f: 1 + f; f
[recurse([.])] | length
"x" * 1e9
reduce range(1e7) as $i ([]; [., .])
[limit(1e8; repeat("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"))]
until(false; . + {a: [.]})
END

it "what ends libjq ends its task and nothing else"
for expr in '.x[nan:]' '.x[:nan] = 1' '[range(1e5)] | .[1e300]' '[limit(3; .x[nan])]' '@base32d' 'getpath(["x", {}])' \
    'setpath([1e300]; 1)' '.x | implode' '[1e18] | implode' 'splits("(")' '"\(1e1000)" | {a: .}' 'ltrimstr(1) | tojson * 1e5'; do
    jq_of "$expr" --set x='[1,2,3]'
    [ "$CODE" = 0 ] || fails_with a:
    in_ms 50000
    nothing_raw
done

it "an update is one object"
jq_of '{}, {}'
fails_with 'a: gave more than one output'
jq_of empty
fails_with 'a: gave no output'
jq_of '[1]'
fails_with 'a: it gave an array; an update is an object'
jq_of '"x"'
fails_with 'a: it gave a string; an update is an object'
jq_of 1
fails_with 'a: it gave a number; an update is an object'
jq_of null
fails_with 'a: it gave null; an update is an object'

it "an error of an expression is the error of its task"
jq_of '.a.b' --set a=1
fails_with 'a: Cannot index number with string "b"'
jq_of 'error("no\nway \u001b[31m")'
fails_with 'a: no way '
jq_of 'error({code: 7})'
fails_with 'a: {"code":7}'

it "numbers that JSON does not have name their place"
jq_of '{a: [1, nan]}'
fails_with 'a: /a/1: not a number'
jq_of '{"a/b~": infinite}'
fails_with 'a: /a~1b~0: infinite'
jq_of '{a: (0 / 1e-320 * 1e320 | -infinite)}'
fails_with 'a: /a: infinite'

it "integers beyond 2^53 name their place, and nothing is rounded"
jq_of '{y: 1}' --set 'x={"list":[0,9007199254740993]}'
fails_with 'a: /x/list/1: 9007199254740993 is beyond what jq computes exactly'
jq_of '{y: 1}' --set x=-9007199254740993
fails_with 'a: /x: -9007199254740993 is beyond what jq computes exactly'
jq_of '{y: 1}' --set x=18446744073709551615
fails_with 'a: /x: 18446744073709551615 is beyond what jq computes exactly'
jq_of '{y: .x}' --set x=9007199254740992
code 0
json 'v' '{"x": 9007199254740992, "y": 9007199254740992}'
run --set x=9007199254740993 <<'END'
{"graph": "g", "nodes": {"a": {"run": "cat"}}}
END
code 0
json 'v' '{"x": 9007199254740993}'

it "an error in when fails its task, which says which edge"
run --set n='"x"' <<'END'
{"graph": "g", "nodes": {
  "a": {"set": {"y": 1}, "next": [{"to": "b", "when": ".n - 1 > 0"}, {"otherwise": "b2"}]},
  "b": {"set": {}}, "b2": {"set": {}}}}
END
fails_with 'a: `when` of the edge to b: string ("x") and number (1) cannot be subtracted'
eyot show "$ID" --json
json 'v["state"], v["step"]' '[{"n": "x"}, 0]'

it "when gives one output, and sees the update"
run <<'END'
{"graph": "g", "nodes": {
  "a": {"set": {"y": 1}, "next": [{"to": "b", "when": "true, false"}, {"otherwise": "b2"}]},
  "b": {"set": {}}, "b2": {"set": {}}}}
END
fails_with 'a: `when` of the edge to b: gave more than one output'
run <<'END'
{"graph": "g", "nodes": {
  "a": {"set": {"y": 1}, "next": [{"to": "b", "when": ".y == 1"}, {"otherwise": "b2"}]},
  "b": {"set": {"b": 1}}, "b2": {"set": {"b": 2}}}}
END
code 0
json 'v' '{"y": 1, "b": 1}'

it "a when without end fails its task in time"
run <<'END'
{"graph": "g", "nodes": {
  "a": {"run": "true", "output": "none", "timeout": "1s", "next": [{"to": "b", "when": "last(repeat(.))"}]},
  "b": {"set": {}}}}
END
fails_with 'a: timed out after 1 s'
in_ms 3000

it "no edge taken is a failure, unless the node says otherwise"
run <<'END'
{"graph": "g", "nodes": {"a": {"set": {}, "next": [{"to": "b", "when": "false"}]}, "b": {"set": {}}}}
END
fails_with 'a: no route: no edge of `next` was taken'

it "each takes a list, and nothing else"
for x in '{"a": 1}' '"text"' 7 null true; do
    run --set "x=$x" <<'END'
{"graph": "g", "nodes": {"a": {"set": {}, "next": [{"to": "b", "each": ".x"}]}, "b": {"set": {}}}}
END
    fails_with 'a: `each` of the edge to b: it gave '
    err_has ', not an array'
done
run --set 'x=[]' <<'END'
{"graph": "g", "nodes": {
  "a": {"set": {}, "next": [{"to": "b", "each": ".x"}, {"otherwise": "c"}]}, "b": {"set": {}}, "c": {"set": {"none": true}}}}
END
code 0
json 'v["none"]' true

it "each keeps the order of its items"
run -j 8 --set 'x=[3,1,2,[],{"k":null},"z"]' <<'END'
{"graph": "g", "reduce": {"y": "append"}, "nodes": {
  "a": {"set": {}, "next": [{"to": "b", "each": ".x"}]}, "b": {"jq": "{y: [.item]}"}}}
END
code 0
json 'v["y"]' '[3, 1, 2, [], {"k": null}, "z"]'

it "a sleep of a time that is none fails"
for x in -1 '"5m"' null 1e300 '[1]'; do
    run --set "x=$x" <<'END'
{"graph": "g", "nodes": {"a": {"sleep": ".x"}}}
END
    fails_with 'a: `sleep` wants seconds, from 0 to ten years'
done

it "expressions see neither environment nor files, nor their neighbours"
export SECRET=hidden
mkdir -p "$HOME" && echo 'def map(f): "from ~/.jq"; def mine: 1;' >"$HOME/.jq"
jq_of '{e: (try env catch "none")}'
[ "$CODE" = 2 ] || ! grep -q hidden out || wrong "the environment is seen"
jq_of '{m: ([1] | map(. + 1))}'
code 0
json 'v["m"]' '[2]'
jq_of mine
code 2

if it "an expression may take as long as its node, or ten seconds"; then
    run <<'END'
{"graph": "g", "nodes": {"a": {"jq": "{n: (reduce range(3e8) as $i (0; 1))}", "timeout": "11s"}}}
END
    fails_with 'a: timed out after 11 s'
    run <<'END'
{"graph": "g", "nodes": {"a": {"jq": "last(repeat(.))"}}}
END
    fails_with 'a: the expression did not end within 10 s'
fi

finish
