"""What happened between two looks at a link, in the sentences that log readers search for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from repman.link.status import State, Status

_log = logging.getLogger(__name__)
_LOOKS = 0.25
"""Seconds between two looks; a look asks nobody."""
_LAG = 10.0
"""Seconds between two lines about the lag."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    text: str
    level: int = logging.INFO
    scope: str = "pcsm"


class Narrator:
    """Remembers the latest look, and tells what is new in the next."""

    def __init__(self, status: Callable[[], Status]) -> None:
        """What `status` says now is known already, and is not told."""
        self._status = status
        self._before = status()
        self._began = self._lag_told = time.monotonic()
        # Of a run that was under way already, nobody knows when it began.
        self._saw_begin = False
        self._one_at_a_time = threading.Lock()

    def look(self) -> None:
        """Log what is new; may be called from any thread."""
        with self._one_at_a_time:
            for line in self.lines(self._status(), time.monotonic()):
                _log.log(line.level, "%s", line.text, extra={"s": line.scope})

    def watch(self, stop: threading.Event) -> None:
        """Look until told to stop."""
        while not stop.wait(_LOOKS):
            self.look()

    def lines(self, status: Status, now: float) -> list[Line]:
        """What is new at a moment, in seconds of a clock that never goes back."""
        before, self._before = self._before, status
        found: list[Line] = []
        if _begins(before, status):
            self._began, self._saw_begin = now, True
            found.append(Line("Cluster Replication started"))
        if status.initial_sync_completed and not (before.initial_sync_completed and before.id == status.id):
            took = f" in {round(now - self._began)}s" if self._saw_begin else ""
            found.append(Line(f"Initial Sync completed{took}"))
        found += _moves(before, status)
        found += [
            Line(warning, logging.WARNING, "repl") for warning in status.warnings if warning not in before.warnings
        ]
        if status.state is State.RUNNING and now - self._lag_told >= _LAG:
            self._lag_told = now
            found.append(Line(f"Lag Time: {status.lag_seconds}", scope="repl"))
        return found


def _begins(before: Status, status: Status) -> bool:
    ran = before.state not in (State.IDLE, State.FINALIZED)
    return status.state is not State.IDLE and (before.id != status.id or (not ran and status.state is State.RUNNING))


def _moves(before: Status, status: Status) -> Iterator[Line]:
    """From state to state; the end of a run, good or bad, is told by the link itself."""
    if before.state is status.state:
        return
    if status.state is State.PAUSED:
        yield Line("Change Replication paused", scope="repl")
    elif status.state is State.RUNNING and before.state in (State.PAUSED, State.FAILED):
        yield Line("Change Replication resumed", scope="repl")
