#!/usr/bin/env python3
"""Attacks a pushguard on loopback with slowhttptest and measures honest pushes meanwhile.

slow.py GUARD GATEWAY SECONDS CONNECTIONS   prints a table; fails where less than 99.9 % of the pushes succeed.
"""

import http.client
import re
import subprocess
import sys
import threading
import time

from house import house, resident, stop

POLICY = """
version: 1
principals:
  all:
    anonymous: true
    from: anywhere
    grants: [{ operations: [push], job: "*" }, { operations: [scrape] }]
    quotas:
      - { per: principal, burst: 100000, period: 1s }
      - { per: source, burst: 100000, period: 1s, operations: [scrape] }
"""

# slowhttptest cannot choose its address; the honest come from another one.
HONEST = ("127.0.0.2", 0)

MODES = [
    ("-H, slow heads", ["-H", "-i", "1", "-x", "24"], "/metrics/job/slow"),
    ("-B, slow bodies", ["-B", "-i", "1", "-s", "8192", "-x", "10"], "/metrics/job/slow"),
    ("-X, slow reading", ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"], "/metrics"),
]


class Honest:
    """Clients that push fifty times a second, each time over a connection of its own."""

    def __init__(self, address):
        self.address, self.took, self.failed, self.over = address, [], [], threading.Event()
        self.threads = [threading.Thread(target=self.push, args=(n,)) for n in range(2)]
        for thread in self.threads:
            thread.start()

    def push(self, number):
        while not self.over.wait(0.04):
            started = time.monotonic()
            connection = http.client.HTTPConnection(self.address, timeout=10, source_address=HONEST)
            try:
                connection.request("POST", f"/metrics/job/honest{number}", "m 1\n")
                status = connection.getresponse().status
                if status != 200:
                    self.failed.append(str(status))
            except OSError as error:
                self.failed.append(repr(error))
            finally:
                connection.close()
            self.took.append(time.monotonic() - started)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return sorted(self.took), self.failed


def slow(command, guard):
    """Runs slowhttptest to its end; what it said, how long it took, and the most memory of the guard meanwhile."""
    started, most, said = time.monotonic(), 0, []
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    reader = threading.Thread(target=lambda: said.append(process.stdout.read().decode(errors="replace")))
    reader.start()
    try:
        while process.poll() is None:
            most = max(most, resident(guard))
            time.sleep(0.2)
    finally:
        stop(process)
        reader.join()
    return re.sub(r"\x1b\[[0-9;]*m", "", said[0]), time.monotonic() - started, most


def large_page(address):
    """Something to read slowly: 5,000 series."""
    page = "".join(f'large{{n="{n:060}"}} 1\n' for n in range(5000))
    connection = http.client.HTTPConnection(address, source_address=HONEST)
    connection.request("POST", "/metrics/job/large", page)
    status = connection.getresponse().status
    if status != 200:
        sys.exit(f"the large push was answered {status}")


def attack(mode, options, path, address, seconds, connections, guard):
    honest = Honest(address)
    end = time.monotonic() + seconds
    texts, lasted, memory = [], [], []
    try:
        # It ends as soon as the guard has ended all its connections: then it begins anew.
        while (left := int(end - time.monotonic())) > 2:
            command = ["slowhttptest", *options, "-c", str(connections), "-r", "50", "-l", str(left), "-p", "5"]
            text, took, most = slow([*command, "-u", f"http://{address}{path}"], guard)
            texts.append(text)
            lasted.append(took)
            memory.append(most)
    finally:
        took, failed = honest.stop()
    text = "".join(texts)
    held = max((int(n) for n in re.findall(r"connected:\s+(\d+)", text)), default=0)
    probes = re.findall(r"service available:\s+(\w+)", text)
    if held == 0 or not took:
        sys.exit(f"slowhttptest held no connection:\n{text[-2000:]}")
    good = 100 * (len(took) - len(failed)) / len(took)
    ms = lambda part: took[min(int(len(took) * part), len(took) - 1)] * 1000
    print(
        f"{mode:18} {len(texts):6} {held:9} {max(lasted):9.1f} {probes.count('YES'):4}/{len(probes):<4} {len(took):8} "
        f"{good:8.3f} {ms(0.5):8.1f} {ms(0.99):8.1f} {took[-1] * 1000:8.1f} {max(memory):8.1f}",
        flush=True,
    )
    if failed:
        print(f"    failed: {sorted(set(failed))}")
    return good >= 99.9


def main():
    guard_binary, gateway_binary, seconds, connections = sys.argv[1:3] + [int(a) for a in sys.argv[3:5]]
    with house(guard_binary, gateway_binary, POLICY) as (guard, address, _):
        large_page(address)
        print(f"{connections} connections for {seconds} s each, from one address; a guard has 128 of one address")
        print(
            f"{'slowhttptest':18} {'rounds':>6} {'connected':>9} {'longest s':>9} {'probes':>9} {'honest':>8} "
            f"{'good %':>8} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'RSS MiB':>8}"
        )
        good = [attack(*mode, address, seconds, connections, guard) for mode in MODES]
    if not all(good):
        sys.exit("less than 99.9 % of the honest pushes succeeded")


if __name__ == "__main__":
    main()
