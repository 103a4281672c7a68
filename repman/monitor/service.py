"""The monitor process: the composition root of everything that acts."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

from apscheduler.schedulers.background import BackgroundScheduler

from repman.clock import SystemClock
from repman.config.settings import ClusterSettings, Settings
from repman.engines.mariadb import MariadbCluster
from repman.errors import RepmanError
from repman.model.command import Command, Receipt
from repman.monitor.lease import FileLease
from repman.monitor.loop import ClusterLoop, Surroundings
from repman.orchestrators.base import Orchestrator
from repman.orchestrators.local import LocalOrchestrator
from repman.proxies.haproxy import Haproxy
from repman.state.bus import monitor_server
from repman.state.history import History
from repman.state.journal import Journal
from repman.state.snapshots import Publisher

LOG = logging.getLogger(__name__)

_LONGEST_PLAN = 600.0
"""Seconds after which a command's asker is told that its plan still runs."""


def run(settings: Settings) -> None:
    """Watch every configured cluster until SIGTERM or SIGINT.  Raises RepmanError when it cannot start."""
    monitor = Monitor(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    monitor.start()
    stop.wait()
    monitor.stop()


class Monitor:
    """All clusters of one installation."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened before `start`."""
        self._settings = settings
        self._loops: dict[str, ClusterLoop] = {}
        self._threads: list[threading.Thread] = []
        self._scheduler = BackgroundScheduler()

    def start(self) -> None:
        """Take the lease of the data directory, open the store, start a thread for each cluster."""
        service = self._settings.service
        service.datadir.mkdir(parents=True, exist_ok=True)
        self._lease = FileLease(service.datadir / "monitor.lock")
        self._lease.take()
        self._journal = Journal(service.journal_url)
        self._history = History(service.history_url)
        publisher = Publisher(service.rundir)
        run_id = uuid.uuid4().hex[:12]
        for cluster in self._settings.clusters:
            self._add(cluster, publisher, run_id)
        self._bus = monitor_server(service.monitor_socket, self.command)
        self._bus.start()
        self._scheduler.start()
        # What was loaded until now stays: the collector need not look at it again in the middle of a tick.
        gc.collect()
        gc.freeze()
        LOG.info("watching clusters=%s run=%s", ",".join(self._loops) or "none", run_id)

    def _add(self, cluster: ClusterSettings, publisher: Publisher, run_id: str) -> None:
        loop = ClusterLoop(
            Surroundings(
                cluster,
                _driver(cluster),
                tuple(_proxies(cluster)),
                _orchestrator(cluster),
                self._journal,
                self._history,
                publisher,
                SystemClock(),
                run_id,
            )
        )
        name = cluster.policy.name
        self._loops[name] = loop
        self._scheduler.add_job(
            loop.read_inventory, "interval", seconds=cluster.inventory_every, id=f"inventory:{name}"
        )
        thread = threading.Thread(target=_guarded, args=(loop, name), name=f"cluster:{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def command(self, command: Command) -> Receipt:
        """Answer a command from the bus: waits until its plan has ended."""
        loop = self._loops.get(command.cluster)
        if loop is None:
            known = ", ".join(self._loops) or "none"
            return Receipt("refused", f"no cluster {command.cluster!r}; known: {known}", (("unknown-cluster", known),))
        future: Future[Receipt] = loop.ask(command)
        try:
            return future.result(_LONGEST_PLAN)
        except FutureTimeout:
            return Receipt("failed", f"not ended after {_LONGEST_PLAN:.0f} s; see the cluster's events for its course")

    def stop(self) -> None:
        """End all threads; plans under way are finished, or left to the journal after ten seconds."""
        self._bus.close()
        self._scheduler.shutdown(wait=False)
        for loop in self._loops.values():
            loop.stop()
        for thread in self._threads:
            thread.join(timeout=10.0)
        self._history.close()
        self._journal.close()
        self._lease.give_up()


def _guarded(loop: ClusterLoop, name: str) -> None:
    """A cluster's thread must not die quietly: the process ends, and its supervisor starts it again."""
    try:
        loop.run()
    except Exception:
        LOG.critical("the thread of cluster=%s failed; the monitor ends and is started again", name, exc_info=True)
        signal.raise_signal(signal.SIGTERM)


def _driver(cluster: ClusterSettings) -> MariadbCluster:
    policy = cluster.policy
    return MariadbCluster(
        policy.name,
        policy.addresses,
        (cluster.database.user, cluster.database.password),
        (cluster.replication.user, cluster.replication.password),
        policy.heartbeat_period,
        cluster.connect_timeout,
        semi_sync=policy.semi_sync,
    )


def _proxies(cluster: ClusterSettings) -> list[Haproxy]:
    names = {server.address: server.name for server in cluster.policy.servers}
    return [
        Haproxy(haproxy.name, haproxy.runtime_socket, haproxy.write_backend, haproxy.read_backend, names)
        for haproxy in cluster.haproxies
    ]


def _orchestrator(cluster: ClusterSettings) -> Orchestrator | None:
    if cluster.orchestrator != "local" or cluster.sandbox is None:
        return None
    try:
        return LocalOrchestrator(cluster.sandbox)
    except RepmanError as error:
        LOG.error("orchestrator cluster=%s: %s", cluster.policy.name, error)
        return None
