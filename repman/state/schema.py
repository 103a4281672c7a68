"""Which form a store's tables have, and how an older form becomes the present one.

Each store keeps its number in a table of its own beside its tables, so that several stores can share one database.  A
new store gets its tables as they are now; one of an older release is migrated by Alembic, step by step, when it is
opened for the first time: under a lock of the database, in one transaction, and after a copy of an SQLite file was put
beside it.  A store from before there were numbers has the number 0001.

How to change tables: docs/operations.md tells what operators see, `repman/state/migrations` holds the steps.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, delete, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

LOG = logging.getLogger(__name__)

FIRST = "0001"
"""The number of stores that have none."""

_PATIENCE = 20.0
"""Seconds to wait for another process that makes or migrates the same store."""
_STEPS = Path(__file__).with_name("migrations")
_ONE_AT_A_TIME = threading.Lock()
"""Alembic keeps what it is at in variables of its modules."""


class NewerSchema(SQLAlchemyError):
    """A newer repman has migrated the store: this one does not know its form, and leaves it alone."""


@dataclass(frozen=True)
class Schema:
    """The tables of one store in their present form."""

    name: str
    """Of the store; also of the directory with its steps."""
    revision: str
    """The number of the latest step, four digits."""
    tables: MetaData

    @property
    def number(self) -> Table:
        """The table with the store's number; its form is Alembic's."""
        return Table(f"{self.name}_schema", MetaData(), Column("version_num", String(32), primary_key=True))


def bring_up_to_date(engine: Engine, schema: Schema) -> None:
    """Make a new store's tables, or give an older store's tables their present form; several processes may do so.

    Nothing is changed when a step fails.  Raises NewerSchema, or what the database raises.
    """
    with engine.connect() as connection:
        if _number(connection, schema) == schema.revision:
            return
    with _ONE_AT_A_TIME, _locked(engine) as connection:
        found = _number(connection, schema)
        if found is None and not _has_any(connection, schema):
            schema.tables.create_all(connection)
            _set_number(connection, schema, schema.revision)
        elif found != schema.revision:
            _migrate(connection, schema, found)


def _migrate(connection: Connection, schema: Schema, found: str | None) -> None:
    before = found or FIRST
    if before > schema.revision:
        raise NewerSchema(f"the tables of {schema.name} have the form {before}, this repman knows {schema.revision}")
    if found is None:
        _set_number(connection, schema, before)
    if before == schema.revision:
        return
    copy = _copy_of(connection, before)
    _take_steps(connection, schema)
    kept = f"; the file as it was before: {copy}" if copy else ""
    LOG.info("the store %s was migrated from form %s to %s%s", schema.name, before, schema.revision, kept)


def _take_steps(connection: Connection, schema: Schema) -> None:
    # Only here, as most starts of a process find nothing to do: it takes as long to import as SQLAlchemy itself.
    from alembic.command import upgrade
    from alembic.config import Config

    settings = Config(attributes={"connection": connection, "version_table": schema.number.name})
    for name, path in (("script_location", _STEPS), ("version_locations", _STEPS / schema.name)):
        settings.set_main_option(name, str(path).replace("%", "%%"))
    settings.set_main_option("path_separator", "newline")
    upgrade(settings, schema.revision)


def _number(connection: Connection, schema: Schema) -> str | None:
    table = schema.number
    if not inspect(connection).has_table(table.name):
        return None
    return connection.execute(select(table.c.version_num)).scalar()


def _set_number(connection: Connection, schema: Schema, number: str) -> None:
    table = schema.number
    table.create(connection, checkfirst=True)
    connection.execute(delete(table))
    connection.execute(insert(table).values(version_num=number))


def _has_any(connection: Connection, schema: Schema) -> bool:
    return not set(inspect(connection).get_table_names()).isdisjoint(schema.tables.tables)


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    """One transaction that no other process can write beside: it holds the changes of the tables, too."""
    with engine.connect() as plain:
        # The driver's own transactions would end before a change of a table (SQLite), hence ours are in plain SQL.
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        waits: int | None = None
        if engine.dialect.name == "sqlite":
            waits = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(_PATIENCE * 1000)}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")
        try:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(_PATIENCE * 1000)}")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({crc32(b'repman schema')})")
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        else:
            connection.exec_driver_sql("COMMIT")
        finally:
            if waits is not None:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={waits}")


def _copy_of(connection: Connection, number: str) -> Path | None:
    """Put a copy of an SQLite file beside it; others cannot write while our lock is held, so it is the whole store."""
    place = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not place or place == ":memory:":
        return None
    copy = Path(f"{place}.{number}")
    partial = Path(f"{copy}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
    with closing(sqlite3.connect(place)) as source, closing(sqlite3.connect(partial)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    partial.replace(copy)
    return copy
