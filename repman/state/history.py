"""The history: what happened, for people.  Nobody waits for it and no decision reads it.

Lines are handed to a thread that writes them in batches.  When the database cannot keep up or fails, lines
are dropped and counted, and the history says so itself as soon as it can be written again.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
)

from repman.errors import StateError
from repman.model.snapshot import Event
from repman.state.database import DATABASE_ERRORS, Lazily, explain, keep_newest
from repman.state.schema import Schema

T = TypeVar("T")
LOG = logging.getLogger(__name__)

_TABLES = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_EVENT = Table(
    "history_event",
    _TABLES,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("cluster", String(255), nullable=False),
    Column("at", Float(53), nullable=False),
    Column("level", String(16), nullable=False),
    Column("text", Text, nullable=False),
    Column("server", String(255), nullable=False),
    Column("code", String(255), nullable=False),
    Index("history_event_cluster", "cluster", "number"),
)
_CRASH = Table(
    "history_crash",
    _TABLES,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("cluster", String(255), nullable=False),
    Column("old_writer", String(255), nullable=False),
    Column("new_writer", String(255), nullable=False),
    Column("at", Float(53), nullable=False),
    Column("switchover", Boolean, nullable=False),
    Column("semi_sync", Boolean, nullable=False),
    Column("old_position", Text, nullable=False),
    Column("new_position", Text, nullable=False),
    Column("unacknowledged", Text, nullable=False),
    Column("plan", String(16), nullable=False),
    Index("history_crash_cluster", "cluster", "number"),
)
SCHEMA = Schema("history", "0001", _TABLES)


@dataclass(frozen=True, slots=True)
class Crash:
    """A change of the writer, wanted or not."""

    cluster: str
    old_writer: str
    """Address of the writer before."""
    new_writer: str
    """Address of the elected one."""
    at: float
    """Unix seconds."""
    switchover: bool
    """False: a failover."""
    semi_sync: bool = False
    """Whether the elected one acknowledged the old writer's commits."""
    old_position: str = ""
    """The last position seen on the old writer, in the engine's own notation."""
    new_position: str = ""
    """What the elected one had when it was promoted."""
    unacknowledged: str = ""
    plan: str = ""
    """The journal's identifier of the plan."""


class History:
    """Events and crashes of all clusters; usable from several threads.

    Writing never blocks and never raises.  Reading raises StateError when the database fails.
    """

    def __init__(self, url: str, waiting: int = 10_000, keep: int = 100_000) -> None:
        """`waiting` lines may wait to be written; of each cluster about `keep` events are kept."""
        self._url = url
        self._keep = keep
        self._queue: queue.Queue[tuple[Table, dict[str, Any]] | None] = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._database = Lazily(url, SCHEMA)
        self._thread: threading.Thread | None = None
        self._closed = False
        self._dropped = 0
        self._unreported: Counter[str] = Counter()
        self._since_prune = 0
        self._problem = ""

    @property
    def dropped(self) -> int:
        """Lines lost so far."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Lines that wait to be taken by the writing thread."""
        return self._queue.qsize()

    @property
    def problem(self) -> str:
        """Why the latest lines could not be written; empty when they could."""
        return self._problem

    def append(self, event: Event, cluster: str) -> None:
        """Note an event."""
        self._put(_EVENT, {"cluster": cluster, **asdict(event)})

    def append_crash(self, crash: Crash) -> None:
        """Note a change of the writer."""
        self._put(_CRASH, asdict(crash))

    def events(self, cluster: str, limit: int = 200) -> tuple[Event, ...]:
        """The latest events of a cluster, newest first."""
        columns = (_EVENT.c.at, _EVENT.c.level, _EVENT.c.text, _EVENT.c.server, _EVENT.c.code)
        wanted = select(*columns).where(_EVENT.c.cluster == cluster).order_by(_EVENT.c.number.desc())
        rows = self._read(lambda connection: connection.execute(wanted.limit(limit)).all())
        return tuple(Event(*row) for row in rows)

    def crashes(self, cluster: str, limit: int = 200) -> tuple[Crash, ...]:
        """The latest changes of the writer of a cluster, newest first."""
        columns = [column for column in _CRASH.c if column.name != "number"]
        wanted = select(*columns).where(_CRASH.c.cluster == cluster).order_by(_CRASH.c.number.desc())
        rows = self._read(lambda connection: connection.execute(wanted.limit(limit)).all())
        return tuple(Crash(*row) for row in rows)

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, for `timeout` seconds at most, and give up all connections."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            deadline = time.monotonic() + timeout
            try:
                self._queue.put(None, timeout=timeout)
            except queue.Full:
                self._problem = "the history could not be written before the end"
            thread.join(max(0.0, deadline - time.monotonic()))
        self._database.close()

    def _put(self, table: Table, values: dict[str, Any]) -> None:
        with self._lock:
            if self._closed:
                self._drop(values)
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="history", daemon=True)
                self._thread.start()
            try:
                self._queue.put_nowait((table, values))
            except queue.Full:
                self._drop(values)

    def _drop(self, values: dict[str, Any]) -> None:
        self._dropped += 1
        self._unreported[values["cluster"]] += 1

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while not last and len(batch) < 1000:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    last = True
                else:
                    batch.append(item)
            self._write(batch)
            if last:
                return

    def _write(self, batch: list[tuple[Table, dict[str, Any]]]) -> None:
        with self._lock:
            lost, self._unreported = self._unreported, Counter()
        try:
            with self._database.engine().begin() as connection:
                for table in (_EVENT, _CRASH):
                    if rows := [values for kind, values in batch if kind is table]:
                        connection.execute(insert(table), rows)
                if lost:
                    connection.execute(insert(_EVENT), [_loss(*item) for item in lost.items()])
                self._prune(connection, len(batch))
            self._problem = ""
        except DATABASE_ERRORS as error:
            if not self._problem:
                LOG.warning("lines of history are lost: %s", error)
            self._problem = explain("The history", self._url, error)
            with self._lock:
                self._unreported += lost
                for _, values in batch:
                    self._drop(values)

    def _prune(self, connection: Connection, written: int) -> None:
        self._since_prune += written
        if self._since_prune < self._keep // 10 + 1:
            return
        self._since_prune = 0
        newest = select(_EVENT.c.cluster, func.max(_EVENT.c.number)).group_by(_EVENT.c.cluster)
        for cluster, _ in connection.execute(newest).all():
            keep_newest(connection, _EVENT.c.number, _EVENT.c.cluster == cluster, self._keep)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._database.engine().connect() as connection:
                return work(connection)
        except DATABASE_ERRORS as error:
            raise StateError(explain("The history", self._url, error)) from error


def _loss(cluster: str, lines: int) -> dict[str, Any]:
    text = f"{lines} lines of history were lost: they came faster than they could be written, or it failed"
    return {"cluster": cluster, **asdict(Event(time.time(), "WARN", text, code="history-lost"))}
