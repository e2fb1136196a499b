#!/usr/bin/env bash
# need.sh TOOL[=PACKAGE]...   Installs the Debian packages of the tools that are missing, or says how to.
# python:MODULE is a tool too: a module that python3 must be able to import; and file:PATH, a file that must be there.
set -euo pipefail

present() {
    case "$1" in
        python:*) python3 -c "import ${1#python:}" 2> /dev/null ;;
        file:*) [ -e "${1#file:}" ] ;;
        *) command -v "$1" > /dev/null ;;
    esac
}

if ! command -v cargo > /dev/null; then
    echo "cargo is missing: install Rust first (rustup), then try again." >&2
    exit 1
fi

tools=() packages=()
for need in "$@"; do
    tool="${need%%=*}"
    if ! present "$tool"; then
        tools+=("$tool")
        packages+=("${need#*=}")
    fi
done
[ ${#packages[@]} -gt 0 ] || exit 0

install="apt-get install -y --no-install-recommends ${packages[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    [ -t 0 ] || as_root+=(-n)
fi
if ! command -v apt-get > /dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo > /dev/null; }; then
    echo "Missing: ${tools[*]}. Install them and try again; on Debian, as root: $install" >&2
    exit 1
fi

run() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" < /dev/null > "$log" 2>&1; }

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
echo "Installing ${packages[*]} (apt-get)"
# A machine that never asked for package lists has none; one with old lists may miss what they name.
if ! run $install && ! { run apt-get update && run $install; }; then
    cat "$log" >&2
    echo "Could not install: ${packages[*]}. Install them and try again; as root: apt-get update && $install" >&2
    exit 1
fi
for tool in "${tools[@]}"; do
    present "$tool" || { echo "$tool is still missing after: $install" >&2; exit 1; }
done
