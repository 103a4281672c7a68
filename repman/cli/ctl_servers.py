"""``repman ctl servers``: act on one server; and the rolling restart of all."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from repman.cli.acting import Force, ServerName, act, order, sentence, word
from repman.cli.ctl_services import PROVISION_SECONDS, Method
from repman.cli.exits import UsageFailure
from repman.cli.following import Wait, begin, follow_restart, runs
from repman.cli.session import Session, with_session
from repman.config.servers import parse_address

app = typer.Typer(help="Act on one server: its process, its role, its replication.", no_args_is_help=True)
whole = typer.Typer()
"""Commands about all servers, beside the others of ``repman ctl``."""


class Switch(StrEnum):
    """A thing that is on or off."""

    ON = "on"
    OFF = "off"


OnOff = Annotated[Switch, typer.Argument(metavar="on|off", help="What it is to be.")]

_PLAIN = (
    ("start", "start", "Start its process; it comes back read-only and replicates."),
    ("promote", "switchover", "Make it the writer, without losing a write."),
    ("prefer", "set-preferred", "Elections prefer it among equals."),
    ("ignore", "set-ignored", "Elections never choose it."),
    ("unrate", "set-unrated", "Elections neither prefer nor ignore it."),
    ("start-replication", "start-slave", "Let it replicate again."),
    (
        "reset-replication",
        "reset-slave-all",
        "Remove its replication; it stays read-only and alone until it is started.",
    ),
    (
        "skip-event",
        "skip-replication-event",
        "Go on behind the transaction that its applier cannot apply; it lacks it.",
    ),
)
_FORCED = (
    ("stop", "stop", "Shut it down and leave it so until it is started; the writer only with --force."),
    ("stop-replication", "stop-slave", "Let it stand still until its replication is started."),
    ("reset-binlog", "reset-master", "Empty its binary log; its position stays."),
)


def _plain(action: str, line: str) -> Callable[..., None]:
    def command(session: Session, server: ServerName) -> int:
        return act(session, "servers", server, "actions", action)

    command.__doc__ = line
    return with_session(command)


def _forced(action: str, line: str) -> Callable[..., None]:
    def command(session: Session, server: ServerName, force: Force = False) -> int:
        return act(session, "servers", server, "actions", action, force=word(force))

    command.__doc__ = line
    return with_session(command)


for _name, _action, _line in _PLAIN:
    app.command(_name)(_plain(_action, _line))
for _name, _action, _line in _FORCED:
    app.command(_name)(_forced(_action, _line))


@app.command()
@with_session
def maintenance(session: Session, server: ServerName, wanted: OnOff) -> int:
    """Take a replica out of service, or give it back: no reads, no repair, no election."""
    action = "set-maintenance" if wanted is Switch.ON else "del-maintenance"
    return act(session, "servers", server, "actions", action)


@app.command("read-only")
@with_session
def read_only(session: Session, server: ServerName, wanted: OnOff) -> int:
    """Close the cluster for writes through its writer, or open it; close a replica that is writable."""
    action = "set-read-only" if wanted is Switch.ON else "del-read-only"
    return act(session, "servers", server, "actions", action)


@app.command()
@with_session
def add(
    session: Session,
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where it listens.")],
    name: Annotated[str, typer.Option("--name", help="What it is called; its host, unless given.")] = "",
) -> int:
    """Watch one more server; it is taken into the cluster when it holds nothing that the cluster lacks."""
    host, port = _address(address)
    return order(session, session.path("actions", "addserver", host, port), name=name)


@app.command()
@with_session
def drop(session: Session, server: ServerName, force: Force = False) -> int:
    """Watch a server no more; nothing is done to it."""
    snapshot, _ = session.api.snapshot(session.cluster)
    view = snapshot.server(server)
    host, port = (view.policy.host, str(view.policy.port)) if view else _address(server)
    return order(session, session.path("actions", "dropserver", host, port), force=word(force))


@app.command()
@with_session
def provision(session: Session, server: ServerName, method: Method = "", wait: Wait = True) -> int:
    """Make a server that has no data, start it and fill it from the cluster."""
    return begin(session, ("servers", server, "actions", "provision"), wait, PROVISION_SECONDS, method=method)


@app.command()
@with_session
def unprovision(session: Session, server: ServerName, force: Force = False) -> int:
    """Stop a server and remove its data."""
    path = ("servers", server, "actions", "unprovision")
    return begin(session, path, True, PROVISION_SECONDS, force=word(force))


@whole.command("rolling-restart")
@with_session
def rolling_restart(
    session: Session,
    force: Force = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Leave off after the server whose turn it is.")] = False,
    wait: Wait = True,
) -> int:
    """Restart every server, replicas first, then the writer after a switchover, and move the role home."""
    if cancel:
        return act(session, "actions", "cancel-rolling-restart")
    if not wait:
        return act(session, "actions", "rolling", force=word(force))
    before, _ = session.api.snapshot(session.cluster)
    session.tell(sentence(session.api.act(session.path("actions", "rolling"), {"force": word(force)})))
    return follow_restart(session, runs(before))


def _address(text: str) -> tuple[str, str]:
    try:
        host, port = parse_address(text)
    except ValueError as error:
        raise UsageFailure(f"{text!r} is no address: {error}") from error
    return host, str(port)
