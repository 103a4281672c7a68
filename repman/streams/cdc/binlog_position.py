"""Positions in a binary log: MariaDB's GTIDs, MySQL's GTID sets, and file and offset.

Values that never change; `after` gives the position that follows a transaction.

Source: MariaDB Knowledge Base, "Global Transaction ID"; MySQL Reference Manual, "GTID Format and Storage", and MySQL
internals, "COM_BINLOG_DUMP_GTID" for the bytes of a set.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass, field

Interval = tuple[int, int]
"""First and last number, both of the set."""


@dataclass(frozen=True, slots=True)
class MariadbPosition:
    """The last GTID of each domain: (domain, server, sequence), sorted."""

    gtids: tuple[tuple[int, int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> MariadbPosition:
        """Read ``0-1-100,1-2-7``.  Raises ValueError on anything else."""
        latest: dict[int, tuple[int, int, int]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            domain, server, sequence = map(int, part.split("-"))
            if min(domain, server, sequence) < 0:
                raise ValueError(part)
            if domain not in latest or latest[domain][2] < sequence:
                latest[domain] = (domain, server, sequence)
        return cls(tuple(sorted(latest.values())))

    def after(self, domain: int, server: int, sequence: int) -> MariadbPosition:
        """With that transaction."""
        if len(self.gtids) == 1 and self.gtids[0][0] == domain:
            return MariadbPosition(((domain, server, sequence),))
        others = [gtid for gtid in self.gtids if gtid[0] != domain]
        return MariadbPosition(tuple(sorted([*others, (domain, server, sequence)])))

    def covers(self, other: MariadbPosition) -> bool:
        """Whether each domain of `other` is at or before this, by number: `gtid_strict_mode` makes that the order."""
        reached = {domain: sequence for domain, _, sequence in self.gtids}
        return all(reached.get(domain, -1) >= sequence for domain, _, sequence in other.gtids)

    def missing_from(self, other: MariadbPosition) -> str:
        """What this has and `other` has not, as ranges ``0-1-9..12``."""
        reached = {domain: sequence for domain, _, sequence in other.gtids}
        return ",".join(
            f"{domain}-{server}-{reached.get(domain, 0) + 1}..{sequence}"
            for domain, server, sequence in self.gtids
            if reached.get(domain, 0) < sequence
        )

    def __str__(self) -> str:
        return ",".join(f"{domain}-{server}-{sequence}" for domain, server, sequence in self.gtids)


@dataclass(frozen=True, slots=True)
class MysqlPosition:
    """A GTID set: the intervals of each server's UUID, sorted."""

    sets: tuple[tuple[str, tuple[Interval, ...]], ...] = ()

    @classmethod
    def parse(cls, text: str) -> MysqlPosition:
        """Read ``3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7,...``.  Raises ValueError on anything else."""
        found: dict[str, list[Interval]] = {}
        for part in filter(None, (part.strip() for part in text.replace("\n", "").split(","))):
            name, *ranges = part.split(":")
            sid = str(uuid.UUID(name))
            if not ranges:
                raise ValueError(part)
            for piece in ranges:
                first, _, last = piece.partition("-")
                found.setdefault(sid, []).append((int(first), int(last or first)))
        return cls(tuple((sid, _joined(intervals)) for sid, intervals in sorted(found.items())))

    def after(self, sid: str, number: int) -> MysqlPosition:
        """With that transaction."""
        sets = dict(self.sets)
        known = sets.get(sid, ())
        if known and known[-1][1] == number - 1:
            sets[sid] = (*known[:-1], (known[-1][0], number))
        else:
            sets[sid] = _joined([*known, (number, number)])
        return MysqlPosition(tuple(sorted(sets.items())))

    def covers(self, other: MysqlPosition) -> bool:
        """Whether every transaction of `other` is in this set."""
        sets = dict(self.sets)
        return all(
            any(first <= low and high <= last for first, last in sets.get(sid, ()))
            for sid, intervals in other.sets
            for low, high in intervals
        )

    def encoded(self) -> bytes:
        """The set in the bytes of COM_BINLOG_DUMP_GTID; ends are exclusive there."""
        parts = [struct.pack("<Q", len(self.sets))]
        for sid, intervals in self.sets:
            parts.append(uuid.UUID(sid).bytes + struct.pack("<Q", len(intervals)))
            parts.extend(struct.pack("<QQ", first, last + 1) for first, last in intervals)
        return b"".join(parts)

    def __str__(self) -> str:
        return ",".join(
            ":".join([sid, *(f"{first}-{last}" if last > first else str(first) for first, last in intervals)])
            for sid, intervals in self.sets
        )


@dataclass(frozen=True, slots=True)
class FilePosition:
    """A file of the binary log and an offset in it: good on one server only."""

    file: str = ""
    offset: int = field(default=4)

    @classmethod
    def parse(cls, text: str) -> FilePosition:
        """Read ``mysql-bin.000003:154``.  Raises ValueError on anything else."""
        file, _, offset = text.rpartition(":")
        if not file:
            raise ValueError(text)
        return cls(file, int(offset))

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"


BinlogPosition = MariadbPosition | MysqlPosition | FilePosition


def _joined(intervals: list[Interval]) -> tuple[Interval, ...]:
    """Sorted, and neighbours made one."""
    joined: list[Interval] = []
    for first, last in sorted(intervals):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def parse(text: str, mariadb: bool) -> BinlogPosition:
    """Read a position as a user or a checkpoint writes it.  Raises ValueError."""
    if mariadb and (not text or (text[0].isdigit() and ":" not in text)):
        return MariadbPosition.parse(text)
    try:
        return MysqlPosition.parse(text)
    except ValueError:
        return FilePosition.parse(text)
