"""One call of Prometheus' own Python client: client.py OPERATION URL USER JOB GROUPING-KEY-AS-JSON VALUE.

The password is in PASSWORD; COMPRESSION is gzip, or empty for none. Whatever the library raises ends this with its text and exit code 1.
"""

import json
import os
import sys

from prometheus_client import CollectorRegistry, Gauge, Histogram, pushadd_to_gateway, push_to_gateway, delete_from_gateway
from prometheus_client.exposition import basic_auth_handler

operation, url, user, job, grouping_key, value = sys.argv[1:]


def handler(url, method, timeout, headers, data):
    return basic_auth_handler(url, method, timeout, headers, data, user, os.environ["PASSWORD"])


registry = CollectorRegistry()
if operation == "pushadd":
    Gauge("added", "A family that one push adds", registry=registry).set(float(value))
else:
    tests = Gauge("tests", 'Tests that ran; a "help" with \\ and quotes', ["suite"], registry=registry)
    tests.labels('unit "quoted" / ü').set(float(value))
    Histogram("run_seconds", "How long it ran", registry=registry).observe(0.25)

arguments = {"job": job, "grouping_key": json.loads(grouping_key), "handler": handler, "timeout": 20}
if operation == "delete":
    delete_from_gateway(url, **arguments)
else:
    arguments["compression"] = os.environ["COMPRESSION"] or None
    {"push": push_to_gateway, "pushadd": pushadd_to_gateway}[operation](url, registry=registry, **arguments)
