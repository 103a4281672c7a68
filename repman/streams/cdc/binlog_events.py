"""The events of a binary log, read out of their bytes.  Pure.

Source: MariaDB Knowledge Base, "Replication protocol" (events and their types; GTID_EVENT, QUERY_EVENT, TABLE_MAP_EVENT,
ROWS_EVENT and the compressed forms of the last); MySQL internals, "Binary Log Event" (GTID_LOG_EVENT, optional
metadata of TABLE_MAP_EVENT).
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass

from repman.errors import StreamFailed

QUERY, STOP, ROTATE, FORMAT, XID = 2, 3, 4, 15, 16
TABLE_MAP, WRITE_V1, UPDATE_V1, DELETE_V1, INCIDENT, HEARTBEAT = 19, 23, 24, 25, 26, 27
WRITE, UPDATE, DELETE, MYSQL_GTID, ANONYMOUS_GTID, PREVIOUS_GTIDS = 30, 31, 32, 33, 34, 35
XA_PREPARE, PARTIAL_UPDATE, PAYLOAD, TAGGED_GTID = 38, 39, 40, 42
ANNOTATE, CHECKPOINT, MARIADB_GTID, GTID_LIST, ENCRYPTION = 160, 161, 162, 163, 164
QUERY_COMPRESSED, WRITE_COMPRESSED, UPDATE_COMPRESSED, DELETE_COMPRESSED = 165, 166, 167, 168
INSERTS = frozenset({WRITE_V1, WRITE, WRITE_COMPRESSED, 169})
UPDATES = frozenset({UPDATE_V1, UPDATE, UPDATE_COMPRESSED, 170})
DELETES = frozenset({DELETE_V1, DELETE, DELETE_COMPRESSED, 171})
ROWS = INSERTS | UPDATES | DELETES
COMPRESSED_ROWS = frozenset({WRITE_COMPRESSED, UPDATE_COMPRESSED, DELETE_COMPRESSED, 169, 170, 171})
EXTENDED_ROWS = frozenset({WRITE, UPDATE, DELETE, 169, 170, 171})
"""Rows events of the second version, with a length and extra data behind the flags."""

HEADER_SIZE = 19
_GTID = struct.Struct("<QIB")
_MYSQL_GTID = struct.Struct("<B16sQ")
_QUERY = struct.Struct("<IIBHH")
STANDALONE, GROUP_COMMIT, PREPARED_XA, COMPLETED_XA = 1, 2, 64, 128


@dataclass(frozen=True, slots=True)
class Gtid:
    """What begins a transaction."""

    domain: int
    server: int
    sequence: int
    standalone: bool
    """One statement that commits by itself (DDL)."""
    prepared: bool = False
    """The first half of an XA transaction, which may still be rolled back."""
    completed: bool = False
    """The second half."""


@dataclass(frozen=True, slots=True)
class MysqlGtid:
    """What begins a transaction of MySQL."""

    sid: str
    number: int


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that was logged as text."""

    schema: str
    text: str


@dataclass(frozen=True, slots=True)
class TableMap:
    """How the rows of one table lie in the rows events that follow."""

    number: int
    schema: str
    table: str
    types: bytes
    meta: tuple[int, ...]
    """Of each column; two bytes as one number, the first one low."""
    names: tuple[str, ...] = ()
    """Of the columns; empty when the server logs no full metadata."""


@dataclass(frozen=True, slots=True)
class RowsBody:
    """A rows event without its frame."""

    number: int
    """Of the table map."""
    columns: int
    full: bool
    """Whether every column is there, before and after."""
    data: bytes
    at: int
    """Where the first row begins in `data`."""


def mariadb_gtid(event: bytes) -> Gtid:
    """Of a GTID_EVENT; the server id is that of the header."""
    sequence, domain, flags = _GTID.unpack_from(event, HEADER_SIZE)
    server = int.from_bytes(event[5:9], "little")
    standalone, prepared, completed = flags & STANDALONE, flags & PREPARED_XA, flags & COMPLETED_XA
    return Gtid(domain, server, sequence, bool(standalone), bool(prepared), bool(completed))


def mysql_gtid(event: bytes) -> MysqlGtid:
    """Of a GTID_LOG_EVENT."""
    _, sid, number = _MYSQL_GTID.unpack_from(event, HEADER_SIZE)
    return MysqlGtid(str(uuid.UUID(bytes=sid)), number)


def query(event: bytes, compressed: bool = False) -> Query:
    """Of a QUERY_EVENT or its compressed form."""
    _, _, schema_length, _, status_length = _QUERY.unpack_from(event, HEADER_SIZE)
    at = HEADER_SIZE + _QUERY.size + status_length
    schema = event[at : at + schema_length].decode("utf-8", "replace")
    text = event[at + schema_length + 1 :]
    return Query(schema, (unpacked(text) if compressed else text).decode("utf-8", "replace"))


def rotated(event: bytes) -> tuple[str, int]:
    """File and offset of a ROTATE_EVENT."""
    offset = int.from_bytes(event[HEADER_SIZE : HEADER_SIZE + 8], "little")
    return event[HEADER_SIZE + 8 :].decode("utf-8", "replace"), offset


def table_number(event: bytes) -> int:
    """The table id of a TABLE_MAP_EVENT or a rows event."""
    return int.from_bytes(event[HEADER_SIZE : HEADER_SIZE + 6], "little")


def table_map(event: bytes) -> TableMap:
    """Of a TABLE_MAP_EVENT."""
    at = HEADER_SIZE + 8
    schema, at = _short_text(event, at)
    table, at = _short_text(event, at)
    count, at = length_at(event, at)
    types = event[at : at + count]
    _, at = length_at(event, at + count)
    meta, at = _meta(event, at, types)
    at += (count + 7) // 8
    return TableMap(table_number(event), schema, table, types, meta, _names(event, at, count))


def rows_body(event: bytes, kind: int) -> RowsBody:
    """Of a rows event."""
    number = table_number(event)
    at = HEADER_SIZE + 8
    if kind in EXTENDED_ROWS:
        at += int.from_bytes(event[at : at + 2], "little")
    columns, at = length_at(event, at)
    size = (columns + 7) // 8
    images = 2 if kind in UPDATES else 1
    present = event[at : at + size * images]
    everything = ((1 << columns) - 1).to_bytes(size, "little")
    full = present == everything * images
    at += size * images
    if kind in COMPRESSED_ROWS:
        return RowsBody(number, columns, full, unpacked(event[at:]), 0)
    return RowsBody(number, columns, full, event, at)


def full_head(columns: int) -> tuple[bytes, bytes]:
    """The number of columns and the bitmap of those that are there, when all are; and the same of an update."""
    number = bytes([columns]) if columns < 251 else b"\xfc" + columns.to_bytes(2, "little")
    everything = ((1 << columns) - 1).to_bytes((columns + 7) // 8, "little")
    return number + everything, number + everything * 2


def unpacked(data: bytes) -> bytes:
    """What MariaDB compressed: a byte of algorithm and length's size, the length, and a zlib stream."""
    if not data or data[0] & 0x70:
        raise StreamFailed(
            "an event of the source's binary log is compressed in a way this repman does not know; "
            "set log_bin_compress to OFF and start a new stream"
        )
    size = data[0] & 0x07
    return zlib.decompress(data[1 + size :])


def length_at(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded number and where it ends."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def _short_text(data: bytes, at: int) -> tuple[str, int]:
    size = data[at]
    return data[at + 1 : at + 1 + size].decode("utf-8", "replace"), at + size + 2


_TWO_BYTES = frozenset({15, 16, 140 + 1, 246, 247, 248, 253, 254})
_ONE_BYTE = frozenset({4, 5, 17, 18, 19, 140, 245, 249, 250, 251, 252, 255})


def _meta(data: bytes, at: int, types: bytes) -> tuple[tuple[int, ...], int]:
    found = []
    for kind in types:
        if kind in _TWO_BYTES:
            found.append(data[at] | data[at + 1] << 8)
            at += 2
        elif kind in _ONE_BYTE:
            found.append(data[at])
            at += 1
        else:
            found.append(0)
    return tuple(found), at


_COLUMN_NAMES = 4
"""The type of that piece of optional metadata."""


def _names(data: bytes, at: int, count: int) -> tuple[str, ...]:
    while at < len(data):
        kind = data[at]
        size, at = length_at(data, at + 1)
        if kind == _COLUMN_NAMES:
            names, end = [], at + size
            while at < end:
                length, at = length_at(data, at)
                names.append(data[at : at + length].decode("utf-8", "replace"))
                at += length
            return tuple(names) if len(names) == count else ()
        at += size
    return ()
