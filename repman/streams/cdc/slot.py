"""The replication slot of a stream in its source: what makes PostgreSQL keep its log until the stream has it.

Source: PostgreSQL documentation, "Streaming Replication Protocol" (CREATE_REPLICATION_SLOT) and "pg_replication_slots".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg

from repman.errors import PositionLost, StreamFailed

Connection = psycopg.Connection[tuple[Any, ...]]
LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as it was found."""

    name: str
    plugin: str
    database: str
    active: bool
    lost: bool
    """The server has thrown away log that the slot needs."""
    confirmed: int
    """Up to where the stream said it has everything."""
    retained: int
    """Bytes of log that the server keeps for it."""


def own_name(config: str) -> str:
    """The slot's and publication's name of a configuration that names none: one for all its streams."""
    return ("streams_" + re.sub("[^a-z0-9]", "", config.lower())[-20:])[:LONGEST_NAME]


def read_lsn(text: str) -> int:
    """``16/B374D848`` as a number.  Raises ValueError."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def lsn_text(lsn: int) -> str:
    """A log position in PostgreSQL's notation."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def find(connection: Connection, name: str) -> Slot | None:
    """The slot of that name; None when there is none."""
    row = connection.execute(
        "SELECT plugin, database, active, coalesce(wal_status = 'lost', false), "
        "coalesce(confirmed_flush_lsn - '0/0'::pg_lsn, 0)::bigint, "
        "coalesce(pg_current_wal_lsn() - restart_lsn, 0)::bigint "
        "FROM pg_replication_slots WHERE slot_name = %s",
        (name,),
    ).fetchone()
    return None if row is None else Slot(name, *row)


def require(connection: Connection, name: str, position: int) -> Slot:
    """The slot from which a stream at `position` can go on.

    Raises PositionLost when it is gone, invalid, or already past that position, and StreamFailed for a foreign one.
    """
    found = find(connection, name)
    if found is None:
        raise PositionLost(
            f"the source's replication slot {name!r} is gone, and with it the log after {lsn_text(position)}; "
            "start a new stream with a snapshot"
        )
    if found.plugin != "pgoutput":
        raise StreamFailed(
            f"the replication slot {name!r} is not of pgoutput; choose another name for the stream's slot"
        )
    if found.lost:
        raise PositionLost(
            f"the source has thrown away log that the replication slot {name!r} needed (max_slot_wal_keep_size); "
            "start a new stream with a snapshot"
        )
    if found.confirmed > position:
        raise PositionLost(
            f"the replication slot {name!r} begins at {lsn_text(found.confirmed)}, after {lsn_text(position)} where "
            "this stream is: somebody else has used it. Start a new stream with a snapshot"
        )
    return found


def create(connection: Connection, name: str) -> int:
    """Make a slot that begins now; where that is."""
    row = connection.execute(
        "SELECT lsn - '0/0'::pg_lsn FROM pg_create_logical_replication_slot(%s, 'pgoutput')", (name,)
    )
    (lsn,) = row.fetchone() or (0,)
    return int(lsn)


def drop(connection: Connection, name: str) -> None:
    """Drop it, and end the session that uses it; one that is gone already is no error."""
    connection.execute(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", (name,)
    )
    for _ in range(50):
        try:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", (name,)
            )
        except psycopg.errors.ObjectInUse:
            connection.execute("SELECT pg_sleep(0.1)")
            continue
        return
    raise StreamFailed(f"the replication slot {name!r} is still in use; end the session that holds it and drop it")
