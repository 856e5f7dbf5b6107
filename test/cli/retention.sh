#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Labels, pruning, collecting. retention.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

# 40 steps whose texts are large: several snapshots.
cat >loop.yaml <<'END'
graph: loop
nodes:
  begin: { set: { n: 0 }, next: work }
  work:
    jq: '{n: (.n + 1), text: ("x" * 12000 + (.n | tostring))}'
    next: [{ to: work, when: .n < 39 }, { otherwise: last }]
  last: { run: 'test -e go || exit 3', output: none }
END
touch go
eyot run loop.yaml --run a17 -q

it "a label stands for a step wherever a step can be named"
eyot label a17@5 before-merge
code 0
out_empty
err_is 'a17@5 is a17@before-merge'
eyot show a17@before-merge --json
code 0
json 'v["step"], v["state"]["n"]' '[5, 4]'
eyot label a17 end -q
code 0
err_empty
eyot show a17@end --json
json 'v["step"]' 41

it "labels are listed, moved and removed"
eyot label a17@6 end -q
eyot label a17 --json
json '[(l["step"], l["label"]) for l in v["labels"]]' '[[5, "before-merge"], [6, "end"]]'
eyot label a17
out_has 'STEP  LABEL'
out_has '6  end'
eyot label a17 end --remove
code 0
err_is 'a17 has no label end any more'
eyot label a17 end --remove
code 4
err_is 'eyot: run a17 has no label "end"'
eyot show a17@end
code 4
err_is 'eyot: run a17 has no label "end"'

it "what cannot be a label or has no step is a mistake"
for name in latest 12 'a@b' 'a b'; do
    eyot label a17@5 "$name"
    code 2
    err_is "eyot: \"$name\" is no label: [A-Za-z0-9][A-Za-z0-9._-]{0,63}, not digits alone, not latest"
done
eyot label a17@99 x
code 4
err_is 'eyot: run a17 has no step 99'
eyot show a17@x:y
code 2
err_is 'eyot: "x:y" is no step; steps are 0 for the start, 1, 2, 3 ..., or a label'
eyot label a17 --remove
code 2

it "history tells the labels of a step"
eyot history a17
out_has 'LABEL'
out_has 'before-merge'
eyot history a17 --jsonl
same "$(grep -c '"labels"' out)" 1
same "$(sed -n 5p out | grep -c '"labels":\["before-merge"\]')" 1

it "prune wants to be told what stays, and the whole id"
eyot prune a17
code 2
err_is 'eyot: prune: which steps are to stay? say --keep, --every or --younger-than'
eyot prune a1 --keep 3
code 2
err_is 'eyot: prune takes a whole id: a17'

it "a dry run tells what would go and removes nothing"
eyot history a17 --jsonl
cp out whole
eyot prune a17 --keep 3 --every 20 --dry-run --json
code 0
json 'v["schema"], v["run"], v["dry_run"], v["entries"] > 10, v["bytes"] > 100000' '[1, "a17", true, true, true]'
sed 's/"dry_run":true/"dry_run":false/' out >would
eyot prune a17 --keep 3 --every 20 --dry-run
out_has 'would go'
eyot history a17 --jsonl
cmp -s out whole || wrong "something is gone"
eyot prune a17 --younger-than 1h --dry-run
out_has '0 entries, 0 bytes would go'

it "what was pruned is gone, and what was kept is as before"
for s in 0 5 20 39 40 41; do
    eyot show "a17@$s" --json
    cp out "step.$s"
done
eyot prune a17 --keep 3 --every 20 --json
code 0
cmp -s out would || wrong "not what the dry run has told"
for s in 0 5 20 39 40 41; do
    eyot show "a17@$s" --json
    cmp -s out "step.$s" || wrong "step $s differs"
done
eyot show a17@8
code 4
err_is 'eyot: run a17 no longer has step 8: it was pruned'
eyot history a17
code 0
out_has 'entries before this were pruned'
eyot history a17 --jsonl
grep -q '"pruned":' out || wrong "no step tells of what is missing before it"

it "a pruned run moves with its labels, and is the same there"
eyot export a17 -o a17.jsonl
code 0
eyot import a17.jsonl --store other.db
code 0
for what in "history a17 --jsonl" "label a17 --json" "show a17@before-merge --json" "show a17@20 --json"; do
    # shellcheck disable=SC2086
    eyot $what
    cp out here
    # shellcheck disable=SC2086
    eyot $what --store other.db
    cmp -s out here || wrong "$what differs"
done

it "a pruned run that has failed goes on"
rm go
eyot run loop.yaml --run f1 -q
code 1
eyot prune f1 --keep 0
code 0
touch go
eyot resume f1
code 0
json 'v["n"]' 39

it "gc wants to be told what goes"
eyot gc
code 2
err_has 'gc: what is to go?'
eyot gc --failed --keep 3
code 2
err_is 'eyot: gc: --failed needs --older-than'

it "gc deletes what has ended, prunes the rest, and tells it before"
printf 'graph: asks\nnodes: { a: { ask: ".", into: k } }\n' >asks.yaml
rm go
eyot run loop.yaml --run f2 -q
eyot run asks.yaml --run asks -q
eyot gc --older-than 0s --keep 0 --dry-run --json
code 0
json 'v["dry_run"], v["looked_at"], v["deleted"], v["pruned"]' '[true, 4, 2, 1]'
json 'sorted((r["run"], r["what"]) for r in v["runs"])' '[["a17", "deleted"], ["f1", "deleted"], ["f2", "pruned"]]'
json 'all(r["bytes"] > 0 for r in v["runs"])' true
cp out would
eyot list --json
json 'len(v["runs"])' 4
eyot gc --older-than 1h --json
json 'v["deleted"]' 0
eyot gc --older-than 0s --keep 0
code 0
out_has 'deleted'
err_is "2 of 4 runs are deleted, 1 pruned: $(python3 -c 'import json; v=json.load(open("would")); print(v["entries"], "entries,", v["bytes"], "bytes")')"
eyot list --json
json 'sorted(r["run"] for r in v["runs"])' '["asks", "f2"]'
eyot gc --older-than 0s --failed --jsonl -q
code 0
json 'v["schema"], v["run"], v["status"], v["what"]' '[1, "f2", "failed", "deleted"]'
eyot gc --older-than 0s --failed --jsonl
out_empty
eyot resume asks --answer 1
code 0
finish
