"""Short looks into a database for the API: whether it answers, and what it holds.

Each opens a session of its own and closes it.  All raise StreamUnreachable when the database does not answer or does not
let us in, and StreamFailed when it refuses what was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repman.streams.api.sessions import rows, statement
from repman.streams.job import Endpoint, Family

_SYSTEM_DATABASES = ("information_schema", "mysql", "performance_schema", "sys")
_PG_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"
_PG_TABLES = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = ANY(%s) AND NOT c.relispartition AND ("
    "   CASE WHEN %s THEN n.nspname = ANY(%s)"
    "   ELSE %s OR n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_streams') END) ORDER BY 1, 2"
)
_MYSQL_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = %s"
    " AND (%s OR table_name NOT LIKE '\\_streams\\_%%') ORDER BY table_name"
)


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """One database of a server."""

    name: str
    schemas: tuple[str, ...] = ()
    has_schemas: bool = False
    """Whether its engine has schemas; those of another database than the connection's own are not looked up."""


def ping(endpoint: Endpoint) -> None:
    """Return when the database answers us."""
    rows(endpoint, "SELECT 1")


def databases(endpoint: Endpoint) -> tuple[DatabaseSeen, ...]:
    """The databases that the user may see, without those of the system."""
    if endpoint.family is Family.MYSQL:
        found = [str(name) for (name,) in rows(endpoint, "SHOW DATABASES")]
        return tuple(DatabaseSeen(name) for name in found if name not in _SYSTEM_DATABASES)
    names = rows(
        endpoint,
        "SELECT datname FROM pg_database WHERE NOT datistemplate AND datallowconn"
        " AND has_database_privilege(datname, 'CONNECT') ORDER BY 1",
    )
    own = schemas(endpoint)
    return tuple(DatabaseSeen(name, own if name == endpoint.database else (), True) for (name,) in names)


def schemas(endpoint: Endpoint) -> tuple[str, ...]:
    """The schemas of the database; none where the engine has none."""
    if endpoint.family is Family.MYSQL:
        return ()
    return tuple(name for (name,) in rows(endpoint, _PG_SCHEMAS))


def tables(endpoint: Endpoint, chosen: Sequence[str] = (), system: bool = False) -> tuple[str, ...]:
    """The tables as a stream's configuration names them; of those schemas, where some are chosen."""
    return _relations(endpoint, "BASE TABLE", ("r", "p"), chosen, system)


def views(endpoint: Endpoint, chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """The views, in the same way."""
    return _relations(endpoint, "VIEW", ("v", "m"), chosen, False)


def create_database(endpoint: Endpoint, name: str) -> None:
    """Make a database."""
    statement(endpoint, "CREATE DATABASE {}", name)


def create_schema(endpoint: Endpoint, name: str) -> None:
    """Make a schema; MySQL has none."""
    statement(endpoint, "CREATE SCHEMA {}", name)


def _relations(
    endpoint: Endpoint, mysql_kind: str, kinds: Sequence[str], chosen: Sequence[str], system: bool
) -> tuple[str, ...]:
    if endpoint.family is Family.MYSQL:
        return tuple(str(name) for (name,) in rows(endpoint, _MYSQL_TABLES, (mysql_kind, system)))
    found: list[tuple[Any, ...]] = rows(endpoint, _PG_TABLES, (list(kinds), bool(chosen), list(chosen), system))
    own = endpoint.schema or "public"
    return tuple(name if schema == own else f"{schema}.{name}" for schema, name in found)
