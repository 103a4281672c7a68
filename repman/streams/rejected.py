"""Rows that the target of a stream did not take, read back from where the movers keep them: in the target itself."""

from __future__ import annotations

from typing import Any

from repman.streams.api.sessions import rows
from repman.streams.job import Endpoint, Family, Mode

MOST = 1000
_KEPT = {
    (Family.MYSQL, Mode.CDC): (
        ("", "_streams_deadletters"),
        "SELECT target, operation, row_key, row_text, code, reason, position, at FROM _streams_deadletters",
    ),
    (Family.POSTGRESQL, Mode.CDC): (
        ("_streams", "deadletters"),
        "SELECT target, operation, key, row_text, code, reason, position, at FROM _streams.deadletters",
    ),
    (Family.MYSQL, Mode.CONVERT): (
        ("", "_streams_rejected"),
        "SELECT name, 'insert', '', line, '', reason, '', rejected FROM _streams_rejected",
    ),
    (Family.POSTGRESQL, Mode.CONVERT): (
        ("_streams", "rejected"),
        "SELECT name, 'insert', '', line, '', reason, '', rejected FROM _streams.rejected",
    ),
}
"""By what keeps them: the table, and its columns in one order."""
_COLUMNS = ("table", "operation", "key", "row", "code", "reason", "position", "at")


def newest(target: Endpoint, mode: Mode, stream: str, limit: int = MOST) -> list[dict[str, Any]]:
    """The newest rows that were not taken, with the reason of each; none where nothing ever failed.

    Raises StreamUnreachable and StreamFailed.
    """
    (schema, table), question = _KEPT[target.family, mode]
    there = rows(
        target,
        "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        (schema or target.database, table),
    )
    if not there:
        return []
    found = rows(target, f"{question} WHERE stream = %s ORDER BY id DESC LIMIT %s", (stream, min(limit, MOST)))
    return [dict(zip(_COLUMNS, map(_plain, row), strict=True)) for row in found]


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)
