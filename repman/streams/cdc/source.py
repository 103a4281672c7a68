"""The source of a stream of changes: which member of its cluster, where its log is, and what it has for the stream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pymysql

from repman.errors import PositionLost, StreamFailed, StreamUnreachable
from repman.model.position import MariadbGtid
from repman.streams import connection
from repman.streams.cdc import binlog_position
from repman.streams.cdc.binlog_position import BinlogPosition, MariadbPosition, MysqlPosition
from repman.streams.job import Endpoint, Family
from repman.streams.structure import mysql as structure_mysql
from repman.streams.structure import postgresql as structure_postgresql
from repman.streams.structure.mapping import place_of
from repman.streams.structure.table import Engine, Table, Version


@contextlib.contextmanager
def session(endpoint: Endpoint) -> Iterator[Any]:
    """A session of an endpoint that is closed again.  Raises StreamUnreachable, also for what goes wrong in it."""
    mysql = endpoint.family is Family.MYSQL
    opened: Any = connection.mysql(endpoint) if mysql else connection.postgresql(endpoint)
    try:
        yield opened
    except (pymysql.Error, psycopg.Error, OSError) as error:
        kind = StreamUnreachable if connection.is_transient(error) else StreamFailed
        raise kind(f"{connection.place(endpoint)}: {connection.reason(error)}") from error
    finally:
        opened.close()


def ask(opened: Any, statement: str) -> list[tuple[Any, ...]]:
    """The rows that a statement without parameters gives."""
    with opened.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def version_of(opened: Any, endpoint: Endpoint) -> Version:
    """What answers there."""
    if endpoint.family is Family.MYSQL:
        return connection.mysql_version(opened)
    return connection.postgresql_version(opened)


def tables(opened: Any, endpoint: Endpoint, version: Version, names: Sequence[tuple[str, str]]) -> list[Table]:
    """The structure of these tables (schema, name); those that do not exist are left out."""
    if not version.engine.is_mysql:
        return list(structure_postgresql.tables(opened, version, names))
    found: list[Table] = []
    for database in dict.fromkeys(schema for schema, _ in names):
        wanted = [name for schema, name in names if schema == database]
        found += structure_mysql.tables(opened, version, database, wanted)
    return found


def places(endpoint: Endpoint, names: Sequence[str]) -> list[tuple[str, str]]:
    """Schemas and names of tables as the user gave them."""
    return [place_of(endpoint, name) for name in names]


def is_writer(endpoint: Endpoint) -> bool:
    """Whether that member takes writes.  Raises StreamUnreachable."""
    with session(endpoint) as opened:
        if endpoint.family is Family.MYSQL:
            return not int(ask(opened, "SELECT @@GLOBAL.read_only")[0][0])
        return not ask(opened, "SELECT pg_is_in_recovery()")[0][0]


def choose(members: Sequence[Endpoint]) -> Endpoint:
    """The member to read from: the only one, or the one of several that takes writes.

    Raises StreamUnreachable when none does, or two do: which of them is right, the cluster has to settle first.
    """
    if len(members) == 1:
        return members[0]
    writers, reasons = [], []
    for member in members:
        try:
            if is_writer(member):
                writers.append(member)
            else:
                reasons.append(f"{member.host}:{member.port} is read-only")
        except StreamFailed as error:
            reasons.append(str(error))
    if len(writers) == 1:
        return writers[0]
    if writers:
        listed = ", ".join(f"{member.host}:{member.port}" for member in writers)
        raise StreamUnreachable(f"several members of the source take writes ({listed}); let one of them do so")
    raise StreamUnreachable("no member of the source takes writes: " + "; ".join(reasons))


def binlog_now(opened: Any, version: Version) -> BinlogPosition:
    """Where a binary log ends."""
    if version.engine is Engine.MARIADB:
        return MariadbPosition.parse(str(ask(opened, "SELECT @@GLOBAL.gtid_binlog_pos")[0][0]))
    if str(ask(opened, "SELECT @@GLOBAL.gtid_mode")[0][0]).upper() == "ON":
        return MysqlPosition.parse(str(ask(opened, "SELECT @@GLOBAL.gtid_executed")[0][0]))
    statement = "SHOW BINARY LOG STATUS" if version.number >= (8, 4) else "SHOW MASTER STATUS"
    row = ask(opened, statement)[0]
    return binlog_position.FilePosition(str(row[0]), int(row[1]))


def prove(opened: Any, version: Version, position: BinlogPosition) -> None:
    """That the log of this member holds a position.  Raises PositionLost with what it lacks."""
    if isinstance(position, MariadbPosition):
        state = str(ask(opened, "SELECT @@GLOBAL.gtid_binlog_state")[0][0])
        now = str(ask(opened, "SELECT @@GLOBAL.gtid_binlog_pos")[0][0])
        ours, theirs = MariadbGtid.parse(str(position)), MariadbGtid.parse(now, state)
        if not theirs.covers(ours):
            raise PositionLost(_lacks(ours.minus(theirs)))
    elif isinstance(position, MysqlPosition):
        theirs_set = MysqlPosition.parse(str(ask(opened, "SELECT @@GLOBAL.gtid_executed")[0][0]))
        if not theirs_set.covers(position):
            with opened.cursor() as cursor:
                cursor.execute("SELECT GTID_SUBTRACT(%s, %s)", (str(position), str(theirs_set)))
                raise PositionLost(_lacks(str(cursor.fetchone()[0])))
        purged = MysqlPosition.parse(str(ask(opened, "SELECT @@GLOBAL.gtid_purged")[0][0]))
        if not position.covers(purged):
            raise PositionLost("the source has purged binary logs that this stream has not read; start with a snapshot")


def _lacks(gtids: str) -> str:
    return (
        f"the target holds transactions which the source's writer does not have ({gtids}): a failover has lost them there. "
        "Compare the tables (verify), repair what differs, and start a new stream from the position now"
    )


def engine_of(endpoint: Endpoint) -> Engine:
    """An engine of the endpoint's family, without asking it."""
    return Engine.MARIADB if endpoint.family is Family.MYSQL else Engine.POSTGRESQL
