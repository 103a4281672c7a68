"""Differences of counters between two readings."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_WHOLE = re.compile(r"-?\d+")
_FIRST = 1.0
"""Seconds between the two readings of a server that was not read before."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of a server at one moment."""

    at: float
    """Monotonic."""
    counters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What has changed between two readings."""

    seconds: float
    differences: dict[str, int]


def change(old: Reading, new: Reading) -> Change:
    """Whole numbers that differ, with the difference; of gauges it may be negative."""
    found = {}
    for name, value in new.counters.items():
        before = old.counters.get(name, "")
        if before != value and _WHOLE.fullmatch(before) and _WHOLE.fullmatch(value):
            found[name] = int(value) - int(before)
    return Change(new.at - old.at, found)


def follows(old: Reading, new: Reading) -> bool:
    """Whether both are of the same life of the server: counters begin at zero with each."""
    return int(new.counters.get("UPTIME", "0")) >= int(old.counters.get("UPTIME", "0"))


class Readings:
    """The last reading of each server; usable from several threads."""

    def __init__(self) -> None:
        self._last: dict[str, Reading] = {}
        self._lock = threading.Lock()

    def change(self, key: str, read: Callable[[], Mapping[str, str]]) -> Change:
        """What has changed since the last reading under that key; without one it reads twice, a second apart."""
        new = Reading(time.monotonic(), read())
        with self._lock:
            old = self._last.get(key)
        if old is None or not follows(old, new):
            threading.Event().wait(_FIRST)
            old, new = new, Reading(time.monotonic(), read())
        with self._lock:
            self._last[key] = new
        return change(old, new)

    def forget(self, wanted: Callable[[str], bool]) -> None:
        """Keep those keys only for which `wanted` is true."""
        with self._lock:
            self._last = {key: reading for key, reading in self._last.items() if wanted(key)}
