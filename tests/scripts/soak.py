#!/usr/bin/env python3
"""Lets a pushguard work for long: honest pushes and scrapes, refusals, wrong passwords, cut uploads, reloads.

soak.py GUARD GATEWAY SECONDS   samples memory, descriptors and threads, prints their slopes and a verdict; fails where
memory grows, descriptors or threads stay, or an honest request fails.
"""

import base64
import http.client
import os
import signal
import socket
import statistics
import sys
import threading
import time

from house import house, resident

POLICY = """
version: 1
principals:
  ci:
    basic: { username: ci, password_hash_file: hash }
    from: anywhere
    grants: [{ operations: [push, replace, delete], job: "ci*", labels: { "*": "*" } }]
    quotas: [{ per: principal, burst: 100000, period: 1s }]
  prometheus:
    anonymous: true
    from: anywhere
    grants: [{ operations: [scrape] }]
    quotas: [{ per: principal, burst: 100000, period: 1s, operations: [scrape] }]
"""
MORE = "  another{n}: {{ anonymous: true, from: anywhere, grants: [{{ operations: [probe] }}] }}\n"
BROKEN = "version: 1\nprincipals: { a: { from: nowhere } }\n"
PASSWORD = "correct horse"

# What may be left of growth: the second quarter against the last one, MiB; and by the hour, where it ran for one.
MOST_GROWTH, MOST_SLOPE = 2.0, 0.5


def login(password):
    return {"Authorization": "Basic " + base64.b64encode(f"ci:{password}".encode()).decode()}


class Load:
    """What runs until it is over; every kind counts what it did and what went wrong."""

    def __init__(self, address, guard, folder):
        self.address, self.guard, self.folder = address, guard, folder
        self.over, self.done, self.failed, self.lock = threading.Event(), {}, [], threading.Lock()
        kinds = [(self.honest, 0.02), (self.honest, 0.02), (self.refused, 0.05), (self.cut, 0.1), (self.reload, 5)]
        self.threads = [threading.Thread(target=self.repeat, args=kind) for kind in kinds]
        for thread in self.threads:
            thread.start()

    def repeat(self, act, pause):
        number = 0
        while not self.over.wait(pause):
            number += 1
            try:
                act(number)
            except (OSError, http.client.HTTPException) as error:
                self.count("failed", f"{act.__name__}: {error!r}")
                self.connection = None

    def count(self, kind, failure=None):
        with self.lock:
            self.done[kind] = self.done.get(kind, 0) + 1
            if failure:
                self.failed.append(failure)

    def expect(self, status, method, path, body=None, headers=None, source="127.0.0.2"):
        connection = http.client.HTTPConnection(self.address, timeout=30, source_address=(source, 0))
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        wrong = None if answer.status == status else f"{method} {path}: {answer.status}"
        self.count(f"{method} {status}", wrong)

    def honest(self, number):
        # A few hundred groups, each replaced again and again, and every tenth deleted.
        path = f"/metrics/job/ci/n/{number % 300}"
        if number % 10 == 7:
            return self.expect(202, "DELETE", path, headers=login(PASSWORD))
        if number % 25 == 3:
            return self.expect(200, "GET", "/metrics")
        body = "".join(f'm{{s="{series}"}} {number}\n' for series in range(50))
        self.expect(200, "PUT", path, body, login(PASSWORD))

    def refused(self, number):
        source = f"127.1.{number // 200 % 200}.{1 + number % 200}"
        cases = [
            (401, "/metrics/job/ci", "m 1\n", {}),
            (403, f"/metrics/job/other{number}", "m 1\n", login(PASSWORD)),
            (400, "/metrics/job/ci/instance/", "m 1\n", login(PASSWORD)),
            (400, "/metrics/job/ci", f"m{number}{{ 1\n", login(PASSWORD)),
            (401, "/metrics/job/ci", "m 1\n", login("wrong")),
        ]
        # A guess costs a hash, so there are fewer of them.
        status, path, body, headers = cases[number % 5 if number % 50 == 4 else number % 4]
        self.expect(status, "POST", path, body, headers, source)

    def cut(self, number):
        sock = socket.create_connection(self.address.rsplit(":", 1), timeout=30, source_address=("127.0.0.3", 0))
        fields = "".join(f"{name}: {value}\r\n" for name, value in login(PASSWORD).items())
        head = f"PUT /metrics/job/ci/n/cut HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n{fields}\r\n"
        sock.sendall(head.encode() + b"m 1\n" * (number % 200))
        sock.close()
        self.count("cut uploads")

    def reload(self, number):
        text = BROKEN if number % 3 == 0 else POLICY + MORE.format(n=number % 7)
        with open(os.path.join(self.folder, "new"), "w") as file:
            file.write(text)
        os.replace(file.name, os.path.join(self.folder, "policy.yaml"))
        self.guard.send_signal(signal.SIGHUP)
        self.count("reloads")

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def sample(guard):
    threads = len(os.listdir(f"/proc/{guard.pid}/task"))
    return resident(guard), len(os.listdir(f"/proc/{guard.pid}/fd")), threads


def slope(times, values):
    """By least squares, for an hour."""
    return statistics.linear_regression(times, values).slope * 3600


def watch(guard, log, seconds):
    began, every, samples = time.monotonic(), max(1.0, seconds / 400), []
    print(f"{'s':>7} {'RSS MiB':>8} {'files':>6} {'threads':>8}")
    while (past := time.monotonic() - began) < seconds:
        if guard.poll() is not None:
            sys.exit(f"the guard has ended with {guard.returncode} after {past:.0f} s")
        samples.append((past, *sample(guard)))
        # Nobody reads what would fill the disk in hours.
        os.truncate(log, 0)
        if (len(samples) - 1) % max(1, int(seconds / every / 20)) == 0:
            print("{:7.0f} {:8.1f} {:6} {:8}".format(*samples[-1]), flush=True)
        time.sleep(every)
    return samples


def verdict(samples, seconds):
    """What is wrong. The first quarter is for warming up."""
    quarter = len(samples) // 4
    rest, second, last = samples[quarter:], samples[quarter : 2 * quarter], samples[3 * quarter :]
    times, wrong = [row[0] for row in rest], []
    for column, name, unit in [(1, "memory", "MiB"), (2, "descriptors", ""), (3, "threads", "")]:
        grown = statistics.median(r[column] for r in last) - statistics.median(r[column] for r in second)
        by_hour = slope(times, [row[column] for row in rest])
        print(f"{name:12} {by_hour:+9.3f} {unit} an hour; from the second quarter to the last {grown:+.2f} {unit}")
        if column == 1 and (grown > MOST_GROWTH or seconds >= 3600 and by_hour > MOST_SLOPE):
            wrong.append("memory grows")
        # Open connections make descriptors go up and down; what stays is more than a handful.
        if column > 1 and grown > 8:
            wrong.append(f"{name} grow")
    return wrong


def main():
    guard_binary, gateway_binary, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if seconds < 20:
        sys.exit("20 s at least: a slope needs something to rise over")
    with house(guard_binary, gateway_binary, POLICY, ["--policy.watch-interval", "0s"], PASSWORD) as (guard, address, log):
        load = Load(address, guard, os.path.dirname(log))
        try:
            samples = watch(guard, log, seconds)
        finally:
            load.stop()
        wrong = verdict(samples, seconds)
    print("  ".join(f"{kind}: {count}" for kind, count in sorted(load.done.items())))
    if load.failed:
        wrong.append(f"{len(load.failed)} requests were not answered as they should be: {sorted(set(load.failed))[:5]}")
    if wrong:
        sys.exit("; ".join(wrong))
    print(f"steady for {seconds} s")


if __name__ == "__main__":
    main()
