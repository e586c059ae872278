#!/usr/bin/env bash
# Makes a Debian or Ubuntu machine with Rust ready for the tests: the distribution's packages, then the
# servers that no distribution has. Does nothing, quickly, where all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    gcc libc6-dev                                           # to build
    postgresql postgresql-contrib pgbouncer                 # one end of the pipe
    swift-proxy swift-account swift-container swift-object memcached # an S3 server at the other
    age zstd minisign                                       # opens a backup without pgstow
    curl jq python3-venv util-linux                         # what the scripts and launchers are written with
)

missing() {
    local package
    for package in "${packages[@]}"; do
        grep -q "^$package install ok installed" <<<"$1" || echo "$package"
    done
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "setup: this needs root: $*" >&2
        exit 1
    fi
}

# Packages start their services; the tests start their own. Both init systems ask this script first.
without_services() {
    local policy=/usr/sbin/policy-rc.d ours=
    if ! [ -e "$policy" ]; then
        ours=1
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    local outcome=0
    "$@" || outcome=$?
    [ -z "$ours" ] || as_root rm -f "$policy"
    return "$outcome"
}

if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian or Ubuntu machine; install by hand: ${packages[*]}" >&2
else
    mapfile -t wanted < <(missing "$(dpkg-query -W -f '${Package} ${Status}\n')")
    if [ "${#wanted[@]}" -gt 0 ]; then
        echo "setup: installing ${wanted[*]}"
        as_root apt-get update -qq
        without_services as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
    fi
fi

if ! command -v cargo >/dev/null; then
    echo "setup: Rust is not installed; see https://rustup.rs" >&2
    exit 1
fi

scripts/servers.sh
