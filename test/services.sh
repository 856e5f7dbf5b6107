#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# services.sh COMMAND…   runs COMMAND with a MariaDB, a Redis and a Redis Cluster of three nodes of its own: on Unix sockets (the
# nodes on ports of 127.0.0.1), in a temporary directory, which is gone afterwards, also when interrupted. Their URLs are
# EYOT_TEST_MYSQL, EYOT_TEST_REDIS and EYOT_TEST_REDIS_CLUSTER. A server that is not installed is left out, unless
# EYOT_TEST_SERVERS is set.
set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/local/sbin
dir=$(mktemp -d "${TMPDIR:-/tmp}/eyot.XXXXXX") # short: the path of a socket has at most 107 bytes
servers=() command=

end() {
    local status=$?
    trap - EXIT
    [ -z "$command" ] || kill -TERM "$command" 2>/dev/null || true
    for pid in "${servers[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in $command "${servers[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

give_up() { # SENTENCE [LOG]
    echo "services: $1" >&2
    [ -z "${2:-}" ] || grep -i error "$2" >&2 || tail -n 20 "$2" >&2
    exit 1
}

await() { # PID LOG COMMAND…   until the command succeeds
    local pid=$1 log=$2 tries=0
    shift 2
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || give_up "a server did not start" "$log"
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || give_up "a server does not answer" "$log"
        sleep 0.05
    done
}

start_mysql() {
    local data=$dir/mysql socket=$dir/mysql.sock log=$dir/mysql.log
    mariadb-install-db --no-defaults --force --user="$(id -un)" --basedir=/usr --datadir="$data" --skip-name-resolve \
        --auth-root-authentication-method=normal --skip-test-db --innodb-use-native-aio=0 >"$log" 2>&1 || give_up "mariadb-install-db failed" "$log"
    mariadbd --no-defaults --user="$(id -un)" --datadir="$data" --socket="$socket" --pid-file="$dir/mysql.pid" \
        --skip-networking --skip-name-resolve --skip-log-bin --performance-schema=OFF --innodb-buffer-pool-size=64M \
        --innodb-use-native-aio=0 --innodb-log-file-size=48M --max-allowed-packet=128M --max-connections=500 --log-error="$log" >>"$log" 2>&1 &
    servers+=($!)
    await $! "$log" mariadb --no-defaults -S "$socket" -u root -e 'SELECT 1'
    mariadb --no-defaults -S "$socket" -u root -e "CREATE DATABASE eyot;
        CREATE USER eyot@localhost IDENTIFIED BY 'eyot'; GRANT ALL ON eyot.* TO eyot@localhost"
    export EYOT_TEST_MYSQL="mysql://eyot:eyot@localhost/eyot?socket=$socket"
}

start_redis() { # SERVER CLIENT
    local socket=$dir/redis.sock
    # Debian's redis-tools has the server's program under another name: it goes by what it is called.
    (exec -a redis-server "$1" --port 0 --unixsocket "$socket" --unixsocketperm 700 --dir "$dir" --save '' \
        --appendonly yes --appendfsync always --maxmemory-policy noeviction --daemonize no --logfile "$dir/redis.log") &
    servers+=($!)
    await $! "$dir/redis.log" sh -c '[ "$("$0" -s "$1" ping)" = PONG ]' "$2" "$socket"
    export EYOT_TEST_REDIS="redis+unix://$socket?db=0"
}

# Nodes find their file of the cluster written, so that they need not meet first. Nobody waits for them: they take commands two
# seconds after their start, whoever comes earlier tries again.
start_redis_cluster() { # SERVER CLIENT
    local base slots=(0-5460 5461-10922 10923-16383) tries i k pids
    for ((tries = 0; tries < 20; tries++)); do
        base=$((15000 + RANDOM % 6990)) # its bus is 10000 above it: both below the ports that are given out
        pids=()
        for i in 0 1 2; do
            rm -rf "$dir/node$i" && mkdir "$dir/node$i"
            for k in 0 1 2; do
                printf '%040d 127.0.0.1:%d@%d %smaster - 0 0 %d connected %s\n' $((k + 1)) $((base + k)) \
                    $((base + k + 10000)) "$([ $k != $i ] || echo myself,)" $((k + 1)) "${slots[k]}"
            done >"$dir/node$i/nodes.conf"
            echo 'vars currentEpoch 3 lastVoteEpoch 0' >>"$dir/node$i/nodes.conf"
            (exec -a redis-server "$1" --port $((base + i)) --bind 127.0.0.1 --cluster-enabled yes --dir "$dir/node$i" \
                --cluster-config-file nodes.conf --save '' --appendonly yes --appendfsync always \
                --maxmemory-policy noeviction --daemonize no --logfile "$dir/node$i.log") &
            pids+=($!)
        done
        for i in 0 1 2; do
            for ((k = 0; k < 400; k++)); do
                if ! kill -0 "${pids[i]}" 2>/dev/null; then # the port is somebody else's
                    kill "${pids[@]}" 2>/dev/null || true
                    continue 3
                fi
                [ "$("$2" -p $((base + i)) ping 2>/dev/null)" != PONG ] || break
                sleep 0.05
            done
        done
        servers+=("${pids[@]}")
        export EYOT_TEST_REDIS_CLUSTER="redis://127.0.0.1:$base"
        return
    done
    give_up "no ports for a Redis Cluster"
}

if command -v mariadbd >/dev/null; then
    start_mysql
elif [ -n "${EYOT_TEST_SERVERS:-}" ]; then
    give_up "mariadbd is not installed"
fi
redis=$(command -v redis-server || command -v valkey-server || command -v redis-check-rdb || true)
client=$(command -v redis-cli || command -v valkey-cli || true)
if [ -n "$redis" ] && [ -n "$client" ]; then
    start_redis_cluster "$redis" "$client"
    start_redis "$redis" "$client"
elif [ -n "${EYOT_TEST_SERVERS:-}" ]; then
    give_up "redis-server is not installed"
fi
# In the background, so that a signal is heeded at once; there the shell would have it ignore SIGINT.
env --default-signal=INT,QUIT "$@" <&0 &
command=$!
status=0
wait "$command" || status=$?
command=
exit $status
