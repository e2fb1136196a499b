#!/usr/bin/env python3
"""Attacks a pushguard that may have 128 MiB, and says what it took of them and how honest pushes fared.

memory.py GUARD GATEWAY SECONDS   needs to make a memory control group (root); fails where the guard is killed, takes
more than 96 MiB, or less than 99.9 % of the honest pushes succeed.
"""

import base64
import collections
import gzip
import multiprocessing
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from house import follow, stop
from slow import Honest

LIMIT, MOST = 128 << 20, 96
POLICY = """
version: 1
principals:
  ci:
    basic: { username: ci, password_hash_file: ci.phc }
    from: anywhere
    grants: [{ operations: [push, replace], job: "*" }]
    quotas: [{ per: principal, burst: 100000, period: 1s }]
  all:
    anonymous: true
    from: anywhere
    grants: [{ operations: [push], job: "*" }]
    quotas: [{ per: principal, burst: 100000, period: 1s }]
"""


class Group:
    """A memory control group, of version 2 where it is mounted, else of version 1."""

    def __init__(self):
        name = f"pushguard-{os.getpid()}"
        self.second = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        self.folder = f"/sys/fs/cgroup/{name}" if self.second else f"/sys/fs/cgroup/memory/{name}"
        try:
            os.mkdir(self.folder)
            self.write("memory.max" if self.second else "memory.limit_in_bytes", LIMIT)
        except OSError as error:
            sys.exit(f"cannot make a memory control group ({error}); run it as root, outside of a container")

    def write(self, file, value):
        with open(os.path.join(self.folder, file), "w") as target:
            target.write(str(value))

    def peak(self):
        file = "memory.peak" if self.second else "memory.max_usage_in_bytes"
        return int(open(os.path.join(self.folder, file)).read()) >> 20

    def remove(self):
        os.rmdir(self.folder)


class Crowd:
    """Keeps so many connections from many addresses; what each sends at first, and then now and then."""

    def __init__(self, address, count, first, more=b""):
        self.address, self.count, self.first, self.more = address, count, first, more
        self.open, self.made, self.selector = {}, 0, selectors.DefaultSelector()

    def connect(self):
        number, self.made = self.made, self.made + 1
        sock = socket.socket()
        sock.setblocking(False)
        sock.bind((f"127.1.{number // 100 % 250}.{1 + number % 100}", 0))
        sock.connect_ex(self.address)
        self.open[sock] = self.first
        self.selector.register(sock, selectors.EVENT_WRITE | selectors.EVENT_READ)

    def drop(self, sock):
        self.selector.unregister(sock)
        del self.open[sock]
        sock.close()
        # Who attacks comes back, each time from another address.
        self.count += 1

    def turn(self, share):
        """Opens its share of the connections; sends what can be sent, makes others for what was closed."""
        while self.made < min(self.count, self.count * share):
            self.connect()
        for key, events in self.selector.select(0.01):
            sock = key.fileobj
            try:
                left = self.open[sock]
                if events & selectors.EVENT_WRITE and left:
                    self.open[sock] = left[sock.send(left[:65536]):]
                elif events & selectors.EVENT_WRITE:
                    self.selector.modify(sock, selectors.EVENT_READ)
                if events & selectors.EVENT_READ and not sock.recv(65536):
                    self.drop(sock)
            except OSError:
                self.drop(sock)

    def run(self, seconds):
        began, next_drip = time.monotonic(), time.monotonic() + 1
        while (past := time.monotonic() - began) < seconds:
            # All of them in the first half, so that they are there together in the second.
            self.turn(2 * past / seconds)
            if self.more and time.monotonic() > next_drip:
                next_drip = time.monotonic() + 1
                for sock in list(self.open):
                    self.open[sock] += self.more
                    self.selector.modify(sock, selectors.EVENT_WRITE | selectors.EVENT_READ)
        for sock in list(self.open):
            self.drop(sock)


def request(method, path, body=b"", *fields):
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def attacks(address):
    wrong = base64.b64encode(b"ci:wrong").decode()
    head = b"POST /metrics/job/slow HTTP/1.1\r\nHost: a\r\n"
    bomb = gzip.compress(b"# " + b"0" * (64 << 20) + b"\n")
    coded = request("POST", "/metrics/job/bomb", bomb[: 1 << 20], "Content-Encoding: gzip")
    return [
        ("10,000 idle connections", Crowd(address, 10000, b"")),
        ("4,000 slow heads", Crowd(address, 4000, head, b"X: a\r\n")),
        ("200 unfinished large heads", Crowd(address, 200, head + b"X: " + b"a" * (960 << 10))),
        ("2,000 wrong passwords", Crowd(address, 2000, request("POST", "/metrics/job/a", b"m 1\n", f"Authorization: Basic {wrong}"))),
        ("64 bombs", Crowd(address, 64, coded, coded)),
    ]


def high_water(process):
    """The most that was resident, MiB, since the last reset."""
    status = open(f"/proc/{process.pid}/status").read()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def limits_reached(admin):
    """How often each limit was in somebody's way."""
    page = urllib.request.urlopen(f"http://{admin}/metrics").read().decode()
    series = re.findall(r'^pushguard_limits_reached_total{limit="(.*)"} (\d+)$', page, re.M)
    return collections.Counter({name: int(count) for name, count in series})


def attack(name, crowd, seconds, address, guard, admin):
    before = limits_reached(admin)
    open(f"/proc/{guard.pid}/clear_refs", "w").write("5")
    honest, wanted = Honest(address), crowd.count
    # In a process of its own: it must not take the time of those that are measured.
    attacker = multiprocessing.Process(target=crowd.run, args=(seconds,))
    attacker.start()
    attacker.join()
    took, failed = honest.stop()
    if guard.poll() is not None:
        sys.exit(f"{name}: the guard has ended with {guard.returncode}")
    good, most = 100 * (len(took) - len(failed)) / len(took), high_water(guard)
    p99 = took[min(int(len(took) * 0.99), len(took) - 1)] * 1000
    print(f"{name:28} {wanted:9} {len(took):7} {good:8.3f} {p99:8.1f} {most:8.1f}", flush=True)
    print(f"    limits reached: {dict(limits_reached(admin) - before)}")
    if failed:
        print(f"    failed: {dict(collections.Counter(failed))}")
    return good >= 99.9 and most <= MOST


def main():
    guard_binary, gateway_binary, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    processes, group = [], Group()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with open(os.path.join(folder, "policy.yaml"), "w") as file:
                file.write(POLICY)
            secret = os.path.join(folder, "ci.phc")
            with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
                file.write(subprocess.run([guard_binary, "hash"], input=b"right", stdout=subprocess.PIPE, check=True).stdout)
            command = [gateway_binary, "--web.listen-address=127.0.0.1:0", "--persistence.file="]
            process, gateway = follow(command, folder, "gateway.log", r'address="?(127\.0\.0\.1:\d+)')
            processes.append(process)
            inside = f'echo $$ > {group.folder}/cgroup.procs && exec "$@"'
            command = ["sh", "-c", inside, "sh", guard_binary, "serve", "--policy.file", f"{folder}/policy.yaml"]
            command += ["--upstream.url", f"http://{gateway}", "--web.drain-delay", "0s"]
            command += ["--web.listen-address", "127.0.0.1:0", "--admin.listen-address", "127.0.0.1:0"]
            pattern = r"msg=listening listener=default address=(\S+).*msg=ready"
            guard, address = follow(command, folder, "guard.log", pattern)
            processes.append(guard)
            admin = re.search(r"listener=admin address=(\S+)", open(f"{folder}/guard.log").read()).group(1)
            print(f"limit {LIMIT >> 20} MiB, idle {high_water(guard):.1f} MiB; {seconds} s each")
            print(f"{'attack':28} {'at once':>9} {'honest':>7} {'good %':>8} {'p99 ms':>8} {'RSS MiB':>8}")
            host, port = address.rsplit(":", 1)
            good = [attack(name, crowd, seconds, address, guard, admin) for name, crowd in attacks((host, int(port)))]
            print(f"the group took {group.peak()} MiB at most")
        finally:
            for process in processes:
                stop(process)
            group.remove()
    if not all(good):
        sys.exit(f"more than {MOST} MiB, or less than 99.9 % of the honest pushes succeeded")


main()
