"""Wishes: authorised, read from the request, sent to the monitor, answered when it has ended them."""

from __future__ import annotations

from flask import Response

from repman.model.command import Command, CommandKind, Receipt
from repman.web import replies
from repman.web.call import Call
from repman.web.parameters import flag, wished_server
from repman.web.render.receipt import render_receipt

TOPOLOGIES = ("master-slave", "multi-tier-slave")
"""What bootstrap can build."""

_MARGIN = 5.0
"""Seconds added to a plan's own deadline for observation before and undoing after it."""
_QUICK = 10.0
"""Seconds for commands that run no plan."""


def switchover(call: Call) -> Response:
    """Move the writer's role to the wished or the best replica."""
    command = Command(CommandKind.SWITCHOVER, call.cluster.policy.name, server=wished_server(call), user=call.user.name)
    receipt = _ask(call, command, 2 * call.cluster.policy.switchover_timeout + _MARGIN)
    if receipt.status == "refused" and (told_dead(receipt) or _seen_dead(call)):
        return replies.text("Master failed", 400)
    return answer(receipt)


def failover(call: Call) -> Response:
    """Replace a dead writer; with ``force`` a living one, as a switchover."""
    command = Command(
        CommandKind.FAILOVER,
        call.cluster.policy.name,
        server=wished_server(call),
        force=flag("force"),
        user=call.user.name,
    )
    return answer(_ask(call, command, call.cluster.policy.failover_timeout + _MARGIN))


def bootstrap(call: Call) -> Response:
    """Set up replication on servers that have none; with ``clean`` on any."""
    topology = call.arguments["topology"]
    if topology not in TOPOLOGIES:
        return replies.error(
            400,
            f"Bootstrap cannot build the topology {topology!r}; use one of: {', '.join(TOPOLOGIES)}.",
            supported=list(TOPOLOGIES),
        )
    command = Command(
        CommandKind.BOOTSTRAP,
        call.cluster.policy.name,
        server=wished_server(call),
        clean=flag("clean"),
        topology=topology,
        user=call.user.name,
    )
    return answer(_ask(call, command, call.cluster.policy.failover_timeout + _MARGIN))


def cleanup(call: Call) -> Response:
    """Remove replication from all servers."""
    command = Command(CommandKind.CLEANUP, call.cluster.policy.name, force=flag("force"), user=call.user.name)
    return answer(_ask(call, command, call.cluster.policy.failover_timeout + _MARGIN))


def reset_failover_control(call: Call) -> Response:
    """Set the counter of automatic failovers back to zero."""
    command = Command(CommandKind.RESET_FAILOVER_CONTROL, call.cluster.policy.name, user=call.user.name)
    return answer(_ask(call, command, _QUICK))


def plan(call: Call) -> Response:
    """What a failover or a switchover would do now; changes nothing."""
    kind = call.arguments["kind"]
    if kind not in ("failover", "switchover"):
        return replies.error(404, "There are plans for: failover, switchover.")
    command = Command(
        CommandKind.PREVIEW,
        call.cluster.policy.name,
        server=wished_server(call),
        preview_of=kind,
        force=flag("force"),
        user=call.user.name,
    )
    receipt = _ask(call, command, _QUICK)
    if receipt.preview is None:
        return answer(receipt)
    return replies.document({**render_receipt(receipt), **receipt.preview})


def _ask(call: Call, command: Command, timeout: float) -> Receipt:
    return call.house.ask(command, timeout)


def answer(receipt: Receipt) -> Response:
    """200 only when the wish is fulfilled."""
    document = render_receipt(receipt)
    if receipt.status == "refused":
        return replies.document({"error": receipt.sentence, **document}, 409)
    if receipt.status == "failed":
        return replies.document({"error": receipt.sentence, **document}, 500)
    return replies.document(document)


def told_dead(receipt: Receipt) -> bool:
    """Whether it was refused because there is no living writer."""
    return any(code == "writer-failed" for code, _ in receipt.refusals)


def _seen_dead(call: Call) -> bool:
    snapshot = call.house.snapshot(call.cluster)
    return bool(snapshot.generation) and not snapshot.writer_alive
