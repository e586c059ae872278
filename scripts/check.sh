#!/usr/bin/env bash
# What can be known without a server, for between two edits. `make test` is the whole.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --check
cargo clippy --all-targets --quiet -- -D warnings
cargo test --quiet --lib --test house
