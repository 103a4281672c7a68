"""What a look at a MariaDB server asks, and what its answer means.  Pure: texts in, values out.

One look is one query of three statements:

1. variables, positions and the vote: taken in the same expression when it is free;
2. ``SHOW ALL SLAVES STATUS``: the only place where MariaDB 10.11 shows received positions and heartbeats;
3. the few status counters of semi-synchronous replication that no variable tells.

The positions are read before the receivers' state, so that `executed` is never newer than `received`: a
replica may look less drained than it is, never more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from repman.engines.mysqlwire import Result, Row, quoted, texts
from repman.model.observation import Link, Receiver, SemiSync
from repman.model.position import MariadbGtid
from repman.model.version import ServerVersion

VOTE_SECONDS = 15
"""``wait_timeout`` of the observing session: the vote of a monitor that vanished is free after this time."""

OPENING = (
    f"SET SESSION wait_timeout={VOTE_SECONDS}, autocommit=1, lock_wait_timeout=1;"
    "SELECT @@version, @@version_comment, @@global.log_bin, @@global.log_slave_updates,"
    " UNIX_TIMESTAMP() - CAST(VARIABLE_VALUE AS INTEGER), VARIABLE_VALUE"
    " FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'"
)

_POSITIONS = (
    "SELECT @@global.read_only, @@global.server_id, @@global.gtid_binlog_pos, @@global.gtid_slave_pos,"
    " @@global.gtid_binlog_state, @@global.gtid_strict_mode, @@global.binlog_format,"
    " @@global.rpl_semi_sync_master_enabled, @@global.rpl_semi_sync_slave_enabled,"
    " @@global.rpl_semi_sync_master_timeout, @@global.rpl_semi_sync_master_wait_no_slave,"
    " {vote}, {holder};"
    "SHOW ALL SLAVES STATUS;"
    r"SHOW GLOBAL STATUS LIKE 'rpl\_semi\_sync\_master\_%s'"
)


def vote_name(cluster: str) -> str:
    """The named lock that stands for the cluster's lease; long names are shortened to what a server takes."""
    name = f"repman.{cluster}"
    if len(name) <= 60:
        return name
    return f"{name[:40]}.{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def look_query(cluster: str, contend: bool) -> str:
    """The query of a look that holds, takes (if `contend` and it is free) or only reads the vote."""
    name = quoted(vote_name(cluster))
    mine = f"IS_USED_LOCK({name}) = CONNECTION_ID()"
    vote = f"IF({mine}, 1, GET_LOCK({name}, 0))" if contend else mine
    return _POSITIONS.format(vote=vote, holder=f"IS_USED_LOCK({name})")


def bare_query() -> str:
    """The query of a look that has nothing to do with the vote (on a connection that acts)."""
    return _POSITIONS.format(vote="NULL", holder="NULL")


def holder_query(session: int) -> str:
    """Who the session with that number is."""
    return f"SELECT USER, HOST FROM information_schema.PROCESSLIST WHERE ID = {session:d}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What cannot change while a server process lives; read at the login."""

    version: ServerVersion
    binlog: bool
    log_replica_updates: bool
    started: int
    """Unix seconds at which the server started, by its own clock."""
    uptime: int
    """Seconds it had been running at the login."""

    @classmethod
    def read(cls, row: Row) -> Identity:
        """Read the row that OPENING gives."""
        version, comment, log_bin, updates, started, uptime = texts(row)
        return cls(ServerVersion.parse(version, comment), log_bin == "1", updates == "1", int(started), int(uptime))


@dataclass(frozen=True, slots=True)
class Look:
    """The values of one answered look."""

    server_id: int
    read_only: bool
    executed: MariadbGtid
    received: MariadbGtid
    applied: str
    """``gtid_slave_pos`` alone: from where this server would replicate."""
    strict_gtid: bool
    row_format: bool
    semi_sync: SemiSync
    links: tuple[Link, ...]
    leased: bool
    holder: int
    """The session that holds the vote, 0: nobody."""

    @property
    def drained(self) -> bool:
        """Whether everything received is applied."""
        return self.executed.covers(self.received)


class LookReader:
    """Reads the looks at one server; keeps what the previous one parsed, since little changes between two."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, str, bool], MariadbGtid] = {}
        self._columns: tuple[str, ...] = ()
        self._places: tuple[int, ...] = ()

    def read(self, results: list[Result]) -> Look:
        """Raises ValueError (or what indexing raises) when the answer is not that of a look."""
        (
            read_only,
            server_id,
            binlog_pos,
            slave_pos,
            state,
            strict,
            binlog_format,
            master_enabled,
            slave_enabled,
            timeout,
            wait_no_slave,
            vote,
            holder,
        ) = texts(results[0].rows[0])
        is_strict = strict == "1"
        executed = self._position(f"{binlog_pos},{slave_pos}", state, is_strict)
        links = tuple(self._link(row) for row in self._known_columns(results[1]))
        received = executed
        for link in links:
            if not link.received.is_empty() and not executed.covers(link.received):
                received = received.union(link.received)
        status = {row[0]: row[1] for row in map(texts, results[2].rows)}
        return Look(
            server_id=int(server_id),
            read_only=read_only == "1",
            executed=executed,
            received=received,
            applied=slave_pos,
            strict_gtid=is_strict,
            row_format=binlog_format == "ROW",
            semi_sync=SemiSync(
                source_enabled=master_enabled == "1",
                replica_enabled=slave_enabled == "1",
                waiting_for_acks=status.get("Rpl_semi_sync_master_status") == "ON",
                ackers=int(status.get("Rpl_semi_sync_master_clients", "0")),
                timeout=int(timeout) / 1000.0,
                waits_without_replica=wait_no_slave == "1",
                waiting=int(status.get("Rpl_semi_sync_master_wait_sessions", "0")),
                waits_ended=int(status.get("Rpl_semi_sync_master_tx_waits", "0")),
            ),
            links=links,
            leased=vote == "1",
            holder=int(holder or 0),
        )

    def _position(self, last: str, seen: str, strict: bool) -> MariadbGtid:
        key = (last, seen, strict)
        found = self._positions.get(key)
        if found is None:
            if len(self._positions) > 8:
                self._positions.clear()
            found = self._positions[key] = MariadbGtid.parse(last, seen, strict)
        return found

    def _known_columns(self, result: Result) -> tuple[Row, ...]:
        if result.rows and result.columns is not self._columns:
            self._columns = result.columns
            self._places = tuple(result.columns.index(name) for name in _LINK_COLUMNS)
        return result.rows

    def _link(self, row: Row) -> Link:
        chosen = [row[place] for place in self._places]
        (
            channel,
            host,
            port,
            source_id,
            io_running,
            sql_running,
            io_pos,
            heartbeats,
            period,
            lag,
            using_gtid,
            io_errno,
            io_error,
            sql_errno,
            sql_error,
        ) = texts(tuple(chosen))
        return Link(
            source=f"{host}:{port}",
            source_server_id=int(source_id),
            receiver=_RECEIVERS.get(io_running, Receiver.CONNECTING),
            applier_running=sql_running == "Yes",
            received=self._position(io_pos, "", True),
            heartbeats=int(heartbeats),
            heartbeat_period=float(period),
            lag=float(lag) if lag else None,
            uses_gtid=using_gtid != "No",
            channel=channel,
            receiver_errno=int(io_errno),
            receiver_error=io_error,
            applier_errno=int(sql_errno),
            applier_error=sql_error,
        )


_RECEIVERS = {"Yes": Receiver.RUNNING, "No": Receiver.STOPPED}

_LINK_COLUMNS = (
    "Connection_name",
    "Master_Host",
    "Master_Port",
    "Master_Server_Id",
    "Slave_IO_Running",
    "Slave_SQL_Running",
    "Gtid_IO_Pos",
    "Slave_received_heartbeats",
    "Slave_heartbeat_period",
    "Seconds_Behind_Master",
    "Using_Gtid",
    "Last_IO_Errno",
    "Last_IO_Error",
    "Last_SQL_Errno",
    "Last_SQL_Error",
)
