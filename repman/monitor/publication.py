"""From a decision to the published snapshot: pure apart from the counters that it keeps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from repman.decide.rating import rated
from repman.model.decision import Decision, Routes, ServerState
from repman.model.memory import Memory
from repman.model.observation import ClusterSeen
from repman.model.policy import ClusterPolicy
from repman.model.snapshot import FORMAT, Event, PlanView, ServerView, Snapshot
from repman.monitor.progress import Progress

_EVENTS = 30
"""How many of the latest events travel with each snapshot; the history keeps the rest."""


@dataclass(slots=True)
class Publication:
    """What is published of one cluster, carried from tick to tick."""

    policy: ClusterPolicy
    run: str
    generation: int = 0
    watched_seconds: float = 0.0
    writer_seconds: float = 0.0
    protected_seconds: float = 0.0
    ticks: int = 0
    tick_seconds: float = 0.0
    plan: PlanView | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_EVENTS))
    previous: dict[str, ServerState] = field(default_factory=dict)
    """The state each server had before its present one."""
    _current: dict[str, ServerState] = field(default_factory=dict)
    _counted_at: float | None = None

    def count(self, decision: Decision, now: float) -> None:
        """Add the time since the last tick to the clocks that say how well the cluster did."""
        if self._counted_at is not None:
            passed = max(0.0, now - self._counted_at)
            self.watched_seconds += passed
            self.writer_seconds += passed if decision.writer_alive and decision.routes.writer else 0.0
            self.protected_seconds += passed if decision.protected else 0.0
        self._counted_at = now
        self.ticks += 1
        for address, state in decision.states:
            before = self._current.get(address, state)
            if before is not state:
                self.previous[address] = before
            self._current[address] = state

    def count_anew(self) -> None:
        """Forget the clocks."""
        self.watched_seconds = self.writer_seconds = self.protected_seconds = 0.0

    def snapshot(self, decision: Decision, seen: ClusterSeen, wall: float) -> Snapshot:
        """The document of an ordinary tick."""
        return self._build(decision, seen, decision.memory, decision.routes, wall, in_failover=False)

    def during(self, decision: Decision, progress: Progress, now: float, wall: float) -> Snapshot:
        """The document while a plan runs: the last decision, with what the plan has changed since."""
        self.plan = progress.view()
        moved = replace(decision, writer=progress.memory.writer)
        seen = replace(progress.seen, at=now)
        return self._build(moved, seen, progress.memory, progress.routes, wall, in_failover=True)

    def _build(
        self, decision: Decision, seen: ClusterSeen, memory: Memory, routes: Routes, wall: float, in_failover: bool
    ) -> Snapshot:
        self.generation += 1
        answering = seen.answering()
        active = seen.leased or not answering
        holders = seen.lease_holders
        return Snapshot(
            FORMAT,
            self.policy.name,
            wall,
            seen.at,
            self.generation,
            self.run,
            active,
            f"{seen.votes} of {len(answering)} votes are ours" + (f", others: {', '.join(holders)}" if holders else ""),
            self.policy.paused,
            decision.writer,
            decision.writer_alive,
            decision.topology,
            decision.protected,
            decision.blocked_by,
            decision.refusals,
            decision.problems,
            routes,
            self._servers(decision, seen, memory),
            seen.proxies,
            self.plan,
            in_failover,
            memory.failovers,
            memory.last_failover,
            memory.degraded,
            memory.unprotected_seconds,
            self.writer_seconds,
            self.protected_seconds,
            self.watched_seconds,
            self.ticks,
            self.tick_seconds,
            tuple(self.events),
            memory.closed_by,
            memory.rolling,
        )

    def _servers(self, decision: Decision, seen: ClusterSeen, memory: Memory) -> tuple[ServerView, ...]:
        states = dict(decision.states)
        views = []
        for policy, one in zip(rated(self.policy, memory).servers, seen.servers, strict=True):
            remembered = memory.server(one.address)
            views.append(
                ServerView(
                    policy,
                    one,
                    None if one.answered else remembered.last,
                    states[one.address],
                    self.previous.get(one.address, states[one.address]),
                    remembered.maintenance,
                    remembered.failures,
                    remembered.unacknowledged,
                    remembered.held,
                    remembered.stopped_by,
                    remembered.detached_by,
                )
            )
        return tuple(views)
