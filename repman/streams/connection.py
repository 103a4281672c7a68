"""Connections to the databases of a stream, with sessions in which values are printed and read in one known way.

PyMySQL and psycopg connect; nothing that they raise leaves here with a password.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any, TypeAlias

import psycopg
import pymysql
from pymysql.constants import CLIENT

from repman.errors import StreamUnreachable
from repman.streams import connection_tls
from repman.streams.job import Endpoint, Family
from repman.streams.structure.table import Engine, Version, quoted

CONNECT_SECONDS = 10
SILENT_SECONDS = 900
"""A server that sends nothing for so long is taken for dead; sorting a large table takes its time."""
_MYSQL_SESSION = (
    "SET SESSION time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES',"
    " net_write_timeout=900, net_read_timeout=900, wait_timeout=28800, foreign_key_checks=0,"
    " group_concat_max_len=16777216, sql_auto_is_null=0"
)
_POSTGRESQL_SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO,MDY",
    "intervalstyle": "iso_8601",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "xmloption": "content",
}
_QUOTED_VALUE = re.compile(r": \".*", re.DOTALL)
_MYSQL_VALUE = re.compile(r" value: '.*' for", re.DOTALL)
_TRANSIENT_MYSQL = frozenset({1040, 1053, 1152, 1158, 1159, 1160, 1161, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2055})
_TRANSIENT_POSTGRESQL = re.compile(r"08...|40001|40P01|53...|57P0.|55P03")

Mysql: TypeAlias = "pymysql.Connection[Any]"
Postgresql = psycopg.Connection[tuple[Any, ...]]


def place(endpoint: Endpoint) -> str:
    """An endpoint in words, without its password."""
    return f"{endpoint.family} {endpoint.user}@{endpoint.host}:{endpoint.port}/{endpoint.database}"


def mysql(endpoint: Endpoint, *, database: bool = True) -> Mysql:
    """A session of MySQL or MariaDB, autocommitting, in UTC and utf8mb4, without checks of foreign keys.

    Raises StreamUnreachable.
    """
    try:
        context = connection_tls.context(endpoint.tls)
    except ssl.SSLError as error:
        raise StreamUnreachable(f"the certificates of {place(endpoint)} cannot be used: {error}; check them") from error
    options: dict[str, Any] = {"ssl_disabled": True} if context is None else {"ssl": context}
    try:
        made: Mysql = pymysql.connect(
            host=endpoint.host,
            port=endpoint.port,
            user=endpoint.user,
            password=endpoint.password,
            database=endpoint.database if database and endpoint.database else None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENT_SECONDS,
            write_timeout=SILENT_SECONDS,
            local_infile=True,
            client_flag=CLIENT.FOUND_ROWS,
            init_command=_MYSQL_SESSION,
            **options,
        )
    except (pymysql.err.Error, OSError) as error:
        raise _unreachable(endpoint, error) from error
    _keep_alive(made)
    return made


def _keep_alive(connection: Any) -> None:
    """Let the system notice when the other side is gone without a word."""
    sock = connection._sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6)


@contextlib.contextmanager
def libpq_parameters(endpoint: Endpoint, database: str = "") -> Iterator[dict[str, Any]]:
    """What libpq takes to open a session in which values are printed in the known way; good inside of the block."""
    options = " ".join(f"-c {name}={value}" for name, value in _POSTGRESQL_SESSION.items())
    with connection_tls.libpq_parameters(endpoint.tls) as files:
        yield {
            "host": endpoint.host,
            "port": endpoint.port,
            "user": endpoint.user,
            "password": endpoint.password or None,
            "dbname": database or endpoint.database or "postgres",
            "client_encoding": "UTF8",
            "application_name": "repman streams",
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 6,
            "tcp_user_timeout": 90_000,
            "options": options,
            **files,
        }


def postgresql(endpoint: Endpoint, *, database: str = "") -> Postgresql:
    """A session of PostgreSQL, autocommitting, in UTC and UTF8.  Raises StreamUnreachable."""
    try:
        with libpq_parameters(endpoint, database) as parameters:
            return psycopg.connect(**parameters, autocommit=True)
    except (psycopg.Error, OSError) as error:
        raise _unreachable(endpoint, error) from error


def _unreachable(endpoint: Endpoint, error: Exception) -> StreamUnreachable:
    text = reason(error)
    if endpoint.password:
        text = text.replace(endpoint.password, "***")
    return StreamUnreachable(
        f"{place(endpoint)} does not let us in: {text}; check host, port, account and that the server runs"
    )


def reason(error: BaseException) -> str:
    """What a driver says, on one line, without the values of a row that servers quote; a duplicate's key stays."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        text = error.diag.message_primary
        return _QUOTED_VALUE.sub("", text) if (error.sqlstate or "").startswith("22") else text
    if isinstance(error, pymysql.err.MySQLError) and len(error.args) > 1:
        return f"{without_values(str(error.args[1]))} ({error.args[0]})"
    return " ".join(str(error).split()) or type(error).__name__


def without_values(text: str) -> str:
    """A message of MySQL about a value, without the value."""
    return _MYSQL_VALUE.sub(" value for", text)


def is_transient(error: BaseException) -> bool:
    """Whether the same may succeed when it is tried again: a server restarts, a lock or a deadlock."""
    if isinstance(error, StreamUnreachable):
        return not any(code in str(error) for code in ("(1045)", "(1044)", "authentication failed", "certificates"))
    if isinstance(error, psycopg.Error):
        state = error.sqlstate
        return bool(_TRANSIENT_POSTGRESQL.fullmatch(state)) if state else isinstance(error, psycopg.OperationalError)
    if isinstance(error, pymysql.err.MySQLError):
        return bool(error.args) and (error.args[0] in _TRANSIENT_MYSQL or error.args[0] == 0)
    return isinstance(error, OSError)


def mysql_version(connection: Mysql) -> Version:
    """What answers there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@max_allowed_packet")
        found = cursor.fetchone()
    assert found is not None
    text, packet = (part.decode() if isinstance(part, bytes) else str(part) for part in found)
    engine = Engine.MARIADB if "mariadb" in text.lower() else Engine.MYSQL
    # old MariaDBs put 5.5.5- before their version, for the sake of old replicas
    return Version(engine, _numbers(text.removeprefix("5.5.5-")), packet=int(packet))


def postgresql_version(connection: Postgresql) -> Version:
    """What answers there."""
    extensions = connection.execute("SELECT extname FROM pg_catalog.pg_extension").fetchall()
    number = connection.info.server_version
    return Version(Engine.POSTGRESQL, (number // 10_000, number % 10_000), frozenset(name for (name,) in extensions))


def is_missing_database(error: StreamUnreachable) -> bool:
    """Whether PostgreSQL lets us in, but has no database of that name."""
    return str(error).partition(";")[0].endswith("does not exist") and 'database "' in str(error)


def _numbers(text: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else ()


def version(endpoint: Endpoint) -> Version:
    """What answers at an endpoint.  Raises StreamUnreachable."""
    if endpoint.family is Family.MYSQL:
        session = mysql(endpoint, database=False)
        try:
            return mysql_version(session)
        finally:
            session.close()
    with postgresql(endpoint) as other:
        return postgresql_version(other)


def make_database(endpoint: Endpoint) -> bool:
    """Make the endpoint's database (and PostgreSQL's schema) where it is missing; whether the database was.

    Raises StreamUnreachable when the server does not let us in, and the driver's error when it does not let us.
    """
    if endpoint.family is Family.MYSQL:
        session = mysql(endpoint, database=False)
        try:
            with session.cursor() as cursor:
                cursor.execute("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s", (endpoint.database,))
                missing = cursor.fetchone() is None
                if missing:
                    name = quoted(Engine.MYSQL, endpoint.database)
                    cursor.execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
            return missing
        finally:
            session.close()
    return _make_postgresql_database(endpoint)


def _make_postgresql_database(endpoint: Endpoint) -> bool:
    missing = False
    try:
        postgresql(endpoint).close()
    except StreamUnreachable as error:
        if not is_missing_database(error):
            raise
        with postgresql(endpoint, database="postgres") as session:
            session.execute(f"CREATE DATABASE {quoted(Engine.POSTGRESQL, endpoint.database)}".encode())
        missing = True
    if endpoint.schema and endpoint.schema != "public":
        with postgresql(endpoint) as session:
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(Engine.POSTGRESQL, endpoint.schema)}".encode())
    return missing
