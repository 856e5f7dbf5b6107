#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# behind.sh URL save|restore|shift [MS]   does to a store on a server what its own program does not: keeps a copy of all it has
# now, puts that back, moves the ends of all leases. For stores of the tests alone: they are small, and have a prefix.
set -euo pipefail
export LC_ALL=C
url=$1 verb=$2 ms=${3:-0}

[[ $url =~ ^([a-z+]+)://(([^:@/]*)(:([^@/]*))?@)?([^:/?]*)(:([0-9]+))?(/[^?]*)?(\?.*)?$ ]] ||
    { echo "behind: a URL that is not understood" >&2; exit 2; }
scheme=${BASH_REMATCH[1]} user=${BASH_REMATCH[3]} password=${BASH_REMATCH[5]} host=${BASH_REMATCH[6]}
port=${BASH_REMATCH[8]} path=${BASH_REMATCH[9]} query=${BASH_REMATCH[10]}
setting() { sed -nE "s/^\?(.*&)?$1=([^&]*).*$/\2/p" <<<"$query"; }
prefix=$(setting prefix)
[[ $prefix =~ ^[A-Za-z0-9_]+$ ]] || { echo "behind: a URL without a prefix" >&2; exit 2; }

mysql_do() { # SQL
    local where=(--protocol=tcp -h "${host:-localhost}" -P "${port:-3306}") socket
    socket=$(setting socket)
    [ -z "$socket" ] || where=(-S "$socket")
    MYSQL_PWD=$password mariadb --no-defaults ${user:+-u "$user"} "${where[@]}" -N -B "${path#/}" -e "$1"
}

# What holds rows may be in the way: the whole is tried again.
mysql_persist() { # SQL
    local tries=0
    until mysql_do "$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 20 ] || { mysql_do "$1"; return; }
    done
}

mysql_verb() {
    local table tables sql=''
    tables=$(mysql_do "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
        AND LEFT(table_name, ${#prefix}) = '$prefix'")
    case $verb in
        save)
            sql='START TRANSACTION;'
            for table in $tables; do
                mysql_do "CREATE TABLE IF NOT EXISTS old_$table LIKE $table"
                sql+="DELETE FROM old_$table; INSERT INTO old_$table SELECT * FROM $table;"
            done
            mysql_persist "$sql COMMIT" ;;
        restore)
            sql='START TRANSACTION;'
            for table in $tables; do sql+="DELETE FROM $table; INSERT INTO $table SELECT * FROM old_$table;"; done
            mysql_persist "$sql COMMIT" ;;
        # The index of leases has their ends in steps of 8,192 ms.
        shift) mysql_persist "UPDATE ${prefix}run SET due_ms = due_ms + $ms, slot = due_ms | 8191 WHERE owner <> ''" ;;
    esac
}

redis_do() { # SCRIPT ARG…
    local script=$1 where=(-h "${host:-127.0.0.1}" -p "${port:-6379}") db answer
    shift
    [ "$scheme" != redis+unix ] || where=(-s "$path")
    db=$(setting db)
    answer=$(redis-cli "${where[@]}" -n "${db:-0}" EVAL "$script" 0 "$@")
    [ "$answer" = OK ] || { echo "behind: $answer" >&2; exit 1; }
}

redis_verb() {
    case $verb in
        save) redis_do "for _, k in ipairs(redis.call('KEYS', 'old:*')) do redis.call('DEL', k) end
            for _, k in ipairs(redis.call('KEYS', ARGV[1]..':*')) do redis.call('COPY', k, 'old:'..k) end
            return 'OK'" "$prefix" ;;
        restore) redis_do "for _, k in ipairs(redis.call('KEYS', ARGV[1]..':*')) do redis.call('DEL', k) end
            for _, k in ipairs(redis.call('KEYS', 'old:'..ARGV[1]..':*')) do redis.call('COPY', k, string.sub(k, 5)) end
            return 'OK'" "$prefix" ;;
        shift) redis_do "for _, k in ipairs(redis.call('KEYS', ARGV[1]..':{q:??}:run:*')) do
            if redis.call('HGET', k, 'owner') ~= '' then redis.call('HINCRBY', k, 'due', ARGV[2]) end end
            for _, k in ipairs(redis.call('KEYS', ARGV[1]..':{q:??}:held*')) do
            for _, m in ipairs(redis.call('ZRANGE', k, 0, -1)) do redis.call('ZINCRBY', k, ARGV[2], m) end end
            return 'OK'" "$prefix" "$ms" ;;
    esac
}

case $scheme in
    mysql) mysql_verb ;;
    redis*) redis_verb ;;
    *) echo "behind: not a server's store" >&2; exit 2 ;;
esac
