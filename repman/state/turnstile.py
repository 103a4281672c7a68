"""A bound on how many may wait at once: in all, and for the same thing."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Turnstile:
    """Lets `whole` in at once, and `each` of them for one key; nobody ever waits before it."""

    def __init__(self, whole: int, each: int) -> None:
        self._whole = whole
        self._each = each
        self._inside: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, key: str) -> bool:
        """Whether there was room; who is let in must `leave`."""
        with self._lock:
            if self._inside.total() >= self._whole or self._inside[key] >= self._each:
                return False
            self._inside[key] += 1
            return True

    def leave(self, key: str) -> None:
        """Make room again."""
        with self._lock:
            self._inside[key] -= 1
            if not self._inside[key]:
                del self._inside[key]

    @contextmanager
    def passing(self, key: str) -> Iterator[bool]:
        """Yields whether there was room."""
        inside = self.enter(key)
        try:
            yield inside
        finally:
            if inside:
                self.leave(key)
