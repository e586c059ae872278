#!/usr/bin/env bash
# Fuzzes what reads strangers' bytes: the archive reader, inventories and manifests. Needs a nightly Rust
# (`rustup toolchain install nightly`) and cargo-fuzz (`cargo install cargo-fuzz`).
#
#   scripts/fuzz.sh              each target for five minutes
#   scripts/fuzz.sh 3600 archive one of them for an hour
#
# What is found lies in fuzz/artifacts. Once it is mended, the input goes into fuzz/corpus, and `make test`
# reads it again.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

seconds=${1:-300}
shift || true
[ $# -gt 0 ] || set -- archive papers
for target in "$@"; do
    # New inputs are kept apart from the corpus in the repository, which stays small.
    mkdir -p "target/corpus/$target"
    dictionary=()
    [ ! -e "$target.dict" ] || dictionary=("-dict=$target.dict")
    # No allocation by a length that was only announced: the longest input is a thousandth of the limit.
    cargo +nightly fuzz run "$target" "target/corpus/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=16000 -malloc_limit_mb=16 -timeout=10 "${dictionary[@]}"
done
