"""Writes lines into PostgreSQL, by COPY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import psycopg

from repman.streams.connection import Postgresql, reason
from repman.streams.convert.copy_bundle import Bundle, RowsRefused
from repman.streams.convert.copy_postgresql import is_data_error
from repman.streams.structure.ddl_postgresql import name_of, primary_columns
from repman.streams.structure.table import Engine, listed, quoted
from repman.streams.types.types_mapped import MappedTable
from repman.streams.types.values_to_postgresql import without_nul

_STAGE = "pg_temp.repman_stage"


class PostgresqlLoader:
    """A session of the target; `upsert` lets rows replace those with the same primary key."""

    def __init__(self, connection: Postgresql, *, upsert: bool = False) -> None:
        self._connection = connection
        self._upsert = upsert
        # rows that a crash of the server takes are taken with the mark that says they were copied
        connection.execute("SET synchronous_commit = off")

    def transaction(self) -> AbstractContextManager[object]:
        """What is done within is committed at its end, or rolled back when an error leaves it."""
        return self._connection.transaction()

    def attempt(self) -> AbstractContextManager[object]:
        """Within a transaction: what is done within is undone alone when an error leaves it."""
        return self._connection.transaction()

    def run(self, sql: str) -> None:
        """One statement without a result."""
        self._connection.execute(sql.encode())

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""
        return [tuple(row) for row in self._connection.execute(sql.encode()).fetchall()]

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def settle(self) -> None:
        """Return when everything committed so far is on the disk; from now on each commit waits for that."""
        self._connection.execute("SET synchronous_commit = on")
        self._connection.execute("SELECT pg_catalog.txid_current()")

    def load(self, table: MappedTable, bundles: Iterator[Bundle]) -> int:
        """Write all rows; how many.  Raises RowsRefused when the target does not take one of them."""
        columns = listed(Engine.POSTGRESQL, [column.name for column in table.columns])
        key = primary_columns(table)
        if not (self._upsert and key):
            return self._copy(f"{name_of(table)} ({columns})", bundles)
        with self._connection.transaction():
            self.run(f"CREATE TEMP TABLE repman_stage ON COMMIT DROP AS SELECT {columns} FROM {name_of(table)} LIMIT 0")
            count = self._copy(f"{_STAGE} ({columns})", bundles)
            others = [column.name for column in table.columns if column.name not in key]
            assignments = ", ".join(f"{name} = excluded.{name}" for name in map(_quoted, others))
            action = f"UPDATE SET {assignments}" if assignments else "NOTHING"
            self._guarded(
                f"INSERT INTO {name_of(table)} ({columns}) SELECT {columns} FROM {_STAGE}"
                f" ON CONFLICT ({listed(Engine.POSTGRESQL, key)}) DO {action}"
            )
            self.run(f"DROP TABLE {_STAGE}")
        return count

    def _guarded(self, sql: str) -> None:
        try:
            self.run(sql)
        except psycopg.Error as error:
            if is_data_error(error):
                raise RowsRefused(reason(error)) from error
            raise

    def _copy(self, place: str, bundles: Iterator[Bundle]) -> int:
        count = 0
        try:
            with (
                self._connection.cursor() as cursor,
                cursor.copy(f"COPY {place} FROM STDIN (FORMAT csv, NULL 'NULL')".encode()) as copy,
            ):
                for bundle in bundles:
                    copy.write(without_nul(bundle.text()))
                    count += len(bundle.lines)
        except psycopg.Error as error:
            if is_data_error(error):
                raise RowsRefused(reason(error)) from error
            raise
        return count


def _quoted(name: str) -> str:
    return quoted(Engine.POSTGRESQL, name)
