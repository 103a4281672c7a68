"""Reads rows of PostgreSQL as the loader's lines, by COPY.

COPY sends each row as a message of its own, so that a row is a line whatever line ends its texts hold.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

import psycopg

from repman.streams.connection import Postgresql
from repman.streams.convert.copy_bundle import BUNDLE_BYTES, BUNDLE_ROWS, Bundle
from repman.streams.convert.ranges import Range, condition
from repman.streams.structure.table import Engine, qualified
from repman.streams.types import values_rows, values_sql
from repman.streams.types.types_mapped import MappedTable

_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class PostgresqlReader:
    """A session of the source within one snapshot."""

    def __init__(self, connection: Postgresql) -> None:
        self._connection = connection

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""
        return [tuple(row) for row in self._connection.execute(sql.encode()).fetchall()]

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def bundles(
        self, table: MappedTable, part: Range, where: str, *, by_column: bool = False
    ) -> Generator[Bundle, None, None]:
        """The rows of a range that fulfil a condition."""
        fields = [None if by_column else values_sql.field(table, column) for column in table.columns]
        if all(fields):
            selected = ",".join(text for text in fields if text)
            sql = f"COPY ({_select(table, part, where, selected)}) TO STDOUT (FORMAT csv, NULL 'NULL')"
            yield from self._bundles(sql)
            return
        selected = ",".join(values_sql.value(table, column) for column in table.columns)
        make = values_rows.line(values_rows.fields(table))
        for rows in self.values(_select(table, part, where, selected), len(table.columns)):
            lines = [make(row) for row in rows]
            yield Bundle(lines, sum(map(len, lines)))

    def _bundles(self, sql: str) -> Iterator[Bundle]:
        # a savepoint, so that the snapshot outlives a copy that is given up
        with self._connection.transaction(), self._connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            lines: list[bytes] = []
            size = 0
            for block in copy:
                line = bytes(block)[:-1]
                lines.append(line)
                size += len(line)
                if size >= BUNDLE_BYTES or len(lines) >= BUNDLE_ROWS:
                    yield Bundle(lines, size)
                    lines, size = [], 0
            if lines:
                yield Bundle(lines, size)

    def values(self, sql: str, columns: int) -> Iterator[list[tuple[bytes | None, ...]]]:
        """The rows of a SELECT of so many columns as the server prints them, some at a time."""
        with (
            self._connection.transaction(),
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT text)".encode()) as copy,
        ):
            rows: list[tuple[bytes | None, ...]] = []
            size = 0
            for block in copy:
                line = bytes(block)[:-1]
                rows.append(split(line))
                size += len(line)
                if size >= BUNDLE_BYTES or len(rows) >= BUNDLE_ROWS:
                    yield rows
                    rows, size = [], 0
            if rows:
                yield rows


def _select(table: MappedTable, part: Range, where: str, selected: str) -> str:
    source = table.source
    place = f"({source.query}) q" if source.query else qualified(Engine.POSTGRESQL, source.schema, source.name)
    conditions = [text for text in (condition(Engine.POSTGRESQL, source, part), f"({where})" if where else "") if text]
    return f"SELECT {selected} FROM {place}" + (" WHERE " + " AND ".join(conditions) if conditions else "")


def split(line: bytes) -> tuple[bytes | None, ...]:
    r"""The values of a line of COPY's text format: ``\N`` is NULL, backslashes escape."""
    return tuple(
        None if value == b"\\N" else _ESCAPE.sub(_unescaped, value) if b"\\" in value else value
        for value in line.split(b"\t")
    )


def _unescaped(match: re.Match[bytes]) -> bytes:
    return _ESCAPED.get(match[1], match[1])


def is_data_error(error: psycopg.Error) -> bool:
    """Whether a value, not the circumstances, is at fault."""
    state = error.sqlstate or ""
    return state[:2] in ("22", "23")
