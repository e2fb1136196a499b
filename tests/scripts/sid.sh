#!/usr/bin/env bash
# sid.sh PACKAGE PROGRAM ARGUMENT   Prints the path of a program of Debian's unstable release, unpacked under target/ once.
# It comes over package lists of its own, from the archive that this machine's apt uses, and must run here with ARGUMENT.
# Prints nothing, and says why, where that cannot be had.
set -euo pipefail
cd "$(dirname "$0")/../.."

package=$1 argument=$3
root="$PWD/target/tools/sid/$package"
binary="$root/unpacked/usr/bin/$2"

# Bash does not end it at an error, since it is called in a condition.
get() {
    # The first Debian archive whose lists apt would fetch; other archives have other paths.
    local archive keyring=/usr/share/keyrings/debian-archive-keyring.gpg own
    archive="$(apt-get update --print-uris | sed -nE "s#^'([^']+/debian)/+dists/.*#\1#p" | head -n 1)"
    [ -n "$archive" ] || { echo "apt has no Debian archive here"; return 1; }
    echo "deb [signed-by=$keyring] $archive sid main" > "$root/sid.list"
    mkdir -p "$root/lists/partial" "$root/cache/archives/partial"
    own=(-o "Dir::Etc::sourcelist=$root/sid.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$root/lists"
        -o "Dir::Cache=$root/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none
        -o APT::Update::Error-Mode=any -o Acquire::Retries=1 -o Acquire::http::Timeout=20)
    apt-get "${own[@]}" update || return 1
    (cd "$root" && apt-get "${own[@]}" download "$package") || return 1
    rm -rf "$root/unpacked.new"
    dpkg -x "$root/${package}"_*.deb "$root/unpacked.new" || return 1
    # It must run here, too: its libraries are newer.
    "$root/unpacked.new/usr/bin/$2" "$argument" || return 1
    mv "$root/unpacked.new" "$root/unpacked"
}

if [ ! -x "$binary" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    echo "Getting $package of Debian sid into target/tools" >&2
    if ! { command -v apt-get && command -v dpkg && get "$@"; } > "$root/log" 2>&1; then
        echo "$package cannot be had; tests that need it will be skipped: $(tail -n 1 "$root/log")" >&2
        exit
    fi
    rm -rf "$root/lists" "$root/cache"
fi
echo "$binary"
