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

outcome=0
cargo test --no-fail-fast 2>&1 | tee target/tests.txt || outcome=$?

skipped=$(wc -l <"$PGSTOW_SKIPPED")
if [ "$skipped" -gt 0 ]; then
    printf '\n%d tests could not run here:\n' "$skipped"
    sed 's/^/  /' "$PGSTOW_SKIPPED"
fi
# The runner counts a skipped test as passed, and each binary apart.
awk -v skipped="$skipped" '
    /^test result:/ { passed += $4; failed += $6 }
    END { printf "\n%d passed, %d failed, %d skipped\n", passed - skipped, failed, skipped }
' target/tests.txt
exit "$outcome"
