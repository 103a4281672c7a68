"""How late a member is: for how long it has lacked something that the primary had.

The difference between the times of the last writes would be wrong after a pause: one new write on a set that was idle
for a minute would make every member a minute late until it has arrived.
"""

from __future__ import annotations

from collections import deque

from repman.engines.mongodb_read import Answer
from repman.model.position import Optime

_KEPT = 4096
"""Looks at the primary that are remembered; whoever is farther behind is judged by the times of the writes."""


class Course:
    """How far the primary was, and when we saw that."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Optime]] = deque(maxlen=_KEPT)

    def note(self, primary: Answer) -> None:
        """Remember a look at the primary; what an earlier term had beyond it does not count any more."""
        reached = primary.optime
        if reached is None:
            return
        while self._seen and self._seen[-1][1] > reached:
            self._seen.pop()
        if not self._seen or self._seen[-1][1] < reached:
            self._seen.append((primary.at, reached))

    def lag(self, member: Answer, primary: Answer | None) -> float | None:
        """Seconds; None while there is no primary, or one of them does not tell how far it is."""
        if primary is None or primary.optime is None or member.optime is None:
            return None
        if member.optime >= primary.optime:
            return 0.0
        by_writes = float(max(0, primary.optime.seconds - member.optime.seconds))
        if primary.applied_at is not None and member.applied_at is not None:
            by_writes = max(0.0, primary.applied_at - member.applied_at)
        since = self._ahead_since(member.optime)
        return round(by_writes if since is None else min(by_writes, max(0.0, member.at - since)), 3)

    def _ahead_since(self, position: Optime) -> float | None:
        """When the primary was first seen beyond that position; None: before we began to look."""
        since = None
        for at, reached in reversed(self._seen):
            if reached <= position:
                return since
            since = at
        return None
