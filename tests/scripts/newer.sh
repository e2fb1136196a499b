#!/usr/bin/env bash
# Prints the path of a newer Pushgateway than the installed one: PUSHGATEWAY_NEW, else the one of Debian's unstable
# release. Prints nothing, and says why, where that cannot be had.
set -euo pipefail

if [ -n "${PUSHGATEWAY_NEW:-}" ]; then
    realpath "$PUSHGATEWAY_NEW"
else
    "$(dirname "$0")/sid.sh" prometheus-pushgateway prometheus-pushgateway --version
fi
