"""From the source's structure to what is to be in the target: names, columns, types; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from repman.errors import StreamFailed
from repman.streams.job import Endpoint, StreamSettings, TableChoice
from repman.streams.structure.table import Column, Engine, Structure, Table, Version
from repman.streams.types.types_mapped import Facts, Mapped, MappedTable, Wishes
from repman.streams.types.types_same import to_same
from repman.streams.types.types_to_mysql import to_mysql
from repman.streams.types.types_to_postgresql import to_postgresql

_LONGEST_NAME = {Engine.POSTGRESQL: 63, Engine.MYSQL: 64, Engine.MARIADB: 64}
"""PostgreSQL counts bytes, MySQL characters."""
_HASHED = 8

Place = tuple[str, str]
"""A table's schema (MySQL: database) and name."""


def place_of(endpoint: Endpoint, name: str) -> Place:
    """The schema and name that a table's name of the API means: ``table`` or, for PostgreSQL, ``schema.table``.

    A name with a dot that is meant as a whole has its default schema before it: ``public.a.b``.
    """
    if endpoint.family == "mysql":
        prefix = endpoint.database + "."
        return endpoint.database, name.removeprefix(prefix) if name != prefix else name
    schema, dot, table = name.partition(".")
    return (schema, table) if dot and table else (endpoint.schema or "public", name)


def fitting_name(engine: Engine, name: str) -> str:
    """The name itself, or where it is too long for the engine its beginning and a hash of all of it."""
    longest = _LONGEST_NAME[engine]
    if engine.is_mysql:
        if len(name) <= longest:
            return name
        return name[: longest - _HASHED - 1] + "_" + _hash(name)
    raw = name.encode()
    if len(raw) <= longest:
        return name
    return raw[: longest - _HASHED - 1].decode(errors="ignore") + "_" + _hash(name)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:_HASHED]


def target_place(settings: StreamSettings, target: Version, choice: TableChoice) -> Place:
    """Where a table goes."""
    source_schema, source_name = place_of(settings.source, choice.name)
    schema = settings.target.database if target.engine.is_mysql else settings.target.schema or "public"
    if choice.target:
        if not target.engine.is_mysql:
            return place_of(settings.target, choice.target)
        return schema, choice.target
    if settings.source.family == "postgresql" and source_schema != (settings.source.schema or "public"):
        if not target.engine.is_mysql:
            return source_schema, source_name
        source_name = f"{source_schema}_{source_name}"
    return schema, fitting_name(target.engine, source_name)


def mapped_table(
    settings: StreamSettings,
    choice: TableChoice,
    table: Table,
    source: Version,
    target: Version,
    facts: Facts,
) -> MappedTable:
    """One table as it will be in the target.  Raises StreamFailed for columns that it does not have."""
    wishes = Wishes(settings.options.type_overrides, settings.options.zero_dates)
    chosen = _chosen(choice, table)
    crossing = source.engine.is_mysql != target.engine.is_mysql
    columns: list[Mapped] = []
    for column in chosen:
        if column.generated and not crossing:
            continue
        if not crossing:
            columns.append(to_same(table, column, source, target, wishes, facts))
        elif target.engine.is_mysql:
            columns.append(to_mysql(table, column, target, wishes, facts))
        else:
            columns.append(to_postgresql(table, column, target, wishes, facts))
    schema, name = target_place(settings, target, choice)
    return MappedTable(table, schema, name, tuple(columns), source, target)


def _chosen(choice: TableChoice, table: Table) -> tuple[Column, ...]:
    if not choice.columns:
        return table.columns
    known = {column.name for column in table.columns}
    unknown = [name for name in choice.columns if name not in known]
    if unknown:
        raise StreamFailed(f"table {choice.name} has no column {', '.join(unknown)}; correct the configuration")
    return tuple(column for column in table.columns if column.name in choice.columns)


def narrow_columns(tables: Sequence[Table]) -> dict[Place, frozenset[str]]:
    """The BIGINT UNSIGNED columns that refer, over any number of steps, to an automatic one."""
    automatic = {(t.schema, t.name, c.name) for t in tables for c in t.columns if c.auto}
    grown = True
    while grown:
        grown = False
        for table in tables:
            for key in table.foreign_keys:
                for column, parent in zip(key.columns, key.parent_columns, strict=True):
                    here = (table.schema, table.name, column)
                    if (key.parent_schema, key.parent, parent) in automatic and here not in automatic:
                        automatic.add(here)
                        grown = True
    made: dict[Place, frozenset[str]] = {}
    for schema, name, column in automatic:
        made[schema, name] = made.get((schema, name), frozenset()) | {column}
    return made


def mapped_tables(
    settings: StreamSettings, structure: Structure, target: Version, facts: Mapping[Place, Facts]
) -> tuple[MappedTable, ...]:
    """All tables of a stream, in the order of its configuration.

    Raises StreamFailed when a table is not there, or two would have the same name in the target.
    """
    found = {(table.schema, table.name): table for table in structure.tables}
    made: list[MappedTable] = []
    places: dict[Place, str] = {}
    for choice in settings.tables:
        place = place_of(settings.source, choice.name)
        if place not in found:
            raise StreamFailed(f"the source has no table {choice.name}; correct the name or leave it out")
        mapped = mapped_table(settings, choice, found[place], structure.version, target, facts.get(place, Facts()))
        where = (mapped.schema, mapped.name)
        if where in places:
            raise StreamFailed(
                f"{choice.name} and {places[where]} would both become {mapped.name}; give one of them another target"
            )
        places[where] = choice.name
        made.append(mapped)
    return tuple(made)
