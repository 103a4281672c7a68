"""The oplog of every part is copied before the server forgets it, in slices that provably follow each other.

A slice begins with the last entry of the one before: if the server still has that entry, nothing is missing between.
If it has not, or has another one there, the chain has ended, and a new one begins, which is told.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from bson import ObjectId, Timestamp
from pymongo.read_concern import ReadConcern

from repman.checkpoints import oplog
from repman.checkpoints.holdings import Holdings
from repman.checkpoints.manifest import Decision, Slice, name_of_slice, seal
from repman.checkpoints.parts import Cluster, Part, newest
from repman.checkpoints.repository import Repository, store
from repman.errors import CheckpointFailed

_BATCH = 100_000
"""Entries in one answer; the server ends an answer at 16 MB anyway."""


@dataclass(slots=True)
class _Notes:
    """What is learnt of a slice while it is written."""

    size: int = 0
    entries: int = 0
    first: bytes = b""
    last: bytes = b""
    prepared: list[tuple[str, Timestamp]] = field(default_factory=list)
    decided: list[Decision] = field(default_factory=list)

    def see(self, batch: bytes) -> None:
        """The next entries."""
        entry = b""
        for entry in oplog.split(batch):
            if not self.first:
                self.first = entry
            self.entries += 1
            if oplog.is_command(entry):
                self._command(oplog.decoded(entry))
        self.last = entry
        self.size += len(batch)

    def _command(self, entry: oplog.Entry) -> None:
        if entry["op"] != "c":
            return
        name = oplog.command_of(entry)
        if oplog.is_prepare(entry):
            self.prepared.append((oplog.transaction_of(entry), entry["ts"]))
        elif name == "commitTransaction":
            self.decided.append(Decision(oplog.transaction_of(entry), entry["o"]["commitTimestamp"]))
        elif name == "abortTransaction":
            self.decided.append(Decision(oplog.transaction_of(entry), None))


class Slices:
    """Copies oplogs.  Not for several threads at once on one part; raises PyMongoError, RepositoryError, CheckpointFailed."""

    def __init__(
        self, repository: Repository, holdings: Holdings, slice_bytes: int, tell: Callable[[str], None]
    ) -> None:
        self._repository, self._holdings = repository, holdings
        self._bytes, self._tell = slice_bytes, tell

    def capture(self, cluster: Cluster, part: Part, since: Timestamp | None = None) -> str:
        """Copy what a majority has and is not copied yet; a sentence when something was missed.

        With `since` the newest chain has that entry afterwards, or begins with it.
        """
        chain = self._holdings.newest_chain(part.name)
        end = newest(cluster.client(part))
        missed = ""
        if chain and (since is None or chain[0].first <= since):
            before = chain[-1]
            if before.last >= end or self._begin(cluster, part, before.last, end, before):
                return ""
            told = f"{before.last.as_datetime():%Y-%m-%dT%H:%M:%SZ}"
            missed = (
                f"The oplog of {part.name} does not go back to {told} any more: what came between is not captured. "
                f"A snapshot is needed; if this happens again, give the servers a larger oplog."
            )
        start = since or end
        if not self._begin(cluster, part, start, end, None):
            raise CheckpointFailed(
                f"The oplog of {part.name} does not go back to {start.as_datetime():%Y-%m-%dT%H:%M:%SZ}: "
                f"give the servers a larger oplog."
            )
        return missed

    def _begin(self, cluster: Cluster, part: Part, start: Timestamp, end: Timestamp, before: Slice | None) -> bool:
        """Copy from that entry on; False when the server does not have it any more."""
        with contextlib.closing(_read(cluster, part, start, end)) as batches:
            first_batch = next(batches, b"")
            first = next(oplog.split(first_batch), b"")
            if not first or oplog.time_of(first) != start or (before and _digest(first) != before.last_digest):
                return False
            self._write(part, before, first_batch, batches)
            return True

    def _write(self, part: Part, before: Slice | None, first_batch: bytes, batches: Iterator[bytes]) -> None:
        chain = before.chain if before else str(ObjectId())
        number = before.number + 1 if before else 0
        waiting = [first_batch]

        def parts(notes: _Notes) -> Iterator[bytes]:
            while notes.size < self._bytes:
                batch = waiting.pop() if waiting else next(batches, b"")
                if not batch:
                    return
                notes.see(batch)
                yield batch

        while True:
            notes = _Notes()
            name = name_of_slice(part.name, chain, number)
            self._tell("slice: data")
            file = store(self._repository, f"{name}.bson.zst", parts(notes), oplog.number_of)
            made = Slice(
                part.name, chain, number, oplog.time_of(notes.first), oplog.time_of(notes.last),
                _digest(notes.first), _digest(notes.last), file, tuple(notes.prepared), tuple(notes.decided),
            )  # fmt: skip
            self._tell("slice: manifest")
            self._repository.put(f"{name}.json", [seal(made)])
            following = next(batches, b"")
            if not following:
                return
            # Taken from the end: the last entry again, and then what follows it.
            waiting[:] = [following, notes.last]
            number += 1


def _read(cluster: Cluster, part: Part, start: Timestamp, end: Timestamp) -> Generator[bytes]:
    entries = cluster.client(part).local.get_collection("oplog.rs", read_concern=ReadConcern("majority"))
    with entries.find_raw_batches({"ts": {"$gte": start, "$lte": end}}, batch_size=_BATCH) as cursor:
        yield from cursor


def _digest(entry: bytes) -> str:
    return hashlib.sha256(entry).hexdigest()
