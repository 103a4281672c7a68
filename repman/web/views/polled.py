"""What other programs ask for again and again: metrics, the heartbeat of a peer, the test of a client's patience."""

from __future__ import annotations

import threading

from flask import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from repman.state.publication import age
from repman.web import replies
from repman.web.call import Call
from repman.web.parameters import count
from repman.web.render.metrics import render_metrics
from repman.web.views.links import known_links

_PATIENCE = 2
_LONGEST = 20
_waiting = threading.BoundedSemaphore(2)
"""Who may wait at once in one process; everybody else's requests have the other threads."""


def metrics(call: Call) -> Response:
    """All clusters and links for Prometheus."""
    snapshots = call.snapshots()
    text = render_metrics(snapshots, [age(snapshot) for snapshot in snapshots], known_links(call.house))
    return Response(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def heartbeat(call: Call) -> Response:
    """Who we are, for a peer."""
    published = [snapshot for snapshot in call.snapshots() if snapshot.generation]
    return replies.document(
        {
            "uuid": published[0].run if published else "",
            "secret": "",
            "cluster": "",
            "master": "",
            "id": 0,
            "status": "A" if any(snapshot.active for snapshot in published) else "S",
            "hosts": 0,
            "failed": 0,
        }
    )


def wait(call: Call) -> Response:
    """Answer late."""
    seconds = count("seconds", _PATIENCE, _LONGEST)
    if not _waiting.acquire(blocking=False):
        return replies.error(503, "Others are waiting here already; try again later.")
    try:
        threading.Event().wait(seconds)
    finally:
        _waiting.release()
    return replies.document({"alive": "running"})
