"""The MariaDB driver: looks at the servers of one cluster and performs the steps of plans on them.

Looking (`observe`, `wait`) uses one kept connection per server and never blocks on any of them: see
`mariadb_watch`.  Acting (`perform`) uses connections of its own: see `mariadb_acting` and `mariadb_steps`.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from repman.engines.mariadb_acting import KILL_TIME, Acting, Pace
from repman.engines.mariadb_fence import Means
from repman.engines.mariadb_inventory import read_inventory
from repman.engines.mariadb_steps import STEPS as SAFE_STEPS
from repman.engines.mariadb_watch import Watch
from repman.engines.mariadb_wishes import STEPS as WISHED_STEPS
from repman.engines.mysqldial import Target
from repman.engines.mysqlwire import ServerSaid, WireClosed
from repman.errors import StepFailed
from repman.model.observation import ServerSeen
from repman.model.plan import FenceOutcome, Outcome, Step, StepKind

STEPS = {**SAFE_STEPS, **WISHED_STEPS}
KEEP_EVERY = 4.0
"""Seconds between two signs of life on the kept connections while a long step runs."""
RESERVE = 0.2
"""Share of a step's time, up to KILL_TIME, kept back for killing a statement that is not answered in time."""


class MariadbCluster:
    """A `ClusterDriver` for MariaDB 10.4 and later.  Accounts are (user, password); periods are seconds."""

    performs = frozenset(STEPS)

    def __init__(
        self,
        cluster: str,
        addresses: Sequence[str],
        database: tuple[str, str],
        replication: tuple[str, str],
        heartbeat_period: float,
        connect_timeout: float,
        contend: bool = True,
        semi_sync: bool = True,
    ) -> None:
        targets = {address: Target(address) for address in addresses}
        self._watches = {
            address: Watch(target, database, cluster, contend, connect_timeout) for address, target in targets.items()
        }
        self._acting = {address: Acting(target, database, connect_timeout) for address, target in targets.items()}
        self._helpers = {address: Acting(target, database, connect_timeout) for address, target in targets.items()}
        self._database = database
        self._replication = replication
        self._heartbeat_period = heartbeat_period
        self._semi_sync = semi_sync
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def observe(self, timeout: float, only: Collection[str] | None = None) -> tuple[ServerSeen, ...]:
        """Look at all servers (or at those addresses) at the same time, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        chosen = [watch for address, watch in self._watches.items() if only is None or address in only]
        for watch in chosen:
            watch.begin()
        while unfinished := [watch for watch in chosen if watch.unfinished]:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._advance(unfinished, left)
        for watch in chosen:
            watch.give_up()
        return tuple(watch.seen for watch in chosen)

    def _advance(self, watches: list[Watch], seconds: float) -> None:
        poller, by_descriptor = select.poll(), {}
        for watch in watches:
            descriptor, events = watch.waits_for()
            if descriptor >= 0:
                poller.register(descriptor, events)
                by_descriptor[descriptor] = watch
        ready = {descriptor for descriptor, _ in poller.poll(seconds * 1000)}
        for descriptor, watch in by_descriptor.items():
            watch.advance(descriptor in ready)

    def wait(self, timeout: float) -> frozenset[str]:
        """Sleep up to `timeout` seconds; return early with the addresses whose connection was closed."""
        poller, by_descriptor = select.poll(), {}
        poller.register(self._bell, select.POLLIN)
        for watch in self._watches.values():
            descriptor, events = watch.idle_events()
            if descriptor >= 0:
                poller.register(descriptor, events)
                by_descriptor[descriptor] = watch
        ready = {descriptor for descriptor, _ in poller.poll(max(0.0, timeout) * 1000)}
        if self._bell in ready:
            os.eventfd_read(self._bell)
        closed = [by_descriptor[descriptor] for descriptor in ready if descriptor != self._bell]
        for watch in closed:
            watch.closed_meanwhile()
        return frozenset(watch.target.address for watch in closed)

    def wake(self) -> None:
        """End a wait that is under way, or the next one; may be called from any thread."""
        with suppress(OSError):  # closed already: nobody waits any more
            os.eventfd_write(self._bell, 1)

    def inventory(self, timeout: float) -> None:
        """Read what changes rarely; a server that does not answer in time keeps its old inventory."""
        ours = (self._database[0], self._replication[0])
        deadline = time.monotonic() + timeout
        for address, watch in self._watches.items():
            if not watch.seen.answered:
                continue
            try:
                waiting = watch.seen.semi_sync is not None and watch.seen.semi_sync.waiting > 0
                pace = Pace(deadline, self._keep())
                watch.inventory = read_inventory(self._helpers[address], ours, pace, watch.inventory, waiting)
            except (StepFailed, ServerSaid, WireClosed, ValueError):
                self._helpers[address].close()

    def perform(self, step: Step, timeout: float, waiting: Callable[[], None]) -> Outcome:
        """Reach the aim of a step and read it back, within `timeout` seconds."""
        keep = self._keep()

        def tell() -> None:
            keep()
            waiting()

        reserve = min(KILL_TIME, RESERVE * timeout)
        pace = Pace(time.monotonic() + max(0.0, timeout - reserve), tell, reserve)
        try:
            if step.kind not in (StepKind.FENCE, StepKind.CLOSE):  # those find their own way in
                self._acting[step.server].connect(pace)
            return STEPS[step.kind](self._means(step), pace)
        except (StepFailed, ServerSaid, WireClosed, ValueError) as error:
            fence = FenceOutcome.UNKNOWN if step.kind is StepKind.FENCE else None
            return Outcome(False, f"{step}: {error}", fence)

    def close(self) -> None:
        """Give up all connections (and with them the lease votes)."""
        for watch in self._watches.values():
            watch.close()
        for acting in (*self._acting.values(), *self._helpers.values()):
            acting.close()
        bell, self._bell = self._bell, -1
        if bell >= 0:
            os.close(bell)

    def _means(self, step: Step) -> Means:
        others = tuple(address for address in self._watches if address != step.server)
        return Means(
            step=step,
            server=self._acting[step.server],
            helper=self._helpers[step.server],
            peers=self._acting,
            spare=self._watches[step.server],
            look_at_others=lambda seconds: self.observe(seconds, others),
            accounts=(self._database[0], self._replication[0]),
            replication=self._replication,
            heartbeat_period=self._heartbeat_period,
            semi_sync=self._semi_sync,
        )

    def _keep(self) -> Callable[[], None]:
        next_time = time.monotonic() + KEEP_EVERY

        def keep() -> None:
            nonlocal next_time
            if time.monotonic() > next_time:
                next_time = time.monotonic() + KEEP_EVERY
                for watch in self._watches.values():
                    watch.keep()

        return keep
