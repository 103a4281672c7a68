"""The published document: all that web, probes, metrics and command line know of a cluster.

Written by the monitor after each look and each step, read by everybody else.  Plain values only, so that it
goes to JSON and back without loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from repman.model.decision import Routes, ServerState
from repman.model.memory import RollingRestart
from repman.model.observation import ProxySeen, ServerSeen
from repman.model.plan import Step
from repman.model.policy import ServerPolicy
from repman.model.problem import Problem, Refusal

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ServerView:
    """One server as published."""

    policy: ServerPolicy
    seen: ServerSeen
    """The latest look."""
    last: ServerSeen | None
    """The latest look at which it answered, when that is an older one."""
    state: ServerState
    previous_state: ServerState
    maintenance: bool
    failures: int
    """Looks in a row without an answer."""
    unacknowledged: str = ""
    held: str = ""
    """Why it is left alone while somebody rebuilds it; empty: it is not."""
    stopped_by: str = ""
    """The operator who stopped its process; empty: it is not stopped on purpose."""
    detached_by: str = ""
    """The operator who stopped its replication; empty: it is not stopped on purpose."""


@dataclass(frozen=True, slots=True)
class PlanView:
    """The plan that is running, or the last one that ended."""

    id: str
    kind: str
    reason: str
    steps: tuple[Step, ...]
    current: int
    """Index of the step that runs; ``len(steps)`` when ended."""
    state: str
    """``running``, ``done``, ``failed``, ``undone``, ``abandoned``."""
    detail: str
    started_at: float
    """Unix seconds."""
    seconds: float
    old_writer: str
    new_writer: str
    step_seconds: tuple[float, ...] = ()
    lost_to_undo: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the cluster's history, for people."""

    at: float
    """Unix seconds."""
    level: str
    """INFO, WARN, ERROR, ALERT or STATE."""
    text: str
    server: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One cluster as published."""

    format: int
    cluster: str
    at: float
    """Unix seconds of the look."""
    monotonic: float
    """The same moment on this boot's monotonic clock, from which readers compute its age."""
    generation: int
    """Grows by one with each publication of one monitor process."""
    run: str
    """Identifies the monitor process."""
    active: bool
    """Whether this monitor holds the lease and may act."""
    lease: str
    """Who holds the lease, in words."""
    paused: bool
    writer: str
    writer_alive: bool
    topology: str
    protected: bool
    blocked_by: tuple[Refusal, ...]
    refusals: tuple[Refusal, ...]
    problems: tuple[Problem, ...]
    routes: Routes
    servers: tuple[ServerView, ...]
    proxies: tuple[ProxySeen, ...] = ()
    plan: PlanView | None = None
    in_failover: bool = False
    failovers: int = 0
    last_failover: float | None = None
    degraded: bool = False
    unprotected_seconds: float = 0.0
    writer_seconds: float = 0.0
    """Share of watched time with a live writer is writer_seconds / watched_seconds."""
    protected_seconds: float = 0.0
    watched_seconds: float = 0.0
    ticks: int = 0
    tick_seconds: float = 0.0
    """How long the latest look and decision took."""
    events: tuple[Event, ...] = ()
    closed_by: str = ""
    """The operator who closed the cluster for writes; empty: nobody did."""
    rolling: RollingRestart | None = None
    """The rolling restart that is under way."""

    def server(self, text: str) -> ServerView | None:
        """The server of that id, name or ``host:port``, or None."""
        for view in self.servers:
            if text in (view.policy.id, view.policy.name, view.policy.address):
                return view
        return None
