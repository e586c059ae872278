#!/usr/bin/env bash
# Runs a pgstow where there is nothing else: a root with the binary, PostgreSQL's client programs with what they need,
# certificates and the names of hosts; no users, no /proc, nothing else. A throw-away database is backed up, listed,
# fetched, read back and restored. The release and the tests use it.
#
#   scripts/empty-root.sh BINARY [STORE…]
#
# It needs root, and PostgreSQL's server and clients on this machine. The backups go into a folder in that root, and into
# each STORE, with the variables AWS_… of the environment; the certificates are the machine's, or SSL_CERT_FILE's. A
# binary that is not static gets its libraries too, and a line says so.
set -euo pipefail
umask 022

[ $# -gt 0 ] || { sed -n '2,/^set/{/^#/!d; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
binary=$1
shift
[ "$(id -u)" = 0 ] || { echo "empty-root: only root may enter another root" >&2; exit 1; }
bin=$(dirname "$(find /usr/lib/postgresql/*/bin -name postgres 2>/dev/null | sort -V | tail -1)")
[ -x "$bin/pg_dump" ] || { echo "empty-root: PostgreSQL's server and clients are not installed" >&2; exit 1; }

# Not in /tmp, which may be mounted without devices.
work=$(mktemp -d /var/tmp/pgstow-empty-XXXXXX)
root=$work/root
server=
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    [ -z "$server" ] || { kill -QUIT "$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT
chmod 755 "$work"
mkdir -p "$root"/{dev,etc/ssl/certs,socket,store}
mkdir -m 1777 "$root/tmp"
# What every container has.
mknod -m 666 "$root/dev/null" c 1 3
cp -L /etc/hosts /etc/resolv.conf "$root/etc/" 2>/dev/null || true
cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt" 2>/dev/null || true

# libraries_of PROGRAM: the files that the loader maps, and the loader.
libraries_of() { { ldd "$1" 2>/dev/null || true; } | grep -o '/[^ ]*' || true; }
install -m 755 "$binary" "$root/pgstow"
needed=$(libraries_of "$binary")
# pg_dumpall looks for pg_dump through a shell; without one a backup has no roles, and says so.
for program in "$bin"/{pg_dump,pg_dumpall,pg_restore,psql} /bin/sh; do
    install -D -m 755 "$program" "$root$program"
    needed+=$'\n'$(libraries_of "$program")
done
sort -u <<<"$needed" | sed '/^$/d' | while read -r library; do
    install -D -m 755 "$library" "$root$library"
done
if [ -z "$(libraries_of "$binary")" ]; then
    echo "static: pgstow needs no library"
else
    echo "not static: pgstow needs $(libraries_of "$binary" | xargs -n 1 basename | paste -sd ' ')"
fi

as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
mkdir "$work/server"
chown 65534:65534 "$work/server" "$root/socket"
"${as_nobody[@]}" "$bin/initdb" -D "$work/server/data" -U keeper -A trust -E UTF8 --locale=C.UTF-8 -N >/dev/null
"${as_nobody[@]}" "$bin/postgres" -D "$work/server/data" -k "$root/socket" -c listen_addresses= -c fsync=off \
    >"$work/log" 2>&1 &
server=$!
export PGHOST=$root/socket PGUSER=keeper
until "$bin/pg_isready" -q -d postgres; do
    kill -0 "$server" || { cat "$work/log"; exit 1; }
    sleep 0.1
done
"$bin/createdb" shop
"$bin/psql" -qX -d shop -c "CREATE TABLE item AS SELECT n AS id, md5(n::text) AS code FROM generate_series(1, 20000) n;
    CREATE UNIQUE INDEX ON item (id)"

variables=(PGHOST=/socket PGUSER=keeper)
while read -r name; do
    variables+=("$name=${!name}")
done < <(compgen -e AWS_ || true)
# Runs pgstow in the root, with nothing of this environment but what is named here.
pgstow() { env -i "${variables[@]}" "$(command -v chroot)" "$root" /pgstow "$@"; }

pgstow --version
pgstow keygen -o /key.txt 2>/dev/null
recipient=$(grep -o 'age1[0-9a-z]*' "$root/key.txt")
content() { "$bin/psql" -qXAt -d "$1" -c "SELECT count(*), md5(string_agg(id || code, ',' ORDER BY id)) FROM item"; }
number=0
for store in file:///store "$@"; do
    number=$((number + 1))
    printf '\n%s\n' "into ${store%%\?*}"
    variables+=("PGSTOW_STORE=$store")
    pgstow backup dbname=shop --name shop -r "$recipient"
    pgstow list
    pgstow fetch latest --name shop -i /key.txt -o "/tmp/$number.dump"
    "$bin/pg_restore" --list "$root/tmp/$number.dump" | grep -q 'TABLE DATA public item'
    pgstow verify latest --name shop -i /key.txt
    pgstow restore latest --name shop -i /key.txt --to "dbname=shop_$number"
    [ "$(content shop)" = "$(content "shop_$number")" ] || { echo "shop and shop_$number differ" >&2; exit 1; }
done
printf '\nall of it was done in a root with %s files\n' "$(find "$root" -type f | wc -l)"
