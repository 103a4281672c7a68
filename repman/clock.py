"""Time as a dependency, so that plans can be simulated without waiting.

The monitor takes a `Clock`; decisions never do, they are given `now` as a value.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock, a wall clock and a way to wait."""

    def now(self) -> float:
        """Seconds on a clock that never jumps; meaningless across processes that do not share a boot."""

    def wall(self) -> float:
        """Seconds since the Unix epoch, for people and logs only."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """CLOCK_MONOTONIC, in seconds; shared by all processes of this boot."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix time, in seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block this thread for `seconds`."""
        time.sleep(seconds)
