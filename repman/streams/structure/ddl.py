"""The statements for either target, behind one door; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repman.streams.structure import ddl_mysql, ddl_postgresql
from repman.streams.structure.mapping import Place, fitting_name
from repman.streams.structure.table import Key
from repman.streams.types.types_mapped import MappedTable


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement, and the name of what it makes."""

    name: str
    sql: str


def name_of(table: MappedTable) -> str:
    """The target's table, quoted."""
    return ddl_mysql.name_of(table) if table.target_version.engine.is_mysql else ddl_postgresql.name_of(table)


def create_table(table: MappedTable, *, primary: bool) -> tuple[str, ...]:
    """The table and its comments; PostgreSQL's may get its primary key later, which is faster."""
    if table.target_version.engine.is_mysql:
        return ddl_mysql.create_table(table)
    return ddl_postgresql.create_table(table, primary=primary)


def primary_columns(table: MappedTable) -> tuple[str, ...]:
    """The primary key's columns in the target; empty when there is none."""
    if table.target_version.engine.is_mysql:
        return ddl_mysql.primary_columns(table)
    return ddl_postgresql.primary_columns(table)


def lost_defaults(table: MappedTable) -> tuple[str, ...]:
    """Sentences about defaults that the target will not have."""
    room = ddl_mysql if table.target_version.engine.is_mysql else ddl_postgresql
    found = ((column.name, room.lost_default(table, column)) for column in table.columns)
    return tuple(f"{table.source.name}.{name}: {lost}" for name, lost in found if lost)


def indexes(table: MappedTable) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """The statements of the secondary indexes, and sentences about those that are left out."""
    made: list[Statement] = []
    lost: list[str] = []
    for key in table.source.keys:
        if table.target_version.engine.is_mysql:
            clause, why = ddl_mysql.create_index(table, key)
            sql = f"ALTER TABLE {name_of(table)} {clause}" if clause else None
        else:
            sql, why = ddl_postgresql.create_index(table, key)
        if sql is None:
            lost.append(f"{table.source.name}: {why}")
        else:
            made.append(Statement(index_name(table, key), sql))
    return tuple(made), tuple(lost)


def index_name(table: MappedTable, key: Key) -> str:
    """An index's name in the target."""
    if table.target_version.engine.is_mysql:
        return fitting_name(table.target_version.engine, key.name)
    return ddl_postgresql.index_name(table, key)


def foreign_keys(table: MappedTable, places: Mapping[Place, Place]) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """The statements of the references, and sentences about those that are left out."""
    made: list[Statement] = []
    lost: list[str] = []
    is_mysql = table.target_version.engine.is_mysql
    for key in table.source.foreign_keys:
        add = ddl_mysql.add_foreign_key if is_mysql else ddl_postgresql.add_foreign_key
        sql = add(table, key, places)
        if sql is None:
            lost.append(f"{table.source.name}: the reference {key.name} is left out, as {key.parent} is not moved")
        else:
            made.append(Statement(fitting_name(table.target_version.engine, key.name), sql))
    return tuple(made), tuple(lost)


def checks(table: MappedTable) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """The statements of the CHECK constraints, and sentences about those that are left out."""
    is_mysql = table.target_version.engine.is_mysql
    found = ddl_mysql.add_checks(table) if is_mysql else ddl_postgresql.add_checks(table)
    lost: tuple[str, ...] = ()
    if is_mysql != table.source_version.engine.is_mysql:
        lost = tuple(
            f"{table.source.name}: the check {check.name} ({check.expression}) is left out, as the engines differ"
            for check in table.source.checks
        )
    return tuple(Statement(name, sql) for name, sql in found), lost
