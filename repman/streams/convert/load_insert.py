"""Writes lines into a MySQL or MariaDB that does not allow LOAD DATA LOCAL, by INSERT statements of many rows.

It is several times slower.  MySQL 8 does not allow LOAD DATA LOCAL unless it is told to (``local_infile = ON``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import pymysql

from repman.streams.connection import reason
from repman.streams.convert.copy_bundle import Bundle, RowsRefused
from repman.streams.convert.load_mysql import DATA_ERRORS, MysqlLoader
from repman.streams.structure.table import Engine, listed
from repman.streams.types import values_rows
from repman.streams.types.types_mapped import MappedTable

_STATEMENT = 1 << 20
"""Bytes of one statement; a longer row has one of its own."""
_FIELD = re.compile(rb'"((?:[^"]|"")*)"|([^,]*)')
Literal = Callable[[bytes], bytes]


def fields_of(line: bytes) -> list[tuple[bytes, bool]]:
    """The fields of a line, each with whether it stood in quotes."""
    made = []
    at = 0
    while at <= len(line):
        match = _FIELD.match(line, at)
        assert match is not None
        quoted = match[1] is not None
        made.append((match[1].replace(b'""', b'"') if quoted else match[2], quoted))
        at = match.end() + 1
    return made


def _text(value: bytes) -> bytes:
    escaped = value.replace(b"\\", b"\\\\").replace(b"'", b"''").replace(b"\0", b"\\0")
    return b"'" + escaped + b"'"


def _digits(value: bytes) -> bytes:
    return b"UNHEX('" + value + b"')"


def row_of(line: bytes, literals: Sequence[Literal]) -> bytes:
    """A line as a row of VALUES."""
    parts = [
        b"NULL" if value == values_rows.NULL and not quoted else literal(value)
        for (value, quoted), literal in zip(fields_of(line), literals, strict=True)
    ]
    return b"(" + b",".join(parts) + b")"


class MysqlInserter(MysqlLoader):
    """A session of the target."""

    def _load(self, table: MappedTable, place: str, bundles: Iterator[Bundle]) -> int:
        literals = [_digits if values_rows.load_expression(table, column) else _text for column in table.columns]
        head = (
            f"INSERT INTO {place} ({listed(Engine.MYSQL, [column.name for column in table.columns])}) VALUES ".encode()
        )
        count = 0
        for bundle in bundles:
            rows: list[bytes] = []
            size = 0
            for line in bundle.lines:
                rows.append(row_of(line, literals))
                size += len(rows[-1])
                if size >= _STATEMENT:
                    self._insert(head, rows)
                    rows, size = [], 0
            if rows:
                self._insert(head, rows)
            count += len(bundle.lines)
        return count

    def _insert(self, head: bytes, rows: Sequence[bytes]) -> None:
        try:
            self._connection.query(head + b",".join(rows))
        except pymysql.err.Error as error:
            if error.args and error.args[0] in DATA_ERRORS:
                raise RowsRefused(reason(error)) from error
            raise
