"""Which streams need a process now, and what becomes of a stream whose process tells something or dies.

The processes are started and watched by who runs the service (`Children`); here it is only decided which there are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from repman.errors import StateError
from repman.streams import comparing
from repman.streams.api.view import StreamView, published
from repman.streams.registry import Registry, Stream
from repman.streams.settings import read
from repman.streams.states import ACTIVE, TERMINAL, Event, State, after_event

LOG = logging.getLogger(__name__)

MOST_DEATHS = 10
"""So often in a row the process of a stream may die without a word, before the stream has failed."""
FORGOTTEN = 60.0
"""Seconds of life after which earlier deaths do not count."""


class Children(Protocol):
    """The processes of streams, as the service sees them; usable from several threads."""

    def wake(self) -> None:
        """Look soon at which processes are wanted."""

    def pid(self, stream: str) -> int | None:
        """The id of the stream's process; None: there is none."""

    def kill(self, stream: str) -> None:
        """End the stream's process at once; nothing is committed any more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One stream that needs a process."""

    stream: str
    over: bool = False
    """It was stopped: what it holds is to be given back, and nothing moved any more."""
    compares: bool = False
    """The process compares source and target; it is another one than that which moves rows."""

    @property
    def name(self) -> str:
        """The name of the process."""
        return comparison_name(self.stream) if self.compares else self.stream


@dataclass(slots=True)
class _Deaths:
    number: int = 0
    last: float = 0.0


class Watch:
    """Brings what processes tell into the store; usable from several threads."""

    def __init__(self, data: Path, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        """`data`: the data directory."""
        self._data = data
        self._registry = registry
        self._clock = clock
        self._deaths: dict[str, _Deaths] = {}
        self._ended = threading.Condition()
        self._last: tuple[Wanted, ...] = ()
        self._comparing: set[str] | None = None

    def compare(self, stream: str) -> None:
        """Note that there is a request to compare source and target of a stream."""
        if self._comparing is not None:
            self._comparing.add(stream)

    def wanted(self) -> Sequence[Wanted]:
        """The streams that need a process; what their processes told is noted first.

        Those of the last time, when the store cannot be used: a stream does not end because of that.
        """
        try:
            streams = [self.note(stream) for stream in self._registry.streams() if _is_of_interest(stream)]
        except StateError as error:
            LOG.error("%s", error)
            return self._last
        moving = [
            Wanted(stream.id, stream.status is State.STOPPED)
            for stream in streams
            if stream.status in ACTIVE or has_to_give_back(stream)
        ]
        busy = {stream.id for stream in streams if stream.status in ACTIVE}
        compared = [Wanted(stream, compares=True) for stream in sorted(self._open_requests() - busy)]
        self._last = (*moving, *compared)
        return self._last

    def _open_requests(self) -> set[str]:
        if self._comparing is None:
            self._comparing = comparing.asked_for(self._data)
        over = {stream for stream in self._comparing if comparing.request(self._data, stream) is None}
        self._comparing -= over
        return set(self._comparing)

    def note(self, stream: Stream) -> Stream:
        """The stream after what its process told last; raises StateError."""
        view = published(self._data, stream.id)
        if view.released and stream.holding:
            self._registry.release(stream.id)
        if stream.status in TERMINAL or view.event is None:
            return self._again(stream)
        after = after_event(stream.status, view.event)
        if after is not stream.status:
            self._moved(stream, after, view)
        return self._again(stream)

    def died(self, stream_id: str, pid: int) -> None:
        """Note that a stream's process has ended; one that said nothing before has crashed."""
        with self._ended:
            self._ended.notify_all()
        view = published(self._data, stream_id)
        if view.pid != pid or (view.event is not None and view.event is not Event.FLOWING):
            self._deaths.pop(stream_id, None)
            return
        deaths = self._deaths.setdefault(stream_id, _Deaths())
        now = self._clock()
        deaths.number = 1 if now - deaths.last > FORGOTTEN else deaths.number + 1
        deaths.last = now
        if deaths.number >= MOST_DEATHS:
            self._give_up(stream_id, deaths.number)

    def await_end(self, gone: Callable[[], bool], seconds: float) -> bool:
        """Wait until `gone`, which is asked whenever a process has ended; says whether it came true."""
        with self._ended:
            return self._ended.wait_for(gone, seconds)

    def _again(self, stream: Stream) -> Stream:
        return self._registry.stream(stream.id) or stream

    def _moved(self, stream: Stream, after: State, view: StreamView) -> None:
        ended = self._clock() if after in TERMINAL else None
        code = view.code or view.progress.reason
        if self._registry.move(stream, after, ended=ended, error=view.error, code=code):
            LOG.info("stream=%s status=%s%s", stream.id, after, f": {view.error}" if view.error else "")

    def _give_up(self, stream_id: str, times: int) -> None:
        told = f"its process died {times} times in a row; its log has the last words, start it again when it is mended"
        try:
            stream = self._registry.stream(stream_id)
            if stream is not None and stream.status in ACTIVE:
                self._registry.move(stream, State.FAILED, ended=self._clock(), error=told, code="CRASHED")
                LOG.error("stream=%s status=FAILED: %s", stream_id, told)
        except StateError as error:
            LOG.error("%s", error)


def comparison_name(stream: str) -> str:
    """The name of the process that compares source and target of a stream."""
    return f"{stream}.compare"


def has_to_give_back(stream: Stream) -> bool:
    """A stream that has failed keeps its position until somebody forgets it: it may be what he goes on from."""
    over = stream.status in (State.STOPPED, State.FINISHED)
    return over and stream.holding and not read(stream.document).keep_position


def _is_of_interest(stream: Stream) -> bool:
    return stream.status not in TERMINAL or stream.holding
