"""The messages of PostgreSQL's ``pgoutput``, version 1 of its protocol, read out of their bytes.  Pure.

Source: PostgreSQL documentation, "Logical Replication Message Formats" and "Streaming Replication Protocol".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from repman.streams.cdc.binlog_rows import NULL as NOTHING
from repman.streams.cdc.changes import UNCHANGED, Row

EPOCH = 946_684_800
"""PostgreSQL counts microseconds since 2000-01-01; this is that day in seconds since 1970."""
_BEGIN = struct.Struct(">QQI")
_COMMIT = struct.Struct(">BQQQ")
_DATA = struct.Struct(">QQQ")
_ALIVE = struct.Struct(">QQB")
_STATUS = struct.Struct(">cQQQQB")
_NUMBER = struct.Struct(">I").unpack_from
_COUNT = struct.Struct(">H").unpack_from
DATA_SIZE = 1 + _DATA.size
NULL, TOASTED, TEXT = b"n"[0], b"u"[0], b"t"[0]

Converter = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class RelationColumn:
    """One column of a published table."""

    name: str
    key: bool
    type: int
    """Its type's oid."""
    modifier: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A published table, as it is for the rows that follow."""

    oid: int
    schema: str
    table: str
    identity: str
    """``d`` (primary key), ``i`` (an index), ``f`` (the whole row) or ``n`` (nothing)."""
    columns: tuple[RelationColumn, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """The end of a transaction."""

    end: int
    """The log position after it, from which the next one follows."""
    at: float
    """In seconds since 1970."""


def frame(message: bytes) -> tuple[int, int]:
    """(start, end of log at the server) of an XLogData message, whose payload begins at DATA_SIZE."""
    start, end, _ = _DATA.unpack_from(message, 1)
    return start, end


def alive(message: bytes) -> tuple[int, bool]:
    """End of log at the server, and whether it wants an answer at once, of a keepalive message."""
    end, _, wants = _ALIVE.unpack_from(message, 1)
    return end, bool(wants)


def status(received: int, flushed: int, now: float) -> bytes:
    """A standby status update: what may be forgotten is all before `flushed`."""
    return _STATUS.pack(b"r", received, flushed, flushed, int((now - EPOCH) * 1e6), 0)


def commit(message: bytes, at: int) -> Commit:
    """Of a commit message that begins at `at`."""
    _, _, end, clock = _COMMIT.unpack_from(message, at + 1)
    return Commit(end, clock / 1e6 + EPOCH)


def relation(message: bytes, at: int) -> Relation:
    """Of a relation message that begins at `at`."""
    oid = _NUMBER(message, at + 1)[0]
    schema, at = _text(message, at + 5)
    table, at = _text(message, at)
    identity = chr(message[at])
    count = _COUNT(message, at + 1)[0]
    at += 3
    columns = []
    for _ in range(count):
        key = bool(message[at] & 1)
        name, at = _text(message, at + 1)
        kind, modifier = struct.unpack_from(">Ii", message, at)
        at += 8
        columns.append(RelationColumn(name, key, kind, modifier))
    return Relation(oid, schema or "pg_catalog", table, identity, tuple(columns))


def truncated(message: bytes, at: int) -> tuple[int, ...]:
    """The oids of the tables of a truncate message."""
    count = _NUMBER(message, at + 1)[0]
    return struct.unpack_from(f">{count}I", message, at + 6)


def _text(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(0, at)
    return message[at:end].decode(), end + 1


Reader = Callable[[bytes, int], tuple[Row, int]]
"""Reads the row that begins at an offset; gives it and where it ends."""


def row_reader(places: Sequence[int | None], converters: Sequence[Converter | None]) -> Reader:
    """What reads the rows of one relation.

    `places` says for each column of the relation at which place of a row it goes (None: it is not followed), and
    `converters` makes its text what the target takes (None: it is that already).  The places are those of
    ``range(len(row))`` in any order.
    """
    plan = tuple(zip(places, converters, strict=True))
    width = sum(place is not None for place in places)
    straight = [place for place in places if place is not None] == list(range(width))

    def read(message: bytes, at: int) -> tuple[Row, int]:
        at += 2
        found: list[Any] = []
        append = found.append
        for place, convert in plan:
            kind = message[at]
            value: Any
            if kind == TEXT:
                start = at + 5
                at = start + _NUMBER(message, at + 1)[0]
                if place is None:
                    continue
                value = message[start:at]
                if convert is not None:
                    value = convert(value)
            else:
                at += 1
                if place is None:
                    continue
                value = NOTHING if kind == NULL else UNCHANGED
            append(value)
        return tuple(found), at

    if straight:
        return read
    order = [place for place in places if place is not None]
    back = [order.index(place) for place in range(width)]

    def reordered(message: bytes, at: int) -> tuple[Row, int]:
        row, at = read(message, at)
        return tuple(row[number] for number in back), at

    return reordered
