"""Change data capture: a stream that follows its source's log."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from dataclasses import replace

from repman.errors import PositionLost, StreamUnreachable
from repman.streams.cdc import checks as cdc_checks
from repman.streams.cdc import open as cdc_open
from repman.streams.cdc.apply import Applier, Superseded
from repman.streams.cdc.bundle import Bundler
from repman.streams.cdc.open import Ends
from repman.streams.cdc.position_store import Checkpoint, TableCount
from repman.streams.cdc.reading import Reading, Source
from repman.streams.cdc.transport import InProcess
from repman.streams.cdc.writing import Told, Writer, lag
from repman.streams.job import Count, Phase, Progress, Snapshot, StreamSettings, TableProgress, TableState

LOG = logging.getLogger(__name__)
FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0
PATIENCE = 60.0
"""Seconds of attempts without a commit between them, after which `run` gives up for now."""


LOOK_EVERY = 5.0
"""Seconds between two looks at what the source keeps for the stream."""


class Cdc:
    """A stream of mode `cdc`; see `repman.streams.job.Mover`."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._progress = Progress(tables=_tables(settings, {}, TableState.WAITING))
        self._checkpoint: Checkpoint | None = None
        self._committed = 0.0
        """When the last commit was, by the monotonic clock."""
        self._lag: float | None = None
        self._looked = 0.0
        self._errors: tuple[str, ...] = ()
        self._warnings: tuple[str, ...] = ()
        self._reading: Reading | None = None
        self._base = Count()

    # what the life cycle asks

    def check(self) -> tuple[str, ...]:
        """See `Mover.check`."""
        return cdc_checks.problems(self._settings)

    def progress(self) -> Progress:
        """See `Mover.progress`."""
        reading, checkpoint = self._reading, self._checkpoint
        read = self._base
        if reading is not None:
            read = Count(read.rows + reading.count.rows, read.bytes + reading.count.bytes)
        if checkpoint is None:
            return replace(self._progress, errors=self._errors, warnings=self._warnings)
        counts = checkpoint.counts
        state = TableState.DONE if checkpoint.finished else TableState.FOLLOWING
        return replace(
            self._progress,
            tables=_tables(self._settings, counts, state),
            source=read,
            target=_total(counts),
            failed=sum(count.failed for count in counts.values()),
            lag=self._lag,
            position=checkpoint.position,
            reason=checkpoint.finished,
            warnings=self._warnings,
            errors=self._errors,
        )

    def release(self) -> None:
        """See `Mover.release`."""
        cdc_open.release(self._settings)

    def run(self, stop: threading.Event) -> None:
        """See `Mover.run`."""
        wait, failing_since = FIRST_WAIT, time.monotonic()
        deadline = self._deadline()
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._follow(stop, deadline)
                return
            except (PositionLost, Superseded):
                raise
            except StreamUnreachable as error:
                self._errors = (*self._errors[-19:], str(error))
                LOG.warning("stream %s: %s", self._settings.stream, error)
                if self._committed > began:
                    wait, failing_since = FIRST_WAIT, time.monotonic()
                if time.monotonic() - failing_since > PATIENCE:
                    raise
                stop.wait(wait)
                wait = min(LONGEST_WAIT, wait * 2)

    def _deadline(self) -> float | None:
        seconds = self._settings.limits.seconds
        return time.monotonic() + max(0.0, seconds - self._settings.spent) if seconds else None

    # one attempt

    def _follow(self, stop: threading.Event, deadline: float | None) -> None:
        with contextlib.ExitStack() as stack:
            ends = cdc_open.open_ends(self._settings, stop, self._copying)
            if ends is None:
                return
            stack.callback(ends.close)
            checkpoint = ends.checkpoint
            self._told(checkpoint, 0.0)
            if checkpoint.finished or stop.is_set():
                self._progress = replace(self._progress, phase=Phase.DONE)
                return
            if self._limit_reached(ends, checkpoint):
                return
            self._base = _total(checkpoint.counts)
            self._warnings = ends.warnings
            self._progress = replace(self._progress, phase=Phase.DATA)
            bundler = Bundler(self._settings.options.bundle_rows, self._left(checkpoint))
            source = ends.source(bundler)
            over = _Over(stop, deadline)
            transport = InProcess()
            self._reading = reading = Reading(source, bundler, transport, over.event)
            writer = Writer(
                ends.applier,
                transport,
                [shape.followed for shape in ends.shapes],
                checkpoint,
                self._settings.options.on_error,
                self._settings.options.most_errors,
            )
            stack.callback(reading.end)
            stack.enter_context(over)
            reading.start()
            limited = writer.run(over.event, self._listener(ends, source, writer), ends.allowed)
            if limited or over.timed_out:
                self._finish(ends.applier, "EVENT_LIMIT_REACHED" if limited else "TIME_LIMIT_REACHED")

    def _copying(self, progress: Progress) -> None:
        """What makes the structure, and copies the rows that are there, tells how far it is."""
        with_rows = self._settings.options.snapshot is Snapshot.INITIAL
        phase = progress.phase if with_rows and progress.phase is not Phase.DONE else Phase.STRUCTURE
        self._progress = replace(progress, phase=phase)

    def _left(self, checkpoint: Checkpoint) -> int:
        events = self._settings.limits.events
        return max(1, events - checkpoint.events) if events else 0

    def _limit_reached(self, ends: Ends, checkpoint: Checkpoint) -> bool:
        events = self._settings.limits.events
        if not events or checkpoint.events < events:
            return False
        self._finish(ends.applier, "EVENT_LIMIT_REACHED")
        return True

    def _finish(self, applier: Applier, reason: str) -> None:
        assert self._checkpoint is not None
        if not self._checkpoint.finished:
            self._checkpoint = replace(self._checkpoint, finished=reason)
            applier.rollback()
            applier.begin()
            applier.commit(self._checkpoint)
        self._progress = replace(self._progress, phase=Phase.DONE)

    def _listener(self, ends: Ends, source: Source, writer: Writer) -> Told:
        def told(checkpoint: Checkpoint, committed_at: float) -> None:
            source.confirm(checkpoint.position)
            if writer.errors:
                self._errors = tuple(writer.errors)
            self._told(checkpoint, committed_at)
            if self._committed - self._looked > LOOK_EVERY:
                self._looked = self._committed
                self._progress = replace(self._progress, retained_bytes=ends.retained())

        return told

    def _told(self, checkpoint: Checkpoint, committed_at: float) -> None:
        self._committed = time.monotonic()
        self._checkpoint = checkpoint
        self._lag = lag(committed_at)


class _Over:
    """Whether the stream is to stop: because it was told so, or because its time is over."""

    def __init__(self, stop: threading.Event, deadline: float | None) -> None:
        self.event = threading.Event() if deadline is not None else stop
        self.timed_out = False
        self._stop = stop
        self._deadline = deadline
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stream deadline", daemon=True)

    def __enter__(self) -> None:
        if self._deadline is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._deadline is not None:
            self._thread.join()

    def _watch(self) -> None:
        assert self._deadline is not None
        while not self._ended.is_set():
            if self._stop.wait(0.05):
                self.event.set()
                return
            if time.monotonic() >= self._deadline:
                self.timed_out = True
                self.event.set()
                return


def _total(counts: dict[str, TableCount]) -> Count:
    return Count(sum(count.rows for count in counts.values()), sum(count.bytes for count in counts.values()))


def _tables(settings: StreamSettings, counts: dict[str, TableCount], state: TableState) -> tuple[TableProgress, ...]:
    found = []
    for choice in settings.tables:
        count = counts.get(choice.name, TableCount())
        found.append(TableProgress(choice.name, state, count.rows, count.bytes, count.failed))
    return tuple(found)
