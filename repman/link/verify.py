"""Verification: whether the target's copy of a collection is the source's, and which documents are not alike.

A pair of collections is compared by ranges of `_id`, source and target at once.  Of each range both sides give a
summary; only where these differ are documents compared one by one.  After each range the state so far is handed out,
and a comparison that was broken off goes on from there without reading earlier ranges again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice, zip_longest
from threading import Event
from typing import Any, TypeVar

from bson.timestamp import Timestamp
from pymongo.database import Database
from pymongo.errors import OperationFailure

from repman.errors import LinkFailed
from repman.link.copies import Copy, is_moment_gone
from repman.link.differences import NOTHING, Difference, Differences, Kind, compare
from repman.mongo.patience import patiently
from repman.mongo.ranges import IdRange, documents_per_range
from repman.mongo.stopping import Stopped

PATIENCE = 60.0
"""Seconds for which one read is tried again: longer than an election takes."""
DIGEST_DOCUMENTS = 5_000_000
"""The most for which `Method.DIGEST` asks: while a server works on it, it can neither be stopped nor written to."""
DIGEST_SECONDS = 30.0
"""After which the server is to give up."""
_AT_ONCE = 1000
"""`_id`s in one query."""

T = TypeVar("T")


class Method(Enum):
    """How ranges are compared.  The speeds are of documents of 0.8 kB, with both servers and this process on two cores."""

    BYTES = "bytes"
    """Every document is fetched.  Sees every difference: values, their types, the order of fields.  100,000 documents
    a second, and all data pass the network."""
    HASHES = "hashes"
    """The servers hash (`$toHashedIndexKey`), and only ranges that differ are fetched.  Sees missing and extra
    documents, other strings, dates, `_id`s and integers, other fields and their order.  270,000 documents a second and
    no traffic, but numbers are hashed as 64-bit integers: 2.3 and 2.9, 0.0 and NaN, 1e300 and infinity are alike to
    it, and so are 1L and 1.0.  Types of other length are seen (1 and 1L, 1.0 and a decimal)."""
    DIGEST = "digest"
    """The servers digest the whole collection (`dbHash`).  Sees every difference; 500,000 documents a second.  Where
    nothing may write: a server holds writes to the database up meanwhile.  Large and capped collections, those that
    differ, and sharded clusters are compared by BYTES."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What of both sides is compared, and how."""

    source: Timestamp | None = None
    """Cluster time at which the source is read.  None: what a majority has, for when nothing writes; while clients
    write, differences may be found then that are gone a moment later (`remaining`)."""
    target: Timestamp | None = None
    """Of the target's own clock: when everything up to `source` was applied there, and nothing after it."""
    method: Method = Method.BYTES
    range_documents: int = 0
    """Of the source in one range; 0: chosen by their size."""

    def __post_init__(self) -> None:
        """Raises ValueError where a method cannot read at a moment."""
        if self.method is Method.DIGEST and (self.source or self.target):
            raise ValueError("Method.DIGEST reads what is there now: give no times, or another method")


AT_REST = Reading(method=Method.DIGEST)
"""For when nothing writes to either side."""


def collection_differences(
    source: Database[dict[str, Any]],
    target: Database[dict[str, Any]],
    pair: tuple[str, str],
    at: Reading,
    progress: Callable[[Differences], None],
    stop: Event,
    done: Differences = NOTHING,
) -> Differences:
    """Compare a collection of the source with one of the target (`pair`: their names), from where `done` ends.

    `progress` is given the state after each range; kept, it can be `done` later.  Returns early, not `complete`, when
    `stop` is set, and with `moment_gone` when the moment cannot be read: servers keep five minutes as a rule
    (``minSnapshotHistoryWindowInSeconds``).  A capped collection must have its documents in the same order.  A view
    has none of its own.  Waits while a cluster elects a primary.  Raises LinkFailed when the target has a view of that
    name, and PyMongoError.
    """
    copies = Copy(source, pair[0], at.source), Copy(target, pair[1], at.target)
    seen = replace(done, moment_gone=False)
    try:
        with ThreadPoolExecutor(3, thread_name_prefix="verify") as pool:
            for state in _Comparison(copies, at, stop, pool).states(seen):
                seen = state
                progress(seen)
                if stop.is_set():
                    break
    except Stopped:
        pass
    except OperationFailure as error:
        if not is_moment_gone(error):
            raise
        seen = replace(seen, moment_gone=True)
    return seen


def remaining(
    source: Database[dict[str, Any]],
    target: Database[dict[str, Any]],
    pair: tuple[str, str],
    found: Sequence[Difference],
    at: Reading,
    stop: Event,
) -> tuple[Difference, ...]:
    """Which of the differences still exist; of what was found while clients wrote, or after a repair.

    Only these documents are read.  Raises Stopped, OperationFailure when the moment cannot be read, PyMongoError.
    """
    copies = Copy(source, pair[0], at.source), Copy(target, pair[1], at.target)
    left: list[Difference] = []
    ids = iter(dict.fromkeys(each.id for each in found if each.kind is not Kind.ORDER))
    while some := list(islice(ids, _AT_ONCE)):
        if stop.is_set():
            raise Stopped
        left += patiently(lambda some=some: _having(copies, some), stop, PATIENCE)  # type: ignore[misc]
    if any(each.kind is Kind.ORDER for each in found):
        left += patiently(lambda: _out_of_order(copies, stop), stop, PATIENCE)
    return tuple(left)


class _Comparison:
    """One pair of collections."""

    def __init__(self, copies: tuple[Copy, Copy], at: Reading, stop: Event, pool: ThreadPoolExecutor) -> None:
        self.copies, self.at, self.stop, self.pool = copies, at, stop, pool
        self.summary = Copy.read
        self.ordered = False

    def states(self, seen: Differences) -> Iterator[Differences]:
        """The state after each range.  Raises Stopped."""
        here, there = self._of_both(Copy.information)
        if seen.complete or here.get("type") == "view":
            yield replace(seen, complete=True)
            return
        if there.get("type", "collection") != "collection":
            name = f"{self.copies[1].database.name}.{self.copies[1].name}"
            raise LinkFailed(f"{name} is a {there['type']} on the target: drop it there, and copy the collection anew")
        options = here.get("options", {})
        self.ordered = bool(options.get("capped"))
        # The digest of a capped collection goes by `_id`, too, and tells nothing of its order.
        digest = self.at.method is Method.DIGEST and seen == NOTHING and not self.ordered
        if digest and (alike := self._digested()) is not None:
            yield alike
            return
        # A clustered collection has no index of which an aggregation could read a range.
        if self.at.method is Method.HASHES and "clusteredIndex" not in options:
            self.summary = Copy.hashed
        yield from self._ranges(seen)

    def _ranges(self, seen: Differences) -> Iterator[Differences]:
        size = self.at.range_documents or documents_per_range(self._patiently(self.copies[0].average_bytes))
        low = seen.resume_at
        high = self._end(low, size)
        while True:
            # The next bound is found while this range is read.
            ahead = self.pool.submit(self._end, high, size) if high is not None else None
            seen = self._after(seen, IdRange(low, high))
            yield seen
            if ahead is None:
                return
            low, high = high, ahead.result()

    def _end(self, low: bytes | None, size: int) -> bytes | None:
        return self._patiently(lambda: self.copies[0].id_after(low, size))

    def _after(self, seen: Differences, span: IdRange) -> Differences:
        here, there = self._of_both(lambda copy: self.summary(copy, span))

        def compared() -> Differences:
            # Differences are counted as they are found: a target may have any number of documents too many.
            found = () if here == there else compare(*(copy.in_range(span) for copy in self.copies))
            return seen.with_range(span.high, (here.documents, there.documents), found)

        after = self._patiently(compared)
        if after.complete and self.ordered and not after.total:
            return after.with_range(None, (0, 0), self._patiently(lambda: _out_of_order(self.copies, self.stop)))
        return after

    def _digested(self) -> Differences | None:
        """The end, when the servers' own digests are equal; None when ranges have to be compared."""
        documents = self._patiently(self.copies[0].estimated_count)
        if documents > DIGEST_DOCUMENTS:
            return None
        try:
            here, there = self._of_both(lambda copy: copy.server_digest(DIGEST_SECONDS))
        except OperationFailure:
            return None  # a mongos, a missing right, or the time was over
        if here is None or here != there:
            return None
        return Differences(complete=True, source_documents=documents, target_documents=documents)

    def _of_both(self, call: Callable[[Copy], T]) -> tuple[T, T]:
        source, target = self.pool.map(lambda copy: self._patiently(lambda: call(copy)), self.copies)
        return source, target

    def _patiently(self, call: Callable[[], T]) -> T:
        return patiently(call, self.stop, PATIENCE)


def _having(copies: tuple[Copy, Copy], ids: Sequence[bytes]) -> list[Difference]:
    return list(compare(*(copy.having(ids) for copy in copies)))


def _out_of_order(copies: tuple[Copy, Copy], stop: Event) -> list[Difference]:
    """The first document that stands elsewhere, if any.  Raises Stopped."""
    with closing(copies[0].ids_in_natural_order()) as source, closing(copies[1].ids_in_natural_order()) as target:
        for here, there in zip_longest(source, target):
            if here != there:
                return [Difference(Kind.ORDER, here or there)]
            if stop.is_set():
                raise Stopped
    return []
