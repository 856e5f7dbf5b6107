#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# own_mysql.sh DIRECTORY [OPTIONS]   becomes a MariaDB server with its data in a directory, made if need be, on the socket
# DIRECTORY/sock, for tests that kill it. User eyot, password eyot, database eyot. Exit status 77: not installed.
set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/local/sbin
dir=$1 options=${2:-}
command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || exit 77
if [ ! -d "$dir/data" ]; then
    mkdir -p "$dir"
    mariadb-install-db --no-defaults --force --user="$(id -un)" --basedir=/usr --datadir="$dir/data" --skip-name-resolve \
        --auth-root-authentication-method=normal --skip-test-db >"$dir/log" 2>&1
    cat >"$dir/init.sql" <<'SQL'
CREATE DATABASE IF NOT EXISTS eyot;
CREATE USER IF NOT EXISTS eyot@localhost IDENTIFIED BY 'eyot';
GRANT ALL ON *.* TO eyot@localhost;
CREATE USER IF NOT EXISTS eyot@'127.0.0.1' IDENTIFIED BY 'eyot';
GRANT ALL ON eyot.* TO eyot@'127.0.0.1';
SQL
fi
# shellcheck disable=SC2086 # several options in one argument
exec mariadbd --no-defaults --user="$(id -un)" --datadir="$dir/data" --socket="$dir/sock" --pid-file="$dir/pid" \
    --skip-networking --skip-name-resolve --skip-log-bin --performance-schema=OFF --innodb-buffer-pool-size=16M \
    --innodb-log-file-size=8M --init-file="$dir/init.sql" --log-error="$dir/log" $options >>"$dir/log" 2>&1
