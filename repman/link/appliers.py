"""Threads that carry changes of documents out on the target: each document always by the same one, in order."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from repman.errors import LinkFailed
from repman.link import writing
from repman.link.bulk import Bulk, bulk_of, pieces_of, statements_of
from repman.link.catalog import Catalog, Collection
from repman.link.changes import Change, Kind, replacement
from repman.link.connection import Cluster
from repman.link.figures import Figures
from repman.link.frontier import Frontier, Ticket
from repman.link.segments import MESSAGE_BYTES
from repman.link.together import MOST_BYTES, MOST_STATEMENTS, change_together
from repman.link.writing import DUPLICATE, Terms, Written
from repman.mongo import raw
from repman.mongo.empties import has_empty
from repman.mongo.patience import is_transient, patiently
from repman.mongo.stopping import Stopped

_MOST_OPERATIONS = 2000
_MOST_BYTES = 8_000_000
_FETCH = frozenset({2, 9, 28, 29, 40, 52, 54, 66, 17280, 17419, 10334})
"""Codes with which an update does not fit the document that the target has, because that one is newer: the path is not
viable, is no array, conflicts, has a name that an operator cannot set, the document would become too large, or its
`_id` is another one that a collation makes equal."""


_CONFLICT_SECONDS = 60.0
_CONFLICT_PAUSE = 0.05
_ID_INDEX = ("_id",)


class UniqueConflict(Exception):
    """The target has another document with a value that must be unique.

    It has been changed or removed on the source before, and another thread is about to do so here.  This comes on the
    way back only: on the way there nothing is unique before the end.
    """


@dataclass(frozen=True, slots=True)
class Part:
    """Changes of one collection, all for the same thread."""

    collection: str
    changes: list[Change]
    size: int
    ticket: Ticket


class Appliers:
    """The threads, and what each has to do."""

    def __init__(
        self,
        source: Cluster,
        target: Cluster,
        catalog: Catalog,
        frontier: Frontier,
        terms: Terms,
        count: int,
        most: int,
        failed: Callable[[BaseException], None],
        stop: threading.Event,
        figures: Figures,
    ) -> None:
        """`most` operations go into one command; `failed` is told of what stops the link."""
        self._source, self._target = source, target
        self._catalog = catalog
        self._frontier, self._terms = frontier, terms
        self._most = most or _MOST_OPERATIONS
        self._failed, self._stop = failed, stop
        self._figures = figures
        figures.idle(count)
        self._changed = threading.Condition()
        self._queues: list[deque[Part]] = [deque() for _ in range(count)]
        self._open: defaultdict[str, int] = defaultdict(int)
        self._threads = [
            threading.Thread(target=self._work, args=(number, queue), name=f"apply-{number}", daemon=True)
            for number, queue in enumerate(self._queues)
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until all threads have seen that they shall stop."""
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._queues)

    def submit(self, worker: int, part: Part) -> None:
        """Have that thread apply it, after what it was given before."""
        self._frontier.add(part.ticket, 1, part.size)
        self._figures.queued(worker, len(part.changes))
        with self._changed:
            self._open[part.collection] += 1
            self._queues[worker].append(part)
            self._changed.notify_all()

    def wait_for(self, collections: frozenset[str]) -> None:
        """Wait until nothing of these collections is under way.  Raises Stopped."""
        with self._changed:
            while any(self._open.get(each) for each in collections):
                if self._stop.is_set():
                    raise Stopped
                self._changed.wait(0.1)

    def _work(self, number: int, queue: deque[Part]) -> None:
        try:
            while (parts := self._next(queue)) is not None:
                with self._figures.applying(number, sum(len(part.changes) for part in parts)):
                    self._apply(parts)
                with self._changed:
                    for part in parts:
                        self._open[part.collection] -= 1
                        if not self._open[part.collection]:
                            del self._open[part.collection]
                    self._changed.notify_all()
                for part in parts:
                    self._frontier.done(part.ticket, part.size)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001  a thread has nobody else to tell
            self._failed(error)

    def _next(self, queue: deque[Part]) -> list[Part] | None:
        """What is to be done for one collection: everything that waits for it, up to a bound."""
        with self._changed:
            while not queue:
                if self._stop.is_set():
                    return None
                self._changed.wait(0.5)
            if self._stop.is_set():
                return None
            first = queue.popleft()
            parts, others = [first], []
            count, size = len(first.changes), first.size
            while queue and count < self._most and size < _MOST_BYTES:
                part = queue.popleft()
                if part.collection != first.collection:
                    others.append(part)
                    continue
                parts.append(part)
                count += len(part.changes)
                size += part.size
            queue.extendleft(reversed(others))
            return parts

    def _apply(self, parts: list[Part]) -> None:
        collection = self._catalog.get(parts[0].collection)
        if collection is None:
            return  # dropped since: the catalogue is ahead of what is replayed
        changes = [change for part in parts for change in part.changes]
        for some in _bounded(changes, self._most):
            patiently(lambda some=some: self.carry_out(collection, some), self._stop)  # type: ignore[misc]

    def carry_out(self, collection: Collection, changes: list[Change]) -> None:
        """Carry the changes out; where another thread has yet to remove what is in the way, wait for it."""
        until = time.monotonic() + _CONFLICT_SECONDS
        while True:
            try:
                self._send(collection, changes)
                return
            except UniqueConflict as error:
                if time.monotonic() > until:
                    raise LinkFailed(
                        f"bulk write: {collection}: {error}; remove or change the target's other document"
                    ) from error
                if self._stop.wait(_CONFLICT_PAUSE):
                    raise Stopped from error

    def _send(self, collection: Collection, changes: list[Change]) -> None:
        """Carry changes of one collection out, now.  Raises Stopped, LinkFailed, UniqueConflict and PyMongoError."""
        if self._stop.is_set():
            raise Stopped
        if collection.is_capped:
            self._in_order(collection, changes)
            return
        for piece in pieces_of(changes) if collection.is_serial else (changes,):
            self._send_bulk(collection, bulk_of(piece))

    def _send_bulk(self, collection: Collection, bulk: Bulk) -> None:
        conflicts: list[UniqueConflict] = []
        again = self._insert(collection, bulk, conflicts)
        updates = [change for change in bulk.inserts if change is not None and change.key in again]
        updates += [change for change in bulk.updates if change is not None]
        deletes = [change for change in bulk.deletes if change is not None]
        apart = list(bulk.apart)
        for some in _in_turn(updates, deletes):
            apart += self._change(collection, *some, conflicts)
        if conflicts:
            # What was in the way may be gone by now: then everything is repeated, which does no harm.
            raise conflicts[0]
        for key in {change.key for change in apart}:
            self._fetch(collection, key)

    def _change(
        self, collection: Collection, updates: list[Change], deletes: list[Change], conflicts: list[UniqueConflict]
    ) -> list[Change]:
        """Carry them out; returns changes whose documents must be read from the source."""
        database, name = self._catalog.target(collection)
        removed = [change.statements[0] for change in deletes]
        if not self._target.sharded and len(updates) + len(deletes) > 1:
            statements = [statement for change in updates for statement in statements_of(change)]
            done = change_together(self._target, database, name, statements, removed)
            if done is not None:
                self._terms.wrote(done.term)
                return []
        apart = self._update(collection, updates, conflicts)
        if removed:
            self._require(collection, writing.delete(self._target, database, name, b"".join(removed)), ())
        return apart

    def _insert(self, collection: Collection, bulk: Bulk, conflicts: list[UniqueConflict]) -> set[bytes]:
        """Insert what is new; returns the keys of what was there already."""
        inserts = [change for change in bulk.inserts if change is not None]
        if not inserts:
            return set()
        database, name = self._catalog.target(collection)
        done = writing.insert(self._target, database, name, b"".join(change.statements[0] for change in inserts))
        conflicts += [_conflict(error) for error in done.errors if _is_conflict(error)]
        done.errors = [error for error in done.errors if not _is_conflict(error)]
        self._require(collection, done, (DUPLICATE,))
        return {inserts[error["index"]].key for error in done.errors}

    def _update(self, collection: Collection, updates: list[Change], conflicts: list[UniqueConflict]) -> list[Change]:
        """Carry updates and replacements out one by one; returns changes whose documents must be read from the source."""
        owners = [change for change in updates for _ in statements_of(change)]
        statements = [statement for change in updates for statement in statements_of(change)]
        apart: dict[bytes, Change] = {}
        left_out: set[bytes] = set()
        database, name = self._catalog.target(collection)
        while statements:
            done = writing.update(self._target, database, name, b"".join(statements))
            # An ordered command ends with its first error.
            index = int(done.errors[0]["index"]) if done.errors else len(statements)
            if done.errors and _is_conflict(done.errors[0]):
                conflicts.append(_conflict(done.errors[0]))
                left_out.add(owners[index].key)
                done.errors = []
            self._require(collection, done, (*_FETCH, DUPLICATE))
            if done.errors:
                apart[owners[index].key] = owners[index]
                left_out.add(owners[index].key)
            rest = [
                pair for pair in zip(owners[index:], statements[index:], strict=True) if pair[0].key not in left_out
            ]
            owners, statements = [owner for owner, _ in rest], [statement for _, statement in rest]
        return list(apart.values())

    def _in_order(self, collection: Collection, changes: list[Change]) -> None:
        """A capped collection has an order, so nothing is put together."""
        database, name = self._catalog.target(collection)
        run: list[Change] = []
        for change in [*changes, None]:
            if change is not None and change.kind is Kind.INSERT and not has_empty(change.statements[0]):
                run.append(change)
                continue
            while run:
                done = writing.insert(
                    self._target, database, name, b"".join(each.statements[0] for each in run), ordered=True
                )
                self._require(collection, done, (DUPLICATE,))
                run = run[int(done.errors[0]["index"]) + 1 :] if done.errors else []
            if change is None:
                return
            if change.kind is Kind.DELETE:
                self._require(collection, writing.delete(self._target, database, name, change.statements[0]), ())
            elif change.kind is Kind.REFETCH:
                self._fetch(collection, change.key)
            else:
                done = writing.update(self._target, database, name, b"".join(statements_of(change)))
                self._require(collection, done, tuple(_FETCH))
                if done.errors:
                    self._fetch(collection, change.key)

    def _fetch(self, collection: Collection, key: bytes) -> None:
        """Make the target's document what the source's is now; what happened to it until now is replayed over it."""
        query = {
            "find": collection.name,
            "filter": RawBSONDocument(key),
            "limit": 1,
            "singleBatch": True,
            "readConcern": {"level": "majority"},
        }
        database, name = self._catalog.target(collection)
        reply: RawBSONDocument = self._source.client[collection.database].command(query, codec_options=raw.RAW)
        _, found, _ = raw.batch(bytes(reply.raw))
        only_id = raw.document(raw.element("_id", bson.decode(key, raw.LENIENT)["_id"]))
        remove = raw.document(b"\x03q\x00" + only_id, raw.element("limit", 1))
        if not found:
            self._require(collection, writing.delete(self._target, database, name, remove), ())
            return
        done = writing.update(self._target, database, name, replacement(key, found[0]))
        self._require(collection, done, (*_FETCH, DUPLICATE))
        if done.errors:
            # Another shard key under the same _id, or names that look like operators.
            self._require(collection, writing.delete(self._target, database, name, remove), ())
            self._require(collection, writing.insert(self._target, database, name, found[0]), (DUPLICATE,))

    def _require(self, collection: Collection, done: Written, passing: tuple[int, ...]) -> None:
        self._terms.wrote(done.term)
        for error in done.errors:
            if _is_conflict(error):
                raise _conflict(error)
            if error["code"] in passing:
                continue
            told = OperationFailure(str(error.get("errmsg")), error["code"], error)
            if is_transient(told):
                raise told
            raise LinkFailed(f"bulk write: {collection}: {error.get('errmsg')}")


def _bounded(changes: list[Change], most: int) -> list[list[Change]]:
    """The changes in pieces that fit into a command."""
    pieces: list[list[Change]] = []
    size = count = 0
    for change in changes:
        if not pieces or count >= most or size + change.size > MESSAGE_BYTES // 3:
            pieces.append([])
            size = count = 0
        pieces[-1].append(change)
        size += change.size
        count += 1
    return pieces


def _is_conflict(error: Mapping[str, Any]) -> bool:
    """Whether a value is taken that must be unique, other than ``_id``."""
    return error["code"] == DUPLICATE and tuple(error.get("keyPattern", _ID_INDEX)) != _ID_INDEX


def _conflict(error: Mapping[str, Any]) -> UniqueConflict:
    return UniqueConflict(str(error.get("errmsg")))


def _in_turn(updates: list[Change], deletes: list[Change]) -> Iterator[tuple[list[Change], list[Change]]]:
    """The updates, then the deletes, in pieces that fit into a transaction; the middle one may have both."""
    some: tuple[list[Change], list[Change]] = ([], [])
    count = size = 0
    for which, changes in enumerate((updates, deletes)):
        for change in changes:
            statements = len(change.statements)
            if count and (count + statements > MOST_STATEMENTS or size + change.size > MOST_BYTES):
                yield some
                some, count, size = ([], []), 0, 0
            some[which].append(change)
            count += statements
            size += change.size
    if count:
        yield some
