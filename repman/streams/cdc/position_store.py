"""Where a stream is, as its target keeps it: one row, written in the transaction that wrote the changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from repman.streams.structure.table import Column


@dataclass(frozen=True, slots=True)
class TableCount:
    """What was applied to one table since the start of the stream."""

    rows: int = 0
    bytes: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A stream's position and what belongs to it."""

    position: str
    """Of the source: a GTID position, or an LSN."""
    counts: dict[str, TableCount] = field(default_factory=dict)
    """By the table's name in the stream."""
    structure: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    """The source's columns of each table at that position, in their order.  The log's rows are read by it: the source's
    catalog may be ahead of the log that is still to be read."""
    copied: bool = False
    """Whether the snapshot before the position is complete (also when none was asked for)."""
    copied_rows: int = 0
    """What the snapshot has brought; `counts` hold these rows too."""
    finished: str = ""
    """Why the stream has ended by itself; empty while it goes on."""

    def text(self) -> str:
        """All but the position, as JSON."""
        counts = {name: [count.rows, count.bytes, count.failed] for name, count in self.counts.items()}
        known = {"counts": counts, "structure": self.structure, "copied": self.copied, "copied_rows": self.copied_rows}
        return msgspec.json.encode({**known, "finished": self.finished}).decode()

    @classmethod
    def read(cls, position: str, text: str) -> Checkpoint:
        """What `text` wrote."""
        found = msgspec.json.decode(text)
        counts = {name: TableCount(*numbers) for name, numbers in found["counts"].items()}
        structure = msgspec.convert(found["structure"], dict[str, tuple[Column, ...]])
        return cls(position, counts, structure, found["copied"], found["copied_rows"], found["finished"])

    def moved(self, position: str) -> Checkpoint:
        """At another position."""
        return replace(self, position=position)

    @property
    def events(self) -> int:
        """Row changes applied since the start, after the snapshot."""
        return sum(count.rows for count in self.counts.values()) - self.copied_rows


def facts(session: Any, mysql: bool, stream: str) -> str:
    """`Checkpoint.text` of a stream as a session of its target finds it; empty when there is none."""
    name = "_streams_checkpoints" if mysql else "_streams.checkpoints"
    with session.cursor() as cursor:
        if mysql:
            cursor.execute("SHOW TABLES LIKE '\\_streams\\_checkpoints'")
        else:
            cursor.execute("SELECT to_regclass('_streams.checkpoints')")
        if not (cursor.fetchone() or (None,))[0]:
            return ""
        cursor.execute(f"SELECT facts FROM {name} WHERE stream = %s", (stream,))
        row = cursor.fetchone()
    return "" if row is None else str(row[0])
