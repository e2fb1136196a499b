#!/usr/bin/env bash
# deb.sh PACKAGE   Unpacks a Debian package under target/tools/deb, once, and prints the folder.
# Unpacked and not installed: that needs no root, and no service of Debian's starts.
set -euo pipefail
cd "$(dirname "$0")/../.."

package=$1
root="$PWD/target/tools/deb/$package"
if [ -d "$root/usr" ]; then
    echo "$root"
    exit
fi
if ! command -v apt-get > /dev/null || ! command -v dpkg > /dev/null; then
    echo "There is no apt-get here to get Debian's package $package." >&2
    exit 1
fi
rm -rf "$root"
mkdir -p "$root"
log="$root/apt.log"
# Package lists of its own where the machine has none or old ones; that, too, works without root.
own=(-o "Dir::State::lists=$root/lists" -o "Dir::Cache=$root/cache" -o APT::Sandbox::User=root)
download() { (cd "$root" && apt-get -o APT::Sandbox::User=root "$@" download "$package") >> "$log" 2>&1; }
echo "Getting Debian's $package into target/tools" >&2
if ! download; then
    mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
    if ! apt-get "${own[@]}" update >> "$log" 2>&1 || ! download "${own[@]}"; then
        cat "$log" >&2
        echo "Could not get Debian's package $package." >&2
        exit 1
    fi
fi
dpkg -x "$root/$package"_*.deb "$root.unpacked"
rm -rf "$root"
mv "$root.unpacked" "$root"
echo "$root"
