#!/usr/bin/env bash
# Runs every check there is. Ends with the test runner's own summary and, where tests could not run
# on this machine, with the list of them.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/servers.sh
scripts/lint.sh

export PGSTOW_SKIPPED="$PWD/target/skipped.txt"
mkdir -p target
: >"$PGSTOW_SKIPPED"

passed=0
cargo test --no-fail-fast || passed=$?

if [ -s "$PGSTOW_SKIPPED" ]; then
    printf '\n%d tests could not run here:\n' "$(wc -l <"$PGSTOW_SKIPPED")"
    sed 's/^/  /' "$PGSTOW_SKIPPED"
fi
exit "$passed"
