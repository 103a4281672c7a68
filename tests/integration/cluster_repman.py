"""repman's processes for tests: a configuration file, ``repman serve``, and what it says of itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mariadb_stand import wait_until

from repman.config.option import Scope
from repman.config.options import BY_NAME
from repman.errors import MonitorDown, StateError, WorkerDown
from repman.model.command import Command, CommandKind, Receipt
from repman.model.snapshot import Snapshot
from repman.model.work import Reply, Request
from repman.orchestrators.haproxy_files import READ_BACKEND, WRITE_BACKEND
from repman.orchestrators.sandbox import Sandbox
from repman.state.bus import ask, ask_worker
from repman.state.journal import Journal
from repman.state.record import JournalledPlan
from repman.state.snapshots import SnapshotReader

CLUSTER = "shop"
PASSWORD = "Tested-1234567890"
Test = Callable[[Snapshot], object]


def configuration(sandbox: Sandbox, place: Path, rundir: Path, changes: dict[str, object]) -> str:
    """repman's configuration for a sandbox; `changes` by option name, ``None`` takes an option out."""
    found, haproxy = sandbox.description, sandbox.haproxy
    assert haproxy is not None
    default: dict[str, object] = {
        "monitoring-datadir": str(place / "data"),
        "monitoring-rundir": str(rundir),
        "log-file": str(place / "repman.log"),
        "http-server": False,
        "api-server": False,
        "probes-port": found.probes_port,
        "api-credentials": [f"admin:{PASSWORD}"],
    }
    cluster: dict[str, object] = {
        "db-servers-hosts": [server.address for server in sandbox.servers],
        "db-servers-names": [server.name for server in sandbox.servers],
        "db-servers-credential": f"{found.monitor.user}:{found.monitor.password}",
        "replication-credential": f"{found.replication.user}:{found.replication.password}",
        "monitoring-ticker": 0.25,
        "monitoring-inventory-interval": 1,
        "haproxy": True,
        "haproxy-servers": [haproxy.host],
        "haproxy-write-port": haproxy.write_port,
        "haproxy-read-port": haproxy.read_port,
        "haproxy-runtime-socket": [haproxy.stats_socket],
        "haproxy-api-write-backend": WRITE_BACKEND,
        "haproxy-api-read-backend": READ_BACKEND,
        "prov-orchestrator": "local",
        "sandbox-directory": str(sandbox.directory),
    }
    for name, value in changes.items():
        (default if BY_NAME[name].scope is Scope.SERVER else cluster)[name] = value
    lines = ["[Default]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in default.items() if value is not None]
    lines += [f"[{CLUSTER}]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in cluster.items() if value is not None]
    return "\n".join(lines) + "\n"


class Repman:
    """One ``repman serve`` with its children, its directories and its configuration file."""

    def __init__(self, sandbox: Sandbox, place: Path) -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        memory = Path("/dev/shm")
        self.rundir = Path(tempfile.mkdtemp(prefix="repman-test-", dir=memory if memory.is_dir() else None))
        self.changes: dict[str, object] = {}
        self._sandbox = sandbox
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = SnapshotReader(self.rundir)

    def start(self, **changes: object) -> None:
        """Start with these options (``_`` for ``-``) and wait until it watches."""
        self.changes = {name.replace("_", "-"): value for name, value in changes.items()}
        config = self.place / "repman.toml"
        config.write_text(configuration(self._sandbox, self.place, self.rundir, self.changes))
        since = time.time()
        with open(self.place / "output.log", "ab") as output:
            argv = (sys.executable, "-P", "-m", "repman", "serve", "--config", str(config))
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.until(lambda seen: seen.at > since, "a first look")
        wait_until(self._takes_commands, 10, "the command socket")
        wait_until(self._takes_requests, 10, "the worker's socket")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(55)
            finally:
                if self._process.poll() is None:
                    self.kill()
            self._process = None

    def kill(self) -> None:
        """``kill -9`` of every process of it at once."""
        for name in ("serve", "web", "worker", "monitor", "probes"):
            self.kill_one(name)
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def kill_one(self, name: str) -> int:
        """``kill -9`` of one of its processes; returns which pid it was."""
        pid = self.pid(name)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid or 0

    def pid(self, name: str) -> int | None:
        """The pid in the pid file of that process, when it runs."""
        try:
            pid = int((self.rundir / f"{name}.pid").read_text().split()[0])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return None
        return pid if name.encode() in words else None

    def forget(self) -> None:
        """Remove what it remembers; it must be stopped."""
        shutil.rmtree(self.place / "data", ignore_errors=True)

    def destroy(self) -> None:
        self.stop()
        shutil.rmtree(self.rundir, ignore_errors=True)

    @property
    def snapshot(self) -> Snapshot:
        found = self._reader.get(CLUSTER)
        assert found is not None, "nothing was published yet"
        return found

    def until(self, test: Test, what: str, seconds: float = 20.0) -> Snapshot:
        """Wait until a published snapshot passes the test."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._reader.get(CLUSTER)
            if found is not None and test(found):
                return found
            assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}; {self.shown()}"
            time.sleep(0.0005)

    def looked(self) -> Snapshot:
        """A snapshot of a look that began after now."""
        for _ in range(2):
            now = time.time()
            found = self.until(lambda seen, now=now: seen.at > now and not seen.in_failover, "a new look")
        return found

    def ask(self, kind: str, server: str = "", seconds: float = 90.0, **arguments: object) -> Receipt:
        """Order something over the command socket."""
        command = Command(CommandKind(kind), CLUSTER, server, **arguments)  # type: ignore[arg-type]
        return ask(self.rundir / "monitor.sock", command, seconds)

    def done(self, kind: str, server: str = "", **arguments: object) -> Receipt:
        """Order something that must succeed."""
        receipt = self.ask(kind, server, **arguments)
        assert receipt.status == "done", f"{receipt}; {self.shown()}"
        return receipt

    def plans(self) -> list[JournalledPlan]:
        """The plans in its journal, latest first."""
        journal = Journal(f"sqlite:///{self.place}/data/journal.db", owner=False)
        try:
            return journal.plans(CLUSTER)
        finally:
            journal.close()

    def in_background(self, kind: str, server: str = "") -> tuple[threading.Thread, list[Receipt]]:
        """Order something without waiting; the receipt comes into the list."""
        came: list[Receipt] = []
        thread = threading.Thread(target=lambda: came.append(self.ask(kind, server)))
        thread.start()
        return thread, came

    def shown(self) -> str:
        """What it says of itself, for a test that failed."""
        found = self._reader.get(CLUSTER)
        if found is None:
            return "no snapshot"
        servers = [f"{view.policy.name} {view.state} {view.seen.reach}" for view in found.servers]
        events = [f"{event.at:.3f} {event.text}" for event in found.events]
        why = [refusal.sentence for refusal in (*found.refusals, *found.blocked_by)]
        return "\n".join([*servers, *why, f"plan: {found.plan}", *events])

    def request(self, name: str, server: str = "", seconds: float = 30.0, **arguments: str) -> Reply:
        """Ask something of the worker, as its web does."""
        return ask_worker(self.rundir / "worker.sock", Request(name, CLUSTER, server, arguments, "admin"), seconds)

    def _takes_requests(self) -> bool:
        try:
            return self.request("are you there").code == "unknown-request"
        except (WorkerDown, StateError):
            return False

    def _takes_commands(self) -> bool:
        try:
            return self.ask("preview", preview_of="switchover").status == "preview"
        except (MonitorDown, StateError):
            return False
