"""Questions to the worker about one server, and what its refusals and failures are over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response

from repman.model.policy import ServerPolicy
from repman.model.work import Reply, Request
from repman.web import replies
from repman.web.call import Call

SECONDS = 3.0
"""What a look may take; the worker keeps to it."""
_SLACK = 2.0
"""Seconds beyond, after which the worker itself is taken for dead."""
_STATUS = {"bad-argument": 400, "no-session": 404, "unknown-server": 500}


def server(call: Call, otherwise: Callable[[], Response]) -> ServerPolicy:
    """The server in the path.  Ends the request with that answer when the cluster has no such one."""
    found = call.cluster.policy.find(call.arguments["server"])
    if found is None:
        replies.stop(otherwise())
    return found


def not_valid() -> Response:
    """The page's answer to a read of a server that is unknown or down."""
    return replies.text("503 -Not a Valid Server!", 500)


def not_found() -> Response:
    """The page's answer to an action on a server that is unknown."""
    return replies.text("Server Not Found", 500)


def ask(call: Call, name: str, address: str, arguments: Mapping[str, str], seconds: float = SECONDS) -> Any:
    """What the worker found.  Ends the request when it found nothing: busy, unreachable, too late, refused, failed.

    Never more than a few wait at once, so that a frozen server cannot take the threads that other answers need.
    """
    house = call.house
    policy = call.cluster.policy
    request = Request(name, policy.name, address, dict(arguments), call.user.name)
    with house.looks.passing(f"{policy.name}/{address}") as admitted:
        if not admitted:
            replies.stop(_busy("Too many wait for an answer about this server; ask again in a second."))
        reply = house.ask_worker(request, seconds + _SLACK)
    if reply.status != "done":
        replies.stop(refusal(reply, seconds))
    return reply.document


def refusal(reply: Reply, seconds: float) -> Response:
    """The answer to a look or an act that did not succeed."""
    if reply.code == "busy":
        return _busy(reply.sentence)
    if reply.status == "timeout":
        return replies.error(504, reply.sentence, deadline=seconds)
    if reply.status == "unreachable" and not replies.asks_for_json():
        return not_valid()
    status = _STATUS.get(reply.code, 409 if reply.status == "refused" else 500)
    return replies.error(status, reply.sentence, code=reply.code)


def _busy(sentence: str) -> Response:
    answer = replies.error(503, sentence, code="busy")
    answer.headers["Retry-After"] = "1"
    return answer
