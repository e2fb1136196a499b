"""Generates a log and prints how fast `pushguard replay` reads it, and how much memory that takes.

usage: replay_speed.py BINARY POLICY FOLDER LINES
"""

import json
import os
import random
import sys

binary, policy, folder, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
rng = random.Random(7)
WORKFLOWS = ["nightly", "release", "Elixir/Phoenix CI", "docs", "deploy to \"staging\""]


def labels(**pairs):
    shown = (f'{name}="{value}"'.replace(f'"{value}"', json.dumps(value)) for name, value in sorted(pairs.items()))
    return "{" + ",".join(shown) + "}"


def line(number):
    kind = rng.random()
    second = number // 40
    fields = {
        "time": f"2030-01-{1 + second // 86400:02}T{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.{number % 1000:03}Z",
        "level": "info", "msg": "request", "request_id": f"{number:016x}", "verdict": "allow", "reason": "", "detail": "",
        "would_deny": "", "would_deny_rule": "", "status": 200, "method": "POST", "operation": "push", "job": "ci",
        "labels": labels(workflow=rng.choice(WORKFLOWS), instance=f"runner-{rng.randrange(500)}"), "principal": "ci",
        "rule": "ci.grants[0]", "issuer": "", "claims": "", "source": f"192.0.2.{rng.randrange(256)}", "peer": "10.42.0.9",
        "listener": "public", "bytes_in": rng.randrange(50, 20000), "bytes_out": 0, "duration_seconds": 0.0123,
        "upstream_seconds": 0.0071, "generation": 3, "trace_id": "",
    }
    if kind < 0.2:
        fields.update(method="GET", operation="scrape", job="", labels="", principal="prometheus", listener="internal",
                      rule="prometheus.grants[0]", source="10.1.2.3", peer="10.1.2.3", bytes_in=0, bytes_out=48211)
    elif kind < 0.3:
        fields.update(job=f"batch-{rng.randrange(3000)}", labels="", verdict="deny", reason="job_not_granted", status=403,
                      detail="job \"batch\"", rule="")
    elif kind < 0.4:
        fields.update(source=f"198.51.{rng.randrange(256)}.{rng.randrange(256)}", principal="none", verdict="deny",
                      reason="source_not_allowed", status=403, rule="")
    return json.dumps(fields, separators=(",", ":"))


def replay(log):
    """Seconds of one core, and peak memory in MiB."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        os.execv(binary, [binary, "replay", policy, "--set", "actions=192.0.2.0/24", "--log", log, "--json"])
    os.close(write)
    with os.fdopen(read) as answer:
        report = json.loads(answer.read())
    _, status, usage = os.wait4(child, 0)
    if status != 0:
        sys.exit(f"replay failed: {status}")
    return report, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


whole, part = os.path.join(folder, "replay.log"), os.path.join(folder, "replay-tenth.log")
with open(whole, "w") as out, open(part, "w") as tenth:
    for number in range(count):
        text = line(number) + "\n"
        out.write(text)
        if number < count // 10:
            tenth.write(text)
_, _, small = replay(part)
report, seconds, large = replay(whole)
if report["lines"] != count or report["undecided"] or report["unread"]:
    sys.exit(f"not all of the lines were judged: {json.dumps(report)[:2000]}")
size = os.path.getsize(whole)
print(f"{count} lines ({size / count:.0f} bytes each): {seconds:.2f} s of one core, {count / seconds:,.0f} lines a second")
print(f"peak memory: {large:.1f} MiB, {small:.1f} MiB for a tenth of the lines")
os.remove(whole)
os.remove(part)
