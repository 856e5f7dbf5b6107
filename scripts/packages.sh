# SPDX-License-Identifier: MIT
# Sourced by the scripts beside it: installs what a command needs and the machine lacks.
# shellcheck shell=bash

# Debian package → what shows that it is there, however it was installed.
declare -A package_test=(
    [gcc]='command -v gcc'
    [g++]='command -v g++'
    [libc6-dev]='test -e /usr/include/stdio.h'
    [clang]='command -v clang'
    [clang-format]='command -v clang-format'
    [libclang-rt-14-dev]='compgen -G "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.tsan-*.a"'
    [cmake]='command -v cmake'
    [ninja-build]='command -v ninja'
    [pkg-config]='command -v pkg-config'
    [libsqlite3-dev]='test -e /usr/include/sqlite3.h'
    [libyaml-dev]='test -e /usr/include/yaml.h'
    [libjq-dev]='test -e /usr/include/jq.h'
    [patch]='command -v patch'
    [libtbb-dev]='test -e /usr/include/oneapi/tbb.h -o -e /usr/include/tbb/tbb.h'
    [libcjson-dev]='test -e /usr/include/cjson/cJSON.h'
    [libmsgpack-dev]='test -e /usr/include/msgpack.h'
    [libmariadb-dev]='pkg-config --exists libmariadb || pkg-config --exists mysqlclient'
    [libssl-dev]='test -e /usr/include/openssl/ssl.h'
    [libhiredis-dev]='test -e /usr/include/hiredis/hiredis.h'
    [mariadb-server-core]='command -v mariadbd || test -x /usr/sbin/mariadbd'
    [mariadb-client-core]='command -v mariadb'
    [redis-tools]='command -v redis-cli && { command -v redis-server || command -v redis-check-rdb; }'
    [groff-base]='command -v groff'
    [python3]='command -v python3'
)

# install_missing PACKAGE…   prints the apt line; nothing at all when nothing is missing
install_missing() {
    local package missing=() as_root=()
    for package; do
        eval "${package_test[$package]}" >/dev/null 2>&1 || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local line="apt-get install -y --no-install-recommends ${missing[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]} (this machine has no apt-get; install them by their names here)" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing; as root, run: $line" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "${as_root[*]:+${as_root[*]} }$line"
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
        -o Dpkg::Use-Pty=0 "${missing[@]}")
    local log
    log=$(mktemp)
    # The package lists may be missing or old: then, and only then, fetch them.
    if "${install[@]}" >"$log" 2>&1 </dev/null ||
        { "${as_root[@]}" apt-get update -qq >"$log" 2>&1 </dev/null && "${install[@]}" >"$log" 2>&1 </dev/null; }; then
        rm -f "$log"
    else
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# quietly COMMAND…   shows its output only when it fails
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    [ $status -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return $status
}
