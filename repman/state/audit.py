"""The audit trail: who wanted what done, and what came of it.  Written by the web alone, one row per request.

A row is written when the request has been answered for, in the thread that answers: it costs a fraction of a
millisecond, and it is there when the client is told.  When the database fails, the row goes to the log as an error,
and for a while nobody waits for the database again: a full disk must not stop a failover.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)

from repman.errors import StateError
from repman.state.database import DATABASE_ERRORS, Lazily, explain, keep_newest
from repman.state.schema import Schema

LOG = logging.getLogger(__name__)

_TABLES = MetaData()
_ENTRY = Table(
    "audit_entry",
    _TABLES,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", Float(53), nullable=False),
    Column("user", String(128), nullable=False),
    Column("proven", Boolean, nullable=False),
    Column("source", String(64), nullable=False),
    Column("method", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("cluster", String(255), nullable=False),
    Column("server", String(255), nullable=False),
    Column("status", Integer, nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("plan", String(64), nullable=False),
    Column("job", String(64), nullable=False),
    Index("audit_entry_cluster", "cluster", "number"),
    Index("audit_entry_proven", "proven", "number"),
)
SCHEMA = Schema("audit", "0001", _TABLES)

_BUSY_MS = 1000
"""Milliseconds for which a row waits for another process's row."""
_AT_ONCE = 0.1
"""Seconds; a failure that comes sooner is worth a second try after as long."""
_RETRY = 5.0
"""Seconds after a failure in which rows go to the log at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One request that wanted to act."""

    at: float
    """Unix seconds of its beginning."""
    user: str
    """Who asked; empty: nobody known."""
    proven: bool
    """Whether the user was proven, by a token or a password; else the name is only a claim."""
    source: str
    """Address of the client."""
    method: str
    path: str
    """Secrets replaced."""
    arguments: str = ""
    """Those of query and body, ``name=value`` each; secrets replaced."""
    cluster: str = ""
    server: str = ""
    status: int = 0
    """Of HTTP."""
    seconds: float = 0.0
    """How long it took."""
    sentence: str = ""
    """The outcome in words."""
    plan: str = ""
    """The journal's identifier of the plan that was carried out."""
    job: str = ""
    """The identifier of the job that was begun."""


class AuditTrail:
    """The trail's database; usable from several threads and processes."""

    def __init__(self, url: str, keep: int = 100_000, keep_unproven: int = 10_000) -> None:
        """About so many rows are kept; strangers' have a limit of their own, so that they push out nobody else's."""
        self._url = url
        self._keep = {True: keep, False: keep_unproven}
        self._database = Lazily(url, SCHEMA, f"busy_timeout={_BUSY_MS}")
        self._since_prune = 0
        self._not_before = 0.0

    def append(self, entry: Entry) -> None:
        """Write a row; never raises.  A row that cannot be written is logged as an error, whole."""
        if time.monotonic() < self._not_before:
            LOG.error("not in the audit trail: %s", _line(entry))
            return
        began = time.monotonic()
        try:
            try:
                self._write(entry)
            except DATABASE_ERRORS:
                # SQLite does not wait for everything: two that open the file at once can be told that it is locked.
                if time.monotonic() - began > _AT_ONCE:
                    raise
                time.sleep(_AT_ONCE)
                self._write(entry)
        except DATABASE_ERRORS as error:
            self._not_before = time.monotonic() + _RETRY
            LOG.error("%s", explain("The audit trail", self._url, error))
            LOG.error("not in the audit trail: %s", _line(entry))

    def entries(
        self, cluster: str | None = None, limit: int = 200, before: int | None = None
    ) -> list[tuple[int, Entry]]:
        """Numbered rows, newest first: of one cluster or of all, with numbers below `before` only.

        Raises StateError when the database fails.
        """
        columns = [column for column in _ENTRY.c if column.name != "number"]
        wanted = select(_ENTRY.c.number, *columns).order_by(_ENTRY.c.number.desc()).limit(limit)
        if cluster is not None:
            wanted = wanted.where(_ENTRY.c.cluster == cluster)
        if before is not None:
            wanted = wanted.where(_ENTRY.c.number < before)
        try:
            with self._database.engine().connect() as connection:
                return [(row[0], Entry(*row[1:])) for row in connection.execute(wanted).all()]
        except DATABASE_ERRORS as error:
            raise StateError(explain("The audit trail", self._url, error)) from error

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def _write(self, entry: Entry) -> None:
        with self._database.engine().begin() as connection:
            connection.execute(insert(_ENTRY), asdict(entry))
            self._prune(connection)

    def _prune(self, connection: Connection) -> None:
        self._since_prune += 1
        if self._since_prune < min(self._keep.values()) // 10 + 1:
            return
        self._since_prune = 0
        for proven, keep in self._keep.items():
            keep_newest(connection, _ENTRY.c.number, _ENTRY.c.proven == proven, keep)


def _line(entry: Entry) -> str:
    return json.dumps(asdict(entry), ensure_ascii=True)
