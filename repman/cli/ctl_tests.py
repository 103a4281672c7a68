"""``repman ctl tests`` and ``repman ctl traffic``: play scenarios on a cluster, and write to it."""

from __future__ import annotations

import difflib
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from repman.cli import live
from repman.cli.acting import tell, word
from repman.cli.exits import ExitCode, UsageFailure
from repman.cli.records import facts
from repman.cli.session import Session, with_session

app = typer.Typer(help="Scenarios: list them, play them on the cluster.", no_args_is_help=True)
traffic = typer.Typer(help="Small writes through the balancer: start, stop, show.", no_args_is_help=True)

_LONGEST = 1830.0
"""A little longer than the API lets a scenario take."""
_PASS = "PASS"


@app.command("list")
@with_session
def list_tests(session: Session) -> None:
    """The names of the scenarios."""
    found = session.api.get(session.path("tests"))
    session.show_json(found) if session.as_json else session.show("\n".join(found))


@app.command()
@with_session
def run(
    session: Session,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of scenarios, or all.")],
    force: Annotated[bool, typer.Option("--force", help="Also on a cluster without the option test.")] = False,
) -> int:
    """Play scenarios on the cluster: they move its writer and kill its servers under writes.

    Each is told as it ends; exit code 1 when one did not pass.
    """
    known = session.api.get(session.path("tests"))
    verdicts = []
    for name in _chosen(names, known):
        path = session.path("tests", "actions", "run", name)
        order = partial(session.api.act, path, {"force": word(force)}, within=_LONGEST)
        verdict = live.progress(session, order, name)
        verdicts.append(verdict)
        if not session.as_json:
            session.show(_verdict(verdict))
    if session.as_json:
        session.show_json(verdicts)
    return ExitCode.DONE if all(verdict["result"] == _PASS for verdict in verdicts) else ExitCode.FAILED


@traffic.command()
@with_session
def start(
    session: Session,
    threads: Annotated[int, typer.Option("--threads", min=1, max=16, help="How many write at once.")] = 2,
    rate: Annotated[int, typer.Option("--rate", min=1, max=1000, help="Most writes a second of each.")] = 20,
) -> int:
    """Write small rows through the balancer until told otherwise."""
    tell(
        session, session.api.act(session.path("actions", "start-traffic"), {"threads": str(threads), "rate": str(rate)})
    )
    return ExitCode.DONE


@traffic.command()
@with_session
def stop(session: Session) -> int:
    """Write no more, remove the rows, and say what was written."""
    return _figures(session, session.api.act(session.path("actions", "stop-traffic")))


@traffic.command("show")
@with_session
def show_traffic(session: Session) -> int:
    """Whether traffic is on, and its figures."""
    return _figures(session, session.api.get(session.path("traffic")))


def _figures(session: Session, document: Any) -> int:
    if session.as_json:
        session.show_json(document)
    else:
        session.show(facts({name.replace("_", " "): value for name, value in document.items() if value != ""}))
    return ExitCode.DONE


def _chosen(names: list[str], known: list[str]) -> list[str]:
    if [name.lower() for name in names] == ["all"]:
        return known
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            raise UsageFailure(
                f"no test is called {name!r}; " + (f"near it: {', '.join(near)}" if near else "see list")
            )
    return names


def _verdict(verdict: dict[str, Any]) -> RenderableType:
    line = Text(str(verdict["result"]), "green" if verdict["result"] == _PASS else "bold red")
    line.append(f" {verdict['name']}", "bold").append(f"  {verdict['seconds']:.1f} s, ")
    line.append(f"{verdict['acknowledged']} writes, {verdict['lost']} lost, gap {verdict['longest_gap']:.2f} s")
    return line if verdict["result"] == _PASS else line.append(f"\n     {verdict['sentence']}")
