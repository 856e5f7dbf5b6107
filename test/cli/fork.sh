#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs that begin where others once were: fork. fork.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

cat >work.yaml <<'END'
graph: work
reduce: { all: append, n: add, i: local }
start: list
nodes:
  list: { run: 'echo list >>ran; echo "{\"items\": [1, 2], \"n\": 1}"', next: [{ to: each, each: .items, as: i }] }
  each: { jq: '{all: [.i * (.by // 1)]}', next: last }
  last: { run: 'pwd', output: text where }
END
eyot run work.yaml --run w -q

it "a fork goes on from a step of another run, and runs nothing of it again"
eyot fork w@1 --run f1
code 0
err_is 'run f1'
json 'v["n"], v["all"]' '[1, [1, 2]]'
same "$(wc -l <ran)" 1
eyot history f1 --json
json 'v["origin"], [s["step"] for s in v["steps"]]' '["w@1", [2, 3, 4]]'

it "its origin is shown"
eyot show f1
out_has 'origin   w@1'
eyot show f1 --json
json 'v["origin"]' '"w@1"'
eyot show w --json
json 'v["origin"]' null
eyot list --json
json '{r["run"]: r["origin"] for r in v["runs"]}' '{"f1": "w@1", "w": null}'
eyot history f1
out_has 'the run is a fork of w@1'

it "a state can be changed on the way, as by an update"
eyot fork w@1 --task 'each[0]' --set by=10 --set n=5 -q
code 0
json 'v["n"], v["all"], v["by"]' '[6, [10, 2], 10]'
eyot fork w@0 --set-str a=text -q
json 'v["a"]' '"text"'
eyot fork w@3 --set by=3 --set-file f=work.yaml -q
json 'v["by"], v["f"][:5]' '[3, "graph"]'

it "of several branches one must be named"
eyot fork w@1 --set by=10
code 2
out_empty
err_has 'run w has 2 live branches at that step'
err_has "--task 'each[0]'"
err_has "--task 'each[1]'"
eyot fork w@1 --set by=10 --task nothing
code 2
err_has 'no live task nothing'
eyot fork w@1 --task 'each[0]'
code 2
err_has '--task is for --set'
eyot fork w@1 --task 'each[0]' --set n='"x"'
code 2
err_has '--set: key "n"'

it "a fork that is held begins when it is resumed"
eyot fork w@1 --hold --run held
code 0
out_is held
err_has 'eyot resume held'
eyot work work.yaml --until-idle -q
eyot show held --json
json 'v["status"], v["step"]' '["ready", 1]'
eyot resume held
code 0
json 'v["all"]' '[1, 2]'
eyot fork w@1 --hold --json
json 'v["schema"], v["status"], v["run"][:5]' '[1, "ready", "work-"]'

it "a fork with another graph needs to be told so"
sed 's/\.i \*/100 + .i */' work.yaml >changed.yaml
eyot fork w@1 --graph changed.yaml
code 6
err_has 'node "each": jq'
eyot fork w@1 --graph changed.yaml --accept-changes --run changed
code 0
json 'v["all"]' '[101, 102]'
eyot graph changed --format json
out_has '100 + .i'

it "what cannot be forked is told"
eyot fork w@9
code 4
err_is 'eyot: run w has no step 9'
eyot fork nobody@1
code 4
eyot fork w@1 --run f1
code 2
err_is 'eyot: run f1 exists already: choose another id'
eyot fork w@1 --run latest
code 2
eyot fork w@nothing
code 4
err_is 'eyot: run w has no label "nothing"'
eyot label w@1 listed
eyot fork w@listed -q
code 0
json 'v["all"]' '[1, 2]'

it "a fork of what is done says that nothing was left to do"
eyot fork w --run end
code 0
json 'v["all"]' '[1, 2]'
err_has 'nothing was left to do after step 4'
eyot fork w --set n=1
code 2
err_has 'no live branch'

it "commands of a fork run where those of the run did"
mkdir -p elsewhere
(cd elsewhere && "$EYOT" fork w@1 --store ../eyot.db -q >../out 2>../err)
json 'v["where"]' "\"$DIR\""
(cd elsewhere && "$EYOT" fork w@1 --store ../eyot.db --hold --run held-there -q >../out 2>../err)
eyot resume held-there -q
json 'v["where"]' "\"$DIR\""

it "a fork outlives the run it came from"
eyot run work.yaml --run gone -q
eyot fork gone@1 --hold --run orphan -q
eyot delete gone
eyot resume orphan
code 0
json 'v["all"]' '[1, 2]'

it "a fork of an imported run is trusted as little"
eyot export w -o w.eyot
eyot import w.eyot --as imported -q
before=$(wc -l <ran)
eyot fork imported@0
code 2
out_empty
err_has 'whoever wrote it chose its commands'
eyot fork imported@0 --hold --run i-held -q
code 0
eyot resume i-held
code 2
err_has 'whoever wrote it chose its commands'
eyot fork i-held --run i-again
code 2
same "$(wc -l <ran)" "$before"
eyot fork imported@0 --run i-trusted --trust-store -q
code 0
eyot fork i-trusted@1
code 2

it "a fork that is refused marks nothing"
eyot fork imported@1 --run w --trust-store
code 2
err_is 'eyot: run w exists already: choose another id'
eyot resume w
code 0

finish
