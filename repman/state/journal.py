"""The journal: what was going to be done and what came of it, written before and after each step.

It is on the path of a failover, so a write is one plain insert on a kept connection, and nothing else writes
to its file.  Entries are only appended: writing one again after a lost answer does no harm.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError

from repman.errors import JournalError
from repman.model.memory import Memory
from repman.model.plan import Outcome, Plan, Step
from repman.state.boot import boot_id, forget_monotonic_times
from repman.state.codec import decode, encode
from repman.state.database import DATABASE_ERRORS, check_integrity, explain, open_engine
from repman.state.record import Entry, JournalledPlan, tell_course
from repman.state.schema import Schema, bring_up_to_date

T = TypeVar("T")

KEPT_PLANS = 10_000

_TABLES = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_PLAN = Table(
    "journal_plan",
    _TABLES,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(16), nullable=False, unique=True),
    Column("cluster", String(255), nullable=False),
    Column("epoch", String(255), nullable=False),
    Column("started_at", Float(53), nullable=False),
    Column("plan", Text, nullable=False),
    Column("state", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("ended_at", Float(53)),
    Index("journal_plan_cluster", "cluster", "number"),
)
_ENTRY = Table(
    "journal_entry",
    _TABLES,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("plan", String(16), nullable=False),
    Column("at", Float(53), nullable=False),
    Column("what", String(16), nullable=False),
    Column("step", Integer, nullable=False),
    Column("undo", Integer, nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("text", Text, nullable=False),
    Index("journal_entry_plan", "plan", "number"),
)
_MEMORY = Table(
    "journal_memory",
    _TABLES,
    Column("cluster", String(255), primary_key=True),
    Column("boot", String(64), nullable=False),
    Column("saved_at", Float(53), nullable=False),
    Column("memory", Text, nullable=False),
)
SCHEMA = Schema("journal", "0001", _TABLES)
_ADD_PLAN = insert(_PLAN).inline()
_ADD_ENTRY = insert(_ENTRY).inline()
_CLOSE = (
    update(_PLAN)
    .where(_PLAN.c.id == bindparam("which"))
    .values(state=bindparam("state"), detail=bindparam("detail"), ended_at=bindparam("ended_at"))
)


class Journal:
    """The journal of all clusters of one monitor.

    Writes go through one kept connection, one at a time; reads take their own and may come from any thread.
    Every method raises JournalError, with a sentence that says what to do, when the database fails.
    """

    def __init__(self, url: str, owner: bool = True) -> None:
        """Open the database; raises JournalError.

        The monitor owns the journal: it makes what is missing, checks the file and drops old plans.  Others
        only read and pass owner=False.
        """
        self._url = url
        self._lock = threading.Lock()
        self._kept: Connection | None = None
        self._last_id = 0
        try:
            self._engine = open_engine(url, durable=True)
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error
        if not owner:
            return
        try:
            check_integrity(self._engine)
            bring_up_to_date(self._engine, SCHEMA)
            self._forget_old()
        except DATABASE_ERRORS as error:
            self._engine.dispose()
            raise self._failed(error) from error

    def open_plan(self, plan: Plan, epoch: str, at: float) -> str:
        """Note that a plan begins, `at` in Unix seconds, under that lease epoch; returns its identifier."""
        document = encode(plan).decode()
        identifier = self._new_id(at)
        values = {
            "id": identifier,
            "cluster": plan.cluster,
            "epoch": epoch,
            "started_at": at,
            "plan": document,
            "state": "running",
            "detail": "",
        }
        self._write(lambda connection: connection.execute(_ADD_PLAN, values))
        return identifier

    def intent(self, plan_id: str, index: int, step: Step, undo: bool = False) -> None:
        """Note that a step is about to be done; `index` counts in the plan's steps, or in its undo."""
        self._append(plan_id, Entry("intent", index, undo, 0.0, encode(step).decode()))

    def outcome(self, plan_id: str, index: int, outcome: Outcome, seconds: float, undo: bool = False) -> None:
        """Note how the step ended and how long it took."""
        self._append(plan_id, Entry("outcome", index, undo, seconds, encode(outcome).decode()))

    def assume(self, plan_id: str, sentence: str) -> None:
        """Note something that the plan takes for true without proof."""
        self._append(plan_id, Entry("assume", 0, False, 0.0, sentence))

    def close_plan(self, plan_id: str, state: str, detail: str) -> None:
        """Note that the plan ended: ``done``, ``failed``, ``undone`` or ``abandoned``."""
        values = {"which": plan_id, "state": state, "detail": detail, "ended_at": time.time()}
        self._write(lambda connection: connection.execute(_CLOSE, values))

    def unfinished(self, cluster: str) -> JournalledPlan | None:
        """The latest plan of the cluster that was begun and not closed."""
        found = self._plans(cluster, 1, running=True)
        return found[0] if found else None

    def plans(self, cluster: str, limit: int = 50) -> list[JournalledPlan]:
        """The latest plans of the cluster, newest first."""
        return self._plans(cluster, limit, running=False)

    def save_memory(self, memory: Memory) -> None:
        """Keep what the cluster remembers, together with the boot that its monotonic times belong to."""
        values = {"boot": boot_id(), "saved_at": time.time(), "memory": encode(memory).decode()}
        mine = _MEMORY.c.cluster == memory.cluster

        def save(connection: Connection) -> None:
            if connection.execute(update(_MEMORY).where(mine).values(values)).rowcount == 0:
                connection.execute(insert(_MEMORY).values(cluster=memory.cluster, **values))

        self._write(save)

    def load_memory(self, cluster: str) -> Memory | None:
        """What was saved last; without its monotonic times when the machine was booted since."""
        wanted = select(_MEMORY.c.boot, _MEMORY.c.memory).where(_MEMORY.c.cluster == cluster)
        rows = self._read(lambda connection: connection.execute(wanted).all())
        if not rows:
            return None
        boot, document = rows[0]
        memory = self._decoded(lambda: decode(Memory, document), f"the memory of cluster {cluster}")
        return memory if boot and boot == boot_id() else forget_monotonic_times(memory)

    def close(self) -> None:
        """Give up all connections."""
        with self._lock:
            self._drop()
        self._engine.dispose()

    def _forget_old(self) -> None:
        """Drop ended plans beyond the latest KEPT_PLANS; only here, so that it never delays a step."""
        with self._engine.connect() as connection:
            newest = connection.execute(select(func.max(_PLAN.c.number))).scalar() or 0
            old = (_PLAN.c.number <= newest - KEPT_PLANS) & (_PLAN.c.state != "running")
            connection.execute(delete(_ENTRY).where(_ENTRY.c.plan.in_(select(_PLAN.c.id).where(old))))
            connection.execute(delete(_PLAN).where(old))

    def _new_id(self, at: float) -> str:
        with self._lock:
            self._last_id = max(self._last_id + 1, int(at * 1000))
            return f"{_letters(self._last_id, 9)}{_letters(secrets.randbelow(32**3), 3)}"

    def _append(self, plan_id: str, entry: Entry) -> None:
        values = {
            "plan": plan_id,
            "at": time.time(),
            "what": entry.what,
            "step": entry.step,
            "undo": int(entry.undo),
            "seconds": entry.seconds,
            "text": entry.text,
        }
        # Not synced: what the kernel has outlives every death of this process.  When the machine itself fails,
        # entries of the last moment may be missing; then steps are done again, which changes nothing.
        self._write(lambda connection: connection.execute(_ADD_ENTRY, values), synced=False)

    def _write(self, work: Callable[[Connection], object], synced: bool = True) -> None:
        with self._lock:
            try:
                try:
                    self._work(work, synced)
                except DBAPIError as error:
                    if not error.connection_invalidated:
                        raise
                    self._drop()
                    self._work(work, synced)
            except DATABASE_ERRORS as error:
                self._drop()
                raise self._failed(error) from error

    def _work(self, work: Callable[[Connection], object], synced: bool) -> None:
        connection = self._connection()
        if not synced or self._engine.dialect.name != "sqlite":
            work(connection)
            return
        connection.exec_driver_sql("PRAGMA synchronous=FULL")
        try:
            work(connection)
        finally:
            connection.exec_driver_sql("PRAGMA synchronous=NORMAL")

    def _connection(self) -> Connection:
        if self._kept is None:
            self._kept = self._engine.connect()
        return self._kept

    def _drop(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.invalidate()
            kept.close()

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except DATABASE_ERRORS as error:
            raise self._failed(error) from error

    def _plans(self, cluster: str, limit: int, running: bool) -> list[JournalledPlan]:
        wanted = select(_PLAN).where(_PLAN.c.cluster == cluster).order_by(_PLAN.c.number.desc()).limit(limit)
        if running:
            wanted = wanted.where(_PLAN.c.state == "running")

        def read(connection: Connection) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]]]:
            rows = connection.execute(wanted).all()
            of_these = _ENTRY.c.plan.in_([row.id for row in rows])
            return rows, connection.execute(select(_ENTRY).where(of_these).order_by(_ENTRY.c.number)).all()

        rows, lines = self._read(read)
        entries: dict[str, list[Entry]] = {row.id: [] for row in rows}
        for line in lines:
            entry = Entry(line.what, line.step, bool(line.undo), line.seconds, line.text, line.at)
            entries[line.plan].append(entry)
        return [self._decoded(partial(_journalled, row, entries[row.id]), f"plan {row.id}") for row in rows]

    def _decoded(self, work: Callable[[], T], what: str) -> T:
        try:
            return work()
        except ValueError as error:
            raise JournalError(
                f"{what} in the journal cannot be read ({error}): it was written by another release or is "
                "damaged; start the release that wrote it, or move the journal away"
            ) from error

    def _failed(self, error: Exception) -> JournalError:
        return JournalError(explain("The journal", self._url, error))


def _journalled(row: Row[Any], entries: Sequence[Entry]) -> JournalledPlan:
    steps, assumptions = tell_course(entries)
    plan = decode(Plan, row.plan)
    return JournalledPlan(
        row.id, plan, row.epoch, row.started_at, row.state, row.detail, row.ended_at, steps, assumptions
    )


def _letters(number: int, length: int) -> str:
    """The number in letters and digits that sort like it."""
    alphabet = "0123456789abcdefghijklmnopqrstuv"
    return "".join(alphabet[number >> 5 * place & 31] for place in reversed(range(length)))
