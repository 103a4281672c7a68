"""How a database of ours is opened, and what its errors mean for the person who has to act."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Column, ColumnElement, Connection, Engine, create_engine, delete, event, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from repman.state.schema import NewerSchema, Schema, bring_up_to_date

_POSTGRESQL_DEADLINES: dict[str, object] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 5000,
    "options": "-c statement_timeout=5000",
}

BUSY_SECONDS = 2.0
"""How long a write waits for another process's write before it gives up."""

DATABASE_ERRORS = (SQLAlchemyError, sqlite3.Error, OSError, ImportError)
"""All that a database and its driver raise; ImportError when the driver of the URL is not installed."""

_SQLITE_ADVICE = {
    "SQLITE_FULL": "the disk is full; free space on it",
    "SQLITE_BUSY": "another process keeps it locked; find it (fuser) and end it",
    "SQLITE_LOCKED": "another process keeps it locked; find it (fuser) and end it",
    "SQLITE_NOTADB": "it is damaged; move the file away and start again",
    "SQLITE_CORRUPT": "it is damaged; move the file away and start again",
    "SQLITE_CANTOPEN": "it cannot be opened; check that the directory exists and may be written",
    "SQLITE_READONLY": "it may not be written; check its owner and permissions",
    "SQLITE_PERM": "it may not be written; check its owner and permissions",
    "SQLITE_IOERR": "the disk reports an error or is full; check the disk and the space on it",
}


def open_engine(url: str, durable: bool) -> Engine:
    """An engine; with `durable` each statement is its own transaction.

    SQLite gets a write-ahead log, which every death of a process leaves whole; it is synced where the caller
    says so.  The directory of an SQLite file is made when it is missing.  Raises DATABASE_ERRORS.
    """
    parsed = make_url(url)
    isolation = {"isolation_level": "AUTOCOMMIT"} if durable else {}
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        return create_engine(parsed, pool_pre_ping=True, connect_args=_POSTGRESQL_DEADLINES, **isolation)
    if parsed.get_backend_name() != "sqlite":
        raise ArgumentError(f"{parsed.get_backend_name()} is not supported, only SQLite and PostgreSQL are")
    _make_file(parsed)
    engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS}, **isolation)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


class Lazily:
    """A database that is opened, and whose tables are made or migrated, at its first use; for several threads.

    `pragma`: for each connection to an SQLite file.  `begin`: what to do once the tables are there.
    """

    def __init__(
        self, url: str, schema: Schema, pragma: str = "", begin: Callable[[Engine], None] | None = None
    ) -> None:
        self._url = url
        self._schema = schema
        self._pragma = pragma
        self._begin = begin
        self._opening = threading.Lock()
        self._engine: Engine | None = None

    def engine(self) -> Engine:
        """The open database.  Raises DATABASE_ERRORS; the next call tries again."""
        with self._opening:
            if self._engine is None:
                engine = open_engine(self._url, durable=False)
                if self._pragma and engine.dialect.name == "sqlite":
                    event.listen(engine, "connect", lambda connection, _: connection.execute(f"PRAGMA {self._pragma}"))
                try:
                    bring_up_to_date(engine, self._schema)
                    if self._begin is not None:
                        self._begin(engine)
                except DATABASE_ERRORS:
                    engine.dispose()
                    raise
                self._engine = engine
            return self._engine

    def close(self) -> None:
        """Give up all connections."""
        if self._engine is not None:
            self._engine.dispose()


def keep_newest(connection: Connection, number: Column[int], mine: ColumnElement[bool], keep: int) -> None:
    """Delete of the rows that are `mine` all but those with the `keep` highest numbers."""
    newest = select(number).where(mine).order_by(number.desc())
    oldest_kept = connection.execute(newest.offset(keep).limit(1)).scalar()
    if oldest_kept is not None:
        connection.execute(delete(number.table).where(mine, number <= oldest_kept))


def _make_file(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))


def check_integrity(engine: Engine) -> None:
    """Raise sqlite3.DatabaseError for a damaged SQLite file: better at the start than in a failover."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        told = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if told != "ok":
        raise sqlite3.DatabaseError(f"database disk image is malformed: {told}")


def place(url: str) -> str:
    """The database's address for a message, without its password."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "the database (its URL cannot be read)"
    return parsed.database or "memory" if parsed.get_backend_name() == "sqlite" else repr(parsed)


def explain(what: str, url: str, error: Exception) -> str:
    """A sentence: what failed, where, why, and what to do."""
    original: BaseException = getattr(error, "orig", None) or error
    words = " ".join(str(original).split())
    return f"{what} {place(url)} cannot be used: {_advice(error, original)} ({words})"


def _advice(error: Exception, original: BaseException) -> str:
    if isinstance(original, sqlite3.Error):
        name = getattr(original, "sqlite_errorname", None) or "SQLITE_CORRUPT"
        if "no such table" in str(original):
            return "it was not made yet; start the monitor first"
        if "no such column" in str(original):
            return "it is of another release; start the monitor of this one, which migrates it"
        found = [text for code, text in _SQLITE_ADVICE.items() if name.startswith(code)]
        return found[0] if found else "see the reason"
    if isinstance(error, NewerSchema):
        return "a newer repman has migrated it; install that one again, or put back the copy that it has made before"
    if isinstance(error, ImportError):
        return "install the database's driver, for PostgreSQL with `pip install repman[postgresql]`"
    if isinstance(error, OSError):
        return "check that its directory exists and may be written"
    if isinstance(error, DBAPIError):
        return "check that the database server runs and accepts the account in the URL"
    return "correct the URL in the configuration"
