#!/usr/bin/env bash
# Prints the path of a real Prometheus: PROMETHEUS, else one that is installed, else Debian's package unpacked under
# target/.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -n "${PROMETHEUS:-}" ]; then
    realpath "$PROMETHEUS"
elif ! command -v prometheus; then
    root="$(tests/scripts/deb.sh prometheus)"
    echo "$root/usr/bin/prometheus"
fi
