"""Documents and operations are written to the target of a restore as the bytes they were kept as."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from repman.checkpoints import oplog
from repman.checkpoints.parts import Client, Document
from repman.errors import CheckpointFailed
from repman.mongo.ranges import equal_to, identity_of
from repman.mongo.raw import Documents, document, element

_MESSAGE_BYTES = 4_000_000
"""Of one insert, beside a single larger document: while the server inserts, the next is read."""
_MOST_OPERATIONS = 2_000
_COMMAND_BYTES = 12_000_000
"""Of one `applyOps`, which the target's oplog repeats in one entry."""
_MOST_DOCUMENTS = 100_000
_STRICT_BEFORE = 7
"""From that release on `applyOps` never inserts what it should update, and does not take the option any more."""
_COMMAND = element("op", "c")
_ZERO_TIME = re.compile(rb"\x11[^\x00]+\x00\x00{8}", re.DOTALL)
_size = Struct("<i").unpack_from


def batches(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same documents, whole ones, as many as one command takes."""
    left = b""
    for chunk in chunks:
        data = left + chunk if left else chunk
        start = at = number = 0
        end = len(data)
        while at + 4 <= end:
            after = at + _size(data, at)[0]
            if after > end:
                break
            if number and (after - start > _MESSAGE_BYTES or number >= _MOST_DOCUMENTS):
                yield data[start:at]
                start, number = at, 0
            at, number = after, number + 1
        if at > start:
            yield data[start:at]
        left = data[at:]
    if left:
        raise CheckpointFailed("A file of the snapshot ends within a document: it is damaged.")


def insert(client: Client, database: str, name: str, documents: bytes, ordered: bool) -> None:
    """Insert documents; in their order if that is wished.  Raises PyMongoError."""
    if _ZERO_TIME.search(documents):
        _insert_with_zero_times(client, database, name, documents)
        return
    command: Document = {
        "insert": name,
        "documents": [Documents(documents)],
        "ordered": ordered,
        "bypassDocumentValidation": True,
        "writeConcern": {"w": 1},
    }
    _check(client[database].command(command), f"{database}.{name}")


def apply(client: Client, operations: list[bytes], major: int) -> None:
    """Carry out operations, all in one command.  Raises PyMongoError."""
    command: Document = {"applyOps": [RawBSONDocument(each) for each in operations]}
    if major < _STRICT_BEFORE:
        command["alwaysUpsert"] = False
    client.admin.command(command)


def bundles(operations: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Operations, as many as one command takes; those that define collections each alone."""
    some: list[bytes] = []
    size = 0
    for each in operations:
        alone = each[4:].startswith(_COMMAND)
        if some and (alone or size + len(each) > _COMMAND_BYTES or len(some) >= _MOST_OPERATIONS):
            yield some
            some, size = [], 0
        if alone:
            yield [each]
            continue
        some.append(each)
        size += len(each)
    if some:
        yield some


def insertion(namespace: str, whole: bytes) -> bytes:
    """The operation that inserts a document."""
    return document(element("op", "i"), element("ns", namespace), b"\x03o\x00" + whole)


def creation(database: str, name: str, options: bytes, uuid: str) -> bytes:
    """The operation that makes a collection; with its UUID unless that is empty."""
    made = document(element("create", name), options[4:-1])
    known = [element("ui", bson.Binary(bytes.fromhex(uuid), 4))] if uuid else []
    return document(element("op", "c"), element("ns", f"{database}.$cmd"), *known, b"\x03o\x00" + made)


def _insert_with_zero_times(client: Client, database: str, name: str, documents: bytes) -> None:
    """One by one: an insert would put the time of now in the place of a zero timestamp, a pipeline does not."""
    for whole in oplog.split(documents):
        if not _ZERO_TIME.search(whole):
            insert(client, database, name, whole, ordered=True)
            continue
        identity = identity_of(whole)
        literal = RawBSONDocument(document(b"\x03$literal\x00" + whole))
        update = {
            "q": equal_to(identity),
            "u": [{"$replaceWith": literal}],
            "multi": False,
        }
        _check(
            client[database].command({"insert": name, "documents": [RawBSONDocument(identity)]}), f"{database}.{name}"
        )
        _check(client[database].command({"update": name, "updates": [update]}), f"{database}.{name}")


def _check(reply: dict[str, Any], namespace: str) -> None:
    if errors := reply.get("writeErrors"):
        first = errors[0]
        raise OperationFailure(f"{namespace}: {first.get('errmsg')}", first.get("code"), first)
