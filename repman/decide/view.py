"""The dozen facts that rules speak about, computed once for each look."""

from __future__ import annotations

from dataclasses import dataclass

from repman.decide.witness import Life, Verdict, judge
from repman.model.memory import Memory
from repman.model.observation import ClusterSeen, ServerSeen
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.model.position import Position


@dataclass(frozen=True, slots=True)
class View:
    """One look with its memory (already updated) and the verdict on the writer."""

    policy: ClusterPolicy
    seen: ClusterSeen
    memory: Memory
    verdict: Verdict
    now: float
    wall: float

    @property
    def writer(self) -> str:
        """Address of the server in charge; empty when there never was one."""
        return self.memory.writer

    @property
    def life(self) -> Life:
        """The verdict on it."""
        return self.verdict.life

    @property
    def writer_seen(self) -> ServerSeen | None:
        """The writer's part of the look, if it is configured."""
        for one in self.seen.servers:
            if one.address == self.memory.writer:
                return one
        return None

    @property
    def leased(self) -> bool:
        """Whether a majority of the servers that answer gave us their vote."""
        answering = self.seen.answering()
        return 2 * sum(1 for one in answering if one.leased) > len(answering)

    def name(self, address: str) -> str:
        """What people call that server."""
        for server in self.policy.servers:
            if server.address == address:
                return server.name
        return address

    def members(self) -> tuple[tuple[ServerPolicy, ServerSeen], ...]:
        """Every configured server with what was seen of it."""
        return tuple(zip(self.policy.servers, self.seen.servers, strict=True))

    def in_maintenance(self, address: str) -> bool:
        """Whether an operator asked to leave that server alone."""
        return self.memory.server(address).maintenance


def look(policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, now: float, wall: float) -> View:
    """The view of a look whose memory was updated by `remember`."""
    return View(policy, seen, memory, judge(policy, seen, memory, now), now, wall)


def errant(view: View, one: ServerSeen) -> str:
    """Transactions that were written on a replica itself and that nobody else has; empty when there are none.

    A server that is, or was, the writer is not asked: its own transactions are the cluster's.
    """
    if one.executed is None or one.address == view.writer:
        return ""
    own = one.executed.written_by(one.server_id)
    if own.is_empty():
        return ""
    known = known_elsewhere(view, one.address)
    if known is None:
        return ""
    return own.minus(known)


def known_elsewhere(view: View, address: str) -> Position | None:
    """What all other servers, and the writer when it was last seen, hold together."""
    known = view.memory.writer_position
    for other in view.seen.servers:
        if other.address != address and other.received is not None:
            known = other.received if known is None else known.union(other.received)
    return known
