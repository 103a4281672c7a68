"""A session that receives the binary log of a MariaDB or MySQL server, as a replica would.

PyMySQL logs in (it knows the authentication plugins and TLS); from then on the socket's bytes are cut into events
here, in large pieces, because that is where a reader's time goes.

Source: MariaDB Knowledge Base, "Clientserver protocol" (packets, COM_REGISTER_SLAVE, COM_BINLOG_DUMP) and
"Replica protocol" (the session variables of a MariaDB replica); MySQL internals, COM_BINLOG_DUMP_GTID.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.constants import COMMAND

from repman.errors import PositionLost, StreamFailed, StreamUnreachable
from repman.streams import connection
from repman.streams.cdc.binlog_position import BinlogPosition, MariadbPosition, MysqlPosition
from repman.streams.job import Endpoint

CHUNK = 1 << 18
"""Bytes of one read from the socket."""
HEARTBEAT = 2.0
"""Seconds of silence after which the server sends a heartbeat event."""
SILENCE = 30.0
"""Seconds without a byte, heartbeats included, after which the session is given up."""
DUMP_GTID = 0x1E
POSITION_GONE = 1236
"""The server's number for a position that its binary log does not hold; the text says why."""
LONGEST = 0xFFFFFF


class BinlogSession:
    """One replication session; closed by `close`, which also ends a read of another thread."""

    def __init__(self, endpoint: Endpoint, server_id: int) -> None:
        """Log in.  Raises StreamUnreachable."""
        self._connection: Any = connection.mysql(endpoint, database=False)
        self._server_id = server_id
        self._checksum = False

    def end(self) -> None:
        """Let a read of another thread end at once."""
        with contextlib.suppress(OSError, AttributeError):
            self._connection._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the session."""
        self._connection._force_close()

    def ask(self, statement: str) -> tuple[tuple[Any, ...], ...]:
        """The rows that a statement gives.  Before `events` only."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall())

    def start(self, position: BinlogPosition) -> None:
        """Ask for all that follows `position`.  Raises StreamUnreachable."""
        try:
            self._prepare()
            if isinstance(position, MariadbPosition):
                self.ask("SET @mariadb_slave_capability = 4")
                self.ask(f"SET @slave_connect_state = '{position}'")
                self.ask("SET @slave_gtid_strict_mode = 1")
                self.ask("SET @slave_gtid_ignore_duplicates = 0")
                self._command(COMMAND.COM_BINLOG_DUMP, struct.pack("<IHI", 4, 0, self._server_id))
            elif isinstance(position, MysqlPosition):
                encoded = position.encoded()
                head = struct.pack("<HIIQI", 4, self._server_id, 0, 4, len(encoded))
                self._command(DUMP_GTID, head + encoded)
            else:
                name = position.file.encode()
                self._command(COMMAND.COM_BINLOG_DUMP, struct.pack("<IHI", position.offset, 0, self._server_id) + name)
        except (pymysql.Error, OSError) as error:
            raise unreachable(error) from error

    def _prepare(self) -> None:
        (name, value) = self.ask("SHOW GLOBAL VARIABLES LIKE 'binlog_checksum'")[0]
        self._checksum = name.lower() == "binlog_checksum" and value.upper() != "NONE"
        self.ask("SET @master_binlog_checksum = @@GLOBAL.binlog_checksum")
        self.ask(f"SET @master_heartbeat_period = {int(HEARTBEAT * 1e9)}")
        # a full queue stops the reading for as long as the target needs: the server must have patience
        self.ask("SET SESSION net_write_timeout = 3600")
        register = struct.pack("<IBBBHII", self._server_id, 0, 0, 0, 0, 0, 0)
        self._command(COMMAND.COM_REGISTER_SLAVE, register)
        self._connection._read_packet()

    def _command(self, command: int, payload: bytes) -> None:
        self._connection._execute_command(command, payload)

    def events(self) -> Iterator[list[bytes]]:
        """What came, in lists of events without their checksums.

        The event is with its header of 19 bytes.  Raises PositionLost, StreamUnreachable (the session ended) and
        StreamFailed (a checksum is wrong).
        """
        sock = self._connection._sock
        sock.settimeout(SILENCE)
        rest, whole = b"", b""
        size_of, crc, tail = struct.Struct("<I").unpack_from, zlib.crc32, 4 if self._checksum else 0
        while True:
            try:
                data = sock.recv(CHUNK)
            except (OSError, ValueError, AttributeError) as error:
                raise StreamUnreachable(f"the source's binary log session broke: {error}") from error
            if not data:
                raise StreamUnreachable("the source ended the binary log session")
            if rest:
                data = rest + data
            at, end, out = 0, len(data), []
            while at + 4 <= end:
                size = size_of(data, at)[0] & LONGEST
                start, after = at + 4, at + 4 + size
                if after > end:
                    break
                at = after
                if size == LONGEST or whole:
                    whole += data[start:after]
                    if size == LONGEST:
                        continue
                    packet, whole, start, after = whole, b"", 0, len(whole)
                else:
                    packet = data
                if packet[start]:
                    raise _said(packet[start:after])
                # the byte of success is passed over, and the checksum at the end is left out
                event = packet[start + 1 : after - tail]
                if tail and crc(event) != size_of(packet, after - 4)[0]:
                    raise StreamFailed(
                        "an event of the source's binary log does not match its checksum; look after the source's "
                        "disk and network, then start the stream again"
                    )
                out.append(event)
            rest = data[at:]
            yield out


def unreachable(error: Exception) -> StreamUnreachable:
    """The error of a driver as one of ours; its text names no password."""
    return StreamUnreachable(f"the source's binary log cannot be read: {error.args[-1] if error.args else error}")


def _said(packet: bytes) -> StreamFailed:
    if packet[0] == 0xFE:
        return StreamUnreachable("the source has ended the binary log session")
    number = int.from_bytes(packet[1:3], "little")
    body = packet[9:] if packet[3:4] == b"#" else packet[3:]
    text = body.decode("utf-8", "replace")
    if number == POSITION_GONE and not _passes(text):
        return PositionLost(
            f"the source's binary log does not hold the stream's position: {text}. Start a new stream with a snapshot, "
            "or from a position that the source still has."
        )
    return StreamUnreachable(f"the source ended the binary log session: {text} ({number})")


def _passes(text: str) -> bool:
    """Whether 1236 tells of another stream's session with the same server id, which passes."""
    return "same server_uuid/server_id" in text or "same server_id" in text


def random_server_id() -> int:
    """A server id that no replica is likely to have: two of one id end each other's sessions."""
    return 0x40000000 | int.from_bytes(os.urandom(4), "little") >> 2
