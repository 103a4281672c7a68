"""The work of a link between its states: prepare, clone, replicate; each from where it was broken off."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from repman.errors import LinkFailed
from repman.link import listing
from repman.link.catalog import Catalog, Collection
from repman.link.checkpoint import Checkpoints
from repman.link.clone import Clone, Progress
from repman.link.connection import Cluster
from repman.link.ddl import Definitions
from repman.link.frontier import Frontier, Place
from repman.link.options import BuildIndexes
from repman.link.record import Record
from repman.link.replication import Replication
from repman.link.resync import reconcile
from repman.link.status import Phase
from repman.link.verification import Verification
from repman.link.writing import Terms
from repman.mongo.patience import patiently
from repman.mongo.stopping import AnyOf, Every, Once, Stopped

LOG = logging.getLogger(__name__)

_SAVE_EVERY = 0.5
_LOOK = 0.05
_PATIENCE = 60.0
"""Seconds for which the beginning waits for a target that does not answer: longer than an election lasts."""


class Rewound(Exception):
    """The target's primary changed before a majority had what was written: go on from the last checkpoint."""


class Run:
    """Works on one record until it is told to stop.  What it has come to can be read at any time."""

    def __init__(self, source: Cluster, target: Cluster, checkpoints: Checkpoints, record: Record) -> None:
        """Nothing is done yet."""
        self.source, self.target = source, target
        self.checkpoints = checkpoints
        self.record = record
        self.catalog = Catalog(checkpoints.keep, checkpoints.forget, record.options.remap)
        self.stop = threading.Event()
        """End in order: what was read is applied first."""
        self.abort = threading.Event()
        """End at once."""
        known = patiently(lambda: list(checkpoints.collections()), self.abort, _PATIENCE)
        self.catalog.load(iter(known))
        self.progress = Progress(record.total_bytes, record.copied_bytes)
        self.verification = Verification(source, target, self.catalog, checkpoints)
        self.frontier: Frontier | None = None
        self.replication: Replication | None = None
        self._at_once = AnyOf(self.abort, checkpoints.taken)
        self._soon = AnyOf(self.stop, self._at_once)
        self._copy_ends: threading.Event = self._soon
        self._saving = threading.Lock()
        self._saved_place: Place | None = None
        self.paused_itself = False
        """It was to be paused once the target is consistent, and is."""

    def work(self) -> None:
        """Go on until told to stop.  Raises LinkFailed, HistoryLost, LinkTaken and PyMongoError."""
        stop = self._soon
        try:
            if self.record.phase is Phase.PREPARING:
                self._prepare(stop)
            if self.record.phase is Phase.CLONING:
                self._clone(stop)
            if self.record.history_lost:
                self._resync(stop)
            if self.record.differs:
                self.verification.repair(self.copy, stop)
                self.record.differs = False
                patiently(self.save, stop)
            self._follow()
        except Stopped:
            pass
        self.checkpoints.refuse_if_taken()

    def _follow(self) -> None:
        """Replicate until told to stop, and to where replication was when it was told, also if that is lost again."""
        owed: Timestamp | None = None
        while not self._at_once.is_set() and (owed is not None or not self.stop.is_set()):
            try:
                self._replicate(owed)
                owed = None
            except Rewound:
                LOG.warning("the target's primary changed; replication goes on from the last checkpoint")
                assert self.frontier is not None
                owed = max(owed or self.frontier.place.time, self.frontier.place.time)

    @property
    def place(self) -> Place | None:
        """Up to where everything is applied."""
        return self.frontier.place if self.frontier is not None else self.record.place

    def copied(self) -> tuple[int, int]:
        """Bytes that are copied, and that there are."""
        with self.progress.lock:
            done, total = self.progress.copied_bytes, self.progress.total_bytes
        if self.record.copied_at is not None:
            return done, done
        return done, max(done, total)

    def save(self) -> None:
        """Keep the record as it is now, in all but the place in the stream.  Raises LinkTaken and PyMongoError.

        Several threads do: what is kept last is the newest.
        """
        with self._saving:
            self.record.copied_bytes, self.record.total_bytes = self.copied()
            place = self.record.place
            self.checkpoints.save(self.record.document())
            self._saved_place = place

    def _prepare(self, stop: threading.Event) -> None:
        """Make empty collections.  Begins anew after a crash: nothing is lost by that."""
        options = self.record.options
        patiently(self.checkpoints.clear, stop)
        self.catalog.clear()
        listed_at, listed = self._listed(stop)
        self.record.started_at = listed_at
        collections = [each.collection for each in listed]
        # Views last: they may be of collections that are made now.
        collections.sort(key=lambda each: each.is_view)
        before = options.build_indexes is BuildIndexes.BEFORE_DATA_COPY
        self.catalog.load(iter(collections))
        listing.prepare_target(self.target, self.catalog, collections, before, stop)
        kept = [self.catalog.get(each.collection.key) or each.collection for each in listed]
        sizes = [
            {"bytes": each.bytes, "count": each.count, "done": each.collection.is_view, "size": 0} for each in listed
        ]
        patiently(lambda: self.checkpoints.keep_all(list(zip(kept, sizes, strict=True))), stop)
        with self.progress.lock:
            self.progress.total_bytes, self.progress.copied_bytes = sum(each.bytes for each in listed), 0
        self.record.listed_at = listed_at
        self.record.phase = Phase.CLONING
        patiently(self.save, stop)

    def _listed(self, stop: threading.Event) -> tuple[Timestamp, list[listing.Listed]]:
        """What the source has, with a time before that; nothing of it can be undone by an election any more."""
        while not stop.is_set():
            before = patiently(self.source.standing, stop)
            found = listing.list_source(self.source, self.record.options.selection, stop)
            now = seen = patiently(self.source.standing, stop)
            while now.committed < seen.written:
                if stop.wait(_LOOK):
                    raise Stopped
                now = patiently(self.source.standing, stop)
            if now.election == before.election:
                return before.committed, found
        raise Stopped

    def _clone(self, stop: threading.Event) -> None:
        began = time.monotonic()
        saver = Every(_SAVE_EVERY, partial(_quietly, self.save), "checkpoint")
        try:
            options = self.record.options
            Clone(
                self.source, self.target, self.catalog, self.checkpoints, options, self.progress, self._started_at
            ).run(stop)
        finally:
            saver.end()
        self.record.copied_at = patiently(self.source.time, stop)
        self.record.place = Place(self._started_at)
        self.record.phase = Phase.CATCHING_UP
        patiently(self.save, stop)
        LOG.info("Clone completed in %.0fs", time.monotonic() - began)

    def _resync(self, stop: threading.Event) -> None:
        """The stream cannot be read on: compare, copy what differs, and follow from now on."""
        LOG.warning("the source's oplog has lost the link's place: source and target are compared")
        began = patiently(self.source.standing, stop).committed
        reconcile(self.source, self.target, self.catalog, self.record.options.selection, self, stop)
        self.verification.look_again(self.copy, stop)
        self.record.copied_at = patiently(self.source.time, stop)
        self.record.started_at = self.record.listed_at = began
        self.record.place = Place(began)
        self.record.phase = Phase.CATCHING_UP
        self.record.history_lost = False
        patiently(self.save, stop)

    @property
    def _started_at(self) -> Timestamp:
        assert self.record.started_at is not None
        return self.record.started_at

    def _replicate(self, owed: Timestamp | None) -> None:
        """Replicate until told to stop, but at least up to what is `owed`.  Raises Rewound and what `work` raises."""
        record, terms, ending = self.record, Terms(), threading.Event()
        assert record.place is not None
        self._finish_copies(self._soon if owed is None else self._at_once)
        self.frontier = Frontier(record.place, record.events_applied, record.events_applied)
        definitions = Definitions(
            self.source,
            self.target,
            self.catalog,
            record.options.selection,
            record.listed_at or self._started_at,
            self,
            record.options.refuse_renames_out,
            record.options.build_indexes is not BuildIndexes.NEVER,
        )
        patiently(definitions.finish_renames, self._soon)
        frontier = self.frontier
        rewound: list[bool] = []

        def reached() -> bool:
            return owed is None or frontier.place.time >= owed

        def keep() -> None:
            if not rewound and not self._keep_place(terms):
                rewound.append(True)
                ending.set()

        self.replication = Replication(
            self.source,
            self.target,
            self.catalog,
            definitions,
            self.frontier,
            terms,
            record.options,
            self.progress.figures,
        )
        saver = Every(_SAVE_EVERY, partial(_quietly, keep), "checkpoint")
        try:
            # What was read is applied before a stop: also what takes a copy of a collection.
            self._copy_ends = AnyOf(self._at_once, ending)
            self.replication.run(Once(self.stop, reached), self._copy_ends)
        finally:
            self._copy_ends = self._soon
            saver.end()
        if rewound or not patiently(lambda: self._keep_place(terms), self._at_once):
            raise Rewound

    def _finish_copies(self, stop: threading.Event) -> None:
        """Copy anew what was announced, and broken off."""
        self._copy_ends = stop
        for key, copy in patiently(self.checkpoints.copies, stop).items():
            broken_off = self.catalog.get(key)
            if not copy["done"] and broken_off is not None:
                patiently(partial(self.copy, broken_off), stop)

    def _keep_place(self, terms: Terms) -> bool:
        """Keep how far replication is; False when what was written may be lost.  Raises LinkTaken and PyMongoError."""
        assert self.frontier is not None
        place, applied = self.frontier.place, self.frontier.applied
        if not terms.kept_by(self.checkpoints.barrier):
            return False
        if place == self._saved_place:
            return True
        with self._saving:
            self.record.place = place
            self.record.events_read, self.record.events_applied = self.frontier.read, applied
        if self.record.phase is Phase.CATCHING_UP and self.record.consistent:
            self.record.phase = Phase.REPLICATING
            LOG.info("Initial Sync completed")
            if self.record.options.pause_on_initial_sync:
                self.paused_itself = True
                self.stop.set()
        self.save()
        return True

    def announce(self, key: str) -> None:
        """The collection of that key is to be copied, also if a crash comes in between.  Raises PyMongoError."""
        self.checkpoints.keep_copy(key, {"bytes": 0, "count": 0, "done": False, "size": 0})

    def unfinished(self, key: str) -> bool:
        """Whether the collection of that key was announced, and is not copied yet.  Raises PyMongoError."""
        copy = self.checkpoints.copies().get(key)
        return copy is not None and not copy["done"]

    def copy(self, collection: Collection) -> None:
        """Copy one collection as it is now, while all others go on.  Raises Stopped, LinkFailed and PyMongoError."""
        listing.recreate(self.target, self.catalog, collection)
        self.checkpoints.forget_segments(collection.key)
        self.announce(collection.key)
        # A clone of its own: its bytes are no part of the first one's progress.
        alone = Clone(
            self.source,
            self.target,
            self.catalog,
            self.checkpoints,
            replace(self.record.options, build_indexes=BuildIndexes.AFTER_DATA_COPY),
            Progress(),
            self.source.time(),
        )
        alone.run(self._copy_ends, only=collection.key)


def _quietly(call: Callable[[], None]) -> None:
    """What fails now is tried again a little later; until then more has to be done anew after a crash."""
    try:
        call()
    except (PyMongoError, LinkFailed) as error:
        LOG.warning("no checkpoint could be written: %s", error)
