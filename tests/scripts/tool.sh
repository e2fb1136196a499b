#!/usr/bin/env bash
# tool.sh CRATE   Installs a cargo tool under target/tools, once.
set -euo pipefail

if ! command -v "$1" > /dev/null; then
    echo "Installing $1 into target/tools (some minutes, once)"
    # Its own target folder: another profile and other features than ours.
    CARGO_TARGET_DIR="$CARGO_TARGET_DIR/tools/build" cargo install --quiet --locked --root "$CARGO_TARGET_DIR/tools" "$1"
    rm -rf "$CARGO_TARGET_DIR/tools/build"
fi
