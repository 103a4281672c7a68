"""From the change stream to the target: reads, shares out, and lets changes of collections in between."""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from functools import partial

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from repman.link import changes
from repman.link.appliers import Appliers, Part
from repman.link.catalog import Catalog
from repman.link.changes import Change, Transaction
from repman.link.connection import Cluster
from repman.link.ddl import Definitions
from repman.link.events import taken_apart
from repman.link.figures import Figures
from repman.link.frontier import Frontier, Ticket
from repman.link.gates import Gates, Task
from repman.link.options import LinkOptions
from repman.link.stream import Batch, Stream
from repman.link.transactions import apply_whole
from repman.link.writing import Terms
from repman.mongo.patience import is_transient, patiently
from repman.mongo.stopping import AnyOf, Stopped

LOG = logging.getLogger(__name__)

_ROOM = 64 << 20
"""Bytes of changes that may be read and not applied."""


class Replication:
    """One run from a place of the stream until it is told to stop."""

    def __init__(
        self,
        source: Cluster,
        target: Cluster,
        catalog: Catalog,
        definitions: Definitions,
        frontier: Frontier,
        terms: Terms,
        options: LinkOptions,
        figures: Figures,
    ) -> None:
        """Nothing is read yet; `frontier` says where to begin."""
        self._source, self._target = source, target
        self._catalog, self._definitions = catalog, definitions
        self._frontier, self._terms = frontier, terms
        self._atomic = options.atomic_transactions
        self._stream = Stream(source, frontier.place, options.stream_batch)
        self._abort = threading.Event()
        self._errors: list[BaseException] = []
        self._appliers = Appliers(
            source,
            target,
            catalog,
            frontier,
            terms,
            options.apply_workers or max(4, os.cpu_count() or 1),
            options.bulk_operations,
            self._fail,
            self._abort,
            figures,
        )
        self._gates = Gates(frontier, self._release)
        self._parts: defaultdict[tuple[int, str], list[Change]] = defaultdict(list)
        self._names: dict[bytes, str] = {}
        self._transaction: tuple[Transaction, list[Change], Ticket, int] | None = None
        self.source_time: Timestamp | None = None
        """The newest operation of the source that was heard of."""
        self._noted = False

    def run(self, stop: threading.Event, abort: threading.Event) -> None:
        """Replicate until `stop` is set, then apply what was read; with `abort` leave it.

        Raises HistoryLost, LinkFailed, LinkTaken and PyMongoError.
        """
        ending = AnyOf(stop, abort, self._abort)
        self._appliers.start()
        definer = threading.Thread(target=self._define, name="define", daemon=True)
        definer.start()
        try:
            for batch in self._stream.batches(ending):
                self._dispatch(batch, ending)
            if not abort.is_set():
                self._end_transaction()
                self._frontier.wait_until_applied(AnyOf(abort, self._abort))
        except BaseException as error:  # noqa: BLE001  told below, once all threads have ended
            self._fail(error)
        finally:
            self._abort.set()
            definer.join()
            self._appliers.join()
        if self._errors:
            raise self._errors[0]

    def _fail(self, error: BaseException) -> None:
        self._errors.append(error)
        self._abort.set()

    def _dispatch(self, batch: Batch, stop: threading.Event) -> None:
        """Share the events out."""
        if batch.source_time is not None and (self.source_time is None or batch.source_time > self.source_time):
            self.source_time = batch.source_time
        if not batch.events:
            self._end_transaction()
            self._note()
        ticket = self._frontier.issue(batch.place, len(batch.events))
        for event in batch.events:
            apart = taken_apart(event)
            if changes.is_data(apart):
                self._document(apart, ticket)
            else:
                self._end_transaction()
                self._collection(event, ticket)
        self._submit(ticket)
        self._frontier.done(ticket)
        self._frontier.wait_for_room(_ROOM, stop)

    def _document(self, event: dict[bytes, bytes], ticket: Ticket) -> None:
        if self._atomic:
            whose = changes.transaction_of(event)
            if self._transaction is not None and self._transaction[0] != whose:
                self._end_transaction()
            if whose is not None:
                self._collect(whose, event, ticket)
                return
        change = changes.change_of(event)
        name = self._names.get(change.collection)
        if name is None:
            name = self._names[change.collection] = change.collection.hex()
        if not self._gates.open and self._gates.holds(name, change, ticket):
            return
        known = self._catalog.get(name)
        if known is None:
            return
        worker = hash(change.collection if known.is_serial else change.key) % self._appliers.count
        self._parts[worker, name].append(change)

    def _submit(self, ticket: Ticket) -> None:
        parts, self._parts = self._parts, defaultdict(list)
        for (worker, name), found in parts.items():
            self._appliers.submit(worker, Part(name, found, sum(each.size for each in found), ticket))

    def _release(self, name: str, followers: list[tuple[Change, Ticket]]) -> None:
        """Hand over what has waited for a change of its collection."""
        known = self._catalog.get(name)
        if known is None:
            return
        parts: dict[tuple[int, int], tuple[Ticket, list[Change]]] = {}
        for change, ticket in followers:
            worker = hash(change.collection if known.is_serial else change.key) % self._appliers.count
            parts.setdefault((worker, id(ticket)), (ticket, []))[1].append(change)
        for (worker, _), (ticket, found) in parts.items():
            self._appliers.submit(worker, Part(name, found, sum(each.size for each in found), ticket))

    def _collection(self, event: bytes, ticket: Ticket) -> None:
        change = changes.definition_of(event)
        if not self._definitions.concerns(change):
            return
        self._submit(ticket)
        act = partial(self._definitions.apply, change)
        more = partial(self._definitions.collections, change)
        self._gates.add(Task(more(), ticket, act, more))

    def _define(self) -> None:
        """Carry out, one after the other, what needs collections to stand still."""
        try:
            while (task := self._gates.next(self._abort)) is not None:
                self._appliers.wait_for(task.collections | task.more())
                patiently(task.act, self._abort)
                self._gates.done(task)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001  a thread has nobody else to tell
            self._fail(error)

    def _collect(self, whose: Transaction, event: dict[bytes, bytes], ticket: Ticket) -> None:
        change = changes.change_of(event)
        if self._transaction is None:
            self._frontier.add(ticket, 1, 0)
            self._transaction = (whose, [], ticket, 0)
        _, found, first, size = self._transaction
        found.append(change)
        self._transaction = (whose, found, first, size + change.size)

    def _end_transaction(self) -> None:
        """Nothing more belongs to the transaction: it can be applied as a whole."""
        if self._transaction is None:
            return
        _, found, ticket, size = self._transaction
        self._transaction = None
        self._submit(ticket)
        names = frozenset(change.collection.hex() for change in found)
        act = partial(apply_whole, self._target, self._catalog, found, self._appliers.carry_out)
        self._gates.add(Task(names, ticket, act, size=size))
        self._frontier.done(ticket)

    def _note(self) -> None:
        """Once the source is quiet, say something ourselves: only what comes after the clone's end tells that it is over."""
        if self._noted:
            return
        try:
            self._source.note("repman:tick")
            self._noted = True
        except PyMongoError as error:
            # What passes is tried again when the source is quiet the next time.
            self._noted = not is_transient(error)
            LOG.info("no note can be written to the source's oplog; its own come every ten seconds: %s", error)
