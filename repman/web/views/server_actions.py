"""Wishes about one server, its process, its replication and who may write, carried out by the monitor."""

from __future__ import annotations

import time

from flask import Response

from repman.model.command import Command, CommandKind, Receipt
from repman.web import replies
from repman.web.call import Call, View
from repman.web.parameters import flag
from repman.web.render.receipt import render_receipt
from repman.web.views.actions import answer, told_dead

_PATIENCE = 90.0
"""Seconds for wishes that shut a server down or let it apply what it has received."""
_WAIT = 30.0
"""Seconds for which a client may wait until every database answers."""
_LOOK = 0.1


def wish(kind: CommandKind, on: bool = True, toggle: bool = False, rating: str = "") -> View:
    """A view that asks for that, about the server in the path; ``force`` in the request goes along."""

    def view(call: Call) -> Response:
        command = Command(
            kind,
            call.cluster.policy.name,
            _address(call),
            force=flag("force"),
            user=call.user.name,
            on=on,
            toggle=toggle,
            rating=rating,
        )
        return answer(call.house.ask(command, _PATIENCE))

    return view


def promote(call: Call) -> Response:
    """Move the writer's role to the server in the path."""
    policy = call.cluster.policy
    command = Command(CommandKind.SWITCHOVER, policy.name, _address(call), user=call.user.name)
    receipt = call.house.ask(command, 2 * policy.switchover_timeout + _LOOK * 50)
    if receipt.status == "refused" and told_dead(receipt):
        return replies.text("Leader is failed can not promote", 400)
    return answer(receipt)


def rolling(call: Call) -> Response:
    """Restart every server, one after the other; it goes on by itself."""
    return _about_the_cluster(call, CommandKind.ROLLING_RESTART)


def cancel_rolling(call: Call) -> Response:
    """Leave off with it, after the server whose turn it is."""
    return _about_the_cluster(call, CommandKind.ROLLING_RESTART, on=False)


def reset_availability(call: Call) -> Response:
    """Count the shares of time anew."""
    return _about_the_cluster(call, CommandKind.RESET_AVAILABILITY)


def wait_databases(call: Call) -> Response:
    """Answer as soon as every database answers."""
    with call.house.waits.passing(call.user.name) as admitted:
        return _wait_databases(call) if admitted else replies.too_many_wait("ask again in a moment")


def _wait_databases(call: Call) -> Response:
    until = time.monotonic() + _WAIT
    while True:
        snapshot = call.snapshot()
        missing = [view.policy.name for view in snapshot.servers if not view.seen.answered]
        if snapshot.generation and not missing:
            return replies.document(render_receipt(Receipt("done", "every database answers")))
        if time.monotonic() >= until:
            return replies.text("Connections to databases failure", 403)
        time.sleep(_LOOK)


def _about_the_cluster(call: Call, kind: CommandKind, on: bool = True) -> Response:
    command = Command(kind, call.cluster.policy.name, force=flag("force"), user=call.user.name, on=on)
    return answer(call.house.ask(command, _PATIENCE))


def _address(call: Call) -> str:
    """Address of the server in the path.  Ends the request in the page's words when the cluster has no such one."""
    server = call.cluster.policy.find(call.arguments["server"])
    if server is None:
        replies.stop(replies.text("Server Not Found", 500))
    return server.address
