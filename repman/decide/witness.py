"""Is the writer dead?  A verdict of several witnesses: our own connection and the replicas' receivers.

A crash is certain at once: nothing listens on the port and every replica that can tell has lost it.  A hang
or a partition shows only as silence, so there progress is the witness, not thread states: a replica
testifies that its source is silent when neither its heartbeat counter nor its received position moved for
several heartbeat periods, whatever its receiver claims.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from repman.model.memory import Memory
from repman.model.nature import Nature
from repman.model.observation import ClusterSeen, Link, Reach, Receiver, ServerSeen
from repman.model.policy import ClusterPolicy

_TURNED_AWAY = frozenset((1040, 1044, 1045, 1129, 1130, 1203, 1226, 1698))
"""Errors of a receiver whose source answered and rejected it: too many connections, account, host."""
_NO_CONNECTION = frozenset((*range(2000, 3000), 1053, 1158, 1159, 1160, 1161, 1189, 1190, 1927))
"""Errors with which a receiver ends for want of a connection; any other one says nothing about the source."""


_ON_THE_WAY = 0.5
"""Seconds that a member's heartbeat may be late on a busy machine or network."""


class Life(StrEnum):
    """The verdict on the server in charge."""

    NONE = "none"
    """Nobody is in charge."""
    OPEN = "open"
    """It answers and takes writes."""
    CLOSED = "closed"
    """It answers and is read-only."""
    ALIVE = "alive"
    """It lives but cannot be observed (denied, or no connection left)."""
    SUSPECT = "suspect"
    """We lost it, and the other witnesses do not (yet) say so too."""
    CRASHED = "crashed"
    HUNG = "hung"

    @property
    def dead(self) -> bool:
        """Whether it is to be replaced."""
        return self in (Life.CRASHED, Life.HUNG)


class Testimony(StrEnum):
    """What one replica knows of its source."""

    LOST = "lost"
    """Its receiver has no connection."""
    SILENT = "silent"
    """Connected, and nothing came for several heartbeat periods."""
    HEARS = "hears"
    MUTE = "mute"
    """It cannot tell: not reachable, stopped by somebody, or following another server."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict with its evidence."""

    life: Life
    testimonies: tuple[tuple[str, Testimony], ...] = ()

    def saying(self, *wanted: Testimony) -> tuple[str, ...]:
        """The replicas that testify so."""
        return tuple(address for address, testimony in self.testimonies if testimony in wanted)


def judge(policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, now: float) -> Verdict:
    """The verdict on `memory.writer` (already updated by `remember`)."""
    if not memory.writer or memory.writer not in policy.addresses:
        return Verdict(Life.NONE)
    writer = seen.server(memory.writer)
    if writer.answered:
        return Verdict(Life.OPEN if writer.open else Life.CLOSED)
    if writer.reach.alive:
        return Verdict(Life.ALIVE)
    testify = _member_testifies if policy.nature is Nature.ELECTING else _testify
    testimonies = tuple(
        (one.address, testify(policy, one, memory, now)) for one in seen.servers if one.address != writer.address
    )
    if memory.condemned == writer.address and _stays_condemned(writer, memory, testimonies):
        return Verdict(Life.CRASHED if writer.reach is Reach.REFUSED else Life.HUNG, testimonies)
    return Verdict(_life(writer, memory, testimonies), testimonies)


def _stays_condemned(writer: ServerSeen, memory: Memory, testimonies: tuple[tuple[str, Testimony], ...]) -> bool:
    """The plan that began to replace it silenced the witnesses; one that hears it again, unfenced, outweighs that."""
    if writer.reach is not Reach.REFUSED and not writer.reach.silent:
        return False
    heard = any(testimony is Testimony.HEARS for _, testimony in testimonies)
    return not (heard and memory.server(writer.address).fenced_unknown)


def _life(writer: ServerSeen, memory: Memory, testimonies: tuple[tuple[str, Testimony], ...]) -> Life:
    told = [testimony for _, testimony in testimonies if testimony is not Testimony.MUTE]
    if not told or Testimony.HEARS in told:
        return Life.SUSPECT
    if writer.reach is Reach.REFUSED:
        return Life.CRASHED
    # A single look without an answer may be our own pause; the second one is not.
    if writer.reach.silent and memory.server(writer.address).failures >= 2:
        return Life.HUNG
    return Life.SUSPECT


def _testify(policy: ClusterPolicy, one: ServerSeen, memory: Memory, now: float) -> Testimony:
    link = one.follows(memory.writer) if one.answered else None
    if link is None:
        return Testimony.MUTE
    if link.receiver is Receiver.CONNECTING:
        return Testimony.MUTE if link.receiver_errno in _TURNED_AWAY else Testimony.LOST
    if link.receiver is Receiver.STOPPED:
        return Testimony.LOST if link.receiver_errno in _NO_CONNECTION else Testimony.MUTE
    return Testimony.SILENT if silence(policy, one, link, memory, now) else Testimony.HEARS


def _member_testifies(policy: ClusterPolicy, one: ServerSeen, memory: Memory, now: float) -> Testimony:
    """Members of a set hear each other by heartbeats; one that came after a whole interval is overdue."""
    if not one.answered or one.member is None:
        return Testimony.MUTE
    for heard in one.member.heard:
        if heard.address == memory.writer:
            if not heard.healthy:
                return Testimony.LOST
            overdue = one.member.heartbeat_interval + _ON_THE_WAY
            late = heard.silent_for is None or heard.silent_for > overdue
            return Testimony.SILENT if late else Testimony.HEARS
    return Testimony.MUTE


def silence(policy: ClusterPolicy, one: ServerSeen, link: Link, memory: Memory, now: float) -> float:
    """Seconds for which a running receiver has shown no sign of its source; 0 while that is nothing unusual."""
    progress = memory.server(one.address).progress
    if progress is None or link.heartbeat_period <= 0:
        return 0.0
    quiet = now - progress.changed_at
    patience = policy.silence_periods * max(policy.heartbeat_period, link.heartbeat_period)
    return quiet if quiet >= patience else 0.0
