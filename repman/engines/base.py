"""The contract between the monitor and the drivers of database engines.

A driver serves one cluster and is used by one thread.  It observes and performs; it never decides, never
retries on its own account and never runs longer than the deadline it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from repman.model.observation import ServerSeen
from repman.model.plan import Outcome, Step, StepKind


class ClusterDriver(Protocol):
    """Looks at, and acts on, the servers of one cluster."""

    performs: frozenset[StepKind]
    """The kinds of step this engine can perform (those of orchestrators and proxies are not among them)."""

    def observe(self, timeout: float, only: Collection[str] | None = None) -> tuple[ServerSeen, ...]:
        """Look at all servers (or at those addresses) at the same time, within `timeout` seconds.

        Never raises for a server's trouble: that is what `ServerSeen.reach` says.  A hung server costs no other
        server its answer.  Results come in configured order.
        """

    def wait(self, timeout: float) -> frozenset[str]:
        """Sleep up to `timeout` seconds; return early with the addresses whose kept connection was closed."""

    def wake(self) -> None:
        """End a `wait` that is under way, or the next one; the only method that other threads may call."""

    def inventory(self, timeout: float) -> None:
        """Read what changes rarely; later observations carry it."""

    def perform(self, step: Step, timeout: float, waiting: Callable[[], None]) -> Outcome:
        """Reach the aim of a step and read it back, within `timeout` seconds.

        `waiting` is called at least every 200 ms of a long wait (the monitor keeps its snapshot fresh in it);
        what it raises ends the step.  Returns an Outcome with ok=False and a sentence when the aim was not
        reached; raises nothing else than what `waiting` raised.
        """

    def close(self) -> None:
        """Give up all connections (and with them the lease votes)."""
