"""What a dump says of itself: where in the binary log it stands, and that it is whole."""

from __future__ import annotations

import re

from repman.errors import JobFailed
from repman.model.position import MariadbGtid

_GTID = re.compile(rb"^(?:-- )?SET GLOBAL gtid_slave_pos='([0-9,\- ]*)';", re.MULTILINE)
_BINLOG = re.compile(rb"^(?:-- )?CHANGE MASTER TO MASTER_LOG_FILE='([^']+)', MASTER_LOG_POS=(\d+);", re.MULTILINE)
_TRAILER = re.compile(rb"^-- Dump completed", re.MULTILINE)
_HEAD = 1 << 16
_TAIL = 1 << 16


class DumpInspector:
    """Follows the output of mariadb-dump, keeping only its beginning and its end."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        if len(self._head) < _HEAD:
            self._head += data[: _HEAD - len(self._head)]
        self._tail = (self._tail + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]

    def finish(self) -> None:
        """Raises JobFailed when the dump does not end as a whole one ends."""
        if not _TRAILER.search(self._tail[-400:]):
            raise JobFailed("The dump is cut off: the line `-- Dump completed` at its end is missing")

    @property
    def gtid(self) -> str:
        """The position it states; empty when it states none."""
        found = _GTID.findall(self._tail) or _GTID.findall(self._head)
        return found[-1].decode().replace(" ", "") if found else ""

    @property
    def binlog(self) -> tuple[str, int]:
        """File and offset in the source's own binary log; empty and 0 when it states none."""
        found = _BINLOG.search(self._head)
        return (found[1].decode(), int(found[2])) if found else ("", 0)


def completed(stated: str, before: str) -> str:
    """The position of a dump: what it states, and the domains of which its source's binary log held nothing yet.

    A replica that was rebuilt a moment ago has an empty binary log, from which the dump's position is computed.
    What is missing there had not moved since `before`, the source's position read before the dump began.
    """
    there = {part.partition("-")[0] for part in stated.split(",") if part}
    more = [part for part in before.replace(" ", "").split(",") if part and part.partition("-")[0] not in there]
    return str(MariadbGtid.parse(",".join([*filter(None, stated.split(",")), *more])))
