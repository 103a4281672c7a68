"""Sessions of the source that all see one and the same moment, and that moment's position in its log."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import pymysql

from repman.errors import StreamFailed
from repman.streams import connection as connections
from repman.streams.convert.copy_bundle import Reader
from repman.streams.convert.copy_mysql import MysqlReader
from repman.streams.convert.copy_postgresql import PostgresqlReader
from repman.streams.job import Endpoint, Family
from repman.streams.structure.table import Engine, Version, literal

_LOCK_SECONDS = 1
"""As long our lock may wait for others; meanwhile new writes wait for it."""
_TRIES = 5
"""How often sessions of MariaDB are opened in the hope that nobody writes meanwhile, before writes are held."""
_NOT_ONE = "the readers do not see one moment: writes of the copy's first moments may be missing from some tables"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Sessions that see the same rows, whatever is written meanwhile."""

    readers: tuple[Reader, ...]
    position: str
    """Where following the log has to begin: a GTID set, ``file:offset`` or an LSN; empty without a log."""
    note: str = ""
    """What the user should know when they do not quite see one moment."""

    def close(self) -> None:
        """End all sessions."""
        for reader in self.readers:
            reader.close()


def take(endpoint: Endpoint, version: Version, count: int, exported: str = "") -> Snapshot:
    """Open so many sessions.  `exported` names a snapshot of PostgreSQL that another session keeps open.

    Raises StreamUnreachable, and StreamFailed when the snapshot is gone.
    """
    if endpoint.family is Family.POSTGRESQL:
        return _postgresql(endpoint, count, exported)
    return _mysql(endpoint, version, count)


def _postgresql(endpoint: Endpoint, count: int, exported: str) -> Snapshot:
    with contextlib.ExitStack() as undo:
        made = []
        position = ""
        for _ in range(count):
            session = connections.postgresql(endpoint)
            undo.callback(session.close)
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            if exported:
                try:
                    session.execute(f"SET TRANSACTION SNAPSHOT {literal(Engine.POSTGRESQL, exported)}".encode())
                except psycopg.Error as error:
                    raise StreamFailed(
                        f"the snapshot {exported} of the source is gone: {connections.reason(error)}; start anew"
                    ) from error
            else:
                # the position is read first: what is between the two is seen, and followed once more
                row = session.execute(
                    "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,"
                    " pg_export_snapshot()"
                ).fetchone()
                assert row is not None
                position, exported = str(row[0]), row[1]
            made.append(PostgresqlReader(session))
        undo.pop_all()
        return Snapshot(tuple(made), position)


def _mysql(endpoint: Endpoint, version: Version, count: int) -> Snapshot:
    with contextlib.ExitStack() as undo:
        sessions = []
        for _ in range(count):
            session = connections.mysql(endpoint)
            undo.callback(session.close)
            sessions.append(session)
        with contextlib.closing(connections.mysql(endpoint)) as keeper:
            places, locked = _one_moment(sessions), False
            # MySQL does not tell where a snapshot is, so its position is read while nobody writes
            if len(places) > 1 or (places == {""} and (count > 1 or version.engine is Engine.MYSQL)):
                locked = _locked(keeper)
                places = _begin(sessions)
            position = _position(keeper if locked else sessions[0], version, places)
            if locked:
                _run(keeper, "UNLOCK TABLES")
        one = locked or count == 1 or (len(places) == 1 and "" not in places)
        undo.pop_all()
        return Snapshot(tuple(MysqlReader(session) for session in sessions), position, "" if one else _NOT_ONE)


def _begin(sessions: Sequence[connections.Mysql]) -> set[str]:
    """Open a snapshot in each; the places in the log that they saw."""
    for session in sessions:
        _run(session, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    return {_snapshot_place(session) for session in sessions}


def _one_moment(sessions: Sequence[connections.Mysql]) -> set[str]:
    """The same without holding anybody, until all of them saw the same place or it was tried often enough."""
    places = _begin(sessions)
    for _ in range(_TRIES - 1):
        if len(places) == 1:
            break
        places = _begin(sessions)
    return places


def _run(session: connections.Mysql, sql: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(sql)


def _rows(session: connections.Mysql, sql: str) -> Sequence[Sequence[object]]:
    with session.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _locked(keeper: connections.Mysql) -> bool:
    """Hold all writes for the moment in which the snapshots are opened; whether we may and could."""
    try:
        _run(keeper, f"SET SESSION lock_wait_timeout = {_LOCK_SECONDS}")
        _run(keeper, "FLUSH TABLES WITH READ LOCK")
    except pymysql.err.Error:
        return False
    return True


def _snapshot_place(session: connections.Mysql) -> str:
    """MariaDB: the file and offset of the session's snapshot; empty where the server does not tell."""
    try:
        found = {str(name): str(value) for name, value in _rows(session, "SHOW STATUS LIKE 'binlog_snapshot%'")}
    except pymysql.err.Error:
        return ""
    file, at = found.get("Binlog_snapshot_file", ""), found.get("Binlog_snapshot_position", "")
    return f"{file}:{at}" if file else ""


def _position(session: connections.Mysql, version: Version, places: set[str]) -> str:
    """As a GTID set where there is one, else as ``file:offset``; empty without a log."""
    if version.engine is Engine.MARIADB:
        place = min(places)
        file, _, at = place.rpartition(":")
        if not file:
            return ""
        gtid = _rows(session, f"SELECT BINLOG_GTID_POS({literal(Engine.MYSQL, file)}, {at})")[0][0]
        gtid = gtid.decode() if isinstance(gtid, bytes) else gtid
        return str(gtid) if gtid else place
    try:
        gtid = _rows(session, "SELECT @@GLOBAL.gtid_executed")[0][0]
        if gtid:
            return str(gtid).replace("\n", "")
        status = "SHOW BINARY LOG STATUS" if version.number >= (8, 2) else "SHOW MASTER STATUS"
        rows = _rows(session, status)
    except pymysql.err.Error:
        return ""
    return f"{rows[0][0]}:{rows[0][1]}" if rows else ""
