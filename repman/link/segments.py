"""A collection in parts that are read apart from each other, and how far each part is.

A segment is a range of the index of ``_id``.  Its ends are given as index bounds (``min`` and ``max``), which hold over
all types in the index's own order, NaN included; comparisons in a query would see one type only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bson.max_key import MaxKey
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from repman.link.catalog import Collection
from repman.link.connection import Cluster, Document
from repman.mongo import raw
from repman.mongo.ranges import identity_of

MESSAGE_BYTES = 16_000_000
"""What one command to the target may carry, beside a single larger document; the driver sends 16 MiB and a little."""
_UUID_MISMATCH = 361
_MAX_KEY = 0x7F
"""The BSON type."""
_RENAMED_OR_DROPPED = frozenset({175, 26, _UUID_MISMATCH})


class Gone(Exception):
    """The source does not have the collection any more: the event that tells so will follow."""


@dataclass(slots=True)
class Segment:
    """A range of ``_id``; `end` is None for the last one."""

    number: int
    start: bytes | None
    """A document with the ``_id`` that it begins with; None for the beginning of the collection."""
    end: bytes | None
    """A document with the first ``_id`` that is not part of it."""
    after: bytes | None = None
    """A document with the ``_id`` that was copied last."""
    size: int = 0
    """Bytes that were copied."""

    def begin_again(self) -> None:
        """Nothing of it is copied yet."""
        self.after, self.size = None, 0


class Reader:
    """Reads one collection of the source, also while it is given other names."""

    def __init__(self, source: Cluster, collection: Collection, uuid: Any, natural: bool, since: Timestamp) -> None:
        """`natural`: read in the order of the disk, in one piece.  What was written until `since` is seen."""
        self._source = source
        # A primary that was just elected, or whose secondaries are late, would show what a majority had before.
        self._concern = {"level": "majority", "afterClusterTime": since}
        self._database = collection.database
        self._name = collection.name
        self._uuid = uuid
        self._collation = collection.options.get("collation")
        self.natural = natural

    def boundary(self, after: bytes | None, count: int) -> bytes | None:
        """A document with the ``_id`` that is `count` documents further on; None beyond the end.

        Raises Gone and PyMongoError.
        """
        command = {**self._find(after, None), "projection": {"_id": 1}, "skip": count, "limit": 1, "singleBatch": True}
        with self._session() as session:
            _, found, _ = raw.batch(self._ask(command, session))
        return found[0] if found and not _is_last(found[0]) else None

    def batches(self, segment: Segment, count: int) -> Iterator[list[bytes]]:
        """The documents that are not copied yet, and the last that is, about `count` at once.

        Raises Gone and PyMongoError.
        """
        low = segment.after or segment.start
        with self._session() as session:
            if low is None or not _is_last(low):
                yield from self._bounded(self._find(low, segment.end), count, session)
            if segment.end is None and low is not None:
                # Bounds of an index leave the very last of all possible values out.
                _, found, _ = raw.batch(self._ask({**self._find(None, None), "filter": {"_id": MaxKey()}}, session))
                if found:
                    yield found

    def _bounded(self, command: Document, count: int, session: Any) -> Iterator[list[bytes]]:
        cursor, found, _ = raw.batch(self._ask({**command, "batchSize": count}, session))
        try:
            if found:
                yield found
            while cursor:
                more = {"getMore": cursor, "collection": command["find"], "batchSize": count}
                cursor, found, _ = raw.batch(self._ask(more, session))
                if found:
                    yield found
        finally:
            if cursor:
                self._kill(cursor, command["find"], session)

    @contextmanager
    def _session(self) -> Iterator[Any]:
        with self._source.client.start_session(causal_consistency=False) as session:
            yield session

    def _find(self, after: bytes | None, end: bytes | None) -> Document:
        command: Document = {
            "find": self._name,
            "collectionUUID": self._uuid,
            "readConcern": self._concern,
            "noCursorTimeout": True,
        }
        if self.natural:
            return {**command, "hint": {"$natural": 1}}
        command["hint"] = {"_id": 1}
        if self._collation:
            # Bounds are compared as the index is sorted.
            command["collation"] = self._collation
        if after is not None:
            command["min"] = RawBSONDocument(identity_of(after))
        if end is not None:
            command["max"] = RawBSONDocument(identity_of(end))
        return command

    def _ask(self, command: Document, session: Any) -> bytes:
        try:
            reply: RawBSONDocument = self._source.client[self._database].command(
                command, session=session, codec_options=raw.RAW
            )
        except OperationFailure as error:
            if error.code in _RENAMED_OR_DROPPED and "find" in command:
                self._follow(error)
            raise
        return bytes(reply.raw)

    def _follow(self, error: OperationFailure) -> None:
        """Ask under the name that the collection has now, the next time."""
        found = (error.details or {}).get("actualCollection") if error.code == _UUID_MISMATCH else None
        if found is None:
            raise Gone from error
        self._name = found
        # Passes: the caller begins again where it was.
        raise OperationFailure(f"the collection is called {found} now", 175) from error

    def _kill(self, cursor: int, name: str, session: Any) -> None:
        try:
            self._source.client[self._database].command({"killCursors": name, "cursors": [cursor]}, session=session)
        except PyMongoError:
            return  # it ends with the session


class Plan:
    """The segments of one collection, found as they are asked for.  Usable from several threads."""

    def __init__(self, reader: Reader, documents: int, known: list[Document]) -> None:
        """`documents` are what a segment holds; `known` is what was kept of segments before."""
        self._reader = reader
        self._documents = max(1, documents)
        self._lock = threading.Lock()
        self._again = unfinished(known)
        self._next = known[-1]["number"] + 1 if known else 0
        self._after: bytes | None = known[-1]["end"] if known else None
        self._ended = bool(known) and self._after is None
        self._open = 0

    def take(self) -> Segment | None:
        """The next segment that nobody copies; None when there is none.  Raises Gone and PyMongoError."""
        with self._lock:
            if self._again:
                self._open += 1
                return self._again.pop(0)
            if self._ended:
                return None
            end = None if self._reader.natural else self._reader.boundary(self._after, self._documents)
            segment = Segment(self._next, self._after, end)
            self._next += 1
            self._after = end
            self._ended = end is None
            self._open += 1
            return segment

    def give_back(self, segment: Segment) -> None:
        """Somebody else shall go on with it."""
        with self._lock:
            self._open -= 1
            self._again.append(segment)

    def finish(self) -> bool:
        """A segment is done; returns whether it was the last of all."""
        with self._lock:
            self._open -= 1
            return self._open == 0 and self._ended and not self._again

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to be taken."""
        with self._lock:
            return self._ended and not self._again


def unfinished(known: list[Document]) -> list[Segment]:
    """What is still to be copied of the segments that were begun; `known` is what was kept of them, by number.

    Several threads begin segments, so a crash may leave a later one known and an earlier one not: what is missing
    between two that are known is copied in one piece.  Pure.
    """
    found: list[Segment] = []
    number, end = 0, None
    for each in known:
        if each["number"] > number and each["start"] != end:
            found.append(Segment(number, end, each["start"]))
        if not each["done"]:
            found.append(Segment(each["number"], each["start"], each["end"]))
        number, end = each["number"] + 1, each["end"]
    return found


def _is_last(found: bytes) -> bool:
    """Whether the document has the greatest of all possible ``_id``s."""
    return identity_of(found)[4] == _MAX_KEY
