"""What the process of one stream does: it runs the mover, publishes how far it is, and ends in order when it is told.

It decides nothing: what it tells becomes a state in the service (`supervising`).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from repman.errors import PositionLost, RepmanError, StateError, StreamFailed, StreamUnreachable, UnknownStream
from repman.streams import comparing
from repman.streams.api.logs import log_handler, progress_line, stat_line
from repman.streams.api.view import publish, published
from repman.streams.configs import settings_of
from repman.streams.connections import Connection
from repman.streams.job import Count, Mover, Phase, Progress, StreamSettings
from repman.streams.movers import mover
from repman.streams.registry import Registry, Stream
from repman.streams.settings import Intervals, read
from repman.streams.states import ACTIVE, Event, State

LOG = logging.getLogger(__name__)
REPORTS = logging.getLogger(f"{__name__}.reports")
"""For the stream's own log alone: the service's would be full of them."""

TOLD_EVERY = 0.5
"""Seconds between two publications."""
ATTEMPTS = 10
"""So often in a row, without a row moved in between, a database may not be reached before the stream has failed."""
LONGEST_WAIT = 60.0
"""Seconds between two attempts; the first wait is a second, each next one twice as long."""

_WORDS = {
    Phase.STARTING: "Connecting to source and target",
    Phase.STRUCTURE: "Creating the structure of the tables",
    Phase.DATA: "Moving data",
    Phase.FINISHING: "Creating indexes and foreign keys, comparing",
    Phase.DONE: "Finished",
}


@dataclass(slots=True)
class _Report:
    """The reports of one side, one each interval."""

    side: str
    interval: int
    since: float
    """When the last one was made, by the monotonic clock."""
    before: Count = field(default_factory=Count)
    last: Count = field(default_factory=Count)


class StreamProcess:
    """One stream and what surrounds it."""

    def __init__(
        self,
        data: Path,
        registry: Registry,
        stream: Stream,
        stop: threading.Event,
        movers: Callable[[StreamSettings], Mover] = mover,
    ) -> None:
        """`stop`: set from outside when the process has to end; what was begun is committed or rolled back."""
        self._data, self._registry, self._stream, self._stop = data, registry, stream, stop
        self._movers = movers
        self._begun = time.monotonic()
        before = published(data, stream.id)
        self._spent_before = before.spent
        self._view = replace(before, pid=os.getpid(), error="", code="", trying="")
        self._mover: Mover | None = None
        self._phase: Phase | None = None
        intervals = read(stream.document).reporting_intervals
        self._reports = self._first_reports(intervals, before.progress)

    def run(self) -> None:
        """Do what the stream needs; returns when that is done, or soon after `stop` is set.  Raises StateError."""
        if self._stream.status in ACTIVE:
            self._watched(self._move)
        self._give_back_if_over()
        self._publish(pid=0)

    def _move(self) -> None:
        """Run movers until one is done; what came of it is in the view."""
        first: StreamUnreachable | None = None
        failures = 0
        while not self._stop.is_set():
            moved = self._progress().target.rows
            try:
                made = self._made()
                made.run(self._stop)
            except StreamUnreachable as error:
                failures = 1 if self._progress().target.rows != moved else failures + 1
                first = error if failures == 1 or first is None else first
                if failures >= ATTEMPTS:
                    self._failed(first)
                    return
                self._wait(error, failures)
            except (StreamFailed, UnknownStream) as error:
                self._failed(error)
                return
            else:
                if made.progress().phase is Phase.DONE or not self._stop.is_set():
                    self._view = replace(self._view, event=Event.FINISHED)
                return

    def _made(self) -> Mover:
        settings = settings_of(self._stream, self._data, self._connection, self._spent())
        settings.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._mover = self._movers(settings)
        return self._mover

    def _connection(self, field_name: str, identifier: str) -> Connection:
        return _found(self._registry, field_name, identifier)

    def _wait(self, error: StreamUnreachable, failures: int) -> None:
        seconds = min(LONGEST_WAIT, float(2 ** (failures - 1)))
        LOG.warning("%s; tried again in %.0f s (attempt %d of %d)", error, seconds, failures + 1, ATTEMPTS)
        self._view = replace(self._view, trying=str(error))
        self._stop.wait(seconds)

    def _failed(self, error: RepmanError) -> None:
        LOG.error("the stream has failed: %s", error)
        code = "POSITION_LOST" if isinstance(error, PositionLost) else "UNREACHABLE"
        if not isinstance(error, PositionLost | StreamUnreachable):
            code = "FAILED"
        self._view = replace(self._view, event=Event.FAILED, error=str(error), code=code)

    def _watched(self, work: Callable[[], None]) -> None:
        """Do the work in a thread, and publish meanwhile; signals come to this one.

        What nobody foresaw is raised: with the process everything it had begun is rolled back, and the next one goes
        on from there.
        """
        with ThreadPoolExecutor(1, "move") as pool:
            moving = pool.submit(work)
            self._publish()
            while wait([moving], TOLD_EVERY).not_done:
                self._tell()
            moving.result()
            self._tell(last=True)

    def _tell(self, last: bool = False) -> None:
        progress = self._progress()
        if progress.phase is not self._phase:
            self._phase = progress.phase
            LOG.info("%s", progress_line(_WORDS[progress.phase], progress.phase), extra={"category": "progress"})
        if self._view.event is None and progress.phase in (Phase.DATA, Phase.FINISHING, Phase.DONE):
            self._view = replace(self._view, event=Event.FLOWING)
        if self._view.trying and progress.phase is Phase.DATA:
            self._view = replace(self._view, trying="")
        self._report(progress, last)
        try:
            self._publish()
        except StateError as error:
            LOG.error("%s", error)

    def _report(self, progress: Progress, last: bool) -> None:
        now = time.monotonic()
        for report in self._reports:
            seconds = now - report.since
            if not report.interval or (seconds < report.interval and not last):
                continue
            count = progress.source if report.side == "source" else progress.target
            report.before, report.last, report.since = report.last, count, now
            if report.before == count:
                continue
            rate = (count.bytes - report.before.bytes) / max(seconds, 0.001)
            line = stat_line(self._word(), count, rate, self._spent(), progress.failed)
            REPORTS.info("%s", line, extra={"side": report.side, "category": "stat"})

    def _word(self) -> str:
        """The state as far as this process knows it."""
        event = self._view.event
        return "RUNNING" if event in (None, Event.FLOWING) else event.value.upper()

    def _first_reports(self, intervals: Intervals, progress: Progress) -> tuple[_Report, _Report]:
        now = time.monotonic()
        return (
            _Report("source", intervals.source, now, progress.source, progress.source),
            _Report("target", intervals.target, now, progress.target, progress.target),
        )

    def _give_back_if_over(self) -> None:
        """Give back what the stream holds, when it was stopped or is finished."""
        now = self._registry.stream(self._stream.id)
        if now is None:
            return
        over = now.status in (State.STOPPED, State.FINISHED) or self._view.event is Event.FINISHED
        if not over or self._view.released or read(now.document).keep_position:
            return
        self._publish()
        for attempt in range(ATTEMPTS):
            try:
                (self._mover or self._made()).release()
                break
            except UnknownStream:
                break
            except StreamFailed as error:
                LOG.warning("what the stream holds in its databases cannot be given back: %s", error)
                # A stop that comes meanwhile ends the waiting; the next process tries again.
                if self._stop.wait(min(LONGEST_WAIT, float(2**attempt))) and attempt:
                    return
        self._view = replace(self._view, released=True)

    def _progress(self) -> Progress:
        """What the mover tells; while it has not yet looked how far its forerunner was, what that one told."""
        last = self._view.progress
        if self._mover is None:
            return last
        told = self._mover.progress()
        early = told.phase is Phase.STARTING and told.target.rows < last.target.rows
        return replace(last, phase=Phase.STARTING) if early else told

    def _spent(self) -> float:
        return self._spent_before + time.monotonic() - self._begun

    def _publish(self, pid: int | None = None) -> None:
        source, target = self._reports
        self._view = replace(
            self._view,
            pid=os.getpid() if pid is None else pid,
            at=time.time(),
            spent=self._spent() if self._stream.status in ACTIVE else self._spent_before,
            progress=self._progress(),
            reported_source=source.before,
            reported_target=target.before,
        )
        publish(self._data, self._view)


def compare(data: Path, registry: Registry, stream_id: str, stop: threading.Event) -> None:
    """Compare source and target of a stream, as was asked for; raises UnknownStream and StateError."""
    stream, wanted = registry.stream(stream_id), comparing.request(data, stream_id)
    if stream is None or wanted is None:
        raise UnknownStream(f"there is no stream {stream_id}, or nobody wants it compared any more")

    def find(field_name: str, identifier: str) -> Connection:
        return _found(registry, field_name, identifier)

    try:
        settings = settings_of(stream, data, find)
    except UnknownStream as error:
        comparing.fail(data, stream_id, wanted, str(error))
        return
    comparing.carry_out(data, settings, wanted, stop)


def _found(registry: Registry, field_name: str, identifier: str) -> Connection:
    found = registry.connection(identifier)
    if found is None:
        raise UnknownStream(f"{field_name}: the connection {identifier} is gone; make the configuration anew")
    return found


def run(data: Path, registry: Registry, stream_id: str, stop: threading.Event) -> None:
    """Be the process of that stream until it is over or `stop` is set; raises UnknownStream and StateError."""
    stream = registry.stream(stream_id)
    if stream is None:
        raise UnknownStream(f"there is no stream {stream_id}")
    handler = log_handler(data, stream)
    told = (logging.getLogger(), REPORTS)
    REPORTS.propagate = False
    for logger in told:
        logger.addHandler(handler)
    try:
        StreamProcess(data, registry, stream, stop).run()
    finally:
        for logger in told:
            logger.removeHandler(handler)
        handler.close()
