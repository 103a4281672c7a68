"""The structure of a stream's tables, whatever the source is; and what a look at their rows shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from repman.errors import StreamFailed
from repman.streams import connection as connections
from repman.streams.convert.copy_bundle import Reader
from repman.streams.convert.copy_mysql import MysqlReader
from repman.streams.convert.copy_postgresql import PostgresqlReader
from repman.streams.job import Endpoint, Family, TableChoice
from repman.streams.structure import mysql as structure_mysql
from repman.streams.structure import postgresql as structure_postgresql
from repman.streams.structure import query as structure_query
from repman.streams.structure.mapping import Place, narrow_columns, place_of
from repman.streams.structure.table import Column, Structure, Table, Version, qualified, quoted
from repman.streams.types.types_mapped import Facts, keyed_columns
from repman.streams.types.values_sql import not_numbers

_DATES = frozenset({"date", "timestamp", "timestamptz"})
_TEXTS = frozenset({"text", "citext", "varchar", "bpchar"})


@contextlib.contextmanager
def reader(endpoint: Endpoint) -> Iterator[Reader]:
    """A session of its own, for small questions.  Raises StreamUnreachable."""
    made: Reader
    if endpoint.family is Family.MYSQL:
        made = MysqlReader(connections.mysql(endpoint))
    else:
        made = PostgresqlReader(connections.postgresql(endpoint))
    try:
        yield made
    finally:
        made.close()


def table_names(endpoint: Endpoint) -> tuple[str, ...]:
    """The tables of an endpoint's database, or of its schema.  Raises StreamUnreachable."""
    if endpoint.family is Family.MYSQL:
        with contextlib.closing(connections.mysql(endpoint)) as session:
            return structure_mysql.table_names(session, endpoint.database)
    with connections.postgresql(endpoint) as other:
        return structure_postgresql.table_names(other, endpoint.schema or "public")


def places(endpoint: Endpoint, found: Sequence[Place]) -> Structure:
    """The structure of these tables and views; missing ones are left out.  Raises StreamUnreachable."""
    if endpoint.family is Family.MYSQL:
        with contextlib.closing(connections.mysql(endpoint)) as session:
            version = connections.mysql_version(session)
            names = [name for _, name in found]
            return Structure(version, structure_mysql.tables(session, version, endpoint.database, names))
    with connections.postgresql(endpoint) as other:
        version = connections.postgresql_version(other)
        return Structure(version, structure_postgresql.tables(other, version, found))


def chosen(endpoint: Endpoint, choices: Sequence[TableChoice]) -> Structure:
    """The structure of what a stream reads, queries included.

    Raises StreamUnreachable, and StreamFailed when a query is none.
    """
    plain = places(endpoint, [place_of(endpoint, choice.name) for choice in choices if not choice.query])
    queries = []
    for choice in choices:
        if choice.query:
            schema, name = place_of(endpoint, choice.name)
            table = structure_query.described(endpoint, plain.version, choice.query)
            queries.append(replace(table, schema=schema, name=name))
    return Structure(plain.version, (*plain.tables, *queries))


def facts(ask: Reader, structure: Structure, target: Version) -> dict[Place, Facts]:
    """What the rows show that the types depend on; reads only tables with columns of which it matters."""
    narrow = narrow_columns(structure.tables)
    made = {}
    for table in structure.tables:
        place = (table.schema, table.name)
        if structure.version.engine.is_mysql == target.engine.is_mysql:
            continue
        if structure.version.engine.is_mysql:
            made[place] = _of_mysql(ask, structure.version, table, narrow.get(place, frozenset()))
        else:
            made[place] = _of_postgresql(ask, structure.version, table, target)
    return made


def _asked(
    ask: Reader, version: Version, table: Table, wanted: dict[tuple[str, str], str]
) -> dict[tuple[str, str], int]:
    """The values of these aggregates; one look at the table."""
    if not wanted:
        return {}
    place = f"({table.query}) q" if table.query else qualified(version.engine, table.schema, table.name)
    row = ask.ask(f"SELECT {', '.join(wanted.values())} FROM {place}")[0]
    return {key: int(str(value or 0)) for key, value in zip(wanted, row, strict=True)}


def _of_mysql(ask: Reader, version: Version, table: Table, narrow: frozenset[str]) -> Facts:
    wanted: dict[tuple[str, str], str] = {}
    for column in table.columns:
        name, found = quoted(version.engine, column.name), column.type
        if found.name == "tinyint" and found.length == 1 and not found.unsigned and not column.auto:
            wanted["not_boolean", column.name] = f"MAX({name} NOT IN (0,1))"
        elif found.name == "time":
            wanted["not_time_of_day", column.name] = f"MAX({name} < '00:00:00' OR {name} > '24:00:00')"
        elif found.name == "bigint" and found.unsigned and (column.auto or column.name in narrow):
            wanted["beyond_bigint", column.name] = f"MAX({name} > 9223372036854775807)"
        elif found.name in ("date", "datetime", "timestamp") and not column.nullable and _is_key(table, column):
            wanted["zero_dates", column.name] = f"MAX(YEAR({name})*MONTH({name})*DAYOFMONTH({name})=0)"
    found_facts = _asked(ask, version, table, wanted)
    return Facts(
        not_boolean=_true(found_facts, "not_boolean"),
        not_time_of_day=_true(found_facts, "not_time_of_day"),
        beyond_bigint=_true(found_facts, "beyond_bigint"),
        zero_dates=_true(found_facts, "zero_dates"),
        narrow=narrow,
    )


def _is_key(table: Table, column: Column) -> bool:
    return table.primary is not None and column.name in table.primary.columns


def _true(found: dict[tuple[str, str], int], what: str) -> frozenset[str]:
    return frozenset(column for (kind, column), value in found.items() if kind == what and value)


def _of_postgresql(ask: Reader, version: Version, table: Table, target: Version) -> Facts:
    wanted: dict[tuple[str, str], str] = {}
    keyed = keyed_columns(table)
    for column in table.columns:
        name, found = quoted(version.engine, column.name), column.type
        if found.dimensions or found.category not in ("", "b"):
            continue
        if found.name == "numeric" and found.precision is None:
            text = f"{name} NOT IN ({not_numbers(version, found)}) AND (abs({name}) >= 1e35 OR scale({name}) > 30)"
            wanted["beyond_decimal", column.name] = f"bool_or({text})::int"
        if found.name in _TEXTS and column.name in keyed:
            wanted["longest", column.name] = f"max(char_length({name}))"
        if found.name in _DATES and not column.nullable:
            wanted["zero_dates", column.name] = (
                f"bool_or(NOT {name} BETWEEN '0001-01-01' AND '9999-12-31 23:59:59')::int"
            )
        if found.name in ("numeric", "float4", "float8") and not column.nullable:
            wanted["zero_dates", column.name] = f"bool_or({name} IN ({not_numbers(version, found)}))::int"
    found_facts = _asked(ask, version, table, wanted)
    return Facts(
        beyond_decimal=_true(found_facts, "beyond_decimal"),
        zero_dates=_true(found_facts, "zero_dates"),
        longest={column: value for (kind, column), value in found_facts.items() if kind == "longest"},
    )


def require(structure: Structure, endpoint: Endpoint, choices: Sequence[TableChoice]) -> None:
    """Raises StreamFailed naming the tables that are not there."""
    found = {(table.schema, table.name) for table in structure.tables}
    missing = [choice.name for choice in choices if place_of(endpoint, choice.name) not in found]
    if missing:
        raise StreamFailed(f"the source has no table {', '.join(missing)}; correct the names or leave them out")
