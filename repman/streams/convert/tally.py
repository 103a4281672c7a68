"""What a copy has done so far, for whoever asks; any thread may count and ask."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from repman.streams.convert.load_progress import PLANNED, Chunk
from repman.streams.job import Count, Phase, Progress, TableProgress, TableState

_MOST_ERRORS = 30
_MOST_WARNINGS = 300


class Tally:
    """Counts by table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[str, TableProgress] = {}
        self._left: dict[str, int] = {}
        self._read = Count()
        self._errors: deque[str] = deque(maxlen=_MOST_ERRORS)
        self._warnings: dict[str, None] = {}
        self._phase = Phase.STARTING
        self.position = ""
        self.reason = ""

    def tables(self, found: Iterable[TableProgress]) -> None:
        """These are to be copied."""
        with self._lock:
            for table in found:
                self._tables.setdefault(table.name, table)

    def recall(self, chunks: Iterable[Chunk]) -> None:
        """Count anew, by what the target knows of what was done and what is left."""
        with self._lock:
            self._read = Count()
            self._left.clear()
            for name, table in self._tables.items():
                self._tables[name] = replace(table, rows=0, bytes=0, failed=0)
            for chunk in chunks:
                self._left.setdefault(chunk.table, 0)
                if chunk.state == PLANNED:
                    self._left[chunk.table] += 1
                elif chunk.table in self._tables:
                    self._add(chunk)
                    self._read = Count(self._read.rows + chunk.rows + chunk.failed, self._read.bytes + chunk.size)

    def _add(self, chunk: Chunk) -> None:
        table = self._tables[chunk.table]
        self._tables[chunk.table] = replace(
            table,
            state=TableState.COPYING,
            rows=table.rows + chunk.rows,
            bytes=table.bytes + chunk.size,
            failed=table.failed + chunk.failed,
        )

    def read(self, rows: int, size: int) -> None:
        """The source has given so much; less than nothing when it is to be read once more."""
        with self._lock:
            self._read = Count(self._read.rows + rows, self._read.bytes + size)

    def written(self, chunk: Chunk) -> bool:
        """The target has committed a range; whether it was the last one of its table."""
        with self._lock:
            self._add(chunk)
            self._left[chunk.table] -= 1
            return self._left[chunk.table] == 0

    def unfinished(self, table: str) -> int:
        """How many ranges of a table are left."""
        with self._lock:
            return self._left.get(table, 0)

    def state(self, table: str, state: TableState) -> None:
        """What happens to a table at present."""
        with self._lock:
            self._tables[table] = replace(self._tables[table], state=state)

    def phase(self, phase: Phase) -> None:
        """What the stream does at present."""
        with self._lock:
            self._phase = phase

    def warn(self, sentences: Iterable[str]) -> None:
        """Tell the user, once each."""
        with self._lock:
            for sentence in sentences:
                if len(self._warnings) < _MOST_WARNINGS:
                    self._warnings[sentence] = None

    def error(self, sentence: str) -> None:
        """A row failed, or something has to be tried again."""
        with self._lock:
            self._errors.append(sentence)

    def failed(self) -> int:
        """How many rows the target did not take."""
        with self._lock:
            return sum(table.failed for table in self._tables.values())

    def progress(self) -> Progress:
        """All of it."""
        with self._lock:
            tables = tuple(self._tables.values())
            return Progress(
                phase=self._phase,
                tables=tables,
                source=self._read,
                target=Count(sum(table.rows for table in tables), sum(table.bytes for table in tables)),
                failed=sum(table.failed for table in tables),
                position=self.position,
                reason=self.reason,
                warnings=tuple(self._warnings),
                errors=tuple(self._errors),
            )
