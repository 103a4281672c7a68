"""Where a copy ends by itself: after so many rows, shared by all workers, or after so many seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from repman.streams.job import Limits

EVENT_LIMIT = "EVENT_LIMIT_REACHED"
TIME_LIMIT = "TIME_LIMIT_REACHED"


class Budget:
    """How many rows may still be copied, and until when.  Any thread may ask."""

    def __init__(
        self, limits: Limits, spent: float = 0.0, copied: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._left = max(0, limits.events - copied) if limits.events else None
        self._end = clock() + limits.seconds - spent if limits.seconds else None
        self.reason = EVENT_LIMIT if self._left == 0 else ""
        """Why it is used up; empty as long as it is not."""

    def take(self, wanted: int) -> int:
        """So many rows, or as many of them as may still be copied."""
        with self._lock:
            if self._end is not None and self._clock() >= self._end:
                self.reason = self.reason or TIME_LIMIT
                return 0
            if self._left is None:
                return wanted
            given = min(wanted, self._left)
            self._left -= given
            if self._left == 0:
                self.reason = EVENT_LIMIT
            return given

    def give_back(self, count: int) -> None:
        """Rows that were taken and not written after all."""
        with self._lock:
            if self._left is not None and count:
                self._left += count
                if self.reason == EVENT_LIMIT:
                    self.reason = ""
