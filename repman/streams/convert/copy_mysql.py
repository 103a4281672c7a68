"""Reads rows of MySQL and MariaDB as the loader's lines.

As a rule the server joins each row to one text (`repman.streams.types.values_sql`), so that a row costs us one slice of the
received bytes.  PyMySQL sends the query and reads its heading; the rows are taken from its socket here, as its own
reading of them is several times slower.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

import pymysql
from pymysql.constants import COMMAND

from repman.streams.connection import Mysql
from repman.streams.convert.copy_bundle import BUNDLE_ROWS, Bundle, RowTooLarge
from repman.streams.convert.copy_packets import Packets, split
from repman.streams.convert.ranges import Range, condition
from repman.streams.structure.table import Engine, qualified
from repman.streams.types import values_rows, values_sql
from repman.streams.types.types_mapped import MappedTable

_ROOM = 4
"""How many times smaller than the server's longest packet the text of a row should be."""


class MysqlReader:
    """A session of the source within one snapshot."""

    def __init__(self, connection: Mysql) -> None:
        self._connection: Any = connection

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(part.decode() if isinstance(part, bytes) else part for part in row) for row in cursor]

    def close(self) -> None:
        """End the session; when rows are still under way, without a word."""
        self._connection._force_close()

    def bundles(
        self, table: MappedTable, part: Range, where: str, *, by_column: bool = False
    ) -> Generator[Bundle, None, None]:
        """The rows of a range that fulfil a condition, in the order of the key.  Raises RowTooLarge."""
        fields = [None if by_column else values_sql.field(table, column) for column in table.columns]
        if all(fields):
            # CONCAT gives NULL for the whole row when one part of it is NULL, which says that it was too large
            selected = ",',',".join(text for text in fields if text)
            yield from _bundles(self._packets(_select(table, part, where, f"CONCAT({selected},'')")))
            return
        selected = ",".join(values_sql.value(table, column) for column in table.columns)
        make = values_rows.line(values_rows.fields(table))
        # two columns at least, as the text of a single one comes without its packet
        packets = self._packets(_select(table, part, where, f"{selected},NULL"))
        count = len(table.columns)
        yield from _bundles([make(split(packet, count)) for packet in many] for many in packets)

    def values(self, sql: str, columns: int) -> Iterator[list[tuple[bytes | None, ...]]]:
        """The rows of a SELECT of so many columns as the server prints them, some at a time."""
        # two columns at least, as the text of a single one comes without its packet
        for many in self._packets(sql.replace("SELECT ", "SELECT NULL,", 1)):
            yield [split(packet, columns + 1)[1:] for packet in many]

    def _packets(self, sql: str) -> Iterator[list[bytes]]:
        """The packets of a query's rows, some at a time; the row's text itself when it has one column.

        When it is closed early the rest is read and thrown away, so that the session keeps its snapshot.
        """
        connection = self._connection
        connection._execute_command(COMMAND.COM_QUERY, sql.encode())
        head = connection._read_packet()
        columns = head.read_length_encoded_integer()
        for _ in range(columns + 1):
            connection._read_packet()
        packets = Packets(connection._rfile, one_text=columns == 1)
        try:
            while (many := packets.read()) is not None:
                yield many
        finally:
            with contextlib.suppress(pymysql.err.Error, OSError, ValueError):
                packets.drain()


def _select(table: MappedTable, part: Range, where: str, selected: str) -> str:
    source = table.source
    place = f"({source.query}) q" if source.query else qualified(Engine.MYSQL, source.schema, source.name)
    conditions = [text for text in (condition(Engine.MYSQL, source, part), f"({where})" if where else "") if text]
    return f"SELECT {selected} FROM {place}" + (" WHERE " + " AND ".join(conditions) if conditions else "")


def _bundles(lines: Iterator[list[bytes]]) -> Iterator[Bundle]:
    for many in lines:
        if b"" in many:
            raise RowTooLarge
        for start in range(0, len(many), BUNDLE_ROWS):
            some = many[start : start + BUNDLE_ROWS]
            yield Bundle(some, sum(map(len, some)))


def fits_a_line(table: MappedTable) -> bool:
    """Whether the source's average row is so small that its server may join it to one text."""
    rows = max(1, table.source.estimated_rows)
    return table.source.estimated_bytes // rows * _ROOM < table.source_version.packet
