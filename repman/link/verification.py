"""Whether the target is what the source was at the moment up to which it was replicated, and how to make it so."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from repman.errors import LinkFailed
from repman.link.catalog import Catalog, Collection
from repman.link.checkpoint import Checkpoints
from repman.link.connection import Cluster, Document
from repman.link.differences import Differences, differences_of
from repman.link.frontier import Place
from repman.link.repair import repair
from repman.link.status import Verifying
from repman.link.verify import Reading, collection_differences
from repman.mongo.patience import patiently
from repman.mongo.stopping import Stopped

LOG = logging.getLogger(__name__)

_KEEP_EVERY = 5.0
_FIELD = "verified"
"""Of the catalogue's documents."""
_NAMED = 5
"""Differing documents in a sentence."""

Advance = Callable[[], Place]
"""Replicates up to now, stops again, and says up to where."""
CopyAnew = Callable[[Collection], None]


class Verification:
    """Compares all collections, one after the other; goes on where it was broken off."""

    def __init__(self, source: Cluster, target: Cluster, catalog: Catalog, checkpoints: Checkpoints) -> None:
        """Nothing is read yet."""
        self._source, self._target = source, target
        self._catalog, self._checkpoints = catalog, checkpoints
        self.progress = Verifying()

    def require_alike(self, place: Place, advance: Advance, stop: threading.Event) -> None:
        """Raises LinkFailed, which names what differs, Stopped and PyMongoError.

        Everything up to `place` must be applied, and nothing after it.  What a source had at a moment it can tell for
        some minutes only; when they are over, replication goes on to a newer one (`advance`).
        """
        collections = [each for each in self._catalog.all() if not each.is_view]
        known = patiently(self._kept, stop)
        self.progress = Verifying("initial hashing", len(collections))
        differing = []
        for collection in collections:
            found = differences_of(known[collection.key]) if collection.key in known else Differences()
            while not found.complete:
                found = self._compared(collection, found, Reading(source=place.time), stop)
                if found.moment_gone:
                    place = advance()
                elif stop.is_set():
                    raise Stopped
            differing += [(collection, found)] if found.total else []
            self.progress = replace(
                self.progress,
                collections_done=self.progress.collections_done + 1,
                documents=self.progress.documents + found.source_documents,
                documents_done=self.progress.documents_done + found.source_documents,
            )
        self.progress = replace(self.progress, phase="stream hashing")
        if differing:
            raise LinkFailed(_told(differing))

    def repair(self, copy_anew: CopyAnew, stop: threading.Event) -> None:
        """Make what was found to differ alike; to be verified again.  Raises Stopped, LinkFailed and PyMongoError.

        Replication must be stopped, and goes on afterwards from where it was.
        """
        for key, document in patiently(self._kept, stop).items():
            collection, found = self._catalog.get(key), differences_of(document)
            if collection is not None and found.total:
                self.make_alike(collection, found, copy_anew, stop)
        patiently(self._forget, stop)

    def look_again(self, copy_anew: CopyAnew, stop: threading.Event) -> None:
        """Compare everything as it is now, and make it alike, while clients write to the source.

        What changes meanwhile is replicated afterwards.  Raises Stopped, LinkFailed and PyMongoError.
        """
        for collection in self._catalog.all():
            if collection.is_view:
                continue
            found = self._compared(collection, Differences(), Reading(), stop, kept=False)
            if stop.is_set():
                raise Stopped
            if found.total:
                self.make_alike(collection, found, copy_anew, stop)

    def make_alike(
        self, collection: Collection, found: Differences, copy_anew: CopyAnew, stop: threading.Event
    ) -> None:
        """Copy the documents that differ, or the whole collection where they are too many or have an order."""
        LOG.warning("%s: %d documents differ and are copied anew", collection, found.total)
        if found.more or collection.is_capped:
            patiently(lambda: copy_anew(collection), stop)
            return
        database, name = self._catalog.target(collection)
        done = repair(
            self._source.database(collection.database),
            self._target.database(database),
            (collection.name, name),
            found.listed,
            stop,
        )
        if done.unrepaired:
            first = done.unrepaired[0]
            raise LinkFailed(
                f"repair: {len(done.unrepaired)} documents of {collection} cannot be repaired: {first.reason}"
            )

    def _compared(
        self, collection: Collection, found: Differences, at: Reading, stop: threading.Event, kept: bool = True
    ) -> Differences:
        saved = time.monotonic()

        def progress(now: Differences) -> None:
            nonlocal saved
            if kept and (now.complete or time.monotonic() - saved > _KEEP_EVERY):
                saved = time.monotonic()
                patiently(lambda: self._keep(collection, now), stop)

        database, name = self._catalog.target(collection)
        return collection_differences(
            self._source.database(collection.database),
            self._target.database(database),
            (collection.name, name),
            at,
            progress,
            stop,
            found,
        )

    def _kept(self) -> dict[str, Document]:
        """How far the comparison of each collection was, by key."""
        found = self._checkpoints.own("collections").find({_FIELD: {"$exists": True}}, {_FIELD: 1})
        return {each["_id"]: each[_FIELD] for each in found}

    def _keep(self, collection: Collection, found: Differences) -> None:
        self._checkpoints.refuse_if_taken()
        self._checkpoints.own("collections").update_one({"_id": collection.key}, {"$set": {_FIELD: found.document()}})

    def _forget(self) -> None:
        """Everything is to be compared again."""
        self._checkpoints.refuse_if_taken()
        self._checkpoints.own("collections").update_many({}, {"$unset": {_FIELD: 1}})


def _told(differing: list[tuple[Collection, Differences]]) -> str:
    total = sum(found.total for _, found in differing)
    named = [f"{collection} {each.shown()}" for collection, found in differing for each in found.listed]
    more = ", ..." if total > _NAMED else ""
    return (
        f"verification: {total} documents differ: {', '.join(named[:_NAMED])}{more}; "
        "resume from the failure to have them copied anew"
    )
