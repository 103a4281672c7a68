"""``repman ctl settings``: the options of a cluster or of the whole installation, seen and changed while it runs."""

from __future__ import annotations

import difflib
import getpass
import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from repman.cli.acting import order, tell
from repman.cli.api import api_path
from repman.cli.exits import ExitCode, UsageFailure
from repman.cli.records import Column, Row, facts, plain, table
from repman.cli.session import Session, with_session

app = typer.Typer(help="Options: list, get, set, switch, clear, reload.", no_args_is_help=True)

Everywhere = Annotated[bool, typer.Option("--global", help="Of the installation, not of a cluster.")]
Name = Annotated[str, typer.Argument(metavar="OPTION", help="The option's name, such as failover-mode.")]


@app.command("list")
@with_session
def list_settings(
    session: Session,
    everywhere: Everywhere = False,
    like: Annotated[str, typer.Option("--like", help="Only options with this in their names.")] = "",
    changed: Annotated[bool, typer.Option("--changed", help="Only those that differ from their defaults.")] = False,
) -> None:
    """Options with value, where it comes from, who set it, and whether a change takes effect at once."""
    found = session.api.get(_path(session, everywhere, "options"))
    kept = [
        option
        for option in found["options"]
        if like in option["name"] and not (changed and option["origin"] == "default")
    ]
    if session.as_json:
        session.show_json({**found, "options": kept})
        return
    session.show(table(kept, _COLUMNS))
    if waiting := found["restartNeeded"]:
        session.show(Text(f"repman must be restarted for: {', '.join(waiting)}", "yellow"))


@app.command()
@with_session
def get(session: Session, option: Name, everywhere: Everywhere = False) -> None:
    """One option with all that is known of it."""
    found = _option(session, option, everywhere)
    session.show_json(found) if session.as_json else session.show(facts(found))


@app.command("set")
@with_session
def set_value(
    session: Session,
    option: Name,
    value: Annotated[
        str | None, typer.Argument(help="Left out: asked for, or read from stdin; so nobody sees it in a list.")
    ] = None,
    everywhere: Everywhere = False,
) -> int:
    """Change an option; it is checked first, and kept over restarts."""
    wanted = _asked(option) if value is None else value
    return _change(session, _path(session, everywhere, "actions", "set", option), {"value": wanted})


@app.command()
@with_session
def switch(session: Session, option: Name, everywhere: Everywhere = False) -> int:
    """Flip an option that is true or false, or failover-mode."""
    return _change(session, _path(session, everywhere, "actions", "switch", option))


@app.command()
@with_session
def clear(session: Session, option: Name, everywhere: Everywhere = False) -> int:
    """Forget what was changed at run time: files and defaults count again."""
    return _change(session, _path(session, everywhere, "actions", "clear", option))


@app.command("reload")
@with_session
def reload_files(session: Session) -> int:
    """Read the configuration files again, in every process."""
    return order(session, session.path("settings", "actions", "reload"))


def _change(session: Session, path: str, body: dict[str, object] | None = None) -> int:
    tell(session, session.api.act(path, body=body))
    return ExitCode.DONE


def _path(session: Session, everywhere: bool, *rest: str) -> str:
    if everywhere:
        return api_path("clusters", "settings", *rest)
    return session.path("settings", *rest)


def _option(session: Session, name: str, everywhere: bool) -> Any:
    found = session.api.get(_path(session, everywhere, "options"))["options"]
    for option in found:
        if name in (option["name"], option["key"]):
            return option
    near = difflib.get_close_matches(name, [option["name"] for option in found], n=3)
    hint = f"; near it: {', '.join(near)}" if near else "" if everywhere else "; those of the installation: --global"
    raise UsageFailure(f"no option is called {name!r} there{hint}")


def _asked(option: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{option}: ")
    line = sys.stdin.readline()
    if not line:
        raise UsageFailure(f"give the value of {option} behind its name, or on stdin")
    return line.rstrip("\r\n")


def _takes_effect(option: Row) -> str:
    if option["inert"]:
        return "never"
    if option["restartNeeded"]:
        return "after a restart (waiting)"
    return "at once" if option["live"] else "after a restart"


_COLUMNS: tuple[Column, ...] = (
    ("OPTION", "name"),
    ("VALUE", lambda option: plain(option["value"])),
    ("ORIGIN", lambda option: option["origin"] if option["origin"] == "default" else option["where"]),
    ("AUTHOR", "author"),
    ("CHANGED", "changedAt"),
    ("TAKES EFFECT", _takes_effect),
)
