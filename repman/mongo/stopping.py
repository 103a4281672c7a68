"""How long work goes on: events that are looked at between its steps."""

from __future__ import annotations

import threading
from collections.abc import Callable

_EVERY = 0.2


class Stopped(Exception):
    """The work was told to end; it is at a point from which it goes on."""


class AnyOf(threading.Event):
    """Set when one of several events is; setting it sets none of them."""

    def __init__(self, *events: threading.Event) -> None:
        super().__init__()
        self._events = events

    def is_set(self) -> bool:
        """Whether one is set."""
        return super().is_set() or any(event.is_set() for event in self._events)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until one is set, which is noticed within a fifth of a second; whether one is."""
        left = float("inf") if timeout is None else timeout
        while not self.is_set() and left > 0:
            self._events[0].wait(min(left, _EVERY))
            left -= _EVERY
        return self.is_set()


class Once(threading.Event):
    """Set when another event is and a condition holds."""

    def __init__(self, event: threading.Event, condition: Callable[[], bool]) -> None:
        super().__init__()
        self._event, self._condition = event, condition

    def is_set(self) -> bool:
        """Whether both are the case."""
        return super().is_set() or (self._event.is_set() and self._condition())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until both are the case, which is noticed within a fifth of a second; whether they are."""
        left = float("inf") if timeout is None else timeout
        while not self.is_set() and left > 0:
            super().wait(min(left, _EVERY))
            left -= _EVERY
        return self.is_set()


class Every:
    """Calls something again and again, in a thread of its own, until it is ended."""

    def __init__(self, seconds: float, call: Callable[[], None], name: str) -> None:
        """Begin; `call` must not raise."""
        self._seconds, self._call = seconds, call
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Call no more; returns when the last call has."""
        self._ending.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ending.wait(self._seconds):
            self._call()
