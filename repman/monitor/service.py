"""The monitor process: the composition root of everything that acts."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import uuid
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace

from apscheduler.schedulers.background import BackgroundScheduler

from repman.clock import SystemClock
from repman.config.live import Live
from repman.config.settings import ClusterSettings, Settings
from repman.errors import ConfigError
from repman.model.command import Command, CommandKind, Receipt
from repman.monitor import equipment
from repman.monitor.lease import FileLease
from repman.monitor.loop import ClusterLoop, Surroundings
from repman.state.bus import monitor_server
from repman.state.history import History
from repman.state.journal import Journal
from repman.state.snapshots import Publisher

LOG = logging.getLogger(__name__)

_LONGEST_PLAN = 600.0
"""Seconds after which a command's asker is told that its plan still runs."""
_ADOPTION = 5.0
"""Seconds for which a reload waits until every cluster goes on with its new settings."""
_REMOVAL = 10.0
"""Seconds in which the thread of a cluster that is watched no more has to end."""


def run(settings: Settings) -> None:
    """Watch every configured cluster until SIGTERM or SIGINT.  Raises RepmanError when it cannot start."""
    monitor = Monitor(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    monitor.start()
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=monitor.reload, daemon=True).start())
    stop.wait()
    monitor.stop()


class Monitor:
    """All clusters of one installation."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened before `start`."""
        self._live = Live(settings)
        self._loops: dict[str, ClusterLoop] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._leaving: dict[str, threading.Thread] = {}
        """Of clusters that are watched no more: a plan may still be finished in them."""
        self._reloading = threading.Lock()
        self._scheduler = BackgroundScheduler()

    def start(self) -> None:
        """Take the lease of the data directory, open the store, start a thread for each cluster."""
        service = self._live.known.service
        service.datadir.mkdir(parents=True, exist_ok=True)
        self._lease = FileLease(service.datadir / "monitor.lock")
        self._lease.take()
        self._journal = Journal(service.journal_url)
        self._history = History(service.history_url)
        self._publisher = Publisher(service.rundir)
        self._run = uuid.uuid4().hex[:12]
        for cluster in self._live.known.clusters:
            self._add(cluster)
        self._bus = monitor_server(service.monitor_socket, self.command)
        self._bus.start()
        self._scheduler.start()
        # What was loaded until now stays: the collector need not look at it again in the middle of a tick.
        gc.collect()
        gc.freeze()
        LOG.info("watching clusters=%s run=%s", ",".join(self._loops) or "none", self._run)

    def _add(self, cluster: ClusterSettings) -> None:
        loop = ClusterLoop(
            Surroundings(
                cluster,
                equipment.new_driver(cluster),
                equipment.new_proxies(cluster),
                equipment.new_orchestrator(cluster),
                self._journal,
                self._history,
                self._publisher,
                SystemClock(),
                self._run,
            )
        )
        name = cluster.policy.name
        self._loops[name] = loop
        self._scheduler.add_job(
            loop.read_inventory, "interval", seconds=cluster.inventory_every, id=f"inventory:{name}"
        )
        after = self._leaving.pop(name, None)
        thread = threading.Thread(target=_guarded, args=(loop, name, after), name=f"cluster:{name}", daemon=True)
        self._threads[name] = thread
        thread.start()

    def reload(self) -> Receipt:
        """Read the configuration again: clusters come and go, the others go on with what has changed."""
        with self._reloading:
            try:
                wanted = self._live.reload()
            except ConfigError as error:
                LOG.error("the configuration has mistakes and is not used: %s", "; ".join(error.mistakes))
                mistakes = tuple(("configuration", mistake) for mistake in error.mistakes)
                return Receipt("refused", "The configuration has mistakes, so nothing was changed.", mistakes)
            logging.getLogger().setLevel(wanted.service.log_level)
            names = {cluster.policy.name for cluster in wanted.clusters}
            for name in [name for name in self._loops if name not in names]:
                self._remove(name)
            changes = []
            for cluster in wanted.clusters:
                loop = self._loops.get(cluster.policy.name)
                if loop is None:
                    self._add(cluster)
                elif cluster != loop.around.settings:
                    changes.append(self._change(loop, cluster))
        done, late = wait(changes, _ADOPTION)
        if refusals := tuple(("settings", told) for told in (change.result() for change in done) if told):
            return Receipt("failed", "Not everything is used: " + "; ".join(told for _, told in refusals), refusals)
        return Receipt("done", "Reloaded; a plan runs, after which the changes count." if late else "Reloaded.")

    def _change(self, loop: ClusterLoop, cluster: ClusterSettings) -> Future[str]:
        around, old = loop.around, loop.around.settings
        self._scheduler.reschedule_job(
            f"inventory:{cluster.policy.name}", trigger="interval", seconds=cluster.inventory_every
        )
        return loop.adopt(
            replace(
                around,
                settings=cluster,
                driver=around.driver if equipment.same_driver(old, cluster) else equipment.new_driver(cluster),
                proxies=around.proxies if equipment.same_proxies(old, cluster) else equipment.new_proxies(cluster),
                orchestrator=around.orchestrator
                if equipment.same_orchestrator(old, cluster)
                else equipment.new_orchestrator(cluster),
            )
        )

    def _remove(self, name: str) -> None:
        """Watch a cluster no more; its servers go on as they are."""
        loop, thread = self._loops.pop(name), self._threads.pop(name)
        self._scheduler.remove_job(f"inventory:{name}")
        loop.stop()
        thread.join(timeout=_REMOVAL)
        if thread.is_alive():
            self._leaving[name] = thread
        self._publisher.retire(name)
        LOG.info("cluster=%s is watched no more", name)

    def command(self, command: Command) -> Receipt:
        """Answer a command from the bus: waits until its plan has ended."""
        if command.kind is CommandKind.RELOAD:
            return self.reload()
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
        for thread in self._threads.values():
            thread.join(timeout=10.0)
        self._history.close()
        self._journal.close()
        self._lease.give_up()


def _guarded(loop: ClusterLoop, name: str, after: threading.Thread | None) -> None:
    """A cluster's thread must not die quietly: the process ends, and its supervisor starts it again.

    A cluster that comes back while its old thread finishes a plan waits `after` it: two would work on one journal.
    """
    try:
        if after is not None:
            after.join()
        loop.run()
    except Exception:
        LOG.critical("the thread of cluster=%s failed; the monitor ends and is started again", name, exc_info=True)
        signal.raise_signal(signal.SIGTERM)
