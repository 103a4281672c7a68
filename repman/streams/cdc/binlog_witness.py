"""What replicas of the source have received: a semi-synchronous writer shows a transaction in its binary log before any
replica has acknowledged it, and a failover may erase what was shown.

A stream that knows the members of its source's cluster applies only what another member has received.

Source: MariaDB Knowledge Base, "Semisynchronous replication" (AFTER_SYNC) and "SHOW REPLICA STATUS" (Gtid_IO_Pos).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

import pymysql

from repman.errors import StreamFailed
from repman.streams import connection
from repman.streams.cdc.binlog_position import MariadbPosition
from repman.streams.job import Endpoint

LOOK_EVERY = 0.02
"""Seconds between two looks at the replicas while something waits for them."""
MOMENT = 0.2
"""Seconds that `Witness.holds` waits before it says no."""


class Witness:
    """Looks at replicas of MariaDB, from the thread that asks."""

    def __init__(self, members: Sequence[Endpoint]) -> None:
        self._members = tuple(members)
        self._sessions: dict[Endpoint, Any] = {}
        self._received: list[MariadbPosition] = []
        self._pause = threading.Event()

    def holds(self, position: str) -> bool:
        """Whether one of the replicas has received everything up to `position`; waits a moment for it."""
        wanted = MariadbPosition.parse(position)
        for _ in range(int(MOMENT / LOOK_EVERY)):
            if any(received.covers(wanted) for received in self._received):
                return True
            self._look()
            if any(received.covers(wanted) for received in self._received):
                return True
            self._pause.wait(LOOK_EVERY)
        return False

    def close(self) -> None:
        """Disconnect."""
        for opened in self._sessions.values():
            with contextlib.suppress(pymysql.Error, OSError):
                opened.close()
        self._sessions.clear()

    def _look(self) -> None:
        found = []
        for member in self._members:
            try:
                found += self._ask(member)
            except (pymysql.Error, OSError, StreamFailed):
                opened = self._sessions.pop(member, None)
                if opened is not None:
                    opened._force_close()
        self._received = found

    def _ask(self, member: Endpoint) -> list[MariadbPosition]:
        if member not in self._sessions:
            self._sessions[member] = connection.mysql(member, database=False)
        with self._sessions[member].cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW ALL SLAVES STATUS")
            return [MariadbPosition.parse(str(row["Gtid_IO_Pos"] or "")) for row in cursor.fetchall()]


def is_semi_synchronous(session: Any) -> bool:
    """Whether commits of that server wait for a replica."""
    with session.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_status'")
        row = cursor.fetchone()
    return row is not None and str(row[1]).upper() == "ON"
