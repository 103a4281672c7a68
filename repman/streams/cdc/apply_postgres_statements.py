"""The statements with which changes are merged into a table of PostgreSQL, and the lines that COPY takes; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from repman.streams.cdc.apply import columns_of
from repman.streams.cdc.changes import Followed, Row

PIECE = 1 << 18
"""Bytes that are given to a COPY at once."""


def lines(rows: Sequence[Row]) -> Iterator[bytes]:
    """The rows as lines of CSV, in pieces of some size."""
    size, lines = 0, list[bytes]()
    for row in rows:
        line = b",".join(row)
        size += len(line)
        lines.append(line)
        if size > PIECE:
            yield b"\n".join(lines) + b"\n"
            size, lines = 0, []
    if lines:
        yield b"\n".join(lines) + b"\n"


def target(table: Followed) -> sql.Identifier:
    """The table itself."""
    return sql.Identifier(table.target_schema, table.target_table)


def same(table: Followed, one: sql.SQL, other: sql.SQL) -> sql.Composed:
    """That the keys of two tables are the same."""
    names = columns_of(table, table.key)
    parts = (sql.SQL("{0}.{2} = {1}.{2}").format(one, other, sql.Identifier(name)) for name in names)
    return sql.SQL(" AND ").join(parts)


def delete(table: Followed, stage: sql.Identifier) -> sql.Composed:
    """Delete the rows whose keys a temporary table holds."""
    where = same(table, sql.SQL("t"), sql.SQL("s"))
    return sql.SQL("DELETE FROM {} t USING {} s WHERE {}").format(target(table), stage, where)


def update(table: Followed, stage: sql.Identifier, places: tuple[int, ...]) -> sql.Composed:
    """Overwrite some columns of the rows that a temporary table holds."""
    names = [name for place, name in zip(places, columns_of(table, places), strict=True) if place not in table.key]
    # a statement that sets nothing is no statement; the key set to itself does no harm
    sets = sql.SQL(", ").join(
        sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in names or columns_of(table, table.key)
    )
    where = same(table, sql.SQL("t"), sql.SQL("s"))
    return sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {}").format(target(table), sets, stage, where)


def insert_or_update(table: Followed, stage: sql.Identifier) -> sql.Composed:
    """Insert the rows that a temporary table holds, or overwrite them."""
    keys = columns_of(table, table.key)
    columns = sql.SQL(", ").join(map(sql.Identifier, table.target_columns))
    others = [name for name in table.target_columns if name not in keys]
    sets = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others)
    return sql.SQL("INSERT INTO {} ({}) {} SELECT {} FROM {} ON CONFLICT ({}) DO {}").format(
        target(table),
        columns,
        sql.SQL("OVERRIDING SYSTEM VALUE"),
        columns,
        stage,
        sql.SQL(", ").join(map(sql.Identifier, keys)),
        sql.SQL("UPDATE SET {}").format(sets) if others else sql.SQL("NOTHING"),
    )
