#!/usr/bin/env bash
# Installs what is missing of the distribution's packages on a Debian or Ubuntu machine with Rust.
#
#   scripts/setup.sh        for everything
#   scripts/setup.sh demo   for the demonstration alone
#   scripts/setup.sh bench  for everything, and for `make bench`
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    gcc libc6-dev  # to build
    postgresql     # one end of the pipe
    age zstd       # open a backup without pgstow
    util-linux     # to run servers as a user without rights
)
if [ "${1:-}" != demo ]; then
    packages+=(
        postgresql-contrib pgbouncer                                     # more of the one end
        swift-proxy swift-account swift-container swift-object memcached # an S3 server at the other
        openssl                                                          # makes a key for an account of Google's
        minisign                                                         # checks a signature without pgstow
        locales                                                          # a server that speaks German
        zsh fish bash-completion mandoc                                  # completions and man pages, tried in their programs
        prometheus-pushgateway                                           # takes the metrics that are pushed
        restic                                                           # has its own opinion of what to keep
        debootstrap                                                      # the machine of a new user, which has nothing
        poppler-utils zbar-tools fonts-dejavu-core                       # looks at the sheet with a key as it is printed
        python3-venv curl jq # to fetch further servers, and by hand
    )
fi

# Ubuntu's Chromium is a snap, which does not start in a container; the sheet is printed by any Chrome that is here,
# and without one the page of `report` is not looked at.
if [ "${1:-}" != demo ] && grep -qs '^ID=debian' /etc/os-release; then
    packages+=(chromium) # prints the sheet with a key, and looks at the page of `report`
fi

# Another client of S3, to compare with, and TLS in front of the server.
[ "${1:-}" != bench ] || packages+=(rclone stunnel4)

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

install_missing() {
    local wanted
    mapfile -t wanted < <(missing "$(dpkg-query -W -f '${Package} ${Status}\n')")
    [ "${#wanted[@]}" -gt 0 ] || return 0
    echo "setup: installing ${wanted[*]}"
    as_root apt-get -o Acquire::Retries=3 update -qq
    without_services as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -o Acquire::Retries=3 install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian or Ubuntu machine; install by hand: ${packages[*]}" >&2
else
    install_missing
    if [ "${1:-}" != demo ]; then
        # Extensions that a server loads when it starts; their packages are named after its major, which is known now.
        major=$(find /usr/lib/postgresql -path '*/bin/initdb' | cut -d/ -f5 | sort -n | tail -n 1)
        # Without them the tests that need them say so.
        apt-cache show "postgresql-$major-cron" >/dev/null 2>&1 || as_root apt-get -o Acquire::Retries=3 update -qq
        packages=()
        for extension in cron pgaudit; do
            if apt-cache show "postgresql-$major-$extension" >/dev/null 2>&1; then
                packages+=("postgresql-$major-$extension")
            fi
        done
        install_missing
    fi
fi

if ! command -v cargo >/dev/null; then
    echo "setup: Rust is not installed; see https://rustup.rs" >&2
    exit 1
fi
