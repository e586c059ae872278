#!/usr/bin/env bash
# Backups and restores through a proxy that makes things go wrong at random, in front of real servers; prints what came of
# them. Ends with 0 if each was whole or none, none hung, and nothing was left that was not named.
#
#   scripts/soak.sh                            500 backups and 500 restores; half an hour and more
#   scripts/soak.sh --rounds 50 --seed 4711    some of them; the same again
set -euo pipefail
cd "$(dirname "$0")/.."

while [ $# -gt 0 ]; do
    case $1 in
        --rounds) export PGSTOW_SOAK_ROUNDS=$2 ;;
        --seed) export PGSTOW_SOAK_SEED=$2 ;;
        *) echo "usage: scripts/soak.sh [--rounds N] [--seed N]" >&2 && exit 2 ;;
    esac
    shift 2
done

scripts/setup.sh
scripts/servers.sh
exec cargo test --quiet --test it -- --ignored --exact --nocapture soak::the_long_form
