#!/usr/bin/env bash
# Prints the figures of docs/performance.md. Takes about half an hour on two cores; words go to bench.py.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh bench
scripts/servers.sh garage-optimised
cargo build --release --locked --quiet
# Where cargo has put it is only in what it says about the build.
reader=$(cargo bench --bench reader --locked --no-run --message-format=json --quiet |
    jq -r 'select(.executable and .target.name == "reader") | .executable')
# The imitation of Google Cloud Storage is a part of the tests.
tests=$(cargo test --test it --locked --no-run --message-format=json --quiet |
    jq -r 'select(.executable and .target.name == "it") | .executable')

servers=$(scripts/servers.sh --where)
PATH="$servers/awscli/bin:$servers/restic/usr/bin:$PATH" exec python3 scripts/bench.py \
    --pgstow target/release/pgstow --garage "$servers/garage-optimised/bin/garage" --reader "$reader" \
    --google "$tests" "$@"
