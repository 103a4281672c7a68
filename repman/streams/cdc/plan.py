"""Which tables a stream of changes follows, by which key, and what stands against that; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repman.streams.cdc import fields as cdc_fields
from repman.streams.cdc.changes import Followed
from repman.streams.cdc.shape import Shape
from repman.streams.job import Operation, TableChoice
from repman.streams.structure.table import Engine, Key, Table
from repman.streams.types.types_mapped import MappedTable

ACTING = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""What a foreign key may do to rows of its own table."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The tables that are followed, and why some cannot be."""

    shapes: tuple[Shape, ...]
    problems: tuple[str, ...] = ()


def plan(
    choices: Sequence[TableChoice],
    mapped: Sequence[MappedTable],
    targets: Mapping[tuple[str, str], Table],
) -> Plan:
    """The shapes of all tables; `targets` are those that the target has already, by schema and name."""
    shapes, problems = [], []
    for number, (choice, table) in enumerate(zip(choices, mapped, strict=True)):
        target = targets.get((table.schema, table.name))
        shapes.append(_shape(number, choice, table, target))
        problems += _problems(choice, table, target, shapes[-1].followed)
    problems += _cascades(choices, mapped)
    return Plan(tuple(shapes), tuple(problems))


def _shape(number: int, choice: TableChoice, table: MappedTable, target: Table | None) -> Shape:
    source = table.source
    # pgoutput leaves generated columns out, binary logs have them
    shown = source.columns if table.source_version.engine.is_mysql else source.written
    columns = tuple(column.name for column in shown if table.mapped(column.name) is not None)
    key = key_of(source, columns)
    followed = Followed(
        number=number,
        name=choice.name,
        schema=source.schema,
        table=source.name,
        target_schema=table.schema,
        target_table=table.name,
        columns=columns,
        target_columns=columns,
        key=tuple(columns.index(name) for name in key),
        operations=choice.operations,
        other_unique=_has_other_unique(target or source, key),
    )
    return Shape(followed, table, tuple(shown))


def key_of(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns by which a row is found again: the primary key, or a unique key without NULL; empty: there is none."""
    candidates = [table.primary, *(key for key in table.keys if key.unique)]
    for key in candidates:
        if key is None or key.where or not key.columns or any(part.prefix for part in key.parts):
            continue
        if not all(name in columns for name in key.columns):
            continue
        if key is table.primary or not any(table.column(name).nullable for name in key.columns):
            return key.columns
    return ()


def _has_other_unique(table: Table, key: Sequence[str]) -> bool:
    keys = [table.primary, *table.keys]
    return any(other is not None and _is_unique(table, other) and set(other.columns) != set(key) for other in keys)


def _is_unique(table: Table, key: Key) -> bool:
    return key.unique or key is table.primary


def _problems(choice: TableChoice, table: MappedTable, target: Table | None, followed: Followed) -> list[str]:
    found = []
    name = choice.name
    if choice.query or choice.where:
        found.append(f"{name}: a query or condition cannot be followed; leave it out, or use mode convert")
    if not followed.key and choice.operations - {Operation.INSERT}:
        found.append(
            f"{name} has no primary key, and no unique key without NULL, by which its rows could be found again: "
            "give it one, or follow its inserts only (operations)"
        )
    if target is not None:
        found += _against(name, target, followed)
    for column in table.columns:
        found += _of_column(name, table, column.name)
    if not table.source_version.engine.is_mysql:
        found += _identity(name, table.source, followed)
    return found


def _against(name: str, target: Table, followed: Followed) -> list[str]:
    """What the target's own table has against it."""
    there = {column.name for column in target.columns}
    missing = [column for column in followed.target_columns if column not in there]
    found = []
    if missing:
        found.append(
            f"the target's table {target.name} has no column {', '.join(missing)}: add it, or leave it out of {name}"
        )
    key = {followed.target_columns[place] for place in followed.key}
    keys = [target.primary, *(each for each in target.keys if each.unique and not each.where)]
    if key and not any(each is not None and set(each.columns) == key for each in keys):
        found.append(
            f"the target's table {target.name} has no primary or unique key of {', '.join(sorted(key))}, by which rows of "
            f"{name} are found again: add one"
        )
    return found


def _of_column(name: str, table: MappedTable, column: str) -> list[str]:
    source = table.source.column(column)
    if table.source_version.engine is Engine.MYSQL and source.type.name == "json":
        return [f"{name}.{column} is JSON of MySQL, whose binary form is not decoded: leave the column out"]
    if table.source_version.engine.is_mysql:
        try:
            cdc_fields.codec(source.type.charset)
        except KeyError:
            return [
                f"{name}.{column} has the character set {source.type.charset}, which cannot be read from the binary log"
            ]
        return []
    if source.generated:
        return [f"{name}.{column} is generated, and PostgreSQL does not log it: leave it out of the table's columns"]
    return []


def _identity(name: str, table: Table, followed: Followed) -> list[str]:
    """Whether PostgreSQL logs the key of changed and deleted rows."""
    if not followed.operations - {Operation.INSERT}:
        return []
    if table.identity in ("n", "i") or (table.identity == "d" and table.primary is None):
        return [
            f"{name} has no replica identity of which this stream knows: give it a primary key and "
            f"ALTER TABLE {name} REPLICA IDENTITY DEFAULT (or FULL), or follow its inserts only (operations)"
        ]
    return []


def _cascades(choices: Sequence[TableChoice], mapped: Sequence[MappedTable]) -> list[str]:
    """What InnoDB's foreign keys change in rows is in no binary log."""
    found = []
    for choice, table in zip(choices, mapped, strict=True):
        if not table.source_version.engine.is_mysql:
            continue
        for key in table.source.foreign_keys:
            if {key.on_delete.upper(), key.on_update.upper()} & ACTING:
                found.append(
                    f"{choice.name}: the foreign key {key.name} changes rows by itself (ON DELETE {key.on_delete}, "
                    f"ON UPDATE {key.on_update}), which the source does not log: make it RESTRICT, or leave the table out"
                )
    return found
