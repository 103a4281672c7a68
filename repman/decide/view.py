"""The dozen facts that rules speak about, computed once for each look."""

from __future__ import annotations

from dataclasses import dataclass

from repman.decide.rating import rated
from repman.decide.witness import Life, Testimony, Verdict, judge
from repman.model.memory import Memory
from repman.model.observation import ClusterSeen, ServerSeen
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.model.problem import Refusal


@dataclass(frozen=True, slots=True)
class View:
    """One look with its memory (already updated), the policy as operators amended it, and the verdict on the writer."""

    policy: ClusterPolicy
    seen: ClusterSeen
    memory: Memory
    verdict: Verdict
    now: float
    wall: float
    errants: tuple[str, ...] = ()
    """For each server in order, the transactions that only it has, as text."""

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
        return self.seen.leased

    @property
    def to_restart(self) -> tuple[str, ...]:
        """The servers that a rolling restart has not restarted yet; those that cannot be asked are among them."""
        runs = dict(self.memory.rolling.runs) if self.memory.rolling else {}
        return tuple(
            one.address
            for one in self.seen.servers
            if one.address in runs and (not one.answered or one.ran_as(runs[one.address]))
        )

    def name(self, address: str) -> str:
        """What people call that server."""
        for server in self.policy.servers:
            if server.address == address:
                return server.name
        return address

    def members(self) -> tuple[tuple[ServerPolicy, ServerSeen], ...]:
        """Every configured server with what was seen of it."""
        return tuple(zip(self.policy.servers, self.seen.servers, strict=True))

    def why_left_alone(self, address: str) -> str:
        """Why that server is neither repaired, nor chosen, nor given traffic, by somebody's wish; empty: it is not so."""
        remembered = self.memory.server(address)
        if remembered.held:
            return f"is held: {remembered.held}"
        if remembered.stopped_by:
            return f"was stopped by {remembered.stopped_by}"
        return "is in maintenance" if remembered.maintenance else ""

    def left_alone(self, address: str) -> bool:
        """Whether somebody asked to leave that server alone."""
        return bool(self.why_left_alone(address))

    def expected_absent(self, address: str) -> bool:
        """Whether that server does not run because somebody asked for it."""
        rolling = self.memory.rolling
        restarts = rolling is not None and rolling.current == address
        return restarts or bool(self.memory.server(address).stopped_by)

    def stands_still(self, address: str) -> bool:
        """Whether its replication is nothing to begin or to change: left alone, or stopped by an operator."""
        return self.left_alone(address) or bool(self.memory.server(address).detached_by)


def look(policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, now: float, wall: float) -> View:
    """The view of a look whose memory was updated by `remember`."""
    policy = rated(policy, memory)
    errants = tuple(_own_alone(seen, memory, one) for one in seen.servers)
    return View(policy, seen, memory, judge(policy, seen, memory, now), now, wall, errants)


def one_witness(view: View) -> Refusal:
    """Why nothing is done about a writer that only we have lost."""
    writer = view.writer_seen
    reach = writer.reach if writer else "not configured"
    hears = [view.name(address) for address in view.verdict.saying(Testimony.HEARS)]
    told = f"{', '.join(hears)} still hear it" if hears else "no replica testifies that it is gone"
    return Refusal("one-witness", f"{view.name(view.writer)} is out of our reach ({reach}), but {told}", view.writer)


def errant(view: View, one: ServerSeen) -> str:
    """Transactions that were written on a replica itself and that nobody else has; empty when there are none.

    A server that is, or was, the writer is not asked: its own transactions are the cluster's.
    """
    for other, transactions in zip(view.seen.servers, view.errants, strict=True):
        if other.address == one.address:
            return transactions
    return ""


def _own_alone(seen: ClusterSeen, memory: Memory, one: ServerSeen) -> str:
    if one.executed is None or one.address == memory.writer:
        return ""
    own = one.executed.written_by(one.server_id)
    if own.is_empty():
        return ""
    elsewhere = [other.received for other in seen.servers if other is not one and other.received is not None]
    if memory.writer_position is not None:
        elsewhere.append(memory.writer_position)
    # One server that has it all is the common case and costs no union.
    if not elsewhere or any(position.covers(own) for position in elsewhere):
        return ""
    known = elsewhere[0]
    for position in elsewhere[1:]:
        known = known.union(position)
    return own.minus(known)
