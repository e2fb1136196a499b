#!/usr/bin/env bash
# The steps of deploy/Dockerfile by hand: a static binary, certificates and the licence in a root of their own; then the
# binary runs there as user 65532, the root read-only, nothing else in it. Needs root, or user namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch="$(dpkg --print-architecture)"
root="$PWD/target/image-root"
rm -rf "$root"
mkdir -p "$root"/{bin,etc/ssl/certs}
deploy/static.sh "$arch" "$root/bin"
cp LICENSE "$root/LICENSE"
[ ! -r /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
chmod -R a+rX "$root"

bytes="$(du -sb "$root" | cut -f 1)"
echo "the image's files: $bytes bytes, the binary $(stat -c %s "$root/bin/pushguard")"
[ "$bytes" -lt 25000000 ] || { echo "more than 25 MB" >&2; exit 1; }
if ldd "$root/bin/pushguard" 2> /dev/null | grep -q '=>'; then
    echo "the binary is not static" >&2
    exit 1
fi

# What Kubernetes mounts: policy, state, devices, and how names are found.
mkdir -p "$root"/{etc/pushguard,state,dev}
cp deploy/compose/policy.yaml "$root/etc/pushguard/policy.yaml"
printf 'search monitoring.svc.cluster.local svc.cluster.local cluster.local\nnameserver 127.0.0.1\noptions ndots:5\n' \
    > "$root/etc/resolv.conf"
chmod -R a+rX "$root"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(--user --map-root-user)
unshare --mount --net "${as_root[@]}" tests/scripts/image-run.sh "$root" "$(tests/scripts/gateway.sh)"
