"""``repman ctl show`` and ``repman ctl logs``: look into one server, now."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from repman.cli.acting import ServerName
from repman.cli.following import Wait, begin
from repman.cli.records import anything, plain, table
from repman.cli.session import Session, with_session

app = typer.Typer(help="Look into one server, now: sessions, variables, status, tables ...", no_args_is_help=True)
logs = typer.Typer(help="A server's logs: read their ends, or fetch them into repman's data.", no_args_is_help=True)

Like = Annotated[str, typer.Option("--like", help="Only names like this; * and % stand for anything.")]
_QUERIES = ("digest", "schemaName", "shemaName", "execCount", "execTimeTotal", "rowsScanned", "rowsSent", "query")

_READS: tuple[tuple[str, str, str, Sequence[str]], ...] = (
    (
        "processlist",
        "processlist",
        "Sessions, longest statement first.",
        ("id", "user", "host", "db", "command", "time", "state", "info"),
    ),
    ("innodb", "status-innodb", "What InnoDB is at.", ()),
    (
        "tables",
        "tables",
        "Tables, biggest first.",
        ("table_schema", "table_name", "engine", "table_rows", "data_length", "index_length"),
    ),
    ("schemas", "schemas", "The schemas that are not the system's.", ()),
    (
        "replication",
        "all-slaves-status",
        "What it replicates, by channel.",
        (
            "connectionName",
            "masterHost",
            "masterPort",
            "slaveIoRunning",
            "slaveSqlRunning",
            "secondsBehindMaster",
            "usingGtid",
            "gtidIoPos",
            "gtidSlavePos",
            "lastIoError",
            "lastSqlError",
        ),
    ),
    ("binlog", "master-status", "File and position of its binary log.", ()),
    ("digests", "digest-statements-pfs", "Statements by digest, from the performance schema.", _QUERIES),
    ("locks", "meta-data-locks", "Metadata locks; needs the plugin.", ()),
    ("response-times", "query-response-time", "How many statements took how long; needs the plugin.", ()),
)
_NAMED = (
    ("variables", "variables", "Global variables."),
    ("status", "status", "Global status."),
    ("status-delta", "status-delta", "Counters that have changed since the last look."),
)


class Log(StrEnum):
    """A log of a server."""

    ERROR = "error"
    SLOW = "slow"


def _read(name: str, path: str, line: str, preferred: Sequence[str]) -> None:
    def command(session: Session, server: ServerName) -> None:
        found = session.api.get(session.path("servers", server, path))
        session.show_json(found) if session.as_json else session.show(anything(found, preferred))

    command.__doc__ = line
    app.command(name)(with_session(command))


def _named(name: str, path: str, line: str) -> None:
    def command(session: Session, server: ServerName, like: Like = "") -> None:
        found = matching(session.api.get(session.path("servers", server, path)), like)
        if session.as_json:
            session.show_json(found)
        else:
            session.show(table(found, (("NAME", "variableName"), ("VALUE", "value"))))

    command.__doc__ = line
    app.command(name)(with_session(command))


for _each in _READS:
    _read(*_each)
for _row in _NAMED:
    _named(*_row)


@logs.command()
@with_session
def errors(session: Session, server: ServerName) -> None:
    """The end of the error log, newest first."""
    found = session.api.get(session.path("servers", server, "errorlog"))
    session.show_json(found) if session.as_json else session.show(lines(found))


@logs.command()
@with_session
def slow(
    session: Session,
    server: ServerName,
    digest: Annotated[
        bool, typer.Option("--digest", help="Statements that differ only in their values as one.")
    ] = False,
) -> None:
    """Statements of the slow-query log."""
    path = "digest-statements-slow" if digest else "slow-queries"
    found = session.api.get(session.path("servers", server, path))
    session.show_json(found) if session.as_json else session.show(anything(found, _QUERIES))


@logs.command()
@with_session
def collect(
    session: Session,
    log: Annotated[Log, typer.Argument(metavar="error|slow", help="Which log.")],
    server: ServerName,
    wait: Wait = True,
) -> int:
    """Fetch the end of a log into repman's data directory."""
    action = "backup-error-log" if log is Log.ERROR else "backup-slow-query-log"
    return begin(session, ("servers", server, "actions", action), wait)


def matching(rows: Any, like: str) -> list[Any]:
    """The rows whose names match a pattern of files or of SQL; of names alike in case, and all for none."""
    pattern = like.replace("%", "*").upper()
    return [row for row in rows or () if not like or fnmatchcase(str(row["variableName"]).upper(), pattern)]


def lines(log: Any) -> RenderableType:
    """A log in the API's form, one entry a line, without the empty ones that fill it up."""
    found = [entry for entry in log.get("buffer") or () if entry.get("text")]
    if not found:
        return Text("nothing", "dim")
    return Group(*(Text(f"{plain(one.get('timestamp'))} {plain(one.get('level'))} {one['text']}") for one in found))
