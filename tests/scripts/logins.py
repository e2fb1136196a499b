#!/usr/bin/env python3
"""Guesses passwords at a pushguard on loopback, many at once, and measures who logs in honestly meanwhile.

logins.py GUARD GATEWAY SECONDS GUESSERS   prints figures; fails where the guard takes more than 96 MiB, hashes on more
than one thread, or keeps an honest user out.

Those who guess are a process of their own, with a lower priority, since they stand for other machines: where it needs
the CPU that the guard needs, it guesses less, and the figures say how often it did. Those who are honest are another
process, so that what they wait for is the guard, and not their turn behind 2,000 guessers. How late that process woke
up by itself is printed beside, and what the guard's own log says.
"""

import asyncio
import base64
import multiprocessing
import os
import re
import sys
import time

from house import house, resident, shown

# Each user has its own name and all have one password: what is verified once is remembered, by user.
USERS = 64
PASSWORD = "correct horse battery"
# So many sources guess, none of which has more connections than one may have.
SOURCES = 40
# How much less the guessers get of a CPU that is wanted (nice).
LOWER = 10

PRINCIPAL = """
  u{n}:
    basic: {{ username: u{n}, password_hash_file: hash }}
    from: anywhere
    grants: [{{ operations: [push], job: "*" }}]
    quotas: [{{ per: principal, burst: 100000, period: 1s }}]"""


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
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(field(answer, "content-length")))
            if field(answer, "connection") == "close":
                self.close()
            return int(answer.split(" ", 2)[1]), int(field(answer, "retry-after") or 0)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, 1

    def close(self):
        if self.streams:
            self.streams[1].close()
        self.streams = None


def field(answer, name):
    _, _, rest = answer.partition(f"\r\n{name}: ")
    return rest.partition("\r\n")[0]


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


def guessers(address, count, over, answers):
    """The process of those who guess; puts what they were answered, by status."""
    os.nice(LOWER)

    async def all_of_them():
        seen = {}
        await asyncio.gather(*(guess(address, n, over, seen) for n in range(count)))
        return seen

    answers.put(asyncio.run(all_of_them()))


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


async def look(guard, end, memory, threads, late):
    """Notes what the guard takes, and how late this process wakes up."""
    while time.monotonic() < end:
        memory.append(resident(guard))
        threads.append(hashing_threads(guard))
        wanted = time.monotonic() + 0.02
        await asyncio.sleep(0.02)
        late.append(time.monotonic() - wanted)


async def honest(address, guard, seconds):
    over, memory, threads, late = asyncio.Event(), [], [], []
    hit, hit_failed, miss, miss_failed = [], [], [], []
    tasks = [asyncio.create_task(remembered(address, over, hit, hit_failed))]
    tasks.append(asyncio.create_task(newcomers(address, over, miss, miss_failed)))
    await look(guard, time.monotonic() + seconds, memory, threads, late)
    over.set()
    await asyncio.gather(*tasks)
    print(f"threads that hash: {max(threads)}; resident memory at most {max(memory):.1f} MiB")
    print(f"a remembered user: {len(hit)} pushes, {len(hit_failed)} failed, {shown(hit)}")
    print(f"users that log in for the first time: {len(miss)}, {len(miss_failed)} failed, {shown(miss)}")
    print(f"how late the process that measures woke up: {shown(late)}")
    return max(threads) == 1 and max(memory) <= 96 and not hit_failed and not miss_failed


def by_the_log(path):
    """How long good pushes took from their first byte to the last of their answer, by the guard."""
    line = re.compile(r"msg=request .*?status=200 .*?principal=(u\d+) .*?duration_seconds=(\S+)")
    took = {True: [], False: []}
    for principal, seconds in line.findall(open(path).read()):
        took[principal == "u0"].append(float(seconds))
    print(f"by the guard's log: the remembered user {shown(took[True])}; the others {shown(took[False])}")


def attack(address, guard, seconds, count):
    status, _ = asyncio.run(Client(address, "127.0.100.1").push("u0", PASSWORD))
    if status != 200:
        sys.exit(f"a good password was answered {status}")
    fork = multiprocessing.get_context("fork")
    over, answers = fork.Event(), fork.Queue()
    attackers = fork.Process(target=guessers, args=(address, count, over, answers), daemon=True)
    attackers.start()
    good = asyncio.run(honest(address, guard, seconds))
    over.set()
    seen = answers.get(timeout=60)
    attackers.join()
    print(f"{count} guessers from {SOURCES} sources for {seconds} s made {sum(seen.values()) / seconds:.0f} guesses a second")
    print(f"what they were answered: {dict(sorted(seen.items()))}", flush=True)
    return good


def main():
    guard_binary, gateway_binary, seconds, count = sys.argv[1:3] + [int(a) for a in sys.argv[3:5]]
    policy = "version: 1\nprincipals:" + "".join(PRINCIPAL.format(n=n) for n in range(USERS)) + "\n"
    flags = ["--web.max-connections", "4096", "--memory.limit", "0"]
    with house(guard_binary, gateway_binary, policy, flags, PASSWORD) as (guard, address, log):
        good = attack(address, guard, seconds, count)
        by_the_log(log)
    if not good:
        sys.exit("more than 96 MiB, more than one hash at a time, or an honest user was kept out")


main()
