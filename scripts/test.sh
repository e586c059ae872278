#!/usr/bin/env bash
# Runs every check there is. Ends with the test runner's own summary and, if tests could not run
# on this machine, with the list of them.
#
#   scripts/test.sh                    what must hold
#   scripts/test.sh --include-ignored  the largest sizes too, which take minutes more
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
# Servers are mostly waited for, and compiling is work: both at once.
set -m
scripts/servers.sh &
servers=$!
set +m
trap 'kill -- "-$servers" 2>/dev/null || true' EXIT
scripts/lint.sh
cargo test --no-run
wait "$servers"
trap - EXIT

export PGSTOW_SKIPPED="$PWD/target/skipped.txt"
mkdir -p target
: >"$PGSTOW_SKIPPED"

# The databases of all tests together would need 9 GB: those of one half are gone before the other half begins.
later=(parallel:: proof:: roles:: soak:: sources:: store_faults:: stores:: swap:: tables:: there::)
free=$(df --output=avail -m /tmp | tail -1)
[ "$free" -ge 6000 ] || echo "test: only $free MB are free in /tmp, and the tests need up to 6,000" >&2

# Databases in memory are made and removed with much less work, if there is enough of it: twice what they need.
available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
limit=$(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true)
in_memory=$(df --type=tmpfs --output=avail -m /dev/shm 2>/dev/null | tail -1 || true)
if [ "$available" -ge 12000 ] && [ "${in_memory:-0}" -ge 8000 ] && { [ "${limit:-max}" = max ] || [ "$limit" -ge 16000000000 ]; }; then
    export PGSTOW_CLUSTERS=/dev/shm
    echo "test: the databases are in memory, in /dev/shm"
fi

# Tests wait for servers and for each other: with one more at a time than there are cores, the cores wait less.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) + 1))}"

outcome=0
{
    cargo test --no-fail-fast -- "${later[@]/#/--skip=}" "$@" || outcome=$?
    cargo test --no-fail-fast -- "${later[@]}" "$@" || outcome=$?
    (exit "$outcome")
} 2>&1 | tee target/tests.txt || outcome=$?

skipped=$(wc -l <"$PGSTOW_SKIPPED")
if [ "$skipped" -gt 0 ]; then
    printf '\n%d tests could not run here:\n' "$skipped"
    sed 's/^/  /' "$PGSTOW_SKIPPED"
fi
# The runner counts a skipped test as passed, and each binary apart; one that died has no result at all.
awk -v skipped="$skipped" '
    /^ +(Running|Doc-tests) / { begun++ }
    /^test result:/ { ended++; passed += $4; failed += $6; ignored += $8 }
    END { if (ignored) printf "\n%d tests of the largest sizes did not run: make test-full\n", ignored }
    END { if (begun > ended) printf "\n%d of %d test programs ended without a result\n", begun - ended, begun }
    END { printf "\n%d passed, %d failed, %d skipped\n", passed - skipped, failed, skipped }
' target/tests.txt
exit "$outcome"
