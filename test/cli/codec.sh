#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Files whose states are kept as msgpack: nothing that people see is different. codec.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
export EYOT_STORE=$DIR/packed.db

cat >packed.yaml <<'END'
graph: packed
codec: msgpack
state: { list: [], big: 7 }
reduce: { list: append, yes: replace }
start: [shell, each]
nodes:
  shell:
    run: cat; printf ' ' >&2
    output: text seen
    next: ask
  each:
    jq: '{list: [1.5, "é"], small: -1}'
    next: ask
  ask:
    ask: '"Go on?"'
    into: yes
    drop: [small]
    next: end
END
sed 's/codec: msgpack/codec: json/' packed.yaml >plain.yaml

holds() { cat packed.db* | grep -qaF "$1"; } # bytes, in the store

it "check accepts the codec"
eyot check packed.yaml
code 0

it "check names the codecs there are"
sed 's/codec: msgpack/codec: bson/' packed.yaml >bson.yaml
eyot check bson.yaml
code 2
err_has 'bson.yaml:2:8: codec: "bson" is none; it is json or msgpack'

it "run keeps states as msgpack"
eyot run packed.yaml --run p --input '{"given": {"deep": [null, {"$bytes": "AQID"}]}, "n": 4503599627370497}'
code 7
holds msgpack/1 || wrong "no entry of the store names the codec"
! holds json/1 || wrong "an entry of the store names JSON"
! holds '{"seen":' || wrong "JSON is in the store"

it "a command gets its state as JSON"
eyot show p --json
code 0
json 'json.loads(v["state"]["seen"])' '{"list": [], "big": 7, "given": {"deep": [null, {"$bytes": "AQID"}]}, "n": 4503599627370497}'

it "show prints states as JSON"
json 'v["state"]["list"]' '[1.5, "\u00e9"]'
json 'v["state"]["small"]' '-1'
eyot show p@0 --json
code 0
json 'v["state"]' '{"list": [], "big": 7, "given": {"deep": [null, {"$bytes": "AQID"}]}, "n": 4503599627370497}'

it "history prints updates as JSON"
eyot history p --jsonl
code 0
grep -qF '"update":{"list":[1.5,"é"],"small":-1}' out || wrong "no update of the node"

it "resume goes on from the stored states"
eyot resume p --answer '{"it": "is"}'
code 0
json 'v["yes"]' '{"it": "is"}'
json '"small" in v' 'false'

it "a removed key is told in the history"
eyot history p --jsonl
grep -qF '"$removed"' out || wrong "no removal"

it "the graph comes from the store with its codec"
eyot graph p --format json
code 0
grep -qF 'msgpack' out || wrong "no codec"

it "a run is not taken up by the same graph with another codec"
eyot run packed.yaml --run q -q
code 7
eyot resume q --graph plain.yaml --answer 1
code 6
err_has 'codec "msgpack" became "json"'
eyot resume q --graph plain.yaml --accept-changes --answer 1
code 6
err_has 'written with codec msgpack/1; the graph'"'"'s is json/1'
eyot run plain.yaml --run r -q
code 7
eyot resume r --graph packed.yaml --accept-changes --answer 1
code 6
err_has 'written with codec json/1; the graph'"'"'s is msgpack/1'

it "a refused run can still be resumed"
eyot resume q --answer 1
code 0
eyot resume r --answer 1
code 0

it "both codecs give the same state"
eyot run packed.yaml --run same-p -q
eyot run plain.yaml --run same-j -q
eyot resume same-p --answer 2
cp out packed.out
eyot resume same-j --answer 2
cmp -s out packed.out || wrong "the states differ"

it "a worker takes up submitted runs of both codecs"
sed 's/^graph: packed/graph: short/; /^  ask:/,$d; s/next: ask/next: end/' packed.yaml >short.yaml
sed 's/codec: msgpack/codec: json/' short.yaml >short-plain.yaml
eyot run short.yaml --submit --run w-1 --input '{"big": 8}'
code 0
eyot run short-plain.yaml --submit --run w-2
code 0
eyot work --trust-store --until-idle -q
code 0
eyot show w-1 --json
json 'v["status"], v["state"]["big"], v["state"]["list"]' '["done", 8, [1.5, "\u00e9"]]'
eyot show w-2 --json
json 'v["status"], v["state"]["big"]' '["done", 7]'

finish
