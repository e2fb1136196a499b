#!/usr/bin/env bash
# The steps of deploy/Dockerfile by hand: a static binary, certificates and the licence in a root of their own, and the
# binary run there as user 65532, the root read-only, nothing else in it. Needs root, or user namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch="$(dpkg --print-architecture)"
root="$PWD/target/image-root"
rm -rf "$root"
mkdir -p "$root"/{bin,etc/ssl/certs,etc/pushguard,state}
deploy/static.sh "$arch" "$root/bin"
cp LICENSE "$root/LICENSE"
[ ! -r /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
cp deploy/compose/policy.yaml "$root/etc/pushguard/policy.yaml"
chmod -R a+rX "$root"

bytes="$(du -sb "$root" | cut -f 1)"
echo "the image's files: $bytes bytes"
[ "$bytes" -lt $((25 * 1024 * 1024)) ] || { echo "more than 25 MB" >&2; exit 1; }
if ldd "$root/bin/pushguard" 2> /dev/null | grep -q '=>'; then
    echo "the binary is not static" >&2
    exit 1
fi

# A mount namespace of its own: the root is bound read-only onto itself, the state folder is memory.
cat > "$root.sh" <<'END'
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o mode=0700,uid=65532,gid=65532,size=16m tmpfs "$1/state"
ip link set lo up 2> /dev/null || true
exec env -i chroot --userspec=65532:65532 "$1" /bin/pushguard serve
END
# chroot --userspec takes numbers without a passwd file; settings come by the environment as in the manifests.
sed -i 's#exec env -i chroot#exec env -i PUSHGUARD_POLICY_FILE=/etc/pushguard/policy.yaml PUSHGUARD_STATE_DIR=/state \\\
    PUSHGUARD_WEB_LISTEN_ADDRESS=internal=127.0.0.1:0 PUSHGUARD_ADMIN_LISTEN_ADDRESS=127.0.0.1:0 /usr/sbin/chroot#' "$root.sh"
log="$root.log"
unshare --mount sh "$root.sh" "$root" 2> "$log" &
pid=$!
trap 'kill "$pid" 2> /dev/null || true' EXIT
for _ in $(seq 100); do
    grep -q 'msg=ready' "$log" && break
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
done
grep -q 'msg=ready' "$log" || { cat "$log" >&2; exit 1; }
admin="$(sed -nE 's/.*msg=listening.*listener=admin.*address=([0-9.:]+).*/\1/p' "$log" | head -n 1)"
[ -n "$admin" ] || admin="$(sed -nE 's/.*address=([0-9.:]+).*listener=admin.*/\1/p' "$log" | head -n 1)"
curl -fsS "http://$admin/-/ready" > /dev/null
grep -E '^(Uid|Gid|CapEff|VmRSS)' "/proc/$pid/status"
kill "$pid"
wait "$pid" || true
echo "it served as 65532 from a read-only root"
