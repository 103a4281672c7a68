"""The audit trail."""

from __future__ import annotations

from flask import Response

from repman.web import replies
from repman.web.call import Call
from repman.web.parameters import count, parameters
from repman.web.render.audit import render_audit

_ROWS = 200
_MOST_ROWS = 5000
_HIGHEST = 999_999_999


def everything(call: Call) -> Response:
    """What anybody wanted done anywhere."""
    return _answer(call, None)


def of_cluster(call: Call) -> Response:
    """What anybody wanted done in this cluster."""
    return _answer(call, call.cluster.policy.name)


def _answer(call: Call, cluster: str | None) -> Response:
    before = count("before", _HIGHEST, _HIGHEST) if "before" in parameters() else None
    return replies.document(render_audit(call.house.audit.entries(cluster, count("limit", _ROWS, _MOST_ROWS), before)))
