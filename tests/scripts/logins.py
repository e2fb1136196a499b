#!/usr/bin/env python3
"""Guesses passwords at a pushguard on loopback, many at once, and measures who logs in honestly meanwhile.

logins.py GUARD GATEWAY SECONDS GUESSERS   prints figures; fails where the guard takes more than 96 MiB, hashes on more
than one thread, or keeps an honest user out.
"""

import asyncio
import base64
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

# Each user has its own name and all have one password: what is verified once is remembered, by user.
USERS = 64
PASSWORD = "correct horse battery"
# So many sources guess, none of which has more connections than one may have.
SOURCES = 40

PRINCIPAL = """
  u{n}:
    basic: {{ username: u{n}, password_hash_file: hash }}
    from: anywhere
    grants: [{{ operations: [push], job: "*" }}]
    quotas: [{{ per: principal, burst: 100000, period: 1s }}]"""


def follow(command, folder, name, pattern):
    """Starts a process; answers it and what the pattern finds in its log."""
    path = os.path.join(folder, name)
    with open(path, "w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        found = re.search(pattern, open(path).read(), re.S)
        if found:
            return process, found.group(1)
        time.sleep(0.05)
    stop(process)
    sys.exit(f"{command[0]} did not start:\n{open(path).read()[-2000:]}")


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident(process):
    """Resident memory now, MiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{process.pid}/status").read()).group(1)) / 1024


def hashing_threads(process):
    tasks = f"/proc/{process.pid}/task"
    names = (open(f"{tasks}/{task}/comm").read().strip() for task in os.listdir(tasks))
    return sum(name == "password" for name in names)


class Client:
    """One connection from one address, opened anew where it was closed."""

    def __init__(self, address, source):
        self.host, port = address.rsplit(":", 1)
        self.port, self.source, self.streams = int(port), source, None

    async def push(self, user, password):
        """Pushes once; answers the status and Retry-After."""
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        head = f"POST /metrics/job/{user} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\n"
        try:
            if self.streams is None:
                self.streams = await asyncio.open_connection(self.host, self.port, local_addr=(self.source, 0))
            reader, writer = self.streams
            writer.write(f"{head}Content-Length: 4\r\n\r\nm 1\n".encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(re.search(r"content-length: (\d+)", answer, re.I).group(1))
            await reader.readexactly(length)
            if re.search(r"connection: close", answer, re.I):
                self.close()
            retry = re.search(r"retry-after: (\d+)", answer, re.I)
            return int(answer.split(" ", 2)[1]), int(retry.group(1)) if retry else 0
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, 1

    def close(self):
        if self.streams:
            self.streams[1].close()
        self.streams = None


async def guess(address, number, over, seen):
    client = Client(address, f"127.0.{1 + number % SOURCES}.1")
    await asyncio.sleep(number % 100 / 100)
    while not over.is_set():
        # Half of the users exist.
        status, _ = await client.push(f"u{number % (2 * USERS)}", f"guess {number} {time.monotonic()}")
        seen[status] = seen.get(status, 0) + 1
        # 2,000 of them are then 2,000 guesses a second, which the machine that attacks can make.
        await asyncio.sleep(1)
    client.close()


async def remembered(address, over, took, failed):
    client = Client(address, "127.0.100.1")
    while not over.is_set():
        started = time.monotonic()
        status, _ = await client.push("u0", PASSWORD)
        took.append(time.monotonic() - started)
        if status != 200:
            failed.append(status)
        await asyncio.sleep(0.02)
    client.close()


async def newcomers(address, over, took, failed):
    """Users that nobody remembers, each from a source of its own, as patient as curl --retry 3."""
    for number in range(1, USERS):
        if over.is_set():
            return
        client, started = Client(address, f"127.0.101.{number}"), time.monotonic()
        for _ in range(4):
            status, retry = await client.push(f"u{number}", PASSWORD)
            if status == 200:
                break
            await asyncio.sleep(retry)
        client.close()
        took.append(time.monotonic() - started)
        if status != 200:
            failed.append(status)
        await asyncio.sleep(0.5)


async def attack(address, guard, seconds, guessers):
    over, seen, memory, threads = asyncio.Event(), {}, [], []
    hit, hit_failed, miss, miss_failed = [], [], [], []
    status, _ = await Client(address, "127.0.100.1").push("u0", PASSWORD)
    if status != 200:
        sys.exit(f"a good password was answered {status}")
    tasks = [asyncio.create_task(guess(address, n, over, seen)) for n in range(guessers)]
    tasks.append(asyncio.create_task(remembered(address, over, hit, hit_failed)))
    tasks.append(asyncio.create_task(newcomers(address, over, miss, miss_failed)))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        memory.append(resident(guard))
        threads.append(hashing_threads(guard))
        await asyncio.sleep(0.2)
    over.set()
    await asyncio.gather(*tasks)
    at = lambda took, part: sorted(took)[min(int(len(took) * part), len(took) - 1)] * 1000
    print(f"{guessers} guessers from {SOURCES} sources for {seconds} s; answers: {dict(sorted(seen.items()))}")
    print(f"threads that hash: {max(threads)}; resident memory at most {max(memory):.1f} MiB")
    print(
        f"a remembered user: {len(hit)} pushes, {len(hit_failed)} failed, p50 {at(hit, 0.5):.1f} ms, "
        f"p99 {at(hit, 0.99):.1f} ms, max {at(hit, 1):.1f} ms"
    )
    print(
        f"users that log in for the first time: {len(miss)}, {len(miss_failed)} failed, p50 {at(miss, 0.5):.1f} ms, "
        f"p95 {at(miss, 0.95):.1f} ms, max {at(miss, 1):.1f} ms"
    )
    return max(threads) == 1 and max(memory) <= 96 and not hit_failed and not miss_failed


def main():
    guard_binary, gateway_binary, seconds, guessers = sys.argv[1:3] + [int(a) for a in sys.argv[3:5]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        os.umask(0o077)
        hashed = subprocess.run([guard_binary, "hash"], input=PASSWORD.encode(), capture_output=True, check=True)
        with open(os.path.join(folder, "hash"), "wb") as file:
            file.write(hashed.stdout)
        policy = os.path.join(folder, "policy.yaml")
        with open(policy, "w") as file:
            file.write("version: 1\nprincipals:" + "".join(PRINCIPAL.format(n=n) for n in range(USERS)) + "\n")
        try:
            command = [gateway_binary, "--web.listen-address=127.0.0.1:0", "--persistence.file="]
            process, gateway = follow(command, folder, "gateway.log", r'address="?(127\.0\.0\.1:\d+)')
            processes.append(process)
            command = [guard_binary, "serve", "--policy.file", policy, "--upstream.url", f"http://{gateway}"]
            command += ["--web.listen-address", "127.0.0.1:0", "--admin.listen-address", "127.0.0.1:0"]
            command += ["--web.max-connections", "4096"]
            pattern = r"msg=listening listener=default address=(\S+).*msg=ready"
            guard, address = follow(command, folder, "guard.log", pattern)
            processes.append(guard)
            good = asyncio.run(attack(address, guard, seconds, guessers))
        finally:
            for process in processes:
                stop(process)
    if not good:
        sys.exit("more than 96 MiB, more than one hash at a time, or an honest user was kept out")


main()
