"""Reads dashboards by Grafana's own types, and says what those do not know.

grafana.py FILE...
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard

# Of a variable: what Grafana shows in the list of variables. It writes it itself, but its types leave it out.
UNTYPED = {"definition"}


def lost(given, read, place):
    """Places in `given` that are not in `read`, or otherwise."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            if key not in UNTYPED:
                yield from lost(value, read.get(key), f"{place}/{key}")
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        for index, (value, other) in enumerate(zip(given, read)):
            yield from lost(value, other, f"{place}/{index}")
    elif given != read:
        yield f"{place}: {json.dumps(given)} was read as {json.dumps(read)}"


register_default_plugins()
found = []
for file in sys.argv[1:]:
    with open(file, encoding="utf-8") as source:
        given = json.load(source)
    read = json.loads(JSONEncoder().encode(dashboard.Dashboard.from_json(given)))
    found += lost(given, read, file)
sys.exit("\n".join(found) or None)
