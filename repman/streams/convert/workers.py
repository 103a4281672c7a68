"""Workers that copy ranges of tables at once, each with a session of the source and one of the target."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pymysql

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams.connection import is_transient, reason
from repman.streams.convert.chunk import ChunkCopier, Halted
from repman.streams.convert.copy_bundle import Loader, Reader
from repman.streams.convert.limits import Budget
from repman.streams.convert.load_progress import Chunk
from repman.streams.convert.tally import Tally
from repman.streams.job import TableChoice, TableState
from repman.streams.types.types_mapped import MappedTable

_ATTEMPTS = 10
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
TROUBLES = (psycopg.Error, pymysql.err.MySQLError, OSError, StreamUnreachable)
"""What the drivers raise when a database is in trouble."""

Task = tuple[TableChoice, MappedTable, Chunk]


class Sessions:
    """How workers come to sessions."""

    def __init__(
        self, readers: Sequence[Reader], new_reader: Callable[[], Reader], new_loader: Callable[[], Loader]
    ) -> None:
        self._readers = deque(readers)
        self._new_reader = new_reader
        self.loader = new_loader

    def reader(self) -> Reader:
        """One of the common snapshot as long as there is one, later one of its own."""
        try:
            return self._readers.popleft()
        except IndexError:
            return self._new_reader()


class Workers:
    """Copies all ranges, and finishes each table when its last range is there."""

    def __init__(
        self,
        copier: ChunkCopier,
        sessions: Sessions,
        tally: Tally,
        budget: Budget,
        stop: threading.Event,
        finish_table: Callable[[Loader, TableChoice, MappedTable], None],
    ) -> None:
        self._copier = copier
        self._sessions = sessions
        self._tally = tally
        self._budget = budget
        self._stop = stop
        self._finish_table = finish_table
        self._lock = threading.Lock()
        self._tasks: deque[Task] = deque()
        self._failure: Exception | None = None

    def halted(self) -> bool:
        """Whether to stop: somebody asked for it, or a worker has failed."""
        return self._stop.is_set() or self._failure is not None

    def run(self, tasks: Sequence[Task], finished: Mapping[str, tuple[TableChoice, MappedTable]], count: int) -> None:
        """Copy them, the largest tables first; `finished` are tables whose rows are there and whose keys may not be.

        Raises StreamFailed for what ends the stream; returns early when it is told to stop.
        """
        self._tasks.extend(tasks)
        with ThreadPoolExecutor(count, thread_name_prefix="convert") as pool:
            done = [pool.submit(self._work) for _ in range(count)]
            done.append(pool.submit(self._patiently, lambda loader: self._finish_all(loader, finished)))
            for future in done:
                future.result()
        if self._failure is not None:
            raise self._failure

    def _finish_all(self, loader: Loader, finished: Mapping[str, tuple[TableChoice, MappedTable]]) -> None:
        for choice, table in finished.values():
            self._finish(loader, choice, table)

    def _finish(self, loader: Loader, choice: TableChoice, table: MappedTable) -> None:
        if not self.halted():
            self._tally.state(choice.name, TableState.INDEXING)
            self._finish_table(loader, choice, table)
            self._tally.state(choice.name, TableState.DONE)

    def _next(self) -> Task | None:
        with self._lock:
            if self._tasks and not self.halted() and not self._budget.reason:
                return self._tasks.popleft()
            return None

    def _work(self) -> None:
        task: Task | None = None
        attempts = 0
        while not self.halted():
            reader: Reader | None = None
            loader: Loader | None = None
            try:
                task = task or self._next()
                if task is None:
                    return
                reader, loader = self._sessions.reader(), self._sessions.loader()
                while task is not None:
                    self._do(reader, loader, task)
                    attempts = 0
                    task = self._next()
                return
            except Halted:
                return
            except TROUBLES as error:
                attempts += 1
                if not self._goes_on(error, attempts):
                    return
            except Exception as error:  # noqa: BLE001 -- it is raised again by run
                self._fail(error)
                return
            finally:
                for session in (reader, loader):
                    if session is not None:
                        session.close()

    def _do(self, reader: Reader, loader: Loader, task: Task) -> None:
        choice, table, chunk = task
        done = self._copier.copy(reader, loader, table, choice, chunk)
        if self._tally.written(done):
            self._finish_patiently(choice, table)

    def _finish_patiently(self, choice: TableChoice, table: MappedTable) -> None:
        """With a session of its own: an attempt that failed must not copy the range once more."""
        self._patiently(lambda loader: self._finish(loader, choice, table))

    def _patiently(self, work: Callable[[Loader], None]) -> None:
        try:
            patiently(self._sessions.loader, work, self.halted, self._stop, self._tally)
        except Exception as error:  # noqa: BLE001 -- it is raised again by run
            self._fail(error)

    def _goes_on(self, error: Exception, attempts: int) -> bool:
        """Wait before the next attempt; False when there is none."""
        try:
            wait_before_next(error, attempts, self._stop, self._tally)
        except StreamFailed as ended:
            self._fail(ended)
            return False
        return True

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._failure = self._failure or error


def wait_before_next(error: Exception, attempts: int, stop: threading.Event, tally: Tally) -> None:
    """Wait before what failed is tried once more.  Raises StreamFailed when it is not to be."""
    if not is_transient(error):
        if isinstance(error, StreamFailed):
            raise error
        raise StreamFailed(f"the copy cannot go on: {reason(error)}; correct it and start again") from error
    if attempts >= _ATTEMPTS:
        raise StreamUnreachable(f"a database does not come back: {reason(error)}; start it and go on") from error
    tally.error(f"{reason(error)}; it is tried again")
    stop.wait(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempts))


def patiently(
    new_loader: Callable[[], Loader],
    work: Callable[[Loader], None],
    halted: Callable[[], bool],
    stop: threading.Event,
    tally: Tally,
) -> None:
    """Do what can be repeated, with a new session of the target for each attempt.  Raises StreamFailed."""
    attempts = 0
    while not halted():
        loader: Loader | None = None
        try:
            loader = new_loader()
            work(loader)
            return
        except TROUBLES as error:
            attempts += 1
            wait_before_next(error, attempts, stop, tally)
        finally:
            if loader is not None:
                loader.close()
