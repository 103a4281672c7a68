"""Where a link keeps what it knows: on the target cluster, and only while it holds the lease there.

``checkpoints`` has one document a link, which says where it is, ``heartbeats`` its lease.  The catalogue, and how far
each part of the clone is, are in collections of each link's own (`own_name`).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymongo
from pymongo import ReturnDocument
from pymongo.errors import AutoReconnect, DuplicateKeyError, ExecutionTimeout, OperationFailure, PyMongoError

from repman.errors import LinkTaken
from repman.link.catalog import Collection, of_document
from repman.link.connection import Cluster, Document
from repman.mongo.patience import patiently
from repman.mongo.stopping import Stopped

LOG = logging.getLogger(__name__)

STALE = 10.0
"""Seconds without a heartbeat after which others take the lease."""
_BEAT = 1.0
_BEAT_LASTS = 3.0
"""Seconds after which a heartbeat that was not answered is tried again: the connection may be dead."""
_MARGIN = 3.0
"""Seconds before that at which a holder that cannot renew it writes no more."""
_WAIT = 0.5
_PATIENCE = 60.0
"""Seconds for which taking it waits for a target that does not answer: longer than an election lasts."""


class LeaseExpired(AutoReconnect):
    """The lease could not be renewed in time.  Passes: either it can be, or somebody else has it."""


class Lease:
    """One process works on a link.  The clock is the target's."""

    def __init__(self, target: Cluster, database: str, link: str) -> None:
        """Nothing is taken before `take`."""
        self._target, self._database, self._link = target, database, link
        self.owner = uuid.uuid4().hex
        self._held_until = 0.0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = threading.Event()
        """Somebody else may work on the link: stop at once."""

    def take(self, wait: bool, stop: threading.Event) -> None:
        """Raises LinkTaken when another process has it (with `wait`: Stopped when told to end), and PyMongoError.

        Returns when nothing that an earlier holder has sent can be carried out any more.
        """
        while not patiently(lambda: self._beat(first=True), stop, _PATIENCE):
            if not wait:
                raise LinkTaken("another process works on this link; stop it first")
            LOG.warning("detected concurrent process; waiting until it is gone")
            if stop.wait(_WAIT):
                raise Stopped
        self.lost.clear()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._thread.start()
        self._target.orphans.suspect()
        patiently(lambda: self._target.orphans.require_over(self._target.client), stop, _PATIENCE)
        self._target.permit = self.require

    def give_up(self) -> None:
        """Let others have it at once."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
            try:
                self._heartbeats.delete_one({"_id": self._link, "owner": self.owner})
            except PyMongoError as error:
                LOG.info("the lease could not be given up and will expire: %s", error)

    def require(self) -> None:
        """Raises LinkTaken when the lease is another's, LeaseExpired when it may become that at any moment."""
        self.refuse_if_taken()
        if time.monotonic() > self._held_until:
            raise LeaseExpired("the lease on the target could not be renewed yet")

    def refuse_if_taken(self) -> None:
        """Raises LinkTaken when the lease is another's."""
        if self.lost.is_set():
            raise LinkTaken("another process has taken this link over; stop one of the two")

    @property
    def _heartbeats(self) -> Any:
        return self._target.database(self._database)["heartbeats"]

    def _keep(self) -> None:
        while not self._ending.wait(_BEAT):
            try:
                if not self._beat():
                    LOG.error("another process has taken this link over")
                    self.lost.set()
                    return
            except PyMongoError as error:
                LOG.warning("the lease could not be renewed: %s", error)

    def _beat(self, first: bool = False) -> bool:
        """Whether it is ours now.  Raises PyMongoError."""
        try:
            with pymongo.timeout(_BEAT_LASTS):
                return self._beaten(first)
        except ExecutionTimeout as error:
            raise AutoReconnect(f"the target did not confirm a heartbeat in time: {error}") from error

    def _beaten(self, first: bool) -> bool:
        began = time.monotonic()
        mine: list[Document] = [{"owner": self.owner}]
        if first:
            mine += [
                {"$expr": {"$lt": ["$beat", {"$subtract": ["$$NOW", int(STALE * 1000)]}]}},
                {"beat": {"$exists": False}},
                *self._dead(),
            ]
        wanted = {"owner": self.owner, "host": socket.gethostname(), "boot": _boot(), "pid": os.getpid()}
        change = [{"$set": {**wanted, "beat": "$$NOW", "time": {"$toInt": {"$divide": [{"$toLong": "$$NOW"}, 1000]}}}}]
        change_it = self._heartbeats.find_one_and_update
        found = change_it({"_id": self._link, "$or": mine}, change, return_document=ReturnDocument.AFTER)
        if found is None and first:
            try:
                # Nobody has it, or somebody has it and keeps it: then there is one with this _id.
                own = {"_id": self._link, "owner": self.owner}
                found = change_it(own, change, upsert=True, return_document=ReturnDocument.AFTER)
            except DuplicateKeyError:
                return False
        if found is None:
            return False
        self._held_until = began + STALE - _MARGIN
        return True

    def _dead(self) -> list[Document]:
        """The present holder, if it was a process of this machine that is gone."""
        holder = self._heartbeats.find_one({"_id": self._link})
        if holder is None or (holder.get("host"), holder.get("boot")) != (socket.gethostname(), _boot()):
            return []
        return [] if Path(f"/proc/{holder.get('pid')}").exists() else [{"owner": holder["owner"]}]


def _boot() -> str:
    """Where the numbers of processes mean the same: this start of the machine, and this container of it."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return uuid.uuid4().hex


def own_name(name: str, link: str) -> str:
    """The collection in which a link keeps its ``collections``, ``segments`` or ``opposite``: other links have others."""
    return f"{name}.{quote(link, safe='')}"


class Checkpoints:
    """The documents of one link.  Every write is by majority, and only while the lease is held."""

    def __init__(self, target: Cluster, database: str, link: str, lease: Lease) -> None:
        """Nothing is read or written yet."""
        self._target, self._name, self._link, self._lease = target, database, link, lease

    @property
    def taken(self) -> threading.Event:
        """Set once another process works on the link."""
        return self._lease.lost

    def refuse_if_taken(self) -> None:
        """Raises LinkTaken when another process works on the link."""
        self._lease.refuse_if_taken()

    @property
    def _database(self) -> Any:
        return self._target.database(self._name)

    def own(self, name: str) -> Any:
        """The collection in which the link keeps documents of that kind."""
        return self._database[own_name(name, self._link)]

    def load(self) -> Document | None:
        """What was saved last."""
        found = self._database.checkpoints.find_one({"_id": self._link})
        return found["data"] if found is not None else None

    def save(self, data: Document) -> int:
        """Save it; returns the target's term, in which everything that was written before it is kept as well.

        Raises LinkTaken and PyMongoError.
        """
        self._lease.require()
        reply = self._database.command(
            {
                "update": "checkpoints",
                "updates": [
                    {
                        "q": {"_id": self._link},
                        "u": [{"$set": {"_ts": "$$NOW", "owner": self._lease.owner, "data": {"$literal": data}}}],
                        "upsert": True,
                    }
                ],
                "writeConcern": {"w": "majority"},
            }
        )
        _require_done(reply)
        return term_of(reply)

    def barrier(self) -> int:
        """Have a majority keep what was written until now; returns the target's term.  Raises LinkTaken, PyMongoError."""
        return self._marked("heartbeats", {"_id": self._link}, {"barrier": True})

    def collections(self) -> Iterator[Collection]:
        """The catalogue."""
        for document in self.own("collections").find({"database": {"$exists": True}}, {"copy": 0, "verified": 0}):
            yield of_document(document)

    def keep(self, collection: Collection) -> None:
        """Keep an entry of the catalogue.  Raises LinkTaken and PyMongoError."""
        document = collection.document()
        del document["_id"]
        self._lease.require()
        self.own("collections").update_one({"_id": collection.key}, {"$set": document}, upsert=True)

    def forget(self, key: str) -> None:
        """Take an entry out of the catalogue.  Raises LinkTaken and PyMongoError."""
        self._lease.require()
        self.own("collections").delete_one({"_id": key})
        self.own("segments").delete_many({"collection": key})

    def keep_all(self, collections: list[tuple[Collection, Document]]) -> None:
        """Keep a catalogue, and that nothing of its collections is copied.  Raises LinkTaken and PyMongoError."""
        self._lease.require()
        self.own("collections").delete_many({})
        for first in range(0, len(collections), 1000):
            some = [{**each.document(), "copy": copy} for each, copy in collections[first : first + 1000]]
            self.own("collections").insert_many(some)

    def copies(self) -> dict[str, Document]:
        """How far the copy of each collection is, by key; nothing for those that were not begun."""
        return {each["_id"]: each["copy"] for each in self.own("collections").find({}, {"copy": 1}) if "copy" in each}

    def keep_copy(self, key: str, copy: Document) -> int:
        """Keep how far the copy of a collection is; returns the target's term.  Raises PyMongoError."""
        return self._marked(own_name("collections", self._link), {"_id": key}, {"copy": copy})

    def segments(self, key: str) -> list[Document]:
        """The segments of a collection that were begun, in order."""
        return list(self.own("segments").find({"collection": key}).sort("number", 1))

    def keep_segment(self, key: str, number: int, changes: Document) -> int:
        """Keep what is known of a segment; returns the target's term.  Raises PyMongoError."""
        known = {"collection": key, "number": number, **changes}
        return self._marked(own_name("segments", self._link), {"_id": f"{key}/{number}"}, known)

    def forget_segments(self, key: str) -> None:
        """The collection is copied from its beginning.  Raises PyMongoError."""
        self.own("segments").delete_many({"collection": key})

    def opposite(self) -> list[Collection]:
        """The catalogue of the way back.  Raises PyMongoError."""
        return [of_document(each) for each in self.own("opposite").find({})]

    def keep_opposite(self, collections: list[Collection]) -> None:
        """Keep the catalogue of the way back.  Raises LinkTaken and PyMongoError."""
        self._lease.require()
        self.own("opposite").delete_many({})
        if collections:
            self.own("opposite").insert_many([each.document() for each in collections])

    def clear(self) -> None:
        """Forget catalogue and segments: a new run begins.  Raises PyMongoError."""
        self._lease.require()
        for name in ("segments", "collections"):
            self.own(name).drop()
        self.own("segments").create_index([("collection", 1), ("number", 1)])

    def _marked(self, name: str, query: Document, changes: Document) -> int:
        self._lease.require()
        reply = self._database.command(
            {
                "update": name,
                "updates": [{"q": query, "u": {"$set": changes}, "upsert": True}],
                "writeConcern": {"w": "majority"},
            }
        )
        _require_done(reply)
        return term_of(reply)


def term_of(reply: Document) -> int:
    """The term of the target's primary that carried a write out; -1 where the reply does not tell (behind mongos).

    An ``electionId`` is the term behind 4 bytes that are always the same (``OID::fromTerm`` of the server).
    """
    election = reply.get("electionId")
    return int.from_bytes(election.binary[4:], "big") if election is not None else -1


def _require_done(reply: Document) -> None:
    """A command that wrote nothing answers ok, too.  Raises OperationFailure."""
    for error in reply.get("writeErrors", ()):
        raise OperationFailure(error.get("errmsg", ""), error["code"], error)
    if trouble := reply.get("writeConcernError"):
        raise OperationFailure(trouble.get("errmsg", ""), trouble.get("code"), trouble)
