"""Login attempts that failed, counted so that nobody can try passwords at leisure.

Counted by user *and* source address: a stranger who keeps failing as ``admin`` locks out himself, not
admin.  A source is also limited over all names, so that it cannot try one password on every name.
The counts are in one small file of the run directory, because the web has several processes.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Counts = dict[str, tuple[int, float]]
"""Key -> (failures, monotonic seconds of the first)."""


@dataclass(frozen=True, slots=True)
class LoginThrottle:
    """How many failed attempts are allowed, and in what time."""

    path: Path
    attempts: int = 5
    """Failures of one user from one source."""
    source_attempts: int = 30
    """Failures of one source over all users."""
    window: float = 180.0
    """Seconds after the first failure when the count begins anew."""
    entries: int = 2048
    """Most keys remembered; the oldest are dropped first."""

    def wait(self, user: str, source: str, now: float) -> float:
        """Seconds until this user may try again from this source; 0: now."""
        with self._counts() as counts:
            return max(
                self._left(counts, _pair(user, source), self.attempts, now),
                self._left(counts, source, self.source_attempts, now),
            )

    def failed(self, user: str, source: str, now: float) -> None:
        """Count a failed attempt."""
        with self._counts() as counts:
            for key in (_pair(user, source), source):
                failures, since = counts.get(key, (0, now))
                if not 0 <= now - since < self.window:
                    failures, since = 0, now
                counts[key] = (failures + 1, since)
            self._forget(counts, now)

    def succeeded(self, user: str, source: str) -> None:
        """Forget this user's failures from this source."""
        with self._counts() as counts:
            counts.pop(_pair(user, source), None)

    def _left(self, counts: Counts, key: str, limit: int, now: float) -> float:
        failures, since = counts.get(key, (0, now))
        age = now - since
        return self.window - age if failures >= limit and 0 <= age < self.window else 0.0

    def _forget(self, counts: Counts, now: float) -> None:
        for key in [key for key, (_, since) in counts.items() if not 0 <= now - since < self.window]:
            del counts[key]
        for key in sorted(counts, key=lambda key: counts[key][1])[: max(0, len(counts) - self.entries)]:
            del counts[key]

    @contextmanager
    def _counts(self) -> Iterator[Counts]:
        """The counts, read and written back under a lock that is held for well under a millisecond."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            counts = _read(file.read())
            before = dict(counts)
            yield counts
            if counts != before:
                file.seek(0)
                file.truncate()
                json.dump(counts, file)


def _pair(user: str, source: str) -> str:
    # The separator cannot be in an address, so no choice of user name meets another key.
    return f"{source} {user[:128]}"


def _read(text: str) -> Counts:
    try:
        return {key: (int(failures), float(since)) for key, (failures, since) in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}
