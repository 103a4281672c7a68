"""The structure of a query's result, found by making an empty temporary table of it."""

from __future__ import annotations

import contextlib

import psycopg
import pymysql

from repman.errors import StreamFailed
from repman.streams import connection as connections
from repman.streams.connection import reason
from repman.streams.job import Endpoint, Family
from repman.streams.structure import postgresql as structure_postgresql
from repman.streams.structure.mysql import parsed_type
from repman.streams.structure.table import Column, Table, Version

_NAME = "_streams_query"


def described(endpoint: Endpoint, version: Version, query: str) -> Table:
    """A table without keys, with the query's columns.

    Raises StreamUnreachable, and StreamFailed when the source does not run the query.
    """
    query = query.strip().rstrip(";")
    try:
        found = _mysql(endpoint, query) if endpoint.family is Family.MYSQL else _postgresql(endpoint, version, query)
    except (psycopg.Error, pymysql.err.Error) as error:
        raise StreamFailed(f"the source does not run the query: {reason(error)}; correct it") from error
    return Table("", "", found, query=query)


def _mysql(endpoint: Endpoint, query: str) -> tuple[Column, ...]:
    with contextlib.closing(connections.mysql(endpoint)) as session, session.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE `{_NAME}` AS SELECT * FROM ({query}) q LIMIT 0")
        cursor.execute(f"SHOW FULL COLUMNS FROM `{_NAME}`")
        made = []
        for name, declared, collation, nullable, *_ in cursor.fetchall():
            charset = collation.partition("_")[0] if collation else None
            found = parsed_type(declared, (None, None, None, None, charset, collation))
            made.append(Column(name, found, nullable == "YES"))
        return tuple(made)


def _postgresql(endpoint: Endpoint, version: Version, query: str) -> tuple[Column, ...]:
    with connections.postgresql(endpoint) as session:
        session.execute(f"CREATE TEMP TABLE {_NAME} AS {query} WITH NO DATA".encode())
        row = session.execute(
            "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relname = %s AND n.oid = pg_my_temp_schema()",
            (_NAME,),
        ).fetchone()
        assert row is not None
        return structure_postgresql.tables(session, version, [(row[0], _NAME)])[0].columns
