"""A session that receives PostgreSQL's logical replication stream, through libpq as psycopg wraps it.

Source: PostgreSQL documentation, "Streaming Replication Protocol" and "Logical Streaming Replication Protocol".
"""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator

from psycopg import pq
from psycopg.conninfo import make_conninfo
from psycopg.pq.abc import PGresult

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams import connection
from repman.streams.cdc import pgoutput_messages as messages
from repman.streams.cdc.slot import lsn_text
from repman.streams.job import Endpoint

FEEDBACK = 5.0
"""Seconds between status updates; the server ends a session that is silent for ``wal_sender_timeout`` (60 s)."""
SILENCE = 60.0
"""Seconds without a byte, keepalives included, after which the session is given up."""
AT_ONCE = 20_000
"""Messages that are handed out together at most."""


class ReplicationSession:
    """One replication connection.  `confirm` may be called by another thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Log in.  Raises StreamUnreachable."""
        with connection.libpq_parameters(endpoint) as parameters:
            conninfo = make_conninfo(**parameters, replication="database")
            self._connection = pq.PGconn.connect(conninfo.encode())
        self._confirmed = 0
        self._received = 0
        self._told = 0.0
        if self._connection.status != pq.ConnStatus.OK:
            text = self._connection.error_message.decode("utf-8", "replace").strip()
            self._connection.finish()
            raise StreamUnreachable(f"the source does not let the stream replicate: {text}")

    def close(self) -> None:
        """End the session."""
        self._connection.finish()

    def create_slot(self, name: str) -> tuple[int, str]:
        """Make a slot of pgoutput; the log position where it begins, and the name of the snapshot of that moment.

        The snapshot lives until this session does anything else, or ends.
        """
        result = self._ask(f"CREATE_REPLICATION_SLOT {_quoted(name)} LOGICAL pgoutput (SNAPSHOT 'export')")
        high, low = (result.get_value(0, 1) or b"0/0").decode().split("/")
        return int(high, 16) << 32 | int(low, 16), (result.get_value(0, 2) or b"").decode()

    def _ask(self, command: str) -> PGresult:
        result = self._connection.exec_(command.encode())
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.COPY_BOTH):
            text = result.error_message.decode("utf-8", "replace").strip()
            kind = StreamUnreachable if b"is active" in result.error_message else StreamFailed
            raise kind(f"the source refuses replication: {text}")
        return result

    def start(self, slot: str, publication: str, position: int) -> None:
        """Ask for all transactions that committed at `position` or later."""
        self._confirmed = position
        options = f"proto_version '1', publication_names '{_quoted(publication).replace(chr(39), chr(39) * 2)}'"
        self._ask(f"START_REPLICATION SLOT {_quoted(slot)} LOGICAL {lsn_text(position)} ({options})")
        self._connection.nonblocking = 1

    def confirm(self, position: int) -> None:
        """The target has everything before `position`: the server may forget it."""
        self._confirmed = position

    def feedback(self, now: bool = False) -> None:
        """Tell the server how far it is, when that is due or `now`.  Raises StreamUnreachable."""
        clock = time.monotonic()
        if not now and clock - self._told < FEEDBACK:
            return
        self._told = clock
        try:
            self._connection.put_copy_data(
                messages.status(max(self._received, self._confirmed), self._confirmed, time.time())
            )
            self._connection.flush()
        except Exception as error:
            raise StreamUnreachable(f"the replication session broke: {error}") from error

    def messages(self, seconds: float) -> Iterator[list[bytes]]:
        """What came, in lists; an empty one after `seconds` of silence.  Raises StreamUnreachable at its end.

        Each message begins with its kind, ``w`` or ``k``.
        """
        connection, heard = self._connection, time.monotonic()
        get = connection.get_copy_data
        while True:
            found: list[bytes] = []
            while len(found) < AT_ONCE:
                size, data = get(1)
                if size > 0:
                    found.append(bytes(data))
                elif size == 0:
                    break
                else:
                    raise self._ended()
            if found:
                heard = time.monotonic()
                yield found
                continue
            readable, _, _ = select.select([connection.socket], [], [], seconds)
            if readable:
                self._consume()
                continue
            if time.monotonic() - heard > SILENCE:
                raise StreamUnreachable(f"the source has not said a word for {SILENCE:.0f} s")
            yield found

    def received(self, position: int) -> None:
        """How far the server's log has come here."""
        self._received = max(self._received, position)

    def _consume(self) -> None:
        try:
            self._connection.consume_input()
        except Exception as error:
            raise StreamUnreachable(f"the replication session broke: {error}") from error

    def _ended(self) -> StreamFailed:
        text = ""
        with contextlib.suppress(Exception):
            result = self._connection.get_result()
            if result is not None:
                text = result.error_message.decode("utf-8", "replace").strip()
        return StreamUnreachable(f"the source ended the replication session: {text or 'no reason was given'}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
