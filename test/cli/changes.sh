#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Going on with another graph file: `eyot resume --graph`. changes.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

# A run of `first` and `second`, which fails, as often as a test wants one.
cat >broken.yaml <<'YAML'
graph: broken
nodes:
  first: { run: echo once >>ran, output: none, next: second }
  second: { run: exit 9, output: none, timeout: 1m, next: [{ to: third, when: .yes }, { otherwise: end }] }
  third: { set: { x: 1 } }
YAML
fails() { eyot run broken.yaml --run "$1" -q; code 1; }
changed() { sed "$1" broken.yaml >changed.yaml; } # HOW

it "a node that has failed is mended, which a note tells"
fails mend
changed 's/exit 9/true/; s/\.yes/.no/'
eyot resume mend --graph changed.yaml
code 0
err_is 'node "second": run "exit 9" became "true"
edge second -> third: condition ".yes" became ".no"
run mend'
[ "$(cat ran)" = once ] || wrong "first ran again"

it "the mended file is the run's own from then on"
fails own
changed 's/exit 9/exit 8/'
eyot resume own --graph changed.yaml -q
code 1
err_has 'exit status 8'
eyot resume own -q
code 1
err_has 'exit status 8'
eyot resume own --graph changed.yaml
code 1
! grep -qF became err || wrong "something became something else"
eyot graph own --format json
grep -qF 'exit 8' out || wrong "the graph is still the first one"
eyot show own
code 0
eyot history own
code 0

it "a node with committed tasks is refused, with all that is not harmless"
fails done
changed 's/echo once/echo twice/; s/exit 9/true/; s/third/fourth/'
eyot resume done --graph changed.yaml
code 6
out_is ''
err_is 'eyot: changed.yaml is not the graph that run done was made with; to go on all the same: --accept-changes
node "first": run "echo once >>ran" became "echo twice >>ran" (1 committed task)
edge second -> third is gone
edge second -> fourth is new
node "third" is gone
node "fourth" is new'

it "with --accept-changes it goes on"
eyot resume done --graph changed.yaml --accept-changes -q
code 0
err_is ''
eyot history done
code 0

it "policies alone are taken as they are"
fails patient
changed 's/timeout: 1m/timeout: 2m, retry: { attempts: 2, delay: 1ms }, on_error: ignore/'
eyot resume patient --graph changed.yaml
code 0
err_has 'node "second": timeout "1m" became "2m"'
err_has 'node "second": on_error "fail" became "ignore"'

it "a node of the frontier must exist, whatever is accepted"
fails front
printf 'graph: broken\nnodes:\n  first: { run: echo once >>ran, output: none }\n' >changed.yaml
eyot resume front --graph changed.yaml
code 6
err_has 'node "second" is gone'
eyot resume front --graph changed.yaml --accept-changes -q
code 6
err_has 'second'
eyot resume front -q
code 1
err_has 'exit status 9'

it "a life that wrote only its end does not tell what was done"
eyot run broken.yaml --run unknown --durability exit -q
code 1
changed 's/exit 9/true/'
eyot resume unknown --graph changed.yaml
code 6
err_has 'node "second": run "exit 9" became "true" (committed tasks unknown: its log is not whole)'

it "the graph that a run was gone on with moves with it"
eyot export own >own.jsonl
cp out own.jsonl
eyot import own.jsonl --as moved
code 0
eyot resume moved --trust-store -q
code 1
err_has 'exit status 8'

it "a worker that trusts the store goes on with it, too"
cat >naps.yaml <<'YAML'
graph: naps
nodes:
  first: { run: exit 9, output: none, next: nap }
  nap: { sleep: 200ms, next: last }
  last: { run: echo first >which, output: none }
YAML
eyot run naps.yaml --run naps -q
code 1
sed 's/exit 9/true/; s/echo first/echo mended/' naps.yaml >changed.yaml
eyot resume naps --graph changed.yaml --no-wait -q
code 7
worked() { "$EYOT" work --trust-store --until-idle -q 2>err; [ -e which ]; } # it is taken when its time has come
wait_for worked
same "$(cat which)" mended

finish
