#!/usr/bin/env bash
# Starts a real Pushgateway and pushguard in front of it, says what to try, and serves until Ctrl-C.
# Whatever ends it, or one of the two, ends both.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Even a killed `make` must not leave anything behind: the kernel then ends this script, and with it the two.
if [ -z "${RUN_TIED:-}" ] && command -v setpriv > /dev/null; then
    RUN_TIED=1 exec setpriv --pdeathsig TERM "$BASH" "$0" "$@"
fi
tied() { if [ -n "${RUN_TIED:-}" ]; then exec setpriv --pdeathsig TERM "$@" 9>&-; else exec "$@" 9>&-; fi; }

port="${PORT:-9091}"
guard=target/debug/pushguard
home=target/quickstart
guard_log=$home/pushguard.log
gateway_log=$home/pushgateway.log
guard_pid='' gateway_pid=''

stop() {
    local status=$?
    trap '' INT TERM HUP
    trap - EXIT
    local pids=() pid
    for pid in $guard_pid $gateway_pid; do
        kill -TERM "$pid" 2> /dev/null && pids+=("$pid")
    done
    for _ in {1..50}; do
        [ ${#pids[@]} -gt 0 ] && kill -0 "${pids[@]}" 2> /dev/null || break
        sleep 0.1
    done
    [ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2> /dev/null || true
    wait 2> /dev/null || true
    exit "$status"
}
trap stop EXIT
trap 'echo; echo "Stopped: pushguard and the Pushgateway."; exit 0' INT TERM HUP

fail() {
    echo "$1" >&2
    exit 1
}

# The first match of a sed expression in a log, waiting for it for ten seconds while its writer lives.
find_in() {
    local log=$1 pid=$2 found
    for _ in {1..100}; do
        found="$(sed -nE "$3" "$log" | head -n 1)"
        [ -z "$found" ] || { echo "$found"; return; }
        kill -0 "$pid" 2> /dev/null || return 1
        sleep 0.1
    done
    return 1
}

# Two runs in one clone would write each other's password; the lock ends with this script.
if command -v flock > /dev/null; then
    exec 9> target/quickstart.lock
    flock -n 9 || fail "make run already runs in this folder; end that one first."
fi

gateway="$(tests/scripts/gateway.sh)"

# A new password for every run; only this user may read what is made of it.
umask 077
mkdir -p $home && chmod 700 $home
rm -f $home/*
touch $guard_log $gateway_log
password="$(head -c 18 /dev/urandom | base64 | tr '+/' '-_')"
printf '%s\n' "$password" > $home/password
printf %s "$password" | $guard hash > $home/ci.phc

tied "$gateway" --web.listen-address=127.0.0.1:0 --persistence.file= > $gateway_log 2>&1 &
gateway_pid=$!
gateway_address="$(find_in $gateway_log $gateway_pid 's/.*address="?(127\.0\.0\.1:[0-9]+).*/\1/p')" || {
    tail -n 5 $gateway_log >&2
    fail "The Pushgateway did not start: $gateway"
}

tied $guard serve --policy.file policies/quickstart.yaml --upstream.url "http://$gateway_address" \
    --web.listen-address "127.0.0.1:$port" --admin.listen-address 127.0.0.1:0 > $guard_log 2>&1 &
guard_pid=$!
find_in $guard_log $guard_pid 's/.*(msg=ready).*/\1/p' > /dev/null || {
    if grep -q 'Address already in use' $guard_log; then
        fail "Port $port is taken on 127.0.0.1. Choose another: make run PORT=$((port < 60000 ? port + 1000 : port - 1000))"
    fi
    tail -n 5 $guard_log >&2
    fail "pushguard did not start."
}
listening() { sed -nE "s/.*msg=listening listener=$1 address=([^ ]+).*/\1/p" $guard_log; }
url="http://$(listening default)"
admin="http://$(listening admin)"

cat << END

pushguard is at $url, a real Pushgateway ($("$gateway" --version 2>&1 | sed -nE '1s/.*version ([^ ]+).*/\1/p')) behind it.
In another terminal:

  This push is granted (200):
    echo 'tests_total 42' | curl -sS -w '%{http_code}\n' -u 'ci:$password' --data-binary @- $url/metrics/job/ci/workflow/nightly

  This one is refused, the job is not granted (403):
    echo 'tests_total 0' | curl -sS -w '%{http_code}\n' -u 'ci:$password' --data-binary @- $url/metrics/job/billing

  What Prometheus scrapes:
    curl -sS $url/metrics | grep tests_total

Policy policies/quickstart.yaml, metrics $admin/metrics, log $guard_log
Ctrl-C ends both.
END

ended=0
wait -n "$guard_pid" "$gateway_pid" || ended=$?
if kill -0 "$guard_pid" 2> /dev/null; then
    tail -n 5 $gateway_log >&2
    fail "The Pushgateway ended (status $ended), so pushguard is stopped too."
fi
tail -n 5 $guard_log >&2
fail "pushguard ended (status $ended), so the Pushgateway is stopped too."
