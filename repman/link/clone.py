"""The first copy of all documents: several collections, in segments, at once; continued where it was broken off."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from dataclasses import dataclass, field

from bson.binary import Binary
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from repman.errors import LinkFailed
from repman.link import indexes, writing
from repman.link.catalog import Catalog, Collection
from repman.link.changes import replacement
from repman.link.checkpoint import Checkpoints
from repman.link.connection import Cluster, Document
from repman.link.figures import Figures
from repman.link.listing import recreate
from repman.link.options import MIB, BuildIndexes, LinkOptions
from repman.link.segments import MESSAGE_BYTES, Gone, Plan, Reader, Segment
from repman.link.writing import DUPLICATE, Terms
from repman.mongo.empties import has_empty
from repman.mongo.patience import is_transient, patiently
from repman.mongo.ranges import identity_of
from repman.mongo.stopping import AnyOf, Stopped

LOG = logging.getLogger(__name__)

_SEGMENT_BYTES = 64 * MIB
_BATCH_BYTES = 4 * MIB
_MOST_DOCUMENTS = 50_000
"""In one insert; the server takes 100,000."""
_PARALLEL_COLLECTIONS = 4
_TURN = 0.005
"""Seconds until somebody looks again whether another thread has found something to copy."""


@dataclass(slots=True)
class Progress:
    """How far the clone is; changed by several threads under `lock`."""

    total_bytes: int = 0
    copied_bytes: int = 0
    collections: int = 0
    collections_done: int = 0
    indexes: int = 0
    indexes_built: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    figures: Figures = field(default_factory=Figures)

    def copied(self, size: int) -> None:
        """That many bytes more, or fewer, are on the target."""
        with self.lock:
            self.copied_bytes += size


class _Copying:
    """One collection that is being copied."""

    def __init__(self, collection: Collection, reader: Reader, plan: Plan, batch: int) -> None:
        self.collection, self.reader, self.plan, self.batch = collection, reader, plan, batch
        self.left = False
        """The source has dropped it."""
        self.tried = False
        """Something of it may be on the target."""


class Clone:
    """Copies what the catalogue holds and what was not copied yet."""

    def __init__(
        self,
        source: Cluster,
        target: Cluster,
        catalog: Catalog,
        checkpoints: Checkpoints,
        options: LinkOptions,
        progress: Progress,
        since: Timestamp,
    ) -> None:
        """Nothing is read yet; what the source had at `since` is copied, and what it has when it is read."""
        self._source, self._target = source, target
        self._catalog, self._checkpoints = catalog, checkpoints
        self._options = options
        self._progress = progress
        self._since = since
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Collection, Document]] = deque()
        self._active: list[_Copying] = []
        self._beginning = 0
        self._errors: list[BaseException] = []

    def run(self, stop: threading.Event, only: str = "") -> None:
        """Copy everything, or only the collection of that key.

        Raises Stopped when told to end, LinkFailed, LinkTaken and PyMongoError.
        """
        copies = patiently(self._checkpoints.copies, stop)
        collections = [each for each in self._catalog.all() if not each.is_view and only in ("", each.key)]
        with self._progress.lock:
            self._progress.collections = len(collections)
            self._progress.collections_done = sum(bool(copies.get(each.key, {}).get("done")) for each in collections)
            self._progress.copied_bytes = sum(copy.get("size", 0) for copy in copies.values() if copy["done"])
            self._progress.indexes = sum(len(each.indexes) for each in collections)
        todo = [(each, copies.get(each.key, {"bytes": 0, "count": 0, "done": False})) for each in collections]
        todo = [(each, copy) for each, copy in todo if not copy["done"]]
        # The largest first: what takes longest must not be what is left at the end.
        self._waiting.extend(sorted(todo, key=lambda pair: -pair[1]["bytes"]))
        failed = threading.Event()
        ending = AnyOf(stop, failed)
        workers = [
            threading.Thread(target=self._work, args=(ending, failed), name=f"clone-{number}", daemon=True)
            for number in range(self._options.insert_workers or max(2, min(8, os.cpu_count() or 2)) + 1)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self._errors:
            raise self._errors[0]
        if stop.is_set():
            raise Stopped

    def _work(self, stop: threading.Event, failed: threading.Event) -> None:
        try:
            while not stop.is_set() and (found := self._next(stop)) is not None:
                self._copy(*found, stop)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001  a thread has nobody else to tell
            self._errors.append(error)
            failed.set()

    def _next(self, stop: threading.Event) -> tuple[_Copying, Segment] | None:
        """What to copy next; None when nothing is left."""
        while not stop.is_set():
            for copying in list(self._active):
                segment = self._take(copying, stop)
                if segment is not None:
                    return copying, segment
            with self._lock:
                self._active = [each for each in self._active if not each.plan.exhausted]
                full = len(self._active) >= (self._options.parallel_collections or _PARALLEL_COLLECTIONS)
                waiting = None if full or not self._waiting else self._waiting.popleft()
                if waiting is None and not self._active and not self._beginning:
                    return None
                self._beginning += waiting is not None
            if waiting is None:
                stop.wait(_TURN)
                continue
            try:
                begun = self._begin(*waiting, stop)
                with self._lock:
                    self._active += [begun] if begun is not None else []
            finally:
                with self._lock:
                    self._beginning -= 1
        return None

    def _take(self, copying: _Copying, stop: threading.Event) -> Segment | None:
        try:
            segment = patiently(copying.plan.take, stop)
            if segment is None:
                return None
            if segment.end is not None or segment.number:
                patiently(lambda: self._mark(copying.collection, segment, done=False), stop)
        except Gone:
            self._leave(copying, stop)
            return None
        return segment

    def _begin(self, collection: Collection, copy: Document, stop: threading.Event) -> _Copying | None:
        natural = collection.is_capped or collection.namespace in self._options.natural_order
        if collection.is_capped:
            patiently(lambda: self._checkpoints.forget_segments(collection.key), stop)
            patiently(lambda: self._fresh(collection), stop)
        uuid = Binary(bytes.fromhex(collection.key), 4)
        reader = Reader(self._source, collection, uuid, natural, self._since)
        known = [] if collection.is_capped else patiently(lambda: self._checkpoints.segments(collection.key), stop)
        average = max(1, copy["bytes"] // max(1, copy["count"]))
        plan = Plan(reader, (self._options.segment_bytes or _SEGMENT_BYTES) // average, known)
        self._progress.copied(sum(each["size"] for each in known if each["done"]))
        batch = min(_MOST_DOCUMENTS, (self._options.read_batch_bytes or _BATCH_BYTES) // average + 1)
        if plan.exhausted:
            self._complete(_Copying(collection, reader, plan, batch), stop)
            return None
        return _Copying(collection, reader, plan, batch)

    def _copy(self, copying: _Copying, segment: Segment, stop: threading.Event) -> None:
        while True:
            terms = Terms()
            try:
                self._copy_once(copying, segment, terms, stop)
            except Gone:
                self._leave(copying, stop)
                return
            if terms.kept_by(lambda: patiently(self._checkpoints.barrier, stop)):
                patiently(lambda: self._mark(copying.collection, segment, done=True), stop)
                break
            LOG.warning(
                "the target's primary changed: %s is copied again from %d on", copying.collection, segment.number
            )
            self._progress.copied(-segment.size)
            segment.begin_again()
        if copying.plan.finish() and not copying.left:
            self._complete(copying, stop)

    def _copy_once(self, copying: _Copying, segment: Segment, terms: Terms, stop: threading.Event) -> None:
        def attempt() -> None:
            if copying.reader.natural and copying.tried:
                # There is no place in the order of the disk from which to go on.
                self._progress.copied(-segment.size)
                segment.begin_again()
                if copying.collection.is_capped:
                    # Also when nothing is known to be there: the answer may have been lost.
                    self._fresh(copying.collection)
            copying.tried = True
            figures = self._progress.figures
            for documents in figures.timed_batches(copying.reader.batches(segment, copying.batch)):
                if stop.is_set():
                    raise Stopped
                with figures.inserting(len(documents)):
                    for some in cut(documents):
                        self._insert(copying.collection, some, terms)
                        segment.size += len(some)
                        self._progress.copied(len(some))
                self._restore(copying.collection, [each for each in documents if has_empty(each)], terms)
                if not copying.reader.natural:
                    segment.after = documents[-1]

        patiently(attempt, stop)

    def _insert(self, collection: Collection, documents: bytes, terms: Terms) -> None:
        database, name = self._catalog.target(collection)
        done = writing.insert(self._target, database, name, documents, ordered=collection.is_capped)
        terms.wrote(done.term)
        for error in done.errors:
            # What is there already was copied before a restart, or is where the last batch ended.
            if error["code"] == DUPLICATE:
                continue
            told = OperationFailure(str(error.get("errmsg")), error["code"], dict(error))
            if is_transient(told):
                raise told
            raise LinkFailed(f"a document of {collection} cannot be inserted: {error.get('errmsg')}")

    def _restore(self, collection: Collection, documents: list[bytes], terms: Terms) -> None:
        """Give documents back what the target has filled in."""
        database, name = self._catalog.target(collection)
        for some in cut([replacement(identity_of(each), each) for each in documents]) if documents else ():
            done = writing.update(self._target, database, name, some, ordered=False)
            terms.wrote(done.term)
            for error in done.errors:
                raise OperationFailure(str(error.get("errmsg")), error["code"], dict(error))

    def _fresh(self, collection: Collection) -> None:
        """A capped collection is copied in its order, from the beginning, into an empty one."""
        recreate(self._target, self._catalog, collection)
        if self._options.build_indexes is BuildIndexes.BEFORE_DATA_COPY:
            build_all(self._target, self._catalog, collection)

    def _mark(self, collection: Collection, segment: Segment, done: bool) -> int:
        changes = {"start": segment.start, "end": segment.end, "done": done, "size": segment.size}
        return self._checkpoints.keep_segment(collection.key, segment.number, changes)

    def _complete(self, copying: _Copying, stop: threading.Event) -> None:
        """All documents are there."""
        collection = self._catalog.get(copying.collection.key) or copying.collection
        if self._options.build_indexes is BuildIndexes.AFTER_DATA_COPY:
            patiently(lambda: build_all(self._target, self._catalog, collection), stop)
        size = sum(each["size"] for each in patiently(lambda: self._checkpoints.segments(collection.key), stop))
        self._done(collection, size, stop)

    def _leave(self, copying: _Copying, stop: threading.Event) -> None:
        """The source has dropped it; the event that says so is replayed later."""
        LOG.info("%s was dropped while it was copied", copying.collection)
        with self._lock:
            if copying.left:
                return
            copying.left = True
            self._active = [each for each in self._active if each is not copying]
        self._done(copying.collection, 0, stop)

    def _done(self, collection: Collection, size: int, stop: threading.Event) -> None:
        copy = {"done": True, "size": size, "bytes": size, "count": 0}
        patiently(lambda: self._checkpoints.keep_copy(collection.key, copy), stop)
        with self._progress.lock:
            self._progress.collections_done += 1
            self._progress.indexes_built += len(collection.indexes)


def build_all(target: Cluster, catalog: Catalog, collection: Collection) -> None:
    """Build the indexes that the catalogue knows of a collection.  Raises PyMongoError."""
    bare = Collection(collection.key, collection.database, collection.name, collection.options, {}, collection.deferred)
    if collection.indexes:
        indexes.create(target, catalog, bare, list(collection.indexes.values()))


def cut(documents: list[bytes]) -> list[bytes]:
    """The documents in messages that the server takes."""
    whole = b"".join(documents)
    if len(documents) == 1 or (len(whole) <= MESSAGE_BYTES and len(documents) <= _MOST_DOCUMENTS):
        return [whole]
    middle = len(documents) // 2
    return cut(documents[:middle]) + cut(documents[middle:])
