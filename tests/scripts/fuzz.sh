#!/usr/bin/env bash
# fuzz.sh SECONDS   Runs each fuzz target for that long. A finding ends it with the input under tests/fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ ! -f tests/fuzz/Cargo.toml ]; then
    echo "There is nothing to fuzz: tests/fuzz has no Cargo.toml." >&2
    exit 1
fi
if ! cargo +nightly --version > /dev/null 2>&1; then
    echo "Fuzzing needs nightly Rust: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
tests/scripts/tool.sh cargo-fuzz
python3 tests/fuzz/seeds.py tests/fuzz/corpus
targets="$(cargo +nightly fuzz list --fuzz-dir tests/fuzz)"
for target in $targets; do
    echo "== $target, ${1} s"
    cargo +nightly fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz "$target" -- -max_total_time="$1" -print_final_stats=1
done
