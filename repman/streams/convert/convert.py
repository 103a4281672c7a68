"""`convert`: tables with their structure, once, from one database into another.

The order is: tables (PostgreSQL's without keys), rows in ranges of the primary key by several workers, per table its
keys and indexes when its rows are there, references between tables, verification.  All that is known of the progress is
in the target (`repman.streams.convert.load_progress`): a copy made anew with the same stream goes on where the last one was.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams import connection as connections
from repman.streams.convert import copy_snapshot, ranges, report
from repman.streams.convert.chunk import ChunkCopier
from repman.streams.convert.copy_bundle import Loader, Reader
from repman.streams.convert.limits import Budget
from repman.streams.convert.load_open import open_loader
from repman.streams.convert.load_progress import PLANNED, Chunk, Load, LoadProgress
from repman.streams.convert.load_rejected import DeadLetters
from repman.streams.convert.structures import TargetStructure
from repman.streams.convert.tally import Tally
from repman.streams.convert.workers import TROUBLES, Sessions, Task, Workers, patiently
from repman.streams.job import Family, Phase, Progress, StreamSettings, TableChoice, TableProgress, WriteMode
from repman.streams.structure import structure
from repman.streams.structure.mapping import Place, mapped_tables
from repman.streams.structure.table import Engine, Structure, qualified
from repman.streams.types.types_mapped import MappedTable
from repman.streams.verify import verify

_MOST_WORKERS = 4

Chosen = tuple[TableChoice, MappedTable]


class Convert:
    """A `Mover`.  With `snapshot`, the name of a snapshot that another session has exported, it reads that moment."""

    def __init__(self, settings: StreamSettings, *, snapshot: str = "") -> None:
        self._settings = settings
        self._snapshot = snapshot
        self._tally = Tally()
        family = settings.target.family
        self._is_mysql = family is Family.MYSQL
        self._marks = LoadProgress(self._engine, settings.target.database, settings.stream)
        self._letters = DeadLetters(self._engine, settings.target.database, settings.stream)
        self._budget = Budget(settings.limits, settings.spent)

    @property
    def _engine(self) -> Engine:
        return Engine.MYSQL if self._is_mysql else Engine.POSTGRESQL

    def check(self) -> tuple[str, ...]:
        """What stands against it; nothing is changed.  Raises StreamUnreachable."""
        return report.problems(self._settings)

    def progress(self) -> Progress:
        """How far it is."""
        return self._tally.progress()

    @property
    def position(self) -> str:
        """Where following the source's log has to begin; empty before the first row is read, or without a log."""
        return self._tally.position

    def release(self) -> None:
        """Forget the stream in the target.  Raises StreamUnreachable."""
        with self._control() as loader, contextlib.suppress(*TROUBLES):
            self._marks.forget(loader)

    def run(self, stop: threading.Event) -> None:
        """Copy everything; returns early when `stop` is set.  Raises StreamFailed."""
        settings = self._settings
        try:
            connections.make_database(settings.target)
            source = structure.chosen(settings.source, settings.tables)
            structure.require(source, settings.source, settings.tables)
            target = connections.version(settings.target)
            with structure.reader(settings.source) as asking:
                facts = structure.facts(asking, source, target)
            chosen = self._mapped(source, mapped_tables(settings, source, target, facts))
            self._tally.tables(
                TableProgress(
                    choice.name,
                    estimated_rows=table.source.estimated_rows,
                    estimated_bytes=table.source.estimated_bytes,
                )
                for choice, table in chosen
            )
            self._move(chosen, stop)
        except TROUBLES as error:
            if isinstance(error, StreamFailed):
                raise
            kind = StreamUnreachable if connections.is_transient(error) else StreamFailed
            raise kind(f"the copy cannot go on: {connections.reason(error)}; correct it and start again") from error

    def _mapped(self, source: Structure, tables: Sequence[MappedTable]) -> list[Chosen]:
        return list(zip(self._settings.tables, tables, strict=True))

    @contextlib.contextmanager
    def _control(self) -> Iterator[Loader]:
        loader = self._loader()
        try:
            yield loader
        finally:
            loader.close()

    def _loader(self) -> Loader:
        return open_loader(self._settings.target, upsert=self._settings.options.write_mode is WriteMode.UPSERT)

    def _steadily(self, stop: threading.Event, work: Callable[[Loader], None]) -> None:
        patiently(self._loader, work, stop.is_set, stop, self._tally)

    def _move(self, chosen: list[Chosen], stop: threading.Event) -> None:
        tally, settings = self._tally, self._settings
        target = TargetStructure(settings, self._marks, tally.warn)
        begun: list[Load] = []
        self._steadily(stop, lambda loader: self._prepare(loader, chosen, target, begun))
        if stop.is_set():
            return
        snapshot = copy_snapshot.take(settings.source, chosen[0][1].source_version, self._count(), self._snapshot)
        sessions = Sessions(snapshot.readers, lambda: self._new_reader(chosen), self._loader)
        try:
            tally.warn([snapshot.note] if snapshot.note else [])
            if not begun:
                self._steadily(stop, lambda loader: self._plan(loader, snapshot, chosen, begun))
            elif any(chunk.state != PLANNED for chunk in begun[0].chunks):
                tally.warn(["the copy goes on in a later snapshot than it was begun in"])
            if stop.is_set():
                return
            self._copy_all(begun, sessions, chosen, stop, target)
        finally:
            snapshot.close()
        self._finish(chosen, target, stop)

    def _prepare(self, loader: Loader, chosen: list[Chosen], target: TargetStructure, begun: list[Load]) -> None:
        """The bookkeeping, and the structure unless rows are being copied already."""
        self._marks.prepare(loader)
        self._letters.prepare(loader)
        known = self._marks.known(loader)
        if known is None:
            self._tally.phase(Phase.STRUCTURE)
            target.prepare(loader, chosen)
            # a crash of the target must not take the structure, nor the plan, which are not looked at again
            loader.settle()
        else:
            begun.append(known)

    def _count(self) -> int:
        """How many workers."""
        return self._settings.options.parallel or max(2, min(_MOST_WORKERS, os.cpu_count() or 1))

    def _new_reader(self, chosen: Sequence[Chosen]) -> Reader:
        """When a session was lost: one that sees a later moment, as the first one is gone."""
        self._tally.warn(["a session of the source was lost; what it had not read is read from a later snapshot"])
        return copy_snapshot.take(self._settings.source, chosen[0][1].source_version, 1).readers[0]

    def _plan(
        self, loader: Loader, snapshot: copy_snapshot.Snapshot, chosen: Sequence[Chosen], begun: list[Load]
    ) -> None:
        """Write down the ranges, unless an attempt whose answer was lost has done so."""
        known = self._marks.known(loader)
        if known is None:
            chunks: list[Chunk] = []
            for choice, table in [] if self._settings.options.skip_data else chosen:
                engine = table.source_version.engine
                place = qualified(engine, table.source.schema, table.source.name)
                parts = ranges.divide(engine, table.source, place, snapshot.readers[0].ask)
                chunks += [Chunk(choice.name, number, part) for number, part in enumerate(parts)]
            self._marks.plan(loader, snapshot.position, chunks)
            loader.settle()
            known = Load(snapshot.position, tuple(chunks))
        begun.append(known)

    def _copy_all(
        self,
        begun: list[Load],
        sessions: Sessions,
        chosen: list[Chosen],
        stop: threading.Event,
        target: TargetStructure,
    ) -> None:
        """Copy until the target, asked again, has all that we believe it has.

        Commits do not wait for PostgreSQL's disk, so a server that crashes may forget the last ones, rows and marks
        together; the marks then tell what has to be copied once more.
        """
        tally = self._tally
        while not stop.is_set():
            known = begun.pop()
            tally.position = known.position
            tally.recall(known.chunks)
            self._budget = Budget(self._settings.limits, self._settings.spent, tally.progress().target.rows)
            tally.phase(Phase.DATA)
            self._copy(sessions, chosen, known, stop, target)
            self._steadily(stop, lambda loader: self._recall(loader, begun))
            if not begun or sum(chunk.rows for chunk in begun[0].chunks) == tally.progress().target.rows:
                return
            tally.warn(["the target forgot some of the last rows when it crashed; they are copied once more"])

    def _recall(self, loader: Loader, begun: list[Load]) -> None:
        loader.settle()
        known = self._marks.known(loader)
        assert known is not None
        begun[:] = [known]

    def _copy(
        self,
        sessions: Sessions,
        chosen: Sequence[Chosen],
        known: Load,
        stop: threading.Event,
        target: TargetStructure,
    ) -> None:
        tables = {choice.name: (choice, table) for choice, table in chosen}
        left = [chunk for chunk in known.chunks if chunk.state == PLANNED]
        tasks: list[Task] = [(*tables[chunk.table], chunk) for chunk in left]
        tasks.sort(key=lambda task: -task[1].source.estimated_bytes)
        unfinished = {chunk.table for chunk in left}
        finished = {name: pair for name, pair in tables.items() if name not in unfinished}
        workers: Workers | None = None

        def halted() -> bool:
            return workers is not None and workers.halted()

        copier = ChunkCopier(self._settings.options, self._marks, self._letters, self._tally, self._budget, halted)
        workers = Workers(copier, sessions, self._tally, self._budget, stop, target.finish_table)
        workers.run(tasks, finished, self._count())

    def _finish(self, chosen: Sequence[Chosen], target: TargetStructure, stop: threading.Event) -> None:
        tally, options = self._tally, self._settings.options
        if stop.is_set():
            return
        tally.phase(Phase.FINISHING)
        tally.reason = self._budget.reason
        self._steadily(stop, lambda loader: self._complete(loader, chosen, target))
        if options.verify and not self._budget.reason and not options.skip_data and not stop.is_set():
            tally.warn(verify.compare(self._settings, chosen, stop))
        if not stop.is_set():
            tally.phase(Phase.DONE)

    def _complete(self, loader: Loader, chosen: Sequence[Chosen], target: TargetStructure) -> None:
        """What is left when all rows are there, or a limit is reached."""
        loader.settle()
        if self._budget.reason:
            for choice, table in chosen:
                if self._tally.unfinished(choice.name):
                    target.finish_table(loader, choice, table)
        else:
            places: dict[Place, Place] = {
                (table.source.schema, table.source.name): (table.schema, table.name) for _, table in chosen
            }
            target.add_foreign_keys(loader, chosen, places)
