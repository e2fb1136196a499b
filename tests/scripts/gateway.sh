#!/usr/bin/env bash
# Prints the path of a real Pushgateway: PUSHGATEWAY, else one that is installed, else Debian's package unpacked under
# target/. An installed one is only borrowed: whoever starts it passes an address and --persistence.file= of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -n "${PUSHGATEWAY:-}" ]; then
    if [ ! -x "$PUSHGATEWAY" ] || [ -d "$PUSHGATEWAY" ]; then
        echo "PUSHGATEWAY=$PUSHGATEWAY is not a program." >&2
        exit 1
    fi
    realpath "$PUSHGATEWAY"
    exit
fi
for name in prometheus-pushgateway pushgateway; do
    if path="$(command -v "$name")"; then
        echo "$path"
        exit
    fi
done

if ! root="$(tests/scripts/deb.sh prometheus-pushgateway)"; then
    echo "Give a Pushgateway of your own: make ... PUSHGATEWAY=/path/to/pushgateway" >&2
    exit 1
fi
# Debian's build reads the pages of its UI from a folder that was unpacked beside it, and their libraries from packages
# of their own, where those are installed.
ln -sfn /usr/share/javascript "$root/usr/share/javascript"
wrapper="$PWD/target/tools/bin/prometheus-pushgateway"
mkdir -p "${wrapper%/*}"
cat > "$wrapper" << END
#!/bin/sh
exec "$root/usr/bin/prometheus-pushgateway" --web.local-assets="$root/usr/share/prometheus/pushgateway" "\$@"
END
chmod +x "$wrapper"
echo "$wrapper"
