#!/usr/bin/env bash
# image-run.sh ROOT GATEWAY   Runs what lies in ROOT as the image would be run, in namespaces that were made for it: as
# 65532, ROOT read-only, beside a gateway that only a name of the cluster leads to; and pushes through it.
set -euo pipefail
root=$1 gateway=$2
log="$root.log"

trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
ip link set lo up
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=0700,uid=65532,gid=65532,size=16m tmpfs "$root/state"
# The devices that every container has.
mount -t tmpfs -o mode=0755,size=64k tmpfs "$root/dev"
for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done

# The cluster's DNS: it knows one name.
python3 - <<'DNS' &
import socket, struct
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
name = b"".join(bytes([len(part)]) + part for part in b"pushgateway.monitoring.svc.cluster.local".split(b".")) + b"\0"
while True:
    query, client = server.recvfrom(512)
    known = query[12:12 + len(name)].lower() == name
    kind, = struct.unpack(">H", query[12:].split(b"\0", 1)[1][:2])
    question = query[12:query.index(b"\0", 12) + 5]
    address = known and kind == 1
    head = query[:2] + (b"\x81\x80" if known else b"\x81\x83") + struct.pack(">HHHH", 1, int(address), 0, 0)
    answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04" + socket.inet_aton("127.0.0.1") if address else b""
    server.sendto(head + question + answer, client)
DNS
"$gateway" --persistence.file= --web.listen-address=127.0.0.1:9191 2> "$root.gateway.log" &

env -i PUSHGUARD_POLICY_FILE=/etc/pushguard/policy.yaml PUSHGUARD_STATE_DIR=/state \
    PUSHGUARD_UPSTREAM_URL=http://pushgateway:9191 PUSHGUARD_WEB_LISTEN_ADDRESS=internal=127.0.0.1:9091 \
    PUSHGUARD_ADMIN_LISTEN_ADDRESS=127.0.0.1:9095 \
    "$(command -v chroot)" --userspec=65532:65532 "$root" /bin/pushguard serve 2> "$log" &
pid=$!

# answers WHAT CURL…   Waits until curl says 200, at most a minute.
answers() {
    local what=$1 end=$((SECONDS + 60))
    shift
    until [ "$(curl -s --max-time 10 -o /dev/null -w '%{http_code}' "$@")" = 200 ]; do
        if grep -q panicked "$log" || ! kill -0 "$pid" 2> /dev/null || [ $SECONDS -gt $end ]; then
            echo "no: $what" >&2
            cat "$log" >&2
            exit 1
        fi
        sleep 0.2
    done
    echo "ok   $what"
}
answers "it is ready" http://127.0.0.1:9095/-/ready
answers "the gateway is found by its name in the cluster, and takes a push" \
    --data-binary "tests_total 42"$'\n' http://127.0.0.1:9091/metrics/job/ci
grep -qE '^Uid:\s+65532' "/proc/$pid/status" && grep -qE '^CapEff:\s+0+$' "/proc/$pid/status"
echo "ok   it is user 65532 without capabilities; $(grep VmRSS "/proc/$pid/status" | tr -s '\t ' ' ')"
kill -TERM "$pid"
wait "$pid"
echo "ok   it ended by itself; a read-only root was enough"
