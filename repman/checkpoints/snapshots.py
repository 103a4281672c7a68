"""A base snapshot: all documents of all parts as they were at one cluster time, read while everybody goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bson import ObjectId, Timestamp
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from repman.checkpoints import oplog, sums, tokens, window
from repman.checkpoints.holdings import MANIFEST
from repman.checkpoints.listing import Listed
from repman.checkpoints.manifest import (
    CollectionDump,
    File,
    PartDump,
    SnapshotManifest,
    Sum,
    place_of_snapshot,
    seal,
)
from repman.checkpoints.model import Snapshot, SnapshotPart
from repman.checkpoints.moments import Moment
from repman.checkpoints.parts import Cluster, Part, version
from repman.checkpoints.reading import Reader
from repman.checkpoints.repository import Repository, store
from repman.errors import CheckpointFailed
from repman.mongo.patience import is_transient
from repman.mongo.ranges import IdRange, documents_per_range

_SNAPSHOT_GONE = frozenset({239, 246})
"""SnapshotTooOld, SnapshotUnavailable."""
_CAPPED_IN_THE_PAST = 8
"""The first release that reads capped collections at a cluster time."""
_TRIES = 5
_FINER = 4
"""Ranges are smaller than they might be, so that all threads have some, also when it is restored."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A collection that is to be read."""

    part: Part
    listed: Listed
    place: str
    at: Timestamp


class Snapshots:
    """Takes snapshots; the methods raise PyMongoError, RepositoryError and CheckpointFailed."""

    def __init__(self, repository: Repository, threads: int, tell: Callable[[str], None]) -> None:
        self._repository, self._threads, self._tell = repository, threads, tell

    def take(self, cluster: Cluster, snapshot: Snapshot, moment: Moment) -> SnapshotManifest:
        """Read all parts at that moment, and write the manifest when all of it is kept."""
        parts = []
        with window.widened(cluster), ThreadPoolExecutor(self._threads, thread_name_prefix="snapshot") as pool:
            for number, part in enumerate(cluster.parts):
                self._tell("snapshot: data")
                parts.append(self._part(cluster, part, place_of_snapshot(snapshot.id) + f"{number}/", moment, pool))
        made = SnapshotManifest(snapshot.id, snapshot.group, snapshot.cluster, moment.at, tuple(parts))
        self._tell("snapshot: manifest")
        self._repository.put(place_of_snapshot(snapshot.id) + MANIFEST, [seal(made)])
        self._tell("snapshot: written")
        return made

    def _part(self, cluster: Cluster, part: Part, place: str, moment: Moment, pool: ThreadPoolExecutor) -> PartDump:
        mongod = version(cluster.client(part))
        live = [
            _Source(part, listed, f"{place}{number}-", moment.at)
            for number, listed in enumerate(moment.listed[part.name])
        ]
        made: list[CollectionDump] = []
        first: list[tuple[_Source, list[tuple[IdRange, str]]]] = []
        for source in live:
            if source.listed.capped and int(mongod.partition(".")[0]) < _CAPPED_IN_THE_PAST:
                made.append(self._capped(cluster, source))
            else:
                first.append((source, self._ranges(cluster, source)))
        # All ranges of all collections at once: one large collection is read by all threads.
        reads = [(source, span, name) for source, spans in first for span, name in spans]
        files = pool.map(lambda read: self._range(cluster, *read), reads)
        kept: dict[str, list[File]] = {}
        for (source, _, _), file in zip(reads, files, strict=True):
            kept.setdefault(source.place, []).append(file)
        totals = pool.map(lambda each: self._sum(cluster, each[0]), first)
        for (source, _), total in zip(first, totals, strict=True):
            made.append(_dump(source.listed, total, tuple(kept.get(source.place, ()))))
        return PartDump(part.type, part.set_name, part.shard, mongod, moment.since[part.name], tuple(made))

    def _ranges(self, cluster: Cluster, source: _Source) -> list[tuple[IdRange, str]]:
        client = cluster.client(source.part)
        spans = [IdRange(None, None)]
        stats = client[source.listed.database].command("collStats", source.listed.name)
        most = max(1, documents_per_range(float(stats.get("avgObjSize", 0))) // _FINER)
        if not source.listed.clustered and int(stats.get("count", 0)) > most:
            with _told(source):
                spans = list(Reader(client, source.listed, source.at).ranges(most))
        return [(span, f"{source.place}{number}.bson.zst") for number, span in enumerate(spans)]

    def _range(self, cluster: Cluster, source: _Source, span: IdRange, name: str) -> File:
        reader = Reader(cluster.client(source.part), source.listed, source.at)
        whole = span == IdRange(None, None)
        with _told(source):
            return store(self._repository, name, reader.whole() if whole else reader.within(span), oplog.number_of)

    def _sum(self, cluster: Cluster, source: _Source) -> Sum:
        with _told(source):
            return sums.sum_up(cluster.client(source.part), source.listed.database, source.listed.name, source.at)

    def _capped(self, cluster: Cluster, source: _Source) -> CollectionDump:
        """As it is now, between two notes among which nobody wrote to it; that is its state at the first of them."""
        client, listed = cluster.client(source.part), source.listed
        for _ in range(_TRIES):
            before = tokens.note(cluster, source.part, ObjectId())
            reader = Reader(client, listed, None)
            file = store(self._repository, f"{source.place}0.bson.zst", reader.whole(), oplog.number_of)
            total = sums.sum_up(client, listed.database, listed.name, None)
            after = tokens.note(cluster, source.part, ObjectId())
            if not self._written(cluster, source, before, after):
                still = not self._written(cluster, source, source.at, before)
                return replace(_dump(listed, total, (file,)), at=None if still else before)
        raise CheckpointFailed(
            f"The capped collection {listed.database}.{listed.name} of {source.part.name} is written so often that it "
            f"could not be read as a whole; try again when it is calmer."
        )

    def _written(self, cluster: Cluster, source: _Source, after: Timestamp, until: Timestamp) -> bool:
        name = f"{source.listed.database}.{source.listed.name}"
        oplog_ = cluster.client(source.part).local.get_collection("oplog.rs", read_concern=ReadConcern("majority"))
        within = {"ts": {"$gt": after, "$lte": until}}
        # Transactions may have written to it: nobody looks into them here.
        touched = {**within, "$or": [{"ns": name}, {"op": "c", "ns": {"$ne": "config.$cmd"}}]}
        return oplog_.find_one(touched) is not None


def _dump(listed: Listed, total: Sum, files: tuple[File, ...]) -> CollectionDump:
    return CollectionDump(total, listed.uuid, listed.options, listed.indexes, files)


@contextlib.contextmanager
def _told(source: _Source) -> Iterator[None]:
    """Say what it means when the collection cannot be read at that time."""
    try:
        yield
    except OperationFailure as error:
        if error.code in _SNAPSHOT_GONE and not is_transient(error):
            name = f"{source.listed.database}.{source.listed.name}"
            raise CheckpointFailed(
                f"{name} of {source.part.name} cannot be read any more as it was when the snapshot was begun: it was "
                f"dropped or changed meanwhile, or reading took longer than {window.SECONDS} s; take the snapshot again."
            ) from error
        raise


def described(manifest: SnapshotManifest, snapshot: Snapshot) -> Snapshot:
    """What the resource shows of it."""
    parts = tuple(
        SnapshotPart(
            each.type,
            each.set_name,
            each.shard,
            data_bytes=sum(collection.sum.data_bytes for collection in each.collections),
            file_bytes=sum(file.size for collection in each.collections for file in collection.files),
            version=each.version,
        )
        for each in manifest.parts
    )
    return replace(snapshot, created=manifest.at, complete=True, parts=parts, reasons=())
