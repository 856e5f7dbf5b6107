#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What differs between two states: diff. diff.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

cat >steps.json <<'END'
{"graph": "steps", "start": "a", "reduce": {"all": "append", "i": "local"}, "nodes": {
  "a": {"set": {"n": 1, "m": {"k": 1, "l": 2}, "list": [0, 1, 2, 3], "gone": true}, "next": "b"},
  "b": {"jq": "{n: 2, m: {k: 1, l: 3}, list: [0, 1, 9], \"x/y\": \"\\u001b[31mred\"}", "drop": ["gone"], "next": "c"},
  "c": {"jq": "{m: {l: 3, k: 1}, items: [1, 2]}", "next": [{"to": "d", "each": ".items", "as": "i"}]},
  "d": {"jq": "{all: [.i]}"}}}
END
eyot run steps.json --run s -q

it "diff tells what went and what came, and exits with 1"
eyot diff s@1 s@2
code 1
err_empty
nothing_raw
out_is '--- s@1
+++ s@2
- /n: 1
+ /n: 2
- /m/l: 2
+ /m/l: 3
- /list/2: 2
+ /list/2: 9
- /list/3: 3
- /gone: true
+ /x~1y: "\u001b[31mred"'

it "diff exits with 0 where nothing differs"
eyot diff s@2 s@2
code 0
out_empty
err_is 'no difference'
eyot diff s@2 s@2 --json
code 0
json 'v["patch"]' '[]'

it "diff tells when only the order of keys differs"
eyot diff s@2 s@3
code 1
out_has '~ /m: the same keys in another order'

it "diff as JSON is a patch of RFC 6902"
eyot diff s@1 s@2 --json
code 1
json 'v["schema"], v["from"], v["to"], v["task"]' '[1, {"run": "s", "step": 1}, {"run": "s", "step": 2}, null]'
json 'v["patch"][0], v["patch"][3]' '[{"op": "replace", "path": "/n", "value": 2}, {"op": "remove", "path": "/list/3"}]'
json 'v["patch"][-1]' '{"op": "add", "path": "/x~1y", "value": "\u001b[31mred"}'
nothing_raw

it "a run without a step is its newest, and runs are found by prefix and latest"
eyot diff s@4 latest --json
code 1
json 'v["to"]' '{"run": "s", "step": 5}'

it "a label is a step"
eyot label s@4 named
eyot diff s@named s --json
json 'v["from"]' '{"run": "s", "step": 4}'

it "two runs can be compared"
eyot run steps.json --run other -q
eyot diff s other
code 0
eyot run steps.json --run more --set extra=1 -q
eyot diff s more
code 1
out_has '+ /extra: 1'

it "with a task only its branch is compared"
eyot diff s@3 other@3 --task 'd[1]'
code 0
eyot diff s@3 more@3 --task 'd[1]'
code 1
out_has '+ /extra: 1'
eyot diff s@3 s --task 'd[1]'
code 4
err_has 'after step 5 run s has no branch at d[1]: none is live'
eyot diff s@3 s --task 'nothing'
code 4
err_has 'after step 3 run s has no branch at nothing; it has some at d[0], d[1]'

it "long values are cut for people, and whole as JSON"
eyot run steps.json --run long --set big="\"$(printf 'x%.0s' {1..2000})\"" -q
eyot diff s long
code 1
[ "$(wc -L <out)" -lt 600 ] || wrong "a line is too long"
out_has '... (2002 bytes)'
eyot diff s long --json
json 'len(v["patch"][0]["value"])' 2000

it "diff names what is not there"
eyot diff s@9 s
code 4
err_is 'eyot: run s has no step 9'
eyot diff s s@nothing
code 4
err_is 'eyot: run s has no label "nothing"'
eyot diff s nobody
code 4
err_has 'has no run nobody'
eyot diff s
code 2
err_has 'usage: eyot diff RUN[@STEP] RUN[@STEP]'
eyot diff s s s
code 2
err_has 'what is "s"?'
eyot diff s s/a
code 2

finish
