"""What a change stream tells, as values.  Pure.

Of events that change documents only the bytes are taken apart; events that change collections are rare and decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Any

import bson
from bson.timestamp import Timestamp

from repman.link import raw
from repman.link.raw import document, documents, element, fields


def _value(text: str) -> bytes:
    """A string as it stands in a document."""
    return fields(bson.encode({"s": text}))[b"s"]


_INSERT, _UPDATE, _REPLACE, _DELETE = map(_value, ("insert", "update", "replace", "delete"))
_DATA = frozenset({_INSERT, _UPDATE, _REPLACE, _DELETE})
_EMPTY = 5
"""Bytes of a document or array with nothing in it."""
_UPSERT = element("upsert", True)
_LIMIT_ONE = element("limit", 1)
_QUERY, _CHANGE, _SET, _UNSET, _PUSH = b"\x03q\x00", b"\x03u\x00", b"\x03$set\x00", b"\x03$unset\x00", b"\x03$push\x00"
_timestamp = Struct("<II").unpack_from


class Kind(Enum):
    """What happens to a document."""

    INSERT = 0
    REPLACE = 1
    UPDATE = 2
    DELETE = 3
    REFETCH = 4
    """The event does not say how to come to the new document: it is read from the source."""


class Change:
    """A change of one document."""

    __slots__ = ("collection", "key", "kind", "size", "statements")

    def __init__(self, kind: Kind, collection: bytes, key: bytes, statements: tuple[bytes, ...], size: int) -> None:
        self.kind = kind
        self.collection = collection
        """The UUID."""
        self.key = key
        """The document key: ``_id``, on sharded clusters with the shard key."""
        self.statements = statements
        """An insert's document; for others the statements of an ``update`` or ``delete`` command, in their order."""
        self.size = size
        """Bytes that it holds in memory, about."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A change of a collection, view, index or database."""

    kind: str
    """The event's ``operationType``."""
    database: str
    name: str
    uuid: str
    """In hex; empty for views and databases."""
    description: dict[str, Any]
    time: Timestamp


@dataclass(frozen=True, slots=True)
class Transaction:
    """By which the events of one transaction are known: session and number."""

    session: bytes
    number: bytes


def is_data(event: dict[bytes, bytes]) -> bool:
    """Whether the event changes a document."""
    return event[b"operationType"] in _DATA


def transaction_of(event: dict[bytes, bytes]) -> Transaction | None:
    """The transaction that the event is a part of."""
    number = event.get(b"txnNumber")
    return Transaction(event[b"lsid"], number) if number is not None else None


def change_of(event: dict[bytes, bytes]) -> Change:
    """The change of a document that the event tells of."""
    kind = event[b"operationType"]
    key = event[b"documentKey"]
    collection = event[b"collectionUUID"][5:]
    if kind == _INSERT:
        full = event[b"fullDocument"]
        return Change(Kind.INSERT, collection, key, (full,), len(full) + 200)
    if kind == _UPDATE:
        return _update(collection, key, fields(event[b"updateDescription"]))
    if kind == _REPLACE:
        full = event[b"fullDocument"]
        return Change(Kind.REPLACE, collection, key, (full,), len(full) + 200)
    return Change(Kind.DELETE, collection, key, (document(_QUERY + key, _LIMIT_ONE),), 200 + len(key))


def replacement(key: bytes, full: bytes) -> bytes:
    """The statement that makes it the document with that key, whether there is one or not."""
    return document(_QUERY + key, _CHANGE + full, _UPSERT)


def is_operator_like(full: bytes) -> bool:
    """Whether an ``update`` would take the document for operators: its first field begins with a dollar."""
    return full[5:6] == b"$"


def definition_of(event: bytes) -> Definition:
    """The change of a collection that the event tells of."""
    decoded = bson.decode(event)
    namespace = decoded.get("ns", {})
    uuid = decoded.get("collectionUUID")
    description = decoded.get("operationDescription", {})
    if "to" in decoded:
        description = {"to": decoded["to"], **description}
    return Definition(
        decoded["operationType"],
        namespace.get("db", ""),
        namespace.get("coll", ""),
        bytes(uuid).hex() if uuid is not None else "",
        description,
        decoded["clusterTime"],
    )


def token_time(token: bytes) -> Timestamp:
    """The cluster time of a resume token, which begins with it.

    ``_data`` is a key string in hex: the type of a timestamp (82), then the seconds and the increment, big endian.
    Raises ValueError when it is none.
    """
    text = fields(token)[b"_data"][4:-1]
    if not text.startswith(b"82") or len(text) < 18:
        raise ValueError(f"a resume token of an unknown form: {text[:18]!r}")
    return Timestamp(int(text[2:10], 16), int(text[10:18], 16))


def timestamp(value: bytes) -> Timestamp:
    """A timestamp's value."""
    increment, second = _timestamp(value)
    return Timestamp(second, increment)


def _update(collection: bytes, key: bytes, description: dict[bytes, bytes]) -> Change:
    updated, removed = description[b"updatedFields"], description[b"removedFields"]
    truncated = description.get(b"truncatedArrays", b"\x05\x00\x00\x00\x00")
    size = 300 + len(updated) + len(removed)
    if len(description.get(b"disambiguatedPaths", b"")) > _EMPTY:
        return Change(Kind.REFETCH, collection, key, (), size)
    query = _QUERY + key
    statements = []
    if len(truncated) > _EMPTY:
        # Apart from what follows: one statement may not change an array and what is in it.
        statements += [document(query, _CHANGE + _truncation(each)) for each in documents(truncated)]
    unset = _UNSET + _flags(removed) if len(removed) > _EMPTY else b""
    runs = ascending_runs(updated) if len(updated) > _EMPTY else []
    for number, run in enumerate(runs):
        statements.append(document(query, _CHANGE + document(_SET + run, b"" if number else unset)))
    if unset and not runs:
        statements.append(document(query, _CHANGE + document(unset)))
    return Change(Kind.UPDATE, collection, key, tuple(statements), size)


def _truncation(entry: bytes) -> bytes:
    found = bson.decode(entry)
    return document(_PUSH + bson.encode({found["field"]: {"$each": [], "$slice": found["newSize"]}}))


def _flags(array: bytes) -> bytes:
    """An object of the array's strings as keys."""
    return document(*(b"\x08%b\x00\x01" % value[4:-1] for value in fields(array).values()))


def ascending_runs(updated: bytes) -> list[bytes]:
    """The fields in as few documents as keep their order.

    The server sets the fields of one statement in the order of their names, and fields that are new to the document
    end up in that order.
    """
    cuts, previous, at = [4], b"", 4
    while updated[at]:
        end = updated.index(0, at + 1)
        name = updated[at + 1 : end]
        if previous and not _follows(previous, name):
            cuts.append(at)
        previous = name
        at = end + 1 + raw.size_of(updated, updated[at], end + 1)
    if len(cuts) == 1:
        return [updated]
    ends = [*cuts[1:], at]
    return [document(updated[start:end]) for start, end in zip(cuts, ends, strict=True)]


def _follows(first: bytes, second: bytes) -> bool:
    """Whether the server would set the second after the first: by path components, numbers by value."""
    return _components(first) < _components(second)


def _components(path: bytes) -> list[tuple[int, int, bytes]]:
    return [(0, int(part), b"") if part.isdigit() else (1, 0, part) for part in path.split(b".")]
