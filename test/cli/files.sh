#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What `eyot check` says of files, and how long it takes. files.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

it "twelve mistakes of twelve kinds are told at once, each with its place"
cat >twelve.yaml <<'END'
graph: two words
state: { n: yes }
max_steps: many
reduce: { n: sum }
nodes:
  a:
    run: echo $X
    exec: [echo]
    timeout: 5 minutes
    next: [b, nowhere]
  b:
    jq: '{x: .y'
    colour: red
    retry: { delay: 1s }
    next: [{ to: c, when: foo(1) }]
  c:
    call: words
END
eyot check twelve.yaml
code 2
out_empty
err_is "$(cat <<'END'
twelve.yaml:1:8: graph: "two words" is no name; it is [A-Za-z0-9][A-Za-z0-9._-]{0,63}
twelve.yaml:2:13: state: quote it: "yes" is no text to all readers of YAML
twelve.yaml:3:12: max_steps: "many" is no whole number of 1 ... 9007199254740992
twelve.yaml:4:14: reduce: n: "sum" is no reducer
twelve.yaml:8:5: node "a": run and exec: a node does one thing
twelve.yaml:9:14: node "a": timeout: "5 minutes" is no duration; they are written 250ms, 30s, 5m, 2h, 3d
twelve.yaml:10:15: node "a": next: there is no node "nowhere"
twelve.yaml:12:9: node "b": jq: syntax error: unexpected end of text, expecting '}'
twelve.yaml:13:5: node "b": unknown key "colour"
twelve.yaml:14:12: node "b": retry: the key "attempts" is missing
twelve.yaml:15:27: node "b": when: foo/1 is not defined
twelve.yaml:17:11: node "c": call: "words" is not of the form module:function
END
)"

it "run says the same, and makes neither run nor store"
cp err said
eyot run twelve.yaml
code 2
out_empty
cmp -s err said || wrong "run says something else"
[ ! -e eyot.db ] || wrong "there is a store now"

it "mistakes of expressions are told where they stand"
cat >exprs.yaml <<'END'
graph: exprs
nodes:
  a:
    jq: '{now: now}'
    next:
      - { to: b, when: input }
  b:
    run: 'true'
    env:
      A: env.PATH
      B: $ENV.PATH
      C: 'include "x"; .'
    next: [{ to: c, each: halt }]
  c: { ask: '(', into: x }
END
eyot check exprs.yaml
code 2
same "$(cut -d: -f2 err | tr '\n' ' ')" '4 6 10 11 12 13 14 '

# The time of a check, at best: $BEST.
best() { # FILE
    BEST=1000000
    for _ in 1 2 3 4 5; do
        eyot check "$1"
        code 2
        err_one_line
        nothing_raw
        [ "$MS" -ge "$BEST" ] || BEST=$MS
    done
}
for what in '[' '{' '- ' '? ' '{a: ' '[{' '"' "'" '&a ' '*a ' '!!x ' '| ' $'\t'; do
    it "80 KB of \"$what\" are refused in a tenth of a second"
    printf "%.0s$what" $(seq $((81920 / ${#what}))) >hostile.yaml
    best hostile.yaml
    [ "$BEST" -lt $((100 * PATIENCE)) ] || wrong "it took $BEST ms"
    (printf 'graph: x\nnodes: '; cat hostile.yaml) >hostile2.yaml
    best hostile2.yaml
    [ "$BEST" -lt $((100 * PATIENCE)) ] || wrong "it took $BEST ms below nodes"
done

it "a file of 4 MiB and more is refused before it is read"
(printf 'graph: x\nnodes: { a: { set: { x: "'; head -c 4200000 /dev/zero | tr '\0' x; printf '" } } }\n') >large.yaml
best large.yaml
err_is 'eyot: large.yaml is larger than 4194304 bytes'

it "files of bytes, of nothing and directories are refused"
head -c 5000 /dev/urandom >bytes.yaml
: >empty.yaml
echo '# only a comment' >comment.yaml
printf 'graph: x\0y\n' >nul.yaml
for file in bytes empty comment nul; do
    eyot check $file.yaml
    code 2
    out_empty
    err_has "$file.yaml"
    nothing_raw
done
mkdir dir.yaml
eyot check dir.yaml
[ "$CODE" != 0 ] || wrong "a directory has no mistakes"
err_one_line
eyot check no.yaml
code 4

it "a good file has one line on stderr, and with -q none"
cat >good.yaml <<'END'
graph: good
nodes:
  a: { run: 'echo {}', env: { X: '.x // "y"' }, next: [{ to: b, each: '.items // []', as: it }, { otherwise: end }] }
  b: { jq: '{y: .it}', on_error: ignore }
END
eyot check good.yaml
code 0
out_empty
err_is 'good.yaml: graph good, 2 nodes, no mistakes'
eyot check good.yaml -q
code 0
out_empty
err_empty

it "YAML and JSON of the same graph are the same"
python3 - <<'END'
import json
open("good.json", "w").write(json.dumps({"graph": "good", "nodes": {
    "a": {"run": "echo {}", "env": {"X": '.x // "y"'}, "next": [{"to": "b", "each": ".items // []", "as": "it"}, {"otherwise": "end"}]},
    "b": {"jq": "{y: .it}", "on_error": "ignore"}}}))
END
eyot graph good.yaml --format json
cp out drawn
eyot graph good.json --format json
cmp -s out drawn || wrong "they are drawn differently"

it "two hundred nodes with expressions are checked in seconds"
python3 -c 'import json; print(json.dumps({"graph": "wide", "nodes": {
    "n%d" % i: {"jq": "{x: (.x + %d)}" % i, **({"next": "n%d" % (i + 1)} if i < 199 else {})} for i in range(200)}}))' >wide.json
eyot check wide.json
code 0
in_ms 10000

finish
