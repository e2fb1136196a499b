#!/usr/bin/env python3
"""Writes bodies to begin with, for the targets whose input chance alone seldom gets right.

seeds.py CORPUS   fills CORPUS/text, CORPUS/protobuf and CORPUS/decoding.
"""

import gzip
import hashlib
import os
import struct
import sys
import zlib

TEXTS = [
    b"",
    b"m 1\n",
    b"# HELP runs_total Runs so far.\n# TYPE runs_total counter\nruns_total{branch=\"main\"} 3\nruns_total 1e3\n",
    b"# TYPE t gauge\n# HELP t \\\\ and \\n.\nt{a=\"\\\"\\\\\\n\",b=\"\xc3\xa9\",} NaN\nt{a=\"\"} -Inf\n",
    b"# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 0.7\nh_count 2\n",
    b"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.99\"} 2\ns_sum 3\ns_count 2\n",
    b"m{a=\"1\"} 1 1700000000000\nm{a=\"1\"} 2\n",
    b"{\"quoted name\",a=\"1\"} 1\n",
    b"".join(b"m{s=\"%d\"} %d\n" % (n, n) for n in range(40)),
]


def varint(number):
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def framed(number, content):
    """A field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def double(number, value):
    return varint(number << 3 | 1) + struct.pack("<d", value)


def count(number, value):
    return varint(number << 3) + varint(value)


def metric(value, labels, more=b""):
    pairs = [framed(1, framed(1, name.encode()) + framed(2, text.encode())) for name, text in labels.items()]
    return framed(4, b"".join(pairs) + value + more)


def family(name, kind, metrics, about="About it."):
    content = framed(1, name.encode()) + framed(2, about.encode()) + count(3, kind) + b"".join(metrics)
    return varint(len(content)) + content


def protobufs():
    one = framed(2, double(1, 1.0))
    counter = family("runs_total", 0, [metric(framed(3, double(1, float(n))), {"n": str(n)}) for n in range(3)])
    gauge = family("t", 1, [metric(one, {}), metric(one, {"a": "\u00e9"})])
    quantiles = [framed(3, double(1, q) + double(2, 1.0)) for q in (0.5, 0.99)]
    summary = family("s", 2, [metric(framed(4, count(1, 2) + double(2, 3.0) + b"".join(quantiles)), {"x": "1"})])
    untyped = family("u", 3, [metric(framed(5, double(1, float("nan"))), {})], about="")
    buckets = [framed(3, count(1, 1 + n) + double(2, bound)) for n, bound in enumerate((0.5, float("inf")))]
    histogram = family("h", 4, [metric(framed(7, count(1, 2) + double(2, 0.7) + b"".join(buckets)), {})])
    timed = family("late", 1, [metric(one, {}, count(6, 1700000000000))])
    twice = family("t", 1, [metric(one, {"a": "1"}), metric(one, {"a": "1"})])
    return [counter, gauge, summary, untyped, histogram, timed, twice, counter + gauge + summary + untyped + histogram]


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def snappy(content, literal):
    """The framing of snappy: a chunk of one literal, or one that is not compressed."""
    crc = crc32c(content)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    block = varint(len(content)) + bytes([len(content) - 1 << 2]) + content if literal else content
    chunk = struct.pack("<I", masked) + block
    return b"\xff\x06\0\0sNaPpY" + bytes([0 if literal else 1]) + struct.pack("<I", len(chunk))[:3] + chunk


def codings():
    for text in TEXTS + [b"\0" * 100_000]:
        yield gzip.compress(text, mtime=0)
        deflate = zlib.compressobj(0, zlib.DEFLATED, 31)
        yield deflate.compress(text) + deflate.flush()
        if 0 < len(text) <= 60:
            yield snappy(text, literal=True)
        if 0 < len(text) <= 65536:
            yield snappy(text, literal=False)
    yield gzip.compress(TEXTS[1], mtime=0) * 2


def main():
    for target, bodies in [("text", TEXTS), ("protobuf", protobufs()), ("decoding", codings())]:
        folder = os.path.join(sys.argv[1], target)
        os.makedirs(folder, exist_ok=True)
        for body in bodies:
            with open(os.path.join(folder, hashlib.sha1(body).hexdigest()), "wb") as file:
                file.write(body)


if __name__ == "__main__":
    main()
