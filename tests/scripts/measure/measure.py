"""Prints what pushguard costs: idle memory after one login, CPU per push beside bare forwarding by nginx, and with a
remembered password beside no credential at all.

One Pushgateway; nginx (one worker, keep-alive to the gateway) and pushguard (release build) both in front of it. The same
pushes go through each in turn, over a few kept connections, in several rounds, every other one in the opposite order;
what counts is user plus system time of the processes, from their CPU clocks. Ratios are those of one round, so that what
else the machine does meanwhile weighs on both. Only this machine's loopback is spoken to, and the number of pushes is
fixed.
It asserts nothing: the figures are for reading, and for comparing with a run on the same machine.
"""

import base64
import http.client
import os
import pathlib
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
HOME = ROOT / "target" / "measure"
GUARD = pathlib.Path(os.environ.get("MEASURE_GUARD", ROOT / "target" / "release" / "pushguard"))
PUSHES = int(os.environ.get("MEASURE_PUSHES", "2000"))
ROUNDS = int(os.environ.get("MEASURE_ROUNDS", "5"))
CONNECTIONS = 4

POLICY = """version: 1
sources:
  local: { cidrs: [127.0.0.1/32], listeners: [default] }
  open:  { cidrs: [127.0.0.1/32], listeners: [open] }
principals:
  ci:
    basic:  { username: ci, password_hash_file: ci.phc }
    from:   { require: [local] }
    grants: [{ operations: [push, replace], job: ci, labels: { workflow: "*" } }]
    quotas: [{ per: job, burst: 1000000, period: 1m }]
    payload: { max_bytes: 1MiB }
  anybody:
    anonymous: true
    from:   { require: [open] }
    grants: [{ operations: [push, replace], job: ci, labels: { workflow: "*" } }]
    quotas: [{ per: job, burst: 1000000, period: 1m }]
    payload: { max_bytes: 1MiB }
"""

NGINX = """worker_processes 1;
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_max_body_size 1m;
    client_body_buffer_size 1m;
    client_body_temp_path {home}/nginx-body;
    proxy_temp_path {home}/nginx-proxy;
    fastcgi_temp_path {home}/nginx-fastcgi;
    uwsgi_temp_path {home}/nginx-uwsgi;
    scgi_temp_path {home}/nginx-scgi;
    keepalive_requests 1000000;
    upstream gateway {{ server {gateway}; keepalive 16; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://gateway; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


def start(arguments, log, pattern):
    """Starts a server and waits for the address that its log tells."""
    with open(HOME / log, "wb") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=out, cwd=ROOT)
    STARTED.append(process)
    for _ in range(200):
        found = re.search(pattern, (HOME / log).read_text())
        if found:
            return process, found.group(1)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"{arguments[0]} did not start:\n{(HOME / log).read_text()}")


def start_nginx(gateway):
    program = shutil.which("nginx")
    if not program:
        root = subprocess.run([ROOT / "tests/scripts/deb.sh", "nginx"], check=True, stdout=subprocess.PIPE, text=True)
        program = root.stdout.strip() + "/usr/sbin/nginx"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (HOME / "nginx.conf").write_text(NGINX.format(home=HOME, gateway=gateway, port=port))
    command = [program, "-p", str(HOME), "-e", str(HOME / "nginx-error.log"), "-c", str(HOME / "nginx.conf")]
    process = subprocess.Popen(command, cwd=ROOT)
    STARTED.append(process)
    for _ in range(200):
        if process.poll() is not None:
            sys.exit("nginx did not start")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, f"127.0.0.1:{port}"
        except OSError:
            time.sleep(0.05)
    sys.exit("nginx does not answer")


def family(pid):
    """A process and its children."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def cpu_seconds(pid):
    """User and system time of a process, seconds; its CPU clock as clock_getcpuclockid(3) names it on Linux."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def push(address, body, headers, count):
    """Sends that many pushes over a few kept connections; answers how long it took, seconds."""
    failures = []

    def work(share, index):
        connection = http.client.HTTPConnection(address, timeout=30)
        for _ in range(share):
            try:
                connection.request("POST", f"/metrics/job/ci/workflow/w{index}", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    failures.append(f"{answer.status} {text!r}")
                    return
            except OSError as error:
                failures.append(repr(error))
                return
        connection.close()

    shares = [count // CONNECTIONS + (i < count % CONNECTIONS) for i in range(CONNECTIONS)]
    threads = [threading.Thread(target=work, args=(share, i)) for i, share in enumerate(shares)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        sys.exit(f"a push to {address} failed: {failures[0]}")
    return time.monotonic() - began


def body(series):
    lines = ["# TYPE tests_total counter"]
    lines += [f'tests_total{{suite="suite-{n}",status="passed"}} {n}' for n in range(series)]
    return ("\n".join(lines) + "\n").encode()


def compare(title, payload, pushes, fronts, headers, pairs):
    """Pushes through each front in turn and prints CPU per 1000 pushes, and the ratios of the pairs."""
    costs = {name: [] for name in fronts}
    walls = {name: [] for name in fronts}
    for name, (address, _) in fronts.items():
        push(address, payload, headers[name], 50)
    for number in range(ROUNDS):
        turns = list(fronts.items())
        for name, (address, pids) in turns if number % 2 == 0 else reversed(turns):
            before = sum(map(cpu_seconds, pids))
            walls[name].append(push(address, payload, headers[name], pushes))
            costs[name].append((sum(map(cpu_seconds, pids)) - before) * 1000 / pushes)
    print(f"\n{title}, {len(payload)} bytes: CPU seconds per 1000 pushes, median of {ROUNDS} rounds of {pushes}")
    for name in fronts:
        cost, rate = costs[name], pushes / statistics.median(walls[name])
        print(f"  {name:<10}{statistics.median(cost):7.3f}  ({min(cost):.3f} to {max(cost):.3f}), {rate:.0f} pushes/s")
    for one, other in pairs:
        ratios = [mine / its for mine, its in zip(costs[one], costs[other])]
        print(f"  {one} to {other}: {statistics.median(ratios):.3f}  ({min(ratios):.3f} to {max(ratios):.3f})")


def main():
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True, mode=0o700)
    os.umask(0o077)
    password = secrets.token_urlsafe(18)
    hashed = subprocess.run([GUARD, "hash"], input=password.encode(), stdout=subprocess.PIPE, check=True).stdout
    (HOME / "ci.phc").write_bytes(hashed)
    (HOME / "policy.yaml").write_text(POLICY)
    basic = base64.b64encode(f"ci:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "text/plain; version=0.0.4"}

    gateway = [os.environ["PUSHGATEWAY"], "--web.listen-address=127.0.0.1:0", "--persistence.file="]
    gateway, upstream = start(gateway, "gateway.log", r'address="?(127\.0\.0\.1:\d+)')
    serve = [GUARD, "serve", "--policy.file", HOME / "policy.yaml", "--upstream.url", f"http://{upstream}"]
    serve += ["--web.listen-address", "127.0.0.1:0", "--web.listen-address", "open=127.0.0.1:0"]
    serve += ["--admin.listen-address", "127.0.0.1:0"]
    guard, address = start(serve, "guard.log", r"(?s)msg=listening listener=default address=(\S+).*msg=ready")
    open_address = re.search(r"listener=open address=(\S+)", (HOME / "guard.log").read_text()).group(1)
    print(f"Idle memory at start:        {resident_kib(guard.pid) / 1024:6.1f} MiB resident")
    push(address, body(1), headers, 1)
    time.sleep(2)
    print(f"Idle memory after one login: {resident_kib(guard.pid) / 1024:6.1f} MiB resident", flush=True)

    nginx, front = start_nginx(upstream)
    fronts = {"nginx": (front, family(nginx.pid)), "pushguard": (address, [guard.pid]), "gateway": (upstream, [gateway.pid])}
    both = dict.fromkeys(fronts, headers)
    pairs = [("pushguard", "nginx"), ("pushguard", "gateway")]
    for series, pushes in [(1, PUSHES), (20, PUSHES), (100, PUSHES // 2), (500, PUSHES // 4)]:
        compare(f"A push of {series} series", body(series), pushes, fronts, both, pairs)
    fronts = {"anonymous": (open_address, [guard.pid]), "password": (address, [guard.pid])}
    anonymous = {name: value for name, value in headers.items() if name != "Authorization"}
    own = {"anonymous": anonymous, "password": headers}
    title = "A small push, with a remembered password or without"
    compare(title, body(1), PUSHES, fronts, own, [("password", "anonymous")])
    print(f"\nMemory after all of it:      {resident_kib(guard.pid) / 1024:6.1f} MiB resident")


STARTED = []
if __name__ == "__main__":
    try:
        main()
    finally:
        for process in STARTED:
            process.terminate()
        for process in STARTED:
            process.wait()
