"""Health checks on the API's port, through the same code as the probe process."""

from __future__ import annotations

import time

from flask import Response, g, request

from repman.probes.answers import CHECKS, answer
from repman.web import replies
from repman.web.call import Call


def probe(call: Call) -> Response:
    """One check of one server, by name, id, ``host:port`` or host and port."""
    names = call.arguments
    check = request.path.rpartition("/")[2]
    server = names.get("server") or f"{names['host']}:{names['port']}"
    house = call.house
    table = house.probe_reader.get(names["cluster"])
    found = answer(table, CHECKS[check], server, time.monotonic())
    g.snapshot_age = found.age
    return replies.text(found.text, found.status)
