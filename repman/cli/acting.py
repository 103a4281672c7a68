"""One way to order something of the API, and to show how it ended.

A refusal ends every command the same way: `repman.cli.session.with_session` lists the reasons.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from repman.cli import live, screens
from repman.cli.api import Body
from repman.cli.exits import ExitCode
from repman.cli.session import Session

ServerName = Annotated[str, typer.Argument(metavar="SERVER", help="The server, by name, id or host:port.")]
ToOption = Annotated[str, typer.Option("--to", help="The new writer, by name, id or host:port.")]
Force = Annotated[bool, typer.Option("--force", help="Also where it costs protection or data.")]


def act(session: Session, *path: str, **parameters: str) -> int:
    """Order a change of the cluster, show its steps and its end; returns the exit code.  Raises Refused."""
    where = session.path(*path)
    receipt = live.progress(session, lambda: session.api.act(where, parameters))
    if session.as_json:
        session.show_json(receipt)
        return ExitCode.DONE
    session.show(Text(sentence(receipt), "green"))
    if session.live:
        snapshot = live.next_look(session.api, session.cluster)
    else:
        snapshot, _ = session.api.snapshot(session.cluster)
    if snapshot.plan and snapshot.plan.id == receipt.get("plan"):
        session.show(screens.plan_steps(snapshot.plan, screens.names_of(snapshot)))
    if session.live:
        session.show(screens.topology(snapshot))
    return ExitCode.DONE


def order(session: Session, path: str, body: Body | None = None, **parameters: str) -> int:
    """Order something that is done at once, and say what came of it; returns the exit code.  Raises Refused."""
    tell(session, session.api.act(path, parameters, body=body))
    return ExitCode.DONE


def tell(session: Session, document: Any) -> None:
    """Show what the API says of something that was done."""
    if session.as_json:
        session.show_json(document)
        return
    session.show(Text(sentence(document), "green"))
    if said := document.get("monitor"):
        session.show(Text(f"monitor: {said}", "dim"))
    for name in ("warnings", "troubles"):
        for each in document.get(name) or ():
            session.show(Text(f"warning: {each}", "yellow"))


def sentence(document: Any) -> str:
    """What the API says, in its words."""
    found = document if isinstance(document, dict) else {}
    return str(found.get("sentence") or found.get("msg") or "Done.")


def word(yes: bool) -> str:
    """A flag as the API takes it; a flag that is not given is not sent."""
    return "true" if yes else ""
