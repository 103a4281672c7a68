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

from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure, PyMongoError

from repman.link import raw
from repman.link.catalog import Collection
from repman.link.connection import Cluster, Document

MESSAGE_BYTES = 47_000_000
"""What one command to the target may carry; the server takes 48,000,000."""
_UUID_MISMATCH = 361
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

    def __init__(self, source: Cluster, collection: Collection, uuid: Any, natural: bool) -> None:
        """`natural`: read in the order of the disk, in one piece."""
        self._source = source
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
        return found[0] if found else None

    def batches(self, segment: Segment, count: int) -> Iterator[list[bytes]]:
        """The documents that are not copied yet, and the last that is, about `count` at once.

        Raises Gone and PyMongoError.
        """
        command = {**self._find(segment.after or segment.start, segment.end), "batchSize": count}
        with self._session() as session:
            cursor, found, _ = raw.batch(self._ask(command, session))
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
            "readConcern": {"level": "majority"},
            "noCursorTimeout": True,
        }
        if self.natural:
            return {**command, "hint": {"$natural": 1}}
        command["hint"] = {"_id": 1}
        if self._collation:
            # Bounds are compared as the index is sorted.
            command["collation"] = self._collation
        if after is not None:
            command["min"] = RawBSONDocument(after)
        if end is not None:
            command["max"] = RawBSONDocument(end)
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
        self._again = [Segment(each["number"], each["start"], each["end"]) for each in known if not each["done"]]
        self._next = len(known)
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
