"""Documents of one collection as bytes, as they were at a cluster time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from repman.checkpoints.listing import Listed
from repman.checkpoints.parts import Client, Document
from repman.mongo import raw
from repman.mongo.ranges import LAST, IdRange, among, identity_of

_BATCH = 100_000
"""Documents in one answer; the server ends an answer at 16 MB anyway."""


class Reader:
    """Reads a collection; each method raises PyMongoError."""

    def __init__(self, client: Client, collection: Listed, at: Timestamp | None) -> None:
        """`at` None: as a majority has it now."""
        self._client, self._collection = client, collection
        concern = {"level": "majority"} if at is None else {"level": "snapshot", "atClusterTime": at}
        self._command: Document = {"find": collection.name, "readConcern": concern}
        self._by_id: Document = {"hint": {"_id": 1}}
        if collection.collation:
            self._by_id["collation"] = collection.collation  # bounds are compared as the index is sorted

    def ranges(self, documents: int) -> Iterator[IdRange]:
        """The collection in ranges of about so many documents."""
        low: bytes | None = None
        while True:
            high = self._bound(low, documents)
            yield IdRange(low, high)
            if high is None:
                return
            low = high

    def whole(self) -> Iterator[bytes]:
        """All documents in the order in which the server keeps them, many at once."""
        yield from self._find({"hint": {"$natural": 1}})

    def within(self, span: IdRange) -> Iterator[bytes]:
        """The documents of a range, many at once."""
        if span.low != LAST:
            yield from self._find({**self._by_id, **span.bounds()})
        if span.leaves_last_out:
            yield from self._find({"filter": among([LAST])})

    def _bound(self, low: bytes | None, documents: int) -> bytes | None:
        if low == LAST:
            return None
        only = {"skip": documents, "limit": 1, "singleBatch": True, "projection": {"_id": 1}}
        found = b"".join(self._find({**self._by_id, **IdRange(low, None).bounds(), **only}))
        return identity_of(found) if found else None

    def _find(self, query: Document) -> Iterator[bytes]:
        with self._client.start_session(causal_consistency=False) as session:
            command = {**self._command, "batchSize": _BATCH, **query}
            cursor, found, _ = raw.batch(self._ask(command, session))
            try:
                if found:
                    yield b"".join(found)
                while cursor:
                    more = {"getMore": cursor, "collection": self._collection.name, "batchSize": _BATCH}
                    # Asked as if it were over: a cursor whose getMore fails is closed by the server.
                    asked, cursor = more, 0
                    cursor, found, _ = raw.batch(self._ask(asked, session))
                    if found:
                        yield b"".join(found)
            finally:
                if cursor:
                    kill = {"killCursors": self._collection.name, "cursors": [cursor]}
                    with contextlib.suppress(PyMongoError):  # it ends with the session
                        self._ask(kill, session)

    def _ask(self, command: Document, session: Any) -> bytes:
        reply: RawBSONDocument = self._client[self._collection.database].command(
            command, session=session, codec_options=raw.RAW
        )
        return bytes(reply.raw)
