"""``repman ctl users``, ``audit`` and ``password``: who may what, and who did what."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer
from rich.text import Text

from repman.cli.acting import order
from repman.cli.api import Body, api_path
from repman.cli.exits import ExitCode, UsageFailure
from repman.cli.records import Column, Row, moment, plain, table
from repman.cli.session import Session, with_session

app = typer.Typer(help="Accounts: list, add, update, drop, revoke tokens.", no_args_is_help=True)
whole = typer.Typer()
"""Commands beside the others of ``repman ctl``."""

UserName = Annotated[str, typer.Argument(metavar="USER", help="The account's name.")]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="In all clusters, not in one.")]
Grants = Annotated[
    str | None,
    typer.Option("--grants", help='Names of grants, or beginnings for all with it, such as "cluster-show db".'),
]


@app.command("list")
@with_session
def list_users(session: Session, everywhere: Everywhere = False) -> None:
    """Users with their grants."""
    found = session.api.get("/api/users" if everywhere else session.path("users"))
    if session.as_json:
        session.show_json(found)
    else:
        session.show(table(found, _USERS))


@app.command()
@with_session
def add(
    session: Session,
    name: UserName,
    grants: Grants = None,
    everywhere: Everywhere = False,
    generate: Annotated[bool, typer.Option("--generate", help="repman makes the password and tells it once.")] = False,
) -> int:
    """Make a user; the password is asked for, or read from stdin."""
    password = "" if generate else _new_password(name)
    body: Body = {"username": name, "grants": grants or "", **({"password": password} if password else {})}
    path = api_path("monitor", "actions", "adduser", name) if everywhere else session.path("users", "add")
    told = session.api.act(path, body=body)
    if session.as_json:
        session.show_json(told)
        return ExitCode.DONE
    session.show(Text(str(told["sentence"]), "green"))
    session.show(f"grants: {', '.join(told['grants']) or 'none'}")
    if told.get("password"):
        session.show(Text(f"password (told this once): {told['password']}"))
    return ExitCode.DONE


@app.command()
@with_session
def update(
    session: Session,
    name: UserName,
    grants: Grants = None,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Another password, asked for or read from stdin.")
    ] = False,
    everywhere: Everywhere = False,
) -> int:
    """Give a user other grants, another password, or both."""
    if grants is None and not new_password:
        raise UsageFailure("give --grants, --new-password or both")
    body = {"username": name}
    if grants is not None:
        body["grants"] = grants
    if new_password:
        body["password"] = _new_password(name)
    path = api_path("monitor", "actions", "updateuser", name) if everywhere else session.path("users", "update")
    return order(session, path, body)


@app.command()
@with_session
def drop(session: Session, name: UserName, everywhere: Everywhere = False) -> int:
    """Close the cluster to a user, who is gone when no other is open."""
    path = api_path("monitor", "actions", "dropuser", name) if everywhere else session.path("users", "drop")
    return order(session, path, {"username": name})


@app.command()
@with_session
def revoke(session: Session, name: UserName) -> int:
    """Make all tokens of a user void."""
    return order(session, api_path("users", name, "revoke-tokens"))


@whole.command()
@with_session
def password(session: Session) -> int:
    """Change your own password; all your tokens are void then.  From stdin: the present one, then the new one."""
    present = session.api.target.password or _asked("Present password: ")
    return order(session, "/api/users/password", {"password": present, "newPassword": _new_password("yourself")})


@whole.command()
@with_session
def audit(
    session: Session,
    everywhere: Everywhere = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=5000, help="How many, the newest first.")] = 50,
    before: Annotated[int, typer.Option("--before", min=0, help="Only rows with a smaller number, to read on.")] = 0,
) -> None:
    """Who wanted what done, newest first."""
    path = "/api/audit" if everywhere else session.path("audit")
    found = session.api.get(path, limit=str(limit), before=str(before) if before else "")
    if session.as_json:
        session.show_json(found)
    else:
        session.show(table(found, _AUDIT, "nothing yet"))


def _new_password(user: str) -> str:
    """A new password: asked for twice at a terminal, else a line of stdin."""
    first = _asked(f"New password of {user}: ")
    if sys.stdin.isatty() and first != _asked("Once more: "):
        raise UsageFailure("the two are not the same; nothing was changed")
    return first


def _asked(question: str) -> str:
    found = getpass.getpass(question) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not found:
        raise UsageFailure("no password was given: type it, send it as a line on stdin, or see --help for other ways")
    return found


def _grants(user: Row) -> str:
    everywhere, clusters = user["grants"], user["clusters"]
    parts = [f"everywhere: {plain(everywhere)}"] if everywhere else []
    return "; ".join([*parts, *(f"{name}: {plain(grants) or 'none'}" for name, grants in clusters.items())]) or "none"


_USERS: tuple[Column, ...] = (
    ("USER", "user"),
    ("FROM", "source"),
    ("CLUSTERS", lambda user: "all" if user["everywhere"] else ", ".join(user["clusters"])),
    ("GRANTS", _grants),
    ("CHANGED", lambda user: moment(user["changedAt"])),
    ("BY", "changedBy"),
)
_AUDIT: tuple[Column, ...] = (
    ("NUMBER", "number"),
    ("AT", "at"),
    ("USER", lambda row: row["user"] if row["proven"] else f"{row['user']} (not proven)"),
    ("FROM", "source"),
    ("STATUS", "status"),
    ("WANTED", lambda row: f"{row['method']} {row['path']} {row['arguments']}".rstrip()),
    ("SENTENCE", "sentence"),
)
