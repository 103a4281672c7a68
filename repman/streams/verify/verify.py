"""Compares what a stream has copied with its source, range by range, and repairs what differs.

A range is equal when both sides have the same number of rows and the same checksum of them.  Of one that is not, every
row is compared by its key.  While the source is written to, rows may differ for a moment without being wrong.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from repman.streams import connection as connections
from repman.streams.convert import ranges
from repman.streams.convert.copy_bundle import Loader
from repman.streams.convert.copy_mysql import MysqlReader
from repman.streams.convert.copy_postgresql import PostgresqlReader
from repman.streams.convert.ranges import WHOLE, Range
from repman.streams.job import Endpoint, Family, StreamSettings, TableChoice
from repman.streams.structure import ddl
from repman.streams.structure.table import Engine, literal, qualified, quoted
from repman.streams.types.types_mapped import MappedTable, Rule
from repman.streams.verify.read import AnyReader, Side, hashed

_MOST_KEYS = 200_000
"""Keys of a range that are held at once; a larger one is compared in as many passes as it takes."""
_AT_ONCE = 200
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "int2", "int4", "int8"})

Key = tuple[bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs in one range of a table.  Without a key of the table only the counts tell something."""

    table: str
    part: Range
    source_rows: int
    target_rows: int
    missing: tuple[Key, ...] = ()
    """Keys that the target does not have."""
    other: tuple[Key, ...] = ()
    """Keys whose rows differ."""
    surplus: tuple[Key, ...] = ()
    """Keys that only the target has."""

    def sentence(self) -> str:
        """For the user."""
        return (
            f"{self.table} differs: {self.source_rows} rows in the source, {self.target_rows} in the target;"
            f" {len(self.missing)} missing, {len(self.other)} different, {len(self.surplus)} too many"
        )


def compare(
    settings: StreamSettings, chosen: Sequence[tuple[TableChoice, MappedTable]], stop: threading.Event
) -> list[str]:
    """Sentences about all that differs; empty when all is equal, or `stop` was set.  Raises StreamUnreachable."""
    found: list[str] = []
    for choice, table in chosen:
        with sides(settings, choice, table) as (source, target):
            found += [difference.sentence() for difference in differences(source, target, choice.name, stop.is_set)]
    return found


def open_reader(endpoint: Endpoint) -> AnyReader:
    """A session that reads rows.  Raises StreamUnreachable."""
    if endpoint.family is Family.MYSQL:
        return MysqlReader(connections.mysql(endpoint))
    return PostgresqlReader(connections.postgresql(endpoint))


@contextlib.contextmanager
def sides(settings: StreamSettings, choice: TableChoice, table: MappedTable) -> Iterator[tuple[Side, Side]]:
    """Both ends of a table.  Raises StreamUnreachable."""
    with (
        contextlib.closing(open_reader(settings.source)) as source,
        contextlib.closing(open_reader(settings.target)) as target,
    ):
        yield Side(table, source, True, choice.where), Side(table, target, False)


def differences(source: Side, target: Side, name: str, halted: Callable[[], bool]) -> Iterator[Difference]:
    """The ranges that are not equal, each with the keys that differ."""
    for part in _parts(source):
        if halted():
            return
        here, there = source.digest(part), target.digest(part)
        if here == there:
            continue
        yield _by_key(source, target, name, part, here.rows, there.rows)


def _parts(source: Side) -> tuple[Range, ...]:
    """Ranges that mean the same on both sides: texts have another order there, integers have not."""
    table, engine = source.table.source, source.table.source_version.engine
    columns = ranges.key_of(engine, table)
    if not columns or any(table.column(name).type.name not in _INTEGERS for name in columns):
        return (WHOLE,)
    return ranges.divide(engine, table, qualified(engine, table.schema, table.name), source.reader.ask)


def _by_key(source: Side, target: Side, name: str, part: Range, here: int, there: int) -> Difference:
    key = ddl.primary_columns(source.table)
    if not key:
        return Difference(name, part, here, there)
    at = [number for number, column in enumerate(source.table.columns) if column.name in key]
    missing: list[Key] = []
    other: list[Key] = []
    surplus: list[Key] = []
    passes = max(here, there) // _MOST_KEYS + 1
    for number in range(passes):
        left = dict(_keyed(source, part, at, passes, number))
        for found, digest in _keyed(target, part, at, passes, number):
            mine = left.pop(found, None)
            if mine is None:
                surplus.append(found)
            elif mine != digest:
                other.append(found)
        missing += left
    return Difference(name, part, here, there, tuple(missing), tuple(other), tuple(surplus))


def _keyed(side: Side, part: Range, at: Sequence[int], passes: int, number: int) -> Iterator[tuple[Key, bytes]]:
    for row in side.rows(part):
        key = tuple(row[index] for index in at)
        if passes == 1 or hashed(key)[0] % passes == number:
            yield key, hashed(row)


def repair(source: Side, target: Side, loader: Loader, found: Difference) -> int:
    """Copy the rows that are missing or differ once more and delete those that are too many; how many rows it wrote.

    Each step is one transaction.  Only tables with a key whose text names a row can be repaired row by row; of another
    one nothing is done.
    """
    table = source.table
    if not can_repair(table):
        return 0
    written = 0
    keys = [*found.other, *found.surplus, *found.missing]
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        mine = _of_keys(table, table.source_version.engine, some)
        theirs = _of_keys(table, table.target_version.engine, some)
        where = f"({source.where}) AND {mine}" if source.where else mine
        with (
            contextlib.closing(source.reader.bundles(table, WHOLE, where, by_column=True)) as bundles,
            loader.transaction(),
        ):
            loader.run(f"DELETE FROM {ddl.name_of(table)} WHERE {theirs}")
            written += loader.load(table, bundles)
    return written


def can_repair(table: MappedTable) -> bool:
    """Whether its rows can be looked up by the common form of their key."""
    key = ddl.primary_columns(table)
    plain = (Rule.PLAIN, Rule.TEXT, Rule.DATE, Rule.DATETIME, Rule.INSTANT, Rule.NUMBER)
    return bool(key) and all((found := table.mapped(name)) and found.rule in plain for name in key)


def _of_keys(table: MappedTable, engine: Engine, keys: Sequence[Key]) -> str:
    names = [quoted(engine, column.name) for column in table.columns if column.name in ddl.primary_columns(table)]
    rows = []
    for key in keys:
        texts = [literal(engine, (value or b"").decode()) for value in key]
        rows.append("(" + " AND ".join(f"{name} = {text}" for name, text in zip(names, texts, strict=True)) + ")")
    return "(" + " OR ".join(rows) + ")"
