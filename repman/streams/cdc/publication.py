"""The publication of a stream in its source: which tables PostgreSQL puts into the stream's log.

A table without an identity is never published with its updates and deletes: PostgreSQL would refuse them to its
own users from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Published:
    """One table to publish."""

    schema: str
    table: str


def ensure(connection: Connection, name: str, tables: Sequence[Published], operations: Sequence[str]) -> None:
    """Make the publication, or bring the one that is there to exactly these tables and operations."""
    listed = sql.SQL(", ").join(sql.Identifier(table.schema, table.table) for table in tables)
    publish = sql.Literal(", ".join(operations))
    found = connection.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", (name,)).fetchone()
    if found is None:
        connection.execute(
            sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WITH (publish = {}, publish_via_partition_root = true)").format(
                sql.Identifier(name), listed, publish
            )
        )
        return
    connection.execute(sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(sql.Identifier(name), listed))
    connection.execute(sql.SQL("ALTER PUBLICATION {} SET (publish = {})").format(sql.Identifier(name), publish))


def drop(connection: Connection, name: str) -> None:
    """Drop it; one that is gone already is no error."""
    connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def without_identity(connection: Connection, tables: Sequence[Published]) -> list[Published]:
    """Those of the tables of which PostgreSQL could not say which row an update or delete meant."""
    found = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[])) "
        "AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS "
        "(SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))",
        ([table.schema for table in tables], [table.table for table in tables]),
    ).fetchall()
    return [Published(schema, table) for schema, table in found]
