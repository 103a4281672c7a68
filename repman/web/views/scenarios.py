"""Tests played on a cluster, and traffic: asked of the worker."""

from __future__ import annotations

from typing import Any

from flask import Response

from repman.model.scenario import NAMES
from repman.model.work import Reply, Request
from repman.web import replies
from repman.web.call import Call
from repman.web.parameters import flag, parameters
from repman.web.render.config import render_config

_LONGEST = 1800.0
"""Seconds that replication-manager's clients wait for a test."""
_QUICK = 30.0


def names(call: Call) -> Response:
    """What can be played."""
    return replies.document(list(NAMES))


def run(call: Call) -> Response:
    """Play one, several or all; answers when the last has ended."""
    wanted = call.arguments["name"]
    arguments = {"name": wanted, "force": "true" if flag("force") else ""}
    reply = _ask(call, "scenario-run", arguments, _LONGEST)
    if reply.document is None:
        return _failed(reply)
    found: Any = reply.document
    rendered = [_render(call, verdict) for verdict in found]
    return replies.document(rendered if wanted.lower() == "all" else rendered[0])


def start_traffic(call: Call) -> Response:
    """Write small rows through the balancer until told otherwise."""
    given = parameters()
    return _told(_ask(call, "traffic-start", {name: given.get(name, "") for name in ("threads", "rate")}, _QUICK))


def stop_traffic(call: Call) -> Response:
    """Write no more, and remove the rows."""
    return _told(_ask(call, "traffic-stop", {}, _QUICK))


def traffic(call: Call) -> Response:
    """Whether traffic is on, and its figures."""
    return _told(_ask(call, "traffic", {}, _QUICK))


def _ask(call: Call, name: str, arguments: dict[str, str], timeout: float) -> Reply:
    request = Request(name, call.cluster.policy.name, arguments=arguments, user=call.caller.name if call.caller else "")
    return call.house.ask_worker(request, timeout)


def _told(reply: Reply) -> Response:
    if reply.status != "done":
        return _failed(reply)
    return replies.document(
        {"sentence": reply.sentence, **(reply.document if isinstance(reply.document, dict) else {})}
    )


def _failed(reply: Reply) -> Response:
    status = 400 if reply.code == "bad-argument" else 409 if reply.status == "refused" else 500
    return replies.error(status, reply.sentence, code=reply.code)


def _render(call: Call, verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict with replication-manager's keys beside our own."""
    return {
        **verdict,
        "config-file": "",
        "config-init": render_config(call.cluster.options),
        "config-test": render_config(call.cluster.options),
    }
