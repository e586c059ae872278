#!/usr/bin/env bash
# Looks at the sources without running them.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --check
cargo clippy --all-targets -- -D warnings
if command -v cargo-deny >/dev/null; then
    cargo deny check
fi
