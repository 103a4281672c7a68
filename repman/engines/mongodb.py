"""The driver of MongoDB replica sets: one direct connection for each member, all asked at the same time.

Elections are the members' own business, so the driver can do little: keep members from standing for election, let a
primary step down, ask a member to stand, make a set of servers that are in none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from repman.engines import mongodb_steps
from repman.engines.mongodb_lag import Course
from repman.engines.mongodb_read import Answer, Document, seen
from repman.engines.mongodb_watch import Look, Watch
from repman.model.observation import Reach, ServerSeen
from repman.model.plan import Outcome, Step, StepKind

_SPARE = 0.05
"""Seconds by which our own wait for an answer exceeds that of the connection, whose words tell more."""


class MongodbSet:
    """The members of one replica set."""

    performs: frozenset[StepKind] = frozenset(mongodb_steps.STEPS)

    def __init__(self, places: Mapping[str, tuple[str, int]], options: Document, connect_timeout: float) -> None:
        """`places`: host and port by address, in configured order; `options`: of PyMongo, account and TLS among them.

        Opens nothing before the first look.
        """
        self._bell = threading.Event()
        self._rung: set[str] = set()
        self._lock = threading.Lock()
        self._watches = {
            address: Watch(address, host, port, options, connect_timeout, self._ringer(address))
            for address, (host, port) in places.items()
        }
        self._pool = ThreadPoolExecutor(max_workers=2 * len(self._watches) + 1, thread_name_prefix="mongodb")
        self._asked: dict[str, Future[Look]] = {}
        self._answers: dict[str, Answer] = {}
        self._course = Course()
        self._seen = {address: ServerSeen(address, Reach.PENDING, 0.0) for address in self._watches}

    def observe(self, timeout: float, only: Collection[str] | None = None) -> tuple[ServerSeen, ...]:
        """Look at all members (or at those addresses) at the same time, within `timeout` seconds."""
        chosen = [address for address in self._watches if only is None or address in only]
        for address in chosen:
            if address not in self._asked:
                self._asked[address] = self._pool.submit(self._watches[address].look, timeout)
        wait([self._asked[address] for address in chosen], timeout + _SPARE)
        fresh: dict[str, Answer] = {}
        for address in chosen:
            future = self._asked[address]
            if not future.done():  # it goes on by itself, and the next look finds its result
                self._failed(address, Reach.SILENT, "no answer in time")
                continue
            del self._asked[address]
            look = future.result()
            if isinstance(look, Answer):
                fresh[address] = look
            else:
                self._failed(address, *look)
        self._answers.update(fresh)
        names = {answer.name: address for address, answer in self._answers.items() if answer.name}
        primary = self._primary()
        if primary is not None:
            self._course.note(primary)
        for address, answer in fresh.items():
            self._seen[address] = seen(address, answer, primary, self._course.lag(answer, primary), names)
        return tuple(self._seen[address] for address in chosen)

    def _failed(self, address: str, reach: Reach, words: str) -> None:
        self._seen[address] = ServerSeen(address, reach, time.monotonic(), words)

    def _primary(self) -> Answer | None:
        """The latest answer of the one that took writes in the highest term."""
        writable = [answer for answer in self._answers.values() if answer.writable]
        return max(writable, key=lambda answer: answer.term, default=None)

    def wait(self, timeout: float) -> frozenset[str]:
        """Sleep up to `timeout` seconds; return early with the members whose role or connection has changed."""
        self._bell.wait(max(0.0, timeout))
        with self._lock:
            self._bell.clear()
            rung, self._rung = frozenset(self._rung), set()
        return rung

    def wake(self) -> None:
        """End a wait that is under way, or the next one; may be called from any thread."""
        self._bell.set()

    def inventory(self, timeout: float) -> None:
        """Read what changes rarely; a member that does not answer in time keeps what was read before."""
        answering = [watch for address, watch in self._watches.items() if self._seen[address].answered]
        wait([self._pool.submit(watch.read_figures, timeout) for watch in answering], timeout + _SPARE)

    def perform(self, step: Step, timeout: float, waiting: Callable[[], None]) -> Outcome:
        """Reach the aim of a step and read it back, within `timeout` seconds."""
        ends = time.monotonic() + timeout
        return mongodb_steps.perform(mongodb_steps.Means(step, self._watches, self._pool, waiting, ends))

    def close(self) -> None:
        """Give up all connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for watch in self._watches.values():
            watch.close()

    def _ringer(self, address: str) -> Callable[[], None]:
        def ring() -> None:
            with self._lock:
                self._rung.add(address)
                self._bell.set()

        return ring
