#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The same on every store, by its URL: examples/digest.yaml killed and gone on with, runs that move, workers that share.
# backends.sh EYOT   Servers are those of EYOT_TEST_MYSQL, EYOT_TEST_REDIS and EYOT_TEST_REDIS_CLUSTER (test/services.sh).
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"
set -m # so that SIGINT is not ignored in what runs beside us

mkdir texts
for i in $(seq 12); do seq $((i * 700)) >"texts/t$i"; done
# The same nodes, but counting takes a moment, so that there is a middle to be killed in.
sed 's/^    run: wc/    run: sleep 0.1; wc/' "$ROOT/examples/digest.yaml" >digest.yaml
cat >pair.json <<'END'
{"graph": "pair", "nodes": {
  "a": {"run": "until grep -q taken one.err && grep -q taken two.err; do sleep 0.02; done; echo \"$EYOT_RUN a\" >>ran",
        "output": "none", "next": "b"},
  "b": {"run": "echo \"$EYOT_RUN b\" >>ran", "output": "none", "emit": "did"}}}
END

BACKENDS="sqlite mysql redis redis_cluster"
url() { # BACKEND   "" when its server is not there
    local name=EYOT_TEST_${1^^} base
    [ "$1" != sqlite ] || { echo "$DIR/runs.db"; return; }
    base=${!name:-}
    [ -n "$base" ] || return 0
    case $base in *\?*) echo "$base&prefix=b$$_" ;; *) echo "$base?prefix=b$$_" ;; esac
}
there() { # BACKEND   its URL in $URL; false: the test is skipped
    URL=$(url "$1")
    [ -n "$URL" ] && return
    if [ -n "${EYOT_TEST_SERVERS:-}" ]; then wrong "no server"; else skip "no server"; fi
    return 1
}
has_steps() { [ "$("$EYOT" history "$2" --jsonl --store "$1" 2>/dev/null | grep -c '"step":[0-9]')" -ge "$3" ]; } # URL RUN N
config() { # a store named "this"
    python3 -c 'import json,sys; print(json.dumps({"stores": {"this": {"url": sys.argv[1]}}}))' "$URL" >eyot.yaml
    chmod 600 eyot.yaml
}

"$EYOT" run digest.yaml --run want --set-str dir="$DIR/texts" --store memory: >/dev/null 2>&1
"$EYOT" run digest.yaml --run want --set-str dir="$DIR/texts" --store want.db >/dev/null 2>&1
"$EYOT" resume want --answer true --store want.db >want 2>/dev/null

it "an unknown scheme is a mistake that tells which there are"
eyot list --store postgres://eyot:secret@db/eyot
code 2
err_one_line
err_has 'unknown scheme "postgres" in "postgres://eyot:***@db/eyot": it is sqlite, mysql, redis, rediss, redis+unix or memory'

for url in mysql://eyot@127.0.0.1:1/eyot redis://127.0.0.1:1/0; do
    for verb in list doctor "run pair.json" "work pair.json --until-idle"; do
        it "eyot ${verb%% *} says that nobody is at ${url%%:*}, in one line and before two seconds are over"
        # shellcheck disable=SC2086
        eyot $verb --store "$url"
        code 3
        out_empty
        err_one_line
        grep -q '127.0.0.1:1/\|this eyot has no' err || wrong "it does not say where"
        in_ms 2500
    done
done

it "README's URLs of servers are well-formed: only their hosts are not there"
printf 'secret\n' >password
chmod 600 password
"$ROOT/test/docs/blocks.sh" "$ROOT/README.md" 'sh servers' | sed -n "s#^export EYOT_STORE='\([^']*\)'.*#\1#p" >urls
same "$(wc -l <urls)" 2
while read -r url; do
    eyot list --store "${url/\/etc\/eyot\/password/$DIR/password}"
    code 3
    grep -q '\.example\|this eyot has no' err || wrong "it is not its host that is not there"
done <urls

for backend in mysql redis; do
    it "eyot doctor on a $backend without a store says that the server is there, and makes none"
    if there "$backend"; then
        for i in 1 2; do
            eyot doctor --store "${URL/prefix=b/prefix=none}"
            code 4
            err_has "yet: the server answers; \`eyot run\` makes one"
        done
    fi
done

for backend in $BACKENDS; do
    it "the digest on $backend is killed with SIGKILL, goes on elsewhere, asks, and gives the same report"
    if there "$backend"; then
        config
        "$EYOT" run digest.yaml --run "digest" --set-str dir="$DIR/texts" --store "$URL" >out 2>err </dev/null &
        RUN=$!
        wait_for has_steps "$URL" digest 5
        kill -KILL "$RUN"
        { wait "$RUN"; } 2>/dev/null
        "$EYOT" history digest --jsonl --store "$URL" | grep '"step":[0-9]' >before
        EYOT_STORE=$URL eyot resume digest
        code 7
        eyot resume digest --answer true --store @this
        code 0
        cmp -s out want || wrong "the report is another one"
        EYOT_STORE=@this eyot history digest --jsonl
        grep '"step":[0-9]' out | head -n "$(wc -l <before)" | cmp -s - before || wrong "a step from before the kill is another one"
        same "$(sed -n 's/^{"schema":1,"step":[0-9]*,"task":"\([^"]*\)".*/\1/p' out | sort | uniq -d)" ''
        eyot doctor --store @this
        code 0
        out_has 'class    machine'
        rm eyot.yaml
    fi
done

for from in $BACKENDS; do
    case $from in sqlite) to=mysql ;; mysql) to=redis ;; redis) to=redis_cluster ;; *) to=sqlite ;; esac
    it "a run that was interrupted on $from moves to $to, is the same there, and goes on there"
    if there "$from"; then
        FROM=$URL
        there "$to" || continue
        "$EYOT" run digest.yaml --run "moves-$from" --set-str dir="$DIR/texts" --store "$FROM" >out 2>err </dev/null &
        RUN=$!
        wait_for has_steps "$FROM" "moves-$from" 4
        kill -KILL "$RUN"
        { wait "$RUN"; } 2>/dev/null
        "$EYOT" show "moves-$from" --json --store "$FROM" >shown
        "$EYOT" history "moves-$from" --jsonl --store "$FROM" >told
        "$EYOT" export "moves-$from" --store "$FROM" >stream 2>err || wrong "not exported: $(cat err)"
        eyot import stream --store "$URL"
        code 0
        eyot history "moves-$from" --jsonl --store "$URL"
        cmp -s out told || wrong "its history is another one"
        eyot show "moves-$from" --json --store "$URL"
        python3 - <<'END' || wrong "it stands elsewhere"
import json
a, b = json.load(open("shown")), json.load(open("out"))
assert a["state"] == b["state"] and a["step"] == b["step"] and a["branches"] == b["branches"]
END
        eyot resume "moves-$from" --store "$URL" --trust-store
        code 7
        eyot resume "moves-$from" --answer true --store "$URL" --trust-store
        code 0
        cmp -s out want || wrong "the report is another one"
    fi
done

for backend in $BACKENDS; do
    it "two workers on $backend share the runs that were submitted, each of which runs once"
    if there "$backend"; then
        rm -f ran
        : >one.err
        : >two.err
        for i in $(seq 16); do "$EYOT" run pair.json --submit --run "p$i" --store "$URL" >/dev/null || wrong "not submitted"; done
        for w in one two; do
            "$EYOT" work pair.json --store "$URL" --poll 50ms --runs 2 --until-idle >/dev/null 2>$w.err </dev/null &
        done
        wait
        same "$(sort ran | uniq -c | awk '$1 != 1')" ''
        same "$(wc -l <ran)" 32
        same "$("$EYOT" list --jsonl --status "done" --store "$URL" | grep -c '"graph":"pair"')" 16
        eyot events --jsonl --ack --store "$URL" --topic did
        same "$(wc -l <out)" 16
        eyot events --jsonl --store "$URL" --topic did
        out_empty
    fi
done

it "commands see EYOT_STORE unless there is a password in it"
if there mysql; then
    echo '{"graph": "env", "nodes": {"a": {"run": "echo \"store: $EYOT_STORE\"", "output": "text said"}}}' >env.json
    EYOT_STORE=$URL eyot run env.json
    out_is '{"said":"store: "}'
    there redis
    EYOT_STORE=$URL eyot run env.json
    out_is "{\"said\":\"store: $URL\"}"
fi

finish
