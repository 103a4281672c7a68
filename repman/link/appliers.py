"""Threads that carry changes of documents out on the target: each document always by the same one, in order."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from repman.errors import LinkFailed
from repman.link import raw, writing
from repman.link.bulk import Bulk, bulk_of, statements_of
from repman.link.catalog import Catalog, Collection
from repman.link.changes import Change, Kind, replacement
from repman.link.connection import Cluster, is_transient, patiently
from repman.link.frontier import Frontier, Ticket
from repman.link.segments import MESSAGE_BYTES
from repman.link.stopping import Stopped
from repman.link.together import MOST_BYTES, MOST_STATEMENTS, change_together
from repman.link.writing import DUPLICATE, Terms, Written

_MOST_OPERATIONS = 2000
_MOST_BYTES = 8_000_000
_FETCH = frozenset({2, 9, 28, 29, 40, 52, 54, 17280, 17419, 10334})
"""Codes with which an update does not fit the document that the target has, because that one is newer: the path is not
viable, is no array, conflicts, has a name that an operator cannot set, or the document would become too large."""


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
    ) -> None:
        """`most` operations go into one command; `failed` is told of what stops the link."""
        self._source, self._target = source, target
        self._catalog = catalog
        self._frontier, self._terms = frontier, terms
        self._most = most or _MOST_OPERATIONS
        self._failed, self._stop = failed, stop
        self._changed = threading.Condition()
        self._queues: list[deque[Part]] = [deque() for _ in range(count)]
        self._open: defaultdict[str, int] = defaultdict(int)
        self._threads = [
            threading.Thread(target=self._work, args=(queue,), name=f"apply-{number}", daemon=True)
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

    def _work(self, queue: deque[Part]) -> None:
        try:
            while (parts := self._next(queue)) is not None:
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
        """What is to be done for one collection: everything that waits for it in a row, up to a bound."""
        with self._changed:
            while not queue:
                if self._stop.is_set():
                    return None
                self._changed.wait(0.5)
            if self._stop.is_set():
                return None
            parts = [queue.popleft()]
            count, size = len(parts[0].changes), parts[0].size
            while queue and queue[0].collection == parts[0].collection and count < self._most and size < _MOST_BYTES:
                parts.append(queue.popleft())
                count += len(parts[-1].changes)
                size += parts[-1].size
            return parts

    def _apply(self, parts: list[Part]) -> None:
        collection = self._catalog.get(parts[0].collection)
        if collection is None:
            return  # dropped since: the catalogue is ahead of what is replayed
        changes = [change for part in parts for change in part.changes]
        for some in _bounded(changes, self._most):
            patiently(lambda some=some: self.send(collection, some), self._stop)  # type: ignore[misc]

    def send(self, collection: Collection, changes: list[Change]) -> None:
        """Carry changes of one collection out, now.  Raises Stopped, LinkFailed and PyMongoError."""
        if self._stop.is_set():
            raise Stopped
        if collection.is_capped:
            self._in_order(collection, changes)
            return
        bulk = bulk_of(changes)
        again = self._insert(collection, bulk)
        updates = [change for change in bulk.inserts if change is not None and change.key in again]
        updates += [change for change in bulk.updates if change is not None]
        deletes = [change for change in bulk.deletes if change is not None]
        apart = list(bulk.apart)
        for some in _in_turn(updates, deletes):
            apart += self._change(collection, *some)
        for key in {change.key for change in apart}:
            self._fetch(collection, key)

    def _change(self, collection: Collection, updates: list[Change], deletes: list[Change]) -> list[Change]:
        """Carry them out; returns changes whose documents must be read from the source."""
        database, name = self._catalog.target(collection)
        removed = [change.statements[0] for change in deletes]
        if not self._target.sharded and len(updates) + len(deletes) > 1:
            statements = [statement for change in updates for statement in statements_of(change)]
            done = change_together(self._target, database, name, statements, removed)
            if done is not None:
                self._terms.wrote(done.term)
                return []
        apart = self._update(collection, updates)
        if removed:
            self._require(collection, writing.delete(self._target, database, name, b"".join(removed)), ())
        return apart

    def _insert(self, collection: Collection, bulk: Bulk) -> set[bytes]:
        """Insert what is new; returns the keys of what was there already."""
        inserts = [change for change in bulk.inserts if change is not None]
        if not inserts:
            return set()
        database, name = self._catalog.target(collection)
        done = writing.insert(self._target, database, name, b"".join(change.statements[0] for change in inserts))
        self._require(collection, done, (DUPLICATE,))
        return {inserts[error["index"]].key for error in done.errors}

    def _update(self, collection: Collection, updates: list[Change]) -> list[Change]:
        """Carry updates and replacements out one by one; returns changes whose documents must be read from the source."""
        owners = [change for change in updates for _ in statements_of(change)]
        statements = [statement for change in updates for statement in statements_of(change)]
        apart: dict[bytes, Change] = {}
        database, name = self._catalog.target(collection)
        while statements:
            done = writing.update(self._target, database, name, b"".join(statements))
            self._require(collection, done, (*_FETCH, DUPLICATE))
            if not done.errors:
                break
            # An ordered command ends with its first error.
            index = int(done.errors[0]["index"])
            failed = owners[index]
            apart[failed.key] = failed
            rest = [pair for pair in zip(owners[index:], statements[index:], strict=True) if pair[0].key not in apart]
            owners, statements = [owner for owner, _ in rest], [statement for _, statement in rest]
        return list(apart.values())

    def _in_order(self, collection: Collection, changes: list[Change]) -> None:
        """A capped collection has an order, so nothing is put together."""
        database, name = self._catalog.target(collection)
        run: list[Change] = []
        for change in [*changes, None]:
            if change is not None and change.kind is Kind.INSERT:
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
        only_id = raw.document(raw.element("_id", bson.decode(key)["_id"]))
        remove = raw.document(b"\x03q\x00" + only_id, raw.element("limit", 1))
        if not found:
            self._require(collection, writing.delete(self._target, database, name, remove), ())
            return
        done = writing.update(self._target, database, name, replacement(key, found[0]))
        self._terms.wrote(done.term)
        if done.errors:
            # Another shard key under the same _id, or names that look like operators.
            self._require(collection, writing.delete(self._target, database, name, remove), ())
            self._require(collection, writing.insert(self._target, database, name, found[0]), (DUPLICATE,))

    def _require(self, collection: Collection, done: Written, passing: tuple[int, ...]) -> None:
        self._terms.wrote(done.term)
        for error in done.errors:
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
