"""The report of an election that repman did not ask for: at once what is known, and when writes went on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from repman.model.decision import Decision, Takeover
from repman.model.observation import ClusterSeen, ServerSeen
from repman.model.snapshot import Event

_CODE = "takeover"


@dataclass(slots=True)
class Takeovers:
    """Follows the latest one until a majority takes writes again."""

    _open: Takeover | None = None

    def news(self, decision: Decision, seen: ClusterSeen, wall: float) -> Iterator[Event]:
        """The events that a look brings."""
        if decision.takeover is not None:
            self._open = decision.takeover
            yield Event(wall, "ALERT", decision.takeover.sentence, decision.takeover.new_writer, _CODE)
        told = self._open
        if told is None or decision.writer != told.new_writer:
            return
        writable = next((_writable_at(one) for one in seen.servers if one.address == told.new_writer), None)
        if writable is not None:
            self._open = None
            yield Event(wall, "INFO", _writes_go_on(told, writable), told.new_writer, _CODE)


def _writable_at(one: ServerSeen) -> float | None:
    election = one.member.election if one.member is not None else None
    return election.writable_at if election is not None else None


def _writes_go_on(told: Takeover, writable: float) -> str:
    """Times are of two clocks: the members' own, and ours for the loss; hosts whose clocks differ make them differ."""
    text = f"majority writes go on, {max(0.0, writable - told.lost_at):.1f} s after the old writer was missed"
    if told.elected_at is not None:
        text += f" and {max(0.0, writable - told.elected_at):.1f} s after the election"
    return text + f"; noticed {max(0.0, told.seen_at - told.lost_at):.1f} s after it was missed"
