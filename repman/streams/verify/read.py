"""Reads one table's rows from both sides of a stream, in the common form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from repman.streams.convert.copy_mysql import MysqlReader
from repman.streams.convert.copy_postgresql import PostgresqlReader
from repman.streams.convert.ranges import Range, condition
from repman.streams.structure import ddl
from repman.streams.structure.table import Engine, qualified, quoted
from repman.streams.types import values_sql
from repman.streams.types.types_mapped import MappedTable
from repman.streams.verify import texts as verify_texts

_BITS = 128
_MASK = (1 << _BITS) - 1
AnyReader = MysqlReader | PostgresqlReader
Row = Sequence[bytes | None]


@dataclass
class Digest:
    """The count and the checksum of some rows, which does not depend on their order."""

    rows: int = 0
    checksum: int = 0

    def add(self, row: Row) -> None:
        """Count a row in the common form."""
        self.rows += 1
        self.checksum = (self.checksum + int.from_bytes(hashed(row), "big")) & _MASK


def hashed(row: Row) -> bytes:
    """A hash of a row in the common form: NULL differs from every text, and no two rows share a spelling."""
    parts = [b"-" if value is None else b"%d:%b" % (len(value), value) for value in row]
    return hashlib.blake2b(b"".join(parts), digest_size=_BITS // 8).digest()


@dataclass(frozen=True)
class Side:
    """One end of a table, and how to read it."""

    table: MappedTable
    reader: AnyReader
    is_source: bool
    where: str = ""

    def rows(self, part: Range, more: str = "") -> Iterator[list[bytes | None]]:
        """Its rows of a range, that fulfil a further condition, in the common form."""
        turn = (verify_texts.of_source if self.is_source else verify_texts.of_target)(self.table)
        sql = self._select(part, more)
        count = len(self.table.columns)
        for many in self.reader.values(sql, count):
            for row in many:
                yield turn(row)

    def digest(self, part: Range) -> Digest:
        """The count and checksum of a range."""
        made = Digest()
        for row in self.rows(part):
            made.add(row)
        return made

    def _select(self, part: Range, more: str) -> str:
        table = self.table
        if self.is_source:
            engine = table.source_version.engine
            selected = [values_sql.value(table, column) for column in table.columns]
            source = table.source
            place = f"({source.query}) q" if source.query else qualified(engine, source.schema, source.name)
        else:
            engine = table.target_version.engine
            selected = [_target_value(engine, column.name, column.declared) for column in table.columns]
            place = ddl.name_of(table)
        conditions = [
            text
            for text in (condition(engine, table.source, part), f"({self.where})" if self.where else "", more)
            if text
        ]
        where = " WHERE " + " AND ".join(conditions) if conditions else ""
        return f"SELECT {','.join(selected)} FROM {place}{where}"


def _target_value(engine: Engine, name: str, declared: str) -> str:
    text = quoted(engine, name)
    # the text protocol prints six digits of a FLOAT
    return f"{text}*1.0e0" if engine.is_mysql and declared.upper().startswith("FLOAT") else text
