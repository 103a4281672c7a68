"""One of the two copies of a collection, read at a moment: documents, their digests, the bounds of ranges.

Nothing here changes anything, and every read can be done again.  Errors of PyMongo go through to the caller.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from bson.timestamp import Timestamp
from pymongo.database import Database
from pymongo.errors import OperationFailure

from repman.mongo.ranges import LAST, IdRange, among
from repman.mongo.raw import RAW

_BATCH = 50_000
"""Documents in one answer of a server, which ends an answer at 16 MB anyway."""
_BY_ID = {"hint": {"_id": 1}, "sort": {"_id": 1}}
_NO_COLLECTION = 26
_MOMENT_GONE = {239, 246}
"""SnapshotTooOld, and SnapshotUnavailable: the collection is younger than the moment."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Documents of one range in few bytes: equal summaries of two copies mean equal documents."""

    documents: int
    digest: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A collection of one cluster at one moment."""

    database: Database[dict[str, Any]]
    name: str
    at: Timestamp | None
    """Cluster time that is read; None: what a majority has now."""

    def in_range(self, span: IdRange) -> Generator[bytes]:
        """Its documents in the order of `_id`."""
        if span.low != LAST:
            yield from self._find({**_BY_ID, **span.bounds()})
        if span.leaves_last_out:
            yield from self.having([LAST])

    def having(self, identities: Iterable[bytes]) -> Generator[bytes]:
        """Those of its documents that have one of these `_id`s, in no order."""
        return self._find({"filter": among(identities)})

    def ids_having(self, identities: Iterable[bytes]) -> Generator[bytes]:
        """The `_id`s of the same documents, as in `Difference.id`."""
        return self._find({"filter": among(identities), "projection": {"_id": 1}})

    def ids_in_natural_order(self) -> Generator[bytes]:
        """The `_id` of every document in the order in which a capped collection keeps them."""
        return self._find({"hint": {"$natural": 1}, "projection": {"_id": 1}})

    def information(self) -> dict[str, Any]:
        """What ``listCollections`` tells of it now; empty when there is none."""
        return next((dict(each) for each in self.database.list_collections(filter={"name": self.name})), {})

    def id_after(self, low: bytes | None, documents: int) -> bytes | None:
        """The `_id` that ends a range of so many documents; None when there are no more than that."""
        if low == LAST:
            return None
        skip = {"skip": documents, "limit": 1, "projection": {"_id": 1}}
        found = [*self._find({**_BY_ID, **IdRange(low, None).bounds(), **skip})]
        return found[0] if found else None

    def read(self, span: IdRange) -> Summary:
        """Fetch a range and digest its bytes: sees every difference."""
        documents = 0
        digest = hashlib.sha256()
        for raw in self.in_range(span):
            digest.update(raw)
            documents += 1
        return Summary(documents, digest.hexdigest())

    def hashed(self, span: IdRange) -> Summary:
        """Let the server hash a range: sees what `Method.HASHES` tells.

        The sum is a decimal, as a sum of 64-bit hashes as such becomes a double and loses digits.
        """
        hashes = {"$sum": {"$toDecimal": {"$toHashedIndexKey": "$$ROOT"}}}
        group = {"_id": None, "n": {"$sum": 1}, "hashes": hashes, "bytes": {"$sum": {"$bsonSize": "$$ROOT"}}}
        for answer in self._grouped(span, group):
            return Summary(answer["n"], f"{answer['hashes']}/{answer['bytes']}")
        return Summary(0, "")

    def count(self) -> int:
        """Its documents, counted one by one."""
        answers = self._grouped(IdRange(None, None), {"_id": None, "n": {"$sum": 1}})
        return sum(int(answer["n"]) for answer in answers)

    def _grouped(self, span: IdRange, group: dict[str, Any]) -> list[dict[str, Any]]:
        pipeline = [{"$match": span.match()}, {"$group": group}]
        command = {**self._command("aggregate"), "hint": {"_id": 1}, "pipeline": pipeline, "cursor": {}}
        answers: list[dict[str, Any]] = self.database.command(command)["cursor"]["firstBatch"]
        return answers

    def estimated_count(self) -> int:
        """Its documents, as the server counts along; after a crash of the server that may be wrong."""
        return self.database[self.name].estimated_document_count()

    def average_bytes(self) -> float:
        """Of its documents, as the server has it in its statistics; 0 when there are none."""
        try:
            answers = list(self.database[self.name].aggregate([{"$collStats": {"storageStats": {}}}]))
        except OperationFailure as error:
            if error.code == _NO_COLLECTION:
                return 0.0
            raise
        return max((float(answer["storageStats"].get("avgObjSize", 0)) for answer in answers), default=0.0)

    def server_digest(self, most_seconds: float) -> str | None:
        """The MD5 of all documents, by `dbHash`; None when there is no collection.

        The database takes no writes meanwhile.  Raises OperationFailure, also when it would last longer.
        """
        answer = self.database.command("dbHash", collections=[self.name], maxTimeMS=int(most_seconds * 1000))
        found: str | None = answer["collections"].get(self.name)
        return found

    def _command(self, verb: str) -> dict[str, Any]:
        concern = {"level": "snapshot", "atClusterTime": self.at} if self.at is not None else {"level": "majority"}
        return {verb: self.name, "readConcern": concern}

    def _find(self, query: dict[str, Any]) -> Generator[bytes]:
        # A command of our own, as PyMongo's `find` cannot be told a cluster time.  Its cursor stays with the server
        # that began it, which `getMore` as a command of our own would not where there are several mongos.
        database = self.database.with_options(codec_options=RAW)
        command = {**self._command("find"), "batchSize": _BATCH, **query}
        with (
            database.client.start_session(causal_consistency=False) as session,
            database.cursor_command(command, codec_options=RAW, session=session) as cursor,
        ):
            for document in cursor:
                yield bytes(document.raw)


def is_moment_gone(error: OperationFailure) -> bool:
    """Whether the server cannot read at that moment, but could at a newer one."""
    return error.code in _MOMENT_GONE
