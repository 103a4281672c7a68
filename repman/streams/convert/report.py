"""What a stream would do, before it does it: what stands against it, and what would be lost."""

from __future__ import annotations

import contextlib

import psycopg
import pymysql

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams import connection as connections
from repman.streams.connection import reason
from repman.streams.job import Family, StreamSettings
from repman.streams.structure import ddl, structure
from repman.streams.structure.mapping import mapped_tables, place_of
from repman.streams.structure.table import Version, quoted
from repman.streams.types.types_mapped import MappedTable


def problems(settings: StreamSettings) -> tuple[str, ...]:
    """What stands against a copy, in sentences that say what to do.  Raises StreamUnreachable."""
    found: list[str] = []
    try:
        source = structure.chosen(settings.source, settings.tables)
    except StreamUnreachable:
        raise
    except StreamFailed as error:
        return (str(error),)
    there = {(table.schema, table.name) for table in source.tables}
    for choice in settings.tables:
        if place_of(settings.source, choice.name) not in there:
            found.append(f"the source has no table {choice.name}; correct the name or leave it out")
    if found:
        return tuple(found)
    found += _of_target(settings)
    try:
        tables = mapped_tables(settings, source, _target(settings), {})
    except StreamFailed as error:
        return (*found, str(error))
    with structure.reader(settings.source) as asking:
        for choice, table in zip(settings.tables, tables, strict=True):
            name = quoted(source.version.engine, table.source.name)
            place = f"({choice.query}) q" if choice.query else _place(table, name)
            condition = f" AND ({choice.where})" if choice.where else ""
            try:
                asking.ask(f"SELECT 1 FROM {place} WHERE 1=0{condition}")
            except (psycopg.Error, pymysql.err.MySQLError) as error:
                found.append(
                    f"table {choice.name} cannot be read: {reason(error)}; grant SELECT, or correct its condition"
                )
                break
    return tuple(found)


def _place(table: MappedTable, name: str) -> str:
    schema = quoted(table.source_version.engine, table.source.schema)
    return f"{schema}.{name}"


def _target(settings: StreamSettings) -> Version:
    """The target's version, also when its database is still to be made."""
    if settings.target.family is Family.MYSQL:
        return connections.version(settings.target)
    try:
        return connections.version(settings.target)
    except StreamUnreachable as error:
        if not connections.is_missing_database(error):
            raise
        with connections.postgresql(settings.target, database="postgres") as session:
            return connections.postgresql_version(session)


def _of_target(settings: StreamSettings) -> list[str]:
    if settings.target.family is not Family.MYSQL:
        _target(settings)
        return []
    found = []
    with contextlib.closing(connections.mysql(settings.target, database=False)) as session, session.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.read_only")
        row = cursor.fetchone()
        assert row is not None
        if int(row[0]):
            found.append("the target is read-only; choose the writer of its cluster")
    return found


def losses(settings: StreamSettings) -> tuple[str, ...]:
    """What would be lost or changed by the types, defaults and keys of the target; reads the rows it depends on.

    Raises StreamUnreachable and StreamFailed.
    """
    source = structure.chosen(settings.source, settings.tables)
    structure.require(source, settings.source, settings.tables)
    target = _target(settings)
    with structure.reader(settings.source) as asking:
        facts = structure.facts(asking, source, target)
    found: list[str] = []
    for table in mapped_tables(settings, source, target, facts):
        found += [*table.losses, *ddl.lost_defaults(table), *ddl.indexes(table)[1], *ddl.checks(table)[1]]
    return tuple(found)
