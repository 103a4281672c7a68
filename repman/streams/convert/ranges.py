"""Ranges of a table's primary key: a large table is copied, verified and repaired in parts of a bounded size.

A range holds the rows above its lower end up to its upper end, which is included; the first and the last one are open,
so that together they always hold every row, whenever each of them is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repman.streams.structure.table import Engine, Table, literal, quoted

RANGE_BYTES = 24 << 20
"""What a range should hold: seconds of work, so that little is done twice after a crash."""
RANGE_ROWS = 400_000
_FEWEST_ROWS = 1000
_INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "int2", "int4", "int8"})
_SPLITTABLE = {
    True: _INTEGERS | {"decimal", "date", "datetime", "timestamp", "char", "varchar", "uuid", "year"},
    False: _INTEGERS | {"numeric", "date", "timestamp", "timestamptz", "varchar", "text", "uuid"},
}
"""Types whose text can be compared with; by whether the server is of MySQL's kind."""

End = tuple[str, ...]
"""The key's values at an end of a range, as text."""


@dataclass(frozen=True, slots=True)
class Range:
    """Rows of a table by its primary key; without ends, all of them."""

    low: End | None = None
    high: End | None = None


WHOLE = Range()


def key_of(engine: Engine, table: Table) -> tuple[str, ...]:
    """The columns that ranges are made of; empty when the table cannot be divided."""
    if table.primary is None or table.query or not table.primary.columns:
        return ()
    names = table.primary.columns
    if any(table.column(name).type.name not in _SPLITTABLE[engine.is_mysql] for name in names):
        return ()
    if any(
        table.column(name).type.dimensions or part.prefix for name, part in zip(names, table.primary.parts, strict=True)
    ):
        return ()
    return names


def condition(engine: Engine, table: Table, part: Range) -> str:
    """The range in SQL; empty when it holds all rows."""
    columns = key_of(engine, table)
    names = [quoted(engine, name) for name in columns]
    parts = []
    if part.low is not None:
        parts.append(_beyond(names, _literals(engine, table, columns, part.low), ">", ">"))
    if part.high is not None:
        parts.append(_beyond(names, _literals(engine, table, columns, part.high), "<", "<="))
    return " AND ".join(parts)


def _literals(engine: Engine, table: Table, columns: Sequence[str], end: End) -> list[str]:
    return [
        text if table.column(name).type.name in _INTEGERS else literal(engine, text)
        for name, text in zip(columns, end, strict=True)
    ]


def _beyond(names: Sequence[str], values: Sequence[str], sign: str, last: str) -> str:
    """A comparison of all columns in the order of the key, in a form whose first part every optimizer can use."""
    if len(names) == 1:
        return f"{names[0]} {last} {values[0]}"
    made = f"{names[-1]} {last} {values[-1]}"
    for name, value in zip(reversed(names[:-1]), reversed(values[:-1]), strict=True):
        made = f"({name} {sign} {value} OR ({name} = {value} AND {made}))"
    return f"({names[0]} {sign}= {values[0]} AND {made})"


def wanted(table: Table) -> int:
    """Into how many ranges a table should be divided."""
    by_bytes = -(-table.estimated_bytes // RANGE_BYTES)
    by_rows = -(-table.estimated_rows // RANGE_ROWS)
    return max(1, min(max(by_bytes, by_rows), table.estimated_rows // _FEWEST_ROWS))


def between(ends: Sequence[End]) -> tuple[Range, ...]:
    """The ranges that these ends divide a table into."""
    lows: list[End | None] = [None, *ends]
    highs: list[End | None] = [*ends, None]
    return tuple(Range(low, high) for low, high in zip(lows, highs, strict=True))


def divide(
    engine: Engine, table: Table, place: str, ask: Callable[[str], Sequence[Sequence[object]]]
) -> tuple[Range, ...]:
    """The ranges of a table, whose quoted name is `place`; `ask` runs a query on the source.

    A single integer is divided evenly between its ends; otherwise the key is walked from end to end.
    """
    columns = key_of(engine, table)
    count = wanted(table)
    if not columns or count == 1:
        return (WHOLE,)
    names = [quoted(engine, name) for name in columns]
    if len(columns) == 1 and table.column(columns[0]).type.name in _INTEGERS:
        low, high = ask(f"SELECT min({names[0]}), max({names[0]}) FROM {place}")[0]
        if low is None or high is None:
            return (WHOLE,)
        first, last = int(str(low)), int(str(high))
        cuts = sorted({first + (last - first) * number // count for number in range(1, count)} - {last})
        return between([(str(cut),) for cut in cuts])
    return between(_walk(engine, table, place, count, ask))


def _walk(
    engine: Engine, table: Table, place: str, count: int, ask: Callable[[str], Sequence[Sequence[object]]]
) -> list[End]:
    columns = key_of(engine, table)
    names = [quoted(engine, name) for name in columns]
    kind = "CHAR" if engine.is_mysql else "text"
    texts = ", ".join(f"CAST({name} AS {kind})" for name in names)
    step = max(_FEWEST_ROWS, table.estimated_rows // count)
    ends: list[End] = []
    low: End | None = None
    while True:
        where = condition(engine, table, Range(low, None))
        found = ask(
            f"SELECT {texts} FROM {place}{' WHERE ' + where if where else ''}"
            f" ORDER BY {', '.join(names)} LIMIT 1 OFFSET {step - 1}"
        )
        if not found:
            return ends
        low = tuple(str(value) for value in found[0])
        ends.append(low)
