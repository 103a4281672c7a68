"""How bundles go from a stream's reader to its writer: at least once, in order, bounded.

`Transport` is what both ends know.  `InProcess` is a queue between two threads.  Another transport may hand out a
bundle again whose `done` it has not seen: the writer passes over what its target has already.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Protocol

from repman.streams.cdc.changes import Bundle

BYTES = 32 << 20
"""As much may wait; a reader that has more to give waits itself, and by that its source."""
ROWS = 100_000


class Transport(Protocol):
    """What a reader and a writer have between them."""

    def put(self, bundle: Bundle, seconds: float) -> bool:
        """Hand a bundle over; waits up to `seconds` while too much is under way.  False when it was not taken."""

    def take(self, most_rows: int, most_bytes: int, seconds: float) -> list[Bundle]:
        """The bundles that are there, in order, up to about as many rows and bytes, at least one.

        Waits up to `seconds` for the first one; nothing when none has come.  Raises what `fail` was told.
        """

    def done(self, sequence: int) -> None:
        """The target has everything up to that bundle."""

    def fail(self, error: BaseException) -> None:
        """The reader cannot go on: the writer is to know after it has taken what was put before."""


class InProcess:
    """A queue between two threads of one process."""

    def __init__(self, most_bytes: int = BYTES, most_rows: int = ROWS) -> None:
        self._bundles: deque[Bundle] = deque()
        self._changed = threading.Condition()
        self._most_bytes = most_bytes
        self._most_rows = most_rows
        self._bytes = 0
        self._rows = 0
        self._error: BaseException | None = None

    @property
    def waiting(self) -> tuple[int, int]:
        """Rows and bytes that have been put and not been done."""
        return self._rows, self._bytes

    def put(self, bundle: Bundle, seconds: float) -> bool:
        """See `Transport.put`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._rows and (
                self._bytes + bundle.size > self._most_bytes or self._rows + len(bundle.changes) > self._most_rows
            ):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            self._bundles.append(bundle)
            self._bytes += bundle.size
            self._rows += len(bundle.changes)
            self._changed.notify_all()
        return True

    def take(self, most_rows: int, most_bytes: int, seconds: float) -> list[Bundle]:
        """See `Transport.take`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._bundles:
                if self._error is not None:
                    raise self._error
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                self._changed.wait(left)
            taken = [self._bundles.popleft()]
            rows, size = len(taken[0].changes), taken[0].size
            while self._bundles and rows < most_rows and size < most_bytes:
                bundle = self._bundles.popleft()
                taken.append(bundle)
                rows += len(bundle.changes)
                size += bundle.size
            # what was taken is still in memory until it is done; it makes room all the same, so that reading and
            # writing go side by side: at most twice the bound is held
            self._rows -= rows
            self._bytes -= size
            self._changed.notify_all()
        return taken

    def done(self, sequence: int) -> None:
        """Nothing to do: what was taken by a process that has died is read again from the source."""

    def fail(self, error: BaseException) -> None:
        """See `Transport.fail`."""
        with self._changed:
            self._error = error
            self._changed.notify_all()
