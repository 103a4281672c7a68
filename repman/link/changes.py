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

from repman.link.diffs import Unspeakable, expressions_of
from repman.link.keys import canonical
from repman.link.operators import ascending_runs, cutting, setting, unsetting
from repman.mongo.empties import has_empty, literally
from repman.mongo.raw import LENIENT, document, documents, element, elements, fields


def _value(text: str) -> bytes:
    """A string as it stands in a document."""
    return fields(bson.encode({"s": text}))[b"s"]


_INSERT, _UPDATE, _REPLACE, _DELETE = map(_value, ("insert", "update", "replace", "delete"))
_DATA = frozenset({_INSERT, _UPDATE, _REPLACE, _DELETE})
_EMPTY = 5
"""Bytes of a document or array with nothing in it."""
_UPSERT = element("upsert", True)
_LIMIT_ONE = element("limit", 1)
_QUERY, _CHANGE, _PIPELINE = b"\x03q\x00", b"\x03u\x00", b"\x04u\x00"
_DOT = ord(".")
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
        """The document key: ``_id``, on sharded clusters with the shard key; the same for all that are equal."""
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
    key = canonical(event[b"documentKey"])
    collection = event[b"collectionUUID"][5:]
    if kind == _INSERT:
        full = event[b"fullDocument"]
        return Change(Kind.INSERT, collection, key, (full,), len(full) + 200)
    if kind == _UPDATE:
        return _update(collection, key, event)
    if kind == _REPLACE:
        full = event[b"fullDocument"]
        return Change(Kind.REPLACE, collection, key, (full,), len(full) + 200)
    return Change(Kind.DELETE, collection, key, (document(_QUERY + key, _LIMIT_ONE),), 200 + len(key))


def replacement(key: bytes, full: bytes) -> bytes:
    """The statement that makes it the document with that key, whether there is one or not."""
    change = _PIPELINE + literally(full) if has_empty(full) else _CHANGE + full
    return document(_QUERY + key, change, _UPSERT)


def is_operator_like(full: bytes) -> bool:
    """Whether an ``update`` would take the document for operators: its first field begins with a dollar."""
    return full[5:6] == b"$"


def definition_of(event: bytes) -> Definition:
    """The change of a collection that the event tells of."""
    decoded = bson.decode(event, LENIENT)
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


def _update(collection: bytes, key: bytes, event: dict[bytes, bytes]) -> Change:
    raw = event.get(b"rawUpdateDescription")
    described = raw if raw is not None else event[b"updateDescription"]
    size = 300 + len(described)
    try:
        expressions = expressions_of(fields(raw)[b"diff"]) if raw is not None else _expressions(fields(described))
    except Unspeakable:
        return Change(Kind.REFETCH, collection, key, (), size)
    statements = tuple(document(_QUERY + key, _CHANGE + each) for each in expressions)
    return Change(Kind.UPDATE, collection, key, statements, size)


def _expressions(description: dict[bytes, bytes]) -> list[bytes]:
    """Update expressions that do the same one after the other.  Raises Unspeakable."""
    if len(description.get(b"disambiguatedPaths", b"")) > _EMPTY:
        raise Unspeakable
    updated = list(elements(description[b"updatedFields"]).items())
    removed = [value[4:-1] for value in fields(description[b"removedFields"]).values()]
    if any(map(_is_unspeakable, removed)) or any(_is_unspeakable(path) for path, _ in updated):
        raise Unspeakable
    truncated = description.get(b"truncatedArrays")
    # Apart from what follows: one statement may not change an array and what is in it.
    made = cutting(map(_truncation, documents(truncated))) if truncated is not None else []
    # Any of these fields may be new.
    first, *others = ascending_runs(updated) or [()]
    operators = [*unsetting(removed), *setting(first)]
    return [
        *made,
        *([document(*operators)] if operators else []),
        *(document(*setting(run)) for run in others),
    ]


def _is_unspeakable(path: bytes) -> bool:
    """Whether update operators take no such path: a field in it has an empty name, or one that begins with a dollar."""
    return not path or path[0] in b"$." or path[-1] == _DOT or b".." in path or b".$" in path


def _truncation(entry: bytes) -> tuple[str, int]:
    found = bson.decode(entry)
    return found["field"], found["newSize"]
