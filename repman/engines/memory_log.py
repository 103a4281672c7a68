"""The binary log of a simulated server."""

from __future__ import annotations

from dataclasses import dataclass

from repman.model.position import MariadbGtid


@dataclass(frozen=True, slots=True)
class Event:
    """One transaction in a binary log."""

    domain: int
    server_id: int
    sequence: int
    payload: int
    at: float
    """When its origin wrote it."""

    @property
    def gtid(self) -> tuple[int, int, int]:
        """Domain, server and sequence number."""
        return self.domain, self.server_id, self.sequence

    def __str__(self) -> str:
        return f"{self.domain}-{self.server_id}-{self.sequence}"


class BinaryLog:
    """An ordered list of transactions, with the positions that follow from it."""

    def __init__(self, strict: bool) -> None:
        self.events: list[Event] = []
        self.strict = strict
        self.purged = 0
        """Index of the first event that is still there to be sent."""
        self.generation = 0
        """Changes when the log is emptied or cut: readers of it are lost."""
        self._last: dict[int, tuple[int, int, int]] = {}
        self._seen: dict[tuple[int, int], int] = {}
        self._position: MariadbGtid | None = None

    def append(self, event: Event) -> None:
        """Write one transaction at the end."""
        self.events.append(event)
        self._note(event)

    def _note(self, event: Event) -> None:
        self._last[event.domain] = event.gtid
        key = (event.domain, event.server_id)
        self._seen[key] = max(event.sequence, self._seen.get(key, -1))
        self._position = None

    def replace(self, events: list[Event]) -> None:
        """Have exactly these transactions."""
        self.events, self._last, self._seen, self._position = list(events), {}, {}, None
        self.purged = min(self.purged, len(events))
        self.generation += 1
        for event in events:
            self._note(event)

    def position(self) -> MariadbGtid:
        """What ``gtid_binlog_pos`` and ``gtid_binlog_state`` say."""
        if self._position is None:
            self._position = MariadbGtid(
                tuple(sorted(self._last.values())),
                tuple(sorted((domain, server, seq) for (domain, server), seq in self._seen.items())),
                self.strict,
            )
        return self._position

    def latest(self) -> dict[int, tuple[int, int, int]]:
        """The last GTID of each domain."""
        return dict(self._last)

    def highest(self, domain: int) -> int:
        """The highest sequence number of a domain, 0 when there is none."""
        return max((seq for (known, _), seq in self._seen.items() if known == domain), default=0)

    def index(self, gtid: tuple[int, int, int]) -> int | None:
        """Where that transaction stands, or None."""
        if self._seen.get(gtid[:2], -1) < gtid[2]:
            return None
        for at in range(len(self.events) - 1, -1, -1):
            if self.events[at].gtid == gtid:
                return at
        return None
