#!/bin/sh
# static.sh ARCH FOLDER   Builds the binary for linux/ARCH (amd64 or arm64), statically linked against glibc, into FOLDER.
# What the image and the release do, on any Debian with Rust and a C compiler for ARCH.
set -eu
case "$1" in
    amd64) target=x86_64-unknown-linux-gnu linker=x86_64-linux-gnu-gcc ;;
    arm64) target=aarch64-unknown-linux-gnu linker=aarch64-linux-gnu-gcc ;;
    *) echo "static.sh: no build for $1; known are amd64 and arm64" >&2; exit 64 ;;
esac
# The compiler of this machine needs no prefix.
command -v "$linker" > /dev/null || linker=cc
if command -v rustup > /dev/null; then
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
fi
upper=$(echo "$target" | tr a-z- A-Z_)
export "CARGO_TARGET_${upper}_LINKER=$linker" "CC_$(echo "$target" | tr - _)=$linker"
export "CARGO_TARGET_${upper}_RUSTFLAGS=-C target-feature=+crt-static"
cargo build --release --locked --target "$target"
mkdir -p "$2"
cp "${CARGO_TARGET_DIR:-target}/$target/release/pushguard" "$2/pushguard"
