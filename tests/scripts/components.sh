#!/usr/bin/env bash
# Sees to it that cargo fmt and cargo clippy are there.
set -euo pipefail

for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version > /dev/null 2>&1 && continue
    if ! command -v rustup > /dev/null || ! rustup component add "$component"; then
        echo "cargo ${component/rustfmt/fmt} is missing: rustup component add $component" >&2
        exit 1
    fi
done
