"""What the attacks on loopback share: a gateway with a pushguard in front of it, and how to read what they measured."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time


# As in the image and the systemd unit.
AS_DEPLOYED = {**os.environ, "MALLOC_ARENA_MAX": "2"}


def follow(command, folder, name, pattern):
    """Starts a process; answers it and what the pattern finds in its log."""
    path = os.path.join(folder, name)
    with open(path, "w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=AS_DEPLOYED)
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


@contextlib.contextmanager
def house(guard_binary, gateway_binary, policy, flags=(), password=None):
    """A gateway and a pushguard before it; gives the guard, its address and the file that it logs to.

    The hash of a password is the file `hash` beside the policy.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    processes = []
    with tempfile.TemporaryDirectory() as folder:
        os.umask(0o077)
        if password:
            hashed = subprocess.run([guard_binary, "hash"], input=password.encode(), capture_output=True, check=True)
            with open(os.path.join(folder, "hash"), "wb") as file:
                file.write(hashed.stdout)
        path = os.path.join(folder, "policy.yaml")
        with open(path, "w") as file:
            file.write(policy)
        try:
            command = [gateway_binary, "--web.listen-address=127.0.0.1:0", "--persistence.file="]
            process, gateway = follow(command, folder, "gateway.log", r'address="?(127\.0\.0\.1:\d+)')
            processes.append(process)
            command = [guard_binary, "serve", "--policy.file", path, "--upstream.url", f"http://{gateway}", *flags]
            command += ["--web.listen-address", "127.0.0.1:0", "--admin.listen-address", "127.0.0.1:0"]
            pattern = r"msg=listening listener=default address=(\S+).*msg=ready"
            guard, address = follow(command, folder, "guard.log", pattern)
            processes.append(guard)
            yield guard, address, os.path.join(folder, "guard.log")
        finally:
            for process in processes:
                stop(process)


def resident(process):
    """Resident memory now, MiB."""
    status = open(f"/proc/{process.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def shown(seconds):
    """Median, 99th percentile and worst of times, in words."""
    ordered = sorted(seconds)
    at = lambda part: ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1000
    return f"p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, max {at(1):.1f} ms" if ordered else "none"
