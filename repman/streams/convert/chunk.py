"""One range of a table, from the source into the target, in one transaction with the mark that it is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

from repman.errors import StreamFailed
from repman.streams.convert.copy_bundle import Bundle, Loader, Reader, RowsRefused, RowTooLarge
from repman.streams.convert.copy_mysql import fits_a_line
from repman.streams.convert.limits import Budget
from repman.streams.convert.load_progress import CUT, DONE, Chunk, LoadProgress
from repman.streams.convert.load_rejected import DeadLetters, Rejected, load_carefully
from repman.streams.convert.tally import Tally
from repman.streams.job import OnError, Options, TableChoice
from repman.streams.types.types_mapped import MappedTable

_CAREFUL_BYTES = 16 << 20
"""With large rows, no more of them are loaded at once in the careful way."""


class Halted(Exception):
    """The copy is to stop; what was begun is rolled back."""


class ChunkCopier:
    """Copies ranges; one for all workers."""

    def __init__(
        self,
        options: Options,
        marks: LoadProgress,
        letters: DeadLetters,
        tally: Tally,
        budget: Budget,
        halted: Callable[[], bool],
    ) -> None:
        self._options = options
        self._marks = marks
        self._letters = letters
        self._tally = tally
        self._budget = budget
        self._halted = halted
        self._by_column: set[str] = set()
        self._lock = threading.Lock()

    def copy(self, reader: Reader, loader: Loader, table: MappedTable, choice: TableChoice, chunk: Chunk) -> Chunk:
        """Copy a range, or what of it the limits allow, and commit it; the chunk as it is now.

        Raises Halted, StreamFailed for a row that the target does not take, and the drivers' errors.
        """
        if choice.name not in self._by_column and (not table.source_version.engine.is_mysql or fits_a_line(table)):
            try:
                return self._fast(reader, loader, table, choice, chunk)
            except RowTooLarge:
                with self._lock:
                    self._by_column.add(choice.name)
            except RowsRefused as error:
                self._tally.error(f"{choice.name}, range {chunk.number}: {error}; its rows are tried in small steps")
                return self._careful(reader, loader, table, choice, chunk)
        try:
            return self._fast(reader, loader, table, choice, chunk, by_column=True)
        except RowsRefused:
            return self._careful(reader, loader, table, choice, chunk)

    def _fast(
        self,
        reader: Reader,
        loader: Loader,
        table: MappedTable,
        choice: TableChoice,
        chunk: Chunk,
        *,
        by_column: bool = False,
    ) -> Chunk:
        meter = _Meter(self._tally, self._budget, self._halted)
        try:
            with (
                closing(reader.bundles(table, chunk.part, choice.where, by_column=by_column)) as rows,
                loader.transaction(),
            ):
                if not self._marks.is_planned(loader, chunk):
                    return replace(chunk, state=DONE)
                loader.load(table, meter.metered(rows))
                done = replace(chunk, state=CUT if meter.cut else DONE, rows=meter.rows, size=meter.size)
                self._marks.finish(loader, done)
        except BaseException:
            meter.undo()
            raise
        return done

    def _careful(self, reader: Reader, loader: Loader, table: MappedTable, choice: TableChoice, chunk: Chunk) -> Chunk:
        meter = _Meter(self._tally, self._budget, self._halted)
        rejected = Rejected()
        try:
            with (
                closing(reader.bundles(table, chunk.part, choice.where, by_column=True)) as rows,
                loader.transaction(),
            ):
                if not self._marks.is_planned(loader, chunk):
                    return replace(chunk, state=DONE)
                steps = in_steps(meter.metered(rows), self._options.bundle_rows)
                taken = load_carefully(loader, table, steps, self._options.on_error, rejected)
                self._judge(len(rejected.rows))
                self._letters.keep(loader, choice.name, rejected)
                done = replace(
                    chunk, state=CUT if meter.cut else DONE, rows=taken, size=meter.size, failed=len(rejected.rows)
                )
                self._marks.finish(loader, done)
        except BaseException:
            meter.undo()
            raise
        for _, why in rejected.rows[:3]:
            self._tally.error(f"{choice.name}: a row was not taken: {why}")
        self._budget.give_back(len(rejected.rows))
        return done

    def _judge(self, rejected: int) -> None:
        most = self._options.most_errors
        if self._options.on_error is OnError.SKIP and most and self._tally.failed() + rejected > most:
            raise StreamFailed(
                f"more than {most} rows were not taken by the target; look at the reasons, correct them and start again"
            )


class _Meter:
    """Counts the rows of a range on their way, and cuts them where a limit is reached."""

    def __init__(self, tally: Tally, budget: Budget, halted: Callable[[], bool]) -> None:
        self._tally = tally
        self._budget = budget
        self._halted = halted
        self.rows = 0
        self.size = 0
        self.cut = False

    def metered(self, bundles: Iterator[Bundle]) -> Iterator[Bundle]:
        """The bundles that may be written.  Raises Halted."""
        for bundle in bundles:
            if self._halted():
                raise Halted
            allowed = self._budget.take(len(bundle.lines))
            part = bundle.first(allowed)
            self.rows += len(part.lines)
            self.size += part.size
            self._tally.read(len(part.lines), part.size)
            if part.lines:
                yield part
            if allowed < len(bundle.lines):
                self.cut = True
                return

    def undo(self) -> None:
        """What was counted was not written."""
        self._tally.read(-self.rows, -self.size)
        self._budget.give_back(self.rows)


def in_steps(bundles: Iterator[Bundle], rows: int) -> Iterator[Bundle]:
    """The same rows in bundles of at most so many, and of a bounded size."""
    for bundle in bundles:
        lines: list[bytes] = []
        size = 0
        for line in bundle.lines:
            lines.append(line)
            size += len(line)
            if len(lines) >= rows or size >= _CAREFUL_BYTES:
                yield Bundle(lines, size)
                lines, size = [], 0
        if lines:
            yield Bundle(lines, size)
