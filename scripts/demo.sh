#!/usr/bin/env bash
# Shows the main job in a minute: a database goes into a store, encrypted, and comes back the same.
# Everything happens in one throw-away folder; nothing of it is left.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh demo
echo "Building pgstow; the first time takes minutes."
cargo build
built=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/pgstow
pgstow() { "$built" "$@"; }
# The demonstration is about its own database and store, whatever the environment points to.
unset "${!PG@}" DATABASE_URL

folder=$(mktemp -d /tmp/pgstow-demo-XXXXXX)
server=
# shellcheck disable=SC2317 # called by the trap
clean_up() {
    [ -z "$server" ] || { kill -QUIT "$server" && wait "$server"; } 2>/dev/null || true
    cd / && rm -rf "$folder"
}
trap clean_up EXIT
cd "$folder"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
    printf '\033[2m$ %s\033[0m\n' "$*"
    "$@"
}

# PostgreSQL refuses to run as root.
as_nobody=()
[ "$(id -u)" != 0 ] || as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --)

say "A database to lose: a throw-away PostgreSQL with a small shop in it."
bin=$(dirname "$(find /usr/lib/postgresql/*/bin -name postgres | sort -V | tail -1)")
mkdir server
[ "$(id -u)" != 0 ] || { chmod 755 . && chown 65534:65534 server; }
"${as_nobody[@]}" "$bin/initdb" -D server/data -U shopkeeper -A trust -E UTF8 --locale=C.UTF-8 -N >/dev/null
export PGHOST=$folder/server PGUSER=shopkeeper
"${as_nobody[@]}" "$bin/postgres" -D server/data -k "$PGHOST" -c listen_addresses= -c fsync=off >log 2>&1 &
server=$!
until "$bin/pg_isready" -q -d postgres; do
    kill -0 "$server" || { cat log; exit 1; }
    sleep 0.1
done
"$bin/createdb" shop
"$bin/psql" -qX -d shop <<'SQL'
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, joined timestamptz NOT NULL);
CREATE TABLE purchase (id bigint PRIMARY KEY, customer int NOT NULL REFERENCES customer, item jsonb, price numeric(10, 2));
INSERT INTO customer SELECT n, 'customer ' || md5(n::text), '2026-01-01'::timestamptz + n * interval '1 hour'
    FROM generate_series(1, 5000) n;
INSERT INTO purchase SELECT n, 1 + n % 5000, jsonb_build_object('sku', md5(n::text), 'count', n % 7), n % 10000 / 100.0
    FROM generate_series(1, 200000) n;
CREATE INDEX ON purchase (customer);
SQL
"$bin/psql" -X -P pager=off -d shop -c 'SELECT count(*) AS purchases, sum(price) AS worth FROM purchase'

say "1. A key pair. The backup job gets the public half only."
run pgstow keygen -o key.txt
recipient=$(grep -o 'age1[0-9a-z]*' key.txt)

export PGSTOW_STORE=file://$folder/store
say "2. The backup, into a folder here; s3://… works the same way."
run pgstow backup dbname=shop -r "$recipient"

say "3. What is there now."
run pgstow list
run pgstow show latest

say "4. The restore, into a database of its own. Nothing is ever overwritten."
run pgstow restore latest --identity-file key.txt --to dbname=shop_again

text_of() { "$bin/pg_dump" "$1" | grep -v -e '^\\restrict' -e '^\\unrestrict'; }
compare() {
    if diff <(text_of shop) <(text_of "$1") >difference; then
        echo "shop and $1 are the same, in every one of $(text_of "$1" | wc -l) lines"
    else
        head difference
        echo "shop and $1 differ!"
        exit 1
    fi
}
say "5. Are they the same? Both databases as SQL text, compared line by line:"
compare shop_again

say "6. And without pgstow: age, zstd and pg_restore open it on their own."
"$bin/createdb" shop_by_hand
printf '\033[2m$ age -d -i key.txt dump.zst.age | zstd -d | pg_restore -d shop_by_hand\033[0m\n'
age -d -i key.txt "$(find store -name dump.zst.age)" | zstd -dc | "$bin/pg_restore" -d shop_by_hand
compare shop_by_hand

say "Done. Everything this demo made is removed again."
