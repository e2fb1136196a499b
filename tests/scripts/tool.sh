#!/usr/bin/env bash
# tool.sh CRATE   Installs a cargo tool under target/tools, once.
set -euo pipefail

if ! command -v "$1" > /dev/null; then
    echo "Installing $1 into target/tools (some minutes, once)"
    # A target folder of its own: another profile and other features than ours.
    tools="$CARGO_TARGET_DIR/tools"
    cargo install --quiet --locked --root "$tools" --target-dir "$tools/build" "$1"
    rm -rf "$tools/build"
fi
