"""What entries of an oplog say: their kind, the transaction that they belong to, how that ended.  Pure.

An entry is kept as the bytes that the server stored.  Only commands are decoded; the format is that of MongoDB's
`OplogEntry` (versions 4.2 to 6.0, ``v: 2``).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

import bson
from bson import Timestamp

from repman.checkpoints.model import PartType
from repman.checkpoints.namespaces import is_kept, is_kept_database
from repman.mongo.raw import LENIENT

Entry = dict[str, Any]

_COMMAND = b"\x02op\x00\x02\x00\x00\x00c\x00"
_NEAR_THE_FRONT = 512
"""Only an lsid and numbers of transactions come before the kind of an entry."""
_size = Struct("<i").unpack_from

_DEFINES = frozenset(
    {"create", "drop", "dropDatabase", "renameCollection", "collMod", "createIndexes", "commitIndexBuild",
     "dropIndexes", "deleteIndexes", "convertToCapped", "emptycapped", "importCollection"}
)  # fmt: skip


def split(documents: bytes) -> Iterator[bytes]:
    """The documents that follow each other without anything between."""
    at, end = 0, len(documents)
    while at < end:
        after = at + _size(documents, at)[0]
        yield documents[at:after]
        at = after


def number_of(documents: bytes) -> int:
    """How many documents follow each other."""
    at, end, number = 0, len(documents), 0
    while at < end:
        at += _size(documents, at)[0]
        number += 1
    return number


def is_command(entry: bytes) -> bool:
    """Whether it is a command, which is decoded; may say so of another entry, never not of a command."""
    return entry.find(_COMMAND, 0, _NEAR_THE_FRONT) >= 0


def decoded(entry: bytes) -> Entry:
    """The whole entry."""
    return bson.decode(entry, LENIENT)


def time_of(entry: bytes) -> Timestamp:
    """When it counts from."""
    moment: Timestamp = bson.decode(entry, LENIENT)["ts"]
    return moment


def command_of(entry: Entry) -> str:
    """The name of the command that it logs."""
    return str(next(iter(entry["o"]), ""))


def transaction_of(entry: Entry) -> str:
    """The transaction that an entry belongs to, the same text on all shards; empty when it belongs to none."""
    lsid = entry.get("lsid")
    if lsid is None or "txnNumber" not in entry:
        return ""
    parts = [bytes(lsid[key]).hex() for key in ("id", "uid", "txnUUID") if key in lsid]
    return f"{'-'.join(parts)}:{lsid.get('txnNumber', '')}:{entry['txnNumber']}"


def is_prepare(entry: Entry) -> bool:
    """Whether a transaction promises to commit when it is told to."""
    return command_of(entry) == "applyOps" and bool(entry["o"].get("prepare"))


def defines(entry: Entry, kind: PartType) -> bool:
    """Whether it changes which collections and indexes that are kept there are, or what they are like."""
    database = str(entry["ns"]).partition(".")[0]
    name = command_of(entry)
    if name == "applyOps":
        return any(inner["op"] == "c" and defines(inner, kind) for inner in entry["o"]["applyOps"])
    if name not in _DEFINES or not is_kept_database(kind, database):
        return False
    target = entry["o"][name]
    if name in ("dropDatabase", "renameCollection") or not isinstance(target, str):
        return True
    return is_kept(kind, database, target)
