#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Which store is used: options, environment, files. config.sh EYOT
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

cat >one.json <<'END'
{"graph": "one", "start": "a", "nodes": {"a": {"set": {"x": 1}}}}
END
cat >shows.json <<'END'
{"graph": "shows", "start": "a", "nodes": {"a": {"run": "env | sort", "output": "text env"}}}
END
for db in eyot user file env option; do "$EYOT" run one.json --run "in-$db" --store $db.db -q >/dev/null; done
store_is() { # NAME   which store a listing comes from
    eyot list --json "${@:2}"
    json '[r["run"] for r in v["runs"]]' "[\"in-$1\"]"
}

it "without anything it is eyot.db"
store_is eyot

it "the user's file names one"
mkdir -p config/eyot
echo 'store: user.db' >config/eyot/config.yaml
store_is user

it "eyot.yaml comes before the user's file"
echo 'store: file.db' >eyot.yaml
store_is file

it "EYOT_STORE comes before files"
export EYOT_STORE=env.db
store_is env

it "--store comes before all"
store_is option --store option.db
unset EYOT_STORE

it "stores have names, in both files"
printf 'stores: { mine: user.db }\n' >config/eyot/config.yaml
printf 'store: here\nstores: { here: { url: file.db } }\n' >eyot.yaml
store_is file
store_is user --store @mine
eyot list --store @nobody
code 2
err_is 'eyot: no configuration has a store named "nobody"'

it "doctor tells who named it"
eyot doctor
out_has 'store    file.db (from eyot.yaml)'
eyot doctor --store option.db --json
json 'v["from"]' '"--store"'

it "all mistakes of a file are told with their places"
printf 'stroe: x\nrun:\n  jobs: many\n' >eyot.yaml
eyot list
code 2
out_empty
err_has 'eyot.yaml:1:1: unknown key "stroe"'
err_has 'eyot.yaml:3:9: "jobs" must be a number'
rm eyot.yaml

it "a file of somebody else is not used"
if [ "$(id -u)" = 0 ]; then
    echo 'store: user.db' >eyot.yaml
    chown 65534 eyot.yaml
    eyot list
    code 2
    err_has 'eyot.yaml belongs to another user'
    rm eyot.yaml
else
    skip "only root can give a file away"
fi

it "a file that everybody can change is not used"
echo 'store: user.db' >eyot.yaml
chmod 666 eyot.yaml
eyot list
code 2
err_has 'can be changed by everybody'
rm eyot.yaml

it "a password file that others can read is refused"
echo secret >password
chmod 644 password
printf 'stores: { far: { url: "mysql://eyot@far/eyot", password_file: password } }\n' >config/eyot/config.yaml
eyot list --store @far
code 2
err_has 'password can be read by others'

it "a password reaches neither messages nor commands"
chmod 600 password
eyot list --store @far
[ "$CODE" != 0 ] || wrong "no failure"
! grep -q secret out err || wrong "the password is shown"
EYOT_STORE_PASSWORD=secret eyot run shows.json -q
code 0
! grep -q -e secret -e EYOT_STORE_PASSWORD out || wrong "the command sees the password"

finish
