"""What a scenario is played on: one cluster, as an operator and as an application reach it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pymysql

from repman.config.settings import ClusterSettings, Settings
from repman.orchestrators.base import Orchestrator
from repman.scenarios import traffic
from repman.scenarios.ground import LOOK_EVERY, PATIENCE, Ground, Unmet, Unplayable
from repman.scenarios.traffic import Traffic

_KILL_TIMEOUT = 10.0


class Field(Ground):
    """One cluster.  `cancelled` ends a scenario at its next wait."""

    def __init__(
        self,
        settings: Settings,
        cluster: ClusterSettings,
        orchestrator: Orchestrator | None,
        cancelled: threading.Event,
        user: str,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(settings, cluster, cancelled, user, patience)
        self._orchestrator = orchestrator
        self._killed: list[str] = []
        self.played: Traffic | None = None
        self.lost = 0

    def kill(self, *addresses: str) -> None:
        """Kill the processes of those servers at once; they are started again when the scenario ends, at last."""
        for address in addresses:
            self._killed.append(address)
        for address in addresses:
            self._control(address).kill(address, _KILL_TIMEOUT)

    def start(self, *addresses: str) -> None:
        """Start killed servers again."""
        for address in addresses:
            self._control(address).start(address)
            if address in self._killed:
                self._killed.remove(address)

    def controls_all(self) -> bool:
        """Whether an orchestrator can kill and start every server."""
        found = self._orchestrator
        return found is not None and all(found.controls(address) for address in self._cluster.policy.addresses)

    @contextlib.contextmanager
    def writes(self, threads: int = 4, rate: float = 100.0) -> Iterator[Traffic]:
        """Traffic while the block runs; its figures are in the verdict, its table stays until `compare`."""
        made = self.lay_traffic(threads, rate)
        made.start()
        try:
            self.flows(made)
            yield made
        finally:
            made.stop()

    def lay_traffic(self, threads: int, rate: float, endless: bool = False) -> Traffic:
        """Traffic that is ready to start."""
        try:
            with contextlib.closing(self.connect(self.writer)) as connection:
                user, password = traffic.lay(connection)
        except pymysql.Error as error:
            account = self._cluster.database.user
            raise Unplayable(
                f"the account {account} may not lay out traffic on the writer ({error.args[-1]}); "
                f"GRANT ALL ON `{traffic.PATTERN}`.* TO it WITH GRANT OPTION, and CREATE USER"
            ) from error
        self.played = Traffic(self.connector(user, password), threads, rate, endless)
        return self.played

    def compare(self) -> None:
        """Wait for a healthy cluster; then nothing acknowledged is missing and all servers have the same rows."""
        writer = self.healthy().writer
        with contextlib.closing(self.connect(writer)) as connection:
            if self.played is not None:
                self.lost = self.played.lost(connection)
            wanted = traffic.checksum(connection)
        if self.lost:
            raise Unmet(f"{self.lost} acknowledged writes are not on {self.name(writer)}")
        for address in self.replicas:
            self._equal(address, wanted)

    def tidy(self) -> None:
        """After the scenario, however it ended: start what it killed, remove its table, wait for health."""
        self.start(*tuple(self._killed))
        writer = self.healthy().writer
        if self.played is not None:
            with contextlib.closing(self.connect(writer)) as connection:
                traffic.clear(connection)

    def flows(self, made: Traffic, more: int = 20, seconds: float = 20.0) -> None:
        """Wait until that many more writes were acknowledged.  Raises Unmet after `seconds`."""
        aim, deadline = made.figures().acknowledged + more, time.monotonic() + seconds
        while (figures := made.figures()).acknowledged < aim:
            if time.monotonic() > deadline:
                raise Unmet(f"writes do not get through: {figures.last_error or 'no answer'}")
            if self._cancelled.wait(LOOK_EVERY):
                raise Unplayable("it was cancelled")

    def _equal(self, address: str, wanted: int, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        with contextlib.closing(self.connect(address)) as connection:
            while (found := traffic.checksum(connection)) != wanted:
                if time.monotonic() > deadline:
                    raise Unmet(f"{self.name(address)} has other rows than the writer (checksum {found}, not {wanted})")
                if self._cancelled.wait(LOOK_EVERY):
                    raise Unplayable("it was cancelled")

    def _control(self, address: str) -> Orchestrator:
        if self._orchestrator is None or not self._orchestrator.controls(address):
            raise Unplayable(f"no orchestrator controls {self.name(address)}, so it cannot be killed")
        return self._orchestrator
