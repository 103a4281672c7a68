"""How often plans of each kind ended how, and how long their steps took: what the journal tells, counted.

Read beside the monitor, which goes on writing; only what came since the last time is read.  Counts include what the
journal still held when this process first looked, so processes that look at the same journal tell the same.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, or_, select

from repman.errors import StateError
from repman.model.plan import Plan, PlanKind
from repman.state.codec import decode
from repman.state.database import DATABASE_ERRORS, explain, open_engine
from repman.state.journal import SCHEMA
from repman.state.record import Entry, StepRecord, tell_course

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the classes of durations, in seconds; one more class has none."""
WHOLE = "all"
"""In the place of a step's kind: the plan from its beginning to its end."""

_PLAN = SCHEMA.tables.tables["journal_plan"]
_ENTRY = SCHEMA.tables.tables["journal_entry"]
_AT_ONCE = 500
"""Plans read with one query."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How many of some durations fell into each class, and their sum in seconds."""

    classes: tuple[int, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Counted:
    """All that was counted so far."""

    plans: Mapping[tuple[str, PlanKind, str], int]
    """Plans that ended, by cluster, kind and the state in which they were closed."""
    steps: Mapping[tuple[str, str, str], int]
    """Their steps, by cluster, kind of step and ``done``, ``failed`` or ``unknown``."""
    failovers: Mapping[tuple[str, str], Durations]
    """Failovers that succeeded, by cluster and kind of step, or `WHOLE`."""


class Tally:
    """Counts the journal's plans; usable from several threads."""

    def __init__(self, url: str) -> None:
        """Nothing is opened before it is needed."""
        self._url = url
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._newest = 0
        self._running: frozenset[str] = frozenset()
        self._plans: Counter[tuple[str, PlanKind, str]] = Counter()
        self._steps: Counter[tuple[str, str, str]] = Counter()
        self._classes: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._seconds: dict[tuple[str, str], float] = defaultdict(float)

    def counted(self) -> Counted:
        """Everything up to now.  Raises StateError; what was counted before is not lost."""
        with self._lock:
            try:
                if self._engine is None:
                    self._engine = open_engine(self._url, durable=False)
                with self._engine.connect() as connection:
                    while self._read_on(connection):
                        pass
            except DATABASE_ERRORS as error:
                raise StateError(explain("The journal", self._url, error)) from error
            durations = {key: Durations(tuple(classes), self._seconds[key]) for key, classes in self._classes.items()}
            return Counted(dict(self._plans), dict(self._steps), durations)

    def close(self) -> None:
        """Give up all connections."""
        if self._engine is not None:
            self._engine.dispose()

    def _read_on(self, connection: Connection) -> bool:
        """Count the next plans; False when there are no more."""
        fresh = or_(_PLAN.c.number > self._newest, _PLAN.c.id.in_(self._running))
        rows = connection.execute(select(_PLAN).where(fresh).order_by(_PLAN.c.number).limit(_AT_ONCE)).all()
        ended = [row for row in rows if row.state != "running"]
        entries: dict[str, list[Entry]] = {row.id: [] for row in ended}
        lines = select(_ENTRY).where(_ENTRY.c.plan.in_(list(entries))).order_by(_ENTRY.c.number)
        for line in connection.execute(lines).all() if ended else ():
            entry = Entry(line.what, line.step, bool(line.undo), line.seconds, line.text, line.at)
            entries[line.plan].append(entry)
        for row in ended:
            self._count(row, entries[row.id])
        self._running = frozenset(row.id for row in rows if row.state == "running")
        before, self._newest = self._newest, max([self._newest, *(row.number for row in rows)])
        return len(rows) == _AT_ONCE and self._newest > before

    def _count(self, row: Row[Any], entries: Sequence[Entry]) -> None:
        try:
            kind = decode(Plan, row.plan).kind
            steps, _ = tell_course(entries)
        except ValueError:
            return  # of another release; the monitor says so where it matters
        self._plans[row.cluster, kind, row.state] += 1
        for record in steps:
            self._steps[row.cluster, record.step.kind.value, _result(record)] += 1
        if kind is PlanKind.FAILOVER and row.state == "done":
            for record in steps:
                self._time(row.cluster, record.step.kind.value, record.seconds)
            self._time(row.cluster, WHOLE, max(0.0, (row.ended_at or row.started_at) - row.started_at))

    def _time(self, cluster: str, phase: str, seconds: float) -> None:
        self._classes[cluster, phase][bisect_left(BOUNDS, seconds)] += 1
        self._seconds[cluster, phase] += seconds


def _result(record: StepRecord) -> str:
    if record.outcome is None:
        return "unknown"
    return "done" if record.outcome.ok else "failed"
