"""``repman ctl``: ask and steer a running repman through its HTTP API."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from repman.cli import (
    ctl_jobs,
    ctl_keys,
    ctl_links,
    ctl_reads,
    ctl_servers,
    ctl_services,
    ctl_settings,
    ctl_streams,
    ctl_tests,
    ctl_users,
    live,
    screens,
)
from repman.cli.acting import ToOption, act, order, word
from repman.cli.api import Api
from repman.cli.exits import ExitCode, UsageFailure
from repman.cli.session import Session, with_session
from repman.cli.tokens import forget_token, store_token, stored_token
from repman.model.problem import Refusal

app = typer.Typer(
    help="Ask and steer a running repman through its API.",
    no_args_is_help=True,
    add_completion=False,
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 refused (nothing changed), 4 API, monitor or "
    "worker unreachable, 5 not authorised, 130 stopped with Ctrl-C.",
)
plan_app = typer.Typer(help="Show what an action would do now; changes nothing.", no_args_is_help=True)
app.add_typer(plan_app, name="plan")

app.add_typer(ctl_servers.app, name="servers")
app.add_typer(ctl_servers.whole)
app.add_typer(ctl_jobs.backups, name="backups")
app.add_typer(ctl_jobs.whole)
app.add_typer(ctl_jobs.jobs, name="jobs")
app.add_typer(ctl_reads.app, name="show")
app.add_typer(ctl_reads.logs, name="logs")
app.add_typer(ctl_settings.app, name="settings")
app.add_typer(ctl_users.app, name="users")
app.add_typer(ctl_users.whole)
app.add_typer(ctl_tests.app, name="tests")
app.add_typer(ctl_tests.traffic, name="traffic")
app.add_typer(ctl_services.app, name="services")
app.add_typer(ctl_services.proxies, name="proxies")
app.add_typer(ctl_links.app, name="link")
app.add_typer(ctl_streams.app, name="streams")
app.add_typer(ctl_keys.app, name="api-keys")


@app.command()
@with_session
def status(session: Session) -> None:
    """Writer, protection, problems and the last plan; without --cluster of every cluster."""
    names = (session.cluster,) if session.wanted_cluster else session.api.clusters()
    found = [session.api.snapshot(name) for name in names]
    if session.as_json:
        documents = [document for _, document in found]
        session.show_json(documents[0] if session.wanted_cluster else documents)
        return
    for snapshot, _ in found:
        session.show(screens.status(snapshot))


@app.command()
@with_session
def topology(session: Session) -> None:
    """The servers as a tree: role, state, GTID, lag, read-only, semi-sync."""
    snapshot, document = session.api.snapshot(session.cluster)
    if session.as_json:
        session.show_json(document)
    else:
        session.show(screens.status(snapshot), screens.topology(snapshot))


@app.command()
@with_session
def switchover(session: Session, to: ToOption = "") -> int:
    """Make another server the writer, without losing a write."""
    return act(session, "actions", "switchover", to=to)


@app.command()
@with_session
def failover(
    session: Session,
    to: ToOption = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a living writer too (as a switchover).")] = False,
) -> int:
    """Replace a dead writer; refused while it lives."""
    return act(session, "actions", "failover", to=to, force=word(force))


@app.command()
@with_session
def bootstrap(
    session: Session,
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove replication and binary logs that exist already.")
    ] = False,
    topology: Annotated[str, typer.Option("--topology", help="What to build.")] = "master-slave",
    to: Annotated[str, typer.Option("--to", help="The first writer, by name, id or host:port.")] = "",
) -> int:
    """Set up replication on servers that have none."""
    return act(session, "actions", "replication", "bootstrap", topology, to=to, clean=word(clean))


@app.command()
@with_session
def cleanup(session: Session) -> int:
    """Remove replication from all servers."""
    return act(session, "actions", "replication", "cleanup")


@app.command("reset-failovers")
@with_session
def reset_failovers(session: Session) -> int:
    """Count automatic failovers anew, so that failover-limit lets them be again."""
    return act(session, "actions", "reset-failover-control")


@app.command("reset-availability")
@with_session
def reset_availability(session: Session) -> int:
    """Count the shares of time with a writer, and with protection, anew."""
    return act(session, "actions", "reset-sla")


@plan_app.command("switchover")
@with_session
def plan_switchover(session: Session, to: ToOption = "") -> int:
    """What a switchover would do now: steps, the chosen server, reasons, refusals."""
    return _preview(session, "switchover", to)


@plan_app.command("failover")
@with_session
def plan_failover(session: Session, to: ToOption = "") -> int:
    """What a failover would do if the writer died now."""
    return _preview(session, "failover", to)


@app.command()
@with_session
def events(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", min=1, max=5000, help="How many, the newest first.")] = 50,
) -> None:
    """What happened, newest first."""
    found = session.api.get(session.path("events"), limit=str(limit))
    if session.as_json:
        session.show_json(found)
    else:
        snapshot, _ = session.api.snapshot(session.cluster)
        session.show(screens.events(found, screens.names_of(snapshot)))


@app.command()
@with_session
def watch(
    session: Session,
    every: Annotated[float, typer.Option("--every", min=0.05, help="Seconds between two looks.")] = 0.5,
) -> None:
    """Show the cluster until Ctrl-C."""
    try:
        live.watch(session, every)
    except KeyboardInterrupt:
        return


@app.command()
@with_session
def login(
    session: Session,
    show: Annotated[bool, typer.Option("--print", help="Print the token for other programs; do not keep it.")] = False,
) -> None:
    """Ask for a token and keep it for later commands."""
    target = session.api.target
    user = target.user or _ask("User: ", input)
    password = target.password or _ask(f"Password of {user}: ", getpass.getpass)
    token = Api(replace(target, user=user, password=password)).login()
    if session.as_json:
        session.show_json({"token": token})
    elif show:
        print(token)
    else:
        path = store_token(target.url, token)
        session.show(f"Logged in to {target.url} as {user}; the token is in {path}.")


@app.command()
@with_session
def logout(
    session: Session,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="All tokens of yours, wherever they are.")] = False,
) -> int:
    """Make the kept token void and forget it."""
    target = session.api.target
    if not stored_token(target.url):
        raise UsageFailure(f"no token of {target.url} is kept here; nothing was changed")
    done = order(replace(session, api=Api(replace(target, password=""))), "/api/logout", everywhere=word(everywhere))
    forget_token(target.url)
    return done


def _ask(question: str, how: Callable[[str], str]) -> str:
    if not sys.stdin.isatty():
        raise UsageFailure("give --user and --password (or REPMAN_USER and REPMAN_PASSWORD): nobody can be asked")
    return how(question)


def _preview(session: Session, kind: str, to: str) -> int:
    """Show a plan; 3 when it would be refused, so that a script can ask before it orders."""
    document = session.api.get(session.path("plan", kind), to=to)
    given = document.get("refusals") or document.get("reasons") or []
    refusals = [Refusal(str(each.get("code", "")), str(each.get("sentence", ""))) for each in given]
    if session.as_json:
        session.show_json(document)
    else:
        snapshot, _ = session.api.snapshot(session.cluster)
        session.show(_preview_screen(document, screens.names_of(snapshot)))
        if refusals:
            session.show(screens.refusal_list("It would be refused:", refusals))
    return ExitCode.REFUSED if refusals or document.get("status") == "refused" else ExitCode.DONE


_PREVIEW_LISTS = (
    ("steps", "steps"),
    ("if it fails before the new writer is open", "undo"),
    ("election", "ranking"),
    ("taken for true", "assumptions"),
)


def _preview_screen(document: dict[str, Any], names: dict[str, str]) -> RenderableType:
    told = document.get("reason") or document.get("unchanged") or document.get("sentence", "")
    lines: list[RenderableType] = [Text(str(told), "bold")]
    if chosen := document.get("newWriter"):
        name = str(document.get("newWriterName") or chosen)
        lines.append(Text("new writer: ").append(name, "bold green").append(f" ({chosen})"))
    for title, name in _PREVIEW_LISTS:
        if items := document.get(name):
            lines.append(Text(f"{title}:", "dim"))
            lines += [Text(f"  {number}. {screens.named(_line(item), names)}") for number, item in enumerate(items, 1)]
    return Group(*lines)


def _line(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    source = f" <- {item['source']}" if item.get("source") else ""
    optional = " (the plan goes on if this fails)" if item.get("essential") is False else ""
    return " ".join(str(item[name]) for name in ("kind", "server") if item.get(name)) + source + optional
