"""What a change of a source table's structure means for its target."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from repman.errors import StreamFailed
from repman.streams.cdc.binlog_ddl import Clause, Kind, columns_after
from repman.streams.cdc.changes import Act, AddColumn, DropColumn, RenameColumn, RetypeColumn
from repman.streams.cdc.pgoutput_messages import Relation
from repman.streams.cdc.shape import Shape
from repman.streams.structure import ddl_mysql, ddl_postgresql
from repman.streams.structure.table import Column, Type
from repman.streams.types.types_mapped import Mapped, MappedTable

Look = Callable[[Shape], MappedTable | None]
"""The table as the source's catalog has it now, mapped; None when it is gone."""
_TYPE = re.compile(r"([a-z ]+?)\s*(?:\((\d+)(?:\s*,\s*(\d+))?\))?\s*((?:CHARACTER SET|COLLATE) .*)?", re.IGNORECASE)
_GROWTH = (
    ("tinyint", "smallint", "mediumint", "int", "integer", "bigint"),
    ("real", "double precision"),
    ("float", "double"),
)
_ZERO = re.compile(r"(tinyint|smallint|mediumint|int|integer|bigint|numeric|decimal|real|double|float)", re.IGNORECASE)
_EMPTY = re.compile(r"(varchar|text|char|longtext)", re.IGNORECASE)


class Evolution:
    """Moves shapes on.  `look` asks the source's catalog, which may be ahead of the log."""

    def __init__(self, look: Look, restricted: Sequence[bool]) -> None:
        self._look = look
        self._restricted = tuple(restricted)
        """By table: whether the user has chosen its columns, so that new ones are not followed."""

    def by_clauses(self, shape: Shape, clauses: Sequence[Clause]) -> tuple[list[Act], Shape]:
        """After an ALTER TABLE of MySQL.  Raises StreamFailed when a person has to look at it."""
        names = columns_after(shape.names, clauses)
        now = self._look(shape)
        columns = {column.name: column for column in shape.mapped.columns}
        acts: list[Act] = []
        for clause in clauses:
            name = _spelled(shape, clause.column)
            if clause.kind is Kind.ADD:
                acts += self._added(shape, now, clause.column, columns)
            elif clause.kind is Kind.DROP:
                acts += _dropped(shape, name, columns)
            else:
                acts += _changed(shape, now, name, clause.new_name or name, columns, clause.kind is Kind.MODIFY)
        renamed = {_spelled(shape, c.column): c.new_name for c in clauses if c.new_name}
        return acts, _after(shape, columns, _described(shape, now, names, renamed), acts)

    def by_relation(self, shape: Shape, relation: Relation) -> tuple[list[Act], Shape]:
        """After PostgreSQL described a table anew.  Raises StreamFailed when a person has to look at it."""
        names = [column.name for column in relation.columns]
        now = self._look(shape)
        columns = {column.name: column for column in shape.mapped.columns}
        acts: list[Act] = []
        renamed = _renamed(shape, names)
        for old, new in renamed.items():
            acts += _changed(shape, now, old, new, columns, True)
        for name in shape.names:
            if name in names:
                acts += _changed(shape, now, name, name, columns, True)
            elif name not in renamed:
                if now is not None and now.mapped(name) is not None:
                    raise StreamFailed(
                        f"{shape.followed.name} has a column {name} by now that it had not where the stream reads: "
                        "start a new stream with a snapshot"
                    )
                acts += _dropped(shape, name, columns)
        known = {*shape.names, *renamed.values()}
        for name in names:
            if name not in known:
                acts += self._added(shape, now, name, columns)
        return acts, _after(shape, columns, _described(shape, now, names, renamed), acts)

    def retyped(self, shape: Shape) -> tuple[list[Act], Shape]:
        """When types of columns of PostgreSQL may have changed: the catalog tells."""
        now = self._look(shape)
        columns = {column.name: column for column in shape.mapped.columns}
        acts: list[Act] = []
        for name in shape.names:
            acts += _changed(shape, now, name, name, columns, True)
        return acts, _after(shape, columns, shape.columns, acts) if acts else shape

    def _added(self, shape: Shape, now: MappedTable | None, name: str, columns: dict[str, Mapped]) -> list[Act]:
        mapped = now.mapped(name) if now is not None else None
        if mapped is None or now is None or self._restricted[shape.followed.number]:
            # the source has dropped it again since, or it is none that the user has chosen
            return []
        columns[name] = mapped
        return [AddColumn(shape.followed.number, name, name, _definition(now, mapped))]


def _spelled(shape: Shape, name: str) -> str:
    """A column's name as the table has it: MySQL's statements may spell it in any case."""
    return next((known for known in shape.names if known.lower() == name.lower()), name)


def _renamed(shape: Shape, names: Sequence[str]) -> dict[str, str]:
    """Columns of PostgreSQL that have another name at the same place: old and new."""
    if len(names) != len(shape.names):
        return {}
    pairs = {old: new for old, new in zip(shape.names, names, strict=True) if old != new}
    if shape.names[-1] in pairs:
        raise StreamFailed(
            f"the last column of {shape.followed.name} was renamed, or dropped and another added, which cannot be told "
            "apart: do the same in the target, and start a new stream"
        )
    return pairs


def _dropped(shape: Shape, name: str, columns: dict[str, Mapped]) -> list[Act]:
    if name not in columns or name not in shape.followed.columns:
        return []
    if shape.followed.columns.index(name) in shape.followed.key:
        raise StreamFailed(
            f"{shape.followed.name} has lost {name}, a column of the key by which its rows are found again: "
            "start a new stream with a snapshot"
        )
    del columns[name]
    return [DropColumn(shape.followed.number, name, name)]


def _changed(
    shape: Shape, now: MappedTable | None, name: str, new_name: str, columns: dict[str, Mapped], retyped: bool
) -> list[Act]:
    old = columns.get(name)
    if old is None or name not in shape.followed.columns:
        return []
    number = shape.followed.number
    acts: list[Act] = []
    new = now.mapped(new_name) if now is not None and retyped else None
    if new is not None and new.declared != old.declared:
        if not widens(old.declared, new.declared):
            raise StreamFailed(
                f"column {name} of {shape.followed.name} has changed its type from {old.source.type.full} to "
                f"{new.source.type.full}, which may lose values: do the same in the target, and start a new stream"
            )
        acts.append(RetypeColumn(number, name, name, new.declared))
    if new_name != name:
        acts.append(RenameColumn(number, name, name, new_name))
    del columns[name]
    columns[new_name] = new or replace(old, source=replace(old.source, name=new_name))
    return acts


def _described(shape: Shape, now: MappedTable | None, names: Sequence[str], renamed: Mapping[str, str]) -> list[Column]:
    """The columns of those names: as they were, or else as the catalog has them now."""
    known = {column.name: column for column in now.source.columns} if now is not None else {}
    known |= {column.name: column for column in shape.columns if column.name not in renamed}
    for old, new in renamed.items():
        known[new] = replace(known.get(old, Column(old, Type("", ""))), name=new)
    return [known.get(name, Column(name, Type("", ""))) for name in names]


def _after(shape: Shape, columns: dict[str, Mapped], described: Sequence[Column], acts: Sequence[Act]) -> Shape:
    renamed = {act.column: act.new_target_column for act in acts if isinstance(act, RenameColumn)}
    followed = [renamed.get(name, name) for name in shape.followed.columns]
    followed += [act.column for act in acts if isinstance(act, AddColumn)]
    described = [columns[column.name].source if column.name in columns else column for column in described]
    kept = tuple(columns[column.name] for column in described if column.name in columns)
    mapped = replace(shape.mapped, columns=kept)
    before = replace(shape.followed, columns=tuple(renamed.get(name, name) for name in shape.followed.columns))
    return replace(shape, followed=before).reshaped(mapped, described, followed)


def widens(old: str, new: str) -> bool:
    """Whether every value of the one type of the target is one of the other."""
    one, other = _TYPE.fullmatch(old.strip()), _TYPE.fullmatch(new.strip())
    if one is None or other is None or (one[4] or "") != (other[4] or ""):
        return False
    first, second = one[1].lower(), other[1].lower()
    if first == second:
        whole = int(one[2] or 0) - int(one[3] or 0) <= int(other[2] or 0) - int(other[3] or 0)
        return not other[2] or (bool(one[2]) and whole and int(one[3] or 0) <= int(other[3] or 0))
    if second in ("text", "longtext"):
        return first in ("varchar", "character varying", "text", "char", "character")
    return any(
        first in family and second in family and family.index(first) < family.index(second) for family in _GROWTH
    )


def _definition(table: MappedTable, column: Mapped) -> str:
    """Type, NOT NULL and default of a column that is added to a table which has rows."""
    default = column.source.default
    ddl = ddl_mysql if table.target_version.engine.is_mysql else ddl_postgresql
    if default is not None and default.expression and default.text.upper() != "NULL":
        raise StreamFailed(
            f"{table.source.name} has a new column {column.name} with the default {default.text}, whose values in old "
            "rows the source does not log: add it to the target by hand, and start a new stream with a snapshot"
        )
    text = ddl.default_of(table, column)
    if text is None and not column.nullable:
        # MySQL gives old rows such a value by itself
        text = "0" if _ZERO.match(column.declared) else "''" if _EMPTY.match(column.declared) else None
        if text is None:
            return column.declared
    return f"{column.declared}{'' if column.nullable else ' NOT NULL'}{f' DEFAULT {text}' if text is not None else ''}"
