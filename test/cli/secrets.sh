#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A password in a store's URL, its file or the environment is in nothing that eyot prints, whatever goes wrong. secrets.sh EYOT
# With a server in EYOT_TEST_MYSQL or EYOT_TEST_REDIS its answers to wrong passwords, too.
# shellcheck source=test/cli/lib.sh disable=SC2016
. "$(dirname "$0")/lib.sh"

# s3cr3t-pässw%rd: no spelling of it has anything but "s3cr3t" in common.
SECRET='s3cr3t-p%C3%A4ssw%25rd'
echo '{"graph": "one", "nodes": {"a": {"run": "env; cat /proc/$PPID/environ | tr -d \\\\000", "output": "text seen"}}}' >one.json

silent() { ! grep -qi -e s3cr3t -e czNjcjN0 -e 733363723374 out err || wrong "the password is shown by $*"; }
# Every verb that opens a store is refused, and tells a reason without the password.
refused() { # URL
    local verb
    for verb in doctor list "show latest" "run one.json" "run --submit one.json" "work --until-idle one.json" "cancel r" \
        "delete r" "history latest"; do
        # shellcheck disable=SC2086
        EYOT_STORE=$1 eyot $verb
        [ "$CODE" != 0 ] || wrong "$verb: no failure"
        [ -s err ] || [ -s out ] || wrong "$verb: no reason"
        silent "$verb"
    done
    eyot list --store "$1"
    [ "$CODE" != 0 ] || wrong "--store: no failure"
    silent "--store"
}
accepted() { # URL   from the environment, or it would be in the environment's list of arguments
    EYOT_STORE=$1 eyot run one.json
    code 0
    grep -q '^{.*PATH=' out || wrong "the command did not print its environment"
    grep -q s3cr3t err && wrong "the password is shown by run"
    EYOT_STORE=$1 eyot doctor
    code 0
    silent doctor
    EYOT_STORE=$1 eyot list
    silent list
}

for scheme in mysql redis; do
    quick='retry=0&timeout=100'

    it "$scheme: a server that is not there"
    refused "$scheme://someone:$SECRET@127.0.0.1:1/0?$quick"
    refused "$scheme://someone:$SECRET@no-such-host.invalid:1/0?$quick"

    it "$scheme: a URL that is wrong"
    refused "$scheme://someone:$SECRET@127.0.0.1:1/eyot?nonsense=1"
    refused "$scheme://someone:$SECRET@127.0.0.1:1/eyot?password=$SECRET"
    refused "$scheme://someone:$SECRET@127.0.0.1:1/eyot?password_file=/nonexistent"
    refused "$scheme://someone:$SECRET@127.0.0.1:port/eyot"
    refused "$scheme://someone:$SECRET@127.0.0.1:1/eyot?prefix=s p a c e"
    refused "$scheme://someone:$SECRET%zz@127.0.0.1:1/eyot"
    refused "$scheme://someone:$SECRET@extra@127.0.0.1:1/eyot?$quick"
    refused "$scheme://someone:$SECRET@[::1/eyot"
    refused "$scheme://someone:$SECRET/eyot"
    refused "$scheme:someone:$SECRET@127.0.0.1:1/eyot?$quick"
    refused "$scheme:someone:$SECRET@localhost?$quick"
    refused "$scheme://someone:with/$SECRET@127.0.0.1:1?$quick"
    refused "$scheme://someone:with/$SECRET@127.0.0.1:1/0?$quick"
    refused "$scheme://:$SECRET@127.0.0.1:1/eyot?tls=perhaps"

    it "$scheme: a password from the environment and from a file"
    echo "$SECRET" >password
    chmod 600 password
    refused "$scheme://someone@127.0.0.1:1/0?password_file=$PWD/password&$quick"
    export EYOT_STORE_PASSWORD=$SECRET
    refused "$scheme://someone@127.0.0.1:1/0?$quick"
    unset EYOT_STORE_PASSWORD
done

it "sqlite: a password that is meant for nobody"
refused "sqlite:here.db?password=$SECRET"
refused "sqlite:here.db?key=s3cr3t"
refused "sqlite://someone:$SECRET@host/here.db"

it "a command sees no password"
EYOT_STORE_PASSWORD=$SECRET eyot run one.json
code 0
silent run

mysql_socket=$(sed -nE 's/^.*[?&]socket=([^&]*).*$/\1/p' <<<"${EYOT_TEST_MYSQL:-}")
as_root() { mariadb --no-defaults -S "$mysql_socket" -u root -e "$1" 2>/dev/null; }
user=s3_$$

it "mysql: a password that is wrong, a database that is not there"
if [ -z "${EYOT_TEST_MYSQL:-}" ]; then
    [ -z "${EYOT_TEST_SERVERS:-}" ] || wrong "EYOT_TEST_MYSQL is not set"
    skip "no server of it"
elif ! as_root "CREATE USER $user@localhost IDENTIFIED BY 's3cr3t-pässw%rd'"; then
    skip "no server whose root has no password"
else
    refused "mysql://nobody:$SECRET@localhost/eyot?socket=$mysql_socket"
    refused "mysql://$user:${SECRET}x@localhost/eyot?socket=$mysql_socket"
    refused "mysql://$user:$SECRET@localhost/no_such_database?socket=$mysql_socket"
    as_root "GRANT SELECT ON eyot.* TO $user@localhost"
    refused "mysql://$user:$SECRET@localhost/eyot?socket=$mysql_socket&prefix=${user}_"
fi

it "mysql: a password that is right"
if [ -n "${EYOT_TEST_MYSQL:-}" ] && as_root "GRANT ALL ON eyot.* TO $user@localhost"; then
    accepted "mysql://$user:$SECRET@localhost/eyot?socket=$mysql_socket&prefix=${user}_"
    as_root "DROP USER $user@localhost"
else
    skip "no server of it"
fi

redis_socket=$(sed -nE 's/^redis\+unix:\/\/([^?]*).*$/\1/p' <<<"${EYOT_TEST_REDIS:-}")
it "redis: a password that is wrong, or that it does not want"
if [ -z "$redis_socket" ]; then
    [ -z "${EYOT_TEST_SERVERS:-}" ] || wrong "EYOT_TEST_REDIS is not set"
    skip "no server of it"
else
    refused "redis+unix://nobody:$SECRET@$redis_socket?db=0"
    refused "redis+unix://:$SECRET@$redis_socket?db=0"
    redis-cli -s "$redis_socket" ACL SETUSER "$user" on '>s3cr3t-pässw%rd' '+@all' '~*' >/dev/null
    refused "redis+unix://$user:${SECRET}x@$redis_socket?db=0"
    refused "redis+unix://$user:$SECRET@$redis_socket?db=99999"
    redis-cli -s "$redis_socket" ACL SETUSER "$user" on '>s3cr3t-pässw%rd' nocommands >/dev/null
    refused "redis+unix://$user:$SECRET@$redis_socket?db=0"
fi

it "redis: a password that is right"
if [ -n "$redis_socket" ]; then
    redis-cli -s "$redis_socket" ACL SETUSER "$user" on '>s3cr3t-pässw%rd' '+@all' '~*' >/dev/null
    url="redis+unix://$user:$SECRET@$redis_socket?db=0&prefix=$user"
    accepted "$url"
    redis-cli -s "$redis_socket" ACL DELUSER "$user" >/dev/null
else
    skip "no server of it"
fi

finish
