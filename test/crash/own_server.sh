#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# own_server.sh mysql|redis DIR [SETTING VALUE]   becomes a server on the Unix socket DIR/socket with its data in DIR, which it finds
# there again when it was killed and is started once more. MariaDB has the database eyot for the user eyot, password eyot.
set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/local/sbin
kind=$1 dir=$2
shift 2
[ $# -lt 2 ] || [ "$kind" = redis ] || set -- "$1=$2"
mkdir -p "$dir"
exec >>"$dir/log" 2>&1 </dev/null
with_parent=(setpriv --pdeathsig KILL) # whoever started it may fail and go

case $kind in
    mysql)
        if [ ! -d "$dir/data/mysql" ]; then
            mariadb-install-db --no-defaults --force --user="$(id -un)" --basedir=/usr --datadir="$dir/data" --skip-name-resolve \
                --auth-root-authentication-method=normal --skip-test-db
            # Read at every start: a statement may have a line of its own only.
            cat >"$dir/init.sql" <<'SQL'
CREATE DATABASE IF NOT EXISTS eyot;
CREATE USER IF NOT EXISTS eyot@localhost IDENTIFIED BY 'eyot';
GRANT ALL ON eyot.* TO eyot@localhost;
SQL
        fi
        exec "${with_parent[@]}" mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/socket" \
            --pid-file="$dir/pid" --init-file="$dir/init.sql" --skip-networking --skip-name-resolve --skip-log-bin \
            --performance-schema=OFF --innodb-buffer-pool-size=64M --innodb-log-file-size=48M --max-allowed-packet=128M \
            --max-connections=500 "$@" ;;
    redis)
        program=$(command -v redis-server || command -v valkey-server || command -v redis-check-rdb)
        # Debian's redis-tools has the server's program under another name: it goes by what it is called.
        exec "${with_parent[@]}" bash -c 'exec -a redis-server "$@"' - "$program" --port 0 --unixsocket "$dir/socket" \
            --unixsocketperm 700 --dir "$dir" --save '' --appendonly yes --appendfsync always \
            --maxmemory-policy noeviction --daemonize no "$@" ;;
    *) echo "own_server: no such server: $kind" >&2; exit 2 ;;
esac
