"""One cluster as an operator and as an application reach it: what is published, commands, connections."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import pymysql

from repman.config.settings import ClusterSettings, Settings
from repman.errors import RepmanError, StateError
from repman.model.command import Command, CommandKind, Receipt
from repman.model.snapshot import ServerView, Snapshot
from repman.scenarios.traffic import Connection
from repman.state import bus
from repman.state.snapshots import SnapshotReader

LOOK_EVERY = 0.05
_COMMAND_TIMEOUT = 180.0
PATIENCE = 90.0
"""Seconds for a cluster to become healthy again, and for another writer to take over."""


class Unmet(RepmanError):
    """What a scenario shows does not hold."""


class Unplayable(RepmanError):
    """The scenario cannot be played on this cluster as it is."""


class Ground:
    """One cluster.  `cancelled` ends every wait."""

    def __init__(
        self,
        settings: Settings,
        cluster: ClusterSettings,
        cancelled: threading.Event,
        user: str,
        patience: float = PATIENCE,
    ) -> None:
        self._service = settings.service
        self._cluster = cluster
        self._cancelled = cancelled
        self._user = user
        self._patience = patience
        self._reader = SnapshotReader(settings.service.rundir)

    @property
    def snapshot(self) -> Snapshot:
        """What the monitor published last.  Raises StateError before the first look."""
        found = self._reader.get(self._cluster.policy.name)
        if found is None:
            raise StateError(f"nothing is known of {self._cluster.policy.name} yet: is the monitor running?")
        return found

    @property
    def writer(self) -> str:
        """Address of the writer.  Raises Unmet when there is none that lives."""
        seen = self.snapshot
        if not seen.writer or not seen.writer_alive:
            raise Unmet("the cluster has no living writer")
        return seen.writer

    @property
    def replicas(self) -> tuple[str, ...]:
        """Addresses of all other servers, in configured order."""
        writer = self.snapshot.writer
        return tuple(address for address in self._cluster.policy.addresses if address != writer)

    @property
    def long_write(self) -> float:
        """Seconds after which a write on the writer keeps a switchover from beginning."""
        return self._cluster.policy.long_write

    def pause(self, seconds: float) -> None:
        """Let time pass, where the passing of time is what the scenario is about."""
        if self._cancelled.wait(max(0.0, seconds)):
            raise Unplayable("it was cancelled")

    def name(self, address: str) -> str:
        """What people call that server."""
        return self._cluster.policy.server(address).name

    def ask(self, kind: CommandKind, **more: object) -> Receipt:
        """The monitor's receipt for a command about this cluster."""
        command = Command(kind, self._cluster.policy.name, user=self._user, **more)  # type: ignore[arg-type]
        return bus.ask(self._service.monitor_socket, command, _COMMAND_TIMEOUT)

    def switchover(self, to: str = "") -> str:
        """Move the writer; returns its new address.  Raises Unmet when the monitor does not do it."""
        before = self.writer
        receipt = self.ask(CommandKind.SWITCHOVER, server=to)
        if receipt.status != "done":
            raise Unmet(f"the switchover ended as {receipt.status}: {receipt.sentence}")
        return self.until(lambda seen: seen.writer != before and seen.writer_alive, "another writer", 20.0).writer

    def until(self, test: Callable[[Snapshot], object], what: str, seconds: float | None = None) -> Snapshot:
        """Wait until a published snapshot passes the test.  Raises Unmet when none does in that time."""
        seconds = self._patience if seconds is None else seconds
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(StateError):
                if test(seen := self.snapshot):
                    return seen
            if time.monotonic() > deadline:
                raise Unmet(f"after {seconds:g} s there was not yet {what}; {self._condition()}")
            if self._cancelled.wait(LOOK_EVERY):
                raise Unplayable("it was cancelled")

    def another_writer(self, than: str) -> str:
        """Wait for another living writer; returns its address."""
        return self.until(lambda seen: seen.writer != than and seen.writer_alive, "another writer").writer

    def healthy(self, without: tuple[str, ...] = ()) -> Snapshot:
        """Wait until one writer lives and every server but those follows it, on a look newer than now."""
        since = time.time()
        return self.until(lambda seen: seen.at > since and _settled(seen, without), "a healthy cluster")

    def connect(self, address: str) -> Connection:
        """The monitoring account's connection to one server."""
        server, account = self._cluster.policy.server(address), self._cluster.database
        return pymysql.connect(
            host=server.host,
            port=server.port,
            user=account.user,
            password=account.password,
            autocommit=True,
            connect_timeout=3,
            read_timeout=30,
            write_timeout=30,
        )

    def connector(self, user: str, password: str) -> Callable[[], Connection]:
        """How an application reaches the writer: through the first balancer, else at the writer's own address."""

        def connect() -> Connection:
            proxies = self._cluster.haproxies
            if proxies:
                host, port = proxies[0].host, proxies[0].write_port
            else:
                server = self._cluster.policy.server(self.writer)
                host, port = server.host, server.port
            return pymysql.connect(
                host=host,
                port=port,
                user=user,
                password=password,
                autocommit=True,
                connect_timeout=2,
                read_timeout=10,
                write_timeout=10,
            )

        return connect

    def _condition(self) -> str:
        seen = self.snapshot
        told = ", ".join(f"{view.policy.name} {view.state.value}" for view in seen.servers)
        return f"{told}; blocked by: {'; '.join(each.sentence for each in seen.blocked_by) or 'nothing'}"


def _settled(seen: Snapshot, without: tuple[str, ...]) -> bool:
    return (
        bool(seen.writer)
        and seen.writer_alive
        and seen.server(seen.writer) is not None
        and all(_fine(seen, view) for view in seen.servers if view.policy.address not in without)
    )


def _fine(seen: Snapshot, view: ServerView) -> bool:
    if not view.seen.answered:
        return False
    if view.policy.address == seen.writer:
        return view.seen.open
    return view.seen.receives_from(seen.writer) and all(link.healthy for link in view.seen.links)
