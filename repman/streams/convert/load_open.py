"""Opens the session that writes rows into a target."""

from __future__ import annotations

import contextlib

import psycopg

from repman.streams import connection as connections
from repman.streams.convert.copy_bundle import Loader
from repman.streams.convert.load_insert import MysqlInserter
from repman.streams.convert.load_mysql import MysqlLoader, allows_local
from repman.streams.convert.load_postgresql import PostgresqlLoader
from repman.streams.job import Endpoint, Family


def open_loader(endpoint: Endpoint, *, upsert: bool = False) -> Loader:
    """A session of its own; `upsert` lets rows replace those with the same primary key.  Raises StreamUnreachable."""
    if endpoint.family is Family.MYSQL:
        connection = connections.mysql(endpoint)
        kind = MysqlLoader if allows_local(connection) else MysqlInserter
        return kind(connection, upsert=upsert)
    session = connections.postgresql(endpoint)
    # rows come in any order, and what a trigger would do was done in the source
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        session.execute("SET session_replication_role = replica")
    return PostgresqlLoader(session, upsert=upsert)
