#!/usr/bin/env bash
# Looks at the sources without running them.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --check
cargo clippy --all-targets -- -D warnings
# Without Google Cloud Storage and all that it needs. zstd's features are others then, and its C code is compiled again;
# nothing is linked, so it need not be fast.
cargo clippy --lib --no-default-features --config 'profile.dev.package.zstd-sys.opt-level=0' -- -D warnings

# The fuzzer's targets are a crate of their own, which nothing else builds. Checking links nothing, so libFuzzer itself
# need not be built.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} CUSTOM_LIBFUZZER_PATH=/nowhere/libFuzzer.a \
    cargo check --manifest-path fuzz/Cargo.toml --locked

if command -v cargo-deny >/dev/null; then
    cargo deny check
fi
