#!/usr/bin/env bash
# Prints the figures of docs/performance.md. Takes about half an hour on two cores; words go to bench.py.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/servers.sh garage-optimised
cargo build --release --locked --quiet

servers=$(scripts/servers.sh --where)
PATH="$servers/awscli/bin:$PATH" exec python3 scripts/bench.py \
    --pgstow target/release/pgstow --garage "$servers/garage-optimised/bin/garage" "$@"
