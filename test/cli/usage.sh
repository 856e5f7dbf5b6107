#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the program says when it is asked wrongly, or for help. usage.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

VERBS="run resume show history logs list events graph check work cancel label prune gc delete export import doctor version completion help"

it "help lists every verb on stdout, on 80 columns"
eyot help
code 0
err_empty
[ "$(wc -L <out)" -le 80 ] || wrong "a line is too long"
for v in $VERBS; do out_has "  $v"; done
cp out help.txt
eyot --help
code 0
cmp -s out help.txt || wrong "--help is not help"

for v in $VERBS; do
    it "help of $v is on stdout, fits 80 columns and exits with 0"
    eyot "$v" --help
    code 0
    err_empty
    out_has "usage: eyot $v"
    out_has "--help"
    [ "$(wc -L <out)" -le 80 ] || wrong "a line is too long"
    cp out help.txt
    eyot help "$v"
    cmp -s out help.txt || wrong "help $v is not $v --help"
done

it "no verb is a mistake"
eyot
code 2
out_empty
err_is 'eyot: which verb? `eyot help` lists them'

it "an unknown verb is a mistake that tells what was meant"
eyot lst
code 2
out_empty
err_is 'eyot: there is no verb "lst"; did you mean list?'

for v in $VERBS; do
    it "an unknown option of $v is named, with the verb"
    eyot "$v" x --nonsense
    code 2
    out_empty
    err_one_line
    err_has "eyot: $v: unknown option --nonsense"
done

it "options of later versions are unknown"
for o in --until --no-cache; do
    eyot run file $o
    code 2
    err_has "unknown option $o"
done

it "a mistake in the arguments is one escaped line"
eyot $'li\x1b[31mst\nx'
code 2
err_one_line
nothing_raw
err_has 'li\x1b[31mst\nx'

it "version is on stdout, as a verb and as an option"
eyot version
code 0
err_empty
out_has "eyot 0."
eyot --version
code 0
out_has "eyot 0."
eyot version --json
json 'v["schema"]' 1
json 'v["eyot"].split(".")[0]' '"0"'

it "colours are given when asked for and not otherwise"
eyot doctor --store memory: --color always
grep -q $'\x1b\\[' out || wrong "no colour"
eyot doctor --store memory:
nothing_raw
eyot doctor --store memory: --color purple
code 2
err_has "--color takes auto|always|never"

it "a full disk is told"
CODE=0
"$EYOT" help >/dev/full 2>err || CODE=$?
: >out
code 1
err_is 'eyot: the output could not be written: No space left on device'

it "a reader that has left is no failure"
("$EYOT" help; echo $? >left) 2>err | true
: >out
CODE=$(cat left)
code 0
err_empty

it "a closed stdout or stderr does no harm"
"$EYOT" version >&- 2>/dev/null
"$EYOT" list 2>&-
same "$?" 4

it "the completion is a script that bash takes, and completes verbs, options and values"
eyot completion bash
code 0
err_empty
complete_words() { # WORD…   what bash would offer for the last one
    bash --norc -c 'source out; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _eyot; echo "${COMPREPLY[*]}"' _ "$@"
}
bash -n out || wrong "bash does not take it"
same "$(complete_words eyot hi)" history
same "$(complete_words eyot run --dura)" --durability
same "$(complete_words eyot run --durability a)" async
same "$(complete_words eyot list --status su)" suspended
same "$(complete_words eyot list --color n)" never
same "$(complete_words eyot help comp)" completion
touch graph-file.yaml
same "$(complete_words eyot check graph-f)" graph-file.yaml

it "the completion offers file names whole, and the ids of the store that is named"
eyot completion bash
mkdir names
cp out names
printf 'graph: g\nnodes: { a: { set: {} } }\n' >'names/a b.yaml'
(cd names && "$EYOT" run 'a b.yaml' --run one --store x.db -q >/dev/null)
in_names() { (cd names && PATH=$(dirname "$EYOT"):$PATH complete_words "$@"); }
same "$(in_names eyot check a)" 'a b.yaml'
same "$(cd names && bash --norc -c 'source out; COMP_WORDS=(eyot check a) COMP_CWORD=2; _eyot; echo ${#COMPREPLY[@]}')" 1
same "$(in_names eyot show --store x.db o)" one
same "$(in_names eyot show --store = x.db o)" one
same "$(in_names eyot --store x.db show o)" one
same "$(in_names eyot show o)" ''

it "an id in a store of somebody else is never run by the completion"
if python3 -c 'import sqlite3' 2>/dev/null; then
    python3 -c 'import sqlite3; c = sqlite3.connect("names/x.db"); c.execute("update run set id = ?", (chr(36) + "(touch${IFS}bad)",)); c.commit()'
    same "$(EYOT_STORE=x.db in_names eyot show '')" latest
    [ ! -e names/bad ] || wrong "it was run"
else
    skip "no sqlite3 for Python"
fi

it "the man page names every verb and every option, and has no mistakes"
if command -v groff >/dev/null; then
    groff -t -man -ww -Tutf8 -z "$ROOT/docs/man/eyot.1" >out 2>err
    err_empty
fi
sed 's/\\-/-/g' "$ROOT/docs/man/eyot.1" >page
for v in $VERBS; do
    grep -qE "^\.BI? $v( |\$)" page || wrong "the page lacks $v"
    for o in $("$EYOT" "$v" --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -oE -e '--[a-z-]+'); do
        grep -qF -e "$o" page || wrong "the page lacks $o of $v"
    done
done

it "a closed stdin or stdout is told of"
printf 'graph: g\nnodes: { a: { set: {} } }\n' >closed.yaml
CODE=0
"$EYOT" run closed.yaml --input - 2>err >out <&- || CODE=$?
code 2
err_is 'eyot: --input: stdin cannot be read: Bad file descriptor'
for v in 'run closed.yaml --run closed -q' 'show closed' version; do
    CODE=0
    # shellcheck disable=SC2086
    "$EYOT" $v 2>err >&- </dev/null || CODE=$?
    code 1
    err_is 'eyot: the output could not be written: Bad file descriptor'
done

it "an answer that nothing has asked for is a mistake in the arguments"
printf 'graph: g\nnodes: { a: { ask: ".", into: k } }\n' >asks.yaml
eyot run asks.yaml --run asks
code 7
eyot resume asks --answer other=1
code 2
err_is 'eyot: run asks: no question of task other is open'

it "several questions are in the order of their tasks"
cat >many.yaml <<'END'
graph: many
state: { n: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }
nodes:
  s: { set: {}, next: [{ to: p, each: .n, as: i }] }
  p: { ask: .i, into: k }
END
eyot run many.yaml --run many --json
code 7
json '[q["question"] for q in v["questions"]]' '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]'
err_has "--answer 'p[0]=JSON' ..."

it "a directory is no graph file, so its name may be that of a run"
eyot run many.yaml --run dir
mkdir dir
eyot graph dir --format json
code 0
json 'v["name"]' '"many"'

it "no name and a name with a meaning are refused, and why"
eyot check ''
code 4
err_is 'eyot: the name of the file is empty'
eyot run many.yaml --run latest
code 2
err_is 'eyot: --run: "latest" cannot be an id: it stands for the newest run'

it "completion for another shell is refused"
eyot completion fish
code 2
out_empty

finish
