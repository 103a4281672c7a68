"""``repman ctl link``: links between MongoDB clusters."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from repman.cli import link_screens, link_watching
from repman.cli.acting import tell, word
from repman.cli.api import api_path
from repman.cli.exits import ExitCode
from repman.cli.session import Session, with_session

app = typer.Typer(
    help="Links between MongoDB clusters: list, show, start, pause, finalize, watch.", no_args_is_help=True
)

LinkName = Annotated[str, typer.Argument(metavar="NAME", help="The link's name in the configuration.")]


@app.command("list")
@with_session
def list_links(session: Session) -> None:
    """The configured links: state, progress, lag."""
    found = session.api.get(api_path("links"))
    session.show_json(found) if session.as_json else session.show(link_screens.links(found))


@app.command()
@with_session
def show(session: Session, name: LinkName) -> None:
    """One link with all that is known of it."""
    found = session.api.get(api_path("links", name))
    session.show_json(found) if session.as_json else session.show(link_screens.link(found))


@app.command()
@with_session
def start(
    session: Session,
    name: LinkName,
    again: Annotated[bool, typer.Option("--again", help="Also after it was finalized: copy everything anew.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until the target is consistent.")] = False,
) -> int:
    """Copy what the source holds, then replicate."""
    told = _act(session, name, "start", again=word(again))
    if not wait:
        return _told(session, told)
    if not session.as_json:
        tell(session, told)
    return link_watching.wait(
        session, name, link_watching.consistent, good=lambda link: bool(link["initial_sync_completed"])
    )


@app.command()
@with_session
def pause(session: Session, name: LinkName) -> int:
    """Stop for a while; what is under way is still finished."""
    return _told(session, _act(session, name, "pause"))


@app.command()
@with_session
def resume(
    session: Session,
    name: LinkName,
    from_failure: Annotated[bool, typer.Option("--from-failure", help="Also when it has failed.")] = False,
) -> int:
    """Go on after a pause."""
    return _told(session, _act(session, name, "resume", fromFailure=word(from_failure)))


@app.command()
@with_session
def finalize(
    session: Session,
    name: LinkName,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it until indexes and collections are final.")] = False,
) -> int:
    """End the replication and open the target to its clients; stop the writes to the source before."""
    told = _act(session, name, "finalize")
    if not wait:
        return _told(session, told)
    if not session.as_json:
        tell(session, told)
    return link_watching.wait(
        session, name, link_watching.finalized, good=lambda link: bool(link["finalize_completed"])
    )


@app.command()
@with_session
def reverse(session: Session, name: LinkName) -> int:
    """Replicate the other way, after it was finalized."""
    return _told(session, _act(session, name, "reverse"))


@app.command()
@with_session
def watch(
    session: Session,
    name: LinkName,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds between two looks.")] = 0.5,
) -> int:
    """Show how the link gets on until it ends, or until Ctrl-C: a bar while it copies, then its lag."""
    try:
        link = link_watching.watch(session, name, link_watching.over, documents=session.as_json, every=every)
    except KeyboardInterrupt:
        return ExitCode.DONE
    if not session.as_json:
        session.show(link_screens.link(link))
    return ExitCode.FAILED if link["state"] == "failed" else ExitCode.DONE


def _act(session: Session, name: str, action: str, **parameters: str) -> Any:
    return session.api.act(api_path("links", name, "actions", action), parameters)


def _told(session: Session, told: Any) -> int:
    tell(session, told)
    return ExitCode.DONE
